"""Whole tours by simulated annealing, compiled: for long days, late starts at a price, visits that two must meet at.

A plan is one order of all stops, which every carer's route keeps, and who does each: whatever is exchanged, no two carers
wait for each other for ever. Ceschia, Di Gaspero, Rosati & Schaerf (2024) order patients; here the two visits of a sequence
are two stops, so that others may lie between. Starts are the earliest that hold; an exchange moves those behind it only.
Of the exchanges, that of two carers' whole rest of the day is worth most: without it a run of 10 million steps ended 2 to 7 %
above the best known plan of instance E5 of HHCRSP, with it at -0.1 to 2 %. Among 40 carers most draws lead nowhere, so half of
what is drawn are neighbours: stops that may well lie right before or behind (Toth & Vigo 2003, granular neighbourhoods).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

from services.matcher.solver.tours import (
    APART,
    FIRST,
    HAD,
    HERE,
    IDLE,
    LATE,
    MISSED,
    NEVER,
    NO_BREAK,
    OVER,
    SECOND,
    SINGLE,
    THERE,
    TOGETHER,
    TRAVEL,
    UNEVEN,
    WAITING,
    WORST,
    Bools,
    Ints,
    Routes,
    Tours,
)

_TURNS = 30  # how often a sequence may push its own beginning back before the exchange is given up
_FAR = 2**40  # no limit of time
# what a step has in hand: counts, sums of the plan, and what is needed for undoing
_PENDING, _BEGIN, _WISHES, _MOVES, _MOVED, _STEP, _DAYS, _COUNTED, _RESTED, _REST = range(10)
_WAY, _LATENESS, _PRICED, _WAITED, _OVERTIME, _MISSES = range(10, 16)
_D_WAITED, _D_OVER, _D_IDLE, _D_MISSED, _D_LOAD = range(5)  # of a carer's day
_DAY = 5
_LOOK = 4095  # steps between two looks at whether to halt, a power of two less one
_NONE = 2**62  # as cost: no plan yet
_DRAWN, _NEXT = -1, -2  # as a position: anywhere, next to a neighbour
_BESIDE, _RELOCATE, _REASSIGN, _SWAP, _SEQUENCE = range(5)  # exchanges
# of the draws, up to which each is tried; the rest exchanges rests of days
_SHARES = (0.225, 0.45, 0.65, 0.82, 0.90)
_NEAR = 0.5  # of the swaps and of the rests of days: with one of the neighbours
_NEIGHBOURS = 20  # of each stop
_FURTHER = 0.12  # of the draws, where days are counted: leaving out, breaks, the idlest
_LEAVE_OUT, _BREAK = 0.35, 0.65  # of these, up to which each is tried


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _inner(function: _Function) -> _Function:
    """Compiled into its callers; nothing in it makes an array, so none is counted: counting took 5/6 of the time."""
    options: dict[str, Any] = {"cache": True, "nogil": True, "forceinline": True, "_nrt": False}
    return cast(_Function, njit(**options)(function))


class _Search(NamedTuple):
    """What a run changes. A slot in a route is `2 * stop + slot`; `before`, `after`: its neighbours, -1 at the ends."""

    order: Ints
    at: Ints
    carer: Ints
    window: Ints
    rest: Ints
    before: Ints
    after: Ints
    head: Ints
    start: Ints  # -1: not served
    late: Ints  # the larger of its slots
    lates: Ints  # of its slots together
    had: Ints  # (n, 2): the break before each slot
    pending: Bools
    now: Ints
    wished: Ints  # (moves, 4): stop, position and carers to be
    moved: Ints  # (moves, 5): stop, position, carers and window before, for undoing
    seen: Ints
    changed: Ints
    was: Ints  # (n, 3): start and breaks before
    day: Ints  # (c, 5)
    day_was: Ints
    dated: Ints
    touched: Ints  # the carers whose days are to be counted anew
    neighbours: Ints  # changed by nothing


@njit(cache=True, nogil=True)
def neighbours_of(tours: Tours) -> Ints:
    """(n, k): of each stop those that may well lie right before or behind: least way and time to wait or be late between the two,
    in the better of both orders."""
    n = len(tours.kind)
    kept = max(0, min(_NEIGHBOURS, n - 1))
    found, costs = np.empty((n, kept), np.int64), np.empty(kept, np.int64)
    for stop in range(n):
        count = 0
        for ahead in range(1, n):
            other = (stop + ahead) % n
            cost = min(_apart(tours, stop, other), _apart(tours, other, stop))
            if count == kept and cost >= costs[kept - 1]:
                continue
            at = min(count, kept - 1)
            count = at + 1
            while at > 0 and costs[at - 1] > cost:
                costs[at], found[stop, at] = costs[at - 1], found[stop, at - 1]
                at -= 1
            costs[at], found[stop, at] = cost, other
    return found


@_inner
def _apart(tours: Tours, stop: int, other: int) -> int:
    """The way from a stop to another, and what must be waited or late behind it, by the windows that suit best."""
    way, least = tours.way[tours.place[stop], tours.place[other]], np.int64(_FAR)
    there = way + tours.lasts[stop, 0]
    for one in range(tours.opens.shape[1]):
        soonest = tours.opens[stop, one] + there
        latest = tours.due[stop, one] - tours.counted[stop, 0] + there
        for two in range(tours.opens.shape[1]):
            wait = max(np.int64(0), tours.opens[other, two] - latest)
            late = max(np.int64(0), soonest - tours.due[other, two] + tours.counted[other, 0])
            least = min(least, wait + late)
    return way + least


@njit(cache=True, nogil=True)
def _search_of(tours: Tours, neighbours: Ints, routes: Routes) -> _Search:
    n, carers = len(tours.kind), len(tours.leaves)
    search = _Search(
        routes.order.copy(),
        np.empty(n, np.int64),
        routes.carer.copy(),
        routes.window.copy(),
        routes.rest.copy(),
        np.full((n, 2), -1),
        np.full((n, 2), -1),
        np.full(carers, -1),
        np.full(n, -1),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.zeros((n, 2), np.int64),
        np.ones(n, np.bool_),
        np.zeros(16, np.int64),
        np.empty((2, 4), np.int64),
        np.empty((2, 5), np.int64),
        np.full(n, -1),
        np.empty(n, np.int64),
        np.empty((n, 3), np.int64),
        np.zeros((carers, _DAY), np.int64),
        np.zeros((carers, _DAY), np.int64),
        np.full(carers, -1),
        np.empty(carers, np.int64),
        neighbours,
    )
    last = np.full(carers, -1)
    for position in range(n):
        stop = search.order[position]
        search.at[stop] = position
        for slot in range(2):
            who = search.carer[stop, slot]
            if who < 0:
                continue
            behind = last[who]
            search.before[stop, slot] = behind
            if behind < 0:
                search.head[who] = 2 * stop + slot
            else:
                search.after[behind >> 1, behind & 1] = 2 * stop + slot
            last[who] = 2 * stop + slot
    for stop in range(n):
        for slot in range(2):
            who = search.carer[stop, slot]
            if who >= 0:
                search.now[_WAY] += tours.way[
                    _place(tours, search.before[stop, slot], tours.leaves[who]), tours.place[stop]
                ]
                if search.after[stop, slot] < 0:
                    search.now[_WAY] += tours.way[tours.place[stop], tours.returns[who]]
                if len(tours.dislike):
                    search.now[_PRICED] += tours.dislike[stop, slot, who]
        if search.carer[stop, 0] < 0:
            search.now[_PRICED] += tours.left_out[stop]
    search.now[_PENDING], search.now[_STEP], search.now[_RESTED] = n, -1, -1
    search.now[_DAYS], search.touched[:] = carers, np.arange(carers)
    return search


@_inner
def _place(tours: Tours, entry: int, end: int) -> int:
    return end if entry < 0 else tours.place[entry >> 1]


@_inner
def _detour(tours: Tours, search: _Search, stop: int, slot: int) -> int:
    """The travel that a slot adds between its neighbours."""
    who, behind, ahead = search.carer[stop, slot], search.before[stop, slot], search.after[stop, slot]
    origin, goal = _place(tours, behind, tours.leaves[who]), _place(tours, ahead, tours.returns[who])
    here = tours.place[stop]
    return tours.way[origin, here] + tours.way[here, goal] - _joint(tours, who, behind, ahead)


@_inner
def _touch(search: _Search, entry: int) -> None:
    """The start of a slot's stop is to be found anew."""
    if entry >= 0 and not search.pending[entry >> 1]:
        search.pending[entry >> 1] = True
        search.now[_PENDING] += 1


@_inner
def _touch_day(search: _Search, who: int) -> None:
    """A carer's day is to be counted anew."""
    if search.dated[who] != search.now[_STEP]:
        search.dated[who] = search.now[_STEP]
        search.touched[search.now[_DAYS]] = who
        search.now[_DAYS] += 1


@_inner
def _leave(tours: Tours, search: _Search, stop: int, slot: int) -> None:
    """Take a slot out of its route."""
    search.now[_WAY] -= _detour(tours, search, stop, slot)
    who, behind, ahead = search.carer[stop, slot], search.before[stop, slot], search.after[stop, slot]
    if behind < 0:
        search.head[who] = ahead
    else:
        search.after[behind >> 1, behind & 1] = ahead
    if ahead >= 0:
        search.before[ahead >> 1, ahead & 1] = behind
    if len(tours.dislike):
        search.now[_PRICED] -= tours.dislike[stop, slot, who]
    search.before[stop, slot], search.after[stop, slot], search.carer[stop, slot] = -1, -1, -1
    _touch(search, ahead)
    if tours.days:
        _touch_day(search, who)


@_inner
def _join(tours: Tours, search: _Search, stop: int, slot: int, who: int) -> None:
    """Enter a slot into a route where the order of stops says."""
    behind, ahead = -1, search.head[who]
    while ahead >= 0 and search.at[ahead >> 1] < search.at[stop]:
        behind, ahead = ahead, search.after[ahead >> 1, ahead & 1]
    entry = 2 * stop + slot
    if behind < 0:
        search.head[who] = entry
    else:
        search.after[behind >> 1, behind & 1] = entry
    if ahead >= 0:
        search.before[ahead >> 1, ahead & 1] = entry
    search.before[stop, slot], search.after[stop, slot], search.carer[stop, slot] = behind, ahead, who
    search.now[_WAY] += _detour(tours, search, stop, slot)
    if len(tours.dislike):
        search.now[_PRICED] += tours.dislike[stop, slot, who]
    _touch(search, ahead)
    if tours.days:
        _touch_day(search, who)


@_inner
def _shift(search: _Search, stop: int, to: int) -> None:
    """Move a stop to another position of the order."""
    order, at = search.order, search.at
    position = at[stop]
    while position < to:
        order[position] = order[position + 1]
        at[order[position]] = position
        position += 1
    while position > to:
        order[position] = order[position - 1]
        at[order[position]] = position
        position -= 1
    order[to], at[stop] = stop, to


@_inner
def _place_anew(tours: Tours, search: _Search, stop: int, to: int, one: int, two: int, window: int) -> None:
    """Give a stop a position, carers (-1: none, it is not served) and a window."""
    for slot in range(2):
        if search.carer[stop, slot] >= 0:
            _leave(tours, search, stop, slot)
    _shift(search, stop, to)
    search.window[stop] = window
    for slot in range(2):
        who = two if slot else one
        if who >= 0:
            _join(tours, search, stop, slot, who)


@_inner
def _move(tours: Tours, search: _Search, stop: int, to: int, one: int, two: int, window: int) -> None:
    """As `_place_anew`, remembered for undoing."""
    number = search.now[_MOVES]
    search.moved[number, 0], search.moved[number, 1] = stop, search.at[stop]
    search.moved[number, 2], search.moved[number, 3] = search.carer[stop, 0], search.carer[stop, 1]
    search.moved[number, 4] = search.window[stop]
    search.now[_MOVES] += 1
    search.now[_BEGIN] = min(search.now[_BEGIN], search.at[stop], to)
    if search.carer[stop, 0] < 0:
        search.now[_PRICED] -= tours.left_out[stop]
    if one < 0:
        search.now[_PRICED] += tours.left_out[stop]
    _place_anew(tours, search, stop, to, one, two, window)
    _touch(search, 2 * stop)


@_inner
def _take_back(tours: Tours, search: _Search) -> None:
    """Undo the step's moves; nothing is left pending."""
    for number in range(search.now[_MOVES] - 1, -1, -1):
        stop, to, one, two, window = search.moved[number]
        _place_anew(tours, search, stop, to, one, two, window)
    search.pending[:] = False


@_inner
def _stands(tours: Tours, search: _Search, stop: int) -> bool:
    """Whether those who must be two are two or none, and a sequence in its order."""
    kind = tours.kind[stop]
    if kind == SINGLE:
        return True
    if kind == TOGETHER:
        return search.carer[stop, 0] != search.carer[stop, 1] or search.carer[stop, 0] < 0
    mate = tours.mate[stop]
    if search.carer[stop, 0] < 0 or search.carer[mate, 0] < 0:
        return search.carer[stop, 0] == search.carer[mate, 0]
    if kind != APART and (search.at[stop] < search.at[mate]) != (kind == FIRST):
        return False
    return search.carer[stop, 0] != search.carer[mate, 0]


@_inner
def _any_able(tours: Tours, stop: int, slot: int) -> int:
    """A carer drawn from those who can."""
    carers = tours.able.shape[2]
    while True:
        who = np.random.randint(carers)
        if tours.able[stop, slot, who]:
            return who


@_inner
def _pair_anew(tours: Tours, search: _Search, stop: int) -> tuple[int, int]:
    """Carers drawn for a stop; of two, often one stays."""
    one, two = _any_able(tours, stop, 0), -1
    if tours.kind[stop] == TOGETHER:
        two = _any_able(tours, stop, 1)
        draw = np.random.random()
        if search.carer[stop, 0] < 0:
            return one, two
        if draw < 0.35:
            one = search.carer[stop, 0]
        elif draw < 0.7:
            two = search.carer[stop, 1]
    return one, two


@_inner
def _window_anew(tours: Tours, search: _Search, stop: int) -> int:
    """The window that a stop is to wait for; often the one it has."""
    windows = tours.opens.shape[1]
    if windows == 1 or np.random.random() < 0.5:
        return search.window[stop]
    return np.random.randint(windows)


@_inner
def _position(tours: Tours, search: _Search, stop: int, who: int, near: int, window: int) -> int:
    """A position for a stop before one of the carer's stops that is near in time, or behind the last."""
    aim = search.start[stop]
    if np.random.random() < 0.5 or aim < 0 or window != search.window[stop]:
        opens, due = tours.opens[stop, window], tours.due[stop, window]
        aim = opens + np.int64(np.random.random() * (due - opens))
    chosen, count, last = -1, 0, -1
    entry = search.head[who]
    while entry >= 0:
        other = entry >> 1
        if other != stop:
            if abs(search.start[other] - aim) < near:
                count += 1
                if np.random.randint(count) == 0:
                    chosen = other
            last = other
        entry = search.after[other, entry & 1]
    at = search.at
    if chosen < 0 or np.random.randint(count + 1) == 0:
        if last < 0:
            return at[stop]
        return at[last] if at[last] > at[stop] else at[last] + 1
    return at[chosen] - 1 if at[chosen] > at[stop] else at[chosen]


@_inner
def _wish(search: _Search, number: int, stop: int, to: int, one: int, two: int) -> bool:
    """What a stop is to become: where in the order, by whom. `to` _DRAWN: where it is drawn to be, by those or (-1) drawn;
    _NEXT: next to a neighbour, by its carer."""
    search.wished[number, 0], search.wished[number, 1] = stop, to
    search.wished[number, 2], search.wished[number, 3] = one, two
    search.now[_WISHES] = number + 1
    return True


@_inner
def _fulfil(tours: Tours, search: _Search, near: int) -> bool:
    """Move what is wished; False where that changes nothing or cannot be."""
    for number in range(search.now[_WISHES]):
        stop, to = search.wished[number, 0], search.wished[number, 1]
        one, two = search.wished[number, 2], search.wished[number, 3]
        window = search.window[stop]
        if to == _NEXT:
            to, one, two = _next(tours, search, stop)
            if to < 0:
                return False
        elif to == _DRAWN:
            if one < 0:
                one, two = _pair_anew(tours, search, stop)
            if one == two:
                return False
            window = _window_anew(tours, search, stop)
            to = _position(tours, search, stop, one, near, window)
            same = one == search.carer[stop, 0] and two == search.carer[stop, 1] and to == search.at[stop]
            if same and window == search.window[stop]:
                return False
        _move(tours, search, stop, to, one, two, window)
    return True


@_inner
def _neighbour(search: _Search, stop: int) -> tuple[int, int]:
    """A neighbour drawn, and whoever comes there (-1: nobody)."""
    near = search.neighbours.shape[1]
    if near == 0:
        return stop, -1
    other = search.neighbours[stop, np.random.randint(near)]
    slot = np.random.randint(2) if search.carer[other, 1] >= 0 else 0
    return other, search.carer[other, slot]


@_inner
def _next(tours: Tours, search: _Search, stop: int) -> tuple[int, int, int]:
    """Right before or behind a neighbour, by its carer: position and carers; position -1 where that cannot be."""
    other, who = _neighbour(search, stop)
    one, two = who, search.carer[stop, 1]
    slot = np.random.randint(2) if tours.kind[stop] == TOGETHER else 0
    if slot == 1:
        one, two = search.carer[stop, 0], who
    if who < 0 or not tours.able[stop, slot, who] or one == two:
        return -1, -1, -1
    if tours.kind[stop] == TOGETHER and (one < 0 or two < 0):
        return -1, -1, -1
    to, at = search.at[other], search.at[stop]
    behind = np.random.randint(2)
    to += behind - 1 if at < to else behind
    if to == at and one == search.carer[stop, 0] and two == search.carer[stop, 1]:
        return -1, -1, -1
    return to, one, two


@_inner
def _relocate(search: _Search, stop: int) -> bool:
    return _wish(search, 0, stop, _DRAWN, -1, -1)


@_inner
def _beside(search: _Search, stop: int) -> bool:
    return _wish(search, 0, stop, _NEXT, -1, -1)


@_inner
def _reassign(tours: Tours, search: _Search, stop: int) -> bool:
    one, two = _pair_anew(tours, search, stop)
    if one == two or (one == search.carer[stop, 0] and two == search.carer[stop, 1]):
        return False
    return _wish(search, 0, stop, search.at[stop], one, two)


@_inner
def _swap(tours: Tours, search: _Search, stop: int, near: int) -> bool:
    """Two stops for one carer each change places."""
    other = np.random.randint(len(tours.kind))
    if np.random.random() < _NEAR:
        other, _ = _neighbour(search, stop)
    if stop == other or tours.kind[stop] == TOGETHER or tours.kind[other] == TOGETHER:
        return False
    if abs(search.start[stop] - search.start[other]) > 2 * near:
        return False
    one, two = search.carer[stop, 0], search.carer[other, 0]
    if two < 0 or not tours.able[stop, 0, two] or not tours.able[other, 0, one]:
        return False
    if search.at[stop] > search.at[other]:
        stop, other, one, two = other, stop, two, one
    first, second = search.at[stop], search.at[other]
    return _wish(search, 0, stop, second, two, -1) and _wish(search, 1, other, first, one, -1)


@_inner
def _sequence_anew(tours: Tours, search: _Search, stop: int) -> bool:
    """Both visits of two in sequence, or apart, go elsewhere."""
    if tours.kind[stop] < FIRST:
        return False
    first = tours.mate[stop] if tours.kind[stop] == SECOND else stop
    second = tours.mate[first]
    return _wish(search, 0, first, _DRAWN, -1, -1) and _wish(search, 1, second, _DRAWN, -1, -1)


@_inner
def _serve(tours: Tours, search: _Search, stop: int) -> bool:
    """A stop that is not served is, with its mate, or instead of another."""
    if tours.kind[stop] >= FIRST:
        return _sequence_anew(tours, search, stop)
    other = np.random.randint(len(tours.kind))
    who = search.carer[other, 0]
    if who < 0 or tours.left_out[other] < 0 or tours.kind[other] != SINGLE or tours.kind[stop] != SINGLE:
        return _relocate(search, stop)
    if not tours.able[stop, 0, who]:
        return False
    to = search.at[other]
    return _wish(search, 0, other, to, -1, -1) and _wish(search, 1, stop, to, who, -1)


@_inner
def _leave_out(tours: Tours, search: _Search, stop: int) -> bool:
    if tours.left_out[stop] < 0:
        return False
    _wish(search, 0, stop, search.at[stop], -1, -1)
    mate = tours.mate[stop]
    return mate < 0 or _wish(search, 1, mate, search.at[mate], -1, -1)


@_inner
def _break_anew(tours: Tours, search: _Search) -> bool:
    """A carer's break goes elsewhere, seldom nowhere."""
    who = np.random.randint(len(tours.leaves))
    if not tours.owed[who]:
        return False
    rest = np.int64(NEVER)
    if np.random.random() > 0.03:
        rest = tours.pause[0] + np.int64(np.random.random() * (tours.pause[1] - tours.pause[0] + 1))
    search.now[_RESTED], search.now[_REST], search.rest[who] = who, search.rest[who], rest
    _touch_rest(search, search.head[who])
    _touch_day(search, who)
    return True


@_inner
def _touch_rest(search: _Search, entry: int) -> None:
    if entry >= 0:
        search.now[_BEGIN] = min(search.now[_BEGIN], search.at[entry >> 1])
    while entry >= 0:
        _touch(search, entry)
        entry = search.after[entry >> 1, entry & 1]


@_inner
def _to_the_idlest(tours: Tours, search: _Search, stop: int) -> bool:
    """A stop for one carer goes to whoever is idle longest."""
    idlest = 0
    for who in range(len(tours.leaves)):
        if search.day[who, _D_IDLE] > search.day[idlest, _D_IDLE]:
            idlest = who
    if tours.kind[stop] == TOGETHER or not tours.able[stop, 0, idlest] or search.carer[stop, 0] == idlest:
        return False
    return _wish(search, 0, stop, _DRAWN, idlest, -1)


@_inner
def _cross(search: _Search, one: int, behind: int, ahead: int, two: int, before: int, after: int) -> None:
    """The routes .. behind | ahead .. and .. before | after .. change what follows the bar."""
    if behind >= 0:
        search.after[behind >> 1, behind & 1] = after
    else:
        search.head[one] = after
    if before >= 0:
        search.after[before >> 1, before & 1] = ahead
    else:
        search.head[two] = ahead
    if after >= 0:
        search.before[after >> 1, after & 1] = behind
    if ahead >= 0:
        search.before[ahead >> 1, ahead & 1] = before
    entry = after
    while entry >= 0:
        search.carer[entry >> 1, entry & 1] = one
        entry = search.after[entry >> 1, entry & 1]
    entry = ahead
    while entry >= 0:
        search.carer[entry >> 1, entry & 1] = two
        entry = search.after[entry >> 1, entry & 1]


@_inner
def _rest_fits(tours: Tours, search: _Search, entry: int, who: int) -> bool:
    while entry >= 0:
        if not tours.able[entry >> 1, entry & 1, who]:
            return False
        entry = search.after[entry >> 1, entry & 1]
    return True


@_inner
def _rest_stands(tours: Tours, search: _Search, entry: int) -> bool:
    while entry >= 0:
        if not _stands(tours, search, entry >> 1):
            return False
        entry = search.after[entry >> 1, entry & 1]
    return True


@_inner
def _rests(tours: Tours, search: _Search, stop: int, near: int, cut: Ints) -> bool:
    """From a stop on, its carer's day changes hands with another's from about that moment on. `cut`: for undoing."""
    slot = np.random.randint(2) if tours.kind[stop] == TOGETHER else 0
    one, two = search.carer[stop, slot], np.random.randint(len(tours.leaves))
    if np.random.random() < _NEAR:
        _, two = _neighbour(search, stop)
    if one == two or two < 0:
        return False
    ahead, behind = 2 * stop + slot, search.before[stop, slot]
    moment = search.start[stop] + np.int64((np.random.random() - 0.5) * 0.5 * near)
    before, after = -1, search.head[two]
    while after >= 0 and search.start[after >> 1] < moment:
        before, after = after, search.after[after >> 1, after & 1]
    if before >= 0 and search.at[before >> 1] > search.at[stop]:
        return False
    if behind >= 0 and after >= 0 and search.at[behind >> 1] > search.at[after >> 1]:
        return False
    if not _rest_fits(tours, search, ahead, two) or not _rest_fits(tours, search, after, one):
        return False
    _cross(search, one, behind, ahead, two, before, after)
    if not _rest_stands(tours, search, ahead) or not _rest_stands(tours, search, after):
        _cross(search, one, behind, after, two, before, ahead)
        return False
    cut[:] = one, behind, ahead, two, before, after
    if len(tours.dislike):
        search.now[_PRICED] += _taste(tours, search, ahead, two, one) + _taste(tours, search, after, one, two)
    search.now[_WAY] += _joint(tours, one, behind, after) + _joint(tours, two, before, ahead)
    search.now[_WAY] -= _joint(tours, one, behind, ahead) + _joint(tours, two, before, after)
    search.now[_WAY] += _homeward(tours, search, ahead, one, two) + _homeward(tours, search, after, two, one)
    for entry in (ahead, after):
        if tours.days:
            _touch_rest(search, entry)
        elif entry >= 0:
            _touch(search, entry)
            search.now[_BEGIN] = min(search.now[_BEGIN], search.at[entry >> 1])
    if tours.days:
        _touch_day(search, one)
        _touch_day(search, two)
    return True


@_inner
def _taste(tours: Tours, search: _Search, entry: int, new: int, old: int) -> int:
    """What a rest of a day costs more with one carer than with another, for those who are served."""
    more = 0
    while entry >= 0:
        stop, slot = entry >> 1, entry & 1
        more += tours.dislike[stop, slot, new] - tours.dislike[stop, slot, old]
        entry = search.after[stop, slot]
    return more


@_inner
def _joint(tours: Tours, who: int, behind: int, ahead: int) -> int:
    """The way between two neighbours; a carer without stops stays at home."""
    if behind < 0 and ahead < 0:
        return 0
    return tours.way[_place(tours, behind, tours.leaves[who]), _place(tours, ahead, tours.returns[who])]


@_inner
def _homeward(tours: Tours, search: _Search, entry: int, old: int, new: int) -> int:
    """What the way home of a rest of a day adds when it goes from one carer to another."""
    if entry < 0 or tours.returns[old] == tours.returns[new]:
        return 0
    while search.after[entry >> 1, entry & 1] >= 0:
        entry = search.after[entry >> 1, entry & 1]
    here = tours.place[entry >> 1]
    return tours.way[here, tours.returns[new]] - tours.way[here, tours.returns[old]]


@_inner
def _arrival(tours: Tours, search: _Search, stop: int, slot: int) -> tuple[int, int]:
    """When a slot's carer is there and has had what break comes before, the window's opening at the earliest; which break."""
    behind, who = search.before[stop, slot], search.carer[stop, slot]
    end, origin, had = tours.shift[who, 0], tours.leaves[who], NO_BREAK
    if behind >= 0:
        other = behind >> 1
        end, origin = search.start[other] + tours.lasts[other, behind & 1], tours.place[other]
        had = min(HAD, search.had[other, behind & 1])
    there, opens = end + tours.way[origin, tours.place[stop]], tours.opens[stop, search.window[stop]]
    ready = max(there, opens)
    if (
        not tours.days
        or had == HAD
        or not tours.owed[who]
        or ready + tours.lasts[stop, slot] <= search.rest[who]
    ):
        return ready, had
    earliest, latest, minutes = tours.pause[0], tours.pause[1], tours.pause[2]
    if max(there, earliest) <= latest:
        return max(max(there, earliest) + minutes, opens), HERE
    if behind >= 0 and max(end, earliest) <= latest:
        return max(max(end, earliest) + minutes + there - end, opens), THERE
    return ready, NO_BREAK


@_inner
def _lateness(tours: Tours, stop: int, start: int) -> tuple[int, int]:
    """Of both slots together, and the larger."""
    if start < 0:
        return 0, 0
    window = 0
    while window + 1 < tours.opens.shape[1] and tours.opens[stop, window + 1] <= start:
        window += 1
    over = start - tours.due[stop, window]
    late = max(np.int64(0), over + tours.counted[stop, 0])
    if tours.kind[stop] != TOGETHER:
        return late, late
    other = max(np.int64(0), over + tours.counted[stop, 1])
    return late + other, max(late, other)


@_inner
def _begin_at(tours: Tours, search: _Search, stop: int, start: int, had: int, other: int) -> None:
    """Set a start and the breaks before it, remember those before, and touch what follows."""
    if search.seen[stop] != search.now[_STEP]:
        search.seen[stop] = search.now[_STEP]
        number = search.now[_MOVED]
        search.changed[number], search.was[number, 0] = stop, search.start[stop]
        search.was[number, 1], search.was[number, 2] = search.had[stop, 0], search.had[stop, 1]
        search.now[_MOVED] += 1
    search.start[stop], search.had[stop, 0], search.had[stop, 1] = start, had, other
    lates, late = _lateness(tours, stop, start)
    search.now[_LATENESS] += lates - search.lates[stop]
    search.lates[stop], search.late[stop] = lates, late
    for slot in range(2 if tours.kind[stop] == TOGETHER else 1):
        _touch(search, search.after[stop, slot])
        if tours.days and search.carer[stop, slot] >= 0:
            _touch_day(search, search.carer[stop, slot])


@_inner
def _find_starts(tours: Tours, search: _Search) -> bool:
    """The earliest starts of all that is pending, in the stops' order. False when a sequence pushes itself on for ever."""
    position, turns = search.now[_BEGIN], 0
    while search.now[_PENDING] > 0:
        if position == len(search.order):
            return False
        stop = search.order[position]
        position += 1
        if not search.pending[stop]:
            continue
        search.pending[stop] = False
        search.now[_PENDING] -= 1
        if search.carer[stop, 0] < 0:
            if search.start[stop] >= 0:
                _begin_at(tours, search, stop, -1, NO_BREAK, NO_BREAK)
            continue
        start, had = _arrival(tours, search, stop, 0)
        other = NO_BREAK
        if tours.kind[stop] == TOGETHER:
            also, other = _arrival(tours, search, stop, 1)
            start = max(start, also)
        elif tours.kind[stop] == FIRST:
            mate = tours.mate[stop]
            if search.start[mate] >= 0 and search.carer[mate, 0] >= 0:
                start = max(start, _arrival(tours, search, mate, 0)[0] - tours.most[stop])
            _touch(search, 2 * mate)
        elif tours.kind[stop] == SECOND:
            mate = tours.mate[stop]
            first, mates = _arrival(tours, search, mate, 0)
            first = max(first, start - tours.most[stop])
            if first != search.start[mate]:
                _begin_at(tours, search, mate, first, mates, NO_BREAK)
                follower = search.after[mate, 0] >> 1
                if follower >= 0 and search.at[follower] < position:
                    # those behind the first start later too, and they may reach this stop
                    turns += 1
                    if turns > _TURNS:
                        return False
                    position = search.at[follower]
                    _touch(search, 2 * stop)
                    continue
            start = max(start, first + tours.least[stop])
        if start != search.start[stop] or had != search.had[stop, 0] or other != search.had[stop, 1]:
            _begin_at(tours, search, stop, start, had, other)
    return True


@_inner
def _room(tours: Tours, search: _Search, stop: int, slot: int) -> int:
    """How much later a stop may start without being late; one that another has to meet stays."""
    if tours.kind[stop] != SINGLE and tours.kind[stop] != APART:
        return 0
    window, start = 0, search.start[stop]
    while window + 1 < tours.opens.shape[1] and tours.opens[stop, window + 1] <= start:
        window += 1
    until = tours.due[stop, window] - tours.counted[stop, slot]
    if window + 1 < tours.opens.shape[1] and tours.opens[stop, window + 1] > start:
        until = min(until, tours.opens[stop, window + 1] - 1)  # the next may be over sooner
    return max(np.int64(0), until - start)


@_inner
def _count_day(tours: Tours, search: _Search, who: int) -> None:
    """What a carer's day is priced by. Who leaves late has the first starts put off as far as that makes nobody late.

    `waited`: all that lies between stops and is neither way nor break; `slack`: how much later the first may start.
    """
    opens, closes = tours.shift[who, 0], tours.shift[who, 1]
    earliest, latest, minutes = tours.pause[0], tours.pause[1], tours.pause[2]
    clock, place, entry = opens, tours.leaves[who], search.head[who]
    waited, slack, load, before = np.int64(0), np.int64(_FAR), np.int64(0), np.int64(0)
    missed, had = tours.owed[who], NO_BREAK
    if entry < 0:
        search.day[who, _D_WAITED], search.day[who, _D_OVER], search.day[who, _D_LOAD] = 0, 0, 0
        search.day[who, _D_IDLE], search.day[who, _D_MISSED] = closes - opens, missed
        return
    while entry >= 0:
        stop, slot = entry >> 1, entry & 1
        way, start, had = tours.way[place, tours.place[stop]], search.start[stop], search.had[stop, slot]
        gap = start - clock - way
        if had >= HERE:
            missed = False
            gap -= minutes
            slack = min(slack, waited + latest - (clock + way if had == HERE else clock))
        if had == HERE and search.before[stop, slot] < 0:
            # waiting behind a break that the day begins with is not priced
            waited = np.int64(0) if tours.leaves_late else max(np.int64(0), earliest - clock - way)
            before, slack = gap - waited, np.int64(_FAR)
        else:
            waited += gap
        slack = min(slack, waited + _room(tours, search, stop, slot))
        clock, place = start + tours.lasts[stop, slot], tours.place[stop]
        load += way + tours.lasts[stop, slot]
        entry = search.after[stop, slot]
    if missed and had == NO_BREAK and max(clock, earliest) <= latest and search.rest[who] < NEVER:
        missed = False
        slack = min(slack, waited + latest - clock)
        waited += max(np.int64(0), earliest - clock)
        clock = max(clock, earliest) + minutes
    way = tours.way[place, tours.returns[who]]
    clock += way
    put_off = min(slack, waited) if tours.leaves_late else np.int64(0)
    search.day[who, _D_WAITED], search.day[who, _D_OVER] = waited - put_off, max(np.int64(0), clock - closes)
    search.day[who, _D_IDLE] = before + waited + max(np.int64(0), closes - clock)
    search.day[who, _D_MISSED], search.day[who, _D_LOAD] = missed, load + way


@_inner
def _sum_day(search: _Search, who: int, sign: int) -> None:
    search.now[_WAITED] += sign * search.day[who, _D_WAITED]
    search.now[_OVERTIME] += sign * search.day[who, _D_OVER]
    search.now[_MISSES] += sign * search.day[who, _D_MISSED]


@_inner
def _count_days(tours: Tours, search: _Search) -> None:
    for number in range(search.now[_DAYS]):
        who = search.touched[number]
        for part in range(_DAY):
            search.day_was[who, part] = search.day[who, part]
        _sum_day(search, who, -1)
        _count_day(tours, search, who)
        _sum_day(search, who, 1)
    search.now[_COUNTED] = search.now[_DAYS]


@_inner
def _cost(tours: Tours, search: _Search) -> int:
    worst = np.int64(0)
    for late in search.late:
        worst = max(worst, late)
    price, now = tours.price, search.now
    cost = price[TRAVEL] * now[_WAY] + price[LATE] * now[_LATENESS] + price[WORST] * worst + now[_PRICED]
    if not tours.days:
        return cost
    cost += price[WAITING] * now[_WAITED] + price[OVER] * now[_OVERTIME] + price[MISSED] * now[_MISSES]
    if price[IDLE] > 0:
        idlest = np.int64(0)
        for who in range(len(search.day)):
            idlest = max(idlest, search.day[who, _D_IDLE])
        cost += price[IDLE] * idlest
    if price[UNEVEN] > 0:
        cost += price[UNEVEN] * _unevenness(tours, search)
    return cost


@_inner
def _unevenness(tours: Tours, search: _Search) -> int:
    """The sum over carers of the whole minutes, rounded up, that their work is off the mean."""
    carers, total, uneven = len(search.day), np.int64(0), np.int64(0)
    for who in range(carers):
        total += search.day[who, _D_LOAD]
    unit = carers * tours.minute
    for who in range(carers):
        uneven += (abs(carers * search.day[who, _D_LOAD] - total) + unit - 1) // unit
    return uneven * tours.minute


@_inner
def _exchange(tours: Tours, search: _Search, near: int, cut: Ints) -> tuple[bool, bool]:
    """Try one: whether there is something to judge, and whether rests of days are crossed."""
    draw, stop = np.random.random(), np.random.randint(len(tours.kind))
    crossed = False
    if tours.days and search.carer[stop, 0] < 0:
        done = _serve(tours, search, stop)
    elif tours.days and np.random.random() < _FURTHER:
        if draw < _LEAVE_OUT:
            done = _leave_out(tours, search, stop)
        elif draw < _BREAK:
            done = _break_anew(tours, search)
        else:
            done = _to_the_idlest(tours, search, stop)
    elif draw < _SHARES[_BESIDE]:
        done = _beside(search, stop)
    elif draw < _SHARES[_RELOCATE]:
        done = _relocate(search, stop)
    elif draw < _SHARES[_REASSIGN]:
        done = _reassign(tours, search, stop)
    elif draw < _SHARES[_SWAP]:
        done = _swap(tours, search, stop, near)
    elif draw < _SHARES[_SEQUENCE]:
        done = _sequence_anew(tours, search, stop)
    else:
        done = crossed = _rests(tours, search, stop, near, cut)
    done = done and _fulfil(tours, search, near)
    for number in range(search.now[_MOVES]):
        done = done and _stands(tours, search, search.moved[number, 0])
    return done, crossed


@_inner
def _undo(tours: Tours, search: _Search, crossed: bool, cut: Ints) -> None:
    """All that a step changed but its sums."""
    for number in range(search.now[_COUNTED]):
        who = search.touched[number]
        for part in range(_DAY):
            search.day[who, part] = search.day_was[who, part]
    for number in range(search.now[_MOVED] - 1, -1, -1):
        stop = search.changed[number]
        search.start[stop] = search.was[number, 0]
        search.had[stop, 0], search.had[stop, 1] = search.was[number, 1], search.was[number, 2]
        search.lates[stop], search.late[stop] = _lateness(tours, stop, search.start[stop])
    if search.now[_RESTED] >= 0:
        search.rest[search.now[_RESTED]] = search.now[_REST]
    if crossed:
        _cross(search, cut[0], cut[1], cut[5], cut[3], cut[4], cut[2])
    _take_back(tours, search)


@njit(cache=True, nogil=True)
def anneal(
    tours: Tours,
    neighbours: Ints,
    routes: Routes,
    steps: int,
    hot: float,
    cold: float,
    near: int,
    seed: int,
    halt: Bools,
) -> tuple[int, Routes, Ints, Ints]:
    """The best plan met in so many steps from `routes` on, whose starts must be to be found: its cost, the plan, its earliest
    starts (n; -1 not served) and the breaks (n, 2) before its slots.

    `hot`, `cold`: the cost that an exchange may add at the beginning and the end, about once in three times. `near`: how
    far apart in time stops may lie that change places. The same arguments give the same plan, unless somebody sets `halt`
    (1) meanwhile.
    """
    np.random.seed(seed)
    search = _search_of(tours, neighbours, routes)
    n = len(tours.kind)
    cost = least = np.int64(_NONE)
    best = Routes(search.order.copy(), search.carer.copy(), search.window.copy(), search.rest.copy())
    starts, breaks = search.start.copy(), search.had.copy()
    cut, kept = np.full(6, -1), search.now.copy()
    heat, cooling = hot, (cold / hot) ** (1.0 / max(1, steps))
    for step in range(-1, steps if n else 0):
        done, crossed = True, False
        if step >= 0:
            if step & _LOOK == 0 and halt[0]:
                break
            heat *= cooling
            search.now[_WISHES], search.now[_MOVES], search.now[_MOVED], search.now[_BEGIN] = 0, 0, 0, n
            search.now[_STEP], search.now[_DAYS], search.now[_COUNTED], search.now[_RESTED] = step, 0, 0, -1
            kept[:] = search.now
            done, crossed = _exchange(tours, search, near, cut)
        if done and _find_starts(tours, search):
            if tours.days:
                _count_days(tours, search)
            new = _cost(tours, search)
            if new <= cost or np.random.random() < np.exp((cost - new) / heat):
                cost = new
                if cost < least:
                    least, starts[:], breaks[:] = cost, search.start, search.had
                    best.order[:], best.carer[:] = search.order, search.carer
                    best.window[:], best.rest[:] = search.window, search.rest
                continue
        _undo(tours, search, crossed, cut)
        search.now[:] = kept
    return least, best, starts, breaks
