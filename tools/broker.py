"""Apache Kafka without Docker: its jars by Maven, KRaft brokers on loopback. Standard library only.

`make kafka` keeps one running; tests start and stop their own.
"""

import base64
import ctypes
import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent / "kafka"
POM = HERE / "pom.xml"
JARS = HERE / "jars"
HEAP = "512m"
UP_WITHIN_S = 120.0
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class BrokerMissing(Exception):
    """Java or Maven is not here, or the jars could not be fetched."""


def ensure_jars() -> Path:
    """The broker's jars, fetched once for each state of the POM."""
    mark = hashlib.sha256(POM.read_bytes()).hexdigest()
    stamp = JARS / ".stamp"
    if stamp.exists() and stamp.read_text() == mark:
        return JARS
    missing = missing_program()
    if missing:
        raise BrokerMissing(f"Kafka 需要 {missing} | Kafka needs {missing}: install it and start again")
    with (HERE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != mark:
            _fetch(mark)
    return JARS


def missing_program() -> str | None:
    """What has to be installed before a broker can run here."""
    return next((program for program in ("java", "mvn") if shutil.which(program) is None), None)


def _fetch(mark: str) -> None:
    fresh = JARS.with_name("jars.unfinished")
    shutil.rmtree(fresh, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
    done = subprocess.run(["mvn", "-q", "-B", "-f", POM, *goal], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerMissing(f"Maven: {(done.stdout + done.stderr).strip().splitlines()[-1:]}")
    (fresh / ".stamp").write_text(mark)
    shutil.rmtree(JARS, ignore_errors=True)
    fresh.rename(JARS)


def free_port() -> int:
    """A port that nobody has, below those that the system gives to callers.

    One of those could be a caller's own by the time a server that died comes back to it.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _id() -> str:
    """A random id as Kafka writes one; never one that looks like an option."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return made if not made.startswith("-") else _id()


def _tied() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


@dataclass
class Door:
    """A listener for clients over TLS who say who they are (SASL/SCRAM). `pem`: the broker's key and certificate."""

    port: int
    pem: Path
    users: dict[str, str]  # to their passwords


class Node:
    """One broker that is a controller too. Killed and started again, it comes back with what it had."""

    def __init__(
        self,
        folder: Path,
        number: int,
        port: int,
        controller: int,
        line: tuple[int, int] | None = None,
        door: "Door | None" = None,
    ) -> None:
        """`line`: where clients are let in, and the port that they are told: a proxy's in front of it."""
        self.folder, self.number, self.port, self.controller = folder, number, port, controller
        self.line, self.door = line, door
        self.directory = _id()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def voter(self) -> str:
        return f"{self.number}@127.0.0.1:{self.controller}:{self.directory}"

    def configure(self, nodes: "list[Node]", cluster: str, more: dict[str, str]) -> None:
        """Write the node's properties and format its folder."""
        copies = str(min(3, len(nodes)))
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.controller}"
        advertised = f"PLAINTEXT://{self.address}"
        if self.line:
            listeners += f",LINE://127.0.0.1:{self.line[0]}"
            advertised += f",LINE://127.0.0.1:{self.line[1]}"
        scram: list[str] = []
        if self.door:
            listeners += f",DOOR://127.0.0.1:{self.door.port}"
            advertised += f",DOOR://127.0.0.1:{self.door.port}"
            login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            more = {
                "listener.name.door.ssl.keystore.type": "PEM",
                "listener.name.door.ssl.keystore.location": str(self.door.pem),
                "listener.name.door.sasl.enabled.mechanisms": ",".join(MECHANISMS),
                **{f"listener.name.door.{m.lower()}.sasl.jaas.config": login for m in MECHANISMS},
                **more,
            }
            for user, password in self.door.users.items():
                for mechanism in MECHANISMS:
                    scram += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        settings = {
            "process.roles": "broker,controller",
            "node.id": str(self.number),
            "listeners": listeners,
            "advertised.listeners": advertised,
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LINE:PLAINTEXT,DOOR:SASL_SSL"
            ),
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": ",".join(f"127.0.0.1:{n.controller}" for n in nodes),
            "log.dirs": str(self.folder / "log"),
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1" if len(nodes) < 3 else "2",
            "default.replication.factor": copies,
            "min.insync.replicas": "1" if len(nodes) < 3 else "2",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "auto.create.topics.enable": "false",
            "num.partitions": "1",
            **more,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self.properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        arguments = ["--cluster-id", cluster, "--config", str(self.properties)]
        arguments += ["--initial-controllers", ",".join(n.voter for n in nodes), *scram]
        done = subprocess.run(
            _java("kafka.tools.StorageTool", "format", *arguments),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BrokerMissing(f"Kafka: {(done.stdout + done.stderr).strip()[-400:]}")

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    def start(self) -> None:
        with (self.folder / "server.out").open("ab") as out:
            self.process = subprocess.Popen(
                _java("kafka.Kafka", str(self.properties)),
                stdout=out,
                stderr=out,
                preexec_fn=_tied,
            )

    def wait(self) -> None:
        """Until the broker answers. BrokerMissing when it ended or takes too long."""
        assert self.process is not None
        deadline = time.monotonic() + UP_WITHIN_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        ended = self.process.poll()
        how = f"not within {UP_WITHIN_S:.0f} s" if ended is None else f"it ended with {ended}"
        said = (self.folder / "server.out").read_text(errors="replace")[-600:]
        raise BrokerMissing(f"Kafka 没有启动 | Kafka did not start ({how}): {said}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Cluster:
    """One broker, or three, under a folder of their own."""

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        port: int | None = None,
        lines: list[tuple[int, int]] | None = None,
        doors: list[Door] | None = None,
        **more: str,
    ) -> None:
        """`more`: further broker settings, with _ for the dots. A folder keeps the ports it was made with.

        `lines`: for each node a port that it listens on for clients behind a proxy, and the proxy's. `doors`: for each
        node a listener with TLS and SASL.
        """
        ensure_jars()
        plan = folder / "ports.json"
        if plan.exists():
            ports = json.loads(plan.read_text())
        else:
            ports = [(port if port and n == 0 else free_port(), free_port()) for n in range(nodes)]
        none = [None] * len(ports)
        self.nodes = [
            Node(folder / f"node{n}", n, *pair, line, door)
            for n, (pair, line, door) in enumerate(
                zip(ports, lines or none, doors or none, strict=True), start=1
            )
        ]
        if not plan.exists():
            cluster = _id()
            for node in self.nodes:
                node.configure(self.nodes, cluster, {k.replace("_", "."): v for k, v in more.items()})
            plan.write_text(json.dumps(ports))

    @property
    def servers(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def start(self) -> "Cluster":
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait()
        return self

    def stop(self) -> None:
        """All at once: the last of three would wait for the others to lead."""
        for node in self.nodes:
            if node.process is not None:
                node.process.terminate()
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> "Cluster":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _java(*arguments: str) -> list[str]:
    java = os.environ.get("LINLI_JAVA") or "java"
    return [java, f"-Xmx{HEAP}", "-Xms128m", "-cp", f"{JARS}/*", *arguments]
