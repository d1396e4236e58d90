"""A whole city in one process (`up`), or one service (`serve`) and what surrounds it; docs/operations.md."""

import argparse
import contextlib
import gc
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from services import declarations, events, wiring
from shared.clock import system_clock
from shared.database.server import EmbeddedServer, ServerError, ensure_databases, server_of
from shared.settings import Settings, SettingsFault
from shared.telemetry.logs import configure_logs
from shared.telemetry.traces import configure_traces, end_traces

SIZES = ("small", "town", "city")


def say(text: str) -> None:
    """One line of progress to whoever typed the command."""
    print(text, flush=True)


def up(port: int, size: str, data: Path) -> int:
    """Start the city on 127.0.0.1:port. Exit code: 0 after Ctrl-C, 2 when something must be mended first."""
    started = time.monotonic()
    settings = Settings.read()
    configure_logs(settings.log_file or data / "linli.log")
    for name in declarations.NAMES:
        configure_traces(name, settings.traces)
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            say(
                f"端口 {port} 已被占用，请换一个：make run PORT={port + 1}。 Port {port} is in use: choose another."
            )
            return 2
    try:
        return _serve(port, size, data, settings, started)
    except ServerError as error:
        say(str(error))
        return 2
    except OSError as error:
        if error.errno == 28:
            say("磁盘已满，请腾出空间后再运行。 The disk is full: free some space and start again.")
            return 2
        raise
    finally:
        end_traces()


def _serve(port: int, size: str, data: Path, settings: Settings, started: float) -> int:
    from services.matcher.solver.worker import compiling
    from services.portal.app import create_portal
    from services.sample import load_sample, welcome
    from services.serving import listening
    from shared.sample import SAMPLE_PASSWORD

    with server_of(data) as server:
        urls = ensure_databases(server, (*declarations.NAMES, wiring.BUS))
        wiring.migrate(urls)
        key = wiring.installation_key(data / "keys")
        with wiring.running(urls, key) as city:
            portal = create_portal(city.databases["portal"], city.clients())
            with compiling():
                load_sample(city, size, data, say, settings.clock or system_clock)
            gc.freeze()  # what stays for good is not looked through again with every collection
            say(welcome(f"http://127.0.0.1:{port}/", SAMPLE_PASSWORD, time.monotonic() - started))
            here = settings.model_copy(update={"listen": f"127.0.0.1:{port}"})
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(listening(portal, here)).run()
            say("正在停止…数据已保存。 Stopping; the data is kept.")
    return 0


def _migration(name: str, message: str) -> int:
    import tempfile

    from shared.database.migrate import write

    with tempfile.TemporaryDirectory(prefix="linli-") as folder, EmbeddedServer(Path(folder)) as server:
        urls = ensure_databases(server, ["scratch"])
        of = "identity" if name == "kernel" else name
        write(
            urls["scratch"].owner,
            declarations.service(of).metadata,
            declarations.migrations(of),
            message,
            kernel=name == "kernel",
        )
    return 0


def _serve_one(options: argparse.Namespace) -> int:
    from services.serving import serve

    needed = ["database_url", "installation_key"]
    if options.role != "api" and declarations.service(options.service).on_bus:
        needed.append("bus")
    return serve(options.service, options.role, Settings.read(*needed))


def _migrate(options: argparse.Namespace) -> int:
    from services.setting_up import migrate

    migrate(options.service, Settings.read("owner_url"))
    return 0


def _set_up(options: argparse.Namespace) -> int:
    from services.setting_up import set_up

    set_up(Settings.read("server_url"), options.secrets, say)
    return 0


def _sample(options: argparse.Namespace) -> int:
    from services.setting_up import load

    load(Settings.read(), options.secrets, options.size, say)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="a whole city in one process")
    start.add_argument("--port", type=int, default=8000)
    start.add_argument("--size", default="town", choices=SIZES)
    start.add_argument("--data", type=Path, default=Path(".linli"))
    start.set_defaults(run=lambda options: up(options.port, options.size, options.data.resolve()))
    one = commands.add_parser("serve", help="one service")
    one.add_argument("service", choices=declarations.NAMES)
    one.add_argument("--role", choices=["api", "worker", "all"], default="all")
    one.set_defaults(run=_serve_one)
    newest = commands.add_parser("migrate", help="bring a service's database to the newest shape")
    newest.add_argument("service", choices=declarations.NAMES)
    newest.set_defaults(run=_migrate)
    new = commands.add_parser(
        "setup", help="databases, roles, migrations, topics and secrets of an installation"
    )
    new.add_argument("--secrets", type=Path, required=True)
    new.set_defaults(run=_set_up)
    sample = commands.add_parser("sample", help="load the sample city into running services")
    sample.add_argument("--size", default="town", choices=SIZES)
    sample.add_argument("--secrets", type=Path, required=True)
    sample.set_defaults(run=_sample)
    told = commands.add_parser("events", help="what waits, is parked or failed of a service's events")
    events.add_arguments(told)
    told.set_defaults(run=events.run)
    change = commands.add_parser("migration", help="write the next migration, for who develops Linli")
    change.add_argument("service", choices=[*declarations.NAMES, "kernel"])
    change.add_argument("message")
    change.set_defaults(run=lambda options: _migration(options.service, options.message))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do as it says. 2 when something must be mended first."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except SettingsFault as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
