"""How an offer runs, and what may become of an assignment: pure decisions (domain.md 8.13-8.16)."""

from datetime import datetime, time, timedelta

from shared.clock import instant, wall, wall_day
from shared.rules import rule_value

OPEN_OFFER_STATES = ("open",)
ANSWERS = ("not_this_time", "not_this_kind", "not_this_person")

_BANDS = ((500, "within_500m"), (1000, "within_1km"), (3000, "within_3km"), (5000, "within_5km"))


def offer_until(now: datetime, start: datetime) -> datetime:
    """When an offer lapses (8.14).

    The earlier of the longest time and a share of the time left, never under the shortest; its clock stands still in
    the quiet hours unless the visit starts early in the morning; never after the visit's start.
    """
    day = wall_day(now)
    left = start - now
    longest = timedelta(hours=float(rule_value("offer_longest_hours", day)))
    shortest = timedelta(minutes=float(rule_value("offer_shortest_minutes", day)))
    span = max(shortest, min(longest, left * float(rule_value("offer_share_of_time_left", day))))
    early = wall(start).time() < _time(rule_value("offer_early_visit_before", day))
    until = now + span if early else _awake(now, span)
    return min(until, start)


def _time(value: object) -> time:
    return value if isinstance(value, time) else time.fromisoformat(str(value))


def _awake(now: datetime, span: timedelta) -> datetime:
    at = now
    while True:
        day = wall_day(at)
        wakes = instant(day, _time(rule_value("quiet_hours_end", day)))
        sleeps = instant(day, _time(rule_value("quiet_hours_start", day)))
        if at < wakes:
            at = wakes
        if at < sleeps:
            if at + span <= sleeps:
                return at + span
            span -= sleeps - at
        at = instant(day + timedelta(days=1), time())


def asks_at_once(now: datetime, start: datetime) -> int:
    """How many are asked at the same time for one place: the best few when the visit is near, else one (8.14)."""
    day = wall_day(now)
    near = timedelta(hours=float(rule_value("offer_near_hours", day)))
    return int(rule_value("offer_near_asked", day)) if start - now <= near else 1


def distance_band(metres: int | None) -> str | None:
    """The only distance shown before acceptance (8.17)."""
    if metres is None:
        return None
    return next((band for limit, band in _BANDS if metres <= limit), "over_5km")
