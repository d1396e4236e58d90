"""Claims and payments over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from sqlalchemy import false, select

from services.projects.contracts import service as contracts
from services.projects.contracts.tables import ContractRow
from services.projects.payments import service
from services.projects.payments.schemas import (
    Claim,
    Claimable,
    ClaimEntry,
    ClaimRefusal,
    ClaimShown,
    Closing,
    NewClaim,
    Paying,
    Payment,
)
from services.projects.payments.tables import ClaimRow, PaymentRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "payments")
WIDE = (Role.BUREAU, Role.AUDITOR)
Bureau = Annotated[Caller, may(Role.BUREAU)]
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
Reader = Annotated[Caller, may(*WIDE, Role.DISPATCHER)]


def _require(caller: Caller, row: ContractRow | ClaimRow) -> None:
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)


@ROUTER.get("/contracts/{contract_id}/claimable")
def read_claimable(
    contract_id: UUID, work: Transaction, caller: Reader, month: date | None = None
) -> Claimable:
    """What could be claimed for a month now; for the present one where none is named."""
    _require(caller, contracts.contract(work, contract_id))
    row = service.bought(work, contract_id)
    today = wall_day(work.now)
    first = min(month or today, today).replace(day=1)
    due = service.claimable(work, row, first)
    assert row.price_fen is not None
    return Claimable(
        contract_id=contract_id,
        month=first,
        entries=len(due),
        amount_fen=sum(each.amount_fen for each in due),
        accepted_fen=service.accepted_fen(work, contract_id),
        paid_fen=row.paid_fen,
        price_fen=row.price_fen,
    )


@ROUTER.get("/contracts/{contract_id}/claims")
def list_claims(contract_id: UUID, work: Transaction, caller: Reader) -> Page[Claim]:
    """A contract's claims, the newest first."""
    _require(caller, contracts.contract(work, contract_id))
    return Page(items=[_claim(row, caller) for row in service.list_claims(work, contract_id)])


def _claim(row: ClaimRow, caller: Caller) -> Claim:
    shown = Claim.model_validate(row)
    return shown.model_copy(update={"checked_by_reader": row.checked_by == caller.person_id})


@ROUTER.post("/contracts/{contract_id}/claims", status_code=201)
def claim(contract_id: UUID, body: NewClaim, work: Transaction, caller: Dispatcher) -> Done:
    """Claim what resident, family or centre accepted until a month's end, each delivery once."""
    row = contracts.contract(work, contract_id)
    require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    made = service.claim(work, contract_id, body.month)
    return Done(id=made.claim_id, version=made.version)


@ROUTER.get("/claims/{claim_id}")
def read_claim(claim_id: UUID, work: Transaction, caller: Reader) -> ClaimShown:
    """A claim with the entries it lists."""
    row = service.submitted(work, claim_id)
    _require(caller, row)
    return ClaimShown(
        **_claim(row, caller).model_dump(),
        entries=[
            ClaimEntry.model_validate(
                {
                    "entry_id": due.entry.entry_id,
                    "day": due.entry.day,
                    "kind": due.entry.kind,
                    "units": due.entry.units if due.amount_fen > 0 else -due.entry.units,
                    "amount_fen": due.amount_fen,
                }
            )
            for due in service.entries(work, claim_id)
        ],
    )


@ROUTER.post("/claims/{claim_id}/check")
def check(claim_id: UUID, work: Transaction, caller: Bureau) -> Done:
    """Find a claim right."""
    row = service.submitted(work, claim_id, lock=True)
    service.check(work, row)
    return Done(id=claim_id, version=row.version)


@ROUTER.post("/claims/{claim_id}/refuse")
def refuse(claim_id: UUID, body: ClaimRefusal, work: Transaction, caller: Bureau) -> Done:
    """Refuse a claim with a reason: its entries may be claimed anew."""
    row = service.submitted(work, claim_id, lock=True)
    service.refuse(work, row, body.reason)
    return Done(id=claim_id, version=row.version)


@ROUTER.post("/claims/{claim_id}/pay", status_code=201)
def pay(claim_id: UUID, body: Paying, work: Transaction, caller: Bureau) -> Payment:
    """Pay a checked claim from the contract's budget line."""
    row = service.submitted(work, claim_id, lock=True)
    return Payment.model_validate(service.pay(work, row, body))


@ROUTER.get("/payments")
def list_payments(
    work: Transaction,
    caller: Reader,
    contract_id: UUID | None = None,
    grant_id: UUID | None = None,
    budget_line_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Payment]:
    """Payments, the newest first; an organisation sees its own."""
    query = select(PaymentRow).order_by(PaymentRow.payment_id.desc()).limit(limit + 1)
    if not caller.has(*WIDE):
        own = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
        query = query.where(PaymentRow.organisation_id.in_(own) if own else false())
    if contract_id:
        query = query.where(PaymentRow.contract_id == contract_id)
    if grant_id:
        query = query.where(PaymentRow.grant_id == grant_id)
    if budget_line_id:
        query = query.where(PaymentRow.budget_line_id == budget_line_id)
    if cursor:
        query = query.where(PaymentRow.payment_id < cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Payment.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].payment_id) if len(rows) > limit else None)


@ROUTER.post("/contracts/{contract_id}/close")
def close(contract_id: UUID, body: Closing, work: Transaction, caller: Bureau) -> Done:
    """End a contract for good: what is left of its money is free again; the acceptance result is to be published."""
    row = service.close(work, contract_id, body)
    return Done(id=contract_id, version=row.version)
