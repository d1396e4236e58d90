"""The portal: the web pages, the only thing browsers talk to."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import anyio
import httpx
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from services.portal import session as sessions
from services.portal.base import Base
from services.portal.page import Crossed, Form, NotYours, Page, SignInFirst, language, present, sign_in_path
from services.portal.pages import ROUTERS
from services.portal.services import Away, Clients, Problem
from services.portal.session import COOKIE, forget_old
from shared.database.work import Database, Job
from shared.telemetry.requests import WatchedApp, route_of
from shared.web.app import Service, add_health, database_ready
from shared.web.bodies import BodyLimit

log = structlog.get_logger()

_HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}

_SECRET = re.compile(r"password|^(pin|code)$")  # what a draft must not keep
_SEALED = "/organisation/bids/"  # forms of sealed bids, of which nothing is kept here
_FILE = 20 * 1024 * 1024 + 64 * 1024  # the largest file that a service takes, and its form
_WITH_FILES = {
    "/organisation/bids/{bid_id}/files": _FILE,
    "/organisation/papers": _FILE,
    "/organisation/grants/{grant_id}/milestones/{milestone_id}": _FILE,
    "/organisation/contracts/{contract_id}/files": _FILE,
}
SERVICE = Service(
    name="portal",
    title="Linli portal",
    metadata=Base.metadata,
    routers=(),
    on_bus=False,
    jobs=(Job("portal.forget_old", timedelta(hours=1), forget_old),),
)


def create_portal(database: Database, clients_of: Mapping[str, httpx.AsyncClient]) -> FastAPI:
    """The portal over its own database and the services that the clients reach."""
    clients = Clients(clients_of)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await clients.close()

    app = WatchedApp(
        "portal",
        public=True,
        title="Linli",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.clients = clients
    app.state.database = database
    app.state.places = {}
    app.state.limiter = anyio.CapacityLimiter(database.pool)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(BodyLimit, larger=_WITH_FILES)
    app.middleware("http")(_with_headers)
    _add_answers(app)

    app.state.checks = [database_ready(database)]
    add_health(app)
    return app


async def _with_headers(request: Request, follow: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await follow(request)
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)
    if request.url.path.startswith("/static/"):
        answer.headers["Cache-Control"] = "public, max-age=3600"
    return answer


async def _page(request: Request) -> Page:
    """The reader's page even when something failed."""
    state = request.app.state
    page = Page(request, state.clients, state.database, language(request), None, present(state.database))
    cookie = request.cookies.get(COOKIE)
    if cookie and len(cookie) < 100:
        page.session = await page.sync(sessions.read_session, page.database, cookie)
    return page


def _add_answers(app: FastAPI) -> None:
    """What a reader sees when a page can't be shown: who may, what to do."""

    @app.exception_handler(SignInFirst)
    async def sign_in(request: Request, error: SignInFirst) -> Response:
        page = await _page(request)
        if page.session is not None and page.session.must_change:
            return RedirectResponse("/account/password", 303)
        draft, shown_on = None, ""
        cookie = request.cookies.get(COOKIE, "")
        person = await page.sync(sessions.whose, page.database, cookie) if cookie else None
        if request.method == "POST" and person is not None and not request.url.path.startswith(_SEALED):
            form = Form(await request.form())
            shown_on = form.text("_page")
            kept = [(k, v) for k, v in form.fields if not k.startswith("_") and not _SECRET.search(k)]
            draft = await page.sync(sessions.keep_draft, page.database, person, request.url.path, kept)
        answer = RedirectResponse(sign_in_path(request, draft, shown_on), 303)
        if page.session is not None:
            await page.sync(sessions.end_session, page.database, page.session)
            answer.delete_cookie(COOKIE)
        return answer

    @app.exception_handler(NotYours)
    async def not_yours(request: Request, error: NotYours) -> Response:
        page = await _page(request)
        return page.render("error.html", 403, kind="not_yours", who=[r.value for r in error.roles], detail="")

    @app.exception_handler(Crossed)
    async def crossed(request: Request, error: Crossed) -> Response:
        page = await _page(request)
        return page.render("error.html", 403, kind="crossed", who=[], detail="")

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> Response:
        page = await _page(request)
        if request.method == "GET" and error.status == 422:  # an address that names nothing
            return page.render("error.html", 404, kind="gone", who=[], detail="")
        status = error.status if error.status < 500 else 503
        kind = {403: "refused", 404: "gone"}.get(error.status, "failed" if status >= 500 else "refused")
        return page.render("error.html", status, kind=kind, who=[], detail=error.detail)

    @app.exception_handler(Away)
    async def away(request: Request, error: Away) -> Response:
        page = await _page(request)
        return page.render("error.html", 503, kind="failed", who=[], detail="")

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        page = await _page(request)
        kind = "gone" if error.status_code == 404 else "refused"
        return page.render("error.html", error.status_code, kind=kind, who=[], detail="")

    @app.exception_handler(RequestValidationError)
    async def no_such_address(request: Request, error: RequestValidationError) -> Response:
        page = await _page(request)
        return page.render("error.html", 404, kind="gone", who=[], detail="")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        number = uuid4().hex[:8]
        log.error("page failed", number=number, route=route_of(request.scope), exc_info=error)
        state = request.app.state
        page = Page(request, state.clients, state.database, language(request), None, present(state.database))
        answer = page.render(
            "error.html", 500, kind="failed", who=[], detail=page._("编号 {number}", number=number)
        )
        answer.headers.update(HEADERS)
        return answer
