"""Offers and assignments over HTTP."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import or_, select, tuple_

from services.matcher.projections.tables import CarerRow, VisitRow
from services.matcher.staffing import service
from services.matcher.staffing.reach import offer_reach, visit_reach
from services.matcher.staffing.rules import distance_band
from services.matcher.staffing.schemas import (
    Acceptance,
    Declination,
    Offer,
    OfferVisit,
    Place,
    RosterConfirmed,
    RosterDay,
    Staffing,
    Withdrawal,
)
from services.matcher.staffing.tables import AssignmentRow, OfferRow
from shared.clock import day_bounds
from shared.contracts.codes import Role
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Forbidden, NotFound
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Done, Instant, Limit, Page, decode_cursor, encode_cursor
from shared.web.signed_in import SignedIn, may, require

ROUTER = router("", "staffing")

DESK = (Role.CENTRE_STAFF, Role.TOWN, Role.BUREAU, Role.PLANNER, Role.COMMUNITY)
Desk = Annotated[Caller, may(*DESK)]


def shown(work: Work, offers: list[OfferRow]) -> list[Offer]:
    """Offers with their dates, and of each visit only what may be seen before acceptance."""
    ids = [o.offer_id for o in offers]
    rows = work.session.execute(
        select(AssignmentRow, VisitRow)
        .join(VisitRow, VisitRow.visit_id == AssignmentRow.visit_id)
        .where(among(AssignmentRow.offer_id, ids))
        .order_by(AssignmentRow.starts_at)
    ).all()
    dates: dict[UUID, list[tuple[AssignmentRow, VisitRow]]] = {i: [] for i in ids}
    for assignment, visit in rows:
        if assignment.offer_id:
            dates[assignment.offer_id].append((assignment, visit))
    return [_offer(o, dates[o.offer_id]) for o in offers]


def _offer(offer: OfferRow, dates: list[tuple[AssignmentRow, VisitRow]]) -> Offer:
    asked = dates[0][1].asked if dates else None
    return Offer(
        offer_id=offer.offer_id,
        version=offer.version,
        person_id=offer.person_id,
        carer_id=offer.carer_id,
        centre_id=offer.centre_id,
        kind=asked.kind if asked else "",
        carers=asked.carers if asked else 1,
        remote=asked.remote if asked else False,
        skills=sorted(asked.skills) if asked else [],
        dialect=asked.dialect_wish.dialect if asked and asked.dialect_wish else None,
        state=offer.state,
        made_at=offer.made_at,
        until=offer.until,
        seen_at=offer.seen_at,
        band=distance_band(offer.metres),
        reasons=offer.reasons.split(),
        visits=[
            OfferVisit(
                assignment_id=a.assignment_id,
                visit_id=a.visit_id,
                start=a.starts_at,
                end=a.ends_at,
                state=a.state,
            )
            for a, _ in dates
        ],
        not_reached=offer.not_reached,
        tried_at=offer.tried_at,
        answer_why=offer.answer_why,
    )


@ROUTER.get("/offers")
def list_offers(
    work: Transaction,
    caller: SignedIn,
    person_id: UUID | None = None,
    centre_id: UUID | None = None,
    town_id: UUID | None = None,
    open: bool = True,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Offer]:
    """A person's own offers, or a centre's or town's call list, by deadline (8.13)."""
    if person_id:
        require(
            caller,
            Reach(person_ids=frozenset({person_id}), centre_id=centre_id),
            Role.VOLUNTEER,
            Role.CENTRE_STAFF,
        )
    elif centre_id or town_id:
        require(caller, Reach(centre_id=centre_id, town_id=town_id), *DESK)
    else:
        raise Forbidden("too_wide", "请指明人员、照料中心或镇。")
    query = select(OfferRow).order_by(OfferRow.until, OfferRow.offer_id).limit(limit + 1)
    if person_id:
        query = query.where(OfferRow.person_id == person_id)
    if centre_id:
        query = query.where(OfferRow.centre_id == centre_id)
    if town_id:
        query = query.where(OfferRow.town_id == town_id)
    if open:
        query = query.where(OfferRow.state == "open", OfferRow.until > work.now)
    if cursor:
        until, offer_id = decode_cursor(cursor, 2)
        query = query.where(tuple_(OfferRow.until, OfferRow.offer_id) > (until, offer_id))
    rows = list(work.session.scalars(query))
    last = rows[limit - 1] if len(rows) > limit else None
    if person_id and person_id == caller.person_id:
        service.seen(work, person_id)
    return Page(
        items=shown(work, rows[:limit]),
        next=encode_cursor(last.until.isoformat(), last.offer_id) if last else None,
    )


def _may_answer(work: Work, caller: Caller, offer_id: UUID) -> UUID | None:
    """The account that writes the answer down for the person, or None when they answer themselves."""
    offer = work.session.get(OfferRow, offer_id)
    if offer is None:
        raise NotFound("offer_unknown", "没有找到这份邀请。")
    if offer.person_id == caller.person_id:
        return None
    require(caller, offer_reach(offer), *DESK)
    return caller.account_id


@ROUTER.get("/offers/{offer_id}")
def read_offer(offer_id: UUID, work: Transaction, caller: SignedIn) -> Offer:
    """One offer, for the person asked and their centre."""
    _may_answer(work, caller, offer_id)
    offer = work.session.get(OfferRow, offer_id)
    assert offer is not None
    return shown(work, [offer])[0]


@ROUTER.post("/offers/{offer_id}/accept")
def accept_offer(offer_id: UUID, body: Acceptance, work: Transaction, caller: SignedIn) -> Done:
    """Say yes. An answer taken by phone counts as the person's own (8.13)."""
    taken_by = _may_answer(work, caller, offer_id)
    offer = service.accept(work, offer_id, taken_by, body.taken_from)
    work.flush()
    return Done(id=offer.offer_id, version=offer.version)


@ROUTER.post("/offers/{offer_id}/decline")
def decline_offer(offer_id: UUID, body: Declination, work: Transaction, caller: SignedIn) -> Done:
    """Say no: not this time, not this kind, or not this person (8.15)."""
    taken_by = _may_answer(work, caller, offer_id)
    offer = service.decline(work, offer_id, body.why, taken_by, body.taken_from)
    work.flush()
    return Done(id=offer.offer_id, version=offer.version)


@ROUTER.post("/offers/{offer_id}/not-reached")
def not_reached(offer_id: UUID, work: Transaction, caller: Desk) -> Done:
    """Note a call that reached nobody; the offer stays open."""
    _may_answer(work, caller, offer_id)
    offer = work.session.get(OfferRow, offer_id, with_for_update=True)
    assert offer is not None
    offer.not_reached += 1
    offer.tried_at = work.now
    work.flush()
    return Done(id=offer.offer_id, version=offer.version)


def place(row: AssignmentRow, visit: VisitRow) -> Place:
    """An assignment as it is shown."""
    return Place(
        assignment_id=row.assignment_id,
        version=row.version,
        offer_id=row.offer_id,
        visit_id=row.visit_id,
        slot=row.slot,
        carer_id=row.carer_id,
        person_id=row.person_id,
        capacity=row.capacity,
        organisation_id=row.organisation_id,
        line_id=row.line_id,
        units=row.units,
        state=row.state,
        pinned=row.pinned,
        start=row.starts_at,
        end=row.ends_at,
        confirmed=row.confirmed_at is not None,
        ended_why=row.ended_why,
        ended_seen=row.ended_seen_at is not None,
        kind=visit.kind,
        centre_id=visit.centre_id,
    )


@ROUTER.post("/assignments/{assignment_id}/withdraw")
def withdraw(assignment_id: UUID, body: Withdrawal, work: Transaction, caller: SignedIn) -> Done:
    """Give an accepted place back; somebody else is asked at once."""
    row = work.session.get(AssignmentRow, assignment_id)
    if row is None:
        raise NotFound("assignment_unknown", "没有找到这项安排。")
    if row.person_id != caller.person_id:
        visit = work.session.get(VisitRow, row.visit_id)
        require(caller, visit_reach(visit), *DESK)
    done = service.withdraw(work, assignment_id, body.reason)
    work.flush()
    return Done(id=done.assignment_id, version=done.version)


@ROUTER.get("/staffing")
def staffing_of_visits(
    work: Transaction,
    caller: SignedIn,
    visit_ids: Annotated[list[UUID], Query(max_length=500)],
    min_version: int = 0,
) -> Page[Staffing]:
    """Who comes to visits. Only visits within the caller's reach are answered."""
    rows = {
        v.visit_id: v
        for v in work.session.scalars(select(VisitRow).where(among(VisitRow.visit_id, visit_ids)))
    }
    live = service.live_assignments(work, rows)
    items = []
    for visit_id in visit_ids:
        visit = rows.get(visit_id)
        places = [place(a, visit) for a in live if visit and a.visit_id == visit_id]
        people = frozenset(p.person_id for p in places)
        if visit is None or not caller.reaches(visit_reach(visit, people)):
            continue
        items.append(
            Staffing(
                visit_id=visit_id,
                version=visit.staffing_version,
                carers=visit.carers,
                places=places,
                unmet=visit.unmet,
                waiting=visit.waiting_since is not None,
            )
        )
    return Page(items=items)


@ROUTER.get("/assignments")
def list_assignments(
    work: Transaction,
    caller: SignedIn,
    since: Instant,
    until: Instant,
    person_id: UUID | None = None,
    organisation_id: UUID | None = None,
    ended: bool = False,
    limit: Limit = 500,
) -> Page[Place]:
    """Places of a person or of an organisation's staff in a span of at most 60 days; `ended`: those that ended too."""
    if until - since > timedelta(days=60):
        raise Forbidden("span_too_long", "一次最多查看六十天。")
    if person_id and person_id == caller.person_id:
        service.seen(work, person_id)
    elif organisation_id:
        require(
            caller,
            Reach(organisation_id=organisation_id),
            Role.DISPATCHER,
            Role.ORGANISATION_STAFF,
            Role.BUREAU,
            Role.PLANNER,
        )
    elif person_id:
        homes = work.session.scalars(select(CarerRow).where(CarerRow.person_id == person_id)).all()
        if not any(
            caller.reaches(Reach(centre_id=c.centre_id, organisation_id=c.organisation_id)) for c in homes
        ):
            raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    else:
        raise Forbidden("too_wide", "请指明人员或机构。")
    query = (
        select(AssignmentRow, VisitRow)
        .join(VisitRow, VisitRow.visit_id == AssignmentRow.visit_id)
        .where(AssignmentRow.starts_at >= since, AssignmentRow.starts_at < until)
        .order_by(AssignmentRow.starts_at, AssignmentRow.assignment_id)
        .limit(limit)
    )
    if person_id:
        query = query.where(AssignmentRow.person_id == person_id)
    if organisation_id:
        query = query.where(AssignmentRow.organisation_id == organisation_id)
    if not ended:
        query = query.where(AssignmentRow.state.in_(service.LIVE))
    else:
        query = query.where(
            or_(
                AssignmentRow.state.in_(service.LIVE),
                AssignmentRow.changed_at > work.now - timedelta(days=14),
            )
        )
    return Page(items=[place(a, v) for a, v in work.session.execute(query)])


@ROUTER.post("/rosters/confirm")
def confirm_roster(
    body: RosterDay, work: Transaction, caller: Annotated[Caller, may(Role.DISPATCHER)]
) -> RosterConfirmed:
    """Confirm a day's roster of the organisation's staff in one step (8.16). Doing it again changes nothing."""
    require(caller, Reach(organisation_id=body.organisation_id), Role.DISPATCHER)
    first, last = day_bounds(body.day)
    rows = work.session.scalars(
        select(AssignmentRow)
        .where(
            AssignmentRow.organisation_id == body.organisation_id,
            AssignmentRow.state == "rostered",
            AssignmentRow.starts_at >= first,
            AssignmentRow.starts_at < last,
            AssignmentRow.confirmed_at.is_(None),
        )
        .order_by(AssignmentRow.assignment_id)
        .with_for_update()
    ).all()
    for row in rows:
        row.confirmed_at = work.now
    work.audit("roster.confirm", body.organisation_id, None, day=str(body.day), places=len(rows))
    return RosterConfirmed(organisation_id=body.organisation_id, day=body.day, confirmed=len(rows))
