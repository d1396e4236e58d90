"""Volunteers told to the world: the complete state a plan may know, in the capacity of a volunteer."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from services.volunteers.availability.tables import ExceptionRow, WeeklyRow
from services.volunteers.people.tables import LicenceRow, SkillRow, VolunteerRow
from shared.clock import wall_day
from shared.contracts.carers import CarerChanged, DatedWindow, Held, Place
from shared.contracts.codes import Capacity, DayPart, Dialect, Limit, ServiceKind, Sex, Skill, TravelMode
from shared.database.base import among
from shared.database.work import Work
from shared.ids import carer_id
from shared.windows import dated_windows, weekly_windows


def touch(work: Work, row: VolunteerRow) -> None:
    """Give a volunteer a new version because of what is told with it."""
    row.changed_at = max(work.now, row.changed_at + timedelta(microseconds=1))


def tell(work: Work, rows: Sequence[VolunteerRow]) -> None:
    """Emit volunteers as they stand now. The rows are written first, so that each event carries its row's version."""
    if not rows:
        return
    work.session.flush()
    ids = [row.person_id for row in rows]
    today = wall_day(work.now)
    skills: dict[UUID, set[Skill]] = {}
    for skill in work.session.scalars(
        select(SkillRow).where(among(SkillRow.person_id, ids), SkillRow.verified_at.is_not(None))
    ):
        skills.setdefault(skill.person_id, set()).add(Skill(skill.skill))
    licences: dict[UUID, list[Held]] = {}
    for held in work.session.scalars(select(LicenceRow).where(among(LicenceRow.person_id, ids))):
        licences.setdefault(held.person_id, []).append(Held(code=held.code, valid_until=held.valid_until))
    weekly: dict[UUID, list[tuple[int, DayPart]]] = {}
    for part in work.session.scalars(select(WeeklyRow).where(among(WeeklyRow.person_id, ids))):
        weekly.setdefault(part.person_id, []).append((part.weekday, DayPart(part.part)))
    dated: dict[UUID, list[DatedWindow]] = {}
    for span in work.session.scalars(
        select(ExceptionRow)
        .where(among(ExceptionRow.person_id, ids), ExceptionRow.to_day >= today)
        .order_by(ExceptionRow.made_at, ExceptionRow.exception_id)
    ):
        dated.setdefault(span.person_id, []).extend(
            dated_windows(
                span.from_day,
                span.to_day,
                [DayPart(p) for p in span.parts],
                available=span.available,
                since=today,
            )
        )
    for row in rows:
        person = row.person_id
        work.emit(
            CarerChanged(
                carer_id=carer_id(person, None),
                carer_version=row.version,
                person_id=person,
                capacity=Capacity.VOLUNTEER,
                centre_id=row.centre_id,
                community_id=row.community_id,
                active=row.status == "approved",
                sex=Sex(row.sex),
                birth_year=row.birth_year,
                skills=frozenset(skills.get(person, ())),
                licences=tuple(licences.get(person, ())),
                insured_until=row.insured_until,
                lone_cleared_until=row.lone_cleared_until,
                dialects=frozenset(map(Dialect, row.dialects)),
                limits=frozenset(map(Limit, row.limits)),
                travel_mode=TravelMode(row.travel_mode),
                base=None if row.lon is None or row.lat is None else Place(lon=row.lon, lat=row.lat),
                weekly=tuple(weekly_windows(weekly.get(person, ()), [tuple(d) for d in row.stipended])),
                dated=tuple(dated.get(person, ())),
                refused_kinds=frozenset(map(ServiceKind, row.refused_kinds)),
                daily_minutes=row.daily_minutes,
                weekly_minutes=row.weekly_minutes,
            )
        )
