"""What a search for duties is told of each person's day, and what it finds."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.solver.candidates import (
    C_BASED,
    C_SPEED,
    C_X,
    C_Y,
    P_DETOUR,
    V_REMOTE,
    V_X,
    V_Y,
    Ints,
    Tables,
    root_up,
)

LONGEST = 40  # visits in one duty that a column can hold
MILLI = 1000


class People(NamedTuple):
    """What each person's day already holds, by person row.

    Chain: the day's fixed visits in order, and (unpriced) the next one of a later day. `clock`, `ready`, `there`: when
    the last visit of earlier days lets the person go and, if `away`, from where. `used`, `cap`: minutes done on the day
    and the least limit that already binds; `carer_cap` the limit by carer row. `vol`, `vol_cap`: volunteer visits
    done and still allowed. `few`: volunteers only, with so few visits a day that every choice can be looked at.
    """

    chain_at: Ints
    chain: Ints  # start, end, remote, x, y, end x, end y, speed, based, base x, base y, priced
    clock: Ints
    ready: Ints
    away: NDArray[np.bool_]
    there: Ints
    used: Ints
    cap: Ints
    carer_cap: Ints
    vol: Ints
    vol_cap: Ints
    zero: int  # minute at which the label clock starts
    few: NDArray[np.bool_]


class Found(NamedTuple):
    """Duties found and bounds proven, by position in the list of persons asked for.

    `value`: what was looked for; `worth`: milli-points beyond what visits and units cost under the duals.
    """

    bound: Ints
    count: Ints
    value: Ints
    worth: Ints
    points: Ints
    length: Ints
    item: Ints
    line: Ints
    start: Ints
    merged: Ints


@njit(cache=True)
def minutes_between(ax: int, ay: int, bx: int, by: int, detour: int, speed: int) -> int:
    dx, dy = ax - bx, ay - by
    return -((-root_up(dx * dx + dy * dy) * detour) // (100 * speed))


@njit(cache=True)
def from_base(tables: Tables, row: int, c: int) -> int:
    """Minutes from a carer's base to a visit, rows of the tables; none where there is no place to go from or to."""
    visit, carer = tables.visit, tables.carer
    if visit[row, V_REMOTE] or not carer[c, C_BASED]:
        return np.int64(0)
    return minutes_between(
        carer[c, C_X],
        carer[c, C_Y],
        visit[row, V_X],
        visit[row, V_Y],
        tables.price[P_DETOUR],
        carer[c, C_SPEED],
    )


@njit(cache=True)
def chain_cost(people: People, p: int, detour: int, travel: int) -> int:
    """Points of the way through the fixed visits alone."""
    cost, away, x, y = 0, False, 0, 0
    for k in range(people.chain_at[p], people.chain_at[p + 1]):
        f = people.chain[k]
        if f[2] or not f[11]:
            continue
        if away:
            cost += travel * minutes_between(x, y, f[3], f[4], detour, f[7])
        elif f[8]:
            cost += travel * minutes_between(f[9], f[10], f[3], f[4], detour, f[7])
        away, x, y = True, f[5], f[6]
    return cost
