"""The gap in words: what is said of the visits that no plan can serve beyond a plan's own."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import HealthCheck, given, settings

from services.matcher.solver.further import further
from services.matcher.solver.plan import Limits
from services.matcher.solver.prices import RULES
from services.matcher.solver.snapshot import SnapCarer, Snapshot, SnapVisit
from services.matcher.solver.solve import solve
from shared.contracts.codes import Capacity, Channel, ServiceKind, Skill, TravelMode
from tests.unit.test_solver import cities

LIMITS = Limits(rounds=10, threads=1)


def at_once(count: int, skilled: int) -> Snapshot:
    """One volunteer and so many meals at the same minute; of these so many need only what the volunteer can do."""
    visits = tuple(
        SnapVisit(
            UUID(int=n + 1),
            1,
            (UUID(int=100 + n),),
            UUID(int=200),
            ServiceKind.MEAL,
            600,
            600,
            30,
            skills=frozenset({Skill.MEAL} if n < skilled else {Skill.NURSING}),
            place=(119.18, 32.27),
            channels=frozenset({Channel.VOLUNTEER}),
        )
        for n in range(count)
    )
    volunteer = SnapCarer(
        UUID(int=300),
        1,
        UUID(int=301),
        Capacity.VOLUNTEER,
        skills=frozenset({Skill.MEAL}),
        travel_mode=TravelMode.WALK,
        base=(119.18, 32.27),
        windows=((480, 1080),),
        daily_minutes=240,
    )
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Snapshot(UUID(int=400), now, date(2026, 11, 23), 1, visits, (volunteer,))


def test_what_nobody_may_take_stays_unmet_in_every_plan() -> None:
    snapshot = at_once(5, 1)
    plan = solve(snapshot, LIMITS)
    assert len(plan.unmet) == 4
    said = further(snapshot, replace(plan, bound=plan.objective + 1_000_000))
    assert (said.most, said.anyhow) == (0, True)


def test_the_bound_says_how_many_more_when_fewer_than_somebody_could_take() -> None:
    snapshot = at_once(5, 5)
    plan = solve(snapshot, LIMITS)
    assert len(plan.unmet) == 4

    def said(above: int) -> tuple[int, bool]:
        found = further(snapshot, replace(plan, bound=plan.objective + above))
        return found.most, found.anyhow

    worth = (
        1150  # a visit of an unassessed resident (serve.visit, serve.unknown), before what its carer costs
    )
    assert said(0) == (0, False)
    assert said(worth) == (1, False), "a further visit may cost nothing and so fill the gap"
    assert said(2 * worth) == (2, False)
    assert said(100 * worth) == (4, True), "never more than somebody could take"
    cheap = replace(snapshot, overrides=(("serve.visit", 1), ("serve.unknown", 1)))
    assert further(cheap, plan) == further(snapshot, replace(plan, bound=plan.objective + 100 * worth)), (
        "where a further visit might be worth nothing, the points prove nothing"
    )


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cities())
def test_no_plan_of_an_odd_city_passes_what_is_said_of_every_plan(snapshot: Snapshot) -> None:
    """Against plans of the same city that count visits and nothing else."""
    plan = solve(snapshot, LIMITS)
    said = further(snapshot, replace(plan, bound=plan.objective + 1_000_000))
    flat = [(rule.rule_id, 1000 * (rule.rule_id == "serve.visit")) for rule in RULES.values() if rule.soft]
    counting = tuple(each for each in flat if each[0] != "cost.fen_per_point")
    most = solve(replace(snapshot, overrides=counting), LIMITS)
    assert said.anyhow
    assert len(plan.unmet) - len(most.unmet) <= said.most
