"""Who is served how well, against the city's mean (pages.md, "Fairness")."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.pages.plan import Planner, places_of

ROUTER = APIRouter(prefix="/plan")
SPANS = {"week": (0, 6), "past": (-28, -1)}


@ROUTER.get("/fairness")
async def fairness(page: Planner, span: str = "week") -> Response:
    """Dots by community, disability and service on one scale, the mean as a line; the work's spread over volunteers."""
    begin, end = SPANS.get(span, SPANS["week"])
    found = await page.get(
        "matcher",
        "/fairness",
        **{"from": page.today + timedelta(days=begin), "to": page.today + timedelta(days=end)},
    )
    shown = [s for rows in (found["communities"], found["grades"], found["kinds"]) for s in rows]
    rates = [s["held"] / s["asked"] for s in shown if s["asked"]]
    least = _floor(rates)

    def at(rate: float) -> str:
        return f"{2 + 96 * (rate - least) / (1 - least):.1f}%"

    return page.render(
        "plan/fairness.html",
        found=found,
        chosen=span if span in SPANS else "week",
        least=least,
        mean_at=at(max(found["mean"], least)) if found["mean"] is not None else None,
        dots=lambda rows: [_dot(row, at) for row in rows],
        far=_far_behind(found),
        places=await places_of(page),
    )


def _floor(rates: list[float]) -> float:
    """Where the scale begins: the tenth below the lowest share."""
    return min(0.9, int(10 * min(rates, default=0)) / 10)


def _dot(row: dict[str, Any], at: Any) -> dict[str, Any]:
    rate = row["held"] / row["asked"] if row["asked"] else None
    return {**row, "rate": rate, "at": at(rate) if rate is not None else None}


def _far_behind(found: dict[str, Any]) -> dict[str, Any] | None:
    """The least served community, when it lies five points or more under the mean: the finding in the title."""
    first = next((row for row in found["communities"] if row["asked"]), None)
    if first is None or found["mean"] is None:
        return None
    rate = first["held"] / first["asked"]
    return {"name": first["name"], "rate": rate} if found["mean"] - rate >= 0.05 else None
