"""Where a resident lives: found in the city's gazetteer, or pinned on the community's outline (design rule 9)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.maps import Sheet
from services.portal.page import Page
from services.portal.pages.residents import Desk
from services.portal.places import buildings, pin
from services.portal.services import Problem

ROUTER = APIRouter(prefix="/centre/residents")
WIDTH = 300  # fits the narrowest phone unscaled: a click is told in points as drawn


@ROUTER.get("/{person_id}/place")
async def place(page: Desk, person_id: str, q: str = "") -> Response:
    """The address looked up in the gazetteer, and the outline to put a pin on."""
    return await _place(page, person_id, q)


async def _place(page: Page, person_id: str, q: str = "", status: int = 200, **more: Any) -> Response:
    resident = await page.get("daycare", f"/residents/{person_id}")
    address = q or resident["address"] or ""
    found = await buildings(page, address, resident["community_id"])
    community = await page.get("community", f"/areas/{resident['community_id']}")
    sheet = Sheet(community["outline"], width=WIDTH)
    context: dict[str, Any] = {"pinned": None, **more}
    return page.render(
        "residents/place.html",
        status,
        resident=resident,
        address=address,
        buildings=found,
        community=community,
        width=WIDTH,
        height=sheet.height,
        **context,
    )


@ROUTER.get("/map/{community_id}.svg")
async def outline(
    page: Desk, community_id: UUID, lon: float | None = None, lat: float | None = None
) -> Response:
    """The community's cells as a picture, with the pin when there is one."""
    community = await page.get("community", f"/areas/{community_id}")
    cells = (await page.get("community", "/cells", community_id=community_id, limit=500))["items"]
    sheet = Sheet(community["outline"], width=WIDTH)
    shapes = [
        {
            "points": sheet.ring(cell["outline"]),
            "at": sheet.at(cell["lon"], cell["lat"]),
            "name": "".join(filter(str.isdigit, cell["name"])) or cell["name"],
        }
        for cell in cells
    ]
    at = sheet.at(lon, lat) if lon is not None and lat is not None else None
    answer = page.render("residents/map.svg", shapes=shapes, pin=at, width=WIDTH, height=sheet.height)
    answer.headers["Content-Type"] = "image/svg+xml"
    return answer


@ROUTER.post("/{person_id}/place")
async def put(page: Desk, person_id: str) -> Response:
    """A click on the map shows the pin first; a building or a pin that was seen is kept."""
    sent = page.form
    resident = await page.get("daycare", f"/residents/{person_id}")
    try:
        if sent.text("pin.x"):
            community = await page.get("community", f"/areas/{resident['community_id']}")
            x, y = sent.text("pin.x"), sent.text("pin.y")
            lon, lat = Sheet(community["outline"], width=WIDTH).degrees(float(x), float(y))
            return await _place(page, person_id, pinned=await _cell(page, resident, lon, lat))
        body = await _chosen(page, resident)
        await page.ask("daycare", "PATCH", f"/residents/{person_id}", json=body, version=sent.text("version"))
    except ValueError:
        return await _place(page, person_id)
    except Problem as problem:
        return await _place(page, person_id, status=422, problem=problem)
    return await page.done(f"/centre/residents/{person_id}", page._("住址已定位，可以安排服务了。"))


async def _chosen(page: Page, resident: dict[str, Any]) -> dict[str, Any]:
    """The building or the pin that was chosen, as a change of the resident."""
    if page.form.text("building_id"):
        found = await buildings(page, page.form.text("address"), resident["community_id"])
        building = next((b for b in found if b["building_id"] == page.form.text("building_id")), None)
        if building is not None:
            return {"place": pin(building), "cell_id": building["cell_id"]}
    lon, lat = float(page.form.text("lon")), float(page.form.text("lat"))
    where = await _cell(page, resident, lon, lat)
    return {"place": {"lon": lon, "lat": lat}, "cell_id": where["cell_id"]}


async def _cell(page: Page, resident: dict[str, Any], lon: float, lat: float) -> dict[str, Any]:
    """The pin with its cell. Raises Problem outside the resident's community."""
    cells = await page.get("community", "/cells/at", lon=lon, lat=lat)
    if not cells or cells[0]["community_id"] != resident["community_id"]:
        raise Problem(422, {"detail": page._("这里不在老人的社区里，请点在网格内。")})
    return {"lon": lon, "lat": lat, "cell_id": cells[0]["cell_id"], "name": cells[0]["name"]}
