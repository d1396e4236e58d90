"""From a candidate of the solver to a place that somebody is asked for."""

from services.matcher.plans.keeping import reasons_for
from services.matcher.plans.windows import moment
from services.matcher.projections.tables import VisitRow
from services.matcher.solver.explain import Candidate, Prepared
from services.matcher.staffing.service import Place
from shared.contracts.lines import units_of


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
