"""What is reserved, delivered and accepted on contract lines."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned


class ReservationRow(Base):
    """Units that a planned place holds on a line, as the matcher last told. Counts until it is delivered."""

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint("units >= 0", name="units"),
        Index("ix_reservation_line_id", "line_id"),
    )

    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID]
    units: Mapped[int]


class EntryRow(Base):
    """An entry of a line's delivery ledger: never changed, only reversed. Units in hundredths; money in fen.

    `disputed`: more was delivered than the line had left.
    """

    __tablename__ = "delivery_entry"
    __table_args__ = (
        UniqueConstraint("attendance_id", "revision", "reversal"),
        CheckConstraint("capacity = 'employed'", name="capacity"),
        CheckConstraint("(reversal AND units <= 0) OR (NOT reversal AND units >= 0)", name="sign"),
        Index("ix_delivery_entry_line_id_day", "line_id", "day", "entry_id"),
    )

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    attendance_id: Mapped[UUID]
    revision: Mapped[int] = mapped_column(SmallInteger)
    reversal: Mapped[bool]
    capacity: Mapped[str]
    visit_id: Mapped[UUID]
    person_id: Mapped[UUID]
    organisation_id: Mapped[UUID]
    line_id: Mapped[UUID]
    kind: Mapped[str]
    outcome: Mapped[str]
    day: Mapped[date]
    minutes: Mapped[int]
    units: Mapped[int]
    amount_fen: Mapped[int]
    disputed: Mapped[bool]
    recorded_at: Mapped[datetime]


class DeliveryRow(Base):
    """Where one delivery stands: the units of its last revision, and whether they were accepted."""

    __tablename__ = "delivery"
    __table_args__ = (
        CheckConstraint("units >= 0", name="units"),
        Index("ix_delivery_line_id", "line_id"),
        Index("ix_delivery_visit_id_person_id", "visit_id", "person_id"),
    )

    attendance_id: Mapped[UUID] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(SmallInteger)
    visit_id: Mapped[UUID]
    person_id: Mapped[UUID]
    line_id: Mapped[UUID]
    units: Mapped[int]
    accepted: Mapped[bool]
    disputed_at: Mapped[datetime | None]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)


class AcceptanceRow(Base):
    """Whether resident, family or centre accepted what was delivered at a visit, as day care last told."""

    __tablename__ = "acceptance"

    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    accepted: Mapped[bool]
    by_role: Mapped[str]
    at: Mapped[datetime]


class RefusalRow(Versioned, Base):
    """That resident, family or centre refused a delivery: a dispute that the bureau decides by a day (8.19).

    `outcome`: the bureau finds it payable or not; or whoever refused it accepted it after all. While it is open, and where
    it is not payable, the delivery counts as not accepted.
    """

    __tablename__ = "refusal"
    __table_args__ = (
        CheckConstraint("by_role IN ('resident', 'family', 'centre')", name="by_role"),
        CheckConstraint("outcome IN ('payable', 'not_payable', 'accepted')", name="outcome"),
        CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(outcome IN ('payable', 'not_payable')) = (reason IS NOT NULL)", name="reason"),
        Index("uq_refusal_open", "attendance_id", unique=True, postgresql_where="ended_at IS NULL"),
        Index("ix_refusal_due_on", "due_on", "refusal_id"),
    )

    refusal_id: Mapped[UUID] = mapped_column(primary_key=True)
    attendance_id: Mapped[UUID] = mapped_column(ForeignKey("delivery.attendance_id"))
    organisation_id: Mapped[UUID]
    by_role: Mapped[str]
    refused_at: Mapped[datetime]
    due_on: Mapped[date]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]
    decided_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
