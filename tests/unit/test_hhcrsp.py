"""Published reference plans of HHCRSP cost what their table says; the data is third parties' and not in the repository."""

import csv
from dataclasses import replace

import pytest

from services.matcher.files.hhcrsp import cost, faults, read_instance, read_routes
from tests.benchmarks.hhcrsp import FOLDER

DATA = FOLDER / "hhcrsp"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")


def test_reference_plans_cost_what_was_published() -> None:
    with (DATA / "best-known.csv").open() as table:
        published = {row["label"]: row for row in csv.DictReader(table)}
    for label in ("A1", "B3", "G1"):
        instance = read_instance(DATA / "instances" / f"{label}.json.gz")
        routes = read_routes(DATA / "reference-solutions" / f"{label}.json.gz")
        assert faults(instance, routes) == []
        assert cost(instance, routes) == pytest.approx(float(published[label]["ceschia2024_sol"]), abs=0.01)


def test_a_broken_reference_plan_is_told() -> None:
    instance = read_instance(DATA / "instances" / "A1.json.gz")
    routes = read_routes(DATA / "reference-solutions" / "A1.json.gz")
    first, *others = routes["c1"]
    early = {**routes, "c1": (replace(first, start=0.0), *others)}
    assert {fault.split(":")[0] for fault in faults(instance, early)} >= {"window", "travel"}
    assert faults(instance, {**routes, "c1": tuple(others)})[0].startswith("unmet")
    assert faults(instance, {**routes, "c2": (replace(routes["c2"][0], service="s1"),)})
