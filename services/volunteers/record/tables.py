"""The service record (Order 67): entries that are never changed, only reversed; trainings, awards, evaluations."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.volunteers.base import Base


class EntryRow(Base):
    """One entry of a volunteer's record (Order 67, 7): activity, date, place, content, time, unit, person in charge.

    Minutes of service actually given. A correction posts a reversal of the last revision and the new one. Only service
    in the capacity of a volunteer can stand here (Order 67, 19). `late`: recorded after more than ten working days.
    `earlier`: given before attendance was kept here, so that this record alone holds it.
    """

    __tablename__ = "record_entry"
    __table_args__ = (
        UniqueConstraint("attendance_id", "revision", "reversal"),
        CheckConstraint("capacity = 'volunteer'", name="capacity"),
        CheckConstraint("revision > 0", name="revision"),
        CheckConstraint("(reversal AND minutes <= 0) OR (NOT reversal AND minutes >= 0)", name="sign"),
        Index("ix_record_entry_person_id_day", "person_id", "day", "entry_id"),
        Index("ix_record_entry_attendance_id", "attendance_id"),
    )

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    attendance_id: Mapped[UUID]
    visit_id: Mapped[UUID]
    revision: Mapped[int] = mapped_column(SmallInteger)
    reversal: Mapped[bool]
    capacity: Mapped[str]
    kind: Mapped[str]
    outcome: Mapped[str]
    day: Mapped[date]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    minutes: Mapped[int]
    community_id: Mapped[UUID]
    centre_id: Mapped[UUID | None]
    responsible_id: Mapped[UUID]
    confirmed_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    late: Mapped[bool]
    earlier: Mapped[bool]


class TrainingRow(Base):
    """A training (Order 67, 8)."""

    __tablename__ = "training"
    __table_args__ = (CheckConstraint("minutes > 0", name="minutes"),)

    training_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(index=True)
    name: Mapped[str]
    content: Mapped[str]
    minutes: Mapped[int]
    organiser: Mapped[str]
    day: Mapped[date]


class AwardRow(Base):
    """An award (Order 67, 9)."""

    __tablename__ = "award"

    award_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(index=True)
    name: Mapped[str]
    grantor: Mapped[str]
    day: Mapped[date]


class EvaluationRow(Base):
    """An evaluation of a volunteer's service (Order 67, 10): quality 1 to 5."""

    __tablename__ = "evaluation"
    __table_args__ = (CheckConstraint("quality BETWEEN 1 AND 5", name="quality"),)

    evaluation_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(index=True)
    quality: Mapped[int] = mapped_column(SmallInteger)
    day: Mapped[date]
    by: Mapped[UUID | None]
