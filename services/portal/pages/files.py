"""Files that readers take away: what was handed in, a bid's files, a contract as text and as PDF. Never shown in the browser."""

from typing import Annotated
from urllib.parse import quote

import anyio
from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.portal.contract_pdf import contract_pdf
from services.portal.page import Page, SignInFirst, signed_in
from services.portal.services import Problem

ROUTER = APIRouter(prefix="/files")
Reader = Annotated[Page, signed_in()]  # who may have a file, the projects service judges
NEVER_SHOWN = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


@ROUTER.get("/{file_id}")
async def file(page: Reader, file_id: str) -> Response:
    """A file that was handed in about an organisation, a call, a contract, a claim or a milestone."""
    return await _handed_on(page, f"/files/{quote(file_id, safe='')}/content")


@ROUTER.get("/bids/{bid_id}/{file_id}")
async def bid_file(page: Reader, bid_id: str, file_id: str) -> Response:
    """A file of a bid: of the own draft, or of a bid that was opened."""
    return await _handed_on(page, f"/bids/{quote(bid_id, safe='')}/files/{quote(file_id, safe='')}")


@ROUTER.get("/calls/{call_id}/package")
async def package(page: Reader, call_id: str) -> Response:
    """The archive of a call: one ZIP, which `python -m services.projects verify` checks."""
    return await _handed_on(page, f"/calls/{quote(call_id, safe='')}/package")


@ROUTER.get("/contracts/{contract_id}/text")
async def contract_text(page: Reader, contract_id: str) -> Response:
    """A contract's text, byte by byte what its hash was made of and its signatures stand under."""
    of = f"/contracts/{quote(contract_id, safe='')}"
    agreement = await page.get("projects", f"{of}/agreement")
    name = (await page.get("projects", of))["number"]
    return _saved(agreement["text"].encode(), "text/plain; charset=utf-8", f"{name}.txt")


@ROUTER.get("/contracts/{contract_id}/pdf")
async def contract_as_pdf(page: Reader, contract_id: str) -> Response:
    """A contract that both sides have signed, with what changed since, as PDF."""
    of = f"/contracts/{quote(contract_id, safe='')}"
    agreement = await page.get("projects", f"{of}/agreement")
    if len(agreement["signatures"]) < 2:
        raise HTTPException(404)
    contract = await page.get("projects", of)
    steps = [(s["proposed_by"], s["ended_by"]) for s in agreement["supplements"]]
    signers = [s["person_id"] for s in agreement["signatures"]] + [who for step in steps for who in step]
    names = await page.names(signers)
    content = await anyio.to_thread.run_sync(contract_pdf, contract, agreement, names)
    return _saved(content, "application/pdf", f"{contract['number']}.pdf")


@ROUTER.post("/{file_id}/withdraw")
async def withdraw(page: Reader, file_id: str) -> Response:
    """Take back what one handed in, and come back to the page that showed it."""
    shown_on = page.form.text("_page")
    back = shown_on if shown_on.startswith("/") and not shown_on.startswith("//") else "/"
    try:
        await page.post("projects", f"/files/{quote(file_id, safe='')}/withdrawal")
    except Problem as problem:
        return await page.refused(back, problem)
    return await page.done(back, page._("材料已收回；记录还在，别人不能再下载。"))


async def _handed_on(page: Page, path: str) -> Response:
    """A file of the projects service, kept nowhere on the way."""
    try:
        answer = await page.clients.raw("projects", "GET", path, await page.token(), page.lang)
    except Problem as problem:
        if problem.status == 401:
            raise SignInFirst from None
        raise
    said = answer.headers.get("Content-Disposition", "")
    return Response(
        answer.content,
        media_type=answer.headers.get("Content-Type", "application/octet-stream"),
        headers={
            **NEVER_SHOWN,
            "Content-Disposition": said if said.startswith("attachment") else "attachment",
        },
    )


def _saved(content: bytes, media_type: str, name: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(
        content, media_type=media_type, headers={**NEVER_SHOWN, "Content-Disposition": disposition}
    )
