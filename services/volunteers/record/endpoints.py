"""The service record over HTTP."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import aliased

from services.volunteers.access import READERS, STAFF
from services.volunteers.disputes.tables import DisputeRow
from services.volunteers.people.service import reached
from services.volunteers.record.schemas import (
    Award,
    Entry,
    Evaluation,
    NewAward,
    NewEvaluation,
    NewTraining,
    Record,
    Training,
)
from services.volunteers.record.service import minutes_of
from services.volunteers.record.tables import AwardRow, EntryRow, EvaluationRow, TrainingRow
from services.volunteers.rules import star
from shared.clock import wall_day
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.ids import new_id
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Invalid
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, cursor_keys, encode_cursor
from shared.web.signed_in import may

ROUTER = router("/volunteers/{person_id}", "record")
Reader = Annotated[Caller, may(*READERS, Role.VOLUNTEER)]
Staff = Annotated[Caller, may(*STAFF)]
Noted = TypeVar("Noted", TrainingRow, AwardRow, EvaluationRow)


@ROUTER.get("/records")
def read_record(
    person_id: UUID, work: Transaction, caller: Reader, cursor: Cursor = None, limit: Limit = 50
) -> Record:
    """A volunteer's record: what stands now of each service, newest first, and all minutes together."""
    reached(work, caller, person_id, *READERS, Role.VOLUNTEER)
    later = aliased(EntryRow)
    reversed_by = (
        select(later.entry_id)
        .where(
            later.attendance_id == EntryRow.attendance_id,
            later.revision == EntryRow.revision,
            later.reversal,
        )
        .exists()
    )
    standing = (EntryRow.person_id == person_id) & EntryRow.reversal.is_(False) & ~reversed_by
    query = select(EntryRow).where(standing).order_by(EntryRow.day.desc(), EntryRow.entry_id.desc())
    if cursor:
        day, entry_id = cursor_keys(cursor, date.fromisoformat, UUID)
        query = query.where(tuple_(EntryRow.day, EntryRow.entry_id) < (day, entry_id))
    rows = list(work.session.scalars(query.limit(limit + 1)))
    shown = rows[:limit]
    disputes = _disputes(work, person_id)
    minutes = minutes_of(work, [person_id]).get(person_id, 0)
    services = work.session.scalar(
        select(func.count()).select_from(EntryRow).where(standing, EntryRow.minutes > 0)
    )
    return Record(
        person_id=person_id,
        minutes=minutes,
        services=services or 0,
        star=star(minutes, wall_day(work.now)),
        entries=[_entry(row, disputes.get(row.attendance_id)) for row in shown],
        next=encode_cursor(shown[-1].day, shown[-1].entry_id) if len(rows) > limit else None,
        trainings=[Training.model_validate(r) for r in _of(work, TrainingRow, person_id)],
        awards=[Award.model_validate(r) for r in _of(work, AwardRow, person_id)],
        evaluations=[Evaluation.model_validate(r) for r in _of(work, EvaluationRow, person_id)],
    )


def _of(work: Work, table: type[Noted], person_id: UUID) -> Iterable[Noted]:
    return work.session.scalars(select(table).where(table.person_id == person_id).order_by(table.day.desc()))


def _disputes(work: Work, person_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Of each disputed entry whether the last dispute is open, and what the desk answered."""
    rows = work.session.scalars(
        select(DisputeRow).where(DisputeRow.person_id == person_id).order_by(DisputeRow.opened_at)
    ).all()
    texts = work.vault.open(work.session, [(row.person_id, row.sealed) for row in rows])
    return {
        row.attendance_id: {"disputed": row.settled_at is None, "answer": said.get("answer")}
        for row, said in zip(rows, texts, strict=True)
    }


def _entry(row: EntryRow, dispute: dict[str, Any] | None) -> Entry:
    plain = (
        "entry_id attendance_id visit_id day kind outcome started_at ended_at minutes community_id centre_id "
        "responsible_id recorded_at revision late earlier"
    )
    return Entry.model_validate(
        {
            **{n: getattr(row, n) for n in plain.split()},
            "corrected": row.revision > 1,
            **(dispute or {"disputed": False, "answer": None}),
        }
    )


def _not_ahead(work: Work, body: NewTraining | NewAward | NewEvaluation) -> None:
    if body.day > wall_day(work.now):
        raise Invalid("future_day", "日期不能在今天之后。", field="day")


@ROUTER.post("/trainings", status_code=201)
def add_training(person_id: UUID, body: NewTraining, work: Transaction, caller: Staff) -> Done:
    """Record a training (Order 67, 8)."""
    reached(work, caller, person_id, *STAFF)
    _not_ahead(work, body)
    row = TrainingRow(training_id=new_id(), person_id=person_id, **body.model_dump())
    work.session.add(row)
    work.audit("training.add", row.training_id, person_id)
    return Done(id=row.training_id, version=1)


@ROUTER.post("/awards", status_code=201)
def add_award(person_id: UUID, body: NewAward, work: Transaction, caller: Staff) -> Done:
    """Record an award (Order 67, 9)."""
    reached(work, caller, person_id, *STAFF)
    _not_ahead(work, body)
    row = AwardRow(award_id=new_id(), person_id=person_id, **body.model_dump())
    work.session.add(row)
    work.audit("award.add", row.award_id, person_id)
    return Done(id=row.award_id, version=1)


@ROUTER.post("/evaluations", status_code=201)
def add_evaluation(person_id: UUID, body: NewEvaluation, work: Transaction, caller: Staff) -> Done:
    """Record an evaluation (Order 67, 10)."""
    reached(work, caller, person_id, *STAFF)
    _not_ahead(work, body)
    row = EvaluationRow(evaluation_id=new_id(), person_id=person_id, by=caller.person_id, **body.model_dump())
    work.session.add(row)
    work.audit("evaluation.add", row.evaluation_id, person_id)
    return Done(id=row.evaluation_id, version=1)
