"""Who looks after a resident, as state: offices by id, nothing about the person."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.registry import Event, Kind, Topic

RESIDENTS = Topic("linli.residents", Kind.STATE)


class ResidentChanged(Event):
    """A resident's community, cell and centre: the offices that may open and mend the resident's account."""

    TYPE: ClassVar[str] = "linli.daycare.resident_changed.v1"
    TOPIC: ClassVar[Topic] = RESIDENTS
    KEY: ClassVar[str] = "person_id"
    VERSION: ClassVar[str | None] = "resident_version"

    person_id: UUID
    resident_version: int
    town_id: UUID
    community_id: UUID
    cell_id: UUID | None = None
    centre_id: UUID | None = None
