"""The whole city on Apache Kafka: the same code, another bus."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from shared.clock import wall_day
from shared.database.server import DatabaseServer
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.sample import SAMPLE_PASSWORD
from tests.running import Product, product

pytestmark = [pytest.mark.postgres, pytest.mark.kafka]


@pytest.fixture(scope="module")
def running(
    postgres_server: DatabaseServer, kafka_servers: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    prefix = f"{new_id()}."
    folder = tmp_path_factory.mktemp("kafka")
    with product(postgres_server, folder, lambda: KafkaBus(kafka_servers, prefix=prefix)) as city:
        yield city


def signed_in(running: Product, username: str) -> httpx.Client:
    client = httpx.Client(base_url=running.address, timeout=30)
    answer = client.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD})
    assert answer.status_code == 303
    return client


def until(client: httpx.Client, path: str, text: str, seconds: float = 30) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        shown = client.get(path).text
        if text in shown:
            return shown
        time.sleep(0.2)
    raise AssertionError(f"{path} never says {text}")


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(_\w+)" value="([^"]*)"', page))


def test_a_need_becomes_an_offer_and_an_answer_over_kafka_and_stands_after_a_restart(
    running: Product,
) -> None:
    resident = running.facts.people_of_the_story.resident
    centre = signed_in(running, "centre")
    form = {
        **hidden(centre.get("/centre/needs/new").text),
        "resident_ids": str(resident.resident_id),
        "kind": "digital",
        "first_day": (wall_day(running.clock()) + timedelta(days=1)).isoformat(),
        "earliest": "15:00",
        "latest": "16:00",
    }
    posted = centre.post("/centre/needs/new", data=form)
    assert posted.status_code == 303, posted.text
    need = until(centre, posted.headers["location"], "/centre/visits/")
    visit = re.search(r"/centre/visits/[0-9a-f-]{36}", need)
    assert visit is not None
    until(centre, visit[0], "已邀请")

    calls = centre.get("/centre/calls").text
    section = next(part for part in calls.split("<section") if "手机辅导" in part)
    answer = re.search(r'action="(/centre/calls/[^"]+/yes|[^"]+accept[^"]*)"', section)
    assert answer is not None, section[:600]
    said = centre.post(answer[1], data=hidden(calls))
    assert said.status_code == 303, said.text
    until(centre, visit[0], "已答应")

    running.restart()
    again = signed_in(running, "centre")
    assert "已答应" in again.get(visit[0]).text
    assert running.city is not None
    for name in ("daycare", "matcher", "identity"):
        deadline = time.monotonic() + 30
        while sum(lag.waiting for lag in running.city.bus.lag(name)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not sum(lag.waiting for lag in running.city.bus.lag(name)), f"{name} is behind"
