"""Signing in and out, the own password, language and role."""

import time
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.portal import session as sessions
from services.portal.navigation import home_of
from services.portal.page import LANGUAGE, TEXT_SIZE, Open, Page, signed_in
from services.portal.services import Problem
from services.portal.session import COOKIE
from shared.contracts.codes import Role

ROUTER = APIRouter()
Reader = Annotated[Page, signed_in()]
YEAR = 365 * 24 * 3600


def _inside(path: str) -> str:
    """A path of our own, never another site's."""
    parts = urlsplit(path)
    safe = not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith("//")
    return path if safe and "\\" not in path else ""


@ROUTER.get("/")
async def start(page: Open) -> Response:
    if page.session is None:
        return RedirectResponse("/sign-in", 303)
    role = page.session.role
    return RedirectResponse(home_of(role.role.value if role else None), 303)


@ROUTER.get("/sign-in")
async def sign_in_form(page: Open, next: str = "") -> Response:
    if page.session is not None and not page.session.must_change:
        return RedirectResponse(_inside(next) or "/", 303)
    return page.render("account/sign_in.html", next=_inside(next))


@ROUTER.post("/sign-in")
async def sign_in(page: Open) -> Response:
    form = page.form
    body = {"username": form.text("username"), "password": form.text("password")}
    try:
        answer = await page.post("identity", "/sign-in", body)
    except Problem as problem:
        status = problem.status if problem.status in {401, 422, 429} else 422
        return page.render(
            "account/sign_in.html",
            status,
            next=_inside(form.text("next")),
            problem=problem,
            values={"username": form.text("username")},
        )
    return await _signed_in(page, answer, by_card=False)


async def _signed_in(page: Page, answer: dict, *, by_card: bool) -> Response:  # type: ignore[type-arg]
    def keep() -> str:
        with page.database.work() as work:
            until = time.time() + answer["expires_in"]
            return sessions.open_session(work, answer, by_card=by_card, until=until)

    cookie = await page.sync(keep)
    if answer["account"]["must_change_password"]:
        target = "/account/password"
    else:
        target = _inside(page.form.text("next")) or "/"
    response = RedirectResponse(target, 303)
    age = (sessions.lasts(page.now, by_card=by_card) + sessions.DRAFT_KEPT).total_seconds()
    response.set_cookie(COOKIE, cookie, max_age=int(age), httponly=True, samesite="lax", secure=page.over_tls)
    return response


@ROUTER.get("/card/{code}")
@ROUTER.get("/card")
async def card_form(page: Open, code: str = "") -> Response:
    return page.render("account/card.html", code=code[:64])


@ROUTER.post("/card")
async def card(page: Open) -> Response:
    form = page.form
    try:
        answer = await page.post(
            "identity", "/sign-in/card", {"card_code": form.text("code"), "pin": form.text("pin")}
        )
    except Problem as problem:
        status = problem.status if problem.status in {401, 422, 429} else 422
        return page.render("account/card.html", status, code=form.text("code"), problem=problem)
    return await _signed_in(page, answer, by_card=True)


@ROUTER.post("/sign-out")
async def sign_out(page: Open) -> Response:
    response = RedirectResponse("/sign-in", 303)
    if page.session is not None:
        token = {"session_token": page.session.session_token}
        try:
            await page.ask("identity", "DELETE", "/sessions/current", json=token)
        finally:
            await page.sync(sessions.end_session, page.database, page.session)
    response.delete_cookie(COOKIE)
    return response


@ROUTER.get("/language/{lang}")
async def choose_language(page: Open, lang: str, next: str = "/") -> Response:
    response = RedirectResponse(_inside(next) or "/", 303)
    chosen = "en" if lang == "en" else "zh"
    response.set_cookie(LANGUAGE, chosen, max_age=YEAR, httponly=True, samesite="lax", secure=page.over_tls)
    return response


@ROUTER.post("/account/text")
async def choose_text(page: Reader) -> Response:
    """Large text and targets, or the usual ones, on this device."""
    response = RedirectResponse("/account", 303)
    size = "large" if page.form.text("size") == "large" else "normal"
    response.set_cookie(TEXT_SIZE, size, max_age=YEAR, httponly=True, samesite="lax", secure=page.over_tls)
    return response


@ROUTER.get("/account")
async def account(page: Reader) -> Response:
    roles = [
        (number, each, await page.place_of(each) if each.role is not Role.VOLUNTEER else "")
        for number, each in enumerate(page.me.memberships)
    ]
    return page.render("account/account.html", roles=roles)


@ROUTER.post("/account/role")
async def choose_role(page: Reader) -> Response:
    chosen = page.form.text("role")
    if chosen.isdecimal() and int(chosen) < len(page.me.memberships):
        membership = page.me.memberships[int(chosen)]
        await page.sync(sessions.act_as, page.database, page.me, membership)
        return RedirectResponse(home_of(membership.role.value), 303)
    return RedirectResponse("/account", 303)


@ROUTER.get("/account/password")
async def password_form(page: Reader) -> Response:
    return page.render("account/password.html")


@ROUTER.post("/account/password")
async def change_password(page: Reader) -> Response:
    form = page.form
    if form.text("new") != form.text("again"):
        fault = page._("两次输入的新密码不一样。")
        problem = Problem(422, {"detail": fault, "errors": [{"field": "again", "message": fault}]})
        return page.render("account/password.html", 422, problem=problem)
    try:
        await page.post("identity", "/me/password", {"old": form.text("old"), "new": form.text("new")})
    except Problem as problem:
        return page.render("account/password.html", 422, problem=problem)
    await page.renew()
    return await page.done("/", page._("密码已更改。"))


@ROUTER.get("/register")
async def register_form(page: Open) -> Response:
    communities = await _communities(page)
    return page.render("account/register.html", communities=communities)


async def _communities(page: Page) -> list[dict]:  # type: ignore[type-arg]
    if page.session is None:
        return []
    answer = await page.get("community", "/communities", limit=500)
    return list(answer["items"])


@ROUTER.post("/register")
async def register(page: Open) -> Response:
    """A volunteer registers: first the way in, then, signed in, who they are."""
    form = page.form
    body = {k: form.text(k) for k in ("username", "password", "id_number")}
    try:
        await page.post("identity", "/registrations", body)
        answer = await page.post(
            "identity", "/sign-in", {k: body[k] for k in ("username", "password")}, key="in"
        )
    except Problem as problem:
        return page.render("account/register.html", 422, problem=problem, values=form, communities=[])
    page.form.fields.append(("next", "/my/about"))
    return await _signed_in(page, answer, by_card=False)
