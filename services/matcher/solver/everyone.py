"""Everyone's best duties of a day under the prices of a linear program, and the bound that follows from them."""

from collections.abc import Callable

import numpy as np
from numba import njit

from services.matcher.solver.candidates import Index, Ints, Items, Starts, Tables
from services.matcher.solver.columns import Duals
from services.matcher.solver.duties import MILLI, Found, People
from services.matcher.solver.people import FREE
from services.matcher.solver.pricing import Priced, prizes, search
from services.matcher.solver.rules import Book, travel_minutes
from services.matcher.solver.watch import Watch

QUICK_CROWD, QUICK_MOST = 12, 160
_QUICK_LABELS, _QUICK_DUTIES, _QUICK_NEAR = 30_000, 24, 128
_PROOF_CROWD, _PROOF_LABELS, _PROOF_NEAR = 64, 250_000, 8
_FEW_DUTIES, _FEW_AT_ONCE, _LABELLED_AT_ONCE = 2, 1_000, 8
_CHOICES_AT_ONCE = 200_000  # some tenths of a second


def slack_of(book: Book, index: Index, rows: Ints) -> Ints:
    """How much less than nothing an item may be worth and still shorten a duty: where a visit ends elsewhere."""
    slack = np.zeros(len(rows), np.int64)
    per_minute = -book.prices["travel.minute"] * MILLI
    modes = {carer.travel_mode for carer in index.carers}
    for local, row in enumerate(rows):
        visit = index.visits[row]
        if visit.end_place is None or visit.place is None or visit.remote:
            continue
        here, there = book.plane(visit.place), book.plane(visit.end_place)
        way = max((travel_minutes(book.prices, mode, here, there) for mode in modes), default=0)
        slack[local] = way * per_minute if way <= visit.minutes else FREE
    return slack


def priced(
    tables: Tables,
    items: Items,
    number: Ints,
    rows: Ints,
    starts: Starts,
    asked: Duals,
    worth: Ints,
    usable: Ints,
) -> Priced:
    """Items under the asked duals. `number`: which they are among all; `worth`: points of serving, by visit."""
    dual = np.concatenate([np.where(starts.double, 0, asked.visit), -asked.start])
    served = np.concatenate([np.where(starts.double, 0, worth), np.zeros(len(starts.visit), np.int64)])
    found = prizes(tables, items, number, rows, dual, asked.line, served, usable)
    paying, price = asked.halves.of_items(items, len(rows), len(starts.visit))
    found.prize[paying] -= price
    return found


def look(
    tables: Tables,
    people: People,
    rows: Ints,
    slack: Ints,
    asked: Ints,
    wanted: Ints,
    priced: Priced,
    watch: Watch,
    in_time: Callable[[], None],
    *,
    proving: bool,
    duties: int = 0,
    beside: bool = False,
) -> Found:
    """The best duties of each asked, by the prizes `wanted`. `in_time` is called between searches and may raise.

    `beside`: in this thread alone, so that who plans meanwhile does not wait for it.
    """
    if proving:
        settings = (_PROOF_CROWD, _PROOF_NEAR, 0, _PROOF_LABELS)
    else:
        settings = (QUICK_CROWD, _QUICK_NEAR, QUICK_MOST, _QUICK_LABELS)
    crowd, near, most, labels = settings
    few = bool(len(asked)) and bool(people.few[asked].all())
    usual, at_once = (_FEW_DUTIES, _FEW_AT_ONCE) if few else (_QUICK_DUTIES, _LABELLED_AT_ONCE)
    duties = duties or usual

    def part(asked: Ints) -> Found:
        return search(
            tables, people, rows, wanted, priced, asked, proving, crowd, near, most, slack, labels, duties
        )

    found: list[Found] = []
    parts = turns(asked, at_once, priced.items)
    threads, each = (1, map) if beside else (watch.limits.threads, watch.pool.map)
    for begin in range(0, len(parts), threads):
        in_time()
        found += each(part, parts[begin : begin + threads])
    return Found(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def turns(people: Ints, at_once: int, items: Items) -> list[Ints]:
    """People in turns after which somebody looks at the clock: at most so many, and few where each has much to choose."""
    choices = items.person_at[people + 1] - items.person_at[people]
    weighty = np.cumsum(choices) // _CHOICES_AT_ONCE
    turn = np.arange(len(people)) // at_once
    ends = np.flatnonzero((np.diff(weighty) != 0) | (np.diff(turn) != 0)) + 1
    return np.split(people, ends)


@njit(cache=True)
def best_by(group: Ints, worth: Ints, count: int) -> Ints:
    """The most of each group, nothing at least."""
    best = np.zeros(count, np.int64)
    for i in range(len(group)):
        best[group[i]] = max(best[group[i]], worth[i])
    return best


def lagrangian(starts: Starts, worth: Ints, asked: Duals, units: Ints, best_of_all: int) -> int:
    """Milli-points: duals of the shared rows, the starts of visits for two, and everyone's best duty."""
    total = int(asked.visit[~starts.double].sum()) + int(asked.line @ units) + best_of_all
    best_start = np.zeros(len(worth), np.int64)
    margin = worth[starts.visit] * MILLI - 2 * asked.start + asked.halves.given(len(starts.visit))
    np.maximum.at(best_start, starts.visit, margin)
    return total + int(best_start.sum())
