"""The centre's board at work: the day's picture from either side, and what earlier days left open."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from shared.clock import wall_day
from tests.browser.conftest import SignIn
from tests.browser.test_gallery import faults
from tests.browser.test_manners import shoot, tab_to
from tests.running import Product


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_days_timeline_has_a_row_a_carer_or_a_row_a_resident(
    running: Product, sign_in: SignIn, lang: str
) -> None:
    """Without JavaScript, by a link that can be sent to a colleague."""
    page = sign_in("centre", phone=True, lang=lang, scripts=False)
    page.click("#timeline summary")
    rows = page.locator("#timeline .t-text")
    page.click("#timeline a[href*='side=resident']")
    assert "side=resident" in page.url
    expect(page.locator("#timeline")).to_have_attribute("open", "")
    asked = page.locator("main > table.cards tbody tr:not(.gone) td:nth-child(2)").all_text_contents()
    residents = {name.strip() for cell in asked for name in cell.split("、")}
    assert residents
    assert set(rows.all_text_contents()) == residents, "one row for each resident of the day"
    assert len(rows.all_text_contents()) == len(residents)
    shoot(page, "centre", f"{lang}-residents-360")
    page.click("#timeline a[href*='side=carer']")
    coming = " ".join(page.locator("main > table.cards td:nth-child(4)").all_text_contents())
    carers = [name for name in rows.all_text_contents() if name not in {"待安排", "To be planned"}]
    assert carers
    assert [name for name in carers if name not in coming] == []
    wide = sign_in("centre", lang=lang)
    wide.goto(f"{running.address}/centre?day={wall_day(running.clock())}&side=resident")
    shoot(wide, "centre", f"{lang}-residents-1280")
    assert faults(wide) == []


def test_what_nobody_settled_is_listed_until_its_end_is_said(running: Product, sign_in: SignIn) -> None:
    """8.9: an earlier day's visit without check-in stays on today's board; with the keyboard only."""
    running.clock.move(timedelta(days=1))
    page = sign_in("centre", phone=True)
    left = page.locator("#unsettled li.item")
    before = left.count()
    assert before, "yesterday's visits, to which nobody checked in"
    expect(page.locator("#unsettled h2")).to_contain_text(f"以前的 {before} 次")
    shoot(page, "centre", "zh-unsettled-360")
    assert faults(page) == []
    first = left.first.locator("a").first
    name = str(first.text_content())
    tab_to(page, name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/centre/visits/*")
    tab_to(page, "服务人员未到")
    page.keyboard.press("Enter")
    expect(page.locator(".flash[role=status]")).to_contain_text("结果已登记")
    page.goto(f"{running.address}/centre")
    expect(left).to_have_count(before - 1)
    english = sign_in("centre", lang="en")
    expect(english.locator("#unsettled h2")).to_contain_text("Not settled")
    shoot(english, "centre", "en-unsettled-1280")
    assert faults(english) == []
