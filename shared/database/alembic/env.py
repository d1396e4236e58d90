"""Alembic's environment, one for all: the kernel's tables and each service's stand in the same database, apart."""

from alembic import context

target = context.config.attributes["metadata"]
connection = context.config.attributes["connection"]
own = set(target.tables)
context.configure(
    connection=connection,
    target_metadata=target,
    version_table=context.config.attributes["version_table"],
    include_name=lambda name, kind, parents: kind != "table" or name in own,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
