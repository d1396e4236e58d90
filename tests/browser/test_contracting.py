"""What an organisation sees of a result and does with it: its score, a challenge, the contract's signature, a claim."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.bidding import projects_of
from tests.browser.conftest import SignIn
from tests.browser.test_purchases import picture
from tests.buying import purchase
from tests.integration.test_awards import awarded, drawn_up, propose, publish, the_lines
from tests.integration.test_awards import sign as sign_by
from tests.running import Product

pytestmark = pytest.mark.browser


def test_from_the_own_rank_to_a_claim_without_javascript(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    carer = running.facts.people_of_the_story.carer
    assert carer is not None
    buying = purchase(projects_of(running), ((4000, 4500, 5000),), first=carer.organisation_id).scored()
    [award] = awarded(buying)
    page = sign_in("dispatcher", scripts=False)
    address = f"{running.address}/organisation/calls/{buying.call_id}"
    page.goto(address)
    expect(page.get_by_role("main")).not_to_contain_text("我们的排名")
    publish(buying, award)
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("我们的排名：第 1")
    page.get_by_text("对结果提出质疑").click()
    page.fill("#f-challenge", "对价格分的计算有异议")
    page.get_by_role("button", name="提交质疑").click()
    expect(page.get_by_role("main")).to_contain_text("等待答复")
    picture(page, tmp_path, "result")
    page.get_by_role("button", name="撤回质疑").click()
    expect(page.get_by_role("main")).to_contain_text("已撤回")

    contract_id = drawn_up(buying, award)
    page.reload()
    page.get_by_role("link", name="看合同").click()
    picture(page, tmp_path, "unsigned")
    page.get_by_role("button", name="签署").click()
    expect(page.locator(".summary")).to_be_visible()
    running.clock.move(timedelta(days=20))
    page = sign_in("dispatcher", scripts=False)
    page.goto(f"{running.address}/organisation/contracts/{contract_id}")
    page.get_by_role("button", name="签署").click()
    expect(page.get_by_role("status")).to_contain_text("已签署")
    signed = sign_by(buying.bureau, contract_id)
    assert signed.status_code == 201, signed.text
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("已验收、还没有申请过的服务 0 条")
    picture(page, tmp_path, "claim")

    line = str(the_lines(buying.service, contract_id)[0])
    for units in (600, 500):
        proposed = propose(buying, contract_id, "addition", lines=[{"line_id": line, "units": units}])
        assert proposed.status_code == 201, proposed.text
        page.goto(f"{running.address}/organisation/contracts")
        page.get_by_role("link", name="有一份补充协议等您签署").click()
        expect(page.get_by_role("main")).to_contain_text(f"增加 {units // 100} 小时")
        if units == 600:
            expect(page.locator("main .next")).to_have_count(1)
            expect(page.locator("main .button.main")).to_have_count(1)
            picture(page, tmp_path, "supplement")
            page.get_by_text("不同意", exact=True).click()
            page.fill("#reason-decline", "人手不够")
            page.get_by_role("button", name="回复不同意").click()
            expect(page.get_by_role("main")).to_contain_text("人手不够")
        else:
            page.get_by_role("button", name="签署").click()
            expect(page.get_by_role("status")).to_contain_text("已签署，变更生效")
    expect(page.get_by_role("main")).to_contain_text("¥4,200.00")
    picture(page, tmp_path, "supplemented")
