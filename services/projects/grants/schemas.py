"""Grants of a community venture (公益创投) and incubation (孵化), as they cross HTTP. Money in fen."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from services.projects.contracts.schemas import ID, example
from services.projects.grants.tables import (
    Exit,
    GrantState,
    MilestoneKind,
    MilestoneState,
    StepKind,
    SupportKind,
)
from shared.web.schemas import Answer, Body, Instant, Line, Name, Text

Said = Annotated[Text, Field(min_length=2)]
Fen = Annotated[int, Field(ge=0, le=10**12)]


class NewMilestone(Body):
    kind: MilestoneKind
    title: Line
    due_on: date
    amount_fen: Fen


class NewGrant(Body):
    """A funded project (立项). Its milestones, by their days, share out the money; one is the mid-term, the last the final."""

    model_config = example(
        number="仪公创〔2026〕3号",
        title="邻里助餐",
        milestones=[
            {"kind": "start", "title": "启动", "due_on": "2026-12-10", "amount_fen": 1_000_000},
            {"kind": "midterm", "title": "中期评估", "due_on": "2027-05-31", "amount_fen": 1_000_000},
            {"kind": "final", "title": "结项报告", "due_on": "2027-10-31", "amount_fen": 500_000},
        ],
    )

    number: Name
    title: Line
    milestones: Annotated[list[NewMilestone], Field(min_length=2, max_length=20)]

    @model_validator(mode="after")
    def in_order(self) -> "NewGrant":
        kinds = [each.kind for each in self.milestones]
        days = [each.due_on for each in self.milestones]
        if kinds.count("midterm") != 1 or kinds.count("final") != 1 or kinds[-1] != "final":
            raise ValueError("要有一次中期评估，最后一个节点是结项报告。")
        if "start" in kinds[1:]:
            raise ValueError("启动只能是第一个节点。")
        if days != sorted(days):
            raise ValueError("节点要按日期先后排列。")
        return self


class Evidence(Body):
    model_config = example(evidence="开展助餐 320 人次，签到表和照片见附件")

    evidence: Said


class Review(Body):
    """What the reviewers found. A mid-term review that fails stops all later payments."""

    model_config = example(passed=True, review="目标完成，受益人满意")

    passed: bool
    review: Said


class Resumption(Body):
    """A stopped grant goes on: the mid-term review is held again by a day."""

    model_config = example(until="2027-06-30", reason="已按要求整改")

    until: date
    reason: Said


class Ending(Body):
    model_config = example(reason="项目团队解散，无法继续")

    reason: Said


class Milestone(Answer):
    """`reviewed_by_reader`: whether the reader reviewed it, and so may not pay it too."""

    milestone_id: UUID
    version: int
    position: int
    kind: MilestoneKind
    title: str
    due_on: date
    amount_fen: int
    state: MilestoneState
    evidence: str | None
    handed_in_at: Instant | None
    reviewed_at: Instant | None
    reviewed_by_reader: bool = False
    review: str | None


class Grant(Answer):
    grant_id: UUID
    version: int
    award_id: UUID
    call_id: UUID
    organisation_id: UUID
    number: str
    title: str
    amount_fen: int
    paid_fen: int
    starts_on: date
    ends_on: date
    state: GrantState
    stopped_reason: str | None


class Step(Answer):
    """Something that happened in a grant, and what was said of it."""

    step_id: UUID
    milestone_id: UUID | None
    kind: StepKind
    text: str
    at: Instant


class GrantShown(Grant):
    """A grant with its milestones, and all that happened in it, in order."""

    milestones: list[Milestone]
    steps: list[Step]


class NewIncubation(Body):
    """An organisation is taken into incubation."""

    model_config = example(
        organisation_id=ID,
        place="真州镇社会组织孵化园",
        began_on="2026-11-25",
        until="2027-11-24",
        goals="一年内取得 3A 评估等级",
    )

    organisation_id: UUID
    place: Line
    began_on: date
    until: date
    goals: Said

    @model_validator(mode="after")
    def in_order(self) -> "NewIncubation":
        if self.until < self.began_on:
            raise ValueError("结束日期不能早于开始日期。")
        return self


class NewSupport(Body):
    """What an incubated organisation was given on a day; `fen`: what it is worth or cost."""

    model_config = example(kind="training", what="项目管理培训两天", on="2026-11-25", fen=0)

    kind: SupportKind
    what: Line
    on: date
    fen: Fen = 0


class Leaving(Body):
    model_config = example(exit="graduated", left_on="2026-11-25", reason="目标达成，独立运营")

    exit: Exit
    left_on: date
    reason: Said


class Support(Answer):
    support_id: UUID
    kind: SupportKind
    what: str
    on: date
    fen: int


class Incubation(Answer):
    incubation_id: UUID
    version: int
    organisation_id: UUID
    place: str
    began_on: date
    until: date
    goals: str
    exit: Exit | None
    left_on: date | None
    exit_reason: str | None


class IncubationShown(Incubation):
    support: list[Support]
