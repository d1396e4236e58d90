"""What areas planned apart from each other should plan together: the seams.

Under the areas' prices everybody is asked for every visit (proof.py). A visit that somebody of another area would do for more
than the visit keeps, and one that stays unmet though its price says that it is worth doing, are planned once more: with
whoever holds them, all that these hold, and those who come nearest to doing one of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.solver.areas import Place, area_at, cut, part_of, places_of, shares
from services.matcher.solver.candidates import (
    P_TRAVEL,
    Index,
    Ints,
    Items,
    Tables,
)
from services.matcher.solver.duties import MILLI, from_base
from services.matcher.solver.plan import Assignment
from services.matcher.solver.pricing import Priced
from services.matcher.solver.proof import Prices
from services.matcher.solver.rules import Book
from services.matcher.solver.snapshot import Snapshot

_MORE = 100 * MILLI  # worth beyond what one's own area offers from which a wish counts
NEAR = 10 * MILLI  # how much less than nothing a visit may be worth to somebody who is to choose too
_WORTH_DOING = 100 * MILLI  # price of a visit from which it should not stay unmet
_NEAREST = 8  # who is asked for such a visit


@njit(cache=True)
def _net(
    tables: Tables,
    items: Items,
    rows: Ints,
    prize: Ints,
    area_of_visit: Ints,
    area_of_person: Ints,
    busy: NDArray[np.bool_],
) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """Of the items that are worth nearly something with the way from home: person, visit, milli-points, and whether it is a
    wish across a seam."""
    size = len(items.visit)
    net, by, across = np.empty(size, np.int64), np.empty(size, np.int64), np.zeros(size, np.bool_)
    for p in range(len(items.person_at) - 1):
        own = np.int64(0)
        for i in range(items.person_at[p], items.person_at[p + 1]):
            v, c = items.visit[i], items.carer[i]
            by[i] = p
            net[i] = prize[i] + tables.price[P_TRAVEL] * MILLI * from_base(tables, rows[v], c)
            if busy[p] and area_of_visit[v] == area_of_person[p]:
                own = max(own, net[i])
        for i in range(items.person_at[p], items.person_at[p + 1]):
            v = items.visit[i]
            across[i] = area_of_visit[v] != area_of_person[p] and net[i] > own + _MORE
    kept = np.flatnonzero(net > -NEAR)
    return by[kept], items.visit[kept], net[kept], across[kept]


def worth_doing(prices: Prices, book: Book, made: Iterable[Assignment]) -> frozenset[UUID]:
    """Visits that lack somebody though their price says that they are worth doing."""
    come = Counter(each.visit_id for each in made)
    return frozenset(
        visit_id
        for visit_id, price in prices.visit.items()
        if price > _WORTH_DOING
        and come[visit_id] + len(book.taken.get(visit_id, ())) < book.visits[visit_id].carers
    )


@dataclass(slots=True)
class Wishes:
    """Who would do what, by rows of persons and visits, gathered block by block."""

    tables: Tables
    index: Index
    area_of_visit: dict[UUID, int]
    area_of_person: Ints
    busy: NDArray[np.bool_]
    person: list[Ints] = field(default_factory=list)
    visit: list[Ints] = field(default_factory=list)
    net: list[Ints] = field(default_factory=list)
    across: list[NDArray[np.bool_]] = field(default_factory=list)

    def of_day(self, rows: Ints) -> Callable[[Priced], None]:
        """Hears the items of a day, whose visits are `rows`."""
        ids = [self.index.visits[row].visit_id for row in rows]
        areas = np.array([self.area_of_visit[visit_id] for visit_id in ids], np.int64)

        def hear(block: Priced) -> None:
            person, visit, net, across = _net(
                self.tables, block.items, rows, block.prize, areas, self.area_of_person, self.busy
            )
            self.person.append(person)
            self.visit.append(rows[visit])
            self.net.append(net)
            self.across.append(across)

        return hear


def seams_of(
    book: Book,
    index: Index,
    wishes: Wishes,
    unmet: frozenset[UUID],
    made: Sequence[Assignment],
    most: int,
) -> tuple[list[Snapshot], set[UUID]]:
    """The snapshots to plan, and the visits in them whose assignments they replace.

    `unmet`: visits without all their carers that are worth doing; `made`: the new assignments as they stand.
    """
    person, visit, net, across = (
        np.concatenate(each) for each in (wishes.person, wishes.visit, wishes.net, wishes.across)
    )
    holds: dict[int, set[int]] = {}
    held_by: dict[int, set[int]] = {}
    for each in made:
        who, row = index.person_of[each.person_id], index.visit_of[each.visit_id]
        holds.setdefault(who, set()).add(row)
        held_by.setdefault(row, set()).add(who)
    asked = {*np.unique(visit[across]).tolist(), *(index.visit_of[visit_id] for visit_id in unmet)}
    people = {*np.unique(person[across]).tolist()}
    for row in sorted(index.visit_of[visit_id] for visit_id in unmet):
        theirs = np.flatnonzero(visit == row)
        people.update(person[theirs[np.argsort(net[theirs], kind="stable")[-_NEAREST:]]].tolist())
    people.update(who for row in asked for who in held_by.get(row, ()))
    still, blocked = _still(book, index, holds)
    asked, people = asked - still, people - blocked
    while True:
        asked.update(row for who in people for row in holds.get(who, ()))
        more = {who for row in asked for who in held_by.get(row, ())} - people
        if not more:
            break
        people |= more
    rows = np.array(sorted(asked), np.int64)
    if not len(rows):
        return [], set()
    anew = np.zeros(len(index.visits), np.bool_)
    anew[rows] = True
    near = anew[visit]
    order = np.argsort(net[near], kind="stable")
    dearest = dict(zip(person[near][order].tolist(), visit[near][order].tolist(), strict=True))
    people.update(who for who in dearest if who not in holds)
    where: list[Place] = places_of(book, [index.visits[row] for row in rows])
    days = np.array([book.snapshot.day_of(index.visits[row]) for row in rows], np.int64)
    cuts, count = cut(np.array(where, np.int64).reshape(-1, 2), days, most)
    part = {int(row): area_at(cuts, place) for row, place in zip(rows, where, strict=True)}
    visits: list[set[UUID]] = [set() for _ in range(count)]
    persons: list[set[UUID]] = [set() for _ in range(count)]
    for row, number in part.items():
        visits[number].add(index.visits[row].visit_id)
    for who in sorted(people):
        row = dearest.get(who, min(holds.get(who, {-1})))
        persons[part.get(row, 0)].add(index.persons[who])
    area_of_visit = {index.visits[row].visit_id: number for row, number in part.items()}
    units = dict(book.free_units)
    for each in made:
        if each.line_id is not None and each.visit_id not in area_of_visit:
            units[each.line_id] -= each.units
    free = shares(book, index, area_of_visit, count, units)
    return [
        part_of(book, f"seam {number}", visits[number], persons[number], free[number])
        for number in range(count)
    ], set(area_of_visit)


def _still(book: Book, index: Index, holds: dict[int, set[int]]) -> tuple[set[int], set[int]]:
    """Visits that stay as they are, one of their two carers being fixed, and who stays with them, and what else these hold."""
    still = {index.visit_of[visit_id] for visit_id in book.taken}
    while True:
        blocked = {who for who, held in holds.items() if held & still}
        more = {row for who in blocked for row in holds[who]} - still
        if not more:
            return still, blocked
        still |= more
