"""`python -m services events …`: what an operator sees and decides of a service's events. docs/operations.md."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services import declarations, wiring
from shared.clock import wall
from shared.database.server import ServerError, database_url, server_of
from shared.database.vault import Vault
from shared.database.work import Database
from shared.messaging import operator
from shared.messaging.applying import Applier
from shared.messaging.bus.port import Bus, BusAway, GroupBusy
from shared.messaging.retelling import Stalled, retell
from shared.settings import Settings

ACTIONS = ("lag", "parked", "dead-letters", "replay", "discard", "go-on", "rebuild", "retell")
NOT_RUNNING = "邻里没有运行：先 make run | Linli is not running: make run first"


@dataclass
class _Reached:
    """A service's database, and the bus when it is asked for."""

    name: str
    database: Database
    bus: Callable[[], Bus]

    @property
    def applier(self) -> Applier:
        return Applier(self.database, self.name, declarations.service(self.name).handlers)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("service", choices=[name for name in declarations.NAMES if name != "portal"])
    parser.add_argument("ids", nargs="*", type=int, help="dead letters, for replay and discard")
    parser.add_argument(
        "--type", help="retell the states of this type only: visit_changed, or its whole name"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="the folder of a running `make run` (.linli); without it the settings say where",
    )


def run(options: argparse.Namespace) -> int:
    """Do as the command line says. 1 when something could not be done, 2 when something must be mended first."""
    if (options.action in ("replay", "discard")) != bool(options.ids):
        print("replay and discard take the numbers of dead letters, the others none", file=sys.stderr)
        return 2
    if options.type and options.action != "retell":
        print("only retell takes a type", file=sys.stderr)
        return 2
    declared = declarations.service(options.service)
    if not (declared.states if options.action == "retell" else declared.handlers.topics):
        print(f"{options.service} {'tells no states' if options.action == 'retell' else 'reads no events'}")
        return 2
    try:
        with ExitStack() as stack:
            reached = stack.enter_context(
                _local(options.service, options.data.resolve())
                if options.data
                else _deployed(options.service, options.action)
            )
            act: dict[str, Callable[[_Reached, list[int]], int]] = {
                "lag": _lag,
                "parked": _parked,
                "dead-letters": _dead_letters,
                "replay": _replay,
                "discard": _discard,
                "go-on": _go_on,
                "rebuild": _rebuild,
                "retell": lambda reached, _: _retell(reached, options.type),
            }
            return act[options.action](reached, options.ids)
    except (ServerError, GroupBusy, BusAway, Stalled) as error:
        print(error, file=sys.stderr)
        return 2


@contextmanager
def _deployed(name: str, action: str) -> Iterator[_Reached]:
    needed = ["database_url", "installation_key"]
    if action in ("lag", "rebuild"):
        needed.append("bus")
    settings = Settings.read(*needed)
    with _reached(name, settings.database_url or "", settings, settings.key, settings.bus_url) as reached:
        yield reached


@contextmanager
def _local(name: str, data: Path) -> Iterator[_Reached]:
    """The databases of a `make run` that is running, whatever port it was given."""
    server = server_of(data)
    running = server.cluster / "postmaster.pid"
    if not running.exists():
        raise ServerError(NOT_RUNNING)
    port = int(running.read_text().splitlines()[3])
    roles = {each: f"linli_{each}" for each in (name, wiring.BUS)}
    passwords = server.passwords(roles.values())
    urls = {
        each: database_url("127.0.0.1", port, role, role, passwords[role]) for each, role in roles.items()
    }
    key = wiring.installation_key(data / "keys")
    with _reached(name, urls[name], Settings.read(), key, urls[wiring.BUS]) as reached:
        yield reached


@contextmanager
def _reached(
    name: str, database_url: str, settings: Settings, key: bytes, bus_url: str | None
) -> Iterator[_Reached]:
    database = Database(database_url, name, Vault(key), pool=2)
    with ExitStack() as stack:
        stack.callback(database.close)

        def bus() -> Bus:
            made = wiring.bus_of(settings, bus_url)
            stack.callback(made.close)
            return made

        yield _Reached(name, database, bus)


def _lag(reached: _Reached, ids: list[int]) -> int:
    total = 0
    for lag in reached.bus().lag(reached.name):
        total += lag.waiting
        print(f"{lag.part.topic}/{lag.part.partition}\t{lag.committed}\t{lag.waiting}")
    print(f"等待 | waiting: {total}")
    return 0


def _parked(reached: _Reached, ids: list[int]) -> int:
    with reached.database.work() as work:
        rows = operator.parked(work, reached.name)
    for row in rows:
        until = "held" if row.held else f"next {wall(row.retry_at):%H:%M:%S}"
        print(
            f"{row.topic}\t{row.key}\t{row.events}\t{wall(row.since):%Y-%m-%d %H:%M:%S}\t{until}\t{row.reason}"
        )
    print(f"搁置 | parked keys: {len(rows)}")
    return 0


def _dead_letters(reached: _Reached, ids: list[int]) -> int:
    with reached.database.work() as work:
        rows = operator.dead_letters(work, reached.name)
    for row in rows:
        print(
            f"{row.id}\t{wall(row.at):%Y-%m-%d %H:%M:%S}\t{row.type or '?'}\t{row.topic}/{row.partition}@{row.offset}"
            f"\t{row.key}\t{row.reason}" + (f"\t+{row.holds}" if row.holds else "")
        )
    print(f"死信 | dead letters: {len(rows)}")
    return 0


def _replay(reached: _Reached, ids: list[int]) -> int:
    return _decide(reached, ids, "replay")


def _discard(reached: _Reached, ids: list[int]) -> int:
    return _decide(reached, ids, "discard")


def _decide(reached: _Reached, ids: list[int], decision: str) -> int:
    failed = 0
    for letter in ids:
        try:
            with reached.database.work() as work:
                if decision == "replay":
                    reason = operator.replay(work, reached.applier, letter)
                else:
                    reason = None
                    operator.discard(work, reached.applier, letter)
                work.audit(f"event.{decision}", consumer=reached.name, letter=letter, took=reason is None)
        except operator.NoSuchLetter:
            reason = "没有这封死信 | there is no such dead letter"
        except operator.Decided:
            reason = "已经处理过 | already decided"
        failed += reason is not None
        print(
            f"{letter}\t{reason or ('已重放 | replayed' if decision == 'replay' else '已放弃 | discarded')}"
        )
    return 1 if failed else 0


def _go_on(reached: _Reached, ids: list[int]) -> int:
    with reached.database.work() as work:
        reading = operator.go_on(work, reached.name)
    if reading is None:
        print("还没有读过消息 | no worker has read anything yet", file=sys.stderr)
        return 2
    print("停下的会接着读 | a consumer that has stopped reads on")
    return 0


def _rebuild(reached: _Reached, ids: list[int]) -> int:
    operator.rebuild(
        reached.database, reached.bus(), reached.name, declarations.service(reached.name).handlers
    )
    print(
        "投影已清空，服务启动后重新读入 | the projections are empty and are read anew once the service runs"
    )
    return 0


def _retell(reached: _Reached, wanted: str | None) -> int:
    """`wanted`: a type's whole name, or the fact in it; None: all."""
    states = [
        state
        for state in declarations.service(reached.name).states
        if wanted is None or wanted in (state.event.TYPE, state.event.TYPE.split(".")[2])
    ]
    if not states:
        print(f"{reached.name} 没有这类消息 | tells no such state: {wanted}", file=sys.stderr)
        return 2
    told: dict[str, int] = {}
    for state in states:
        for count in retell(reached.database, state):
            told[state.event.TYPE] = told.get(state.event.TYPE, 0) + count
    with reached.database.work() as work:
        work.audit("events.retell", types=sorted({state.event.TYPE for state in states}))
    for name, count in sorted(told.items()):
        print(f"{name}\t{count}")
    print(f"已重新告知 | told again: {sum(told.values())}")
    return 0
