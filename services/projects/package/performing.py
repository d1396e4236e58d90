"""Checks of a package's contracts: what was signed, changed, drawn and paid."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from services.projects.awards.contracting import priced, total_said
from services.projects.awards.service import share
from services.projects.awards.supplements import ONE_SIDED, moved, other_said
from services.projects.deliveries.service import amount_fen
from services.projects.package.reading import Package, Wrong
from shared.clock import wall_day
from shared.contracts.codes import ContractUnit
from shared.rules import rule_value

SIDES = {"bureau", "organisation"}
STATE_AFTER = {"suspension": "suspended", "resumption": "active", "termination": "ended"}


def lines(package: Package) -> None:
    """Every line of a contract has a price that its award's bid had."""
    awards = {award["award_id"]: award for award in package.part("awards")}
    bids = {bid["bid_id"]: bid for bid in package.bids}
    by_contract = _by(package.part("lines"), "contract_id")
    for contract in package.part("contracts"):
        award = awards.get(contract["award_id"])
        if award is None or award["organisation_id"] != contract["organisation_id"]:
            raise Wrong(f"contract {contract['number']} follows from no award")
        prices = {p["unit_price_fen"] for p in bids[award["bid_id"]]["content"]["prices"]}
        for line in by_contract[contract["contract_id"]]:
            if line["unit_price_fen"] not in prices:
                raise Wrong(f"contract {contract['number']}: a line has a price that was not bid")


def agreements(package: Package) -> None:
    """Each contract's text is the one that both sides signed, and says its award's price."""
    awards = {award["award_id"]: award for award in package.part("awards")}
    said = {each["contract_id"]: each for each in package.part("agreements")}
    signed = _by(package.part("signatures"), "contract_id")
    contracts = {each["contract_id"]: each for each in package.part("contracts")}
    for contract_id in said.keys() ^ contracts.keys():
        raise Wrong(f"contract {contract_id} has no text, or the text no contract")
    for contract_id, contract in contracts.items():
        text, number = said[contract_id], contract["number"]
        award = awards[contract["award_id"]]
        if _sha256(text["text"]) != text["sha256"]:
            raise Wrong(f"contract {number}: its text is another one")
        if text["price_fen"] != award["price_fen"] or total_said(text["price_fen"]) not in text["text"]:
            raise Wrong(f"contract {number}: its text has another price than its award")
        sides = [each["side"] for each in signed[contract_id]]
        if any(each["sha256"] != text["sha256"] for each in signed[contract_id]):
            raise Wrong(f"contract {number}: another text was signed")
        if len(set(sides)) != len(sides) or not SIDES.issuperset(sides):
            raise Wrong(f"contract {number}: one side signed twice")
        if (set(sides) == SIDES) != (award["state"] == "signed"):
            raise Wrong(
                f"contract {number}: it is not signed by both sides, or is and its award does not say so"
            )


def changes(package: Package) -> str | None:
    """Units, price, last day and state are what was signed, and what both sides then agreed to; what of it can't be checked."""
    changed = _by(package.part("changes"), "contract_id")
    agreed = _by(package.part("supplements"), "contract_id")
    known = {each["contract_id"]: each for each in package.part("contracts")}
    for contract_id in (changed.keys() | agreed.keys()) - known.keys():
        raise Wrong(f"contract {contract_id} was changed and is missing")
    held = _by(package.part("lines"), "contract_id")
    signed = {each["contract_id"]: each for each in package.part("agreements")}
    for contract_id, contract in known.items():
        steps = sorted(changed[contract_id], key=lambda each: int(each["number"]))
        own = {line["line_id"]: line for line in held[contract_id]}
        _agreed(contract, own, steps, agreed[contract_id])
        _replayed(package, contract, signed[contract_id], own, steps)
    return "; ".join(_unsigned(package)) or None


def _unsigned(package: Package) -> list[str]:
    """What can't be checked, in a sentence a contract: changes from before supplementary agreements were kept."""
    said = []
    changed = _by(package.part("changes"), "contract_id")
    for contract in package.part("contracts"):
        before = [each for each in changed[contract["contract_id"]] if not _kept(each)]
        if before:
            last = max(wall_day(datetime.fromisoformat(each["at"])) for each in before)
            said.append(
                f"contract {contract['number']}: no signed agreement was kept for its first {len(before)}"
                f" change{'s' if len(before) > 1 else ''}, up to {last}"
            )
    return said


def _kept(change: Mapping[str, Any]) -> bool:
    return bool(change.get("agreement_kept", True))


def _agreed(
    contract: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    agreed: Sequence[Mapping[str, Any]],
) -> None:
    """A change has one supplementary agreement in force, with both signatures where the law wants both.

    Those from before agreements were kept have none: they come first, and `_unsigned` names them.
    """
    number = contract["number"]
    since = [each for each in steps if _kept(each)]
    if list(steps[len(steps) - len(since) :]) != since:
        raise Wrong(f"contract {number}: a change without an agreement came after one with its own")
    by_change = {each["change_id"]: each for each in agreed if each["state"] == "in_force"}
    if len(by_change) != sum(each["state"] == "in_force" for each in agreed):
        raise Wrong(f"contract {number}: two agreements brought about one change")
    if by_change.keys() != {each["change_id"] for each in since}:
        raise Wrong(f"contract {number}: a change has no agreement in force, or an agreement no change")
    for said in agreed:
        which = f"contract {number}, agreement {said['supplement_id']}"
        if _sha256(said["text"]) != said["sha256"]:
            raise Wrong(f"{which}: its text is another one")
        if said["state"] != "in_force":
            if said["change_id"] is not None:
                raise Wrong(f"{which}: it is {said['state']} and changed something")
            continue
        if said["one_sided"]:
            if said["kind"] not in ("suspension", "termination") or ONE_SIDED not in said["text"]:
                raise Wrong(f"{which}: only a suspension or termination may be one-sided, by its clause")
        else:
            if None in (said["proposed_by"], said["ended_by"]) or said["proposed_by"] == said["ended_by"]:
                raise Wrong(f"{which}: it is not signed by both sides")
            at = [datetime.fromisoformat(said[n]) for n in ("proposed_at", "ended_at", "answer_by")]
            if not at[0] <= at[1] < at[2]:
                raise Wrong(f"{which}: it was not signed in time")
        _carried_out(which, said, next(c for c in steps if c["change_id"] == said["change_id"]), own)


def _carried_out(
    which: str, said: Mapping[str, Any], change: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> None:
    """What was changed is what the signed text says."""
    if any(said[name] != change[name] for name in ("kind", "until", "reason")):
        raise Wrong(f"{which}: something else was changed")
    if datetime.fromisoformat(change["at"]) != datetime.fromisoformat(said["ended_at"]):
        raise Wrong(f"{which}: the change is of another time than the signature")
    if change["kind"] in ("addition", "reduction"):
        if _units(said["lines"]) != _units(change["lines"]):
            raise Wrong(f"{which}: other units were changed")
        words = [
            moved(change["kind"], line["name"], ContractUnit(line["unit"]), units)
            for line, units in ((own[line_id], units) for line_id, units in _units(said["lines"]).items())
        ]
    else:
        words = [other_said(change["kind"], date.fromisoformat(said["until"]) if said["until"] else None)]
    if any(each not in said["text"] for each in words):
        raise Wrong(f"{which}: its text says something else")


def _replayed(
    package: Package,
    contract: Mapping[str, Any],
    signed: Mapping[str, Any],
    own: Mapping[str, dict[str, Any]],
    steps: Sequence[Mapping[str, Any]],
) -> None:
    """From the text that was signed, change by change, to what the contract is now."""
    number = contract["number"]
    if [each["number"] for each in steps] != list(range(1, len(steps) + 1)):
        raise Wrong(f"contract {number}: a change is missing")
    price, state = signed["price_fen"], "active"
    award = _award(package, contract)
    until = package.lots[award["lot_id"]]["valid_to"]
    after: Counter[str] = Counter()  # units by line since the signature
    added = 0
    for each in steps:
        units = _units(each["lines"])
        if not units.keys() <= own.keys():
            raise Wrong(f"contract {number}, change {each['number']}: a line is missing")
        worth = sum(amount_fen(n, own[line_id]["unit_price_fen"]) for line_id, n in units.items())
        delta = each["delta_fen"]
        if each["kind"] == "addition":
            added += delta
            after.update(units)
            most = int(rule_value("additions_most_percent", wall_day(datetime.fromisoformat(each["at"]))))
            if delta != worth or added * 100 > signed["price_fen"] * most:
                raise Wrong(
                    f"contract {number}, change {each['number']}: it adds another amount, or too much"
                )
        else:
            after.subtract(units)
            if not -worth <= delta <= 0:
                raise Wrong(f"contract {number}, change {each['number']}: it gives back another amount")
        price += delta
        until = each["until"] or until
        state = STATE_AFTER.get(each["kind"], state)
    closed = signed["closed_at"] is not None
    if contract["valid_to"] != until:
        raise Wrong(f"contract {number}: it ends on another day than was agreed")
    # closing takes back what nobody drew, and its money
    if contract["price_fen"] > price or (contract["price_fen"] < price and not closed):
        raise Wrong(f"contract {number}: its price is not the signed one with its changes")
    state = "ended" if closed else state
    if award["state"] != "signed":
        state = "ended" if award["state"] == "void" else "unsigned"
        if steps:
            raise Wrong(f"contract {number}: it was changed and is not signed")
    if contract["state"] != state:
        raise Wrong(f"contract {number}: it is {contract['state']}, by its signatures and changes {state}")
    before = {line_id: line["ceiling"] - after[line_id] for line_id, line in own.items()}
    _as_bid(package, contract, own, before, closed)


def _as_bid(
    package: Package,
    contract: Mapping[str, Any],
    own: Mapping[str, dict[str, Any]],
    before: Mapping[str, int],
    closed: bool,
) -> None:
    """The lines before all changes are the award's: its lot's lines at the prices bid, of several winners its share."""
    award = _award(package, contract)
    bid = next(each for each in package.bids if each["bid_id"] == award["bid_id"])
    prices = {p["lot_line_id"]: p["unit_price_fen"] for p in bid["content"]["prices"]}
    beside = sorted(
        (each for each in package.part("awards") if each["decision_id"] == award["decision_id"]),
        key=lambda each: int(each["rank"]),
    )
    text = next(a["text"] for a in package.part("agreements") if a["contract_id"] == contract["contract_id"])
    wanted: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for line in package.lots[award["lot_id"]]["lines"]:
        units, price = share(line["units"], beside.index(award), len(beside)), prices[line["lot_line_id"]]
        if priced(line["name"], ContractUnit(line["unit"]), units, price) not in text:
            raise Wrong(f"contract {contract['number']}: its text has other lines than were bid for")
        wanted[_like(line, price)].append(units)
    found: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for line_id, line in own.items():
        found[_like(line, line["unit_price_fen"])].append(before[line_id])
    if {key: len(value) for key, value in wanted.items()} != {k: len(v) for k, v in found.items()}:
        raise Wrong(f"contract {contract['number']}: it has other lines than were bid for")
    for key, units_wanted in wanted.items():
        for asked, units in zip(sorted(units_wanted), sorted(found[key]), strict=True):
            if units > asked or (units < asked and not closed):
                raise Wrong(
                    f"contract {contract['number']}: {key[0]} has {units} hundredths before its changes,"
                    f" {asked} were signed"
                )


def _like(line: Mapping[str, Any], price: int) -> tuple[object, ...]:
    """What a lot's line and the contract's line of it have in common."""
    return (
        line["name"],
        line["unit"],
        price,
        tuple(sorted(line["kinds"])),
        tuple(sorted(line["community_ids"])),
        line["rounding_minutes"],
        line["wasted_trip"],
    )


def _award(package: Package, contract: Mapping[str, Any]) -> dict[str, Any]:
    return next(dict(a) for a in package.part("awards") if a["award_id"] == contract["award_id"])


def _units(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    return {str(each["line_id"]): int(each["units"]) for each in lines}


def _by(rows: Sequence[dict[str, Any]], name: str) -> defaultdict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def drawdown(package: Package) -> None:
    """The ledger of each line is its balance, and contracted = reserved + delivered + accepted + free (8.19)."""
    held = {line["line_id"]: line for line in package.part("lines")}
    units: dict[str, int] = defaultdict(int)
    accepted: dict[str, int] = defaultdict(int)
    for entry in package.part("entries"):
        line = held.get(entry["line_id"])
        if line is None:
            raise Wrong(f"entry {entry['entry_id']} is of no line")
        worth = amount_fen(abs(entry["units"]), line["unit_price_fen"])
        if abs(entry["amount_fen"]) != worth or (entry["amount_fen"] < 0) != (worth > 0 > entry["units"]):
            raise Wrong(f"entry {entry['entry_id']}: units × price is another amount")
        units[entry["line_id"]] += entry["units"]
        if entry["accepted"] and not entry["reversal"]:
            accepted[entry["line_id"]] += entry["units"]
    for line_id, line in held.items():
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


def payments(package: Package) -> None:
    """What is paid was delivered and accepted, once, and is not more than the contract's price."""
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
