"""The solver from files alone, without server, database or settings (docs/matcher/README.md).

Exit codes: 0 all is well, 1 the plan has faults, 2 the input or the command is wrong, 3 the solver gave no plan.
"""

import argparse
import contextlib
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from threading import Event
from types import FrameType

from services.matcher.files.formats import BadFile, read_plan, read_snapshot, write_plan, write_snapshot
from services.matcher.solver.plan import Limits, Plan, Progress
from services.matcher.solver.snapshot import Snapshot, digest

FIRST_DAY = date(2026, 11, 23)  # a Monday
_FORMATS = ("linli", "hhcrsp", "uhhc")
FINE, FAULTS, WRONG, NO_PLAN = range(4)
_USUAL = Limits()
_ROUNDS = 10**6
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except BadFile as error:
        say(str(error))
        return WRONG
    except BrokenPipeError:
        sys.stderr.close()
        return WRONG
    return code


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.matcher",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    sample = commands.add_parser("sample", help="write a snapshot of the sample city")
    sample.add_argument(
        "--size", required=True, choices=("small", "town", "city", "province", "week", "tight")
    )
    sample.add_argument("--seed", type=int, default=1, help="which city (default 1)")
    sample.add_argument(
        "--day", type=_day, default=FIRST_DAY, help=f"the first day, YYYY-MM-DD (default {FIRST_DAY})"
    )
    sample.add_argument("--out", type=Path, required=True, metavar="SNAPSHOT.json[.gz]")
    sample.set_defaults(run=_sample)
    solve = commands.add_parser("solve", help="plan a snapshot; Ctrl-C writes the best plan so far")
    solve.add_argument("snapshot", type=Path, metavar="SNAPSHOT.json[.gz]")
    solve.add_argument(
        "--seconds",
        type=_seconds,
        default=60.0,
        help="of starting the solver and solving, without compiling (default 60)",
    )
    solve.add_argument("--memory", type=_memory, default=4096, help="of the solver, as 4GiB (the default)")
    solve.add_argument(
        "--seed", type=int, default=1, help="0 or more; the same seed, the same plan (default 1)"
    )
    solve.add_argument(
        "--rounds",
        type=_rounds,
        default=_ROUNDS,
        help="of work a day; reproducible where --seconds is not (default: no limit)",
    )
    solve.add_argument("--threads", type=_rounds, default=_USUAL.threads)
    solve.add_argument("--format", choices=_FORMATS, default="linli", help="of both files (default linli)")
    solve.add_argument("--out", type=Path, required=True, metavar="PLAN.json[.gz]")
    solve.set_defaults(run=_solve)
    convert = commands.add_parser("convert", help="a benchmark's instance as a snapshot; its plan as routes")
    convert.add_argument("instance", type=Path, metavar="INSTANCE.json[.gz]")
    convert.add_argument(
        "--plan", type=Path, metavar="PLAN.json[.gz]", help="of the snapshot: write its routes instead"
    )
    convert.add_argument("--format", choices=_FORMATS[1:], required=True, help="of the instance")
    convert.add_argument("--out", type=Path, required=True, metavar="SNAPSHOT.json[.gz]")
    convert.set_defaults(run=_convert)
    check = commands.add_parser("check", help="judge a plan independently of the solver")
    check.add_argument("snapshot", type=Path, metavar="SNAPSHOT.json[.gz]")
    check.add_argument("plan", type=Path, metavar="PLAN.json[.gz]")
    check.add_argument("--format", choices=_FORMATS, default="linli", help="of both files (default linli)")
    check.set_defaults(run=_check)
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a day (YYYY-MM-DD): {text}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds <= 10**6:
        raise argparse.ArgumentTypeError(f"not a number of seconds above 0: {text}")
    return seconds


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 10**6:
        raise argparse.ArgumentTypeError(f"not a number from 1 on: {text}")
    return int(text)


def _memory(text: str) -> int:
    """Megabytes, from 4GiB, 512MiB, 2G or plain bytes."""
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([KMG]?)(?:i?B)?", text, re.IGNORECASE)
    megabytes = int(float(found[1]) * _UNITS[found[2].upper()] / 2**20) if found else 0
    if megabytes < 1:
        raise argparse.ArgumentTypeError(f"not an amount of memory such as 4GiB: {text}")
    return megabytes


def _sample(options: argparse.Namespace) -> int:
    from services.matcher.plans.sample_snapshot import sample_snapshot
    from shared.sample import Size

    began = time.monotonic()
    snapshot = sample_snapshot(Size(options.size), options.seed, options.day)
    write_snapshot(options.out, snapshot)
    say(f"{options.out}: {_size(snapshot)}, {time.monotonic() - began:.1f} s")
    return FINE


def _size(snapshot: Snapshot) -> str:
    return f"{len(snapshot.visits):,} visits, {len(snapshot.carers):,} carers, {snapshot.days} day(s)"


def _solve(options: argparse.Namespace) -> int:
    from services.matcher.files.benchmarks import read_problem
    from services.matcher.solver.rules import broken_fixed
    from services.matcher.solver.worker import SolveFailed, solve_apart

    if options.seed < 0:
        raise BadFile("--seed: 0 or more")
    if not options.out.parent.is_dir():
        raise BadFile(f"{options.out}: No such directory")
    began = time.monotonic()
    problem = None if options.format == "linli" else read_problem(options.format, options.snapshot)
    snapshot = read_snapshot(options.snapshot) if problem is None else problem.snapshot
    for pair in broken_fixed(snapshot):
        rules = ", ".join(pair.rules)
        raise BadFile(
            f"{options.snapshot}: fixed pair of visit {pair.visit_id} and carer {pair.carer_id} breaks {rules}"
        )
    say(f"{options.snapshot}: {_size(snapshot)}, read in {time.monotonic() - began:.1f} s")
    limits = Limits(options.rounds, options.seconds, options.memory, options.threads, seed=options.seed)
    with _asked_to_stop() as stopped:
        try:
            plan = solve_apart(snapshot, limits, progress=_show, stop=stopped.is_set)
        except SolveFailed as error:
            say(f"no plan: {error}")
            return NO_PLAN
    if problem is None:
        write_plan(options.out, plan)
    elif left_out := problem.left_out(plan):
        say(f"no plan: {left_out}")
        return NO_PLAN
    else:
        say(f"{options.out}: cost {problem.write_routes(options.out, plan):,.3f}")
    say(
        f"{options.out}: {_summary(snapshot, plan)}; stopped by: {plan.stopped_by}; {plan.work.seconds:.1f} s"
    )
    return FINE


def _convert(options: argparse.Namespace) -> int:
    from services.matcher.files.benchmarks import read_problem

    problem = read_problem(options.format, options.instance)
    if options.plan is not None:
        plan = read_plan(options.plan)
        if plan.snapshot_digest != digest(problem.snapshot):
            raise BadFile(f"{options.plan}: not a plan of {options.instance}")
        say(f"{options.out}: cost {problem.write_routes(options.out, plan):,.3f}")
        return FINE
    write_snapshot(options.out, problem.snapshot)
    say(f"{options.out}: {_size(problem.snapshot)}")
    return FINE


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[Event]:
    """Set by the first Ctrl-C (or termination); the second ends the program as ever."""
    asked = Event()

    def hear(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])
        say("stopping: the best plan so far will be written (once more: end without it)")

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show(progress: Progress) -> None:
    bound = progress.bound
    known = "" if bound is None else f", bound {bound:,}, gap {_gap(progress.best, bound)}"
    days = f", day {progress.day + 1} of {progress.days}" if progress.days > 1 else ""
    say(
        f"{progress.seconds:8.1f} s  {progress.step}{days}, round {progress.round}: {progress.best:,} points{known}"
    )


def _gap(best: int, bound: int) -> str:
    return f"{100 * (bound - best) / bound:.2f} %" if bound > 0 else "0.00 %"


def _summary(snapshot: Snapshot, plan: Plan) -> str:
    served = len(snapshot.visits) - len(plan.unmet)
    return (
        f"{served:,} of {len(snapshot.visits):,} visits served, {plan.objective:,} points, "
        f"bound {plan.bound:,}, gap {_gap(plan.objective, plan.bound)}"
    )


def _check(options: argparse.Namespace) -> int:
    from services.matcher.checker import judge

    if options.format != "linli":
        return _check_routes(options)
    snapshot, plan = read_snapshot(options.snapshot), read_plan(options.plan)
    found = judge(snapshot, plan)
    print(f"{options.plan}: {_summary(snapshot, plan)}")
    for rule, points in found.by_rule.items():
        print(f"  {rule:12} {points:>12,}")
    print(f"  {'objective':12} {found.objective:>12,}")
    for fault in found.faults:
        print(f"FAULT {fault}")
    print(f"{len(found.faults)} faults" if found.faults else "no faults")
    return FAULTS if found.faults else FINE


def _check_routes(options: argparse.Namespace) -> int:
    from services.matcher.files.benchmarks import judge_routes

    found, costs = judge_routes(options.format, options.snapshot, options.plan)
    for fault in found:
        print(f"FAULT {fault}")
    for line in costs:
        print(line)
    print(f"{len(found)} faults" if found else "no faults")
    return FAULTS if found else FINE


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("ended")
        sys.exit(130)
