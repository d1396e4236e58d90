"""Tiny cities, every plan of which can be looked at: no plan is worth more than the bound, nor the solver's more than the best.

So too every repair of a plan after a no: the one that is found is the best of those that tell the fewest people.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, combinations, permutations, product
from random import Random
from uuid import UUID

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from services.matcher import checker
from services.matcher.solver.mending import MOST_TOLD, Mender, Mending
from services.matcher.solver.plan import Assignment, Limits, Plan, Work
from services.matcher.solver.prices import RULES
from services.matcher.solver.snapshot import Fixed, FixedKind, SnapCarer, SnapLine, Snapshot, SnapVisit
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
    unique = {
        (each.person_id, each.capacity): each
        if each.capacity is Capacity.VOLUNTEER
        else replace(each, max_new=None)  # volunteers' rule; of others columns know nothing of it
        for each in carers
    }
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
    most = best(snapshot)
    for area in (6, 1):
        plan = solve(snapshot, Limits(rounds=20, threads=1, area=area))
        note(f"{plan.objective} points, bound {plan.bound}")
        assert checker.judge(snapshot, plan).faults == ()
        assert plan.objective <= most <= plan.bound


@st.composite
def crossed(draw: st.DrawFn) -> Snapshot:
    """Visits at about one time, each for one of three skills in a row, and people who have one of them or two that are next."""
    skills = [Skill.MEAL, Skill.CARE, Skill.COMPANIONSHIP]
    place = st.sampled_from([(119.18, 32.27), (119.185, 32.27), (119.18, 32.28)])
    visits = [
        visit(
            n,
            draw(st.integers(38, 42)) * 15,
            draw(st.sampled_from([0, 0, 20])),
            draw(st.sampled_from([15, 40, 90])),
            carers=draw(st.sampled_from([1, 1, 1, 2])),
            remote=draw(st.sampled_from([False, False, False, True])),
            place=draw(place),
            end_place=draw(st.sampled_from([None, None, (119.2, 32.27)])),
            skills=frozenset({skills[n % 3]}),
            earlier_visits=draw(st.sampled_from([(), ((UUID(int=70_001), 2),)])),
            vital=draw(st.booleans()),
        )
        for n in range(draw(st.integers(3, 4)))
    ]
    carers = [
        carer(
            n,
            draw(st.sampled_from(list(Capacity))),
            draw(st.sampled_from([n, n, n, 0])),
            skills=frozenset(skills[slice(*draw(st.sampled_from([(0, 1), (0, 2), (1, 3), (1, 3), (2, 3)])))]),
            base=draw(place),
            travel_mode=draw(st.sampled_from([TravelMode.WALK, TravelMode.CAR])),
            windows=draw(st.sampled_from([((500, 800),), ((560, 690), (700, 800)), ((560, 690),)])),
            daily_minutes=draw(st.sampled_from([90, 240])),
            max_new=draw(st.sampled_from([None, 1, 2])),
            load=draw(st.sampled_from([0, 130])),
        )
        for n in range(draw(st.integers(4, 6)))
    ]
    unique = {(each.person_id, each.capacity): each for each in carers}
    return city(visits, list(unique.values()), lines=(line(free=draw(st.sampled_from([100, 200, 500]))),))


def published(snapshot: Snapshot, accepted: Callable[[int], bool]) -> tuple[Snapshot, tuple[Assignment, ...]]:
    """The picture and the plan's pairs when some have said yes: theirs are fixed, the others only proposed."""
    pairs = solve(snapshot, Limits(rounds=20, threads=1)).assignments
    pairs = tuple(replace(a, points=(), fixed=accepted(n)) for n, a in enumerate(pairs))
    fixed = tuple(
        Fixed(a.visit_id, a.slot, a.carer_id, a.start, a.end, FixedKind.ACCEPTED, a.line_id)
        for a in pairs
        if a.fixed
    )
    lines = tuple(
        replace(each, free=each.free - sum(a.units for a in pairs if a.fixed and a.line_id == each.line_id))
        for each in snapshot.lines
    )
    return replace(snapshot, fixed=fixed, lines=lines), pairs


def broken(snapshot: Snapshot, pairs: tuple[Assignment, ...]) -> list[str]:
    """The rules that the pairs break."""
    court = checker.Court(snapshot, empty(snapshot, pairs))
    new = [court.pair(court.visits[a.visit_id], court.carers[a.carer_id], a) for a in pairs if not a.fixed]
    found = chain(court.fixed(), court.places(), court.people(), court.lines_drawn())
    return [rule for each in new for rule, _ in each] + [str(each) for each in found]


def points(snapshot: Snapshot, pairs: tuple[Assignment, ...]) -> int:
    return sum(checker.Court(snapshot, empty(snapshot, pairs)).points().values())


def entered(
    pairs: tuple[Assignment, ...], mending: Mending, gone: Assignment, snapshot: Snapshot
) -> tuple[Assignment, ...]:
    """The plan with a repair in it; `gone` is whose place it fills."""
    rows, slot = list(pairs), gone.slot
    for step in mending.steps:
        found = step.carer
        left = next(
            (a for a in rows if (a.visit_id, a.carer_id, a.fixed) == (step.leaves, found.carer_id, False)),
            None,
        )
        line = next((each for each in snapshot.lines if each.line_id == found.line_id), None)
        visit = next(each for each in snapshot.visits if each.visit_id == step.visit_id)
        units = checker.units_drawn(line, visit) if line else 0
        rows.append(
            Assignment(
                step.visit_id,
                slot,
                found.carer_id,
                found.person_id,
                found.start,
                found.end,
                found.line_id,
                units,
            )
        )
        assert (left is None) == (step.leaves is None)
        if left is not None:
            rows.remove(left)
            slot = left.slot
    return tuple(rows)


def repairs(
    snapshot: Snapshot, pairs: tuple[Assignment, ...], gone: Assignment, people: int
) -> Iterator[tuple[Assignment, ...]]:
    """Every plan in which so many people fill the place one after the other: anybody, in any order of their day, by any line."""
    visits = {each.visit_id: each for each in snapshot.visits}

    def days(rest: tuple[Assignment, ...], who: SnapCarer, place: Assignment) -> Iterator[Assignment]:
        """Somebody at the place, for each order of their day at the earliest start that can be."""
        visit, orders = visits[place.visit_id], set()
        own = [replace(a, fixed=False) for a in rest if a.person_id == who.person_id]
        others = [a.start for a in rest if a.visit_id == place.visit_id]
        for start in others[:1] or range(visit.earliest_start, visit.latest_start + 1):
            end = start + visit.minutes
            new = Assignment(place.visit_id, place.slot, who.carer_id, who.person_id, start, end)
            row = sorted([*own, new], key=lambda a: (a.start, a.end))
            court = checker.Court(snapshot, empty(snapshot, tuple(row)))
            free = any(low <= start and end <= high for low, high in who.windows)
            if row.index(new) not in orders and free and not list(court.sequence(row)):
                orders.add(row.index(new))
                for each in snapshot.lines if who.capacity is Capacity.EMPLOYED else ():
                    yield replace(new, line_id=each.line_id, units=checker.units_drawn(each, visit))
                if who.capacity is not Capacity.EMPLOYED:
                    yield new

    def on(
        rows: tuple[Assignment, ...], place: Assignment, told: tuple[UUID, ...], seen: tuple[UUID, ...]
    ) -> Iterator[tuple[Assignment, ...]]:
        for who in snapshot.carers:
            if who.person_id in told or (place is gone and who.person_id == gone.person_id):
                continue
            mine = [a for a in rows if a.person_id == who.person_id and not a.fixed]
            for left in [a for a in mine if a.visit_id not in seen] if len(told) + 1 < people else [None]:
                rest = tuple(a for a in rows if a is not left)
                for new in days(rest, who, place):
                    if left is None:
                        yield (*rest, new)
                    else:
                        ids = (*told, who.person_id), (*seen, left.visit_id)
                        yield from on((*rest, new), left, *ids)

    yield from on(pairs, gone, (), (gone.visit_id,))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(crossed(), st.randoms(use_true_random=False))
def test_a_repair_is_the_best_of_those_that_tell_the_fewest(snapshot: Snapshot, random: Random) -> None:
    asked, pairs = published(snapshot, lambda _: random.random() < 0.2)
    proposed = [a for a in pairs if not a.fixed]
    if not proposed:
        return
    gone = random.choice(proposed)
    mender = Mender(asked, proposed)
    mender.decline(gone.visit_id, gone.carer_id)
    mending = mender.mend(gone.visit_id)
    left = tuple(a for a in pairs if a is not gone)
    carers = next(each.carers for each in snapshot.visits if each.visit_id == gone.visit_id)
    there = sum(a.visit_id == gone.visit_id for a in left)
    had = {a.person_id for a in left if not a.fixed}
    before, price = points(asked, left), RULES["stability.told"].value

    def gain(after: tuple[Assignment, ...]) -> int:
        changed = {a.person_id for a in after if a not in left} & had
        return points(asked, after) - before + price * len(changed)

    for people in range(1, MOST_TOLD + 1):
        plans = repairs(asked, left, gone, people) if there == carers - 1 else ()
        best = max((gain(each) for each in plans if not broken(asked, each)), default=0)
        if best > 0:
            break
    note(f"{people} told, {best} points")
    if mending is None:
        assert best <= 0
        return
    after = entered(left, mending, gone, asked)
    assert broken(asked, after) == []
    assert (len(mending.steps), mending.gain, gain(after)) == (people, best, best)
    assert {a for a in pairs if a.fixed} <= set(after)
    mender.apply(mending)
    assert sum(len(each) for each in mender.book.taken.values()) == len(after)


def test_a_chain_of_three_moves_what_is_proposed_and_stops_at_what_is_accepted() -> None:
    skills = [Skill.MEAL, Skill.CARE, Skill.COMPANIONSHIP]
    visits = [visit(n, width=0, skills=frozenset({skills[n]})) for n in range(3)]
    able = [skills[:1], skills[:2], skills[1:], skills[2:]]
    carers = [carer(n, skills=frozenset(own)) for n, own in enumerate(able)]
    pairs = [
        Assignment(v.visit_id, 0, c.carer_id, c.person_id, 600, 630)
        for v, c in zip(visits, carers, strict=False)
    ]
    held = Fixed(visits[2].visit_id, 0, carers[2].carer_id, 600, 630, FixedKind.ACCEPTED)
    for fixed, proposed in (((), pairs), ((held,), pairs[:2])):
        mender = Mender(city(visits, carers, fixed=fixed), proposed)
        mender.decline(visits[0].visit_id, carers[0].carer_id)
        assert mender.mend(visits[0].visit_id, most=2) is None
        mending = mender.mend(visits[0].visit_id)
        if fixed:
            assert mending is None
        else:
            assert mending is not None
            told = [step.carer.carer_id for step in mending.steps]
            assert told == [each.carer_id for each in carers[1:]]
