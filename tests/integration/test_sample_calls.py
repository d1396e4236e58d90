"""The sample's calls stand in every state, came there by the service layer, and what was sealed was really opened (issue 5)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from services.projects.bids.tables import OpeningRow, SubmissionRow
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.funds.tables import BudgetLineRow
from services.projects.grants.tables import GrantRow
from services.projects.package.verify import verify
from services.projects.payments.tables import PaymentRow
from services.projects.sample import load
from shared.clock import wall_day, week_start
from shared.contracts.codes import Role
from shared.contracts.lines import ContractLineChanged
from shared.database.outbox import OutboxRow
from shared.sample import Size, make_city
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

STATES = {
    "draft",
    "consulting",
    "published",
    "opened",
    "awarded",
    "signed",
    "closed",
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
    assert len(calls) == 10
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
    assert (len(opened), sealed) == (6, 14)
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
        assert len(payments) == 5
        told = work.session.scalar(select(func.count()).where(OutboxRow.type == ContractLineChanged.TYPE))
        city = make_city(Size.SMALL, 1, monday=week_start(wall_day(NOW)))
        assert told == len(city.contract_lines), "no line beside those of the facts is planned with"
