"""The registry of events: every fact that crosses a service boundary is a class here, with its topic and kind.

State: complete, the last version wins, a stale one is ignored. Entry: applied once by event id, never stale.
Design: docs/architecture.md, "Events". JSON Schemas and AsyncAPI are generated from this registry.
"""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    STATE = "state"
    ENTRY = "entry"


@dataclass(frozen=True, slots=True)
class Topic:
    """Where events of one kind travel. `partitions` may only change by a new topic; `retention_days` 0 = compacted."""

    name: str
    kind: Kind
    partitions: int = 8
    retention_days: int = 0


class Payload(BaseModel):
    """A frozen part of an event. Readers ignore fields they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Payload):
    """A fact that crosses a service boundary.

    Subclasses declare `TYPE` ("linli.<service>.<fact>.v<n>"), `TOPIC`, and the names of the fields that hold the
    key (what order matters for) and, for state, the version.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[Topic]
    KEY: ClassVar[str]
    VERSION: ClassVar[str | None] = None

    @property
    def key(self) -> str:
        return str(getattr(self, self.KEY))

    @property
    def version(self) -> int:
        return int(getattr(self, self.VERSION)) if self.VERSION else 0

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "TYPE" in cls.__dict__:
            if (cls.TOPIC.kind is Kind.STATE) != (cls.VERSION is not None):
                raise TypeError(f"{cls.__name__}: state events have a version, entries have none")
            if cls.TYPE in _REGISTRY:
                raise TypeError(f"{cls.TYPE} is registered twice")
            _REGISTRY[cls.TYPE] = cls


_REGISTRY: dict[str, type[Event]] = {}


def event_type(name: str) -> type[Event]:
    """The class registered under a type name. KeyError when nobody registered it."""
    return _REGISTRY[name]


def event_types() -> list[type[Event]]:
    """All registered events, by type name."""
    return [_REGISTRY[name] for name in sorted(_REGISTRY)]


@cache
def load_contracts() -> None:
    """Register every event of shared/contracts, whoever has imported what."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"shared.contracts.{module.name}")


def fault_of_type(name: str, topic: str) -> str | None:
    """Why no reader of the topic can be meant by a type. None for a registered one and for other versions of it.

    A version that this code does not know is skipped, not refused: its sender also sends the older one until nobody
    reads that any more.
    """
    load_contracts()
    known = _REGISTRY.get(name)
    if known is not None:
        return None if known.TOPIC.name == topic else f"{name} travels on {known.TOPIC.name}, not on {topic}"
    fact = _fact(name)
    if fact is not None and any(_fact(other) == fact for other in _REGISTRY):
        return None
    return f"unknown type {name[:100]}" if name else "no type"


def _fact(name: str) -> str | None:
    """What a type tells, without its version."""
    found = re.fullmatch(r"(.+)\.v\d+", name)
    return found[1] if found else None
