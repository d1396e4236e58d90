"""Needs over HTTP."""

from typing import Annotated, Literal
from uuid import UUID

from sqlalchemy import select

from services.daycare.access import NAMES, OVERSIGHT, OWN, POSTERS, visible_needs, visit_reach
from services.daycare.needs import service
from services.daycare.needs.copying import copy_week
from services.daycare.needs.importing import import_needs
from services.daycare.needs.schemas import (
    Cancellation,
    ChangeDone,
    Copied,
    CopyWeek,
    Imported,
    NeedAnswer,
    NeedChange,
    NewNeed,
    Posted,
)
from services.daycare.needs.tables import NeedRow
from services.daycare.needs.views import answers
from services.daycare.spreadsheets import FileIn
from shared.contracts.codes import Role, ServiceKind
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may, require

ROUTER = router("/needs", "needs")
Poster = Annotated[Caller, may(*POSTERS)]
Desk = Annotated[Caller, may(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER)]
Canceller = Annotated[Caller, may(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER, *OWN)]
Looker = Annotated[Caller, may(*NAMES, *OVERSIGHT, *OWN)]


@ROUTER.post("", status_code=201)
def post_need(body: NewNeed, work: Transaction, caller: Poster) -> Posted:
    """Post a need: once or again and again, for one resident, for several, or for a group (8.6)."""
    rows, visits = service.post(work, body)
    return Posted(
        id=rows[0].need_id, version=rows[0].version, need_ids=[r.need_id for r in rows], visits=visits
    )


@ROUTER.get("")
def list_needs(
    work: Transaction,
    caller: Looker,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    cell_id: UUID | None = None,
    resident_id: UUID | None = None,
    kind: ServiceKind | None = None,
    state: Literal["active", "ended", "cancelled"] | None = "active",
    recurring: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[NeedAnswer]:
    """Needs within the caller's reach, the newest first."""
    query = select(NeedRow).where(visible_needs(caller)).order_by(NeedRow.posted_at.desc(), NeedRow.need_id)
    for column, value in (
        (NeedRow.centre_id, centre_id),
        (NeedRow.community_id, community_id),
        (NeedRow.cell_id, cell_id),
        (NeedRow.kind, kind),
        (NeedRow.state, state),
    ):
        if value:
            query = query.where(column == value)
    if resident_id:
        query = query.where(NeedRow.resident_ids.contains([resident_id]))
    if recurring is not None:
        query = query.where(NeedRow.rrule.is_not(None) if recurring else NeedRow.rrule.is_(None))
    offset = cursor_keys(cursor, int)[0] if cursor else 0
    rows = list(work.session.scalars(query.offset(max(0, offset)).limit(limit + 1)))
    return Page(
        items=answers(work, caller, rows[:limit]),
        next=encode_cursor(offset + limit) if len(rows) > limit else None,
    )


@ROUTER.post("/copy-week")
def copy_a_week(body: CopyWeek, work: Transaction, caller: Desk) -> Copied:
    """Copy last week's single visits. The preview lists each line with its reason; twice adds nothing (8.8)."""
    return copy_week(work, body)


@ROUTER.post("/import")
def import_file(body: FileIn, work: Transaction, caller: Desk) -> Imported:
    """Needs from an XLSX or CSV file: good rows go in, bad ones come back with their reasons (8.8)."""
    return import_needs(work, body)


@ROUTER.get("/{need_id}")
def read_need(need_id: UUID, work: Transaction, caller: Looker) -> NeedAnswer:
    """One need."""
    row = service.need(work, need_id)
    require(caller, visit_reach(row), *NAMES, *OVERSIGHT, *OWN)
    return answers(work, caller, [row])[0]


@ROUTER.patch("/{need_id}")
def change_need(need_id: UUID, body: NeedChange, work: Transaction, caller: Desk) -> ChangeDone:
    """Change this visit, this and following, or all to come (If-Match). A preview says whom it affects."""
    row, affected = service.change(work, service.need(work, need_id, lock=True), body)
    work.session.flush()
    return ChangeDone(id=row.need_id, version=row.version, done=not body.preview, affected=affected)


@ROUTER.post("/{need_id}/cancel")
def cancel_need(need_id: UUID, body: Cancellation, work: Transaction, caller: Canceller) -> ChangeDone:
    """Cancel this visit, this and following, or all to come. A preview says whom it affects."""
    row = service.need(work, need_id, lock=True)
    affected = service.cancel(work, row, body)
    work.session.flush()
    return ChangeDone(id=row.need_id, version=row.version, done=not body.preview, affected=affected)
