"""Organisations over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from services.projects.organisations import service
from services.projects.organisations.schemas import NewOrganisation, Organisation
from services.projects.organisations.tables import OrganisationRow
from shared.contracts.codes import Role
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may

ROUTER = router("", "organisations")
Bureau = Annotated[Caller, may(Role.BUREAU)]


@ROUTER.get("/organisations")
def list_organisations(
    work: Transaction, caller: SignedIn, cursor: Cursor = None, limit: Limit = 100
) -> Page[Organisation]:
    """Organisations by id. Who serves in the city is public."""
    query = select(OrganisationRow).order_by(OrganisationRow.organisation_id).limit(limit + 1)
    if cursor:
        query = query.where(OrganisationRow.organisation_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Organisation.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].organisation_id) if len(rows) > limit else None)


@ROUTER.get("/organisations/{organisation_id}")
def read_organisation(organisation_id: UUID, work: Transaction, caller: SignedIn) -> Organisation:
    """One organisation."""
    return Organisation.model_validate(service.organisation(work, organisation_id))


@ROUTER.post("/organisations", status_code=201)
def add_organisation(body: NewOrganisation, work: Transaction, caller: Bureau) -> Done:
    """Register an organisation (the bureau's to do)."""
    row = service.add_organisation(work, body)
    return Done(id=row.organisation_id, version=row.version)
