"""Numbers of the day-care rules, and decisions that more than one feature rests on (domain.md 8)."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

from shared.clock import instant, is_workday, wall_day
from shared.rules import rule_value

CHECK_IN_EARLY = timedelta(minutes=60)
CHECK_OUT_GRACE = timedelta(minutes=60)  # then the planned end is proposed (8.10)
ONCE_AHEAD_DAYS = 366  # how far ahead a single visit may be asked for
LONGEST_VISIT = timedelta(hours=12)


def late_after(moment: datetime) -> timedelta:
    """How long after its start a visit without check-in is late (8.9)."""
    return timedelta(minutes=float(rule_value("late_after_minutes", wall_day(moment))))


def address_hidden_after(moment: datetime) -> timedelta:
    """How long after a visit its carer may still see the address (8.17)."""
    return timedelta(hours=float(rule_value("address_hidden_after_hours", wall_day(moment))))


def unmet_tasks_at(day: date) -> datetime:
    """The instant, on the day before, from which an unmet visit of a day is a task (8.12)."""
    at = time.fromisoformat(str(rule_value("unmet_tasks_at", day)))
    return instant(day - timedelta(days=1), at)


def is_holiday(day: date, calendar: Mapping[date, bool]) -> bool:
    """Whether a day is a public holiday. An ordinary weekend is not."""
    return calendar.get(day) is False


def paper_since(today: date, calendar: Mapping[date, bool]) -> date:
    """The first day whose visits may still be entered from paper: ten working days back (8.10)."""
    day, left = today, int(rule_value("record_within_working_days", today))
    while left:
        day -= timedelta(days=1)
        left -= is_workday(day, calendar)
    return day


def unmet_days(now: datetime) -> tuple[date, date]:
    """The days whose unmet visits are tasks by now: today, and tomorrow from 17:00 on (8.12)."""
    today = wall_day(now)
    tomorrow = today + timedelta(days=1)
    return today, tomorrow if now >= unmet_tasks_at(tomorrow) else today


def away(day: date, spans: Iterable[tuple[date, date | None]]) -> bool:
    """Whether a day lies in one of the absences; one without a last day has no end (8.7)."""
    return any(first <= day and (last is None or day <= last) for first, last in spans)


def window(day: date, earliest: time, latest: time) -> tuple[datetime, datetime]:
    """The instants between which a visit of a day may start. Wall time, expanded in the city's zone."""
    return instant(day, earliest), instant(day, latest)
