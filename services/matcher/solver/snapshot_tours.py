"""A snapshot of one day with ways of its own as tours to be annealed (decision 13), and the tours as who comes when."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from services.matcher.solver.candidates import Index, Ints
from services.matcher.solver.rules import Book
from services.matcher.solver.snapshot import Follower, Place, Snapshot, SnapVisit
from services.matcher.solver.touring import NobodyAble, plan_tours
from services.matcher.solver.tours import FIRST, LATE, SECOND, SINGLE, TOGETHER, TRAVEL, WORST, Bools, Tours
from services.matcher.solver.watch import Watch

_FEW = 10  # visits that a search by turns plans as well
_STEPS = 100  # of a run, for each round of the limit and stop


@dataclass(frozen=True, slots=True)
class _Part:
    """A stop of the tours: a visit, or two that begin together at one place."""

    kind: int
    rows: tuple[int, ...]
    mate: int = -1
    apart: tuple[int, int] = (0, 0)


def can_be_annealed(snapshot: Snapshot) -> bool:
    """Whether tours can tell it; limits of minutes and free intervals are left to the search."""
    persons = Counter(carer.person_id for carer in snapshot.carers)
    return (
        bool(snapshot.ways)
        and snapshot.days == 1
        and not snapshot.fixed
        and len(snapshot.visits) > _FEW
        and all(_is_told(visit) for visit in snapshot.visits)
        and all(carer.base is not None and persons[carer.person_id] == 1 for carer in snapshot.carers)
    )


def _is_told(visit: SnapVisit) -> bool:
    by = None if visit.follows is None else visit.follows.by
    alone = visit.carers == 1 and not visit.remote and visit.end_place is None
    return alone and visit.place is not None and by is not Follower.SAME


def annealed(book: Book, index: Index, worth: Ints, watch: Watch, until: float) -> list[tuple[int, int, int]]:
    """Visits, carers (rows) and starts. `worth`: points by visit and carer, below zero by far where that cannot be."""
    possible = worth > worth.min(initial=0) // 2
    stops = _stops(index, possible)
    if not stops:
        return []
    tours = _tours(book, index, worth, possible, stops)
    most = sum(int(worth[row].max()) for stop in stops for row in stop.rows)
    try:
        plan = plan_tours(
            tours,
            steps=_STEPS * watch.limits.rounds * len(stops),
            seed=watch.limits.seed,
            threads=watch.limits.threads,
            progress=lambda _, cost: watch.tell("tours", 0, 0, most - cost // book.snapshot.ticks, None),
            stop=lambda: watch.past(until),
        )
    except NobodyAble:
        return []
    watch.lap("tours")
    return [
        (row, int(plan.routes.carer[stop, slot]), int(plan.starts[stop]))
        for stop in plan.routes.order
        for slot, row in enumerate(stops[stop].rows)
    ]


def compile_tours() -> None:
    """Anneal the tours of nobody: what is compiled is then called once."""
    nothing, none = np.zeros(0, np.int64), np.zeros((0, 2), np.int64)
    empty = np.zeros((0, 1), np.int64)
    plan_tours(
        Tours(
            nothing, nothing, nothing, none, nothing, nothing, empty, empty, none, np.zeros((0, 2, 1), np.bool_),
            np.zeros((0, 2, 1), np.int64), nothing, np.zeros((1, 1), np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64),
            np.zeros((1, 2), np.int64), np.zeros(1, np.bool_), np.zeros(3, np.int64), np.zeros(8, np.int64), 1, False, False,
        ),
        steps=1,
        turns=1,
        threads=1,
    )  # fmt: skip


def _stops(index: Index, possible: Bools) -> list[_Part]:
    """All visits that somebody can do; of two in sequence both or neither."""
    first_of = {
        row: index.visit_of[visit.follows.visit_id]
        for row, visit in enumerate(index.visits)
        if visit.follows is not None
    }
    second_of = {first: second for second, first in first_of.items()}
    stops: list[_Part] = []
    for row, visit in enumerate(index.visits):
        if row in first_of or not possible[row].any():
            continue
        second = second_of.get(row)
        if second is None:
            stops.append(_Part(SINGLE, (row,)))
            continue
        follows, other = index.visits[second].follows, index.visits[second]
        assert follows is not None
        if not possible[second].any() or int((possible[row] | possible[second]).sum()) < 2:
            continue
        alike = (visit.place, visit.earliest_start, visit.late_from, visit.latest_start)
        if follows.most == 0 and alike == (
            other.place,
            other.earliest_start,
            other.late_from,
            other.latest_start,
        ):
            stops.append(_Part(TOGETHER, (row, second)))
            continue
        apart, at = (follows.least, follows.most), len(stops)
        stops += [_Part(FIRST, (row,), at + 1, apart), _Part(SECOND, (second,), at, apart)]
    return stops


def _tours(book: Book, index: Index, worth: Ints, possible: Bools, stops: list[_Part]) -> Tours:
    snapshot, prices, carers = book.snapshot, book.prices, index.carers
    nowhere = len(snapshot.ways)
    way = np.zeros((nowhere + 1, nowhere + 1), np.int64)
    way[:nowhere, :nowhere] = snapshot.ways
    able = np.zeros((len(stops), 2, len(carers)), np.bool_)
    dislike = np.zeros((len(stops), 2, len(carers)), np.int64)
    lasts = np.zeros((len(stops), 2), np.int64)
    for number, stop in enumerate(stops):
        for slot, row in enumerate(stop.rows):
            able[number, slot] = possible[row]
            less = (worth[row].max() - worth[row]) * snapshot.ticks
            dislike[number, slot] = np.where(possible[row], less, 0)
            lasts[number, slot] = index.visits[row].minutes
    visits = [index.visits[stop.rows[0]] for stop in stops]
    price = np.zeros(8, np.int64)
    price[TRAVEL], price[LATE], price[WORST] = (
        -prices["travel.minute"],
        -prices["late.minute"],
        -prices["late.worst"],
    )
    rows_of = [(carer.base, carer.ends_at) for carer in carers]
    places = np.array([[_row(base, 0), _row(ends, nowhere)] for base, ends in rows_of], np.int64)
    due = [visit.latest_start if visit.late_from is None else visit.late_from for visit in visits]
    begin = [carer.windows[0][0] if carer.windows else 0 for carer in carers]
    return Tours(
        kind=np.array([stop.kind for stop in stops], np.int64),
        mate=np.array([stop.mate for stop in stops], np.int64),
        place=np.array([_row(visit.place, nowhere) for visit in visits], np.int64),
        lasts=lasts,
        least=np.array([stop.apart[0] for stop in stops], np.int64),
        most=np.array([stop.apart[1] for stop in stops], np.int64),
        opens=np.array([[visit.earliest_start] for visit in visits], np.int64),
        due=np.array(due, np.int64).reshape(-1, 1),
        counted=np.zeros((len(stops), 2), np.int64),
        able=able,
        dislike=dislike if dislike.any() else np.zeros((0, 2, len(carers)), np.int64),
        left_out=np.full(len(stops), -1, np.int64),
        way=way,
        leaves=places[:, 0].copy(),
        returns=places[:, 1].copy(),
        shift=np.array([[each, 0] for each in begin], np.int64),
        owed=np.zeros(len(carers), np.bool_),
        pause=np.zeros(3, np.int64),
        price=price,
        minute=snapshot.ticks,
        leaves_late=False,
        days=False,
    )


def _row(place: Place | None, otherwise: int) -> int:
    return place if isinstance(place, int) else otherwise
