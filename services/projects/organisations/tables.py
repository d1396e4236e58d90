"""Organisations, and what each must show before it may bid: papers with their expiry, and who controls it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.contracts.codes import Channel
from shared.database.base import Versioned

# 公益一类 institutions may not provide (Order 102): the kind that is not here.
KINDS = ("social_organisation", "centre", "firm", "institution", "collective", "committee")
PAPERS = ("registration", "rating", "licence", "social_security", "tax", "audit")


class OrganisationRow(Versioned, Base):
    """A provider: a social organisation, a firm, or the public centres' own staff. `channel`: in which it serves.

    One that registers itself is `applied` until the bureau admits it: until then it may neither bid nor be given a contract.
    """

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, KINDS))})", name="kind"),
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
    lon: Mapped[float]
    lat: Mapped[float]
    rating: Mapped[str | None]
    rating_until: Mapped[date | None]
    state: Mapped[str]
    refused_reason: Mapped[str | None]
    made_at: Mapped[datetime]


class PaperRow(Versioned, Base):
    """A paper of an organisation, as its own people handed it in and the bureau looked at it."""

    __tablename__ = "paper"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, PAPERS))})", name="kind"),
        CheckConstraint("state IN ('handed_in', 'verified', 'refused')", name="state"),
        Index("ix_paper_organisation_id_kind", "organisation_id", "kind"),
    )

    paper_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.organisation_id"))
    kind: Mapped[str]
    name: Mapped[str]
    number: Mapped[str]
    rating: Mapped[str | None]
    valid_until: Mapped[date | None]
    file_id: Mapped[UUID | None]
    state: Mapped[str]
    refused_reason: Mapped[str | None]
    handed_in_at: Mapped[datetime]
    looked_at_by: Mapped[UUID | None]


class ControllerRow(Base):
    """A person who controls an organisation. The ID number is a keyed hash: two organisations of one are found."""

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
