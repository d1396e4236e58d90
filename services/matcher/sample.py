"""The sample's first plan, once every fact has arrived: planned, published and mostly answered, as in a city at work."""

import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from services.matcher.plans.overrides import put_by_hand
from services.matcher.plans.service import plan_row, publish, request_plan
from services.matcher.plans.tables import PlanRow
from services.matcher.projections.tables import CarerRow, VisitRow
from services.matcher.staffing.service import accept, decline
from services.matcher.staffing.tables import AssignmentRow, OfferRow
from shared.clock import wall_day
from shared.contracts.codes import SlotState, VisitStatus
from shared.database.work import Database
from shared.sample import City
from shared.web.problems import Refused

PATIENCE_SECONDS = 600  # twice what the solver gives itself
TRIES = 3  # on a slow machine the first runs out of time while the searches are compiled; what was compiled is kept
HORIZON = 3
REASON = "sample"
ANSWERED = timedelta(hours=36)
NOTICE = timedelta(hours=12)
MOST_TRIED = 60


def load(database: Database, city: City) -> None:
    """Plan and publish the days ahead, and answer for most volunteers; go on where an earlier load was cut short."""
    for _ in range(TRIES):
        plan_id = _plan(database)
        problem = _wait_until_ready(database, plan_id)
        if problem is None:
            break
    else:
        raise RuntimeError(f"the sample's plan failed: {problem}")
    with database.work() as work:
        if plan_row(work, plan_id).status != "ready":
            return
        publish(work, plan_id, None)
    deciding = _people_who_decide(city)
    _answer(database, deciding)
    for person_id in sorted(deciding):
        _see_to_an_offer(database, person_id, city.people_of_the_story.resident.community_id)


def _plan(database: Database) -> UUID:
    """The sample's plan that is there already, or a new one."""
    with database.work() as work:
        known = work.session.scalar(
            # not the night's: a city that is first started then has one before it has visits
            select(PlanRow.plan_id)
            .where(PlanRow.status.not_in(("failed", "cancelled")), PlanRow.reason == REASON)
            .limit(1)
        )
        return known or request_plan(work, wall_day(work.now), HORIZON, REASON).plan_id


def _people_who_decide(city: City) -> set[UUID]:
    """The people of the story keep their offers: whoever signs in as them answers."""
    story = city.people_of_the_story
    return {story.volunteer.person.person_id, story.second_volunteer.person.person_id}


def _see_to_an_offer(database: Database, person_id: UUID, community_id: UUID) -> None:
    """Whoever signs in as a person of the story is asked for something: what the plan did not ask, the planner does."""
    with database.work() as work:
        asked = select(OfferRow.offer_id).where(OfferRow.person_id == person_id, OfferRow.state == "open")
        carer_id = work.session.scalar(select(CarerRow.carer_id).where(CarerRow.person_id == person_id))
        if carer_id is None or work.session.scalar(asked.limit(1)) is not None:
            return
        sure = select(AssignmentRow.visit_id).where(AssignmentRow.state == SlotState.ACCEPTED)
        soon = work.session.scalars(
            select(VisitRow.visit_id)
            .where(
                VisitRow.visit_id.not_in(sure),
                VisitRow.community_id == community_id,
                VisitRow.status == VisitStatus.OPEN,
                VisitRow.carers == 1,
                VisitRow.earliest_start > work.now + NOTICE,
            )
            .order_by(VisitRow.earliest_start, VisitRow.visit_id)
            .limit(MOST_TRIED)
        ).all()
        for visit_id in soon:
            try:
                with work.session.begin_nested():
                    put_by_hand(work, visit_id, carer_id)
                return
            except Refused:
                continue


def _wait_until_ready(database: Database, plan_id: UUID) -> str | None:
    """What went wrong; None once the plan is made."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with database.work() as work:
            plan = plan_row(work, plan_id)
            if plan.status in ("failed", "cancelled"):
                return plan.problem or plan.status
            if plan.status not in ("queued", "running"):
                return None
        time.sleep(0.2)
    return "the sample's plan is not ready"


def _answer(database: Database, deciding: set[UUID]) -> None:
    """Of those asked for the next days, nine of ten say yes, some say no; the others have not looked yet."""
    with database.work() as work:
        soon = select(AssignmentRow.offer_id).where(AssignmentRow.starts_at < work.now + ANSWERED)
        offers = work.session.execute(
            select(OfferRow.offer_id, OfferRow.person_id)
            .where(OfferRow.state == "open", OfferRow.offer_id.in_(soon))
            .order_by(OfferRow.offer_id)
        ).all()
    with_answer = [offer_id for offer_id, person_id in offers if person_id not in deciding]
    for start in range(0, len(with_answer), 100):
        with database.work() as work:
            for number, offer_id in enumerate(with_answer[start : start + 100]):
                if number % 10 == 7:
                    continue
                try:
                    with work.session.begin_nested():
                        if number % 30 == 3:
                            decline(work, offer_id, "not_this_time")
                        else:
                            accept(work, offer_id)
                except Refused:
                    continue
