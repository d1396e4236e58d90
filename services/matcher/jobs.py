"""What comes round in the matcher: lapsing offers, the night's plan, the office hour's publication."""

from datetime import time, timedelta

from services.matcher.plans.service import due_for_publication, nightly, publish
from services.matcher.staffing.service import lapse_due
from shared.clock import wall, wall_day
from shared.database.work import Database, Job
from shared.rules import rule_value


def lapse_offers(database: Database) -> None:
    """Let due offers lapse, a batch a transaction."""
    while True:
        with database.work() as work:
            if lapse_due(work) < 200:
                return


def plan_the_night(database: Database) -> None:
    """Ask for the plan of the days ahead, once a night."""
    with database.work() as work:
        if wall(work.now).time() < time(6):
            nightly(work, int(rule_value("horizon_days", wall_day(work.now))))


def publish_at_office_hour(database: Database) -> None:
    """A plan that nobody holds goes out by itself at the office's hour (8.18)."""
    with database.work() as work:
        now = wall(work.now)
        if now.time() >= time.fromisoformat(str(rule_value("auto_publish_at", now.date()))):
            for plan_id in due_for_publication(work):
                publish(work, plan_id, None)


JOBS = (
    Job("lapse", timedelta(seconds=5), lapse_offers),
    Job("nightly", timedelta(minutes=5), plan_the_night),
    Job("publish", timedelta(minutes=1), publish_at_office_hour),
)
