"""From the opening to the contract, looked at: the bureau's and the scorers' pages of calls in each later state."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared.contracts.codes import Role
from tests.bidding import projects_of
from tests.browser.conftest import SignIn
from tests.browser.test_gallery import faults
from tests.browser.test_purchases import picture
from tests.buying import Purchase, purchase
from tests.integration.test_awards import awarded, drawn_up, publish
from tests.integration.test_awards import sign as sign_by
from tests.running import Product
from tests.support import caller

pytestmark = pytest.mark.browser


def later_states(running: Product) -> dict[str, tuple[Purchase, str]]:
    """A call opened with the sample's scorers named, one scored, one awarded and challenged, one with its contract."""
    projects = projects_of(running)
    people = [o.person.person_id for o in running.facts.officials if o.role is Role.SCORER]
    opened = purchase(projects)
    opened.scorers = [caller(Role.SCORER, person_id=person) for person in people]
    named = [{"person_id": str(person), "expert": n > 0} for n, person in enumerate(people)]
    answer = opened.bureau.post(f"/calls/{opened.call_id}/scorers", json={"scorers": named})
    assert answer.status_code == 201, answer.text
    scored = purchase(projects).scored()
    challenged = purchase(projects).scored()
    publish(challenged, awarded(challenged)[0])
    told = challenged.dispatcher(1).post(
        f"/calls/{challenged.call_id}/challenges",
        json={
            "lot_id": str(challenged.lots[0]),
            "organisation_id": str(challenged.organisations[1]),
            "text": "对价格分的计算有异议",
        },
    )
    assert told.status_code == 201, told.text
    bought = purchase(projects).scored()
    award = awarded(bought)[0]
    publish(bought, award)
    running.clock.move(timedelta(days=14))
    contract = drawn_up(bought, award)
    for who in (bought.dispatcher(0), bought.bureau):
        assert sign_by(who, contract).status_code == 201
    return {
        "opened": (opened, ""),
        "scored": (scored, "ranking"),
        "challenged": (challenged, "ranking"),
        "bought": (bought, f"contracts/{contract}"),
    }


def test_the_bureaus_and_the_scorers_pages_fit_and_are_accessible(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    calls = later_states(running)
    wrong: dict[str, list[str]] = {}
    clerk, scorer = sign_in("bureau", phone=True), sign_in("scorer", phone=True)
    looked = [(clerk, "organisations", "/purchases/organisations"), (clerk, "code", "/purchases/code")]
    for state, (buying, more) in calls.items():
        here = f"/purchases/{buying.call_id}"
        looked.append((clerk, state, here))
        if more:
            looked.append((clerk, f"{state}-more", f"{here}/{more}"))
    looked.append((clerk, "scorers", f"/purchases/{calls['opened'][0].call_id}/scorers"))
    sheet = f"/scoring/{calls['opened'][0].call_id}"
    looked += [(scorer, "scoring", "/scoring"), (scorer, "declaration", sheet)]
    for page, name, path in looked:
        page.goto(running.address + path)
        picture(page, tmp_path, name)
        if found := faults(page):
            wrong[name] = found
    scorer.goto(running.address + sheet)
    scorer.locator("input[name=conflict][value=no]").check()
    scorer.locator("main form button[type=submit]").first.click()
    picture(scorer, tmp_path, "sheet")
    scorer.locator(f"main a[href*='{sheet}/bids/']").first.click()
    picture(scorer, tmp_path, "bid")
    if found := faults(scorer):
        wrong["bid"] = found
    assert not wrong, "\n".join(f"{name}: {each}" for name, found in wrong.items() for each in found)
