"""Residents, as they cross HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from services.daycare.centres.schemas import Latitude, Longitude
from services.daycare.residents.rules import from_gcj02, id_number_fault, items_total
from shared.contracts.codes import Dialect, Grade, Sex
from shared.web.schemas import Answer, Body, Done, Instant, Line, Name, Phone, Text

AbsenceKind = Literal["hospital", "with_family", "moved", "deceased"]
IdNumber = Annotated[str, Field(min_length=18, max_length=18)]


def example(**fields: Any) -> ConfigDict:
    """A strict body's configuration with its example for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [fields]})


class Pin(Body):
    """Where an address lies: from the city's gazetteer (`building_id`) or a pin on the outline map.

    The datum is named; GCJ-02 is converted to WGS-84.
    """

    building_id: UUID | None = None
    lon: Longitude
    lat: Latitude
    datum: Literal["wgs84", "gcj02"] = "wgs84"

    @property
    def wgs84(self) -> tuple[float, float]:
        return from_gcj02(self.lon, self.lat) if self.datum == "gcj02" else (self.lon, self.lat)


class SexWished(Body):
    """A wish for women or men; hard: rather nobody than another."""

    sex: Sex
    hard: bool = False


class DialectWished(Body):
    """A wish for a dialect; hard: rather nobody than another."""

    dialect: Dialect
    hard: bool = False


class Contact(Body):
    """Whom to call in an emergency."""

    name: Name
    relation: Name
    phone: Phone
    person_id: UUID | None = None


class NewResident(Body):
    """A resident as the desk registers one (8.3). `place` None: not placed yet, listed and never planned by guess."""

    model_config = example(
        person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        name="王秀英",
        sex="female",
        birth_date="1946-03-05",
        phone="13800000000",
        community_id="1b7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        address="真州镇 天宁社区 天宁南路3号 2幢 1单元201室",
        floor=2,
        stairs=True,
        lives_alone=True,
        dialect="jianghuai",
        contacts=[{"name": "李梅", "relation": "女儿", "phone": "13900000000"}],
    )

    person_id: UUID
    name: Name
    sex: Sex
    birth_date: date
    id_number: IdNumber | None = None
    phone: Phone | None = None
    community_id: UUID
    cell_id: UUID | None = None
    centre_id: UUID | None = None
    address: Line
    floor: Annotated[int, Field(ge=-2, le=120)] | None = None
    place: Pin | None = None
    lives_alone: bool = False
    lone_risk: bool = False
    stairs: bool = False
    dialect: Dialect = Dialect.MANDARIN
    sex_wish: SexWished | None = None
    dialect_wish: DialectWished | None = None
    contacts: Annotated[list[Contact], Field(max_length=5)] = []
    remarks: Text = ""

    @model_validator(mode="after")
    def coherent(self) -> "NewResident":
        if not date(1900, 1, 1) <= self.birth_date <= date(2100, 1, 1):
            raise ValueError("出生日期不对，请核对。")
        if self.id_number is not None:
            fault = id_number_fault(self.id_number, self.birth_date, self.sex)
            if fault:
                raise ValueError(fault)
        return self


class ResidentChange(Body):
    """What changes of a resident; what is left out stays."""

    model_config = example(phone="13800000001", lives_alone=False)

    name: Name = ""
    phone: Phone | None = None
    community_id: UUID | None = None
    cell_id: UUID | None = None
    centre_id: UUID | None = None
    address: Line = ""
    floor: Annotated[int, Field(ge=-2, le=120)] | None = None
    place: Pin | None = None
    lives_alone: bool = False
    lone_risk: bool = False
    stairs: bool = False
    dialect: Dialect = Dialect.MANDARIN
    sex_wish: SexWished | None = None
    dialect_wish: DialectWished | None = None
    contacts: Annotated[list[Contact], Field(max_length=5)] = []
    remarks: Text = ""

    @model_validator(mode="after")
    def community_named(self) -> "ResidentChange":
        if "community_id" in self.model_fields_set and self.community_id is None:
            raise ValueError("请选择社区。")
        return self


class Registered(Answer):
    """`known`: the person was a resident already, and nothing was changed."""

    id: UUID
    version: int
    known: bool


class Consent(Body):
    """Who agreed to the use of assessment data, in what capacity, how and when (8.4)."""

    by: Name
    as_: Annotated[Literal["self", "family", "guardian"], Field(alias="as")] = "self"
    how: Literal["paper", "spoken", "online"]
    at: Instant


class NewAssessment(Body):
    """The 26 items, or their total; and the consent without which nothing is stored."""

    model_config = example(
        total=52,
        consent={"by": "王秀英", "as": "self", "how": "paper", "at": "2026-11-20T09:00:00+08:00"},
        day="2026-11-20",
    )

    items: dict[Annotated[str, Field(max_length=30)], int] | None = None
    total: Annotated[int, Field(ge=0, le=90)] | None = None
    coma: bool = False
    diagnosed: bool = False
    risk_events: Annotated[int, Field(ge=0, le=100)] = 0
    day: date | None = None
    assessor: Name = "本人登记"
    consent: Consent

    @model_validator(mode="after")
    def one_of_both(self) -> "NewAssessment":
        if (self.items is None) == (self.total is None):
            raise ValueError("请填写 26 项得分，或只填总分。")
        if self.items is not None:
            items_total(self.items)
        return self


class NewAbsence(Body):
    """Days away. `to` None: until further notice."""

    model_config = example(kind="hospital", **{"from": "2026-11-25", "to": "2026-12-02"})

    kind: AbsenceKind
    from_: Annotated[date, Field(alias="from")]
    to: date | None = None

    @model_validator(mode="after")
    def in_order(self) -> "NewAbsence":
        if self.to is not None and self.to < self.from_:
            raise ValueError("结束日期不能早于开始日期。")
        return self


class AbsenceNoted(Done):
    """`suspended`: how many visits stand suspended now."""

    suspended: int


class NewBlock(Body):
    """ "Please not this person again". The reason is for the centre's eyes only."""

    model_config = example(person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e", reason="相处不来")

    person_id: UUID
    reason: Text = ""


class NewFamily(Body):
    model_config = example(person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e")

    person_id: UUID


class Assessment(Answer):
    assessment_id: UUID
    day: date
    standard: str
    grade: Grade
    total: int | None
    consent_by: str
    consent_as: str
    consent_how: str
    consent_at: Instant
    withdrawn_at: Instant | None


class Absence(Answer):
    absence_id: UUID
    kind: AbsenceKind
    first_day: date
    last_day: date | None


class Block(Answer):
    block_id: UUID
    person_id: UUID
    author: str
    reason: str | None
    made_at: Instant


class Pinned(Answer):
    lon: float
    lat: float


class ResidentLine(Answer):
    """A resident in a list. `grade` None: not for this caller. `away`: absent today, and why."""

    person_id: UUID
    version: int
    name: str
    sex: str | None
    birth_date: date | None
    phone: str | None
    address: str | None
    town_id: UUID
    community_id: UUID
    cell_id: UUID | None
    centre_id: UUID | None
    lives_alone: bool
    dialect: Dialect
    placed: bool
    grade: Grade | None
    away: AbsenceKind | None


class Resident(ResidentLine):
    """Everything the caller may know of a resident. Reading it is audited."""

    id_number: str | None
    floor: int | None
    building_id: UUID | None
    place: Pinned | None
    lone_risk: bool
    stairs: bool
    sex_wish: SexWished | None
    dialect_wish: DialectWished | None
    contacts: list[dict[str, Any]]
    remarks: str
    absences: list[Absence]
    assessments: list[Assessment]
    blocks: list[Block]
    family: list[UUID]


class Look(Answer):
    """Who did what with a resident's data (PIPL 45): the portal adds the name."""

    at: Instant
    person_id: UUID | None
    roles: list[str]
    action: str
    subject_id: UUID | None
