"""Staff over HTTP."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Response
from sqlalchemy import select

from services.projects.contracts.tables import AreaRow
from services.projects.staff import service
from services.projects.staff.schemas import (
    HeldUntil,
    Hours,
    Leave,
    LicenceHeld,
    NameAnswer,
    NamesWanted,
    NewLeave,
    NewStaff,
    Staff,
    StaffChange,
)
from services.projects.staff.tables import AcquaintanceRow, LeaveRow, LicenceRow, StaffRow
from shared.clock import wall_day
from shared.contracts.codes import Licence, Role, ScopeKind
from shared.database.base import among
from shared.database.work import Work
from shared.ids import carer_id
from shared.security.acquaintance import acquainted
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may, require

ROUTER = router("", "staff")
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
WIDE = (Role.BUREAU, Role.PLANNER, Role.TOWN, Role.AUDITOR)
PHONES = (Role.BUREAU, Role.TOWN, Role.CENTRE_STAFF, Role.COMMUNITY, Role.PLANNER)


def _own(caller: Caller) -> frozenset[UUID]:
    return caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)


@ROUTER.post("/staff", status_code=201)
def take_on(body: NewStaff, work: Transaction, caller: Dispatcher, response: Response) -> Done:
    """Take somebody on in the own organisation."""
    require(caller, Reach(organisation_id=body.organisation_id), Role.DISPATCHER)
    row, known = service.take_on(work, body)
    if known:
        response.status_code = 200
    return Done(id=row.person_id, version=row.version)


@ROUTER.get("/staff")
def list_staff(
    work: Transaction,
    caller: Annotated[Caller, may(Role.DISPATCHER, Role.ORGANISATION_STAFF, *WIDE)],
    organisation_id: UUID,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> Page[Staff]:
    """An organisation's staff, by id. Carers see themselves."""
    query = select(StaffRow).where(StaffRow.organisation_id == organisation_id).order_by(StaffRow.person_id)
    if not caller.has(*WIDE) and organisation_id not in _own(caller):
        require(caller, Reach(organisation_id=organisation_id), Role.ORGANISATION_STAFF)
        query = query.where(StaffRow.person_id == caller.person_id)
    if cursor:
        query = query.where(StaffRow.person_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query.limit(limit + 1)))
    return Page(
        items=_shown(work, caller, rows[:limit]),
        next=encode_cursor(rows[limit - 1].person_id) if len(rows) > limit else None,
    )


def _shown(work: Work, caller: Caller, rows: Sequence[StaffRow]) -> list[Staff]:
    values = service.opened(work, rows)
    people = [row.person_id for row in rows]
    licences: dict[UUID, list[LicenceHeld]] = {}
    for held in work.session.scalars(
        select(LicenceRow).where(among(LicenceRow.person_id, people)).order_by(LicenceRow.code)
    ):
        licences.setdefault(held.person_id, []).append(LicenceHeld.model_validate(held))
    leaves: dict[tuple[UUID, UUID], list[Leave]] = {}
    for leave in work.session.scalars(
        select(LeaveRow)
        .where(among(LeaveRow.person_id, people), LeaveRow.ends_at > work.now)
        .order_by(LeaveRow.starts_at)
    ):
        key = (leave.person_id, leave.organisation_id)
        leaves.setdefault(key, []).append(Leave.model_validate(leave))
    plain = (
        "person_id organisation_id version title active sex birth_year centre_id community_id skills dialects limits "
        "travel_mode insured_until lone_cleared_until daily_minutes weekly_minutes"
    )
    return [
        Staff.model_validate(
            {
                **{name: getattr(row, name) for name in plain.split()},
                "carer_id": carer_id(row.person_id, row.organisation_id),
                "name": values[row.person_id].get("name") or "",
                "phone": values[row.person_id].get("phone"),
                "weekly": [Hours(weekday=w, start=s, end=e) for w, s, e in row.weekly],
                "licences": licences.get(row.person_id, []),
                "leaves": leaves.get((row.person_id, row.organisation_id), []),
            }
        )
        for row in rows
    ]


@ROUTER.post("/names")
def names(body: NamesWanted, work: Transaction, caller: SignedIn) -> dict[UUID, NameAnswer]:
    """Names of the staff whom the caller employs, plans or meets at a visit (8.17); others are left out.

    Phones for the own organisation and the city's offices, and for a visit's desk while it may have to call.
    """
    rows = work.session.scalars(select(StaffRow).where(among(StaffRow.person_id, body.person_ids))).all()
    values = service.opened(work, rows)
    met = acquainted(work, AcquaintanceRow, AreaRow, caller, body.person_ids)
    today = wall_day(work.now)
    result = {}
    for row in rows:
        own = row.organisation_id in _own(caller) or row.person_id == caller.person_id
        if not (own or caller.has(*WIDE) or row.person_id in met):
            continue
        may_call = (
            own
            or caller.reaches(Reach(), *PHONES)
            or (caller.has(*PHONES) and row.person_id in met and today <= met[row.person_id])
        )
        value = values[row.person_id]
        result[row.person_id] = NameAnswer(
            name=str(value.get("name") or ""), phone=value.get("phone") if may_call else None
        )
    return result


@ROUTER.patch("/staff/{person_id}")
def change_staff(person_id: UUID, body: StaffChange, work: Transaction, caller: Dispatcher) -> Done:
    """Change a member of the own staff (If-Match)."""
    row = service.of(work, person_id, _own(caller))
    service.change(work, row, body)
    return Done(id=person_id, version=row.version)


@ROUTER.post("/staff/{person_id}/leave", status_code=201)
def add_leave(person_id: UUID, body: NewLeave, work: Transaction, caller: Dispatcher) -> Done:
    """Enter leave, or another client's hours (8.16)."""
    leave = service.add_leave(work, service.of(work, person_id, _own(caller)), body)
    return Done(id=leave.leave_id, version=1)


@ROUTER.delete("/staff/{person_id}/leave/{leave_id}", status_code=204)
def drop_leave(person_id: UUID, leave_id: UUID, work: Transaction, caller: Dispatcher) -> None:
    """Take leave back."""
    service.drop_leave(work, service.of(work, person_id, _own(caller)), leave_id)


@ROUTER.put("/staff/{person_id}/licences/{code}")
def set_licence(
    person_id: UUID, code: Licence, body: HeldUntil, work: Transaction, caller: Dispatcher
) -> Done:
    """Note a licence with its last valid day."""
    row = service.of(work, person_id, _own(caller))
    service.set_licence(work, row, code, body.number, body.valid_until)
    return Done(id=person_id, version=row.version)
