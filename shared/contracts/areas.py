"""The city's grid and calendar, as state: towns, communities, cells; workdays and holidays."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.carers import Place
from shared.contracts.registry import Event, Kind, Topic

AREAS = Topic("linli.areas", Kind.STATE)
CALENDAR = Topic("linli.calendar", Kind.STATE, partitions=1)


class AreaChanged(Event):
    """A town, community or cell; `parent_id` is the town of a community, the community of a cell."""

    TYPE: ClassVar[str] = "linli.community.area_changed.v1"
    TOPIC: ClassVar[Topic] = AREAS
    KEY: ClassVar[str] = "area_id"
    VERSION: ClassVar[str | None] = "area_version"

    area_id: UUID
    area_version: int
    level: Literal["town", "community", "cell"]
    parent_id: UUID | None
    name: str
    centre: Place


class CalendarDay(Event):
    """A day that differs from its weekday: a public holiday, or a weekend worked in exchange (调休)."""

    TYPE: ClassVar[str] = "linli.community.calendar_day.v1"
    TOPIC: ClassVar[Topic] = CALENDAR
    KEY: ClassVar[str] = "day"
    VERSION: ClassVar[str | None] = "day_version"

    day: date
    day_version: int
    workday: bool
    name: str
