"""Social organisations: the week by member of staff, the day's roster, swaps, leave, contract lines."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Page, signed_in
from services.portal.pages.centre import instant_of
from services.portal.services import Problem
from services.portal.sheets import sheet
from services.portal.times import moment, monday
from shared.clock import day_bounds, wall_day
from shared.contracts.codes import Role
from shared.web.language import _

ROUTER = APIRouter(prefix="/organisation")
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]

LEDGER = (
    _("日期"),
    _("服务"),
    _("员工"),
    _("结果"),
    _("分钟"),
    _("单位"),
    _("金额（元）"),
    _("说明"),
    _("超出合同量"),
)


def _week(text: str, today: date) -> date:
    try:
        return monday(date.fromisoformat(text))
    except ValueError:
        return monday(today)


@ROUTER.get("")
async def week(page: Dispatcher, of: str = "") -> Response:
    """The week by member of staff, and the days whose roster waits to be confirmed."""
    first = _week(of, page.today)
    since, until = day_bounds(first)[0], day_bounds(first + timedelta(days=6))[1]
    places = await page.get(
        "matcher",
        "/assignments",
        organisation_id=page.scope,
        since=since.isoformat(),
        until=until.isoformat(),
    )
    staff = await page.get("projects", "/staff", organisation_id=page.scope, limit=500)
    organisation = await page.get("projects", f"/organisations/{page.scope}")
    days = [first + timedelta(days=n) for n in range(7)]
    grid: dict[str, dict[date, list[dict[str, Any]]]] = {}
    open_days: dict[date, int] = {}
    for place in places["items"]:
        day = wall_day(moment(place["start"]))
        grid.setdefault(place["person_id"], {}).setdefault(day, []).append(place)
        if not place["confirmed"] and day >= page.today:
            open_days[day] = open_days.get(day, 0) + 1
    return page.render(
        "organisation/week.html",
        organisation=organisation,
        staff=sorted(staff["items"], key=lambda s: s["name"]),
        grid=grid,
        days=days,
        first=first,
        before=first - timedelta(days=7),
        after=first + timedelta(days=7),
        open_days=sorted(open_days.items()),
    )


@ROUTER.post("/confirm")
async def confirm(page: Dispatcher) -> Response:
    """Confirm a day's roster in one step (8.16)."""
    body = {"organisation_id": str(page.scope), "day": page.form.text("day")}
    try:
        done = await page.post("matcher", "/rosters/confirm", body)
    except Problem as problem:
        return await page.refused("/organisation", problem)
    return await page.done("/organisation", page._("已确认 {count} 次服务。", count=done["confirmed"]))


@ROUTER.get("/places/{assignment_id}")
async def place(page: Dispatcher, assignment_id: str) -> Response:
    """One place of the roster: who else may take it, and which rule forbids the others (8.16)."""
    return await _place(page, assignment_id)


async def _place(page: Page, assignment_id: str, status: int = 200, **more: Any) -> Response:
    candidates = await page.get("matcher", f"/assignments/{assignment_id}/swap-candidates")
    staff = await page.get("projects", "/staff", organisation_id=page.scope, limit=500)
    names = {s["carer_id"]: s for s in staff["items"]}
    return page.render(
        "organisation/place.html",
        status,
        assignment_id=assignment_id,
        candidates=candidates,
        names=names,
        **more,
    )


@ROUTER.post("/places/{assignment_id}/swap")
async def swap(page: Dispatcher, assignment_id: str) -> Response:
    try:
        await page.post(
            "matcher", f"/assignments/{assignment_id}/swap", {"carer_id": page.form.text("carer_id")}
        )
    except Problem as problem:
        return await _place(page, assignment_id, 422, problem=problem)
    return await page.done("/organisation", page._("已调换。"))


@ROUTER.get("/staff")
async def staff(page: Dispatcher) -> Response:
    """The own staff: hours, licences, leave, their way in."""
    return await _staff(page)


async def _staff(page: Page, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", "/staff", organisation_id=page.scope, limit=500)
    staff = sorted(found["items"], key=lambda s: (not s["active"], s["name"]))
    accounts: dict[str, dict[str, Any]] = {}
    for start in range(0, len(staff), 100):
        people = [s["person_id"] for s in staff[start : start + 100]]
        answer = await page.get("identity", "/accounts", person_id=people)
        accounts |= {a["person_id"]: a for a in answer["items"]}
    context: dict[str, Any] = {"invited": None, "whom": "", **more}
    return page.render("organisation/staff.html", status, staff=staff, accounts=accounts, **context)


@ROUTER.post("/staff/{person_id}/invite")
async def invite(page: Dispatcher, person_id: str) -> Response:
    """An account for one of the own staff, with a one-time password to hand over."""
    role = {"role": "organisation_staff", "scope": "organisation", "scope_id": str(page.scope)}
    body = {"person_id": person_id, **page.form.given("username"), "memberships": [role]}
    try:
        invited = await page.post("identity", "/accounts", body)
    except Problem as problem:
        return await _staff(page, 422, problem=problem)
    return await _staff(page, invited=invited, whom=person_id)


@ROUTER.post("/staff/{person_id}/reset/{account_id}")
async def reset(page: Dispatcher, person_id: str, account_id: str) -> Response:
    try:
        invited = await page.post("identity", f"/accounts/{account_id}/password-reset", {})
    except Problem as problem:
        return await _staff(page, 422, problem=problem)
    return await _staff(page, invited=invited, whom=person_id)


@ROUTER.post("/staff/{person_id}/leave")
async def leave(page: Dispatcher, person_id: str) -> Response:
    """Leave, or another client's hours: nothing is planned then."""
    form = page.form
    body = {
        "kind": form.text("kind") or "leave",
        "starts_at": instant_of(form.text("starts_at")),
        "ends_at": instant_of(form.text("ends_at")),
    }
    try:
        await page.post("projects", f"/staff/{person_id}/leave", body)
    except Problem as problem:
        return await page.refused("/organisation/staff", problem)
    return await page.done("/organisation/staff", page._("已登记，期间不会安排。"))


@ROUTER.post("/staff/{person_id}/leave/{leave_id}/drop")
async def drop_leave(page: Dispatcher, person_id: str, leave_id: str) -> Response:
    try:
        await page.ask("projects", "DELETE", f"/staff/{person_id}/leave/{leave_id}")
    except Problem as problem:
        return await page.refused("/organisation/staff", problem)
    return await page.done("/organisation/staff", page._("已取消。"))


@ROUTER.get("/contracts")
async def contracts(page: Dispatcher) -> Response:
    """Each contract line's units: accepted, delivered, reserved, free; the pace against the calendar (8.19). And grants."""
    found = await page.get("projects", "/contracts", organisation_id=page.scope)
    grants = await page.get("projects", "/grants", limit=100)
    incubations = await page.get("projects", "/incubations", limit=1)
    return page.render(
        "organisation/contracts.html",
        contracts=found["items"],
        base="/organisation",
        grants=[g for g in grants["items"] if g["organisation_id"] == str(page.scope)],
        incubated=bool(incubations["items"]),
        refused=await page.get("projects", "/refusals", limit=1),
    )


@ROUTER.get("/lines/{line_id}")
async def deliveries(page: Dispatcher, line_id: str, cursor: str = "") -> Response:
    """A line's delivery ledger."""
    return await ledger(page, line_id, cursor, "/organisation")


@ROUTER.get("/lines/{line_id}/export.xlsx")
async def export(page: Dispatcher, line_id: str) -> Response:
    """The ledger as XLSX."""
    return await ledger_sheet(page, line_id)


async def ledger_sheet(page: Page, line_id: str) -> Response:
    """A line's whole delivery ledger, newest first, money in yuan; a reversal is below zero."""
    entries = await page.every("projects", "/deliveries", line_id=line_id)
    names = await page.names({d["person_id"] for d in entries})
    rows = [
        [
            d["day"],
            page._(words.KINDS[d["kind"]]),
            str(names.get(d["person_id"], {}).get("name") or ""),
            page._(words.OUTCOMES[d["outcome"]]),
            d["minutes"],
            Decimal(d["units"]) / 100,
            Decimal(d["amount_fen"]) / 100,
            page._(_("更正冲回") if d["reversal"] else _("更正后"))
            if d["reversal"] or d["revision"] > 1
            else "",
            page._(_("超出合同量")) if d["disputed"] else "",
        ]
        for d in entries
    ]
    return sheet(f"deliveries-{page.today}", [page._(head) for head in LEDGER], rows)


async def ledger(page: Page, line_id: str, cursor: str, base: str) -> Response:
    """A line's delivery ledger, newest first."""
    found = await page.get("projects", "/deliveries", line_id=line_id, cursor=cursor, limit=100)
    names = await page.names({d["person_id"] for d in found["items"]})
    return page.render(
        "organisation/ledger.html",
        entries=found["items"],
        next=found["next"],
        names=names,
        line_id=line_id,
        base=base,
    )
