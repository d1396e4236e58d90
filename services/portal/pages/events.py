"""For the technically minded of the bureau: how far each service is behind with events, and what failed."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page, signed_in
from services.portal.services import Away, Problem
from services.portal.words import SERVICES
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/events")
Seeing = Annotated[Page, signed_in(Role.BUREAU, Role.AUDITOR)]
Deciding = Annotated[Page, signed_in(Role.BUREAU)]


@ROUTER.get("")
async def events(page: Seeing) -> Response:
    """Each service that reads events: what waits, what is parked and what failed, what failed first."""
    found: list[tuple[str, dict[str, Any] | None]] = []
    for name in SERVICES:
        try:
            found.append((name, await page.get(name, "/operations/events")))
        except Away:
            found.append((name, None))
    role = page.me.role
    return page.render(
        "events/events.html",
        found=found,
        failed=sum(len(told["letters"]) for _, told in found if told),
        may_decide=role is not None and role.role == Role.BUREAU,
    )


@ROUTER.post("/{service}/go-on")
async def go_on(page: Deciding, service: str) -> Response:
    if service not in SERVICES:
        raise Problem(404, {"detail": page._("没有找到这一页")})
    try:
        await page.post(service, "/operations/go-on")
    except Problem as problem:
        return await page.refused("/events", problem)
    return await page.done("/events", page._("已请它接着读。如果多数消息还是失败，它会再次停下。"))


@ROUTER.get("/{service}/{letter_id}/discard")
async def discarding(page: Deciding, service: str, letter_id: int) -> Response:
    """What giving up means, before it is done."""
    letter = await _letter(page, service, letter_id)
    return page.render("events/discard.html", service=service, letter=letter)


async def _letter(page: Page, service: str, letter_id: int) -> dict[str, Any]:
    if service in SERVICES:
        told = await page.get(service, "/operations/events")
        for letter in told["letters"]:
            if letter["id"] == letter_id:
                return dict(letter)
    raise Problem(404, {"detail": page._("没有找到这条失败的消息。")})


@ROUTER.post("/{service}/{letter_id}/discard")
async def discard(page: Deciding, service: str, letter_id: int) -> Response:
    await _letter(page, service, letter_id)
    try:
        await page.post(service, f"/operations/dead-letters/{letter_id}/discard")
    except Problem as problem:
        return await page.refused("/events", problem)
    return await page.done("/events", page._("已放弃这条消息，排在它后面的继续处理。"))


@ROUTER.post("/{service}/{letter_id}/replay")
async def replay(page: Deciding, service: str, letter_id: int) -> Response:
    await _letter(page, service, letter_id)
    try:
        outcome = await page.post(service, f"/operations/dead-letters/{letter_id}/replay")
    except Problem as problem:
        return await page.refused("/events", problem)
    if outcome["reason"] is None:
        return await page.done("/events", page._("已重试成功，排在它后面的也继续处理了。"))
    await page.say(page._("重试没有成功，原因见下。"), "bad")
    return await page.done("/events")
