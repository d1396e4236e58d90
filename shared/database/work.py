"""The unit of work: one transaction, its caller, its clock, and what it tells the world when it commits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session

from shared.clock import Clock
from shared.contracts.registry import Event
from shared.database.outbox import OUTBOX_CHANNEL, OutboxRow, outbox_row, tombstone_row
from shared.database.vault import Vault
from shared.objects.port import Objects
from shared.security.audit import audit_row
from shared.security.caller import Caller


@dataclass(slots=True)
class Work:
    """One transaction. Application code adds rows, emits events and audits; it never commits.

    `now` is the owner's database clock at the start of the transaction (a test may inject another), so that every
    deadline in a service is judged by one clock. `expected_version` comes from If-Match. `trace`: the traceparent that
    events emitted from now on carry. `objects`: the object store, where the settings name one.
    `retelling`: what is emitted has been told before (shared/messaging/retelling.py).
    """

    session: Session
    now: datetime
    service: str
    vault: Vault
    caller: Caller | None = None
    expected_version: int | None = None
    trace: str | None = None
    objects: Objects | None = None
    retelling: bool = False
    _events: list[tuple[Event, str | None]] = field(default_factory=list)
    _gone: list[tuple[type[Event], str, int, str | None]] = field(default_factory=list)
    _told: bool = False
    _audits: list[dict[str, Any]] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        """Tell the world, if and when this transaction commits. Per state key only the last emitted version goes out."""
        self._events.append((event, self.trace))

    def emit_deleted(self, event: type[Event], key: object, version: int) -> None:
        """Tell the world that the state of a key is gone: a tombstone, `version` above the last one told."""
        self._gone.append((event, str(key), version, self.trace))

    def part(self, trace: str | None) -> Work:
        """A share of this transaction with events of its own: dropped with its savepoint, or joined when that holds."""
        return replace(self, trace=trace, _events=[], _gone=[], _audits=[], _told=False)

    def join(self, part: Work) -> None:
        """Take over a flushed part whose savepoint was released."""
        self._told |= part._told

    def audit(
        self, action: str, subject: UUID | None = None, person: UUID | None = None, **details: Any
    ) -> None:
        """Record who did what: `subject` the thing, `person` whom it concerns and who may read it. No personal data."""
        self._audits.append({"action": action, "subject": subject, "person": person, "details": details})

    def flush(self) -> None:
        """Write rows, then outbox rows: the aggregate is locked before its event takes a place in the order."""
        self.session.flush()
        for audit in self._audits:
            self.session.add(audit_row(self.now, self.caller, **audit))
        self._audits.clear()
        rows: list[OutboxRow] = [
            outbox_row(e, self.now, trace, retold=self.retelling) for e, trace in _last_states(self._events)
        ]
        rows += [
            tombstone_row(event, key, version, self.now, trace) for event, key, version, trace in self._gone
        ]
        self._events.clear()
        self._gone.clear()
        if rows:
            self.session.add_all(rows)
            self._told = True
        self.session.flush()

    def notify(self) -> None:
        """Wake the relay if anything was told: the last statement of the transaction."""
        if self._told:
            self.session.execute(text(f"NOTIFY {OUTBOX_CHANNEL}"))


def _last_states(events: list[tuple[Event, str | None]]) -> list[tuple[Event, str | None]]:
    last = {(e.TYPE, e.key): i for i, (e, _) in enumerate(events) if e.VERSION}
    return [
        told for i, told in enumerate(events) if not told[0].VERSION or last[(told[0].TYPE, told[0].key)] == i
    ]


# What a process that died or froze held is let go by the server: nobody else waits for it longer than this.
SESSION = "-c client_connection_check_interval=1s -c idle_in_transaction_session_timeout=30s"

# A server that went without a word (power, network) is noticed within ten seconds, not by the kernel's two hours.
WATCHED: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


RESTED_SECONDS = 1.0  # less than a server needs to come back after a crash


def _try_what_rested(engine: Engine) -> None:
    """Ask a connection that rested whether its server is still there; before each use it is one statement in ten."""

    @event.listens_for(engine, "checkin")
    def note(connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, proxy: Any) -> None:
        since = record.info.get("rests_since")
        if since is None or time.monotonic() - since < RESTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


class Database:
    """A service's own database, entered by its non-owner role. `clock` None: the database's own."""

    def __init__(
        self,
        url: str,
        service: str,
        vault: Vault,
        *,
        pool: int = 8,
        clock: Clock | None = None,
        objects: Objects | None = None,
    ) -> None:
        self.service = service
        self.vault = vault
        self.clock = clock
        self.pool = pool
        self.objects = objects
        self.engine: Engine = create_engine(
            url,
            pool_size=pool,
            max_overflow=2,
            hide_parameters=True,
            connect_args={"application_name": service, "options": SESSION, **WATCHED},
        )
        _try_what_rested(self.engine)

    @contextmanager
    def work(self, caller: Caller | None = None, *, trace: str | None = None) -> Iterator[Work]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            now = (
                self.clock() if self.clock else session.connection().exec_driver_sql("SELECT now()").scalar()
            )
            assert now is not None
            work = Work(session, now, self.service, self.vault, caller, trace=trace, objects=self.objects)
            yield work
            work.flush()
            work.notify()

    def close(self) -> None:
        self.engine.dispose()


@dataclass(frozen=True, slots=True)
class Job:
    """Work that comes round: run by one process at a time, under a lease of the service's database."""

    name: str
    every: timedelta
    run: Callable[[Database], None]
