"""The relay: brings a service's outbox to the bus, each lane in order, by whoever holds the lane's lease.

A new owner is a new epoch; marking rows published counts only under the epoch they were read with, so a frozen owner
that wakes up marks nothing. What was published and not marked goes out again: the inbox tells it apart by its id.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

import psycopg
import structlog
from sqlalchemy import Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.database.outbox import LANES, OUTBOX_CHANNEL, OutboxRow
from shared.database.work import WATCHED, Database, Work
from shared.ids import new_id
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    ID,
    RETOLD,
    SOURCE,
    SPEC_VERSION,
    TIME,
    TRACE,
    TYPE,
    Bus,
    BusAway,
    Message,
    Refused,
)
from shared.messaging.faults import is_away, is_contended
from shared.messaging.tables import LaneLease, RelayRow
from shared.telemetry.metrics import RELAYED
from shared.telemetry.traces import work_for

log = structlog.get_logger()

LEASE = timedelta(seconds=1.5)
RENEW_SECONDS = 0.3
POLL_SECONDS = 0.3  # with the lease: a dead owner's lanes are taken over within two seconds
BATCH = 1000
KEPT = timedelta(days=7)
SWEEP_SECONDS = 600
BACKOFF = (1, 5, 30, 120, 600)

# A relay that freezes in the middle must not hold the others up: the server ends its transaction.
_IMPATIENT = text("SET LOCAL idle_in_transaction_session_timeout = '1s'")
_ALIVE = text(
    """
    INSERT INTO relay (owner, expires_at) VALUES (:owner, clock_timestamp() + :lease)
    ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
    """
)
_CLAIM = text(
    """
    WITH living AS (
        SELECT owner, row_number() OVER (ORDER BY owner) - 1 AS rank, count(*) OVER () AS relays
        FROM relay WHERE expires_at > clock_timestamp()
    ), due AS (
        SELECT lane FROM living, generate_series(0, :lanes - 1) lane
        WHERE owner = :owner AND lane % relays = rank
    ), given_back AS (
        UPDATE lane_lease SET owner = NULL, expires_at = clock_timestamp()
        WHERE owner = :owner AND lane NOT IN (SELECT lane FROM due)
    ), takable AS (
        SELECT lane FROM lane_lease
        WHERE lane IN (SELECT lane FROM due) AND (owner IS NULL OR owner = :owner OR expires_at < clock_timestamp())
        FOR UPDATE SKIP LOCKED
    )
    UPDATE lane_lease SET owner = :owner, expires_at = clock_timestamp() + :lease,
        epoch = epoch + CASE WHEN owner IS NOT DISTINCT FROM :owner THEN 0 ELSE 1 END
    WHERE lane IN (SELECT lane FROM takable)
    RETURNING lane, epoch
    """
)
_WAITING = text(
    """
    SELECT o.pos, o.event_id, o.topic, o.key, o.type, o.aggregate_version, o.payload, o.trace, o.created_at, o.attempts,
        o.retold
    FROM outbox o
    WHERE o.published_at IS NULL AND o.lane = ANY(:lanes) AND o.available_at <= clock_timestamp()
      AND NOT EXISTS (
        SELECT 1 FROM outbox h
        WHERE h.published_at IS NULL AND h.attempts > 0 AND h.topic = o.topic AND h.key = o.key AND h.pos < o.pos)
    ORDER BY o.pos LIMIT :most
    """
)
_MARK = text(
    """
    UPDATE outbox o SET published_at = clock_timestamp() FROM lane_lease l
    WHERE o.pos = ANY(:positions) AND l.lane = o.lane AND l.owner = :owner
      AND l.epoch = (CAST(:epochs AS jsonb) ->> o.lane::text)::bigint
    """
)

Waiting = Row[Any]


class Relay:
    """One relay of a service. Several share the lanes evenly and take over a dead one's within two seconds."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._alone = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bus = bus
        self.owner = new_id()
        self._lanes: dict[int, int] = {}
        self._claimed = float("-inf")
        self._stopping = threading.Event()
        self._swept = 0.0
        self._thread = threading.Thread(target=self._run, name=f"relay-{database.service}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the batch at hand and give the lanes back."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        work_for(self._database.service)
        while not self._stopping.is_set():
            try:
                with self._listening() as wakes:
                    self._work_until_stopped(wakes)
            except Exception as error:
                if not is_away(error) and not isinstance(error, psycopg.OperationalError):
                    log.exception("relay")
                self._stopping.wait(POLL_SECONDS)
        self._leave()

    def _listening(self) -> "psycopg.Connection[Any]":
        url = self._database.engine.url.set(drivername="postgresql")
        connection = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, **WATCHED)
        connection.execute(f"LISTEN {OUTBOX_CHANNEL}")
        return connection

    def _work_until_stopped(self, wakes: "psycopg.Connection[Any]") -> None:
        while not self._stopping.is_set():
            try:
                if self.run_once():
                    continue
            except BusAway as error:
                log.warning("bus away", service=self._database.service, reason=str(error))
                self._stopping.wait(POLL_SECONDS)
            if time.monotonic() - self._swept > SWEEP_SECONDS:
                self._sweep()
            for _ in wakes.notifies(timeout=POLL_SECONDS, stop_after=1):
                break
            for _ in wakes.notifies(timeout=0):  # one look serves all that have called by now
                pass

    def run_once(self) -> int:
        """Renew the lanes where due and bring out one batch. How many messages went out."""
        if time.monotonic() - self._claimed > RENEW_SECONDS:
            self._claim()
        lanes = self._lanes
        if not lanes:
            return 0
        with self._alone.connect() as connection:
            rows = connection.execute(_WAITING, {"lanes": list(lanes), "most": BATCH}).all()
        return self._bring_out(rows, lanes) if rows else 0

    def _bring_out(self, rows: Sequence[Waiting], lanes: dict[int, int]) -> int:
        sent: list[Waiting] = []
        left = [(row, message_of(row, self._database.service)) for row in rows]
        while left:
            try:
                self._bus.publish([message for _, message in left])
                sent += [row for row, _ in left]
                break
            except Refused as refused:
                bad = next(row for row, message in left if message == refused.message)
                self._hold(bad, refused)
                left = [
                    (row, message)
                    for row, message in left
                    if (row.topic, row.key) != (bad.topic, bad.key) or row.pos < bad.pos
                ]
        if sent:
            self._mark(sent, lanes)
        return len(sent)

    def _mark(self, sent: Sequence[Waiting], lanes: dict[int, int]) -> None:
        """Only what is still this relay's: rows of a lane that another has taken over are the other's to mark."""
        given = {"positions": [row.pos for row in sent], "owner": self.owner, "epochs": json.dumps(lanes)}
        with self._alone.connect() as connection:
            marked = connection.execute(_MARK, given).rowcount
        if marked < len(sent):
            self._claimed = float("-inf")
        for topic, count in Counter(row.topic for row in sent).items():
            RELAYED.labels(self._database.service, topic).inc(count)

    def _hold(self, row: Waiting, refused: Refused) -> None:
        """A message that the bus will not take: it and later ones of its key wait, all others go on."""
        pause = BACKOFF[min(row.attempts, len(BACKOFF) - 1)]
        log.error("event refused by the bus", topic=row.topic, key=row.key, reason=refused.reason)
        with self._database.engine.begin() as connection:
            connection.execute(
                update(OutboxRow)
                .where(OutboxRow.pos == row.pos)
                .values(
                    attempts=OutboxRow.attempts + 1,
                    available_at=func.clock_timestamp() + timedelta(seconds=pause),
                )
            )

    def _claim(self) -> None:
        """The lanes that are this relay's share, with their epochs."""
        began = time.monotonic()
        given = {"owner": self.owner, "lease": LEASE, "lanes": LANES}
        try:
            with self._database.engine.begin() as connection:
                connection.execute(_IMPATIENT)
                connection.execute(_ALIVE, given)
                if self._claimed == float("-inf"):
                    now = func.clock_timestamp()
                    lanes = [{"lane": lane, "epoch": 0, "expires_at": now} for lane in range(LANES)]
                    connection.execute(insert(LaneLease).values(lanes).on_conflict_do_nothing())
                self._lanes = {row.lane: row.epoch for row in connection.execute(_CLAIM, given)}
        except Exception as error:
            if not is_contended(error):
                raise
            self._lanes = {}
        self._claimed = began

    def _leave(self) -> None:
        try:
            with self._database.work() as work:
                work.session.execute(delete(RelayRow).where(RelayRow.owner == self.owner))
                work.session.execute(
                    update(LaneLease)
                    .where(LaneLease.owner == self.owner)
                    .values(owner=None, expires_at=func.clock_timestamp())
                )
        except Exception as error:
            if not is_away(error):
                raise

    def _sweep(self) -> None:
        """Drop what was published a week ago, and relays that died."""
        self._swept = time.monotonic()
        now = func.clock_timestamp()
        with self._database.engine.begin() as connection:
            connection.execute(delete(OutboxRow).where(OutboxRow.published_at < now - KEPT))
            connection.execute(delete(RelayRow).where(RelayRow.expires_at < now - timedelta(minutes=1)))


def message_of(row: OutboxRow | Waiting, service: str) -> Message:
    """An outbox row as it travels: CloudEvents 1.0, binary mode."""
    headers = {
        SPEC_VERSION: "1.0",
        ID: str(row.event_id),
        TYPE: row.type,
        SOURCE: f"linli/{service}",
        TIME: row.created_at.astimezone(UTC).isoformat(),
        AGGREGATE_VERSION: str(row.aggregate_version),
    }
    if row.retold:
        headers[RETOLD] = "true"
    if row.trace:
        headers[TRACE] = row.trace
    return Message(row.topic, row.key, headers, row.payload or None)


def waiting(work: Work) -> int:
    """How many events wait in the outbox."""
    return work.session.scalar(select(func.count()).where(OutboxRow.published_at.is_(None))) or 0
