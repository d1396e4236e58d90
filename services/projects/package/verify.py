"""Checks a package offline: receipts, openings, contents, scores, ranking, drawdown. Nothing is asked of any server."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.projects.awards.service import share
from services.projects.bids import contents as bid_contents
from services.projects.bids import sealing
from services.projects.bids.sealing import CannotOpen, Place
from services.projects.deliveries.service import amount_fen
from services.projects.package import contents, performing
from services.projects.package.reading import UNOPENED, Package, Wrong
from services.projects.scoring.ranking import Criterion, Offer, rank

FROM_ELSEWHERE = "one_controller"  # follows from the register of organisations, which is not in the package


@dataclass(frozen=True, slots=True)
class Result:
    """One check: what it looked at, what is wrong with it (None: nothing), and what of it could not be checked."""

    what: str
    fault: str | None = None
    note: str | None = None


def verify(content: bytes, trusted: str | None = None) -> list[Result]:
    """Every check of a package, in order. `trusted`: the signing key's id, as the city's public page shows it."""
    try:
        package = Package.opened(content)
        checks = [each for each in CHECKS if package.format > 1 or each not in SINCE_2]
    except Wrong as wrong:
        return [Result("the package", str(wrong))]
    return [
        _checked("the signature under the manifest", lambda p: _signature(p, trusted), package),
        *(_checked(what, check, package) for what, check in checks),
    ]


def _checked(what: str, check: Callable[[Package], str | None], package: Package) -> Result:
    try:
        note = check(package)
    except Wrong as wrong:
        return Result(what, str(wrong))
    except Exception as error:  # whatever somebody made of a part
        return Result(what, f"it can't be read: {type(error).__name__}")
    return Result(what, note=note)


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
    if listed["call_id"] != package.call["call_id"]:
        raise Wrong("the manifest is of another call")
    held = {n: c for n, c in package.held.items() if n not in (contents.MANIFEST, contents.SIGNATURE)}
    for name in sorted(listed["files"].keys() ^ held.keys()):
        raise Wrong(f"{name} is {'missing' if name in listed['files'] else 'not listed'}")
    for name, content in held.items():
        if sealing.sha256(content) != listed["files"][name]:
            raise Wrong(f"{name} was changed")
    for name in (*contents.PARTS, *contents.SINCE_2):
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
        later = bid["bid_id"] in package.refused_later
        if later and fault is not None:
            raise Wrong(f"bid {bid['bid_id']} was to be refused at the opening with {fault}")
        if not later and bid["refused_reason"] != (
            fault or (bid["refused_reason"] if _elsewhere(bid) else None)
        ):
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
        same = all(said[n] == bid[n] for n in ("price_fen", "submission_id", "organisation_id"))
        same &= said["refused_reason"] == bid["refused_reason"] or bid_id in package.refused_later
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
        standing = [
            bid for bid in submitted if bid["state"] == "opened" or bid["bid_id"] in package.refused_later
        ]
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
        for bid in package.in_ranking(lot_id):
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
            for bid in package.in_ranking(lot_id)
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
        stands = bid is not None and (
            bid["state"] == "opened" or (award["state"] == "void" and bid["bid_id"] in package.refused_later)
        )
        if bid is None or not stands or bid["lot_id"] != award["lot_id"]:
            raise Wrong(f"award {award['award_id']} goes to no bid that stands")
        if (award["price_fen"], award["organisation_id"]) != (
            _part(package, award, bid),
            bid["organisation_id"],
        ):
            raise Wrong(f"award {award['award_id']} is not at the bid's price")
        if ranks.get(award["bid_id"]) != award["rank"]:
            raise Wrong(f"award {award['award_id']} says another rank")
        fell = [
            b["bid_id"] for b in package.in_ranking(award["lot_id"]) if b["bid_id"] in package.refused_later
        ]
        better = award["rank"] - sum(ranks[bid_id] < award["rank"] for bid_id in fell)
        if better > package.lots[award["lot_id"]]["winners"] and not award["reason"]:
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


Check = tuple[str, Callable[[Package], str | None]]
SINCE_2: tuple[Check, ...] = (
    ("contracts are the texts that both sides signed", performing.agreements),
    ("contracts changed by agreements that both sides signed, and by no more", performing.changes),
)
CHECKS: tuple[Check, ...] = (
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
    ("contracts' lines are what was bid", performing.lines),
    *SINCE_2,
    ("drawdown: contracted = reserved + delivered + accepted + free", performing.drawdown),
    ("claims and payments: accepted, once, not more than the price", performing.payments),
    ("grants: their milestones' sum, paid once each and after their review", _grants),
)
