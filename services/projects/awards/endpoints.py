"""Awards, challenges, contracts' signatures and changes over HTTP."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from services.projects.awards import contracting, service, supplements
from services.projects.awards.schemas import (
    Agreement,
    Award,
    Awards,
    Bond,
    Challenge,
    ChallengeAnswer,
    Challenges,
    Change,
    Decision,
    NewAgreement,
    NewChallenge,
    NewChange,
    Reason,
    Signature,
    Signing,
    Supplement,
)
from services.projects.awards.tables import AwardRow, ChallengeRow
from services.projects.bids.tables import BidRow
from services.projects.calls import service as calls
from services.projects.contracts import service as contracts
from services.projects.organisations.tables import OrganisationRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Forbidden
from shared.web.routing import Transaction
from shared.web.schemas import Done
from shared.web.signed_in import may, require

ROUTER = router("", "awards")
Bureau = Annotated[Caller, may(Role.BUREAU)]
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
Reader = Annotated[Caller, may(Role.BUREAU, Role.AUDITOR, Role.DISPATCHER)]
Side = Annotated[Caller, may(Role.BUREAU, Role.DISPATCHER)]
WIDE = (Role.BUREAU, Role.AUDITOR)


def _bidder(work: Work, call_id: UUID, caller: Caller) -> frozenset[UUID]:
    """The caller's organisations. 403 where none of them bid in the call and the caller is no overseer."""
    own = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
    if not caller.has(*WIDE):
        bids = select(BidRow.bid_id).where(
            BidRow.call_id == call_id,
            BidRow.organisation_id.in_(own),
            BidRow.state.in_(["opened", "refused"]),
        )
        if work.session.scalars(bids.limit(1)).first() is None:
            raise Forbidden("not_a_bidder", "只有参加了这次采购的组织才能查看。")
    return own


def _awards(work: Work, rows: Sequence[AwardRow]) -> list[Award]:
    names = dict(
        work.session.execute(
            select(OrganisationRow.organisation_id, OrganisationRow.name).where(
                OrganisationRow.organisation_id.in_([row.organisation_id for row in rows])
            )
        ).all()
    )
    told = {row.decision_id: service.notice_of(work, row.decision_id) for row in rows}
    ends = {decision: service.clocks(work, notice) for decision, notice in told.items()}
    shown = []
    for row in rows:
        notice, clocks = told[row.decision_id], ends[row.decision_id]
        contract = service.contract_of(work, row.award_id)
        plain = "award_id version decision_id call_id lot_id bid_id organisation_id rank price_fen state reason decided_at decided_by"
        shown.append(
            Award.model_validate(
                {
                    **{name: getattr(row, name) for name in plain.split()},
                    "organisation": names[row.organisation_id],
                    "notice_id": notice.notice_id if notice else None,
                    "notice_due": notice.due_at if notice else None,
                    "notice_published_at": notice.published_at if notice else None,
                    "challenge_until": clocks.challenge_until if clocks else None,
                    "sign_until": clocks.sign_until if clocks else None,
                    "contract_id": contract.contract_id if contract else None,
                }
            )
        )
    return shown


@ROUTER.get("/calls/{call_id}/awards")
def list_awards(call_id: UUID, work: Transaction, caller: Reader) -> Awards:
    """A call's awards, void ones too, with their clocks. Bidders see them once they are public."""
    calls.call(work, call_id)
    _bidder(work, call_id, caller)
    rows = work.session.scalars(
        select(AwardRow).where(AwardRow.call_id == call_id).order_by(AwardRow.decided_at, AwardRow.rank)
    ).all()
    items = _awards(work, rows)
    if not caller.has(*WIDE):
        public = [item for item in items if item.notice_published_at is not None]
        items = [item.model_copy(update={"decided_by": None}) for item in public]
    return Awards(items=items)


@ROUTER.post("/calls/{call_id}/awards", status_code=201)
def decide(call_id: UUID, body: Decision, work: Transaction, caller: Bureau) -> Awards:
    """Give a lot to whoever the ranking says, or to others with a reason. Its notice is due in two working days."""
    call = calls.call(work, call_id, lock=True)
    return Awards(items=_awards(work, service.decide(work, call, body)))


@ROUTER.post("/awards/{award_id}/void")
def void_award(award_id: UUID, body: Reason, work: Transaction, caller: Bureau) -> Done:
    """Void an award before its signature: the winner does not sign. The lot is decided anew, or void too."""
    row = service.award(work, award_id, lock=True)
    service.void_award(work, row, body.reason)
    return Done(id=award_id, version=row.version)


@ROUTER.post("/calls/{call_id}/lots/{lot_id}/void")
def void_lot(call_id: UUID, lot_id: UUID, body: Reason, work: Transaction, caller: Bureau) -> Done:
    """A scored lot that nobody gets (废标): its commitment is free again."""
    call = calls.call(work, call_id, lock=True)
    service.void_lot(work, call, lot_id, body.reason)
    return Done(id=lot_id, version=call.version)


@ROUTER.get("/calls/{call_id}/challenges")
def list_challenges(call_id: UUID, work: Transaction, caller: Reader) -> Challenges:
    """A call's challenges with their clocks; a bidder sees the own ones."""
    calls.call(work, call_id)
    own = _bidder(work, call_id, caller)
    query = select(ChallengeRow).where(ChallengeRow.call_id == call_id).order_by(ChallengeRow.filed_at)
    if not caller.has(*WIDE):
        query = query.where(ChallengeRow.organisation_id.in_(own))
    today = wall_day(work.now)
    plain = "challenge_id version call_id lot_id organisation_id text file_id filed_at answer_due state answer answered_at"
    return Challenges(
        items=[
            Challenge.model_validate(
                {
                    **{name: getattr(row, name) for name in plain.split()},
                    "overdue": row.state == "open" and today > row.answer_due,
                }
            )
            for row in work.session.scalars(query)
        ]
    )


@ROUTER.post("/calls/{call_id}/challenges", status_code=201)
def file_challenge(call_id: UUID, body: NewChallenge, work: Transaction, caller: Dispatcher) -> Done:
    """Challenge how a lot came out, within seven working days after the award's notice."""
    require(caller, Reach(organisation_id=body.organisation_id), Role.DISPATCHER)
    row = service.challenge(work, calls.call(work, call_id, lock=True), body)
    return Done(id=row.challenge_id, version=row.version)


@ROUTER.post("/challenges/{challenge_id}/withdraw")
def withdraw_challenge(challenge_id: UUID, work: Transaction, caller: Dispatcher) -> Done:
    """Take the own challenge back."""
    row = service.filed(work, challenge_id, lock=True)
    require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    service.withdraw(work, row)
    return Done(id=challenge_id, version=row.version)


@ROUTER.post("/challenges/{challenge_id}/answer")
def answer_challenge(challenge_id: UUID, body: ChallengeAnswer, work: Transaction, caller: Bureau) -> Done:
    """Answer a challenge: rejected, or upheld, which voids the lot's awards."""
    row = service.filed(work, challenge_id, lock=True)
    service.answer(work, row, body)
    return Done(id=challenge_id, version=row.version)


@ROUTER.post("/awards/{award_id}/contract", status_code=201)
def draw_up(award_id: UUID, body: NewAgreement, work: Transaction, caller: Bureau) -> Done:
    """Draw up an award's contract from call and bid, to be signed by both sides."""
    row = contracting.draw_up(work, service.award(work, award_id, lock=True), body)
    return Done(id=row.contract_id, version=row.version)


@ROUTER.get("/contracts/{contract_id}/agreement")
def read_agreement(contract_id: UUID, work: Transaction, caller: Reader) -> Agreement:
    """A contract's text with its hash, signatures, changes, supplementary agreements and money."""
    row = contracts.contract(work, contract_id)
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    said = contracting.agreement(work, contract_id)
    assert row.price_fen is not None
    changed = contracting.changes(work, contract_id)
    return Agreement(
        contract_id=contract_id,
        version=row.version,
        state=row.state,
        text=said.text,
        sha256=said.sha256,
        price_signed_fen=said.price_fen,
        price_fen=row.price_fen,
        paid_fen=row.paid_fen,
        bond_fen=said.bond_fen,
        bond_received_on=said.bond_received_on,
        bond_returned_on=said.bond_returned_on,
        signatures=[Signature.model_validate(s) for s in contracting.signatures(work, contract_id)],
        changes=[Change.model_validate(c) for c in changed],
        supplements=_supplements(work, contract_id, {c.change_id: c.number for c in changed}),
        closed_at=said.closed_at,
        result=said.result,
    )


def _supplements(work: Work, contract_id: UUID, numbers: dict[UUID, int]) -> list[Supplement]:
    own = set(Supplement.model_fields) - {"state", "change"}
    return [
        Supplement.model_validate(
            {
                **{name: getattr(row, name) for name in own},
                "state": supplements.state(work, row),
                "change": numbers[row.change_id] if row.change_id else None,
            }
        )
        for row in supplements.supplements(work, contract_id)
    ]


@ROUTER.post("/contracts/{contract_id}/signatures", status_code=201)
def sign(contract_id: UUID, body: Signing, work: Transaction, caller: Side) -> Done:
    """Sign for the bureau or for the own organisation, after the challenge days and within thirty."""
    row = contracts.contract(work, contract_id)
    own = caller.reaches(Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    if not own and not caller.has(Role.BUREAU):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    row = contracting.sign(work, contract_id, "organisation" if own else "bureau", body.sha256)
    return Done(id=contract_id, version=row.version)


@ROUTER.post("/contracts/{contract_id}/bond")
def note_bond(contract_id: UUID, body: Bond, work: Transaction, caller: Bureau) -> Done:
    """Note that the performance bond came in or was given back."""
    row = contracting.bond(work, contract_id, body)
    return Done(id=contract_id, version=row.version)


@ROUTER.post("/contracts/{contract_id}/supplements", status_code=201)
def propose_supplement(contract_id: UUID, body: NewChange, work: Transaction, caller: Bureau) -> Done:
    """Propose a change of a signed contract: more or fewer units, longer, suspended, taken up again, terminated.

    It is in force when the organisation has signed it too; a one-sided suspension or termination is so at once.
    """
    row = supplements.propose(work, contract_id, body)
    return Done(id=row.supplement_id, version=row.version)


@ROUTER.post("/supplements/{supplement_id}/signature", status_code=201)
def sign_supplement(supplement_id: UUID, body: Signing, work: Transaction, caller: Dispatcher) -> Done:
    """Sign a change that the bureau proposed, for the own organisation: it is in force."""
    _own_supplement(work, supplement_id, caller)
    return Done(id=supplement_id, version=supplements.sign(work, supplement_id, body.sha256).version)


@ROUTER.post("/supplements/{supplement_id}/decline")
def decline_supplement(supplement_id: UUID, body: Reason, work: Transaction, caller: Dispatcher) -> Done:
    """Decline a change that the bureau proposed: the contract stays as it is."""
    _own_supplement(work, supplement_id, caller)
    return Done(id=supplement_id, version=supplements.decline(work, supplement_id, body.reason).version)


@ROUTER.post("/supplements/{supplement_id}/withdraw")
def withdraw_supplement(supplement_id: UUID, body: Reason, work: Transaction, caller: Bureau) -> Done:
    """Take a proposed change back before it is signed."""
    return Done(id=supplement_id, version=supplements.withdraw(work, supplement_id, body.reason).version)


def _own_supplement(work: Work, supplement_id: UUID, caller: Caller) -> None:
    of = contracts.contract(work, supplements.supplement(work, supplement_id).contract_id)
    require(caller, Reach(organisation_id=of.organisation_id), Role.DISPATCHER)
