"""Whether what was bought is accepted: a month at once by resident, family or centre; and what was refused, until the bureau
has decided it."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.services import Problem
from shared.contracts.codes import Role, ScopeKind

ROUTER = APIRouter()
Bureau = Annotated[Page, signed_in(Role.BUREAU)]
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]
Own = Annotated[Page, signed_in(Role.RESIDENT, Role.FAMILY)]
Desk = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.COMMUNITY)]


async def months_of(page: Page, **whose: Any) -> list[dict[str, Any]]:
    """This month and the last, by organisation, where somebody has still to speak of a visit."""
    this = page.today.replace(day=1)
    found = []
    for month in (this, (this - timedelta(days=1)).replace(day=1)):
        found += (await page.get("daycare", "/months", month=month, **whose))["items"]
    waiting = [each for each in found if each["waiting"]]
    names = await page.organisation_names(each["organisation_id"] for each in waiting)
    return [{**each, "organisation": names[each["organisation_id"]]} for each in waiting]


def _whose(page: Page) -> dict[str, Any]:
    own = page.me.role is not None and page.me.role.scope is ScopeKind.PERSON
    return {"resident_id": page.scope} if own else page.within


async def _say(page: Page, how: str, back: str) -> Response:
    form = page.form
    whose = {name: str(value) for name, value in _whose(page).items()}
    body = {**form.given("month", "organisation_id"), "sentence": form.text("sentence"), "how": how, **whose}
    try:
        done = await page.post("daycare", "/months", {**body, "face": form.number("face")})
    except Problem as problem:
        return await page.refused(back, problem)
    if form.text("face") == "1":
        return await page.done(
            back, page._("记下了：{count} 次服务不同意验收，先不付款。", count=done["visits"])
        )
    return await page.done(back, page._("谢谢，{count} 次服务已验收。", count=done["visits"]))


@ROUTER.post("/home/months")
async def own_month(page: Own) -> Response:
    """The resident's or the family's word on an organisation's month."""
    by_resident = page.me.role is not None and page.me.role.role is Role.RESIDENT
    return await _say(page, "self" if by_resident else "family", "/home/rate")


@ROUTER.get("/centre/months")
async def desk_months(page: Desk) -> Response:
    """What a centre, or a community for residents without one, can accept of each organisation's month."""
    return page.render(
        "acceptance/months.html", months=await months_of(page, **_whose(page)), values=Form([])
    )


@ROUTER.post("/centre/months")
async def desk_month(page: Desk) -> Response:
    return await _say(page, page.form.text("how") or "phone", "/centre/months")


# --- refused


@ROUTER.get("/purchases/refusals")
async def refusals(page: Bureau, ended: bool = False, cursor: str = "") -> Response:
    """Refused deliveries that wait for a decision, the most pressing first; or what came of them."""
    return await _refusals(page, "/purchases", ended, cursor)


@ROUTER.get("/organisation/refusals")
async def own_refusals(page: Dispatcher, ended: bool = False, cursor: str = "") -> Response:
    """The own deliveries that were refused, and by when the bureau decides."""
    return await _refusals(page, "/organisation", ended, cursor)


async def _refusals(
    page: Page, base: str, ended: bool = False, cursor: str = "", status: int = 200, **more: Any
) -> Response:
    found = await page.get("projects", "/refusals", ended=ended, cursor=cursor, limit=50)
    return page.render(
        "acceptance/refusals.html",
        status,
        base=base,
        found=found,
        ended=ended,
        names=await page.names(each["person_id"] for each in found["items"]),
        **{"values": Form([]), **more},
    )


@ROUTER.post("/purchases/refusals/{refusal_id}")
async def decide(page: Bureau, refusal_id: str) -> Response:
    form = page.form
    body: dict[str, Any] = form.given("reason")
    if form.text("payable"):
        body["payable"] = form.text("payable") == "yes"
    try:
        await page.post("projects", f"/refusals/{refusal_id}/decision", body)
    except Problem as problem:
        return await _refusals(page, "/purchases", status=422, problem=problem, values=form)
    said = page._("已处理：这次服务可以付款。") if body["payable"] else page._("已处理：这次服务不付款。")
    return await page.done("/purchases/refusals", said)
