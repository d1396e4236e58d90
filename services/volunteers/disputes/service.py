"""Disputing the record of earlier service, and what the desk finds (8.10; Order 67, 13).

Service whose attendance day care keeps is disputed there. What was recorded before has no attendance: it stands in this
record alone, so it is disputed and corrected here. Order 67 sets no last day for it.
"""

from uuid import UUID

from sqlalchemy import select

from services.volunteers.disputes.tables import DisputeRow
from services.volunteers.record.service import correct, standing
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import NotFound, Refused


def open_dispute(work: Work, person_id: UUID, attendance_id: UUID, reason: str) -> DisputeRow:
    """The volunteer says an entry is wrong. Saying it twice is saying it once."""
    entry = standing(work, person_id, attendance_id)
    if entry is None:
        raise NotFound("entry_unknown", "没有这条服务记录。")
    if not entry.earlier:
        raise Refused("kept_at_centre", "这条记录由照料中心保管，请在那里提出异议。")
    known = _open(work, person_id, attendance_id)
    if known is not None:
        return known
    row = DisputeRow(
        dispute_id=new_id(),
        attendance_id=attendance_id,
        person_id=person_id,
        sealed=work.vault.seal(work.session, person_id, {"reason": reason}),
        opened_at=work.now,
        settled_at=None,
        settled_by=None,
        settled_how=None,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("record.dispute", row.dispute_id, person_id)
    return row


def settle(work: Work, person_id: UUID, attendance_id: UUID, minutes: int | None, answer: str) -> DisputeRow:
    """The desk corrects the entry, its old value kept, or lets it stand; and says why."""
    row = _open(work, person_id, attendance_id)
    entry = standing(work, person_id, attendance_id)
    if row is None or entry is None:
        raise Refused("not_disputed", "这条记录没有待核对的异议。")
    corrected = minutes is not None and minutes != entry.minutes
    if minutes is not None and corrected:
        correct(work, entry, minutes)
    [said] = work.vault.open(work.session, [(person_id, row.sealed)])
    row.sealed = work.vault.seal(work.session, person_id, {**said, "answer": answer})
    row.settled_how = "corrected" if corrected else "kept"
    row.settled_at, row.settled_by = work.now, work.caller.person_id if work.caller else None
    work.audit("record.settle", row.dispute_id, person_id, how=row.settled_how)
    return row


def _open(work: Work, person_id: UUID, attendance_id: UUID) -> DisputeRow | None:
    return work.session.scalars(
        select(DisputeRow)
        .where(
            DisputeRow.attendance_id == attendance_id,
            DisputeRow.person_id == person_id,
            DisputeRow.settled_at.is_(None),
        )
        .with_for_update()
    ).first()
