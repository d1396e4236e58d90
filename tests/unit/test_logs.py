"""The log: says where something failed, never what somebody typed."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.telemetry.logs import configure_logs


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logs(tmp_path / "linli.log")
    yield tmp_path / "linli.log"
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_an_exception_is_logged_without_messages_and_locals(file: Path) -> None:
    phone = "13912345678"
    try:
        try:
            dict[str, str]()[phone]
        except KeyError as error:
            raise ValueError(f"no such phone: {phone}") from error
    except ValueError:
        structlog.get_logger().exception("page failed", number="n-1")
    text = file.read_text(encoding="utf-8")
    line = json.loads(text)
    assert phone not in text
    assert line["number"] == "n-1"
    assert [each["type"] for each in line["exception"]] == ["ValueError", "KeyError"]
    assert "test_logs.py" in line["exception"][0]["where"][-1]
