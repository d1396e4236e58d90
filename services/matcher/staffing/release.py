"""Before each snapshot: free the fixed pairs that can no longer hold (design rule 1)."""

from datetime import date
from uuid import UUID

from services.matcher.plans.snapshot import KnownCarers, take_snapshot
from services.matcher.solver.rules import Book, static_breaks
from services.matcher.staffing.service import (
    announce,
    close_offers,
    end,
    live_assignments,
    lock_visits,
    mark_waiting,
)
from shared.contracts.codes import SlotState
from shared.database.work import Work

KEPT = frozenset({"units", "reach", "age", "forbidden", "refusal"})


def release_impossible(work: Work, first_day: date, days: int, known: KnownCarers) -> int:
    """Release offered and held places whose carer is ill, unlicensed, blocked or out of contract on the day.

    Started visits stay. What a person or planner chose knowingly (distance, a refusal of their own) stays too. Returns
    how many were released; each is announced with its rule and asked anew inside a published day.
    """
    snapshot, rows = take_snapshot(work, known, first_day, days)
    book = Book(snapshot)
    started = {row.visit_id for row in rows if not row.open}
    bad: dict[tuple[UUID, UUID], str] = {}
    for pair in snapshot.fixed:
        if pair.visit_id in started:
            continue
        asked, carer = book.visits[pair.visit_id], book.carers[pair.carer_id]
        rules = [rule for rule in static_breaks(book, asked, carer) if rule not in KEPT]
        if not carer.windows:
            rules.append("availability")
        if rules:
            bad[(pair.visit_id, pair.carer_id)] = rules[0]
    if not bad:
        return 0
    visits = lock_visits(work, {visit_id for visit_id, _ in bad})
    released = 0
    for visit_id, visit in visits.items():
        ended = []
        for row in live_assignments(work, [visit_id]):
            rule = bad.get((row.visit_id, row.carer_id))
            if rule:
                end(work, row, SlotState.RELEASED, f"rule:{rule}")
                ended.append(row)
        if ended:
            close_offers(work, {r.offer_id for r in ended}, "cancelled")
            mark_waiting(work, visit)
            announce(work, visit, ended)
            released += len(ended)
    return released
