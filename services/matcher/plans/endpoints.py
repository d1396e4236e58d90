"""Plans over HTTP: asked for, watched, held, published; the planner's board."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import defer

from services.matcher.plans import service
from services.matcher.plans.schemas import (
    Board,
    BrokenVisit,
    Hold,
    Plan,
    PlanAtWork,
    PlannedVisit,
    PlanRequest,
    Published,
)
from services.matcher.plans.tables import PlanAssignmentRow, PlanRow, PlanVisitRow
from services.matcher.projections.tables import VisitRow
from services.matcher.staffing.service import HELD, LIVE
from services.matcher.staffing.tables import AssignmentRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind, VisitStatus
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Changed, Forbidden
from shared.web.routing import Transaction, expect
from shared.web.schemas import Cursor, Done, Limit, Page, decode_cursor, encode_cursor
from shared.web.signed_in import may

ROUTER = router("", "plans")
PLANNERS = (Role.PLANNER, Role.BUREAU, Role.TOWN)
Planner = Annotated[Caller, may(*PLANNERS)]
_BRIEF = defer(PlanRow.progress)


def own_towns(caller: Caller) -> frozenset[UUID] | None:
    """The towns a planner may act on; None for the whole city."""
    if caller.reaches(Reach(), *PLANNERS):
        return None
    return caller.scope_ids(ScopeKind.TOWN, *PLANNERS)


def shown(row: PlanRow) -> Plan:
    return Plan.model_validate(row)


def may_stop(caller: Caller, row: PlanRow) -> bool:
    """The city's planners any plan, a town's the ones they asked for."""
    return own_towns(caller) is None or row.asked_by == caller.account_id


def at_work(work: Work, caller: Caller, row: PlanRow) -> PlanAtWork:
    return PlanAtWork(
        **shown(row).model_dump(),
        progress=row.progress,
        step=row.step,
        seconds=(work.now - row.started_at).total_seconds()
        if row.status == "running" and row.started_at
        else None,
        silent=service.silent(work, row),
        may_stop=may_stop(caller, row),
    )


@ROUTER.post("/plans", status_code=202)
def request_plan(body: PlanRequest, work: Transaction, caller: Planner) -> Plan:
    """Ask for a plan of up to seven days; it is worked on in the background."""
    return shown(service.request_plan(work, body.first_day, body.days, body.reason))


@ROUTER.get("/plans")
def list_plans(
    work: Transaction, caller: Planner, day: date | None = None, cursor: Cursor = None, limit: Limit = 20
) -> Page[Plan]:
    """Plans, newest first; with `day`, those whose horizon holds it."""
    query = select(PlanRow).options(_BRIEF).order_by(PlanRow.plan_id.desc()).limit(limit + 1)
    if day:
        query = query.where(PlanRow.first_day <= day, PlanRow.first_day + cast(PlanRow.days, Integer) > day)
    if cursor:
        query = query.where(PlanRow.plan_id < UUID(decode_cursor(cursor, 1)[0]))
    rows = list(work.session.scalars(query))
    more = len(rows) > limit
    return Page(
        items=[shown(r) for r in rows[:limit]], next=encode_cursor(rows[limit - 1].plan_id) if more else None
    )


@ROUTER.get("/plans/{plan_id}")
def read_plan(plan_id: UUID, work: Transaction, caller: Planner) -> PlanAtWork:
    """A plan: its state, how incumbent and bound closed on each other, and its summary when ready."""
    return at_work(work, caller, service.plan_row(work, plan_id))


@ROUTER.post("/plans/{plan_id}/stop")
def stop_plan(plan_id: UUID, work: Transaction, caller: Planner) -> PlanAtWork:
    """End the work on a plan: what stands is the plan, for the days it has reached; without a first plan it is cancelled."""
    plan = service.plan_row(work, plan_id, lock=True)
    if not may_stop(caller, plan):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    service.stop(work, plan)
    return at_work(work, caller, plan)


@ROUTER.get("/plans/{plan_id}/visits")
def planned_visits(
    plan_id: UUID,
    work: Transaction,
    caller: Planner,
    day: date | None = None,
    centre_id: UUID | None = None,
    unmet: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[PlannedVisit]:
    """Visits of a plan in the caller's area, by day and time; `unmet`: only those nobody comes to."""
    service.plan_row(work, plan_id)
    query = (
        select(PlanVisitRow, VisitRow)
        .join(VisitRow, VisitRow.visit_id == PlanVisitRow.visit_id)
        .where(PlanVisitRow.plan_id == plan_id)
        .order_by(PlanVisitRow.visit_id)
        .limit(limit + 1)
    )
    towns = own_towns(caller)
    if towns is not None:
        query = query.where(PlanVisitRow.town_id.in_(towns))
    if day:
        query = query.where(PlanVisitRow.day == day)
    if centre_id:
        query = query.where(PlanVisitRow.centre_id == centre_id)
    if unmet:
        query = query.where(func.jsonb_typeof(PlanVisitRow.unmet) == "object")
    if cursor:
        query = query.where(PlanVisitRow.visit_id > UUID(decode_cursor(cursor, 1)[0]))
    rows = work.session.execute(query).all()
    more = len(rows) > limit
    rows = rows[:limit]
    places = _places(work, plan_id, [v.visit_id for _, v in rows])
    items = [_planned(p, v, places.get(v.visit_id, [])) for p, v in rows]
    return Page(items=items, next=encode_cursor(rows[-1][1].visit_id) if more else None)


def _places(work: Work, plan_id: UUID, visit_ids: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    places: dict[UUID, list[dict[str, Any]]] = {}
    for row in work.session.scalars(
        select(PlanAssignmentRow)
        .where(PlanAssignmentRow.plan_id == plan_id, among(PlanAssignmentRow.visit_id, visit_ids))
        .order_by(PlanAssignmentRow.slot)
    ):
        places.setdefault(row.visit_id, []).append(
            {
                "slot": row.slot,
                "carer_id": row.carer_id,
                "person_id": row.person_id,
                "capacity": row.capacity,
                "start": row.starts_at,
                "end": row.ends_at,
                "fixed": row.fixed,
                "travel_seconds": row.travel_seconds,
                "points": row.points,
            }
        )
    return places


def _planned(planned: PlanVisitRow, visit: VisitRow, places: list[dict[str, Any]]) -> PlannedVisit:
    return PlannedVisit(
        visit_id=visit.visit_id,
        day=planned.day,
        town_id=planned.town_id,
        community_id=visit.community_id,
        centre_id=planned.centre_id,
        kind=visit.kind,
        vital=visit.vital,
        grade=visit.data["grade"],
        urgency=visit.data["urgency"],
        earliest_start=visit.earliest_start,
        latest_start=visit.latest_start,
        carers=visit.carers,
        unmet=planned.unmet,
        applied=planned.applied,
        places=places,
    )


@ROUTER.post("/plans/{plan_id}/publish")
def publish_plan(
    plan_id: UUID, work: Transaction, caller: Planner, despite_changes: bool = False
) -> Published:
    """Send a plan out for the caller's own area (8.18). If-Match is the plan's version.

    412 with the list when visits changed since the plan was made; `despite_changes`: the caller has seen the list, the
    changed visits are left out and planned anew.
    """
    towns = own_towns(caller)
    plan = service.plan_row(work, plan_id, lock=True)
    if plan.status in ("ready", "held"):
        changes = service.changes_since(work, plan, towns)
        stale = work.expected_version is not None and work.expected_version != plan.version
        if stale or (changes and not despite_changes):
            raise Changed("plan_changed", "计划在您查看之后有了变化，请看过变化再发布。", changes=changes)
        expect(work, plan.version)
    counts = service.publish(work, plan_id, towns)
    return Published(plan_id=plan_id, version=plan.version, status=plan.status, counts=counts)


@ROUTER.get("/plans/{plan_id}/changes")
def plan_changes(plan_id: UUID, work: Transaction, caller: Planner) -> list[dict[str, Any]]:
    """Visits of the plan that changed since its snapshot: they will be left out and planned anew."""
    return service.changes_since(work, service.plan_row(work, plan_id), own_towns(caller))


@ROUTER.post("/plans/{plan_id}/hold")
def hold_plan(plan_id: UUID, body: Hold, work: Transaction, caller: Planner) -> Done:
    """Keep a plan from going out by itself (8.18)."""
    if own_towns(caller) == frozenset():
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    plan = service.hold(work, plan_id, body.until)
    return Done(id=plan.plan_id, version=plan.version)


@ROUTER.get("/board")
def board(
    work: Transaction,
    caller: Planner,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: Annotated[date | None, Query(alias="to")] = None,
    centre_id: UUID | None = None,
) -> Board:
    """What is broken since publication, by risk and time left, and the horizon's totals by day."""
    today = wall_day(work.now)
    first, last = since or today, until or today + timedelta(days=6)
    towns = own_towns(caller)
    rows = service.broken(work, first, last, towns)
    if centre_id:
        rows = [r for r in rows if r["centre_id"] == centre_id]
    plans = work.session.scalars(
        select(PlanRow).options(_BRIEF).order_by(PlanRow.plan_id.desc()).limit(5)
    ).all()
    return Board(
        broken=[BrokenVisit.model_validate(r) for r in rows[:500]],
        totals=_totals(work, first, last, towns),
        plans=[shown(p) for p in plans],
    )


def _totals(work: Work, first: date, last: date, towns: frozenset[UUID] | None) -> list[dict[str, Any]]:
    """By day: visits open or under way, places asked, held, offered, and unmet."""
    visits = (
        select(
            VisitRow.day,
            func.count().label("visits"),
            func.sum(VisitRow.carers).label("places"),
            func.count().filter(func.jsonb_typeof(VisitRow.unmet) == "object").label("unmet"),
        )
        .where(
            VisitRow.day.between(first, last),
            VisitRow.status.in_((VisitStatus.OPEN, VisitStatus.STARTED, VisitStatus.ENDED)),
        )
        .group_by(VisitRow.day)
    )
    staffed = (
        select(
            VisitRow.day,
            func.count().filter(AssignmentRow.state.in_(HELD)).label("held"),
            func.count().filter(AssignmentRow.state == "offered").label("offered"),
            func.count()
            .filter(AssignmentRow.state.in_(HELD), AssignmentRow.capacity == "volunteer")
            .label("volunteer"),
            func.count()
            .filter(AssignmentRow.state.in_(HELD), AssignmentRow.capacity == "employed")
            .label("employed"),
        )
        .join(AssignmentRow, AssignmentRow.visit_id == VisitRow.visit_id)
        .where(VisitRow.day.between(first, last), AssignmentRow.state.in_(LIVE))
        .group_by(VisitRow.day)
    )
    if towns is not None:
        visits = visits.where(VisitRow.town_id.in_(towns))
        staffed = staffed.where(VisitRow.town_id.in_(towns))
    by_day: dict[date, dict[str, Any]] = {
        r.day: {
            "day": r.day,
            "visits": r.visits,
            "places": int(r.places or 0),
            "unmet": r.unmet,
            "held": 0,
            "offered": 0,
            "volunteer": 0,
            "employed": 0,
        }
        for r in work.session.execute(visits.order_by(VisitRow.day))
    }
    for r in work.session.execute(staffed):
        by_day.get(r.day, {}).update(
            held=r.held, offered=r.offered, volunteer=r.volunteer, employed=r.employed
        )
    return list(by_day.values())
