"""The master problem of one day: which duties to choose, as a linear program over the columns known so far.

Rows: a visit is done at most once (a visit for two: at one start); a start of a visit for two is used exactly as far as
two duties bring a person there, and as far as any one does (halves.py); a line's units at most; at most one duty a person.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from services.matcher.solver.candidates import Ints, Items, Starts, Tables, no_ints
from services.matcher.solver.duties import LONGEST, MILLI, Found
from services.matcher.solver.halves import Halves, broken
from services.matcher.solver.linear import Basis, Floats, Optimum, choose, maximise

_LESS = 10  # points by which a stand-in begins below the best
_FARTHER = 3  # times as much less, where they were used
_FARTHEST = 1_000_000
_USED = 0.02
# steps of a day's linear program from which the next one begins where it ended, unless so much of it is new
_MANY_STEPS, _NEW = 9_000, 0.15
_HALVES = 1 << 40  # from here on rows against halves have their names


@dataclass(slots=True)
class Columns:
    """Duties known so far, flat: column `j` has the entries `at[j]:at[j + 1]` of items, starts and lines.

    The arrays have room for more than `count` columns and `at[count]` entries.
    """

    count: int = 0
    person: Ints = field(default_factory=no_ints)
    points: Ints = field(default_factory=no_ints)
    at: Ints = field(default_factory=lambda: np.zeros(1, np.int64))
    items: Ints = field(default_factory=no_ints)
    starts: Ints = field(default_factory=no_ints)
    lines: Ints = field(default_factory=no_ints)
    numbers: dict[tuple[bytes, bytes], int] = field(default_factory=dict)

    def item(self, number: int) -> Ints:
        return self.items[self.at[number] : self.at[number + 1]]

    def start(self, number: int) -> Ints:
        return self.starts[self.at[number] : self.at[number + 1]]

    def line(self, number: int) -> Ints:
        return self.lines[self.at[number] : self.at[number + 1]]

    def entries(self, numbers: Ints) -> tuple[Ints, Ints]:
        """The entries of some columns, one column after the other: whose (its place in `numbers`), and where they are."""
        begin = self.at[numbers]
        size = self.at[numbers + 1] - begin
        owner = np.repeat(np.arange(len(numbers)), size)
        return owner, np.arange(len(owner)) + (begin - (np.cumsum(size) - size))[owner]

    def add(self, person: int, points: int, item: Ints, start: Ints, line: Ints) -> int:
        """The column's number, be it new or known."""
        number = self.numbers.setdefault((item.tobytes(), line.tobytes()), self.count)
        if number < self.count:
            return number
        begin, end = int(self.at[number]), int(self.at[number]) + len(item)
        if number == len(self.person):
            room = 2 * number + 1000
            self.person, self.points = np.resize(self.person, room), np.resize(self.points, room)
            self.at = np.resize(self.at, room + 1)
        if end > len(self.items):
            room = 2 * end + 1000
            self.items, self.starts, self.lines = (
                np.resize(flat, room) for flat in (self.items, self.starts, self.lines)
            )
        self.person[number], self.points[number], self.at[number + 1] = person, points, end
        self.items[begin:end], self.starts[begin:end], self.lines[begin:end] = item, start, line
        self.count += 1
        return number

    def add_found(self, asked: Ints, found: Found, profit: Ints, slot_row: Ints, share: int) -> list[int]:
        """Add the duties found with a profit, the best first; their numbers.

        A duty all of whose rows already have their `share` of new duties is left out: else a round would bring
        hundreds of duties for the one visit that everybody wants.
        """
        where = np.flatnonzero(profit.ravel() > 0)
        where = where[np.argsort(-profit.ravel()[where], kind="stable")]
        length, item = found.length.ravel(), found.item.reshape(-1, LONGEST)
        start, line = found.start.reshape(-1, LONGEST), found.line.reshape(-1, LONGEST)
        where = where[_shared(where, length, item, slot_row, share)]
        person, points = asked[where // profit.shape[1]].tolist(), found.points.ravel()[where].tolist()
        return [
            self.add(who, worth, item[cell, :size], start[cell, :size], line[cell, :size])
            for cell, size, who, worth in zip(
                where.tolist(), length[where].tolist(), person, points, strict=True
            )
        ]


@njit(cache=True)
def _shared(where: Ints, length: Ints, item: Ints, slot_row: Ints, share: int) -> NDArray[np.bool_]:
    """Which duties, in order, bring one of their rows a duty that is among the first `share` of that row."""
    rows = np.int64(0)
    for cell in where:
        for k in range(length[cell]):
            rows = max(rows, slot_row[item[cell, k]] + 1)
    brought = np.zeros(rows, np.int64)
    kept = np.zeros(len(where), np.bool_)
    for n in range(len(where)):
        cell = where[n]
        for k in range(length[cell]):
            kept[n] |= brought[slot_row[item[cell, k]]] < share
        if kept[n]:
            for k in range(length[cell]):
                brought[slot_row[item[cell, k]]] += 1
    return kept


@dataclass(frozen=True, slots=True)
class Duals:
    """Prices of the rows in milli-points, never negative but those of the starts. `people`: who has a price, `person`."""

    visit: Ints
    start: Ints
    line: Ints
    people: Ints = field(default_factory=no_ints)
    person: Ints = field(default_factory=no_ints)
    halves: Halves = field(default_factory=Halves)


def nothing_asked(visits: int, starts: int, lines: int) -> Duals:
    """Prices of nothing, for so many rows."""
    return Duals(np.zeros(visits, np.int64), np.zeros(starts, np.int64), np.zeros(lines, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved(Duals):
    """An optimum of the linear program."""

    value: float
    x: Floats
    y: Floats
    spare: Floats
    numbers: Ints


@dataclass(slots=True)
class StandIns:
    """Somebody nobody knows, for each row of a visit or a start, who would come for a little less than the best.

    Without them a visit whose few known duties all want the same persons has no dual, and everybody else is drawn to it.
    They hold the duals near the best until real duties do (du Merle, Villeneuve, Desrosiers & Hansen, 1999: stabilized
    column generation). `best`: points of the best single visit; `least`: at or below which nobody stands in; `real`: what
    somebody does come for.
    """

    best: Ints
    least: Ints
    real: Ints
    farther: int = _FARTHER
    less: Ints = field(init=False)
    used: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.less = np.full(len(self.best), _LESS)
        self.used = np.zeros(len(self.best))

    def points(self) -> Ints:
        points: Ints = np.maximum(self.best - self.less, self.real)
        return points

    def left(self) -> Ints:
        return np.flatnonzero(self.points() > self.least)

    def worth(self) -> float:
        """Points of the last linear program that are theirs: with what is only served because they come."""
        return float(self.used @ (self.points() - np.maximum(self.least, self.real)))

    def stand(self) -> bool:
        """Whether anybody stands in who is not real."""
        return bool(((self.used > _USED) & (self.points() > self.real)).any())

    def come_for_less(self) -> None:
        """Less than before, where they were used."""
        used = self.used > _USED
        self.less[used] = np.minimum(self.less[used] * self.farther, _FARTHEST)


@dataclass(slots=True)
class Ended:
    """Where the last of a day's linear programs ended, by its names of columns and rows, and in how many steps."""

    columns: Ints = field(default_factory=no_ints)
    basic: Ints = field(default_factory=no_ints)
    tight: Ints = field(default_factory=no_ints)
    steps: int = 0
    many: int = _MANY_STEPS

    def basis(self, columns: Ints, rows: Ints) -> Basis | None:
        """To begin from: where programs are long and not much is new, and what has gone since leaves a whole basis."""
        new = len(columns) - np.isin(columns, self.columns).sum()
        if self.steps < self.many or new > _NEW * len(columns):
            return None
        gone = -1 - np.setdiff1d(self.basic, columns)  # stand-ins: the rows for which they stood
        basis = Basis(np.isin(columns, self.basic), ~np.isin(rows, np.setdiff1d(self.tight, gone)))
        return basis if basis.columns.sum() + basis.rows.sum() == len(rows) else None

    def hear(self, optimum: Optimum, columns: Ints, rows: Ints) -> None:
        self.columns, self.basic = columns, columns[optimum.basis.columns]
        self.tight = rows[~optimum.basis.rows]
        self.steps = max(self.steps, optimum.steps)


@dataclass(slots=True)
class Master:
    """The linear program of a day over some of its columns. `worth`: points of serving a visit, by local row."""

    tables: Tables
    items: Items
    day_rows: Ints
    starts: Starts
    worth: Ints
    halves: Ints = field(default_factory=no_ints)

    def forbid_halves(self, columns: Columns, solved: Solved) -> int:
        """Add the rows against halves that a solution breaks; how many."""
        options, visits = len(self.starts.visit), len(self.day_rows)
        used = np.flatnonzero(solved.x > 1e-6)
        if not len(used) or not options:
            return 0
        owner, entries = columns.entries(solved.numbers[used])
        slot = self.items.slot_row[columns.items[entries]]
        at = np.flatnonzero(slot >= visits)
        keys = columns.person[solved.numbers[used]][owner[at]] * options + slot[at] - visits
        more = broken(keys, solved.x[used][owner[at]], solved.y)
        before = len(self.halves)
        self.halves = np.union1d(self.halves, more)
        return len(self.halves) - before

    def solve(
        self,
        columns: Columns,
        numbers: Ints,
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        staffed: Ints,
        units: Ints,
        *,
        stand_ins: StandIns | None = None,
        ended: Ended | None = None,
    ) -> Solved:
        """`staffed[o]`: persons already chosen for a start of a visit for two. `units`: free by line.

        `stand_ins` are told how far they were used, `ended` where this one ended. Raises MasterFailed.
        """
        visits, options, lines = len(self.day_rows), len(self.starts.visit), len(units)
        count = len(numbers)
        program = self._program(columns, numbers, open_visits, open_starts, staffed, units)
        gain, matrix, people, usable = program.gain, program.matrix, program.people, program.usable
        slots = np.zeros(0, np.int64)
        if stand_ins is not None:
            slots = stand_ins.left()
            entries = np.where(slots < visits, 1.0, -1.0), (slots, np.arange(len(slots)))
            shape = (matrix.shape[0], len(slots))
            matrix = hstack([matrix, csr_matrix(entries, shape=shape)], format="csr")
            gain = np.concatenate([gain, stand_ins.points()[slots].astype(np.float64)])
        names = np.concatenate([numbers, -1 - visits - options - usable, -1 - slots])
        shared = visits + options + lines
        rows = np.concatenate([np.arange(shared), shared + people, _HALVES + program.halves])
        basis = ended.basis(names, rows) if ended else None
        optimum = maximise(gain, matrix, program.lower, program.upper, basis)
        if ended:
            ended.hear(optimum, names, rows)
        values, duals, value = optimum.x, optimum.duals, optimum.value
        whole = np.rint(duals * MILLI).astype(np.int64)
        raised = np.maximum(0, whole)
        y = np.zeros(options)
        y[usable] = values[count : count + len(usable)]
        if stand_ins is not None:
            stand_ins.used[:] = 0.0
            stand_ins.used[slots] = values[count + len(usable) :]
        line_dual = np.maximum(0, np.rint(duals[visits + options : shared] * MILLI / 100.0))
        return Solved(
            visit=raised[:visits],
            start=whole[visits : visits + options],
            line=line_dual.astype(np.int64),
            people=people,
            person=raised[shared : shared + len(people)],
            halves=Halves(*np.divmod(program.halves, max(1, options)), raised[shared + len(people) :]),
            value=value,
            x=values[:count],
            y=y,
            spare=(duals @ matrix - gain)[:count],
            numbers=numbers,
        )

    def whole(
        self,
        columns: Columns,
        numbers: Ints,
        units: Ints,
        *,
        stand_ins: StandIns | None = None,
        ended: Ended | None = None,
    ) -> Solved:
        """`solve` where nothing is chosen yet."""
        visits, options = len(self.day_rows), len(self.starts.visit)
        unstaffed = np.zeros(options, np.int64)
        return self.solve(
            columns, numbers, np.ones(visits, np.bool_), np.ones(options, np.bool_), unstaffed, units,
            stand_ins=stand_ins, ended=ended,
        )  # fmt: skip

    def choose(
        self,
        columns: Columns,
        numbers: Ints,
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        units: Ints,
    ) -> tuple[Ints, int]:
        """The best whole choice of a few columns (their numbers) and its points. Raises MasterFailed."""
        staffed = np.zeros(len(self.starts.visit), np.int64)
        program = self._program(columns, numbers, open_visits, open_starts, staffed, units)
        x = choose(program.gain, program.matrix, program.lower, program.upper)
        return numbers[x[: len(numbers)] > 0.5], round(float(program.gain @ x))

    def _program(
        self,
        columns: Columns,
        numbers: Ints,
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        staffed: Ints,
        units: Ints,
    ) -> "_Program":
        visits, options, lines = len(self.day_rows), len(self.starts.visit), len(units)
        count = len(numbers)
        owner, entries = columns.entries(numbers)
        flat_line, person = columns.lines[entries], columns.person[numbers]
        people, person_row = np.unique(person, return_inverse=True)
        slot = self.items.slot_row[columns.items[entries]]
        drawn = flat_line >= 0
        rows = [
            slot,  # visits, then starts (rows visits + o)
            visits + options + self.tables.line_index[flat_line[drawn]],
            visits + options + lines + person_row,
        ]
        cols = [owner, owner[drawn], np.arange(count)]
        vals = [
            np.where(slot < visits, 1.0, -1.0),
            self.tables.line_units[flat_line[drawn]] / 100.0,
            np.ones(count),
        ]
        usable = np.flatnonzero(open_starts & (staffed < 2))
        rows += [self.starts.visit[usable], visits + usable]
        cols += [count + np.arange(len(usable))] * 2
        vals += [np.ones(len(usable)), 2.0 - staffed[usable]]
        height = visits + options + lines + len(people)
        alone = open_starts & (staffed == 0)
        key = person[owner] * options + slot - visits
        halves = self.halves[alone[self.halves % options]] if options else self.halves
        at = np.flatnonzero((slot >= visits) & np.isin(key, halves))
        halves, of = np.unique(key[at], return_inverse=True)
        place = np.full(options, -1)
        place[usable] = np.arange(len(usable))
        rows += [height + of, height + np.arange(len(halves))]
        cols += [owner[at], count + place[halves % max(1, options)]]
        vals += [np.ones(len(at)), np.full(len(halves), -1.0)]
        height += len(halves)
        matrix = csr_matrix(
            (np.concatenate(vals), (np.concatenate(rows), np.concatenate(cols))),
            shape=(height, count + len(usable)),
        )
        lower, upper = np.full(height, -np.inf), np.ones(height)
        upper[height - len(halves) :] = 0.0
        upper[:visits][~open_visits] = 0.0
        # not "at most": else more than two would come for the points that coming alone brings
        lower[visits : visits + options] = upper[visits : visits + options] = 0.0
        upper[visits + options : visits + options + lines] = units / 100.0
        gain = np.concatenate(
            [
                columns.points[numbers].astype(np.float64),
                self.worth[self.starts.visit[usable]].astype(np.float64),
            ]
        )
        return _Program(gain, matrix, lower, upper, people, usable, halves)


class _Program(NamedTuple):
    """A master problem. `people`: of the last rows; `usable`: starts of the last columns."""

    gain: Floats
    matrix: csr_matrix
    lower: Floats
    upper: Floats
    people: Ints
    usable: Ints
    halves: Ints
