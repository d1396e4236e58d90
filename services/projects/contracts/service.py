"""Contracts and lines: made and changed by the bureau, told to the matcher."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select

from services.projects.contracts.schemas import LineChange, NewContract, NewLine
from services.projects.contracts.tables import BalanceRow, ContractRow, LineRow
from services.projects.deliveries.tables import DeliveryRow, ReservationRow
from services.projects.organisations.service import organisation
from shared.clock import wall_day
from shared.contracts.codes import Channel, ContractUnit, ServiceKind
from shared.contracts.contracts import ContractChanged
from shared.contracts.lines import ContractLineChanged
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import expect


def sign(work: Work, new: NewContract, contract_id: UUID | None = None) -> ContractRow:
    """Enter a signed contract."""
    known = work.session.get(ContractRow, contract_id) if contract_id else None
    if known is not None:
        return known
    if organisation(work, new.organisation_id).state != "admitted":
        raise Refused(
            "not_admitted", "民政局还没有通过这个组织的登记申请，不能签合同。", field="organisation_id"
        )
    years = int(rule_value("contract_longest_years", wall_day(work.now)))
    if (new.valid_to - new.valid_from).days > 366 * years:
        raise Invalid("contract_too_long", "合同最长 {years} 年（102 号令）。", field="valid_to", years=years)
    row = ContractRow(
        contract_id=contract_id or new_id(),
        state="active",
        paid_fen=0,
        made_at=work.now,
        **new.model_dump(),
    )
    work.session.add(row)
    work.session.flush()
    work.audit("contract.sign", row.contract_id)
    tell_contract(work, row)
    return row


def contract(work: Work, contract_id: UUID, *, lock: bool = False) -> ContractRow:
    """The contract. 404 when there is none."""
    row = work.session.get(
        ContractRow, contract_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if row is None:
        raise NotFound("contract_unknown", "没有这份合同。")
    return row


def add_line(work: Work, of: ContractRow, new: NewLine, line_id: UUID | None = None) -> LineRow:
    """Add a line to a contract and tell it; a line of one that is not signed yet is told when it is."""
    known = work.session.get(LineRow, line_id) if line_id else None
    if known is not None:
        return known
    provider = organisation(work, of.organisation_id)
    row = LineRow(
        line_id=line_id or new_id(),
        contract_id=of.contract_id,
        organisation_id=of.organisation_id,
        name=new.name,
        kinds=sorted(new.kinds),
        community_ids=sorted(set(new.community_ids)),
        unit=new.unit.value,
        rounding_minutes=new.rounding_minutes,
        ceiling=new.ceiling,
        unit_price_fen=new.unit_price_fen,
        wasted_trip=new.wasted_trip,
        valid_from=of.valid_from,
        valid_to=of.valid_to,
        channel=provider.channel,
        active=of.state == "active",
        changed_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.session.add(
        BalanceRow(
            line_id=row.line_id,
            ceiling=new.ceiling,
            reserved=0,
            delivered=0,
            accepted=0,
            free=new.ceiling,
            over=0,
        )
    )
    work.audit("line.add", row.line_id)
    if of.state != "unsigned":
        tell(work, row)
    return row


def line(work: Work, line_id: UUID, *, lock: bool = False) -> LineRow:
    """The line. 404 when there is none."""
    row = work.session.get(LineRow, line_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("line_unknown", "没有这条合同项目。")
    return row


def change_line(work: Work, row: LineRow, body: LineChange) -> None:
    """Change a line (If-Match). A ceiling below what is drawn or reserved is refused (8.19)."""
    expect(work, row.version)
    if body.ceiling is not None or body.active is not None:
        not_bought(contract(work, row.contract_id))
    if body.ceiling is not None:
        balance = work.session.get_one(BalanceRow, row.line_id, with_for_update=True)
        taken = balance.reserved + balance.delivered + balance.accepted
        if body.ceiling < taken:
            raise Refused(
                "ceiling_taken",
                "已预留和已交付 {taken} 个单位，上限不能更低。",
                field="ceiling",
                taken=f"{taken / 100:g}",
            )
        row.ceiling = body.ceiling
    if body.community_ids is not None:
        row.community_ids = sorted(set(body.community_ids))
    if body.active is not None:
        row.active = body.active
    row.changed_at = max(work.now, row.changed_at + timedelta(microseconds=1))
    work.session.flush()
    recount(work, row.line_id)
    work.audit("line.change", row.line_id, fields=sorted(body.model_fields_set))
    tell(work, row)


def set_state(work: Work, row: ContractRow, state: str) -> None:
    """Suspend, take up again or end a contract: its lines follow."""
    row.state = state
    for each in lines(work, row.contract_id, lock=True):
        each.active = state == "active"
        each.changed_at = max(work.now, each.changed_at + timedelta(microseconds=1))
        tell(work, each)
    work.audit(f"contract.{state}", row.contract_id)
    tell_contract(work, row)


def lines(work: Work, contract_id: UUID, *, lock: bool = False) -> Sequence[LineRow]:
    """A contract's lines, by id: the order in which they are locked."""
    query = select(LineRow).where(LineRow.contract_id == contract_id).order_by(LineRow.line_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return work.session.scalars(query).all()


def not_bought(row: ContractRow) -> None:
    """Refuse to change past its own rules what a call brought about: that goes by signatures and changes."""
    if row.award_id is not None:
        raise Refused(
            "contract_bought", "这份合同来自采购，请按合同签订或合同变更办理（政府采购法第五十条）。"
        )


def tell_contracts(work: Work, rows: Sequence[ContractRow]) -> None:
    for row in rows:
        tell_contract(work, row)


def tell_contract(work: Work, row: ContractRow) -> None:
    """Emit a contract as it stands now."""
    work.session.flush()
    work.emit(
        ContractChanged(
            contract_id=row.contract_id,
            contract_version=row.version,
            organisation_id=row.organisation_id,
            call_id=row.call_id,
            state=row.state,
            price_fen=row.price_fen,
            paid_fen=row.paid_fen,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
    )


def tell_lines(work: Work, rows: Sequence[LineRow]) -> None:
    for row in rows:
        tell(work, row)


def tell(work: Work, row: LineRow) -> None:
    """Emit a line as it stands now."""
    work.session.flush()
    work.emit(
        ContractLineChanged(
            line_id=row.line_id,
            line_version=row.version,
            contract_id=row.contract_id,
            organisation_id=row.organisation_id,
            kinds=frozenset(map(ServiceKind, row.kinds)),
            community_ids=frozenset(row.community_ids),
            unit=ContractUnit(row.unit),
            rounding_minutes=row.rounding_minutes,
            ceiling=row.ceiling,
            unit_price_fen=row.unit_price_fen,
            wasted_trip=row.wasted_trip,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            active=row.active,
            channel=Channel(row.channel),
        )
    )


def recount(work: Work, line_id: UUID) -> BalanceRow:
    """Count a line's balance anew, under its lock: from its reservations, deliveries and acceptances."""
    balance = work.session.get_one(BalanceRow, line_id, with_for_update=True, populate_existing=True)
    ceiling = work.session.scalars(select(LineRow.ceiling).where(LineRow.line_id == line_id)).one()
    delivered_too = (
        select(DeliveryRow.attendance_id)
        .where(
            DeliveryRow.visit_id == ReservationRow.visit_id, DeliveryRow.person_id == ReservationRow.person_id
        )
        .exists()
    )
    reserved = work.session.scalar(
        select(func.coalesce(func.sum(ReservationRow.units), 0)).where(
            ReservationRow.line_id == line_id, ~delivered_too
        )
    )
    sums = work.session.execute(
        select(DeliveryRow.accepted, func.sum(DeliveryRow.units))
        .where(DeliveryRow.line_id == line_id)
        .group_by(DeliveryRow.accepted)
    ).all()
    by = {row[0]: int(row[1]) for row in sums}
    taken = int(reserved or 0) + sum(by.values())
    balance.ceiling = ceiling
    balance.reserved = int(reserved or 0)
    balance.delivered, balance.accepted = by.get(False, 0), by.get(True, 0)
    balance.free, balance.over = max(0, ceiling - taken), max(0, taken - ceiling)
    work.session.flush()
    return balance


def time_gone(row: LineRow, today: date) -> int:
    """The share of a line's days that has gone, in thousandths."""
    days = (row.valid_to - row.valid_from).days + 1
    gone = min(max((today - row.valid_from).days + 1, 0), days)
    return gone * 1000 // days


def balances(work: Work, lines: Sequence[LineRow]) -> dict[UUID, BalanceRow]:
    """The balances of lines, by line."""
    rows = work.session.scalars(select(BalanceRow).where(BalanceRow.line_id.in_([r.line_id for r in lines])))
    return {row.line_id: row for row in rows}
