"""Times, money and counts as people say them (pages.md, manners 7)."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from shared.clock import wall, wall_day
from shared.web.language import _, translate

_WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
_ENGLISH = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NEAR = {0: _("今天"), 1: _("明天"), -1: _("昨天")}


def moment(value: str | datetime) -> datetime:
    """An instant from a service's answer."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def as_date(value: str | date | datetime) -> date:
    """A calendar day from a service's answer: a date, or the city's day of an instant."""
    if isinstance(value, str) and "T" in value:
        value = moment(value)
    if isinstance(value, datetime):
        return wall_day(value)
    return date.fromisoformat(value) if isinstance(value, str) else value


def weekday(day: date, lang: str) -> str:
    """周二, Tue."""
    return (_WEEKDAYS if lang == "zh" else _ENGLISH)[day.weekday()]


def day_words(value: str | date | datetime, today: date, lang: str) -> str:
    """今天, 明天, 昨天, 周二 11月24日; with the year when it is another one."""
    day = as_date(value)
    near = _NEAR.get((day - today).days)
    return translate(lang, near) if near else dated(day, today, lang)


def dated(value: str | date | datetime, today: date, lang: str) -> str:
    """周二 11月24日, also for today: on paper it is another day tomorrow."""
    day = as_date(value)
    year = day.year != today.year
    if lang == "zh":
        return f"{weekday(day, lang)} {f'{day.year}年' if year else ''}{day.month}月{day.day}日"
    return f"{weekday(day, lang)} {day.day} {_MONTHS[day.month - 1]}{f' {day.year}' if year else ''}"


def clock(value: str | datetime) -> str:
    """14:00 in the city."""
    return f"{wall(moment(value)):%H:%M}"


def span(start: str | datetime, end: str | datetime) -> str:
    """14:00–15:00."""
    return f"{clock(start)}–{clock(end)}"


def wall_time(value: str | time) -> str:
    """14:00 from a wall time."""
    return value[:5] if isinstance(value, str) else f"{value:%H:%M}"


def when(value: str | datetime, today: date, lang: str) -> str:
    """今天 14:00."""
    return f"{day_words(wall_day(moment(value)), today, lang)} {clock(value)}"


def local_input(value: str | datetime) -> str:
    """What a datetime-local field holds: 2026-11-24T14:00."""
    return f"{wall(moment(value)):%Y-%m-%dT%H:%M}"


def duration(minutes: int, lang: str) -> str:
    """45 分钟, 1 小时, 1 小时 30 分钟."""
    hours, rest = divmod(int(minutes), 60)
    if hours and rest:
        return translate(lang, _("{hours} 小时 {minutes} 分钟"), hours=hours, minutes=rest)
    if hours:
        return translate(lang, _("{hours} 小时"), hours=hours)
    return translate(lang, _("{minutes} 分钟"), minutes=rest)


def left(until: str | datetime, now: datetime, lang: str) -> str:
    """还剩 40 分钟 within the hour, else the moment itself."""
    seconds = (moment(until) - now).total_seconds()
    if seconds <= 0:
        return translate(lang, _("已到时间"))
    if seconds < 3600:
        return translate(lang, _("还剩 {minutes} 分钟"), minutes=max(1, int(seconds // 60)))
    return translate(lang, _("{when} 前"), when=when(until, wall_day(now), lang))


def money(fen: int) -> str:
    """¥1,234.50, -¥0.50."""
    return f"{'-' if fen < 0 else ''}¥{Decimal(abs(fen)) / 100:,.2f}"


def units(hundredths: int) -> str:
    """1,234.5 from hundredths of a unit."""
    return f"{Decimal(hundredths) / 100:,.2f}".rstrip("0").rstrip(".")


def monday(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())
