"""Organisations, as they cross HTTP."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator
from stdnum.cn import uscc

from services.projects.contracts.schemas import Latitude, Longitude, example
from shared.contracts.codes import Channel
from shared.web.schemas import Answer, Body, Line, Name, Phone

Kind = Literal["social_organisation", "centre", "firm", "institution", "collective", "committee"]


class Organisation(Answer):
    organisation_id: UUID
    version: int
    name: str
    kind: Kind
    channel: Channel
    credit_code: str
    phone: str
    address: str
    rating: str | None
    rating_until: date | None
    state: Literal["applied", "admitted", "refused"]


class NewOrganisation(Body):
    """An organisation. Its credit code is checked by its own check digit (GB 32100)."""

    model_config = example(
        name="仪征市康乐为老服务中心",
        kind="social_organisation",
        credit_code="52321081MJ00000018",
        phone="0514-83400000",
        address="真州镇解放东路1号",
        lon=119.18,
        lat=32.27,
    )

    name: Name
    kind: Kind
    channel: Channel = Channel.PUBLIC_PURCHASED
    credit_code: Annotated[str, Field(min_length=18, max_length=18)]
    phone: Phone
    address: Line
    lon: Longitude
    lat: Latitude
    rating: Annotated[str, Field(pattern=r"^[1-5]A$")] | None = None
    rating_until: date | None = None

    @model_validator(mode="after")
    def code(self) -> "NewOrganisation":
        if not uscc.is_valid(self.credit_code):
            raise ValueError("统一社会信用代码的校验位不对，请核对。")
        return self
