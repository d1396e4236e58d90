"""The service record, as it crosses HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field

from services.volunteers.people.schemas import example
from shared.contracts.codes import Outcome, ServiceKind
from shared.web.schemas import Answer, Body, Instant, Line, Name


class Entry(Answer):
    """One service given, as its last revision says (Order 67, 7). `corrected`: an earlier value was reversed.

    `earlier`: from before attendance was kept here; disputed in this record. `disputed`: such a dispute is open. `answer`: what the desk
    said to the last one.
    """

    entry_id: UUID
    attendance_id: UUID
    visit_id: UUID
    day: date
    kind: ServiceKind
    outcome: Outcome
    started_at: Instant | None
    ended_at: Instant | None
    minutes: int
    community_id: UUID
    centre_id: UUID | None
    responsible_id: UUID
    recorded_at: Instant
    revision: int
    corrected: bool
    late: bool
    earlier: bool
    disputed: bool
    answer: str | None


class Training(Answer):
    training_id: UUID
    name: str
    content: str
    minutes: int
    organiser: str
    day: date


class Award(Answer):
    award_id: UUID
    name: str
    grantor: str
    day: date


class Evaluation(Answer):
    evaluation_id: UUID
    quality: int
    day: date


class Record(Answer):
    """A volunteer's record: entries newest first, minutes altogether, stars, and Order 67's 8 to 10."""

    person_id: UUID
    minutes: int
    services: int
    star: int
    entries: list[Entry]
    next: str | None
    trainings: list[Training]
    awards: list[Award]
    evaluations: list[Evaluation]


class NewTraining(Body):
    model_config = example(
        name="助浴培训", content="安全助浴", minutes=120, organiser="民政局", day="2026-11-10"
    )

    name: Name
    content: Line
    minutes: Annotated[int, Field(ge=5, le=10_000)]
    organiser: Name
    day: date


class NewAward(Body):
    model_config = example(name="优秀志愿者", grantor="民政局", day="2026-03-05")

    name: Name
    grantor: Name
    day: date


class NewEvaluation(Body):
    model_config = example(quality=5, day="2026-11-10")

    quality: Annotated[int, Field(ge=1, le=5)]
    day: date
