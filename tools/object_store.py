"""An S3-compatible server for the tests: gofakes3, compiled once on each machine, its sum pinned."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

KEPT = Path(__file__).resolve().parent / "objects"
MODULE = "github.com/johannesboyne/gofakes3@v1.2.0"
SUM = "h1:I9VEzPWvvAUAGzDlhYFoZjF0AXMlkcEyZlmBwiI6Oms="


class StoreMissing(Exception):
    """The server can't be had here."""


def ensure() -> Path:
    """The server's program. StoreMissing where there is no Go, or what it fetches is not what it was."""
    program = KEPT / MODULE.rpartition("/")[2]
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
    with tempfile.TemporaryDirectory() as nowhere:
        found = json.loads(_go(Path(nowhere), "mod", "download", "-json", MODULE))
    if found["Sum"] != SUM:
        raise StoreMissing(f"{MODULE} has the sum {found['Sum']}, not {SUM}")
    unfinished = program.with_suffix(".unfinished")
    _go(Path(found["Dir"]), "build", "-trimpath", "-o", str(unfinished), "./cmd/gofakes3")
    unfinished.rename(program)


def _go(folder: Path, *arguments: str) -> str:
    # The sum is ours: nobody else need be asked for it.
    environment = {**os.environ, "GONOSUMDB": "*", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    done = subprocess.run(
        ["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoreMissing(" ".join((done.stderr + done.stdout).strip().splitlines()[-5:]))
    return done.stdout


class ObjectStore:
    """A server with one bucket, in a folder that outlives it: stopped and started, it has what it had."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/files/city"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [
                *(str(ensure()), "-host", f"127.0.0.1:{self._port}", "-initialbucket", "files"),
                *("-backend", "bolt", "-bolt.db", str(self._folder / "objects.db")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise StoreMissing("gofakes3 did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with suppress(URLError, OSError):
            try:
                urlopen(f"http://127.0.0.1:{self._port}/", timeout=1).close()
            except HTTPError:
                return True
            return True
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
