"""The solver from files alone: sample, solve, check, as a stranger calls them, and what is refused by name."""

import gzip
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from services.matcher.__main__ import main
from services.matcher.checker import judge
from services.matcher.files.formats import read_plan, read_snapshot, write_plan, write_snapshot
from services.matcher.files.schema import WORDS, schemas
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver import worker
from services.matcher.solver.plan import Limits, Plan, Work
from services.matcher.solver.prices import RULES
from services.matcher.solver.snapshot import (
    FixedKind,
    Follows,
    MealBreak,
    Snapshot,
    SnapshotRefused,
    refuse_impossible,
    to_json,
)
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity
from shared.sample import Size
from tests.unit.test_solver_zoo import DAY, HELD, ISLAND, carer, city, line, visit

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "docs" / "matcher" / "README.md").read_text()
MONDAY = date(2026, 11, 23)
TWO = city([visit(0), visit(1)], [carer(0), carer(1)], lines=(line(),))


def unhurried(plan: Plan) -> Plan:
    """The plan without what depends on the machine."""
    return replace(plan, work=Work(plan.work.rounds, plan.work.columns, plan.work.pairs))


@pytest.fixture(scope="module")
def small() -> Snapshot:
    return sample_snapshot(Size.SMALL, 1, MONDAY)


@pytest.fixture(scope="module")
def planned(small: Snapshot) -> Plan:
    return solve(small, Limits(rounds=12, threads=1, seed=1))


def test_sample_solve_and_check_need_only_files(
    tmp_path: Path, small: Snapshot, planned: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot, plan = str(tmp_path / "small.json.gz"), str(tmp_path / "plan.json")
    assert main(["sample", "--size", "small", "--seed", "1", "--out", snapshot]) == 0
    assert read_snapshot(Path(snapshot)) == small
    assert main(["solve", snapshot, "--rounds", "12", "--threads", "1", "--out", plan]) == 0
    told = capsys.readouterr().err
    assert re.search(r"points, bound [\d,]+, gap \d+\.\d\d %", told), "progress is told while it works"
    assert unhurried(read_plan(Path(plan))) == unhurried(planned), "another process, the same plan"
    assert main(["check", snapshot, plan]) == 0
    assert "no faults" in capsys.readouterr().out
    other = solve(small, Limits(rounds=12, threads=1, seed=2))
    assert judge(small, other).faults == ()


def test_ctrl_c_writes_the_best_plan_so_far(tmp_path: Path) -> None:
    town = sample_snapshot(Size.TOWN, 1, MONDAY)
    write_snapshot(tmp_path / "town.json", town)
    command = [
        sys.executable,
        "-m",
        "services.matcher",
        "solve",
        tmp_path / "town.json",
        "--out",
        tmp_path / "plan.json",
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as solving:
        assert solving.stderr is not None
        while "first plan" not in (said := solving.stderr.readline()):
            assert said, "ended before there was a plan"
        solving.send_signal(signal.SIGINT)
        assert "stopping" in solving.stderr.read()
    assert solving.returncode == 0
    plan = read_plan(tmp_path / "plan.json")
    assert plan.stopped_by == "asked"
    assert plan.assignments
    assert judge(town, plan).faults == ()


def test_check_names_the_rule_the_visit_and_the_carer(
    tmp_path: Path, small: Snapshot, planned: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    first = planned.assignments[0]
    strict = replace(small, overrides=(("age.least", 70),))
    late = replace(planned, assignments=(replace(first, start=first.start + 600), *planned.assignments[1:]))
    write_snapshot(tmp_path / "strict.json", strict)
    write_plan(tmp_path / "plan.json", late)
    assert main(["check", str(tmp_path / "strict.json"), str(tmp_path / "plan.json")]) == 1
    said = capsys.readouterr().out
    for rule in ("age", "window", "length"):
        assert re.search(
            rf"^FAULT {rule}: visit {first.visit_id} carer {first.carer_id}: ", said, re.MULTILINE
        )
    assert "FAULT snapshot: " in said


# what is done to a plan, and the rule that the checker must name
TAMPERED: dict[str, Callable[[Plan], Plan]] = {
    "bound": lambda p: replace(p, bound=p.objective - 1),
    "objective": lambda p: replace(p, objective=p.objective + 1),
    "unmet": lambda p: replace(p, unmet=()),
    "unknown": lambda p: replace(p, assignments=(replace(p.assignments[0], carer_id=UUID(int=1)), *p.assignments[1:])),
    "fixed": lambda p: replace(p, assignments=(replace(p.assignments[0], fixed=True), *p.assignments[1:])),
    "place": lambda p: replace(p, assignments=(replace(p.assignments[0], slot=1), *p.assignments[1:])),
    "overlap": lambda p: replace(
        p, assignments=(*p.assignments, replace(p.assignments[0], visit_id=p.assignments[-1].visit_id))
    ),
    "snapshot": lambda p: replace(p, snapshot_digest="0" * 64),
}  # fmt: skip


@pytest.mark.parametrize("rule", TAMPERED)
def test_a_plan_that_was_tampered_with_is_told(rule: str, small: Snapshot, planned: Plan) -> None:
    assert rule in {fault.rule for fault in judge(small, TAMPERED[rule](planned)).faults}


def changed(where: str, **values: Any) -> Snapshot:
    """The city of two with the first of something changed."""
    first, *others = getattr(TWO, where)
    return replace(TWO, **{where: (replace(first, **values), *others)})


IMPOSSIBLE: dict[str, Snapshot] = {
    "visits of .* is there twice": replace(TWO, visits=TWO.visits[:1] * 2),
    "carers of .* is there twice": replace(TWO, carers=TWO.carers[:1] * 2),
    "one person twice in one capacity": changed("carers", person_id=TWO.carers[1].person_id),
    "no such visit": replace(TWO, fixed=(replace(HELD, visit_id=UUID(int=5)),)),
    "no such carer": replace(TWO, fixed=(replace(HELD, carer_id=UUID(int=5)),)),
    "no such line": replace(TWO, fixed=(replace(HELD, line_id=UUID(int=5)),)),
    "forbidden of .* no such visit": replace(TWO, forbidden=((UUID(int=5), UUID(int=6)),)),
    "swapped": changed("visits", place=(32.27, 119.18)),
    "end_place of .* not a WGS-84": changed("visits", end_place=(float("nan"), 32.27)),
    "base of .* not a WGS-84": changed("carers", base=(float("inf"), 32.27)),
    "place of .* not a WGS-84": changed("visits", place=(181.0, 32.27)),
    "minutes of .* lasts": changed("visits", minutes=-30),
    "ends before it starts or spans": changed("visits", latest_start=599),
    "a free interval ends before": changed("carers", windows=((700, 600),)),
    "free intervals are not in order": changed("carers", windows=((600, 700), (700, 800))),
    "outside the horizon": changed("visits", earliest_start=DAY, latest_start=DAY),
    "daily_minutes of .* is not between": changed("carers", daily_minutes=-1),
    "used minutes": changed("carers", used_daily=(-5,)),
    "free of .* units": changed("lines", free=-1),
    "the line ends before it begins": changed("lines", valid_to=date(2020, 1, 1)),
    "to somebody": changed("visits", resident_ids=()),
    "horizon has": replace(TWO, days=8),
    "no such rule": replace(TWO, overrides=(("speed.hover", 9),)),
    "speed.walk: 0 is not": replace(TWO, overrides=(("speed.walk", 0),)),
    "travel.minute: 1 is not": replace(TWO, overrides=(("travel.minute", 1),)),
    "fixed.start of": replace(TWO, fixed=(replace(HELD, end=600),)),
    "late_from of .* within its window": changed("visits", late_from=661),
    "later windows and a limit of lateness need": changed("visits", late_most=5),
    "later_windows of .* over before they open": changed("visits", late_from=610, later_windows=((630, 590),)),
    "who start together have one window": changed("visits", carers=2, late_from=610, late_most=5),
    "late_most of .* below zero": changed("visits", late_from=610, late_most=-1),
    "shifts of .* in order": changed("carers", shifts=((600, 700), (700, 800))),
    "the person has another capacity": replace(
        changed("carers", shifts=((600, 700),)),
        carers=(
            replace(TWO.carers[0], shifts=((600, 700),)),
            replace(TWO.carers[1], person_id=TWO.carers[0].person_id, capacity=Capacity.VOLUNTEER),
        ),
    ),
    "overtime_most of .* below zero": changed("carers", overtime_most=-1),
    "meal_break of": changed("carers", meal_break=MealBreak(700, 600, 30)),
    "follows of .* or itself": changed("visits", follows=Follows(TWO.visits[0].visit_id, 0, 0)),
    "follows of .* no such visit": changed("visits", follows=Follows(UUID(int=5), 0, 0)),
    "the most is below the least": changed("visits", follows=Follows(TWO.visits[1].visit_id, 9, 8)),
    "windows are never so far apart": changed("visits", follows=Follows(TWO.visits[1].visit_id, 90, 99)),
    "for one carer": changed("visits", carers=2, follows=Follows(TWO.visits[1].visit_id, 0, 9)),
    "only one visit follows": replace(
        TWO, visits=tuple(replace(v, follows=Follows(TWO.visits[1 - n].visit_id, 0, 9)) for n, v in enumerate(TWO.visits))
    ),
    "no base to start at": changed("carers", base=None, starts_at_base=True),
    "ends_at of .* swapped": changed("carers", ends_at=(32.27, 119.18)),
    "ways of .* columns": replace(TWO, ways=((0, 1),)),
    "ways of .* is not between": replace(TWO, ways=((-1,),)),
    "ways, a place is a row": replace(TWO, ways=((0,),)),
    "ways have no row 7": changed("carers", ends_at=7),
    "parts of a minute need ways": replace(TWO, ticks=60),
    "a minute has": replace(TWO, ticks=0),
}  # fmt: skip


@pytest.mark.parametrize("why", IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_name(why: str) -> None:
    with pytest.raises(SnapshotRefused, match=why):
        refuse_impossible(IMPOSSIBLE[why])


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a wrong input is answered with."""
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_a_fixed_pair_that_breaks_a_rule_is_refused_before_solving(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = city([visit(0, place=ISLAND, lifting=True)], [carer(0, age=76)], fixed=(HELD,))
    file, out = tmp_path / "held.json", str(tmp_path / "plan.json")
    write_snapshot(file, held)
    said = refused(["solve", str(file), "--out", out], capsys)
    assert str(HELD.visit_id) in said
    assert str(HELD.carer_id) in said
    assert "breaks age" in said
    started = replace(held, fixed=(replace(HELD, kind=FixedKind.STARTED),))
    assert judge(started, solve(started, Limits(rounds=1))).faults == ()


def test_a_wrong_file_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = json.loads('{"format":"linli.matcher.snapshot","version":1,"snapshot":' + to_json(TWO) + "}")
    typo, newer, foreign = (json.loads(json.dumps(good)) for _ in range(3))
    typo["snapshot"]["visits"][1]["mintues"] = 30
    newer["version"] = 4
    foreign["snapshot"]["visits"][0]["skills"] = ["juggling"]
    not_a_number = json.dumps(good).replace("119.18", "NaN", 1)
    expected = {
        json.dumps(typo): r"snapshot.visits\[1\].mintues: no such field",
        json.dumps(newer): "version: Input should be 1, 2 or 3",
        json.dumps(foreign): r"snapshot.visits\[0\].skills\[0\]: Input should be",
        not_a_number: "not a WGS-84",
        "{": "Invalid JSON",
        "": "Invalid JSON",
        "[]": "not a snapshot",
        "\x1f\u008b": "damaged gzip",
    }
    for text, why in expected.items():
        file = tmp_path / "wrong.json"
        file.write_bytes(text.encode("latin-1"))
        assert re.search(why, refused(["check", str(file), str(file)], capsys)), text[:80]
    assert "No such file" in refused(["check", "/nowhere.json", "x"], capsys)
    assert "No such file" in refused(["sample", "--size", "small", "--out", "/nowhere/x.json"], capsys)


def test_a_limit_counts_from_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was spent before the solver could begin is not there twice: of a call ten minutes ago only the last second is left."""
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: time.monotonic() - 600))
    plan = worker.solve_apart(
        sample_snapshot(Size.TIGHT, 1, date(2026, 11, 23)), Limits(seconds=600, explained=0)
    )
    assert plan.stopped_by == "seconds"
    assert plan.work.seconds < 300


@pytest.mark.parametrize(
    "wrong", [["--seconds", "-1"], ["--memory", "lots"], ["--rounds", "0"], ["--seconds", "nan"]]
)
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["solve", "x", "--out", "y", *wrong])
    assert ended.value.code == 2


def test_files_keep_to_their_schemas_and_survive_writing(
    tmp_path: Path, small: Snapshot, planned: Plan
) -> None:
    snapshot_schema, plan_schema = (json.loads(text) for text in schemas().values())
    for name, thing, schema, write, read in (
        ("snapshot.json", small, snapshot_schema, write_snapshot, read_snapshot),
        ("plan.json.gz", planned, plan_schema, write_plan, read_plan),
    ):
        file = tmp_path / name
        write(file, thing)  # type: ignore[operator]
        once = file.read_bytes()
        assert read(file) == thing
        write(file, read(file))  # type: ignore[operator]
        assert file.read_bytes() == once
        text = gzip.decompress(once) if name.endswith(".gz") else once
        Draft202012Validator(schema).validate(json.loads(text))
    backwards = json.loads(to_json(TWO))
    backwards["visits"][0]["minutes"] = -1
    file_of_it = {"format": "linli.matcher.snapshot", "version": 1, "snapshot": backwards}
    assert not Draft202012Validator(snapshot_schema).is_valid(file_of_it)


def test_the_words_of_the_schemas_are_about_fields_that_there_are() -> None:
    known: dict[str, set[str]] = {}
    for text in schemas().values():
        schema = json.loads(text)
        parts = {**schema["$defs"], schema["title"]: schema}
        known |= {name: set(part["properties"]) for name, part in parts.items() if "properties" in part}
    assert known == {name: set(words) for name, words in WORDS.items()}


def test_the_readme_says_how_it_is(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert example
    (tmp_path / "example.json").write_text(example[1])
    snapshot = read_snapshot(tmp_path / "example.json")
    assert not solve(snapshot, Limits(rounds=2)).unmet
    for rule in RULES.values():
        assert f"`{rule.rule_id}` {rule.value}" in README
