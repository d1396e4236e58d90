"""Small neighbourhoods of a day's plan, each chosen anew as a whole.

A dive decides duty by duty and leaves visits unmet that some exchange among a few people would serve. For each such visit: those who could
come, those who hold what lies near, and all they hold, with columns generated until the linear program of these few finds no more;
then the best whole choice among the columns.
"""

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.matcher.solver.candidates import V_EARLIEST, V_LATEST, V_REMOTE, V_X, V_Y, Ints, some_of
from services.matcher.solver.duties import LONGEST, MILLI
from services.matcher.solver.linear import MasterFailed

if TYPE_CHECKING:
    from services.matcher.solver.day import DayProblem

_ABLE, _PEOPLE, _SHARING, _NEAREST = 8, 16, 6, 24
_ROUNDS = 5
_COLUMNS = 500  # of more a whole choice found none at all in its time
_GAINED = 100  # points: less is next to nothing
_HOUR = 2_000  # metres that an hour between windows counts for


class Refined:
    """A day's duties being refined."""

    def __init__(self, problem: "DayProblem") -> None:
        self.problem = problem
        self.master = problem.master()
        self.by_person: dict[int, list[int]] = {}
        for number, who in enumerate(problem.columns.person[: problem.columns.count].tolist()):
            self.by_person.setdefault(who, []).append(number)
        items, chosen = problem.likely
        self.likely_by = np.repeat(np.arange(len(items.person_at) - 1), np.diff(items.person_at))
        self.by_visit = np.lexsort((-problem.auctioned.net[chosen], items.visit))
        self.visit_at = np.searchsorted(items.visit[self.by_visit], np.arange(len(problem.rows) + 1))
        table = problem.tables.visit[problem.rows]
        middle = (table[:, V_EARLIEST] + table[:, V_LATEST]) // 2
        self.where = np.stack([table[:, V_X], table[:, V_Y], middle * _HOUR // 60], axis=1)
        self.remote = table[:, V_REMOTE] == 1
        self.holders: dict[int, set[int]] = {}
        for person in np.flatnonzero(problem.size).tolist():
            for visit in self.held(person):
                self.holders.setdefault(visit, set()).add(person)
        self.units = problem.units.copy()
        for person in np.flatnonzero(problem.size).tolist():
            self.draw(person, -1)

    def held(self, person: int) -> list[int]:
        problem = self.problem
        held: list[int] = problem.items.visit[problem.item[person, : problem.size[person]]].tolist()
        return held

    def draw(self, person: int, times: int) -> None:
        lines = self.problem.lines_held(person)
        for at in lines[lines >= 0]:
            self.units[self.problem.tables.line_index[at]] += times * self.problem.tables.line_units[at]

    def lost(self, least: int) -> list[int]:
        """Visits at which the prices see so many milli-points lost, most first: of unmet ones their price, of others what the
        best duty known of a holder is worth beyond the present one."""
        problem, columns = self.problem, self.problem.columns
        need = np.where(problem.starts.double, 2, 1)
        for visit, who in self.holders.items():
            need[visit] -= len(who)
        loss = np.where(need > 0, problem.visit_price, 0)
        if not columns.count:
            return []
        known = np.arange(columns.count)
        owner, entries = columns.entries(known)
        people, line = columns.person[known], columns.lines[entries]
        asked = self.asked(people[owner], problem.items.slot_row[columns.items[entries]])
        drawn = line >= 0
        at = line[drawn]
        asked[drawn] += problem.line_price[problem.tables.line_index[at]] * problem.tables.line_units[at]
        worth = columns.points[known] * MILLI - np.add.reduceat(asked, columns.at[known])
        best = np.zeros(len(problem.size), np.int64)
        np.maximum.at(best, people, worth)
        # prices may be wrong about the idle; about the unmet they are seen above
        busy = np.flatnonzero(problem.size)
        size = problem.size[busy]
        slot = problem.items.slot_row[problem.item[busy][np.arange(LONGEST) < size[:, None]]]
        asked = np.add.reduceat(self.asked(np.repeat(busy, size), slot), np.cumsum(size) - size)
        now = problem.points[busy] * MILLI - asked
        np.maximum.at(loss, problem.items.visit[problem.item[busy, 0]], best[busy] - now)
        found = np.flatnonzero(loss > least)
        lost: list[int] = found[np.argsort(-loss[found], kind="stable")].tolist()
        return lost

    def asked(self, person: Ints, slot: Ints) -> Ints:
        """What visits and starts keep of those who come, by rows of the master problem."""
        problem = self.problem
        visits, options = len(problem.rows), len(problem.starts.visit)
        asked: Ints = np.concatenate([problem.visit_price, -problem.start_price])[slot]
        double = np.flatnonzero(slot >= visits)
        asked[double] += problem.half_price.charged(person[double], slot[double] - visits, options)
        return asked

    def around(self, visit: int) -> tuple[set[int], set[int]]:
        """People and visits of a neighbourhood."""
        people: set[int] = set()
        for person in sorted(self.holders.get(visit, ())):
            people |= self.together(person)
        order = self.by_visit[self.visit_at[visit] : self.visit_at[visit + 1]]
        self.join(people, self.likely_by[order].tolist(), len(people) + _ABLE)
        apart = np.abs(self.where - self.where[visit]).sum(axis=1)
        if self.remote[visit]:
            apart = np.abs(self.where[:, 2] - self.where[visit, 2])
        nearest = np.argsort(apart, kind="stable")[:_NEAREST].tolist()
        self.join(people, [who for near in nearest for who in sorted(self.holders.get(near, ()))], _PEOPLE)
        visits = {held for person in people for held in self.held(person)}
        return people, visits | {visit} | {near for near in nearest if near not in self.holders}

    def join(self, people: set[int], more: list[int], most: int) -> None:
        """Add people, with those who share visits for two with them, while there are not too many."""
        for person in more:
            if len(people) >= most:
                break
            together = self.together(person)
            if len(people | together) <= most + _SHARING:
                people |= together

    def together(self, person: int) -> set[int]:
        """A person and all who hold visits for two with them, with others who do, and so on: none, if too many."""
        found, left = {person}, [person]
        while left and len(found) <= _PEOPLE:
            for visit in self.held(left.pop()):
                more = self.holders[visit] - found
                found |= more
                left += sorted(more)
        return found if not left else set()

    def choose(self, visit: int) -> int:
        """Choose a neighbourhood anew; the points gained. Raises OutOfTime, MasterFailed."""
        problem = self.problem
        people, visits = self.around(visit)
        if not self.holders.get(visit, set()) <= people:
            return 0
        inside = np.zeros(len(problem.rows), np.bool_)
        inside[list(visits)] = True
        who = np.array(sorted(people), np.int64)
        before = self.points(who, inside)
        for person in people:
            self.draw(person, 1)
        try:
            numbers = self.known(who, inside)
            numbers = self.generate(numbers, who, inside)
            chosen, points = self.best(numbers, inside, before)
            if points > before:
                self.take(who, chosen)
            return max(0, points - before)
        finally:
            for person in people:
                self.draw(person, -1)

    def points(self, who: Ints, inside: NDArray[np.bool_]) -> int:
        problem = self.problem
        total = int(problem.points[who].sum())
        for visit in np.flatnonzero(inside & problem.starts.double).tolist():
            if len(self.holders.get(visit, ())) == 2:
                total += int(problem.worth[visit])
        return total

    def known(self, who: Ints, inside: NDArray[np.bool_]) -> Ints:
        """Columns of these people within the neighbourhood, their present duties among them."""
        problem, columns = self.problem, self.problem.columns
        found = []
        for person in who.tolist():
            size = problem.size[person]
            if size:
                number = columns.add(
                    person, int(problem.points[person]), problem.item[person, :size], problem.start[person, :size],
                    problem.lines_held(person),
                )  # fmt: skip
                if number not in self.by_person.setdefault(person, []):
                    self.by_person[person].append(number)
            found += [
                number
                for number in self.by_person.get(person, ())
                if inside[problem.items.visit[columns.item(number)]].all()
            ]
        return np.array(sorted(found), np.int64)

    def generate(self, numbers: Ints, who: Ints, inside: NDArray[np.bool_]) -> Ints:
        problem = self.problem
        spans = [np.arange(problem.items.person_at[p], problem.items.person_at[p + 1]) for p in who]
        number = np.concatenate(spans)
        number = number[inside[problem.items.visit[number]]]
        of = some_of(problem.items, number), number
        few = problem.people.few[who]
        starts = inside[problem.starts.visit]
        staffed = np.zeros(len(problem.starts.visit), np.int64)
        for _ in range(_ROUNDS):
            solved = self.master.solve(problem.columns, numbers, inside, starts, staffed, self.units)
            priced = problem.priced(solved, self.units, of)
            new: list[int] = []
            for asked in (who[few], who[~few]):
                if len(asked):
                    found = problem.look(
                        asked,
                        priced.prize,
                        priced,
                        people=problem.people,
                        proving=bool(problem.people.few[asked[0]]),
                    )
                    new += problem.add_paying(asked, found, solved)[0]
            for each in new:
                mine = self.by_person.setdefault(int(problem.columns.person[each]), [])
                if each not in mine:
                    mine.append(each)
            more = np.setdiff1d(np.array(new, np.int64), numbers)
            if not self.master.forbid_halves(problem.columns, solved) and not len(more):
                break
            numbers = np.union1d(numbers, more)
        self.solved = self.master.solve(problem.columns, numbers, inside, starts, staffed, self.units)
        return numbers

    def best(self, numbers: Ints, inside: NDArray[np.bool_], before: int) -> tuple[Ints, int]:
        """The best whole choice: columns that cost more than what there is to gain are in none."""
        room = self.solved.value - before
        if room < 1:
            return numbers[:0], before
        kept = numbers[self.solved.spare <= room + 1e-6]
        order = np.argsort(self.solved.spare[self.solved.spare <= room + 1e-6], kind="stable")[:_COLUMNS]
        return self.master.choose(
            self.problem.columns, np.sort(kept[order]), inside, inside[self.problem.starts.visit], self.units
        )

    def take(self, who: Ints, chosen: Ints) -> None:
        problem, columns = self.problem, self.problem.columns
        for person in who.tolist():
            for visit in self.held(person):
                self.holders[visit].discard(person)
                if not self.holders[visit]:
                    del self.holders[visit]
            problem.size[person], problem.points[person], problem.value[person] = 0, 0, 0
            problem.line_chosen.pop(person, None)
        for number in chosen.tolist():
            person, item = int(columns.person[number]), columns.item(number)
            size = len(item)
            problem.size[person], problem.points[person] = size, columns.points[number]
            problem.value[person] = columns.points[number] * MILLI
            problem.item[person, :size], problem.start[person, :size] = item, columns.start(number)
            problem.line_chosen[person] = columns.line(number).copy()
            for visit in self.held(person):
                self.holders.setdefault(visit, set()).add(person)


def refine(problem: "DayProblem", least: int, patience: int) -> int:
    """Choose the neighbourhoods anew that lost most: points gained. Raises OutOfTime, with the duties as they then stand.

    `least`: milli-points lost from which one is looked at; `patience`: how many in a row may gain next to nothing.
    """
    refined = Refined(problem)
    total, idle = 0, 0
    for visit in refined.lost(least):
        if idle == patience:
            break
        problem.in_time()
        gained = 0
        with suppress(MasterFailed):
            gained = refined.choose(visit)
        total += gained
        idle = 0 if gained >= _GAINED else idle + 1
    return total
