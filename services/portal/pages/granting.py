"""A grant of a community venture (公益创投): started from its award, reviewed, paid and ended by the bureau; its
organisation hands in what it did and sees why payment is stopped."""

import re
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.one_call import fen_of
from services.portal.pages.purchases import yuan_of
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/purchases")
OWN = APIRouter(prefix="/organisation/grants")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]
MOST_ROWS = 20
DONE = ("passed", "paid")


# --- the start


@ROUTER.get("/{call_id}/awards/{award_id}/grant")
async def start_form(page: Bureau, call_id: str, award_id: str) -> Response:
    """A grant's number, title and milestones, begun with the usual three."""
    return await _start_form(page, call_id, award_id)


async def _start_form(
    page: Page, call_id: str, award_id: str, status: int = 200, values: Form | None = None, **more: Any
) -> Response:
    call = await page.get("projects", f"/calls/{call_id}")
    awards = (await page.get("projects", f"/calls/{call_id}/awards"))["items"]
    award = next((a for a in awards if a["award_id"] == award_id), None)
    if award is None:
        raise Problem(404, {})
    lot = next(lot for lot in call["lots"] if lot["lot_id"] == award["lot_id"])
    if values is None:
        kept = await page.draft()
        values = kept if kept.fields else Form(_usual(page, call, award, lot))
    rows = _rows(values)
    if page.form.text("more") and rows < MOST_ROWS:
        values.fields.append((f"due{rows}", ""))
        rows += 1
    return page.render(
        "grants/start.html", status, call=call, award=award, lot=lot, values=values, rows=rows, **more
    )


def _usual(page: Page, call: dict[str, Any], award: dict[str, Any], lot: dict[str, Any]) -> Any:
    """Two fifths at the start and at the mid-term review, in whole yuan, and the rest with the final report."""
    first, last = date.fromisoformat(lot["valid_from"]), date.fromisoformat(lot["valid_to"])
    share = award["price_fen"] * 2 // 500 * 100
    rows = (
        ("start", page._("启动"), first, share),
        ("midterm", page._("中期评估"), first + (last - first) / 2, share),
        ("final", page._("结项报告"), last, award["price_fen"] - 2 * share),
    )
    fields = [("title", call["title"])]
    for n, (kind, title, due, fen) in enumerate(rows):
        fields += [(f"kind{n}", kind), (f"title{n}", title), (f"due{n}", due.isoformat())]
        fields.append((f"amount{n}", yuan_of(fen)))
    return fields


def _rows(form: Form) -> int:
    """How many milestones a form has."""
    sent = {field for field, _ in form.fields}
    return next(n for n in range(MOST_ROWS + 1) if f"due{n}" not in sent)


@ROUTER.post("/{call_id}/awards/{award_id}/grant")
async def start(page: Bureau, call_id: str, award_id: str) -> Response:
    form = page.form
    if form.text("more"):
        return await _start_form(page, call_id, award_id, values=form)
    rows = [n for n in range(_rows(form)) if form.text(f"title{n}")]
    rows.sort(key=lambda n: (form.text(f"due{n}") or "9", form.text(f"kind{n}") == "final"))
    milestones = [
        {
            "kind": form.text(f"kind{n}"),
            "title": form.text(f"title{n}"),
            "due_on": form.text(f"due{n}"),
            "amount_fen": fen_of(form.text(f"amount{n}") or "0"),
        }
        for n in rows
    ]
    body = {"number": form.text("number"), "title": form.text("title"), "milestones": milestones}
    try:
        made = await page.post("projects", f"/awards/{award_id}/grant", body)
    except Problem as problem:
        problem.errors = {_own_name(field, rows): text for field, text in problem.errors.items()}
        return await _start_form(page, call_id, award_id, 422, values=form, problem=_plainly(page, problem))
    return await page.done(f"/purchases/grants/{made['id']}", page._("已立项，组织登录后就能看到。"))


def _own_name(field: str, rows: list[int]) -> str:
    """The form's own name of a field that the service refused."""
    if place := re.fullmatch(r"milestones\.(\d+)\.(kind|title|due_on|amount_fen)", field):
        return f"{place[2].split('_')[0]}{rows[int(place[1])]}"
    return "milestones" if field in ("body", "") else field.split(".")[0]


def _plainly(page: Page, problem: Problem) -> Problem:
    """What a sum has to look like, instead of that it is no whole number of fen."""
    if problem.code == "invalid":
        text = page._("请填金额，最多到分，例如 12000 或 45.50；不拨付填 0。")
        problem.errors = {k: text if k.startswith("amount") else v for k, v in problem.errors.items()}
    return problem


# --- the bureau's


@ROUTER.get("/grants")
async def grants(page: Bureau, cursor: str = "") -> Response:
    """Grants, the newest first."""
    found = await page.get("projects", "/grants", cursor=cursor, limit=50)
    names = await page.organisation_names(g["organisation_id"] for g in found["items"])
    return page.render("grants/list.html", grants=found["items"], next=found["next"], names=names)


@ROUTER.get("/grants/{grant_id}")
async def grant(page: Bureau, grant_id: str) -> Response:
    """A grant and what comes next: a review, a payment, the end."""
    return await _grant(page, grant_id)


async def _grant(page: Page, grant_id: str, status: int = 200, **more: Any) -> Response:
    found = await _with_milestones(page, grant_id)
    return page.render(
        "grants/grant.html",
        status,
        **found,
        call=await page.get("projects", f"/calls/{found['grant']['call_id']}"),
        organisation=await page.get("projects", f"/organisations/{found['grant']['organisation_id']}"),
        **{"values": Form([]), **more},
    )


async def _with_milestones(page: Page, grant_id: str) -> dict[str, Any]:
    """A grant, its milestones with their files and payments, and which of them is next."""
    found = await page.get("projects", f"/grants/{grant_id}")
    paid = await page.get("projects", "/payments", grant_id=grant_id, limit=100)
    payments = {p["milestone_id"]: p for p in paid["items"]}
    files = {}
    running = found["state"] == "running"
    for each in found["milestones"]:
        number = each["milestone_id"]
        if each["handed_in_at"] or running:
            files[number] = await page.get("projects", "/files", about="milestone", about_id=number)
        each["stage"] = _stage(each, found["state"], page.today)
    open_ones = [each for each in found["milestones"] if each["state"] not in DONE]
    return {
        "grant": found,
        "payments": payments,
        "files": files,
        "late": running and any(each["stage"] == "late" for each in found["milestones"]),
        "awaited": open_ones[0] if running and open_ones else None,
        "done": all(m["state"] == "paid" or m["stage"] == "done" for m in found["milestones"]),
    }


def _stage(milestone: dict[str, Any], grant: str, today: date) -> str:
    """Where a milestone stands, as it is told: a passed one is held while nothing is paid."""
    state = str(milestone["state"])
    if state == "passed":
        return "done" if milestone["amount_fen"] == 0 else "passed" if grant == "running" else "held"
    if state == "due" and milestone["kind"] == "midterm" and milestone["due_on"] < today.isoformat():
        return "late"
    return state


@ROUTER.post("/grants/{grant_id}/milestones/{milestone_id}/review")
async def review(page: Bureau, grant_id: str, milestone_id: str) -> Response:
    form = page.form
    body: dict[str, Any] = form.given("review")
    if form.text("passed"):
        body["passed"] = form.text("passed") == "yes"
    path, said = f"/milestones/{milestone_id}/review", page._("评审结果已登记。")
    return await _step(page, grant_id, path, body, said)


@ROUTER.post("/grants/{grant_id}/milestones/{milestone_id}/pay")
async def pay(page: Bureau, grant_id: str, milestone_id: str) -> Response:
    body = page.form.given("reference", "paid_on")
    return await _step(page, grant_id, f"/milestones/{milestone_id}/pay", body, page._("付款已登记。"))


@ROUTER.post("/grants/{grant_id}/resume")
async def resume(page: Bureau, grant_id: str) -> Response:
    body, said = page.form.given("until", "reason"), page._("项目已恢复，中期评估重新做。")
    return await _step(page, grant_id, f"/grants/{grant_id}/resume", body, said)


@ROUTER.post("/grants/{grant_id}/complete")
async def complete(page: Bureau, grant_id: str) -> Response:
    said = page._("项目已结项，结果请按时公开。")
    return await _step(page, grant_id, f"/grants/{grant_id}/complete", page.form.given("reason"), said)


@ROUTER.post("/grants/{grant_id}/terminate")
async def terminate(page: Bureau, grant_id: str) -> Response:
    said = page._("项目已终止，没拨付的钱已退回预算；结果请按时公开。")
    return await _step(page, grant_id, f"/grants/{grant_id}/terminate", page.form.given("reason"), said)


async def _step(page: Page, grant_id: str, path: str, body: dict[str, Any], said: str) -> Response:
    """A step on the page of a grant; refused, the page comes back filled."""
    try:
        await page.post("projects", path, body, version=page.form.text("version") or None)
    except Problem as problem:
        return await _grant(page, grant_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/grants/{grant_id}", said)


# --- the organisation's


@OWN.get("/{grant_id}")
async def own_grant(page: Dispatcher, grant_id: str) -> Response:
    """The own grant: what to hand in next, what was found, what was paid, and why nothing is."""
    return await _own_grant(page, grant_id)


async def _own_grant(page: Page, grant_id: str, status: int = 200, **more: Any) -> Response:
    found = await _with_milestones(page, grant_id)
    return page.render("grants/own.html", status, **found, **{"values": Form([]), **more})


@OWN.post("/{grant_id}/milestones/{milestone_id}")
async def hand_in(page: Dispatcher, grant_id: str, milestone_id: str) -> Response:
    """What was done by a milestone, in words and perhaps a file; one more file, where the words are there."""
    form = page.form
    file = form.files.get("file")
    further = form.flag("further")
    try:
        if further or (file is not None and file.filename):
            await page.hand_in("file", "/files", about="milestone", about_id=milestone_id, key="file")
        if not further:
            await page.post("projects", f"/milestones/{milestone_id}/evidence", form.given("evidence"))
    except Problem as problem:
        return await _own_grant(page, grant_id, 422, problem=problem, values=form)
    said = page._("文件已提交。") if further else page._("成果已提交，等民政部门评审。")
    return await page.done(f"/organisation/grants/{grant_id}", said)
