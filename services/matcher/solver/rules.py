"""What forbids a pair, as pure functions over a snapshot: the hard rules of the main job and the travel formula.

**The travel formula** (published: plan checkers re-implement it from this text). A place (lon, lat) becomes whole
microdegrees (round half to even), then whole metres on a plane: x = floor(lon_micro * `travel.degree_lon` / 10^6),
y = floor(lat_micro * `travel.degree_lat` / 10^6). The distance of two places is the square root of dx^2 + dy^2, rounded
up to a metre. Travel takes distance * `travel.detour` / (100 * `speed.MODE`) minutes, rounded up to a minute. The mode is
that of the carer (the capacity) who does the visit that is travelled *to*.

**A person's day.** All visits of one person, in whatever capacity, form one sequence by start. No two overlap. Between two
visits at places, next to each other when remote visits are left out, start of the second - end of the first - minutes of
the remote visits between >= travel from the first's end place (its place if it has none) to the second's place. Remote
visits need no travel. The way from the carer's base to the first visit of a day is priced, not forbidden; the distance from
base to a visit's place may not exceed `reach.MODE`.

A snapshot's own ways take the place of the formula; then reach is not judged. A day with a visit at a place ends where
`ends_at` says, and the way there is priced like the way from base.

**Minutes.** On a day on which a person does a new visit as carer c, all minutes of that person's visits of the day (by the
visit's day) in all capacities, plus `used_daily` of each of the person's carers, may not exceed c's `daily_minutes`; the
same for its Monday week with `used_weekly` and `weekly_minutes`. A volunteer does at most `volunteer.visits_a_day`
volunteer visits a day, and no more new ones in the horizon than `max_new`.

**A visit for two** gets two different persons with the same start, or stays unmet. If no slot is fixed, that start lies on
the visit's grid: earliest start + k * step, k < `pair.starts`, where step is the window divided by (`pair.starts` - 1),
rounded up to a multiple of `pair.grid`, at least `pair.grid`.

**A start is late** by what it exceeds `late_from`, or, from the beginning of a later window on, the end of the last that
begins by it; by no more than `late_most`.

**A shift** is over when the last visit's carer is at `ends_at`, no more than `overtime_most` after its end. A meal break is
had at the place of the visit before or after it.

**A visit that follows** another begins `least` to `most` after its start, by another person or by the same carer. Neither is
made without the other, unless it is fixed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isqrt
from uuid import UUID

from services.matcher.solver.plan import BrokenFixed, Rest
from services.matcher.solver.prices import Prices, prices_of
from services.matcher.solver.snapshot import (
    DAY,
    FixedKind,
    Follower,
    Place,
    SnapCarer,
    SnapLine,
    Snapshot,
    SnapVisit,
)
from shared.contracts.codes import Capacity, Channel, Limit, TravelMode
from shared.contracts.lines import units_of

SENTENCES: dict[str, str] = {
    "placed": "老人的住址还没有在地图上定位，不能安排上门。",
    "channel": "这项服务不由这类服务人员提供。",
    "skill": "服务人员没有这项服务所需的技能。",
    "licence": "服务人员没有所需的资格证，或在服务当天已过期。",
    "age": "服务人员的年龄不适合这项服务。",
    "insurance": "这项服务有风险，服务人员当天没有有效的保险。",
    "lone": "单独上门需要审核，服务人员当天没有有效的审核。",
    "limit": "服务人员声明不做搬抬或不爬楼梯。",
    "self": "服务人员就是这位老人本人。",
    "block": "老人希望不再由这位服务人员上门。",
    "refusal": "服务人员不接这类服务或这位老人。",
    "forbidden": "计划员不允许这样安排。",
    "wish_dialect": "老人要求会说指定的方言。",
    "wish_sex": "老人要求指定性别的服务人员。",
    "reach": "距离超出服务人员出行方式的服务半径。",
    "availability": "服务人员在这个时间没有空。",
    "window": "开始时间不在老人要求的时间段内。",
    "overlap": "与服务人员当天的其他服务时间冲突，或来不及赶路。",
    "daily": "超过服务人员每天的服务时长上限。",
    "weekly": "超过服务人员每周的服务时长上限。",
    "visits_a_day": "超过志愿者每天的服务次数上限。",
    "offers": "志愿者同时收到的邀请已达上限。",
    "pair": "两位服务人员必须同时开始，且不能是同一个人。",
    "follows": "与前一次服务的间隔或人员不合要求。",
    "overtime": "下班后超时太久。",
    "break": "没有留出用餐休息的时间。",
    "contract": "没有合同覆盖这项服务、这个社区和这一天。",
    "units": "合同剩余的服务量不够。",
}


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that forbids a pair, with the sentence that tells people so."""

    rule_id: str
    sentence: str


def broken(rule_id: str) -> BrokenRule:
    return BrokenRule(rule_id, SENTENCES[rule_id])


@dataclass(frozen=True, slots=True)
class Stop:
    """A visit in a person's sequence."""

    start: int
    end: int
    minutes: int
    day: int
    place: tuple[int, int] | None
    end_place: tuple[int, int] | None
    carer_id: UUID
    visit_id: UUID
    volunteer: bool
    new: bool


@dataclass(slots=True)
class Book:
    """A snapshot with its indexes, and who does what so far. `add` books a visit; nothing else changes."""

    snapshot: Snapshot
    prices: Prices = field(init=False)
    visits: dict[UUID, SnapVisit] = field(init=False)
    carers: dict[UUID, SnapCarer] = field(init=False)
    capacities: dict[UUID, list[SnapCarer]] = field(init=False)
    lines: dict[UUID, SnapLine] = field(init=False)
    lines_of: dict[UUID, list[SnapLine]] = field(init=False)
    free_units: dict[UUID, int] = field(init=False)
    forbidden: frozenset[tuple[UUID, UUID]] = field(init=False)
    stops: dict[UUID, list[Stop]] = field(init=False)
    taken: dict[UUID, list[Stop]] = field(init=False)
    planes: dict[Place, tuple[int, int]] = field(init=False)
    rests: dict[tuple[UUID, int], Rest] = field(init=False)  # by carer and day

    def __post_init__(self) -> None:
        snapshot = self.snapshot
        self.prices = prices_of(snapshot.overrides)
        self.visits = {visit.visit_id: visit for visit in snapshot.visits}
        self.carers = {carer.carer_id: carer for carer in snapshot.carers}
        self.capacities = {}
        for carer in snapshot.carers:
            self.capacities.setdefault(carer.person_id, []).append(carer)
        self.lines = {line.line_id: line for line in snapshot.lines}
        self.lines_of = {}
        for line in snapshot.lines:
            self.lines_of.setdefault(line.organisation_id, []).append(line)
        self.free_units = {line.line_id: line.free for line in snapshot.lines}
        self.forbidden = frozenset(snapshot.forbidden)
        self.stops = {}
        self.taken = {}
        self.planes = {}
        self.rests = {}
        for pair in sorted(snapshot.fixed, key=lambda pair: (pair.start, pair.visit_id, pair.slot)):
            self.add(pair.visit_id, pair.carer_id, pair.start, pair.end, new=False)

    def add(
        self,
        visit_id: UUID,
        carer_id: UUID,
        start: int,
        end: int,
        *,
        new: bool = True,
        line_id: UUID | None = None,
    ) -> None:
        visit, carer = self.visits[visit_id], self.carers[carer_id]
        place, end_place = _ends(self, visit)
        stop = Stop(
            start,
            end,
            end - start,
            self.snapshot.day_of(visit),
            place,
            end_place,
            carer_id,
            visit_id,
            carer.capacity is Capacity.VOLUNTEER,
            new,
        )
        sequence = self.stops.setdefault(carer.person_id, [])
        sequence.append(stop)
        sequence.sort(key=lambda each: (each.start, each.end))
        self.taken.setdefault(visit_id, []).append(stop)
        if line_id is not None:
            self.free_units[line_id] -= self.units(self.lines[line_id], visit)

    def units(self, line: SnapLine, visit: SnapVisit) -> int:
        return units_for(line, visit, self.snapshot.ticks)

    def way(self, mode: TravelMode, a: tuple[int, int], b: tuple[int, int]) -> int:
        """Time from one place of the book's plane to another."""
        ways = self.snapshot.ways
        return ways[a[0]][b[0]] if ways else travel_minutes(self.prices, mode, a, b)

    def plane(self, point: Place) -> tuple[int, int]:
        known = self.planes.get(point)
        if known is None:
            known = self.planes[point] = plane(self.prices, point)
        return known


def plane(prices: Prices, point: Place) -> tuple[int, int]:
    """Whole metres on the plane of the travel formula; (row, 0) of a place of the snapshot's own ways."""
    if isinstance(point, int):
        return point, 0
    return (
        round(point[0] * 1_000_000) * prices["travel.degree_lon"] // 1_000_000,
        round(point[1] * 1_000_000) * prices["travel.degree_lat"] // 1_000_000,
    )


def metres(a: tuple[int, int], b: tuple[int, int]) -> int:
    square = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    root = isqrt(square)
    return root if root * root == square else root + 1


def travel_minutes(prices: Prices, mode: TravelMode, a: tuple[int, int], b: tuple[int, int]) -> int:
    return -(-metres(a, b) * prices["travel.detour"] // (100 * prices[f"speed.{mode}"]))


def units_for(line: SnapLine, visit: SnapVisit, ticks: int = 1) -> int:
    return units_of(line.unit, line.rounding_minutes, -(-visit.minutes // ticks), len(visit.resident_ids))


def starts_for_two(prices: Prices, visit: SnapVisit, ticks: int = 1) -> tuple[int, ...]:
    """The grid of starts of a visit for two."""
    most, grid = prices["pair.starts"], prices["pair.grid"] * ticks
    width = visit.latest_start - visit.earliest_start
    step = max(grid, -(-width // max(1, most - 1) // grid) * grid) if width else grid
    starts = range(visit.earliest_start, visit.latest_start + 1, step)
    return tuple(starts)[:most]


def line_covers(line: SnapLine, visit: SnapVisit, day: date) -> bool:
    """Kind, community, dates and way of provision; not the units."""
    return (
        visit.kind in line.kinds
        and visit.community_id in line.community_ids
        and line.valid_from <= day <= line.valid_to
        and line.channel in visit.channels
    )


PAID_CHANNELS = frozenset({Channel.PUBLIC_DIRECT, Channel.PUBLIC_PURCHASED, Channel.MARKET})


def channel_open(visit: SnapVisit, carer: SnapCarer) -> bool:
    """Whether the need may be met in this capacity at all; employed carers also need a line."""
    match carer.capacity:
        case Capacity.VOLUNTEER:
            return Channel.VOLUNTEER in visit.channels
        case Capacity.STIPENDED:
            return Channel.PUBLIC_DIRECT in visit.channels
        case Capacity.EMPLOYED:
            return not PAID_CHANNELS.isdisjoint(visit.channels)


def static_breaks(book: Book, visit: SnapVisit, carer: SnapCarer) -> list[str]:
    """Rules that forbid the pair whatever the time."""
    prices, day = book.prices, book.snapshot.date_of(book.snapshot.day_of(visit))
    found = []

    def rule(rule_id: str, is_broken: bool) -> None:
        if is_broken:
            found.append(rule_id)

    rule("placed", not visit.placed)
    rule("channel", not channel_open(visit, carer))
    rule("skill", not visit.skills <= carer.skills)
    rule("licence", visit.licence is not None and not _valid(_licence(carer, visit), day))
    rule(
        "age",
        carer.age < prices["age.least"] or (visit.lifting and carer.age > prices["age.lifting_most"]),
    )
    rule("insurance", visit.dangerous and not _valid(carer.insured_until, day))
    rule("lone", visit.lone_risk and visit.carers == 1 and not _valid(carer.lone_cleared_until, day))
    rule(
        "limit",
        (visit.lifting and Limit.LIFTING in carer.limits) or (visit.stairs and Limit.STAIRS in carer.limits),
    )
    rule("self", carer.person_id in visit.resident_ids)
    rule("block", carer.person_id in visit.blocked_person_ids)
    rule(
        "refusal",
        visit.kind in carer.refused_kinds or not carer.refused_residents.isdisjoint(visit.resident_ids),
    )
    rule("forbidden", (visit.visit_id, carer.person_id) in book.forbidden)
    if visit.dialect_wish is not None and visit.dialect_wish[1]:
        rule("wish_dialect", visit.dialect_wish[0] not in carer.dialects)
    if visit.sex_wish is not None and visit.sex_wish[1]:
        rule("wish_sex", visit.sex_wish[0] is not carer.sex)
    rule("reach", not _reaches(book, visit, carer))
    if carer.capacity is Capacity.EMPLOYED and "channel" not in found:
        covering = [line for line in _lines_of(book, carer) if line_covers(line, visit, day)]
        rule("contract", not covering)
        rule("units", bool(covering) and best_line(book, visit, carer) is None)
    return found


def _licence(carer: SnapCarer, visit: SnapVisit) -> date | None:
    return max((until for code, until in carer.licences if code is visit.licence), default=None)


def _valid(until: date | None, day: date) -> bool:
    return until is not None and until >= day


def _reaches(book: Book, visit: SnapVisit, carer: SnapCarer) -> bool:
    if visit.remote:
        return True
    if carer.base is None or visit.place is None:
        return False
    return bool(book.snapshot.ways) or (
        metres(book.plane(carer.base), book.plane(visit.place)) <= book.prices[f"reach.{carer.travel_mode}"]
    )


def _lines_of(book: Book, carer: SnapCarer) -> Sequence[SnapLine]:
    return () if carer.organisation_id is None else book.lines_of.get(carer.organisation_id, ())


def best_line(book: Book, visit: SnapVisit, carer: SnapCarer) -> SnapLine | None:
    """The cheapest line of the carer's organisation that covers the visit and has units left."""
    day = book.snapshot.date_of(book.snapshot.day_of(visit))
    usable = [
        line
        for line in _lines_of(book, carer)
        if line_covers(line, visit, day) and book.free_units[line.line_id] >= book.units(line, visit)
    ]
    ticks = book.snapshot.ticks
    return max(
        usable, key=lambda line: (line_points(book.prices, line, visit, ticks), line.line_id), default=None
    )


def cost_points(prices: Prices, line: SnapLine, visit: SnapVisit, ticks: int = 1) -> int:
    fen = units_for(line, visit, ticks) * line.unit_price_fen
    return -(fen // (100 * prices["cost.fen_per_point"]))


def line_points(prices: Prices, line: SnapLine, visit: SnapVisit, ticks: int = 1) -> int:
    return prices[f"channel.{line.channel}"] + cost_points(prices, line, visit, ticks)


def late_by(visit: SnapVisit, start: int) -> int:
    """How late a start is, in the snapshot's unit of time."""
    due = visit.late_from
    for opens, until in visit.later_windows:
        if opens <= start:
            due = until
    return 0 if due is None else max(0, start - due)


def ranges_of(visit: SnapVisit) -> tuple[tuple[int, int], ...]:
    """From when till when the visit may start, in order."""
    if visit.late_from is None or visit.late_most is None:
        return ((visit.earliest_start, visit.latest_start),)
    windows = ((visit.earliest_start, visit.late_from), *visit.later_windows)
    nexts = (*(opens for opens, _ in visit.later_windows), visit.latest_start + 1)
    found = (
        (opens, min(until + visit.late_most, then - 1))
        for (opens, until), then in zip(windows, nexts, strict=True)
    )
    return tuple((opens, until) for opens, until in found if opens <= until)


def timed_breaks(book: Book, visit: SnapVisit, carer: SnapCarer, start: int | None) -> list[str]:
    """Rules about time and amount that forbid the pair beside all that is booked; `start` None: at every start."""
    found = [rule_id for rule_id, left in amounts_left(book, visit, carer) if left < 0]
    if any(
        book.carers[stop.carer_id].person_id == carer.person_id for stop in book.taken.get(visit.visit_id, ())
    ):
        return [*found, "pair"]
    starts = possible_starts(book, visit)
    if start is not None:
        if starts is not None and start not in starts:
            held = visit.visit_id in book.taken
            return [
                *found,
                "pair" if held or visit.earliest_start <= start <= visit.latest_start else "window",
            ]
        within = any(low <= start <= high for low, high in ranges_of(visit))
        if not within and visit.visit_id not in book.taken:
            return [*found, "window"]
        starts = (start,)
    if not any(_free(carer, low, high, visit.minutes) for low, high in _ranges(visit, starts)):
        return [*found, "availability"]
    if earliest_start(book, visit, carer, starts) is None:
        found.append("overlap")
    return found


def _ranges(visit: SnapVisit, starts: Iterable[int] | None) -> Iterable[tuple[int, int]]:
    if starts is None:
        return ranges_of(visit)
    return tuple((start, start) for start in starts)


def _free(carer: SnapCarer, low: int, high: int, minutes: int) -> bool:
    return any(max(low, begin) <= min(high, end - minutes) for begin, end in carer.windows)


def amounts_left(book: Book, visit: SnapVisit, carer: SnapCarer) -> list[tuple[str, int]]:
    """What would be left of the carer's minutes and visits if the visit were added, by rule."""
    snapshot, day = book.snapshot, book.snapshot.day_of(visit)
    week = snapshot.week_of(day)
    stops = book.stops.get(carer.person_id, ())
    capacities = book.capacities[carer.person_id]
    day_minutes = week_minutes = volunteered = new = 0
    for stop in stops:
        if stop.day == day:
            day_minutes += stop.minutes
            volunteered += stop.volunteer
        if snapshot.week_of(stop.day) == week:
            week_minutes += stop.minutes
        new += stop.new and stop.carer_id == carer.carer_id
    day_minutes += sum(_at(each.used_daily, day) for each in capacities)
    week_minutes += sum(_at(each.used_weekly, week) for each in capacities)
    caps_day, caps_week = [carer.daily_minutes], [carer.weekly_minutes]
    for stop in stops:  # another capacity's own limit also holds for what it newly does
        if stop.new and stop.day == day:
            caps_day.append(book.carers[stop.carer_id].daily_minutes)
        if stop.new and snapshot.week_of(stop.day) == week:
            caps_week.append(book.carers[stop.carer_id].weekly_minutes)
    left = [
        ("daily", min(caps_day) - day_minutes - visit.minutes),
        ("weekly", min(caps_week) - week_minutes - visit.minutes),
    ]
    if carer.capacity is Capacity.VOLUNTEER:
        left.append(("visits_a_day", book.prices["volunteer.visits_a_day"] - volunteered - 1))
    if carer.max_new is not None:
        left.append(("offers", carer.max_new - new - 1))
    return left


def _at(values: Sequence[int], index: int) -> int:
    return values[index] if index < len(values) else 0


def possible_starts(book: Book, visit: SnapVisit) -> tuple[int, ...] | None:
    """The starts that are left: the other carer's, or the grid for two; None: any in the window."""
    for stop in book.taken.get(visit.visit_id, ()):
        return (stop.start,)
    return None if visit.carers == 1 else starts_for_two(book.prices, visit, book.snapshot.ticks)


def earliest_start(
    book: Book, visit: SnapVisit, carer: SnapCarer, starts: tuple[int, ...] | None = None
) -> tuple[int, int] | None:
    """The earliest start at which the visit fits into the person's booked sequence, and the minutes of travel it adds."""
    stops = book.stops.get(carer.person_id, [])
    place, end_place = _ends(book, visit)
    best: tuple[int, int] | None = None
    for gap in range(len(stops) + 1):
        for low, high in _ranges(visit, starts):
            start = _start_in_gap(book, visit, carer, stops, gap, place, end_place, low, high)
            if start is not None and (best is None or start < best[0]):
                best = (start, _added_travel(book, visit, carer, stops, gap, place, end_place))
        if best is not None:
            return best
    return None


def starts_by_gap(
    book: Book, visit: SnapVisit, carer: SnapCarer, starts: tuple[int, ...] | None = None
) -> Iterable[tuple[int, int]]:
    """Every gap of the person's booked sequence into which the visit fits, and the earliest start there."""
    stops = book.stops.get(carer.person_id, [])
    place, end_place = _ends(book, visit)
    for gap in range(len(stops) + 1):
        for low, high in _ranges(visit, starts):
            start = _start_in_gap(book, visit, carer, stops, gap, place, end_place, low, high)
            if start is not None:
                yield gap, start
                break


def travel_added(book: Book, visit: SnapVisit, carer: SnapCarer, gap: int) -> int:
    """Minutes of priced travel that the visit adds to the person's booked sequence in a gap of it."""
    stops = book.stops.get(carer.person_id, [])
    return _added_travel(book, visit, carer, stops, gap, *_ends(book, visit))


def gaps_to_fill(book: Book, person_id: UUID, gap: int) -> tuple[int, int]:
    """Into which gaps a visit must come, first and last, when one has been taken out of a person's sequence at `gap`.

    Any, as a rule; but where it ended elsewhere or by other means, the way past it may take too long.
    """
    stops = book.stops[person_id]
    first = next((n for n in range(gap - 1, -1, -1) if stops[n].place is not None), None)
    last = next((n for n in range(gap, len(stops)) if stops[n].place is not None), None)
    if first is not None and last is not None:
        before, after = stops[first], stops[last]
        assert before.end_place is not None
        assert after.place is not None
        ready = before.end + sum(stop.minutes for stop in stops[first + 1 : last])
        mode = book.carers[after.carer_id].travel_mode
        if ready + book.way(mode, before.end_place, after.place) > after.start:
            return first + 1, last
    return 0, len(stops)


def _ends(book: Book, visit: SnapVisit) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Where a visit begins and ends on the book's plane; a remote one nowhere."""
    place = None if visit.remote or visit.place is None else book.plane(visit.place)
    return place, place if place is None or visit.end_place is None else book.plane(visit.end_place)


def _start_in_gap(
    book: Book,
    visit: SnapVisit,
    carer: SnapCarer,
    stops: list[Stop],
    gap: int,
    place: tuple[int, int] | None,
    end_place: tuple[int, int] | None,
    low: int,
    high: int,
) -> int | None:
    clock, ready, here = -DAY, -DAY, None
    for stop in stops[:gap]:
        clock = max(clock, stop.end)
        if stop.place is None:
            ready += stop.minutes
        else:
            ready, here = stop.end, stop.end_place
    start = max(low, clock)
    if place is not None and here is not None:
        start = max(start, ready + book.way(carer.travel_mode, here, place))
    fitting = [max(start, begin) for begin, end in carer.windows if max(start, begin) + visit.minutes <= end]
    if not fitting or fitting[0] > high:
        return None
    start = fitting[0]
    end = start + visit.minutes
    if place is None:
        ready += visit.minutes
    else:
        ready, here = end, end_place
    for index, stop in enumerate(stops[gap:]):
        if index == 0 and stop.start < end:
            return None
        if stop.place is not None:
            mode = book.carers[stop.carer_id].travel_mode
            late = here is not None and ready + book.way(mode, here, stop.place) > stop.start
            return None if late else start
        ready += stop.minutes
    return start


def _added_travel(
    book: Book,
    visit: SnapVisit,
    carer: SnapCarer,
    stops: list[Stop],
    gap: int,
    place: tuple[int, int] | None,
    end_place: tuple[int, int] | None,
) -> int:
    """Minutes of priced travel that the visit adds to its day: base to first visit, then from visit to visit."""
    if place is None or end_place is None:
        return 0
    day = book.snapshot.day_of(visit)
    before = next((s for s in reversed(stops[:gap]) if s.place is not None and s.day == day), None)
    after = next((s for s in stops[gap:] if s.place is not None and s.day == day), None)
    added = 0
    if before is not None and before.end_place is not None:
        added += book.way(carer.travel_mode, before.end_place, place)
    elif carer.base is not None:
        added += book.way(carer.travel_mode, book.plane(carer.base), place)
    if after is not None and after.place is not None:
        follower = book.carers[after.carer_id]
        added += book.way(follower.travel_mode, end_place, after.place)
        if before is not None and before.end_place is not None:
            added -= book.way(follower.travel_mode, before.end_place, after.place)
        elif follower.base is not None:
            added -= book.way(follower.travel_mode, book.plane(follower.base), after.place)
    return added


def serving_of(book: "Book", visit: SnapVisit) -> int:
    """Points of serving what is left of a visit: half of a visit for two whose other half stands."""
    half = visit.carers == 2 and bool(book.taken.get(visit.visit_id))
    return serving_points(book.prices, visit) // (2 if half else 1)


def serving_points(prices: Prices, visit: SnapVisit) -> int:
    """What serving the visit is worth, for all its carers together."""
    points = prices["serve.visit"] + prices[f"serve.{visit.grade}"] + prices[f"serve.{visit.urgency}"]
    points += prices["serve.vital"] if visit.vital else 0
    points += prices["serve.lone"] if visit.lone_risk else 0
    return points * visit.carers


def pair_points(prices: Prices, visit: SnapVisit, carer: SnapCarer) -> list[tuple[str, int]]:
    """What the pair gives whatever the time and line, by rule; load and channel of unpaid carers included."""
    found = []
    if carer.capacity is Capacity.VOLUNTEER:
        found.append(("channel", prices["channel.volunteer"]))
    elif carer.capacity is Capacity.STIPENDED:
        found.append(("channel", prices["channel.public_direct"]))
    times = sum(count for person_id, count in visit.earlier_visits if person_id == carer.person_id)
    if times > 0:
        found.append(
            ("continuity", min(prices["continuity.most"], times * prices["continuity.earlier_visit"]))
        )
    if visit.dialect_wish is not None and visit.dialect_wish[0] in carer.dialects:
        found.append(("wish", prices["wish.dialect"]))
    if visit.sex_wish is not None and visit.sex_wish[0] is carer.sex:
        found.append(("wish", prices["wish.sex"]))
    if visit.wished_person_ids and carer.person_id not in visit.wished_person_ids:
        found.append(("wish", prices["wish.other"]))
    load = max(prices["load.most"], prices["load.hour"] * (carer.load // 60))
    if load:
        found.append(("load", load))
    return [(rule_id, points) for rule_id, points in found if points]


def follows_badly(book: Book, visit: SnapVisit, stop: Stop) -> bool:
    """Whether a booked visit comes too soon or late after the booked one that it follows, or by the wrong person."""
    follows = visit.follows
    if follows is None:
        return False
    return any(
        not follows.least <= stop.start - first.start <= follows.most
        or (_person(book, first) == _person(book, stop)) != (follows.by is Follower.SAME)
        for first in book.taken.get(follows.visit_id, ())
    )


def _person(book: Book, stop: Stop) -> UUID:
    return book.carers[stop.carer_id].person_id


def broken_fixed(snapshot: Snapshot) -> tuple[BrokenFixed, ...]:
    """Fixed pairs that break a rule (started ones apart): what the matcher releases before it plans."""
    found = []
    book = Book(snapshot)
    for pair in snapshot.fixed:
        if pair.kind is FixedKind.STARTED:
            continue
        visit, carer = book.visits[pair.visit_id], book.carers[pair.carer_id]
        others = book.stops[carer.person_id]
        mine = next(stop for stop in others if stop.visit_id == pair.visit_id)
        others.remove(mine)
        book.taken[visit.visit_id].remove(mine)
        rules = [rule for rule in static_breaks(book, visit, carer) if rule not in ("units", "reach")]
        rules += [
            rule
            for rule in timed_breaks(book, visit, carer, pair.start)
            if rule in ("overlap", "availability")
        ]
        rules += ["follows"] * follows_badly(book, visit, mine)
        others.append(mine)
        others.sort(key=lambda each: (each.start, each.end))
        book.taken[visit.visit_id].append(mine)
        if rules:
            found.append(BrokenFixed(pair.visit_id, pair.slot, pair.carer_id, tuple(rules)))
    return tuple(found)
