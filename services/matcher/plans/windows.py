"""When a carer is free, as intervals of a horizon: weekly habits, dated exceptions, and what keeps them busy."""

from datetime import date, datetime, time, timedelta

from shared.clock import instant
from shared.contracts.carers import CarerChanged
from shared.windows import Span, cut, joined

DAY = 1440


def minute(first_day: date, moment: datetime) -> int:
    """Whole minutes of the city's wall time since 00:00 of `first_day`; negative before it."""
    return int((moment - instant(first_day, time())).total_seconds() // 60)


def moment(first_day: date, minutes: int) -> datetime:
    """The instant (UTC) that lies so many minutes after 00:00 of `first_day`."""
    return instant(first_day, time()) + timedelta(minutes=minutes)


def free_windows(carer: CarerChanged, first_day: date, days: int, after: int = 0) -> tuple[Span, ...]:
    """A carer's free intervals within a horizon, from minute `after` on: sorted, disjoint, touching ones joined."""
    free: list[Span] = []
    taken: list[Span] = []
    for offset in range(days):
        day = first_day + timedelta(days=offset)
        start = offset * DAY
        free += [(start + w.start, start + w.end) for w in carer.weekly if w.weekday == day.weekday()]
        for exception in (d for d in carer.dated if d.day == day):
            (free if exception.available else taken).append((start + exception.start, start + exception.end))
    taken += [(minute(first_day, begin), minute(first_day, end)) for begin, end in carer.busy]
    return tuple(cut(joined(free), joined([*taken, (-(10**9), after)])))
