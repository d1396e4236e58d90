"""The desk: needs posted, changed, copied, imported; the call list; tasks; visits from paper."""

import base64
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Form, Page, signed_in
from services.portal.pages.centre import instant_of
from services.portal.places import somewhere
from services.portal.services import Problem
from services.portal.sheets import sheet
from services.portal.times import monday
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/centre")
Desk = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.SOCIAL_WORKER)]
Centre = Annotated[Page, signed_in(Role.CENTRE_STAFF)]
Caller = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.TOWN)]
Lists = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.TOWN)]
MOST_RESIDENTS = 500
MOST_COMMUNITIES = 60


async def residents(page: Page, **where: Any) -> list[dict[str, Any]]:
    """Residents within the reader's reach, by name."""
    answer = await page.get("daycare", "/residents", limit=MOST_RESIDENTS, **where)
    return sorted(answer["items"], key=lambda r: r["name"])


@ROUTER.get("/needs")
async def needs(page: Desk, state: str = "active", kind: str = "", cursor: str = "") -> Response:
    """Needs, the newest first."""
    answer = await page.get(
        "daycare", "/needs", centre_id=page.scope, state=state, kind=kind, cursor=cursor, limit=50
    )
    return page.render("desk/needs.html", needs=answer["items"], next=answer["next"], state=state, kind=kind)


def need_body(form: Form) -> dict[str, Any]:
    """A need as its form says it. What is left empty is the catalogue's."""
    body: dict[str, Any] = {
        "resident_ids": form.many("resident_ids"),
        "together": form.flag("together"),
        **form.given("kind", "first_day", "earliest", "urgency", "place", "social_worker_id", "note"),
        "latest": form.text("latest") or form.text("earliest"),
        "carers": 2 if form.text("carers") == "2" else 1,
        "lone_risk": form.flag("lone_risk"),
    }
    days = [d for d in form.many("weekday") if d in words.RRULE_DAYS]
    if form.text("repeat") == "daily":
        body["rrule"] = "FREQ=DAILY"
    elif form.text("repeat") == "weekly":
        body["rrule"] = "FREQ=WEEKLY" + (f";BYDAY={','.join(days)}" if days else "")
    elif form.text("repeat") == "fortnightly":
        body["rrule"] = "FREQ=WEEKLY;INTERVAL=2" + (f";BYDAY={','.join(days)}" if days else "")
    if "rrule" in body and form.text("last_day"):
        body["last_day"] = form.text("last_day")
    if form.text("minutes"):
        body["minutes"] = form.number("minutes")
    if form.many("skills"):
        body["skills"] = form.many("skills")
    if form.text("sex_wish"):
        body["sex_wish"] = {"sex": form.text("sex_wish"), "hard": form.flag("sex_hard")}
    if form.text("dialect_wish"):
        body["dialect_wish"] = {"dialect": form.text("dialect_wish"), "hard": form.flag("dialect_hard")}
    if form.text("remote"):
        body["remote"] = True
    if form.text("on_holidays"):
        body["on_holidays"] = form.text("on_holidays") == "yes"
    return body


async def need_form(page: Page, action: str, status: int = 200, **context: Any) -> Response:
    """The form of a new need."""
    where = {"centre_id": page.scope} if page.me.role and page.me.role.role is Role.CENTRE_STAFF else {}
    people = await residents(page, **where)
    communities = sorted({str(r["community_id"]) for r in people})[:MOST_COMMUNITIES]
    workers = await page.get("identity", "/social-workers", community_id=communities) if communities else []
    return page.render(
        "desk/need_form.html", status, action=action, residents=people, workers=workers, **context
    )


@ROUTER.get("/needs/new")
async def new_need(page: Desk, resident: str = "") -> Response:
    draft = await page.draft()
    chosen = draft if draft.fields else Form([("resident_ids", resident)] if resident else [])
    return await need_form(page, "/centre/needs/new", values=chosen)


@ROUTER.post("/needs/new")
async def post_need(page: Desk) -> Response:
    """Post a need (8.6)."""
    return await take_need(page, "/centre/needs/new", "/centre/needs/")


async def take_need(page: Page, action: str, then: str) -> Response:
    """Post what a need's form says, and show what became of it."""
    try:
        if not page.form.many("resident_ids"):
            said = page._("请先勾选哪位老人。")
            raise Problem(422, {"detail": said, "errors": [{"field": "resident_ids", "message": said}]})
        body = need_body(page.form)
        if page.form.text("place") == "other":
            body["other"] = await somewhere(page, "other_address")
        body["end"] = await somewhere(page, "end_address")
        posted = await page.post("daycare", "/needs", body)
    except Problem as problem:
        if problem.status in {403, 409, 422}:
            return await need_form(page, action, 422, problem=problem, values=page.form)
        raise
    text = page._("已提出，接下来 {count} 次服务会排进计划。", count=posted["visits"])
    path = then + posted["id"] if then.endswith("/") else then
    return await page.done(f"{path}?sent=need", text)


@ROUTER.get("/needs/copy")
async def copy_form(page: Centre, week: str = "") -> Response:
    """Copy last week: a preview of each line with its reason (8.8)."""
    return page.render("desk/copy.html", copied=None, done=False, **_weeks(page))


def _weeks(page: Page) -> dict[str, Any]:
    this = monday(page.today)
    return {
        "from_week": page.form.text("from_week") or this - timedelta(days=7),
        "to_week": page.form.text("to_week")
        or (this if page.today.weekday() < 3 else this + timedelta(days=7)),
    }


@ROUTER.post("/needs/copy")
async def copy(page: Centre) -> Response:
    preview = page.form.text("preview") == "1"
    body = {"centre_id": str(page.scope), **page.form.given("from_week", "to_week"), "preview": preview}
    try:
        copied = await page.post("daycare", "/needs/copy-week", body, key="p" if preview else "c")
    except Problem as problem:
        return page.render("desk/copy.html", 422, copied=None, done=False, problem=problem, **_weeks(page))
    return page.render("desk/copy.html", copied=copied, done=not preview, **_weeks(page))


@ROUTER.get("/needs/import")
async def import_form(page: Centre) -> Response:
    return page.render("desk/import.html", what="needs", result=None, done=False, file=None)


@ROUTER.post("/needs/import")
async def import_needs(page: Centre) -> Response:
    """Needs from XLSX or CSV: a preview first, then the deed with the same file (8.8)."""
    file = await sent_file(page)
    if file is None:
        return await page.done("/centre/needs/import", page._("请选择文件。"))
    preview = page.form.text("preview") != "0"
    try:
        result = await page.post("daycare", "/needs/import", {**file, "preview": preview}, key=f"{preview}")
    except Problem as problem:
        return page.render(
            "desk/import.html", 422, what="needs", result=None, done=False, file=None, problem=problem
        )
    if page.form.flag("bad"):
        return bad_rows(page, "needs", result)
    return page.render("desk/import.html", what="needs", result=result, done=not preview, file=file)


def bad_rows(page: Page, what: str, result: dict[str, Any]) -> Response:
    """The rows that did not go in, as they were, with the reason in a last column: to be mended and sent again (8.8)."""
    rows = [
        [*line["values"], "；".join(line["reasons"])] for line in result["lines"] if line["result"] == "bad"
    ]
    return sheet(f"{what}-{page.today}", [*result["header"], page._("原因")], rows)


async def sent_file(page: Page) -> dict[str, str] | None:
    """The file of a form, or the one that its preview carried along."""
    if page.form.text("content"):
        return {"name": page.form.text("name"), "content": page.form.text("content")}
    upload = page.form.files.get("file")
    if upload is None or not upload.filename:
        return None
    content = await upload.read()
    return {"name": upload.filename[-60:], "content": base64.b64encode(content).decode()}


@ROUTER.get("/needs/{need_id}")
async def need(page: Lists, need_id: str, visit: str = "") -> Response:
    """One need with its coming visits."""
    return await _need(page, need_id, visit)


async def _need(page: Page, need_id: str, visit: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("daycare", f"/needs/{need_id}")
    visits = await page.get(
        "daycare",
        "/visits",
        need_id=need_id,
        **{"from": page.today - timedelta(days=7), "to": page.today + timedelta(days=60)},
    )
    chosen = next((v for v in visits["items"] if v["visit_id"] == visit), None)
    in_charge = await page.names({found["social_worker_id"]})
    context = {"preview": None, "deed": "", **more}
    return page.render(
        "desk/need.html",
        status,
        need=found,
        visits=visits["items"],
        visit=chosen,
        in_charge=in_charge,
        **context,
    )


@ROUTER.post("/needs/{need_id}/cancel")
async def cancel_need(page: Lists, need_id: str) -> Response:
    """Cancel this, this and following, or all: first whom it affects, then the deed."""
    form = page.form
    preview = form.text("preview") == "1"
    body = {**form.given("which", "visit_id", "reason"), "preview": preview}
    try:
        done = await page.post("daycare", f"/needs/{need_id}/cancel", body, key="p" if preview else "c")
    except Problem as problem:
        return await _need(page, need_id, form.text("visit_id"), 422, problem=problem, values=form)
    if preview:
        names = await page.names({p for a in done["affected"] for p in a["held_by"]})
        return await _need(
            page,
            need_id,
            form.text("visit_id"),
            preview=done["affected"],
            deed="cancel",
            values=form,
            names=names,
        )
    return await page.done(
        f"/centre/needs/{need_id}", page._("已取消 {count} 次服务。", count=len(done["affected"]))
    )


@ROUTER.post("/needs/{need_id}/change")
async def change_need(page: Lists, need_id: str) -> Response:
    """Change this, this and following, or all: first whom it affects, then the deed."""
    form = page.form
    preview = form.text("preview") == "1"
    body: dict[str, Any] = {
        **form.given("which", "visit_id", "earliest", "latest", "day", "last_day", "note"),
        "preview": preview,
    }
    if form.text("minutes"):
        body["minutes"] = form.number("minutes")
    if body.get("which") != "this":
        body.pop("day", None)
    if body.get("which") == "all":
        body.pop("visit_id", None)
    try:
        done = await page.ask(
            "daycare", "PATCH", f"/needs/{need_id}", json=body, version=form.text("version")
        )
    except Problem as problem:
        return await _need(page, need_id, form.text("visit_id"), 422, problem=problem, values=form)
    if preview:
        names = await page.names({p for a in done["affected"] for p in a["held_by"]})
        return await _need(
            page,
            need_id,
            form.text("visit_id"),
            preview=done["affected"],
            deed="change",
            values=form,
            names=names,
        )
    return await page.done(f"/centre/needs/{done['id']}", page._("已更改。"))


@ROUTER.get("/calls")
async def calls(page: Caller) -> Response:
    """The call list of a centre or a town: offers by deadline, with number and script (8.13)."""
    town = bool(page.me.role and page.me.role.role is Role.TOWN)
    answer = await page.get("matcher", "/offers", limit=200, **page.within)
    names = await page.names({o["person_id"] for o in answer["items"]})
    here = await (
        page.get("community", f"/areas/{page.scope}")
        if town
        else page.get("daycare", f"/centres/{page.scope}")
    )
    centres: dict[str, str] = {}
    if town:
        found = await page.get("daycare", "/centres", town_id=page.scope, limit=500)
        centres = {c["centre_id"]: c["name"] for c in found["items"]}
    return page.render(
        "desk/calls.html", offers=answer["items"], names=names, desk=here["name"], centres=centres
    )


@ROUTER.post("/calls/{offer_id}/{answer}")
async def answer_call(page: Caller, offer_id: str, answer: str) -> Response:
    """Said yes, said no, not reached: taken by phone, it counts as the person's own (8.13)."""
    said = {"accept": page._("记下了：答应。"), "decline": page._("记下了：婉拒。")}
    body: dict[str, Any] = {}
    if answer in said:
        body = {"taken_from": page.form.text("taken_from") or page._("本人"), **page.form.given("why")}
    elif answer != "not-reached":
        return await page.done("/centre/calls")
    if answer == "accept":
        body.pop("why", None)
    try:
        await page.post("matcher", f"/offers/{offer_id}/{answer}", body)
    except Problem as problem:
        return await page.refused("/centre/calls", problem)
    return await page.done("/centre/calls", said.get(answer) or page._("记下了：没打通，过会儿再打。"))


@ROUTER.get("/tasks")
async def tasks(page: Lists, closed: bool = False) -> Response:
    """What someone must see to, with its owner (8.12)."""
    where = {"centre_id": page.scope} if page.me.role and page.me.role.role is Role.CENTRE_STAFF else {}
    answer = await page.get("daycare", "/tasks", closed=closed, limit=200, **where)
    names = await page.names({t["owner_id"] for t in answer["items"]})
    return page.render("desk/tasks.html", tasks=answer["items"], closed=closed, names=names)


@ROUTER.post("/tasks/{task_id}/close")
async def close_task(page: Lists, task_id: str) -> Response:
    body = page.form.given("told_whom", "how", "answer")
    back = "/centre" if page.me.role and page.me.role.role is Role.CENTRE_STAFF else "/centre/tasks"
    try:
        await page.post("daycare", f"/tasks/{task_id}/close", body)
    except Problem as problem:
        return await page.refused(back, problem)
    return await page.done(back, page._("已记下告知了谁。"))


@ROUTER.get("/paper")
async def paper_form(page: Centre) -> Response:
    """A visit that took place on paper, up to ten working days back (8.10)."""
    return await _paper(page, values=await page.draft())


async def _paper(page: Page, status: int = 200, **context: Any) -> Response:
    people = await page.get("volunteers", "/volunteers", centre_id=page.scope, status="approved", limit=500)
    centre = await page.get("daycare", f"/centres/{page.scope}")
    names = await page.names({centre["in_charge_id"], page.me.person_id})
    in_charge = dict.fromkeys(str(p) for p in (centre["in_charge_id"], page.me.person_id) if p)
    return page.render(
        "desk/paper.html",
        status,
        residents=await residents(page, centre_id=page.scope),
        people=sorted(people["items"], key=lambda p: p["name"]),
        in_charge=[(p, names.get(p, {}).get("name") or page._("负责人")) for p in in_charge],
        **context,
    )


@ROUTER.post("/paper")
async def paper(page: Centre) -> Response:
    """One sheet: everybody who came, everybody they came to."""
    form = page.form
    body = {
        "resident_ids": form.many("resident_ids"),
        "person_ids": form.many("person_ids"),
        **form.given("kind"),
        "started_at": instant_of(form.text("started_at")),
        "ended_at": instant_of(form.text("ended_at")),
        "responsible_id": form.text("responsible_id") or str(page.me.person_id),
    }
    try:
        for name, said in (
            ("resident_ids", page._("请先勾选哪位老人。")),
            ("person_ids", page._("请先勾选哪位志愿者。")),
        ):
            if not body[name]:
                raise Problem(422, {"detail": said, "errors": [{"field": name, "message": said}]})
        await page.post("daycare", "/visits/paper", body)
    except Problem as problem:
        return await _paper(page, 422, problem=problem, values=form)
    return await page.done(
        "/centre", page._("已补录，记入 {count} 人的时数。", count=len(body["person_ids"]))
    )
