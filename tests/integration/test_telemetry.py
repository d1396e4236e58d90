"""What the running city says of itself: one trace from the browser to the offer, and figures to watch."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from services.declarations import NAMES
from shared.clock import wall_day
from shared.database.outbox import OutboxRow
from shared.database.server import DatabaseServer
from shared.database.work import Database
from shared.ids import new_id
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.sampler import database_sampler
from shared.messaging.tables import DeadLetter, ParkedKey
from shared.sample import SAMPLE_PASSWORD
from shared.telemetry.traces import configure_traces, end_traces
from tests.conftest import NewDatabase
from tests.running import Product, product
from tests.support import service_under_test
from tests.watching import Collector, Seen

pytestmark = pytest.mark.postgres

T = TypeVar("T")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with pytest.MonkeyPatch.context() as patch, Collector() as collector:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        for name in NAMES:
            configure_traces(name, collector.address)
        yield collector
        end_traces()


@pytest.fixture(
    scope="module", params=["the log in PostgreSQL", pytest.param("Kafka", marks=pytest.mark.kafka)]
)
def running(
    request: pytest.FixtureRequest,
    collector: Collector,
    postgres_server: DatabaseServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    bus = None
    if request.param == "Kafka":
        servers, prefix = request.getfixturevalue("kafka_servers"), f"{new_id()}."
        bus = lambda: KafkaBus(servers, prefix=prefix)  # noqa: E731
    with product(postgres_server, tmp_path_factory.mktemp("telemetry"), bus) as city:
        yield city


def eventually(ask: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def post_a_need(running: Product) -> None:
    """As the centre does, for tomorrow, inside the published days."""
    with httpx.Client(base_url=running.address, timeout=30) as centre:
        centre.post("/sign-in", data={"username": "centre", "password": SAMPLE_PASSWORD})
        shown = centre.get("/centre/needs/new").text
        form = {
            **dict(re.findall(r'<input type="hidden" name="(_\w+)" value="([^"]*)"', shown)),
            "resident_ids": str(running.facts.people_of_the_story.resident.resident_id),
            "kind": "digital",
            "first_day": (wall_day(running.clock()) + timedelta(days=1)).isoformat(),
            "earliest": "15:00",
            "latest": "16:00",
        }
        assert centre.post("/centre/needs/new", data=form).status_code == 303


def test_one_trace_from_the_browser_to_the_offer(running: Product, collector: Collector) -> None:
    post_a_need(running)
    portal = eventually(lambda: span_of(collector, "portal", "POST /centre/needs/new"), "the portal's span")
    assert portal.parent == ""
    daycare = under(collector, portal, "daycare", "POST /needs")
    matcher = under(collector, daycare, "matcher", "linli.daycare.visit_changed.v1")
    offer = under(collector, matcher, "matcher", "offer")
    told = under(collector, offer, "daycare", "linli.matcher.staffing_changed.v1")
    assert {each.trace for each in (portal, daycare, matcher, offer, told)} == {portal.trace}
    assert daycare.attributes == {
        "http.route": "/needs",
        "http.request.method": "POST",
        "http.response.status_code": "201",
    }


def span_of(collector: Collector, service: str, name: str) -> Seen | None:
    return next((s for s in reversed(collector.spans) if (s.service, s.name) == (service, name)), None)


def under(collector: Collector, above: Seen, service: str, name: str) -> Seen:
    """The span that goes on where another left off."""

    def find() -> Seen | None:
        return next(
            (s for s in collector.spans if (s.parent, s.service, s.name) == (above.span, service, name)), None
        )

    return eventually(find, f"{service}: {name} under {above.service}: {above.name}")


def scraped(address: str) -> Callable[..., float | None]:
    """What Prometheus would get: `figure("linli_ready", service="daycare")`, summed over other labels."""
    text = httpx.get(f"{address}/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def figure(name: str, **labels: str) -> float | None:
        found = [s.value for s in samples if s.name == name and labels.items() <= s.labels.items()]
        return sum(found) if found else None

    return figure


def test_the_metrics_tell_of_requests_events_and_plans(running: Product) -> None:
    post_a_need(running)
    figure = eventually(lambda: complete(running), "every figure")
    assert figure("linli_request_seconds_count", service="portal", route="/centre/needs/new", status="303")
    assert figure("linli_request_seconds_count", service="daycare", route="/needs", method="POST")
    assert figure("linli_events_relayed_total", service="daycare", topic="linli.visits")
    assert figure("linli_events_consumed_total", service="matcher", topic="linli.visits")
    assert figure("linli_event_delay_seconds_count", service="matcher", topic="linli.visits")
    assert figure("linli_consumer_stopped", service="matcher") == 0
    assert figure("linli_dead_letters_open", service="matcher") == 0
    assert figure("linli_plan_seconds_count", service="matcher", outcome="ready")
    assert 0 <= (figure("linli_plan_gap_ratio") or 0) < 1
    assert 0 < (figure("linli_plan_coverage_ratio") or 0) <= 1
    assert (figure("linli_solver_memory_bytes") or 0) > 10_000_000
    assert (figure("linli_plan_workers"), figure("linli_plan_parts_waiting")) == (1, 0)


def complete(running: Product) -> Callable[..., float | None] | None:
    """The figures, once everything has gone through and been sampled."""
    figure = scraped(running.address)
    behind = [figure("linli_outbox_waiting"), figure("linli_consumer_lag", service="matcher")]
    return figure if behind == [0, 0] and figure("linli_offers_open") else None


def test_what_waits_is_sampled_and_forgotten_when_the_database_is_away(new_database: NewDatabase) -> None:
    def shown(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"service": "sampled", **labels})

    with service_under_test("community", new_database("community")) as community:
        database = community.database
        database.service = "sampled"  # the city of other tests may be up still and show its own community
        with database.work() as work:
            work.session.add_all([an_event(work.now), a_dead_letter(work.now)])
            work.session.add_all([a_parked_key(work.now, held=held) for held in (True, True, False)])
        sampler = database_sampler(database, ())
        sampler.sample()
        assert shown("linli_outbox_waiting") == 1
        assert 30 <= (shown("linli_outbox_oldest_seconds") or 0) < 90
        assert shown("linli_dead_letters_open") == 1
        assert shown("linli_parked_keys", held="yes") == 2
        assert shown("linli_parked_keys", held="no") == 1
        away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none", "sampled", database.vault)
        database.engine, engine = away.engine, database.engine
        sampler.sample()
        database.engine = engine
        assert shown("linli_outbox_waiting") is None, "an old figure would look like a present one"
        sampler.sample()
        assert shown("linli_outbox_waiting") == 1


def an_event(now: datetime) -> OutboxRow:
    then = now - timedelta(seconds=30)
    return OutboxRow(
        event_id=new_id(),
        lane=1,
        topic="areas",
        key="k",
        type="t",
        aggregate_version=1,
        payload=b"",
        created_at=then,
        available_at=then,
    )


def a_dead_letter(now: datetime) -> DeadLetter:
    return DeadLetter(
        consumer="community",
        topic="areas",
        partition=0,
        offset=1,
        key="k",
        event_id=new_id(),
        headers={},
        value=b"",
        reason="",
        attempts=1,
        at=now,
    )


def a_parked_key(now: datetime, *, held: bool) -> ParkedKey:
    return ParkedKey(
        consumer="community",
        topic="areas",
        key=str(new_id()),
        held=held,
        reason="",
        attempts=0,
        since=now,
        retry_at=now,
    )
