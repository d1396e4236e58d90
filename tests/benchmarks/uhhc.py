"""The public instances of unified home healthcare, planned within their time and judged against the best known costs."""

import csv
import os
import statistics
from typing import Any

from tests.benchmarks.hhcrsp import FOLDER, THREADS, compile_all, planned

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
    above: dict[str, float] = {}
    costs: dict[str, float] = {}
    seconds: dict[str, float] = {}
    compile_all()
    for label in wanted:
        cost, seconds[label], _ = planned(
            "uhhc", label, limit if label.startswith(VALIDATION) else limit / 10
        )
        if cost is None:
            print(label, "no plan: somebody is left out who must not be", flush=True)
            continue
        costs[label] = cost
        above[label] = round(100 * (cost / known[label] - 1), 2)
        print(
            label,
            f"{cost:g} of {known[label]:g}",
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
        "threads": THREADS,
    }
