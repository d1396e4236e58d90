"""The slip for the refrigerator door: who comes this week, large, with the code at the door and the centre's number."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Page
from services.portal.pages.centre import people_of
from services.portal.pages.home import Own
from services.portal.pages.residents import Desk
from services.portal.printing import qr

ROUTER = APIRouter()
DAYS = 7


@ROUTER.get("/centre/residents/{person_id}/slip")
async def of_a_resident(page: Desk, person_id: str) -> Response:
    return await _slip(page, person_id, f"/centre/residents/{person_id}")


@ROUTER.get("/home/slip")
async def own(page: Own) -> Response:
    return await _slip(page, str(page.scope), "/home")


async def _slip(page: Page, person_id: str, back: str) -> Response:
    resident = await page.get("daycare", f"/residents/{person_id}")
    span = {"from": page.today, "to": page.today + timedelta(days=DAYS - 1)}
    found = await page.get("daycare", "/visits", resident_id=person_id, **span)
    visits: list[dict[str, Any]] = [
        v for v in found["items"] if v["state"] not in {"cancelled", "suspended", "done"}
    ]
    centre = await page.get("daycare", f"/centres/{resident['centre_id']}") if resident["centre_id"] else None
    return page.render(
        "residents/slip.html",
        resident=resident,
        centre=centre,
        visits=visits,
        names=await page.names(people_of(visits)),
        last=page.today + timedelta(days=DAYS - 1),
        back=back,
        qr=qr(page, "/home"),
    )
