"""Calls for the matcher's workers: a part of a plan waits for one who is free. Told and heard within the matcher."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.registry import Event, Kind, Topic

PARTS = Topic("linli.plan_parts", Kind.ENTRY, retention_days=1)


class PartAsked(Event):
    """A part of a plan waits to be planned; what it is stands in the matcher's database. Void once the attempt is past."""

    TYPE: ClassVar[str] = "linli.matcher.part_asked.v1"
    TOPIC: ClassVar[Topic] = PARTS
    KEY: ClassVar[str] = "part_id"

    part_id: UUID
    attempt: int
