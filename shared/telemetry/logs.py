"""Structured logs: one JSON object a line, ids and codes only, never personal data."""

import logging
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from shared.telemetry.traces import service_at_work, trace_id


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


def _told_by(process: str) -> Processor:
    """Whose work it was, and of which trace; a library's own threads work for the process."""

    def add(logger: object, method: str, line: EventDict) -> EventDict:
        line.setdefault("service", service_at_work() or process)
        trace = trace_id()
        if trace:
            line["trace"] = trace
        return line

    return add


def _without_quotes(logger: object, method: str, line: EventDict) -> EventDict:
    """asyncio and warnings append what they are about, values and all: only their first words are kept."""
    if line.get("logger") == "asyncio":
        line["event"] = str(line["event"]).partition("\n")[0].partition(": <")[0]
    elif line.get("logger") == "py.warnings":
        where, _, said = str(line["event"]).partition(": ")
        line["event"] = f"{where}: {said.partition(':')[0]}"
    return line


def _log_what_nobody_caught(*, crash: bool) -> None:
    """Python prints an exception's message to standard error; the log has its type and place."""
    log = structlog.get_logger()

    def caught(kind: type[BaseException], error: BaseException, trace: object) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("nobody caught", exc_info=error)

    if crash:
        sys.excepthook = caught
    threading.excepthook = lambda args: caught(args.exc_type, args.exc_value or args.exc_type(), None)
    sys.unraisablehook = lambda args: log.error("nobody could catch", exc_info=args.exc_value)
    logging.captureWarnings(True)
    logging.raiseExceptions = False


def configure_logs(file: Path | None = None, service: str = "linli") -> None:
    """Send the process's logs to a file (rotated at 20 MB, three kept), or to standard error.

    `service`: who is named where it is not known for whom a thread works.
    """
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
        _told_by(service),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_quotes,
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
    _log_what_nobody_caught(crash=file is None)  # at a terminal a crash is shown to whoever typed the command
