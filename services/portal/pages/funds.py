"""The city's money: funds with their lines, one line and its ledger, a fund's appraisal.

The bureau keeps it; the auditor reads it, and a town its own lines, whose need and backstop it enters itself (三.2).
"""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Form, Page, signed_in
from services.portal.pages.one_call import fen_of
from services.portal.pages.purchases import yuan_of
from services.portal.services import Problem
from services.portal.sheets import sheet
from services.portal.times import moment, units
from shared.clock import wall
from shared.contracts.codes import Role
from shared.web.language import _

ROUTER = APIRouter(prefix="/purchases/funds")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]
Giver = Annotated[Page, signed_in(Role.BUREAU, Role.TOWN)]
Reader = Annotated[Page, signed_in(Role.BUREAU, Role.TOWN, Role.AUDITOR)]

ROWS = 3  # indicators that a new appraisal begins with
HEADS = (
    _("资金"),
    _("年度"),
    _("预算项目"),
    _("用途"),
    _("批准文号"),
    _("镇（街道）"),
    _("需要"),
    _("预算额"),
    _("占用"),
    _("已付"),
    _("可用"),
    _("缺口"),
    _("镇级兜底"),
)
SUMS = ("need_fen", "allocated_fen", "committed_fen", "spent_fen", "free_fen", "gap_fen", "backstop_fen")
INDICATOR = ("name", "satisfaction", "weight", "points", "asked", "answered", "note")


async def _towns(page: Page) -> dict[str, str]:
    found = await page.get("community", "/towns", limit=500)
    return {town["town_id"]: town["name"] for town in found["items"]}


async def _funds(page: Page) -> list[dict[str, Any]]:
    """All funds, the newest year first."""
    return sorted(await page.every("projects", "/funds"), key=lambda fund: (-fund["year"], fund["name"]))


def _money_said(page: Page, problem: Problem, **fields: str) -> Problem:
    """A refusal at the fields of the form; of what is no sum of money it says how one is written."""
    text = page._("请填金额（元），最多到分，例如 36000 或 45.50。")
    problem.errors = {
        fields.get(name, name): text if problem.code == "invalid" and name in fields else said
        for name, said in problem.errors.items()
    }
    return problem


# --- all funds


@ROUTER.get("")
async def funds(page: Reader) -> Response:
    """Each fund with its lines and what is appropriated, committed, spent and free."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for line in await page.every("projects", "/budget-lines"):
        lines.setdefault(line["fund_id"], []).append(line)
    return page.render("funds/list.html", funds=await _funds(page), lines=lines, towns=await _towns(page))


@ROUTER.get("/export.xlsx")
async def export(page: Reader) -> Response:
    """The table of all lines as XLSX, in yuan."""
    of = {fund["fund_id"]: fund for fund in await _funds(page)}
    lines, towns = await page.every("projects", "/budget-lines"), await _towns(page)
    order = list(of)
    rows = [
        [
            of[line["fund_id"]]["name"],
            of[line["fund_id"]]["year"],
            line["name"],
            page._(words.PURPOSES.get(line["purpose"], line["purpose"])),
            line["approval"] or "",
            towns.get(line["town_id"], "") if line["town_id"] else page._("全市"),
            *(Decimal(line[name]) / 100 for name in SUMS),
        ]
        for line in sorted(lines, key=lambda each: (order.index(each["fund_id"]), each["name"]))
        if line["fund_id"] in of
    ]
    return sheet(f"funds-{page.today}", [page._(head) for head in HEADS], rows)


@ROUTER.get("/new")
async def new(page: Bureau) -> Response:
    return page.render("funds/new.html", values=await page.draft())


@ROUTER.post("/new")
async def add(page: Bureau) -> Response:
    body = {"name": page.form.text("name"), "year": page.form.number("year")}
    try:
        made = await page.post("projects", "/funds", body)
    except Problem as problem:
        return page.render("funds/new.html", 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/funds/{made['id']}", page._("资金已建立，请接着加预算项目。"))


# --- one fund


@ROUTER.get("/{fund_id}")
async def fund(page: Reader, fund_id: str) -> Response:
    """One fund: its sums, its lines, the towns' gaps, its appraisal."""
    return page.render("funds/fund.html", **await _of(page, fund_id))


async def _of(page: Page, fund_id: str) -> dict[str, Any]:
    found = await page.get("projects", f"/funds/{fund_id}")
    lines = await page.every("projects", "/budget-lines", fund_id=fund_id)
    purposes = (page._(words.PURPOSES.get(code, code)) for code in found["purposes"])
    return {
        "fund": found,
        "purposes": ("、" if page.lang == "zh" else ", ").join(purposes),
        "lines": lines,
        "by_town": await page.get("projects", f"/funds/{fund_id}/towns"),
        "towns": await _towns(page),
        "appraisal": await _appraisal(page, fund_id),
    }


async def _appraisal(page: Page, fund_id: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await page.get("projects", f"/funds/{fund_id}/appraisal")
    except Problem as problem:
        if problem.code in {"appraisal_unknown", "appraisal_unpublished"}:
            return None
        raise
    return found


@ROUTER.post("/{fund_id}/close")
async def close(page: Bureau, fund_id: str) -> Response:
    address = f"/purchases/funds/{fund_id}"
    try:
        await page.post("projects", f"/funds/{fund_id}/close", version=page.form.text("version"))
    except Problem as problem:
        return await page.refused(address, problem)
    return await page.done(address, page._("资金已关闭。"))


# --- one line


@ROUTER.get("/{fund_id}/lines/new")
async def new_line(page: Bureau, fund_id: str) -> Response:
    return await _new_line(page, fund_id, values=await page.draft())


async def _new_line(page: Page, fund_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/funds/{fund_id}")
    return page.render("funds/new_line.html", status, fund=found, towns=await _towns(page), **more)


@ROUTER.post("/{fund_id}/lines/new")
async def add_line(page: Bureau, fund_id: str) -> Response:
    form = page.form
    body = {
        **form.given("name", "approval", "town_id"),
        "purpose": form.text("other_purpose") or form.text("purpose"),
        "need_fen": fen_of(form.text("need") or "0"),
        "allocated_fen": fen_of(form.text("allocated") or "0"),
    }
    try:
        made = await page.post("projects", f"/funds/{fund_id}/lines", {"name": "", **body})
    except Problem as problem:
        said = _money_said(page, problem, need_fen="need", allocated_fen="allocated")
        return await _new_line(page, fund_id, 422, problem=said, values=form)
    return await page.done(f"/purchases/funds/{fund_id}/lines/{made['id']}", page._("预算项目已加上。"))


@ROUTER.get("/{fund_id}/lines/{line_id}")
async def line(page: Reader, fund_id: str, line_id: str) -> Response:
    """One line: what of it is left, its ledger from the last entry back, and what may be changed."""
    return await _line(page, fund_id, line_id)


async def _line(page: Page, fund_id: str, line_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/budget-lines/{line_id}")
    entries = await page.every("projects", f"/budget-lines/{line_id}/entries")
    return page.render(
        "funds/line.html",
        status,
        fund=await page.get("projects", f"/funds/{fund_id}"),
        line=found,
        need=yuan_of(found["need_fen"]),
        entries=entries[::-1],
        names=await page.names(entry["by"] for entry in entries),
        towns=await _towns(page),
        **{"values": Form([]), **more},
    )


MOVED = (
    _("时间"), _("什么"), _("理由"), _("预算额"), _("占用"), _("已付"), _("谁")
)  # fmt: skip


@ROUTER.get("/{fund_id}/lines/{line_id}/export.xlsx")
async def moves(page: Reader, fund_id: str, line_id: str) -> Response:
    """A line's entries as XLSX: what each moved of the sums, in yuan; the sums are the columns' totals."""
    entries = await page.every("projects", f"/budget-lines/{line_id}/entries")
    names = await page.names(entry["by"] for entry in entries)
    rows = [
        [
            f"{wall(moment(e['at'])):%Y-%m-%d %H:%M}",
            page._(words.BUDGET_ENTRIES[e["kind"]]),
            page._(e["reason"]),
            *(Decimal(e[name]) / 100 for name in ("allocated_fen", "committed_fen", "spent_fen")),
            str(names.get(e["by"], {}).get("name") or ""),
        ]
        for e in entries
    ]
    return sheet(f"line-{page.today}", [page._(head) for head in MOVED], rows)


def _positive(text: str) -> Any:
    """A sum that is to move: above zero; else nothing, for the service to refuse."""
    fen = fen_of(text)
    return fen if isinstance(fen, int) and fen > 0 else ""


@ROUTER.post("/{fund_id}/lines/{line_id}/allocate")
async def allocate(page: Bureau, fund_id: str, line_id: str) -> Response:
    fen = _positive(page.form.text("fen"))
    taken = page.form.text("way") == "take"
    body = {"fen": -fen if taken and fen else fen, "reason": page.form.text("reason")}
    said = page._("已收回。") if taken else page._("已追加。")
    return await _moved(page, fund_id, line_id, "POST", "allocations", body, said)


@ROUTER.post("/{fund_id}/lines/{line_id}/backstop")
async def backstop(page: Giver, fund_id: str, line_id: str) -> Response:
    body = {"fen": _positive(page.form.text("fen")), "reason": page.form.text("reason")}
    return await _moved(page, fund_id, line_id, "POST", "backstop", body, page._("已登记镇级兜底。"))


@ROUTER.post("/{fund_id}/lines/{line_id}/need")
async def need(page: Giver, fund_id: str, line_id: str) -> Response:
    body = {"need_fen": fen_of(page.form.text("need"))}
    return await _moved(page, fund_id, line_id, "PUT", "need", body, page._("需要的金额已改。"))


async def _moved(
    page: Page, fund_id: str, line_id: str, method: str, what: str, body: dict[str, Any], said: str
) -> Response:
    version = page.form.text("version") if method == "PUT" else None
    try:
        await page.ask("projects", method, f"/budget-lines/{line_id}/{what}", json=body, version=version)
    except Problem as problem:
        plain = _money_said(page, problem, fen="fen", need_fen="need")
        return await _line(page, fund_id, line_id, 422, problem=plain, values=page.form)
    return await page.done(f"/purchases/funds/{fund_id}/lines/{line_id}", said)


# --- the appraisal


@ROUTER.get("/{fund_id}/appraisal")
async def appraisal(page: Reader, fund_id: str) -> Response:
    """A fund's appraisal as it was written; where there is none, the bureau's form."""
    found = await _appraisal(page, fund_id)
    if found is None and page.me.role is not None and page.me.role.role is Role.BUREAU:
        return await _appraising(page, fund_id, await page.draft())
    fund = await page.get("projects", f"/funds/{fund_id}")
    return page.render("funds/appraisal.html", fund=fund, appraisal=found)


@ROUTER.get("/{fund_id}/appraisal/edit")
async def edit_appraisal(page: Bureau, fund_id: str) -> Response:
    kept = await page.draft()
    found = await _appraisal(page, fund_id)
    return await _appraising(page, fund_id, kept if kept.fields or found is None else Form(_fields(found)))


@ROUTER.post("/{fund_id}/appraisal/edit")
async def appraise(page: Bureau, fund_id: str) -> Response:
    form = page.form
    if form.text("more"):
        return await _appraising(page, fund_id, form)
    filled = [n for n in range(_rows(form)) if form.text(f"indicator{n}_name")]
    body = {"indicators": [_indicator(form, n) for n in filled], "summary": form.text("summary")}
    version = form.text("version") or None
    try:
        await page.ask("projects", "PUT", f"/funds/{fund_id}/appraisal", json=body, version=version)
    except Problem as problem:
        return await _appraising(page, fund_id, form, 422, problem=_at_rows(page, problem, filled))
    said = page._("绩效评价已保存，还没有公开。")
    return await page.done(f"/purchases/funds/{fund_id}/appraisal", said)


@ROUTER.post("/{fund_id}/appraisal/publish")
async def publish_appraisal(page: Bureau, fund_id: str) -> Response:
    address = f"/purchases/funds/{fund_id}/appraisal"
    try:
        await page.post("projects", f"/funds/{fund_id}/appraisal/publish")
    except Problem as problem:
        return await page.refused(address, problem)
    return await page.done(address, page._("绩效评价已公开。"))


async def _appraising(page: Page, fund_id: str, values: Form, status: int = 200, **more: Any) -> Response:
    """The form with one row more where one was asked for."""
    return page.render(
        "funds/appraise.html",
        status,
        fund=await page.get("projects", f"/funds/{fund_id}"),
        values=values,
        rows=max(ROWS, _rows(values)) + (values.text("more") != ""),
        **more,
    )


def _rows(form: Form) -> int:
    sent = {name for name, _ in form.fields}
    return next(n for n in range(1000) if f"indicator{n}_name" not in sent)


def _indicator(form: Form, n: int) -> dict[str, Any]:
    at = f"indicator{n}_"
    return {
        "name": form.text(f"{at}name"),
        "satisfaction": form.flag(f"{at}satisfaction"),
        "weight": form.number(f"{at}weight"),
        "points": fen_of(form.text(f"{at}points")),  # hundredths, as money has them
        "asked": form.number(f"{at}asked"),
        "answered": form.number(f"{at}answered"),
        "note": form.text(f"{at}note"),
    }


def _fields(found: dict[str, Any]) -> list[tuple[str, str]]:
    """An appraisal as the fields of its form."""
    fields = [("version", str(found["version"])), ("summary", found["summary"])]
    for n, each in enumerate(found["indicators"]):
        said = {**each, "satisfaction": "1" if each["satisfaction"] else "", "points": units(each["points"])}
        fields += [
            (f"indicator{n}_{name}", "" if said[name] is None else str(said[name])) for name in INDICATOR
        ]
    return fields


def _at_rows(page: Page, problem: Problem, filled: list[int]) -> Problem:
    """Each fault at the field of its row; of weights and points it says how they are written."""
    plain = {
        "weight": page._("权重填 1 到 100 的整数。"),
        "points": page._("得分填 0 到 100，最多两位小数。"),
        "asked": page._("填人数。"),
        "answered": page._("填人数。"),
    }
    errors: dict[str, str] = {}
    for name, said in problem.errors.items():
        part = name.split(".")
        if len(part) == 1 or part[0] != "indicators":
            errors[name] = said
            continue
        field = part[2] if len(part) > 2 else "asked"
        at = f"indicator{filled[int(part[1])]}_{field}"
        errors[at] = plain.get(field, said) if problem.code == "invalid" and len(part) > 2 else said
    problem.errors = errors
    return problem
