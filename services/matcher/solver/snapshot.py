"""What a plan is made from: one immutable, hashable picture of visits, carers and contract lines.

Time is counted in whole minutes of the city's wall time since 00:00 of `first_day`; day 0 is `first_day`. A visit's
*day* is the day of its earliest start: licences, insurance, contract dates, daily minutes and contract units are judged
on that day, also when the visit runs past midnight. Places are (lon, lat) in WGS-84 degrees. A snapshot that brings its
own ways has rows of them as places and may count time in parts of a minute, `ticks` of which make one.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from services.matcher.solver.prices import RULES
from shared.contracts.codes import (
    Capacity,
    Channel,
    ContractUnit,
    Dialect,
    Grade,
    Licence,
    Limit,
    ServiceKind,
    Sex,
    Skill,
    TravelMode,
    Urgency,
)

Point = tuple[float, float]
Place = Point | int  # the integer: a row of `Snapshot.ways`

DAY = 1440
MOST_TICKS = 1000
MOST_DAYS = 7
MOST = 1_000_000  # of minutes, points, metres: what is larger is a mistake, and sums stay exact
MOST_UNITS, MOST_FEN = 1_000_000_000, 100_000_000


class SnapshotRefused(ValueError):
    """The snapshot contradicts itself: `field` names where, `thing` which visit, carer or line."""

    def __init__(self, field: str, thing: object, why: str) -> None:
        super().__init__(f"{field} of {thing}: {why}")
        self.field = field
        self.thing = str(thing)
        self.why = why

    def __reduce__(self) -> tuple[type["SnapshotRefused"], tuple[str, str, str]]:
        return SnapshotRefused, (self.field, self.thing, self.why)


class FixedKind(StrEnum):
    """Why a pair stays where it is (design.md, "What a plan may move")."""

    STARTED = "started"
    ACCEPTED = "accepted"
    OFFERED = "offered"
    PINNED = "pinned"


class Follower(StrEnum):
    """Who does the second of two visits."""

    ANOTHER = "another"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Follows:
    """The visit begins `least` (below zero: before it) to `most` after the start of `visit_id`, by `by`; both are made or
    neither."""

    visit_id: UUID
    least: int
    most: int
    by: Follower = Follower.ANOTHER


@dataclass(frozen=True, slots=True)
class MealBreak:
    """A carer's break for a meal in each shift: begun from `earliest` to `latest`, minutes since 00:00 of the shift's day.

    `required`: a shift with visits is not made without it; otherwise a missed one has a price.
    """

    earliest: int
    latest: int
    minutes: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class SnapVisit:
    """One visit to be staffed; it starts within [earliest_start, latest_start], late after `late_from` (None: never).

    `later_windows`: from the first of each pair on, a start is late after the second instead. `late_most`: how late a start
    may be. `dialect_wish` and `sex_wish` carry whether the wish is hard. `earlier_visits`: how often a person came to these
    residents before, for continuity. `wished_person_ids`: who is asked for; nobody: it does not matter who comes.
    """

    visit_id: UUID
    version: int
    resident_ids: tuple[UUID, ...]
    community_id: UUID
    kind: ServiceKind
    earliest_start: int
    latest_start: int
    minutes: int
    carers: int = 1
    skills: frozenset[Skill] = frozenset()
    licence: Licence | None = None
    dialect_wish: tuple[Dialect, bool] | None = None
    sex_wish: tuple[Sex, bool] | None = None
    lone_risk: bool = False
    dangerous: bool = False
    lifting: bool = False
    stairs: bool = False
    remote: bool = False
    vital: bool = False
    place: Place | None = None
    end_place: Place | None = None
    grade: Grade = Grade.UNKNOWN
    urgency: Urgency = Urgency.ROUTINE
    channels: frozenset[Channel] = frozenset(Channel)
    blocked_person_ids: frozenset[UUID] = frozenset()
    earlier_visits: tuple[tuple[UUID, int], ...] = ()
    late_from: int | None = None
    follows: Follows | None = None
    later_windows: tuple[tuple[int, int], ...] = ()
    late_most: int | None = None
    wished_person_ids: frozenset[UUID] = frozenset()

    @property
    def day(self) -> int:
        return self.earliest_start // DAY

    @property
    def placed(self) -> bool:
        return self.remote or self.place is not None


@dataclass(frozen=True, slots=True)
class SnapCarer:
    """One person in one capacity.

    `windows`: free intervals, sorted, already expanded from weekly and dated availability less busy time; intervals
    that touch are one. `used_daily[d]`, `used_weekly[w]`: minutes taken by things that are not in the snapshot, by
    horizon day and by week (week 0 is the Monday week of `first_day`; the day's minutes are part of its week's).
    `max_new`: how many visits may be newly proposed in the whole horizon (8.15); None: no such limit. `load`: minutes
    of service in the weeks before, for an even load. `ends_at`: where a day with visits ends; None: where the last was.
    `starts_at_base`: the way from base to a day's first visit takes time of the free interval, not only points.
    `shifts`: paid hours, at most one begun on a day: what is waited, worked beyond, idle or uneven in them has a price.
    `leaves_at_shift`: base is left when the shift begins, not as late as the first start allows. `overtime_most`: how long
    after the shift's end the day may be over; None: no limit.
    """

    carer_id: UUID
    version: int
    person_id: UUID
    capacity: Capacity
    organisation_id: UUID | None = None
    sex: Sex = Sex.FEMALE
    age: int = 40
    skills: frozenset[Skill] = frozenset()
    licences: tuple[tuple[Licence, date], ...] = ()
    insured_until: date | None = None
    lone_cleared_until: date | None = None
    dialects: frozenset[Dialect] = frozenset()
    limits: frozenset[Limit] = frozenset()
    travel_mode: TravelMode = TravelMode.WALK
    base: Place | None = None
    windows: tuple[tuple[int, int], ...] = ()
    refused_kinds: frozenset[ServiceKind] = frozenset()
    refused_residents: frozenset[UUID] = frozenset()
    daily_minutes: int = 240
    weekly_minutes: int = 1200
    used_daily: tuple[int, ...] = ()
    used_weekly: tuple[int, ...] = ()
    max_new: int | None = None
    load: int = 0
    ends_at: Place | None = None
    starts_at_base: bool = False
    shifts: tuple[tuple[int, int], ...] = ()
    leaves_at_shift: bool = False
    overtime_most: int | None = None
    meal_break: MealBreak | None = None


@dataclass(frozen=True, slots=True)
class SnapLine:
    """A contract line with what may still be drawn from it.

    `free`: hundredths of a unit, ceiling less delivered and committed; units of fixed pairs count as committed.
    `channel`: by which way a visit through this line is met (own staff of the public centre: PUBLIC_DIRECT).
    """

    line_id: UUID
    organisation_id: UUID
    kinds: frozenset[ServiceKind]
    community_ids: frozenset[UUID]
    unit: ContractUnit
    free: int
    unit_price_fen: int
    valid_from: date
    valid_to: date
    rounding_minutes: int = 15
    channel: Channel = Channel.PUBLIC_PURCHASED


@dataclass(frozen=True, slots=True)
class Fixed:
    """A pair that no plan may move."""

    visit_id: UUID
    slot: int
    carer_id: UUID
    start: int
    end: int
    kind: FixedKind
    line_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that one plan may know. `overrides` replace values of the rule table (prices.py) by rule id.

    `ways[a][b]`: time from place a to place b, for every mode; without them ways follow from coordinates.
    """

    snapshot_id: UUID
    taken_at: datetime
    first_day: date
    days: int
    visits: tuple[SnapVisit, ...]
    carers: tuple[SnapCarer, ...]
    lines: tuple[SnapLine, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    forbidden: tuple[tuple[UUID, UUID], ...] = ()
    overrides: tuple[tuple[str, int], ...] = ()
    ways: tuple[tuple[int, ...], ...] = ()
    ticks: int = 1

    @property
    def day_length(self) -> int:
        return DAY * self.ticks

    def day_of(self, visit: SnapVisit) -> int:
        return visit.earliest_start // self.day_length

    def date_of(self, day: int) -> date:
        return self.first_day + timedelta(days=day)

    def week_of(self, day: int) -> int:
        """0 for the Monday week of `first_day`, 1 for the next."""
        return (self.first_day.weekday() + day) // 7


def digest(snapshot: Snapshot) -> str:
    """SHA-256 over the canonical JSON: equal snapshots have equal digests on every machine."""
    return hashlib.sha256(_to_bytes(snapshot)).hexdigest()


def to_json(value: Any) -> str:
    """The canonical JSON of a dataclass of this package: keys sorted, sets sorted, no spaces."""
    return _to_bytes(value).decode()


def _to_bytes(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def snapshot_from_json(text: str | bytes) -> Snapshot:
    """The inverse of `to_json`. Raises pydantic's ValidationError, which names the place."""
    return _READER.validate_json(text, strict=True)


_READER = TypeAdapter(Snapshot)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(sorted(field.name for field in fields(kind)))


def _plain(value: Any) -> Any:
    """What orjson would write in no particular order."""
    if isinstance(value, frozenset):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    raise TypeError(f"{type(value).__name__} has no place in a snapshot or plan")


def refuse_impossible(snapshot: Snapshot) -> None:
    """Raise SnapshotRefused for what cannot be true of any city: duplicates, unknown ids, negative times.

    Fixed pairs that break a rule between visit and carer are not refused here: they happen, and the plan names them.
    """
    if not 1 <= snapshot.days <= MOST_DAYS:
        raise SnapshotRefused("days", snapshot.snapshot_id, f"a horizon has 1 to {MOST_DAYS} days")
    if snapshot.taken_at.tzinfo is None:
        raise SnapshotRefused("taken_at", snapshot.snapshot_id, "an instant needs its zone")
    _unique("visits", (visit.visit_id for visit in snapshot.visits))
    _unique("carers", (carer.carer_id for carer in snapshot.carers))
    _unique("lines", (line.line_id for line in snapshot.lines))
    _unique("fixed", ((pair.visit_id, pair.slot) for pair in snapshot.fixed))
    _unique("overrides", (rule_id for rule_id, _ in snapshot.overrides))
    _refuse_ways(snapshot)
    for visit in snapshot.visits:
        _refuse_visit(snapshot, visit)
    _refuse_follows(snapshot)
    capacities: set[tuple[UUID, Capacity, UUID | None]] = set()
    for carer in snapshot.carers:
        _refuse_carer(snapshot, carer)
        capacity = (carer.person_id, carer.capacity, carer.organisation_id)
        if capacity in capacities:
            raise SnapshotRefused("person_id", carer.carer_id, "one person twice in one capacity")
        capacities.add(capacity)
    _refuse_two_capacities(snapshot)
    for line in snapshot.lines:
        _refuse_line(line)
    _refuse_fixed(snapshot)
    for rule_id, value in snapshot.overrides:
        _refuse_override(rule_id, value)


def _unique(field: str, keys: Iterable[Any]) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise SnapshotRefused(field, key, "is there twice")
        seen.add(key)


def _refuse_visit(snapshot: Snapshot, visit: SnapVisit) -> None:
    thing = visit.visit_id
    if visit.minutes < 1 or visit.minutes > snapshot.day_length:
        raise SnapshotRefused("minutes", thing, "a visit lasts 1 minute to 24 hours")
    if visit.carers not in (1, 2):
        raise SnapshotRefused("carers", thing, "one or two carers")
    if not 0 <= visit.earliest_start < snapshot.days * snapshot.day_length:
        raise SnapshotRefused("earliest_start", thing, "outside the horizon")
    if not 0 <= visit.latest_start - visit.earliest_start < snapshot.day_length:
        raise SnapshotRefused("latest_start", thing, "the window ends before it starts or spans a day")
    _refuse_lateness(visit)
    if not visit.resident_ids:
        raise SnapshotRefused("resident_ids", thing, "a visit is to somebody")
    known = [person_id for person_id, _ in visit.earlier_visits]
    if len(set(known)) < len(known) or any(not 0 <= times <= MOST for _, times in visit.earlier_visits):
        raise SnapshotRefused("earlier_visits", thing, "a person twice, or a number below zero or too large")
    _refuse_place(snapshot, "place", thing, visit.place)
    _refuse_place(snapshot, "end_place", thing, visit.end_place)


def _refuse_lateness(visit: SnapVisit) -> None:
    """A visit that must end by some time is late, with its length, even when it begins at once."""
    thing, begin = visit.visit_id, visit.earliest_start
    if visit.late_from is None:
        if visit.later_windows or visit.late_most is not None:
            raise SnapshotRefused("late_from", thing, "later windows and a limit of lateness need it")
        return
    if visit.carers > 1 and (visit.later_windows or visit.late_most is not None):
        raise SnapshotRefused("later_windows", thing, "two carers who start together have one window")
    if not begin - visit.minutes <= visit.late_from <= visit.latest_start:
        raise SnapshotRefused("late_from", thing, "a start is late from within its window on")
    for opens, until in visit.later_windows:
        if not begin < opens <= visit.latest_start or until < opens - visit.minutes:
            raise SnapshotRefused(
                "later_windows", thing, "not in order, not within the window, or over before they open"
            )
        begin = opens
    if visit.late_most is not None and visit.late_most < 0:
        raise SnapshotRefused("late_most", thing, "below zero")


def _refuse_shifts(snapshot: Snapshot, carer: SnapCarer) -> None:
    thing, length, last = carer.carer_id, snapshot.day_length, -1
    for begin, end in carer.shifts:
        if not last < begin // length < snapshot.days or not begin <= end <= begin + 3 * length:
            raise SnapshotRefused("shifts", thing, "one begins on a day of the horizon, in order")
        last = begin // length
    if carer.overtime_most is not None and carer.overtime_most < 0:
        raise SnapshotRefused("overtime_most", thing, "below zero")
    rest = carer.meal_break
    if rest is not None and not (
        0 <= rest.earliest <= rest.latest <= 2 * length and 0 < rest.minutes <= length
    ):
        raise SnapshotRefused("meal_break", thing, "its latest is before its earliest, or it has no length")


def _refuse_carer(snapshot: Snapshot, carer: SnapCarer) -> None:
    thing, last = carer.carer_id, None
    for start, end in carer.windows:
        if end < start:
            raise SnapshotRefused(
                "windows", thing, f"a free interval ends before it starts ({start} to {end})"
            )
        if last is not None and start <= last:
            raise SnapshotRefused(
                "windows", thing, "free intervals are not in order, overlap, or touch and are not one"
            )
        if start < -snapshot.day_length or end > (snapshot.days + 2) * snapshot.day_length:
            raise SnapshotRefused("windows", thing, "a free interval lies outside the horizon")
        last = end
    most = MOST * snapshot.ticks
    for field in ("daily_minutes", "weekly_minutes", "load", "age", "max_new"):
        value, limit = getattr(carer, field), most if field.endswith("minutes") else MOST
        if value is not None and not 0 <= value <= limit:
            raise SnapshotRefused(field, thing, f"{value} is not between 0 and {limit}")
    for field in ("used_daily", "used_weekly"):
        if any(not 0 <= minutes <= most for minutes in getattr(carer, field)):
            raise SnapshotRefused(field, thing, f"used minutes are not between 0 and {most}")
    if (carer.capacity is Capacity.EMPLOYED) != (carer.organisation_id is not None):
        raise SnapshotRefused(
            "organisation_id", thing, "an organisation is the employed carer's, and only theirs"
        )
    _refuse_shifts(snapshot, carer)
    if carer.starts_at_base and carer.base is None:
        raise SnapshotRefused("starts_at_base", thing, "no base to start at")
    _refuse_place(snapshot, "base", thing, carer.base)
    _refuse_place(snapshot, "ends_at", thing, carer.ends_at)


def _refuse_two_capacities(snapshot: Snapshot) -> None:
    """What a shift is filled with would be told by half."""
    capacities: dict[UUID, int] = {}
    for carer in snapshot.carers:
        capacities[carer.person_id] = capacities.get(carer.person_id, 0) + 1
    for carer in snapshot.carers:
        if carer.shifts and capacities[carer.person_id] > 1:
            raise SnapshotRefused("shifts", carer.carer_id, "the person has another capacity too")


def _refuse_line(line: SnapLine) -> None:
    if not 0 <= line.free <= MOST_UNITS:
        raise SnapshotRefused("free", line.line_id, f"free units are not between 0 and {MOST_UNITS}")
    if not 0 <= line.unit_price_fen <= MOST_FEN:
        raise SnapshotRefused("unit_price_fen", line.line_id, f"the price is not between 0 and {MOST_FEN}")
    if not 1 <= line.rounding_minutes <= DAY:
        raise SnapshotRefused(
            "rounding_minutes", line.line_id, "hours are rounded up to 1 minute to 24 hours"
        )
    if line.valid_to < line.valid_from:
        raise SnapshotRefused("valid_to", line.line_id, "the line ends before it begins")


def _refuse_ways(snapshot: Snapshot) -> None:
    thing, count, most = snapshot.snapshot_id, len(snapshot.ways), MOST * snapshot.ticks
    if not 1 <= snapshot.ticks <= MOST_TICKS:
        raise SnapshotRefused("ticks", thing, f"a minute has 1 to {MOST_TICKS} parts")
    if snapshot.ticks > 1 and not count:
        raise SnapshotRefused("ticks", thing, "parts of a minute need ways: the formula gives whole minutes")
    for row in snapshot.ways:
        if len(row) != count:
            raise SnapshotRefused("ways", thing, "not as many columns as rows")
        if any(not 0 <= way <= most for way in row):
            raise SnapshotRefused("ways", thing, f"a way is not between 0 and {most}")


def _refuse_follows(snapshot: Snapshot) -> None:
    visits = {visit.visit_id: visit for visit in snapshot.visits}
    firsts: set[UUID] = set()
    for visit in snapshot.visits:
        follows, thing = visit.follows, visit.visit_id
        if follows is None:
            continue
        first = visits.get(follows.visit_id)
        if first is None or first is visit:
            raise SnapshotRefused("follows", thing, "no such visit, or itself")
        longest = MOST_DAYS * snapshot.day_length
        if not -longest <= follows.least <= follows.most <= longest or follows.most < 0:
            raise SnapshotRefused(
                "follows", thing, "the most is below the least, or one is no length of time"
            )
        if first.follows is not None or first.visit_id in firsts:
            raise SnapshotRefused("follows", thing, "only one visit follows another, and none follows that")
        if visit.carers != 1 or first.carers != 1:
            raise SnapshotRefused("follows", thing, "both visits are for one carer")
        if (
            visit.latest_start < first.earliest_start + follows.least
            or visit.earliest_start > first.latest_start + follows.most
        ):
            raise SnapshotRefused("follows", thing, "the two windows are never so far apart")
        firsts.add(first.visit_id)


def _refuse_place(snapshot: Snapshot, field: str, thing: UUID, point: Place | None) -> None:
    if isinstance(point, int):
        if not 0 <= point < len(snapshot.ways):
            raise SnapshotRefused(field, thing, f"the ways have no row {point}")
        return
    if point is not None and snapshot.ways:
        raise SnapshotRefused(field, thing, "where there are ways, a place is a row of them")
    if point is None or (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):
        return
    if -90 <= point[0] <= 90 and -180 <= point[1] <= 180:
        raise SnapshotRefused(field, thing, "latitude and longitude are swapped: a place is (lon, lat)")
    raise SnapshotRefused(field, thing, "not a WGS-84 (lon, lat)")


def _refuse_override(rule_id: str, value: int) -> None:
    """Prices keep their sign, and what is divided by or counted in is at least one: else no bound would hold."""
    rule = RULES.get(rule_id)
    if rule is None:
        raise SnapshotRefused("overrides", rule_id, "no such rule")
    divides = rule_id == "cost.fen_per_point" or rule_id.startswith(("speed.", "travel.de", "pair."))
    least, most = (1 if divides else 0), MOST
    if rule.soft and rule.value < 0:
        least, most = -MOST, 0
    if not least <= value <= most:
        raise SnapshotRefused("overrides", rule_id, f"{value} is not between {least} and {most}")


def _refuse_fixed(snapshot: Snapshot) -> None:
    visits = {visit.visit_id: visit for visit in snapshot.visits}
    carers = {carer.carer_id: carer for carer in snapshot.carers}
    lines = {line.line_id for line in snapshot.lines}
    starts: dict[UUID, int] = {}
    people: set[tuple[UUID, UUID]] = set()
    for pair in snapshot.fixed:
        visit = visits.get(pair.visit_id)
        carer = carers.get(pair.carer_id)
        if visit is None:
            raise SnapshotRefused("fixed.visit_id", pair.visit_id, "no such visit")
        if carer is None:
            raise SnapshotRefused("fixed.carer_id", pair.carer_id, "no such carer")
        if pair.line_id is not None and pair.line_id not in lines:
            raise SnapshotRefused("fixed.line_id", pair.line_id, "no such line")
        if not 0 <= pair.slot < visit.carers:
            raise SnapshotRefused("fixed.slot", pair.visit_id, "no such slot")
        length = snapshot.day_length
        if not -length <= pair.start < pair.end < (snapshot.days + 2) * length:
            raise SnapshotRefused(
                "fixed.start", pair.visit_id, "ends before it starts or lies outside the horizon"
            )
        if starts.setdefault(pair.visit_id, pair.start) != pair.start:
            raise SnapshotRefused("fixed.start", pair.visit_id, "its two carers start at different times")
        if (pair.visit_id, carer.person_id) in people:
            raise SnapshotRefused("fixed.carer_id", pair.visit_id, "one person in both slots")
        people.add((pair.visit_id, carer.person_id))
    for visit_id, _ in snapshot.forbidden:
        if visit_id not in visits:
            raise SnapshotRefused("forbidden", visit_id, "no such visit")
