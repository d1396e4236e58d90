"""The embedded PostgreSQL: what a newcomer's machine and a killed process can do to it."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from shared.database.server import (
    OUTSIDE,
    DatabaseServer,
    EmbeddedServer,
    ServerBusyError,
    ServerError,
    ensure_databases,
)
from tests.conftest import NewDatabase

pytestmark = pytest.mark.postgres

SMALL = {"shared_buffers": "16MB", "max_connections": "20"}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a space and Chinese in its path, and open to the server's own user."""
    home = Path(tempfile.mkdtemp(prefix="linli server 邻里 "))
    home.chmod(0o711)
    yield home / "data"
    shutil.rmtree(home)


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def postmaster(folder: Path) -> int:
    return int((folder / "postgres" / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])


def gone(pid: int, within: float = 15.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_it_starts_keeps_data_and_stops(folder: Path) -> None:
    with EmbeddedServer(folder, settings=SMALL) as server:
        first = ensure_databases(server, ["daycare"])["daycare"]
        rows(first.owner, "CREATE TABLE need (id bigint GENERATED ALWAYS AS IDENTITY, what text)")
        rows(first.app, "INSERT INTO need (what) VALUES ('陪同就医')")
        pid = postmaster(folder)
    assert gone(pid, 0.5)
    assert not server.alive()

    with EmbeddedServer(folder, settings=SMALL) as server:
        again = ensure_databases(server, ["daycare"])["daycare"]
        assert rows(again.app, "SELECT id, what FROM need") == [(1, "陪同就医")]
        assert rows(again.app, "SELECT upper('ä'), '一' < '丁'") == [("Ä", True)]
        assert rows(again.app, "SHOW server_encoding") == [("UTF8",)]


def test_roles_can_do_only_their_part(new_database: NewDatabase) -> None:
    url = new_database("one")
    rows(url.owner, "CREATE SCHEMA later; CREATE TABLE later.visit (id int); CREATE TABLE visit (id int)")
    rows(url.app, "INSERT INTO visit VALUES (1); INSERT INTO later.visit VALUES (1); DELETE FROM visit")
    for role in url:
        assert rows(
            role,
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
            " FROM pg_roles WHERE rolname = current_user",
        ) == [(False,) * 5]
    assert rows(url.app, "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'visit'") == [
        (False,),
        (False,),
    ]
    for forbidden in (
        "CREATE TABLE mine (id int)",
        "DROP TABLE visit",
        "TRUNCATE visit",
        "ALTER TABLE visit ADD x int",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(url.app, forbidden)

    rows(url.owner, "ALTER TABLE visit ENABLE ROW LEVEL SECURITY; INSERT INTO visit VALUES (7)")
    assert rows(url.app, "SELECT * FROM visit") == []


def test_no_service_enters_anothers_database(
    postgres_server: DatabaseServer, new_database: NewDatabase
) -> None:
    mine, theirs = new_database("one"), new_database("other")
    other = theirs.app.rsplit("/", 1)[1]
    for url in mine:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            rows(f"{url.rsplit('/', 1)[0]}/{other}", "SELECT 1")


def test_asking_again_changes_nothing(folder: Path) -> None:
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert ensure_databases(server, ["a", "b"]) == ensure_databases(server, {"a": "", "b": ""})
        secrets = folder / "postgres" / "passwords.json"
        assert secrets.stat().st_mode & 0o777 == 0o600
        assert set(json.loads(secrets.read_text())) == {
            "postgres",
            *("linli_a", "linli_a_owner", "linli_b", "linli_b_owner"),
        }


def test_a_wrong_password_is_refused(folder: Path) -> None:
    with EmbeddedServer(folder, settings=SMALL) as server:
        ensure_databases(server, ["daycare"])
        for role in ("linli_daycare", "postgres"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                rows(server.url("linli_daycare", role, "guess"), "SELECT 1")


def test_a_half_made_database_is_completed(folder: Path) -> None:
    with EmbeddedServer(folder, settings=SMALL) as server:
        with server.connect() as connection:  # killed after CREATE DATABASE
            connection.execute("CREATE ROLE linli_daycare_owner")
            connection.execute("CREATE DATABASE linli_daycare OWNER linli_daycare_owner")
        url = ensure_databases(server, ["daycare"])["daycare"]
        rows(url.owner, "CREATE TABLE need (id int)")
        assert rows(url.app, "SELECT * FROM need") == []


def test_what_was_committed_survives_the_servers_sudden_death(folder: Path) -> None:
    server = EmbeddedServer(folder, settings=SMALL)
    server.start()
    url = ensure_databases(server, ["daycare"])["daycare"]
    rows(url.owner, "CREATE TABLE need (id int); INSERT INTO need SELECT generate_series(1, 5000)")
    os.kill(postmaster(folder), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while server.alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not server.alive()
    server.stop()

    with server:
        assert rows(ensure_databases(server, ["daycare"])["daycare"].app, "SELECT count(*) FROM need") == [
            (5000,)
        ]


STARTED = """
import sys, time
from pathlib import Path
from shared.database.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), settings={"shared_buffers": "16MB", "max_connections": "20"})
server.start()
print("started", flush=True)
time.sleep(600)
"""


def started_elsewhere(folder: Path) -> subprocess.Popen[str]:
    other = subprocess.Popen(
        [sys.executable, "-c", STARTED, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "started\n"
    return other


def test_the_server_dies_with_its_process(folder: Path) -> None:
    other = started_elsewhere(folder)
    pid = postmaster(folder)
    other.kill()
    other.wait()
    assert gone(pid)
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert server.alive()


def test_an_orphan_is_ended_first(folder: Path) -> None:
    other = started_elsewhere(folder)
    pid = postmaster(folder)
    supervisor = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    for process in (supervisor, *(int(child) for child in children if int(child) != pid), other.pid):
        os.kill(process, signal.SIGKILL)
    other.wait()
    assert not gone(pid, 0.3)
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert postmaster(folder) != pid
        assert server.alive()


def test_a_second_start_is_one_line(folder: Path) -> None:
    other = started_elsewhere(folder)
    try:
        with pytest.raises(ServerBusyError, match=str(other.pid)) as refused:
            EmbeddedServer(folder, settings=SMALL).start()
        assert "\n" not in str(refused.value)
        with EmbeddedServer(folder.with_name("other"), settings=SMALL) as second:
            with pytest.raises(ServerBusyError):
                EmbeddedServer(folder.with_name("other"), settings=SMALL).start()
            assert second.alive()
    finally:
        other.terminate()
        other.wait()


def test_a_half_finished_initdb_is_made_anew(folder: Path) -> None:
    home = folder / "postgres"
    (home / "cluster.unfinished" / "base").mkdir(parents=True)
    (home / "cluster.unfinished" / "PG_VERSION").write_text("18\n")
    (home / "cluster").mkdir()
    for path in (folder, home):
        path.chmod(0o711)
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert server.alive()
        assert not (home / "cluster.unfinished").exists()


def test_a_stale_pid_file_of_another_process_is_no_obstacle(folder: Path) -> None:
    with EmbeddedServer(folder, settings=SMALL):
        pass
    stale = folder / "postgres" / "cluster" / "postmaster.pid"
    stale.write_text(
        f"{os.getpid()}\n{stale.parent}\n1700000000\n5432\n\n127.0.0.1\n        0         0\nready   \n"
    )
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert server.alive()


def test_a_refusal_is_one_line(folder: Path) -> None:
    with pytest.raises(ServerError, match=r"PostgreSQL did not start: .*max_connections") as refused:
        EmbeddedServer(folder, settings={"max_connections": "0"}).start()
    assert "\n" not in str(refused.value)
    with EmbeddedServer(folder, settings=SMALL) as server:
        assert server.alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a folder that the server's user cannot reach")
def test_where_the_servers_user_cannot_reach_the_data_lies_elsewhere_and_is_said(folder: Path) -> None:
    folder.parent.chmod(0o700)
    said: list[str] = []
    with EmbeddedServer(folder, settings=SMALL, say=said.append) as server:
        home = server.cluster.parent
        assert home.parent == OUTSIDE
        assert home.exists()
        assert str(home) in said[0]
    shutil.rmtree(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="tests run as an ordinary user already")
def test_it_runs_as_an_ordinary_user(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def work() -> None:
        with EmbeddedServer(folder, settings=SMALL) as server:
            url = ensure_databases(server, ["daycare"])["daycare"]
            assert rows(url.app, "SELECT 1") == [(1,)]
            assert (folder / "postgres").stat().st_uid == nobody.pw_uid

    assert outcome_as(nobody.pw_uid, nobody.pw_gid, work) == 0


def outcome_as(uid: int, gid: int, work: Callable[[], None]) -> int:
    """A fork and not a new Python: root's interpreter may lie where the user cannot reach it."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
