"""A call's archive: it verifies offline, and whatever is changed in it, with or without a new signature, is found."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from services.projects.__main__ import main
from services.projects.awards import contracting, supplements
from services.projects.awards.schemas import LineUnits, NewAgreement, NewChange
from services.projects.awards.tables import AwardRow, SignatureRow
from services.projects.bids import sealing
from services.projects.bids.tables import BidRow, SubmissionRow
from services.projects.calls.tables import CallRow, CriterionRow
from services.projects.contracts import service as contracts
from services.projects.deliveries.service import amount_fen
from services.projects.deliveries.tables import DeliveryRow, EntryRow, ReservationRow
from services.projects.package import contents
from services.projects.package.archive import zipped
from services.projects.package.verify import verify
from services.projects.payments.tables import ClaimEntryRow, ClaimRow, PaymentRow
from services.projects.scoring.ranking import Criterion, Offer, rank
from services.projects.scoring.tables import RankRow, ScoreRow, ScorerRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Work
from shared.ids import new_id
from shared.security.caller import Caller
from tests.bidding import NOW, UNITS, Bidder, Published, open_by, published
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
Held = dict[str, bytes]


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        yield running


@pytest.fixture(scope="module")
def package(service: ServiceUnderTest) -> bytes:
    """The archive of a call with two lots, one void: bid for, opened, scored, awarded, drawn and paid."""
    call = published(service, lots=2)
    bidders = [Bidder(call) for _ in range(4)]
    for n, bidder in enumerate(bidders):
        bidder.begin()
        named = {"File-Name": quote("方案.pdf"), "Content-Type": "application/octet-stream"}
        path = f"/bids/{bidder.bid_id}/files"
        assert (
            bidder.session.post(path, content=b"%PDF-1.7\n" * 50, headers=named | bidder.match()).status_code
            == 201
        )
        bidder.bid(8_000_000 + n, 8_000_000)
    gone = Bidder(call)
    gone.bid(7_000_000, 7_000_000)
    gone.session.post(f"/bids/{gone.bid_id}/withdrawal", headers=gone.match())
    Bidder(call, lot=1, organisation_id=bidders[0].organisation_id).bid(6_000_000, 6_000_000)
    assert service.clock is not None
    service.clock.at = call.deadline + timedelta(minutes=5)
    clerk = service.as_(call.openers[0][0])
    assert clerk.get(f"/calls/{call.call_id}/package").json()["code"] == "not_opened"
    assert open_by(call).status_code == 200
    early = clerk.get(f"/calls/{call.call_id}/package")
    assert [r.fault for r in verify(early.content) if r.fault] == [], "it verifies from the opening on"
    with service.database.work() as work:
        score_award_and_pay(work, call)
    answer = service.as_(caller(Role.AUDITOR)).get(f"/calls/{call.call_id}/package")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    return bytes(answer.content)


def score_award_and_pay(work: Work, call: Published) -> None:
    """What the later features leave behind, as rows: of four bids one is found invalid, and the first in rank does not sign."""
    invalid = work.session.scalars(
        select(BidRow).where(BidRow.lot_id == call.lots[0][0], BidRow.state == "opened")
    )
    refused = invalid.all()[0]
    refused.state, refused.refused_reason = "refused", "没有盖章"
    work.session.flush()
    criteria = work.session.scalars(select(CriterionRow).where(CriterionRow.call_id == call.call_id)).all()
    bids = work.session.scalars(
        select(BidRow)
        .where(BidRow.lot_id == call.lots[0][0], BidRow.state == "opened")
        .order_by(BidRow.bid_id)
    ).all()
    points: dict[tuple[UUID, UUID], list[int]] = {}
    for scorer in range(5):
        person = new_id()
        work.session.add(
            ScorerRow(
                call_id=call.call_id,
                person_id=person,
                expert=scorer > 0,
                named_at=work.now,
                declared="none",
                declared_at=work.now,
            )
        )
        work.session.flush()
        for n, bid in enumerate(bids):
            for criterion in criteria:
                if criterion.kind == "quality":
                    given = 7000 + 500 * scorer + 100 * n
                    points.setdefault((bid.bid_id, criterion.criterion_id), []).append(given)
                    work.session.add(
                        ScoreRow(
                            bid_id=bid.bid_id,
                            criterion_id=criterion.criterion_id,
                            person_id=person,
                            call_id=call.call_id,
                            points=given,
                            sentence="方案具体",
                            at=work.now,
                        )
                    )
        work.session.flush()
        work.session.get_one(ScorerRow, (call.call_id, person)).finished_at = work.now
        work.session.flush()
    times = {row.submission_id: row.at for row in work.session.scalars(select(SubmissionRow))}
    ranked = rank(
        [Offer(b.bid_id, b.price_fen or 0, times[b.submission_id]) for b in bids if b.submission_id],
        [Criterion(c.criterion_id, c.position, c.kind, c.weight) for c in criteria],
        points,
    )
    for each in ranked:
        work.session.add(
            RankRow(
                bid_id=each.bid_id,
                lot_id=call.lots[0][0],
                call_id=call.call_id,
                rank=each.rank,
                total=each.total,
                parts={str(k): v for k, v in each.parts.items()},
                tie=each.tie,
            )
        )
    by_id = {bid.bid_id: bid for bid in bids}
    away, won = by_id[ranked[0].bid_id], by_id[ranked[1].bid_id]
    awarded(work, away, 1, "void", "没有签约")
    away.state, away.refused_reason = "refused", "没有签约"
    work.session.flush()
    award = awarded(work, won, 2, "decided", "")
    work.session.get_one(CallRow, call.call_id).state = "signed"
    work.session.flush()
    draw_and_pay(work, call, won, award)


def awarded(work: Work, bid: BidRow, rank: int, state: str, reason: str) -> AwardRow:
    made = AwardRow(
        award_id=new_id(),
        call_id=bid.call_id,
        lot_id=bid.lot_id,
        bid_id=bid.bid_id,
        decision_id=new_id(),
        organisation_id=bid.organisation_id,
        rank=rank,
        price_fen=bid.price_fen,
        state=state,
        reason=reason,
        decided_at=work.now,
    )
    work.session.add(made)
    work.session.flush()
    return made


def draw_and_pay(work: Work, call: Published, won: BidRow, award: AwardRow) -> None:
    """Its contract as both signed it, then changed by two agreements; drawn, claimed and paid."""
    number = f"HT-{new_id()}"
    contract = contracting.draw_up(work, award, NewAgreement(number=number, title="合同"))
    own = caller(Role.DISPATCHER, ScopeKind.ORGANISATION, won.organisation_id)
    sha256 = contracting.agreement(work, contract.contract_id).sha256
    for side, person_id in (("bureau", call.openers[0][0].person_id), ("organisation", own.person_id)):
        work.session.add(
            SignatureRow(
                contract_id=contract.contract_id, side=side, person_id=person_id, sha256=sha256, at=work.now
            )
        )
    award.state = "signed"
    contracts.set_state(work, contract, "active")
    line, other = (
        next(row for row in contracts.lines(work, contract.contract_id) if row.ceiling == units)
        for units in UNITS
    )
    agree(work, call, own, contract.contract_id, "addition", [LineUnits(line_id=line.line_id, units=100)])
    agree(work, call, own, contract.contract_id, "extension", until=contract.valid_to + timedelta(days=31))
    agree(work, call, own, contract.contract_id, "reduction", [LineUnits(line_id=other.line_id, units=350)])
    work.caller = call.openers[0][0]
    supplements.propose(
        work, contract.contract_id, NewChange(kind="termination", reason="再议", lines=[], until=None)
    )
    price, day = line.unit_price_fen, date(2027, 2, 3)
    paid = contract.paid_fen = amount_fen(150, price)
    work.session.add(ReservationRow(visit_id=new_id(), person_id=new_id(), line_id=line.line_id, units=100))
    entries = []
    for units, accepted in ((150, True), (50, False)):
        attendance, visit, person = new_id(), new_id(), new_id()
        entry = EntryRow(
            entry_id=new_id(),
            attendance_id=attendance,
            revision=1,
            reversal=False,
            capacity="employed",
            visit_id=visit,
            person_id=person,
            organisation_id=won.organisation_id,
            line_id=line.line_id,
            kind="care",
            outcome="done",
            day=day,
            minutes=90,
            units=units,
            amount_fen=amount_fen(units, price),
            disputed=False,
            recorded_at=work.now,
        )
        entries.append(entry)
        delivery = DeliveryRow(
            attendance_id=attendance,
            revision=1,
            visit_id=visit,
            person_id=person,
            line_id=line.line_id,
            units=units,
            accepted=accepted,
        )
        work.session.add_all([entry, delivery])
    work.session.flush()
    contracts.recount(work, line.line_id)
    claim = ClaimRow(
        claim_id=new_id(),
        contract_id=contract.contract_id,
        organisation_id=won.organisation_id,
        month=date(2027, 2, 1),
        amount_fen=paid,
        state="paid",
        submitted_at=work.now,
    )
    work.session.add(claim)
    work.session.flush()
    work.session.add(
        ClaimEntryRow(claim_id=claim.claim_id, entry_id=entries[0].entry_id, amount_fen=paid, live=True)
    )
    work.session.flush()
    work.session.add(
        PaymentRow(
            payment_id=new_id(),
            budget_line_id=call.line_id,
            organisation_id=won.organisation_id,
            contract_id=contract.contract_id,
            claim_id=claim.claim_id,
            fen=paid,
            reference="汇 1",
            paid_on=date(2027, 3, 5),
            at=work.now,
        )
    )
    work.session.flush()


def agree(
    work: Work,
    call: Published,
    own: Caller,
    contract_id: UUID,
    kind: Any,
    lines: Sequence[LineUnits] = (),
    until: date | None = None,
) -> None:
    """A supplementary agreement, proposed by the bureau and signed by the organisation."""
    work.caller = call.openers[0][0]
    body = NewChange(kind=kind, lines=list(lines), until=until, reason="双方协商一致")
    made = supplements.propose(work, contract_id, body)
    work.caller = own
    supplements.sign(work, made.supplement_id, made.sha256)


def held_in(package: bytes) -> Held:
    with zipfile.ZipFile(BytesIO(package)) as file:
        return {name: file.read(name) for name in file.namelist()}


def signed_anew(held: Held, form: int = contents.FORMAT) -> bytes:
    """A package as somebody would make it up who has no key of the city's: with one of the own."""
    key = Ed25519PrivateKey.generate()
    public_key = key.public_key().public_bytes_raw()
    rest = {n: c for n, c in held.items() if n not in (contents.MANIFEST, contents.SIGNATURE)}
    keys = json.loads(rest[contents.part("keys")])
    keys.append({"key_id": sealing.key_id(public_key), "public_key": public_key.hex()})
    rest[contents.part("keys")] = sealing.canonical(keys)
    text = contents.manifest(json.loads(rest[contents.part("call")]), NOW.isoformat(), rest)
    text = sealing.canonical(json.loads(text) | {"format": form})
    signature = sealing.sign(contents.signed_text(text), key.private_bytes_raw()).hex()
    rest[contents.MANIFEST] = text
    rest[contents.SIGNATURE] = sealing.canonical(
        {"key_id": sealing.key_id(public_key), "signature": signature}
    )
    return zipped(rest)


def faults(package: bytes, key: str | None = None) -> dict[str, str]:
    return {result.what: result.fault for result in verify(package, key) if result.fault}


def test_a_package_verifies_by_the_command_line(
    package: bytes, service: ServiceUnderTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "call.zip"
    path.write_bytes(package)
    [key] = service.as_(None).get("/public/signing-keys").json()["items"]
    capsys.readouterr()
    assert main(["verify", str(path), "--key", key["key_id"]]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert all(line.startswith("ok ") for line in lines)
    assert main(["verify", str(path), "--key", "0" * 32]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert main(["verify", str(path)]) == 0
    assert "no --key given" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "nothing.zip")]) == 2
    path.write_bytes(package[: len(package) // 2])
    assert main(["verify", str(path)]) == 1


def test_a_package_holds_nothing_that_was_not_opened(package: bytes) -> None:
    held = held_in(package)
    assert set(held) >= {contents.part(name) for name in contents.PARTS}
    bids = json.loads(held["bids.json"])
    opened = {bid["submission_id"] for bid in bids if bid["content"]}
    assert len(opened) == 4
    assert {n.removeprefix("sealed/").removesuffix(".bin") for n in held if n.startswith("sealed/")} == opened
    assert sorted(bid["state"] for bid in bids) == ["opened"] * 2 + ["refused"] * 3 + ["withdrawn"]
    assert len(json.loads(held["receipts.json"])) == 7


def test_every_changed_missing_or_added_part_is_found(package: bytes) -> None:
    held = held_in(package)
    for name in held:
        changed = bytearray(held[name])
        changed[len(changed) // 2] ^= 1
        assert faults(zipped(held | {name: bytes(changed)})), name
        assert faults(zipped({n: c for n, c in held.items() if n != name})), name
    assert faults(zipped(held | {"more.json": b"{}"})) == {
        "every part is what the manifest says": "more.json is not listed"
    }
    for garbage in (b"", b"PK", b"no zip at all", zipped({}), zipped({"manifest.json": b"[]"})):
        assert faults(garbage)


def first(rows: list[Any], **wanted: Any) -> Any:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def without_the_first_of_two(receipts: list[Any]) -> None:
    """Take out a bid's receipt and leave its withdrawal."""
    withdrawal = next(row for row in receipts if '"kind":"withdrawal"' in row["text"])
    receipts.remove(first(receipts, bid_id=withdrawal["bid_id"]))


def signed_for_both(supplements: list[Any]) -> None:
    addition = first(supplements, kind="addition")
    addition.update(ended_by=addition["proposed_by"])


def rewritten(supplements: list[Any]) -> None:
    """Another text under its own hash, as if it had been signed."""
    addition = first(supplements, kind="addition")
    text = addition["text"].replace("增加 1 ", "增加 9 ")
    addition.update(text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def late(supplements: list[Any]) -> None:
    addition = first(supplements, kind="addition")
    addition.update(answer_by=addition["ended_at"])


def never_signed(supplements: list[Any]) -> None:
    """What still waits is said to have brought about a change of its contract."""
    change_id = first(supplements, kind="addition")["change_id"]
    first(supplements, kind="termination").update(change_id=change_id)


Change = Callable[[Any], Any]
FORGED: list[tuple[str, str, Change]] = [
    (
        "receipts",
        "receipts",
        lambda rows: rows[0].update(text=rows[0]["text"].replace('"number":1', '"number":9')),
    ),
    ("receipts", "receipts", lambda rows: rows[0].update(signature="00" * 64)),
    ("receipts", "receipts", lambda rows: rows[0].update(key_id="0" * 32)),
    ("receipts", "receipts", without_the_first_of_two),
    ("receipts", "call", lambda call: call.update(deadline_at="2020-01-01T00:00:00+00:00")),
    ("bids", "bids", lambda rows: first(rows, state="opened").update(submission_id=None)),
    ("bids", "bids", lambda rows: first(rows, state="withdrawn").update(state="opened")),
    ("bids", "bids", lambda rows: rows.remove(first(rows, state="opened"))),
    ("bids", "bids", lambda rows: first(rows, state="opened").update(organisation_id=str(new_id()))),
    ("the opening", "opening", lambda opening: opening.update(private_key="11" * 32)),
    ("the opening", "opening", lambda opening: opening.update(second_by=opening["first_by"])),
    ("the opening", "opening", lambda opening: opening.update(at="2020-01-01T00:00:00+00:00")),
    (
        "the opening",
        "opening",
        lambda opening: opening["record"]["openers"][0].update(person_id=str(new_id())),
    ),
    (
        "opened contents",
        "bids",
        lambda rows: first(rows, state="opened")["content"].update(plan="另一个方案"),
    ),
    ("opened contents", "bids", lambda rows: first(rows, state="opened").update(content=None)),
    ("prices", "bids", lambda rows: first(rows, state="opened").update(price_fen=1)),
    ("prices", "bids", lambda rows: first(rows, state="opened").update(refused_reason="over_ceiling")),
    ("prices", "opening", lambda opening: opening["record"]["lots"][0]["bids"][0].update(price_fen=1)),
    ("prices", "opening", lambda opening: opening["record"]["lots"][0]["bids"].pop()),
    ("prices", "lots", lambda rows: first(rows, number=1)["lines"][0].update(units=7)),
    ("prices", "lots", lambda rows: first(rows, number=1).update(bid_ceiling_fen=1)),
    ("lots", "lots", lambda rows: first(rows, number=2).update(state="open")),
    ("lots", "call", lambda call: call.update(bidders_least=5)),
    ("lots", "opening", lambda opening: opening["record"]["lots"][0].update(standing=9)),
    ("criteria", "criteria", lambda rows: rows[0].update(weight=99)),
    ("scores", "scores", lambda rows: rows.pop()),
    ("scores", "scores", lambda rows: rows.append(rows[0])),
    ("scores", "scores", lambda rows: rows[0].update(points=10_001)),
    ("scores", "scorers", lambda rows: rows[0].update(declared="conflict")),
    ("the ranking", "scores", lambda rows: rows[0].update(points=0)),
    ("the ranking", "ranks", lambda rows: rows[0].update(total=rows[0]["total"] + 1)),
    ("the ranking", "ranks", lambda rows: rows[0].update(tie="price")),
    ("the ranking", "ranks", lambda rows: rows.pop()),
    ("awards", "awards", lambda rows: rows[0].update(price_fen=1)),
    ("awards", "awards", lambda rows: rows[0].update(rank=2)),
    ("awards", "awards", lambda rows: rows[0].update(bid_id=str(new_id()))),
    ("contracts", "lines", lambda rows: rows[0].update(unit_price_fen=1)),
    ("contracts", "contracts", lambda rows: rows[0].update(award_id=str(new_id()))),
    ("drawdown", "lines", lambda rows: rows[0]["balance"].update(free=0)),
    (
        "drawdown",
        "lines",
        lambda rows: first(rows, ceiling=1100)["balance"].update(
            delivered=150, accepted=50, reserved=0, free=900
        ),
    ),
    ("contracts are", "agreements", lambda rows: rows[0].update(text=rows[0]["text"] + "另附一条")),
    ("contracts are", "agreements", lambda rows: rows[0].update(price_fen=1)),
    ("contracts are", "signatures", lambda rows: rows.pop()),
    ("contracts are", "signatures", lambda rows: rows[0].update(sha256="0" * 64)),
    ("contracts are", "signatures", lambda rows: rows[0].update(side=rows[1]["side"])),
    ("contracts changed", "lines", lambda rows: first(rows, ceiling=1100).update(ceiling=1200)),
    ("contracts changed", "lines", lambda rows: first(rows, ceiling=2000).update(ceiling=2350)),
    ("contracts changed", "lines", lambda rows: rows.pop()),
    ("contracts changed", "changes", lambda rows: rows.remove(first(rows, kind="addition"))),
    ("contracts changed", "changes", lambda rows: first(rows, kind="addition").update(delta_fen=1)),
    ("contracts changed", "changes", lambda rows: first(rows, kind="addition")["lines"][0].update(units=99)),
    ("contracts changed", "changes", lambda rows: first(rows, kind="reduction").update(delta_fen=1)),
    ("contracts changed", "changes", lambda rows: first(rows, kind="extension").update(until="2030-01-01")),
    ("contracts changed", "contracts", lambda rows: rows[0].update(price_fen=rows[0]["price_fen"] + 1)),
    ("contracts changed", "contracts", lambda rows: rows[0].update(valid_to="2030-01-01")),
    ("contracts changed", "contracts", lambda rows: rows[0].update(state="suspended")),
    ("contracts changed", "changes", lambda rows: first(rows, kind="addition").update(agreement_kept=False)),
    ("contracts changed", "supplements", lambda rows: rows.remove(first(rows, kind="addition"))),
    ("contracts changed", "supplements", lambda rows: first(rows, kind="reduction").update(ended_by=None)),
    ("contracts changed", "supplements", signed_for_both),
    ("contracts changed", "supplements", lambda rows: first(rows, kind="addition").update(one_sided=True)),
    (
        "contracts changed",
        "supplements",
        lambda rows: first(rows, kind="addition").update(text="增加 9 小时"),
    ),
    ("contracts changed", "supplements", rewritten),
    ("contracts changed", "supplements", late),
    ("contracts changed", "supplements", never_signed),
    ("drawdown", "entries", lambda rows: rows[0].update(units=1)),
    ("drawdown", "entries", lambda rows: rows.pop()),
    ("claims", "entries", lambda rows: first(rows, accepted=True).update(accepted=False)),
    ("claims", "claim_entries", lambda rows: rows[0].update(amount_fen=1)),
    ("claims", "claim_entries", lambda rows: rows.append(rows[0])),
    ("claims", "claims", lambda rows: rows[0].update(amount_fen=1)),
    ("claims", "payments", lambda rows: rows[0].update(fen=1)),
    ("claims", "payments", lambda rows: rows.pop()),
    ("claims", "contracts", lambda rows: rows[0].update(price_fen=1)),
]


@pytest.mark.parametrize("number", range(len(FORGED)))
def test_what_is_made_up_does_not_follow_though_it_is_signed(package: bytes, number: int) -> None:
    what, name, change = FORGED[number]
    held = held_in(package)
    part = json.loads(held[contents.part(name)])
    change(part)
    forged = signed_anew(held | {contents.part(name): sealing.canonical(part)})
    found = faults(forged)
    assert any(each.startswith(what) for each in found), found
    assert not any(each.startswith(("the signature", "every part")) for each in found), found


def test_sealed_bytes_and_files_are_those_of_the_receipts(package: bytes) -> None:
    held = held_in(package)
    sealed = next(name for name in held if name.startswith("sealed/"))
    other = next(name for name in held if name.startswith("sealed/") and name != sealed)
    assert any(w.startswith("sealed bytes") for w in faults(signed_anew(held | {sealed: held[other]})))
    file = next(name for name in held if name.startswith("files/"))
    assert any(
        w.startswith("files of bids") for w in faults(signed_anew(held | {file: held[file][:-1] + b"x"}))
    )
    assert any(
        w.startswith("files of bids")
        for w in faults(signed_anew({n: c for n, c in held.items() if n != file}))
    )


def test_a_package_of_the_first_format_is_checked_as_it_was(package: bytes) -> None:
    held = held_in(package)
    for name in ("agreements", "signatures", "changes", "supplements"):
        del held[contents.part(name)]
    assert "every part is what the manifest says" in faults(signed_anew(held))
    assert faults(signed_anew(held, form=1)) == {}
    assert set(faults(signed_anew(held, form=3))) == {"the package"}


def test_changes_from_before_agreements_were_kept_are_told_and_not_held_against_it(
    package: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(*numbers: int) -> bytes:
        held = held_in(package)
        changes, agreed = (json.loads(held[contents.part(n)]) for n in ("changes", "supplements"))
        gone = [each for each in changes if each["number"] in numbers]
        assert len(gone) == len(numbers)
        for each in gone:
            each["agreement_kept"] = False
        ids = {each["change_id"] for each in gone}
        left = [each for each in agreed if each["change_id"] not in ids]
        parts = {"changes": changes, "supplements": left}
        return signed_anew(held | {contents.part(n): sealing.canonical(c) for n, c in parts.items()})

    assert faults(without(1, 2)) == {}
    path = tmp_path / "call.zip"
    path.write_bytes(without(1))
    assert main(["verify", str(path)]) == 0
    [said] = [line for line in capsys.readouterr().out.splitlines() if "no signed agreement was kept" in line]
    assert said.startswith("note ")
    assert "its first 1 change, up to 2026-" in said
    [later] = faults(without(2)).values()
    assert "came after" in later


def test_another_key_than_the_citys_is_found(package: bytes, service: ServiceUnderTest) -> None:
    [key] = service.as_(None).get("/public/signing-keys").json()["items"]
    assert faults(package, key["key_id"]) == {}
    assert set(faults(signed_anew(held_in(package)), key["key_id"])) == {"the signature under the manifest"}
