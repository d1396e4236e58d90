"""People and where they are known: which office registered them, at which centre or organisation they serve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from services.identity import rules
from services.identity.tables import AreaRow, PersonRow, PlaceRow
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.base import among
from shared.database.work import Work
from shared.id_numbers import birth_date
from shared.security.caller import Caller, Membership, Reach
from shared.web.problems import Invalid

REGISTRARS = (
    Role.CENTRE_STAFF,
    Role.SOCIAL_WORKER,
    Role.COMMUNITY,
    Role.GRID_WORKER,
    Role.TOWN,
    Role.BUREAU,
    Role.DISPATCHER,
)
DESK = "desk"
BATCH = 5_000

Place = tuple[ScopeKind, UUID]


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Someone to be registered. The id is random, so that it does not tell when they came to be known."""

    person_id: UUID
    id_number: str | None
    places: tuple[tuple[str, ScopeKind, UUID], ...] = ()


def find_or_register(work: Work, caller: Caller, id_number: str | None) -> tuple[UUID, bool]:
    """The person with an ID number, and whether the caller may know that they were on record; else a new one (8.3)."""
    if id_number is not None and birth_date(id_number) > wall_day(work.now):
        raise Invalid("id_number", "身份证号中的出生日期不对，请核对。", field="id_number")
    places = tuple(
        (DESK, m.scope, m.scope_id)
        for m in caller.memberships
        if m.role in REGISTRARS and m.scope_id is not None and m.scope is not ScopeKind.PERSON
    )
    new = NewPerson(uuid4(), id_number, places)
    person_id = register(work, [new])[0]
    if person_id == new.person_id:
        work.audit("person.register", person_id, person_id)
        return person_id, False
    work.audit("person.find", person_id, person_id)
    return person_id, rules.told_known(caller, place_reaches(work, {person_id}).get(person_id, ()))


def register(work: Work, people: Sequence[NewPerson]) -> list[UUID]:
    """Register people, in a constant number of statements a few thousand; the id of each, an older one where known."""
    result: list[UUID] = []
    for start in range(0, len(people), BATCH):
        result += _register(work, people[start : start + BATCH])
    return result


def _register(work: Work, people: Sequence[NewPerson]) -> list[UUID]:
    hashes = [None if p.id_number is None else work.vault.fingerprint(p.id_number) for p in people]
    rows = [
        {"person_id": p.person_id, "id_number_hash": hash_, "registered_at": work.now}
        for p, hash_ in zip(people, hashes, strict=True)
    ]
    made = set(
        work.session.scalars(
            insert(PersonRow).on_conflict_do_nothing().returning(PersonRow.person_id), rows
        ).all()
    )
    known: dict[bytes | None, UUID] = {
        row.id_number_hash: row.person_id
        for row in work.session.execute(
            select(PersonRow.id_number_hash, PersonRow.person_id).where(
                PersonRow.id_number_hash.in_([h for h in hashes if h is not None])
            )
        )
    }
    places = [
        {"person_id": p.person_id, "source": source, "scope": scope.value, "scope_id": scope_id}
        for p in people
        if p.person_id in made
        for source, scope, scope_id in p.places
    ]
    if places:
        work.session.execute(insert(PlaceRow).on_conflict_do_nothing(), places)
    return [p.person_id if hash_ is None else known[hash_] for p, hash_ in zip(people, hashes, strict=True)]


def settle(work: Work, person_id: UUID, source: str, places: Iterable[Place]) -> None:
    """Say where a person is known by one source; what the source said before is forgotten.

    The desk that registered the person counts only until somebody looks after them: whoever they leave has no more
    say over their account.
    """
    work.session.execute(delete(PlaceRow).where(PlaceRow.person_id == person_id, PlaceRow.source == DESK))
    wanted = {(scope.value, scope_id) for scope, scope_id in places}
    there = {
        (row.scope, row.scope_id)
        for row in work.session.execute(
            select(PlaceRow.scope, PlaceRow.scope_id).where(
                PlaceRow.person_id == person_id, PlaceRow.source == source
            )
        )
    }
    if wanted == there:
        return
    work.session.execute(delete(PlaceRow).where(PlaceRow.person_id == person_id, PlaceRow.source == source))
    rows = [
        {"person_id": person_id, "source": source, "scope": scope, "scope_id": scope_id}
        for scope, scope_id in wanted
    ]
    if rows:
        work.session.execute(insert(PlaceRow).on_conflict_do_nothing(), rows)


def forget(work: Work, source: str) -> None:
    """Drop what one source said of a person."""
    work.session.execute(delete(PlaceRow).where(PlaceRow.source == source))


def place_areas(work: Work, areas: Iterable[tuple[UUID, str, UUID | None]]) -> None:
    """Say where towns, communities, cells and centres lie: (id, level, the next wider one)."""
    rows = [{"area_id": area, "level": level, "parent_id": parent} for area, level, parent in areas]
    if not rows:
        return
    statement = insert(AreaRow)
    work.session.execute(
        statement.on_conflict_do_update(
            index_elements=[AreaRow.area_id],
            set_={"level": statement.excluded.level, "parent_id": statement.excluded.parent_id},
        ),
        rows,
    )


def reaches(work: Work, memberships: Iterable[Membership]) -> dict[Membership, list[Reach]]:
    """Where each membership holds: the scopes that contain it; a person's are all offices that know them."""
    memberships = list(memberships)
    people = {m.scope_id for m in memberships if m.scope is ScopeKind.PERSON and m.scope_id is not None}
    by_person = place_reaches(work, people)
    areas = _areas(work, (m.scope_id for m in memberships if m.scope_id is not None))
    return {
        m: by_person.get(m.scope_id, [])
        if m.scope is ScopeKind.PERSON and m.scope_id is not None
        else [_reach(areas, m.scope, m.scope_id)]
        for m in memberships
    }


def place_reaches(work: Work, people: Iterable[UUID]) -> dict[UUID, list[Reach]]:
    """The offices that know each person, with the towns and communities in which these lie."""
    rows = work.session.execute(
        select(PlaceRow.person_id, PlaceRow.scope, PlaceRow.scope_id)
        .where(among(PlaceRow.person_id, people))
        .distinct()
    ).all()
    areas = _areas(work, (row.scope_id for row in rows))
    result: dict[UUID, list[Reach]] = {}
    for row in rows:
        result.setdefault(row.person_id, []).append(_reach(areas, ScopeKind(row.scope), row.scope_id))
    return result


def area(work: Work, area_id: UUID) -> AreaRow | None:
    """Where an area lies, if it is known here."""
    return work.session.get(AreaRow, area_id)


def _areas(work: Work, ids: Iterable[UUID]) -> dict[UUID, tuple[str, UUID | None]]:
    found: dict[UUID, tuple[str, UUID | None]] = {}
    wanted = set(ids)
    while wanted:
        rows = work.session.execute(
            select(AreaRow.area_id, AreaRow.level, AreaRow.parent_id).where(AreaRow.area_id.in_(wanted))
        ).all()
        found |= {row.area_id: (row.level, row.parent_id) for row in rows}
        wanted = {row.parent_id for row in rows if row.parent_id is not None} - found.keys()
    return found


def _reach(areas: dict[UUID, tuple[str, UUID | None]], scope: ScopeKind, scope_id: UUID | None) -> Reach:
    held: dict[str, UUID] = {} if scope_id is None else {scope.value: scope_id}
    here = scope_id
    for _step in range(len(ScopeKind)):
        level, parent = areas.get(here, ("", None)) if here is not None else ("", None)
        if here is not None and level:
            held[level] = here
        here = parent
    return Reach(
        town_id=held.get("town"),
        community_id=held.get("community"),
        cell_id=held.get("cell"),
        centre_id=held.get("centre"),
        organisation_id=held.get("organisation"),
    )
