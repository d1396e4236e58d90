"""Staff of organisations, as they cross HTTP."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from services.projects.contracts.schemas import ID, Latitude, Longitude, example
from shared.contracts.codes import Dialect, Licence, Limit, Sex, Skill, TravelMode
from shared.web.schemas import Answer, Body, Instant, Name, Phone


class Base(Body):
    """Where a member of staff sets out from, WGS-84. Kept to about 100 m."""

    lon: Longitude
    lat: Latitude


class Hours(Body):
    """Working hours of a weekday, 0 = Monday, in minutes since midnight."""

    weekday: Annotated[int, Field(ge=0, le=6)]
    start: Annotated[int, Field(ge=0, le=1440)]
    end: Annotated[int, Field(ge=0, le=1440)]

    @model_validator(mode="after")
    def in_order(self) -> "Hours":
        if self.end <= self.start:
            raise ValueError("下班时间应晚于上班时间。")
        return self


class NewStaff(Body):
    """A member of an organisation's staff."""

    model_config = example(
        person_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        organisation_id=ID,
        name="周海燕",
        sex="female",
        birth_date="1978-02-03",
        phone="13800000000",
        skills=["care"],
        weekly=[{"weekday": 0, "start": 480, "end": 1020}],
    )

    person_id: UUID
    organisation_id: UUID
    name: Name
    sex: Sex
    birth_date: date
    id_number: Annotated[str, Field(min_length=18, max_length=18)] | None = None
    phone: Phone
    title: Name = "护理员"
    centre_id: UUID | None = None
    community_id: UUID | None = None
    base: Base | None = None
    skills: Annotated[list[Skill], Field(max_length=15)] = []
    dialects: Annotated[list[Dialect], Field(max_length=4)] = []
    limits: Annotated[list[Limit], Field(max_length=2)] = []
    travel_mode: TravelMode = TravelMode.EBIKE
    weekly: Annotated[list[Hours], Field(max_length=21)] = []
    insured_until: date | None = None
    lone_cleared_until: date | None = None
    daily_minutes: Annotated[int, Field(ge=0, le=720)] | None = None
    weekly_minutes: Annotated[int, Field(ge=0, le=3600)] | None = None

    @model_validator(mode="after")
    def born(self) -> "NewStaff":
        if not date(1900, 1, 1) <= self.birth_date <= date(2100, 1, 1):
            raise ValueError("出生日期不对，请核对。")
        return self


class StaffChange(Body):
    """What changes of a member of staff; what is left out stays."""

    model_config = example(phone="13800000001", active=True)

    phone: Phone | None = None
    title: Name | None = None
    active: bool | None = None
    base: Base | None = None
    skills: Annotated[list[Skill], Field(max_length=15)] | None = None
    dialects: Annotated[list[Dialect], Field(max_length=4)] | None = None
    limits: Annotated[list[Limit], Field(max_length=2)] | None = None
    travel_mode: TravelMode | None = None
    weekly: Annotated[list[Hours], Field(max_length=21)] | None = None
    insured_until: date | None = None
    lone_cleared_until: date | None = None
    daily_minutes: Annotated[int, Field(ge=0, le=720)] | None = None
    weekly_minutes: Annotated[int, Field(ge=0, le=3600)] | None = None


class NewLeave(Body):
    """Time at which somebody is not there: leave, or another client's hours (8.16)."""

    model_config = example(
        kind="leave", starts_at="2026-12-01T08:00:00+08:00", ends_at="2026-12-01T18:00:00+08:00"
    )

    kind: Literal["leave", "other_client"] = "leave"
    starts_at: Instant
    ends_at: Instant

    @model_validator(mode="after")
    def in_order(self) -> "NewLeave":
        if self.ends_at <= self.starts_at:
            raise ValueError("结束时间应晚于开始时间。")
        if (self.ends_at - self.starts_at).days > 366:
            raise ValueError("一次最多填写一年。")
        return self


class HeldUntil(Body):
    """A licence's number and last valid day."""

    model_config = example(number="HLY-2024-0001", valid_until="2029-12-31")

    number: Name = "未填写"
    valid_until: date


class LicenceHeld(Answer):
    code: Licence
    number: str
    valid_until: date


class Leave(Answer):
    leave_id: UUID
    kind: str
    starts_at: Instant
    ends_at: Instant


class Staff(Answer):
    """A member of staff as the own organisation and the bureau see them."""

    person_id: UUID
    carer_id: UUID
    organisation_id: UUID
    version: int
    name: str
    phone: str | None
    title: str
    active: bool
    sex: Sex
    birth_year: int
    centre_id: UUID | None
    community_id: UUID | None
    skills: list[Skill]
    dialects: list[Dialect]
    limits: list[Limit]
    travel_mode: TravelMode
    weekly: list[Hours]
    insured_until: date | None
    lone_cleared_until: date | None
    daily_minutes: int
    weekly_minutes: int
    licences: list[LicenceHeld]
    leaves: list[Leave]


class NamesWanted(Body):
    model_config = example(person_ids=["7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"])

    person_ids: Annotated[list[UUID], Field(min_length=1, max_length=500)]


class NameAnswer(Answer):
    name: str
    phone: str | None
