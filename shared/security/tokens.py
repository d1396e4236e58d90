"""Access tokens: EdDSA (Ed25519) JWTs from identity, checked against its published keys."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Membership

ISSUER = "linli"
ALGORITHMS = ["Ed25519"]
REFETCH_SECONDS = 30

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


class BadToken(Exception):
    """The token is not ours, not valid now, or says nothing we can read."""


class KeysAway(Exception):
    """Identity's keys can't be had at present: nobody's token can be checked."""


class TokenVerifier:
    """Checks tokens against identity's JWKS, fetched when first needed and when an unknown key id turns up."""

    def __init__(self, fetch: FetchKeys) -> None:
        self._fetch = fetch
        self._keys: KeySet | None = None
        self._fetched = 0.0

    async def caller(self, token: str) -> Caller:
        """The caller a token names. BadToken when it does not hold, KeysAway when that can't be told."""
        if self._keys is None:
            await self._refresh()
        try:
            return self._decode(token)
        except ValueError:
            if time.monotonic() - self._fetched < REFETCH_SECONDS:
                raise BadToken from None
            await self._refresh()
        try:
            return self._decode(token)
        except ValueError:
            raise BadToken from None

    async def _refresh(self) -> None:
        try:
            fetched = await self._fetch()
        except Exception as error:
            raise KeysAway(type(error).__name__) from error
        self._keys = KeySet.import_key_set(fetched)  # type: ignore[arg-type]
        self._fetched = time.monotonic()

    def _decode(self, token: str) -> Caller:
        assert self._keys is not None
        try:
            claims = jwt.decode(token, self._keys, algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(iss={"essential": True, "value": ISSUER}, exp={"essential": True}).validate(
                claims
            )
        except JoseError as error:
            if type(error).__name__ in {"ExpiredTokenError", "InvalidClaimError", "MissingClaimError"}:
                raise BadToken from None
            raise ValueError from error
        return caller_of(claims)


def caller_of(claims: dict[str, Any]) -> Caller:
    """The caller that verified claims describe: `sub` account, `person`, `roles` as [role, scope kind, scope id]."""
    return Caller(
        UUID(claims["sub"]),
        UUID(claims["person"]),
        tuple(Membership(Role(r), ScopeKind(k), UUID(i) if i else None) for r, k, i in claims["roles"]),
    )


def claims_of(caller: Caller, issued: int, lifetime: int) -> dict[str, Any]:
    """The claims that say who a caller is, from `issued` (epoch seconds) for `lifetime` seconds."""
    return {
        "iss": ISSUER,
        "sub": str(caller.account_id),
        "person": str(caller.person_id),
        "roles": [
            [m.role.value, m.scope.value, str(m.scope_id) if m.scope_id else None] for m in caller.memberships
        ],
        "iat": issued,
        "exp": issued + lifetime,
    }
