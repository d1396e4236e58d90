"""Volunteers over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import select

from services.volunteers.access import PHONES, PLANNERS, READERS, STAFF, reach_of, visible
from services.volunteers.people import service, views
from services.volunteers.people.schemas import (
    Approval,
    Cleared,
    NameAnswer,
    NamesWanted,
    NewVolunteer,
    SkillVerified,
    Status,
    Team,
    Volunteer,
    VolunteerChange,
    VolunteerLine,
)
from services.volunteers.people.tables import AcquaintanceRow, AreaRow, TeamRow, VolunteerRow
from shared.clock import wall_day
from shared.contracts.codes import Role, Skill
from shared.security.acquaintance import acquainted
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Forbidden
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may

ROUTER = router("", "volunteers")
Staff = Annotated[Caller, may(*STAFF)]
StaffOrOwn = Annotated[Caller, may(*STAFF, Role.VOLUNTEER)]
Reader = Annotated[Caller, may(*READERS, Role.VOLUNTEER)]
_SCANNED = 5000


@ROUTER.post("/volunteers", status_code=201)
def register(body: NewVolunteer, work: Transaction, caller: StaffOrOwn, response: Response) -> Done:
    """Register a volunteer at the desk, or oneself: then skills and lone visits wait for approval (8.3)."""
    row, known = service.register(work, body)
    if known:
        response.status_code = 200
    return Done(id=row.person_id, version=row.version)


@ROUTER.get("/volunteers")
def list_volunteers(
    work: Transaction,
    caller: Reader,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    status: Status | None = None,
    q: Annotated[str | None, Query(max_length=60, description="part of name or phone")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[VolunteerLine]:
    """Volunteers within the caller's reach, by id."""
    query = select(VolunteerRow).where(visible(caller)).order_by(VolunteerRow.person_id)
    for column, value in (
        (VolunteerRow.centre_id, centre_id),
        (VolunteerRow.community_id, community_id),
        (VolunteerRow.status, status),
    ):
        if value:
            query = query.where(column == value)
    if cursor:
        query = query.where(VolunteerRow.person_id > cursor_keys(cursor, UUID)[0])
    wanted = (q or "").strip()
    rows = list(work.session.scalars(query.limit(_SCANNED if wanted else limit + 1)))
    if wanted:
        values = service.opened(work, rows)
        rows = [
            row
            for row in rows
            if any(wanted in str(values[row.person_id].get(k) or "") for k in ("name", "phone"))
        ][: limit + 1]
    return Page(
        items=views.lines(work, caller, rows[:limit]),
        next=encode_cursor(rows[limit - 1].person_id) if len(rows) > limit else None,
    )


@ROUTER.get("/teams")
def list_teams(
    work: Transaction,
    caller: Reader,
    community_id: Annotated[list[UUID] | None, Query(max_length=60)] = None,
) -> list[Team]:
    """Teams by name, of some communities or of the whole city."""
    query = select(TeamRow).order_by(TeamRow.name, TeamRow.team_id)
    if community_id:
        query = query.where(TeamRow.community_id.in_(community_id))
    return [Team.model_validate(row) for row in work.session.scalars(query.limit(_SCANNED))]


@ROUTER.post("/names")
def names(body: NamesWanted, work: Transaction, caller: SignedIn) -> dict[UUID, NameAnswer]:
    """Names of the volunteers whom the caller plans, looks after or meets at a visit (8.17); others are left out.

    Phones for the volunteer's own desk, and for a visit's desk while it may have to call.
    """
    met = acquainted(work, AcquaintanceRow, AreaRow, caller, body.person_ids)
    today = wall_day(work.now)
    result = {}
    for row, value in service.names(work, body.person_ids):
        near = caller.reaches(reach_of(row), *READERS, Role.VOLUNTEER)
        if not (near or caller.has(*PLANNERS) or row.person_id in met):
            continue
        calls = caller.reaches(reach_of(row), *PHONES, Role.VOLUNTEER) or (
            caller.has(*PHONES) and row.person_id in met and today <= met[row.person_id]
        )
        result[row.person_id] = NameAnswer(
            name=str(value.get("name") or ""), phone=(value.get("phone") or None) if calls else None
        )
    return result


@ROUTER.get("/volunteers/{person_id}")
def read_volunteer(person_id: UUID, work: Transaction, caller: Reader) -> Volunteer:
    """One volunteer. Who looked is written down."""
    row = service.reached(work, caller, person_id, *READERS, Role.VOLUNTEER)
    if caller.person_id != person_id:
        work.audit("volunteer.read", person_id, person_id)
    return views.whole(work, caller, row)


@ROUTER.patch("/volunteers/{person_id}")
def change_volunteer(person_id: UUID, body: VolunteerChange, work: Transaction, caller: StaffOrOwn) -> Done:
    """Change a volunteer (If-Match)."""
    row = service.reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    service.change(work, row, body)
    return Done(id=person_id, version=row.version)


@ROUTER.put("/volunteers/{person_id}/skills/{skill}")
def set_skill(
    person_id: UUID, skill: Skill, body: SkillVerified, work: Transaction, caller: StaffOrOwn
) -> Done:
    """State a skill; only the desk may verify it."""
    row = service.reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    if body.verified and not caller.reaches(reach_of(row), *STAFF):
        raise Forbidden("desk_only", "技能由照料中心核实。")
    service.set_skill(work, row, skill, verified=body.verified)
    return Done(id=person_id, version=row.version)


@ROUTER.delete("/volunteers/{person_id}/skills/{skill}", status_code=204)
def drop_skill(person_id: UUID, skill: Skill, work: Transaction, caller: StaffOrOwn) -> None:
    """Forget a skill."""
    row = service.reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    service.drop_skill(work, row, skill)


@ROUTER.put("/volunteers/{person_id}/clearances/{what}")
def clear(person_id: UUID, what: str, body: Cleared, work: Transaction, caller: Staff) -> Done:
    """Until when the clearance for lone visits (`lone`), the `insurance` or a licence holds."""
    row = service.reached(work, caller, person_id, *STAFF, lock=True)
    service.clear(work, row, what, body.valid_until)
    return Done(id=person_id, version=row.version)


@ROUTER.post("/volunteers/{person_id}/approval")
def approve(person_id: UUID, body: Approval, work: Transaction, caller: Staff) -> Done:
    """Approve a volunteer who registered alone, or suspend one."""
    row = service.reached(work, caller, person_id, *STAFF, lock=True)
    service.approve(work, row, approved=body.approved)
    return Done(id=person_id, version=row.version)
