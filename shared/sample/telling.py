"""The sample city as its owners tell of it: the events a plan is made from, without any service or database.

What daycare, volunteers and projects emit once they have loaded their slices; a test holds the two equal.
"""

from collections.abc import Iterator
from datetime import date, time, timedelta
from uuid import UUID

from shared.clock import instant
from shared.contracts.carers import CarerChanged, Held, Place, WeeklyWindow
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Capacity, Grade, VisitStatus
from shared.contracts.lines import ContractLineChanged
from shared.contracts.visits import DialectWish, SexWish, VisitChanged
from shared.ids import carer_id, derived_id
from shared.sample.calendar import occurrences
from shared.sample.city import City
from shared.sample.facts import HeldLicence, Need, PaidCarer, Resident, Volunteer
from shared.windows import dated_windows, weekly_windows

_WORSE = (Grade.UNKNOWN, Grade.INTACT, Grade.MILD, Grade.MODERATE, Grade.SEVERE, Grade.TOTAL)


def open_visits(city: City, first: date, last: date) -> Iterator[VisitChanged]:
    """The visits of these days at which somebody is at home."""
    special = {day.day: day for day in city.special_days}
    residents = {resident.resident_id: resident for resident in city.residents}
    spots = {b.building_id: _rounded(b.lon, b.lat) for b in city.buildings}
    centres = {centre.centre_id: _rounded(centre.lon, centre.lat) for centre in city.centres}
    towns = {community.community_id: community.town_id for community in city.communities}
    blocked: dict[UUID, set[UUID]] = {}
    for block in city.blocks:
        blocked.setdefault(block.resident_id, set()).add(block.carer_person_id)
    for need in city.needs:
        asking = residents[need.resident_ids[0]]
        home = spots[asking.building_id] if asking.building_id is not None else None
        at_centre = need.place == "centre" and asking.centre_id is not None
        place = centres[asking.centre_id] if at_centre and asking.centre_id else home
        for day in occurrences(need, first, last, special):
            present = [residents[r] for r in need.resident_ids if not _away(residents[r], day)]
            if present:
                yield _visit(need, day, present, asking, place, towns[asking.community_id], blocked)


def _visit(
    need: Need,
    day: date,
    present: list[Resident],
    asking: Resident,
    place: Place | None,
    town_id: UUID,
    blocked: dict[UUID, set[UUID]],
) -> VisitChanged:
    service = CATALOGUE[need.kind]
    latest = min(need.start.hour * 60 + need.start.minute + need.window_minutes, 1439)
    dialect, sex = need.dialect_wish or asking.dialect_wish, need.sex_wish or asking.sex_wish
    dialect_hard = need.dialect_wish_hard if need.dialect_wish else asking.dialect_wish_hard
    sex_hard = need.sex_wish_hard if need.sex_wish else asking.sex_wish_hard
    return VisitChanged(
        visit_id=derived_id("visit", need.need_id, f"{day.isoformat()}T{need.start:%H:%M}"),
        visit_version=1,
        need_id=need.need_id,
        series=need.rrule is not None,
        status=VisitStatus.OPEN,
        resident_ids=tuple(resident.resident_id for resident in present),
        centre_id=asking.centre_id,
        town_id=town_id,
        community_id=asking.community_id,
        kind=need.kind,
        earliest_start=instant(day, need.start),
        latest_start=instant(day, time(latest // 60, latest % 60)),
        minutes=need.minutes,
        carers=2 if need.carers == 2 else 1,
        skills=service.skills if need.skills is None else need.skills,
        licence=service.licence,
        dialect_wish=DialectWish(dialect=dialect, hard=dialect_hard) if dialect else None,
        sex_wish=SexWish(sex=sex, hard=sex_hard) if sex else None,
        lone_risk=need.lone_risk,
        dangerous=service.dangerous,
        lifting=service.lifting,
        stairs=need.place == "home" and any(resident.stairs for resident in present),
        remote=service.remote,
        vital=service.vital,
        place=place,
        end_place=_rounded(need.end.lon, need.end.lat) if need.end else None,
        grade=max((_grade(resident) for resident in present), key=_WORSE.index),
        urgency=need.urgency,
        channels=need.channels,
        blocked_person_ids=frozenset(p for r in present for p in blocked.get(r.resident_id, ())),
    )


def _grade(resident: Resident) -> Grade:
    """Used only while its consent stands (8.4)."""
    agreed = resident.consent is not None and resident.consent.withdrawn_on is None
    return resident.grade if agreed else Grade.UNKNOWN


def _away(resident: Resident, day: date) -> bool:
    return any(
        absence.first_day <= day and (absence.last_day is None or day <= absence.last_day)
        for absence in resident.absences
    )


def _rounded(lon: float, lat: float) -> Place:
    return Place(lon=round(lon, 3), lat=round(lat, 3))


def carers(city: City, since: date) -> Iterator[CarerChanged]:
    """Everyone who can be planned, in each capacity; exceptions of their week from `since` on."""
    for volunteer in city.volunteers:
        yield _volunteer(volunteer, since)
    for carer in city.paid_carers:
        yield _paid(carer)


def _volunteer(fact: Volunteer, since: date) -> CarerChanged:
    person = fact.person
    return CarerChanged(
        carer_id=carer_id(person.person_id, None),
        carer_version=1,
        person_id=person.person_id,
        capacity=Capacity.VOLUNTEER,
        centre_id=fact.centre_id,
        community_id=fact.community_id,
        sex=person.sex,
        birth_year=person.birth_date.year,
        skills=frozenset(held.skill for held in fact.skills if held.verified),
        licences=_held(fact.licences),
        insured_until=fact.insured_until,
        lone_cleared_until=fact.lone_cleared_until,
        dialects=fact.dialects,
        limits=fact.limits,
        travel_mode=fact.travel_mode,
        base=_rounded(fact.lon, fact.lat),
        weekly=tuple(weekly_windows(set(fact.weekly), [(w.weekday, w.start, w.end) for w in fact.stipended])),
        dated=tuple(
            window
            for e in fact.exceptions
            for window in dated_windows(e.day, e.day, [e.part], available=e.available, since=since)
        ),
        refused_kinds=fact.refused_kinds,
        daily_minutes=fact.daily_minutes,
        weekly_minutes=fact.weekly_minutes,
    )


def _paid(fact: PaidCarer) -> CarerChanged:
    person = fact.person
    away = [
        (instant(leave.first_day, time()), instant(leave.last_day + timedelta(days=1), time()))
        for leave in fact.leaves
    ]
    for client in fact.other_clients:
        midnight = instant(client.day, time())
        away.append((midnight + timedelta(minutes=client.start), midnight + timedelta(minutes=client.end)))
    return CarerChanged(
        carer_id=carer_id(person.person_id, fact.organisation_id),
        carer_version=1,
        person_id=person.person_id,
        capacity=Capacity.EMPLOYED,
        organisation_id=fact.organisation_id,
        centre_id=fact.centre_id,
        community_id=fact.community_id,
        sex=person.sex,
        birth_year=person.birth_date.year,
        skills=fact.skills,
        licences=_held(fact.licences),
        insured_until=fact.insured_until,
        lone_cleared_until=fact.lone_cleared_until,
        dialects=fact.dialects,
        limits=fact.limits,
        travel_mode=fact.travel_mode,
        base=_rounded(fact.base.lon, fact.base.lat),
        weekly=tuple(WeeklyWindow(weekday=w.weekday, start=w.start, end=w.end) for w in fact.weekly),
        busy=tuple(sorted(away)),
        daily_minutes=fact.daily_minutes,
        weekly_minutes=fact.weekly_minutes,
    )


def _held(licences: tuple[HeldLicence, ...]) -> tuple[Held, ...]:
    return tuple(Held(code=held.code, valid_until=held.valid_until) for held in licences)


def lines(city: City) -> Iterator[ContractLineChanged]:
    """The contracts' lines, nothing drawn yet."""
    for line in city.contract_lines:
        yield ContractLineChanged(
            line_id=line.line_id,
            line_version=1,
            contract_id=line.contract_id,
            organisation_id=line.organisation_id,
            kinds=line.kinds,
            community_ids=line.community_ids,
            unit=line.unit,
            rounding_minutes=line.rounding_minutes,
            ceiling=line.ceiling,
            unit_price_fen=line.unit_price_fen,
            wasted_trip=line.wasted_trip,
            valid_from=line.valid_from,
            valid_to=line.valid_to,
            channel=line.channel,
        )
