"""Volunteers: Order 67's person, with skills, clearances and what may be planned."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.volunteers.base import Base
from shared.contracts.codes import Licence, Skill, TravelMode
from shared.database.base import Versioned
from shared.security.acquaintance import Acquaintance

STATUSES = ("pending", "approved", "suspended", "left")


def _list(codes: Any) -> str:
    return ", ".join(repr(code.value) for code in codes)


class VolunteerRow(Versioned, Base):
    """A volunteer (Order 67, 5). Its version is CarerChanged's.

    Sealed: name, birth_date, id_number, phone, address. `lon`, `lat`: WGS-84 rounded to about 100 m. `stipended`:
    weekly grid duty [weekday, start, end] in minutes: it blocks and is never volunteering (8.1).
    """

    __tablename__ = "volunteer"
    __table_args__ = (
        CheckConstraint(f"status IN ({', '.join(map(repr, STATUSES))})", name="status"),
        CheckConstraint("sex IN ('female', 'male')", name="sex"),
        CheckConstraint(f"travel_mode IN ({_list(TravelMode)})", name="travel_mode"),
        CheckConstraint("daily_minutes BETWEEN 0 AND 720", name="daily_minutes"),
        CheckConstraint("weekly_minutes BETWEEN 0 AND 2640", name="weekly_minutes"),
        CheckConstraint("(lon IS NULL) = (lat IS NULL)", name="placed"),
        Index("uq_volunteer_id_hash", "id_hash", unique=True, postgresql_where=text("id_hash IS NOT NULL")),
        Index("ix_volunteer_centre_id_person_id", "centre_id", "person_id"),
        Index("ix_volunteer_community_id_person_id", "community_id", "person_id"),
        Index("ix_volunteer_town_id_person_id", "town_id", "person_id"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    town_id: Mapped[UUID]
    community_id: Mapped[UUID]
    cell_id: Mapped[UUID | None]
    centre_id: Mapped[UUID | None]
    team_id: Mapped[UUID | None] = mapped_column(ForeignKey("team.team_id"))
    status: Mapped[str]
    sex: Mapped[str]
    birth_year: Mapped[int] = mapped_column(SmallInteger)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    id_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    travel_mode: Mapped[str]
    dialects: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    limits: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    refused_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    daily_minutes: Mapped[int]
    weekly_minutes: Mapped[int]
    insured_until: Mapped[date | None]
    lone_cleared_until: Mapped[date | None]
    stipended: Mapped[list[Any]] = mapped_column(JSONB())
    registered_at: Mapped[datetime]
    registered_by: Mapped[UUID | None]
    changed_at: Mapped[datetime]


class SkillRow(Base):
    """A skill a volunteer states; only a verified one is planned with."""

    __tablename__ = "skill"
    __table_args__ = (CheckConstraint(f"skill IN ({_list(Skill)})", name="skill"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("volunteer.person_id"), primary_key=True)
    skill: Mapped[str] = mapped_column(primary_key=True)
    verified_at: Mapped[datetime | None]
    verified_by: Mapped[UUID | None]


class LicenceRow(Base):
    """A licence with its last valid day, checked on the day of the visit (8.3)."""

    __tablename__ = "licence"
    __table_args__ = (CheckConstraint(f"code IN ({_list(Licence)})", name="code"),)

    person_id: Mapped[UUID] = mapped_column(ForeignKey("volunteer.person_id"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    valid_until: Mapped[date]


class TeamRow(Base):
    """A volunteer team and its leader (队长)."""

    __tablename__ = "team"

    team_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    community_id: Mapped[UUID]
    leader_id: Mapped[UUID | None]


class AcquaintanceRow(Acquaintance, Base):
    """Whom volunteers meet at visits: they may learn the volunteer's name."""

    __tablename__ = "acquaintance"


class AreaRow(Base):
    """A town, community or cell, as the community service tells of it."""

    __tablename__ = "area"

    area_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[str]
    parent_id: Mapped[UUID | None]


class CalendarRow(Base):
    """A day that differs from its weekday."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    workday: Mapped[bool]
