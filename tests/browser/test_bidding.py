"""A bid's way as a dispatcher goes it: draft, the seal and its receipt, a replacement by the receipt's code, withdrawal."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from stdnum.cn import uscc

from services.portal.session import DraftRow
from tests.bidding import PDF, projects_of, published
from tests.browser.conftest import SignIn
from tests.browser.test_purchases import picture
from tests.running import Product

pytestmark = pytest.mark.browser


def test_a_bid_from_its_draft_to_a_receipt_and_a_replacement_without_javascript(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    call = published(projects_of(running))
    page = sign_in("dispatcher", scripts=False)
    page.get_by_role("link", name="招标").click()
    expect(page.get_by_role("main")).to_contain_text("2027 年居家养老服务")
    picture(page, tmp_path, "calls")
    page.fill("#f-closing_to", "2026-01-01")
    page.get_by_role("button", name="查找").click()
    expect(page.get_by_role("main")).to_contain_text("没有符合条件的采购")
    picture(page, tmp_path, "no-call")
    page.get_by_role("link", name="看全部").click()
    page.select_option("#f-kind", "care")
    page.get_by_role("button", name="查找").click()
    page.get_by_role("link", name="2027 年居家养老服务").click()
    picture(page, tmp_path, "call")
    page.get_by_text("提问", exact=True).first.click()
    page.fill("#f-text", "路途时间计入服务时长吗？")
    page.get_by_role("button", name="提交提问").click()
    expect(page.get_by_role("main")).to_contain_text("等待答复")

    page.get_by_role("button", name="起草投标").click()
    _, [first, second] = call.lots[0]
    page.fill(f"#f-price_{first}", "四十五")
    page.fill(f"#f-price_{second}", "98765.43")
    page.fill("#f-plan", "每周上门两次，由固定的护理员服务")
    page.fill("#f-duty0", "护理员")
    page.fill("#f-skill0", "养老护理员三级")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator(".summary")).to_contain_text("请填大于零的金额")
    expect(page.locator(f"#f-price_{first}")).to_have_value("四十五")
    picture(page, tmp_path, "draft-refused")
    page.fill(f"#f-price_{first}", "45.50")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator(f"#f-price_{second}")).to_have_value("98765.43")
    page.set_input_files("#f-file", {"name": "业绩.pdf", "mimeType": "application/pdf", "buffer": PDF})
    page.get_by_role("button", name="加密上传").click()
    expect(page.get_by_role("main")).to_contain_text("业绩.pdf")
    picture(page, tmp_path, "draft")

    page.get_by_role("button", name="保存并核对").click()
    expect(page.get_by_role("main")).to_contain_text("提交就是密封")
    page.get_by_role("button", name="密封并提交").click()
    expect(page.locator(".summary")).to_contain_text("同一控制人")
    page.get_by_label("没有与我们同一控制人").check()
    picture(page, tmp_path, "submit")
    page.get_by_role("button", name="密封并提交").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("投标回执")
    picture(page, tmp_path, "receipt")
    code = page.locator(".next strong").inner_text()
    number = page.locator(".facts dd").first.inner_text()
    page.get_by_role("link", name="任何人都可以用回执号或校验值查验").click()
    expect(page.get_by_role("main")).to_contain_text("签名有效")
    picture(page, tmp_path, "checked")

    page.goto(f"{running.address}/organisation/calls")
    page.get_by_role("link", name="2027 年居家养老服务").first.click()
    expect(page.get_by_role("main")).to_contain_text("开标前谁也看不到")
    expect(page.get_by_role("main")).not_to_contain_text("98765.43")
    picture(page, tmp_path, "sealed")
    page.fill("#f-code", "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA")
    page.get_by_role("button", name="打开修改").click()
    expect(page.locator(".summary")).to_contain_text("修改码不对")
    page.fill("#f-code", code)
    page.get_by_role("button", name="打开修改").click()
    expect(page.locator(f"#f-price_{second}")).to_have_value("98765.43")
    page.fill(f"#f-price_{second}", "98000")
    page.get_by_role("button", name="保存并核对").click()
    page.get_by_label("没有与我们同一控制人").check()
    page.get_by_role("button", name="密封并提交").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("投标回执")
    assert page.locator(".facts dd").first.inner_text() != number

    page.get_by_role("link", name="投标", exact=True).click()
    expect(page.get_by_text("第 1 张", exact=False)).to_be_visible()
    page.get_by_text("撤回投标", exact=True).click()
    page.get_by_role("button", name="确定撤回").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("撤回回执")


def test_a_bid_sent_after_the_session_ended_is_kept_nowhere(running: Product, sign_in: SignIn) -> None:
    call = published(projects_of(running))
    page = sign_in("dispatcher")
    page.goto(f"{running.address}/organisation/calls/{call.call_id}")
    page.get_by_role("button", name="起草投标").click()
    _, [first, _] = call.lots[0]
    page.fill(f"#f-price_{first}", "45.50")
    running.clock.move(timedelta(hours=13))
    page.get_by_role("button", name="保存草稿").click()
    page.wait_for_url(lambda url: "/sign-in" in url)
    assert "draft" not in page.url
    assert page.evaluate("JSON.stringify(localStorage)") == "{}"
    assert running.city is not None
    with running.city.databases["portal"].work() as work:
        assert work.session.query(DraftRow).count() == 0


def test_an_organisation_registers_and_the_public_says_what_it_thinks_without_signing_in(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    page = sign_in("", scripts=False)
    page.get_by_role("link", name="看采购公告，不用登录").click()
    page.get_by_role("link", name="上门助浴服务采购").click()
    page.fill("#f-text", "希望周末也有人上门")
    page.get_by_role("button", name="提交意见").click()
    expect(page.get_by_role("status")).to_contain_text("意见已收到")
    picture(page, tmp_path, "public-call")
    page.get_by_role("link", name="采购公告").click()
    page.get_by_role("link", name="公开情况").click()
    expect(page.get_by_role("main")).to_contain_text("没有超期的公告")
    page.get_by_role("link", name="采购公告").first.click()
    page.get_by_role("link", name="查验回执").click()
    page.fill("#f-reference", "0" * 64)
    page.get_by_role("button", name="查验").click()
    expect(page.locator(".summary")).to_contain_text("没有这张回执")
    page.get_by_role("link", name="采购公告").click()
    page.get_by_role("link", name="组织登记").click()
    page.fill("#f-name", "康乐为老服务中心")
    page.fill("#f-credit_code", "523210930000000010")
    page.fill("#f-phone", "0514-83400000")
    page.fill("#f-address", "解放东路1号")
    page.fill("#f-name0", "沈国平")
    page.fill("#f-id0", "123")
    page.get_by_role("button", name="提交登记").click()
    expect(page.locator("#e-id0")).to_be_visible()
    expect(page.locator("#f-name")).to_have_value("康乐为老服务中心")
    picture(page, tmp_path, "apply-refused")
    code = "5232109999000001"
    page.fill("#f-credit_code", f"{code}0" + uscc.calc_check_digit(f"{code}0"))
    page.fill("#f-id0", "321081197203071235")
    page.get_by_role("button", name="提交登记").click()
    expect(page.get_by_role("main")).to_contain_text("已收到，等待核对")


def test_a_paper_is_handed_in_and_its_file_is_not_asked_for_twice(
    sign_in: SignIn, running: Product, tmp_path: Path
) -> None:
    page = sign_in("dispatcher", scripts=False)
    page.goto(f"{running.address}/organisation/papers")
    page.select_option("#f-kind", "licence")
    page.fill("#f-name", "医疗机构执业许可证")
    page.fill("#f-number", "PDY00001")
    page.fill("#f-issued_on", "2026-01-05")
    page.set_input_files("#f-file", {"name": "许可证.pdf", "mimeType": "application/pdf", "buffer": PDF})
    page.get_by_role("button", name="提交证明").click()
    expect(page.locator("#e-valid_until")).to_contain_text("请填写有效期")
    expect(page.locator("#f-number")).to_have_value("PDY00001")
    picture(page, tmp_path, "papers-refused")
    page.fill("#f-valid_until", "2030-01-04")
    page.get_by_role("button", name="提交证明").click()
    expect(page.locator("table")).to_contain_text("等待核对")
