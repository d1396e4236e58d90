"""The record of service: each confirmed revision an entry, each correction a reversal and a new entry (Order 67)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from services.volunteers.people.tables import CalendarRow
from services.volunteers.record.tables import EntryRow
from services.volunteers.rules import recorded_late
from shared.clock import wall_day
from shared.contracts.codes import SERVED_OUTCOMES, Capacity
from shared.contracts.records import HoursRecorded
from shared.contracts.visits import AttendanceConfirmed
from shared.database.base import among
from shared.database.work import Work
from shared.ids import derived_id
from shared.messaging.handlers import Retry


def record(work: Work, event: AttendanceConfirmed) -> None:
    """Post what a confirmed attendance gives. Only the capacity of a volunteer yields an entry (8.2; Order 67, 19)."""
    if event.capacity is not Capacity.VOLUNTEER:
        return
    before: EntryRow | None = None
    if event.revision > 1:
        before = _entry(work, event.attendance_id, event.revision - 1)
        if before is None:
            raise Retry(f"revision {event.revision - 1} has not arrived yet")
    if _entry(work, event.attendance_id, event.revision) is not None:
        return
    if before is not None:
        _post(work, _reversal(work, before))
    day = wall_day(event.started_at or event.confirmed_at)
    served = event.outcome in SERVED_OUTCOMES
    entry = EntryRow(
        entry_id=derived_id("entry", event.attendance_id, event.revision, False),
        person_id=event.person_id,
        attendance_id=event.attendance_id,
        visit_id=event.visit_id,
        revision=event.revision,
        reversal=False,
        capacity=event.capacity.value,
        kind=event.kind.value,
        outcome=event.outcome.value,
        day=day,
        started_at=event.started_at,
        ended_at=event.ended_at,
        minutes=event.minutes if served else 0,
        community_id=event.community_id,
        centre_id=event.centre_id,
        responsible_id=event.responsible_person_id,
        confirmed_at=event.confirmed_at,
        recorded_at=work.now,
        late=recorded_late(day, wall_day(event.confirmed_at), _calendar(work, day)),
        earlier=False,
    )
    _post(work, entry)


def _entry(work: Work, attendance_id: UUID, revision: int) -> EntryRow | None:
    return work.session.scalars(
        select(EntryRow).where(
            EntryRow.attendance_id == attendance_id,
            EntryRow.revision == revision,
            EntryRow.reversal.is_(False),
        )
    ).first()


def _reversal(work: Work, entry: EntryRow) -> EntryRow:
    kept = (
        "person_id attendance_id visit_id revision capacity kind outcome day started_at ended_at community_id centre_id "
        "responsible_id confirmed_at late earlier"
    )
    return EntryRow(
        **{name: getattr(entry, name) for name in kept.split()},
        entry_id=derived_id("entry", entry.attendance_id, entry.revision, True),
        reversal=True,
        minutes=-entry.minutes,
        recorded_at=work.now,
    )


def standing(work: Work, person_id: UUID, attendance_id: UUID) -> EntryRow | None:
    """What stands now of one service: the entry of its last revision."""
    return work.session.scalars(
        select(EntryRow)
        .where(
            EntryRow.attendance_id == attendance_id,
            EntryRow.person_id == person_id,
            EntryRow.reversal.is_(False),
        )
        .order_by(EntryRow.revision.desc())
    ).first()


def correct(work: Work, entry: EntryRow, minutes: int) -> None:
    """Correct what only this record holds: a reversal of what stood, and a new entry (Order 67, 13)."""
    _post(work, _reversal(work, entry))
    revision = entry.revision + 1
    values = {c.key: getattr(entry, c.key) for c in EntryRow.__table__.columns}
    _post(
        work,
        EntryRow(
            **{
                **values,
                "entry_id": derived_id("entry", entry.attendance_id, revision, False),
                "revision": revision,
                "minutes": minutes,
                "ended_at": entry.started_at + timedelta(minutes=minutes) if entry.started_at else None,
                "confirmed_at": work.now,
                "recorded_at": work.now,
            }
        ),
    )


def _post(work: Work, entry: EntryRow) -> None:
    work.session.add(entry)
    work.session.flush()
    work.emit(
        HoursRecorded(
            person_id=entry.person_id,
            visit_id=entry.visit_id,
            revision=entry.revision,
            day=entry.day,
            kind=entry.kind,
            minutes=entry.minutes,
        )
    )


def _calendar(work: Work, first: date) -> Mapping[date, bool]:
    last = max(first, wall_day(work.now)) + timedelta(days=1)
    rows = work.session.scalars(select(CalendarRow).where(CalendarRow.day.between(first, last)))
    return {row.day: row.workday for row in rows}


def minutes_of(work: Work, person_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The minutes on record of each person: entries and reversals summed."""
    rows = work.session.execute(
        select(EntryRow.person_id, func.sum(EntryRow.minutes))
        .where(among(EntryRow.person_id, person_ids))
        .group_by(EntryRow.person_id)
    )
    return {row[0]: int(row[1]) for row in rows}


def post_earlier(work: Work, entries: Sequence[dict[str, object]]) -> None:
    """Open records with service given before this system was there. What is there already is left as it is."""
    if entries:
        work.session.execute(insert(EntryRow).on_conflict_do_nothing(), list(entries))
