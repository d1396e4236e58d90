"""What the sample city says: frozen facts, in the words of shared/contracts/codes.py.

People are the same person wherever they appear: `person_id` is the key between the slices.
"""

from dataclasses import dataclass
from datetime import date, time
from typing import Literal
from uuid import UUID

from shared.contracts.codes import (
    Channel,
    ContractUnit,
    DayPart,
    Dialect,
    Grade,
    Licence,
    Limit,
    Role,
    ScopeKind,
    ServiceKind,
    Sex,
    Skill,
    TravelMode,
    Urgency,
)

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """A point in WGS-84 with what people call it."""

    name: str
    address: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Town:
    town_id: UUID
    name: str
    kind: Literal["镇", "园区", "办事处"]
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class Community:
    """`outline` is a closed convex ring [lon, lat]; the communities' outlines tile the city."""

    community_id: UUID
    town_id: UUID
    name: str
    urban: bool
    households: int
    lon: float
    lat: float
    outline: Outline
    phone: str


@dataclass(frozen=True, slots=True)
class Cell:
    cell_id: UUID
    community_id: UUID
    name: str
    households: int
    lon: float
    lat: float
    outline: Outline


@dataclass(frozen=True, slots=True)
class Building:
    building_id: UUID
    community_id: UUID
    cell_id: UUID
    address: str
    lon: float
    lat: float
    floors: int
    lift: bool


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A public holiday, or a weekend day worked in exchange (调休): a day that differs from its weekday."""

    day: date
    workday: bool
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    person_id: UUID
    name: str
    sex: Sex
    birth_date: date
    id_number: str
    phone: str


@dataclass(frozen=True, slots=True)
class Window:
    """Repeats every week: weekday 0 = Monday, minutes since midnight."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class CellWorker:
    """A cell's leader or assistant. Duty is stipended: it blocks availability and is never volunteer hours."""

    person: Person
    cell_id: UUID
    duty: Literal["leader", "assistant"]
    duty_windows: tuple[Window, ...]
    stipend_fen: int


@dataclass(frozen=True, slots=True)
class Official:
    """Someone who works for the bureau, a town or a community, plans or audits."""

    person: Person
    role: Role
    scope_kind: ScopeKind
    scope_id: UUID | None
    title: str


@dataclass(frozen=True, slots=True)
class Centre:
    """A day-care centre and the communities whose residents it looks after."""

    centre_id: UUID
    community_id: UUID
    town_id: UUID
    name: str
    places: int
    phone: str
    address: str
    lon: float
    lat: float
    opens: time
    closes: time
    open_weekdays: tuple[int, ...]
    serves: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class CentreStaff:
    """`visits`: also in `paid_carers`, employed by the public provider."""

    person: Person
    centre_id: UUID
    title: str
    in_charge: bool
    visits: bool


@dataclass(frozen=True, slots=True)
class Organisation:
    """A provider. Who works for it serves in its `channel`."""

    organisation_id: UUID
    name: str
    kind: Literal["social_organisation", "centre", "firm"]
    channel: Channel
    credit_code: str
    phone: str
    address: str
    lon: float
    lat: float
    rating: str | None  # 3A and above preferred (Order 102)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    person: Person
    organisation_id: UUID


@dataclass(frozen=True, slots=True)
class Contract:
    """One year that covers the sample's week. The public centre's and the market's cost the fund nothing."""

    contract_id: UUID
    organisation_id: UUID
    number: str
    title: str
    fund: str
    theme: str
    beneficiary: str
    signed: date
    valid_from: date
    valid_to: date


@dataclass(frozen=True, slots=True)
class ContractLine:
    """`ceiling` and `wasted_trip` in hundredths of a unit. `short`: too few units for the week."""

    line_id: UUID
    contract_id: UUID
    organisation_id: UUID
    channel: Channel
    name: str
    kinds: frozenset[ServiceKind]
    community_ids: frozenset[UUID]
    unit: ContractUnit
    rounding_minutes: int
    ceiling: int
    unit_price_fen: int
    wasted_trip: int
    valid_from: date
    valid_to: date
    short: bool


@dataclass(frozen=True, slots=True)
class PaperVisit:
    """A visit of the week before, by contract staff, that a centre enters from paper and accepts. `start`: minute of the day."""

    resident_id: UUID
    centre_id: UUID
    person_id: UUID
    organisation_id: UUID
    line_id: UUID
    kind: ServiceKind
    day: date
    start: int
    minutes: int


@dataclass(frozen=True, slots=True)
class HeldLicence:
    code: Licence
    number: str
    valid_until: date


@dataclass(frozen=True, slots=True)
class DayWindow:
    """A stretch of one day, minutes since midnight: another client's hours."""

    day: date
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Leave:
    first_day: date
    last_day: date
    reason: str


@dataclass(frozen=True, slots=True)
class PaidCarer:
    person: Person
    organisation_id: UUID
    centre_id: UUID | None  # the public provider's people
    title: str
    skills: frozenset[Skill]
    licences: tuple[HeldLicence, ...]
    insured_until: date | None
    lone_cleared_until: date | None
    dialects: frozenset[Dialect]
    limits: frozenset[Limit]
    travel_mode: TravelMode
    base: Spot
    community_id: UUID
    weekly: tuple[Window, ...]
    leaves: tuple[Leave, ...]
    other_clients: tuple[DayWindow, ...]
    daily_minutes: int
    weekly_minutes: int


@dataclass(frozen=True, slots=True)
class Consent:
    """To assessment data: who agreed, how, when, withdrawn when (8.4)."""

    agreed_by: str
    agreed_as: Literal["self", "family"]
    how: Literal["paper", "spoken", "online"]
    agreed_on: date
    withdrawn_on: date | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """GB/T 42195-2022: 26 items in the standard's order, 90 points at best."""

    assessment_id: UUID
    day: date
    assessor: str
    items: tuple[tuple[str, int], ...]
    score: int
    grade: Grade


@dataclass(frozen=True, slots=True)
class Contact:
    """A relative to call; `person` is set where that relative has an account."""

    name: str
    relation: str
    phone: str
    person: Person | None


@dataclass(frozen=True, slots=True)
class Absence:
    first_day: date
    last_day: date | None
    reason: Literal["hospital", "with_family", "moved", "deceased"]


@dataclass(frozen=True, slots=True)
class Block:
    """ "Please not this person again": author and reason stay with the centre (8.17)."""

    resident_id: UUID
    carer_person_id: UUID
    author: Literal["resident", "family", "centre"]
    reason: str


@dataclass(frozen=True, slots=True)
class Resident:
    """`resident_id` is the person's id. `building_id` is None while nobody has placed the address."""

    person: Person
    community_id: UUID
    cell_id: UUID | None
    building_id: UUID | None
    address: str
    floor: int
    stairs: bool
    centre_id: UUID | None
    living_alone: bool
    dialect: Dialect
    consent: Consent | None
    assessment: Assessment | None
    sex_wish: Sex | None
    sex_wish_hard: bool
    dialect_wish: Dialect | None
    dialect_wish_hard: bool
    contacts: tuple[Contact, ...]
    absences: tuple[Absence, ...]

    @property
    def resident_id(self) -> UUID:
        return self.person.person_id

    @property
    def grade(self) -> Grade:
        return Grade.UNKNOWN if self.assessment is None else self.assessment.grade


@dataclass(frozen=True, slots=True)
class SkillHeld:
    skill: Skill
    verified: bool


@dataclass(frozen=True, slots=True)
class PartException:
    """One part of one day that differs from the week's pattern."""

    day: date
    part: DayPart
    available: bool


@dataclass(frozen=True, slots=True)
class Team:
    team_id: UUID
    name: str
    community_id: UUID
    leader_id: UUID


@dataclass(frozen=True, slots=True)
class Volunteer:
    """`stipended`: weekly grid duty, which blocks these hours and is never recorded as volunteering."""

    person: Person
    community_id: UUID
    cell_id: UUID
    centre_id: UUID
    team_id: UUID | None
    address: str
    lon: float
    lat: float
    registered_on: date
    skills: tuple[SkillHeld, ...]
    licences: tuple[HeldLicence, ...]
    insured_until: date | None
    lone_cleared_until: date | None
    dialects: frozenset[Dialect]
    limits: frozenset[Limit]
    refused_kinds: frozenset[ServiceKind]
    travel_mode: TravelMode
    weekly: tuple[tuple[int, DayPart], ...]
    exceptions: tuple[PartException, ...]
    stipended: tuple[Window, ...]
    daily_minutes: int
    weekly_minutes: int


@dataclass(frozen=True, slots=True)
class EarlierService:
    """A service given in an earlier week (Order 67, 7): what the record is opened with."""

    record_id: UUID
    person_id: UUID
    day: date
    start: time
    minutes: int
    kind: ServiceKind
    content: str
    community_id: UUID
    centre_id: UUID
    responsible_id: UUID


@dataclass(frozen=True, slots=True)
class Need:
    """One need: once on `first_day`, or by `rrule` (RFC 5545) from then on until `last_day`.

    `first_day` is itself an occurrence. `start` is the earliest wall time, `window_minutes` how much later the visit
    may begin. `skills` None: the catalogue's.
    """

    need_id: UUID
    resident_ids: tuple[UUID, ...]
    centre_id: UUID | None
    community_id: UUID
    kind: ServiceKind
    rrule: str | None
    first_day: date
    last_day: date | None
    start: time
    window_minutes: int
    minutes: int
    carers: int
    skills: frozenset[Skill] | None
    sex_wish: Sex | None
    sex_wish_hard: bool
    dialect_wish: Dialect | None
    dialect_wish_hard: bool
    channels: frozenset[Channel]
    urgency: Urgency
    lone_risk: bool
    on_holidays: bool
    place: Literal["home", "centre"]
    end: Spot | None
    social_worker_id: UUID | None
    note: str


@dataclass(frozen=True, slots=True)
class Account:
    """A sample sign-in; all share one password that the loader sets."""

    username: str
    person_id: UUID
    role: Role
    scope_kind: ScopeKind
    scope_id: UUID | None
    display_name: str


@dataclass(frozen=True, slots=True)
class Card:
    """A printed card of a sample person: the QR's code and the PIN (8.5)."""

    person_id: UUID
    role: Role
    code: str
    pin: str


@dataclass(frozen=True, slots=True)
class Story:
    """Who the newcomer meets. The resident has a visit every day; both volunteers are near and fit for it.

    `carer`, `dispatcher`, `care_need` are None in a city without paid carers.
    """

    resident: Resident
    family: Person
    centre: Centre
    centre_staff: Person
    volunteer: Volunteer
    second_volunteer: Volunteer
    volunteer_need: Need
    carer: PaidCarer | None
    dispatcher: Person | None
    care_need: Need | None
    planner: Person
    grid_worker: Person
