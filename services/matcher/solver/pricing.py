"""The search for a person's best duty of the day, compiled: label setting over the items that are worth something.

A label is a partial duty. It is extended in order of time by one item after the other, passing the person's fixed visits
(the *chain*) where they stand; a label that another one beats in every respect is dropped. Two modes:

- *quick*: remembers every visit done (so each duty found is real) and forgets labels by value and time alone; it feeds
  columns.
- *proving*: never loses value. It forgets done visits that lie far from the present one (ng-routes) and, where labels
  crowd, merges two into one that is at least as good as both. The best label's value is thus an upper bound on every duty
  of the person, all integers, and exact when nothing was forgotten or merged.

Values are thousandths of a point. Leaving out an item of no worth never lengthens a duty (the travel formula keeps the
triangle inequality), so such items are skipped, but for visits that end elsewhere than they begin.
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
    V_END_X,
    V_END_Y,
    V_MINUTES,
    V_REMOTE,
    V_X,
    V_Y,
    Ints,
    Items,
    Tables,
)
from services.matcher.solver.duties import LONGEST, MILLI, Found, People, chain_cost, minutes_between
from services.matcher.solver.few import few_search

_BITS = 128
_MOST_PROVEN = 400  # items of one person; of more, each minute is charged
_MOST_STEPS = 4_000_000  # of one proving search: some tenths of a second
_HORIZON = 3 * 1440

# columns of a label
LOC, T, R, USED, CAP, VOL, GAP, CLEAN, M0, M1, VAL, PARENT, ITEM, NEXT_B, NEXT_L, STATE = range(16)
_OPEN, _DONE, _DEAD = 1, 2, 0


class Priced(NamedTuple):
    """Items under the duals of a linear program: value in milli-points, points, and the row (in the list of lines) of the
    line each takes. `number`: which items they are among all of the day."""

    items: Items
    number: Ints
    prize: Ints
    full: Ints
    line: Ints


@njit(cache=True)
def prizes(
    tables: Tables,
    items: Items,
    number: Ints,
    day_rows: Ints,
    dual: Ints,
    line_dual: Ints,
    worth: Ints,
    usable: Ints,
) -> Priced:
    """Items under the duals.

    `dual`: milli-points by master row (a start of a visit for two: minus its reward). `worth`: points by master row.
    `usable`: units still free by line.
    """
    size = len(items.visit)
    prize, full, line = np.empty(size, np.int64), np.empty(size, np.int64), np.full(size, -1, np.int64)
    for i in range(size):
        row, c = day_rows[items.visit[i]], items.carer[i]
        slot = items.slot_row[i]
        value, points = (
            items.points[i] * MILLI - dual[slot] + worth[slot] * MILLI,
            items.points[i] + worth[slot],
        )
        if tables.carer[c, C_CAPACITY] == 1:
            org = tables.carer[c, 16]
            best = np.int64(-(1 << 50))
            for at in range(tables.line_at[row], tables.line_at[row + 1]):
                if tables.line_org[at] == org and usable[tables.line_index[at]] >= tables.line_units[at]:
                    net = (
                        tables.line_points[at] * MILLI
                        - line_dual[tables.line_index[at]] * tables.line_units[at]
                    )
                    if net > best:
                        best, line[i] = net, at
            value += best
            if line[i] >= 0:
                points += tables.line_points[line[i]]
        prize[i], full[i] = value, points
    return Priced(items, number, prize, full, line)


@njit(cache=True)
def _search(
    tables: Tables,
    items: Items,
    people: People,
    day_rows: Ints,
    prize: Ints,
    full: Ints,
    p: int,
    proving: bool,
    crowd: int,
    near: int,
    most: int,
    slack: Ints,
    labels: Ints,
    bucket: Ints,
    duties: int,
    out_value: Ints,
    out_points: Ints,
    out_length: Ints,
    out_item: Ints,
    out_start: Ints,
) -> tuple[int, int, int]:
    """The best duties of one person: (upper bound, duties written, labels merged or -1 when labels or steps ran out)."""
    first, last = items.person_at[p], items.person_at[p + 1]
    n = 0
    for i in range(first, last):
        if prize[i] > -slack[items.visit[i]]:
            n += 1
    if n == 0:
        return 0, 0, 0
    if proving and n > _MOST_PROVEN:
        return 0, 0, -1
    visit, carer = tables.visit, tables.carer
    detour, travel, repeat = (
        tables.price[P_DETOUR],
        tables.price[P_TRAVEL] * MILLI,
        tables.price[P_REPEAT] * MILLI,
    )
    chosen = np.empty(n, dtype=np.int64)
    worths = np.empty(n, dtype=np.int64)
    n = 0
    for i in range(first, last):
        if prize[i] > -slack[items.visit[i]]:
            chosen[n] = i
            worths[n] = -prize[i]
            n += 1
    by_worth = np.argsort(worths, kind="mergesort")
    if n > most and not proving:
        by_worth = by_worth[:most]
        n = most
    # a bit for each visit, the dearest first
    bit_of = np.full(n, -1, dtype=np.int64)
    bits = 0
    for a in range(n):
        v = items.visit[chosen[by_worth[a]]]
        known = -1
        for b in range(a):
            if items.visit[chosen[by_worth[b]]] == v:
                known = bit_of[b]
                break
        if known >= 0:
            bit_of[a] = known
        elif bits < _BITS:
            bit_of[a] = bits
            bits += 1
    # local items in order of latest start
    high = np.empty(n, dtype=np.int64)
    for a in range(n):
        high[a] = items.high[chosen[by_worth[a]]]
    by_high = np.argsort(high, kind="mergesort")
    it = np.empty(n, dtype=np.int64)
    low, latest, minutes = (
        np.empty(n, dtype=np.int64),
        np.empty(n, dtype=np.int64),
        np.empty(n, dtype=np.int64),
    )
    gain, cap, vol = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    remote, bit, who = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    left = np.zeros(_BITS, dtype=np.int64)
    for a in range(n):
        i = chosen[by_worth[by_high[a]]]
        row, c = day_rows[items.visit[i]], items.carer[i]
        it[a], low[a], latest[a], minutes[a] = i, items.low[i], items.high[i], visit[row, V_MINUTES]
        gain[a], cap[a], vol[a] = prize[i], people.carer_cap[c], carer[c, C_CAPACITY] == 0
        remote[a], bit[a], who[a] = visit[row, V_REMOTE], bit_of[by_high[a]], c
        if bit[a] >= 0:
            left[bit[a]] += 1
    k_first, k_last = people.chain_at[p], people.chain_at[p + 1]
    chain = k_last - k_first
    locations = n + chain + 1
    home = n + chain
    # travel from every place to every item; row `home`: the priced way from base
    way = np.zeros((locations, n), dtype=np.int64)
    for b in range(n):
        if remote[b]:
            continue
        row, c = day_rows[items.visit[it[b]]], who[b]
        speed, x, y = carer[c, C_SPEED], visit[row, V_X], visit[row, V_Y]
        for a in range(n):
            if not remote[a]:
                other = day_rows[items.visit[it[a]]]
                way[a, b] = minutes_between(visit[other, V_END_X], visit[other, V_END_Y], x, y, detour, speed)
        for k in range(chain):
            f = people.chain[k_first + k]
            if not f[2]:
                way[n + k, b] = minutes_between(f[5], f[6], x, y, detour, speed)
        if carer[c, C_BASED]:
            way[home, b] = minutes_between(carer[c, C_X], carer[c, C_Y], x, y, detour, speed)
    # which visits a label at a place still remembers
    keep0, keep1 = np.full(locations, -1, dtype=np.int64), np.full(locations, -1, dtype=np.int64)
    if proving and near < bits:
        distance = np.empty(n, dtype=np.int64)
        for a in range(n):
            if remote[a]:
                continue
            for b in range(n):
                distance[b] = way[a, b] if not remote[b] else 0
            order = np.argsort(distance, kind="mergesort")
            m0, m1, kept = np.int64(0), np.int64(0), 0
            for b in order:
                if kept >= near:
                    break
                if bit[b] >= 0 and latest[b] + minutes[b] + 120 >= low[a] and low[b] <= latest[a] + 240:
                    if bit[b] < 64:
                        if not (m0 >> bit[b]) & 1:
                            kept += 1
                        m0 |= np.int64(1) << bit[b]
                    else:
                        if not (m1 >> (bit[b] - 64)) & 1:
                            kept += 1
                        m1 |= np.int64(1) << (bit[b] - 64)
            keep0[a], keep1[a] = m0, m1
    heads = np.full(locations, -1, dtype=np.int64)
    crowds = np.zeros(locations, dtype=np.int64)
    zero = people.zero
    buckets = len(bucket)
    for b in range(buckets):
        bucket[b] = -1
    best_value = np.full(locations, -(1 << 60), dtype=np.int64)
    best_label = np.full(locations, -1, dtype=np.int64)
    capacity = labels.shape[0]
    vol_cap = people.vol_cap[p]
    # the empty duty
    labels[0, LOC], labels[0, T], labels[0, R] = home, people.clock[p], people.ready[p]
    labels[0, USED], labels[0, CAP], labels[0, VOL] = people.used[p], people.cap[p], 0
    labels[0, GAP], labels[0, CLEAN], labels[0, M0], labels[0, M1] = 0, 1, 0, 0
    labels[0, VAL], labels[0, PARENT], labels[0, ITEM], labels[0, NEXT_L], labels[0, STATE] = (
        0,
        -1,
        -1,
        -1,
        _OPEN,
    )
    at = min(max(labels[0, T] - zero, 0), buckets - 1)
    labels[0, NEXT_B] = bucket[at]
    bucket[at] = 0
    count, merged, steps = 1, 0, np.int64(0)
    open0, open1 = np.int64(-1), np.int64(-1)
    begin = 0
    for at in range(buckets):
        now = at + zero
        while begin < n and latest[begin] < now:
            if bit[begin] >= 0:
                left[bit[begin]] -= 1
                if left[bit[begin]] == 0:
                    if bit[begin] < 64:
                        open0 &= ~(np.int64(1) << bit[begin])
                    else:
                        open1 &= ~(np.int64(1) << (bit[begin] - 64))
            begin += 1
        current = bucket[at]
        while current >= 0:
            label = labels[current]
            following = label[NEXT_B]
            if label[STATE] != _OPEN:
                current = following
                continue
            label[STATE] = _DONE
            steps += n - begin
            if proving and steps > _MOST_STEPS:
                return 0, 0, -1
            loc, gap = label[LOC], label[GAP]
            crowds[loc] -= 1
            if gap == chain and label[VAL] > best_value[loc]:
                best_value[loc], best_label[loc] = label[VAL], current
            # candidates: item b, or n for the next fixed visit
            for b in range(begin, n + 1):
                if b == n:
                    if gap == chain:
                        continue
                    f = people.chain[k_first + gap]
                    t = max(label[T], f[1])
                    value, used, capped, volunteered = label[VAL], label[USED], label[CAP], label[VOL]
                    m0, m1, item, new_gap = label[M0] & open0, label[M1] & open1, -1, gap + 1
                    if f[2]:
                        new_loc, r, clean = loc, label[R] + f[1] - f[0], label[CLEAN]
                        ex, ey, moved = np.int64(0), np.int64(0), False
                    else:
                        new_loc, r, clean = n + gap, f[1], np.int64(1)
                        ex, ey, moved = f[5], f[6], True
                        if f[11]:
                            if loc != home:
                                x, y = _end_of(tables, items, people, day_rows, it, n, k_first, loc)
                                priced = loc < n or people.chain[k_first + loc - n, 11] == 1
                                if priced:
                                    value += travel * minutes_between(x, y, f[3], f[4], detour, f[7])
                            elif f[8]:
                                value += travel * minutes_between(f[9], f[10], f[3], f[4], detour, f[7])
                else:
                    if loc == b and not remote[b]:
                        continue
                    if bit[b] >= 0:
                        if bit[b] < 64:
                            if (label[M0] >> bit[b]) & 1:
                                continue
                        elif (label[M1] >> (bit[b] - 64)) & 1:
                            continue
                    used = label[USED] + minutes[b]
                    capped = min(label[CAP], cap[b])
                    if used > capped:
                        continue
                    volunteered = label[VOL] + vol[b]
                    if volunteered > vol_cap:
                        continue
                    s = max(label[T], low[b])
                    if not remote[b]:
                        if loc != home:
                            s = max(s, label[R] + way[loc, b])
                        elif people.away[p]:
                            row, c = day_rows[items.visit[it[b]]], who[b]
                            s = max(
                                s,
                                label[R]
                                + minutes_between(
                                    people.there[p, 0],
                                    people.there[p, 1],
                                    visit[row, V_X],
                                    visit[row, V_Y],
                                    detour,
                                    carer[c, C_SPEED],
                                ),
                            )
                    if s > latest[b]:
                        continue
                    fits = False
                    for w in range(tables.window_at[who[b]], tables.window_at[who[b] + 1]):
                        if s < tables.window_start[w]:
                            s = tables.window_start[w]
                        if s + minutes[b] <= tables.window_end[w]:
                            fits = s <= latest[b]
                            break
                    if not fits:
                        continue
                    t = s + minutes[b]
                    value = label[VAL] + gain[b]
                    if vol[b] and label[VOL] + people.vol[p] > 0:
                        value += repeat
                    m0, m1, item, new_gap, clean = label[M0] & open0, label[M1] & open1, b, gap, np.int64(0)
                    if remote[b]:
                        new_loc, r = loc, label[R] + minutes[b]
                        ex, ey, moved = np.int64(0), np.int64(0), False
                    else:
                        value += travel * way[loc, b]
                        new_loc, r = b, t
                        row = day_rows[items.visit[it[b]]]
                        ex, ey, moved = visit[row, V_END_X], visit[row, V_END_Y], True
                        if proving:
                            m0 &= keep0[b]
                            m1 &= keep1[b]
                    if bit[b] >= 0:
                        if bit[b] < 64:
                            m0 |= np.int64(1) << bit[b]
                        else:
                            m1 |= np.int64(1) << (bit[b] - 64)
                # the next fixed visit must stay within reach
                if new_gap < chain and not clean:
                    f = people.chain[k_first + new_gap]
                    if t > f[0]:
                        continue
                    if not f[2]:
                        known = moved
                        if not moved:
                            if new_loc != home:
                                ex, ey = _end_of(tables, items, people, day_rows, it, n, k_first, new_loc)
                                known = True
                            elif people.away[p]:
                                ex, ey, known = people.there[p, 0], people.there[p, 1], True
                        if known and r + minutes_between(ex, ey, f[3], f[4], detour, f[7]) > f[0]:
                            continue
                # is it beaten, and whom does it beat?
                beaten = False
                previous, other = -1, heads[new_loc]
                while other >= 0:
                    o = labels[other]
                    after = o[NEXT_L]
                    if o[STATE] == _DEAD:
                        if previous < 0:
                            heads[new_loc] = after
                        else:
                            labels[previous, NEXT_L] = after
                        other = after
                        continue
                    if o[GAP] == new_gap and o[CLEAN] == clean:
                        if o[T] <= t and o[R] <= r and o[VAL] >= value:
                            if not proving:
                                beaten = o[VOL] <= volunteered
                            else:
                                beaten = (
                                    o[USED] <= used
                                    and o[CAP] >= capped
                                    and o[VOL] <= volunteered
                                    and (o[M0] & open0 & ~m0) == 0
                                    and (o[M1] & open1 & ~m1) == 0
                                )
                            if beaten:
                                break
                        elif (
                            o[STATE] == _OPEN
                            and o[T] >= t
                            and o[R] >= r
                            and o[VAL] <= value
                            and o[VOL] >= volunteered
                            and (
                                not proving
                                or (
                                    o[USED] >= used
                                    and o[CAP] <= capped
                                    and (m0 & ~o[M0]) == 0
                                    and (m1 & ~o[M1]) == 0
                                )
                            )
                        ):
                            o[STATE] = _DEAD
                            crowds[new_loc] -= 1
                            if previous < 0:
                                heads[new_loc] = after
                            else:
                                labels[previous, NEXT_L] = after
                            other = after
                            continue
                    previous, other = other, after
                if beaten:
                    continue
                parent = current
                if crowds[new_loc] >= crowd:
                    # proving: merge with the nearest in time; quick: push out the least worth
                    pick, measure = -1, np.int64(1) << 60
                    other = heads[new_loc]
                    while other >= 0:
                        o = labels[other]
                        if o[STATE] == _OPEN and o[GAP] == new_gap and o[CLEAN] == clean:
                            how = abs(o[T] - t) * 2000 + abs(o[VAL] - value) if proving else o[VAL]
                            if how < measure:
                                pick, measure = other, how
                        other = o[NEXT_L]
                    if pick >= 0:
                        o = labels[pick]
                        if proving:
                            merged += 1
                            if o[VAL] > value:
                                parent, item = o[PARENT], o[ITEM]
                            t, r, value = min(t, o[T]), min(r, o[R]), max(value, o[VAL])
                            used, capped = min(used, o[USED]), max(capped, o[CAP])
                            volunteered = min(volunteered, o[VOL])
                            m0 &= o[M0]
                            m1 &= o[M1]
                        elif o[VAL] >= value:
                            continue
                        o[STATE] = _DEAD
                        crowds[new_loc] -= 1
                if count >= capacity:
                    if proving:
                        return 0, 0, -1
                    continue
                label_new = labels[count]
                label_new[LOC], label_new[T], label_new[R], label_new[USED] = new_loc, t, r, used
                label_new[CAP], label_new[VOL], label_new[GAP], label_new[CLEAN] = (
                    capped,
                    volunteered,
                    new_gap,
                    clean,
                )
                label_new[M0], label_new[M1], label_new[VAL] = m0, m1, value
                label_new[PARENT], label_new[ITEM], label_new[STATE] = parent, item, _OPEN
                label_new[NEXT_L] = heads[new_loc]
                heads[new_loc] = count
                slot = min(max(t - zero, at + (0 if b == n else 1)), buckets - 1)
                label_new[NEXT_B] = bucket[slot]
                bucket[slot] = count
                if slot == at and following < 0:
                    following = count
                elif slot == at:
                    # keep the walk over this bucket complete: the new one goes right behind the present one
                    bucket[slot] = label_new[NEXT_B]
                    label_new[NEXT_B] = following
                    following = count
                crowds[new_loc] += 1
                count += 1
            current = following
    empty = chain_cost(people, p, detour, travel)
    bound = np.int64(0)
    for loc in range(locations):
        if best_label[loc] >= 0:
            bound = max(bound, best_value[loc] - empty)
    # write the best duty of each last place, the best first
    written = 0
    order = np.argsort(-best_value, kind="mergesort")
    path = np.empty(2 * LONGEST + chain + 2, dtype=np.int64)
    for loc in order:
        if written >= duties or best_label[loc] < 0 or best_value[loc] - empty <= 0:
            break
        length, current = 0, best_label[loc]
        while labels[current, PARENT] >= 0 and length < len(path):
            path[length] = labels[current, ITEM]
            length += 1
            current = labels[current, PARENT]
        size, value, points = _replay(
            tables, items, people, day_rows, p, path, length, it, n, chain, gain, full, way, minutes, low, latest,
            remote, vol, cap, who, out_item[written], out_start[written],
        )  # fmt: skip
        if size > 0 and value - empty > 0:
            out_value[written], out_points[written], out_length[written] = value - empty, points, size
            written += 1
    return bound, written, merged


@njit(cache=True)
def _end_of(
    tables: Tables, items: Items, people: People, day_rows: Ints, it: Ints, n: int, k_first: int, loc: int
) -> tuple[int, int]:
    """Where a label stands: the end place of an item or of a fixed visit."""
    if loc < n:
        row = day_rows[items.visit[it[loc]]]
        return tables.visit[row, V_END_X], tables.visit[row, V_END_Y]
    return people.chain[k_first + loc - n, 5], people.chain[k_first + loc - n, 6]


@njit(cache=True)
def _replay(
    tables: Tables,
    items: Items,
    people: People,
    day_rows: Ints,
    p: int,
    path: Ints,
    length: int,
    it: Ints,
    n: int,
    chain: int,
    gain: Ints,
    full: Ints,
    way: Ints,
    minutes: Ints,
    low: Ints,
    latest: Ints,
    remote: Ints,
    vol: Ints,
    cap: Ints,
    who: Ints,
    out_item: Ints,
    out_start: Ints,
) -> tuple[int, int, int]:
    """Walk a path from its start by the true rules: (visits, value, points), or no visits if it does not hold."""
    detour, travel, repeat = tables.price[P_DETOUR], tables.price[P_TRAVEL], tables.price[P_REPEAT]
    t, r, loc, gap = people.clock[p], people.ready[p], n + chain, 0
    home, k_first = n + chain, people.chain_at[p]
    used, capped, volunteered, size = people.used[p], people.cap[p], 0, 0
    value, points = np.int64(0), np.int64(0)
    clean = True
    for back in range(length - 1, -1, -1):
        b = path[back]
        x, y, known = np.int64(0), np.int64(0), False
        if loc != home:
            x, y = _end_of(tables, items, people, day_rows, it, n, k_first, loc)
            known = True
        elif people.away[p]:
            x, y, known = people.there[p, 0], people.there[p, 1], True
        if b < 0:
            f = people.chain[k_first + gap]
            if not clean and t > f[0]:
                return 0, 0, 0
            if f[2]:
                r += f[1] - f[0]
            else:
                if not clean and known and r + minutes_between(x, y, f[3], f[4], detour, f[7]) > f[0]:
                    return 0, 0, 0
                if f[11]:
                    spent = np.int64(0)
                    if loc == home:
                        if f[8]:
                            spent = minutes_between(f[9], f[10], f[3], f[4], detour, f[7])
                    else:
                        spent = minutes_between(x, y, f[3], f[4], detour, f[7])
                    value += travel * MILLI * spent
                    points += travel * spent
                loc, r, clean = n + gap, f[1], True
            t = max(t, f[1])
            gap += 1
            continue
        if size >= LONGEST:
            return 0, 0, 0
        for done in range(size):
            if items.visit[out_item[done]] == items.visit[it[b]]:
                return 0, 0, 0
        used += minutes[b]
        capped = min(capped, cap[b])
        volunteered += vol[b]
        if used > capped or volunteered > people.vol_cap[p]:
            return 0, 0, 0
        s = max(t, low[b])
        if not remote[b] and known:
            row = day_rows[items.visit[it[b]]]
            s = max(
                s,
                r
                + minutes_between(
                    x,
                    y,
                    tables.visit[row, V_X],
                    tables.visit[row, V_Y],
                    detour,
                    tables.carer[who[b], C_SPEED],
                ),
            )
        fits = False
        for w in range(tables.window_at[who[b]], tables.window_at[who[b] + 1]):
            s = max(s, tables.window_start[w])
            if s + minutes[b] <= tables.window_end[w]:
                fits = s <= latest[b]
                break
        if not fits:
            return 0, 0, 0
        value += gain[b]
        points += full[it[b]]
        if vol[b] and volunteered - 1 + people.vol[p] > 0:
            value += repeat * MILLI
            points += repeat
        t = s + minutes[b]
        clean = False
        if remote[b]:
            r += minutes[b]
        else:
            value += travel * MILLI * way[loc, b]
            points += travel * way[loc, b]
            loc, r = b, t
        out_item[size], out_start[size] = it[b], s
        size += 1
    empty = chain_cost(people, p, detour, travel)
    return size, value, points - empty


@njit(cache=True)
def _minutes_left(items: Items, people: People, p: int) -> int:
    """Minutes of visits that a person's day can still hold."""
    left = np.int64(0)
    for i in range(items.person_at[p], items.person_at[p + 1]):
        left = max(left, min(people.cap[p], people.carer_cap[items.carer[i]]) - people.used[p])
    return left


@njit(cache=True)
def _most_worth(
    tables: Tables, items: Items, people: People, day_rows: Ints, prize: Ints, p: int, seen: Ints
) -> int:
    """What a person's day can be worth at most, were there no ways and no clashes: the prizes that its minutes can hold.

    Those of the fixed visits alone are saved too. `seen`: by visit, who was last to look at it; changed.
    """
    first, last = items.person_at[p], items.person_at[p + 1]
    a_minute, minutes = np.empty(last - first, np.float64), np.empty(last - first, np.int64)
    left = _minutes_left(items, people, p)
    for i in range(first, last):
        v = items.visit[i]
        minutes[i - first] = tables.visit[day_rows[v], V_MINUTES]
        a_minute[i - first] = -prize[i] / minutes[i - first]
    total = np.int64(-chain_cost(people, p, tables.price[P_DETOUR], tables.price[P_TRAVEL]) * MILLI)
    for n in np.argsort(a_minute, kind="mergesort"):
        v = items.visit[first + n]
        if a_minute[n] >= 0 or left <= 0:
            break
        if seen[v] == p:
            continue
        seen[v] = p
        worth = prize[first + n]
        total += worth if minutes[n] <= left else worth * left // minutes[n] + 1
        left -= minutes[n]
    return total


@njit(cache=True)
def _charged_worth(
    tables: Tables,
    items: Items,
    people: People,
    day_rows: Ints,
    prize: Ints,
    full: Ints,
    p: int,
    kept: int,
    crowd: int,
    near: int,
    slack: Ints,
    labels: Ints,
    bucket: Ints,
    duties: int,
    out_value: Ints,
    out_points: Ints,
    out_length: Ints,
    out_item: Ints,
    out_start: Ints,
) -> int:
    """What a person's day can be worth at most, each minute of a visit charged so much that only `kept` items are worth it,
    and all minutes that the day can hold paid back (the Lagrangian bound of the day's most minutes); -1 where labels or
    steps ran out."""
    first, last = items.person_at[p], items.person_at[p + 1]
    a_minute = np.empty(last - first, np.int64)
    for i in range(first, last):
        a_minute[i - first] = prize[i] // max(1, tables.visit[day_rows[items.visit[i]], V_MINUTES])
    a_minute = np.sort(a_minute)
    charge = max(np.int64(0), a_minute[max(0, len(a_minute) - kept - 1)]) + 1
    charged = np.empty_like(prize)
    for i in range(first, last):
        charged[i] = prize[i] - charge * tables.visit[day_rows[items.visit[i]], V_MINUTES]
    best, _, merged = _search(
        tables, items, people, day_rows, charged, full, p, True, crowd, near, 0, slack, labels, bucket, duties,
        out_value, out_points, out_length, out_item, out_start,
    )  # fmt: skip
    return best + charge * _minutes_left(items, people, p) if merged >= 0 else np.int64(-1)


@njit(cache=True, nogil=True)
def search(
    tables: Tables,
    people: People,
    day_rows: Ints,
    wanted: Ints,
    priced: Priced,
    asked: Ints,
    proving: bool,
    crowd: int,
    near: int,
    most: int,
    slack: Ints,
    capacity: int,
    duties: int,
) -> Found:
    """The best duties of the persons asked for, and what each can earn at most, by the prizes `wanted`.

    `most`: items a quick search looks at.
    """
    items, prize, full = priced.items, wanted, priced.full
    size = len(asked)
    bound, count, merged = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    value, points = np.zeros((size, duties), np.int64), np.zeros((size, duties), np.int64)
    length = np.zeros((size, duties), np.int64)
    item, start = np.empty((size, duties, LONGEST), np.int64), np.empty((size, duties, LONGEST), np.int64)
    line, worth = np.empty((size, duties, LONGEST), np.int64), np.zeros((size, duties), np.int64)
    labels = np.empty((capacity, 16), np.int64)
    bucket = np.empty(_HORIZON, np.int64)
    seen = np.full(len(day_rows), -1, np.int64)
    for n in range(size):
        if people.few[asked[n]]:
            bound[n], count[n] = few_search(
                tables, items, people, day_rows, prize, full, asked[n], 0 * most if proving else most, slack, duties,
                value[n], points[n], length[n], item[n], start[n],
            )  # fmt: skip
            _settle(priced, count[n], points[n], length[n], item[n], line[n], worth[n])
            continue
        most_worth = _most_worth(tables, items, people, day_rows, prize, asked[n], seen) if proving else 0
        room = crowd
        while True:
            bound[n], count[n], merged[n] = _search(
                tables, items, people, day_rows, prize, full, asked[n], proving, room, near, most, slack, labels,
                bucket, duties, value[n], points[n], length[n], item[n], start[n],
            )  # fmt: skip
            if merged[n] >= 0 or proving or room == 1:
                break
            room = room // 2
        if merged[n] < 0 and proving:
            bound[n], count[n] = most_worth, 0
            for kept in (_MOST_PROVEN, _MOST_PROVEN // 2, _MOST_PROVEN // 4):
                charged_worth = _charged_worth(
                    tables, items, people, day_rows, prize, full, asked[n], kept, crowd, near, slack, labels, bucket,
                    duties, value[n], points[n], length[n], item[n], start[n],
                )  # fmt: skip
                if charged_worth >= 0:
                    bound[n] = min(bound[n], charged_worth)
                    break
        elif proving:
            bound[n] = min(bound[n], most_worth)
        _settle(priced, count[n], points[n], length[n], item[n], line[n], worth[n])
    return Found(bound, count, value, worth, points, length, item, line, start, merged)


@njit(cache=True)
def _settle(
    priced: Priced, count: int, points: Ints, length: Ints, item: Ints, line: Ints, worth: Ints
) -> None:
    """What the duties of one person are worth under the duals, on which lines; items by their numbers among all."""
    for d in range(count):
        worth[d] = points[d] * MILLI
        for k in range(length[d]):
            i = item[d, k]
            worth[d] -= priced.full[i] * MILLI - priced.prize[i]
            line[d, k], item[d, k] = priced.line[i], priced.number[i]


@njit(cache=True)
def fill(
    tables: Tables,
    items: Items,
    people: People,
    day_rows: Ints,
    prize: Ints,
    full: Ints,
    line: Ints,
    order: Ints,
    taken: NDArray[np.bool_],
    units: Ints,
    size: Ints,
    value: Ints,
    points: Ints,
    item: Ints,
    start: Ints,
    slack: Ints,
    crowd: int,
    most: int,
) -> int:
    """One person after the other, in the given order, exchanges the own duty for the best one that the rest leaves free.

    `taken` (by visit), `units` and the duties (`size` .. `start`, by person) change in place. Persons who are part of a
    visit for two are left alone. Returns how many duties became better.
    """
    labels = np.empty((40000, 16), np.int64)
    bucket = np.empty(_HORIZON, np.int64)
    visits = len(taken)
    here = np.empty(len(prize), np.int64)
    new_value, new_points, new_size = np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(3, np.int64)
    new_item, new_start = np.empty((3, LONGEST), np.int64), np.empty((3, LONGEST), np.int64)
    # of a definite type, so that nothing is compiled twice
    proving, near, duties = crowd < 0, np.int64(0), np.int64(3)
    better = 0
    for p in order:
        paired = False
        for n in range(size[p]):
            paired = paired or items.slot_row[item[p, n]] >= visits
        if paired:
            continue
        for n in range(size[p]):
            taken[items.visit[item[p, n]]] = False
            if line[item[p, n]] >= 0:
                units[tables.line_index[line[item[p, n]]]] += tables.line_units[line[item[p, n]]]
        for i in range(items.person_at[p], items.person_at[p + 1]):
            here[i] = prize[i]
            if (
                items.slot_row[i] >= visits
                or taken[items.visit[i]]
                or (line[i] >= 0 and units[tables.line_index[line[i]]] < tables.line_units[line[i]])
            ):
                here[i] = -(1 << 50)
        # where a line has too few units for a whole duty, once more with the dearest visits that it can pay
        for again in range(2):
            if people.few[p]:
                _, count = few_search(
                    tables, items, people, day_rows, here, full, p, most, slack, duties, new_value, new_points, new_size,
                    new_item, new_start,
                )  # fmt: skip
            else:
                _, count, _ = _search(
                    tables, items, people, day_rows, here, full, p, proving, crowd, near, most, slack, labels, bucket,
                    duties, new_value, new_points, new_size, new_item, new_start,
                )  # fmt: skip
            short = False
            for d in range(count):
                if new_value[d] <= value[p]:
                    break
                if _affordable(tables, line, units, new_item[d], new_size[d]):
                    size[p], value[p], points[p] = new_size[d], new_value[d], new_points[d]
                    item[p], start[p] = new_item[d], new_start[d]
                    better += 1
                    short = False
                    break
                short = True
            if again or not short:
                break
            _only_affordable(tables, items, p, line, units, new_item[0], new_size[0], here)
        for n in range(size[p]):
            taken[items.visit[item[p, n]]] = True
            if line[item[p, n]] >= 0:
                units[tables.line_index[line[item[p, n]]]] -= tables.line_units[line[item[p, n]]]
    return better


@njit(cache=True)
def _affordable(tables: Tables, line: Ints, units: Ints, duty: Ints, size: int) -> bool:
    """Whether the lines have units left for all of a duty."""
    for n in range(size):
        if line[duty[n]] >= 0:
            units[tables.line_index[line[duty[n]]]] -= tables.line_units[line[duty[n]]]
    enough = True
    for n in range(size):
        if line[duty[n]] >= 0 and units[tables.line_index[line[duty[n]]]] < 0:
            enough = False
    for n in range(size):
        if line[duty[n]] >= 0:
            units[tables.line_index[line[duty[n]]]] += tables.line_units[line[duty[n]]]
    return enough


@njit(cache=True)
def _only_affordable(
    tables: Tables, items: Items, p: int, line: Ints, units: Ints, duty: Ints, size: int, here: Ints
) -> None:
    """Of the lines that a duty overdraws, leave a person only those of its visits that the line can pay, the dearest first."""
    order = np.argsort(-here[duty[:size]], kind="mergesort")
    spent = np.zeros(len(units), np.int64)
    paid = np.zeros(size, np.bool_)
    over = np.zeros(len(units), np.bool_)
    for n in order:
        at = line[duty[n]]
        if at < 0:
            continue
        own = tables.line_index[at]
        if spent[own] + tables.line_units[at] <= units[own]:
            spent[own] += tables.line_units[at]
            paid[n] = True
        else:
            over[own] = True
    for i in range(items.person_at[p], items.person_at[p + 1]):
        if line[i] >= 0 and over[tables.line_index[line[i]]]:
            keep = False
            for n in range(size):
                keep = keep or (paid[n] and duty[n] == i)
            if not keep:
                here[i] = -(1 << 50)
