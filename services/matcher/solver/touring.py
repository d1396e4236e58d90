"""Tours planned: a first plan by order of time, annealed from there several times, then the best of them again, less hot."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from services.matcher.solver.annealing import anneal, neighbours_of
from services.matcher.solver.tours import (
    FIRST,
    SECOND,
    TOGETHER,
    TRAVEL,
    UNEVEN,
    WAITING,
    Bools,
    Ints,
    Routes,
    Tours,
)

_TURNS = 24  # at most; a quarter of them from the first plan, the others from the best
_ROUND = 1_000  # steps for each stop, all turns together
_ENOUGH = 5_000  # steps of a run for each stop: where there are less, there are fewer turns
_TRIAL = 100_000  # steps, to see how fast they go
_HOT, _WARM, _COLD = 1.5, 0.25, 0.04  # of the mean way's price: what an exchange may cost
_NEAR = 4  # the part of the openings' span within which stops change places
_GLANCE = 0.1  # seconds between two looks at the clock
_WORTH = 0.7  # of a turn: what time must be left for another to begin


@dataclass(frozen=True, slots=True)
class TourPlan:
    """Routes with their earliest starts (n), the breaks (n, 2) before them and cost. Where `rounds` are the limit that was
    given, they with the seed and as many threads give the same plan again; time divides the work otherwise."""

    cost: int
    routes: Routes
    starts: Ints
    breaks: Ints
    rounds: int


class NobodyAble(ValueError):
    """A stop that no carer can do, or no two where two are needed."""


def plan_tours(
    tours: Tours,
    *,
    seconds: float = 60.0,
    rounds: int = 1_000_000,
    seed: int = 1,
    threads: int = 2,
    progress: Callable[[float, int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> TourPlan:
    """The best tours found within the time, or `rounds` of work if that is less: they make the plan reproducible.

    `progress` is told seconds and cost after each turn; `stop` is asked several times a second. Raises NobodyAble.
    """
    began = time.monotonic()
    first = first_routes(tours)
    heat = _Heat.of(tours)
    until = began + seconds
    a_round = _ROUND * max(1, len(tours.kind))
    trial = min(_TRIAL, rounds * a_round)
    halt = np.zeros(1, np.bool_)
    cost, best, starts, breaks = heat.anneal(tours, first, trial, _HOT, 0, halt)
    speed = time.monotonic()
    heat.anneal(tours, first, trial, _HOT, 0, halt)
    speed = (time.monotonic() - speed) / trial
    fitting = min(rounds, max(1, int((until - time.monotonic()) / (speed * a_round))))
    turns = min(_TURNS, max(2, fitting * _ROUND // _ENOUGH))
    each = fitting * a_round // turns
    runs = turn = 0
    with ThreadPoolExecutor(threads) as pool:
        while turn < turns or fitting < rounds:
            begin, hot = (first, _HOT) if turn < max(1, turns // 4) else (best, _WARM)
            running = [
                pool.submit(heat.anneal, tours, begin, each, hot, seed + number, halt)
                for number in range(runs, runs + threads)
            ]
            runs += threads
            while wait(running, timeout=_GLANCE).not_done:
                halt[0] = halt[0] or stop() or time.monotonic() > until
            for run in running:
                its_cost, its_routes, its_starts, its_breaks = run.result()
                if its_cost < cost:
                    cost, best, starts, breaks = its_cost, its_routes, its_starts, its_breaks
            spent = time.monotonic() - began
            if progress is not None:
                progress(spent, cost)
            turn += 1
            in_time = turn < turns and fitting == rounds
            late = not in_time and spent + _WORTH * spent / turn > seconds
            if late or stop() or halt[0]:
                break
            if turn * each >= rounds * a_round:
                break
    return TourPlan(cost, best, starts, breaks, rounds if fitting == rounds else turn * each // a_round)


@dataclass(frozen=True, slots=True)
class _Heat:
    """What an exchange may cost is told in mean ways; `near`: how far apart in time stops may lie that change places;
    `neighbours`: found once for all turns."""

    scale: float
    near: int
    neighbours: Ints

    @classmethod
    def of(cls, tours: Tours) -> "_Heat":
        legs = tours.way[tours.way > 0]
        minute = max(int(tours.price[TRAVEL]), int(tours.price[WAITING]), int(tours.price[UNEVEN]), 1)
        span = int(tours.opens.max() - tours.opens.min()) if len(tours.opens) else 0
        return cls(
            float(legs.mean()) * minute if legs.size else 1.0, max(1, span // _NEAR), neighbours_of(tours)
        )

    def anneal(
        self, tours: Tours, routes: Routes, steps: int, hot: float, seed: int, halt: Bools
    ) -> tuple[int, Routes, Ints, Ints]:
        hot, cold = hot * self.scale, _COLD * self.scale
        return anneal(tours, self.neighbours, routes, steps, hot, cold, self.near, seed, halt)


def first_routes(tours: Tours) -> Routes:
    """Every stop in order of its opening, by who is there first. Raises NobodyAble."""
    n, carers = len(tours.kind), len(tours.leaves)
    free, here = tours.shift[:, 0].copy(), tours.leaves.copy()
    carer, start = np.full((n, 2), -1, np.int64), np.zeros(n, np.int64)
    order: list[int] = []
    for stop in np.argsort(tours.opens[:, 0], kind="stable"):
        if tours.kind[stop] == SECOND:
            continue
        # the second right behind the first: nothing between them can push both on for ever
        for each in (stop, tours.mate[stop]) if tours.kind[stop] == FIRST else (stop,):
            order.append(int(each))
            _give(tours, int(each), carer, start, free, here)
    rest = np.full(carers, tours.pause[1], np.int64)
    return Routes(np.array(order, np.int64), carer, np.zeros(n, np.int64), rest)


def _give(tours: Tours, stop: int, carer: Ints, start: Ints, free: Ints, here: Ints) -> None:
    """The carers who are there first, of those who leave somebody for the other slot or the mate."""
    there = free + tours.way[here, tours.place[stop]]
    begins = tours.opens[stop, 0]
    taken: list[int] = []
    other: Bools | None = None
    mate = int(tours.mate[stop])
    if tours.kind[stop] == TOGETHER:
        other = tours.able[stop, 1]
    elif mate >= 0 and carer[mate, 0] < 0:
        other = tours.able[mate, 0]
    elif mate >= 0:
        taken.append(int(carer[mate, 0]))
    if tours.kind[stop] == SECOND:
        begins = max(begins, start[mate] + tours.least[stop])
    slots = 2 if tours.kind[stop] == TOGETHER else 1
    for slot in range(slots):
        able = tours.able[stop, slot].copy()
        able[taken] = False
        if slot == 0 and other is not None and other.sum() == 1:
            able &= ~other
        fits = np.flatnonzero(able)
        if not len(fits):
            raise NobodyAble(f"stop {stop}: nobody is able to do slot {slot + 1}")
        who = int(fits[np.argmin(there[fits])])
        taken.append(who)
        carer[stop, slot] = who
        begins = max(begins, there[who])
    start[stop] = begins
    for slot in range(slots):
        who = carer[stop, slot]
        free[who], here[who] = begins + tours.lasts[stop, slot], tours.place[stop]
