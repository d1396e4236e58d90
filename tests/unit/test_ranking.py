"""Rankings: the same from the published numbers, whatever their order; a better bid never comes out worse (8.21)."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projects.scoring.ranking import Criterion, Offer, Ranked, half_up, rank

NOON = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)
points = st.integers(0, 10_000)


@st.composite
def contests(draw: st.DrawFn) -> tuple[list[Offer], list[Criterion], dict[tuple[UUID, UUID], list[int]]]:
    cuts = sorted(draw(st.sets(st.integers(1, 99), max_size=4)))
    weights = [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)]
    priced = draw(st.integers(-1, len(weights) - 1))  # -1: 公益创投 may do without a price
    criteria = [
        Criterion(UUID(int=100 + at), at, "price" if at == priced else "quality", weight)
        for at, weight in enumerate(weights)
    ]
    offers = [
        Offer(UUID(int=n), draw(st.integers(1, 40)) * draw(st.sampled_from([1, 333, 100_000])), NOON + late)
        for n, late in enumerate(
            draw(st.lists(st.sampled_from([timedelta(), timedelta(seconds=1)]), min_size=1, max_size=6)), 1
        )
    ]
    scorers = draw(st.sampled_from([1, 3, 5]))
    few = st.sampled_from([7000, 7001, 10_000])  # so that ties are common
    scores = {
        (offer.bid_id, c.criterion_id): draw(st.lists(few | points, min_size=scorers, max_size=scorers))
        for offer in offers
        for c in criteria
        if c.kind == "quality"
    }
    return offers, criteria, scores


def place(ranked: list[Ranked], bid: UUID) -> int:
    return next(each.rank for each in ranked if each.bid_id == bid)


@given(contests(), st.randoms())
def test_the_order_in_which_bids_criteria_and_scores_come_changes_nothing(contest: Any, random: Any) -> None:
    offers, criteria, scores = contest
    shuffled = {pair: random.sample(given, len(given)) for pair, given in reversed(scores.items())}
    mixed = rank(random.sample(offers, len(offers)), random.sample(criteria, len(criteria)), shuffled)
    assert mixed == rank(offers, criteria, scores)


@given(contests(), st.data())
def test_a_lower_price_never_costs_a_place(contest: Any, data: st.DataObject) -> None:
    offers, criteria, scores = contest
    at = data.draw(st.integers(0, len(offers) - 1))
    before = place(rank(offers, criteria, scores), offers[at].bid_id)
    offers[at] = replace(offers[at], price_fen=data.draw(st.integers(1, offers[at].price_fen)))
    assert place(rank(offers, criteria, scores), offers[at].bid_id) <= before


@given(contests(), st.data())
def test_higher_points_never_cost_a_place(contest: Any, data: st.DataObject) -> None:
    offers, criteria, scores = contest
    if not scores:
        return
    bid, criterion = data.draw(st.sampled_from(sorted(scores)))
    before = place(rank(offers, criteria, scores), bid)
    given = scores[bid, criterion]
    at = data.draw(st.integers(0, len(given) - 1))
    scores[bid, criterion] = [*given[:at], data.draw(st.integers(given[at], 10_000)), *given[at + 1 :]]
    assert place(rank(offers, criteria, scores), bid) <= before


@given(contests())
def test_ranks_run_from_one_totals_fall_and_ties_say_what_told_them_apart(contest: Any) -> None:
    offers, criteria, scores = contest
    ranked = rank(offers, criteria, scores)
    by_bid = {offer.bid_id: offer for offer in offers}
    weight = {c.criterion_id: (-c.weight, c.position) for c in criteria}
    assert [each.rank for each in ranked] == [*range(1, len(offers) + 1)]
    for one, other in itertools.pairwise(ranked):
        assert one.total >= other.total
        if one.total != other.total:
            continue
        assert one.tie
        assert other.tie
        a, b = by_bid[one.bid_id], by_bid[other.bid_id]
        assert a.price_fen <= b.price_fen
        if a.price_fen < b.price_fen:
            assert other.tie == "price"
            continue
        first = [one.parts[c] for c in sorted(one.parts, key=weight.__getitem__)]
        second = [other.parts[c] for c in sorted(other.parts, key=weight.__getitem__)]
        assert first >= second
        assert other.tie == ("points" if first != second else "receipt")
        if first == second:
            assert (a.received_at, a.bid_id) < (b.received_at, b.bid_id)


@given(contests())
def test_totals_are_what_anyone_computes_from_the_published_numbers(contest: Any) -> None:
    """In fractions of whole numbers and by way of JSON: nothing but prices, points and weights is needed."""
    offers, criteria, scores = contest
    published = json.loads(
        json.dumps(
            {
                "prices": {str(o.bid_id): o.price_fen for o in offers},
                "criteria": [[str(c.criterion_id), c.kind, c.weight] for c in criteria],
                "scores": [[str(bid), str(criterion), given] for (bid, criterion), given in scores.items()],
            }
        )
    )
    lowest = min(published["prices"].values())
    for each in rank(offers, criteria, scores):
        total = 0
        for criterion, kind, weight in published["criteria"]:
            if kind == "price":
                over, under = lowest * 10_000, published["prices"][str(each.bid_id)]
            else:
                given = next(g for b, c, g in published["scores"] if (b, c) == (str(each.bid_id), criterion))
                over, under = sum(given), len(given)
            whole, rest = divmod(over, under)
            total += weight * (whole + (2 * rest >= under))
        whole, rest = divmod(total, 100)
        assert each.total == whole + (rest >= 50)


@pytest.mark.parametrize(("over", "under", "is_"), [(1, 2, 1), (1, 3, 0), (2, 3, 1), (0, 7, 0), (5, 2, 3)])
def test_a_half_goes_up(over: int, under: int, is_: int) -> None:
    assert half_up(over, under) == is_


def test_prices_as_the_law_counts_them() -> None:
    """Lowest / own x 100: 80 of 100 is 80 points; with weights 30 and 70 the dearer, better bid wins here."""
    price, quality = Criterion(UUID(int=1), 1, "price", 30), Criterion(UUID(int=2), 2, "quality", 70)
    cheap, dear = Offer(UUID(int=7), 8_000_000, NOON), Offer(UUID(int=8), 10_000_000, NOON)
    scores = {
        (cheap.bid_id, quality.criterion_id): [7000, 7500, 8000],
        (dear.bid_id, quality.criterion_id): [9500, 9000, 9001],
    }
    first, second = rank([cheap, dear], [price, quality], scores)
    assert (first.bid_id, first.total, first.parts[price.criterion_id]) == (dear.bid_id, 8817, 8000)
    assert (second.bid_id, second.total, second.tie) == (cheap.bid_id, 8250, None)


def test_nobody_is_ranked_where_nobody_bids() -> None:
    assert rank([], [], {}) == []
