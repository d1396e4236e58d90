"""Every page at phone and desk width, in both languages: axe-core finds nothing, nothing is wider than the screen."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from services import declarations
from shared.database.server import DatabaseServer
from shared.ids import new_id
from shared.messaging.bus.port import Message
from shared.messaging.operator import dead_letters
from tests.bidding import Bidder, projects_of, published
from tests.browser.conftest import SignIn
from tests.running import Product, product
from tests.support import until
from tools.browser import AXE

SHOTS = Path(__file__).parents[2] / ".linli" / "gallery"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/plan/rules/)[\w.]+")
MOST = 40
AT_DESKS = (
    "centre",
    "planner",
    "",
)  # whose wide pages differ most from the narrow ones: axe sees these twice
ROLES = ("centre", "volunteer", "carer", "dispatcher", "planner", "grid", "resident", "family", "community")
LEFT_OUT = ("/language/", ".xlsx", "/sign-out", "/ocds/", "/files/")


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One city for all: they only look."""
    with product(postgres_server, Path(tmp_path_factory.mktemp("gallery"))) as city:
        fail_an_event(city)
        buy(city)
        yield city


def walk(page: Page, running: Product, within: str = "") -> Iterator[str]:
    """Go to the pages that a role's pages link to, one of each kind, by following links (`within`: only these)."""
    todo, seen = [running.address + within if within else page.url], set[str]()
    while todo and len(seen) < MOST:
        address = todo.pop(0)
        kind = ID.sub("ID", address.split("?")[0])
        if kind in seen or any(part in address for part in LEFT_OUT):
            continue
        answer = page.goto(address)
        assert answer is not None
        assert answer.status < 400, f"{address} answers {answer.status}"
        seen.add(kind)
        yield address
        found = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        todo += [each for each in found if each.startswith(running.address + within) and "#" not in each]


def fail_an_event(running: Product) -> None:
    """So that the bureau's page of system messages has something to show."""
    assert running.city is not None
    topic = declarations.service("daycare").handlers.events[0].TOPIC.name
    headers = {"ce_id": str(new_id()), "ce_type": "linli.nobody.knows.v1", "ce_aggregateversion": "1"}
    running.city.bus.publish([Message(topic, "somewhere", headers, b"{}")])
    daycare = running.city.databases["daycare"]

    def failed() -> bool:
        with daycare.work() as work:
            return bool(dead_letters(work, "daycare"))

    until(failed)


def buy(running: Product) -> None:
    """Two calls, so that pages of calls and bids have something to show: one bid is a draft, one sealed."""
    service = projects_of(running)
    carer = running.facts.people_of_the_story.carer
    assert carer is not None
    organisation_id = carer.organisation_id
    Bidder(published(service), organisation_id=organisation_id).begin().write(4500, 4500)
    Bidder(published(service), organisation_id=organisation_id).bid(4500, 4500)


def too_wide(page: Page) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
    return ["wider than the screen"] if wide else []


def faults(page: Page, *, colours: bool = True) -> list[str]:
    """What axe-core finds, and whether the page is wider than the screen. `colours`: contrast too, which takes longest."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    rules = {"color-contrast": {"enabled": colours}}
    result = page.evaluate("rules => axe.run(document, {resultTypes: ['violations'], rules})", rules)
    found = [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0].get('failureSummary', '')[:160]}"
        for v in result["violations"]
    ]
    return found + too_wide(page)


@pytest.mark.parametrize(
    ("role", "within"), [*((role, "") for role in ROLES), ("bureau", "/events"), ("", "/public")]
)
def test_every_page_is_accessible_and_fits(running: Product, sign_in: SignIn, role: str, within: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make test brings it")
    SHOTS.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, list[str]] = {}
    addresses: list[str] = []
    for lang, phone in (("zh", True), ("en", False)):
        page = sign_in(role, phone=phone, lang=lang)
        for address in walk(page, running, within) if phone else addresses:
            if phone:
                addresses.append(address)
            else:
                page.goto(address)
            kind = ID.sub("ID", address.split("?")[0]).replace(running.address, "").strip("/")
            name = f"{role or 'nobody'}-{kind.replace('/', '-') or 'start'}-{lang}-{360 if phone else 1280}"
            page.screenshot(path=SHOTS / f"{name}.jpg", full_page=True, type="jpeg", quality=80)
            looked_at = phone or role in AT_DESKS
            found = (
                faults(page, colours=phone) if looked_at else too_wide(page)
            )  # the same colours at both widths
            if lang == "en" and re.search(r"\bNone\b|Undefined", page.inner_text("body")):
                found.append("says None")
            if found:
                wrong[name] = found
    assert not wrong, "\n".join(f"{name}: {each}" for name, found in wrong.items() for each in found)
