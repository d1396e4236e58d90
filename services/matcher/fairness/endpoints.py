"""Fairness over HTTP."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import Query

from services.matcher.fairness.schemas import Fairness
from services.matcher.fairness.service import fairness
from services.matcher.plans.endpoints import Planner, own_towns
from shared.clock import wall_day
from shared.web.app import router
from shared.web.problems import Invalid
from shared.web.routing import Transaction

ROUTER = router("", "fairness")
LONGEST = 92


@ROUTER.get("/fairness")
def read_fairness(
    work: Transaction,
    caller: Planner,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: Annotated[date | None, Query(alias="to")] = None,
) -> Fairness:
    """Coverage by community, disability and service against the city's mean; up to three months. 7 days without dates."""
    first = since or wall_day(work.now)
    last = until or first + timedelta(days=6)
    if not timedelta() <= last - first < timedelta(days=LONGEST):
        raise Invalid("span_out_of_bounds", "请选 1 到 {most} 天。", field="to", most=LONGEST)
    return fairness(work, first, last, own_towns(caller))
