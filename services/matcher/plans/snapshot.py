"""From the matcher's projections to the picture that the solver plans from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import Select, or_, select

from services.matcher.plans.picture import Beside, carer_of, line_of, point, visit_of
from services.matcher.plans.windows import minute
from services.matcher.projections.tables import CarerRow, LineRow, VisitRow, WorkRow
from services.matcher.rules.service import overrides
from services.matcher.solver.prices import Prices, prices_of
from services.matcher.solver.rules import metres, plane
from services.matcher.solver.snapshot import Fixed, FixedKind, Snapshot
from services.matcher.staffing.service import HELD, LIVE
from services.matcher.staffing.tables import AssignmentRow, OfferRow, RefusalRow
from shared.clock import day_bounds, wall, week_start
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import ServiceKind, SlotState, VisitStatus
from shared.contracts.visits import VisitChanged
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id

MEMORY_DAYS = 90
LOAD_DAYS = 28


class KnownCarers:
    """Carers as last read, kept between snapshots: only changed ones are read again. One a process."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[int, CarerChanged]] = {}

    def read(self, work: Work, also: Iterable[UUID]) -> list[CarerChanged]:
        """Every active carer, and those of `also` though no longer active, in id order."""
        wanted = select(CarerRow.carer_id, CarerRow.carer_version).where(
            or_(CarerRow.active, among(CarerRow.carer_id, also))
        )
        versions = {row[0]: row[1] for row in work.session.execute(wanted)}
        changed = [c for c, v in versions.items() if self._known.get(c, (-1, None))[0] != v]
        for start in range(0, len(changed), 5000):
            rows = work.session.execute(
                select(CarerRow.carer_id, CarerRow.carer_version, CarerRow.data).where(
                    among(CarerRow.carer_id, changed[start : start + 5000])
                )
            )
            for carer_id, version, data in rows:
                self._known[carer_id] = (version, CarerChanged.model_validate(data))
        return [self._known[c][1] for c in sorted(versions)]


def take_snapshot(
    work: Work, known: KnownCarers, first_day: date, days: int, around: Sequence[VisitRow] = ()
) -> tuple[Snapshot, list[VisitRow]]:
    """The picture of a horizon: open visits not yet past, everyone who could come, what already stands.

    `around`: only what these visits of it need: who has the skills and can reach one of them, and what those people do
    on these days. Whoever is best for one of them is the same as in the whole picture; a city's takes seconds.
    """
    if around:
        rows, live, carers = _around(work, known, first_day, days, around)
    else:
        rows = _visits(work, first_day, days)
        live = _live(work, [v.visit_id for v in rows])
        carers = known.read(work, {a.carer_id for a in live})
    refused_kinds, refused_residents, forbidden = _refusals(work)
    visits = {v.visit_id: v for v in rows}
    present = {c.carer_id for c in carers}
    after = max(0, minute(first_day, work.now))
    extra = _Extra(work, first_day, days, set(visits))
    snapshot = Snapshot(
        snapshot_id=new_id(),
        taken_at=work.now,
        first_day=first_day,
        days=days,
        visits=tuple(
            visit_of(v.asked, v.visit_version, first_day, after, extra.earlier(v.asked.resident_ids))
            for v in rows
        ),
        carers=tuple(
            carer_of(
                c,
                first_day,
                days,
                after,
                extra.beside(c.person_id, refused_kinds[c.person_id], refused_residents[c.person_id]),
            )
            for c in carers
        ),
        lines=tuple(
            line_of(line.known, line.available)
            for line in work.session.scalars(select(LineRow).order_by(LineRow.line_id))
        ),
        fixed=tuple(f for f in _fixed(live, visits, first_day) if f.carer_id in present),
        forbidden=tuple(sorted((v, p) for v, p in forbidden if v in visits)),
        overrides=overrides(work, first_day),
    )
    return snapshot, rows


def _to_plan(work: Work, first_day: date, days: int) -> Select[VisitRow]:
    return (
        select(VisitRow)
        .where(
            VisitRow.day.between(first_day, first_day + timedelta(days=days - 1)),
            or_(
                (VisitRow.status == VisitStatus.OPEN) & (VisitRow.latest_start > work.now),
                VisitRow.status == VisitStatus.STARTED,
            ),
        )
        .order_by(VisitRow.visit_id)
    )


def _visits(work: Work, first_day: date, days: int) -> list[VisitRow]:
    return list(work.session.scalars(_to_plan(work, first_day, days)))


def _around(
    work: Work, known: KnownCarers, first_day: date, days: int, around: Sequence[VisitRow]
) -> tuple[list[VisitRow], list[AssignmentRow], list[CarerChanged]]:
    """Visits, what stands and carers that decide who could come to a few visits."""
    prices = prices_of(overrides(work, first_day))
    wanted = [v.visit_id for v in around]
    there = _live(work, wanted)
    everybody = known.read(work, {a.carer_id for a in there})
    asked = [v.asked for v in around]
    people = {c.person_id for c in everybody if any(_may_reach(prices, c, visit) for visit in asked)}
    people |= {a.person_id for a in there}
    busy = (
        select(AssignmentRow.visit_id)
        .join(VisitRow, VisitRow.visit_id == AssignmentRow.visit_id)
        .where(
            among(AssignmentRow.person_id, people),
            AssignmentRow.state.in_(LIVE),
            VisitRow.day.between(first_day, first_day + timedelta(days=days - 1)),
        )
    )
    rows = list(
        work.session.scalars(
            _to_plan(work, first_day, days).where(
                or_(among(VisitRow.visit_id, wanted), VisitRow.visit_id.in_(busy))
            )
        )
    )
    live = _live(work, [v.visit_id for v in rows])
    also = {a.carer_id for a in live}
    kept = [c for c in known.read(work, also) if c.person_id in people]
    return rows, live, kept


def _may_reach(prices: Prices, carer: CarerChanged, asked: VisitChanged) -> bool:
    """Skills and reach, as the rules of the plan judge them: what most of a city's carers fail at."""
    if not asked.skills <= carer.skills:
        return False
    if asked.remote:
        return True
    base, place = point(carer.base), point(asked.place)
    if base is None or place is None:
        return False
    return metres(plane(prices, base), plane(prices, place)) <= prices[f"reach.{carer.travel_mode}"]


def _live(work: Work, visit_ids: Sequence[UUID]) -> list[AssignmentRow]:
    return list(
        work.session.scalars(
            select(AssignmentRow)
            .where(among(AssignmentRow.visit_id, visit_ids), AssignmentRow.state.in_(LIVE))
            .order_by(AssignmentRow.visit_id, AssignmentRow.slot, AssignmentRow.assignment_id)
        )
    )


def _fixed(live: Sequence[AssignmentRow], visits: dict[UUID, VisitRow], first_day: date) -> list[Fixed]:
    """What no plan may move, one a place: who holds it, else the first of those asked."""
    chosen: dict[tuple[UUID, int], AssignmentRow] = {}
    for row in live:
        key = (row.visit_id, row.slot)
        if key not in chosen or (row.state in HELD and chosen[key].state not in HELD):
            chosen[key] = row
    fixed = []
    people: set[tuple[UUID, UUID]] = set()
    for (visit_id, slot), row in sorted(chosen.items()):
        if (visit_id, row.person_id) in people:
            continue
        people.add((visit_id, row.person_id))
        if visits[visit_id].status == VisitStatus.STARTED:
            kind = FixedKind.STARTED
        elif row.pinned:
            kind = FixedKind.PINNED
        else:
            kind = FixedKind.OFFERED if row.state == SlotState.OFFERED else FixedKind.ACCEPTED
        start = minute(first_day, row.starts_at)
        end = minute(first_day, row.ends_at)
        fixed.append(Fixed(visit_id, slot - 1, row.carer_id, start, end, kind, row.line_id))
    return fixed


def _refusals(
    work: Work,
) -> tuple[dict[UUID, set[str]], dict[UUID, set[UUID]], set[tuple[UUID, UUID]]]:
    kinds: dict[UUID, set[str]] = defaultdict(set)
    residents: dict[UUID, set[UUID]] = defaultdict(set)
    visits: set[tuple[UUID, UUID]] = set()
    for row in work.session.scalars(select(RefusalRow)):
        if row.kind:
            kinds[row.person_id].add(row.kind)
        elif row.resident_id:
            residents[row.person_id].add(row.resident_id)
        elif row.visit_id:
            visits.add((row.visit_id, row.person_id))
    return kinds, residents, visits


class _Extra:
    """What is known of people besides their own state: minutes outside the picture, load, who came before."""

    def __init__(self, work: Work, first_day: date, days: int, visit_ids: set[UUID]) -> None:
        self._first_day, self._days = first_day, days
        self._daily: dict[UUID, Counter[int]] = defaultdict(Counter)
        self._weekly: dict[UUID, Counter[int]] = defaultdict(Counter)
        monday = week_start(first_day)
        since = day_bounds(monday)[0]
        until = day_bounds(week_start(first_day + timedelta(days=days - 1)) + timedelta(days=6))[1]
        for visit_id, person_id, starts, ends in work.session.execute(
            select(
                AssignmentRow.visit_id,
                AssignmentRow.person_id,
                AssignmentRow.starts_at,
                AssignmentRow.ends_at,
            ).where(
                AssignmentRow.state.in_(HELD),
                AssignmentRow.starts_at >= since,
                AssignmentRow.starts_at < until,
            )
        ):
            if visit_id in visit_ids:
                continue
            minutes = int((ends - starts).total_seconds() // 60)
            day = wall(starts).date()
            offset = (day - first_day).days
            if 0 <= offset < days:
                self._daily[person_id][offset] += minutes
            self._weekly[person_id][(day - monday).days // 7] += minutes
        self.open_offers: Counter[UUID] = Counter(
            work.session.scalars(select(OfferRow.person_id).where(OfferRow.state == "open"))
        )
        self.load: Counter[UUID] = Counter()
        self._came: dict[UUID, Counter[UUID]] = defaultdict(Counter)
        recent = first_day - timedelta(days=LOAD_DAYS)
        for row in work.session.scalars(
            select(WorkRow).where(WorkRow.day >= first_day - timedelta(days=MEMORY_DAYS), WorkRow.minutes > 0)
        ):
            if row.day >= recent:
                self.load[row.person_id] += row.minutes
            for resident in row.resident_ids:
                self._came[UUID(resident)][row.person_id] += 1

    def beside(self, person_id: UUID, refused_kinds: set[str], refused_residents: set[UUID]) -> Beside:
        return Beside(
            frozenset(ServiceKind(kind) for kind in refused_kinds),
            frozenset(refused_residents),
            self.used_daily(person_id),
            self.used_weekly(person_id),
            self.open_offers[person_id],
            self.load[person_id],
        )

    def used_daily(self, person_id: UUID) -> tuple[int, ...]:
        used = self._daily.get(person_id)
        return tuple(used[d] for d in range(self._days)) if used else ()

    def used_weekly(self, person_id: UUID) -> tuple[int, ...]:
        used = self._weekly.get(person_id)
        return tuple(used[w] for w in range(2)) if used else ()

    def earlier(self, resident_ids: Sequence[UUID]) -> tuple[tuple[UUID, int], ...]:
        came: Counter[UUID] = Counter()
        for resident in resident_ids:
            came.update(self._came.get(resident, Counter()))
        return tuple(sorted(came.items()))
