"""Structured logs: one JSON object a line, ids and codes only, never personal data."""

import logging
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.typing import ExcInfo, Processor


def raised(exc_info: ExcInfo) -> list[dict[str, object]]:
    """An exception and its causes, innermost last: type, SQLSTATE and where.

    Neither messages nor local variables: both carry what people typed, and tokens.
    """
    found: list[dict[str, object]] = []
    error: BaseException | None = exc_info[1]
    while error is not None and len(found) < 10:
        where = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        found.append({"type": type(error).__qualname__, "sqlstate": state, "where": where[-30:]})
        error = error.__cause__ or error.__context__
    return found


def configure_logs(file: Path | None = None) -> None:
    """Send the process's logs to a file (rotated at 20 MB, three kept), or to standard error."""
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
    handler: logging.Handler = (
        RotatingFileHandler(file, maxBytes=20_000_000, backupCount=3, encoding="utf-8")
        if file
        else logging.StreamHandler()
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(raised),
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for chatty in ("httpx", "kafka", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
