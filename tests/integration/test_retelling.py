"""An owner tells all its states again after an upgrade: readers catch up with what an older version did not say."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from services import declarations, wiring
from services.__main__ import main
from shared.contracts.registry import Kind, event_types, load_contracts
from shared.database.server import DatabaseServer, DatabaseUrls
from shared.database.work import Work
from shared.messaging import operator, retelling
from shared.messaging.bus.port import RETOLD, Received
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from shared.messaging.consumer import Consumer
from shared.messaging.handlers import Handlers
from shared.messaging.relay import Relay, waiting
from shared.messaging.retelling import Stalled, State, retell
from tests.conftest import NewDatabase
from tests.integration.test_rebuild import READERS, rows
from tests.posting import Counted, Post, Told, effects, posts, read_all
from tests.running import product
from tests.support import KEY, until

pytestmark = pytest.mark.postgres
OWNERS = [name for name in declarations.NAMES if declarations.service(name).states]
STILL = ("identity", "community", "volunteers", "daycare", "projects")


def test_every_state_of_the_registry_can_be_told_again_by_its_owner() -> None:
    load_contracts()
    states = {e.TYPE for e in event_types() if e.TOPIC.kind is Kind.STATE and ".test." not in e.TYPE}
    declared = {
        state.event.TYPE for name in declarations.NAMES for state in declarations.service(name).states
    }
    assert declared == states
    with pytest.raises(ValueError, match="not told again"):
        State(Counted, object, lambda work, rows: None)


class Base(DeclarativeBase):
    pass


class ThingRow(Base):
    """The owner's row of a thing: whoever changes it locks it, as services do."""

    __tablename__ = "thing"

    place: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    value: Mapped[str]


def tell(work: Work, rows: Sequence[ThingRow]) -> None:
    for row in rows:
        work.emit(Told(thing=row.name, thing_version=row.version, value=row.value))


THINGS = State(Told, ThingRow, tell)
KEEP = "INSERT INTO effect VALUES (:thing, :version)"
KNOW = "INSERT INTO known VALUES (:thing, :value) ON CONFLICT (thing) DO UPDATE SET value = excluded.value"


def knowing() -> Handlers:
    """A reader that keeps what it is told of each thing, and which versions it took."""
    handlers = Handlers()

    @handlers.on(Told)
    def told(work: Work, event: Told) -> None:
        given = {"thing": event.thing, "version": event.thing_version, "value": event.value}
        work.session.execute(text(KEEP), given)
        work.session.execute(text(KNOW), given)

    return handlers


@pytest.fixture
def post(new_database: NewDatabase) -> Iterator[Post]:
    urls = new_database("bus")
    ensure_schema(urls.owner)
    bus = PostgresBus(urls.app)
    yield from posts(
        new_database,
        bus,
        tables=(
            "CREATE TABLE thing (place int, name text, version int, value text, PRIMARY KEY (place, name))",
            "CREATE TABLE known (thing text PRIMARY KEY, value text)",
        ),
    )
    bus.close()


def known(post: Post) -> dict[str, str]:
    with post.taker.work() as work:
        return {row.thing: row.value for row in work.session.execute(text("SELECT thing, value FROM known"))}


def make_things(post: Post, count: int) -> None:
    """Things whose events were sent by a version of the owner that said nothing of their value."""
    with post.sender.work() as work:
        work.session.add_all(
            ThingRow(place=n % 3, name=f"t{n}", version=1, value=f"value {n}") for n in range(count)
        )
        for n in range(count):
            work.emit(Told(thing=f"t{n}", thing_version=1))


def test_a_reader_has_what_was_not_said_before_once_and_whatever_it_knew(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retelling, "BATCH", 4)
    make_things(post, 10)
    post.relay()
    read_all(post, knowing())
    assert known(post) == {f"t{n}": "" for n in range(10)}
    with post.sender.work() as work:
        tell(work, [ThingRow(place=0, name="t0", version=1, value="not marked")])
    post.relay()
    read_all(post, knowing())
    assert known(post)["t0"] == "", "a version that is known is taken no second time"
    for _ in range(2):
        assert list(retell(post.sender, THINGS)) == [4, 4, 2]
        post.relay()
        read_all(post, knowing())
        assert known(post) == {f"t{n}": f"value {n}" for n in range(10)}
    member = post.bus.subscribe("other", [Told.TOPIC.name])
    received: list[Received] = []
    while len(received) < 31:
        received += member.poll(100, 1.0)
    assert [RETOLD in message.headers for message in received].count(True) == 20


def test_what_changes_meanwhile_is_told_after_it_and_stands(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retelling, "BATCH", 5)
    make_things(post, 40)
    stop = threading.Event()

    def change() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with post.sender.work() as work:
                row = work.session.get_one(ThingRow, (turn % 40 % 3, f"t{turn % 40}"), with_for_update=True)
                row.version, row.value = row.version + 1, f"turn {turn}"
                tell(work, [row])

    relay, consumer = Relay(post.sender, post.bus), Consumer(post.taker, post.bus, "taker", knowing())
    threads = [threading.Thread(target=change) for _ in range(2)]
    for each in (relay, consumer, *threads):
        each.start()
    for _ in range(4):
        assert sum(retell(post.sender, THINGS)) == 40
    stop.set()
    for thread in threads:
        thread.join()
    with post.sender.work() as work:
        stands = {row.name: row.value for row in work.session.scalars(select(ThingRow))}
    until(lambda: known(post) == stands)
    consumer.stop()
    relay.stop()
    for thing, versions in effects(post).items():
        assert versions == sorted(versions), f"{thing} went back"


def test_nothing_more_is_told_while_nobody_brings_it_out(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "BATCH", 5)
    monkeypatch.setattr(retelling, "WAITING_MOST", 15)
    monkeypatch.setattr(retelling, "STALLED_SECONDS", 0.3)
    make_things(post, 12)
    told = retell(post.sender, THINGS)
    assert next(told) == 5
    with pytest.raises(Stalled, match="17 events wait"):
        next(told)


def old_matcher(urls: dict[str, DatabaseUrls]) -> None:
    """A matcher of before: its staffing does not say yet whose visit it is."""
    engine = create_engine(urls["matcher"].owner)
    with engine.begin() as connection:
        connection.execute(
            text(
                """
                CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                NEW.payload := convert_to((convert_from(NEW.payload, 'UTF8')::jsonb - 'resident_ids')::text, 'UTF8');
                RETURN NEW; END $$
                """
            )
        )
        connection.execute(
            text("CREATE TRIGGER old BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION forget()")
        )
    engine.dispose()


def upgraded(urls: dict[str, DatabaseUrls]) -> None:
    engine = create_engine(urls["matcher"].owner)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER old ON outbox"))
    engine.dispose()


def calm(city: wiring.City) -> None:
    """Until nothing waits in an outbox or on the bus, and nobody has told anything for two seconds."""
    last, since = -1, time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        left = told = 0
        for name in OWNERS:
            with city.databases[name].work() as work:
                left += waiting(work)
                told += work.session.scalar(text("SELECT coalesce(max(pos), 0) FROM outbox")) or 0
        left += sum(lag.waiting for name in READERS for lag in city.bus.lag(name))
        if left or told != last:
            last, since = told, time.monotonic()
        return time.monotonic() - since > 2

    until(quiet, 60)


def meetings(city: wiring.City, name: str) -> set[tuple[UUID, UUID]]:
    """Who meets whom, as a service knows it."""
    with city.databases[name].work() as work:
        rows = work.session.execute(text("SELECT person_id, with_id FROM acquaintance"))
        return {(person, other) for person, other in rows}


def expected_meetings(city: wiring.City) -> set[tuple[UUID, UUID]]:
    """Those who have said yes or are rostered, and the residents of the visit: from the matcher's own rows."""
    with city.databases["matcher"].work() as work:
        rows = work.session.execute(
            text(
                "SELECT DISTINCT a.person_id, r::uuid FROM assignment a JOIN visit v USING (visit_id),"
                " jsonb_array_elements_text(v.data -> 'resident_ids') r WHERE a.state IN ('accepted', 'rostered')"
            )
        )
        return {(person, resident) for person, resident in rows}


def test_after_an_upgrade_of_the_matcher_its_readers_know_whose_visit_it_is(
    postgres_server: DatabaseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Old events without the field, readers that lack it, told again, and they have it. Nothing else moves."""
    monkeypatch.setenv("LINLI_INSTALLATION_KEY", KEY.hex())
    with product(postgres_server, tmp_path, prepare=old_matcher) as running:
        city = running.city
        assert city is not None
        calm(city)
        wanted = expected_meetings(city)
        assert len(wanted) > 20
        for name in ("volunteers", "projects"):
            assert not meetings(city, name) & wanted
        upgraded(running.urls)
        before = {name: rows(city.databases[name], name) for name in STILL}
        for name in (*OWNERS, "matcher"):
            monkeypatch.setenv("LINLI_DATABASE_URL", running.urls[name].app)
            assert main(["events", "retell", name]) == 0
        told = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
        assert len(told) == 11, "each owner's types, the matcher's twice"
        assert all(int(count) > 0 for _, count in told)
        calm(city)
        for name in ("volunteers", "projects"):
            assert meetings(city, name) >= wanted
        for name, tables in before.items():
            after = rows(city.databases[name], name)
            for table in tables.keys() - {"acquaintance"}:
                assert after[table] == tables[table], f"{name}.{table}"
        for name in READERS:
            with city.databases[name].work() as work:
                assert operator.dead_letters(work, name) == []
                assert operator.parked(work, name) == []
        monkeypatch.setenv("LINLI_DATABASE_URL", running.urls["projects"].app)
        assert main(["events", "retell", "projects", "--type", "contract_line_changed"]) == 0
        assert capsys.readouterr().out.count("\t") == 1
        assert main(["events", "retell", "projects", "--type", "delivery_recorded"]) == 2
        assert main(["events", "retell", "identity"]) == 2
        assert main(["events", "lag", "community"]) == 2
        assert main(["events", "lag", "projects", "--type", "contract_line_changed"]) == 2
