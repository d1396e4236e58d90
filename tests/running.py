"""The whole product over real databases, at an address a browser can open, with a clock that the test moves."""

import fcntl
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from tempfile import mkdtemp

import uvicorn

from services import declarations, wiring
from services.portal.app import create_portal
from services.sample import load_sample
from shared.clock import instant, wall_day, week_start
from shared.database.server import DatabaseServer, DatabaseUrls, ensure_databases
from shared.messaging.bus.port import Bus
from shared.sample import City, Size, make_city
from tests.conftest import copied, dropped, migrated
from tests.support import KEY, MovableClock

# A Tuesday, at least nine days ago, at 09:30: the sample's week and the planned days lie before the real present, so
# that no event is dated later than the servers' own clocks.
DAYS_BACK = 9
TUESDAY = 1


@dataclass
class Product:
    """A running city. `restart` stops every part of it and starts it again over the same data."""

    urls: dict[str, DatabaseUrls]
    folder: Path
    clock: MovableClock
    address: str
    port: int
    stack: ExitStack
    began: datetime
    new_bus: Callable[[], Bus] | None = None
    city: wiring.City | None = None

    def start(self) -> None:
        """Start every service and the portal, and load the sample if it is not there."""
        city = self.stack.enter_context(
            wiring.running(self.urls, KEY, clock=self.clock, new_bus=self.new_bus)
        )
        self.city = city
        portal = create_portal(city.databases["portal"], city.clients())
        load_sample(city, "small", self.folder, lambda text: None, self.clock)
        config = uvicorn.Config(portal, host="127.0.0.1", port=self.port, log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.05)

        def stop() -> None:
            server.should_exit = True
            thread.join(timeout=20)

        self.stack.callback(stop)

    def stop(self) -> None:
        self.stack.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def facts(self) -> City:
        """What the sample says: who is who."""
        return make_city(Size.SMALL, 1, monday=week_start(wall_day(self.began)))


def start_of_story(days_back: int = DAYS_BACK) -> datetime:
    """Where the test's clock begins."""
    day = wall_day(datetime.now(UTC)) - timedelta(days=days_back)
    return instant(day - timedelta(days=(day.weekday() - TUESDAY) % 7), wall_time(9, 30))


@contextmanager
def product(
    server: DatabaseServer,
    folder: Path,
    new_bus: Callable[[], Bus] | None = None,
    prepare: Callable[[dict[str, DatabaseUrls]], None] | None = None,
    days_back: int = DAYS_BACK,
) -> Iterator[Product]:
    """The product until the block ends, in databases of its own; on another bus than PostgreSQL's when one is given.

    `prepare`: done to the migrated databases before anything starts. `days_back`: how long ago the story begins, at
    least; as long as it takes.
    """
    if new_bus is None and prepare is None and days_back == DAYS_BACK:
        urls = _loaded(server, folder)
    else:
        urls = _empty(server)
        wiring.migrate(urls)
        if prepare:
            prepare(urls)
    port, began = _port(), start_of_story(days_back)
    running = Product(
        urls, folder, MovableClock(began), f"http://127.0.0.1:{port}", port, ExitStack(), began, new_bus
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()
        for each in urls.values():  # 80 MB together: sixty products would fill a small machine's disk
            dropped(server, each)


def _empty(server: DatabaseServer) -> dict[str, DatabaseUrls]:
    """Every service's database, migrated, and an empty one for the bus."""
    prefix = f"story_{time.time_ns()}_"
    bus = prefix + wiring.BUS
    made = {name: copied(server, migrated(server, name), prefix + name) for name in declarations.NAMES}
    return {**made, wiring.BUS: ensure_databases(server, [bus])[bus]}


@dataclass(frozen=True)
class _Model:
    """Databases with the sample loaded, and the files it left: each product gets a copy instead of a load."""

    urls: dict[str, DatabaseUrls]
    folder: Path


_MODELS: dict[int, _Model] = {}  # by server


def _loaded(server: DatabaseServer, folder: Path) -> dict[str, DatabaseUrls]:
    model = _MODELS.get(id(server))
    if model is None:
        made = _Model(_empty(server), Path(mkdtemp(prefix="linli-model-")))
        wiring.migrate(made.urls)
        began = start_of_story()
        first = Product(made.urls, made.folder, MovableClock(began), "", _port(), ExitStack(), began)
        with _one_at_a_time():
            first.start()
        first.stop()
        model = _MODELS[id(server)] = made
    shutil.copytree(model.folder, folder, dirs_exist_ok=True)
    prefix = f"story_{time.time_ns()}_"
    return {name: copied(server, urls, prefix + name) for name, urls in model.urls.items()}


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """On a new machine the first plan compiles the solver: the other worker waits and finds it compiled."""
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
