"""What anybody may see without signing in: calls, results, the funds' use, what is overdue; receipts, registration.

OCDS packages are handed on as the projects service makes them, under the addresses by which the public reaches them.
"""

import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.portal.page import Form, Open, Page
from services.portal.pages.finding import wanted
from services.portal.pages.one_call import communities_of
from services.portal.services import Problem

ROUTER = APIRouter(prefix="/public")
GROUPS = {
    "open": ("consulting", "published"),
    "running": ("opened", "scored", "awarded", "signed"),
    "ended": ("closed", "archived", "void", "terminated"),
}
RESULTS = ("awards", "contracts", "acceptance")
CONTROLLERS = 4
OCDS = "/public/ocds/"


@ROUTER.get("")
async def calls(
    page: Open,
    group: str = "open",
    kind: str = "",
    community_id: str = "",
    closing_to: str = "",
    cursor: str = "",
) -> Response:
    """Calls, newest first, and whether the city is late in telling something."""
    chosen = group if group in GROUPS else "open"
    sought = await wanted(page, kind, community_id, closing_to)
    found = await page.get(
        "projects", "/public/calls", state=GROUPS[chosen], cursor=cursor, limit=50, **sought.said
    )
    return page.render(
        "public/calls.html",
        422 if sought.faults else 200,
        calls=found["items"],
        next=found["next"],
        group=chosen,
        sought=sought,
        problem=sought.problem,
        overdue=await _overdue(page),
    )


async def _overdue(page: Page) -> int:
    """How much should be public and is not."""
    due = await page.get("projects", "/public/due")
    return len(due["notices"]) + len(due["appraisals"])


@ROUTER.get("/results")
async def results(page: Open, show: str = "awards", call_id: str = "", cursor: str = "") -> Response:
    """Who won, what was agreed and paid, what was accepted, of all calls or one: as published, the newest first."""
    chosen = show if show in RESULTS else "awards"
    found = await page.get("projects", f"/public/{chosen}", call_id=call_id, cursor=cursor, limit=20)
    return page.render(
        "public/results.html",
        items=found["items"],
        next=found["next"],
        chosen=chosen,
        call_id=call_id,
        overdue=await _overdue(page),
    )


@ROUTER.get("/funds")
async def funds(page: Open, cursor: str = "") -> Response:
    """What each fund was given, holds, has spent and has left, and how its use was appraised."""
    found = await page.get("projects", "/public/funds", cursor=cursor, limit=20)
    due = await page.get("projects", "/public/due")
    return page.render(
        "public/funds.html",
        funds=sorted(found["items"], key=lambda fund: (-fund["year"], fund["name"])),
        next=found["next"],
        late={each["fund_id"]: each for each in due["appraisals"]},
        overdue=len(due["notices"]) + len(due["appraisals"]),
    )


@ROUTER.get("/ocds/releases")
async def releases(page: Open, cursor: str = "") -> Response:
    """All releases, a package at a time."""
    return await _package(page, "releases", cursor=cursor)


@ROUTER.get("/ocds/{kind}/{reference}")
async def package(page: Open, kind: str, reference: str) -> Response:
    """The releases or the record of one call."""
    if kind not in {"releases", "records"}:
        raise HTTPException(404)
    return await _package(page, f"{kind}/{quote(reference, safe='')}")


async def _package(page: Page, path: str, **params: Any) -> Response:
    """An OCDS package. Where it names itself and others like it, by the addresses of this site."""
    found = await page.get("projects", OCDS + path, **params)
    inner = found["uri"].partition(OCDS)[0] + OCDS
    outer = str(page.request.base_url).rstrip("/") + OCDS
    text = json.dumps(found, ensure_ascii=False).replace(f'"{inner}', f'"{outer}')
    return Response(text, media_type="application/json")


@ROUTER.get("/calls/{call_id}")
async def call(page: Open, call_id: str) -> Response:
    """One call in full, and a form for opinions while the public is heard."""
    return await _call(page, call_id)


async def _call(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/public/calls/{call_id}")
    places = await page.community_names(communities_of(found))
    return page.render("public/call.html", status, **{"call": found, "places": places, "said": False, **more})


@ROUTER.post("/calls/{call_id}/opinions")
async def say(page: Open, call_id: str) -> Response:
    try:
        await page.post("projects", f"/public/calls/{call_id}/opinions", {"text": page.form.text("text")})
    except Problem as problem:
        return await _call(page, call_id, 422, problem=problem, values=page.form)
    return RedirectResponse(f"/public/calls/{quote(call_id, safe='')}/thanks", 303)


@ROUTER.get("/calls/{call_id}/thanks")
async def thanks(page: Open, call_id: str) -> Response:
    return await _call(page, call_id, said=True)


@ROUTER.get("/receipts")
async def receipts(page: Open, reference: str = "") -> Response:
    """Whether the city gave a receipt, by its number or hash."""
    found, problem = None, None
    if reference.strip():
        try:
            path = f"/public/receipts/{quote(reference.strip()[:100], safe='')}"
            found = (await page.get("projects", path))["items"]
        except Problem as refusal:
            if refusal.status not in {404, 422}:
                raise
            problem = refusal
    status = 422 if problem else 200
    return page.render(
        "public/receipts.html", status, found=found, problem=problem, values=Form([("reference", reference)])
    )


@ROUTER.get("/overdue")
async def overdue(page: Open) -> Response:
    """What should be public and is not, the longest first; and what was published last."""
    notices = await page.get("projects", "/public/notices", limit=50)
    due = await page.get("projects", "/public/due")
    late = sorted(due["notices"], key=lambda n: -n["late_hours"])
    return page.render(
        "public/overdue.html", late=late, appraisals=due["appraisals"], notices=notices["items"]
    )


@ROUTER.get("/apply")
async def apply_form(page: Open) -> Response:
    """An organisation registers itself."""
    return page.render("public/apply.html", rows=CONTROLLERS, values=Form([]))


def controllers_of(form: Form) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Who controls an organisation, as its form says, and the fields by the names the service gives them."""
    controllers: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for n in range(CONTROLLERS):
        if form.text(f"name{n}") or form.text(f"id{n}"):
            at = f"controllers.{len(controllers)}"
            names |= {f"{at}.name": f"name{n}", f"{at}.id_number": f"id{n}", f"{at}.share": f"share{n}"}
            share = form.number(f"share{n}")
            controllers.append(
                {"name": form.text(f"name{n}"), "id_number": form.text(f"id{n}"), "share": share or 0}
            )
    return controllers, names


@ROUTER.post("/apply")
async def apply(page: Open) -> Response:
    form = page.form
    controllers, names = controllers_of(form)
    plain = {name: form.text(name) for name in ("name", "kind", "credit_code", "phone", "address")}
    try:
        made = await page.post(
            "projects", "/organisation-applications", {**plain, "controllers": controllers}
        )
    except Problem as problem:
        problem.errors = {names.get(k, k): v for k, v in problem.errors.items()}
        return page.render("public/apply.html", 422, rows=CONTROLLERS, problem=problem, values=form)
    return RedirectResponse(f"/public/applications/{made['id']}", 303)


@ROUTER.get("/applications/{organisation_id}")
async def application(page: Open, organisation_id: str) -> Response:
    """What became of a registration, for who has its number."""
    found = await page.get("projects", f"/organisation-applications/{organisation_id}")
    return page.render("public/application.html", found=found)
