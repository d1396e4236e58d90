"""UHHC instances and their plans (Ceschia et al. 2026; JSON of iolab-uniud/uhhc), every broken rule, and cost by component.

Patients want one service, or two by different carers: together, one after the other, or whenever. All is in minutes. Of a
carer's day, waiting is what lies between arrival and start at a patient, but not behind a break that the day begins with (so
the published costs count); idle is all of the shift that is neither work, way nor break. Breaks may last longer than asked.
"""

import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.matcher.files.formats import BadFile, read_bytes, write_text

HARD = "HARD"
BREAK = "lunch_break"  # as a service
PRICED = (
    *("travel_time", "total_tardiness", "highest_tardiness", "total_waiting_time", "total_extra_time"),
    *(
        "max_idle_time",
        "caregiver_preferences",
        "optional_patients",
        "missed_lunch_break",
        "workload_balance",
    ),
)
_CONSTRAINTS = PRICED[1:3] + PRICED[4:5] + PRICED[6:9]  # those that may be HARD
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Patient:
    """`windows` by start; nothing starts before the first. `apart`: from the first service's start to the second's;
    None where that does not matter."""

    patient_id: str
    place: int
    windows: tuple[tuple[float, float], ...]
    minutes: dict[str, float]  # by service wanted, the first one first
    apart: tuple[float, float] | None
    optional: bool
    preferred: frozenset[str] | None
    incompatible: frozenset[str]


@dataclass(frozen=True, slots=True)
class Carer:
    """`shift`: from when and till when; None: no limits. `owed_break`: a break in the day is this carer's due."""

    carer_id: str
    abilities: frozenset[str]
    leaves: int
    returns: int
    shift: tuple[float, float] | None
    owed_break: bool


@dataclass(frozen=True, slots=True)
class Instance:
    """`way[a][b]`: from place a to place b. `weights`: HARD or a price by component of the cost, where there is one.

    `to_the_end`: tardy is what ends late, not what starts late. `leaves_late`: carers leave as late as their first start
    allows, otherwise when their shift begins. `breaks`: begun no sooner than, no later than, of so many minutes.
    """

    patients: dict[str, Patient]
    carers: dict[str, Carer]
    way: tuple[tuple[float, ...], ...]
    weights: dict[str, float | str]
    to_the_end: bool
    leaves_late: bool
    breaks: tuple[float, float, float] | None

    def is_rule(self, component: str) -> bool:
        """Whether what the component counts must not be at all."""
        if component in ("total_tardiness", "highest_tardiness"):
            told = [self.weights[each] for each in PRICED[1:3] if each in self.weights]
            return not told or HARD in told
        return self.weights.get(component, HARD) == HARD

    def weight(self, component: str) -> float:
        """The price of the component; 0 where it has none."""
        told = self.weights.get(component, 0.0)
        return 0.0 if isinstance(told, str) else told


@dataclass(frozen=True, slots=True)
class Stop:
    """A service at a patient, or a break there."""

    patient_id: str
    service: str
    start: float
    end: float


Routes = dict[str, tuple[Stop, ...]]


def read_instance(path: Path) -> Instance:
    """Raises BadFile for what is no instance."""
    try:
        return _instance(json.loads(read_bytes(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: not a UHHC instance ({type(error).__name__}: {error})") from None


def _instance(told: Any) -> Instance:
    meta = told["metadata"]
    weights = {
        name: weight if weight == HARD else float(weight) for name, weight in meta["cost_components"].items()
    }
    for name, weight in weights.items():
        if name not in PRICED or (weight == HARD and name not in _CONSTRAINTS):
            raise ValueError(f"cost component {name} {weight} is not known")
        if not isinstance(weight, str) and not 0 <= weight < 1e6:
            raise ValueError(f"cost component {name}: {weight}")
    lunch = told.get("lunch_breaks")
    terminals = {each["id"]: int(each["distance_matrix_index"]) for each in told["terminal_points"]}
    patients = {each["id"]: _patient(each) for each in told["patients"]}
    carers = {each["id"]: _carer(each, terminals) for each in told["caregivers"]}
    if len(patients) < len(told["patients"]) or len(carers) < len(told["caregivers"]):
        raise ValueError("two patients or two carers of one name")
    way = tuple(tuple(float(minutes) for minutes in row) for row in told["distances"])
    places = {p.place for p in patients.values()} | {
        p for c in carers.values() for p in (c.leaves, c.returns)
    }
    if any(len(row) != len(way) for row in way) or not places <= set(range(len(way))):
        raise ValueError("distances: from and to every place")
    if any(not 0 <= minutes < 1e6 for row in way for minutes in row):
        raise ValueError("distances: none below 0 or without end")
    to_the_end = {"at_service_start": False, "at_service_end": True}[meta["time_window_met"]]
    breaks = None
    if lunch is not None:
        minutes = float(lunch["min_duration"])
        breaks = (float(lunch["start"]), float(lunch["end"]) - (minutes if to_the_end else 0.0), minutes)
        if not (0 <= breaks[0] <= breaks[1] < 1e6 and 0 <= minutes < 1e6):
            raise ValueError("lunch_breaks: too short for a break")
    elif any(carer.owed_break for carer in carers.values()):
        raise ValueError("lunch_breaks: carers are owed one")
    return Instance(
        patients,
        carers,
        way,
        weights,
        to_the_end,
        not str(meta.get("origin", "")).startswith("bazirha"),
        breaks,
    )


def _patient(told: Any) -> Patient:
    name = told["id"]
    wanted = {each["service"]: float(each["duration"]) for each in told["required_services"]}
    if len(wanted) != len(told["required_services"]) or not 1 <= len(wanted) <= 2 or BREAK in wanted:
        raise ValueError(f"patient {name}: one service, or two that differ")
    windows = tuple(sorted((float(each["start"]), float(each["end"])) for each in told["time_windows"]))
    if not windows or any(not 0 <= start <= end < 1e6 for start, end in windows):
        raise ValueError(f"patient {name}: a window ends before it starts")
    if any(not 0 <= minutes < 1e6 for minutes in wanted.values()):
        raise ValueError(f"patient {name}: a service without a length")
    preferred = told.get("preferred_caregivers")
    return Patient(
        name,
        int(told["distance_matrix_index"]),
        windows,
        wanted,
        _apart(told) if len(wanted) == 2 else None,
        bool(told.get("optional")),
        frozenset(preferred) if preferred else None,
        frozenset(told.get("incompatible_caregivers") or ()),
    )


def _apart(told: Any) -> tuple[float, float] | None:
    how = told["synchronization"]
    match how["type"]:
        case "independent":
            return None
        case "simultaneous":
            return 0.0, 0.0
        case "sequential":
            least, most = float(how["distance"]["min"]), float(how["distance"]["max"])
            if 0 <= least <= most < 1e6:
                return least, most
    raise ValueError(f"patient {told['id']}: {how}")


def _carer(told: Any, terminals: dict[str, int]) -> Carer:
    shift = told.get("working_shift")
    hours = None if shift is None else (float(shift["start"]), float(shift["end"]))
    if hours is not None and not 0 <= hours[0] <= hours[1] < 1e6:
        raise ValueError(f"carer {told['id']}: the shift ends before it starts")
    leaves = terminals[told["departing_point"]]
    returns = terminals[told.get("arrival_point") or told["departing_point"]]
    owed = bool(told.get("lunch_break"))
    return Carer(told["id"], frozenset(told["abilities"]), leaves, returns, hours, owed)


def read_routes(path: Path) -> Routes:
    """Raises BadFile for what is no list of routes."""
    try:
        return _routes(json.loads(read_bytes(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: not a list of UHHC routes ({type(error).__name__}: {error})") from None


def _routes(told: Any) -> Routes:
    """In the published ones breaks stand last, and their times have other names."""
    routes: Routes = {}
    for route in told["routes"]:
        stops = [
            Stop(
                each["patient"],
                each["service"],
                float(each["arrival_time"] if "arrival_time" in each else each["start_time"]),
                float(each["departure_time"] if "departure_time" in each else each["end_time"]),
            )
            for each in route.get("locations") or ()
        ]
        if route["caregiver_id"] in routes:
            raise ValueError(f"carer {route['caregiver_id']} has two routes")
        routes[route["caregiver_id"]] = tuple(sorted(stops, key=lambda stop: (stop.start, stop.end)))
    return routes


def write_routes(path: Path, routes: Routes) -> None:
    """As the published solutions have them: `arrival_time` is the start of service."""
    told = [
        {
            "caregiver_id": carer,
            "locations": [
                {
                    "patient": stop.patient_id,
                    "service": stop.service,
                    "arrival_time": _plain(stop.start),
                    "departure_time": _plain(stop.end),
                }
                for stop in stops
            ],
        }
        for carer, stops in routes.items()
    ]
    write_text(path, json.dumps({"routes": told}, separators=(",", ":")))


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def faults(instance: Instance, routes: Routes) -> list[str]:
    """Every broken rule, with its patient and carer."""
    found = []
    for carer_id, stops in routes.items():
        carer = instance.carers.get(carer_id)
        if carer is None:
            found.append(f"unknown: there is no carer {carer_id}")
            continue
        strange = [stop for stop in stops if not _is_known(instance, stop)]
        found += [f"unknown: {s.patient_id} does not want {s.service} ({carer_id})" for s in strange]
        if not strange:
            found += _faults_of_day(instance, carer, stops)
            for stop in stops:
                found += _faults_of_stop(instance, carer, stop)
    found += _faults_of_patients(instance, routes)
    if instance.breaks is not None and instance.is_rule("missed_lunch_break"):
        missed = (c for c in instance.carers.values() if c.owed_break and not _has_break(routes, c.carer_id))
        found += [f"break: {carer.carer_id} has none" for carer in missed]
    return found


def _is_known(instance: Instance, stop: Stop) -> bool:
    patient = instance.patients.get(stop.patient_id)
    return patient is not None and (stop.service == BREAK or stop.service in patient.minutes)


def _has_break(routes: Routes, carer_id: str) -> bool:
    return any(stop.service == BREAK for stop in routes.get(carer_id, ()))


def _faults_of_day(instance: Instance, carer: Carer, stops: tuple[Stop, ...]) -> Iterator[str]:
    """Ways, the shift's beginning, and its end where that is a rule."""
    if not stops:
        return
    clock, place = carer.shift[0] if carer.shift is not None else 0.0, carer.leaves
    rule = "shift"
    for stop in stops:
        there = instance.patients[stop.patient_id].place
        if stop.start < clock + instance.way[place][there] - _CLOSE:
            yield f"{rule}: {carer.carer_id} cannot be at {stop.patient_id} by {stop.start:g}"
        clock, place, rule = stop.end, there, "travel"
    home = clock + instance.way[place][carer.returns]
    if carer.shift is not None and instance.is_rule("total_extra_time") and home > carer.shift[1] + _CLOSE:
        yield f"overtime: {carer.carer_id} is back from {stops[-1].patient_id} at {home:g}"


def _faults_of_stop(instance: Instance, carer: Carer, stop: Stop) -> Iterator[str]:
    name, patient = carer.carer_id, instance.patients[stop.patient_id]
    if stop.service == BREAK:
        if instance.breaks is None:
            yield f"break: {name} at {patient.patient_id}, where there are none"
            return
        earliest, latest, minutes = instance.breaks
        in_time = earliest - _CLOSE <= stop.start <= latest + _CLOSE
        if not in_time or stop.end - stop.start < minutes - _CLOSE:
            yield f"break: {name} at {patient.patient_id} from {stop.start:g} to {stop.end:g}"
        return
    if abs(stop.end - stop.start - patient.minutes[stop.service]) > _CLOSE:
        yield f"length: {name} is at {patient.patient_id} for {stop.end - stop.start:g} minutes"
    if stop.service not in carer.abilities:
        yield f"skill: {name} cannot do {stop.service} at {patient.patient_id}"
    if name in patient.incompatible:
        yield f"incompatible: {name} is not to come to {patient.patient_id}"
    if (
        patient.preferred is not None
        and name not in patient.preferred
        and instance.is_rule("caregiver_preferences")
    ):
        yield f"preference: {name} is none of those for {patient.patient_id}"
    if stop.start < patient.windows[0][0] - _CLOSE:
        yield f"window: {name} begins at {patient.patient_id} before it opens"
    elif instance.is_rule("total_tardiness") and _tardiness(instance, stop) > _CLOSE:
        yield f"tardy: {name} is late at {patient.patient_id}"


def _faults_of_patients(instance: Instance, routes: Routes) -> Iterator[str]:
    """All services of a patient or none, none of those only who may be left out, two as far apart as they must be."""
    came: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for carer_id, stops in routes.items():
        for stop in stops:
            came[stop.patient_id, stop.service].append((carer_id, stop.start))
    for patient in instance.patients.values():
        visits = [came[patient.patient_id, service] for service in patient.minutes]
        if not any(visits) and patient.optional and not instance.is_rule("optional_patients"):
            continue
        if any(len(each) != 1 for each in visits):
            said = " and ".join(
                f"{len(each)} for {service} ({', '.join(who for who, _ in each)})"
                for service, each in zip(patient.minutes, visits, strict=True)
            )
            yield f"unmet: {patient.patient_id} gets {said}"
            continue
        if len(visits) == 2:
            (one, first), (other, second) = visits[0][0], visits[1][0]
            if one == other:
                yield f"pair: {one} comes twice to {patient.patient_id}"
            if patient.apart is not None and not (
                patient.apart[0] - _CLOSE <= second - first <= patient.apart[1] + _CLOSE
            ):
                yield f"pair: {other} at {patient.patient_id} begins {second - first:g} after {one}"


def _tardiness(instance: Instance, stop: Stop) -> float:
    """Beyond the end of the last window that opens by the start."""
    windows = instance.patients[stop.patient_id].windows
    closes = max((opens, end) for opens, end in windows if opens <= stop.start + _CLOSE)[1]
    return max(0.0, (stop.end if instance.to_the_end else stop.start) - closes)


@dataclass(frozen=True, slots=True)
class _Day:
    """A carer's day counted, in minutes."""

    travel: float
    served: float
    waiting: float
    idle: float
    extra: float


def _day(instance: Instance, carer: Carer, stops: tuple[Stop, ...]) -> _Day:
    opens, closes = carer.shift if carer.shift is not None else (0.0, 0.0)
    if not stops:
        return _Day(0.0, 0.0, 0.0, closes - opens, 0.0)
    places = [carer.leaves, *(instance.patients[stop.patient_id].place for stop in stops), carer.returns]
    ways = [instance.way[a][b] for a, b in itertools.pairwise(places)]
    leaves = stops[0].start - ways[0] if instance.leaves_late else opens
    ready = [leaves, *(stop.end for stop in stops)]
    gaps = [stop.start - end - way for stop, end, way in zip(stops, ready, ways, strict=False)]
    free = gaps[1] if stops[0].service == BREAK and len(gaps) > 1 else 0.0
    home = stops[-1].end + ways[-1]
    served = sum(stop.end - stop.start for stop in stops if stop.service != BREAK)
    idle = leaves - opens + sum(gaps) + max(0.0, closes - home)
    if carer.shift is None:
        return _Day(sum(ways), served, sum(gaps) - free, 0.0, 0.0)
    return _Day(sum(ways), served, sum(gaps) - free, idle, max(0.0, home - closes))


def components(instance: Instance, routes: Routes) -> dict[str, float]:
    """How much there is of what the cost is made of, unweighted. Of plans without unknown stops only."""
    days = {name: _day(instance, carer, routes.get(name, ())) for name, carer in instance.carers.items()}
    served = [(name, stop) for name, stops in routes.items() for stop in stops if stop.service != BREAK]
    late = [_tardiness(instance, stop) for _, stop in served if _opened(instance, stop)]
    loads = [day.travel + day.served for day in days.values()]
    disliked = sum(
        name not in preferred
        for name, stop in served
        if (preferred := instance.patients[stop.patient_id].preferred) is not None
    )
    missed = sum(c.owed_break and not _has_break(routes, name) for name, c in instance.carers.items())
    return {
        "travel_time": sum(day.travel for day in days.values()),
        "total_tardiness": sum(late),
        "highest_tardiness": max(late, default=0.0),
        "total_waiting_time": sum(day.waiting for day in days.values()),
        "total_extra_time": sum(day.extra for day in days.values()),
        "max_idle_time": max((day.idle for day in days.values()), default=0.0),
        "caregiver_preferences": float(disliked),
        "optional_patients": float(len(instance.patients) - len({stop.patient_id for _, stop in served})),
        "missed_lunch_break": float(missed),
        "workload_balance": float(
            sum(math.ceil(abs(len(loads) * load - sum(loads)) / len(loads) - _CLOSE) for load in loads)
        ),
    }


def _opened(instance: Instance, stop: Stop) -> bool:
    return stop.start >= instance.patients[stop.patient_id].windows[0][0] - _CLOSE


def cost(instance: Instance, routes: Routes) -> float:
    """Each component at its price."""
    return sum(instance.weight(name) * amount for name, amount in components(instance, routes).items())
