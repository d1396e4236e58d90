"""Carer state: everyone who can be planned, in one capacity. Emitted by volunteers and projects alike."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.codes import Capacity, Dialect, Licence, Limit, ServiceKind, Sex, Skill, TravelMode
from shared.contracts.registry import Event, Kind, Payload, Topic

CARERS = Topic("linli.carers", Kind.STATE)


class Place(Payload):
    """WGS-84 degrees, rounded to about 100 m (three decimals) when it travels."""

    lon: float
    lat: float


class WeeklyWindow(Payload):
    """Free time that repeats: weekday 0 = Monday, minutes since the city's midnight, start < end <= 1440."""

    weekday: int
    start: int
    end: int


class DatedWindow(Payload):
    """An exception on one day: free (`available`) or not, in minutes since the city's midnight."""

    day: date
    start: int
    end: int
    available: bool


class Held(Payload):
    """A licence, insurance or clearance with its last valid day."""

    code: str
    valid_until: date


class CarerChanged(Event):
    """The whole of what a plan may know of a carer. No name, no phone."""

    TYPE: ClassVar[str] = "linli.carers.carer_changed.v1"
    TOPIC: ClassVar[Topic] = CARERS
    KEY: ClassVar[str] = "carer_id"
    VERSION: ClassVar[str | None] = "carer_version"

    carer_id: UUID
    carer_version: int
    person_id: UUID
    capacity: Capacity
    organisation_id: UUID | None = None
    centre_id: UUID | None = None  # where a volunteer is registered
    community_id: UUID | None = None
    active: bool = True
    sex: Sex
    birth_year: int
    skills: frozenset[Skill] = frozenset()
    licences: tuple[Held, ...] = ()  # code: a Licence
    insured_until: date | None = None
    lone_cleared_until: date | None = None  # clearance for lone visits
    dialects: frozenset[Dialect] = frozenset()
    limits: frozenset[Limit] = frozenset()
    travel_mode: TravelMode = TravelMode.WALK
    base: Place | None = None
    weekly: tuple[WeeklyWindow, ...] = ()
    dated: tuple[DatedWindow, ...] = ()
    busy: tuple[tuple[datetime, datetime], ...] = ()  # leave, other clients, stipended duty: UTC
    refused_kinds: frozenset[ServiceKind] = frozenset()
    daily_minutes: int = 240
    weekly_minutes: int = 1200


def licence_until(carer: CarerChanged, licence: Licence) -> date | None:
    """The last day on which a carer's licence holds, if there is one."""
    return max((held.valid_until for held in carer.licences if held.code == licence), default=None)
