"""Calls over their own database: each refusal with its clause, each step with what it leaves (domain.md 8.20, 8.21)."""

import itertools
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import exc, func, select, text

from services.projects import handlers
from services.projects.bids.tables import OpenerKeyRow
from services.projects.calls import notices
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.calls.workdays import workdays_after
from services.projects.funds import service as funds
from services.projects.funds.schemas import NewBudgetLine, NewFund
from services.projects.funds.tables import BudgetLineRow
from shared.contracts.areas import CalendarDay
from shared.contracts.codes import Role, ScopeKind
from shared.database.outbox import OutboxRow
from shared.ids import new_id
from tests.bidding import say_controllers
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, Session, caller, service_under_test

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # a Tuesday, 9 o'clock in the city
OPENERS = [new_id(), new_id()]
YEARS = itertools.count(2017)
LOT = {"name": "生活照料", "ceiling_fen": 36_000_000, "valid_from": "2027-03-01", "valid_to": "2027-12-31"}
LINE = {"name": "生活照料", "kinds": ["care"], "unit": "hour", "units": 800_000, "unit_ceiling_fen": 4500}
CRITERIA = [
    {"name": "报价", "kind": "price", "weight": 20, "guide": "最低价除以报价"},
    {"name": "服务方案", "kind": "quality", "weight": 80, "guide": "完整 60，详细 80"},
]


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        with running.database.work() as work:
            for person in OPENERS:
                # public keys of opening codes nobody knows: these calls are never opened
                work.session.add(OpenerKeyRow(person_id=person, public_key=_a_key(), made_at=NOW))
        yield running


@pytest.fixture(autouse=True)
def at_nine(service: ServiceUnderTest) -> None:
    assert service.clock
    service.clock.at = NOW


def _a_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate().public_key().public_bytes_raw()


def bureau(service: ServiceUnderTest) -> Session:
    return service.as_(caller(Role.BUREAU))


def anyone(service: ServiceUnderTest) -> Session:
    return service.as_(None)


def dispatcher(service: ServiceUnderTest, organisation: UUID) -> Session:
    return service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, organisation))


def move(service: ServiceUnderTest, **by: float) -> None:
    assert service.clock
    service.clock.move(timedelta(**by))


def budget_line(service: ServiceUnderTest, fen: int = 10**10, purpose: str = "purchase", **more: Any) -> UUID:
    with service.database.work() as work:
        fund = funds.add_fund(work, NewFund(name=str(new_id()), year=2026))
        new = NewBudgetLine(name="居家养老", purpose=purpose, allocated_fen=fen, **more)
        return funds.add_line(work, fund, new).budget_line_id


def balances(service: ServiceUnderTest, line: UUID) -> tuple[int, int, int]:
    with service.database.work() as work:
        row = work.session.get_one(BudgetLineRow, line)
        return row.committed_fen, row.spent_fen, row.free_fen


def a_draft(service: ServiceUnderTest, **changes: Any) -> dict[str, Any]:
    """A whole draft for a community of its own."""
    line = {**LINE, "community_ids": [str(new_id())]}
    return {
        "title": "居家养老上门服务采购",
        "method": "open_tender",
        "description": "为高龄、独居老人提供生活照料。",
        "theme": "elder_care",
        "beneficiaries": ["old"],
        "gate_number": "准入〔2026〕17号",
        "gate_day": "2026-11-02",
        "gate_approver": "社区事务准入办公室",
        "budget_line_id": str(budget_line(service)) if "budget_line_id" not in changes else None,
        "ceiling_fen": 36_000_000,
        "bid_bond_percent": 2,
        "performance_bond_percent": 10,
        "negative_checked": True,
        "lots": [{**LOT, "lines": [line]}],
        "criteria": CRITERIA,
        **changes,
    }


def drafted(service: ServiceUnderTest, body: dict[str, Any]) -> str:
    made = bureau(service).post("/calls", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def read(service: ServiceUnderTest, call: str) -> dict[str, Any]:
    answer = bureau(service).get(f"/calls/{call}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def step(
    service: ServiceUnderTest, call: str, name: str, body: Any = None, version: int | None = None
) -> Any:
    seen = version or read(service, call)["version"]
    return bureau(service).post(f"/calls/{call}/{name}", json=body or {}, headers={"If-Match": f'"{seen}"'})


def publication(service: ServiceUnderTest, days: float = 21, **changes: Any) -> dict[str, Any]:
    assert service.clock
    deadline = (service.clock() + timedelta(days=days)).isoformat()
    return {"deadline_at": deadline, "opener_ids": [str(p) for p in OPENERS], **changes}


def consulted(service: ServiceUnderTest, body: dict[str, Any]) -> str:
    call = drafted(service, body)
    answer = step(service, call, "consult")
    assert answer.status_code == 200, answer.text
    move(service, days=6)
    return call


def published(service: ServiceUnderTest, body: dict[str, Any] | None = None, **publication_: Any) -> str:
    call = consulted(service, body or a_draft(service))
    answer = step(service, call, "publish", publication(service, **publication_))
    assert answer.status_code == 200, answer.text
    return call


def faults(answer: Any) -> dict[str, set[str]]:
    """What an answer refuses, by field; each names a clause."""
    assert answer.status_code == 409, answer.text
    found: dict[str, set[str]] = {}
    for error in answer.json()["errors"]:
        assert "（" in error["message"] or error["rule"] == "questions_until", error
        found.setdefault(error["field"], set()).add(error["rule"])
    return found


def test_8_20_everything_missing_is_refused_at_once_each_with_its_clause(service: ServiceUnderTest) -> None:
    call = drafted(service, {"title": "空白", "method": "open_tender"})
    wanted = {
        "gate_number": {"gate_number_missing"},
        "gate_day": {"gate_day_missing"},
        "gate_approver": {"gate_approver_missing"},
        "budget_line_id": {"budget_line_missing"},
        "ceiling_fen": {"ceiling_missing"},
        "theme": {"theme_missing"},
        "beneficiaries": {"beneficiary_missing"},
        "negative_checked": {"negative_list_unchecked"},
    }
    assert faults(step(service, call, "consult")) == wanted
    at_publication = faults(step(service, call, "publish", publication(service, days=1, opener_ids=[])))
    assert at_publication == {
        **wanted,
        "criteria": {"weights_not_100", "price_weight_out_of_bounds"},
        "lots": {"lots_missing"},
        "consulted_until": {"not_consulted"},
        "deadline_at": {"too_few_days"},
        "opener_ids": {"too_few_openers"},
    }
    assert {m["field"] for m in read(service, call)["missing"]} == {
        *wanted,
        "criteria",
        "lots",
        "consulted_until",
    }
    english = bureau(service).get(f"/calls/{call}", headers={"Accept-Language": "en"}).json()["missing"]
    assert not any("没有" in m["message"] for m in english)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"gate_day": "2026-12-30"}, "gate_day", "gate_day_ahead"),
        ({"title": "社区编外人员劳务派遣"}, "description", "on_negative_list"),
        ({"bid_bond_percent": 3}, "bid_bond_percent", "bid_bond_too_high"),
        ({"performance_bond_percent": 11}, "performance_bond_percent", "performance_bond_too_high"),
        ({"criteria": [CRITERIA[0], {**CRITERIA[1], "weight": 79}]}, "criteria", "weights_not_100"),
        ({"criteria": [{**CRITERIA[1], "weight": 100}]}, "criteria", "price_weight_out_of_bounds"),
        (
            {"criteria": [CRITERIA[0], {**CRITERIA[0], "weight": 80}]},
            "criteria",
            "prices_twice",
        ),
        ({"ceiling_fen": 35_999_999}, "ceiling_fen", "lots_do_not_sum"),
        ({"lots": [LOT]}, "lots.0.lines", "lines_missing"),
        ({"invited": [str(new_id())]}, "invited", "not_by_invitation"),
    ],
)
def test_8_21_a_call_that_breaks_a_rule_is_not_published(
    service: ServiceUnderTest, changes: dict[str, Any], field: str, code: str
) -> None:
    made = bureau(service).post("/calls", json=a_draft(service, **changes))
    found = faults(step(service, made.json()["id"], "publish", publication(service)))
    assert code in found[field], found


@pytest.mark.parametrize(
    ("lot", "line", "field", "code"),
    [
        ({}, {"units": 800_001}, "lots.0.lines", "lines_above_lot"),
        ({"valid_to": "2030-03-01"}, {}, "lots.0.valid_to", "contract_too_long"),
        ({"winners": 2}, {}, "lots.0.winners", "one_winner"),
        ({"valid_from": "2026-12-01"}, {}, "lots.0.valid_from", "begins_before_deadline"),
    ],
)
def test_8_21_a_lot_that_breaks_a_rule_is_not_published(
    service: ServiceUnderTest, lot: dict[str, Any], line: dict[str, Any], field: str, code: str
) -> None:
    bought = {**LINE, "community_ids": [str(new_id())], **line}
    body = a_draft(service, lots=[{**LOT, "lines": [bought], **lot}])
    assert code in faults(step(service, drafted(service, body), "publish", publication(service)))[field]


def test_8_20_money(service: ServiceUnderTest) -> None:
    short = budget_line(service, 35_999_999)
    call = drafted(service, a_draft(service, budget_line_id=str(short)))
    assert faults(step(service, call, "consult")) == {"budget_line_id": {"budget_short"}}
    nowhere = bureau(service).post("/calls", json=a_draft(service, budget_line_id=str(new_id())))
    assert [e["rule"] for e in nowhere.json()["errors"]] == ["budget_line_unknown"]
    other = budget_line(service, purpose="training")
    call = drafted(service, a_draft(service, budget_line_id=str(other)))
    assert faults(step(service, call, "consult")) == {"budget_line_id": {"purpose_differs"}}


def test_8_21_methods_have_their_own_terms(service: ServiceUnderTest) -> None:
    """Days to the deadline and the price's share differ by method; so do the words."""
    days = {"open_tender": 20, "consultation": 10, "single_source": 7, "framework": 20, "venture": 15}
    words = {
        "open_tender": "中标",
        "consultation": "成交",
        "single_source": "成交",
        "framework": "入围",
        "venture": "立项",
    }
    for method, least in days.items():
        call = drafted(service, a_draft(service, method=method))
        shown = read(service, call)
        assert shown["terms"]["bid_days"] == least
        assert shown["words"]["award"] == words[method]
        found = faults(step(service, call, "publish", publication(service, days=least - 0.001)))
        assert "too_few_days" in found["deadline_at"], method
        found = faults(step(service, call, "publish", publication(service, days=least)))
        assert "deadline_at" not in found, method
    too_dear = [{**CRITERIA[0], "weight": 31}, {**CRITERIA[1], "weight": 69}]
    call = drafted(service, a_draft(service, method="consultation", criteria=too_dear))
    assert (
        "price_weight_out_of_bounds"
        in faults(step(service, call, "publish", publication(service)))["criteria"]
    )


def test_single_source_says_why_and_whom_and_hears_nobody(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service, method="single_source"))
    assert step(service, call, "consult").json()["code"] == "no_consultation"
    found = faults(step(service, call, "publish", publication(service)))
    assert found == {"method_reason": {"method_reason_missing"}, "invited": {"sole_supplier_missing"}}
    sole = str(new_id())
    body = a_draft(service, method="single_source", method_reason="只有一家有资质。", invited=[sole])
    call = drafted(service, body)
    assert step(service, call, "publish", publication(service)).status_code == 200
    assert anyone(service).get(f"/public/calls/{call}").json()["sole_supplier_id"] == sole


def test_consultation_by_invitation_asks_at_least_three(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service, method="consultation", invited=[str(new_id()), str(new_id())]))
    assert faults(step(service, call, "publish", publication(service)))["invited"] == {"too_few_invited"}


def test_venture_calls_have_several_winners_and_a_cap(service: ServiceUnderTest) -> None:
    line = str(budget_line(service, purpose="venture"))
    quality = [{**CRITERIA[1], "weight": 100}]
    lot = {**LOT, "winners": 6, "lines": []}
    body = a_draft(
        service, method="venture", budget_line_id=line, criteria=quality, lots=[{**lot, "winners": 5}]
    )
    found = faults(step(service, drafted(service, body), "publish", publication(service)))
    assert found == {"lots.0.ceiling_fen": {"grants_too_high"}, "consulted_until": {"not_consulted"}}
    call = published(service, {**body, "lots": [lot]})
    assert read(service, call)["number"].startswith("YC-2026-")


def test_the_public_is_heard_and_answered_before_publication(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service))
    assert anyone(service).get(f"/public/calls/{call}").status_code == 404, "a draft is nobody's to read"
    assert anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "好"}).status_code == 404
    assert faults(step(service, call, "consult", {"until": "2026-11-28"})) == {
        "until": {"consulted_too_short"}
    }
    assert step(service, call, "consult").status_code == 200
    assert read(service, call)["consulted_until"] == "2026-11-29"
    said = anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "希望周末也有人上门。"})
    assert said.status_code == 201
    assert (
        anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "多" * 1001}).status_code == 422
    )
    assert anyone(service).get(f"/public/calls/{call}").json()["opinions"] == []
    found = faults(step(service, call, "publish", publication(service)))
    assert found == {"consulted_until": {"still_consulting"}}
    move(service, days=6)
    assert read(service, call)["stage"] == "consulted"
    late = anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "晚了"})
    assert late.json()["code"] == "not_consulting"
    assert faults(step(service, call, "publish", publication(service))) == {
        "opinions": {"opinions_unanswered"}
    }
    answer = bureau(service).post(f"/opinions/{said.json()['id']}/answer", json={"text": "已加入周末时段。"})
    assert answer.status_code == 200
    again = bureau(service).post(f"/opinions/{said.json()['id']}/answer", json={"text": "再答"})
    assert again.json()["code"] == "answered"
    [opinion] = anyone(service).get(f"/public/calls/{call}").json()["opinions"]
    assert opinion["answer"] == "已加入周末时段。"
    assert step(service, call, "publish", publication(service)).status_code == 200


def test_opinions_are_bounded_in_number(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service))
    step(service, call, "consult")
    with service.database.work() as work:
        work.session.execute(
            text(
                "INSERT INTO opinion (opinion_id, call_id, text, at)"
                " SELECT gen_random_uuid(), :call, '好', now() FROM generate_series(1, 500)"
            ),
            {"call": call},
        )
    full = anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "还有"})
    assert full.json()["code"] == "too_many"


def test_an_address_may_say_only_so_much_an_hour(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service))
    step(service, call, "consult")

    def say(address: str) -> Any:
        headers = {"X-Forwarded-For": address}
        return anyone(service).post(f"/public/calls/{call}/opinions", json={"text": "好"}, headers=headers)

    assert [say("10.9.9.9").status_code for _ in range(10)] == [201] * 10
    refused = say("10.9.9.9")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_tries")
    assert refused.headers["Retry-After"] == "3600"
    assert say("10.9.9.8").status_code == 201
    move(service, hours=1)
    assert say("10.9.9.9").status_code == 201


def test_8_20_publishing_numbers_freezes_commits_and_tells(service: ServiceUnderTest) -> None:
    line = budget_line(service, 40_000_000)
    call = published(service, a_draft(service, budget_line_id=str(line)))
    assert balances(service, line) == (36_000_000, 0, 4_000_000)
    shown = read(service, call)
    assert shown["number"].startswith("ZC-2026-")
    assert (shown["state"], shown["missing"]) == ("published", [])
    body = a_draft(service)
    changed = bureau(service).put(f"/calls/{call}", json=body, headers={"If-Match": f'"{shown["version"]}"'})
    assert changed.json()["code"] == "call_frozen"
    for statement in (
        "UPDATE criterion SET weight = weight - 1 WHERE call_id = :call",
        "UPDATE lot SET ceiling_fen = ceiling_fen + 1 WHERE call_id = :call",
        "DELETE FROM lot_line WHERE lot_id IN (SELECT lot_id FROM lot WHERE call_id = :call)",
    ):
        with pytest.raises(exc.IntegrityError, match="frozen"), service.database.work() as work:
            work.session.execute(text(statement), {"call": call})
    public = anyone(service).get(f"/public/calls/{call}").json()
    assert [n["kind"] for n in public["notices"]] == ["consultation", "call"]
    assert public["notices"][1]["body"]["criteria"][0]["weight"] == 20
    with service.database.work() as work:
        told = work.session.scalars(
            select(OutboxRow).where(OutboxRow.key == call).order_by(OutboxRow.aggregate_version)
        ).all()
    said = [json.loads(row.payload) for row in told]
    assert [each["state"] for each in said] == ["consulting", "published"]
    assert said[-1]["number"] == shown["number"]


def test_what_is_public_names_no_opener_no_approver_and_no_asker(service: ServiceUnderTest) -> None:
    call = published(service)
    organisation = _organisation(service)
    dispatcher(service, organisation).post(
        f"/calls/{call}/questions", json={"organisation_id": str(organisation), "text": "路途时间计入吗？"}
    )
    bureau(service).post(f"/questions/{_question(service, call)}/answer", json={"text": "不计入。"})
    told = anyone(service).get(f"/public/calls/{call}").text
    told += anyone(service).get("/public/calls").text + anyone(service).get("/public/notices").text
    assert "不计入。" in told
    for hidden in (str(organisation), *map(str, OPENERS), "社区事务准入办公室", "public_key", '"share"'):
        assert hidden not in told


def _organisation(service: ServiceUnderTest) -> UUID:
    from stdnum.cn import uscc

    body = f"5232108{next(YEARS):010d}"
    made = bureau(service).post(
        "/organisations",
        json={
            "name": "康乐为老服务中心",
            "kind": "social_organisation",
            "credit_code": body + uscc.calc_check_digit(body),
            "phone": "0514-83400000",
            "address": "解放东路1号",
            "lon": 119.18,
            "lat": 32.27,
        },
    )
    assert made.status_code == 201, made.text
    say_controllers(service, UUID(made.json()["id"]))
    return UUID(made.json()["id"])


def _question(service: ServiceUnderTest, call: str) -> str:
    return str(read(service, call)["questions"][-1]["question_id"])


def test_questions_are_asked_in_time_and_answered_in_public(service: ServiceUnderTest) -> None:
    call = published(service, days=21)
    organisation = _organisation(service)
    body = {"organisation_id": str(organisation), "text": "路途时间计入服务时长吗？"}
    ask = f"/calls/{call}/questions"
    assert dispatcher(service, new_id()).post(ask, json=body).status_code == 403
    assert dispatcher(service, organisation).post(ask, json=body).status_code == 201
    assert anyone(service).get(f"/public/calls/{call}").json()["questions"] == []
    own = dispatcher(service, organisation).get(f"/organisations/{organisation}/questions").json()
    assert [q["answer"] for q in own] == [None]
    answer = bureau(service).post(f"/questions/{_question(service, call)}/answer", json={"text": "不计入。"})
    assert answer.status_code == 200
    [shown] = anyone(service).get(f"/public/calls/{call}").json()["questions"]
    assert (shown["text"], shown["answer"]) == (body["text"], "不计入。")
    assert "organisation_id" not in shown
    dispatcher(service, organisation).post(ask, json=body)
    move(service, days=6, seconds=1)  # 15 days are left of 21
    assert dispatcher(service, organisation).post(ask, json=body).json()["code"] == "questions_over"
    move(service, days=15)
    late = bureau(service).post(f"/questions/{_question(service, call)}/answer", json={"text": "晚了。"})
    assert late.json()["code"] == "deadline_over"


def test_an_amendment_that_touches_bids_leaves_the_rules_days(service: ServiceUnderTest) -> None:
    call = published(service, days=21)
    assert service.clock
    move(service, days=7)
    path, before = f"/calls/{call}/amendments", read(service, call)["deadline_at"]
    plain = bureau(service).post(path, json={"text": "更正错别字。", "touches_bids": False})
    assert plain.status_code == 201
    assert read(service, call)["deadline_at"] == before
    refused = bureau(service).post(path, json={"text": "服务时段改为 7–19 时。", "touches_bids": True}).json()
    assert (refused["code"], refused["errors"][0]["field"]) == ("deadline_too_near", "deadline_at")
    assert "第三十一条" in refused["detail"]
    earlier = (service.clock() + timedelta(days=1)).isoformat()
    said = {"text": "提前。", "touches_bids": False, "deadline_at": earlier}
    assert bureau(service).post(path, json=said).json()["code"] == "deadline_earlier"
    later = (service.clock() + timedelta(days=15)).isoformat()
    said = {"text": "服务时段改为 7–19 时。", "touches_bids": True, "deadline_at": later}
    assert bureau(service).post(path, json=said).status_code == 201
    shown = anyone(service).get(f"/public/calls/{call}").json()
    assert [a["touches_bids"] for a in shown["amendments"]] == [False, True]
    assert datetime.fromisoformat(shown["deadline_at"]) == service.clock() + timedelta(days=15)
    assert [n["kind"] for n in shown["notices"]].count("amendment") == 2
    move(service, days=15)
    assert (
        bureau(service).post(path, json={"text": "晚了。", "touches_bids": False}).json()["code"]
        == "deadline_over"
    )


def test_a_split_purchase_is_refused(service: ServiceUnderTest) -> None:
    """Each under the threshold, together above it, for one community and one service within a year."""
    community = str(new_id())

    def part(fen: int, method: str = "consultation", of: str = community) -> dict[str, Any]:
        line = {**LINE, "community_ids": [of, str(new_id())], "units": fen // 50, "unit_ceiling_fen": 5000}
        return a_draft(
            service, method=method, ceiling_fen=fen, lots=[{**LOT, "ceiling_fen": fen, "lines": [line]}]
        )

    first = published(service, part(60_000_000))
    fits = published(service, part(40_000_000))
    call = consulted(service, part(10_000_000))
    refused = step(service, call, "publish", publication(service))
    assert faults(refused) == {"lots": {"split_purchase"}}
    assert read(service, first)["number"] in refused.json()["errors"][0]["message"]
    assert published(service, part(10_000_000, of=str(new_id())))
    step(service, fits, "terminate", {"reason": "不再需要。"})
    assert step(service, call, "publish", publication(service)).status_code == 200, (
        "what was given up does not count"
    )


def test_two_halves_of_a_split_purchase_at_once(service: ServiceUnderTest) -> None:
    community = str(new_id())
    line = {**LINE, "community_ids": [community], "units": 1_200_000, "unit_ceiling_fen": 5000}
    lot = {**LOT, "ceiling_fen": 60_000_000, "lines": [line]}
    body = a_draft(service, method="consultation", ceiling_fen=60_000_000, lots=[lot])
    halves = [drafted(service, body), drafted(service, body)]
    for half in halves:
        assert step(service, half, "consult").status_code == 200
    move(service, days=6)
    answers: list[int] = []
    wanted = publication(service)

    def go(half: str, version: int) -> None:
        answers.append(step(service, half, "publish", wanted, version).status_code)

    threads = [threading.Thread(target=go, args=(h, read(service, h)["version"])) for h in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409]


def test_openers_have_keys(service: ServiceUnderTest) -> None:
    call = consulted(service, a_draft(service))
    without = publication(service, opener_ids=[str(OPENERS[0]), str(new_id())])
    assert faults(step(service, call, "publish", without)) == {"opener_ids": {"opener_without_key"}}
    twice = publication(service, opener_ids=[str(OPENERS[0])] * 2)
    assert faults(step(service, call, "publish", twice)) == {"opener_ids": {"too_few_openers"}}


def test_a_draft_changes_only_for_who_saw_it(service: ServiceUnderTest) -> None:
    call = drafted(service, a_draft(service))
    changed = a_draft(service, title="改过的")
    assert bureau(service).put(f"/calls/{call}", json=changed).status_code == 428
    assert bureau(service).put(f"/calls/{call}", json=changed, headers={"If-Match": '"1"'}).status_code == 200
    assert bureau(service).put(f"/calls/{call}", json=changed, headers={"If-Match": '"1"'}).status_code == 412
    assert (read(service, call)["title"], read(service, call)["version"]) == ("改过的", 2)
    assert bureau(service).post(f"/calls/{call}/publish", json=publication(service)).status_code == 428


def test_a_call_that_ends_gives_its_money_back_and_begins_anew(service: ServiceUnderTest) -> None:
    line = budget_line(service, 40_000_000)
    call = published(service, a_draft(service, budget_line_id=str(line)))
    assert step(service, call, "successor").json()["code"] == "nothing_to_repeat"
    assert step(service, call, "void", {"reason": "早了"}).json()["code"] == "not_yet_due"
    assert step(service, call, "terminate", {"reason": "预算调整，不再需要。"}).status_code == 200
    assert balances(service, line) == (0, 0, 40_000_000)
    shown = anyone(service).get(f"/public/calls/{call}").json()
    assert (shown["state"], shown["ended_reason"]) == ("terminated", "预算调整，不再需要。")
    assert [lot["state"] for lot in shown["lots"]] == ["void"]
    assert shown["notices"][-1]["kind"] == "ended"
    assert step(service, call, "terminate", {"reason": "再"}).json()["code"] == "wrong_state"
    made = step(service, call, "successor")
    assert made.status_code == 201, made.text
    again = read(service, made.json()["id"])
    assert (again["state"], again["predecessor_id"], again["number"]) == ("draft", call, None)
    for name in ("title", "ceiling_fen", "theme", "gate_number", "budget_line_id"):
        assert again[name] == read(service, call)[name]
    assert [c["weight"] for c in again["criteria"]] == [20, 80]
    assert [lot["lines"][0]["units"] for lot in again["lots"]] == [800_000]
    assert step(service, call, "successor").json()["code"] == "successor_there"
    assert anyone(service).get(f"/public/calls/{call}").json()["successor_id"] == made.json()["id"]


def test_a_call_is_void_after_its_deadline(service: ServiceUnderTest) -> None:
    call = published(service)
    move(service, days=21)
    assert read(service, call)["stage"] == "deadline_over"
    assert (
        step(service, call, "void", {"reason": "只有两家投标（政府采购法第三十六条）。"}).status_code == 200
    )
    assert read(service, call)["state"] == "void"


def test_lists_by_service_community_and_closing_day(service: ServiceUnderTest) -> None:
    community = str(new_id())
    line = {**LINE, "kinds": ["bathing"], "community_ids": [community]}
    calls = [
        published(service, a_draft(service, lots=[{**LOT, "lines": [line]}]), days=days)
        for days in (21, 40, 30)
    ]
    service.clock.at = NOW  # type: ignore[union-attr]
    hidden = drafted(service, a_draft(service, lots=[{**LOT, "lines": [line]}]))

    def found(**query: Any) -> list[str]:
        answer = anyone(service).get("/public/calls", params={"community_id": community, **query})
        assert answer.status_code == 200, answer.text
        return [item["call_id"] for item in answer.json()["items"]]

    assert found() == calls[::-1]
    assert found(kind="meal") == []
    assert found(kind="bathing", state="published") == calls[::-1]
    closing = sorted(read(service, call)["deadline_at"][:10] for call in calls)
    assert len(found(closing_to=closing[0])) == 1
    assert len(found(closing_from=closing[1])) == 2
    first = anyone(service).get("/public/calls", params={"community_id": community, "limit": 2}).json()
    assert [item["call_id"] for item in first["items"]] == calls[:0:-1]
    assert found(cursor=first["next"]) == calls[:1]
    drafts = bureau(service).get("/calls", params={"state": "draft", "limit": 1}).json()["items"]
    assert [item["call_id"] for item in drafts] == [hidden]


def test_an_organisation_finds_open_calls_and_what_it_lacks_for_each(service: ServiceUnderTest) -> None:
    community = str(new_id())
    lot = {**LOT, "lines": [{**LINE, "community_ids": [community]}]}
    firms = published(service, a_draft(service, lots=[lot], allowed_kinds=["firm"], least_rating="3A"))
    for_all = published(service, a_draft(service, lots=[lot]), days=30)
    consulted(service, a_draft(service, lots=[lot]))
    organisation = _organisation(service)
    path = f"/organisations/{organisation}/calls"
    assert dispatcher(service, new_id()).get(path).status_code == 403
    found = dispatcher(service, organisation).get(path, params={"community_id": community}).json()
    assert [each["call"]["call_id"] for each in found] == [firms, for_all], "the first to close first"
    assert [each["eligible"] for each in found] == [False, True]
    assert {each["code"] for each in found[0]["missing"]} == {"kind_not_allowed", "rating_missing"}
    move(service, days=16)
    left = dispatcher(service, organisation).get(path, params={"community_id": community}).json()
    assert [each["call"]["call_id"] for each in left] == [for_all]


def test_working_days_follow_the_calendar(service: ServiceUnderTest) -> None:
    with service.database.work() as work:
        assert workdays_after(work, date(2026, 12, 31), 2) == date(2027, 1, 4)
        for day, workday in ((date(2027, 1, 1), False), (date(2027, 1, 2), True), (date(2027, 1, 4), False)):
            handlers.calendar_day(work, CalendarDay(day=day, day_version=1, workday=workday, name="元旦"))
        assert workdays_after(work, date(2026, 12, 31), 2) == date(2027, 1, 5), "Saturday worked, Monday off"
        handlers.calendar_day_gone(work, "2027-01-02")
        assert workdays_after(work, date(2026, 12, 31), 2) == date(2027, 1, 6)
        handlers.forget(work)
        assert workdays_after(work, date(2026, 12, 31), 2) == date(2027, 1, 4), "forgotten when read anew"


def test_a_notice_not_published_is_listed_with_how_long_and_without_what_it_says(
    service: ServiceUnderTest,
) -> None:
    call = published(service)
    assert service.clock
    with service.database.work() as work:
        row = notices.due(
            work, "award", new_id(), UUID(call), service.clock() + timedelta(days=2), {"winner": "康乐"}
        )
    due = bureau(service).get("/notices", params={"call_id": call}).json()
    assert [(n["kind"], n["late_hours"]) for n in due["items"]] == [("award", None)]
    assert due["overdue"] == []
    move(service, days=3, hours=1)
    [late] = anyone(service).get(f"/public/calls/{call}").json()["overdue"]
    assert (late["kind"], late["late_hours"]) == ("award", 25)
    assert "康乐" not in anyone(service).get("/public/notices", params={"call_id": call}).text
    out = bureau(service).post(f"/notices/{row.notice_id}/publish")
    assert (out.status_code, out.json()["late_hours"]) == (200, 25)
    again = bureau(service).post(f"/notices/{row.notice_id}/publish")
    assert again.json()["code"] == "notice_published"
    shown = anyone(service).get("/public/notices", params={"call_id": call}).json()
    assert (shown["items"][0]["body"], shown["overdue"]) == ({"winner": "康乐"}, [])


def test_states_of_a_call_are_walked_only_as_they_may(service: ServiceUnderTest) -> None:
    """Random steps at random times: money, state and what is public agree after each."""

    class Walk(RuleBasedStateMachine):
        @initialize(single=st.booleans())
        def begin(self, single: bool) -> None:
            service.clock.at = NOW  # type: ignore[union-attr]
            self.line = budget_line(service, 36_000_000)
            more = (
                {"method": "single_source", "method_reason": "唯一", "invited": [str(new_id())]}
                if single
                else {}
            )
            self.single = single
            self.call = drafted(service, a_draft(service, budget_line_id=str(self.line), **more))
            self.state = "draft"

        def can(self, name: str) -> bool:
            shown = read(service, self.call)
            over = shown["stage"] in {"consulted", "deadline_over"}
            match name:
                case "consult":
                    return self.state == "draft" and not self.single
                case "publish":
                    return self.state == ("draft" if self.single else "consulting") and (over or self.single)
                case "amendments":
                    return self.state == "published" and not over
                case "terminate":
                    return self.state in {"draft", "consulting", "published"}
                case "void":
                    return self.state == "published" and over
                case _:
                    return self.state in {"void", "terminated"} and shown["successor_id"] is None

        @rule(hours=st.sampled_from([1, 24, 24 * 6, 24 * 21]))
        def wait(self, hours: int) -> None:
            move(service, hours=hours)

        @rule(name=st.sampled_from(["consult", "publish", "amendments", "terminate", "void", "successor"]))
        def attempt(self, name: str) -> None:
            bodies = {
                "publish": publication(service),
                "amendments": {"text": "更正。", "touches_bids": False},
                "terminate": {"reason": "不再需要。"},
                "void": {"reason": "不足三家。"},
            }
            may = self.can(name)
            answer = step(service, self.call, name, bodies.get(name))
            if name == "publish" and answer.status_code == 409 and may:
                # time has passed the day on which the lot's contract begins
                assert "begins_before_deadline" in answer.text
                return
            assert (answer.status_code < 300) == may, (name, self.state, answer.text)
            if may and name not in {"amendments", "successor"}:
                self.state = {
                    "consult": "consulting",
                    "publish": "published",
                    "terminate": "terminated",
                    "void": "void",
                }[name]

        @invariant()
        def agree(self) -> None:
            if not hasattr(self, "call"):
                return
            assert read(service, self.call)["state"] == self.state
            committed = 36_000_000 if self.state == "published" else 0
            assert balances(service, self.line) == (committed, 0, 36_000_000 - committed)
            public = anyone(service).get(f"/public/calls/{self.call}").status_code
            with service.database.work() as work:
                row = work.session.get_one(CallRow, UUID(self.call))
                told = work.session.scalar(select(func.count()).where(OutboxRow.key == self.call))
                left = work.session.scalar(
                    select(func.count()).select_from(NoticeRow).where(NoticeRow.call_id == row.call_id)
                )
            was_public = row.consulted_from is not None or row.published_at is not None
            assert (public == 200) == was_public
            assert bool(told) == bool(left) == was_public

    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=12, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
