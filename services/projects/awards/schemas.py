"""Awards, challenges, signatures and changes of a contract, as they cross HTTP. Money in fen, units in hundredths."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from services.projects.contracts.schemas import ID, MOST_UNITS, example
from shared.web.schemas import Answer, Body, Instant, Line, Name, Text

Said = Annotated[Text, Field(min_length=2)]
ChangeKind = Literal["addition", "reduction", "extension", "suspension", "resumption", "termination"]


class Decision(Body):
    """Who gets a lot. Without `bid_ids`: whoever the ranking says; other bids only with a reason."""

    model_config = example(lot_id=ID)

    lot_id: UUID
    bid_ids: Annotated[list[UUID], Field(min_length=1, max_length=200)] | None = None
    reason: Text = ""


class Reason(Body):
    model_config = example(reason="中标人放弃签订合同")

    reason: Said


class NewChallenge(Body):
    """A bidder's challenge of how a lot came out."""

    model_config = example(organisation_id=ID, lot_id=ID, text="对价格分的计算有异议")

    organisation_id: UUID
    lot_id: UUID
    text: Said
    file_id: UUID | None = None


class ChallengeAnswer(Body):
    """The bureau's answer. Upheld, the lot's awards are void; `excluded` bids can't win it any more."""

    model_config = example(result="rejected", answer="价格分按公告的公式计算，复核无误")

    result: Literal["rejected", "upheld"]
    answer: Said
    excluded: Annotated[list[UUID], Field(max_length=200)] = []


class NewAgreement(Body):
    """The contract of an award, to be signed by both sides. `valid_to`: when other than the lot's days."""

    model_config = example(number="仪民购〔2026〕201号", title="政府购买居家养老服务合同")

    number: Name
    title: Line
    terms: Annotated[Text, Field()] = ""
    performance_bond_percent: Annotated[int, Field(ge=0, le=100)] | None = None


class Signing(Body):
    """A signature under the text with this hash: what the signer has read."""

    model_config = example(sha256="0" * 64)

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Bond(Body):
    """That the performance bond came in, or was given back."""

    model_config = example(what="received", on="2026-11-25")

    what: Literal["received", "returned"]
    on: date


class LineUnits(Body):
    line_id: UUID
    units: Annotated[int, Field(ge=1, le=MOST_UNITS)]


class NewChange(Body):
    """A change of a signed contract. `lines`: units more or fewer; `until`: the new last day of an extension.

    `one_sided`: a suspension or termination that cannot wait for the other side's signature.
    """

    model_config = example(kind="addition", lines=[{"line_id": ID, "units": 2000}], reason="第四季度需求增加")

    kind: ChangeKind
    lines: Annotated[list[LineUnits], Field(max_length=200)] = []
    until: date | None = None
    reason: Said
    one_sided: bool = False

    @model_validator(mode="after")
    def whole(self) -> "NewChange":
        if (self.kind in ("addition", "reduction")) != bool(self.lines):
            raise ValueError("增加或减少服务量要写明项目和数量，其他变更不写。")
        if len({each.line_id for each in self.lines}) != len(self.lines):
            raise ValueError("一个项目只写一次。")
        if (self.kind == "extension") != (self.until is not None):
            raise ValueError("延期要写明新的结束日期，其他变更不写。")
        if self.one_sided and self.kind not in ("suspension", "termination"):
            raise ValueError("只有中止和终止可以单方决定（政府采购法第五十条）。")
        return self


class Award(Answer):
    """An award. `notice_published_at`: since when it is public; challenges until `challenge_until`, signing until `sign_until`.

    `decided_by`: the bureau's member, for bureau and auditor only.
    """

    award_id: UUID
    version: int
    decision_id: UUID
    call_id: UUID
    lot_id: UUID
    bid_id: UUID
    organisation_id: UUID
    organisation: str
    rank: int
    price_fen: int
    state: Literal["decided", "signed", "void"]
    reason: str
    decided_at: Instant
    decided_by: UUID | None
    notice_id: UUID | None
    notice_due: Instant | None
    notice_published_at: Instant | None
    challenge_until: date | None
    sign_until: date | None
    contract_id: UUID | None


class Awards(Answer):
    items: list[Award]


class Challenge(Answer):
    challenge_id: UUID
    version: int
    call_id: UUID
    lot_id: UUID
    organisation_id: UUID
    text: str
    file_id: UUID | None
    filed_at: Instant
    answer_due: date
    overdue: bool
    state: Literal["open", "rejected", "upheld", "withdrawn"]
    answer: str | None
    answered_at: Instant | None


class Challenges(Answer):
    items: list[Challenge]


class Signature(Answer):
    side: Literal["bureau", "organisation"]
    person_id: UUID
    sha256: str
    at: Instant


class Change(Answer):
    change_id: UUID
    number: int
    kind: ChangeKind
    delta_fen: int
    lines: list[LineUnits]
    until: date | None
    reason: str
    at: Instant


class Supplement(Answer):
    """A supplementary agreement: proposed by the bureau, signed, declined or left by the organisation until `answer_by`.

    `ended_by`, `ended_at`: who signed, declined or withdrew it, and when. `change`: the number of the change it brought about.
    """

    supplement_id: UUID
    version: int
    kind: ChangeKind
    lines: list[LineUnits]
    until: date | None
    reason: str
    one_sided: bool
    text: str
    sha256: str
    proposed_by: UUID | None
    proposed_at: Instant
    answer_by: Instant
    state: Literal["proposed", "in_force", "declined", "withdrawn", "lapsed"]
    ended_by: UUID | None
    ended_at: Instant | None
    ended_reason: str | None
    change: int | None


class Agreement(Answer):
    """A contract's text with its hash, who signed it, what changed or is to change since, and its money."""

    contract_id: UUID
    version: int
    state: str
    text: str
    sha256: str
    price_signed_fen: int
    price_fen: int
    paid_fen: int
    bond_fen: int
    bond_received_on: date | None
    bond_returned_on: date | None
    signatures: list[Signature]
    changes: list[Change]
    supplements: list[Supplement]
    closed_at: Instant | None
    result: str | None
