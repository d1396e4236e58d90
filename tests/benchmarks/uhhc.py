"""The public instances of unified home healthcare, planned within their time and judged against the best known costs."""

import csv
import os
import statistics
import time
from typing import Any

from services.matcher.files.uhhc import cost, faults, read_instance
from services.matcher.files.uhhc_tours import routes_of, tours_of
from services.matcher.solver.touring import plan_tours
from tests.benchmarks.hhcrsp import FOLDER

VALIDATION = "i-"  # the set that the limit is for; the converted ones are small and get a tenth


def published(
    only: str = os.environ.get("LINLI_UHHC", ""),
    limit: float = float(os.environ.get("LINLI_UHHC_SECONDS", "300")),
) -> dict[str, Any]:
    """Percent above the best known cost by instance; compiled before, reading not counted. `only`: i-054,D1."""
    folder = FOLDER / "uhhc"
    known = {
        row["instance"]: float(row["bks_cost"]) for row in csv.DictReader((folder / "best-known.csv").open())
    }
    wanted = only.split(",") if only else list(known)
    warm = read_instance(folder / "instances" / f"{wanted[0]}.json.gz")
    plan_tours(tours_of(warm, wanted[0]).tours, steps=1)
    above: dict[str, float] = {}
    costs: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for label in wanted:
        instance = read_instance(folder / "instances" / f"{label}.json.gz")
        named = tours_of(instance, label)
        began = time.perf_counter()
        plan = plan_tours(named.tours, seconds=limit if label.startswith(VALIDATION) else limit / 10)
        seconds[label] = round(time.perf_counter() - began, 1)
        routes = routes_of(named, instance, plan)
        if broken := faults(instance, routes):
            print(label, f"no plan: {len(broken)} faults, {broken[0]}", flush=True)
            continue
        costs[label] = cost(instance, routes)
        if abs(costs[label] - named.cost_of(plan.cost)) > 1e-6 * max(1.0, costs[label]):
            raise AssertionError(f"{label}: counted as {named.cost_of(plan.cost)}, costs {costs[label]}")
        above[label] = round(100 * (costs[label] / known[label] - 1), 2)
        print(
            label,
            f"{costs[label]:g} of {known[label]:g}",
            f"{above[label]:+.2f} %",
            f"{seconds[label]} s",
            flush=True,
        )
    validation = [percent for label, percent in above.items() if label.startswith(VALIDATION)]
    return {
        "percent_above_best_known": above,
        "cost": costs,
        "no_plan": [label for label in wanted if label not in costs],
        "validation_at_best_known_or_below": sum(percent <= 0 for percent in validation),
        "validation_mean": round(statistics.mean(validation), 2) if validation else None,
        "seconds": seconds,
    }
