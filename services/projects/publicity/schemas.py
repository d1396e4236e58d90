"""What the public reads of awards, contracts, payments, acceptance and the funds."""

from datetime import date
from typing import Any
from uuid import UUID

from services.projects.calls.schemas import Notice, Overdue
from services.projects.funds.schemas import Sums
from shared.web.schemas import Answer, Instant


class PublicAward(Answer):
    """An award as it was published; `void`: what was published since of winners whose award no longer holds."""

    notice: Notice
    void: list[Notice]


class PublicContract(Answer):
    """A contract or grant as it was published, with its published changes and payments."""

    notice: Notice
    changes: list[Notice]
    payments: list[Notice]
    paid_fen: int


class PurposeSums(Answer):
    purpose: str
    allocated_fen: int
    committed_fen: int
    spent_fen: int
    free_fen: int


class PublicLine(Sums):
    name: str
    purpose: str
    town_id: UUID | None


class PublicAppraisal(Answer):
    """How a fund's use was appraised; score in hundredths of a point."""

    score: int
    summary: str
    indicators: list[dict[str, Any]]
    published_at: Instant


class PublicFund(Answer):
    """A fund's use, by purpose and by line, and its appraisal once that is published."""

    fund_id: UUID
    name: str
    year: int
    purposes: list[PurposeSums]
    lines: list[PublicLine]
    appraisal_due: date
    appraisal: PublicAppraisal | None


class OverdueAppraisal(Answer):
    fund_id: UUID
    name: str
    year: int
    due_on: date
    late_days: int


class Due(Answer):
    """What should be public and is not, without what it will say."""

    notices: list[Overdue]
    appraisals: list[OverdueAppraisal]
