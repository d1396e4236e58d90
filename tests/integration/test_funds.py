"""The fund's money over a real database: the equation, the entries, overspend, towns, appraisal (三.2, 五.9)."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc, func, select, text

from services.projects.funds import service as funds
from services.projects.funds.tables import BudgetEntryRow, BudgetLineRow
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.web.problems import Refused
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
TOWN, OTHER = new_id(), new_id()
CALL = new_id()


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        yield running


def bureau(service: ServiceUnderTest) -> Any:
    return service.as_(caller(Role.BUREAU))


def town(service: ServiceUnderTest, town_id: UUID) -> Any:
    return service.as_(caller(Role.TOWN, ScopeKind.TOWN, town_id))


def fund(service: ServiceUnderTest, year: int = 2026) -> str:
    answer = bureau(service).post("/funds", json={"name": f"专项资金{new_id().hex[-12:]}", "year": year})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def line(service: ServiceUnderTest, allocated: int, of: str | None = None, **more: Any) -> UUID:
    body = {
        "name": f"购买服务{new_id().hex[-12:]}",
        "purpose": "purchase",
        "allocated_fen": allocated,
        **more,
    }
    answer = bureau(service).post(f"/funds/{of or fund(service)}/lines", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def read(service: ServiceUnderTest, line_id: UUID) -> dict[str, Any]:
    answer = bureau(service).get(f"/budget-lines/{line_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(service: ServiceUnderTest, do: Callable[..., Any], *arguments: Any) -> Refused:
    with pytest.raises(Refused) as refusal, service.database.work() as work:
        do(work, *arguments)
    return refusal.value


def test_allocated_is_committed_spent_and_free(service: ServiceUnderTest) -> None:
    line_id = line(service, 1000)
    with service.database.work() as work:
        funds.commit(work, line_id, 700, "call", CALL, "发布采购")
        funds.release(work, line_id, 100, "call", CALL, "中标价低于上限")
        funds.spend(work, line_id, 250, "payment", new_id(), "十月服务费")
        funds.refund(work, line_id, 50, "payment", new_id(), "多付退回")
    now = read(service, line_id)
    assert [now[f"{name}_fen"] for name in ("allocated", "committed", "spent", "free")] == [
        1000,
        350,
        200,
        450,
    ]
    entries = bureau(service).get(f"/budget-lines/{line_id}/entries").json()["items"]
    assert [each["kind"] for each in entries] == ["allocate", "commit", "release", "spend", "refund"]
    assert [each["pos"] for each in entries] == [1, 2, 3, 4, 5]


def test_overspend_and_the_unbudgeted_are_refused_with_the_clause(service: ServiceUnderTest) -> None:
    line_id = line(service, 1000)
    over = refused(service, funds.commit, line_id, 1001, "call", CALL, "发布采购")
    assert over.code == "overspent"
    assert "三.2" in over.message
    unbudgeted = refused(service, funds.commit, None, 1, "call", CALL, "发布采购")
    assert unbudgeted.code == "unbudgeted"
    assert "102 号令" in unbudgeted.message
    uncommitted = refused(service, funds.spend, line_id, 1, "payment", new_id(), "付款")
    assert uncommitted.code == "overspent"
    assert refused(service, funds.release, line_id, 1, "call", CALL, "释放").code == "not_committed"
    assert refused(service, funds.refund, line_id, 1, "payment", CALL, "退回").code == "not_spent"
    assert refused(service, funds.commit, line_id, -1, "call", CALL, "发布采购").status == 422
    assert read(service, line_id)["free_fen"] == 1000


def test_what_is_committed_is_not_taken_back(service: ServiceUnderTest) -> None:
    line_id = line(service, 1000)
    with service.database.work() as work:
        funds.commit(work, line_id, 600, "call", CALL, "发布采购")
    path = f"/budget-lines/{line_id}/allocations"
    answer = bureau(service).post(path, json={"fen": -401, "reason": "收回"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_free")
    assert bureau(service).post(path, json={"fen": -400, "reason": "收回"}).status_code == 200
    assert read(service, line_id)["allocated_fen"] == 600


def test_3_2_a_purpose_that_the_fund_does_not_name_needs_an_approval(service: ServiceUnderTest) -> None:
    of = fund(service)
    body = {"name": "房屋修缮", "purpose": "房屋修缮", "allocated_fen": 100}
    bare = bureau(service).post(f"/funds/{of}/lines", json=body)
    assert (bare.status_code, bare.json()["code"]) == (422, "purpose_unapproved")
    approved = bureau(service).post(f"/funds/{of}/lines", json={**body, "approval": "仪财社〔2026〕12号"})
    assert approved.status_code == 201, approved.text


def test_3_2_a_town_sees_its_own_need_and_gap_and_closes_it(service: ServiceUnderTest) -> None:
    of = fund(service)
    line_id = line(service, 600, of, town_id=str(TOWN), need_fen=1000)
    line(service, 300, of, town_id=str(OTHER), need_fen=500)
    line(service, 100, of)
    assert read(service, line_id)["gap_fen"] == 400
    own = town(service, TOWN)
    assert [each["budget_line_id"] for each in own.get("/budget-lines").json()["items"]] == [str(line_id)]
    assert [each["gap_fen"] for each in own.get(f"/funds/{of}/towns").json()] == [400]
    gift = {"fen": 250, "reason": "镇财政兜底"}
    assert town(service, OTHER).get(f"/budget-lines/{line_id}").status_code == 403
    assert town(service, OTHER).post(f"/budget-lines/{line_id}/backstop", json=gift).status_code == 403
    assert own.post(f"/budget-lines/{line_id}/backstop", json=gift).status_code == 200
    version = own.get(f"/budget-lines/{line_id}").json()["version"]
    need = own.put(
        f"/budget-lines/{line_id}/need", json={"need_fen": 1100}, headers={"If-Match": f'"{version}"'}
    )
    assert need.status_code == 200, need.text
    now = read(service, line_id)
    assert (now["backstop_fen"], now["allocated_fen"], now["gap_fen"]) == (250, 850, 250)
    whole = bureau(service).get(f"/funds/{of}").json()
    assert (whole["allocated_fen"], whole["gap_fen"], whole["backstop_fen"]) == (1250, 450, 250)
    assert len(bureau(service).get(f"/funds/{of}/towns").json()) == 3


def test_a_closed_fund_commits_nothing_more_and_pays_what_it_owes(service: ServiceUnderTest) -> None:
    of = fund(service)
    line_id = line(service, 1000, of)
    with service.database.work() as work:
        funds.commit(work, line_id, 400, "call", CALL, "发布采购")
    closed = bureau(service).post(f"/funds/{of}/close", headers={"If-Match": '"1"'})
    assert closed.status_code == 200, closed.text
    assert refused(service, funds.commit, line_id, 1, "call", CALL, "发布采购").code == "fund_closed"
    answer = bureau(service).post(f"/budget-lines/{line_id}/allocations", json={"fen": 1, "reason": "追加"})
    assert answer.json()["code"] == "fund_closed"
    with service.database.work() as work:
        funds.spend(work, line_id, 400, "payment", new_id(), "付款")
    assert read(service, line_id)["spent_fen"] == 400


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE budget_entry SET committed_fen = 0",
        "DELETE FROM budget_entry",
        "UPDATE budget_line SET free_fen = free_fen + 1",
        "UPDATE budget_line SET spent_fen = spent_fen + 1, free_fen = free_fen - 1",
        "UPDATE budget_line SET backstop_fen = backstop_fen + 1",
        """INSERT INTO budget_entry SELECT gen_random_uuid(), budget_line_id, 1000 + pos, 'commit', 0, 1, 0, 'call',
            about_id, '', NULL, at FROM budget_entry""",
        """INSERT INTO budget_entry SELECT gen_random_uuid(), budget_line_id, 1000 + pos, 'spend', 0, 0, 1, 'call',
            about_id, '', NULL, at FROM budget_entry""",
    ],
)
def test_the_database_itself_refuses_what_does_not_add_up(service: ServiceUnderTest, statement: str) -> None:
    line(service, 1000)
    with pytest.raises(exc.DBAPIError), service.database.work() as work:
        work.session.execute(text(statement))


MOVES = {
    "allocate": lambda work, line_id, fen: funds.allocate(work, line_id, fen or 1, "安排"),
    "take_back": lambda work, line_id, fen: funds.allocate(work, line_id, -(fen or 1), "收回"),
    "commit": lambda work, line_id, fen: funds.commit(work, line_id, fen, "call", CALL, "占用"),
    "release": lambda work, line_id, fen: funds.release(work, line_id, fen, "call", CALL, "释放"),
    "spend": lambda work, line_id, fen: funds.spend(work, line_id, fen, "payment", CALL, "支付"),
    "refund": lambda work, line_id, fen: funds.refund(work, line_id, fen, "payment", CALL, "退回"),
}


def held(service: ServiceUnderTest, line_id: UUID) -> BudgetLineRow:
    """The line, after its equation and the sums of its entries have been looked at."""
    with service.database.work() as work:
        row = work.session.get_one(BudgetLineRow, line_id)
        kinds = (BudgetEntryRow.allocated_fen, BudgetEntryRow.committed_fen, BudgetEntryRow.spent_fen)
        sums = work.session.execute(
            select(*(func.coalesce(func.sum(kind), 0) for kind in kinds)).where(
                BudgetEntryRow.budget_line_id == line_id
            )
        ).one()
        places = work.session.scalars(
            select(BudgetEntryRow.pos)
            .where(BudgetEntryRow.budget_line_id == line_id)
            .order_by(BudgetEntryRow.pos)
        ).all()
    assert row.allocated_fen == row.committed_fen + row.spent_fen + row.free_fen
    assert min(row.allocated_fen, row.committed_fen, row.spent_fen, row.free_fen) >= 0
    assert tuple(map(int, sums)) == (row.allocated_fen, row.committed_fen, row.spent_fen)
    assert list(places) == list(range(1, len(places) + 1))
    return row


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 900)), max_size=20))
def test_whatever_happens_the_equation_holds(
    service: ServiceUnderTest, history: list[tuple[str, int]]
) -> None:
    line_id = line(service, 1000)
    for name, fen in history:
        before = held(service, line_id)
        limit = {
            "take_back": before.free_fen,
            "commit": before.free_fen,
            "release": before.committed_fen,
            "spend": before.committed_fen,
            "refund": before.spent_fen,
        }.get(name)
        amount = fen or 1 if name == "take_back" else fen
        try:
            with service.database.work() as work:
                MOVES[name](work, line_id, fen)
        except Refused:
            assert limit is not None
            assert amount > limit, f"{name} {fen} was refused for nothing"
        else:
            assert limit is None or amount <= limit, f"{name} {fen} went beyond {limit}"
        held(service, line_id)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_many_at_once_keep_the_equation_and_never_overspend(
    service: ServiceUnderTest, seed: int, threads: int
) -> None:
    line_id = line(service, 2000)
    start = threading.Barrier(threads)
    faults: list[BaseException] = []
    done = [0] * threads

    def act(number: int) -> None:
        chance = random.Random(seed * 100 + number)
        start.wait()
        for _ in range(12):
            name = chance.choice(sorted(MOVES))
            try:
                with service.database.work() as work:
                    MOVES[name](work, line_id, chance.randint(1, 700))
                done[number] += 1
            except Refused:
                continue
            except BaseException as fault:
                faults.append(fault)

    running = [threading.Thread(target=act, args=(n,)) for n in range(threads)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert faults == []
    held(service, line_id)
    with service.database.work() as work:
        entries = work.session.scalar(
            select(func.count()).where(BudgetEntryRow.budget_line_id == line_id).select_from(BudgetEntryRow)
        )
    assert entries == 1 + sum(done)


def test_ten_commitments_of_a_third_at_once_let_three_through(service: ServiceUnderTest) -> None:
    line_id = line(service, 1000)
    outcomes: list[str] = []

    def act() -> None:
        try:
            with service.database.work() as work:
                funds.commit(work, line_id, 333, "call", new_id(), "发布采购")
            outcomes.append("done")
        except Refused as refusal:
            outcomes.append(refusal.code)

    running = [threading.Thread(target=act) for _ in range(10)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert sorted(outcomes) == ["done"] * 3 + ["overspent"] * 7
    assert held(service, line_id).free_fen == 1


APPRAISAL = {
    "indicators": [
        {
            "name": "居民对居家养老服务的满意度",
            "satisfaction": True,
            "weight": 60,
            "points": 9100,
            "asked": 400,
            "answered": 312,
        },
        {"name": "服务按约完成率", "weight": 40, "points": 9650},
    ],
    "summary": "资金按预算使用。",
}


def test_5_9_a_forbidden_indicator_is_refused_with_its_clause(service: ServiceUnderTest) -> None:
    of = fund(service)
    body = {
        **APPRAISAL,
        "indicators": [APPRAISAL["indicators"][0], {"name": "台账完整率", "weight": 40, "points": 1}],
    }
    answer = bureau(service).put(f"/funds/{of}/appraisal", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "indicator_forbidden")
    assert "五.9" in answer.json()["detail"]
    assert answer.json()["errors"][0]["field"] == "indicators.1.name"


def test_an_appraisal_is_written_published_and_then_stays(service: ServiceUnderTest) -> None:
    of = fund(service, 2025)
    line(service, 100, of, town_id=str(TOWN))
    path = f"/funds/{of}/appraisal"
    assert bureau(service).get(f"/funds/{of}").json()["appraisal_overdue"] is True, "due on 2026-03-31"
    with service.database.work() as work:
        assert of in {str(row.fund_id) for row in funds.overdue_appraisals(work)}
    assert bureau(service).get(path).status_code == 404
    assert bureau(service).put(path, json=APPRAISAL).status_code == 200
    assert bureau(service).put(path, json=APPRAISAL).status_code == 428
    assert bureau(service).put(path, json=APPRAISAL, headers={"If-Match": '"9"'}).status_code == 412
    assert town(service, TOWN).get(path).status_code == 404, "not public yet"
    assert bureau(service).post(f"{path}/publish").status_code == 200
    shown = town(service, TOWN).get(path).json()
    assert (shown["score"], shown["due_on"]) == (9320, "2026-03-31")
    assert shown["published_at"] is not None
    again = bureau(service).put(path, json=APPRAISAL, headers={"If-Match": '"2"'})
    assert (again.status_code, again.json()["code"]) == (409, "appraisal_published")
    assert bureau(service).get(f"/funds/{of}").json()["appraisal_overdue"] is False
    with service.database.work() as work:
        assert of not in {str(row.fund_id) for row in funds.overdue_appraisals(work)}


def test_this_years_appraisal_is_not_overdue(service: ServiceUnderTest) -> None:
    assert bureau(service).get(f"/funds/{fund(service)}").json()["appraisal_overdue"] is False


def test_the_same_fund_twice_is_refused(service: ServiceUnderTest) -> None:
    body = {"name": "社区建设专项资金", "year": 2026}
    assert bureau(service).post("/funds", json=body).status_code == 201
    again = bureau(service).post("/funds", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "fund_taken")
