"""`make backup` and `make restore`, while Linli is stopped, so that all databases are of one moment.

The keys lie in a second archive: whoever has only the databases' archive reads no personal column in it.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shared.database.server import EmbeddedServer, ServerError, ensure_databases, server_of

FORM = 1
SAFELY = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.4 and newer
KEPT = ("keys", "sample.json")  # beside the databases


def backup(data: Path, file: str) -> None:
    if not (data / "postgres").exists():
        raise ServerError("还没有数据可备份 | there is no data to back up yet: make run first")
    archive = Path(file) if file else Path("backups") / f"linli-{time.strftime('%Y%m%d-%H%M%S')}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with server_of(data) as server, tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        with server.connect() as connection:
            listed = connection.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE 'linli\\_%' ORDER BY 1"
            )
            names = [row[0].removeprefix("linli_") for row in listed]
        for number, name in enumerate(names, 1):
            print(f"备份 | backing up {name} ({number}/{len(names)})", flush=True)
            program(server, "pg_dump", name, "--format=custom", "--file", Path(folder) / f"{name}.dump")
        manifest = {"form": FORM, "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "databases": names}
        (Path(folder) / "manifest.json").write_text(json.dumps(manifest, indent=1))
        pack(archive, sorted(Path(folder).iterdir()))
    keys = keys_of(archive)
    pack(keys, [data / name for name in KEPT if (data / name).exists()])
    print(
        f"已备份到 | written: {archive} ({archive.stat().st_size / 1e6:.1f} MB), {keys} (密钥,分开保管 | keys: keep apart)"
    )


def restore(data: Path, file: str) -> None:
    if not file:
        raise ServerError("请指明备份文件 | say which: make restore FILE=backups/linli-….tar")
    archive = Path(file)
    for needed in (archive, keys_of(archive)):
        if not needed.exists():
            raise ServerError(
                f"找不到 {needed} | {needed} is not there: a restore needs both archives of a backup"
            )
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        unpack(archive, Path(folder))
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
        if manifest["form"] != FORM:
            raise ServerError(
                f"备份格式 {manifest['form']} 太新 | this backup was made by a newer Linli: update first"
            )
        names = manifest["databases"]
        with server_of(data) as server:
            with server.connect() as connection:
                for (database,) in connection.execute(
                    "SELECT datname FROM pg_database WHERE datname LIKE 'linli\\_%'"
                ).fetchall():
                    connection.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
            ensure_databases(server, names)
            for number, name in enumerate(names, 1):
                print(f"恢复 | restoring {name} ({number}/{len(names)})", flush=True)
                dump = Path(folder) / f"{name}.dump"
                program(server, "pg_restore", name, "--exit-on-error", dump)
        for path in (data / name for name in KEPT):
            if path.exists():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        unpack(keys_of(archive), data)
    print("已恢复 | restored; make run starts with it")


def keys_of(archive: Path) -> Path:
    return archive.with_name(f"{archive.stem}.keys.tar")


def pack(archive: Path, files: list[Path]) -> None:
    unfinished = archive.with_name(f".{archive.name}.unfinished")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        with tarfile.open(fileobj=output, mode="w") as tar:
            for file in files:
                tar.add(file, file.name)
        output.flush()
        os.fsync(output.fileno())
    unfinished.rename(archive)


def unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **SAFELY)  # noqa: S202


def program(server: EmbeddedServer, name: str, database: str, *arguments: str | Path) -> None:
    password = server.passwords(["postgres"])["postgres"]
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-d", f"linli_{database}"]
    done = subprocess.run(  # noqa: S603 -- PostgreSQL's own program
        [server.programs / name, *where, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGPASSWORD": password},
    )
    if done.returncode != 0:
        raise ServerError(
            f"{name} 失败 | {name} failed on {database}: {(done.stderr.splitlines() or ['?'])[-1]}"
        )


def main() -> int:
    verb, data, file = sys.argv[1:]
    try:
        {"backup": backup, "restore": restore}[verb](Path(data), file)
    except (ServerError, tarfile.TarError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
