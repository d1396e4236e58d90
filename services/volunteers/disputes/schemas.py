"""Disputes of the record, as they cross HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.volunteers.people.schemas import example
from shared.contracts.codes import ServiceKind
from shared.web.schemas import Answer, Body, Instant, Line, Text


class NewDispute(Body):
    model_config = example(reason="那天实际做了两个小时")

    reason: Annotated[Text, Field(min_length=1)]


class Settlement(Body):
    """What the desk found. `minutes`: what the service really took; None: the record stands."""

    model_config = example(minutes=120, answer="查了纸面签到表，是两小时")

    minutes: Annotated[int, Field(ge=0, le=720)] | None = None
    answer: Line


class Dispute(Answer):
    """An open dispute with the entry it is about. Names and words are for the volunteer's own desk."""

    dispute_id: UUID
    person_id: UUID
    name: str
    phone: str | None
    attendance_id: UUID
    day: date
    kind: ServiceKind
    minutes: int
    reason: str
    opened_at: Instant
