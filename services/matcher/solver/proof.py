"""The bound of a day over every eligible pair, a block of people at a time, so that all pairs are never held at once.

Under good prices hardly anybody is worth more at a visit than the visit keeps. A sweep asks each carer of a block for all
visits within reach and writes down only the pairs that a duty worth more than nothing can hold; the searches for everyone's
best duty then see those alone. Leaving out the others changes no bound.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numba import njit

from services.matcher.solver.candidates import (
    C_BASED,
    C_CAPACITY,
    C_LOAD,
    C_PERSON,
    C_REACH,
    C_SKILLS,
    C_SPEED,
    C_X,
    C_Y,
    FITS,
    P_DETOUR,
    P_DIALECT,
    P_DIRECT,
    P_REPEAT,
    P_SEX,
    P_TRAVEL,
    P_VOLUNTEER,
    V_DIALECT,
    V_EARLIEST,
    V_LATEST,
    V_MINUTES,
    V_REMOTE,
    V_SEX,
    V_SKILLS,
    V_X,
    V_Y,
    Index,
    Ints,
    Starts,
    Tables,
    items_of,
    judge,
    starts_of,
    worth,
)
from services.matcher.solver.columns import Duals
from services.matcher.solver.day import DayProblem, bound_of_each
from services.matcher.solver.duties import MILLI, People, minutes_between
from services.matcher.solver.everyone import lagrangian, look, priced, slack_of
from services.matcher.solver.halves import Halves
from services.matcher.solver.people import people_of
from services.matcher.solver.plan import Plan
from services.matcher.solver.pricing import Priced
from services.matcher.solver.rules import Book, serving_of
from services.matcher.solver.snapshot import MOST
from services.matcher.solver.watch import OutOfTime, Watch

_BLOCK = 5_000  # carers
_FAR = 240  # minutes from home that are told apart
_NEVER = np.int64(-(1 << 50))
_DEAR = 10 * MILLI  # beyond it, whether a pair is eligible is asked at once


class Asking(NamedTuple):
    """A day's visits under prices, in the order in which the sweep meets them: by the cells of a grid, remote ones last.

    `visit`: local rows; `x` to `done`: what falls out soonest; `most`: by capacity, milli-points that the prize of somebody
    who was not there before cannot pass; `kept`: milli-points of serving less what the visit keeps; `by_line`: the most
    that a line adds. `cell_at`: where each of `across` by `down` cells of `CELL` metres begins, from `corner` on. `known_*`: by
    person, the visits (places in this order) to whose residents the person came before.
    """

    visit: Ints
    x: Ints
    y: Ints
    skills: Ints
    latest: Ints
    done: Ints
    most: Ints
    kept: Ints
    by_line: Ints
    slack: Ints
    cell_at: Ints
    corner: Ints
    across: int
    down: int
    known_at: Ints
    known: Ints


CELL = 1_000


@njit(cache=True, nogil=True)
def _wanting(
    tables: Tables, people: People, rows: Ints, asking: Asking, who: Ints, near: int
) -> tuple[Ints, Ints, Ints]:
    """Pairs, by carer, that a duty worth more than nothing can hold: rows of visits and carers, and the pairs' points.

    No visit of a day is farther from home than the day's whole way is long, for travel times keep the triangle inequality.
    So a duty of two is worth no more than both prizes less the longer of the ways from home, and a visit with which no
    other comes above nothing is in none. `near`: instead, the pairs that alone are worth more than so many milli-points
    less than nothing; -1 for none.
    """
    carer = tables.carer
    detour, travel, repeat = tables.price[P_DETOUR], tables.price[P_TRAVEL] * MILLI, tables.price[P_REPEAT]
    visits, carers, points = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.int64)
    count = 0
    size = len(asking.visit)
    placed = asking.cell_at[-1]
    here, gained = np.empty(size, np.int64), np.empty(size, np.int64)
    prizes, ways = np.empty(size, np.int64), np.empty(size, np.int64)
    within, beyond = np.empty(_FAR + 1, np.int64), np.empty(_FAR + 2, np.int64)
    for c in who:
        first, last = tables.window_at[c], tables.window_at[c + 1]
        if first == last:
            continue
        p = carer[c, C_PERSON]
        if people.few[p] and people.vol_cap[p] < 1:
            continue
        opens, closes = tables.window_start[first], tables.window_end[last - 1]
        reach, x, y = carer[c, C_REACH], carer[c, C_X], carer[c, C_Y]
        left, right, low, high = np.int64(0), np.int64(-1), np.int64(0), np.int64(-1)
        if carer[c, C_BASED]:
            left = max(left, (x - reach - asking.corner[0]) // CELL)
            right = min(np.int64(asking.across - 1), (x + reach - asking.corner[0]) // CELL)
            low = max(low, (y - reach - asking.corner[1]) // CELL)
            high = min(np.int64(asking.down - 1), (y + reach - asking.corner[1]) // CELL)
        missing, capacity, load = ~carer[c, C_SKILLS], carer[c, C_CAPACITY], carer[c, C_LOAD] * MILLI
        least = people.few[p] and people.chain_at[p] == people.chain_at[p + 1]
        least = least and not people.away[p] and carer[c, C_BASED] == 1 and repeat <= 0
        room = people.vol_cap[p]
        n, dearest = 0, np.int64(0)
        for line in range(low, high + 3):  # lines of cells, then what is remote, then whom one knows
            known = line == high + 2
            if known:
                begin, end = asking.known_at[p], asking.known_at[p + 1]
            elif line == high + 1:
                begin, end = placed, np.int64(size)
            elif left > right:
                continue
            else:
                begin = asking.cell_at[line * asking.across + left]
                end = asking.cell_at[line * asking.across + right + 1]
            for each in range(begin, end):
                k = asking.known[each] if known else each
                unlikely = asking.most[capacity, k] + load <= -asking.slack[k]
                if unlikely != known or asking.skills[k] & missing:
                    continue
                if opens > asking.latest[k] or closes < asking.done[k]:
                    continue
                if k < placed:
                    if not carer[c, C_BASED]:
                        continue
                    dx, dy = x - asking.x[k], y - asking.y[k]
                    if dx * dx + dy * dy > reach * reach:
                        continue
                row = rows[asking.visit[k]]
                pair = worth(tables, row, c)
                prize = pair * MILLI + asking.kept[k]
                if capacity == 1:
                    prize += asking.by_line[k]
                if prize <= -asking.slack[k]:
                    continue
                here[n], gained[n], prizes[n], ways[n] = row, pair, prize, 0
                if k < placed and (least or near >= 0):
                    ways[n] = minutes_between(x, y, asking.x[k], asking.y[k], detour, carer[c, C_SPEED])
                n += 1
                least = least and asking.slack[k] == 0
        if near < 0 and least and room > 1:
            dearest = _beside(tables, c, here, prizes, ways, n, travel, within, beyond) * (room - 2)
        for k in range(n):
            if near >= 0:
                possible = prizes[k] + travel * ways[k] > -near
            elif not least:
                possible = True
            elif room == 1:
                possible = prizes[k] + travel * ways[k] > 0
            else:
                way = min(ways[k], _FAR)
                beside = max(within[way] + travel * way, beyond[way + 1])
                possible = prizes[k] + max(travel * way, beside + dearest) > 0
            if not possible or judge(tables, here[k], c) != FITS:
                continue
            if count == len(visits):
                visits, carers, points = _twice(visits), _twice(carers), _twice(points)
            visits[count], carers[count], points[count] = here[k], c, gained[k]
            count += 1
    return visits[:count], carers[:count], points[:count]


@njit(cache=True)
def _beside(
    tables: Tables,
    c: int,
    here: Ints,
    prizes: Ints,
    ways: Ints,
    n: int,
    travel: int,
    within: Ints,
    beyond: Ints,
) -> int:
    """The dearest prize within each way from home (`within`), beyond it (from `beyond` on, less the way), and of all."""
    within[:], beyond[:] = 0, _NEVER
    for k in range(n):
        if prizes[k] > _DEAR and judge(tables, here[k], c) != FITS:
            prizes[k] = _NEVER
            continue
        way = min(ways[k], _FAR)
        within[way] = max(within[way], prizes[k])
        beyond[way] = max(beyond[way], prizes[k] + travel * way)
    for way in range(_FAR):
        within[way + 1] = max(within[way + 1], within[way])
    for way in range(_FAR, -1, -1):
        beyond[way] = max(beyond[way], beyond[way + 1])
    dearest: int = within[_FAR]
    return dearest


@njit(cache=True)
def _twice(values: Ints) -> Ints:
    longer = np.empty(2 * len(values), np.int64)
    longer[: len(values)] = values
    return longer


@dataclass(slots=True)
class Prices:
    """What plans of parts say of prices, in milli-points: the latest of a visit, its starts and who comes there alone, the
    highest of a line."""

    visit: dict[UUID, int] = field(default_factory=dict)
    start: dict[tuple[UUID, int], int] = field(default_factory=dict)
    halves: dict[tuple[UUID, int], dict[UUID, int]] = field(default_factory=dict)
    line: dict[UUID, int] = field(default_factory=dict)

    def hear(self, plan: Plan) -> None:
        self.visit.update(plan.visit_prices)
        for visit_id, start, price in plan.start_prices:
            self.start[visit_id, start] = price
            self.halves.pop((visit_id, start), None)
        for visit_id, start, person_id, price in plan.half_prices:
            self.halves.setdefault((visit_id, start), {})[person_id] = price
        for line_id, price in plan.line_prices:
            self.line[line_id] = max(self.line.get(line_id, 0), price)

    def duals(self, of_day: "Proof | DayProblem") -> Duals:
        """A day's prices; of a visit without any, what would be too much for everybody."""
        book, index, starts, worth = of_day.book, of_day.index, of_day.starts, of_day.worth
        ids = [index.visits[row].visit_id for row in of_day.rows]
        most = bound_of_each(book, index, of_day.tables, of_day.rows) * MILLI
        at = [
            (v, ids[v], start) for v, start in zip(starts.visit.tolist(), starts.start.tolist(), strict=True)
        ]
        alone = [
            (index.person_of[person_id], option, price)
            for option, (_, visit_id, start) in enumerate(at)
            for person_id, price in self.halves.get((visit_id, start), {}).items()
            if person_id in index.person_of
        ]
        asked = [self.start.get((i, start), (worth[v] * MILLI - most[v]) // 2) for v, i, start in at]
        return Duals(
            np.array([self.visit.get(visit_id, most[v]) for v, visit_id in enumerate(ids)], np.int64),
            np.array(asked, np.int64),
            np.array([self.line.get(line.line_id, 0) for line in book.snapshot.lines], np.int64),
            halves=Halves(*np.array(alone, np.int64).reshape(-1, 3).T),
        )


@dataclass(slots=True)
class Proof:
    """The proof of one day with all budgets, `book` holding what is fixed alone."""

    book: Book
    index: Index
    tables: Tables
    rows: Ints
    day: int
    watch: Watch
    starts: Starts = field(init=False)
    people: People = field(init=False)
    worth: Ints = field(init=False)
    slack: Ints = field(init=False)
    units: Ints = field(init=False)

    def __post_init__(self) -> None:
        book, index, rows = self.book, self.index, self.rows
        self.starts = starts_of(book, index, rows)
        self.people = people_of(book, index, self.tables, self.day)
        self.worth = np.array([serving_of(book, index.visits[row]) for row in rows], np.int64)
        self.slack = slack_of(book, index, rows)
        self.units = np.array([book.free_units[line.line_id] for line in book.snapshot.lines], np.int64)

    def bound(self, prices: Prices, until: float) -> int:
        """Milli-points that no plan of the day passes. Raises OutOfTime."""
        asked = prices.duals(self)
        total = 0
        for block in self._blocks(asked, until, -1):
            busy = np.flatnonzero(np.diff(block.items.person_at))
            few = self.people.few[busy]
            for who in (busy[few], busy[~few]):
                if len(who):
                    found = look(
                        self.tables, self.people, self.rows, self.slack, who, block.prize, block, self.watch,
                        lambda: self._in_time(until), proving=True, duties=1,
                    )  # fmt: skip
                    total += int(found.bound.sum())
        return lagrangian(self.starts, self.worth, asked, self.units, total)

    def hear(self, prices: Prices, until: float, near: int, heard: Callable[[Priced], None]) -> None:
        """Show, block by block, what to somebody is worth no more than `near` milli-points less than nothing. Raises OutOfTime."""
        for block in self._blocks(prices.duals(self), until, near):
            heard(block)

    def _in_time(self, until: float) -> None:
        if self.watch.past(until):
            raise OutOfTime

    def _blocks(self, asked: Duals, until: float, near: int) -> Iterator[Priced]:
        for pairs in self._pairs(asked, until, near):
            items = items_of(self.tables, self.book, self.index, self.rows, self.starts, pairs)
            number = np.arange(len(items.visit))
            yield priced(self.tables, items, number, self.rows, self.starts, asked, self.worth, self.units)

    def asking(self, asked: Duals) -> Asking:
        """The day's visits for the sweep."""
        tables, rows, starts = self.tables, self.rows, self.starts
        remote = tables.visit[rows, V_REMOTE] == 1
        x, y = tables.visit[rows, V_X], tables.visit[rows, V_Y]
        placed = np.flatnonzero(~remote)
        corner = np.array([x[placed].min(initial=MOST), y[placed].min(initial=MOST)])
        across = int((x[placed].max(initial=0) - corner[0]) // CELL) + 1 if len(placed) else 1
        down = int((y[placed].max(initial=0) - corner[1]) // CELL) + 1 if len(placed) else 1
        cell = (y - corner[1]) // CELL * across + (x - corner[0]) // CELL
        cell[remote] = across * down
        order = np.argsort(cell, kind="stable")
        kept = self.worth * MILLI - asked.visit
        if len(starts.visit):
            dearest = np.full(len(rows), _NEVER)
            np.maximum.at(dearest, starts.visit, asked.start)
            kept = np.where(starts.double, dearest, kept)
        by_line = np.zeros(len(rows), np.int64)
        lines = np.diff(tables.line_at)[rows]
        at = np.concatenate([np.arange(tables.line_at[row], tables.line_at[row + 1]) for row in rows])
        by_line[lines > 0] = _NEVER
        gain = tables.line_points[at] * MILLI - asked.line[tables.line_index[at]] * tables.line_units[at]
        np.maximum.at(by_line, np.repeat(np.arange(len(rows)), lines), gain)
        wishes = np.where(tables.visit[rows, V_DIALECT] != 0, max(0, tables.price[P_DIALECT]), 0)
        wishes += np.where(tables.visit[rows, V_SEX] != 0, max(0, tables.price[P_SEX]), 0)
        alone = kept + wishes * MILLI
        most = np.stack(
            [
                alone + tables.price[P_VOLUNTEER] * MILLI,
                alone + by_line,
                alone + tables.price[P_DIRECT] * MILLI,
            ]
        )
        place = np.full(len(self.index.visits), -1, np.int64)
        place[rows[order]] = np.arange(len(rows))
        visits = np.repeat(place, np.diff(tables.known_at))
        here = visits >= 0
        person = tables.known_person[here]
        known = visits[here][np.argsort(person, kind="stable")]
        known_at = np.zeros(len(self.index.persons) + 1, np.int64)
        np.cumsum(np.bincount(person, minlength=len(self.index.persons)), out=known_at[1:])
        x, y, skills, latest, earliest = (
            np.ascontiguousarray(tables.visit[rows[order], column])
            for column in (V_X, V_Y, V_SKILLS, V_LATEST, V_EARLIEST)
        )
        done = earliest + tables.visit[rows[order], V_MINUTES]
        return Asking(
            order, x, y, skills, latest, done, np.ascontiguousarray(most[:, order]), kept[order], by_line[order], self.slack[order],
            np.searchsorted(cell[order], np.arange(across * down + 1)), corner, across, down, known_at, known,
        )  # fmt: skip

    def _pairs(self, asked: Duals, until: float, near: int) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Block by block."""
        tables, asking = self.tables, self.asking(asked)
        who = np.argsort(tables.carer[:, C_PERSON], kind="stable")
        ends = np.flatnonzero(np.diff(tables.carer[who, C_PERSON])) + 1  # a person's capacities stay together
        cuts = [int(ends[np.searchsorted(ends, end)]) for end in range(_BLOCK, len(who) - _BLOCK, _BLOCK)]
        blocks = np.split(who, sorted(set(cuts)))
        threads = self.watch.limits.threads
        for begin in range(0, len(blocks), threads):
            self._in_time(until)
            yield from self.watch.pool.map(
                lambda who: _wanting(tables, self.people, self.rows, asking, who, near),
                blocks[begin : begin + threads],
            )
