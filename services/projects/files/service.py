"""Files: kept with their type by content, their size and their hash. The bytes lie in the database."""

import hashlib
from uuid import UUID

from sqlalchemy import func, select

from services.projects.files import rules, subjects
from services.projects.files.tables import FileRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import Forbidden, NotFound, Refused


def keep(
    work: Work,
    about: str,
    about_id: UUID,
    name: str | None,
    content: bytes,
    *,
    organisation_id: UUID | None = None,
    sealed: bool = False,
) -> FileRow:
    """Keep a file. A sealed one is ciphertext: whoever sealed it looked at name and type, and keeps the name inside."""
    today = wall_day(work.now)
    rules.check_size(len(content), today, sealed=sealed)
    kept = None if sealed else rules.clean_name(name or "")
    kind = rules.media_type(kept, content) if kept is not None else rules.SEALED
    there = work.session.scalar(
        select(func.count()).select_from(FileRow).where(FileRow.about == about, FileRow.about_id == about_id)
    )
    most = int(rule_value("files_most_a_subject", today))
    if (there or 0) >= most:
        raise Refused("files_many", "一件事最多 {most} 份文件。", field="content", most=most)
    row = FileRow(
        file_id=new_id(),
        about=about,
        about_id=about_id,
        organisation_id=organisation_id,
        name=kept,
        media_type=kind,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sealed=sealed,
        content=content,
        stored_as=None,
        made_by=work.caller.person_id if work.caller else None,
        made_at=work.now,
        withdrawn_by=None,
        withdrawn_at=None,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("file.keep", row.file_id, about=about)
    return row


def file(work: Work, file_id: UUID) -> FileRow:
    """The file, without its bytes. 404 when there is none."""
    row = work.session.get(FileRow, file_id)
    if row is None:
        raise NotFound("file_unknown", "没有这份文件。", field="file_id")
    return row


def withdraw(work: Work, row: FileRow) -> None:
    """Take a file back, by whoever handed it in, until what it supports is decided. It is kept, and given out no more."""
    assert work.caller is not None
    work.session.refresh(row, with_for_update=True)
    if row.made_by != work.caller.person_id:
        raise Forbidden("file_not_yours", "只有提交的人能收回自己提交的材料。")
    if row.withdrawn_at is not None:
        raise Refused("file_withdrawn", "这份材料已经收回。")
    if subjects.decided(work, row, lock=True):
        raise Refused("file_decided", "这份材料所支持的事项已经办理，不能再收回。")
    row.withdrawn_by, row.withdrawn_at = work.caller.person_id, work.now
    work.session.flush()
    work.audit("file.withdraw", row.file_id, about=row.about)


def content(work: Work, row: FileRow) -> bytes:
    """The file's bytes, as they were kept."""
    kept = work.session.scalars(select(FileRow.content).where(FileRow.file_id == row.file_id)).one()
    assert kept is not None
    return kept
