"""Inside a published horizon the consequences of one visit are offered at once (design rule 3)."""

import threading
from datetime import date, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select, text

from services.matcher.plans.keeping import reasons_for
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.plans.tables import PublishedDayRow
from services.matcher.plans.windows import moment
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.explain import Candidate, Prepared, explain_one
from services.matcher.staffing.rules import asks_at_once
from services.matcher.staffing.service import (
    Place,
    announce,
    ask,
    free_slots,
    live_assignments,
    lock_visits,
    mark_waiting,
)
from shared.contracts.codes import VisitStatus
from shared.contracts.lines import units_of
from shared.database.work import Database, Work
from shared.telemetry.traces import span, work_for

log = structlog.get_logger()

BATCH = 40
PAUSE_SECONDS = 0.25
NOTICE = timedelta(minutes=15)  # nobody can be asked for less
_LOCK = 7_002_001


def waiting(work: Work, limit: int = BATCH) -> list[UUID]:
    """Visits of published days with an empty place that nobody is asked for, the nearest first."""
    return list(
        work.session.scalars(
            select(VisitRow.visit_id)
            .join(
                PublishedDayRow,
                (PublishedDayRow.day == VisitRow.day) & (PublishedDayRow.town_id == VisitRow.town_id),
            )
            .where(
                VisitRow.waiting_since.is_not(None),
                VisitRow.status == VisitStatus.OPEN,
                VisitRow.latest_start > work.now + NOTICE,
            )
            .order_by(VisitRow.latest_start, VisitRow.visit_id)
            .limit(limit)
        )
    )


def dispatch(database: Database, known: KnownCarers) -> int:
    """Ask the best people for each empty place, one dispatcher a city at a time. Returns how many visits it looked at."""
    with database.work() as work:
        ids = waiting(work)
        if not ids or not work.session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}):
            return 0
        visits = lock_visits(work, ids)
        days: dict[date, list[VisitRow]] = {}
        for visit in sorted(visits.values(), key=lambda v: (v.latest_start, v.visit_id)):
            days.setdefault(visit.day, []).append(visit)
        for day, rows in sorted(days.items()):
            prepared = Prepared(take_snapshot(work, known, day, 1, around=rows)[0])
            unmet = []
            for visit in rows:
                with span(work.service, "offer", "internal", visit.trace) as current:
                    work.trace = current.traceparent
                    if not _ask_for(work, prepared, visit):
                        unmet.append(visit)
            if unmet:
                _explain(work, Prepared(take_snapshot(work, known, day, 1)[0]), unmet)
        return len(ids)


def _ask_for(work: Work, prepared: Prepared, visit: VisitRow) -> bool:
    """Offer a visit's empty places. False when for one of them nobody can come."""
    slots = free_slots(visit, live_assignments(work, [visit.visit_id]))
    if not slots or not visit.open or visit.visit_id not in prepared.book.visits:
        mark_waiting(work, visit)
        return True
    filled = 0
    for slot in slots:
        found = prepared.best_carers(visit.visit_id, asks_at_once(work.now, visit.earliest_start))
        if found and found[0].line_id is not None:
            found = found[:1]
        found = [c for c in found if c.line_id is None or c is found[0]]
        places = [place_of(prepared, visit, slot, c) for c in found]
        made = ask(work, {visit.visit_id: visit}, places, None)
        for row in made:
            chosen = next(c for c in found if c.carer_id == row.carer_id)
            prepared.book.add(
                visit.visit_id, chosen.carer_id, chosen.start, chosen.end, line_id=chosen.line_id
            )
        filled += bool(made)
    visit.waiting_since = None
    visit.unmet = None
    if filled < len(slots):
        return False
    announce(work, visit)
    return True


def _explain(work: Work, prepared: Prepared, unmet: list[VisitRow]) -> None:
    """Say why nobody can come: counted over everybody, so from the whole picture."""
    for visit in unmet:
        why = explain_one(prepared, visit.visit_id)
        visit.unmet = {
            "reason": why.reason.value,
            "funnel": [list(step) for step in why.funnel],
            "change": list(why.change) if why.change else None,
        }
        work.trace = visit.trace
        announce(work, visit)


def place_of(prepared: Prepared, visit: VisitRow, slot: int, found: Candidate) -> Place:
    """A candidate as a place to be asked for."""
    book = prepared.book
    asked, carer = book.visits[visit.visit_id], book.carers[found.carer_id]
    units = 0
    if found.line_id is not None:
        line = book.lines[found.line_id]
        units = units_of(line.unit, line.rounding_minutes, asked.minutes, len(asked.resident_ids))
    first_day = book.snapshot.first_day
    return Place(
        visit_id=visit.visit_id,
        slot=slot,
        carer_id=found.carer_id,
        starts_at=moment(first_day, found.start),
        ends_at=moment(first_day, found.end),
        line_id=found.line_id,
        units=units,
        metres=found.metres,
        reasons=tuple(reasons_for(carer, asked)),
    )


class Dispatcher:
    """Looks for empty places of published days all the time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = KnownCarers()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        work_for(self._database.service)
        while not self._stopping.is_set():
            try:
                if dispatch(self._database, self._known):
                    continue
            except Exception:
                log.exception("dispatcher")
            self._stopping.wait(PAUSE_SECONDS)
