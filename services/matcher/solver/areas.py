"""What is too big for one linear program, in areas: each planned by its own people, then the seams between them.

The map is cut in two where half the visits lie, and again, until no area has more than so many visits on a day. A volunteer
belongs to the area of the home, a paid carer to the one that needs paid carers most. Areas know nothing of each other, so any
worker may plan any of them, at any time. What they say of prices is then held against everybody (proof.py): that gives the
bound, and the visits for which somebody from another area would come for less. These are the seams: they, whoever holds them
and everybody who may want them are planned once more.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID, uuid5

import numpy as np

from services.matcher.solver.auction import auction
from services.matcher.solver.candidates import (
    V_MINUTES,
    V_OPEN,
    Index,
    Ints,
    Tables,
    items_of,
    pairs_of,
    starts_of,
)
from services.matcher.solver.columns import nothing_asked
from services.matcher.solver.day import rows_of
from services.matcher.solver.everyone import priced
from services.matcher.solver.people import people_of
from services.matcher.solver.plan import Limits, Plan, Progress
from services.matcher.solver.rules import Book, line_covers, serving_of
from services.matcher.solver.snapshot import Snapshot, SnapVisit

Place = tuple[int, int]


class Elsewhere(Protocol):
    """Plans the parts of a snapshot, each by itself, within `limits` together: their plans, in the order of the parts."""

    def __call__(
        self,
        parts: Sequence[Snapshot],
        limits: Limits,
        told: Callable[[int, Progress], None],
        stop: Callable[[], bool] | None,
    ) -> list[Plan]: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """The map cut across `axis`: below `at` or not; parts cut again, or the number of an area."""

    axis: int
    at: int
    below: "Cut | int"
    above: "Cut | int"


def cut(places: Ints, days: Ints, most: int, first: int = 0) -> tuple[Cut | int, int]:
    """Cut places (n by 2, metres) until each part has no more than `most` of a day; and the number of the next area."""
    if not len(places) or np.bincount(days).max() <= most:
        return first, first + 1
    axis = int(np.argmax(places.max(axis=0) - places.min(axis=0)))
    at = int(np.median(places[:, axis]))
    here = places[:, axis] < at
    if not here.any():
        return first, first + 1
    below, after = cut(places[here], days[here], most, first)
    above, end = cut(places[~here], days[~here], most, after)
    return Cut(axis, at, below, above), end


def area_at(cuts: Cut | int, place: Place) -> int:
    while isinstance(cuts, Cut):
        cuts = cuts.below if place[cuts.axis] < cuts.at else cuts.above
    return cuts


def asked_on(snapshot: Snapshot) -> Counter[int]:
    """By day, how many visits have a place to fill."""
    fixed = Counter(pair.visit_id for pair in snapshot.fixed)
    return Counter(
        snapshot.day_of(visit)
        for visit in snapshot.visits
        if visit.placed and fixed[visit.visit_id] < visit.carers
    )


def areas_of(
    book: Book, index: Index, tables: Tables, most: int, threads: int
) -> tuple[dict[UUID, int], dict[UUID, int], int]:
    """The area of each visit with a place to fill and of each person, and how many areas there are."""
    asked = [index.visits[row] for rows in rows_of(book, index) for row in rows]
    where = places_of(book, asked)
    days = np.array([book.snapshot.day_of(visit) for visit in asked], np.int64)
    cuts, count = cut(np.array(where, np.int64).reshape(-1, 2), days, most)
    area_of_visit = {visit.visit_id: area_at(cuts, place) for visit, place in zip(asked, where, strict=True)}
    wanted = _wanted_in(book, index, tables, area_of_visit, threads)
    area_of_person: dict[UUID, int] = {}
    for person_id, carers in book.capacities.items():
        stops = book.stops.get(person_id)
        place = next((stop.place for stop in stops or () if stop.place is not None), None)
        if place is None and person_id in wanted:
            area_of_person[person_id] = wanted[person_id]
            continue
        if place is None:
            place = next((book.plane(carer.base) for carer in carers if carer.base is not None), None)
        if place is None:
            area_of_person[person_id] = len(area_of_person) % count
        else:
            area_of_person[person_id] = area_at(cuts, place)
    for visit_id in area_of_visit:
        for stop in book.taken.get(visit_id, ()):
            area_of_visit[visit_id] = area_of_person[book.carers[stop.carer_id].person_id]
    return area_of_visit, area_of_person, count


def _wanted_in(
    book: Book, index: Index, tables: Tables, area_of_visit: dict[UUID, int], threads: int
) -> dict[UUID, int]:
    """In which area paid carers are needed most: where an auction of what volunteers may not do gives them most minutes."""
    minutes: dict[int, Counter[int]] = {}
    for day, rows in enumerate(rows_of(book, index)):
        rows = rows[tables.visit[rows, V_OPEN] & 1 == 0]
        if not len(rows):
            continue
        starts = starts_of(book, index, rows)
        items = items_of(tables, book, index, rows, starts, pairs_of(tables, rows, threads))
        worth = np.array([serving_of(book, index.visits[row]) for row in rows], np.int64)
        units = np.array([book.free_units[line.line_id] for line in book.snapshot.lines], np.int64)
        nothing = nothing_asked(len(rows), len(starts.visit), len(units))
        number = np.arange(len(items.visit))
        prize = priced(tables, items, number, rows, starts, nothing, worth, units).prize
        people = people_of(book, index, tables, day)
        won = auction(tables, items, people, rows, starts, prize, worth).won
        person = np.repeat(np.arange(len(index.persons)), np.diff(items.person_at))
        for who, visit in zip(person[won].tolist(), rows[items.visit[won]].tolist(), strict=True):
            area = area_of_visit[index.visits[visit].visit_id]
            minutes.setdefault(who, Counter())[area] += int(tables.visit[visit, V_MINUTES])
    return {
        index.persons[who]: max(by_area, key=lambda area: (by_area[area], -area))
        for who, by_area in minutes.items()
    }


def places_of(book: Book, visits: list[SnapVisit]) -> list[Place]:
    """Where visits are; a remote one without a place is where others of its community are."""
    somewhere: dict[UUID, Place] = {}
    for visit in book.snapshot.visits:
        if visit.place is not None:
            somewhere.setdefault(visit.community_id, book.plane(visit.place))
    return [
        somewhere.get(visit.community_id, (0, 0)) if visit.place is None else book.plane(visit.place)
        for visit in visits
    ]


def shares(
    book: Book, index: Index, area_of_visit: dict[UUID, int], count: int, units: dict[UUID, int]
) -> list[dict[UUID, int]]:
    """For each area how much of each line it may draw of `units`: all where there is enough, else by what is asked."""
    asked: dict[UUID, Counter[int]] = {}
    for visit_id, area in area_of_visit.items():
        visit = book.visits[visit_id]
        day = book.snapshot.date_of(book.snapshot.day_of(visit))
        for row in index.lines_for.get((visit.kind, visit.community_id), ()):
            line = book.snapshot.lines[row]
            if line_covers(line, visit, day):
                asked.setdefault(line.line_id, Counter())[area] += book.units(line, visit) * visit.carers
    found: list[dict[UUID, int]] = [{} for _ in range(count)]
    for line_id, by_area in asked.items():
        free, total = units[line_id], by_area.total()
        for area, asks in by_area.items():
            found[area][line_id] = free if total <= free else free * asks // total
    return found


def part_of(
    book: Book,
    name: str,
    visits: set[UUID],
    persons: set[UUID],
    units: dict[UUID, int],
) -> Snapshot:
    """The snapshot of some visits for some persons, with what is fixed of them."""
    snapshot = book.snapshot
    carers = tuple(carer for carer in snapshot.carers if carer.person_id in persons)
    theirs = {carer.carer_id for carer in carers}
    fixed = tuple(pair for pair in snapshot.fixed if pair.carer_id in theirs)
    filled = Counter(pair.visit_id for pair in fixed)
    fixed = tuple(
        replace(pair, slot=0) if filled[pair.visit_id] == 1 and pair.visit_id not in visits else pair
        for pair in fixed
    )
    drawn = {pair.line_id for pair in fixed}
    return replace(
        snapshot,
        snapshot_id=uuid5(snapshot.snapshot_id, name),
        visits=tuple(
            # what is only fixed here is no more than that
            visit if visit.visit_id in visits else replace(visit, carers=filled[visit.visit_id])
            for visit in snapshot.visits
            if visit.visit_id in visits or visit.visit_id in filled
        ),
        carers=carers,
        lines=tuple(
            replace(line, free=units.get(line.line_id, 0))
            for line in snapshot.lines
            if line.line_id in units or line.line_id in drawn
        ),
        fixed=fixed,
        forbidden=tuple(
            (visit_id, person_id)
            for visit_id, person_id in snapshot.forbidden
            if visit_id in visits and person_id in persons
        ),
    )


def parts_of(
    book: Book, index: Index, tables: Tables, most: int, threads: int
) -> tuple[list[Snapshot], dict[UUID, int], dict[UUID, int]]:
    """A snapshot for each area, and the areas of visits and persons. Who is never free is in none."""
    area_of_visit, area_of_person, count = areas_of(book, index, tables, most, threads)
    free = shares(book, index, area_of_visit, count, book.free_units)
    visits: list[set[UUID]] = [set() for _ in range(count)]
    persons: list[set[UUID]] = [set() for _ in range(count)]
    for visit_id, area in area_of_visit.items():
        visits[area].add(visit_id)
    for person_id, area in area_of_person.items():
        if person_id in book.stops or any(carer.windows for carer in book.capacities[person_id]):
            persons[area].add(person_id)
    parts = [part_of(book, f"area {area}", visits[area], persons[area], free[area]) for area in range(count)]
    return parts, area_of_visit, area_of_person
