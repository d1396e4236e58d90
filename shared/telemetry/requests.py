"""Each request watched: counted and timed by its route, one line in the log, one span in its trace.

A route is named by its template (`/residents/{person_id}`): what stands in an address, a query or a header is not ours
to write down.
"""

import time
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.telemetry.metrics import READY, REQUEST_SECONDS, exposition
from shared.telemetry.traces import Span, span

log = structlog.get_logger()

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
PROBES = {"/healthz", "/readyz", "/metrics"}
GONE = 499  # the caller went away before the answer


class WatchedApp(FastAPI):
    """An app of ours, watched. `public`: it faces browsers, whose idea of a trace counts for nothing."""

    def __init__(self, service: str, *, public: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self._service = service
        self._public = public
        self.add_api_route("/metrics", exposition, include_in_schema=False)

    def build_middleware_stack(self) -> ASGIApp:
        return _Watch(super().build_middleware_stack(), self._service, self._public)


class _Watch:
    """Outside of everything else, so that failures are seen as they are answered."""

    def __init__(self, app: ASGIApp, service: str, public: bool) -> None:
        self._app = app
        self._service = service
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method = scope["method"] if scope["method"] in METHODS else "other"
        status = GONE

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with span(self._service, method, "server", None if self._public else _parent(scope)) as current:
            try:
                await self._app(scope, receive, answer)
            finally:
                self._note(current, method, route_of(scope), status, time.perf_counter() - began)

    def _note(self, current: Span, method: str, route: str, status: int, seconds: float) -> None:
        REQUEST_SECONDS.labels(self._service, method, route, str(status)).observe(seconds)
        current.rename(f"{method} {route}")
        current.note(
            {"http.route": route, "http.request.method": method, "http.response.status_code": status}
        )
        if status >= 500:
            current.fail(str(status))
        if route == "/readyz":
            READY.labels(self._service).set(status == 200)
        if route not in PROBES:
            log.info("request", method=method, route=route, status=status, ms=round(seconds * 1000, 1))


def route_of(scope: Scope) -> str:
    """The template of the route that answers; never the address as it was typed."""
    path = getattr(scope.get("route"), "path", None)
    if path:
        return str(path)
    return "/static" if scope["path"].startswith("/static/") else "none"


def _parent(scope: Scope) -> str | None:
    found = next((value for name, value in scope["headers"] if name == b"traceparent"), None)
    return found.decode("latin-1") if found else None
