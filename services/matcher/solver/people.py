"""What each person's day already holds, as arrays."""

import numpy as np

from services.matcher.solver.candidates import C_CAPACITY, C_PERSON, Index, Tables
from services.matcher.solver.duties import People
from services.matcher.solver.few import FEW
from services.matcher.solver.rules import Book
from services.matcher.solver.snapshot import DAY

FREE = 1 << 40  # more than any minutes or milli-points


def people_of(book: Book, index: Index, tables: Tables, day: int) -> People:
    """What each person's day already holds."""
    snapshot = book.snapshot
    count, week = len(index.persons), snapshot.week_of(day)
    zero = (day - 1) * DAY
    used, weekly = np.zeros(count, np.int64), np.zeros(count, np.int64)
    vol_cap = np.zeros(count, np.int64)
    a_day = book.prices["volunteer.visits_a_day"]
    person_rows = tables.carer[:, C_PERSON]
    volunteers = (tables.carer[:, C_CAPACITY] == 0).tolist()
    for carer, person, volunteer in zip(index.carers, person_rows.tolist(), volunteers, strict=True):
        if day < len(carer.used_daily):
            used[person] += carer.used_daily[day]
        if week < len(carer.used_weekly):
            weekly[person] += carer.used_weekly[week]
        if volunteer:
            vol_cap[person] = a_day if carer.max_new is None else min(a_day, carer.max_new)
    vol, cap = np.zeros(count, np.int64), np.full(count, FREE, np.int64)
    clock, ready = np.full(count, zero, np.int64), np.full(count, zero, np.int64)
    away, there = np.zeros(count, np.bool_), np.zeros((count, 2), np.int64)
    chains: list[list[list[int]]] = [[] for _ in range(count)]
    for person_id, stops in book.stops.items():
        person = index.person_of[person_id]
        new_volunteered = 0
        next_met = False
        for stop in stops:
            carer = book.carers[stop.carer_id]
            weekly[person] += stop.minutes if snapshot.week_of(stop.day) == week else 0
            new_volunteered += stop.new and stop.volunteer
            if stop.day < day:
                clock[person] = max(clock[person], stop.end)
                if stop.end_place is None:
                    ready[person] += stop.minutes
                else:
                    ready[person], away[person], there[person] = stop.end, True, stop.end_place
                continue
            if stop.day == day:
                used[person] += stop.minutes
                vol[person] += stop.volunteer
            elif next_met:
                continue
            else:
                next_met = stop.place is not None
            here, end = stop.place or (0, 0), stop.end_place or (0, 0)
            base = (0, 0) if carer.base is None else book.plane(carer.base)
            speed = book.prices[f"speed.{carer.travel_mode}"]
            chains[person].append(
                [
                    stop.start,
                    stop.end,
                    stop.place is None,
                    *here,
                    *end,
                    speed,
                    carer.base is not None,
                    *base,
                    stop.day == day,
                ]
            )
        unpaid = next((c for c in book.capacities[person_id] if c.capacity.value == "volunteer"), None)
        if unpaid is not None:
            left = a_day - vol[person]
            if unpaid.max_new is not None:
                left = min(left, unpaid.max_new - new_volunteered)
            vol_cap[person] = max(0, left)
    for person_id, stops in book.stops.items():
        person = index.person_of[person_id]
        for stop in stops:
            if stop.new and snapshot.week_of(stop.day) == week:
                limit = book.carers[stop.carer_id].weekly_minutes - weekly[person] + used[person]
                cap[person] = min(cap[person], limit)
    daily = np.array([carer.daily_minutes for carer in index.carers], np.int64)
    in_week = np.array([carer.weekly_minutes for carer in index.carers], np.int64)
    carer_cap = np.minimum(daily, in_week - weekly[person_rows] + used[person_rows])
    at = np.zeros(count + 1, np.int64)
    np.cumsum([len(chain) for chain in chains], out=at[1:])
    chain = np.array([row for each in chains for row in each], dtype=np.int64).reshape(-1, 12)
    few = vol_cap <= FEW
    few[person_rows[tables.carer[:, C_CAPACITY] != 0]] = False
    return People(at, chain, clock, ready, away, there, used, cap, carer_cap, vol, vol_cap, zero, few)
