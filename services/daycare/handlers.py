"""Events that the day-care service listens to: who comes, the city's areas, the calendar."""

from datetime import date
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from services.daycare.attendance.tables import AttendanceRow
from services.daycare.centres.tables import AreaRow, CalendarRow
from services.daycare.tasks.service import close_met
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.contracts.codes import HELD_SLOTS, LIVE_SLOTS
from shared.contracts.staffing import Slot, StaffingChanged
from shared.database.work import Work
from shared.ids import derived_id
from shared.messaging.handlers import Handlers, Retry

HANDLERS = Handlers()


@HANDLERS.on(AreaChanged)
def area(work: Work, event: AreaChanged) -> None:
    """A town, community or cell."""
    values = {
        "area_id": event.area_id,
        "level": event.level,
        "parent_id": event.parent_id,
        "name": event.name,
        "lon": event.centre.lon,
        "lat": event.centre.lat,
    }
    statement = insert(AreaRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["area_id"], set_=values))


@HANDLERS.on_deleted(AreaChanged)
def area_gone(work: Work, key: str) -> None:
    work.session.execute(delete(AreaRow).where(AreaRow.area_id == UUID(key)))


@HANDLERS.on(CalendarDay)
def calendar_day(work: Work, event: CalendarDay) -> None:
    """A holiday, or a weekend day worked in exchange."""
    values = {"day": event.day, "workday": event.workday, "name": event.name}
    statement = insert(CalendarRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))


@HANDLERS.on_deleted(CalendarDay)
def calendar_day_gone(work: Work, key: str) -> None:
    work.session.execute(delete(CalendarRow).where(CalendarRow.day == date.fromisoformat(key)))


@HANDLERS.on(StaffingChanged)
def staffing(work: Work, event: StaffingChanged) -> None:
    """Who comes to a visit: whoever has said yes is expected, whoever no longer comes is not."""
    visit = work.session.scalars(
        select(VisitRow).where(VisitRow.visit_id == event.visit_id).with_for_update()
    ).first()
    if visit is None:
        raise Retry(f"visit {event.visit_id} is not here")
    live = [slot for slot in event.slots if slot.state in LIVE_SLOTS]
    held = {slot.person_id: slot for slot in live if slot.state in HELD_SLOTS}
    values = {
        "visit_id": event.visit_id,
        "staffing_version": event.staffing_version,
        "slots": [slot.model_dump(mode="json") for slot in live],
        "unmet": event.unmet.model_dump(mode="json") if event.unmet else None,
        "held_ids": list(held),
        "organisation_ids": list({slot.organisation_id for slot in live if slot.organisation_id}),
    }
    statement = insert(StaffingRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["visit_id"], set_=values))
    known = {
        row.person_id: row
        for row in work.session.scalars(select(AttendanceRow).where(AttendanceRow.visit_id == event.visit_id))
    }
    for person_id, row in known.items():
        if person_id not in held and row.state == "expected":
            row.state = "released"
    for person_id, slot in held.items():
        _expect(work, event.visit_id, slot, known.get(person_id))
    if len(held) >= visit.carers:
        close_met(work, event.visit_id)


def _expect(work: Work, visit_id: UUID, slot: Slot, row: AttendanceRow | None) -> None:
    if row is None:
        row = AttendanceRow(
            attendance_id=derived_id("attendance", visit_id, slot.person_id),
            visit_id=visit_id,
            person_id=slot.person_id,
            state="expected",
            started_at=None,
            ended_at=None,
            end_proposed=False,
            checked_in_by=None,
            outcome=None,
            minutes=0,
            revision=0,
            responsible_id=None,
            confirmed_by=None,
            confirmed_at=None,
        )
        work.session.add(row)
    elif row.state == "released":
        row.state = "expected"
    elif row.state != "expected":
        return
    row.carer_id, row.capacity = slot.carer_id, slot.capacity.value
    row.organisation_id, row.line_id = slot.organisation_id, slot.line_id
    row.assignment_id, row.slot = slot.assignment_id, slot.slot
    row.planned_start, row.planned_end = slot.start, slot.end


@HANDLERS.on_rebuild
def forget(work: Work) -> None:
    """Areas, calendar and staffing are read anew; attendance is this service's own and stays."""
    for table in (AreaRow, CalendarRow, StaffingRow):
        work.session.execute(delete(table))
