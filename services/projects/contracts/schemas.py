"""Contracts and lines, as they cross HTTP."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.contracts.codes import Channel, ContractUnit, ServiceKind
from shared.web.schemas import Answer, Body, Instant, Line, Name

State = Literal["unsigned", "active", "suspended", "ended"]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
MOST_UNITS = 10**9
ID = "0a7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"


def example(**fields: Any) -> ConfigDict:
    """A strict body's configuration with its example for OpenAPI."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [fields]})


class NewContract(Body):
    """A contract, at most as long as Order 102 allows."""

    model_config = example(
        organisation_id=ID,
        number="仪民购〔2026〕101号",
        title="政府购买居家养老服务",
        fund="社区建设专项资金",
        theme="居家养老",
        beneficiary="为老",
        signed="2026-01-05",
        valid_from="2026-01-10",
        valid_to="2026-12-31",
    )

    organisation_id: UUID
    number: Name
    title: Line
    fund: Name
    theme: Name
    beneficiary: Name
    signed: date
    valid_from: date
    valid_to: date

    @model_validator(mode="after")
    def in_order(self) -> "NewContract":
        if self.valid_to < self.valid_from:
            raise ValueError("结束日期不能早于开始日期。")
        if self.valid_from < self.signed:
            raise ValueError("合同应先签订再生效。")
        return self


class NewLine(Body):
    """A line. `ceiling` and `wasted_trip` in hundredths of a unit."""

    model_config = example(
        name="生活照料",
        kinds=["care"],
        community_ids=[ID],
        unit="hour",
        ceiling=120000,
        unit_price_fen=4500,
    )

    name: Name
    kinds: Annotated[list[ServiceKind], Field(min_length=1, max_length=13)]
    community_ids: Annotated[list[UUID], Field(min_length=1, max_length=600)]
    unit: ContractUnit
    rounding_minutes: Annotated[int, Field(ge=1, le=60)] = 15
    ceiling: Annotated[int, Field(ge=0, le=MOST_UNITS)]
    unit_price_fen: Annotated[int, Field(ge=0, le=10_000_000)]
    wasted_trip: Annotated[int, Field(ge=0, le=100)] = 0


class LineChange(Body):
    """What changes of a line: its ceiling, its communities, or whether it may be drawn at all."""

    model_config = example(ceiling=130000)

    ceiling: Annotated[int, Field(ge=0, le=MOST_UNITS)] | None = None
    community_ids: Annotated[list[UUID], Field(min_length=1, max_length=600)] | None = None
    active: bool | None = None


class Balance(Answer):
    """Hundredths of a unit: ceiling + over = reserved + delivered + accepted + free."""

    ceiling: int
    reserved: int
    delivered: int
    accepted: int
    free: int
    over: int


class ContractLine(Answer):
    """A line with what is drawn on it. `pace`: share of its time gone, and of its units drawn, in thousandths."""

    line_id: UUID
    version: int
    contract_id: UUID
    organisation_id: UUID
    name: str
    kinds: list[ServiceKind]
    community_ids: list[UUID]
    unit: ContractUnit
    rounding_minutes: int
    unit_price_fen: int
    wasted_trip: int
    valid_from: date
    valid_to: date
    channel: Channel
    active: bool
    balance: Balance
    time_gone: int
    drawn: int


class Contract(Answer):
    """A contract. `supplement_until`: until when a proposed change of it waits for the organisation's signature."""

    contract_id: UUID
    version: int
    organisation_id: UUID
    organisation: str
    number: str
    title: str
    fund: str
    theme: str
    beneficiary: str
    signed: date
    valid_from: date
    valid_to: date
    state: State
    supplement_until: Instant | None
    lines: list[ContractLine]
