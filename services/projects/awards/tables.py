"""Awards, challenges, signatures, and changes of a contract."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned


class AwardRow(Versioned, Base):
    """A bid that won its lot, at its price. Awards of a lot decided at once share `decision_id`, which their notice is about."""

    __tablename__ = "award"
    __table_args__ = (
        Index("uq_award_standing", "bid_id", unique=True, postgresql_where="state <> 'void'"),
        CheckConstraint("state IN ('decided', 'signed', 'void')", name="state"),
        CheckConstraint("price_fen > 0", name="price"),
        Index("ix_award_call_id", "call_id"),
    )

    award_id: Mapped[UUID] = mapped_column(primary_key=True)
    decision_id: Mapped[UUID]
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"))
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.bid_id"))
    organisation_id: Mapped[UUID]
    rank: Mapped[int] = mapped_column(SmallInteger)
    price_fen: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]  # why, where the first in rank did not get it; why void
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime]


class ChallengeRow(Versioned, Base):
    """A bidder's challenge (质疑): filed and answered within working days (procurement law, 52 and 53)."""

    __tablename__ = "challenge"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'rejected', 'upheld', 'withdrawn')", name="state"),
        CheckConstraint("(state IN ('rejected', 'upheld')) = (answered_at IS NOT NULL)", name="answered"),
        Index("ix_challenge_call_id", "call_id"),
    )

    challenge_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"))
    organisation_id: Mapped[UUID]
    text: Mapped[str]
    file_id: Mapped[UUID | None]
    filed_at: Mapped[datetime]
    answer_due: Mapped[date]
    state: Mapped[str]
    answer: Mapped[str | None]
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None]


class AgreementRow(Versioned, Base):
    """A contract's text as both sides sign it, its hash and price, the performance bond, and how the contract was closed."""

    __tablename__ = "agreement"
    __table_args__ = (
        CheckConstraint("price_fen > 0", name="price"),
        CheckConstraint("bond_fen BETWEEN 0 AND price_fen", name="bond"),
        CheckConstraint("bond_returned_on IS NULL OR bond_received_on <= bond_returned_on", name="bond_days"),
    )

    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"), primary_key=True)
    text: Mapped[str] = mapped_column(Text(), deferred=True)
    sha256: Mapped[str]
    price_fen: Mapped[int]  # as signed: additions are measured by it
    bond_fen: Mapped[int]
    bond_received_on: Mapped[date | None]
    bond_returned_on: Mapped[date | None]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    result: Mapped[str | None]


class SignatureRow(Base):
    """One side's signature under a contract's text as it hashed then."""

    __tablename__ = "signature"
    __table_args__ = (CheckConstraint("side IN ('bureau', 'organisation')", name="side"),)

    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    sha256: Mapped[str]
    at: Mapped[datetime]


class ContractChangeRow(Base):
    """A change of a signed contract: additions are at most the rule's share of its price, in all."""

    __tablename__ = "contract_change"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('addition', 'reduction', 'extension', 'suspension', 'resumption', 'termination')",
            name="kind",
        ),
        UniqueConstraint("contract_id", "number"),
    )

    change_id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    delta_fen: Mapped[int]
    lines: Mapped[list[Any]]
    until: Mapped[date | None]
    reason: Mapped[str]
    by: Mapped[UUID | None]
    at: Mapped[datetime]
