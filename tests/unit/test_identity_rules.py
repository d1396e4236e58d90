"""Identity's pure decisions: who may invite whom, what an ID number and a password must be, when a guesser waits."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.identity import rules
from shared import id_numbers
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.sample.people import id_number
from shared.security.caller import Caller, Membership, Reach

CENTRE, OTHER_CENTRE, TOWN, COMMUNITY, ORGANISATION, PERSON = (new_id() for _ in range(6))
HERE = Reach(town_id=TOWN, community_id=COMMUNITY, centre_id=CENTRE)
ELSEWHERE = Reach(town_id=new_id(), community_id=new_id(), centre_id=OTHER_CENTRE)
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


def somebody(role: Role, scope: ScopeKind, scope_id=None) -> Caller:
    return Caller(new_id(), new_id(), (Membership(role, scope, scope_id),))


STAFF = somebody(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE)
DISPATCHER = somebody(Role.DISPATCHER, ScopeKind.ORGANISATION, ORGANISATION)
TOWN_OFFICE = somebody(Role.TOWN, ScopeKind.TOWN, TOWN)
COMMUNITY_OFFICE = somebody(Role.COMMUNITY, ScopeKind.COMMUNITY, COMMUNITY)
BUREAU = somebody(Role.BUREAU, ScopeKind.CITY)
ALL = (STAFF, DISPATCHER, TOWN_OFFICE, COMMUNITY_OFFICE, BUREAU)


@pytest.mark.parametrize("role", Role)
def test_who_may_invite_whom_at_home(role: Role) -> None:
    scope = rules.ROLE_SCOPES[role][0]
    wanted = Membership(role, scope, None if scope is ScopeKind.CITY else new_id())
    expected = {
        Role.VOLUNTEER: {STAFF, TOWN_OFFICE, COMMUNITY_OFFICE, BUREAU},
        Role.RESIDENT: {STAFF, TOWN_OFFICE, COMMUNITY_OFFICE, BUREAU},
        Role.FAMILY: {STAFF, TOWN_OFFICE, BUREAU},
        Role.CENTRE_STAFF: {TOWN_OFFICE, BUREAU},
        Role.COMMUNITY: {TOWN_OFFICE, BUREAU},
        Role.GRID_WORKER: {TOWN_OFFICE, BUREAU},
        Role.SOCIAL_WORKER: {TOWN_OFFICE, BUREAU},
    }.get(role, {BUREAU})
    assert {giver for giver in ALL if rules.may_give(giver, wanted, [HERE])} == expected


def test_a_dispatcher_invites_staff_of_the_own_organisation_only() -> None:
    wanted = Membership(Role.ORGANISATION_STAFF, ScopeKind.ORGANISATION, ORGANISATION)
    assert rules.may_give(DISPATCHER, wanted, [Reach(organisation_id=ORGANISATION)])
    assert not rules.may_give(DISPATCHER, wanted, [Reach(organisation_id=new_id())])


def test_nobody_invites_into_another_scope_or_somebody_nobody_knows() -> None:
    wanted = Membership(Role.RESIDENT, ScopeKind.PERSON, PERSON)
    for giver in (STAFF, TOWN_OFFICE, COMMUNITY_OFFICE):
        assert not rules.may_give(giver, wanted, [ELSEWHERE])
        assert not rules.may_give(giver, wanted, [])
    assert rules.may_give(BUREAU, wanted, [])


def test_an_account_with_an_office_role_is_not_managed_through_a_private_one() -> None:
    private = Membership(Role.VOLUNTEER, ScopeKind.PERSON, PERSON)
    office = Membership(Role.BUREAU, ScopeKind.CITY)
    assert rules.may_manage(STAFF, {private: [HERE]})
    assert not rules.may_manage(STAFF, {private: [HERE], office: [Reach()]})
    assert not rules.may_manage(STAFF, {private: [ELSEWHERE]})
    assert not rules.may_manage(STAFF, {})
    assert rules.may_manage(BUREAU, {})


def test_8_1_a_desk_looks_after_a_volunteer_who_is_also_staff_but_an_employer_does_not() -> None:
    held = {
        Membership(Role.VOLUNTEER, ScopeKind.PERSON, PERSON): [HERE],
        Membership(Role.ORGANISATION_STAFF, ScopeKind.ORGANISATION, ORGANISATION): [
            Reach(organisation_id=ORGANISATION)
        ],
    }
    assert rules.may_manage(STAFF, held)
    assert not rules.may_manage(DISPATCHER, held)


def test_8_3_known_is_told_as_far_as_the_role_may_see() -> None:
    for caller in (STAFF, TOWN_OFFICE, COMMUNITY_OFFICE, BUREAU):
        assert rules.told_known(caller, [])
    assert not rules.told_known(DISPATCHER, [HERE])
    assert rules.told_known(DISPATCHER, [Reach(organisation_id=ORGANISATION)])


def test_8_5_a_card_opens_only_a_cards_roles_and_a_one_time_password_none() -> None:
    volunteer = Membership(Role.VOLUNTEER, ScopeKind.PERSON, PERSON)
    staff = Membership(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE)
    assert rules.used_roles((volunteer, staff), by_card=True, must_change=False) == (volunteer,)
    assert rules.used_roles((volunteer, staff), by_card=False, must_change=False) == (volunteer, staff)
    assert rules.used_roles((volunteer, staff), by_card=False, must_change=True) == ()


@pytest.mark.parametrize("born", [date(1931, 5, 6), date(1960, 2, 29), date(2008, 12, 31)])
def test_id_numbers_hold_by_length_date_and_check_digit(born: date) -> None:
    number = id_number(born, 123)
    assert id_numbers.id_number_fault(number) is None
    assert id_numbers.birth_date(number) == born
    wrong = number[:17] + ("0" if number[17] != "0" else "1")
    assert "校验位" in (id_numbers.id_number_fault(wrong) or "")
    assert "18" in (id_numbers.id_number_fault(number[:17]) or "")
    assert "日期" in (id_numbers.id_number_fault(number[:10] + "1332" + number[14:]) or "")
    assert id_numbers.id_number_fault("１" * 18) is not None


def test_typed_numbers_lose_spaces_and_full_width() -> None:
    assert id_numbers.plain(" ３２１０８１ １９３１０５０６ １２３x ") == "32108119310506123X"


@pytest.mark.parametrize("name", ["13912345678", "ab", "Wang", "王秀兰", "a b c", "a" * 41, "abc\n"])
def test_usernames_that_are_refused(name: str) -> None:
    assert rules.username_fault(name) is not None


def test_passwords() -> None:
    assert rules.password_fault("1234567", "abc") is not None
    assert rules.password_fault("Wang.Xiulan", "wang.xiulan") is not None
    assert rules.password_fault("x" * 129, "abc") is not None
    assert rules.password_fault("12345678", "abc") is None


def test_the_fifth_failure_makes_wait_until_the_first_is_a_pause_old() -> None:
    pause = timedelta(minutes=15)
    failures = [NOW - timedelta(minutes=m) for m in (0, 1, 2, 3)]
    assert rules.wait(failures, NOW, 5, pause) == timedelta(0)
    failures.append(NOW - timedelta(minutes=5))
    assert rules.wait(failures, NOW, 5, pause) == timedelta(minutes=10)
    assert rules.wait(failures, NOW + timedelta(minutes=10), 5, pause) == timedelta(0)


def test_age_counts_full_years() -> None:
    assert rules.age(date(2012, 11, 25), date(2026, 11, 24)) == 13
    assert rules.age(date(2012, 11, 24), date(2026, 11, 24)) == 14
