"""When volunteers can come: weekly parts of the day, and dated exceptions."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.volunteers.base import Base
from shared.contracts.codes import DayPart

PARTS = ", ".join(repr(part.value) for part in DayPart)


class WeeklyRow(Base):
    """A part of a weekday on which a volunteer can usually come (0 = Monday)."""

    __tablename__ = "weekly_part"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint(f"part IN ({PARTS})", name="part"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("volunteer.person_id"), primary_key=True)
    weekday: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    part: Mapped[str] = mapped_column(primary_key=True)


class ExceptionRow(Base):
    """Days that differ from the weekly pattern: parts on which the volunteer can, or can't, come."""

    __tablename__ = "exception"
    __table_args__ = (
        CheckConstraint("from_day <= to_day", name="days"),
        CheckConstraint("to_day - from_day <= 366", name="span"),
        CheckConstraint("cardinality(parts) > 0", name="parts"),
        Index("ix_exception_person_id_to_day", "person_id", "to_day"),
    )

    exception_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("volunteer.person_id"))
    from_day: Mapped[date]
    to_day: Mapped[date]
    parts: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    available: Mapped[bool]
    made_at: Mapped[datetime]
