"""Needs: posted, changed, cancelled; each for this visit, this and following, or all to come."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import POSTERS, own_residents, require_desk, resident_reach
from services.daycare.centres.service import calendar
from services.daycare.needs.rules import normalised, occurrences, original_start, visit_id
from services.daycare.needs.schemas import Affected, Cancellation, NeedChange, NewNeed, Somewhere
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.rules import rounded
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import ONCE_AHEAD_DAYS, window
from services.daycare.visits.making import horizon, make_visits
from services.daycare.visits.tables import StaffingRow, VisitRow
from services.daycare.visits.telling import lock_visits, read_facts, tell, touch
from shared.clock import wall_day
from shared.contracts.codes import HELD_SLOTS, VisitStatus
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Forbidden, Invalid, NotFound, Refused
from shared.web.routing import expect

TO_COME = (VisitStatus.OPEN, VisitStatus.SUSPENDED)
CHANGED = "changed"
_COPIED = [
    "series_id",
    "resident_ids",
    "centre_id",
    "town_id",
    "community_id",
    "cell_id",
    "kind",
    "last_day",
    "rrule",
    "anchor",
    "earliest",
    "latest",
    "minutes",
    "carers",
    "skills",
    "channels",
    "dialect_wish",
    "dialect_wish_hard",
    "sex_wish",
    "sex_wish_hard",
    "lone_risk",
    "remote",
    "on_holidays",
    "urgency",
    "place",
    "place_lon",
    "place_lat",
    "end_lon",
    "end_lat",
    "social_worker_id",
    "sealed",
]


def post(work: Work, new: NewNeed, *, source: str = "form") -> tuple[list[NeedRow], int]:
    """Post a need for each resident, or one for all of them. The needs, and how many visits stand ahead."""
    residents = _residents(work, new.resident_ids)
    if work.caller is not None and not all(
        work.caller.reaches(resident_reach(r), *POSTERS) for r in residents.values()
    ):
        raise Forbidden("out_of_reach", "有的老人不在您负责的范围内。")
    _not_past(work, new)
    groups = [new.resident_ids] if new.together else [[r] for r in new.resident_ids]
    rows = [need_row(work, new, [residents[r] for r in group], source=source) for group in groups]
    visits = record(work, rows, residents)
    if visits == 0 and new.rrule is None:
        raise Invalid("no_visit", "这个时间已经过去，请选择之后的时间。", field="first_day")
    return rows, visits


def record(work: Work, rows: Sequence[NeedRow], residents: Mapping[UUID, ResidentRow]) -> int:
    """Add needs of these residents and make their visits. How many visits."""
    for row in rows:
        work.audit("need.post", row.need_id, row.resident_ids[0], kind=row.kind)
    return len(make_visits(work, rows, residents=residents))


def _residents(work: Work, ids: Iterable[UUID]) -> dict[UUID, ResidentRow]:
    wanted = list(ids)
    rows = work.session.scalars(select(ResidentRow).where(among(ResidentRow.person_id, wanted)))
    known = {row.person_id: row for row in rows}
    if any(r not in known for r in wanted):
        raise Invalid("resident_unknown", "没有登记这位老人，请先登记。", field="resident_ids")
    return known


def _not_past(work: Work, new: NewNeed) -> None:
    today = wall_day(work.now)
    if new.first_day < today and new.rrule is None:
        raise Invalid("past", "不能安排过去的时间，请选择今天或之后。", field="first_day")
    if new.last_day is not None and new.last_day < today:
        raise Invalid("past", "不能安排过去的时间，请选择今天或之后。", field="last_day")
    if new.first_day > today + timedelta(days=ONCE_AHEAD_DAYS):
        raise Invalid("too_far_ahead", "最多提前一年安排。", field="first_day")
    if new.rrule is None and window(new.first_day, new.earliest, new.latest)[1] <= work.now:
        raise Invalid("past", "这个时间已经过去，请选择之后的时间。", field="latest")


def need_row(
    work: Work,
    new: NewNeed,
    residents: Sequence[ResidentRow],
    *,
    source: str,
    need_id: UUID | None = None,
    origin_id: UUID | None = None,
    by: UUID | None = None,
) -> NeedRow:
    """The row of a need of one or several residents."""
    first = residents[0]
    if len({r.centre_id for r in residents}) > 1:
        raise Invalid(
            "several_centres", "同一次服务的老人应属于同一个中心，请分开填写。", field="resident_ids"
        )
    if new.place == "centre" and first.centre_id is None:
        raise Invalid("no_centre", "这位老人没有日间照料中心，请选择在家或其他地点。", field="place")
    rule, first_day, last_day = None, new.first_day, None
    if new.rrule is not None:
        try:
            rule, first_day, last_day = normalised(new.rrule, new.first_day, new.last_day)
        except ValueError as error:
            raise Invalid("bad_rrule", str(error), field="rrule") from None
    number = need_id or new_id()
    sealed = {
        "note": new.note,
        "place": _spot(new.other),
        "end": _spot(new.end),
    }
    return NeedRow(
        need_id=number,
        series_id=number,
        origin_id=origin_id,
        source=source,
        state="active",
        resident_ids=[r.person_id for r in residents],
        centre_id=first.centre_id,
        town_id=first.town_id,
        community_id=first.community_id,
        cell_id=first.cell_id,
        kind=new.kind.value,
        first_day=first_day,
        last_day=last_day,
        rrule=rule,
        anchor=new.earliest,
        earliest=new.earliest,
        latest=new.latest,
        carers=new.carers,
        **{k: _plain(v) for k, v in new.filled.items()},
        **_wishes(new, first),
        lone_risk=new.lone_risk or first.lone_risk,
        urgency=new.urgency.value,
        place=new.place,
        **_point("place", new.other),
        **_point("end", new.end),
        social_worker_id=new.social_worker_id,
        sealed=work.vault.seal(work.session, first.person_id, sealed),
        made_until=None,
        posted_by=by or (work.caller.person_id if work.caller else None),
        posted_at=work.now,
        changed_at=work.now,
    )


def _plain(value: Any) -> Any:
    return [code.value for code in value] if isinstance(value, list) else value


def _wishes(new: NewNeed, resident: ResidentRow) -> dict[str, Any]:
    """The need's wishes, else those the resident always has."""
    sex, dialect = new.sex_wish, new.dialect_wish
    return {
        "sex_wish": sex.sex.value if sex else resident.sex_wish,
        "sex_wish_hard": sex.hard if sex else resident.sex_wish_hard,
        "dialect_wish": dialect.dialect.value if dialect else resident.dialect_wish,
        "dialect_wish_hard": dialect.hard if dialect else resident.dialect_wish_hard,
    }


def _spot(where: Somewhere | None) -> dict[str, Any] | None:
    return {"address": where.address, "pin": list(where.place.wgs84)} if where else None


def _point(prefix: str, where: Somewhere | None) -> dict[str, float | None]:
    lon, lat = rounded(*where.place.wgs84) if where else (None, None)
    return {f"{prefix}_lon": lon, f"{prefix}_lat": lat}


def need(work: Work, need_id: UUID, *, lock: bool = False) -> NeedRow:
    """The need. 404 when there is none."""
    row = work.session.get(NeedRow, need_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("need_unknown", "没有这条需求。")
    return row


def _touched(work: Work, row: NeedRow, which: str, visit_id: UUID | None) -> list[VisitRow]:
    """The visits that a change means, locked: only those still to come."""
    here = None
    if visit_id is not None:
        here = work.session.get(VisitRow, visit_id)
        if here is None or here.need_id != row.need_id:
            raise Invalid("visit_unknown", "这条需求没有这次服务。", field="visit_id")
    query = select(VisitRow.visit_id).where(VisitRow.need_id == row.need_id, VisitRow.status.in_(TO_COME))
    if which == "this":
        query = query.where(VisitRow.visit_id == visit_id)
    elif here is not None and which == "following":
        query = query.where(VisitRow.day >= here.day)
    else:
        query = query.where(VisitRow.latest_start > work.now)
    visits = [v for v in lock_visits(work, work.session.scalars(query).all()) if v.status in TO_COME]
    if which == "this" and not visits:
        raise Refused("visit_settled", "这次服务已经开始或结束，不能再改。")
    return visits


def affected(work: Work, visits: Sequence[VisitRow]) -> list[Affected]:
    """Whom a change of visits affects: who was to come, and how many had been asked."""
    rows = work.session.scalars(
        select(StaffingRow).where(among(StaffingRow.visit_id, [v.visit_id for v in visits]))
    )
    staffing = {row.visit_id: row for row in rows}
    result = []
    for visit in sorted(visits, key=lambda v: v.earliest_start):
        slots = staffing[visit.visit_id].slots if visit.visit_id in staffing else []
        result.append(
            Affected(
                visit_id=visit.visit_id,
                day=visit.day,
                start=visit.earliest_start,
                kind=visit.kind,
                resident_ids=visit.resident_ids,
                held_by=[UUID(s["person_id"]) for s in slots if s["state"] in HELD_SLOTS],
                asked=sum(s["state"] == "offered" for s in slots),
            )
        )
    return result


def cancel(work: Work, row: NeedRow, body: Cancellation) -> list[Affected]:
    """Cancel visits of a need; whoever was to come is told. Cancelling wins over any answer (design rule 4)."""
    _desk_or_own(work, row)
    visits = _touched(work, row, body.which, body.visit_id)
    result = affected(work, visits)
    if body.preview:
        return result
    if row.state == "active" and body.which == "all":
        row.state, row.changed_at = "cancelled", work.now
    elif row.state == "active" and body.which == "following" and body.visit_id:
        here = work.session.get_one(VisitRow, body.visit_id)
        _end_before(work, row, here.day)
    cancel_visits(work, visits, body.reason)
    work.audit("need.cancel", row.need_id, row.resident_ids[0], which=body.which, visits=len(visits))
    return result


def _desk_or_own(work: Work, row: NeedRow) -> None:
    caller = work.caller
    if caller is not None and not set(row.resident_ids) & own_residents(caller):
        require_desk(caller, row)


def cancel_visits(work: Work, visits: Sequence[VisitRow], reason: str) -> None:
    """Cancel visits that have not begun, and tell it."""
    for visit in visits:
        visit.status, visit.cancel_reason = VisitStatus.CANCELLED.value, reason
        touch(work, visit)
    tell(work, visits)


def _end_before(work: Work, row: NeedRow, day: date) -> None:
    row.changed_at = work.now
    if day <= row.first_day:
        row.state = "ended"
    else:
        row.last_day = day - timedelta(days=1)


def change(work: Work, row: NeedRow, body: NeedChange) -> tuple[NeedRow, list[Affected]]:
    """Change a need from a visit on, or one visit of it. The need that now holds the change, and whom it affects."""
    require_desk_of(work, row)
    expect(work, row.version)
    if row.state != "active" and body.which != "this":
        raise Refused("need_over", "这条需求已经结束或取消。")
    visits = _touched(work, row, body.which, body.visit_id)
    result = affected(work, visits)
    if body.preview:
        return row, result
    target = row
    if body.which == "this":
        target = _detached(work, row, visits[0], body)
    elif body.which == "following":
        here = work.session.get_one(VisitRow, body.visit_id)
        if here.day > row.first_day:
            target = _copy(work, row, first_day=here.day, last_day=row.last_day)
            _end_before(work, row, here.day)
    _apply(work, target, body)
    for visit in visits:
        visit.need_id = target.need_id
    _follow(work, target, visits)
    work.audit("need.change", target.need_id, row.resident_ids[0], which=body.which)
    return target, result


def require_desk_of(work: Work, row: NeedRow) -> None:
    """Refuse whoever does not work at the need's desk. The sample's loader has no caller."""
    if work.caller is not None:
        require_desk(work.caller, row)


def _copy(work: Work, row: NeedRow, **values: Any) -> NeedRow:
    kept = {name: getattr(row, name) for name in _COPIED}
    copied = NeedRow(
        **{
            **kept,
            "need_id": new_id(),
            "origin_id": row.need_id,
            "source": row.source,
            "state": "active",
            "made_until": row.made_until,
            "posted_by": row.posted_by,
            "posted_at": work.now,
            "changed_at": work.now,
            **values,
        }
    )
    work.session.add(copied)
    work.session.flush()
    return copied


def copy_once(work: Work, row: NeedRow, day: date, need_id: UUID) -> NeedRow:
    """A single need like another, on a day of its own (8.8)."""
    kept = {name: getattr(row, name) for name in _COPIED}
    own = {
        "need_id": need_id,
        "series_id": need_id,
        "origin_id": row.need_id,
        "source": "copy",
        "state": "active",
        "first_day": day,
        "last_day": None,
        "rrule": None,
        "anchor": row.earliest,
        "made_until": None,
        "posted_by": work.caller.person_id if work.caller else None,
        "posted_at": work.now,
        "changed_at": work.now,
    }
    return NeedRow(**{**kept, **own})


def _detached(work: Work, row: NeedRow, visit: VisitRow, body: NeedChange) -> NeedRow:
    """A need of this visit alone: it keeps the series' ids, so that the recurrence makes it no second time."""
    day = body.day or visit.day
    if day < wall_day(work.now):
        raise Invalid("past", "不能安排过去的时间，请选择今天或之后。", field="day")
    if row.rrule is None:
        row.first_day = day
        return row
    return _copy(work, row, first_day=day, last_day=None, rrule=None)


def _apply(work: Work, row: NeedRow, body: NeedChange) -> None:
    named = body.model_fields_set - {"which", "visit_id", "preview", "day", "note", "rrule", "last_day"}
    for key in named & {"earliest", "latest", "minutes", "carers", "lone_risk", "on_holidays"}:
        if getattr(body, key) is not None:
            setattr(row, key, getattr(body, key))
    if body.urgency is not None:
        row.urgency = body.urgency.value
    if "dialect_wish" in named:
        wish = body.dialect_wish
        row.dialect_wish = wish.dialect.value if wish else None
        row.dialect_wish_hard = bool(wish and wish.hard)
    if "sex_wish" in named:
        sex = body.sex_wish
        row.sex_wish = sex.sex.value if sex else None
        row.sex_wish_hard = bool(sex and sex.hard)
    if body.note is not None:
        [sealed] = work.vault.open(work.session, [(row.resident_ids[0], row.sealed)])
        row.sealed = work.vault.seal(work.session, row.resident_ids[0], {**sealed, "note": body.note})
    if row.latest < row.earliest:
        raise Invalid("window", "最晚开始时间不能早于最早开始时间。", field="latest")
    if row.rrule is not None and (body.rrule is not None or "last_day" in body.model_fields_set):
        last = body.last_day if "last_day" in body.model_fields_set else row.last_day
        try:
            rule, first_day, last_day = normalised(body.rrule or row.rrule, row.first_day, last)
        except ValueError as error:
            raise Invalid("bad_rrule", str(error), field="rrule") from None
        row.rrule, row.first_day, row.last_day, row.made_until = rule, first_day, last_day, None
    row.changed_at = work.now


def _follow(work: Work, row: NeedRow, visits: Sequence[VisitRow]) -> None:
    """Bring visits in line with their need: move, cancel what no longer falls, make or reopen what now does."""
    today, last = wall_day(work.now), horizon(work)
    days = calendar(work, today, max(last, row.first_day))
    span = (today, max(last, row.first_day))
    falls = set(occurrences(row.rrule, row.first_day, row.last_day, span, days, on_holidays=row.on_holidays))
    facts = read_facts(work, [row], min([today, row.first_day]), max([last, row.first_day]))
    for visit in visits:
        day = row.first_day if row.rrule is None else visit.day
        if day not in falls:
            visit.status, visit.cancel_reason = VisitStatus.CANCELLED.value, CHANGED
        else:
            visit.day = day
            visit.earliest_start, visit.latest_start = window(day, row.earliest, row.latest)
            if visit.latest_start <= work.now:
                raise Invalid("past", "这个时间已经过去，请选择之后的时间。", field="latest")
            visit.minutes, visit.carers = row.minutes, row.carers
            there = bool(facts.present(visit.resident_ids, day))
            visit.status = (VisitStatus.OPEN if there else VisitStatus.SUSPENDED).value
        touch(work, visit)
    work.session.flush()
    if row.rrule is not None:
        _reopen(work, row, sorted(falls))
        make_visits(work, [row])
    tell(work, visits, facts)


def _reopen(work: Work, row: NeedRow, days: Sequence[date]) -> None:
    """Take back visits that an earlier change had dropped and that fall again."""
    ids = [visit_id(row.series_id, original_start(day, row.anchor)) for day in days]
    dropped = [
        v for v in lock_visits(work, ids) if v.status == VisitStatus.CANCELLED and v.cancel_reason == CHANGED
    ]
    for visit in dropped:
        visit.need_id, visit.status, visit.cancel_reason = row.need_id, VisitStatus.OPEN.value, None
        visit.earliest_start, visit.latest_start = window(visit.day, row.earliest, row.latest)
        visit.minutes, visit.carers = row.minutes, row.carers
        touch(work, visit)
    tell(work, dropped)
