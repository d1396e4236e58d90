"""Kafka's own: a broker killed, one of three killed, TLS and SASL, and what bounds the sends that wait together."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from services.wiring import bus_of
from shared.contracts.registry import Kind, Topic
from shared.messaging.bus import kafka
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus, BusAway, Message, Part, Received, Refused
from shared.settings import Settings
from tests.certificates import certificate
from tests.integration.test_bus import following, message, read
from tests.support import until
from tools.broker import Cluster, Door, free_port, missing_program

pytestmark = pytest.mark.kafka
TOPIC = Topic("test.things", Kind.ENTRY, partitions=3, retention_days=30)
QUICK = {"session": timedelta(seconds=6), "delivery": timedelta(seconds=3)}


@pytest.fixture(autouse=True)
def _own_brokers(kafka_servers: str) -> None:
    """`kafka_servers` says that Kafka can be had here; these tests kill and configure brokers of their own."""
    if missing_program():
        pytest.skip("brokers of the tests' own need Java and Maven")


class Sender:
    """Sends numbered messages and remembers which were acknowledged."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.number = 0
        self.acknowledged: list[str] = []
        self.refusals = 0

    def send(self) -> None:
        number, self.number = self.number, self.number + 1
        try:
            self.bus.publish([message(TOPIC, f"k{number % 5}", number)])
            self.acknowledged.append(str(number))
        except BusAway:
            self.refusals += 1


def read_until(bus: Bus, wanted: set[str], seen: set[str], seconds: float = 60) -> set[str]:
    """As a consumer does: a member that breaks is made anew."""
    member, deadline = bus.subscribe("readers", [TOPIC.name]), time.monotonic() + seconds
    while not wanted <= seen and time.monotonic() < deadline:
        try:
            seen |= {r.headers["number"] for r in member.poll(100, 0.5)}
        except BusAway:
            member.close()
            member = bus.subscribe("readers", [TOPIC.name])
    member.close()
    return seen


def test_a_broker_that_is_killed_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with Cluster(tmp_path / "kafka") as cluster:
        bus = KafkaBus(cluster.servers, **QUICK)
        bus.ensure_topics([TOPIC])
        sender = Sender(bus)
        for _ in range(20):
            sender.send()
        member = bus.subscribe("readers", [TOPIC.name])
        received = read(member, 20)
        member.commit(following(received))
        member.close()
        cluster.nodes[0].stop(signal.SIGKILL)
        sender.send()
        assert sender.refusals == 1, "nothing is acknowledged while the broker is away"
        cluster.nodes[0].start()
        cluster.nodes[0].wait()
        deadline = time.monotonic() + 60
        while len(sender.acknowledged) < 40 and time.monotonic() < deadline:
            sender.send()
        wanted = set(sender.acknowledged)
        assert wanted <= read_until(bus, wanted, {r.headers["number"] for r in received})
        assert len(wanted) == 40
        bus.close()


def test_one_of_three_brokers_killed_in_the_middle_loses_nothing_and_sending_goes_on(tmp_path: Path) -> None:
    """Three copies, two of which acknowledge. The member that reads comes through as well."""
    with Cluster(tmp_path / "kafka", 3) as cluster:
        bus = KafkaBus(cluster.servers, copies=3, **QUICK)
        bus.ensure_topics([TOPIC])
        with bus._admin() as admin:
            resource = ConfigResource(ConfigResourceType.TOPIC, TOPIC.name)
            stands = kafka._values(admin.describe_configs([resource], config_filter="all"))
            assert stands["min.insync.replicas"] == "2"
            parts = admin.describe_topics([TOPIC.name])[0]["partitions"]
            assert all(len(part["replica_nodes"]) == 3 for part in parts)
            led = [part["leader_id"] for part in parts]
        sender = Sender(bus)
        received: list[Received] = []
        stop = threading.Event()

        def reading() -> None:
            while not stop.is_set():
                try:
                    member = bus.subscribe("readers", [TOPIC.name])
                    while not stop.is_set():
                        batch = member.poll(100, 0.5)
                        received.extend(batch)
                        if batch:
                            member.commit(following(batch))
                    member.close()
                except BusAway:
                    stop.wait(0.2)

        reader = threading.Thread(target=reading)
        reader.start()
        for _ in range(30):
            sender.send()
        victim = next(node for node in cluster.nodes if node.number == max(led, key=led.count))
        victim.stop(signal.SIGKILL)
        before, began = len(sender.acknowledged), time.monotonic()
        while len(sender.acknowledged) < before + 60 and time.monotonic() - began < 60:
            sender.send()
        assert len(sender.acknowledged) == before + 60, "two of three are enough"
        while set(sender.acknowledged) - {r.headers["number"] for r in received}:
            assert time.monotonic() - began < 90, "read while one of three is dead"
            time.sleep(0.2)
        stop.set()
        reader.join()
        for key in {r.key for r in received}:
            first = list(dict.fromkeys(int(r.headers["number"]) for r in received if r.key == key))
            known = [n for n in first if str(n) in sender.acknowledged]
            assert known == sorted(known)
        bus.close()


def test_brokers_that_want_tls_and_a_password_are_reached_by_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, authority = certificate(tmp_path)
    _, other_authority = certificate(tmp_path / "other")
    door = Door(free_port(), pem, {"linli": "geheim"})
    right = {
        "LINLI_KAFKA": f"127.0.0.1:{door.port}",
        "LINLI_KAFKA_SECURITY": "SASL_SSL",
        "LINLI_KAFKA_USERNAME": "linli",
        "LINLI_KAFKA_PASSWORD": "geheim",
        "LINLI_KAFKA_CA": str(authority),
        "LINLI_KAFKA_DELIVERY_SECONDS": "3",
    }

    def settings_bus(**changed: str) -> Bus:
        for name, value in {**right, **changed}.items():
            monkeypatch.setenv(name, value)
        return bus_of(Settings.read("bus"), None)

    with Cluster(tmp_path / "kafka", doors=[door]):
        for number, mechanism in enumerate(("SCRAM-SHA-512", "SCRAM-SHA-256")):
            bus = settings_bus(LINLI_KAFKA_MECHANISM=mechanism)
            bus.ensure_topics([TOPIC])
            bus.publish([message(TOPIC, "a", number)])
            member = bus.subscribe(f"readers {number}", [TOPIC.name])
            assert len(read(member, number + 1)) == number + 1
            assert bus.lag(f"readers {number}")
            member.close()
            bus.close()
        refused = [
            settings_bus(LINLI_KAFKA_PASSWORD="geraten"),
            settings_bus(LINLI_KAFKA_CA=str(other_authority)),
            settings_bus(LINLI_KAFKA_SECURITY="PLAINTEXT"),
        ]
        with ThreadPoolExecutor() as pool:  # each waits as long as it may before it gives up
            for sending in [pool.submit(bus.publish, [message(TOPIC, "a", 9)]) for bus in refused]:
                with pytest.raises(BusAway):
                    sending.result()
        for bus in refused:
            bus.close()


def test_no_more_sends_are_under_way_together_than_are_waited_for(
    kafka_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "IN_FLIGHT", 50)
    bus = KafkaBus(kafka_servers, prefix=f"{time.time_ns()}.")
    bus.ensure_topics([TOPIC])
    producer = bus._sending()
    send, under_way, most = producer.send, set[Any](), 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal most
        future = send(*args, **kwargs)
        under_way.add(future)
        most = max(most, sum(not each.is_done for each in under_way))
        return future

    producer.send = counted
    bus.publish([message(TOPIC, f"k{n}", n) for n in range(500)])
    assert 1 < most <= 50
    assert all(future.is_done for future in under_way)
    bus.close()


def test_an_event_that_only_the_broker_finds_too_large_is_refused_and_not_tried_for_ever(
    kafka_servers: str,
) -> None:
    """A topic that somebody made with a smaller limit."""
    bus = KafkaBus(kafka_servers, prefix=f"{time.time_ns()}.")
    bus.ensure_topics([TOPIC])
    with bus._admin() as admin:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, bus.prefix + TOPIC.name, {"max.message.bytes": "20000"}
        )
        admin.alter_configs([resource])
    large: Message = message(TOPIC, "a", 2, b"x" * 100_000)
    with pytest.raises(Refused) as refused:
        bus.publish([message(TOPIC, "a", 1), large])
    assert refused.value.message == large
    bus.publish([message(TOPIC, "a", 3)])
    bus.close()


def test_a_join_that_outlasts_its_poll_is_not_left(
    kafka_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New partitions have the member join again; it takes up what it is given although every poll is shorter than the join."""
    monkeypatch.setattr(kafka, "METADATA_SECONDS", 0.3)
    bus = KafkaBus(kafka_servers, prefix=f"{time.time_ns()}.")
    bus.ensure_topics([TOPIC])
    member = bus.subscribe("readers", [TOPIC.name])

    def joined(partitions: int, seconds: float) -> bool:
        member.poll(1, seconds)
        return len(member.assigned()) == partitions

    until(partial(joined, TOPIC.partitions, 0.5))
    for wanted in (4, 5):
        with bus._admin() as admin:
            admin.create_partitions({bus.prefix + TOPIC.name: wanted})
        until(partial(joined, wanted, 0.005))
    assert member.assigned() == {Part(TOPIC.name, number) for number in range(5)}
    bus.close()
