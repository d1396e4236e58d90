"""What callers do with one visit: cancel it, ask for a change, say how it ended."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import visible_visits
from services.daycare.needs.service import cancel_visits
from services.daycare.tasks.service import open_task
from services.daycare.visits.tables import StaffingRow, VisitRow
from services.daycare.visits.telling import lock_visits, tell, touch
from shared.contracts.codes import Outcome, VisitStatus
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.problems import Forbidden, Refused

RED = (Outcome.NO_ANSWER, Outcome.UNWELL)


def visit(work: Work, caller: Caller, visit_id: UUID, *, lock: bool = False) -> VisitRow:
    """The visit, if the caller may see it. Else 403; nobody learns whether there is one."""
    row = work.session.scalars(
        select(VisitRow)
        .outerjoin(StaffingRow, StaffingRow.visit_id == VisitRow.visit_id)
        .where(VisitRow.visit_id == visit_id, visible_visits(caller))
    ).first()
    if row is None:
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    return lock_visits(work, [visit_id])[0] if lock else row


def cancel(work: Work, row: VisitRow, reason: str) -> None:
    """Cancel a visit that has not begun: whoever was to come is told (design rule 4)."""
    if row.status == VisitStatus.CANCELLED:
        return
    if row.status not in {VisitStatus.OPEN, VisitStatus.SUSPENDED}:
        raise Refused("visit_settled", "这次服务已经开始或结束，不能取消。")
    cancel_visits(work, [row], reason)
    work.audit("visit.cancel", row.visit_id, row.resident_ids[0])


def request_change(work: Work, row: VisitRow, text: str) -> UUID:
    """Ask the centre to change a visit: a task of theirs."""
    if row.status not in {VisitStatus.OPEN, VisitStatus.SUSPENDED}:
        raise Refused("visit_settled", "这次服务已经开始或结束，不能再改。")
    return open_task(work, row, "change_request", text=text).task_id


def end(work: Work, row: VisitRow, outcome: Outcome, *, at: datetime | None = None) -> None:
    """End a visit with its one outcome. Nobody at the door or somebody unwell is a red item at once (8.9)."""
    row.status, row.outcome = VisitStatus.ENDED.value, outcome.value
    touch(work, row)
    if outcome in RED:
        open_task(work, row, "red", cause=outcome.value)
    tell(work, [row])
