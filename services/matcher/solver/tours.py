"""Tours of whole days as a problem: long days, late starts at a price, visits that two must meet at, breaks, overtime."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SINGLE, TOGETHER, FIRST, SECOND, APART = range(5)
TRAVEL, LATE, WORST, WAITING, OVER, IDLE, MISSED, UNEVEN = range(8)  # prices
NO_BREAK, HAD, HERE, THERE = range(
    4
)  # before a stop: none yet, earlier, just before it at its place, at the place before
NEVER = 2**40  # as `rest`: no break


class Tours(NamedTuple):
    """A problem of `n` stops, `c` carers and `p` places; every time, way and price is a whole number, times in one unit.

    `kind` (n): by one carer, by two together, the first or second of two in sequence, or one of two by different carers
    whenever, `mate` (n) being the other (-1). `place` (n); `lasts` (n, 2): by slot. `least`, `most` (n): from the start of a
    sequence's first to that of its second; both have it.
    `opens`, `due` (n, w): windows in order, the last repeated. Nothing starts before the first; late is what exceeds `due` of
    the last that opens by the start: the start and as much of the slot's length as `counted` (n, 2) says.
    `able` (n, 2, c): who can do which slot; `dislike` (n, 2, c) at a price, or (0, 2, c) for none.
    `left_out` (n): the price of not serving a stop (and its mate, whose own is 0); -1 where it must be served.
    `way` (p, p); `leaves`, `returns` (c): where carers begin and end. `shift` (c, 2): from when, and till when they ought to.
    `owed` (c): who is to have a break; `pause` (3): its earliest and latest start and its length.
    `price` (8): of a unit of travel, of lateness in each slot, of the largest lateness, of waiting at stops, of overtime, of
    the largest idle time of a carer, of a missed break, of each whole `minute` of a day's work more or less than the mean's.
    `leaves_late`: carers leave as late as their first start allows, otherwise as their shift begins. `days`: whether
    any stop may be left out or anything from `shift` on matters; if not, it is not counted.
    """

    kind: Ints
    mate: Ints
    place: Ints
    lasts: Ints
    least: Ints
    most: Ints
    opens: Ints
    due: Ints
    counted: Ints
    able: Bools
    dislike: Ints
    left_out: Ints
    way: Ints
    leaves: Ints
    returns: Ints
    shift: Ints
    owed: Bools
    pause: Ints
    price: Ints
    minute: int
    leaves_late: bool
    days: bool


class Routes(NamedTuple):
    """A plan: `order` (n) of the stops, `carer` (n, 2) of each slot, -1 where a slot is none or not served, `window` (n): the
    window before which a stop does not start, `rest` (c): the break comes before the first stop that would end after this."""

    order: Ints
    carer: Ints
    window: Ints
    rest: Ints
