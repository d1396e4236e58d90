"""What every service is made of, and the FastAPI app that serves it."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import MetaData, text

from shared.contracts.registry import Event
from shared.database.work import Database, Job
from shared.messaging.bus.port import Bus
from shared.messaging.handlers import Handlers
from shared.messaging.retelling import State
from shared.messaging.sampler import Measure
from shared.security.tokens import TokenVerifier
from shared.telemetry.requests import WatchedApp
from shared.web.bodies import BodyLimit
from shared.web.problems import Guard, add_problem_handlers
from shared.web.routing import ServiceRoute

Check = Callable[[], str | None]  # None, or why not


class Worker(Protocol):
    """Something that runs beside the requests until it is stopped."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


def stop_all(workers: Sequence[Worker], within: float | None = None) -> None:
    """Stop all at once, each after what it has in hand. `within`: seconds after which the rest is left behind."""
    ending = [threading.Thread(target=worker.stop, daemon=True) for worker in workers]
    for thread in ending:
        thread.start()
    deadline = None if within is None else time.monotonic() + within
    for thread in ending:
        thread.join(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that share out the calls of one event among a service's processes: a group of their own on the bus."""

    group: str
    event: type[Event]
    make: Callable[[Database, Bus], Worker]


@dataclass(frozen=True)
class Service:
    """A service, as `services/<name>/app.py` declares it and whoever runs it wires it.

    `workers` are long-running threads of its own (the matcher's solves), `crews` those that hear each other. `on_bus`: whether it tells or hears events.
    `keeps_files`: whether it keeps them in the object store, where the settings name one.
    `states`: what it tells of as state, so that all of it can be told again. `measures` read gauges of its own from its database. `guards` says what each named database constraint means;
    `load_sample` brings the service's own part of the sample city in through its service layer. `larger_bodies`: the
    paths that take more than others, in bytes.
    """

    name: str
    title: str
    metadata: MetaData
    routers: Sequence[APIRouter]
    handlers: Handlers = field(default_factory=Handlers)
    jobs: Sequence[Job] = ()
    workers: Sequence[Callable[[Database], Worker]] = ()
    crews: Sequence[Crew] = ()
    on_bus: bool = True
    keeps_files: bool = False
    states: Sequence[State] = ()
    guards: dict[str, Guard] = field(default_factory=dict)
    measures: Sequence[Measure] = ()
    load_sample: Callable[[Database, Any], None] | None = None
    larger_bodies: Mapping[str, int] = field(default_factory=dict)


def router(prefix: str = "", *tags: str) -> APIRouter:
    """A feature's router, whose plain endpoints run in one transaction each."""
    return APIRouter(prefix=prefix, tags=list(tags), route_class=ServiceRoute)


def create_app(service: Service, database: Database, verifier: TokenVerifier) -> FastAPI:
    """The service's HTTP face. Its threads are as many as its connections, so that neither waits for the other."""
    app = WatchedApp(service.name, title=service.title, version="1", separate_input_output_schemas=False)
    app.state.service = service
    app.state.database = database
    app.state.verifier = verifier
    app.state.limiter = anyio.CapacityLimiter(database.pool)
    app.add_middleware(BodyLimit, larger=service.larger_bodies)
    add_problem_handlers(app, service.guards)
    for each in service.routers:
        app.include_router(each)

    app.state.checks = [database_ready(database)]
    add_health(app)
    return app


def add_health(app: FastAPI) -> None:
    """`/healthz`: the process lives. `/readyz`: whether it should be sent work, and if not, why (`app.state.checks`)."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> JSONResponse:
        reasons = [reason for reason in (check() for check in app.state.checks) if reason]
        if reasons:
            return JSONResponse({"status": "not ready", "reasons": reasons}, 503)
        return JSONResponse({"status": "ready"})


def database_ready(database: Database) -> Check:
    """Whether the database answers."""

    def check() -> str | None:
        try:
            with database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except Exception as error:
            return f"no database: {type(error).__name__}"
        return None

    return check
