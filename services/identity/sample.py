"""The sample city's people, sign-ins and cards."""

from uuid import UUID

from services.identity import accounts, people, rules, secrets
from services.identity.tables import AccountRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Database
from shared.ids import carer_id
from shared.sample import SAMPLE_PASSWORD, City
from shared.security.caller import Membership

Source = tuple[str, ScopeKind, UUID]


def load(database: Database, city: City) -> None:
    """Load it whole, in one transaction, unless it is there."""
    with database.work() as work:
        if work.session.query(AccountRow.account_id).filter_by(username=city.accounts[0].username).first():
            return
        people.place_areas(
            work, [(c.centre_id, ScopeKind.CENTRE.value, c.community_id) for c in city.centres]
        )
        where = _places(city)
        people.register(
            work,
            [
                people.NewPerson(p.person_id, p.id_number, tuple(dict.fromkeys(where.get(p.person_id, ()))))
                for p in city.people.values()
            ],
        )
        password = secrets.hashed(SAMPLE_PASSWORD)
        opened = accounts.open_accounts(
            work,
            [*_sign_ins(city, password), *_other_centres(city, password), *_card_holders(city, password)],
        )
        by_person = {row.person_id: row for row in opened}
        for card in city.cards:
            accounts.add_card(work, by_person[card.person_id], card.code, card.pin)


def _places(city: City) -> dict[UUID, list[Source]]:
    where: dict[UUID, list[Source]] = {}

    def add(person_id: UUID, source: str, scope: ScopeKind, scope_id: UUID | None) -> None:
        if scope_id is not None:
            where.setdefault(person_id, []).append((source, scope, scope_id))

    for resident in city.residents:
        family = [c.person.person_id for c in resident.contacts if c.person is not None]
        for person_id in (resident.resident_id, *family):
            add(person_id, people.DESK, ScopeKind.CENTRE, resident.centre_id)
            add(person_id, people.DESK, ScopeKind.CELL, resident.cell_id)
            add(person_id, people.DESK, ScopeKind.COMMUNITY, resident.community_id)
    for volunteer in city.volunteers:
        person_id = volunteer.person.person_id
        source = str(carer_id(person_id, None))
        add(person_id, source, ScopeKind.CENTRE, volunteer.centre_id)
        add(person_id, source, ScopeKind.COMMUNITY, volunteer.community_id)
    for carer in city.paid_carers:
        person_id, theirs = carer.person.person_id, carer.organisation_id
        add(person_id, str(carer_id(person_id, theirs)), ScopeKind.ORGANISATION, theirs)
    return where


def _sign_ins(city: City, password: str) -> list[accounts.NewAccount]:
    return [
        accounts.NewAccount(
            a.person_id,
            a.username,
            password,
            (Membership(a.role, a.scope_kind, a.scope_id),),
            False,
            None if a.role in rules.PRIVATE else city.people[a.person_id].name,
        )
        for a in city.accounts
    ]


def _other_centres(city: City, password: str) -> list[accounts.NewAccount]:
    """Who is in charge of the centres that no sign-in is of: their tasks have an owner with a name (8.12)."""
    known = {account.person_id for account in city.accounts}
    return [
        accounts.NewAccount(
            staff.person.person_id,
            f"centre.{number}",
            password,
            (Membership(Role.CENTRE_STAFF, ScopeKind.CENTRE, staff.centre_id),),
            False,
            staff.person.name,
        )
        for number, staff in enumerate((s for s in city.centre_staff if s.in_charge), 1)
        if staff.person.person_id not in known
    ]


def _card_holders(city: City, password: str) -> list[accounts.NewAccount]:
    """Holders of a card who are not among the sign-ins: they come in by card."""
    known = {account.person_id for account in city.accounts}
    holders: dict[UUID, Role] = {c.person_id: c.role for c in city.cards if c.person_id not in known}
    return [
        accounts.NewAccount(
            person_id,
            f"{role.value}.{number}",
            password,
            (Membership(role, ScopeKind.PERSON, person_id),),
            False,
        )
        for number, (person_id, role) in enumerate(holders.items(), 1)
    ]
