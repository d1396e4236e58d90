"""Calls found by service, community and closing day: what the public's and the organisations' lists ask for."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from services.portal import words
from services.portal.page import Page


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader looks for, as it stands in the address; what makes no sense there is left out."""

    kind: str
    community_id: str
    closing_to: str
    communities: list[tuple[str, str]]

    @property
    def said(self) -> dict[str, str]:
        """What was chosen, as the services take it."""
        chosen = {"kind": self.kind, "community_id": self.community_id, "closing_to": self.closing_to}
        return {name: value for name, value in chosen.items() if value}

    @property
    def query(self) -> str:
        """The same for an address, to go on with."""
        return urlencode(self.said)


async def wanted(page: Page, kind: str, community_id: str, closing_to: str) -> Wanted:
    """The choice that an address makes, with the communities to choose from."""
    listed: list[dict[str, Any]] = await page.every("community", "/communities")
    names = {each["community_id"]: each["name"] for each in listed}
    try:
        day = date.fromisoformat(closing_to).isoformat()
    except ValueError:
        day = ""
    return Wanted(
        kind if kind in words.KINDS else "",
        community_id if community_id in names else "",
        day,
        sorted(names.items(), key=lambda each: each[1]),
    )
