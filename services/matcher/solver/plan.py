"""What a solve hands back: assignments, the unmet with their reasons, the objective by rule, bound and gap."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter

from services.matcher.solver.snapshot import to_json
from shared.contracts.codes import UnmetReason

NO_AREAS = 10**9  # visits of an area: never cut
FIRST_PLAN = "first plan"  # told once a day has a whole plan, however good


@dataclass(frozen=True, slots=True)
class Limits:
    """How much work a solve may do.

    `rounds` (of column generation, each day) is the work limit: with it alone a plan is reproducible. `seconds` and
    `megabytes` are safety stops; a plan stopped by one says so and records the rounds that reproduce it.
    `explained`: for how many unmet visits the smallest change is looked for. `seed`: 0 lets people choose their first
    duties in the snapshot's order, another number in an order drawn by it. `refined`: neighbourhoods in a row that may
    gain next to nothing (refine.py).
    """

    rounds: int = 100
    seconds: float = 300.0
    megabytes: int = 4096
    threads: int = 2
    explained: int = 60
    seed: int = 0
    proven: bool = True
    area: int = 6_000
    refined: int = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """The plan at work: `best` (points of the best plan so far) and `bound` close on each other."""

    step: str
    day: int
    days: int
    round: int
    seconds: float
    best: int
    bound: int | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """One person's place at a visit. `points`: what each soft rule gave (travel and load: within the person's day; what is
    counted of shifts stands in the plan's objective alone, as shifts without a visit have it too).

    `fixed`: it was in the snapshot and only stays.
    """

    visit_id: UUID
    slot: int
    carer_id: UUID
    person_id: UUID
    start: int
    end: int
    line_id: UUID | None = None
    units: int = 0
    fixed: bool = False
    points: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Rest:
    """A carer's meal break: at the place of the visit just before or just after it in the day."""

    carer_id: UUID
    visit_id: UUID
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class UnmetVisit:
    """A visit without (all) its carers. `funnel`: how many carers were left after each of the five steps.

    `change`: the smallest change found that works, a code and its arguments, proven by the rules against the finished
    plan; None: none was found or none was looked for.
    """

    visit_id: UUID
    reason: UnmetReason
    funnel: tuple[tuple[str, int], ...]
    change: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BrokenFixed:
    """A fixed pair that stays in the plan although it breaks rules: the matcher releases it or a planner decides."""

    visit_id: UUID
    slot: int
    carer_id: UUID
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What was done. `rounds` per day: given as the limit again, they reproduce the plan, unless time was short."""

    rounds: tuple[tuple[int, int], ...] = ()
    columns: int = 0
    pairs: int = 0
    seconds: float = 0.0
    peak_megabytes: int = 0
    seconds_by_step: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A proposal against recorded versions (design.md, "Publishing is guarded").

    `bound`: no plan over all eligible pairs is worth more points than this. `gap_ppm`: (bound - objective) / bound in
    millionths, rounded up. `stopped_by`: "done", "rounds", "seconds", "megabytes", "asked" or "linear program" (one had no optimum). Shadow prices are in thousandths
    of a point: of one visit less to serve, of one hundredth of a unit more on a line, of one person more at a start of a
    visit for two (below zero: of one less), of a person who comes there without another (halves.py).
    """

    snapshot_id: UUID
    snapshot_digest: str
    assignments: tuple[Assignment, ...]
    unmet: tuple[UnmetVisit, ...]
    broken_fixed: tuple[BrokenFixed, ...]
    objective: int
    objective_by_rule: tuple[tuple[str, int], ...]
    bound: int
    gap_ppm: int
    stopped_by: str
    work: Work
    visit_prices: tuple[tuple[UUID, int], ...] = ()
    line_prices: tuple[tuple[UUID, int], ...] = ()
    start_prices: tuple[tuple[UUID, int, int], ...] = ()
    half_prices: tuple[tuple[UUID, int, UUID, int], ...] = ()
    breaks: tuple[Rest, ...] = ()


def plan_to_json(plan: Plan) -> str:
    return to_json(plan)


def plan_from_json(text: str | bytes) -> Plan:
    return _READER.validate_json(text, strict=True)


_READER = TypeAdapter(Plan)
