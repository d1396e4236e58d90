"""All services of a city in one process: databases, bus, apps, and the threads that carry events between them.

Only settings differ from the deployed shape; no service knows which one it runs in.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.declarations import NAMES, migrations, service
from shared.clock import Clock
from shared.contracts.registry import Topic, event_types
from shared.database.server import DatabaseUrls
from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from shared.messaging.consumer import Consumer
from shared.messaging.jobs import JobRunner
from shared.messaging.relay import Relay
from shared.messaging.sampler import database_sampler
from shared.objects.port import Objects
from shared.security.tokens import TokenVerifier
from shared.settings import Settings
from shared.web.app import Service, Worker, create_app, stop_all

BUS = "bus"
CALL_SECONDS = 30
POOLS = {"portal": 6, "matcher": 12, "daycare": 12}


def installation_key(folder: Path) -> bytes:
    """The key that wraps every person's key: 32 bytes in a file of its own, made once, outside the database."""
    file = folder / "installation.key"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(secrets.token_bytes(32))
    key = file.read_bytes()
    if len(key) != 32:
        raise SystemExit(
            f"{file} 已损坏，请从备份恢复。 The installation key is damaged: restore it from a backup."
        )
    return key


@dataclass
class City:
    """The running services: their databases and apps, by name, and the bus between them."""

    databases: dict[str, Database]
    apps: dict[str, FastAPI]
    bus: Bus

    def clients(self) -> dict[str, httpx.AsyncClient]:
        """How the portal reaches the services of its own process."""
        return {
            name: httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
                base_url=f"http://{name}",
                timeout=CALL_SECONDS,
            )
            for name, app in self.apps.items()
        }


def _keys_from(apps: dict[str, FastAPI]) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def fetch() -> dict[str, Any]:
        transport = httpx.ASGITransport(app=apps["identity"])
        async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:
            answer = await client.get("/jwks")
            answer.raise_for_status()
            keys: dict[str, Any] = answer.json()
            return keys

    return fetch


def migrate(urls: dict[str, DatabaseUrls]) -> None:
    """Bring every database to the newest shape."""
    from shared.database.migrate import upgrade  # Alembic takes half a second that a restart has not

    for name in NAMES:
        upgrade(urls[name].owner, service(name).metadata, migrations(name))
    ensure_schema(urls[BUS].owner)


def bus_of(settings: Settings, log_url: str | None) -> Bus:
    """Kafka where the settings name its servers, else the log in PostgreSQL."""
    if settings.kafka is None:
        assert log_url is not None
        return PostgresBus(log_url)
    from shared.messaging.bus.kafka import KafkaBus  # not loaded where there is no Kafka

    return KafkaBus(
        settings.kafka,
        prefix=settings.kafka_prefix,
        copies=settings.kafka_copies,
        security=settings.kafka_security_settings(),
        **settings.kafka_times(),
    )


def objects_of(settings: Settings, declared: Service) -> Objects | None:
    """The object store of a service that keeps files, where the settings name one; else they lie in its database."""
    if settings.s3 is None or not declared.keeps_files:
        return None
    from shared.objects.s3 import S3Objects  # not loaded where there is none

    assert settings.s3_access_key is not None
    assert settings.s3_secret_key is not None
    return S3Objects(
        settings.s3,
        settings.s3_access_key,
        settings.s3_secret_key,
        region=settings.s3_region,
        ca=settings.s3_ca,
    )


def topics() -> set[Topic]:
    """Every topic of the city."""
    return {event.TOPIC for event in event_types()}


def workers_of(declared: Service, database: Database, bus: Bus | None) -> list[Worker]:
    """What runs beside a service's requests: its relay and consumer where there is a bus, its jobs, its own workers."""
    workers: list[Worker] = []
    if declared.on_bus and bus is not None:
        workers.append(Relay(database, bus))
        if declared.handlers.topics:
            workers.append(Consumer(database, bus, declared.name, declared.handlers))
        workers.extend(crew.make(database, bus) for crew in declared.crews)
    if declared.jobs:
        workers.append(JobRunner(database, declared.jobs))
    workers.extend(make(database) for make in declared.workers)
    workers.append(database_sampler(database, declared.measures))
    return workers


@contextmanager
def running(
    urls: dict[str, DatabaseUrls],
    key: bytes,
    *,
    names: tuple[str, ...] = NAMES,
    clock: Clock | None = None,
    new_bus: Callable[[], Bus] | None = None,
) -> Iterator[City]:
    """The services at work over migrated databases, until the block ends: then each finishes what it has begun.

    `clock`: another time than the settings' or the databases' own, for all but identity, whose tokens the whole world
    checks.
    `new_bus`: another bus than the settings say.
    """
    vault, settings = Vault(key), Settings.read()
    with ExitStack() as stack:
        bus = new_bus() if new_bus else bus_of(settings, urls[BUS].app)
        stack.callback(bus.close)
        bus.ensure_topics(topics())
        apps: dict[str, FastAPI] = {}
        verifier = TokenVerifier(_keys_from(apps))
        city = City({}, apps, bus)
        for name in names:
            declared = service(name)
            told = None if name == "identity" else clock or settings.clock
            pool = settings.pool or POOLS.get(name, 8)
            objects = objects_of(settings, declared)
            database = Database(urls[name].app, name, vault, pool=pool, clock=told, objects=objects)
            stack.callback(database.close)
            city.databases[name] = database
            if name != "portal":
                apps[name] = create_app(declared, database, verifier)
        workers: list[Worker] = []
        stack.callback(stop_all, workers)
        for name in names:
            for worker in workers_of(service(name), city.databases[name], bus):
                worker.start()
                workers.append(worker)
        yield city
