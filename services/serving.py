"""One service as a process of its own: `python -m services serve NAME`, over servers that the settings name."""

import faulthandler
import gc
import logging
import os
import signal
import threading
from dataclasses import replace
from typing import Any, Literal

import httpx
import structlog
import uvicorn
from fastapi import FastAPI

from services import declarations, wiring
from shared.database.shape import behind
from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging.bus.port import Bus, BusAway
from shared.messaging.consumer import Consumer
from shared.security.tokens import FetchKeys, TokenVerifier
from shared.settings import Settings
from shared.telemetry.logs import configure_logs
from shared.telemetry.traces import configure_traces, end_traces
from shared.web.app import Service, Worker, create_app, stop_all

log = structlog.get_logger()

Part = Literal["api", "worker", "all"]
REQUESTS_SECONDS = 4  # for what was begun when the process is told to end
WORKERS_SECONDS = 4  # then for batches and jobs
RETRY_SECONDS = 1.0


class Background:
    """What a process does beside its requests, begun as soon as its database is migrated and the bus has answered once.

    With the part `api` that is nothing, but the process is ready only then, too.
    """

    def __init__(
        self, declared: Service, part: Part, database: Database, bus: Bus | None, most_waiting: int
    ) -> None:
        self._declared = declared
        self._part = part
        self._database = database
        self._bus = bus
        self._most_waiting = most_waiting
        self._workers: list[Worker] = []
        self._stopping = threading.Event()
        self._missing: str | None = "starting"
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ready(self) -> str | None:
        """None, or what the workers wait for."""
        if self._missing:
            return self._missing
        waiting = sum(worker.waiting for worker in self._workers if isinstance(worker, Consumer))
        return f"{waiting} events wait" if waiting > self._most_waiting else None

    def stop(self) -> None:
        """Every worker ends at once, each after what it has in hand."""
        self._stopping.set()
        stop_all(self._workers, WORKERS_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            missing = self._lacking()
            if missing is None:
                break
            if missing != self._missing:
                log.warning("waiting", reason=missing)
            self._missing = missing
            self._stopping.wait(RETRY_SECONDS)
        else:
            return
        if self._part != "api":
            self._workers = wiring.workers_of(self._declared, self._database, self._bus)
        for worker in self._workers:
            worker.start()
        self._missing = None
        log.info("working")

    def _lacking(self) -> str | None:
        name = self._declared.name
        try:
            if behind(self._database.engine, declarations.migrations(name)):
                return f"not migrated: python -m services migrate {name}"
        except Exception as error:
            return f"no database: {type(error).__name__}"
        try:
            if self._bus is not None:
                self._bus.ensure_topics(wiring.topics())
        except (BusAway, ValueError) as error:
            return f"no bus: {error}"
        return None


def serve(name: str, part: Part, settings: Settings) -> int:
    """Run a service until SIGTERM or SIGINT; at most ten seconds later the process has ended."""
    configure_logs(settings.log_file, name)
    configure_traces(name, settings.traces)
    faulthandler.register(signal.SIGUSR1)
    declared = declarations.service(name)
    database = Database(
        settings.database_url or "",
        name,
        Vault(settings.key),
        pool=settings.pool or wiring.POOLS.get(name, 8),
        clock=None if name == "identity" else settings.clock,
        objects=wiring.objects_of(settings, declared),
    )
    bus = wiring.bus_of(settings, settings.bus_url) if declared.on_bus and part != "api" else None
    background = Background(declared, part, database, bus, settings.ready_lag)
    app = _app(declared, part, database, settings)
    app.state.checks.append(background.ready)
    background.start()
    gc.freeze()  # what stays for good is not looked through again with every collection
    try:
        _listen(app, settings)
    finally:
        background.stop()
        if bus is not None:
            bus.close()
        database.close()
        end_traces()
    log.info("ended")
    if any(not t.daemon and t is not threading.main_thread() for t in threading.enumerate()):
        logging.shutdown()
        os._exit(0)  # a request that still waits for the database was never answered: it is rolled back
    return 0


def _app(declared: Service, part: Part, database: Database, settings: Settings) -> FastAPI:
    if part == "worker":
        declared = replace(declared, routers=())
    elif declared.name == "portal":
        from services.portal.app import create_portal

        return create_portal(database, _clients(settings))
    return create_app(declared, database, TokenVerifier(_keys_of(settings.service_address("identity"))))


def _clients(settings: Settings) -> dict[str, httpx.AsyncClient]:
    return {
        name: httpx.AsyncClient(base_url=settings.service_address(name), timeout=wiring.CALL_SECONDS)
        for name in declarations.NAMES
        if name != "portal"
    }


def _keys_of(identity: str) -> FetchKeys:
    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=identity, timeout=5) as client:
            answer = await client.get("/jwks")
            answer.raise_for_status()
            keys: dict[str, Any] = answer.json()
            return keys

    return fetch


def listening(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the HTTP face is served. What a proxy says of its caller is believed only of the proxies in the settings."""
    host, port = settings.address
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies.replace(" ", ""),
        timeout_graceful_shutdown=REQUESTS_SECONDS,
    )


def _listen(app: FastAPI, settings: Settings) -> None:
    # uvicorn raises the signal again when it is done: by then it is no longer news.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.Server(listening(app, settings)).run()
