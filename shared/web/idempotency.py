"""Answers kept under the caller's key, in the command's own transaction: a repeated POST is answered, not done again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.base import KernelBase
from shared.database.work import Work
from shared.web.problems import Invalid

NOBODY = UUID(int=0)


class AnswerRow(KernelBase):
    """One answered command: another body under the same key is refused."""

    __tablename__ = "answered_command"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(index=True)

    @classmethod
    def of(
        cls, work: Work, route: str, key: str, digest: bytes, status: int, body: dict[str, Any]
    ) -> AnswerRow:
        account = work.caller.account_id if work.caller else NOBODY
        return cls(
            account_id=account, route=route, key=key, digest=digest, status=status, body=body, at=work.now
        )


def claim(work: Work, route: str, key: str, digest: bytes) -> AnswerRow | None:
    """The stored answer, if there is one. Two at once under one key: the second waits for the first."""
    account = work.caller.account_id if work.caller else NOBODY
    work.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{account} {route} {key}"}
    )
    row = work.session.get(AnswerRow, (account, route, key))
    if row is not None and row.digest != digest:
        raise Invalid("key_reused", "这次提交与之前的不同，请刷新页面后重新提交。", field="Idempotency-Key")
    return row
