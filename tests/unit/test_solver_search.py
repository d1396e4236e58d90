"""Late starts at a price, visits that follow each other, ways home and given ways: against the checker and every plan there is."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from services.matcher import checker
from services.matcher.solver.plan import Assignment, Limits, Plan, Work
from services.matcher.solver.snapshot import (
    Fixed,
    FixedKind,
    Follower,
    Follows,
    MealBreak,
    SnapCarer,
    Snapshot,
    SnapVisit,
)
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity, TravelMode
from tests.unit.test_solver_zoo import DAY, DOOR, carer, city, visit

NEAR, FAR = (119.185, 32.27), (119.2, 32.27)
WAYS = ((0, 9, 20, 15), (9, 0, 7, 30), (20, 7, 0, 11), (12, 30, 11, 0))


def worth(snapshot: Snapshot, assignments: tuple[Assignment, ...]) -> int | None:
    """Points as the checker counts them; None where it names a broken rule."""
    bare = Plan(snapshot.snapshot_id, "", assignments, (), (), 0, (), 0, 0, "", Work())
    court = checker.Court(snapshot, bare)
    pairs = (
        fault
        for a in assignments
        if not a.fixed
        for fault in court.pair(court.visits[a.visit_id], court.carers[a.carer_id], a)
    )
    broken = next(pairs, None) or next(court.places(), None) or next(court.people(), None)
    return None if broken else sum(court.points().values())


def earliest(
    snapshot: Snapshot, court: checker.Court, routes: list[tuple[SnapCarer, tuple[SnapVisit, ...]]]
) -> dict[Any, int] | None:
    """Starts raised until nothing is too early; None: that never ends, or somebody is not free."""
    start = {each.visit_id: each.earliest_start for _, route in routes for each in route}
    for _ in range(40):
        before = dict(start)
        for who, route in routes:
            clock, ready, here = -DAY, -DAY, None
            for each in route:
                begin = max(start[each.visit_id], clock)
                if here is not None:
                    assert each.place is not None
                    begin = max(begin, ready + court.minutes(who, here, each.place))
                way = 0
                if here is None and who.starts_at_base:
                    assert who.base is not None
                    assert each.place is not None
                    way = court.minutes(who, who.base, each.place)
                fits = [
                    max(begin, low + way)
                    for low, high in who.windows
                    if max(begin, low + way) + each.minutes <= high
                ]
                if not fits or fits[0] > each.latest_start:
                    return None
                start[each.visit_id] = fits[0]
                clock = ready = fits[0] + each.minutes
                here = each.place if each.end_place is None else each.end_place
        for each in snapshot.visits:
            rule = each.follows
            if rule is not None and each.visit_id in start and rule.visit_id in start:
                first, second = rule.visit_id, each.visit_id
                start[second] = max(start[second], start[first] + rule.least)
                start[first] = max(start[first], start[second] - rule.most)
        if start == before:
            return start
    return None


def best(snapshot: Snapshot) -> int:
    """The points of the best plan of all: everybody who could come, in every order."""
    court = checker.Court(snapshot, Plan(snapshot.snapshot_id, "", (), (), (), 0, (), 0, 0, "", Work()))
    able = [
        [None, *(who for who in snapshot.carers if not list(court.suits(each, who)))]
        for each in snapshot.visits
    ]

    def plans() -> Iterator[int]:
        for chosen in product(*able):
            mine = {
                who.carer_id: [v for v, by in zip(snapshot.visits, chosen, strict=True) if by is who]
                for who in snapshot.carers
            }
            for orders in product(*(permutations(mine[who.carer_id]) for who in snapshot.carers)):
                routes = list(zip(snapshot.carers, orders, strict=True))
                start = earliest(snapshot, court, routes)
                if start is None:
                    continue
                points = worth(
                    snapshot,
                    tuple(
                        Assignment(v.visit_id, 0, who.carer_id, who.person_id, start[v.visit_id], start[v.visit_id] + v.minutes)
                        for who, route in routes
                        for v in route
                    ),
                )  # fmt: skip
                if points is not None:
                    yield points

    return max(plans(), default=0)


@st.composite
def tiny(draw: st.DrawFn) -> Snapshot:
    """Up to four visits and three carers, with what only a search plans."""
    given = draw(st.booleans())
    places = st.sampled_from([1, 2, 3] if given else [DOOR, NEAR, FAR])
    visits: list[SnapVisit] = []
    for n in range(draw(st.integers(1, 4))):
        start, width = draw(st.integers(39, 42)) * 15, draw(st.sampled_from([20, 60, 120]))
        late = draw(st.sampled_from([None, start, start + 10]))
        visits.append(
            visit(n, start, width, draw(st.sampled_from([15, 40])), place=draw(places), late_from=late)
        )
    for n in range(0, len(visits) - 1, 2):
        low = draw(st.sampled_from([None, 0, 20]))
        by, gap = draw(st.sampled_from(list(Follower))), draw(st.sampled_from([0, 15, 60]))
        first, second = visits[n], visits[n + 1]
        if low is not None and (
            second.latest_start >= first.earliest_start + low
            and second.earliest_start <= first.latest_start + low + gap
        ):
            visits[n + 1] = replace(visits[n + 1], follows=Follows(first.visit_id, low, low + gap, by))
    carers = [
        carer(
            n,
            draw(st.sampled_from([Capacity.STIPENDED, Capacity.VOLUNTEER])),
            max_new=draw(st.sampled_from([None, None, 1])),
            base=0 if given else draw(places),
            ends_at=draw(st.sampled_from([None, 3 if given else FAR])),
            starts_at_base=draw(st.booleans()),
            travel_mode=draw(st.sampled_from([TravelMode.CAR, TravelMode.BICYCLE])),
            windows=draw(st.sampled_from([((500, 800),), ((530, 620), (640, 800))])),
            daily_minutes=draw(st.sampled_from([60, 240])),
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    lateness = draw(st.sampled_from([(), (("late.minute", -3), ("late.worst", -9))]))
    return city(visits, carers, ways=WAYS if given else (), overrides=lateness)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tiny())
def test_the_plan_is_the_best_of_all_and_the_bound_holds(snapshot: Snapshot) -> None:
    plan = solve(snapshot, Limits(rounds=20, threads=1))
    most = best(snapshot)
    note(f"{plan.objective} points, best {most}, bound {plan.bound}")
    assert checker.judge(snapshot, plan).faults == ()
    assert plan.objective == most <= plan.bound


HELD = Fixed(visit(0).visit_id, 0, carer(0).carer_id, 600, 630, FixedKind.ACCEPTED)


def after(least: int, most: int, by: Follower = Follower.ANOTHER, first: int = 0) -> Follows:
    return Follows(visit(first).visit_id, least, most, by)


# name: city, how many visits the best plan serves
ZOO: dict[str, tuple[Snapshot, int]] = {
    "late is better than not": (city([visit(n, 600, 90, late_from=600) for n in range(3)], [carer(0)]), 3),
    "too late is not": (city([visit(n, 600, 29, late_from=600) for n in range(2)], [carer(0)]), 1),
    "at once": (city([visit(0), visit(1, follows=after(0, 0))], [carer(0), carer(1)]), 2),
    "at once, and one person": (city([visit(0), visit(1, follows=after(0, 0))], [carer(0)]), 0),
    "at once by the same": (
        city([visit(0), visit(1, follows=after(0, 0, Follower.SAME))], [carer(0), carer(1)]),
        0,
    ),
    "the second pushes the first": (
        city([visit(0), visit(1, 650, 60, follows=after(0, 5))], [carer(0), carer(1)]),
        2,
    ),
    "the first is held": (
        city([visit(0), visit(1, 600, 200, follows=after(90, 100))], [carer(0), carer(1)], fixed=(HELD,)),
        2,
    ),
    "the first is held by the only one": (
        city([visit(0), visit(1, 600, 200, follows=after(90, 100))], [carer(0)], fixed=(HELD,)),
        1,
    ),
    "the second is held": (
        city(
            [visit(0, follows=after(30, 60, first=1)), visit(1, 500, 200)],
            [carer(0), carer(1)],
            fixed=(HELD,),
        ),
        2,
    ),
    "the next day by the same": (
        city(
            [visit(0), visit(1, DAY + 600, 60, follows=after(DAY - 60, DAY + 60, Follower.SAME))],
            [carer(0, windows=((500, 700),)), carer(1, windows=((500, 2200),))],
            days=2,
        ),
        2,
    ),
    "from base in time": (
        city(
            [visit(0, 600, 60, place=1), visit(1, 600, 9, place=1)],
            [carer(0, base=0, windows=((600, 700),), starts_at_base=True)],
            ways=((0, 10), (10, 0)),
        ),
        1,
    ),
    "home is an island": (city([visit(0)], [carer(0, ends_at=(119.3, 32.27))]), 1),
    "for two, late": (city([visit(0, carers=2, late_from=600), visit(1, 600, 0)], [carer(0), carer(1)]), 2),
    "remote, by rows": (city([visit(0, remote=True, place=None)], [carer(0, base=None)], ways=WAYS), 1),
    "nobody at all, by rows": (city([], [], ways=WAYS), 0),
    "the later window": (
        city(
            [visit(0, 600, 300, late_from=610, later_windows=((800, 820),), late_most=0), visit(1, 600, 20)],
            [carer(0)],
        ),
        2,
    ),
    "no later window": (
        city([visit(0, 600, 300, late_from=610, late_most=0), visit(1, 600, 20)], [carer(0)]),
        1,
    ),
    "whichever comes first": (
        city([visit(0), visit(1, 660, 60, follows=after(-90, 90))], [carer(0), carer(1)]),
        2,
    ),
    "no overtime": (
        city([visit(0), visit(1)], [carer(0, shifts=((600, 655),), overtime_most=0)]),
        1,
    ),
    "overtime at a price": (city([visit(0), visit(1)], [carer(0, shifts=((600, 655),))]), 2),
    "a break between": (
        city(
            [visit(0), visit(1)],
            [carer(0, shifts=((600, 700),), meal_break=MealBreak(610, 640, 30, True), overtime_most=0)],
        ),
        2,
    ),
    "no time for a break": (
        city(
            [visit(0, 600, 0, 100)],
            [carer(0, shifts=((600, 700),), meal_break=MealBreak(610, 640, 30, True))],
        ),
        0,
    ),
    "two days of shifts": (
        city(
            [visit(0), visit(1), visit(2, DAY + 600, 60)],
            [
                carer(
                    0,
                    windows=((500, 800), (DAY + 500, DAY + 800)),
                    shifts=((500, 800), (DAY + 500, DAY + 800)),
                    meal_break=MealBreak(600, 640, 30),
                    starts_at_base=True,
                )
            ],
            days=2,
        ),
        3,
    ),
    "shifts by rows": (
        city(
            [visit(n, 600, 200, place=1 + n % 3, late_from=620) for n in range(5)],
            [
                carer(
                    n,
                    base=0,
                    ends_at=0,
                    starts_at_base=True,
                    windows=((560, 900),),
                    shifts=((560, 700),),
                    meal_break=MealBreak(600, 660, 20),
                    leaves_at_shift=True,
                )
                for n in range(2)
            ],
            ways=WAYS,
        ),
        5,
    ),
    "thousandths": (
        city(
            [visit(0, 1000, 0, 700, place=1), visit(1, 1700, 20, 300, place=2)],
            [carer(0, base=0, windows=((0, 9000),), ends_at=0)],
            ways=WAYS,
            ticks=1000,
        ),
        2,
    ),
}


@pytest.mark.parametrize("name", ZOO)
def test_an_odd_city_has_a_valid_plan(name: str) -> None:
    snapshot, most = ZOO[name]
    plan = solve(snapshot, Limits(rounds=20, threads=1))
    assert checker.judge(snapshot, plan).faults == ()
    assert len(snapshot.visits) - len(plan.unmet) == most
    assert solve(snapshot, Limits(rounds=20, threads=1)).assignments == plan.assignments


def test_shifts_are_counted_and_their_breaks_judged() -> None:
    """By hand: from base 9 minutes to the first, 7 on to the second, 20 home; the break at the second's place."""
    meal = MealBreak(630, 660, 20)
    snapshot = city(
        [
            visit(0, 600, 0, place=1),
            visit(1, 700, 0, place=2, wished_person_ids=frozenset({carer(1).person_id})),
        ],
        [
            carer(0, base=0, ends_at=0, starts_at_base=True, shifts=((560, 740),), meal_break=meal),
            carer(1, base=0, shifts=((560, 740),), meal_break=meal, windows=()),
        ],
        ways=WAYS,
    )
    plan = solve(snapshot, Limits(rounds=1, threads=1))
    assert checker.judge(snapshot, plan).faults == ()
    assert [(rest.visit_id, rest.start, rest.end) for rest in plan.breaks] == [
        (snapshot.visits[1].visit_id, 637, 657)
    ]
    waited, home, ways = 700 - 630 - 7 - 20, 730 + 20, 9 + 7 + 20
    counted = dict(plan.objective_by_rule)
    assert {rule: counted[rule] for rule in ("wait", "overtime", "idle", "break", "uneven", "wish", "travel")} == {
        "wait": -waited, "overtime": -2 * (home - 740), "idle": -180, "break": -60, "uneven": -(60 + ways), "wish": -30,
        "travel": -ways,
    }  # fmt: skip
    (rest,) = plan.breaks
    for moved, why in (
        (replace(rest, start=620), "begins 620 after midnight"),
        (replace(rest, end=647), "lasts 10, not 20"),
        (replace(rest, start=630, end=650), "for a way of 7"),
        (replace(rest, carer_id=carer(1).carer_id), "not beside a visit"),
    ):
        found = checker.judge(snapshot, replace(plan, breaks=(moved,))).faults
        assert any(fault.rule == "break" and why in fault.why for fault in found), why
    strict = replace(
        snapshot,
        carers=(
            replace(snapshot.carers[0], overtime_most=5, meal_break=replace(meal, required=True)),
            snapshot.carers[1],
        ),
    )
    found = checker.judge(strict, replace(plan, breaks=())).faults
    assert {"overtime", "break"} <= {fault.rule for fault in found}


def test_the_checker_names_what_is_broken_and_counts_lateness() -> None:
    snapshot = city(
        [visit(0, 600, 60, late_from=600), visit(1, 600, 200, late_from=620, follows=after(20, 30))],
        [carer(0), carer(1)],
        overrides=(("late.minute", -2), ("late.worst", -5)),
    )
    plan = solve(snapshot, Limits(rounds=20, threads=1))
    first, second = plan.assignments
    moved = replace(plan, assignments=(first, replace(second, start=640, end=670)))
    found = checker.judge(snapshot, moved)
    assert "begins 40 after" in next(fault.why for fault in found.faults if fault.rule == "follows")
    assert (found.by_rule["late"], found.by_rule["late_worst"]) == (-40, -100)
    same = replace(second, carer_id=first.carer_id, person_id=first.person_id)
    wrong = {fault.rule for fault in checker.judge(snapshot, replace(plan, assignments=(first, same))).faults}
    assert {"follows", "overlap"} <= wrong
    alone = {fault.rule for fault in checker.judge(snapshot, replace(plan, assignments=(first,))).faults}
    assert {"follows", "unmet"} <= alone
    held = replace(
        snapshot,
        fixed=(replace(HELD, start=600), Fixed(second.visit_id, 0, HELD.carer_id, 640, 670, HELD.kind)),
    )
    assert [pair.rules for pair in solve(held, Limits(rounds=2, threads=1)).broken_fixed] == [("follows",)]
