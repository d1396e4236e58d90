"""HHCRSP instances as tours to be planned, in thousandths of a minute, and planned tours as the routes of its solutions."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.matcher.files.formats import BadFile, write_text
from services.matcher.files.hhcrsp import Instance, Routes, Stop
from services.matcher.solver.tours import FIRST, LATE, SECOND, SINGLE, TOGETHER, TRAVEL, WORST, Ints, Tours
from services.matcher.solver.tours import Routes as Found

UNIT = 1000  # of a minute
PARTS = 3  # the cost is a mean of three


@dataclass(frozen=True, slots=True)
class Named:
    """Tours, and what their stops and carers are called: `services` by stop and slot."""

    tours: Tours
    patients: tuple[str, ...]
    services: tuple[tuple[str, ...], ...]
    carers: tuple[str, ...]


def tours_of(instance: Instance, name: str) -> Named:
    """Raises BadFile for an instance that contradicts itself; `name`: its file's."""
    try:
        return _tours_of(instance)
    except ValueError as error:
        raise BadFile(f"{name}: not an HHCRSP instance ({error})") from None


def _tours_of(instance: Instance) -> Named:
    kinds: list[tuple[int, int, int]] = []
    times: list[tuple[float, float, float, float]] = []
    lasts: list[tuple[float, float]] = []
    wanted: list[tuple[str, ...]] = []
    patients: list[str] = []
    for patient in instance.patients.values():
        services = tuple(patient.minutes.items())
        least, most = patient.apart or (0.0, 0.0)
        if not 1 <= len(services) <= 2 or (len(services) == 2) != (patient.apart is not None):
            raise ValueError(f"patient {patient.patient_id}: one service, or two that are synchronised")
        if not 0 <= least <= most or min(patient.minutes.values()) < 0:
            raise ValueError(f"patient {patient.patient_id}: a time is negative")
        at = len(kinds)
        parts = [services]
        if len(services) == 1:
            stops = [(SINGLE, -1)]
        elif most == 0:
            stops = [(TOGETHER, -1)]
        else:
            stops = [(FIRST, at + 1), (SECOND, at)]
            parts = [services[:1], services[1:]]
        for (kind, mate), needs in zip(stops, parts, strict=True):
            kinds.append((kind, mate, patient.place))
            times.append((patient.opens, patient.closes, least, most))
            lasts.append((needs[0][1], needs[1][1] if len(needs) > 1 else 0.0))
            wanted.append(tuple(service for service, _ in needs))
            patients.append(patient.patient_id)
    way = _units(instance.way)
    if way.shape != (len(instance.patients) + 1,) * 2 or (way < 0).any():
        raise ValueError("distances: from and to the office and every patient, none below 0")
    kind_mate_place = np.array(kinds, np.int64).reshape(-1, 3)
    opens, due, least_apart, most_apart = _units(times).reshape(-1, 4).T.copy()
    able = np.zeros((len(kinds), 2, len(instance.abilities)), np.bool_)
    for stop, services_wanted in enumerate(wanted):
        for slot, service in enumerate(services_wanted):
            able[stop, slot] = [service in abilities for abilities in instance.abilities.values()]
    n, carers = len(kinds), len(instance.abilities)
    office = np.zeros(carers, np.int64)
    price = np.zeros(8, np.int64)
    price[[TRAVEL, LATE, WORST]] = 1
    tours = Tours(
        kind=kind_mate_place[:, 0].copy(),
        mate=kind_mate_place[:, 1].copy(),
        place=kind_mate_place[:, 2].copy(),
        lasts=_units(lasts).reshape(-1, 2),
        least=least_apart,
        most=most_apart,
        opens=opens.reshape(-1, 1),
        due=due.reshape(-1, 1),
        counted=np.zeros((n, 2), np.int64),
        able=able,
        dislike=np.zeros((0, 2, carers), np.int64),
        left_out=np.full(n, -1, np.int64),
        way=way,
        leaves=office,
        returns=office,
        shift=np.zeros((carers, 2), np.int64),
        owed=np.zeros(carers, np.bool_),
        pause=np.zeros(3, np.int64),
        price=price,
        minute=UNIT,
        leaves_late=False,
        days=False,
    )
    return Named(tours, tuple(patients), tuple(wanted), tuple(instance.abilities))


def _units(minutes: object) -> Ints:
    values = np.array(minutes, np.float64)
    if not np.isfinite(values).all() or (np.abs(values) > 1e9).any():
        raise ValueError("a number is not finite or far too large")
    return np.rint(values * UNIT).astype(np.int64)


def cost_of(cost: int) -> float:
    """The benchmark's cost of tours' cost."""
    return cost / (PARTS * UNIT)


def routes_of(named: Named, found: Found, starts: Ints) -> Routes:
    """Who begins what when, each carer's stops in their order."""
    routes: dict[str, tuple[Stop, ...]] = {}
    for stop in found.order:
        for slot, service in enumerate(named.services[stop]):
            carer = named.carers[found.carer[stop, slot]]
            routes[carer] = (
                *routes.get(carer, ()),
                Stop(named.patients[stop], service, int(starts[stop]) / UNIT),
            )
    return dict(sorted(routes.items()))


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
