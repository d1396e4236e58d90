"""Events in: visits, carers, contract lines, confirmed attendance."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.matcher.projections.tables import CarerRow, DeliveryRow, LineRow, PersonRow, VisitRow, WorkRow
from services.matcher.staffing.service import attendance_ended, visit_asked
from shared.clock import wall_day
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import SERVED_OUTCOMES, WASTED_OUTCOMES, Capacity
from shared.contracts.lines import ContractLineChanged, units_of
from shared.contracts.visits import AttendanceConfirmed, VisitChanged
from shared.database.work import Work
from shared.messaging.handlers import Handlers, Retry

HANDLERS = Handlers()


@HANDLERS.on(VisitChanged)
def visit_changed(work: Work, event: VisitChanged) -> None:
    """Keep the visit; a cancelled or changed one frees whom it no longer holds; a new one may be offered at once."""
    with work.session.no_autoflush:
        row = work.session.get(VisitRow, event.visit_id, with_for_update=True)
    before, read_anew = (row.asked, row.visit_version == event.visit_version) if row else (None, False)
    values = {
        "visit_version": event.visit_version,
        "need_id": event.need_id,
        "status": event.status.value,
        "day": wall_day(event.earliest_start),
        "earliest_start": event.earliest_start,
        "latest_start": event.latest_start,
        "carers": event.carers,
        "kind": event.kind.value,
        "vital": event.vital,
        "centre_id": event.centre_id,
        "town_id": event.town_id,
        "community_id": event.community_id,
        "data": event.model_dump(mode="json"),
    }
    if row is None:
        row = VisitRow(visit_id=event.visit_id, staffing_version=0, trace=work.trace, **values)
        row.waiting_since = work.now if row.open and row.latest_start > work.now else None
        work.session.add(row)
        return
    for name, value in values.items():
        setattr(row, name, value)
    work.session.flush()
    if not read_anew:  # it had its consequences in its time
        visit_asked(work, row, before, event)


def person_number(work: Work, person_id: UUID) -> int:
    """The person's number, made when first met."""
    work.session.execute(insert(PersonRow).values(person_id=person_id).on_conflict_do_nothing())
    return work.session.scalars(select(PersonRow.person_no).where(PersonRow.person_id == person_id)).one()


@HANDLERS.on(CarerChanged)
def carer_changed(work: Work, event: CarerChanged) -> None:
    """Keep the carer. What they hold and no longer may is released before the next plan, not here."""
    person_number(work, event.person_id)
    values = {
        "carer_version": event.carer_version,
        "person_id": event.person_id,
        "capacity": event.capacity.value,
        "organisation_id": event.organisation_id,
        "centre_id": event.centre_id,
        "active": event.active,
        "data": event.model_dump(mode="json"),
    }
    work.session.execute(
        insert(CarerRow)
        .values(carer_id=event.carer_id, **values)
        .on_conflict_do_update(index_elements=[CarerRow.carer_id], set_=values)
    )


@HANDLERS.on(ContractLineChanged)
def line_changed(work: Work, event: ContractLineChanged) -> None:
    """Keep the line. A ceiling below what is drawn leaves an overdraft that blocks every further commitment."""
    row = work.session.get(LineRow, event.line_id, with_for_update=True)
    if row is None:
        row = LineRow(line_id=event.line_id, committed=0, delivered=0, overdraft=0)
        work.session.add(row)
    row.line_version = event.line_version
    row.organisation_id = event.organisation_id
    row.ceiling = event.ceiling
    row.active = event.active
    row.data = event.model_dump(mode="json")
    row.overdraft = max(0, row.committed + row.delivered - row.ceiling)


@HANDLERS.on(AttendanceConfirmed)
def attendance_confirmed(work: Work, event: AttendanceConfirmed) -> None:
    """Turn committed units into drawn ones, by revision, and remember who served whom."""
    if work.session.get(VisitRow, event.visit_id) is None:
        raise Retry("the visit has not arrived yet")
    served = event.outcome in SERVED_OUTCOMES
    done = work.session.get(WorkRow, event.attendance_id, with_for_update=True)
    if done is not None and done.revision >= event.revision:
        return
    if done is None:
        done = WorkRow(attendance_id=event.attendance_id, person_id=event.person_id)
        work.session.add(done)
    done.revision = event.revision
    done.resident_ids = [str(r) for r in event.resident_ids]
    done.day = wall_day(event.started_at or event.confirmed_at)
    done.minutes = event.minutes if served else 0
    attendance_ended(work, event)
    if event.capacity is Capacity.EMPLOYED and event.line_id is not None:
        _draw(work, event, event.line_id, served)


def _draw(work: Work, event: AttendanceConfirmed, line_id: UUID, served: bool) -> None:
    line = work.session.get(LineRow, line_id, with_for_update=True)
    if line is None:
        raise Retry("the contract line has not arrived yet")
    known = line.known
    units = 0
    if served:
        units = units_of(known.unit, known.rounding_minutes, event.minutes, len(event.resident_ids))
    elif event.outcome in WASTED_OUTCOMES:
        units = known.wasted_trip
    drawn = work.session.get(DeliveryRow, event.attendance_id)
    if drawn is None:
        drawn = DeliveryRow(attendance_id=event.attendance_id, line_id=line_id, units=0)
        work.session.add(drawn)
    line.delivered += units - drawn.units
    line.overdraft = max(0, line.committed + line.delivered - line.ceiling)
    drawn.revision = event.revision
    drawn.units = units


@HANDLERS.on_rebuild
def forget(work: Work) -> None:
    """Nothing is emptied: a plan made over half the carers would release whom they hold. Every row is written anew."""
