"""Disputes of the record over HTTP."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import select

from services.volunteers.access import PHONES, STAFF, reach_of, visible
from services.volunteers.disputes import service
from services.volunteers.disputes.schemas import Dispute, NewDispute, Settlement
from services.volunteers.disputes.tables import DisputeRow
from services.volunteers.people.service import opened, reached
from services.volunteers.people.tables import VolunteerRow
from services.volunteers.record.service import standing
from shared.contracts.codes import Role, ServiceKind
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.routing import Transaction
from shared.web.schemas import Done, Limit
from shared.web.signed_in import may

ROUTER = router("", "disputes")
Staff = Annotated[Caller, may(*STAFF)]


@ROUTER.get("/disputes")
def list_disputes(
    work: Transaction,
    caller: Staff,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    limit: Limit = 100,
) -> list[Dispute]:
    """Open disputes of volunteers within the caller's reach, the oldest first."""
    query = (
        select(DisputeRow, VolunteerRow)
        .join(VolunteerRow, VolunteerRow.person_id == DisputeRow.person_id)
        .where(visible(caller), DisputeRow.settled_at.is_(None))
        .order_by(DisputeRow.opened_at, DisputeRow.dispute_id)
        .limit(limit)
    )
    if centre_id:
        query = query.where(VolunteerRow.centre_id == centre_id)
    if community_id:
        query = query.where(VolunteerRow.community_id == community_id)
    rows = work.session.execute(query).all()
    people = opened(work, list({v.person_id: v for _, v in rows}.values()))
    texts = work.vault.open(work.session, [(d.person_id, d.sealed) for d, _ in rows])
    result = []
    for (row, volunteer), said in zip(rows, texts, strict=True):
        entry = standing(work, row.person_id, row.attendance_id)
        if entry is None:
            continue
        who = people[row.person_id]
        result.append(
            Dispute(
                dispute_id=row.dispute_id,
                person_id=row.person_id,
                name=str(who.get("name") or ""),
                phone=(who.get("phone") or None) if caller.reaches(reach_of(volunteer), *PHONES) else None,
                attendance_id=row.attendance_id,
                day=entry.day,
                kind=ServiceKind(entry.kind),
                minutes=entry.minutes,
                reason=str(said.get("reason") or ""),
                opened_at=row.opened_at,
            )
        )
    return result


@ROUTER.post("/volunteers/{person_id}/records/{attendance_id}/dispute")
def dispute(
    person_id: UUID,
    attendance_id: UUID,
    body: NewDispute,
    work: Transaction,
    caller: Annotated[Caller, may(Role.VOLUNTEER)],
) -> Done:
    """The volunteer says that an entry from before attendance was kept here is wrong (8.10)."""
    reached(work, caller, person_id, Role.VOLUNTEER)
    return Done(id=service.open_dispute(work, person_id, attendance_id, body.reason).dispute_id, version=1)


@ROUTER.post("/volunteers/{person_id}/records/{attendance_id}/settlement")
def settle(person_id: UUID, attendance_id: UUID, body: Settlement, work: Transaction, caller: Staff) -> Done:
    """What the desk found: a correction that keeps the old value, or the record stands (Order 67, 13)."""
    reached(work, caller, person_id, *STAFF)
    row = service.settle(work, person_id, attendance_id, body.minutes, body.answer)
    return Done(id=row.dispute_id, version=2)
