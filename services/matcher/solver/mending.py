"""Mending a published plan after a no: who comes instead, and as few others as can be are told anything new.

A repair is a chain. Somebody takes the empty place; if a visit that was only proposed to them is in the way they leave it,
and the next person takes that one, until somebody leaves nothing. So everyone who was to be visited still is. Pairs that the
snapshot has fixed (started, accepted, pinned, offered) never move. Of all chains those of the fewest people are looked at,
and of these the one is taken that adds most points by the plan's own rules; who had a proposal and is told of another costs
`stability.told`.
It is for pictures as the running matcher takes them: none with shifts, lateness, visits that follow others or own ways.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from uuid import UUID

import numpy as np
from numba import njit

from services.matcher.solver.candidates import (
    C_BASED,
    C_CAPACITY,
    C_ORG,
    C_PERSON,
    C_REACH,
    C_SKILLS,
    C_SPEED,
    C_X,
    C_Y,
    FITS,
    P_DETOUR,
    V_REMOTE,
    V_SKILLS,
    V_X,
    V_Y,
    Ints,
    Tables,
    judge,
    root_up,
    worth,
)
from services.matcher.solver.explain import Candidate, Prepared
from services.matcher.solver.plan import Assignment
from services.matcher.solver.rules import (
    Stop,
    amounts_left,
    gaps_to_fill,
    line_covers,
    line_points,
    metres,
    pair_points,
    possible_starts,
    serving_points,
    starts_by_gap,
    travel_added,
)
from services.matcher.solver.snapshot import SnapCarer, SnapLine, Snapshot, SnapVisit
from shared.contracts.codes import Capacity, TravelMode

MOST_TOLD = 3
MOST_LOOKS = (
    5000  # at one person for one visit, in a search: a fifth of a second; in a full city it ends there
)
_NEVER = -(10**9)


@dataclass(frozen=True, slots=True)
class Step:
    """One person who is told something new. `leaves`: the visit that was proposed to them and that the next step fills."""

    visit_id: UUID
    carer: Candidate
    leaves: UUID | None = None


@dataclass(frozen=True, slots=True)
class Mending:
    """A repair: the first step fills the empty place. `gain`: points more than with the place left empty."""

    steps: tuple[Step, ...]
    gain: int


@dataclass(frozen=True, slots=True)
class _Move:
    """Somebody comes to a visit. `points`: what the plan gains by it, without what serving the visit is worth."""

    points: int
    carer: SnapCarer
    start: int
    line: SnapLine | None
    leaves: Stop | None


_Hope = tuple[int, int, Stop | None]  # at most so many points, row of the carer, what they leave


class _Ranked:
    """Moves by what they are worth with the rest of the chain (`beyond`: a bound), judged only as far as they are asked for."""

    def __init__(
        self,
        hopes: Iterator[_Hope],
        judged: Callable[[int, Stop | None], Iterable[_Move]],
        beyond: Callable[[Stop], int],
    ) -> None:
        """`hopes`: largest first."""
        self._hopes, self._judged, self._beyond = hopes, judged, beyond
        self._next = next(hopes, None)
        self._waiting: list[tuple[int, int, _Move]] = []
        self._count = 0
        self.ready: list[tuple[int, _Move]] = []

    def at(self, n: int, need: int) -> tuple[int, _Move] | None:
        """The n-th best and its worth, if that is more than `need`."""
        while n >= len(self.ready):
            hope = _NEVER if self._next is None else self._next[0]
            if self._waiting and -self._waiting[0][0] >= hope:
                worth, _, move = heappop(self._waiting)
                self.ready.append((-worth, move))
            elif hope <= need or self._next is None:
                return None
            else:
                for move in self._judged(self._next[1], self._next[2]):
                    self._count += 1
                    more = 0 if move.leaves is None else self._beyond(move.leaves)
                    heappush(self._waiting, (-move.points - more, self._count, move))
                self._next = next(self._hopes, None)
        return self.ready[n] if self.ready[n][0] > need else None


class Mender:
    """A published day, warm between questions. What is `proposed` may move; the snapshot's fixed pairs may not."""

    def __init__(self, snapshot: Snapshot, proposed: Iterable[Assignment]) -> None:
        """Raises ValueError for a snapshot with shifts, lateness, visits that follow others or its own ways."""
        _refuse_strange(snapshot)
        self.prepared = Prepared(snapshot)
        self.book = book = self.prepared.book
        self._told = book.prices["stability.told"]
        self._lines: dict[tuple[UUID, UUID], UUID | None] = {}
        self._barred: set[tuple[UUID, UUID]] = set()
        self._two_ways = sorted(
            person_id
            for person_id, own in book.capacities.items()
            if len({(each.travel_mode, each.base) for each in own}) > 1
        )
        columns = (C_SKILLS, C_X, C_Y, C_REACH, C_PERSON)
        self._columns = [np.ascontiguousarray(self.prepared.tables.carer[:, column]) for column in columns]
        self._busy = np.zeros(len(self.prepared.index.persons), dtype=np.int64)  # visits of each person
        self._asked = np.zeros_like(self._busy)  # those of them that are proposals
        for person_id, stops in book.stops.items():
            self._busy[self.prepared.index.person_of[person_id]] = len(stops)
        self._fitting: dict[UUID, tuple[Ints, Ints, Ints]] = {}
        # what follows from the book as it stands
        self._ranked: dict[tuple[UUID, UUID | None, int], _Ranked] = {}
        self._leaving: dict[UUID, list[tuple[int, Stop]]] = {}
        self._rests: dict[tuple[UUID, int], int] = {}
        self._mixed_most: int | None = None
        self._relief: int | None = None
        self._looks = 0
        for each in proposed:
            self.propose(each)
        if snapshot.visits:
            self._able(snapshot.visits[0])  # compiles

    def propose(self, each: Assignment) -> None:
        """Enter what is proposed, also to somebody who said no to it before."""
        self._barred.discard((each.visit_id, each.person_id))
        self._add(each.visit_id, each.carer_id, each.start, each.end, each.line_id)

    def decline(self, visit_id: UUID, carer_id: UUID) -> None:
        """Somebody does not take what was proposed, and is not asked for it again."""
        self._drop(self._proposal(visit_id, carer_id))
        self._barred.add((visit_id, self.book.carers[carer_id].person_id))

    def apply(self, mending: Mending) -> None:
        """Enter a repair in the plan."""
        for step in mending.steps:
            if step.leaves is not None:
                self._drop(self._proposal(step.leaves, step.carer.carer_id))
        for step in mending.steps:
            found = step.carer
            self._add(step.visit_id, found.carer_id, found.start, found.end, found.line_id)

    def mend(self, visit_id: UUID, least: int = 1, most: int = MOST_TOLD) -> Mending | None:
        """The best repair of a visit with one empty place, by `least` to `most` people; None: none gains anything."""
        book, visit = self.book, self.book.visits[visit_id]
        if not visit.placed or len(book.taken.get(visit_id, ())) != visit.carers - 1:
            return None
        serving = serving_points(book.prices, visit) // visit.carers
        self._looks = MOST_LOOKS
        for people in range(least, most + 1):
            found = self._chain(visit, None, people, (), (visit_id,), {}, -serving)
            if found is not None:
                return Mending(tuple(self._steps(visit, found[1])), found[0] + serving)
        return None

    def leavable(self, visit_id: UUID, most: int) -> list[UUID]:
        """Visits that someone who fits this one might leave for it, the most promising first."""
        visit = self.book.visits.get(visit_id)
        hopes = () if visit is None else self._hopes_leaving(visit, 2)
        found = dict.fromkeys(stop.visit_id for _, _, stop in hopes if stop is not None)
        return [each for each in found if each != visit_id][:most]

    def _steps(self, visit: SnapVisit, moves: tuple[_Move, ...]) -> Iterator[Step]:
        book = self.book
        for move in moves:
            carer, far = move.carer, None
            if carer.base is not None and visit.place is not None and not visit.remote:
                far = metres(book.plane(carer.base), book.plane(visit.place))
            line_id = None if move.line is None else move.line.line_id
            end = move.start + visit.minutes
            found = Candidate(carer.carer_id, carer.person_id, move.start, end, line_id, far, move.points, ())
            yield Step(visit.visit_id, found, None if move.leaves is None else move.leaves.visit_id)
            if move.leaves is not None:
                visit = book.visits[move.leaves.visit_id]

    # the search

    def _chain(
        self,
        visit: SnapVisit,
        left: Stop | None,
        count: int,
        people: tuple[UUID, ...],
        visits: tuple[UUID, ...],
        drawn: dict[UUID, int],
        need: int,
    ) -> tuple[int, tuple[_Move, ...]] | None:
        """The best chain of `count` people from a visit (that `left` leaves) on, if it is worth more than `need`."""
        ranked, best, n = self._ranking(visit, left, count), None, -1
        while self._looks > 0 and (found := ranked.at(n := n + 1, need)) is not None:
            move = found[1]
            if move.carer.person_id in people:
                continue
            taken = self._drawn(drawn, visit, move)
            if move.leaves is None:
                if self._affordable(taken):
                    return move.points, (move,)
            elif move.leaves.visit_id not in visits:
                tail = self._chain(
                    self.book.visits[move.leaves.visit_id],
                    move.leaves,
                    count - 1,
                    (*people, move.carer.person_id),
                    (*visits, move.leaves.visit_id),
                    taken,
                    need - move.points,
                )
                if tail is not None:
                    need = move.points + tail[0]
                    best = need, (move, *tail[1])
        return best

    def _drawn(self, drawn: dict[UUID, int], visit: SnapVisit, move: _Move) -> dict[UUID, int]:
        """Units that the chain so far takes from each line, this move included."""
        book, found = self.book, dict(drawn)
        if move.line is not None:
            found[move.line.line_id] = found.get(move.line.line_id, 0) + book.units(move.line, visit)
        if move.leaves is not None:
            line_id = self._lines[move.leaves.visit_id, move.leaves.carer_id]
            if line_id is not None:
                left = book.units(book.lines[line_id], book.visits[move.leaves.visit_id])
                found[line_id] = found.get(line_id, 0) - left
        return found

    def _affordable(self, drawn: dict[UUID, int]) -> bool:
        return all(units <= self.book.free_units[line_id] for line_id, units in drawn.items() if units > 0)

    def _ranking(self, visit: SnapVisit, left: Stop | None, count: int) -> _Ranked:
        """Who may take a visit: leaving nothing, if `count` is 1, else what `count` - 1 others then have to fill."""
        key = visit.visit_id, None if left is None else left.carer_id, count
        known = self._ranked.get(key)
        if known is None:
            self._looks -= 20
            known = self._ranked[key] = _Ranked(
                self._hopes_free(visit) if count == 1 else self._hopes_leaving(visit, count),
                lambda row, leaves: self._moves(visit, left, row, leaves),
                lambda leaves: self._rest(leaves.visit_id, count - 1),
            )
        return known

    def _able(self, visit: SnapVisit) -> tuple[Ints, Ints, Ints]:
        """Whom the rules that ask nothing about the day let come: rows, most points without travel, way from base."""
        known = self._fitting.get(visit.visit_id)
        if known is None:
            row = self.prepared.index.visit_of[visit.visit_id]
            known = self._fitting[visit.visit_id] = _fitting(self.prepared.tables, row, *self._columns[:4])
        return known

    def _hopes_free(self, visit: SnapVisit) -> Iterator[_Hope]:
        rows, points, ways = self._able(visit)
        people = self._columns[4][rows]
        at_rest = points + ways * self.book.prices["travel.minute"]
        busy = points + (self._asked[people] > 0) * self._told + self._slack(visit)
        hopes = np.where(self._busy[people] == 0, at_rest, busy)
        order = np.lexsort((rows, -hopes))
        for hope, row in zip(hopes[order].tolist(), rows[order].tolist(), strict=True):
            yield hope, row, None

    def _hopes_leaving(self, visit: SnapVisit, count: int) -> Iterator[_Hope]:
        rows, points, _ = self._able(visit)
        asked = self._asked[self._columns[4][rows]] > 0
        shared = self._told + self._slack(visit)
        hopes: list[_Hope] = []
        for row, most in zip(rows[asked].tolist(), points[asked].tolist(), strict=True):
            for relief, stop in self._leavable(self.prepared.index.carers[row].person_id):
                hopes.append((most + shared + relief + self._rest(stop.visit_id, count - 1), row, stop))
        hopes.sort(key=lambda each: (-each[0], each[1], each[2].start if each[2] else 0))
        return iter(hopes)

    def _leavable(self, person_id: UUID) -> list[tuple[int, Stop]]:
        """A person's proposals, each with the most points that leaving it brings."""
        known = self._leaving.get(person_id)
        if known is None:
            known = self._leaving[person_id] = []
            for stop in [stop for stop in self.book.stops[person_id] if stop.new]:
                gap = self._lift(stop)
                saved = self._travel(stop.visit_id, stop.carer_id, gap)
                self._put_back(stop, gap)
                known.append((-saved - self._worth(stop) - self.book.prices["load.repeat"], stop))
        return known

    def _rest(self, visit_id: UUID, count: int) -> int:
        """The most points that a chain of `count` people brings from a proposal on that somebody leaves."""
        known = self._rests.get((visit_id, count))
        if known is None:
            visit = self.book.visits[visit_id]
            known = self._wishes(visit) + self._slack(visit)
            if count > 1:
                if self._relief is None:
                    self._relief = max(
                        relief + self._rest(stop.visit_id, 1)
                        for person in np.flatnonzero(self._asked)
                        for relief, stop in self._leavable(self.prepared.index.persons[person])
                    )
                known += (count - 1) * (self._told + self._relief)
            self._rests[visit_id, count] = known
        return known

    def _slack(self, visit: SnapVisit) -> int:
        """What a visit more may at most save of anybody's ways: by the triangle nothing, unless it ends elsewhere or somebody
        moves by different means in different capacities."""
        book = self.book
        if self._mixed_most is None:
            self._mixed_most = max((self._all_ways(person_id) for person_id in self._two_ways), default=0)
        if visit.end_place is None or visit.place is None or visit.remote:
            return self._mixed_most
        ends = book.plane(visit.place), book.plane(visit.end_place)
        longest = max(book.way(mode, *ends) for mode in TravelMode)
        return self._mixed_most - longest * book.prices["travel.minute"]

    def _all_ways(self, person_id: UUID) -> int:
        """At least what all ways of a person cost."""
        book, here, minutes = self.book, None, 0
        for stop in book.stops.get(person_id, ()):
            carer = book.carers[stop.carer_id]
            origins = [here, None if carer.base is None else book.plane(carer.base)]
            if stop.place is not None:
                minutes += max((book.way(carer.travel_mode, o, stop.place) for o in origins if o), default=0)
                here = stop.end_place
        return -minutes * book.prices["travel.minute"]

    def _wishes(self, visit: SnapVisit) -> int:
        """The most points that anybody gives at a visit, travel left out."""
        prices = self.book.prices
        most = prices["continuity.most"] if visit.earlier_visits else 0
        most += prices["wish.dialect"] if visit.dialect_wish is not None else 0
        return most + (prices["wish.sex"] if visit.sex_wish is not None else 0)

    def _moves(self, visit: SnapVisit, left: Stop | None, row: int, leaves: Stop | None) -> Iterator[_Move]:
        """A carer's best start at a visit, once with each line that may pay it; nothing where a rule forbids it."""
        self._looks -= 1
        book, carer = self.book, self.prepared.index.carers[row]
        there = book.taken.get(visit.visit_id, ())
        barred = (visit.visit_id, carer.person_id) in self._barred
        if barred or any(book.carers[stop.carer_id].person_id == carer.person_id for stop in there):
            return
        lifted = [(stop, self._lift(stop)) for stop in (left, leaves) if stop is not None]
        stops = book.stops.get(carer.person_id, ())
        found = None
        if all(amount >= 0 for _, amount in amounts_left(book, visit, carer)):
            saved, first, last = 0, 0, len(stops)
            if leaves is not None:
                gap = lifted[-1][1]
                saved = self._travel(leaves.visit_id, leaves.carer_id, gap)
                first, last = gaps_to_fill(book, carer.person_id, gap)
            for gap, start in starts_by_gap(book, visit, carer, possible_starts(book, visit)):
                if first <= gap <= last:
                    way = self._travel(visit.visit_id, carer.carer_id, gap) - saved
                    found = (way, -start) if found is None else max(found, (way, -start))
        told = self._told if leaves is not None or any(stop.new for stop in stops) else 0
        repeats = self._repeats(stops, visit, carer, leaves)
        for stop, gap in reversed(lifted):
            self._put_back(stop, gap)
        if found is None:
            return
        points = told + repeats + found[0] + sum(value for _, value in pair_points(book.prices, visit, carer))
        points -= 0 if leaves is None else self._worth(leaves)
        for line in self._payers(visit, carer):
            paid = 0 if line is None else line_points(book.prices, line, visit)
            yield _Move(points + paid, carer, -found[1], line, leaves)

    def _payers(self, visit: SnapVisit, carer: SnapCarer) -> list[SnapLine | None]:
        if carer.capacity is not Capacity.EMPLOYED or carer.organisation_id is None:
            return [None]
        day = self.book.snapshot.date_of(visit.day)
        own = self.book.lines_of.get(carer.organisation_id, ())
        return [line for line in own if line_covers(line, visit, day)]

    def _repeats(self, stops: Sequence[Stop], visit: SnapVisit, carer: SnapCarer, leaves: Stop | None) -> int:
        """Points of a volunteer's visits of a day after the first: with the new one instead of the one that is left."""
        price, found = self.book.prices["load.repeat"], 0
        for day in {visit.day} if leaves is None else {visit.day, leaves.day}:
            count = sum(stop.volunteer and stop.day == day for stop in stops)
            now = count + (day == visit.day and carer.capacity is Capacity.VOLUNTEER)
            before = count + (leaves is not None and day == leaves.day and leaves.volunteer)
            found += (max(0, now - 1) - max(0, before - 1)) * price
        return found

    def _travel(self, visit_id: UUID, carer_id: UUID, gap: int) -> int:
        """Points of the ways that a visit adds to a day in which it does not stand."""
        book = self.book
        minutes = travel_added(book, book.visits[visit_id], book.carers[carer_id], gap)
        return minutes * book.prices["travel.minute"]

    def _worth(self, stop: Stop) -> int:
        """Points of a proposal whatever the ways."""
        book, visit, carer = self.book, self.book.visits[stop.visit_id], self.book.carers[stop.carer_id]
        points = sum(value for _, value in pair_points(book.prices, visit, carer))
        line_id = self._lines[stop.visit_id, stop.carer_id]
        return points + (0 if line_id is None else line_points(book.prices, book.lines[line_id], visit))

    # the plan

    def _proposal(self, visit_id: UUID, carer_id: UUID) -> Stop:
        return next(s for s in self.book.taken[visit_id] if s.carer_id == carer_id and s.new)

    def _lift(self, stop: Stop) -> int:
        """Take a visit out of its person's day for a moment. Where it was."""
        stops = self.book.stops[self.book.carers[stop.carer_id].person_id]
        gap = stops.index(stop)
        del stops[gap]
        self.book.taken[stop.visit_id].remove(stop)
        return gap

    def _put_back(self, stop: Stop, gap: int) -> None:
        self.book.stops[self.book.carers[stop.carer_id].person_id].insert(gap, stop)
        self.book.taken[stop.visit_id].append(stop)

    def _add(self, visit_id: UUID, carer_id: UUID, start: int, end: int, line_id: UUID | None) -> None:
        self.book.add(visit_id, carer_id, start, end, line_id=line_id)
        self._lines[visit_id, carer_id] = line_id
        self._changed(carer_id, 1)

    def _drop(self, stop: Stop) -> None:
        self._lift(stop)
        line_id = self._lines.pop((stop.visit_id, stop.carer_id))
        if line_id is not None:
            book = self.book
            book.free_units[line_id] += book.units(book.lines[line_id], book.visits[stop.visit_id])
        self._changed(stop.carer_id, -1)

    def _changed(self, carer_id: UUID, by: int) -> None:
        person_id = self.book.carers[carer_id].person_id
        row = self.prepared.index.person_of[person_id]
        self._busy[row] += by
        self._asked[row] += by
        self._leaving.pop(person_id, None)
        self._ranked.clear()
        self._rests.clear()
        self._mixed_most = self._relief = None


def _refuse_strange(snapshot: Snapshot) -> None:
    strange = snapshot.ways or any(
        carer.shifts or carer.meal_break or carer.ends_at is not None or carer.starts_at_base
        for carer in snapshot.carers
    )
    if strange or any(visit.late_from is not None or visit.follows for visit in snapshot.visits):
        raise ValueError("a snapshot with shifts, lateness, visits that follow others or own ways")


@njit(cache=True)
def _fitting(tables: Tables, v: int, skills: Ints, x: Ints, y: Ints, reach: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows of the carers who fit a visit, the most points each gives there, and minutes of the way from base.

    `skills`, `x`, `y`, `reach`: columns of the carers.
    """
    rows, points, ways = np.empty(len(x), np.int64), np.empty(len(x), np.int64), np.zeros(len(x), np.int64)
    needed, remote = tables.visit[v, V_SKILLS], tables.visit[v, V_REMOTE] == 1
    found = 0
    for c in range(len(x)):
        dx, dy = tables.visit[v, V_X] - x[c], tables.visit[v, V_Y] - y[c]
        near = remote or dx * dx + dy * dy <= reach[c] * reach[c]
        if not near or needed & ~skills[c] or judge(tables, v, c) != FITS:
            continue
        most = worth(tables, v, c)
        if tables.carer[c, C_CAPACITY] == 1:
            paid = _NEVER
            for at in range(tables.line_at[v], tables.line_at[v + 1]):
                if tables.line_org[at] == tables.carer[c, C_ORG]:
                    paid = max(paid, tables.line_points[at])
            most += paid
        rows[found], points[found] = c, most
        if tables.carer[c, C_BASED] and not remote:
            far = root_up(dx * dx + dy * dy) * tables.price[P_DETOUR]
            ways[found] = -(-far // (100 * tables.carer[c, C_SPEED]))
        found += 1
    return rows[:found].copy(), points[:found].copy(), ways[:found].copy()
