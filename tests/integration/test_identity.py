"""Identity over a real database: signing in, cards, inviting, and that nothing secret stays readable."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from uuid import UUID

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.identity import people
from services.identity.app import SERVICE
from services.identity.handlers import carer_changed, resident_changed
from services.identity.keys import rotate_keys
from services.identity.sample import load
from services.identity.signing_in import forget_ended
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import Capacity, Role, ScopeKind, Sex
from shared.contracts.residents import ResidentChanged
from shared.database.server import DatabaseServer, DatabaseUrls
from shared.ids import carer_id, new_id
from shared.sample import SAMPLE_PASSWORD, Size, make_city
from shared.sample.people import id_number
from shared.security.caller import Caller, Membership
from shared.security.tokens import BadToken, TokenVerifier
from shared.web.app import create_app
from tests.conftest import NewDatabase, copied, dropped
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
CITY = make_city(Size.SMALL, monday=date(2026, 11, 23))
CENTRE = CITY.centres[0]
STAFF = caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE.centre_id)
STRANGER = caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id())
BUREAU = caller(Role.BUREAU)
DISPATCHER = caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id())
NEW = "a good long one"


@pytest.fixture(scope="module")
def loaded(new_module_database: NewDatabase) -> DatabaseUrls:
    """Identity with the sample's people: hashing their passwords takes a second."""
    urls = new_module_database("identity")
    with service_under_test("identity", urls, MovableClock()) as service:
        load(service.database, CITY)
        with service.database.work() as work:
            areas = [(t.town_id, "town", None) for t in CITY.towns]
            areas += [(c.community_id, "community", c.town_id) for c in CITY.communities]
            areas += [(c.cell_id, "cell", c.community_id) for c in CITY.cells]
            people.place_areas(work, areas)
    return urls


@pytest.fixture
def identity(loaded: DatabaseUrls, postgres_server: DatabaseServer) -> Iterator[ServiceUnderTest]:
    urls = copied(postgres_server, loaded, f"identity_{new_id()}")
    with service_under_test("identity", urls, MovableClock()) as service:
        yield service
    dropped(postgres_server, urls)


def sign_in(
    identity: ServiceUnderTest, username: str, password: str = SAMPLE_PASSWORD, address: str = "1.1.1.1"
):
    body = {"username": username, "password": password}
    return identity.as_(None).post("/sign-in", json=body, headers={"X-Forwarded-For": address})


def card_sign_in(identity: ServiceUnderTest, code: str, pin: str, address: str = "1.1.1.1"):
    body = {"card_code": code, "pin": pin}
    return identity.as_(None).post("/sign-in/card", json=body, headers={"X-Forwarded-For": address})


def renew(identity: ServiceUnderTest, answer):
    return identity.as_(None).post("/tokens", json={"session_token": answer.json()["session_token"]})


def who(identity: ServiceUnderTest, access_token: str) -> Caller:
    async def keys():
        return identity.as_(None).get("/jwks").json()

    with (
        start_blocking_portal() as portal
    ):  # in a thread of its own: a browser test may have left a loop in this one
        return portal.call(TokenVerifier(keys).caller, access_token)


def registered(identity: ServiceUnderTest, by: Caller = STAFF, number: str | None = None) -> str:
    answer = identity.as_(by).post("/people", json={"id_number": number} if number else {})
    assert answer.status_code == 201, answer.text
    return answer.json()["person_id"]


def invited(
    identity: ServiceUnderTest, username: str = "new.one", role: str = "volunteer", by: Caller = STAFF
):
    person = registered(identity, by)
    body = {"person_id": person, "username": username, "memberships": [{"role": role}]}
    answer = identity.as_(by).post("/accounts", json=body)
    assert answer.status_code == 201, answer.text
    return person, answer.json()


def test_every_sample_account_signs_in_with_its_role(identity: ServiceUnderTest) -> None:
    for account in CITY.accounts:
        answer = sign_in(identity, account.username)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json()
        signed = who(identity, body["access_token"])
        assert signed.person_id == account.person_id
        assert signed.memberships == (Membership(account.role, account.scope_kind, account.scope_id),)
        assert 590 <= body["expires_in"] <= 600
        assert body["account"]["memberships"][0]["role"] == account.role.value
        assert body["account"]["must_change_password"] is False


def test_loading_again_changes_nothing(identity: ServiceUnderTest) -> None:
    load(identity.database, CITY)
    with identity.database.work() as work:
        assert work.session.scalar(text("SELECT count(*) FROM person")) == len(CITY.people)


def test_usernames_are_read_whatever_their_case(identity: ServiceUnderTest) -> None:
    assert sign_in(identity, " Centre ").status_code == 200


def test_a_wrong_password_and_an_unknown_name_look_alike(identity: ServiceUnderTest) -> None:
    wrong, unknown = sign_in(identity, "centre", "nope nope"), sign_in(identity, "nobody", "nope nope")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_five_failures_pause_a_username_also_after_a_restart_and_with_the_right_password(
    identity: ServiceUnderTest,
) -> None:
    for n in range(5):
        assert sign_in(identity, "centre", "wrong", f"2.2.2.{n}").status_code == 401
    identity.database.engine.dispose()
    answer = sign_in(identity, "centre")
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
    assert answer.json()["code"] == "too_many_tries"
    assert sign_in(identity, "planner").status_code == 200
    identity.clock.move(timedelta(minutes=15))
    assert sign_in(identity, "centre").status_code == 200


def test_guesses_at_once_are_counted_one_by_one(identity: ServiceUnderTest) -> None:
    with ThreadPoolExecutor(10) as pool:
        codes = list(
            pool.map(lambda n: sign_in(identity, "centre", "wrong", f"3.3.3.{n}").status_code, range(10))
        )
    assert sorted(codes) == [401] * 5 + [429] * 5


def test_an_address_is_paused_after_thirty_failures_over_many_names(identity: ServiceUnderTest) -> None:
    codes = [sign_in(identity, f"name{n}", "wrong", "9.9.9.9").status_code for n in range(31)]
    assert codes == [401] * 30 + [429]
    assert sign_in(identity, "planner", address="9.9.9.9").status_code == 429
    assert sign_in(identity, "planner", address="9.9.9.8").status_code == 200


def test_a_session_lasts_twelve_hours_and_ends_on_signing_out(identity: ServiceUnderTest) -> None:
    first, second = sign_in(identity, "centre"), sign_in(identity, "centre")
    body = {"session_token": first.json()["session_token"]}
    assert identity.as_(None).delete("/sessions/current", json=body).status_code == 204
    assert renew(identity, first).status_code == 401
    identity.clock.move(timedelta(hours=11, minutes=59, seconds=30))
    assert renew(identity, second).json()["expires_in"] == 30
    identity.clock.move(timedelta(seconds=30))
    assert renew(identity, second).status_code == 401
    forget_ended(identity.database)
    with identity.database.work() as work:
        assert work.session.scalar(text("SELECT count(*) FROM session")) == 0


def test_8_5_a_card_signs_in_for_ninety_days(identity: ServiceUnderTest) -> None:
    for card in CITY.cards[:2] + CITY.cards[-1:]:
        answer = card_sign_in(identity, card.code.lower(), card.pin)
        assert answer.status_code == 200, answer.text
        signed = who(identity, answer.json()["access_token"])
        assert signed.memberships == (Membership(card.role, ScopeKind.PERSON, card.person_id),)
    identity.clock.move(timedelta(days=89, hours=23))
    assert renew(identity, answer).status_code == 200
    identity.clock.move(timedelta(hours=1))
    assert renew(identity, answer).status_code == 401


def test_8_5_a_pin_is_rate_limited(identity: ServiceUnderTest) -> None:
    card = CITY.cards[0]
    wrong = "000000" if card.pin != "000000" else "000001"
    assert [card_sign_in(identity, card.code, wrong).status_code for _ in range(5)] == [401] * 5
    assert card_sign_in(identity, card.code, card.pin).status_code == 429
    assert card_sign_in(identity, CITY.cards[1].code, CITY.cards[1].pin).status_code == 200


def test_8_5_a_card_is_printed_replaced_and_revoked_with_its_sessions(identity: ServiceUnderTest) -> None:
    _, account = invited(identity)
    path = f"/accounts/{account['account_id']}/cards"
    first = identity.as_(STAFF).post(path).json()
    opened = card_sign_in(identity, first["card_code"], first["pin"])
    assert opened.json()["account"]["must_change_password"] is False
    assert identity.as_(STRANGER).post(path).status_code == 403
    second = identity.as_(STAFF).post(path).json()
    assert renew(identity, opened).status_code == 401
    assert card_sign_in(identity, first["card_code"], first["pin"]).status_code == 401
    opened = card_sign_in(identity, second["card_code"], second["pin"])
    assert opened.status_code == 200
    assert identity.as_(STRANGER).delete(path).status_code == 403
    assert identity.as_(STAFF).delete(path).status_code == 200
    assert renew(identity, opened).status_code == 401
    assert card_sign_in(identity, second["card_code"], second["pin"]).status_code == 401


def test_no_card_for_an_office(identity: ServiceUnderTest) -> None:
    account = sign_in(identity, "planner").json()["account"]["account_id"]
    assert identity.as_(BUREAU).post(f"/accounts/{account}/cards").json()["code"] == "no_card_role"


def test_8_1_and_8_3_a_known_id_number_gives_the_existing_person(identity: ServiceUnderTest) -> None:
    person = CITY.residents[0].person
    typed = f" {person.id_number[:6]} {person.id_number[6:].lower()}"
    answer = identity.as_(STAFF).post("/people", json={"id_number": typed}).json()
    assert answer == {"person_id": str(person.person_id), "known": True}
    told = identity.as_(DISPATCHER).post("/people", json={"id_number": person.id_number}).json()
    assert told == {"person_id": str(person.person_id), "known": False}


def test_two_desks_at_once_register_one_person(identity: ServiceUnderTest) -> None:
    number = id_number(date(1950, 1, 2), 555)
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: registered(identity, STAFF, number), range(8)))
    assert len(ids) == 1
    assert registered(identity) != registered(identity)


@pytest.mark.parametrize(
    "number", ["321081195001025551X", "321081195013025558", id_number(date(1950, 1, 2), 555)[:17] + "?", ""]
)
def test_a_bad_id_number_is_refused_by_its_rule(identity: ServiceUnderTest, number: str) -> None:
    answer = identity.as_(STAFF).post("/people", json={"id_number": number})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "id_number"


def test_a_birth_date_to_come_is_refused(identity: ServiceUnderTest) -> None:
    answer = identity.as_(STAFF).post("/people", json={"id_number": id_number(date(2090, 1, 2), 555)})
    assert answer.status_code == 422


def test_a_one_time_password_opens_nothing_but_its_change(identity: ServiceUnderTest) -> None:
    person, account = invited(identity)
    opened = sign_in(identity, "new.one", account["one_time_password"])
    body = opened.json()
    assert body["account"]["must_change_password"] is True
    assert body["account"]["memberships"][0]["scope_id"] == person
    assert who(identity, body["access_token"]).memberships == ()


@contextmanager
def trusting_itself(identity: ServiceUnderTest) -> Iterator[TestClient]:
    """Identity as it runs: its own tokens open it, not the tests'."""

    async def keys():
        return identity.as_(None).get("/jwks").json()

    with TestClient(create_app(SERVICE, identity.database, TokenVerifier(keys))) as client:
        yield client


def change(identity: ServiceUnderTest, account: dict, old: str, new: str):
    me = Caller(account["account_id"], account["person_id"], ())
    return identity.as_(me).post("/me/password", json={"old": old, "new": new})


def test_a_changed_password_ends_other_sessions(identity: ServiceUnderTest) -> None:
    _, account = invited(identity)
    one_time = account["one_time_password"]
    other, own = sign_in(identity, "new.one", one_time), sign_in(identity, "new.one", one_time)
    bearer = {"Authorization": f"Bearer {own.json()['access_token']}"}
    with trusting_itself(identity) as client:
        ask = client.post("/me/password", json={"old": one_time, "new": NEW}, headers=bearer)
    assert ask.status_code == 200, ask.text
    assert renew(identity, other).status_code == 401
    fresh = renew(identity, own).json()
    assert fresh["account"]["must_change_password"] is False
    assert [m.role for m in who(identity, fresh["access_token"]).memberships] == [Role.VOLUNTEER]
    assert sign_in(identity, "new.one", one_time).status_code == 401
    assert sign_in(identity, "new.one", NEW).status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [("wrong", NEW, "old"), ("", "short", "new"), ("", "new.one.long", "new"), ("", "", "new")],
)
def test_a_bad_new_password_is_refused_by_its_rule(
    identity: ServiceUnderTest, old: str, new: str, field: str
) -> None:
    person, account = invited(identity, "new.one.long")
    right = account["one_time_password"]
    answer = change(identity, {**account, "person_id": person}, old or right, new)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_reset_ends_every_session_and_is_for_own_people_only(identity: ServiceUnderTest) -> None:
    _, account = invited(identity)
    opened = sign_in(identity, "new.one", account["one_time_password"])
    path = f"/accounts/{account['account_id']}/password-reset"
    assert identity.as_(STRANGER).post(path).status_code == 403
    assert identity.as_(DISPATCHER).post(path).status_code == 403
    reset = identity.as_(STAFF).post(path)
    assert reset.status_code == 200
    assert renew(identity, opened).status_code == 401
    assert sign_in(identity, "new.one", reset.json()["one_time_password"]).status_code == 200
    planner = sign_in(identity, "planner").json()["account"]["account_id"]
    assert identity.as_(STAFF).post(f"/accounts/{planner}/password-reset").status_code == 403
    assert identity.as_(STAFF).post(f"/accounts/{new_id()}/password-reset").status_code == 404


def test_staff_reset_the_volunteers_and_residents_of_their_own_centre(identity: ServiceUnderTest) -> None:
    for username in ("volunteer", "resident", "family"):
        account = sign_in(identity, username).json()["account"]["account_id"]
        assert identity.as_(STRANGER).post(f"/accounts/{account}/password-reset").status_code == 403
        assert identity.as_(STAFF).post(f"/accounts/{account}/password-reset").status_code == 200


def test_a_town_reaches_its_own_centres_staff_and_another_town_does_not(identity: ServiceUnderTest) -> None:
    account = sign_in(identity, "centre").json()["account"]["account_id"]
    own = caller(Role.TOWN, ScopeKind.TOWN, CENTRE.town_id)
    other = caller(Role.TOWN, ScopeKind.TOWN, new_id())
    assert identity.as_(other).post(f"/accounts/{account}/password-reset").status_code == 403
    assert identity.as_(own).post(f"/accounts/{account}/password-reset").status_code == 200


@pytest.mark.parametrize("role", ["bureau", "planner", "centre_staff", "organisation_staff", "grid_worker"])
def test_staff_cannot_invite_offices(identity: ServiceUnderTest, role: str) -> None:
    person = registered(identity)
    scope = {} if role in ("bureau", "planner") else {"scope_id": str(CENTRE.centre_id)}
    body = {"person_id": person, "username": "climber", "memberships": [{"role": role, **scope}]}
    assert identity.as_(STAFF).post("/accounts", json=body).status_code == 403


def test_staff_cannot_invite_another_centres_people(identity: ServiceUnderTest) -> None:
    person = registered(identity, STRANGER)
    body = {"person_id": person, "username": "stolen", "memberships": [{"role": "resident"}]}
    assert identity.as_(STAFF).post("/accounts", json=body).status_code == 403
    assert identity.as_(STRANGER).post("/accounts", json=body).status_code == 201


def test_inviting_again_before_the_first_sign_in_gives_a_fresh_password(identity: ServiceUnderTest) -> None:
    person, account = invited(identity)
    body = {"person_id": person, "username": "new.one", "memberships": [{"role": "volunteer"}]}
    again = identity.as_(STAFF).post("/accounts", json=body).json()
    assert again["account_id"] == account["account_id"]
    assert sign_in(identity, "new.one", account["one_time_password"]).status_code == 401
    assert sign_in(identity, "new.one", again["one_time_password"]).status_code == 200
    other = identity.as_(STAFF).post("/accounts", json={**body, "username": "other"})
    assert (other.status_code, other.json()["code"]) == (409, "person_has_account")
    taken = identity.as_(STAFF).post(
        "/accounts", json={**body, "person_id": registered(identity), "username": "centre"}
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")


def test_roles_are_given_and_taken_by_who_may(identity: ServiceUnderTest) -> None:
    person, account = invited(identity)
    path = f"/accounts/{account['account_id']}/memberships"
    given = identity.as_(STAFF).post(path, json={"role": "resident"})
    assert given.status_code == 201, given.text
    assert {m["role"] for m in given.json()["memberships"]} == {"volunteer", "resident"}
    assert (
        identity.as_(STAFF).post(path, json={"role": "resident"}).json()["version"] == given.json()["version"]
    )
    assert (
        identity.as_(STAFF).post(path, json={"role": "volunteer", "scope_id": str(new_id())}).status_code
        == 422
    )
    role = next(m["membership_id"] for m in given.json()["memberships"] if m["role"] == "resident")
    assert identity.as_(STRANGER).delete(f"{path}/{role}").status_code == 403
    assert identity.as_(STAFF).delete(f"{path}/{role}").status_code == 200
    assert identity.as_(STAFF).delete(f"{path}/{role}").status_code == 404
    listed = identity.as_(STAFF).get("/accounts", params={"person_id": person}).json()["items"]
    assert [m["role"] for m in listed[0]["memberships"]] == ["volunteer"]
    assert identity.as_(STRANGER).get("/accounts", params={"person_id": person}).json()["items"] == []


def test_the_bureau_opens_a_new_centre_for_its_town(identity: ServiceUnderTest) -> None:
    person, centre = registered(identity, BUREAU), str(new_id())
    community = CITY.communities[0]
    membership = {
        "role": "centre_staff",
        "scope_id": centre,
        "centre_community_id": str(community.community_id),
    }
    body = {"person_id": person, "username": "new.centre", "memberships": [membership]}
    town = caller(Role.TOWN, ScopeKind.TOWN, community.town_id)
    assert identity.as_(town).post("/accounts", json=body).status_code == 403
    account = identity.as_(BUREAU).post("/accounts", json=body)
    assert account.status_code == 201, account.text
    path = f"/accounts/{account.json()['account_id']}/password-reset"
    assert identity.as_(town).post(path).status_code == 200


def test_a_volunteer_registers_and_signs_in(identity: ServiceUnderTest) -> None:
    body = {"username": "wang.xiulan", "password": NEW, "id_number": id_number(date(1990, 5, 6), 555)}
    made = identity.as_(None).post("/registrations", json=body)
    assert made.status_code == 201, made.text
    signed = who(identity, sign_in(identity, "wang.xiulan", NEW).json()["access_token"])
    assert str(signed.person_id) == made.json()["person_id"]
    assert [m.role for m in signed.memberships] == [Role.VOLUNTEER]
    again = identity.as_(None).post("/registrations", json={**body, "username": "wang2"})
    assert (again.status_code, again.json()["code"]) == (409, "person_on_record")
    young = {**body, "username": "young", "id_number": id_number(date(2015, 5, 6), 555)}
    assert identity.as_(None).post("/registrations", json=young).json()["code"] == "too_young"
    same = {**body, "username": "long.enough", "password": "Long.Enough"}
    assert identity.as_(None).post("/registrations", json=same).status_code == 422


def test_keys_rotate_without_a_gap_and_two_are_live(identity: ServiceUnderTest) -> None:
    kids = [k["kid"] for k in identity.as_(None).get("/jwks").json()["keys"]]
    assert len(kids) == 2
    assert all("d" not in k for k in identity.as_(None).get("/jwks").json()["keys"])
    token = sign_in(identity, "centre").json()["access_token"]
    identity.clock.move(timedelta(days=30))
    rotate_keys(identity.database)
    after = [k["kid"] for k in identity.as_(None).get("/jwks").json()["keys"]]
    assert after[0] == kids[1]
    assert len(after) == 2
    with pytest.raises(BadToken):
        who(identity, token)


def test_nothing_secret_stands_readable_in_the_database(identity: ServiceUnderTest) -> None:
    _, account = invited(identity)
    card = (
        identity.as_(STAFF)
        .post(f"/accounts/{account['account_id']}/cards", headers={"Idempotency-Key": "print-once-1"})
        .json()
    )
    session = sign_in(identity, "centre").json()["session_token"]
    secrets = [account["one_time_password"], card["card_code"], session, SAMPLE_PASSWORD]
    secrets += [CITY.residents[0].person.id_number, CITY.residents[0].person.name]
    with identity.database.work() as work:
        tables = work.session.scalars(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all()
        for table in tables:
            if table.startswith("alembic"):
                continue
            rows = work.session.scalars(text(f'SELECT t::text FROM "{table}" t')).all()
            dump = "\n".join(rows)
            assert not [s for s in secrets if s in dump], table


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sign-in", {"username": "centre"}),
        ("/sign-in", {"username": ["centre"], "password": 1}),
        ("/sign-in", {"username": "centre", "password": "x" * 129}),
        ("/sign-in", {"username": "centre", "password": "x", "more": 1}),
        ("/sign-in/card", {"card_code": "ABCDEFGH", "pin": "12345"}),
        ("/sign-in/card", {"card_code": "?", "pin": "123456"}),
        ("/tokens", {"session_token": ""}),
        (
            "/registrations",
            {"username": "13912345678", "password": NEW, "id_number": id_number(date(1990, 5, 6), 5)},
        ),
    ],
)
def test_bad_input_is_refused_with_the_field(identity: ServiceUnderTest, path: str, body: dict) -> None:
    answer = identity.as_(None).post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"]


def test_a_name_with_a_null_byte_is_no_error_of_ours(identity: ServiceUnderTest) -> None:
    assert sign_in(identity, "a\x00b", "x").status_code in (401, 422)


def test_8_12_who_holds_an_office_has_a_name_and_nobody_else(identity: ServiceUnderTest) -> None:
    people = {a.username: str(a.person_id) for a in CITY.accounts}
    asked = {"person_ids": list(people.values())}
    assert identity.as_(None).post("/names", json=asked).status_code == 401
    resident = Caller(
        new_id(),
        UUID(people["resident"]),
        (Membership(Role.RESIDENT, ScopeKind.PERSON, UUID(people["resident"])),),
    )
    told = identity.as_(resident).post("/names", json=asked).json()
    assert told[people["centre"]] == {"name": CITY.people_of_the_story.centre_staff.name}
    assert people["grid"] in told
    assert not {people[k] for k in ("volunteer", "resident", "family", "carer")} & told.keys()


def test_a_community_has_its_social_workers_and_no_others(identity: ServiceUnderTest) -> None:
    account = next(a for a in CITY.accounts if a.username == "socialworker")
    there = account.scope_id
    elsewhere = next(c.community_id for c in CITY.communities if c.community_id != there)
    desk = identity.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CITY.centres[0].centre_id))

    def named(*communities: UUID | None) -> list[str]:
        answer = desk.get("/social-workers", params={"community_id": [str(c) for c in communities]})
        assert answer.status_code == 200, answer.text
        return [each["person_id"] for each in answer.json()]

    assert named(there) == [str(account.person_id)]
    assert named(elsewhere) == []
    assert named(elsewhere, there) == [str(account.person_id)]
    assert desk.get("/social-workers").status_code == 422


def test_8_3_a_centre_looks_after_a_volunteer_once_registered_there(identity: ServiceUnderTest) -> None:
    body = {"username": "wang.xiulan", "password": NEW, "id_number": id_number(date(1990, 5, 6), 555)}
    made = identity.as_(None).post("/registrations", json=body).json()
    path = f"/accounts/{made['account_id']}/cards"
    assert identity.as_(STAFF).post(path).status_code == 403
    person = UUID(made["person_id"])
    carer = CarerChanged(
        carer_id=carer_id(person, None),
        carer_version=1,
        person_id=person,
        capacity=Capacity.VOLUNTEER,
        centre_id=CENTRE.centre_id,
        sex=Sex.FEMALE,
        birth_year=1990,
    )
    with identity.database.work() as work:
        carer_changed(work, carer)
    assert identity.as_(STAFF).post(path).status_code == 201
    with identity.database.work() as work:
        carer_changed(work, carer.model_copy(update={"active": False, "carer_version": 2}))
    assert identity.as_(STAFF).post(path).status_code == 403


def test_the_desk_that_a_resident_left_has_no_more_say_over_the_account(identity: ServiceUnderTest) -> None:
    desk = identity.as_(STAFF)
    person = UUID(desk.post("/people", json={}).json()["person_id"])
    body = {"person_id": str(person), "username": "he.moves", "memberships": [{"role": "resident"}]}
    opened = desk.post("/accounts", json=body)
    assert opened.status_code == 201, opened.text
    path = f"/accounts/{opened.json()['account_id']}/password-reset"
    here = ResidentChanged(
        person_id=person,
        resident_version=1,
        town_id=new_id(),
        community_id=new_id(),
        centre_id=CENTRE.centre_id,
    )
    with identity.database.work() as work:
        resident_changed(work, here)
    assert desk.post(path).status_code == 200
    with identity.database.work() as work:
        resident_changed(work, here.model_copy(update={"centre_id": new_id(), "resident_version": 2}))
    assert desk.post(path).status_code == 403
