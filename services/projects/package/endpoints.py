"""The archive of a call over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from services.projects.calls import service as calls
from services.projects.package.archive import archive
from shared.contracts.codes import Role
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Refused
from shared.web.routing import Transaction
from shared.web.signed_in import may

ROUTER = router("", "package")
ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the archive",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@ROUTER.get("/calls/{call_id}/package", response_class=Response, responses=ZIP)
def read_package(
    call_id: UUID, work: Transaction, caller: Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
) -> Response:
    """The call's archive as a ZIP that `python -m services.projects verify` checks; from the opening on."""
    call = calls.call(work, call_id)
    if call.opened_at is None:
        raise Refused("not_opened", "还没有开标。")
    return Response(
        archive(work, call),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{call.number}.zip"'},
    )
