"""Plans as they cross HTTP."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.web.schemas import Answer, Body, Instant, Line


class PlanRequest(Body):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"first_day": "2026-11-25", "days": 7, "reason": "request"}]},
    )

    first_day: date
    days: int = Field(default=7, ge=1, le=7, description="days of the horizon")
    reason: Line = "request"


class Plan(Answer):
    """A plan and what has become of it."""

    plan_id: UUID
    version: int
    first_day: date
    days: int
    status: str
    reason: str
    asked_at: Instant
    ready_at: Instant | None
    published_at: Instant | None
    held_until: Instant | None
    stop_asked_at: Instant | None
    summary: dict[str, Any] | None
    problem: str | None


class ProgressPoint(Answer):
    """Points of the best plan for the days up to `day` (0: the first), and what no plan for them is worth more than."""

    seconds: float
    best: int
    bound: int | None
    day: int


class Step(Answer):
    """What the solver told last: "first plan", "columns", "whole duties", "planned"; of all days at once "areas", "seams", "tours", "search"."""

    step: str
    day: int
    round: int


class PlanAtWork(Plan):
    """A plan with how incumbent and bound closed on each other.

    `seconds`: since a worker took it up. `silent`: at work, but its worker was not heard of for as long as another waits before it begins anew.
    `may_stop`: whether the reader may.
    """

    progress: list[ProgressPoint]
    step: Step | None
    seconds: float | None
    silent: bool
    may_stop: bool


class Hold(Body):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    until: Instant | None = None


class Published(Answer):
    plan_id: UUID
    version: int
    status: str
    counts: dict[str, int]


class PlannedVisit(Answer):
    """A visit in a plan: its places, or why nobody."""

    visit_id: UUID
    day: date
    town_id: UUID
    community_id: UUID
    centre_id: UUID | None
    kind: str
    vital: bool
    grade: str
    urgency: str
    earliest_start: Instant
    latest_start: Instant
    carers: int
    unmet: dict[str, Any] | None
    applied: str | None
    places: list[dict[str, Any]]


class BrokenVisit(Answer):
    """A published visit with an empty place."""

    visit_id: UUID
    version: int
    day: date
    earliest_start: Instant
    latest_start: Instant
    kind: str
    vital: bool
    grade: str
    urgency: str
    lone_risk: bool
    carers: int
    centre_id: UUID | None
    town_id: UUID
    community_id: UUID
    unmet: dict[str, Any] | None
    waiting: bool
    published_at: Instant


class Board(Answer):
    """What a planner opens on."""

    broken: list[BrokenVisit]
    totals: list[dict[str, Any]]
    plans: list[Plan]


class Override(Body):
    """A planner's hand on one visit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"carer_id": "0199f0c0-0000-7000-8000-000000000002", "action": "pin"}]
        },
    )

    carer_id: UUID
    action: Literal["pin", "forbid"] = "pin"


class Cost(Answer):
    """What an override would cost, shown before it is done: points by rule now and then, and who is affected."""

    allowed: bool
    broken: list[dict[str, str]]
    points_now: int | None
    points_then: int | None
    affected_person_ids: list[UUID]
    asks: bool  # a volunteer: it makes an offer, never an acceptance (8.16)


class Why(Answer):
    """Why nobody comes: how many carers were left after each step, and the smallest change that works."""

    visit_id: UUID
    reason: str
    funnel: list[tuple[str, int]]
    change: list[str] | None
