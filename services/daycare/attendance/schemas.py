"""Attendance, as it crosses HTTP."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from services.daycare.residents.schemas import example
from shared.contracts.codes import Capacity, Outcome, ServiceKind
from shared.web.schemas import Body, Instant, Line, Text

Code = Annotated[str, Field(pattern=r"^\d{4}$")]
_START, _END = "2026-11-24T14:00:00+08:00", "2026-11-24T15:00:00+08:00"


class CheckIn(Body):
    """Somebody has come. Carers for themselves give the visit's code; the desk does it for others (8.17)."""

    model_config = example(person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e", code="4711")

    person_id: UUID
    code: Code | None = None
    at: Instant | None = None


class CheckOut(Body):
    """Somebody has left, and how it went."""

    model_config = example(person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e", outcome="done")

    person_id: UUID
    at: Instant | None = None
    outcome: Outcome = Outcome.DONE


class VisitOutcome(Body):
    """How a visit ended without check-out: nobody answered, unwell, refused, nobody came (8.9)."""

    model_config = example(outcome="no_answer")

    outcome: Outcome
    person_id: UUID | None = None


class Confirmation(Body):
    """What the centre confirms: service really given, without travel (Order 67, 7)."""

    model_config = example(started_at=_START, ended_at=_END, outcome="done")

    started_at: Instant | None = None
    ended_at: Instant | None = None
    outcome: Outcome = Outcome.DONE

    @model_validator(mode="after")
    def in_order(self) -> "Confirmation":
        if self.started_at and self.ended_at and self.ended_at < self.started_at:
            raise ValueError("结束时间不能早于开始时间。")
        return self


class Correction(Confirmation):
    """A correction keeps the old value, who and why (8.10)."""

    model_config = example(
        started_at=_START, ended_at=_END, outcome="done", reason="志愿者忘记签退，电话核实"
    )

    reason: Line


class Dispute(Body):
    model_config = example(reason="实际服务到四点")

    reason: Annotated[Text, Field(min_length=1)]


class PaperVisit(Body):
    """A visit that took place on paper, up to ten working days back, with the person in charge named (8.10).

    One sheet: everybody who came, in one capacity, and everybody they came to.
    """

    model_config = example(
        resident_ids=["7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"],
        kind="companionship",
        person_ids=["8a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"],
        started_at=_START,
        ended_at=_END,
        responsible_id="9a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
    )

    visit_id: UUID | None = None
    resident_ids: Annotated[list[UUID], Field(max_length=50)] = []
    kind: ServiceKind | None = None
    person_ids: Annotated[list[UUID], Field(min_length=1, max_length=50)]
    capacity: Capacity = Capacity.VOLUNTEER
    organisation_id: UUID | None = None
    line_id: UUID | None = None
    started_at: Instant
    ended_at: Instant
    outcome: Outcome = Outcome.DONE
    responsible_id: UUID

    @model_validator(mode="after")
    def coherent(self) -> "PaperVisit":
        if self.ended_at <= self.started_at:
            raise ValueError("结束时间应晚于开始时间。")
        if self.visit_id is None and not (self.resident_ids and self.kind):
            raise ValueError("请选择已安排的服务，或填写老人和服务项目。")
        employed = self.capacity is Capacity.EMPLOYED
        if employed != (self.organisation_id is not None):
            raise ValueError("只有受雇的护理员才填写所属组织。")
        return self
