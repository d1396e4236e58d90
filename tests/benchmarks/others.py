"""Linli beside other planners: the same snapshots, equal time, and every answer judged by the same checker.

`python -m tests.benchmarks.others RIVAL SIZE SEED SECONDS` is one rival in a process of its own.
"""

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from services.matcher.__main__ import FIRST_DAY
from services.matcher.checker import judge
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver.plan import Assignment, Limits, Plan, UnmetVisit, Work
from services.matcher.solver.rules import Book, best_line
from services.matcher.solver.snapshot import Snapshot, digest
from services.matcher.solver.worker import SolveFailed, solve_apart
from shared.contracts.codes import Capacity, UnmetReason
from shared.sample import Size
from tests.benchmarks.rivals import RIVALS, THREADS, Answer, case_of

SECONDS = {"small": 5.0, "town": 20.0, "tight": 60.0, "city": 60.0}
MEGABYTES = Limits().megabytes
OF_THE_PLAN = ("objective", "bound", "unmet")  # faults of its own figures, not of who comes
OF_A_DAY = (
    "overlap",
    "travel",
    "daily",
    "weekly",
    "visits_a_day",
    "offers",
)  # dropping another visit may mend them


def plan_of(snapshot: Snapshot, answer: Answer) -> tuple[Plan, Counter[str]]:
    """A rival's answer as a plan that the checker accepts, and how many visits were dropped for it, by rule.

    Of each carer's visits at fault one is dropped at a time: first what is wrong by itself, then the last of the day.
    """
    book, dropped = Book(snapshot), Counter[str]()
    made: dict[int, list[Assignment]] = {}
    for row, carer_row, start in answer:
        visit, carer = snapshot.visits[row], snapshot.carers[carer_row]
        line = best_line(book, visit, carer) if carer.capacity is Capacity.EMPLOYED else None
        units = book.units(line, visit) if line else 0
        if line:
            book.free_units[line.line_id] -= units
        places = made.setdefault(row, [])
        places.append(
            Assignment(
                visit.visit_id,
                len(places),
                carer.carer_id,
                carer.person_id,
                start,
                start + visit.minutes,
                line.line_id if line else None,
                units,
            )
        )
    rows = {visit.visit_id: row for row, visit in enumerate(snapshot.visits)}
    while True:
        plan = _counted(snapshot, [a for places in made.values() for a in places])
        wrong = [fault for fault in judge(snapshot, plan).faults if fault.rule not in OF_THE_PLAN]
        if not wrong:
            assert not judge(snapshot, plan).faults
            return plan, dropped
        begins = {(a.visit_id, a.carer_id): a.start for a in plan.assignments}
        worst: dict[object, tuple[bool, int, int, str]] = {}
        for fault in wrong:
            visit_id = fault.visit_id or _last_of(plan, fault.carer_id)
            said = fault.rule not in OF_A_DAY, begins[visit_id, fault.carer_id], rows[visit_id], fault.rule
            worst[fault.carer_id] = max(worst.get(fault.carer_id, said), said)
        for _, _, row, rule in worst.values():
            if made.pop(row, None):
                dropped[rule] += 1


def _last_of(plan: Plan, carer_id: object) -> Any:
    return max((a for a in plan.assignments if a.carer_id == carer_id), key=lambda a: a.start).visit_id


def _counted(snapshot: Snapshot, assignments: list[Assignment]) -> Plan:
    """The plan with its figures as the checker counts them: nothing is proven, so the bound is the plan itself."""
    met = Counter(a.visit_id for a in assignments)
    unmet = tuple(
        UnmetVisit(visit.visit_id, UnmetReason.ALL_BUSY, ())
        for visit in snapshot.visits
        if met[visit.visit_id] < visit.carers
    )
    plan = Plan(
        snapshot.snapshot_id, digest(snapshot), tuple(assignments), unmet, (), 0, (), 0, 0, "asked", Work()
    )
    by_rule = judge(snapshot, plan).by_rule
    points = tuple(sorted(by_rule.items()))
    total = sum(by_rule.values())
    first = (replace(assignments[0], points=points), *assignments[1:]) if assignments else ()
    return replace(plan, assignments=first, objective=total, objective_by_rule=points, bound=total)


def figures(snapshot: Snapshot, plan: Plan) -> dict[str, Any]:
    """What the checker says of a plan without faults."""
    judged = judge(snapshot, plan)
    assert not judged.faults, judged.faults[0]
    return {
        "served": len(snapshot.visits) - len(plan.unmet),
        "visits": len(snapshot.visits),
        "served_weight": judged.by_rule.get("serve", 0),
        "objective": judged.objective,
    }


def linli(size: str, seed: int, seconds: float) -> dict[str, Any]:
    """Linli's own solver, reading the snapshot within its time."""
    snapshot, began = sample_snapshot(Size(size), seed, FIRST_DAY), time.perf_counter()
    try:
        plan = solve_apart(
            snapshot, Limits(seconds=seconds, megabytes=MEGABYTES, threads=THREADS, seed=seed, explained=0)
        )
    except SolveFailed as failed:
        return {"failed": str(failed)}
    wall = time.perf_counter() - began
    return figures(snapshot, plan) | {
        "dropped": {},
        "seconds": round(plan.work.seconds, 1),
        "wall_seconds": round(wall, 1),
        "megabytes": plan.work.peak_megabytes,
    }


def rival(name: str, size: str, seed: int, seconds: float) -> dict[str, Any]:
    """A rival in a process of its own, which ends when it takes more memory than Linli may."""
    command = [sys.executable, "-m", __name__, name, size, str(seed), str(seconds)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        watched = psutil.Process(child.pid)
        while child.poll() is None and time.perf_counter() - began < 10 * seconds + 120:
            try:
                if watched.memory_info().rss > MEGABYTES << 20:
                    child.kill()
                    return {"failed": f"needs more than {MEGABYTES} MB"}
                child.wait(timeout=0.2)
            except (subprocess.TimeoutExpired, psutil.NoSuchProcess):
                continue
        if child.poll() is None:
            child.kill()
            return {"failed": "did not stop"}
        assert child.stdout is not None
        said = child.stdout.read()
    if child.returncode:
        return {"failed": f"ended with {child.returncode}"}
    return json.loads(said.splitlines()[-1])


def run_rival(name: str, snapshot: Snapshot, seconds: float, seed: int) -> tuple[Plan, dict[str, Any]]:
    """Build, search, convert, judge. `seconds` are the search's, `wall_seconds` the building's too."""
    case = case_of(snapshot)
    began = time.perf_counter()
    search = RIVALS[name](case, seconds, seed)
    built = time.perf_counter()
    answer = search()
    ended = time.perf_counter()
    peak = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    plan, dropped = plan_of(snapshot, answer)
    return plan, figures(snapshot, plan) | {
        "dropped": dict(dropped),
        "seconds": round(ended - built, 1),
        "wall_seconds": round(ended - began, 1),
        "megabytes": int(peak.split()[1]) // 1024,
    }


def repeated(run: Callable[[int], dict[str, Any]], seeds: int) -> dict[str, Any]:
    """A run for each seed; of several the medians, with every run beside them."""
    runs = [run(seed) for seed in range(1, seeds + 1)]
    if seeds == 1:
        return runs[0]
    numbers = {
        key: statistics.median(each[key] for each in runs if key in each)
        for key in dict.fromkeys(key for each in runs for key in each)
        if all(isinstance(each.get(key, 0), int | float) for each in runs)
    }
    return {"medians": numbers, "runs": runs}


def side_by_side(sizes: list[str], seeds: int, seconds: float | None) -> dict[str, Any]:
    """Every planner on every size."""
    found: dict[str, Any] = {}
    for size in sizes:
        limit = seconds or SECONDS.get(size, 60.0)
        found[size] = {"seconds_allowed": limit, "seeds": seeds}
        for name in ("linli", *RIVALS):

            def run(seed: int, name: str = name, size: str = size, limit: float = limit) -> dict[str, Any]:
                figures = linli(size, seed, limit) if name == "linli" else rival(name, size, seed, limit)
                print(size, seed, name, json.dumps(figures), file=sys.stderr, flush=True)
                return figures

            found[size][name] = repeated(run, seeds)
    return found


if __name__ == "__main__":
    wanted, size, seed, seconds = sys.argv[1:]
    snapshot = sample_snapshot(Size(size), int(seed), FIRST_DAY)
    print(json.dumps(run_rival(wanted, snapshot, float(seconds), int(seed))[1]))
