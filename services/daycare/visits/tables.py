"""Visits, and who comes to them as the matcher tells."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.contracts.codes import Outcome, VisitStatus
from shared.database.base import Versioned


def _codes(codes: type[VisitStatus] | type[Outcome]) -> str:
    return ", ".join(repr(code.value) for code in codes)


class VisitRow(Versioned, Base):
    """One visit of a need. Its version is VisitChanged's; whoever changes it or its attendance locks this row first.

    `visit_id` follows from the series and `original_start`, the local start the series first gave it.
    `code`: four digits that resident and carer share (8.17). An ended visit has an outcome, and only it (8.9).
    """

    __tablename__ = "visit"
    __table_args__ = (
        UniqueConstraint("series_id", "original_start"),
        CheckConstraint(f"status IN ({_codes(VisitStatus)})", name="status"),
        CheckConstraint(f"outcome IN ({_codes(Outcome)})", name="outcome"),
        CheckConstraint("(status = 'ended') = (outcome IS NOT NULL)", name="ended"),
        CheckConstraint("(status = 'cancelled') = (cancel_reason IS NOT NULL)", name="cancelled"),
        CheckConstraint("earliest_start <= latest_start", name="window"),
        CheckConstraint("carers IN (1, 2)", name="carers"),
        CheckConstraint("code ~ '^[0-9]{4}$'", name="code"),
        Index("ix_visit_centre_id_day", "centre_id", "day"),
        Index("ix_visit_community_id_day", "community_id", "day"),
        Index("ix_visit_cell_id_day", "cell_id", "day"),
        Index("ix_visit_town_id_day", "town_id", "day"),
        Index("ix_visit_day_status", "day", "status"),
        Index("ix_visit_need_id", "need_id"),
        Index("ix_visit_resident_ids", "resident_ids", postgresql_using="gin"),
    )

    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    need_id: Mapped[UUID] = mapped_column(ForeignKey("need.need_id"))
    series_id: Mapped[UUID]
    original_start: Mapped[str]
    day: Mapped[date]
    earliest_start: Mapped[datetime]
    latest_start: Mapped[datetime]
    minutes: Mapped[int]
    carers: Mapped[int]
    kind: Mapped[str]
    centre_id: Mapped[UUID | None]
    town_id: Mapped[UUID]
    community_id: Mapped[UUID]
    cell_id: Mapped[UUID | None]
    resident_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    status: Mapped[str]
    outcome: Mapped[str | None]
    cancel_reason: Mapped[str | None]
    code: Mapped[str]
    on_paper: Mapped[bool]
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]


class StaffingRow(Base):
    """Who comes to a visit, as StaffingChanged last said: live slots, or why nobody yet.

    `held_ids`: people whose slot is accepted or rostered. `organisation_ids`: of all live slots.
    """

    __tablename__ = "staffing"
    __table_args__ = (
        Index("ix_staffing_held_ids", "held_ids", postgresql_using="gin"),
        Index("ix_staffing_organisation_ids", "organisation_ids", postgresql_using="gin"),
    )

    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    staffing_version: Mapped[int]
    slots: Mapped[list[Any]] = mapped_column(JSONB())
    unmet: Mapped[dict[str, Any] | None]
    held_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    organisation_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
