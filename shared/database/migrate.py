"""Migrations: the kernel's and the service's, run by the database's owner role before the service starts.

`python -m services migration SERVICE|kernel "what changed"` writes the next one from the difference between the tables
in code and a database migrated so far.
"""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, text

import shared.database.outbox
import shared.database.vault
import shared.messaging.tables
import shared.security.audit
import shared.web.idempotency  # noqa: F401
from shared.database.base import KernelBase
from shared.database.shape import KERNEL, VERSION_TABLES

_HERE = Path(__file__).parent
_LOCK = 7_001_003


def _config(metadata: MetaData, folder: Path, table: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE / "alembic").replace("%", "%%"))
    config.set_main_option("version_locations", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(metadata=metadata, version_table=table)
    return config


def configurations(metadata: MetaData, folder: Path) -> list[Config]:
    """The kernel's configuration and the service's, in the order in which they run."""
    return [
        _config(KernelBase.metadata, KERNEL, VERSION_TABLES[0]),
        _config(metadata, folder, VERSION_TABLES[1]),
    ]


def upgrade(owner_url: str, metadata: MetaData, folder: Path) -> bool:
    """Bring a database to the newest shape. True when something changed; two at once take turns."""
    engine = create_engine(owner_url)
    changed = False
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        for config in configurations(metadata, folder):
            table = config.attributes["version_table"]
            here = MigrationContext.configure(connection, opts={"version_table": table}).get_current_heads()
            if _heads(config.get_main_option("version_locations") or "") != set(here):
                config.attributes["connection"] = connection
                command.upgrade(config, "heads")
                changed = True
    engine.dispose()
    return changed


@cache
def _heads(folder: str) -> frozenset[str]:
    """The newest versions in a folder of migrations. To find them, Alembic runs every file of it."""
    return frozenset(ScriptDirectory.from_config(_config(KernelBase.metadata, Path(folder), "")).get_heads())


def write(owner_url: str, metadata: MetaData, folder: Path, message: str, *, kernel: bool = False) -> None:
    """Write the next migration of a service (or of the kernel) against a database migrated so far."""
    upgrade(owner_url, metadata, folder)
    engine = create_engine(owner_url)
    config = configurations(metadata, folder)[0 if kernel else 1]
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        number = len(list(Path(config.get_main_option("version_locations") or "").glob("[0-9]*.py"))) + 1
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
    engine.dispose()
