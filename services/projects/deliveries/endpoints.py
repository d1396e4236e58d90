"""Deliveries over HTTP."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field
from sqlalchemy import select, tuple_

from services.projects.contracts.endpoints import OWN, WIDE
from services.projects.contracts.schemas import example
from services.projects.contracts.service import line
from services.projects.deliveries.tables import DeliveryRow, EntryRow
from shared.contracts.codes import Outcome, Role, ServiceKind
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Forbidden
from shared.web.routing import Transaction
from shared.web.schemas import (
    Answer,
    Body,
    Cursor,
    Done,
    Instant,
    Limit,
    Page,
    Text,
    cursor_keys,
    encode_cursor,
)
from shared.web.signed_in import may, require

ROUTER = router("/deliveries", "deliveries")


class DeliveryEntry(Answer):
    """One entry of the ledger; a reversal has negative units and money."""

    entry_id: UUID
    attendance_id: UUID
    revision: int
    reversal: bool
    visit_id: UUID
    person_id: UUID
    line_id: UUID
    kind: ServiceKind
    outcome: Outcome
    day: date
    minutes: int
    units: int
    amount_fen: int
    disputed: bool
    recorded_at: Instant


class DeliveryDispute(Body):
    model_config = example(reason="实际服务了两小时")

    reason: Annotated[Text, Field(min_length=1)]


@ROUTER.get("")
def list_deliveries(
    work: Transaction,
    caller: Annotated[Caller, may(*WIDE, *OWN)],
    line_id: UUID,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeliveryEntry]:
    """A line's delivery ledger, newest first."""
    row = line(work, line_id)
    if not caller.has(*WIDE):
        require(caller, Reach(organisation_id=row.organisation_id), *OWN)
    query = (
        select(EntryRow)
        .where(EntryRow.line_id == line_id)
        .order_by(EntryRow.day.desc(), EntryRow.entry_id.desc())
    )
    if cursor:
        query = query.where(
            tuple_(EntryRow.day, EntryRow.entry_id) < cursor_keys(cursor, date.fromisoformat, UUID)
        )
    rows = list(work.session.scalars(query.limit(limit + 1)))
    items = [DeliveryEntry.model_validate(r) for r in rows[:limit]]
    return Page(
        items=items, next=encode_cursor(items[-1].day, items[-1].entry_id) if len(rows) > limit else None
    )


def _own(work: Work, attendance_id: UUID, caller: Caller) -> DeliveryRow:
    row = work.session.get(DeliveryRow, attendance_id, with_for_update=True)
    if row is None:
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    require(caller, Reach(organisation_id=line(work, row.line_id).organisation_id), Role.DISPATCHER)
    return row


@ROUTER.post("/{attendance_id}/dispute")
def dispute(
    attendance_id: UUID,
    body: DeliveryDispute,
    work: Transaction,
    caller: Annotated[Caller, may(Role.DISPATCHER)],
) -> Done:
    """The organisation says that what was confirmed is wrong. The centre corrects it with the visit's attendance."""
    row = _own(work, attendance_id, caller)
    row.disputed_at = work.now
    row.sealed = work.vault.seal(work.session, row.person_id, {"reason": body.reason})
    work.audit("delivery.dispute", attendance_id, row.person_id)
    return Done(id=attendance_id, version=row.revision)


@ROUTER.post("/{attendance_id}/dispute/withdraw")
def withdraw_dispute(
    attendance_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.DISPATCHER)]
) -> Done:
    """The organisation takes it as it was confirmed after all: it may be claimed."""
    row = _own(work, attendance_id, caller)
    row.disputed_at = None
    work.audit("delivery.dispute_withdraw", attendance_id, row.person_id)
    return Done(id=attendance_id, version=row.revision)
