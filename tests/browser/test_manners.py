"""The pages as people set them: dark, at twice the text size, in elder mode, with a keyboard only."""

import os
import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from shared.clock import wall_day
from tests.browser.conftest import SignIn
from tests.browser.test_gallery import SHOTS, faults
from tests.running import Product
from tools.browser import AXE

ELDERS = ("volunteer", "carer", "resident", "family")
BAR = "nav.bar a"


def bar(page: Page) -> list[str]:
    return list(page.eval_on_selector_all(BAR, "links => links.map(link => link.href)"))


def shoot(page: Page, role: str, manner: str) -> None:
    """A picture for whoever changes the page; in CI nobody looks."""
    if os.environ.get("CI"):
        return
    SHOTS.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", page.url.split("/", 3)[3]).strip("-")
    page.screenshot(path=SHOTS / f"{role}-{name}-{manner}.png", full_page=True)


def test_dark_pages_can_be_read(sign_in: SignIn) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: make test brings it")
    wrong = []
    for role in ("centre", "volunteer", "planner", "dispatcher"):
        page = sign_in(role, dark=True)
        for address in bar(page):
            page.goto(address)
            shoot(page, role, "dark")
            wrong += [f"{address}: {fault}" for fault in faults(page)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_elder_pages_have_large_text_and_targets_and_fit_at_twice_the_size(
    sign_in: SignIn, lang: str
) -> None:
    """Text of 18 px and more, targets of 60 px and more (domain.md 5); nothing is cut off at 200 %."""
    wrong = []
    for role in ELDERS:
        page = sign_in(role, phone=True, lang=lang)
        for address in bar(page):
            page.goto(address)
            small = page.evaluate(
                """() => [...document.querySelectorAll('main *')].filter(e => e.offsetParent !== null
                  && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
                  && parseFloat(getComputedStyle(e).fontSize) < 18).map(e => e.textContent.trim().slice(0, 30))"""
            )
            low = page.evaluate(
                """() => [...document.querySelectorAll(
                     'main .button, main .dial, main input:not([type=hidden]):not([type=checkbox]):not([type=radio]), '
                     + 'main select, main .pick, nav.bar a')]
                  .filter(e => e.offsetParent !== null && e.getBoundingClientRect().height < 59.5)
                  .map(e => e.textContent.trim().slice(0, 30) + ' ' + e.getBoundingClientRect().height)"""
            )
            wrong += [f"{address}: small text: {each}" for each in small]
            wrong += [f"{address}: low target: {each}" for each in low]
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"):
                wrong.append(f"{address}: wider than the screen at 200 %")
            shoot(page, role, f"{lang}-large")
    assert not wrong, "\n".join(wrong)


def tab_to(page: Page, name: str, most: int = 120) -> None:
    """Press Tab until the thing of that name has the focus, and see that the focus shows."""
    for _ in range(most):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const e = document.activeElement; const label = e.labels && e.labels[0];
              return [(label ? label.textContent : e.textContent).trim(), getComputedStyle(e).outlineStyle]; }"""
        )
        if seen[0].startswith(name):
            assert seen[1] != "none", f"{name}: nobody sees where the focus is"
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_a_need_is_posted_and_an_offer_answered_with_the_keyboard_only(
    running: Product, sign_in: SignIn
) -> None:
    """8.6, 8.15: Tab, Space, arrows, typing and Enter, nothing else."""
    resident = running.facts.people_of_the_story.resident
    day = wall_day(running.clock()) + timedelta(days=1)
    centre = sign_in("centre")
    tab_to(centre, "提出需求")
    centre.keyboard.press("Enter")
    centre.wait_for_url("**/needs/new")
    tab_to(centre, "找人")
    centre.keyboard.type(resident.person.name)
    tab_to(centre, resident.person.name)
    centre.keyboard.press("Space")
    tab_to(centre, "什么服务")
    centre.keyboard.type("手机")
    tab_to(centre, "哪一天")
    centre.keyboard.type(f"{day:%m%d%Y}")
    tab_to(centre, "最早几点")
    centre.keyboard.type("0300PM")
    tab_to(centre, "提出需求")
    centre.keyboard.press("Enter")
    expect(centre.locator(".flash")).to_contain_text("接下来 1 次服务会排进计划")

    volunteer = sign_in("volunteer", phone=True)
    tab_to(volunteer, "邀请")
    volunteer.keyboard.press("Enter")
    volunteer.wait_for_url("**/my/offers")
    offers = volunteer.locator("section.next").count()
    assert offers, "the sample's volunteer has an offer to answer"
    tab_to(volunteer, "我答应")
    volunteer.keyboard.press("Enter")
    expect(volunteer.locator(".flash[role=status]")).to_be_visible()
    volunteer.goto(f"{running.address}/my/offers")
    expect(volunteer.locator("section.next")).to_have_count(offers - 1)


def test_the_first_thing_the_keyboard_meets_skips_to_the_text(sign_in: SignIn) -> None:
    page = sign_in("resident", phone=True)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("跳到正文")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_without_a_network_a_form_stays_and_is_sent_later(running: Product, sign_in: SignIn) -> None:
    page = sign_in("volunteer", phone=True)
    page.goto(f"{running.address}/my/about")
    page.fill("#f-phone", "13812345678")
    page.context.set_offline(True)
    page.get_by_role("button", name="保存").click()
    expect(page.locator("#offline")).to_contain_text("联网后再按一次")
    expect(page.locator("#f-phone")).to_have_value("13812345678")
    shoot(page, "volunteer", "offline")
    page.context.set_offline(False)
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".flash[role=status]")).to_contain_text("已保存")
    expect(page.locator("#f-phone")).to_have_value("13812345678")


def test_a_grid_workers_form_survives_a_lost_connection(running: Product, sign_in: SignIn) -> None:
    """Sent without a network it says so and stays; after a reload it is still filled; once sent it is forgotten."""
    page = sign_in("grid", phone=True)
    page.goto(f"{running.address}/grid/post")
    page.check("#f-residents input >> nth=0")
    page.fill("#f-first_day", (wall_day(running.clock()) + timedelta(days=2)).isoformat())
    page.fill("#f-note", "钥匙在邻居家")
    page.context.set_offline(True)
    page.click("main form[data-keep] button[type=submit]")
    expect(page.locator("[data-offline]")).to_be_visible()
    shoot(page, "grid", "offline")
    page.context.set_offline(False)
    page.reload()
    expect(page.locator("#f-note")).to_have_value("钥匙在邻居家")
    expect(page.locator("#f-residents input >> nth=0")).to_be_checked()
    page.click("main form[data-keep] button[type=submit]")
    expect(page.locator(".flash[role=status]")).to_contain_text("会排进计划")
    page.goto(f"{running.address}/grid/post")
    expect(page.locator("#f-note")).to_have_value("")
