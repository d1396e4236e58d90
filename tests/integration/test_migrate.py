"""`python -m services migrate NAME`, where an operator made the roles and an empty database, as in Kubernetes."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from psycopg import errors, sql
from sqlalchemy import create_engine, exc, text

from services import declarations
from services.setting_up import migrate
from shared.database.migrate import configurations
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


def test_records_from_before_know_whether_day_care_keeps_them(
    made: str, postgres_server: DatabaseServer
) -> None:
    """Volunteers 0003, over rows that nobody may change: only what has no visit of its own is the record's alone."""
    owner = f"{made}_owner"
    engine = create_engine(postgres_server.url(made, owner, postgres_server.passwords([owner])[owner]))
    configs = configurations(
        declarations.service("volunteers").metadata, declarations.migrations("volunteers")
    )
    kept, earlier = new_id(), new_id()
    with engine.begin() as connection:
        for config, until in zip(configs, ("heads", "0002"), strict=True):
            config.attributes["connection"] = connection
            command.upgrade(config, until)
        for record, visit in ((kept, new_id()), (earlier, earlier)):
            connection.execute(
                text(
                    "INSERT INTO record_entry (entry_id, person_id, attendance_id, visit_id, revision, reversal, "
                    "capacity, kind, outcome, day, minutes, community_id, responsible_id, confirmed_at, recorded_at, "
                    "late) VALUES (:entry, :entry, :record, :visit, 1, false, 'volunteer', 'meal', 'done', "
                    "'2026-01-05', 60, :entry, :entry, now(), now(), false)"
                ),
                {"entry": new_id(), "record": record, "visit": visit},
            )
    with engine.begin() as connection:
        configs[1].attributes["connection"] = connection
        command.upgrade(configs[1], "0003")
        found = connection.execute(text("SELECT attendance_id, earlier FROM record_entry")).all()
    assert {row[0]: row[1] for row in found} == {kept: False, earlier: True}
    with engine.begin() as connection, pytest.raises(exc.IntegrityError, match="never changed"):
        connection.execute(text("UPDATE record_entry SET minutes = 61"))
    engine.dispose()


def test_contract_changes_from_before_agreements_were_kept_are_marked_and_no_later_one_is(
    made: str, postgres_server: DatabaseServer
) -> None:
    """Projects 0010, over rows that nobody may change."""
    owner = f"{made}_owner"
    engine = create_engine(postgres_server.url(made, owner, postgres_server.passwords([owner])[owner]))
    configs = configurations(declarations.service("projects").metadata, declarations.migrations("projects"))
    before, agreed = new_id(), new_id()
    change = text(
        "INSERT INTO contract_change (change_id, contract_id, number, kind, delta_fen, lines, reason, at) "
        "VALUES (:change, :contract, :number, 'suspension', 0, '[]', '停工', now())"
    )
    with engine.begin() as connection:
        for config, until in zip(configs, ("heads", "0009"), strict=True):
            config.attributes["connection"] = connection
            command.upgrade(config, until)
        for table in ("contract_change", "supplement"):
            name = f"fk_{table}_contract_id_contract"
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        contract = new_id()
        for number, each in enumerate((before, agreed), 1):
            connection.execute(change, {"change": each, "contract": contract, "number": number})
        connection.execute(
            text(
                "INSERT INTO supplement (supplement_id, contract_id, kind, lines, reason, one_sided, text, sha256, "
                "proposed_at, answer_by, state, change_id, ended_at, version) VALUES (:contract, :contract, "
                "'suspension', '[]', '停工', true, '', '', now(), now(), 'in_force', :change, now(), 1)"
            ),
            {"contract": contract, "change": agreed},
        )
    with engine.begin() as connection:
        configs[1].attributes["connection"] = connection
        command.upgrade(configs[1], "0010")
        found = connection.execute(text("SELECT change_id, agreement_kept FROM contract_change")).all()
    assert {row[0]: row[1] for row in found} == {before: False, agreed: True}
    unkept = text(
        "INSERT INTO contract_change SELECT (jsonb_populate_record(c, jsonb_build_object('change_id', CAST(:change AS text), "
        "'number', 3))).* FROM contract_change c WHERE NOT agreement_kept"
    )
    with engine.begin() as connection, pytest.raises(exc.IntegrityError, match="has its agreement"):
        connection.execute(unkept, {"change": str(new_id())})
    engine.dispose()
