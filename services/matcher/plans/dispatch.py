"""Inside a published horizon the consequences of one visit are offered at once (design rule 3)."""

import queue
import threading
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, text

from services.matcher.plans import mend
from services.matcher.plans.places import place_of
from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.plans.tables import PublishedDayRow
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.explain import Prepared, explain_one
from services.matcher.staffing.rules import asks_at_once
from services.matcher.staffing.service import (
    announce,
    ask,
    free_slots,
    live_assignments,
    lock_visits,
    mark_waiting,
)
from shared.contracts.codes import VisitStatus
from shared.database.work import Database, Work
from shared.telemetry.traces import span, work_for

log = structlog.get_logger()

BATCH = 40
PAUSE_SECONDS = 0.25
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
                VisitRow.latest_start > work.now + mend.NOTICE,
            )
            .order_by(VisitRow.latest_start, VisitRow.visit_id)
            .limit(limit)
        )
    )


@dataclass(slots=True)
class Looked:
    """How many visits were looked at, and for which of each day nobody was found."""

    visits: int = 0
    in_vain: dict[date, list[UUID]] = field(default_factory=dict)


def dispatch(database: Database, known: KnownCarers) -> Looked:
    """Ask the best people for each empty place, one dispatcher a city at a time; where nobody is free, mend the plan."""
    looked = Looked()
    in_vain: list[VisitRow] = []
    with database.work() as work:
        ids = waiting(work)
        if not ids or not _alone(work):
            return looked
        visits = lock_visits(work, ids)
        days: dict[date, list[VisitRow]] = {}
        for visit in sorted(visits.values(), key=lambda v: (v.latest_start, v.visit_id)):
            days.setdefault(visit.day, []).append(visit)
        for day, rows in sorted(days.items()):
            prepared = Prepared(take_snapshot(work, known, day, 1, around=rows, free=True)[0])
            for visit in rows:
                with span(work.service, "offer", "internal", visit.trace) as current:
                    work.trace = current.traceparent
                    if not _ask_for(work, prepared, visit):
                        in_vain.append(visit)
        looked.visits = len(ids)
    for visit in in_vain:
        with database.work() as work:
            if not _alone(work):
                break
            if not _mended(work, known, visit.visit_id):
                looked.in_vain.setdefault(visit.day, []).append(visit.visit_id)
    return looked


def _alone(work: Work) -> bool:
    return bool(work.session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}))


def _mended(work: Work, known: KnownCarers, visit_id: UUID) -> bool:
    """Fill a place for which nobody is free by an exchange, or say why nobody can come (False)."""
    visit = work.session.get_one(VisitRow, visit_id)
    with span(work.service, "mend", "internal", visit.trace) as current:
        work.trace = current.traceparent
        found = mend.find(work, known, visit)
        visits = lock_visits(work, {visit_id} if found is None else {visit_id, *mend.touched(found[1])})
        if not free_slots(visit, live_assignments(work, [visit_id])) or not visit.open:
            mark_waiting(work, visit)
            return True
        if found is not None and mend.enter(work, visits, *found):
            return True
        near = take_snapshot(work, known, visit.day, 1, around=[visit])[0]
        visit.waiting_since = None
        _tell_why(work, visit, why_not(Prepared(near), visit_id))
        return False


def explain(database: Database, known: KnownCarers, day: date, visit_ids: list[UUID]) -> None:
    """Say once more why nobody can come, counted over everybody instead of who is near: a city's picture takes seconds.

    Nothing is locked meanwhile: what has changed by then has its own reason.
    """
    with database.work() as work:
        prepared = Prepared(take_snapshot(work, known, day, 1)[0])
    why = {v: why_not(prepared, v) for v in visit_ids if v in prepared.book.visits}
    with database.work() as work:
        for visit in lock_visits(work, list(why)).values():
            if visit.unmet is not None and visit.waiting_since is None and visit.unmet != why[visit.visit_id]:
                _tell_why(work, visit, why[visit.visit_id])


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
    if filled < len(slots):
        return False
    visit.waiting_since = None
    visit.unmet = None
    announce(work, visit)
    return True


def why_not(prepared: Prepared, visit_id: UUID) -> dict[str, Any]:
    """Why nobody can come, as a visit keeps it."""
    why = explain_one(prepared, visit_id)
    return {
        "reason": why.reason.value,
        "funnel": [list(step) for step in why.funnel],
        "change": list(why.change) if why.change else None,
    }


def _tell_why(work: Work, visit: VisitRow, why: dict[str, Any]) -> None:
    visit.unmet = why
    work.trace = visit.trace
    announce(work, visit)


class Dispatcher:
    """Looks for empty places of published days all the time; beside it, who was sought in vain is explained."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        self._in_vain: queue.SimpleQueue[dict[date, list[UUID]] | None] = queue.SimpleQueue()
        self._threads = (
            threading.Thread(target=self._run, name="dispatcher", daemon=True),
            threading.Thread(target=self._explain, name="explainer", daemon=True),
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._in_vain.put(None)
        for thread in self._threads:
            thread.join(timeout=10)

    def _run(self) -> None:
        work_for(self._database.service)
        known = KnownCarers()
        while not self._stopping.is_set():
            try:
                looked = dispatch(self._database, known)
                if looked.in_vain:
                    self._in_vain.put(looked.in_vain)
                if looked.visits:
                    continue
            except Exception:
                log.exception("dispatcher")
            self._stopping.wait(PAUSE_SECONDS)

    def _explain(self) -> None:
        work_for(self._database.service)
        known = KnownCarers()
        while not self._stopping.is_set() and (days := self._in_vain.get()) is not None:
            while not self._in_vain.empty():  # one picture of a day serves all that came up meanwhile
                for day, visit_ids in (self._in_vain.get() or {}).items():
                    days.setdefault(day, []).extend(visit_ids)
            for day, visit_ids in days.items():
                try:
                    explain(self._database, known, day, visit_ids)
                except Exception:
                    log.exception("explainer")
