"""What a finished plan is worth: the assignments with their points by rule."""

from dataclasses import replace
from uuid import UUID

from services.matcher.solver.candidates import Index
from services.matcher.solver.plan import Assignment
from services.matcher.solver.rules import Book, Stop, cost_points, late_by, pair_points, serving_points
from services.matcher.solver.shifts import shift_points


def way_points(book: Book, person_id: UUID, day: int) -> int:
    """Points of the travel that a person's new visits of a day add to that of the fixed ones."""
    stops = [stop for stop in book.stops.get(person_id, ()) if stop.day == day and stop.place is not None]
    return _way(book, stops) - _way(book, [stop for stop in stops if not stop.new])


def _way(book: Book, stops: list[Stop]) -> int:
    total, here, carer = 0, None, None
    for stop in stops:
        carer = book.carers[stop.carer_id]
        origin = here if here is not None else None if carer.base is None else book.plane(carer.base)
        if origin is not None and stop.place is not None:
            total += book.way(carer.travel_mode, origin, stop.place)
        here = stop.end_place
    if carer is not None and carer.ends_at is not None and here is not None:
        total += book.way(carer.travel_mode, here, book.plane(carer.ends_at))
    return total * book.prices["travel.minute"] // book.snapshot.ticks


def repeat_points(book: Book, person_id: UUID, day: int) -> int:
    stops = [stop for stop in book.stops.get(person_id, ()) if stop.day == day and stop.volunteer]
    fixed = sum(not stop.new for stop in stops)
    return (max(0, len(stops) - 1) - max(0, fixed - 1)) * book.prices["load.repeat"]


def assignments_of(
    book: Book, lines_of: dict[tuple[int, int], int], index: Index
) -> tuple[tuple[Assignment, ...], dict[str, int]]:
    """All pairs of the plan, fixed ones included, and the objective by rule."""
    snapshot, prices = book.snapshot, book.prices
    by_rule: dict[str, int] = {}
    found: list[Assignment] = []
    fixed_slots: dict[object, set[int]] = {}
    for pair in snapshot.fixed:
        fixed_slots.setdefault(pair.visit_id, set()).add(pair.slot)
        person_id = book.carers[pair.carer_id].person_id
        units = (
            0 if pair.line_id is None else book.units(book.lines[pair.line_id], book.visits[pair.visit_id])
        )
        found.append(
            Assignment(
                pair.visit_id,
                pair.slot,
                pair.carer_id,
                person_id,
                pair.start,
                pair.end,
                pair.line_id,
                units,
                True,
            )
        )
    worst, latest = 0, 0
    last_of_day: dict[tuple[object, int], tuple[int, int]] = {}
    for person_id, stops in book.stops.items():
        for stop in stops:
            if stop.new:
                last_of_day[person_id, stop.day] = (stop.start, stop.end)
    for person_id, stops in book.stops.items():
        for stop in stops:
            if not stop.new:
                continue
            visit, carer = book.visits[stop.visit_id], book.carers[stop.carer_id]
            open_slots = sorted(set(range(visit.carers)) - fixed_slots.get(visit.visit_id, set()))
            rank = sorted(str(each.carer_id) for each in book.taken[visit.visit_id] if each.new).index(
                str(stop.carer_id)
            )
            slot = open_slots[rank]
            serving = serving_points(prices, visit)
            share = (
                serving // 2 if rank or visit.carers == 1 or len(open_slots) == 1 else serving - serving // 2
            )
            points = [("serve", serving if visit.carers == 1 else share), *pair_points(prices, visit, carer)]
            line_row = lines_of.get((index.visit_of[visit.visit_id], index.carer_of[carer.carer_id]))
            line = None if line_row is None else snapshot.lines[line_row]
            if line is not None:
                points.append(("channel", prices[f"channel.{line.channel}"]))
                points.append(("cost", cost_points(prices, line, visit, snapshot.ticks)))
            if last_of_day[person_id, stop.day] == (stop.start, stop.end):
                points.append(("travel", way_points(book, person_id, stop.day)))
                points.append(("repeat", repeat_points(book, person_id, stop.day)))
            late = late_by(visit, stop.start)
            if late:
                points.append(("late", late * prices["late.minute"] // snapshot.ticks))
            if late > worst:
                worst, latest = late, len(found)
            points = [(rule_id, value) for rule_id, value in points if value]
            for rule_id, value in points:
                by_rule[rule_id] = by_rule.get(rule_id, 0) + value
            found.append(
                Assignment(
                    visit.visit_id,
                    slot,
                    carer.carer_id,
                    carer.person_id,
                    stop.start,
                    stop.end,
                    None if line is None else line.line_id,
                    0 if line is None else book.units(line, visit),
                    False,
                    tuple(points),
                )
            )
    price = prices["late.worst"] * worst // snapshot.ticks
    if price:
        by_rule["late_worst"] = price
        found[latest] = replace(found[latest], points=(*found[latest].points, ("late_worst", price)))
    found.sort(key=lambda each: (each.start, str(each.visit_id), each.slot))
    return tuple(found), by_rule | shift_points(book)
