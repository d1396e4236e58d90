"""The public instances of home health care routing, planned within their time and judged against the best known costs."""

import csv
import os
import statistics
import time
from pathlib import Path
from typing import Any

from services.matcher.files.hhcrsp import cost, faults, read_instance
from services.matcher.files.hhcrsp_tours import routes_of, tours_of
from services.matcher.solver.touring import plan_tours

FOLDER = Path(
    os.environ.get("LINLI_BENCHMARKS", Path(__file__).resolve().parents[3] / "shared" / "benchmarks")
)
SECONDS = {"F": 180.0, "G": 180.0}  # by family; the others 60


def published(only: str = os.environ.get("LINLI_HHCRSP", "")) -> dict[str, Any]:
    """Percent above the best known cost, by instance and family; compiled before, reading not counted. `only`: A1,B3."""
    folder = FOLDER / "hhcrsp"
    known = {row["label"]: float(row["bks"]) for row in csv.DictReader((folder / "best-known.csv").open())}
    wanted = only.split(",") if only else list(known)
    warm = folder / "instances" / f"{wanted[0]}.json.gz"
    plan_tours(tours_of(read_instance(warm), warm.name).tours, steps=1)
    above: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for label in wanted:
        instance = read_instance(folder / "instances" / f"{label}.json.gz")
        named = tours_of(instance, label)
        began = time.perf_counter()
        plan = plan_tours(named.tours, seconds=SECONDS.get(label[0], 60.0))
        seconds[label] = round(time.perf_counter() - began, 1)
        routes = routes_of(named, plan.routes, plan.starts)
        if broken := faults(instance, routes):
            raise AssertionError(f"{label}: {broken[0]}")
        found = cost(instance, routes)
        above[label] = round(100 * (found / known[label] - 1), 2)
        print(label, f"{found:.3f}", f"{above[label]:+.2f} %", f"{seconds[label]} s", flush=True)
    families = sorted({label[0] for label in above})
    return {
        "percent_above_best_known": above,
        "mean_by_family": {f: _mean(above, f) for f in families},
        "mean_A_to_E": _mean(above, "ABCDE"),
        "mean_F_to_G": _mean(above, "FG"),
        "seconds": seconds,
    }


def _mean(above: dict[str, float], families: str) -> float | None:
    found = [percent for label, percent in above.items() if label[0] in families]
    return round(statistics.mean(found), 2) if found else None
