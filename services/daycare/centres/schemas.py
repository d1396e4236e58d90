"""The catalogue and centres, as they cross HTTP."""

from datetime import time
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.codes import Channel, ContractUnit, Licence, ServiceKind, Skill
from shared.web.schemas import Answer, Body, Line, Name, Phone

Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class CatalogueService(Answer):
    """What a kind of service needs unless the need says otherwise."""

    kind: ServiceKind
    minutes: int
    skills: list[Skill]
    licence: Licence | None
    channels: list[Channel]
    unit: ContractUnit
    lifting: bool
    dangerous: bool
    remote: bool
    on_holidays: bool
    vital: bool


class Centre(Answer):
    """A day-care centre. `serves`: the communities whose residents it looks after."""

    centre_id: UUID
    version: int
    town_id: UUID
    community_id: UUID
    name: str
    places: int
    phone: str
    address: str
    lon: float
    lat: float
    opens: time
    closes: time
    open_weekdays: list[int]
    serves: list[UUID]
    in_charge_id: UUID | None


class NewCentre(Body):
    """A centre to be opened. `in_charge_id` owns its tasks and stands in its records."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "town_id": "0a7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
                    "community_id": "1b7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
                    "name": "天宁社区日间照料中心",
                    "places": 40,
                    "phone": "0514-80200000",
                    "address": "真州镇 天宁社区 天宁南路3号",
                    "lon": 119.18,
                    "lat": 32.27,
                    "opens": "08:00",
                    "closes": "17:00",
                    "open_weekdays": [0, 1, 2, 3, 4, 5],
                    "serves": ["1b7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"],
                }
            ]
        },
    )

    centre_id: UUID | None = None
    town_id: UUID
    community_id: UUID
    name: Name
    places: Annotated[int, Field(ge=1, le=500)]
    phone: Phone
    address: Line
    lon: Longitude
    lat: Latitude
    opens: time
    closes: time
    open_weekdays: Annotated[list[Annotated[int, Field(ge=0, le=6)]], Field(min_length=1, max_length=7)]
    serves: Annotated[list[UUID], Field(max_length=200)] = []
    in_charge_id: UUID | None = None

    @model_validator(mode="after")
    def hours(self) -> "NewCentre":
        if self.opens >= self.closes:
            raise ValueError("关门时间应晚于开门时间。")
        return self
