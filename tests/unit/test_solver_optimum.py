"""Tiny cities, every plan of which can be looked at: no plan is worth more than the bound, nor the solver's more than the best."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations, permutations, product
from uuid import UUID

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from services.matcher import checker
from services.matcher.solver.plan import Assignment, Limits, Plan, Work
from services.matcher.solver.snapshot import SnapCarer, SnapLine, Snapshot, SnapVisit
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity, Channel, ContractUnit, Skill, TravelMode
from tests.unit.test_solver_zoo import carer, city, line, visit

Choice = tuple[UUID, UUID, int | None, UUID | None]  # visit, carer, start of a visit for two, line


def empty(snapshot: Snapshot, assignments: tuple[Assignment, ...] = ()) -> Plan:
    return Plan(snapshot.snapshot_id, "", assignments, (), (), 0, (), 0, 0, "", Work())


def best(snapshot: Snapshot) -> int:
    """The points of the best plan of all."""
    court = checker.Court(snapshot, empty(snapshot))

    def ways_to_staff(visit: SnapVisit) -> Iterator[tuple[Choice, ...]]:
        yield ()
        able: list[tuple[SnapCarer, UUID | None]] = []
        for each in snapshot.carers:
            if not list(court.suits(visit, each)) and (visit.remote or not court.far(visit, each)):
                employed = each.capacity is Capacity.EMPLOYED
                able += [
                    (each, own.line_id if own else None) for own in (snapshot.lines if employed else (None,))
                ]
        if visit.carers == 1:
            yield from (((visit.visit_id, each.carer_id, None, own),) for each, own in able)
        else:
            for (one, first), (other, second) in combinations(able, 2):
                for start in court.grid(visit):
                    yield (
                        (visit.visit_id, one.carer_id, start, first),
                        (visit.visit_id, other.carer_id, start, second),
                    )

    @cache
    def worth(chosen: frozenset[Choice]) -> int | None:
        """The most that one person's choices give in any order; None: they cannot all be done."""
        return max((points for order in permutations(chosen) for points in in_order(order)), default=None)

    def in_order(order: tuple[Choice, ...]) -> Iterator[int]:
        row, clock, ready, here = [], 0, 0, None
        for visit_id, carer_id, start, line_id in order:
            visit, who = court.visits[visit_id], court.carers[carer_id]
            begin = max(clock, visit.earliest_start if start is None else start)
            at_place = not visit.remote and visit.place is not None
            if at_place and here is not None:
                begin = max(begin, ready + court.minutes(who, here, visit.place))
            fitting = [
                max(begin, low) for low, high in who.windows if max(begin, low) + visit.minutes <= high
            ]
            if not fitting or (start is not None and fitting[0] != start):
                return
            clock = fitting[0] + visit.minutes
            ready = clock if at_place else ready + visit.minutes
            here = (visit.end_place or visit.place) if at_place else here
            own = court.lines.get(line_id)
            units = checker.units_drawn(own, visit) if own else 0
            row.append(Assignment(visit_id, 0, carer_id, who.person_id, fitting[0], clock, line_id, units))
        alone = checker.Court(snapshot, empty(snapshot, tuple(row)))
        broken = [
            rule for a in row for rule in alone.pair(alone.visits[a.visit_id], alone.carers[a.carer_id], a)
        ]
        if not broken and not list(alone.people()):
            yield sum(alone.points().values())

    top = 0
    for plan in product(*(list(ways_to_staff(each)) for each in snapshot.visits)):
        people: dict[UUID, set[Choice]] = {}
        drawn: dict[UUID, int] = {}
        choices = [choice for each in plan for choice in each]
        for choice in choices:
            people.setdefault(court.carers[choice[1]].person_id, set()).add(choice)
            if choice[3] is not None:
                units = checker.units_drawn(court.lines[choice[3]], court.visits[choice[0]])
                drawn[choice[3]] = drawn.get(choice[3], 0) + units
        twice = sum(len(each) for each in people.values()) < len(choices) or any(
            len({choice[0] for choice in each}) < len(each) for each in people.values()
        )
        if twice or any(units > court.lines[line_id].free for line_id, units in drawn.items()):
            continue
        values = [worth(frozenset(each)) for each in people.values()]
        if None not in values:
            top = max(top, sum(value for value in values if value is not None))
    return top


@st.composite
def tiny(draw: st.DrawFn) -> Snapshot:
    """Up to four visits and three carers of all capacities, close to each other in time and place."""
    place = st.sampled_from([(119.18, 32.27), (119.185, 32.27), (119.18, 32.28), (119.25, 32.27)])
    skills = st.sets(st.sampled_from([Skill.MEAL, Skill.CARE]), max_size=1)
    visits = []
    for n in range(draw(st.integers(1, 4))):
        start, width = draw(st.integers(36, 42)) * 15, draw(st.sampled_from([0, 20, 60]))
        visits.append(
            visit(
                n,
                start,
                width,
                draw(st.sampled_from([15, 40])),
                carers=draw(st.sampled_from([1, 1, 2])),
                remote=draw(st.sampled_from([False, False, False, True])),
                place=draw(place),
                end_place=draw(st.sampled_from([None, None, (119.2, 32.27)])),
                skills=frozenset(draw(skills)),
                channels=draw(st.sampled_from([frozenset(Channel), frozenset({Channel.VOLUNTEER})])),
                earlier_visits=draw(st.sampled_from([(), ((UUID(int=70_000), 2),)])),
                vital=draw(st.booleans()),
            )
        )
    carers = [
        carer(
            n,
            draw(st.sampled_from(list(Capacity))),
            draw(st.sampled_from([0, n])),
            skills=frozenset(draw(st.sampled_from([list(Skill), [Skill.MEAL]]))),
            base=draw(place),
            travel_mode=draw(st.sampled_from([TravelMode.WALK, TravelMode.CAR])),
            windows=draw(st.sampled_from([((500, 700),), ((530, 590), (600, 660)), ((560, 620),)])),
            daily_minutes=draw(st.sampled_from([40, 60, 240])),
            max_new=draw(st.sampled_from([None, 1, 2])),
            load=draw(st.sampled_from([0, 130])),
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    unique = {(each.person_id, each.capacity): each for each in carers}
    free = draw(st.sampled_from([0, 100, 250]))
    lines = [line(free=free)]
    if draw(st.booleans()):
        lines.append(
            replace(
                line(free=200, unit_price_fen=500, unit=ContractUnit.HOUR, channel=Channel.MARKET),
                line_id=UUID(int=90_001),
            )
        )
    used: tuple[SnapLine, ...] = tuple(lines)
    return city(visits, list(unique.values()), lines=used)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tiny())
def test_the_bound_is_not_below_the_best_plan_of_all(snapshot: Snapshot) -> None:
    plan = solve(snapshot, Limits(rounds=20, threads=1))
    note(f"{plan.objective} points, bound {plan.bound}")
    assert checker.judge(snapshot, plan).faults == ()
    most = best(snapshot)
    assert plan.objective <= most <= plan.bound
