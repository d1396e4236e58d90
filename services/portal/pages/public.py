"""What anybody may see without signing in: calls, one call with opinions on it, receipts, what is overdue; registration."""

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.portal.page import Form, Open, Page
from services.portal.services import Problem

ROUTER = APIRouter(prefix="/public")
GROUPS = {
    "open": ("consulting", "published"),
    "running": ("opened", "scored", "awarded", "signed"),
    "ended": ("closed", "archived", "void", "terminated"),
}
CONTROLLERS = 4


@ROUTER.get("")
async def calls(page: Open, group: str = "open", cursor: str = "") -> Response:
    """Calls, newest first, and whether the city is late in telling something."""
    chosen = group if group in GROUPS else "open"
    found = await page.get("projects", "/public/calls", state=GROUPS[chosen], cursor=cursor, limit=50)
    notices = await page.get("projects", "/public/notices", limit=1)
    return page.render(
        "public/calls.html",
        calls=found["items"],
        next=found["next"],
        group=chosen,
        overdue=len(notices["overdue"]),
    )


@ROUTER.get("/calls/{call_id}")
async def call(page: Open, call_id: str) -> Response:
    """One call in full, and a form for opinions while the public is heard."""
    return await _call(page, call_id)


async def _call(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/public/calls/{call_id}")
    return page.render("public/call.html", status, **{"call": found, "said": False, **more})


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
    late = sorted(notices["overdue"], key=lambda n: -n["late_hours"])
    return page.render("public/overdue.html", late=late, notices=notices["items"])


@ROUTER.get("/apply")
async def apply_form(page: Open) -> Response:
    """An organisation registers itself."""
    return page.render("public/apply.html", rows=CONTROLLERS, values=Form([]))


@ROUTER.post("/apply")
async def apply(page: Open) -> Response:
    form = page.form
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
