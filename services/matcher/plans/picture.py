"""Visits, carers and contract lines as their owners tell of them, turned into what a plan is made from: no I/O."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.matcher.plans.windows import free_windows, minute
from services.matcher.solver.snapshot import Point, SnapCarer, SnapLine, SnapVisit
from shared.contracts.carers import CarerChanged, Place
from shared.contracts.codes import Capacity, Licence, ServiceKind, VisitStatus
from shared.contracts.lines import ContractLineChanged
from shared.contracts.visits import VisitChanged
from shared.rules import rule_value


@dataclass(frozen=True, slots=True)
class Beside:
    """What the matcher knows of a person besides their own state."""

    refused_kinds: frozenset[ServiceKind] = frozenset()
    refused_residents: frozenset[UUID] = frozenset()
    used_daily: tuple[int, ...] = ()
    used_weekly: tuple[int, ...] = ()
    open_offers: int = 0
    load: int = 0


def point(place: Place | None) -> Point | None:
    return (place.lon, place.lat) if place else None


def visit_of(
    asked: VisitChanged,
    version: int,
    first_day: date,
    after: int = 0,
    earlier: tuple[tuple[UUID, int], ...] = (),
) -> SnapVisit:
    """`after`: the present minute; nothing starts before it. `earlier`: who came to these residents how often."""
    latest = minute(first_day, asked.latest_start)
    earliest = minute(first_day, asked.earliest_start)
    if asked.status is VisitStatus.OPEN:
        earliest = min(latest, max(earliest, after))
    return SnapVisit(
        visit_id=asked.visit_id,
        version=version,
        resident_ids=asked.resident_ids,
        community_id=asked.community_id,
        kind=asked.kind,
        earliest_start=max(0, earliest),
        latest_start=max(0, latest),
        minutes=asked.minutes,
        carers=asked.carers,
        skills=asked.skills,
        licence=asked.licence,
        dialect_wish=(asked.dialect_wish.dialect, asked.dialect_wish.hard) if asked.dialect_wish else None,
        sex_wish=(asked.sex_wish.sex, asked.sex_wish.hard) if asked.sex_wish else None,
        lone_risk=asked.lone_risk,
        dangerous=asked.dangerous,
        lifting=asked.lifting,
        stairs=asked.stairs,
        remote=asked.remote,
        vital=asked.vital,
        place=point(asked.place),
        end_place=point(asked.end_place),
        grade=asked.grade,
        urgency=asked.urgency,
        channels=asked.channels,
        blocked_person_ids=asked.blocked_person_ids,
        earlier_visits=earlier,
    )


def carer_of(
    carer: CarerChanged, first_day: date, days: int, after: int = 0, beside: Beside | None = None
) -> SnapCarer:
    """A carer with the free time of a horizon."""
    beside = beside or Beside()
    held = {Licence(h.code): h.valid_until for h in carer.licences if h.code in set(Licence)}
    most = int(rule_value("open_offers_a_volunteer", first_day))
    return SnapCarer(
        carer_id=carer.carer_id,
        version=carer.carer_version,
        person_id=carer.person_id,
        capacity=carer.capacity,
        organisation_id=carer.organisation_id,
        sex=carer.sex,
        age=first_day.year - carer.birth_year,
        skills=carer.skills,
        licences=tuple(sorted(held.items())),
        insured_until=carer.insured_until,
        lone_cleared_until=carer.lone_cleared_until,
        dialects=carer.dialects,
        limits=carer.limits,
        travel_mode=carer.travel_mode,
        base=point(carer.base),
        windows=free_windows(carer, first_day, days, after) if carer.active else (),
        refused_kinds=carer.refused_kinds | beside.refused_kinds,
        refused_residents=beside.refused_residents,
        daily_minutes=carer.daily_minutes,
        weekly_minutes=carer.weekly_minutes,
        used_daily=beside.used_daily,
        used_weekly=beside.used_weekly,
        max_new=max(0, most - beside.open_offers) if carer.capacity is Capacity.VOLUNTEER else None,
        load=beside.load,
    )


def line_of(line: ContractLineChanged, free: int) -> SnapLine:
    """`free`: hundredths of a unit that may still be drawn."""
    return SnapLine(
        line_id=line.line_id,
        organisation_id=line.organisation_id,
        kinds=line.kinds,
        community_ids=line.community_ids,
        unit=line.unit,
        free=free,
        unit_price_fen=line.unit_price_fen,
        valid_from=line.valid_from,
        valid_to=line.valid_to,
        rounding_minutes=line.rounding_minutes,
        channel=line.channel,
    )
