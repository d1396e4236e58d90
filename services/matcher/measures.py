"""The matcher's own metrics: how plans come out, and how many people are being asked."""

from prometheus_client import Gauge, Histogram
from sqlalchemy import func, select

from services.matcher.plans.tables import PartRow, PlanRow, PlanWorkerRow
from services.matcher.staffing.tables import OfferRow
from shared.database.work import Work
from shared.messaging.sampler import Reading

PLAN_SECONDS = Histogram(
    "linli_plan_seconds",
    "From a plan being taken up to its end: ready, failed, cancelled or handed back",
    ["service", "outcome"],
    buckets=(1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600),
)
PART_SECONDS = Histogram(
    "linli_plan_part_seconds",
    "From a part of a plan being taken to its end: done, failed, died, void or handed back",
    ["service", "outcome"],
    buckets=(1, 2.5, 5, 10, 20, 30, 60, 120, 300),
)
PART_WORKERS = Gauge("linli_plan_workers", "Workers that take parts of plans", ["service"])
PARTS_WAITING = Gauge("linli_plan_parts_waiting", "Parts of plans that nobody has taken yet", ["service"])
PLANS_WAITING = Gauge("linli_plans_waiting", "Plans asked for and not yet taken up", ["service"])
PLAN_AGE = Gauge("linli_plan_age_seconds", "Since the newest plan was ready", ["service"])
PLAN_GAP = Gauge("linli_plan_gap_ratio", "Of the newest plan: how far it may be from the best", ["service"])
PLAN_COVERAGE = Gauge(
    "linli_plan_coverage_ratio", "Of the newest plan: visits served of those asked for", ["service"]
)
SOLVER_BYTES = Gauge("linli_solver_memory_bytes", "Of the newest plan: the solver's most memory", ["service"])
OFFERS_OPEN = Gauge("linli_offers_open", "People asked who have not answered yet", ["service"])


def measure(work: Work) -> list[Reading]:
    """The newest plan's figures, and what is open."""
    open_offers = work.session.scalar(select(func.count()).where(OfferRow.state == "open"))
    waiting = work.session.scalar(select(func.count()).where(PlanRow.status == "queued"))
    parts = work.session.scalar(select(func.count()).where(PartRow.status == "waiting"))
    workers = work.session.scalar(select(func.count()).where(PlanWorkerRow.expires_at > work.now))
    readings = [
        Reading(OFFERS_OPEN, open_offers or 0),
        Reading(PLANS_WAITING, waiting or 0),
        Reading(PARTS_WAITING, parts or 0),
        Reading(PART_WORKERS, workers or 0),
    ]
    newest = work.session.execute(
        select(PlanRow.ready_at, PlanRow.summary)
        .where(PlanRow.ready_at.is_not(None))
        .order_by(PlanRow.ready_at.desc())
        .limit(1)
    ).first()
    if newest is None or newest.ready_at is None or newest.summary is None:
        return readings
    figures = newest.summary
    return [
        *readings,
        Reading(PLAN_AGE, max(0.0, (work.now - newest.ready_at).total_seconds())),
        Reading(PLAN_GAP, figures["gap_ppm"] / 1_000_000),
        Reading(PLAN_COVERAGE, figures["served"] / figures["visits"] if figures["visits"] else 1),
        Reading(SOLVER_BYTES, figures["megabytes"] * 1_048_576),
    ]
