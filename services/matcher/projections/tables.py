"""What the matcher knows of the world, from events alone: visits, people, carers, contract lines."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from services.matcher.base import Base
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import VisitStatus
from shared.contracts.lines import ContractLineChanged
from shared.contracts.visits import VisitChanged


class VisitRow(Base):
    """A visit as daycare asks for it, and its staffing's version.

    The staffing is the matcher's aggregate: whoever changes who comes locks this row first, visits in id order.
    `waiting_since`: a place is free and nobody is asked yet; `trace`: of what left it so. `unmet`: why, when the last attempt found nobody.
    """

    __tablename__ = "visit"
    __table_args__ = (
        Index("ix_visit_day_status", "day", "status"),
        Index("ix_visit_waiting", "waiting_since", postgresql_where=text("waiting_since IS NOT NULL")),
        Index("ix_visit_centre_day", "centre_id", "day"),
    )

    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_version: Mapped[int]
    need_id: Mapped[UUID]
    status: Mapped[str]
    day: Mapped[date]
    earliest_start: Mapped[datetime]
    latest_start: Mapped[datetime]
    carers: Mapped[int]
    kind: Mapped[str]
    vital: Mapped[bool]
    centre_id: Mapped[UUID | None]
    town_id: Mapped[UUID]
    community_id: Mapped[UUID]
    data: Mapped[dict[str, Any]]
    staffing_version: Mapped[int] = mapped_column(default=0)
    unmet: Mapped[dict[str, Any] | None]
    waiting_since: Mapped[datetime | None]
    trace: Mapped[str | None]

    @property
    def asked(self) -> VisitChanged:
        """The visit as it was asked for."""
        return VisitChanged.model_validate(self.data)

    @property
    def open(self) -> bool:
        return self.status == VisitStatus.OPEN


class PersonRow(Base):
    """A person's number: small, so that one exclusion constraint can hold person and time."""

    __tablename__ = "person"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_no: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)


class CarerRow(Base):
    """Someone who can be planned, in one capacity."""

    __tablename__ = "carer"

    carer_id: Mapped[UUID] = mapped_column(primary_key=True)
    carer_version: Mapped[int]
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.person_id"), index=True)
    capacity: Mapped[str]
    organisation_id: Mapped[UUID | None] = mapped_column(index=True)
    centre_id: Mapped[UUID | None] = mapped_column(index=True)
    active: Mapped[bool]
    data: Mapped[dict[str, Any]]

    @property
    def known(self) -> CarerChanged:
        """The carer as volunteers or projects tells of them."""
        return CarerChanged.model_validate(self.data)


class LineRow(Base):
    """A contract line and what is drawn on it, in hundredths of its unit.

    available = ceiling - delivered - committed. `overdraft` is what a lowered ceiling or a disputed delivery left
    above the ceiling; a commitment can never make one.
    """

    __tablename__ = "line"
    __table_args__ = (
        CheckConstraint("committed >= 0", name="committed"),
        CheckConstraint("delivered >= 0", name="delivered"),
        CheckConstraint("overdraft >= 0", name="overdraft"),
        CheckConstraint("committed + delivered <= ceiling + overdraft", name="ceiling"),
    )

    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_version: Mapped[int]
    organisation_id: Mapped[UUID] = mapped_column(index=True)
    ceiling: Mapped[int]
    committed: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int] = mapped_column(default=0)
    overdraft: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool]
    data: Mapped[dict[str, Any]]

    @property
    def known(self) -> ContractLineChanged:
        """The line as projects tells of it."""
        return ContractLineChanged.model_validate(self.data)

    @property
    def available(self) -> int:
        return max(0, self.ceiling - self.delivered - self.committed) if self.active else 0


class DeliveryRow(Base):
    """What a confirmed attendance drew from a line: the newest revision only."""

    __tablename__ = "delivery"

    attendance_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int]
    line_id: Mapped[UUID]
    units: Mapped[int]


class WorkRow(Base):
    """Minutes that a person worked on a visit, as confirmed: for even load and continuity."""

    __tablename__ = "work_done"
    __table_args__ = (Index("ix_work_done_person_day", "person_id", "day"),)

    attendance_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int]
    person_id: Mapped[UUID]
    resident_ids: Mapped[list[Any]]
    day: Mapped[date]
    minutes: Mapped[int]
