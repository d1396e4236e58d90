"""Calls over HTTP, for the bureau that buys and the organisations that ask."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from sqlalchemy import Select, select

from services.projects.calls import asking, notices, publishing, service, shown
from services.projects.calls.methods import Method
from services.projects.calls.schemas import (
    Amend,
    Call,
    Consult,
    Day,
    Draft,
    ListedCall,
    NewQuestion,
    Notice,
    Notices,
    OwnCall,
    OwnQuestion,
    Publish,
    Published,
    Reason,
    Reply,
)
from services.projects.calls.tables import CallRow, NoticeRow, QuestionRow, State
from services.projects.organisations.service import missing
from shared.clock import day_bounds
from shared.contracts.codes import Role, ServiceKind
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.language import language_of
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "calls")
Bureau = Annotated[Caller, may(Role.BUREAU)]
Reader = Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
Organisation = Annotated[Caller, may(Role.DISPATCHER)]


@ROUTER.post("/calls", status_code=201)
def draft(body: Draft, work: Transaction, caller: Bureau) -> Done:
    """Begin a call. What is missing may come later; what is there is kept as it is."""
    row = service.draft(work, body)
    return Done(id=row.call_id, version=row.version)


@ROUTER.get("/calls")
def list_calls(
    work: Transaction,
    caller: Reader,
    state: Annotated[list[State] | None, Query(max_length=11)] = None,
    method: Method | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ListedCall]:
    """All calls, drafts too, newest first."""
    query = select(CallRow)
    if state:
        query = query.where(CallRow.state.in_(state))
    if method:
        query = query.where(CallRow.method == method.value)
    return by_id(work, query, cursor, limit)


def by_id(work: Transaction, query: Select[CallRow], cursor: Cursor, limit: int) -> Page[ListedCall]:
    """A page of calls, the newest first."""
    if cursor:
        query = query.where(CallRow.call_id < cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query.order_by(CallRow.call_id.desc()).limit(limit + 1)))
    return Page(
        items=shown.listed(work, rows[:limit]),
        next=encode_cursor(rows[limit - 1].call_id) if len(rows) > limit else None,
    )


@ROUTER.get("/calls/{call_id}")
def read_call(call_id: UUID, work: Transaction, caller: Reader, request: Request) -> Call:
    """One call, and what a draft still lacks before it may be published."""
    return shown.of_bureau(work, service.call(work, call_id), language_of(request))


@ROUTER.put("/calls/{call_id}")
def change(call_id: UUID, body: Draft, work: Transaction, caller: Bureau) -> Done:
    """Replace a draft (If-Match). Once published nothing that bids are measured by changes (8.21)."""
    row = service.call(work, call_id, lock=True)
    service.change(work, row, body)
    return Done(id=row.call_id, version=row.version)


@ROUTER.post("/calls/{call_id}/consult")
def consult(call_id: UUID, body: Consult, work: Transaction, caller: Bureau) -> Done:
    """Hear the public (If-Match). What is missing is refused all at once (8.20)."""
    row = service.call(work, call_id, lock=True)
    publishing.consult(work, row, body.until)
    return Done(id=row.call_id, version=row.version)


@ROUTER.post("/calls/{call_id}/publish")
def publish(call_id: UUID, body: Publish, work: Transaction, caller: Bureau) -> Published:
    """Publish (If-Match): the call is frozen, numbered, and its ceiling committed. What is missing is refused all at once."""
    row = service.call(work, call_id, lock=True)
    publishing.publish(work, row, body)
    return Published(id=row.call_id, version=row.version, number=row.number or "")


@ROUTER.post("/calls/{call_id}/amendments", status_code=201)
def amend(call_id: UUID, body: Amend, work: Transaction, caller: Bureau) -> Done:
    """Tell everybody of a change; one that touches bids moves the deadline where the rule asks for it."""
    row = service.call(work, call_id, lock=True)
    amendment = asking.amend(work, row, body)
    return Done(id=amendment.amendment_id, version=row.version)


@ROUTER.post("/calls/{call_id}/terminate")
def terminate(call_id: UUID, body: Reason, work: Transaction, caller: Bureau) -> Done:
    """End a call that is no longer wanted (终止): its reason becomes public, its commitment is free again."""
    return _end(work, call_id, "terminated", body.reason)


@ROUTER.post("/calls/{call_id}/void")
def void(call_id: UUID, body: Reason, work: Transaction, caller: Bureau) -> Done:
    """Declare a call void (废标) after its deadline: its reason becomes public, its commitment is free again."""
    return _end(work, call_id, "void", body.reason)


def _end(work: Transaction, call_id: UUID, state: Literal["void", "terminated"], reason: str) -> Done:
    row = service.call(work, call_id, lock=True)
    service.end(work, row, state, reason)
    return Done(id=row.call_id, version=row.version)


@ROUTER.post("/calls/{call_id}/archive")
def archive(call_id: UUID, work: Transaction, caller: Bureau) -> Done:
    """Put a closed call away, once all its notices are public. Nothing of it changes after that."""
    row = service.call(work, call_id, lock=True)
    service.archive(work, row)
    return Done(id=row.call_id, version=row.version)


@ROUTER.post("/calls/{call_id}/successor", status_code=201)
def succeed(call_id: UUID, work: Transaction, caller: Bureau) -> Done:
    """Begin anew (重新采购) what came to nothing: a draft with all that the ended call had."""
    row = service.succeed(work, service.call(work, call_id, lock=True))
    return Done(id=row.call_id, version=row.version)


@ROUTER.post("/opinions/{opinion_id}/answer")
def answer_opinion(opinion_id: UUID, body: Reply, work: Transaction, caller: Bureau) -> Done:
    """Answer what somebody of the public said; both become public."""
    row = asking.answer_opinion(work, opinion_id, body.text)
    return Done(id=opinion_id, version=row.version)


@ROUTER.post("/calls/{call_id}/questions", status_code=201)
def ask(call_id: UUID, body: NewQuestion, work: Transaction, caller: Organisation) -> Done:
    """Ask about a call, for the caller's own organisation. The answer is public, the asker is not."""
    row = service.call(work, call_id, lock=True)
    require(caller, Reach(organisation_id=body.organisation_id), Role.DISPATCHER)
    question = asking.ask(work, row, body.organisation_id, body.text)
    return Done(id=question.question_id, version=row.version)


@ROUTER.get("/organisations/{organisation_id}/calls")
def own_calls(
    organisation_id: UUID,
    work: Transaction,
    caller: Organisation,
    request: Request,
    kind: ServiceKind | None = None,
    community_id: UUID | None = None,
    town_id: UUID | None = None,
    closing_to: Day | None = None,
) -> list[OwnCall]:
    """Calls open for bids, the first to close first, and what an organisation lacks for each. At most a hundred."""
    require(caller, Reach(organisation_id=organisation_id), Role.DISPATCHER)
    query = select(CallRow).where(
        CallRow.state == "published",
        CallRow.deadline_at > work.now,
        *shown.buying(work, kind, community_id, town_id),
    )
    if closing_to:
        query = query.where(CallRow.deadline_at < day_bounds(closing_to)[1])
    rows = list(work.session.scalars(query.order_by(CallRow.deadline_at, CallRow.call_id).limit(100)))
    lang = language_of(request)
    return [
        shown.own(call, missing(work, row, organisation_id), lang)
        for row, call in zip(rows, shown.listed(work, rows), strict=True)
    ]


@ROUTER.get("/organisations/{organisation_id}/questions")
def own_questions(
    organisation_id: UUID, work: Transaction, caller: Organisation, call_id: UUID | None = None
) -> list[OwnQuestion]:
    """What an organisation asked, newest first, answered or not."""
    require(caller, Reach(organisation_id=organisation_id), Role.DISPATCHER)
    query = select(QuestionRow).where(QuestionRow.organisation_id == organisation_id)
    if call_id:
        query = query.where(QuestionRow.call_id == call_id)
    rows = work.session.scalars(query.order_by(QuestionRow.at.desc(), QuestionRow.question_id).limit(500))
    return [OwnQuestion.model_validate(row) for row in rows]


@ROUTER.post("/questions/{question_id}/answer")
def answer_question(question_id: UUID, body: Reply, work: Transaction, caller: Bureau) -> Done:
    """Answer an organisation's question, before bids are due; both become public."""
    row = asking.answer_question(work, question_id, body.text)
    return Done(id=question_id, version=row.version)


@ROUTER.get("/notices")
def list_notices(
    work: Transaction,
    caller: Reader,
    call_id: UUID | None = None,
    state: Literal["due", "published"] = "due",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Notices:
    """What must still become public, by when; or what has. What is overdue is listed apart, with how long."""
    query = select(NoticeRow).where(
        NoticeRow.published_at.is_(None) if state == "due" else NoticeRow.published_at.is_not(None)
    )
    if call_id:
        query = query.where(NoticeRow.call_id == call_id)
    return notices_page(work, query, call_id, cursor, limit)


def notices_page(
    work: Transaction, query: Select[NoticeRow], call_id: UUID | None, cursor: Cursor, limit: int
) -> Notices:
    """A page of notices, the newest first, and what is overdue."""
    if cursor:
        query = query.where(NoticeRow.notice_id < cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query.order_by(NoticeRow.notice_id.desc()).limit(limit + 1)))
    return Notices(
        items=[shown.notice(row, work.now) for row in rows[:limit]],
        next=encode_cursor(rows[limit - 1].notice_id) if len(rows) > limit else None,
        overdue=shown.overdue(notices.overdue(work, call_id), work.now),
    )


@ROUTER.post("/notices/{notice_id}/publish")
def publish_notice(notice_id: UUID, work: Transaction, caller: Bureau) -> Notice:
    """Make a notice public."""
    row = notices.notice(work, notice_id)
    notices.publish(work, row)
    return shown.notice(row, work.now)
