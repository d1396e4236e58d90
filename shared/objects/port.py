"""Where bytes lie that are too many for a row: an object store, under names that the service gives."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol


class ObjectsAway(Exception):
    """The store can't be reached, or refuses. What was asked for may be asked for again."""


class ObjectMissing(Exception):
    """There is no object of this name."""


class Objects(Protocol):
    """Objects by name, each written once. Every call ends within seconds or raises ObjectsAway."""

    def put(self, name: str, content: bytes) -> None:
        """Keep an object: wholly, or not at all."""

    def get(self, name: str, most: int) -> bytes:
        """An object's bytes, at most so many. ObjectMissing."""

    def names(self) -> Iterator[tuple[str, datetime]]:
        """Every object's name and when it was written."""

    def remove(self, name: str) -> None:
        """Drop an object, if it is there."""
