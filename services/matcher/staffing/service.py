"""Who comes to a visit: asked, answered, withdrawn, released, rostered. One transaction each.

Locks: visits in id order, then offers, then contract lines. Cancel wins whenever it arrives (design rule 4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from services.matcher.projections.tables import CarerRow, LineRow, PersonRow, VisitRow
from services.matcher.staffing.rules import offer_until
from services.matcher.staffing.tables import AssignmentRow, OfferRow, RefusalRow
from shared.contracts.codes import HELD_SLOTS, LIVE_SLOTS, SERVED_OUTCOMES, Capacity, SlotState, VisitStatus
from shared.contracts.staffing import Slot, StaffingChanged, Unmet
from shared.contracts.visits import AttendanceConfirmed, VisitChanged
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Forbidden, NotFound, Refused

LIVE = tuple(state.value for state in LIVE_SLOTS)
HELD = tuple(state.value for state in HELD_SLOTS)


@dataclass(frozen=True, slots=True)
class Place:
    """A place at a visit that someone is to fill, as a plan or the next-best search proposes it."""

    visit_id: UUID
    slot: int
    carer_id: UUID
    starts_at: datetime
    ends_at: datetime
    line_id: UUID | None = None
    units: int = 0
    metres: int | None = None
    reasons: tuple[str, ...] = ()


def lock_visits(work: Work, visit_ids: Iterable[UUID]) -> dict[UUID, VisitRow]:
    """The visits' rows, locked in id order."""
    rows = work.session.scalars(
        select(VisitRow)
        .where(among(VisitRow.visit_id, visit_ids))
        .order_by(VisitRow.visit_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.visit_id: row for row in rows}


def live_assignments(work: Work, visit_ids: Iterable[UUID]) -> list[AssignmentRow]:
    """Offered, accepted and rostered places of visits."""
    return list(
        work.session.scalars(
            select(AssignmentRow)
            .where(among(AssignmentRow.visit_id, visit_ids), AssignmentRow.state.in_(LIVE))
            .order_by(AssignmentRow.visit_id, AssignmentRow.slot, AssignmentRow.assignment_id)
        )
    )


def announce(work: Work, visit: VisitRow, ended: Sequence[AssignmentRow] = ()) -> None:
    """Give the visit's staffing its next version and tell it: live places, those that just ended, or why nobody."""
    announce_all(work, [visit], ended)


def announce_all(work: Work, visits: Sequence[VisitRow], ended: Sequence[AssignmentRow] = ()) -> None:
    """`announce` for many visits with two questions to the database."""
    for visit in visits:
        visit.staffing_version += 1
    tell(work, visits, ended)


def tell(work: Work, visits: Sequence[VisitRow], ended: Sequence[AssignmentRow] = ()) -> None:
    """Emit the staffing of visits as it stands now; a visit about which nothing was ever told is left out."""
    visits = [visit for visit in visits if visit.staffing_version > 0]
    work.session.flush()
    rows = [*live_assignments(work, [v.visit_id for v in visits]), *ended]
    asked = [a.offer_id for a in rows if a.offer_id and a.state == SlotState.OFFERED]
    open_ones = work.session.scalars(select(OfferRow).where(among(OfferRow.offer_id, asked))) if asked else ()
    offers = {offer.offer_id: offer.until for offer in open_ones}
    slots: dict[UUID, list[Slot]] = {}
    for row in rows:
        slots.setdefault(row.visit_id, []).append(_slot(row, offers))
    for visit in visits:
        work.emit(
            StaffingChanged(
                visit_id=visit.visit_id,
                staffing_version=visit.staffing_version,
                carers=visit.carers,
                slots=tuple(slots.get(visit.visit_id, ())),
                unmet=Unmet.model_validate(visit.unmet) if visit.unmet else None,
                resident_ids=tuple(UUID(r) for r in visit.data["resident_ids"]),
                centre_id=visit.centre_id,
                community_id=visit.community_id,
                town_id=visit.town_id,
            )
        )


def _slot(row: AssignmentRow, offers: dict[UUID, datetime]) -> Slot:
    return Slot(
        assignment_id=row.assignment_id,
        slot=row.slot,
        carer_id=row.carer_id,
        person_id=row.person_id,
        capacity=Capacity(row.capacity),
        organisation_id=row.organisation_id,
        line_id=row.line_id,
        units=row.units if row.committed else 0,
        state=SlotState(row.state),
        start=row.starts_at,
        end=row.ends_at,
        offer_until=offers.get(row.offer_id) if row.offer_id and row.state == SlotState.OFFERED else None,
    )


def free_slots(visit: VisitRow, live: Sequence[AssignmentRow]) -> list[int]:
    """Places of a visit at which nobody is asked or expected."""
    taken = {a.slot for a in live if a.visit_id == visit.visit_id}
    return [slot for slot in range(1, visit.carers + 1) if slot not in taken]


def mark_waiting(work: Work, visit: VisitRow) -> None:
    """Note whether a place of the visit stands empty, so that somebody is asked at once inside a published day."""
    if not visit.open or visit.latest_start <= work.now:
        visit.waiting_since = None
        return
    empty = bool(free_slots(visit, live_assignments(work, [visit.visit_id])))
    if not empty:
        visit.waiting_since = None
    elif visit.waiting_since is None:
        visit.waiting_since, visit.trace = work.now, work.trace


def end(work: Work, row: AssignmentRow, state: SlotState, why: str) -> None:
    """End one place's claim; units it committed are free again."""
    row.state = state.value
    row.ended_why = why
    row.changed_at = work.now
    if row.committed and row.line_id:
        _uncommit(work, row)


def _uncommit(work: Work, row: AssignmentRow) -> None:
    line = work.session.get(LineRow, row.line_id, with_for_update=True, populate_existing=True)
    row.committed = False
    if line is not None:
        line.committed -= row.units
        line.overdraft = max(0, line.committed + line.delivered - line.ceiling)
        work.session.flush()


def commit_units(work: Work, row: AssignmentRow) -> bool:
    """Commit a paid place's units under the line's lock. False when too few are left."""
    if row.line_id is None or row.units == 0:
        return True
    line = work.session.get(LineRow, row.line_id, with_for_update=True, populate_existing=True)
    if line is None or line.available < row.units:
        return False
    line.committed += row.units
    row.committed = True
    work.session.flush()
    return True


def visit_asked(work: Work, row: VisitRow, before: VisitChanged | None, now: VisitChanged) -> None:
    """What a new, changed or ended request means for who comes."""
    live = live_assignments(work, [row.visit_id])
    ended: list[AssignmentRow] = []
    if now.status in (VisitStatus.CANCELLED, VisitStatus.SUSPENDED):
        ended = [a for a in live if _released(work, a, now.status.value)]
    elif now.status is VisitStatus.OPEN:
        ended = [a for a in live if _misfit(a, now) and _released(work, a, "visit_changed")]
    elif now.status is VisitStatus.ENDED:
        ended = [a for a in live if a.state == SlotState.OFFERED and _released(work, a, "visit_ended")]
    if ended:
        close_offers(work, {a.offer_id for a in ended if a.offer_id}, "cancelled")
    if now.status is not VisitStatus.OPEN:
        row.unmet = None
    mark_waiting(work, row)
    if ended or (before is not None and before.carers != now.carers):
        announce(work, row, ended)


def _released(work: Work, row: AssignmentRow, why: str) -> bool:
    end(work, row, SlotState.RELEASED, why)
    return True


def _misfit(row: AssignmentRow, visit: VisitChanged) -> bool:
    minutes = (row.ends_at - row.starts_at).total_seconds() / 60
    return (
        not visit.earliest_start <= row.starts_at <= visit.latest_start
        or minutes != visit.minutes
        or row.slot > visit.carers
        or row.person_id in visit.blocked_person_ids
    )


def close_offers(work: Work, offer_ids: Iterable[UUID | None], state: str) -> None:
    """Close offers of which nothing is asked any more."""
    wanted = [o for o in offer_ids if o]
    if not wanted:
        return
    for offer in work.session.scalars(
        select(OfferRow).where(among(OfferRow.offer_id, wanted)).order_by(OfferRow.offer_id)
    ):
        if offer.state != "open":
            continue
        left = work.session.scalar(
            select(AssignmentRow.assignment_id)
            .where(AssignmentRow.offer_id == offer.offer_id, AssignmentRow.state == SlotState.OFFERED)
            .limit(1)
        )
        if left is None:
            offer.state = state
            offer.answered_at = work.now


def attendance_ended(work: Work, event: AttendanceConfirmed) -> None:
    """A confirmed attendance frees the units its place had committed: what was delivered is drawn instead."""
    row = work.session.scalars(
        select(AssignmentRow).where(
            AssignmentRow.visit_id == event.visit_id,
            AssignmentRow.person_id == event.person_id,
            AssignmentRow.state.in_(HELD),
        )
    ).first()
    if row is not None and row.committed:
        _uncommit(work, row)
    if row is not None and event.outcome not in SERVED_OUTCOMES:
        row.ended_why = event.outcome.value


def ask(
    work: Work, visits: dict[UUID, VisitRow], places: Sequence[Place], plan_id: UUID | None
) -> list[AssignmentRow]:
    """Offer places to their volunteers and roster those of contract staff. Visits are locked by the caller.

    Places of one carer and one need go out as one offer (a series, 8.15). A place that can't be filled any more
    (taken, or its line out of units) is left out.
    """
    carers = {
        row.carer_id: row
        for row in work.session.scalars(
            select(CarerRow).where(among(CarerRow.carer_id, {p.carer_id for p in places}))
        )
    }
    numbers = {
        row.person_id: row.person_no
        for row in work.session.scalars(
            select(PersonRow).where(among(PersonRow.person_id, {c.person_id for c in carers.values()}))
        )
    }
    places = sorted(places, key=lambda p: (p.starts_at, p.visit_id, p.slot))
    offers = _offers(work, visits, carers, places)
    made: list[AssignmentRow] = []
    for place in places:
        carer = carers[place.carer_id]
        row = AssignmentRow(
            assignment_id=new_id(),
            visit_id=place.visit_id,
            slot=place.slot,
            carer_id=carer.carer_id,
            person_id=carer.person_id,
            person_no=numbers[carer.person_id],
            capacity=carer.capacity,
            organisation_id=carer.organisation_id,
            line_id=place.line_id,
            units=place.units,
            starts_at=place.starts_at,
            ends_at=place.ends_at,
            plan_id=plan_id,
            changed_at=work.now,
            state=SlotState.ROSTERED if carer.capacity == Capacity.EMPLOYED else SlotState.OFFERED,
        )
        if carer.capacity == Capacity.EMPLOYED:
            if _person_busy(work, row) or not commit_units(work, row):
                continue
        else:
            row.offer_id = offers[place.carer_id, visits[place.visit_id].need_id].offer_id
        work.session.add(row)
        made.append(row)
    work.session.flush()
    return made


def _offers(
    work: Work, visits: dict[UUID, VisitRow], carers: dict[UUID, CarerRow], places: Sequence[Place]
) -> dict[tuple[UUID, UUID], OfferRow]:
    """One offer for each volunteer and need, by the earliest of its places."""
    offers: dict[tuple[UUID, UUID], OfferRow] = {}
    for place in places:
        carer, visit = carers[place.carer_id], visits[place.visit_id]
        if carer.capacity == Capacity.EMPLOYED or (carer.carer_id, visit.need_id) in offers:
            continue
        offers[carer.carer_id, visit.need_id] = OfferRow(
            offer_id=new_id(),
            person_id=carer.person_id,
            carer_id=carer.carer_id,
            centre_id=visit.centre_id,
            town_id=visit.town_id,
            need_id=visit.need_id,
            state="open",
            made_at=work.now,
            until=offer_until(work.now, place.starts_at),
            metres=place.metres,
            reasons=" ".join(place.reasons),
        )
    work.session.add_all(offers.values())
    work.session.flush()
    return offers


def _person_busy(work: Work, row: AssignmentRow) -> bool:
    return (
        work.session.scalar(
            select(AssignmentRow.assignment_id)
            .where(
                AssignmentRow.person_id == row.person_id,
                AssignmentRow.state.in_(HELD),
                AssignmentRow.starts_at < row.ends_at,
                AssignmentRow.ends_at > row.starts_at,
            )
            .limit(1)
        )
        is not None
    )


def _own_offer(work: Work, offer_id: UUID) -> tuple[OfferRow, list[AssignmentRow], dict[UUID, VisitRow]]:
    """The offer, its assignments and their visits: visits locked first, then the offer."""
    offer = work.session.get(OfferRow, offer_id)
    if offer is None:
        raise NotFound("offer_unknown", "没有找到这份邀请。")
    mine = select(AssignmentRow).where(AssignmentRow.offer_id == offer_id).order_by(AssignmentRow.starts_at)
    visits = lock_visits(work, [r.visit_id for r in work.session.scalars(mine)])
    work.session.refresh(offer, with_for_update=True)
    rows = list(work.session.scalars(mine.execution_options(populate_existing=True)))
    return offer, rows, visits


def _still_open(work: Work, offer: OfferRow) -> None:
    if offer.state == "open" and offer.until <= work.now:
        raise Refused("offer_lapsed", "这份邀请已经过期了。", state="lapsed")
    messages = {
        "accepted": "您已经答应过了。",
        "declined": "您已经婉拒了这份邀请。",
        "lapsed": "这份邀请已经过期了。",
        "taken": "已经有人答应了，谢谢您。",
        "cancelled": "这次服务取消了，谢谢您。",
    }
    if offer.state != "open":
        raise Refused("offer_closed", messages[offer.state], state=offer.state)


def accept(
    work: Work, offer_id: UUID, taken_by: UUID | None = None, taken_from: str | None = None
) -> OfferRow:
    """Say yes to all that the offer still asks. The first yes wins a place; the others read that it is taken."""
    offer, rows, visits = _own_offer(work, offer_id)
    _still_open(work, offer)
    won: list[AssignmentRow] = []
    touched: dict[UUID, list[AssignmentRow]] = {}
    for row in (r for r in rows if r.state == SlotState.OFFERED):
        visit = visits[row.visit_id]
        others = [a for a in live_assignments(work, [row.visit_id]) if a.assignment_id != row.assignment_id]
        holder = next((a for a in others if a.slot == row.slot and a.state in HELD), None)
        if (holder is not None and not row.pinned) or not visit.open:
            end(work, row, SlotState.RELEASED, "taken")
            touched.setdefault(row.visit_id, []).append(row)
            continue
        if _person_busy(work, row):
            raise Refused("time_taken", "这个时间您已经有别的安排了。")
        if holder is not None:
            end(work, holder, SlotState.RELEASED, "replaced")
            touched.setdefault(row.visit_id, []).append(holder)
            work.session.flush()
        row.state = SlotState.ACCEPTED.value
        row.changed_at = work.now
        won.append(row)
        losers = [a for a in others if a.slot == row.slot and a.state == SlotState.OFFERED]
        for loser in losers:
            end(work, loser, SlotState.RELEASED, "taken")
        touched.setdefault(row.visit_id, []).extend(losers)
        visit.unmet = None
        work.session.flush()
    if not won:
        raise Refused("offer_closed", "已经有人答应了，谢谢您。", state="taken")
    offer.state = "accepted"
    offer.answered_at = work.now
    offer.taken_by, offer.taken_from = taken_by, taken_from
    close_offers(work, {a.offer_id for ended in touched.values() for a in ended} - {offer.offer_id}, "taken")
    for visit_id, ended in touched.items():
        mark_waiting(work, visits[visit_id])
        announce(work, visits[visit_id], ended)
    work.audit("offer.accept", offer.offer_id, offer.person_id, by_phone=taken_by is not None)
    return offer


def decline(
    work: Work, offer_id: UUID, why: str, taken_by: UUID | None = None, taken_from: str | None = None
) -> OfferRow:
    """Say no: not this time, not this kind, or not this person. It lowers nobody's rank."""
    offer, rows, visits = _own_offer(work, offer_id)
    _still_open(work, offer)
    offer.state, offer.answered_at, offer.answer_why = "declined", work.now, why
    offer.taken_by, offer.taken_from = taken_by, taken_from
    asked = [r for r in rows if r.state == SlotState.OFFERED]
    for row in asked:
        end(work, row, SlotState.DECLINED, why)
        work.session.add(_refusal(work, offer.person_id, visit_id=row.visit_id))
    first = visits[asked[0].visit_id].asked if asked else None
    if first and why == "not_this_kind":
        work.session.add(_refusal(work, offer.person_id, kind=first.kind.value))
    if first and why == "not_this_person":
        for resident_id in first.resident_ids:
            work.session.add(_refusal(work, offer.person_id, resident_id=resident_id))
    for row in asked:
        mark_waiting(work, visits[row.visit_id])
        announce(work, visits[row.visit_id], [row])
    work.audit("offer.decline", offer.offer_id, offer.person_id, why=why, by_phone=taken_by is not None)
    return offer


def _refusal(
    work: Work,
    person_id: UUID,
    *,
    visit_id: UUID | None = None,
    kind: str | None = None,
    resident_id: UUID | None = None,
    by_planner: bool = False,
) -> RefusalRow:
    return RefusalRow(
        refusal_id=new_id(),
        person_id=person_id,
        visit_id=visit_id,
        kind=kind,
        resident_id=resident_id,
        by_planner=by_planner,
        made_at=work.now,
    )


def lapse_due(work: Work, limit: int = 200) -> int:
    """Let offers lapse whose time has run out. Returns how many."""
    due = work.session.scalars(
        select(OfferRow.offer_id)
        .where(OfferRow.state == "open", OfferRow.until <= work.now)
        .order_by(OfferRow.until)
        .limit(limit)
    ).all()
    for offer_id in sorted(due):
        offer, rows, visits = _own_offer(work, offer_id)
        if offer.state != "open" or offer.until > work.now:
            continue
        offer.state, offer.answered_at = "lapsed", work.now
        for row in (r for r in rows if r.state == SlotState.OFFERED):
            end(work, row, SlotState.LAPSED, "lapsed")
            mark_waiting(work, visits[row.visit_id])
            announce(work, visits[row.visit_id], [row])
    return len(due)


def held_assignment(work: Work, assignment_id: UUID) -> tuple[AssignmentRow, VisitRow]:
    """A held place and its visit, locked. 404 when there is none; 409 when it is not held now."""
    row = work.session.get(AssignmentRow, assignment_id)
    if row is None:
        raise NotFound("assignment_unknown", "没有找到这项安排。")
    visit = lock_visits(work, [row.visit_id])[row.visit_id]
    work.session.refresh(row, with_for_update=True)
    if row.state not in HELD:
        raise Refused("not_held", "这项安排已经结束了。", state=row.state)
    return row, visit


def withdraw(work: Work, assignment_id: UUID, reason: str) -> AssignmentRow:
    """Give back an accepted place, in time or late; only before the visit has started. Others are asked at once."""
    row, visit = held_assignment(work, assignment_id)
    if row.capacity == Capacity.EMPLOYED:
        raise Forbidden("staff_place", "护理员的安排请由机构调换。")
    if visit.status != VisitStatus.OPEN:
        raise Refused("visit_started", "服务已经开始或结束，不能退出。", state=visit.status)
    end(work, row, SlotState.WITHDRAWN, reason)
    work.session.add(_refusal(work, row.person_id, visit_id=row.visit_id))
    mark_waiting(work, visit)
    announce(work, visit, [row])
    work.audit("assignment.withdraw", row.assignment_id, row.person_id, reason=reason)
    return row


def seen(work: Work, person_id: UUID) -> None:
    """The person has opened their page: the centre may know that a cancellation was seen."""
    work.session.execute(
        update(AssignmentRow)
        .where(
            AssignmentRow.person_id == person_id,
            AssignmentRow.state == SlotState.RELEASED,
            AssignmentRow.ended_seen_at.is_(None),
        )
        .values(ended_seen_at=work.now)
        .execution_options(synchronize_session=False)
    )
    work.session.execute(
        update(OfferRow)
        .where(OfferRow.person_id == person_id, OfferRow.state == "open", OfferRow.seen_at.is_(None))
        .values(seen_at=work.now, version=OfferRow.version + 1)
        .execution_options(synchronize_session=False)
    )
