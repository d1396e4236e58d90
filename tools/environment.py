"""The virtual environment: made, completed and mended until it holds what the lock file says."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
DATA = ROOT / ".linli"
LOCKS = ROOT / "requirements"
NEWEST_TRIED = (3, 14)

DISK_FULL = "磁盘已满,请腾出约 3 GB 空间后重试 | the disk is full: free about 3 GB and start again"
NO_NETWORK = (
    "无法下载软件包,请检查网络或镜像设置后重试 | packages cannot be downloaded: "
    "check the network (or the mirror set for {tool}) and start again"
)


class Stop(Exception):
    """Not a fault of the program: one line for the person, and exit code 2."""


def say(text: str) -> None:
    print(text, flush=True)


class Progress:
    """One line that counts, on a terminal; one line a quarter of the way elsewhere."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done = title, total, 0
        self.live = sys.stdout.isatty()
        if not self.live:
            say(f"{title} (0/{total})")

    def step(self, what: str) -> None:
        self.done = min(self.done + 1, self.total)
        if self.live:
            print(f"\r\033[K{self.title} ({self.done}/{self.total}) {what[:40]}", end="", flush=True)
        elif self.done % max(1, self.total // 4) == 0:
            say(f"{self.title} ({self.done}/{self.total})")

    def end(self) -> None:
        if self.live:
            print("\r\033[K", end="", flush=True)


@contextmanager
def alone() -> Iterator[None]:
    """Two first starts at once must not build one environment."""
    DATA.mkdir(exist_ok=True)
    with open(DATA / "install.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("另一个安装正在进行,等待它完成 | waiting for another installation in this folder to finish")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure_packages(lock_name: str) -> None:
    """`.venv` with exactly the versions and hashes of `requirements/<lock_name>.lock`."""
    lock = LOCKS / f"{lock_name}.lock"
    stamp = VENV / f".{lock_name}.stamp"
    mark = _digest(lock)
    if _version() is not None and stamp.exists() and stamp.read_text() == mark:
        return
    with alone():
        if _version() is None:
            _make_venv()
        wanted = locked(lock)
        if missing(wanted):
            _install(lock, wanted)
        stamp.write_text(mark)


def ensure_node_packages() -> None:
    """Node itself as a wheel, for a machine that has none."""
    with alone():
        wanted = locked(LOCKS / "node.lock")
        if missing(wanted):
            _install(LOCKS / "node.lock", wanted)


def locked(lock: Path) -> dict[str, str]:
    """Name and version of each package that this machine needs."""
    version = _version() or sys.version_info[:2]
    wanted = {}
    for line in lock.read_text().splitlines():
        found = re.match(r"([a-z0-9._-]+)==(\S+?)\s*(?:;\s*(.*?))?\s*\\?$", line)
        if found and _applies(found.group(3) or "", version):
            wanted[found.group(1)] = found.group(2)
    return wanted


def missing(wanted: dict[str, str]) -> dict[str, str]:
    """What is not there, or was cut off half-way: pip writes RECORD last."""
    present = {}
    for info in VENV.glob("lib/python3.*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        if (info / "RECORD").exists():
            present[re.sub(r"[-_.]+", "-", name).lower()] = version
        else:
            shutil.rmtree(info)
    return {name: version for name, version in wanted.items() if present.get(name) != version}


def quiet(command: list[str | Path], tool: str, log: str, **options: object) -> None:
    """Run a step whose output matters only if it fails; the whole of it is kept in `.linli/<log>`."""
    DATA.mkdir(exist_ok=True)
    done = subprocess.run(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode != 0:
        (DATA / log).write_text(done.stdout)
        raise Stop(diagnosis(done.stdout, tool, DATA / log))


def diagnosis(output: str, tool: str, log: Path) -> str:
    if re.search(r"No space left|ENOSPC|Errno 28|Disk quota", output):
        return DISK_FULL
    if "DO NOT MATCH THE HASHES" in output or "EINTEGRITY" in output:
        return (
            "下载的软件包与锁定的校验值不符,没有安装 | a downloaded package differs from its locked hash "
            f"and was not installed: clear {tool}'s cache and try again; details in {log}"
        )
    if re.search(
        r"NewConnectionError|ConnectTimeout|name resolution|Network is unreachable|ProxyError|Connection refused"
        r"|ReadTimeout|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ENETUNREACH|SSLError|Max retries",
        output,
    ):
        return NO_NETWORK.format(tool=tool)
    errors = [
        line.strip() for line in output.splitlines() if re.match(r"\s*(npm )?error", line, re.IGNORECASE)
    ]
    reason = (errors or [line for line in output.splitlines() if line.strip()] or ["?"])[-1][:300]
    return f"{tool} 失败 | {tool} failed: {reason} (details in {log})"


def _version() -> tuple[int, int] | None:
    """The Python of a working `.venv`."""
    try:
        said = subprocess.run(  # noqa: S603
            [PYTHON, "-c", "import sys, pip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = (int(part) for part in said.split())
    return (major, minor) if (major, minor) >= (3, 11) else None


def _make_venv() -> None:
    if shutil.disk_usage(ROOT).free < 2_500_000_000:
        raise Stop(DISK_FULL)
    if sys.version_info[:2] > NEWEST_TRIED:
        say(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} 尚未试过 | "
            "newer than any Python that Linli was tried on: if a package is missing, use 3.11 to 3.14"
        )
    say("建立虚拟环境 .venv | making the virtual environment .venv")
    if VENV.exists():
        shutil.rmtree(VENV)
    fresh = [sys.executable, "-m", "venv", VENV]
    if importlib.util.find_spec("ensurepip") is not None:
        quiet(fresh, "venv", "venv.log")
    elif importlib.util.find_spec("pip") is not None:
        quiet([*fresh, "--without-pip"], "venv", "venv.log")
        quiet([sys.executable, "-m", "pip", "--python", PYTHON, "install", "pip"], "pip", "pip.log")
    else:
        name = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise Stop(
            f"此 Python 缺少 venv 模块 | this Python comes without ensurepip and pip: install {name} (apt install {name})"
        )


def _install(lock: Path, wanted: dict[str, str]) -> None:
    command = [PYTHON, "-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-deps"]
    # What is imported is compiled then: a fifth of what lies there, and a minute less.
    command += [
        "--no-compile",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--retries=2",
        "-r",
        lock,
    ]
    progress = Progress("安装 Python 软件包 | installing Python packages", len(wanted))
    output = []
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            output.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                progress.step(line.split()[1].split("==")[0])
            elif line.startswith("Installing collected"):
                progress.end()
                say("解包,约半分钟 | unpacking, about half a minute")
    progress.end()
    if pip.returncode != 0:
        log = DATA / "pip.log"
        log.write_text("".join(output))
        raise Stop(diagnosis("".join(output), "pip", log))
    left = missing(wanted)
    if left:
        raise Stop(f"安装不完整,请重试 | not everything was installed ({', '.join(left)}): start again")


def _applies(marker: str, version: tuple[int, ...]) -> bool:
    """The markers that a universal lock file uses, for CPython on Linux x86-64."""
    facts = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": "x86_64",
    }

    def holds(part: str) -> bool:
        found = re.fullmatch(r"\(*\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*'([^']*)'\s*\)*", part.strip())
        if found is None:
            raise ValueError(f"a marker this program does not know: {part}")
        name, sign, value = found.groups()
        if name in ("python_version", "python_full_version"):
            left: object = tuple(version[:2])
            right: object = tuple(int(number) for number in value.split(".")[:2])
        else:
            left, right = facts[name], value
        return {
            "==": left == right,
            "!=": left != right,
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
        }[sign]

    return not marker or any(
        all(holds(part) for part in side.split(" and ")) for side in marker.split(" or ")
    )


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def environment() -> dict[str, str]:
    """For everything started from here: this environment first, no byte code elsewhere, UTF-8."""
    return {
        **os.environ,
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(VENV),
        "PYTHONUTF8": "1",
    }
