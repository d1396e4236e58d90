"""Personal data at rest: one sealed block a person and row, under that person's own key.

AES-256-GCM. Each person's key is wrapped by the installation's key, which stays outside the database and its backups;
dropping the person's key erases every sealed block of theirs, in backups too (PIPL 47).
"""

import hmac
import json
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.database.base import KernelBase, among

_NONCE = 12


class PersonKeyRow(KernelBase):
    """A person's key, wrapped. Left out of backups; without it the person's sealed data can't be read."""

    __tablename__ = "person_key"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)


class Vault:
    """Seals and opens personal data. `installation_key`: 32 bytes."""

    def __init__(self, installation_key: bytes) -> None:
        self._master = AESGCM(installation_key)
        self._hash_key = hmac.digest(installation_key, b"fingerprint", "sha256")
        self._digest_key = hmac.digest(installation_key, b"digest", "sha256")

    def fingerprint(self, text: str) -> bytes:
        """A keyed hash by which equal texts (an ID number, a phone) are found without being readable."""
        return hmac.new(self._hash_key, text.strip().upper().encode(), sha256).digest()

    def digest(self, content: bytes) -> bytes:
        """A keyed hash by which a body is known again; who has only the database can't try out what stood in it."""
        return hmac.digest(self._digest_key, content, "sha256")

    def seal(self, session: Session, person_id: UUID, values: dict[str, Any]) -> bytes:
        """The sealed block of a person's values; makes the person's key if there is none."""
        return self.seal_many(session, [(person_id, values)])[0]

    def seal_many(self, session: Session, items: Sequence[tuple[UUID, dict[str, Any]]]) -> list[bytes]:
        """Sealed blocks of many people's values, in their order, with a constant number of statements."""
        keys = self._made_keys(session, {person for person, _ in items})
        blocks = []
        for person, values in items:
            nonce = os.urandom(_NONCE)
            plain = json.dumps(values, ensure_ascii=False, default=str).encode()
            blocks.append(nonce + keys[person].encrypt(nonce, plain, person.bytes))
        return blocks

    def open(self, session: Session, blocks: Sequence[tuple[UUID, bytes]]) -> list[dict[str, Any]]:
        """The values of sealed blocks, in their order; an erased person's are empty."""
        keys = self._keys(session, {person for person, _ in blocks})
        return [
            json.loads(keys[person].decrypt(block[:_NONCE], block[_NONCE:], person.bytes))
            if person in keys
            else {}
            for person, block in blocks
        ]

    def seal_secret(self, purpose: str, secret: bytes) -> bytes:
        """A secret of the installation itself (a signing key), sealed for one purpose with the installation's key."""
        nonce = os.urandom(_NONCE)
        return nonce + self._master.encrypt(nonce, secret, purpose.encode())

    def open_secret(self, purpose: str, block: bytes) -> bytes:
        """The secret that `seal_secret` sealed for the same purpose."""
        return self._master.decrypt(block[:_NONCE], block[_NONCE:], purpose.encode())

    def erase(self, session: Session, person_id: UUID) -> None:
        """Make all that is sealed for a person unreadable for ever."""
        session.execute(delete(PersonKeyRow).where(PersonKeyRow.person_id == person_id))

    def _made_keys(self, session: Session, people: set[UUID]) -> dict[UUID, AESGCM]:
        keys = self._keys(session, people)
        rows: list[dict[str, Any]] = []
        for person in sorted(people - keys.keys()):
            nonce = os.urandom(_NONCE)
            wrapped = nonce + self._master.encrypt(nonce, AESGCM.generate_key(256), person.bytes)
            rows.append({"person_id": person, "wrapped": wrapped})
        if rows:
            session.execute(insert(PersonKeyRow).on_conflict_do_nothing(), rows)
            keys |= self._keys(session, {row["person_id"] for row in rows})
        return keys

    def _keys(self, session: Session, people: Iterable[UUID]) -> dict[UUID, AESGCM]:
        rows = session.execute(
            select(PersonKeyRow.person_id, PersonKeyRow.wrapped).where(among(PersonKeyRow.person_id, people))
        )
        return {
            person: AESGCM(self._master.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], person.bytes))
            for person, wrapped in rows
        }
