"""From the matcher's projections to the picture that the solver plans from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Select, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute

from services.matcher.plans.picture import Beside, carer_of, line_of, point, visit_of
from services.matcher.plans.windows import free_windows, minute
from services.matcher.projections.tables import CarerRow, LineRow, VisitRow, WorkRow
from services.matcher.rules.service import overrides
from services.matcher.solver.candidates import Ints
from services.matcher.solver.prices import Prices, prices_of
from services.matcher.solver.rules import plane
from services.matcher.solver.snapshot import Fixed, FixedKind, Snapshot
from services.matcher.staffing.service import HELD, LIVE
from services.matcher.staffing.tables import AssignmentRow, OfferRow, RefusalRow
from shared.clock import day_bounds, wall, week_start
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import ServiceKind, Skill, SlotState, TravelMode, VisitStatus
from shared.contracts.visits import VisitChanged
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id
from shared.windows import Span

MEMORY_DAYS = 90
LOAD_DAYS = 28
VISITS_KNOWN = 50_000
HORIZONS_KNOWN = 8  # of which it is kept who is free when


class KnownCarers:
    """Carers, and visits near them, as last read, kept between snapshots: only changed ones are read again. One a thread."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[int, CarerChanged]] = {}
        self._active: list[CarerChanged] = []
        self._columns = _Columns(())
        self._windows: dict[tuple[UUID, date, int], tuple[int, tuple[Span, ...]]] = {}
        self._free: dict[tuple[date, int], tuple[Ints, Ints, Ints]] = {}
        self._visits: dict[UUID, tuple[int, VisitChanged]] = {}
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
        self._columns = _Columns(self._active)
        self._free.clear()

    def asked(self, work: Work, versions: dict[UUID, int]) -> dict[UUID, VisitChanged]:
        """Visits as they were asked for, in the order given; `versions`: as they stand."""
        if len(self._visits) > VISITS_KNOWN:
            self._visits.clear()
        changed = [v for v, version in versions.items() if self._visits.get(v, (-1, None))[0] != version]
        rows = (
            work.session.execute(
                select(VisitRow.visit_id, VisitRow.visit_version, VisitRow.data).where(
                    among(VisitRow.visit_id, changed)
                )
            )
            if changed
            else ()
        )
        for visit_id, version, data in rows:
            self._visits[visit_id] = version, VisitChanged.model_validate(data)
        return {visit_id: self._visits[visit_id][1] for visit_id in versions}

    def reaching(self, prices: Prices, asked: VisitChanged) -> Ints:
        """Rows of the active carers who have the skills for a visit and can reach it."""
        return self._columns.reaching(prices, asked)

    def free_at(self, rows: Ints, first_day: date, days: int, low: int, high: int, minutes: int) -> Ints:
        """Those of the rows who have so many minutes free from a start between `low` and `high` on."""
        if (first_day, days) not in self._free:
            if len(self._free) >= HORIZONS_KNOWN:
                self._free.clear()
                self._windows.clear()
            self._free[first_day, days] = self._columns.windows(
                [self._spans(carer, first_day, days) for carer in self._active]
            )
        of, begin, end = self._free[first_day, days]
        fits = np.zeros(len(self._active), dtype=np.bool_)
        fits[of[np.maximum(begin, low) <= np.minimum(high, end - minutes)]] = True
        return rows[fits[rows]]

    def person_of(self, row: int) -> UUID:
        return self._active[row].person_id

    def _spans(self, carer: CarerChanged, first_day: date, days: int) -> tuple[Span, ...]:
        key = carer.carer_id, first_day, days
        known = self._windows.get(key)
        if known is None or known[0] != carer.carer_version:
            known = self._windows[key] = carer.carer_version, free_windows(carer, first_day, days)
        return known[1]


_BIT = {each: 1 << n for n, each in enumerate(Skill)}
_MODES = tuple(TravelMode)


class _Columns:
    """Skills, base and means of travel of many carers as arrays: for each of a city's visits all of them are asked."""

    def __init__(self, carers: Sequence[CarerChanged]) -> None:
        bases = [point(carer.base) for carer in carers]
        self._skills = np.array([_bits(carer.skills) for carer in carers], dtype=np.int64)
        self._based = np.array([base is not None for base in bases], dtype=np.bool_)
        self._mode = np.array([_MODES.index(carer.travel_mode) for carer in carers], dtype=np.int64)
        degrees = np.array([base or (0.0, 0.0) for base in bases], dtype=np.float64).reshape(-1, 2)
        self._micro = np.rint(degrees * 1_000_000).astype(np.int64)

    @staticmethod
    def windows(spans: Sequence[Sequence[Span]]) -> tuple[Ints, Ints, Ints]:
        """Everybody's free intervals in a row: whose, from when, until when."""
        of = [row for row, own in enumerate(spans) for _ in own]
        flat = np.array([span for own in spans for span in own], dtype=np.int64).reshape(-1, 2)
        return np.array(of, dtype=np.int64), flat[:, 0].copy(), flat[:, 1].copy()

    def reaching(self, prices: Prices, asked: VisitChanged) -> Ints:
        able = _bits(asked.skills) & ~self._skills == 0
        if not asked.remote:
            place = point(asked.place)
            if place is None:
                return np.zeros(0, dtype=np.int64)
            x, y = plane(prices, place)
            east = self._micro[:, 0] * prices["travel.degree_lon"] // 1_000_000 - x
            north = self._micro[:, 1] * prices["travel.degree_lat"] // 1_000_000 - y
            reach = np.array([prices[f"reach.{mode}"] for mode in _MODES], dtype=np.int64)[self._mode]
            able &= self._based & (east * east + north * north <= reach * reach)
        return np.flatnonzero(able)


def _bits(skills: Iterable[Skill]) -> int:
    return sum(_BIT[skill] for skill in skills)


class _Live(NamedTuple):
    """What a picture needs of a live assignment."""

    visit_id: UUID
    slot: int
    carer_id: UUID
    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    state: str
    pinned: bool
    line_id: UUID | None


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
    The rows are those of the whole picture; of one around some visits nobody needs them.
    """
    visits: dict[UUID, tuple[VisitChanged, str]] = {}
    if around:
        rows: list[VisitRow] = []
        visits, live, carers = _around(work, known, first_day, days, around, free)
    else:
        rows = list(work.session.scalars(_to_plan(work, first_day, days)))
        visits = {v.visit_id: (v.asked, v.status) for v in rows}
        live = _live(work, visits)
        carers = known.read(work, {a.carer_id for a in live})
    people = {c.person_id for c in carers} if around else None
    refused_kinds, refused_residents, forbidden = _refusals(work, people)
    present = {c.carer_id for c in carers}
    after = max(0, minute(first_day, work.now))
    extra = _Extra(work, first_day, days, set(visits), people)
    snapshot = Snapshot(
        snapshot_id=new_id(),
        taken_at=work.now,
        first_day=first_day,
        days=days,
        visits=tuple(
            visit_of(asked, asked.visit_version, first_day, after, extra.earlier(asked.resident_ids))
            for asked, _ in visits.values()
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


def _around(
    work: Work, known: KnownCarers, first_day: date, days: int, around: Sequence[VisitRow], free: bool
) -> tuple[dict[UUID, tuple[VisitChanged, str]], Sequence[_Live], list[CarerChanged]]:
    """Visits with their status, what stands and carers that decide who could come to a few visits."""
    prices = prices_of(overrides(work, first_day))
    wanted = [v.visit_id for v in around]
    there = _live(work, wanted)
    known.read(work, {a.carer_id for a in there})
    after = max(0, minute(first_day, work.now))
    people = {a.person_id for a in there}
    for sought in around:
        able = known.reaching(prices, sought.asked)
        if free:
            held = [minute(first_day, a.starts_at) for a in there if a.visit_id == sought.visit_id]
            visit = visit_of(sought.asked, sought.visit_version, first_day, after)
            low, high = min((visit.earliest_start, *held)), max((visit.latest_start, *held))
            able = known.free_at(able, first_day, days, max(low, after), high, visit.minutes)
        people.update(map(known.person_of, able.tolist()))
    busy = (
        select(AssignmentRow.visit_id)
        .join(VisitRow, VisitRow.visit_id == AssignmentRow.visit_id)
        .where(
            among(AssignmentRow.person_id, people),
            AssignmentRow.state.in_(LIVE),
            VisitRow.day.between(first_day, first_day + timedelta(days=days - 1)),
        )
    )
    rows = work.session.execute(
        _to_plan(work, first_day, days)
        .where(or_(among(VisitRow.visit_id, wanted), VisitRow.visit_id.in_(busy)))
        .with_only_columns(VisitRow.visit_id, VisitRow.visit_version, VisitRow.status)
    ).all()
    asked = known.asked(work, {visit_id: version for visit_id, version, _ in rows})
    live = _live(work, asked)
    visits = {visit_id: (asked[visit_id], status) for visit_id, _, status in rows}
    return visits, live, known.of_people(people, {a.carer_id for a in live})


def _live(work: Work, visit_ids: Iterable[UUID]) -> Sequence[_Live]:
    rows = work.session.execute(
        select(*(getattr(AssignmentRow, name) for name in _Live._fields))
        .where(among(AssignmentRow.visit_id, visit_ids), AssignmentRow.state.in_(LIVE))
        .order_by(AssignmentRow.visit_id, AssignmentRow.slot, AssignmentRow.assignment_id)
    )
    return [_Live(*row) for row in rows]


def _fixed(
    live: Sequence[_Live], visits: dict[UUID, tuple[VisitChanged, str]], first_day: date
) -> list[Fixed]:
    """What no plan may move, one a place: who holds it, else the first of those asked."""
    chosen: dict[tuple[UUID, int], _Live] = {}
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
        if visits[visit_id][1] == VisitStatus.STARTED:
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
    work: Work, people: set[UUID] | None
) -> tuple[dict[UUID, set[str]], dict[UUID, set[UUID]], set[tuple[UUID, UUID]]]:
    kinds: dict[UUID, set[str]] = defaultdict(set)
    residents: dict[UUID, set[UUID]] = defaultdict(set)
    visits: set[tuple[UUID, UUID]] = set()
    query = select(RefusalRow)
    for row in work.session.scalars(
        query if people is None else query.where(among(RefusalRow.person_id, people))
    ):
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
