"""Visits made from needs: recurrences are materialised to a rolling horizon with stable ids (design rule 8)."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import inspect, select

from services.daycare.centres.service import calendar
from services.daycare.needs.rules import occurrences, original_start, visit_id
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import window
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import Facts, read_facts, tell
from shared.clock import wall_day
from shared.contracts.codes import VisitStatus
from shared.database.base import among
from shared.database.work import Work
from shared.rules import rule_value


def horizon(work: Work) -> date:
    """The last day up to which recurrences have their visits."""
    today = wall_day(work.now)
    return today + timedelta(days=int(rule_value("materialised_days", today)))


def make_visits(
    work: Work,
    needs: Sequence[NeedRow],
    until: date | None = None,
    residents: Mapping[UUID, ResidentRow] = MappingProxyType({}),
) -> list[VisitRow]:
    """Make and tell the visits of needs that are missing between today and the horizon. Past starts make none.

    New needs are written with their visits. `residents`: those read before.
    """
    if not needs:
        return []
    today, last = wall_day(work.now), until or horizon(work)
    last_single = max((n.first_day for n in needs if n.rrule is None), default=last)
    special = calendar(work, today, max(last, last_single))
    facts = read_facts(work, needs, today, max(last, last_single), residents)
    wanted: list[tuple[NeedRow, date]] = []
    new = {
        n.need_id for n in needs if inspect(n).transient and n.series_id == n.need_id
    }  # without visits yet
    for need in needs:
        end = max(last, need.first_day) if need.rrule is None else last
        first = max(today, need.made_until + timedelta(days=1)) if need.made_until else today
        days = occurrences(
            need.rrule, need.first_day, need.last_day, (first, end), special, on_holidays=need.on_holidays
        )
        wanted += [(need, day) for day in days if window(day, need.earliest, need.latest)[1] > work.now]
        need.made_until = end
    work.session.add_all(needs)
    work.session.flush()
    ids = [visit_id(need.series_id, original_start(day, need.anchor)) for need, day in wanted]
    asked = [number for (need, _), number in zip(wanted, ids, strict=True) if need.need_id not in new]
    known = (
        set(work.session.scalars(select(VisitRow.visit_id).where(among(VisitRow.visit_id, asked))))
        if asked
        else set()
    )
    rows = [
        new_visit(work, need, day, facts)
        for (need, day), number in zip(wanted, ids, strict=True)
        if number not in known
    ]
    work.session.add_all(rows)
    tell(work, rows, facts)
    return rows


def new_visit(work: Work, need: NeedRow, day: date, facts: Facts) -> VisitRow:
    """One visit of a need on a day, suspended when none of its residents is there (8.7)."""
    start = original_start(day, need.anchor)
    earliest, latest = window(day, need.earliest, need.latest)
    there = bool(facts.present(need.resident_ids, day))
    return VisitRow(
        visit_id=visit_id(need.series_id, start),
        need_id=need.need_id,
        series_id=need.series_id,
        original_start=start,
        day=day,
        earliest_start=earliest,
        latest_start=latest,
        minutes=need.minutes,
        carers=need.carers,
        kind=need.kind,
        centre_id=need.centre_id,
        town_id=need.town_id,
        community_id=need.community_id,
        cell_id=need.cell_id,
        resident_ids=list(need.resident_ids),
        status=(VisitStatus.OPEN if there else VisitStatus.SUSPENDED).value,
        code=f"{secrets.randbelow(10_000):04d}",
        on_paper=False,
        changed_at=work.now,
        changed_by=work.caller.person_id if work.caller else None,
    )
