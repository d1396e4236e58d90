"""Residents over HTTP."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from sqlalchemy import select

from services.daycare.access import NAMES, OWN, resident_reach, visible_residents
from services.daycare.needs.schemas import Imported
from services.daycare.residents import care, service, views
from services.daycare.residents.importing import ResidentsFile, import_residents
from services.daycare.residents.schemas import (
    AbsenceNoted,
    Look,
    NewAbsence,
    NewAssessment,
    NewBlock,
    NewFamily,
    NewResident,
    Registered,
    Resident,
    ResidentChange,
    ResidentLine,
)
from services.daycare.residents.tables import ResidentRow
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.audit import AuditRow
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import may

ROUTER = router("/residents", "residents")
Registrar = Annotated[
    Caller, may(Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.GRID_WORKER, Role.TOWN)
]
Looker = Annotated[Caller, may(*NAMES, *OWN)]
Assessor = Annotated[Caller, may(Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.TOWN)]
_ASSESSORS = (Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.TOWN)
_SCANNED = 3000


@ROUTER.post("", status_code=201)
def register(body: NewResident, work: Transaction, caller: Registrar, response: Response) -> Registered:
    """Register a resident at the desk. A known ID number opens the existing one, as far as the role sees them (8.3)."""
    row, known = service.register(work, body)
    if known:
        response.status_code = 200
    return Registered(id=row.person_id, version=row.version, known=known)


@ROUTER.get("")
def list_residents(
    work: Transaction,
    caller: Looker,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    cell_id: UUID | None = None,
    q: Annotated[
        str | None, Query(max_length=60, description="part of name, phone, ID number, address")
    ] = None,
    unplaced: bool = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ResidentLine]:
    """Residents within the caller's reach, by id. `unplaced`: those whose address nobody has placed yet."""
    query = select(ResidentRow).where(visible_residents(caller)).order_by(ResidentRow.person_id)
    for column, value in (
        (ResidentRow.centre_id, centre_id),
        (ResidentRow.community_id, community_id),
        (ResidentRow.cell_id, cell_id),
    ):
        if value:
            query = query.where(column == value)
    if unplaced:
        query = query.where(ResidentRow.lon.is_(None))
    if cursor:
        query = query.where(ResidentRow.person_id > cursor_keys(cursor, UUID)[0])
    wanted = (q or "").strip()
    rows = list(work.session.scalars(query.limit(_SCANNED if wanted else limit + 1)))
    if wanted:
        rows = _matching(work, rows, wanted, limit + 1)
    return Page(
        items=views.lines(work, caller, rows[:limit]),
        next=encode_cursor(rows[limit - 1].person_id) if len(rows) > limit else None,
    )


def _matching(work: Work, rows: list[ResidentRow], wanted: str, limit: int) -> list[ResidentRow]:
    values = service.opened(work, rows)
    keys = ("name", "phone", "id_number", "address")
    return [row for row in rows if any(wanted in str(values[row.person_id].get(key) or "") for key in keys)][
        :limit
    ]


@ROUTER.post("/import")
def import_file(body: ResidentsFile, work: Transaction, caller: Assessor) -> Imported:
    """Residents from an XLSX or CSV file: good rows go in, bad ones come back with their reasons (8.8)."""
    return import_residents(work, body)


@ROUTER.get("/{person_id}")
def read_resident(person_id: UUID, work: Transaction, caller: Looker) -> Resident:
    """A resident. Who looked is written down and can be read by the resident."""
    row = service.reached(work, caller, person_id, *NAMES, *OWN)
    work.audit("resident.read", person_id, person_id)
    return views.whole(work, caller, row)


@ROUTER.patch("/{person_id}")
def change_resident(person_id: UUID, body: ResidentChange, work: Transaction, caller: Registrar) -> Done:
    """Change a resident (If-Match). Visits to come are told again."""
    row = service.reached(work, caller, person_id, *NAMES, lock=True)
    row = service.change(work, row, body)
    return Done(id=row.person_id, version=row.version)


@ROUTER.post("/{person_id}/assessments", status_code=201)
def assess(person_id: UUID, body: NewAssessment, work: Transaction, caller: Assessor) -> Done:
    """Record an assessment with its consent; without consent nothing is stored (8.4)."""
    row = service.reached(work, caller, person_id, *_ASSESSORS, lock=True)
    assessment = care.assess(work, row, body)
    return Done(id=assessment.assessment_id, version=1)


@ROUTER.post("/{person_id}/assessments/{assessment_id}/withdraw-consent")
def withdraw_consent(
    person_id: UUID,
    assessment_id: UUID,
    work: Transaction,
    caller: Annotated[Caller, may(*_ASSESSORS, *OWN)],
) -> Done:
    """Withdraw consent: the assessment's values are dropped, the grade reads unknown, the service goes on."""
    row = service.reached(work, caller, person_id, *_ASSESSORS, *OWN, lock=True)
    return Done(id=care.withdraw_consent(work, row, assessment_id).assessment_id, version=2)


@ROUTER.post("/{person_id}/absences", status_code=201)
def go_away(person_id: UUID, body: NewAbsence, work: Transaction, caller: Looker) -> AbsenceNoted:
    """Note an absence: visits in it are suspended (8.7)."""
    row = service.reached(work, caller, person_id, *NAMES, *OWN, lock=True)
    absence, suspended = care.go_away(work, row, body)
    return AbsenceNoted(id=absence.absence_id, version=1, suspended=suspended)


@ROUTER.delete("/{person_id}/absences/{absence_id}", status_code=204)
def come_back(person_id: UUID, absence_id: UUID, work: Transaction, caller: Looker) -> None:
    """Take an absence back."""
    row = service.reached(work, caller, person_id, *NAMES, *OWN, lock=True)
    care.come_back(work, row, absence_id)


@ROUTER.post("/{person_id}/blocks", status_code=201)
def block(
    person_id: UUID,
    body: NewBlock,
    work: Transaction,
    caller: Annotated[Caller, may(Role.CENTRE_STAFF, *OWN)],
) -> Done:
    """ "Please not this person again": a hard block whose author and reason the carer never sees (8.17)."""
    row = service.reached(work, caller, person_id, Role.CENTRE_STAFF, *OWN, lock=True)
    author: Literal["resident", "family", "centre"] = "centre"
    if caller.reaches(resident_reach(row), *OWN):
        author = "resident" if caller.person_id == person_id else "family"
    return Done(id=care.block(work, row, body, author).block_id, version=1)


@ROUTER.delete("/{person_id}/blocks/{block_id}", status_code=204)
def lift_block(
    person_id: UUID,
    block_id: UUID,
    work: Transaction,
    caller: Annotated[Caller, may(Role.CENTRE_STAFF, *OWN)],
) -> None:
    """Lift a block."""
    row = service.reached(work, caller, person_id, Role.CENTRE_STAFF, *OWN, lock=True)
    care.lift_block(work, row, block_id)


@ROUTER.post("/{person_id}/family", status_code=201)
def add_family(
    person_id: UUID, body: NewFamily, work: Transaction, caller: Annotated[Caller, may(Role.CENTRE_STAFF)]
) -> Done:
    """Note a relative with an id of their own. Their account is identity's to give."""
    row = service.reached(work, caller, person_id, Role.CENTRE_STAFF)
    service.add_family(work, row, body.person_id)
    return Done(id=body.person_id, version=1)


@ROUTER.get("/{person_id}/audit")
def who_looked(
    person_id: UUID, work: Transaction, caller: Looker, cursor: Cursor = None, limit: Limit = 50
) -> Page[Look]:
    """Who else looked at or changed the resident's data, newest first."""
    service.reached(work, caller, person_id, Role.CENTRE_STAFF, Role.TOWN, *OWN)
    query = select(AuditRow).where(
        AuditRow.person_id == person_id, AuditRow.actor_person_id.is_distinct_from(caller.person_id)
    )
    if cursor:
        query = query.where(AuditRow.pos < cursor_keys(cursor, int)[0])
    rows = list(work.session.scalars(query.order_by(AuditRow.pos.desc()).limit(limit + 1)))
    items = [
        Look(
            at=row.at,
            person_id=row.actor_person_id,
            roles=row.roles.split(),
            action=row.action,
            subject_id=row.subject_id,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=encode_cursor(rows[limit - 1].pos) if len(rows) > limit else None)
