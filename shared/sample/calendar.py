"""Holidays and make-up workdays (调休), and on which days a need falls."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from chinese_calendar.constants import holidays, workdays
from dateutil.rrule import rrulestr

from shared.sample.facts import Need, SpecialDay

_CHINESE = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节",
    "Anti-Fascist 70th Day": "抗战胜利纪念日",
}


def special_days(monday: date) -> tuple[tuple[SpecialDay, ...], tuple[int, ...]]:
    """Days that differ from their weekday, last year to next year, and the years nobody has published yet."""
    years = range(monday.year - 1, monday.year + 2)
    known = {day.year for day in holidays}
    days = [
        SpecialDay(day, False, _CHINESE.get(name, name))
        for day, name in holidays.items()
        if day.year in years
    ]
    days += [
        SpecialDay(day, True, f"{_CHINESE.get(name, name)}调休上班")
        for day, name in workdays.items()
        if day.year in years
    ]
    return tuple(sorted(days, key=lambda d: d.day)), tuple(year for year in years if year not in known)


def occurrences(need: Need, first: date, last: date, special: Mapping[date, SpecialDay]) -> list[date]:
    """The days in [first, last] on which a need falls; a holiday drops it unless it runs on holidays (8.7)."""
    if need.rrule is None:
        return [need.first_day] if first <= need.first_day <= last else []
    until = min(last, need.last_day or last)
    rule = rrulestr(need.rrule, dtstart=datetime.combine(need.first_day, time()))
    days = [
        moment.date()
        for moment in rule.between(
            datetime.combine(max(first, need.first_day), time()), datetime.combine(until, time()), inc=True
        )
    ]
    return [day for day in days if need.on_holidays or day not in special or special[day].workday]


def weeks_days(monday: date) -> list[date]:
    return [monday + timedelta(days=n) for n in range(7)]
