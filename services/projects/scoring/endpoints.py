"""Scorers, scores and rankings over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from services.projects.awards.tables import AwardRow
from services.projects.bids.contents import shown
from services.projects.bids.tables import BidRow
from services.projects.calls.service import criteria, terms_of
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.organisations.tables import OrganisationRow
from services.projects.scoring import service
from services.projects.scoring.schemas import (
    BidRefusal,
    Committee,
    Declaration,
    Leaving,
    RankedBid,
    Ranking,
    RankPart,
    Scorer,
    Scorers,
    Scores,
    ScoringJob,
    ScoringJobs,
    Sheet,
    SheetBid,
    SheetCriterion,
    SheetScore,
)
from services.projects.scoring.tables import RankRow, ScoreRow, ScorerRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Forbidden, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Done
from shared.web.signed_in import may

ROUTER = router("", "scoring")
Bureau = Annotated[Caller, may(Role.BUREAU)]
Marking = Annotated[Caller, may(Role.SCORER)]
Overseer = Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
BEFORE = ("draft", "consulting", "published", "opened")


@ROUTER.get("/scoring")
def list_mine(work: Transaction, caller: Marking) -> ScoringJobs:
    """The calls that the caller is named to score, the newest first."""
    rows = work.session.execute(
        select(CallRow, ScorerRow)
        .join(ScorerRow, ScorerRow.call_id == CallRow.call_id)
        .where(ScorerRow.person_id == caller.person_id)
        .order_by(CallRow.call_id.desc())
        .limit(200)
    )
    return ScoringJobs(
        items=[
            ScoringJob(
                call_id=call.call_id,
                number=call.number,
                title=call.title,
                state=call.state,
                deadline_at=call.deadline_at,
                declared=mine.declared,
                left_at=mine.left_at,
                finished_at=mine.finished_at,
            )
            for call, mine in rows
        ]
    )


@ROUTER.get("/calls/{call_id}/scorers")
def list_scorers(call_id: UUID, work: Transaction, caller: Overseer) -> Scorers:
    """A call's scorers, how far each is, and what their number still lacks of the rule."""
    call = service.scoring(work, call_id)
    return Scorers(
        items=[Scorer.model_validate(row) for row in service.scorers(work, call_id)],
        least=terms_of(work, call).scorers,
        missing=service.lacking(work, call),
    )


@ROUTER.post("/calls/{call_id}/scorers", status_code=201)
def name_scorers(call_id: UUID, body: Committee, work: Transaction, caller: Bureau) -> Done:
    """Name scorers by the method's rule: an odd number, at least its least, experts at least two thirds."""
    call = service.scoring(work, call_id, lock=True)
    service.name(work, call, body.scorers)
    return Done(id=call_id, version=call.version)


@ROUTER.post("/calls/{call_id}/scorers/{person_id}/leave")
def take_off(call_id: UUID, person_id: UUID, body: Leaving, work: Transaction, caller: Bureau) -> Done:
    """Take a scorer off who does not score after all."""
    call = service.scoring(work, call_id, lock=True)
    service.leave(work, call, person_id, body.reason)
    return Done(id=call_id, version=call.version)


@ROUTER.post("/calls/{call_id}/declaration")
def declare(call_id: UUID, body: Declaration, work: Transaction, caller: Marking) -> Scorer:
    """Declare a conflict or none, before prices and contents are shown. A tie that the system knows ends it too."""
    call = service.scoring(work, call_id, lock=True)
    return Scorer.model_validate(service.declare(work, call, caller, body))


@ROUTER.put("/calls/{call_id}/bids/{bid_id}/scores")
def give_scores(call_id: UUID, bid_id: UUID, body: Scores, work: Transaction, caller: Marking) -> Done:
    """Write the own points for a bid; nobody else sees them until all are in."""
    call = service.scoring(work, call_id)
    service.score(work, call, bid_id, caller.person_id, body)
    return Done(id=bid_id, version=call.version)


@ROUTER.post("/calls/{call_id}/bids/{bid_id}/refuse")
def refuse_bid(call_id: UUID, bid_id: UUID, body: BidRefusal, work: Transaction, caller: Bureau) -> Done:
    """Find a bid invalid (投标无效), with the reason that its bidder is told."""
    call = service.scoring(work, call_id, lock=True)
    row = service.refuse_bid(work, call, bid_id, body.reason)
    return Done(id=bid_id, version=row.version)


@ROUTER.post("/calls/{call_id}/finish")
def finish(call_id: UUID, work: Transaction, caller: Marking) -> Scorer:
    """Hand in all own scores, for good. The last one in brings about the ranking."""
    call = service.scoring(work, call_id, lock=True)
    return Scorer.model_validate(service.finish(work, call, caller.person_id))


@ROUTER.get("/calls/{call_id}/sheet")
def sheet(
    call_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.SCORER, Role.BUREAU, Role.AUDITOR)]
) -> Sheet:
    """A scoring: to a scorer the bids once no conflict is declared, and everybody's scores once all are in."""
    call = service.scoring(work, call_id)
    mine = work.session.get(ScorerRow, (call_id, caller.person_id))
    overseer = caller.has(Role.BUREAU, Role.AUDITOR)
    if not overseer and mine is None:
        raise Forbidden("not_a_scorer", "您不是这次采购的评审人员。")
    if call.state in ("draft", "consulting", "published"):
        raise Refused("not_open", "还没有开标，投标内容任何人都看不到。")
    done = call.state not in BEFORE
    left = mine is not None and mine.left_at is not None
    sees_bids = overseer or (mine is not None and mine.declared == "none" and not left)
    given = select(ScoreRow).where(ScoreRow.call_id == call_id)
    if not done:
        given = given.where(ScoreRow.person_id == caller.person_id)
    by_bid: dict[UUID, list[SheetScore]] = {}
    for row in work.session.scalars(given.order_by(ScoreRow.person_id, ScoreRow.criterion_id)):
        by_bid.setdefault(row.bid_id, []).append(SheetScore.model_validate(row))
    names = _names(work, call_id)
    bids = work.session.scalars(
        select(BidRow)
        .where(BidRow.call_id == call_id, BidRow.state.in_(["opened", "refused"]))
        .order_by(BidRow.lot_id, BidRow.bid_id)
    )
    return Sheet(
        call_id=call_id,
        state=call.state,
        mine=Scorer.model_validate(mine) if mine else None,
        criteria=[SheetCriterion.model_validate(c) for c in criteria(work, call_id)],
        bids=[
            SheetBid(
                bid_id=bid.bid_id,
                lot_id=bid.lot_id,
                organisation_id=bid.organisation_id,
                organisation=names[bid.organisation_id],
                state=bid.state,
                price_fen=bid.price_fen if sees_bids else None,
                content=shown(bid.content) if sees_bids and bid.content else None,
                scores=by_bid.get(bid.bid_id, []) if sees_bids else [],
            )
            for bid in bids
        ],
    )


def _names(work: Work, call_id: UUID) -> dict[UUID, str]:
    rows = work.session.execute(
        select(OrganisationRow.organisation_id, OrganisationRow.name)
        .join(BidRow, BidRow.organisation_id == OrganisationRow.organisation_id)
        .where(BidRow.call_id == call_id)
    )
    return dict(rows.all())


@ROUTER.get("/calls/{call_id}/ranking")
def read_ranking(
    call_id: UUID,
    work: Transaction,
    caller: Annotated[Caller, may(Role.BUREAU, Role.AUDITOR, Role.SCORER, Role.DISPATCHER)],
) -> Ranking:
    """How the bids came out. A bidder sees the own score and rank, and who won, once the award's notice is public (8.21)."""
    call = service.scoring(work, call_id)
    mine = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
    everything = caller.has(Role.BUREAU, Role.AUDITOR) or (
        caller.has(Role.SCORER) and work.session.get(ScorerRow, (call_id, caller.person_id)) is not None
    )
    bids = {
        bid.bid_id: bid
        for bid in work.session.scalars(
            select(BidRow).where(BidRow.call_id == call_id, BidRow.state.in_(["opened", "refused"]))
        )
    }
    if not everything and not any(bid.organisation_id in mine for bid in bids.values()):
        raise Forbidden("not_a_bidder", "只有参加了这次采购的组织才能看自己的得分和排名。")
    if call.state in BEFORE:
        raise Refused("not_scored", "评审还没有结束。")
    awards = work.session.scalars(
        select(AwardRow).where(AwardRow.call_id == call_id, AwardRow.state != "void")
    ).all()
    told = set(
        work.session.scalars(
            select(NoticeRow.about_id).where(
                NoticeRow.call_id == call_id, NoticeRow.kind == "award", NoticeRow.published_at.is_not(None)
            )
        )
    )
    known_lots = {a.lot_id for a in awards if a.decision_id in told}
    won = {a.bid_id for a in awards if everything or a.decision_id in told}
    ranks = {
        row.bid_id: row for row in work.session.scalars(select(RankRow).where(RankRow.call_id == call_id))
    }
    names = _names(work, call_id)
    items = []
    for bid in bids.values():
        own = bid.organisation_id in mine
        if not everything and (bid.lot_id not in known_lots or not (own or bid.bid_id in won)):
            continue
        rank = ranks.get(bid.bid_id)
        seen = rank if everything or own else None
        items.append(
            RankedBid(
                lot_id=bid.lot_id,
                bid_id=bid.bid_id,
                organisation_id=bid.organisation_id,
                organisation=names[bid.organisation_id],
                rank=seen.rank if seen else None,
                total=seen.total if seen else None,
                price_fen=bid.price_fen,
                parts=[
                    RankPart(criterion_id=UUID(criterion), points=points)
                    for criterion, points in (seen.parts if seen else {}).items()
                ],
                tie=seen.tie if seen else None,
                won=bid.bid_id in won,
                own=own,
            )
        )
    items.sort(key=lambda item: (item.lot_id, item.rank or 0, item.bid_id))
    return Ranking(call_id=call_id, items=items)
