"""A plan at work: what is kept of the solver's news, and what a plan is when it was stopped before all its days were planned."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from services.matcher.solver.plan import FIRST_PLAN, Plan, Progress
from services.matcher.solver.search import needs_search
from services.matcher.solver.snapshot import Snapshot, digest

MOST_POINTS = 160

Point = dict[str, Any]  # schemas.ProgressPoint


@dataclass(slots=True)
class Heard:
    """What the solver told of one plan so far. Lists are replaced, never changed: another thread reads them."""

    points: list[Point] = field(default_factory=list)
    step: Point | None = None
    begun: frozenset[int] = frozenset()  # days that have a first plan
    bounds: dict[int, int] = field(default_factory=dict)  # of the days up to this one, as last told

    def note(self, told: Progress) -> None:
        if told.step == FIRST_PLAN:
            self.begun |= {told.day}
        if told.bound is not None:
            self.bounds[told.day] = told.bound
        # areas begin a day one after the other
        day = max(told.day, self.points[-1]["day"] if self.points else 0)
        said = {"best": told.best, "bound": told.bound, "day": day}
        nothing_new = len(self.points) > 1 and all(p.items() >= said.items() for p in self.points[-2:])
        kept = self.points[:-1] if nothing_new else self.points
        self.points = thinned([*kept, {"seconds": round(told.seconds, 2), **said}])
        self.step = {"step": told.step, "day": day, "round": told.round}


def thinned(points: list[Point]) -> list[Point]:
    """The points while they are few; else every second, and each day's first and last."""
    if len(points) <= MOST_POINTS:
        return points
    days = [None, *(point["day"] for point in points), None]
    return [
        point
        for number, point in enumerate(points)
        if number % 2 or days[number] != point["day"] or days[number + 2] != point["day"]
    ]


def days_reached(snapshot: Snapshot, begun: frozenset[int]) -> int:
    """How many of its days a stopped plan holds: those before the first that has visits and no first plan yet."""
    if needs_search(snapshot):  # all days at once
        return snapshot.days if begun else 0
    fixed = Counter(pair.visit_id for pair in snapshot.fixed)
    asked = {
        snapshot.day_of(visit)
        for visit in snapshot.visits
        if visit.placed and fixed[visit.visit_id] < visit.carers
    }
    return next((day for day in range(snapshot.days) if day in asked and day not in begun), snapshot.days)


def first_days(snapshot: Snapshot, plan: Plan, days: int, bound: int) -> tuple[Snapshot, Plan]:
    """The first days of a plan as a plan of their own. `bound`: of these days, rounded down as Progress tells it."""
    visits = tuple(visit for visit in snapshot.visits if snapshot.day_of(visit) < days)
    kept = {visit.visit_id for visit in visits}
    assignments = tuple(a for a in plan.assignments if a.visit_id in kept)
    by_rule: Counter[str] = Counter()
    for assignment in assignments:
        by_rule.update(dict(assignment.points))
    objective = by_rule.total()
    bound = max(bound + 1, objective)
    fewer = replace(
        snapshot,
        days=days,
        visits=visits,
        fixed=tuple(pair for pair in snapshot.fixed if pair.visit_id in kept),
    )
    return fewer, replace(
        plan,
        snapshot_digest=digest(fewer),
        assignments=assignments,
        unmet=tuple(each for each in plan.unmet if each.visit_id in kept),
        broken_fixed=tuple(pair for pair in plan.broken_fixed if pair.visit_id in kept),
        breaks=tuple(rest for rest in plan.breaks if rest.visit_id in kept),
        objective=objective,
        objective_by_rule=tuple(sorted(by_rule.items())),
        bound=bound,
        gap_ppm=-(-(bound - objective) * 1_000_000 // bound) if bound > 0 else 0,
        work=replace(plan.work, rounds=plan.work.rounds[:days]),
    )
