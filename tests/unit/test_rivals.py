"""Other planners' answers become plans that the checker accepts, and what it refuses is dropped and counted."""

from datetime import date

import pytest

from services.matcher.checker import judge
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver.snapshot import Snapshot
from shared.sample import Size
from tests.benchmarks.others import plan_of, run_rival
from tests.benchmarks.rivals import RIVALS


@pytest.fixture(scope="module")
def small() -> Snapshot:
    return sample_snapshot(Size.SMALL, 1, date(2026, 11, 23))


@pytest.mark.parametrize("name", RIVALS)
def test_an_answer_becomes_a_plan_without_faults(small: Snapshot, name: str) -> None:
    if name in ("vroom", "pyvrp"):
        pytest.importorskip(name)  # only make bench installs them
    plan, figures = run_rival(name, small, seconds=1, seed=1)
    assert judge(small, plan).faults == ()
    assert figures["served"] >= 36
    assert sum(figures["dropped"].values()) <= 3


def test_what_the_checker_refuses_is_dropped_and_counted(small: Snapshot) -> None:
    plan, _ = run_rival("greedy", small, seconds=1, seed=1)
    visits = {visit.visit_id: row for row, visit in enumerate(small.visits)}
    carers = {carer.carer_id: row for row, carer in enumerate(small.carers)}
    answer = [(visits[a.visit_id], carers[a.carer_id], a.start) for a in plan.assignments]
    pair = next(
        row for row, visit in enumerate(small.visits) if visit.carers == 2 and answer_of(answer, row) == 2
    )
    half = next(n for n, (row, _, _) in enumerate(answer) if row == pair)
    late = next(n for n, (row, _, _) in enumerate(answer) if small.visits[row].carers == 1)
    row, carer, _ = answer[late]
    answer[late] = (row, carer, small.visits[row].latest_start + 1)
    del answer[half]
    kept, dropped = plan_of(small, answer)
    assert judge(small, kept).faults == ()
    assert dropped["pair"] == 1
    assert sum(dropped.values()) == 2
    assert len(kept.unmet) == len(plan.unmet) + 2


def answer_of(answer: list[tuple[int, int, int]], row: int) -> int:
    return sum(each[0] == row for each in answer)
