"""Purchases: two hundred bids in the deadline's last second, lists of many calls, and a whole package's verification."""

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

from sqlalchemy import func, select, text

from services.projects.bids.tables import SubmissionRow
from services.projects.calls.tables import CallRow, LotLineRow
from services.projects.package.verify import verify
from shared.contracts.codes import Role
from shared.database.server import EmbeddedServer, ensure_databases
from shared.ids import new_id
from shared.web.schemas import encode_cursor
from tests.bidding import Bidder, Published, open_by, published
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

BIDS = 200
PAGES = 300
PAGE = 100_000  # bytes, as a scanner writes them
CALLS = 5_000  # a city's in ten years
TIMES = 20


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


MANY = (
    "INSERT INTO call SELECT (jsonb_populate_record(c, jsonb_build_object('call_id', gen_random_uuid(), 'state', 'draft',"
    " 'number', 'ZC-' || n, 'published_at', c.published_at - n * interval '17 hours'))).*"
    " FROM call c, generate_series(1, :calls) n",
    "INSERT INTO lot SELECT (jsonb_populate_record(l, jsonb_build_object('lot_id', gen_random_uuid(),"
    " 'call_id', c.call_id))).* FROM lot l, call c WHERE c.state = 'draft'",
    "INSERT INTO lot_line SELECT (jsonb_populate_record(x, jsonb_build_object('lot_line_id', gen_random_uuid(),"
    " 'lot_id', l.lot_id))).* FROM lot_line x, lot l JOIN call c USING (call_id) WHERE c.state = 'draft'",
    "UPDATE call SET state = 'published' WHERE state = 'draft'",
)


def call_list() -> dict[str, Any]:
    """Of 5,000 public calls: a page of the newest, of the last, by service and community; and an organisation's own."""
    with _service() as service:
        call = published(service)
        bidder = Bidder(call)
        with service.database.work() as work:
            for statement in MANY:
                work.session.execute(text(statement), {"calls": CALLS})
            community = work.session.scalars(select(LotLineRow.community_ids).limit(1)).one()[0]
            oldest = work.session.scalars(select(func.min(CallRow.published_at))).one()
        with service.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        public = service.as_(None)
        back = encode_cursor(oldest + timedelta(days=30), new_id())
        own = f"/organisations/{bidder.organisation_id}/calls"
        lists = {
            "newest": (public, "/public/calls?limit=50"),
            "oldest": (public, f"/public/calls?limit=50&cursor={back}"),
            "by_service_and_community": (
                public,
                f"/public/calls?limit=50&kind=care&community_id={community}",
            ),
            "an_organisations": (bidder.session, own),
        }
        return {"calls": CALLS} | {f"{name}_ms": _asked(who, path) for name, (who, path) in lists.items()}


def _asked(who: Any, path: str) -> dict[str, float]:
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        answer = who.get(path)
        times.append(time.perf_counter() - began)
        answer.raise_for_status()
        said = answer.json()
        assert said["items"] if isinstance(said, dict) else said
    times.sort()
    return {"median": round(times[TIMES // 2] * 1000, 1), "slowest": round(times[-1] * 1000, 1)}
