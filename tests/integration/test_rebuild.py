"""Every service's projections, emptied and read anew from the log, are what they were. On each bus."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from services import declarations, wiring
from services.__main__ import main
from shared.database.server import DatabaseServer
from shared.database.vault import Vault
from shared.database.work import Database
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus
from shared.messaging.consumer import Consumer
from tests.running import Product, product
from tests.support import KEY, until

pytestmark = pytest.mark.postgres
READERS = [name for name in declarations.NAMES if declarations.service(name).handlers.topics]


@pytest.fixture(scope="module", params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def stopped(
    request: pytest.FixtureRequest,
    postgres_server: DatabaseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Product, dict[str, str]]]:
    """The sample city, loaded, everything read, and then stopped; and the settings that lead to its bus."""
    settings, new_bus = {}, None
    if request.param == "kafka":
        servers, prefix = request.getfixturevalue("kafka_servers"), f"{new_id()}."
        settings = {"LINLI_KAFKA": servers, "LINLI_KAFKA_PREFIX": prefix}

        def new_bus() -> Bus:
            return KafkaBus(servers, prefix=prefix)

    with product(postgres_server, tmp_path_factory.mktemp("rebuild"), new_bus) as city:
        assert city.city is not None
        bus = city.city.bus
        until(lambda: not any(lag.waiting for name in READERS for lag in bus.lag(name)), 60)
        city.stop()
        settings["LINLI_BUS_URL"] = city.urls[wiring.BUS].app
        yield city, settings


def rows(database: Database, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a service knows, table by table."""
    found = {}
    with database.engine.connect() as connection:
        for table in declarations.service(name).metadata.sorted_tables:
            found[table.name] = sorted(
                (tuple(_plain(value) for value in row) for row in connection.execute(select(table))), key=repr
            )
    return found


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("name", READERS)
def test_a_projection_read_anew_is_what_it_was(
    stopped: tuple[Product, dict[str, str]],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    city, settings = stopped
    for setting, value in {
        **settings,
        "LINLI_DATABASE_URL": city.urls[name].app,
        "LINLI_INSTALLATION_KEY": KEY.hex(),
    }.items():
        monkeypatch.setenv(setting, value)
    database = Database(city.urls[name].app, name, Vault(KEY), clock=city.clock)
    before = rows(database, name)
    assert main(["events", "rebuild", name]) == 0
    emptied = rows(database, name)
    if name != "matcher":  # whose rows are overwritten where they stand
        assert sum(map(len, emptied.values())) < sum(map(len, before.values()))
    assert main(["events", "lag", name]) == 0
    waiting = capsys.readouterr().out.splitlines()
    bus: Bus = (
        KafkaBus(settings["LINLI_KAFKA"], prefix=settings["LINLI_KAFKA_PREFIX"])
        if "LINLI_KAFKA" in settings
        else wiring.PostgresBus(settings["LINLI_BUS_URL"])
    )
    consumer = Consumer(database, bus, name, declarations.service(name).handlers)
    consumer.start()
    until(lambda: (lag := bus.lag(name)) and not any(part.waiting for part in lag), 60)
    consumer.stop()
    bus.close()
    after = rows(database, name)
    for table, lines in before.items():
        assert [line for line in after[table] if line not in lines] == [], table
        assert len(after[table]) == len(lines), table
    assert main(["events", "dead-letters", name]) == 0
    assert main(["events", "parked", name]) == 0
    assert capsys.readouterr().out.splitlines() == ["死信 | dead letters: 0", "搁置 | parked keys: 0"]
    assert waiting
    database.close()
