"""How bids are sealed, opened and receipted: pure, so that who checks a package offline runs the same code.

HPKE (RFC 9180) over X25519 for what is sealed to somebody, AES-256-GCM for what one code or key opens, Shamir's sharing
for what two must open together, Ed25519 for receipts. docs/decisions/0011 says against whom.
"""

import hashlib
import json
import os
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from Crypto.Protocol.SecretSharing import Shamir
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
CODE_LENGTH = 25  # of 5 bits each
SEED = 16
BLOCK = 2048  # what is sealed is filled up to it: a length tells no price
NEEDED = 2
_GROUP = 5
_NONCE = 12
_MISREAD = str.maketrans("OIL", "011")
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_RECEIPT = b"linli receipt v1\n"

PrivateKey = X25519PrivateKey


class CannotOpen(Exception):
    """What was sealed does not open with this key, for this call, lot and organisation."""


# --- codes


def new_code() -> str:
    """A code to be shown once: 25 characters in groups of five."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(text[at : at + _GROUP] for at in range(0, CODE_LENGTH, _GROUP))


def read_code(typed: str) -> str:
    """A code as it was meant, however it was typed. ValueError when it can't be one."""
    text = unicodedata.normalize("NFKC", typed).upper().translate(_MISREAD)
    text = "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Pd" and c not in "_.")
    if len(text) != CODE_LENGTH or any(c not in ALPHABET for c in text):
        raise ValueError("not a code")
    return text


def opener_key(code: str, person_id: UUID) -> X25519PrivateKey:
    """The private key that follows from an opener's code (开标码)."""
    return X25519PrivateKey.from_private_bytes(
        _derived(read_code(code).encode(), person_id.bytes, b"linli opener v1")
    )


def call_key(seed: bytes, call_id: UUID) -> X25519PrivateKey:
    """The call's private key, from the seed that its openers share."""
    return X25519PrivateKey.from_private_bytes(_derived(seed, call_id.bytes, b"linli call v1"))


def public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, purpose).derive(secret)


# --- the seed, shared among openers


def new_seed() -> bytes:
    return os.urandom(SEED)


def split(seed: bytes, count: int) -> list[bytes]:
    """A share for each of `count` openers; any two give the seed back, one alone says nothing of it."""
    return [bytes([number]) + share for number, share in Shamir.split(NEEDED, count, seed)]


def combined(shares: Sequence[bytes]) -> bytes:
    """The seed from two shares. CannotOpen when they are not two of one seed's."""
    try:
        return bytes(Shamir.combine([(share[0], share[1:]) for share in shares]))
    except (ValueError, IndexError) as error:
        raise CannotOpen from error


def seal_share(share: bytes, opener: bytes, call_id: UUID, person_id: UUID) -> bytes:
    """A share for one opener's eyes."""
    return _SUITE.encrypt(share, X25519PublicKey.from_public_bytes(opener), _share_info(call_id, person_id))


def open_share(sealed: bytes, key: X25519PrivateKey, call_id: UUID, person_id: UUID) -> bytes:
    return _opened(sealed, key, _share_info(call_id, person_id))


def _share_info(call_id: UUID, person_id: UUID) -> bytes:
    return b"linli share v1" + call_id.bytes + person_id.bytes


# --- bids


@dataclass(frozen=True, slots=True)
class Place:
    """To what a sealed bid is bound: it opens for no other call, lot or organisation."""

    call_id: UUID
    lot_id: UUID
    organisation_id: UUID

    @property
    def info(self) -> bytes:
        return b"linli bid v1" + self.call_id.bytes + self.lot_id.bytes + self.organisation_id.bytes


def seal(content: Mapping[str, Any], public_key: bytes, place: Place) -> bytes:
    """A bid's content, sealed to the call's key."""
    return _SUITE.encrypt(filled(content), X25519PublicKey.from_public_bytes(public_key), place.info)


def opened(sealed: bytes, key: X25519PrivateKey, place: Place) -> dict[str, Any]:
    """A bid's content. CannotOpen when it was sealed for something else, or is damaged."""
    return read(_opened(sealed, key, place.info))


def _opened(sealed: bytes, key: X25519PrivateKey, info: bytes) -> bytes:
    try:
        return _SUITE.decrypt(sealed, key, info)
    except (InvalidTag, ValueError) as error:
        raise CannotOpen from error


def filled(content: Mapping[str, Any]) -> bytes:
    """Content as JSON, filled up with spaces to a whole number of blocks."""
    text = canonical(content)
    return text + b" " * (-len(text) % BLOCK)


def read(plain: bytes) -> dict[str, Any]:
    """The content in an opened block. CannotOpen for what a database could not hold: a bid must not stop the others."""
    try:
        content = json.loads(plain)
        canonical(content)
        sound = isinstance(content, dict) and not _holds_nul(content)
    except (ValueError, RecursionError) as error:
        raise CannotOpen from error
    if not sound:
        raise CannotOpen
    return dict(content)


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_nul, [*value.keys(), *value.values()]))
    return (
        any(map(_holds_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\0" in value
    )


def keep(content: Mapping[str, Any], code: str, bid_id: UUID) -> bytes:
    """A submitted bid's content, for who holds its receipt's code and nobody else."""
    return encrypted(filled(content), _derived(read_code(code).encode(), bid_id.bytes, b"linli kept v1"))


def taken_up(kept: bytes, code: str, bid_id: UUID) -> dict[str, Any]:
    """The content that `keep` sealed. CannotOpen with another code."""
    return read(decrypted(kept, _derived(read_code(code).encode(), bid_id.bytes, b"linli kept v1")))


def new_file_key() -> bytes:
    """The key of one file of a bid; it stands in the bid's content and nowhere else."""
    return AESGCM.generate_key(256)


def encrypted(content: bytes, key: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, None)


def decrypted(block: bytes, key: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(block[:_NONCE], block[_NONCE:], None)
    except (InvalidTag, ValueError) as error:
        raise CannotOpen from error


# --- receipts


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the city says it got, and when: enough to show later that a bid was in time and is unchanged."""

    submission_id: UUID
    bid_id: UUID
    call_id: UUID
    lot_id: UUID
    organisation_id: UUID
    number: int
    kind: str  # bid, withdrawal
    sha256: str  # of the sealed bytes; of those withdrawn
    at: datetime

    @property
    def text(self) -> bytes:
        """The bytes that are signed."""
        return _RECEIPT + canonical(
            {**asdict(self), "at": self.at.astimezone(UTC).isoformat(timespec="microseconds")}
        )


def canonical(value: Any) -> bytes:
    """JSON that is the same wherever it is written: keys in order, no spaces, UTF-8, ids as text."""
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str, allow_nan=False
    )
    return text.encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_id(public_key: bytes) -> str:
    """By what a signing key is named: its own hash, which can be compared by eye."""
    return sha256(public_key)[:32]


def sign(text: bytes, private_key: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private_key).sign(text)


def signed(text: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the signature is this key's under this text."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True
