"""The log: says where something failed, never what somebody typed."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient

from shared.telemetry.requests import WatchedApp
from shared.telemetry.traces import span, traceparent, work_for
from tests.watching import logged

PHONE = "13912345678"
INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    with logged(tmp_path / "linli.log") as file:
        yield file


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_an_exception_is_logged_without_messages_and_locals(file: Path) -> None:
    phone = PHONE
    try:
        try:
            dict[str, str]()[phone]
        except KeyError as error:
            raise ValueError(f"no such phone: {phone}") from error
    except ValueError:
        structlog.get_logger().exception("page failed", number="n-1")
    [line] = lines(file)
    assert phone not in file.read_text(encoding="utf-8")
    assert line["number"] == "n-1"
    assert [each["type"] for each in line["exception"]] == ["ValueError", "KeyError"]
    assert "test_logs.py" in line["exception"][0]["where"][-1]


def test_what_nobody_caught_is_logged_without_its_message(file: Path) -> None:
    def fail() -> None:
        work_for("daycare")
        raise ValueError(PHONE)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    [line] = lines(file)
    assert line["service"] == "daycare"
    assert line["exception"][0]["type"] == "ValueError"
    assert PHONE not in file.read_text()


def test_libraries_that_quote_are_cut_short(file: Path) -> None:
    warnings.simplefilter("always")
    warnings.warn(f"Expected `int` but got `{PHONE}`", UserWarning, stacklevel=1)
    logging.getLogger("asyncio").error(
        f"Task exception was never retrieved\nfuture: <Task ValueError('{PHONE}')>"  # noqa: G004
    )
    logging.getLogger("asyncio").error("a message that has %s arguments", "too", "many", PHONE)
    assert PHONE not in file.read_text()
    assert [line["logger"] for line in lines(file)][:2] == ["py.warnings", "asyncio"]
    assert lines(file)[1]["event"] == "Task exception was never retrieved"


def test_a_line_names_service_and_trace(file: Path) -> None:
    log = structlog.get_logger()
    log.info("nobody's")
    with span("daycare", "a job", "internal", INCOMING):
        log.info("ours")
        logging.getLogger("a library").warning("theirs")
    first, *inside = lines(file)
    assert first["service"] == "linli"
    assert "trace" not in first
    assert [(line["service"], line["trace"]) for line in inside] == [("daycare", INCOMING[3:35])] * 2


def test_each_request_is_one_line_by_its_template(file: Path) -> None:
    app = WatchedApp("daycare")

    @app.get("/people/{name}")
    def person(name: str) -> str | None:
        if name == "fails":
            raise ValueError(PHONE)
        return traceparent()

    client = TestClient(app, raise_server_exceptions=False)
    answer = client.get(f"/people/{PHONE}?q={PHONE}", headers={"traceparent": INCOMING, "User-Agent": PHONE})
    assert answer.json() == INCOMING, "without a collector the trace goes on as it came"
    client.get("/people/fails")
    client.get(f"/{PHONE}")
    client.request(PHONE, "/people/1")
    client.get("/metrics")
    requests = [line for line in lines(file) if line["event"] == "request"]
    assert [(r["method"], r["route"], r["status"]) for r in requests] == [
        ("GET", "/people/{name}", 200),
        ("GET", "/people/{name}", 500),
        ("GET", "none", 404),
        ("other", "/people/{name}", 405),
    ]
    assert requests[0]["trace"] == INCOMING[3:35]
    assert all(r["ms"] >= 0 and r["service"] == "daycare" for r in requests)
    assert len({r["trace"] for r in requests}) == 4
    assert PHONE not in file.read_text()


@pytest.mark.parametrize(
    "sent", ["", PHONE, INCOMING.upper(), INCOMING + PHONE, "00-" + "0" * 32 + INCOMING[35:]]
)
def test_a_malformed_trace_is_not_carried_on(sent: str) -> None:
    with span("daycare", "a request", "server", sent) as current:
        assert current.traceparent != sent
        assert traceparent() == current.traceparent
    assert traceparent() is None


def test_browsers_do_not_choose_the_trace() -> None:
    app = WatchedApp("portal", public=True)
    app.add_api_route("/", traceparent)
    answer = TestClient(app).get("/", headers={"traceparent": INCOMING})
    assert answer.json()[3:35] != INCOMING[3:35]
