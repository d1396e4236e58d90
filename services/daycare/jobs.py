"""What comes round in the day-care service."""

from datetime import timedelta

from sqlalchemy import or_, select

from services.daycare.attendance.service import propose_ends
from services.daycare.needs.tables import NeedRow
from services.daycare.tasks.service import open_unmet
from services.daycare.visits.making import horizon, make_visits
from shared.database.work import Database, Job
from shared.web.routing import forget_answers

BATCH = 200


def materialise(database: Database) -> None:
    """Make the visits of recurrences up to the rolling horizon (design rule 8)."""
    while True:
        with database.work() as work:
            needs = work.session.scalars(
                select(NeedRow)
                .where(
                    NeedRow.state == "active",
                    NeedRow.rrule.is_not(None),
                    or_(NeedRow.made_until.is_(None), NeedRow.made_until < horizon(work)),
                )
                .order_by(NeedRow.need_id)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            make_visits(work, needs)
        if len(needs) < BATCH:
            return


JOBS = (
    Job("daycare.materialise", timedelta(minutes=10), materialise),
    Job("daycare.unmet_tasks", timedelta(minutes=1), open_unmet),
    Job("daycare.propose_ends", timedelta(minutes=1), propose_ends),
    Job("daycare.forget_answers", timedelta(hours=6), forget_answers),
)
