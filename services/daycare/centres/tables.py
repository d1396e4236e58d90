"""Day-care centres, and what events tell of the city's areas and calendar."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, SmallInteger, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.database.base import Versioned


class CentreRow(Versioned, Base):
    """A day-care centre. `in_charge_id`: the person in charge, owner of its tasks (8.12) and records (Order 67, 7)."""

    __tablename__ = "centre"
    __table_args__ = (
        CheckConstraint("places BETWEEN 1 AND 500", name="places"),
        CheckConstraint("opens < closes", name="hours"),
    )

    centre_id: Mapped[UUID] = mapped_column(primary_key=True)
    town_id: Mapped[UUID] = mapped_column(index=True)
    community_id: Mapped[UUID]
    name: Mapped[str]
    places: Mapped[int]
    phone: Mapped[str]
    address: Mapped[str]
    lon: Mapped[float]
    lat: Mapped[float]
    opens: Mapped[time]
    closes: Mapped[time]
    open_weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    serves: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    in_charge_id: Mapped[UUID | None]
    created_at: Mapped[datetime]


class AreaRow(Base):
    """A town, community or cell, as the community service tells of it."""

    __tablename__ = "area"

    area_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[str]
    parent_id: Mapped[UUID | None] = mapped_column(index=True)
    name: Mapped[str]
    lon: Mapped[float]
    lat: Mapped[float]


class CalendarRow(Base):
    """A day that differs from its weekday: a holiday, or a weekend day worked in exchange (8.7)."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    workday: Mapped[bool]
    name: Mapped[str]
