"""Time as Linli keeps it: instants are UTC, days and weeks are wall time in the city's zone.

Rule: shared/design.md, "Time". Nothing else in the code names a zone or asks for the current time.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE_NAME = "Asia/Shanghai"
ZONE = ZoneInfo(ZONE_NAME)

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present instant, UTC, aware."""
    return datetime.now(UTC)


def instant(day: date, at: time) -> datetime:
    """The UTC instant of a wall time in the city."""
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def wall(moment: datetime) -> datetime:
    """The city's wall time of an aware instant."""
    return moment.astimezone(ZONE)


def wall_day(moment: datetime) -> date:
    """The city's calendar day of an aware instant."""
    return wall(moment).date()


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """First instant of the city's day and first instant of the next, UTC."""
    return instant(day, time()), instant(day + timedelta(days=1), time())


def is_workday(day: date, calendar: Mapping[date, bool]) -> bool:
    """Whether a day is worked: what the calendar says of it, else Monday to Friday (8.7)."""
    return calendar.get(day, day.weekday() < 5)


def week_start(day: date) -> date:
    """The Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def minute_of_day(moment: datetime) -> int:
    """Minutes since the city's midnight, 0..1439."""
    local = wall(moment)
    return local.hour * 60 + local.minute
