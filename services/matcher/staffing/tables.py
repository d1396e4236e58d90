"""Who comes: assignments, the offers that ask for them, and what people refused."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.matcher.base import Base

HELD = text("state IN ('accepted', 'rostered')")


class OfferRow(Base):
    """One question to one person: a visit, or several of one need as a series (8.15).

    open -> accepted | declined | lapsed | taken (another's yes came first) | cancelled. An answer and the lapse are one
    guarded transition, judged by this database's clock.
    """

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("state IN ('open','accepted','declined','lapsed','taken','cancelled')", name="state"),
        Index("ix_offer_open_until", "until", postgresql_where=text("state = 'open'")),
        Index("ix_offer_person_state", "person_id", "state"),
        Index("ix_offer_centre_open", "centre_id", "until", postgresql_where=text("state = 'open'")),
    )

    offer_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    carer_id: Mapped[UUID]
    centre_id: Mapped[UUID | None]
    town_id: Mapped[UUID]
    need_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(default="open")
    made_at: Mapped[datetime]
    until: Mapped[datetime]
    metres: Mapped[int | None]  # from the carer's base, for the distance band
    reasons: Mapped[str] = mapped_column(default="")  # codes, space-separated
    answered_at: Mapped[datetime | None]
    answer_why: Mapped[str | None]
    taken_by: Mapped[UUID | None]  # account that wrote down an answer by phone (8.13)
    taken_from: Mapped[str | None]  # who answered: self, family
    not_reached: Mapped[int] = mapped_column(default=0)
    tried_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class AssignmentRow(Base):
    """One person's place at one visit. It ends at declined, lapsed, withdrawn or released.

    The database refuses double booking: one held row a place, and no two held rows of a person at one time.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint(
            "state IN ('offered','accepted','rostered','declined','lapsed','withdrawn','released')",
            name="state",
        ),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("(capacity = 'employed') = (organisation_id IS NOT NULL)", name="capacity"),
        Index("uq_assignment_place", "visit_id", "slot", unique=True, postgresql_where=HELD),
        Index("uq_assignment_visit_person", "visit_id", "person_id", unique=True, postgresql_where=HELD),
        Index("ix_assignment_visit", "visit_id"),
        Index("ix_assignment_person_time", "person_id", "starts_at"),
        Index("ix_assignment_organisation_time", "organisation_id", "starts_at"),
        ExcludeConstraint(
            (text("int8range(person_no, person_no, '[]')"), "&&"),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            where=HELD,
            using="gist",
            name="ex_assignment_person_busy",
        ),
    )

    assignment_id: Mapped[UUID] = mapped_column(primary_key=True)
    offer_id: Mapped[UUID | None] = mapped_column(ForeignKey("offer.offer_id"), index=True)
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.visit_id"))
    slot: Mapped[int]
    carer_id: Mapped[UUID]
    person_id: Mapped[UUID]
    person_no: Mapped[int]
    capacity: Mapped[str]
    organisation_id: Mapped[UUID | None]
    line_id: Mapped[UUID | None]
    units: Mapped[int] = mapped_column(default=0)
    committed: Mapped[bool] = mapped_column(default=False)  # the units stand on the line now
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[str]
    pinned: Mapped[bool] = mapped_column(default=False)
    confirmed_at: Mapped[datetime | None]  # by the organisation (8.16)
    ended_why: Mapped[str | None]
    ended_seen_at: Mapped[datetime | None]  # the person has seen that it ended
    plan_id: Mapped[UUID | None]
    changed_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class RefusalRow(Base):
    """What a person does not want to be offered again (8.15), or what a planner forbade."""

    __tablename__ = "refusal"
    __table_args__ = (
        CheckConstraint("num_nonnulls(visit_id, kind, resident_id) = 1", name="one"),
        Index("ix_refusal_person", "person_id"),
    )

    refusal_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    visit_id: Mapped[UUID | None] = mapped_column(index=True)
    kind: Mapped[str | None]
    resident_id: Mapped[UUID | None]
    by_planner: Mapped[bool] = mapped_column(default=False)
    made_at: Mapped[datetime]


class FenceRow(Base):
    """A city-wide lock and counter: the fencing epoch of publishing."""

    __tablename__ = "fence"

    name: Mapped[str] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(default=0)
