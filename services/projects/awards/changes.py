"""What changes of a signed contract do: each with its limits, its notice and its entry; money and units go with it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from services.projects.awards import contracting
from services.projects.awards.schemas import LineUnits, NewChange
from services.projects.awards.tables import AgreementRow, ContractChangeRow
from services.projects.calls import notices
from services.projects.calls.workdays import end_of_workday
from services.projects.contracts import service as contracts
from services.projects.contracts.tables import BalanceRow, ContractRow, LineRow
from services.projects.deliveries.service import amount_fen
from services.projects.deliveries.tables import DeliveryRow, EntryRow
from services.projects.funds import service as funds
from shared.clock import wall_day
from shared.database.work import Work
from shared.rules import rule_value
from shared.web.problems import Invalid, Refused

FROM = {
    "addition": ("active", "suspended"),
    "reduction": ("active", "suspended"),
    "extension": ("active", "suspended"),
    "suspension": ("active",),
    "resumption": ("suspended",),
    "termination": ("active", "suspended"),
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to the price, and which units it moves."""

    delta_fen: int = 0
    lines: tuple[dict[str, Any], ...] = ()


def may(row: ContractRow, kind: str) -> None:
    """Refuse a change that the contract's state does not allow."""
    if row.state not in FROM[kind]:
        raise Refused("contract_state", "合同不在这一步，不能这样变更；请刷新后再看。")


def check(work: Work, row: ContractRow, said: AgreementRow, body: NewChange) -> None:
    """Refuse what could not come into force as things stand: state, units, the rule's share, money, days."""
    may(row, body.kind)
    match body.kind:
        case "addition":
            delta = _within_most(work, row, said, _named(work, row, body.lines))
            assert row.budget_line_id is not None
            funds.check_free(work, row.budget_line_id, delta)
        case "reduction":
            _still_free(work, _named(work, row, body.lines))
        case "extension":
            _later(work, row, body.until)


def carry_out(
    work: Work, row: ContractRow, said: AgreementRow, body: NewChange, change_id: UUID
) -> ContractChangeRow:
    """Bring a change about: money and units go with it, its notice is due. The contract is locked; then lines, budget line."""
    may(row, body.kind)
    effect = Effect()
    match body.kind:
        case "addition":
            effect = _add(work, row, said, body.lines, body.reason)
        case "reduction":
            effect = _reduce(work, row, body.lines, body.reason)
        case "extension":
            _extend(work, row, body.until)
        case "suspension":
            contracts.set_state(work, row, "suspended")
        case "resumption":
            contracts.set_state(work, row, "active")
        case "termination":
            contracts.set_state(work, row, "ended")
            effect = reclaim(work, row, body.reason)
    before = contracting.changes(work, row.contract_id)
    made = ContractChangeRow(
        change_id=change_id,
        contract_id=row.contract_id,
        number=len(before) + 1,
        kind=body.kind,
        delta_fen=effect.delta_fen,
        lines=list(effect.lines),
        until=body.until,
        reason=body.reason,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    work.session.add(made)
    work.session.flush()
    today = wall_day(work.now)
    days = int(rule_value("contract_published_working_days", today))
    notices.due(
        work,
        "contract_change",
        made.change_id,
        row.call_id,
        end_of_workday(work, today, days),
        {
            "number": row.number,
            "title": row.title,
            "change": made.number,
            "kind": made.kind,
            "delta_fen": made.delta_fen,
            "until": body.until.isoformat() if body.until else None,
            "reason": made.reason,
            "one_sided": body.one_sided,
        },
    )
    work.audit(f"contract.{body.kind}", row.contract_id)
    contracts.tell_contract(work, row)
    return made


def _named(work: Work, row: ContractRow, named: Sequence[LineUnits]) -> list[tuple[LineRow, int]]:
    """The lines that a change names, locked in the order of their ids."""
    known = {line.line_id: line for line in contracts.lines(work, row.contract_id, lock=True)}
    if any(each.line_id not in known for each in named):
        raise Invalid("line_unknown", "没有这条合同项目。", field="lines")
    return [(known[each.line_id], each.units) for each in sorted(named, key=lambda n: n.line_id)]


def _add(work: Work, row: ContractRow, said: AgreementRow, named: Sequence[LineUnits], reason: str) -> Effect:
    lines = _named(work, row, named)
    delta = _within_most(work, row, said, lines)
    assert row.price_fen is not None
    assert row.budget_line_id is not None
    funds.commit(work, row.budget_line_id, delta, "contract", row.contract_id, reason)
    row.price_fen += delta
    _set(work, [(line, line.ceiling + units) for line, units in lines])
    return Effect(delta, tuple({"line_id": str(line.line_id), "units": units} for line, units in lines))


def _within_most(
    work: Work, row: ContractRow, said: AgreementRow, lines: Sequence[tuple[LineRow, int]]
) -> int:
    """What more units cost. Refused where all additions together are above the rule's share of the price signed."""
    delta = sum(amount_fen(units, line.unit_price_fen) for line, units in lines)
    added = work.session.scalar(
        select(func.coalesce(func.sum(ContractChangeRow.delta_fen), 0)).where(
            ContractChangeRow.contract_id == row.contract_id, ContractChangeRow.kind == "addition"
        )
    )
    most = int(rule_value("additions_most_percent", wall_day(work.now)))
    if (int(added or 0) + delta) * 100 > said.price_fen * most:
        raise Refused(
            "additions_most",
            "追加合计不得超过原合同金额的 {most}%（政府采购法第四十九条）。",
            field="lines",
            most=most,
        )
    return delta


def _still_free(work: Work, lines: Sequence[tuple[LineRow, int]]) -> None:
    """Refuse to take away units that are reserved or delivered (8.19). Locks the balances."""
    for line, units in lines:
        balance = work.session.get_one(BalanceRow, line.line_id, with_for_update=True, populate_existing=True)
        if units > balance.free:
            raise Refused(
                "ceiling_taken",
                "已预留和已交付 {taken} 个单位，上限不能更低。",
                field="lines",
                taken=f"{(balance.reserved + balance.delivered + balance.accepted) / 100:g}",
            )


def _reduce(work: Work, row: ContractRow, named: Sequence[LineUnits], reason: str) -> Effect:
    lines = _named(work, row, named)
    _still_free(work, lines)
    delta = sum(amount_fen(units, line.unit_price_fen) for line, units in lines)
    _set(work, [(line, line.ceiling - units) for line, units in lines])
    given_back = _give_back(work, row, delta, reason)
    return Effect(-given_back, tuple({"line_id": str(line.line_id), "units": units} for line, units in lines))


def reclaim(work: Work, row: ContractRow, reason: str) -> Effect:
    """Take back what nobody will draw any more: the lines' free units and their money. Reserved ones stay until they fall."""
    taken = []
    for line in contracts.lines(work, row.contract_id, lock=True):
        balance = contracts.recount(work, line.line_id)
        if balance.free:
            taken.append((line, balance.free))
    if not taken:
        return Effect()
    delta = sum(amount_fen(units, line.unit_price_fen) for line, units in taken)
    _set(work, [(line, line.ceiling - units) for line, units in taken])
    given_back = _give_back(work, row, delta, reason)
    return Effect(-given_back, tuple({"line_id": str(line.line_id), "units": units} for line, units in taken))


def _give_back(work: Work, row: ContractRow, fen: int, reason: str) -> int:
    """Lower the price by what the units cost, never below what the rest may come to: each visit is rounded for itself."""
    assert row.price_fen is not None
    assert row.budget_line_id is not None
    fen = min(fen, max(0, row.price_fen - needed(work, row)))
    row.price_fen -= fen
    funds.release(work, row.budget_line_id, fen, "contract", row.contract_id, reason)
    work.session.flush()
    return fen


def needed(work: Work, row: ContractRow) -> int:
    """What a contract's deliveries come to, accepted or not, with what is still reserved or free; and at least what is paid."""
    lines = contracts.lines(work, row.contract_id)
    balances = contracts.balances(work, lines)
    ahead = sum(
        amount_fen(balances[line.line_id].reserved + balances[line.line_id].free, line.unit_price_fen)
        for line in lines
    )
    delivered = work.session.scalar(
        select(func.coalesce(func.sum(EntryRow.amount_fen), 0))
        .join(DeliveryRow, DeliveryRow.attendance_id == EntryRow.attendance_id)
        .where(
            EntryRow.line_id.in_([line.line_id for line in lines]),
            EntryRow.revision == DeliveryRow.revision,
            EntryRow.reversal.is_(False),
            EntryRow.disputed.is_(False),
        )
    )
    return max(row.paid_fen, ahead + int(delivered or 0))


def _set(work: Work, ceilings: Sequence[tuple[LineRow, int]]) -> None:
    for line, ceiling in ceilings:
        line.ceiling = ceiling
        line.changed_at = max(work.now, line.changed_at + timedelta(microseconds=1))
        work.session.flush()
        contracts.recount(work, line.line_id)
        contracts.tell(work, line)


def _later(work: Work, row: ContractRow, until: date | None) -> date:
    """The new last day. Refused where it is not later, or makes the contract longer than the rule."""
    assert until is not None
    years = int(rule_value("contract_longest_years", wall_day(work.now)))
    if until <= row.valid_to:
        raise Invalid("not_later", "新的结束日期要晚于现在的结束日期。", field="until")
    if until > contracting.last_day(row, years):
        raise Invalid("contract_too_long", "合同最长 {years} 年（102 号令）。", field="until", years=years)
    return until


def _extend(work: Work, row: ContractRow, until: date | None) -> None:
    row.valid_to = _later(work, row, until)
    for line in contracts.lines(work, row.contract_id, lock=True):
        line.valid_to = row.valid_to
        line.changed_at = max(work.now, line.changed_at + timedelta(microseconds=1))
        contracts.tell(work, line)
