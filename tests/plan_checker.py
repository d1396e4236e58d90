"""Checks a plan against the rules, written from their text (domain.md 8; solver/rules.py's docstring) and from nothing else.

Shares only the snapshot's and the plan's dataclasses with the solver: every formula here is its own.
"""

import itertools
from collections import defaultdict
from math import ceil, isqrt
from uuid import UUID

from services.matcher.solver.plan import Assignment, Plan
from services.matcher.solver.snapshot import SnapCarer, Snapshot, SnapVisit
from shared.contracts.codes import Capacity, Channel, ContractUnit, Limit

DAY = 1440
SPEED = {"walk": 70, "bicycle": 200, "ebike": 300, "bus": 250, "car": 400}  # metres a minute
REACH = {"walk": 2500, "bicycle": 5000, "ebike": 8000, "bus": 10000, "car": 15000}  # metres
DETOUR = 130  # per cent
VISITS_A_DAY = 3  # of a volunteer


def distance(a: tuple[float, float], b: tuple[float, float]) -> int:
    """Metres between two places, rounded up."""
    (ax, ay), (bx, by) = _plane(a), _plane(b)
    square = (ax - bx) ** 2 + (ay - by) ** 2
    root = isqrt(square)
    return root + (root * root < square)


def _plane(place: tuple[float, float]) -> tuple[int, int]:
    return round(place[0] * 1e6) * 94125 // 10**6, round(place[1] * 1e6) * 110900 // 10**6


def travel(mode: str, a: tuple[float, float], b: tuple[float, float]) -> int:
    """Minutes of travel, rounded up."""
    return ceil(distance(a, b) * DETOUR / (100 * SPEED[mode]))


def faults(snapshot: Snapshot, plan: Plan) -> list[str]:
    """Every broken rule of a plan, as sentences for whoever reads the failing test."""
    visits = {v.visit_id: v for v in snapshot.visits}
    carers = {c.carer_id: c for c in snapshot.carers}
    found: list[str] = []
    for a in plan.assignments:
        if not a.fixed:
            found += [f"{rule}: {a}" for rule in _pair(snapshot, visits[a.visit_id], carers[a.carer_id], a)]
    found += _places(plan, visits)
    found += _days(snapshot, plan, visits, carers)
    found += _lines(snapshot, plan, visits)
    if plan.objective > plan.bound:
        found.append(f"the bound {plan.bound} is below the objective {plan.objective}")
    unmet = {u.visit_id for u in plan.unmet}
    for visit in snapshot.visits:
        full = sum(a.visit_id == visit.visit_id for a in plan.assignments) >= visit.carers
        if full == (visit.visit_id in unmet):
            found.append(
                f"{visit.visit_id} is {'' if full else 'not '}served and {'' if full else 'not '}unmet"
            )
    return found


def _pair(snapshot: Snapshot, visit: SnapVisit, carer: SnapCarer, a: Assignment) -> list[str]:
    """Rules between one visit and one carer."""
    day = snapshot.date_of(visit.day)
    licence = max((until for code, until in carer.licences if code == visit.licence), default=None)
    checks = {
        "skill": visit.skills <= carer.skills,
        "licence": visit.licence is None or (licence is not None and licence >= day),
        "adult": carer.age >= 18,
        "lifting age": not visit.lifting or carer.age <= 75,
        "insurance": not visit.dangerous or (carer.insured_until is not None and carer.insured_until >= day),
        "lone visit": not visit.lone_risk
        or visit.carers == 2
        or (carer.lone_cleared_until is not None and carer.lone_cleared_until >= day),
        "declared limits": not (visit.lifting and Limit.LIFTING in carer.limits)
        and not (visit.stairs and Limit.STAIRS in carer.limits),
        "not oneself": carer.person_id not in visit.resident_ids,
        "block": carer.person_id not in visit.blocked_person_ids,
        "refused kind": visit.kind not in carer.refused_kinds,
        "refused resident": not carer.refused_residents & set(visit.resident_ids),
        "forbidden": (visit.visit_id, carer.person_id) not in snapshot.forbidden,
        "dialect": visit.dialect_wish is None
        or not visit.dialect_wish[1]
        or visit.dialect_wish[0] in carer.dialects,
        "sex": visit.sex_wish is None or not visit.sex_wish[1] or visit.sex_wish[0] == carer.sex,
        "placed": visit.remote or visit.place is not None,
        "radius": visit.remote
        or visit.place is None
        or carer.base is None
        or distance(carer.base, visit.place) <= REACH[carer.travel_mode],
        "window": visit.earliest_start <= a.start <= visit.latest_start,
        "length": a.end - a.start == visit.minutes,
        "free": any(start <= a.start and a.end <= end for start, end in carer.windows),
        "channel": carer.capacity is not Capacity.VOLUNTEER or Channel.VOLUNTEER in visit.channels,
        "line": (carer.capacity is Capacity.EMPLOYED) == (a.line_id is not None),
    }
    return [rule for rule, holds in checks.items() if not holds]


def _places(plan: Plan, visits: dict[UUID, SnapVisit]) -> list[str]:
    """Each place once; two carers are two people who start together."""
    by_visit: dict[UUID, list[Assignment]] = defaultdict(list)
    for a in plan.assignments:
        by_visit[a.visit_id].append(a)
    found = []
    for visit_id, group in by_visit.items():
        slots = [a.slot for a in group]
        if len(set(slots)) != len(slots) or max(slots) >= visits[visit_id].carers:
            found.append(f"places of {visit_id}: {slots}")
        if len({a.person_id for a in group}) != len(group):
            found.append(f"one person twice at {visit_id}")
        if len({a.start for a in group}) != 1:
            found.append(f"two carers at {visit_id} do not start together")
    return found


def _days(
    snapshot: Snapshot, plan: Plan, visits: dict[UUID, SnapVisit], carers: dict[UUID, SnapCarer]
) -> list[str]:
    """A person's day over all capacities: no overlap, time to travel, daily and weekly maxima."""
    people: dict[UUID, list[Assignment]] = defaultdict(list)
    for a in plan.assignments:
        people[a.person_id].append(a)
    capacities: dict[UUID, list[SnapCarer]] = defaultdict(list)
    for carer in snapshot.carers:
        capacities[carer.person_id].append(carer)
    found = []
    for person, row in people.items():
        row.sort(key=lambda a: a.start)
        found += _sequence(row, visits, carers)
        for a in row:
            if a.fixed:
                continue
            carer, day = carers[a.carer_id], visits[a.visit_id].day
            today = [b for b in row if visits[b.visit_id].day == day]
            used = sum(c.used_daily[day] for c in capacities[person] if len(c.used_daily) > day)
            if sum(b.end - b.start for b in today) + used > carer.daily_minutes:
                found.append(f"over the day's minutes: {a}")
            week = snapshot.week_of(day)
            these = [b for b in row if snapshot.week_of(visits[b.visit_id].day) == week]
            used = sum(c.used_weekly[week] for c in capacities[person] if len(c.used_weekly) > week)
            if sum(b.end - b.start for b in these) + used > carer.weekly_minutes:
                found.append(f"over the week's minutes: {a}")
            own = [b for b in today if carers[b.carer_id].capacity is Capacity.VOLUNTEER]
            if carer.capacity is Capacity.VOLUNTEER and len(own) > VISITS_A_DAY:
                found.append(f"over a volunteer's visits a day: {a}")
        fresh: dict[UUID, int] = defaultdict(int)
        for a in row:
            fresh[a.carer_id] += not a.fixed
        for carer_id, count in fresh.items():
            most = carers[carer_id].max_new
            if most is not None and count > most:
                found.append(f"{count} new visits of {carer_id}, at most {most}")
    return found


def _sequence(
    row: list[Assignment], visits: dict[UUID, SnapVisit], carers: dict[UUID, SnapCarer]
) -> list[str]:
    found = []
    for before, after in itertools.pairwise(row):
        if after.start < before.end:
            found.append(f"overlap: {before} {after}")
    at, remote = None, 0
    for a in row:
        visit = visits[a.visit_id]
        if visit.remote or visit.place is None:
            remote += a.end - a.start
            continue
        if at is not None and visits[at.visit_id].day == visit.day and not (at.fixed and a.fixed):
            left = visits[at.visit_id].end_place or visits[at.visit_id].place
            assert left is not None
            way = travel(carers[a.carer_id].travel_mode, left, visit.place)
            if a.start - at.end - remote < way:
                found.append(f"no time to travel: {at} {a}")
        at, remote = a, 0
    return found


def _lines(snapshot: Snapshot, plan: Plan, visits: dict[UUID, SnapVisit]) -> list[str]:
    """Contract lines: own organisation, kind, community, dates, channel, units left."""
    lines = {line.line_id: line for line in snapshot.lines}
    carers = {c.carer_id: c for c in snapshot.carers}
    drawn: dict[UUID, int] = defaultdict(int)
    found = []
    for a in plan.assignments:
        if a.line_id is None or a.fixed:
            continue
        line, visit = lines[a.line_id], visits[a.visit_id]
        rounded = ceil(visit.minutes / line.rounding_minutes) * line.rounding_minutes
        units = {
            ContractUnit.VISIT: 100,
            ContractUnit.PERSON_TIME: 100 * len(visit.resident_ids),
            ContractUnit.HOUR: ceil(rounded * 100 / 60),
        }[line.unit]
        drawn[a.line_id] += units
        if not (
            a.units == units
            and line.organisation_id == carers[a.carer_id].organisation_id
            and visit.kind in line.kinds
            and visit.community_id in line.community_ids
            and line.valid_from <= snapshot.date_of(visit.day) <= line.valid_to
            and line.channel in visit.channels
        ):
            found.append(f"the line does not cover it: {a}")
    found += [f"line {i}: {u} of {lines[i].free}" for i, u in drawn.items() if u > lines[i].free]
    return found
