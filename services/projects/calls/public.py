"""Calls as anyone may read them, without signing in: never a draft, a bid, an asker or an opener's share."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from sqlalchemy import ColumnElement, func, or_, select, tuple_

from services.projects.calls import asking, service, shown
from services.projects.calls.endpoints import notices_page
from services.projects.calls.methods import Method
from services.projects.calls.schemas import Day, ListedCall, NewOpinion, Notices, PublicCall
from services.projects.calls.tables import CallRow, NoticeRow, State
from services.projects.organisations.service import too_many
from shared.clock import day_bounds
from shared.contracts.codes import ServiceKind
from shared.database.work import Work
from shared.web.address import Address
from shared.web.app import router
from shared.web.problems import NotFound, refused
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor

ROUTER = router("/public", "public")
TRIES: dict[int | str, dict[str, Any]] = {429: {"description": "too many opinions: see Retry-After"}}
PUBLIC_SINCE = func.coalesce(CallRow.published_at, CallRow.consulted_from)


def ever_public() -> ColumnElement[bool]:
    """Whether a call was ever shown to the public: its drafts were not."""
    return or_(CallRow.published_at.is_not(None), CallRow.consulted_from.is_not(None))


def public_call(work: Work, call_id: UUID, *, lock: bool = False) -> CallRow:
    """A call that is public. 404 for a draft, as for none."""
    row = service.call(work, call_id, lock=lock)
    if not service.is_public(row):
        raise NotFound("call_unknown", "没有这次采购。")
    return row


@ROUTER.get("/calls")
def list_calls(
    work: Transaction,
    kind: ServiceKind | None = None,
    community_id: UUID | None = None,
    town_id: UUID | None = None,
    method: Method | None = None,
    state: Annotated[list[State] | None, Query(max_length=11)] = None,
    closing_from: Day | None = None,
    closing_to: Day | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ListedCall]:
    """Calls that are or were public, newest first: by area, service, method, state and closing day."""
    query = select(CallRow).where(ever_public(), *shown.buying(work, kind, community_id, town_id))
    if method:
        query = query.where(CallRow.method == method.value)
    if state:
        query = query.where(CallRow.state.in_(state))
    if closing_from:
        query = query.where(CallRow.deadline_at >= day_bounds(closing_from)[0])
    if closing_to:
        query = query.where(CallRow.deadline_at < day_bounds(closing_to)[1])
    if cursor:
        query = query.where(
            tuple_(PUBLIC_SINCE, CallRow.call_id) < tuple_(*cursor_keys(cursor, _instant, UUID))
        )
    rows = list(
        work.session.scalars(query.order_by(PUBLIC_SINCE.desc(), CallRow.call_id.desc()).limit(limit + 1))
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=shown.listed(work, rows[:limit]),
        next=encode_cursor((last.published_at or last.consulted_from), last.call_id) if last else None,
    )


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant has a zone")
    return moment


@ROUTER.get("/calls/{call_id}")
def read_call(call_id: UUID, work: Transaction) -> PublicCall:
    """One call: its lots, criteria, terms, what was asked and answered, amended and told."""
    return shown.public(work, public_call(work, call_id))


@ROUTER.post("/calls/{call_id}/opinions", status_code=201, responses=TRIES, response_model=Done)
def say(
    call_id: UUID, body: NewOpinion, request: Request, address: Address, work: Transaction
) -> Done | Response:
    """Say what you think of what is to be bought, while the public is heard. Read by anyone once it is answered."""
    row = public_call(work, call_id, lock=True)
    refusal = too_many(work, address, "opinion")
    if refusal is not None:
        return refused(request, refusal)
    opinion = asking.say(work, row, body.text)
    return Done(id=opinion.opinion_id, version=row.version)


@ROUTER.get("/notices")
def list_notices(
    work: Transaction, call_id: UUID | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Notices:
    """Published notices, newest first; and what should be public and is not, with how long."""
    query = select(NoticeRow).where(NoticeRow.published_at.is_not(None))
    if call_id:
        query = query.where(NoticeRow.call_id == call_id)
    return notices_page(work, query, call_id, cursor, limit)
