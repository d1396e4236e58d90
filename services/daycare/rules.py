"""Numbers of the day-care rules, and decisions that more than one feature rests on (domain.md 8)."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from shared.clock import instant, wall, wall_day

HORIZON_DAYS = 14  # visits of recurrences stand this many days ahead
LATE_AFTER = timedelta(minutes=15)  # 8.9
CHECK_IN_EARLY = timedelta(minutes=60)
CHECK_OUT_GRACE = timedelta(minutes=60)  # then the planned end is proposed (8.10)
PAPER_BACK_WORKING_DAYS = 10  # 8.10, Order 67 (11)
ADDRESS_HIDDEN_AFTER = timedelta(hours=24)  # 8.17
UNMET_TASKS_AT = time(17)  # the day before (8.12)
ONCE_AHEAD_DAYS = 366  # how far ahead a single visit may be asked for
LONGEST_VISIT = timedelta(hours=12)


def is_workday(day: date, calendar: Mapping[date, bool]) -> bool:
    """Whether a day is worked: what the calendar says of it, else Monday to Friday (8.7)."""
    return calendar.get(day, day.weekday() < 5)


def is_holiday(day: date, calendar: Mapping[date, bool]) -> bool:
    """Whether a day is a public holiday. An ordinary weekend is not."""
    return calendar.get(day) is False


def paper_since(today: date, calendar: Mapping[date, bool]) -> date:
    """The first day whose visits may still be entered from paper: ten working days back (8.10)."""
    day, left = today, PAPER_BACK_WORKING_DAYS
    while left:
        day -= timedelta(days=1)
        left -= is_workday(day, calendar)
    return day


def unmet_days(now: datetime) -> tuple[date, date]:
    """The days whose unmet visits are tasks by now: today, and tomorrow from 17:00 on (8.12)."""
    today = wall_day(now)
    return today, today + timedelta(days=1 if wall(now).time() >= UNMET_TASKS_AT else 0)


def away(day: date, spans: Iterable[tuple[date, date | None]]) -> bool:
    """Whether a day lies in one of the absences; one without a last day has no end (8.7)."""
    return any(first <= day and (last is None or day <= last) for first, last in spans)


def window(day: date, earliest: time, latest: time) -> tuple[datetime, datetime]:
    """The instants between which a visit of a day may start. Wall time, expanded in the city's zone."""
    return instant(day, earliest), instant(day, latest)
