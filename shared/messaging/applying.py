"""What a consumer does with events: each takes effect once, in the order of its key, in the service's own database.

A poll shares one transaction: first all at once, and when anything fails, again with a savepoint for each event. An
event that can't be applied yet is parked with every later one of its key, in the transaction that lets the offset move
on. A poisonous one becomes a dead letter: a state key goes on, an entry key waits for an operator. One whose envelope
can't be trusted (no id, another's key, a type nobody knows) becomes a dead letter and holds nothing.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import delete, exc, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.registry import Kind, fault_of_type
from shared.database.work import Database, Work
from shared.ids import derived_id
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    ID,
    MAX_MESSAGE_BYTES,
    RETOLD,
    TIME,
    TRACE,
    TYPE,
    Received,
)
from shared.messaging.faults import is_away, is_contended
from shared.messaging.handlers import Handlers, Retry
from shared.messaging.tables import DeadLetter, ParkedEvent, ParkedKey, ReadingRow
from shared.telemetry.metrics import CONSUMED, EVENT_DELAY, STOPPED
from shared.telemetry.traces import span

log = structlog.get_logger()

RETRY_FIRST = timedelta(milliseconds=200)
RETRY_LONGEST = timedelta(seconds=60)
INBOX_KEPT = timedelta(days=14)
RATIO_WINDOW = 100
RATIO_LIMIT = 0.5
RETRIED_TOGETHER = 100
_LARGEST = 2**63 - 1

Key = tuple[str, str]
Act = Callable[[Work], None]

# A process that freezes in the middle must not hold its heir up: the server ends its transaction.
_TAKE_TURNS = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '5s', true), pg_advisory_xact_lock(k)"
    " FROM unnest(CAST(:locks AS bigint[])) k"
)
_SEEN = text("SELECT event_id FROM inbox WHERE consumer = :consumer AND event_id = ANY(CAST(:ids AS uuid[]))")
_VERSIONS = text(
    "SELECT type, key, version FROM projection_version"
    " WHERE consumer = :consumer AND type = ANY(CAST(:types AS text[])) AND key = ANY(CAST(:keys AS text[]))"
)
_PARKED = text(
    "SELECT topic, key FROM parked_key WHERE consumer = :consumer AND topic = ANY(CAST(:topics AS text[]))"
    " AND key = ANY(CAST(:keys AS text[])) ORDER BY topic, key FOR UPDATE"
)
_REMEMBER = text(
    """
    INSERT INTO inbox (consumer, event_id, at, lasting)
    SELECT :consumer, e, :at, l FROM unnest(CAST(:ids AS uuid[]), CAST(:lasting AS boolean[])) n (e, l)
    """
)
_REMEMBER_VERSIONS = text(
    """
    INSERT INTO projection_version AS p (consumer, type, key, version)
    SELECT :consumer, t, k, v FROM unnest(CAST(:types AS text[]), CAST(:keys AS text[]), CAST(:versions AS bigint[]))
        n (t, k, v)
    ON CONFLICT (consumer, type, key) DO UPDATE SET version = greatest(p.version, excluded.version)
    """
)


class Poison(Exception):
    """The event can't ever be applied: what it holds can't be read, or its handler refuses it."""


class Stray(Exception):
    """The event's envelope can't be trusted, so that it belongs to no key."""


class _Redo(Exception):
    """Something in the batch failed: the transaction is given up and done again, a savepoint an event."""


@dataclass(slots=True)
class _Arrived:
    """A message with what its envelope says. `fault`: why it says nothing that can be relied on."""

    message: Received
    type: str
    event_id: UUID
    version: int
    fault: str | None

    @property
    def key(self) -> Key:
        return self.message.topic, self.message.key


@dataclass(slots=True)
class _Seen:
    """What a batch's transaction knows beforehand, and what it has to remember."""

    inbox: set[UUID]
    versions: dict[tuple[str, str], int]
    parked: set[Key]
    new_inbox: dict[UUID, bool] = field(default_factory=dict)
    new_versions: dict[tuple[str, str], int] = field(default_factory=dict)


class Applier:
    """Applies events for one consumer of a service. Several processes may at once: a partition's events take turns."""

    def __init__(self, database: Database, name: str, handlers: Handlers) -> None:
        self.database = database
        self.name = name
        self.handlers = handlers
        self._kinds = {name: topic.kind for name, topic in handlers.topics.items()}
        self._recent: deque[bool] = deque(maxlen=RATIO_WINDOW)
        self._stopped_at: datetime | None = None

    @property
    def stopped_by_ratio(self) -> bool:
        """Whether most events failed, so that no more should be read until somebody has looked."""
        return self._stopped_at is not None

    def go_on_if_told(self) -> bool:
        """Begin anew where an operator has said so since the stop: it takes as many failures again to stop."""
        with self.database.work() as work:
            told = work.session.scalar(select(ReadingRow.go_on_at).where(ReadingRow.consumer == self.name))
        if self._stopped_at is None or told is None or told <= self._stopped_at:
            return False
        log.warning("consumer goes on: an operator says so", consumer=self.name)
        self._recent.clear()
        self._stopped_at = None
        STOPPED.labels(self.database.service).set(0)
        return True

    def take(self, received: Sequence[Received]) -> None:
        """Apply a poll's messages in one transaction."""
        arrived = [self._arrived(message) for message in received]
        try:
            with self.database.work() as work:
                self._apply_all(work, arrived, careful=False)
        except Exception as error:
            if is_away(error):
                raise
            with self.database.work() as work:
                self._apply_all(work, arrived, careful=True)
        self._count(received)

    def _count(self, received: Sequence[Received]) -> None:
        """Tell the metrics what is done with, and how old the last of each topic is by now."""
        last = {message.topic: message for message in received}
        for topic, count in Counter(message.topic for message in received).items():
            CONSUMED.labels(self.database.service, topic).inc(count)
            age = _age(last[topic])
            if age is not None:
                EVENT_DELAY.labels(self.database.service, topic).observe(age)

    def _arrived(self, message: Received) -> _Arrived:
        """Read the envelope. Whatever is wrong with it, there is an id under which it can be kept."""
        headers, faults = message.headers, []
        if message.fault:
            faults.append(message.fault)
        if message.size > MAX_MESSAGE_BYTES:
            faults.append(f"{message.size} bytes are over the limit of {MAX_MESSAGE_BYTES}")
        type_name = headers.get(TYPE, "")
        wrong_type = fault_of_type(type_name, message.topic)
        if wrong_type:
            faults.append(wrong_type)
        try:
            event_id = UUID(headers[ID])
        except (KeyError, ValueError):
            faults.append(f"{ID} is no UUID" if ID in headers else f"no {ID}")
            event_id = UUID(int=0)
        state = self._kinds[message.topic] is Kind.STATE
        try:
            version = int(headers.get(AGGREGATE_VERSION, "0"))
        except ValueError:
            version = -1
        if not int(state) <= version <= _LARGEST:
            faults.append(f"{AGGREGATE_VERSION} is no version")
        if not state and message.value is None:
            faults.append("an entry without a value")
        if faults:  # an id of its own: what such an event calls itself may be another's name
            event_id = derived_id("stray", message.topic, message.partition, message.offset)
        return _Arrived(message, type_name, event_id, version, "; ".join(faults) or None)

    def _apply_all(self, work: Work, arrived: Sequence[_Arrived], *, careful: bool) -> None:
        parts = {(a.message.topic, a.message.partition) for a in arrived}
        locks = sorted(_lock(self.name, *part) for part in parts)
        work.session.execute(_TAKE_TURNS, {"locks": locks})
        seen = self._seen(work, arrived)
        # Only where nothing fails: an older state may have to stand for a newer one that can't be read.
        outdated = set() if careful else self._outdated(arrived)
        for each in arrived:
            if each.fault is None and each.key in seen.parked:
                self._park_event(work, each)
            elif (each.message.topic, each.message.offset, each.message.partition) not in outdated:
                self._apply_one(work, each, seen, careful=careful)
        self._remember(work, seen)

    def _outdated(self, arrived: Sequence[_Arrived]) -> set[tuple[str, int, int]]:
        """Places of states that a later one of the same poll replaces: the last version wins."""
        last: dict[tuple[str, str, str], _Arrived] = {}
        outdated = set()
        for each in arrived:
            if each.fault is not None or self._kinds[each.message.topic] is not Kind.STATE:
                continue
            before = last.setdefault((*each.key, each.type), each)
            if before is not each:
                older, newer = sorted((before, each), key=lambda a: (a.version, a.message.offset))
                last[*each.key, each.type] = newer
                outdated.add((older.message.topic, older.message.offset, older.message.partition))
        return outdated

    def _apply_one(self, work: Work, arrived: _Arrived, seen: _Seen, *, careful: bool) -> None:
        """Apply one event, or put it where it belongs: nowhere (seen before), parked, or the dead letters."""
        try:
            if arrived.fault is not None:
                raise Stray(arrived.fault)
            self._apply(work, arrived, seen, careful=careful)
            self._watch_ratio(work, failed=False)
            return
        except Exception as error:
            if is_away(error):
                raise
            if not careful:
                raise _Redo from error
            failure = error
        if isinstance(failure, Retry) or is_contended(failure):
            self._park(work, arrived, _reason(failure))
            seen.parked.add(arrived.key)
        else:
            self._watch_ratio(work, failed=True)
            kind, topic = type(failure).__name__, arrived.message.topic
            log.error("dead letter", consumer=self.name, topic=topic, id=str(arrived.event_id), kind=kind)
            self._bury(work, arrived, _reason(failure), seen, stray=isinstance(failure, Stray))

    def _apply(self, work: Work, arrived: _Arrived, seen: _Seen, *, careful: bool) -> None:
        if arrived.event_id in seen.inbox:
            return
        message, state = arrived.message, self._kinds[arrived.message.topic] is Kind.STATE
        newest = seen.versions.get((arrived.type, message.key), 0)
        if state and arrived.version < newest + (RETOLD not in message.headers):
            return  # older, or the same and not told once more on purpose
        act = self._act(arrived)
        if act is not None:
            above, attributes = message.headers.get(TRACE), {"messaging.destination.name": message.topic}
            with span(self.database.service, arrived.type, "consumer", above, attributes) as current:
                if careful:
                    part = work.part(current.traceparent)
                    with work.session.begin_nested():
                        act(part)
                        part.flush()
                    work.join(part)
                else:
                    work.trace = current.traceparent
                    act(work)
        seen.inbox.add(arrived.event_id)
        seen.new_inbox[arrived.event_id] = not state
        if state and act is not None:
            place = (arrived.type, message.key)
            seen.versions[place] = seen.new_versions[place] = arrived.version

    def _act(self, arrived: _Arrived) -> Act | None:
        """What is to be done about an event. None: nobody here cares."""
        message = arrived.message
        if message.value is None:
            gone = self.handlers.deletion(arrived.type)
            return (lambda work: gone[1](work, message.key)) if gone else None
        found = self.handlers.handler(arrived.type)
        if found is None:
            return None
        kind, function = found
        try:
            event = kind.model_validate_json(message.value)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the whole"
            raise Poison(
                f"unreadable: {error.error_count()} faults, first at {where}: {first['type']}"
            ) from None
        if event.key != message.key:
            raise Stray("wrongly keyed: the event's own key is another")
        if event.VERSION is not None and event.version != arrived.version:
            raise Stray(f"{AGGREGATE_VERSION} is {arrived.version}, the event's own version {event.version}")
        return lambda work: function(work, event)

    def _seen(self, work: Work, arrived: Sequence[_Arrived]) -> _Seen:
        """Parked keys first: whoever tries them again holds their rows, and what they wrote is seen after that."""
        keys = list({a.message.key for a in arrived})
        given = {
            "consumer": self.name,
            "keys": keys,
            "topics": list({a.message.topic for a in arrived}),
            "types": list({a.type for a in arrived}),
            "ids": [a.event_id for a in arrived],
        }
        parked = {(topic, key) for topic, key in work.session.execute(_PARKED, given)}
        inbox = set(work.session.scalars(_SEEN, given))
        versions = {(kind, key): version for kind, key, version in work.session.execute(_VERSIONS, given)}
        return _Seen(inbox, versions, parked)

    def _remember(self, work: Work, seen: _Seen) -> None:
        if seen.new_inbox:
            given: dict[str, Any] = {"ids": list(seen.new_inbox), "lasting": list(seen.new_inbox.values())}
            work.session.execute(_REMEMBER, {"consumer": self.name, "at": work.now, **given})
        if seen.new_versions:
            places = list(seen.new_versions)
            given = {"types": [t for t, _ in places], "keys": [k for _, k in places]}
            given["versions"] = list(seen.new_versions.values())
            work.session.execute(_REMEMBER_VERSIONS, {"consumer": self.name, **given})

    def _park(self, work: Work, arrived: _Arrived, reason: str, *, held: bool = False) -> None:
        statement = insert(ParkedKey).values(
            consumer=self.name,
            topic=arrived.message.topic,
            key=arrived.message.key,
            held=held,
            reason=reason,
            attempts=0,
            since=work.now,
            retry_at=func.clock_timestamp() + RETRY_FIRST,
        )
        work.session.execute(
            statement.on_conflict_do_update(
                index_elements=["consumer", "topic", "key"],
                set_={"held": ParkedKey.held | held, "reason": reason},
            )
        )
        self._park_event(work, arrived)

    def _park_event(self, work: Work, arrived: _Arrived) -> None:
        message = arrived.message
        work.session.execute(
            insert(ParkedEvent)
            .values(
                consumer=self.name,
                topic=message.topic,
                key=message.key,
                source_offset=message.offset,
                source_partition=message.partition,
                event_id=arrived.event_id,
                headers=message.headers,
                value=message.value,
            )
            .on_conflict_do_nothing()
        )

    def _bury(self, work: Work, arrived: _Arrived, reason: str, seen: _Seen, *, stray: bool) -> None:
        """To the dead letters. An entry's key is held: what follows an entry that failed might be wrong without it."""
        message = arrived.message
        event_id = arrived.event_id
        if stray and arrived.fault is None:
            event_id = derived_id("stray", message.topic, message.partition, message.offset)
        statement = insert(DeadLetter).values(
            consumer=self.name,
            topic=message.topic,
            source_partition=message.partition,
            source_offset=message.offset,
            key=message.key,
            event_id=event_id,
            headers=message.headers,
            value=message.value,
            reason=reason,
            attempts=1,
            at=work.now,
        )
        work.session.execute(
            statement.on_conflict_do_update(  # one that was replayed with success and fails in a rebuild is open again
                index_elements=["consumer", "event_id"],
                set_={"decided_at": None, "decision": None, "reason": reason},
                where=DeadLetter.decision == "replayed",
            )
        )
        if not stray and self._kinds[message.topic] is Kind.ENTRY:
            self._park(work, arrived, reason, held=True)
            seen.parked.add(arrived.key)

    def _watch_ratio(self, work: Work, *, failed: bool) -> None:
        self._recent.append(failed)
        recent = self._recent
        if failed and len(recent) >= RATIO_WINDOW // 2 and sum(recent) / len(recent) > RATIO_LIMIT:
            if not self.stopped_by_ratio:
                log.critical("consumer stopped: most events fail", consumer=self.name)
                self._stopped_at = work.now
            STOPPED.labels(self.database.service).set(1)

    def waiting(self, most: int) -> tuple[list[Key], int]:
        """The parked keys that are due, and how many events are parked; counted up to `most`."""
        with self.database.work() as work:
            due = work.session.execute(
                select(ParkedKey.topic, ParkedKey.key)
                .where(
                    ParkedKey.consumer == self.name,
                    ParkedKey.held.is_(False),
                    ParkedKey.retry_at <= func.clock_timestamp(),
                )
                .limit(RETRIED_TOGETHER)
            ).all()
            some = select(ParkedEvent.offset).where(ParkedEvent.consumer == self.name).limit(most).subquery()
            count = work.session.scalar(select(func.count()).select_from(some)) or 0
        return [(topic, key) for topic, key in due], count

    def retry_parked(self) -> int:
        """Try the parked keys that are due. How many came free."""
        due, _ = self.waiting(1)
        return sum(self.retry(topic, key) for topic, key in due)

    def retry(self, topic: str, key: str) -> bool:
        """Apply what is parked of a key, in order. Whether it came free; False too when another is at it."""
        with self.database.work() as work:
            return self.retry_in(work, topic, key)

    def retry_in(self, work: Work, topic: str, key: str) -> bool:
        """The same within a transaction."""
        mine = (ParkedKey.consumer == self.name, ParkedKey.topic == topic, ParkedKey.key == key)
        found = work.session.execute(
            select(ParkedKey.attempts).where(*mine, ~ParkedKey.held).with_for_update(skip_locked=True)
        ).one_or_none()
        if found is None:
            return False
        rows = work.session.execute(
            select(
                ParkedEvent.headers,
                ParkedEvent.value,
                ParkedEvent.partition,
                ParkedEvent.offset,
            )
            .where(ParkedEvent.consumer == self.name, ParkedEvent.topic == topic, ParkedEvent.key == key)
            .order_by(ParkedEvent.offset)
        ).all()
        for row in rows:
            arrived = self._arrived(
                Received(topic, key, dict(row.headers), row.value, row.partition, row.offset)
            )
            seen = self._seen(work, [arrived])
            seen.parked.clear()
            self._apply_one(work, arrived, seen, careful=True)
            self._remember(work, seen)
            if seen.parked:
                pause = min(RETRY_FIRST * 2 ** min(found.attempts + 1, 12), RETRY_LONGEST)
                work.session.execute(
                    update(ParkedKey)
                    .where(*mine)
                    .values(attempts=ParkedKey.attempts + 1, retry_at=func.clock_timestamp() + pause)
                )
                return False
            work.session.execute(
                delete(ParkedEvent).where(
                    ParkedEvent.consumer == self.name,
                    ParkedEvent.topic == topic,
                    ParkedEvent.key == key,
                    ParkedEvent.offset == row.offset,
                )
            )
        work.session.execute(delete(ParkedKey).where(*mine))
        return True

    def apply_alone(self, work: Work, message: Received) -> str | None:
        """Apply one event outside its order, for whom an operator decides so. None when it took effect, else why not."""
        arrived = self._arrived(message)
        if arrived.fault is not None:
            return arrived.fault
        seen = self._seen(work, [arrived])
        try:
            self._apply(work, arrived, seen, careful=True)
        except Exception as error:
            if is_away(error):
                raise
            return _reason(error)
        self._remember(work, seen)
        return None

    def sweep(self) -> None:
        """Forget states seen long ago; entries are remembered for good."""
        with self.database.work() as work:
            work.session.execute(
                text("DELETE FROM inbox WHERE consumer = :consumer AND NOT lasting AND at < :until"),
                {"consumer": self.name, "until": work.now - INBOX_KEPT},
            )


def _lock(name: str, topic: str, partition: int) -> int:
    """The number of a partition's lock: an owner that is no longer one and its heir take turns."""
    digest = hashlib.blake2b(f"{name}\x1f{topic}\x1f{partition}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _age(message: Received) -> float | None:
    """Seconds since it happened; None where it does not say when."""
    try:
        happened = datetime.fromisoformat(message.headers.get(TIME, "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (datetime.now(UTC) - happened).total_seconds())


def _reason(error: Exception) -> str:
    """What went wrong, in one line without values."""
    if isinstance(error, Retry | Poison | Stray):
        return str(error)[:500] or "not yet"
    if isinstance(error, exc.DBAPIError):
        diag = getattr(error.orig, "diag", None)
        said = getattr(diag, "message_primary", None) or type(error.orig).__name__
        return f"{type(error).__name__}: {said}"[:500]
    return f"{type(error).__name__}: {error}".splitlines()[0].replace("\0", "")[:500]
