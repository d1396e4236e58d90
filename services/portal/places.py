"""Addresses as people type them, found in the city's gazetteer; none is placed by guess."""

import re
from typing import Any

from services.portal.page import Page
from services.portal.services import Problem

SHOWN = 5
_ROOM = re.compile(r"\s*(\d+单元)?\s*\d+室$")


async def buildings(page: Page, address: str, community_id: str = "") -> list[dict[str, Any]]:
    """The buildings that an address may mean."""
    if not address:
        return []
    where = {"community_id": community_id} if community_id else {}
    found = await page.get("community", "/buildings", q=address[:60], limit=SHOWN, **where)
    exact = [each for each in found["items"] if each["address"] == address]
    return exact or list(found["items"])


def pin(building: dict[str, Any]) -> dict[str, Any]:
    """A building as the place of a resident or a visit."""
    return {name: building[name] for name in ("building_id", "lon", "lat")}


async def home_of(page: Page, address: str, community_id: str) -> dict[str, float] | None:
    """Where somebody lives, when the address up to its room means one building of the community; not known otherwise."""
    found = await buildings(page, _ROOM.sub("", address), community_id)
    return {name: found[0][name] for name in ("lon", "lat")} if len(found) == 1 else None


async def moved(page: Page, volunteer: dict[str, Any]) -> dict[str, Any]:
    """The form's address with its place, when it is another than the volunteer's: who stays keeps the place known."""
    address = page.form.text("address")
    community_id = page.form.text("community_id") or str(volunteer["community_id"])
    if (address, community_id) == (volunteer["address"], str(volunteer["community_id"])):
        return {}
    return {"address": address or None, "place": await home_of(page, address, community_id)}


async def somewhere(page: Page, field: str) -> dict[str, Any] | None:
    """The address in a field of the form with its place. Raises Problem when it is not one place of the gazetteer."""
    address = page.form.text(field)
    if not address:
        return None
    found = await buildings(page, address)
    if len(found) == 1:
        return {"address": address, "place": pin(found[0])}
    if found:
        known = "、".join(str(each["address"]) for each in found)
        said = page._("这样的地址不止一处，请写得更细，例如：{known}", known=known)
    else:
        said = page._("地址库里没有这个地址，请写到小区和楼栋。")
    raise Problem(422, {"detail": page._("地址没有找到。"), "errors": [{"field": field, "message": said}]})
