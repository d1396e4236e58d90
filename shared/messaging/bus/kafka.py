"""The bus on Apache Kafka, for the deployed shape; the same contract as the log in PostgreSQL.

An idempotent producer with acks=all; consumers without auto-commit, in cooperative groups, their offsets moved only
after the database has committed. kafka-python's producer is safe between threads, a consumer belongs to one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from zlib import crc32

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CommitFailedError,
    GroupIdNotFoundError,
    IllegalGenerationError,
    KafkaError,
    MessageSizeTooLargeError,
    RebalanceInProgressError,
    TopicAlreadyExistsError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata

from shared.contracts.registry import Kind, Topic
from shared.messaging.bus.fetched import Faulty, read_tolerantly
from shared.messaging.bus.port import (
    MAX_MESSAGE_BYTES,
    BusAway,
    Fenced,
    GroupBusy,
    Lag,
    Message,
    Part,
    Received,
    Refused,
    refuse_unfit,
)

log = logging.getLogger(__name__)

IN_FLIGHT = 1000  # sends waited for together: kafka-python bounds no memory by itself
METADATA_SECONDS = 10.0  # after so long a topic made later is noticed
COMMIT_SECONDS = 0.5  # what a member that dies has not committed by then comes once more; inboxes know it
STUCK_SECONDS = 20.0  # a position that stands so long while its partition grows: the consumer is made anew
_POLICY = {Kind.STATE: "compact", Kind.ENTRY: "delete"}
_NOT_MINE = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)
_DAY_MS = 86_400_000


class KafkaBus:
    """The adapter. One a process.

    `prefix` goes before every topic and group, so that several installations can share a cluster. `security`: the
    client's settings for TLS and SASL (`security_protocol`, `sasl_mechanism`, `ssl_cafile`, …).
    """

    def __init__(
        self,
        servers: str,
        *,
        prefix: str = "",
        copies: int = 1,
        security: Mapping[str, Any] | None = None,
        session: timedelta = timedelta(seconds=10),
        heartbeat: timedelta = timedelta(seconds=1),
        patience: timedelta = timedelta(seconds=60),
        delivery: timedelta = timedelta(seconds=10),
    ) -> None:
        self.prefix = prefix
        self._copies = copies
        self._client: dict[str, Any] = {"bootstrap_servers": servers.split(","), **(security or {})}
        self._session = session
        self._heartbeat = heartbeat
        self._patience = patience
        self._delivery = delivery
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._members: set[KafkaSubscription] = set()

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Make what is missing. A topic that stands with other partitions or another kind is refused."""
        wanted = {self.prefix + topic.name: topic for topic in topics}
        with self._admin() as admin:
            there = {t["name"]: len(t["partitions"]) for t in admin.describe_topics(sorted(wanted))}
            for name, topic in sorted(wanted.items()):
                if not there.get(name):
                    self._create(admin, name, topic)
                else:
                    self._agree(admin, name, topic, there[name])
                self._partitions[name] = topic.partitions

    def _create(self, admin: KafkaAdminClient, name: str, topic: Topic) -> None:
        configs = {
            "cleanup.policy": _POLICY[topic.kind],
            "retention.ms": str(topic.retention_days * _DAY_MS or -1),
            "max.message.bytes": str(2 * MAX_MESSAGE_BYTES),
        }
        if self._copies >= 3:
            configs["min.insync.replicas"] = "2"
        made = {"num_partitions": topic.partitions, "replication_factor": self._copies, "configs": configs}
        try:
            admin.create_topics({name: made}, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            self._agree(admin, name, topic, len(admin.describe_topics([name])[0]["partitions"]))

    def _agree(self, admin: KafkaAdminClient, name: str, topic: Topic, partitions: int) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        configs = _values(admin.describe_configs([resource], config_filter="all"))
        if partitions != topic.partitions or configs["cleanup.policy"] != _POLICY[topic.kind]:
            raise ValueError(
                f"{name} stands as {configs['cleanup.policy']} with {partitions} partitions; a change needs a new topic"
            )
        retention = str(topic.retention_days * _DAY_MS or -1)
        if configs["retention.ms"] != retention:
            changed = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": retention})
            admin.alter_configs([changed])

    def publish(self, messages: Sequence[Message]) -> None:
        """Send in order and wait until every copy has them; after a fault all are sent again."""
        for message in messages:
            refuse_unfit(message)
        parts = [self._part(message) for message in messages]
        for start in range(0, len(messages), IN_FLIGHT):
            self._send(messages[start : start + IN_FLIGHT], parts[start : start + IN_FLIGHT])

    def _send(self, messages: Sequence[Message], parts: Sequence[Part]) -> None:
        try:
            producer = self._sending()
            futures = [
                producer.send(
                    part.topic,
                    key=message.key.encode(),
                    value=message.value,
                    headers=[(name, value.encode()) for name, value in message.headers.items()],
                    partition=part.partition,
                )
                for message, part in zip(messages, parts, strict=True)
            ]
            for message, future in zip(messages, futures, strict=True):
                try:
                    future.get(timeout=self._delivery.total_seconds() + 5)
                except MessageSizeTooLargeError as error:  # a topic whose limit somebody lowered
                    self._forget_producer()
                    raise Refused(message, "the broker finds it too large") from error
        except KafkaError as error:
            self._forget_producer()
            raise BusAway(type(error).__name__) from error

    def _sending(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                self._producer = KafkaProducer(
                    **self._client,
                    acks="all",
                    enable_idempotence=True,
                    max_in_flight_requests_per_connection=5,
                    linger_ms=1,
                    batch_size=64 * 1024,
                    max_request_size=2 * MAX_MESSAGE_BYTES,
                    max_block_ms=int(self._delivery.total_seconds() * 1000),
                    request_timeout_ms=int(self._delivery.total_seconds() * 500),
                    delivery_timeout_ms=int(self._delivery.total_seconds() * 1000),
                )
            return self._producer

    def _forget_producer(self) -> None:
        """After any fault the producer is made anew: what it still holds was never promised."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)

    def subscribe(self, group: str, topics: Sequence[str]) -> "KafkaSubscription":
        """Become a member: it takes part in the group from its first poll on."""
        with self._reached():
            consumer = KafkaConsumer(
                **self._client,
                group_id=self.prefix + group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                partition_assignment_strategy=(CooperativeStickyAssignor,),
                session_timeout_ms=int(self._session.total_seconds() * 1000),
                heartbeat_interval_ms=int(self._heartbeat.total_seconds() * 1000),
                max_poll_interval_ms=int(self._patience.total_seconds() * 1000),
                fetch_max_wait_ms=200,
                max_partition_fetch_bytes=2 * MAX_MESSAGE_BYTES,
                metadata_max_age_ms=int(METADATA_SECONDS * 1000),
            )
            read_tolerantly(consumer)
            names = sorted(self.prefix + topic for topic in set(topics))
            for name in names:
                consumer.partitions_for_topic(
                    name
                )  # a leader that does not know a topic gives nobody its partitions
            consumer.subscribe(names)
        member = KafkaSubscription(self, consumer)
        self._members.add(member)
        return member

    def lag(self, group: str) -> list[Lag]:
        """What waits, in each partition of the topics the group reads or has read. Of a compacted topic at most so many."""
        name = self.prefix + group
        with self._admin() as admin:
            offsets = _patiently(lambda: admin.list_group_offsets({name: None}))[name]
            wanted = [(m.get("member_metadata") or {}).get("topics", ()) for m in _members(admin, name)]
            topics = {part.topic for part in offsets}.union(*wanted)
            parts = [
                TopicPartition(topic["name"], p["partition_index"])
                for topic in (admin.describe_topics(sorted(topics)) if topics else ())
                for p in topic["partitions"]
            ]
        with self._reached():
            consumer = KafkaConsumer(**self._client)
            try:
                first, last = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
            finally:
                consumer.close(autocommit=False)
        result = []
        for part in sorted(parts):
            known = offsets.get(part)
            committed = known.offset if known is not None and known.offset >= 0 else 0
            waiting = max(0, last[part] - max(committed, first[part]))
            result.append(Lag(self.part(part), committed, waiting))
        return result

    def reset(self, group: str) -> None:
        """Send a group without living members back to the beginning."""
        name = self.prefix + group
        with self._admin() as admin:
            members = len(_members(admin, name))
            if members:
                raise GroupBusy(f"{group} has {members} members: stop them first")
            for error in admin.delete_groups([name]).values():
                if error not in (None, "OK") and "GroupIdNotFound" not in str(error):
                    raise BusAway(str(error))

    def close(self) -> None:
        """End every member and send what is on its way."""
        for member in list(self._members):
            member.close()
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=5)

    def forget(self, member: "KafkaSubscription") -> None:
        self._members.discard(member)

    def part(self, part: TopicPartition) -> Part:
        """A partition by the name that the services use."""
        return Part(part.topic.removeprefix(self.prefix), part.partition)

    def named(self, part: Part) -> TopicPartition:
        """A partition by the name that the broker uses."""
        return TopicPartition(self.prefix + part.topic, part.partition)

    def _part(self, message: Message) -> Part:
        topic = self.prefix + message.topic
        partitions = self._partitions.get(topic)
        if partitions is None:
            with self._admin() as admin:
                partitions = len(admin.describe_topics([topic])[0]["partitions"])
            if not partitions:
                raise Refused(message, "there is no such topic")
            self._partitions[topic] = partitions
        return Part(topic, crc32(message.key.encode()) % partitions)

    @contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        with self._reached():
            admin = KafkaAdminClient(**self._client)
            try:
                yield admin
            finally:
                admin.close()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except KafkaError as error:
            raise BusAway(f"{type(error).__name__}: {error}") from error


class KafkaSubscription:
    """A member of a group. Polled and committed by one thread."""

    def __init__(self, bus: KafkaBus, consumer: KafkaConsumer) -> None:
        self._bus = bus
        self._consumer = consumer
        self._moved = time.monotonic()
        self._stood: dict[TopicPartition, int] = {}
        self._owed: dict[TopicPartition, OffsetAndMetadata] = {}  # to be committed
        self._paid = float("-inf")
        self._closed = False

    def poll(self, limit: int, timeout: float) -> list[Received]:
        """What came next, in order per partition."""
        try:
            self._go_on_joining()
            batches = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=limit)
            with suppress(*_NOT_MINE):  # another member reads again what is owed
                self._pay_if_due()
            if batches:
                self._moved = time.monotonic()
                self._stood = {}
            else:
                self._watch()
        except KafkaError as error:
            raise BusAway(type(error).__name__) from error
        return [self._received(part, record) for part, records in batches.items() for record in records]

    def _go_on_joining(self) -> None:
        """A join under way has the next poll wait for it: one that new metadata asked for would be left and its partitions lie unread."""
        coordinator = self._consumer._coordinator
        if coordinator._join_task is not None:
            coordinator.request_rejoin()

    def _received(self, part: TopicPartition, record: Any) -> Received:
        """Anybody may have written it: whatever it holds, it must come out as a message."""
        here = self._bus.part(part)
        faults = [record.headers.fault] if isinstance(record.headers, Faulty) else []
        if record.key is None:
            faults.append("no key")
        key, sound = _text(record.key or b"")
        if not sound:
            faults.append("the key is no text")
        headers = {}
        for name, value in record.headers or ():
            headers[_text(name)[0]], sound = _text(value or b"")
            if not sound:
                faults.append(f"the header {_text(name)[0][:50]} is no text")
        fault = "; ".join(faults) or None
        return Received(here.topic, key, headers, record.value, here.partition, record.offset, fault)

    def _watch(self) -> None:
        """A position that stands while its partition grows is a consumer that hangs: it is made anew."""
        if time.monotonic() - self._moved < STUCK_SECONDS:
            return
        self._moved = time.monotonic()
        parts = self._consumer.assignment() - self._consumer.paused()
        ends = self._consumer.end_offsets(list(parts)) if parts else {}
        behind = {part: self._consumer.position(part) for part, end in ends.items()}
        behind = {part: at for part, at in behind.items() if at is not None and at < ends[part]}
        stuck = [part for part, at in behind.items() if self._stood.get(part) == at]
        self._stood = behind
        if stuck:
            log.warning("bus: a consumer stands still and is made anew")
            raise BusAway(f"the consumer hangs at {len(stuck)} partitions")

    def commit(self, offsets: Mapping[Part, int]) -> None:
        """Move the group's offsets for the partitions that are still this member's: told to the broker twice a second."""
        mine = self.assigned()
        kept = {
            self._bus.named(part): OffsetAndMetadata(offset, "", -1)
            for part, offset in offsets.items()
            if part in mine
        }
        self._owed.update(kept)
        try:
            self._pay_if_due()
        except _NOT_MINE as error:
            raise Fenced(offsets) from error
        except KafkaError as error:
            raise BusAway(type(error).__name__) from error
        lost = [part for part in offsets if part not in mine]
        if lost:
            raise Fenced(lost)

    def _pay_if_due(self) -> None:
        if time.monotonic() - self._paid >= COMMIT_SECONDS:
            self._pay()

    def _pay(self) -> None:
        """Commit what is owed. In the middle of a rebalance it waits for the next poll, which ends it."""
        mine = self._consumer.assignment()
        owed = {part: offset for part, offset in self._owed.items() if part in mine}
        self._owed = {}
        if not owed:
            return
        self._paid = time.monotonic()
        try:
            self._consumer.commit(owed)
        except RebalanceInProgressError:
            self._owed = owed

    def rewind(self) -> None:
        """Read again from the committed offsets."""
        try:
            with suppress(*_NOT_MINE):
                self._pay()
            self._owed = {}
            for part in self._consumer.assignment():
                committed = self._consumer.committed(part)
                if committed is None:
                    self._consumer.seek_to_beginning(part)
                else:
                    self._consumer.seek(part, committed)
        except KafkaError as error:
            raise BusAway(type(error).__name__) from error

    def assigned(self) -> frozenset[Part]:
        return frozenset(self._bus.part(part) for part in self._consumer.assignment())

    def pause(self, parts: Iterable[Part]) -> None:
        self._consumer.pause(*(self._bus.named(part) for part in parts))

    def resume(self, parts: Iterable[Part]) -> None:
        self._consumer.resume(*(self._bus.named(part) for part in parts))

    def close(self) -> None:
        """Leave the group: others take over at once."""
        if not self._closed:
            self._closed = True
            self._bus.forget(self)
            with suppress(KafkaError):
                self._pay()
            self._consumer.close(autocommit=False, timeout_ms=3000)


def _text(raw: bytes | str) -> tuple[str, bool]:
    """What a key or header says, and whether it was UTF-8 without NUL, which no column of text can hold."""
    text = raw if isinstance(raw, str) else raw.decode(errors="backslashreplace")
    text = text.replace("\0", "\\x00")
    return text, text.encode() == (raw.encode() if isinstance(raw, str) else raw)


def _patiently(ask: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The answer, asked for again while a coordinator is only just being found."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaError as error:
            if not getattr(error, "retriable", False) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _values(described: Any) -> dict[str, str]:
    """Names and values of one resource's settings."""
    return {
        name: entry["value"] for name, entry in next(iter(next(iter(described.values())).values())).items()
    }


def _members(admin: KafkaAdminClient, group: str) -> list[dict[str, Any]]:
    """The living members of a group, with the topics that each asked for."""
    try:
        return list(_patiently(lambda: admin.describe_groups([group]))[group]["members"])
    except GroupIdNotFoundError:
        return []
