"""The sample's volunteers, teams and earlier service, brought in through the service layer."""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from services.volunteers.availability.tables import ExceptionRow, WeeklyRow
from services.volunteers.people.schemas import NewVolunteer, Place
from services.volunteers.people.service import Extra, add_team, register_many
from services.volunteers.people.tables import AreaRow, VolunteerRow
from services.volunteers.people.telling import tell
from services.volunteers.record.service import post_earlier
from shared.clock import instant
from shared.database.base import among
from shared.database.work import Database, Work
from shared.ids import derived_id
from shared.sample import City
from shared.sample.facts import EarlierService, Volunteer

BATCH = 500
PATIENCE_SECONDS = 120


def load(database: Database, city: City) -> None:
    """Load the sample's slice. What is there already is left as it is, so a load that was cut short goes on."""
    _wait_for_areas(database, city)
    towns = {c.community_id: c.town_id for c in city.communities}
    with database.work() as work:
        for team in city.teams:
            add_team(work, team.team_id, team.name, team.community_id, team.leader_id)
    for facts in _batches(city.volunteers):
        with database.work() as work:
            _volunteers(work, facts, towns)
    for services in _batches(city.earlier_services):
        with database.work() as work:
            post_earlier(work, [_entry(work, s) for s in services])


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _wait_for_areas(database: Database, city: City) -> None:
    """Communities come by events from the community service."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wanted = len(city.towns) + len(city.communities) + len(city.cells)
    while time.monotonic() < deadline:
        with database.work() as work:
            if (work.session.scalar(select(func.count()).select_from(AreaRow)) or 0) >= wanted:
                return
        time.sleep(0.1)
    raise RuntimeError("the city's areas have not arrived from the community service")


def _volunteers(work: Work, facts: Sequence[Volunteer], towns: Any) -> None:
    ids = [f.person.person_id for f in facts]
    known = set(
        work.session.scalars(select(VolunteerRow.person_id).where(among(VolunteerRow.person_id, ids)))
    )
    fresh = [f for f in facts if f.person.person_id not in known]
    if not fresh:
        return
    rows = register_many(work, [(_person(f), _extra(f, towns[f.community_id])) for f in fresh])
    weekly = [
        {"person_id": f.person.person_id, "weekday": weekday, "part": part.value}
        for f in fresh
        for weekday, part in sorted(set(f.weekly))
    ]
    exceptions = [
        {
            "exception_id": derived_id("exception", f.person.person_id, e.day, e.part, e.available),
            "person_id": f.person.person_id,
            "from_day": e.day,
            "to_day": e.day,
            "parts": [e.part.value],
            "available": e.available,
            "made_at": work.now,
        }
        for f in fresh
        for e in f.exceptions
    ]
    if weekly:
        work.session.execute(insert(WeeklyRow), weekly)
    if exceptions:
        work.session.execute(insert(ExceptionRow).on_conflict_do_nothing(), exceptions)
    tell(work, rows)  # with their availability: of a version only the last telling goes out


def _person(fact: Volunteer) -> NewVolunteer:
    return NewVolunteer(
        person_id=fact.person.person_id,
        name=fact.person.name,
        sex=fact.person.sex,
        birth_date=fact.person.birth_date,
        id_number=fact.person.id_number,
        phone=fact.person.phone,
        community_id=fact.community_id,
        cell_id=fact.cell_id,
        centre_id=fact.centre_id,
        address=fact.address,
        place=Place(lon=fact.lon, lat=fact.lat),
        travel_mode=fact.travel_mode,
        dialects=sorted(fact.dialects),
        limits=sorted(fact.limits),
        skills=[s.skill for s in fact.skills],
        team_id=fact.team_id,
    )


def _extra(fact: Volunteer, town_id: Any) -> Extra:
    return Extra(
        verified=frozenset(s.skill for s in fact.skills if s.verified),
        insured_until=fact.insured_until,
        lone_cleared_until=fact.lone_cleared_until,
        licences=tuple((held.code, held.valid_until) for held in fact.licences),
        refused_kinds=fact.refused_kinds,
        stipended=tuple((w.weekday, w.start, w.end) for w in fact.stipended),
        daily_minutes=fact.daily_minutes,
        weekly_minutes=fact.weekly_minutes,
        town_id=town_id,
    )


def _entry(work: Work, fact: EarlierService) -> dict[str, Any]:
    started = instant(fact.day, fact.start)
    return {
        "entry_id": derived_id("entry", fact.record_id, 1, False),
        "person_id": fact.person_id,
        "attendance_id": fact.record_id,
        "visit_id": fact.record_id,
        "revision": 1,
        "reversal": False,
        "capacity": "volunteer",
        "kind": fact.kind.value,
        "outcome": "done",
        "day": fact.day,
        "started_at": started,
        "ended_at": started + timedelta(minutes=fact.minutes),
        "minutes": fact.minutes,
        "community_id": fact.community_id,
        "centre_id": fact.centre_id,
        "responsible_id": fact.responsible_id,
        "confirmed_at": work.now,
        "recorded_at": work.now,
        "late": False,
        "earlier": True,
    }
