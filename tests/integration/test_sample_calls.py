"""The sample's calls stand in every state, came there by the service layer, and what was sealed was really opened (issue 5)."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from services.projects.bids.tables import BidRow, OpeningRow, SubmissionRow
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.contracts.tables import ContractRow
from services.projects.funds.tables import BudgetLineRow
from services.projects.grants.tables import GrantRow
from services.projects.package.verify import verify
from services.projects.payments.tables import PaymentRow
from services.projects.sample import load
from shared.clock import instant, wall_day, week_start
from shared.contracts.codes import Role
from shared.contracts.lines import ContractLineChanged
from shared.contracts.visits import DeliveryAccepted
from shared.database.outbox import OutboxRow
from shared.ids import new_id
from shared.sample import City, Size, make_city, sample_code
from tests import ocds
from tests.conftest import NewDatabase
from tests.integration.test_projects import confirmed, take
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

STATES = {
    "draft",
    "consulting",
    "published",
    "opened",
    "scored",
    "awarded",
    "signed",
    "closed",
    "archived",
    "void",
    "terminated",
}
NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        city = make_city(Size.SMALL, 1, monday=week_start(wall_day(NOW)))
        load(running.database, city)
        load(running.database, city)  # a load that is done is left as it is
        yield running


def test_calls_stand_in_every_state(service: ServiceUnderTest) -> None:
    bureau = service.as_(caller(Role.BUREAU))
    calls = bureau.get("/calls?limit=500").json()["items"]
    states = {call["state"] for call in calls}
    assert states == STATES
    assert len(calls) == 13
    assert {call["stage"] for call in calls if call["state"] == "published"} == {"published"}
    contested = [
        challenge
        for call in calls
        if call["state"] == "awarded"
        for challenge in bureau.get(f"/calls/{call['call_id']}/challenges").json()["items"]
    ]
    assert [(each["state"], each["overdue"]) for each in contested] == [("open", False)]
    with service.database.work() as work:
        assert work.session.scalar(select(func.count()).where(NoticeRow.published_at.is_(None))) == 0
        assert {row.state for row in work.session.scalars(select(GrantRow))} == {"running", "completed"}
        for line in work.session.scalars(select(BudgetLineRow)):
            assert line.allocated_fen == line.committed_fen + line.spent_fen + line.free_fen
            assert min(line.committed_fen, line.free_fen) > 0


def test_what_was_sealed_was_opened_and_every_package_verifies(service: ServiceUnderTest) -> None:
    bureau = service.as_(caller(Role.BUREAU))
    with service.database.work() as work:
        opened = list(work.session.scalars(select(OpeningRow.call_id)))
        sealed = work.session.scalar(select(func.count()).select_from(SubmissionRow))
    assert (len(opened), sealed) == (9, 25)
    for call_id in opened:
        package = bureau.get(f"/calls/{call_id}/package")
        assert package.status_code == 200, package.text
        assert [result for result in verify(package.content) if result.fault] == []


def test_each_step_lies_in_its_time_and_the_plan_rests_on_the_facts(service: ServiceUnderTest) -> None:
    with service.database.work() as work:
        for call in work.session.scalars(select(CallRow).where(CallRow.deadline_at.is_not(None))):
            assert call.published_at is not None
            assert call.deadline_at is not None
            assert call.made_at < call.published_at < call.deadline_at
            assert call.opened_at is None or call.deadline_at <= call.opened_at < NOW
        late = (
            select(func.count())
            .select_from(SubmissionRow)
            .join(CallRow, CallRow.call_id == SubmissionRow.call_id)
        )
        assert work.session.scalar(late.where(SubmissionRow.at >= CallRow.deadline_at)) == 0
        payments = list(work.session.scalars(select(PaymentRow)))
        assert len({row.by for row in payments}) == 1
        assert len(payments) == 9
        told = work.session.scalar(select(func.count()).where(OutboxRow.type == ContractLineChanged.TYPE))
        city = make_city(Size.SMALL, 1, monday=week_start(wall_day(NOW)))
        assert told == len(city.contract_lines), "no line beside those of the facts is planned with"


def the_city() -> City:
    return make_city(Size.SMALL, 1, monday=week_start(wall_day(NOW)))


def test_the_years_contract_came_out_of_a_call_and_what_is_delivered_on_it_is_paid_once(
    service: ServiceUnderTest,
) -> None:
    city, bureau, anybody = the_city(), service.as_(caller(Role.BUREAU)), service.as_(None)
    fact = city.tendered
    assert fact is not None
    contract = bureau.get(f"/contracts/{fact.contract_id}").json()
    facts = [line for line in city.contract_lines if line.contract_id == fact.contract_id]
    assert (contract["state"], contract["number"], contract["signed"]) == (
        "active",
        fact.number,
        fact.signed.isoformat(),
    )
    assert {(x["line_id"], x["balance"]["ceiling"], x["unit_price_fen"]) for x in contract["lines"]} == {
        (str(line.line_id), line.ceiling, line.unit_price_fen) for line in facts
    }
    agreement = bureau.get(f"/contracts/{fact.contract_id}/agreement").json()
    assert [s["side"] for s in agreement["signatures"]] == ["organisation", "bureau"]
    assert agreement["bond_received_on"] == fact.signed.isoformat()
    assert len(city.paper_visits) == 4
    for visit in city.paper_visits:  # as day care tells of them
        began = instant(visit.day, time(visit.start // 60))
        visit_id = new_id()
        told = confirmed(
            visit.line_id,
            visit_id,
            new_id(),
            1,
            visit.minutes,
            started_at=began,
            confirmed_at=began,
            person_id=visit.person_id,
            organisation_id=visit.organisation_id,
            kind=visit.kind,
        )
        take(service, told)
        said = DeliveryAccepted(visit_id=visit_id, accepted=True, by_role="centre", accepted_at=began)
        take(service, said)
    for _ in range(2):
        load(service.database, city)
    [paid] = bureau.get(f"/payments?contract_id={fact.contract_id}").json()["items"]
    [line] = [x for x in facts if x.line_id == city.paper_visits[0].line_id]
    assert paid["fen"] == line.unit_price_fen * 5  # twice an hour, twice an hour and a half
    shown = anybody.get("/public/contracts?limit=100").json()["items"]
    assert [x["paid_fen"] for x in shown if x["notice"]["body"]["number"] == fact.number] == [paid["fen"]]
    call_id = agreement_call(service, fact.contract_id)
    record = anybody.get(f"/public/ocds/records/ocds-linli0-{call_id}").json()["records"][0]
    [published] = record["compiledRelease"]["contracts"]
    assert [x["value"]["amount"] * 100 for x in published["implementation"]["transactions"]] == [paid["fen"]]


def test_every_published_call_is_told_as_ocds_wants_it(service: ServiceUnderTest) -> None:
    anybody = service.as_(None)
    package = anybody.get("/public/ocds/releases?limit=100").json()
    assert not ocds.faults(package)
    told: dict[str, list[dict[str, Any]]] = {}
    for release in package["releases"]:
        told.setdefault(release["ocid"], []).append(release)
    assert len(told) >= 10
    tags = {tag for releases in told.values() for release in releases for tag in release["tag"]}
    assert tags >= {"planning", "tender", "award", "contract", "implementation", "tenderCancellation"}
    for ocid, releases in told.items():
        record = anybody.get(f"/public/ocds/records/{ocid}").json()
        assert not ocds.faults(record)
        assert record["records"][0]["compiledRelease"] == ocds.merged(releases)


def agreement_call(service: ServiceUnderTest, contract_id: UUID) -> UUID:
    with service.database.work() as work:
        call_id = work.session.get_one(ContractRow, contract_id).call_id
    assert call_id is not None
    return call_id


def test_the_published_call_is_opened_with_the_samples_codes(service: ServiceUnderTest) -> None:
    assert service.clock is not None
    service.clock.move(timedelta(days=20))
    officials = [o.person.person_id for o in the_city().officials if o.role is Role.BUREAU]
    bureau = service.as_(caller(Role.BUREAU))
    [call] = [c for c in bureau.get("/calls?limit=500").json()["items"] if c["state"] == "published"]
    assert call["stage"] == "deadline_over"
    for number, person in ((3, officials[2]), (4, officials[3])):
        own = service.as_(caller(Role.BUREAU, person_id=person))
        given = own.post(f"/calls/{call['call_id']}/opening", json={"code": sample_code(f"bureau{number}")})
        assert given.status_code == 200, given.text
    now = bureau.get(f"/calls/{call['call_id']}").json()
    assert now["state"] == "opened"
    with service.database.work() as work:
        prices = [
            b.price_fen for b in work.session.scalars(select(BidRow)) if b.call_id == UUID(call["call_id"])
        ]
    assert sorted(price or 0 for price in prices) == [4000 * each for each in (4200, 4300, 4400)]
