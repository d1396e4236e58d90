"""Traces: one thread from the browser's request through services and bus to whoever applies its events.

A W3C `traceparent` travels always: in HTTP headers, outbox rows and headers of events, and its id stands in every log
line. Spans are recorded only once `configure_traces` was given an address; until then OpenTelemetry is not imported.
"""

import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from opentelemetry import trace as otel
    from opentelemetry.sdk.trace import SpanProcessor

Kind = Literal["server", "consumer", "internal"]

END_SECONDS = 0.5

_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_trace: ContextVar[str | None] = ContextVar("trace", default=None)
_service: ContextVar[str | None] = ContextVar("service", default=None)
_tracers: "dict[str, otel.Tracer]" = {}
_processors: "dict[str, SpanProcessor]" = {}


class Span:
    """A piece of work within a trace. What is noted of it never holds personal data."""

    __slots__ = ("_recorded", "traceparent")

    def __init__(self, traceparent: str, recorded: "otel.Span | None" = None) -> None:
        self.traceparent = traceparent
        self._recorded = recorded

    def rename(self, name: str) -> None:
        if self._recorded is not None:
            self._recorded.update_name(name)

    def note(self, attributes: Mapping[str, str | int]) -> None:
        """Say more about it, by OpenTelemetry's names."""
        if self._recorded is not None:
            self._recorded.set_attributes(attributes)

    def fail(self, kind: str) -> None:
        """It did not succeed: `kind` is the error's type, never its message."""
        if self._recorded is not None:
            from opentelemetry.trace import StatusCode

            self._recorded.set_status(StatusCode.ERROR)
            self._recorded.set_attribute("error.type", kind)


def traceparent() -> str | None:
    """The present span, as it travels to others."""
    return _trace.get()


def trace_id() -> str | None:
    """The trace at work here, as logs name it."""
    current = _trace.get()
    return current[3:35] if current else None


def service_at_work() -> str | None:
    """Whose work it is that runs here."""
    return _service.get()


def work_for(service: str) -> None:
    """From now on this thread works for a service: its logs say so."""
    _service.set(service)


@contextmanager
def span(
    service: str, name: str, kind: Kind, parent: str | None, attributes: Mapping[str, str | int] | None = None
) -> Iterator[Span]:
    """Work of a service within its parent's trace; without a (well-formed) parent a trace of its own."""
    known = parent if parent and _FORM.fullmatch(parent) else None
    tracer = _tracers.get(service)
    recorded = _start(tracer, name, kind, known) if tracer else None
    current = Span(_as_header(recorded) if recorded else known or _fresh(), recorded)
    if attributes:
        current.note(attributes)
    at_work, trace = _service.set(service), _trace.set(current.traceparent)
    try:
        yield current
    except Exception as error:
        current.fail(type(error).__name__)
        raise
    finally:
        if recorded:
            recorded.end()
        _trace.reset(trace)
        _service.reset(at_work)


def _fresh() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def _start(tracer: "otel.Tracer", name: str, kind: Kind, parent: str | None) -> "otel.Span":
    from opentelemetry import trace as otel
    from opentelemetry.context import Context

    context = Context()
    if parent:
        _, trace, span_id, flags = parent.split("-")
        above = otel.SpanContext(int(trace, 16), int(span_id, 16), True, otel.TraceFlags(int(flags, 16)))
        context = otel.set_span_in_context(otel.NonRecordingSpan(above), context)
    return tracer.start_span(
        name,
        context,
        kind=otel.SpanKind[kind.upper()],
        record_exception=False,
        set_status_on_exception=False,
    )


def _as_header(recorded: "otel.Span") -> str:
    it = recorded.get_span_context()
    return f"00-{it.trace_id:032x}-{it.span_id:016x}-{it.trace_flags:02x}"


def configure_traces(service: str, endpoint: str | None) -> None:
    """Record a service's spans and send them to an OTLP/HTTP address; None: they are not recorded.

    How many traces are kept follows OpenTelemetry's own `OTEL_TRACES_SAMPLER`; all, where it is not set.
    """
    if endpoint is None:
        _tracers.pop(service, None)
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    address = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + "/v1/traces"
    if address not in _processors:
        _processors[address] = BatchSpanProcessor(OTLPSpanExporter(endpoint=address))
    resource = Resource.create({"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(_processors[address])
    _tracers[service] = provider.get_tracer("linli")


def end_traces() -> None:
    """Send what is not yet sent, and record nothing more. A collector that is away holds nobody up."""
    _tracers.clear()
    for processor in _processors.values():
        ending = threading.Thread(target=processor.shutdown, daemon=True)
        ending.start()
        ending.join(timeout=END_SECONDS)
    _processors.clear()
