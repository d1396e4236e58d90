"""From the matcher's projections to the picture that the solver plans from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from services.matcher.plans.picture import Beside, carer_of, line_of, point, visit_of
from services.matcher.plans.windows import free_windows, minute
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
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id

MEMORY_DAYS = 90
LOAD_DAYS = 28


class KnownCarers:
    """Carers as last read, kept between snapshots: only changed ones are read again. One a thread."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[int, CarerChanged]] = {}
        self._active: list[CarerChanged] = []
        self._of_person: dict[UUID, list[CarerChanged]] = {}
        self._state: tuple[int, int] = (0, 0)

    def read(self, work: Work, also: Iterable[UUID]) -> list[CarerChanged]:
        """Every active carer, and those of `also` though no longer active, in id order."""
        # versions only grow and no row goes, so that any change shows in their number or sum
        count, total = work.session.execute(
            select(func.count(), func.coalesce(func.sum(CarerRow.carer_version), 0))
        ).one()
        if self._state != (count, total):
            self._refresh(work)
            self._state = (count, total)
        away = [self._known[c][1] for c in set(also) if not self._known[c][1].active]
        return sorted([*self._active, *away], key=lambda c: c.carer_id) if away else self._active

    def of_people(self, people: Iterable[UUID], also: Iterable[UUID]) -> list[CarerChanged]:
        """As last read: every capacity of some people that is active or one of `also`, in id order."""
        wanted = set(also)
        return sorted(
            (c for p in people for c in self._of_person.get(p, ()) if c.active or c.carer_id in wanted),
            key=lambda c: c.carer_id,
        )

    def _refresh(self, work: Work) -> None:
        present = work.session.execute(select(CarerRow.carer_id, CarerRow.carer_version)).all()
        versions = {row.carer_id: row.carer_version for row in present}
        changed = [c for c, v in versions.items() if self._known.get(c, (-1, None))[0] != v]
        for start in range(0, len(changed), 5000):
            rows = work.session.execute(
                select(CarerRow.carer_id, CarerRow.carer_version, CarerRow.data).where(
                    among(CarerRow.carer_id, changed[start : start + 5000])
                )
            )
            for carer_id, version, data in rows:
                self._known[carer_id] = (version, CarerChanged.model_validate(data))
        self._of_person = {}
        for _, carer in self._known.values():
            self._of_person.setdefault(carer.person_id, []).append(carer)
        self._active = [self._known[c][1] for c in sorted(versions) if self._known[c][1].active]


def take_snapshot(
    work: Work,
    known: KnownCarers,
    first_day: date,
    days: int,
    around: Sequence[VisitRow] = (),
    free: bool = False,
) -> tuple[Snapshot, list[VisitRow]]:
    """The picture of a horizon: open visits not yet past, everyone who could come, what already stands.

    `around`: only what these visits of it need: who has the skills and can reach one of them (`free`: and has the time),
    and what those people do on these days. Whoever is best for one of them is the same as in the whole picture; a city's takes seconds.
    """
    if around:
        rows, live, carers = _around(work, known, first_day, days, around, free)
    else:
        rows = _visits(work, first_day, days)
        live = _live(work, [v.visit_id for v in rows])
        carers = known.read(work, {a.carer_id for a in live})
    refused_kinds, refused_residents, forbidden = _refusals(work)
    visits = {v.visit_id: v for v in rows}
    present = {c.carer_id for c in carers}
    after = max(0, minute(first_day, work.now))
    extra = _Extra(work, first_day, days, set(visits), {c.person_id for c in carers} if around else None)
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
    work: Work, known: KnownCarers, first_day: date, days: int, around: Sequence[VisitRow], free: bool
) -> tuple[list[VisitRow], list[AssignmentRow], list[CarerChanged]]:
    """Visits, what stands and carers that decide who could come to a few visits."""
    prices = prices_of(overrides(work, first_day))
    wanted = [v.visit_id for v in around]
    there = _live(work, wanted)
    everybody = known.read(work, {a.carer_id for a in there})
    after = max(0, minute(first_day, work.now))
    near = [
        _Near(prices, first_day, after, v, [a for a in there if a.visit_id == v.visit_id]) for v in around
    ]
    people = {a.person_id for a in there}
    for carer in everybody:
        reached = [visit for visit in near if visit.reached_by(carer)]
        if reached and free:
            spans = free_windows(carer, first_day, days, after)
            reached = [visit for visit in reached if visit.fits(spans)]
        if reached:
            people.add(carer.person_id)
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
    return rows, live, known.of_people(people, {a.carer_id for a in live})


class _Near:
    """What most of a city's carers fail at, as the rules of the plan judge it: skills, reach, free then."""

    def __init__(
        self, prices: Prices, first_day: date, after: int, row: VisitRow, live: Sequence[AssignmentRow]
    ) -> None:
        self._prices, self._asked = prices, row.asked
        place = point(self._asked.place)
        self._plane = None if place is None else plane(prices, place)
        visit = visit_of(self._asked, row.visit_version, first_day, after)
        held = [minute(first_day, a.starts_at) for a in live]
        self._low, self._high = min((visit.earliest_start, *held)), max((visit.latest_start, *held))

    def reached_by(self, carer: CarerChanged) -> bool:
        if not self._asked.skills <= carer.skills:
            return False
        if self._asked.remote:
            return True
        base = point(carer.base)
        if base is None or self._plane is None:
            return False
        return metres(plane(self._prices, base), self._plane) <= self._prices[f"reach.{carer.travel_mode}"]

    def fits(self, spans: Sequence[tuple[int, int]]) -> bool:
        return any(
            max(self._low, start) <= min(self._high, end - self._asked.minutes) for start, end in spans
        )


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

    def __init__(
        self, work: Work, first_day: date, days: int, visit_ids: set[UUID], people: set[UUID] | None
    ) -> None:
        """`people`: only of these; None: of everybody."""

        def theirs(column: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
            return true() if people is None else among(column, people)

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
                theirs(AssignmentRow.person_id),
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
            work.session.scalars(
                select(OfferRow.person_id).where(OfferRow.state == "open", theirs(OfferRow.person_id))
            )
        )
        self.load: Counter[UUID] = Counter()
        self._came: dict[str, dict[UUID, int]] = {}
        recent = first_day - timedelta(days=LOAD_DAYS)
        for person_id, residents, day, minutes in work.session.execute(
            select(WorkRow.person_id, WorkRow.resident_ids, WorkRow.day, WorkRow.minutes).where(
                WorkRow.day >= first_day - timedelta(days=MEMORY_DAYS),
                WorkRow.minutes > 0,
                theirs(WorkRow.person_id),
            )
        ):
            if day >= recent:
                self.load[person_id] += minutes
            for resident in residents:
                came = self._came.setdefault(resident, {})
                came[person_id] = came.get(person_id, 0) + 1

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
            came.update(self._came.get(str(resident), {}))
        return tuple(sorted(came.items()))
