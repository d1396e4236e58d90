"""Plans by search: for late starts at a price, visits that follow each other, ways home, and ways that are given.

A start then depends on other people's days, or costs more the later it is, so no duty can be priced alone. Everybody's day
is a row of stops, laid out by the rules in plain Python. Visits that tie two rows together (for two, or one after the
other) are pinned at their starts while others move; visits are taken out, a few that are near each other at a time, and put
back where they are worth most (Shaw 1998; Christiaens & Vanden Berghe 2020), and the best plan met is kept.
"""

import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from services.matcher.solver.candidates import (
    C_ORG,
    C_PERSON,
    Ints,
    index_of,
    pairs_of,
    tables_of,
)
from services.matcher.solver.plan import FIRST_PLAN, Plan, Rest
from services.matcher.solver.rules import Book, late_by, ranges_of, serving_points, starts_for_two
from services.matcher.solver.rules import Stop as Booked
from services.matcher.solver.shifts import fill
from services.matcher.solver.snapshot import Follower, Follows, Snapshot
from services.matcher.solver.snapshot_tours import annealed, can_be_annealed
from services.matcher.solver.watch import Watch
from shared.contracts.codes import Capacity

_NEVER = -(1 << 40)
_AT_ONCE = 6  # visits taken out at a time, at most
_WAITING = 5  # visits not served that are tried again with them
_NEAR = 40  # of the visits in order of time: how far apart those lie that are taken out together
_PLACES = 9  # for the first of two visits that are tried with every place for the second
_PUSHES = 5  # how often two visits in sequence may put each other off
_BLINK = 0.05  # of the places looked at, so many are overlooked
_MINUTES = 10  # of travel or lateness by which a plan may be worse than the best and still be gone on from
_PATIENCE = 60  # turns for each visit without a better plan
_LOOK = 8  # turns between two looks at the clock
_ANNEALED = 0.9  # of the time


def needs_search(snapshot: Snapshot) -> bool:
    """Whether a snapshot says what columns cannot price."""
    return (
        bool(snapshot.ways)
        or any(
            visit.late_from is not None or visit.follows is not None or visit.wished_person_ids
            for visit in snapshot.visits
        )
        or any(carer.ends_at is not None or carer.starts_at_base or carer.shifts for carer in snapshot.carers)
    )


def relaxed(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what columns cannot price. Without fixed visits no plan is worth less in it."""
    return replace(
        snapshot,
        visits=tuple(
            replace(
                visit,
                late_from=None,
                follows=None,
                later_windows=(),
                late_most=None,
                wished_person_ids=frozenset(),
            )
            for visit in snapshot.visits
        ),
        carers=tuple(
            replace(carer, ends_at=None, starts_at_base=False, shifts=(), meal_break=None)
            for carer in snapshot.carers
        ),
    )


class Stop(NamedTuple):
    """A visit in somebody's row. It starts within `low` to `high`; `points` without travel and lateness."""

    visit: int
    carer: int
    low: int
    high: int
    minutes: int
    points: int
    fixed: bool = False
    line: int = -1
    units: int = 0


class Break(NamedTuple):
    """A meal break beside a visit."""

    day: int
    visit: int
    start: int


class Laid(NamedTuple):
    """A row laid out: its stops' starts, its points, the largest lateness and the breaks."""

    starts: list[int]
    points: int
    worst: int
    breaks: tuple[Break, ...] = ()


class Place(NamedTuple):
    """A possible place of a stop in a row, and the row as it would be."""

    gain: int
    person: int
    row: tuple[Stop, ...]
    laid: Laid
    at: int

    @property
    def stop(self) -> Stop:
        return self.row[self.at]

    @property
    def start(self) -> int:
        return self.laid.starts[self.at]


class Unit(NamedTuple):
    """What is planned as one: a visit, or the two of which one follows the other."""

    first: int
    second: int = -1


class Search:
    """A plan being searched for; `first`: one of the relaxed snapshot to begin from."""

    def __init__(self, snapshot: Snapshot, watch: Watch, first: Plan | None) -> None:
        self.snapshot, self.watch, self.first = snapshot, watch, first
        self.book = Book(snapshot)
        self.index = index_of(self.book)
        self.tables = tables_of(self.book, self.index)
        self.visits, self.carers = self.index.visits, self.index.carers
        self.drawn = random.Random(watch.limits.seed)  # noqa: S311 - a search's draws
        book, prices = self.book, self.book.prices
        self.ticks = snapshot.ticks
        self.late, self.worst = prices["late.minute"], prices["late.worst"]
        self.persons = [int(person) for person in self.tables.carer[:, C_PERSON]]
        self.orgs = [int(org) for org in self.tables.carer[:, C_ORG]]
        self.modes = [carer.travel_mode for carer in self.carers]
        self.bases = [None if each.base is None else book.plane(each.base) for each in self.carers]
        self.ends = [None if each.ends_at is None else book.plane(each.ends_at) for each in self.carers]
        self.volunteers = [each.capacity is Capacity.VOLUNTEER for each in self.carers]
        self.employed = [each.capacity is Capacity.EMPLOYED for each in self.carers]
        self.days = [snapshot.day_of(visit) for visit in self.visits]
        self.places = [
            None if each.remote or each.place is None else book.plane(each.place) for each in self.visits
        ]
        self.leaves = [
            here if here is None or each.end_place is None else book.plane(each.end_place)
            for here, each in zip(self.places, self.visits, strict=True)
        ]
        self.ranges = [None if each.late_most is None else ranges_of(each) for each in self.visits]
        self.shifts = [
            {shift[0] // snapshot.day_length: shift for shift in carer.shifts} for carer in self.carers
        ]
        self.toured: dict[int, tuple[Break, ...]] | None = None  # the breaks of persons, from tours
        self.rounds = watch.limits.rounds
        self.serving = [serving_points(prices, each) // each.carers for each in self.visits]
        self.known_ways: dict[tuple[object, tuple[int, int], tuple[int, int]], int] = {}
        rows = np.array([n for n, each in enumerate(self.visits) if each.placed], np.int64)
        visit, self.pair_carer, self.pair_points = pairs_of(self.tables, rows, watch.limits.threads)
        self._wish(visit)
        self.pair_at = np.searchsorted(visit, np.arange(len(self.visits) + 1))
        self.free = [book.free_units[line.line_id] for line in snapshot.lines]
        self.rows: dict[int, tuple[Stop, ...]] = {}
        self.points: dict[int, int] = {}
        self.lates: dict[int, int] = {}
        self.alone: dict[tuple[int, int], int] = {}
        self.who: dict[int, tuple[int, ...]] = {}  # persons of new stops, by visit
        self.held: dict[int, list[tuple[int, int]]] = defaultdict(list)  # person and start of fixed ones
        self.ties: dict[int, list[tuple[int, Follows, int]]] = defaultdict(list)  # mate, rule, 1 behind it
        self._fix()
        self._tie()
        self.units = list(self._units())
        self.steps = 0
        self._kept: dict[int, tuple[tuple[Stop, ...], int, int]] = {}
        self._kept_who: dict[int, tuple[int, ...]] = {}
        self.bound = self._bound()
        watch.lap("tables of the search")

    def _wish(self, visit: Ints) -> None:
        """Others than those asked for are worth less."""
        for row, each in enumerate(self.visits):
            if not each.wished_person_ids:
                continue
            wished = {self.index.person_of.get(person_id) for person_id in each.wished_person_ids}
            for pair in range(*np.searchsorted(visit, (row, row + 1))):
                if self.persons[self.pair_carer[pair]] not in wished:
                    self.pair_points[pair] += self.book.prices["wish.other"]

    def _fix(self) -> None:
        rows: dict[int, list[Stop]] = defaultdict(list)
        for pair in self.snapshot.fixed:
            visit, carer = self.index.visit_of[pair.visit_id], self.index.carer_of[pair.carer_id]
            stop = Stop(visit, carer, pair.start, pair.start, pair.end - pair.start, 0, True)
            rows[self.persons[carer]].append(stop)
            self.held[visit].append((self.persons[carer], pair.start))
        for person, stops in rows.items():
            self.rows[person] = tuple(sorted(stops, key=lambda stop: (stop.low, stop.low + stop.minutes)))
            for day in {self.days[stop.visit] for stop in stops}:
                self.alone[person, day] = self._way(
                    [s for s in self.rows[person] if self.days[s.visit] == day]
                )

    def _tie(self) -> None:
        for row, visit in enumerate(self.visits):
            if visit.follows is not None:
                first = self.index.visit_of[visit.follows.visit_id]
                self.ties[row].append((first, visit.follows, 1))
                self.ties[first].append((row, visit.follows, -1))

    def _units(self) -> Iterator[Unit]:
        for row, visit in enumerate(self.visits):
            if not visit.placed or len(self.held[row]) >= visit.carers:
                continue
            free = [(mate, side) for mate, _, side in self.ties[row] if not self.held[mate]]
            if not free:
                yield Unit(row)
            elif free[0][1] < 0 and self.visits[free[0][0]].placed:
                yield Unit(row, free[0][0])

    # what a row is worth

    def way(self, carer: int, here: tuple[int, int], there: tuple[int, int]) -> int:
        key = (self.modes[carer], here, there)
        known = self.known_ways.get(key)
        if known is None:
            known = self.known_ways[key] = self.book.way(self.modes[carer], here, there)
        return known

    def _way(self, day: Sequence[Stop]) -> int:
        """Points of a day's ways."""
        total, here, last = 0, None, -1
        for stop in day:
            there = self.places[stop.visit]
            if there is None:
                continue
            origin = self.bases[stop.carer] if here is None else here
            if origin is not None:
                total += self.way(stop.carer, origin, there)
            here, last = self.leaves[stop.visit], stop.carer
        if here is not None and self.ends[last] is not None:
            total += self.way(last, here, self.ends[last])  # type: ignore[arg-type]
        return total * self.book.prices["travel.minute"] // self.ticks

    def lay(self, person: int, row: Sequence[Stop]) -> Laid | None:
        """Everybody as early as can be; None: it cannot be done."""
        starts: list[int] = []
        breaks: dict[int, Break] = {}
        if self.toured is not None:
            breaks = {each.day: each for each in self.toured.get(person, ())}
        clock = ready = _NEVER
        here: tuple[int, int] | None = None
        settled = before_fixed = True
        points = worst = 0
        begun = -1  # the last day with a visit at a place
        for at, stop in enumerate(row):
            there, start, day = self.places[stop.visit], stop.low, self.days[stop.visit]
            if stop.fixed:
                if start < clock and not before_fixed:
                    return None
                on_the_way = there is not None and here is not None and not settled
                if on_the_way and start < ready + self.way(stop.carer, here, there):  # type: ignore[arg-type]
                    return None
            else:
                start = max(start, clock)
                if there is not None and here is not None:
                    start = max(start, ready + self.way(stop.carer, here, there))
                from_base = 0
                if self.carers[stop.carer].starts_at_base and there is not None and day > begun:
                    from_base = self.way(stop.carer, self.bases[stop.carer], there)  # type: ignore[arg-type]
                free = self._free(stop, start, from_base)
                if free is not None and self._owes(stop.carer, day) and day not in breaks:
                    is_first = at == 0 or self.days[row[at - 1].visit] != day
                    way = self.way(stop.carer, here, there) if here is not None and there is not None else 0
                    back = None if is_first else (max(clock, ready), row[at - 1].visit)
                    arrival = free[1] if is_first else max(clock, ready) + way
                    rest = self._rest(stop, day, free[0], arrival, way, back)
                    if rest is not None:
                        breaks[day], start = rest
                        free = self._free(stop, max(start, free[0]), from_base)
                if free is None or free[0] > stop.high:
                    return None
                start = free[0]
                points += stop.points
                late = late_by(self.visits[stop.visit], start)
                if late:
                    points += late * self.late // self.ticks
                    worst = max(worst, late)
            starts.append(start)
            clock, before_fixed = max(clock, start + stop.minutes), stop.fixed
            if there is None:
                ready += stop.minutes
                settled = settled and stop.fixed
            else:
                ready, here, settled = start + stop.minutes, self.leaves[stop.visit], stop.fixed
                begun = max(begun, day)
            if (
                self._owes(stop.carer, day)
                and day not in breaks
                and (at + 1 == len(row) or self.days[row[at + 1].visit] != day)
            ):
                meal = self.carers[stop.carer].meal_break
                assert meal is not None
                begin = max(start + stop.minutes, day * self.snapshot.day_length + meal.earliest)
                if begin <= day * self.snapshot.day_length + meal.latest:
                    breaks[day] = Break(day, stop.visit, begin)
        if not self._amounts_hold(person, row):
            return None
        days: dict[int, list[Stop]] = {}
        for stop in row:
            days.setdefault(self.days[stop.visit], []).append(stop)
        for day, stops in days.items():
            if all(stop.fixed for stop in stops):
                continue
            points += self._way(stops) - self.alone.get((person, day), 0)
            own = sum(self.volunteers[stop.carer] for stop in stops)
            own_fixed = sum(self.volunteers[stop.carer] for stop in stops if stop.fixed)
            points += (max(0, own - 1) - max(0, own_fixed - 1)) * self.book.prices["load.repeat"]
            if self.shifts[stops[0].carer]:
                filled = self._shift_points(day, list(zip(row, starts, strict=True)), breaks.get(day))
                if filled is None:
                    return None
                points += filled
        return Laid(starts, points, worst, tuple(breaks.values()))

    def _free(self, stop: Stop, start: int, from_base: int) -> tuple[int, int] | None:
        """The earliest start from `start` on, and when its carer could be there at the earliest."""
        windows = self.carers[stop.carer].windows
        for low, high in self.ranges[stop.visit] or ((start, stop.high),):
            for begin, end in windows if start <= high else ():
                then = max(start, low, begin + from_base)
                if then + stop.minutes <= end:
                    if then <= high:
                        return then, begin + from_base
                    break
        return None

    def _owes(self, carer: int, day: int) -> bool:
        """Whether somebody's shift of the day has a meal break still to be found a place for."""
        return self.toured is None and self.carers[carer].meal_break is not None and day in self.shifts[carer]

    def _rest(
        self, stop: Stop, day: int, start: int, arrival: int, way: int, back: tuple[int, int] | None
    ) -> tuple[Break, int] | None:
        """A break before a stop where there is time, or where it would be too late afterwards, and the start after it.

        At the stop's place, or (`back`: since when and beside which visit) where the carer was before.
        """
        meal = self.carers[stop.carer].meal_break
        assert meal is not None
        earliest = day * self.snapshot.day_length + meal.earliest
        latest = earliest + meal.latest - meal.earliest
        places = [(max(arrival, earliest), 0, stop.visit)]
        places += [] if back is None else [(max(back[0], earliest), way, back[1])]
        for begin, then, visit in places:
            end = begin + meal.minutes + then
            if begin <= latest and (end <= start or start + stop.minutes > latest):
                return Break(day, visit, begin), end
        return None

    def _shift_points(self, day: int, row: list[tuple[Stop, int]], rest: Break | None) -> int | None:
        """Points of what a shift is filled with, but for idle time and evenness; None: against its rules."""
        today = [(stop, start) for stop, start in row if self.days[stop.visit] == day]
        who = today[0][0].carer
        carer, prices, shift = self.carers[who], self.book.prices, self.shifts[who].get(day)
        if shift is None:
            return 0
        stops = [
            Booked(
                start, start + stop.minutes, stop.minutes, day, self.places[stop.visit], self.leaves[stop.visit],
                carer.carer_id, self.visits[stop.visit].visit_id, False, not stop.fixed,
            )
            for stop, start in today
        ]  # fmt: skip
        filled = fill(self.book, carer, shift, stops, None if rest is None else self._told(who, rest))
        if not filled.fits or (carer.overtime_most is not None and filled.over > carer.overtime_most):
            return None
        if carer.meal_break is not None and carer.meal_break.required and rest is None:
            return None
        points = filled.waited * prices["wait.minute"] // self.ticks
        points += filled.over * prices["overtime.minute"] // self.ticks
        return points - (rest is not None) * prices["break.missed"]

    def _told(self, carer: int, rest: Break) -> Rest:
        who = self.carers[carer]
        assert who.meal_break is not None
        visit_id = self.visits[rest.visit].visit_id
        return Rest(who.carer_id, visit_id, rest.start, rest.start + who.meal_break.minutes)

    def _amounts_hold(self, person: int, row: Sequence[Stop]) -> bool:
        """Minutes of days and weeks, a volunteer's visits and offers."""
        days: Counter[int] = Counter()
        weeks: Counter[int] = Counter()
        volunteered: Counter[int] = Counter()
        fresh: Counter[int] = Counter()
        for stop in row:
            day = self.days[stop.visit]
            days[day] += stop.minutes
            weeks[self.snapshot.week_of(day)] += stop.minutes
            volunteered[day] += self.volunteers[stop.carer]
            fresh[stop.carer] += not stop.fixed
        capacities = self.book.capacities[self.index.persons[person]]
        for stop in row:
            if stop.fixed:
                continue
            carer, day = self.carers[stop.carer], self.days[stop.visit]
            week = self.snapshot.week_of(day)
            used = sum(each.used_daily[day] for each in capacities if len(each.used_daily) > day)
            in_week = sum(each.used_weekly[week] for each in capacities if len(each.used_weekly) > week)
            if days[day] + used > carer.daily_minutes or weeks[week] + in_week > carer.weekly_minutes:
                return False
            if self.volunteers[stop.carer] and volunteered[day] > self.book.prices["volunteer.visits_a_day"]:
                return False
            if carer.max_new is not None and fresh[stop.carer] > carer.max_new:
                return False
        return True

    def total(self) -> int:
        return sum(self.points.values()) + self._worst() * self.worst // self.ticks

    def _worst(self) -> int:
        return max(self.lates.values(), default=0)

    # where a visit could go

    def places_for(
        self,
        visit: int,
        low: int,
        high: int,
        *,
        barred: Sequence[int] = (),
        only: int | None = None,
        pinned: bool = False,
    ) -> Iterator[Place]:
        """Each person's best place for a visit."""
        first, last = int(self.pair_at[visit]), int(self.pair_at[visit + 1])
        worst = self._worst()
        best: dict[int, Place] = {}
        for carer, points in zip(
            self.pair_carer[first:last].tolist(), self.pair_points[first:last].tolist(), strict=True
        ):
            person = self.persons[carer]
            if person in barred or (only is not None and person != only):
                continue
            stop = self._stop(visit, carer, points, low, high)
            if stop is None:
                continue
            row, before = self.rows.get(person, ()), self.points.get(person, 0)
            for at in range(len(row) + 1):
                if self.drawn.random() < _BLINK:
                    continue
                longer = (*row[:at], stop, *row[at:])
                laid = self.lay(person, longer)
                if laid is None:
                    continue
                gain = laid.points - before + max(0, laid.worst - worst) * self.worst // self.ticks
                known = best.get(person)
                if known is None or gain > known.gain:
                    if pinned:
                        start = laid.starts[at]
                        longer = (*row[:at], stop._replace(low=start, high=start), *row[at:])
                    best[person] = Place(gain, person, longer, laid, at)
        yield from best.values()

    def _stop(self, visit: int, carer: int, points: int, low: int, high: int) -> Stop | None:
        """With the best line that has units left, if the carer needs one."""
        worth, minutes = points + self.serving[visit], self.visits[visit].minutes
        if not self.employed[carer]:
            return Stop(visit, carer, low, high, minutes, worth)
        best = None
        tables = self.tables
        for at in range(tables.line_at[visit], tables.line_at[visit + 1]):
            line, units = int(tables.line_index[at]), int(tables.line_units[at])
            more = int(tables.line_points[at])
            if tables.line_org[at] != self.orgs[carer] or self.free[line] < units:
                continue
            if best is None or worth + more > best.points:
                best = Stop(visit, carer, low, high, minutes, worth + more, False, line, units)
        return best

    def _put(self, place: Place) -> None:
        person, stop = place.person, place.stop
        self._keep(person, stop.visit)
        self.rows[person], self.points[person] = place.row, place.laid.points
        self._late(person, place.laid.worst)
        self.who[stop.visit] = (*self.who.get(stop.visit, ()), person)
        if stop.line >= 0:
            self.free[stop.line] -= stop.units

    def _late(self, person: int, worst: int) -> None:
        if worst:
            self.lates[person] = worst
        else:
            self.lates.pop(person, None)

    def _keep(self, person: int, visit: int) -> None:
        """Remember how it was, for undoing."""
        if person not in self._kept:
            kept = self.rows.get(person, ()), self.points.get(person, 0), self.lates.get(person, 0)
            self._kept[person] = kept
        self._kept_who.setdefault(visit, self.who.get(visit, ()))

    def _take_out(self, unit: Unit) -> None:
        for visit in unit:
            for person in self.who.get(visit, ()) if visit >= 0 else ():
                self._keep(person, visit)
                gone = next(stop for stop in self.rows[person] if stop.visit == visit and not stop.fixed)
                row = tuple(stop for stop in self.rows[person] if stop is not gone)
                if gone.line >= 0:
                    self.free[gone.line] += gone.units
                self.rows[person] = row
                laid = self.lay(person, row)
                # without this stop a way may be longer: a row that cannot be is worth less than any
                self.points[person] = _NEVER if laid is None else laid.points
                self._late(person, 0 if laid is None else laid.worst)
            self.who.pop(visit, None)

    def _restore(self) -> None:
        for person, (row, points, worst) in self._kept.items():
            for stop in self.rows.get(person, ()):
                if stop.line >= 0:
                    self.free[stop.line] += stop.units
            for stop in row:
                if stop.line >= 0:
                    self.free[stop.line] -= stop.units
            self.rows[person], self.points[person] = row, points
            self._late(person, worst)
        for visit, persons in self._kept_who.items():
            self.who[visit] = persons

    def _insert(self, unit: Unit) -> bool:
        """Put a unit where it is worth most, if that is worth anything."""
        visit = self.visits[unit.first]
        if unit.second >= 0:
            return self._insert_two(unit)
        if visit.carers == 2 and not self.held[unit.first]:
            return self._insert_for_two(unit.first)
        low, high, barred, only = self._range(unit.first)
        best = max(
            self.places_for(unit.first, low, high, barred=barred, only=only),
            key=lambda place: place.gain,
            default=None,
        )
        if best is None or best.gain <= 0:
            return False
        self._put(best)
        return True

    def _range(self, row: int) -> tuple[int, int, list[int], int | None]:
        """When a visit may start, who may not and who alone may do it, beside what is fixed."""
        visit = self.visits[row]
        low, high = visit.earliest_start, visit.latest_start
        barred, only = [person for person, _ in self.held[row]], None
        if self.held[row]:
            low = high = self.held[row][0][1]
        for mate, follows, sign in self.ties[row]:
            for person, start in self.held[mate]:
                least, most = (follows.least, follows.most) if sign > 0 else (-follows.most, -follows.least)
                low, high = max(low, start + least), min(high, start + most)
                if follows.by is Follower.SAME:
                    only = person
                else:
                    barred.append(person)
        return low, high, barred, only

    def _insert_for_two(self, row: int) -> bool:
        best: tuple[int, Place, Place] | None = None
        for start in starts_for_two(self.book.prices, self.visits[row], self.ticks):
            found = sorted(self.places_for(row, start, start), key=lambda place: -place.gain)
            for one, two in itertools.pairwise(found):
                stop, other = one.stop, two.stop
                if stop.line >= 0 and stop.line == other.line and self.free[stop.line] < 2 * stop.units:
                    continue
                if best is None or one.gain + two.gain > best[0]:
                    best = one.gain + two.gain, one, two
                break
        if best is None or best[0] <= 0:
            return False
        self._put(best[1])
        self._put(best[2])
        return True

    def _insert_two(self, unit: Unit) -> bool:
        follows = self.visits[unit.second].follows
        assert follows is not None
        find = self._by_one if follows.by is Follower.SAME else self._by_two
        best = max(find(unit, follows.least, follows.most), key=lambda found: found[0], default=None)
        if best is None or best[0] <= 0:
            return False
        for place in best[1]:
            self._put(place)
        return True

    def _by_two(self, unit: Unit, least: int, most: int) -> Iterator[tuple[int, tuple[Place, ...]]]:
        """Two people, each pushed as late as the other makes it."""
        first, second = self.visits[unit.first], self.visits[unit.second]
        found = list(self.places_for(unit.first, first.earliest_start, first.latest_start, pinned=True))
        found.sort(key=lambda place: -place.gain)
        early = sorted(found[_PLACES:], key=lambda place: (place.start, -place.gain))
        for one in found[:_PLACES] + early[: _PLACES // 3]:
            place: Place | None = one
            for _ in range(_PUSHES):
                if place is None:
                    break
                low = max(second.earliest_start, place.start + least)
                within = min(second.latest_start, place.start + most)
                who, free = [one.person], self._without(place.stop)
                other = self._best(unit.second, low, within, who, free)
                if other is not None:
                    yield place.gain + other.gain, (place, other)
                    break
                other = self._best(unit.second, low, second.latest_start, who, free)
                if other is None:
                    break
                place = next(
                    iter(
                        self.places_for(
                            unit.first,
                            max(first.earliest_start, other.start - most),
                            first.latest_start,
                            only=one.person,
                            pinned=True,
                        )
                    ),
                    None,
                )

    def _without(self, stop: Stop) -> tuple[int, int]:
        return (stop.line, stop.units) if stop.line >= 0 else (-1, 0)

    def _best(
        self, visit: int, low: int, high: int, barred: Sequence[int], drawn: tuple[int, int]
    ) -> Place | None:
        """The best place while another stop draws units too."""
        line, units = drawn
        if low > high:
            return None
        if line >= 0:
            self.free[line] -= units
        found = max(
            self.places_for(visit, low, high, barred=barred, pinned=True),
            key=lambda place: place.gain,
            default=None,
        )
        if line >= 0:
            self.free[line] += units
        return found

    def _by_one(self, unit: Unit, least: int, most: int) -> Iterator[tuple[int, tuple[Place, ...]]]:
        """Both by one person."""
        first, second = self.visits[unit.first], self.visits[unit.second]
        begin, end = int(self.pair_at[unit.second]), int(self.pair_at[unit.second + 1])
        able: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for carer, points in zip(
            self.pair_carer[begin:end].tolist(), self.pair_points[begin:end].tolist(), strict=True
        ):
            able[self.persons[carer]].append((carer, points))
        begin, end = int(self.pair_at[unit.first]), int(self.pair_at[unit.first + 1])
        for carer, points in zip(
            self.pair_carer[begin:end].tolist(), self.pair_points[begin:end].tolist(), strict=True
        ):
            person = self.persons[carer]
            one = self._stop(unit.first, carer, points, first.earliest_start, first.latest_start)
            row, before = self.rows.get(person, ()), self.points.get(person, 0)
            for other, its_points in able[person] if one is not None else ():
                two = self._stop(unit.second, other, its_points, second.earliest_start, second.latest_start)
                if two is None or one is None:
                    continue
                if one.line >= 0 and one.line == two.line and self.free[one.line] < one.units + two.units:
                    continue
                for at in range(len(row) + 1):
                    for behind in range(at, len(row) + 1):
                        longer = (*row[:at], one, *row[at:behind], two, *row[behind:])
                        found = self._apart(person, longer, at, behind + 1, least, most)
                        if found is not None:
                            laid, longer = found
                            gain = laid.points - before
                            gain += max(0, laid.worst - self._worst()) * self.worst // self.ticks
                            places = (
                                Place(gain, person, longer, laid, at),
                                Place(0, person, longer, laid, behind + 1),
                            )
                            yield gain, places

    def _apart(
        self, person: int, row: tuple[Stop, ...], at: int, behind: int, least: int, most: int
    ) -> tuple[Laid, tuple[Stop, ...]] | None:
        """A row with two stops so far apart, pinned there."""
        stops = list(row)
        for _ in range(_PUSHES):
            laid = self.lay(person, stops)
            if laid is None:
                return None
            gap = laid.starts[behind] - laid.starts[at]
            if least <= gap <= most:
                for place in (at, behind):
                    start = laid.starts[place]
                    stops[place] = stops[place]._replace(low=start, high=start)
                return laid, tuple(stops)
            if gap < least:
                stops[behind] = stops[behind]._replace(low=laid.starts[at] + least)
            else:
                stops[at] = stops[at]._replace(low=laid.starts[behind] - most)
        return None

    # the plan

    def run(self, until: float) -> None:
        """Begin, then take out and put back until time, turns or patience are used up."""
        self._begin(until)
        if self.toured is not None:
            return
        self._kept.clear()
        self._kept_who.clear()
        best, best_rows = self.total(), dict(self.rows)
        scale = -min(self.book.prices["travel.minute"], self.late, self.worst) * _MINUTES
        order = sorted(self.units, key=lambda unit: (self.visits[unit.first].earliest_start, unit))
        last, now = 0, best
        most = self.watch.limits.rounds * max(4, len(order))
        while order and self.steps < most and self.steps - last < _PATIENCE * len(order):
            if self.steps % _LOOK == 0 and self.watch.past(until):
                break
            self.steps += 1
            self._turn(order)
            then = self.total()
            if then >= now or then > best - scale * self.drawn.random():
                now = then
            else:
                self._restore()
            self._kept.clear()
            self._kept_who.clear()
            if now > best:
                best, best_rows, last = now, dict(self.rows), self.steps
                self.watch.tell("search", 0, self.steps, best, self.bound)
        if self.watch.stopped_by == "done" and self.steps >= most:
            self.watch.stopped_by = "rounds"
        self.rows = best_rows
        self.watch.lap("search")

    def _turn(self, order: list[Unit]) -> None:
        """Take out a few near each other, put them back with a few of those that nobody serves."""
        drawn = self.drawn
        about, count = drawn.randrange(len(order)), drawn.randint(1, _AT_ONCE)
        near = order[max(0, about - _NEAR) : about + _NEAR]
        out = drawn.sample(near, min(len(near), count))
        if drawn.random() < 0.5:
            mates = {
                stop.visit
                for person in self.who.get(order[about].first, ())
                for stop in self.rows[person]
                if not stop.fixed
            }
            out += [unit for unit in near if unit.first in mates or unit.second in mates][:_AT_ONCE]
        out = list(dict.fromkeys([order[about], *out]))
        waiting = [unit for unit in order if not self.who.get(unit.first)]
        for unit in out:
            self._take_out(unit)
        out += [unit for unit in drawn.sample(waiting, min(len(waiting), _WAITING)) if unit not in out]
        drawn.shuffle(out)
        if drawn.random() < 0.5:
            out.sort(key=lambda unit: -self.serving[unit.first])
        for unit in out:
            self._insert(unit)

    def _begin(self, until: float) -> None:
        """From the relaxed plan, or annealed tours, as far as they hold; then whoever is left, the weightiest first."""
        if self.first is not None:
            given = [
                (self.index.visit_of[a.visit_id], self.index.carer_of[a.carer_id], a.start)
                for a in self.first.assignments
                if not a.fixed
            ]
        elif can_be_annealed(self.snapshot):
            given = self._anneal(until)
        else:
            given = []
        self._take_over(given)
        if self.toured is not None:
            return
        left = [unit for unit in self.units if not self.who.get(unit.first)]
        left.sort(key=lambda unit: (-self.serving[unit.first], self.visits[unit.first].earliest_start))
        for unit in left:
            if self.watch.past(until):
                return
            self._insert(unit)
        self.watch.tell(FIRST_PLAN, 0, 0, self.total(), self.bound)

    def _anneal(self, until: float) -> list[tuple[int, int, int]]:
        """Annealed tours. Those of shifts are the plan as they are: what a search by turns does would cost their evenness."""
        shifts = any(self.shifts)
        found = annealed(
            self.book, self.index, self._worth(), self.watch, until if shifts else _ANNEALED * until
        )
        if shifts:
            self.toured = {
                self.persons[carer]: (Break(self.days[visit], visit, start),)
                for visit, carer, start in found.breaks
            }
            self.rounds = found.rounds
            if self.watch.stopped_by == "done":
                self.watch.stopped_by = "rounds" if found.rounds == self.watch.limits.rounds else "seconds"
        return found.starts

    def _worth(self) -> Ints:
        """Points of each visit by each carer, `_NEVER` where that cannot be."""
        worth = np.full((len(self.visits), len(self.carers)), _NEVER, np.int64)
        for visit in range(len(self.visits)):
            for pair in range(self.pair_at[visit], self.pair_at[visit + 1]):
                carer = int(self.pair_carer[pair])
                stop = self._stop(visit, carer, int(self.pair_points[pair]), 0, 0)
                if stop is not None:
                    worth[visit, carer] = stop.points
        return worth

    def _take_over(self, given: list[tuple[int, int, int]]) -> None:
        """Rows of what is given by visit, carer and start; what ties rows together keeps its start, or goes."""
        rows: dict[int, list[tuple[int, Stop]]] = defaultdict(list)
        for visit, carer, start in given:
            if self.ties[visit] and self.first is not None:
                continue  # the relaxed plan did not know
            low, high, _, _ = self._range(visit)
            if self.ties[visit] or self.visits[visit].carers == 2 or self.toured is not None:
                low = high = start
            begin, end = self.pair_at[visit], self.pair_at[visit + 1]
            pair = begin + int(np.searchsorted(self.pair_carer[begin:end], carer))
            if pair == end or self.pair_carer[pair] != carer:
                continue
            stop = self._stop(visit, carer, int(self.pair_points[pair]), low, high)
            if stop is None:
                continue
            if stop.line >= 0:
                self.free[stop.line] -= stop.units
            rows[self.persons[carer]].append((start, stop))
            self.who[visit] = (*self.who.get(visit, ()), self.persons[carer])
        for person, stops in rows.items():
            stops += [(stop.low, stop) for stop in self.rows.get(person, ())]
            stops.sort(key=lambda each: (each[0], each[0] + each[1].minutes))
            self.rows[person] = tuple(stop for _, stop in stops)
        for unit in self.units:
            if any(self._half(row) for row in unit if row >= 0):
                self._take_out(unit)
        unit_of = {row: unit for unit in self.units for row in unit}
        wrong = sorted(rows)
        while wrong:
            person = wrong.pop()
            row = self.rows[person]
            laid = self.lay(person, row)
            if laid is not None:
                self.points[person] = laid.points
                self._late(person, laid.worst)
                continue
            unit = unit_of[self._in_the_way(person, row).visit]
            wrong += {each for v in unit for each in self.who.get(v, ())}
            if self.toured is not None:
                self.toured = {
                    who: tuple(each for each in breaks if each.visit not in unit)
                    for who, breaks in self.toured.items()
                }
            self._take_out(unit)

    def _in_the_way(self, person: int, row: tuple[Stop, ...]) -> Stop:
        """The stop worth least without which a row can be; the last if none is enough."""
        free = [stop for stop in row if not stop.fixed]
        for stop in sorted(free, key=lambda stop: self.serving[stop.visit]):
            if self.lay(person, [each for each in row if each is not stop]) is not None:
                return stop
        return free[-1]

    def _half(self, row: int) -> bool:
        """Whether somebody comes without the other who must."""
        came = len(self.who.get(row, ())) + len(self.held[row])
        if came and came < self.visits[row].carers:
            return not self.held[row]
        return bool(came) and any(not self.who.get(m) and not self.held[m] for m, _, _ in self.ties[row])

    def booked(self) -> tuple[Book, dict[tuple[int, int], int]]:
        """The plan entered in a book, and the lines it draws on by visit and carer."""
        book, lines_of = Book(self.snapshot), {}
        for person, row in self.rows.items():
            laid = self.lay(person, row)
            if laid is None:
                continue  # fixed visits only that contradict each other
            for stop, start in zip(row, laid.starts, strict=True):
                if stop.fixed:
                    continue
                line_id = None
                if stop.line >= 0:
                    lines_of[stop.visit, stop.carer] = stop.line
                    line_id = self.snapshot.lines[stop.line].line_id
                visit, carer = self.visits[stop.visit], self.carers[stop.carer]
                book.add(visit.visit_id, carer.carer_id, start, start + stop.minutes, line_id=line_id)
            for rest in laid.breaks:
                told = self._told(row[0].carer, rest)
                book.rests[told.carer_id, rest.day] = told
        return book, lines_of

    # the bound

    def _bound(self) -> int:
        """No plan is worth more: that of the relaxed snapshot, or every visit by whoever is worth most there.

        Who has fixed visits may save all their ways; without such people nobody comes to a place by less than the
        shortest way there.
        """
        if self.first is not None:
            homeward = 0
            for person, fixed in self.rows.items():
                for day in {self.days[stop.visit] for stop in fixed}:
                    stops = [
                        stop for stop in fixed if self.days[stop.visit] == day and self.places[stop.visit]
                    ]
                    if stops and self.ends[stops[-1].carer] is not None:
                        homeward -= self.alone[person, day]
            return self.first.bound + homeward
        worth = self._worth()
        saved = -sum(self.alone.values())
        total = 0
        for row, visit in enumerate(self.visits):
            need = visit.carers - len(self.held[row])
            best = int(worth[row].max(initial=_NEVER))
            if need <= 0 or best == _NEVER:
                continue
            best = best * self.ticks
            if not self.snapshot.fixed:
                best += self._shortest(row) * self.book.prices["travel.minute"]
            total += max(0, best) * need
        return saved - (-total // self.ticks)

    def _shortest(self, row: int) -> int:
        """The shortest way to a visit from a base or another visit that one person can do before it."""
        place = self.places[row]
        if place is None:
            return 0
        barred = {row} | {mate for mate, follows, _ in self.ties[row] if follows.by is Follower.ANOTHER}
        origins = {base[0] for base in self.bases if base is not None}
        origins |= {
            leaves[0]
            for other, leaves in enumerate(self.leaves)
            if leaves is not None and other not in barred
        }
        return min((self.snapshot.ways[origin][place[0]] for origin in origins), default=0)
