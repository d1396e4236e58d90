"""Organisations in incubation (孵化): the bureau takes them in, notes what they were given and how they left; they see
their own."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.one_call import fen_of
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/purchases/incubations")
OWN = APIRouter(prefix="/organisation/incubation")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]


@ROUTER.get("")
async def incubations(page: Bureau, cursor: str = "") -> Response:
    """Who is and was in incubation, the newest first."""
    found = await page.get("projects", "/incubations", cursor=cursor, limit=50)
    names = await page.organisation_names(i["organisation_id"] for i in found["items"])
    return page.render("incubation/list.html", found=found["items"], next=found["next"], names=names)


@ROUTER.get("/new")
async def entry(page: Bureau) -> Response:
    """Take an organisation in."""
    return await _entry(page, values=await page.draft())


async def _entry(page: Page, status: int = 200, **more: Any) -> Response:
    found = await page.every("projects", "/organisations", state="admitted")
    organisations = sorted(found, key=lambda o: o["name"])
    return page.render("incubation/new.html", status, organisations=organisations, **more)


@ROUTER.post("/new")
async def take_in(page: Bureau) -> Response:
    body = page.form.given("organisation_id", "place", "began_on", "until", "goals")
    try:
        made = await page.post("projects", "/incubations", body)
    except Problem as problem:
        problem.errors = {"until" if k == "body" else k: v for k, v in problem.errors.items()}
        return await _entry(page, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/incubations/{made['id']}", page._("已入孵。"))


@ROUTER.get("/{incubation_id}")
async def incubation(page: Bureau, incubation_id: str) -> Response:
    """An incubation: what was given, and how it ended."""
    return await _incubation(page, incubation_id)


async def _incubation(page: Page, incubation_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/incubations/{incubation_id}")
    organisation = await page.get("projects", f"/organisations/{found['organisation_id']}")
    context: dict[str, Any] = {"values": Form([]), **more}
    return page.render(
        "incubation/incubation.html", status, found=found, organisation=organisation, **context
    )


@ROUTER.post("/{incubation_id}/support")
async def support(page: Bureau, incubation_id: str) -> Response:
    body = page.form.given("kind", "what", "on")
    body["fen"] = fen_of(page.form.text("fen") or "0")
    try:
        await page.post("projects", f"/incubations/{incubation_id}/support", body)
    except Problem as problem:
        money = page._("请填金额，最多到分，例如 12000 或 45.50；不花钱填 0。")
        problem.errors = {k: money if k == "fen" else v for k, v in problem.errors.items()}
        return await _incubation(page, incubation_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/incubations/{incubation_id}", page._("支持已登记。"))


@ROUTER.post("/{incubation_id}/exit")
async def leave(page: Bureau, incubation_id: str) -> Response:
    body = page.form.given("exit", "left_on", "reason")
    try:
        await page.post("projects", f"/incubations/{incubation_id}/exit", body)
    except Problem as problem:
        return await _incubation(page, incubation_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/incubations/{incubation_id}", page._("出孵已登记。"))


@OWN.get("")
async def own(page: Dispatcher) -> Response:
    """The own incubations with what was given, the newest first."""
    found = await page.get("projects", "/incubations", limit=20)
    shown = [await page.get("projects", f"/incubations/{i['incubation_id']}") for i in found["items"]]
    return page.render("incubation/own.html", shown=shown)
