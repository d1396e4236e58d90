"""Calls found by service, community and closing day: what the public's and the organisations' lists ask for."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from services.portal import words
from services.portal.page import Page
from services.portal.services import Problem


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader looks for, as it stands in the address. `faults`: what makes no sense there, by field; it is left out.

    `typed`: the closing day as it was typed.
    """

    kind: str
    community_id: str
    closing_to: str
    communities: list[tuple[str, str]]
    typed: str
    faults: dict[str, str]
    sentence: str  # over the faults

    @property
    def said(self) -> dict[str, str]:
        """What was chosen, as the services take it."""
        chosen = {"kind": self.kind, "community_id": self.community_id, "closing_to": self.closing_to}
        return {name: value for name, value in chosen.items() if value}

    @property
    def query(self) -> str:
        """The same for an address, to go on with."""
        return urlencode(self.said)

    @property
    def problem(self) -> Problem | None:
        """What to show by the fields."""
        if not self.faults:
            return None
        errors = [{"field": field, "message": text} for field, text in self.faults.items()]
        return Problem(422, {"detail": self.sentence, "errors": errors})


async def wanted(page: Page, kind: str, community_id: str, closing_to: str) -> Wanted:
    """The choice that an address makes, with the communities to choose from."""
    listed: list[dict[str, Any]] = await page.every("community", "/communities")
    names = {each["community_id"]: each["name"] for each in listed}
    faults: dict[str, str] = {}
    if kind and kind not in words.KINDS:
        faults["kind"] = page._("没有这种服务，没有按它查找。请从列表里选。")
    if community_id and community_id not in names:
        faults["community_id"] = page._("没有这个社区，没有按它查找。请从列表里选。")
    day = ""
    try:
        day = date.fromisoformat(closing_to).isoformat() if closing_to else ""
    except ValueError:
        faults["closing_to"] = page._(
            "“{typed}”不是日期，没有按它查找。请写成 {example}。", typed=closing_to[:40], example=page.today
        )
    return Wanted(
        "" if "kind" in faults else kind,
        "" if "community_id" in faults else community_id,
        day,
        sorted(names.items(), key=lambda each: each[1]),
        closing_to if "closing_to" in faults else day,
        faults,
        page._("有的查找条件看不懂，下面是按其余条件找到的。"),
    )
