"""One day's problem: column generation, a dive to whole duties, then repair, each within its share of the time."""

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.matcher.solver.auction import Auctioned, among_best, auction
from services.matcher.solver.candidates import (
    P_DETOUR,
    P_TRAVEL,
    Index,
    Ints,
    Items,
    Starts,
    Tables,
    items_of,
    no_ints,
    some_of,
    starts_of,
)
from services.matcher.solver.columns import Columns, Duals, Ended, Master, Solved, StandIns, nothing_asked
from services.matcher.solver.duties import LONGEST, MILLI, Found, People, chain_cost
from services.matcher.solver.everyone import (
    QUICK_CROWD,
    QUICK_MOST,
    best_by,
    lagrangian,
    look,
    priced,
    slack_of,
    turns,
)
from services.matcher.solver.halves import Halves
from services.matcher.solver.linear import MasterFailed
from services.matcher.solver.people import FREE, people_of
from services.matcher.solver.plan import FIRST_PLAN, Assignment
from services.matcher.solver.points import repeat_points, way_points
from services.matcher.solver.pricing import Priced, fill
from services.matcher.solver.refine import refine
from services.matcher.solver.rules import (
    Book,
    serving_of,
)
from services.matcher.solver.scarce import MOST_TOURS, scarce_prices
from services.matcher.solver.standing import take_up
from services.matcher.solver.watch import OutOfTime, Watch

_FILLED_AT_ONCE = 500
_ACTIVE = 30  # columns for each visit that a linear program is given, those with the best duals first
_SHARE = 12
_SURE = 0.8  # of a duty: it is chosen
_TAKEN = 24  # at least one in so many of the duties in question is chosen at each turn of the dive
_SINGLES = 4
_LOOKED_AT = 60  # items of a row, the best at the auction's prices, from which rounds and dive choose
_PROMISING = 4  # columns for each visit, those with the best duals first, from which whole duties are chosen
_LIKELY = 0.05  # and those of which the last linear program takes so much
_DRAW = 2 * MILLI  # points that are not to matter
PLANNED = 0.95  # of the time; the rest is for points and explanations
_GENERATE, _PROVE, _DIVE = 0.55, 0.75, 0.95  # shares of a day's part of the time, each step until
_LOST = 20 * MILLI  # milli-points lost from which a neighbourhood is chosen anew
_STANDING_PATIENCE = 32  # neighbourhoods in a row that may gain next to nothing where nothing else is done
_PATIENCE = 6  # rounds that may pass with hardly a gain
_STALL = 2e-4  # of the linear program's value: what counts as hardly a gain
_STANDING = 0.03  # of the linear program, in stand-ins: more of them, and rounds go on
# rounds after which, if half of them and so much still stand, tours are priced by themselves: but not after earlier days,
_SCARCE, _SCARCELY = 3, 0.01  # where others are scarce as well
_CLOSE_PPM = 1300  # column generation ends when the likely bound and the linear program, stand-ins included, are this near,
_EXACT = 3_000  # but for days of so few visits: those are brought to the linear optimum


def rows_of(book: Book, index: Index) -> list[Ints]:
    """For each day the rows of the visits with a place to fill."""
    found: list[list[int]] = [[] for _ in range(book.snapshot.days)]
    for row, visit in enumerate(index.visits):
        if visit.placed and len(book.taken.get(visit.visit_id, ())) < visit.carers:
            found[book.snapshot.day_of(visit)].append(row)
    return [np.array(rows, dtype=np.int64) for rows in found]


def bound_of_each(book: Book, index: Index, tables: Tables, rows: Ints) -> Ints:
    """Points that no visit brings more of, whoever may come: with all that can speak for somebody."""
    prices = book.prices
    channel = max(0, prices["channel.volunteer"], prices["channel.public_direct"])
    channel = max(channel, int(tables.line_points.max(initial=0)))
    for_one = channel + sum(max(0, prices[rule]) for rule in ("wish.dialect", "wish.sex", "continuity.most"))
    return np.array(
        [serving_of(book, index.visits[row]) + index.visits[row].carers * for_one for row in rows], np.int64
    )


def bound_without_pairs(book: Book, index: Index, tables: Tables, rows: Ints, day: int) -> int:
    """Points that no plan of a day passes, whoever may come."""
    return int(bound_of_each(book, index, tables, rows).sum()) - saved_ways(book, index, tables, day)


def saved_ways(book: Book, index: Index, tables: Tables, day: int) -> int:
    """Points of the ways between a day's fixed visits alone, which new ones may take out."""
    if not book.stops:
        return 0
    people = people_of(book, index, tables, day)
    detour, travel = tables.price[P_DETOUR], tables.price[P_TRAVEL]
    ways = (chain_cost(people, int(p), detour, travel) for p in np.flatnonzero(np.diff(people.chain_at)))
    return int(sum(ways))


@dataclass(slots=True)
class DayProblem:
    """The problem of one day, from its items to chosen duties."""

    book: Book
    fresh: Book
    index: Index
    tables: Tables
    rows: Ints
    day: int
    watch: Watch
    done: int
    bounded: int
    pairs: "Future[tuple[Ints, Ints, Ints]]"
    starts: Starts = field(init=False)
    items: Items = field(init=False)
    people: People = field(init=False)
    worth: Ints = field(init=False)
    slack: Ints = field(init=False)
    units: Ints = field(init=False)
    short: Ints = field(init=False)
    long: Ints = field(init=False)
    columns: Columns = field(default_factory=Columns)
    rounds: int = 0
    dives: int = 0
    bound: int = 0
    visit_price: Ints = field(init=False)
    line_price: Ints = field(init=False)
    start_price: Ints = field(init=False)
    size: Ints = field(init=False)
    value: Ints = field(init=False)
    points: Ints = field(init=False)
    item: Ints = field(init=False)
    start: Ints = field(init=False)
    line: Ints = field(init=False)
    line_chosen: dict[int, Ints] = field(default_factory=dict)
    until: float = 0.0
    active: Ints = field(init=False)
    new: list[int] = field(default_factory=list)
    auctioned: Auctioned = field(init=False)
    everything: tuple[Items, Ints] = field(init=False)
    bare: Priced = field(init=False)
    likely: tuple[Items, Ints] = field(init=False)
    drawn: np.random.Generator = field(init=False)
    proof: "Future[int] | None" = None
    scarce: bool = False
    halves: Ints = field(default_factory=no_ints)
    half_price: Halves = field(default_factory=Halves)

    def __post_init__(self) -> None:
        book, index, tables, rows = self.book, self.index, self.tables, self.rows
        self.starts = starts_of(book, index, rows)
        self.items = items_of(tables, book, index, rows, self.starts, self.pairs.result())
        del self.pairs
        self.everything = self.items, np.arange(len(self.items.visit))
        self.people = people_of(book, index, tables, self.day)
        self.units = np.array([book.free_units[line.line_id] for line in book.snapshot.lines], np.int64)
        self.worth = np.array([serving_of(book, index.visits[row]) for row in rows], np.int64)
        self.bare = self.priced(self.no_duals(), self.units)
        self.slack = slack_of(book, index, rows)
        people = len(index.persons)
        busy = np.flatnonzero(np.diff(self.items.person_at))
        few = self.people.few[busy]
        self.long, self.short = busy[~few], busy[few]
        self.size, self.value, self.points = (np.zeros(people, np.int64) for _ in range(3))
        self.item = np.zeros((people, LONGEST), np.int64)
        self.start = np.zeros((people, LONGEST), np.int64)
        self.visit_price = np.zeros(len(rows), np.int64)
        self.line_price = np.zeros(len(self.units), np.int64)
        self.start_price = np.zeros(len(self.starts.visit), np.int64)
        self.drawn = np.random.default_rng((self.watch.limits.seed, self.day))
        self.watch.lap("candidates")

    # prizes and searches

    def priced(self, asked: Duals, usable: Ints, of: tuple[Items, Ints] | None = None) -> Priced:
        """Items (all of them, or some) under the asked duals."""
        items, number = of or self.everything
        return priced(self.tables, items, number, self.rows, self.starts, asked, self.worth, usable)

    def look(
        self,
        asked: Ints,
        wanted: Ints,
        priced: Priced,
        *,
        people: People,
        proving: bool,
        duties: int = 0,
        until: float | None = None,
        beside: bool = False,
    ) -> Found:
        """The best duties of each asked, by the prizes `wanted`. Raises OutOfTime."""
        return look(
            self.tables,
            people,
            self.rows,
            self.slack,
            asked,
            wanted,
            priced,
            self.watch,
            lambda: self.in_time(until),
            proving=proving,
            duties=duties,
            beside=beside,
        )

    @property
    def alone(self) -> bool:
        return self.watch.days == 1

    def in_time(self, until: float | None = None) -> None:
        if self.watch.past(self.until if until is None else until):
            raise OutOfTime

    # the steps

    def run(self) -> None:
        """The steps, each until its share of the day's part of the time is used up."""
        began = self.watch.spent()
        part = self.part(began)
        self.bound = self.plain_bound()
        try:
            self.until = began + part
            self.first_plan()
            self.until = began + part * _PROVE
            self.begin()
            self.watch.lap("greedy")
            try:
                solved = self.generate(began + part * _GENERATE, began + part * _PROVE, began + part)
                self.until = began + part * _DIVE
                self.dive(self.promising(solved))
            except MasterFailed:
                self.watch.stopped_by = "linear program"
            self.watch.lap("dive")
            self.until = began + part
            self.better(self.watch.limits.refined)
        except OutOfTime:
            pass  # every step leaves a whole plan behind
        self.watch.lap("repair")
        if self.proof is not None:
            self.proof.result()
            self.watch.lap("bound")
        self.tell("planned", self.rounds, self.gained())

    def go_on(self, standing: Iterable[Assignment], asked: Duals) -> None:
        """From assignments that stand, under prices found before, for as long as there is time."""
        began = self.watch.spent()
        self.until = began + self.part(began)
        begun = False
        with suppress(OutOfTime):
            self.first_plan()
            self.begin()
            self.watch.lap("greedy")
            begun = True
        take_up(self, standing)
        self.tell_prices(asked)
        with suppress(OutOfTime):
            if begun:
                self.better(_STANDING_PATIENCE)
        self.tell("planned", self.rounds, self.gained())

    def find_prices(self) -> None:
        """Rounds of columns alone, for what they say of prices."""
        began = self.watch.spent()
        until = began + self.part(began)
        self.until = until
        with suppress(OutOfTime, MasterFailed):
            self.first_plan()
            self.begin()
            self.generate(until, until, until)

    def part(self, began: float) -> float:
        """Seconds of the day, of what is left for this one and later ones."""
        return max(0.0, PLANNED * self.watch.limits.seconds - began) / (self.watch.days - self.day)

    def better(self, patience: int) -> None:
        """Exchange visits, then choose neighbourhoods anew. Raises OutOfTime, with a whole plan."""
        self.repair()
        self.watch.lap("repair")
        try:
            refine(self, _LOST, patience)
        finally:
            self.watch.lap("refine")

    def plain_bound(self) -> int:
        """Milli-points that hold without any search: every visit by whoever is worth most there."""
        best = self.best_pair(self.all_units())
        total = int(np.where(self.starts.double, self.worth + 2 * best, best).sum())
        return (total - saved_ways(self.fresh, self.index, self.tables, self.day)) * MILLI

    def all_units(self) -> Ints:
        """Free units of every line before the first day of the horizon took any."""
        return np.array([self.fresh.free_units[line.line_id] for line in self.fresh.snapshot.lines], np.int64)

    def gained(self) -> int:
        """Points of the duties held now, visits for two counted when both persons are there."""
        total = int(self.points.sum())
        held = self.item[np.arange(LONGEST) < self.size[:, None]]
        slots = self.items.slot_row[held]
        visits = len(self.rows)
        staffed = np.bincount(slots[slots >= visits] - visits, minlength=len(self.starts.visit))
        full = np.flatnonzero(staffed >= 2)
        return total + int(self.worth[self.starts.visit[full]].sum())

    def first_plan(self) -> None:
        """A plan by turns, from what the auction says; what stands if there is no time for more."""
        prize, full, line = self.bare.prize, self.bare.full, self.bare.line
        self.line = line
        self.auctioned = auction(
            self.tables, self.items, self.people, self.rows, self.starts, prize, self.worth
        )
        self.tell_prices(self.auction_duals(self.auctioned))
        taken, units = np.zeros(len(self.rows), np.bool_), self.units.copy()
        # volunteers first: tours then take what is left, not what anybody could do
        turns = [self.short, self.long]
        if self.watch.limits.seed:
            turns = [self.drawn.permutation(who) for who in turns]
        everybody = np.concatenate(turns)
        self.improve(np.where(self.auctioned.won, prize, -FREE), full, everybody, taken, units)
        self.improve(prize, full, everybody, taken, units)
        for person in np.flatnonzero(self.size):
            item = self.item[person, : self.size[person]]
            self.columns.add(
                int(person), int(self.points[person]), item, self.start[person, : len(item)], line[item]
            )
        self.watch.tell(FIRST_PLAN, self.day, 0, self.done + self.gained(), None)

    def begin(self) -> None:
        """The likeliest single-visit duties, so that the first duals mean something."""
        # single visits: for each row the few who are worth most there, the way from home counted
        worth = self.auctioned.net + self.draw(len(self.auctioned.net))
        masters = len(self.rows) + len(self.starts.visit)
        chosen = np.flatnonzero(among_best(self.items.slot_row, worth, masters, _LOOKED_AT))
        self.likely = some_of(self.items, chosen), chosen
        priced = self.priced(self.no_duals(), self.units, self.likely)
        slots = priced.items.slot_row
        single = among_best(slots, worth[chosen], masters, _SINGLES)
        kept = np.where(single, priced.full * MILLI, -FREE)
        kept[single & (slots >= len(self.rows))] += 10**7
        one_each = self.people._replace(vol_cap=np.minimum(self.people.vol_cap, 1))
        found = self.look(self.short, kept, priced, people=one_each, proving=True, duties=4 * _SINGLES)
        self.columns.add_found(self.short, found, found.value, self.items.slot_row, _SINGLES)
        self.price(self.auction_duals(self.auctioned), proving=False)

    def draw(self, size: int) -> NDArray[np.uint16]:
        """Milli-points by lot, that tell apart what is alike."""
        return self.drawn.integers(0, _DRAW, size, np.uint16)

    def no_duals(self) -> Duals:
        return nothing_asked(len(self.rows), len(self.starts.visit), len(self.units))

    def improve(self, prize: Ints, full: Ints, order: Ints, taken: NDArray[np.bool_], units: Ints) -> int:
        """Raises OutOfTime, with the duties as they then stand."""
        better = 0
        for part in turns(order, _FILLED_AT_ONCE, self.items):
            self.in_time()
            better += fill(
                self.tables, self.items, self.people, self.rows, prize, full, self.line, part, taken, units, self.size,
                self.value, self.points, self.item, self.start, self.slack, QUICK_CROWD, QUICK_MOST,
            )  # fmt: skip
        return better

    def master(self) -> Master:
        """With the rows against halves that the day knows of once its columns are generated."""
        return Master(self.tables, self.items, self.rows, self.starts, self.worth, self.halves)

    def lagrangian(self, asked: Duals, units: Ints, best_of_all: int) -> int:
        return lagrangian(self.starts, self.worth, asked, units, best_of_all)

    def add_paying(
        self, who: Ints, found: Found, asked: Duals, columns: Columns | None = None
    ) -> tuple[list[int], int]:
        """Enter the duties found that pay more than their person's dual: their numbers, and the sum of everyone's best."""
        floor = np.zeros(len(self.index.persons), np.int64)
        floor[asked.people] = asked.person
        paying = np.where(found.worth > 0, found.worth - floor[who][:, None], 0)
        new = (columns or self.columns).add_found(who, found, paying, self.items.slot_row, _SHARE)
        return new, int(np.maximum(0, found.worth.max(axis=1, initial=0)).sum())

    def stand_ins(self, kept: Duals, real: Duals | None = None) -> StandIns:
        """Who would come for what is left to each visit and each start of one for two. `real`: and do come for so much."""
        best = np.concatenate([kept.visit, -kept.start]) // MILLI
        least = np.concatenate([np.where(self.starts.double, FREE, 0), -self.worth[self.starts.visit] // 2])
        come = np.full(len(least), -FREE)
        if real is not None:
            offers = np.concatenate([real.visit, -real.start]) // MILLI
            come = np.where(offers > least, offers, come)
        return StandIns(best, least, come)

    def auction_duals(self, auctioned: Auctioned) -> Duals:
        """Duals to begin from: what an auction left to each visit, nothing on lines or persons."""
        kept = auctioned.kept
        start = (self.worth * MILLI // 2 - kept)[self.starts.visit]
        return Duals(np.where(self.starts.double, 0, kept), start, np.zeros(len(self.units), np.int64))

    def best_pair(self, units: Ints) -> Ints:
        """Points of each visit with whoever is worth most there (for two: of one of them, the serving apart)."""
        same = np.array_equal(units, self.units)
        priced = self.bare if same else self.priced(self.no_duals(), units)
        return best_by(self.items.visit, priced.full, len(self.rows))

    def generate(self, until: float, prove_until: float, whole: float) -> Solved:
        """Column generation to the linear optimum (or the limits), and the bound.

        Stand-ins keep the duals from swinging. Rounds search tours quickly, so their bound is only likely; where they find
        nothing more, or stand close, a proving search under the best duals settles it. `whole`: when the day's time ends.
        """
        master = self.master()
        centre: Duals = self.auction_duals(self.auctioned)
        stand_ins, ended = self.stand_ins(centre), Ended()
        standing: list[float] = []  # of the linear program, in stand-ins
        likely = self.bound
        self.active = np.arange(self.columns.count)
        room = _ACTIVE * len(self.rows) + 2000
        wanted = self.watch.limits.proven
        close = 0 if wanted and len(self.rows) <= _EXACT else _CLOSE_PPM
        apart: list[float] = []  # bound and linear program, after each round
        solved, proved = None, False
        while True:
            late, began = False, self.watch.spent()
            try:
                solved = master.whole(self.columns, self.active, self.units, stand_ins=stand_ins, ended=ended)
            except MasterFailed:
                if solved is None:
                    raise
                late = True
                self.watch.stopped_by = "linear program"
            self.watch.lap("linear program")
            self.rounds += 1
            cut = master.forbid_halves(self.columns, solved)
            real = solved.value - stand_ins.worth()
            near = round(solved.value * MILLI + close * abs(solved.value) / 1000)
            standing.append(stand_ins.worth() / max(1.0, abs(solved.value)))
            if len(standing) == _SCARCE and 0 < len(self.long) <= MOST_TOURS:
                self.scarce = standing[-1] > max(_SCARCELY, standing[0] / 2)
            last = self.rounds >= self.watch.limits.rounds
            if self.scarce and len(standing) == _SCARCE and not self.done and not last:
                with suppress(OutOfTime, MasterFailed):
                    centre = scarce_prices(self, self.columns, self.people, self.units, self.auctioned, until)
                    self.watch.lap("scarce tours")
                    self.tell("columns", self.rounds, self.gained())
                    stand_ins, likely = self.stand_ins(centre), self.bound
                    self.price(centre, proving=False)
                    self.active = np.arange(self.columns.count)
                    apart.clear()
                    continue
            if standing[-1] > _STANDING if close else stand_ins.stand() or cut:
                near = -1  # too much of it is nobody's, or of one who comes alone
            new: list[int] = []
            self.until = until
            try:
                _, here, new = self.price(solved, proving=False)
                if here < likely:
                    likely, centre = here, solved
            except OutOfTime:
                late = True
            new = self.not_active(new)
            settled = not stand_ins.stand() and not cut
            apart.append(likely / MILLI - real)
            stalled = len(apart) > _PATIENCE and apart[-1 - _PATIENCE] - apart[-1] <= abs(real) * _STALL
            late = late or stalled or last
            over = (settled and not new) or likely <= near
            if not late and not over:
                late = self.watch.past(until - (self.watch.spent() - began))  # the next one takes as long
            if late or over:
                self.until = prove_until
                if not wanted or ((close or not self.alone) and (late or likely <= near)):
                    break  # the bound is proven below: that of one day of several has other budgets
                try:
                    proven, likely, more = self.price(centre, proving=True)
                except OutOfTime:
                    break
                if self.alone:
                    self.bound, proved = min(self.bound, proven), True
                new = self.not_active([*new, *more])
                if late or (settled and not new) or likely <= near:
                    break
            self.tell("columns", self.rounds, self.gained())
            stand_ins.come_for_less()
            if len(self.active) > room:
                self.active = np.sort(self.active[np.argsort(solved.spare, kind="stable")[:room]])
            self.active = np.union1d(self.active, np.array(new, np.int64))
        self.halves = master.halves
        if wanted and not proved:
            # the plan goes on beside it: what is proven changes no plan
            self.proof = self.watch.beside.submit(self.full_bound, centre, whole)
        self.tell_prices(centre)
        self.watch.lap("bound")
        self.new = new
        return solved

    def promising(self, solved: Solved) -> Solved:
        """The linear program over the columns from which whole duties are chosen, at a vertex."""
        promising = np.argsort(solved.spare, kind="stable")[: _PROMISING * len(self.rows) + 1000]
        kept = self.active[np.union1d(promising, np.flatnonzero(solved.x > _LIKELY))]
        self.active = np.union1d(kept, np.array(self.new, np.int64))
        try:
            return self.master().whole(self.columns, self.active, self.units)
        except MasterFailed:
            self.watch.stopped_by = "linear program"
            return solved
        finally:
            self.watch.lap("vertex")

    def tell(self, step: str, rounds: int, gained: int) -> None:
        """Say where the day stands, with its bound as soon as that is proven."""
        if self.proof is not None and self.proof.done():
            self.bound = min(self.bound, self.proof.result())
        self.watch.tell(step, self.day, rounds, self.done + gained, self.bounded + self.bound // MILLI)

    def tell_prices(self, duals: Duals) -> None:
        self.visit_price, self.line_price, self.start_price = duals.visit, duals.line, duals.start
        self.half_price = duals.halves

    def not_active(self, numbers: list[int]) -> list[int]:
        active = set(self.active.tolist())
        return sorted(number for number in set(numbers) if number not in active)

    def price(self, asked: Duals, *, proving: bool) -> tuple[int, int, list[int]]:
        """Everyone's best duties under the asked duals: the proven bound (or the present one), the likely one that speaks
        only of the duties found, and the columns that pay.

        Where a visit draws hundreds alike, a small draw by person and visit sends them to different ones.
        """
        priced = self.priced(asked, self.units, None if proving else self.likely)
        wanted = priced.prize
        if not proving:
            wanted = wanted + self.draw(len(wanted))
        proven, likely, new = 0, 0, []
        for step, who in (("pricing few", self.short), ("pricing tours", self.long)):
            found = self.look(who, wanted, priced, people=self.people, proving=proving or who is self.short)
            more, best = self.add_paying(who, found, asked)
            new += more
            likely += best
            proven += int(found.bound.sum())
            self.watch.lap(step + " proven" * proving)
        likely = self.lagrangian(asked, self.units, likely)
        return self.lagrangian(asked, self.units, proven) if proving else self.bound, likely, new

    def full_bound(self, centre: Duals, until: float) -> int:
        """The bound with all budgets, those included that earlier days used some of.

        Of several days under the duals of the day as it is, or those of an auction among all who are free with all budgets:
        under the former whoever has none left would come for visits that are dear because they cannot. Where tours are
        scarce, also under those of tours alone.
        """
        units = self.all_units()
        try:
            if self.alone:
                return min(self.bound, self._with(centre, units, self.people, until, proving=True))
            people = people_of(self.fresh, self.index, self.tables, self.day)
            prize = self.priced(self.no_duals(), units).prize
            all_free = auction(self.tables, self.items, people, self.rows, self.starts, prize, self.worth)
            known = [centre, self.auction_duals(all_free)]
            if self.scarce:
                with suppress(MasterFailed):
                    known.append(scarce_prices(self, Columns(), people, units, all_free, until))
            asked = min(known, key=lambda duals: self._with(duals, units, people, until))
            return self._with(asked, units, people, until, proving=True)
        except OutOfTime:
            return self.bound

    def _with(self, asked: Duals, units: Ints, people: People, until: float, *, proving: bool = False) -> int:
        """The Lagrangian value with other budgets: proven, or as far as a quick look sees."""
        priced = self.priced(asked, units, None if proving else self.likely)
        best = 0
        for who in (self.short, self.long):
            found = self.look(
                who, priced.prize, priced, people=people, proving=proving, until=until, beside=self.alone
            )
            best += int(found.bound.sum()) if proving else int(found.worth.max(axis=1, initial=0).sum())
        return self.lagrangian(asked, units, best)

    def dive(self, solved: Solved) -> None:
        """Choose duties for good, a share at a time, with fresh columns in between; keep the better of this and the first plan."""
        before = self.gained()
        held = (self.size.copy(), self.value.copy(), self.points.copy(), self.item.copy(), self.start.copy())
        held_line, held_chosen = self.line, self.line_chosen
        self.size[:], self.points[:], self.value[:] = 0, 0, 0
        self.line_chosen = {}
        master = self.master()
        visits = len(self.rows)
        open_visits = np.ones(visits, np.bool_)
        open_starts = np.ones(len(self.starts.visit), np.bool_)
        staffed = np.zeros(len(self.starts.visit), np.int64)
        units = self.units.copy()
        free = np.ones(len(self.index.persons), np.bool_)
        numbers = self.active
        share, began = 1 / _TAKEN, self.watch.spent()
        while (solved.x > 1e-6).any():
            self._choose(solved, free, open_visits, open_starts, staffed, units, share)
            self.tell("whole duties", self.rounds + self.dives, max(before, self.gained()))
            numbers = self._still_possible(numbers, free, open_visits, open_starts, staffed, units)
            try:
                new = self._price_again(solved, free, open_visits, open_starts, staffed, units)
                numbers = np.union1d(numbers, new)
                if not len(numbers):
                    break
                master.forbid_halves(self.columns, solved)
                solved = master.solve(self.columns, numbers, open_visits, open_starts, staffed, units)
            except (OutOfTime, MasterFailed) as ended:
                if isinstance(ended, MasterFailed):
                    self.watch.stopped_by = "linear program"
                self._choose(solved, free, open_visits, open_starts, staffed, units, 1.0)
                break
            self.dives += 1
            now = self.watch.spent()
            # as many turns as there is time for, if the next ones take as long
            share = max(1 / _TAKEN, (now - began) / max(now - began, self.until - now))
            began = now
        self.drop_half_staffed()
        if self.gained() < before:
            self.size, self.value, self.points, self.item, self.start = held
            self.line, self.line_chosen = held_line, held_chosen

    def _still_possible(
        self,
        numbers: Ints,
        free: NDArray[np.bool_],
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        staffed: Ints,
        units: Ints,
    ) -> Ints:
        open_rows = np.concatenate([open_visits, open_starts & (staffed < 2)])
        numbers = numbers[free[self.columns.person[numbers]]]
        owner, entries = self.columns.entries(numbers)
        closed = ~open_rows[self.items.slot_row[self.columns.items[entries]]]
        return self._affordable(numbers[np.bincount(owner, closed, len(numbers)) == 0], units)

    def _affordable(self, numbers: Ints, units: Ints) -> Ints:
        """Those of the columns whose lines have the units."""
        owner, entries = self.columns.entries(numbers)
        line = self.columns.lines[entries]
        drawn = line >= 0
        key = owner[drawn] * len(units) + self.tables.line_index[line[drawn]]
        pairs, of = np.unique(key, return_inverse=True)
        need = np.bincount(of, self.tables.line_units[line[drawn]], len(pairs))
        short = pairs[need > units[pairs % len(units)]] // len(units) if len(pairs) else pairs
        return np.delete(numbers, short)

    def _price_again(
        self,
        solved: Solved,
        free: NDArray[np.bool_],
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        staffed: Ints,
        units: Ints,
    ) -> Ints:
        priced = self.priced(solved, units, self.likely)
        open_rows = np.concatenate([open_visits, open_starts & (staffed < 2)])
        wanted = np.where(open_rows[priced.items.slot_row], priced.prize, -FREE)
        new: list[int] = []
        for who, proving in ((self.long, False), (self.short, True)):
            asked = who[free[who]]
            found = self.look(asked, wanted, priced, people=self.people, proving=proving)
            new += self.add_paying(asked, found, solved)[0]
        return self._affordable(np.array(new, np.int64), units)

    def _choose(
        self,
        solved: Solved,
        free: NDArray[np.bool_],
        open_visits: NDArray[np.bool_],
        open_starts: NDArray[np.bool_],
        staffed: Ints,
        units: Ints,
        share: float,
    ) -> None:
        """Take the duties that the linear program is sure of, and at any rate a share of those in question, the likeliest."""
        visits = len(self.rows)
        for option in np.argsort(-solved.y, kind="stable"):
            if solved.y[option] < 0.5:
                break
            if open_starts[option]:
                rivals = self.starts.visit == self.starts.visit[option]
                if not staffed[rivals].any():
                    open_starts[rivals] = False
                    open_starts[option] = True
        order = np.argsort(-solved.x, kind="stable")
        enough = max(1, int(share * (solved.x > 1e-6).sum()))
        taken = 0
        for n in order:
            sure = solved.x[n] >= _SURE
            if solved.x[n] < 1e-6 or (not sure and taken >= enough):
                break
            number = int(solved.numbers[n])
            person, item = int(self.columns.person[number]), self.columns.item(number)
            line = self.columns.line(number)
            slots = self.items.slot_row[item]
            fits = free[person] and all(
                open_visits[slot]
                if slot < visits
                else open_starts[slot - visits] and staffed[slot - visits] < 2
                for slot in slots
            )
            if not fits or ((line >= 0).any() and not len(self._affordable(np.array([number]), units))):
                continue
            taken += 1
            free[person] = False
            for slot in slots:
                if slot < visits:
                    open_visits[slot] = False
                else:
                    staffed[slot - visits] += 1
                    rivals = self.starts.visit == self.starts.visit[slot - visits]
                    open_starts[rivals] = False
                    open_starts[slot - visits] = True
            for at in line[line >= 0]:
                units[self.tables.line_index[at]] -= self.tables.line_units[at]
            size = len(item)
            self.size[person], self.points[person] = size, self.columns.points[number]
            self.value[person] = self.columns.points[number] * MILLI
            self.item[person, :size], self.start[person, :size] = item, self.columns.start(number)
            self.line_chosen[person] = line.copy()

    def drop_half_staffed(self) -> None:
        """Take the lone half of visits for two out of their duties; the rest of a duty stays as it is."""
        visits = len(self.rows)
        staffed = np.zeros(len(self.starts.visit), np.int64)
        for person in np.flatnonzero(self.size):
            for slot in self.items.slot_row[self.item[person, : self.size[person]]]:
                if slot >= visits:
                    staffed[slot - visits] += 1
        for person in np.flatnonzero(self.size):
            size = self.size[person]
            item = self.item[person, :size].copy()
            slots = self.items.slot_row[item]
            keep = np.array([slot < visits or staffed[slot - visits] == 2 for slot in slots], np.bool_)
            if keep.all():
                continue
            kept = int(keep.sum())
            self.item[person, :kept] = item[keep]
            self.start[person, :kept] = self.start[person, :size][keep]
            if person in self.line_chosen:
                self.line_chosen[int(person)] = self.line_chosen[int(person)][keep]
            self.size[person] = kept
            self.points[person] = self.measure(int(person))
            self.value[person] = self.points[person] * MILLI

    def measure(self, person: int) -> int:
        """Points of a duty as it stands, from the duty itself."""
        book, index = self.book, self.index
        person_id = index.persons[person]
        before = list(book.stops.get(person_id, ()))
        total = 0
        lines = self.lines_held(person)
        for n in range(self.size[person]):
            item = self.item[person, n]
            carer = index.carers[self.items.carer[item]]
            total += int(self.items.points[item])
            slot = self.items.slot_row[item]
            if slot < len(self.rows):
                total += int(self.worth[slot])
            if lines[n] >= 0:
                total += int(self.tables.line_points[lines[n]])
            visit = index.visits[self.rows[self.items.visit[item]]]
            start = int(self.start[person, n])
            book.add(visit.visit_id, carer.carer_id, start, start + visit.minutes)
        total += way_points(book, person_id, self.day) + repeat_points(book, person_id, self.day)
        for n in range(self.size[person]):
            visit = index.visits[self.rows[self.items.visit[self.item[person, n]]]]
            book.taken[visit.visit_id].pop()
            if not book.taken[visit.visit_id]:
                del book.taken[visit.visit_id]
        if before:
            book.stops[person_id] = before
        else:
            book.stops.pop(person_id, None)
        return total

    def lines_held(self, person: int) -> Ints:
        chosen = self.line_chosen.get(person)
        return self.line[self.item[person, : self.size[person]]] if chosen is None else chosen

    def repair(self) -> None:
        """Exchange duties for better ones until nobody finds any (a few turns), with the lines' units kept."""
        units = self.units.copy()
        taken = np.zeros(len(self.rows), np.bool_)
        flexible = []
        for person in np.flatnonzero(self.size):
            item = self.item[person, : self.size[person]]
            taken[self.items.visit[item]] = True
            lines = self.lines_held(int(person))
            for at in lines[lines >= 0]:
                units[self.tables.line_index[at]] -= self.tables.line_units[at]
        prize, full, line = self.bare.prize, self.bare.full, self.bare.line
        self.line = line
        for person in np.concatenate([self.long, self.short]):
            chosen = self.line_chosen.get(int(person))
            item = self.item[person, : self.size[person]]
            # a duty on another line than the cheapest stays as the dive chose it
            if chosen is None or (chosen == line[item]).all():
                self.line_chosen.pop(int(person), None)
                flexible.append(person)
        for _ in range(3):
            if not self.improve(prize, full, np.array(flexible, np.int64), taken, units):
                break

    def book_duties(self, lines_of: dict[tuple[int, int], int]) -> int:
        """Enter the chosen duties into the book; points gained."""
        gained = self.gained()
        for person in np.flatnonzero(self.size):
            lines = self.lines_held(int(person))
            for n in range(self.size[person]):
                item = self.item[person, n]
                row = int(self.rows[self.items.visit[item]])
                visit, carer = self.index.visits[row], self.index.carers[self.items.carer[item]]
                line = int(self.tables.line_index[lines[n]]) if lines[n] >= 0 else -1
                line_id = None if line < 0 else self.book.snapshot.lines[line].line_id
                start = int(self.start[person, n])
                self.book.add(visit.visit_id, carer.carer_id, start, start + visit.minutes, line_id=line_id)
                if line >= 0:
                    lines_of[row, int(self.items.carer[item])] = line
        return gained
