"""What a volunteer says is wrong with the record of service given before attendance was kept here (8.10)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from services.volunteers.base import Base


class DisputeRow(Base):
    """A disputed entry: open until the desk has looked and either corrected it or let it stand.

    Sealed under the volunteer's key: the reason, and what the desk answered.
    """

    __tablename__ = "dispute"
    __table_args__ = (
        CheckConstraint("settled_how IN ('corrected', 'kept')", name="settled_how"),
        CheckConstraint("(settled_at IS NULL) = (settled_how IS NULL)", name="settled"),
        Index("uq_dispute_open", "attendance_id", unique=True, postgresql_where=text("settled_at IS NULL")),
        Index("ix_dispute_person_id", "person_id"),
    )

    dispute_id: Mapped[UUID] = mapped_column(primary_key=True)
    attendance_id: Mapped[UUID]
    person_id: Mapped[UUID]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    opened_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[UUID | None]
    settled_how: Mapped[str | None]
