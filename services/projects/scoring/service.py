"""Scoring a call's bids: who may, what they gave, and the ranking that the last of them brings about (8.21)."""

from collections.abc import Iterable, Sequence
from math import ceil
from uuid import UUID

from sqlalchemy import delete, select

from services.projects.awards.lots import void
from services.projects.bids.tables import BidRow, SubmissionRow
from services.projects.calls.methods import Terms
from services.projects.calls.service import call as call_of
from services.projects.calls.service import criteria, lots, tell, terms_of
from services.projects.calls.tables import CallRow, CriterionRow, LotRow
from services.projects.organisations.service import same_controller
from services.projects.organisations.tables import ControllerRow
from services.projects.scoring.ranking import Criterion, Offer, rank
from services.projects.scoring.schemas import Declaration, NamedScorer, Scores
from services.projects.scoring.tables import RankRow, ScoreRow, ScorerRow
from services.projects.staff.tables import StaffRow
from shared.contracts.codes import ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.language import _
from shared.web.problems import Forbidden, Invalid, NotFound, Refused

BIDDING = ("submitted", "opened", "refused")
FOUND = _("系统发现：与投标方有任职或者控制关系")
TOO_FEW = _("符合要求的投标不足法定家数（政府采购法第三十六条）")
LACKS = {
    "scorers_few": "评审小组至少 {least} 人（87 号令第四十七条等，按采购方式）。",
    "scorers_odd": "评审小组人数应当是单数（87 号令第四十七条）。",
    "scorers_experts": "评审专家不得少于成员总数的三分之二（87 号令第四十七条）。",
}


def lacks(experts: Sequence[bool], terms: Terms) -> str | None:
    """What a committee lacks of its method's rule: one flag a member, whether an expert."""
    if len(experts) < terms.scorers:
        return "scorers_few"
    if len(experts) % 2 == 0:
        return "scorers_odd"
    if sum(experts) < ceil(len(experts) * terms.expert_share - 1e-9):
        return "scorers_experts"
    return None


def scorers(work: Work, call_id: UUID) -> Sequence[ScorerRow]:
    """All who were ever named, in the order in which they were."""
    return work.session.scalars(
        select(ScorerRow)
        .where(ScorerRow.call_id == call_id)
        .order_by(ScorerRow.named_at, ScorerRow.person_id)
    ).all()


def lacking(work: Work, call: CallRow) -> str | None:
    """What the committee of a call lacks now."""
    return lacks([s.expert for s in scorers(work, call.call_id) if s.left_at is None], terms_of(work, call))


def name(work: Work, call: CallRow, named: Sequence[NamedScorer]) -> None:
    """Name scorers, or replacements for who has left. The committee they make keeps the method's rule."""
    _still_scored(call, "published", "opened")
    known = {row.person_id for row in scorers(work, call.call_id)}
    for each in named:
        if each.person_id in known:
            raise Refused("scorer_named", "这位评审人员已经指定过。", field="scorers")
        if each.person_id == call.made_by:
            raise Refused(
                "scorer_drafted",
                "起草采购文件的人不能评审，请指定别人（行政事业单位内部控制规范：不相容岗位相互分离）。",
                field="scorers",
            )
        id_hash = work.vault.fingerprint(each.id_number) if each.id_number else None
        if conflicted(work, call.call_id, each.person_id, id_hash):
            raise Refused(
                "scorer_conflict",
                "这位评审人员在投标方任职，或者与投标方受同一人控制，应当回避（政府采购法第十二条）。",
                field="scorers",
            )
        known.add(each.person_id)
        work.session.add(
            ScorerRow(
                call_id=call.call_id,
                person_id=each.person_id,
                expert=each.expert,
                id_hash=id_hash,
                named_by=work.caller.person_id if work.caller else None,
                named_at=work.now,
            )
        )
    work.session.flush()
    missing = lacking(work, call)
    if missing:
        raise Refused(missing, LACKS[missing], field="scorers", least=terms_of(work, call).scorers)
    for each in named:
        work.audit("scoring.name", call.call_id, each.person_id)


def conflicted(
    work: Work, call_id: UUID, person_id: UUID, id_hash: bytes | None = None, caller: Caller | None = None
) -> bool:
    """Whether the system knows a tie between a person and a bidder: the person, or who controls their organisation.

    It knows whom an organisation employs, and who controls it by the hash of the ID number: given with the name, or that of
    the person's staff rows. Of the caller it knows the organisations of the own memberships. What it can't know, such as kin
    or shares that nobody entered, is for the declaration.
    """
    bidders = set(
        work.session.scalars(
            select(BidRow.organisation_id).where(BidRow.call_id == call_id, BidRow.state.in_(BIDDING))
        )
    )
    staff = work.session.scalars(select(StaffRow).where(StaffRow.person_id == person_id)).all()
    values = work.vault.open(work.session, [(each.person_id, each.sealed) for each in staff])
    hashes = {work.vault.fingerprint(v["id_number"]) for v in values if v.get("id_number")}
    if id_hash is not None:
        hashes.add(id_hash)
    own = {each.organisation_id for each in staff} | set(
        work.session.scalars(
            select(ControllerRow.organisation_id).where(ControllerRow.id_hash.in_(sorted(hashes)))
        )
    )
    if caller is not None:
        own |= caller.scope_ids(ScopeKind.ORGANISATION)
    if own & bidders or not own:
        return bool(own & bidders)
    return any((a in bidders) != (b in bidders) for a, b in same_controller(work, sorted(own | bidders)))


def scorer(work: Work, call_id: UUID, person_id: UUID, *, lock: bool = False) -> ScorerRow:
    """The person's part in a scoring. 403 for who has none."""
    row = work.session.get(ScorerRow, (call_id, person_id), with_for_update=True if lock else None)
    if row is None:
        raise Forbidden("not_a_scorer", "您不是这次采购的评审人员。")
    return row


def leave(work: Work, call: CallRow, person_id: UUID, reason: str) -> None:
    """Take a scorer off who doesn't score after all; another is named in their place."""
    _still_scored(call, "published", "opened")
    row = work.session.get(ScorerRow, (call.call_id, person_id), with_for_update=True)
    if row is None:
        raise NotFound("scorer_unknown", "没有这位评审人员。")
    if row.finished_at is not None:
        raise Refused("scores_frozen", "已经提交的评分不能再改（平台约定 8.21）。")
    if row.left_at is None:
        _drop(work, row, reason)
        work.audit("scoring.leave", call.call_id, person_id)
        if call.state == "opened":
            settle(work, call)


def _drop(work: Work, row: ScorerRow, reason: str) -> None:
    """What somebody with a conflict gave does not count and is not kept."""
    row.left_at, row.left_reason = work.now, reason
    work.session.execute(
        delete(ScoreRow).where(ScoreRow.call_id == row.call_id, ScoreRow.person_id == row.person_id)
    )
    work.session.flush()


def declare(work: Work, call: CallRow, caller: Caller, said: Declaration) -> ScorerRow:
    """Declare a conflict or none. Bidders' names are known then, nothing else of the bids."""
    _still_scored(call, "opened")
    row = scorer(work, call.call_id, caller.person_id, lock=True)
    if row.declared is not None or row.left_at is not None:
        raise Refused("declared", "您已经声明过，或者已经退出评审。")
    if said.conflict and len(said.reason) < 2:
        raise Invalid("reason_missing", "请写明与哪一方有什么利害关系。", field="reason")
    row.declared, row.declared_at = ("conflict" if said.conflict else "none"), work.now
    row.declared_reason = said.reason or None
    work.session.flush()
    if said.conflict:
        _drop(work, row, said.reason)
    elif conflicted(work, call.call_id, caller.person_id, row.id_hash, caller):
        _drop(work, row, FOUND)
    work.audit("scoring.declare", call.call_id, caller.person_id, conflict=row.left_at is not None)
    return row


def standing(work: Work, call_id: UUID) -> Sequence[BidRow]:
    """The bids that are scored: opened, not refused, of lots that are not void."""
    open_lots = [lot.lot_id for lot in lots(work, call_id) if lot.state != "void"]
    return work.session.scalars(
        select(BidRow)
        .where(BidRow.call_id == call_id, BidRow.state == "opened", BidRow.lot_id.in_(open_lots))
        .order_by(BidRow.lot_id, BidRow.bid_id)
    ).all()


def quality(work: Work, call_id: UUID) -> list[CriterionRow]:
    """The criteria that people score; the price is computed."""
    return [c for c in criteria(work, call_id) if c.kind == "quality"]


def _ready(work: Work, call: CallRow, person_id: UUID) -> ScorerRow:
    _still_scored(call, "opened")
    row = scorer(work, call.call_id, person_id, lock=True)
    if row.left_at is not None:
        raise Forbidden("scorer_left", "您已经退出这次评审。")
    if row.declared != "none":
        raise Refused("not_declared", "请先声明有没有利害关系（政府采购法第十二条）。")
    if row.finished_at is not None:
        raise Refused("scores_frozen", "已经提交的评分不能再改（平台约定 8.21）。")
    return row


def score(work: Work, call: CallRow, bid_id: UUID, person_id: UUID, given: Scores) -> None:
    """Write or rewrite the own points for a bid, until the own scoring is finished."""
    _ready(work, call, person_id)
    if bid_id not in {bid.bid_id for bid in standing(work, call.call_id)}:
        raise NotFound("bid_unknown", "没有这份可以评审的投标。")
    known = {c.criterion_id for c in quality(work, call.call_id)}
    for each in given.scores:
        if each.criterion_id not in known:
            raise Invalid("criterion_unknown", "没有这项可以打分的评审因素。", field="scores")
        row = work.session.get(ScoreRow, (bid_id, each.criterion_id, person_id))
        if row is None:
            row = ScoreRow(
                bid_id=bid_id, criterion_id=each.criterion_id, person_id=person_id, call_id=call.call_id
            )
            work.session.add(row)
        row.points, row.sentence, row.at = each.points, each.sentence, work.now
        work.session.flush()
    work.audit("scoring.score", bid_id)


def refuse_bid(work: Work, call: CallRow, bid_id: UUID, reason: str) -> BidRow:
    """Find a bid invalid (投标无效) before anybody's scores are final. A lot with too few bidders left is void."""
    _still_scored(call, "opened")
    row = work.session.get(BidRow, bid_id, with_for_update=True)
    if row is None or row.call_id != call.call_id or row.state != "opened":
        raise NotFound("bid_unknown", "没有这份可以评审的投标。")
    if any(s.finished_at for s in scorers(work, call.call_id)):
        raise Refused("scores_frozen", "已经有人提交评分，不能再认定投标无效（平台约定 8.21）。")
    row.state, row.refused_reason = "refused", reason
    work.session.execute(delete(ScoreRow).where(ScoreRow.bid_id == bid_id))
    work.session.flush()
    work.audit("bid.refuse", bid_id)
    left = sum(bid.lot_id == row.lot_id for bid in standing(work, call.call_id))
    least = terms_of(work, call).bidders
    if left < least:
        void(work, call, work.session.get_one(LotRow, row.lot_id), TOO_FEW)
    return row


def finish(work: Work, call: CallRow, person_id: UUID) -> ScorerRow:
    """Hand in the own scores, for good. `call` is locked: the last one in brings about the ranking."""
    row = _ready(work, call, person_id)
    bids, wanted = standing(work, call.call_id), quality(work, call.call_id)
    given = set(
        work.session.execute(
            select(ScoreRow.bid_id, ScoreRow.criterion_id).where(
                ScoreRow.call_id == call.call_id, ScoreRow.person_id == person_id
            )
        )
    )
    left = sum((bid.bid_id, c.criterion_id) not in given for bid in bids for c in wanted)
    if left:
        raise Refused("scores_missing", "还有 {left} 项没有打分。", field="scores", left=left)
    row.finished_at = work.now
    work.session.flush()
    work.audit("scoring.finish", call.call_id, person_id)
    settle(work, call)
    return row


def settle(work: Work, call: CallRow) -> None:
    """Rank each lot once a complete committee has handed in all scores."""
    active = [s for s in scorers(work, call.call_id) if s.left_at is None]
    if lacking(work, call) or not all(s.finished_at for s in active):
        return
    _rank(work, call, {s.person_id for s in active})
    call.state = "scored"
    work.session.flush()
    work.audit("call.score", call.call_id)
    tell(work, call)


def _rank(work: Work, call: CallRow, people: Iterable[UUID]) -> None:
    bids, weights = standing(work, call.call_id), criteria(work, call.call_id)
    received = dict(
        work.session.execute(
            select(SubmissionRow.submission_id, SubmissionRow.at).where(SubmissionRow.call_id == call.call_id)
        ).all()
    )
    scores: dict[tuple[UUID, UUID], list[int]] = {}
    for given in work.session.scalars(
        select(ScoreRow).where(ScoreRow.call_id == call.call_id, ScoreRow.person_id.in_(list(people)))
    ):
        scores.setdefault((given.bid_id, given.criterion_id), []).append(given.points)
    plain = [Criterion(c.criterion_id, c.position, c.kind, c.weight) for c in weights]
    for lot_id in {bid.lot_id for bid in bids}:
        offers = []
        for bid in bids:
            if bid.lot_id == lot_id:
                assert bid.price_fen is not None
                assert bid.submission_id is not None
                offers.append(Offer(bid.bid_id, bid.price_fen, received[bid.submission_id]))
        work.session.add_all(
            RankRow(
                bid_id=each.bid_id,
                lot_id=lot_id,
                call_id=call.call_id,
                rank=each.rank,
                total=each.total,
                parts={str(criterion): points for criterion, points in each.parts.items()},
                tie=each.tie,
            )
            for each in rank(offers, plain, scores)
        )
    work.session.flush()


def scoring(work: Work, call_id: UUID, *, lock: bool = False) -> CallRow:
    """The call, locked for who changes its scoring."""
    return call_of(work, call_id, lock=lock)


def _still_scored(call: CallRow, *states: str) -> None:
    if call.state not in states:
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
