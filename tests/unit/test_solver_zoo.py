"""Handmade odd cities: the solver never crashes, never breaks a rule, keeps its time, and its bound holds."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.matcher.checker import judge
from services.matcher.solver.columns import Master
from services.matcher.solver.plan import Limits, Plan
from services.matcher.solver.snapshot import Fixed, FixedKind, SnapCarer, SnapLine, Snapshot, SnapVisit
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity, ContractUnit, ServiceKind

DOOR = (119.18, 32.27)
COMMUNITY, FIRM = UUID(int=1), UUID(int=2)
DAY = 1440
ALL_DAY = ((0, DAY),)


def visit(n: int, start: int = 600, width: int = 60, minutes: int = 30, **more: Any) -> SnapVisit:
    known = {"kind": ServiceKind.COMPANIONSHIP, "place": DOOR} | more
    return SnapVisit(
        UUID(int=10_000 + n),
        1,
        (UUID(int=30_000 + n),),
        COMMUNITY,
        earliest_start=start,
        latest_start=start + width,
        minutes=minutes,
        **known,
    )


def carer(
    n: int, capacity: Capacity = Capacity.STIPENDED, person: int | None = None, **more: Any
) -> SnapCarer:
    known = {"base": DOOR, "windows": ALL_DAY, "daily_minutes": DAY, "weekly_minutes": 7 * DAY} | more
    if capacity is Capacity.EMPLOYED:
        known |= {"organisation_id": FIRM}
    number = n if person is None else person
    return SnapCarer(UUID(int=50_000 + n), 1, UUID(int=70_000 + number), capacity, **known)


def line(**more: Any) -> SnapLine:
    known = {"free": 10_000, "unit": ContractUnit.VISIT, "unit_price_fen": 4000} | more
    kinds, communities = frozenset(ServiceKind), frozenset({COMMUNITY})
    year = date(2026, 1, 1), date(2026, 12, 31)
    return SnapLine(UUID(int=90_000), FIRM, kinds, communities, valid_from=year[0], valid_to=year[1], **known)


def city(visits: list[SnapVisit], carers: list[SnapCarer], **more: Any) -> Snapshot:
    known = {"days": 1} | more
    taken = datetime(2026, 11, 22, 10, tzinfo=UTC)
    return Snapshot(
        UUID(int=9), taken, date(2026, 11, 23), visits=tuple(visits), carers=tuple(carers), **known
    )


VOLUNTEER, EMPLOYED = Capacity.VOLUNTEER, Capacity.EMPLOYED
ISLAND = (150.0, 10.0)
HELD = Fixed(visit(0).visit_id, 0, carer(0).carer_id, 600, 630, FixedKind.ACCEPTED)

# name: city, how many visits the best plan serves
ZOO: dict[str, Callable[[], tuple[Snapshot, int]]] = {
    "nobody at all": lambda: (city([], []), 0),
    "no carers": lambda: (city([visit(n) for n in range(3)], []), 0),
    "no visits": lambda: (city([], [carer(0)]), 0),
    "one visit": lambda: (city([visit(0)], [carer(0)]), 1),
    "all identical": lambda: (
        city([visit(n, width=0) for n in range(12)], [carer(n, VOLUNTEER) for n in range(9)]),
        9,
    ),
    "zero-length windows": lambda: (
        city([visit(0, width=0), visit(1)], [carer(0, windows=((600, 600),)), carer(1, windows=())]),
        0,
    ),
    "exactly as long as free": lambda: (city([visit(0, width=0)], [carer(0, windows=((600, 630),))]), 1),
    "over midnight": lambda: (
        city(
            [visit(0, 1430, 9, 30), visit(1, 1440, 15, 30), visit(2, 1470, 60, 30)],
            [carer(0, windows=((1400, 1500),)), carer(1, VOLUNTEER, windows=((1430, 1600),))],
            days=2,
        ),
        3,
    ),
    "the week's last minute": lambda: (
        city([visit(0, 7 * DAY - 1, 0, 60)], [carer(0, windows=((0, 7 * DAY + 120),))], days=7),
        1,
    ),
    "an island": lambda: (city([visit(0, place=ISLAND), visit(1)], [carer(0)]), 1),
    "from an island, remotely": lambda: (city([visit(0, remote=True)], [carer(0, base=ISLAND)]), 1),
    "without a base": lambda: (city([visit(0), visit(1, remote=True)], [carer(0, base=None)]), 1),
    "not placed": lambda: (city([visit(0, place=None)], [carer(0)]), 0),
    "a contract without units": lambda: (city([visit(0)], [carer(0, EMPLOYED)], lines=(line(free=0),)), 0),
    "a contract of one visit": lambda: (
        city([visit(0), visit(1)], [carer(0, EMPLOYED), carer(1, EMPLOYED)], lines=(line(free=100),)),
        1,
    ),
    "no contract": lambda: (city([visit(0)], [carer(0, EMPLOYED)]), 0),
    "two for one, and one person twice": lambda: (
        city([visit(0, carers=2)], [carer(0, VOLUNTEER), carer(1, EMPLOYED, person=0)], lines=(line(),)),
        0,
    ),
    "two for one": lambda: (city([visit(0, carers=2)], [carer(0), carer(1, VOLUNTEER)]), 1),
    "two for one, a second short": lambda: (
        city([visit(0, 600, 0, carers=2), visit(1, 631, 0)], [carer(0), carer(1, base=(119.19, 32.27))]),
        2,
    ),
    "a hundred visits one after another": lambda: (
        city([visit(n, 10 * n, 0, 10) for n in range(100)], [carer(0)]),
        40,  # no duty is longer; the bound knows of the hundred
    ),
    "no minutes left": lambda: (city([visit(0)], [carer(0, daily_minutes=29)]), 0),
    "minutes used elsewhere": lambda: (
        city([visit(0)], [carer(0, daily_minutes=60, used_daily=(31,))]),
        0,
    ),
    "held and full": lambda: (city([visit(0), visit(1, 605, 0)], [carer(0)], fixed=(HELD,)), 1),
    "held by who may not": lambda: (
        city([visit(0), visit(1, 640, 0)], [carer(0, age=17), carer(1)], fixed=(HELD,)),
        2,
    ),
}


def served(snapshot: Snapshot, plan: Plan) -> int:
    return len(snapshot.visits) - len(plan.unmet)


@pytest.mark.parametrize("name", ZOO)
def test_an_odd_city_has_a_valid_plan_and_a_bound_that_holds(name: str) -> None:
    snapshot, most = ZOO[name]()
    plan = solve(snapshot, Limits(rounds=20, threads=1))
    assert judge(snapshot, plan).faults == ()
    assert served(snapshot, plan) == most


def test_one_person_does_nothing_for_visits_for_two_and_no_part_of_one_is_in_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A linear program without rows against halves uses each by half with the one person who comes."""
    lonely = city([visit(n, 540 + 90 * n, 0, carers=2) for n in range(4)], [carer(0)])
    plan = solve(lonely, Limits(rounds=20, threads=1))
    assert (plan.objective, plan.bound) == (0, 0)
    monkeypatch.setattr(Master, "forbid_halves", lambda *_: 0)
    without = solve(lonely, Limits(rounds=20, threads=1))
    assert without.objective == 0
    assert without.bound > 1_000
