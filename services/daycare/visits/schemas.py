"""Visits, as they cross HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from services.daycare.residents.schemas import example
from shared.contracts.codes import Capacity, Outcome, ServiceKind, VisitStatus
from shared.web.schemas import Answer, Body, Instant, Line, Text

State = Literal[
    "open", "offered", "accepted", "rostered", "started", "done", "unmet", "suspended", "cancelled"
]


class ResidentNamed(Answer):
    """A resident of a visit. `name` None: not for this caller."""

    person_id: UUID
    name: str | None


class SlotAnswer(Answer):
    """Somebody's place at a visit, as the matcher last told it."""

    slot: int
    assignment_id: UUID
    person_id: UUID
    carer_id: UUID
    capacity: Capacity
    organisation_id: UUID | None
    state: str
    start: Instant
    end: Instant
    offer_until: Instant | None


class AttendanceAnswer(Answer):
    """One person's attendance. `end_proposed`: nobody checked out, the planned end is proposed (8.10)."""

    attendance_id: UUID
    version: int
    visit_id: UUID
    person_id: UUID
    capacity: Capacity
    organisation_id: UUID | None
    state: str
    planned_start: Instant
    planned_end: Instant
    started_at: Instant | None
    ended_at: Instant | None
    end_proposed: bool
    outcome: Outcome | None
    minutes: int
    revision: int
    confirmed_at: Instant | None


class VisitLine(Answer):
    """A visit in a list. `state` is what people read; `late`: 15 minutes after the start nobody has checked in (8.9)."""

    visit_id: UUID
    version: int
    need_id: UUID
    kind: ServiceKind
    residents: list[ResidentNamed]
    centre_id: UUID | None
    town_id: UUID
    community_id: UUID
    cell_id: UUID | None
    day: date
    start: Instant
    earliest_start: Instant
    latest_start: Instant
    minutes: int
    carers: int
    status: VisitStatus
    state: State
    outcome: Outcome | None
    cancel_reason: str | None
    late: bool
    red: bool
    held: int
    slots: list[SlotAnswer]
    attendances: list[AttendanceAnswer]
    unmet: dict[str, Any] | None
    code: str | None
    face: int | None


class VisitDetail(VisitLine):
    """A visit with what only those concerned may know: address and phone as long as 8.17 says."""

    address: str | None
    phone: str | None
    end_address: str | None
    contacts: list[dict[str, Any]]
    note: str | None
    rrule: str | None
    remote: bool
    dialect: str | None
    on_paper: bool
    mine: bool


class VisitCancelled(Body):
    model_config = example(reason="老人去女儿家")

    reason: Line = "不再需要"


class ChangeRequest(Body):
    """What a resident or family asks the centre to change (7.1)."""

    model_config = example(text="希望改到上午")

    text: Annotated[Text, Field(min_length=1)]
