"""Bids, receipts and openings, as they cross HTTP."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from services.projects.contracts.schemas import ID, example
from shared.web.schemas import Answer, Body, Line, Name, _no_control

Long = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=20_000), BeforeValidator(_no_control)
]
Code = Annotated[str, Field(max_length=60, description="25 characters, however grouped")]
Fen = Annotated[int, Field(ge=1, le=10**12)]
State = Literal["draft", "submitted", "withdrawn", "opened", "refused"]


class OpenerKey(Answer):
    """Whether somebody has an opening code, and since when. `code`: said once, when it is made."""

    SAID_ONCE: ClassVar[frozenset[str]] = frozenset({"code"})

    person_id: UUID
    made_at: datetime | None
    code: str | None = None
    calls_on_the_old_code: int = 0


class Renewal(Body):
    """A new opening code. With the old one, the calls that are still to be opened follow the new one."""

    model_config = example(code="ABCDE-FGHJK-MNPQR-STVWX-YZ012")

    code: Code | None = None


class NewBid(Body):
    model_config = example(organisation_id=ID)

    organisation_id: UUID


class Price(Body):
    lot_line_id: UUID
    unit_price_fen: Annotated[int, Field(ge=1, le=10_000_000)]


class Post(Body):
    """Somebody who would do the work: a person of the own staff, or a post still to be filled."""

    duty: Name
    qualification: Line
    person_id: UUID | None = None


class Draft(Body):
    """What a bid says. Prices by the lot's lines, or the amount asked for in a community venture (公益创投)."""

    model_config = example(
        prices=[{"lot_line_id": ID, "unit_price_fen": 4450}],
        capacity="三年居家养老服务经验，护理员 12 人",
        plan="每周上门两次，由固定的护理员服务",
        staff=[{"duty": "护理员", "qualification": "养老护理员三级"}],
    )

    prices: Annotated[list[Price], Field(max_length=200)] = []
    asked_fen: Fen | None = None
    capacity: Long = ""
    plan: Long = ""
    staff: Annotated[list[Post], Field(max_length=200)] = []


class BidFile(Answer):
    """A file of a bid; its bytes are encrypted, the key is in the bid's content."""

    file_id: UUID
    name: str
    media_type: str
    size: int
    sha256: str


class Code25(Body):
    """A code as it is printed on a receipt or was shown to an opener."""

    model_config = example(code="ABCDE-FGHJK-MNPQR-STVWX-YZ012")

    code: Code


class Submission(Body):
    """Hand the draft in. `alone`: no other organisation under the same controller bids for this lot."""

    model_config = example(alone=True)

    alone: bool


class Receipt(Answer):
    """What the city got and when, signed. `code`: opens the bid for changing it; said once, kept nowhere.

    `receipt_text`: the very text that is signed (Ed25519, key `key_id` of /public/signing-keys), in UTF-8.
    """

    SAID_ONCE: ClassVar[frozenset[str]] = frozenset({"code"})

    id: UUID
    version: int
    bid_id: UUID
    call_id: UUID
    lot_id: UUID
    organisation_id: UUID
    number: int
    kind: Literal["bid", "withdrawal"]
    sha256: str
    at: datetime
    signature: str
    key_id: str
    receipt_text: str
    stands: bool
    code: str | None = None


class PublicReceipt(Answer):
    """What anybody who has a receipt's number or hash may check. Whose it is stays unsaid until the opening."""

    submission_id: UUID
    call_id: UUID
    lot_id: UUID
    kind: Literal["bid", "withdrawal"]
    sha256: str
    at: datetime
    signature: str
    key_id: str
    stands: bool
    valid: bool
    organisation_id: UUID | None


class SigningKey(Answer):
    """An Ed25519 key that signs receipts and packages. `key_id`: the start of its SHA-256."""

    key_id: str
    public_key: str
    made_at: datetime


class DraftShown(Answer):
    """A draft as its organisation sees it. `fault`: what it still lacks, with the sentence that says so."""

    prices: list[dict[str, Any]]
    asked_fen: int | None
    capacity: str
    plan: str
    staff: list[dict[str, Any]]
    files: list[BidFile]
    total_fen: int | None
    fault: str | None
    fault_sentence: str | None


class Bid(Answer):
    """A bid. Before the opening only its organisation sees that there is one, and a submitted one's content nobody."""

    bid_id: UUID
    version: int
    call_id: UUID
    lot_id: UUID
    organisation_id: UUID
    state: State
    has_draft: bool
    submission_id: UUID | None
    submitted_at: datetime | None
    price_fen: int | None
    refused_reason: str | None
    refused_sentence: str | None
    made_at: datetime


class BidShown(Bid):
    """A bid with its draft (its organisation's to see), and from the opening on with its content."""

    draft: DraftShown | None
    content: dict[str, Any] | None


class OpeningStep(Answer):
    """How far an opening is. `given`: who has typed the code; it is done when `opened_at` stands."""

    id: UUID
    version: int
    openers: list[UUID]
    given: list[UUID]
    needed: int
    until: datetime | None
    opened_at: datetime | None


class Opening(Answer):
    """The opening record (开标记录)."""

    call_id: UUID
    at: datetime
    first_by: UUID
    second_by: UUID
    record: dict[str, Any]
