"""Copying last week: what a recurrence makes already, absences and holidays are left out and listed (8.8)."""

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import require_desk
from services.daycare.centres.service import calendar
from services.daycare.needs.schemas import Copied, CopyLine, CopyWeek
from services.daycare.needs.service import copy_once
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.service import names
from services.daycare.rules import is_holiday, window
from services.daycare.visits.making import make_visits
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import Facts, read_facts
from shared.clock import wall_day
from shared.contracts.codes import ServiceKind, VisitStatus
from shared.database.work import Work
from shared.ids import derived_id


def copy_week(work: Work, body: CopyWeek) -> Copied:
    """Copy a week's single visits, or only say what would be copied. Copying twice adds nothing."""
    visits = work.session.scalars(
        select(VisitRow)
        .where(
            VisitRow.centre_id == body.centre_id,
            VisitRow.day.between(body.from_week, body.from_week + timedelta(days=6)),
            VisitRow.status != VisitStatus.CANCELLED,
        )
        .order_by(VisitRow.earliest_start, VisitRow.visit_id)
    ).all()
    if work.caller is not None and visits:
        require_desk(work.caller, visits[0])
    rows = work.session.scalars(select(NeedRow).where(NeedRow.need_id.in_({v.need_id for v in visits})))
    needs = {row.need_id: row for row in rows}
    shift = body.to_week - body.from_week
    facts = read_facts(work, needs.values(), body.to_week, body.to_week + timedelta(days=6))
    special = calendar(work, body.to_week, body.to_week + timedelta(days=6))
    ids = {v.visit_id: derived_id("copy", v.visit_id, body.to_week) for v in visits}
    copied = set(work.session.scalars(select(NeedRow.need_id).where(NeedRow.need_id.in_(ids.values()))))
    known = names(work, {r for v in visits for r in v.resident_ids})
    lines, made = [], []
    for visit in visits:
        need, day = needs[visit.need_id], visit.day + shift
        result = _verdict(need, day, special, facts, ids[visit.visit_id] in copied, work.now)
        if result == "new" and not body.preview:
            made.append(copy_once(work, need, day, ids[visit.visit_id]))
        lines.append(_line(visit, need, day, known, result))
    if made:
        make_visits(work, made)
        work.audit("need.copy_week", body.centre_id, made=len(made))
    fresh = sum(line.result == "new" for line in lines)
    return Copied(lines=lines, made=len(made), skipped=len(lines) - fresh)


def _verdict(
    need: NeedRow, day: date, special: dict[date, bool], facts: Facts, copied: bool, now: datetime
) -> str:
    if need.rrule is not None:
        return "recurring"
    if copied:
        return "copied"
    if day < wall_day(now) or window(day, need.earliest, need.latest)[1] <= now:
        return "past"
    if is_holiday(day, special) and not need.on_holidays:
        return "holiday"
    return "new" if facts.present(need.resident_ids, day) else "absent"


def _line(visit: VisitRow, need: NeedRow, day: date, known: dict[UUID, str], result: str) -> CopyLine:
    return CopyLine.model_validate(
        {
            "visit_id": visit.visit_id,
            "residents": [{"person_id": r, "name": known.get(r)} for r in visit.resident_ids],
            "kind": ServiceKind(visit.kind),
            "day": day,
            "earliest": need.earliest,
            "result": result,
        }
    )
