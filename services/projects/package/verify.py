"""Checks a package offline: receipts, openings, contents, scores, ranking, drawdown. Nothing is asked of any server."""

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from services.projects.awards.service import share
from services.projects.bids import contents as bid_contents
from services.projects.bids import sealing
from services.projects.bids.contents import Asked, LotTerms
from services.projects.bids.sealing import CannotOpen, Place, Receipt
from services.projects.deliveries.service import amount_fen
from services.projects.package import contents
from services.projects.scoring.ranking import Criterion, Offer, rank

MOST_BYTES = 4 * 1024**3
UNOPENED = "too_few"
FROM_ELSEWHERE = "one_controller"  # follows from the register of organisations, which is not in the package


class Wrong(Exception):
    """What is wrong with a package, in a sentence."""


@dataclass(frozen=True, slots=True)
class Result:
    """One check: what it looked at, and what is wrong with it (None: nothing)."""

    what: str
    fault: str | None = None


class Package:
    """The parts of a package, read as they are needed."""

    def __init__(self, held: Mapping[str, bytes]) -> None:
        self.held = held

    @classmethod
    def opened(cls, content: bytes) -> "Package":
        """The package in a ZIP. Wrong when it is none."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                names = file.namelist()
                if len(set(names)) != len(names):
                    raise Wrong("a name stands in it twice")
                if sum(info.file_size for info in file.infolist()) > MOST_BYTES:
                    raise Wrong("it is too large to be one")
                return cls({name: file.read(name) for name in names})
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise Wrong("it is no ZIP, or damaged") from error

    def part(self, name: str) -> Any:
        if name in contents.LATER and contents.part(name) not in self.held:
            return []
        return self._json(contents.part(name))

    def _json(self, name: str) -> Any:
        if name not in self.held:
            raise Wrong(f"{name} is missing")
        try:
            return json.loads(self.held[name])
        except ValueError as error:
            raise Wrong(f"{name} is no JSON") from error

    def bytes_of(self, name: str) -> bytes:
        if name not in self.held:
            raise Wrong(f"{name} is missing")
        return self.held[name]

    @cached_property
    def keys(self) -> dict[str, bytes]:
        found = {each["key_id"]: bytes.fromhex(each["public_key"]) for each in self.part("keys")}
        for key_id, public_key in found.items():
            if sealing.key_id(public_key) != key_id:
                raise Wrong(f"key {key_id} is not what its name says")
        return found

    @cached_property
    def call(self) -> dict[str, Any]:
        return dict(self.part("call"))

    @cached_property
    def bids(self) -> list[dict[str, Any]]:
        return list(self.part("bids"))

    @cached_property
    def lots(self) -> dict[str, dict[str, Any]]:
        return {lot["lot_id"]: lot for lot in self.part("lots")}

    @cached_property
    def receipts(self) -> dict[str, list[Receipt]]:
        """The receipts by bid, as their signed texts say."""
        found: dict[str, list[Receipt]] = defaultdict(list)
        for each in self.part("receipts"):
            said = json.loads(each["text"].split("\n", 1)[1])
            receipt = Receipt(
                UUID(said["submission_id"]),
                UUID(said["bid_id"]),
                UUID(said["call_id"]),
                UUID(said["lot_id"]),
                UUID(said["organisation_id"]),
                said["number"],
                said["kind"],
                said["sha256"],
                datetime.fromisoformat(said["at"]),
            )
            if receipt.text != each["text"].encode():
                raise Wrong(f"receipt {each['submission_id']} is not written as receipts are")
            found[said["bid_id"]].append(receipt)
        return found

    @cached_property
    def opening(self) -> dict[str, Any] | None:
        found = self.part("opening")
        return dict(found) if found is not None else None

    @cached_property
    def opened_bids(self) -> list[dict[str, Any]]:
        return [
            bid
            for bid in self.bids
            if bid["state"] in ("opened", "refused") and bid["refused_reason"] != UNOPENED
        ]

    @cached_property
    def private_key(self) -> sealing.PrivateKey:
        if self.opening is None:
            raise Wrong("there are opened bids and no opening record")
        return sealing.PrivateKey.from_private_bytes(bytes.fromhex(self.opening["private_key"]))

    def standing(self, bid: Mapping[str, Any]) -> Receipt:
        for receipt in self.receipts.get(bid["bid_id"], ()):
            if str(receipt.submission_id) == bid["submission_id"]:
                return receipt
        raise Wrong(f"bid {bid['bid_id']} has no receipt")

    def terms(self, lot_id: str) -> LotTerms:
        lot = self.lots[lot_id]
        lines = tuple(
            Asked(UUID(line["lot_line_id"]), line["units"], line["unit_ceiling_fen"]) for line in lot["lines"]
        )
        return LotTerms(self.call["method"] == "venture", lot["bid_ceiling_fen"], lines)


def verify(content: bytes, trusted: str | None = None) -> list[Result]:
    """Every check of a package, in order. `trusted`: the signing key's id, as the city's public page shows it."""
    try:
        package = Package.opened(content)
    except Wrong as wrong:
        return [Result("the package", str(wrong))]
    return [
        _checked(what, check, package)
        for what, check in (
            ("the signature under the manifest", lambda p: _signature(p, trusted)),
            ("every part is what the manifest says", _manifest),
            ("receipts: signed, in order, in time", _receipts),
            ("bids: each stands by its last receipt", _standing),
            ("sealed bytes are those of the receipts", _sealed),
            ("the opening: two openers, after the deadline, with the call's key", _opening),
            ("opened contents are what was sealed", _opened),
            ("files of bids are what was sealed", _files),
            ("prices, ceilings and refusals follow from the contents", _prices),
            ("lots are void where too few bids stand, and only there", _void),
            ("criteria's weights are 100 in all", _criteria),
            ("scores: every scorer, criterion and bid, once", _scores),
            ("the ranking follows from prices and scores", _ranking),
            ("awards go to ranked bids at their price", _awards),
            ("contracts' lines are what was bid", _lines),
            ("drawdown: contracted = reserved + delivered + accepted + free", _drawdown),
            ("claims and payments: accepted, once, not more than the price", _payments),
            ("grants: their milestones' sum, paid once each and after their review", _grants),
        )
    ]


def _checked(what: str, check: Callable[[Package], None], package: Package) -> Result:
    try:
        check(package)
    except Wrong as wrong:
        return Result(what, str(wrong))
    except Exception as error:  # whatever somebody made of a part
        return Result(what, f"it can't be read: {type(error).__name__}")
    return Result(what)


def _signature(package: Package, trusted: str | None) -> None:
    said = json.loads(package.bytes_of(contents.SIGNATURE))
    key_id = said["key_id"]
    if trusted is not None and key_id != trusted:
        raise Wrong(f"signed by {key_id}, not by {trusted}")
    if key_id not in package.keys:
        raise Wrong(f"key {key_id} is not among its keys")
    text = contents.signed_text(package.bytes_of(contents.MANIFEST))
    if not sealing.signed(text, bytes.fromhex(said["signature"]), package.keys[key_id]):
        raise Wrong("the signature does not hold")


def _manifest(package: Package) -> None:
    listed = json.loads(package.bytes_of(contents.MANIFEST))
    if listed["format"] != contents.FORMAT or listed["call_id"] != package.call["call_id"]:
        raise Wrong("the manifest is of another call or format")
    held = {n: c for n, c in package.held.items() if n not in (contents.MANIFEST, contents.SIGNATURE)}
    for name in sorted(listed["files"].keys() ^ held.keys()):
        raise Wrong(f"{name} is {'missing' if name in listed['files'] else 'not listed'}")
    for name, content in held.items():
        if sealing.sha256(content) != listed["files"][name]:
            raise Wrong(f"{name} was changed")
    for name in contents.PARTS:
        package.part(name)


def _receipts(package: Package) -> None:
    deadline = datetime.fromisoformat(package.call["deadline_at"])
    for each in package.part("receipts"):
        if each["key_id"] not in package.keys:
            raise Wrong(f"receipt {each['submission_id']} is signed by an unknown key")
        key = package.keys[each["key_id"]]
        if not sealing.signed(each["text"].encode(), bytes.fromhex(each["signature"]), key):
            raise Wrong(f"the signature of receipt {each['submission_id']} does not hold")
    for bid_id, receipts in package.receipts.items():
        if [receipt.number for receipt in receipts] != list(range(1, len(receipts) + 1)):
            raise Wrong(f"bid {bid_id}: a receipt is missing")
        for before, receipt in zip([None, *receipts], receipts, strict=False):
            if receipt.at >= deadline:
                raise Wrong(f"receipt {receipt.submission_id} is late")
            if str(receipt.call_id) != package.call["call_id"]:
                raise Wrong(f"receipt {receipt.submission_id} is of another call")
            if before and before.at > receipt.at:
                raise Wrong(f"bid {bid_id}: receipts are not in the order of their times")
            if receipt.kind == "withdrawal" and (before is None or before.sha256 != receipt.sha256):
                raise Wrong(f"receipt {receipt.submission_id} withdraws what was not there")


def _standing(package: Package) -> None:
    known = {bid["bid_id"] for bid in package.bids}
    for bid_id in package.receipts.keys() - known:
        raise Wrong(f"bid {bid_id} has receipts and is missing")
    for bid in package.bids:
        receipts = package.receipts.get(bid["bid_id"])
        if not receipts:
            raise Wrong(f"bid {bid['bid_id']} has no receipt")
        last = receipts[-1]
        if (last.kind == "bid") != (bid["submission_id"] == str(last.submission_id)):
            raise Wrong(f"bid {bid['bid_id']} does not stand by its last receipt")
        if (last.kind == "withdrawal") != (bid["state"] == "withdrawn"):
            raise Wrong(f"bid {bid['bid_id']} was withdrawn, or was not")
        if (str(last.lot_id), str(last.organisation_id)) != (bid["lot_id"], bid["organisation_id"]):
            raise Wrong(f"bid {bid['bid_id']} is of another lot or organisation")
        if bid["lot_id"] not in package.lots:
            raise Wrong(f"bid {bid['bid_id']} is for no lot of the call")


def _sealed(package: Package) -> None:
    for bid in package.opened_bids:
        content = package.bytes_of(contents.sealed_name(bid["submission_id"]))
        same = sealing.sha256(content) == package.standing(bid).sha256
        if same == (bid["refused_reason"] == "changed"):
            raise Wrong(
                f"bid {bid['bid_id']}: its sealed bytes are {'not ' if not same else ''}the receipt's"
            )


def _opening(package: Package) -> None:
    opening = package.opening
    if opening is None:
        if package.opened_bids or package.call["opened_at"] is not None:
            raise Wrong("there is no opening record")
        return
    if sealing.public(package.private_key).hex() != package.call["public_key"]:
        raise Wrong("the key is not the call's")
    if opening["first_by"] == opening["second_by"]:
        raise Wrong("one person opened it alone")
    by = [each["person_id"] for each in opening["record"]["openers"]]
    if by != [opening["first_by"], opening["second_by"]]:
        raise Wrong("the record names other openers")
    deadline = datetime.fromisoformat(package.call["deadline_at"])
    times = [*(each["at"] for each in opening["record"]["openers"]), opening["at"]]
    if any(datetime.fromisoformat(at) < deadline for at in times):
        raise Wrong("it was opened before the deadline")


def _opened(package: Package) -> None:
    for bid in package.opened_bids:
        sealed = package.bytes_of(contents.sealed_name(bid["submission_id"]))
        place = Place(UUID(package.call["call_id"]), UUID(bid["lot_id"]), UUID(bid["organisation_id"]))
        try:
            content: dict[str, Any] | None = sealing.opened(sealed, package.private_key, place)
        except CannotOpen:
            content = None
        if (content is None or bid["refused_reason"] == "changed") != (
            bid["refused_reason"] in ("cannot_open", "changed")
        ):
            raise Wrong(f"bid {bid['bid_id']} can be opened, or can't, other than it says")
        if bid["content"] != (content if bid["refused_reason"] != "changed" else None):
            raise Wrong(f"bid {bid['bid_id']}: another content was sealed")


def _files(package: Package) -> None:
    for bid in package.opened_bids:
        for file in (bid["content"] or {}).get("files", ()):
            block = package.bytes_of(contents.file_name(file["file_id"]))
            try:
                plain = sealing.decrypted(block, bytes.fromhex(file["key"]))
            except CannotOpen:
                raise Wrong(f"file {file['file_id']} does not open with its key") from None
            if sealing.sha256(plain) != file["sha256"] or len(plain) != file["size"]:
                raise Wrong(f"file {file['file_id']} is another one")


def _prices(package: Package) -> None:
    for bid in package.opened_bids:
        if bid["content"] is None:
            continue
        terms = package.terms(bid["lot_id"])
        fault = bid_contents.fault(bid["content"], terms)
        if bid["refused_reason"] != (fault or (bid["refused_reason"] if _elsewhere(bid) else None)):
            raise Wrong(f"bid {bid['bid_id']} is refused with {bid['refused_reason']}, not with {fault}")
        if (bid["state"] == "refused") != (bid["refused_reason"] is not None):
            raise Wrong(f"bid {bid['bid_id']} is {bid['state']}")
        if fault is None and bid["price_fen"] != bid_contents.total_fen(bid["content"], terms):
            raise Wrong(f"bid {bid['bid_id']}: its price is not the sum of its lines")
    if package.opening is None:
        return
    recorded = {b["bid_id"]: b for lot in package.opening["record"]["lots"] for b in lot["bids"]}
    submitted = {b["bid_id"]: b for b in package.bids if b["state"] in ("opened", "refused")}
    if recorded.keys() != submitted.keys():
        raise Wrong("the opening record lists other bids")
    for bid_id, bid in submitted.items():
        receipt, said = package.standing(bid), recorded[bid_id]
        same = all(
            said[n] == bid[n] for n in ("price_fen", "refused_reason", "submission_id", "organisation_id")
        )
        if not same or said["sha256"] != receipt.sha256 or datetime.fromisoformat(said["at"]) != receipt.at:
            raise Wrong(f"bid {bid_id} is recorded otherwise")


def _elsewhere(bid: Mapping[str, Any]) -> bool:
    return bool(bid["refused_reason"] == FROM_ELSEWHERE)


def _void(package: Package) -> None:
    if package.opening is None:
        return
    least = package.call["bidders_least"]
    recorded = {lot["lot_id"]: lot for lot in package.opening["record"]["lots"]}
    if recorded.keys() != package.lots.keys():
        raise Wrong("the opening record lists other lots")
    for lot_id, lot in package.lots.items():
        bids = [bid for bid in package.bids if bid["lot_id"] == lot_id]
        submitted = [bid for bid in bids if bid["state"] != "withdrawn"]
        standing = [bid for bid in submitted if bid["state"] == "opened"]
        said = recorded[lot_id]
        if (said["submitted"], said["standing"]) != (len(submitted), len(standing)):
            raise Wrong(f"lot {lot['number']}: {len(standing)} of {len(submitted)} bids stand")
        if (len(standing) < least) != said["void"] or (said["void"] and lot["state"] != "void"):
            raise Wrong(f"lot {lot['number']} has {len(standing)} bids of {least} and is {lot['state']}")
        closed = [bid for bid in submitted if bid["refused_reason"] == UNOPENED]
        if (closed and len(closed) != len(submitted)) or bool(closed) != (0 < len(submitted) < least):
            raise Wrong(f"lot {lot['number']}: bids stayed closed that should not, or were opened")


def _criteria(package: Package) -> None:
    weights = [each["weight"] for each in package.part("criteria")]
    if sum(weights) != 100 or min(weights) < 1:
        raise Wrong(f"they are {sum(weights)}")


def _scored(package: Package) -> dict[tuple[UUID, UUID], list[int]]:
    """The points of those who scored to the end, by bid and criterion."""
    scorers = {s["person_id"] for s in package.part("scorers") if s["finished_at"] and not s["left_at"]}
    points: dict[tuple[UUID, UUID], list[int]] = defaultdict(list)
    seen = set()
    for score in package.part("scores"):
        at = (score["bid_id"], score["criterion_id"], score["person_id"])
        if at in seen:
            raise Wrong("somebody scored a bid twice by one criterion")
        seen.add(at)
        if not (type(score["points"]) is int and 0 <= score["points"] <= 10_000):
            raise Wrong("points are from 0 to 10000")
        if score["person_id"] in scorers:
            points[UUID(score["bid_id"]), UUID(score["criterion_id"])].append(score["points"])
    return points


def _ranked_lots(package: Package) -> dict[str, list[dict[str, Any]]]:
    of_bid = {bid["bid_id"]: bid["lot_id"] for bid in package.bids}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in package.part("ranks"):
        if of_bid.get(row["bid_id"]) != row["lot_id"]:
            raise Wrong(f"bid {row['bid_id']} is ranked in a lot that it is not for")
        found[row["lot_id"]].append(row)
    return found


def _scores(package: Package) -> None:
    scorers = [s for s in package.part("scorers") if s["finished_at"] and not s["left_at"]]
    if any(s["declared"] != "none" for s in scorers):
        raise Wrong("somebody scored who declared no freedom from conflict")
    points = _scored(package)
    quality = [UUID(c["criterion_id"]) for c in package.part("criteria") if c["kind"] == "quality"]
    for lot_id in _ranked_lots(package):
        for bid in package.bids:
            if bid["lot_id"] != lot_id or bid["state"] != "opened":
                continue
            for criterion in quality:
                if len(points[UUID(bid["bid_id"]), criterion]) != len(scorers):
                    raise Wrong(f"bid {bid['bid_id']}: a score is missing")


def _ranking(package: Package) -> None:
    criteria = [
        Criterion(UUID(c["criterion_id"]), c["position"], c["kind"], c["weight"])
        for c in package.part("criteria")
    ]
    points = _scored(package)
    for lot_id, rows in _ranked_lots(package).items():
        offers = [
            Offer(UUID(bid["bid_id"]), bid["price_fen"], package.standing(bid).at)
            for bid in package.bids
            if bid["lot_id"] == lot_id and bid["state"] == "opened"
        ]
        computed = {
            str(r.bid_id): (r.rank, r.total, {str(k): v for k, v in r.parts.items()}, r.tie)
            for r in rank(offers, criteria, points)
        }
        said = {row["bid_id"]: (row["rank"], row["total"], row["parts"], row["tie"]) for row in rows}
        for bid_id in sorted(computed.keys() | said.keys()):
            if computed.get(bid_id) != said.get(bid_id):
                raise Wrong(f"lot {package.lots[lot_id]['number']}, bid {bid_id}: another rank or total")


def _awards(package: Package) -> None:
    bids = {bid["bid_id"]: bid for bid in package.bids}
    ranks = {row["bid_id"]: row["rank"] for row in package.part("ranks")}
    won: dict[str, int] = defaultdict(int)
    for award in package.part("awards"):
        bid = bids.get(award["bid_id"])
        if bid is None or bid["state"] != "opened" or bid["lot_id"] != award["lot_id"]:
            raise Wrong(f"award {award['award_id']} goes to no bid that stands")
        if (award["price_fen"], award["organisation_id"]) != (
            _part(package, award, bid),
            bid["organisation_id"],
        ):
            raise Wrong(f"award {award['award_id']} is not at the bid's price")
        if ranks.get(award["bid_id"]) != award["rank"]:
            raise Wrong(f"award {award['award_id']} says another rank")
        if award["rank"] > package.lots[award["lot_id"]]["winners"] and not award["reason"]:
            raise Wrong(f"award {award['award_id']} passes over a better bid and does not say why")
        won[award["lot_id"]] += award["state"] != "void"
    for lot_id, count in won.items():
        if count > package.lots[lot_id]["winners"]:
            raise Wrong(f"lot {package.lots[lot_id]['number']} has too many winners")


def _part(package: Package, award: Mapping[str, Any], bid: Mapping[str, Any]) -> int:
    """What an award costs: the bid's price, or that of its share where a framework has several winners."""
    beside = [each for each in package.part("awards") if each["decision_id"] == award["decision_id"]]
    beside.sort(key=lambda each: each["rank"])
    if package.call["method"] != "framework" or len(beside) == 1:
        return int(bid["price_fen"])
    prices = {UUID(p["lot_line_id"]): p["unit_price_fen"] for p in bid["content"]["prices"]}
    place = beside.index(award)
    return sum(
        amount_fen(share(line.units, place, len(beside)), prices[line.lot_line_id])
        for line in package.terms(award["lot_id"]).lines
    )


def _lines(package: Package) -> None:
    awards = {award["award_id"]: award for award in package.part("awards")}
    bids = {bid["bid_id"]: bid for bid in package.bids}
    by_contract: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in package.part("lines"):
        by_contract[line["contract_id"]].append(line)
    for contract in package.part("contracts"):
        award = awards.get(contract["award_id"])
        if award is None or award["organisation_id"] != contract["organisation_id"]:
            raise Wrong(f"contract {contract['number']} follows from no award")
        prices = {p["unit_price_fen"] for p in bids[award["bid_id"]]["content"]["prices"]}
        for line in by_contract[contract["contract_id"]]:
            if line["unit_price_fen"] not in prices:
                raise Wrong(f"contract {contract['number']}: a line has a price that was not bid")


def _drawdown(package: Package) -> None:
    lines = {line["line_id"]: line for line in package.part("lines")}
    units: dict[str, int] = defaultdict(int)
    accepted: dict[str, int] = defaultdict(int)
    for entry in package.part("entries"):
        line = lines.get(entry["line_id"])
        if line is None:
            raise Wrong(f"entry {entry['entry_id']} is of no line")
        worth = amount_fen(abs(entry["units"]), line["unit_price_fen"])
        if abs(entry["amount_fen"]) != worth or (entry["amount_fen"] < 0) != (worth > 0 > entry["units"]):
            raise Wrong(f"entry {entry['entry_id']}: units × price is another amount")
        units[entry["line_id"]] += entry["units"]
        if entry["accepted"] and not entry["reversal"]:
            accepted[entry["line_id"]] += entry["units"]
    for line_id, line in lines.items():
        balance = line["balance"]
        if balance is None or balance["ceiling"] != line["ceiling"]:
            raise Wrong(f"line {line_id} has no balance, or another ceiling's")
        drawn = balance["delivered"] + balance["accepted"]
        parts = (
            balance["reserved"],
            balance["delivered"],
            balance["accepted"],
            balance["free"],
            balance["over"],
        )
        if (
            min(parts) < 0
            or balance["ceiling"] + balance["over"] != balance["reserved"] + drawn + balance["free"]
        ):
            raise Wrong(f"line {line_id}: the sum does not hold")
        if balance["accepted"] != accepted[line_id]:
            raise Wrong(
                f"line {line_id}: {accepted[line_id]} units stand accepted, not {balance['accepted']}"
            )
        if drawn != units[line_id]:
            raise Wrong(f"line {line_id}: {units[line_id]} units are in the ledger, {drawn} in the balance")


def _payments(package: Package) -> None:
    entries = {entry["entry_id"]: entry for entry in package.part("entries")}
    claims = {claim["claim_id"]: claim for claim in package.part("claims")}
    corrected = {(e["attendance_id"], e["revision"]) for e in entries.values() if e["reversal"]}
    sums: dict[str, int] = defaultdict(int)
    paid_entries: dict[str, int] = defaultdict(int)
    claimed = set()
    for each in package.part("claim_entries"):
        entry = entries.get(each["entry_id"])
        if entry is None or abs(each["amount_fen"]) > entry["amount_fen"]:
            raise Wrong(f"claim {each['claim_id']}: an entry is of another amount, or of no delivery")
        paid_for = claims.get(each["claim_id"], {}).get("state") == "paid"
        if paid_for:
            paid_entries[each["entry_id"]] += each["amount_fen"]
        if each["live"]:
            if each["entry_id"] in claimed:
                raise Wrong(f"entry {each['entry_id']} is claimed twice")
            claimed.add(each["entry_id"])
        sums[each["claim_id"]] += each["amount_fen"]
    for entry_id, fen in paid_entries.items():
        entry = entries[entry_id]
        stands = entry["accepted"] or (entry["attendance_id"], entry["revision"]) in corrected
        if not 0 <= fen <= entry["amount_fen"] or (fen > 0 and not stands):
            raise Wrong(f"entry {entry_id} is paid and was not accepted, or paid for more than it is worth")
    for claim_id, claim in claims.items():
        if sums[claim_id] != claim["amount_fen"]:
            raise Wrong(f"claim {claim_id} is not the sum of its entries")
    paid: dict[str, int] = defaultdict(int)
    for refund in package.part("refunds"):
        paid[refund["contract_id"]] -= refund["fen"]
    for payment in package.part("payments"):
        if payment["contract_id"] is None:
            continue
        if payment["claim_id"] is not None:
            claim = claims.get(payment["claim_id"])
            if claim is None or claim["amount_fen"] != payment["fen"] or claim["state"] != "paid":
                raise Wrong(f"payment {payment['payment_id']} is not what was claimed")
        paid[payment["contract_id"]] += payment["fen"]
    for contract in package.part("contracts"):
        if paid[contract["contract_id"]] != contract["paid_fen"]:
            raise Wrong(f"contract {contract['number']}: the payments are another sum")
        if contract["price_fen"] is not None and contract["paid_fen"] > contract["price_fen"]:
            raise Wrong(f"contract {contract['number']}: more is paid than its price")


def _grants(package: Package) -> None:
    awards = {award["award_id"]: award for award in package.part("awards")}
    milestones: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in package.part("milestones"):
        milestones[each["grant_id"]].append(each)
    passed = {each["milestone_id"] for each in package.part("grant_steps") if each["kind"] == "passed"}
    paid: dict[str, int] = defaultdict(int)
    for payment in package.part("payments"):
        if payment["milestone_id"] is not None:
            if payment["milestone_id"] in paid:
                raise Wrong(f"milestone {payment['milestone_id']} is paid twice")
            paid[payment["milestone_id"]] = payment["fen"]
    for grant in package.part("grants"):
        own = milestones[grant["grant_id"]]
        award = awards.get(grant["award_id"])
        if award is None or award["price_fen"] != grant["amount_fen"]:
            raise Wrong(f"grant {grant['number']} is of another amount than its award")
        if sum(each["amount_fen"] for each in own) != grant["amount_fen"]:
            raise Wrong(f"grant {grant['number']} is not the sum of its milestones")
        for each in own:
            due = each["amount_fen"] if each["state"] == "paid" else 0
            if paid[each["milestone_id"]] != due:
                raise Wrong(f"milestone {each['milestone_id']} is paid for another amount")
            if due and each["kind"] != "start" and each["milestone_id"] not in passed:
                raise Wrong(f"milestone {each['milestone_id']} is paid and was not reviewed")
        if sum(paid[each["milestone_id"]] for each in own) != grant["paid_fen"]:
            raise Wrong(f"grant {grant['number']}: the payments are another sum")
