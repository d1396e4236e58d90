"""A plan at work: which figures are kept, and what a plan is that was stopped before all its days were planned."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from services.matcher.checker import faults
from services.matcher.plans.progress import MOST_POINTS, Heard, days_reached, first_days
from services.matcher.solver.plan import Limits, Plan, Progress
from services.matcher.solver.snapshot import Fixed, FixedKind, SnapCarer, Snapshot, SnapVisit
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity, Channel, ServiceKind

MONDAY = date(2026, 11, 23)
LIMITS = Limits(seconds=3000, threads=1)  # the first solve on a machine compiles
HERE = (119.18, 32.27)


def three_days(visits_on: tuple[int, ...] = (0, 0, 1, 1, 2, 2)) -> Snapshot:
    """Two volunteers, free each morning, and visits at nine and at ten."""
    visits = tuple(
        SnapVisit(
            UUID(int=n + 1), 1, (UUID(int=100 + n),), UUID(int=200), ServiceKind.MEAL,
            day * 1440 + 540 + 60 * (n % 2), day * 1440 + 540 + 60 * (n % 2), 30, place=HERE,
            channels=frozenset({Channel.VOLUNTEER}),
        )
        for n, day in enumerate(visits_on)
    )  # fmt: skip
    carers = tuple(
        SnapCarer(
            UUID(int=300 + n), 1, UUID(int=400 + n), Capacity.VOLUNTEER, base=HERE,
            windows=tuple((day * 1440 + 480, day * 1440 + 720) for day in range(3)),
            daily_minutes=240, weekly_minutes=1200,
        )
        for n in range(2)
    )  # fmt: skip
    return Snapshot(UUID(int=500), datetime(2026, 11, 22, tzinfo=UTC), MONDAY, 3, visits, carers)


def stopped(snapshot: Snapshot, on_day: int) -> tuple[Plan, Heard]:
    """A plan whose solve was told to stop as soon as this day had a first plan."""
    heard = Heard()
    plan = solve(snapshot, LIMITS, heard.note, lambda: on_day in heard.begun)
    return plan, heard


def test_a_plan_that_was_stopped_is_whole_for_the_days_it_reached() -> None:
    snapshot = three_days()
    plan, heard = stopped(snapshot, 1)
    assert plan.stopped_by == "asked"
    assert len(plan.assignments) == 4, "the third day was not begun"
    days = days_reached(snapshot, heard.begun)
    assert days == 2
    fewer, kept = first_days(snapshot, plan, days, heard.bounds[1])
    assert faults(fewer, kept) == []
    assert (len(kept.assignments), kept.unmet) == (4, ()), "nothing is said of the day that was not reached"
    assert kept.objective == plan.objective
    assert kept.objective <= kept.bound < plan.bound, "the bound is of these days"
    whole = solve(fewer, LIMITS)
    assert kept.bound >= whole.objective


def test_days_with_nothing_to_plan_count_as_reached() -> None:
    assert days_reached(three_days((1, 1)), frozenset()) == 1, "the first day is empty, the second not begun"
    assert days_reached(three_days((0, 0)), frozenset({0})) == 3
    snapshot = three_days((0, 1, 2))
    staffed = Fixed(UUID(int=2), 0, UUID(int=300), 1440 + 600, 1440 + 630, FixedKind.ACCEPTED)
    assert days_reached(replace(snapshot, fixed=(staffed,)), frozenset({0})) == 2, (
        "the second day stands already"
    )
    assert days_reached(snapshot, frozenset()) == 0


def test_what_stays_the_same_is_kept_from_its_first_to_its_last_second() -> None:
    heard = Heard()
    for second, best in enumerate((5, 7, 7, 7, 7, 9)):
        heard.note(Progress("columns", 0, 1, 1, second, best, 10))
    assert [(p["seconds"], p["best"]) for p in heard.points] == [(0, 5), (1, 7), (4, 7), (5, 9)]


def test_of_many_figures_each_days_first_and_last_stay() -> None:
    heard = Heard()
    before = heard.points
    for number in range(3000):
        day = number // 1000
        heard.note(Progress("columns", day, 3, number, number / 10, number, 3000 + number))
    assert before == [], "who reads meanwhile keeps what it read"
    assert len(heard.points) <= MOST_POINTS
    seconds = [point["seconds"] for point in heard.points]
    assert seconds == sorted(seconds)
    for day in range(3):
        of_day = [point["best"] for point in heard.points if point["day"] == day]
        assert (of_day[0], of_day[-1]) == (1000 * day, 1000 * day + 999)
    assert heard.step == {"step": "columns", "day": 2, "round": 2999}
