"""From accepted deliveries to money: claimed by month, checked, paid; each delivery once, never above the price.

What a contract owes is the sum of the entries that stand: of the delivery's last revision, accepted by resident, family or
centre, not disputed. A claim lists those that no live claim lists yet. A paid entry that no longer stands (corrected, its
acceptance taken back) comes into the next claim with a negative amount.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import select

from services.projects.awards import changes, contracting, supplements
from services.projects.awards.tables import AwardRow
from services.projects.calls import notices
from services.projects.calls import service as calls
from services.projects.calls.tables import LotRow
from services.projects.calls.workdays import end_of_workday
from services.projects.contracts import service as contracts
from services.projects.contracts.tables import ContractRow, LineRow
from services.projects.deliveries.tables import DeliveryRow, EntryRow
from services.projects.funds import service as funds
from services.projects.funds.rules import yuan
from services.projects.grants.tables import GrantRow
from services.projects.organisations.service import organisation
from services.projects.payments.schemas import Closing, Paying, Refund
from services.projects.payments.tables import ClaimEntryRow, ClaimRow, PaymentRow, RefundRow
from shared.clock import day_bounds, wall_day
from shared.contracts.payments import PaymentMade
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import Invalid, NotFound, Refused

OPEN = ("submitted", "checked")
NOT_ACCEPTED = (
    "有 {count} 次服务没有通过验收、已更正或有争议，不能支付（政府采购法实施条例第四十五条；平台约定 8.19）。"
)


@dataclass(frozen=True, slots=True)
class Due:
    """An entry with what a claim would say of it."""

    entry: EntryRow
    amount_fen: int


def bought(work: Work, contract_id: UUID, *, lock: bool = False) -> ContractRow:
    """A contract that a call brought about and both sides signed. Others are not paid here."""
    row = contracts.contract(work, contract_id, lock=lock)
    if row.price_fen is None or row.budget_line_id is None:
        raise Refused("unbudgeted_contract", "这份合同没有列入预算的采购，不能在这里付款（102 号令）。")
    if row.state == "unsigned":
        raise Refused("contract_unsigned", "合同还没有签订，不能付款。")
    return row


def standing(work: Work, contract_id: UUID, until: date | None = None) -> list[EntryRow]:
    """The entries that a contract owes money for, by day; locked against a change of their acceptance."""
    query = (
        select(EntryRow, DeliveryRow)
        .join(DeliveryRow, DeliveryRow.attendance_id == EntryRow.attendance_id)
        .join(LineRow, LineRow.line_id == EntryRow.line_id)
        .where(
            LineRow.contract_id == contract_id,
            EntryRow.reversal.is_(False),
            EntryRow.revision == DeliveryRow.revision,
            EntryRow.disputed.is_(False),
            EntryRow.amount_fen > 0,
            DeliveryRow.accepted,
            DeliveryRow.disputed_at.is_(None),
        )
        .order_by(EntryRow.attendance_id)
        .with_for_update(read=True, of=DeliveryRow)
    )
    if until is not None:
        query = query.where(EntryRow.day <= until)
    entries = [entry for entry, _ in work.session.execute(query)]
    return sorted(entries, key=lambda e: (e.day, e.entry_id))


def live(work: Work, contract_id: UUID) -> dict[UUID, tuple[ClaimEntryRow, ClaimRow]]:
    """What counts as claimed, by entry."""
    rows = work.session.execute(
        select(ClaimEntryRow, ClaimRow)
        .join(ClaimRow, ClaimRow.claim_id == ClaimEntryRow.claim_id)
        .where(ClaimRow.contract_id == contract_id, ClaimEntryRow.live)
    )
    return {row.entry_id: (row, claim) for row, claim in rows}


def claimable(work: Work, row: ContractRow, month: date) -> list[Due]:
    """What a claim for a month lists: what stands and was not claimed, and what was paid and no longer stands.

    Each visit is rounded to the fen for itself; together they never come to more than the price, so the last give way.
    """
    until = month_end(month)
    claimed = live(work, row.contract_id)
    stand = {entry.entry_id: entry for entry in standing(work, row.contract_id)}
    back = [
        Due(work.session.get_one(EntryRow, entry_id), -listed.amount_fen)
        for entry_id, (listed, claim) in sorted(claimed.items())
        if claim.state == "paid" and not _still(work, entry_id)
    ]
    assert row.price_fen is not None
    open_fen = sum(listed.amount_fen for listed, claim in claimed.values() if claim.state in OPEN)
    left = row.price_fen - row.paid_fen - open_fen - sum(due.amount_fen for due in back)
    fresh = []
    for entry in stand.values():
        amount = min(entry.amount_fen, left)
        if entry.entry_id not in claimed and entry.day <= until and amount > 0:
            fresh.append(Due(entry, amount))
            left -= amount
    return [*fresh, *back]


def _still(work: Work, entry_id: UUID) -> bool:
    """Whether a paid entry is still of its delivery's last revision and accepted. A later dispute takes nothing back."""
    found = work.session.execute(
        select(DeliveryRow.attendance_id)
        .join(EntryRow, EntryRow.attendance_id == DeliveryRow.attendance_id)
        .where(EntryRow.entry_id == entry_id, EntryRow.revision == DeliveryRow.revision, DeliveryRow.accepted)
        .with_for_update(read=True, of=DeliveryRow)
    ).first()
    return found is not None


def month_end(month: date) -> date:
    """The last day of the month that begins on a day."""
    return month + relativedelta(months=1) - timedelta(days=1)


def claim(work: Work, contract_id: UUID, month: date) -> ClaimRow:
    """Claim what was accepted until a month's end and not claimed before. One claim at a time is open."""
    row = bought(work, contract_id, lock=True)
    if contracting.agreement(work, contract_id).closed_at is not None:
        raise Refused("contract_closed", "合同已经办结，不能再申请付款。")
    if month > wall_day(work.now):
        raise Invalid("month_ahead", "还没有到这个月。", field="month")
    if _open_claim(work, contract_id) is not None:
        raise Refused("claim_open", "上一次付款申请还没有办完。")
    listed = claimable(work, row, month)
    amount = sum(due.amount_fen for due in listed)
    if amount <= 0:
        raise Refused(
            "nothing_accepted",
            "没有已验收、未申请过的服务：未经验收不付款（政府采购法实施条例第四十五条；平台约定 8.19）。",
            field="month",
        )
    made = _write(work, row, month, listed, "submitted")
    work.audit("claim.submit", made.claim_id)
    return made


def _write(work: Work, row: ContractRow, month: date, listed: Sequence[Due], state: str) -> ClaimRow:
    """Write a claim down with what it lists; what it takes back no longer counts as claimed."""
    made = ClaimRow(
        claim_id=new_id(),
        contract_id=row.contract_id,
        organisation_id=row.organisation_id,
        month=month,
        amount_fen=sum(due.amount_fen for due in listed),
        state=state,
        submitted_by=work.caller.person_id if work.caller else None,
        submitted_at=work.now,
        checked_by=None,
        checked_at=None,
        refused_reason=None,
    )
    work.session.add(made)
    work.session.flush()
    for due in listed:
        if due.amount_fen < 0:
            claimed, _ = live(work, row.contract_id)[due.entry.entry_id]
            claimed.live = False
            work.session.flush()
        work.session.add(
            ClaimEntryRow(
                claim_id=made.claim_id,
                entry_id=due.entry.entry_id,
                amount_fen=due.amount_fen,
                live=due.amount_fen > 0,
            )
        )
    work.session.flush()
    return made


def _open_claim(work: Work, contract_id: UUID) -> ClaimRow | None:
    return work.session.scalars(
        select(ClaimRow).where(ClaimRow.contract_id == contract_id, ClaimRow.state.in_(OPEN))
    ).first()


def submitted(work: Work, claim_id: UUID, *, lock: bool = False) -> ClaimRow:
    """The claim; locked together with its contract, the contract first. 404 when there is none."""
    row = work.session.get(ClaimRow, claim_id)
    if row is None:
        raise NotFound("claim_unknown", "没有这份付款申请。")
    if lock:
        contracts.contract(work, row.contract_id, lock=True)
        work.session.refresh(row, with_for_update=True)
    return row


def entries(work: Work, claim_id: UUID) -> list[Due]:
    """What a claim lists, by day."""
    rows = work.session.execute(
        select(EntryRow, ClaimEntryRow.amount_fen)
        .join(ClaimEntryRow, ClaimEntryRow.entry_id == EntryRow.entry_id)
        .where(ClaimEntryRow.claim_id == claim_id)
        .order_by(EntryRow.day, EntryRow.entry_id)
    )
    return [Due(entry, amount) for entry, amount in rows]


def _hold_to_acceptance(work: Work, row: ClaimRow) -> None:
    """Refuse a claim of which something no longer stands: it is refused and claimed anew without that."""
    stand = {entry.entry_id for entry in standing(work, row.contract_id)}
    fallen = [
        due for due in entries(work, row.claim_id) if due.amount_fen > 0 and due.entry.entry_id not in stand
    ]
    if fallen:
        raise Refused("not_accepted", NOT_ACCEPTED, count=len(fallen))


def check(work: Work, row: ClaimRow) -> None:
    """The bureau finds a claim right."""
    if row.state != "submitted":
        raise Refused("claim_state", "付款申请不在这一步，不能这样办；请刷新后再看。")
    _hold_to_acceptance(work, row)
    row.state, row.checked_at = "checked", work.now
    row.checked_by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit("claim.check", row.claim_id)


def refuse(work: Work, row: ClaimRow, reason: str) -> None:
    """Refuse a claim: its entries may be claimed anew, and what it took back counts as paid again."""
    if row.state not in OPEN:
        raise Refused("claim_state", "付款申请不在这一步，不能这样办；请刷新后再看。")
    row.state, row.refused_reason = "refused", reason
    for listed in work.session.scalars(
        select(ClaimEntryRow).where(ClaimEntryRow.claim_id == row.claim_id).order_by(ClaimEntryRow.entry_id)
    ).all():
        listed.live = False
        if listed.amount_fen < 0:
            _paid_entry(work, row.contract_id, listed.entry_id).live = True
    work.session.flush()
    work.audit("claim.refuse", row.claim_id)


def _paid_entry(work: Work, contract_id: UUID, entry_id: UUID) -> ClaimEntryRow:
    """The line of the latest paid claim that paid an entry."""
    return work.session.scalars(
        select(ClaimEntryRow)
        .join(ClaimRow, ClaimRow.claim_id == ClaimEntryRow.claim_id)
        .where(
            ClaimRow.contract_id == contract_id,
            ClaimRow.state == "paid",
            ClaimEntryRow.entry_id == entry_id,
            ClaimEntryRow.amount_fen > 0,
        )
        .order_by(ClaimRow.claim_id.desc())
        .limit(1)
    ).one()


def pay(work: Work, row: ClaimRow, body: Paying) -> PaymentRow:
    """Pay a checked claim: committed money becomes spent. What is not accepted any more is not paid."""
    if row.state != "checked":
        raise Refused("claim_state", "付款申请不在这一步，不能这样办；请刷新后再看。")
    hold_apart(work, row.checked_by)
    if body.paid_on > wall_day(work.now):
        raise Invalid("day_ahead", "日期不能晚于今天。", field="paid_on")
    _hold_to_acceptance(work, row)
    contract = bought(work, row.contract_id)
    if body.paid_on < contract.signed:
        raise Invalid("day_before", "付款日期不能早于合同签订日期。", field="paid_on")
    assert contract.price_fen is not None
    assert contract.budget_line_id is not None
    if contract.paid_fen + row.amount_fen > contract.price_fen:
        raise Refused("over_price", "支付合计不得超过合同金额（政府采购法第四十六条）。")
    row.state = "paid"
    contract.paid_fen += row.amount_fen
    work.session.flush()
    made = pay_out(
        work,
        body,
        PaymentRow(
            budget_line_id=contract.budget_line_id,
            organisation_id=row.organisation_id,
            contract_id=contract.contract_id,
            claim_id=row.claim_id,
            fen=row.amount_fen,
        ),
        contract.call_id,
        contract.number,
    )
    contracts.tell_contract(work, contract)
    return made


def hold_apart(work: Work, checked_by: UUID | None) -> None:
    """Refuse to let who checked a claim, or reviewed a milestone, pay it too."""
    if checked_by is not None and work.caller is not None and work.caller.person_id == checked_by:
        raise Refused(
            "checked_by_payer",
            "核对和付款不能是同一个人，请由另一位同事登记付款（行政事业单位内部控制规范：不相容岗位相互分离）。",
        )


def pay_out(work: Work, body: Paying, made: PaymentRow, call_id: UUID | None, number: str) -> PaymentRow:
    """Write down a payment for a contract's claim or a grant's milestone, spend it from its line, owe the public a
    notice of it, and tell of it. `made`: for what, to whom and how much.
    """
    made.payment_id, made.reference, made.paid_on = new_id(), body.reference, body.paid_on
    made.by, made.at = work.caller.person_id if work.caller else None, work.now
    work.session.add(made)
    work.session.flush()
    funds.spend(work, made.budget_line_id, made.fen, "payment", made.payment_id, made.reference)
    days = int(rule_value("payment_published_days", wall_day(work.now)))
    notices.due(
        work,
        "payment",
        made.payment_id,
        call_id,
        day_bounds(made.paid_on + timedelta(days=days))[1],
        {
            "number": number,
            "organisation": organisation(work, made.organisation_id).name,
            "fen": made.fen,
            "paid_on": made.paid_on.isoformat(),
        },
    )
    work.audit("payment.make", made.payment_id)
    of_contract = made.contract_id is not None
    about_id = made.contract_id if of_contract else made.grant_id
    assert about_id is not None
    work.emit(
        PaymentMade(
            payment_id=made.payment_id,
            about="contract" if of_contract else "grant",
            about_id=about_id,
            organisation_id=made.organisation_id,
            budget_line_id=made.budget_line_id,
            fen=made.fen,
            paid_on=made.paid_on,
        )
    )
    return made


def close(work: Work, contract_id: UUID, body: Closing) -> ContractRow:
    """End a contract for good: all claims ended, what was paid too much come back, the rest of its money free again."""
    result = body.result
    of_call = contracts.contract(work, contract_id).call_id
    if of_call is not None:
        calls.call(work, of_call, lock=True)
    row = bought(work, contract_id, lock=True)
    said = contracting.agreement(work, contract_id, lock=True)
    today = wall_day(work.now)
    if said.closed_at is not None:
        raise Refused("contract_closed", "合同已经办结。")
    if row.state != "ended" and today <= row.valid_to:
        raise Refused("contract_running", "合同还没有到期，也没有终止，不能办结。")
    if _open_claim(work, contract_id) is not None:
        raise Refused("claim_open", "上一次付款申请还没有办完。")
    left = claimable(work, row, today.replace(day=1))
    amount = sum(due.amount_fen for due in left)
    if amount > 0:
        raise Refused("unclaimed", "还有 {count} 次已验收的服务没有付款。", count=len(left))
    if amount < 0 and body.refund is None:
        raise Refused(
            "to_give_back",
            "有已付款的服务被更正或者不再验收，多付的 {fen} 元退回以后才能办结。",
            field="refund",
            fen=yuan(-amount),
        )
    if amount == 0 and body.refund is not None:
        raise Invalid("no_refund", "没有多付的款项。", field="refund")
    if row.state != "ended":
        contracts.set_state(work, row, "ended")
    supplements.drop(work, contract_id)
    changes.reclaim(work, row, result)
    assert row.price_fen is not None
    assert row.budget_line_id is not None
    funds.release(work, row.budget_line_id, row.price_fen - row.paid_fen, "contract", contract_id, result)
    if left:
        settled = _write(work, row, today.replace(day=1), left, "paid")
        if body.refund is not None:
            _take_back(work, row, settled, body.refund)
    said.closed_at, said.result = work.now, result
    said.closed_by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit("contract.close", contract_id)
    _acceptance_notice(work, row, result)
    contracts.tell_contract(work, row)
    if row.call_id is not None:
        close_call(work, row.call_id)
    return row


def _take_back(work: Work, row: ContractRow, claim: ClaimRow, body: Refund) -> None:
    """What was paid too much has come back: it is free on its line again."""
    if not row.signed <= body.received_on <= wall_day(work.now):
        raise Invalid("refund_day", "退回日期要在合同签订以后，不晚于今天。", field="refund")
    assert row.budget_line_id is not None
    made = RefundRow(
        refund_id=new_id(),
        claim_id=claim.claim_id,
        contract_id=row.contract_id,
        budget_line_id=row.budget_line_id,
        organisation_id=row.organisation_id,
        fen=-claim.amount_fen,
        reference=body.reference,
        received_on=body.received_on,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    work.session.add(made)
    row.paid_fen -= made.fen
    work.session.flush()
    funds.refund(work, row.budget_line_id, made.fen, "contract", row.contract_id, body.reference)
    work.audit("payment.refund", made.refund_id)
    work.emit(
        PaymentMade(
            payment_id=made.refund_id,
            about="contract",
            about_id=row.contract_id,
            organisation_id=row.organisation_id,
            budget_line_id=row.budget_line_id,
            fen=-made.fen,
            paid_on=body.received_on,
        )
    )


def _acceptance_notice(work: Work, row: ContractRow, result: str) -> None:
    lines = contracts.lines(work, row.contract_id)
    balances = contracts.balances(work, lines)
    today = wall_day(work.now)
    days = int(rule_value("acceptance_published_working_days", today))
    body = {
        "number": row.number,
        "title": row.title,
        "organisation": organisation(work, row.organisation_id).name,
        "result": result,
        "price_fen": row.price_fen,
        "paid_fen": row.paid_fen,
        "lines": [
            {
                "name": line.name,
                "unit": line.unit,
                "accepted": balances[line.line_id].accepted,
                "delivered": balances[line.line_id].delivered,
            }
            for line in lines
        ],
    }
    notices.due(work, "acceptance", row.contract_id, row.call_id, end_of_workday(work, today, days), body)


def close_call(work: Work, call_id: UUID) -> None:
    """A call is closed with the last of its contracts and grants."""
    call = calls.call(work, call_id, lock=True)
    if call.state != "signed":
        return
    signed = work.session.scalars(
        select(AwardRow.award_id)
        .join(LotRow, LotRow.lot_id == AwardRow.lot_id)
        .where(AwardRow.call_id == call_id, AwardRow.state == "signed")
    ).all()
    ended = set(
        work.session.scalars(
            select(GrantRow.award_id).where(
                GrantRow.call_id == call_id, GrantRow.state.in_(["completed", "terminated"])
            )
        )
    )
    for award_id in signed:
        contract = work.session.scalars(select(ContractRow).where(ContractRow.award_id == award_id)).first()
        if contract is None:
            if award_id not in ended:
                return
        elif contracting.agreement(work, contract.contract_id).closed_at is None:
            return
    call.state = "closed"
    work.session.flush()
    work.audit("call.closed", call_id)
    calls.tell(work, call)


def accepted_fen(work: Work, contract_id: UUID) -> int:
    """The money of what stands accepted under a contract."""
    return sum(entry.amount_fen for entry in standing(work, contract_id))


def list_claims(work: Work, contract_id: UUID) -> Sequence[ClaimRow]:
    """A contract's claims, the newest first."""
    return work.session.scalars(
        select(ClaimRow).where(ClaimRow.contract_id == contract_id).order_by(ClaimRow.claim_id.desc())
    ).all()
