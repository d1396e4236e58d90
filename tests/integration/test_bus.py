"""The bus's contract (shared/messaging/bus/port.py), unchanged against every adapter of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from shared.contracts.registry import Kind, Topic
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    MAX_MESSAGE_BYTES,
    Bus,
    BusAway,
    Fenced,
    GroupBusy,
    Message,
    Part,
    Received,
    Refused,
    Subscription,
)
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from tests.ageing import age
from tests.conftest import NewDatabase

NewBus = Callable[[], Bus]
PATIENCE = timedelta(seconds=3)


def message(topic: Topic, key: str, number: int, value: bytes | None = b"{}") -> Message:
    return Message(topic.name, key, {"ce_id": str(new_id()), "number": str(number), "名": "王秀英"}, value)


def read(member: Subscription, count: int, seconds: float = 20) -> list[Received]:
    """The next `count` messages."""
    found: list[Received] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        found += member.poll(100, 0.2)
    return found


def following(received: list[Received]) -> dict[Part, int]:
    return {Part(r.topic, r.partition): r.offset + 1 for r in received}


def settle(*members: Subscription, parts: int, seconds: float = 60) -> None:
    """Poll all members, each in its own thread as in life, until together they have every partition once, and stay so."""
    stop = threading.Event()

    def keep(member: Subscription) -> None:
        while not stop.is_set():
            member.pause(member.assigned())
            member.poll(1, 0.1)

    threads = [threading.Thread(target=keep, args=(member,)) for member in members]
    for thread in threads:
        thread.start()
    deadline, calm = time.monotonic() + seconds, 0
    while time.monotonic() < deadline and calm < 10:
        shares = [member.assigned() for member in members]
        even = sum(map(len, shares)) == parts == len(frozenset().union(*shares))
        calm = calm + 1 if all(shares) and even else 0
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    for member in members:
        member.resume(member.assigned())
    assert sum(len(member.assigned()) for member in members) == parts


class BusContract:
    """What services rely on. A subclass brings `new_bus`."""

    @pytest.fixture
    def new_bus(self) -> NewBus:
        raise NotImplementedError

    @pytest.fixture
    def bus(self, new_bus: NewBus) -> Bus:
        return new_bus()

    @pytest.fixture
    def topic(self, bus: Bus) -> Topic:
        made = Topic("test.things", Kind.ENTRY, partitions=6, retention_days=30)
        bus.ensure_topics([made])
        return made

    def test_order_holds_per_key_and_nothing_is_changed_on_the_way(self, bus: Bus, topic: Topic) -> None:
        sent = [message(topic, f"键{n % 7}", n, None if n == 20 else f"第{n}条".encode()) for n in range(100)]
        bus.publish(sent[:50])
        bus.publish(sent[50:])
        member = bus.subscribe("readers", [topic.name])
        received = read(member, 100)
        assert len(received) == 100
        for key in {m.key for m in sent}:
            expected = [(m.key, m.headers, m.value) for m in sent if m.key == key]
            assert [(r.key, r.headers, r.value) for r in received if r.key == key] == expected
        assert len({r.partition for r in received}) > 1

    def test_every_group_reads_everything_from_the_beginning(self, bus: Bus, topic: Topic) -> None:
        bus.publish([message(topic, "a", 1), message(topic, "b", 2)])
        for group in ("first", "second"):
            assert len(read(bus.subscribe(group, [topic.name]), 2)) == 2

    def test_what_was_not_committed_is_read_again_after_a_crash(self, bus: Bus, topic: Topic) -> None:
        bus.publish([message(topic, "a", n) for n in range(4)])
        member = bus.subscribe("readers", [topic.name])
        received = read(member, 4)
        member.commit(following(received[:2]))
        member.close()
        again = read(bus.subscribe("readers", [topic.name]), 2)
        assert [r.headers["number"] for r in again] == ["2", "3"]

    def test_a_member_rewinds_to_what_is_committed(self, bus: Bus, topic: Topic) -> None:
        bus.publish([message(topic, "a", n) for n in range(3)])
        member = bus.subscribe("readers", [topic.name])
        member.commit(following(read(member, 3)[:1]))
        member.rewind()
        assert [r.headers["number"] for r in read(member, 2)] == ["1", "2"]

    @pytest.mark.parametrize("count", [2, 3])
    def test_members_share_the_partitions_and_take_over_from_a_leaver(
        self, bus: Bus, topic: Topic, count: int
    ) -> None:
        members = [bus.subscribe("readers", [topic.name]) for _ in range(count)]
        settle(*members, parts=6)
        assert all(len(member.assigned()) == 6 // count for member in members)
        members[0].close()
        settle(*members[1:], parts=6)

    def test_hand_over_loses_nothing_and_repeats_only_what_was_not_committed(
        self, bus: Bus, topic: Topic
    ) -> None:
        """Two members read while messages come in; one leaves in the middle, a third comes late."""
        seen: list[str] = []
        stop = threading.Event()
        lock = threading.Lock()

        def work(member: Subscription, until: threading.Event) -> None:
            while not until.is_set():
                received = member.poll(20, 0.1)
                if not received:
                    continue
                with lock:
                    seen.extend(r.headers["number"] for r in received)
                try:
                    member.commit(following(received))
                except Fenced:
                    continue
            member.close()

        leaves = threading.Event()
        threads = []
        for until in (leaves, stop):
            member = bus.subscribe("readers", [topic.name])
            threads.append(threading.Thread(target=work, args=(member, until)))
        for thread in threads:
            thread.start()
        for n in range(600):
            if n % 20 == 0:
                bus.publish([message(topic, f"k{k}", k) for k in range(n, n + 20)])
            if n == 200:
                leaves.set()
            if n == 400:
                late = threading.Thread(target=work, args=(bus.subscribe("readers", [topic.name]), stop))
                threads.append(late)
                late.start()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline and len(set(seen)) < 600:
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
        counts = Counter(seen)
        assert set(counts) == {str(n) for n in range(600)}
        assert sum(counts.values()) < 1200, "hand-over reads a batch again, not everything"

    def test_a_member_that_was_silent_too_long_moves_no_offset(self, new_bus: NewBus, topic: Topic) -> None:
        slow, quick = new_bus(), new_bus()
        slow.publish([message(topic, "a", n) for n in range(3)])
        sleeper = slow.subscribe("readers", [topic.name])
        received = read(sleeper, 3)
        other = quick.subscribe("readers", [topic.name])
        taken = read(other, 3, seconds=40)
        assert len(taken) == 3, "the sleeper's partitions were taken over"
        other.commit(following(taken))
        with pytest.raises((Fenced, BusAway)):
            sleeper.commit({part: offset - 2 for part, offset in following(received).items()})
        assert sum(lag.waiting for lag in quick.lag("readers")) == 0

    def test_lag_counts_what_waits_and_a_reset_group_begins_anew(self, bus: Bus, topic: Topic) -> None:
        bus.publish([message(topic, "a", n) for n in range(5)])
        member = bus.subscribe("readers", [topic.name])
        received = read(member, 5)
        member.commit(following(received[:3]))
        assert sum(lag.waiting for lag in bus.lag("readers")) == 2
        with pytest.raises(GroupBusy):
            bus.reset("readers")
        member.close()
        bus.reset("readers")
        assert len(read(bus.subscribe("readers", [topic.name]), 5)) == 5

    def test_lag_knows_the_topics_of_which_nothing_was_read_yet(self, bus: Bus, topic: Topic) -> None:
        other = Topic("test.others", Kind.ENTRY, partitions=2, retention_days=30)
        bus.ensure_topics([other])
        bus.publish([message(topic, "a", 1), message(other, "a", 2), message(other, "b", 3)])
        member = bus.subscribe("readers", [topic.name, other.name])
        settle(member, parts=8)
        waiting = Counter(lag.part.topic for lag in bus.lag("readers") for _ in range(lag.waiting))
        assert waiting == {topic.name: 1, other.name: 2}

    def test_paused_partitions_are_kept_and_not_read(self, bus: Bus, topic: Topic) -> None:
        member = bus.subscribe("readers", [topic.name])
        settle(member, parts=6)
        bus.publish([message(topic, f"k{n}", n) for n in range(60)])
        held = next(iter(member.assigned()))
        member.pause([held])
        first = read(member, 60, seconds=4)
        assert first
        assert all(r.partition != held.partition for r in first)
        assert held in member.assigned()
        member.resume([held])
        assert len(first) + len(read(member, 60 - len(first))) == 60

    def test_what_can_not_be_published_is_refused_and_nothing_of_it_is(self, bus: Bus, topic: Topic) -> None:
        big = message(topic, "a", 2, b"x" * MAX_MESSAGE_BYTES)
        with pytest.raises(Refused) as refused:
            bus.publish([message(topic, "a", 1), big])
        assert refused.value.message == big
        with pytest.raises(Refused):
            bus.publish([Message("test.nowhere", "a", {}, b"{}")])
        bus.publish([message(topic, "a", 3, b"x" * (MAX_MESSAGE_BYTES - 1000))])
        assert [r.headers["number"] for r in read(bus.subscribe("readers", [topic.name]), 1)] == ["3"]

    def test_a_topic_is_made_once_and_never_changed(self, bus: Bus, topic: Topic) -> None:
        bus.ensure_topics([topic])
        for other in (
            Topic(topic.name, topic.kind, partitions=3, retention_days=30),
            Topic(topic.name, Kind.STATE, partitions=6),
        ):
            with pytest.raises(ValueError, match="needs a new topic"):
                bus.ensure_topics([other])
        bus.ensure_topics([Topic(topic.name, topic.kind, partitions=6, retention_days=60)])

    def test_the_log_is_compacted_and_pruned_and_can_still_be_read_from_the_beginning(self, bus: Bus) -> None:
        states = Topic("test.states", Kind.STATE, partitions=2)
        entries = Topic("test.entries", Kind.ENTRY, partitions=2, retention_days=30)
        bus.ensure_topics([states, entries])

        def state(key: str, version: int) -> Message:
            return Message(states.name, key, {AGGREGATE_VERSION: str(version)}, b"{}")

        bus.publish([state("a", 1), state("b", 1), state("a", 2), state("a", 3), state("b", 2)])
        bus.publish([message(entries, "a", 1)])
        age(bus, states, entries)
        bus.publish([message(entries, "a", 2), state("c", 1)])
        received = [r for r in read(bus.subscribe("readers", [states.name, entries.name]), 50, 5) if r.value]
        found = Counter(
            (r.topic, r.key, r.headers.get(AGGREGATE_VERSION) or r.headers["number"]) for r in received
        )
        assert found == {
            (states.name, "a", "3"): 1,
            (states.name, "b", "2"): 1,
            (states.name, "c", "1"): 1,
            (entries.name, "a", "2"): 1,
        }


@pytest.mark.postgres
class TestPostgresBus(BusContract):
    @pytest.fixture
    def new_bus(self, new_database: NewDatabase) -> Iterator[NewBus]:
        urls = new_database("bus")
        ensure_schema(urls.owner)
        made: list[Bus] = []

        def new() -> Bus:
            made.append(PostgresBus(urls.app, patience=PATIENCE))
            return made[-1]

        yield new
        for bus in made:
            bus.close()

    def test_a_process_that_freezes_while_it_publishes_holds_nobody_up_for_long(
        self, new_bus: NewBus, topic: Topic
    ) -> None:
        frozen, other = new_bus(), new_bus()
        assert isinstance(frozen, PostgresBus)

        def freeze() -> None:
            with frozen._transaction() as connection:
                connection.exec_driver_sql("SELECT FROM bus_partition FOR UPDATE")
                other.publish([message(topic, "a", 1)])  # waits until the server ends the transaction above
                connection.exec_driver_sql("SELECT 1")

        with pytest.raises(BusAway):
            freeze()
        frozen.publish([message(topic, "a", 2)])
        assert [r.headers["number"] for r in read(other.subscribe("readers", [topic.name]), 2)] == ["1", "2"]


@pytest.mark.kafka
class TestKafkaBus(BusContract):
    @pytest.fixture
    def new_bus(self, kafka_servers: str) -> Iterator[NewBus]:
        prefix = f"{new_id()}."
        made: list[Bus] = []

        def new() -> Bus:
            made.append(
                KafkaBus(
                    kafka_servers,
                    prefix=prefix,
                    session=timedelta(seconds=6),
                    heartbeat=timedelta(seconds=0.5),
                    patience=PATIENCE,
                )
            )
            return made[-1]

        yield new
        for bus in made:
            bus.close()
