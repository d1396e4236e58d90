"""Calls for bids and for grant applications: lots, criteria, what the public said, questions, amendments, notices."""

from datetime import date, datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base
from services.projects.calls.methods import Method
from shared.contracts.codes import ContractUnit
from shared.database.base import Versioned

State = Literal[
    "draft",
    "consulting",
    "published",
    "opened",
    "scored",
    "awarded",
    "signed",
    "closed",
    "archived",
    "void",  # 废标
    "terminated",  # 终止
]
Beneficiary = Literal["old", "young", "poor", "disabled"]  # 为老、为小、为困、为残
NoticeKind = Literal[
    "consultation",
    "call",
    "amendment",
    "award",
    "award_void",
    "ended",
    "contract",
    "contract_change",
    "acceptance",
    "payment",
    "grant_stopped",
    "grant_resumed",
]


class CallRow(Versioned, Base):
    """A call. From publication on, its lots, criteria, weights and ceiling are frozen (8.21)."""

    __tablename__ = "call"
    __table_args__ = (
        CheckConstraint(f"method IN ({', '.join(repr(m.value) for m in Method)})", name="method"),
        CheckConstraint(f"state IN ({', '.join(map(repr, get_args(State)))})", name="state"),
        CheckConstraint(
            f"beneficiaries <@ ARRAY[{', '.join(map(repr, get_args(Beneficiary)))}]::text[]",
            name="beneficiaries",
        ),
        CheckConstraint(
            "state IN ('draft', 'consulting', 'void', 'terminated')"
            " OR (number IS NOT NULL AND published_at < deadline_at AND public_key IS NOT NULL)",
            name="published",
        ),
        CheckConstraint("ceiling_fen >= 0", name="ceiling"),
        Index("uq_call_number", "number", unique=True),
        Index("ix_call_state_deadline_at", "state", "deadline_at"),
    )

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str | None]
    title: Mapped[str]
    description: Mapped[str]
    method: Mapped[str]
    method_reason: Mapped[str]  # single source: why only this one
    state: Mapped[str]
    theme: Mapped[str | None]
    beneficiaries: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    budget_line_id: Mapped[UUID | None] = mapped_column(ForeignKey("budget_line.budget_line_id"))
    gate_number: Mapped[str | None]
    gate_day: Mapped[date | None]
    gate_approver: Mapped[str | None]
    town_id: Mapped[UUID | None]
    ceiling_fen: Mapped[int]
    allowed_kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    least_rating: Mapped[str | None]
    papers: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    invited: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))  # consultation by invitation, single source
    bid_bond_percent: Mapped[int] = mapped_column(SmallInteger)
    performance_bond_percent: Mapped[int] = mapped_column(SmallInteger)
    negative_checked: Mapped[bool] = mapped_column(
        default=False
    )  # the clerk went through the negative list: nothing of it is bought
    consulted_from: Mapped[datetime | None]
    consulted_until: Mapped[date | None]
    published_at: Mapped[datetime | None]
    questions_until: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    opened_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
    predecessor_id: Mapped[UUID | None]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]


class LotRow(Base):
    """What one winner gets; a framework or a venture has several winners. `ceiling_fen` bounds each price."""

    __tablename__ = "lot"
    __table_args__ = (
        UniqueConstraint("call_id", "number"),
        CheckConstraint("ceiling_fen > 0", name="ceiling"),
        CheckConstraint("winners >= 1", name="winners"),
        CheckConstraint("valid_from <= valid_to", name="days"),
        CheckConstraint("state IN ('open', 'awarded', 'void')", name="state"),
    )

    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    ceiling_fen: Mapped[int]
    winners: Mapped[int] = mapped_column(SmallInteger)
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    state: Mapped[str]
    void_reason: Mapped[str | None]


class LotLineRow(Base):
    """What a lot buys of a service: it becomes a contract's line at the price bid. Units in hundredths (8.19)."""

    __tablename__ = "lot_line"
    __table_args__ = (
        UniqueConstraint("lot_id", "position"),
        CheckConstraint(f"unit IN ({', '.join(repr(u.value) for u in ContractUnit)})", name="unit"),
        CheckConstraint("units > 0 AND unit_ceiling_fen > 0", name="units"),
        CheckConstraint("wasted_trip BETWEEN 0 AND 100", name="wasted_trip"),
        CheckConstraint("rounding_minutes BETWEEN 1 AND 60", name="rounding"),
        CheckConstraint("cardinality(kinds) > 0 AND cardinality(community_ids) > 0", name="kinds"),
    )

    lot_line_id: Mapped[UUID] = mapped_column(primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("lot.lot_id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    community_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    unit: Mapped[str]
    rounding_minutes: Mapped[int]
    wasted_trip: Mapped[int]
    units: Mapped[int]
    unit_ceiling_fen: Mapped[int]


class CriterionRow(Base):
    """By what a bid is scored; weights are percent and sum to 100 in a call."""

    __tablename__ = "criterion"
    __table_args__ = (
        UniqueConstraint("call_id", "position"),
        CheckConstraint("kind IN ('price', 'quality')", name="kind"),
        CheckConstraint("weight BETWEEN 1 AND 100", name="weight"),
    )

    criterion_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    kind: Mapped[str]
    weight: Mapped[int] = mapped_column(SmallInteger)
    guide: Mapped[str]  # what earns how many points


class OpinionRow(Base):
    """What somebody of the public said while the call was open for consultation (Order 102, 15)."""

    __tablename__ = "opinion"
    __table_args__ = (Index("ix_opinion_call_id", "call_id"),)

    opinion_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    text: Mapped[str]
    at: Mapped[datetime]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]


class QuestionRow(Base):
    """A question of an organisation; with its answer it is public, without the asker's name."""

    __tablename__ = "question"
    __table_args__ = (Index("ix_question_call_id", "call_id"),)

    question_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    organisation_id: Mapped[UUID]
    text: Mapped[str]
    at: Mapped[datetime]
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]


class AmendmentRow(Base):
    """A change or clarification of a published call, told to everybody; never changed itself."""

    __tablename__ = "call_amendment"
    __table_args__ = (Index("ix_call_amendment_call_id", "call_id"),)

    amendment_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID] = mapped_column(ForeignKey("call.call_id"))
    text: Mapped[str]
    touches_bids: Mapped[bool]
    deadline_before: Mapped[datetime]
    deadline_after: Mapped[datetime]
    by: Mapped[UUID | None]
    at: Mapped[datetime]


class NoticeRow(Base):
    """What must be public, by when, and since when it is. `about_id`: the award, contract, amendment … it tells of."""

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, get_args(NoticeKind)))})", name="kind"),
        UniqueConstraint("kind", "about_id"),
        Index("ix_notice_call_id", "call_id"),
        Index("ix_notice_due", "due_at", postgresql_where="published_at IS NULL"),
    )

    notice_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[UUID | None] = mapped_column(ForeignKey("call.call_id"))
    kind: Mapped[str]
    about_id: Mapped[UUID]
    due_at: Mapped[datetime]
    published_at: Mapped[datetime | None]
    body: Mapped[dict[str, Any]]
    by: Mapped[UUID | None]


class CalendarDayRow(Base):
    """Holidays and make-up workdays, as the community service tells of them: clocks in working days run by it."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    workday: Mapped[bool]
