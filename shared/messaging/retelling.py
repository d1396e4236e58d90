"""An owner tells the present state of all its keys once more, after an upgrade.

A field that is added to an event is missing in all that was told before, and a reader that wants it would get it only
with each key's next change. Retold, a state keeps its version and carries a mark, by which readers take it although they
know that version. It leaves through the outbox under its row's lock: what changes later is told later. Entries are facts
of their time and are not told twice.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import inspect, literal, select, tuple_

from shared.contracts.registry import Event, Kind
from shared.database.work import Database, Work
from shared.messaging.faults import patiently
from shared.messaging.relay import waiting

BATCH = 200
WAITING_MOST = 1000  # so that what happens meanwhile need not queue for long
STALLED_SECONDS = 60.0


class Stalled(Exception):
    """The outbox does not empty: nothing more is put into it."""


@dataclass(frozen=True)
class State:
    """Where the states of an event's type stand: whoever changes one locks its `row`. `tell` emits rows as they are."""

    event: type[Event]
    row: type[Any]
    tell: Callable[[Work, Sequence[Any]], None]

    def __post_init__(self) -> None:
        if self.event.TOPIC.kind is not Kind.STATE:
            raise ValueError(f"{self.event.TYPE}: an entry is not told again")


def retell(database: Database, state: State) -> Iterator[int]:
    """Tell all rows again, a batch a transaction; how many each time. Broken off, it may be begun anew."""
    after: tuple[Any, ...] | None = None
    while True:
        _let_out(database)
        found, after = patiently(partial(_tell_batch, database, state, after))
        if not found:
            return
        yield found


def _tell_batch(
    database: Database, state: State, after: tuple[Any, ...] | None
) -> tuple[int, tuple[Any, ...] | None]:
    mapper = inspect(state.row)
    key = mapper.primary_key
    query = select(state.row).order_by(*key).limit(BATCH).with_for_update(read=True)
    if after is not None:
        last = (literal(value, column.type) for value, column in zip(after, key, strict=True))
        query = query.where(tuple_(*key) > tuple_(*last))
    with database.work() as work:
        work.retelling = True
        rows = work.session.scalars(query).all()
        state.tell(work, rows)
        return len(rows), tuple(mapper.primary_key_from_instance(rows[-1])) if rows else None


def _let_out(database: Database) -> None:
    """Wait until the relay has brought out most of what is in the outbox."""
    least, since = None, time.monotonic()
    while True:
        with database.work() as work:
            left = waiting(work)
        if left < WAITING_MOST:
            return
        if least is None or left < least:
            least, since = left, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            raise Stalled(f"{left} events wait in the outbox and do not leave it: does a worker run?")
        time.sleep(0.2)
