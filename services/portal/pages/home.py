"""The pages of residents and their families: who comes, absence, rating, who looked."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page, signed_in
from services.portal.pages.accepting import months_of
from services.portal.services import Problem
from services.portal.times import moment
from shared.clock import wall_day
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/home")
Own = Annotated[Page, signed_in(Role.RESIDENT, Role.FAMILY)]


async def _visits(page: Page, first: Any, last: Any) -> list[dict[str, Any]]:
    answer = await page.get("daycare", "/visits", **{"from": first, "to": last}, resident_id=page.scope)
    return sorted(answer["items"], key=lambda visit: moment(visit["start"]))


def _people(visits: list[dict[str, Any]]) -> set[str]:
    return {s["person_id"] for v in visits for s in v["slots"]} | {
        a["person_id"] for v in visits for a in v["attendances"]
    }


async def _centre(page: Page, resident: dict[str, Any]) -> dict[str, Any] | None:
    if not resident["centre_id"]:
        return None
    found: dict[str, Any] = await page.get("daycare", f"/centres/{resident['centre_id']}")
    return found


@ROUTER.get("")
async def who_comes(page: Own) -> Response:
    """Who comes when, whether they came and left, the code at the door, the centre's number."""
    resident = await page.get("daycare", f"/residents/{page.scope}")
    visits = await _visits(page, page.today - timedelta(days=1), page.today + timedelta(days=13))
    live = [v for v in visits if v["state"] not in {"cancelled"}]
    coming = [
        v for v in live if v["state"] != "done" and moment(v["latest_start"]) > page.now - timedelta(hours=6)
    ]
    past = [v for v in live if v not in coming]
    return page.render(
        "home/who.html",
        resident=resident,
        centre=await _centre(page, resident),
        next=coming[0] if coming else None,
        later=coming[1:],
        past=past,
        names=await page.names(_people(live)),
    )


@ROUTER.get("/visits/{visit_id}")
async def visit(page: Own, visit_id: str) -> Response:
    """One visit: cancel it, ask for a change, rate it, "please not this person again"."""
    found = await page.get("daycare", f"/visits/{visit_id}")
    return page.render("home/visit.html", visit=found, names=await page.names(_people([found])))


@ROUTER.post("/visits/{visit_id}/cancel")
async def cancel(page: Own, visit_id: str) -> Response:
    try:
        await page.post("daycare", f"/visits/{visit_id}/cancel", page.form.given("reason"))
    except Problem as problem:
        return await page.refused("/home", problem)
    return await page.done("/home", page._("这一次已取消，来的人会收到通知。"))


@ROUTER.post("/visits/{visit_id}/change")
async def ask_change(page: Own, visit_id: str) -> Response:
    try:
        await page.post("daycare", f"/visits/{visit_id}/change-request", {"text": page.form.text("text")})
    except Problem as problem:
        return await page.refused(f"/home/visits/{visit_id}", problem)
    return await page.done("/home", page._("已告诉照料中心，他们会打电话给您。"))


@ROUTER.post("/visits/{visit_id}/rate")
async def rate(page: Own, visit_id: str) -> Response:
    how = "self" if page.me.role and page.me.role.role is Role.RESIDENT else "family"
    body = {"face": page.form.number("face"), "sentence": page.form.text("sentence"), "how": how}
    try:
        await page.post("daycare", f"/visits/{visit_id}/rating", body)
    except Problem as problem:
        return await page.refused("/home/rate", problem)
    return await page.done("/home/rate", page._("谢谢您的评价。"))


@ROUTER.post("/visits/{visit_id}/block")
async def block(page: Own, visit_id: str) -> Response:
    body = {"person_id": page.form.text("person_id"), "reason": page.form.text("reason")}
    try:
        await page.post("daycare", f"/residents/{page.scope}/blocks", body)
    except Problem as problem:
        return await page.refused(f"/home/visits/{visit_id}", problem)
    return await page.done("/home", page._("以后不会再请这个人来。他不会知道是谁说的。"))


@ROUTER.get("/away")
async def away_form(page: Own) -> Response:
    """Report an absence."""
    resident = await page.get("daycare", f"/residents/{page.scope}")
    return page.render("home/away.html", resident=resident, values=await page.draft())


@ROUTER.post("/away")
async def away(page: Own) -> Response:
    form = page.form
    body = {"kind": form.text("kind"), **form.given("from", "to")}
    try:
        answer = await page.post("daycare", f"/residents/{page.scope}/absences", body)
    except Problem as problem:
        resident = await page.get("daycare", f"/residents/{page.scope}")
        return page.render("home/away.html", 422, resident=resident, problem=problem, values=form)
    return await page.done("/home/away", page._("记下了。{count} 次服务暂停。", count=answer["suspended"]))


@ROUTER.post("/away/{absence_id}/back")
async def back(page: Own, absence_id: str) -> Response:
    try:
        await page.ask("daycare", "DELETE", f"/residents/{page.scope}/absences/{absence_id}")
    except Problem as problem:
        return await page.refused("/home/away", problem)
    return await page.done("/home/away", page._("已取消，服务照常。"))


@ROUTER.get("/rate")
async def to_rate(page: Own) -> Response:
    """Visits of the last two weeks to be rated, or an organisation's month at once: three faces and a sentence (8.11)."""
    visits = await _visits(page, page.today - timedelta(days=14), page.today)
    served = [v for v in visits if v["state"] == "done" and v["outcome"] in {"done", "cut_short"}]
    served.sort(key=lambda v: v["start"], reverse=True)
    return page.render(
        "home/rate.html",
        visits=served,
        names=await page.names(_people(served)),
        months=[each for each in await months_of(page, resident_id=page.scope) if each["waiting"] > 1],
    )


@ROUTER.get("/looked")
async def looked(page: Own, cursor: str = "") -> Response:
    """Who looked at or changed the data (PIPL 45)."""
    answer = await page.get("daycare", f"/residents/{page.scope}/audit", cursor=cursor)
    names = await page.names({look["person_id"] for look in answer["items"]})
    return page.render("home/looked.html", looks=_once(answer["items"]), next=answer["next"], names=names)


def _once(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same deed of the same person on one day as one line, with how often."""
    lines: list[dict[str, Any]] = []
    for look in looks:
        last = lines[-1] if lines else None
        same = last is not None and all(last[k] == look[k] for k in ("person_id", "roles", "action"))
        if last is not None and same and wall_day(moment(last["at"])) == wall_day(moment(look["at"])):
            last["times"] += 1
        else:
            lines.append({**look, "times": 1})
    return lines
