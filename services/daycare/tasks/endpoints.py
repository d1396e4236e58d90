"""Tasks over HTTP: the centre's list, and the town's (8.12)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from sqlalchemy import or_, select

from services.daycare.access import DESK, OVERSIGHT
from services.daycare.residents.schemas import example
from services.daycare.residents.service import opened
from services.daycare.residents.tables import ResidentRow
from services.daycare.tasks import service
from services.daycare.tasks.tables import TaskRow
from services.daycare.visits.tables import VisitRow
from shared.contracts.codes import Role, ScopeKind, ServiceKind
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import (
    Answer,
    Body,
    Cursor,
    Done,
    Instant,
    Limit,
    Line,
    Page,
    Text,
    cursor_keys,
    encode_cursor,
)
from shared.web.signed_in import may

ROUTER = router("/tasks", "tasks")
Desk = Annotated[Caller, may(*DESK)]
Kind = Literal["unmet", "red", "change_request", "dispute", "complaint"]


class TaskAnswer(Answer):
    """Something to see to. Names, text and contacts only for the desk that answers for it."""

    task_id: UUID
    version: int
    kind: Kind
    cause: str | None
    visit_id: UUID
    attendance_id: UUID | None
    service: ServiceKind
    start: Instant
    resident_id: UUID
    resident: str | None
    phone: str | None
    contacts: list[dict[str, Any]]
    text: str | None
    centre_id: UUID | None
    town_id: UUID
    for_town: bool
    owner_id: UUID | None
    opened_at: Instant
    closed_at: Instant | None
    closed_how: str | None
    told_at: Instant | None
    told_whom: str | None


class TaskClosing(Body):
    """ "Resident told, when, by whom": the caller is who told."""

    model_config = example(told_whom="王秀英本人", how="电话")

    told_whom: Line
    how: Line = "电话"
    at: Instant | None = None
    answer: Text = ""


class TaskAssignment(Body):
    model_config = example(owner_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e")

    owner_id: UUID


@ROUTER.get("")
def list_tasks(
    work: Transaction,
    caller: Annotated[Caller, may(*DESK, *OVERSIGHT)],
    centre_id: UUID | None = None,
    town_id: UUID | None = None,
    kind: Kind | None = None,
    closed: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[TaskAnswer]:
    """Open tasks (or closed ones, the newest first) within the caller's reach."""
    query = select(TaskRow, VisitRow).join(VisitRow, VisitRow.visit_id == TaskRow.visit_id)
    if not caller.reaches(Reach(), *OVERSIGHT):
        query = query.where(_visible(caller))
    query = query.where(TaskRow.closed_at.is_not(None) if closed else TaskRow.closed_at.is_(None))
    if centre_id:
        query = query.where(TaskRow.centre_id == centre_id)
    if town_id:
        query = query.where(TaskRow.town_id == town_id)
    if kind:
        query = query.where(TaskRow.kind == kind)
    order = TaskRow.closed_at.desc() if closed else VisitRow.earliest_start
    offset = max(0, cursor_keys(cursor, int)[0]) if cursor else 0
    rows = work.session.execute(
        query.order_by((TaskRow.kind != "red"), order, TaskRow.task_id).offset(offset).limit(limit + 1)
    ).all()
    return Page(
        items=answers(work, caller, [(row[0], row[1]) for row in rows[:limit]]),
        next=encode_cursor(offset + limit) if len(rows) > limit else None,
    )


def _visible(caller: Caller) -> Any:
    return or_(
        TaskRow.centre_id.in_(caller.scope_ids(ScopeKind.CENTRE, *DESK)),
        TaskRow.centre_id.is_(None) & TaskRow.community_id.in_(caller.scope_ids(ScopeKind.COMMUNITY, *DESK)),
        (TaskRow.for_town | TaskRow.centre_id.is_(None))
        & TaskRow.town_id.in_(caller.scope_ids(ScopeKind.TOWN, *DESK, Role.PLANNER)),
    )


def answers(work: Work, caller: Caller, rows: list[tuple[TaskRow, VisitRow]]) -> list[TaskAnswer]:
    """Tasks as the caller may read them."""
    names = caller.has(*DESK)
    people = work.session.scalars(
        select(ResidentRow).where(among(ResidentRow.person_id, {t.resident_id for t, _ in rows}))
    ).all()
    known = opened(work, people) if names else {}
    sealed = [(t.resident_id, t.sealed) for t, _ in rows if t.sealed]
    texts = iter(work.vault.open(work.session, sealed) if names else [{}] * len(sealed))
    result = []
    for row, visit in rows:
        said = next(texts) if row.sealed else {}
        home = known.get(row.resident_id, {})
        plain = (
            "task_id version kind cause visit_id attendance_id resident_id centre_id town_id for_town owner_id "
            "opened_at closed_at closed_how told_at"
        )
        result.append(
            TaskAnswer.model_validate(
                {
                    **{name: getattr(row, name) for name in plain.split()},
                    "service": visit.kind,
                    "start": visit.earliest_start,
                    "resident": home.get("name"),
                    "phone": home.get("phone"),
                    "contacts": home.get("contacts") or [],
                    "text": said.get("text"),
                    "told_whom": said.get("told_whom"),
                }
            )
        )
    return result


@ROUTER.post("/{task_id}/close")
def close_task(task_id: UUID, body: TaskClosing, work: Transaction, caller: Desk) -> Done:
    """Close a task: whom the caller told, when and how."""
    row = service.task(work, task_id)
    service.close(work, row, told_whom=body.told_whom, how=body.how, answer=body.answer, at=body.at)
    work.session.flush()
    return Done(id=row.task_id, version=row.version)


@ROUTER.post("/{task_id}/assign")
def assign_task(task_id: UUID, body: TaskAssignment, work: Transaction, caller: Desk) -> Done:
    """Give a task an owner."""
    row = service.task(work, task_id)
    service.assign(work, row, body.owner_id)
    work.session.flush()
    return Done(id=row.task_id, version=row.version)
