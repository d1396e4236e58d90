"""The public instances of home health care routing, planned within their time and judged against the best known costs."""

import csv
import os
import statistics
import time
from pathlib import Path
from typing import Any

from services.matcher import checker
from services.matcher.files.benchmarks import read_problem
from services.matcher.solver.plan import Limits, Plan
from services.matcher.solver.snapshot_tours import compile_tours
from services.matcher.solver.solve import solve
from services.matcher.solver.worker import compile_searches

FOLDER = Path(
    os.environ.get("LINLI_BENCHMARKS", Path(__file__).resolve().parents[3] / "shared" / "benchmarks")
)
SECONDS = {"F": 180.0, "G": 180.0}  # by family; the others 60
THREADS = int(os.environ.get("LINLI_THREADS", "2"))
NO_LIMIT = 10**6  # of rounds


def published(only: str = os.environ.get("LINLI_HHCRSP", "")) -> dict[str, Any]:
    """Percent above the best known cost, by instance and family; compiled before, reading not counted. `only`: A1,B3."""
    folder = FOLDER / "hhcrsp"
    known = {row["label"]: float(row["bks"]) for row in csv.DictReader((folder / "best-known.csv").open())}
    above: dict[str, float] = {}
    seconds: dict[str, float] = {}
    compile_all()
    for label in only.split(",") if only else list(known):
        found, seconds[label], _ = planned("hhcrsp", label, SECONDS.get(label[0], 60.0))
        if found is None:
            raise AssertionError(f"{label}: somebody is left out")
        above[label] = round(100 * (found / known[label] - 1), 2)
        print(label, f"{found:.3f}", f"{above[label]:+.2f} %", f"{seconds[label]} s", flush=True)
    families = sorted({label[0] for label in above})
    return {
        "percent_above_best_known": above,
        "mean_by_family": {f: _mean(above, f) for f in families},
        "mean_A_to_E": _mean(above, "ABCDE"),
        "mean_F_to_G": _mean(above, "FG"),
        "seconds": seconds,
        "threads": THREADS,
    }


def compile_all() -> None:
    compile_searches()
    compile_tours()


def planned(form: str, label: str, limit: float) -> tuple[float | None, float, Plan]:
    """An instance's cost (None: somebody is left out who must not be), the seconds it took and its plan, judged twice: as a
    plan of the snapshot and by the benchmark's own text."""
    problem = read_problem(form, FOLDER / form / "instances" / f"{label}.json.gz")
    began = time.perf_counter()
    plan = solve(problem.snapshot, Limits(NO_LIMIT, limit, threads=THREADS, explained=0, seed=1))
    took = round(time.perf_counter() - began, 1)
    if broken := checker.judge(problem.snapshot, plan).faults:
        raise AssertionError(f"{label}: {broken[0]}")
    if problem.left_out(plan):
        return None, took, plan
    faults, cost = problem.judged(plan)
    if faults:
        raise AssertionError(f"{label}: {faults[0]}")
    if abs(cost - problem.cost_of(plan.objective)) > 1e-6 * max(1.0, cost):
        raise AssertionError(f"{label}: counted as {problem.cost_of(plan.objective)}, costs {cost}")
    return cost, took, plan


def _mean(above: dict[str, float], families: str) -> float | None:
    found = [percent for label, percent in above.items() if label[0] in families]
    return round(statistics.mean(found), 2) if found else None
