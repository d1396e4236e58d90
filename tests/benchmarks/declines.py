"""One no in a published day, at the solver's level: how long until the plan is mended, and how many others are told of it."""

import random
import statistics
import time
from collections import Counter
from dataclasses import replace
from typing import Any

from services.matcher.__main__ import FIRST_DAY
from services.matcher.plans.sample_snapshot import sample_snapshot
from services.matcher.solver.mending import Mender
from services.matcher.solver.plan import Assignment, Limits, Plan
from services.matcher.solver.snapshot import Fixed, FixedKind, Snapshot
from services.matcher.solver.worker import solve_apart
from shared.contracts.codes import Capacity
from shared.sample import Size

ACCEPTED = 0.5
TIMES = 200


def mended(size: str = "city") -> dict[str, Any]:
    """A day of which half is accepted and half only proposed: 200 noes of anybody, and 200 of contract staff alone, each to
    the same plan."""
    snapshot = sample_snapshot(Size(size), 1, FIRST_DAY)
    return declined(snapshot, solve_apart(snapshot, Limits(seconds=58)))


def declined(snapshot: Snapshot, plan: Plan) -> dict[str, Any]:
    """`others_told`: noes by how many who had a proposal are told of something else; nobody accepted ever moves."""
    chance = random.Random(1)
    accepted, proposed = [], []
    for a in plan.assignments:
        (accepted if chance.random() < ACCEPTED else proposed).append(a)
    drawn: Counter[Any] = Counter()
    for a in accepted:
        drawn[a.line_id] += a.units
    fixed = tuple(
        Fixed(a.visit_id, a.slot, a.carer_id, a.start, a.end, FixedKind.ACCEPTED, a.line_id) for a in accepted
    )
    lines = tuple(replace(line, free=line.free - drawn[line.line_id]) for line in snapshot.lines)
    began = time.perf_counter()
    mender = Mender(replace(snapshot, fixed=fixed, lines=lines), proposed)
    opened = time.perf_counter() - began
    staff = [a for a in proposed if mender.book.carers[a.carer_id].capacity is Capacity.EMPLOYED]
    return {
        "accepted": len(accepted),
        "proposed": len(proposed),
        "opened_seconds": round(opened, 1),
        "of_anybody": _figures(mender, chance.sample(proposed, min(TIMES, len(proposed)))),
        "of_staff": _figures(mender, chance.sample(staff, min(TIMES, len(staff)))),
    }


def _figures(mender: Mender, noes: list[Assignment]) -> dict[str, Any]:
    took, people, others = [], Counter[int](), Counter[int]()
    for no in noes:
        began = time.perf_counter()
        mender.decline(no.visit_id, no.carer_id)
        mending = mender.mend(no.visit_id)
        took.append(time.perf_counter() - began)
        if mending is None:
            people[0] += 1
        else:
            people[len(mending.steps)] += 1
            had = [any(s.new for s in mender.book.stops.get(e.carer.person_id, ())) for e in mending.steps]
            others[sum(had)] += 1
        mender.propose(no)
    took.sort()
    return {
        "noes": len(noes),
        "median_ms": round(1000 * statistics.median(took), 1),
        "p95_ms": round(1000 * took[int(len(took) * 0.95) - 1], 1),
        "slowest_ms": round(1000 * took[-1], 1),
        "left_unmet": people.pop(0, 0),
        "people_in_chain": dict(sorted(people.items())),
        "others_told": dict(sorted(others.items())),
    }
