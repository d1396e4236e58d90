"""What Prometheus may ask: the metrics of every service, each by the label `service`.

`/metrics` of an app tells of its whole process: of one service when deployed, of all in `up`.
"""

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUEST_SECONDS = Histogram(
    "linli_request_seconds",
    "Requests answered and how long they took, by the route's template",
    ["service", "method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
READY = Gauge("linli_ready", "What the last readiness probe was told", ["service"])

OUTBOX_WAITING = Gauge("linli_outbox_waiting", "Events not yet brought to the bus", ["service"])
OUTBOX_OLDEST = Gauge("linli_outbox_oldest_seconds", "Age of the oldest of them", ["service"])
RELAYED = Counter("linli_events_relayed", "Events brought to the bus", ["service", "topic"])
CONSUMED = Counter("linli_events_consumed", "Events read and done with", ["service", "topic"])
EVENT_DELAY = Histogram(
    "linli_event_delay_seconds",
    "From what happened in one service to its effect in another, the last event of each batch",
    ["service", "topic"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600),
)
LAG = Gauge("linli_consumer_lag", "Events on the bus that wait for the consumer", ["service", "topic"])
STOPPED = Gauge("linli_consumer_stopped", "1: most events failed, so the consumer stopped", ["service"])
PARKED = Gauge("linli_parked_keys", "Keys whose events wait; held: for an operator", ["service", "held"])
DEAD_LETTERS = Gauge("linli_dead_letters_open", "Failed events that nobody has decided on", ["service"])


def exposition() -> Response:
    """The answer to a scrape."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
