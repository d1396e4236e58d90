"""Claims and payments, as they cross HTTP. Money in fen."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, field_validator

from services.projects.contracts.schemas import example
from shared.contracts.codes import ServiceKind
from shared.web.schemas import Answer, Body, Instant, Name, Text

Said = Annotated[Text, Field(min_length=2)]
ClaimState = Literal["submitted", "checked", "paid", "refused"]


class NewClaim(Body):
    """A claim for everything accepted until the end of a month that was not claimed before."""

    model_config = example(month="2026-11-01")

    month: date

    @field_validator("month")
    @classmethod
    def first_day(cls, value: date) -> date:
        if value.day != 1:
            raise ValueError("请填写月份的第一天。")
        return value


class ClaimRefusal(Body):
    model_config = example(reason="3 号的服务时长与签到不符")

    reason: Said


class Paying(Body):
    """That a claim or a milestone was paid: the bank's reference and the day."""

    model_config = example(reference="20261130-0017", paid_on="2026-11-25")

    reference: Name
    paid_on: date


class Refund(Body):
    """That what was paid too much came back: the bank's reference and the day."""

    reference: Name
    received_on: date


class Closing(Body):
    """That a contract is over and accepted: what came of it, for the public. `refund`: where more was paid than stands."""

    model_config = example(result="服务按合同完成，验收合格")

    result: Said
    refund: Refund | None = None


class Claimable(Answer):
    """What could be claimed for a month now, and what accepted money was claimed or paid before."""

    contract_id: UUID
    month: date
    entries: int
    amount_fen: int
    accepted_fen: int
    paid_fen: int
    price_fen: int


class ClaimEntry(Answer):
    """An entry in a claim; a negative amount takes back what was paid for a delivery that no longer stands."""

    entry_id: UUID
    day: date
    kind: ServiceKind
    units: int
    amount_fen: int


class Claim(Answer):
    """`checked_by_reader`: whether the reader checked it, and so may not pay it too."""

    claim_id: UUID
    version: int
    contract_id: UUID
    organisation_id: UUID
    month: date
    amount_fen: int
    state: ClaimState
    submitted_at: Instant
    checked_at: Instant | None
    checked_by_reader: bool = False
    refused_reason: str | None


class ClaimShown(Claim):
    entries: list[ClaimEntry]


class Payment(Answer):
    payment_id: UUID
    budget_line_id: UUID
    organisation_id: UUID
    contract_id: UUID | None
    grant_id: UUID | None
    claim_id: UUID | None
    milestone_id: UUID | None
    fen: int
    reference: str
    paid_on: date
    at: Instant
