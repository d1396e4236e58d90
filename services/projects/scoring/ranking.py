"""Who comes first in a lot: from prices and points alone, so that anybody can compute it again (docs/purchases.md).

Points are hundredths (0..10000), weights percent; every mean and total is rounded half up to hundredths. The price
criterion gives lowest offer / own offer x 100. A tie goes to the lower price, then to the higher points in the criteria
from the heaviest down, then to the earlier receipt, then to the smaller id of the bid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

FULL = 10_000
TIES = ("price", "points", "receipt")


@dataclass(frozen=True, slots=True)
class Criterion:
    criterion_id: UUID
    position: int
    kind: str  # price: computed; quality: scored
    weight: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A bid that stands. `received_at`: the time on its receipt."""

    bid_id: UUID
    price_fen: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Ranked:
    """`parts`: points by criterion. `tie`: by what a bid with another's total was told from it."""

    bid_id: UUID
    rank: int
    total: int
    parts: Mapping[UUID, int]
    tie: str | None


Scores = Mapping[tuple[UUID, UUID], Sequence[int]]  # (bid, criterion): what each scorer gave


def half_up(numerator: int, denominator: int) -> int:
    """The quotient to the nearest whole, a half upwards. Both are positive, or the first is nought."""
    return (2 * numerator + denominator) // (2 * denominator)


def rank(offers: Sequence[Offer], criteria: Sequence[Criterion], scores: Scores) -> list[Ranked]:
    """The bids of a lot, the first first. KeyError where a bid has no score in a criterion."""
    if not offers:
        return []
    lowest = min(offer.price_fen for offer in offers)
    heaviest = sorted(criteria, key=lambda c: (-c.weight, c.position))
    rows = []
    for offer in offers:
        parts = {c.criterion_id: _points(offer, c, scores, lowest) for c in criteria}
        total = half_up(sum(c.weight * parts[c.criterion_id] for c in criteria), 100)
        by_weight = tuple(-parts[c.criterion_id] for c in heaviest)
        rows.append((-total, offer.price_fen, by_weight, (offer.received_at, offer.bid_id), parts))
    rows.sort(key=lambda row: row[:4])
    broken = [_tie(one[:4], other[:4]) for one, other in pairwise(rows)]
    return [
        Ranked(row[3][1], place, -row[0], row[4], above or below)
        for place, (row, above, below) in enumerate(
            zip(rows, [None, *broken], [*broken, None], strict=True), start=1
        )
    ]


def _points(offer: Offer, criterion: Criterion, scores: Scores, lowest: int) -> int:
    if criterion.kind == "price":
        return half_up(lowest * FULL, offer.price_fen)
    given = scores[offer.bid_id, criterion.criterion_id]
    return half_up(sum(given), len(given))


def _tie(one: tuple[object, ...], other: tuple[object, ...]) -> str | None:
    """By what two neighbours of one total are told apart; nothing where the totals do it."""
    if one[0] != other[0]:
        return None
    return next(name for name, a, b in zip(TIES, one[1:], other[1:], strict=True) if a != b)
