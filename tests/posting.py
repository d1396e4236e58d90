"""Two services' databases and a bus between them, and events to send: what the suites of messages share."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import create_engine, text

from shared.contracts.registry import Event, Kind, Topic
from shared.database.vault import Vault
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.messaging.bus.port import Bus, Message
from shared.messaging.consumer import Consumer
from shared.messaging.handlers import Handlers
from shared.messaging.relay import Relay, waiting
from tests.conftest import KERNEL, NewDatabase
from tests.support import KEY, until

STATES = Topic("test.states", Kind.STATE, partitions=4)
ENTRIES = Topic("test.entries", Kind.ENTRY, partitions=4, retention_days=30)


class Told(Event):
    """A state of a thing."""

    TYPE: ClassVar[str] = "linli.test.told.v1"
    TOPIC: ClassVar[Topic] = STATES
    KEY: ClassVar[str] = "thing"
    VERSION: ClassVar[str | None] = "thing_version"

    thing: str
    thing_version: int
    value: str = ""


class Counted(Event):
    """An entry of a thing."""

    TYPE: ClassVar[str] = "linli.test.counted.v1"
    TOPIC: ClassVar[Topic] = ENTRIES
    KEY: ClassVar[str] = "thing"

    thing: str
    number: int


@dataclass
class Post:
    """A database with an outbox, a bus, and a consumer's own database."""

    sender: Database
    taker: Database
    bus: Bus
    bus_at: str

    def send(self, *events: Event) -> None:
        with self.sender.work() as work:
            for event in events:
                work.emit(event)

    def relay(self) -> None:
        relay = Relay(self.sender, self.bus)
        relay.start()
        until(lambda: not self._waits())
        relay.stop()

    def _waits(self) -> bool:
        with self.sender.work() as work:
            return bool(waiting(work))


def posts(new_database: NewDatabase, bus: Bus, kafka: str = "", tables: Sequence[str] = ()) -> Iterator[Post]:
    databases = []
    for name in ("sender", "taker"):
        urls = new_database(KERNEL)
        engine = create_engine(urls.owner)
        with engine.begin() as connection:
            for each in ("CREATE TABLE effect (thing text, number bigint)", *tables):
                connection.execute(text(each))
        engine.dispose()
        databases.append(Database(urls.app, name, Vault(KEY)))
    bus.ensure_topics([STATES, ENTRIES])
    bus_at = kafka or bus._engine.url.render_as_string(hide_password=False)  # type: ignore[attr-defined]
    yield Post(*databases, bus, bus_at)
    for database in databases:
        database.close()


def read_all(post: Post, handlers: Handlers, seconds: float = 15) -> Consumer:
    """Read until nothing is left on the bus."""
    consumer = Consumer(post.taker, post.bus, "taker", handlers)
    consumer.start()
    until(lambda: (lag := post.bus.lag("taker")) and not any(part.waiting for part in lag), seconds)
    time.sleep(0.2)
    consumer.stop()
    return consumer


def good(thing: str, number: int, **headers: str) -> Message:
    """An entry as it travels; `headers` replace or, empty, take away."""
    event = Counted(thing=thing, number=number)
    made = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_type": Counted.TYPE,
        "ce_source": "linli/test",
        "ce_aggregateversion": "0",
        **headers,
    }
    kept = {name: value for name, value in made.items() if value}
    return Message(ENTRIES.name, thing, kept, event.model_dump_json().encode())


def count(post: Post, table: str) -> int:
    with post.taker.work() as work:
        return int(work.session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def keeping() -> Handlers:
    """Each effect leaves a row, so that what is doubled or out of order shows."""
    handlers = Handlers()

    @handlers.on(Counted)
    def counted(work: Work, event: Counted) -> None:
        effect = {"thing": event.thing, "number": event.number}
        work.session.execute(text("INSERT INTO effect VALUES (:thing, :number)"), effect)

    return handlers


def effects(post: Post) -> dict[str, list[int]]:
    """Numbers by thing, in the order in which they took effect."""
    found: dict[str, list[int]] = {}
    with post.taker.work() as work:
        for thing, number in work.session.execute(text("SELECT thing, number FROM effect ORDER BY ctid")):
            found.setdefault(thing, []).append(number)
    return found
