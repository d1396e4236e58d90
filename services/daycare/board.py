"""A centre's today: who comes to whom, what is late, what is red, what is still open from before, in one answer."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

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
from shared.contracts.codes import VisitStatus
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Answer
from shared.web.signed_in import may, require

ROUTER = router("/board", "board")
MOST_UNSETTLED = 100


class Board(Answer):
    """A day at a centre. `late` and `red` repeat ids of `visits`; `to_confirm`: provisional attendances, any day.

    `unsettled`: visits of earlier days of which nobody has said how they ended, the oldest first.
    """

    centre: Centre
    day: date
    visits: list[VisitLine]
    tasks: list[TaskAnswer]
    late: list[UUID]
    red: list[UUID]
    to_confirm: int
    unsettled: list[VisitLine]
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
    today = wall_day(work.now)
    day = day or today
    visits = work.session.scalars(
        select(VisitRow)
        .outerjoin(StaffingRow, StaffingRow.visit_id == VisitRow.visit_id)
        .where(VisitRow.centre_id == centre_id, VisitRow.day == day, visible_visits(caller))
        .order_by(VisitRow.earliest_start, VisitRow.visit_id)
    ).all()
    earlier = _unsettled(work, centre_id, today)
    both = views.lines(work, caller, [*visits, *earlier])
    lines, unsettled = both[: len(visits)], both[len(visits) :]
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
        unsettled=unsettled,
        counts=counts,
    )


def _unsettled(work: Work, centre_id: UUID, today: date) -> Sequence[VisitRow]:
    """Of earlier days: somebody was to come and nothing is said of it, or nobody was found and nobody was told.

    An unmet visit's task is on the board itself until the resident was told (8.12); then the visit is settled.
    """
    tasked: ColumnElement[bool] = (
        select(TaskRow.task_id)
        .where(
            TaskRow.visit_id == VisitRow.visit_id,
            TaskRow.kind == "unmet",
            or_(TaskRow.closed_at.is_(None), TaskRow.closed_how == "told"),
        )
        .exists()
    )
    return work.session.scalars(
        select(VisitRow)
        .where(
            VisitRow.centre_id == centre_id,
            VisitRow.day < today,
            or_(
                VisitRow.status == VisitStatus.STARTED,
                and_(VisitRow.status == VisitStatus.OPEN, ~tasked),
            ),
        )
        .order_by(VisitRow.earliest_start, VisitRow.visit_id)
        .limit(MOST_UNSETTLED)
    ).all()
