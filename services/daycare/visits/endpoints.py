"""Visits over HTTP: lists, one visit, cancelling, change requests."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import or_, select

from services.daycare.access import LOOKERS, OWN, own_residents, require_desk, visible_visits
from services.daycare.visits import service, views
from services.daycare.visits.schemas import ChangeRequest, VisitCancelled, VisitDetail, VisitLine
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.clock import wall_day
from shared.contracts.codes import Role, VisitStatus
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Invalid
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may

ROUTER = router("/visits", "visits")
Looker = Annotated[Caller, may(*LOOKERS)]
LONGEST_SPAN = 92


@ROUTER.get("")
def list_visits(
    work: Transaction,
    caller: Looker,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    cell_id: UUID | None = None,
    resident_id: UUID | None = None,
    person_id: Annotated[UUID | None, Query(description="somebody who comes")] = None,
    organisation_id: UUID | None = None,
    need_id: UUID | None = None,
    status: VisitStatus | None = None,
    ids: Annotated[list[UUID] | None, Query(max_length=200)] = None,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> Page[VisitLine]:
    """Visits of some days (today when none are named) within the caller's reach, by start."""
    query = (
        select(VisitRow)
        .outerjoin(StaffingRow, StaffingRow.visit_id == VisitRow.visit_id)
        .where(visible_visits(caller))
        .order_by(VisitRow.earliest_start, VisitRow.visit_id)
    )
    if ids:
        query = query.where(VisitRow.visit_id.in_(ids))
    else:
        first = first or wall_day(work.now)
        last = last or first
        if not 0 <= (last - first).days <= LONGEST_SPAN:
            raise Invalid("bad_span", "结束日期应在开始日期之后三个月内。", field="to")
        query = query.where(VisitRow.day.between(first, last))
    for column, value in (
        (VisitRow.centre_id, centre_id),
        (VisitRow.community_id, community_id),
        (VisitRow.cell_id, cell_id),
        (VisitRow.need_id, need_id),
        (VisitRow.status, status),
    ):
        if value:
            query = query.where(column == value)
    if resident_id:
        query = query.where(VisitRow.resident_ids.contains([resident_id]))
    if person_id:
        query = query.where(StaffingRow.held_ids.contains([person_id]))
    if organisation_id:
        query = query.where(StaffingRow.organisation_ids.contains([organisation_id]))
    if cursor:
        start, visit_id = cursor_keys(cursor, str, UUID)
        query = query.where(
            or_(
                VisitRow.earliest_start > start,
                (VisitRow.earliest_start == start) & (VisitRow.visit_id > visit_id),
            )
        )
    rows = list(work.session.scalars(query.limit(limit + 1)))
    shown = rows[:limit]
    return Page(
        items=views.lines(work, caller, shown),
        next=encode_cursor(shown[-1].earliest_start.isoformat(), shown[-1].visit_id)
        if len(rows) > limit
        else None,
    )


@ROUTER.get("/{visit_id}")
def read_visit(visit_id: UUID, work: Transaction, caller: Looker) -> VisitDetail:
    """One visit. Address and phone appear on acceptance and vanish 24 hours after it (8.17)."""
    return views.detail(work, caller, service.visit(work, caller, visit_id))


@ROUTER.post("/{visit_id}/cancel")
def cancel_visit(
    visit_id: UUID,
    body: VisitCancelled,
    work: Transaction,
    caller: Annotated[Caller, may(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER, *OWN)],
) -> Done:
    """Cancel a visit that has not begun. Whoever was to come is told; cancelling wins over any answer."""
    row = service.visit(work, caller, visit_id, lock=True)
    if not set(row.resident_ids) & own_residents(caller):
        require_desk(caller, row)
    service.cancel(work, row, body.reason)
    work.session.flush()
    return Done(id=row.visit_id, version=row.version)


@ROUTER.post("/{visit_id}/change-request", status_code=201)
def request_change(
    visit_id: UUID, body: ChangeRequest, work: Transaction, caller: Annotated[Caller, may(*OWN)]
) -> Done:
    """A resident or family asks for another time: a task for the centre."""
    row = service.visit(work, caller, visit_id)
    return Done(id=service.request_change(work, row, body.text), version=1)
