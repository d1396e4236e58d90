"""A Chromium for all, and for each test a running product of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from shared.database.server import DatabaseServer
from shared.sample import SAMPLE_PASSWORD
from tests.running import Product, product
from tools.browser import ARGUMENTS, chromium_path

SignIn = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("story"))) as city:
        yield city


@pytest.fixture
def sign_in(browser: Browser, running: Product) -> Iterator[SignIn]:
    """`sign_in("centre")` gives a page signed in as that person, `sign_in("")` one of nobody's; `phone=True` at phone width; `scripts=False` without JavaScript, `dark=True` in the dark theme."""
    contexts: list[BrowserContext] = []

    def enter(
        username: str, *, phone: bool = False, lang: str = "zh", scripts: bool = True, dark: bool = False
    ) -> Page:
        size = {"width": 360, "height": 740} if phone else {"width": 1280, "height": 900}
        context = browser.new_context(
            viewport=size,  # type: ignore[arg-type]
            locale="zh-CN",
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"{running.address}/language/{lang}?next=/sign-in")
        if not username:
            return page
        page.fill("#f-username", username)
        page.fill("#f-password", SAMPLE_PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return page

    yield enter
    for context in contexts:
        context.close()
