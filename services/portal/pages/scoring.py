"""Scorers (评审人员): the own calls, the declaration, points and a sentence for each criterion, handing in."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/scoring")
Scorer = Annotated[Page, signed_in(Role.SCORER)]


@ROUTER.get("")
async def mine(page: Scorer) -> Response:
    """The calls that the reader is named for; what waits for the reader first."""
    found = (await page.get("projects", "/scoring"))["items"]
    return page.render("scoring/list.html", calls=sorted(found, key=lambda c: not _waits(c)), waits=_waits)


def _waits(call: dict[str, Any]) -> bool:
    return call["state"] == "opened" and not (call["finished_at"] or call["left_at"])


@ROUTER.get("/{call_id}")
async def call(page: Scorer, call_id: str) -> Response:
    """One scoring: the declaration, then the bids to score, then that it is handed in."""
    return await _call(page, call_id)


async def _call(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    named = (await page.get("projects", "/scoring"))["items"]
    about = next((c for c in named if c["call_id"] == call_id), {"title": page._("评审"), "number": None})
    try:
        sheet = await page.get("projects", f"/calls/{call_id}/sheet")
    except Problem as problem:
        if problem.code != "not_open":
            raise
        sheet = None
    asked = _asked(sheet) if sheet else []
    bids = [b for b in sheet["bids"] if b["state"] == "opened"] if sheet else []
    left = {b["bid_id"]: len(asked) - len(_own(sheet, b)) for b in bids}
    people = {s["person_id"] for b in bids for s in b["scores"]}
    return page.render(
        "scoring/call.html",
        status,
        about=about,
        call_id=call_id,
        sheet=sheet,
        bids=bids,
        todo_of=left,
        asked=asked,
        names=await page.names(people) if sheet and sheet["state"] != "opened" else {},
        **{"values": Form([]), **more},
    )


def _asked(sheet: dict[str, Any]) -> list[dict[str, Any]]:
    """The criteria that want points; the price is computed."""
    return [c for c in sheet["criteria"] if c["kind"] != "price"]


def _own(sheet: dict[str, Any], bid: dict[str, Any]) -> list[dict[str, Any]]:
    me = sheet["mine"]["person_id"] if sheet["mine"] else None
    return [s for s in bid["scores"] if s["person_id"] == me]


@ROUTER.post("/{call_id}/declaration")
async def declare(page: Scorer, call_id: str) -> Response:
    """No conflict, or one with a reason: then the reader is out."""
    chosen = page.form.text("conflict")
    if not chosen:
        text = page._("请先选有没有利害关系。")
        problem = Problem(422, {"detail": text, "errors": [{"field": "conflict", "message": text}]})
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    body = {"conflict": chosen == "yes", "reason": page.form.text("reason")}
    try:
        said = await page.post("projects", f"/calls/{call_id}/declaration", body)
    except Problem as problem:
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    if said["left_at"]:
        return await page.done(f"/scoring/{call_id}", page._("已记录，您不参加这次评审。"))
    return await page.done(f"/scoring/{call_id}", page._("已声明，可以开始打分。"))


@ROUTER.get("/{call_id}/bids/{bid_id}")
async def bid(page: Scorer, call_id: str, bid_id: str) -> Response:
    """One bid with all its criteria on one page."""
    return await _bid(page, call_id, bid_id)


async def _bid(page: Page, call_id: str, bid_id: str, status: int = 200, **more: Any) -> Response:
    sheet = await page.get("projects", f"/calls/{call_id}/sheet")
    found = next((b for b in sheet["bids"] if b["bid_id"] == bid_id and b["content"]), None)
    if found is None:
        return await page.done(f"/scoring/{call_id}")
    given = [
        field
        for s in _own(sheet, found)
        for field in (
            (f"points-{s['criterion_id']}", f"{Decimal(s['points']) / 100:f}".rstrip("0").rstrip(".") or "0"),
            (f"sentence-{s['criterion_id']}", s["sentence"]),
        )
    ]
    kept = await page.draft()
    return page.render(
        "scoring/bid.html",
        status,
        call_id=call_id,
        bid=found,
        sheet=sheet,
        asked=_asked(sheet),
        open=sheet["state"] == "opened" and not sheet["mine"]["finished_at"],
        **{"values": kept if kept.fields else Form(given), **more},
    )


@ROUTER.post("/{call_id}/bids/{bid_id}")
async def score(page: Scorer, call_id: str, bid_id: str) -> Response:
    """Keep the points given; each can be changed until all are handed in."""
    form, errors = page.form, []
    scores = []
    for name, value in form.fields:
        if not name.startswith("points-"):
            continue
        criterion = name.removeprefix("points-")
        points = _points(value)
        sentence = form.text(f"sentence-{criterion}")
        if points is None:
            errors.append({"field": name, "message": page._("请填 0 到 100 的分数，最多两位小数。")})
        if len(sentence) < 2:
            errors.append({"field": f"sentence-{criterion}", "message": page._("请用一句话写明理由。")})
        scores.append({"criterion_id": criterion, "points": points, "sentence": sentence})
    problem = Problem(422, {"detail": page._("没有保存，请按提示修改。"), "errors": errors})
    if not errors:
        try:
            path = f"/calls/{call_id}/bids/{bid_id}/scores"
            await page.ask("projects", "PUT", path, json={"scores": scores})
            return await page.done(f"/scoring/{call_id}", page._("已保存，全部打完后再提交。"))
        except Problem as refused:
            problem = refused
    return await _bid(page, call_id, bid_id, 422, problem=problem, values=form)


def _points(text: str) -> int | None:
    """87.5 as hundredths; none for what is no number of points."""
    try:
        points = Decimal(text.strip()) * 100
        whole = int(points)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return whole if whole == points and 0 <= whole <= 10_000 else None


@ROUTER.post("/{call_id}/finish")
async def finish(page: Scorer, call_id: str) -> Response:
    try:
        await page.post("projects", f"/calls/{call_id}/finish")
    except Problem as problem:
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/scoring/{call_id}", page._("已提交。所有人提交后，才能看到大家的分数和排名。"))
