"""A centre's today: who comes to whom, what is late, what is red, in one answer."""

from datetime import date
from typing import Annotated
from uuid import UUID

from sqlalchemy import func, select

from services.daycare.access import DESK, OVERSIGHT, visible_visits
from services.daycare.attendance.tables import AttendanceRow
from services.daycare.centres.schemas import Centre
from services.daycare.centres.service import centre
from services.daycare.tasks.endpoints import TaskAnswer, answers
from services.daycare.tasks.tables import TaskRow
from services.daycare.visits import views
from services.daycare.visits.schemas import VisitLine
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.clock import wall_day
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Answer
from shared.web.signed_in import may, require

ROUTER = router("/board", "board")


class Board(Answer):
    """A day at a centre. `late` and `red` repeat ids of `visits`; `to_confirm`: provisional attendances, any day."""

    centre: Centre
    day: date
    visits: list[VisitLine]
    tasks: list[TaskAnswer]
    late: list[UUID]
    red: list[UUID]
    to_confirm: int
    counts: dict[str, int]


@ROUTER.get("")
def board(
    centre_id: UUID,
    work: Transaction,
    caller: Annotated[Caller, may(*DESK, *OVERSIGHT)],
    day: date | None = None,
) -> Board:
    """The day's visits by start, red and late ones named, and the centre's open tasks."""
    row = centre(work, centre_id)
    require(caller, Reach(row.town_id, row.community_id, None, centre_id), *DESK, *OVERSIGHT)
    day = day or wall_day(work.now)
    visits = work.session.scalars(
        select(VisitRow)
        .outerjoin(StaffingRow, StaffingRow.visit_id == VisitRow.visit_id)
        .where(VisitRow.centre_id == centre_id, VisitRow.day == day, visible_visits(caller))
        .order_by(VisitRow.earliest_start, VisitRow.visit_id)
    ).all()
    lines = views.lines(work, caller, visits)
    tasks = work.session.execute(
        select(TaskRow, VisitRow)
        .join(VisitRow, VisitRow.visit_id == TaskRow.visit_id)
        .where(TaskRow.centre_id == centre_id, TaskRow.closed_at.is_(None))
        .order_by(TaskRow.kind != "red", VisitRow.earliest_start)
        .limit(100)
    ).all()
    waiting = work.session.scalar(
        select(func.count())
        .select_from(AttendanceRow)
        .join(VisitRow, VisitRow.visit_id == AttendanceRow.visit_id)
        .where(VisitRow.centre_id == centre_id, AttendanceRow.state == "out")
    )
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.state] = counts.get(line.state, 0) + 1
    return Board(
        centre=Centre.model_validate(row),
        day=day,
        visits=lines,
        tasks=answers(work, caller, [(t[0], t[1]) for t in tasks]),
        late=[line.visit_id for line in lines if line.late],
        red=[line.visit_id for line in lines if line.red],
        to_confirm=waiting or 0,
        counts=counts,
    )
