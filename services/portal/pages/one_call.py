"""The page of one call, where each of its steps comes back to: where it stands, and what comes next."""

from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from fastapi.responses import Response

from services.portal.page import Form, Page
from shared.clock import week_start
from shared.rules import rule_value

STEPS = ("draft", "consulting", "published", "opened", "scored", "awarded", "signed", "closed", "archived")
WORKED_ON = {"deadline_over": "opened", "opened": "scored", "scored": "awarded"}


def fen_of(text: str) -> Any:
    """Yuan as typed, in fen; what is no number is left for the service to refuse."""
    try:
        found = Decimal(text.replace(",", "").replace("¥", "")) * 100
    except InvalidOperation:
        return text
    return int(found) if found == found.to_integral_value() and abs(found) < 10**14 else text


def communities_of(call: dict[str, Any]) -> set[str]:
    """The communities that a call buys for."""
    return {each for lot in call["lots"] for line in lot["lines"] for each in line["community_ids"]}


async def show(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    """The page of one call; `more`: what a refused step brings back."""
    found = await page.get("projects", f"/calls/{call_id}")
    keys = await page.get("projects", "/opener-keys")
    people = [key["person_id"] for key in keys["items"]]
    names = await page.names(people)
    lines = await page.get("projects", "/budget-lines", limit=500)
    line = next((b for b in lines["items"] if b["budget_line_id"] == found["budget_line_id"]), None)
    context: dict[str, Any] = {"values": Form([]), **await _belongings(page, found), **more}
    return page.render(
        "purchases/call.html",
        status,
        call=found,
        line=line,
        steps=_steps(found),
        openers=[(p, names.get(p, {}).get("name") or page._("开标人")) for p in people],
        earliest=_earliest(page, found),
        places=await page.community_names(communities_of(found)),
        archive_years=int(rule_value("archive_years", page.today)),
        **context,
    )


def _steps(call: dict[str, Any]) -> list[tuple[str, str]]:
    """The states a call goes through, each done, being worked on or to come; where it ended, that."""
    way = [s for s in STEPS if s != "consulting" or call["method"] != "single_source"]
    if call["state"] not in way:
        reached = "published" if call["published_at"] else "consulting" if call["consulted_from"] else "draft"
        return [(s, "done") for s in way[: way.index(reached) + 1]] + [(call["state"], "now")]
    at = way.index(WORKED_ON.get(call["stage"], call["state"]))
    return [(s, "done" if n < at else "now" if n == at else "later") for n, s in enumerate(way)]


def _earliest(page: Page, call: dict[str, Any]) -> str:
    """The first working morning that leaves the method's days."""
    day: date = page.today + timedelta(days=call["terms"]["bid_days"] + 1)
    if day.weekday() > 4:
        day = week_start(day) + timedelta(days=7)
    return f"{day.isoformat()}T09:30"


async def _belongings(page: Page, call: dict[str, Any]) -> dict[str, Any]:
    """What the page of a call shows from the deadline on."""
    of = f"/calls/{call['call_id']}"
    if call["stage"] == "deadline_over":
        step = await page.get("projects", f"{of}/opening-step")
        return {"opening": step, "names": await page.names(step["openers"])}
    if call["opened_at"] is None:
        return {}
    found: dict[str, Any] = {}
    if call["state"] == "opened":
        found["scorers"] = await page.get("projects", f"{of}/scorers")
        found["names"] = await page.names(s["person_id"] for s in found["scorers"]["items"])
    if call["state"] in ("scored", "awarded", "signed", "closed", "archived"):
        ranking = await page.get("projects", f"{of}/ranking")
        found["first"] = {b["lot_id"]: b for b in reversed(ranking["items"]) if b["rank"]}
        found["ranked"] = [b for b in ranking["items"] if b["rank"]]
        found["awards"] = (await page.get("projects", f"{of}/awards"))["items"]
        found["grants"] = {}
        if call["method"] == "venture":
            grants = await page.get("projects", "/grants", call_id=call["call_id"], limit=500)
            found["grants"] = {g["award_id"]: g["grant_id"] for g in grants["items"]}
        found["challenges"] = (await page.get("projects", f"{of}/challenges"))["items"]
    return found
