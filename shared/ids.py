"""Ids: time-ordered (UUIDv7) for things that are made, name-based (UUIDv5) for things that follow from others."""

from uuid import UUID, uuid5

import uuid_utils.compat

_SPACE = UUID("6f0c7c0e-5d9d-5a0e-9c0b-4d1f2a7b8c11")


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid_utils.compat.uuid7()


def derived_id(*parts: object) -> UUID:
    """The id that follows from its parts, the same at every call: a visit of a series, a carer of a person."""
    return uuid5(_SPACE, "\x1f".join(str(part) for part in parts))


def carer_id(person_id: UUID, organisation_id: UUID | None) -> UUID:
    """One person is one carer for each capacity: as volunteer (no organisation) and per employing organisation."""
    return derived_id("carer", person_id, organisation_id or "volunteer")
