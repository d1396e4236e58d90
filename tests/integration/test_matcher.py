"""The matcher over its own database: offers, answers, races, publication, units (domain.md 8.13-8.19; design rules 1-5)."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from services.matcher import sample
from services.matcher.jobs import publish_at_office_hour
from services.matcher.plans import runner
from services.matcher.plans.beat import DEATHS, LEASE, RENEWED
from services.matcher.plans.dispatch import dispatch, explain
from services.matcher.plans.runner import PlanRunner
from services.matcher.plans.service import request_plan
from services.matcher.plans.snapshot import KnownCarers
from services.matcher.plans.tables import PlanRow, PublishedDayRow
from services.matcher.projections import handlers
from services.matcher.projections.tables import LineRow, VisitRow
from services.matcher.solver.plan import Limits, Plan, Progress
from services.matcher.solver.snapshot import Snapshot
from services.matcher.solver.solve import solve
from services.matcher.solver.worker import SolveCancelled
from services.matcher.staffing.service import Place, ask, lapse_due, lock_visits
from services.matcher.staffing.tables import AssignmentRow, OfferRow
from shared.contracts.carers import CarerChanged, Held, WeeklyWindow
from shared.contracts.carers import Place as Spot
from shared.contracts.codes import (
    Capacity,
    Channel,
    ContractUnit,
    Dialect,
    Licence,
    Outcome,
    Role,
    ScopeKind,
    ServiceKind,
    Sex,
    Skill,
    VisitStatus,
)
from shared.contracts.lines import ContractLineChanged
from shared.contracts.visits import AttendanceConfirmed, VisitChanged
from shared.ids import carer_id, new_id
from shared.sample import Size, make_city
from shared.security.audit import AuditRow
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test, until

TOWN, COMMUNITY, CENTRE, ORGANISATION = new_id(), new_id(), new_id(), new_id()
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # Tuesday 09:00 in the city
WEDNESDAY = date(2026, 11, 25)
AT_TWO = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
ALWAYS = tuple(WeeklyWindow(weekday=d, start=8 * 60, end=21 * 60) for d in range(7))


class World:
    """A matcher fed by events only, as in the city."""

    def __init__(self, service: ServiceUnderTest) -> None:
        self.service = service
        self.versions: dict[UUID, int] = {}
        self.planner = service.as_(caller(Role.PLANNER))

    def feed(self, handler: Callable[..., None], event: Any) -> None:
        with self.service.database.work() as work:
            handler(work, event)

    def visit(self, start: datetime = AT_TWO, visit_id: UUID | None = None, **more: Any) -> UUID:
        number = visit_id or new_id()
        self.versions[number] = self.versions.get(number, 0) + 1
        event = VisitChanged.model_validate(
            {
                "visit_id": number,
                "visit_version": self.versions[number],
                "need_id": number,
                "status": VisitStatus.OPEN,
                "resident_ids": (new_id(),),
                "centre_id": CENTRE,
                "town_id": TOWN,
                "community_id": COMMUNITY,
                "kind": ServiceKind.COMPANIONSHIP,
                "earliest_start": start,
                "latest_start": start,
                "minutes": 60,
                "skills": frozenset({Skill.COMPANIONSHIP}),
                "place": Spot(lon=119.18, lat=32.27),
                "channels": frozenset({Channel.VOLUNTEER, Channel.PUBLIC_PURCHASED}),
                **more,
            }
        )
        self.feed(handlers.visit_changed, event)
        return number

    def volunteer(self, person_id: UUID | None = None, **more: Any) -> UUID:
        person = person_id or new_id()
        number = carer_id(person, more.get("organisation_id"))
        self.versions[number] = self.versions.get(number, 0) + 1
        event = CarerChanged.model_validate(
            {
                "carer_id": number,
                "carer_version": self.versions[number],
                "person_id": person,
                "capacity": Capacity.VOLUNTEER,
                "centre_id": CENTRE,
                "community_id": COMMUNITY,
                "sex": Sex.FEMALE,
                "birth_year": 1960,
                "skills": frozenset({Skill.COMPANIONSHIP}),
                "base": Spot(lon=119.181, lat=32.271),
                "weekly": ALWAYS,
                **more,
            }
        )
        self.feed(handlers.carer_changed, event)
        return person

    def staff(self, **more: Any) -> UUID:
        return self.volunteer(
            capacity=Capacity.EMPLOYED,
            organisation_id=ORGANISATION,
            centre_id=None,
            daily_minutes=480,
            weekly_minutes=2640,
            licences=(Held(code=Licence.CARE_WORKER, valid_until=date(2030, 1, 1)),),
            **more,
        )

    def line(self, ceiling: int, line_id: UUID | None = None) -> UUID:
        number = line_id or new_id()
        self.versions[number] = self.versions.get(number, 0) + 1
        event = ContractLineChanged(
            line_id=number,
            line_version=self.versions[number],
            contract_id=new_id(),
            organisation_id=ORGANISATION,
            kinds=frozenset({ServiceKind.COMPANIONSHIP}),
            community_ids=frozenset({COMMUNITY}),
            unit=ContractUnit.VISIT,
            ceiling=ceiling,
            unit_price_fen=6000,
            valid_from=date(2026, 1, 1),
            valid_to=date(2026, 12, 31),
        )
        self.feed(handlers.line_changed, event)
        return number

    def ask(self, visit_id: UUID, *people: UUID, line_id: UUID | None = None) -> list[UUID]:
        """Ask people for a visit. Their offers' ids (or, for staff, their assignments')."""
        with self.service.database.work() as work:
            visits = lock_visits(work, [visit_id])
            start = visits[visit_id].earliest_start
            places = [
                Place(
                    visit_id,
                    1,
                    carer_id(person, ORGANISATION if line_id else None),
                    start,
                    start + timedelta(minutes=60),
                    line_id,
                    100 if line_id else 0,
                )
                for person in people
            ]
            return [row.offer_id or row.assignment_id for row in ask(work, visits, places, None)]

    def plan(self, first_day: date = WEDNESDAY, days: int = 1) -> dict[str, Any]:
        with self.service.database.work() as work:
            plan_id = request_plan(work, first_day, days, "test").plan_id
        assert PlanRunner(self.service.database).run_one() == plan_id
        answer: dict[str, Any] = self.planner.get(f"/plans/{plan_id}").json()
        assert answer["status"] == "ready", answer
        return answer

    def publish(self, plan: dict[str, Any]) -> Any:
        return self.planner.post(
            f"/plans/{plan['plan_id']}/publish", headers={"If-Match": f'"{plan["version"]}"'}
        )

    def offers(self) -> list[OfferRow]:
        with self.service.database.work() as work:
            return list(work.session.scalars(select(OfferRow).order_by(OfferRow.offer_id)))

    def assignments(self) -> list[AssignmentRow]:
        with self.service.database.work() as work:
            return list(work.session.scalars(select(AssignmentRow).order_by(AssignmentRow.assignment_id)))

    def as_volunteer(self, person_id: UUID) -> Any:
        return self.service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON, None, person_id))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def world(new_database: NewDatabase, clock: MovableClock) -> Iterator[World]:
    with service_under_test("matcher", new_database("matcher"), clock) as service:
        yield World(service)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all acts at the same time. Their results, in order."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(n: int, act: Callable[[], Any]) -> None:
        barrier.wait()
        results[n] = act()

    threads = [threading.Thread(target=run, args=(n, act)) for n, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_plan_becomes_offers_and_a_yes_an_assignment(world: World) -> None:
    visit, person = world.visit(), world.volunteer()
    plan = world.plan()
    assert plan["summary"]["served"] == 1
    assert plan["summary"]["gap_ppm"] == 0
    assert plan["summary"]["channels"] == {"volunteer": 1}
    assert plan["summary"]["travel"] == {"minutes": 3, "ways": 1}, "146 m as the crow flies, on foot"
    assert world.publish(plan).status_code == 200
    mine = world.as_volunteer(person)
    [offer] = mine.get("/offers", params={"person_id": str(person)}).json()["items"]
    assert offer["band"] == "within_500m"
    assert "has_skill" in offer["reasons"]
    assert not {"name", "address", "grade", "resident_ids"} & set(offer), (
        "nothing of the resident before the yes"
    )
    assert mine.post(f"/offers/{offer['offer_id']}/accept", json={}).status_code == 200
    [row] = world.assignments()
    assert (row.visit_id, row.person_id, row.state) == (visit, person, "accepted")


def test_8_14_deadline_and_near_visits_ask_three(world: World, clock: MovableClock) -> None:
    visit = world.visit(datetime(2026, 11, 24, 9, 0, tzinfo=UTC))
    people = [world.volunteer() for _ in range(5)]
    with world.service.database.work() as work:
        work.session.add(
            PublishedDayRow(day=date(2026, 11, 24), town_id=TOWN, plan_id=new_id(), published_at=work.now)
        )
        work.session.get_one(VisitRow, visit).waiting_since = work.now
    dispatch(world.service.database, KnownCarers())
    offers = world.offers()
    assert len(offers) == 3
    assert {o.until for o in offers} == {NOW + timedelta(hours=2)}, "a quarter of eight hours"
    first, second = offers[0], offers[1]
    yes = world.as_volunteer(first.person_id).post(f"/offers/{first.offer_id}/accept", json={})
    assert yes.status_code == 200
    late = world.as_volunteer(second.person_id).post(f"/offers/{second.offer_id}/accept", json={})
    assert late.status_code == 409
    assert late.json()["detail"] == "已经有人答应了，谢谢您。"
    assert first.person_id in people


def test_8_13_an_answer_by_phone_says_who_took_it(world: World) -> None:
    visit, person = world.visit(), world.volunteer()
    [offer] = world.ask(visit, person)
    desk = world.service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE))
    [listed] = desk.get("/offers", params={"centre_id": str(CENTRE)}).json()["items"]
    assert listed["offer_id"] == str(offer)
    assert desk.post(f"/offers/{offer}/not-reached", json={}).status_code == 200
    assert desk.post(f"/offers/{offer}/accept", json={"taken_from": "本人"}).status_code == 200
    [row] = world.offers()
    assert (row.state, row.not_reached, row.taken_from) == ("accepted", 1, "本人")
    assert row.taken_by is not None
    stranger = world.service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id()))
    assert stranger.get("/offers", params={"centre_id": str(CENTRE)}).status_code == 403


def test_8_15_a_no_is_not_asked_again(world: World) -> None:
    visit, person = world.visit(), world.volunteer()
    [offer] = world.ask(visit, person)
    answer = world.as_volunteer(person).post(f"/offers/{offer}/decline", json={"why": "not_this_kind"})
    assert answer.status_code == 200
    plan = world.plan()
    assert plan["summary"]["served"] == 0
    [planned] = world.planner.get(f"/plans/{plan['plan_id']}/visits", params={"unmet": True}).json()["items"]
    assert planned["unmet"]["reason"] == "wishes"


@pytest.mark.parametrize("why", ["not_this_time", "not_this_kind", "not_this_person"])
def test_8_15_a_no_says_how_far_it_goes(world: World, why: str) -> None:
    resident, person = new_id(), world.volunteer()
    asked = world.visit(resident_ids=(resident,))
    same_home = world.visit(AT_TWO + timedelta(hours=4), resident_ids=(resident,))
    other_home = world.visit(AT_TWO + timedelta(days=1))
    [offer] = world.ask(asked, person)
    assert world.as_volunteer(person).post(f"/offers/{offer}/decline", json={"why": why}).status_code == 200
    plan = world.plan(days=2)
    found = world.planner.get(f"/plans/{plan['plan_id']}/visits", params={"unmet": True}).json()["items"]
    unmet = {UUID(v["visit_id"]) for v in found}
    assert (
        unmet
        == {
            "not_this_time": {asked},
            "not_this_kind": {asked, same_home, other_home},
            "not_this_person": {asked, same_home},
        }[why]
    )


def test_8_15_a_no_or_a_lapse_lowers_nobodys_rank(world: World, clock: MovableClock) -> None:
    person = world.volunteer()
    declined, lapsing = world.visit(), world.visit(AT_TWO + timedelta(hours=2))
    later = world.visit(AT_TWO + timedelta(days=2))

    def points() -> Any:
        [found] = world.planner.get(f"/visits/{later}/candidates").json()
        return found["points"]

    before = points()
    [offer] = world.ask(declined, person)
    mine = world.as_volunteer(person)
    assert mine.post(f"/offers/{offer}/decline", json={"why": "not_this_time"}).status_code == 200
    world.ask(lapsing, person)
    clock.move(timedelta(hours=20))
    with world.service.database.work() as work:
        assert lapse_due(work) == 1
    assert points() == before


def test_8_15_a_series_is_one_offer_accepted_once_with_each_date_withdrawable(world: World) -> None:
    need, person = new_id(), world.volunteer()
    dates = [world.visit(AT_TWO + timedelta(days=day), need_id=need) for day in range(2)]
    assert world.publish(world.plan(days=2)).status_code == 200
    [offer] = world.offers()
    mine = world.as_volunteer(person)
    assert mine.post(f"/offers/{offer.offer_id}/accept", json={}).status_code == 200
    rows = {row.visit_id: row for row in world.assignments()}
    assert {row.state for row in rows.values()} == {"accepted"}
    assert rows.keys() == set(dates)
    gone = rows[dates[0]].assignment_id
    assert mine.post(f"/assignments/{gone}/withdraw", json={"reason": "身体不舒服"}).status_code == 200
    assert {row.visit_id: row.state for row in world.assignments()} == {
        dates[0]: "withdrawn",
        dates[1]: "accepted",
    }


def test_8_15_a_volunteer_has_at_most_two_open_offers(world: World) -> None:
    world.volunteer()
    for day in range(3):
        world.visit(AT_TWO + timedelta(days=day))
    plan = world.plan(days=3)
    assert (plan["summary"]["served"], plan["summary"]["visits"]) == (2, 3)
    assert world.publish(plan).status_code == 200
    assert len(world.offers()) == 2


def test_a_plan_of_one_day_leaves_the_other_days_of_an_older_plan_to_it(
    world: World, clock: MovableClock
) -> None:
    empty = world.plan(days=7)
    world.visit()
    later = world.visit(AT_TWO + timedelta(days=1))
    world.volunteer()
    whole, same_day = world.plan(days=2), world.plan()
    clock.move(timedelta(minutes=1))
    assert world.publish(world.plan()).status_code == 200

    def now(plan: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = world.planner.get(f"/plans/{plan['plan_id']}").json()
        return answer

    assert now(same_day)["status"] == "superseded", "all that it planned is planned anew"
    assert now(empty)["status"] == "superseded", "it has nothing to publish"
    assert now(whole)["status"] == "ready"
    assert world.publish(now(whole)).status_code == 412, "the first day has changed since"
    seen = world.planner.post(
        f"/plans/{whole['plan_id']}/publish",
        params={"despite_changes": True},
        headers={"If-Match": f'"{now(whole)["version"]}"'},
    )
    assert seen.status_code == 200
    assert later in {row.visit_id for row in world.assignments()}
    assert now(whole)["status"] == "published"


def test_8_18_a_plan_that_nobody_holds_goes_out_at_the_office_hour(world: World, clock: MovableClock) -> None:
    world.visit()
    world.volunteer()
    plan = world.plan()
    clock.at = datetime(2026, 11, 24, 7, 59, tzinfo=UTC)
    publish_at_office_hour(world.service.database)
    assert world.offers() == []
    until = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    held = world.planner.post(f"/plans/{plan['plan_id']}/hold", json={"until": until.isoformat()})
    assert held.status_code == 200, held.text
    clock.at = datetime(2026, 11, 24, 8, 1, tzinfo=UTC)
    publish_at_office_hour(world.service.database)
    assert world.offers() == [], "held"
    clock.at = until + timedelta(minutes=1)
    publish_at_office_hour(world.service.database)
    assert len(world.offers()) == 1


def test_race_two_accept_at_once_one_wins(world: World) -> None:
    visit = world.visit()
    people = [world.volunteer() for _ in range(2)]
    offers = world.ask(visit, *people)
    answers = at_once(
        *(
            lambda o=offer, p=person: world.as_volunteer(p).post(f"/offers/{o}/accept", json={})
            for offer, person in zip(offers, people, strict=True)
        )
    )
    assert sorted(a.status_code for a in answers) == [200, 409]
    assert sorted(a.state for a in world.assignments()) == ["accepted", "released"]


def test_race_accept_against_cancel_cancel_wins(world: World) -> None:
    for _ in range(5):
        visit, person = world.visit(), world.volunteer()
        [offer] = world.ask(visit, person)
        at_once(
            lambda o=offer, p=person: world.as_volunteer(p).post(f"/offers/{o}/accept", json={}),
            lambda v=visit: world.visit(visit_id=v, status=VisitStatus.CANCELLED),
        )
        [row] = [a for a in world.assignments() if a.visit_id == visit]
        assert row.state == "released"
        assert (
            world.as_volunteer(person).get("/offers", params={"person_id": str(person)}).json()["items"] == []
        )


def test_race_accept_against_lapse_is_judged_by_the_database_clock(world: World, clock: MovableClock) -> None:
    visit, person = world.visit(), world.volunteer()
    [offer] = world.ask(visit, person)
    clock.at = world.offers()[0].until
    late = world.as_volunteer(person).post(f"/offers/{offer}/accept", json={})
    assert (late.status_code, late.json()["code"]) == (409, "offer_lapsed")
    with world.service.database.work() as work:
        assert lapse_due(work) == 1
    assert world.assignments()[0].state == "lapsed"
    again = world.as_volunteer(person).post(f"/offers/{offer}/accept", json={})
    assert again.json()["params"] == {"state": "lapsed"}


def test_race_two_publishers_one_goes_out(world: World) -> None:
    world.visit()
    world.volunteer()
    plan = world.plan()
    answers = at_once(lambda: world.publish(plan), lambda: world.publish(plan))
    assert sorted(a.status_code for a in answers)[0] == 200
    assert sorted(a.status_code for a in answers)[1] in {409, 412}
    assert len(world.offers()) == 1


def test_8_18_publishing_over_a_changed_plan_is_refused_with_the_changes(world: World) -> None:
    visit = world.visit()
    world.volunteer()
    plan = world.plan()
    world.visit(visit_id=visit, minutes=30)
    refused = world.publish(plan)
    assert refused.status_code == 412
    assert str(visit) in refused.text
    assert world.offers() == []
    seen = world.planner.post(
        f"/plans/{plan['plan_id']}/publish",
        params={"despite_changes": True},
        headers={"If-Match": f'"{plan["version"]}"'},
    )
    assert seen.json()["counts"] == {"changed": 1}, "what changed is left out and planned anew"


def test_8_18_a_planner_publishes_only_the_own_town(world: World) -> None:
    world.visit()
    world.volunteer()
    plan = world.plan()
    other = world.service.as_(caller(Role.TOWN, ScopeKind.TOWN, new_id()))
    other.post(f"/plans/{plan['plan_id']}/publish", headers={"If-Match": f'"{plan["version"]}"'})
    assert world.offers() == []


def test_8_19_the_last_unit_drawn_by_ten_at_once(world: World) -> None:
    line = world.line(ceiling=100)
    pairs = []
    for n in range(10):
        visit = world.visit(AT_TWO, channels=frozenset({Channel.PUBLIC_PURCHASED}))
        pairs.append((visit, world.staff(birth_year=1980 + n % 3)))
    made = at_once(*(lambda v=v, p=p: world.ask(v, p, line_id=line) for v, p in pairs))
    assert sum(len(m) for m in made) == 1
    with world.service.database.work() as work:
        row = work.session.get_one(LineRow, line)
        assert (row.committed, row.delivered, row.available) == (100, 0, 0)


def test_8_19_delivery_draws_what_was_committed_and_a_no_show_frees_it(world: World) -> None:
    line = world.line(ceiling=1000)
    visit, person = world.visit(channels=frozenset({Channel.PUBLIC_PURCHASED})), world.staff()
    world.ask(visit, person, line_id=line)

    def confirmed(revision: int, outcome: Outcome) -> None:
        world.feed(
            handlers.attendance_confirmed,
            AttendanceConfirmed(
                visit_id=visit,
                attendance_id=UUID(int=7),
                revision=revision,
                person_id=person,
                carer_id=carer_id(person, ORGANISATION),
                capacity=Capacity.EMPLOYED,
                organisation_id=ORGANISATION,
                line_id=line,
                kind=ServiceKind.COMPANIONSHIP,
                community_id=COMMUNITY,
                resident_ids=(new_id(),),
                outcome=outcome,
                started_at=AT_TWO,
                ended_at=AT_TWO + timedelta(hours=1),
                minutes=60,
                responsible_person_id=new_id(),
                confirmed_by=new_id(),
                confirmed_at=AT_TWO,
            ),
        )

    def drawn() -> tuple[int, int]:
        with world.service.database.work() as work:
            row = work.session.get_one(LineRow, line)
            return row.committed, row.delivered

    assert drawn() == (100, 0)
    confirmed(1, Outcome.DONE)
    assert drawn() == (0, 100)
    confirmed(2, Outcome.CARER_ABSENT)
    assert drawn() == (0, 0)


def test_8_1_one_person_is_never_in_two_places(world: World) -> None:
    person = world.volunteer()
    first, second = world.visit(), world.visit()
    offers = [world.ask(v, person)[0] for v in (first, second)]
    answers = at_once(
        *(lambda o=o: world.as_volunteer(person).post(f"/offers/{o}/accept", json={}) for o in offers)
    )
    assert sorted(a.status_code for a in answers) == [200, 409]


def test_8_16_staff_are_rostered_and_confirmed_in_one_step(world: World) -> None:
    line = world.line(ceiling=1000)
    visit, person = world.visit(channels=frozenset({Channel.PUBLIC_PURCHASED})), world.staff()
    colleague, unfit = world.staff(), world.staff(skills=frozenset())
    plan = world.plan()
    assert world.publish(plan).status_code == 200
    [row] = world.assignments()
    assert (row.state, row.offer_id, row.line_id) == ("rostered", None, line)
    assert row.person_id in {person, colleague}
    dispatcher = world.service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, ORGANISATION))
    day = {"organisation_id": str(ORGANISATION), "day": "2026-11-25"}
    assert dispatcher.post("/rosters/confirm", json=day).json()["confirmed"] == 1
    assert dispatcher.post("/rosters/confirm", json=day).json()["confirmed"] == 0
    refused = dispatcher.post(
        f"/assignments/{row.assignment_id}/swap", json={"carer_id": str(carer_id(unfit, ORGANISATION))}
    )
    assert refused.status_code == 409
    assert "skill" in refused.text
    other = colleague if row.person_id == person else person
    swapped = dispatcher.post(
        f"/assignments/{row.assignment_id}/swap", json={"carer_id": str(carer_id(other, ORGANISATION))}
    )
    assert swapped.status_code == 200, swapped.text
    held = [a for a in world.assignments() if a.state == "rostered"]
    assert [(a.visit_id, a.person_id) for a in held] == [(visit, other)]


def test_8_16_pinning_a_volunteer_makes_an_offer_and_the_holder_stays_until_the_yes(world: World) -> None:
    visit, holder, other = world.visit(), world.volunteer(), world.volunteer()
    [offer] = world.ask(visit, holder)
    world.as_volunteer(holder).post(f"/offers/{offer}/accept", json={})
    body = {"carer_id": str(carer_id(other, None)), "action": "pin"}
    cost = world.planner.post(f"/visits/{visit}/what-if", json=body)
    assert cost.status_code == 200, cost.text
    pinned = world.planner.post(f"/visits/{visit}/pin", json={"carer_id": str(carer_id(other, None))})
    assert pinned.status_code == 200, pinned.text
    states = {a.person_id: a.state for a in world.assignments()}
    assert states == {holder: "accepted", other: "offered"}
    [new] = [o for o in world.offers() if o.person_id == other]
    assert world.as_volunteer(other).post(f"/offers/{new.offer_id}/accept", json={}).status_code == 200
    states = {a.person_id: a.state for a in world.assignments()}
    assert states == {holder: "released", other: "accepted"}


def test_rule_1_what_can_no_longer_hold_is_released_before_the_next_plan(world: World) -> None:
    visit, person = world.visit(), world.volunteer()
    [offer] = world.ask(visit, person)
    world.as_volunteer(person).post(f"/offers/{offer}/accept", json={})
    world.volunteer(person, skills=frozenset())
    world.plan()
    [row] = world.assignments()
    assert (row.state, row.ended_why) == ("released", "rule:skill")


def test_a_plan_into_the_past_is_refused(world: World) -> None:
    answer = world.planner.post("/plans", json={"first_day": "2026-11-23", "days": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "first_day"
    with world.service.database.work() as work:
        assert work.session.scalars(select(PlanRow)).all() == []


def test_a_stopped_worker_hands_its_plan_back_and_the_next_one_makes_it(world: World) -> None:
    world.visit(), world.volunteer()
    with world.service.database.work() as work:
        plan_id = request_plan(work, WEDNESDAY, 1, "test").plan_id

    def status() -> str:
        return str(world.planner.get(f"/plans/{plan_id}").json()["status"])

    first = PlanRunner(world.service.database)
    first.start()
    until(lambda: status() == "running")
    first.stop()
    assert status() == "queued", "not failed: nothing is wrong with the plan"
    assert PlanRunner(world.service.database).run_one() == plan_id
    assert status() == "ready"


def test_a_plan_that_is_stopped_at_work_is_ready_with_the_days_it_reached(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits = [world.visit(AT_TWO + timedelta(days=day)) for day in range(3)]
    world.volunteer()
    with world.service.database.work() as work:
        plan_id = request_plan(work, WEDNESDAY, 3, "test").plan_id
    seen: list[dict[str, Any]] = []

    def read() -> dict[str, Any]:
        answer: dict[str, Any] = world.planner.get(f"/plans/{plan_id}").json()
        return answer

    def solve_here(
        snapshot: Snapshot,
        limits: Limits,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        stop: Callable[[], bool],
        **_: Any,
    ) -> Plan:
        """In this process: the planner stops it just when the second day has a first plan."""

        def note(told: Progress) -> None:
            progress(told)
            if (told.step, told.day) == ("first plan", 1):
                until(lambda: (read()["step"] or {}).get("day") == 1)
                seen.append(read())
                assert world.planner.post(f"/plans/{plan_id}/stop").status_code == 200
                until(stop)
                seen.append(read())
            assert not cancelled(), "something would be kept"

        return solve(snapshot, replace(limits, seconds=3000), note, stop)

    monkeypatch.setattr(runner, "solve_apart", solve_here)
    PlanRunner(world.service.database).run_one()
    running, stopping = seen
    assert running["progress"][-1]["best"] > 0, "told while it works"
    assert (running["status"], running["stop_asked_at"]) == ("running", None)
    assert (stopping["status"], stopping["stop_asked_at"] is None) == ("running", False)
    plan = read()
    assert (plan["status"], plan["days"], plan["problem"]) == ("ready", 2, None)
    assert (plan["summary"]["stopped_by"], plan["summary"]["days_asked"]) == ("asked", 3)
    assert (plan["summary"]["visits"], plan["summary"]["served"]) == (2, 2)
    held = world.planner.get(f"/plans/{plan_id}/visits").json()["items"]
    assert {v["visit_id"] for v in held} == {str(v) for v in visits[:2]}
    assert world.publish(plan).json()["counts"] == {"published": 2}
    with world.service.database.work() as work:
        assert set(work.session.scalars(select(PublishedDayRow.day))) == {
            WEDNESDAY,
            WEDNESDAY + timedelta(days=1),
        }
        entries = work.session.scalars(select(AuditRow).where(AuditRow.action == "plan.stop")).all()
        assert [(e.subject_id, e.details) for e in entries] == [(plan_id, {"state": "running"})]
    assert world.planner.post(f"/plans/{plan_id}/stop").status_code == 409


def test_a_plan_without_a_first_plan_is_cancelled_and_only_by_who_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.visit(), world.volunteer()
    town = world.service.as_(caller(Role.TOWN, ScopeKind.TOWN, TOWN))
    asked = {"first_day": str(WEDNESDAY), "days": 1}
    plan_id = world.planner.post("/plans", json=asked).json()["plan_id"]
    assert town.get(f"/plans/{plan_id}").json()["may_stop"] is False
    assert town.post(f"/plans/{plan_id}/stop").status_code == 403, "another's, and the whole city's"
    assert world.planner.post(f"/plans/{plan_id}/stop").json()["status"] == "cancelled"
    own = town.post("/plans", json=asked).json()["plan_id"]
    assert own != plan_id

    def still_reading(*_: Any, cancelled: Callable[[], bool], **more: Any) -> Plan:
        assert town.post(f"/plans/{own}/stop").json()["status"] == "running"
        until(cancelled)
        raise SolveCancelled("cancelled")

    monkeypatch.setattr(runner, "solve_apart", still_reading)
    PlanRunner(world.service.database).run_one()
    cancelled = town.get(f"/plans/{own}").json()
    assert (cancelled["status"], cancelled["summary"], cancelled["problem"]) == ("cancelled", None, None)
    assert PlanRunner(world.service.database).run_one() is None, "and nobody takes it up again"


def test_a_plan_that_its_workers_die_over_fails_in_the_end(world: World, clock: MovableClock) -> None:
    world.visit(), world.volunteer()
    with world.service.database.work() as work:
        plan_id = request_plan(work, WEDNESDAY, 1, "test").plan_id
    died = PlanRunner(world.service.database)

    def read() -> dict[str, Any]:
        answer: dict[str, Any] = world.planner.get(f"/plans/{plan_id}").json()
        return answer

    for _ in range(DEATHS):
        assert died._claim() is not None
        assert (read()["status"], read()["silent"]) == ("running", False)
        clock.move(LEASE + timedelta(seconds=1))
        assert (read()["status"], read()["silent"]) == ("running", True)
    assert died._claim() is None
    assert (read()["status"], read()["problem"]) == ("failed", "3 workers died over it")


def test_a_silent_worker_keeps_its_plan_while_it_lives(world: World, clock: MovableClock) -> None:
    with world.service.database.work() as work:
        plan_id = request_plan(work, WEDNESDAY, 1, "test").plan_id
    here, there = PlanRunner(world.service.database), PlanRunner(world.service.database)
    claimed = here._claim()
    assert claimed is not None
    with runner.PlanBeat(world.service.database, plan_id, claimed[1]) as beat:
        clock.move(LEASE - timedelta(seconds=1))
        until(lambda: _lease(world, plan_id) > clock.at + RENEWED)
        clock.move(timedelta(seconds=2))
        assert there._claim() is None, "told nothing for longer than the lease, and still alive"
        assert not beat.lost
    clock.move(LEASE)
    taken = there._claim()
    assert taken is not None
    assert taken[1] == claimed[1] + 1
    with runner.PlanBeat(world.service.database, plan_id, claimed[1]) as frozen:
        until(lambda: frozen.unwanted)


def _lease(world: World, plan_id: UUID) -> datetime:
    with world.service.database.work() as work:
        lease = work.session.get_one(PlanRow, plan_id).lease_until
        assert lease is not None
        return lease


def test_the_samples_plan_is_made_again_when_the_first_comes_to_nothing(world: World) -> None:
    world.plan(date(2026, 11, 25), 7)  # the night's, of a city without a visit yet: not the sample's
    world.visit(), world.volunteer()
    loading = threading.Thread(
        target=sample.load, args=(world.service.database, make_city(Size.SMALL, monday=date(2026, 11, 23)))
    )
    loading.start()
    until(lambda: _plans(world) == ["ready", "queued"])
    with world.service.database.work() as work:
        work.session.scalars(select(PlanRow).where(PlanRow.status == "queued")).one().status = "failed"
    until(lambda: _plans(world) == ["ready", "failed", "queued"])
    PlanRunner(world.service.database).run_one()
    loading.join(timeout=30)
    assert _plans(world) == ["ready", "failed", "published"]
    assert [offer.state for offer in world.offers()] == ["accepted"], "and answered"


def _plans(world: World) -> list[str]:
    with world.service.database.work() as work:
        return list(work.session.scalars(select(PlanRow.status).order_by(PlanRow.asked_at)))


def test_withdrawing_asks_somebody_else_and_never_the_same(world: World) -> None:
    visit, person, other = world.visit(), world.volunteer(), world.volunteer()
    with world.service.database.work() as work:
        work.session.add(
            PublishedDayRow(day=WEDNESDAY, town_id=TOWN, plan_id=new_id(), published_at=work.now)
        )
    [offer] = world.ask(visit, person)
    mine = world.as_volunteer(person)
    mine.post(f"/offers/{offer}/accept", json={})
    [row] = world.assignments()
    assert (
        mine.post(f"/assignments/{row.assignment_id}/withdraw", json={"reason": "家里有事"}).status_code
        == 200
    )
    dispatch(world.service.database, KnownCarers())
    assert [o.person_id for o in world.offers() if o.state == "open"] == [other]


def test_a_no_that_nobody_can_make_up_for_is_mended_by_staff_not_yet_confirmed(world: World) -> None:
    """Rule 1: what is accepted, confirmed, pinned or offered stays with whom it is; only a roster's proposal moves."""
    with world.service.database.work() as work:
        work.session.add(
            PublishedDayRow(day=WEDNESDAY, town_id=TOWN, plan_id=new_id(), published_at=work.now)
        )
    line = world.line(ceiling=400)
    either = frozenset({Skill.COMPANIONSHIP, Skill.CARE})
    staffed = [world.visit() for _ in range(3)]
    accepted, offered = world.visit(), world.visit()
    declined, unsure = (make(skills=frozenset({Skill.CARE})) for make in (world.visit, world.volunteer))
    yes, asked = (world.volunteer(skills=either) for _ in range(2))
    confirmed, pinned, loose = (world.staff(skills=either) for _ in range(3))
    for visit, person in zip(staffed, (confirmed, pinned, loose), strict=True):
        world.ask(visit, person, line_id=line)
    with world.service.database.work() as work:
        for row in work.session.scalars(select(AssignmentRow)):
            row.confirmed_at = work.now if row.person_id == confirmed else None
            row.pinned = row.person_id == pinned
    world.as_volunteer(yes).post(f"/offers/{world.ask(accepted, yes)[0]}/accept", json={})
    world.ask(offered, asked)
    free = world.volunteer()
    [offer] = world.ask(declined, unsure)
    before = {a.assignment_id: (a.person_id, a.state) for a in world.assignments()}
    no = world.as_volunteer(unsure).post(f"/offers/{offer}/decline", json={"why": "not_this_time"})
    assert no.status_code == 200, no.text
    assert dispatch(world.service.database, KnownCarers()).in_vain == {}
    rows = {a.assignment_id: a for a in world.assignments()}
    changed = {rows[i].person_id: rows[i].state for i, was in before.items() if was[1] != rows[i].state}
    assert changed == {unsure: "declined", loose: "released"}
    new = {a.person_id: (a.visit_id, a.state, a.slot) for i, a in rows.items() if i not in before}
    assert new == {loose: (declined, "rostered", 1), free: (staffed[2], "offered", 1)}
    assert next(a.ended_why for a in rows.values() if a.state == "released") == "moved"
    with world.service.database.work() as work:
        assert work.session.get_one(LineRow, line).committed == 300, (
            "the place that was left draws nothing more"
        )
        assert work.session.get_one(VisitRow, declined).waiting_since is None
    mine = world.service.as_(caller(Role.ORGANISATION_STAFF, ScopeKind.ORGANISATION, ORGANISATION, loose))
    day = {"since": "2026-11-24T16:00:00Z", "until": "2026-11-25T16:00:00Z", "ended": "true"}
    listed = mine.get("/assignments", params={"person_id": str(loose), **day}).json()["items"]
    assert [(a["visit_id"], a["state"]) for a in listed] == [
        (str(staffed[2]), "released"),
        (str(declined), "rostered"),
    ], "the person sees what is gone and what has come"


def test_who_is_sought_in_vain_is_explained_over_everybody_beside_the_next_search(world: World) -> None:
    visit = world.visit()
    world.volunteer(base=Spot(lon=119.9, lat=32.9))
    with world.service.database.work() as work:
        work.session.add(
            PublishedDayRow(day=WEDNESDAY, town_id=TOWN, plan_id=new_id(), published_at=work.now)
        )
        work.session.get_one(VisitRow, visit).waiting_since = work.now
    looked = dispatch(world.service.database, KnownCarers())
    assert (looked.visits, looked.in_vain) == (1, {WEDNESDAY: [visit]})
    with world.service.database.work() as work:
        near = work.session.get_one(VisitRow, visit).unmet
    assert near is not None, "a reason stands at once"
    explain(world.service.database, KnownCarers(), WEDNESDAY, [visit])
    with world.service.database.work() as work:
        unmet = work.session.get_one(VisitRow, visit).unmet
        assert unmet is not None
        assert unmet["reason"] == "too_far"
        assert max(count for _, count in unmet["funnel"]) == 1, "the one who is too far is counted"
        work.session.get_one(VisitRow, visit).waiting_since = work.now
        work.session.get_one(VisitRow, visit).unmet = None
    explain(world.service.database, KnownCarers(), WEDNESDAY, [visit])
    with world.service.database.work() as work:
        assert work.session.get_one(VisitRow, visit).unmet is None, "it is sought for again: no old reason"


def planned_person(world: World, plan: dict[str, Any], visit_id: UUID) -> str:
    visits = world.planner.get(f"/plans/{plan['plan_id']}/visits").json()["items"]
    return str(next(v for v in visits if v["visit_id"] == str(visit_id))["places"][0]["person_id"])


def test_a_rule_that_the_office_changed_decides_the_next_plan(world: World) -> None:
    wish = {"dialect": Dialect.WU, "hard": False}
    visit = world.visit(dialect_wish=wish)
    near = world.volunteer()
    speaker = world.volunteer(base=Spot(lon=119.19, lat=32.27), dialects=frozenset({Dialect.WU}))
    assert planned_person(world, world.plan(), visit) == str(speaker)
    made = world.planner.post(
        "/rules/wish.dialect", json={"value": 0, "valid_from": str(WEDNESDAY), "why": "人手太少"}
    )
    assert made.status_code == 201
    rule = next(r for r in world.planner.get("/rules").json() if r["rule_id"] == "wish.dialect")
    assert (rule["value"], rule["standard"], len(rule["changes"])) == (30, 30, 1)  # from tomorrow on
    tomorrow = world.planner.get("/rules", params={"day": str(WEDNESDAY)}).json()
    assert next(r for r in tomorrow if r["rule_id"] == "wish.dialect")["value"] == 0
    assert planned_person(world, world.plan(), visit) == str(near)


@pytest.mark.parametrize(
    ("rule_id", "body", "status", "code"),
    [
        ("travel.minute", {"value": -3, "valid_from": "2026-12-01", "why": "远"}, 422, "rule_out_of_span"),
        ("travel.minute", {"value": -2, "valid_from": "2026-11-23", "why": "远"}, 422, "rule_in_the_past"),
        ("travel.minute", {"value": -2, "valid_from": "2026-12-01", "why": " "}, 422, None),
        ("travel.detour", {"value": 131, "valid_from": "2026-12-01", "why": "远"}, 409, "rule_fixed"),
        ("no.such", {"value": 1, "valid_from": "2026-12-01", "why": "远"}, 404, "rule_unknown"),
    ],
)
def test_a_rule_is_not_changed_beyond_its_span(
    world: World, rule_id: str, body: dict[str, Any], status: int, code: str | None
) -> None:
    answer = world.planner.post(f"/rules/{rule_id}", json=body)
    assert answer.status_code == status
    assert code is None or answer.json()["code"] == code
    town = world.service.as_(caller(Role.TOWN, ScopeKind.TOWN, TOWN))
    assert town.post(f"/rules/{rule_id}", json={**body, "why": "x"}).status_code == 403
    assert not any(r["changes"] for r in world.planner.get("/rules").json())


def test_unmet_demand_says_what_to_buy_next_and_why(world: World) -> None:
    world.volunteer()
    world.visit()
    other = new_id()
    world.visit(kind="bathing", skills=frozenset({"bathing"}), minutes=90, carers=2, community_id=other)
    world.visit(
        kind="bathing",
        skills=frozenset({"bathing"}),
        minutes=30,
        community_id=other,
        resident_ids=(new_id(), new_id()),
        channels=frozenset({"volunteer"}),
    )
    span = {"first": str(WEDNESDAY), "last": str(WEDNESDAY)}
    assert world.planner.get("/unmet-demand", params=span).json()["items"] == [], "nothing is published yet"
    assert world.publish(world.plan()).status_code == 200
    found = world.planner.get("/unmet-demand", params=span).json()
    assert (found["days"], found["asked"]) == (1, 3)
    [bathing] = found["items"]
    assert bathing == {
        "kind": "bathing",
        "community_id": str(other),
        "town_id": str(TOWN),
        "visits": 2,
        "purchasable": 1,
        "places": 3,
        "minutes": 2 * 90 + 30,
        "person_times": 3,
        "reasons": {"no_skill": 2},
    }
    elsewhere = world.service.as_(caller(Role.TOWN, ScopeKind.TOWN, new_id()))
    assert elsewhere.get("/unmet-demand", params=span).json()["items"] == []
    backwards = {"first": str(WEDNESDAY), "last": "2026-11-24"}
    assert world.planner.get("/unmet-demand", params=backwards).status_code == 422


def test_fairness_counts_places_held_or_asked_and_hides_small_groups(world: World) -> None:
    people = [world.volunteer() for _ in range(6)]
    visits = [world.visit(grade="mild") for _ in range(6)] + [world.visit(grade="severe")]
    for visit, person in zip(visits[:3], people, strict=False):
        (offer,) = world.ask(visit, person)
        assert world.as_volunteer(person).post(f"/offers/{offer}/accept", json={}).status_code == 200
    world.ask(visits[3], people[3], people[4])  # two asked for one place
    span = {"from": str(WEDNESDAY), "to": str(WEDNESDAY)}
    assert world.planner.get("/fairness", params=span).json()["mean"] is None, "nothing is published yet"
    with world.service.database.work() as work:
        day = PublishedDayRow(day=WEDNESDAY, town_id=TOWN, plan_id=new_id(), published_at=NOW)
        work.session.add(day)
    found = world.planner.get("/fairness", params=span).json()
    assert found["mean"] == round(4 / 7, 4)
    assert found["grades"] == [
        {"name": "mild", "asked": 6, "held": 4},
        {"name": "severe", "asked": None, "held": None},
    ]
    assert found["communities"] == [{"name": str(COMMUNITY), "asked": 7, "held": 4}]
    assert dict(found["load"]) == {"none": 3, "to_2": 3, "to_5": 0, "to_10": 0, "over": 0}
    elsewhere = world.service.as_(caller(Role.TOWN, ScopeKind.TOWN, new_id()))
    other = elsewhere.get("/fairness", params=span).json()
    assert (other["communities"], other["mean"]) == ([], found["mean"])
    backwards = {"from": str(WEDNESDAY), "to": "2026-11-24"}
    assert world.planner.get("/fairness", params=backwards).status_code == 422
