"""What identity learns from others: where areas lie, and which offices look after carers and residents."""

from uuid import UUID

from sqlalchemy import delete

from services.identity import people
from services.identity.tables import AreaRow, PlaceRow
from shared.contracts.areas import AreaChanged
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import ScopeKind
from shared.contracts.residents import ResidentChanged
from shared.database.work import Work
from shared.messaging.handlers import Handlers

HANDLERS = Handlers()
RESIDENT = "resident"


@HANDLERS.on(AreaChanged)
def area_changed(work: Work, event: AreaChanged) -> None:
    people.place_areas(work, [(event.area_id, event.level, event.parent_id)])


@HANDLERS.on_deleted(AreaChanged)
def area_gone(work: Work, key: str) -> None:
    work.session.execute(delete(AreaRow).where(AreaRow.area_id == UUID(key)))


@HANDLERS.on(CarerChanged)
def carer_changed(work: Work, event: CarerChanged) -> None:
    people.settle(work, event.person_id, str(event.carer_id), carer_places(event))


@HANDLERS.on(ResidentChanged)
def resident_changed(work: Work, event: ResidentChanged) -> None:
    offices = (
        (ScopeKind.CENTRE, event.centre_id),
        (ScopeKind.COMMUNITY, event.community_id),
        (ScopeKind.CELL, event.cell_id),
    )
    places = [(scope, scope_id) for scope, scope_id in offices if scope_id is not None]
    people.settle(work, event.person_id, RESIDENT, places)


@HANDLERS.on_deleted(ResidentChanged)
def resident_gone(work: Work, key: str) -> None:
    people.settle(work, UUID(key), RESIDENT, ())


@HANDLERS.on_deleted(CarerChanged)
def carer_gone(work: Work, key: str) -> None:
    people.forget(work, key)


@HANDLERS.on_rebuild
def clear(work: Work) -> None:
    work.session.execute(delete(PlaceRow).where(PlaceRow.source != people.DESK))
    work.session.execute(delete(AreaRow).where(AreaRow.level != ScopeKind.CENTRE.value))


def carer_places(event: CarerChanged) -> list[people.Place]:
    """The offices that know a carer in this capacity; none once they have left it."""
    if not event.active:
        return []
    if event.organisation_id is not None:
        return [(ScopeKind.ORGANISATION, event.organisation_id)]
    offices = ((ScopeKind.CENTRE, event.centre_id), (ScopeKind.COMMUNITY, event.community_id))
    return [(scope, scope_id) for scope, scope_id in offices if scope_id is not None]
