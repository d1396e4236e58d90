"""Sealed bids: drafts, submissions with their receipts, who opens, and the opening."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned


class OpenerKeyRow(Base):
    """The public key that follows from a bureau member's opening code (开标码). The code is nowhere."""

    __tablename__ = "opener_key"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


class OpenerRow(Base):
    """One of those of whom two open a call. `share`: sealed to the opener; `given`: sealed with the installation's key."""

    __tablename__ = "opener"
    __table_args__ = (CheckConstraint("(given IS NULL) = (given_at IS NULL)", name="given"),)

    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    share: Mapped[bytes] = mapped_column(LargeBinary)
    given: Mapped[bytes | None] = mapped_column(LargeBinary)
    given_at: Mapped[datetime | None]


class BidRow(Versioned, Base):
    """An organisation's bid for a lot. Price and content are known from the opening on, not before.

    `draft`: sealed with the installation's key until it is submitted; `kept`: the submitted draft, sealed under the
    receipt's code.
    """

    __tablename__ = "bid"
    __table_args__ = (
        UniqueConstraint("lot_id", "organisation_id"),
        CheckConstraint("state IN ('draft', 'submitted', 'withdrawn', 'opened', 'refused')", name="state"),
        CheckConstraint(
            "(state IN ('opened', 'refused')) OR (price_fen IS NULL AND content IS NULL)", name="sealed"
        ),
        CheckConstraint("price_fen > 0", name="price"),
        Index("ix_bid_call_id", "call_id"),
        Index("ix_bid_organisation_id", "organisation_id"),
    )

    bid_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"))
    organisation_id: Mapped[UUID]
    state: Mapped[str]
    draft: Mapped[bytes | None] = mapped_column(LargeBinary)
    kept: Mapped[bytes | None] = mapped_column(LargeBinary)
    submission_id: Mapped[UUID | None]  # the one that stands
    price_fen: Mapped[int | None]
    content: Mapped[dict[str, Any] | None]
    refused_reason: Mapped[str | None]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]


class SubmissionRow(Base):
    """A bid as it was sealed, or its withdrawal, with the receipt's hash, time and signature. Never changed."""

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("bid_id", "number"),
        CheckConstraint("kind IN ('bid', 'withdrawal')", name="kind"),
        CheckConstraint("(kind = 'bid') = (sealed IS NOT NULL)", name="sealed"),
        Index("ix_submission_call_id_at", "call_id", "at"),
    )

    submission_id: Mapped[UUID] = mapped_column(primary_key=True)
    bid_id: Mapped[UUID] = mapped_column(ForeignKey("bid.bid_id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    sha256: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class SigningKeyRow(Base):
    """An Ed25519 key that signs receipts and packages; the private half sealed with the installation's key."""

    __tablename__ = "signing_key"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime]


class OpeningRow(Base):
    """The opening record (开标记录). `private_key`: sealed with the installation's key, for the archive's proof."""

    __tablename__ = "opening"

    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"), primary_key=True)
    at: Mapped[datetime]
    first_by: Mapped[UUID]
    second_by: Mapped[UUID]
    private_key: Mapped[bytes] = mapped_column(LargeBinary)
    record: Mapped[dict[str, Any]]
