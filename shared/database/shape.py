"""Whether a database has the shape that this code knows: asked at every start, so without Alembic and its half second."""

from pathlib import Path

from sqlalchemy import Engine, text

KERNEL = Path(__file__).parent / "migrations"
VERSION_TABLES = ("alembic_version_kernel", "alembic_version")


def behind(engine: Engine, folder: Path) -> bool:
    """Whether the database lacks a migration of the kernel or of the service in `folder`. Any role may ask.

    Migrations stand in one line, each named by its number; a database ahead of this code is not behind it.
    """
    with engine.connect() as connection:
        for table, migrations in zip(VERSION_TABLES, (KERNEL, folder), strict=True):
            if connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is None:
                return True
            here = connection.scalar(text(f"SELECT max(version_num) FROM {table}"))  # noqa: S608 -- our own names
            newest = max(file.name.split("_")[0] for file in migrations.glob("[0-9]*.py"))
            if here is None or here < newest:
                return True
    return False
