"""Contracts and the lines that services are drawn from."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.contracts.codes import ContractUnit
from shared.database.base import Versioned


class ContractRow(Versioned, Base):
    """A contract with an organisation."""

    __tablename__ = "contract"
    __table_args__ = (
        CheckConstraint("valid_from <= valid_to", name="days"),
        CheckConstraint("signed <= valid_to", name="signed"),
        CheckConstraint("state IN ('unsigned', 'active', 'suspended', 'ended')", name="state"),
        CheckConstraint("paid_fen >= 0 AND (price_fen IS NULL OR paid_fen <= price_fen)", name="paid"),
        Index("uq_contract_number", "number", unique=True),
        Index("ix_contract_organisation_id", "organisation_id"),
    )

    contract_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.organisation_id"))
    number: Mapped[str]
    title: Mapped[str]
    fund: Mapped[str]
    theme: Mapped[str]
    beneficiary: Mapped[str]
    signed: Mapped[date]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    state: Mapped[str]
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("call.call_id"))
    award_id: Mapped[UUID | None] = mapped_column(ForeignKey("award.award_id"))
    budget_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("budget_line.budget_line_id"))
    price_fen: Mapped[int | None]  # none: not bought by a call (the centre's own staff, the market)
    paid_fen: Mapped[int]
    made_at: Mapped[datetime]


class LineRow(Versioned, Base):
    """A contract's line: what may be drawn, in hundredths of its unit, and at what price (8.19)."""

    __tablename__ = "contract_line"
    __table_args__ = (
        CheckConstraint(f"unit IN ({', '.join(repr(u.value) for u in ContractUnit)})", name="unit"),
        CheckConstraint("ceiling >= 0", name="ceiling"),
        CheckConstraint("unit_price_fen >= 0", name="price"),
        CheckConstraint("wasted_trip BETWEEN 0 AND 100", name="wasted_trip"),
        CheckConstraint("rounding_minutes BETWEEN 1 AND 60", name="rounding"),
        CheckConstraint("valid_from <= valid_to", name="days"),
        CheckConstraint("cardinality(kinds) > 0", name="kinds"),
        Index("ix_contract_line_contract_id", "contract_id"),
    )

    line_id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"))
    organisation_id: Mapped[UUID]
    name: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    community_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    unit: Mapped[str]
    rounding_minutes: Mapped[int]
    ceiling: Mapped[int]
    unit_price_fen: Mapped[int]
    wasted_trip: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    channel: Mapped[str]
    active: Mapped[bool]
    changed_at: Mapped[datetime]


class BalanceRow(Base):
    """What is drawn on a line. contracted = reserved + delivered, unconfirmed + accepted + free, always (8.19).

    `over`: what a lowered ceiling or a disputed delivery left above the ceiling; a reservation can never make one.
    """

    __tablename__ = "line_balance"
    __table_args__ = (
        CheckConstraint(
            "reserved >= 0 AND delivered >= 0 AND accepted >= 0 AND free >= 0 AND over >= 0", name="signs"
        ),
        CheckConstraint("ceiling + over = reserved + delivered + accepted + free", name="equation"),
        CheckConstraint("over = 0 OR free = 0", name="over_or_free"),
    )

    line_id: Mapped[UUID] = mapped_column(ForeignKey("contract_line.line_id"), primary_key=True)
    ceiling: Mapped[int]
    reserved: Mapped[int]
    delivered: Mapped[int]
    accepted: Mapped[int]
    free: Mapped[int]
    over: Mapped[int]


class AreaRow(Base):
    """A town, community or cell, as the community service tells of it."""

    __tablename__ = "area"

    area_id: Mapped[UUID] = mapped_column(primary_key=True)
    level: Mapped[str]
    parent_id: Mapped[UUID | None]
