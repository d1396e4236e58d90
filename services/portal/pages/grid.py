"""The grid worker's phone pages: the cell's residents and open needs, and posting a need."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.desk import need_form, take_need
from services.portal.times import moment
from shared.clock import wall_day
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/grid")
Grid = Annotated[Page, signed_in(Role.GRID_WORKER, Role.COMMUNITY, Role.SOCIAL_WORKER)]


@ROUTER.get("")
async def mine(page: Grid, q: str = "") -> Response:
    """The cell's open needs and residents on one page: first whom nobody comes to, then everybody with today's visits."""
    residents = await page.get("daycare", "/residents", q=q, limit=300, **page.within)
    visits = await _coming(page)
    today: dict[str, list[Any]] = {}
    for visit in visits:
        if wall_day(moment(visit["start"])) == page.today:
            for resident in visit["residents"]:
                today.setdefault(resident["person_id"], []).append(visit)
    assert page.me.role is not None
    area = await page.place_of(page.me.role)
    waiting = [] if q else _waiting(visits)
    return page.render(
        "grid/mine.html", residents=residents["items"], today_of=today, q=q, area=area, waiting=waiting
    )


async def _coming(page: Page) -> list[dict[str, Any]]:
    span = {"from": page.today, "to": page.today + timedelta(days=6)}
    found = await page.get("daycare", "/visits", limit=500, **span, **page.within)
    return list(found["items"])


def _waiting(visits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Nobody yet, late, red: the red and the soonest first."""
    found = [v for v in visits if v["state"] in {"open", "offered", "unmet"} or v["late"] or v["red"]]
    return sorted(found, key=lambda v: (not (v["red"] or v["late"]), v["start"]))


@ROUTER.get("/open")
async def open_needs(page: Grid) -> Response:
    """What is open in the coming days: nobody yet, late, red."""
    return page.render("grid/open.html", visits=_waiting(await _coming(page)))


@ROUTER.get("/post")
async def post_form(page: Grid, resident: str = "") -> Response:
    draft = await page.draft()
    values = draft if draft.fields else Form([("resident_ids", resident)] if resident else [])
    return await need_form(page, "/grid/post", values=values)


@ROUTER.post("/post")
async def post_need(page: Grid) -> Response:
    return await take_need(page, "/grid/post", "/grid/open")
