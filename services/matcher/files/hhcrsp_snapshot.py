"""HHCRSP instances as snapshots, so that they pass through the city's model, and plans of them as the benchmark's routes.

A service is a visit; the second of a patient follows the first. Times are thousandths of a minute, a point is one of them:
the benchmark's cost is (what serving all is worth - the objective) / 3,000.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from services.matcher.files.formats import BadFile
from services.matcher.files.hhcrsp import Instance, Patient, Routes, Stop
from services.matcher.solver.plan import Plan
from services.matcher.solver.snapshot import DAY, MOST, MOST_DAYS, Follows, SnapCarer, Snapshot, SnapVisit
from shared.contracts.codes import Capacity, Channel, Grade, ServiceKind, Skill

UNIT = 1000  # of a minute
PARTS = 3  # the cost is a mean of three
WORTH = MOST  # points of a visit: a thousand minutes of travel and lateness
_OFFICE = 0
_VISITS, _CARERS, _PATIENTS = 1 << 32, 2 << 32, 3 << 32  # spaces of ids


def snapshot_of(instance: Instance, name: str) -> Snapshot:
    """Raises BadFile or ValueError for an instance that contradicts itself, or wants more services than there are codes."""
    services = sorted({service for each in instance.patients.values() for service in each.minutes})
    if len(services) > len(Skill):
        raise BadFile(f"{name}: {len(services)} services, and there are codes for {len(Skill)}")
    skill_of = dict(zip(services, Skill, strict=False))
    visits: list[SnapVisit] = []
    for patient in instance.patients.values():
        visits += _visits(patient, len(visits), skill_of, name)
    carers = tuple(
        SnapCarer(
            UUID(int=_CARERS + number),
            1,
            UUID(int=_CARERS + number),
            Capacity.STIPENDED,
            skills=frozenset(skill_of[ability] for ability in abilities if ability in skill_of),
            base=_OFFICE,
            ends_at=_OFFICE,
            starts_at_base=True,
            windows=((0, 3 * DAY * UNIT),),
            daily_minutes=MOST * UNIT,
            weekly_minutes=MOST * UNIT,
        )
        for number, abilities in enumerate(instance.abilities.values())
    )
    prices = {
        "serve.visit": 0,
        "serve.total": WORTH,
        "travel.minute": -UNIT,
        "late.minute": -UNIT,
        "late.worst": -UNIT,
    }
    return Snapshot(
        UUID(int=1),
        datetime(2014, 1, 1, tzinfo=UTC),
        date(2014, 1, 6),
        1,
        tuple(visits),
        carers,
        overrides=tuple(prices.items()),
        ways=tuple(tuple(_units(way) for way in row) for row in instance.way),
        ticks=UNIT,
    )


def _visits(patient: Patient, number: int, skill_of: dict[str, Skill], name: str) -> list[SnapVisit]:
    """A patient's visits, `number` being the next one's."""
    if not 1 <= len(patient.minutes) <= 2 or (len(patient.minutes) == 2) != (patient.apart is not None):
        raise BadFile(f"{name}: patient {patient.patient_id}: one service, or two that are synchronised")
    opens = _units(patient.opens)
    found: list[SnapVisit] = []
    for service, minutes in patient.minutes.items():
        follows = None
        if found:
            least, most = patient.apart or (0.0, 0.0)
            follows = Follows(found[0].visit_id, _units(least), _units(most))
        found.append(
            SnapVisit(
                UUID(int=_VISITS + number + len(found)),
                1,
                (UUID(int=_PATIENTS + patient.place),),
                UUID(int=_PATIENTS),
                ServiceKind.CARE,
                opens,
                opens + DAY * UNIT - 1,
                _units(minutes),
                skills=frozenset({skill_of[service]}),
                place=patient.place,
                grade=Grade.TOTAL,
                channels=frozenset({Channel.PUBLIC_DIRECT}),
                late_from=_units(patient.closes),
                follows=follows,
            )
        )
    return found


def _units(minutes: float) -> int:
    if not abs(minutes) <= MOST_DAYS * DAY:
        raise ValueError(f"{minutes} is no time of a day")
    return round(minutes * UNIT)


def cost_of(snapshot: Snapshot, objective: int) -> float:
    """The benchmark's cost of a plan that leaves nobody out, from its points."""
    return (WORTH * len(snapshot.visits) - objective) / (PARTS * UNIT)


def routes_of(instance: Instance, plan: Plan) -> Routes:
    """Who begins what when, each carer's stops in their order."""
    wanted = [
        (patient.patient_id, service) for patient in instance.patients.values() for service in patient.minutes
    ]
    carers = list(instance.abilities)
    routes: dict[str, tuple[Stop, ...]] = {}
    for each in sorted(plan.assignments, key=lambda a: (a.start, a.end)):
        patient_id, service = wanted[each.visit_id.int - _VISITS]
        carer = carers[each.carer_id.int - _CARERS]
        routes[carer] = (*routes.get(carer, ()), Stop(patient_id, service, each.start / UNIT))
    return dict(sorted(routes.items()))
