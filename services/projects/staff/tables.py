"""Staff of organisations: whom a contract's services are done by."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.contracts.codes import Licence, TravelMode
from shared.database.base import Versioned
from shared.security.acquaintance import Acquaintance


class StaffRow(Versioned, Base):
    """A person employed by an organisation. Its version is CarerChanged's.

    Sealed: name, phone, birth_date, id_number. `weekly`: working hours [weekday, start, end] in minutes.
    """

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint("sex IN ('female', 'male')", name="sex"),
        CheckConstraint(
            f"travel_mode IN ({', '.join(repr(m.value) for m in TravelMode)})", name="travel_mode"
        ),
        CheckConstraint("daily_minutes BETWEEN 0 AND 720", name="daily_minutes"),
        CheckConstraint("weekly_minutes BETWEEN 0 AND 3600", name="weekly_minutes"),
        Index("ix_staff_organisation_id", "organisation_id"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.organisation_id"), primary_key=True
    )
    centre_id: Mapped[UUID | None]
    community_id: Mapped[UUID | None]
    title: Mapped[str]
    active: Mapped[bool]
    sex: Mapped[str]
    birth_year: Mapped[int] = mapped_column(SmallInteger)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    dialects: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    limits: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    travel_mode: Mapped[str]
    weekly: Mapped[list[Any]] = mapped_column(JSONB())
    insured_until: Mapped[date | None]
    lone_cleared_until: Mapped[date | None]
    daily_minutes: Mapped[int]
    weekly_minutes: Mapped[int]
    changed_at: Mapped[datetime]


class LicenceRow(Base):
    """A licence with its number and last valid day."""

    __tablename__ = "staff_licence"
    __table_args__ = (CheckConstraint(f"code IN ({', '.join(repr(c.value) for c in Licence)})", name="code"),)

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str]
    valid_until: Mapped[date]


class LeaveRow(Base):
    """Time at which a member of staff is not there: leave, or another client's hours (8.16)."""

    __tablename__ = "leave"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("kind IN ('leave', 'other_client')", name="kind"),
        Index("ix_leave_person_id_ends_at", "person_id", "ends_at"),
    )

    leave_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    organisation_id: Mapped[UUID]
    kind: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    made_at: Mapped[datetime]


class AcquaintanceRow(Acquaintance, Base):
    """Whom staff meet at visits: they may learn the carer's name."""

    __tablename__ = "acquaintance"
