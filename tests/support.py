"""What suites share to speak to a service as a signed-in person: real tokens, real databases, no network."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from services import declarations
from shared.contracts.codes import Role, ScopeKind
from shared.database.migrate import upgrade
from shared.database.server import DatabaseUrls
from shared.database.vault import Vault
from shared.database.work import Database
from shared.ids import new_id
from shared.objects.port import Objects
from shared.security.caller import Caller, Membership
from shared.security.tokens import TokenVerifier, claims_of
from shared.web.app import create_app

KEY = b"k" * 32
_SIGNING = OKPKey.generate_key("Ed25519", {"kid": "test", "use": "sig", "alg": "Ed25519"})


class MovableClock:
    """A clock that a test sets and moves; without `at`, the present."""

    def __init__(self, at: datetime | None = None) -> None:
        self.at = at or datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, by: timedelta) -> None:
        self.at += by


def caller(
    role: Role, scope: ScopeKind = ScopeKind.CITY, scope_id: UUID | None = None, person_id: UUID | None = None
) -> Caller:
    """Somebody with one membership. A PERSON scope without an id is the person's own."""
    person = person_id or new_id()
    if scope is ScopeKind.PERSON and scope_id is None:
        scope_id = person
    return Caller(new_id(), person, (Membership(role, scope, scope_id),))


def token(who: Caller) -> str:
    """An access token, as identity signs them."""
    claims = claims_of(who, int(time.time()), 600)
    return jwt.encode({"alg": "Ed25519", "kid": "test"}, claims, _SIGNING, algorithms=["Ed25519"])


def verifier() -> TokenVerifier:
    """A verifier that trusts the tests' own key."""

    async def keys() -> dict[str, Any]:
        return dict(KeySet([_SIGNING]).as_dict(private=False))

    return TokenVerifier(keys)


@dataclass
class ServiceUnderTest:
    """A service over its own migrated database, with a clock that the test moves."""

    name: str
    database: Database
    client: TestClient
    clock: MovableClock | None

    def as_(self, who: Caller | None) -> "Session":
        """Speak as somebody; None: nobody signed in."""
        return Session(self.client, {"Authorization": f"Bearer {token(who)}"} if who else {})


@dataclass
class Session:
    """One person's requests. `get`, `post`, `put`, `patch`, `delete` take what httpx takes."""

    client: TestClient
    headers: dict[str, str]

    def request(self, method: str, path: str, **kwargs: Any) -> Any:
        headers = {**self.headers, **(kwargs.pop("headers", None) or {})}
        return self.client.request(method, path, headers=headers, **kwargs)

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Any:
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> Any:
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Any:
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Any:
        return self.request("DELETE", path, **kwargs)


@contextmanager
def service_under_test(
    name: str, urls: DatabaseUrls, clock: MovableClock | None = None, objects: Objects | None = None
) -> Iterator[ServiceUnderTest]:
    """The named service, migrated and ready to be asked, until the block ends."""
    declared = declarations.service(name)
    upgrade(urls.owner, declared.metadata, declarations.migrations(name))
    database = Database(urls.app, name, Vault(KEY), clock=clock, objects=objects)
    try:
        with TestClient(create_app(declared, database, verifier()), raise_server_exceptions=False) as client:
            yield ServiceUnderTest(name, database, client, clock)
    finally:
        database.close()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Ask again until it holds: for what travels between services."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.05)
