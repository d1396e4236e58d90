"""Other planners of a day, each told as much of a snapshot as it can say: what they answer is who comes when.

All get the same case: who may do what by every rule that holds for a pair alone, what each pair is worth, and the ways. The
working out of these is given to them. A rival is built first and then searches; only the search is timed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.matcher.solver.rules import (
    Book,
    best_line,
    earliest_start,
    line_points,
    pair_points,
    serving_points,
    starts_for_two,
    static_breaks,
    timed_breaks,
)
from services.matcher.solver.snapshot import Place, SnapCarer, Snapshot, SnapVisit
from shared.contracts.codes import Capacity

THREADS = 2
NEVER = 10_000  # minutes: no day is so long
Answer = list[tuple[int, int, int]]  # visit and carer by their rows of the snapshot, start
Search = Callable[[], Answer]
Spot = tuple[str, Place | None, Place | None]  # home, visit or remote; where to, where from on


@dataclass(frozen=True, slots=True)
class Task:
    """A carer's part of a visit: one, or two alike for a visit for two, which then have one start only.

    `worth`: points of serving it; `spot`: row of the ways.
    """

    row: int
    visit: SnapVisit
    low: int
    high: int
    worth: int
    spot: int


@dataclass(frozen=True, slots=True)
class Shift:
    """A free interval of a carer, with what may be done in it. `price`: what a visit by this carer costs in the mean."""

    row: int
    carer: SnapCarer
    begin: int
    end: int
    visits: int
    minutes: int
    spot: int
    price: int

    @property
    def tour(self) -> bool:
        """Whether a visit may lie between two others."""
        return self.visits > 2

    @property
    def profile(self) -> str:
        return f"{self.carer.travel_mode}{' tour' if self.tour else ''}"


@dataclass(frozen=True, slots=True)
class Case:
    """A snapshot of one day as rivals are told it. `points[task, shift]`: what the pair gives beside serving and ways, of the
    able ones. `ways[profile]`: minutes from spot to spot; `homes`: the spots that are bases, from which ways take no time."""

    snapshot: Snapshot
    tasks: list[Task]
    shifts: list[Shift]
    able: NDArray[np.bool_]
    points: NDArray[np.int64]
    ways: dict[str, NDArray[np.int64]]
    homes: int

    def times(self, profile: str) -> NDArray[np.int64]:
        return np.where(np.arange(len(self.ways[profile]))[:, None] < self.homes, 0, self.ways[profile])

    def home(self, task: int, shift: int) -> int:
        of = self.shifts[shift]
        return int(self.ways[of.profile][of.spot, self.tasks[task].spot])

    def firsts(self) -> list[int]:
        """The first task of each visit; the other one of a visit for two is the next."""
        return [n for n, task in enumerate(self.tasks) if n == 0 or self.tasks[n - 1].row != task.row]


def case_of(snapshot: Snapshot) -> Case:
    """Raises ValueError for what this comparison does not tell rivals: several days, fixed pairs, followings, shifts, ways."""
    if snapshot.days > 1 or snapshot.fixed or snapshot.ways:
        raise ValueError("a case is one day from coordinates, with nothing fixed")
    if any(v.follows or v.late_from is not None for v in snapshot.visits) or any(
        c.shifts or c.starts_at_base or c.ends_at or c.used_daily or c.used_weekly for c in snapshot.carers
    ):
        raise ValueError("a case knows no followings, lateness, shifts or minutes taken elsewhere")
    book = Book(snapshot)
    free = [(row, carer) for row, carer in enumerate(snapshot.carers) if carer.windows]
    spots: dict[Spot, int] = {}
    for _, carer in free:
        spots.setdefault(("home", carer.base, carer.base), len(spots))
    homes = len(spots)
    shifts = [shift for row, carer in free for shift in _shifts(book, row, carer, spots)]
    opens, closes = np.array([s.begin for s in shifts]), np.array([s.end for s in shifts])
    tasks, able, points = [], [], []
    for row, visit in enumerate(snapshot.visits):
        first = np.maximum(opens, visit.earliest_start)
        fitting = np.flatnonzero(first <= np.minimum(closes - visit.minutes, visit.latest_start))
        worth = {int(s): _points(book, visit, shifts[s].carer) for s in fitting}
        pairs = {s: value for s, value in worth.items() if value is not None}
        if len(pairs) < visit.carers:
            continue
        low, high = visit.earliest_start, visit.latest_start
        if visit.carers == 2:
            low = high = _start_for_two(book, visit, [shifts[s] for s in pairs])
        place = ("remote" if visit.remote else "visit", visit.place, visit.end_place or visit.place)
        spot = spots.setdefault(place, len(spots))
        tasks += [
            Task(row, visit, low, high, serving_points(book.prices, visit) // visit.carers, spot)
        ] * visit.carers
        told = np.full(len(shifts), NEVER)
        told[list(pairs)] = list(pairs.values())
        able += [told != NEVER] * visit.carers
        points += [told] * visit.carers
    may, gives = np.array(able), np.array(points)
    kept = np.flatnonzero(may.any(0))
    priced = [replace(shifts[n], price=max(0, -round(gives[may[:, n], n].mean()))) for n in kept]
    ways = {s.profile: s for s in priced}
    ways = {profile: _ways(book, list(spots), s) for profile, s in sorted(ways.items())}
    return Case(snapshot, tasks, priced, may[:, kept], gives[:, kept], ways, homes)


def _shifts(book: Book, row: int, carer: SnapCarer, spots: dict[Spot, int]) -> Iterator[Shift]:
    """A carer's free intervals, with what may be done divided between them."""
    parts = len(carer.windows)
    most = len(book.snapshot.visits) if carer.max_new is None else carer.max_new
    if carer.capacity is Capacity.VOLUNTEER:
        most = min(most, book.prices["volunteer.visits_a_day"])
    minutes = min(carer.daily_minutes, carer.weekly_minutes) // min(parts, most or 1)
    for number, (begin, end) in enumerate(carer.windows):
        visits = most // parts + (number < most % parts)
        if visits:
            yield Shift(row, carer, begin, end, visits, minutes, spots["home", carer.base, carer.base], 0)


def _points(book: Book, visit: SnapVisit, carer: SnapCarer) -> int | None:
    """What the pair gives beside serving and ways; None: a rule forbids it."""
    if not visit.skills <= carer.skills or static_breaks(book, visit, carer):
        return None
    points = sum(value for _, value in pair_points(book.prices, visit, carer))
    line = best_line(book, visit, carer) if carer.capacity is Capacity.EMPLOYED else None
    return points + (line_points(book.prices, line, visit) if line else 0)


def _start_for_two(book: Book, visit: SnapVisit, shifts: list[Shift]) -> int:
    """The start at which most can come."""
    starts = starts_for_two(book.prices, visit)
    return max(starts, key=lambda at: sum(s.begin <= at <= s.end - visit.minutes for s in shifts))


def _ways(book: Book, spots: list[Spot], shift: Shift) -> NDArray[np.int64]:
    """Minutes between spots by the published formula. None to and from a remote visit, but on a tour those by its resident's
    place: else there would be no time for the way between the visits before and after."""

    def planes(places: Iterable[Place | None]) -> NDArray[np.int64]:
        return np.array([(0, 0) if place is None else book.plane(place) for place in places])

    square = ((planes(s[2] for s in spots)[:, None] - planes(s[1] for s in spots)[None]) ** 2).sum(2)
    metres, mode = np.ceil(np.sqrt(square)).astype(np.int64), shift.carer.travel_mode
    ways = -(-metres * book.prices["travel.detour"] // (100 * book.prices[f"speed.{mode}"]))
    nowhere = np.array([place is None or (kind == "remote" and not shift.tour) for kind, place, _ in spots])
    ways[nowhere, :] = ways[:, nowhere] = 0
    return ways


def greedy(case: Case, seconds: float, seed: int) -> Search:
    """Visits by what serving them is worth, then by start; each gets the nearest able carer who is free, the earliest time.

    Cannot: look ahead. Everything else is by the rules, visits for two together included.
    """
    book = Book(case.snapshot)

    def nearest(number: int, start: int | None) -> dict[UUID, tuple[int, SnapCarer]]:
        """As many people as the visit needs, by row; fewer if there are no more."""
        task, found = case.tasks[number], {}
        for s in sorted(np.flatnonzero(case.able[number]), key=lambda s: case.home(number, s)):
            row, carer = case.shifts[s].row, case.shifts[s].carer
            if carer.person_id not in found and not timed_breaks(book, task.visit, carer, start):
                found[carer.person_id] = row, carer
                if len(found) == task.visit.carers:
                    break
        return found

    def search() -> Answer:
        answer: Answer = []
        order = sorted(
            case.firsts(), key=lambda n: (-case.tasks[n].worth, case.tasks[n].visit.earliest_start)
        )
        for number in order:
            visit = case.tasks[number].visit
            for start in (None,) if visit.carers == 1 else starts_for_two(book.prices, visit):
                found = nearest(number, start)
                if len(found) < visit.carers:
                    continue
                for row, carer in found.values():
                    begin = earliest_start(book, visit, carer)[0] if start is None else start
                    line = best_line(book, visit, carer)
                    book.add(
                        visit.visit_id,
                        carer.carer_id,
                        begin,
                        begin + visit.minutes,
                        line_id=line and line.line_id,
                    )
                    answer.append((case.tasks[number].row, row, begin))
                break
        return answer

    return search


def ortools_routing(case: Case, seconds: float, seed: int) -> Search:
    """OR-Tools' routing library: parallel cheapest insertion, then guided local search. One thread: it knows no more.

    Visits for two are two nodes at one start, made both or neither. What a carer costs is a price on each of their visits.
    Cannot: choose the start of a visit for two; wishes and continuity; units of contract lines;
    limits over several free intervals of one person (they are divided).
    """
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    count, shifts = len(case.tasks), case.shifts
    bases = sorted({shift.spot for shift in shifts})
    spots = [task.spot for task in case.tasks] + bases
    end = len(spots)
    service = np.array([task.visit.minutes for task in case.tasks] + [0] * (len(bases) + 1))
    manager = pywrapcp.RoutingIndexManager(
        end + 1, len(shifts), [count + bases.index(s.spot) for s in shifts], [end] * len(shifts)
    )
    model = pywrapcp.RoutingModel(manager)
    costs, times = {}, {}
    for mode, ways in case.ways.items():
        for kept, table, own in ((costs, ways, 0), (times, case.times(mode), service[:, None])):
            nodes = np.zeros((end + 1, end + 1), np.int64)
            nodes[:end, :end] = table[np.ix_(spots, spots)]
            kept[mode] = model.RegisterTransitMatrix((nodes + own).tolist())
    for number, shift in enumerate(shifts):
        model.SetArcCostEvaluatorOfVehicle(costs[shift.profile], number)
    by_shift = [times[shift.profile] for shift in shifts]
    model.AddDimensionWithVehicleTransits(by_shift, NEVER, NEVER, False, "time")
    time = model.GetDimensionOrDie("time")
    ones = model.RegisterUnaryTransitVector([1] * count + [0] * (len(bases) + 1))
    model.AddDimensionWithVehicleCapacity(ones, 0, [s.visits for s in shifts], True, "visits")
    works = model.RegisterUnaryTransitVector(service.tolist())
    model.AddDimensionWithVehicleCapacity(works, 0, [s.minutes for s in shifts], True, "minutes")
    for number, shift in enumerate(shifts):
        time.CumulVar(model.Start(number)).SetRange(shift.begin, shift.end)
        time.CumulVar(model.End(number)).SetRange(shift.begin, shift.end)
        model.GetDimensionOrDie("visits").SetSpanCostCoefficientForVehicle(shift.price, number)
    for number, task in enumerate(case.tasks):
        index = manager.NodeToIndex(number)
        time.CumulVar(index).SetRange(task.low, task.high)
        # SetAllowedVehiclesForIndex takes no list: its Python wrapper of 9.15 lacks the type
        model.VehicleVar(index).SetValues([-1, *np.flatnonzero(case.able[number]).tolist()])
        model.AddDisjunction([index], task.worth)
    for number in case.firsts():
        if case.tasks[number].visit.carers == 2:
            both = (model.ActiveVar(manager.NodeToIndex(n)) for n in (number, number + 1))
            model.solver().Add(next(both) == next(both))
    asked = pywrapcp.DefaultRoutingSearchParameters()
    asked.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PARALLEL_CHEAPEST_INSERTION
    asked.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    asked.time_limit.FromMilliseconds(int(1000 * seconds))
    model.CloseModelWithParameters(asked)

    def search() -> Answer:
        solution = model.SolveWithParameters(asked)
        found: Answer = []
        for number, shift in enumerate(shifts if solution else ()):
            index = solution.Value(model.NextVar(model.Start(number)))
            while not model.IsEnd(index):
                task = case.tasks[manager.IndexToNode(index)]
                found.append((task.row, shift.row, solution.Min(time.CumulVar(index))))
                index = solution.Value(model.NextVar(index))
        return found

    return search


PAIRS = 10_000  # that CP-SAT is told of: with 25,000 it found less in the town's 20 s and nothing in the tight day's 60


def cp_sat(case: Case, seconds: float, seed: int) -> Search:
    """OR-Tools' CP-SAT: a start for each visit, an optional interval for each pair, no overlap for each person, and where two
    visits need a way between them, one first. Begins from the greedy plan; two threads.

    Of each visit's pairs only the best are told, 10,000 in all (four of each at least).
    Cannot, so told: the ways' price, which is that from home for each visit; the limits over a person's two capacities.
    """
    from ortools.sat.python import cp_model

    model, book = cp_model.CpModel(), Book(case.snapshot)
    begun = greedy(case, seconds, seed)()
    guess = {visit: start for visit, _, start in begun}
    hinted = {(visit, carer): start for visit, carer, start in begun}
    starts, pairs, gains = {}, {}, []
    by_person, by_carer, by_line = defaultdict(list), defaultdict(list), defaultdict(list)
    each = max(4, PAIRS // len(case.tasks))
    for number in case.firsts():
        task = case.tasks[number]
        visit, row = task.visit, task.row
        domain = cp_model.Domain(visit.earliest_start, visit.latest_start)
        if visit.carers == 2:
            domain = cp_model.Domain.from_values(starts_for_two(book.prices, visit))
        start, served = model.new_int_var_from_domain(domain, ""), model.new_bool_var("")
        model.add_hint(served, row in guess)
        model.add_hint(start, guess.setdefault(row, visit.earliest_start))
        starts[row] = start
        gains.append(visit.carers * task.worth * served)
        able = np.flatnonzero(case.able[number])
        value = {s: int(case.points[number, s]) - case.home(number, s) for s in able}
        known = {s for s in able if (row, case.shifts[s].row) in hinted}
        taken = []
        for s in sorted(able, key=lambda s: (s not in known, -value[s]))[:each]:
            shift, comes = case.shifts[s], model.new_bool_var("")
            last = shift.end - visit.minutes
            model.add_hint(comes, s in known and shift.begin <= guess[row] <= last)
            model.add(start >= shift.begin).only_enforce_if(comes)
            model.add(start <= last).only_enforce_if(comes)
            pairs[row, s] = comes
            taken.append(comes)
            gains.append(value[s] * comes)
            by_person[shift.carer.person_id].append((task, shift, comes))
            by_carer[shift.row].append((comes, visit.minutes))
            if line := best_line(book, visit, shift.carer):
                by_line[line.line_id].append(book.units(line, visit) * comes)
        model.add(sum(taken) == visit.carers * served)
    _one_after_another(case, model, starts, by_person, guess)
    for row, told in by_carer.items():
        own = [shift for shift in case.shifts if shift.row == row]
        model.add(sum(comes for comes, _ in told) <= sum(shift.visits for shift in own))
        model.add(sum(minutes * comes for comes, minutes in told) <= sum(shift.minutes for shift in own))
    for line in case.snapshot.lines:
        model.add(sum(by_line[line.line_id]) <= line.free)
    model.maximize(sum(gains))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = THREADS
    solver.parameters.random_seed = seed
    solver.parameters.cp_model_presolve = False  # with it 20 s pass before the first plan

    def search() -> Answer:
        if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return []
        made = (pair for pair, comes in pairs.items() if solver.value(comes))
        return [(row, case.shifts[s].row, solver.value(starts[row])) for row, s in made]

    return search


def _one_after_another(case: Case, model: Any, starts: Any, by_person: Any, guess: dict[int, int]) -> None:
    """No overlap of a person's visits, and time for the ways between them; an order of two visits serves all of one profile."""
    orders: dict[tuple[int, int, str], Any] = {}

    def order(one: Task, other: Task, profile: str) -> list[Any]:
        """Whether the one is first, with time for the way to the other; empty if it cannot be."""
        key = (one.row, other.row, profile)
        gap = one.visit.minutes + int(case.ways[profile][one.spot, other.spot])
        if key not in orders and one.visit.earliest_start + gap <= other.visit.latest_start:
            orders[key] = model.new_bool_var("")
            model.add_hint(orders[key], guess[one.row] + gap <= guess[other.row])
            model.add(starts[other.row] >= starts[one.row] + gap).only_enforce_if(orders[key])
        return [orders[key]] if key in orders else []

    def surely(one: Task, other: Task, ways: NDArray[np.int64]) -> bool:
        return (
            one.visit.latest_start + one.visit.minutes + ways[one.spot, other.spot]
            <= other.visit.earliest_start
        )

    for told in by_person.values():
        model.add_no_overlap(
            model.new_optional_fixed_size_interval_var(starts[task.row], task.visit.minutes, comes, "")
            for task, _, comes in told
        )
        for (one, shift, x), (other, _, y) in combinations(told, 2):
            ways = case.ways[shift.profile]
            if (
                one.row != other.row
                and (ways[one.spot, other.spot] or ways[other.spot, one.spot])
                and not surely(one, other, ways)
                and not surely(other, one, ways)
            ):
                either = order(one, other, shift.profile) + order(other, one, shift.profile)
                model.add_bool_or([x.negated(), y.negated(), *either])


def vroom(case: Case, seconds: float, seed: int) -> Search:
    """VROOM: who may do a visit as its skill, serving points as priorities (exact: all are multiples of 50), two
    threads. Its most exploration, but its least where that leaves the searches from each beginning no time. Takes no seed.

    Cannot: choose the start of a visit for two, nor do both halves or neither; prices of single visits (a carer's is paid once);
    wishes and continuity; units of lines; limits over several free intervals of one person (they are divided).
    """
    import vroom as library

    asked = library.Input()
    for mode, ways in case.ways.items():
        asked.set_durations_matrix(mode, case.times(mode))
        asked.set_costs_matrix(mode, ways)
    asked.add_job(
        [
            library.Job(
                number,
                task.spot,
                default_service=task.visit.minutes,
                delivery=library.Amount([task.visit.minutes]),
                skills={task.row},
                priority=round(task.worth / 50),
                time_windows=[library.TimeWindow(task.low, task.high)],
            )
            for number, task in enumerate(case.tasks)
        ]
    )
    rows = np.array([task.row for task in case.tasks])
    asked.add_vehicle(
        [
            library.Vehicle(
                number,
                start=shift.spot,
                profile=shift.profile,
                capacity=[shift.minutes],
                skills=set(rows[case.able[:, number]].tolist()),
                time_window=(shift.begin, shift.end),
                max_tasks=shift.visits,
                costs=library.VehicleCosts(fixed=shift.price),
            )
            for number, shift in enumerate(case.shifts)
        ]
    )

    def search() -> Answer:
        answer = asked.solve(
            exploration_level=5 if len(case.tasks) < 1000 else 0,
            nb_threads=THREADS,
            timeout=timedelta(seconds=seconds),
        )
        told = answer.routes
        return [
            (case.tasks[int(task)].row, case.shifts[int(shift)].row, int(arrives) + int(waits))
            for kind, task, shift, arrives, waits in zip(
                told["type"],
                told["id"],
                told["vehicle_id"],
                told["arrival"],
                told["waiting_time"],
                strict=True,
            )
            if kind == "job"
        ]

    return search


def pyvrp(case: Case, seconds: float, seed: int) -> Search:
    """PyVRP: visits are clients with prizes, each carer a vehicle with a depot of their own. One thread: it knows no more.

    Who may do what stands in the ways from and to the depot, which take for ever where a rule forbids: exact where a carer has
    at most two visits. Who may have more has ways of their own between visits too.
    Cannot: choose the start of a visit for two, nor do both halves or neither; prices of single visits (a carer's is paid once);
    wishes and continuity; units of lines; limits over several free intervals of one person (they are divided).
    """
    import pyvrp as library
    from pyvrp.stop import MaxRuntime

    homes = len(case.shifts)
    spots = [shift.spot for shift in case.shifts] + [task.spot for task in case.tasks]
    distances, durations, profiles = [], [], {}
    for number, shift in enumerate(case.shifts):
        key = number if shift.tour else shift.profile
        if key in profiles:
            continue
        profiles[key] = len(distances)
        table = case.ways[shift.profile][np.ix_(spots, spots)]
        table[:, :homes] = 0
        np.fill_diagonal(table, 0)
        times = table.copy()
        times[:homes, homes:] = np.where(case.able.T, 0, NEVER)
        times[homes:, :homes] = np.where(case.able, 0, NEVER)
        if shift.tour:
            times[homes:, homes:][:, ~case.able[:, number]] = NEVER
            np.fill_diagonal(times, 0)
        distances.append(table)
        durations.append(times)
    data = library.ProblemData(
        [library.Location(0, 0) for _ in spots],
        [
            library.Client(
                homes + number,
                delivery=[1, task.visit.minutes],
                service_duration=task.visit.minutes,
                tw_early=task.low,
                tw_late=task.high,
                prize=task.worth,
                required=False,
            )
            for number, task in enumerate(case.tasks)
        ],
        [library.Depot(number) for number in range(homes)],
        [
            library.VehicleType(
                capacity=[shift.visits, shift.minutes],
                start_depot=number,
                end_depot=number,
                fixed_cost=shift.price,
                tw_early=shift.begin,
                tw_late=shift.end,
                profile=profiles[number if shift.tour else shift.profile],
            )
            for number, shift in enumerate(case.shifts)
        ],
        distances,
        durations,
    )

    def search() -> Answer:
        best = library.solve(data, MaxRuntime(seconds), seed=seed, collect_stats=False).best
        return [
            (
                case.tasks[step.idx].row,
                case.shifts[route.vehicle_type()].row,
                step.start_time,
            )
            for route in best.routes()
            for step in route.schedule()
            if step.is_client()
        ]

    return search


RIVALS: dict[str, Callable[[Case, float, int], Search]] = {
    rival.__name__: rival for rival in (greedy, ortools_routing, cp_sat, vroom, pyvrp)
}
