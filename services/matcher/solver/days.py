"""Carers' days of planned tours: when each stop and break begins once nobody leaves sooner than need be."""

from typing import NamedTuple

from services.matcher.solver.tours import APART, HERE, NEVER, NO_BREAK, SINGLE, THERE, Ints, Routes, Tours

BREAK = -1  # as a slot


class Begun(NamedTuple):
    """A slot of a stop, or a break at its place, and when it begins."""

    stop: int
    slot: int
    start: int


def days_of(tours: Tours, routes: Routes, starts: Ints, breaks: Ints) -> list[list[Begun]]:
    """Each carer's day in its order, from the earliest starts and the breaks before them."""
    days: list[list[tuple[int, int]]] = [[] for _ in tours.leaves]
    for stop in routes.order:
        for slot, who in enumerate(routes.carer[stop]):
            if who >= 0:
                days[who].append((int(stop), slot))
    return [_begun(tours, routes, starts, breaks, who, day) for who, day in enumerate(days)]


def _begun(
    tours: Tours, routes: Routes, starts: Ints, breaks: Ints, who: int, day: list[tuple[int, int]]
) -> list[Begun]:
    if not day:
        return []
    earliest, latest = int(tours.pause[0]), int(tours.pause[1])
    slack, waits, end = _waits(tours, starts, breaks, who, day)
    waited = waits[-1]
    at_the_end = (
        bool(tours.owed[who])
        and breaks[day[-1]] == NO_BREAK
        and routes.rest[who] < NEVER
        and max(end, earliest) <= latest
    )
    if at_the_end:
        slack, waited = min(slack, waited + latest - end), waited + max(0, earliest - end)
    put_off = min(slack, waited) if tours.leaves_late else 0
    begun: list[Begun] = []
    end, place = int(tours.shift[who, 0]), int(tours.leaves[who])
    for (stop, slot), waited in zip(day, waits, strict=True):
        there = end + int(tours.way[place, tours.place[stop]])
        if breaks[stop, slot] == HERE:
            begun.append(Begun(stop, BREAK, max(there, earliest)))
        elif breaks[stop, slot] == THERE:
            begun.append(Begun(begun[-1].stop, BREAK, max(end, earliest)))
        start = int(starts[stop]) + max(0, put_off - waited)
        begun.append(Begun(stop, slot, start))
        end, place = start + int(tours.lasts[stop, slot]), int(tours.place[stop])
    if at_the_end:
        begun.append(Begun(day[-1][0], BREAK, max(end, earliest)))
    return begun


def _waits(
    tours: Tours, starts: Ints, breaks: Ints, who: int, day: list[tuple[int, int]]
) -> tuple[int, list[int], int]:
    """How much later the first stop may start without harm, how much of it is waited for up to each stop, and when the last
    is done."""
    latest, minutes = int(tours.pause[1]), int(tours.pause[2])
    slack, waited, waits = 2**60, 0, []
    end, place = int(tours.shift[who, 0]), int(tours.leaves[who])
    for number, (stop, slot) in enumerate(day):
        there, had = end + int(tours.way[place, tours.place[stop]]), breaks[stop, slot]
        gap = int(starts[stop]) - there
        if had in (HERE, THERE):
            gap -= minutes
            slack = min(slack, waited + latest - (there if had == HERE else end))
        if had == HERE and number == 0:
            slack = 2**60
        else:
            waited += gap
        waits.append(waited)
        slack = min(slack, waited + _room(tours, int(starts[stop]), stop, slot))
        end, place = int(starts[stop]) + int(tours.lasts[stop, slot]), int(tours.place[stop])
    return slack, waits, end


def _room(tours: Tours, start: int, stop: int, slot: int) -> int:
    if tours.kind[stop] not in (SINGLE, APART):
        return 0
    window = max(0, int((tours.opens[stop] <= start).sum()) - 1)
    until = [int(tours.due[stop, window] - tours.counted[stop, slot])]
    until += [int(opens) - 1 for opens in tours.opens[stop] if opens > start]
    return max(0, min(until) - start)
