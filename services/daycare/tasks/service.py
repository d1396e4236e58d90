"""Tasks: opened by what happens at visits, owned by name, closed when somebody was told (8.9, 8.12)."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.daycare.access import DESK, task_reach
from services.daycare.centres.service import centres
from services.daycare.centres.tables import CentreRow
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import unmet_days
from services.daycare.tasks.tables import ONCE, TaskRow
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import ServiceKind, VisitStatus
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.signed_in import require

Kind = Literal["unmet", "red", "change_request", "dispute", "complaint"]


def open_task(
    work: Work,
    visit: VisitRow,
    kind: Kind,
    *,
    cause: str | None = None,
    text: str | None = None,
    attendance_id: UUID | None = None,
) -> TaskRow:
    """Open a task about a visit. A second red or unmet one of a visit reopens the first."""
    centre = work.session.get(CentreRow, visit.centre_id) if visit.centre_id else None
    row = _row(work, visit, centre, kind, cause, for_town=kind == "red" and centre is None)
    row.attendance_id = attendance_id
    if text is not None:
        row.sealed = work.vault.seal(work.session, row.resident_id, {"text": text})
    if kind in ONCE:
        known = work.session.scalars(
            select(TaskRow).where(TaskRow.visit_id == visit.visit_id, TaskRow.kind == kind).with_for_update()
        ).first()
        if known is not None:
            known.cause, known.closed_at, known.closed_how, known.told_at = cause, None, None, None
            return known
    work.session.add(row)
    work.session.flush()
    work.audit(f"task.{kind}", row.task_id, row.resident_id)
    return row


def _row(
    work: Work, visit: VisitRow, centre: CentreRow | None, kind: str, cause: str | None, *, for_town: bool
) -> TaskRow:
    return TaskRow(
        task_id=new_id(),
        kind=kind,
        visit_id=visit.visit_id,
        attendance_id=None,
        resident_id=visit.resident_ids[0],
        centre_id=visit.centre_id,
        community_id=visit.community_id,
        town_id=visit.town_id,
        for_town=for_town,
        owner_id=centre.in_charge_id if centre else None,
        cause=cause,
        sealed=None,
        opened_at=work.now,
        opened_by=work.caller.person_id if work.caller else None,
        told_at=None,
        closed_how=None,
        closed_at=None,
        closed_by=None,
    )


def task(work: Work, task_id: UUID, *, lock: bool = True) -> TaskRow:
    """The task, if the caller's desk answers for it."""
    row = work.session.get(TaskRow, task_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("task_unknown", "没有这个待办。")
    if work.caller is not None:
        require(work.caller, task_reach(row), *DESK)
    return row


def close(
    work: Work, row: TaskRow, *, told_whom: str, how: str, answer: str = "", at: datetime | None = None
) -> None:
    """Close a task: who was told, when, by whom and how (8.12)."""
    if row.closed_at is not None:
        raise Refused("task_closed", "这个待办已经完成了。")
    told = at or work.now
    if told > work.now:
        raise Invalid("future", "告知的时间不能在现在之后。", field="at")
    kept = work.vault.open(work.session, [(row.resident_id, row.sealed)])[0] if row.sealed else {}
    sealed = {**kept, "told_whom": told_whom, "how": how, "answer": answer}
    row.sealed = work.vault.seal(work.session, row.resident_id, sealed)
    row.told_at, row.closed_at, row.closed_how = told, work.now, "told"
    row.closed_by = work.caller.person_id if work.caller else None
    work.audit("task.close", row.task_id, row.resident_id, kind=row.kind)


def assign(work: Work, row: TaskRow, owner_id: UUID) -> None:
    """Give a task to somebody by name."""
    row.owner_id = owner_id
    work.audit("task.assign", row.task_id, row.resident_id)


def close_met(work: Work, visit_id: UUID) -> None:
    """Somebody comes after all: the unmet visit's task is closed by itself."""
    row = work.session.scalars(
        select(TaskRow).where(
            TaskRow.visit_id == visit_id, TaskRow.kind == "unmet", TaskRow.closed_at.is_(None)
        )
    ).first()
    if row is not None:
        row.closed_at, row.closed_how = work.now, "met"


def open_unmet(database: Database) -> None:
    """A job: from 17:00 the day before, every unmet visit is a task with a named owner (8.12)."""
    with database.work() as work:
        first, last = unmet_days(work.now)
        open_unmet_between(work, first, last)


def open_unmet_between(work: Work, first: date, last: date) -> int:
    """Open the tasks of unmet visits of some days. How many are new."""
    visits = work.session.scalars(
        select(VisitRow).where(
            VisitRow.day.between(first, last),
            VisitRow.status == VisitStatus.OPEN,
            VisitRow.latest_start > work.now,
        )
    ).all()
    staffing = {
        row.visit_id: row
        for row in work.session.scalars(
            select(StaffingRow).where(StaffingRow.visit_id.in_([v.visit_id for v in visits]))
        )
    }
    unmet = [v for v in visits if _short(v, staffing.get(v.visit_id))]
    if not unmet:
        return 0
    alone = _living_alone(work, unmet)
    owners = centres(work, {v.centre_id for v in unmet if v.centre_id})
    rows = []
    for visit in unmet:
        known = staffing.get(visit.visit_id)
        cause = str((known.unmet or {}).get("reason")) if known and known.unmet else None
        vital = CATALOGUE[ServiceKind(visit.kind)].vital or bool(set(visit.resident_ids) & alone)
        centre = owners.get(visit.centre_id) if visit.centre_id else None
        rows.append(_row(work, visit, centre, "unmet", cause, for_town=vital))
    keys = TaskRow.__table__.columns.keys()
    values = [{k: getattr(row, k) for k in keys if k != "version"} | {"version": 1} for row in rows]
    made = work.session.execute(
        insert(TaskRow).on_conflict_do_nothing().returning(TaskRow.task_id), values
    ).all()
    return len(made)


def _short(visit: VisitRow, staffing: StaffingRow | None) -> bool:
    return staffing is None or len(staffing.held_ids) < visit.carers


def _living_alone(work: Work, visits: Sequence[VisitRow]) -> set[UUID]:
    people = {r for v in visits for r in v.resident_ids}
    rows = work.session.scalars(
        select(ResidentRow.person_id).where(ResidentRow.person_id.in_(people), ResidentRow.lives_alone)
    )
    return set(rows)
