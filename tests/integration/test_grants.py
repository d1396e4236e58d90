"""公益创投: a grant by milestones, stopped at its mid-term review; incubation (domain.md 4; issue 5)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from services.projects.calls.tables import NoticeRow
from services.projects.grants.service import stop_late
from services.projects.grants.tables import GrantStepRow
from shared.contracts.codes import Role, ScopeKind
from shared.contracts.payments import PaymentMade
from shared.ids import new_id
from tests import ocds
from tests.buying import Purchase, organisation, purchase
from tests.conftest import NewDatabase
from tests.integration.test_awards import awarded, decide, move, publish, told
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
DAYS = (date(2026, 12, 1), date(2027, 11, 30))
MILESTONES = [
    {"kind": "start", "title": "启动", "due_on": "2026-12-10", "amount_fen": 1_200_000},
    {"kind": "midterm", "title": "中期评估", "due_on": "2027-05-31", "amount_fen": 1_200_000},
    {"kind": "final", "title": "结项报告", "due_on": "2027-11-30", "amount_fen": 600_000},
]


@pytest.fixture(scope="module")
def running(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(START)) as service:
        yield service


@pytest.fixture
def service(running: ServiceUnderTest) -> ServiceUnderTest:
    assert running.clock is not None
    running.clock.at = START
    return running


def begun(service: ServiceUnderTest) -> tuple[Purchase, str, list[str]]:
    """A grant of 30,000 yuan that runs, and its milestones."""
    buying = purchase(
        service, [(3_000_000,)], method="venture", ceiling_fen=4_000_000, price_weight=0, days=DAYS
    ).scored()
    award = awarded(buying)[0]
    publish(buying, award)
    body = {"number": f"仪公创{new_id()}"[:40], "title": "邻里助餐", "milestones": MILESTONES}
    path = f"/awards/{award['award_id']}"
    assert buying.bureau.post(f"{path}/grant", json=body).json()["code"] == "challenge_days"
    move(service, 14)
    short = {**body, "milestones": [*MILESTONES[:2], {**MILESTONES[2], "amount_fen": 1}]}
    assert buying.bureau.post(f"{path}/grant", json=short).json()["code"] == "milestones_sum"
    contract = {"number": "不是合同", "title": "合同"}
    assert buying.bureau.post(f"{path}/contract", json=contract).json()["code"] == "no_contract"
    made = buying.bureau.post(f"{path}/grant", json=body)
    assert made.status_code == 201, made.text
    shown = buying.dispatcher(0).get(f"/grants/{made.json()['id']}").json()
    return buying, shown["grant_id"], [m["milestone_id"] for m in shown["milestones"]]


def pay(buying: Purchase, milestone: str, on: str) -> Any:
    return buying.bureau.post(f"/milestones/{milestone}/pay", json={"reference": "R1", "paid_on": on})


def hand_in(buying: Purchase, milestone: str) -> Any:
    return buying.dispatcher(0).post(f"/milestones/{milestone}/evidence", json={"evidence": "签到表和照片"})


def review(buying: Purchase, milestone: str, passed: bool) -> Any:
    return buying.bureau.post(
        f"/milestones/{milestone}/review", json={"passed": passed, "review": "现场核实"}
    )


def match(buying: Purchase, grant: str) -> dict[str, str]:
    return {"If-Match": f'"{buying.bureau.get(f"/grants/{grant}").json()["version"]}"'}


def state(buying: Purchase, grant: str) -> str:
    return str(buying.bureau.get(f"/grants/{grant}").json()["state"])


def test_a_grant_from_its_start_to_its_final_report(service: ServiceUnderTest) -> None:
    buying, grant, (first, midterm, final) = begun(service)
    assert buying.line()[0] == 3_000_000, "the ceiling went down to what is granted"
    assert buying.state() == "signed"
    assert pay(buying, first, "2026-12-08").status_code == 201
    assert pay(buying, first, "2026-12-08").json()["code"] == "milestone_not_passed", "once"
    assert told(service, grant, PaymentMade)[-1].fen == 1_200_000
    of_call = buying.bureau.get(f"/grants?call_id={buying.call_id}").json()["items"]
    assert [each["grant_id"] for each in of_call] == [grant]
    assert buying.bureau.get(f"/grants?call_id={new_id()}").json()["items"] == []
    of_grant = buying.dispatcher(0).get(f"/payments?grant_id={grant}").json()["items"]
    assert [each["milestone_id"] for each in of_grant] == [first]
    assert buying.bureau.get(f"/payments?grant_id={new_id()}").json()["items"] == []
    assert pay(buying, midterm, "2026-12-08").json()["code"] == "milestone_not_passed"
    assert hand_in(buying, final).json()["code"] == "milestone_before"
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    said = {"evidence": "不是我的"}
    assert stranger.post(f"/milestones/{midterm}/evidence", json=said).status_code == 403
    for milestone in (midterm, final):
        assert hand_in(buying, milestone).status_code == 200
        reviewer = buying.bureau
        passed = {"passed": True, "review": "现场核实"}
        assert reviewer.post(f"/milestones/{milestone}/review", json=passed).status_code == 200
        alone = reviewer.post(
            f"/milestones/{milestone}/pay", json={"reference": "R1", "paid_on": "2026-12-08"}
        )
        assert alone.json()["code"] == "checked_by_payer"
        shown = reviewer.get(f"/grants/{grant}").json()["milestones"]
        assert [each["milestone_id"] for each in shown if each["reviewed_by_reader"]][-1] == milestone
        assert pay(buying, milestone, "2026-12-08").status_code == 201
    body = {"reason": "结项合格"}
    assert buying.bureau.post(f"/grants/{grant}/complete", json=body).status_code == 428
    done = buying.bureau.post(f"/grants/{grant}/complete", json=body, headers=match(buying, grant))
    assert done.status_code == 200, done.text
    assert buying.line()[:2] == (0, 3_000_000)
    assert (state(buying, grant), buying.state()) == ("completed", "closed")
    with service.database.work() as work:
        kinds = work.session.scalars(
            select(NoticeRow.kind).where(NoticeRow.about_id == UUID(grant)).order_by(NoticeRow.due_at)
        ).all()
    assert sorted(kinds) == ["acceptance", "contract"]


def test_a_failed_mid_term_review_stops_payment(service: ServiceUnderTest) -> None:
    buying, grant, (first, midterm, final) = begun(service)
    hand_in(buying, midterm)
    assert review(buying, midterm, False).status_code == 200
    assert state(buying, grant) == "stopped"
    assert pay(buying, first, "2026-12-08").json()["code"] == "grant_stopped"
    assert hand_in(buying, final).json()["code"] == "grant_stopped"
    again = {"until": "2027-01-31", "reason": "已整改"}
    old = {"If-Match": '"1"'}
    assert buying.bureau.post(f"/grants/{grant}/resume", json=again, headers=old).status_code == 412
    resumed = buying.bureau.post(f"/grants/{grant}/resume", json=again, headers=match(buying, grant))
    assert resumed.status_code == 200, resumed.text
    assert pay(buying, first, "2026-12-08").status_code == 201
    hand_in(buying, midterm)
    review(buying, midterm, False)
    told = service.as_(None).get(f"/public/notices?call_id={buying.call_id}").json()["items"]
    assert [each["kind"] for each in told if each["kind"].startswith("grant")] == [
        "grant_stopped",
        "grant_resumed",
        "grant_stopped",
    ], "public at once, each time"
    assert told[0]["body"]["reason"] == "现场核实"
    record = service.as_(None).get(f"/public/ocds/records/{buying.call_id}")
    assert record.status_code == 200, record.text
    assert not ocds.faults(record.json())
    body = {"reason": "两次中期评估不合格"}
    ended = buying.bureau.post(f"/grants/{grant}/terminate", json=body, headers=match(buying, grant))
    assert ended.status_code == 200, ended.text
    assert buying.line()[:2] == (0, 1_200_000)
    assert buying.state() == "closed"
    steps = buying.dispatcher(0).get(f"/grants/{grant}").json()["steps"]
    assert [(each["kind"], each["text"]) for each in steps] == [
        ("handed_in", "签到表和照片"),
        ("failed", "现场核实"),
        ("resumed", "已整改"),
        ("handed_in", "签到表和照片"),
        ("failed", "现场核实"),
        ("terminated", "两次中期评估不合格"),
    ], "what is handed in and reviewed anew takes nothing away"
    with pytest.raises(DBAPIError, match="never changed"), service.database.work() as work:
        work.session.execute(update(GrantStepRow).values(text="改过"))


def test_a_late_mid_term_review_stops_payment(service: ServiceUnderTest) -> None:
    buying, grant, (first, midterm, _) = begun(service)
    assert service.clock is not None
    service.clock.at = datetime(2027, 5, 31, 12, 0, tzinfo=UTC)
    stop_late(service.database)
    assert state(buying, grant) == "running", "its last day"
    service.clock.move(timedelta(days=1))
    assert pay(buying, first, "2027-06-01").json()["code"] == "midterm_late"
    assert hand_in(buying, midterm).json()["code"] == "midterm_late"
    stop_late(service.database)
    shown = buying.bureau.get(f"/grants/{grant}").json()
    assert (shown["state"], shown["stopped_reason"]) == ("stopped", "中期评估逾期未提交")
    assert [each["kind"] for each in shown["steps"]] == ["late"]
    told = service.as_(None).get(f"/public/notices?call_id={buying.call_id}").json()["items"]
    assert (told[0]["kind"], told[0]["body"]["reason"]) == ("grant_stopped", "中期评估逾期未提交")
    assert pay(buying, first, "2027-06-01").json()["code"] == "grant_stopped"


def test_a_venture_is_awarded_by_rank_while_the_money_lasts(service: ServiceUnderTest) -> None:
    buying = purchase(
        service, [(5_000_000, 5_000_000)], method="venture", winners=2, ceiling_fen=6_000_000, price_weight=0
    ).scored()
    both = [str(bid) for bid in buying.bids[0]]
    assert decide(buying, bid_ids=both, reason="都好").json()["code"] == "over_ceiling"
    assert len(awarded(buying)) == 1


def test_incubation_with_support_and_one_exit(service: ServiceUnderTest) -> None:
    bureau, who = service.as_(caller(Role.BUREAU)), organisation(service)
    body = {
        "organisation_id": str(who),
        "place": "真州镇孵化园",
        "began_on": "2026-11-01",
        "until": "2027-10-31",
        "goals": "取得 3A 等级",
    }
    made = bureau.post("/incubations", json=body)
    assert made.status_code == 201, made.text
    assert bureau.post("/incubations", json=body).json()["code"] == "incubating"
    path = f"/incubations/{made.json()['id']}"
    given = {"kind": "training", "what": "项目管理培训", "on": "2026-11-20", "fen": 50_000}
    assert bureau.post(f"{path}/support", json=given).status_code == 201
    assert bureau.post(f"{path}/support", json={**given, "on": "2026-12-20"}).status_code == 422
    own = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, who))
    assert own.get(path).json()["support"][0]["what"] == "项目管理培训"
    assert len(own.get("/incubations").json()["items"]) == 1
    gone = {"exit": "graduated", "left_on": "2026-11-24", "reason": "目标达成"}
    assert bureau.post(f"{path}/exit", json=gone).status_code == 200
    assert bureau.post(f"{path}/exit", json=gone).json()["code"] == "incubation_over"
    assert bureau.post("/incubations", json=body).status_code == 201, "it may come again"
