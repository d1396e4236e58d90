"""The grid, the gazetteer and the calendar, as they cross HTTP. Coordinates are WGS-84 degrees."""

from datetime import date
from typing import Literal
from uuid import UUID

from shared.web.schemas import Answer, Page

Outline = list[tuple[float, float]]


class Town(Answer):
    town_id: UUID
    version: int
    name: str
    kind: str
    lon: float
    lat: float


class Community(Answer):
    """`outline`: a closed ring of [lon, lat]."""

    community_id: UUID
    version: int
    town_id: UUID
    name: str
    urban: bool
    households: int
    phone: str
    lon: float
    lat: float
    outline: Outline


class Cell(Answer):
    """A grid cell; `outline`: a closed ring of [lon, lat]."""

    cell_id: UUID
    version: int
    community_id: UUID
    town_id: UUID
    name: str
    households: int
    lon: float
    lat: float
    outline: Outline


class Building(Answer):
    """An address that is placed."""

    building_id: UUID
    address: str
    lon: float
    lat: float
    floors: int
    lift: bool
    cell_id: UUID
    community_id: UUID
    town_id: UUID


class Area(Answer):
    """A town, community or cell, with those it lies in. A town has no outline."""

    area_id: UUID
    version: int
    level: Literal["town", "community", "cell"]
    parent_id: UUID | None
    name: str
    town_id: UUID
    community_id: UUID | None
    cell_id: UUID | None
    lon: float
    lat: float
    outline: Outline | None


class SpecialDay(Answer):
    """A day that differs from its weekday."""

    day: date
    workday: bool
    name: str


class Calendar(Page[SpecialDay]):
    """Special days of a stretch, and its years whose holidays are not published yet."""

    years_unpublished: list[int]
