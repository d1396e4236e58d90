"""Sealed bids over a real database: who opens, what is kept of it, and what nobody reads before."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from services.projects.bids.tables import OpenerKeyRow
from shared.contracts.codes import Role
from shared.security.caller import Caller
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def service(new_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_database("projects"), MovableClock(NOW)) as running:
        yield running


def opener(service: ServiceUnderTest) -> tuple[Caller, str]:
    """A bureau member with an opening code."""
    who = caller(Role.BUREAU)
    answer = service.as_(who).post("/opener-key")
    assert answer.status_code == 201, answer.text
    return who, answer.json()["code"]


def kept_answers(service: ServiceUnderTest) -> list[Any]:
    with service.database.work() as work:
        return list(work.session.execute(text("SELECT digest, body FROM answered_command")).all())


def test_an_opening_code_is_said_once_and_kept_nowhere(service: ServiceUnderTest) -> None:
    who = caller(Role.BUREAU)
    assert service.as_(who).get("/opener-key").json()["made_at"] is None
    key = {"Idempotency-Key": "opener-key-1"}
    made = service.as_(who).post("/opener-key", headers=key)
    again = service.as_(who).post("/opener-key", headers=key)
    assert made.json()["code"]
    assert again.status_code == 201
    assert "code" not in again.json(), "a repetition is answered, and does not say the code"
    assert service.as_(who).post("/opener-key").json()["code"] == "opener_key_there"
    assert service.as_(who).get("/opener-key").json()["code"] is None
    assert [
        row["person_id"] for row in service.as_(caller(Role.AUDITOR)).get("/opener-keys").json()["items"]
    ] == [str(who.person_id)]
    renewed = service.as_(who).post("/opener-key/renewal", json={})
    assert renewed.json()["code"] not in {None, made.json()["code"]}
    with service.database.work() as work:
        row = work.session.scalars(select(OpenerKeyRow)).one()
        assert len(row.public_key) == 32
    for code in (made.json()["code"], renewed.json()["code"]):
        assert code not in str(kept_answers(service))
    assert service.as_(caller(Role.BUREAU)).post("/opener-key/renewal", json={}).status_code == 404


def test_a_body_can_not_be_guessed_from_what_is_kept_of_it(service: ServiceUnderTest) -> None:
    import hashlib

    who, body = service.as_(caller(Role.BUREAU)), b'{"code":null}'
    service.as_(caller(Role.BUREAU))
    who.post("/opener-key")
    headers = {"Idempotency-Key": "renewal-1", "Content-Type": "application/json"}
    assert who.post("/opener-key/renewal", content=body, headers=headers).status_code == 200
    assert who.post("/opener-key/renewal", content=b"{}", headers=headers).status_code == 422
    digests = {bytes(row.digest) for row in kept_answers(service)}
    assert len(digests) == 1
    assert digests == {service.database.vault.digest(body)}
    assert not digests & {
        hashlib.new(kind, body).digest() for kind in ("sha256", "sha512", "md5", "sha3_256")
    }
