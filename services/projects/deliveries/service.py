"""The delivery ledger: what was confirmed draws a line, what was accepted counts towards payment (8.19)."""

from uuid import UUID

from sqlalchemy import delete, select

from services.projects.contracts.service import recount
from services.projects.contracts.tables import LineRow
from services.projects.deliveries import refusals
from services.projects.deliveries.tables import AcceptanceRow, DeliveryRow, EntryRow, ReservationRow
from shared.clock import wall_day
from shared.contracts.codes import LIVE_SLOTS, SERVED_OUTCOMES, WASTED_OUTCOMES, Capacity, ContractUnit
from shared.contracts.lines import units_of
from shared.contracts.records import DeliveryRecorded
from shared.contracts.staffing import StaffingChanged
from shared.contracts.visits import AttendanceConfirmed, DeliveryAccepted
from shared.database.work import Work
from shared.ids import derived_id
from shared.messaging.handlers import Retry


def reserve(work: Work, event: StaffingChanged) -> None:
    """Keep what the places of a visit hold on lines, as the matcher last told."""
    before = set(
        work.session.scalars(select(ReservationRow.line_id).where(ReservationRow.visit_id == event.visit_id))
    )
    work.session.execute(delete(ReservationRow).where(ReservationRow.visit_id == event.visit_id))
    held = {
        slot.person_id: slot
        for slot in event.slots
        if slot.state in LIVE_SLOTS and slot.line_id is not None and slot.units > 0
    }
    for person_id, slot in held.items():
        assert slot.line_id is not None
        work.session.add(
            ReservationRow(
                visit_id=event.visit_id, person_id=person_id, line_id=slot.line_id, units=slot.units
            )
        )
    work.session.flush()
    for line_id in sorted(before | {s.line_id for s in held.values() if s.line_id}):
        if work.session.get(LineRow, line_id) is not None:
            recount(work, line_id)


def deliver(work: Work, event: AttendanceConfirmed) -> None:
    """Post what a confirmed attendance of contract staff draws. Nothing of volunteers ever stands here (8.2)."""
    if event.capacity is not Capacity.EMPLOYED or event.line_id is None:
        return
    refusals.one_at_a_time(work, event.visit_id)
    line = work.session.get(LineRow, event.line_id)
    if line is None:
        raise Retry("the contract line is not here")
    before: EntryRow | None = None
    if event.revision > 1:
        before = _entry(work, event.attendance_id, event.revision - 1)
        if before is None:
            raise Retry(f"revision {event.revision - 1} has not arrived yet")
    if _entry(work, event.attendance_id, event.revision) is not None:
        return
    if before is not None:
        _post(work, _reversal(work, before))
    units = units_drawn(event, line)
    state = work.session.get(DeliveryRow, event.attendance_id)
    accepted = work.session.get(AcceptanceRow, event.visit_id)
    if state is None:
        state = DeliveryRow(
            attendance_id=event.attendance_id, visit_id=event.visit_id, person_id=event.person_id
        )
        work.session.add(state)
    old_line = state.line_id
    state.revision, state.line_id, state.units = event.revision, line.line_id, units
    state.accepted = bool(accepted and accepted.accepted)
    state.disputed_at = None  # what was disputed was the revision before
    work.session.flush()
    if old_line is not None and old_line != line.line_id:
        recount(work, old_line)
    over = recount(work, line.line_id).over
    _post(work, _new_entry(work, event, line, units, disputed=over > 0 and units > 0))
    if accepted is not None:
        refusals.keep(work, accepted, [state])


def units_drawn(event: AttendanceConfirmed, line: LineRow) -> int:
    """Hundredths of the line's unit that an attendance draws; a wasted trip what the line says (8.19)."""
    if event.outcome in SERVED_OUTCOMES:
        return units_of(
            ContractUnit(line.unit), line.rounding_minutes, event.minutes, len(event.resident_ids)
        )
    return line.wasted_trip if event.outcome in WASTED_OUTCOMES else 0


def _entry(work: Work, attendance_id: UUID, revision: int) -> EntryRow | None:
    return work.session.scalars(
        select(EntryRow).where(
            EntryRow.attendance_id == attendance_id,
            EntryRow.revision == revision,
            EntryRow.reversal.is_(False),
        )
    ).first()


def _reversal(work: Work, entry: EntryRow) -> EntryRow:
    kept = "attendance_id revision capacity visit_id person_id organisation_id line_id kind outcome day minutes disputed"
    return EntryRow(
        **{name: getattr(entry, name) for name in kept.split()},
        entry_id=derived_id("delivery", entry.attendance_id, entry.revision, True),
        reversal=True,
        units=-entry.units,
        amount_fen=-entry.amount_fen,
        recorded_at=work.now,
    )


def _new_entry(
    work: Work, event: AttendanceConfirmed, line: LineRow, units: int, *, disputed: bool
) -> EntryRow:
    return EntryRow(
        entry_id=derived_id("delivery", event.attendance_id, event.revision, False),
        attendance_id=event.attendance_id,
        revision=event.revision,
        reversal=False,
        capacity=event.capacity.value,
        visit_id=event.visit_id,
        person_id=event.person_id,
        organisation_id=line.organisation_id,
        line_id=line.line_id,
        kind=event.kind.value,
        outcome=event.outcome.value,
        day=wall_day(event.started_at or event.confirmed_at),
        minutes=event.minutes,
        units=units,
        amount_fen=amount_fen(units, line.unit_price_fen),
        disputed=disputed,
        recorded_at=work.now,
    )


def amount_fen(units: int, unit_price_fen: int) -> int:
    """The money of so many hundredths of a unit, in fen, half a fen up."""
    return (units * unit_price_fen + 50) // 100


def _post(work: Work, entry: EntryRow) -> None:
    work.session.add(entry)
    work.session.flush()
    work.emit(
        DeliveryRecorded(
            line_id=entry.line_id,
            visit_id=entry.visit_id,
            person_id=entry.person_id,
            revision=entry.revision,
            units=entry.units,
            disputed=entry.disputed,
        )
    )


def accept(work: Work, event: DeliveryAccepted) -> None:
    """Resident, family or centre accepted (or refused) a visit: only accepted units count towards payment."""
    refusals.one_at_a_time(work, event.visit_id)
    row = work.session.get(AcceptanceRow, event.visit_id, with_for_update=True)
    if row is not None and row.at >= event.accepted_at:
        return
    if row is None:
        row = AcceptanceRow(visit_id=event.visit_id)
        work.session.add(row)
    row.accepted, row.by_role, row.at = event.accepted, event.by_role, event.accepted_at
    deliveries = work.session.scalars(select(DeliveryRow).where(DeliveryRow.visit_id == event.visit_id)).all()
    for each in deliveries:
        each.accepted = event.accepted
    work.session.flush()
    refusals.keep(work, row, deliveries)
    for line_id in sorted({d.line_id for d in deliveries}):
        recount(work, line_id)
