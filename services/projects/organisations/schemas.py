"""Organisations, their papers and controllers, as they cross HTTP."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from stdnum.cn import uscc

from services.projects.contracts.schemas import ID, Latitude, Longitude, example
from services.projects.organisations.tables import Kind, PaperKind
from shared.contracts.codes import Channel
from shared.id_numbers import IdNumber
from shared.web.schemas import Answer, Body, Instant, Line, Name, Phone, Text

# What one may say of itself; of these 公益一类 institutions are refused with the clause.
ApplicantKind = Literal[
    "social_organisation", "firm", "institution", "collective", "committee", "institution_first"
]
State = Literal["applied", "admitted", "refused"]
PaperState = Literal["handed_in", "verified", "refused"]
Rating = Annotated[str, Field(pattern=r"^[1-5]A$")]
Day = Annotated[date, Field(ge=date(1949, 10, 1), le=date(2100, 12, 31))]


def _capitals(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) and len(value) <= 40 else value


def _checked(value: str) -> str:
    if not uscc.is_valid(value):
        raise ValueError("统一社会信用代码的校验位不对，请核对。")
    return value


# GB 32100: 18 characters, the last of them a check on the others.
CreditCode = Annotated[
    str,
    BeforeValidator(_capitals),
    StringConstraints(min_length=18, max_length=18),
    AfterValidator(_checked),
]


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
    state: State


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
    credit_code: CreditCode
    phone: Phone
    address: Line
    lon: Longitude | None = None
    lat: Latitude | None = None
    rating: Rating | None = None
    rating_until: date | None = None

    @model_validator(mode="after")
    def rated(self) -> "NewOrganisation":
        if self.rating_until is not None and self.rating is None:
            raise ValueError("没有等级就没有等级的有效期。")
        return self


class NewController(Body):
    """Somebody who controls an organisation, with the share in percent."""

    model_config = example(name="沈国平", id_number="321081197203071235", share=60)

    name: Name
    id_number: IdNumber
    share: Annotated[int, Field(ge=0, le=100)] = 0


class NewControllers(Body):
    """Who controls an organisation: its legal representative, and whoever holds or decides."""

    model_config = example(controllers=[{"name": "沈国平", "id_number": "321081197203071235", "share": 60}])

    controllers: Annotated[list[NewController], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def whole(self) -> "NewControllers":
        numbers = [each.id_number for each in self.controllers]
        if len(set(numbers)) < len(numbers):
            raise ValueError("同一个人只填一次。")
        if sum(each.share for each in self.controllers) > 100:
            raise ValueError("各人的份额合计不能超过 100%。")
        return self


class NewApplication(NewControllers):
    """What an organisation says of itself when it registers, without signing in."""

    model_config = example(
        name="仪征市康乐为老服务中心",
        kind="social_organisation",
        credit_code="52321081MJ00000018",
        phone="0514-83400000",
        address="真州镇解放东路1号",
        controllers=[{"name": "沈国平", "id_number": "321081197203071235", "share": 60}],
    )

    name: Name
    kind: ApplicantKind
    credit_code: CreditCode
    phone: Phone
    address: Line


class ApplicationState(Answer):
    """What became of a registration."""

    organisation_id: UUID
    version: int
    state: State
    refused_reason: str | None


class Controller(Answer):
    """Somebody who controls an organisation. Of the ID number the first six digits and the last."""

    name: str
    id_number: str
    share: int


class Application(Organisation):
    """A registration as the bureau looks at it. `same_controller`: organisations that one of its controllers has too."""

    made_at: Instant
    refused_reason: str | None
    controllers: list[Controller]
    same_controller: list[UUID]


class Decision(Body):
    """Whether it holds; when not, why not."""

    model_config = example(holds=False, reason="信用代码与登记证书不符")

    holds: bool
    reason: Annotated[Text, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def reasoned(self) -> "Decision":
        if not self.holds and self.reason is None:
            raise ValueError("不通过应写明原因。")
        return self


class NewPaper(Body):
    """A paper with the file that shows it. A rating without its last day holds as long as the rule says."""

    model_config = example(
        kind="rating",
        name="社会组织评估等级证书",
        number="苏社评〔2024〕018号",
        rating="4A",
        issued_on="2024-06-01",
        file_id=ID,
    )

    kind: PaperKind
    name: Name
    number: Name
    rating: Rating | None = None
    issued_on: Day
    valid_until: Day | None = None
    file_id: UUID

    @model_validator(mode="after")
    def whole(self) -> "NewPaper":
        if (self.kind == "rating") != (self.rating is not None):
            raise ValueError("评估等级（1A 至 5A）只填在等级证书上，也必须填。")
        if self.valid_until is not None and self.valid_until < self.issued_on:
            raise ValueError("有效期不能早于发证日期。")
        if self.valid_until is None and self.kind not in {"rating", "registration"}:
            raise ValueError("请填写有效期。")
        return self


class Paper(Answer):
    """A paper as it was handed in and looked at. `lapsed`: its last valid day has gone.

    `file_withdrawn_at`: its file was taken back; `file_own`: the reader handed the file in and may still take it back.
    """

    paper_id: UUID
    version: int
    organisation_id: UUID
    kind: PaperKind
    name: str
    number: str
    rating: str | None
    issued_on: date
    valid_until: date | None
    lapsed: bool
    file_id: UUID | None
    file_withdrawn_at: Instant | None
    file_own: bool
    state: PaperState
    refused_reason: str | None
    handed_in_at: Instant


class MissingNow(Answer):
    """Why not, as a code and a sentence; `paper`: which paper it is about."""

    code: str
    message: str
    paper: PaperKind | None


class Eligibility(Answer):
    """Whether an organisation may bid for a call today, and all that it lacks.

    `controllers_said`: it said who controls it, so that two under one controller can be told.
    """

    organisation_id: UUID
    call_id: UUID
    eligible: bool
    missing: list[MissingNow]
    controllers_said: bool
