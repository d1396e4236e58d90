"""UHHC instances as tours to be planned, in minutes (in thousandths where a time is no whole minute), and back."""

from dataclasses import dataclass

import numpy as np

from services.matcher.files.formats import BadFile
from services.matcher.files.uhhc import BREAK, Instance, Patient, Routes, Stop
from services.matcher.solver import tours as model
from services.matcher.solver.days import BREAK as A_BREAK
from services.matcher.solver.days import days_of
from services.matcher.solver.touring import TourPlan
from services.matcher.solver.tours import Ints, Tours

_FINE = 1000  # of a minute, or of a price, where whole ones do not do
_HARD = 3  # what breaking a rule by a minute costs, in mean ways
_FAR = 1_000_000  # minutes; no limit
_PRICES = (  # in the order of the model's
    *("travel_time", "total_tardiness", "highest_tardiness", "total_waiting_time"),
    *("total_extra_time", "max_idle_time", "missed_lunch_break", "workload_balance"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """Tours, and what their stops and carers are called: `services` by stop and slot.

    A cost of tours is `unit` times that of the instance, less the `least` for patients whom nobody can serve.
    """

    tours: Tours
    patients: tuple[str, ...]
    services: tuple[tuple[str, ...], ...]
    carers: tuple[str, ...]
    minute: int
    unit: int
    least: float

    def cost_of(self, cost: int) -> float:
        """The benchmark's cost of tours' cost."""
        return cost / self.unit + self.least


def tours_of(instance: Instance, name: str) -> Named:
    """Raises BadFile for an instance that no plan can be made of; `name`: its file's."""
    if not instance.carers:
        raise BadFile(f"{name}: no carers")
    patients = [patient for patient in instance.patients.values() if _possible(instance, patient)]
    hopeless = [patient for patient in instance.patients.values() if not _possible(instance, patient)]
    for patient in hopeless:
        if not _may_be_left_out(instance, patient):
            raise BadFile(f"{name}: nobody is able to serve {patient.patient_id}, or no two")
    minute, unit = _scales(instance)
    stops = [stop for patient in patients for stop in _stops(patient)]
    mates = _mates(stops)
    windows = max((len(patient.windows) for patient in patients), default=1)
    way = _whole(instance.way, minute)
    price = np.array([instance.weight(each) * unit for each in _PRICES])
    ways = way[way > 0]
    hard = _HARD * max(1.0, float(ways.mean()) if ways.size else 1.0) * max(1.0, price[[0, 3, 7]].max())
    if instance.is_rule("total_tardiness"):
        price[model.LATE] = hard
    if instance.is_rule("total_extra_time"):
        price[model.OVER] = hard
    if instance.is_rule("missed_lunch_break"):
        price[model.MISSED] = hard * minute * _HARD
    else:
        price[model.MISSED] *= minute
    earliest, latest, minutes = instance.breaks or (0.0, 0.0, 0.0)
    carers = instance.carers.values()
    tours = Tours(
        kind=np.array([stop.kind for stop in stops], np.int64),
        mate=mates,
        place=np.array([stop.patient.place for stop in stops], np.int64),
        lasts=_whole([[*stop.minutes, 0.0][:2] for stop in stops], minute).reshape(-1, 2),
        least=_whole([(stop.patient.apart or (0.0, 0.0))[0] for stop in stops], minute),
        most=_whole([(stop.patient.apart or (0.0, 0.0))[1] for stop in stops], minute),
        opens=_whole([_padded(stop.patient, windows, 0) for stop in stops], minute).reshape(-1, windows),
        due=_whole([_padded(stop.patient, windows, 1) for stop in stops], minute).reshape(-1, windows),
        counted=_whole([[*stop.minutes, 0.0][:2] for stop in stops], minute).reshape(-1, 2)
        * instance.to_the_end,
        able=_able(instance, stops),
        dislike=_dislike(instance, stops, unit * minute),
        left_out=np.array([_left_out(instance, stop, unit * minute) for stop in stops], np.int64),
        way=way,
        leaves=np.array([carer.leaves for carer in carers], np.int64),
        returns=np.array([carer.returns for carer in carers], np.int64),
        shift=_whole([carer.shift or (0.0, _FAR) for carer in carers], minute),
        owed=np.array([carer.owed_break for carer in carers], np.bool_),
        pause=_whole([earliest, latest, minutes], minute),
        price=np.rint(price).astype(np.int64),
        minute=minute,
        leaves_late=instance.leaves_late,
        days=True,
    )
    least = instance.weight("optional_patients") * len(hopeless)
    return Named(
        tours,
        tuple(stop.patient.patient_id for stop in stops),
        tuple(stop.services for stop in stops),
        tuple(instance.carers),
        minute,
        unit * minute,
        least,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A stop of the tours: a patient's service, or both if they are together."""

    patient: Patient
    kind: int
    services: tuple[str, ...]

    @property
    def minutes(self) -> list[float]:
        return [self.patient.minutes[service] for service in self.services]


def _stops(patient: Patient) -> list[_Part]:
    services = tuple(patient.minutes)
    if len(services) == 1:
        return [_Part(patient, model.SINGLE, services)]
    if patient.apart is None:
        kinds = (model.APART, model.APART)
    elif patient.apart[1] == 0:
        return [_Part(patient, model.TOGETHER, services)]
    else:
        kinds = (model.FIRST, model.SECOND)
    return [_Part(patient, kinds[0], services[:1]), _Part(patient, kinds[1], services[1:])]


def _mates(stops: list[_Part]) -> Ints:
    """Of two stops of a patient each the other; they stand side by side."""
    mates = np.full(len(stops), -1, np.int64)
    for number in range(1, len(stops)):
        if stops[number].patient is stops[number - 1].patient:
            mates[number], mates[number - 1] = number - 1, number
    return mates


def _padded(patient: Patient, windows: int, side: int) -> list[float]:
    ends = [window[side] for window in patient.windows]
    return ends + ends[-1:] * (windows - len(ends))


def _who_can(instance: Instance, patient: Patient, service: str) -> list[bool]:
    by_choice = patient.preferred if instance.is_rule("caregiver_preferences") else None
    return [
        service in carer.abilities
        and carer.carer_id not in patient.incompatible
        and (by_choice is None or carer.carer_id in by_choice)
        for carer in instance.carers.values()
    ]


def _possible(instance: Instance, patient: Patient) -> bool:
    """Whether each of the services has somebody, and two have two."""
    able = np.array([_who_can(instance, patient, service) for service in patient.minutes])
    return bool(able.any(axis=1).all()) and int(able.any(axis=0).sum()) >= len(able)


def _may_be_left_out(instance: Instance, patient: Patient) -> bool:
    return patient.optional and not instance.is_rule("optional_patients")


def _able(instance: Instance, stops: list[_Part]) -> model.Bools:
    able = np.zeros((len(stops), 2, len(instance.carers)), np.bool_)
    for number, stop in enumerate(stops):
        for slot, service in enumerate(stop.services):
            able[number, slot] = _who_can(instance, stop.patient, service)
    return able


def _dislike(instance: Instance, stops: list[_Part], unit: int) -> Ints:
    price = round(instance.weight("caregiver_preferences") * unit)
    dislike = np.zeros((len(stops) if price else 0, 2, len(instance.carers)), np.int64)
    for number, stop in enumerate(stops if price else ()):
        preferred = stop.patient.preferred
        if preferred is not None:
            dislike[number, : len(stop.services)] = [
                price * (name not in preferred) for name in instance.carers
            ]
    return dislike


def _left_out(instance: Instance, stop: _Part, unit: int) -> int:
    """A second stop of a patient has no price of its own."""
    if not _may_be_left_out(instance, stop.patient):
        return -1
    first = stop.services[0] == next(iter(stop.patient.minutes))
    return round(instance.weight("optional_patients") * unit) if first else 0


def _scales(instance: Instance) -> tuple[int, int]:
    """Parts of a minute, and of a price, so that all are whole."""
    times = [minutes for row in instance.way for minutes in row]
    for patient in instance.patients.values():
        times += [*patient.minutes.values(), *(patient.apart or ()), *(t for w in patient.windows for t in w)]
    times += [time for carer in instance.carers.values() for time in carer.shift or ()]
    times += instance.breaks or ()
    prices = [instance.weight(component) for component in instance.weights]
    return _scale(times), _scale(prices)


def _scale(numbers: list[float]) -> int:
    return 1 if all(number == int(number) for number in numbers) else _FINE


def _whole(numbers: object, scale: int) -> Ints:
    return np.rint(np.array(numbers, np.float64) * scale).astype(np.int64)


def routes_of(named: Named, instance: Instance, plan: TourPlan) -> Routes:
    """Who begins what when, each carer's stops and break in their order."""
    routes: Routes = {}
    for who, day in enumerate(days_of(named.tours, plan.routes, plan.starts, plan.breaks)):
        stops = []
        for stop, slot, begins in day:
            patient, start = named.patients[stop], begins / named.minute
            if slot == A_BREAK:
                minutes = int(named.tours.pause[2]) / named.minute
                stops.append(Stop(patient, BREAK, start, start + minutes))
            else:
                service = named.services[stop][slot]
                stops.append(
                    Stop(patient, service, start, start + instance.patients[patient].minutes[service])
                )
        if stops:
            routes[named.carers[who]] = tuple(stops)
    return routes
