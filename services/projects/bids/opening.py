"""The call's key, split among its openers at publication; two of them put it together after the deadline."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import undefer

from services.projects.bids import contents, keys, sealing
from services.projects.bids.contents import LotTerms
from services.projects.bids.sealing import CannotOpen, Place
from services.projects.bids.service import lot_terms
from services.projects.bids.tables import BidRow, OpenerKeyRow, OpenerRow, OpeningRow, SubmissionRow
from services.projects.calls import service as calls
from services.projects.calls.methods import Method, terms
from services.projects.calls.tables import CallRow, LotRow
from services.projects.funds import service as funds
from services.projects.organisations.service import same_controller
from services.projects.organisations.tables import OrganisationRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.rules import rule_value
from shared.web.language import _
from shared.web.problems import Forbidden, Invalid, NotFound, Refused

KEY = "call key"
ALL_VOID = _("全部标包的投标人不足法定家数，废标（政府采购法第三十六条）。")

log = structlog.get_logger()


def prepare(work: Work, call: CallRow, opener_ids: Sequence[UUID]) -> None:
    """Make the call's key and share it among the openers. The key itself is forgotten: only its public half stays."""
    openers = sorted(set(opener_ids))
    least = max(int(rule_value("openers_least", wall_day(work.now))), sealing.NEEDED)
    if len(openers) < least:
        raise Refused("too_few_openers", "至少要有 {least} 位开标人。", field="opener_ids", least=least)
    known = {
        row.person_id: row.public_key
        for row in work.session.scalars(
            select(OpenerKeyRow).where(OpenerKeyRow.person_id.in_(openers)).with_for_update(read=True)
        )
    }
    if known.keys() != set(openers):
        raise Refused("opener_without_key", "每位开标人都要先生成自己的开标码。", field="opener_ids")
    work.session.execute(delete(OpenerRow).where(OpenerRow.call_id == call.call_id))
    seed = sealing.new_seed()
    call.public_key = sealing.public(sealing.call_key(seed, call.call_id))
    work.session.flush()
    work.session.add_all(
        OpenerRow(
            call_id=call.call_id,
            person_id=person,
            public_key=known[person],
            share=sealing.seal_share(share, known[person], call.call_id, person),
        )
        for person, share in zip(openers, sealing.split(seed, len(openers)), strict=True)
    )
    work.session.flush()
    work.audit("call.share_key", call.call_id, openers=[str(person) for person in openers])


def openers(work: Work, call_id: UUID) -> Sequence[OpenerRow]:
    """Who may open a call, in a steady order."""
    return work.session.scalars(
        select(OpenerRow).where(OpenerRow.call_id == call_id).order_by(OpenerRow.person_id)
    ).all()


def window(work: Work) -> timedelta:
    """For how long the first opener's share waits for the second."""
    return timedelta(minutes=int(rule_value("opening_hour_minutes", wall_day(work.now))))


def given(work: Work, row: OpenerRow) -> bool:
    """Whether an opener's share is here and still counts."""
    return row.given_at is not None and work.now - row.given_at < window(work)


def give(work: Work, call: CallRow, person_id: UUID, code: str) -> None:
    """Take an opener's code; with the second one within the hour the call is opened.

    `call` is locked: whoever handed in before the deadline has the share lock first, so that all of it is in.
    """
    if call.state != "published" or call.deadline_at is None:
        raise Refused(
            "already_opened" if call.opened_at else "call_not_open",
            "这次采购已经开标。" if call.opened_at else "这次采购不在等待开标。",
        )
    if work.now < call.deadline_at:
        raise Refused("before_deadline", "还没到投标截止时间，不能开标（87 号令第三十九条）。")
    rows = {row.person_id: row for row in openers(work, call.call_id)}
    mine = rows.get(person_id)
    if mine is None:
        raise Forbidden("not_opener", "您不是这次采购的开标人。")
    key = keys.opener_private(code, person_id)
    if sealing.public(key) != mine.public_key:
        log.warning("opening code refused", call=str(call.call_id), opener=str(person_id))
        raise Invalid("wrong_code", "开标码不对，请核对后重新输入。", field="code")
    share = sealing.open_share(mine.share, key, call.call_id, person_id)
    first = next((row for row in rows.values() if row is not mine and given(work, row)), None)
    if first is None:
        mine.given, mine.given_at = work.vault.seal_secret(_purpose(mine), share), work.now
        work.session.flush()
        work.audit("call.give_code", call.call_id)
        return
    assert first.given is not None
    other = work.vault.open_secret(_purpose(first), first.given)
    private = sealing.call_key(sealing.combined([other, share]), call.call_id)
    if sealing.public(private) != call.public_key:
        raise Refused("shares_differ", "两份开标码合不成这次采购的密钥，请联系系统管理员。")
    record = _open(work, call, private, [(first.person_id, first.given_at), (person_id, work.now)])
    work.session.add(
        OpeningRow(
            call_id=call.call_id,
            at=work.now,
            first_by=first.person_id,
            second_by=person_id,
            private_key=work.vault.seal_secret(f"{KEY} {call.call_id}", private.private_bytes_raw()),
            record=record,
        )
    )
    for row in rows.values():
        row.given = row.given_at = None
    work.session.flush()
    work.audit("call.open", call.call_id, first=str(first.person_id), second=str(person_id))
    _told(work, call, record)


def opening(work: Work, call_id: UUID) -> OpeningRow:
    """The opening record. 404 before there is one."""
    row = work.session.get(OpeningRow, call_id)
    if row is None:
        raise NotFound("not_opened", "还没有开标。")
    return row


def private_key(work: Work, row: OpeningRow) -> bytes:
    """The call's key, for the archive."""
    return work.vault.open_secret(f"{KEY} {row.call_id}", row.private_key)


def _purpose(row: OpenerRow) -> str:
    return f"share {row.call_id} {row.person_id}"


def _open(
    work: Work, call: CallRow, key: sealing.PrivateKey, by: Sequence[tuple[UUID, datetime | None]]
) -> dict[str, Any]:
    """Open every lot; those with fewer bidders than the method asks for stay closed and are void. The record."""
    published = wall_day(call.published_at or work.now)
    least = terms(Method(call.method), published).bidders
    lots = work.session.scalars(
        select(LotRow).where(LotRow.call_id == call.call_id).order_by(LotRow.number)
    ).all()
    terms_of = lot_terms(work, call, lots)
    call.opened_at, call.state = work.now, "opened"
    names = {
        row.organisation_id: row.name
        for row in work.session.execute(
            select(OrganisationRow.organisation_id, OrganisationRow.name)
            .join(BidRow, BidRow.organisation_id == OrganisationRow.organisation_id)
            .where(BidRow.call_id == call.call_id)
        )
    }
    work.session.flush()
    return {
        "deadline_at": call.deadline_at.isoformat() if call.deadline_at else None,
        "public_key": call.public_key.hex() if call.public_key else None,
        "openers": [{"person_id": str(person), "at": at.isoformat() if at else None} for person, at in by],
        "lots": [_open_lot(work, call, lot, terms_of[lot.lot_id], least, key, names) for lot in lots],
    }


def _open_lot(
    work: Work,
    call: CallRow,
    lot: LotRow,
    asked: LotTerms,
    least: int,
    key: sealing.PrivateKey,
    names: dict[UUID, str],
) -> dict[str, Any]:
    found = work.session.scalars(
        select(BidRow).where(BidRow.lot_id == lot.lot_id).order_by(BidRow.bid_id).with_for_update()
    ).all()
    handed_in = {
        row.bid_id: row
        for row in work.session.scalars(
            select(SubmissionRow)
            .where(SubmissionRow.submission_id.in_([bid.submission_id for bid in found]))
            .options(undefer(SubmissionRow.sealed))
        )
    }
    bids = [bid for bid in found if bid.state == "submitted"]
    bids.sort(key=lambda bid: (handed_in[bid.bid_id].at, bid.bid_id))
    unopened = len(bids) < least
    for bid in bids:
        if unopened:
            bid.state, bid.refused_reason = "refused", "too_few"
        else:
            _open_bid(bid, handed_in[bid.bid_id], asked, key)
    for one, other in same_controller(work, [bid.organisation_id for bid in bids if bid.state == "opened"]):
        for bid in bids:
            if bid.organisation_id in (one, other):
                bid.state, bid.refused_reason = "refused", "one_controller"
    standing = sum(bid.state == "opened" for bid in bids)
    if standing < least and lot.state == "open":
        lot.state, lot.void_reason = "void", contents.REASONS["too_few"]
    work.session.flush()
    return {
        "lot_id": str(lot.lot_id),
        "number": lot.number,
        "name": lot.name,
        "least": least,
        "submitted": len(bids),
        "withdrawn": sum(bid.state == "withdrawn" for bid in found),
        "standing": standing,
        "void": lot.state == "void",
        "bids": [_recorded(bid, handed_in[bid.bid_id], names) for bid in bids],
    }


def _open_bid(bid: BidRow, handed_in: SubmissionRow, asked: LotTerms, key: sealing.PrivateKey) -> None:
    """Open one bid. What can't be opened, or breaks a ceiling, is refused with the reason and kept."""
    assert handed_in.sealed is not None
    if sealing.sha256(handed_in.sealed) != handed_in.sha256:
        bid.state, bid.refused_reason = "refused", "changed"
        return
    try:
        content = sealing.opened(handed_in.sealed, key, Place(bid.call_id, bid.lot_id, bid.organisation_id))
    except CannotOpen:
        bid.state, bid.refused_reason = "refused", "cannot_open"
        return
    fault = contents.fault(content, asked)
    bid.content = content
    bid.refused_reason = fault
    bid.state = "refused" if fault else "opened"
    if fault in (None, "over_ceiling", "over_unit_ceiling", "wrong_total"):
        price = contents.total_fen(content, asked)
        bid.price_fen = price if 0 < price <= contents.MOST_FEN else None


def _recorded(bid: BidRow, handed_in: SubmissionRow, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        "bid_id": str(bid.bid_id),
        "organisation_id": str(bid.organisation_id),
        "organisation": names.get(bid.organisation_id),
        "submission_id": str(handed_in.submission_id),
        "number": handed_in.number,
        "at": handed_in.at.isoformat(),
        "sha256": handed_in.sha256,
        "state": bid.state,
        "price_fen": bid.price_fen,
        "refused_reason": bid.refused_reason,
    }


def _told(work: Work, call: CallRow, record: dict[str, Any]) -> None:
    """What follows from the opening: void lots give their money back, a call of void lots alone is void itself."""
    void = [lot for lot in record["lots"] if lot["void"]]
    if len(void) == len(record["lots"]):
        calls.end(work, call, "void", ALL_VOID)
        return
    if void and call.budget_line_id is not None:
        ceilings = {
            str(lot.lot_id): lot.ceiling_fen
            for lot in work.session.scalars(select(LotRow).where(LotRow.call_id == call.call_id))
        }
        back = sum(ceilings[lot["lot_id"]] for lot in void)
        funds.release(work, call.budget_line_id, back, "call", call.call_id, contents.REASONS["too_few"])
    calls.tell(work, call)
