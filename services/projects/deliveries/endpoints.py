"""Deliveries over HTTP."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, and_, false, func, select, true, tuple_

from services.projects.contracts.endpoints import OWN, WIDE
from services.projects.contracts.schemas import example
from services.projects.contracts.service import line
from services.projects.contracts.tables import ContractRow, LineRow
from services.projects.deliveries import refusals
from services.projects.deliveries.tables import DeliveryRow, EntryRow, RefusalRow
from services.projects.organisations.tables import OrganisationRow
from shared.clock import wall_day
from shared.contracts.codes import Outcome, Role, ScopeKind, ServiceKind
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

ROUTER = router("", "deliveries")
OVERSEERS = (Role.BUREAU, Role.AUDITOR)


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


class Refusal(Answer):
    """A refused delivery as a dispute: `due_on` is the last day to decide it. Money and units are those of its last revision."""

    refusal_id: UUID
    attendance_id: UUID
    visit_id: UUID
    person_id: UUID
    contract_id: UUID
    call_id: UUID | None
    contract: str
    organisation_id: UUID
    organisation: str
    kind: ServiceKind
    day: date
    units: int
    amount_fen: int
    by_role: Literal["resident", "family", "centre"]
    refused_at: Instant
    due_on: date
    overdue: bool
    outcome: Literal["payable", "not_payable", "accepted"] | None
    reason: str | None
    ended_at: Instant | None


class Refusals(Page[Refusal]):
    """`open` and `overdue`: how many of the reader's are undecided, and how many of those past their day."""

    open: int
    overdue: int


class RefusalDecision(Body):
    """Whether a refused delivery is paid after all, and why; both sides read it."""

    model_config = example(payable=False, reason="核对签到和照料中心记录，实际没有上门")

    payable: bool
    reason: Annotated[Text, Field(min_length=2)]


@ROUTER.get("/deliveries")
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


@ROUTER.post("/deliveries/{attendance_id}/dispute")
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


@ROUTER.post("/deliveries/{attendance_id}/dispute/withdraw")
def withdraw_dispute(
    attendance_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.DISPATCHER)]
) -> Done:
    """The organisation takes it as it was confirmed after all: it may be claimed."""
    row = _own(work, attendance_id, caller)
    row.disputed_at = None
    work.audit("delivery.dispute_withdraw", attendance_id, row.person_id)
    return Done(id=attendance_id, version=row.revision)


@ROUTER.get("/refusals")
def list_refusals(
    work: Transaction,
    caller: Annotated[Caller, may(*OVERSEERS, Role.DISPATCHER)],
    ended: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Refusals:
    """Refused deliveries that wait for the bureau, the most pressing first; or those that ended, the newest first."""
    own: ColumnElement[bool] = true()
    if not caller.has(*OVERSEERS):
        ids = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
        own = RefusalRow.organisation_id.in_(ids) if ids else false()
    today = wall_day(work.now)
    waiting, late = work.session.execute(
        select(func.count(), func.count().filter(RefusalRow.due_on < today)).where(
            own, RefusalRow.ended_at.is_(None)
        )
    ).one()
    day, number = RefusalRow.due_on, RefusalRow.refusal_id
    order = (day.desc(), number.desc()) if ended else (day, number)
    query = select(RefusalRow).where(
        own, RefusalRow.ended_at.is_not(None) if ended else RefusalRow.ended_at.is_(None)
    )
    if cursor:
        last = tuple_(*cursor_keys(cursor, date.fromisoformat, UUID))
        query = query.where(tuple_(day, number) < last if ended else tuple_(day, number) > last)
    rows = list(work.session.scalars(query.order_by(*order).limit(limit + 1)))
    return Refusals(
        items=_refusals(work, rows[:limit], today),
        next=encode_cursor(rows[limit - 1].due_on, rows[limit - 1].refusal_id) if len(rows) > limit else None,
        open=waiting,
        overdue=late,
    )


def _refusals(work: Work, rows: Sequence[RefusalRow], today: date) -> list[Refusal]:
    found = work.session.execute(
        select(DeliveryRow, EntryRow, ContractRow, OrganisationRow.name)
        .join(
            EntryRow,
            and_(
                EntryRow.attendance_id == DeliveryRow.attendance_id,
                EntryRow.revision == DeliveryRow.revision,
                EntryRow.reversal.is_(False),
            ),
        )
        .join(LineRow, LineRow.line_id == DeliveryRow.line_id)
        .join(ContractRow, ContractRow.contract_id == LineRow.contract_id)
        .join(OrganisationRow, OrganisationRow.organisation_id == ContractRow.organisation_id)
        .where(DeliveryRow.attendance_id.in_([row.attendance_id for row in rows]))
    )
    of = {
        delivery.attendance_id: (delivery, entry, contract, name) for delivery, entry, contract, name in found
    }
    plain = "refusal_id attendance_id organisation_id by_role refused_at due_on outcome reason ended_at"
    items = []
    for row in rows:
        delivery, entry, contract, organisation = of[row.attendance_id]
        items.append(
            Refusal.model_validate(
                {
                    **{name: getattr(row, name) for name in plain.split()},
                    "visit_id": delivery.visit_id,
                    "person_id": delivery.person_id,
                    "contract_id": contract.contract_id,
                    "call_id": contract.call_id,
                    "contract": contract.title,
                    "organisation": organisation,
                    "kind": entry.kind,
                    "day": entry.day,
                    "units": entry.units,
                    "amount_fen": entry.amount_fen,
                    "overdue": row.ended_at is None and row.due_on < today,
                }
            )
        )
    return items


@ROUTER.post("/refusals/{refusal_id}/decision")
def decide_refusal(
    refusal_id: UUID, body: RefusalDecision, work: Transaction, caller: Annotated[Caller, may(Role.BUREAU)]
) -> Done:
    """Decide a refused delivery: paid after all, or not."""
    row = refusals.refusal(work, refusal_id, lock=True)
    refusals.decide(work, row, payable=body.payable, reason=body.reason)
    return Done(id=refusal_id, version=row.version)
