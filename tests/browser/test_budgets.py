"""The city's money by its pages: a clerk keeps funds, lines and an appraisal; anybody reads of results and the funds' use."""

import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from services.projects.funds import service as funds
from services.projects.funds.schemas import NewBudgetLine, NewFund
from shared.clock import wall_day
from shared.contracts.codes import Role
from shared.ids import new_id
from tests.bidding import projects_of
from tests.browser.conftest import SignIn
from tests.browser.test_gallery import SHOTS, faults
from tests.browser.test_purchases import picture
from tests.buying import purchase
from tests.integration.test_awards import awarded, change, publish
from tests.integration.test_grants import begun, match, pay
from tests.integration.test_payments import Bought
from tests.integration.test_publicity import publish_all, told_of_call
from tests.running import Product
from tests.support import caller

pytestmark = pytest.mark.browser


def looked_at(sign_in: SignIn, running: Product, role: str, paths: dict[str, str]) -> list[str]:
    """Each page on a phone in Chinese and at a desk in English, for whoever looks at them; what is wrong with them."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    wrong = []
    for lang, phone in (("zh", True), ("en", False)):
        page = sign_in(role, phone=phone, lang=lang)
        for name, path in paths.items():
            answer = page.goto(running.address + path)
            assert answer is not None
            assert answer.status == 200, path
            page.screenshot(
                path=SHOTS / f"{role or 'nobody'}-{name}-{lang}-{360 if phone else 1280}.png", full_page=True
            )
            wrong += [f"{name} ({lang}): {each}" for each in faults(page, colours=phone)]
            if page.locator("main .button.main:visible").count() > 1:
                wrong.append(f"{name} ({lang}): more than one main button")
            if re.search(r"\bNone\b|Undefined|_fen", page.inner_text("body")):
                wrong.append(f"{name} ({lang}): says None or a code")
    return wrong


def refused(page: Page, sentence: str) -> None:
    expect(page.locator(".summary")).to_contain_text(sentence)


def test_a_clerk_keeps_a_fund_without_javascript(running: Product, sign_in: SignIn, tmp_path: Path) -> None:
    clerk = sign_in("bureau", scripts=False)
    clerk.goto(f"{running.address}/purchases")
    clerk.get_by_role("link", name="预算").click()
    main = clerk.get_by_role("main")
    expect(main).to_contain_text("居家养老上门服务")
    expect(main).to_contain_text("¥5,000,000.00")

    clerk.get_by_role("link", name="建立资金").click()
    clerk.fill("#f-name", "社区建设专项资金")
    clerk.get_by_role("button", name="建立").click()
    refused(clerk, "这一年的这项资金已经有了")
    picture(clerk, tmp_path, "fund-refused")
    clerk.fill("#f-name", "养老服务补助资金")
    clerk.get_by_role("button", name="建立").click()
    expect(clerk.get_by_role("heading", level=1)).to_contain_text("养老服务补助资金")
    fund = clerk.url.split(running.address)[1]

    clerk.get_by_role("link", name="加预算项目").click()
    clerk.fill("#f-name", "真州镇居家养老")
    clerk.select_option("#f-town_id", index=1)
    clerk.fill("#f-other_purpose", "购置车辆")
    clerk.fill("#f-allocated", "600000")
    clerk.fill("#f-need", "800000")
    clerk.get_by_role("button", name="加上").click()
    refused(clerk, "另作他用须填写批准文号")
    expect(clerk.locator("#f-allocated")).to_have_value("600000")
    picture(clerk, tmp_path, "line-refused")
    clerk.fill("#f-other_purpose", "")
    clerk.fill("#f-allocated", "六十万")
    clerk.get_by_role("button", name="加上").click()
    refused(clerk, "最多到分")
    clerk.fill("#f-allocated", "600000")
    clerk.get_by_role("button", name="加上").click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("真州镇居家养老")
    expect(main).to_contain_text("还缺 ¥200,000.00")
    line = clerk.url.split(running.address)[1]

    clerk.get_by_label("收回可用的").check()
    clerk.fill("#fen-allocate", "700000")
    clerk.fill("#reason-allocate", "年中调减")
    clerk.get_by_role("button", name="调整").click()
    refused(clerk, "不能收回 700,000.00 元")
    expect(clerk.get_by_label("收回可用的")).to_be_checked()
    expect(clerk.locator("#fen-allocate")).to_have_value("700000")
    picture(clerk, tmp_path, "adjustment-refused")
    clerk.fill("#fen-allocate", "0")
    clerk.get_by_role("button", name="调整").click()
    refused(clerk, "最多到分")
    clerk.fill("#fen-allocate", "100000.50")
    clerk.get_by_role("button", name="调整").click()
    expect(clerk.get_by_role("status")).to_contain_text("已收回")
    expect(main).to_contain_text("¥499,999.50")

    clerk.get_by_text("登记镇级兜底").click()
    clerk.fill("#fen-backstop", "-1")
    clerk.fill("#reason-backstop", "镇财政兜底")
    clerk.get_by_role("button", name="登记").click()
    refused(clerk, "最多到分")
    clerk.fill("#fen-backstop", "250000.50")
    clerk.get_by_role("button", name="登记").click()
    expect(main).to_contain_text("镇级兜底 ¥250,000.50")
    clerk.get_by_text("改需要的金额").click()
    clerk.fill("#need-need", "很多")
    clerk.get_by_role("button", name="保存").click()
    refused(clerk, "最多到分")
    clerk.fill("#need-need", "750000")
    clerk.get_by_role("button", name="保存").click()
    expect(main).to_contain_text("没有缺口")

    def taken_away(address: str) -> list[tuple[object, ...]]:
        book = load_workbook(io.BytesIO(clerk.request.get(address).body()))
        return list(book.active.values)  # type: ignore[union-attr]

    moved = taken_away(f"{clerk.url}/export.xlsx")
    assert moved[0][3:6] == ("预算额", "占用", "已付")
    sums = [sum(float(str(row[column])) for row in moved[1:]) for column in (3, 4, 5)]
    assert sums == [750_000, 0, 0], "the entries make the line's sums"
    rows = taken_away(f"{running.address}/purchases/funds/export.xlsx")
    own = dict(zip(rows[0], next(row for row in rows if "真州镇居家养老" in row), strict=True))
    assert (own["预算额"], own["可用"], own["缺口"], own["镇级兜底"]) == (750_000, 750_000, 0, 250_000.5)
    assert own["用途"] == "购买服务"

    clerk.goto(f"{running.address}{fund}/appraisal")
    clerk.fill("#f-indicator0_name", "服务台账份数")
    clerk.fill("#f-indicator0_weight", "60")
    clerk.fill("#f-indicator0_points", "91.5")
    clerk.fill("#f-summary", "资金按预算使用，覆盖 8 个社区。")
    clerk.get_by_role("button", name="加一项指标").click()
    expect(clerk.locator("#f-indicator3_name")).to_be_visible()
    clerk.fill("#f-indicator3_name", "服务按约完成率")
    clerk.fill("#f-indicator3_weight", "40")
    clerk.fill("#f-indicator3_points", "101")
    clerk.get_by_role("button", name="保存，先不公开").click()
    refused(clerk, "得分填 0 到 100")
    clerk.fill("#f-indicator3_points", "96.5")
    clerk.get_by_role("button", name="保存，先不公开").click()
    refused(clerk, "不能作为考核指标")
    expect(clerk.locator("#e-indicator0_name")).to_be_visible()
    picture(clerk, tmp_path, "appraisal-refused")
    clerk.fill("#f-indicator0_name", "居民对居家养老服务的满意度")
    clerk.get_by_label("这是满意度").first.check()
    clerk.get_by_role("button", name="保存，先不公开").click()
    refused(clerk, "满意度应写明问了多少人")
    clerk.fill("#f-indicator0_asked", "400")
    clerk.fill("#f-indicator0_answered", "312")
    clerk.get_by_role("button", name="保存，先不公开").click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("绩效评价：93.50 分")

    paths = {
        "funds": "/purchases/funds",
        "fund-new": "/purchases/funds/new",
        "fund": fund,
        "fund-line": line,
        "fund-line-new": f"{fund}/lines/new",
        "fund-appraisal": f"{fund}/appraisal",
        "fund-appraise": f"{fund}/appraisal/edit",
    }
    wrong = looked_at(sign_in, running, "bureau", paths)

    stranger = sign_in("")
    stranger.goto(f"{running.address}/public/funds")
    expect(stranger.get_by_role("main")).to_contain_text("养老服务补助资金")
    expect(stranger.get_by_role("main")).not_to_contain_text("覆盖 8 个社区")
    clerk.get_by_role("button", name="公开").click()
    expect(clerk.get_by_role("button", name="公开")).to_have_count(0)
    stranger.reload()
    expect(stranger.get_by_role("main")).to_contain_text("覆盖 8 个社区")

    clerk.goto(running.address + fund)
    clerk.get_by_text("关闭这项资金").click()
    clerk.get_by_role("button", name="关闭").click()
    expect(clerk.get_by_role("status")).to_contain_text("已关闭")
    clerk.goto(running.address + line)
    expect(main).to_contain_text("资金已关闭，不能再调整")
    wrong += looked_at(sign_in, running, "bureau", {"fund-closed": fund, "fund-line-closed": line})
    assert not wrong, "\n".join(wrong)


def test_a_town_enters_its_need_and_its_backstop(running: Product, sign_in: SignIn) -> None:
    projects = projects_of(running)
    town_id = next(a.scope_id for a in running.facts.accounts if a.username == "town")
    with projects.database.work(caller(Role.BUREAU)) as work:
        fund = funds.add_fund(work, NewFund(name="镇街养老资金", year=2026))
        for town, name in ((town_id, "本镇居家养老"), (new_id(), "别镇居家养老")):
            line = NewBudgetLine(name=name, purpose="purchase", town_id=town, allocated_fen=6_000_000)
            funds.add_line(work, fund, line)
        path = f"/purchases/funds/{fund.fund_id}"
    page = sign_in("town", scripts=False)
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="预算").click()
    main = page.get_by_role("main")
    expect(main).not_to_contain_text("别镇居家养老")
    expect(page.get_by_role("link", name="建立资金")).to_have_count(0)
    page.get_by_role("link", name="本镇居家养老").click()
    expect(page.get_by_role("button", name="调整")).to_have_count(0)
    page.get_by_text("改需要的金额").click()
    page.fill("#need-need", "80000")
    page.get_by_role("button", name="保存").click()
    expect(main).to_contain_text("还缺 ¥20,000.00")
    page.get_by_text("登记镇级兜底").click()
    page.fill("#fen-backstop", "20000")
    page.fill("#reason-backstop", "镇财政兜底")
    page.get_by_role("button", name="登记").click()
    expect(main).to_contain_text("没有缺口")
    paths = {"funds": "/purchases/funds", "fund": path, "fund-appraisal": f"{path}/appraisal"}
    wrong = looked_at(sign_in, running, "town", {**paths, "fund-line": page.url.split(running.address)[1]})
    wrong += looked_at(sign_in, running, "auditor", paths)
    assert not wrong, "\n".join(wrong)
    page.goto(f"{running.address}/purchases/funds/new")
    expect(main).to_contain_text("这一页不属于您的角色")


def test_anybody_reads_of_results_and_of_the_funds(running: Product, sign_in: SignIn) -> None:
    projects = projects_of(running)
    bought = Bought(projects)
    told_of_call(bought.buying)
    publish_all(bought.buying)
    bought.served()
    bought.paid()
    publish_all(bought.buying)
    assert change(bought.buying, bought.contract_id, "termination").status_code == 201
    ended = bought.bureau.post(f"/contracts/{bought.contract_id}/close", json={"result": "验收合格"})
    assert ended.status_code in (200, 201), ended.text
    publish_all(bought.buying)
    venture, grant, (start, *_) = begun(projects)
    assert pay(venture, start, wall_day(running.clock()).isoformat()).status_code == 201
    ended = venture.bureau.post(
        f"/grants/{grant}/terminate", json={"reason": "申报组织注销"}, headers=match(venture, grant)
    )
    assert ended.status_code == 200, ended.text
    publish_all(venture)
    fallen = purchase(projects).scored()
    first = awarded(fallen)[0]
    publish(fallen, first)
    answer = fallen.bureau.post(f"/awards/{first['award_id']}/void", json={"reason": "放弃签订合同"})
    assert answer.status_code == 200, answer.text
    awarded(fallen)
    running.clock.move(timedelta(days=200))

    page = sign_in("", scripts=False)
    page.goto(f"{running.address}/public?group=running&kind=care&community_id=x&closing_to=x")
    expect(page.locator("#f-kind")).to_have_value("care")
    expect(page.locator("#f-closing_to")).to_have_value("x")
    expect(page.locator("#e-closing_to")).to_contain_text("“x”不是日期")
    expect(page.locator("#problem a")).to_have_count(2)
    page.fill("#f-closing_to", "2020-01-01")
    page.get_by_role("button", name="查找").click()
    expect(page.get_by_role("main")).to_contain_text("没有符合条件的采购")
    expect(page.locator("#problem")).to_have_count(0)
    expect(page.locator(".filters a[aria-current]")).to_have_attribute(
        "href", re.compile("group=running&kind=care")
    )
    page.get_by_role("link", name="看全部").click()
    page.get_by_role("main").get_by_role("link", name="结果公开").click()
    main = page.get_by_role("main")
    expect(main).to_contain_text("的结果已作废：放弃签订合同")
    expect(page.locator(".flash.bad").first).to_contain_text("该公开的过了期限还没有公开")
    page.get_by_role("link", name="合同", exact=True).click()
    expect(main).to_contain_text("¥40.00")
    expect(main).to_contain_text("邻里助餐")
    page.get_by_role("link", name="验收结果").click()
    expect(main).to_contain_text("验收合格")
    expect(main).to_contain_text("申报组织注销")
    records = page.get_by_role("link", name="汇总记录").first.get_attribute("href")
    page.get_by_role("navigation", name="主菜单").get_by_role("link", name="资金使用").click()
    expect(main).to_contain_text("居家养老上门服务")
    expect(main).to_contain_text("已超期")
    page.get_by_role("link", name="该公开的过了期限还没有公开").click()
    expect(main).to_contain_text("过了期限还没有公开的绩效评价")

    package = page.request.get(f"{running.address}{records}")
    assert package.headers["content-type"] == "application/json"
    record = package.json()
    assert record["uri"] == f"{running.address}{records}"
    assert record["records"][0]["compiledRelease"]["contracts"][0]["status"] == "terminated"
    for release in record["records"][0]["releases"]:
        assert page.request.get(release["url"]).status == 200
    assert page.request.get(f"{running.address}/public/ocds/releases").json()["releases"]
    assert page.request.get(f"{running.address}/public/ocds/records/x").status == 404
    assert page.request.get(f"{running.address}/public/ocds/else/x").status == 404

    call = f"/public/calls/{bought.buying.call_id}"
    page.goto(running.address + call)
    page.get_by_role("link", name="付款公开").click()
    expect(main).to_contain_text("¥40.00")
    expect(main).not_to_contain_text("邻里助餐")
    page.get_by_role("link", name="看全部采购的结果").click()
    expect(main).to_contain_text("邻里助餐")
    paths = {
        "public": "/public",
        "public-call": call,
        "public-funds": "/public/funds",
        "public-overdue": "/public/overdue",
        **{
            f"public-{show}": f"/public/results?show={show}" for show in ("awards", "contracts", "acceptance")
        },
    }
    wrong = looked_at(sign_in, running, "", paths)
    assert not wrong, "\n".join(wrong)
