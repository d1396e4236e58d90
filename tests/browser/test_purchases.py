"""The bureau's purchases as a clerk works on them: what to buy next, a draft without JavaScript, the hearing, the end."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SignIn

pytestmark = pytest.mark.browser


def picture(page: Page, folder: Path, name: str) -> None:
    """The page at both widths, for whoever looks at them; nothing sticks out of a phone."""
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        if width == 360:
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, name


def fill_draft(clerk: Page, gate_day: str, first: str, last: str, *, kind: str, communities: int) -> None:
    """The fields of a draft of one lot with one line: all that publishing asks for but the title and the ceiling."""
    clerk.fill("#f-gate_number", "准入〔2026〕21号")
    clerk.fill("#f-gate_day", gate_day)
    clerk.fill("#f-gate_approver", "社区事务准入办公室")
    clerk.select_option("#f-theme", "elder_care")
    clerk.get_by_label("为老").check()
    clerk.select_option("#f-budget_line_id", index=1)
    clerk.locator("#f-negative_checked").check()
    clerk.fill("#f-lot0_name", "上门服务")
    clerk.fill("#f-lot0_ceiling", "36000")
    clerk.fill("#f-lot0_valid_from", first)
    clerk.fill("#f-lot0_valid_to", last)
    clerk.fill("#f-lot0_line0_name", "上门服务")
    clerk.select_option("#f-lot0_line0_kind", kind)
    clerk.select_option("#f-lot0_line0_communities", index=list(range(communities)))
    clerk.fill("#f-lot0_line0_units", "800")
    clerk.fill("#f-lot0_line0_price", "45")
    clerk.fill("#f-criterion0_name", "报价")
    clerk.select_option("#f-criterion0_kind", "price")
    clerk.fill("#f-criterion0_weight", "20")
    clerk.fill("#f-criterion1_name", "服务方案")
    clerk.fill("#f-criterion1_weight", "80")


def test_a_clerk_drafts_a_call_and_hears_the_public_without_javascript(
    sign_in: SignIn, tmp_path: Path
) -> None:
    clerk = sign_in("bureau", scripts=False)
    clerk.goto(clerk.url.split("/plan")[0] + "/purchases")
    expect(clerk.get_by_role("heading", level=1)).to_have_text("采购")
    expect(clerk.get_by_role("main")).to_contain_text("上门助浴服务采购")
    picture(clerk, tmp_path, "list")

    clerk.get_by_role("link", name="该买什么").click()
    picture(clerk, tmp_path, "unmet")
    drafting = clerk.get_by_role("link", name=re.compile("^据此起草")).first
    if drafting.count():
        drafting.click()
    else:
        clerk.get_by_role("link", name="采购", exact=True).first.click()
        clerk.get_by_role("link", name="起草采购").click()
    clerk.fill("#f-title", "陪诊服务采购")
    clerk.get_by_role("button", name="加一项评审因素").click()
    expect(clerk.locator("#f-title")).to_have_value("陪诊服务采购")
    expect(clerk.locator("#f-criterion3_name")).to_be_visible()
    clerk.fill("#f-ceiling", "一千")
    clerk.get_by_role("button", name="保存草稿").click()
    expect(clerk.locator(".summary")).to_contain_text("金额最多到分")
    expect(clerk.locator("#f-title")).to_have_value("陪诊服务采购")
    picture(clerk, tmp_path, "draft-refused")

    clerk.fill("#f-ceiling", "36000")
    clerk.get_by_role("button", name="保存草稿").click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("陪诊服务采购")
    expect(clerk.get_by_role("main")).to_contain_text("发布前还缺")
    picture(clerk, tmp_path, "call-draft")
    clerk.get_by_role("button", name="公开征求意见").click()
    expect(clerk.locator(".summary")).to_contain_text("没有准入批准文号")

    clerk.get_by_role("link", name="修改草稿").click()
    fill_draft(clerk, "2026-01-05", "2099-01-01", "2099-12-31", kind="escort", communities=1)
    clerk.get_by_role("button", name="保存草稿").click()
    expect(clerk.get_by_role("main")).not_to_contain_text("发布前还缺")
    clerk.get_by_role("button", name="公开征求意见").click()
    expect(clerk.locator(".stepper .now")).to_have_text("征求意见")
    picture(clerk, tmp_path, "call-consulting")

    clerk.get_by_text("终止", exact=True).first.click()
    clerk.fill("#f-reason", "预算调整，不再需要。")
    clerk.get_by_role("button", name="终止").click()
    expect(clerk.get_by_role("main")).to_contain_text("预算调整，不再需要。")
    clerk.get_by_role("button", name="重新采购").click()
    expect(clerk.locator(".stepper .now")).to_have_text("起草")
    clerk.goto(clerk.url.split("/purchases")[0] + "/purchases/notices")
    picture(clerk, tmp_path, "notices")
