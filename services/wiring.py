"""All services of a city in one process: databases, bus, apps, and the threads that carry events between them.

Only settings differ from the deployed shape; no service knows which one it runs in.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from services.declarations import NAMES, migrations, service
from shared.clock import Clock
from shared.contracts.registry import event_types
from shared.database.migrate import upgrade
from shared.database.server import DatabaseUrls
from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus, ensure_schema
from shared.messaging.consumer import Consumer
from shared.messaging.jobs import JobRunner
from shared.messaging.relay import Relay
from shared.security.tokens import TokenVerifier
from shared.web.app import create_app

BUS = "bus"
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
    runners: dict[str, JobRunner] = field(default_factory=dict)

    def transport(self, name: str) -> httpx.ASGITransport:
        """How the portal reaches a service of the same process."""
        return httpx.ASGITransport(app=self.apps[name], raise_app_exceptions=False)


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
    for name in NAMES:
        upgrade(urls[name].owner, service(name).metadata, migrations(name))
    ensure_schema(urls[BUS].owner)


def bus_of(urls: dict[str, DatabaseUrls]) -> Bus:
    """Kafka where `LINLI_KAFKA` names its servers, else the log in PostgreSQL."""
    servers = os.environ.get("LINLI_KAFKA")
    if not servers:
        return PostgresBus(urls[BUS].app)
    from shared.messaging.bus.kafka import KafkaBus  # not loaded where there is no Kafka

    return KafkaBus(servers, prefix=os.environ.get("LINLI_KAFKA_PREFIX", ""))


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

    `clock`: another time than the databases' own, for all but identity, whose tokens the whole world checks.
    `new_bus`: another bus than the settings say.
    """
    vault = Vault(key)
    with ExitStack() as stack:
        bus = new_bus() if new_bus else bus_of(urls)
        stack.callback(bus.close)
        bus.ensure_topics({event.TOPIC for event in event_types()})
        apps: dict[str, FastAPI] = {}
        verifier = TokenVerifier(_keys_from(apps))
        city = City({}, apps, bus)
        for name in names:
            declared = service(name)
            told = None if name == "identity" else clock
            database = Database(urls[name].app, name, vault, pool=POOLS.get(name, 8), clock=told)
            stack.callback(database.close)
            city.databases[name] = database
            if name != "portal":
                apps[name] = create_app(declared, database, verifier)
        for name in names:
            declared, database = service(name), city.databases[name]
            threads: list[Any] = [Relay(database, bus)]
            if declared.handlers.topics:
                threads.append(Consumer(database, bus, name, declared.handlers))
            if declared.jobs:
                city.runners[name] = JobRunner(database, declared.jobs)
                threads.append(city.runners[name])
            threads.extend(worker(database) for worker in declared.workers)
            for thread in threads:
                thread.start()
                stack.callback(thread.stop)
        yield city
