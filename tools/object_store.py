"""An S3-compatible server for the tests: tools/s3server, compiled once on each machine, its modules pinned by go.sum.

It checks signatures, and speaks TLS where it is given a certificate.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SOURCE = Path(__file__).resolve().parent / "s3server"
KEPT = Path(__file__).resolve().parent / "objects"
ACCESS_KEY, SECRET_KEY = "linli", "the secret of the tests"


class StoreMissing(Exception):
    """The server can't be had here."""


def ensure() -> Path:
    """The server's program. StoreMissing where there is no Go, or what it fetches is not what it was."""
    source = b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    program = KEPT / f"s3server-{hashlib.sha256(source).hexdigest()[:16]}"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise StoreMissing("需要 go | the object store of the tests needs go: install it")
    KEPT.mkdir(exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    for older in KEPT.iterdir():
        if older.name != ".lock":
            older.unlink()
    unfinished = program.with_suffix(".unfinished")
    # The sums are ours: nobody else need be asked for them.
    environment = {**os.environ, "GONOSUMDB": "*", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    command = ["go", "build", "-trimpath", "-o", str(unfinished), "."]
    done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreMissing(" ".join((done.stderr + done.stdout).strip().splitlines()[-5:]))
    unfinished.rename(program)


class ObjectStore:
    """A server with one bucket in its memory. While it is away it keeps what it has.

    `pem`: its certificate and key, for TLS.
    """

    def __init__(self, port: int, pem: Path | None = None) -> None:
        self._port = port
        self._pem = pem
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http{'s' if self._pem else ''}://127.0.0.1:{self._port}/files/city"

    def __enter__(self) -> Self:
        command = [str(ensure()), "-address", f"127.0.0.1:{self._port}", "-bucket", "files"]
        command += ["-access-key", ACCESS_KEY, "-secret-key", SECRET_KEY]
        if self._pem:
            command += ["-pem", str(self._pem)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait(answers=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)

    def go(self) -> None:
        """Be away: nobody listens at its port."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        self._wait(answers=False)

    def come_back(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR2)
        self._wait(answers=True)

    def _wait(self, *, answers: bool) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 10
        while self._listens() != answers:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise StoreMissing("the object store of the tests did not start or stop")
            time.sleep(0.02)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False
