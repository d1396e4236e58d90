"""Grants and incubation over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import false, select

from services.projects.awards.service import award as award_of
from services.projects.grants import service
from services.projects.grants.schemas import (
    Ending,
    Evidence,
    Grant,
    GrantShown,
    Incubation,
    IncubationShown,
    Leaving,
    Milestone,
    NewGrant,
    NewIncubation,
    NewSupport,
    Resumption,
    Review,
    Step,
    Support,
)
from services.projects.grants.tables import GrantRow, IncubationRow, MilestoneRow, SupportRow
from services.projects.payments.schemas import Paying, Payment
from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("", "grants")
WIDE = (Role.BUREAU, Role.AUDITOR)
Bureau = Annotated[Caller, may(Role.BUREAU)]
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
Reader = Annotated[Caller, may(*WIDE, Role.DISPATCHER)]


def _own(caller: Caller) -> frozenset[UUID]:
    return caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)


@ROUTER.post("/awards/{award_id}/grant", status_code=201)
def start(award_id: UUID, body: NewGrant, work: Transaction, caller: Bureau) -> Done:
    """Start a venture's grant (立项) after the challenge days, with its milestones."""
    row = service.start(work, award_of(work, award_id, lock=True), body)
    return Done(id=row.grant_id, version=row.version)


@ROUTER.get("/grants")
def list_grants(
    work: Transaction,
    caller: Reader,
    call_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Grant]:
    """Grants, the newest first; an organisation sees its own."""
    query = select(GrantRow).order_by(GrantRow.grant_id.desc()).limit(limit + 1)
    if not caller.has(*WIDE):
        own = _own(caller)
        query = query.where(GrantRow.organisation_id.in_(own) if own else false())
    if call_id:
        query = query.where(GrantRow.call_id == call_id)
    if cursor:
        query = query.where(GrantRow.grant_id < cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Grant.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].grant_id) if len(rows) > limit else None)


@ROUTER.get("/grants/{grant_id}")
def read_grant(grant_id: UUID, work: Transaction, caller: Reader) -> GrantShown:
    """A grant with its milestones and what happened in it."""
    row = service.grant(work, grant_id)
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    return GrantShown(
        **Grant.model_validate(row).model_dump(),
        milestones=[_milestone(each, caller) for each in service.milestones(work, grant_id)],
        steps=[Step.model_validate(each) for each in service.steps(work, grant_id)],
    )


def _milestone(row: MilestoneRow, caller: Caller) -> Milestone:
    shown = Milestone.model_validate(row)
    return shown.model_copy(update={"reviewed_by_reader": row.reviewed_by == caller.person_id})


@ROUTER.post("/milestones/{milestone_id}/evidence")
def hand_in(milestone_id: UUID, body: Evidence, work: Transaction, caller: Dispatcher) -> Done:
    """Show what was done by a milestone."""
    of, row = service.milestone(work, milestone_id)
    require(caller, Reach(organisation_id=of.organisation_id), Role.DISPATCHER)
    service.hand_in(work, of, row, body.evidence)
    return Done(id=milestone_id, version=row.version)


@ROUTER.post("/milestones/{milestone_id}/review")
def review(milestone_id: UUID, body: Review, work: Transaction, caller: Bureau) -> Done:
    """Review a milestone; a failed mid-term review stops the grant."""
    of, row = service.milestone(work, milestone_id)
    service.review(work, of, row, body)
    return Done(id=milestone_id, version=row.version)


@ROUTER.post("/milestones/{milestone_id}/pay", status_code=201)
def pay(milestone_id: UUID, body: Paying, work: Transaction, caller: Bureau) -> Payment:
    """Pay a milestone that passed."""
    of, row = service.milestone(work, milestone_id)
    return Payment.model_validate(service.pay(work, of, row, body))


@ROUTER.post("/grants/{grant_id}/resume")
def resume(grant_id: UUID, body: Resumption, work: Transaction, caller: Bureau) -> Done:
    """Let a stopped grant go on: its mid-term review is held again."""
    row = service.grant(work, grant_id, lock=True)
    service.resume(work, row, body)
    return Done(id=grant_id, version=row.version)


@ROUTER.post("/grants/{grant_id}/complete")
def complete(grant_id: UUID, body: Ending, work: Transaction, caller: Bureau) -> Done:
    """End a grant whose final report passed."""
    row = service.grant(work, grant_id, lock=True)
    service.complete(work, row, body.reason)
    return Done(id=grant_id, version=row.version)


@ROUTER.post("/grants/{grant_id}/terminate")
def terminate(grant_id: UUID, body: Ending, work: Transaction, caller: Bureau) -> Done:
    """End a grant before its time: what is not paid is free again."""
    row = service.grant(work, grant_id, lock=True)
    service.terminate(work, row, body.reason)
    return Done(id=grant_id, version=row.version)


@ROUTER.get("/incubations")
def list_incubations(
    work: Transaction, caller: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[Incubation]:
    """Incubations, the newest first; an organisation sees its own."""
    query = select(IncubationRow).order_by(IncubationRow.incubation_id.desc()).limit(limit + 1)
    if not caller.has(*WIDE):
        own = _own(caller)
        query = query.where(IncubationRow.organisation_id.in_(own) if own else false())
    if cursor:
        query = query.where(IncubationRow.incubation_id < cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Incubation.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].incubation_id) if len(rows) > limit else None)


@ROUTER.post("/incubations", status_code=201)
def incubate(body: NewIncubation, work: Transaction, caller: Bureau) -> Done:
    """Take an organisation into incubation."""
    row = service.incubate(work, body)
    return Done(id=row.incubation_id, version=row.version)


@ROUTER.get("/incubations/{incubation_id}")
def read_incubation(incubation_id: UUID, work: Transaction, caller: Reader) -> IncubationShown:
    """An incubation with the support given."""
    row = service.incubation(work, incubation_id)
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    given = work.session.scalars(
        select(SupportRow)
        .where(SupportRow.incubation_id == incubation_id)
        .order_by(SupportRow.on, SupportRow.support_id)
    )
    return IncubationShown(
        **Incubation.model_validate(row).model_dump(),
        support=[Support.model_validate(each) for each in given],
    )


@ROUTER.post("/incubations/{incubation_id}/support", status_code=201)
def support(incubation_id: UUID, body: NewSupport, work: Transaction, caller: Bureau) -> Done:
    """Note what an incubated organisation was given."""
    row = service.incubation(work, incubation_id, lock=True)
    made = service.support(work, row, body)
    return Done(id=made.support_id, version=row.version)


@ROUTER.post("/incubations/{incubation_id}/exit")
def leave(incubation_id: UUID, body: Leaving, work: Transaction, caller: Bureau) -> Done:
    """The one exit of an incubation."""
    row = service.incubation(work, incubation_id, lock=True)
    service.leave(work, row, body)
    return Done(id=incubation_id, version=row.version)
