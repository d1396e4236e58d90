"""Offers, assignments and rosters, as they cross HTTP."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from shared.web.schemas import Answer, Body, Instant, Line, Name


class OfferVisit(Answer):
    """One date of an offer: before acceptance only what 8.17 allows."""

    assignment_id: UUID
    visit_id: UUID
    start: Instant
    end: Instant
    state: str


class Offer(Answer):
    """One question to one person. `band`: distance band code; `reasons`: codes of why this person was asked."""

    offer_id: UUID
    version: int
    person_id: UUID
    carer_id: UUID
    centre_id: UUID | None
    kind: str
    carers: int
    remote: bool
    skills: list[str]
    dialect: str | None
    state: str
    made_at: Instant
    until: Instant
    seen_at: Instant | None
    band: str | None
    reasons: list[str]
    visits: list[OfferVisit]
    not_reached: int
    tried_at: Instant | None
    answer_why: str | None


class PhoneAnswer(Body):
    """Who gave an answer by phone, when staff write it down (8.13)."""

    taken_from: Name | None = Field(
        default=None, description="who answered, when staff write the answer down"
    )


class Acceptance(PhoneAnswer):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"taken_from": "本人"}]})


class Declination(PhoneAnswer):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"why": "not_this_time"}]})

    why: Literal["not_this_time", "not_this_kind", "not_this_person"] = "not_this_time"


class Withdrawal(Body):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "家里有事"}]})

    reason: Line = "withdrawn"


class Place(Answer):
    """A place at a visit and who holds it or is asked."""

    assignment_id: UUID
    version: int
    offer_id: UUID | None
    visit_id: UUID
    slot: int
    carer_id: UUID
    person_id: UUID
    capacity: str
    organisation_id: UUID | None
    line_id: UUID | None
    units: int
    state: str
    pinned: bool
    start: Instant
    end: Instant
    confirmed: bool
    ended_why: str | None
    ended_seen: bool
    kind: str
    centre_id: UUID | None


class RosterDay(Body):
    """An organisation's day, confirmed in one step (8.16)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"organisation_id": "0199f0c0-0000-7000-8000-000000000001", "day": "2026-11-25"}]
        },
    )

    organisation_id: UUID
    day: date


class RosterConfirmed(Answer):
    organisation_id: UUID
    day: date
    confirmed: int


class Swap(Body):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"carer_id": "0199f0c0-0000-7000-8000-000000000002"}]}
    )

    carer_id: UUID


class Broken(Answer):
    """A rule that forbids a pair, in a sentence."""

    rule: str
    sentence: str


class Candidate(Answer):
    """Someone for a place: allowed when `broken` is empty. `points` orders them, higher is better."""

    carer_id: UUID
    person_id: UUID
    capacity: str
    organisation_id: UUID | None
    start: Instant | None
    points: int
    band: str | None
    reasons: list[str]
    broken: list[Broken]


class Staffing(Answer):
    """Who comes to a visit, at its staffing's version."""

    visit_id: UUID
    version: int
    carers: int
    places: list[Place]
    unmet: dict[str, object] | None
    waiting: bool


VisitIds = Annotated[list[UUID], Field(max_length=500)]
