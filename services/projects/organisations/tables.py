"""Organisations, and what each must show before it may bid: papers with their expiry, and who controls it."""

from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.contracts.codes import Channel
from shared.database.base import Versioned

# 公益一类 institutions may not provide (Order 102): the kind that is not here.
Kind = Literal["social_organisation", "centre", "firm", "institution", "collective", "committee"]
PaperKind = Literal["registration", "rating", "licence", "social_security", "tax", "audit"]


class OrganisationRow(Versioned, Base):
    """A provider: a social organisation, a firm, or the public centres' own staff. `channel`: in which it serves.

    One that registers itself is `applied` until the bureau admits it: until then it may neither bid nor be given a contract.
    `controllers_at`: when it last said who controls it.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(Kind)))})", name="kind"),
        CheckConstraint("state IN ('applied', 'admitted', 'refused')", name="state"),
        CheckConstraint("(rating IS NULL) = (rating_until IS NULL) OR state = 'applied'", name="rating"),
        CheckConstraint(f"channel IN ({', '.join(repr(c.value) for c in Channel)})", name="channel"),
        CheckConstraint("credit_code ~ '^[0-9A-HJ-NPQRTUWXY]{18}$'", name="credit_code"),
        Index("uq_organisation_credit_code", "credit_code", unique=True),
    )

    organisation_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    channel: Mapped[str]
    credit_code: Mapped[str]
    phone: Mapped[str]
    address: Mapped[str]
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    rating: Mapped[str | None]
    rating_until: Mapped[date | None]
    state: Mapped[str]
    refused_reason: Mapped[str | None]
    controllers_at: Mapped[datetime | None]
    made_at: Mapped[datetime]


class PaperRow(Versioned, Base):
    """A paper of an organisation, as its own people handed it in and the bureau looked at it."""

    __tablename__ = "paper"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(PaperKind)))})", name="kind"),
        CheckConstraint("state IN ('handed_in', 'verified', 'refused')", name="state"),
        CheckConstraint("(state = 'refused') = (refused_reason IS NOT NULL)", name="refused"),
        CheckConstraint("(kind = 'rating') = (rating IS NOT NULL)", name="rating"),
        CheckConstraint("kind <> 'rating' OR valid_until IS NOT NULL", name="rating_until"),
        Index("ix_paper_organisation_id_kind", "organisation_id", "kind"),
    )

    paper_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.organisation_id"))
    kind: Mapped[str]
    name: Mapped[str]
    number: Mapped[str]
    rating: Mapped[str | None]
    issued_on: Mapped[date]
    valid_until: Mapped[date | None]
    file_id: Mapped[UUID | None] = mapped_column(ForeignKey("file.file_id"))
    state: Mapped[str]
    refused_reason: Mapped[str | None]
    handed_in_by: Mapped[UUID | None]
    handed_in_at: Mapped[datetime]
    looked_at_by: Mapped[UUID | None]
    looked_at: Mapped[datetime | None]


class ControllerRow(Base):
    """A person who controls an organisation. The ID number is a keyed hash: two organisations of one are found.

    Sealed: name, id_number.
    """

    __tablename__ = "controller"
    __table_args__ = (
        CheckConstraint("share BETWEEN 0 AND 100", name="share"),
        Index("ix_controller_id_hash", "id_hash"),
    )

    organisation_id: Mapped[UUID] = mapped_column(
        ForeignKey("organisation.organisation_id"), primary_key=True
    )
    id_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    person_id: Mapped[UUID]  # whose key seals the name
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    share: Mapped[int] = mapped_column(SmallInteger)


class ApplicationTryRow(Base):
    """A self-registration, or an opinion, from an address (a keyed hash): one address may send only so many an hour."""

    __tablename__ = "application_try"
    __table_args__ = (Index("ix_application_try_address_at", "address", "at"),)

    try_id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    address: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
