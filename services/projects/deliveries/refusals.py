"""Refused deliveries: each a dispute with a clock that the bureau decides; until then, and where it is not payable, unpaid."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text

from services.projects.calls.workdays import workdays_after
from services.projects.contracts.service import recount
from services.projects.contracts.tables import LineRow
from services.projects.deliveries.tables import AcceptanceRow, DeliveryRow, RefusalRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import NotFound, Refused


def one_at_a_time(work: Work, visit_id: UUID) -> None:
    """Deliveries, acceptances and decisions of a visit wait for each other, so that none misses the other's row."""
    work.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"visit {visit_id}"}
    )


def keep(work: Work, said: AcceptanceRow, deliveries: Sequence[DeliveryRow]) -> None:
    """Begin a dispute for each delivery that draws units and was refused; end those of what is accepted after all."""
    today = wall_day(work.now)
    days = int(rule_value("acceptance_dispute_working_days", today))
    for each in deliveries:
        row = _open(work, each.attendance_id)
        if said.accepted and row is not None:
            row.outcome, row.ended_at = "accepted", work.now
        elif not said.accepted and row is None and each.units > 0:
            line = work.session.get_one(LineRow, each.line_id)
            work.session.add(
                RefusalRow(
                    refusal_id=new_id(),
                    attendance_id=each.attendance_id,
                    organisation_id=line.organisation_id,
                    by_role=said.by_role,
                    refused_at=said.at,
                    due_on=workdays_after(work, today, days),
                    outcome=None,
                    reason=None,
                    decided_by=None,
                    ended_at=None,
                )
            )
    work.session.flush()


def _open(work: Work, attendance_id: UUID) -> RefusalRow | None:
    return work.session.scalars(
        select(RefusalRow).where(RefusalRow.attendance_id == attendance_id, RefusalRow.ended_at.is_(None))
    ).first()


def refusal(work: Work, refusal_id: UUID, *, lock: bool = False) -> RefusalRow:
    """The refusal; locked together with its visit. 404 when there is none."""
    row = work.session.get(RefusalRow, refusal_id)
    if row is None:
        raise NotFound("refusal_unknown", "没有这条验收争议。")
    if lock:
        one_at_a_time(work, work.session.get_one(DeliveryRow, row.attendance_id).visit_id)
        work.session.refresh(row, with_for_update=True)
    return row


def decide(work: Work, row: RefusalRow, *, payable: bool, reason: str) -> None:
    """The bureau's decision: a delivery that was as agreed counts as accepted, another one stays unpaid."""
    if row.ended_at is not None:
        raise Refused("refusal_ended", "这条验收争议已经处理完。")
    row.outcome, row.reason = ("payable" if payable else "not_payable"), reason
    row.decided_by = work.caller.person_id if work.caller else None
    row.ended_at = work.now
    delivery = work.session.get_one(DeliveryRow, row.attendance_id, with_for_update=True)
    delivery.accepted = payable
    work.session.flush()
    recount(work, delivery.line_id)
    work.audit("refusal.decide", row.refusal_id, payable=payable)
