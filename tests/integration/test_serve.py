"""One service as a process of its own: what it refuses to start with, what it waits for, how it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services import declarations
from services.serving import Background
from shared.contracts.areas import CalendarDay
from shared.database.migrate import upgrade
from shared.database.vault import Vault
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.bus.port import AGGREGATE_VERSION, ID, TYPE, Message
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from shared.messaging.handlers import Handlers
from tests.apart import ROOT, Process
from tests.conftest import NewDatabase
from tests.proxy import Line, line
from tests.support import KEY
from tools.broker import free_port

pytestmark = pytest.mark.postgres


def through(url: str, way: Line) -> str:
    """A database's URL by way of a line."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return url.replace(f"@{parts.hostname}:{parts.port}", f"@127.0.0.1:{way.port}")


def eventually(process: Process, status: int, text: str, seconds: float = 30) -> None:
    deadline, said = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{process.address}/readyz", timeout=20)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        said = answer.text
        if answer.status_code == status and text in said:
            return
        time.sleep(0.1)
    raise AssertionError(
        f"/readyz never said {status} {text}, last {said}: {process.log.read_text()[-1000:]}"
    )


def figures(process: Process, *expected: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        shown = httpx.get(f"{process.address}/metrics").text.splitlines()
        if set(expected) <= set(shown):
            return
        time.sleep(0.1)
    raise AssertionError(f"/metrics never shows {expected}")


@pytest.fixture
def city(new_database: NewDatabase, tmp_path: Path) -> Iterator[tuple[Process, Line, Line, str]]:
    """`community` as a process whose database and bus are reached by lines that a test cuts; nothing is migrated."""
    urls, log = new_database("empty"), new_database("bus")
    ensure_schema(log.owner)
    there = urlsplit(urls.app)
    assert there.hostname is not None
    assert there.port is not None
    with line(there.hostname, there.port) as database, line(there.hostname, there.port) as bus:
        port = free_port()
        process = Process(
            "community",
            ["serve", "community"],
            {
                "LINLI_DATABASE_URL": through(urls.app, database),
                "LINLI_BUS_URL": through(log.app, bus),
                "LINLI_INSTALLATION_KEY": KEY.hex(),
                "LINLI_LISTEN": f"127.0.0.1:{port}",
                "LINLI_TRACES": "http://127.0.0.1:9",  # a collector that is away: nobody waits for it
            },
            f"http://127.0.0.1:{port}",
            tmp_path / "community.log",
        )
        yield process, database, bus, urls.owner
        process.send(signal.SIGKILL)


def test_every_fault_of_the_settings_is_said_and_nothing_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services", "serve", "daycare"],
        cwd=ROOT,
        env={**os.environ, "LINLI_POOL": "x", "LINLI_SECRETS": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    for name in ("DATABASE_URL", "INSTALLATION_KEY", "KAFKA", "POOL", "SECRETS"):
        assert f"LINLI_{name}" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_waits_for_what_is_away_says_so_and_goes_on_by_itself(
    city: tuple[Process, Line, Line, str],
) -> None:
    process, database, bus, owner = city
    database.cut()
    bus.cut()
    process.start()
    eventually(process, 503, "no database")
    assert httpx.get(f"{process.address}/healthz").status_code == 200
    database.mend()
    eventually(process, 503, "not migrated")
    declared = declarations.service("community")
    upgrade(owner, declared.metadata, declarations.migrations("community"))
    eventually(process, 503, "no bus")
    bus.mend()
    eventually(process, 200, "ready")
    figures(process, 'linli_ready{service="community"} 1.0', 'linli_outbox_waiting{service="community"} 0.0')
    database.cut()
    eventually(process, 503, "no database")
    database.mend()
    eventually(process, 200, "ready")
    assert process.alive


def test_told_to_end_it_finishes_what_was_begun_within_ten_seconds(
    city: tuple[Process, Line, Line, str],
) -> None:
    process, database, _, owner = city
    declared = declarations.service("community")
    upgrade(owner, declared.metadata, declarations.migrations("community"))
    process.start()
    eventually(process, 200, "ready")
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.get(f"{process.address}/readyz", timeout=20).status_code)

    database.slow(0.25)
    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)  # the request is on its way to the database
    taken = process.stop(within=10)
    asking.join()
    assert answers == [200]
    assert taken < 10
    assert process.process is not None
    assert process.process.returncode == 0
    assert '"ended"' in process.log.read_text()


def test_a_worker_far_behind_is_not_ready(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.messaging.consumer.NOTE_SECONDS", 0.1)
    urls, log = new_database("empty"), new_database("bus")
    ensure_schema(log.owner)
    declared = declarations.service("community")
    upgrade(urls.owner, declared.metadata, declarations.migrations("community"))
    database, bus = Database(urls.app, "community", Vault(KEY)), PostgresBus(log.app)
    may_go_on, handlers = threading.Event(), Handlers()

    @handlers.on(CalendarDay)
    def wait(work: Work, event: CalendarDay) -> None:
        may_go_on.wait(30)

    reader = type(declared)("community", "", declared.metadata, (), handlers=handlers)
    background = Background(reader, "worker", database, bus, most_waiting=3)
    background.start()

    def until(says: str | None) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and background.ready() != says:
            time.sleep(0.05)
        assert background.ready() == says

    try:
        until(None)
        bus.publish([_day(number) for number in range(10)])
        until("10 events wait")
        may_go_on.set()
        until(None)
    finally:
        may_go_on.set()
        background.stop()
        bus.close()
        database.close()


def _day(number: int) -> Message:
    day = CalendarDay(
        day=date(2026, 1, 1) + timedelta(days=number), day_version=1, workday=False, name="假日"
    )
    headers = {ID: str(new_id()), TYPE: day.TYPE, AGGREGATE_VERSION: "1"}
    return Message(day.TOPIC.name, day.key, headers, day.model_dump_json().encode())
