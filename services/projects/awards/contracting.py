"""The contract of an award: its text, drawn up from call, bid and award; signed by both sides; the performance bond.

What is signed is the text's SHA-256. With the second signature the contract's lines are told to the matcher.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from services.projects.awards import lots as lots_of
from services.projects.awards import service
from services.projects.awards.schemas import Bond, NewAgreement
from services.projects.awards.tables import AgreementRow, AwardRow, ContractChangeRow, SignatureRow
from services.projects.bids.tables import BidRow
from services.projects.calls import notices
from services.projects.calls import service as calls
from services.projects.calls.methods import BENEFICIARY_WORDS, THEMES, Method
from services.projects.calls.tables import CallRow, LotLineRow, LotRow
from services.projects.calls.workdays import end_of_workday
from services.projects.contracts import service as contracts
from services.projects.contracts.schemas import NewLine
from services.projects.contracts.tables import ContractRow
from services.projects.deliveries.service import amount_fen
from services.projects.funds import service as funds
from services.projects.funds.rules import yuan
from services.projects.organisations.service import organisation
from shared.clock import wall_day
from shared.contracts.codes import ContractUnit, ServiceKind
from shared.database.work import Work
from shared.ids import derived_id, new_id
from shared.rules import rule_value
from shared.web.problems import Changed, Invalid, NotFound, Refused

UNITS = {ContractUnit.VISIT: "次", ContractUnit.HOUR: "小时", ContractUnit.PERSON_TIME: "人次"}


def draw_up(
    work: Work,
    award: AwardRow,
    new: NewAgreement,
    contract_id: UUID | None = None,
    line_ids: Mapping[UUID, UUID] | None = None,
) -> ContractRow:
    """Draw up an award's contract with its lines at the prices bid. It is not signed yet, and nothing is drawn on it.

    `contract_id`, `line_ids` by lot line: where others know them by these already.
    """
    call = calls.call(work, award.call_id)
    if call.method == Method.VENTURE:
        raise Refused("no_contract", "公益创投项目签订资助协议，请用立项。")
    if award.state != "decided":
        raise Refused("award_final", "已经签订合同或者已经作废的结果不能再签。")
    if service.contract_of(work, award.award_id) is not None:
        raise Refused("contract_drawn", "这项结果已经拟好合同。")
    lot = work.session.get_one(LotRow, award.lot_id)
    today = wall_day(work.now)
    years = int(rule_value("contract_longest_years", today))
    if (lot.valid_to - lot.valid_from).days > 366 * years:
        raise Invalid("contract_too_long", "合同最长 {years} 年（102 号令）。", field="valid_to", years=years)
    percent = call.performance_bond_percent
    if new.performance_bond_percent is not None:
        percent = new.performance_bond_percent
    most = int(rule_value("performance_bond_most_percent", today))
    if percent > most:
        raise Invalid(
            "bond_too_large",
            "履约保证金不得超过合同金额的 {most}%（政府采购法实施条例第四十八条）。",
            field="performance_bond_percent",
            most=most,
        )
    assert call.budget_line_id is not None
    line = funds.line(work, call.budget_line_id)
    row = ContractRow(
        contract_id=contract_id or new_id(),
        organisation_id=award.organisation_id,
        number=new.number,
        title=new.title,
        fund=funds.fund(work, line.fund_id).name,
        theme=THEMES.get(call.theme or "", call.theme or ""),
        beneficiary="、".join(BENEFICIARY_WORDS.get(code, code) for code in call.beneficiaries),
        signed=min(today, lot.valid_to),
        valid_from=lot.valid_from,
        valid_to=lot.valid_to,
        state="unsigned",
        call_id=call.call_id,
        award_id=award.award_id,
        budget_line_id=call.budget_line_id,
        price_fen=award.price_fen,
        paid_fen=0,
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    bought = _lines(work, call, lot, award, row, line_ids or {})
    text = _text(work, call, lot, award, row, bought, award.price_fen * percent // 100, new.terms)
    work.session.add(
        AgreementRow(
            contract_id=row.contract_id,
            text=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            price_fen=award.price_fen,
            bond_fen=award.price_fen * percent // 100,
            bond_received_on=None,
            bond_returned_on=None,
            made_by=work.caller.person_id if work.caller else None,
            made_at=work.now,
            closed_at=None,
            closed_by=None,
            result=None,
        )
    )
    work.session.flush()
    work.audit("contract.draw_up", row.contract_id)
    contracts.tell_contract(work, row)
    return row


def _lines(
    work: Work,
    call: CallRow,
    lot: LotRow,
    award: AwardRow,
    row: ContractRow,
    line_ids: Mapping[UUID, UUID],
) -> Sequence[tuple[LotLineRow, int, int]]:
    """Make the contract's lines: of each lot line the winner's share at the price bid."""
    beside = [a for a in lots_of.decided(work, lot.lot_id) if a.decision_id == award.decision_id]
    place = [a.award_id for a in beside].index(award.award_id)
    prices = service.unit_prices(work.session.get_one(BidRow, award.bid_id))
    bought = []
    for each in calls.lines(work, [lot.lot_id]).get(lot.lot_id, []):
        units, price = service.share(each.units, place, len(beside)), prices[each.lot_line_id]
        bought.append((each, units, price))
        contracts.add_line(
            work,
            row,
            NewLine(
                name=each.name,
                kinds=[ServiceKind(kind) for kind in each.kinds],
                community_ids=each.community_ids,
                unit=ContractUnit(each.unit),
                rounding_minutes=each.rounding_minutes,
                ceiling=units,
                unit_price_fen=price,
                wasted_trip=each.wasted_trip,
            ),
            line_ids.get(each.lot_line_id) or derived_id("contract line", row.contract_id, each.lot_line_id),
        )
    return bought


def _text(
    work: Work,
    call: CallRow,
    lot: LotRow,
    award: AwardRow,
    row: ContractRow,
    bought: Sequence[tuple[LotLineRow, int, int]],
    bond_fen: int,
    terms: str,
) -> str:
    """The contract as both sides read and sign it."""
    provider = organisation(work, row.organisation_id)
    said = [
        row.title,
        f"合同编号：{row.number}",
        f"采购编号：{call.number}（{call.title}），第 {lot.number} 包：{lot.name}",
        f"准入批准：{call.gate_number}，{call.gate_day}，{call.gate_approver}",
        "采购人（甲方）：民政局",
        f"承接主体（乙方）：{provider.name}，统一社会信用代码 {provider.credit_code}",
        f"服务期限：{row.valid_from} 至 {row.valid_to}",
        "",
        "服务内容和价格：",
        *(
            f"{at}. {priced(line.name, ContractUnit(line.unit), units, price)}"
            for at, (line, units, price) in enumerate(bought, 1)
        ),
        total_said(award.price_fen),
        f"履约保证金：{yuan(bond_fen)} 元",
        "",
        "付款：按月申请，只付经服务对象、家属或者照料中心验收的服务；未经验收不付款",
        "变更：由双方签署补充协议，追加不超过合同金额的百分之十（政府采购法第四十九条）；"
        "继续履行会损害国家利益或者社会公共利益的，甲方可以单方中止或者终止（第五十条）；"
        "变更、中止和终止都写明理由并公告",
        f"资金来源：{row.fund}",
    ]
    if terms:
        said += ["", "其他约定：", terms]
    return "\n".join(said) + "\n"


def priced(name: str, unit: ContractUnit, units: int, price_fen: int) -> str:
    """A line as a contract's text says it; `units` in hundredths."""
    return (
        f"{name}：{units / 100:g} {UNITS[unit]}，"
        f"单价 {yuan(price_fen)} 元，合计 {yuan(amount_fen(units, price_fen))} 元"
    )


def total_said(price_fen: int) -> str:
    """The price as a contract's text says it."""
    return f"合同总价：{yuan(price_fen)} 元"


def agreement(work: Work, contract_id: UUID, *, lock: bool = False) -> AgreementRow:
    """The agreement of a contract. 404 when the contract came about without a call."""
    row = work.session.get(
        AgreementRow, contract_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if row is None:
        raise NotFound("agreement_unknown", "这份合同不是经采购签订的。")
    return row


def signatures(work: Work, contract_id: UUID) -> Sequence[SignatureRow]:
    """Who has signed, the first first."""
    return work.session.scalars(
        select(SignatureRow).where(SignatureRow.contract_id == contract_id).order_by(SignatureRow.at)
    ).all()


def sign(work: Work, contract_id: UUID, side: str, sha256: str) -> ContractRow:
    """One side's signature. With both, the contract is in force: its lines may be planned with."""
    found = contracts.contract(work, contract_id)
    if found.award_id is None:
        raise NotFound("agreement_unknown", "这份合同不是经采购签订的。")
    award = service.award(work, found.award_id, lock=True)
    row = contracts.contract(work, contract_id, lock=True)
    said = agreement(work, contract_id)
    if row.state != "unsigned":
        raise Refused("contract_signed", "这份合同已经签订，或者已经作废。")
    service.may_sign(work, award)
    if sha256 != said.sha256:
        raise Changed("text_changed", "合同文本与您看到的不同，请重新阅读后再签。")
    if side in {s.side for s in signatures(work, contract_id)}:
        raise Refused("side_signed", "这一方已经签过。")
    assert work.caller is not None
    work.session.add(
        SignatureRow(
            contract_id=contract_id,
            side=side,
            person_id=work.caller.person_id,
            sha256=sha256,
            at=work.now,
        )
    )
    work.session.flush()
    work.audit("contract.sign", contract_id, side=side)
    if len(signatures(work, contract_id)) == 2:
        _in_force(work, row, award)
    return row


def _in_force(work: Work, row: ContractRow, award: AwardRow) -> None:
    today = wall_day(work.now)
    row.signed = today
    if row.signed > row.valid_to:
        raise Refused("contract_over", "服务期限已经过去，不能再签。")
    award.state = "signed"
    contracts.set_state(work, row, "active")
    days = int(rule_value("contract_published_working_days", today))
    body = {
        "number": row.number,
        "title": row.title,
        "organisation": organisation(work, row.organisation_id).name,
        "price_fen": row.price_fen,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": row.valid_to.isoformat(),
        "signed": today.isoformat(),
        "sha256": agreement(work, row.contract_id).sha256,
    }
    notices.due(work, "contract", row.contract_id, row.call_id, end_of_workday(work, today, days), body)
    assert row.call_id is not None
    lots_of.advance(work, calls.call(work, row.call_id))


def bond(work: Work, contract_id: UUID, body: Bond) -> AgreementRow:
    """Note that the performance bond came in or was given back."""
    row = agreement(work, contract_id, lock=True)
    if row.bond_fen == 0:
        raise Refused("no_bond", "这份合同没有履约保证金。")
    if body.on > wall_day(work.now):
        raise Invalid("day_ahead", "日期不能晚于今天。", field="on")
    if body.what == "received":
        if row.bond_received_on is not None:
            raise Refused("bond_received", "履约保证金已经收到。")
        row.bond_received_on = body.on
    else:
        if row.bond_received_on is None or row.bond_returned_on is not None:
            raise Refused("bond_not_held", "没有可以退还的履约保证金。")
        if body.on < row.bond_received_on:
            raise Invalid("day_before", "退还日期不能早于收到日期。", field="on")
        row.bond_returned_on = body.on
    work.session.flush()
    work.audit(f"contract.bond_{body.what}", contract_id)
    return row


def changes(work: Work, contract_id: UUID) -> Sequence[ContractChangeRow]:
    """What changed since the signatures, in order."""
    return work.session.scalars(
        select(ContractChangeRow)
        .where(ContractChangeRow.contract_id == contract_id)
        .order_by(ContractChangeRow.number)
    ).all()


def last_day(row: ContractRow, years: int) -> date:
    """The last day to which a contract may be extended."""
    return row.valid_from + timedelta(days=366 * years)
