"""Call state: what is public of a purchase or a grants round, from the hearing of the public on."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.codes import ServiceKind
from shared.contracts.registry import Event, Kind, Topic

CALLS = Topic("linli.calls", Kind.STATE)


class CallChanged(Event):
    """A call as anyone may know it: never who opens it, who asked, or what was bid."""

    TYPE: ClassVar[str] = "linli.projects.call_changed.v1"
    TOPIC: ClassVar[Topic] = CALLS
    KEY: ClassVar[str] = "call_id"
    VERSION: ClassVar[str | None] = "call_version"

    call_id: UUID
    call_version: int
    number: str | None  # none before publication
    title: str
    method: str
    state: str
    theme: str | None
    beneficiaries: tuple[str, ...]
    town_id: UUID | None
    kinds: frozenset[ServiceKind]
    community_ids: frozenset[UUID]
    ceiling_fen: int
    consulted_until: date | None = None  # last day on which the public is heard
    published_at: datetime | None = None
    deadline_at: datetime | None = None
    opened_at: datetime | None = None
    ended_at: datetime | None = None  # void or terminated
    predecessor_id: UUID | None = None
