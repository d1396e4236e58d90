"""`python -m services up`: the city in one process reads the same settings as a service apart."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from shared.clock import wall_day
from tests.support import until
from tests.watching import Collector
from tools.broker import free_port

ROOT = Path(__file__).resolve().parents[2]


def arguments(port: int, data: Path) -> list[str]:
    made = [sys.executable, "-m", "services", "up", "--size", "small"]
    return [*made, "--port", str(port), "--data", str(data)]


def test_faults_in_the_settings_are_named_before_anything_starts(tmp_path: Path) -> None:
    wrong = {"LINLI_TRACES": "collector:4318", "LINLI_POOL": "many", "LINLI_TRACE": "mistyped"}
    done = subprocess.run(
        arguments(free_port(), tmp_path / "data"),
        cwd=ROOT,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert {line.split(":")[0] for line in done.stderr.splitlines()} == set(wrong)
    assert not (tmp_path / "data").exists()


def test_traces_log_and_clock_are_where_the_settings_say(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    data, port = tmp_path_factory.mktemp("up"), free_port()
    for folder in (data, *list(data.parents)[:2]):
        folder.chmod(0o711)  # for the server's own user, where the tests run as root
    with Collector() as collector:
        settings = {
            "LINLI_TRACES": collector.address,
            "LINLI_LOG_FILE": str(data / "told" / "elsewhere.log"),
            "LINLI_CLOCK_SHIFT_SECONDS": str(-30 * 86_400),
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        with subprocess.Popen(
            arguments(port, data),
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                said: list[str] = []
                for line in process.stdout:
                    said.append(line)
                    if f"127.0.0.1:{port}" in line:
                        break
                threading.Thread(target=process.stdout.read, daemon=True).start()
                until(lambda: answers(port), 60)
                until(lambda: {"portal", "matcher"} <= {span.service for span in collector.spans})
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 0, said
            finally:
                process.kill()
    assert '"event": "request"' in (data / "told" / "elsewhere.log").read_text()
    assert not (data / "linli.log").exists()
    monday = date.fromisoformat(json.loads((data / "sample.json").read_text())["monday"])
    assert monday < wall_day(datetime.now(UTC)) - timedelta(days=23), "the sample's week is the clock's"


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/sign-in").status_code == 200
    except httpx.TransportError:
        return False
