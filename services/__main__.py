"""`python -m services up`: a whole city in one process. `python -m services migrate SERVICE "what changed"`."""

import argparse
import contextlib
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from services import declarations, wiring
from shared.database.migrate import write
from shared.database.server import EmbeddedServer, ServerError, ensure_databases
from shared.telemetry.logs import configure_logs


def say(text: str) -> None:
    """One line of progress to whoever typed the command."""
    print(text, flush=True)


def up(port: int, size: str, data: Path) -> int:
    """Start the city on 127.0.0.1:port. Exit code: 0 after Ctrl-C, 2 when something must be mended first."""
    started = time.monotonic()
    configure_logs(data / "linli.log")
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
        return _serve(port, size, data, started)
    except ServerError as error:
        say(str(error))
        return 2
    except OSError as error:
        if error.errno == 28:
            say("磁盘已满，请腾出空间后再运行。 The disk is full: free some space and start again.")
            return 2
        raise


def _serve(port: int, size: str, data: Path, started: float) -> int:
    from services.matcher.solver.worker import compiling
    from services.portal.app import create_portal
    from services.sample import load_sample, welcome
    from shared.sample import SAMPLE_PASSWORD

    with EmbeddedServer(data / "postgres") as server:
        urls = ensure_databases(server, (*declarations.NAMES, wiring.BUS))
        wiring.migrate(urls)
        key = wiring.installation_key(data / "keys")
        with wiring.running(urls, key) as city:
            portal = create_portal(
                city.databases["portal"], {name: city.transport(name) for name in city.apps}
            )
            with compiling():
                load_sample(city, size, data, say)
            say(welcome(f"http://127.0.0.1:{port}/", SAMPLE_PASSWORD, time.monotonic() - started))
            config = uvicorn.Config(
                portal,
                host="127.0.0.1",
                port=port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=5,
            )
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run()
            say("正在停止…数据已保存。 Stopping; the data is kept.")
    return 0


def _migrate(name: str, message: str) -> int:
    import tempfile

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and do as it says."""
    parser = argparse.ArgumentParser(prog="python -m services", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="a whole city in one process")
    start.add_argument("--port", type=int, default=8000)
    start.add_argument("--size", default="town", choices=["small", "town", "city"])
    start.add_argument("--data", type=Path, default=Path(".linli"))
    change = commands.add_parser("migrate", help="write the next migration")
    change.add_argument("service", choices=[*declarations.NAMES, "kernel"])
    change.add_argument("message")
    options = parser.parse_args(arguments)
    if options.command == "migrate":
        return _migrate(options.service, options.message)
    return up(options.port, options.size, options.data.resolve())


if __name__ == "__main__":
    sys.exit(main())
