"""The verbs of the Makefile. Standard library only: it runs before anything is installed."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from environment import (
    DATA,
    DISK_FULL,
    LOCKS,
    PYTHON,
    ROOT,
    VENV,
    Stop,
    ensure_packages,
    environment,
    quiet,
    say,
)

SIZES = ("small", "town", "city")
# Licences that ask nothing of Linli beyond naming them, and LGPL/MPL, whose terms hold for the library alone.
LICENCES = (
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|Unlicense|Public Domain|CC0|0BSD|MIT-0|MPL|Mozilla"
    r"|LGPL|Lesser General Public|PostgreSQL|HPND|Zope|ZPL|BSL-1\.0|Boost"
)


def run() -> int:
    port, size = _port(os.environ.get("PORT") or "8000"), os.environ.get("SIZE") or "town"
    if size not in SIZES:
        raise Stop(f"SIZE 只能是 {'、'.join(SIZES)} | SIZE is one of {', '.join(SIZES)}, not {size}")
    _refuse_busy(port)
    _install()
    arguments = ["up", "--port", str(port), "--size", size, "--data", ".linli"]
    os.execve(PYTHON, [PYTHON, "-m", "services", *arguments], environment())  # noqa: S606 -- our own program


def test() -> int:
    from assets import ensure_browser

    _install("dev")
    ensure_browser()
    command = [
        PYTHON,
        "-m",
        "pytest",
        "-n",
        "2",
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",
        "--durations=20",
    ]
    return _call([*command, *shlex.split(os.environ.get("ARGS") or "")])


def check() -> int:
    ensure_packages("dev")
    steps: list[tuple[str, list[str | Path]]] = [
        ("ruff check", [PYTHON, "-m", "ruff", "check", "."]),
        ("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
        ("mypy --strict", [PYTHON, "-m", "mypy"]),
        (
            "import-linter",
            [PYTHON, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        ),
        ("licences", [PYTHON, "tools/linli.py", "licences"]),
    ]
    if (ROOT / "tools" / "translations.py").exists():
        steps.append(("translations", [PYTHON, "tools/translations.py", "check"]))
    steps.append(("events", [PYTHON, "tools/contracts.py", "check"]))
    failed = []
    for name, command in steps:
        began = time.monotonic()
        say(f"── {name}")
        if _call(command) != 0:
            failed.append(name)
        say(f"   {time.monotonic() - began:.1f} s")
    say(f"check: failed: {', '.join(failed)}" if failed else "check: all clean")
    return 1 if failed else 0


def licences() -> int:
    """Every licence of what `make run` installs is on the list."""
    from environment import locked

    names = locked(LOCKS / "run.lock")
    listing = subprocess.run(  # noqa: S603
        [PYTHON, "-m", "piplicenses", "--from=mixed", "--format=csv", "--packages", *names],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    ).stdout
    strange = []
    for line in listing.splitlines()[1:]:
        name, version, licence = line.strip('"').split('","')
        if not re.search(LICENCES, licence):
            strange.append(f"{name} {version}: {licence}")
    for line in strange:
        say(f"licence not on the list: {line}")
    return 1 if strange else 0


def bench() -> int:
    _install("dev")
    ensure_packages("bench")
    return _call([PYTHON, "-m", "tests.benchmarks", *shlex.split(os.environ.get("ARGS") or "")])


def faults() -> int:
    """Real servers and processes, a seeded schedule of faults, and a checker; a seed with a result is not run again."""
    _install("dev")
    options = ["--seeds", os.environ.get("SEEDS") or "1", "--minutes", os.environ.get("MINUTES") or "1"]
    return _call([PYTHON, "-m", "tests.faults", *options])


def containers() -> int:
    """The Compose file for real, then the bus's contract on a broker in a container; what was seen is printed."""
    _install("dev")
    try:
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True)  # noqa: S607
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=20)  # noqa: S607
    except (OSError, subprocess.SubprocessError) as error:
        raise Stop(
            "没有 Docker 引擎在运行,请安装或启动 Docker(带 Compose 插件)| no Docker engine with Compose answers: "
            "install Docker Engine and its Compose plugin, or start it (systemctl start docker)"
        ) from error
    options = shlex.split(os.environ.get("ARGS") or "")
    city = _call([PYTHON, "-m", "pytest", "-m", "containers", "tests/containers", *options])
    bus = _call([PYTHON, "-m", "pytest", "-k", "Kafka", "tests/integration/test_bus.py"])
    return city or bus


def kafka() -> int:
    """Apache Kafka on loopback until Ctrl-C: one broker, or three with NODES=3; its data stays in .linli/kafka."""
    from broker import BrokerMissing, Cluster

    port, nodes = _port(os.environ.get("PORT") or "9092"), os.environ.get("NODES") or "1"
    if nodes not in ("1", "3"):
        raise Stop(f"NODES 只能是 1 或 3 | NODES is 1 or 3, not {nodes}")
    _refuse_busy(port)
    try:
        cluster = Cluster(DATA / "kafka", int(nodes), port)
        with cluster:
            say(f"Kafka: {cluster.servers}   Ctrl-C 停止,数据会保留 | Ctrl-C stops it and keeps the data")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except BrokerMissing as error:
        raise Stop(str(error)) from error
    return 0


def reset() -> int:
    """All data, wherever it lies; not the installed programs."""
    from locking import held_by

    server = DATA / "postgres" / "postgres"  # shared/database/server.py, server_of
    owner = held_by(server / "lock")
    if owner:
        raise Stop(
            f"邻里正在运行 (进程 {owner}),请先停止它 | Linli is running (process {owner}): stop it first"
        )
    elsewhere = server / "elsewhere"
    if elsewhere.exists():
        home = Path(elsewhere.read_text())
        if home.parent == Path("/var/lib/linli"):
            shutil.rmtree(home, ignore_errors=True)
    if DATA.exists():
        shutil.rmtree(DATA)
    say("数据已清空 | all data is gone; make run starts anew")
    return 0


def backup() -> int:
    ensure_packages("run")
    return _call([PYTHON, ROOT / "tools" / "backup.py", "backup", DATA, os.environ.get("FILE") or ""])


def restore() -> int:
    ensure_packages("run")
    return _call([PYTHON, ROOT / "tools" / "backup.py", "restore", DATA, os.environ.get("FILE") or ""])


def lock() -> int:
    from assets import BROWSER, PORTAL, renew_lock

    ensure_packages("dev")
    common = ["--generate-hashes", "--universal", "--python-version", "3.11", "--no-header", "--no-annotate"]
    for name, origin in (
        ("run", ["pyproject.toml"]),
        ("dev", ["pyproject.toml", "--group", "dev"]),
        ("bench", ["--group", "bench", "-c", "requirements/dev.lock"]),
        ("node", ["requirements/node.in"]),
    ):
        command = [
            PYTHON,
            "-m",
            "uv",
            "pip",
            "compile",
            *origin,
            *common,
            "-q",
            "-o",
            f"requirements/{name}.lock",
        ]
        quiet(command, "uv", "uv.log", cwd=ROOT)
    for folder in (PORTAL, BROWSER):
        renew_lock(folder)
    return 0


VERBS = {
    verb.__name__: verb
    for verb in (run, test, check, licences, bench, faults, containers, kafka, reset, backup, restore, lock)
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in VERBS:
        say(f"linli.py {'|'.join(VERBS)}")
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.chdir(ROOT)
    try:
        return VERBS[arguments[0]]()
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\n已停止 | stopped", file=sys.stderr)
        return 130
    except PermissionError as error:
        print(
            f"无权写入 {error.filename} | no permission for {error.filename}: "
            "run as the user that owns this folder, or make it yours with chown",
            file=sys.stderr,
        )
        return 2
    except OSError as error:
        print(
            DISK_FULL if error.errno in (28, 122) else f"{error.strerror}: {error.filename}", file=sys.stderr
        )
        return 2


def _install(lock_name: str = "run") -> None:
    from assets import ensure_portal_assets

    first = not VENV.exists()
    if first:
        say("第一次启动要下载软件包,约两分钟 | the first start downloads packages, about two minutes")
    ensure_packages(lock_name)
    ensure_portal_assets()


def _port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise Stop(f"PORT 须是 1 到 65535 的数字 | PORT is a number from 1 to 65535, not {text}")
    return int(text)


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise Stop(f"端口 {port} 需要管理员权限 | port {port} needs root: make run PORT=8000") from None
        except OSError:
            raise Stop(
                f"端口 {port} 已被占用,请换一个 | port {port} is busy: make run PORT={_free_port(port)}"
            ) from None


def _free_port(after: int) -> int:
    for port in range(after + 1, min(after + 100, 65536)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    return 8000


def _call(command: list[str | Path]) -> int:
    """Ctrl-C reaches both; the program ends itself, and this waits for it."""
    with subprocess.Popen(command, cwd=ROOT, env=environment()) as program:  # noqa: S603
        while True:
            try:
                return program.wait()
            except KeyboardInterrupt:
                if program.poll() is None:
                    continue
                return 130
