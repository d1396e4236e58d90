"""Who may do what: the snapshot as arrays, and every eligible pair of visit and carer found by a compiled sweep.

The sweep asks the rules that do not depend on what else the person does, in the five steps of the funnel: skill, cleared,
wishes, reach, free (with a contract line where one is needed). It leaves nobody out: bound and plan speak of all pairs.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.solver.rules import (
    PAID_CHANNELS,
    Book,
    line_covers,
    line_points,
    possible_starts,
    serving_points,
)
from services.matcher.solver.snapshot import MOST, SnapCarer, SnapVisit
from shared.contracts.codes import (
    Capacity,
    Channel,
    Dialect,
    Licence,
    Limit,
    ServiceKind,
    Sex,
    Skill,
    TravelMode,
)

Ints = NDArray[np.int64]


def no_ints() -> Ints:
    """None, for who begins without any."""
    return np.zeros(0, np.int64)


STEPS = ("skill", "cleared", "wishes", "reach", "free")
FAILS_SKILL, FAILS_CLEARED, FAILS_WISHES, FAILS_REACH, FAILS_FREE, FAILS_UNITS, FITS = range(7)

_SKILL = {each: 1 << index for index, each in enumerate(Skill)}
_DIALECT = {each: 1 << index for index, each in enumerate(Dialect)}
_KIND = {each: index for index, each in enumerate(ServiceKind)}
_LICENCE = {each: index for index, each in enumerate(Licence)}
_MODE = {each: index for index, each in enumerate(TravelMode)}
_SEX = {each: index + 1 for index, each in enumerate(Sex)}
_CAPACITY = {Capacity.VOLUNTEER: 0, Capacity.EMPLOYED: 1, Capacity.STIPENDED: 2}

NEVER = -(10**9)

# columns of Tables.visit
(
    V_EARLIEST, V_LATEST, V_MINUTES, V_SKILLS, V_LICENCE, V_DIALECT, V_DIALECT_HARD, V_SEX, V_SEX_HARD, V_LONE,
    V_DANGEROUS, V_LIFTING, V_STAIRS, V_REMOTE, V_PLACED, V_X, V_Y, V_END_X, V_END_Y, V_DAY, V_KIND, V_OPEN, V_WORTH,
    V_COUNT,
) = range(24)  # fmt: skip

# columns of Tables.carer
(
    C_PERSON, C_CAPACITY, C_SKILLS, C_INSURED, C_LONE, C_DIALECTS, C_SEX, C_AGE, C_LIFTING, C_STAIRS, C_SPEED, C_REACH,
    C_BASED, C_X, C_Y, C_REFUSED, C_ORG, C_LOAD,
    C_COUNT,
) = range(19)  # fmt: skip

# entries of Tables.price
P_AGE, P_AGE_LIFTING, P_VOLUNTEER, P_DIRECT, P_DIALECT, P_SEX, P_CONTINUITY, P_CONTINUITY_MOST, P_DETOUR, P_TRAVEL, P_REPEAT = range(11)  # fmt: skip


class Tables(NamedTuple):
    """The snapshot as arrays for compiled code. Lists of lists are pointers into a flat array.

    `line_*`: the lines a visit may draw on (covering it, with units free), `usable[visit, organisation]` says whether
    there is one. `bars`: persons who may not come to a visit. `known_*`: earlier visits of a person.
    """

    visit: Ints
    carer: Ints
    licence_until: Ints
    window_at: Ints
    window_start: Ints
    window_end: Ints
    bar_at: Ints
    bar_person: Ints
    known_at: Ints
    known_person: Ints
    known_times: Ints
    line_at: Ints
    line_index: Ints
    line_org: Ints
    line_units: Ints
    line_points: Ints
    usable: NDArray[np.bool_]
    price: Ints


class Index(NamedTuple):
    """Which row of the tables is who."""

    visits: tuple[SnapVisit, ...]
    carers: tuple[SnapCarer, ...]
    persons: tuple[Any, ...]
    person_of: dict[Any, int]
    visit_of: dict[Any, int]
    carer_of: dict[Any, int]
    orgs: dict[Any, int]
    refusing: dict[Any, list[int]]  # rows of the carers who refuse a resident
    lines_for: dict[Any, list[int]]  # rows of the lines for a kind of service and community


def _flat(lists: list[list[int]]) -> tuple[Ints, Ints]:
    at = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(each) for each in lists], out=at[1:])
    flat = np.fromiter((value for each in lists for value in each), dtype=np.int64, count=int(at[-1]))
    return at, flat


def index_of(book: Book) -> Index:
    snapshot = book.snapshot
    refusing: dict[Any, list[int]] = {}
    for row, carer in enumerate(snapshot.carers):
        for resident_id in carer.refused_residents:
            refusing.setdefault(resident_id, []).append(row)
    lines_for: dict[Any, list[int]] = {}
    for row, line in enumerate(snapshot.lines):
        for kind in line.kinds:
            for community_id in line.community_ids:
                lines_for.setdefault((kind, community_id), []).append(row)
    persons = tuple(dict.fromkeys(carer.person_id for carer in snapshot.carers))
    organisations = sorted(
        {line.organisation_id for line in snapshot.lines}
        | {carer.organisation_id for carer in snapshot.carers if carer.organisation_id is not None}
    )
    return Index(
        snapshot.visits,
        snapshot.carers,
        persons,
        {person_id: number for number, person_id in enumerate(persons)},
        {visit.visit_id: number for number, visit in enumerate(snapshot.visits)},
        {carer.carer_id: number for number, carer in enumerate(snapshot.carers)},
        {organisation_id: number for number, organisation_id in enumerate(organisations)},
        refusing,
        lines_for,
    )


def tables_of(book: Book, index: Index) -> Tables:
    """The arrays of a snapshot."""
    prices, snapshot = book.prices, book.snapshot
    visit_rows = np.array([visit_row(book, visit) for visit in index.visits], dtype=np.int64).reshape(
        -1, V_COUNT
    )
    carer_rows = np.array([_carer_row(book, index, carer) for carer in index.carers], dtype=np.int64).reshape(
        -1, C_COUNT
    )
    licences = np.full((len(index.carers), len(Licence)), NEVER, dtype=np.int64)
    for row, carer in enumerate(index.carers):
        for code, until in carer.licences:
            licences[row, _LICENCE[code]] = max(licences[row, _LICENCE[code]], until.toordinal())
    window_at, window_start = _flat([[start for start, _ in carer.windows] for carer in index.carers])
    _, window_end = _flat([[end for _, end in carer.windows] for carer in index.carers])
    bars: list[list[int]] = []
    known: list[dict[int, int]] = []
    for visit in index.visits:
        people, times = bars_of(visit, index)
        bars.append(people)
        known.append(times)
    for visit_id, person_id in snapshot.forbidden:
        if person_id in index.person_of:
            bars[index.visit_of[visit_id]].append(index.person_of[person_id])
    bars = [  # a refusal binds one capacity: carers are barred as -1 - row
        [
            *people,
            *(-1 - row for resident_id in visit.resident_ids for row in index.refusing.get(resident_id, ())),
        ]
        for people, visit in zip(bars, index.visits, strict=True)
    ]
    bar_at, bar_person = _flat(bars)
    known_at, known_person = _flat([list(each) for each in known])
    _, known_times = _flat([list(each.values()) for each in known])
    line_at, line_rows = _lines(book, index, index.visits)
    usable = np.zeros((len(index.visits), len(index.orgs) + 1), dtype=np.bool_)
    for row in range(len(index.visits)):
        usable[row, line_rows[line_at[row] : line_at[row + 1], 1]] = True
    return Tables(
        visit_rows, carer_rows, licences, window_at, window_start, window_end, bar_at, bar_person, known_at,
        known_person, known_times, line_at, *(np.ascontiguousarray(line_rows[:, column]) for column in range(4)), usable,
        np.array(
            [
                prices["age.least"], prices["age.lifting_most"], prices["channel.volunteer"],
                prices["channel.public_direct"], prices["wish.dialect"], prices["wish.sex"],
                prices["continuity.earlier_visit"], prices["continuity.most"], prices["travel.detour"],
                prices["travel.minute"], prices["load.repeat"],
            ],
            dtype=np.int64,
        ),
    )  # fmt: skip


def bars_of(visit: SnapVisit, index: Index) -> tuple[list[int], dict[int, int]]:
    """Rows of the persons who may not come to a visit (forbidden pairs apart), and of those who came before."""
    barred = {*visit.blocked_person_ids, *visit.resident_ids}
    people = sorted(index.person_of[person_id] for person_id in barred if person_id in index.person_of)
    times: dict[int, int] = {}
    for person_id, count in visit.earlier_visits:
        person = index.person_of.get(person_id)
        if person is not None:
            times[person] = times.get(person, 0) + count
    return people, times


def visit_row(book: Book, visit: SnapVisit) -> list[int]:
    """A visit's row; `V_OPEN` has a bit for each capacity that may do it."""
    here = (0, 0) if visit.remote or visit.place is None else book.plane(visit.place)
    there = here if visit.remote or visit.end_place is None else book.plane(visit.end_place)
    channels = visit.channels
    return [
        visit.earliest_start,
        visit.latest_start,
        visit.minutes,
        sum(_SKILL[skill] for skill in visit.skills),
        -1 if visit.licence is None else _LICENCE[visit.licence],
        0 if visit.dialect_wish is None else _DIALECT[visit.dialect_wish[0]],
        visit.dialect_wish is not None and visit.dialect_wish[1],
        0 if visit.sex_wish is None else _SEX[visit.sex_wish[0]],
        visit.sex_wish is not None and visit.sex_wish[1],
        visit.lone_risk and visit.carers == 1,
        visit.dangerous,
        visit.lifting,
        visit.stairs,
        visit.remote,
        visit.placed,
        *here,
        *there,
        book.snapshot.date_of(book.snapshot.day_of(visit)).toordinal(),
        _KIND[visit.kind],
        (Channel.VOLUNTEER in channels)
        + 2 * (not PAID_CHANNELS.isdisjoint(channels))
        + 4 * (Channel.PUBLIC_DIRECT in channels),
        serving_points(book.prices, visit),
    ]


def _carer_row(book: Book, index: Index, carer: SnapCarer) -> list[int]:
    prices = book.prices
    return [
        index.person_of[carer.person_id],
        _CAPACITY[carer.capacity],
        sum(_SKILL[skill] for skill in carer.skills),
        NEVER if carer.insured_until is None else carer.insured_until.toordinal(),
        NEVER if carer.lone_cleared_until is None else carer.lone_cleared_until.toordinal(),
        sum(_DIALECT[dialect] for dialect in carer.dialects),
        _SEX[carer.sex],
        carer.age,
        Limit.LIFTING in carer.limits,
        Limit.STAIRS in carer.limits,
        prices[f"speed.{carer.travel_mode}"],
        MOST if book.snapshot.ways else prices[f"reach.{carer.travel_mode}"],
        carer.base is not None,
        *((0, 0) if carer.base is None else book.plane(carer.base)),
        sum(1 << _KIND[kind] for kind in carer.refused_kinds),
        len(index.orgs) if carer.organisation_id is None else index.orgs[carer.organisation_id],
        max(prices["load.most"], prices["load.hour"] * (carer.load // 60)),
    ]


def _lines(book: Book, index: Index, visits: tuple[SnapVisit, ...]) -> tuple[Ints, Ints]:
    """For each visit the lines that cover it and have its units free: (line row, organisation, units, points)."""
    at, rows = [0], []
    for visit in visits:
        day = book.snapshot.date_of(book.snapshot.day_of(visit))
        for row in index.lines_for.get((visit.kind, visit.community_id), ()):
            line = book.snapshot.lines[row]
            units = book.units(line, visit)
            if line_covers(line, visit, day) and units <= book.free_units[line.line_id]:
                rows.append(
                    (
                        row,
                        index.orgs[line.organisation_id],
                        units,
                        line_points(book.prices, line, visit, book.snapshot.ticks),
                    )
                )
        at.append(len(rows))
    return np.array(at, dtype=np.int64), np.array(rows, dtype=np.int64).reshape(-1, 4)


def one_visit(tables: Tables, book: Book, index: Index, visit: SnapVisit) -> Tables:
    """The tables with a single (maybe changed) visit in row 0: for questions about one visit."""
    people, times = bars_of(visit, index)
    people += [
        index.person_of[person]
        for asked, person in book.forbidden
        if asked == visit.visit_id and person in index.person_of
    ]
    people += [-1 - row for resident_id in visit.resident_ids for row in index.refusing.get(resident_id, ())]
    line_at, line_rows = _lines(book, index, (visit,))
    usable = np.zeros((1, len(index.orgs) + 1), dtype=np.bool_)
    usable[0, line_rows[:, 1]] = True
    return tables._replace(
        visit=np.array([visit_row(book, visit)], dtype=np.int64),
        bar_at=np.array([0, len(people)], dtype=np.int64),
        bar_person=np.array(people, dtype=np.int64),
        known_at=np.array([0, len(times)], dtype=np.int64),
        known_person=np.array(list(times), dtype=np.int64),
        known_times=np.array(list(times.values()), dtype=np.int64),
        line_at=line_at,
        line_index=np.ascontiguousarray(line_rows[:, 0]),
        line_org=np.ascontiguousarray(line_rows[:, 1]),
        line_units=np.ascontiguousarray(line_rows[:, 2]),
        line_points=np.ascontiguousarray(line_rows[:, 3]),
        usable=usable,
    )


@njit(cache=True)
def root_up(square: int) -> int:
    """The square root, rounded up."""
    root = np.int64(np.sqrt(np.float64(square)))
    while root * root < square:
        root += 1
    while root > 0 and (root - 1) * (root - 1) >= square:
        root -= 1
    return root


@njit(cache=True)
def judge(tables: Tables, v: int, c: int) -> int:
    """The first step at which a carer falls out for a visit, or FITS."""
    visit, carer = tables.visit, tables.carer
    capacity = carer[c, C_CAPACITY]
    day = visit[v, V_DAY]
    if not (visit[v, V_OPEN] >> capacity) & 1 or visit[v, V_SKILLS] & ~carer[c, C_SKILLS]:
        return FAILS_SKILL
    licence = visit[v, V_LICENCE]
    if licence >= 0 and tables.licence_until[c, licence] < day:
        return FAILS_SKILL
    if carer[c, C_AGE] < tables.price[P_AGE]:
        return FAILS_CLEARED
    if visit[v, V_LIFTING] and (carer[c, C_LIFTING] or carer[c, C_AGE] > tables.price[P_AGE_LIFTING]):
        return FAILS_CLEARED
    if visit[v, V_STAIRS] and carer[c, C_STAIRS]:
        return FAILS_CLEARED
    if visit[v, V_DANGEROUS] and carer[c, C_INSURED] < day:
        return FAILS_CLEARED
    if visit[v, V_LONE] and carer[c, C_LONE] < day:
        return FAILS_CLEARED
    if (carer[c, C_REFUSED] >> visit[v, V_KIND]) & 1:
        return FAILS_WISHES
    if visit[v, V_DIALECT_HARD] and not visit[v, V_DIALECT] & carer[c, C_DIALECTS]:
        return FAILS_WISHES
    if visit[v, V_SEX_HARD] and visit[v, V_SEX] != carer[c, C_SEX]:
        return FAILS_WISHES
    person = carer[c, C_PERSON]
    for at in range(tables.bar_at[v], tables.bar_at[v + 1]):
        if tables.bar_person[at] == person or tables.bar_person[at] == -1 - c:
            return FAILS_WISHES
    if not visit[v, V_REMOTE]:
        if not carer[c, C_BASED] or not visit[v, V_PLACED]:
            return FAILS_REACH
        dx, dy = visit[v, V_X] - carer[c, C_X], visit[v, V_Y] - carer[c, C_Y]
        reach = carer[c, C_REACH]
        if dx * dx + dy * dy > reach * reach:
            return FAILS_REACH
    free = False
    for at in range(tables.window_at[c], tables.window_at[c + 1]):
        start = max(visit[v, V_EARLIEST], tables.window_start[at])
        if start <= visit[v, V_LATEST] and start + visit[v, V_MINUTES] <= tables.window_end[at]:
            free = True
            break
    if not free:
        return FAILS_FREE
    if capacity == 1 and not tables.usable[v, carer[c, C_ORG]]:
        return FAILS_UNITS
    return FITS


@njit(cache=True)
def worth(tables: Tables, v: int, c: int) -> int:
    """Points of the pair whatever time and line: channel of the unpaid, continuity, wishes met, load."""
    points = tables.carer[c, C_LOAD]
    capacity = tables.carer[c, C_CAPACITY]
    if capacity == 0:
        points += tables.price[P_VOLUNTEER]
    elif capacity == 2:
        points += tables.price[P_DIRECT]
    if tables.visit[v, V_DIALECT] & tables.carer[c, C_DIALECTS]:
        points += tables.price[P_DIALECT]
    if tables.visit[v, V_SEX] == tables.carer[c, C_SEX]:
        points += tables.price[P_SEX]
    person = tables.carer[c, C_PERSON]
    for at in range(tables.known_at[v], tables.known_at[v + 1]):
        if tables.known_person[at] == person and tables.known_times[at] > 0:
            points += min(
                tables.price[P_CONTINUITY_MOST], tables.known_times[at] * tables.price[P_CONTINUITY]
            )
    return points


_AT_ONCE = 256  # visits of a sweep that are looked at before their pairs are written down


@njit(cache=True, nogil=True)
def _sweep(
    tables: Tables,
    rows: Ints,
    who: Ints,
    skills: Ints,
    x: Ints,
    y: Ints,
    reach: Ints,
    opens: Ints,
    closes: Ints,
) -> tuple[Ints, Ints, Ints]:
    """Eligible pairs of some visits, by visit and carer. `who`: rows of the carers asked; the others are columns of theirs:
    `reach` squared, `opens` and `closes` of the first and last window that matters."""
    carers = len(who)
    fits = np.zeros((len(rows), carers), dtype=np.bool_)
    total = 0
    for n in range(len(rows)):
        v = rows[n]
        needed, remote = tables.visit[v, V_SKILLS], tables.visit[v, V_REMOTE] == 1
        here_x, here_y = tables.visit[v, V_X], tables.visit[v, V_Y]
        latest, minutes = tables.visit[v, V_LATEST], tables.visit[v, V_MINUTES]
        done = tables.visit[v, V_EARLIEST] + minutes
        for c in range(carers):
            if needed & ~skills[c] or opens[c] > latest or closes[c] < done:
                continue
            dx, dy = x[c] - here_x, y[c] - here_y
            if (remote or dx * dx + dy * dy <= reach[c]) and judge(tables, v, who[c]) == FITS:
                fits[n, c] = True
                total += 1
    visits, found, points = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int64)
    place = 0
    for n in range(len(rows)):
        for c in range(carers):
            if fits[n, c]:
                visits[place], found[place], points[place] = rows[n], who[c], worth(tables, rows[n], who[c])
                place += 1
    return visits, found, points


@njit(cache=True)
def judge_all(tables: Tables, v: int) -> Ints:
    """For one visit, the step at which each carer falls out."""
    found = np.empty(tables.carer.shape[0], dtype=np.int64)
    for c in range(tables.carer.shape[0]):
        found[c] = judge(tables, v, c)
    return found


@njit(cache=True, nogil=True)
def fallen_at(tables: Tables, rows: Ints) -> Ints:
    """For each of some visits, how many carers fall out at each step or FIT: those who are read once serve all of them."""
    found = np.zeros((len(rows), FITS + 1), dtype=np.int64)
    opened, asked = tables.visit[rows, V_OPEN], tables.visit[rows, V_SKILLS]
    for c in range(tables.carer.shape[0]):
        capacity, missing = tables.carer[c, C_CAPACITY], ~tables.carer[c, C_SKILLS]
        for n in range(len(rows)):
            # as `judge` begins: most fall here, and a call costs more
            if not (opened[n] >> capacity) & 1 or asked[n] & missing:
                found[n, FAILS_SKILL] += 1
            else:
                found[n, judge(tables, rows[n], c)] += 1
    return found


class TooManyPairs(Exception):
    """More eligible pairs than there is memory for."""


def pairs_of(tables: Tables, rows: Ints, threads: int, most: int | None = None) -> tuple[Ints, Ints, Ints]:
    """All eligible pairs of the given visits: rows of visits and carers, and the pairs' points. Raises TooManyPairs."""
    first = tables.visit[rows, V_EARLIEST].min(initial=MOST)
    last = (tables.visit[rows, V_LATEST] + tables.visit[rows, V_MINUTES]).max(initial=NEVER)
    meets = np.flatnonzero((tables.window_end >= first) & (tables.window_start <= last))
    owner = np.repeat(np.arange(len(tables.carer)), np.diff(tables.window_at))[meets]
    who, begin = np.unique(owner, return_index=True)
    columns = [np.ascontiguousarray(tables.carer[who, column]) for column in (C_SKILLS, C_X, C_Y, C_REACH)]
    columns[3] *= columns[3]
    if len(who):
        columns.append(np.minimum.reduceat(tables.window_start[meets], begin))
        columns.append(np.maximum.reduceat(tables.window_end[meets], begin))
    else:
        columns += [who, who]

    def sweep(begin: int) -> tuple[Ints, Ints, Ints]:
        return _sweep(tables, rows[begin : begin + _AT_ONCE], who, *columns)

    parts: list[tuple[Ints, Ints, Ints]] = []
    begins = range(0, max(1, len(rows)), _AT_ONCE)
    with ThreadPoolExecutor(threads) as pool:
        for first_of_turn in range(0, len(begins), threads):
            parts += pool.map(sweep, begins[first_of_turn : first_of_turn + threads])
            if most is not None and sum(len(part[0]) for part in parts) > most:
                raise TooManyPairs
    visits, carers, points = (np.concatenate(column) for column in zip(*parts, strict=True))
    return visits, carers, points


class Items(NamedTuple):
    """What a person could do on a day: a pair, for a visit for two at one start of its grid. Grouped by person.

    `slot_row`: the row of the master problem the item counts in: visits first, then starts of visits for two.
    """

    person_at: Ints
    visit: Ints
    carer: Ints
    low: Ints
    high: Ints
    points: Ints
    slot_row: Ints


def some_of(items: Items, chosen: Ints) -> Items:
    """Some of the items, in their order."""
    return Items(np.searchsorted(chosen, items.person_at), *(column[chosen] for column in items[1:]))


class Starts(NamedTuple):
    """Visits for two of a day at their possible starts: `visit` (local row), `start`, and which visits are for two."""

    visit: Ints
    start: Ints
    double: NDArray[np.bool_]


def starts_of(book: Book, index: Index, rows: Ints) -> Starts:
    """The possible starts of the day's visits that need two more carers."""
    visits, starts = [], []
    double = np.zeros(len(rows), dtype=np.bool_)
    for local, row in enumerate(rows):
        visit = index.visits[row]
        if visit.carers == 2 and not book.taken.get(visit.visit_id):
            double[local] = True
            for start in possible_starts(book, visit) or ():
                visits.append(local)
                starts.append(start)
    return Starts(np.array(visits, dtype=np.int64), np.array(starts, dtype=np.int64), double)


def items_of(
    tables: Tables, book: Book, index: Index, rows: Ints, starts: Starts, pairs: tuple[Ints, Ints, Ints]
) -> Items:
    """The items of eligible pairs of the given visits. A visit whose other slot is fixed has that slot's start as its window."""
    visits, carers, points = pairs
    local = np.full(len(index.visits), -1, dtype=np.int64)
    local[rows] = np.arange(len(rows))
    held = np.full(len(rows), NEVER, dtype=np.int64)
    gone: list[tuple[int, int]] = []
    for n, row in enumerate(rows):
        for stop in book.taken.get(index.visits[row].visit_id, ()):
            held[n] = stop.start
            gone.append((n, index.person_of[book.carers[stop.carer_id].person_id]))
    keep = np.ones(len(visits), np.bool_)
    for n, person in gone:
        keep &= ~((local[visits] == n) & (tables.carer[carers, C_PERSON] == person))
    return Items(
        *_items(tables, visits, carers, points, local, starts, held, keep, len(rows), len(index.persons))
    )


@njit(cache=True, nogil=True)
def _items(
    tables: Tables,
    visits: Ints,
    carers: Ints,
    points: Ints,
    local: Ints,
    starts: Starts,
    held: Ints,
    keep: NDArray[np.bool_],
    rows: int,
    persons: int,
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """The columns of Items: of each person the visits for one, then those for two, both by pair. `held`: by local row, the start
    that a fixed slot gives; `keep`: which pairs of visits for one."""
    first, last = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    for option in range(len(starts.visit) - 1, -1, -1):
        first[starts.visit[option]] = option
    for option in range(len(starts.visit)):
        last[starts.visit[option]] = option + 1
    at = np.zeros(persons + 1, np.int64)
    for n in range(len(visits)):
        here = local[visits[n]]
        many = last[here] - first[here] if starts.double[here] else np.int64(keep[n])
        at[tables.carer[carers[n], C_PERSON] + 1] += many
    for p in range(persons):
        at[p + 1] += at[p]
    size = at[persons]
    place = at[:-1].copy()
    visit, carer, worth = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    low, high, slot = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    for n in range(len(visits)):
        here = local[visits[n]]
        if not keep[n] or starts.double[here]:
            continue
        p = tables.carer[carers[n], C_PERSON]
        i = place[p]
        place[p] += 1
        visit[i], carer[i], worth[i], slot[i] = here, carers[n], points[n], here
        low[i], high[i] = tables.visit[visits[n], V_EARLIEST], tables.visit[visits[n], V_LATEST]
        if held[here] > NEVER:
            low[i] = high[i] = held[here]
    for n in range(len(visits)):
        here = local[visits[n]]
        if not starts.double[here]:
            continue
        p = tables.carer[carers[n], C_PERSON]
        for option in range(first[here], last[here]):
            i = place[p]
            place[p] += 1
            visit[i], carer[i], worth[i], slot[i] = here, carers[n], points[n], rows + option
            low[i] = high[i] = starts.start[option]
    return at, visit, carer, low, high, worth, slot
