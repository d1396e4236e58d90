"""Synthetic snapshots in the sample's sizes (design.md), for benchmarks and tests of the solver alone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np

from services.matcher.solver.rules import plane  # noqa: F401  (the generator speaks degrees; kept for readers)
from services.matcher.solver.snapshot import DAY, SnapCarer, SnapLine, Snapshot, SnapVisit
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import (
    Capacity,
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

FIRST_DAY = date(2026, 11, 23)
LON, LAT = 119.18, 32.27


@dataclass(frozen=True)
class Size:
    communities: int
    residents: int
    volunteers: int
    paid: int
    visits: int
    days: int = 1


SIZES = {
    "small": Size(2, 60, 120, 6, 40),
    "town": Size(8, 600, 1_500, 40, 400),
    "city": Size(60, 6_000, 20_000, 300, 5_000),
    "tight": Size(20, 2_500, 1_500, 0, 3_000),
    "week": Size(60, 6_000, 20_000, 300, 5_000, 7),
    "province": Size(600, 60_000, 200_000, 3_000, 50_000),
}

_KINDS = {
    ServiceKind.MEAL: 0.26, ServiceKind.CARE: 0.12, ServiceKind.BATHING: 0.05, ServiceKind.CLEANING: 0.12,
    ServiceKind.ESCORT: 0.04, ServiceKind.COMPANIONSHIP: 0.14, ServiceKind.PHONE_CALL: 0.07,
    ServiceKind.MEDICATION: 0.08, ServiceKind.REHABILITATION: 0.03, ServiceKind.HAIRCUT: 0.03,
    ServiceKind.REPAIR: 0.02, ServiceKind.DIGITAL: 0.03, ServiceKind.SOCIAL_WORK: 0.01,
}  # fmt: skip
_VOLUNTEER_SKILLS = (
    Skill.COMPANIONSHIP, Skill.MEAL, Skill.CLEANING, Skill.MEDICATION, Skill.ESCORT, Skill.HAIRCUT, Skill.REPAIR,
    Skill.DIGITAL,
)  # fmt: skip
_PAID_SKILLS = frozenset(
    {
        Skill.CARE,
        Skill.BATHING,
        Skill.CLEANING,
        Skill.MEAL,
        Skill.MEDICATION,
        Skill.ESCORT,
        Skill.COMPANIONSHIP,
    }
)
_PARTS = ((480, 720), (720, 1080), (1080, 1260))


def _uuid(space: int, number: int) -> UUID:
    return UUID(int=(space << 96) | (0x7 << 76) | (0x8 << 60) | number)


def make(size_name: str, seed: int = 1) -> Snapshot:
    """The snapshot of a size; the same for the same seed."""
    size, rng = SIZES[size_name], np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(size.communities)))
    centres = [
        (LON + 0.016 * (n % side) + rng.normal(0, 0.002), LAT + 0.014 * (n // side) + rng.normal(0, 0.002))
        for n in range(size.communities)
    ]
    communities = [_uuid(1, n) for n in range(size.communities)]

    def place(community: int, spread: float = 0.004) -> tuple[float, float]:
        lon, lat = centres[community]
        return round(lon + rng.normal(0, spread), 3), round(lat + rng.normal(0, spread), 3)

    residents = [(n % size.communities, place(n % size.communities)) for n in range(size.residents)]
    grades = rng.choice(list(Grade), size.residents, p=[0.1, 0.3, 0.25, 0.15, 0.1, 0.1])
    carers = [_volunteer(rng, n, place(n % size.communities), size.days) for n in range(size.volunteers)]
    organisations = max(1, size.paid // 12) if size.paid else 0
    reach: dict[int, set[int]] = {}
    for n in range(size.paid):
        home = n % size.communities
        reach.setdefault(n % organisations, set()).update(
            (home, (home + 1) % size.communities, (home + side) % size.communities)
        )
        carers.append(_paid(rng, n, _uuid(5, n % organisations), place(home), size.days))
    lines = [
        _line(n, kind, communities, reach.get(n, set()), size)
        for n in range(organisations)
        for kind in range(3)
    ]
    visits = [
        _visit(rng, day * size.visits + n, day, residents, grades, communities, place, carers, size)
        for day in range(size.days)
        for n in range(size.visits)
    ]
    return Snapshot(
        _uuid(9, seed),
        datetime(2026, 11, 22, 8, tzinfo=UTC),
        FIRST_DAY,
        size.days,
        tuple(visits),
        tuple(carers),
        tuple(lines),
    )


def _volunteer(rng: np.random.Generator, n: int, base: tuple[float, float], days: int) -> SnapCarer:
    skills = frozenset(
        _VOLUNTEER_SKILLS[k] for k in rng.choice(len(_VOLUNTEER_SKILLS), rng.integers(1, 4), replace=False)
    )
    windows = []
    for day in range(days):
        parts = [part for part in _PARTS if rng.random() < 0.4]
        for begin, end in parts:
            if windows and windows[-1][1] == day * DAY + begin:
                windows[-1] = (windows[-1][0], day * DAY + end)
            else:
                windows.append((day * DAY + begin, day * DAY + end))
    return SnapCarer(
        _uuid(3, n), 1, _uuid(2, n), Capacity.VOLUNTEER, None,
        Sex.FEMALE if rng.random() < 0.6 else Sex.MALE, int(rng.integers(18, 78)), skills, (),
        FIRST_DAY + timedelta(days=int(rng.integers(-20, 300))), FIRST_DAY + timedelta(days=int(rng.integers(-150, 300))),
        frozenset({Dialect.JIANGHUAI}) | (frozenset({Dialect.MANDARIN}) if rng.random() < 0.7 else frozenset()),
        frozenset({Limit.LIFTING}) if rng.random() < 0.3 else frozenset(),
        list(TravelMode)[rng.choice(5, p=[0.45, 0.15, 0.3, 0.05, 0.05])], base, tuple(windows),
        daily_minutes=240, weekly_minutes=600, max_new=2, load=int(rng.integers(0, 900)),
    )  # fmt: skip


def _paid(
    rng: np.random.Generator, n: int, organisation: UUID, base: tuple[float, float], days: int
) -> SnapCarer:
    skills, licences = _PAID_SKILLS, [Licence.CARE_WORKER]
    if n % 6 == 1:
        skills, licences = skills | {Skill.REHABILITATION}, [*licences, Licence.REHABILITATION]
    if n % 6 == 2:
        skills, licences = skills | {Skill.SOCIAL_WORK}, [*licences, Licence.SOCIAL_WORKER]
    early = int(rng.choice([420, 450, 480]))
    return SnapCarer(
        _uuid(4, n), 1, _uuid(6, n), Capacity.EMPLOYED, organisation, Sex.FEMALE if rng.random() < 0.8 else Sex.MALE,
        int(rng.integers(22, 60)), frozenset(skills),
        tuple((licence, FIRST_DAY + timedelta(days=200)) for licence in licences),
        FIRST_DAY + timedelta(days=200), FIRST_DAY + timedelta(days=200), frozenset({Dialect.MANDARIN, Dialect.JIANGHUAI}),
        frozenset(), TravelMode.EBIKE, base,
        tuple(w for day in range(days) for w in ((day * DAY + early, day * DAY + 720), (day * DAY + 780, day * DAY + early + 600))),
        daily_minutes=420, weekly_minutes=2400,
    )  # fmt: skip


def _line(n: int, part: int, communities: list[UUID], reach: set[int], size: Size) -> SnapLine:
    kinds = (
        frozenset({ServiceKind.CARE, ServiceKind.CLEANING}),
        frozenset({ServiceKind.BATHING, ServiceKind.MEAL, ServiceKind.MEDICATION, ServiceKind.ESCORT}),
        frozenset({ServiceKind.REHABILITATION, ServiceKind.SOCIAL_WORK, ServiceKind.COMPANIONSHIP}),
    )[part]
    return SnapLine(
        _uuid(7, 3 * n + part), _uuid(5, n), kinds, frozenset(communities[c] for c in reach),
        ContractUnit.HOUR if part == 0 else ContractUnit.VISIT, (9000, 6000, 1500)[part] * size.days // 2, (4500, 3000, 8000)[part],
        FIRST_DAY - timedelta(days=30), FIRST_DAY + timedelta(days=300),
    )  # fmt: skip


def _visit(rng, n, day, residents, grades, communities, place, carers, size) -> SnapVisit:  # type: ignore[no-untyped-def]
    kind = list(_KINDS)[rng.choice(len(_KINDS), p=np.array(list(_KINDS.values())) / sum(_KINDS.values()))]
    service = CATALOGUE[kind]
    resident = int(rng.integers(size.residents))
    community, home = residents[resident]
    if kind is ServiceKind.MEAL:
        earliest, width = (630, 90) if rng.random() < 0.7 else (990, 90)
    else:
        earliest, width = int(rng.choice(np.arange(480, 1050, 15))), int(rng.choice([0, 30, 60, 120, 180]))
    double = rng.random() < 0.05
    two = bool(double)
    known = ()
    if rng.random() < 0.5:
        near = list(rng.integers(0, len(carers), 3))
        known = tuple(sorted({(carers[c].person_id, int(rng.integers(1, 5))) for c in near}))
        known = tuple({person: (person, times) for person, times in known}.values())
    return SnapVisit(
        _uuid(8, n), 1, (_uuid(10, resident),), communities[community], kind, day * DAY + earliest,
        day * DAY + min(earliest + width, 1200), service.minutes, 2 if two else 1, service.skills, service.licence,
        (Dialect.JIANGHUAI if rng.random() < 0.5 else Dialect.MANDARIN, bool(rng.random() < 0.2)) if rng.random() < 0.3 else None,
        (Sex.FEMALE, bool(rng.random() < 0.5)) if rng.random() < 0.2 else None,
        bool(rng.random() < 0.1), service.dangerous, service.lifting, bool(rng.random() < 0.15), service.remote, service.vital,
        None if rng.random() < 0.003 else home, place(community, 0.015) if kind is ServiceKind.ESCORT else None,
        grades[resident] if isinstance(grades[resident], Grade) else Grade(str(grades[resident])),
        Urgency(str(rng.choice(list(Urgency), p=[0.8, 0.15, 0.05]))), service.channels,
        earlier_visits=known,
    )  # fmt: skip
