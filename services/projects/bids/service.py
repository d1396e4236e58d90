"""What an organisation does with its bid: draft, hand in, take up again, replace, withdraw; and its receipts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from services.projects.bids import contents, keys, sealing
from services.projects.bids.contents import Asked, LotTerms
from services.projects.bids.schemas import Draft
from services.projects.bids.sealing import CannotOpen, Place
from services.projects.bids.tables import BidRow, SigningKeyRow, SubmissionRow
from services.projects.calls.methods import Method
from services.projects.calls.tables import CallRow, LotLineRow, LotRow
from services.projects.files import rules
from services.projects.files import service as files
from services.projects.files.tables import FileRow
from services.projects.organisations.service import missing
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import expect

EMPTY: dict[str, Any] = {
    "prices": [],
    "asked_fen": None,
    "capacity": "",
    "plan": "",
    "staff": [],
    "files": [],
}


def lot(work: Work, lot_id: UUID) -> LotRow:
    """The lot. 404 when there is none."""
    row = work.session.get(LotRow, lot_id)
    if row is None:
        raise NotFound("lot_unknown", "没有这个标包。")
    return row


def bid(work: Work, bid_id: UUID, *, lock: bool = False) -> BidRow:
    """The bid. 404 when there is none. Locked in the order of an opening: the call (shared) before the bid."""
    if lock:
        of = select(BidRow.call_id).where(BidRow.bid_id == bid_id).scalar_subquery()
        work.session.scalars(select(CallRow).where(CallRow.call_id == of).with_for_update(read=True)).first()
    row = work.session.get(BidRow, bid_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("bid_unknown", "没有这份投标。")
    return row


def lot_terms(work: Work, of: CallRow, lots: Iterable[LotRow]) -> dict[UUID, LotTerms]:
    """What the bids for lots are held to, by lot."""
    known = list(lots)
    lines: dict[UUID, list[Asked]] = {each.lot_id: [] for each in known}
    for line in work.session.scalars(
        select(LotLineRow).where(LotLineRow.lot_id.in_(lines)).order_by(LotLineRow.position)
    ):
        lines[line.lot_id].append(Asked(line.lot_line_id, line.units, line.unit_ceiling_fen))
    venture = of.method == Method.VENTURE
    published = wall_day(of.published_at or work.now)
    most = int(rule_value("venture_grant_most_fen", published)) if venture else contents.MOST_FEN
    return {
        each.lot_id: LotTerms(venture, min(each.ceiling_fen, most), tuple(lines[each.lot_id]))
        for each in known
    }


def begin(work: Work, for_lot: LotRow, organisation_id: UUID) -> tuple[BidRow, bool]:
    """The organisation's bid for a lot, empty when it is new; whether it was there."""
    call = _open_call(work, for_lot.call_id)
    known = work.session.scalars(
        select(BidRow).where(BidRow.lot_id == for_lot.lot_id, BidRow.organisation_id == organisation_id)
    ).first()
    if known is not None:
        return known, True
    row = BidRow(
        bid_id=new_id(),
        call_id=call.call_id,
        lot_id=for_lot.lot_id,
        organisation_id=organisation_id,
        state="draft",
        made_by=work.caller.person_id if work.caller else None,
        made_at=work.now,
    )
    _put(work, row, EMPTY)
    work.session.add(row)
    work.session.flush()
    work.audit("bid.begin", row.bid_id)
    return row, False


def draft(work: Work, row: BidRow) -> dict[str, Any] | None:
    """The draft of a bid, for its own organisation; None when there is none to go on with."""
    return _got(work, row) if row.draft is not None else None


def write(work: Work, row: BidRow, body: Draft) -> None:
    """Put a draft's text and prices (If-Match). Its files stay."""
    expect(work, row.version)
    _open_call(work, row.call_id)
    content = {**body.model_dump(mode="json"), "files": _writable(work, row)["files"]}
    _put(work, row, content)
    work.session.flush()
    work.audit("bid.write", row.bid_id)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A bid's file on its way in: its bytes, the key they were encrypted under, and what came of it."""

    plain: bytes
    key: bytes
    laid: files.Laid


def add_file(work: Work, row: BidRow, name: str, given: SealedFile) -> dict[str, Any]:
    """Add a file to a draft (If-Match): kept encrypted, its key in the draft alone."""
    plain = given.plain
    expect(work, row.version)
    _open_call(work, row.call_id)
    content = _writable(work, row)
    kept_name = rules.clean_name(name)
    media_type = rules.media_type(kept_name, plain)
    rules.check_size(len(plain), wall_day(work.now))
    kept = files.keep(
        work,
        "bid",
        row.bid_id,
        None,
        given.laid,
        organisation_id=row.organisation_id,
        sealed=True,
    )
    entry = {
        "file_id": str(kept.file_id),
        "name": kept_name,
        "media_type": media_type,
        "size": len(plain),
        "sha256": sealing.sha256(plain),
        "key": given.key.hex(),
    }
    _put(work, row, {**content, "files": [*content["files"], entry]})
    work.session.flush()
    work.audit("bid.add_file", row.bid_id, file=str(kept.file_id))
    return entry


def drop_file(work: Work, row: BidRow, file_id: UUID) -> None:
    """Take a file out of a draft (If-Match). What was handed in before keeps it."""
    expect(work, row.version)
    _open_call(work, row.call_id)
    content = _writable(work, row)
    left = [each for each in content["files"] if each["file_id"] != str(file_id)]
    if len(left) == len(content["files"]):
        raise NotFound("file_unknown", "没有这个文件。")
    _put(work, row, {**content, "files": left})
    work.session.flush()
    work.audit("bid.drop_file", row.bid_id, file=str(file_id))


def file_of(work: Work, row: BidRow, content: dict[str, Any], file_id: UUID) -> tuple[dict[str, Any], bytes]:
    """A file of a content in the clear: what is known of it, and its bytes."""
    entry = next((f for f in content.get("files", ()) if f["file_id"] == str(file_id)), None)
    kept = work.session.get(FileRow, file_id)
    if entry is None or kept is None or kept.about_id != row.bid_id:
        raise NotFound("file_unknown", "没有这个文件。")
    return entry, sealing.decrypted(files.content(work, kept), bytes.fromhex(entry["key"]))


def take_up(work: Work, row: BidRow, code: str) -> None:
    """Make the submitted bid a draft again, by its receipt's code. What was handed in stands until it is replaced."""
    _open_call(work, row.call_id)
    if row.kept is None:
        raise Refused("nothing_submitted", "这份投标还没有提交，可以直接修改。")
    try:
        content = sealing.taken_up(row.kept, code, row.bid_id)
    except (CannotOpen, ValueError):
        raise Invalid("wrong_code", "回执上的修改码不对，请核对后重新输入。", field="code") from None
    _put(work, row, {key: content.get(key, empty) for key, empty in EMPTY.items()})
    work.session.flush()
    work.audit("bid.take_up", row.bid_id)


def submit(work: Work, row: BidRow, *, alone: bool) -> tuple[SubmissionRow, str]:
    """Seal the draft and hand it in: the receipt, and the code that alone opens it for changing (If-Match)."""
    expect(work, row.version)
    call = _open_call(work, row.call_id)
    if not alone:
        raise Refused(
            "one_controller", "同一控制人的组织不能投同一标包（政府采购法实施条例第十八条）。", field="alone"
        )
    if row.draft is None:
        raise Refused("nothing_to_submit", "没有要提交的草稿。要修改已提交的投标，请输入回执上的修改码。")
    of = lot(work, row.lot_id)
    terms = lot_terms(work, call, [of])[of.lot_id]
    content = _got(work, row)
    fault = contents.fault(content, terms)
    if fault:
        raise Refused(f"bid_{fault}", contents.REASONS[fault], field="prices")
    for lacking in missing(work, call, row.organisation_id):
        raise Refused(lacking.code, lacking.sentence, **lacking.params)
    content["total_fen"] = contents.total_fen(content, terms)
    assert call.public_key is not None
    sealed = sealing.seal(content, call.public_key, Place(call.call_id, of.lot_id, row.organisation_id))
    code = sealing.new_code()
    handed_in = _record(work, row, "bid", sealing.sha256(sealed), sealed)
    row.kept = sealing.keep(content, code, row.bid_id)
    row.draft = None
    row.state = "submitted"
    row.submission_id = handed_in.submission_id
    work.session.flush()
    work.audit("bid.submit", row.bid_id, number=handed_in.number)
    return handed_in, code


def withdraw(work: Work, row: BidRow) -> SubmissionRow:
    """Withdraw what was handed in, with a receipt (If-Match). It may be handed in anew until the deadline."""
    expect(work, row.version)
    _open_call(work, row.call_id)
    if row.state != "submitted" or row.submission_id is None:
        raise Refused("nothing_submitted_yet", "没有已提交的投标可以撤回。")
    standing = work.session.get_one(SubmissionRow, row.submission_id)
    handed_in = _record(work, row, "withdrawal", standing.sha256, None)
    row.state = "withdrawn"
    row.submission_id = None
    work.session.flush()
    work.audit("bid.withdraw", row.bid_id, number=handed_in.number)
    return handed_in


def submissions(work: Work, row: BidRow) -> list[SubmissionRow]:
    """All that was handed in and withdrawn of a bid, in order."""
    return list(
        work.session.scalars(
            select(SubmissionRow).where(SubmissionRow.bid_id == row.bid_id).order_by(SubmissionRow.number)
        )
    )


def receipt(of: SubmissionRow, row: BidRow) -> sealing.Receipt:
    """The receipt of a submission, whose text is what is signed."""
    return sealing.Receipt(
        of.submission_id,
        of.bid_id,
        of.call_id,
        row.lot_id,
        row.organisation_id,
        of.number,
        of.kind,
        of.sha256,
        of.at,
    )


def found(work: Work, reference: str) -> list[tuple[SubmissionRow, BidRow, bool]]:
    """The submissions that a receipt's number or hash names, each with its bid and whether its signature holds."""
    query = select(SubmissionRow, BidRow, SigningKeyRow.public_key).join(
        BidRow, BidRow.bid_id == SubmissionRow.bid_id
    )
    query = query.join(SigningKeyRow, SigningKeyRow.key_id == SubmissionRow.key_id)
    try:
        query = query.where(SubmissionRow.submission_id == UUID(reference))
    except ValueError:
        query = query.where(SubmissionRow.sha256 == reference.strip().lower())
    return [
        (of, row, sealing.signed(receipt(of, row).text, of.signature, public_key))
        for of, row, public_key in work.session.execute(
            query.order_by(SubmissionRow.at, SubmissionRow.number)
        ).all()
    ]


def _record(work: Work, row: BidRow, kind: str, sha256: str, sealed: bytes | None) -> SubmissionRow:
    """Add a signed submission: the table refuses it after the deadline, and none is ever changed."""
    key = keys.signing_key(work)
    last = work.session.scalar(
        select(func.max(SubmissionRow.number)).where(SubmissionRow.bid_id == row.bid_id)
    )
    handed_in = SubmissionRow(
        submission_id=new_id(),
        bid_id=row.bid_id,
        call_id=row.call_id,
        number=(last or 0) + 1,
        kind=kind,
        sealed=sealed,
        sha256=sha256,
        key_id=key.key_id,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    handed_in.signature = keys.signature(work, key, receipt(handed_in, row).text)
    work.session.add(handed_in)
    work.session.flush()
    return handed_in


def _open_call(work: Work, call_id: UUID) -> CallRow:
    """The call, while bids are taken. Late by the database's clock at the start of this transaction."""
    call = work.session.get_one(CallRow, call_id)
    if call.state != "published" or call.deadline_at is None:
        raise Refused("call_not_open", "这个采购现在不接受投标。")
    if work.now >= call.deadline_at:
        raise Refused("submission_late", "投标截止时间已过，不能再提交、修改或撤回（87 号令第三十三条）。")
    return call


def _purpose(row: BidRow) -> str:
    return f"bid draft {row.bid_id}"


def _put(work: Work, row: BidRow, content: dict[str, Any]) -> None:
    row.draft = work.vault.seal_secret(_purpose(row), sealing.filled(content))


def _got(work: Work, row: BidRow) -> dict[str, Any]:
    assert row.draft is not None
    return sealing.read(work.vault.open_secret(_purpose(row), row.draft))


def _writable(work: Work, row: BidRow) -> dict[str, Any]:
    """The draft that is gone on with: an empty one after a withdrawal or where the code is lost."""
    return _got(work, row) if row.draft is not None else dict(EMPTY)
