"""Outbox, relay, bus, consumer and jobs over real databases: in order, once in effect, nothing lost."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import MetaData, select, text

from shared.contracts.registry import Event, Kind, Topic
from shared.database.migrate import configurations
from shared.database.vault import Vault
from shared.database.work import Database, Job, Work
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from shared.messaging.consumer import Consumer
from shared.messaging.handlers import Handlers, Retry
from shared.messaging.jobs import JobRunner
from shared.messaging.relay import Relay, waiting
from shared.messaging.tables import DeadLetter, JobLease, LaneLease, ParkedKey
from tests.conftest import NewDatabase
from tests.support import KEY

STATES = Topic("test.states", Kind.STATE, partitions=4)
ENTRIES = Topic("test.entries", Kind.ENTRY, partitions=4, retention_days=30)


class Told(Event):
    """A state of a thing."""

    TYPE: ClassVar[str] = "linli.test.told.v1"
    TOPIC: ClassVar[Topic] = STATES
    KEY: ClassVar[str] = "thing"
    VERSION: ClassVar[str | None] = "thing_version"

    thing: str
    thing_version: int
    value: str = ""


class Counted(Event):
    """An entry of a thing."""

    TYPE: ClassVar[str] = "linli.test.counted.v1"
    TOPIC: ClassVar[Topic] = ENTRIES
    KEY: ClassVar[str] = "thing"

    thing: str
    number: int


@dataclass
class Post:
    """A database with an outbox, a bus, and a consumer's own database."""

    sender: Database
    taker: Database
    bus: Bus

    def send(self, *events: Event) -> None:
        with self.sender.work() as work:
            for event in events:
                work.emit(event)

    def relay(self) -> None:
        relay = Relay(self.sender, self.bus)
        relay.start()
        until(lambda: not self._waits())
        relay.stop()

    def _waits(self) -> bool:
        with self.sender.work() as work:
            return bool(waiting(work))


def until(done: object, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if done():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.fixture
def postgres_bus(new_database: NewDatabase) -> Iterator[Bus]:
    urls = new_database("bus")
    ensure_schema(urls.owner)
    bus = PostgresBus(urls.app)
    yield bus
    bus.close()


@pytest.fixture
def kafka_bus(kafka_servers: str) -> Iterator[Bus]:
    bus = KafkaBus(kafka_servers, prefix=f"{new_id()}.", session=timedelta(seconds=6))
    yield bus
    bus.close()


@pytest.fixture(params=["postgres_bus", pytest.param("kafka_bus", marks=pytest.mark.kafka)])
def post(request: pytest.FixtureRequest, new_database: NewDatabase) -> Iterator[Post]:
    from alembic import command
    from sqlalchemy import create_engine

    databases = []
    for name in ("sender", "taker"):
        urls = new_database(name)
        engine = create_engine(urls.owner)
        with engine.begin() as connection:
            kernel = configurations(MetaData(), Path("unused"))[0]
            kernel.attributes["connection"] = connection
            command.upgrade(kernel, "heads")
        engine.dispose()
        databases.append(Database(urls.app, name, Vault(KEY)))
    bus = request.getfixturevalue(request.param)
    bus.ensure_topics([STATES, ENTRIES])
    yield Post(*databases, bus)
    for database in databases:
        database.close()


def read_all(post: Post, handlers: Handlers, seconds: float = 15) -> Consumer:
    """Read until nothing is left on the bus."""
    consumer = Consumer(post.taker, post.bus, "taker", handlers)
    consumer.start()
    until(lambda: (lag := post.bus.lag("taker")) and not any(part.waiting for part in lag), seconds)
    time.sleep(0.2)
    consumer.stop()
    return consumer


def test_entries_come_in_the_order_of_their_key_and_once(post: Post) -> None:
    for number in range(30):
        post.send(Counted(thing=f"t{number % 3}", number=number))
    post.relay()
    seen: list[tuple[str, int]] = []
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        seen.append((event.thing, event.number))

    read_all(post, handlers)
    for thing in ("t0", "t1", "t2"):
        numbers = [n for t, n in seen if t == thing]
        assert numbers == sorted(numbers)
    assert len(seen) == 30
    consumer = Consumer(post.taker, post.bus, "taker", handlers)
    again = post.bus.subscribe("other", [ENTRIES.name])
    received = []
    while more := again.poll(100, 1.0):
        received += more
    again.close()
    consumer.take(received)
    assert len(seen) == 30, "what comes again has no effect"


def test_what_is_rolled_back_is_never_told(post: Post) -> None:
    def fails() -> None:
        with post.sender.work() as work:
            work.emit(Counted(thing="a", number=1))
            work.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    post.send(Counted(thing="a", number=2))
    post.relay()
    numbers: list[int] = []
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        numbers.append(event.number)

    read_all(post, handlers)
    assert numbers == [2]


def test_an_older_state_is_ignored_and_a_tombstone_forgets(post: Post) -> None:
    kept: dict[str, str] = {}
    handlers = Handlers()

    @handlers.on(Told)
    def told(work: Work, event: Told) -> None:
        kept[event.thing] = event.value

    @handlers.on_deleted(Told)
    def gone(work: Work, key: str) -> None:
        kept.pop(key, None)

    post.send(Told(thing="a", thing_version=2, value="new"))
    post.relay()
    read_all(post, handlers)
    post.send(Told(thing="a", thing_version=1, value="old"))
    post.relay()
    read_all(post, handlers)
    assert kept == {"a": "new"}
    with post.sender.work() as work:
        work.emit_deleted(Told, "a", 3)
    post.relay()
    read_all(post, handlers)
    assert kept == {}


def test_a_key_that_must_wait_is_parked_in_order_and_others_go_on(post: Post) -> None:
    seen: list[tuple[str, int]] = []
    ready = False
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        if event.thing == "slow" and not ready:
            raise Retry("not yet")
        seen.append((event.thing, event.number))

    post.send(*(Counted(thing=thing, number=n) for n in range(3) for thing in ("slow", "quick")))
    post.relay()
    consumer = read_all(post, handlers)
    # A batch that failed is done again: its transaction was given up, this list was not.
    assert list(dict.fromkeys(seen)) == [("quick", 0), ("quick", 1), ("quick", 2)]
    with post.taker.work() as work:
        assert [row.key for row in work.session.scalars(select(ParkedKey))] == ["slow"]
        work.session.execute(text("UPDATE parked_key SET retry_at = now() - interval '1 second'"))
    ready = True
    assert consumer.retry_parked() == 1
    assert [n for thing, n in seen if thing == "slow"] == [0, 1, 2]


def test_a_poisonous_entry_holds_its_key_and_a_state_goes_on(post: Post) -> None:
    seen: list[str] = []
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        if event.number == 1:
            raise ValueError("this one never")
        seen.append(f"entry {event.number}")

    @handlers.on(Told)
    def told(work: Work, event: Told) -> None:
        if event.thing_version == 1:
            raise ValueError("this one never")
        seen.append(f"state {event.thing_version}")

    post.send(*(Counted(thing="a", number=n) for n in range(3)))
    post.relay()
    read_all(post, handlers)
    post.send(Told(thing="a", thing_version=1))
    post.relay()
    read_all(post, handlers)
    post.send(Told(thing="a", thing_version=2))
    post.relay()
    read_all(post, handlers)
    assert list(dict.fromkeys(seen)) == ["entry 0", "state 2"], (
        "a batch may run again; nothing else had an effect"
    )
    with post.taker.work() as work:
        assert len(work.session.scalars(select(DeadLetter)).all()) == 2
        assert [row.held for row in work.session.scalars(select(ParkedKey))] == [True]


def test_two_relays_share_the_lanes_and_one_takes_over(post: Post) -> None:
    first, second = Relay(post.sender, post.bus), Relay(post.sender, post.bus)
    first.start()
    until(lambda: len(_owners(post, first.owner)) == 32)
    second.start()
    until(lambda: len(_owners(post, second.owner)) == 16)
    first.stop()
    until(lambda: len(_owners(post, second.owner)) == 32, 5)
    second.stop()


def _owners(post: Post, owner: UUID) -> list[int]:
    with post.sender.work() as work:
        rows = work.session.scalars(select(LaneLease.lane).where(LaneLease.owner == owner))
        return list(rows)


def test_a_job_runs_once_when_due_and_keeps_its_last_problem(post: Post) -> None:
    ran: list[str] = []

    def good(database: Database) -> None:
        ran.append("good")

    def bad(database: Database) -> None:
        raise ValueError

    jobs = (Job("good", timedelta(hours=1), good), Job("bad", timedelta(hours=1), bad))
    assert sorted(JobRunner(post.sender, jobs).run_due()) == ["bad", "good"]
    assert JobRunner(post.sender, jobs).run_due() == []
    assert ran == ["good"]
    with post.sender.work() as work:
        assert work.session.get_one(JobLease, "bad").problem == "ValueError"


def test_an_event_too_large_is_refused_with_its_command(post: Post) -> None:
    with pytest.raises(ValueError, match="bytes"):
        post.send(Told(thing=str(new_id()), thing_version=1, value="长" * 400_000))
