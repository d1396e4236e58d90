"""Gauges that are read rather than counted: every few seconds, so that neither requests nor scrapes wait for them."""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
from prometheus_client import Gauge
from sqlalchemy import func, select

from shared.database.outbox import OutboxRow
from shared.database.work import Database, Work
from shared.messaging.faults import is_away
from shared.messaging.tables import DeadLetter, ParkedKey
from shared.telemetry.metrics import DEAD_LETTERS, OUTBOX_OLDEST, OUTBOX_WAITING, PARKED
from shared.telemetry.traces import work_for

log = structlog.get_logger()

SAMPLE_SECONDS = 5.0


class Reading(NamedTuple):
    """What a gauge shows, by its labels after `service`."""

    gauge: Gauge
    value: float
    labels: tuple[str, ...] = ()


Measure = Callable[[Work], Sequence[Reading]]


class Sampler:
    """Keeps gauges of a service fresh. What can't be read shows nothing rather than what was."""

    def __init__(self, service: str, read: Callable[[], Sequence[Reading]]) -> None:
        self._service = service
        self._read = read
        self._shown: set[tuple[Gauge, tuple[str, ...]]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sampler-{service}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """A database that is away may hold the thread for a while: it is not waited for."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _run(self) -> None:
        work_for(self._service)
        while not self._stopping.is_set():
            self.sample()
            self._stopping.wait(SAMPLE_SECONDS)
        self._show(())

    def sample(self) -> None:
        """Read once."""
        try:
            self._show(self._read())
        except Exception as error:
            self._show(())
            if not is_away(error) and not self._stopping.is_set():
                log.exception("sampler")

    def _show(self, readings: Sequence[Reading]) -> None:
        shown = set()
        for gauge, value, labels in readings:
            gauge.labels(self._service, *labels).set(value)
            shown.add((gauge, labels))
        for gauge, labels in self._shown - shown:
            gauge.remove(self._service, *labels)
        self._shown = shown


def database_sampler(database: Database, measures: Sequence[Measure]) -> Sampler:
    """The gauges that a service's database holds: the kernel's and the service's own."""

    def read() -> list[Reading]:
        with database.work() as work:
            return [reading for measure in (messages, *measures) for reading in measure(work)]

    return Sampler(database.service, read)


def messages(work: Work) -> list[Reading]:
    """What waits to go out, what is parked, what has failed."""
    count, oldest = work.session.execute(
        select(func.count(), func.min(OutboxRow.created_at)).where(OutboxRow.published_at.is_(None))
    ).one()
    parked = dict(work.session.execute(select(ParkedKey.held, func.count()).group_by(ParkedKey.held)).all())
    dead = work.session.scalar(select(func.count()).where(DeadLetter.decided_at.is_(None)))
    return [
        Reading(OUTBOX_WAITING, count),
        Reading(OUTBOX_OLDEST, max(0.0, (work.now - oldest).total_seconds()) if oldest else 0),
        Reading(PARKED, parked.get(False, 0), ("no",)),
        Reading(PARKED, parked.get(True, 0), ("yes",)),
        Reading(DEAD_LETTERS, dead or 0),
    ]
