"""Attendance: one person at one visit, from accepted to confirmed, with every value that was corrected."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.database.base import Versioned

STATES = ("expected", "in", "out", "confirmed", "no_show", "disputed", "released")


class AttendanceRow(Versioned, Base):
    """A person's attendance at a visit: expected, in, out, confirmed | no_show | disputed; or released before it began.

    `end_proposed`: the end is the planned one, because nobody checked out (8.10). `revision` counts confirmed values:
    0 is provisional and never counted. `minutes`: service given. `assignment_id` None: entered from paper.
    """

    __tablename__ = "attendance"
    __table_args__ = (
        UniqueConstraint("visit_id", "person_id"),
        CheckConstraint(f"state IN ({', '.join(map(repr, STATES))})", name="state"),
        CheckConstraint("capacity IN ('volunteer', 'employed', 'stipended')", name="capacity"),
        CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name="times"),
        CheckConstraint("state NOT IN ('in', 'out') OR started_at IS NOT NULL", name="started"),
        CheckConstraint("state <> 'out' OR ended_at IS NOT NULL", name="ended"),
        CheckConstraint("minutes BETWEEN 0 AND 1440", name="minutes"),
        CheckConstraint("(revision > 0) = (state IN ('confirmed', 'no_show', 'disputed'))", name="revision"),
        CheckConstraint("(revision > 0) = (confirmed_at IS NOT NULL)", name="confirmed"),
        Index("ix_attendance_person_id_planned_start", "person_id", "planned_start"),
        Index("ix_attendance_unended", "planned_end", postgresql_where=text("state = 'in'")),
    )

    attendance_id: Mapped[UUID] = mapped_column(primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.visit_id"))
    person_id: Mapped[UUID]
    carer_id: Mapped[UUID]
    capacity: Mapped[str]
    organisation_id: Mapped[UUID | None]
    line_id: Mapped[UUID | None]
    assignment_id: Mapped[UUID | None]
    slot: Mapped[int]
    planned_start: Mapped[datetime]
    planned_end: Mapped[datetime]
    state: Mapped[str]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_proposed: Mapped[bool]
    checked_in_by: Mapped[UUID | None]
    outcome: Mapped[str | None]
    minutes: Mapped[int]
    revision: Mapped[int]
    responsible_id: Mapped[UUID | None]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]


class RevisionRow(Base):
    """One confirmed value of an attendance: who said so, when, and why it was corrected (sealed under the carer's key)."""

    __tablename__ = "attendance_revision"
    __table_args__ = (CheckConstraint("revision > 0", name="revision"),)

    attendance_id: Mapped[UUID] = mapped_column(ForeignKey("attendance.attendance_id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str]
    minutes: Mapped[int]
    by: Mapped[UUID]
    at: Mapped[datetime]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
