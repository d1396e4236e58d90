"""The fund's money: allocated to lines, committed by calls, spent by payments; every move an entry that stays.

Each move locks its line, so that whoever comes second sees what the first left. Callers that touch several lines go by
their ids in order.
"""

from uuid import UUID

from sqlalchemy import func, select

from services.projects.funds import rules
from services.projects.funds.schemas import About, EntryKind, NewAppraisal, NewBudgetLine, NewFund
from services.projects.funds.tables import AppraisalRow, BudgetEntryRow, BudgetLineRow, FundRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import expect


def add_fund(work: Work, new: NewFund, fund_id: UUID | None = None) -> FundRow:
    """Open a year's fund. One that is there already under the same id is left as it is."""
    known = work.session.get(FundRow, fund_id) if fund_id else None
    if known is not None:
        return known
    row = FundRow(
        fund_id=fund_id or new_id(),
        name=new.name,
        year=new.year,
        purposes=rules.purposes(new.year),
        appraisal_due=rules.appraisal_due(new.year),
        closed_on=None,
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("fund.add", row.fund_id)
    return row


def fund(work: Work, fund_id: UUID, *, lock: bool = False) -> FundRow:
    """The fund. 404 when there is none."""
    row = work.session.get(FundRow, fund_id, with_for_update=True if lock else None, populate_existing=lock)
    if row is None:
        raise NotFound("fund_unknown", "没有这项资金。")
    return row


def close_fund(work: Work, row: FundRow) -> None:
    """End a fund (If-Match): nothing more is allocated or committed, what is committed may still be spent."""
    expect(work, row.version)
    _still_open(row)
    row.closed_on = wall_day(work.now)
    work.session.flush()
    work.audit("fund.close", row.fund_id)


def add_line(
    work: Work, of: FundRow, new: NewBudgetLine, budget_line_id: UUID | None = None
) -> BudgetLineRow:
    """Add a line to a fund, with what is allocated to it at first."""
    known = work.session.get(BudgetLineRow, budget_line_id) if budget_line_id else None
    if known is not None:
        return known
    _still_open(of)
    rules.check_purpose(new.purpose, of.purposes, new.approval)
    row = BudgetLineRow(
        budget_line_id=budget_line_id or new_id(),
        fund_id=of.fund_id,
        name=new.name,
        purpose=new.purpose,
        approval=new.approval,
        town_id=new.town_id,
        need_fen=new.need_fen,
        backstop_fen=0,
        allocated_fen=0,
        committed_fen=0,
        spent_fen=0,
        free_fen=0,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("budget.add", row.budget_line_id)
    if new.allocated_fen:
        _post(work, row, "allocate", "line", row.budget_line_id, "年初安排", allocated=new.allocated_fen)
    return row


def line(work: Work, budget_line_id: UUID, *, lock: bool = False) -> BudgetLineRow:
    """The budget line, locked when it is to be moved on. 404 when there is none."""
    row = work.session.get(
        BudgetLineRow, budget_line_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if row is None:
        raise NotFound("budget_line_unknown", "没有这个预算项目。", field="budget_line_id")
    return row


def allocate(work: Work, budget_line_id: UUID, fen: int, reason: str) -> BudgetLineRow:
    """Give a line money, or take back what is free on it."""
    row = line(work, budget_line_id, lock=True)
    _still_open(_of(work, row))
    if row.free_fen + fen < 0:
        raise Refused(
            "not_free",
            "可用 {free} 元，不能收回 {fen} 元：已占用和已支出的不能收回。",
            field="fen",
            free=rules.yuan(row.free_fen),
            fen=rules.yuan(-fen),
        )
    _post(work, row, "allocate", "line", budget_line_id, reason, allocated=fen)
    return row


def backstop(work: Work, budget_line_id: UUID, fen: int, reason: str) -> BudgetLineRow:
    """Enter what a town puts in itself: it is allocated like the rest and closes the gap (三.2)."""
    row = line(work, budget_line_id, lock=True)
    _still_open(_of(work, row))
    if row.town_id is None:
        raise Invalid("no_town", "市级项目没有兜底的镇（园区、办事处）。", field="budget_line_id")
    row.backstop_fen += fen
    _post(work, row, "backstop", "line", budget_line_id, reason, allocated=fen)
    return row


def set_need(work: Work, row: BudgetLineRow, need_fen: int) -> None:
    """Note what a town says that it needs (If-Match)."""
    expect(work, row.version)
    row.need_fen = need_fen
    work.session.flush()
    work.audit("budget.need", row.budget_line_id)


def commit(
    work: Work, budget_line_id: UUID | None, fen: int, about: About, about_id: UUID, reason: str
) -> None:
    """Set free money aside for a purchase or a grant. Without a line, or beyond what is free, it is refused."""
    if budget_line_id is None:
        raise Refused(
            "unbudgeted",
            "没有列入预算的项目不得采购（政府购买服务管理办法，102 号令）。",
            field="budget_line_id",
        )
    row = line(work, budget_line_id, lock=True)
    _still_open(_of(work, row))
    _not_negative(fen)
    _enough(row, fen)
    _post(work, row, "commit", about, about_id, reason, committed=fen)


def check_free(work: Work, budget_line_id: UUID, fen: int) -> None:
    """Refuse what could not be committed now."""
    _enough(line(work, budget_line_id), fen)


def _enough(row: BudgetLineRow, fen: int) -> None:
    if fen > row.free_fen:
        raise Refused(
            "overspent",
            "预算不足：可用 {free} 元，需要 {fen} 元。超出预算不得采购（2016 实施意见三.2；政府采购法第六条）。",
            field="budget_line_id",
            free=rules.yuan(row.free_fen),
            fen=rules.yuan(fen),
        )


def release(work: Work, budget_line_id: UUID, fen: int, about: About, about_id: UUID, reason: str) -> None:
    """Give committed money back to what is free: an award below the ceiling, a void call, an ended contract."""
    row = line(work, budget_line_id, lock=True)
    _not_negative(fen)
    if fen > row.committed_fen:
        raise Refused(
            "not_committed",
            "已占用 {committed} 元，不能释放 {fen} 元。",
            field="fen",
            committed=rules.yuan(row.committed_fen),
            fen=rules.yuan(fen),
        )
    _post(work, row, "release", about, about_id, reason, committed=-fen)


def spend(work: Work, budget_line_id: UUID, fen: int, about: About, about_id: UUID, reason: str) -> None:
    """Turn committed money into spent: a payment. What was never committed is not paid."""
    row = line(work, budget_line_id, lock=True)
    _not_negative(fen)
    if fen > row.committed_fen:
        raise Refused(
            "overspent",
            "已占用 {committed} 元，要支付 {fen} 元。没有预算占用不得支付（2016 实施意见三.2；政府采购法第六条）。",
            field="fen",
            committed=rules.yuan(row.committed_fen),
            fen=rules.yuan(fen),
        )
    _post(work, row, "spend", about, about_id, reason, committed=-fen, spent=fen)


def refund(work: Work, budget_line_id: UUID, fen: int, about: About, about_id: UUID, reason: str) -> None:
    """Take back what was paid: it is free again."""
    row = line(work, budget_line_id, lock=True)
    _not_negative(fen)
    if fen > row.spent_fen:
        raise Refused(
            "not_spent",
            "已支出 {spent} 元，不能退回 {fen} 元。",
            field="fen",
            spent=rules.yuan(row.spent_fen),
            fen=rules.yuan(fen),
        )
    _post(work, row, "refund", about, about_id, reason, spent=-fen)


def _of(work: Work, row: BudgetLineRow) -> FundRow:
    """The line's fund, held so that it is not closed meanwhile."""
    return work.session.get_one(FundRow, row.fund_id, with_for_update={"read": True}, populate_existing=True)


def _still_open(row: FundRow) -> None:
    if row.closed_on is not None:
        raise Refused("fund_closed", "这项资金已经关闭，不能再安排或占用。")


def _not_negative(fen: int) -> None:
    if fen < 0:
        raise Invalid("negative", "金额不能小于零。", field="fen")


def _post(
    work: Work,
    row: BudgetLineRow,
    kind: EntryKind,
    about: About,
    about_id: UUID,
    reason: str,
    *,
    allocated: int = 0,
    committed: int = 0,
    spent: int = 0,
) -> None:
    """Move a locked line and write the entry that says so. Nothing is written when nothing moves."""
    if not (allocated or committed or spent):
        return
    last = work.session.scalar(
        select(func.coalesce(func.max(BudgetEntryRow.pos), 0)).where(
            BudgetEntryRow.budget_line_id == row.budget_line_id
        )
    )
    row.allocated_fen += allocated
    row.committed_fen += committed
    row.spent_fen += spent
    row.free_fen += allocated - committed - spent
    entry = BudgetEntryRow(
        entry_id=new_id(),
        budget_line_id=row.budget_line_id,
        pos=(last or 0) + 1,
        kind=kind,
        allocated_fen=allocated,
        committed_fen=committed,
        spent_fen=spent,
        about=about,
        about_id=about_id,
        reason=reason,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    work.session.add(entry)
    work.session.flush()
    work.audit(f"budget.{kind}", row.budget_line_id, entry=str(entry.entry_id))


def appraisal(work: Work, fund_id: UUID) -> AppraisalRow:
    """The fund's appraisal. 404 when there is none."""
    row = work.session.get(AppraisalRow, fund_id)
    if row is None:
        raise NotFound("appraisal_unknown", "这项资金还没有绩效评价。")
    return row


def appraise(work: Work, of: FundRow, body: NewAppraisal) -> AppraisalRow:
    """Write a fund's appraisal, or write it anew (If-Match) until it is public."""
    rules.check_indicators(body.indicators, wall_day(work.now))
    row = work.session.get(AppraisalRow, of.fund_id, with_for_update=True)
    if row is None:
        row = AppraisalRow(fund_id=of.fund_id, published_at=None)
        work.session.add(row)
    else:
        expect(work, row.version)
        _unpublished(row)
    row.indicators = [each.model_dump() for each in body.indicators]
    row.score = rules.score(body.indicators)
    row.summary = body.summary
    row.by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit("fund.appraise", of.fund_id)
    return row


def publish_appraisal(work: Work, of: FundRow) -> AppraisalRow:
    """Make a fund's appraisal public: it is not changed after that."""
    row = appraisal(work, of.fund_id)
    work.session.refresh(row, with_for_update=True)
    _unpublished(row)
    row.published_at = work.now
    work.session.flush()
    work.audit("fund.publish_appraisal", of.fund_id)
    return row


def _unpublished(row: AppraisalRow) -> None:
    if row.published_at is not None:
        raise Refused("appraisal_published", "绩效评价已经公开，不能再改。")


def overdue_appraisals(work: Work) -> list[FundRow]:
    """Funds whose appraisal should be public by now and is not, the longest overdue first (三.2)."""
    public = select(AppraisalRow.fund_id).where(AppraisalRow.published_at.is_not(None))
    return list(
        work.session.scalars(
            select(FundRow)
            .where(FundRow.appraisal_due < wall_day(work.now), FundRow.fund_id.not_in(public))
            .order_by(FundRow.appraisal_due, FundRow.fund_id)
        )
    )
