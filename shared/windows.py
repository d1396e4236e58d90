"""Free time as intervals: from parts of the day, as volunteers tell of it, and what is left of it for a plan."""

from collections.abc import Iterable
from datetime import date, timedelta

from shared.contracts.carers import DatedWindow, WeeklyWindow
from shared.contracts.codes import DAY_PART_MINUTES, DayPart

Span = tuple[int, int]


def weekly_windows(
    parts: Iterable[tuple[int, DayPart]], duty: Iterable[tuple[int, int, int]]
) -> list[WeeklyWindow]:
    """Free time that repeats: touching parts joined, stipended duty [weekday, start, end] cut out (8.1)."""
    days: dict[int, list[Span]] = {}
    for weekday, part in parts:
        days.setdefault(weekday, []).append(DAY_PART_MINUTES[part])
    taken: dict[int, list[Span]] = {}
    for weekday, start, end in duty:
        taken.setdefault(weekday, []).append((start, end))
    return [
        WeeklyWindow(weekday=weekday, start=start, end=end)
        for weekday in sorted(days)
        for start, end in cut(joined(days[weekday]), taken.get(weekday, []))
    ]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans sorted, overlapping and touching ones made one, empty ones left out."""
    result: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def cut(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """Spans without the holes."""
    left = list(spans)
    for begin, finish in holes:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, begin)), (max(start, finish), end))
            if piece[0] < piece[1]
        ]
    return left


def dated_windows(
    first: date, last: date, parts: Iterable[DayPart], *, available: bool, since: date
) -> list[DatedWindow]:
    """One exception as windows of its days, from `since` on."""
    spans = joined(DAY_PART_MINUTES[part] for part in parts)
    day, result = max(first, since), []
    while day <= last:
        result += [DatedWindow(day=day, start=s, end=e, available=available) for s, e in spans]
        day += timedelta(days=1)
    return result
