"""The day-care centre's today, and one visit: who comes, attendance, confirmation."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Page, signed_in
from services.portal.printing import qr
from services.portal.services import Problem
from services.portal.sheets import sheet
from services.portal.times import clock, moment
from shared.clock import ZONE
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/centre")
Centre = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.SOCIAL_WORKER)]
Desk = Annotated[
    Page, signed_in(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER, Role.GRID_WORKER)
]
DAY_START, DAY_END = 6, 22


def people_of(visits: list[dict[str, Any]]) -> set[str]:
    """Everyone who is asked for, comes or came."""
    return {s["person_id"] for v in visits for s in v["slots"]} | {
        a["person_id"] for v in visits for a in v["attendances"]
    }


def _day(text: str, today: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return today


def timeline(
    visits: list[dict[str, Any]], names: dict[str, dict[str, Any]], side: str = "carer"
) -> list[dict[str, Any]]:
    """A row a carer (and one for visits nobody comes to), or a row a resident; bars in minutes since the left edge."""
    rows: dict[str, dict[str, Any]] = {}
    for visit in visits:
        for key, name, start, end in _by_resident(visit) if side == "resident" else _by_carer(visit, names):
            begin = _minutes(start)
            rows.setdefault(key, {"name": name, "bars": []})["bars"].append(
                {
                    "x": max(0, begin - DAY_START * 60),
                    "width": max(10, _minutes(end) - begin),
                    "state": "late" if visit["late"] else visit["state"],
                    "visit": visit,
                }
            )
    for row in rows.values():
        row["bars"].sort(key=lambda bar: bar["x"])
    ordered = sorted(rows.items(), key=lambda item: (item[0] != "", item[1]["bars"][0]["x"]))
    return [row for _, row in ordered]


def _by_carer(
    visit: dict[str, Any], names: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, str | None, str, str]]:
    held = [s for s in visit["slots"] if s["state"] in {"accepted", "rostered"}]
    for slot in held:
        name = names.get(slot["person_id"], {}).get("name")
        yield slot["person_id"], name, slot["start"], slot["end"]
    if len(held) < visit["carers"] and visit["state"] not in {"done", "cancelled"}:
        yield "", None, visit["start"], _planned_end(visit)


def _by_resident(visit: dict[str, Any]) -> Iterator[tuple[str, str | None, str, str]]:
    if visit["state"] != "cancelled":
        for resident in visit["residents"]:
            yield resident["person_id"], resident["name"], visit["start"], _planned_end(visit)


def _planned_end(visit: dict[str, Any]) -> str:
    return (moment(visit["start"]) + timedelta(minutes=visit["minutes"])).isoformat()


def _minutes(at: str) -> int:
    local = moment(at).astimezone(ZONE)
    return local.hour * 60 + local.minute


def _runs(page: Page) -> bool:
    """Whether the reader is the centre's own staff."""
    return page.me.role is not None and page.me.role.role is Role.CENTRE_STAFF


@ROUTER.get("")
async def today(page: Centre, day: str = "", side: str = "") -> Response:
    """Today first: who comes to whom, what is late, what is red. `side`: whose rows the timeline has."""
    chosen = _day(day, page.today)
    board = await page.get("daycare", "/board", centre_id=page.scope, day=chosen)
    names = await page.names(people_of(board["visits"] + board["unsettled"]))
    disputes = await page.get("volunteers", "/disputes", centre_id=page.scope) if _runs(page) else []
    return page.render(
        "centre/today.html",
        board=board,
        disputes=len(disputes),
        chosen=chosen,
        before=chosen - timedelta(days=1),
        after=chosen + timedelta(days=1),
        names=names,
        rows=timeline(board["visits"], names, side),
        side=side,
        hours=range(DAY_START, DAY_END + 1, 2),
        start=DAY_START,
    )


@ROUTER.get("/print")
async def printed(page: Centre, day: str = "") -> Response:
    """The day on A4 and as a sign-in sheet: each visit with the code at the door and a QR code to check in by."""
    chosen = _day(day, page.today)
    board = await page.get("daycare", "/board", centre_id=page.scope, day=chosen)
    details = [
        await page.get("daycare", f"/visits/{v['visit_id']}")
        for v in sorted(board["visits"], key=lambda visit: moment(visit["start"]))
        if v["state"] != "cancelled"
    ]
    return page.render(
        "centre/print.html",
        board=board,
        chosen=chosen,
        visits=[{**v, "qr": qr(page, f"/my/visits/{v['visit_id']}", 2)} for v in details],
        names=await page.names(people_of(details)),
    )


@ROUTER.get("/export.xlsx")
async def export(page: Centre, day: str = "") -> Response:
    """The day as XLSX."""
    chosen = _day(day, page.today)
    board = await page.get("daycare", "/board", centre_id=page.scope, day=chosen)
    names = await page.names(people_of(board["visits"]))
    heads = ("开始", "服务", "老人", "分钟", "服务人员", "电话", "状态", "到", "走")
    rows = []
    for visit in sorted(board["visits"], key=lambda each: moment(each["start"])):
        held = [s for s in visit["slots"] if s["state"] in {"accepted", "rostered"}]
        came = visit["attendances"]
        rows.append(
            [
                clock(visit["start"]),
                page._(words.KINDS[visit["kind"]]),
                "、".join(r["name"] or "" for r in visit["residents"]),
                visit["minutes"],
                "、".join(str(names.get(s["person_id"], {}).get("name") or "") for s in held),
                "、".join(str(names.get(s["person_id"], {}).get("phone") or "") for s in held),
                page._(words.STATES[visit["state"]][0]),
                "、".join(clock(a["started_at"]) for a in came if a["started_at"]),
                "、".join(clock(a["ended_at"]) for a in came if a["ended_at"]),
            ]
        )
    return sheet(chosen.isoformat(), [page._(h) for h in heads], rows)


@ROUTER.get("/visits/{visit_id}")
async def visit(page: Desk, visit_id: str) -> Response:
    """One visit: who comes, or why nobody yet; check in and out for others; confirm, correct, rate, cancel."""
    found = await page.get("daycare", f"/visits/{visit_id}")
    return await _visit_page(page, found)


async def _visit_page(page: Page, found: dict[str, Any], status: int = 200, **more: Any) -> Response:
    names = await page.names(people_of([found]))
    why = None
    if found["state"] in {"open", "unmet", "offered"}:
        try:
            why = await page.get("matcher", f"/visits/{found['visit_id']}/why")
        except Problem:
            why = None
    return page.render("centre/visit.html", status, visit=found, names=names, why=why, **more)


async def _act(page: Page, visit_id: str, path: str, body: dict[str, Any], text: str) -> Response:
    try:
        await page.post("daycare", path, body)
    except Problem as problem:
        found = await page.get("daycare", f"/visits/{visit_id}")
        return await _visit_page(page, found, 422, problem=problem, values=page.form)
    return await page.done(f"/centre/visits/{visit_id}", text)


def instant_of(text: str) -> str | None:
    """A datetime-local field as an instant with the city's offset."""
    return f"{text}:00+08:00" if len(text) == 16 else (text or None)


@ROUTER.post("/visits/{visit_id}/in")
async def check_in(page: Desk, visit_id: str) -> Response:
    body = {"person_id": page.form.text("person_id"), "at": instant_of(page.form.text("at"))}
    return await _act(page, visit_id, f"/visits/{visit_id}/check-in", _kept(body), page._("已签到。"))


@ROUTER.post("/visits/{visit_id}/out")
async def check_out(page: Desk, visit_id: str) -> Response:
    body = {
        "person_id": page.form.text("person_id"),
        "at": instant_of(page.form.text("at")),
        "outcome": page.form.text("outcome", "done") or "done",
    }
    return await _act(page, visit_id, f"/visits/{visit_id}/check-out", _kept(body), page._("已签退。"))


def _kept(body: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in body.items() if v is not None}


@ROUTER.post("/visits/{visit_id}/outcome")
async def outcome(page: Desk, visit_id: str) -> Response:
    body = page.form.given("outcome")
    return await _act(page, visit_id, f"/visits/{visit_id}/outcome", body, page._("结果已登记。"))


@ROUTER.post("/visits/{visit_id}/confirm/{attendance_id}")
async def confirm(page: Desk, visit_id: str, attendance_id: str) -> Response:
    """Confirm what was provisional: from now on it counts (8.10)."""
    form = page.form
    body = _kept(
        {
            "started_at": instant_of(form.text("started_at")),
            "ended_at": instant_of(form.text("ended_at")),
            "outcome": form.text("outcome") or "done",
        }
    )
    path = f"/attendances/{attendance_id}/confirm"
    return await _act(page, visit_id, path, body, page._("已确认，记入时数或合同用量。"))


@ROUTER.post("/visits/{visit_id}/correct/{attendance_id}")
async def correct(page: Desk, visit_id: str, attendance_id: str) -> Response:
    """Correct what was confirmed: the old value is kept (8.10)."""
    form = page.form
    body = _kept(
        {
            "started_at": instant_of(form.text("started_at")),
            "ended_at": instant_of(form.text("ended_at")),
            "outcome": form.text("outcome") or "done",
            "reason": form.text("reason"),
        }
    )
    try:
        await page.post(
            "daycare", f"/attendances/{attendance_id}/correct", body, version=form.text("version")
        )
    except Problem as problem:
        found = await page.get("daycare", f"/visits/{visit_id}")
        return await _visit_page(page, found, 422, problem=problem, values=form)
    return await page.done(f"/centre/visits/{visit_id}", page._("已更正，原来的记录保留。"))


@ROUTER.post("/visits/{visit_id}/cancel")
async def cancel(page: Desk, visit_id: str) -> Response:
    body = page.form.given("reason")
    return await _act(
        page, visit_id, f"/visits/{visit_id}/cancel", body, page._("已取消，来的人会收到通知。")
    )


@ROUTER.post("/visits/{visit_id}/rate")
async def rate(page: Desk, visit_id: str) -> Response:
    """A rating taken by phone or on paper (8.11)."""
    form = page.form
    body = {
        "face": form.number("face"),
        "sentence": form.text("sentence"),
        "how": form.text("how") or "phone",
    }
    return await _act(page, visit_id, f"/visits/{visit_id}/rating", body, page._("评价已登记。"))


@ROUTER.get("/satisfaction")
async def satisfaction(page: Centre) -> Response:
    """How visits were rated: responses out of visits, and how they were collected (8.11)."""
    month = {"from": page.today - timedelta(days=30), "to": page.today}
    found = await page.get("daycare", "/satisfaction", centre_id=page.scope, **month)
    return page.render("centre/satisfaction.html", found=found, first=month["from"])


@ROUTER.get("/confirm")
async def to_confirm(page: Desk) -> Response:
    """Provisional attendances of the last two weeks, to be confirmed: the centre's, or the community's own (8.4)."""
    role = page.me.role.role if page.me.role else None
    answer = await page.get(
        "daycare",
        "/visits",
        limit=500,
        **page.within,
        **{"from": page.today - timedelta(days=14), "to": page.today},
    )
    own = [v for v in answer["items"] if role is Role.CENTRE_STAFF or v["centre_id"] is None]
    waiting = [v for v in own if any(a["state"] == "out" for a in v["attendances"])]
    return page.render("centre/confirm.html", visits=waiting, names=await page.names(people_of(waiting)))
