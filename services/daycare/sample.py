"""The sample's centres, residents and needs, brought in through the service layer."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from datetime import time as dt_time
from typing import Any

from sqlalchemy import func, select

from services.daycare.attendance.schemas import PaperVisit
from services.daycare.attendance.service import enter_paper
from services.daycare.attendance.tables import AttendanceRow
from services.daycare.centres.schemas import NewCentre
from services.daycare.centres.service import open_centre
from services.daycare.centres.tables import AreaRow
from services.daycare.needs.schemas import NewNeed, Somewhere
from services.daycare.needs.service import need_row, record
from services.daycare.needs.tables import NeedRow
from services.daycare.residents import care
from services.daycare.residents.schemas import (
    Consent,
    Contact,
    DialectWished,
    NewAbsence,
    NewAssessment,
    NewBlock,
    NewResident,
    Pin,
    SexWished,
)
from services.daycare.residents.service import add_family, register_many
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import window
from services.daycare.satisfaction.endpoints import accept
from shared.clock import instant, wall_day
from shared.contracts.codes import Capacity, Role, ScopeKind
from shared.database.base import among
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.sample import City
from shared.sample.facts import Need, Resident
from shared.security.caller import Caller, Membership

BATCH = 500
PATIENCE_SECONDS = 120


def load(database: Database, city: City) -> None:
    """Load the sample's slice. What is there already is left as it is, so a load that was cut short goes on."""
    _wait_for_areas(database, city)
    with database.work() as work:
        for fact in city.centres:
            in_charge = next(
                (
                    s.person.person_id
                    for s in city.centre_staff
                    if s.in_charge and s.centre_id == fact.centre_id
                ),
                None,
            )
            open_centre(work, _centre(fact, in_charge))
    spots = {b.building_id: (b.lon, b.lat) for b in city.buildings}
    towns = {c.community_id: c.town_id for c in city.communities}
    for residents in _batches(city.residents):
        with database.work() as work:
            _residents(work, residents, spots, towns)
    blocked: dict[Any, list[Any]] = {}
    for block in city.blocks:
        blocked.setdefault(block.resident_id, []).append(block)
    with database.work() as work:
        for resident_id, blocks in blocked.items():
            row = work.session.get_one(ResidentRow, resident_id)
            for block in blocks:
                said = NewBlock(person_id=block.carer_person_id, reason=block.reason)
                care.block(work, row, said, block.author)
    for needs in _batches(city.needs):
        with database.work() as work:
            _needs(work, needs)
    with database.work() as work:
        _paper_visits(work, city)


def _paper_visits(work: Work, city: City) -> None:
    """On its last evening centres enter what contract staff did last week from paper, and accept it."""
    before, work.now = work.now, instant(city.monday - timedelta(days=1), dt_time(18))
    for fact in city.paper_visits:
        begin = instant(fact.day, dt_time()) + timedelta(minutes=fact.start)
        there = select(AttendanceRow.attendance_id).where(
            AttendanceRow.person_id == fact.person_id, AttendanceRow.planned_start == begin
        )
        if work.session.scalars(there).first() is not None:
            continue
        responsible = next(
            s.person.person_id for s in city.centre_staff if s.in_charge and s.centre_id == fact.centre_id
        )
        membership = Membership(Role.CENTRE_STAFF, ScopeKind.CENTRE, fact.centre_id)
        work.caller = caller = Caller(new_id(), responsible, (membership,))
        sheet = PaperVisit(
            resident_ids=[fact.resident_id],
            kind=fact.kind,
            person_ids=[fact.person_id],
            capacity=Capacity.EMPLOYED,
            organisation_id=fact.organisation_id,
            line_id=fact.line_id,
            started_at=begin,
            ended_at=begin + timedelta(minutes=fact.minutes),
            responsible_id=responsible,
        )
        accept(work, enter_paper(work, caller, sheet), "centre", accepted=True)
        work.flush()
    work.now, work.caller = before, None


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _wait_for_areas(database: Database, city: City) -> None:
    """Communities and holidays come by events from the community service."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    wanted = len(city.towns) + len(city.communities) + len(city.cells)
    while time.monotonic() < deadline:
        with database.work() as work:
            if (work.session.scalar(select(func.count()).select_from(AreaRow)) or 0) >= wanted:
                return
        time.sleep(0.1)
    raise RuntimeError("the city's areas have not arrived from the community service")


def _centre(fact: Any, in_charge: Any) -> NewCentre:
    return NewCentre(
        centre_id=fact.centre_id,
        town_id=fact.town_id,
        community_id=fact.community_id,
        name=fact.name,
        places=fact.places,
        phone=fact.phone,
        address=fact.address,
        lon=fact.lon,
        lat=fact.lat,
        opens=fact.opens,
        closes=fact.closes,
        open_weekdays=list(fact.open_weekdays),
        serves=list(fact.serves),
        in_charge_id=in_charge,
    )


def _residents(work: Work, facts: Sequence[Resident], spots: Any, towns: Any) -> None:
    known = set(
        work.session.scalars(
            select(ResidentRow.person_id).where(among(ResidentRow.person_id, [f.resident_id for f in facts]))
        )
    )
    fresh = [f for f in facts if f.resident_id not in known]
    rows = register_many(work, [(_resident(f, spots), towns[f.community_id]) for f in fresh])
    agreed = [(f, row) for f, row in zip(fresh, rows, strict=True) if f.assessment and f.consent]
    assessments = care.assess_first(work, [(row, _assessment(f)) for f, row in agreed])
    for (fact, row), assessment in zip(agreed, assessments, strict=True):
        if fact.consent and fact.consent.withdrawn_on is not None:
            care.withdraw_consent(work, row, assessment.assessment_id)
    for fact, row in zip(fresh, rows, strict=True):
        for absence in fact.absences:
            said = {"kind": absence.reason, "from": absence.first_day, "to": absence.last_day}
            care.go_away(work, row, NewAbsence.model_validate(said))
        for contact in fact.contacts:
            if contact.person is not None:
                add_family(work, row, contact.person.person_id)


def _resident(fact: Resident, spots: Any) -> NewResident:
    pin = None
    if fact.building_id is not None:
        lon, lat = spots[fact.building_id]
        pin = Pin(building_id=fact.building_id, lon=lon, lat=lat)
    return NewResident(
        person_id=fact.resident_id,
        name=fact.person.name,
        sex=fact.person.sex,
        birth_date=fact.person.birth_date,
        id_number=fact.person.id_number,
        phone=fact.person.phone,
        community_id=fact.community_id,
        cell_id=fact.cell_id,
        centre_id=fact.centre_id,
        address=fact.address,
        floor=fact.floor,
        place=pin,
        lives_alone=fact.living_alone,
        stairs=fact.stairs,
        dialect=fact.dialect,
        sex_wish=SexWished(sex=fact.sex_wish, hard=fact.sex_wish_hard) if fact.sex_wish else None,
        dialect_wish=DialectWished(dialect=fact.dialect_wish, hard=fact.dialect_wish_hard)
        if fact.dialect_wish
        else None,
        contacts=[
            Contact(
                name=c.name,
                relation=c.relation,
                phone=c.phone,
                person_id=c.person.person_id if c.person else None,
            )
            for c in fact.contacts[:5]
        ],
    )


def _assessment(fact: Resident) -> NewAssessment:
    assert fact.assessment is not None
    assert fact.consent is not None
    said = {
        "total": fact.assessment.score,
        "day": fact.assessment.day,
        "assessor": fact.assessment.assessor,
        "consent": Consent.model_validate(
            {
                "by": fact.consent.agreed_by,
                "as": fact.consent.agreed_as,
                "how": fact.consent.how,
                "at": instant(fact.consent.agreed_on, datetime.min.time()),
            }
        ),
    }
    return NewAssessment.model_validate(said)


def _needs(work: Work, facts: Sequence[Need]) -> None:
    known = set(
        work.session.scalars(
            select(NeedRow.need_id).where(among(NeedRow.need_id, [f.need_id for f in facts]))
        )
    )
    people = work.session.scalars(
        select(ResidentRow).where(among(ResidentRow.person_id, {r for f in facts for r in f.resident_ids}))
    )
    residents = {row.person_id: row for row in people}
    rows = [
        need_row(work, _need(f), [residents[r] for r in f.resident_ids], source="sample", need_id=f.need_id)
        for f in facts
        if f.need_id not in known and not _over(work, f)
    ]
    record(work, rows, residents)


def _over(work: Work, fact: Need) -> bool:
    """A single need whose time has passed: the sample fills the whole week."""
    if fact.rrule is not None:
        return fact.last_day is not None and fact.last_day < wall_day(work.now)
    return _latest(fact) <= work.now


def _latest(fact: Need) -> datetime:
    return window(fact.first_day, fact.start, fact.start)[1] + timedelta(minutes=fact.window_minutes)


def _need(fact: Need) -> NewNeed:
    minute = fact.start.hour * 60 + fact.start.minute + fact.window_minutes
    latest = fact.start.replace(hour=min(minute, 1439) // 60, minute=min(minute, 1439) % 60)
    end = None
    if fact.end is not None:
        end = Somewhere(address=fact.end.name, place=Pin(lon=fact.end.lon, lat=fact.end.lat))
    return NewNeed(
        resident_ids=list(fact.resident_ids),
        together=True,
        kind=fact.kind,
        first_day=fact.first_day,
        last_day=fact.last_day if fact.rrule else None,
        rrule=fact.rrule,
        earliest=fact.start,
        latest=latest,
        minutes=fact.minutes,
        carers=2 if fact.carers == 2 else 1,
        skills=sorted(fact.skills) if fact.skills is not None else None,
        channels=sorted(fact.channels),
        sex_wish=SexWished(sex=fact.sex_wish, hard=fact.sex_wish_hard) if fact.sex_wish else None,
        dialect_wish=DialectWished(dialect=fact.dialect_wish, hard=fact.dialect_wish_hard)
        if fact.dialect_wish
        else None,
        lone_risk=fact.lone_risk,
        on_holidays=fact.on_holidays,
        urgency=fact.urgency,
        place=fact.place,
        end=end,
        social_worker_id=fact.social_worker_id,
        note=fact.note,
    )
