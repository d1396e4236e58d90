"""The bus that the suites of messages run on: each of both."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from tests.conftest import NewDatabase
from tests.posting import Post, posts


@pytest.fixture
def postgres_bus(new_database: NewDatabase) -> Iterator[Bus]:
    urls = new_database("bus")
    ensure_schema(urls.owner)
    bus = PostgresBus(urls.app)
    yield bus
    bus.close()


@pytest.fixture
def kafka_bus(kafka_servers: str) -> Iterator[Bus]:
    bus = KafkaBus(kafka_servers, prefix=f"{new_id()}.", session=timedelta(seconds=6))
    yield bus
    bus.close()


@pytest.fixture(params=["postgres_bus", pytest.param("kafka_bus", marks=pytest.mark.kafka)])
def post(request: pytest.FixtureRequest, new_database: NewDatabase) -> Iterator[Post]:
    bus = request.getfixturevalue(request.param)
    kafka = request.getfixturevalue("kafka_servers") if isinstance(bus, KafkaBus) else ""
    yield from posts(new_database, bus, kafka)
