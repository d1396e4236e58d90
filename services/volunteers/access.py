"""Who sees and changes what of volunteers."""

from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, true

from services.volunteers.people.tables import VolunteerRow
from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Reach

STAFF = (Role.CENTRE_STAFF, Role.TOWN, Role.BUREAU, Role.COMMUNITY)
READERS = (*STAFF, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.PLANNER, Role.AUDITOR)
PLANNERS = (Role.BUREAU, Role.TOWN, Role.PLANNER)
"""Who plans chooses among everybody in the city, hence by name."""
PHONES = (Role.CENTRE_STAFF, Role.TOWN, Role.BUREAU, Role.PLANNER, Role.COMMUNITY)


def reach_of(row: VolunteerRow) -> Reach:
    """Where a volunteer is registered, and who they are."""
    return Reach(
        town_id=row.town_id,
        community_id=row.community_id,
        cell_id=row.cell_id,
        centre_id=row.centre_id,
        person_ids=frozenset({row.person_id}),
    )


def visible(caller: Caller) -> ColumnElement[bool]:
    """The volunteers a caller may list."""
    if caller.reaches(Reach(), *READERS):
        return true()
    columns = {
        ScopeKind.TOWN: VolunteerRow.town_id,
        ScopeKind.COMMUNITY: VolunteerRow.community_id,
        ScopeKind.CELL: VolunteerRow.cell_id,
        ScopeKind.CENTRE: VolunteerRow.centre_id,
    }
    clauses: list[ColumnElement[bool]] = []
    for kind, column in columns.items():
        ids: frozenset[UUID] = caller.scope_ids(kind, *READERS)
        if ids:
            clauses.append(column.in_(ids))
    if caller.has(Role.VOLUNTEER):
        clauses.append(VolunteerRow.person_id == caller.person_id)
    return or_(*clauses) if clauses else false()
