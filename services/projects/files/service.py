"""Files: kept with their type by content, their size and their hash.

The bytes lie in the database, or in the object store where the settings name one; where each lies its row says. An object is
written before its row, and before any transaction is open: one without a row is harmless and swept. No object is ever written
over or removed under a row.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import structlog
from sqlalchemy import func, select

from services.projects.files import rules, subjects
from services.projects.files.tables import FileRow
from shared.clock import wall_day
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.objects.port import ObjectMissing, Objects, ObjectsAway
from shared.rules import rule_value
from shared.web.problems import Forbidden, NotFound, Refused

# Far longer than any transaction, and than it takes to see that a wrong backup was restored.
SWEPT_AFTER = timedelta(days=7)
SWEPT_AT_ONCE = 500
log = structlog.get_logger()


@dataclass(slots=True)
class Laid:
    """Bytes that came in, and lie in the object store already where one is set (`stored`). `told`: a row tells of them."""

    content: bytes
    stored: bool = False
    told: bool = False
    file_id: UUID = field(default_factory=new_id)


@contextmanager
def laid(objects: Objects | None, content: bytes) -> Iterator[Laid]:
    """Lay bytes into the object store, to be kept within the block; what is not kept is taken out again. 503 while it is away."""
    made = Laid(content, stored=objects is not None)
    if objects is not None:
        try:
            objects.put(str(made.file_id), content)
        except ObjectsAway:
            raise _away() from None
    try:
        yield made
    finally:
        if objects is not None and not made.told:
            with suppress(ObjectsAway):
                objects.remove(str(made.file_id))


def keep(
    work: Work,
    about: str,
    about_id: UUID,
    name: str | None,
    given: Laid,
    *,
    organisation_id: UUID | None = None,
    sealed: bool = False,
) -> FileRow:
    """Keep a file. A sealed one is ciphertext: whoever sealed it looked at name and type, and keeps the name inside."""
    today, content = wall_day(work.now), given.content
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
        file_id=given.file_id,
        about=about,
        about_id=about_id,
        organisation_id=organisation_id,
        name=kept,
        media_type=kind,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sealed=sealed,
        content=None if given.stored else content,
        stored_as=str(given.file_id) if given.stored else None,
        made_by=work.caller.person_id if work.caller else None,
        made_at=work.now,
        withdrawn_by=None,
        withdrawn_at=None,
    )
    work.session.add(row)
    work.session.flush()
    given.told = True
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
    """The file's bytes, as they were kept: other ones are never given out. 503 while the object store is away."""
    kept = _object(work, row) if row.stored_as else _column(work, row)
    if kept is None or hashlib.sha256(kept).hexdigest() != row.sha256:
        log.error("file damaged", file_id=str(row.file_id), missing=kept is None)
        raise Refused("file_damaged", "这份文件丢失或者损坏了，请联系管理员从备份恢复。", status=500)
    return kept


def _column(work: Work, row: FileRow) -> bytes | None:
    return work.session.scalars(select(FileRow.content).where(FileRow.file_id == row.file_id)).one()


def _object(work: Work, row: FileRow) -> bytes | None:
    if work.objects is None:
        log.error("file lies in an object store and no LINLI_S3 is set", file_id=str(row.file_id))
        raise _away()
    try:
        return work.objects.get(row.stored_as or "", row.size)
    except ObjectMissing:
        return None
    except ObjectsAway:
        raise _away() from None


def _away() -> Refused:
    return Refused("files_away", "暂时不能存取文件，请过一会儿再试。", status=503, retry_after=10)


def sweep(database: Database) -> None:
    """Remove objects that no row tells of (a job): what was begun and not committed, days ago."""
    if database.objects is None:
        return
    before = datetime.now(UTC) - SWEPT_AFTER  # the store's own times, whatever clock the service lives by
    removed = 0
    try:
        old = (name for name, at in database.objects.names() if at < before)
        while names := list(islice(old, SWEPT_AT_ONCE)):
            with database.work() as work:
                known = set(
                    work.session.scalars(select(FileRow.stored_as).where(FileRow.stored_as.in_(names)))
                )
            for name in names:
                if name not in known:
                    database.objects.remove(name)
                    removed += 1
    except ObjectsAway:
        pass  # the next round goes on
    if removed:
        log.info("objects without a row removed", count=removed)
