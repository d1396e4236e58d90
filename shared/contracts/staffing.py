"""Staffing state: who comes to a visit, as the matcher has it. Keyed by visit, versioned by the visit's staffing."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.contracts.codes import Capacity, SlotState, UnmetReason
from shared.contracts.registry import Event, Kind, Payload, Topic

STAFFING = Topic("linli.staffing", Kind.STATE)


class Slot(Payload):
    """One person's place at a visit. Only live slots (offered, accepted, rostered) travel, plus the one just ended."""

    assignment_id: UUID
    slot: int
    carer_id: UUID
    person_id: UUID
    capacity: Capacity
    organisation_id: UUID | None = None
    line_id: UUID | None = None
    units: int = 0  # committed on the line, in hundredths of its unit
    state: SlotState
    start: datetime  # UTC
    end: datetime
    offer_until: datetime | None = None


class Unmet(Payload):
    """Why nobody yet: the first step of the funnel that left nobody, and how many were left after each step."""

    reason: UnmetReason
    funnel: tuple[tuple[str, int], ...] = ()


class StaffingChanged(Event):
    """Who comes to a visit, or why nobody yet; and whom it concerns: they may learn who comes (8.17)."""

    TYPE: ClassVar[str] = "linli.matcher.staffing_changed.v1"
    TOPIC: ClassVar[Topic] = STAFFING
    KEY: ClassVar[str] = "visit_id"
    VERSION: ClassVar[str | None] = "staffing_version"

    visit_id: UUID
    staffing_version: int
    carers: int
    slots: tuple[Slot, ...] = ()
    unmet: Unmet | None = None
    resident_ids: tuple[UUID, ...] = ()
    centre_id: UUID | None = None
    community_id: UUID | None = None
    town_id: UUID | None = None
