"""Whole tours by simulated annealing, compiled: for long days, late starts at a price, visits that two must meet at.

A plan is one order of all stops, which every carer's route keeps, and who does each: whatever is exchanged, no two carers
wait for each other for ever. Ceschia, Di Gaspero, Rosati & Schaerf (2024) order patients; here the two visits of a sequence
are two stops, so that others may lie between. Starts are the earliest that hold; an exchange moves those behind it only.
Of the exchanges, that of two carers' whole rest of the day is worth most: without it a run of 10 million steps ended 2 to 7 %
above the best known plan of instance E5 of HHCRSP, with it at -0.1 to 2 %.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SINGLE, TOGETHER, FIRST, SECOND = range(4)

_TRAVEL, _LATE, _WORST = range(3)  # prices
_PENDING, _BEGIN, _WAY, _LATENESS, _MOVES, _MOVED = range(6)  # what a step has in hand
_TURNS = 30  # how often a sequence may push its own beginning back before the exchange is given up
_RELOCATE, _REASSIGN, _SWAP, _SEQUENCE, _REST = range(5)  # exchanges
_SHARES = (
    0.45,
    0.65,
    0.82,
    0.90,
)  # of the draws, up to which each is tried; the rest exchanges rests of days


_Function = TypeVar("_Function", bound=Callable[..., Any])


def _inner(function: _Function) -> _Function:
    """Compiled into its callers; nothing in it makes an array, so none is counted: counting took 5/6 of the time."""
    options: dict[str, Any] = {"cache": True, "nogil": True, "forceinline": True, "_nrt": False}
    return cast(_Function, njit(**options)(function))


class Tours(NamedTuple):
    """A problem of `n` stops, `c` carers and `p` places; every time, way and price is a whole number, times in one unit.

    `kind` (n): by one carer, by two together, or the first or second of two in sequence, `mate` (n) being the other (-1).
    `place` (n); `opens` (n): the earliest start; `due` (n): a later start is late. `lasts` (n, 2): by slot.
    `least`, `most` (n): from the start of a sequence's first to that of its second; both have it.
    `able` (n, 2, c): who can do which slot. `way` (p, p); `leaves`, `returns` (c): where carers begin and end.
    `price` (3): of a unit of travel, of a unit of lateness in each slot, of a unit of the largest lateness.
    """

    kind: Ints
    mate: Ints
    place: Ints
    opens: Ints
    due: Ints
    lasts: Ints
    least: Ints
    most: Ints
    able: Bools
    way: Ints
    leaves: Ints
    returns: Ints
    price: Ints


class Routes(NamedTuple):
    """A plan: `order` (n) of the stops and `carer` (n, 2) of each slot, -1 where a slot is none."""

    order: Ints
    carer: Ints


class _Search(NamedTuple):
    """What a run changes. A slot in a route is `2 * stop + slot`; `before`, `after`: its neighbours, -1 at the ends."""

    order: Ints
    at: Ints
    carer: Ints
    before: Ints
    after: Ints
    head: Ints
    start: Ints
    late: Ints
    pending: Bools
    now: Ints
    moved: Ints  # (moves, 4): stop, position and carers before, for undoing
    seen: Ints
    changed: Ints
    was: Ints


@njit(cache=True, nogil=True)
def _search_of(tours: Tours, routes: Routes) -> _Search:
    n, carers = len(tours.kind), len(tours.leaves)
    search = _Search(
        routes.order.copy(),
        np.empty(n, np.int64),
        routes.carer.copy(),
        np.full((n, 2), -1),
        np.full((n, 2), -1),
        np.full(carers, -1),
        np.full(n, -1),
        np.zeros(n, np.int64),
        np.ones(n, np.bool_),
        np.zeros(6, np.int64),
        np.empty((4, 4), np.int64),
        np.full(n, -1),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
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
    search.now[_PENDING] = n
    return search


@_inner
def _place(tours: Tours, entry: int, end: int) -> int:
    return end if entry < 0 else tours.place[entry >> 1]


@_inner
def _detour(tours: Tours, search: _Search, stop: int, slot: int) -> int:
    """The travel that a slot adds between its neighbours."""
    who = search.carer[stop, slot]
    origin = _place(tours, search.before[stop, slot], tours.leaves[who])
    goal = _place(tours, search.after[stop, slot], tours.returns[who])
    here = tours.place[stop]
    return tours.way[origin, here] + tours.way[here, goal] - tours.way[origin, goal]


@_inner
def _touch(search: _Search, entry: int) -> None:
    """The start of a slot's stop is to be found anew."""
    if entry >= 0 and not search.pending[entry >> 1]:
        search.pending[entry >> 1] = True
        search.now[_PENDING] += 1


@_inner
def _leave(tours: Tours, search: _Search, stop: int, slot: int) -> None:
    """Take a slot out of its route."""
    search.now[_WAY] -= _detour(tours, search, stop, slot)
    behind, ahead = search.before[stop, slot], search.after[stop, slot]
    if behind < 0:
        search.head[search.carer[stop, slot]] = ahead
    else:
        search.after[behind >> 1, behind & 1] = ahead
    if ahead >= 0:
        search.before[ahead >> 1, ahead & 1] = behind
    search.carer[stop, slot] = -1
    _touch(search, ahead)


@_inner
def _join(tours: Tours, search: _Search, stop: int, slot: int, who: int) -> None:
    """Enter a slot into a route where the order of stops says."""
    behind = -1
    for position in range(search.at[stop] - 1, -1, -1):
        other = search.order[position]
        if search.carer[other, 0] == who:
            behind = 2 * other
            break
        if search.carer[other, 1] == who:
            behind = 2 * other + 1
            break
    entry = 2 * stop + slot
    if behind < 0:
        ahead = search.head[who]
        search.head[who] = entry
    else:
        ahead = search.after[behind >> 1, behind & 1]
        search.after[behind >> 1, behind & 1] = entry
    if ahead >= 0:
        search.before[ahead >> 1, ahead & 1] = entry
    search.before[stop, slot], search.after[stop, slot], search.carer[stop, slot] = behind, ahead, who
    search.now[_WAY] += _detour(tours, search, stop, slot)
    _touch(search, ahead)


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
def _place_anew(tours: Tours, search: _Search, stop: int, to: int, one: int, two: int) -> None:
    """Give a stop a position and carers."""
    _leave(tours, search, stop, 0)
    if two >= 0:
        _leave(tours, search, stop, 1)
    _shift(search, stop, to)
    _join(tours, search, stop, 0, one)
    if two >= 0:
        _join(tours, search, stop, 1, two)


@_inner
def _move(tours: Tours, search: _Search, stop: int, to: int, one: int, two: int) -> None:
    """As `_place_anew`, remembered for undoing."""
    number = search.now[_MOVES]
    search.moved[number, 0], search.moved[number, 1] = stop, search.at[stop]
    search.moved[number, 2], search.moved[number, 3] = search.carer[stop, 0], search.carer[stop, 1]
    search.now[_MOVES] += 1
    search.now[_BEGIN] = min(search.now[_BEGIN], search.at[stop], to)
    _place_anew(tours, search, stop, to, one, two)
    _touch(search, 2 * stop)


@_inner
def _take_back(tours: Tours, search: _Search) -> None:
    """Undo the step's moves; nothing is left pending."""
    for number in range(search.now[_MOVES] - 1, -1, -1):
        stop, to, one, two = search.moved[number]
        _place_anew(tours, search, stop, to, one, two)
    search.pending[:] = False
    search.now[_PENDING] = 0


@_inner
def _stands(tours: Tours, search: _Search, stop: int) -> bool:
    """Whether those who must be two are two, and a sequence in its order."""
    if tours.kind[stop] == TOGETHER:
        return search.carer[stop, 0] != search.carer[stop, 1]
    if tours.kind[stop] == SINGLE:
        return True
    mate = tours.mate[stop]
    ahead = search.at[stop] < search.at[mate]
    return ahead == (tours.kind[stop] == FIRST) and search.carer[stop, 0] != search.carer[mate, 0]


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
        if draw < 0.35:
            one = search.carer[stop, 0]
        elif draw < 0.7:
            two = search.carer[stop, 1]
    return one, two


@_inner
def _position(tours: Tours, search: _Search, stop: int, who: int, near: int) -> int:
    """A position for a stop before one of the carer's stops that is near in time, or behind the last."""
    aim = search.start[stop]
    if np.random.random() < 0.5:
        aim = tours.opens[stop] + np.int64(np.random.random() * (tours.due[stop] - tours.opens[stop]))
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
def _relocate(tours: Tours, search: _Search, stop: int, near: int) -> bool:
    one, two = _pair_anew(tours, search, stop)
    if one == two:
        return False
    to = _position(tours, search, stop, one, near)
    if to == search.at[stop] and one == search.carer[stop, 0] and two == search.carer[stop, 1]:
        return False
    _move(tours, search, stop, to, one, two)
    return True


@_inner
def _reassign(tours: Tours, search: _Search, stop: int) -> bool:
    one, two = _pair_anew(tours, search, stop)
    if one == two or (one == search.carer[stop, 0] and two == search.carer[stop, 1]):
        return False
    _move(tours, search, stop, search.at[stop], one, two)
    return True


@_inner
def _swap(tours: Tours, search: _Search, stop: int, near: int) -> bool:
    """Two stops for one carer each change places."""
    other = np.random.randint(len(tours.kind))
    if stop == other or tours.kind[stop] == TOGETHER or tours.kind[other] == TOGETHER:
        return False
    if abs(search.start[stop] - search.start[other]) > 2 * near:
        return False
    one, two = search.carer[stop, 0], search.carer[other, 0]
    if not tours.able[stop, 0, two] or not tours.able[other, 0, one]:
        return False
    if search.at[stop] > search.at[other]:
        stop, other, one, two = other, stop, two, one
    first, second = search.at[stop], search.at[other]
    _move(tours, search, stop, second, two, -1)
    _move(tours, search, other, first, one, -1)
    return True


@_inner
def _sequence_anew(tours: Tours, search: _Search, stop: int, near: int) -> bool:
    """Both visits of a sequence go elsewhere."""
    if tours.kind[stop] < FIRST:
        return False
    first = stop if tours.kind[stop] == FIRST else tours.mate[stop]
    return _relocate(tours, search, first, near) and _relocate(tours, search, tours.mate[first], near)


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
    if one == two:
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
    search.now[_WAY] += _joint(tours, one, behind, after) + _joint(tours, two, before, ahead)
    search.now[_WAY] -= _joint(tours, one, behind, ahead) + _joint(tours, two, before, after)
    search.now[_WAY] += _homeward(tours, search, ahead, one, two) + _homeward(tours, search, after, two, one)
    for entry in (ahead, after):
        _touch(search, entry)
        if entry >= 0:
            search.now[_BEGIN] = min(search.now[_BEGIN], search.at[entry >> 1])
    return True


@_inner
def _joint(tours: Tours, who: int, behind: int, ahead: int) -> int:
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
def _arrival(tours: Tours, search: _Search, stop: int, slot: int) -> int:
    """When a slot's carer is there; the window's opening at the earliest."""
    behind = search.before[stop, slot]
    if behind < 0:
        there = tours.way[tours.leaves[search.carer[stop, slot]], tours.place[stop]]
    else:
        other = behind >> 1
        there = search.start[other] + tours.lasts[other, behind & 1]
        there += tours.way[tours.place[other], tours.place[stop]]
    return max(there, tours.opens[stop])


@_inner
def _begin_at(tours: Tours, search: _Search, stop: int, start: int, step: int) -> None:
    """Set a start, remember the one before, and touch what follows."""
    if search.seen[stop] != step:
        search.seen[stop] = step
        search.changed[search.now[_MOVED]], search.was[search.now[_MOVED]] = stop, search.start[stop]
        search.now[_MOVED] += 1
    search.start[stop] = start
    late = max(np.int64(0), start - tours.due[stop])
    slots = 2 if tours.kind[stop] == TOGETHER else 1
    search.now[_LATENESS] += slots * (late - search.late[stop])
    search.late[stop] = late
    _touch(search, search.after[stop, 0])
    if slots == 2:
        _touch(search, search.after[stop, 1])


@_inner
def _find_starts(tours: Tours, search: _Search, step: int) -> bool:
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
        start = _arrival(tours, search, stop, 0)
        if tours.kind[stop] == TOGETHER:
            start = max(start, _arrival(tours, search, stop, 1))
        elif tours.kind[stop] == FIRST:
            mate = tours.mate[stop]
            if search.start[mate] >= 0:
                start = max(start, _arrival(tours, search, mate, 0) - tours.most[stop])
            _touch(search, 2 * mate)
        elif tours.kind[stop] == SECOND:
            mate = tours.mate[stop]
            first = max(_arrival(tours, search, mate, 0), start - tours.most[stop])
            if first != search.start[mate]:
                _begin_at(tours, search, mate, first, step)
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
        if start != search.start[stop]:
            _begin_at(tours, search, stop, start, step)
    return True


@_inner
def _cost(tours: Tours, search: _Search) -> int:
    worst = np.int64(0)
    for late in search.late:
        worst = max(worst, late)
    price = tours.price
    return price[_TRAVEL] * search.now[_WAY] + price[_LATE] * search.now[_LATENESS] + price[_WORST] * worst


@njit(cache=True, nogil=True)
def anneal(
    tours: Tours, routes: Routes, steps: int, hot: float, cold: float, near: int, seed: int
) -> tuple[int, Routes, Ints]:
    """The best plan met in so many steps from `routes` on, whose starts must be to be found, and its cost and starts (n).

    `hot`, `cold`: the cost that an exchange may add at the beginning and the end, about once in three times. `near`: how
    far apart in time stops may lie that change places. The same arguments give the same plan.
    """
    np.random.seed(seed)
    search = _search_of(tours, routes)
    _find_starts(tours, search, -1)
    n = len(tours.kind)
    cost = _cost(tours, search)
    least, best, starts = cost, Routes(search.order.copy(), search.carer.copy()), search.start.copy()
    cut = np.full(6, -1)
    heat, cooling = hot, (cold / hot) ** (1.0 / max(1, steps))
    for step in range(steps if n else 0):
        heat *= cooling
        way, lateness = search.now[_WAY], search.now[_LATENESS]
        search.now[_MOVES], search.now[_MOVED], search.now[_BEGIN] = 0, 0, n
        draw, stop = np.random.random(), np.random.randint(n)
        crossed = False
        if draw < _SHARES[_RELOCATE]:
            done = _relocate(tours, search, stop, near)
        elif draw < _SHARES[_REASSIGN]:
            done = _reassign(tours, search, stop)
        elif draw < _SHARES[_SWAP]:
            done = _swap(tours, search, stop, near)
        elif draw < _SHARES[_SEQUENCE]:
            done = _sequence_anew(tours, search, stop, near)
        else:
            done = crossed = _rests(tours, search, stop, near, cut)
        for number in range(search.now[_MOVES]):
            done = done and _stands(tours, search, search.moved[number, 0])
        if done and _find_starts(tours, search, step):
            new = _cost(tours, search)
            if new <= cost or np.random.random() < np.exp((cost - new) / heat):
                cost = new
                if cost < least:
                    least = cost
                    best.order[:], best.carer[:], starts[:] = search.order, search.carer, search.start
                continue
        for number in range(search.now[_MOVED] - 1, -1, -1):
            stop = search.changed[number]
            search.start[stop] = search.was[number]
            search.late[stop] = max(np.int64(0), search.was[number] - tours.due[stop])
        if crossed:
            _cross(search, cut[0], cut[1], cut[5], cut[3], cut[4], cut[2])
        _take_back(tours, search)
        search.now[_WAY], search.now[_LATENESS] = way, lateness
    return least, best, starts
