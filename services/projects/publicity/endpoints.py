"""What anyone may read without signing in: only what has been published, and what should have been and has not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Query, Request
from sqlalchemy import select, tuple_

from services.projects.awards.tables import AwardRow, ContractChangeRow
from services.projects.calls import notices, shown
from services.projects.calls.public import public_call
from services.projects.calls.schemas import Notice
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.funds.tables import AppraisalRow, BudgetLineRow, FundRow
from services.projects.payments.tables import PaymentRow
from services.projects.publicity import ocds
from services.projects.publicity.schemas import (
    Due,
    OverdueAppraisal,
    PublicAppraisal,
    PublicAward,
    PublicContract,
    PublicFund,
    PublicLine,
    PurposeSums,
)
from shared.clock import wall_day
from shared.database.work import Work
from shared.web.app import router
from shared.web.problems import NotFound
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Limit, Page, cursor_keys, encode_cursor

ROUTER = router("/public", "public")
MONEY = ("allocated_fen", "committed_fen", "spent_fen", "free_fen")
Reference = Annotated[str, Path(max_length=60, description="an ocid, or a call's id")]


def _published(
    work: Work, kind: str, call_id: UUID | None, cursor: str | None, limit: int
) -> tuple[Sequence[NoticeRow], str | None]:
    """A page of published notices of a kind, the newest publication first."""
    query = select(NoticeRow).where(NoticeRow.kind == kind, NoticeRow.published_at.is_not(None))
    if call_id is not None:
        query = query.where(NoticeRow.call_id == call_id)
    order = (NoticeRow.published_at, NoticeRow.notice_id)
    if cursor:
        query = query.where(tuple_(*order) < tuple_(*cursor_keys(cursor, _instant, UUID)))
    rows = work.session.scalars(query.order_by(order[0].desc(), order[1].desc()).limit(limit + 1)).all()
    return rows[:limit], _next(rows, limit)


def _next(rows: Sequence[NoticeRow], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    assert last.published_at is not None
    return encode_cursor(last.published_at.isoformat(), last.notice_id)


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant has a zone")
    return moment


@ROUTER.get("/awards")
def list_awards(
    work: Transaction, call_id: UUID | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[PublicAward]:
    """Awards that were published, the newest first; in a lot decided anew, which one no longer holds."""
    rows, following = _published(work, "award", call_id, cursor, limit)
    void: dict[UUID, list[Notice]] = {}
    for decision_id, notice in work.session.execute(
        select(AwardRow.decision_id, NoticeRow)
        .join(NoticeRow, NoticeRow.about_id == AwardRow.award_id)
        .where(
            NoticeRow.kind == "award_void",
            NoticeRow.published_at.is_not(None),
            AwardRow.decision_id.in_([row.about_id for row in rows]),
        )
        .order_by(NoticeRow.published_at, NoticeRow.notice_id)
    ):
        void.setdefault(decision_id, []).append(shown.notice(notice, work.now))
    items = [PublicAward(notice=shown.notice(row, work.now), void=void.get(row.about_id, [])) for row in rows]
    return Page(items=items, next=following)


@ROUTER.get("/contracts")
def list_contracts(
    work: Transaction, call_id: UUID | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[PublicContract]:
    """Contracts and grants that were published, the newest first, with what of their changes and payments was."""
    rows, following = _published(work, "contract", call_id, cursor, limit)
    about = [row.about_id for row in rows]
    public = select(NoticeRow).where(NoticeRow.published_at.is_not(None))
    changed: dict[UUID, list[NoticeRow]] = {}
    for contract_id, notice in work.session.execute(
        public.with_only_columns(ContractChangeRow.contract_id, NoticeRow)
        .join(ContractChangeRow, ContractChangeRow.change_id == NoticeRow.about_id)
        .where(NoticeRow.kind == "contract_change", ContractChangeRow.contract_id.in_(about))
        .order_by(ContractChangeRow.number)
    ):
        changed.setdefault(contract_id, []).append(notice)
    paid: dict[UUID, list[NoticeRow]] = {}
    for of_contract, of_grant, notice in work.session.execute(
        public.with_only_columns(PaymentRow.contract_id, PaymentRow.grant_id, NoticeRow)
        .join(PaymentRow, PaymentRow.payment_id == NoticeRow.about_id)
        .where(
            NoticeRow.kind == "payment",
            PaymentRow.contract_id.in_(about) | PaymentRow.grant_id.in_(about),
        )
        .order_by(PaymentRow.paid_on, PaymentRow.payment_id)
    ):
        basis = of_contract or of_grant
        assert basis is not None
        paid.setdefault(basis, []).append(notice)
    items = [
        PublicContract(
            notice=shown.notice(row, work.now),
            changes=[shown.notice(n, work.now) for n in changed.get(row.about_id, [])],
            payments=[shown.notice(n, work.now) for n in paid.get(row.about_id, [])],
            paid_fen=sum(n.body["fen"] for n in paid.get(row.about_id, [])),
        )
        for row in rows
    ]
    return Page(items=items, next=following)


@ROUTER.get("/acceptance")
def list_acceptance(
    work: Transaction, call_id: UUID | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[Notice]:
    """Results of acceptance that were published, the newest first."""
    rows, following = _published(work, "acceptance", call_id, cursor, limit)
    return Page(items=[shown.notice(row, work.now) for row in rows], next=following)


@ROUTER.get("/funds")
def list_public_funds(
    work: Transaction,
    year: Annotated[int | None, Query(ge=2000, le=2100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[PublicFund]:
    """What the funds were given, hold for purchases, have spent and have free; the newest fund first."""
    query = select(FundRow)
    if year is not None:
        query = query.where(FundRow.year == year)
    if cursor:
        query = query.where(FundRow.fund_id < cursor_keys(cursor, UUID)[0])
    rows = work.session.scalars(query.order_by(FundRow.fund_id.desc()).limit(limit + 1)).all()
    return Page(
        items=[_fund(work, row) for row in rows[:limit]],
        next=encode_cursor(rows[limit - 1].fund_id) if len(rows) > limit else None,
    )


def _fund(work: Work, row: FundRow) -> PublicFund:
    lines = work.session.scalars(
        select(BudgetLineRow)
        .where(BudgetLineRow.fund_id == row.fund_id)
        .order_by(BudgetLineRow.purpose, BudgetLineRow.name)
    ).all()
    purposes: dict[str, dict[str, int]] = {}
    for line in lines:
        sums = purposes.setdefault(line.purpose, dict.fromkeys(MONEY, 0))
        for name in MONEY:
            sums[name] += getattr(line, name)
    appraised = work.session.get(AppraisalRow, row.fund_id)
    public = appraised is not None and appraised.published_at is not None
    plain = [name for name in PublicLine.model_fields if name != "gap_fen"]
    return PublicFund(
        fund_id=row.fund_id,
        name=row.name,
        year=row.year,
        purposes=[PurposeSums(purpose=purpose, **sums) for purpose, sums in purposes.items()],
        lines=[
            PublicLine.model_validate(
                {
                    **{name: getattr(line, name) for name in plain},
                    "gap_fen": max(0, line.need_fen - line.allocated_fen),
                }
            )
            for line in lines
        ],
        appraisal_due=row.appraisal_due,
        appraisal=PublicAppraisal.model_validate(appraised) if public else None,
    )


@ROUTER.get("/due")
def read_due(work: Transaction, call_id: UUID | None = None) -> Due:
    """What should be public and is not, the longest overdue first: what kind it is, and for how long."""
    today = wall_day(work.now)
    late = work.session.scalars(
        select(FundRow)
        .outerjoin(AppraisalRow, AppraisalRow.fund_id == FundRow.fund_id)
        .where(FundRow.appraisal_due < today, AppraisalRow.published_at.is_(None))
        .order_by(FundRow.appraisal_due, FundRow.fund_id)
    )
    return Due(
        notices=shown.overdue(notices.overdue(work, call_id), work.now),
        appraisals=[
            OverdueAppraisal(
                fund_id=row.fund_id,
                name=row.name,
                year=row.year,
                due_on=row.appraisal_due,
                late_days=(today - row.appraisal_due).days,
            )
            for row in (late if call_id is None else ())
        ],
    )


def _told(work: Work, reference: str) -> list[dict[str, Any]]:
    """The releases of the process that an ocid or a call's id names. 404 while nothing of it is public."""
    try:
        call_id = UUID(reference.removeprefix(f"{ocds.PREFIX}-"))
    except ValueError:
        raise NotFound("call_unknown", "没有这次采购。") from None
    told = ocds.releases(work, public_call(work, call_id))
    if not told:
        raise NotFound("call_unknown", "没有这次采购。")
    return told


@ROUTER.get("/ocds/releases")
def list_releases(
    work: Transaction,
    request: Request,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100, description="releases a page")] = 50,
) -> dict[str, Any]:
    """An OCDS 1.1 release package of everything that was published, the oldest first; `links.next` is the next page."""
    order = (NoticeRow.published_at, NoticeRow.notice_id)
    query = select(NoticeRow).where(NoticeRow.published_at.is_not(None), NoticeRow.call_id.is_not(None))
    if cursor:
        query = query.where(tuple_(*order) > tuple_(*cursor_keys(cursor, _instant, UUID)))
    rows = work.session.scalars(query.order_by(*order).limit(limit + 1)).all()
    of_calls: dict[str, dict[str, Any]] = {}
    for call_id in {row.call_id for row in rows[:limit]}:
        call = work.session.get_one(CallRow, call_id)
        of_calls |= {each["id"]: each for each in ocds.releases(work, call)}
    told = [of_calls[f"{row.kind}-{row.notice_id}"] for row in rows[:limit]]
    following = _next(rows, limit)
    at = f"{request.url.replace(query=None)}?{urlencode({'cursor': following, 'limit': limit})}"
    return ocds.release_package(str(request.url), told, at if following else None)


@ROUTER.get("/ocds/releases/{reference}")
def read_releases(reference: Reference, work: Transaction, request: Request) -> dict[str, Any]:
    """An OCDS 1.1 release package of one call, from its consultation to its last payment."""
    return ocds.release_package(str(request.url), _told(work, reference))


@ROUTER.get("/ocds/records/{reference}")
def read_record(reference: Reference, work: Transaction, request: Request) -> dict[str, Any]:
    """An OCDS 1.1 record package of one call: its releases by address, and the compiled release."""
    told = _told(work, reference)
    releases = f"{request.base_url}public/ocds/releases/{told[0]['ocid']}"
    return ocds.record_package(str(request.url), told, lambda release_id: f"{releases}#{release_id}")
