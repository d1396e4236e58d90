"""Who scores a call's bids, what they gave, and the ranking that follows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base


class ScorerRow(Base):
    """A named scorer. Scores only after declaring to have no conflict; `finished_at` freezes the own scores."""

    __tablename__ = "scorer"
    __table_args__ = (
        CheckConstraint("declared IN ('none', 'conflict')", name="declared"),
        CheckConstraint("finished_at IS NULL OR (declared = 'none' AND left_at IS NULL)", name="finished"),
    )

    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    expert: Mapped[bool]
    id_hash: Mapped[bytes | None] = mapped_column(LargeBinary)  # keyed, as controllers' are
    named_by: Mapped[UUID | None]
    named_at: Mapped[datetime]
    declared: Mapped[str | None]
    declared_reason: Mapped[str | None]
    declared_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]  # a conflict, declared or found
    left_reason: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class ScoreRow(Base):
    """A scorer's points for a bid by a criterion, with the sentence that says why. Points in hundredths, 0..10000."""

    __tablename__ = "score"
    __table_args__ = (
        CheckConstraint("points BETWEEN 0 AND 10000", name="points"),
        CheckConstraint("length(sentence) >= 2", name="sentence"),
    )

    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.bid_id"), primary_key=True)
    criterion_id: Mapped[UUID] = mapped_column(ForeignKey("criterion.criterion_id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    points: Mapped[int]
    sentence: Mapped[str]
    at: Mapped[datetime]


class RankRow(Base):
    """Where a bid came in its lot, and the points by criterion that add up to its total (hundredths)."""

    __tablename__ = "rank"
    __table_args__ = (UniqueConstraint("lot_id", "rank"),)

    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.bid_id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    rank: Mapped[int] = mapped_column(SmallInteger)
    total: Mapped[int]
    parts: Mapped[dict[str, Any]]
    tie: Mapped[str | None]  # by what a tie was broken
