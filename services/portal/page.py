"""What a page works with: its reader, the services, its form, its answer. How to write one stands in pages/__init__.py."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import anyio.to_thread
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import URL, FormData, UploadFile

from services.portal import session as sessions
from services.portal.rendering import render
from services.portal.services import Away, Clients, Problem
from services.portal.session import COOKIE, Session
from shared.clock import system_clock, wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.work import Database
from shared.security.caller import Membership
from shared.web.language import translate

LANGUAGE = "lang"
TEXT_SIZE = "text"
ELDER = frozenset({Role.VOLUNTEER, Role.ORGANISATION_STAFF, Role.RESIDENT, Role.FAMILY})
RENEW_BEFORE = 30.0


class SignInFirst(Exception):
    """Nobody is signed in, or not any more."""


class NotYours(Exception):
    """The reader's role does not have this page. `roles`: who has."""

    def __init__(self, roles: Iterable[Role]) -> None:
        super().__init__("not yours")
        self.roles = tuple(roles)


class Crossed(Exception):
    """A form that did not come from our own page."""


class Form:
    """A sent form. Empty fields count as not given."""

    def __init__(self, data: FormData | list[tuple[str, str]]) -> None:
        items = data.multi_items() if isinstance(data, FormData) else data
        self.files = {k: v for k, v in items if isinstance(v, UploadFile)}
        self.fields: list[tuple[str, str]] = [(k, v) for k, v in items if isinstance(v, str)]

    def text(self, name: str, default: str = "") -> str:
        return next((v.strip() for k, v in self.fields if k == name), default)

    def many(self, name: str) -> list[str]:
        return [v for k, v in self.fields if k == name and v]

    def flag(self, name: str) -> bool:
        return self.text(name) not in {"", "0", "false"}

    def given(self, *names: str) -> dict[str, Any]:
        """The named fields that are filled in."""
        return {name: self.text(name) for name in names if self.text(name)}

    def number(self, name: str) -> int | None:
        """A whole number, or what was typed, for the service to refuse."""
        value = self.text(name)
        return int(value) if value.isdecimal() else (value or None)  # type: ignore[return-value]


@dataclass
class Page:
    """One request of a reader."""

    request: Request
    clients: Clients
    database: Database
    lang: str
    session: Session | None
    now: datetime
    form: Form = field(default_factory=lambda: Form([]))
    place: str = ""

    @property
    def today(self) -> date:
        return wall_day(self.now)

    @property
    def address(self) -> str:
        """Path and query of this page."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    @property
    def over_tls(self) -> bool:
        """Whether the browser speaks TLS, to us or to the proxy in front."""
        return self.request.url.scheme == "https"

    @property
    def me(self) -> Session:
        """The reader. Pages for signed-in readers only ask this."""
        if self.session is None:
            raise SignInFirst
        return self.session

    @property
    def elder(self) -> bool:
        """Whether text and targets are large: as chosen on this device, else for who comes by phone."""
        chosen = self.request.cookies.get(TEXT_SIZE)
        if chosen in {"large", "normal"}:
            return chosen == "large"
        return bool(self.session and self.session.role and self.session.role.role in ELDER)

    @property
    def scope(self) -> UUID:
        """The id of what the reader's role reaches: centre, organisation, cell, person."""
        assert self.me.role is not None
        return self.me.role.scope_id or self.me.person_id

    @property
    def within(self) -> dict[str, UUID]:
        """What the reader's role reaches, as the lists ask for it: `{"centre_id": …}`; empty for a whole city."""
        role = self.me.role
        return {f"{role.scope.value}_id": role.scope_id} if role and role.scope_id else {}

    def _(self, message: str, **params: Any) -> str:
        return translate(self.lang, message, **params)

    async def sync(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function that talks to the portal's own database."""
        limiter = self.request.app.state.limiter
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiter)

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        version: Any = None,
        key: str | None = None,
    ) -> Any:
        """Ask a service as the reader. A POST carries the form's key, so that sending twice does once."""
        token = await self.token() if self.session else None
        address = self.request.client.host if self.request.client else "unknown"
        headers = {"X-Forwarded-For": address, **(headers or {})}
        if method == "POST" and self.form.text("_key"):
            headers["Idempotency-Key"] = (key or "") + self.form.text("_key")[:60]
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        try:
            return await self.clients.call(
                service,
                method,
                path,
                token=token,
                lang=self.lang,
                params=params,
                json=json,
                content=content,
                headers=headers,
            )
        except Problem as problem:
            if problem.status == 401 and self.session:
                raise SignInFirst from None
            raise

    async def get(self, service: str, path: str, **params: Any) -> Any:
        return await self.ask(service, "GET", path, params=params)

    async def every(self, service: str, path: str, **params: Any) -> list[dict[str, Any]]:
        """All items of a list, page after page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            found = await self.get(service, path, cursor=cursor, limit=500, **params)
            items += found["items"]
            cursor = found["next"]
            if cursor is None:
                return items

    async def post(self, service: str, path: str, json: Any = None, **more: Any) -> Any:
        return await self.ask(service, "POST", path, json={} if json is None else json, **more)

    async def hand_in(
        self, field: str, path: str, *, version: Any = None, key: str | None = None, **params: Any
    ) -> Any:
        """Pass a form's file on to the projects service as it is. Problem when none was chosen."""
        file = self.form.files.get(field)
        if file is None or not file.filename:
            sentence = self._("请选择一个文件。")
            raise Problem(422, {"detail": sentence, "errors": [{"field": field, "message": sentence}]})
        headers = {"File-Name": quote(file.filename, safe=""), "Content-Type": "application/octet-stream"}
        content = await file.read()
        try:
            return await self.ask(
                "projects",
                "POST",
                path,
                params=params,
                content=content,
                headers=headers,
                version=version,
                key=key,
            )
        except Problem as problem:
            problem.errors = {field: problem.errors.get("File-Name") or problem.detail}
            raise

    async def token(self) -> str:
        """The reader's access token, renewed when it is about to end."""
        session = self.me
        if session.access_until - time.time() < RENEW_BEFORE:
            await self.renew()
        return session.access_token

    async def renew(self) -> None:
        """A fresh access token; when identity has ended the session, the reader signs in again."""
        session = self.me
        try:
            renewed = await self.clients.call(
                "identity",
                "POST",
                "/tokens",
                token=None,
                lang=self.lang,
                json={"session_token": session.session_token},
            )
        except Problem:
            raise SignInFirst from None
        await self.sync(
            sessions.keep_token, self.database, session, renewed, time.time() + renewed["expires_in"]
        )

    async def place_of(self, membership: Membership) -> str:
        """The name of the place, or the person, that a role is for; empty for the whole city. Places' are kept."""
        if membership.scope is ScopeKind.CITY or membership.scope_id is None:
            return ""
        kept: dict[UUID, str] = self.request.app.state.places
        if membership.scope_id not in kept:
            service, path = {
                ScopeKind.CENTRE: ("daycare", "/centres"),
                ScopeKind.ORGANISATION: ("projects", "/organisations"),
                ScopeKind.PERSON: ("daycare", "/residents"),
            }.get(membership.scope, ("community", "/areas"))
            try:
                name = str((await self.get(service, f"{path}/{membership.scope_id}"))["name"])
            except (Problem, Away):
                return ""
            if membership.scope is ScopeKind.PERSON:
                return name
            kept[membership.scope_id] = name
        return kept[membership.scope_id]

    async def organisation_names(self, organisation_ids: Iterable[str]) -> dict[str, str]:
        """Names of organisations, by id."""
        return await self._named("projects", "/organisations", "organisation_id", organisation_ids)

    async def community_names(self, community_ids: Iterable[str]) -> dict[str, str]:
        """Names of communities, by id: those of a call and not the whole city's."""
        return await self._named("community", "/communities", "community_id", community_ids)

    async def _named(self, service: str, path: str, key: str, ids: Iterable[str]) -> dict[str, str]:
        wanted = sorted(set(ids))
        names = dict.fromkeys(wanted, "")
        for start in range(0, len(wanted), 100):
            some = wanted[start : start + 100]
            found = await self.get(service, path, **{key: some}, limit=len(some))
            names |= {each[key]: each["name"] for each in found["items"]}
        return names

    async def names(self, person_ids: Iterable[Any]) -> dict[str, dict[str, Any]]:
        """Names (and phones, for those who may call) of volunteers, staff and who holds an office, by person id."""
        wanted = sorted({str(p) for p in person_ids if p})
        result: dict[str, dict[str, Any]] = {}
        for service in ("projects", "volunteers", "identity"):
            if service == "identity":
                wanted = [person for person in wanted if person not in result]
            for start in range(0, len(wanted), 500):
                body = {"person_ids": wanted[start : start + 500]}
                try:
                    token = await self.token()
                    found = await self.clients.call(
                        service, "POST", "/names", token=token, lang=self.lang, json=body
                    )
                except (Problem, Away):
                    continue
                for person, value in found.items():
                    known = result.get(person)
                    if known is None or (not known.get("phone") and value.get("phone")):
                        result[person] = value
        return result

    async def say(self, text: str, kind: str = "good") -> None:
        """Say something on the next page."""
        await self.sync(sessions.add_flash, self.database, self.me, kind, text)

    async def done(self, path: str, text: str = "") -> Response:
        """After a command: to the page that shows its effect."""
        if text:
            await self.say(text)
        return RedirectResponse(path, 303)

    async def refused(self, path: str, problem: Problem) -> Response:
        """After a refused command without a form of its own: back, with the sentence."""
        await self.say(problem.detail or self._("没有成功，请再试一次。"), "bad")
        return RedirectResponse(path, 303)

    async def draft(self) -> Form:
        """The form that was sent when the session had ended, to be shown filled (8.5)."""
        draft = self.request.query_params.get("draft")
        if not draft or self.session is None:
            return Form([])
        try:
            number = UUID(draft)
        except ValueError:
            return Form([])
        return Form(await self.sync(sessions.read_draft, self.database, self.me.person_id, number))

    def render(self, template: str, status_code: int = 200, **context: Any) -> Response:
        """The page. `problem` in the context puts the error summary at the top and sentences beside the fields."""
        html = render(template, self, key=uuid4().hex, **context)
        headers = {"Cache-Control": "no-store", "Content-Language": "zh-CN" if self.lang == "zh" else "en"}
        return HTMLResponse(html, status_code, headers=headers)

    def url(self, path: str, **params: Any) -> str:
        """An address with a query."""
        kept = {k: v for k, v in params.items() if v not in (None, "")}
        return f"{path}?{urlencode(kept)}" if kept else path


def present(database: Database) -> datetime:
    """The present as the portal's database is told it."""
    return (database.clock or system_clock)()


def language(request: Request) -> str:
    """The reader's language: as chosen, else as the browser prefers; Chinese first."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen in {"zh", "en"}:
        return chosen
    wished = [part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")]
    return next((code for code in wished if code in {"zh", "en"}), "zh")


async def page_of(request: Request) -> Page:
    """The page's work things. A sent form is read and must come from our own page."""
    state = request.app.state
    page = Page(request, state.clients, state.database, language(request), None, present(state.database))
    cookie = request.cookies.get(COOKIE)
    if cookie and len(cookie) < 100:
        page.session = await page.sync(sessions.read_session, page.database, cookie)
    if request.method == "POST":
        page.form = Form(await request.form(max_files=2, max_fields=3000))
        _own_form(request, page)
    return page


def _own_form(request: Request, page: Page) -> None:
    """SameSite cookie, Origin, Sec-Fetch-Site, and the session's token in the form."""
    origin = request.headers.get("origin")
    if origin and origin.split("://")[-1] != request.headers.get("host"):
        raise Crossed
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Crossed
    if page.session is not None and page.form.text("_csrf") != page.session.csrf:
        raise Crossed


Open = Annotated[Page, Depends(page_of)]


def signed_in(*roles: Role) -> Any:
    """A page for readers whose active role is one of these (any, when none is named)."""

    async def check(page: Open) -> Page:
        if page.session is None:
            raise SignInFirst
        if page.session.must_change and page.request.url.path != "/account/password":
            raise SignInFirst
        if roles and (page.session.role is None or page.session.role.role not in roles):
            other = next((m for m in page.session.memberships if m.role in roles), None)
            if other is None:
                raise NotYours(roles)
            await page.sync(sessions.act_as, page.database, page.session, other)
            page.session.role = other
        role = page.session.role
        if role is not None and role.scope is not ScopeKind.PERSON:
            page.place = await page.place_of(role)
        return page

    return Depends(check)


def sign_in_path(request: Request, draft: UUID | None = None, form_page: str = "") -> str:
    """Where to sign in, and come back from: for a sent form to the page that showed it."""
    url = URL(form_page if form_page.startswith("/") and not form_page.startswith("//") else str(request.url))
    if draft is not None:
        url = url.include_query_params(draft=draft)
    back = url.path + (f"?{url.query}" if url.query else "")
    return f"/sign-in?next={quote(back, safe='')}"
