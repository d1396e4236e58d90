"""Prices to begin from: an auction in which every visit bids for the person with whom it is worth most.

Ways from visit to visit and clashes of time are left out. What is left is an assignment of visits to persons, of whom each
takes as many as a day may hold, and an auction solves it within a few points a visit, in hundredths of a second where
there are more persons than visits (Bertsekas, 1992: forward auction from prices of nothing). What a visit keeps after the
auction is nearly its dual in the linear program over all duties.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.solver.candidates import (
    C_BASED,
    C_CAPACITY,
    C_SPEED,
    C_X,
    C_Y,
    P_DETOUR,
    P_REPEAT,
    P_TRAVEL,
    V_MINUTES,
    V_REMOTE,
    V_X,
    V_Y,
    Ints,
    Items,
    Starts,
    Tables,
)
from services.matcher.solver.duties import MILLI, People, minutes_between

_STEP = MILLI  # milli-points by which a bid exceeds what it must
_MOST_BIDS = 200  # for each visit; then whoever was outbid stays away
_WAY = 15  # minutes that a visit of a tour takes beyond its own
_NEVER = np.int64(-(1 << 50))


class Auctioned(NamedTuple):
    """What the auction says. `kept`: milli-points that a visit (each half of a visit for two) keeps, by local row.

    `net`: what an item would be worth at the persons' prices, in milli-points. `won`: whether its visit won it.
    """

    kept: Ints
    net: Ints
    won: NDArray[np.bool_]


@njit(cache=True)
def auction(
    tables: Tables, items: Items, people: People, rows: Ints, starts: Starts, full: Ints, worth: Ints
) -> Auctioned:
    """Assign the day's visits (local rows of `rows`) to persons. `full`: points of each item; `worth`: of serving, by visit."""
    visits, persons, size = len(rows), len(items.person_at) - 1, len(items.visit)
    # the master row whose items are a visit's choices: of a visit for two its first start
    bids_as = np.arange(visits)
    for option in range(len(starts.visit) - 1, -1, -1):
        bids_as[starts.visit[option]] = visits + option
    bidder_of = np.full(visits + len(starts.visit), -1, np.int64)
    for v in range(visits):
        bidder_of[bids_as[v]] = v
    minutes = np.int64(0)
    for v in range(visits):
        minutes += tables.visit[rows[v], V_MINUTES]
    each = max(np.int64(1), minutes // max(1, visits) + _WAY)
    # what every item is worth alone, the way from home counted, and the choices of each visit
    net, by = np.empty(size, np.int64), np.empty(size, np.int64)
    at = np.zeros(visits + 1, np.int64)
    place_at = np.zeros(persons + 1, np.int64)
    repeat = np.int64(tables.price[P_REPEAT] * MILLI)
    for p in range(persons):
        room = np.int64(0)
        for i in range(items.person_at[p], items.person_at[p + 1]):
            v, c = items.visit[i], items.carer[i]
            row = rows[v]
            value = full[i] * MILLI
            if starts.double[v]:
                value += worth[v] * MILLI // 2
            if not tables.visit[row, V_REMOTE] and tables.carer[c, C_BASED]:
                way = minutes_between(
                    tables.carer[c, C_X],
                    tables.carer[c, C_Y],
                    tables.visit[row, V_X],
                    tables.visit[row, V_Y],
                    tables.price[P_DETOUR],
                    tables.carer[c, C_SPEED],
                )
                value += tables.price[P_TRAVEL] * MILLI * way
            net[i], by[i] = value, p
            if bidder_of[items.slot_row[i]] >= 0:
                at[v + 1] += 1
            if people.few[p]:
                room = max(room, people.vol_cap[p])
            elif tables.carer[c, C_CAPACITY] == 0:
                room = max(room, min(people.vol_cap[p], (people.carer_cap[c] - people.used[p]) // each))
            else:
                room = max(room, (people.carer_cap[c] - people.used[p]) // each, np.int64(1))
        place_at[p + 1] = place_at[p] + max(np.int64(0), room)
    for v in range(visits):
        at[v + 1] += at[v]
    choices, filled = np.empty(at[-1], np.int64), at[:-1].copy()
    for i in range(size):
        v = bidder_of[items.slot_row[i]]
        if v >= 0:
            choices[filled[v]] = i
            filled[v] += 1
    places = place_at[-1]
    price, holder = np.zeros(places, np.int64), np.full(places, -1, np.int64)
    lowest = np.full(persons, -_NEVER, np.int64)  # a person's cheapest place, what repeating costs counted
    for p in range(persons):
        for s in range(place_at[p], place_at[p + 1]):
            if people.few[p] and (s > place_at[p] or people.vol[p] > 0):
                price[s] = -repeat
            lowest[p] = min(lowest[p], price[s])
    bidders = np.empty(2 * visits, np.int64)
    count = 0
    for v in range(visits):
        bidders[count] = v
        count += 1
        if starts.double[v]:
            bidders[count] = v
            count += 1
    holds = np.full(count, -1, np.int64)  # the item a bidder holds
    waiting, left = np.arange(count)[::-1].copy(), count
    bids = np.int64(0)
    while left > 0 and bids < _MOST_BIDS * count:
        left -= 1
        bidder = waiting[left]
        v = bidders[bidder]
        bids += 1
        best, second, item = np.int64(0), np.int64(0), np.int64(-1)
        for n in range(at[v], at[v + 1]):
            offer = net[choices[n]] - lowest[by[choices[n]]]
            if offer > best:
                second, best, item = best, offer, choices[n]
            elif offer > second:
                second = offer
        if item < 0:
            continue
        p = by[item]
        place, cheapest, next_cheapest = -1, -_NEVER, -_NEVER
        for s in range(place_at[p], place_at[p + 1]):
            if price[s] < cheapest:
                place, cheapest, next_cheapest = s, price[s], cheapest
            elif price[s] < next_cheapest:
                next_cheapest = price[s]
        second = max(second, best - (next_cheapest - cheapest))
        price[place] += best - second + _STEP
        if holder[place] >= 0:
            holds[holder[place]] = -1
            waiting[left] = holder[place]
            left += 1
        holder[place] = bidder
        holds[bidder] = item
        lowest[p] = min(price[place], next_cheapest)
    kept = np.zeros(visits, np.int64)
    won = np.zeros(size, np.bool_)
    for i in range(size):
        net[i] -= lowest[by[i]]
        v = items.visit[i]
        if bidder_of[items.slot_row[i]] >= 0:
            kept[v] = max(kept[v], net[i])
    for bidder in range(count):
        if holds[bidder] >= 0:
            won[holds[bidder]] = True
    return Auctioned(kept, net, won)


@njit(cache=True)
def among_best(slot_row: Ints, worth: Ints, rows: int, most: int) -> NDArray[np.bool_]:
    """Which items are worth as much as the `most`th of their row (there are `rows`)."""
    at = np.zeros(rows + 1, np.int64)
    for row in slot_row:
        at[row + 1] += 1
    for row in range(rows):
        at[row + 1] += at[row]
    grouped, filled = np.empty(len(worth), np.int64), at[:-1].copy()
    for i in range(len(worth)):
        grouped[filled[slot_row[i]]] = worth[i]
        filled[slot_row[i]] += 1
    least = np.full(rows, _NEVER)
    for row in range(rows):
        if at[row + 1] - at[row] > most:
            least[row] = np.sort(grouped[at[row] : at[row + 1]])[-most]
    best = np.empty(len(worth), np.bool_)
    for i in range(len(worth)):
        best[i] = worth[i] >= least[slot_row[i]]
    return best
