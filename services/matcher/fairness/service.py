"""Is the plan fair: coverage by community, by degree of disability and by service; the work's spread over volunteers.

A group of fewer than five places tells nothing, so that nobody can be made out in it (pages.md, "Fairness").
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, or_, select

from services.matcher.fairness.schemas import Fairness, Share
from services.matcher.plans.tables import PublishedDayRow
from services.matcher.projections.tables import CarerRow, VisitRow
from services.matcher.staffing.service import HELD, LIVE
from services.matcher.staffing.tables import AssignmentRow
from shared.clock import day_bounds, wall_day
from shared.contracts.codes import Capacity, VisitStatus
from shared.database.work import Work

LEAST_SHOWN = 5
HOURS = (("none", 0), ("to_2", 2), ("to_5", 5), ("to_10", 10))  # the last band has no end
_ASKED = (VisitStatus.OPEN, VisitStatus.STARTED, VisitStatus.ENDED)


def fairness(work: Work, first: date, last: date, towns: frozenset[UUID] | None) -> Fairness:
    """Coverage of the days from `first` to `last`, both included, in these towns (None: all)."""
    everywhere = _shares(work, first, last, None, VisitRow.town_id)
    asked, held = sum(r[1] for r in everywhere), sum(r[2] for r in everywhere)
    grade: ColumnElement[Any] = VisitRow.data["grade"].astext
    return Fairness(
        first=first,
        last=last,
        mean=round(held / asked, 4) if asked else None,
        communities=_shown(_shares(work, first, last, towns, VisitRow.community_id)),
        grades=_shown(_shares(work, first, last, towns, grade)),
        kinds=_shown(_shares(work, first, last, towns, VisitRow.kind)),
        load=_load(work, first, last),
    )


def _shares(
    work: Work, first: date, last: date, towns: frozenset[UUID] | None, group: Any
) -> list[tuple[str, int, int]]:
    """Places asked for on days past or published, and those that somebody holds or is asked to fill, by group."""
    held = (
        select(AssignmentRow.visit_id, func.count(AssignmentRow.slot.distinct()).label("held"))
        .where(AssignmentRow.state.in_(LIVE))
        .group_by(AssignmentRow.visit_id)
        .subquery()
    )
    published = exists().where(
        PublishedDayRow.day == VisitRow.day, PublishedDayRow.town_id == VisitRow.town_id
    )
    query = (
        select(group, func.sum(VisitRow.carers), func.sum(func.coalesce(held.c.held, 0)))
        .outerjoin(held, held.c.visit_id == VisitRow.visit_id)
        .where(VisitRow.day.between(first, last), VisitRow.status.in_(_ASKED))
        .where(or_(VisitRow.day < wall_day(work.now), published))
        .group_by(group)
    )
    if towns is not None:
        query = query.where(VisitRow.town_id.in_(towns))
    return [(str(name), int(asked), int(kept)) for name, asked, kept in work.session.execute(query)]


def _shown(rows: Sequence[tuple[str, int, int]]) -> list[Share]:
    """The least served first; groups too small to be told last."""
    known = sorted((r for r in rows if r[1] >= LEAST_SHOWN), key=lambda r: (r[2] / r[1], r[0]))
    small = sorted(r[0] for r in rows if r[1] < LEAST_SHOWN)
    return [Share(name=n, asked=a, held=h) for n, a, h in known] + [
        Share(name=n, asked=None, held=None) for n in small
    ]


def _load(work: Work, first: date, last: date) -> list[tuple[str, int]]:
    """Active volunteers of the city by the hours that they give within the span."""
    seconds = func.sum(func.extract("epoch", AssignmentRow.ends_at - AssignmentRow.starts_at))
    given = (
        select(AssignmentRow.carer_id, (seconds / 3600).label("hours"))
        .where(
            AssignmentRow.state.in_(HELD),
            AssignmentRow.starts_at >= day_bounds(first)[0],
            AssignmentRow.starts_at < day_bounds(last)[1],
        )
        .group_by(AssignmentRow.carer_id)
        .subquery()
    )
    hours = func.coalesce(given.c.hours, 0)
    band = func.width_bucket(hours, [0.001, *(float(h) for _, h in HOURS[1:])])
    rows = work.session.execute(
        select(band, func.count())
        .select_from(CarerRow)
        .outerjoin(given, given.c.carer_id == CarerRow.carer_id)
        .where(CarerRow.active, CarerRow.capacity == Capacity.VOLUNTEER)
        .group_by(band)
    ).all()
    counts = {int(number): int(count) for number, count in rows}
    names = [*(name for name, _ in HOURS), "over"]
    return [(name, counts.get(number, 0)) for number, name in enumerate(names)]
