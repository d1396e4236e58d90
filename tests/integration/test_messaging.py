"""Outbox, relay, bus, consumer and jobs over real databases: in order, once in effect, nothing lost."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest
from alembic import command
from kafka import KafkaProducer
from sqlalchemy import MetaData, create_engine, select, text

from shared.contracts.registry import Event, Kind, Topic
from shared.database.migrate import configurations
from shared.database.vault import Vault
from shared.database.work import Database, Job, Work
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import MAX_MESSAGE_BYTES, Bus, Message
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
    yield from posts(new_database, request.getfixturevalue(request.param))


def posts(new_database: NewDatabase, bus: Bus) -> Iterator[Post]:
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
    consumer.applier.take(received)
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
    assert consumer.applier.retry_parked() == 1
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


def good(thing: str, number: int, **headers: str) -> Message:
    """An entry as it travels; `headers` replace or, empty, take away."""
    event = Counted(thing=thing, number=number)
    made = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_type": Counted.TYPE,
        "ce_source": "linli/test",
        "ce_aggregateversion": "0",
        **headers,
    }
    kept = {name: value for name, value in made.items() if value}
    return Message(ENTRIES.name, thing, kept, event.model_dump_json().encode())


def letters(post: Post) -> dict[str, str]:
    """Reasons of the dead letters, by key."""
    with post.taker.work() as work:
        rows = work.session.scalars(select(DeadLetter).order_by(DeadLetter.id)).all()
    return {row.key: row.reason for row in rows}


def counting(seen: list[tuple[str, int]]) -> Handlers:
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        seen.append((event.thing, event.number))

    @handlers.on(Told)
    def told(work: Work, event: Told) -> None:
        seen.append((event.thing, event.thing_version))

    return handlers


BAD: dict[str, tuple[Message, str]] = {
    "no id": (good("no id", 1, ce_id=""), "no ce_id"),
    "id": (good("id", 1, ce_id="7"), "ce_id is no UUID"),
    "no type": (good("no type", 1, ce_type=""), "no type"),
    "type": (good("type", 1, ce_type="linli.test.nobody_knows.v1"), "unknown type"),
    "topic": (good("topic", 1, ce_type=Told.TYPE), "travels on test.states"),
    "version": (good("version", 1, ce_aggregateversion="new"), "no version"),
    "huge": (good("huge", 1, ce_aggregateversion="9" * 30), "no version"),
    "no value": (replace(good("no value", 1), value=None), "without a value"),
    "other": (replace(good("another's", 1), key="other"), "wrongly keyed"),
    "no json": (replace(good("no json", 1), value=b"\xff{not json"), "unreadable"),
    "field": (replace(good("field", 1), value=b'{"thing": "field"}'), "number: missing"),
    "nul": (replace(good("nul", 1), value=b'{"thing": "nul", "number": "\\u0000"}'), "number: int_parsing"),
}


def test_bad_events_stop_nobody_and_are_in_the_dead_letters_with_their_reason(post: Post) -> None:
    """Each between two good events of its partition, which come through; the events read again add nothing."""
    seen: list[tuple[str, int]] = []
    handlers = counting(seen)
    sent = [message for bad, _ in BAD.values() for message in (good(bad.key, 0), bad)]
    post.bus.publish([*sent, *(good(f"after {n}", n) for n in range(12))])
    bad_state = Message(STATES.name, "state", {"ce_id": str(new_id()), "ce_type": Told.TYPE}, b"{}")
    newer = Told(thing="other state", thing_version=7).model_dump_json().encode()
    headers = {"ce_id": str(new_id()), "ce_type": Told.TYPE, "ce_aggregateversion": "99"}
    misversioned = Message(STATES.name, "other state", headers, newer)
    post.bus.publish([bad_state, misversioned])
    post.send(Told(thing="other state", thing_version=8), Told(thing="state", thing_version=1))
    post.relay()
    read_all(post, handlers)
    assert {key for key, number in seen if number == 0} == set(BAD) | {"after 0"}
    assert {("other state", 8), ("state", 1), *((f"after {n}", n) for n in range(12))} <= set(seen)
    found = letters(post)
    assert set(found) == {*BAD, "state", "other state"}
    for key, (_, reason) in BAD.items():
        assert reason in found[key]
    assert "no version" in found["state"]
    with post.taker.work() as work:
        before = work.session.execute(text("SELECT count(*) FROM dead_letter")).scalar_one()
        held = set(work.session.scalars(select(ParkedKey.key)))
    assert held == {"no json", "field", "nul"}, "only an entry that is somebody's for certain holds its key"
    post.bus.reset("taker")
    read_all(post, handlers)
    with post.taker.work() as work:
        assert work.session.execute(text("SELECT count(*) FROM dead_letter")).scalar_one() == before


@pytest.mark.kafka
def test_what_only_a_foreign_program_can_write_is_a_dead_letter_too(
    kafka_bus: KafkaBus, kafka_servers: str, new_database: NewDatabase
) -> None:
    post = next(made := posts(new_database, kafka_bus))
    producer = KafkaProducer(bootstrap_servers=kafka_servers, max_request_size=2 * MAX_MESSAGE_BYTES)
    place = kafka_bus.prefix + ENTRIES.name
    event = Counted(thing="a", number=0).model_dump_json().encode()
    plain = [(name, value.encode()) for name, value in good("a", 0).headers.items()]
    large = good("large", 0)
    seen: list[tuple[str, int]] = []
    for key, value, headers in (
        (None, event, plain),
        (b"", event, plain),
        (b"\xff\xfe", event, plain),
        (b"a\0b", event, plain),
        (b"a", event, [*plain, ("note", b"\xff\xfe")]),
        (b"a", event, [*plain, ("note", b"a\0b")]),
        (b"a", event, None),
        (large.key.encode(), b" " * (MAX_MESSAGE_BYTES + 1), plain),
    ):
        producer.send(place, key=key, value=value, headers=headers, partition=0)
    producer.send(place, key=b"a", value=event, headers=plain, partition=0)
    producer.flush()
    producer.close()
    read_all(post, counting(seen))
    assert seen == [("a", 0)] or set(seen) == {("a", 0)}
    with post.taker.work() as work:
        reasons = [r.reason for r in work.session.scalars(select(DeadLetter).order_by(DeadLetter.offset))]
    assert len(reasons) == 8
    for reason, expected in zip(
        reasons,
        (
            "no key",
            "own key",
            "the key is no",
            "the key is no",
            "note is no",
            "note is no",
            "no ce_id",
            "over the limit",
        ),
        strict=True,
    ):
        assert expected in reason
    next(made, None)
