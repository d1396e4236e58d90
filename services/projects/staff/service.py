"""Staff: taken on, changed, on leave; told to the matcher in the capacity of the employed."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.projects.organisations.service import organisation
from services.projects.staff.schemas import Base, Hours, NewLeave, NewStaff, StaffChange
from services.projects.staff.tables import LeaveRow, LicenceRow, StaffRow
from shared.clock import wall_day
from shared.contracts.carers import CarerChanged, Held, Place, WeeklyWindow
from shared.contracts.codes import Capacity, Dialect, Licence, Limit, Sex, Skill, TravelMode
from shared.database.base import among
from shared.database.work import Work
from shared.ids import carer_id, new_id
from shared.rules import rule_value
from shared.web.problems import Invalid, NotFound
from shared.web.routing import expect

_SEALED = ("name", "phone", "birth_date", "id_number")


def take_on(work: Work, new: NewStaff) -> tuple[StaffRow, bool]:
    """Take somebody on. Who is on the staff already is opened."""
    organisation(work, new.organisation_id)
    known = work.session.get(StaffRow, (new.person_id, new.organisation_id))
    if known is not None:
        return known, True
    return take_on_many(work, [new])[0], False


def take_on_many(work: Work, new: Sequence[NewStaff]) -> list[StaffRow]:
    """Take people on, in a constant number of statements."""
    today = wall_day(work.now)
    blocks = work.vault.seal_many(
        work.session, [(n.person_id, {k: getattr(n, k) for k in _SEALED}) for n in new]
    )
    rows = []
    for person, sealed in zip(new, blocks, strict=True):
        lon, lat = _rounded(person.base)
        rows.append(
            StaffRow(
                person_id=person.person_id,
                organisation_id=person.organisation_id,
                centre_id=person.centre_id,
                community_id=person.community_id,
                title=person.title,
                active=True,
                sex=person.sex.value,
                birth_year=person.birth_date.year,
                sealed=sealed,
                lon=lon,
                lat=lat,
                skills=sorted(person.skills),
                dialects=sorted(person.dialects),
                limits=sorted(person.limits),
                travel_mode=person.travel_mode.value,
                weekly=_hours(person.weekly),
                insured_until=person.insured_until,
                lone_cleared_until=person.lone_cleared_until,
                daily_minutes=_most(person.daily_minutes, "employed_daily_minutes", today),
                weekly_minutes=_most(person.weekly_minutes, "employed_weekly_minutes", today),
                changed_at=work.now,
            )
        )
    work.session.add_all(rows)
    work.session.flush()
    for row in rows:
        work.audit("staff.take_on", row.organisation_id, row.person_id)
    tell(work, rows)
    return rows


def _rounded(base: Base | None) -> tuple[float, float] | tuple[None, None]:
    return (round(base.lon, 3), round(base.lat, 3)) if base else (None, None)


def _hours(weekly: Iterable[Hours]) -> list[list[int]]:
    return sorted([h.weekday, h.start, h.end] for h in weekly)


def _most(wanted: int | None, rule: str, today: date) -> int:
    return wanted if wanted is not None else int(rule_value(rule, today))


def of(work: Work, person_id: UUID, organisation_ids: Iterable[UUID]) -> StaffRow:
    """The member of staff in one of these organisations, locked. 404 when there is none."""
    row = work.session.scalars(
        select(StaffRow)
        .where(StaffRow.person_id == person_id, StaffRow.organisation_id.in_(list(organisation_ids)))
        .order_by(StaffRow.organisation_id)
        .with_for_update()
    ).first()
    if row is None:
        raise NotFound("staff_unknown", "您的组织里没有这位员工。")
    return row


def change(work: Work, row: StaffRow, body: StaffChange) -> None:
    """Change what is named (If-Match)."""
    expect(work, row.version)
    named = body.model_fields_set
    if body.phone is not None:
        sealed = opened(work, [row])[row.person_id]
        row.sealed = work.vault.seal(work.session, row.person_id, {**sealed, "phone": body.phone})
    for key in named & {"title", "active", "daily_minutes", "weekly_minutes"}:
        if getattr(body, key) is not None:
            setattr(row, key, getattr(body, key))
    for key in named & {"skills", "dialects", "limits"}:
        setattr(row, key, sorted(getattr(body, key) or ()))
    for key in named & {"insured_until", "lone_cleared_until"}:
        setattr(row, key, getattr(body, key))
    if body.travel_mode is not None:
        row.travel_mode = body.travel_mode.value
    if body.weekly is not None:
        row.weekly = _hours(body.weekly)
    if "base" in named:
        row.lon, row.lat = _rounded(body.base)
    touch(work, row)
    work.audit("staff.change", row.organisation_id, row.person_id, fields=sorted(named))
    tell(work, [row])


def touch(work: Work, row: StaffRow) -> None:
    """Give a member of staff a new version because of what is told with it."""
    row.changed_at = max(work.now, row.changed_at + timedelta(microseconds=1))


def add_leave(work: Work, row: StaffRow, body: NewLeave) -> LeaveRow:
    """Enter leave, or another client's hours: nothing is planned then (8.16)."""
    if body.ends_at <= work.now:
        raise Invalid("past", "不能填写已经过去的时间。", field="ends_at")
    leave = LeaveRow(
        leave_id=new_id(),
        person_id=row.person_id,
        organisation_id=row.organisation_id,
        kind=body.kind,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        made_at=work.now,
    )
    work.session.add(leave)
    touch(work, row)
    tell(work, [row])
    return leave


def drop_leave(work: Work, row: StaffRow, leave_id: UUID) -> None:
    """Take leave back."""
    leave = work.session.get(LeaveRow, leave_id)
    if leave is None or leave.person_id != row.person_id or leave.organisation_id != row.organisation_id:
        raise NotFound("leave_unknown", "没有这次请假。")
    work.session.delete(leave)
    touch(work, row)
    tell(work, [row])


def set_licence(work: Work, row: StaffRow, code: Licence, number: str, until: date) -> None:
    """Note a licence with its last valid day."""
    values = {"person_id": row.person_id, "code": code.value, "number": number, "valid_until": until}
    statement = insert(LicenceRow).values(values)
    work.session.execute(statement.on_conflict_do_update(index_elements=["person_id", "code"], set_=values))
    touch(work, row)
    work.audit("staff.licence", row.organisation_id, row.person_id, code=code.value)
    tell(work, [row])


def opened(work: Work, rows: Sequence[StaffRow]) -> dict[UUID, dict[str, Any]]:
    """The sealed values of staff, by person id."""
    values = work.vault.open(work.session, [(row.person_id, row.sealed) for row in rows])
    return {row.person_id: value for row, value in zip(rows, values, strict=True)}


def tell(work: Work, rows: Sequence[StaffRow]) -> None:
    """Emit staff as they stand now."""
    work.session.flush()
    people = [row.person_id for row in rows]
    licences: dict[UUID, list[Held]] = {}
    for held in work.session.scalars(select(LicenceRow).where(among(LicenceRow.person_id, people))):
        licences.setdefault(held.person_id, []).append(Held(code=held.code, valid_until=held.valid_until))
    away: dict[tuple[UUID, UUID], list[tuple[Any, Any]]] = {}
    for leave in work.session.scalars(
        select(LeaveRow)
        .where(among(LeaveRow.person_id, people), LeaveRow.ends_at > work.now)
        .order_by(LeaveRow.starts_at)
    ):
        away.setdefault((leave.person_id, leave.organisation_id), []).append((leave.starts_at, leave.ends_at))
    for row in rows:
        work.emit(
            CarerChanged(
                carer_id=carer_id(row.person_id, row.organisation_id),
                carer_version=row.version,
                person_id=row.person_id,
                capacity=Capacity.EMPLOYED,
                organisation_id=row.organisation_id,
                centre_id=row.centre_id,
                community_id=row.community_id,
                active=row.active,
                sex=Sex(row.sex),
                birth_year=row.birth_year,
                skills=frozenset(map(Skill, row.skills)),
                licences=tuple(licences.get(row.person_id, ())),
                insured_until=row.insured_until,
                lone_cleared_until=row.lone_cleared_until,
                dialects=frozenset(map(Dialect, row.dialects)),
                limits=frozenset(map(Limit, row.limits)),
                travel_mode=TravelMode(row.travel_mode),
                base=None if row.lon is None or row.lat is None else Place(lon=row.lon, lat=row.lat),
                weekly=tuple(WeeklyWindow(weekday=w, start=s, end=e) for w, s, e in row.weekly),
                busy=tuple(away.get((row.person_id, row.organisation_id), ())),
                daily_minutes=row.daily_minutes,
                weekly_minutes=row.weekly_minutes,
            )
        )
