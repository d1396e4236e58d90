"""One run: the city comes up, people work, faults happen, all is mended and drained, and then it is checked."""

import signal
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from typing import Any

from services import declarations
from shared.clock import instant, wall
from tests.faults.checker import HEARING, WAITING, Before, Databases, check, on_the_way
from tests.faults.clients import Crowd, Desk, History
from tests.faults.schedule import Fault, schedule
from tests.faults.servers import Servers, faulty_city

WORKDAY = wall_time(9, 30)  # people are awake and available
DRAIN_SECONDS = 180.0


def shift_to_daylight(now: datetime) -> timedelta:
    """How far back 09:30 in the city lies, on the last day that was not a weekend."""
    local = wall(now)
    day = local.date() - timedelta(days=local.time() < WORKDAY)
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    return instant(day, WORKDAY) - now


def run(seed: int, seconds: float, rate: float, folder: Path) -> dict[str, Any]:
    """Run a seed for so many seconds. What was done, what happened, and what does not hold."""
    shift = shift_to_daylight(datetime.now(UTC))
    with faulty_city(folder, clock_shift=shift.total_seconds()) as servers:
        databases = Databases(servers.postgres)
        before = Before(databases)
        history, stopping = History(), threading.Event()
        desk = Desk(servers.address, "centre", history, stopping)
        desk.token()
        crowd = Crowd(desk, seed, rate, lambda: datetime.now(UTC) + shift)
        faults = schedule(seed, seconds, sorted(servers.running.processes), sorted(declarations.NAMES))
        began = time.monotonic()
        crowd.start()
        happened = _let_happen(servers, faults, began, seconds)
        stopping.set()
        crowd.join()
        servers.mend()
        drained = _drain(servers, databases, desk, history)
        findings = check(databases, history, before)
        if drained is None:
            findings.left_over.append(f"not drained within {DRAIN_SECONDS:.0f} s")
        return {
            "seed": seed,
            "seconds": seconds,
            "rate": rate,
            "faults": [fault.said for fault in happened],
            "commands": history.counts(),
            "restarts": {n: p.starts - 1 for n, p in servers.running.processes.items() if p.starts > 1},
            "drained_seconds": drained,
            "findings": findings.said,
            "failed": bool(findings),
            "folder": str(folder),
        }


def _let_happen(servers: Servers, faults: list[Fault], began: float, seconds: float) -> list[Fault]:
    happened: list[Fault] = []
    under_way: list[Future[None]] = []
    for fault in faults:
        time.sleep(max(0.0, began + fault.at - time.monotonic()))
        if time.monotonic() - began >= seconds:
            break
        under_way.append(servers.let_happen(fault))
        happened.append(fault)
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    for each in under_way:
        each.result()
    return happened


def _drain(servers: Servers, databases: Databases, desk: Desk, history: History) -> float | None:
    """Everybody gets an answer, every event arrives. Seconds it took; None when it did not end."""
    began = time.monotonic()

    def enough() -> bool:
        return time.monotonic() - began > DRAIN_SECONDS

    try:
        servers.running.wait_ready(seconds=DRAIN_SECONDS)
        for command in history.open():
            desk.settle(command, enough)
    finally:
        if enough():  # who waits for whom is worth more than that somebody does
            for row in databases.rows("identity", WAITING):
                print(*row, flush=True)
    calm = 0
    while calm < 4 and not enough():
        waiting = on_the_way(databases) + _behind(servers)
        calm = calm + 1 if not waiting else 0
        time.sleep(0.5)
    if calm < 4:  # what everybody is doing goes to their logs: where who is stuck is stuck
        for process in servers.running.processes.values():
            process.send(signal.SIGUSR1)
        time.sleep(1)
    return round(time.monotonic() - began, 1) if calm >= 4 else None


def _behind(servers: Servers) -> int:
    return sum(part.waiting for name in HEARING for part in servers.bus.lag(name))
