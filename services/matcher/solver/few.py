"""The search for the best few visits of one who does at most three a day: every ordered choice, cut by what it can still earn.

Exact, and far quicker than labels where hundreds of visits lie within reach: travel and repetition only cost, so a partial
duty can gain no more than the prizes of the visits it still has room for, less what repetition costs for certain. Where
thousands of visits are alike it stops after so many steps, with what was found and a bound that needs no search.
"""

import numpy as np
from numba import njit

from services.matcher.solver.candidates import (
    C_BASED,
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
from services.matcher.solver.duties import MILLI, People, chain_cost, minutes_between

FEW = 3  # visits a day up to which every choice is looked at
STEPS = 400_000  # of one search: some hundredths of a second

# columns of a level: what holds after its step
_T, _R, _X, _Y, _AWAY, _HOME, _GAP, _USED, _CAP, _VOL, _VAL, _POINTS, _NEXT, _ITEM, _START, _SIZE = range(16)


@njit(cache=True)
def few_search(
    tables: Tables,
    items: Items,
    people: People,
    day_rows: Ints,
    prize: Ints,
    full: Ints,
    p: int,
    most: int,
    slack: Ints,
    duties: int,
    out_value: Ints,
    out_points: Ints,
    out_length: Ints,
    out_item: Ints,
    out_start: Ints,
) -> tuple[int, int]:
    """The best duties of one person: (value of the best, duties written). `most`: items looked at, 0 for all."""
    first, last = items.person_at[p], items.person_at[p + 1]
    room = people.vol_cap[p]
    n = 0
    for i in range(first, last):
        if prize[i] > -slack[items.visit[i]]:
            n += 1
    if n == 0 or room <= 0:
        return 0, 0
    chosen, worths = np.empty(n, np.int64), np.empty(n, np.int64)
    n = 0
    for i in range(first, last):
        if prize[i] > -slack[items.visit[i]]:
            chosen[n], worths[n] = i, -prize[i]
            n += 1
    order = np.argsort(worths, kind="mergesort")
    if 0 < most < n:
        n = most
    top, at_most = max(0, prize[chosen[order[0]]]), np.int64(0)
    visit, carer = tables.visit, tables.carer
    detour, travel, repeat = tables.price[P_DETOUR], tables.price[P_TRAVEL], tables.price[P_REPEAT]
    empty = chain_cost(people, p, detour, travel)
    k_first = people.chain_at[p]
    chain = people.chain_at[p + 1] - k_first
    level = np.zeros((room + chain + 2, 16), np.int64)
    level[0, _T], level[0, _R] = people.clock[p], people.ready[p]
    level[0, _HOME], level[0, _AWAY] = 1, people.away[p]
    if people.away[p]:
        level[0, _X], level[0, _Y] = people.there[p, 0], people.there[p, 1]
    level[0, _USED], level[0, _CAP], level[0, _ITEM] = people.used[p], people.cap[p], -1
    more = max(0, top + repeat * MILLI)  # what a visit after the first can earn
    depth, written, steps = 0, np.int64(0), 0
    while depth >= 0:
        here = level[depth]
        b, left = here[_NEXT], room - here[_VOL]
        first_of_day = here[_VOL] + people.vol[p] == 0
        floor = out_value[duties - 1] if written == duties else 0
        gained = here[_VAL] - empty * MILLI
        hoped = gained
        if left > 0:
            hoped += (top if first_of_day else more) + (left - 1) * more
        steps += 1
        if steps == 1:
            at_most = hoped
        elif steps > STEPS:
            return max(at_most, out_value[0] if written else 0), written
        if hoped <= floor or here[_NEXT] > n:
            depth -= 1
            continue
        if b < n:
            worth = 0 if left == 0 else prize[chosen[order[b]]] + (0 if first_of_day else repeat * MILLI)
            if left == 0 or gained + worth + (left - 1) * more <= floor:
                b = n
        level[depth, _NEXT] = b + 1
        after = level[depth + 1]
        if b == n:
            # the next fixed visit; nothing to add behind it is an end too
            if here[_GAP] == chain:
                continue
            f = people.chain[k_first + here[_GAP]]
            after[:] = here
            after[_T], after[_GAP], after[_ITEM], after[_NEXT] = max(here[_T], f[1]), here[_GAP] + 1, -1, 0
            if f[2]:
                after[_R] = here[_R] + f[1] - f[0]
            else:
                if f[11]:
                    spent = np.int64(0)
                    if not here[_HOME]:
                        spent = minutes_between(here[_X], here[_Y], f[3], f[4], detour, f[7])
                    elif f[8]:
                        spent = minutes_between(f[9], f[10], f[3], f[4], detour, f[7])
                    after[_VAL] += travel * MILLI * spent
                    after[_POINTS] += travel * spent
                after[_R], after[_HOME], after[_AWAY] = f[1], 0, 1
                after[_X], after[_Y] = f[5], f[6]
        else:
            i = chosen[order[b]]
            v, c = items.visit[i], items.carer[i]
            row = day_rows[v]
            minutes = visit[row, V_MINUTES]
            used, capped = here[_USED] + minutes, min(here[_CAP], people.carer_cap[c])
            s = max(here[_T], items.low[i])
            if used > capped or s > items.high[i]:
                continue
            done = False
            for d in range(depth, 0, -1):
                done = done or (level[d, _ITEM] >= 0 and items.visit[level[d, _ITEM]] == v)
            if done:
                continue
            remote, spent = visit[row, V_REMOTE], np.int64(0)
            if not remote:
                if not here[_HOME]:
                    spent = minutes_between(
                        here[_X], here[_Y], visit[row, V_X], visit[row, V_Y], detour, carer[c, C_SPEED]
                    )
                    s = max(s, here[_R] + spent)
                else:
                    if here[_AWAY]:
                        way = minutes_between(
                            here[_X], here[_Y], visit[row, V_X], visit[row, V_Y], detour, carer[c, C_SPEED]
                        )
                        s = max(s, here[_R] + way)
                    if carer[c, C_BASED]:
                        spent = minutes_between(
                            carer[c, C_X],
                            carer[c, C_Y],
                            visit[row, V_X],
                            visit[row, V_Y],
                            detour,
                            carer[c, C_SPEED],
                        )
            fits = False
            for w in range(tables.window_at[c], tables.window_at[c + 1]):
                if s < tables.window_start[w]:
                    s = tables.window_start[w]
                if s + minutes <= tables.window_end[w]:
                    fits = s <= items.high[i]
                    break
            if not fits:
                continue
            again = repeat if here[_VOL] + people.vol[p] > 0 else 0
            t = s + minutes
            r, x, y, home, away = here[_R] + minutes, here[_X], here[_Y], here[_HOME], here[_AWAY]
            if not remote:
                r, x, y, home, away = t, visit[row, V_END_X], visit[row, V_END_Y], 0, 1
            if here[_GAP] < chain:
                f = people.chain[k_first + here[_GAP]]
                if t > f[0]:
                    continue
                if not f[2] and away and r + minutes_between(x, y, f[3], f[4], detour, f[7]) > f[0]:
                    continue
            after[:] = here
            after[_T], after[_R], after[_X], after[_Y], after[_HOME], after[_AWAY] = t, r, x, y, home, away
            after[_USED], after[_CAP], after[_VOL] = used, capped, here[_VOL] + 1
            after[_VAL] += prize[i] + (again + travel * spent) * MILLI
            after[_POINTS] += full[i] + again + travel * spent
            after[_ITEM], after[_START], after[_NEXT], after[_SIZE] = i, s, 0, here[_SIZE] + 1
        depth += 1
        if after[_GAP] < chain or after[_SIZE] == 0 or after[_VAL] - empty * MILLI <= floor:
            continue
        written = _keep(
            level, depth, empty, written, duties, out_value, out_points, out_length, out_item, out_start
        )
    return (out_value[0] if written else 0), written


@njit(cache=True)
def _keep(
    level: Ints,
    depth: int,
    empty: int,
    written: int,
    duties: int,
    out_value: Ints,
    out_points: Ints,
    out_length: Ints,
    out_item: Ints,
    out_start: Ints,
) -> int:
    """Enter the duty that ends at a level among the best, in order of value, the same visits once."""
    value, points, size = (
        level[depth, _VAL] - empty * MILLI,
        level[depth, _POINTS] - empty,
        level[depth, _SIZE],
    )
    place = written
    for d in range(written):
        same = out_length[d] == size
        for e in range(1, depth + 1):
            if same and level[e, _ITEM] >= 0:
                known = False
                for k in range(size):
                    known = known or out_item[d, k] == level[e, _ITEM]
                same = known
        if same:
            if out_value[d] >= value:
                return written
            place = d
            break
    if place == duties:
        place = duties - 1
    elif place == written:
        written += 1
    while place > 0 and out_value[place - 1] < value:
        out_value[place], out_points[place], out_length[place] = (
            out_value[place - 1],
            out_points[place - 1],
            out_length[place - 1],
        )
        out_item[place], out_start[place] = out_item[place - 1], out_start[place - 1]
        place -= 1
    out_value[place], out_points[place], out_length[place] = value, points, size
    k = 0
    for e in range(1, depth + 1):
        if level[e, _ITEM] >= 0:
            out_item[place, k], out_start[place, k] = level[e, _ITEM], level[e, _START]
            k += 1
    return written
