"""The gap in words: how many visits no plan can serve beyond those that a plan serves."""

from dataclasses import dataclass

from services.matcher.solver.plan import Plan
from services.matcher.solver.prices import Prices, prices_of
from services.matcher.solver.rules import line_points, plane, serving_points, travel_minutes
from services.matcher.solver.snapshot import Snapshot, SnapVisit
from shared.contracts.codes import TravelMode, UnmetReason


@dataclass(frozen=True, slots=True)
class Further:
    """`most`: no plan serves more than so many further visits. `anyhow`: whatever becomes of the visits served now.

    Otherwise: of the plans in which these are served and together worth no less than now.
    """

    most: int
    anyhow: bool


def further(snapshot: Snapshot, plan: Plan) -> Further:
    """Both halves are proven. Unmet visits that nobody may take by the rules stay unmet in every plan; and since each
    further visit adds `least` points at the least, more than (bound - objective) // least of them would pass the bound.
    """
    prices = prices_of(snapshot.overrides)
    asked = {visit.visit_id: visit for visit in snapshot.visits}
    held: dict[object, int] = {}
    for assignment in plan.assignments:
        held[assignment.visit_id] = held.get(assignment.visit_id, 0) + 1
    able = [asked[u.visit_id] for u in plan.unmet if u.reason is UnmetReason.ALL_BUSY]
    if not able:
        return Further(0, anyhow=True)
    least = min(_worth(snapshot, prices, visit, visit.carers - held.get(visit.visit_id, 0)) for visit in able)
    if least > 0 and (plan.bound - plan.objective) // least < len(able):
        return Further((plan.bound - plan.objective) // least, anyhow=False)
    return Further(len(able), anyhow=True)


def _worth(snapshot: Snapshot, prices: Prices, visit: SnapVisit, missing: int) -> int:
    """What staffing the missing places adds at the least: serving, less the dearest channel, load and way of each."""
    lines = [line for line in snapshot.lines if visit.kind in line.kinds]
    channels = [prices["channel.volunteer"], prices["channel.public_direct"]]
    dearest = min(0, *channels, *(line_points(prices, line, visit) for line in lines))
    load = prices["load.most"] + prices["load.repeat"]
    ways = max(_ways(prices, visit, mode) for mode in TravelMode)
    return serving_points(prices, visit) * missing // visit.carers + missing * (
        dearest + load + prices["travel.minute"] * ways
    )


def _ways(prices: Prices, visit: SnapVisit, mode: TravelMode) -> int:
    """Minutes that a visit put into a tour can add: there from a stop and on to the next, each stop within the reach
    of the same base, hence at most two reaches from the visit; and where it ends elsewhere, back from there."""
    if visit.remote:
        return 0
    reach = -(-2 * prices[f"reach.{mode}"] * prices["travel.detour"] // (100 * prices[f"speed.{mode}"])) + 1
    if visit.place is None or visit.end_place is None:
        return 2 * reach
    return 2 * reach + travel_minutes(
        prices, mode, plane(prices, visit.place), plane(prices, visit.end_place)
    )
