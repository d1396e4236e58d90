"""What residents, families and centres said of a visit."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.database.base import Versioned


class RatingRow(Versioned, Base):
    """One of three faces and a sentence (8.11): 1 unhappy, 2 fair, 3 happy. The sentence is sealed for the resident."""

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint("face BETWEEN 1 AND 3", name="face"),
        CheckConstraint("how IN ('self', 'family', 'phone', 'paper')", name="how"),
    )

    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.visit_id"), primary_key=True)
    resident_id: Mapped[UUID]
    face: Mapped[int]
    how: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    given_by: Mapped[UUID]
    given_at: Mapped[datetime]


class AcceptanceRow(Versioned, Base):
    """Whether resident, family or centre accepted what was delivered: only that counts as accepted (8.19)."""

    __tablename__ = "acceptance"
    __table_args__ = (CheckConstraint("by_role IN ('resident', 'family', 'centre')", name="by_role"),)

    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.visit_id"), primary_key=True)
    accepted: Mapped[bool]
    by_role: Mapped[str]
    by: Mapped[UUID]
    at: Mapped[datetime]
