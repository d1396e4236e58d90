"""Files: kept with their type by content, their size and their hash. The bytes lie in the database."""

import hashlib
from uuid import UUID

from sqlalchemy import func, select

from services.projects.files import rules
from services.projects.files.tables import FileRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.problems import NotFound, Refused


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


def content(work: Work, row: FileRow) -> bytes:
    """The file's bytes, as they were kept."""
    kept = work.session.scalars(select(FileRow.content).where(FileRow.file_id == row.file_id)).one()
    assert kept is not None
    return kept
