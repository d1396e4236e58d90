"""Pure decisions of the volunteers service: stars, ten working days."""

from collections.abc import Mapping
from datetime import date, timedelta

from shared.clock import is_workday
from shared.rules import rule_value


def star(minutes: int, day: date) -> int:
    """The star level of so much service, 0 to 5, by the rule of the day."""
    hours = minutes / 60
    return max((n for n in range(1, 6) if hours >= float(rule_value(f"star_{n}_hours", day))), default=0)


def working_days_between(first: date, last: date, calendar: Mapping[date, bool]) -> int:
    """Working days after `first` up to and with `last`."""
    day, count = first, 0
    while day < last:
        day += timedelta(days=1)
        count += is_workday(day, calendar)
    return count


def recorded_late(service: date, recorded: date, calendar: Mapping[date, bool]) -> bool:
    """Whether a record came after more working days than Order 67 (11) allows."""
    return working_days_between(service, recorded, calendar) > int(
        rule_value("record_within_working_days", recorded)
    )
