"""Organisations bid: open calls and what is missing for each, the sealed bid and its receipts, the result, challenges.

Nothing of a bid stays here: its draft is the service's to keep sealed, and a form that comes after the session's end
is not kept (app.py).
"""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.finding import wanted
from services.portal.pages.one_call import communities_of, fen_of
from services.portal.pages.purchases import yuan_of
from services.portal.services import Problem
from services.portal.times import moment
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/organisation")
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]
SPARE_POSTS = 2
NOT_NOW = {403, 404, 409}


async def if_shown(page: Page, path: str, **params: Any) -> Any:
    """What a service shows, or nothing while it is not this reader's to see."""
    try:
        return await page.get("projects", path, **params)
    except Problem as problem:
        if problem.status not in NOT_NOW:
            raise
        return None


@ROUTER.get("/calls")
async def calls(page: Dispatcher, kind: str = "", community_id: str = "", closing_to: str = "") -> Response:
    """What can be bid for, the first to close first, each with what is missing; and the own bids."""
    sought = await wanted(page, kind, community_id, closing_to)
    found = await page.get("projects", f"/organisations/{page.scope}/calls", **sought.said)
    bids = await page.get("projects", "/bids", organisation_id=page.scope, limit=100)
    titles = {each["call"]["call_id"]: each["call"] for each in found}
    for call_id in {bid["call_id"] for bid in bids["items"]} - titles.keys():
        titles[call_id] = await page.get("projects", f"/public/calls/{call_id}")
    return page.render(
        "bidding/calls.html",
        422 if sought.faults else 200,
        found=found,
        bids=bids["items"][::-1],
        calls=titles,
        sought=sought,
        problem=sought.problem,
    )


@ROUTER.get("/calls/{call_id}")
async def call(page: Dispatcher, call_id: str) -> Response:
    """One call as this organisation meets it: what is asked, what it lacks, what it asked, its bids, its result."""
    return await _call(page, call_id)


async def _call(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/public/calls/{call_id}")
    bids = await page.get("projects", "/bids", call_id=call_id, organisation_id=page.scope)
    ranking = awards = challenges = grants = None
    if found["opened_at"] and bids["items"]:
        ranking = await if_shown(page, f"/calls/{call_id}/ranking")
        awards = await if_shown(page, f"/calls/{call_id}/awards")
        challenges = await if_shown(page, f"/calls/{call_id}/challenges")
    if awards and found["method"] == "venture":
        grants = await if_shown(page, "/grants", call_id=call_id)
    return page.render(
        "bidding/call.html",
        status,
        call=found,
        asking=found["questions_until"] is not None and moment(found["questions_until"]) > page.now,
        bids={bid["lot_id"]: bid for bid in bids["items"]},
        fit=await page.get("projects", f"/organisations/{page.scope}/eligibility/{call_id}"),
        asked=await page.get("projects", f"/organisations/{page.scope}/questions", call_id=call_id),
        places=await page.community_names(communities_of(found)),
        ranking=(ranking or {"items": []})["items"],
        awards=(awards or {"items": []})["items"],
        challenges=(challenges or {"items": []})["items"],
        grants={g["award_id"]: g["grant_id"] for g in (grants or {"items": []})["items"]},
        **more,
    )


@ROUTER.post("/calls/{call_id}/ask")
async def ask(page: Dispatcher, call_id: str) -> Response:
    body = {"organisation_id": str(page.scope), "text": page.form.text("text")}
    try:
        await page.post("projects", f"/calls/{call_id}/questions", body)
    except Problem as problem:
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/organisation/calls/{call_id}", page._("已提问。答复会公开，不写是谁问的。"))


@ROUTER.post("/calls/{call_id}/challenge")
async def challenge(page: Dispatcher, call_id: str) -> Response:
    """Challenge how a lot came out."""
    text = page.form.text("challenge")
    body = {"organisation_id": str(page.scope), "lot_id": page.form.text("lot_id"), "text": text}
    try:
        await page.post("projects", f"/calls/{call_id}/challenges", body)
    except Problem as problem:
        problem.errors = {"challenge" if k == "text" else k: v for k, v in problem.errors.items()}
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/organisation/calls/{call_id}", page._("质疑已提交，会在规定期限内答复。"))


@ROUTER.post("/calls/{call_id}/challenges/{challenge_id}/withdraw")
async def withdraw_challenge(page: Dispatcher, call_id: str, challenge_id: str) -> Response:
    address = f"/organisation/calls/{call_id}"
    try:
        await page.post("projects", f"/challenges/{challenge_id}/withdraw", version=page.form.text("version"))
    except Problem as problem:
        return await page.refused(address, problem)
    return await page.done(address, page._("质疑已撤回。"))


# --- the own bid


@ROUTER.post("/lots/{lot_id}/bid")
async def begin(page: Dispatcher, lot_id: str) -> Response:
    """Begin the bid for a lot, or go on with it."""
    try:
        made = await page.post("projects", f"/lots/{lot_id}/bids", {"organisation_id": str(page.scope)})
    except Problem as problem:
        return await page.refused("/organisation/calls", problem)
    return await page.done(f"/organisation/bids/{made['id']}")


@ROUTER.get("/bids/{bid_id}")
async def bid(page: Dispatcher, bid_id: str, anew: bool = False) -> Response:
    """The bid: its draft to fill in (an empty one, `anew`), or what was handed in, sealed, with its receipts."""
    return await _bid(page, bid_id, anew=anew)


async def _bid(page: Page, bid_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/bids/{bid_id}")
    staff = await page.get("projects", "/staff", organisation_id=page.scope, limit=500)
    receipts = await page.get("projects", f"/bids/{bid_id}/receipts")
    context: dict[str, Any] = {"values": Form(_fields(found["draft"] or {})), "anew": False, **more}
    values = context["values"]
    return page.render(
        "bidding/bid.html",
        status,
        bid=found,
        **await _lot_of(page, found),
        staff=sorted((s for s in staff["items"] if s["active"]), key=lambda s: s["name"]),
        receipts=receipts["items"][::-1],
        posts=_posts(values) + SPARE_POSTS,
        **context,
    )


async def _lot_of(page: Page, bid: dict[str, Any]) -> dict[str, Any]:
    call = await page.get("projects", f"/public/calls/{bid['call_id']}")
    return {"call": call, "lot": next(lot for lot in call["lots"] if lot["lot_id"] == bid["lot_id"])}


def _posts(form: Form) -> int:
    """How many rows of staff a form has, up to its last filled one."""
    numbers = [
        int(name.removeprefix("duty"))
        for name, value in form.fields
        if name.startswith("duty") and name.removeprefix("duty").isdecimal() and value.strip()
    ]
    return min(max(numbers, default=-1) + 1, 200)


def _fields(draft: dict[str, Any]) -> list[tuple[str, str]]:
    """A draft as the fields of its form."""
    fields = [
        (f"price_{each['lot_line_id']}", yuan_of(each["unit_price_fen"])) for each in draft.get("prices", [])
    ]
    if draft.get("asked_fen"):
        fields.append(("asked", yuan_of(draft["asked_fen"])))
    fields += [(name, draft.get(name) or "") for name in ("capacity", "plan")]
    for n, post in enumerate(draft.get("staff", [])):
        person = str(post.get("person_id") or "")
        fields += [(f"duty{n}", post["duty"]), (f"skill{n}", post["qualification"]), (f"who{n}", person)]
    return fields


def _body(form: Form) -> tuple[dict[str, Any], dict[str, str]]:
    """The draft that a form says, and its fields by the names the service gives them."""
    prices: list[dict[str, Any]] = []
    staff: list[dict[str, Any]] = []
    names = {"asked_fen": "asked"}
    for name, value in form.fields:
        if name.startswith("price_") and value.strip():
            names[f"prices.{len(prices)}.unit_price_fen"] = name
            prices.append(
                {"lot_line_id": name.removeprefix("price_"), "unit_price_fen": fen_of(value.strip())}
            )
    for n in range(_posts(form)):
        if form.text(f"duty{n}"):
            names |= {
                f"staff.{len(staff)}.duty": f"duty{n}",
                f"staff.{len(staff)}.qualification": f"skill{n}",
            }
            staff.append(
                {
                    "duty": form.text(f"duty{n}"),
                    "qualification": form.text(f"skill{n}"),
                    "person_id": form.text(f"who{n}") or None,
                }
            )
    return {
        "prices": prices,
        "asked_fen": fen_of(form.text("asked")) if form.text("asked") else None,
        "capacity": form.text("capacity"),
        "plan": form.text("plan"),
        "staff": staff,
    }, names


@ROUTER.post("/bids/{bid_id}")
async def write(page: Dispatcher, bid_id: str) -> Response:
    """Save the draft, and look it through when asked to."""
    body, names = _body(page.form)
    version = page.form.text("version")
    try:
        await page.ask("projects", "PUT", f"/bids/{bid_id}/draft", json=body, version=version)
    except Problem as problem:
        money = page._("请填大于零的金额，最多到分，例如 45 或 45.50。")
        problem.errors = {
            names.get(k, k): money if k.endswith("_fen") else v for k, v in problem.errors.items()
        }
        return await _bid(page, bid_id, 422, problem=problem, values=page.form, anew=True)
    if page.form.text("then") == "submit":
        return await page.done(f"/organisation/bids/{bid_id}/submit")
    return await page.done(f"/organisation/bids/{bid_id}", page._("草稿已保存，只有您的组织看得到。"))


@ROUTER.post("/bids/{bid_id}/files")
async def add_file(page: Dispatcher, bid_id: str) -> Response:
    """Add a file to the draft."""
    try:
        await page.hand_in("file", f"/bids/{bid_id}/files", version=page.form.text("version"))
    except Problem as problem:
        return await _bid(page, bid_id, 422, problem=problem)
    return await page.done(f"/organisation/bids/{bid_id}", page._("文件已加密保存。"))


@ROUTER.post("/bids/{bid_id}/files/{file_id}/drop")
async def drop_file(page: Dispatcher, bid_id: str, file_id: str) -> Response:
    path = f"/bids/{bid_id}/files/{file_id}"
    try:
        await page.ask("projects", "DELETE", path, version=page.form.text("version"))
    except Problem as problem:
        return await _bid(page, bid_id, 422, problem=problem)
    return await page.done(f"/organisation/bids/{bid_id}", page._("文件已去掉。"))


@ROUTER.get("/bids/{bid_id}/submit")
async def look_through(page: Dispatcher, bid_id: str) -> Response:
    """The draft once more, with its total, and what handing it in means."""
    return await _look_through(page, bid_id)


async def _look_through(page: Page, bid_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/bids/{bid_id}")
    if found["draft"] is None:
        return await page.done(f"/organisation/bids/{bid_id}")
    return page.render("bidding/submit.html", status, bid=found, **await _lot_of(page, found), **more)


@ROUTER.post("/bids/{bid_id}/submit")
async def submit(page: Dispatcher, bid_id: str) -> Response:
    """Seal and hand in: the receipt, with the code that is shown this once."""
    body = {"alone": page.form.flag("alone")}
    try:
        receipt = await page.post(
            "projects", f"/bids/{bid_id}/submission", body, version=page.form.text("version")
        )
    except Problem as problem:
        return await _look_through(page, bid_id, 422, problem=problem, values=page.form)
    return await _receipt(page, receipt)


@ROUTER.post("/bids/{bid_id}/replace")
async def take_up(page: Dispatcher, bid_id: str) -> Response:
    """Make what was handed in a draft again, by the code on its receipt."""
    try:
        await page.post(
            "projects",
            f"/bids/{bid_id}/draft",
            {"code": page.form.text("code")},
            version=page.form.text("version"),
        )
    except Problem as problem:
        return await _bid(page, bid_id, 422, problem=problem)
    said = page._("已打开为草稿。重新提交之前，原来提交的仍然有效。")
    return await page.done(f"/organisation/bids/{bid_id}", said)


@ROUTER.post("/bids/{bid_id}/withdraw")
async def withdraw(page: Dispatcher, bid_id: str) -> Response:
    try:
        receipt = await page.post("projects", f"/bids/{bid_id}/withdrawal", version=page.form.text("version"))
    except Problem as problem:
        return await _bid(page, bid_id, 422, problem=problem)
    return await _receipt(page, receipt)


@ROUTER.get("/bids/{bid_id}/receipts/{receipt_id}")
async def receipt(page: Dispatcher, bid_id: str, receipt_id: str) -> Response:
    """A receipt again, without its code."""
    found = await page.get("projects", f"/bids/{bid_id}/receipts")
    one = next((each for each in found["items"] if each["id"] == receipt_id), None)
    if one is None:
        raise Problem(404, {})
    return await _receipt(page, one)


async def _receipt(page: Page, receipt: dict[str, Any]) -> Response:
    found = await page.get("projects", f"/bids/{receipt['bid_id']}")
    check = f"/public/receipts?reference={quote(receipt['id'])}"
    return page.render("bidding/receipt.html", receipt=receipt, check=check, **await _lot_of(page, found))
