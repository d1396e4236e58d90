"""What anyone sees without signing in, and the OCDS 1.1 packages: only what is published, the same whenever it is read."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from services.projects.calls import notices, publishing
from services.projects.calls.tables import CallRow, NoticeRow
from services.projects.publicity.ocds import PREFIX, money
from shared.contracts.codes import Role
from shared.ids import new_id
from tests import ocds
from tests.buying import Purchase, purchase
from tests.conftest import NewDatabase
from tests.integration.test_awards import awarded, change, move, publish
from tests.integration.test_payments import Bought
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(START)) as service:
        yield service


@pytest.fixture
def service(running: ServiceUnderTest) -> ServiceUnderTest:
    assert running.clock is not None
    running.clock.at = START
    return running


def read(service: ServiceUnderTest, path: str, status: int = 200) -> Any:
    """What anybody is given; of an OCDS package the standard's checker has nothing to say."""
    answer = service.client.get(path)
    assert answer.status_code == status, answer.text
    said = answer.json()
    if path.startswith("/public/ocds/") and status == 200:
        assert not ocds.faults(said)
    return said


def told_of_call(buying: Purchase) -> None:
    """The notice of the call, as its publication leaves it, on the day it was published."""
    service = buying.service
    assert service.clock is not None
    now, service.clock.at = service.clock(), START - timedelta(days=21)
    with service.database.work(caller(Role.BUREAU)) as work:
        row = work.session.get_one(CallRow, buying.call_id)
        notices.at_once(work, "call", row.call_id, row.call_id, publishing.told(work, row))
    service.clock.at = now


def publish_all(buying: Purchase) -> None:
    """The bureau publishes all that is due of a call."""
    bureau = buying.bureau
    with buying.service.database.work() as work:
        ids = work.session.scalars(
            select(NoticeRow.notice_id)
            .where(NoticeRow.call_id == buying.call_id, NoticeRow.published_at.is_(None))
            .order_by(NoticeRow.notice_id)
        ).all()
    for notice_id in ids:
        answer = bureau.post(f"/notices/{notice_id}/publish")
        assert answer.status_code == 200, answer.text


def tags(service: ServiceUnderTest, call_id: UUID) -> list[str]:
    told = read(service, f"/public/ocds/releases/{call_id}")["releases"]
    return [tag for release in told for tag in release["tag"]]


def test_a_history_from_the_call_to_the_payment(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    buying = bought.buying
    told_of_call(buying)
    publish_all(buying)
    bought.served()
    bought.paid()
    assert "implementation" not in tags(service, buying.call_id), "the payment is not published yet"
    shown = read(service, f"/public/contracts?call_id={buying.call_id}")["items"]
    assert [(c["paid_fen"], c["payments"]) for c in shown] == [(0, [])]
    publish_all(buying)
    assert change(buying, bought.contract_id, "suspension").status_code == 201
    publish_all(buying)
    assert tags(service, buying.call_id) == [
        "tender",
        "award",
        "contract",
        "implementation",
        "contractAmendment",
    ]
    package = read(service, f"/public/ocds/releases/{PREFIX}-{buying.call_id}")
    tender, award, contract, paid, _ = package["releases"]
    assert tender["tender"]["procurementMethod"] == "open"
    assert tender["tender"]["procurementMethodDetails"] == "公开招标"
    assert tender["tender"]["value"] == {"amount": 5000, "currency": "CNY"}
    assert "bids" not in tender
    assert [b["value"]["amount"] for b in award["bids"]["details"]] == [4000, 4001, 4002]
    assert award["awards"][0]["value"]["amount"] == 4000
    assert award["awards"][0]["suppliers"][0]["id"].startswith("CN-USCC-")
    assert contract["contracts"][0]["awardID"] == award["awards"][0]["id"]
    assert paid["contracts"][0]["implementation"]["transactions"][0]["value"]["amount"] == 40
    merged(service, buying.call_id)
    shown = read(service, f"/public/contracts?call_id={buying.call_id}")["items"]
    assert [(c["paid_fen"], len(c["changes"])) for c in shown] == [(4000, 1)]


def merged(service: ServiceUnderTest, call_id: UUID) -> dict[str, Any]:
    """The record's compiled release: what ocdsmerge makes of the releases by the standard's schema."""
    told = read(service, f"/public/ocds/releases/{call_id}")["releases"]
    record = read(service, f"/public/ocds/records/{call_id}")["records"][0]
    assert [(r["url"].split("#")[1], r["tag"]) for r in record["releases"]] == [
        (r["id"], r["tag"]) for r in told
    ]
    assert record["compiledRelease"] == ocds.merged(told)
    assert record["ocid"] == told[0]["ocid"] == f"{PREFIX}-{call_id}"
    return record["compiledRelease"]  # type: ignore[no-any-return]


def test_the_checker_finds_what_is_wrong(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    told_of_call(buying)
    publish(buying, awarded(buying)[0])
    package = read(service, f"/public/ocds/releases/{buying.call_id}")
    call, award = package["releases"]
    for place, key, wrong, where in (
        (call["tender"]["value"], "amount", "5000", "validation_errors"),
        (call, "initiationType", None, "validation_errors"),
        (call, "ocid", "linli-1", "conformance_errors"),
        (award["bids"]["details"][0], "status", "good", "additional_closed_codelist_values"),
        (award["bids"]["details"][0], "price", 1, "all_additional_fields"),
        (call["tender"], "items", [], "additional_checks"),
    ):
        before = dict(place)
        place[key] = wrong
        assert where in ocds.faults(package), (key, wrong)
        place.clear()
        place.update(before)
    assert not ocds.faults(package)


def test_an_award_that_falls_is_told_and_the_next_one_stands(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    told_of_call(buying)
    first = awarded(buying)[0]
    assert tags(service, buying.call_id) == ["tender"], "an award is public with its notice, not before"
    assert read(service, f"/public/awards?call_id={buying.call_id}")["items"] == []
    assert "40000" not in json.dumps(read(service, f"/public/ocds/releases/{buying.call_id}"))
    publish(buying, first)
    before = read(service, f"/public/ocds/releases/{buying.call_id}")["releases"]
    move(service, 1)
    answer = buying.bureau.post(f"/awards/{first['award_id']}/void", json={"reason": "放弃签订合同"})
    assert answer.status_code == 200, answer.text
    publish(buying, awarded(buying)[0])
    told = read(service, f"/public/ocds/releases/{buying.call_id}")["releases"]
    assert told[: len(before)] == before, "what was released once stays as it was"
    assert [r["tag"] for r in told] == [["tender"], ["award"], ["awardCancellation"], ["award"]]
    final = merged(service, buying.call_id)
    assert sorted(a["status"] for a in final["awards"]) == ["active", "cancelled"]
    assert final["tender"]["status"] == "complete"
    newest, oldest = read(service, f"/public/awards?call_id={buying.call_id}")["items"]
    assert (newest["void"], [n["body"]["reason"] for n in oldest["void"]]) == ([], ["放弃签订合同"])


def test_what_is_due_and_unpublished_is_listed_without_what_it_says(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    award = awarded(buying)[0]
    assert read(service, f"/public/due?call_id={buying.call_id}")["notices"] == []
    move(service, 5)
    late = read(service, f"/public/due?call_id={buying.call_id}")["notices"]
    assert [(n["kind"], n["notice_id"]) for n in late] == [("award", award["notice_id"])]
    assert late[0]["late_hours"] >= 24
    assert "body" not in late[0]
    publish(buying, award)
    assert read(service, f"/public/due?call_id={buying.call_id}")["notices"] == []


def test_fund_use_by_line_and_purpose(service: ServiceUnderTest) -> None:
    buying = purchase(service)
    found = next(
        fund
        for fund in read(service, "/public/funds?limit=500")["items"]
        if fund["purposes"] and buying.ceiling_fen == fund["purposes"][0]["committed_fen"]
    )
    assert found["appraisal"] is None
    line = found["lines"][0]
    assert line["allocated_fen"] == line["committed_fen"] + line["spent_fen"] + line["free_fen"]
    fund = found["fund_id"]
    body = {
        "indicators": [
            {
                "name": "居民满意度",
                "satisfaction": True,
                "weight": 60,
                "points": 9100,
                "asked": 400,
                "answered": 312,
            },
            {"name": "服务按约完成率", "weight": 40, "points": 9650},
        ],
        "summary": "资金按预算使用",
    }
    answer = buying.bureau.put(f"/funds/{fund}/appraisal", json=body)
    assert answer.status_code == 200, answer.text
    assert "资金按预算使用" not in service.client.get("/public/funds?limit=500").text
    assert service.clock is not None
    service.clock.at = datetime(2028, 1, 1, tzinfo=UTC)
    assert fund in {late["fund_id"] for late in read(service, "/public/due")["appraisals"]}
    assert buying.bureau.post(f"/funds/{fund}/appraisal/publish").status_code == 200
    assert fund not in {late["fund_id"] for late in read(service, "/public/due")["appraisals"]}
    assert "资金按预算使用" in service.client.get("/public/funds?limit=500").text


def test_the_list_of_releases_is_walked_by_publication(service: ServiceUnderTest) -> None:
    for _ in range(2):
        buying = purchase(service).scored()
        told_of_call(buying)
        publish(buying, awarded(buying)[0])
    path, walked = "/public/ocds/releases?limit=1", []
    while path:
        package = read(service, path)
        walked += package["releases"]
        path = package.get("links", {}).get("next", "")
    assert [r["date"] for r in walked] == sorted(r["date"] for r in walked)
    assert len({r["id"] for r in walked}) == len(walked) >= 4
    own = read(service, f"/public/ocds/releases/{buying.call_id}")["releases"]
    assert [r for r in walked if r["ocid"] == own[0]["ocid"]] == own


def test_acceptance_results_are_public_with_their_notice(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    bought.served()
    bought.paid()
    assert change(bought.buying, bought.contract_id, "termination").status_code == 201
    closed = bought.bureau.post(f"/contracts/{bought.contract_id}/close", json={"result": "验收合格"})
    assert closed.status_code in (200, 201), closed.text
    query = f"/public/acceptance?call_id={bought.buying.call_id}"
    assert read(service, query)["items"] == []
    archive = f"/calls/{bought.buying.call_id}/archive"
    assert bought.bureau.post(archive).json()["code"] == "notices_unpublished"
    publish_all(bought.buying)
    assert [n["body"]["result"] for n in read(service, query)["items"]] == ["验收合格"]
    final = merged(service, bought.buying.call_id)
    assert final["contracts"][0]["status"] == "terminated"
    assert final["contracts"][0]["implementation"]["milestones"][0]["status"] == "met"
    assert bought.bureau.post(archive).status_code == 200
    assert bought.buying.state() == "archived"
    assert merged(service, bought.buying.call_id) == final
    assert bought.bureau.post(archive).json()["code"] == "wrong_state"
    with pytest.raises(DBAPIError, match="archived"), service.database.work() as work:
        work.session.execute(
            update(CallRow).where(CallRow.call_id == bought.buying.call_id).values(title="x")
        )


def test_an_unknown_process_is_not_there(service: ServiceUnderTest) -> None:
    for reference in ("x", str(new_id()), f"{PREFIX}-{new_id()}"):
        read(service, f"/public/ocds/releases/{reference}", 404)
        read(service, f"/public/ocds/records/{reference}", 404)


@given(st.integers(0, 10**13))
def test_sums_are_written_fen_exact(fen: int) -> None:
    written = json.loads(json.dumps(money(fen)), parse_float=Decimal, parse_int=Decimal)
    assert written["amount"] * 100 == fen
