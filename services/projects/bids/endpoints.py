"""Bids, their receipts and their opening over HTTP."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy import ColumnElement, and_, or_, select

from services.projects.bids import contents, keys, opening, sealing, service
from services.projects.bids.schemas import (
    Bid,
    BidFile,
    BidShown,
    Code25,
    Draft,
    DraftShown,
    NewBid,
    OpenerKey,
    Opening,
    OpeningStep,
    PublicReceipt,
    Receipt,
    Renewal,
    SigningKey,
    Submission,
)
from services.projects.bids.tables import (
    BidRow,
    OpenerKeyRow,
    OpenerRow,
    OpeningRow,
    SigningKeyRow,
    SubmissionRow,
)
from services.projects.calls import service as calls
from services.projects.calls.tables import CallRow
from services.projects.files import service as files
from services.projects.files.endpoints import ATTACHMENT, Content, FileName, attachment, named
from services.projects.scoring.tables import ScorerRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Forbidden, NotFound
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "bids")
Bureau = Annotated[Caller, may(Role.BUREAU)]
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
OPENED = ("opened", "refused")
Reader = Annotated[Caller, may(Role.BUREAU, Role.AUDITOR, Role.SCORER, Role.DISPATCHER)]


# --- openers and keys


@ROUTER.get("/opener-key")
def read_opener_key(work: Transaction, caller: Bureau) -> OpenerKey:
    """Whether the caller has an opening code (开标码), and since when. The code itself is nowhere."""
    row = work.session.get(OpenerKeyRow, caller.person_id)
    return OpenerKey(person_id=caller.person_id, made_at=row.made_at if row else None)


@ROUTER.post("/opener-key", status_code=201)
def make_opener_key(work: Transaction, caller: Bureau) -> OpenerKey:
    """Make the caller's opening code: this answer alone shows it."""
    row, code = keys.make_opener_key(work, caller.person_id)
    return OpenerKey(person_id=row.person_id, made_at=row.made_at, code=code)


@ROUTER.post("/opener-key/renewal")
def renew_opener_key(body: Renewal, work: Transaction, caller: Bureau) -> OpenerKey:
    """A new opening code for one that was lost or seen. With the old one, calls still to be opened follow."""
    row, code, left = keys.renew_opener_key(work, caller.person_id, body.code)
    return OpenerKey(person_id=row.person_id, made_at=row.made_at, code=code, calls_on_the_old_code=left)


@ROUTER.get("/opener-keys")
def list_opener_keys(
    work: Transaction, caller: Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
) -> Page[OpenerKey]:
    """Who may be named as an opener: those who have an opening code."""
    rows = work.session.scalars(select(OpenerKeyRow).order_by(OpenerKeyRow.made_at, OpenerKeyRow.person_id))
    return Page(items=[OpenerKey(person_id=row.person_id, made_at=row.made_at) for row in rows])


@ROUTER.get("/public/signing-keys")
def list_signing_keys(work: Transaction) -> Page[SigningKey]:
    """The keys by which receipts and packages are checked, for anybody."""
    rows = work.session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.made_at, SigningKeyRow.key_id))
    return Page(
        items=[
            SigningKey(key_id=row.key_id, public_key=row.public_key.hex(), made_at=row.made_at)
            for row in rows
        ]
    )


# --- an organisation's own bid


def _own(work: Work, caller: Caller, bid_id: UUID, *, lock: bool = True) -> BidRow:
    row = service.bid(work, bid_id, lock=lock)
    require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    return row


@ROUTER.post("/lots/{lot_id}/bids", status_code=201)
def begin_bid(lot_id: UUID, body: NewBid, work: Transaction, caller: Dispatcher, response: Response) -> Done:
    """Begin the own organisation's bid for a lot; one that is there already is answered again (200)."""
    require(caller, Reach(organisation_id=body.organisation_id), Role.DISPATCHER)
    row, known = service.begin(work, service.lot(work, lot_id), body.organisation_id)
    if known:
        response.status_code = 200
    return Done(id=row.bid_id, version=row.version)


@ROUTER.put("/bids/{bid_id}/draft")
def write_draft(bid_id: UUID, body: Draft, work: Transaction, caller: Dispatcher) -> Done:
    """Write the draft (If-Match). What was submitted before stands until the draft is submitted."""
    row = _own(work, caller, bid_id)
    service.write(work, row, body)
    return Done(id=row.bid_id, version=row.version)


@ROUTER.post("/bids/{bid_id}/draft")
def take_up(bid_id: UUID, body: Code25, work: Transaction, caller: Dispatcher) -> Done:
    """Make the submitted bid a draft again, by the code on its receipt."""
    row = _own(work, caller, bid_id)
    service.take_up(work, row, body.code)
    return Done(id=row.bid_id, version=row.version)


def _sealed(request: Request, content: Content) -> Iterator[service.SealedFile]:
    key = sealing.new_file_key()
    with files.laid(request.app.state.database.objects, sealing.encrypted(content, key)) as made:
        yield service.SealedFile(content, key, made)


@ROUTER.post("/bids/{bid_id}/files", status_code=201)
def add_file(
    caller: Dispatcher,
    bid_id: UUID,
    given: Annotated[service.SealedFile, Depends(_sealed)],
    file_name: FileName,
    work: Transaction,
) -> Done:
    """Add a file to the draft (If-Match), encrypted under a key that stands in the draft alone."""
    row = _own(work, caller, bid_id)
    service.add_file(work, row, named(file_name), given)
    return Done(id=row.bid_id, version=row.version)


@ROUTER.delete("/bids/{bid_id}/files/{file_id}")
def drop_file(bid_id: UUID, file_id: UUID, work: Transaction, caller: Dispatcher) -> Done:
    """Take a file out of the draft (If-Match)."""
    row = _own(work, caller, bid_id)
    service.drop_file(work, row, file_id)
    return Done(id=row.bid_id, version=row.version)


@ROUTER.post("/bids/{bid_id}/submission", status_code=201)
def submit(bid_id: UUID, body: Submission, work: Transaction, caller: Dispatcher) -> Receipt:
    """Seal the draft and submit it (If-Match): a signed receipt with its hash and time. Late is refused."""
    row = _own(work, caller, bid_id)
    handed_in, code = service.submit(work, row, alone=body.alone)
    return _receipt(row, handed_in, code)


@ROUTER.post("/bids/{bid_id}/withdrawal", status_code=201)
def withdraw(bid_id: UUID, work: Transaction, caller: Dispatcher) -> Receipt:
    """Withdraw what was submitted (If-Match), with a receipt of its own."""
    row = _own(work, caller, bid_id)
    return _receipt(row, service.withdraw(work, row))


@ROUTER.get("/bids/{bid_id}/receipts")
def list_receipts(
    bid_id: UUID,
    work: Transaction,
    caller: Annotated[Caller, may(Role.DISPATCHER, Role.BUREAU, Role.AUDITOR)],
) -> Page[Receipt]:
    """All receipts of a bid: its own organisation's to see, and the bureau's once it is opened."""
    row = _readable(work, caller, bid_id)
    return Page(items=[_receipt(row, each) for each in service.submissions(work, row)])


def _receipt(row: BidRow, of: SubmissionRow, code: str | None = None) -> Receipt:
    signed = service.receipt(of, row)
    return Receipt(
        id=of.submission_id,
        version=row.version,
        bid_id=of.bid_id,
        call_id=of.call_id,
        lot_id=row.lot_id,
        organisation_id=row.organisation_id,
        number=of.number,
        kind=of.kind,
        sha256=of.sha256,
        at=of.at,
        signature=of.signature.hex(),
        key_id=of.key_id,
        receipt_text=signed.text.decode(),
        stands=row.submission_id == of.submission_id,
        code=code,
    )


@ROUTER.get("/public/receipts/{reference}")
def check_receipt(reference: str, work: Transaction) -> Page[PublicReceipt]:
    """Check a receipt by its number or its hash, for anybody. Whose it is stays unsaid until the opening."""
    found = service.found(work, reference)
    if not found:
        raise NotFound("receipt_unknown", "没有这张回执。")
    opened = work.session.get_one(CallRow, found[0][0].call_id).opened_at is not None
    return Page(
        items=[
            PublicReceipt(
                submission_id=of.submission_id,
                call_id=of.call_id,
                lot_id=row.lot_id,
                kind=of.kind,
                sha256=of.sha256,
                at=of.at,
                signature=of.signature.hex(),
                key_id=of.key_id,
                stands=row.submission_id == of.submission_id,
                valid=valid,
                organisation_id=row.organisation_id if opened else None,
            )
            for of, row, valid in found
        ]
    )


# --- who reads bids


def _visible(caller: Caller) -> ColumnElement[bool]:
    """Its own organisation's always; the bureau's, the auditor's and the call's scorers' once it is opened."""
    parts: list[ColumnElement[bool]] = [
        BidRow.organisation_id.in_(caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER))
    ]
    opened = BidRow.state.in_(OPENED)
    if caller.has(Role.BUREAU, Role.AUDITOR):
        parts.append(opened)
    if caller.has(Role.SCORER):
        named = select(ScorerRow.call_id).where(
            ScorerRow.person_id == caller.person_id,
            ScorerRow.declared == "none",
            ScorerRow.left_at.is_(None),
        )
        parts.append(and_(opened, BidRow.call_id.in_(named)))
    return or_(*parts)


def _readable(work: Work, caller: Caller, bid_id: UUID) -> BidRow:
    row = work.session.scalars(select(BidRow).where(BidRow.bid_id == bid_id, _visible(caller))).first()
    if row is None:
        raise NotFound("bid_unknown", "没有这份投标。")
    return row


@ROUTER.get("/bids")
def list_bids(
    work: Transaction,
    caller: Reader,
    call_id: UUID | None = None,
    organisation_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Bid]:
    """Bids: the own organisation's, and for others those that are opened. Who has bid is nobody's to know before."""
    query = select(BidRow).where(_visible(caller)).order_by(BidRow.bid_id).limit(limit + 1)
    if call_id:
        query = query.where(BidRow.call_id == call_id)
    if organisation_id:
        query = query.where(BidRow.organisation_id == organisation_id)
    if cursor:
        query = query.where(BidRow.bid_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    times = _times(work, rows[:limit])
    return Page(
        items=[Bid.model_validate(_shown(row, times)) for row in rows[:limit]],
        next=encode_cursor(rows[limit - 1].bid_id) if len(rows) > limit else None,
    )


@ROUTER.get("/bids/{bid_id}")
def read_bid(bid_id: UUID, work: Transaction, caller: Reader) -> BidShown:
    """A bid: its organisation sees its draft; what was submitted is sealed for everybody until the opening."""
    row = _readable(work, caller, bid_id)
    own = caller.reaches(Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    shown = _shown(row, _times(work, [row]))
    return BidShown.model_validate(
        {
            **shown,
            "draft": _draft(work, row) if own and row.draft is not None else None,
            "content": contents.shown(row.content) if row.content is not None else None,
        }
    )


@ROUTER.get("/bids/{bid_id}/files/{file_id}", response_class=Response, responses=ATTACHMENT)
def read_file(bid_id: UUID, file_id: UUID, work: Transaction, caller: Reader) -> Response:
    """A file of a bid, never shown inline: of the draft for its organisation, of an opened bid for its readers."""
    row = _readable(work, caller, bid_id)
    own = caller.reaches(Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    content = row.content or (service.draft(work, row) if own else None)
    entry, plain = service.file_of(work, row, content or {}, file_id)
    if not own:
        work.audit("bid.read_file", row.bid_id, file=str(file_id))
    return attachment(entry["name"], entry["media_type"], plain)


def _times(work: Work, rows: list[BidRow]) -> dict[UUID, datetime]:
    ids = [row.submission_id for row in rows if row.submission_id]
    found = work.session.execute(
        select(SubmissionRow.submission_id, SubmissionRow.at).where(SubmissionRow.submission_id.in_(ids))
    )
    return {row.submission_id: row.at for row in found}


def _shown(row: BidRow, times: dict[UUID, datetime]) -> dict[str, Any]:
    plain = (
        "bid_id version call_id lot_id organisation_id state submission_id price_fen refused_reason made_at"
    )
    reason = row.refused_reason
    return {
        **{name: getattr(row, name) for name in plain.split()},
        "has_draft": row.draft is not None,
        "submitted_at": times.get(row.submission_id) if row.submission_id else None,
        "refused_sentence": contents.REASONS.get(reason) if reason else None,
    }


def _draft(work: Work, row: BidRow) -> DraftShown:
    content = service.draft(work, row) or {}
    call = calls.call(work, row.call_id)
    terms = service.lot_terms(work, call, [service.lot(work, row.lot_id)])[row.lot_id]
    fault = contents.fault(content, terms)
    complete = fault in (None, "over_ceiling", "over_unit_ceiling")
    return DraftShown(
        **{name: content.get(name, empty) for name, empty in service.EMPTY.items() if name != "files"},
        files=[BidFile.model_validate(each) for each in contents.shown(content)["files"]],
        total_fen=contents.total_fen(content, terms) if complete else None,
        fault=fault,
        fault_sentence=contents.REASONS[fault] if fault else None,
    )


# --- the opening


@ROUTER.get("/calls/{call_id}/opening-step")
def read_opening_step(
    call_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
) -> OpeningStep:
    """Who opens a call, and who has typed the code within the hour."""
    return _step(work, calls.call(work, call_id))


@ROUTER.post("/calls/{call_id}/opening")
def give_code(call_id: UUID, body: Code25, work: Transaction, caller: Bureau) -> OpeningStep:
    """Type the own opening code after the deadline. The second opener's, within the hour, opens the call."""
    call = calls.call(work, call_id, lock=True)
    opening.give(work, call, caller.person_id, body.code)
    return _step(work, call)


def _step(work: Work, call: CallRow) -> OpeningStep:
    rows: list[OpenerRow] = list(opening.openers(work, call.call_id))
    waiting = [row for row in rows if opening.given(work, row)]
    ends = [row.given_at + opening.window(work) for row in waiting if row.given_at]
    return OpeningStep(
        id=call.call_id,
        version=call.version,
        openers=[row.person_id for row in rows],
        given=[row.person_id for row in waiting],
        needed=sealing.NEEDED,
        until=min(ends) if ends else None,
        opened_at=call.opened_at,
    )


@ROUTER.get("/calls/{call_id}/opening")
def read_opening(call_id: UUID, work: Transaction, caller: Reader) -> Opening:
    """The opening record (开标记录): the bureau's, the auditor's, the scorers' and every bidder's to read."""
    row: OpeningRow = opening.opening(work, call_id)
    bidders = {bid["organisation_id"] for lot in row.record["lots"] for bid in lot["bids"]}
    own = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
    scores = caller.has(Role.SCORER) and work.session.get(ScorerRow, (call_id, caller.person_id)) is not None
    if not (caller.has(Role.BUREAU, Role.AUDITOR) or scores or bidders & {str(each) for each in own}):
        raise Forbidden("not_a_bidder", "开标记录只给投标人、评审人员和审计看。")
    return Opening.model_validate(row)
