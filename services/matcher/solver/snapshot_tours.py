"""A snapshot of one day with ways of its own as tours to be annealed (decision 13), and the tours as who comes when.

What tours cannot tell, a plan is judged by afterwards: limits of minutes, where free intervals end, and starts too late.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from services.matcher.solver import tours as model
from services.matcher.solver.candidates import Index, Ints
from services.matcher.solver.days import BREAK, days_of
from services.matcher.solver.rules import Book
from services.matcher.solver.snapshot import Follower, Place, SnapCarer, Snapshot, SnapVisit
from services.matcher.solver.touring import NobodyAble, plan_tours
from services.matcher.solver.tours import APART, FIRST, SECOND, SINGLE, TOGETHER, Bools, Tours
from services.matcher.solver.watch import Watch

_FEW = 10  # visits that a search by turns plans as well, where there are no shifts
_HARD = 3  # what breaking a rule by a minute costs, in mean ways


@dataclass(frozen=True, slots=True)
class _Part:
    """A stop of the tours: a visit, or two that begin together at one place."""

    kind: int
    rows: tuple[int, ...]
    mate: int = -1
    apart: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Toured:
    """Visits and carers (rows) with the starts of visits and of breaks beside them; `rounds` of work that find them again."""

    starts: list[tuple[int, int, int]]
    breaks: list[tuple[int, int, int]]
    rounds: int


def can_be_annealed(snapshot: Snapshot) -> bool:
    """Whether tours can tell what matters of it."""
    persons = Counter(carer.person_id for carer in snapshot.carers)
    shifts = [carer for carer in snapshot.carers if carer.shifts]
    return (
        bool(snapshot.ways)
        and snapshot.days == 1
        and not snapshot.fixed
        and (bool(shifts) or len(snapshot.visits) > _FEW)
        and all(_is_told(snapshot, visit) for visit in snapshot.visits)
        and all(carer.base is not None and persons[carer.person_id] == 1 for carer in snapshot.carers)
        and len({carer.leaves_at_shift for carer in shifts}) <= 1
        and len({carer.meal_break for carer in shifts if carer.meal_break is not None}) <= 1
    )


def _is_told(snapshot: Snapshot, visit: SnapVisit) -> bool:
    alone = visit.carers == 1 and not visit.remote and visit.end_place is None and visit.place is not None
    if visit.follows is None:
        return alone
    return (
        alone
        and visit.follows.by is Follower.ANOTHER
        and (
            visit.follows.least >= 0
            or visit.follows.least <= -snapshot.day_length <= snapshot.day_length <= visit.follows.most
        )
    )


def annealed(book: Book, index: Index, worth: Ints, watch: Watch, until: float) -> Toured:
    """The best tours found. `worth`: points by visit and carer, below zero by far where that cannot be."""
    possible = worth > worth.min(initial=0) // 2
    stops = _stops(index, possible)
    if not stops:
        return Toured([], [], 0)
    tours = _tours(book, index, worth, possible, stops)
    most = sum(int(worth[row].max()) for stop in stops for row in stop.rows)
    try:
        plan = plan_tours(
            tours,
            seconds=until - watch.spent(),
            rounds=watch.limits.rounds,
            seed=watch.limits.seed,
            threads=watch.limits.threads,
            progress=lambda _, cost: watch.tell("tours", 0, 0, most - cost // book.snapshot.ticks, None),
            stop=lambda: watch.past(until),
        )
    except NobodyAble:
        return Toured([], [], 0)
    watch.lap("tours")
    starts: list[tuple[int, int, int]] = []
    breaks: list[tuple[int, int, int]] = []
    for who, day in enumerate(days_of(tours, plan.routes, plan.starts, plan.breaks)):
        row_of = {stop: stops[stop].rows[slot] for stop, slot, _ in day if slot != BREAK}
        for stop, slot, start in day:
            (breaks if slot == BREAK else starts).append((row_of[stop], who, start))
    return Toured(starts, breaks, plan.rounds)


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
        rounds=1,
        threads=1,
    )  # fmt: skip


def _stops(index: Index, possible: Bools) -> list[_Part]:
    """All visits that somebody can do; of two that belong together both or neither."""
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
        other = index.visits[second]
        follows = other.follows
        assert follows is not None
        if not possible[second].any() or int((possible[row] | possible[second]).sum()) < 2:
            continue
        if follows.least == follows.most == 0 and _meet(visit, other):
            stops.append(_Part(TOGETHER, (row, second)))
            continue
        apart, at = (max(0, follows.least), follows.most), len(stops)
        kinds = (FIRST, SECOND) if follows.least >= 0 else (APART, APART)
        stops += [_Part(kinds[0], (row,), at + 1, apart), _Part(kinds[1], (second,), at, apart)]
    return stops


def _meet(visit: SnapVisit, other: SnapVisit) -> bool:
    """Whether two visits at once are one stop: late alike, but for the difference of their lengths."""
    opens, due = _windows(visit)
    others, its_due = _windows(other)
    return (
        visit.place == other.place
        and opens == others
        and len({a - b for a, b in zip(due, its_due, strict=True)}) == 1
    )


def _windows(visit: SnapVisit) -> tuple[list[int], list[int]]:
    due = visit.latest_start if visit.late_from is None else visit.late_from
    windows = [(visit.earliest_start, due), *visit.later_windows]
    return [opens for opens, _ in windows], [until for _, until in windows]


def _tours(book: Book, index: Index, worth: Ints, possible: Bools, stops: list[_Part]) -> Tours:
    snapshot, carers = book.snapshot, index.carers
    nowhere, n = len(snapshot.ways), len(stops)
    way = np.zeros((nowhere + 1, nowhere + 1), np.int64)
    way[:nowhere, :nowhere] = snapshot.ways
    days = any(carer.shifts for carer in carers)
    able = np.zeros((n, 2, len(carers)), np.bool_)
    dislike = np.zeros((n, 2, len(carers)), np.int64)
    lasts, counted = np.zeros((n, 2), np.int64), np.zeros((n, 2), np.int64)
    windows = max(
        (1 + len(index.visits[row].later_windows) for stop in stops for row in stop.rows), default=1
    )
    opens, due = np.zeros((n, windows), np.int64), np.zeros((n, windows), np.int64)
    left_out = np.full(n, -1, np.int64)
    for number, stop in enumerate(stops):
        dues = []
        for slot, row in enumerate(stop.rows):
            able[number, slot] = possible[row]
            less = (worth[row].max() - worth[row]) * snapshot.ticks
            dislike[number, slot] = np.where(possible[row], less, 0)
            lasts[number, slot] = index.visits[row].minutes
            its_opens, its_due = _windows(index.visits[row])
            opens[number] = its_opens + its_opens[-1:] * (windows - len(its_opens))
            dues.append(np.array(its_due + its_due[-1:] * (windows - len(its_due)), np.int64))
        due[number] = np.max(dues, axis=0)
        counted[number, : len(dues)] = [due[number, 0] - each[0] for each in dues]
        if days:
            both = () if stop.mate < 0 else stops[stop.mate].rows
            rows = stop.rows + both if stop.mate < 0 or stop.mate > number else ()
            left_out[number] = max(0, sum(int(worth[row].max()) for row in rows)) * snapshot.ticks
    rows_of = [(carer.base, carer.ends_at) for carer in carers]
    places = np.array([[_row(base, 0), _row(ends, nowhere)] for base, ends in rows_of], np.int64)
    at_work = [carer for carer in carers if carer.shifts]
    rest = next((carer.meal_break for carer in at_work if carer.meal_break is not None), None)
    return Tours(
        kind=np.array([stop.kind for stop in stops], np.int64),
        mate=np.array([stop.mate for stop in stops], np.int64),
        place=np.array([_row(index.visits[stop.rows[0]].place, nowhere) for stop in stops], np.int64),
        lasts=lasts,
        least=np.array([stop.apart[0] for stop in stops], np.int64),
        most=np.array([stop.apart[1] for stop in stops], np.int64),
        opens=opens,
        due=due,
        counted=counted,
        able=able,
        dislike=dislike if dislike.any() else np.zeros((0, 2, len(carers)), np.int64),
        left_out=left_out,
        way=way,
        leaves=places[:, 0].copy(),
        returns=places[:, 1].copy(),
        shift=np.array([_shift(carer) for carer in carers], np.int64),
        owed=np.array([bool(carer.shifts) and carer.meal_break is not None for carer in carers], np.bool_),
        pause=np.array([0, 0, 0] if rest is None else [rest.earliest, rest.latest, rest.minutes], np.int64),
        price=_prices(book, index.visits, at_work, way),
        minute=snapshot.ticks,
        leaves_late=any(not carer.leaves_at_shift for carer in at_work),
        days=days,
    )


def _shift(carer: SnapCarer) -> tuple[int, int]:
    """From when somebody may start, and when the shift is over."""
    begin = carer.windows[0][0] if carer.windows else 0
    return begin, carer.shifts[0][1] if carer.shifts else begin


def _prices(book: Book, visits: tuple[SnapVisit, ...], at_work: list[SnapCarer], way: Ints) -> Ints:
    """What is a rule costs as much as three mean ways a minute."""
    rules = {
        model.TRAVEL: "travel.minute", model.LATE: "late.minute", model.WORST: "late.worst", model.WAITING: "wait.minute",
        model.OVER: "overtime.minute", model.IDLE: "idle.most", model.MISSED: "break.missed", model.UNEVEN: "uneven.minute",
    }  # fmt: skip
    price = np.zeros(8, np.int64)
    for which, rule_id in rules.items() if at_work else list(rules.items())[:3]:
        price[which] = -book.prices[rule_id]
    ways = way[way > 0]
    dearest = max(1, *(int(price[which]) for which in (model.TRAVEL, model.WAITING, model.UNEVEN)))
    mean = float(ways.mean()) / book.snapshot.ticks if ways.size else 1.0
    hard = int(_HARD * max(1.0, mean) * dearest)
    if any(visit.late_most is not None for visit in visits):
        price[model.LATE] = max(hard, price[model.LATE])
    if any(carer.overtime_most is not None for carer in at_work):
        price[model.OVER] = max(hard, price[model.OVER])
    if any(carer.meal_break is not None and carer.meal_break.required for carer in at_work):
        price[model.MISSED] = max(hard * _HARD, price[model.MISSED])
    price[model.MISSED] *= book.snapshot.ticks
    return price


def _row(place: Place | None, otherwise: int) -> int:
    return place if isinstance(place, int) else otherwise
