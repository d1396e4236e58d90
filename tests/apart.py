"""The deployed shape on loopback: each service as processes of its own over real PostgreSQL and Kafka servers.

A supervisor starts a process that ended again after a second, as Compose and Kubernetes do.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from services import declarations
from services.setting_up import load, set_up
from shared.database.server import DatabaseServer
from shared.settings import Settings
from tools.broker import free_port

ROOT = Path(__file__).resolve().parents[1]
RESTART_SECONDS = 1.0
READY_SECONDS = 240.0


@dataclass
class Process:
    """One process of a service. `wanted`: whether the supervisor keeps it alive."""

    name: str
    arguments: list[str]
    environment: Mapping[str, str]
    address: str
    log: Path
    wanted: bool = False
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    ended_at: float | None = None

    def start(self) -> None:
        """Start it, and from then on keep it alive."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services", *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        self.starts += 1
        self.ended_at = None
        self.wanted = True

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Kill, pause or wake the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, within: float = 10.0) -> float:
        """Tell it to end as an operator would. Seconds that it took; TimeoutExpired when it took too long."""
        self.wanted = False
        if self.process is None:
            return 0.0
        began = time.monotonic()
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        self.process.wait(within)
        return time.monotonic() - began

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False


@dataclass
class Deployment:
    """The services of a city, apart."""

    folder: Path
    processes: dict[str, Process] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def address(self, name: str) -> str:
        """Where a service answers, or the first of its processes that do."""
        return self.addresses(name)[0]

    def addresses(self, name: str) -> list[str]:
        """Where each of a service's processes that answer does."""
        return [
            p.address for key, p in self.processes.items() if key == name or key.startswith(f"{name}-api")
        ]

    def start(self, *names: str) -> None:
        """Start the named processes, or all."""
        for name in names or self.processes:
            self.processes[name].start()

    def wait_ready(self, *names: str, seconds: float = READY_SECONDS) -> None:
        """Until the named processes, or all, say that they are ready."""
        deadline = time.monotonic() + seconds
        for name in names or self.processes:
            process = self.processes[name]
            while not process.ready():
                if time.monotonic() > deadline:
                    said = process.log.read_text(errors="replace")[-2000:]
                    raise TimeoutError(f"{name} is not ready: {said}")
                time.sleep(0.1)

    def watch(self) -> None:
        """Start again what ended without being told to."""
        while not self._stopping.wait(0.05):
            for process in self.processes.values():
                if not process.wanted or process.alive:
                    continue
                if process.ended_at is None:
                    process.ended_at = time.monotonic()
                elif time.monotonic() - process.ended_at >= RESTART_SECONDS:
                    process.start()

    def stop(self) -> dict[str, float]:
        """End everything as an operator would. Seconds that each took."""
        self._stopping.set()
        for process in self.processes.values():
            process.wanted = False
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
        taken = {}
        for name, process in self.processes.items():
            try:
                taken[name] = process.stop(within=20)
            except subprocess.TimeoutExpired:
                taken[name] = float("inf")
                process.send(signal.SIGUSR1)  # what hangs stands in its log
                time.sleep(1)
                process.send(signal.SIGKILL)
        return taken


@contextmanager
def deployed(
    server_url: str,
    kafka: str,
    folder: Path,
    *,
    clock_shift: float = 0,
    split: tuple[str, ...] = (),
    second: tuple[str, ...] = (),
    copies: int = 1,
    settings: Mapping[str, str] | None = None,
    sample: str | None = "small",
    reach: Callable[[str, str], str] = lambda name, url: url,
    told: Callable[[str, int], int] = lambda name, port: port,
) -> Iterator[Deployment]:
    """A city whose services run apart. `split`: services with a process for `api` and one for `worker`; `second`: of
    these, the ones with two for `api`.

    `reach` may lead a service's database through a proxy: it gets the service and the URL and answers another URL; so
    `told` for the port of a service's HTTP face. The sample is loaded unless None.
    """
    common = {
        "LINLI_KAFKA": kafka,
        "LINLI_KAFKA_COPIES": str(copies),
        "LINLI_CLOCK_SHIFT_SECONDS": str(clock_shift),
        **(settings or {}),
    }
    deployment = Deployment(folder)
    set_up(
        Settings(server_url=server_url, kafka=kafka, kafka_copies=copies), deployment.secrets, lambda _: None
    )
    ports = {name: free_port() for name in declarations.NAMES}
    shown = {name: told(name, port) for name, port in ports.items()}
    services = json.dumps({name: f"http://127.0.0.1:{port}" for name, port in shown.items()})
    for name in declarations.NAMES:
        keys = (f"{name}-api", f"{name}-worker") if name in split else (name,)
        for key in (*keys, *([f"{name}-api-2"] if name in second else [])):
            part = key.removeprefix(name).removesuffix("-2").removeprefix("-") or "all"
            port = ports[name] if key in (name, f"{name}-api") else free_port()
            environment = {
                **common,
                "LINLI_SECRETS": str(deployment.secrets / name),
                "LINLI_LISTEN": f"127.0.0.1:{port}",
                "LINLI_SERVICES": services,
            }
            url = (deployment.secrets / name / "linli_database_url").read_text()
            environment["LINLI_DATABASE_URL"] = reach(name, url)
            deployment.processes[key] = Process(
                key,
                ["serve", name, "--role", part],
                environment,
                f"http://127.0.0.1:{port}",
                folder / f"{key}.log",
            )
    watcher = threading.Thread(target=deployment.watch, daemon=True)
    try:
        deployment.start()
        watcher.start()
        deployment.wait_ready()
        if sample:
            loading = Settings(kafka=kafka, kafka_copies=copies, clock_shift_seconds=clock_shift)
            load(loading, deployment.secrets, sample, lambda _: None)
        yield deployment
    finally:
        deployment.stop()
        watcher.join(timeout=5)


def superuser_url(server: DatabaseServer) -> str:
    """The URL of a test server's superuser."""
    with server.connect() as connection:
        info = connection.info
        return server.url("postgres", info.user, info.password)
