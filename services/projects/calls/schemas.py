"""Calls as they cross HTTP: the bureau's draft, its steps, and what the public sees."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from services.projects.calls.methods import Method
from services.projects.calls.tables import Beneficiary, NoticeKind, State
from services.projects.contracts.schemas import ID, MOST_UNITS, example
from services.projects.organisations.schemas import MissingNow
from services.projects.organisations.tables import Kind, PaperKind
from shared.contracts.codes import ContractUnit, ServiceKind
from shared.web.schemas import Answer, Body, Done, Line, Name, Page, Text

MOST_FEN = 10**12
Fen = Annotated[int, Field(ge=0, le=MOST_FEN)]
Percent = Annotated[int, Field(ge=0, le=100)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Theme = Literal["elder_care", "special_needs", "youth", "community"]
Stage = Literal[
    "draft",
    "consulting",
    "consulted",
    "published",
    "deadline_over",
    "opened",
    "scored",
    "awarded",
    "signed",
    "closed",
    "archived",
    "void",
    "terminated",
]


def _of_this_century(moment: datetime) -> datetime:
    if not datetime(2000, 1, 1, tzinfo=UTC) <= moment < datetime(2100, 1, 1, tzinfo=UTC):
        raise ValueError("时间超出范围，请核对年份。")
    return moment


def _of_this_century_too(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise ValueError("日期超出范围，请核对年份。")
    return day


Moment = Annotated[AwareDatetime, AfterValidator(_of_this_century)]
Day = Annotated[date, AfterValidator(_of_this_century_too)]


class DraftLine(Body):
    """A service that a lot buys. `units` and `wasted_trip` in hundredths of a unit."""

    name: Name
    kinds: Annotated[list[ServiceKind], Field(min_length=1, max_length=13)]
    community_ids: Annotated[list[UUID], Field(min_length=1, max_length=600)]
    unit: ContractUnit
    rounding_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    wasted_trip: Percent = 0
    units: Annotated[int, Field(ge=1, le=MOST_UNITS)]
    unit_ceiling_fen: Annotated[int, Field(ge=1, le=10_000_000)]


class DraftLot(Body):
    """A lot. Its ceiling is that of all its winners together."""

    name: Name
    ceiling_fen: Annotated[int, Field(ge=1, le=MOST_FEN)]
    winners: Annotated[int, Field(ge=1, le=100)] = 1
    valid_from: Day
    valid_to: Day
    lines: Annotated[list[DraftLine], Field(max_length=30)] = []

    @model_validator(mode="after")
    def in_order(self) -> "DraftLot":
        if self.valid_to < self.valid_from:
            raise ValueError("结束日期不能早于开始日期。")
        return self


class DraftCriterion(Body):
    """A criterion with its weight in percent; the one of kind `price` is computed, not judged."""

    name: Name
    kind: Literal["price", "quality"]
    weight: Annotated[int, Field(ge=1, le=100)]
    guide: Text = ""


class Draft(Body):
    """A whole draft: what is missing is refused when the call goes on, not here."""

    model_config = example(
        title="真州镇居家养老上门服务采购",
        method="open_tender",
        description="为高龄、独居老人提供生活照料",
        theme="elder_care",
        beneficiaries=["old"],
        gate_number="准入〔2026〕17号",
        gate_day="2026-11-02",
        gate_approver="社区事务准入办公室",
        budget_line_id=ID,
        ceiling_fen=36_000_000,
        negative_checked=True,
        lots=[
            {
                "name": "生活照料",
                "ceiling_fen": 36_000_000,
                "valid_from": "2027-01-01",
                "valid_to": "2027-12-31",
                "lines": [
                    {
                        "name": "生活照料",
                        "kinds": ["care"],
                        "community_ids": [ID],
                        "unit": "hour",
                        "units": 800_000,
                        "unit_ceiling_fen": 4500,
                    }
                ],
            }
        ],
        criteria=[
            {"name": "报价", "kind": "price", "weight": 20},
            {"name": "服务方案", "kind": "quality", "weight": 80},
        ],
    )

    title: Line
    method: Method
    method_reason: Text = ""
    description: Text = ""
    theme: Theme | None = None
    beneficiaries: Annotated[list[Beneficiary], Field(max_length=4)] = []
    budget_line_id: UUID | None = None
    gate_number: Name | None = None
    gate_day: Day | None = None
    gate_approver: Name | None = None
    town_id: UUID | None = None
    ceiling_fen: Fen = 0
    allowed_kinds: Annotated[list[Kind], Field(min_length=1, max_length=6)] = list(get_args(Kind))
    least_rating: Annotated[str, Field(pattern=r"^[1-5]A$")] | None = None
    papers: Annotated[list[PaperKind], Field(max_length=6)] = []
    invited: Annotated[list[UUID], Field(max_length=50)] = []
    bid_bond_percent: Percent = 0
    performance_bond_percent: Percent = 0
    negative_checked: bool = False
    lots: Annotated[list[DraftLot], Field(max_length=20)] = []
    criteria: Annotated[list[DraftCriterion], Field(max_length=20)] = []


class Consult(Body):
    """Hear the public until the end of a day; without one for as long as the rule asks."""

    model_config = example(until="2026-12-10")

    until: Day | None = None


class Publish(Body):
    """Publish: when bids are due, until when questions are taken, and who opens."""

    model_config = example(deadline_at="2026-12-31T09:00:00+08:00", opener_ids=[ID, ID])

    deadline_at: Moment
    questions_until: Moment | None = None
    opener_ids: Annotated[list[UUID], Field(max_length=20)] = []


class Amend(Body):
    """Tell everybody of a change or clarification. One that touches bids leaves the rule's days until the deadline."""

    model_config = example(text="服务时段改为 7:00–19:00", touches_bids=True)

    text: Said
    touches_bids: bool
    deadline_at: Moment | None = None
    questions_until: Moment | None = None


class Reason(Body):
    """Why a call ends without a result. It becomes public."""

    model_config = example(reason="年度预算调整，不再需要")

    reason: Said


class NewOpinion(Body):
    """What somebody of the public thinks of what is to be bought. Nobody's name is asked for."""

    model_config = example(text="希望周末也有人上门")

    text: Said


class NewQuestion(Body):
    """An organisation's question about a call."""

    model_config = example(organisation_id=ID, text="路途时间计入服务时长吗？")

    organisation_id: UUID
    text: Said


class Reply(Body):
    """The bureau's answer. It becomes public."""

    model_config = example(text="不计入，按到门时间起算")

    text: Said


class Terms(Answer):
    """What the rules of the call's method ask for, on the day it was published or today."""

    bid_days: int
    amend_days: int
    consult_days: int
    bidders: int
    price_weight_least: int
    price_weight_most: int
    scorers: int
    expert_share: float
    challenge_days: int


class Words(Answer):
    """What the call's method calls its things (domain.md, 8 "Words")."""

    call: str
    bid: str
    bidder: str
    award: str
    award_notice: str


class LotLine(Answer):
    lot_line_id: UUID
    position: int
    name: str
    kinds: list[ServiceKind]
    community_ids: list[UUID]
    unit: ContractUnit
    rounding_minutes: int
    wasted_trip: int
    units: int
    unit_ceiling_fen: int


class Lot(Answer):
    lot_id: UUID
    number: int
    name: str
    ceiling_fen: int
    winners: int
    valid_from: date
    valid_to: date
    state: Literal["open", "awarded", "void"]
    void_reason: str | None
    lines: list[LotLine]


class Criterion(Answer):
    criterion_id: UUID
    position: int
    name: str
    kind: Literal["price", "quality"]
    weight: int
    guide: str


class Opinion(Answer):
    opinion_id: UUID
    text: str
    at: datetime
    answer: str | None
    answered_at: datetime | None


class Question(Answer):
    """Without who asked."""

    question_id: UUID
    text: str
    at: datetime
    answer: str | None
    answered_at: datetime | None


class Amendment(Answer):
    amendment_id: UUID
    text: str
    touches_bids: bool
    deadline_before: datetime
    deadline_after: datetime
    at: datetime


class Notice(Answer):
    notice_id: UUID
    call_id: UUID | None
    kind: NoticeKind
    about_id: UUID
    due_at: datetime
    published_at: datetime | None
    body: dict[str, Any]
    late_hours: int | None = None  # how late it came out, or how long it is overdue


class Overdue(Answer):
    """Something that should be public and is not: what kind, and for how long."""

    notice_id: UUID
    call_id: UUID | None
    kind: NoticeKind
    due_at: datetime
    late_hours: int


class ListedCall(Answer):
    """A call in a list: only what is public of it."""

    call_id: UUID
    version: int
    number: str | None
    title: str
    method: Method
    words: Words
    state: State
    stage: Stage
    theme: Theme | None
    beneficiaries: list[Beneficiary]
    town_id: UUID | None
    kinds: list[ServiceKind]
    community_ids: list[UUID]
    ceiling_fen: int
    consulted_until: date | None
    published_at: datetime | None
    questions_until: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None


class PublicCall(ListedCall):
    """A call as anyone may read it."""

    description: str
    method_reason: str
    terms: Terms
    allowed_kinds: list[Kind]
    least_rating: str | None
    papers: list[PaperKind]
    sole_supplier_id: UUID | None  # single source: whom the notice names
    bid_bond_percent: int
    performance_bond_percent: int
    gate_number: str | None
    consulted_from: datetime | None
    opened_at: datetime | None
    ended_reason: str | None
    predecessor_id: UUID | None
    successor_id: UUID | None
    lots: list[Lot]
    criteria: list[Criterion]
    opinions: list[Opinion]
    questions: list[Question]
    amendments: list[Amendment]
    notices: list[Notice]
    overdue: list[Overdue]


class Missing(Answer):
    """Something that a call still lacks for its next step, with the clause that asks for it."""

    field: str
    rule: str
    message: str


class Call(PublicCall):
    """A call as the bureau sees it, drafts too, with what its next step still lacks."""

    budget_line_id: UUID | None
    gate_day: date | None
    gate_approver: str | None
    invited: list[UUID]
    negative_checked: bool
    made_at: datetime
    missing: list[Missing]


class OwnCall(Answer):
    """A call that an organisation may still bid for, and what it lacks to do so."""

    call: ListedCall
    eligible: bool
    missing: list[MissingNow]


class OwnQuestion(Question):
    """An organisation's own question, answered or not."""

    organisation_id: UUID


class Published(Done):
    """The answer to a publication: the call's number."""

    number: str


class Notices(Page[Notice]):
    """Published notices, newest first; `overdue`: what should be public and is not, and for how long."""

    overdue: list[Overdue]
