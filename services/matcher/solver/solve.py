"""A snapshot in, a plan out: column generation day by day, then a dive to whole duties, then repair.

Days are planned in order with what weekly minutes, open offers and contract units the earlier ones left. The bound is the
sum over the days of a Lagrangian bound with *all* of these budgets, each over every eligible pair, in whole milli-points:
it holds whatever the linear programs' rounding.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import numpy as np

from services.matcher.solver.areas import Elsewhere, asked_on, parts_of
from services.matcher.solver.candidates import (
    Index,
    Ints,
    Tables,
    TooManyPairs,
    index_of,
    pairs_of,
    tables_of,
)
from services.matcher.solver.day import PLANNED, DayProblem, bound_without_pairs, rows_of
from services.matcher.solver.duties import MILLI
from services.matcher.solver.explain import explain_unmet
from services.matcher.solver.plan import FIRST_PLAN, NO_AREAS, Assignment, Limits, Plan, Progress, Work
from services.matcher.solver.points import assignments_of
from services.matcher.solver.proof import Prices, Proof
from services.matcher.solver.rules import Book, broken_fixed
from services.matcher.solver.seams import NEAR, Wishes, seams_of, worth_doing
from services.matcher.solver.search import Search, needs_search, relaxed
from services.matcher.solver.snapshot import Snapshot, digest, refuse_impossible
from services.matcher.solver.watch import OutOfTime, Watch, peak_megabytes

# shares of the time: areas, what is wished across, seams; then comes the proof
_AREAS, _HEARD, _SEAMED = 0.58, 0.66, 0.78
_PROVED = 2  # times as long as hearing what is wished, which looks at the same pairs: kept for the proof
_EXPLAINED = 20.0  # seconds, at most, for what would have made unmet visits possible
_SEAM_ROUNDS = 3  # of column generation for prices: the fourth linear program takes as long as three
_RELAXED = 0.6  # of the time, for the columns from which a search begins


def solve(
    snapshot: Snapshot,
    limits: Limits | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    elsewhere: Elsewhere | None = None,
) -> Plan:
    """Plan a snapshot. Raises SnapshotRefused for an impossible one. No I/O, no state left behind.

    `stop`: asked between searches; once it says yes, what stands so far is the plan. `elsewhere`: plans the parts of what
    is too big for one linear program, with the same plan as here unless time or memory end.
    """
    limits = limits or Limits()
    watch = Watch(limits, progress, stop, snapshot.days)
    refuse_impossible(snapshot)
    if needs_search(snapshot):
        return _by_search(snapshot, watch)
    if max(asked_on(snapshot).values(), default=0) > limits.area:
        return _by_areas(snapshot, watch, elsewhere or here)
    return _by_columns(snapshot, watch)


def _by_search(snapshot: Snapshot, watch: Watch) -> Plan:
    """What columns cannot price is searched for, from a plan by columns where the rest of the snapshot allows one."""
    first, limits = None, watch.limits
    if not snapshot.ways:
        within = replace(limits, seconds=limits.seconds * _RELAXED, explained=0)
        first = _by_columns(relaxed(snapshot), Watch(within, None, watch.stop, snapshot.days))
        watch.lap("without what is searched")
    search = Search(snapshot, watch, first)
    bound = search.bound
    search.run(limits.seconds * PLANNED)
    book, lines_of = search.booked()
    made = ((search.rounds, search.steps),)
    columns = 0 if first is None else first.work.columns
    named = watch.beside.submit(digest, snapshot)
    return _plan_of(
        book,
        search.index,
        search.tables,
        lines_of,
        bound,
        watch,
        named,
        made,
        columns,
        len(search.pair_carer),
        0,
    )


def _plan_of(
    book: Book,
    index: Index,
    tables: Tables,
    lines_of: dict[tuple[int, int], int],
    bound: int,
    watch: Watch,
    named: Future[str],
    rounds: tuple[tuple[int, int], ...],
    columns: int,
    pairs: int,
    explained: int,
) -> Plan:
    """What was booked as a plan with its points, its bound and why each unmet visit is: without prices. `named`: the digest."""
    assignments, by_rule = assignments_of(book, lines_of, index)
    objective = sum(by_rule.values())
    bound = max(bound, objective)
    watch.lap("points")
    until = min(watch.limits.seconds, watch.spent() + _EXPLAINED)
    unmet = explain_unmet(book, index, tables, explained, lambda: watch.spent() < until)
    watch.lap("explain")
    return Plan(
        book.snapshot.snapshot_id,
        named.result(),
        assignments,
        unmet,
        broken_fixed(book.snapshot),
        objective,
        tuple(sorted(by_rule.items())),
        bound,
        0 if bound <= 0 else -(-(bound - objective) * 1_000_000 // bound),
        watch.stopped_by,
        Work(
            rounds,
            columns,
            pairs,
            round(watch.spent(), 3),
            peak_megabytes(),
            tuple((step, round(seconds, 3)) for step, seconds in watch.steps.items()),
        ),
        breaks=tuple(sorted(book.rests.values(), key=lambda rest: (rest.start, str(rest.carer_id)))),
    )


def here(
    parts: Sequence[Snapshot],
    limits: Limits,
    told: Callable[[int, Progress], None],
    stop: Callable[[], bool] | None,
) -> list[Plan]:
    """In this process, as many at once as there are threads."""
    at_once = max(1, min(limits.threads, len(parts)))
    until = time.monotonic() + limits.seconds

    def one(number: int) -> Plan:
        turns = -(-(len(parts) - number) // at_once)
        seconds = max(0.0, until - time.monotonic()) / turns
        within = replace(limits, threads=limits.threads // at_once, seconds=seconds)
        return solve(parts[number], within, lambda progress: told(number, progress), stop)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, range(len(parts))))


def _by_areas(snapshot: Snapshot, watch: Watch, elsewhere: Elsewhere) -> Plan:
    """Areas by themselves, then their seams; both judged by prices held against everybody."""
    book = Book(snapshot)
    index = index_of(book)
    tables = tables_of(book, index)
    watch.lap("tables")
    parts, area_of_visit, area_of_person = parts_of(
        book, index, tables, watch.limits.area, watch.limits.threads
    )
    proofs = [
        Proof(book, index, tables, rows, day, watch)
        for day, rows in enumerate(rows_of(book, index))
        if len(rows)
    ]
    bound = sum(bound_without_pairs(book, index, tables, proof.rows, proof.day) for proof in proofs)
    watch.lap("areas")
    named = watch.beside.submit(digest, snapshot)
    plans = _parts(parts, watch, elsewhere, bound)
    watch.lap("planning areas")
    made = [each for plan in plans for each in plan.assignments if not each.fixed]
    prices = Prices()
    for plan in plans:
        prices.hear(plan)
    with suppress(OutOfTime):
        made = _over_seams(
            book, index, tables, watch, elsewhere, bound, proofs, prices, made, area_of_visit, area_of_person
        )
    with suppress(OutOfTime):
        milli = sum(proof.bound(prices, PLANNED * watch.limits.seconds) for proof in proofs)
        bound = min(bound, -(-milli // MILLI))
    watch.lap("proof")
    watch.tell("planned", snapshot.days - 1, 1, _points(made), bound)
    lines = {line.line_id: row for row, line in enumerate(snapshot.lines)}
    lines_of: dict[tuple[int, int], int] = {}
    for each in sorted(made, key=lambda each: (each.start, each.visit_id, each.slot)):
        book.add(each.visit_id, each.carer_id, each.start, each.end, line_id=each.line_id)
        if each.line_id is not None:
            lines_of[index.visit_of[each.visit_id], index.carer_of[each.carer_id]] = lines[each.line_id]
    rounds = tuple(
        (max(columns for columns, _ in day), max(dives for _, dives in day))
        for day in zip(*(plan.work.rounds for plan in plans), strict=True)
    )
    columns, pairs = (sum(getattr(plan.work, name) for plan in plans) for name in ("columns", "pairs"))
    plan = _plan_of(
        book, index, tables, lines_of, bound, watch, named, rounds, columns, pairs, watch.limits.explained
    )
    return replace(
        plan,
        visit_prices=tuple(prices.visit.items()),
        line_prices=tuple(sorted(prices.line.items())),
        start_prices=tuple((visit_id, start, price) for (visit_id, start), price in prices.start.items()),
        half_prices=tuple(
            (visit_id, start, person_id, price)
            for (visit_id, start), alone in prices.halves.items()
            for person_id, price in alone.items()
        ),
    )


def _over_seams(
    book: Book,
    index: Index,
    tables: Tables,
    watch: Watch,
    elsewhere: Elsewhere,
    bound: int,
    proofs: list[Proof],
    prices: Prices,
    made: list[Assignment],
    area_of_visit: dict[UUID, int],
    area_of_person: dict[UUID, int],
) -> list[Assignment]:
    """What was made of the areas, or better over their seams; `prices` hear of these. Raises OutOfTime."""
    busy = np.zeros(len(index.persons), np.bool_)
    busy[[index.person_of[each.person_id] for each in made]] = True
    areas = np.array([area_of_person[who] for who in index.persons], np.int64)
    wishes, began = Wishes(tables, index, area_of_visit, areas, busy), watch.spent()
    for proof in proofs:
        proof.hear(prices, _HEARD * watch.limits.seconds, NEAR, wishes.of_day(proof.rows))
    seconds = watch.limits.seconds
    until = min(_SEAMED * seconds, PLANNED * seconds - _PROVED * (watch.spent() - began))
    watch.lap("wishes")
    unmet = worth_doing(prices, book, made)
    seams, anew = seams_of(book, index, wishes, unmet, made, watch.limits.area)
    watch.lap("seams")
    before = _points(each for each in made if each.visit_id in anew)
    stands = _points(made)
    mended = []
    for seam in seams:
        plan, priced = _mended(seam, watch, made, prices, stands - before, bound, until)
        mended.append(plan)
        if any(columns for columns, _ in priced.work.rounds):  # else it speaks of an auction, or of nothing
            prices.hear(priced)
    watch.lap("planning seams")
    if sum(plan.objective for plan in mended) <= before:
        return made
    kept = [each for each in made if each.visit_id not in anew]
    return kept + [each for plan in mended for each in plan.assignments if not each.fixed]


def _mended(
    seam: Snapshot,
    watch: Watch,
    made: list[Assignment],
    prices: Prices,
    beside: int,
    bound: int,
    until: float,
) -> tuple[Plan, Plan]:
    """The plan of a seam, from what was made of it, and one of which only the prices are meant: what is scarce meets here.

    `beside`: points of what is in no seam. `until`: seconds of the whole.
    """
    seconds = max(0.0, until - watch.spent())
    within = replace(watch.limits, seconds=seconds, explained=0, proven=False, area=NO_AREAS)

    def told(progress: Progress) -> None:
        watch.tell("seams", watch.days - 1, progress.round, beside + progress.best, bound)

    def go_on(problem: DayProblem) -> None:
        problem.go_on(made, prices.duals(problem))

    rounds = replace(within, rounds=min(within.rounds, _SEAM_ROUNDS))
    aside = Watch(rounds, None, watch.stop, watch.days)
    priced = watch.beside.submit(_by_columns, seam, aside, DayProblem.find_prices)
    plan = _by_columns(seam, Watch(within, told, watch.stop, watch.days), go_on)
    if plan.stopped_by != "done":
        watch.stopped_by = plan.stopped_by
    return plan, priced.result()


def _points(made: Iterable[Assignment]) -> int:
    return sum(points for each in made for _, points in each.points)


def _parts(parts: list[Snapshot], watch: Watch, elsewhere: Elsewhere, bound: int) -> list[Plan]:
    """Plans of areas, within their share of the time. `bound`: of the whole, told with each step of theirs."""
    seconds = max(0.0, _AREAS * watch.limits.seconds - watch.spent())
    within = replace(watch.limits, seconds=seconds, explained=0, proven=False, area=NO_AREAS)
    best = [0] * len(parts)
    unbegun = [set(asked_on(part)) for part in parts]

    def told(number: int, progress: Progress) -> None:
        best[number] = progress.best
        unbegun[number].discard(progress.day)
        step, day = "areas", watch.days - 1
        if progress.step == FIRST_PLAN and not any(progress.day in days for days in unbegun):
            step, day = FIRST_PLAN, progress.day  # a day is planned when all its areas are
        watch.tell(step, day, progress.round, sum(best), bound)

    plans = elsewhere(parts, within, told, watch.stop)
    for plan in plans:
        if plan.stopped_by not in ("done", "rounds"):
            watch.stopped_by = plan.stopped_by
    return plans


def _by_columns(
    snapshot: Snapshot, watch: Watch, plan_day: Callable[[DayProblem], None] = DayProblem.run
) -> Plan:
    """Day by day: column generation, or what else is to be done."""
    limits = watch.limits
    book, fresh = Book(snapshot), Book(snapshot)
    index = index_of(book)
    tables = tables_of(book, index)
    watch.lap("tables")
    columns, pairs = 0, 0
    rounds = [(0, 0)] * snapshot.days
    visit_prices: dict[int, int] = {}
    line_prices: dict[int, int] = {}
    start_prices: list[tuple[UUID, int, int]] = []
    half_prices: list[tuple[UUID, int, UUID, int]] = []
    done = 0
    lines_of: dict[tuple[int, int], int] = {}
    bound_milli = 0
    asked = [(day, rows) for day, rows in enumerate(rows_of(book, index)) if len(rows)]

    def pairs_ahead(number: int) -> Future[tuple[Ints, Ints, Ints]]:
        rows = asked[number][1] if number < len(asked) else np.zeros(0, np.int64)
        return watch.beside.submit(pairs_of, tables, rows, limits.threads, watch.pairs())

    ahead = pairs_ahead(0)
    named = watch.beside.submit(digest, snapshot)
    for number, (day, rows) in enumerate(asked):
        bounded = bound_milli // MILLI
        try:
            problem = DayProblem(book, fresh, index, tables, rows, day, watch, done, bounded, ahead)
        except TooManyPairs:
            watch.stopped_by = "megabytes"
            bound_milli += bound_without_pairs(fresh, index, tables, rows, day) * MILLI
            continue
        finally:
            ahead = pairs_ahead(number + 1)
        plan_day(problem)
        done += problem.book_duties(lines_of)
        bound_milli += problem.bound
        columns += problem.columns.count
        pairs += len(problem.items.visit)
        rounds[day] = (problem.rounds, problem.dives)
        for local, row in enumerate(rows):
            visit_prices[int(row)] = int(problem.visit_price[local])
        for line, price in enumerate(problem.line_price):
            line_prices[line] = max(line_prices.get(line, 0), int(price))
        for option, price in enumerate(problem.start_price):
            visit = index.visits[int(rows[problem.starts.visit[option]])]
            start_prices.append((visit.visit_id, int(problem.starts.start[option]), int(price)))
        alone = problem.half_price
        for person, option, price in zip(
            alone.person.tolist(), alone.option.tolist(), alone.price.tolist(), strict=True
        ):
            visit_id = index.visits[int(rows[problem.starts.visit[option]])].visit_id
            start = int(problem.starts.start[option])
            half_prices.append((visit_id, start, index.persons[person], price))
        del problem  # two days' pairs at once would be the height of a week
    if watch.stopped_by == "done" and any(cg >= limits.rounds for cg, _ in rounds):
        watch.stopped_by = "rounds"
    bound = -(-bound_milli // MILLI)
    plan = _plan_of(
        book, index, tables, lines_of, bound, watch, named, tuple(rounds), columns, pairs, limits.explained
    )
    return replace(
        plan,
        visit_prices=tuple(
            (index.visits[row].visit_id, price) for row, price in sorted(visit_prices.items())
        ),
        line_prices=tuple(
            (snapshot.lines[line].line_id, price) for line, price in sorted(line_prices.items())
        ),
        start_prices=tuple(start_prices),
        half_prices=tuple(half_prices),
    )
