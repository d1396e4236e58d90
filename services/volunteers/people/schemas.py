"""Volunteers, as they cross HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.codes import DayPart, Dialect, Licence, Limit, ServiceKind, Sex, Skill, TravelMode
from shared.web.schemas import Answer, Body, Instant, Line, Name, Phone, Text

Status = Literal["pending", "approved", "suspended", "left"]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
PERSON = "7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"


def example(**fields: Any) -> ConfigDict:
    """A strict body's configuration with its example for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [fields]})


class Place(Body):
    """Where somebody lives, WGS-84. Kept to about 100 m."""

    lon: Longitude
    lat: Latitude


class NewVolunteer(Body):
    """Order 67's person (5), with what a plan needs. Who registers alone waits for approval (8.3)."""

    model_config = example(
        person_id=PERSON,
        name="李春兰",
        sex="female",
        birth_date="1960-05-01",
        phone="13800000000",
        community_id="1b7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        address="天宁社区",
        skills=["companionship", "meal"],
        travel_mode="ebike",
    )

    person_id: UUID
    name: Name
    sex: Sex
    birth_date: date
    id_number: Annotated[str, Field(min_length=18, max_length=18)] | None = None
    phone: Phone
    community_id: UUID
    cell_id: UUID | None = None
    centre_id: UUID | None = None
    address: Line = "未填写"
    place: Place | None = None
    travel_mode: TravelMode = TravelMode.WALK
    dialects: Annotated[list[Dialect], Field(max_length=4)] = []
    limits: Annotated[list[Limit], Field(max_length=2)] = []
    skills: Annotated[list[Skill], Field(max_length=15)] = []
    team_id: UUID | None = None

    @model_validator(mode="after")
    def born(self) -> "NewVolunteer":
        if not date(1900, 1, 1) <= self.birth_date <= date(2100, 1, 1):
            raise ValueError("出生日期不对，请核对。")
        return self


class Team(Answer):
    """A volunteers' team, to be chosen from."""

    team_id: UUID
    name: str
    community_id: UUID


class VolunteerChange(Body):
    """What changes of a volunteer; what is left out stays."""

    model_config = example(phone="13800000001", travel_mode="bus")

    name: Name | None = None
    phone: Phone | None = None
    address: Line | None = None
    place: Place | None = None
    community_id: UUID | None = None
    centre_id: UUID | None = None
    team_id: UUID | None = None
    travel_mode: TravelMode | None = None
    dialects: Annotated[list[Dialect], Field(max_length=4)] | None = None
    limits: Annotated[list[Limit], Field(max_length=2)] | None = None
    refused_kinds: Annotated[list[ServiceKind], Field(max_length=13)] | None = None


class SkillVerified(Body):
    model_config = example(verified=True)

    verified: bool


class Cleared(Body):
    """Until when a clearance, the insurance or a licence holds; None takes it away."""

    model_config = example(valid_until="2027-12-31")

    valid_until: date | None


class Approval(Body):
    model_config = example(approved=True)

    approved: bool
    reason: Text = ""


class SkillHeld(Answer):
    skill: Skill
    verified: bool


class LicenceHeld(Answer):
    code: Licence
    valid_until: date


class VolunteerLine(Answer):
    """A volunteer in a list. `phone` only for those who may call."""

    person_id: UUID
    version: int
    name: str
    phone: str | None
    sex: Sex
    birth_year: int
    status: Status
    community_id: UUID
    centre_id: UUID | None
    team_id: UUID | None
    skills: list[SkillHeld]
    travel_mode: TravelMode
    minutes: int


class WeeklyPart(Body):
    """A part of a weekday, 0 = Monday."""

    weekday: Annotated[int, Field(ge=0, le=6)]
    part: DayPart


class ExceptionAnswer(Answer):
    exception_id: UUID
    from_day: date
    to_day: date
    parts: list[DayPart]
    available: bool


class Volunteer(VolunteerLine):
    """Everything the caller may know of a volunteer."""

    town_id: UUID
    team: str | None
    team_leader_id: UUID | None
    birth_date: date | None
    address: str | None
    placed: bool
    dialects: list[Dialect]
    limits: list[Limit]
    refused_kinds: list[ServiceKind]
    insured_until: date | None
    lone_cleared_until: date | None
    licences: list[LicenceHeld]
    daily_minutes: int
    weekly_minutes: int
    weekly: list[WeeklyPart]
    exceptions: list[ExceptionAnswer]
    duty: list[list[int]]
    registered_at: Instant


class NamesWanted(Body):
    model_config = example(person_ids=[PERSON])

    person_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class NameAnswer(Answer):
    name: str
    phone: str | None
