"""Funds over HTTP: the bureau keeps them, planner and auditor read all, a town its own lines.

Commitments and payments come from calls and claims, never from here.
"""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import ColumnElement, false, func, select, true

from services.projects.funds import service
from services.projects.funds.schemas import (
    Allocation,
    Appraisal,
    Backstop,
    BudgetEntry,
    BudgetLine,
    Fund,
    Need,
    NewAppraisal,
    NewBudgetLine,
    NewFund,
    TownSums,
)
from services.projects.funds.tables import AppraisalRow, BudgetEntryRow, BudgetLineRow, FundRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import NotFound
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "funds")
ALL = (Role.BUREAU, Role.PLANNER, Role.AUDITOR)
Reader = Annotated[Caller, may(*ALL, Role.TOWN)]
Bureau = Annotated[Caller, may(Role.BUREAU)]
Giver = Annotated[Caller, may(Role.BUREAU, Role.TOWN)]
_GAP = func.greatest(BudgetLineRow.need_fen - BudgetLineRow.allocated_fen, 0)
_SUMS = (
    *(
        func.coalesce(func.sum(getattr(BudgetLineRow, name)), 0).label(name)
        for name in ("need_fen", "backstop_fen", "allocated_fen", "committed_fen", "spent_fen", "free_fen")
    ),
    func.coalesce(func.sum(_GAP), 0).label("gap_fen"),
)


def _visible(caller: Caller) -> ColumnElement[bool]:
    if caller.has(*ALL):
        return true()
    towns = caller.scope_ids(ScopeKind.TOWN, Role.TOWN)
    return BudgetLineRow.town_id.in_(towns) if towns else false()


def _funds(work: Work, rows: Sequence[FundRow]) -> list[Fund]:
    ids = [row.fund_id for row in rows]
    sums: dict[UUID, Any] = {
        each.fund_id: each
        for each in work.session.execute(
            select(FundRow.fund_id, *_SUMS)
            .join_from(FundRow, BudgetLineRow, isouter=True)
            .where(FundRow.fund_id.in_(ids))
            .group_by(FundRow.fund_id)
        )
    }
    published = {
        each.fund_id: each.published_at
        for each in work.session.scalars(select(AppraisalRow).where(AppraisalRow.fund_id.in_(ids)))
    }
    today = wall_day(work.now)
    plain = "fund_id version name year purposes closed_on appraisal_due"
    return [
        Fund.model_validate(
            {
                **{name: getattr(row, name) for name in plain.split()},
                **sums[row.fund_id]._mapping,
                "appraisal_published_at": published.get(row.fund_id),
                "appraisal_overdue": row.appraisal_due < today and published.get(row.fund_id) is None,
            }
        )
        for row in rows
    ]


def _line(row: BudgetLineRow) -> BudgetLine:
    shown = {name: getattr(row, name) for name in BudgetLine.model_fields if name != "gap_fen"}
    return BudgetLine.model_validate({**shown, "gap_fen": max(0, row.need_fen - row.allocated_fen)})


@ROUTER.get("/funds")
def list_funds(
    work: Transaction,
    caller: Reader,
    year: Annotated[int | None, Query(ge=2000, le=2100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Fund]:
    """Funds with the sums of their lines, by id. What the city spends is no secret."""
    query = select(FundRow).order_by(FundRow.fund_id).limit(limit + 1)
    if year is not None:
        query = query.where(FundRow.year == year)
    if cursor:
        query = query.where(FundRow.fund_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=_funds(work, rows[:limit]),
        next=encode_cursor(rows[limit - 1].fund_id) if len(rows) > limit else None,
    )


@ROUTER.get("/funds/{fund_id}")
def read_fund(fund_id: UUID, work: Transaction, caller: Reader) -> Fund:
    """One fund."""
    return _funds(work, [service.fund(work, fund_id)])[0]


@ROUTER.post("/funds", status_code=201)
def add_fund(body: NewFund, work: Transaction, caller: Bureau) -> Done:
    """Open a year's fund."""
    row = service.add_fund(work, body)
    return Done(id=row.fund_id, version=row.version)


@ROUTER.post("/funds/{fund_id}/close")
def close_fund(fund_id: UUID, work: Transaction, caller: Bureau) -> Done:
    """End a fund (If-Match): nothing more is allocated or committed."""
    row = service.fund(work, fund_id, lock=True)
    service.close_fund(work, row)
    return Done(id=fund_id, version=row.version)


@ROUTER.get("/funds/{fund_id}/towns")
def town_sums(fund_id: UUID, work: Transaction, caller: Reader) -> list[TownSums]:
    """What a fund's lines come to by town, with need, gap and backstop: a town sees its own."""
    service.fund(work, fund_id)
    rows = work.session.execute(
        select(BudgetLineRow.town_id, *_SUMS)
        .where(BudgetLineRow.fund_id == fund_id, _visible(caller))
        .group_by(BudgetLineRow.town_id)
        .order_by(BudgetLineRow.town_id)
    )
    return [TownSums.model_validate(dict(row._mapping)) for row in rows]


@ROUTER.post("/funds/{fund_id}/lines", status_code=201)
def add_line(fund_id: UUID, body: NewBudgetLine, work: Transaction, caller: Bureau) -> Done:
    """Add a line to a fund. A purpose that the fund does not name needs an approval."""
    row = service.add_line(work, service.fund(work, fund_id, lock=True), body)
    return Done(id=row.budget_line_id, version=row.version)


@ROUTER.get("/budget-lines")
def list_lines(
    work: Transaction,
    caller: Reader,
    fund_id: UUID | None = None,
    town_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[BudgetLine]:
    """Budget lines by id: allocated = committed + spent + free, and the gap to the need."""
    query = (
        select(BudgetLineRow).where(_visible(caller)).order_by(BudgetLineRow.budget_line_id).limit(limit + 1)
    )
    if fund_id:
        query = query.where(BudgetLineRow.fund_id == fund_id)
    if town_id:
        query = query.where(BudgetLineRow.town_id == town_id)
    if cursor:
        query = query.where(BudgetLineRow.budget_line_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=[_line(row) for row in rows[:limit]],
        next=encode_cursor(rows[limit - 1].budget_line_id) if len(rows) > limit else None,
    )


def _seen(work: Work, caller: Caller, budget_line_id: UUID) -> BudgetLineRow:
    row = service.line(work, budget_line_id)
    if not caller.has(*ALL):
        require(caller, Reach(town_id=row.town_id), Role.TOWN)
    return row


@ROUTER.get("/budget-lines/{budget_line_id}")
def read_line(budget_line_id: UUID, work: Transaction, caller: Reader) -> BudgetLine:
    """One budget line."""
    return _line(_seen(work, caller, budget_line_id))


@ROUTER.get("/budget-lines/{budget_line_id}/entries")
def list_entries(
    budget_line_id: UUID, work: Transaction, caller: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[BudgetEntry]:
    """A line's ledger from its first entry on."""
    _seen(work, caller, budget_line_id)
    query = (
        select(BudgetEntryRow)
        .where(BudgetEntryRow.budget_line_id == budget_line_id)
        .order_by(BudgetEntryRow.pos)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(BudgetEntryRow.pos > cursor_keys(cursor, int)[0])
    rows = list(work.session.scalars(query))
    return Page(
        items=[BudgetEntry.model_validate(row) for row in rows[:limit]],
        next=encode_cursor(rows[limit - 1].pos) if len(rows) > limit else None,
    )


@ROUTER.post("/budget-lines/{budget_line_id}/allocations")
def allocate(budget_line_id: UUID, body: Allocation, work: Transaction, caller: Bureau) -> Done:
    """Give a line money, or take back what is free on it."""
    row = service.allocate(work, budget_line_id, body.fen, body.reason)
    return Done(id=budget_line_id, version=row.version)


@ROUTER.post("/budget-lines/{budget_line_id}/backstop")
def backstop(budget_line_id: UUID, body: Backstop, work: Transaction, caller: Giver) -> Done:
    """Enter what a town puts in itself to close the gap (三.2)."""
    _given(work, caller, budget_line_id)
    row = service.backstop(work, budget_line_id, body.fen, body.reason)
    return Done(id=budget_line_id, version=row.version)


@ROUTER.put("/budget-lines/{budget_line_id}/need")
def set_need(budget_line_id: UUID, body: Need, work: Transaction, caller: Giver) -> Done:
    """Note what a town says that it needs (If-Match)."""
    row = _given(work, caller, budget_line_id)
    service.set_need(work, row, body.need_fen)
    return Done(id=budget_line_id, version=row.version)


def _given(work: Work, caller: Caller, budget_line_id: UUID) -> BudgetLineRow:
    row = service.line(work, budget_line_id, lock=True)
    if not caller.has(Role.BUREAU):
        require(caller, Reach(town_id=row.town_id), Role.TOWN)
    return row


@ROUTER.get("/funds/{fund_id}/appraisal")
def read_appraisal(fund_id: UUID, work: Transaction, caller: Reader) -> Appraisal:
    """A fund's appraisal; until it is public, for the bureau, planner and auditor."""
    of = service.fund(work, fund_id)
    row = service.appraisal(work, fund_id)
    if row.published_at is None and not caller.has(*ALL):
        raise NotFound("appraisal_unpublished", "绩效评价还没有公开。")
    return _appraisal(of, row)


def _appraisal(of: FundRow, row: AppraisalRow) -> Appraisal:
    plain = "fund_id version indicators score summary published_at"
    shown = {name: getattr(row, name) for name in plain.split()}
    return Appraisal.model_validate({**shown, "due_on": of.appraisal_due})


@ROUTER.put("/funds/{fund_id}/appraisal")
def appraise(fund_id: UUID, body: NewAppraisal, work: Transaction, caller: Bureau) -> Done:
    """Write a fund's appraisal, or write it anew (If-Match): satisfaction weighs more than half (五.9)."""
    row = service.appraise(work, service.fund(work, fund_id, lock=True), body)
    return Done(id=fund_id, version=row.version)


@ROUTER.post("/funds/{fund_id}/appraisal/publish")
def publish_appraisal(fund_id: UUID, work: Transaction, caller: Bureau) -> Done:
    """Make a fund's appraisal public."""
    row = service.publish_appraisal(work, service.fund(work, fund_id))
    return Done(id=fund_id, version=row.version)
