"""The servers of a faulty city: PostgreSQL and three brokers that die and come back, each behind lines that are cut."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from services import declarations
from shared.database.server import EmbeddedServer
from shared.messaging.bus.kafka import KafkaBus
from tests.apart import Deployment, deployed, superuser_url
from tests.faults.schedule import BROKERS, Fault
from tests.proxy import Line
from tools.broker import Cluster, free_port

# Broker and clients notice a dead member within three seconds, so that others take over.
SETTINGS = {
    "LINLI_KAFKA_SESSION_SECONDS": "3",
    "LINLI_KAFKA_DELIVERY_SECONDS": "6",
    "LINLI_READY_LAG": "100000",
}
BROKER = {
    "broker_session_timeout_ms": "6000",
    "broker_heartbeat_interval_ms": "1000",
    "replica_lag_time_max_ms": "6000",
    "controller_quorum_election_timeout_ms": "1000",
    "controller_quorum_fetch_timeout_ms": "2000",
    "group_consumer_min_session_timeout_ms": "1000",
}


@dataclass
class Servers:
    """What a fault can happen to."""

    postgres: EmbeddedServer
    kafka: Cluster
    broker_lines: dict[str, Line]
    database_lines: dict[str, Line] = field(default_factory=dict)
    http_lines: dict[str, Line] = field(default_factory=dict)
    city: Deployment | None = None
    # A broker ends with the thread that started it (tools/broker.py): these live as long as the city.
    hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))
    _bus: KafkaBus | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def running(self) -> Deployment:
        assert self.city is not None
        return self.city

    def address(self, service: str) -> str:
        """Where clients reach a service: by its line."""
        return f"http://127.0.0.1:{self.http_lines[service].port}"

    def let_happen(self, fault: Fault) -> Future[None]:
        """Let one fault happen; done when it is over and what it hit has been started again."""
        return self.hands.submit(self._happen, fault)

    def _happen(self, fault: Fault) -> None:
        if fault.what == "service":
            process = self.running.processes[fault.name]
            if fault.kind == "kill":
                process.send(signal.SIGKILL)
                return
            process.send(signal.SIGSTOP)
            time.sleep(fault.seconds)
            process.send(signal.SIGCONT)
        elif fault.what in ("broker", "database"):
            with self._one_at_a_time:  # on a busy machine a broker takes longer to come back than was planned
                self._hit_server(fault)
        else:
            self._hit_line(fault)

    def _hit_server(self, fault: Fault) -> None:
        if fault.what == "database":
            self._hit_database(fault)
        elif fault.kind in ("kill", "pause"):
            self._hit_broker(fault)
        else:
            self._hit_line(fault)

    def _hit_line(self, fault: Fault) -> None:
        lines = {
            "broker": self.broker_lines,
            "database of": self.database_lines,
            "http": self.http_lines,
        }
        line = lines[fault.what][fault.name]
        if fault.kind == "cut":
            line.cut()
        else:
            line.slow(fault.delay)
        time.sleep(fault.seconds)
        line.mend()

    def _hit_broker(self, fault: Fault) -> None:
        node = self.kafka.nodes[int(fault.name) - 1]
        assert node.process is not None
        if fault.kind == "pause":
            node.process.send_signal(signal.SIGSTOP)
            time.sleep(fault.seconds)
            node.process.send_signal(signal.SIGCONT)
            return
        node.stop(signal.SIGKILL)
        time.sleep(fault.seconds)
        node.start()
        node.wait()

    def _hit_database(self, fault: Fault) -> None:
        tree = self._postgres_processes()
        if fault.kind == "pause":
            for process in tree:
                _send(process, signal.SIGSTOP)
            time.sleep(fault.seconds)
            for process in tree:
                _send(process, signal.SIGCONT)
            return
        for process in tree:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(tree, timeout=10)
        time.sleep(fault.seconds)
        self.postgres.stop()
        self.postgres.start()
        for line in self.database_lines.values():
            line.to("127.0.0.1", self.postgres.port)

    def _postgres_processes(self) -> list[psutil.Process]:
        """The postmaster first, then its children."""
        number = int((self.postgres.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        postmaster = psutil.Process(number)
        return [postmaster, *postmaster.children(recursive=True)]

    @property
    def bus(self) -> KafkaBus:
        """The brokers, reached directly."""
        if self._bus is None:
            self._bus = KafkaBus(self.kafka.servers, copies=3)
        return self._bus

    def mend(self) -> None:
        """Everything works again."""
        for line in (*self.broker_lines.values(), *self.database_lines.values(), *self.http_lines.values()):
            line.mend()
        for process in self.running.processes.values():
            process.send(signal.SIGCONT)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


@contextmanager
def faulty_city(
    folder: Path, *, clock_shift: float, size: str = "small", commit_times: bool = False
) -> Iterator[Servers]:
    """A city apart, over servers behind lines, with the sample loaded. `commit_times`: the database notes them."""
    with ExitStack() as stack:

        def new_line(host: str = "127.0.0.1", port: int = 0) -> Line:
            line = Line().to(host, port)
            line.start()
            stack.callback(line.stop)
            return line

        brokers = {name: (free_port(), new_line()) for name in BROKERS}
        for port, line in brokers.values():
            line.to("127.0.0.1", port)
        postgres = stack.enter_context(
            EmbeddedServer(
                folder / "data",
                settings={"track_commit_timestamp": "on" if commit_times else "off"},
                say=lambda _: None,
            )
        )
        lines = [(port, line.port) for port, line in brokers.values()]
        kafka = stack.enter_context(Cluster(folder / "kafka", 3, lines=lines, **BROKER))
        servers = Servers(postgres, kafka, {name: line for name, (_, line) in brokers.items()})
        stack.enter_context(servers.hands)
        for name in declarations.NAMES:
            servers.database_lines[name] = new_line("127.0.0.1", postgres.port)

        def reach(name: str, url: str) -> str:
            return url.replace(f":{urlsplit(url).port}/", f":{servers.database_lines[name].port}/")

        def told(name: str, port: int) -> int:
            servers.http_lines[name] = new_line("127.0.0.1", port)
            return servers.http_lines[name].port

        servers.city = stack.enter_context(
            deployed(
                superuser_url(postgres),
                ",".join(f"127.0.0.1:{line.port}" for _, line in brokers.values()),
                folder,
                clock_shift=clock_shift,
                split=("daycare", "matcher"),
                copies=3,
                settings=SETTINGS,
                sample=size,
                reach=reach,
                told=told,
            )
        )
        yield servers
