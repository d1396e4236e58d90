"""公益创投: grants with their milestones; organisations in incubation."""

from datetime import date, datetime
from typing import Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from shared.database.base import Versioned

GrantState = Literal["running", "stopped", "completed", "terminated"]
MilestoneKind = Literal["start", "step", "midterm", "final"]
MilestoneState = Literal["due", "handed_in", "passed", "failed", "paid"]
StepKind = Literal["handed_in", "passed", "failed", "late", "resumed", "completed", "terminated"]
Exit = Literal["graduated", "withdrew", "removed"]
SupportKind = Literal["premises", "training", "mentoring", "funding", "other"]


class GrantRow(Versioned, Base):
    """A funded project (立项). `stopped`: its mid-term review failed or was late; nothing more is paid."""

    __tablename__ = "grant"
    __table_args__ = (
        UniqueConstraint("award_id"),
        CheckConstraint(f"state IN ({', '.join(map(repr, get_args(GrantState)))})", name="state"),
        CheckConstraint("paid_fen BETWEEN 0 AND amount_fen", name="paid"),
        Index("ix_grant_organisation_id", "organisation_id"),
    )

    grant_id: Mapped[UUID] = mapped_column(primary_key=True)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.award_id"))
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    organisation_id: Mapped[UUID]
    number: Mapped[str]
    title: Mapped[str]
    amount_fen: Mapped[int]
    paid_fen: Mapped[int]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[str]
    stopped_reason: Mapped[str | None]
    made_at: Mapped[datetime]


class MilestoneRow(Versioned, Base):
    """A step of a grant with its share of the money; `evidence` and files, then the review."""

    __tablename__ = "milestone"
    __table_args__ = (
        UniqueConstraint("grant_id", "position"),
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(MilestoneKind)))})", name="kind"),
        CheckConstraint(f"state IN ({', '.join(map(repr, get_args(MilestoneState)))})", name="state"),
        CheckConstraint("amount_fen >= 0", name="amount"),
    )

    milestone_id: Mapped[UUID] = mapped_column(primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("grant.grant_id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str]
    title: Mapped[str]
    due_on: Mapped[date]
    amount_fen: Mapped[int]
    state: Mapped[str]
    evidence: Mapped[str | None]
    handed_in_at: Mapped[datetime | None]
    reviewed_by: Mapped[UUID | None]
    reviewed_at: Mapped[datetime | None]
    review: Mapped[str | None]


class GrantStepRow(Base):
    """What happened in a grant and what was said of it: evidence, reviews, why it was stopped, went on and ended. Never
    changed, so that what is handed in or reviewed anew takes nothing away.
    """

    __tablename__ = "grant_step"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(StepKind)))})", name="kind"),
        Index("ix_grant_step_grant_id", "grant_id"),
    )

    step_id: Mapped[UUID] = mapped_column(primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("grant.grant_id"))
    milestone_id: Mapped[UUID | None] = mapped_column(ForeignKey("milestone.milestone_id"))
    kind: Mapped[str]
    text: Mapped[str]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class IncubationRow(Versioned, Base):
    """An organisation in incubation (孵化): where, who looks after it, and how it left."""

    __tablename__ = "incubation"
    __table_args__ = (
        CheckConstraint(f"exit IN ({', '.join(map(repr, get_args(Exit)))})", name="exit"),
        CheckConstraint("(exit IS NULL) = (left_on IS NULL)", name="left"),
        Index("uq_incubation_running", "organisation_id", unique=True, postgresql_where="exit IS NULL"),
    )

    incubation_id: Mapped[UUID] = mapped_column(primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisation.organisation_id"))
    place: Mapped[str]
    began_on: Mapped[date]
    until: Mapped[date]
    goals: Mapped[str]
    exit: Mapped[str | None]
    left_on: Mapped[date | None]
    exit_reason: Mapped[str | None]


class SupportRow(Base):
    """What an incubated organisation was given: premises, training, mentoring, money."""

    __tablename__ = "support"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(SupportKind)))})", name="kind"),
        Index("ix_support_incubation_id", "incubation_id"),
    )

    support_id: Mapped[UUID] = mapped_column(primary_key=True)
    incubation_id: Mapped[UUID] = mapped_column(ForeignKey("incubation.incubation_id"))
    kind: Mapped[str]
    what: Mapped[str]
    on: Mapped[date]
    fen: Mapped[int]
    by: Mapped[UUID | None]
