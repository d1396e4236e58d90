"""Volunteers at the centre, or at the community for who has no centre: registered, verified, cleared, approved, given a way in."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Page, signed_in
from services.portal.places import home_of, moved
from services.portal.printing import qr
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/centre/people")
Desk = Annotated[Page, signed_in(Role.CENTRE_STAFF, Role.COMMUNITY)]


@ROUTER.get("")
async def people(page: Desk, q: str = "", status: str = "", cursor: str = "") -> Response:
    """The centre's or the community's volunteers; those who wait for approval first."""
    answer = await page.get(
        "volunteers", "/volunteers", q=q, status=status, cursor=cursor, limit=60, **page.within
    )
    waiting: list[Any] = []
    if not status and not q and not cursor:
        found = await page.get("volunteers", "/volunteers", status="pending", **page.within)
        waiting = found["items"]
    return page.render(
        "people/list.html",
        people=answer["items"],
        next=answer["next"],
        waiting=waiting,
        disputes=len(await page.get("volunteers", "/disputes", **page.within)),
        q=q,
        status=status,
    )


@ROUTER.get("/new")
async def new_form(page: Desk) -> Response:
    return await _form(page, values=await page.draft())


async def _form(page: Page, status: int = 200, **context: Any) -> Response:
    found = await page.get("community", "/communities", limit=500)
    own = str(page.within.get("community_id", ""))
    communities = [c for c in found["items"] if own in ("", c["community_id"])]
    return page.render(
        "people/form.html", status, communities=communities, teams=await _teams(page), **context
    )


async def _teams(page: Page) -> list[dict[str, Any]]:
    """The volunteers' teams of the communities that the desk serves."""
    if "centre_id" not in page.within:
        own: list[dict[str, Any]] = await page.get("volunteers", "/teams", **page.within)
        return own
    centre = await page.get("daycare", f"/centres/{page.scope}")
    serves = sorted({str(c) for c in (centre["community_id"], *centre["serves"])})
    teams: list[dict[str, Any]] = await page.get("volunteers", "/teams", community_id=serves)
    return teams


@ROUTER.post("/new")
async def register(page: Desk) -> Response:
    """Register a volunteer at the desk: a known ID number is the existing person (8.3)."""
    form = page.form
    try:
        person = await page.post("identity", "/people", form.given("id_number"), key="i")
        body = {
            "person_id": person["person_id"],
            **form.given(
                "name", "sex", "birth_date", "id_number", "phone", "community_id", "address", "travel_mode"
            ),
            **form.given("team_id"),
            "skills": form.many("skills"),
            "dialects": form.many("dialects"),
            "limits": form.many("limits"),
            **{name: str(value) for name, value in page.within.items()},
        }
        body["place"] = await home_of(page, form.text("address"), form.text("community_id"))
        done = await page.post("volunteers", "/volunteers", body, key="v")
    except Problem as problem:
        return await _form(page, 422, problem=problem, values=form)
    return await page.done(f"/centre/people/{done['id']}", page._("登记好了。"))


@ROUTER.get("/disputes")
async def disputes(page: Desk) -> Response:
    """Records of earlier service that volunteers dispute, to be looked into (8.10)."""
    return await _disputes(page)


async def _disputes(page: Page, status: int = 200, **context: Any) -> Response:
    found = await page.get("volunteers", "/disputes", **page.within)
    return page.render("people/disputes.html", status, disputes=found, **context)


@ROUTER.post("/{person_id}/records/{attendance_id}/settle")
async def settle(page: Desk, person_id: str, attendance_id: str) -> Response:
    """Correct a disputed record, its old value kept, or let it stand, with the reason."""
    body = page.form.given("answer")
    if page.form.text("deed") == "correct":
        body["minutes"] = page.form.number("minutes")
    path = f"/volunteers/{person_id}/records/{attendance_id}/settlement"
    try:
        await page.post("volunteers", path, body)
    except Problem as problem:
        return await _disputes(page, 422, problem=problem, values=page.form)
    return await page.done("/centre/people/disputes", page._("已答复，志愿者能看到。"))


@ROUTER.get("/{person_id}")
async def person(page: Desk, person_id: str) -> Response:
    """One volunteer: skills to verify, clearances, record, account, card."""
    return await _person(page, person_id)


async def _person(page: Page, person_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("volunteers", f"/volunteers/{person_id}")
    record = await page.get("volunteers", f"/volunteers/{person_id}/records", limit=20)
    try:
        accounts = (await page.get("identity", "/accounts", person_id=person_id))["items"]
    except Problem:
        accounts = []
    leader = (await page.names({found["team_leader_id"]})).get(found["team_leader_id"], {}).get("name")
    context = {"invited": None, "card": None, "leader": leader, "teams": await _teams(page), **more}
    return page.render(
        "people/person.html", status, person=found, record=record, accounts=accounts, **context
    )


async def _command(
    page: Page, person_id: str, service: str, method: str, path: str, body: Any, **more: Any
) -> Response:
    try:
        await page.ask(service, method, path, json=body, **more)
    except Problem as problem:
        return await _person(page, person_id, 422, problem=problem, values=page.form)
    return await page.done(f"/centre/people/{person_id}", page._("已保存。"))


@ROUTER.post("/{person_id}/team")
async def set_team(page: Desk, person_id: str) -> Response:
    """Put a volunteer in a team, or in none."""
    body = {"team_id": page.form.text("team_id") or None}
    path, version = f"/volunteers/{person_id}", page.form.text("version")
    return await _command(page, person_id, "volunteers", "PATCH", path, body, version=version)


@ROUTER.get("/{person_id}/change")
async def change_form(page: Desk, person_id: str) -> Response:
    return await _change_form(page, person_id, values=await page.draft())


async def _change_form(page: Page, person_id: str, status: int = 200, **context: Any) -> Response:
    found = await page.get("volunteers", f"/volunteers/{person_id}")
    communities = await page.get("community", "/communities", limit=500)
    return page.render(
        "people/change.html", status, person=found, communities=communities["items"], **context
    )


@ROUTER.post("/{person_id}/change")
async def change(page: Desk, person_id: str) -> Response:
    """Change who a volunteer is, how to reach them, where they live and what they can't do."""
    form = page.form
    body = {
        **form.given("name", "phone", "community_id", "travel_mode"),
        "dialects": form.many("dialects"),
        "limits": form.many("limits"),
    }
    path = f"/volunteers/{person_id}"
    try:
        body |= await moved(page, await page.get("volunteers", path))
        await page.ask("volunteers", "PATCH", path, json=body, version=form.text("version"))
    except Problem as problem:
        return await _change_form(page, person_id, 422, problem=problem, values=form)
    return await page.done(f"/centre/people/{person_id}", page._("已保存。"))


@ROUTER.post("/{person_id}/skill")
async def verify(page: Desk, person_id: str) -> Response:
    skill = page.form.text("skill")
    path = f"/volunteers/{person_id}/skills/{skill}"
    body = {"verified": page.form.text("verified") == "1"}
    return await _command(page, person_id, "volunteers", "PUT", path, body)


@ROUTER.post("/{person_id}/clear")
async def clear(page: Desk, person_id: str) -> Response:
    what = page.form.text("what")
    path = f"/volunteers/{person_id}/clearances/{what if what in {'lone', 'insurance', *words.LICENCES} else 'none'}"
    body = {"valid_until": page.form.text("valid_until") or None}
    return await _command(page, person_id, "volunteers", "PUT", path, body)


@ROUTER.post("/{person_id}/approve")
async def approve(page: Desk, person_id: str) -> Response:
    body = {"approved": page.form.text("approved") == "1"}
    return await _command(page, person_id, "volunteers", "POST", f"/volunteers/{person_id}/approval", body)


@ROUTER.post("/{person_id}/invite")
async def invite(page: Desk, person_id: str) -> Response:
    body = {"person_id": person_id, **page.form.given("username"), "memberships": [{"role": "volunteer"}]}
    try:
        invited = await page.post("identity", "/accounts", body)
    except Problem as problem:
        return await _person(page, person_id, 422, problem=problem, values=page.form)
    return await _person(page, person_id, invited=invited)


@ROUTER.post("/{person_id}/reset/{account_id}")
async def reset(page: Desk, person_id: str, account_id: str) -> Response:
    try:
        invited = await page.post("identity", f"/accounts/{account_id}/password-reset", {})
    except Problem as problem:
        return await _person(page, person_id, 422, problem=problem)
    return await _person(page, person_id, invited=invited)


@ROUTER.post("/{person_id}/card/{account_id}")
async def card(page: Desk, person_id: str, account_id: str) -> Response:
    """A printed card: QR and PIN, shown once (8.5)."""
    try:
        made = await page.post("identity", f"/accounts/{account_id}/cards", {})
    except Problem as problem:
        return await _person(page, person_id, 422, problem=problem)
    return await _person(page, person_id, card={**made, "qr": qr(page, f"/card/{made['card_code']}", 5)})
