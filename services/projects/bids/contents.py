"""What stands in a bid, whether it is complete, and what it costs: pure, the same at submission, opening and verification.

A content is JSON: prices ({lot_line_id, unit_price_fen}), asked_fen (公益创投), capacity, plan, staff, files ({file_id, name,
media_type, size, sha256, key}) and, since its submission, total_fen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.projects.deliveries.service import amount_fen
from shared.web.language import _

MOST_FEN = 10**12

# Why a bid was refused at the opening, and what an unfinished one is told before. Codes never change once published.
REASONS = {
    "changed": _("密封的内容与回执的校验值不符，不能开启。"),
    "cannot_open": _("密封的内容无法解密，不能开启。"),
    "incomplete": _("每一项服务都要报价，且只报一次。"),
    "no_amount": _("请填写申请的金额。"),
    "no_plan": _("请填写服务方案。"),
    "over_unit_ceiling": _("有一项的单价超过最高限价（政府采购法实施条例第三十条）。"),
    "over_ceiling": _("总价超过最高限价，投标无效（87 号令第六十三条）。"),
    "wrong_total": _("总价与各项单价之和不符。"),
    "one_controller": _("与同一控制人的另一组织投了同一标包，两份都无效（政府采购法实施条例第十八条）。"),
    "too_few": _("投标人不足法定家数，标包作废（政府采购法第三十六条）。"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A line that a lot asks a price for. Units in hundredths."""

    lot_line_id: UUID
    units: int
    unit_ceiling_fen: int


@dataclass(frozen=True, slots=True)
class LotTerms:
    """What a lot's bids are held to. `venture`: an amount is asked for, no prices by line."""

    venture: bool
    ceiling_fen: int
    lines: tuple[Asked, ...]


def total_fen(content: Mapping[str, Any], terms: LotTerms) -> int:
    """What a complete bid costs: the sum over its lines, each rounded to the fen, or the amount asked for."""
    if terms.venture:
        return int(content["asked_fen"])
    prices = {UUID(str(p["lot_line_id"])): int(p["unit_price_fen"]) for p in content["prices"]}
    return sum(amount_fen(line.units, prices[line.lot_line_id]) for line in terms.lines)


def fault(content: Mapping[str, Any], terms: LotTerms) -> str | None:
    """The code of what is wrong with a bid; None when it can stand. Whatever JSON it is, nothing is raised."""
    try:
        return _fault(content, terms)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "incomplete"


def _fault(content: Mapping[str, Any], terms: LotTerms) -> str | None:
    if terms.venture:
        if not _fen(content.get("asked_fen")):
            return "no_amount"
    else:
        prices = content["prices"]
        named = [UUID(str(p["lot_line_id"])) for p in prices]
        if sorted(named) != sorted(line.lot_line_id for line in terms.lines):
            return "incomplete"
        if not all(_fen(p["unit_price_fen"]) for p in prices):
            return "incomplete"
        most = {line.lot_line_id: line.unit_ceiling_fen for line in terms.lines}
        if any(p["unit_price_fen"] > most[UUID(str(p["lot_line_id"]))] for p in prices):
            return "over_unit_ceiling"
    if not str(content.get("plan") or "").strip():
        return "no_plan"
    total = total_fen(content, terms)
    if not 0 < total <= terms.ceiling_fen:
        return "over_ceiling" if total else "incomplete"
    if content.get("total_fen", total) != total:
        return "wrong_total"
    return None


def _fen(value: Any) -> bool:
    return type(value) is int and 0 < value <= MOST_FEN


def shown(content: Mapping[str, Any]) -> dict[str, Any]:
    """A content without the keys of its files."""
    files: Sequence[Mapping[str, Any]] = content.get("files") or ()
    return {**content, "files": [{k: v for k, v in file.items() if k != "key"} for file in files]}
