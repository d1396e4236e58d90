"""The catalogue and centres over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from services.daycare.centres import service
from services.daycare.centres.schemas import CatalogueService, Centre, NewCentre
from services.daycare.centres.tables import CentreRow
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Role
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn, may, require

ROUTER = router("", "centres")


@ROUTER.get("/catalogue")
def catalogue(work: Transaction, caller: SignedIn) -> list[CatalogueService]:
    """Every kind of service with its usual length, skills, licence and channels."""
    return [
        CatalogueService(
            kind=s.kind,
            minutes=s.minutes,
            skills=sorted(s.skills),
            licence=s.licence,
            channels=sorted(s.channels),
            unit=s.unit,
            lifting=s.lifting,
            dangerous=s.dangerous,
            remote=s.remote,
            on_holidays=s.on_holidays,
            vital=s.vital,
        )
        for s in CATALOGUE.values()
    ]


@ROUTER.get("/centres")
def list_centres(
    work: Transaction,
    caller: SignedIn,
    town_id: UUID | None = None,
    community_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Centre]:
    """Day-care centres by id; `community_id`: those that serve a community."""
    query = select(CentreRow).order_by(CentreRow.centre_id).limit(limit + 1)
    if town_id:
        query = query.where(CentreRow.town_id == town_id)
    if community_id:
        query = query.where(CentreRow.serves.contains([community_id]))
    if cursor:
        query = query.where(CentreRow.centre_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Centre.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].centre_id) if len(rows) > limit else None)


@ROUTER.get("/centres/{centre_id}")
def read_centre(centre_id: UUID, work: Transaction, caller: SignedIn) -> Centre:
    """One centre."""
    return Centre.model_validate(service.centre(work, centre_id))


@ROUTER.post("/centres", status_code=201)
def open_centre(body: NewCentre, work: Transaction, caller: Annotated[Caller, may(Role.BUREAU)]) -> Done:
    """Open a centre (the bureau's to do)."""
    require(caller, Reach(town_id=body.town_id), Role.BUREAU)
    row = service.open_centre(work, body)
    return Done(id=row.centre_id, version=row.version)
