"""Awards, challenges, signatures, changes of a contract and the supplementary agreements that bring them about."""

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
    """A change of a signed contract: additions are at most the rule's share of its price, in all.

    `agreement_kept`: false for what was changed before supplementary agreements were kept (migration 0010), and for nothing else.
    """

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
    agreement_kept: Mapped[bool] = mapped_column(default=True)


class SupplementRow(Versioned, Base):
    """A supplementary agreement (补充协议): the bureau proposes a change under its text's hash, the organisation signs it.

    proposed → in_force | declined | withdrawn | lapsed. In force it has its `contract_change`. `one_sided`: a suspension or
    termination that could not wait for the other side. What it says never changes, nor does one that has ended (a trigger).
    """

    __tablename__ = "supplement"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('addition', 'reduction', 'extension', 'suspension', 'resumption', 'termination')",
            name="kind",
        ),
        CheckConstraint("state IN ('proposed', 'in_force', 'declined', 'withdrawn', 'lapsed')", name="state"),
        CheckConstraint("(state = 'proposed') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state = 'in_force') = (change_id IS NOT NULL)", name="change"),
        CheckConstraint("state NOT IN ('declined', 'withdrawn') OR ended_reason IS NOT NULL", name="reason"),
        CheckConstraint(
            "NOT one_sided OR (kind IN ('suspension', 'termination') AND state = 'in_force')",
            name="one_sided",
        ),
        Index("uq_supplement_open", "contract_id", unique=True, postgresql_where="state = 'proposed'"),
        Index("ix_supplement_contract_id", "contract_id", "supplement_id"),
    )

    supplement_id: Mapped[UUID] = mapped_column(primary_key=True)
    contract_id: Mapped[UUID] = mapped_column(ForeignKey("contract.contract_id"))
    kind: Mapped[str]
    lines: Mapped[list[Any]]
    until: Mapped[date | None]
    reason: Mapped[str]
    one_sided: Mapped[bool]
    text: Mapped[str]
    sha256: Mapped[str]
    proposed_by: Mapped[UUID | None]
    proposed_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    state: Mapped[str]
    change_id: Mapped[UUID | None] = mapped_column(ForeignKey("contract_change.change_id"))
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
