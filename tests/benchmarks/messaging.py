"""How fast events travel: outbox to broker, broker to effect, and how late one arrives. Kafka and PostgreSQL real."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from alembic import command
from sqlalchemy import MetaData, create_engine, text

from shared.contracts.registry import Event, Kind, Topic
from shared.database.migrate import configurations
from shared.database.server import DatabaseServer, drop_database, ensure_databases
from shared.database.vault import Vault
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.consumer import Consumer
from shared.messaging.handlers import Handlers
from shared.messaging.relay import Relay

TOPIC = Topic("bench.amounts", Kind.ENTRY, partitions=8, retention_days=1)
KEYS = 500


class Amount(Event):
    """An entry of some 400 bytes on the wire."""

    TYPE: ClassVar[str] = "linli.bench.amount.v1"
    TOPIC: ClassVar[Topic] = TOPIC
    KEY: ClassVar[str] = "thing"

    thing: str
    amount: int
    at: float = 0.0
    filling: str = "邻里" * 30


@dataclass
class Post:
    """Two services' databases and the broker between them."""

    sender: Database
    taker: Database
    bus: KafkaBus

    def emit(self, count: int) -> None:
        for start in range(0, count, 1000):
            with self.sender.work() as work:
                for n in range(start, min(start + 1000, count)):
                    work.emit(Amount(thing=f"thing {n % KEYS}", amount=n))

    def unsent(self) -> int:
        with self.sender.engine.connect() as connection:
            asked = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
            return int(connection.execute(asked).scalar_one())

    def effects(self) -> int:
        with self.taker.engine.connect() as connection:
            return int(connection.execute(text("SELECT coalesce(sum(times), 0) FROM effect")).scalar_one())


@contextmanager
def post(servers: str, server: DatabaseServer) -> Iterator[Post]:
    """Fresh databases and topics, gone afterwards."""
    names = [f"bench_{side}_{time.time_ns()}" for side in ("sender", "taker")]
    urls = ensure_databases(server, names)
    for name in names:
        engine = create_engine(urls[name].owner)
        with engine.begin() as connection:
            kernel = configurations(MetaData(), Path("unused"))[0]
            kernel.attributes["connection"] = connection
            command.upgrade(kernel, "heads")
            connection.execute(text("CREATE TABLE effect (thing text PRIMARY KEY, times int, total bigint)"))
        engine.dispose()
    sender, taker = (
        Database(urls[name].app, side, Vault(b"k" * 32)) for name, side in zip(names, "st", strict=True)
    )
    bus = KafkaBus(servers, prefix=f"{new_id()}.", session=timedelta(seconds=6))
    try:
        bus.ensure_topics([TOPIC])
        yield Post(sender, taker, bus)
    finally:
        bus.close()
        sender.close()
        taker.close()
        for name in names:
            drop_database(server, name)


def handlers(arrived: Callable[[Amount], None] | None = None) -> Handlers:
    """A small effect: one row changed."""
    made = Handlers()

    @made.on(Amount)
    def add(work: Work, event: Amount) -> None:
        work.session.execute(
            text(
                "INSERT INTO effect VALUES (:thing, 1, :amount) ON CONFLICT (thing)"
                " DO UPDATE SET times = effect.times + 1, total = effect.total + excluded.total"
            ),
            {"thing": event.thing, "amount": event.amount},
        )
        if arrived:
            arrived(event)

    return made


def relay(servers: str, server: DatabaseServer, events: int = 30_000) -> dict[str, Any]:
    """Rows that wait in an outbox until the broker has acknowledged them all and they are marked."""
    with post(servers, server) as between:
        between.emit(events)
        brings = Relay(between.sender, between.bus)
        began = time.perf_counter()
        while brings.run_once():
            pass
        seconds = time.perf_counter() - began
        assert not between.unsent()
    return {"events": events, "seconds": round(seconds, 2), "per_second": round(events / seconds)}


def consume(servers: str, server: DatabaseServer, events: int = 20_000) -> dict[str, Any]:
    """Events on the broker until each has had its effect, with inbox, in the consumer's database."""
    with post(servers, server) as between:
        between.emit(events)
        brings = Relay(between.sender, between.bus)
        while brings.run_once():
            pass
        consumer = Consumer(between.taker, between.bus, "bench", handlers())
        consumer.start()
        while not between.effects():
            time.sleep(0.02)
        first, began = between.effects(), time.perf_counter()
        while between.effects() < events:
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        consumer.stop()
    return {"events": events, "seconds": round(seconds, 2), "per_second": round((events - first) / seconds)}


def latency(servers: str, server: DatabaseServer, rate: int = 50, seconds: float = 20) -> dict[str, Any]:
    """From the emitting transaction's begin to the handler, at a steady rate; milliseconds."""
    took: list[float] = []
    with post(servers, server) as between:
        brings = Relay(between.sender, between.bus)
        consumer = Consumer(
            between.taker, between.bus, "bench", handlers(lambda e: took.append(time.time() - e.at))
        )
        brings.start()
        consumer.start()
        between.emit(1)
        while not between.effects():
            time.sleep(0.05)
        took.clear()
        began, pause = time.perf_counter(), threading.Event()
        for n in range(int(rate * seconds)):
            pause.wait(max(0.0, began + n / rate - time.perf_counter()))
            with between.sender.work() as work:
                work.emit(Amount(thing=f"thing {n % KEYS}", amount=n, at=time.time()))
        while between.effects() <= rate * seconds:
            time.sleep(0.05)
        consumer.stop()
        brings.stop()
    cuts = statistics.quantiles(took, n=100)
    return {
        "events": len(took),
        "rate": rate,
        "p50_ms": round(1000 * cuts[49], 1),
        "p99_ms": round(1000 * cuts[98], 1),
    }
