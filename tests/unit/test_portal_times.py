"""Times and sums as people say them (pages.md, manners 7)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.portal import times

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "zh", "en"),
    [
        (date(2026, 11, 24), "今天", "Today"),
        (date(2026, 11, 25), "明天", "Tomorrow"),
        (date(2026, 11, 23), "昨天", "Yesterday"),
        (date(2026, 12, 1), "周二 12月1日", "Tue 1 Dec"),
        (date(2027, 1, 4), "周一 2027年1月4日", "Mon 4 Jan 2027"),
    ],
)
def test_days(day: date, zh: str, en: str) -> None:
    assert times.day_words(day, TODAY, "zh") == zh
    assert times.day_words(day.isoformat(), TODAY, "en") == en


def test_an_evening_instant_is_the_citys_day_not_the_worlds() -> None:
    assert times.day_words("2026-11-24T16:30:00+00:00", TODAY, "zh") == "明天"
    assert times.clock("2026-11-24T16:30:00+00:00") == "00:30"
    assert times.span("2026-11-24T06:00:00Z", "2026-11-24T07:00:00Z") == "14:00–15:00"


@pytest.mark.parametrize(("minutes", "said"), [(45, "45 分钟"), (60, "1 小时"), (90, "1 小时 30 分钟")])
def test_durations(minutes: int, said: str) -> None:
    assert times.duration(minutes, "zh") == said


def test_what_is_left_is_relative_only_under_an_hour() -> None:
    assert times.left(NOW + timedelta(minutes=40), NOW, "zh") == "还剩 40 分钟"
    assert times.left(NOW + timedelta(hours=5), NOW, "zh") == "今天 14:00 前"
    assert times.left(NOW - timedelta(minutes=1), NOW, "zh") == "已到时间"


def test_money_and_units_are_exact() -> None:
    assert times.money(123450) == "¥1,234.50"
    assert times.money(-50) == "-¥0.50"
    assert times.units(123450) == "1,234.5"
    assert times.units(100) == "1"
