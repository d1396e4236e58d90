"""`python -m services migrate NAME`, where an operator made the roles and an empty database, as in Kubernetes."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from services.setting_up import migrate
from shared.database.server import DatabaseServer, drop_database
from shared.ids import new_id
from shared.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture
def made(postgres_server: DatabaseServer) -> Iterator[str]:
    """The name of a bare database that its owner has, with the role that will work in it."""
    name = f"linli_made_{new_id().hex[:8]}"
    passwords = postgres_server.passwords([name, f"{name}_owner"])
    with postgres_server.connect() as connection:
        for role, password in passwords.items():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(password)
                )
            )
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(name), sql.Identifier(f"{name}_owner")
            )
        )
    yield name
    drop_database(postgres_server, name.removeprefix("linli_"))


def test_its_owner_migrates_it_and_lets_the_services_role_in_and_nobody_else(
    made: str, postgres_server: DatabaseServer
) -> None:
    owner, stranger = f"{made}_owner", f"{made}_stranger"
    passwords = postgres_server.passwords([made, owner, stranger])
    with postgres_server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(stranger), sql.Literal(passwords[stranger])
            )
        )
    url = {role: postgres_server.url(made, role, passwords[role]) for role in (made, owner, stranger)}
    plain = {role: each.replace("+psycopg", "") for role, each in url.items()}
    try:
        for _ in range(2):  # every version's Job runs it
            migrate("community", Settings(owner_url=url[owner]))
        with psycopg.connect(plain[made]) as app:
            assert app.execute("SELECT count(*) FROM town").fetchone() == (0,)
            app.execute("INSERT INTO town SELECT * FROM town")
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute("CREATE TABLE mine (id int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(plain[stranger])
    finally:
        with postgres_server.connect() as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(stranger)))
