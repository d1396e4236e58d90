"""What to buy next: where published plans leave visits undone, by service and community, and why."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, cast, exists, func, select

from services.matcher.demand.schemas import Unmet, UnmetDemand
from services.matcher.plans.tables import PublishedDayRow
from services.matcher.projections.tables import VisitRow
from services.matcher.staffing.service import LIVE
from services.matcher.staffing.tables import AssignmentRow
from shared.contracts.codes import Channel, VisitStatus
from shared.database.work import Work

ASKED = (VisitStatus.OPEN, VisitStatus.STARTED, VisitStatus.ENDED)


def unmet_demand(work: Work, first: date, last: date, towns: frozenset[UUID] | None) -> UnmetDemand:
    """Unmet demand on the published days from `first` to `last`, both included, in these towns (None: all)."""
    published = exists().where(
        PublishedDayRow.day == VisitRow.day, PublishedDayRow.town_id == VisitRow.town_id
    )
    of = [VisitRow.day.between(first, last), VisitRow.status.in_(ASKED), published]
    if towns is not None:
        of.append(VisitRow.town_id.in_(towns))
    days, asked = work.session.execute(
        select(func.count(VisitRow.day.distinct()), func.count()).where(*of)
    ).one()
    held = (
        select(AssignmentRow.visit_id, func.count(AssignmentRow.slot.distinct()).label("held"))
        .where(AssignmentRow.state.in_(LIVE))
        .group_by(AssignmentRow.visit_id)
        .subquery()
    )
    free = VisitRow.carers - func.coalesce(held.c.held, 0)
    minutes = cast(VisitRow.data["minutes"].astext, BigInteger)
    reason = VisitRow.unmet["reason"].astext
    rows = work.session.execute(
        select(
            VisitRow.kind,
            VisitRow.community_id,
            VisitRow.town_id,
            reason.label("reason"),
            func.count().label("visits"),
            func.count()
            .filter(VisitRow.data["channels"].contains([Channel.PUBLIC_PURCHASED.value]))
            .label("purchasable"),
            func.sum(free).label("places"),
            func.sum(free * minutes).label("minutes"),
            func.sum(func.jsonb_array_length(VisitRow.data["resident_ids"])).label("person_times"),
        )
        .outerjoin(held, held.c.visit_id == VisitRow.visit_id)
        .where(*of, func.jsonb_typeof(VisitRow.unmet) == "object", free > 0)
        .group_by(VisitRow.kind, VisitRow.community_id, VisitRow.town_id, reason)
    ).all()
    return UnmetDemand(first=first, last=last, days=days, asked=asked, items=_by_service(rows))


def _by_service(rows: Any) -> list[Unmet]:
    """One item a service and community, its reasons gathered."""
    found: dict[tuple[str, UUID], dict[str, Any]] = {}
    sums = ("visits", "purchasable", "places", "minutes", "person_times")
    for row in rows:
        start = {"kind": row.kind, "community_id": row.community_id, "town_id": row.town_id, "reasons": {}}
        item = found.setdefault((row.kind, row.community_id), {**start, **dict.fromkeys(sums, 0)})
        for name in sums:
            item[name] += int(getattr(row, name))
        item["reasons"][row.reason] = item["reasons"].get(row.reason, 0) + row.visits
    items = [Unmet.model_validate(item) for item in found.values()]
    return sorted(items, key=lambda i: (-i.minutes, i.kind, i.community_id))
