"""What `make backup` saves `make restore` brings back: databases, keys, and what the sample was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from shared.database.server import ensure_databases, server_of
from tests.apart import ROOT

pytestmark = pytest.mark.postgres


def tool(verb: str, data: Path, file: Path) -> str:
    command = [sys.executable, str(ROOT / "tools" / "backup.py"), verb, str(data), str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(data: Path, *statements: str) -> list[str]:
    with server_of(data) as server:
        engine = create_engine(ensure_databases(server, ["things"])["things"].owner)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
            found = [row[0] for row in connection.execute(text("SELECT name FROM thing ORDER BY 1"))]
        engine.dispose()
    return found


def test_a_restore_brings_back_what_the_backup_saw(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    data, archive = tmp_path / "data", tmp_path / "saved.tar"
    data.mkdir()
    data.chmod(0o711)
    rows(data, "CREATE TABLE thing (name text)", "INSERT INTO thing VALUES ('王秀英')")
    (data / "keys").mkdir()
    (data / "keys" / "installation.key").write_bytes(b"k" * 32)
    (data / "sample.json").write_text("{}")
    assert "things" in tool("backup", data, archive)
    assert os.stat(archive).st_mode & 0o077 == 0

    rows(data, "DELETE FROM thing", "INSERT INTO thing VALUES ('later')")
    (data / "keys" / "installation.key").write_bytes(b"x" * 32)
    tool("restore", data, archive)
    assert rows(data) == ["王秀英"]
    assert (data / "keys" / "installation.key").read_bytes() == b"k" * 32


def test_reset_refuses_while_the_city_runs(tmp_path: Path) -> None:
    """It looks for the lock where the server of the data folder keeps it. A lock is seen by other processes only."""
    tmp_path.chmod(0o711)
    script = "import sys; sys.path.insert(0, 'tools'); import verbs, pathlib; verbs.DATA = pathlib.Path(sys.argv[1]); verbs.reset()"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with server_of(tmp_path):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert str(os.getpid()) in done.stderr
        assert (tmp_path / "postgres").exists()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not tmp_path.exists()
