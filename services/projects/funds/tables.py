"""The special fund, its lines and their ledger (implementation opinion 2016, 三.2). Money in fen."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned


class FundRow(Versioned, Base):
    """A year's fund. `purposes`: what it may be used for without an approval, as the rule said for its year."""

    __tablename__ = "fund"
    __table_args__ = (UniqueConstraint("name", "year"),)

    fund_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    year: Mapped[int] = mapped_column(SmallInteger)
    purposes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    appraisal_due: Mapped[date]
    closed_on: Mapped[date | None]
    made_at: Mapped[datetime]


class BudgetLineRow(Versioned, Base):
    """A line of a fund: allocated = committed + spent + free, always.

    `need_fen`: what the town says it needs; `backstop_fen`: what of the allocated the town put in itself.
    """

    __tablename__ = "budget_line"
    __table_args__ = (
        CheckConstraint("allocated_fen = committed_fen + spent_fen + free_fen", name="equation"),
        CheckConstraint(
            "allocated_fen >= 0 AND committed_fen >= 0 AND spent_fen >= 0 AND free_fen >= 0", name="signs"
        ),
        CheckConstraint("need_fen >= 0 AND backstop_fen >= 0", name="need"),
        CheckConstraint("approval IS NULL OR approval <> ''", name="approval"),
        UniqueConstraint("fund_id", "name", name="uq_budget_line_name"),
    )

    budget_line_id: Mapped[UUID] = mapped_column(primary_key=True)
    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.fund_id"))
    name: Mapped[str]
    purpose: Mapped[str]
    approval: Mapped[str | None]  # a purpose that the fund does not name needs one
    town_id: Mapped[UUID | None]
    need_fen: Mapped[int]
    backstop_fen: Mapped[int]
    allocated_fen: Mapped[int]
    committed_fen: Mapped[int]
    spent_fen: Mapped[int]
    free_fen: Mapped[int]


# What each kind of entry may move; nothing else can be written.
MOVES = """CASE kind
    WHEN 'allocate' THEN allocated_fen <> 0 AND committed_fen = 0 AND spent_fen = 0
    WHEN 'backstop' THEN allocated_fen > 0 AND committed_fen = 0 AND spent_fen = 0
    WHEN 'commit' THEN allocated_fen = 0 AND committed_fen > 0 AND spent_fen = 0
    WHEN 'release' THEN allocated_fen = 0 AND committed_fen < 0 AND spent_fen = 0
    WHEN 'spend' THEN allocated_fen = 0 AND committed_fen = -spent_fen AND spent_fen > 0
    WHEN 'refund' THEN allocated_fen = 0 AND committed_fen = 0 AND spent_fen < 0
END"""


class BudgetEntryRow(Base):
    """A move on a line: never changed. The line's balances are the sums of its entries; a trigger sees to it."""

    __tablename__ = "budget_entry"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('allocate', 'commit', 'release', 'spend', 'refund', 'backstop')", name="kind"
        ),
        CheckConstraint(MOVES, name="moves"),
        UniqueConstraint("budget_line_id", "pos"),
        Index("ix_budget_entry_about_id", "about_id"),
    )

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_line_id: Mapped[UUID] = mapped_column(ForeignKey("budget_line.budget_line_id"))
    pos: Mapped[int]  # 1, 2, 3 … on its line
    kind: Mapped[str]
    allocated_fen: Mapped[int]
    committed_fen: Mapped[int]
    spent_fen: Mapped[int]
    about: Mapped[str]  # line, call, contract, grant, payment
    about_id: Mapped[UUID]
    reason: Mapped[str]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class AppraisalRow(Versioned, Base):
    """A fund's performance appraisal: indicators with weights and points, and since when it is public (三.2, 五.9)."""

    __tablename__ = "appraisal"
    __table_args__ = (CheckConstraint("score BETWEEN 0 AND 10000", name="score"),)

    fund_id: Mapped[UUID] = mapped_column(ForeignKey("fund.fund_id"), primary_key=True)
    indicators: Mapped[list[Any]]
    score: Mapped[int]  # hundredths of a point
    summary: Mapped[str]
    published_at: Mapped[datetime | None]
    by: Mapped[UUID | None]
