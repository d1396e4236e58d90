"""Rules as they cross HTTP."""

from datetime import date
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.web.schemas import Answer, Body, Instant, Line


class RuleChange(Answer):
    """A value that an office set, from a day on."""

    change_id: UUID
    value: int
    valid_from: date
    why: str
    changed_at: Instant


class Rule(Answer):
    """A rule as it holds on the day asked for.

    `soft`: a price in points, else a limit. `least` and `most`: what an office may set; none: a fact, not a choice.
    """

    rule_id: str
    value: int | float | str
    standard: int | float | str
    unit: str
    soft: bool
    source: str
    least: int | None
    most: int | None
    valid_from: date
    changes: list[RuleChange]


class NewValue(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"value": -2, "valid_from": "2099-12-01", "why": "冬天路滑，少走远路"}]
        },
    )

    value: int = Field(ge=-1_000_000, le=1_000_000)
    valid_from: date
    why: Line
