"""A resident's assessment: the 26 items of GB/T 42195-2022, or the total of one made elsewhere; with consent (8.4)."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Form, Page
from services.portal.pages.residents import Desk
from services.portal.services import Problem

ROUTER = APIRouter(prefix="/centre/residents")


@ROUTER.get("/{person_id}/assess")
async def form(page: Desk, person_id: str) -> Response:
    return await _form(page, person_id, values=await page.draft())


async def _form(page: Page, person_id: str, status: int = 200, **more: Any) -> Response:
    resident = await page.get("daycare", f"/residents/{person_id}")
    return page.render("residents/assess.html", status, resident=resident, **more)


@ROUTER.post("/{person_id}/assess")
async def assess(page: Desk, person_id: str) -> Response:
    """Every item, or the total alone; without consent nothing is stored."""
    sent = page.form
    try:
        _agreed(page, sent)
        body = {**_points(page, sent), **_rest(sent)}
        await page.post("daycare", f"/residents/{person_id}/assessments", body)
    except Problem as problem:
        return await _form(page, person_id, 422, problem=problem, values=sent)
    return await page.done(f"/centre/residents/{person_id}", page._("评估已登记。"))


def _agreed(page: Page, sent: Form) -> None:
    if not sent.flag("agreed"):
        said = page._("没有本人或家属的同意，不能登记评估。")
        raise Problem(422, {"detail": said, "errors": [{"field": "agreed", "message": said}]})


def _points(page: Page, sent: Form) -> dict[str, Any]:
    """The items that were filled in, all of them; or the total alone."""
    items = {item: int(sent.text(item)) for item in words.ITEMS if sent.text(item).isdecimal()}
    if not items:
        return {"total": sent.number("total")}
    missing = [item for item in words.ITEMS if item not in items]
    if missing:
        errors = [
            {"field": item, "message": page._("{item}：请选择一项。", item=page._(words.ITEMS[item]))}
            for item in missing
        ]
        said = page._("还有 {count} 项没有填。", count=len(missing))
        raise Problem(422, {"detail": said, "errors": errors})
    return {"items": items}


def _rest(sent: Form) -> dict[str, Any]:
    return {
        "coma": sent.flag("coma"),
        "diagnosed": sent.flag("diagnosed"),
        "risk_events": sent.number("risk_events") or 0,
        **sent.given("day", "assessor"),
        "consent": {
            "by": sent.text("consent_by"),
            "as": sent.text("consent_as") or "self",
            "how": sent.text("consent_how") or "paper",
            "at": f"{sent.text('consent_day')}T00:00:00+08:00",
        },
    }
