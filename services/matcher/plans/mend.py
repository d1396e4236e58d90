"""When nobody is free for a place: staff who are rostered and not yet confirmed change places, as solver/mending.py says.

Of a published plan nothing else is only proposed: what is accepted, confirmed or pinned stays, and an offer stands until its
deadline (design rule 1).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from services.matcher.plans.places import place_of
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.plans.windows import minute
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.mending import Mender, Mending
from services.matcher.solver.plan import Assignment
from services.matcher.solver.snapshot import Snapshot
from services.matcher.staffing.service import announce, ask, end, free_slots, live_assignments
from services.matcher.staffing.tables import AssignmentRow
from shared.contracts.codes import SlotState, VisitStatus
from shared.database.base import among
from shared.database.work import Work

NOTICE = timedelta(minutes=15)  # nobody can be asked for less
AROUND = 24  # proposals that are looked at for one place, the most promising

Proposed = dict[tuple[UUID, UUID], AssignmentRow]  # by visit and carer


class _TooLate(Exception):
    """A step cannot be taken any more."""


def find(work: Work, known: KnownCarers, visit: VisitRow) -> tuple[Mender, Mending] | None:
    """A repair by exchanges among who comes near the visit, if there is one. Nothing is locked or changed."""
    around, fringe = [visit], [visit.visit_id]
    for people in (1, 2, 3):
        snapshot, _ = take_snapshot(work, known, visit.day, 1, around=around, free=True)
        mender = _opened(snapshot, proposals(work, [v.visit_id for v in snapshot.visits]))
        if visit.visit_id not in mender.book.visits:
            return None  # cancelled meanwhile
        if people > 1:
            mending = mender.mend(visit.visit_id, people, people)
            if mending is not None:
                return mender, mending
        there = {v.visit_id for v in around}
        found = [v for each in fringe for v in mender.leavable(each, AROUND) if v not in there]
        fringe = list(dict.fromkeys(found))[:AROUND]
        if not fringe:
            return None
        around += work.session.scalars(select(VisitRow).where(among(VisitRow.visit_id, fringe)))
    return None


def proposals(work: Work, visit_ids: Iterable[UUID], *, lock: bool = False) -> Proposed:
    """Places of visits that are rostered, and neither confirmed by the organisation, pinned, nor about to begin."""
    query = (
        select(AssignmentRow)
        .join(VisitRow, VisitRow.visit_id == AssignmentRow.visit_id)
        .where(
            among(AssignmentRow.visit_id, visit_ids),
            AssignmentRow.state == SlotState.ROSTERED,
            AssignmentRow.confirmed_at.is_(None),
            AssignmentRow.pinned.is_(False),
            AssignmentRow.starts_at > work.now + NOTICE,
            VisitRow.status == VisitStatus.OPEN,
        )
        .order_by(AssignmentRow.assignment_id)
    )
    if lock:
        query = query.with_for_update(of=AssignmentRow).execution_options(populate_existing=True)
    return {(row.visit_id, row.carer_id): row for row in work.session.scalars(query)}


def _opened(snapshot: Snapshot, proposed: Proposed) -> Mender:
    """The picture in which what is only proposed may move."""
    first_day = snapshot.first_day
    fixed = tuple(f for f in snapshot.fixed if (f.visit_id, f.carer_id) not in proposed)
    rows = [proposed[f.visit_id, f.carer_id] for f in snapshot.fixed if (f.visit_id, f.carer_id) in proposed]
    drawn: dict[UUID, int] = {}
    for row in rows:
        if row.line_id is not None and row.committed:
            drawn[row.line_id] = drawn.get(row.line_id, 0) + row.units
    lines = tuple(
        replace(each, free=each.free + drawn[each.line_id]) if each.line_id in drawn else each
        for each in snapshot.lines
    )
    return Mender(
        replace(snapshot, fixed=fixed, lines=lines),
        [
            Assignment(
                row.visit_id,
                row.slot - 1,
                row.carer_id,
                row.person_id,
                minute(first_day, row.starts_at),
                minute(first_day, row.ends_at),
                row.line_id,
                row.units,
            )
            for row in rows
        ],
    )


def touched(mending: Mending) -> set[UUID]:
    """The visits that a repair changes."""
    return {step.visit_id for step in mending.steps}


def enter(work: Work, visits: dict[UUID, VisitRow], mender: Mender, mending: Mending) -> bool:
    """Do a repair: release, ask and roster anew. `visits` are locked. False, and nothing done, when it holds no more."""
    try:
        with work.session.begin_nested():
            ended = _exchange(work, visits, mender, mending)
    except _TooLate:
        return False
    for visit_id in sorted(ended):
        announce(work, visits[visit_id], ended[visit_id])
    work.audit("visit.mend", mending.steps[0].visit_id, None, told=len(mending.steps))
    return True


def _exchange(
    work: Work, visits: dict[UUID, VisitRow], mender: Mender, mending: Mending
) -> dict[UUID, list[AssignmentRow]]:
    """Who leaves which visit; everybody stands where the repair says."""
    proposed = proposals(work, visits, lock=True)
    first = visits.get(mending.steps[0].visit_id)
    slots = [] if first is None else free_slots(first, live_assignments(work, [first.visit_id]))
    if first is None or len(slots) != 1 or touched(mending) - visits.keys():
        raise _TooLate
    ended: dict[UUID, list[AssignmentRow]] = {visit_id: [] for visit_id in touched(mending)}
    slot, places = slots[0], []
    for step in mending.steps:
        visit = visits[step.visit_id]
        if not visit.open:
            raise _TooLate
        places.append(place_of(mender.prepared, visit, slot, step.carer))
        if step.leaves is not None:
            row = proposed.get((step.leaves, step.carer.carer_id))
            if row is None:
                raise _TooLate
            slot = row.slot
            end(work, row, SlotState.RELEASED, "moved")
            ended[step.leaves].append(row)
    work.session.flush()
    if len(ask(work, visits, places, None)) < len(places):
        raise _TooLate
    first.waiting_since = first.unmet = None
    return ended
