"""Visits as a caller may see them (8.9, 8.17)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import CARERS, NAMES, OWN, runs, visit_reach
from services.daycare.attendance.tables import AttendanceRow
from services.daycare.centres.tables import CentreRow
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import address_hidden_after, late_after, unmet_tasks_at
from services.daycare.satisfaction.tables import RatingRow
from services.daycare.tasks.tables import TaskRow
from services.daycare.visits.schemas import (
    AttendanceAnswer,
    ResidentNamed,
    SlotAnswer,
    State,
    VisitDetail,
    VisitLine,
)
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.contracts.codes import HELD_SLOTS, Role, SlotState, VisitStatus
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller, Reach

PLAIN = [
    "visit_id",
    "version",
    "need_id",
    "kind",
    "centre_id",
    "town_id",
    "community_id",
    "cell_id",
    "day",
    "earliest_start",
    "latest_start",
    "minutes",
    "carers",
    "status",
    "outcome",
    "cancel_reason",
]
_SHARED = {VisitStatus.OPEN, VisitStatus.SUSPENDED, VisitStatus.STARTED}


def lines(work: Work, caller: Caller, visits: Sequence[VisitRow]) -> list[VisitLine]:
    """Visits as lists show them, in the order given."""
    ids = [v.visit_id for v in visits]
    staffing = _by_visit(work.session.scalars(select(StaffingRow).where(among(StaffingRow.visit_id, ids))))
    attendances: dict[UUID, list[AttendanceRow]] = {}
    for row in work.session.scalars(
        select(AttendanceRow).where(among(AttendanceRow.visit_id, ids)).order_by(AttendanceRow.slot)
    ):
        attendances.setdefault(row.visit_id, []).append(row)
    reds = set(
        work.session.scalars(
            select(TaskRow.visit_id).where(
                among(TaskRow.visit_id, ids), TaskRow.kind == "red", TaskRow.closed_at.is_(None)
            )
        )
    )
    faces = _by_visit(work.session.scalars(select(RatingRow).where(among(RatingRow.visit_id, ids))))
    named = [v for v in visits if may_name(caller, v, staffing.get(v.visit_id), work.now)]
    names = _names(work, {r for v in named for r in v.resident_ids})
    allowed = {v.visit_id for v in named}
    result = []
    for visit in visits:
        places = staffing.get(visit.visit_id)
        came = attendances.get(visit.visit_id, [])
        known = names if visit.visit_id in allowed else {}
        rating = faces.get(visit.visit_id)
        result.append(
            VisitLine.model_validate(
                {
                    **_plain(visit, places, came, work.now),
                    "residents": [ResidentNamed(person_id=r, name=known.get(r)) for r in visit.resident_ids],
                    "red": visit.visit_id in reds,
                    "code": visit.code if shows_code(caller, visit, places) else None,
                    "face": rating.face if rating and sees_ratings(caller, visit) else None,
                }
            )
        )
    return result


def _by_visit(rows: Iterable[Any]) -> dict[UUID, Any]:
    return {row.visit_id: row for row in rows}


def _names(work: Work, people: set[UUID]) -> dict[UUID, str]:
    sealed = work.session.execute(
        select(ResidentRow.person_id, ResidentRow.sealed).where(among(ResidentRow.person_id, people))
    ).all()
    values = work.vault.open(work.session, [(person, block) for person, block in sealed])
    return {row.person_id: str(value.get("name") or "") for row, value in zip(sealed, values, strict=True)}


def _plain(
    visit: VisitRow, staffing: StaffingRow | None, came: Sequence[AttendanceRow], now: datetime
) -> dict[str, Any]:
    slots = staffing.slots if staffing else []
    held = [s for s in slots if s["state"] in HELD_SLOTS]
    start = planned_start(visit, slots)
    return {
        **{name: getattr(visit, name) for name in PLAIN},
        "start": start,
        "state": state_of(visit, staffing, now),
        "late": is_late(visit, came, start, bool(held), now),
        "held": len(held),
        "slots": [SlotAnswer.model_validate(s) for s in slots],
        "attendances": [AttendanceAnswer.model_validate(a) for a in came if a.state != "released"],
        "unmet": staffing.unmet if staffing else None,
    }


def planned_start(visit: VisitRow, slots: Sequence[dict[str, Any]]) -> datetime:
    """When a visit begins: as agreed with whoever comes, else the earliest asked for."""
    starts = [datetime.fromisoformat(str(s["start"])) for s in slots if s["state"] in HELD_SLOTS]
    return min(starts) if starts else visit.earliest_start


def state_of(visit: VisitRow, staffing: StaffingRow | None, now: datetime) -> State:
    """The one word of a visit (pages.md, "state of a visit"). A half-staffed pair is not yet accepted."""
    match VisitStatus(visit.status):
        case VisitStatus.CANCELLED:
            return "cancelled"
        case VisitStatus.SUSPENDED:
            return "suspended"
        case VisitStatus.STARTED:
            return "started"
        case VisitStatus.ENDED:
            return "done"
    slots = staffing.slots if staffing else []
    held = [s for s in slots if s["state"] in HELD_SLOTS]
    if len(held) >= visit.carers:
        paid = all(s["state"] == SlotState.ROSTERED for s in held)
        return "rostered" if paid else "accepted"
    if visit.latest_start < now:
        return "unmet"
    if any(s["state"] == SlotState.OFFERED for s in slots):
        return "offered"
    told = now >= unmet_tasks_at(visit.day)
    return "unmet" if staffing and staffing.unmet and told else "open"


def is_late(
    visit: VisitRow, came: Sequence[AttendanceRow], start: datetime, held: bool, now: datetime
) -> bool:
    """Whether somebody was to come and has not checked in 15 minutes after the start (8.9)."""
    if not held or now < start + late_after(start):
        return False
    if visit.status == VisitStatus.OPEN:
        return True
    return visit.status == VisitStatus.STARTED and any(
        a.state == "expected" and now >= a.planned_start + late_after(start) for a in came
    )


def holds(caller: Caller, staffing: StaffingRow | None) -> bool:
    """Whether the caller is one of those who come."""
    return caller.has(*CARERS) and staffing is not None and caller.person_id in staffing.held_ids


def address_open(visit: VisitRow, now: datetime) -> bool:
    """Whether a carer who comes may still see the address: until 24 h after the visit (8.17)."""
    end = visit.latest_start + timedelta(minutes=visit.minutes) + address_hidden_after(now)
    return visit.status != VisitStatus.CANCELLED and now <= end


def may_name(caller: Caller, visit: VisitRow, staffing: StaffingRow | None, now: datetime) -> bool:
    """Whether the caller may know the residents' names."""
    if caller.reaches(visit_reach(visit), *NAMES, *OWN):
        return True
    if holds(caller, staffing):
        return address_open(visit, now)
    return rosters(caller, staffing) and address_open(visit, now)


def rosters(caller: Caller, staffing: StaffingRow | None) -> bool:
    """Whether the caller dispatches somebody who comes."""
    if staffing is None:
        return False
    return any(caller.reaches(Reach(organisation_id=o), Role.DISPATCHER) for o in staffing.organisation_ids)


def shows_code(caller: Caller, visit: VisitRow, staffing: StaffingRow | None) -> bool:
    """The four digits are for the resident's side, the desk, and whoever comes (8.17)."""
    if visit.status not in _SHARED:
        return False
    own = caller.reaches(Reach(person_ids=frozenset(visit.resident_ids)), *OWN)
    return own or runs(caller, visit) or holds(caller, staffing)


def sees_ratings(caller: Caller, visit: VisitRow) -> bool:
    """What a resident said of a visit is for their side and those who answer for the service, not for its carer."""
    return caller.reaches(visit_reach(visit), *NAMES, *OWN)


def detail(work: Work, caller: Caller, visit: VisitRow) -> VisitDetail:
    """One visit with what the caller may know of it. Looking at an address is written down."""
    [line] = lines(work, caller, [visit])
    staffing = work.session.get(StaffingRow, visit.visit_id)
    need = work.session.get_one(NeedRow, visit.need_id)
    near = caller.reaches(visit_reach(visit), *NAMES, *OWN)
    come = holds(caller, staffing) and address_open(visit, work.now)
    private = _private(work, visit, need) if near or come else {}
    if come and not near:
        work.audit("visit.address", visit.visit_id, visit.resident_ids[0])
    desk = caller.reaches(visit_reach(visit), *NAMES)
    return VisitDetail.model_validate(
        {
            **line.model_dump(),
            "address": private.get("address"),
            "phone": private.get("phone"),
            "end_address": private.get("end_address"),
            "contacts": private.get("contacts", []) if desk else [],
            "note": private.get("note"),
            "rrule": need.rrule if near else None,
            "remote": need.remote,
            "dialect": private.get("dialect"),
            "on_paper": visit.on_paper,
            "mine": holds(caller, staffing),
        }
    )


def _private(work: Work, visit: VisitRow, need: NeedRow) -> dict[str, Any]:
    first = work.session.get_one(ResidentRow, visit.resident_ids[0])
    [home, said] = work.vault.open(
        work.session, [(first.person_id, first.sealed), (need.resident_ids[0], need.sealed)]
    )
    address = home.get("address")
    if need.place == "centre" and visit.centre_id:
        address = work.session.get_one(CentreRow, visit.centre_id).address
    elif need.place == "other":
        address = (said.get("place") or {}).get("address")
    return {
        "address": address,
        "phone": home.get("phone"),
        "contacts": home.get("contacts") or [],
        "note": said.get("note"),
        "end_address": (said.get("end") or {}).get("address"),
        "dialect": first.dialect,
    }
