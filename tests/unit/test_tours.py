"""Tours of whole days against an independent judge and against every plan there is (HHCRSP's own text)."""

import itertools
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from services.matcher.__main__ import main
from services.matcher.checker import judge
from services.matcher.files.benchmarks import read_problem
from services.matcher.files.formats import BadFile, read_plan, read_snapshot
from services.matcher.files.hhcrsp import Instance, Routes, cost, faults, read_instance
from services.matcher.files.hhcrsp_snapshot import cost_of, routes_of, snapshot_of
from services.matcher.solver.annealing import neighbours_of
from services.matcher.solver.plan import Limits
from services.matcher.solver.snapshot_tours import can_be_annealed
from services.matcher.solver.solve import solve
from services.matcher.solver.tours import Tours

SERVICES = ("s1", "s2", "s3")


def odd_day(patients: int, carers: int, seed: int, spread: int = 100) -> dict[str, Any]:
    """An odd day: a third of the patients need two, at once or in sequence; everybody can do two of three services."""
    rng = Random(seed)
    points = [(rng.randrange(spread), rng.randrange(spread)) for _ in range(patients + 1)]
    made = []
    for number in range(1, patients + 1):
        opens = rng.randrange(0, 300)
        two = rng.random() < 0.35
        needs = rng.sample(SERVICES, 2 if two else 1)
        patient: dict[str, Any] = {
            "id": f"p{number}",
            "time_window": [opens, opens + rng.choice((0, 30, 120))],
            "required_caregivers": [{"service": s, "duration": rng.randrange(5, 40)} for s in needs],
        }
        if two:
            least = rng.randrange(0, 60)
            sequence = {"type": "sequential", "distance": [least, least + rng.randrange(0, 60)]}
            patient["synchronization"] = rng.choice(({"type": "simultaneous"}, sequence))
        made.append(patient)
    able = [rng.sample(SERVICES, 2) for _ in range(carers - 1)]
    return {
        "patients": made,
        "caregivers": [
            {"id": f"c{n}", "abilities": a} for n, a in enumerate([list(SERVICES), *able, list(SERVICES)])
        ],
        "distances": [[round(float(np.hypot(a - c, b - d)), 3) for c, d in points] for a, b in points],
    }


def read(day: dict[str, Any], folder: Path) -> Instance:
    file = folder / "day.json"
    file.write_text(json.dumps(day))
    return read_instance(file)


def solved(instance: Instance, rounds: int, seed: int = 1) -> tuple[float, Routes]:
    """Through the city's model, nobody left out, by both judges without fault."""
    snapshot = snapshot_of(instance, "day")
    plan = solve(snapshot, Limits(rounds=rounds, threads=1, seed=seed))
    assert judge(snapshot, plan).faults == ()
    assert not plan.unmet
    return cost_of(snapshot, plan.objective), routes_of(instance, plan)


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_breaks_no_rule_and_costs_what_it_says(seed: int, tmp_path: Path) -> None:
    instance = read(odd_day(2 + seed * 3, 2 + seed // 2, seed), tmp_path)
    told, routes = solved(instance, 1, seed)
    assert faults(instance, routes) == []
    assert told == pytest.approx(cost(instance, routes), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_short_day_is_planned_as_well_as_can_be(seed: int, tmp_path: Path) -> None:
    day = odd_day(3, 2, 100 + seed, spread=60)
    assert solved(read(day, tmp_path), 20)[0] == pytest.approx(least_cost(day), abs=1e-3)


def least_cost(day: dict[str, Any]) -> float:
    """The cost of the best of all plans: every order of the services and everybody who can do them."""
    jobs = [
        (p, need) for p in range(len(day["patients"])) for need in day["patients"][p]["required_caregivers"]
    ]
    able = [
        [c for c, who in enumerate(day["caregivers"]) if need["service"] in who["abilities"]]
        for _, need in jobs
    ]
    best = float("inf")
    for who in itertools.product(*able):
        mates = [(a, b) for a, b in itertools.combinations(range(len(jobs)), 2) if jobs[a][0] == jobs[b][0]]
        if any(who[a] == who[b] for a, b in mates):
            continue
        mine = [[j for j in range(len(jobs)) if who[j] == c] for c in range(len(day["caregivers"]))]
        for routes in itertools.product(*(itertools.permutations(each) for each in mine)):
            best = min(best, counted(day, jobs, mates, routes))
    return best


def counted(day: dict[str, Any], jobs: Any, mates: Any, routes: Any) -> float:
    """With the earliest starts, found by raising what is too early until nothing is; infinite when that never ends."""
    ways = day["distances"]
    start = [float(day["patients"][p]["time_window"][0]) for p, _ in jobs]
    for _ in range(60):
        before = list(start)
        for route in routes:
            here, ready = 0, 0.0
            for job in route:
                place = jobs[job][0] + 1
                start[job] = max(start[job], ready + ways[here][place])
                here, ready = place, start[job] + jobs[job][1]["duration"]
        for a, b in mates:
            rule = day["patients"][jobs[a][0]]["synchronization"]
            least, most = (0, 0) if rule["type"] == "simultaneous" else rule["distance"]
            start[b] = max(start[b], start[a] + least)
            start[a] = max(start[a], start[b] - most)
        if start == before:
            break
    else:
        return float("inf")
    travel = sum(
        ways[a][b]
        for route in routes
        if route
        for a, b in itertools.pairwise([0, *(jobs[job][0] + 1 for job in route), 0])
    )
    late = [max(0.0, start[j] - day["patients"][p]["time_window"][1]) for j, (p, _) in enumerate(jobs)]
    return float(travel + sum(late) + max(late)) / 3


def test_the_same_seed_and_work_give_the_same_plan(tmp_path: Path) -> None:
    instance = read(odd_day(30, 6, 7), tmp_path)
    assert can_be_annealed(snapshot_of(instance, "day"))
    assert solved(instance, 1, 3) == solved(instance, 1, 3)


def test_no_patients_and_nobody_able(tmp_path: Path) -> None:
    assert solved(read(odd_day(0, 2, 1), tmp_path), 1) == (0.0, {})
    day = odd_day(4, 2, 2)
    for carer in day["caregivers"]:
        carer["abilities"] = ["s9"]
    snapshot = snapshot_of(read(day, tmp_path), "day")
    assert len(solve(snapshot, Limits(rounds=1, threads=1)).unmet) == len(snapshot.visits)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda day: day.pop("distances"),
        lambda day: day["distances"].pop(),
        lambda day: day["patients"][0].pop("time_window"),
        lambda day: day["distances"][0].__setitem__(1, float("nan")),
        lambda day: day["patients"][0].update(required_caregivers=[]),
    ],
)
def test_what_is_no_instance_is_refused_in_one_line(spoil: Any, tmp_path: Path) -> None:
    day = odd_day(5, 3, 3)
    spoil(day)
    (tmp_path / "day.json").write_text(json.dumps(day))
    with pytest.raises(BadFile, match=r"day\.json: "):
        read_problem("hhcrsp", tmp_path / "day.json")


def test_from_file_to_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, plan = tmp_path / "day.json", tmp_path / "plan.json.gz"
    given.write_text(json.dumps(odd_day(6, 3, 5)))
    solve = ["solve", str(given), "--format", "hhcrsp", "--seconds", "1", "--out", str(plan)]
    assert main(solve) == 0
    assert "cost" in capsys.readouterr().err
    assert main(["check", str(given), str(plan), "--format", "hhcrsp"]) == 0
    assert "no faults" in capsys.readouterr().out
    other = tmp_path / "other.json"
    other.write_text(json.dumps(odd_day(7, 3, 6)))
    assert main(["check", str(other), str(plan), "--format", "hhcrsp"]) == 1
    assert "FAULT" in capsys.readouterr().out
    assert main(["check", str(other), str(given), "--format", "hhcrsp"]) == 2
    assert main(["solve", str(plan), "--format", "hhcrsp", "--out", str(plan)]) == 2


def test_an_instance_converted_is_solved_and_its_plan_converted_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: first the patient who closes early, late by 1.5 at the other: (9.75 + 1.5 + 1.5) / 3."""
    day = {
        "patients": [
            {"id": "p1", "time_window": [0, 10], "required_caregivers": [{"service": "s1", "duration": 5.5}]},
            {"id": "p2", "time_window": [0, 5], "required_caregivers": [{"service": "s1", "duration": 5}]},
        ],
        "caregivers": [{"id": "c1", "abilities": ["s1", "s2"]}],
        "distances": [[0, 3.25, 4.5], [3.25, 0, 2], [4.5, 2, 0]],
    }
    given, snapshot, plan, routes = (tmp_path / f"{n}.json" for n in ("day", "snapshot", "plan", "routes"))
    given.write_text(json.dumps(day))
    form = ["--format", "hhcrsp"]
    assert main(["convert", str(given), *form, "--out", str(snapshot)]) == 0
    assert main(["solve", str(snapshot), "--rounds", "5", "--out", str(plan)]) == 0
    assert cost_of(read_snapshot(snapshot), read_plan(plan).objective) == 4.25
    assert main(["check", str(snapshot), str(plan)]) == 0
    assert main(["convert", str(given), *form, "--plan", str(plan), "--out", str(routes)]) == 0
    capsys.readouterr()
    assert main(["check", str(given), str(routes), "--format", "hhcrsp"]) == 0
    assert "cost 4.250\nno faults" in capsys.readouterr().out
    day["distances"] = [[0, -3, 4], [1, 0, 2], [4, 2, 0]]
    given.write_text(json.dumps(day))
    assert main(["convert", str(given), *form, "--out", str(snapshot)]) == 2
    assert "ways of" in capsys.readouterr().err


def test_neighbours_are_those_that_lie_best_before_or_behind() -> None:
    rng = np.random.default_rng(5)
    n, places = 60, 12
    opens = rng.integers(0, 400, (n, 2))
    opens.sort(axis=1)
    due = opens + rng.integers(0, 90, (n, 2))
    way = rng.integers(1, 120, (places, places))
    place, lasts = rng.integers(0, places, n), rng.integers(5, 60, (n, 2))
    nobody, one = np.zeros((n, 2), np.int64), np.zeros(1, np.int64)
    tours = Tours(
        kind=np.zeros(n, np.int64), mate=np.full(n, -1), place=place, lasts=lasts, least=nobody[:, 0], most=nobody[:, 0],
        opens=opens, due=due, counted=nobody, able=np.ones((n, 2, 1), np.bool_), dislike=np.zeros((0, 2, 1), np.int64),
        left_out=np.full(n, -1), way=way, leaves=one, returns=one, shift=np.zeros((1, 2), np.int64), owed=np.zeros(1, np.bool_),
        pause=np.zeros(3, np.int64), price=np.zeros(8, np.int64), minute=1, leaves_late=False, days=False,
    )  # fmt: skip

    def apart(stop: int, other: int) -> int:
        leg = way[place[stop], place[other]]
        done = [int(moment + lasts[stop, 0] + leg) for moment in (*opens[stop], *due[stop])]
        waits = (
            max(0, opens[other, two] - done[2 + one]) + max(0, done[one] - due[other, two])
            for one in range(2)
            for two in range(2)
        )
        return int(leg) + int(min(waits))

    found = neighbours_of(tours)
    assert found.shape == (n, 20)
    for stop in range(n):
        costs = {o: min(apart(stop, o), apart(o, stop)) for o in range(n) if o != stop}
        assert len(set(found[stop])) == 20
        assert [costs[o] for o in found[stop]] == sorted(costs.values())[:20]
