"""When a volunteer can come: kept by the volunteer, or by the centre or community for who has no phone at hand."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page, signed_in
from services.portal.services import Problem
from services.portal.words import PARTS
from shared.contracts.codes import Role

ROUTER = APIRouter()
Volunteer = Annotated[Page, signed_in(Role.VOLUNTEER)]
Desk = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.COMMUNITY)]


@ROUTER.get("/my/time")
async def mine(page: Volunteer) -> Response:
    """When I can come: parts of the week, and days that differ."""
    try:
        return await _times(page, str(page.me.person_id), "/my")
    except Problem as problem:
        if problem.status != 404:
            raise
        return await page.done("/my/about")


@ROUTER.get("/centre/people/{person_id}/time")
async def theirs(page: Desk, person_id: str) -> Response:
    """When a volunteer of the centre or community can come."""
    return await _times(page, person_id, f"/centre/people/{person_id}")


async def _times(
    page: Page,
    person_id: str,
    at: str,
    problem: Problem | None = None,
    weekly: list[dict[str, Any]] | None = None,
) -> Response:
    """The page; after a refusal with what was typed, `weekly` as it was ticked."""
    person = await page.get("volunteers", f"/volunteers/{person_id}")
    own = person_id == str(page.me.person_id)
    centre = None
    if own and person["centre_id"]:
        centre = await page.get("daycare", f"/centres/{person['centre_id']}")
    ticked = person["weekly"] if weekly is None else weekly
    context = {"problem": problem, "values": page.form} if problem else {}
    return page.render(
        "people/time.html",
        422 if problem else 200,
        person=person,
        own=own,
        at=at,
        centre=centre,
        chosen={(each["weekday"], each["part"]) for each in ticked},
        **context,
    )


@ROUTER.post("/my/time")
async def set_mine(page: Volunteer) -> Response:
    return await _set_week(page, str(page.me.person_id), "/my")


@ROUTER.post("/centre/people/{person_id}/time")
async def set_theirs(page: Desk, person_id: str) -> Response:
    return await _set_week(page, person_id, f"/centre/people/{person_id}")


async def _set_week(page: Page, person_id: str, at: str) -> Response:
    weekly = [
        {"weekday": int(day), "part": part}
        for day, _, part in (v.partition("-") for v in page.form.many("part"))
        if day.isdecimal() and int(day) < 7 and part in PARTS
    ]
    body: dict[str, Any] = {"weekly": weekly}
    for name in ("daily_minutes", "weekly_minutes"):
        if page.form.text(name):
            body[name] = page.form.number(name)
    try:
        await page.ask("volunteers", "PUT", f"/volunteers/{person_id}/availability", json=body)
    except Problem as problem:
        return await _times(page, person_id, at, problem, weekly)
    return await page.done(f"{at}/time", page._("已保存。"))


@ROUTER.post("/my/exceptions")
async def add_mine(page: Volunteer) -> Response:
    return await _add(page, str(page.me.person_id), "/my")


@ROUTER.post("/centre/people/{person_id}/exceptions")
async def add_theirs(page: Desk, person_id: str) -> Response:
    return await _add(page, person_id, f"/centre/people/{person_id}")


async def _add(page: Page, person_id: str, at: str) -> Response:
    form = page.form
    body = {
        **form.given("from_day"),
        "to_day": form.text("to_day") or form.text("from_day"),
        "parts": form.many("parts"),
        "available": form.text("available") == "1",
    }
    try:
        await page.post("volunteers", f"/volunteers/{person_id}/exceptions", body)
    except Problem as problem:
        return await _times(page, person_id, at, problem)
    return await page.done(f"{at}/time", page._("已保存。"))


@ROUTER.post("/my/exceptions/{exception_id}/drop")
async def drop_mine(page: Volunteer, exception_id: str) -> Response:
    return await _drop(page, str(page.me.person_id), exception_id, "/my")


@ROUTER.post("/centre/people/{person_id}/exceptions/{exception_id}/drop")
async def drop_theirs(page: Desk, person_id: str, exception_id: str) -> Response:
    return await _drop(page, person_id, exception_id, f"/centre/people/{person_id}")


async def _drop(page: Page, person_id: str, exception_id: str, at: str) -> Response:
    try:
        await page.ask("volunteers", "DELETE", f"/volunteers/{person_id}/exceptions/{exception_id}")
    except Problem as problem:
        return await page.refused(f"{at}/time", problem)
    return await page.done(f"{at}/time", page._("已取消。"))
