"""Supplementary agreements (补充协议): a signed contract changes only by one that both sides have signed.

The bureau's proposal is its signature under the text's hash; the organisation signs the same hash, or declines. Until then
nothing changes, no unit, no money, and the matcher hears of nothing. Only a suspension or a termination may be one-sided.
"""

import hashlib
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select, update

from services.projects.awards import changes, contracting
from services.projects.awards.contracting import UNITS
from services.projects.awards.schemas import NewChange
from services.projects.awards.tables import SupplementRow
from services.projects.calls.workdays import end_of_workday
from services.projects.contracts import service as contracts
from services.projects.contracts.tables import ContractRow
from services.projects.deliveries.service import amount_fen
from services.projects.funds.rules import yuan
from services.projects.organisations.service import organisation
from shared.clock import wall_day
from shared.contracts.codes import ContractUnit
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import Changed, NotFound, Refused

ENDED = "合同已经终止。"
ONE_SIDED = "继续履行会损害国家利益或者社会公共利益，由甲方单方决定（政府采购法第五十条）"


def propose(work: Work, contract_id: UUID, body: NewChange) -> SupplementRow:
    """Propose a change, signed for the bureau; a one-sided one is in force at once. Locks the contract."""
    row = contracts.contract(work, contract_id, lock=True)
    said = contracting.agreement(work, contract_id)
    changes.check(work, row, said, body)
    waiting = _waiting(work, contract_id)
    if waiting is not None and _lapsed(work, waiting):
        _end(work, waiting, "lapsed")
        waiting = None
    if waiting is not None and not body.one_sided:
        raise Refused("supplement_open", "上一份补充协议还在等对方签署；请等它办完，或者先撤回。")
    text = _text(work, row, body)
    today = wall_day(work.now)
    days = int(rule_value("supplement_answer_working_days", today))
    made = SupplementRow(
        supplement_id=new_id(),
        contract_id=contract_id,
        kind=body.kind,
        lines=[each.model_dump(mode="json") for each in body.lines],
        until=body.until,
        reason=body.reason,
        one_sided=body.one_sided,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        proposed_by=work.caller.person_id if work.caller else None,
        proposed_at=work.now,
        answer_by=end_of_workday(work, today, days),
        state="proposed",
        change_id=None,
        ended_by=None,
        ended_at=None,
        ended_reason=None,
    )
    if body.one_sided:
        changed = changes.carry_out(work, row, said, body, new_id())
        made.state, made.change_id = "in_force", changed.change_id
        made.ended_by, made.ended_at = made.proposed_by, work.now
    work.session.add(made)
    work.session.flush()
    work.audit("supplement.propose", made.supplement_id, kind=made.kind, one_sided=made.one_sided)
    if row.state == "ended":
        drop(work, contract_id)
    return made


def sign(work: Work, supplement_id: UUID, sha256: str) -> SupplementRow:
    """The organisation's signature: the change is in force, if it still can be."""
    row, contract = _proposed(work, supplement_id)
    if sha256 != row.sha256:
        raise Changed("text_changed", "补充协议的文本与您看到的不同，请重新阅读后再签。")
    body = NewChange.model_validate(
        {"kind": row.kind, "lines": row.lines, "until": row.until, "reason": row.reason}
    )
    said = contracting.agreement(work, row.contract_id)
    row.change_id = changes.carry_out(work, contract, said, body, new_id()).change_id
    _end(work, row, "in_force")
    return row


def decline(work: Work, supplement_id: UUID, reason: str) -> SupplementRow:
    """The organisation does not agree: nothing changes."""
    row, _ = _proposed(work, supplement_id)
    _end(work, row, "declined", reason)
    return row


def withdraw(work: Work, supplement_id: UUID, reason: str) -> SupplementRow:
    """The bureau takes its proposal back."""
    row, _ = _proposed(work, supplement_id)
    _end(work, row, "withdrawn", reason)
    return row


def drop(work: Work, contract_id: UUID) -> None:
    """A contract has come to its end: what was proposed for it is withdrawn."""
    waiting = _waiting(work, contract_id)
    if waiting is not None:
        _end(work, waiting, "withdrawn", ENDED)


def lapse(database: Database) -> None:
    """Note which proposals nobody answered in time (a job); whoever signs one late is refused by its clock anyhow."""
    with database.work() as work:
        late = work.session.scalars(
            update(SupplementRow)
            .where(SupplementRow.state == "proposed", SupplementRow.answer_by <= work.now)
            .values(state="lapsed", ended_at=work.now, version=SupplementRow.version + 1)
            .returning(SupplementRow.supplement_id)
        )
        for supplement_id in late:
            work.audit("supplement.lapsed", supplement_id)


def supplement(work: Work, supplement_id: UUID) -> SupplementRow:
    """The supplementary agreement. 404 when there is none."""
    row = work.session.get(SupplementRow, supplement_id)
    if row is None:
        raise NotFound("supplement_unknown", "没有这份补充协议。")
    return row


def supplements(work: Work, contract_id: UUID) -> Sequence[SupplementRow]:
    """A contract's supplementary agreements, in the order in which they were proposed."""
    return work.session.scalars(
        select(SupplementRow)
        .where(SupplementRow.contract_id == contract_id)
        .order_by(SupplementRow.proposed_at, SupplementRow.supplement_id)
    ).all()


def state(work: Work, row: SupplementRow) -> str:
    """Where a proposal stands by the clock."""
    return "lapsed" if row.state == "proposed" and _lapsed(work, row) else row.state


def _lapsed(work: Work, row: SupplementRow) -> bool:
    return work.now >= row.answer_by


def _waiting(work: Work, contract_id: UUID) -> SupplementRow | None:
    return work.session.scalars(
        select(SupplementRow)
        .where(SupplementRow.contract_id == contract_id, SupplementRow.state == "proposed")
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def _proposed(work: Work, supplement_id: UUID) -> tuple[SupplementRow, ContractRow]:
    """A proposal that still waits, and its contract, both locked, the contract first as everywhere."""
    of = supplement(work, supplement_id).contract_id
    contract = contracts.contract(work, of, lock=True)
    row = work.session.get_one(SupplementRow, supplement_id, with_for_update=True, populate_existing=True)
    if row.state != "proposed":
        raise Refused("supplement_ended", "这份补充协议已经办完；请刷新后再看。")
    if _lapsed(work, row):
        raise Refused("supplement_lapsed", "这份补充协议过了签署期限，已经失效；要变更请重新提出。")
    return row, contract


def _end(work: Work, row: SupplementRow, state: str, reason: str | None = None) -> None:
    row.state, row.ended_at, row.ended_reason = state, work.now, reason
    if state != "lapsed":
        row.ended_by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit(f"supplement.{state}", row.supplement_id)


def moved(kind: str, name: str, unit: ContractUnit, units: int) -> str:
    """An addition or reduction of a line as the text says it; `units` in hundredths."""
    return f"{name}：{'增加' if kind == 'addition' else '减少'} {units / 100:g} {UNITS[unit]}"


def other_said(kind: str, until: date | None) -> str:
    """What changes nothing but the days or the state, as the text says it."""
    return {
        "extension": f"延至 {until}",
        "suspension": "合同中止履行，中止期间不安排服务",
        "resumption": "合同恢复履行",
        "termination": "合同终止；已安排的服务照常提供，其余服务量收回",
    }[kind]


def _text(work: Work, row: ContractRow, body: NewChange) -> str:
    """The supplementary agreement as both sides read and sign it."""
    provider = organisation(work, row.organisation_id)
    lines = {line.line_id: line for line in contracts.lines(work, row.contract_id)}
    sign = 1 if body.kind == "addition" else -1
    said = [
        f"{row.title}补充协议",
        f"合同编号：{row.number}",
        "采购人（甲方）：民政局",
        f"承接主体（乙方）：{provider.name}，统一社会信用代码 {provider.credit_code}",
        "",
    ]
    if body.kind in ("addition", "reduction"):
        said += [
            f"{moved(body.kind, line.name, ContractUnit(line.unit), each.units)}，"
            f"由 {line.ceiling / 100:g} 变为 {(line.ceiling + sign * each.units) / 100:g}，"
            f"单价 {yuan(line.unit_price_fen)} 元，合计 {yuan(amount_fen(each.units, line.unit_price_fen))} 元"
            for each, line in ((each, lines[each.line_id]) for each in body.lines)
        ]
    elif body.kind == "extension":
        said.append(f"服务期限：由 {row.valid_to} {other_said(body.kind, body.until)}")
    else:
        said.append(other_said(body.kind, body.until))
    said += [f"理由：{body.reason}"]
    if body.one_sided:
        said += [ONE_SIDED]
    said += ["", "其余约定不变。"]
    return "\n".join(said) + "\n"
