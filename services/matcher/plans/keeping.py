"""From a solved plan back to rows: what the planner sees and what publishing applies."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import hypot
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from services.matcher.plans.tables import PlanAssignmentRow, PlanRow, PlanVisitRow
from services.matcher.plans.windows import moment
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.further import further
from services.matcher.solver.plan import Assignment, Plan
from services.matcher.solver.prices import prices_of
from services.matcher.solver.rules import plane, travel_minutes
from services.matcher.solver.snapshot import SnapCarer, SnapLine, Snapshot, SnapVisit
from shared.contracts.codes import Capacity, Channel
from shared.database.work import Work


def keep(work: Work, row: PlanRow, snapshot: Snapshot, plan: Plan, visits: Sequence[VisitRow]) -> None:
    """Store a solved plan against the versions of its snapshot."""
    carers = {c.carer_id: c for c in snapshot.carers}
    asked = {v.visit_id: v for v in snapshot.visits}
    unmet = {
        u.visit_id: {
            "reason": u.reason.value,
            "funnel": [list(step) for step in u.funnel],
            "change": list(u.change) if u.change else None,
        }
        for u in plan.unmet
    }
    if visits:
        work.session.execute(
            insert(PlanVisitRow),
            [
                {
                    "plan_id": row.plan_id,
                    "visit_id": v.visit_id,
                    "day": v.day,
                    "town_id": v.town_id,
                    "centre_id": v.centre_id,
                    "visit_version": v.visit_version,
                    "staffing_version": v.staffing_version,
                    "unmet": unmet.get(v.visit_id),
                }
                for v in visits
            ],
        )
    travel = ways(snapshot, plan)
    if plan.assignments:
        work.session.execute(
            insert(PlanAssignmentRow),
            [
                {
                    "plan_id": row.plan_id,
                    "visit_id": a.visit_id,
                    "slot": a.slot + 1,
                    "carer_id": a.carer_id,
                    "carer_version": carers[a.carer_id].version,
                    "person_id": a.person_id,
                    "capacity": carers[a.carer_id].capacity.value,
                    "line_id": a.line_id,
                    "units": a.units,
                    "starts_at": moment(snapshot.first_day, a.start),
                    "ends_at": moment(snapshot.first_day, a.end),
                    "fixed": a.fixed,
                    "travel_seconds": 60 * travel.get((a.visit_id, a.carer_id), 0),
                    "points": {
                        "rules": dict(a.points),
                        "metres": metres_between(carers[a.carer_id], asked[a.visit_id]),
                        "reasons": reasons_for(carers[a.carer_id], asked[a.visit_id]),
                    },
                }
                for a in plan.assignments
            ],
        )
    row.summary = summary(snapshot, plan, travel)
    row.digest = plan.snapshot_digest


def ways(snapshot: Snapshot, plan: Plan) -> dict[tuple[UUID, UUID], int]:
    """Minutes on the way to each place of the plan, from the visit before on that day, else from the carer's base."""
    prices = prices_of(snapshot.overrides)
    carers = {c.carer_id: c for c in snapshot.carers}
    visits = {v.visit_id: v for v in snapshot.visits}
    days: dict[tuple[UUID, int], list[Assignment]] = defaultdict(list)
    for a in plan.assignments:
        days[a.person_id, visits[a.visit_id].day].append(a)
    found = {}
    for day in days.values():
        here = None
        for a in sorted(day, key=lambda each: (each.start, each.end)):
            carer, visit = carers[a.carer_id], visits[a.visit_id]
            if visit.remote or visit.place is None:
                continue
            origin = here or carer.base
            if origin is not None:
                found[a.visit_id, a.carer_id] = travel_minutes(
                    prices, carer.travel_mode, plane(prices, origin), plane(prices, visit.place)
                )
            here = visit.end_place or visit.place
    return found


def channel_of(line: SnapLine | None, carer: SnapCarer) -> Channel:
    """By which of the four ways a place is filled: through a line, by a volunteer, or by the public's own staff."""
    if line is not None:
        return line.channel
    return Channel.VOLUNTEER if carer.capacity is Capacity.VOLUNTEER else Channel.PUBLIC_DIRECT


def metres_between(carer: SnapCarer, visit: SnapVisit) -> int | None:
    """Straight distance from a carer's base to a visit; None when either has no place or none is needed."""
    if visit.remote or not isinstance(visit.place, tuple) or not isinstance(carer.base, tuple):
        return None
    east = (visit.place[0] - carer.base[0]) * 94125
    north = (visit.place[1] - carer.base[1]) * 110900
    return round(hypot(east, north))


def reasons_for(carer: SnapCarer, visit: SnapVisit) -> list[str]:
    """Why this carer was asked, as codes that may be shown before acceptance (8.17)."""
    reasons = []
    if any(person == carer.person_id for person, _ in visit.earlier_visits):
        reasons.append("came_before")
    if visit.skills and visit.skills <= carer.skills:
        reasons.append("has_skill")
    if visit.dialect_wish and visit.dialect_wish[0] in carer.dialects:
        reasons.append("speaks_dialect")
    metres = metres_between(carer, visit)
    if metres is not None and metres <= 1000:
        reasons.append("lives_near")
    return reasons


def summary(snapshot: Snapshot, plan: Plan, travel: dict[tuple[UUID, UUID], int]) -> dict[str, Any]:
    """What a planner reads first: coverage by priority, share by channel, bound and gap, unmet by reason, travel, load.

    `further`: the gap in visits, as solver/further.py proves it.
    """
    asked = {v.visit_id: v for v in snapshot.visits}
    carers = {c.carer_id: c for c in snapshot.carers}
    lines = {line.line_id: line for line in snapshot.lines}
    unmet = {u.visit_id for u in plan.unmet}
    coverage: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for visit in snapshot.visits:
        for group in (
            f"grade.{visit.grade.value}",
            f"urgency.{visit.urgency.value}",
            *(["vital"] if visit.vital else []),
        ):
            coverage[group][1] += 1
            coverage[group][0] += visit.visit_id not in unmet
    minutes: Counter[UUID] = Counter()
    for a in plan.assignments:
        minutes[a.person_id] += a.end - a.start
    loads = sorted(minutes.values())
    beyond = further(snapshot, plan)
    return {
        "visits": len(snapshot.visits),
        "served": len(snapshot.visits) - len(unmet),
        "carers": len(snapshot.carers),
        "carers_used": len(minutes),
        "coverage": {group: {"served": s, "asked": t} for group, (s, t) in sorted(coverage.items())},
        "channels": dict(
            Counter(
                channel_of(lines[a.line_id] if a.line_id else None, carers[a.carer_id]).value
                for a in plan.assignments
            )
        ),
        "travel": {"minutes": sum(travel.values()), "ways": len(travel)},
        "unmet": dict(Counter(u.reason.value for u in plan.unmet)),
        "unmet_by_day": dict(Counter(str(snapshot.date_of(asked[u.visit_id].day)) for u in plan.unmet)),
        "objective": plan.objective,
        "objective_by_rule": dict(plan.objective_by_rule),
        "bound": plan.bound,
        "gap_ppm": plan.gap_ppm,
        "further": {"most": beyond.most, "anyhow": beyond.anyhow},
        "stopped_by": plan.stopped_by,
        "seconds": plan.work.seconds,
        "megabytes": plan.work.peak_megabytes,
        "load": {"median": loads[len(loads) // 2], "most": loads[-1]} if loads else None,
        "released": [
            {"visit_id": str(b.visit_id), "carer_id": str(b.carer_id), "rules": list(b.rules)}
            for b in plan.broken_fixed
        ],
    }
