"""Sealed bids over a real database: who opens, what is kept of it, and what nobody reads before."""

import base64
import contextlib
import functools
import hashlib
import json
import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import delete, exc, select, text, update
from sqlalchemy.orm import Session, undefer

from services.projects.bids import sealing
from services.projects.bids.keys import signing_key
from services.projects.bids.opening import private_key
from services.projects.bids.tables import BidRow, OpenerKeyRow, OpenerRow, OpeningRow, SubmissionRow
from services.projects.calls.methods import Method
from services.projects.calls.tables import CallRow, LotLineRow, LotRow
from services.projects.files.tables import FileRow
from services.projects.funds.tables import BudgetLineRow
from services.projects.organisations.tables import ControllerRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.server import DatabaseServer, EmbeddedServer
from shared.database.work import Work
from shared.ids import new_id
from shared.security.caller import Caller
from tests.bidding import (
    CEILING,
    NOW,
    UNIT_CEILING,
    UNITS,
    Bidder,
    Published,
    open_by,
    opener,
    organisation,
    published,
)
from tests.conftest import NewDatabase
from tests.integration.test_calls import a_draft, drafted, step
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test
from tests.watching import logged

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    """One for all: every test publishes calls of its own, and the clock only goes on."""
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        yield running


@pytest.fixture
def fresh(new_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    """An empty one."""
    with service_under_test("projects", new_database("projects"), MovableClock(NOW)) as running:
        yield running


def kept_answers(service: ServiceUnderTest) -> list[Any]:
    with service.database.work() as work:
        return list(work.session.execute(text("SELECT digest, body FROM answered_command")).all())


def test_an_opening_code_is_said_once_and_kept_nowhere(fresh: ServiceUnderTest) -> None:
    who = caller(Role.BUREAU)
    assert fresh.as_(who).get("/opener-key").json()["made_at"] is None
    key = {"Idempotency-Key": "opener-key-1"}
    made = fresh.as_(who).post("/opener-key", headers=key)
    again = fresh.as_(who).post("/opener-key", headers=key)
    assert made.json()["code"]
    assert again.status_code == 201
    assert "code" not in again.json(), "a repetition is answered, and does not say the code"
    assert fresh.as_(who).post("/opener-key").json()["code"] == "opener_key_there"
    assert fresh.as_(who).get("/opener-key").json()["code"] is None
    assert [
        row["person_id"] for row in fresh.as_(caller(Role.AUDITOR)).get("/opener-keys").json()["items"]
    ] == [str(who.person_id)]
    renewed = fresh.as_(who).post("/opener-key/renewal", json={})
    assert renewed.json()["code"] not in {None, made.json()["code"]}
    with fresh.database.work() as work:
        row = work.session.scalars(select(OpenerKeyRow)).one()
        assert len(row.public_key) == 32
    for code in (made.json()["code"], renewed.json()["code"]):
        assert code not in str(kept_answers(fresh))
    assert fresh.as_(caller(Role.BUREAU)).post("/opener-key/renewal", json={}).status_code == 404


def test_a_body_can_not_be_guessed_from_what_is_kept_of_it(fresh: ServiceUnderTest) -> None:
    who, body = fresh.as_(caller(Role.BUREAU)), b'{"code":null}'
    who.post("/opener-key")
    headers = {"Idempotency-Key": "renewal-1", "Content-Type": "application/json"}
    assert who.post("/opener-key/renewal", content=body, headers=headers).status_code == 200
    assert who.post("/opener-key/renewal", content=b"{}", headers=headers).status_code == 422
    digests = {bytes(row.digest) for row in kept_answers(fresh)}
    assert len(digests) == 1
    assert digests == {fresh.database.vault.digest(body)}
    assert not digests & {
        hashlib.new(kind, body).digest() for kind in ("sha256", "sha512", "md5", "sha3_256")
    }


# --- drafts, submissions, receipts


def test_a_bid_is_written_submitted_replaced_and_withdrawn_each_with_a_receipt(
    service: ServiceUnderTest,
) -> None:
    call = published(service)
    bidder = Bidder(call).begin()
    assert bidder.shown()["draft"]["fault"] == "incomplete"
    assert bidder.begin().bid_id == bidder.bid_id
    assert bidder.submit().json()["code"] == "bid_incomplete"
    assert bidder.write(8_000_000).status_code == 200
    assert bidder.shown()["draft"]["fault"] == "incomplete", "a line lacks its price"
    assert bidder.write(8_000_001, 9_000_003).status_code == 200
    draft = bidder.shown()["draft"]
    assert draft["fault"] is None
    assert draft["total_fen"] == 80_000_010 + (2350 * 9_000_003 + 50) // 100
    first = bidder.submit().json()
    assert (first["number"], first["kind"], first["stands"]) == (1, "bid", True)
    shown = bidder.shown()
    assert (shown["state"], shown["draft"], shown["content"], shown["price_fen"]) == (
        "submitted",
        None,
        None,
        None,
    )

    def take_up(code: str) -> Any:
        return bidder.session.post(f"/bids/{bidder.bid_id}/draft", json={"code": code})

    assert take_up("0" * 25).json()["code"] == "wrong_code"
    assert take_up("no code").json()["code"] == "wrong_code"
    assert take_up(first["code"].lower().replace("-", " ")).status_code == 200
    assert bidder.shown()["draft"]["total_fen"] == draft["total_fen"]
    assert bidder.write(8_000_000, 9_000_000).status_code == 200
    second = bidder.submit().json()
    assert second["number"] == 2
    assert take_up(first["code"]).json()["code"] == "wrong_code", (
        "the earlier receipt's code opens nothing any more"
    )
    gone = bidder.session.post(f"/bids/{bidder.bid_id}/withdrawal", headers=bidder.match())
    assert (gone.status_code, gone.json()["kind"], gone.json()["sha256"]) == (
        201,
        "withdrawal",
        second["sha256"],
    )
    assert bidder.shown()["state"] == "withdrawn"
    assert bidder.session.post(f"/bids/{bidder.bid_id}/withdrawal", headers=bidder.match()).status_code == 409
    assert take_up(second["code"]).status_code == 200
    third = bidder.submit().json()
    receipts = bidder.session.get(f"/bids/{bidder.bid_id}/receipts").json()["items"]
    assert [(r["number"], r["kind"], r["stands"]) for r in receipts] == [
        (1, "bid", False),
        (2, "bid", False),
        (3, "withdrawal", False),
        (4, "bid", True),
    ]
    assert all(r["code"] is None for r in receipts)
    assert len({first["sha256"], second["sha256"], third["sha256"]}) == 3

    nobody = service.as_(None)
    known = {
        k["key_id"]: bytes.fromhex(k["public_key"])
        for k in nobody.get("/public/signing-keys").json()["items"]
    }
    for receipt in receipts:
        found = nobody.get(f"/public/receipts/{receipt['id']}").json()["items"]
        assert [(f["sha256"], f["valid"], f["organisation_id"]) for f in found] == [
            (receipt["sha256"], True, None)
        ]
        signed = sealing.signed(
            receipt["receipt_text"].encode(), bytes.fromhex(receipt["signature"]), known[receipt["key_id"]]
        )
        assert signed
        assert receipt["sha256"] in receipt["receipt_text"]
    by_hash = nobody.get(f"/public/receipts/{second['sha256'].upper()}").json()["items"]
    assert [f["kind"] for f in by_hash] == ["bid", "withdrawal"]
    for unknown in (new_id(), "0" * 64, "nothing", "康乐"):
        assert nobody.get(f"/public/receipts/{unknown}").status_code == 404


def test_a_receipt_is_given_once_per_key_and_its_code_is_in_no_table(service: ServiceUnderTest) -> None:
    bidder = Bidder(published(service)).begin()
    bidder.write(8_000_000, 8_000_000)
    key = {**bidder.match(), "Idempotency-Key": "submit-it-1"}
    path = f"/bids/{bidder.bid_id}/submission"
    first = bidder.session.post(path, json={"alone": True}, headers=key)
    again = bidder.session.post(path, json={"alone": True}, headers=key)
    assert first.json()["code"]
    assert again.status_code == 201
    assert again.json() == {name: value for name, value in first.json().items() if name != "code"}
    assert len(bidder.session.get(f"/bids/{bidder.bid_id}/receipts").json()["items"]) == 1
    plain = first.json()["code"].replace("-", "")
    assert not any(plain in cell.replace("-", "") for cell in texts(service))


def test_what_breaks_a_ceiling_lacks_a_statement_or_a_version_is_refused(service: ServiceUnderTest) -> None:
    call = published(service)
    bidder = Bidder(call).begin()
    path = f"/bids/{bidder.bid_id}"
    assert bidder.session.put(f"{path}/draft", json=bidder.body(1, 1)).status_code == 428
    assert (
        bidder.session.put(f"{path}/draft", json=bidder.body(1, 1), headers={"If-Match": '"77"'}).status_code
        == 412
    )
    for prices, more, code in (
        ((UNIT_CEILING + 1, 1), {}, "bid_over_unit_ceiling"),
        ((UNIT_CEILING, UNIT_CEILING), {}, "bid_over_ceiling"),
        ((1, 1), {"plan": " "}, "bid_no_plan"),
        ((1,), {}, "bid_incomplete"),
    ):
        assert bidder.write(*prices, **more).status_code == 200
        refused = bidder.submit()
        assert (refused.status_code, refused.json()["code"]) == (409, code)
    lines = bidder.body(1, 1)["prices"]
    for odd in ([*lines, lines[0]], [lines[0], {**lines[1], "lot_line_id": str(new_id())}]):
        assert bidder.write(1, 1, prices=odd).status_code == 200
        assert bidder.submit().json()["code"] == "bid_incomplete"
    bidder.write(1, 1)
    assert bidder.submit(alone=False).json()["code"] == "one_controller"
    assert bidder.submit().status_code == 201
    assert bidder.submit().json()["code"] == "nothing_to_submit"
    for price in (0, -1, 10_000_001, 1.5, None):
        assert bidder.write(1, 1, prices=[{**lines[0], "unit_price_fen": price}]).status_code == 422


def test_files_of_a_bid_are_kept_encrypted_and_read_by_its_own_until_the_opening(
    service: ServiceUnderTest,
) -> None:
    only = organisation(service)
    call = published(service, Method.SINGLE_SOURCE, invited=[only])
    bidder, rival = Bidder(call, organisation_id=only).begin(), Bidder(call)
    plain = b"%PDF-1.7\n" + "服务方案，总价八百万".encode() * 40
    named = {"File-Name": quote("服务方案.pdf"), "Content-Type": "application/octet-stream"}
    path = f"/bids/{bidder.bid_id}/files"
    assert bidder.session.post(path, content=plain, headers=named).status_code == 428
    for _ in range(2):
        assert bidder.session.post(path, content=plain, headers=named | bidder.match()).status_code == 201
    odd = bidder.session.post(path, content=b"MZ no document", headers=named | bidder.match())
    assert odd.json()["code"] == "file_kind"
    bidder.write(8_000_000, 8_000_000)
    files = bidder.shown()["draft"]["files"]
    assert [f["name"] for f in files] == ["服务方案.pdf"] * 2
    assert "key" not in files[0]
    assert bidder.session.delete(f"{path}/{files[1]['file_id']}", headers=bidder.match()).status_code == 200
    assert bidder.session.delete(f"{path}/{new_id()}", headers=bidder.match()).status_code == 404
    got = bidder.session.get(f"{path}/{files[0]['file_id']}")
    assert got.content == plain
    assert got.headers["content-disposition"].startswith("attachment;")
    with service.database.work() as work:
        kept = work.session.get_one(FileRow, UUID(files[0]["file_id"]))
        assert kept.sealed
        assert kept.name is None
        assert kept.content is not None
        assert plain not in kept.content
    assert bidder.submit().status_code == 201
    clerk = service.as_(call.openers[0][0])
    for who in (clerk, rival.session, bidder.session):
        assert who.get(f"{path}/{files[0]['file_id']}").status_code == 404
    past(service, call)
    assert open_by(call).status_code == 200
    assert clerk.get(f"{path}/{files[0]['file_id']}").content == plain
    assert bidder.session.get(f"{path}/{files[0]['file_id']}").content == plain
    assert clerk.get(f"{path}/{files[1]['file_id']}").status_code == 404, (
        "it was taken out before the submission"
    )
    assert rival.session.get(f"{path}/{files[0]['file_id']}").status_code == 404


def test_8_21_late_is_refused_by_the_clock_and_by_the_table(service: ServiceUnderTest) -> None:
    call = published(service)
    bidder, ready = Bidder(call), Bidder(call).begin()
    receipt = bidder.bid(8_000_000, 8_000_000)
    ready.write(8_000_000, 8_000_000)
    assert service.clock is not None
    service.clock.at = call.deadline - timedelta(microseconds=1)
    assert ready.submit().status_code == 201
    service.clock.at = call.deadline
    late = [
        Bidder(call).session.post(
            f"/lots/{call.lots[0][0]}/bids", json={"organisation_id": str(bidder.organisation_id)}
        ),
        bidder.write(1, 1),
        bidder.session.post(f"/bids/{bidder.bid_id}/draft", json={"code": receipt["code"]}),
        bidder.submit(),
        bidder.session.post(f"/bids/{bidder.bid_id}/withdrawal", headers=bidder.match()),
    ]
    assert [answer.json()["code"] for answer in late] == ["out_of_reach", *["submission_late"] * 4]
    with service.database.work() as work:
        row = work.session.scalars(
            select(SubmissionRow)
            .where(SubmissionRow.bid_id == UUID(bidder.bid_id))
            .options(undefer(SubmissionRow.sealed))
        ).one()
        plain = {c.key: getattr(row, c.key) for c in SubmissionRow.__table__.columns}
    late_row = SubmissionRow(**{**plain, "submission_id": new_id(), "number": 2, "at": service.clock.at})
    assert refusal(service, lambda session: session.add(late_row)) == "submission_late"
    assert refusal(service, lambda session: session.execute(update(SubmissionRow).values(number=9)))
    assert refusal(service, lambda session: session.execute(delete(SubmissionRow)))


# --- the opening


def test_two_openers_after_the_deadline_and_nobody_else(service: ServiceUnderTest) -> None:
    call = published(service, openers=3)
    bidders = [Bidder(call) for _ in range(3)]
    receipts = [b.bid(8_000_000 + n, 9_000_000 + n) for n, b in enumerate(bidders)]
    (one, code), (two, other), (three, third) = call.openers
    stranger, strange = opener(service)

    def types(who: Caller, typed: str) -> Any:
        answer = service.as_(who).post(f"/calls/{call.call_id}/opening", json={"code": typed})
        return answer.json().get("code") if answer.status_code != 200 else answer.json()

    assert types(one, code) == "before_deadline"
    past(service, call)
    assert types(stranger, strange) == "not_opener"
    assert types(one, other) == "wrong_code"
    assert types(one, "0" * 25) == "wrong_code"
    assert types(one, "nonsense") == "bad_code"
    for _ in range(2):  # one opener alone opens nothing, however often
        step = types(one, code)
        assert (step["given"], step["opened_at"]) == ([str(one.person_id)], None)
        assert len(step["openers"]) == 3
    assert types(two, code) == "wrong_code"
    assert service.clock is not None
    service.clock.move(timedelta(minutes=60))
    step = types(two, other)
    assert (step["given"], step["opened_at"]) == ([str(two.person_id)], None), (
        "the first share's hour is over"
    )
    auditor = service.as_(caller(Role.AUDITOR))
    assert auditor.get(f"/calls/{call.call_id}/opening").status_code == 404
    assert auditor.get("/bids", params={"call_id": str(call.call_id)}).json()["items"] == []
    step = types(three, third.lower())
    assert step["opened_at"] is not None
    assert step["given"] == []
    assert types(three, third) == "already_opened"

    record = auditor.get(f"/calls/{call.call_id}/opening").json()
    assert {record["first_by"], record["second_by"]} == {str(two.person_id), str(three.person_id)}
    [lot] = record["record"]["lots"]
    assert (lot["submitted"], lot["standing"], lot["void"]) == (3, 3, False)
    assert [b["sha256"] for b in lot["bids"]] == [r["sha256"] for r in receipts]
    assert [b["price_fen"] for b in lot["bids"]] == [total(8_000_000 + n, 9_000_000 + n) for n in range(3)]
    for bidder in bidders:
        assert bidder.session.get(f"/calls/{call.call_id}/opening").json() == record
        assert bidder.shown()["content"]["plan"] == "每周上门两次"
        assert len(bidder.session.get("/bids").json()["items"]) == 1, "of the others the record says enough"
    assert Bidder(call).session.get(f"/calls/{call.call_id}/opening").status_code == 403
    assert {
        b["price_fen"] for b in auditor.get("/bids", params={"call_id": str(call.call_id)}).json()["items"]
    } == {b["price_fen"] for b in lot["bids"]}
    with service.database.work() as work:
        kept = work.session.get_one(OpeningRow, call.call_id)
        private = sealing.PrivateKey.from_private_bytes(private_key(work, kept))
        assert sealing.public(private) == call.row().public_key
        assert not any(row.given for row in work.session.scalars(select(OpenerRow)))
    assert call.row().state == "opened"


def test_a_renewed_code_opens_what_the_old_one_did_where_the_old_one_was_known(
    service: ServiceUnderTest,
) -> None:
    only = organisation(service)
    call = published(service, Method.SINGLE_SOURCE, invited=[only])
    assert Bidder(call).begin().submit().json()["code"] == "bid_incomplete"
    uninvited = Bidder(call).begin()
    uninvited.write(8_000_000, 8_000_000)
    assert uninvited.submit().json()["code"] == "not_invited"
    Bidder(call, organisation_id=only).bid(8_000_000, 8_000_000)
    (one, code), (two, other) = call.openers
    assert service.as_(one).post("/opener-key/renewal", json={"code": other}).json()["code"] == "wrong_code"
    followed = service.as_(one).post("/opener-key/renewal", json={"code": code}).json()
    assert followed["calls_on_the_old_code"] == 0
    left = service.as_(two).post("/opener-key/renewal", json={}).json()
    assert left["calls_on_the_old_code"] == 1
    past(service, call)
    assert open_by(call, (one, code)).json()["code"] == "wrong_code"
    assert open_by(call, (two, left["code"])).json()["code"] == "wrong_code"
    assert open_by(call, (one, followed["code"]), (two, other)).json()["opened_at"] is not None


def test_too_few_bidders_void_a_lot_unopened_and_give_its_money_back(service: ServiceUnderTest) -> None:
    call = published(service, lots=2)
    enough = [Bidder(call) for _ in range(3)]
    for n, bidder in enumerate(enough):
        bidder.bid(8_000_000 + n, 8_000_000)
    two = [Bidder(call, lot=1, organisation_id=b.organisation_id) for b in enough[:2]]
    for bidder in two:
        bidder.bid(7_654_321, 8_000_000)
    gone = Bidder(call, lot=1, organisation_id=enough[2].organisation_id)
    gone.bid(7_654_321, 8_000_000)
    assert gone.session.post(f"/bids/{gone.bid_id}/withdrawal", headers=gone.match()).status_code == 201
    before = committed(service, call)
    past(service, call)
    assert open_by(call).status_code == 200
    assert committed(service, call) == before - CEILING
    assert call.row().state == "opened"
    record = service.as_(caller(Role.BUREAU)).get(f"/calls/{call.call_id}/opening").json()["record"]
    assert [(lot["submitted"], lot["withdrawn"], lot["void"]) for lot in record["lots"]] == [
        (3, 0, False),
        (2, 1, True),
    ]
    for bidder in two:
        shown = bidder.shown()
        assert (shown["state"], shown["refused_reason"], shown["content"]) == ("refused", "too_few", None)
        assert "36" in shown["refused_sentence"] or "三十六" in shown["refused_sentence"]
    assert not any(str(total(7_654_321, 8_000_000)) in cell for cell in texts(service)), (
        "nobody read what came to nothing"
    )


def test_a_call_of_void_lots_alone_is_void(service: ServiceUnderTest) -> None:
    call = published(service)
    Bidder(call).bid(8_000_000, 8_000_000)
    past(service, call)
    assert open_by(call).json()["opened_at"] is not None
    row = call.row()
    assert (row.state, committed(service, call)) == ("void", 0)
    assert row.ended_reason


def test_what_does_not_open_or_breaks_a_ceiling_is_refused_and_not_lost(service: ServiceUnderTest) -> None:
    call = published(service)
    good = [Bidder(call) for _ in range(3)]
    for n, bidder in enumerate(good):
        bidder.bid(8_000_000 + n, 8_000_000)
    forged = {
        "cannot_open": lambda public, place, body: b"\x00" * 4096,
        "over_ceiling": lambda public, place, body: sealing.seal(
            {**body, "prices": priced(body, UNIT_CEILING)}, public, place
        ),
        "over_unit_ceiling": lambda public, place, body: sealing.seal(
            {**body, "prices": priced(body, 10**12)}, public, place
        ),
        "wrong_total": lambda public, place, body: sealing.seal({**body, "total_fen": 1}, public, place),
        "incomplete": lambda public, place, body: sealing.seal({"prices": "none"}, public, place),
        "changed": lambda public, place, body: sealing.seal(body, public, place),
    }
    for reason, make in forged.items():
        with service.database.work() as work:
            forge(work, call, organisation(service), make, changed=reason == "changed")
    past(service, call)
    assert open_by(call).status_code == 200
    [lot] = service.as_(caller(Role.BUREAU)).get(f"/calls/{call.call_id}/opening").json()["record"]["lots"]
    assert sorted(b["refused_reason"] for b in lot["bids"] if b["refused_reason"]) == sorted(forged)
    assert (lot["standing"], lot["submitted"]) == (3, 9)


def test_two_under_one_controller_are_both_refused_and_told_nothing_before(service: ServiceUnderTest) -> None:
    call = published(service)
    bidders = [Bidder(call) for _ in range(5)]
    with service.database.work() as work:
        for bidder in bidders[:2]:
            control(work, bidder.organisation_id, "321081196001010011")
    answers = [bidder.bid(8_000_000 + n, 8_000_000) for n, bidder in enumerate(bidders)]
    assert len({frozenset(answer) for answer in answers}) == 1, (
        "the second of the two got what everybody gets"
    )
    past(service, call)
    assert open_by(call).status_code == 200
    states = [(b.shown()["state"], b.shown()["refused_reason"]) for b in bidders]
    assert states == [("refused", "one_controller")] * 2 + [("opened", None)] * 3


def test_a_venture_asks_for_an_amount(service: ServiceUnderTest) -> None:
    call = published(service, Method.VENTURE)
    bidder = Bidder(call).begin()
    for asked, code in ((None, "bid_no_amount"), (6_000_001, "bid_over_ceiling")):
        bidder.write(asked_fen=asked)
        assert bidder.submit().json()["code"] == code
    bidder.write(asked_fen=6_000_000)
    assert bidder.submit().status_code == 201
    past(service, call)
    assert open_by(call).status_code == 200
    assert bidder.shown()["price_fen"] == 6_000_000


def test_a_call_that_the_bureau_publishes_is_bid_for_and_opened(fresh: ServiceUnderTest) -> None:
    assert fresh.clock is not None
    openers = [opener(fresh) for _ in range(2)]
    call_id = drafted(fresh, a_draft(fresh))
    assert step(fresh, call_id, "consult").status_code == 200
    fresh.clock.move(timedelta(days=7))
    deadline = fresh.clock.at + timedelta(days=21)
    said = {"deadline_at": deadline.isoformat(), "opener_ids": [str(who.person_id) for who, _ in openers]}
    assert step(fresh, call_id, "publish", said).status_code == 200
    with fresh.database.work() as work:
        row = work.session.get_one(CallRow, UUID(call_id))
        lots = work.session.scalars(select(LotRow).where(LotRow.call_id == row.call_id)).all()
        lines = work.session.scalars(select(LotLineRow).where(LotLineRow.lot_id == lots[0].lot_id)).all()
        assert row.budget_line_id is not None
        call = Published(
            fresh,
            row.call_id,
            [(lots[0].lot_id, [line.lot_line_id for line in lines])],
            openers,
            row.budget_line_id,
        )
    bidders = [Bidder(call) for _ in range(3)]
    for n, bidder in enumerate(bidders):
        bidder.bid(4_400 - n)
    shown = fresh.as_(None).get(f"/public/calls/{call_id}")
    assert shown.status_code == 200
    assert not any(str(b.organisation_id) in shown.text for b in bidders), "nobody learns who has bid"
    past(fresh, call)
    assert open_by(call).json()["opened_at"] is not None
    assert call.row().state == "opened"
    assert [b.shown()["price_fen"] for b in bidders] == [8000 * (4_400 - n) for n in range(3)]
    assert fresh.as_(None).get(f"/public/calls/{call_id}").json()["opened_at"] is not None


# --- nobody reads a price before


PRICE = 8_317_946
PLAN = "每周三次上门，独家方案甲乙丙"


@functools.cache
def needles() -> tuple[bytes, ...]:
    """The price and the plan in every dress that a store, a log or a page may put them in."""
    sums = (PRICE, total(PRICE, PRICE))
    plain = [
        dress for fen in sums for dress in (str(fen), f"{fen:,}", f"{fen / 100:.2f}", f"{fen / 100:,.2f}")
    ]
    plain.append(PLAN)
    encodings = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030")
    found = [each.encode(encoding) for each in plain for encoding in encodings]
    found += [each.encode().hex().encode() for each in plain]
    found += [base64.b64encode(each.encode()).rstrip(b"=")[1:-1] for each in plain]
    found += [json.dumps(each).strip('"').encode() for each in plain]
    found += [fen.to_bytes(8, "big") for fen in sums] + [fen.to_bytes(8, "little") for fen in sums]
    return tuple(found)


def unpacked(content: bytes) -> Iterator[bytes]:
    """A content as it is, and as whatever it may be an envelope of."""
    yield content
    for window in (15, -15, 31):
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(content, window)
    with contextlib.suppress(ValueError):
        yield bytes.fromhex(content.decode("ascii").removeprefix("\\x"))
    with contextlib.suppress(ValueError):
        yield base64.b64decode(content, validate=True)


def tells(content: bytes) -> bool:
    return any(needle in each for each in unpacked(content) for needle in needles())


def cells(service: ServiceUnderTest) -> Iterator[tuple[str, bytes]]:
    """Every column of every row of every table."""
    with service.database.engine.connect() as connection:
        tables = connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).scalars()
        for table in tables.all():
            with contextlib.suppress(exc.ProgrammingError), connection.begin_nested():
                for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():
                    for column, value in row.items():
                        plain = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                        yield f"{table}.{column}", plain


def texts(service: ServiceUnderTest) -> list[str]:
    return [plain.decode("utf-8", "replace") for _, plain in cells(service)]


def told(
    service: ServiceUnderTest,
    call: Published,
    bidder: Bidder,
    receipt: dict[str, Any],
    roles: Iterable[Role] = Role,
) -> list[str]:
    """Where the price, the plan or the bid shows: the tables, and every GET as every role but the bidder's own."""
    found = [where for where, plain in cells(service) if tells(plain)]
    values = {
        "call_id": str(call.call_id),
        "lot_id": str(call.lots[0][0]),
        "bid_id": bidder.bid_id,
        "organisation_id": str(bidder.organisation_id),
        "reference": receipt["sha256"],
        "file_id": str(new_id()),
        "budget_line_id": str(call.line_id),
    }
    others = [caller(role) for role in roles if role not in {Role.DISPATCHER, Role.ORGANISATION_STAFF}]
    others += [who for who, _ in call.openers]
    others += [
        caller(role, ScopeKind.ORGANISATION, new_id()) for role in (Role.DISPATCHER, Role.ORGANISATION_STAFF)
    ]
    paths = service.client.get("/openapi.json").json()["paths"]
    for template in sorted(path for path, operations in paths.items() if "get" in operations):
        taken = {each["name"] for each in paths[template]["get"].get("parameters", ())}
        queries = [{}, {"organisation_id": values["organisation_id"]}]
        path = re.sub(r"\{([^}]+)\}", lambda part: values.get(part[1], str(new_id())), template)
        for who in [*others, None]:
            for query in queries if "organisation_id" in taken else queries[:1]:
                answer = service.as_(who).get(path, params=query)
                seen = tells(answer.content) or (answer.status_code == 200 and bidder.bid_id in answer.text)
                if seen:
                    found.append(f"GET {template} {who.memberships[0].role if who else 'nobody'}")
    return found


def test_nobody_reads_a_price_before_the_opening(
    fresh: ServiceUnderTest,
    postgres_server: DatabaseServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    call = published(fresh)
    server_log = postgres_server.root / "server.log" if isinstance(postgres_server, EmbeddedServer) else None
    began = server_log.stat().st_size if server_log else 0
    with logged(tmp_path / "linli.log") as log:
        others = [Bidder(call) for _ in range(3)]
        for n, each in enumerate(others):
            each.bid(8_000_000 + n, 8_000_000)
        bidder = Bidder(call).begin()
        body = bidder.body(PRICE, PRICE, plan=PLAN)
        raw = json.dumps(body).encode()
        headers = bidder.match() | {"Idempotency-Key": "the-price-1", "Content-Type": "application/json"}
        assert (
            bidder.session.put(f"/bids/{bidder.bid_id}/draft", content=raw, headers=headers).status_code
            == 200
        )
        assert (
            bidder.session.put(
                f"/bids/{bidder.bid_id}/draft", content=raw + b" ", headers=headers
            ).status_code
            == 422
        )
        bidder.write(UNIT_CEILING, UNIT_CEILING, plan=PLAN)
        assert bidder.submit().status_code == 409, "a refusal is logged too"
        bidder.write(PRICE, PRICE, plan=PLAN)
        own = bidder.shown()
        assert own["draft"]["total_fen"] == total(PRICE, PRICE)
        receipt = bidder.submit().json()
        assert told(fresh, call, bidder, receipt) == []
        bidder.session.post(f"/bids/{bidder.bid_id}/draft", json={"code": receipt["code"]})
        receipt = bidder.submit().json()
        past(fresh, call)
        assert open_by(call, call.openers[0]).status_code == 200
        assert told(fresh, call, bidder, receipt) == []
        guesses = (raw, json.dumps(body, separators=(",", ":")).encode(), str(PRICE).encode())
        digests = [hashlib.new(kind, g) for kind in ("md5", "sha1", "sha256", "sha512") for g in guesses]
        digested = [form for each in digests for form in (each.digest(), each.hexdigest().encode())]
        for where, plain in cells(fresh):
            assert not any(each in plain for each in digested), where
        assert not tells(bidder.session.get(f"/bids/{bidder.bid_id}").content), (
            "its own organisation needs the code"
        )
        assert open_by(call, call.openers[1]).status_code == 200
    written = log.read_bytes() + "".join(capfd.readouterr()).encode()
    if server_log:
        written += server_log.read_bytes()[began:]
    assert not any(needle in written for needle in needles())
    assert b"opening" in log.read_bytes(), "the log was on"
    found = told(fresh, call, bidder, receipt, roles=[Role.BUREAU])
    assert {"bid.price_fen", "bid.content", "opening.record"} <= set(found), (
        "what is opened is found by the same search"
    )
    assert any(where.startswith("GET /bids/{bid_id} bureau") for where in found)


# --- in the last second


def test_twenty_at_once_across_the_deadline_each_is_in_or_late(new_database: NewDatabase) -> None:
    with service_under_test("projects", new_database("projects")) as service:  # the database's own clock
        call = published(service)
        bidders = [Bidder(call).begin() for _ in range(20)]
        for n, bidder in enumerate(bidders):
            bidder.write(8_000_000 + n, 8_000_000)
        with service.database.work() as work:
            row = work.session.get_one(CallRow, call.call_id)
            row.published_at, row.deadline_at = work.now, work.now + timedelta(seconds=5)
        answers: list[list[Any]] = [[] for _ in bidders]
        together = threading.Barrier(len(bidders))

        def hand_in(n: int) -> None:
            """Submit, replace, submit … until it is late."""
            bidder = bidders[n]
            together.wait()
            while True:
                answers[n].append(bidder.submit())
                if answers[n][-1].status_code != 201:
                    return
                code = answers[n][-1].json()["code"]
                bidder.session.post(f"/bids/{bidder.bid_id}/draft", json={"code": code})

        threads = [threading.Thread(target=hand_in, args=(n,)) for n in range(len(bidders))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        given = [answer.json() for each in answers for answer in each if answer.status_code == 201]
        refused = [answer.json()["code"] for each in answers for answer in each if answer.status_code != 201]
        assert given
        assert set(refused) <= {"submission_late", "nothing_to_submit"}
        with service.database.work() as work:
            rows = work.session.scalars(select(SubmissionRow)).all()
            assert {str(row.submission_id) for row in rows} == {receipt["id"] for receipt in given}, (
                "none lost"
            )
            assert all(row.at < call.deadline for row in rows), "none late"
        assert open_by(call).status_code == 200
        [lot] = (
            service.as_(caller(Role.BUREAU)).get(f"/calls/{call.call_id}/opening").json()["record"]["lots"]
        )
        last = {
            bidders[n].bid_id: each[-2].json()["sha256"] for n, each in enumerate(answers) if len(each) > 1
        }
        assert {bid["bid_id"]: bid["sha256"] for bid in lot["bids"]} == last


# --- what the tests need


def past(service: ServiceUnderTest, call: Published) -> None:
    """Let the deadline go by."""
    assert service.clock is not None
    service.clock.at = call.deadline


def refusal(service: ServiceUnderTest, act: Callable[[Session], Any]) -> str | None:
    """By which constraint or message the database refuses what no endpoint does."""
    try:
        with service.database.work() as work:
            act(work.session)
    except exc.DBAPIError as error:
        diagnosis = getattr(error.orig, "diag", None)
        return getattr(diagnosis, "constraint_name", None) or str(error.orig)
    return None


def total(*prices: int) -> int:
    return sum((units * price + 50) // 100 for units, price in zip(UNITS, prices, strict=True))


def committed(service: ServiceUnderTest, call: Published) -> int:
    with service.database.work() as work:
        return work.session.get_one(BudgetLineRow, call.line_id).committed_fen


def control(work: Work, organisation_id: UUID, id_number: str) -> None:
    work.session.add(
        ControllerRow(
            organisation_id=organisation_id,
            id_hash=work.vault.fingerprint(id_number),
            person_id=new_id(),
            sealed=b"",
            share=60,
        )
    )


def priced(body: dict[str, Any], price: int) -> list[dict[str, Any]]:
    return [{**each, "unit_price_fen": price} for each in body["prices"]]


def forge(work: Work, call: Published, organisation_id: UUID, make: Any, *, changed: bool) -> None:
    """A submission as somebody with the database could make one, who can't make what the service refuses."""
    row = work.session.get_one(CallRow, call.call_id)
    lot_id, lines = call.lots[0]
    bid = BidRow(
        bid_id=new_id(),
        call_id=call.call_id,
        lot_id=lot_id,
        organisation_id=organisation_id,
        state="submitted",
        made_at=work.now,
    )
    work.session.add(bid)
    work.session.flush()
    body = {
        "prices": [{"lot_line_id": str(line), "unit_price_fen": 8_000_000} for line in lines],
        "plan": "方案",
    }
    assert row.public_key is not None
    sealed = make(row.public_key, sealing.Place(call.call_id, lot_id, organisation_id), body)
    submission = SubmissionRow(
        submission_id=new_id(),
        bid_id=bid.bid_id,
        call_id=call.call_id,
        number=1,
        kind="bid",
        sealed=sealed,
        sha256="0" * 64 if changed else sealing.sha256(sealed),
        signature=b"",
        key_id=signing_key(work).key_id,
        at=work.now,
    )
    work.session.add(submission)
    work.session.flush()
    bid.submission_id = submission.submission_id
