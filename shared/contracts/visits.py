"""Visit state, as daycare asks for it, and what became of it."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.carers import Place
from shared.contracts.codes import (
    Capacity,
    Channel,
    Dialect,
    Grade,
    Licence,
    Outcome,
    ServiceKind,
    Sex,
    Skill,
    Urgency,
    VisitStatus,
)
from shared.contracts.registry import Event, Kind, Payload, Topic

VISITS = Topic("linli.visits", Kind.STATE)
ATTENDANCE = Topic("linli.attendance", Kind.ENTRY, retention_days=5 * 366)
ACCEPTANCES = Topic("linli.acceptances", Kind.ENTRY, retention_days=5 * 366)


class DialectWish(Payload):
    dialect: Dialect
    hard: bool = False


class SexWish(Payload):
    sex: Sex
    hard: bool = False


class VisitChanged(Event):
    """The whole of what a plan may know of a visit."""

    TYPE: ClassVar[str] = "linli.daycare.visit_changed.v1"
    TOPIC: ClassVar[Topic] = VISITS
    KEY: ClassVar[str] = "visit_id"
    VERSION: ClassVar[str | None] = "visit_version"

    visit_id: UUID
    visit_version: int
    need_id: UUID
    series: bool = False  # one of a recurring need: may be offered as a series (8.15)
    status: VisitStatus
    resident_ids: tuple[UUID, ...]
    centre_id: UUID | None = None
    town_id: UUID
    community_id: UUID
    kind: ServiceKind
    earliest_start: datetime  # UTC
    latest_start: datetime  # UTC
    minutes: int
    carers: int = 1
    skills: frozenset[Skill] = frozenset()
    licence: Licence | None = None
    dialect_wish: DialectWish | None = None
    sex_wish: SexWish | None = None
    lone_risk: bool = False  # needs lone-visit clearance unless two carers come
    dangerous: bool = False
    lifting: bool = False
    stairs: bool = False
    remote: bool = False
    vital: bool = False
    place: Place | None = None  # None: not placed yet, never planned by guess
    end_place: Place | None = None  # where travel to the next visit starts, if elsewhere
    grade: Grade = Grade.UNKNOWN
    urgency: Urgency = Urgency.ROUTINE
    channels: frozenset[Channel]
    blocked_person_ids: frozenset[UUID] = frozenset()


class AttendanceConfirmed(Event):
    """One revision of a confirmed attendance: the source of an hour or a unit. A correction reverses the last one."""

    TYPE: ClassVar[str] = "linli.daycare.attendance_confirmed.v1"
    TOPIC: ClassVar[Topic] = ATTENDANCE
    KEY: ClassVar[str] = "visit_id"

    visit_id: UUID
    attendance_id: UUID
    revision: int  # 1, 2, …: revision n > 1 reverses n - 1
    person_id: UUID
    carer_id: UUID
    capacity: Capacity
    organisation_id: UUID | None = None
    line_id: UUID | None = None
    kind: ServiceKind
    community_id: UUID
    centre_id: UUID | None = None
    resident_ids: tuple[UUID, ...]
    outcome: Outcome
    started_at: datetime | None
    ended_at: datetime | None
    minutes: int  # of service given; 0 when none was
    responsible_person_id: UUID  # person in charge (Order 67, 7)
    confirmed_by: UUID
    confirmed_at: datetime


class DeliveryAccepted(Event):
    """Resident, family or centre accepted (or refused) what was delivered at a visit."""

    TYPE: ClassVar[str] = "linli.daycare.delivery_accepted.v1"
    TOPIC: ClassVar[Topic] = ACCEPTANCES
    KEY: ClassVar[str] = "visit_id"

    visit_id: UUID
    accepted: bool
    by_role: str
    accepted_at: datetime
