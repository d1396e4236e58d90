"""The public benchmarks as what the city's model plans: an instance becomes a snapshot, a plan of it the benchmark's routes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.matcher.files import hhcrsp, hhcrsp_snapshot, uhhc, uhhc_snapshot
from services.matcher.files.formats import BadFile
from services.matcher.solver.plan import Plan
from services.matcher.solver.snapshot import Snapshot, refuse_impossible
from shared.contracts.codes import Grade


@dataclass(frozen=True, slots=True)
class Problem:
    """A benchmark's instance. `cost_of`: the benchmark's cost of the points of a plan that leaves nobody out who must not be;
    `judged`: faults and cost of a plan, by the benchmark's own text; `written`: its routes into a file."""

    snapshot: Snapshot
    cost_of: Callable[[int], float]
    judged: Callable[[Plan], tuple[list[str], float]]
    written: Callable[[Path, Plan], None]

    def left_out(self, plan: Plan) -> str | None:
        """Whom the plan leaves out who must not be; None: nobody."""
        must = {visit.visit_id for visit in self.snapshot.visits if visit.grade is Grade.TOTAL}
        count = sum(each.visit_id in must for each in plan.unmet)
        return f"{count} services that must be done are not" if count else None

    def write_routes(self, path: Path, plan: Plan) -> float:
        """Write the routes; their cost."""
        self.written(path, plan)
        return self.judged(plan)[1]


def read_problem(form: str, path: Path) -> Problem:
    """`form`: hhcrsp or uhhc. Raises BadFile for what is no instance, or cannot be said."""
    try:
        problem = _hhcrsp(path) if form == "hhcrsp" else _uhhc(path)
        refuse_impossible(problem.snapshot)
    except ValueError as error:
        raise BadFile(f"{path}: {error}") from None
    return problem


def _hhcrsp(path: Path) -> Problem:
    instance = hhcrsp.read_instance(path)
    snapshot = hhcrsp_snapshot.snapshot_of(instance, str(path))

    def judged(plan: Plan) -> tuple[list[str], float]:
        routes = hhcrsp_snapshot.routes_of(instance, plan)
        return hhcrsp.faults(instance, routes), hhcrsp.cost(instance, routes)

    return Problem(
        snapshot,
        lambda points: hhcrsp_snapshot.cost_of(snapshot, points),
        judged,
        lambda out, plan: hhcrsp.write_routes(out, instance, hhcrsp_snapshot.routes_of(instance, plan)),
    )


def _uhhc(path: Path) -> Problem:
    instance = uhhc.read_instance(path)
    named = uhhc_snapshot.snapshot_of(instance, str(path))

    def judged(plan: Plan) -> tuple[list[str], float]:
        routes = uhhc_snapshot.routes_of(named, plan)
        return uhhc.faults(instance, routes), uhhc.cost(instance, routes)

    return Problem(
        named.snapshot,
        named.cost_of,
        judged,
        lambda out, plan: uhhc.write_routes(out, uhhc_snapshot.routes_of(named, plan)),
    )


def judge_routes(form: str, instance_path: Path, routes_path: Path) -> tuple[list[str], list[str]]:
    """Faults, and lines that tell the cost (none where the routes name what there is not)."""
    if form == "hhcrsp":
        day, tours = hhcrsp.read_instance(instance_path), hhcrsp.read_routes(routes_path)
        found = hhcrsp.faults(day, tours)
        known = not any(fault.startswith("unknown") for fault in found)
        return found, [f"cost {hhcrsp.cost(day, tours):.3f}"] if known else []
    instance, routes = uhhc.read_instance(instance_path), uhhc.read_routes(routes_path)
    found = uhhc.faults(instance, routes)
    if any(fault.startswith("unknown") for fault in found):
        return found, []
    told = [
        f"  {name:21} {amount:>10,.10g} x {instance.weights.get(name, 0)}"
        for name, amount in uhhc.components(instance, routes).items()
    ]
    return found, [*told, f"cost {uhhc.cost(instance, routes):.3f}"]
