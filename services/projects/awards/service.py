"""From a ranking to an award: who gets a lot, what bidders say against it, and how an award comes to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from services.projects.awards import lots as lots_of
from services.projects.awards.schemas import ChallengeAnswer, Decision, NewChallenge
from services.projects.awards.tables import AwardRow, ChallengeRow
from services.projects.bids.tables import BidRow
from services.projects.calls import notices
from services.projects.calls import service as calls
from services.projects.calls.methods import Method
from services.projects.calls.tables import CallRow, LotRow, NoticeRow
from services.projects.calls.workdays import end_of_workday, workdays_after
from services.projects.contracts import service as contracts
from services.projects.contracts.tables import ContractRow
from services.projects.deliveries.service import amount_fen
from services.projects.organisations.tables import OrganisationRow
from services.projects.scoring.tables import RankRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.language import _
from shared.web.problems import Forbidden, Invalid, NotFound, Refused


@dataclass(frozen=True, slots=True)
class Clocks:
    """What follows from the day on which an award became public."""

    challenge_until: date
    sign_until: date


def clocks(work: Work, notice: NoticeRow | None) -> Clocks | None:
    """Both days included. None while the award is not public: then no clock runs."""
    if notice is None or notice.published_at is None:
        return None
    day = wall_day(notice.published_at)
    return Clocks(
        workdays_after(work, day, int(rule_value("challenge_working_days", day))),
        day + timedelta(days=int(rule_value("sign_within_days", day))),
    )


def notice_of(work: Work, decision_id: UUID) -> NoticeRow | None:
    """The notice that tells of a decision."""
    return work.session.scalars(
        select(NoticeRow).where(NoticeRow.kind == "award", NoticeRow.about_id == decision_id)
    ).first()


def award(work: Work, award_id: UUID, *, lock: bool = False) -> AwardRow:
    """The award; locked together with its call, the call first. 404 when there is none."""
    row = work.session.get(AwardRow, award_id)
    if row is None:
        raise NotFound("award_unknown", "没有这项评审结果。")
    if lock:
        calls.call(work, row.call_id, lock=True)
        work.session.refresh(row, with_for_update=True)
    return row


def lot(work: Work, call_id: UUID, lot_id: UUID) -> LotRow:
    """A lot of the call, locked. 404 when it has none such."""
    row = work.session.get(LotRow, lot_id, with_for_update=True, populate_existing=True)
    if row is None or row.call_id != call_id:
        raise NotFound("lot_unknown", "这次采购没有这个标包。", field="lot_id")
    return row


@dataclass(frozen=True, slots=True)
class Winner:
    bid: BidRow
    rank: RankRow
    price_fen: int


def ranked(work: Work, lot_id: UUID) -> list[tuple[RankRow, BidRow]]:
    """A lot's bids that may win it, by rank."""
    rows = work.session.execute(
        select(RankRow, BidRow)
        .join(BidRow, BidRow.bid_id == RankRow.bid_id)
        .where(RankRow.lot_id == lot_id, BidRow.state == "opened")
        .order_by(RankRow.rank)
    )
    return [(rank, bid) for rank, bid in rows]


def share(units: int, place: int, of: int) -> int:
    """A framework's winner's part of a line: even shares, what is left over to the first (place 0)."""
    return units // of + (units % of if place == 0 else 0)


def unit_prices(bid: BidRow) -> dict[UUID, int]:
    """The prices of an opened bid by the lot's lines."""
    return {
        UUID(str(p["lot_line_id"])): int(p["unit_price_fen"]) for p in (bid.content or {}).get("prices", [])
    }


def price_of(work: Work, call: CallRow, lot: LotRow, bid: BidRow, place: int, of: int) -> int:
    """What a winner's part costs: the bid's own price, in a framework that of the share."""
    assert bid.price_fen is not None
    if call.method != Method.FRAMEWORK or of == 1:
        return bid.price_fen
    prices = unit_prices(bid)
    lines = calls.lines(work, [lot.lot_id])[lot.lot_id]
    return sum(amount_fen(share(line.units, place, of), prices[line.lot_line_id]) for line in lines)


def by_rank(work: Work, call: CallRow, lot: LotRow) -> list[BidRow]:
    """Whom the ranking gives a lot: its first, or as many of the first as it has winners and money for."""
    candidates = [bid for _, bid in ranked(work, lot.lot_id)]
    if call.method == Method.VENTURE:
        chosen, left = [], lot.ceiling_fen
        for bid in candidates[: lot.winners]:
            left -= bid.price_fen or 0
            if left < 0:
                break
            chosen.append(bid)
        return chosen
    return candidates[: lot.winners if call.method == Method.FRAMEWORK else 1]


def decide(work: Work, call: CallRow, body: Decision) -> list[AwardRow]:
    """Give a lot to its winners. `call` is locked; its commitment goes down to their prices."""
    if call.state not in ("scored", "awarded"):
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    of = lot(work, call.call_id, body.lot_id)
    if of.state != "open":
        raise Refused("lot_decided", "这个标包已经有结果，或者已经废标。", field="lot_id")
    expected = by_rank(work, call, of)
    ranks = {bid.bid_id: (rank, bid) for rank, bid in ranked(work, of.lot_id)}
    if body.bid_ids is not None:
        unknown = [bid_id for bid_id in body.bid_ids if bid_id not in ranks]
        if unknown or len(set(body.bid_ids)) != len(body.bid_ids):
            raise Invalid("bid_unknown", "只能从参加排名的有效投标中选择。", field="bid_ids")
        chosen = sorted((ranks[bid_id][1] for bid_id in body.bid_ids), key=lambda b: ranks[b.bid_id][0].rank)
    else:
        chosen = expected
    if not chosen:
        raise Refused("no_winner", "没有可以选择的有效投标，请将标包废标。", field="lot_id")
    if [b.bid_id for b in chosen] != [b.bid_id for b in expected] and len(body.reason) < 2:
        raise Refused(
            "not_by_rank", "没有按排名顺序确定结果，请写明理由（87 号令第六十八条）。", field="reason"
        )
    winners = [
        Winner(bid, ranks[bid.bid_id][0], price_of(work, call, of, bid, place, len(chosen)))
        for place, bid in enumerate(chosen)
    ]
    _within(work, call, of, winners)
    lots_of.hold(work, call, of, sum(w.price_fen for w in winners), _("按评审结果占用"))
    decision = new_id()
    rows = [
        AwardRow(
            award_id=new_id(),
            decision_id=decision,
            call_id=call.call_id,
            lot_id=of.lot_id,
            bid_id=winner.bid.bid_id,
            organisation_id=winner.bid.organisation_id,
            rank=winner.rank.rank,
            price_fen=winner.price_fen,
            state="decided",
            reason=body.reason,
            decided_by=work.caller.person_id if work.caller else None,
            decided_at=work.now,
        )
        for winner in winners
    ]
    work.session.add_all(rows)
    of.state = "awarded"
    work.session.flush()
    _notice(work, call, of, decision, winners, body.reason)
    work.audit("award.decide", decision, lot=str(of.lot_id))
    lots_of.advance(work, call)
    return rows


def _within(work: Work, call: CallRow, of: LotRow, winners: Sequence[Winner]) -> None:
    if len(winners) > (of.winners if call.method in (Method.FRAMEWORK, Method.VENTURE) else 1):
        raise Refused("too_many_winners", "这个标包最多 {most} 家。", field="bid_ids", most=of.winners)
    if sum(w.price_fen for w in winners) > of.ceiling_fen:
        raise Refused(
            "over_ceiling", "合计超过标包的最高限价（政府采购法实施条例第三十条）。", field="bid_ids"
        )
    most = int(rule_value("venture_grant_most_fen", wall_day(work.now)))
    if call.method == Method.VENTURE and any(w.price_fen > most for w in winners):
        raise Refused("grant_too_large", "单项资助超过上限 {most} 元。", field="bid_ids", most=most // 100)


def _notice(
    work: Work, call: CallRow, of: LotRow, decision: UUID, winners: Sequence[Winner], reason: str
) -> None:
    today = wall_day(work.now)
    names = dict(
        work.session.execute(
            select(OrganisationRow.organisation_id, OrganisationRow.name).where(
                OrganisationRow.organisation_id.in_([w.bid.organisation_id for w in winners])
            )
        ).all()
    )
    body = {
        "number": call.number,
        "title": call.title,
        "lot": {"number": of.number, "name": of.name},
        "winners": [
            {
                "organisation": names[w.bid.organisation_id],
                "rank": w.rank.rank,
                "total": w.rank.total,
                "price_fen": w.price_fen,
            }
            for w in winners
        ],
        "reason": reason,
    }
    days = int(rule_value("award_published_working_days", today))
    notices.due(work, "award", decision, call.call_id, end_of_workday(work, today, days), body)


def challenge(work: Work, call: CallRow, new: NewChallenge) -> ChallengeRow:
    """File a challenge: a bidder's, within the days after the award became public, one open at a time."""
    of = lot(work, call.call_id, new.lot_id)
    bid = work.session.scalars(
        select(BidRow).where(
            BidRow.lot_id == of.lot_id,
            BidRow.organisation_id == new.organisation_id,
            BidRow.state.in_(["opened", "refused"]),
        )
    ).first()
    if bid is None:
        raise Forbidden("not_a_bidder", "只有参加了这个标包的组织才能质疑（政府采购法第五十二条）。")
    awards = [a for a in lots_of.decided(work, of.lot_id) if a.state != "void"]
    ends = clocks(work, notice_of(work, awards[0].decision_id)) if awards else None
    today = wall_day(work.now)
    if ends is None:
        raise Refused("not_public", "结果公告以后才能质疑（政府采购法第五十二条）。")
    if today > ends.challenge_until:
        raise Refused(
            "challenge_late",
            "质疑应当在结果公告后七个工作日内提出，已于 {day} 截止（政府采购法第五十二条）。",
            day=ends.challenge_until.isoformat(),
        )
    again = work.session.scalars(
        select(ChallengeRow.challenge_id).where(
            ChallengeRow.lot_id == of.lot_id,
            ChallengeRow.organisation_id == new.organisation_id,
            ChallengeRow.state == "open",
        )
    ).first()
    if again is not None:
        raise Refused("challenge_open", "您的上一次质疑还在处理。")
    days = int(rule_value("challenge_answer_working_days", today))
    row = ChallengeRow(
        challenge_id=new_id(),
        call_id=call.call_id,
        lot_id=of.lot_id,
        organisation_id=new.organisation_id,
        text=new.text,
        file_id=new.file_id,
        filed_at=work.now,
        answer_due=workdays_after(work, today, days),
        state="open",
        answer=None,
        answered_by=None,
        answered_at=None,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("challenge.file", row.challenge_id)
    return row


def filed(work: Work, challenge_id: UUID, *, lock: bool = False) -> ChallengeRow:
    """The challenge; locked together with its call, the call first. 404 when there is none."""
    row = work.session.get(ChallengeRow, challenge_id)
    if row is None:
        raise NotFound("challenge_unknown", "没有这份质疑。")
    if lock:
        calls.call(work, row.call_id, lock=True)
        work.session.refresh(row, with_for_update=True)
    return row


def _open(row: ChallengeRow) -> None:
    if row.state != "open":
        raise Refused("challenge_answered", "这份质疑已经处理完。")


def withdraw(work: Work, row: ChallengeRow) -> None:
    """The bidder takes a challenge back."""
    _open(row)
    row.state = "withdrawn"
    work.session.flush()
    work.audit("challenge.withdraw", row.challenge_id)


def answer(work: Work, row: ChallengeRow, body: ChallengeAnswer) -> None:
    """Answer a challenge. Upheld, the lot's awards are void: the next in rank may get it, or the lot is void too."""
    _open(row)
    call = calls.call(work, row.call_id)
    row.state, row.answer = body.result, body.answer
    row.answered_by = work.caller.person_id if work.caller else None
    row.answered_at = work.now
    work.session.flush()
    work.audit(f"challenge.{body.result}", row.challenge_id)
    if body.result == "rejected":
        if body.excluded:
            raise Invalid("excluded_needless", "质疑不成立时不排除任何投标。", field="excluded")
        return
    of = lot(work, call.call_id, row.lot_id)
    standing = [a for a in lots_of.decided(work, of.lot_id) if a.state == "decided"]
    undo(work, call, of, standing, body.answer, set(body.excluded) or {a.bid_id for a in standing})


def undo(
    work: Work, call: CallRow, of: LotRow, awards: Sequence[AwardRow], reason: str, excluded: set[UUID]
) -> None:
    """Void awards before their signature. The excluded bids are out; the lot is to be decided anew or void."""
    known = {bid.bid_id: bid for _, bid in ranked(work, of.lot_id)}
    for bid_id in sorted(excluded):
        if bid_id not in known:
            raise Invalid("bid_unknown", "只能排除参加排名的有效投标。", field="excluded")
        known[bid_id].state, known[bid_id].refused_reason = "refused", reason
    for each in awards:
        each.state, each.reason = "void", reason
        contract = contract_of(work, each.award_id)
        if contract is not None:
            contracts.set_state(work, contract, "ended")
        work.audit("award.void", each.award_id)
        _void_notice(work, call, of, each)
    of.state = "open"
    work.session.flush()
    lots_of.advance(work, call)


def void_award(work: Work, row: AwardRow, reason: str) -> None:
    """An award that its winner doesn't sign, in time or at all: that bid is out, the lot is decided anew."""
    if row.state != "decided":
        raise Refused("award_final", "已经签订合同或者已经作废的结果不能再作废；合同请办理终止。")
    call = calls.call(work, row.call_id)
    of = lot(work, row.call_id, row.lot_id)
    awards = lots_of.decided(work, of.lot_id)
    if any(a.state == "signed" for a in awards):
        signed_beside(work, call, of, row, reason)
        return
    undo(work, call, of, [a for a in awards if a.state == "decided"], reason, {row.bid_id})


def signed_beside(work: Work, call: CallRow, of: LotRow, row: AwardRow, reason: str) -> None:
    """Where others of the same decision have signed, only this award falls, and its money is free."""
    before = lots_of.held(work, of)
    row.state, row.reason = "void", reason
    contract = contract_of(work, row.award_id)
    if contract is not None:
        contracts.set_state(work, contract, "ended")
    work.session.flush()
    lots_of.give_back(work, call, before - lots_of.held(work, of), reason)
    work.audit("award.void", row.award_id)
    _void_notice(work, call, of, row)
    lots_of.advance(work, call)


def _void_notice(work: Work, call: CallRow, of: LotRow, row: AwardRow) -> None:
    """Who read that somebody won reads at once that it no longer holds. An award that was never public needs none."""
    told = notice_of(work, row.decision_id)
    if told is None or told.published_at is None:
        return
    won = work.session.get_one(OrganisationRow, row.organisation_id)
    body = {
        "number": call.number,
        "title": call.title,
        "lot": {"number": of.number, "name": of.name},
        "organisation": won.name,
        "reason": row.reason,
    }
    notices.at_once(work, "award_void", row.award_id, call.call_id, body)


def void_lot(work: Work, call: CallRow, lot_id: UUID, reason: str) -> None:
    """A scored lot that nobody gets after all (废标): its commitment is free again, it may be tendered anew."""
    if call.state not in ("scored", "awarded"):
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    of = lot(work, call.call_id, lot_id)
    if of.state != "open":
        raise Refused("lot_decided", "这个标包已经有结果，或者已经废标。", field="lot_id")
    lots_of.void(work, call, of, reason)


def contract_of(work: Work, award_id: UUID) -> ContractRow | None:
    """The contract that was drawn up for an award, if one was."""
    return work.session.scalars(select(ContractRow).where(ContractRow.award_id == award_id)).first()


def no_open_challenge(work: Work, lot_id: UUID) -> bool:
    """Whether nothing filed against a lot waits for its answer."""
    return (
        work.session.scalars(
            select(ChallengeRow.challenge_id).where(
                ChallengeRow.lot_id == lot_id, ChallengeRow.state == "open"
            )
        ).first()
        is None
    )


def may_sign(work: Work, row: AwardRow) -> None:
    """Refuse before the challenge days are over, while a challenge is open, and after the days to sign in."""
    if row.state != "decided":
        raise Refused("award_final", "已经签订合同或者已经作废的结果不能再签。")
    ends = clocks(work, notice_of(work, row.decision_id))
    today = wall_day(work.now)
    if ends is None or today <= ends.challenge_until:
        raise Refused(
            "challenge_days", "质疑期满（结果公告后七个工作日）以后才能签订（政府采购法第五十二条）。"
        )
    if not no_open_challenge(work, row.lot_id):
        raise Refused("challenge_open_still", "还有质疑没有答复，答复以后才能签订（政府采购法第五十三条）。")
    if today > ends.sign_until:
        raise Refused(
            "sign_late",
            "应当在结果公告之日起三十日内签订，已于 {day} 截止（政府采购法第四十六条）。",
            day=ends.sign_until.isoformat(),
        )
