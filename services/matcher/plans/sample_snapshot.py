"""The sample city's snapshot, made from its facts alone: what the running matcher would plan from before its first plan."""

from datetime import date, datetime, time, timedelta

from services.matcher.plans.picture import carer_of, line_of, visit_of
from services.matcher.solver.snapshot import Snapshot
from shared.clock import instant, week_start
from shared.ids import derived_id
from shared.sample import Size, make_city
from shared.sample.telling import carers, lines, open_visits

EVENING = time(18)


def sample_snapshot(
    size: Size, seed: int, first_day: date, days: int | None = None, taken_at: datetime | None = None
) -> Snapshot:
    """The sample's picture of `days` (a week of the week, else one day). Taken the evening before, if nobody says when."""
    days = days or (7 if size is Size.WEEK else 1)
    city = make_city(size, seed, monday=week_start(first_day))
    asked = sorted(
        open_visits(city, first_day, first_day + timedelta(days=days - 1)), key=lambda v: v.visit_id
    )
    return Snapshot(
        snapshot_id=derived_id("sample snapshot", size, seed, first_day, days),
        taken_at=taken_at or instant(first_day - timedelta(days=1), EVENING),
        first_day=first_day,
        days=days,
        visits=tuple(visit_of(visit, visit.visit_version, first_day) for visit in asked),
        carers=tuple(
            carer_of(carer, first_day, days)
            for carer in sorted(carers(city, first_day), key=lambda c: c.carer_id)
        ),
        lines=tuple(line_of(line, line.ceiling) for line in sorted(lines(city), key=lambda x: x.line_id)),
    )
