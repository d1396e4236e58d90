"""The planner's pages: broken since publication, plans, one visit's pins and bans, the map, contracts."""

from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.curves import curve, gap
from services.portal.maps import Sheet
from services.portal.page import Page, signed_in
from services.portal.pages.organisation import ledger, ledger_sheet
from services.portal.services import Problem
from shared.clock import wall
from shared.contracts.codes import Role
from shared.rules import rule_value

ROUTER = APIRouter(prefix="/plan")
Planner = Annotated[Page, signed_in(Role.PLANNER, Role.BUREAU, Role.TOWN)]
Contracts = Annotated[Page, signed_in(Role.PLANNER, Role.BUREAU, Role.TOWN, Role.AUDITOR)]
HORIZON = 7


async def places_of(page: Page) -> dict[str, str]:
    """Names of centres and communities, by id."""
    centres = await page.get("daycare", "/centres", limit=500)
    communities = await page.get("community", "/communities", limit=500)
    return {
        **{c["centre_id"]: c["name"] for c in centres["items"]},
        **{c["community_id"]: c["name"] for c in communities["items"]},
    }


@ROUTER.get("")
async def broken(page: Planner, community: str = "") -> Response:
    """Broken since publication, by risk and time left; of one community, when the map was clicked."""
    span = {"from": page.today, "to": page.today + timedelta(days=HORIZON - 1)}
    board = await page.get("matcher", "/board", **span)
    shown = [b for b in board["broken"] if not community or b["community_id"] == community]
    return page.render(
        "plan/broken.html", board=board, broken=shown, community=community, places=await places_of(page)
    )


@ROUTER.get("/plans")
async def plans(page: Planner) -> Response:
    """Plans, the newest first; ask for a new one."""
    found = await page.get("matcher", "/plans", limit=20)
    return page.render("plan/plans.html", plans=found["items"], first=page.today)


@ROUTER.post("/plans")
async def request_plan(page: Planner) -> Response:
    body = {**page.form.given("first_day"), "days": page.form.number("days") or HORIZON, "reason": "request"}
    try:
        plan = await page.post("matcher", "/plans", body)
    except Problem as problem:
        found = await page.get("matcher", "/plans", limit=20)
        return page.render(
            "plan/plans.html", 422, plans=found["items"], first=page.today, problem=problem, values=page.form
        )
    return await page.done(f"/plan/plans/{plan['plan_id']}", page._("已开始计算。"))


@ROUTER.get("/plans/{plan_id}")
async def plan(page: Planner, plan_id: str, unmet: bool = True) -> Response:
    """A plan: coverage by priority, share by channel, unmet with reason, bound and gap, load; publish or hold."""
    return await _plan(page, plan_id)


async def _plan(page: Page, plan_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("matcher", f"/plans/{plan_id}")
    unmet: list[Any] = []
    changes: list[Any] = []
    if found["summary"]:
        answer = await page.get("matcher", f"/plans/{plan_id}/visits", unmet=True, limit=200)
        unmet = answer["items"]
        if found["status"] in {"ready", "held"}:
            changes = await page.get("matcher", f"/plans/{plan_id}/changes")
    return page.render(
        "plan/plan.html",
        status,
        coverage=_by_priority(found["summary"]["coverage"]) if found["summary"] else [],
        unmet=unmet,
        changes=changes,
        last_day=date.fromisoformat(found["first_day"]) + timedelta(days=found["days"] - 1),
        owners=await _owners(page) if unmet else {},
        publishes_at=_publishes_at(page),
        **_at_work(found),
        **more,
    )


def _publishes_at(page: Page) -> str | None:
    """When today the office's hour lets a ready plan out by itself; None when it is past."""
    at = str(rule_value("auto_publish_at", page.today))
    return at if f"{wall(page.now):%H:%M}" < at else None


def _at_work(found: dict[str, Any]) -> dict[str, Any]:
    """What the parts of the page that come again are made of. `told` changes when the planner's choice does."""
    step = found["step"]["step"] if found["step"] else ""
    if step == "planned" and found["step"]["day"] == found["days"] - 1:
        step = "finished"
    day = found["step"]["day"] if found["step"] else 0
    told = [found["status"], step, str(day), *(["stop"] if found["stop_asked_at"] else [])]
    return {
        "plan": found,
        "working": found["status"] in {"queued", "running"},
        "step": step,
        "curve": curve(found["progress"]),
        "gap": gap,
        "told": "-".join([*told, *(["silent"] if found["silent"] else [])]).replace(" ", "-"),
    }


async def _owners(page: Page) -> dict[str, str]:
    """Who answers for a visit that is not met: the centre with the person in charge, else the community (8.12)."""
    centres = (await page.get("daycare", "/centres", limit=500))["items"]
    names = await page.names({c["in_charge_id"] for c in centres})
    owners = await places_of(page)
    for centre in centres:
        name = names.get(centre["in_charge_id"], {}).get("name")
        if name:
            owners[centre["centre_id"]] += f" · {name}"
    return owners


def _by_priority(coverage: dict[str, Any]) -> list[tuple[str, Any]]:
    """Coverage with the most pressing first: vital visits, then by urgency, then by grade."""
    urgencies = [f"urgency.{code}" for code in reversed(words.URGENCIES)]
    grades = [f"grade.{code}" for code in ("total", "severe", "moderate", "mild", "intact", "unknown")]
    rank = {group: number for number, group in enumerate([*urgencies, *grades], start=1)}
    return sorted(coverage.items(), key=lambda item: rank.get(item[0], 0))


@ROUTER.get("/plans/{plan_id}/progress")
async def progress(page: Planner, plan_id: str, told: str = "") -> Response:
    """The part of the page that is asked for again while the plan is at work; `told`: what it was told last."""
    context = _at_work(await page.get("matcher", f"/plans/{plan_id}"))
    news, here = told != context["told"], f"/plan/plans/{plan_id}"
    answer = page.render("plan/progress.html", news=news, here=here, **context)
    if not context["working"]:
        answer.headers["HX-Refresh"] = "true"
    return answer


@ROUTER.post("/plans/{plan_id}/stop")
async def stop(page: Planner, plan_id: str) -> Response:
    """End the work: what stands is the plan; without a first plan there is none."""
    try:
        plan = await page.post("matcher", f"/plans/{plan_id}/stop")
    except Problem as problem:
        return await page.refused(f"/plan/plans/{plan_id}", problem)
    if plan["status"] == "cancelled":
        return await page.done(f"/plan/plans/{plan_id}", page._("已取消。"))
    return await page.done(f"/plan/plans/{plan_id}")


@ROUTER.post("/plans/{plan_id}/publish")
async def publish(page: Planner, plan_id: str) -> Response:
    """Send a plan out; over changes only after they were seen (8.18)."""
    params = {"despite_changes": True} if page.form.flag("despite_changes") else None
    try:
        done = await page.ask(
            "matcher",
            "POST",
            f"/plans/{plan_id}/publish",
            json={},
            params=params,
            version=page.form.text("version"),
            key="d" if params else "",
        )
    except Problem as problem:
        return await _plan(page, plan_id, 422, problem=problem)
    sent = done["counts"].get("published", 0)
    return await page.done(
        f"/plan/plans/{plan_id}", page._("已发布，{count} 次服务发出了邀请或排班。", count=sent)
    )


@ROUTER.post("/plans/{plan_id}/hold")
async def hold(page: Planner, plan_id: str) -> Response:
    try:
        await page.post("matcher", f"/plans/{plan_id}/hold", {})
    except Problem as problem:
        return await page.refused(f"/plan/plans/{plan_id}", problem)
    return await page.done(f"/plan/plans/{plan_id}", page._("已暂缓，不会自动发布。"))


@ROUTER.get("/visits/{visit_id}")
async def visit(page: Planner, visit_id: str) -> Response:
    """One visit: why nobody, who could come, pin or forbid with the cost shown before."""
    return await _visit(page, visit_id)


async def _visit(page: Page, visit_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("daycare", f"/visits/{visit_id}")
    why, candidates = None, []
    try:
        why = await page.get("matcher", f"/visits/{visit_id}/why")
        candidates = await page.get("matcher", f"/visits/{visit_id}/candidates", most=10)
    except Problem as problem:
        if problem.status not in {404, 409}:
            raise
    staffing = await page.get("matcher", "/staffing", visit_ids=visit_id)
    people = {c["person_id"] for c in candidates} | {
        p["person_id"] for s in staffing["items"] for p in s["places"]
    }
    context: dict[str, Any] = {"cost": None, "chosen": "", "action": "", **more}
    return page.render(
        "plan/visit.html",
        status,
        visit=found,
        why=why,
        candidates=candidates,
        staffing=staffing["items"],
        names=await page.names(people),
        **context,
    )


@ROUTER.post("/visits/{visit_id}/what-if")
async def what_if(page: Planner, visit_id: str) -> Response:
    body = {"carer_id": page.form.text("carer_id"), "action": page.form.text("action")}
    try:
        cost = await page.post("matcher", f"/visits/{visit_id}/what-if", body)
    except Problem as problem:
        return await _visit(page, visit_id, 422, problem=problem)
    return await _visit(page, visit_id, cost=cost, chosen=body["carer_id"], action=body["action"])


@ROUTER.post("/visits/{visit_id}/{action}")
async def override(page: Planner, visit_id: str, action: str) -> Response:
    """Pin (an invitation, never an acceptance) or forbid."""
    if action not in {"pin", "forbid"}:
        return await page.done(f"/plan/visits/{visit_id}")
    body = {"carer_id": page.form.text("carer_id"), "action": action}
    try:
        await page.post("matcher", f"/visits/{visit_id}/{action}", body)
    except Problem as problem:
        return await _visit(page, visit_id, 422, problem=problem)
    text = page._("已按您的选择邀请或排班。") if action == "pin" else page._("这一次不再安排这个人。")
    return await page.done(f"/plan/visits/{visit_id}", text)


@ROUTER.get("/map")
async def city_map(page: Planner, days: int = 1) -> Response:
    """Communities as outlines coloured by coverage; unmet as counts, residents never as points."""
    days = min(HORIZON, max(1, days))
    span = {"from": page.today, "to": page.today + timedelta(days=days - 1)}
    board = await page.get("matcher", "/board", **span)
    fair = await page.get("matcher", "/fairness", **span)
    communities = (await page.get("community", "/communities", limit=500))["items"]
    unmet = Counter(each["community_id"] for each in board["broken"])
    covered = {each["name"]: each for each in fair["communities"]}
    sheet = Sheet([point for c in communities for point in c["outline"]], width=1000)
    shapes = [
        {
            **covered.get(c["community_id"], {"asked": None, "held": None}),
            "community_id": c["community_id"],
            "name": c["name"],
            "points": sheet.ring(c["outline"]),
            "at": sheet.at(c["lon"], c["lat"]),
            "count": unmet[c["community_id"]],
        }
        for c in communities
    ]
    for shape in shapes:
        shape["level"] = _level(shape["held"] / shape["asked"]) if shape["asked"] else "none"
    return page.render("plan/map.html", shapes=shapes, width=sheet.width, height=sheet.height, days=days)


def _level(rate: float) -> int:
    """The map's colour for a coverage: best first."""
    return next((level for level, least in enumerate((0.95, 0.85, 0.7)) if rate >= least), 3)


@ROUTER.get("/contracts")
async def contracts(page: Contracts) -> Response:
    """Every contract's lines with their units."""
    found = await page.get("projects", "/contracts", limit=200)
    return page.render("organisation/contracts.html", contracts=found["items"], base="/plan")


@ROUTER.get("/lines/{line_id}")
async def deliveries(page: Contracts, line_id: str, cursor: str = "") -> Response:
    return await ledger(page, line_id, cursor, "/plan")


@ROUTER.get("/lines/{line_id}/export.xlsx")
async def export(page: Contracts, line_id: str) -> Response:
    return await ledger_sheet(page, line_id)
