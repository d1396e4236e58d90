"""The consumer: reads the bus for one service and has each event take effect once, in the order of its key.

A poll shares one transaction: first all at once, and when anything fails, again with a savepoint for each event. An
event that can't be applied yet is parked with every later one of its key, in the transaction that lets the offset move
on. A poisonous one becomes a dead letter: a state key goes on, an entry key waits for an operator.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.registry import Kind
from shared.database.work import Database, Work
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    ID,
    TRACE,
    TYPE,
    Bus,
    BusAway,
    Fenced,
    Part,
    Received,
    Subscription,
)
from shared.messaging.faults import is_away, is_contended
from shared.messaging.handlers import Handlers, Retry
from shared.messaging.tables import DeadLetter, InboxRow, ParkedEvent, ParkedKey, ProjectionVersion

log = structlog.get_logger()

BATCH = 500
POLL_SECONDS = 0.5
AWAY_SECONDS = 1.0
PARKED_MOST = 10_000
RETRY_FIRST = timedelta(milliseconds=200)
RETRY_LONGEST = timedelta(seconds=60)
INBOX_KEPT = timedelta(days=14)
RATIO_WINDOW = 100
RATIO_LIMIT = 0.5

Key = tuple[str, str]


class Poison(Exception):
    """The event can't ever be applied: what it holds can't be read, or its handler refuses it."""


class _Redo(Exception):
    """Something in the batch failed: the transaction is given up and done again, a savepoint an event."""


@dataclass(slots=True)
class _Seen:
    """What a batch's transaction knows beforehand."""

    inbox: set[UUID]
    versions: dict[tuple[str, str], int]
    parked: set[Key]
    new_inbox: list[dict[str, object]] = field(default_factory=list)
    new_versions: dict[tuple[str, str], int] = field(default_factory=dict)


class Consumer:
    """A member of the service's group. Group and inbox carry the consumer's name."""

    def __init__(self, database: Database, bus: Bus, name: str, handlers: Handlers) -> None:
        self._database = database
        self._bus = bus
        self.name = name
        self._handlers = handlers
        self._stopping = threading.Event()
        self._recent: deque[bool] = deque(maxlen=RATIO_WINDOW)
        self._swept = time.monotonic()
        self.stopped_by_ratio = False
        self._thread = threading.Thread(target=self._run, name=f"consumer-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand and leave the group."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                subscription = self._bus.subscribe(self.name, sorted(self._handlers.topics))
                try:
                    self._read(subscription)
                finally:
                    subscription.close()
            except Exception as error:
                if not isinstance(error, BusAway) and not is_away(error):
                    log.exception("consumer", consumer=self.name)
                self._stopping.wait(AWAY_SECONDS)

    def _read(self, subscription: Subscription) -> None:
        while not self._stopping.is_set():
            self.retry_parked()
            if self._full() or self.stopped_by_ratio:
                self._stopping.wait(POLL_SECONDS)
                continue
            received = subscription.poll(BATCH, POLL_SECONDS)
            if not received:
                self._sweep()
                continue
            try:
                self.take(received)
                subscription.commit(_next_offsets(received))
            except Fenced:
                continue
            except Exception as error:
                if not is_away(error):
                    raise
                subscription.rewind()
                self._stopping.wait(AWAY_SECONDS)

    def take(self, received: Sequence[Received]) -> None:
        """Apply a poll's messages in one transaction."""
        try:
            with self._database.work() as work:
                self._apply_all(work, received, careful=False)
        except Exception as error:
            if is_away(error):
                raise
            with self._database.work() as work:
                self._apply_all(work, received, careful=True)

    def _apply_all(self, work: Work, received: Sequence[Received], *, careful: bool) -> None:
        seen = self._seen(work, received)
        outdated = self._outdated(received)
        for message in received:
            key = (message.topic, message.key)
            if (
                message.offset in outdated.get((*key, message.headers.get(TYPE, "")), ())
                and key not in seen.parked
            ):
                continue
            if key in seen.parked:
                self._park_event(work, message)
                continue
            self._apply_one(work, message, seen, careful=careful)
        self._remember(work, seen)

    def _outdated(self, received: Sequence[Received]) -> dict[tuple[str, str, str], set[int]]:
        """Offsets of states that a later one of the same poll replaces: the last version wins."""
        offsets: dict[tuple[str, str, str], list[int]] = {}
        for message in received:
            if self._handlers.topics[message.topic].kind is Kind.STATE:
                key = (message.topic, message.key, message.headers.get(TYPE, ""))
                offsets.setdefault(key, []).append(message.offset)
        return {key: set(found) - {max(found)} for key, found in offsets.items() if len(found) > 1}

    def _apply_one(self, work: Work, message: Received, seen: _Seen, *, careful: bool) -> None:
        """Apply one event, or put it where it belongs: nowhere (seen before), parked, or the dead letters."""
        try:
            self._apply(work, message, seen, careful=careful)
            self._recent.append(False)
            return
        except Retry as error:
            reason, poison = str(error) or "not yet", False
        except Poison as error:
            reason, poison = str(error), True
        except Exception as error:
            if is_away(error):
                raise
            if not careful:
                raise _Redo from error
            poison = not is_contended(error)
            reason = f"{type(error).__name__}: {error}"[:500]
        if not careful:
            raise _Redo
        if poison:
            self._recent.append(True)
            self._bury(work, message, reason, seen.parked)
            self._watch_ratio()
        else:
            self._park(work, message, reason)
            seen.parked.add((message.topic, message.key))

    def _apply(self, work: Work, message: Received, seen: _Seen, *, careful: bool) -> None:
        type_name, event_id = message.headers.get(TYPE, ""), UUID(message.headers[ID])
        topic = self._handlers.topics[message.topic]
        if event_id in seen.inbox:
            return
        version = int(message.headers.get(AGGREGATE_VERSION, "0"))
        state = topic.kind is Kind.STATE
        if state and version <= seen.versions.get((type_name, message.key), 0):
            return
        act = self._act(type_name, message)
        if act is not None:
            if careful:
                part = work.part(message.headers.get(TRACE))
                with work.session.begin_nested():
                    act(part)
                    part.flush()
                work.join(part)
            else:
                act(work)
        seen.inbox.add(event_id)
        seen.new_inbox.append(
            {"consumer": self.name, "event_id": event_id, "at": work.now, "lasting": not state}
        )
        if state and act is not None:
            seen.versions[type_name, message.key] = seen.new_versions[type_name, message.key] = version

    def _act(self, type_name: str, message: Received):  # type: ignore[no-untyped-def]
        if message.value is None:
            gone = self._handlers.deletion(type_name)
            return (lambda work: gone[1](work, message.key)) if gone else None
        found = self._handlers.handler(type_name)
        if found is None:
            return None
        kind, function = found
        try:
            event = kind.model_validate_json(message.value)
        except ValidationError as error:
            raise Poison(
                f"unreadable: {error.error_count()} faults, first at {error.errors()[0]['loc']}"
            ) from None
        return lambda work: function(work, event)

    def _seen(self, work: Work, received: Sequence[Received]) -> _Seen:
        ids = [UUID(m.headers[ID]) for m in received]
        keys = list({m.key for m in received})
        inbox = work.session.scalars(
            select(InboxRow.event_id).where(InboxRow.consumer == self.name, InboxRow.event_id.in_(ids))
        )
        versions = work.session.scalars(
            select(ProjectionVersion).where(
                ProjectionVersion.consumer == self.name, ProjectionVersion.key.in_(keys)
            )
        )
        parked = work.session.scalars(
            select(ParkedKey)
            .where(ParkedKey.consumer == self.name, ParkedKey.key.in_(keys))
            .with_for_update()
        )
        return _Seen(
            set(inbox),
            {(row.type, row.key): row.version for row in versions},
            {(row.topic, row.key) for row in parked},
        )

    def _remember(self, work: Work, seen: _Seen) -> None:
        if seen.new_inbox:
            work.session.execute(insert(InboxRow).on_conflict_do_nothing(), seen.new_inbox)
        if seen.new_versions:
            statement = insert(ProjectionVersion)
            work.session.execute(
                statement.on_conflict_do_update(
                    index_elements=["consumer", "type", "key"],
                    set_={"version": func.greatest(ProjectionVersion.version, statement.excluded.version)},
                ),
                [
                    {"consumer": self.name, "type": kind, "key": key, "version": version}
                    for (kind, key), version in seen.new_versions.items()
                ],
            )

    def _park(self, work: Work, message: Received, reason: str) -> None:
        work.session.execute(
            insert(ParkedKey)
            .values(
                consumer=self.name,
                topic=message.topic,
                key=message.key,
                held=False,
                reason=reason,
                attempts=0,
                since=work.now,
                retry_at=func.clock_timestamp() + RETRY_FIRST,
            )
            .on_conflict_do_nothing()
        )
        self._park_event(work, message)

    def _park_event(self, work: Work, message: Received) -> None:
        work.session.execute(
            insert(ParkedEvent)
            .values(
                consumer=self.name,
                topic=message.topic,
                key=message.key,
                source_offset=message.offset,
                source_partition=message.partition,
                event_id=UUID(message.headers[ID]),
                headers=message.headers,
                value=message.value,
            )
            .on_conflict_do_nothing()
        )

    def _bury(self, work: Work, message: Received, reason: str, parked: set[Key]) -> None:
        """To the dead letters. An entry's key is held: what follows an entry that failed might be wrong without it."""
        log.error(
            "dead letter", consumer=self.name, type=message.headers.get(TYPE), key=message.key, reason=reason
        )
        work.session.execute(
            insert(DeadLetter)
            .values(
                consumer=self.name,
                topic=message.topic,
                source_partition=message.partition,
                source_offset=message.offset,
                key=message.key,
                event_id=UUID(message.headers[ID]),
                headers=message.headers,
                value=message.value,
                reason=reason,
                attempts=1,
                at=work.now,
            )
            .on_conflict_do_nothing()
        )
        if self._handlers.topics[message.topic].kind is Kind.ENTRY:
            self._park(work, message, reason)
            work.session.execute(
                update(ParkedKey)
                .where(
                    ParkedKey.consumer == self.name,
                    ParkedKey.topic == message.topic,
                    ParkedKey.key == message.key,
                )
                .values(held=True, reason=reason)
            )
            parked.add((message.topic, message.key))

    def _watch_ratio(self) -> None:
        recent = self._recent
        if len(recent) >= RATIO_WINDOW // 2 and sum(recent) / len(recent) > RATIO_LIMIT:
            self.stopped_by_ratio = True
            log.critical("consumer stopped: most events fail", consumer=self.name)

    def retry_parked(self) -> int:
        """Try the parked keys that are due. How many came free."""
        with self._database.work() as work:
            due = work.session.execute(
                select(ParkedKey.topic, ParkedKey.key)
                .where(
                    ParkedKey.consumer == self.name,
                    ParkedKey.held.is_(False),
                    ParkedKey.retry_at <= func.clock_timestamp(),
                )
                .limit(100)
            ).all()
        return sum(self._retry(topic, key) for topic, key in due)

    def _retry(self, topic: str, key: str) -> bool:
        with self._database.work() as work:
            row = work.session.get(ParkedKey, (self.name, topic, key), with_for_update=True)
            if row is None or row.held:
                return False
            waiting = work.session.scalars(
                select(ParkedEvent)
                .where(ParkedEvent.consumer == self.name, ParkedEvent.topic == topic, ParkedEvent.key == key)
                .order_by(ParkedEvent.offset)
            ).all()
            for event in waiting:
                message = Received(
                    topic, key, dict(event.headers), event.value, event.partition, event.offset
                )
                seen = self._seen(work, [message])
                seen.parked.clear()
                self._apply_one(work, message, seen, careful=True)
                self._remember(work, seen)
                if seen.parked:
                    row.attempts += 1
                    pause = min(RETRY_FIRST * 2 ** min(row.attempts, 12), RETRY_LONGEST)
                    row.retry_at = work.now + pause
                    return False
                work.session.execute(
                    delete(ParkedEvent).where(
                        ParkedEvent.consumer == self.name, ParkedEvent.event_id == event.event_id
                    )
                )
            work.session.delete(row)
            return True

    def _full(self) -> bool:
        """Whether as many events are parked as may be: then nothing more is read."""
        with self._database.work() as work:
            count = work.session.scalar(select(func.count()).where(ParkedEvent.consumer == self.name)) or 0
        return count >= PARKED_MOST

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < 3600:
            return
        self._swept = time.monotonic()
        with self._database.work() as work:
            work.session.execute(
                delete(InboxRow).where(
                    InboxRow.consumer == self.name,
                    InboxRow.lasting.is_(False),
                    InboxRow.at < work.now - INBOX_KEPT,
                )
            )


def _next_offsets(received: Sequence[Received]) -> dict[Part, int]:
    offsets: dict[Part, int] = {}
    for message in received:
        part = Part(message.topic, message.partition)
        offsets[part] = max(offsets.get(part, 0), message.offset + 1)
    return offsets
