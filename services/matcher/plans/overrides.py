"""A planner's hand on one visit, an organisation's swap, and the answers to "why" and "who else"."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from services.matcher.plans.endpoints import PLANNERS, Planner
from services.matcher.plans.keeping import reasons_for
from services.matcher.plans.places import place_of
from services.matcher.plans.schemas import Cost, Override, Why
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.plans.windows import minute, moment
from services.matcher.projections.tables import CarerRow, VisitRow
from services.matcher.solver.explain import Candidate as Found
from services.matcher.solver.explain import Prepared, explain_one
from services.matcher.staffing import service
from services.matcher.staffing.reach import visit_reach
from services.matcher.staffing.rules import distance_band
from services.matcher.staffing.schemas import Broken, Candidate, Swap
from services.matcher.staffing.tables import AssignmentRow, RefusalRow
from shared.contracts.codes import Capacity, Role, SlotState
from shared.database.work import Work
from shared.ids import new_id
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Done
from shared.web.signed_in import SignedIn, may, require

ROUTER = router("", "overrides")
_KNOWN = KnownCarers()
Dispatcher = Annotated[Caller, may(Role.DISPATCHER)]
ASKERS = (Role.CENTRE_STAFF, Role.COMMUNITY, Role.SOCIAL_WORKER, *PLANNERS)


def _visit(work: Work, visit_id: UUID, caller: Caller, *roles: Role) -> VisitRow:
    visit = work.session.get(VisitRow, visit_id)
    if visit is None:
        raise NotFound("visit_unknown", "没有找到这次服务。")
    require(caller, visit_reach(visit), *roles)
    return visit


def _prepared(work: Work, visit: VisitRow) -> Prepared:
    prepared = Prepared(take_snapshot(work, _KNOWN, visit.day, 1)[0])
    if visit.visit_id not in prepared.book.visits:
        raise Refused("visit_closed", "这次服务已经开始、结束或取消。")
    return prepared


def _carer(work: Work, carer_id: UUID) -> CarerRow:
    carer = work.session.get(CarerRow, carer_id)
    if carer is None:
        raise Invalid("carer_unknown", "没有找到这位服务人员。", field="carer_id")
    return carer


@ROUTER.get("/visits/{visit_id}/why")
def why(visit_id: UUID, work: Transaction, caller: SignedIn) -> Why:
    """Why nobody comes yet: the funnel in five steps, and the smallest change that works, re-solved now."""
    visit = _visit(work, visit_id, caller, *ASKERS)
    found = explain_one(_prepared(work, visit), visit_id)
    return Why(
        visit_id=visit_id,
        reason=found.reason.value,
        funnel=[(step, count) for step, count in found.funnel],
        change=list(found.change) if found.change else None,
    )


@ROUTER.get("/visits/{visit_id}/candidates")
def candidates(
    visit_id: UUID, work: Transaction, caller: SignedIn, most: Annotated[int, Query(ge=1, le=20)] = 5
) -> list[Candidate]:
    """The best carers for one more place at a visit, with the reasons."""
    visit = _visit(work, visit_id, caller, *ASKERS)
    prepared = _prepared(work, visit)
    return [_candidate(prepared, visit, c) for c in prepared.best_carers(visit_id, most)]


def _candidate(prepared: Prepared, visit: VisitRow, found: Found) -> Candidate:
    carer = prepared.book.carers[found.carer_id]
    return Candidate(
        carer_id=found.carer_id,
        person_id=found.person_id,
        capacity=carer.capacity,
        organisation_id=carer.organisation_id,
        start=moment(prepared.book.snapshot.first_day, found.start),
        points=found.points,
        band=distance_band(found.metres),
        reasons=reasons_for(carer, prepared.book.visits[visit.visit_id]),
        broken=[],
    )


@ROUTER.post("/visits/{visit_id}/what-if")
def what_if(visit_id: UUID, body: Override, work: Transaction, caller: Planner) -> Cost:
    """What a pin or a ban would cost, before it is done: the best points now and then, and who would be told."""
    visit = _visit(work, visit_id, caller, *PLANNERS)
    carer = _carer(work, body.carer_id)
    live = service.live_assignments(work, [visit_id])
    prepared = _without(work, visit, live)
    best = prepared.best_carers(visit_id, 20)
    mine = next((c for c in best if c.carer_id == body.carer_id), None)
    broken = prepared.check_pair(visit_id, body.carer_id) if body.action == "pin" else []
    others = [c for c in best if c.person_id != carer.person_id]
    then = mine if body.action == "pin" else (others[0] if others else None)
    affected = {a.person_id for a in live if (a.person_id == carer.person_id) == (body.action == "forbid")}
    return Cost(
        allowed=not broken,
        broken=[{"rule": b.rule_id, "sentence": b.sentence} for b in broken],
        points_now=best[0].points if best else None,
        points_then=then.points if then else None,
        affected_person_ids=sorted(affected),
        asks=carer.capacity == Capacity.VOLUNTEER,
    )


def _without(work: Work, visit: VisitRow, live: Sequence[AssignmentRow]) -> Prepared:
    """The picture as if nobody were asked or expected at the visit yet."""
    snapshot, _ = take_snapshot(work, _KNOWN, visit.day, 1)
    ours = {(a.visit_id, a.slot - 1) for a in live}
    kept = tuple(f for f in snapshot.fixed if (f.visit_id, f.slot) not in ours)
    prepared = Prepared(replace(snapshot, fixed=kept))
    if visit.visit_id not in prepared.book.visits:
        raise Refused("visit_closed", "这次服务已经开始、结束或取消。")
    return prepared


@ROUTER.post("/visits/{visit_id}/pin")
def pin(visit_id: UUID, body: Override, work: Transaction, caller: Planner) -> Done:
    """Put a carer on a visit by hand. A volunteer gets an offer; whoever holds the place keeps it until a yes (8.16)."""
    _visit(work, visit_id, caller, *PLANNERS)
    made = put_by_hand(work, visit_id, body.carer_id)
    return Done(id=made.assignment_id, version=made.version)


def put_by_hand(work: Work, visit_id: UUID, carer_id: UUID) -> AssignmentRow:
    """What `pin` does once it is known who may. Raises Refused with the rule that the pair breaks."""
    visit = service.lock_visits(work, [visit_id])[visit_id]
    carer = _carer(work, carer_id)
    live = service.live_assignments(work, [visit_id])
    if any(a.person_id == carer.person_id for a in live):
        raise Refused("already_there", "这位服务人员已经在这次服务里了。", field="carer_id")
    prepared = _without(work, visit, live)
    broken = prepared.check_pair(visit_id, carer_id)
    if broken:
        raise Refused(f"rule_{broken[0].rule_id}", broken[0].sentence, field="carer_id")
    found = prepared.candidate(visit_id, carer_id)
    if found is None:
        raise Refused("rule_availability", "服务人员在这个时间没有空。", field="carer_id")
    slots = service.free_slots(visit, live) or [1]
    made = service.ask(work, {visit_id: visit}, [place_of(prepared, visit, slots[0], found)], None)
    if not made:
        raise Refused("no_units", "合同剩余的服务量不够，或这个时间已有安排。", field="carer_id")
    made[0].pinned = True
    visit.unmet, visit.waiting_since = None, None
    service.mark_waiting(work, visit)
    service.announce(work, visit)
    work.audit("visit.pin", visit_id, carer.person_id)
    work.flush()
    return made[0]


@ROUTER.post("/visits/{visit_id}/forbid")
def forbid(visit_id: UUID, body: Override, work: Transaction, caller: Planner) -> Done:
    """Keep a person off a visit; a place they hold or are asked for is released and filled anew."""
    _visit(work, visit_id, caller, *PLANNERS)
    visit = service.lock_visits(work, [visit_id])[visit_id]
    carer = _carer(work, body.carer_id)
    row = RefusalRow(
        refusal_id=new_id(), person_id=carer.person_id, visit_id=visit_id, by_planner=True, made_at=work.now
    )
    work.session.add(row)
    ended = [a for a in service.live_assignments(work, [visit_id]) if a.person_id == carer.person_id]
    for assignment in ended:
        service.end(work, assignment, SlotState.RELEASED, "planner")
    service.close_offers(work, {a.offer_id for a in ended}, "cancelled")
    service.mark_waiting(work, visit)
    service.announce(work, visit, ended)
    work.audit("visit.forbid", visit_id, carer.person_id)
    return Done(id=row.refusal_id, version=1)


@ROUTER.delete("/visits/{visit_id}/pins", status_code=204)
def unpin(visit_id: UUID, work: Transaction, caller: Planner) -> None:
    """Take a planner's pins and bans off a visit; who holds a place keeps it."""
    _visit(work, visit_id, caller, *PLANNERS)
    for row in service.live_assignments(work, [visit_id]):
        row.pinned = False
    for refusal in work.session.scalars(
        select(RefusalRow).where(RefusalRow.visit_id == visit_id, RefusalRow.by_planner)
    ):
        work.session.delete(refusal)
    work.audit("visit.unpin", visit_id)


def _own_place(work: Work, assignment_id: UUID, caller: Caller) -> AssignmentRow:
    row = work.session.get(AssignmentRow, assignment_id)
    if row is None:
        raise NotFound("assignment_unknown", "没有找到这项安排。")
    require(caller, Reach(organisation_id=row.organisation_id), Role.DISPATCHER)
    return row


@ROUTER.get("/assignments/{assignment_id}/swap-candidates")
def swap_candidates(assignment_id: UUID, work: Transaction, caller: Dispatcher) -> list[Candidate]:
    """The organisation's own staff for a place: who may take it, and which rule forbids the others (8.16)."""
    row = _own_place(work, assignment_id, caller)
    visit = work.session.get_one(VisitRow, row.visit_id)
    prepared = _without(work, visit, [row])
    asked = prepared.book.visits[visit.visit_id]
    start = minute(visit.day, row.starts_at)
    found = []
    for carer in prepared.book.carers.values():
        if carer.organisation_id != row.organisation_id or carer.carer_id == row.carer_id:
            continue
        broken = prepared.check_pair(visit.visit_id, carer.carer_id, start)
        found.append(
            Candidate(
                carer_id=carer.carer_id,
                person_id=carer.person_id,
                capacity=carer.capacity,
                organisation_id=carer.organisation_id,
                start=row.starts_at,
                points=-len(broken),
                band=None,
                reasons=reasons_for(carer, asked),
                broken=[Broken(rule=b.rule_id, sentence=b.sentence) for b in broken],
            )
        )
    return sorted(found, key=lambda c: (-c.points, c.carer_id))


@ROUTER.post("/assignments/{assignment_id}/swap")
def swap(assignment_id: UUID, body: Swap, work: Transaction, caller: Dispatcher) -> Done:
    """Put another of the organisation's own staff in a place, if the rules allow; the refusing rule is named."""
    _own_place(work, assignment_id, caller)
    row, visit = service.held_assignment(work, assignment_id)
    carer = _carer(work, body.carer_id)
    if carer.organisation_id != row.organisation_id:
        raise Refused("not_own_staff", "只能换成本机构的护理员。", field="carer_id")
    prepared = _without(work, visit, [row])
    broken = prepared.check_pair(visit.visit_id, body.carer_id, minute(visit.day, row.starts_at))
    if broken:
        raise Refused(f"rule_{broken[0].rule_id}", broken[0].sentence, field="carer_id")
    service.end(work, row, SlotState.RELEASED, "swapped")
    work.session.flush()
    place = service.Place(
        visit_id=visit.visit_id,
        slot=row.slot,
        carer_id=carer.carer_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        line_id=row.line_id,
        units=row.units,
    )
    made = service.ask(work, {visit.visit_id: visit}, [place], row.plan_id)
    if not made:
        raise Refused("time_taken", "这位护理员在这个时间已经有别的安排了。", field="carer_id")
    made[0].confirmed_at = work.now
    service.announce(work, visit, [row])
    work.audit("assignment.swap", row.assignment_id, row.person_id, to=str(carer.person_id))
    work.flush()
    return Done(id=made[0].assignment_id, version=made[0].version)
