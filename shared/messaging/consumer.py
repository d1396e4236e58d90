"""The consumer: a member of the service's group, in a thread of its own. What it does with events: applying.py."""

import threading
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from shared.database.work import Database
from shared.messaging.applying import Applier
from shared.messaging.bus.port import Bus, BusAway, Fenced, Part, Received, Subscription
from shared.messaging.faults import is_away
from shared.messaging.handlers import Handlers
from shared.messaging.operator import note_reading
from shared.telemetry.metrics import LAG, STOPPED
from shared.telemetry.traces import work_for

log = structlog.get_logger()

BATCH = 500
POLL_SECONDS = 0.5
AWAY_SECONDS = 1.0
PARKED_MOST = 10_000
LOOK_SECONDS = 0.2  # so often for parked keys that are due
SWEEP_SECONDS = 3600.0
NOTE_SECONDS = 10.0


class Consumer:
    """A member of the service's group. Group and inbox carry the consumer's name."""

    def __init__(self, database: Database, bus: Bus, name: str, handlers: Handlers) -> None:
        self._bus = bus
        self.name = name
        self.applier = Applier(database, name, handlers)
        self._topics = sorted(handlers.topics)
        self._stopping = threading.Event()
        self._looked = 0.0
        self._swept = time.monotonic()
        self._full = self._standing = False
        STOPPED.labels(database.service).set(0)
        self._thread = threading.Thread(target=self._run, name=f"consumer-{name}", daemon=True)
        self.waiting = 0  # events behind, as last noted
        self._noter = threading.Thread(target=self._note, name=f"lag-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._noter.start()

    def stop(self) -> None:
        """Finish the batch at hand and leave the group."""
        self._stopping.set()
        for thread in (self._thread, self._noter):
            if thread.is_alive():
                thread.join(timeout=15)

    def _run(self) -> None:
        """Whatever goes wrong, the membership is given up and made anew."""
        work_for(self.applier.database.service)
        while not self._stopping.is_set():
            try:
                subscription = self._bus.subscribe(self.name, self._topics)
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
            self._look_after_parked()
            if self._full or self.applier.stopped_by_ratio:
                self._stand_by(subscription)
                continue
            if self._standing:
                subscription.resume(subscription.assigned())
                self._standing = False
            received = subscription.poll(BATCH, POLL_SECONDS)
            if not received:
                self._sweep()
                continue
            try:
                self.applier.take(received)
                subscription.commit(_next_offsets(received))
            except Fenced:
                continue
            except Exception as error:
                if not is_away(error):
                    raise
                subscription.rewind()
                self._stopping.wait(AWAY_SECONDS)

    def _look_after_parked(self) -> None:
        """Try the parked keys that are due; nothing more is read while as many events are parked as may be."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        due, parked = self.applier.waiting(PARKED_MOST)
        self._full = parked >= PARKED_MOST
        for topic, key in due:
            self.applier.retry(topic, key)
        self._looked = time.monotonic()

    def _stand_by(self, subscription: Subscription) -> None:
        """Keep the partitions and read nothing: with another they would fare no better."""
        if self.applier.stopped_by_ratio and self.applier.go_on_if_told():
            return
        self._standing = True
        subscription.pause(subscription.assigned())
        if subscription.poll(1, POLL_SECONDS):
            subscription.rewind()

    def _note(self) -> None:
        """Keep for the bureau's page and the metrics how far this consumer is behind."""
        service = self.applier.database.service
        work_for(service)
        while not self._stopping.wait(NOTE_SECONDS):
            try:
                waiting = Counter(dict.fromkeys(self._topics, 0))
                for lag in self._bus.lag(self.name):
                    waiting[lag.part.topic] += lag.waiting
                for topic, count in waiting.items():
                    LAG.labels(service, topic).set(count)
                self.waiting = waiting.total()
                stopped = self.applier.stopped_by_ratio
                note_reading(self.applier.database, self.name, self.waiting, stopped=stopped)
            except Exception as error:
                LAG.remove_by_labels({"service": service})  # what was is not shown as what is
                if not isinstance(error, BusAway) and not is_away(error):
                    log.exception("lag", consumer=self.name)

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            self.applier.sweep()


def _next_offsets(received: Sequence[Received]) -> dict[Part, int]:
    offsets: dict[Part, int] = {}
    for message in received:
        part = Part(message.topic, message.partition)
        offsets[part] = max(offsets.get(part, 0), message.offset + 1)
    return offsets
