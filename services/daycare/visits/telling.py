"""Visits told to the world: what a plan may know of each, built from need, residents, absences and blocks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import or_, select

from services.daycare.centres.service import centres
from services.daycare.centres.tables import CentreRow
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.rules import worst
from services.daycare.residents.tables import AbsenceRow, BlockRow, ResidentRow
from services.daycare.rules import away
from services.daycare.visits.tables import VisitRow
from shared.contracts.carers import Place
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Channel, Dialect, Grade, ServiceKind, Sex, Skill, Urgency, VisitStatus
from shared.contracts.visits import DialectWish, SexWish, VisitChanged
from shared.database.base import among
from shared.database.work import Work

SETTLED = (VisitStatus.CANCELLED, VisitStatus.ENDED, VisitStatus.STARTED)


@dataclass(slots=True)
class Facts:
    """What the events of a batch of visits are built from, read in a constant number of statements."""

    needs: dict[UUID, NeedRow]
    residents: dict[UUID, ResidentRow]
    centres: dict[UUID, CentreRow]
    absences: dict[UUID, list[tuple[date, date | None]]] = field(default_factory=dict)
    blocked: dict[UUID, set[UUID]] = field(default_factory=dict)

    def present(self, resident_ids: Iterable[UUID], day: date) -> list[UUID]:
        """Those of the residents who are there on a day (8.7)."""
        return [r for r in resident_ids if not away(day, self.absences.get(r, ()))]


def read_facts(
    work: Work,
    needs: Iterable[NeedRow],
    first: date,
    last: date,
    known: Mapping[UUID, ResidentRow] = MappingProxyType({}),
) -> Facts:
    """The facts behind the visits of needs between two days. `known`: residents read before."""
    by_id = {need.need_id: need for need in needs}
    people = {r for need in by_id.values() for r in need.resident_ids}
    residents = {person: known[person] for person in people & known.keys()}
    if people - residents.keys():
        rows = work.session.scalars(
            select(ResidentRow).where(among(ResidentRow.person_id, people - residents.keys()))
        )
        residents |= {row.person_id: row for row in rows}
    at_centres = {n.centre_id for n in by_id.values() if n.place == "centre" and n.centre_id}
    facts = Facts(by_id, residents, centres(work, at_centres) if at_centres else {})
    for absence in work.session.scalars(
        select(AbsenceRow).where(
            among(AbsenceRow.person_id, people),
            AbsenceRow.first_day <= last,
            or_(AbsenceRow.last_day.is_(None), AbsenceRow.last_day >= first),
        )
    ):
        facts.absences.setdefault(absence.person_id, []).append((absence.first_day, absence.last_day))
    for block in work.session.scalars(
        select(BlockRow).where(among(BlockRow.resident_id, people), BlockRow.lifted_at.is_(None))
    ):
        facts.blocked.setdefault(block.resident_id, set()).add(block.person_id)
    return facts


def place_of(need: NeedRow, facts: Facts) -> Place | None:
    """Where a visit happens; None while the resident's address is not placed (design rule 9)."""
    if need.place == "centre" and need.centre_id:
        centre = facts.centres[need.centre_id]
        return Place(lon=round(centre.lon, 3), lat=round(centre.lat, 3))
    if need.place == "other" and need.place_lon is not None and need.place_lat is not None:
        return Place(lon=need.place_lon, lat=need.place_lat)
    home = facts.residents[need.resident_ids[0]]
    return None if home.lon is None or home.lat is None else Place(lon=home.lon, lat=home.lat)


def event_of(visit: VisitRow, facts: Facts) -> VisitChanged:
    """The visit as a plan may know it: ids, codes, a rounded place. No name, no address."""
    need = facts.needs[visit.need_id]
    service = CATALOGUE[ServiceKind(visit.kind)]
    present = facts.present(visit.resident_ids, visit.day) or visit.resident_ids
    people = [facts.residents[r] for r in present]
    end = (
        Place(lon=need.end_lon, lat=need.end_lat)
        if need.end_lon is not None and need.end_lat is not None
        else None
    )
    return VisitChanged(
        visit_id=visit.visit_id,
        visit_version=visit.version,
        need_id=visit.need_id,
        series=need.rrule is not None,
        status=VisitStatus(visit.status),
        resident_ids=tuple(present),
        centre_id=visit.centre_id,
        town_id=visit.town_id,
        community_id=visit.community_id,
        kind=service.kind,
        earliest_start=visit.earliest_start,
        latest_start=visit.latest_start,
        minutes=visit.minutes,
        carers=visit.carers,
        skills=frozenset(map(Skill, need.skills)),
        licence=service.licence,
        dialect_wish=DialectWish(dialect=Dialect(need.dialect_wish), hard=need.dialect_wish_hard)
        if need.dialect_wish
        else None,
        sex_wish=SexWish(sex=Sex(need.sex_wish), hard=need.sex_wish_hard) if need.sex_wish else None,
        lone_risk=need.lone_risk,
        dangerous=service.dangerous,
        lifting=service.lifting,
        stairs=need.place == "home" and any(p.stairs for p in people),
        remote=need.remote,
        vital=service.vital,
        place=place_of(need, facts),
        end_place=end,
        grade=worst(Grade(p.grade) for p in people),
        urgency=Urgency(need.urgency),
        channels=frozenset(map(Channel, need.channels)),
        blocked_person_ids=frozenset(p for r in present for p in facts.blocked.get(r, ())),
    )


def tell(work: Work, visits: Sequence[VisitRow], facts: Facts | None = None) -> None:
    """Emit the visits as they stand now. The rows are written first, so that each event carries its row's version."""
    if not visits:
        return
    work.session.flush()
    if facts is None:
        needs = work.session.scalars(
            select(NeedRow).where(among(NeedRow.need_id, {v.need_id for v in visits}))
        )
        facts = read_facts(work, needs, min(v.day for v in visits), max(v.day for v in visits))
    for visit in visits:
        work.emit(event_of(visit, facts))


def touch(work: Work, visit: VisitRow) -> None:
    """Give a visit a new version because of what is told with it, or of a change just made to it.

    The stamp moves even when the transaction's clock has not.
    """
    visit.changed_at = max(work.now, visit.changed_at + timedelta(microseconds=1))
    visit.changed_by = work.caller.person_id if work.caller else None


def lock_visits(work: Work, visit_ids: Iterable[UUID]) -> list[VisitRow]:
    """The visits' rows, locked in id order."""
    return list(
        work.session.scalars(
            select(VisitRow)
            .where(among(VisitRow.visit_id, visit_ids))
            .order_by(VisitRow.visit_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def tell_again(work: Work, resident_id: UUID) -> list[VisitRow]:
    """After a change to a resident (absence, block, grade, place): suspend or reopen what is to come, and tell it all."""
    ids = work.session.scalars(
        select(VisitRow.visit_id).where(
            VisitRow.resident_ids.contains([resident_id]),
            VisitRow.status.in_((VisitStatus.OPEN, VisitStatus.SUSPENDED)),
            VisitRow.latest_start > work.now,
        )
    ).all()
    visits = [v for v in lock_visits(work, ids) if v.status not in SETTLED]
    if not visits:
        return []
    needs = work.session.scalars(select(NeedRow).where(among(NeedRow.need_id, {v.need_id for v in visits})))
    facts = read_facts(work, needs, min(v.day for v in visits), max(v.day for v in visits))
    for visit in visits:
        there = bool(facts.present(visit.resident_ids, visit.day))
        visit.status = (VisitStatus.OPEN if there else VisitStatus.SUSPENDED).value
        touch(work, visit)
    tell(work, visits, facts)
    return visits
