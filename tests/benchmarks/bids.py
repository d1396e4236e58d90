"""Sealed bids: two hundred in the deadline's last second, and how long a whole package takes to verify."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

from sqlalchemy import select, text

from services.projects.bids.tables import SubmissionRow
from services.projects.calls.tables import CallRow
from services.projects.package.verify import verify
from shared.contracts.codes import Role
from shared.database.server import EmbeddedServer, ensure_databases
from tests.bidding import Bidder, Published, open_by, published
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

BIDS = 200
PAGES = 300
PAGE = 100_000  # bytes, as a scanner writes them


@contextmanager
def _service(clock: MovableClock | None = None) -> Iterator[ServiceUnderTest]:
    """Projects over a PostgreSQL of its own that waits for its disk."""
    folder = Path(mkdtemp(prefix="linli-bench-"))
    folder.chmod(0o711)
    with EmbeddedServer(folder) as server:
        urls = ensure_databases(server, ["projects"])["projects"]
        with service_under_test("projects", urls, clock) as running:
            yield running


def last_second() -> dict[str, Any]:
    """200 organisations submit at moments of the last second: who is answered what, and what is kept of it."""
    with _service() as service:
        call = published(service)
        bidders = [Bidder(call).begin() for _ in range(BIDS)]
        for n, bidder in enumerate(bidders):
            bidder.write(7_000_000 + n, 8_000_000).raise_for_status()
        versions = [bidder.match() for bidder in bidders]
        with service.database.work() as work:
            row = work.session.get_one(CallRow, call.call_id)
            row.published_at, row.deadline_at = work.now, work.now + timedelta(seconds=3)
        deadline = time.monotonic() + (call.deadline - _now(service)).total_seconds()
        moments = sorted(random.Random(1).uniform(-1, 0) for _ in bidders)
        answers: list[tuple[int, Any, float]] = []

        def hand_in(n: int) -> None:
            time.sleep(max(0.0, deadline + moments[n] - time.monotonic()))
            began = time.perf_counter()
            answer = bidders[n].session.post(
                f"/bids/{bidders[n].bid_id}/submission", json={"alone": True}, headers=versions[n]
            )
            answers.append((answer.status_code, answer.json(), time.perf_counter() - began))

        threads = [threading.Thread(target=hand_in, args=(n,)) for n in range(BIDS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return _kept(service, call, answers, time.monotonic() - deadline)


def _kept(
    service: ServiceUnderTest, call: Published, answers: list[tuple[int, Any, float]], after: float
) -> dict[str, Any]:
    receipts = {body["id"] for status, body, _ in answers if status == 201}
    with service.database.work() as work:
        rows = work.session.scalars(select(SubmissionRow)).all()
        kept = {str(row.submission_id) for row in rows}
        late = sum(row.at >= call.deadline for row in rows)
    times = sorted(seconds for _, _, seconds in answers)
    return {
        "bids": BIDS,
        "answered": len(answers),
        "receipts": len(receipts),
        "refused_as_late": sum(body.get("code") == "submission_late" for _, body, _ in answers),
        "lost": len(receipts ^ kept),
        "late_accepted": late,
        "median_ms": round(times[len(times) // 2] * 1000),
        "slowest_ms": round(times[-1] * 1000),
        "last_answer_after_deadline_seconds": round(after, 2),
    }


def _now(service: ServiceUnderTest) -> datetime:
    with service.database.work() as work:
        return work.session.execute(text("SELECT clock_timestamp()")).scalar_one()


def verification() -> dict[str, Any]:
    """A call's archive with 300 pages of files in its bids: how large, how long to pack and to verify."""
    clock = MovableClock()
    with _service(clock) as service:
        call = published(service)
        bidders = [Bidder(call).begin() for _ in range(6)]
        for bidder in bidders:
            content = b"%PDF-1.7\n" + os.urandom(PAGE * PAGES // len(bidders))
            named = {"File-Name": quote("方案.pdf"), "Content-Type": "application/octet-stream"}
            path = f"/bids/{bidder.bid_id}/files"
            bidder.session.post(path, content=content, headers=named | bidder.match()).raise_for_status()
            bidder.write(7_000_000, 8_000_000).raise_for_status()
            bidder.submit().raise_for_status()
        clock.at = call.deadline
        open_by(call).raise_for_status()
        began = time.perf_counter()
        package = service.as_(caller(Role.AUDITOR)).get(f"/calls/{call.call_id}/package").content
        packed = time.perf_counter()
        results = verify(package)
        return {
            "pages": PAGES,
            "megabytes": round(len(package) / 1e6, 1),
            "packed_seconds": round(packed - began, 2),
            "verified_seconds": round(time.perf_counter() - packed, 2),
            "checks": len(results),
            "failed": [result.what for result in results if result.fault],
        }
