"""The solver's plans, held against an independent checker; odd cities; the same plan twice; bounds that hold."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.matcher.checker import faults
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver import day
from services.matcher.solver.candidates import index_of, items_of, pairs_of, starts_of, tables_of
from services.matcher.solver.columns import Duals, Master, Solved, nothing_asked
from services.matcher.solver.day import rows_of
from services.matcher.solver.duties import LONGEST
from services.matcher.solver.everyone import priced
from services.matcher.solver.linear import MasterFailed
from services.matcher.solver.people import people_of
from services.matcher.solver.plan import FIRST_PLAN, Limits, Progress, plan_from_json, plan_to_json
from services.matcher.solver.pricing import _charged_worth, _search
from services.matcher.solver.proof import Prices, Proof
from services.matcher.solver.rules import Book, serving_of
from services.matcher.solver.scarce import scarce_prices
from services.matcher.solver.snapshot import (
    Fixed,
    FixedKind,
    SnapCarer,
    Snapshot,
    SnapVisit,
    snapshot_from_json,
    to_json,
)
from services.matcher.solver.solve import solve
from services.matcher.solver.standing import take_up
from services.matcher.solver.watch import OutOfTime, Watch
from shared.contracts.codes import Capacity, Channel, ServiceKind, Skill, TravelMode
from shared.sample import Size

LIMITS = Limits(rounds=10, threads=1)
MONDAY = date(2026, 11, 23)


def small(seed: int = 1) -> Snapshot:
    return sample_snapshot(Size.SMALL, seed, MONDAY)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_small_citys_plan_breaks_no_rule(seed: int) -> None:
    snapshot = small(seed)
    assert faults(snapshot, solve(snapshot, LIMITS)) == []


def test_a_towns_plan_breaks_no_rule() -> None:
    snapshot = sample_snapshot(Size.TOWN, 1, MONDAY)
    plan = solve(snapshot, Limits(rounds=8, threads=2))
    assert faults(snapshot, plan) == []
    assert plan.objective > 0.88 * plan.bound


def test_a_town_in_areas_breaks_no_rule_and_its_bound_holds_for_the_whole_one() -> None:
    snapshot = sample_snapshot(Size.TOWN, 1, MONDAY)
    whole = solve(snapshot, Limits(rounds=8, threads=2))
    told = list[Progress]()
    plan = solve(snapshot, Limits(rounds=8, threads=2, area=120), told.append)
    assert faults(snapshot, plan) == []
    assert plan.bound >= whole.objective
    assert whole.bound >= plan.objective > 0.95 * whole.objective
    assert all(each.bound is not None and each.best <= each.bound for each in told)
    assert [each.step for each in told if each.step not in ("areas", "seams")] == [FIRST_PLAN, "planned"]
    assert (told[-1].best, told[-1].bound) == (plan.objective, plan.bound)
    by_areas = max(each.best for each in told if each.step == "areas")
    over_seams = [each.best for each in told if each.step == "seams"]
    assert over_seams
    assert by_areas <= over_seams[-1] <= plan.objective
    again = solve(snapshot, Limits(rounds=8, threads=1, area=120))
    assert (again.assignments, again.bound) == (plan.assignments, plan.bound)


def test_a_seam_without_rounds_of_its_own_leaves_the_areas_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, limits = (
        sample_snapshot(Size.TOWN, 1, MONDAY),
        Limits(rounds=3, threads=2, area=220, explained=0),
    )
    usual = solve(snapshot, limits)
    seams = list[int]()
    monkeypatch.setattr(day.DayProblem, "find_prices", lambda problem: seams.append(len(problem.rows)))
    without = solve(snapshot, limits)
    assert sum(seams) > 0
    assert without.objective == usual.objective
    assert without.objective <= without.bound < 1.03 * usual.bound


def test_what_stands_is_taken_up_as_it_is_but_for_the_lone_half_of_a_visit_for_two() -> None:
    snapshot = sample_snapshot(Size.TOWN, 1, MONDAY)
    made = solve(snapshot, Limits(rounds=2, threads=2, explained=0))
    book = Book(snapshot)
    index = index_of(book)
    tables, watch = tables_of(book, index), Watch(LIMITS, None, None, 1)
    rows = rows_of(book, index)[0]
    pairs = watch.beside.submit(pairs_of, tables, rows, 1)
    problem = day.DayProblem(book, Book(snapshot), index, tables, rows, 0, watch, 0, 0, pairs)
    take_up(problem, made.assignments)
    assert problem.gained() == made.objective
    lone = next(each for each in made.assignments if each.slot == 1)
    take_up(problem, [each for each in made.assignments if each != lone])
    lines_of = dict[tuple[int, int], int]()
    assert problem.gained() == problem.book_duties(lines_of) < made.objective
    assert lone.visit_id not in book.taken
    held = {stop.visit_id for stops in book.stops.values() for stop in stops}
    assert held == {each.visit_id for each in made.assignments} - {lone.visit_id}


def test_where_tours_are_scarce_they_are_priced_by_themselves_and_the_gap_stays_small(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One paid carer of six comes: what only they may do cannot all be done."""
    whole = sample_snapshot(Size.TOWN, 1, MONDAY)
    paid = [carer.person_id for carer in whole.carers if carer.capacity is not Capacity.VOLUNTEER]
    home = set(paid) - set(paid[::6])
    snapshot = replace(whole, carers=tuple(each for each in whole.carers if each.person_id not in home))
    limits, asked = Limits(rounds=12, threads=2, explained=0), 0

    def counted(*arguments: Any) -> Duals:
        nonlocal asked
        asked += 1
        return scarce_prices(*arguments)

    monkeypatch.setattr(day, "scarce_prices", counted)
    plan = solve(snapshot, limits)
    assert asked == 1
    assert faults(snapshot, plan) == []
    assert plan.gap_ppm < 9_000

    def too_late(*_: Any) -> Duals:
        raise OutOfTime

    monkeypatch.setattr(day, "scarce_prices", too_late)
    without = solve(snapshot, limits)
    assert faults(snapshot, without) == []
    assert without.bound >= plan.objective
    assert plan.bound >= without.objective
    assert without.gap_ppm > 2 * plan.gap_ppm


def test_a_day_is_worth_no_more_than_its_minutes_charged_and_paid_back() -> None:
    snapshot = sample_snapshot(Size.SMALL, 1, MONDAY)
    book = Book(snapshot)
    index = index_of(book)
    tables = tables_of(book, index)
    rows = rows_of(book, index)[0]
    starts = starts_of(book, index, rows)
    items = items_of(tables, book, index, rows, starts, pairs_of(tables, rows, 1))
    worth = np.array([serving_of(book, index.visits[row]) for row in rows], np.int64)
    units = np.array([book.free_units[line.line_id] for line in snapshot.lines], np.int64)
    free = nothing_asked(len(rows), len(starts.visit), len(units))
    people = people_of(book, index, tables, 0)
    number = np.arange(len(items.visit))
    prize, full = priced(tables, items, number, rows, starts, free, worth, units)[2:4]
    tours = np.flatnonzero(~people.few & (np.diff(items.person_at) > 0))
    assert len(tours)
    labels, bucket = np.empty((100_000, 16), np.int64), np.empty(3 * 1440, np.int64)
    slack = np.zeros(len(rows), np.int64)
    for person in tours.tolist():
        found = [np.zeros(1, np.int64) for _ in range(3)] + [
            np.zeros((1, LONGEST), np.int64) for _ in range(2)
        ]
        best, _, merged = _search(
            tables, items, people, rows, prize, full, person, True, 5_000, 128, 0, slack, labels, bucket, 1, *found
        )  # fmt: skip
        assert merged == 0  # so this is the best duty there is
        for kept in (1, 3, 10, 400):
            charged = _charged_worth(
                tables, items, people, rows, prize, full, person, kept, 64, 8, slack, labels, bucket, 1, *found
            )  # fmt: skip
            assert charged >= best


def test_days_in_areas_keep_their_weeks_limits() -> None:
    snapshot = sample_snapshot(Size.SMALL, 2, MONDAY, days=3)
    told = list[Progress]()
    plan = solve(snapshot, replace(LIMITS, area=15), told.append)
    assert faults(snapshot, plan) == []
    assert plan.bound >= solve(snapshot, LIMITS).objective
    assert all(each.bound is not None and each.best <= each.bound for each in told)
    assert [each.day for each in told if each.step == FIRST_PLAN] == [0, 1, 2]
    assert [each.step for each in told].index("planned") == len(told) - 1
    halfway = tuple(
        Fixed(each.visit_id, each.slot, each.carer_id, each.start, each.end, FixedKind.ACCEPTED, each.line_id)
        for each in plan.assignments[::2]
    )
    drawn = Counter(each.line_id for each in plan.assignments[::2] for _ in range(each.units))
    lines = tuple(replace(line, free=line.free - drawn[line.line_id]) for line in snapshot.lines)
    kept = replace(snapshot, fixed=halfway, lines=lines)
    plan = solve(kept, replace(LIMITS, area=15))
    assert faults(kept, plan) == []
    assert plan.objective <= plan.bound


@pytest.mark.parametrize("asked", [0.2, 0.9, 0.99, 1.0])
def test_a_bound_needs_only_the_pairs_that_a_sweep_leaves(
    asked: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = sample_snapshot(Size.SMALL, 3, MONDAY)
    book = Book(snapshot)
    index = index_of(book)
    tables = tables_of(book, index)
    rows = rows_of(book, index)[0]
    of_day = Proof(book, index, tables, rows, 0, Watch(LIMITS, None, None, 1))
    prices = Prices()
    for visit, price in zip(rows, prices.duals(of_day).visit.tolist(), strict=True):
        prices.visit[index.visits[visit].visit_id] = int(asked * price)
    swept = of_day.bound(prices, 1e9)
    pairs = pairs_of(tables, rows, 1)
    monkeypatch.setattr(Proof, "_pairs", lambda *_: iter([pairs]))
    assert of_day.bound(prices, 1e9) == swept


def test_the_same_snapshot_gives_the_same_plan_and_survives_json() -> None:
    snapshot = small()
    first, second = solve(snapshot, LIMITS), solve(snapshot_from_json(to_json(snapshot)), LIMITS)
    assert first.assignments == second.assignments
    assert plan_from_json(plan_to_json(first)).assignments == first.assignments


def test_more_pairs_than_there_is_memory_for_are_a_plan_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = small()
    whole = solve(snapshot, LIMITS)
    monkeypatch.setattr(Watch, "pairs", lambda _: 100)
    plan = solve(snapshot, LIMITS)
    assert (plan.stopped_by, plan.assignments) == ("megabytes", ())
    assert len(plan.unmet) == len(snapshot.visits)
    assert plan.bound >= whole.bound >= whole.objective > 0
    assert faults(snapshot, plan) == []


@pytest.mark.parametrize("well", [0, 1, 2])
def test_a_linear_program_without_an_optimum_leaves_the_plan_that_stands(
    well: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`well`: how many of them go well before."""
    snapshot, asked, right = small(), 0, Master.solve

    def solve_or_fail(self: Master, *arguments: Any, **more: Any) -> Solved:
        nonlocal asked
        asked += 1
        if asked > well:
            raise MasterFailed("ABNORMAL")
        return right(self, *arguments, **more)

    monkeypatch.setattr(Master, "solve", solve_or_fail)
    plan = solve(snapshot, LIMITS)
    assert asked > well
    assert faults(snapshot, plan) == []
    assert plan.stopped_by == "linear program"
    assert 0 < plan.objective <= plan.bound


def _id(space: int, number: int) -> UUID:
    return UUID(int=space << 64 | number + 1)


@st.composite
def cities(draw: st.DrawFn) -> Snapshot:
    """A few visits and volunteers with overlapping, touching, tiny and empty windows."""
    skills = [Skill.MEAL, Skill.COMPANIONSHIP]
    visits = []
    for n in range(draw(st.integers(1, 6))):
        earliest = draw(st.integers(8 * 60, 18 * 60))
        visits.append(
            SnapVisit(
                _id(1, n),
                1,
                (_id(2, n),),
                _id(3, 0),
                ServiceKind.MEAL,
                earliest,
                earliest + draw(st.sampled_from([0, 0, 15, 60])),
                draw(st.sampled_from([15, 30, 60])),
                draw(st.sampled_from([1, 1, 1, 2])),
                skills=frozenset(draw(st.sets(st.sampled_from(skills), max_size=1))),
                remote=draw(st.booleans()),
                place=(119.18 + draw(st.integers(0, 20)) / 1000, 32.27),
                channels=frozenset({Channel.VOLUNTEER}),
                blocked_person_ids=frozenset({_id(4, 0)}) if draw(st.booleans()) else frozenset(),
            )
        )
    carers = []
    for n in range(draw(st.integers(0, 5))):
        start = draw(st.integers(7 * 60, 19 * 60))
        end = start + draw(st.sampled_from([0, 20, 120, 300]))
        carers.append(
            SnapCarer(
                _id(5, n),
                1,
                _id(4, n // draw(st.sampled_from([1, 1, 2]))),
                Capacity.VOLUNTEER,
                skills=frozenset(draw(st.sets(st.sampled_from(skills)))),
                travel_mode=draw(st.sampled_from(list(TravelMode))),
                base=(119.18, 32.27),
                windows=((start, end),) if start < end else (),
                daily_minutes=draw(st.sampled_from([30, 60, 240])),
                max_new=draw(st.sampled_from([0, 1, 2, None])),
            )
        )
    unique = {c.person_id: c for c in carers}
    return Snapshot(
        _id(9, 0),
        datetime(2026, 11, 23, tzinfo=UTC),
        date(2026, 11, 23),
        1,
        tuple(visits),
        tuple(unique.values()),
    )


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cities())
def test_odd_cities_break_no_rule_and_keep_their_bound(snapshot: Snapshot) -> None:
    for limits in (LIMITS, replace(LIMITS, area=1)):
        plan = solve(snapshot, limits)
        assert faults(snapshot, plan) == []
        assert plan.objective <= plan.bound


def test_the_checker_finds_what_it_should() -> None:
    snapshot = small()
    plan = solve(snapshot, LIMITS)
    first = plan.assignments[0]
    late = replace(plan, assignments=(replace(first, start=first.start + 600), *plan.assignments[1:]))
    assert faults(snapshot, late)
    twice = replace(
        plan, assignments=(*plan.assignments, replace(first, visit_id=plan.assignments[1].visit_id))
    )
    assert faults(snapshot, twice)
    assert faults(snapshot, replace(plan, bound=plan.objective - 1))
