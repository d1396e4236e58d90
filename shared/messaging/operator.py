"""What an operator can see and decide of a service's events: lag, parked keys, dead letters, reading everything anew."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.registry import Kind
from shared.database.work import Database, Work
from shared.messaging.applying import Applier
from shared.messaging.bus.port import TYPE, Bus, Received
from shared.messaging.handlers import Handlers
from shared.messaging.tables import DeadLetter, InboxRow, ParkedEvent, ParkedKey, ReadingRow

REPLAYED, DISCARDED = "replayed", "discarded"
SHOWN = 200


class NoSuchLetter(Exception):
    """There is no such dead letter of this consumer."""


class Decided(Exception):
    """Somebody has decided about the dead letter already."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A key whose events wait. `held`: until somebody decides about the dead letter in front."""

    topic: str
    key: str
    held: bool
    reason: str
    attempts: int
    since: datetime
    retry_at: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    id: int
    type: str
    topic: str
    key: str
    reason: str
    attempts: int
    at: datetime
    partition: int
    offset: int
    holds: int  # events that wait behind it


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a consumer was behind when its worker last looked. `stopped`: it reads no more, most events failed."""

    waiting: int
    stopped: bool
    at: datetime


def parked(work: Work, consumer: str) -> list[Parked]:
    """Parked keys, the oldest first."""
    events = (
        select(func.count())
        .where(
            ParkedEvent.consumer == ParkedKey.consumer,
            ParkedEvent.topic == ParkedKey.topic,
            ParkedEvent.key == ParkedKey.key,
        )
        .scalar_subquery()
    )
    rows = work.session.execute(
        select(ParkedKey, events).where(ParkedKey.consumer == consumer).order_by(ParkedKey.since).limit(SHOWN)
    )
    return [
        Parked(row.topic, row.key, row.held, row.reason, row.attempts, row.since, row.retry_at, waiting)
        for row, waiting in rows
    ]


def dead_letters(work: Work, consumer: str) -> list[Letter]:
    """Dead letters that nobody has decided about, the oldest first."""
    behind = (
        select(func.count())
        .where(
            ParkedKey.held,
            ParkedEvent.consumer == ParkedKey.consumer,
            ParkedEvent.topic == ParkedKey.topic,
            ParkedEvent.key == ParkedKey.key,
            ParkedEvent.consumer == DeadLetter.consumer,
            ParkedEvent.topic == DeadLetter.topic,
            ParkedEvent.key == DeadLetter.key,
            ParkedEvent.offset > DeadLetter.offset,
        )
        .scalar_subquery()
    )
    rows = work.session.execute(
        select(DeadLetter, behind)
        .where(DeadLetter.consumer == consumer, DeadLetter.decided_at.is_(None))
        .order_by(DeadLetter.id)
        .limit(SHOWN)
    )
    return [
        Letter(
            row.id,
            str(row.headers.get(TYPE, "")),
            row.topic,
            row.key,
            row.reason,
            row.attempts,
            row.at,
            row.partition,
            row.offset,
            waiting,
        )
        for row, waiting in rows
    ]


def reading(work: Work, consumer: str) -> Reading | None:
    """How far the consumer was behind when its worker last looked."""
    row = work.session.get(ReadingRow, consumer)
    return Reading(row.waiting, row.stopped, row.at) if row else None


def note_reading(database: Database, consumer: str, waiting: int, *, stopped: bool) -> None:
    """Keep how far the consumer is behind, for who does not reach the bus."""
    with database.work() as work:
        statement = insert(ReadingRow).values(
            consumer=consumer, waiting=waiting, stopped=stopped, at=func.now()
        )
        changed = {name: statement.excluded[name] for name in ("waiting", "stopped", "at")}
        work.session.execute(statement.on_conflict_do_update(index_elements=["consumer"], set_=changed))


def go_on(work: Work, consumer: str) -> Reading | None:
    """Have a consumer that stopped because most events failed read on. None where no worker has ever read."""
    row = work.session.get(ReadingRow, consumer, with_for_update=True)
    if row is None:
        return None
    row.go_on_at, row.stopped = work.now, False
    work.audit("events.go_on", consumer=consumer)
    return Reading(row.waiting, row.stopped, row.at)


def replay(work: Work, applier: Applier, letter_id: int) -> str | None:
    """Apply a dead letter once more, and then what waits behind it. None when it took effect, else why it did not.

    A state that a later one has replaced takes effect by being older.
    """
    letter = _undecided(work, applier.name, letter_id)
    key = (
        ParkedKey.consumer == applier.name,
        ParkedKey.topic == letter.topic,
        ParkedKey.key == letter.key,
    )
    held = work.session.execute(
        select(ParkedKey.held)
        .join(
            ParkedEvent,
            (ParkedEvent.consumer == ParkedKey.consumer)
            & (ParkedEvent.topic == ParkedKey.topic)
            & (ParkedEvent.key == ParkedKey.key),
        )
        .where(*key, ParkedKey.held, ParkedEvent.event_id == letter.event_id)
    ).first()
    reason: str | None
    if held:
        work.session.execute(update(ParkedKey).where(*key).values(held=False))
        applier.retry_in(work, letter.topic, letter.key)
        waits = work.session.scalar(
            select(func.count()).where(
                ParkedEvent.consumer == applier.name, ParkedEvent.event_id == letter.event_id
            )
        )
        reason = work.session.scalar(select(ParkedKey.reason).where(*key)) if waits else None
        if waits:  # also where it was only not yet possible: it is this letter's to be tried again
            work.session.execute(update(ParkedKey).where(*key).values(held=True))
    else:
        reason = applier.apply_alone(work, _message(letter))
    if reason is None:
        _decide(work, letter_id, REPLAYED)
    else:
        work.session.execute(
            update(DeadLetter)
            .where(DeadLetter.id == letter_id)
            .values(attempts=DeadLetter.attempts + 1, reason=reason)
        )
    return reason


def discard(work: Work, applier: Applier, letter_id: int) -> None:
    """Give a dead letter up: it never takes effect, and what waits behind it goes on with the worker's next look."""
    letter = _undecided(work, applier.name, letter_id)
    mine = (ParkedEvent.consumer == applier.name, ParkedEvent.event_id == letter.event_id)
    lasting = applier.handlers.topics[letter.topic].kind is Kind.ENTRY
    seen = {"consumer": applier.name, "event_id": letter.event_id, "at": work.now, "lasting": lasting}
    work.session.execute(insert(InboxRow).values(seen).on_conflict_do_nothing())
    freed = work.session.execute(delete(ParkedEvent).where(*mine)).rowcount  # type: ignore[attr-defined]
    if freed:
        work.session.execute(
            update(ParkedKey)
            .where(
                ParkedKey.consumer == applier.name,
                ParkedKey.topic == letter.topic,
                ParkedKey.key == letter.key,
            )
            .values(held=False, retry_at=func.clock_timestamp())
        )
    _decide(work, letter_id, DISCARDED)


def rebuild(database: Database, bus: Bus, consumer: str, handlers: Handlers) -> None:
    """Empty the projections and have everything read anew. GroupBusy while a worker reads.

    Entries are not applied again: the inbox remembers them for good. Of states only what was newest before is, and
    what came after: older versions that the log may still hold had their effect in their time.
    """
    bus.reset(consumer)
    states = [topic.name for topic in handlers.topics.values() if topic.kind is Kind.STATE]
    given: dict[str, Any] = {"consumer": consumer, "topics": states}
    with database.work() as work:
        if handlers.clear is not None:
            handlers.clear(work)
        for statement in (
            "DELETE FROM inbox WHERE consumer = :consumer AND NOT lasting",
            "DELETE FROM parked_event WHERE consumer = :consumer AND topic = ANY(:topics)",
            "DELETE FROM parked_key WHERE consumer = :consumer AND topic = ANY(:topics)",
            "UPDATE projection_version SET version = version - 1 WHERE consumer = :consumer",
        ):
            work.session.execute(text(statement), given)
        work.audit("events.rebuild", consumer=consumer)


def _undecided(work: Work, consumer: str, letter_id: int) -> Any:
    columns = DeadLetter.__table__.c
    row = work.session.execute(
        select(
            columns.topic,
            columns.key,
            columns.event_id,
            columns.headers,
            columns.value,
            columns.source_partition,
            columns.source_offset,
            columns.decided_at,
        )
        .where(columns.id == letter_id, columns.consumer == consumer)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NoSuchLetter(letter_id)
    if row.decided_at is not None:
        raise Decided(letter_id)
    return row


def _message(letter: Any) -> Received:
    return Received(
        letter.topic,
        letter.key,
        dict(letter.headers),
        letter.value,
        letter.source_partition,
        letter.source_offset,
    )


def _decide(work: Work, letter_id: int, decision: str) -> None:
    work.session.execute(
        update(DeadLetter).where(DeadLetter.id == letter_id).values(decided_at=work.now, decision=decision)
    )
