"""Passwords, PINs, one-time passwords and session tokens: made here, and kept only as hashes."""

import secrets
from hashlib import sha256

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from shared.database.vault import Vault

# OWASP's second choice: 19 MiB, two passes, so that eight sign-ins at once stay under 200 MiB.
_HASHER = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
_NOBODYS = _HASHER.hash(secrets.token_urlsafe(16))
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_CARD = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def hashed(secret: str) -> str:
    """The argon2id hash of a password."""
    return _HASHER.hash(secret)


def holds(secret: str, hash_: str | None) -> bool:
    """Whether a secret has this hash. Takes as long when there is none, so that nobody learns which names exist."""
    right = _HASHER.verify(secret, hash_ or _NOBODYS)
    return right and hash_ is not None


def peppered(vault: Vault, pin: str) -> str:
    """What is hashed of a PIN: six digits alone could be tried out by whoever has a copy of the table."""
    return vault.fingerprint(f"pin:{pin}").hex()


def one_time_password() -> str:
    """Twelve letters and digits that nobody mistakes for one another, in three groups."""
    return "-".join("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(3))


def card_code() -> str:
    """What a card's QR carries: 130 bits in letters that a person can type."""
    return "".join(secrets.choice(_CARD) for _ in range(26))


def pin() -> str:
    """A card's six digits."""
    return f"{secrets.randbelow(10**6):06d}"


def session_token() -> str:
    """An opaque session token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """How a session token is kept."""
    return sha256(token.encode()).digest()
