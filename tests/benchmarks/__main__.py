"""`make bench`: figures of this machine, printed and kept as JSON in .linli/bench.json. ARGS names parts of it.

`ARGS="others --size town tight --seeds 5"`: of `plan` and `others` also which days, how many of each (the medians are told)
and how long a plan may take.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import httpx

from services.matcher.__main__ import FIRST_DAY
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver.plan import Limits
from services.matcher.solver.worker import SolveFailed, solve_apart
from shared.database.server import EmbeddedServer
from shared.sample import SAMPLE_PASSWORD, Size
from tests.benchmarks import apart, bids, declines, hhcrsp, messaging, others, uhhc
from tools.broker import Cluster

KEPT = Path(__file__).resolve().parents[2] / ".linli" / "bench.json"
PORT = 8971
ADDRESS = f"http://127.0.0.1:{PORT}"
BUSY = ("/centre", "/my", "/plan")


# what the parent does after it is to fit in too; others: 60
SECONDS = {"city": 18.0, "tight": 32.0, "week": 177.0, "province": 287.0}
MEGABYTES = 14_000  # what a province may have


def plan(size: str, seconds: float, seed: int) -> dict[str, Any]:
    """Time, memory, coverage, bound and gap of one day's plan, its process's start and compiling included."""
    snapshot = sample_snapshot(Size(size), seed, FIRST_DAY)
    began = time.perf_counter()
    try:
        solved = solve_apart(snapshot, Limits(seconds=seconds, megabytes=MEGABYTES))
    except SolveFailed as failed:
        return {"failed": str(failed), "seconds": round(time.perf_counter() - began, 1)}
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "solver_seconds": round(solved.work.seconds, 1),
        "megabytes": solved.work.peak_megabytes,
        "served": len(snapshot.visits) - len(solved.unmet),
        "visits": len(snapshot.visits),
        "objective": solved.objective,
        "bound": solved.bound,
        "gap_percent": round(solved.gap_ppm / 10_000, 3),
        "stopped_by": solved.stopped_by,
    }


def start(folder: Path, size: str) -> tuple[subprocess.Popen[bytes], float]:
    """Start the product. The process, and seconds until it answers."""
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "services",
        "up",
        "--size",
        size,
        "--port",
        str(PORT),
        "--data",
        str(folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while True:
        try:
            if httpx.get(f"{ADDRESS}/healthz", timeout=2).status_code == 200:
                return process, round(time.perf_counter() - began, 1)
        except httpx.TransportError:
            time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=60)


def signed_in(username: str) -> httpx.Client:
    client = httpx.Client(base_url=ADDRESS, follow_redirects=True, timeout=60)
    client.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD}).raise_for_status()
    return client


def pages() -> dict[str, Any]:
    """Requests a second and p50/p99 of the three busiest pages, and 200 page loads at once."""
    readers = dict(zip(BUSY, (signed_in(u) for u in ("centre", "volunteer", "planner")), strict=True))

    def load(path: str) -> float:
        began = time.perf_counter()
        readers[path].get(path).raise_for_status()
        return time.perf_counter() - began

    result: dict[str, Any] = {}
    for path in BUSY:
        began = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            times = sorted(pool.map(load, [path] * 60))
        result[path] = {
            "per_second": round(60 / (time.perf_counter() - began), 1),
            "p50_ms": round(statistics.median(times) * 1000),
            "p99_ms": round(times[int(len(times) * 0.99) - 1] * 1000),
        }
    began = time.perf_counter()
    with ThreadPoolExecutor(200) as pool:
        times = sorted(pool.map(load, [BUSY[n % 3] for n in range(200)]))
    result["200_at_once"] = {
        "seconds": round(time.perf_counter() - began, 1),
        "slowest_ms": round(times[-1] * 1000),
    }
    return result


def posted_to_offered(times: int = 5) -> dict[str, Any]:
    """Seconds from a need's form to the offer that the centre sees, inside the published horizon."""
    centre = signed_in("centre")
    seconds = []
    for number in range(times):
        form = centre.get("/centre/needs/new").text
        residents = re.findall(r'name="resident_ids" value="([0-9a-f-]{36})"', form)
        need = {
            **dict(re.findall(r'<input type="hidden" name="(_\w+)" value="([^"]*)"', form)),
            "resident_ids": residents[7 * number],
            "kind": "companionship",
            "first_day": (date.today() + timedelta(days=2)).isoformat(),
            "earliest": "14:00",
            "latest": "16:00",
        }
        began = time.perf_counter()
        page = centre.post("/centre/needs/new", data=need)
        while not re.search("已邀请|已排定|未能安排", page.text) and time.perf_counter() - began < 60:
            time.sleep(0.1)
            page = centre.get(str(page.url))
        seconds.append(round(time.perf_counter() - began, 1))
    return {"median_seconds": statistics.median(seconds), "all": seconds}


def product() -> dict[str, Any]:
    """Everything in one process: start times, pages, and from a need to its offer."""
    figures: dict[str, Any] = {}
    with TemporaryDirectory(prefix="linli-bench-") as folder:
        process, first = start(Path(folder), "town")
        figures["first_start_town_seconds"] = first
        try:
            figures["pages"] = pages()
            figures["need_posted_to_offer_visible"] = posted_to_offered()
        finally:
            stop(process)
        process, second = start(Path(folder), "town")
        figures["second_start_town_seconds"] = second
        stop(process)
    return figures


def events() -> dict[str, Any]:
    """Relay, consumer and latency over a real broker."""
    folder = Path(mkdtemp(prefix="linli-bench-"))
    folder.chmod(0o711)
    with EmbeddedServer(folder / "data") as server, Cluster(folder / "kafka") as kafka:
        return {
            "relay": messaging.relay(kafka.servers, server),
            "consumer": messaging.consume(kafka.servers, server),
            "latency": messaging.latency(kafka.servers, server),
        }


def plans(asked: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for size in asked.size or ("town", "city"):
        limit = asked.seconds or SECONDS.get(size, 60.0)

        def run(seed: int, size: str = size, limit: float = limit) -> dict[str, Any]:
            figures = plan(size, limit, seed)
            print(size, seed, json.dumps(figures), file=sys.stderr, flush=True)
            return figures

        found[size] = {"at": _now(), "seconds_allowed": limit, **others.repeated(run, asked.seeds)}
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def beside(asked: argparse.Namespace) -> dict[str, Any]:
    return others.side_by_side(asked.size or ("town", "tight"), asked.seeds, asked.seconds)


ASKED = {"plan": plans, "others": beside}
PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "product": product,
    "events": events,
    "posted_to_projected": apart.posted_to_projected,
    "recovery": apart.recovery,
    "declined_to_next": apart.declined_to_next,
    "decline": declines.mended,
    "last_second": bids.last_second,
    "call_list": bids.call_list,
    "verify": bids.verification,
    "hhcrsp": hhcrsp.published,
    "uhhc": uhhc.published,
}


def main(arguments: list[str]) -> int:
    """Measure what is named, or all; print, and keep beside what was measured before."""
    parser = argparse.ArgumentParser(
        prog='make bench ARGS="..."', epilog=f"parts: {' '.join([*ASKED, *PARTS])}"
    )
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--size", nargs="+", choices=[*Size])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    asked = parser.parse_args(arguments)
    if unknown := [name for name in asked.parts if name not in ASKED | PARTS]:
        parser.error(f"no such part: {' '.join(unknown)}")
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in asked.parts or [*ASKED, *PARTS]:
        # of days measured one at a time those before stay
        figures = kept.get(name, {}) | ASKED[name](asked) if name in ASKED else PARTS[name]()
        kept[name] = figures | {"at": _now()}
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept, indent=2, ensure_ascii=False))
        print(json.dumps({name: kept[name]}, indent=2, ensure_ascii=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
