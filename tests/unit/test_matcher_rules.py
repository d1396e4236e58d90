"""How long an offer runs (domain.md 8.14)."""

from datetime import UTC, datetime, timedelta

import pytest

from services.matcher.staffing.rules import asks_at_once, offer_until


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of November 2026 by the city's wall time."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("now", "start", "until", "why"),
    [
        (at(24, 9), at(24, 17), at(24, 11), "a quarter of the time left"),
        (at(24, 9), at(30, 14), at(25, 20), "24 hours, the clock standing still from 21:00 to 08:00"),
        (at(24, 9), at(24, 9, 30), at(24, 9, 15), "never under a quarter of an hour"),
        (at(24, 9), at(24, 9, 10), at(24, 9, 10), "but never past the start"),
        (at(24, 20), at(25, 16), at(25, 12), "five hours: one tonight, four in the morning"),
        (at(24, 22), at(25, 8), at(25, 0, 30), "a visit before 10:00 does not wait for the morning"),
        (at(24, 22), at(25, 14), at(25, 12), "four hours, counted from 08:00"),
    ],
)
def test_8_14_until_when_an_offer_holds(now: datetime, start: datetime, until: datetime, why: str) -> None:
    assert offer_until(now, start) == until, why


def test_8_14_near_visits_ask_the_best_three() -> None:
    assert asks_at_once(at(24, 9), at(25, 3)) == 3
    assert asks_at_once(at(24, 9), at(25, 3, 1)) == 1
