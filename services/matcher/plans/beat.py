"""What runs beside a solve: each second the news in one write, the lease renewed in time, and whether it is still wanted."""

import threading
from abc import ABC, abstractmethod
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog

from shared.database.work import Database
from shared.telemetry.traces import work_for

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
RENEWED = LEASE / 2  # before its end
BEAT_SECONDS = 1.0
DEATHS = 3  # of its workers; then it is the plan that kills them


class Beat(ABC):
    """Used as a context around the solve."""

    def __init__(self, database: Database, name: str) -> None:
        self.stop_asked = False
        self.lost = False  # another has taken it up, or nobody wants it
        self._database = database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        work_for(self._database.service)
        while not (self._over.wait(BEAT_SECONDS) or self.lost):
            try:
                self._beat()
            except Exception:
                log.exception("beat", thread=self._thread.name)

    @abstractmethod
    def _beat(self) -> None:
        """One write: news, lease; read what was asked meanwhile."""
