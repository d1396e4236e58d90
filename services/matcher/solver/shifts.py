"""What a carer's shift is filled with: waiting, overtime, idle time, work, and whether the meal break has its place."""

from collections.abc import Sequence
from typing import NamedTuple

from services.matcher.solver.plan import Rest
from services.matcher.solver.rules import Book, Stop
from services.matcher.solver.snapshot import SnapCarer

Spot = tuple[int, int]


class Filled(NamedTuple):
    """In the snapshot's unit of time. `fits`: the break lies beside its visit, with time for the ways around it."""

    waited: int
    over: int
    idle: int
    load: int
    fits: bool


class _Part(NamedTuple):
    """A visit or the break; `there` None: wherever the carer is."""

    start: int
    end: int
    there: Spot | None
    leaves: Spot | None
    is_visit: bool


def fill(
    book: Book, carer: SnapCarer, shift: tuple[int, int], stops: Sequence[Stop], rest: Rest | None
) -> Filled:
    """A shift with the day's stops in order and the break."""
    begin, end = shift
    if not stops:
        return Filled(0, 0, end - begin, 0, rest is None)
    parts = _parts(stops, rest)
    here = None if carer.base is None else book.plane(carer.base)
    gaps: list[int] = []
    load, clock, left = 0, begin, begin
    for part in parts:
        way = 0
        if part.there is not None:
            way = 0 if here is None else book.way(carer.travel_mode, here, part.there)
            here = part.leaves
        if not gaps and not carer.leaves_at_shift:
            clock = left = part.start - way
        gaps.append(part.start - clock - way)
        load += way + (part.end - part.start if part.is_visit else 0)
        clock = part.end
    if carer.ends_at is not None and here is not None:
        way = book.way(carer.travel_mode, here, book.plane(carer.ends_at))
        load, clock = load + way, clock + way
    fits = rest is None or (len(parts) > len(stops) and _has_time(parts, gaps))
    gaps = [max(0, gap) for gap in gaps]
    # what is waited behind a break that the day begins with is idle, not waited
    free = gaps[1] if not parts[0].is_visit and len(gaps) > 1 else 0
    idle = max(0, left - begin) + sum(gaps) + max(0, end - clock)
    return Filled(sum(gaps) - free, max(0, clock - end), idle, load, fits)


def _parts(stops: Sequence[Stop], rest: Rest | None) -> list[_Part]:
    parts: list[_Part] = []
    for stop in stops:
        beside = rest is not None and rest.visit_id == stop.visit_id
        if beside and rest is not None and rest.start < stop.start:
            parts.append(_Part(rest.start, rest.end, stop.place, stop.place, False))
        parts.append(_Part(stop.start, stop.end, stop.place, stop.end_place, True))
        if beside and rest is not None and rest.start >= stop.start:
            parts.append(_Part(rest.start, rest.end, None, None, False))
    return parts


def _has_time(parts: list[_Part], gaps: list[int]) -> bool:
    """Of what lies around the break; the ways between visits are another rule's."""
    at = next(number for number, part in enumerate(parts) if not part.is_visit)
    return min(gaps[at : at + 2]) >= 0


def shift_points(book: Book) -> dict[str, int]:
    """Points of all shifts by rule, those without a visit included."""
    snapshot, prices = book.snapshot, book.prices
    waited = over = missed = idlest = uneven = 0
    loads: dict[int, list[int]] = {}
    for carer in snapshot.carers:
        for shift in carer.shifts:
            day = shift[0] // snapshot.day_length
            rest = book.rests.get((carer.carer_id, day))
            stops = [stop for stop in book.stops.get(carer.person_id, ()) if stop.day == day]
            filled = fill(book, carer, shift, stops, rest)
            waited += filled.waited * prices["wait.minute"] // snapshot.ticks
            over += filled.over * prices["overtime.minute"] // snapshot.ticks
            missed += carer.meal_break is not None and rest is None
            idlest = max(idlest, filled.idle)
            loads.setdefault(day, []).append(filled.load)
    for each in loads.values():
        unit = len(each) * snapshot.ticks
        uneven += sum(-(-abs(len(each) * load - sum(each)) // unit) for load in each)
    found = {
        "wait": waited,
        "overtime": over,
        "idle": idlest * prices["idle.most"] // snapshot.ticks,
        "break": missed * prices["break.missed"],
        "uneven": uneven * prices["uneven.minute"],
    }
    return {rule_id: points for rule_id, points in found.items() if points}
