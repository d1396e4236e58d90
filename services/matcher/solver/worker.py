"""A solve in a process of its own, so that pages stay quick: snapshot in, progress and plan out, over pipes.

`python -m services.matcher.solver.worker` reads one line {limits, began, snapshot, asks} and writes {compiled}, lines {progress} and one
{plan}, or {failed}. {stop}, or the end of its input, tells it to hand over the plan as it stands. Where it may ask, it writes
{parts, limits} for what is too big for one linear program; lines {told} with a part's number and progress come back, then {plans}
in the order of the parts. What is null there it plans itself. With `--compile` it only compiles the searches, which takes half a
minute once on each machine.
"""

import contextlib
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol, TextIO
from uuid import UUID

from services.matcher.solver.plan import Limits, Plan, Progress, plan_from_json
from services.matcher.solver.snapshot import SnapCarer, Snapshot, SnapVisit, snapshot_from_json, to_json
from shared.contracts.codes import Capacity, ServiceKind

ROOT = Path(__file__).resolve().parents[3]
SLACK_SECONDS = 60  # beyond the limit: writing
COMPILING_SECONDS = 240  # before it: reading and, once on a machine, compiling
TICK_SECONDS = 0.2
ADDRESS_SPACE = 8  # times the memory limit: Numba and OR-Tools reserve far more than they use


class SolveFailed(RuntimeError):
    """The solve gave no plan: it ran out of memory or time, or its process died."""


class SolverDied(SolveFailed):
    """The child ended without a word, as one that a machine's memory was too small for."""


class SolveCancelled(SolveFailed):
    """Whoever asked for the solve wants it no more: nothing is wrong with the plan."""


class Workers(Protocol):
    """Have parts (snapshots as JSON) planned elsewhere: their plans as JSON, in order; None for what nobody took.

    All within the seconds of `limits`. `told`: a part's number and progress. `gone`: nobody waits for the plans any more.
    """

    def __call__(
        self,
        parts: Sequence[str],
        limits: Limits,
        told: Callable[[int, Progress], None],
        stop: Callable[[], bool],
        gone: Callable[[], bool],
    ) -> list[str | None]: ...


def solve_apart(
    snapshot: Snapshot | str,
    limits: Limits,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stop: Callable[[], bool] | None = None,
    elsewhere: Workers | None = None,
) -> Plan:
    """Solve a snapshot, or its JSON, in a child process. Raises SolveFailed with a plain reason when there is no plan.

    `cancelled`: the plan is not wanted any more, SolveCancelled is raised. `stop`: the plan as it stands will do.
    `elsewhere`: who is asked for the parts of what is too big for one linear program; None: the child plans them.
    The limit's seconds are counted from here, without compiling.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env=_environment(),
            text=True,
            process_group=0,  # a Ctrl-C at a terminal is the parent's to pass on
        )
        apart = _Apart(child, limits, progress, cancelled, stop, elsewhere)
        try:
            text = snapshot if isinstance(snapshot, str) else to_json(snapshot)  # while the child imports
            request = {
                "limits": asdict(limits),
                "began": began,
                "snapshot": text,
                "asks": elsewhere is not None,
            }
            return apart.run(request)
        finally:
            apart.end()


@contextmanager
def compiling() -> Iterator[None]:
    """Have the searches compiled by another process meanwhile, so that the first plan need not wait for it."""
    child = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, "--compile"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=_environment(),
    )
    try:
        yield
    finally:
        child.kill()
        child.wait()


def compile_searches() -> None:
    """Solve the smallest snapshot there is with a volunteer and a tour: everything compiled is then called once."""
    from services.matcher.solver.solve import solve

    ids = [UUID(int=number) for number in range(6)]
    here, day = (119.18, 32.27), date(2026, 1, 5)
    times = ((480, 1020),)
    solve(
        Snapshot(
            ids[0],
            datetime(2026, 1, 1, tzinfo=UTC),
            day,
            1,
            (SnapVisit(ids[1], 1, (ids[2],), ids[2], ServiceKind.COMPANIONSHIP, 540, 600, 30, place=here),),
            (
                SnapCarer(ids[3], 1, ids[3], Capacity.VOLUNTEER, base=here, windows=times),
                SnapCarer(ids[4], 1, ids[4], Capacity.STIPENDED, base=here, windows=times),
            ),
        ),
        Limits(seconds=600),
    )


def _environment() -> dict[str, str]:
    """The child's environment: compiled code is kept where this user may write, outside the sources."""
    cache = Path(
        os.environ.get("NUMBA_CACHE_DIR")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linli" / "numba"
    )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            raise PermissionError
    except OSError:
        cache = _writable(cache)
    return {**os.environ, "NUMBA_CACHE_DIR": str(cache)}


def _writable(compiled: Path) -> Path:
    """A copy of what was compiled when a read-only image was built: Numba reads only where it may write."""
    copy = Path(tempfile.gettempdir()) / "linli-numba"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp())
        if compiled.is_dir():
            shutil.copytree(compiled, unfinished, dirs_exist_ok=True)
        with contextlib.suppress(OSError):  # another of this process's threads was quicker
            unfinished.rename(copy)
    return copy


class _Apart:
    """A solve in a child process, as its parent sees it."""

    def __init__(
        self,
        child: "subprocess.Popen[str]",
        limits: Limits,
        progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool] | None,
        stop: Callable[[], bool] | None,
        elsewhere: Workers | None,
    ) -> None:
        self._child = child
        self._limits = limits
        self._progress = progress
        self._cancelled = cancelled
        self._stop = stop
        self._elsewhere = elsewhere
        self._said: Queue[str | Exception | None] = Queue()
        self._over = threading.Event()
        self._writing = threading.Lock()
        self._asking: threading.Thread | None = None
        self._threads: list[threading.Thread] = []

    def run(self, request: dict[str, Any]) -> Plan:
        self._start(self._read)
        self._start(lambda: self._feed(request))
        return self._listen()

    def end(self) -> None:
        self._over.set()
        self._child.kill()
        self._child.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _start(self, act: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _feed(self, request: dict[str, Any]) -> None:
        """Tell the child what to solve and, once, to stop."""
        self._tell(request)
        while not self._over.wait(TICK_SECONDS):
            if self._stop is not None and self._stop():
                self._tell({"stop": True})
                return

    def _tell(self, said: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        line = json.dumps(said) + "\n"
        with contextlib.suppress(OSError), self._writing:  # the child died: whoever listens says so
            self._child.stdin.write(line)
            self._child.stdin.flush()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._said.put(line)
        self._said.put(None)

    def _listen(self) -> Plan:
        waited, patience = 0.0, float(COMPILING_SECONDS)
        while True:
            if self._cancelled is not None and self._cancelled():
                raise SolveCancelled("cancelled")
            try:
                line = self._said.get(timeout=0.5)
            except Empty:
                if self._asking is None or not self._asking.is_alive():  # others keep their own time
                    waited += 0.5
                if waited > patience:
                    raise SolveFailed("the solver did not answer in time") from None
                continue
            if isinstance(line, Exception):
                raise line
            if line is None:
                raise SolverDied(f"the solver's process ended with {self._child.wait()}")
            said = json.loads(line)
            if "plan" in said:
                return plan_from_json(said["plan"])
            if "failed" in said:
                raise SolveFailed(said["failed"])
            if "compiled" in said:
                waited, patience = 0.0, self._limits.seconds + SLACK_SECONDS
            elif "parts" in said:
                parts, within = said["parts"], Limits(**said["limits"])
                self._asking = self._start(lambda parts=parts, within=within: self._ask(parts, within))  # type: ignore[misc]
            elif self._progress is not None:
                self._progress(Progress(**said["progress"]))

    def _ask(self, parts: list[str], limits: Limits) -> None:
        """Have others plan parts while the child waits."""
        assert self._elsewhere is not None

        def told(number: int, progress: Progress) -> None:
            self._tell({"told": [number, asdict(progress)]})

        def stopped() -> bool:
            return self._stop is not None and self._stop()

        try:
            plans = self._elsewhere(parts, limits, told, stopped, self._over.is_set)
        except Exception as error:
            self._said.put(error)
        else:
            self._tell({"plans": plans})


class _Parent:
    """A solve's parent, as the child sees it."""

    def __init__(self, source: TextIO, out: TextIO) -> None:
        self.stop = threading.Event()
        self._source = source
        self._out = out
        self._answers: Queue[dict[str, Any]] = Queue()
        self._writing = threading.Lock()

    def say(self, **said: object) -> None:
        line = json.dumps(said) + "\n"
        with self._writing:  # parts that are planned here tell from threads of their own
            self._out.write(line)
            self._out.flush()

    def hear(self) -> None:
        """Listen until the parent is gone."""
        for line in self._source:
            said = json.loads(line)
            if "stop" in said:
                self.stop.set()
            else:
                self._answers.put(said)
        self.stop.set()
        self._answers.put({"plans": None})

    def elsewhere(
        self,
        parts: Sequence[Snapshot],
        limits: Limits,
        told: Callable[[int, Progress], None],
        stop: Callable[[], bool] | None,
    ) -> list[Plan]:
        """areas.Elsewhere: ask the parent, and plan here what it has nobody for."""
        from services.matcher.solver.solve import here

        if not parts:
            return []
        began = time.monotonic()
        self.say(parts=[to_json(part) for part in parts], limits=asdict(limits))
        while "plans" not in (said := self._answers.get()):
            number, progress = said["told"]
            told(number, Progress(**progress))
        plans: list[str | None] = said["plans"] or [None] * len(parts)
        left = [number for number, plan in enumerate(plans) if plan is None]
        within = replace(limits, seconds=max(0.0, limits.seconds - (time.monotonic() - began)))
        mine = iter(here([parts[number] for number in left], within, lambda n, p: told(left[n], p), stop))
        return [next(mine) if plan is None else plan_from_json(plan) for plan in plans]


def main() -> None:
    """The child: solve what standard input holds."""
    os.nice(5)
    gc.disable()  # hundreds of thousands of objects would be looked at over and over, and a plan makes no rings of them
    if "--compile" in sys.argv:
        compile_searches()
        return
    parent = _Parent(sys.stdin, sys.stdout)
    sys.stdout = sys.stderr  # what libraries print is not ours to send
    try:
        plan = _solved(parent)
    except MemoryError:
        parent.say(failed="the solver ran out of memory")
    except Exception as error:
        parent.say(failed=f"{type(error).__name__}: {error}")
    else:
        parent.say(plan=to_json(plan))
    os._exit(0)  # a thread still listens on standard input, which an orderly end would wait for


def _solved(parent: _Parent) -> Plan:
    """The plan that the parent asks for."""
    from services.matcher.solver.snapshot_tours import can_be_annealed, compile_tours
    from services.matcher.solver.solve import solve

    started = time.monotonic()
    compile_searches()  # while the parent writes
    compiling = time.monotonic() - started
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=parent.hear, daemon=True).start()
    limits = Limits(**request["limits"])
    most = limits.megabytes * 1024 * 1024 * ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    snapshot = snapshot_from_json(request["snapshot"])
    elsewhere = parent.elsewhere if request["asks"] else None
    if can_be_annealed(snapshot):
        started = time.monotonic()
        compile_tours()
        compiling += time.monotonic() - started
    parent.say(compiled=True)
    taken = time.monotonic() - request["began"] - compiling  # both processes see one clock
    left = replace(limits, seconds=max(1.0, limits.seconds - taken))
    return solve(snapshot, left, lambda p: parent.say(progress=asdict(p)), parent.stop.is_set, elsewhere)


if __name__ == "__main__":
    main()
