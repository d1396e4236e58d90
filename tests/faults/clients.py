"""People at work: they post needs, say yes and no, withdraw, come and go, confirm and correct, at a steady rate.

Each command has a key of its own and is sent until it is answered: by a 2xx, and then it is acknowledged, or by a
refusal. What was acknowledged is what the checker holds the city to.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from shared.clock import wall, wall_day
from shared.sample import SAMPLE_PASSWORD

KINDS = ("companionship", "digital", "phone_call", "cleaning", "care")
TOKEN_SECONDS = 300.0
Address = Callable[[str], str]


@dataclass
class Command:
    """One thing that somebody wants done, and what became of it."""

    kind: str
    service: str
    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    key: str = field(default_factory=lambda: str(uuid4()))
    tries: int = 0
    asked_at: float = 0.0
    answered_at: float = 0.0
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


class History:
    """Every command of a run."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self._lock = threading.Lock()

    def add(self, command: Command) -> None:
        with self._lock:
            self.commands.append(command)

    def acknowledged(self, kind: str) -> list[Command]:
        return [c for c in self.commands if c.kind == kind and c.acknowledged]

    def open(self) -> list[Command]:
        """Commands of which it is not known what became."""
        return [c for c in self.commands if not c.status]

    def counts(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for c in self.commands:
            row = found.setdefault(c.kind, {"acknowledged": 0, "refused": 0, "open": 0, "tries": 0})
            row["acknowledged" if c.acknowledged else "refused" if c.status else "open"] += 1
            row["tries"] += c.tries
        return found


class Desk:
    """A centre's staff at their programs: one signed-in person, several windows."""

    def __init__(self, address: Address, username: str, history: History, stopping: threading.Event) -> None:
        self._address = address
        self._username = username
        self.history = history
        self.stopping = stopping
        self._client = httpx.Client(timeout=10, limits=httpx.Limits(max_keepalive_connections=20))
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0
        self.account: dict[str, Any] = {}

    def token(self) -> str:
        """An access token; signed in anew when it grows old."""
        with self._lock:
            if time.monotonic() > self._until:
                said = {"username": self._username, "password": SAMPLE_PASSWORD}
                answer = self._client.post(f"{self._address('identity')}/sign-in", json=said)
                answer.raise_for_status()
                self._token = answer.json()["access_token"]
                self.account = answer.json()["account"]
                self._until = time.monotonic() + TOKEN_SECONDS
            return self._token

    def ask(self, service: str, path: str, **params: Any) -> Any:
        """Read something. None while the service does not answer."""
        try:
            answer = self._client.get(
                f"{self._address(service)}{path}",
                params=params,
                headers={"Authorization": f"Bearer {self.token()}"},
            )
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None

    def do(
        self,
        kind: str,
        service: str,
        path: str,
        body: dict[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Command:
        """Want something done, and see to it until it is answered or the run is over."""
        command = Command(kind, service, "POST", path, body, dict(headers or {}), asked_at=time.time())
        self.history.add(command)
        self.settle(command, lambda: self.stopping.is_set())
        return command

    def settle(self, command: Command, enough: Callable[[], bool]) -> None:
        """Send a command, always under its key, until it is answered or it is enough."""
        pause = 0.1
        while True:
            self._send(command)
            if command.status or enough():
                return
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _send(self, command: Command) -> None:
        command.tries += 1
        try:
            answer = self._client.request(
                command.method,
                f"{self._address(command.service)}{command.path}",
                json=command.body,
                headers={
                    "Authorization": f"Bearer {self.token()}",
                    "Idempotency-Key": command.key,
                    **command.headers,
                },
            )
        except httpx.HTTPError:
            return
        if answer.status_code in (401, 429) or answer.status_code >= 500:
            return
        command.status, command.answered_at = answer.status_code, time.time()
        command.answer = answer.json()


class Crowd:
    """All that goes on at a centre, spread over threads, `rate` needs a second and what follows from them."""

    def __init__(self, desk: Desk, seed: int, rate: float, now: Callable[[], datetime]) -> None:
        self.desk = desk
        self._seed = seed
        self._rate = rate
        self._now = now
        scopes = [m["scope_id"] for m in desk.account["memberships"] if m["role"] == "centre_staff"]
        self._centre = scopes[0]
        listed = desk.ask("daycare", "/residents", centre_id=self._centre, limit=200)
        self._residents = [r["person_id"] for r in listed["items"]]
        self._posted: deque[tuple[float, str]] = deque()
        self._seen: set[str] = set()
        self._threads = [
            threading.Thread(target=self._every, args=(1 / rate, self._post), daemon=True),
            threading.Thread(target=self._every, args=(1 / rate, self._cancel), daemon=True),
            threading.Thread(target=self._every, args=(0.5, self._answer), daemon=True),
            threading.Thread(target=self._every, args=(1.0, self._attend), daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=30)

    def _every(self, seconds: float, step: Callable[[random.Random], None]) -> None:
        drawn = random.Random(f"{self._seed} {step.__name__}")
        due = time.monotonic()
        while not self.desk.stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + seconds, time.monotonic() - 5)
            try:
                step(drawn)
            except httpx.HTTPError:
                continue  # not signed in while identity is away

    def _post(self, drawn: random.Random) -> None:
        now = wall(self._now())
        soon = drawn.random() < 0.6
        day: date = now.date() if soon else now.date() + timedelta(days=drawn.choice((1, 1, 2)))
        start = (
            now + timedelta(minutes=drawn.randint(18, 45))
            if soon
            else now + timedelta(minutes=drawn.randint(0, 240))
        )
        earliest = start.replace(second=0, microsecond=0)
        body = {
            "resident_ids": [drawn.choice(self._residents)],
            "kind": drawn.choice(KINDS),
            "first_day": day.isoformat(),
            "earliest": earliest.strftime("%H:%M"),
            "latest": (earliest + timedelta(minutes=10)).strftime("%H:%M"),
            "minutes": 30,
        }
        done = self.desk.do("post", "daycare", "/needs", body)
        if done.acknowledged:
            self._posted.append((time.monotonic(), done.answer["id"]))

    def _cancel(self, drawn: random.Random) -> None:
        """Needs of a while ago are no longer needed, so that people are free again."""
        while self._posted and time.monotonic() - self._posted[0][0] > 25:
            _, need_id = self._posted.popleft()
            if drawn.random() < 0.7:
                self.desk.do("cancel", "daycare", f"/needs/{need_id}/cancel", {"which": "all"})
                return

    def _answer(self, drawn: random.Random) -> None:
        """Call those who were asked; some withdraw later."""
        offers = self.desk.ask("matcher", "/offers", centre_id=self._centre, open=True, limit=100)
        for offer in (offers or {"items": ()})["items"]:
            if offer["offer_id"] in self._seen or self.desk.stopping.is_set():
                continue
            self._seen.add(offer["offer_id"])
            said = drawn.random()
            if said < 0.7:
                path = f"/offers/{offer['offer_id']}/accept"
                done = self.desk.do("accept", "matcher", path, {"taken_from": "本人"})
                if done.acknowledged and drawn.random() < 0.15:
                    path = f"/assignments/{offer['visits'][0]['assignment_id']}/withdraw"
                    self.desk.do("withdraw", "matcher", path, {"reason": "家里有事"})
            elif said < 0.95:
                path = f"/offers/{offer['offer_id']}/decline"
                self.desk.do("decline", "matcher", path, {"why": "not_this_time", "taken_from": "本人"})

    def _attend(self, drawn: random.Random) -> None:
        """Whoever is expected within the hour comes, leaves, is confirmed, and now and then corrected."""
        now = self._now()
        day = wall_day(now).isoformat()
        visits = self.desk.ask("daycare", "/visits", **{"centre_id": self._centre, "from": day, "to": day})
        for visit in (visits or {"items": ()})["items"]:
            for attendance in visit["attendances"]:
                if attendance["state"] != "expected" or self.desk.stopping.is_set():
                    continue
                begins = datetime.fromisoformat(visit["latest_start"])
                if not timedelta(0) < begins - now < timedelta(minutes=58) or drawn.random() < 0.5:
                    continue
                self._come_and_go(visit["visit_id"], attendance, drawn)

    def _come_and_go(self, visit_id: str, attendance: dict[str, Any], drawn: random.Random) -> None:
        person = {"person_id": attendance["person_id"]}
        if not self.desk.do("check-in", "daycare", f"/visits/{visit_id}/check-in", person).acknowledged:
            return
        out = {**person, "outcome": "done"}
        if not self.desk.do("check-out", "daycare", f"/visits/{visit_id}/check-out", out).acknowledged:
            return
        now, minutes = self._now(), drawn.randint(10, 55)
        value = {
            "started_at": (now - timedelta(minutes=minutes, seconds=5)).isoformat(),
            "ended_at": (now - timedelta(seconds=5)).isoformat(),
            "outcome": "done",
        }
        path = f"/attendances/{attendance['attendance_id']}"
        confirmed = self.desk.do("confirm", "daycare", f"{path}/confirm", value)
        if confirmed.acknowledged and drawn.random() < 0.2:
            shorter = {**value, "started_at": (now - timedelta(minutes=5, seconds=5)).isoformat()}
            self.desk.do(
                "correct",
                "daycare",
                f"{path}/correct",
                {**shorter, "reason": "登记时看错了"},
                headers={"If-Match": f'"{confirmed.answer["version"]}"'},
            )
