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
    C_CAPACITY,
    P_REPEAT,
    P_TRAVEL,
    V_MINUTES,
    Ints,
    Items,
    Starts,
    Tables,
)
from services.matcher.solver.duties import MILLI, People, from_base

_STEP = MILLI  # milli-points by which a bid exceeds what it must
_DEARER = 32  # part of a place's price by which it exceeds it too: scarce ones would take thousands of bids
_MOST_BIDS = 200  # for each visit; then whoever was outbid stays away
_MOST_LOOKS = 100_000_000  # at choices, all bids together: a second or two
_WAY = 15  # minutes that a visit of a tour takes beyond its own
_NEVER = np.int64(-(1 << 50))


class Auctioned(NamedTuple):
    """What an auction says. `kept`: milli-points that a visit (each half of a visit for two) keeps, by local row.

    `net`: what an item would be worth at the persons' prices, in milli-points. `won`: whether its visit won it.
    """

    kept: Ints
    net: Ints
    won: NDArray[np.bool_]


@njit(cache=True, nogil=True)
def auction(
    tables: Tables,
    items: Items,
    people: People,
    rows: Ints,
    starts: Starts,
    prize: Ints,
    worth: Ints,
) -> Auctioned:
    """Assign the day's visits (local rows of `rows`) to persons. `prize`: of each item in milli-points; `worth`: points of
    serving, by visit."""
    visits, persons, size = len(rows), len(items.person_at) - 1, len(items.visit)
    net = _alone(tables, items, rows, starts, prize, worth)
    by = np.empty(size, np.int64)
    for p in range(persons):
        by[items.person_at[p] : items.person_at[p + 1]] = p
    rooms = _rooms(tables, items, people, rows)
    place_at = np.zeros(persons + 1, np.int64)
    for p in range(persons):
        place_at[p + 1] = place_at[p] + rooms[p]
    price = np.zeros(place_at[-1], np.int64)
    repeat = np.int64(tables.price[P_REPEAT] * MILLI)
    for p in range(persons):
        if people.few[p]:
            for s in range(place_at[p], place_at[p + 1]):
                if s > place_at[p] or people.vol[p] > 0:
                    price[s] = -repeat
    bids = _bidding(items, starts, visits)
    holds, lowest = _bid(items.visit, bids, starts.double, net, by, place_at, price)
    kept = np.zeros(visits, np.int64)
    won = np.zeros(size, np.bool_)
    for i in range(size):
        net[i] -= lowest[by[i]]
        if bids[i]:
            kept[items.visit[i]] = max(kept[items.visit[i]], net[i])
    for item in holds:
        if item >= 0:
            won[item] = True
    return Auctioned(kept, net, won)


@njit(cache=True)
def _alone(tables: Tables, items: Items, rows: Ints, starts: Starts, prize: Ints, worth: Ints) -> Ints:
    """Milli-points of every item as a duty of its own, the way from home counted, with its half of a visit for two."""
    net = prize.copy()
    for i in range(len(net)):
        v, c = items.visit[i], items.carer[i]
        row = rows[v]
        if starts.double[v]:
            net[i] += worth[v] * MILLI // 2
        net[i] += tables.price[P_TRAVEL] * MILLI * from_base(tables, row, c)
    return net


@njit(cache=True)
def _rooms(tables: Tables, items: Items, people: People, rows: Ints) -> Ints:
    """How many of the day's visits each person may hold; of a tour as many as its minutes may be expected to."""
    minutes = np.int64(0)
    for row in rows:
        minutes += tables.visit[row, V_MINUTES]
    each = max(np.int64(1), minutes // max(1, len(rows)) + _WAY)
    rooms = np.zeros(len(items.person_at) - 1, np.int64)
    for p in range(len(rooms)):
        for i in range(items.person_at[p], items.person_at[p + 1]):
            c = items.carer[i]
            room = (people.carer_cap[c] - people.used[p]) // each
            if people.few[p]:
                room = people.vol_cap[p]
            elif tables.carer[c, C_CAPACITY] == 0:
                room = min(people.vol_cap[p], room)
            else:
                room = max(room, np.int64(1))
            rooms[p] = max(rooms[p], room)
    return rooms


@njit(cache=True)
def _bidding(items: Items, starts: Starts, visits: int) -> NDArray[np.bool_]:
    """Which items a visit chooses from: of a visit for two those of its first start."""
    bids_as = np.arange(visits)
    for option in range(len(starts.visit) - 1, -1, -1):
        bids_as[starts.visit[option]] = visits + option
    bids = np.empty(len(items.visit), np.bool_)
    for i in range(len(bids)):
        bids[i] = items.slot_row[i] == bids_as[items.visit[i]]
    return bids


@njit(cache=True)
def _bid(
    visit: Ints,
    bids: NDArray[np.bool_],
    double: NDArray[np.bool_],
    net: Ints,
    by: Ints,
    place_at: Ints,
    price: Ints,
) -> tuple[Ints, Ints]:
    """Visits bid, those for two twice, each for places of the persons (`by`) that it may choose (`bids`).

    `place_at`: where each person's places begin in `price`, which is raised. Returns which item each bidder holds, -1 for
    none, and the price of each person's cheapest place.
    """
    visits, persons = len(double), len(place_at) - 1
    at = np.zeros(visits + 1, np.int64)
    for i in range(len(visit)):
        if bids[i]:
            at[visit[i] + 1] += 1
    for v in range(visits):
        at[v + 1] += at[v]
    choices, filled = np.empty(at[-1], np.int64), at[:-1].copy()
    # beside one another, as they are looked at a hundred million times
    worth, who = np.empty(at[-1], np.int64), np.empty(at[-1], np.int32)
    for i in range(len(visit)):
        if bids[i]:
            n = filled[visit[i]]
            choices[n], worth[n], who[n] = i, net[i], by[i]
            filled[visit[i]] += 1
    holder = np.full(len(price), -1, np.int64)
    lowest = np.full(persons, -_NEVER, np.int64)
    for p in range(persons):
        for s in range(place_at[p], place_at[p + 1]):
            lowest[p] = min(lowest[p], price[s])
    bidders = np.empty(2 * visits, np.int64)
    count = 0
    for v in range(visits):
        for _ in range(1 + double[v]):
            bidders[count] = v
            count += 1
    holds = np.full(count, -1, np.int64)
    waiting, left = np.arange(count)[::-1].copy(), count
    made, looks = np.int64(0), np.int64(0)
    while left > 0 and made < _MOST_BIDS * count and looks < _MOST_LOOKS:
        left -= 1
        bidder = waiting[left]
        v = bidders[bidder]
        made += 1
        looks += at[v + 1] - at[v]
        best, second, chosen = np.int64(0), np.int64(0), -1
        for n in range(at[v], at[v + 1]):
            offer = worth[n] - lowest[who[n]]
            if offer > best:
                second, best, chosen = best, offer, n
            elif offer > second:
                second = offer
        if chosen < 0:
            continue
        p = who[chosen]
        place, cheapest, next_cheapest = -1, -_NEVER, -_NEVER
        for s in range(place_at[p], place_at[p + 1]):
            if price[s] < cheapest:
                place, cheapest, next_cheapest = s, price[s], cheapest
            elif price[s] < next_cheapest:
                next_cheapest = price[s]
        second = max(second, best - (next_cheapest - cheapest))
        price[place] += best - second + _STEP + price[place] // _DEARER
        if holder[place] >= 0:
            holds[holder[place]] = -1
            waiting[left] = holder[place]
            left += 1
        holder[place] = bidder
        holds[bidder] = choices[chosen]
        lowest[p] = min(price[place], next_cheapest)
    return holds, lowest


@njit(cache=True, nogil=True)
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
