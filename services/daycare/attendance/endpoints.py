"""Attendance over HTTP."""

from typing import Annotated
from uuid import UUID

from services.daycare.access import CARERS, DESK
from services.daycare.attendance import service
from services.daycare.attendance.schemas import (
    CheckIn,
    CheckOut,
    Confirmation,
    Correction,
    Dispute,
    PaperVisit,
    VisitOutcome,
)
from services.daycare.attendance.tables import AttendanceRow
from services.daycare.visits import service as visits
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Done
from shared.web.signed_in import may

ROUTER = router("", "attendance")
There = Annotated[Caller, may(*DESK, *CARERS)]
Desk = Annotated[Caller, may(*DESK)]


def _done(work: Work, row: AttendanceRow) -> Done:
    work.session.flush()
    return Done(id=row.attendance_id, version=row.version)


@ROUTER.post("/visits/paper", status_code=201)
def enter_paper(body: PaperVisit, work: Transaction, caller: Desk) -> Done:
    """Enter a visit that took place on paper, up to ten working days back (8.10). Answers with the visit."""
    visit = service.enter_paper(work, caller, body)
    work.session.flush()
    return Done(id=visit.visit_id, version=visit.version)


@ROUTER.post("/visits/{visit_id}/check-in")
def check_in(visit_id: UUID, body: CheckIn, work: Transaction, caller: There) -> Done:
    """Somebody has come: by themselves with the visit's code, or by the desk on their behalf."""
    visit = visits.visit(work, caller, visit_id, lock=True)
    return _done(work, service.check_in(work, caller, visit, body))


@ROUTER.post("/visits/{visit_id}/check-out")
def check_out(visit_id: UUID, body: CheckOut, work: Transaction, caller: There) -> Done:
    """Somebody has left."""
    visit = visits.visit(work, caller, visit_id, lock=True)
    return _done(work, service.check_out(work, caller, visit, body))


@ROUTER.post("/visits/{visit_id}/outcome")
def end_visit(visit_id: UUID, body: VisitOutcome, work: Transaction, caller: There) -> Done:
    """How a visit ended without check-out. "Nobody answered" and "unwell" are red at once (8.9)."""
    visit = visits.visit(work, caller, visit_id, lock=True)
    service.outcome(work, caller, visit, body)
    work.session.flush()
    return Done(id=visit.visit_id, version=visit.version)


@ROUTER.post("/attendances/{attendance_id}/confirm")
def confirm(attendance_id: UUID, body: Confirmation, work: Transaction, caller: Desk) -> Done:
    """Confirm what took place: from now on it counts, as an hour or a unit (8.10)."""
    row, visit = service.attendance(work, attendance_id)
    service.confirm(work, caller, row, visit, body)
    return _done(work, row)


@ROUTER.post("/attendances/{attendance_id}/correct")
def correct(attendance_id: UUID, body: Correction, work: Transaction, caller: Desk) -> Done:
    """Correct what was confirmed (If-Match). The old value is kept."""
    row, visit = service.attendance(work, attendance_id)
    service.correct(work, caller, row, visit, body, body.reason)
    return _done(work, row)


@ROUTER.post("/attendances/{attendance_id}/dispute")
def dispute(
    attendance_id: UUID, body: Dispute, work: Transaction, caller: Annotated[Caller, may(*CARERS)]
) -> Done:
    """The carer says the record is wrong (8.10)."""
    row, visit = service.attendance(work, attendance_id)
    service.dispute(work, caller, row, visit, body.reason)
    return _done(work, row)
