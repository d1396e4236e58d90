"""A database that is full or read-only, a request that is too large: refused, and nothing half-written."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from services.volunteers import handlers
from shared.contracts.areas import AreaChanged
from shared.contracts.carers import Place
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.web.bodies import MAX_BODY
from tests.conftest import NewDatabase
from tests.support import ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
TOWN, COMMUNITY, CENTRE = new_id(), new_id(), new_id()
TABLES = ("volunteer", "skill", "outbox", "audit", "answered_command", "person_key")


@pytest.fixture
def city(new_database: NewDatabase) -> Iterator[tuple[ServiceUnderTest, str]]:
    urls = new_database("volunteers")
    with service_under_test("volunteers", urls) as running:
        for area_id, level, parent in ((TOWN, "town", None), (COMMUNITY, "community", TOWN)):
            event = AreaChanged(
                area_id=area_id,
                area_version=1,
                level="town" if level == "town" else "community",
                parent_id=parent,
                name="天宁社区",
                centre=Place(lon=119.18, lat=32.27),
            )
            with running.database.work() as work:
                handlers.area(work, event)
        yield running, urls.owner


def registers(service: ServiceUnderTest, key: str) -> Any:
    body = {
        "person_id": str(new_id()),
        "name": "李春兰",
        "sex": "female",
        "birth_date": "1960-05-01",
        "phone": "13800000000",
        "community_id": str(COMMUNITY),
        "centre_id": str(CENTRE),
        "place": {"lon": 119.18345, "lat": 32.27123},
        "skills": ["companionship"],
    }
    desk = service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE))
    return desk.post("/volunteers", json=body, headers={"Idempotency-Key": key})


def counts(owner: str) -> dict[str, int]:
    engine = create_engine(owner)
    with engine.connect() as connection:
        found = {t: connection.execute(text(f"SELECT count(*) FROM {t}")).scalar_one() for t in TABLES}
    engine.dispose()
    return found


def as_owner(owner: str, *statements: str) -> None:
    engine = create_engine(owner)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_read_only_database_refuses_commands_with_503(city: tuple[ServiceUnderTest, str]) -> None:
    service, owner = city
    name = service.database.engine.url.database
    as_owner(owner, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    service.database.engine.dispose()
    before = counts(owner)
    refused = registers(service, "while-read-only")
    assert refused.status_code == 503
    assert refused.json()["code"] == "unavailable"
    assert counts(owner) == before
    as_owner(owner, "SET TRANSACTION READ WRITE", f'ALTER DATABASE "{name}" RESET ALL')
    service.database.engine.dispose()
    assert registers(service, "while-read-only").status_code == 201


def test_a_full_database_refuses_commands_with_503(city: tuple[ServiceUnderTest, str]) -> None:
    """The disk is full at the last thing that a command writes, when all else is written already."""
    service, owner = city
    as_owner(
        owner,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    before = counts(owner)
    refused = registers(service, "while-full")
    assert refused.status_code == 503
    assert "space" not in refused.text
    assert counts(owner) == before
    as_owner(owner, "DROP TRIGGER full_disk ON outbox")
    assert registers(service, "while-full").status_code == 201
    after = counts(owner)
    assert after["volunteer"] == before["volunteer"] + 1
    assert after["outbox"] > before["outbox"]


def test_a_request_that_is_too_large_is_refused(city: tuple[ServiceUnderTest, str]) -> None:
    service, owner = city
    before = counts(owner)
    desk = service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE))
    refused = desk.post("/volunteers", content=b'{"name": "' + b"x" * MAX_BODY + b'"}')
    assert refused.status_code == 413
    assert refused.json()["code"] == "http_413"
    assert counts(owner) == before
