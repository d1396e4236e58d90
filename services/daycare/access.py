"""Who sees what of residents and visits (8.17, design "Security").

Centre staff reach their own centre; town, community and grid their area; carers the visits they hold; residents and
family their own. Nobody else gets names.
"""

from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, true

from services.daycare.needs.tables import NeedRow
from services.daycare.residents.tables import ResidentRow
from services.daycare.tasks.tables import TaskRow
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Reach
from shared.web.problems import Forbidden

NAMES = (Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.GRID_WORKER, Role.TOWN)
OVERSIGHT = (Role.BUREAU, Role.PLANNER, Role.AUDITOR)
CARERS = (Role.VOLUNTEER, Role.ORGANISATION_STAFF)
OWN = (Role.RESIDENT, Role.FAMILY)
LOOKERS = (*NAMES, *OVERSIGHT, Role.DISPATCHER, *CARERS, *OWN)
POSTERS = NAMES
DESK = (Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER)


def resident_reach(row: ResidentRow) -> Reach:
    """Where a resident lives and who looks after them."""
    return Reach(
        town_id=row.town_id,
        community_id=row.community_id,
        cell_id=row.cell_id,
        centre_id=row.centre_id,
        person_ids=frozenset({row.person_id}),
    )


def visit_reach(row: VisitRow | NeedRow) -> Reach:
    """Where a visit or need lies and whose it is."""
    return Reach(
        town_id=row.town_id,
        community_id=row.community_id,
        cell_id=row.cell_id,
        centre_id=row.centre_id,
        person_ids=frozenset(row.resident_ids),
    )


def task_reach(row: TaskRow) -> Reach:
    """Where a task lies: a centre's own; the town only when it is on the town's list; else the community's (8.4)."""
    return Reach(
        town_id=row.town_id if row.for_town or row.centre_id is None else None,
        community_id=row.community_id if row.centre_id is None else None,
        centre_id=row.centre_id,
    )


def runs(caller: Caller, row: VisitRow | NeedRow) -> bool:
    """Whether the caller works at the desk that answers for a visit: its centre's, without one the community's (8.4)."""
    if row.centre_id is not None:
        return caller.reaches(Reach(centre_id=row.centre_id), Role.CENTRE_STAFF)
    return caller.reaches(Reach(town_id=row.town_id, community_id=row.community_id), *DESK)


def require_desk(caller: Caller, row: VisitRow | NeedRow) -> None:
    """Refuse whoever does not work at the desk that answers for a visit."""
    if not runs(caller, row):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")


def own_residents(caller: Caller) -> frozenset[UUID]:
    """The residents whom the caller is, or is family of."""
    return caller.scope_ids(ScopeKind.PERSON, *OWN)


def _area(
    caller: Caller, table: type[VisitRow] | type[ResidentRow] | type[NeedRow], roles: tuple[Role, ...]
) -> list[ColumnElement[bool]]:
    columns = {
        ScopeKind.TOWN: table.town_id,
        ScopeKind.COMMUNITY: table.community_id,
        ScopeKind.CELL: table.cell_id,
        ScopeKind.CENTRE: table.centre_id,
    }
    clauses: list[ColumnElement[bool]] = []
    for kind, column in columns.items():
        ids = caller.scope_ids(kind, *roles)
        if ids:
            clauses.append(column.in_(ids))
    return clauses


def visible_visits(caller: Caller) -> ColumnElement[bool]:
    """The visits a caller may see. The statement joins StaffingRow."""
    roles = (*NAMES, *OVERSIGHT)
    if caller.reaches(Reach(), *roles):
        return true()
    clauses = _area(caller, VisitRow, roles)
    organisations = caller.scope_ids(ScopeKind.ORGANISATION, Role.DISPATCHER)
    if organisations:
        clauses.append(StaffingRow.organisation_ids.overlap(list(organisations)))
    if caller.has(*CARERS):
        clauses.append(StaffingRow.held_ids.contains([caller.person_id]))
    own = own_residents(caller)
    if own:
        clauses.append(VisitRow.resident_ids.overlap(list(own)))
    return or_(*clauses) if clauses else false()


def visible_needs(caller: Caller) -> ColumnElement[bool]:
    """The needs a caller may see."""
    roles = (*NAMES, *OVERSIGHT)
    if caller.reaches(Reach(), *roles):
        return true()
    clauses = _area(caller, NeedRow, roles)
    own = own_residents(caller)
    if own:
        clauses.append(NeedRow.resident_ids.overlap(list(own)))
    return or_(*clauses) if clauses else false()


def visible_residents(caller: Caller) -> ColumnElement[bool]:
    """The residents a caller may see by name."""
    if caller.reaches(Reach(), *NAMES):
        return true()
    clauses = _area(caller, ResidentRow, NAMES)
    own = own_residents(caller)
    if own:
        clauses.append(ResidentRow.person_id.in_(own))
    return or_(*clauses) if clauses else false()
