"""Clocks in working days: by the calendar that the community service tells of, by weekdays where it is silent."""

from datetime import date, datetime, timedelta

from sqlalchemy import select

from services.projects.calls.tables import CalendarDayRow
from shared.clock import day_bounds, is_workday
from shared.database.work import Work

MARGIN = timedelta(days=40)  # longer than any holiday


def workdays_after(work: Work, day: date, count: int) -> date:
    """The `count`-th working day after a day; the day itself is not counted."""
    last = day + timedelta(days=2 * count) + MARGIN
    known: dict[date, bool] = {
        row.day: row.workday
        for row in work.session.scalars(
            select(CalendarDayRow).where(CalendarDayRow.day > day, CalendarDayRow.day <= last)
        )
    }
    while count > 0:
        day += timedelta(days=1)
        count -= is_workday(day, known)
    return day


def end_of_workday(work: Work, day: date, count: int) -> datetime:
    """The instant by which what must be done within `count` working days after a day is late."""
    return day_bounds(workdays_after(work, day, count))[1]
