"""Awards, challenges, signatures and changes of contracts (procurement law, 46 to 53; domain.md 4, 8.20, 8.21)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from services.projects.awards.supplements import lapse
from services.projects.awards.tables import SupplementRow
from services.projects.calls import notices
from services.projects.calls.tables import CalendarDayRow, LotRow, NoticeRow
from services.projects.contracts import service as contracts
from services.projects.contracts.tables import ContractRow
from services.projects.handlers import staffing
from shared.clock import wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.contracts.contracts import ContractChanged
from shared.contracts.lines import ContractLineChanged
from shared.database.outbox import OutboxRow
from shared.ids import new_id
from tests.buying import Purchase, purchase
from tests.conftest import NewDatabase
from tests.integration.test_projects import staffed
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # a Tuesday


@pytest.fixture(scope="module")
def running(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(START)) as service:
        yield service


@pytest.fixture
def service(running: ServiceUnderTest) -> ServiceUnderTest:
    assert running.clock is not None
    running.clock.at = START
    return running


def decide(buying: Purchase, lot: int = 0, **more: Any) -> Any:
    return buying.bureau.post(
        f"/calls/{buying.call_id}/awards", json={"lot_id": str(buying.lots[lot]), **more}
    )


def awarded(buying: Purchase, lot: int = 0, **more: Any) -> list[dict[str, Any]]:
    answer = decide(buying, lot, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()["items"]  # type: ignore[no-any-return]


def publish(buying: Purchase, award: dict[str, Any]) -> None:
    with buying.service.database.work(caller(Role.BUREAU)) as work:
        notices.publish(work, notices.notice(work, UUID(award["notice_id"])))


def move(service: ServiceUnderTest, days: int) -> None:
    assert service.clock is not None
    service.clock.move(timedelta(days=days))


def drawn_up(buying: Purchase, award: dict[str, Any], **more: Any) -> str:
    body = {"number": f"仪民购{new_id()}"[:40], "title": "政府购买居家养老服务合同", **more}
    answer = buying.bureau.post(f"/awards/{award['award_id']}/contract", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def sign(who: Any, contract_id: str) -> Any:
    text = who.get(f"/contracts/{contract_id}/agreement").json()
    return who.post(f"/contracts/{contract_id}/signatures", json={"sha256": text["sha256"]})


def signed(buying: Purchase, which: int = 0, **more: Any) -> str:
    """A contract in force with the winner, after the challenge days."""
    award = awarded(buying)[0]
    publish(buying, award)
    move(buying.service, 14)
    contract_id = drawn_up(buying, award, **more)
    for who in (buying.dispatcher(which), buying.bureau):
        answer = sign(who, contract_id)
        assert answer.status_code == 201, answer.text
    return contract_id


def told(service: ServiceUnderTest, key: Any, event: Any) -> list[Any]:
    with service.database.work() as work:
        rows = work.session.scalars(
            select(OutboxRow).where(OutboxRow.key == str(key)).order_by(OutboxRow.pos)
        ).all()
    return [event.model_validate_json(r.payload) for r in rows if r.type == event.TYPE]


def the_lines(service: ServiceUnderTest, contract_id: str) -> list[UUID]:
    with service.database.work() as work:
        return [line.line_id for line in contracts.lines(work, UUID(contract_id))]


def test_8_20_an_award_commits_the_price_and_owes_a_notice_in_two_working_days(
    service: ServiceUnderTest,
) -> None:
    buying = purchase(service).scored()
    assert buying.line()[0] == 500_000
    award = awarded(buying)[0]
    assert (award["rank"], award["price_fen"], award["bid_id"]) == (1, 400_000, str(buying.bids[0][0]))
    assert buying.line()[0] == 400_000, "the ceiling was 5000 fen an hour"
    assert award["notice_due"] == "2026-11-26T16:00:00Z", "Tuesday's award is public by the end of Thursday"
    assert buying.state() == "awarded"
    assert decide(buying).json()["code"] == "lot_decided"
    assert buying.dispatcher(0).get(f"/calls/{buying.call_id}/awards").json()["items"] == []
    publish(buying, award)
    assert len(buying.dispatcher(2).get(f"/calls/{buying.call_id}/awards").json()["items"]) == 1


def test_another_than_the_first_only_with_a_reason(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    second = [str(buying.bids[0][1])]
    assert decide(buying, bid_ids=second).json()["code"] == "not_by_rank"
    assert decide(buying, bid_ids=[str(new_id())]).status_code == 422
    assert (
        decide(buying, bid_ids=[*second, str(buying.bids[0][0])], reason="两家").json()["code"]
        == "too_many_winners"
    )
    award = awarded(buying, bid_ids=second, reason="第一名放弃")[0]
    assert (award["rank"], award["reason"]) == (2, "第一名放弃")


def test_8_21_a_loser_sees_the_own_score_and_rank_and_who_won(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    award = awarded(buying)[0]
    path = f"/calls/{buying.call_id}/ranking"
    assert buying.dispatcher(1).get(path).json()["items"] == []
    publish(buying, award)
    seen = buying.dispatcher(1).get(path).json()["items"]
    won, own = (next(i for i in seen if i["won"] is flag) for flag in (True, False))
    assert (own["rank"], own["own"], own["total"] > 0) == (2, True, True)
    assert (won["rank"], won["total"], won["price_fen"]) == (None, None, 400_000)
    assert len(seen) == 2, "the third bid is nobody else's business"


def test_a_framework_shares_units_evenly(service: ServiceUnderTest) -> None:
    buying = purchase(service, method="framework", winners=3, units=10_001).scored()
    awards = awarded(buying)
    assert [a["rank"] for a in awards] == [1, 2, 3]
    assert [a["price_fen"] for a in awards] == [133_400, 149_985, 166_650]
    assert buying.line()[0] == sum(a["price_fen"] for a in awards)
    publish(buying, awards[0])
    move(service, 14)
    ids = [drawn_up(buying, award) for award in awards]
    with service.database.work() as work:
        units = [line.ceiling for one in ids for line in contracts.lines(work, UUID(one))]
    assert units == [3335, 3333, 3333]
    for at, one in enumerate(ids):
        assert sign(buying.bureau, one).status_code == 201
        assert buying.state() == "awarded"
        assert sign(buying.dispatcher(at), one).status_code == 201
    assert buying.state() == "signed"


def test_a_venture_has_as_many_winners_as_the_money_lasts_for(service: ServiceUnderTest) -> None:
    asked = [(3_000_000, 2_900_000, 4_000_000, 500_000)]
    buying = purchase(service, asked, method="venture", winners=4, ceiling_fen=10_000_000, price_weight=0)
    buying.scored([9000, 8000, 7000, 6000])
    awards = awarded(buying)
    assert [a["price_fen"] for a in awards] == [3_000_000, 2_900_000, 4_000_000], (
        "the fourth does not fit any more"
    )
    assert buying.line()[0] == 9_900_000
    large = purchase(
        service, [(6_500_000,)], method="venture", ceiling_fen=10_000_000, price_weight=0
    ).scored()
    assert decide(large).json()["code"] == "grant_too_large"


def test_challenges_within_seven_working_days_each_answered_in_seven(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    body = {
        "organisation_id": str(buying.organisations[1]),
        "lot_id": str(buying.lots[0]),
        "text": "价格分有误",
    }
    path = f"/calls/{buying.call_id}/challenges"
    assert buying.dispatcher(1).post(path, json=body).json()["code"] == "not_public"
    award = awarded(buying)[0]
    assert buying.dispatcher(1).post(path, json=body).json()["code"] == "not_public"
    publish(buying, award)
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    assert stranger.post(path, json=body).status_code == 403
    shown = buying.bureau.get(f"/calls/{buying.call_id}/awards").json()["items"][0]
    assert (shown["challenge_until"], shown["sign_until"]) == ("2026-12-03", "2026-12-24")
    move(service, 9)  # Thursday 3 December: the seventh working day
    filed = buying.dispatcher(1).post(path, json=body)
    assert filed.status_code == 201, filed.text
    assert buying.dispatcher(1).post(path, json=body).json()["code"] == "challenge_open"
    move(service, 1)
    late = {**body, "organisation_id": str(buying.organisations[2])}
    assert buying.dispatcher(2).post(path, json=late).json()["code"] == "challenge_late"
    contract_id = drawn_up(buying, award)
    assert sign(buying.bureau, contract_id).json()["code"] == "challenge_open_still"
    assert buying.dispatcher(2).get(path).json()["items"] == [], "another's challenge"
    own = buying.dispatcher(1).get(path).json()["items"][0]
    assert (own["answer_due"], own["overdue"]) == ("2026-12-14", False)
    answered = buying.bureau.post(
        f"/challenges/{filed.json()['id']}/answer", json={"result": "rejected", "answer": "复核无误"}
    )
    assert answered.status_code == 200, answered.text
    assert sign(buying.bureau, contract_id).status_code == 201


def test_clocks_stand_still_on_holidays_and_run_on_makeup_workdays(service: ServiceUnderTest) -> None:
    with service.database.work() as work:
        for day, workday in ((26, False), (27, False), (28, True)):
            work.session.add(CalendarDayRow(day=wall_day(START).replace(day=day), workday=workday))
    try:
        buying = purchase(service).scored()
        award = awarded(buying)[0]
        assert award["notice_due"] == "2026-11-28T16:00:00Z"
        publish(buying, award)
        shown = buying.bureau.get(f"/calls/{buying.call_id}/awards").json()["items"][0]
        assert shown["challenge_until"] == "2026-12-04"
    finally:
        with service.database.work() as work:
            work.session.query(CalendarDayRow).delete()


def test_an_upheld_challenge_voids_the_award_and_the_next_may_get_it(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    award = awarded(buying)[0]
    publish(buying, award)
    contract_id = drawn_up(buying, award)
    body = {
        "organisation_id": str(buying.organisations[1]),
        "lot_id": str(buying.lots[0]),
        "text": "资质造假",
    }
    filed = buying.dispatcher(1).post(f"/calls/{buying.call_id}/challenges", json=body).json()
    upheld = {"result": "upheld", "answer": "证书无法核实，质疑成立"}
    assert buying.bureau.post(f"/challenges/{filed['id']}/answer", json=upheld).status_code == 200
    assert buying.state() == "scored"
    assert buying.line()[0] == 400_000, "stays committed until the lot is decided anew"
    assert sign(buying.dispatcher(0), contract_id).json()["code"] == "contract_signed", (
        "that contract has ended"
    )
    again = awarded(buying)[0]
    assert (again["rank"], again["price_fen"]) == (2, 450_000)
    assert buying.line()[0] == 450_000
    assert decide(buying, bid_ids=[str(buying.bids[0][0])]).status_code in (409, 422), "the first is out"
    everything = buying.bureau.get(f"/calls/{buying.call_id}/awards").json()["items"]
    assert [a["state"] for a in everything] == ["void", "decided"]


def test_a_void_lot_gives_its_money_back_and_the_last_one_voids_the_call(service: ServiceUnderTest) -> None:
    buying = purchase(service, [(4000, 4500, 4800), (4100, 4600, 4900)]).scored()
    awarded(buying, 0)
    assert buying.line()[0] == 400_000 + 500_000
    path = f"/calls/{buying.call_id}/lots"
    reason = {"reason": "采购任务取消（政府采购法第三十六条）"}
    assert buying.bureau.post(f"{path}/{buying.lots[0]}/void", json=reason).json()["code"] == "lot_decided"
    assert buying.bureau.post(f"{path}/{buying.lots[1]}/void", json=reason).status_code == 200
    assert (buying.line()[0], buying.state()) == (400_000, "awarded")
    other = purchase(service).scored()
    assert (
        other.bureau.post(f"/calls/{other.call_id}/lots/{other.lots[0]}/void", json=reason).status_code == 200
    )
    assert (other.line()[0], other.state()) == (0, "void")
    with service.database.work() as work:
        kinds = work.session.scalars(select(NoticeRow.kind).where(NoticeRow.call_id == other.call_id)).all()
    assert kinds == ["ended"]


def test_who_does_not_sign_within_thirty_days_loses_the_award(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    award = awarded(buying)[0]
    contract_id = drawn_up(buying, award)
    assert sign(buying.bureau, contract_id).json()["code"] == "challenge_days", "not public yet"
    publish(buying, award)
    move(service, 9)
    assert sign(buying.bureau, contract_id).json()["code"] == "challenge_days"
    move(service, 22)
    assert sign(buying.bureau, contract_id).json()["code"] == "sign_late"
    gone = buying.bureau.post(f"/awards/{award['award_id']}/void", json={"reason": "逾期未签订合同"})
    assert gone.status_code == 200, gone.text
    assert awarded(buying)[0]["rank"] == 2


def test_both_sides_sign_the_same_text_and_the_matcher_is_told_then(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    award = awarded(buying)[0]
    publish(buying, award)
    move(service, 14)
    too_much = {"number": "仪民购1", "title": "合同", "performance_bond_percent": 11}
    assert (
        buying.bureau.post(f"/awards/{award['award_id']}/contract", json=too_much).json()["code"]
        == "bond_too_large"
    )
    contract_id = drawn_up(buying, award, performance_bond_percent=10)
    line_id = the_lines(service, contract_id)[0]
    assert told(service, line_id, ContractLineChanged) == []
    said = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()
    assert "单价 40.00 元，合计 4,000.00 元" in said["text"]
    assert "履约保证金：400.00 元" in said["text"]
    assert buying.dispatcher(1).get(f"/contracts/{contract_id}/agreement").status_code == 403
    wrong = buying.bureau.post(f"/contracts/{contract_id}/signatures", json={"sha256": "0" * 64})
    assert wrong.json()["code"] == "text_changed"
    path, mine = f"/contracts/{contract_id}/signatures", {"sha256": said["sha256"]}
    assert buying.dispatcher(1).post(path, json=mine).status_code == 403
    assert sign(buying.bureau, contract_id).status_code == 201
    assert sign(buying.bureau, contract_id).json()["code"] == "side_signed"
    assert (
        buying.bureau.post(f"/contracts/{contract_id}/state", json={"state": "active"}).json()["code"]
        == "contract_bought"
    )
    assert told(service, line_id, ContractLineChanged) == []
    assert sign(buying.dispatcher(0), contract_id).status_code == 201
    line = told(service, line_id, ContractLineChanged)[-1]
    assert (line.active, line.ceiling, line.unit_price_fen) == (True, 10_000, 4000)
    contract = told(service, contract_id, ContractChanged)[-1]
    assert (contract.state, contract.price_fen, contract.call_id) == ("active", 400_000, buying.call_id)
    with service.database.work() as work:
        notice = work.session.scalars(select(NoticeRow).where(NoticeRow.about_id == UUID(contract_id))).one()
        assert notice.due_at == datetime(2026, 12, 10, 16, 0, tzinfo=UTC)
    assert buying.state() == "signed"
    held = {"what": "received", "on": "2026-12-08"}
    assert buying.bureau.post(f"/contracts/{contract_id}/bond", json=held).status_code == 200
    assert buying.bureau.post(f"/contracts/{contract_id}/bond", json=held).status_code == 409


def propose(buying: Purchase, contract_id: str, kind: str, **more: Any) -> Any:
    body = {"kind": kind, "reason": "双方协商一致", **more}
    return buying.bureau.post(f"/contracts/{contract_id}/supplements", json=body)


def countersign(buying: Purchase, contract_id: str, supplement_id: str) -> Any:
    own = buying.dispatcher(0)
    shown = own.get(f"/contracts/{contract_id}/agreement").json()["supplements"]
    sha256 = next(each["sha256"] for each in shown if each["supplement_id"] == supplement_id)
    return own.post(f"/supplements/{supplement_id}/signature", json={"sha256": sha256})


def change(buying: Purchase, contract_id: str, kind: str, **more: Any) -> Any:
    """Proposed by the bureau and signed by the organisation; taken back where it can't be signed."""
    made = propose(buying, contract_id, kind, **more)
    if made.status_code != 201:
        return made
    signed = countersign(buying, contract_id, made.json()["id"])
    if signed.status_code != 201:
        buying.bureau.post(f"/supplements/{made.json()['id']}/withdraw", json={"reason": "签不了"})
    return signed


def test_additions_are_at_most_a_tenth_of_the_price_in_all(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = str(the_lines(service, contract_id)[0])
    assert change(buying, contract_id, "addition", lines=[{"line_id": line, "units": 600}]).status_code == 201
    over = change(buying, contract_id, "addition", lines=[{"line_id": line, "units": 401}])
    assert (over.status_code, over.json()["code"]) == (409, "additions_most")
    assert change(buying, contract_id, "addition", lines=[{"line_id": line, "units": 400}]).status_code == 201
    said = buying.bureau.get(f"/contracts/{contract_id}/agreement").json()
    assert (said["price_fen"], said["price_signed_fen"]) == (440_000, 400_000)
    assert [c["delta_fen"] for c in said["changes"]] == [24_000, 16_000]
    assert buying.line()[0] == 440_000
    assert told(service, line, ContractLineChanged)[-1].ceiling == 11_000
    past = buying.bureau.patch(f"/lines/{line}", json={"ceiling": 99_000}, headers={"If-Match": '"1"'})
    assert past.status_code in (409, 412)


def test_8_19_a_reduction_stops_at_what_is_taken(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = the_lines(service, contract_id)[0]
    with service.database.work() as work:
        staffing(work, staffed(line, new_id(), new_id(), 1, 4000))
    over = change(buying, contract_id, "reduction", lines=[{"line_id": str(line), "units": 6001}])
    assert over.json()["code"] == "ceiling_taken"
    assert (
        change(buying, contract_id, "reduction", lines=[{"line_id": str(line), "units": 6000}]).status_code
        == 201
    )
    assert buying.line()[0] == 160_000


def test_extension_suspension_and_termination(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = the_lines(service, contract_id)[0]
    assert change(buying, contract_id, "extension", until="2029-12-31").json()["code"] == "contract_too_long"
    assert change(buying, contract_id, "extension", until="2027-12-31").status_code == 201
    assert change(buying, contract_id, "resumption").json()["code"] == "contract_state"
    assert change(buying, contract_id, "suspension").status_code == 201
    assert not told(service, line, ContractLineChanged)[-1].active
    assert change(buying, contract_id, "resumption").status_code == 201
    with service.database.work() as work:
        staffing(work, staffed(line, new_id(), new_id(), 1, 1000))
    assert change(buying, contract_id, "termination").status_code == 201
    assert buying.line()[0] == 40_000, "what is reserved may still be delivered"
    last = told(service, line, ContractLineChanged)[-1]
    assert (last.active, last.ceiling) == (False, 1000)
    assert (
        change(buying, contract_id, "addition", lines=[{"line_id": str(line), "units": 1}]).status_code == 409
    )
    with service.database.work() as work:
        kinds = work.session.scalars(
            select(NoticeRow.kind).where(
                NoticeRow.call_id == buying.call_id, NoticeRow.kind == "contract_change"
            )
        ).all()
        assert len(kinds) == 4
        assert work.session.get_one(ContractRow, UUID(contract_id)).state == "ended"
        assert work.session.get_one(LotRow, buying.lots[0]).state == "awarded"


def at_once(*acts: Any) -> list[int]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return [answer.result().status_code for answer in [pool.submit(act) for act in acts]]


def test_a_change_is_in_force_only_when_both_have_signed(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = the_lines(service, contract_id)[0]
    own, other = buying.dispatcher(0), buying.dispatcher(1)
    before = told(service, line, ContractLineChanged)
    made = propose(buying, contract_id, "addition", lines=[{"line_id": str(line), "units": 500}])
    assert made.status_code == 201, made.text
    path = f"/supplements/{made.json()['id']}"
    agreement = own.get(f"/contracts/{contract_id}/agreement").json()
    [shown] = agreement["supplements"]
    assert (shown["state"], shown["change"], agreement["changes"]) == ("proposed", None, [])
    assert "增加 5 小时，由 100 变为 105，单价 40.00 元，合计 200.00 元" in shown["text"]
    assert agreement["price_fen"] == 400_000
    assert told(service, line, ContractLineChanged) == before, "the matcher hears of nothing"
    assert buying.line()[0] == 400_000
    contract = own.get(f"/contracts/{contract_id}").json()
    assert contract["supplement_until"] == shown["answer_by"]

    second = propose(buying, contract_id, "suspension")
    assert second.json()["code"] == "supplement_open"
    mine = {"sha256": shown["sha256"]}
    assert other.post(f"{path}/signature", json=mine).status_code == 403
    assert other.post(f"{path}/decline", json={"reason": "不是我们的"}).status_code == 403
    assert buying.bureau.post(f"{path}/signature", json=mine).status_code == 403, "nobody signs for both"
    assert own.post(f"{path}/withdraw", json={"reason": "不是我们的"}).status_code == 403
    assert own.post(f"{path}/signature", json={"sha256": "0" * 64}).json()["code"] == "text_changed"
    assert own.post(f"{path}/signature", json=mine).status_code == 201
    assert own.post(f"{path}/signature", json=mine).json()["code"] == "supplement_ended"
    assert told(service, line, ContractLineChanged)[-1].ceiling == 10_500
    agreement = buying.bureau.get(f"/contracts/{contract_id}/agreement").json()
    [shown] = agreement["supplements"]
    assert (shown["state"], shown["change"]) == ("in_force", 1)
    assert None not in (shown["proposed_by"], shown["ended_by"], shown["ended_at"])
    assert shown["proposed_by"] != shown["ended_by"]
    assert [c["delta_fen"] for c in agreement["changes"]] == [20_000]
    assert agreement["price_fen"] == 420_000
    assert buying.line()[0] == 420_000


def test_a_change_is_declined_withdrawn_or_lapses_and_nothing_changes(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = the_lines(service, contract_id)[0]
    before = told(service, line, ContractLineChanged), told(service, contract_id, ContractChanged)

    def proposed() -> tuple[str, dict[str, str]]:
        made = propose(buying, contract_id, "termination")
        assert made.status_code == 201, made.text
        shown = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()["supplements"]
        return f"/supplements/{made.json()['id']}", {"sha256": shown[-1]["sha256"]}

    declined, text = proposed()
    assert buying.dispatcher(0).post(f"{declined}/decline", json={"reason": "还要服务"}).status_code == 200
    withdrawn, text = proposed()
    assert buying.bureau.post(f"{withdrawn}/withdraw", json={"reason": "再协商"}).status_code == 200
    late, text = proposed()
    move(service, 12)  # seven working days are over
    refused = buying.dispatcher(0).post(f"{late}/signature", json=text)
    assert (refused.status_code, refused.json()["code"]) == (409, "supplement_lapsed")
    shown = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()
    states = ["declined", "withdrawn", "lapsed"]
    assert [each["state"] for each in shown["supplements"]] == states
    lapse(service.database)
    lapse(service.database)
    shown = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()
    assert [each["state"] for each in shown["supplements"]] == states
    assert [each["ended_reason"] for each in shown["supplements"]] == ["还要服务", "再协商", None]
    assert None not in [each["ended_at"] for each in shown["supplements"]]
    for path in (declined, withdrawn, late):
        for answer in (
            buying.dispatcher(0).post(f"{path}/signature", json=text),
            buying.dispatcher(0).post(f"{path}/decline", json={"reason": "不同意"}),
            buying.bureau.post(f"{path}/withdraw", json={"reason": "撤回"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "supplement_ended")
    assert shown["changes"] == []
    after = told(service, line, ContractLineChanged), told(service, contract_id, ContractChanged)
    assert after == before
    with pytest.raises(DBAPIError, match="not changed"), service.database.work() as work:
        work.session.execute(update(SupplementRow).values(reason="另一个理由"))


def test_what_was_possible_when_proposed_is_judged_again_at_the_signature(service: ServiceUnderTest) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = the_lines(service, contract_id)[0]
    made = propose(buying, contract_id, "reduction", lines=[{"line_id": str(line), "units": 6000}])
    with service.database.work() as work:
        staffing(work, staffed(line, new_id(), new_id(), 1, 4001))
    late = countersign(buying, contract_id, made.json()["id"])
    assert (late.status_code, late.json()["code"]) == (409, "ceiling_taken")
    shown = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()
    assert [each["state"] for each in shown["supplements"]] == ["proposed"]
    assert shown["changes"] == []
    assert propose(buying, contract_id, "addition", one_sided=True).status_code == 422
    stopped = propose(buying, contract_id, "suspension", one_sided=True)
    assert stopped.status_code == 201, stopped.text
    assert not told(service, line, ContractLineChanged)[-1].active, "danger does not wait for a signature"
    ended = propose(buying, contract_id, "termination", one_sided=True)
    assert ended.status_code == 201, ended.text
    shown = buying.dispatcher(0).get(f"/contracts/{contract_id}/agreement").json()
    assert [each["state"] for each in shown["supplements"]] == ["withdrawn", "in_force", "in_force"]
    assert "政府采购法第五十条" in shown["supplements"][-1]["text"]


@pytest.mark.parametrize("again", range(3))
def test_of_signing_withdrawing_and_declining_at_once_one_holds(
    service: ServiceUnderTest, again: int
) -> None:
    buying = purchase(service).scored()
    contract_id = signed(buying)
    line = str(the_lines(service, contract_id)[0])
    both = at_once(*[lambda: propose(buying, contract_id, "suspension")] * 2)
    assert sorted(both) == [201, 409]
    own = buying.dispatcher(0)
    [shown] = own.get(f"/contracts/{contract_id}/agreement").json()["supplements"]
    path, text = f"/supplements/{shown['supplement_id']}", {"sha256": shown["sha256"]}
    codes = at_once(
        lambda: own.post(f"{path}/signature", json=text),
        lambda: own.post(f"{path}/signature", json=text),
        lambda: buying.bureau.post(f"{path}/withdraw", json={"reason": "撤回"}),
        lambda: own.post(f"{path}/decline", json={"reason": "不同意"}),
    )
    assert sorted(codes) in ([200, 409, 409, 409], [201, 409, 409, 409]), codes
    agreement = own.get(f"/contracts/{contract_id}/agreement").json()
    in_force = agreement["supplements"][0]["state"] == "in_force"
    assert len(agreement["changes"]) == in_force
    assert told(service, line, ContractLineChanged)[-1].active != in_force
