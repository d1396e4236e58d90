"""Attendance: expected, in, out, confirmed | no-show | disputed; each confirmed value told as a revision (8.9, 8.10)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import CARERS, require_desk, runs
from services.daycare.attendance.schemas import CheckIn, CheckOut, Confirmation, PaperVisit, VisitOutcome
from services.daycare.attendance.tables import AttendanceRow, RevisionRow
from services.daycare.centres.service import calendar
from services.daycare.centres.tables import CentreRow
from services.daycare.needs.schemas import NewNeed
from services.daycare.needs.service import need_row
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import CHECK_IN_EARLY, CHECK_OUT_GRACE, LONGEST_VISIT, paper_since
from services.daycare.tasks.service import open_task
from services.daycare.visits import service as visits
from services.daycare.visits.making import new_visit
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import lock_visits, read_facts, tell, touch
from shared.clock import wall, wall_day
from shared.contracts.codes import SERVED_OUTCOMES, Capacity, Channel, Outcome, ServiceKind, VisitStatus
from shared.contracts.visits import AttendanceConfirmed
from shared.database.work import Database, Work
from shared.ids import carer_id, new_id
from shared.security.caller import Caller
from shared.web.problems import Forbidden, Invalid, NotFound, Refused
from shared.web.routing import expect

LIVE = ("expected", "in", "out")


def at_visit(work: Work, visit: VisitRow, person_id: UUID) -> AttendanceRow:
    """The person's attendance at a visit whose row is locked."""
    row = work.session.scalars(
        select(AttendanceRow).where(
            AttendanceRow.visit_id == visit.visit_id,
            AttendanceRow.person_id == person_id,
            AttendanceRow.state != "released",
        )
    ).first()
    if row is None:
        raise Refused("not_expected", "这位服务人员没有安排在这次服务里。", field="person_id")
    return row


def attendance(work: Work, attendance_id: UUID) -> tuple[AttendanceRow, VisitRow]:
    """An attendance and its visit, the visit locked first."""
    row = work.session.get(AttendanceRow, attendance_id)
    if row is None:
        raise NotFound("attendance_unknown", "没有这条到访记录。")
    [visit] = lock_visits(work, [row.visit_id])
    work.session.refresh(row)
    return row, visit


def _self_or_desk(caller: Caller, visit: VisitRow, person_id: UUID) -> bool:
    """Whether the caller acts at the desk. Refuses whoever is neither there nor the person."""
    if runs(caller, visit):
        return True
    if caller.has(*CARERS) and caller.person_id == person_id:
        return False
    raise Forbidden("out_of_reach", "只能由本人或照料中心签到、签退。")


def check_in(work: Work, caller: Caller, visit: VisitRow, body: CheckIn) -> AttendanceRow:
    """Somebody has come: from now on nobody plans this visit anew."""
    desk = _self_or_desk(caller, visit, body.person_id)
    row = at_visit(work, visit, body.person_id)
    if row.state == "in":
        return row
    if visit.status in {VisitStatus.CANCELLED, VisitStatus.SUSPENDED}:
        raise Refused("visit_cancelled", "这次服务已经取消，谢谢您。")
    if row.state != "expected":
        raise Refused("already_out", "这次服务已经签退。")
    if not desk and body.code != visit.code:
        raise Invalid("wrong_code", "四位码不对，请看老人手里的码或打电话给中心。", field="code")
    at = (body.at if desk else None) or work.now
    _timely(work, at, "at")
    if at < row.planned_start - CHECK_IN_EARLY:
        raise Invalid("too_early", "还没到时间，最多提前一小时签到。", field="at")
    row.state, row.started_at = "in", at
    row.checked_in_by = caller.person_id
    if visit.status == VisitStatus.OPEN:
        visit.status = VisitStatus.STARTED.value
        touch(work, visit)
        tell(work, [visit])
    work.audit("attendance.in", visit.visit_id, row.person_id)
    return row


def _timely(work: Work, at: datetime, field: str) -> None:
    if at > work.now + timedelta(minutes=1):
        raise Invalid("future", "时间不能在现在之后。", field=field)


def check_out(work: Work, caller: Caller, visit: VisitRow, body: CheckOut) -> AttendanceRow:
    """Somebody has left. The visit ends when nobody is there or expected any more."""
    desk = _self_or_desk(caller, visit, body.person_id)
    row = at_visit(work, visit, body.person_id)
    if row.state == "out":
        return row
    if row.state != "in" or row.started_at is None:
        raise Refused("not_in", "还没有签到，不能签退。")
    at = (body.at if desk else None) or work.now
    _timely(work, at, "at")
    if at < row.started_at:
        raise Invalid("ends_before_start", "结束时间不能早于开始时间。", field="at")
    if at - row.started_at > LONGEST_VISIT:
        raise Invalid("too_long", "一次服务不能超过 12 小时，请核对时间。", field="at")
    row.state, row.ended_at, row.outcome = "out", at, body.outcome.value
    work.audit("attendance.out", visit.visit_id, row.person_id)
    _end_if_over(work, visit, body.outcome)
    return row


def _of(work: Work, visit: VisitRow) -> Sequence[AttendanceRow]:
    work.session.flush()
    return work.session.scalars(
        select(AttendanceRow).where(
            AttendanceRow.visit_id == visit.visit_id, AttendanceRow.state != "released"
        )
    ).all()


def _end_if_over(work: Work, visit: VisitRow, outcome: Outcome) -> None:
    if visit.status == VisitStatus.ENDED:
        return
    if all(a.state not in {"expected", "in"} for a in _of(work, visit)):
        visits.end(work, visit, outcome)


def outcome(work: Work, caller: Caller, visit: VisitRow, body: VisitOutcome) -> None:
    """End a visit otherwise than by check-out: nobody answered, unwell, refused, carer did not come (8.9)."""
    desk = runs(caller, visit)
    person = body.person_id or caller.person_id
    if not desk:
        _self_or_desk(caller, visit, person)
        at_visit(work, visit, person)
        if body.outcome in {Outcome.CANCELLED, Outcome.CARER_ABSENT}:
            raise Forbidden("desk_only", "这个结果由照料中心登记。")
    if visit.status in {VisitStatus.CANCELLED, VisitStatus.SUSPENDED}:
        raise Refused("visit_cancelled", "这次服务已经取消，谢谢您。")
    if body.outcome is Outcome.CANCELLED:
        raise Invalid("cancel_instead", "请用“取消服务”。", field="outcome")
    if visit.status == VisitStatus.ENDED:
        raise Refused("visit_settled", "这次服务已经有结果，请在确认时更正。")
    if visit.earliest_start - CHECK_IN_EARLY > work.now:
        raise Invalid("too_early", "还没到时间，不能登记结果。", field="outcome")
    for row in _of(work, visit):
        if row.state == "in":
            row.state, row.ended_at = "out", max(work.now, row.started_at or work.now)
        if row.state in LIVE:
            row.outcome = body.outcome.value
    visits.end(work, visit, body.outcome)
    work.audit("visit.outcome", visit.visit_id, visit.resident_ids[0], outcome=body.outcome.value)


def confirm(work: Work, caller: Caller, row: AttendanceRow, visit: VisitRow, body: Confirmation) -> None:
    """The centre confirms what was provisional: only now it counts (8.10)."""
    require_desk(caller, visit)
    if row.revision > 0:
        raise Refused("already_confirmed", "已经确认过，如需修改请用“更正”。")
    if row.state == "released":
        raise Refused("not_expected", "这位服务人员没有安排在这次服务里。")
    _confirmed(work, caller, row, visit, body, responsible=_responsible(work, visit), reason=None)


def correct(
    work: Work, caller: Caller, row: AttendanceRow, visit: VisitRow, body: Confirmation, reason: str
) -> None:
    """Correct a confirmed attendance: the old value is kept, with who and why (Order 67, 13)."""
    require_desk(caller, visit)
    expect(work, row.version)
    if row.revision == 0:
        raise Refused("not_confirmed", "还没有确认，请先确认。")
    responsible = row.responsible_id or _responsible(work, visit)
    _confirmed(work, caller, row, visit, body, responsible=responsible, reason=reason)


def _responsible(work: Work, visit: VisitRow) -> UUID:
    centre = work.session.get(CentreRow, visit.centre_id) if visit.centre_id else None
    if centre is not None and centre.in_charge_id is not None:
        return centre.in_charge_id
    assert work.caller is not None
    return work.caller.person_id


def _confirmed(
    work: Work,
    caller: Caller,
    row: AttendanceRow,
    visit: VisitRow,
    body: Confirmation,
    *,
    responsible: UUID,
    reason: str | None,
) -> None:
    started, ended = body.started_at or row.started_at, body.ended_at or row.ended_at
    served = body.outcome in SERVED_OUTCOMES
    if served and (started is None or ended is None):
        raise Invalid("times_missing", "请填写开始和结束时间。", field="ended_at")
    if started and ended:
        _timely(work, ended, "ended_at")
        if ended < started:
            raise Invalid("ends_before_start", "结束时间不能早于开始时间。", field="ended_at")
        if ended - started > LONGEST_VISIT:
            raise Invalid("too_long", "一次服务不能超过 12 小时，请核对时间。", field="ended_at")
        if abs(started - row.planned_start) > timedelta(days=1):
            raise Invalid("other_day", "时间与安排的日子不符，请核对。", field="started_at")
    row.started_at, row.ended_at = started, ended
    row.outcome = body.outcome.value
    row.minutes = int((ended - started).total_seconds() // 60) if served and started and ended else 0
    row.revision += 1
    row.state = "no_show" if body.outcome is Outcome.CARER_ABSENT else "confirmed"
    row.end_proposed = False
    row.responsible_id, row.confirmed_by, row.confirmed_at = responsible, caller.person_id, work.now
    work.session.flush()
    _note(work, row, reason)
    _tell(work, row, visit)
    work.audit("attendance.confirm", visit.visit_id, row.person_id, revision=row.revision)
    if visit.status in {VisitStatus.OPEN, VisitStatus.STARTED}:
        _end_if_over(work, visit, body.outcome)
    elif visit.status == VisitStatus.ENDED and len(_of(work, visit)) == 1 and visit.outcome != row.outcome:
        visits.end(work, visit, body.outcome)


def _note(work: Work, row: AttendanceRow, reason: str | None) -> None:
    assert row.confirmed_by is not None
    assert row.confirmed_at is not None
    assert row.outcome is not None
    sealed = work.vault.seal(work.session, row.person_id, {"reason": reason}) if reason else None
    work.session.add(
        RevisionRow(
            attendance_id=row.attendance_id,
            revision=row.revision,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            minutes=row.minutes,
            by=row.confirmed_by,
            at=row.confirmed_at,
            sealed=sealed,
        )
    )


def _tell(work: Work, row: AttendanceRow, visit: VisitRow) -> None:
    assert row.responsible_id
    assert row.confirmed_by
    assert row.confirmed_at
    assert row.outcome
    work.emit(
        AttendanceConfirmed(
            visit_id=visit.visit_id,
            attendance_id=row.attendance_id,
            revision=row.revision,
            person_id=row.person_id,
            carer_id=row.carer_id,
            capacity=Capacity(row.capacity),
            organisation_id=row.organisation_id,
            line_id=row.line_id,
            kind=ServiceKind(visit.kind),
            community_id=visit.community_id,
            centre_id=visit.centre_id,
            resident_ids=tuple(visit.resident_ids),
            outcome=Outcome(row.outcome),
            started_at=row.started_at,
            ended_at=row.ended_at,
            minutes=row.minutes,
            responsible_person_id=row.responsible_id,
            confirmed_by=row.confirmed_by,
            confirmed_at=row.confirmed_at,
        )
    )


def dispute(work: Work, caller: Caller, row: AttendanceRow, visit: VisitRow, reason: str) -> None:
    """The carer says the record is wrong, in one step: a task for the centre (8.10)."""
    if caller.person_id != row.person_id:
        raise Forbidden("not_yours", "只能对自己的记录提出异议。")
    if row.revision == 0:
        raise Refused("not_confirmed", "中心还没有确认这次服务。")
    if row.state == "disputed":
        return
    row.state = "disputed"
    open_task(work, visit, "dispute", text=reason, attendance_id=row.attendance_id)
    work.audit("attendance.dispute", visit.visit_id, row.person_id)


def enter_paper(work: Work, caller: Caller, body: PaperVisit) -> VisitRow:
    """Enter a visit that took place on paper, up to ten working days back (8.10): all who came, or none."""
    today = wall_day(work.now)
    day = wall_day(body.started_at)
    _timely(work, body.ended_at, "ended_at")
    if day < paper_since(today, calendar(work, today - timedelta(days=40), today)):
        raise Invalid("too_long_ago", "只能补录最近十个工作日内的服务。", field="started_at")
    visit = _paper_visit(work, caller, body)
    people = list(dict.fromkeys(body.person_ids))
    known = {
        row.person_id: row
        for row in work.session.scalars(
            select(AttendanceRow).where(
                AttendanceRow.visit_id == visit.visit_id, AttendanceRow.person_id.in_(people)
            )
        )
    }
    if any(row.revision > 0 for row in known.values()):
        raise Refused("already_confirmed", "已经确认过，如需修改请用“更正”。")
    rows = [known.get(person) or _paper_row(visit, body, person) for person in people]
    work.session.add_all(rows)
    work.session.flush()
    confirmed = Confirmation(started_at=body.started_at, ended_at=body.ended_at, outcome=body.outcome)
    for row in rows:
        _confirmed(work, caller, row, visit, confirmed, responsible=body.responsible_id, reason=None)
    return visit


def _paper_row(visit: VisitRow, body: PaperVisit, person_id: UUID) -> AttendanceRow:
    return AttendanceRow(
        attendance_id=new_id(),
        visit_id=visit.visit_id,
        person_id=person_id,
        carer_id=carer_id(person_id, body.organisation_id),
        capacity=body.capacity.value,
        organisation_id=body.organisation_id,
        line_id=body.line_id,
        assignment_id=None,
        slot=0,
        planned_start=body.started_at,
        planned_end=body.ended_at,
        state="expected",
        started_at=None,
        ended_at=None,
        end_proposed=False,
        outcome=None,
        minutes=0,
        revision=0,
        responsible_id=None,
        checked_in_by=None,
        confirmed_by=None,
        confirmed_at=None,
    )


def _paper_visit(work: Work, caller: Caller, body: PaperVisit) -> VisitRow:
    if body.visit_id is not None:
        found = lock_visits(work, [body.visit_id])
        if not found:
            raise Forbidden("out_of_reach", "这不在您负责的范围内。")
        require_desk(caller, found[0])
        return found[0]
    rows = work.session.scalars(select(ResidentRow).where(ResidentRow.person_id.in_(body.resident_ids))).all()
    if len(rows) != len(set(body.resident_ids)) or body.kind is None:
        raise Invalid("resident_unknown", "没有登记这位老人，请先登记。", field="resident_ids")
    began = wall(body.started_at)
    minutes = max(5, int((body.ended_at - body.started_at).total_seconds() // 60))
    new = NewNeed(
        resident_ids=body.resident_ids,
        together=True,
        kind=body.kind,
        first_day=began.date(),
        earliest=began.time().replace(second=0, microsecond=0),
        latest=began.time().replace(second=0, microsecond=0),
        minutes=min(720, minutes),
        carers=2 if len(set(body.person_ids)) > 1 else 1,
        channels=[Channel.VOLUNTEER if body.capacity is Capacity.VOLUNTEER else Channel.PUBLIC_PURCHASED],
    )
    need = need_row(work, new, rows, source="paper")
    require_desk(caller, need)
    need.state = "ended"
    work.session.add(need)
    work.session.flush()
    visit = new_visit(work, need, need.first_day, read_facts(work, [need], need.first_day, need.first_day))
    visit.on_paper, visit.status, visit.outcome = True, VisitStatus.ENDED.value, body.outcome.value
    work.session.add(visit)
    tell(work, [visit])
    return visit


def propose_ends(database: Database) -> None:
    """A job: who forgot to check out is proposed the planned end, flagged, never counted unconfirmed (8.10)."""
    with database.work() as work:
        due = work.session.execute(
            select(AttendanceRow.attendance_id).where(
                AttendanceRow.state == "in", AttendanceRow.planned_end < work.now - CHECK_OUT_GRACE
            )
        ).all()
    for (attendance_id,) in due:
        with database.work() as work:
            row, visit = attendance(work, attendance_id)
            if row.state != "in" or row.started_at is None:
                continue
            row.state, row.end_proposed = "out", True
            row.ended_at = max(row.planned_end, row.started_at)
            row.outcome = Outcome.DONE.value
            _end_if_over(work, visit, Outcome.DONE)
