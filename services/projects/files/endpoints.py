"""Files over HTTP: handed in as they are, given out as attachments only."""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote, unquote
from uuid import UUID

from fastapi import Body as RequestBody
from fastapi import Depends, Header, Query, Request, Response
from sqlalchemy import select

from services.projects.files import rules, service, subjects
from services.projects.files.subjects import About
from services.projects.files.tables import FileRow
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Forbidden, Invalid, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Answer, Instant
from shared.web.signed_in import SignedIn, may

ROUTER = router("/files", "files")
# The largest file and a little: the dated rule says what is kept, this what is read at all.
LARGEST_BODY = 20 * 1024 * 1024 + 1024
Content = Annotated[
    bytes, RequestBody(media_type="application/octet-stream", description="the file as it is")
]


def _laid(request: Request, content: Content) -> Iterator[service.Laid]:
    with service.laid(request.app.state.database.objects, content) as made:
        yield made


FileName = Annotated[
    str,
    Header(
        alias="File-Name",
        min_length=1,
        max_length=1200,
        description="the file's name in UTF-8, percent-encoded: names are not for addresses, which are logged",
        examples=["%E5%AE%A1%E8%AE%A1%E6%8A%A5%E5%91%8A.pdf"],
    ),
]
ATTACHMENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the file",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in rules.ENDINGS},
    }
}


class File(Answer):
    """A file that was handed in; its bytes are at /files/{file_id}/content, until it is taken back.

    `own`: the reader handed it in and may still take it back.
    """

    file_id: UUID
    about: str
    about_id: UUID
    organisation_id: UUID | None
    name: str | None
    media_type: str
    size: int
    sha256: str
    made_by: UUID | None
    made_at: Instant
    withdrawn_at: Instant | None
    own: bool


def _shown(work: Work, caller: Caller, row: FileRow) -> File:
    own = row.made_by == caller.person_id and row.withdrawn_at is None and not subjects.decided(work, row)
    plain = set(File.model_fields) - {"own"}
    return File.model_validate({**{name: getattr(row, name) for name in plain}, "own": own})


def named(file_name: str) -> str:
    """The name that a File-Name header says. 422 when it is not encoded as names are."""
    try:
        return unquote(file_name, errors="strict")
    except UnicodeDecodeError:
        raise Invalid("file_name_encoding", "文件名应为 UTF-8 的百分号编码。", field="File-Name") from None


@ROUTER.post("", status_code=201)
def hand_in(
    caller: Annotated[Caller, may(Role.BUREAU, Role.DISPATCHER)],
    given: Annotated[service.Laid, Depends(_laid)],
    file_name: FileName,
    about: Annotated[About, Query(description="what kind of thing the file belongs to")],
    about_id: Annotated[UUID, Query(description="the thing")],
    work: Transaction,
) -> File:
    """Hand a file in: PDF, PNG, JPEG, XLSX or DOCX by its content, at most 20 MB."""
    of = subjects.subject(work, about, about_id)
    subjects.require_own(caller, of)
    row = service.keep(work, about, about_id, named(file_name), given, organisation_id=of.organisation_id)
    return _shown(work, caller, row)


@ROUTER.get("")
def list_files(
    about: Annotated[About, Query()], about_id: Annotated[UUID, Query()], work: Transaction, caller: SignedIn
) -> list[File]:
    """What was handed in about a thing, and taken back, in the order it came: at most as many as a thing may have."""
    subjects.require_readable(caller, subjects.subject(work, about, about_id))
    rows = work.session.scalars(
        select(FileRow)
        .where(FileRow.about == about, FileRow.about_id == about_id, FileRow.sealed.is_(False))
        .order_by(FileRow.file_id)
    )
    return [_shown(work, caller, row) for row in rows]


@ROUTER.get("/{file_id}")
def read_file(file_id: UUID, work: Transaction, caller: SignedIn) -> File:
    """A file's name, type, size and hash."""
    row = service.file(work, file_id)
    subjects.require_readable(caller, subjects.subject(work, row.about, row.about_id))
    return _shown(work, caller, row)


@ROUTER.get("/{file_id}/content", response_class=Response, responses=ATTACHMENT)
def read_content(file_id: UUID, work: Transaction, caller: SignedIn) -> Response:
    """A file's bytes, to be saved: never shown in the page."""
    row = service.file(work, file_id)
    subjects.require_readable(caller, subjects.subject(work, row.about, row.about_id))
    if row.sealed:
        raise Forbidden("file_sealed", "这份文件是密封的。")
    if row.withdrawn_at is not None and not caller.has(Role.AUDITOR):
        raise Refused("file_withdrawn", "这份材料已经收回。", status=410)
    if not caller.has(Role.DISPATCHER):
        work.audit("file.read", row.file_id)
    return attachment(row.name or str(row.file_id), row.media_type, service.content(work, row))


@ROUTER.post("/{file_id}/withdrawal")
def withdraw_file(
    file_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.BUREAU, Role.DISPATCHER)]
) -> File:
    """Take back what one handed in oneself, before what it supports is decided: it stays recorded and is given out no more."""
    row = service.file(work, file_id)
    subjects.require_own(caller, subjects.subject(work, row.about, row.about_id))
    service.withdraw(work, row)
    return _shown(work, caller, row)


def attachment(name: str, media_type: str, content: bytes) -> Response:
    """An answer that a browser saves and never shows, whatever is in it."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=media_type, headers=headers)
