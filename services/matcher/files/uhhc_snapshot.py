"""UHHC instances as snapshots, so that they pass through the city's model, and plans of them as the benchmark's routes.

A service is a visit; the second of a patient follows the first. A point is half of the price's unit: two visits of a patient
who may be left out share the price of that.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from services.matcher.files.formats import BadFile
from services.matcher.files.uhhc import BREAK, Carer, Instance, Patient, Routes, Stop
from services.matcher.solver.plan import Assignment, Plan, Rest, Work
from services.matcher.solver.snapshot import (
    DAY,
    MOST,
    MOST_TICKS,
    Follows,
    MealBreak,
    SnapCarer,
    Snapshot,
    SnapVisit,
)
from shared.contracts.codes import Capacity, Channel, Grade, ServiceKind, Skill

_VISITS, _CARERS, _PATIENTS = 1 << 32, 2 << 32, 3 << 32  # spaces of ids
_MUST = MOST  # points of a visit that no plan may leave out
_PARTS = (1, 10, 100, 1000)  # of a price's unit, so that all are whole
_PRICES = {
    "travel.minute": "travel_time",
    "late.minute": "total_tardiness",
    "late.worst": "highest_tardiness",
    "wait.minute": "total_waiting_time",
    "overtime.minute": "total_extra_time",
    "idle.most": "max_idle_time",
    "wish.other": "caregiver_preferences",
    "break.missed": "missed_lunch_break",
    "uneven.minute": "workload_balance",
}


@dataclass(frozen=True, slots=True)
class Named:
    """A snapshot, and of whom each of its visits is which service; a point is the `unit`th part of the cost's unit.

    `all_out`: what leaving everybody out costs.
    """

    snapshot: Snapshot
    wanted: tuple[tuple[str, str], ...]
    carers: tuple[str, ...]
    unit: int
    all_out: float

    def cost_of(self, objective: int) -> float:
        """The benchmark's cost of a plan that leaves nobody out who must not be, from its points."""
        must = sum(_MUST for visit in self.snapshot.visits if visit.grade is Grade.TOTAL)
        return self.all_out + (must - objective) / self.unit


def snapshot_of(instance: Instance, name: str) -> Named:
    """Raises BadFile or ValueError for an instance that cannot be said; `name`: its file's."""
    if not instance.carers:
        raise BadFile(f"{name}: no carers")
    for patient in instance.patients.values():
        if not _may_be_left_out(instance, patient) and not _possible(instance, patient):
            raise BadFile(f"{name}: nobody is able to serve {patient.patient_id}, or no two")
    if any(carer.shift is None for carer in instance.carers.values()) and (
        instance.weight("max_idle_time") or instance.weight("workload_balance")
    ):
        raise BadFile(f"{name}: idle time and balance of carers without a shift")
    return _Conversion(instance).named()


def _who_can(instance: Instance, patient: Patient, service: str) -> list[str]:
    by_choice = patient.preferred if instance.is_rule("caregiver_preferences") else None
    return [
        carer.carer_id
        for carer in instance.carers.values()
        if service in carer.abilities
        and carer.carer_id not in patient.incompatible
        and (by_choice is None or carer.carer_id in by_choice)
    ]


def _possible(instance: Instance, patient: Patient) -> bool:
    """Whether each of the services has somebody, and two have two."""
    able = [_who_can(instance, patient, service) for service in patient.minutes]
    return all(able) and len(set().union(*able)) >= len(able)


def _may_be_left_out(instance: Instance, patient: Patient) -> bool:
    return patient.optional and not instance.is_rule("optional_patients")


class _Conversion:
    """An instance with the units in which it is told."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        services = sorted({service for each in instance.patients.values() for service in each.minutes})
        self.skill_of = dict(zip(services, Skill, strict=False))  # the others: forbidden pairs
        times = [minutes for row in instance.way for minutes in row]
        for patient in instance.patients.values():
            times += [*patient.minutes.values(), *(patient.apart or ())]
            times += [t for window in patient.windows for t in window]
        times += [time for carer in instance.carers.values() for time in carer.shift or ()]
        times += instance.breaks or ()
        self.ticks = 1 if all(time == int(time) for time in times) else MOST_TICKS
        weights = [instance.weight(component) for component in instance.weights]
        parts = [part for part in _PARTS if all(abs(w * part - round(w * part)) < 1e-9 for w in weights)]
        if not parts:
            raise ValueError("a weight has more than three decimals")
        self.unit = 2 * parts[0]
        self.carer_ids = {name: UUID(int=_CARERS + n) for n, name in enumerate(instance.carers)}
        self.visits: list[SnapVisit] = []
        self.wanted: list[tuple[str, str]] = []
        self.forbidden: list[tuple[UUID, UUID]] = []

    def named(self) -> Named:
        instance = self.instance
        for patient in instance.patients.values():
            self._add(patient)
        prices = {rule_id: -round(instance.weight(each) * self.unit) for rule_id, each in _PRICES.items()}
        out = round(instance.weight("optional_patients") * self.unit)
        prices |= {"serve.visit": 0, "serve.intact": out, "serve.mild": out // 2, "serve.total": _MUST}
        snapshot = Snapshot(
            UUID(int=1),
            datetime(2026, 1, 1, tzinfo=UTC),
            date(2026, 1, 5),
            1,
            tuple(self.visits),
            tuple(self._carer(carer) for carer in instance.carers.values()),
            forbidden=tuple(self.forbidden),
            overrides=tuple(prices.items()),
            ways=tuple(tuple(self._time(way) for way in row) for row in instance.way),
            ticks=self.ticks,
        )
        optional = sum(_may_be_left_out(instance, patient) for patient in instance.patients.values())
        all_out = optional * instance.weight("optional_patients")
        return Named(snapshot, tuple(self.wanted), tuple(instance.carers), self.unit, all_out)

    def _time(self, minutes: float) -> int:
        return round(minutes * self.ticks)

    def _add(self, patient: Patient) -> None:
        """A patient's visits."""
        instance, length = self.instance, DAY * self.ticks
        first: UUID | None = None
        grade = Grade.TOTAL
        if _may_be_left_out(instance, patient):
            grade = Grade.INTACT if len(patient.minutes) == 1 else Grade.MILD
        priced = instance.weight("caregiver_preferences") and patient.preferred is not None
        for service, minutes in patient.minutes.items():
            visit_id, lasts = UUID(int=_VISITS + len(self.visits)), self._time(minutes)
            skill = self.skill_of.get(service)
            able = _who_can(instance, patient, service)
            for carer in instance.carers.values():
                lacks = skill is not None and service not in carer.abilities
                if carer.carer_id not in able and not lacks:
                    self.forbidden.append((visit_id, self.carer_ids[carer.carer_id]))
            windows = [(self._time(a), self._time(b)) for a, b in patient.windows]
            if instance.to_the_end:
                windows = [(opens, closes - lasts) for opens, closes in windows]
            apart = patient.apart
            follows = None
            if first is not None:
                least, most = (-length, length) if apart is None else map(self._time, apart)
                follows = Follows(first, least, most)
            self.visits.append(
                SnapVisit(
                    visit_id,
                    1,
                    (UUID(int=_PATIENTS + patient.place),),
                    UUID(int=_PATIENTS),
                    ServiceKind.CARE,
                    windows[0][0],
                    windows[0][0] + length - 1,
                    lasts,
                    skills=frozenset() if skill is None else frozenset({skill}),
                    place=patient.place,
                    grade=grade,
                    channels=frozenset({Channel.PUBLIC_DIRECT}),
                    late_from=windows[0][1],
                    follows=follows,
                    later_windows=tuple(windows[1:]),
                    late_most=0 if instance.is_rule("total_tardiness") else None,
                    wished_person_ids=frozenset(
                        self.carer_ids[name] for name in patient.preferred or () if name in self.carer_ids
                    )
                    if priced
                    else frozenset(),
                )
            )
            self.wanted.append((patient.patient_id, service))
            first = visit_id

    def _carer(self, carer: Carer) -> SnapCarer:
        instance, length = self.instance, DAY * self.ticks
        begin, end = (0, 3 * length) if carer.shift is None else map(self._time, carer.shift)
        rest = None
        if carer.owed_break and instance.breaks is not None:
            earliest, latest, minutes = map(self._time, instance.breaks)
            rest = MealBreak(earliest, latest, minutes, instance.is_rule("missed_lunch_break"))
        number = self.carer_ids[carer.carer_id]
        return SnapCarer(
            number,
            1,
            number,
            Capacity.STIPENDED,
            skills=frozenset(self.skill_of[each] for each in carer.abilities if each in self.skill_of),
            base=carer.leaves,
            ends_at=carer.returns,
            starts_at_base=True,
            windows=((begin, 3 * length),),
            daily_minutes=MOST * self.ticks,
            weekly_minutes=MOST * self.ticks,
            shifts=((begin, end),),
            leaves_at_shift=not instance.leaves_late,
            overtime_most=0 if instance.is_rule("total_extra_time") else None,
            meal_break=rest,
        )


def routes_of(named: Named, plan: Plan) -> Routes:
    """Who begins what when, each carer's stops and break in their order."""
    found: list[tuple[str, Stop]] = []
    minute = named.snapshot.ticks
    for each in plan.assignments:
        patient_id, service = named.wanted[each.visit_id.int - _VISITS]
        stop = Stop(patient_id, service, each.start / minute, each.end / minute)
        found.append((named.carers[each.carer_id.int - _CARERS], stop))
    for rest in plan.breaks:
        patient_id, _ = named.wanted[rest.visit_id.int - _VISITS]
        stop = Stop(patient_id, BREAK, rest.start / minute, rest.end / minute)
        found.append((named.carers[rest.carer_id.int - _CARERS], stop))
    routes: Routes = {}
    for carer, stop in sorted(found, key=lambda each: (each[1].start, each[1].end)):
        routes[carer] = (*routes.get(carer, ()), stop)
    return {carer: routes[carer] for carer in named.carers if carer in routes}


def plan_of(named: Named, routes: Routes) -> Plan:
    """Routes that name only who and what there is as a plan without points, to be judged as one of the snapshot."""
    visit_of = dict(zip(named.wanted, named.snapshot.visits, strict=True))
    carer_of = dict(zip(named.carers, named.snapshot.carers, strict=True))
    assignments, breaks = [], []
    minute = named.snapshot.ticks
    for name, stops in routes.items():
        carer_id, last = carer_of[name].carer_id, None
        ahead = {n: stop for n, stop in enumerate(stops) if stop.service != BREAK}
        for number, stop in enumerate(stops):
            start, end = round(stop.start * minute), round(stop.end * minute)
            if stop.service != BREAK:
                last = visit_of[stop.patient_id, stop.service].visit_id
                assignments.append(Assignment(last, 0, carer_id, carer_id, start, end))
                continue
            following = ahead.get(number + 1)
            if following is not None and following.patient_id == stop.patient_id:
                beside = visit_of[following.patient_id, following.service].visit_id
                if last is None or named.wanted[last.int - _VISITS][0] != stop.patient_id:
                    last = beside
            if last is not None:
                breaks.append(Rest(carer_id, last, start, end))
    snapshot = named.snapshot
    return Plan(
        snapshot.snapshot_id, "", tuple(assignments), (), (), 0, (), 0, 0, "", Work(), breaks=tuple(breaks)
    )
