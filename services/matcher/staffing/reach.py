"""Whose a visit or an offer is."""

from uuid import UUID

from services.matcher.projections.tables import VisitRow
from services.matcher.staffing.tables import OfferRow
from shared.security.caller import Reach


def visit_reach(visit: VisitRow | None, people: frozenset[UUID] = frozenset()) -> Reach:
    """Where a visit lies: its town, community and centre, its residents, and those who hold a place."""
    if visit is None:
        return Reach()
    residents = frozenset(UUID(r) for r in visit.data["resident_ids"])
    return Reach(
        town_id=visit.town_id,
        community_id=visit.community_id,
        centre_id=visit.centre_id,
        person_ids=residents | people,
    )


def offer_reach(offer: OfferRow) -> Reach:
    """Where an offer lies: its centre and town, and the person asked."""
    return Reach(town_id=offer.town_id, centre_id=offer.centre_id, person_ids=frozenset({offer.person_id}))
