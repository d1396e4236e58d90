"""Why not, why this one, and what would work: questions about one visit, answered by the rules and never guessed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from services.matcher.solver.candidates import (
    FAILS_CLEARED,
    FAILS_FREE,
    FAILS_REACH,
    FAILS_SKILL,
    FAILS_UNITS,
    FAILS_WISHES,
    FITS,
    STEPS,
    Index,
    Ints,
    Tables,
    fallen_at,
    index_of,
    judge_all,
    one_visit,
    tables_of,
)
from services.matcher.solver.plan import UnmetVisit
from services.matcher.solver.rules import (
    Book,
    BrokenRule,
    amounts_left,
    best_line,
    broken,
    earliest_start,
    line_points,
    metres,
    pair_points,
    possible_starts,
    serving_points,
    static_breaks,
    timed_breaks,
)
from services.matcher.solver.snapshot import SnapCarer, Snapshot, SnapVisit, refuse_impossible
from shared.contracts.codes import Capacity, UnmetReason

_REASONS = {
    FAILS_SKILL: UnmetReason.NO_SKILL,
    FAILS_CLEARED: UnmetReason.NO_CLEARANCE,
    FAILS_WISHES: UnmetReason.WISHES,
    FAILS_REACH: UnmetReason.TOO_FAR,
    FAILS_FREE: UnmetReason.NOT_AVAILABLE,
    FAILS_UNITS: UnmetReason.NO_UNITS,
}
_WIDER = (30, 60, 120)


def funnel_of(visit: SnapVisit, need: int, at: Ints) -> tuple[UnmetReason, tuple[tuple[str, int], ...]]:
    """The reason (the first step that left too few) and how many carers each step left. `at`: fallen at each step."""
    counts = [int(at[step + 1 :].sum()) for step in range(FITS)]
    left = (*counts[:4], counts[FAILS_UNITS])
    funnel = tuple(zip(STEPS, left, strict=True))
    if not visit.placed:
        return UnmetReason.NOT_PLACED, funnel
    for step in range(FITS):
        if counts[step] < need:
            return _REASONS[step], funnel
    return UnmetReason.ALL_BUSY, funnel


def explain_unmet(
    book: Book, index: Index, tables: Tables, most: int, in_time: Callable[[], bool]
) -> tuple[UnmetVisit, ...]:
    """Every visit that the book leaves without all its carers; for the `most` weightiest, while `in_time`, also the smallest
    change."""
    unmet = [
        (row, visit)
        for row, visit in enumerate(index.visits)
        if len(book.taken.get(visit.visit_id, ())) < visit.carers
    ]
    unmet.sort(
        key=lambda each: (
            -serving_points(book.prices, each[1]),
            each[1].earliest_start,
            str(each[1].visit_id),
        )
    )
    found = []
    fallen = fallen_at(tables, np.array([row for row, _ in unmet], np.int64))
    for rank, (_, visit) in enumerate(unmet):
        need = visit.carers - len(book.taken.get(visit.visit_id, ()))
        reason, funnel = funnel_of(visit, need, fallen[rank])
        change = smallest_change(book, index, tables, visit) if rank < most and in_time() else None
        found.append(UnmetVisit(visit.visit_id, reason, funnel, change))
    return tuple(found)


def _changes(visit: SnapVisit) -> Iterator[tuple[tuple[str, ...], SnapVisit]]:
    """Changes to a visit, the smallest first."""
    for minutes in _WIDER:
        earliest = max(visit.day * 1440, visit.earliest_start - minutes)
        latest = min(visit.day * 1440 + 1439, visit.latest_start + minutes)
        yield (
            ("widen_window", str(minutes)),
            replace(visit, earliest_start=earliest, latest_start=max(earliest, latest)),
        )
    if visit.dialect_wish is not None and visit.dialect_wish[1]:
        yield ("soften_dialect_wish",), replace(visit, dialect_wish=(visit.dialect_wish[0], False))
    if visit.sex_wish is not None and visit.sex_wish[1]:
        yield ("soften_sex_wish",), replace(visit, sex_wish=(visit.sex_wish[0], False))
    if visit.carers == 2 and not visit.lone_risk:
        yield ("one_carer",), replace(visit, carers=1)
    if visit.carers == 1 and visit.lone_risk:
        yield ("two_carers",), replace(visit, carers=2)


def smallest_change(book: Book, index: Index, tables: Tables, visit: SnapVisit) -> tuple[str, ...] | None:
    """The first of a few changes with which the visit could be staffed beside everything booked."""
    if not visit.placed or visit.visit_id in book.taken:
        return None
    for change, changed in _changes(visit):
        if _staffable(book, index, tables, changed):
            return change
    return None


def _staffable(book: Book, index: Index, tables: Tables, visit: SnapVisit) -> bool:
    fallen = judge_all(one_visit(tables, book, index, visit), 0)
    able = [index.carers[row] for row in np.flatnonzero(fallen == FITS)]
    for start in possible_starts(book, visit) or (None,):
        persons = set()
        for carer in able:
            if carer.capacity is Capacity.EMPLOYED and best_line(book, visit, carer) is None:
                continue
            if carer.person_id not in persons and not timed_breaks(book, visit, carer, start):
                persons.add(carer.person_id)
            if len(persons) >= visit.carers:
                return True
    return False


@dataclass(frozen=True, slots=True)
class Candidate:
    """Someone who could come: `points` as the plan would count them, and by which rules."""

    carer_id: UUID
    person_id: UUID
    start: int
    end: int
    line_id: UUID | None
    metres: int | None
    points: int
    reasons: tuple[tuple[str, int], ...]


class Prepared:
    """A snapshot with all indexes, kept between questions. Each answer holds beside the snapshot's fixed pairs."""

    def __init__(self, snapshot: Snapshot) -> None:
        refuse_impossible(snapshot)
        self.book = Book(snapshot)
        self.index = index_of(self.book)
        self.tables = tables_of(self.book, self.index)
        judge_all(self.tables, 0) if snapshot.visits else None

    def check_pair(self, visit_id: UUID, carer_id: UUID, start: int | None = None) -> list[BrokenRule]:
        """The rules that forbid the pair (at that start, if given); empty: it may be."""
        visit, carer = self.book.visits[visit_id], self.book.carers[carer_id]
        return [
            broken(rule_id)
            for rule_id in (
                *static_breaks(self.book, visit, carer),
                *timed_breaks(self.book, visit, carer, start),
            )
        ]

    def best_carers(self, visit_id: UUID, most: int = 3) -> list[Candidate]:
        """The best carers for a visit, ranked by points, at the earliest start each can keep."""
        book, index = self.book, self.index
        visit = book.visits[visit_id]
        if not visit.placed:
            return []
        fallen = judge_all(self.tables, index.visit_of[visit_id])
        ranked = sorted(
            ((self._promise(visit, index.carers[row]), row) for row in np.flatnonzero(fallen == FITS)),
            key=lambda each: (-each[0], each[1]),
        )
        # only a visit that ends elsewhere can make somebody's way shorter than it was
        saved = 0 if visit.end_place is None else 1_000_000
        found: list[Candidate] = []
        for promise, row in ranked:
            if len(found) == most and promise + saved < found[-1].points:
                break
            candidate = self._candidate(visit, index.carers[row])
            if candidate is not None and all(candidate.person_id != each.person_id for each in found):
                found = sorted([*found, candidate], key=lambda each: (-each.points, str(each.carer_id)))[
                    :most
                ]
        return found

    def candidate(self, visit_id: UUID, carer_id: UUID) -> Candidate | None:
        """One carer for a visit at the earliest start they can keep; None: at none."""
        return self._candidate(self.book.visits[visit_id], self.book.carers[carer_id])

    def _promise(self, visit: SnapVisit, carer: SnapCarer) -> int:
        line = best_line(self.book, visit, carer) if carer.capacity is Capacity.EMPLOYED else None
        points = sum(value for _, value in pair_points(self.book.prices, visit, carer))
        points += serving_points(self.book.prices, visit) // visit.carers
        return points + (line_points(self.book.prices, line, visit) if line is not None else 0)

    def _candidate(self, visit: SnapVisit, carer: SnapCarer) -> Candidate | None:
        book = self.book
        if any(left < 0 for _, left in amounts_left(book, visit, carer)):
            return None
        if any(
            book.carers[stop.carer_id].person_id == carer.person_id
            for stop in book.taken.get(visit.visit_id, ())
        ):
            return None
        at = earliest_start(book, visit, carer, possible_starts(book, visit))
        if at is None:
            return None
        start, way = at
        line = best_line(book, visit, carer) if carer.capacity is Capacity.EMPLOYED else None
        reasons = [("serve", serving_points(book.prices, visit) // visit.carers)]
        reasons += pair_points(book.prices, visit, carer)
        if line is not None:
            reasons.append(("channel", book.prices[f"channel.{line.channel}"]))
            reasons.append(
                ("cost", line_points(book.prices, line, visit) - book.prices[f"channel.{line.channel}"])
            )
        reasons.append(("travel", way * book.prices["travel.minute"]))
        today = [
            stop for stop in book.stops.get(carer.person_id, ()) if stop.day == visit.day and stop.volunteer
        ]
        if carer.capacity is Capacity.VOLUNTEER and today:
            reasons.append(("repeat", book.prices["load.repeat"]))
        here = None
        if carer.base is not None and visit.place is not None and not visit.remote:
            here = metres(book.plane(carer.base), book.plane(visit.place))
        kept = tuple((rule_id, value) for rule_id, value in reasons if value)
        return Candidate(
            carer.carer_id,
            carer.person_id,
            start,
            start + visit.minutes,
            None if line is None else line.line_id,
            here,
            sum(value for _, value in kept),
            kept,
        )


def check_pair(
    snapshot: Snapshot | Prepared, visit_id: UUID, carer_id: UUID, start: int | None = None
) -> list[BrokenRule]:
    """`Prepared.check_pair`, preparing the snapshot if need be."""
    prepared = snapshot if isinstance(snapshot, Prepared) else Prepared(snapshot)
    return prepared.check_pair(visit_id, carer_id, start)


def best_carers(snapshot: Snapshot | Prepared, visit_id: UUID, most: int = 3) -> list[Candidate]:
    """`Prepared.best_carers`, preparing the snapshot if need be."""
    prepared = snapshot if isinstance(snapshot, Prepared) else Prepared(snapshot)
    return prepared.best_carers(visit_id, most)


def explain_one(prepared: Prepared, visit_id: UUID) -> UnmetVisit:
    """Why nobody (more) comes to one visit: the funnel, and the smallest change that works."""
    book, index, tables = prepared.book, prepared.index, prepared.tables
    visit = book.visits[visit_id]
    if not visit.placed:
        return UnmetVisit(visit_id, UnmetReason.NOT_PLACED, tuple((step, 0) for step in STEPS))
    need = visit.carers - len(book.taken.get(visit_id, ()))
    reason, funnel = funnel_of(
        visit, max(1, need), fallen_at(tables, np.array([index.visit_of[visit_id]]))[0]
    )
    return UnmetVisit(visit_id, reason, funnel, smallest_change(book, index, tables, visit))
