"""Funds, budget lines, entries and appraisals, as they cross HTTP. Money in fen."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from services.projects.contracts.schemas import example
from shared.web.schemas import Answer, Body, Instant, Line, Name, Text

MOST_FEN = 10**13
Fen = Annotated[int, Field(ge=1, le=MOST_FEN)]
FenOrNone = Annotated[int, Field(ge=0, le=MOST_FEN)]
EntryKind = Literal["allocate", "commit", "release", "spend", "refund", "backstop"]
About = Literal["line", "call", "contract", "grant", "payment"]


class NewFund(Body):
    """A year's fund. What it may be used for follows from the rule of its year."""

    model_config = example(name="社区建设专项资金", year=2026)

    name: Name
    year: Annotated[int, Field(ge=2017, le=2100)]


class Sums(Answer):
    """allocated = committed + spent + free; gap = what the need is above the allocated."""

    need_fen: int
    backstop_fen: int
    allocated_fen: int
    committed_fen: int
    spent_fen: int
    free_fen: int
    gap_fen: int


class Fund(Sums):
    """A fund with the sums of its lines. `appraisal_overdue`: its appraisal should be public and is not."""

    fund_id: UUID
    version: int
    name: str
    year: int
    purposes: list[str]
    closed_on: date | None
    appraisal_due: date
    appraisal_published_at: Instant | None
    appraisal_overdue: bool


class TownSums(Sums):
    """A town's share of a fund; none: the city's own lines."""

    town_id: UUID | None


class NewBudgetLine(Body):
    """A line. A purpose that the fund does not name needs an approval."""

    model_config = example(
        name="真州镇居家养老服务", purpose="purchase", need_fen=80_000_000, allocated_fen=60_000_000
    )

    name: Name
    purpose: Name
    approval: Line | None = None
    town_id: UUID | None = None
    need_fen: FenOrNone = 0
    allocated_fen: FenOrNone = 0


class BudgetLine(Sums):
    budget_line_id: UUID
    version: int
    fund_id: UUID
    name: str
    purpose: str
    approval: str | None
    town_id: UUID | None


class Allocation(Body):
    """Money given to a line; below zero: taken from what is free on it."""

    model_config = example(fen=10_000_000, reason="年中追加")

    fen: Annotated[int, Field(ge=-MOST_FEN, le=MOST_FEN)]
    reason: Line

    @model_validator(mode="after")
    def moves(self) -> "Allocation":
        if self.fen == 0:
            raise ValueError("金额不能为零。")
        return self


class Backstop(Body):
    """Money that the town puts in itself."""

    model_config = example(fen=5_000_000, reason="镇财政兜底")

    fen: Fen
    reason: Line


class Need(Body):
    """What a town says that it needs on a line."""

    model_config = example(need_fen=90_000_000)

    need_fen: FenOrNone


class BudgetEntry(Answer):
    """A move on a line: never changed."""

    entry_id: UUID
    pos: int
    kind: EntryKind
    allocated_fen: int
    committed_fen: int
    spent_fen: int
    about: About
    about_id: UUID
    reason: str
    by: UUID | None
    at: Instant


class Indicator(Body):
    """`weight` in percent, `points` in hundredths. Satisfaction says how many of those asked answered."""

    name: Line
    satisfaction: bool = False
    weight: Annotated[int, Field(ge=1, le=100)]
    points: Annotated[int, Field(ge=0, le=10_000)]
    asked: Annotated[int, Field(ge=1, le=10**9)] | None = None
    answered: Annotated[int, Field(ge=0, le=10**9)] | None = None
    note: Text = ""

    @model_validator(mode="after")
    def rate(self) -> "Indicator":
        if self.satisfaction and (self.asked is None or self.answered is None):
            raise ValueError("满意度应写明问了多少人、多少人回答。")
        if self.asked is not None and (self.answered or 0) > self.asked:
            raise ValueError("回答的人数不能多于问到的人数。")
        return self


class NewAppraisal(Body):
    """What a fund's use is appraised by (五.9)."""

    model_config = example(
        indicators=[
            {
                "name": "居民对居家养老服务的满意度",
                "satisfaction": True,
                "weight": 60,
                "points": 9100,
                "asked": 400,
                "answered": 312,
            },
            {"name": "服务按约完成率", "weight": 40, "points": 9650},
        ],
        summary="资金按预算使用，服务覆盖 8 个社区",
    )

    indicators: Annotated[list[Indicator], Field(min_length=1, max_length=30)]
    summary: Annotated[Text, Field(min_length=1)]


class Appraisal(Answer):
    fund_id: UUID
    version: int
    indicators: list[Indicator]
    score: int
    summary: str
    due_on: date
    published_at: Instant | None
