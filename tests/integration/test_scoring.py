"""Scorers, scores and the ranking over a real database (domain.md 8.21; Order 87)."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import exc, text

from services.projects.calls.methods import Method, terms
from services.projects.calls.tables import CallRow
from services.projects.organisations.tables import ControllerRow
from services.projects.scoring.service import lacks
from shared.contracts.codes import Role, ScopeKind
from shared.database.outbox import OutboxRow
from shared.ids import new_id
from shared.security.caller import Caller, Membership
from tests.buying import Purchase, purchase
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        yield running


def name(buying: Purchase, people: list[tuple[Any, bool]]) -> Any:
    body = {"scorers": [{"person_id": str(person), "expert": expert} for person, expert in people]}
    return buying.bureau.post(f"/calls/{buying.call_id}/scorers", json=body)


@pytest.mark.parametrize(
    ("experts", "missing"),
    [
        ([True] * 3, "scorers_few"),
        ([True] * 6, "scorers_odd"),
        ([True, True, True, False, False], "scorers_experts"),
        ([True, True, True, True, False], None),
        ([True] * 5 + [False] * 2, None),
        ([True] * 6 + [False] * 3, None),
        ([True] * 5 + [False] * 4, "scorers_experts"),
    ],
)
def test_a_committee_is_odd_large_enough_and_two_thirds_experts(
    experts: list[bool], missing: str | None
) -> None:
    assert lacks(experts, terms(Method.OPEN_TENDER, NOW.date())) == missing


def test_a_committee_against_the_rule_is_not_named(service: ServiceUnderTest) -> None:
    buying = purchase(service)
    answer = name(buying, [(new_id(), True) for _ in range(4)])
    assert (answer.status_code, answer.json()["code"]) == (409, "scorers_few")
    assert service.as_(caller(Role.BUREAU)).get(f"/calls/{buying.call_id}/scorers").json()["items"] == []


def test_scores_stay_unseen_until_all_are_in_and_the_last_one_ranks(service: ServiceUnderTest) -> None:
    buying = purchase(service).named()
    first, second = (service.as_(each) for each in buying.scorers[:2])
    path, bid = f"/calls/{buying.call_id}", buying.bids[0][0]
    before = first.get(f"{path}/sheet").json()
    assert [b["price_fen"] for b in before["bids"]] == [None] * 3, "names only: who bids is to be declared on"
    assert (
        first.put(f"{path}/bids/{bid}/scores", json=buying.points(None, 0)).json()["code"] == "not_declared"
    )
    for each in buying.scorers:
        assert (
            service.as_(each).post(f"{path}/declaration", json={"conflict": False}).json()["left_at"] is None
        )
    assert first.get(f"{path}/sheet").json()["bids"][0]["price_fen"] is not None
    for at, each in enumerate(buying.bids[0]):
        first.put(f"{path}/bids/{each}/scores", json=buying.points([9000, 9500, 7000], at))
    assert all(not b["scores"] for b in second.get(f"{path}/sheet").json()["bids"])
    assert all(not b["scores"] for b in buying.bureau.get(f"{path}/sheet").json()["bids"])
    assert second.post(f"{path}/finish").json()["params"]["left"] == "3"
    assert first.post(f"{path}/finish").status_code == 200
    frozen = first.put(f"{path}/bids/{bid}/scores", json=buying.points(None, 0))
    assert frozen.json()["code"] == "scores_frozen"
    assert buying.bureau.get(f"{path}/ranking").json()["code"] == "not_scored"
    for each in buying.scorers[1:]:
        own = service.as_(each)
        for at, one in enumerate(buying.bids[0]):
            assert (
                own.put(f"{path}/bids/{one}/scores", json=buying.points([9000, 9500, 7000], at)).status_code
                == 200
            )
        assert own.post(f"{path}/finish").status_code == 200
    assert buying.state() == "scored"
    assert len(second.get(f"{path}/sheet").json()["bids"][0]["scores"]) == 5
    ranking = buying.bureau.get(f"{path}/ranking").json()["items"]
    first_bid, second_bid, third_bid = map(str, buying.bids[0])
    assert [(r["bid_id"], r["total"]) for r in ranking] == [
        (second_bid, 9317),
        (first_bid, 9300),
        (third_bid, 7300),
    ]
    assert [r["rank"] for r in ranking] == [1, 2, 3]
    other = buying.dispatcher(0).get(f"{path}/ranking").json()
    assert other["items"] == [], "nothing before the award is public"
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    assert stranger.get(f"{path}/ranking").status_code == 403


def test_five_who_finish_at_once_rank_once(service: ServiceUnderTest) -> None:
    buying = purchase(service).named()
    path = f"/calls/{buying.call_id}"
    for each in buying.scorers:
        own = service.as_(each)
        own.post(f"{path}/declaration", json={"conflict": False})
        for at, bid in enumerate(buying.bids[0]):
            own.put(f"{path}/bids/{bid}/scores", json=buying.points(None, at))
    codes: list[int] = []
    threads = [
        threading.Thread(
            target=lambda who=each: codes.append(service.as_(who).post(f"{path}/finish").status_code)
        )
        for each in buying.scorers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 5
    assert buying.state() == "scored"
    assert [r["rank"] for r in buying.bureau.get(f"{path}/ranking").json()["items"]] == [1, 2, 3]


def test_the_database_keeps_what_was_handed_in(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    with pytest.raises(exc.IntegrityError, match="handed in"), service.database.work() as work:
        work.session.execute(
            text("UPDATE score SET points = 10000 WHERE call_id = :call"), {"call": buying.call_id}
        )


def test_who_works_for_a_bidder_is_found_and_replaced(service: ServiceUnderTest) -> None:
    buying = purchase(service)
    carer = new_id()
    staff = {
        "person_id": str(carer),
        "organisation_id": str(buying.organisations[1]),
        "name": "周海燕",
        "sex": "female",
        "birth_date": "1978-02-03",
        "phone": "13800000000",
        "skills": ["care"],
        "weekly": [{"weekday": 0, "start": 480, "end": 1020}],
    }
    assert buying.dispatcher(1).post("/staff", json=staff).status_code == 201
    refused = name(buying, [(carer, True), *((new_id(), True) for _ in range(4))])
    assert refused.json()["code"] == "scorer_conflict"
    clerk = new_id()
    with service.database.work() as work:
        work.session.get_one(CallRow, buying.call_id).made_by = clerk
    refused = name(buying, [(clerk, False), *((new_id(), True) for _ in range(4))])
    assert refused.json()["code"] == "scorer_drafted"
    assert "不相容岗位相互分离" in refused.json()["detail"]
    buying.named()
    path = f"/calls/{buying.call_id}"
    one = buying.scorers[0]
    tied = Caller(
        one.account_id,
        one.person_id,
        (*one.memberships, Membership(Role.DISPATCHER, ScopeKind.ORGANISATION, buying.organisations[0])),
    )
    said = service.as_(tied).post(f"{path}/declaration", json={"conflict": False}).json()
    assert said["left_at"], "whoever acts for a bidder by the own memberships is left out"
    assert service.as_(tied).get(f"{path}/sheet").json()["bids"][0]["price_fen"] is None
    own = service.as_(buying.scorers[1])
    assert own.post(f"{path}/declaration", json={"conflict": True}).json()["code"] == "reason_missing"
    left = own.post(f"{path}/declaration", json={"conflict": True, "reason": "配偶在投标方任职"}).json()
    assert left["left_reason"] == "配偶在投标方任职"
    assert buying.bureau.get(f"{path}/scorers").json()["missing"] == "scorers_few"
    for each in buying.scorers[2:]:
        rest = service.as_(each)
        rest.post(f"{path}/declaration", json={"conflict": False})
        for at, bid in enumerate(buying.bids[0]):
            rest.put(f"{path}/bids/{bid}/scores", json=buying.points(None, at))
        assert rest.post(f"{path}/finish").status_code == 200
    assert buying.state() == "opened", "three are not a committee"
    fresh = [caller(Role.SCORER), caller(Role.SCORER)]
    assert name(buying, [(f.person_id, True) for f in fresh]).status_code == 201
    buying.scorers = fresh
    assert buying.scored().state() == "scored"


def control(service: ServiceUnderTest, organisation: UUID, id_number: str) -> None:
    with service.database.work() as work:
        row = ControllerRow(
            organisation_id=organisation,
            id_hash=work.vault.fingerprint(id_number),
            person_id=new_id(),
            sealed=b"",
            share=50,
        )
        work.session.add(row)


def test_a_controller_is_found_by_the_id_number_also_through_another_organisation(
    service: ServiceUnderTest,
) -> None:
    buying, other = purchase(service), purchase(service)
    owner, partner = "321081197203071235", "321081196505050013"
    named = {"person_id": str(new_id()), "expert": True}
    rest = [{"person_id": str(new_id()), "expert": True} for _ in range(4)]
    path = f"/calls/{buying.call_id}/scorers"

    def name_with(number: str) -> Any:
        return buying.bureau.post(path, json={"scorers": [{**named, "id_number": number}, *rest]})

    control(service, buying.organisations[2], owner)
    assert name_with(owner).json()["code"] == "scorer_conflict", "controls a bidder"
    control(service, other.organisations[0], owner)
    control(service, other.organisations[0], partner)
    assert name_with(partner).json()["code"] == "scorer_conflict", (
        "shares an organisation with a bidder's owner"
    )
    assert name_with("32108119650505003X").status_code == 201


def test_an_invalid_bid_is_out_and_too_few_make_the_call_void(service: ServiceUnderTest) -> None:
    buying = purchase(service, [(4000, 4200, 4400, 4600)]).named()
    path = f"/calls/{buying.call_id}"
    reason = {"reason": "未实质性响应招标文件"}
    assert buying.bureau.post(f"{path}/bids/{buying.bids[0][0]}/refuse", json=reason).status_code == 200
    assert buying.state() == "opened"
    committed, _, free = buying.line()
    assert buying.bureau.post(f"{path}/bids/{buying.bids[0][1]}/refuse", json=reason).status_code == 200
    assert buying.state() == "void", "two are fewer than a tender needs"
    assert buying.line() == (0, 0, free + committed)


def test_what_the_call_came_to_is_told(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    with service.database.work() as work:
        told = work.session.query(OutboxRow).filter(OutboxRow.key == str(buying.call_id)).all()
    assert any(b'"state":"scored"' in row.payload for row in told)
