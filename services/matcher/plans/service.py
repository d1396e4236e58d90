"""Asking for plans, holding and publishing them (8.18; design rules 1-3)."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, and_, cast, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.matcher.plans.tables import PlanAssignmentRow, PlanRow, PlanVisitRow, PublishedDayRow
from services.matcher.projections.tables import CarerRow, VisitRow
from services.matcher.staffing.service import (
    Place,
    announce_all,
    ask,
    free_slots,
    live_assignments,
    lock_visits,
    mark_waiting,
)
from services.matcher.staffing.tables import FenceRow
from shared.clock import wall_day
from shared.contracts.codes import VisitStatus
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound, Refused

UNFINISHED = ("queued", "running")


def request_plan(work: Work, first_day: date, days: int, reason: str) -> PlanRow:
    """Ask for a plan. One that is still queued for the same days serves both who ask (design rule 3)."""
    if first_day < wall_day(work.now):
        raise Invalid("plan_in_the_past", "不能给已经过去的日子排计划。", field="first_day")
    _lock_publisher(work)
    waiting = work.session.scalars(
        select(PlanRow).where(
            PlanRow.status == "queued",
            PlanRow.stop_asked_at.is_(None),
            PlanRow.first_day == first_day,
            PlanRow.days == days,
        )
    ).first()
    if waiting:
        return waiting
    plan = PlanRow(
        plan_id=new_id(),
        first_day=first_day,
        days=days,
        status="queued",
        reason=reason,
        asked_by=work.caller.account_id if work.caller else None,
        asked_at=work.now,
        trace=work.trace,
        progress=[],
    )
    work.session.add(plan)
    work.session.flush()
    return plan


def _lock_publisher(work: Work) -> FenceRow:
    """The city's one publisher at a time: its epoch rises with every publication."""
    work.session.execute(insert(FenceRow).values(name="publisher", epoch=0).on_conflict_do_nothing())
    return work.session.scalars(select(FenceRow).where(FenceRow.name == "publisher").with_for_update()).one()


def plan_row(work: Work, plan_id: UUID, *, lock: bool = False) -> PlanRow:
    """The plan. 404 when there is none."""
    row = work.session.get(PlanRow, plan_id, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise NotFound("plan_unknown", "没有找到这份计划。")
    return row


def hold(work: Work, plan_id: UUID, until: datetime | None) -> PlanRow:
    """Keep a ready plan from going out by itself."""
    plan = plan_row(work, plan_id, lock=True)
    if plan.status not in ("ready", "held"):
        raise Refused("plan_not_ready", "这份计划现在不能暂缓。", state=plan.status)
    plan.status = "held"
    plan.held_until = until
    work.audit("plan.hold", plan_id)
    work.session.flush()
    return plan


def silent(work: Work, plan: PlanRow) -> bool:
    """Whether a plan is at work by a worker that was not heard of for longer than its lease."""
    return plan.status == "running" and plan.lease_until is not None and plan.lease_until < work.now


def stop(work: Work, plan: PlanRow) -> None:
    """End a plan's work. Waiting, it is given up; at work, what stands is the plan, if anything does.

    `plan` is locked. Asked twice it stays as it is.
    """
    if plan.status not in UNFINISHED:
        raise Refused("plan_not_at_work", "这份计划已经不在计算了。", state=plan.status)
    if plan.stop_asked_at is None:
        plan.stop_asked_at = work.now
        work.audit("plan.stop", plan.plan_id, None, state=plan.status)
    if plan.status == "queued" or silent(work, plan):
        plan.status = "cancelled"
    work.session.flush()


def changes_since(work: Work, plan: PlanRow, town_ids: frozenset[UUID] | None) -> list[dict[str, Any]]:
    """Visits of a plan whose request or staffing is no longer what was planned against."""
    query = (
        select(PlanVisitRow.visit_id, PlanVisitRow.day)
        .join(VisitRow, VisitRow.visit_id == PlanVisitRow.visit_id)
        .where(
            PlanVisitRow.plan_id == plan.plan_id,
            PlanVisitRow.applied.is_(None),
            (VisitRow.visit_version != PlanVisitRow.visit_version)
            | (VisitRow.staffing_version != PlanVisitRow.staffing_version),
        )
        .order_by(PlanVisitRow.day, PlanVisitRow.visit_id)
    )
    if town_ids is not None:
        query = query.where(PlanVisitRow.town_id.in_(town_ids))
    return [{"visit_id": str(v), "day": str(d)} for v, d in work.session.execute(query)]


def publish(work: Work, plan_id: UUID, town_ids: frozenset[UUID] | None) -> dict[str, int]:
    """Send a plan out: each visit only if it and its carer still have the snapshot's version; the rest is re-planned.

    `town_ids`: only these towns' visits; None: the whole city. Returns counts of published, changed and unmet visits.
    """
    _lock_publisher(work).epoch += 1
    plan = plan_row(work, plan_id, lock=True)
    if plan.status not in ("ready", "held"):
        raise Refused("plan_not_ready", "这份计划现在不能发布。", state=plan.status)
    query = select(PlanVisitRow).where(PlanVisitRow.plan_id == plan_id, PlanVisitRow.applied.is_(None))
    if town_ids is not None:
        query = query.where(PlanVisitRow.town_id.in_(town_ids))
    planned = {row.visit_id: row for row in work.session.scalars(query)}
    visits = lock_visits(work, planned)
    fresh = {
        i: v
        for i, v in visits.items()
        if v.visit_version == planned[i].visit_version
        and v.staffing_version == planned[i].staffing_version
        and v.latest_start > work.now
    }
    proposed = _proposed(work, plan_id, fresh)
    made = ask(work, fresh, proposed, plan_id)
    filled = Counter(a.visit_id for a in made)
    wanted = Counter(p.visit_id for p in proposed)
    counts: Counter[str] = Counter()
    told: list[VisitRow] = []
    for visit_id, row in planned.items():
        visit = visits.get(visit_id)
        if visit is None:
            row.applied = "gone"
        elif visit_id not in fresh:
            row.applied = "changed"
            mark_waiting(work, visit)
        else:
            row.applied = "published"
            visit.unmet = row.unmet
            if filled[visit_id] < wanted[visit_id]:
                mark_waiting(work, visit)
            else:
                visit.waiting_since = None
            if filled[visit_id] or row.unmet:
                told.append(visit)
        counts["unmet" if row.unmet else row.applied] += 1
    announce_all(work, told)
    _mark_days(work, plan, planned.values())
    left = work.session.scalar(
        select(func.count()).where(PlanVisitRow.plan_id == plan_id, PlanVisitRow.applied.is_(None))
    )
    if not left:
        plan.status = "published"
        plan.published_at = work.now
        plan.published_by = work.caller.account_id if work.caller else None
        work.session.execute(
            update(PlanRow)
            .where(
                PlanRow.plan_id != plan_id,
                PlanRow.status.in_(("ready", "held")),
                PlanRow.ready_at < plan.ready_at,
                # one that plans other days too still goes out for those, if it has anything there
                or_(
                    and_(
                        PlanRow.first_day >= plan.first_day,
                        PlanRow.first_day + cast(PlanRow.days, Integer)
                        <= plan.first_day + timedelta(days=plan.days),
                    ),
                    ~exists().where(PlanVisitRow.plan_id == PlanRow.plan_id, PlanVisitRow.applied.is_(None)),
                ),
            )
            .values(status="superseded", version=PlanRow.version + 1)
            .execution_options(synchronize_session=False)
        )
    work.audit("plan.publish", plan_id, None, **counts)
    work.session.flush()
    return dict(counts)


def _proposed(work: Work, plan_id: UUID, visits: dict[UUID, VisitRow]) -> list[Place]:
    """The plan's new places at unchanged visits, by carers who are unchanged too."""
    rows = work.session.execute(
        select(PlanAssignmentRow, CarerRow.carer_version, CarerRow.capacity, CarerRow.active)
        .join(CarerRow, CarerRow.carer_id == PlanAssignmentRow.carer_id)
        .where(PlanAssignmentRow.plan_id == plan_id, PlanAssignmentRow.fixed.is_(False))
    ).all()
    open_slots: dict[UUID, list[int]] = {}
    live: dict[UUID, list[Any]] = {}
    for a in live_assignments(work, visits):
        live.setdefault(a.visit_id, []).append(a)
    for visit_id, visit in visits.items():
        open_slots[visit_id] = free_slots(visit, live.get(visit_id, []))
    return [
        Place(
            visit_id=row.visit_id,
            slot=row.slot,
            carer_id=row.carer_id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            line_id=row.line_id,
            units=row.units,
            metres=row.points.get("metres"),
            reasons=tuple(row.points.get("reasons", ())),
        )
        for row, version, _, active in rows
        if row.visit_id in visits
        and active
        and version == row.carer_version
        and row.slot in open_slots[row.visit_id]
        and row.starts_at > work.now
    ]


def _mark_days(work: Work, plan: PlanRow, planned: Any) -> None:
    pairs = {(row.day, row.town_id) for row in planned}
    for day, town in sorted(pairs):
        values = {"day": day, "town_id": town, "plan_id": plan.plan_id, "published_at": work.now}
        work.session.execute(
            insert(PublishedDayRow)
            .values(**values)
            .on_conflict_do_update(index_elements=[PublishedDayRow.day, PublishedDayRow.town_id], set_=values)
        )


def broken(work: Work, first: date, last: date, town_ids: frozenset[UUID] | None) -> list[dict[str, Any]]:
    """Visits of published days with an empty place: by risk, then by the time left."""
    query = (
        select(VisitRow, PublishedDayRow.published_at)
        .join(
            PublishedDayRow,
            (PublishedDayRow.day == VisitRow.day) & (PublishedDayRow.town_id == VisitRow.town_id),
        )
        .where(
            VisitRow.day.between(first, last),
            VisitRow.status == VisitStatus.OPEN,
            VisitRow.latest_start > work.now,
            (VisitRow.unmet.is_not(None)) | (VisitRow.waiting_since.is_not(None)),
        )
    )
    if town_ids is not None:
        query = query.where(VisitRow.town_id.in_(town_ids))
    rows = [
        {
            "visit_id": visit.visit_id,
            "version": visit.staffing_version,
            "day": visit.day,
            "earliest_start": visit.earliest_start,
            "latest_start": visit.latest_start,
            "kind": visit.kind,
            "vital": visit.vital,
            "grade": visit.data["grade"],
            "urgency": visit.data["urgency"],
            "lone_risk": visit.data["lone_risk"],
            "carers": visit.carers,
            "centre_id": visit.centre_id,
            "town_id": visit.town_id,
            "community_id": visit.community_id,
            "unmet": visit.unmet,
            "waiting": visit.waiting_since is not None,
            "published_at": published,
        }
        for visit, published in work.session.execute(query)
    ]
    return sorted(rows, key=lambda r: (-risk(r), r["latest_start"], r["visit_id"]))


_URGENCY = {"urgent": 4, "soon": 2, "routine": 0}
_GRADE = {"total": 4, "severe": 3, "moderate": 2, "unknown": 2, "mild": 1, "intact": 0}


def risk(row: dict[str, Any]) -> int:
    """How much an unmet visit can hurt: vital services first, then urgency, then grade."""
    return (
        8 * bool(row["vital"]) + _URGENCY[row["urgency"]] + _GRADE[row["grade"]] + 2 * bool(row["lone_risk"])
    )


def nightly(work: Work, days: int) -> PlanRow | None:
    """The night's plan for the days ahead, unless today's was made already."""
    today = wall_day(work.now)
    exists = work.session.scalar(
        select(PlanRow.plan_id)
        .where(PlanRow.reason == "nightly", PlanRow.first_day == today + timedelta(days=1))
        .limit(1)
    )
    return None if exists else request_plan(work, today + timedelta(days=1), days, "nightly")


def due_for_publication(work: Work) -> Sequence[UUID]:
    """Ready plans that nobody holds, newest first: the newest goes out at the office's hour (8.18)."""
    work.session.execute(
        update(PlanRow)
        .where(PlanRow.status == "held", PlanRow.held_until.is_not(None), PlanRow.held_until <= work.now)
        .values(status="ready", held_until=None, version=PlanRow.version + 1)
        .execution_options(synchronize_session=False)
    )
    return work.session.scalars(
        select(PlanRow.plan_id).where(PlanRow.status == "ready").order_by(PlanRow.ready_at.desc()).limit(1)
    ).all()
