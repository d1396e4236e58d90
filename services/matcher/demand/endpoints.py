"""Unmet demand over HTTP."""

from datetime import date, timedelta

from services.matcher.demand.schemas import UnmetDemand
from services.matcher.demand.service import unmet_demand
from services.matcher.plans.endpoints import Planner, own_towns
from shared.web.app import router
from shared.web.problems import Invalid
from shared.web.routing import Transaction

ROUTER = router("", "demand")
LONGEST = 366


@ROUTER.get("/unmet-demand")
def read_unmet_demand(work: Transaction, caller: Planner, first: date, last: date) -> UnmetDemand:
    """Where published plans leave visits undone, by service and community, and why: what to buy next. Up to a year."""
    if not timedelta() <= last - first < timedelta(days=LONGEST):
        raise Invalid("span_out_of_bounds", "请选 1 到 {most} 天。", field="last", most=LONGEST)
    return unmet_demand(work, first, last, own_towns(caller))
