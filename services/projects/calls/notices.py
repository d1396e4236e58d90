"""What must be public, by when, and since when it is: every step that owes the public a notice leaves one here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.projects.calls.tables import NoticeRow
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import NotFound, Refused


def due(
    work: Work, kind: str, about_id: UUID, call_id: UUID | None, due_at: datetime, body: dict[str, Any]
) -> NoticeRow:
    """Record what must be public by an instant. `body`: what it will say, without what is not public."""
    row = NoticeRow(
        notice_id=new_id(),
        call_id=call_id,
        kind=kind,
        about_id=about_id,
        due_at=due_at,
        published_at=None,
        body=body,
        by=None,
    )
    work.session.add(row)
    work.session.flush()
    return row


def publish(work: Work, row: NoticeRow) -> None:
    """Make a notice public, once."""
    if row.published_at is not None:
        raise Refused("notice_published", "这份公告已经发布。")
    row.published_at = work.now
    row.by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit("notice.publish", row.notice_id, kind=row.kind)


def at_once(work: Work, kind: str, about_id: UUID, call_id: UUID, body: dict[str, Any]) -> None:
    """A notice that is public with the step itself."""
    publish(work, due(work, kind, about_id, call_id, work.now, body))


def notice(work: Work, notice_id: UUID) -> NoticeRow:
    """The notice, locked. 404 when there is none."""
    row = work.session.get(NoticeRow, notice_id, with_for_update=True)
    if row is None:
        raise NotFound("notice_unknown", "没有这份公告。")
    return row


def overdue(work: Work, call_id: UUID | None = None) -> Sequence[NoticeRow]:
    """Notices whose time is over and that nobody has published, the longest overdue first."""
    query = select(NoticeRow).where(NoticeRow.published_at.is_(None), NoticeRow.due_at < work.now)
    if call_id is not None:
        query = query.where(NoticeRow.call_id == call_id)
    return work.session.scalars(query.order_by(NoticeRow.due_at, NoticeRow.notice_id)).all()
