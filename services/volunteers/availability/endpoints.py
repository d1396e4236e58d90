"""Availability over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import delete, func, select

from services.volunteers.access import STAFF
from services.volunteers.availability.schemas import Availability, NewException
from services.volunteers.availability.tables import ExceptionRow, WeeklyRow
from services.volunteers.people.service import reached
from services.volunteers.people.telling import tell, touch
from shared.clock import wall_day
from shared.contracts.codes import DayPart, Role
from shared.ids import new_id
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Done
from shared.web.signed_in import may

ROUTER = router("/volunteers/{person_id}", "availability")
StaffOrOwn = Annotated[Caller, may(*STAFF, Role.VOLUNTEER)]
MOST_EXCEPTIONS = 100


@ROUTER.put("/availability")
def set_availability(person_id: UUID, body: Availability, work: Transaction, caller: StaffOrOwn) -> Done:
    """The weekly pattern by morning, afternoon and evening, and how much at most."""
    row = reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    work.session.execute(delete(WeeklyRow).where(WeeklyRow.person_id == person_id))
    work.session.add_all(
        WeeklyRow(person_id=person_id, weekday=weekday, part=part.value)
        for weekday, part in sorted({(w.weekday, w.part) for w in body.weekly})
    )
    if body.daily_minutes is not None:
        row.daily_minutes = body.daily_minutes
    if body.weekly_minutes is not None:
        row.weekly_minutes = body.weekly_minutes
    touch(work, row)
    tell(work, [row])
    return Done(id=person_id, version=row.version)


@ROUTER.post("/exceptions", status_code=201)
def add_exception(person_id: UUID, body: NewException, work: Transaction, caller: StaffOrOwn) -> Done:
    """Days on which the volunteer can, or can't, come. The last word on a day counts."""
    row = reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    today = wall_day(work.now)
    if body.to_day < today:
        raise Invalid("past", "不能填写已经过去的日子。", field="to_day")
    count = work.session.scalar(
        select(func.count()).where(ExceptionRow.person_id == person_id, ExceptionRow.to_day >= today)
    )
    if (count or 0) >= MOST_EXCEPTIONS:
        raise Refused("too_many", "例外的日子太多，请先删掉一些。")
    made = ExceptionRow(
        exception_id=new_id(),
        person_id=person_id,
        from_day=body.from_day,
        to_day=body.to_day,
        parts=[p.value for p in (body.parts or DayPart)],
        available=body.available,
        made_at=work.now,
    )
    work.session.add(made)
    touch(work, row)
    tell(work, [row])
    return Done(id=made.exception_id, version=1)


@ROUTER.delete("/exceptions/{exception_id}", status_code=204)
def drop_exception(person_id: UUID, exception_id: UUID, work: Transaction, caller: StaffOrOwn) -> None:
    """Take an exception back."""
    row = reached(work, caller, person_id, *STAFF, Role.VOLUNTEER, lock=True)
    made = work.session.get(ExceptionRow, exception_id)
    if made is None or made.person_id != person_id:
        raise NotFound("exception_unknown", "没有这条例外。")
    work.session.delete(made)
    touch(work, row)
    tell(work, [row])
