"""Claims by month over accepted deliveries, and payments."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned


class ClaimRow(Versioned, Base):
    """What an organisation claims for a month: the sum of the entries it lists."""

    __tablename__ = "claim"
    __table_args__ = (
        CheckConstraint("state IN ('submitted', 'checked', 'paid', 'refused')", name="state"),
        CheckConstraint("extract(day FROM month) = 1", name="month"),
        Index("ix_claim_contract_id_month", "contract_id", "month"),
    )

    claim_id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"))
    organisation_id: Mapped[UUID]
    month: Mapped[date]
    amount_fen: Mapped[int]
    state: Mapped[str]
    submitted_by: Mapped[UUID | None]
    submitted_at: Mapped[datetime]
    checked_by: Mapped[UUID | None]
    checked_at: Mapped[datetime | None]
    refused_reason: Mapped[str | None]


class ClaimEntryRow(Base):
    """An entry of the delivery ledger in a claim. `live` falls with a refused claim: an entry is claimed once."""

    __tablename__ = "claim_entry"
    __table_args__ = (Index("uq_claim_entry_live", "entry_id", unique=True, postgresql_where="live"),)

    claim_id: Mapped[UUID] = mapped_column(ForeignKey("claim.claim_id"), primary_key=True)
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("delivery_entry.entry_id"), primary_key=True)
    amount_fen: Mapped[int]
    live: Mapped[bool]


class RefundRow(Base):
    """Money that came back: what was paid for deliveries that no longer stand, when the contract was closed. Never changed."""

    __tablename__ = "refund"
    __table_args__ = (CheckConstraint("fen > 0", name="fen"), UniqueConstraint("claim_id"))

    refund_id: Mapped[UUID] = mapped_column(primary_key=True)
    claim_id: Mapped[UUID] = mapped_column(ForeignKey("claim.claim_id"))
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"))
    budget_line_id: Mapped[UUID] = mapped_column(ForeignKey("budget_line.budget_line_id"))
    organisation_id: Mapped[UUID]
    fen: Mapped[int]
    reference: Mapped[str]
    received_on: Mapped[date]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class PaymentRow(Base):
    """Money paid: for a claim or for a milestone, never without one of them, and for each once. Never changed."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("(claim_id IS NULL) <> (milestone_id IS NULL)", name="basis"),
        CheckConstraint("fen > 0", name="fen"),
        UniqueConstraint("claim_id"),
        UniqueConstraint("milestone_id"),
        Index("ix_payment_budget_line_id", "budget_line_id"),
    )

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    budget_line_id: Mapped[UUID] = mapped_column(ForeignKey("budget_line.budget_line_id"))
    organisation_id: Mapped[UUID]
    contract_id: Mapped[UUID | None] = mapped_column(ForeignKey("contract.contract_id"))
    grant_id: Mapped[UUID | None] = mapped_column(ForeignKey("grant.grant_id"))
    claim_id: Mapped[UUID | None] = mapped_column(ForeignKey("claim.claim_id"))
    milestone_id: Mapped[UUID | None] = mapped_column(ForeignKey("milestone.milestone_id"))
    fen: Mapped[int]
    reference: Mapped[str]
    paid_on: Mapped[date]
    by: Mapped[UUID | None]
    at: Mapped[datetime]
