"""Events that the volunteers service listens to: who comes, confirmed attendance, areas, the calendar."""

from datetime import date
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from services.volunteers.people.tables import AcquaintanceRow, AreaRow, CalendarRow
from services.volunteers.record.service import record
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.contracts.staffing import StaffingChanged
from shared.contracts.visits import AttendanceConfirmed
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
    """A holiday, or a weekend day worked in exchange."""
    values = {"day": event.day, "workday": event.workday}
    statement = insert(CalendarRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))


@HANDLERS.on_deleted(CalendarDay)
def calendar_day_gone(work: Work, key: str) -> None:
    work.session.execute(delete(CalendarRow).where(CalendarRow.day == date.fromisoformat(key)))


@HANDLERS.on(StaffingChanged)
def staffing(work: Work, event: StaffingChanged) -> None:
    """Who meets whom: they may learn each other's names."""
    acquaint(work, AcquaintanceRow, event)


@HANDLERS.on(AttendanceConfirmed)
def attendance(work: Work, event: AttendanceConfirmed) -> None:
    """A confirmed attendance of a volunteer becomes an entry of their record."""
    record(work, event)


@HANDLERS.on_rebuild
def forget(work: Work) -> None:
    """Areas and calendar are read anew. The record is this service's own; who met whom is more than the log still tells."""
    for table in (AreaRow, CalendarRow):
        work.session.execute(delete(table))
