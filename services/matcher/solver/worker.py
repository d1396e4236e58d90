"""A solve in a process of its own, so that pages stay quick: snapshot in, progress and plan out, over pipes.

`python -m services.matcher.solver.worker` reads one line {limits, snapshot} and writes {compiled}, lines {progress} and one {plan}.
Another line, or the end of its input, tells it to hand over the plan as it stands. With `--compile` it only compiles the
searches, which takes half a minute once on each machine.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from queue import Empty, Queue
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


class SolveCancelled(SolveFailed):
    """Whoever asked for the solve wants it no more: nothing is wrong with the plan."""


def solve_apart(
    snapshot: Snapshot,
    limits: Limits,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Plan:
    """Solve in a child process. Raises SolveFailed with a plain reason when there is no plan.

    `cancelled`: the plan is not wanted any more, SolveCancelled is raised. `stop`: the plan as it stands will do.
    """
    request = json.dumps({"limits": asdict(limits), "snapshot": to_json(snapshot)})
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
        lines: Queue[str | None] = Queue()
        done = threading.Event()
        threads = [
            threading.Thread(target=_feed, args=(child, request, stop, done), daemon=True),
            threading.Thread(target=_read, args=(child, lines), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            return _listen(child, lines, limits, progress, cancelled)
        finally:
            done.set()
            child.kill()
            child.wait()
            for thread in threads:
                thread.join(timeout=5)


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


def _feed(
    child: "subprocess.Popen[str]", request: str, stop: Callable[[], bool] | None, done: threading.Event
) -> None:
    """Tell the child what to solve and, once, to stop."""
    assert child.stdin is not None
    try:
        child.stdin.write(request + "\n")
        child.stdin.flush()
        while not done.wait(TICK_SECONDS):
            if stop is not None and stop():
                child.stdin.write("stop\n")
                child.stdin.flush()
                break
        done.wait()
        child.stdin.close()
    except OSError:
        return  # the child died: whoever listens says so


def _read(child: "subprocess.Popen[str]", lines: "Queue[str | None]") -> None:
    assert child.stdout is not None
    for line in child.stdout:
        lines.put(line)
    lines.put(None)


def _listen(
    child: "subprocess.Popen[str]",
    lines: "Queue[str | None]",
    limits: Limits,
    progress: Callable[[Progress], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Plan:
    waited, patience = 0.0, float(COMPILING_SECONDS)
    while True:
        if cancelled is not None and cancelled():
            raise SolveCancelled("cancelled")
        try:
            line = lines.get(timeout=0.5)
        except Empty:
            waited += 0.5
            if waited > patience:
                raise SolveFailed("the solver did not answer in time") from None
            continue
        if line is None:
            raise SolveFailed(f"the solver's process ended with {child.wait()}")
        said = json.loads(line)
        if "plan" in said:
            return plan_from_json(said["plan"])
        if "failed" in said:
            raise SolveFailed(said["failed"])
        if "compiled" in said:
            waited, patience = 0.0, limits.seconds + SLACK_SECONDS
            continue
        if progress is not None:
            progress(Progress(**said["progress"]))


def main() -> None:
    """The child: solve what standard input holds."""
    os.nice(5)
    if "--compile" in sys.argv:
        compile_searches()
        return
    began = time.monotonic()
    request = json.loads(sys.stdin.readline())
    stop = threading.Event()

    def hear() -> None:
        sys.stdin.readline()
        stop.set()

    threading.Thread(target=hear, daemon=True).start()
    limits = Limits(**request["limits"])
    most = limits.megabytes * 1024 * 1024 * ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    from services.matcher.solver.snapshot_tours import can_be_annealed, compile_tours
    from services.matcher.solver.solve import solve

    out = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is not ours to send

    def say(**said: object) -> None:
        out.write(json.dumps(said) + "\n")
        out.flush()

    snapshot = snapshot_from_json(request["snapshot"])
    read = time.monotonic() - began
    try:
        compile_searches()
        if can_be_annealed(snapshot):
            compile_tours()
        say(compiled=True)
        left = replace(limits, seconds=max(1.0, limits.seconds - read))
        plan = solve(snapshot, left, lambda p: say(progress=asdict(p)), stop.is_set)
    except MemoryError:
        say(failed="the solver ran out of memory")
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}")
    else:
        say(plan=to_json(plan))
    os._exit(0)  # a thread still listens on standard input, which an orderly end would wait for


if __name__ == "__main__":
    main()
