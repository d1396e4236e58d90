"""The phone pages of volunteers and of organisations' carers: today, invitations, time, hours."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page, signed_in
from services.portal.places import home_of, moved
from services.portal.services import Problem
from services.portal.times import moment, monday
from shared.clock import day_bounds, wall_day
from shared.contracts.codes import Role
from shared.rules import rule_value

ROUTER = APIRouter(prefix="/my")
Carer = Annotated[Page, signed_in(Role.VOLUNTEER, Role.ORGANISATION_STAFF)]
Volunteer = Annotated[Page, signed_in(Role.VOLUNTEER)]
AHEAD = timedelta(days=14)
LOOKS, LOOK_SECONDS = 15, 0.2  # for what is told from service to service


async def _visits(page: Page, first: Any, last: Any) -> list[dict[str, Any]]:
    answer = await page.get("daycare", "/visits", **{"from": first, "to": last}, person_id=page.me.person_id)
    return list(answer["items"])


async def _phone(page: Page, visit: dict[str, Any] | None) -> dict[str, Any] | None:
    if visit is None or not visit.get("centre_id"):
        return None
    centre: dict[str, Any] = await page.get("daycare", f"/centres/{visit['centre_id']}")
    return centre


async def _own_centre(page: Page) -> dict[str, Any] | None:
    """The centre at which a volunteer is registered: the number to dial when there is no visit to ask about."""
    return await _phone(page, await _mine(page)) if _is_volunteer(page) else None


def _is_volunteer(page: Page) -> bool:
    return bool(page.me.role and page.me.role.role is Role.VOLUNTEER)


async def _mine(page: Page) -> dict[str, Any] | None:
    """Who the reader is as a volunteer. None: has an account and has not said yet who they are."""
    try:
        mine: dict[str, Any] = await page.get("volunteers", f"/volunteers/{page.me.person_id}")
    except Problem as problem:
        if problem.status == 404:
            return None
        raise
    return mine


def _late(page: Page, visit: dict[str, Any] | None) -> bool:
    """Whether a withdrawal leaves little time to find somebody else."""
    near = timedelta(hours=float(rule_value("offer_near_hours", page.today)))
    return visit is not None and moment(visit["start"]) - page.now <= near


async def _along(page: Page, visit: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """The names of who else comes to a visit for two."""
    if visit is None or visit["carers"] == 1:
        return {}
    return await page.names({s["person_id"] for s in visit["slots"]} - {str(page.me.person_id)})


@ROUTER.get("")
async def today(page: Carer) -> Response:
    """The next visit, or the offer, as one card."""
    mine = await _mine(page) if _is_volunteer(page) else None
    if mine is None and _is_volunteer(page):
        return await page.done("/my/about")
    visits = await _visits(page, page.today, page.today + AHEAD)
    live = sorted(
        (v for v in visits if v["state"] in {"accepted", "rostered", "started", "offered", "open"}),
        key=lambda visit: moment(visit["start"]),
    )
    coming = next((v for v in live if v["state"] == "started"), None) or next(
        (v for v in live if moment(v["latest_start"]) > page.now - timedelta(hours=3)), None
    )
    detail = await page.get("daycare", f"/visits/{coming['visit_id']}") if coming else None
    names = await _along(page, detail)
    offers = await _offers(page) if _is_volunteer(page) else []
    centre = await _phone(page, detail) or await _phone(page, mine)
    return page.render(
        "carer/today.html",
        next=detail,
        names=names,
        late=_late(page, detail),
        centre=centre,
        later=[v for v in live if not coming or v["visit_id"] != coming["visit_id"]],
        offers=offers,
        ended=await _ended(page),
        my=str(page.me.person_id),
    )


async def _offers(page: Page) -> list[dict[str, Any]]:
    answer = await page.get("matcher", "/offers", person_id=page.me.person_id)
    return list(answer["items"])


async def _ended(page: Page) -> list[dict[str, Any]]:
    """What was cancelled of the coming days."""
    since, until = day_bounds(page.today)[0], day_bounds(page.today + AHEAD)[1]
    answer = await page.get(
        "matcher",
        "/assignments",
        person_id=page.me.person_id,
        since=since.isoformat(),
        until=until.isoformat(),
        ended=True,
    )
    return [a for a in answer["items"] if a["state"] == "released" and a["ended_why"] != "taken"]


@ROUTER.get("/visits/{visit_id}")
async def visit(page: Carer, visit_id: str) -> Response:
    """One visit of mine."""
    detail = await page.get("daycare", f"/visits/{visit_id}")
    return page.render(
        "carer/visit.html",
        next=detail,
        names=await _along(page, detail),
        late=_late(page, detail),
        centre=await _phone(page, detail),
        my=str(page.me.person_id),
    )


@ROUTER.post("/visits/{visit_id}/in")
async def check_in(page: Carer, visit_id: str) -> Response:
    body = {"person_id": str(page.me.person_id), **page.form.given("code")}
    try:
        await page.post("daycare", f"/visits/{visit_id}/check-in", body)
    except Problem as problem:
        return await page.refused("/my", problem)
    return await page.done("/my", page._("已签到。服务结束时请签退。"))


@ROUTER.post("/visits/{visit_id}/out")
async def check_out(page: Carer, visit_id: str) -> Response:
    body = {"person_id": str(page.me.person_id), **page.form.given("outcome")}
    try:
        await page.post("daycare", f"/visits/{visit_id}/check-out", body)
    except Problem as problem:
        return await page.refused("/my", problem)
    return await page.done("/my", page._("已签退，辛苦了！中心确认后记入时数。"))


@ROUTER.post("/visits/{visit_id}/outcome")
async def outcome(page: Carer, visit_id: str) -> Response:
    body = {"person_id": str(page.me.person_id), "outcome": page.form.text("outcome")}
    try:
        await page.post("daycare", f"/visits/{visit_id}/outcome", body)
    except Problem as problem:
        return await page.refused(f"/my/visits/{visit_id}", problem)
    return await page.done("/my", page._("已告诉照料中心，他们会马上联系家属。"))


@ROUTER.post("/assignments/{assignment_id}/withdraw")
async def withdraw(page: Volunteer, assignment_id: str) -> Response:
    body = page.form.given("reason")
    try:
        await page.post("matcher", f"/assignments/{assignment_id}/withdraw", body)
    except Problem as problem:
        return await page.refused("/my", problem)
    return await page.done("/my", page._("已退出，中心会另请别人。谢谢您提前告诉我们。"))


@ROUTER.get("/offers")
async def offers(page: Volunteer) -> Response:
    """Invitations, each with its reason and one large yes."""
    found = await _offers(page)
    centres = {o["centre_id"] for o in found if o["centre_id"]}
    phones = {c: await page.get("daycare", f"/centres/{c}") for c in centres}
    return page.render("carer/offers.html", offers=found, centres=phones)


@ROUTER.post("/offers/{offer_id}/accept")
async def accept(page: Volunteer, offer_id: str) -> Response:
    try:
        await page.post("matcher", f"/offers/{offer_id}/accept", {})
    except Problem as problem:
        return await page.refused("/my/offers", problem)
    if await _accepted_shown(page):
        return await page.done("/my", page._("谢谢您答应！地址和电话可以看了。"))
    return await page.done("/my", page._("谢谢您答应！地址和电话马上就来，请过一会儿再看。"))


async def _accepted_shown(page: Page) -> bool:
    """Whether every yes has come to daycare, which shows address and phone: waited for a little while."""
    since, until = day_bounds(page.today)[0].isoformat(), day_bounds(page.today + AHEAD)[1].isoformat()
    answer = await page.get("matcher", "/assignments", person_id=page.me.person_id, since=since, until=until)
    accepted = {a["assignment_id"] for a in answer["items"] if a["state"] == "accepted"}
    for _ in range(LOOKS):
        visits = await _visits(page, page.today, page.today + AHEAD)
        slots = [slot for visit in visits for slot in visit["slots"]]
        if accepted <= {slot["assignment_id"] for slot in slots if slot["state"] == "accepted"}:
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


@ROUTER.post("/offers/{offer_id}/decline")
async def decline(page: Volunteer, offer_id: str) -> Response:
    try:
        await page.post("matcher", f"/offers/{offer_id}/decline", page.form.given("why"))
    except Problem as problem:
        return await page.refused("/my/offers", problem)
    return await page.done("/my/offers", page._("已婉拒，不影响以后的邀请。"))


@ROUTER.get("/hours")
async def hours(page: Volunteer, cursor: str = "") -> Response:
    """The record of service: hours altogether, each service, trainings and awards."""
    try:
        record = await page.get("volunteers", f"/volunteers/{page.me.person_id}/records", cursor=cursor)
    except Problem as problem:
        if problem.status != 404:
            raise
        return await page.done("/my/about")
    names = await page.names({entry["responsible_id"] for entry in record["entries"]})
    return page.render("carer/hours.html", record=record, names=names, centre=await _own_centre(page))


@ROUTER.post("/hours/{attendance_id}/dispute")
async def dispute(page: Volunteer, attendance_id: str) -> Response:
    """Say what is wrong with a record: to who keeps it, day care or, of earlier service, the record itself (8.10)."""
    body = {"reason": page.form.text("reason")}
    earlier = f"/volunteers/{page.me.person_id}/records/{attendance_id}/dispute"
    service, path = (
        ("volunteers", earlier)
        if page.form.flag("earlier")
        else ("daycare", f"/attendances/{attendance_id}/dispute")
    )
    try:
        await page.post(service, path, body)
    except Problem as problem:
        return await page.refused("/my/hours", problem)
    return await page.done("/my/hours", page._("已告诉照料中心，他们会核对后更正。"))


@ROUTER.get("/week")
async def week(page: Carer) -> Response:
    """My visits of this week and the next."""
    first = monday(page.today)
    visits = await _visits(page, first, first + timedelta(days=13))
    days: dict[Any, list[dict[str, Any]]] = {}
    for each in sorted(visits, key=lambda visit: moment(visit["start"])):
        days.setdefault(wall_day(moment(each["start"])), []).append(each)
    return page.render("carer/week.html", days=sorted(days.items()))


@ROUTER.get("/about")
async def about_form(page: Volunteer) -> Response:
    """Who I am: the second step of registering, and later changes."""
    return await _about(page)


async def _about(page: Page, status: int = 200, **more: Any) -> Response:
    communities = await page.get("community", "/communities", limit=500)
    context = {
        "mine": await _mine(page),
        "communities": communities["items"],
        "values": await page.draft(),
        **more,
    }
    return page.render("carer/about.html", status, **context)


@ROUTER.post("/about/change")
async def change_about(page: Volunteer) -> Response:
    """What a volunteer changes of themselves: how to reach them, where they live, how they travel."""
    form = page.form
    body = {**form.given("phone", "travel_mode"), "limits": form.many("limits")}
    path = f"/volunteers/{page.me.person_id}"
    try:
        body |= await moved(page, await page.get("volunteers", path))
        await page.ask("volunteers", "PATCH", path, json=body, version=form.text("version"))
    except Problem as problem:
        return await _about(page, 422, problem=problem, values=form)
    return await page.done("/my/about", page._("已保存。"))


@ROUTER.post("/about")
async def about(page: Volunteer) -> Response:
    """Register: pending until the centre or one's community approves."""
    form = page.form
    body: dict[str, Any] = {
        "person_id": str(page.me.person_id),
        **form.given("name", "sex", "birth_date", "phone", "community_id", "address", "travel_mode"),
        "skills": form.many("skills"),
        "dialects": form.many("dialects"),
        "limits": form.many("limits"),
    }
    try:
        centres = await page.get("daycare", "/centres", community_id=form.text("community_id") or None)
        if form.text("community_id") and centres["items"]:
            body["centre_id"] = centres["items"][0]["centre_id"]
        body["place"] = await home_of(page, form.text("address"), form.text("community_id"))
        await page.post("volunteers", "/volunteers", body)
    except Problem as problem:
        return await _about(page, 422, problem=problem, values=form)
    return await page.done("/my/time", page._("登记好了。请填写有空的时间；照料中心或社区核实后就会邀请您。"))
