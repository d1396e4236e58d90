"""Organisations that registered themselves, to admit or refuse; papers they handed in, to verify."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/purchases/organisations")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]


@ROUTER.get("")
async def waiting(page: Bureau) -> Response:
    """What waits, the earliest first."""
    return await _waiting(page)


async def _waiting(page: Page, status: int = 200, **more: Any) -> Response:
    applied = (await page.get("projects", "/organisation-applications", limit=50))["items"]
    papers = (await page.get("projects", "/papers", limit=100))["items"]
    wanted = {p["organisation_id"] for p in papers} | {o for a in applied for o in a["same_controller"]}
    names = await page.organisation_names(wanted)
    return page.render(
        "purchases/organisations.html",
        status,
        applied=applied,
        papers=papers,
        names=names,
        **{"values": Form([]), **more},
    )


@ROUTER.post("/{organisation_id}/decision")
async def decide(page: Bureau, organisation_id: str) -> Response:
    return await _decided(page, f"/organisation-applications/{organisation_id}/decision")


@ROUTER.post("/papers/{paper_id}/decision")
async def look_at(page: Bureau, paper_id: str) -> Response:
    return await _decided(page, f"/papers/{paper_id}/decision")


async def _decided(page: Page, path: str) -> Response:
    """Held, or refused with the reason that the organisation is told."""
    holds = page.form.flag("holds")
    body: dict[str, Any] = {"holds": holds, **({} if holds else page.form.given("reason"))}
    try:
        await page.post("projects", path, body, version=page.form.text("version") or None)
    except Problem as problem:
        return await _waiting(page, 422, problem=problem, values=page.form)
    said = page._("已通过。") if holds else page._("已退回，原因会告诉组织。")
    return await page.done("/purchases/organisations", said)
