"""Residents at the centre: registered, assessed, away, never together again."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page, signed_in
from services.portal.pages.centre import people_of
from services.portal.pages.desk import bad_rows, sent_file
from services.portal.places import buildings, pin
from services.portal.printing import qr
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/centre/residents")
Desk = Annotated[
    Page, signed_in(Role.CENTRE_STAFF, Role.SOCIAL_WORKER, Role.COMMUNITY, Role.GRID_WORKER, Role.TOWN)
]
Centre = Annotated[Page, signed_in(Role.CENTRE_STAFF)]


def _own(page: Page) -> dict[str, Any]:
    """Which residents the reader's role looks after."""
    role = page.me.role.role if page.me.role else None
    key = (
        {Role.CENTRE_STAFF: "centre_id", Role.COMMUNITY: "community_id", Role.GRID_WORKER: "cell_id"}.get(
            role
        )
        if role
        else None
    )
    return {key: page.scope} if key else {}


@ROUTER.get("")
async def list_residents(page: Desk, q: str = "", cursor: str = "", unplaced: bool = False) -> Response:
    """Residents, searched by part of name, phone, ID number or address."""
    answer = await page.get(
        "daycare", "/residents", q=q, cursor=cursor, limit=60, unplaced=unplaced or None, **_own(page)
    )
    return page.render(
        "residents/list.html", residents=answer["items"], next=answer["next"], q=q, unplaced=unplaced
    )


@ROUTER.get("/new")
async def new_form(page: Desk) -> Response:
    return await _form(page, values=await page.draft())


async def _form(page: Page, status: int = 200, **context: Any) -> Response:
    communities = await page.get("community", "/communities", limit=500)
    role = page.me.role.role if page.me.role else None
    mine = None
    if role is Role.CENTRE_STAFF:
        centre = await page.get("daycare", f"/centres/{page.scope}")
        mine = set(centre["serves"]) | {centre["community_id"]}
    shown = [c for c in communities["items"] if mine is None or c["community_id"] in mine]
    return page.render("residents/form.html", status, communities=shown, **context)


@ROUTER.post("/new")
async def register(page: Desk) -> Response:
    """Register a resident: identity gives the id (a known ID number the existing one), day care the rest (8.3)."""
    form = page.form
    role = page.me.role.role if page.me.role else None
    try:
        person = await page.post("identity", "/people", form.given("id_number"), key="i")
        body: dict[str, Any] = {
            "person_id": person["person_id"],
            **form.given(
                "name",
                "sex",
                "birth_date",
                "id_number",
                "phone",
                "community_id",
                "address",
                "dialect",
                "remarks",
            ),
            "lives_alone": form.flag("lives_alone"),
            "lone_risk": form.flag("lone_risk"),
            "stairs": form.flag("stairs"),
            "contacts": [
                {
                    "name": form.text("contact_name"),
                    "relation": form.text("contact_relation") or page._("家属"),
                    "phone": form.text("contact_phone"),
                }
            ]
            if form.text("contact_name")
            else [],
        }
        if role is Role.CENTRE_STAFF:
            body["centre_id"] = str(page.scope)
        if form.text("community_id"):
            found = await buildings(page, form.text("address"), form.text("community_id"))
            if len(found) == 1:
                body["place"], body["cell_id"] = pin(found[0]), found[0]["cell_id"]
        done = await page.post("daycare", "/residents", body, key="d")
    except Problem as problem:
        return await _form(page, 422, problem=problem, values=form)
    text = page._("这位老人以前登记过，已打开。") if done["known"] else page._("登记好了。")
    return await page.done(f"/centre/residents/{done['id']}", text)


@ROUTER.get("/import")
async def import_form(page: Centre) -> Response:
    return page.render("desk/import.html", what="residents", result=None, done=False, file=None)


@ROUTER.post("/import")
async def import_residents(page: Centre) -> Response:
    """Residents from XLSX or CSV: a preview first; then identity gives each ID number its person (8.8)."""
    file = await sent_file(page)
    if file is None:
        return await page.done("/centre/residents/import", page._("请选择文件。"))
    preview = page.form.text("preview") != "0"
    body = {**file, "centre_id": str(page.scope), "preview": True}
    try:
        result = await page.post("daycare", "/residents/import", body, key="p")
        if not preview:
            place = next(
                (i for i, h in enumerate(result["header"]) if h in {"身份证号", "身份证", "id_number"}), None
            )
            people = {}
            for line in result["lines"]:
                if line["result"] == "new" and place is not None:
                    number = line["values"][place].upper()
                    known = await page.post(
                        "identity", "/people", {"id_number": number}, key=f"i{line['row']}"
                    )
                    people[number] = known["person_id"]
            body = {**body, "preview": False, "people": people}
            result = await page.post("daycare", "/residents/import", body, key="d")
    except Problem as problem:
        return page.render(
            "desk/import.html", 422, what="residents", result=None, done=False, file=None, problem=problem
        )
    if page.form.flag("bad"):
        return bad_rows(page, "residents", result)
    return page.render("desk/import.html", what="residents", result=result, done=not preview, file=file)


@ROUTER.get("/{person_id}")
async def resident(page: Desk, person_id: str) -> Response:
    """One resident: care, contacts, absences, assessments, coming visits."""
    return await _resident(page, person_id)


async def _resident(page: Page, person_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("daycare", f"/residents/{person_id}")
    span = {"from": page.today - timedelta(days=7), "to": page.today + timedelta(days=14)}
    visits = await page.get("daycare", "/visits", resident_id=person_id, **span)
    names = await page.names(people_of(visits["items"]) | {b["person_id"] for b in found["blocks"]})
    accounts: list[Any] = []
    if page.me.role and page.me.role.role is not Role.SOCIAL_WORKER:
        try:
            whose = [person_id, *found["family"]]
            accounts = (await page.get("identity", "/accounts", person_id=whose))["items"]
        except Problem:
            accounts = []
    context = {"invited": None, "card": None, **more}
    return page.render(
        "residents/resident.html",
        status,
        resident=found,
        visits=visits["items"],
        names=names,
        accounts=[a for a in accounts if a["person_id"] == person_id],
        relatives=[a for a in accounts if a["person_id"] != person_id],
        **context,
    )


async def _command(
    page: Page, person_id: str, method: str, path: str, body: Any, text: str, version: Any = None
) -> Response:
    try:
        await page.ask("daycare", method, path, json=body, version=version)
    except Problem as problem:
        return await _resident(page, person_id, 422, problem=problem, values=page.form)
    return await page.done(f"/centre/residents/{person_id}", text)


@ROUTER.post("/{person_id}/change")
async def change(page: Desk, person_id: str) -> Response:
    form = page.form
    body: dict[str, Any] = {
        **form.given("phone", "address", "remarks"),
        "lives_alone": form.flag("lives_alone"),
        "lone_risk": form.flag("lone_risk"),
        "stairs": form.flag("stairs"),
    }
    found = await buildings(page, form.text("address"))
    if len(found) == 1 and form.text("address") != form.text("address_now"):
        body["place"], body["cell_id"] = pin(found[0]), found[0]["cell_id"]
        body["community_id"] = found[0]["community_id"]
    if form.text("dialect_wish"):
        body["dialect_wish"] = {"dialect": form.text("dialect_wish"), "hard": form.flag("dialect_hard")}
    if form.text("sex_wish"):
        body["sex_wish"] = {"sex": form.text("sex_wish"), "hard": form.flag("sex_hard")}
    return await _command(
        page, person_id, "PATCH", f"/residents/{person_id}", body, page._("已保存。"), form.text("version")
    )


@ROUTER.post("/{person_id}/withdraw/{assessment_id}")
async def withdraw(page: Desk, person_id: str, assessment_id: str) -> Response:
    path = f"/residents/{person_id}/assessments/{assessment_id}/withdraw-consent"
    return await _command(page, person_id, "POST", path, {}, page._("同意已撤回，评估不再使用。"))


@ROUTER.post("/{person_id}/away")
async def away(page: Desk, person_id: str) -> Response:
    body = page.form.given("kind", "from", "to")
    return await _command(
        page, person_id, "POST", f"/residents/{person_id}/absences", body, page._("已登记，期间的服务暂停。")
    )


@ROUTER.post("/{person_id}/back/{absence_id}")
async def back(page: Desk, person_id: str, absence_id: str) -> Response:
    path = f"/residents/{person_id}/absences/{absence_id}"
    return await _command(page, person_id, "DELETE", path, None, page._("已取消，服务照常。"))


@ROUTER.post("/{person_id}/lift/{block_id}")
async def lift(page: Centre, person_id: str, block_id: str) -> Response:
    path = f"/residents/{person_id}/blocks/{block_id}"
    return await _command(page, person_id, "DELETE", path, None, page._("已取消。"))


@ROUTER.post("/{person_id}/invite")
async def invite(page: Desk, person_id: str) -> Response:
    """An account for the resident, with a one-time password to hand over."""
    body = {
        "person_id": person_id,
        **page.form.given("username"),
        "memberships": [{"role": "resident"}],
    }
    try:
        invited = await page.post("identity", "/accounts", body)
    except Problem as problem:
        return await _resident(page, person_id, 422, problem=problem, values=page.form)
    return await _resident(page, person_id, invited={**invited, "username": page.form.text("username")})


@ROUTER.post("/{person_id}/family")
async def invite_family(page: Centre, person_id: str) -> Response:
    """An account for a relative, who then sees this resident's visits; one they have already gets the role too."""
    form = page.form
    role = {"role": "family", "scope": "person", "scope_id": person_id}
    try:
        relative = (await page.post("identity", "/people", form.given("id_number"), key="i"))["person_id"]
        known = (await page.get("identity", "/accounts", person_id=relative))["items"]
        if known:
            await page.post("identity", f"/accounts/{known[0]['account_id']}/memberships", role, key="m")
        else:
            body = {"person_id": relative, **form.given("username"), "memberships": [role]}
            invited = await page.post("identity", "/accounts", body)
        await page.post("daycare", f"/residents/{person_id}/family", {"person_id": relative}, key="f")
    except Problem as problem:
        return await _resident(page, person_id, 422, problem=problem, values=form)
    if known:
        text = page._("用原来的账号 {username} 就能看到这位老人。", username=known[0]["username"])
        return await page.done(f"/centre/residents/{person_id}", text)
    return await _resident(page, person_id, invited={**invited, "username": form.text("username")})


@ROUTER.post("/{person_id}/reset/{account_id}")
async def reset(page: Desk, person_id: str, account_id: str) -> Response:
    try:
        invited = await page.post("identity", f"/accounts/{account_id}/password-reset", {})
    except Problem as problem:
        return await _resident(page, person_id, 422, problem=problem)
    return await _resident(page, person_id, invited={**invited, "username": ""})


@ROUTER.post("/{person_id}/card/{account_id}")
async def card(page: Desk, person_id: str, account_id: str) -> Response:
    """A printed card: QR and PIN, shown once (8.5)."""
    try:
        made = await page.post("identity", f"/accounts/{account_id}/cards", {})
    except Problem as problem:
        return await _resident(page, person_id, 422, problem=problem)
    return await _resident(page, person_id, card={**made, "qr": qr(page, f"/card/{made['card_code']}", 5)})
