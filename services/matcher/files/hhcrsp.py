"""HHCRSP instances and their plans (Mankowska, Meisel & Bierwirth 2014; JSON of iolab-uniud/hhcrsp), and what a plan costs.

Patients want one service, or two by different carers, together or one after the other. Cost = (distance + tardiness + the
largest tardiness) / 3; everything is in minutes. What the model of a city's day still lacks for it: docs/matcher/hhcrsp.md.
"""

import itertools
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.matcher.files.formats import BadFile, read_bytes, write_text

_CLOSE = 1e-3  # the published figures have three decimals


@dataclass(frozen=True, slots=True)
class Patient:
    """Soft window: no start before `opens`, tardy after `closes`. `apart`: how long after the first the second begins."""

    patient_id: str
    place: int
    opens: float
    closes: float
    minutes: dict[str, float]  # by service wanted, the first one first
    apart: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Instance:
    """`way[a][b]`: from place a to place b; place 0 is the office where every carer starts and ends."""

    patients: dict[str, Patient]
    abilities: dict[str, frozenset[str]]
    way: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Stop:
    patient_id: str
    service: str
    start: float


Routes = dict[str, tuple[Stop, ...]]


def read_instance(path: Path) -> Instance:
    """Raises BadFile for what is no instance."""
    try:
        return _instance(_json(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: not an HHCRSP instance ({type(error).__name__}: {error})") from None


def _instance(told: Any) -> Instance:
    patients = {}
    for place, each in enumerate(told["patients"], start=1):
        opens, closes = each["time_window"]
        wanted = {w["service"]: float(w["duration"]) for w in each["required_caregivers"]}
        sync = each.get("synchronization")
        apart = None
        if sync is not None:
            together = sync["type"] == "simultaneous"
            apart = (0.0, 0.0) if together else (float(sync["distance"][0]), float(sync["distance"][1]))
        patients[each["id"]] = Patient(each["id"], place, opens, closes, wanted, apart)
    abilities = {each["id"]: frozenset(each["abilities"]) for each in told["caregivers"]}
    return Instance(patients, abilities, tuple(tuple(row) for row in told["distances"]))


def read_routes(path: Path) -> Routes:
    """Raises BadFile for what is no list of routes."""
    try:
        return _routes(_json(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile(f"{path}: not a list of HHCRSP routes ({type(error).__name__}: {error})") from None


def _routes(told: Any) -> Routes:
    return {
        route["caregiver_id"]: tuple(
            Stop(stop["patient"], stop["service"], float(stop["arrival_time"]))
            for stop in route.get("locations", ())
        )
        for route in told["routes"]
    }


def _json(path: Path) -> Any:
    return json.loads(read_bytes(path))


def write_routes(path: Path, instance: Instance, routes: Routes) -> None:
    """As the published solutions have them: `arrival_time` is the start of service."""
    told = [
        {
            "caregiver_id": carer,
            "locations": [
                {
                    "patient": stop.patient_id,
                    "service": stop.service,
                    "arrival_time": stop.start,
                    "departure_time": round(
                        stop.start + instance.patients[stop.patient_id].minutes[stop.service], 3
                    ),
                }
                for stop in stops
            ],
        }
        for carer, stops in routes.items()
    ]
    write_text(path, json.dumps({"routes": told}, separators=(",", ":")))


def faults(instance: Instance, routes: Routes) -> list[str]:
    """Every broken rule, with its patient and carer."""
    found = []
    came: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for carer, stops in routes.items():
        clock, place = 0.0, 0
        for stop in stops:
            patient = instance.patients.get(stop.patient_id)
            if patient is None or stop.service not in patient.minutes:
                found.append(f"unknown: {stop.patient_id} does not want {stop.service} ({carer})")
                continue
            if stop.service not in instance.abilities.get(carer, ()):
                found.append(f"skill: {carer} cannot do {stop.service} at {stop.patient_id}")
            if stop.start < patient.opens - _CLOSE:
                found.append(f"window: {carer} begins at {stop.patient_id} before it opens")
            if stop.start < clock + instance.way[place][patient.place] - _CLOSE:
                found.append(f"travel: {carer} cannot be at {stop.patient_id} by {stop.start}")
            clock, place = stop.start + patient.minutes[stop.service], patient.place
            came[stop.patient_id, stop.service].append((carer, stop.start))
    for patient in instance.patients.values():
        visits = [came[patient.patient_id, service] for service in patient.minutes]
        if any(len(each) != 1 for each in visits):
            found.append(f"unmet: {patient.patient_id} gets {[len(each) for each in visits]} carers")
        elif patient.apart is not None and len(visits) == 2:
            (one, first), (other, second) = visits[0][0], visits[1][0]
            low, high = patient.apart
            if one == other:
                found.append(f"pair: {one} comes twice to {patient.patient_id}")
            if not low - _CLOSE <= second - first <= high + _CLOSE:
                found.append(
                    f"pair: the second at {patient.patient_id} begins {second - first} after the first"
                )
    return found


def cost(instance: Instance, routes: Routes) -> float:
    """(total distance + total tardiness + largest tardiness) / 3."""
    distance, tardy = 0.0, [0.0]
    for stops in routes.values():
        places = [0, *(instance.patients[stop.patient_id].place for stop in stops), 0]
        distance += sum(instance.way[a][b] for a, b in itertools.pairwise(places))
        tardy += [max(0.0, stop.start - instance.patients[stop.patient_id].closes) for stop in stops]
    return (distance + sum(tardy) + max(tardy)) / 3
