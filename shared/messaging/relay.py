"""The relay: brings a service's outbox to the bus, each lane in order, by whoever holds the lane's lease.

A new owner is a new epoch; marking rows published counts only under the epoch they were read with, so a frozen owner
that wakes up marks nothing. What was published and not marked goes out again: the inbox tells it apart by its id.
"""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.database.outbox import LANES, OUTBOX_CHANNEL, OutboxRow
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.bus.port import (
    AGGREGATE_VERSION,
    ID,
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
from shared.messaging.faults import is_away
from shared.messaging.tables import LaneLease, RelayRow

log = structlog.get_logger()

LEASE = timedelta(seconds=1.5)
POLL_SECONDS = 0.5
BATCH = 500
KEPT = timedelta(days=7)
SWEEP_SECONDS = 600
BACKOFF = (1, 5, 30, 120, 600)

_WAITING = text(
    """
    SELECT o.pos FROM outbox o
    WHERE o.published_at IS NULL AND o.lane = ANY(:lanes) AND o.available_at <= clock_timestamp()
      AND NOT EXISTS (
        SELECT 1 FROM outbox h
        WHERE h.published_at IS NULL AND h.attempts > 0 AND h.topic = o.topic AND h.key = o.key AND h.pos < o.pos)
    ORDER BY o.pos LIMIT :most
    """
)
_CLAIM = text(
    """
    UPDATE lane_lease SET owner = :owner, expires_at = clock_timestamp() + :lease,
        epoch = epoch + CASE WHEN owner IS NOT DISTINCT FROM :owner THEN 0 ELSE 1 END
    WHERE lane = ANY(:lanes) AND (owner IS NULL OR owner = :owner OR expires_at < clock_timestamp())
    RETURNING lane, epoch
    """
)
_MARK = text(
    """
    UPDATE outbox o SET published_at = clock_timestamp() FROM lane_lease l
    WHERE o.pos = ANY(:positions) AND l.lane = o.lane AND l.owner = :owner AND l.epoch = (CAST(:epochs AS jsonb) ->> o.lane::text)::bigint
    """
)


class Relay:
    """One relay of a service. Several share the lanes evenly and take over a dead one's within two seconds."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self.owner = new_id()
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
        while not self._stopping.is_set():
            try:
                with self._listening() as wakes:
                    self._work_until_stopped(wakes)
            except Exception as error:
                if not is_away(error) and not isinstance(error, psycopg.OperationalError):
                    log.exception("relay", service=self._database.service)
                self._stopping.wait(POLL_SECONDS)
        self._leave()

    def _listening(self) -> "psycopg.Connection[Any]":
        url = self._database.engine.url.set(drivername="postgresql")
        connection = psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)
        connection.execute(f"LISTEN {OUTBOX_CHANNEL}")
        return connection

    def _work_until_stopped(self, wakes: "psycopg.Connection[Any]") -> None:
        while not self._stopping.is_set():
            try:
                if self.run_once():
                    continue
            except BusAway:
                self._stopping.wait(POLL_SECONDS)
            if time.monotonic() - self._swept > SWEEP_SECONDS:
                self._sweep()
            for _ in wakes.notifies(timeout=POLL_SECONDS, stop_after=1):
                break

    def run_once(self) -> int:
        """Renew the lanes and bring out one batch. How many messages went out."""
        lanes = self._claim()
        if not lanes:
            return 0
        with self._database.work() as work:
            positions = work.session.scalars(_WAITING, {"lanes": list(lanes), "most": BATCH}).all()
            rows = work.session.scalars(
                select(OutboxRow).where(OutboxRow.pos.in_(positions)).order_by(OutboxRow.pos)
            ).all()
        return self._bring_out(rows, lanes) if rows else 0

    def _bring_out(self, rows: Sequence[OutboxRow], lanes: dict[int, int]) -> int:
        sent: list[OutboxRow] = []
        left = list(rows)
        while left:
            try:
                self._bus.publish([message_of(row, self._database.service) for row in left])
                sent += left
                break
            except Refused as refused:
                bad = next(r for r in left if message_of(r, self._database.service) == refused.message)
                self._hold(bad, refused)
                left = [r for r in left if (r.topic, r.key) != (bad.topic, bad.key) or r.pos < bad.pos]
        if sent:
            self._mark(sent, lanes)
        return len(sent)

    def _mark(self, sent: Sequence[OutboxRow], lanes: dict[int, int]) -> None:
        epochs = "{" + ",".join(f'"{lane}":{epoch}' for lane, epoch in lanes.items()) + "}"
        with self._database.work() as work:
            work.session.execute(
                _MARK, {"positions": [r.pos for r in sent], "owner": self.owner, "epochs": epochs}
            )

    def _hold(self, row: OutboxRow, refused: Refused) -> None:
        """A message that the bus will not take: it and later ones of its key wait, all others go on."""
        pause = BACKOFF[min(row.attempts, len(BACKOFF) - 1)]
        log.error("event refused by the bus", topic=row.topic, key=row.key, reason=refused.reason)
        with self._database.work() as work:
            work.session.execute(
                update(OutboxRow)
                .where(OutboxRow.pos == row.pos)
                .values(
                    attempts=OutboxRow.attempts + 1,
                    available_at=func.clock_timestamp() + timedelta(seconds=pause),
                )
            )

    def _claim(self) -> dict[int, int]:
        """The lanes that are this relay's share, with their epochs."""
        with self._database.work() as work:
            mine = self._share(work)
            work.session.execute(
                update(LaneLease)
                .where(LaneLease.owner == self.owner, LaneLease.lane.not_in(mine))
                .values(owner=None, expires_at=func.clock_timestamp())
            )
            held = work.session.execute(_CLAIM, {"owner": self.owner, "lanes": mine, "lease": LEASE})
            return {row.lane: row.epoch for row in held}

    def _share(self, work: Work) -> list[int]:
        now = func.clock_timestamp()
        statement = insert(RelayRow).values(owner=self.owner, expires_at=now + 2 * LEASE)
        work.session.execute(
            statement.on_conflict_do_update(index_elements=["owner"], set_={"expires_at": now + 2 * LEASE})
        )
        owners = work.session.scalars(
            select(RelayRow.owner).where(RelayRow.expires_at > now).order_by(RelayRow.owner)
        ).all()
        if not work.session.scalar(select(func.count()).select_from(LaneLease)):
            lanes = [{"lane": lane, "epoch": 0, "expires_at": work.now} for lane in range(LANES)]
            work.session.execute(insert(LaneLease).on_conflict_do_nothing(), lanes)
        rank = owners.index(self.owner)
        return [lane for lane in range(LANES) if lane % len(owners) == rank]

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
        with self._database.work() as work:
            now = func.clock_timestamp()
            work.session.execute(delete(OutboxRow).where(OutboxRow.published_at < now - KEPT))
            work.session.execute(delete(RelayRow).where(RelayRow.expires_at < now - timedelta(minutes=1)))


def message_of(row: OutboxRow, service: str) -> Message:
    """An outbox row as it travels: CloudEvents 1.0, binary mode."""
    headers = {
        SPEC_VERSION: "1.0",
        ID: str(row.event_id),
        TYPE: row.type,
        SOURCE: f"linli/{service}",
        TIME: row.created_at.astimezone(UTC).isoformat(),
        AGGREGATE_VERSION: str(row.aggregate_version),
    }
    if row.trace:
        headers[TRACE] = row.trace
    return Message(row.topic, row.key, headers, row.payload or None)


def waiting(work: Work) -> int:
    """How many events wait in the outbox."""
    return work.session.scalar(select(func.count()).where(OutboxRow.published_at.is_(None))) or 0


def owners(work: Work) -> dict[int, UUID | None]:
    """Who holds each lane now."""
    return {row.lane: row.owner for row in work.session.scalars(select(LaneLease))}
