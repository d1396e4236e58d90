"""Recurrences (RFC 5545) as wall time, and the ids of the visits they make (design rule 8)."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice
from uuid import UUID

from dateutil.rrule import rrule, rrulestr

from services.daycare.rules import is_holiday
from shared.ids import derived_id

FREQUENCIES = frozenset({"DAILY", "WEEKLY", "MONTHLY"})
PARTS = frozenset({"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT", "UNTIL", "WKST"})
LONGEST_COUNT = 1000
LONGEST_YEARS = 3


def original_start(day: date, anchor: time) -> str:
    """The local start that the series first gave a visit: part of its id for good."""
    return f"{day.isoformat()}T{anchor:%H:%M}"


def visit_id(series_id: UUID, start: str) -> UUID:
    """The id of a visit of a series."""
    return derived_id("visit", series_id, start)


def read_rule(text: str, first_day: date) -> rrule:
    """A recurrence from its first day on. ValueError, with a sentence, for what a need can't have."""
    parts = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").split(";") if part)
    if parts.get("FREQ") not in FREQUENCIES or not parts.keys() <= PARTS:
        raise ValueError("重复方式只支持每天、每周或每月。")
    try:
        rule = rrulestr(";".join(f"{k}={v}" for k, v in parts.items()), dtstart=_at(first_day), ignoretz=True)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise ValueError("重复规则无法识别，请重新选择。") from None
    if not isinstance(rule, rrule):
        raise ValueError("重复规则无法识别，请重新选择。")
    return rule


def normalised(text: str, first_day: date, last_day: date | None) -> tuple[str, date, date | None]:
    """The rule without its end, its true first day, and its last day where it has one.

    A count becomes the day of the last occurrence, so that a part of the series can be edited without recounting.
    """
    rule = read_rule(text, first_day)
    parts = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").split(";") if part)
    if "COUNT" in parts:
        if int(parts["COUNT"]) > LONGEST_COUNT:
            raise ValueError("重复次数太多，请改填结束日期。")
        ends = [moment.date() for moment in rule]
        if not ends:
            raise ValueError("这样重复没有任何一天，请检查日期。")
        last_day = min(ends[-1], last_day) if last_day else ends[-1]
    elif "UNTIL" in parts:
        until = _until(parts["UNTIL"])
        last_day = min(until, last_day) if last_day else until
    begins = next(iter(islice(rule, 1)), None)
    limit = last_day or first_day + timedelta(days=366 * LONGEST_YEARS)
    if begins is None or begins.date() > limit:
        raise ValueError("这样重复没有任何一天，请检查日期。")
    kept = ";".join(f"{k}={v}" for k, v in parts.items() if k not in {"COUNT", "UNTIL"})
    return kept, begins.date(), last_day


def _until(text: str) -> date:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise ValueError("重复规则无法识别，请重新选择。") from None


def occurrences(
    text: str | None,
    first_day: date,
    last_day: date | None,
    span: tuple[date, date],
    calendar: Mapping[date, bool],
    *,
    on_holidays: bool,
) -> Iterator[date]:
    """The days in `span`, both included, on which a need falls; public holidays only when it runs on them (8.7)."""
    first, last = max(span[0], first_day), min(span[1], last_day or span[1])
    if text is None:
        if span[0] <= first_day <= span[1]:
            yield first_day
        return
    if first > last:
        return
    for moment in read_rule(text, first_day).between(_at(first), _at(last), inc=True):
        day = moment.date()
        if on_holidays or not is_holiday(day, calendar):
            yield day


def _at(day: date) -> datetime:
    return datetime.combine(day, time())
