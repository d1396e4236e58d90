"""Events that the projects service listens to: staffing, confirmed attendance, acceptance, areas, the calendar."""

from datetime import date
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from services.projects.calls.tables import CalendarDayRow
from services.projects.contracts.tables import AreaRow
from services.projects.deliveries import service
from services.projects.deliveries.tables import ReservationRow
from services.projects.staff.tables import AcquaintanceRow
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.contracts.staffing import StaffingChanged
from shared.contracts.visits import AttendanceConfirmed, DeliveryAccepted
from shared.database.work import Work
from shared.messaging.handlers import Handlers
from shared.security.acquaintance import acquaint

HANDLERS = Handlers()


@HANDLERS.on(AreaChanged)
def area(work: Work, event: AreaChanged) -> None:
    """A town, community or cell."""
    values = {"area_id": event.area_id, "level": event.level, "parent_id": event.parent_id}
    statement = insert(AreaRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["area_id"], set_=values))


@HANDLERS.on_deleted(AreaChanged)
def area_gone(work: Work, key: str) -> None:
    work.session.execute(delete(AreaRow).where(AreaRow.area_id == UUID(key)))


@HANDLERS.on(CalendarDay)
def calendar_day(work: Work, event: CalendarDay) -> None:
    """A holiday, or a weekend day worked in exchange: clocks in working days run by it."""
    values = {"day": event.day, "workday": event.workday}
    statement = insert(CalendarDayRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))


@HANDLERS.on_deleted(CalendarDay)
def calendar_day_gone(work: Work, key: str) -> None:
    work.session.execute(delete(CalendarDayRow).where(CalendarDayRow.day == date.fromisoformat(key)))


@HANDLERS.on(StaffingChanged)
def staffing(work: Work, event: StaffingChanged) -> None:
    """What planned places hold on lines, and who meets whom."""
    service.reserve(work, event)
    acquaint(work, AcquaintanceRow, event)


@HANDLERS.on(AttendanceConfirmed)
def attendance(work: Work, event: AttendanceConfirmed) -> None:
    """A confirmed attendance of contract staff becomes an entry of the delivery ledger."""
    service.deliver(work, event)


@HANDLERS.on(DeliveryAccepted)
def acceptance(work: Work, event: DeliveryAccepted) -> None:
    """What resident, family or centre accepted."""
    service.accept(work, event)


@HANDLERS.on_rebuild
def forget(work: Work) -> None:
    """Areas, the calendar and reservations are read anew. The ledger is this service's own; who met whom is more than the log still tells."""
    for table in (AreaRow, CalendarDayRow, ReservationRow):
        work.session.execute(delete(table))
