"""The sample city keeps its promises: sizes, ids, numbers, geometry, and no two facts that contradict."""

import time as clock
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from uuid import UUID

import pytest
from dateutil.rrule import rrulestr
from stdnum.cn import uscc

from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Channel, Grade, Role, ServiceKind, Sex, Skill
from shared.sample import (
    ASSESSMENT_ITEMS,
    NUMBERS,
    City,
    Size,
    doubles_by_day,
    grade_of,
    make_city,
    occurrences,
    snapshot_numbers,
    visits_by_day,
)
from shared.sample.facts import Cell, Community, Outline, Person

MONDAY = date(2026, 11, 23)


@cache
def the(size: Size) -> City:
    return make_city(size, monday=MONDAY)


@pytest.fixture(params=[Size.SMALL, Size.TOWN, Size.TIGHT])
def city(request: pytest.FixtureRequest) -> City:
    return the(request.param)


def ring_area(ring: Outline) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def holds(ring: Outline, lon: float, lat: float, slack: float = 1e-9) -> bool:
    return all(
        (b[0] - a[0]) * (lat - a[1]) - (b[1] - a[1]) * (lon - a[0]) >= -slack for a, b in pairwise(ring)
    )


def checks_out(id_number: str) -> bool:
    """GB 11643: weights 2^17 … 2^0 over the 18 places sum to 1 modulo 11.

    Not `stdnum.cn.ric.is_valid`: it wants the region's code to be older than its holder, and 321081 is of 1989.
    """
    digits = [10 if place == "X" else int(place) for place in id_number]
    return len(digits) == 18 and sum(d << (17 - i) for i, d in enumerate(digits)) % 11 == 1


def fingerprint(city: City) -> tuple[object, ...]:
    return (
        city.towns,
        city.communities,
        city.cells,
        city.buildings,
        city.centres,
        city.centre_staff,
        city.residents,
        city.needs,
        city.blocks,
        city.volunteers,
        city.teams,
        city.earlier_services,
        city.organisations,
        city.contracts,
        city.contract_lines,
        city.paid_carers,
        city.dispatchers,
        city.cell_workers,
        city.officials,
        city.accounts,
        city.cards,
        city.people_of_the_story,
    )


@pytest.mark.parametrize("size", [Size.SMALL, Size.TOWN, Size.CITY, Size.WEEK, Size.TIGHT])
def test_sizes_are_those_of_the_table(size: Size) -> None:
    numbers, got = NUMBERS[size], snapshot_numbers(the(size))
    assert got["communities"] == numbers.communities
    assert got["residents"] == numbers.residents
    assert got["volunteers"] == numbers.volunteers
    assert got["paid_carers"] == numbers.paid
    assert got["centres"] == numbers.centres
    days = list(visits_by_day(the(size)).values())
    assert all(abs(visits - numbers.visits) <= 0.02 * numbers.visits for visits in days[:5])
    assert all(abs(visits - numbers.weekend * numbers.visits) <= 0.02 * numbers.visits for visits in days[5:])
    assert 0.04 <= got["doubles_week"] / got["visits_week"] <= 0.06
    assert sum(doubles_by_day(the(size)).values()) == got["doubles_week"]


@pytest.mark.parametrize(("size", "seconds"), [(Size.TOWN, 3), (Size.CITY, 20)])
def test_a_city_is_made_quickly(size: Size, seconds: int) -> None:
    """Measured 0.4 s and 4.5 s; the bounds leave room for a busy machine."""
    began = clock.process_time()
    fingerprint(make_city(size, seed=9, monday=MONDAY))
    assert clock.process_time() - began < seconds


def test_the_same_seed_makes_the_same_city_whatever_is_asked_first() -> None:
    one, other = (make_city(Size.SMALL, 7, monday=MONDAY) for _ in range(2))
    assert other.accounts
    assert other.contract_lines
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint(one) != fingerprint(make_city(Size.SMALL, 8, monday=MONDAY))


def test_a_later_week_keeps_people_and_recurrences() -> None:
    now, later = the(Size.SMALL), make_city(Size.SMALL, monday=MONDAY + timedelta(days=28))
    assert now.people == later.people
    assert now.communities == later.communities
    assert [c.contract_id for c in now.contracts] == [c.contract_id for c in later.contracts]
    once = {need.need_id for need in now.needs if need.rrule is None}
    assert not once & {need.need_id for need in later.needs}


def test_a_week_begins_on_a_monday() -> None:
    with pytest.raises(ValueError, match="not a Monday"):
        make_city(Size.SMALL, monday=MONDAY + timedelta(days=1))


@pytest.mark.parametrize("offset", range(0, 54, 3))
def test_any_week_of_the_year_can_be_made(offset: int) -> None:
    city = make_city(Size.SMALL, monday=MONDAY + timedelta(days=7 * offset))
    assert city.people_of_the_story.care_need is not None
    for contract in city.contracts:
        assert contract.valid_from <= city.monday
        assert city.monday + timedelta(days=27) <= contract.valid_to
        assert 365 <= (contract.valid_to - contract.valid_from).days + 1 <= 366


@pytest.mark.parametrize("size", [Size.SMALL, Size.CITY])
def test_numbers_are_valid_and_nobody_shares_one(size: Size) -> None:
    city = the(size)
    people = list(city.people.values())
    for person in people:
        assert checks_out(person.id_number)
        assert person.id_number[6:14] == f"{person.birth_date:%Y%m%d}"
        assert (int(person.id_number[16]) % 2 == 1) == (person.sex is Sex.MALE)
        assert len(person.phone) == 11
        assert person.phone.startswith("1990")
    assert len({p.id_number for p in people}) == len(people)
    assert len({p.phone for p in people}) == len(people)
    codes = [o.credit_code for o in city.organisations]
    assert all(uscc.is_valid(code) for code in codes)
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("size", [Size.SMALL, Size.TOWN, Size.CITY])
def test_outlines_tile(size: Size) -> None:
    city = the(size)
    areas: list[Community | Cell] = [*city.communities, *city.cells]
    for area in areas:
        assert area.outline[0] == area.outline[-1]
        assert ring_area(area.outline) > 0
        assert holds(area.outline, area.lon, area.lat)
        assert 115 < area.lon < 123
    whole = sum(ring_area(c.outline) for c in city.communities)
    lons, lats = zip(*(point for c in city.communities for point in c.outline), strict=True)
    assert whole < (max(lons) - min(lons)) * (max(lats) - min(lats))
    for community in city.communities:
        cells = sum(ring_area(c.outline) for c in city.cells if c.community_id == community.community_id)
        assert cells == pytest.approx(ring_area(community.outline), rel=1e-3)
        # no community's centre lies in another
        assert sum(holds(c.outline, community.lon, community.lat) for c in city.communities) == 1
    cells_by_id = {cell.cell_id: cell for cell in city.cells}
    for building in city.buildings:
        cell = cells_by_id[building.cell_id]
        assert cell.community_id == building.community_id
        assert holds(cell.outline, building.lon, building.lat)
    assert len({b.address for b in city.buildings}) == len(city.buildings)


def test_households(city: City) -> None:
    """Only urban communities have 2,000-3,000 households; a cell has about 500."""
    assert any(c.urban for c in city.communities)
    for community in city.communities:
        cells = [c for c in city.cells if c.community_id == community.community_id]
        assert sum(c.households for c in cells) == community.households
        assert all(340 <= c.households <= 760 for c in cells)
        assert (2_000 <= community.households <= 3_000) == community.urban


def test_kinds_of_town_and_vacancies() -> None:
    city = the(Size.CITY)
    assert {town.kind for town in city.towns} == {"镇", "园区", "办事处"}
    assert any(not c.urban for c in city.communities)
    led = {w.cell_id for w in city.cell_workers if w.duty == "leader"}
    helped = {w.cell_id for w in city.cell_workers if w.duty == "assistant"}
    assert 0 < len(city.cells) - len(led) < 0.1 * len(city.cells)
    assert 0 < len(city.cells) - len(helped) < 0.2 * len(city.cells)


def test_places_agree(city: City) -> None:
    communities = {c.community_id: c for c in city.communities}
    towns = {t.town_id for t in city.towns}
    cells = {c.cell_id: c for c in city.cells}
    buildings = {b.building_id: b for b in city.buildings}
    serving = {community: centre.centre_id for centre in city.centres for community in centre.serves}
    assert {c.town_id for c in city.communities} == towns
    assert set(serving) == set(communities)
    for centre in city.centres:
        assert 20 <= centre.places <= 60
        assert communities[centre.community_id].town_id == centre.town_id
        assert centre.community_id in centre.serves
        assert sum(s.in_charge for s in city.centre_staff if s.centre_id == centre.centre_id) == 1
    for resident in city.residents:
        assert resident.centre_id in (None, serving[resident.community_id])
        assert (resident.building_id is None) == (resident.cell_id is None)
        if resident.building_id is not None:
            home = buildings[resident.building_id]
            assert (home.community_id, home.cell_id) == (resident.community_id, resident.cell_id)
            assert resident.address.startswith(home.address)
            assert 1 <= resident.floor <= home.floors
            assert resident.stairs == (resident.floor > 1 and not home.lift)
    assert any(r.building_id is None for r in city.residents)
    assert any(r.centre_id is None for r in city.residents)
    for volunteer in city.volunteers:
        assert cells[volunteer.cell_id].community_id == volunteer.community_id
        assert volunteer.centre_id == serving[volunteer.community_id]


def test_assessments_need_consent(city: City) -> None:
    """8.4: no consent, or a withdrawn one, and there is no assessment; the grade is unknown."""
    tops = dict(ASSESSMENT_ITEMS)
    assert len(tops) == 26
    assert sum(tops.values()) == 90
    for resident in city.residents:
        assessment, consent = resident.assessment, resident.consent
        if assessment is None:
            assert consent is None or consent.withdrawn_on is not None
            assert resident.grade is Grade.UNKNOWN
            continue
        assert consent is not None
        assert consent.withdrawn_on is None
        assert consent.agreed_on <= assessment.day < MONDAY
        assert [item for item, _ in assessment.items] == list(tops)
        assert all(0 <= points <= tops[item] for item, points in assessment.items)
        assert sum(points for _, points in assessment.items) == assessment.score
        assert grade_of(assessment.score) is assessment.grade
    assert any(r.grade is Grade.UNKNOWN for r in city.residents)


@pytest.mark.parametrize(
    ("score", "grade"),
    [
        (90, Grade.INTACT),
        (89, Grade.MILD),
        (66, Grade.MILD),
        (65, Grade.MODERATE),
        (46, Grade.MODERATE),
        (45, Grade.SEVERE),
        (30, Grade.SEVERE),
        (29, Grade.TOTAL),
        (0, Grade.TOTAL),
    ],
)
def test_bands_of_the_standard(score: int, grade: Grade) -> None:
    assert grade_of(score) is grade


def test_one_person_has_one_id_over_all_roles() -> None:
    """8.1: the same facts about the same person in every slice, and each overlap exists."""
    city = the(Size.TOWN)
    seen: dict[UUID, Person] = {}
    for person in (
        *(r.person for r in city.residents),
        *(v.person for v in city.volunteers),
        *(c.person for c in city.paid_carers),
        *(s.person for s in city.centre_staff),
        *(w.person for w in city.cell_workers),
    ):
        assert seen.setdefault(person.person_id, person) == person
    volunteers = [v.person.person_id for v in city.volunteers]
    assert len(set(volunteers)) == len(volunteers)
    ids = set(volunteers)
    assert ids & {r.resident_id for r in city.residents}
    assert ids & {c.person.person_id for c in city.paid_carers}
    assistants = {w.person.person_id: w for w in city.cell_workers if w.duty == "assistant"}
    both = [v for v in city.volunteers if v.person.person_id in assistants]
    assert both
    assert all(v.stipended == assistants[v.person.person_id].duty_windows for v in both)
    assert all(not v.stipended for v in city.volunteers if v.person.person_id not in assistants)
    public = {s.person.person_id for s in city.centre_staff if s.visits}
    assert public == {c.person.person_id for c in city.paid_carers if c.centre_id is not None}
    assert sum(v.person.birth_date.year < 1966 for v in city.volunteers) > 0.4 * len(city.volunteers)


def test_needs_are_well_formed(city: City) -> None:
    residents = {r.resident_id: r for r in city.residents}
    carers = {c.person.person_id: c for c in city.paid_carers}
    special = {day.day: day for day in city.special_days}
    assert len({need.need_id for need in city.needs}) == len(city.needs)
    for need in city.needs:
        service = CATALOGUE[need.kind]
        whose = [residents[who] for who in need.resident_ids]
        if len(whose) == 1:
            assert (need.centre_id, need.community_id) == (whose[0].centre_id, whose[0].community_id)
        else:
            assert need.place == "centre"
            assert all(r.centre_id == need.centre_id for r in whose)
        assert need.channels
        assert need.channels <= service.channels | {Channel.MARKET}
        assert need.carers in (1, 2)
        begins = need.start.hour * 60 + need.start.minute
        assert begins >= 8 * 60
        assert begins + need.window_minutes + need.minutes <= 21 * 60
        if need.rrule is None:
            assert MONDAY <= need.first_day < MONDAY + timedelta(days=7)
        else:
            rrulestr(need.rrule)
            assert occurrences(need, need.first_day, need.first_day, {}) == [need.first_day]
            if need.last_day is None:
                assert occurrences(need, MONDAY + timedelta(days=60), MONDAY + timedelta(days=90), special)
        if need.social_worker_id is not None:
            assert Skill.SOCIAL_WORK in carers[need.social_worker_id].skills
    assert any(len(need.resident_ids) > 1 for need in city.needs)
    assert any(need.end is not None for need in city.needs)


def test_nobody_is_to_be_served_twice_at_once(city: City) -> None:
    for day in range(7):
        when = MONDAY + timedelta(days=day)
        busy: dict[UUID, list[tuple[int, int]]] = {}
        for need in city.needs:
            if occurrences(need, when, when, {}) and len(need.resident_ids) == 1:
                begins = need.start.hour * 60 + need.start.minute
                busy.setdefault(need.resident_ids[0], []).append(
                    (begins, begins + need.window_minutes + need.minutes)
                )
        for spans in busy.values():
            spans.sort()
            assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_holidays_drop_what_does_not_run_on_them() -> None:
    """8.7: meals and care run on holidays, others do not; a make-up workday is not a holiday."""
    city = make_city(Size.SMALL, monday=date(2026, 9, 28))
    special = {day.day: day for day in city.special_days}
    national_day = date(2026, 10, 1)
    assert not special[national_day].workday
    assert special[date(2026, 10, 10)].workday
    for need in city.needs:
        if need.kind is ServiceKind.MEAL and need.rrule == "FREQ=DAILY":
            assert occurrences(need, national_day, national_day, special) == [national_day]
        if need.rrule is not None and not need.on_holidays:
            assert not occurrences(need, national_day, national_day, special)
    assert 2027 in city.years_unpublished or any(day.day.year == 2027 for day in city.special_days)


def test_four_channels_and_their_lines() -> None:
    city = the(Size.TOWN)
    assert {o.channel for o in city.organisations} == set(Channel) - {Channel.VOLUNTEER}
    employers = {o.organisation_id: o for o in city.organisations}
    assert {c.organisation_id for c in city.paid_carers} == set(employers)
    assert {d.organisation_id for d in city.dispatchers} == set(employers)
    served: set[UUID] = set()
    for line in city.contract_lines:
        assert line.channel is employers[line.organisation_id].channel
        assert line.ceiling > 0
        assert (line.unit_price_fen == 0) == (line.channel is Channel.PUBLIC_DIRECT)
        if line.channel is Channel.PUBLIC_PURCHASED:
            served |= line.community_ids
    assert served == {c.community_id for c in city.communities}
    assert any(line.short for line in city.contract_lines)
    assert {kind for line in city.contract_lines for kind in line.kinds} == set(ServiceKind)
    assert {channel for need in city.needs for channel in need.channels} == set(Channel)
    assert all(record.day < MONDAY for record in city.earlier_services)
    licences = [held for carer in the(Size.CITY).paid_carers for held in carer.licences]
    assert any(held.valid_until < MONDAY for held in licences)


@pytest.mark.parametrize("size", list(Size)[:3])
def test_the_story_can_be_told(size: Size) -> None:
    city = the(size)
    story = city.people_of_the_story
    elder = story.resident
    assert elder.building_id is not None
    assert elder.living_alone
    assert elder.centre_id == story.centre.centre_id
    assert story.family in [contact.person for contact in elder.contacts]
    week = [MONDAY + timedelta(days=n) for n in range(14)]
    assert occurrences(story.volunteer_need, week[0], week[-1], {}) == week
    blocked = {(b.resident_id, b.carer_person_id) for b in city.blocks}
    for volunteer in (story.volunteer, story.second_volunteer):
        assert volunteer.cell_id == elder.cell_id
        assert len(volunteer.weekly) == 21
        assert volunteer.insured_until is not None
        assert volunteer.lone_cleared_until is not None
        verified = {held.skill for held in volunteer.skills if held.verified}
        assert CATALOGUE[story.volunteer_need.kind].skills <= verified
        assert (elder.resident_id, volunteer.person.person_id) not in blocked
    assert story.carer is not None
    assert story.care_need is not None
    assert {window.weekday for window in story.carer.weekly} == set(range(7))
    assert CATALOGUE[story.care_need.kind].skills <= story.carer.skills
    assert any(
        line.organisation_id == story.carer.organisation_id
        and story.care_need.kind in line.kinds
        and elder.community_id in line.community_ids
        and not line.short
        for line in city.contract_lines
    )
    assert {account.role for account in city.accounts} == set(Role)
    names = [account.username for account in city.accounts]
    assert len(set(names)) == len(names)
    assert {account.person_id for account in city.accounts} <= set(city.people)
    assert {card.person_id for card in city.cards} <= set(city.people)
    assert any(record.person_id == story.volunteer.person.person_id for record in city.earlier_services)
