"""The audit trail: appended with the command, readable by the person it concerns, never holding personal data.

Rule: PIPL 45-49 (who looked at my data), Cybersecurity Law 21 (kept at least six months).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.base import KernelBase
from shared.security.caller import Caller


class AuditRow(KernelBase):
    """One act on one thing: ids and codes only."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_person", "person_id", "at"),)

    pos: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    account_id: Mapped[UUID | None]
    actor_person_id: Mapped[UUID | None]
    roles: Mapped[str]
    action: Mapped[str]
    subject_id: Mapped[UUID | None]
    person_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]]


def audit_row(
    at: datetime,
    caller: Caller | None,
    *,
    action: str,
    subject: UUID | None,
    person: UUID | None,
    details: dict[str, Any],
) -> AuditRow:
    """The row of one act."""
    return AuditRow(
        at=at,
        account_id=caller.account_id if caller else None,
        actor_person_id=caller.person_id if caller else None,
        roles=" ".join(sorted({m.role for m in caller.memberships})) if caller else "",
        action=action,
        subject_id=subject,
        person_id=person,
        details=details,
    )
