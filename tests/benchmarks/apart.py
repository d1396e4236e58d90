"""The deployed shape, measured: from a post to the matcher's row, from a no to the next invitation, back after a kill.

Kafka and PostgreSQL are real, every service its own process. Moments of effect are the databases' own commit times.
"""

import http.client
import itertools
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from shared.clock import wall_day
from shared.database.server import EmbeddedServer
from tests.apart import Deployment, deployed, superuser_url
from tests.faults.checker import Databases
from tests.faults.clients import Desk, History
from tests.faults.running import shift_to_daylight
from tests.faults.schedule import Fault
from tests.faults.servers import Servers, faulty_city
from tools.broker import Cluster

FAR_AHEAD = 60  # days: beyond every published plan, so that a post is a post and asks nobody
CLIENTS = 40  # posts under way at once, at most
BACK = 0.9  # of the rate before


class Poster:
    """Posts needs at a steady rate and notes when each was sent and acknowledged."""

    def __init__(self, desk: Desk, addresses: Sequence[str], ahead_days: int = FAR_AHEAD) -> None:
        self._desk = desk
        self._addresses = itertools.cycle(urlsplit(address).netloc for address in addresses)
        centre = next(m["scope_id"] for m in desk.account["memberships"] if m["role"] == "centre_staff")
        listed = desk.ask("daycare", "/residents", centre_id=centre, limit=200)
        self._residents = [r["person_id"] for r in listed["items"]]
        self._first = wall_day(datetime.now(UTC)) + timedelta(days=ahead_days)
        self.sent: dict[str, float] = {}  # by need
        self.answered: dict[str, float] = {}  # seconds, by need
        self.acknowledged: list[float] = []
        self._mine = threading.local()  # each thread's connection

    def post_for(self, rate: float, seconds: float, stopping: threading.Event | None = None) -> None:
        """Post at the rate for so long; what fails is sent again under its key until it is acknowledged."""
        stopping = stopping or threading.Event()
        began, posts = time.perf_counter(), []
        with ThreadPoolExecutor(CLIENTS) as clients:
            for number in range(int(rate * seconds)):
                if stopping.wait(max(0.0, began + number / rate - time.perf_counter())):
                    break
                posts.append(clients.submit(self._post, number))
        for post in posts:
            post.result()

    def _post(self, number: int) -> None:
        body = {
            "resident_ids": [self._residents[number % len(self._residents)]],
            "kind": "companionship",
            "first_day": (self._first + timedelta(days=number % 40)).isoformat(),
            "earliest": f"{8 + number % 9:02}:00",
            "latest": f"{8 + number % 9:02}:30",
        }
        headers = {
            "Authorization": f"Bearer {self._desk.token()}",
            "Idempotency-Key": str(uuid4()),
            "Content-Type": "application/json",
        }
        began = time.time()
        while True:
            try:
                status, answer = self._send(json.dumps(body), headers)
            except (OSError, http.client.HTTPException):
                self._mine.connection = None
            else:
                if status < 500:
                    break
            time.sleep(0.1)
        if status >= 400:
            raise RuntimeError(f"{status} {answer!r}")
        self.acknowledged.append(time.time())
        need = json.loads(answer)["id"]
        self.sent[need], self.answered[need] = began, self.acknowledged[-1] - began

    def _send(self, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """On this thread's connection. httpx took 11 ms of a core for each post, half of what the services have."""
        if getattr(self._mine, "connection", None) is None:
            self._mine.connection = http.client.HTTPConnection(next(self._addresses), timeout=10)
        self._mine.connection.request("POST", "/needs", body, headers)
        answer = self._mine.connection.getresponse()
        return answer.status, answer.read()


def arrivals(databases: Databases) -> dict[str, float]:
    """When each need's visit stood in the matcher's projection: the commit of the event's effect."""
    taken = dict(
        databases.rows(
            "matcher",
            "SELECT event_id::text, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 FROM inbox",
        )
    )
    told = databases.rows(
        "daycare",
        "SELECT o.event_id::text, v.need_id::text FROM outbox o JOIN visit v ON v.visit_id::text = o.key "
        "WHERE o.type LIKE '%%visit_changed%%' ORDER BY o.pos",
    )
    found: dict[str, float] = {}
    for event, need in told:
        if event in taken:
            found.setdefault(need, taken[event])
    return found


@contextmanager
def city(
    size: str, split: tuple[str, ...] = ("matcher",), second: tuple[str, ...] = (), **settings: str
) -> Iterator[tuple[Deployment, EmbeddedServer]]:
    """A loaded city apart, over one broker and one database server."""
    folder = Path(mkdtemp(prefix="linli-bench-"))
    folder.chmod(0o711)
    shift = shift_to_daylight(datetime.now(UTC)).total_seconds()
    with (
        EmbeddedServer(folder / "data", settings={"track_commit_timestamp": "on"}) as server,
        Cluster(folder / "kafka") as kafka,
        deployed(
            superuser_url(server),
            kafka.servers,
            folder,
            clock_shift=shift,
            split=split,
            second=second,
            settings={"LINLI_READY_LAG": "100000", **settings},
            sample=size,
        ) as deployment,
    ):
        yield deployment, server


def signed_in(address: Callable[[str], str], username: str = "centre") -> Desk:
    desk = Desk(address, username, History(), threading.Event())
    desk.token()
    return desk


def posted_to_projected(rate: float = 50, seconds: float = 30) -> dict[str, Any]:
    """Milliseconds from the start of a post of a need to the commit of its row in the matcher's projection.

    Two processes answer for daycare, as in `k8s/base`; a third relays.
    """
    with city("small", split=("matcher", "daycare"), second=("daycare",)) as (deployment, server):
        poster = Poster(signed_in(deployment.address), deployment.addresses("daycare"))
        poster.post_for(10, 5)
        poster.sent.clear()
        poster.post_for(rate, seconds)
        databases = Databases(server)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not poster.sent.keys() <= arrivals(databases).keys():
            time.sleep(1)
        there = arrivals(databases)
    took = sorted(there[need] - began for need, began in poster.sent.items())
    span = max(poster.sent.values()) - min(poster.sent.values())
    answered = sorted(poster.answered[need] for need in poster.sent)
    return {
        "posts": len(took),
        "answered_p50_ms": round(1000 * statistics.median(answered)),
        "answered_p99_ms": round(1000 * answered[int(len(answered) * 0.99) - 1]),
        "per_second": round(len(took) / span, 1),
        "p50_ms": round(1000 * statistics.median(took)),
        "p99_ms": round(1000 * took[int(len(took) * 0.99) - 1]),
        "slowest_ms": round(1000 * took[-1]),
    }


def declined_to_next(size: str = "city", times: int = 40) -> dict[str, Any]:
    """Seconds from the no of one person to the invitation of the next, as the call list shows it.

    `backlog_seconds`: how long the dispatcher took before for the hundreds of noes that the sample begins with.
    """
    with city(size) as (deployment, server):
        backlog = _until_few_are_sought(Databases(server))
        desk = signed_in(deployment.address, "bureau")
        towns = desk.ask("community", "/towns")["items"]
        took: list[float] = []
        left_unmet = 0
        for town in towns:
            if len(took) >= times:
                break
            offers = desk.ask("matcher", "/offers", town_id=town["town_id"], open=True, limit=200)["items"]
            here = 0
            for offer in (o for o in offers if len(o["visits"]) == 1):
                visit = offer["visits"][0]["visit_id"]
                asked = _asked(desk, visit)
                if (
                    len(asked) != 1
                ):  # of several who are asked at once one may say no, and nobody else is sought
                    continue
                here += 1
                if here > times // len(towns) + 2:
                    break
                began = time.perf_counter()
                path = f"/offers/{offer['offer_id']}/decline"
                done = desk.do("decline", "matcher", path, {"why": "not_this_time", "taken_from": "本人"})
                if not done.acknowledged:
                    continue
                seconds = _until_another_is_asked(desk, visit, asked, began)
                if seconds is None:
                    left_unmet += 1
                else:
                    took.append(seconds)
    took.sort()
    return {
        "size": size,
        "backlog_seconds": round(backlog, 1),
        "declines": len(took) + left_unmet,
        "nobody_else": left_unmet,
        "median_seconds": round(statistics.median(took), 2),
        "p95_seconds": round(took[int(len(took) * 0.95) - 1], 2),
        "slowest_seconds": round(took[-1], 2),
    }


def _until_few_are_sought(databases: Databases, few: int = 5, looks: int = 20) -> float:
    """Until only a few visits wait for somebody to be asked: offers lapse all the time. Seconds until then."""
    waiting = """
        SELECT count(*) FROM visit v JOIN published_day d ON d.day = v.day AND d.town_id = v.town_id
        WHERE v.waiting_since IS NOT NULL AND v.status = 'open'
    """
    began, quiet = time.perf_counter(), 0
    while quiet < looks:
        time.sleep(0.5)
        quiet = quiet + 1 if databases.one("matcher", waiting) <= few else 0
        if time.perf_counter() - began > 900:
            raise TimeoutError("the dispatcher does not come to rest")
    return time.perf_counter() - began


def _asked(desk: Desk, visit: str) -> set[str]:
    found = desk.ask("matcher", "/staffing", visit_ids=visit)["items"]
    return {place["assignment_id"] for item in found for place in item["places"]}


def _until_another_is_asked(desk: Desk, visit: str, before: set[str], began: float) -> float | None:
    """None when the visit is unmet: nobody else can come."""
    while time.perf_counter() - began < 30:
        for item in desk.ask("matcher", "/staffing", visit_ids=visit)["items"]:
            if {place["assignment_id"] for place in item["places"]} - before:
                return time.perf_counter() - began
            if item["unmet"]:
                return None
        time.sleep(0.02)
    raise TimeoutError(f"nobody was asked for {visit}")


def recovery(rate: float = 10, before: float = 40, after: float = 25) -> dict[str, Any]:
    """Seconds after SIGKILL until effects come again at nine tenths of the rate before."""
    folder = Path(mkdtemp(prefix="linli-bench-"))
    folder.chmod(0o711)
    shift = shift_to_daylight(datetime.now(UTC)).total_seconds()
    figures: dict[str, Any] = {"rate": rate}
    with faulty_city(folder, clock_shift=shift, size="small", commit_times=True) as servers:
        databases = Databases(servers.postgres)
        desk = signed_in(servers.address)
        for name, fault in (
            ("service daycare-api", Fault(0, "kill", "service", "daycare-api", 0)),
            ("service matcher-worker", Fault(0, "kill", "service", "matcher-worker", 0)),
            ("one broker of three", Fault(0, "kill", "broker", "1", 12)),
            ("PostgreSQL", Fault(0, "kill", "database", "postgres", 1)),
        ):
            figures[name] = _recovered(servers, databases, desk, fault, rate, before, after)
    return figures


def _recovered(
    servers: Servers,
    databases: Databases,
    desk: Desk,
    fault: Fault,
    rate: float,
    before: float,
    after: float,
) -> dict[str, Any]:
    poster = Poster(desk, [servers.address("daycare")])
    posting = threading.Thread(target=poster.post_for, args=(rate, before + after))
    posting.start()
    time.sleep(before)
    killed = time.time()
    servers.let_happen(fault).result()
    posting.join()
    servers.running.wait_ready()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not poster.sent.keys() <= arrivals(databases).keys():
        time.sleep(1)
    there = arrivals(databases)
    effects = sorted(there[need] for need in poster.sent)
    return {
        "acknowledged_again_seconds": back_at(sorted(poster.acknowledged), killed),
        "effects_again_seconds": back_at(effects, killed),
    }


def back_at(moments: list[float], killed: float) -> float | None:
    """Seconds after `killed` from which three whole seconds on end each have nine tenths of the rate of half a minute before.

    A burst that catches up does not make up for the silence before it.
    """
    usual = sum(killed - 30 <= m < killed for m in moments) / 30
    for tenth in range(600):
        begin = killed + tenth / 10
        if begin + 3 > moments[-1]:
            break
        seconds = [sum(begin + n <= m < begin + n + 1 for m in moments) for n in range(3)]
        if min(seconds) >= BACK * usual:
            return round(begin - killed, 1)
    return None
