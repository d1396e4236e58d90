"""UHHC: published plans cost what was published, every broken rule is told, and planned tours are as good as can be."""

import csv
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.matcher.__main__ import main
from services.matcher.checker import Court, judge
from services.matcher.files.formats import BadFile
from services.matcher.files.uhhc import (
    BREAK,
    Instance,
    Routes,
    Stop,
    components,
    cost,
    faults,
    read_instance,
    read_routes,
)
from services.matcher.files.uhhc_snapshot import plan_of, routes_of, snapshot_of
from services.matcher.solver.plan import Limits
from services.matcher.solver.snapshot import refuse_impossible
from services.matcher.solver.solve import solve
from tests.benchmarks.hhcrsp import FOLDER

DATA = FOLDER / "uhhc"
WEIGHTS = {
    "travel_time": 2,
    "total_tardiness": 5,
    "highest_tardiness": 3,
    "total_waiting_time": 1,
    "total_extra_time": 4,
    "max_idle_time": 7,
    "caregiver_preferences": 11,
    "optional_patients": 130,
    "missed_lunch_break": 60,
}


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no reference data at {DATA}")
def test_reference_plans_cost_what_was_published() -> None:
    with (DATA / "best-known.csv").open() as table:
        published = {row["instance"]: float(row["bks_cost"]) for row in csv.DictReader(table)}
    for name in ("D1", "K5", "M7", "N1001", "i-054", "i-134", "i-185", "i-235", "i-416"):
        instance = read_instance(DATA / "instances" / f"{name}.json.gz")
        routes = read_routes(DATA / "reference-solutions" / f"{name}.json.gz")
        assert faults(instance, routes) == []
        assert cost(instance, routes) == published[name]
        assert judged(instance, routes) == (set(), published[name])


def judged(instance: Instance, routes: Routes) -> tuple[set[str], float]:
    """The rules that routes break as a plan of the instance's snapshot, and their cost by its points."""
    named = snapshot_of(instance, "day")
    refuse_impossible(named.snapshot)
    court = Court(named.snapshot, plan_of(named, routes))
    found = [*court.strangers(), *court.places(), *court.people(), *court.shifts()]
    broken = {fault.rule for fault in found}
    for a in court.known:
        broken |= {rule for rule, _ in court.pair(court.visits[a.visit_id], court.carers[a.carer_id], a)}
    return broken, named.cost_of(sum(court.points().values()))


def patient(name: str, place: int, *services: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "distance_matrix_index": place,
        "required_services": [{"service": service, "duration": 20} for service in services],
        "time_windows": [{"start": 60, "end": 120}],
        "optional": False,
        **more,
    }


def carer(name: str, *abilities: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "abilities": list(abilities),
        "departing_point": "d",
        "arrival_point": "d",
        "working_shift": {"start": 0, "end": 400},
        "lunch_break": False,
        **more,
    }


def small_day(weights: dict[str, Any] = WEIGHTS, met: str = "at_service_start") -> dict[str, Any]:
    """Four patients ten minutes from each other and from the office, three carers, one of whom is owed a break."""
    apart = {"type": "sequential", "distance": {"min": 20, "max": 40}}
    return {
        "metadata": {"time_window_met": met, "cost_components": weights, "origin": "generated"},
        "terminal_points": [{"id": "d", "distance_matrix_index": 0}],
        "caregivers": [carer("c1", "s1", "s2", lunch_break=True), carer("c2", "s1", "s2"), carer("c3", "s1")],
        "patients": [
            patient("p1", 1, "s1", preferred_caregivers=["c2"], incompatible_caregivers=["c3"]),
            patient("p2", 2, "s1", "s2", synchronization={"type": "simultaneous"}),
            patient("p3", 3, "s1", "s2", synchronization=apart),
            patient(
                "p4",
                4,
                "s1",
                optional=True,
                time_windows=[{"start": 60, "end": 70}, {"start": 300, "end": 310}],
            ),
        ],
        "services": [],
        "distances": [[0 if a == b else 10 for b in range(5)] for a in range(5)],
        "lunch_breaks": {"start": 180, "end": 240, "min_duration": 30},
    }


GOOD: Routes = {
    "c1": (
        Stop("p1", "s1", 60, 80),
        Stop("p2", "s1", 100, 120),
        Stop("p2", BREAK, 180, 210),
        Stop("p4", "s1", 300, 320),
    ),
    "c2": (Stop("p2", "s2", 100, 120), Stop("p3", "s2", 130, 150)),
    "c3": (Stop("p3", "s1", 110, 130),),
}


def read(day: dict[str, Any], folder: Path) -> Instance:
    file = folder / "day.json"
    file.write_text(json.dumps(day))
    return read_instance(file)


def test_a_plan_is_counted_by_component(tmp_path: Path) -> None:
    instance = read(small_day(), tmp_path)
    assert faults(instance, GOOD) == []
    counted = components(instance, GOOD)
    assert counted == {
        "travel_time": 40 + 30 + 20,
        "total_tardiness": 10,
        "highest_tardiness": 10,
        "total_waiting_time": 10 + 60 + 80,
        "total_extra_time": 0,
        "max_idle_time": 400 - 20 - 20,
        "caregiver_preferences": 1,
        "optional_patients": 0,
        "missed_lunch_break": 0,
        "workload_balance": (100 - 70) + (70 - 70) + (70 - 40),
    }
    assert cost(instance, GOOD) == sum(WEIGHTS.get(name, 0) * amount for name, amount in counted.items())
    assert judged(instance, GOOD) == (set(), cost(instance, GOOD))
    priced = read(small_day({**WEIGHTS, "workload_balance": 3.5}, "at_service_end"), tmp_path)
    assert judged(priced, GOOD) == (set(), cost(priced, GOOD))
    fewer = components(instance, {"c3": GOOD["c3"]})
    assert (fewer["optional_patients"], fewer["missed_lunch_break"], fewer["max_idle_time"]) == (3, 1, 400)
    assert fewer["workload_balance"] == 27 + 14 + 14


def changed(name: str, number: int, **fields: Any) -> Callable[[Routes], Routes]:
    """The plan with one stop of a carer another."""

    def change(routes: Routes) -> Routes:
        stops = list(routes[name])
        stops[number] = replace(stops[number], **fields)
        return {**routes, name: tuple(stops)}

    return change


# the checker's name for a rule that this benchmark's judge names
IN_THE_CITY = {
    "skill": "skill", "incompatible": "forbidden", "preference": "forbidden", "window": "window", "tardy": "window",
    "length": "length", "travel": "travel", "shift": "travel", "overtime": "overtime", "break": "break", "pair": "follows",
}  # fmt: skip
HARD = {**WEIGHTS, "total_tardiness": "HARD", "total_extra_time": "HARD", "caregiver_preferences": "HARD"}
NONE_MISSED = {
    name: price for name, price in WEIGHTS.items() if name not in ("optional_patients", "missed_lunch_break")
}


@pytest.mark.parametrize(
    ("told", "weights", "spoil"),
    [
        ("unknown: there is no carer c9", WEIGHTS, lambda plan: {**plan, "c9": plan["c3"]}),
        ("unknown: p1 does not want s2 (c1)", WEIGHTS, changed("c1", 0, service="s2")),
        ("skill: c3 cannot do s2 at p3", WEIGHTS, changed("c3", 0, service="s2")),
        ("incompatible: c3 is not to come to p1", WEIGHTS, changed("c3", 0, patient_id="p1")),
        ("preference: c1 is none of those for p1", HARD, lambda plan: plan),
        ("window: c1 begins at p1 before it opens", WEIGHTS, changed("c1", 0, start=50, end=70)),
        ("tardy: c2 is late at p3", HARD, lambda plan: plan),
        ("length: c1 is at p1 for 10 minutes", WEIGHTS, changed("c1", 0, end=70)),
        ("travel: c1 cannot be at p2 by 85", WEIGHTS, changed("c1", 1, start=85, end=105)),
        ("shift: c3 cannot be at p3 by 5", WEIGHTS, changed("c3", 0, start=5, end=25)),
        ("overtime: c1 is back from p4 at 420", HARD, changed("c1", 3, start=390, end=410)),
        ("break: c1 at p2 from 170 to 200", WEIGHTS, changed("c1", 2, start=170, end=200)),
        ("break: c1 at p2 from 180 to 200", WEIGHTS, changed("c1", 2, end=200)),
        ("break: c1 at p2 from 241 to 271", WEIGHTS, changed("c1", 2, start=241, end=271)),
        ("break: c1 has none", NONE_MISSED, lambda plan: {**plan, "c1": plan["c1"][:2] + plan["c1"][3:]}),
        ("unmet: p1 gets 0 for s1 ()", WEIGHTS, lambda plan: {**plan, "c1": plan["c1"][1:]}),
        ("unmet: p2 gets 1 for s1 (c1) and 0 for s2 ()", WEIGHTS, lambda plan: {**plan, "c2": plan["c2"][1:]}),
        ("unmet: p4 gets 0 for s1 ()", NONE_MISSED, lambda plan: {**plan, "c1": plan["c1"][:3]}),
        ("unmet: p3 gets 2 for s1 (c2, c3) and 1 for s2 (c2)", WEIGHTS, changed("c2", 0, patient_id="p3", service="s1")),
        ("pair: c2 at p2 begins 1 after c1", WEIGHTS, changed("c2", 0, start=101, end=121)),
        ("pair: c2 at p3 begins 41 after c3", WEIGHTS, changed("c2", 1, start=151, end=171)),
        ("pair: c1 comes twice to p2", WEIGHTS, lambda plan: {
            **plan, "c1": (*plan["c1"][:2], Stop("p2", "s2", 120, 140), *plan["c1"][2:]), "c2": plan["c2"][1:]
        }),
    ],
)  # fmt: skip
def test_a_broken_rule_is_told(
    told: str, weights: dict[str, Any], spoil: Callable[[Routes], Routes], tmp_path: Path
) -> None:
    instance = read(small_day(weights), tmp_path)
    assert told in faults(instance, spoil(GOOD))
    rule = IN_THE_CITY.get(told.split(":")[0])
    if rule is not None:
        assert rule in judged(instance, spoil(GOOD))[0]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda day: day.pop("distances"),
        lambda day: day["distances"].pop(),
        lambda day: day["patients"][0].update(time_windows=[]),
        lambda day: day["patients"][1].update(synchronization={"type": "soon"}),
        lambda day: day["patients"][0].update(required_services=[]),
        lambda day: day["caregivers"][0].update(departing_point="e"),
        lambda day: day["metadata"]["cost_components"].update(max_waiting_time=1),
        lambda day: day["metadata"]["cost_components"].update(travel_time="HARD"),
        lambda day: day.pop("lunch_breaks"),
    ],
)
def test_what_is_no_instance_is_refused_in_one_line(spoil: Any, tmp_path: Path) -> None:
    day = small_day(dict(WEIGHTS))
    spoil(day)
    with pytest.raises(BadFile, match="not a UHHC instance"):
        read(day, tmp_path)


def odd_day(patients: int, carers: int, seed: int, grid: int = 1, most: int = 400) -> dict[str, Any]:
    """An odd day, its times whole multiples of `grid`."""
    rng = Random(seed)
    weights = {name: rng.randrange(1, 10) for name in WEIGHTS}
    weights |= {"optional_patients": rng.randrange(50, 300), "missed_lunch_break": rng.randrange(1, 90)}
    if seed % 3 == 0:
        weights["workload_balance"] = rng.randrange(1, 5)
    if seed % 4 == 3:
        weights = {**weights, "caregiver_preferences": "HARD"}
    services = ("s1", "s2", "s3")
    names = [f"c{number}" for number in range(carers)]

    def time(least: int, below: int) -> int:
        return grid * rng.randrange(least // grid, max(least // grid + 1, below // grid))

    made = []
    for number in range(patients):
        wanted = rng.sample(services, 2 if rng.random() < 0.35 else 1)
        starts = sorted({time(0, most * 2 // 3) for _ in range(rng.choice((1, 1, 2)))})
        least = time(0, most // 8)
        how = rng.choice(("independent", "simultaneous", "sequential"))
        one = patient(f"p{number}", number + 2, *wanted, synchronization={"type": how})
        one["synchronization"]["distance"] = {"min": least, "max": least + time(0, most // 8)}
        for service in one["required_services"]:
            service["duration"] = max(grid, time(0, most // 10))
        one["time_windows"] = [{"start": s, "end": s + time(0, most // 4)} for s in starts]
        one["optional"] = rng.random() < 0.4
        if rng.random() < 0.3:
            one["preferred_caregivers"] = rng.sample(names, max(2, carers - 1))
        made.append(one)
    day = small_day(weights, rng.choice(("at_service_start", "at_service_end")))
    points = [(rng.randrange(6), rng.randrange(6)) for _ in range(patients + 2)]
    day["distances"] = [[grid * (abs(a - c) + abs(b - d)) for c, d in points] for a, b in points]
    day["patients"] = made
    day["terminal_points"] = [
        {"id": "d", "distance_matrix_index": 0},
        {"id": "e", "distance_matrix_index": 1},
    ]
    day["caregivers"] = [
        carer(
            name,
            *services,
            arrival_point=rng.choice("de"),
            working_shift={"start": (begins := time(0, most // 4)), "end": begins + most // 2},
            lunch_break=rng.random() < 0.7,
        )
        for name in names
    ]
    break_at = grid * (most // 4 // grid)
    day["lunch_breaks"] = {
        "start": break_at,
        "end": break_at + 4 * max(grid, 15),
        "min_duration": 2 * max(grid, 10),
    }
    day["metadata"]["origin"] = "bazirha" if seed % 5 == 4 else "generated"
    return day


def solved(instance: Instance, rounds: int, seed: int = 1) -> tuple[float, Routes]:
    """Through the city's model, by its own judge without fault."""
    named = snapshot_of(instance, "day")
    plan = solve(named.snapshot, Limits(rounds=rounds, threads=1, seed=seed))
    assert judge(named.snapshot, plan).faults == ()
    return named.cost_of(plan.objective), routes_of(named, plan)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_breaks_no_rule_and_costs_what_it_says(seed: int, tmp_path: Path) -> None:
    instance = read(odd_day(2 + seed, 3 + seed // 3, seed), tmp_path)
    told, routes = solved(instance, 2, seed)
    assert faults(instance, routes) == []
    assert told == cost(instance, routes)


@pytest.mark.parametrize("seed", range(6))
def test_a_short_day_is_planned_as_well_as_can_be(seed: int, tmp_path: Path) -> None:
    day = odd_day(3, 2, 200 + seed, grid=10, most=80)
    for one in day["patients"]:
        one["required_services"] = one["required_services"][:1]
    day["caregivers"][0]["lunch_break"], day["caregivers"][1]["lunch_break"] = True, False
    weights = day["metadata"]["cost_components"]
    weights["total_tardiness"] += weights["total_waiting_time"]  # nothing is begun late to wait less
    instance = read(day, tmp_path)
    least = min(cost(instance, routes) for routes in every_plan(instance, 10, 110))
    assert solved(instance, 6)[0] == least


def every_plan(instance: Instance, grid: int, most: int) -> Iterator[Routes]:
    """Whoever does what whenever, where no rule is broken: starts and breaks on the grid."""
    jobs = [(one.patient_id, *next(iter(one.minutes.items()))) for one in instance.patients.values()]
    ways: list[list[tuple[str, Stop] | None]] = []
    for name, service, length in jobs:
        starts = (Stop(name, service, start, start + length) for start in range(0, most, grid))
        ways.append([None, *itertools.product(instance.carers, starts)])
    assert instance.breaks is not None
    earliest, latest, minutes = instance.breaks
    for chosen in itertools.product(*ways):
        plan = {
            name: tuple(
                sorted((told[1] for told in chosen if told and told[0] == name), key=lambda s: s.start)
            )
            for name in instance.carers
        }
        if not faults(instance, plan):
            yield plan
            for carer_id in (name for name in plan if instance.carers[name].owed_break and plan[name]):
                for start in range(int(earliest), int(latest) + 1, grid):
                    for place in {stop.patient_id for stop in plan[carer_id]}:
                        rest = Stop(place, BREAK, start, start + minutes)
                        stops = tuple(sorted((*plan[carer_id], rest), key=lambda stop: stop.start))
                        if not faults(instance, more := {**plan, carer_id: stops}):
                            yield more


def test_the_same_seed_and_work_give_the_same_plan(tmp_path: Path) -> None:
    instance = read(odd_day(20, 5, 7), tmp_path)
    assert solved(instance, 1, 3) == solved(instance, 1, 3)


def test_patients_nobody_can_serve_are_left_out_or_refused(tmp_path: Path) -> None:
    day = small_day()
    day["patients"][3]["required_services"][0]["service"] = "s9"
    cost_without, routes = solved(read(day, tmp_path), 2)
    assert not any(stop.patient_id == "p4" for stops in routes.values() for stop in stops)
    assert cost_without == cost(read(day, tmp_path), routes)
    day["patients"][3]["optional"] = False
    with pytest.raises(BadFile, match="nobody is able to serve p4"):
        snapshot_of(read(day, tmp_path), "day")


def test_from_file_to_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, plan = tmp_path / "day.json", tmp_path / "plan.json.gz"
    given.write_text(json.dumps(small_day()))
    assert main(["solve", str(given), "--format", "uhhc", "--seconds", "1", "--out", str(plan)]) == 0
    assert main(["check", str(given), str(plan), "--format", "uhhc"]) == 0
    said = capsys.readouterr()
    assert "no faults" in said.out
    assert "max_idle_time" in said.out
    late = {**WEIGHTS, "total_tardiness": "HARD"}
    day = small_day(late)
    day["patients"][0]["time_windows"] = [{"start": 0, "end": 5}]  # ten minutes away
    given.write_text(json.dumps(day))
    assert main(["solve", str(given), "--format", "uhhc", "--seconds", "1", "--out", str(plan)]) == 3
    assert "1 services that must be done are not" in capsys.readouterr().err
