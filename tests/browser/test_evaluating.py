"""From the opening to the contract, looked at: the bureau's and the scorers' pages of calls in each later state."""

import re
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from services.projects.contracts.tables import ContractRow
from services.projects.package.verify import verify
from shared.contracts.codes import Role
from shared.contracts.visits import DeliveryAccepted
from shared.database.server import DatabaseServer
from shared.ids import new_id
from tests.bidding import projects_of
from tests.browser.conftest import SignIn
from tests.browser.test_gallery import faults
from tests.browser.test_purchases import picture
from tests.buying import Purchase, purchase
from tests.integration.test_awards import awarded, change, drawn_up, publish, the_lines
from tests.integration.test_awards import sign as sign_by
from tests.integration.test_files import hand_in
from tests.integration.test_projects import confirmed, take
from tests.integration.test_publicity import publish_all
from tests.running import Product, product
from tests.support import caller

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("evaluating"))) as city:
        yield city


@pytest.fixture(scope="module")
def calls(running: Product) -> dict[str, tuple[Purchase, str]]:
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
    running: Product, calls: dict[str, tuple[Purchase, str]], sign_in: SignIn, tmp_path: Path
) -> None:
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


def press(page: Page, button: str, **fields: str) -> None:
    """Fill the fields of the form that has this button, and press it; its folded part is unfolded first."""
    named = page.locator("button", has_text=re.compile(rf"^\s*{button}\s*$"))
    form = page.locator("main form").filter(has=named).first
    if not form.is_visible():
        page.locator("main details").filter(has=page.locator("form").filter(has=named)).locator(
            "summary"
        ).first.click()
    for name, value in fields.items():
        form.locator(f"[name={name}]:not([type=hidden])").fill(value)
    form.locator(named).click()


def test_the_bureau_takes_each_later_step_by_page(
    running: Product, calls: dict[str, tuple[Purchase, str]], sign_in: SignIn
) -> None:
    clerk = sign_in("bureau")

    def on(state: str, more: str = "") -> None:
        clerk.goto(f"{running.address}/purchases/{calls[state][0].call_id}{more}")

    on("opened")
    expect(clerk.locator(".stepper .now")).to_have_text("评审")
    on("opened", "/scorers")
    press(clerk, "认定无效", reason="没有按要求签章")
    expect(clerk.locator(".badge.red", has_text="无效")).to_have_count(1)
    on("opened")
    # Two bids are left of the three that a tender needs.
    expect(clerk.locator(".stepper .now")).to_have_text("废标")

    on("scored")
    expect(clerk.locator(".stepper .now")).to_have_text("公示结果")
    clerk.get_by_text("不按排名确定").click()
    clerk.locator("[name=bid_ids]").nth(1).check()
    press(clerk, "确定", reason="第一名书面放弃")
    expect(clerk.get_by_role("heading", name=re.compile("^中标：.*¥4,500.00"))).to_be_visible()
    expect(clerk.get_by_text("第一名书面放弃")).to_be_visible()
    # One page for print: opening, bids, scores, ranking, who decided (8.21).
    on("scored", "/ranking")
    for part in ("开标时间", "收到 3 份", "评审人员", "总分", "第一名书面放弃"):
        expect(clerk.get_by_role("main")).to_contain_text(part)
    expect(clerk.get_by_role("main")).to_contain_text(re.compile(r"¥4,500\.00\s+\S+ 今天 \d\d:\d\d 确定"))
    answer = clerk.request.get(f"{clerk.url}.xlsx")
    table = list(load_workbook(BytesIO(answer.body())).active.values)  # type: ignore[union-attr]
    assert table[0][:5] == ("标包", "名次", "组织", "报价", "总分")
    assert len(table) == 1 + 3 * (5 + 1), "of three bids five scores and the price's points"
    answer = clerk.request.get(f"{running.address}/purchases/export.xlsx")
    listed = list(load_workbook(BytesIO(answer.body())).active.values)  # type: ignore[union-attr]
    assert listed[0] == ("编号", "采购项目", "状态", "方式", "截止时间", "最高限价")
    assert "居家养老上门服务" in {row[1] for row in listed[1:]}
    on("scored")
    press(clerk, "作废这个结果", reason="第二名也放弃")
    press(clerk, "这一包废标", reason="重新论证需求")
    expect(clerk.locator(".badge", has_text="废标").first).to_be_visible()

    on("challenged")
    expect(clerk.get_by_text("有质疑没有答复")).to_be_visible()
    clerk.get_by_label("不成立", exact=True).check()
    press(clerk, "答复", answer="经复核，价格分计算无误")
    expect(clerk.locator(".item", has_text="经复核，价格分计算无误")).to_contain_text("不成立")
    press(clerk, "拟合同", number="仪民购2026-77")
    expect(clerk.locator("h1")).to_have_text("居家养老上门服务合同")
    expect(clerk.get_by_text("仪民购2026-77").first).to_be_visible()


def test_the_bureau_changes_pays_and_closes_a_contract_by_page(
    running: Product, calls: dict[str, tuple[Purchase, str]], sign_in: SignIn, tmp_path: Path
) -> None:
    buying, more = calls["bought"]
    contract_id = UUID(more.removeprefix("contracts/"))
    (line,) = the_lines(buying.service, str(contract_id))
    now = running.clock()
    for minutes in (60, 90):
        visit = new_id()
        take(buying.service, confirmed(line, visit, visit, 1, minutes, started_at=now, confirmed_at=now))
        take(
            buying.service,
            DeliveryAccepted(visit_id=visit, accepted=True, by_role="family", accepted_at=now),
        )
    own = buying.dispatcher(0)
    claims = f"/contracts/{contract_id}/claims"
    assert own.post(claims, json={"month": f"{now:%Y-%m}-01"}).status_code == 201
    clerk = sign_in("bureau", scripts=False)
    clerk.goto(f"{running.address}/purchases/{buying.call_id}/{more}")
    press(clerk, "退回", reason="少附签到表")
    expect(clerk.get_by_text("已退回：少附签到表")).to_be_visible()
    assert own.post(claims, json={"month": f"{now:%Y-%m}-01"}).status_code == 201
    clerk.reload()
    press(clerk, "核对无误")
    expect(clerk.get_by_text("核对和付款不能是同一个人")).to_be_visible()
    expect(clerk.get_by_role("button", name="登记付款")).to_have_count(0)
    picture(clerk, tmp_path, "checked-by-me")
    clerk = sign_in("bureau2", scripts=False)
    clerk.goto(f"{running.address}/purchases/{buying.call_id}/{more}")
    press(clerk, "登记付款", reference="", paid_on=f"{now:%Y-%m-%d}")
    press(clerk, "登记付款", reference="2026112401", paid_on=f"{now:%Y-%m-%d}")
    expect(clerk.get_by_text("合同价 ¥4,000.00，已付 ¥100.00")).to_be_visible()
    press(clerk, "登记收到", on=f"{now + timedelta(days=1):%Y-%m-%d}")
    expect(clerk.locator("#problem")).to_contain_text("日期不能晚于今天")
    press(clerk, "登记收到", on=f"{now:%Y-%m-%d}")
    press(clerk, "登记退还", on=f"{now:%Y-%m-%d}")
    expect(clerk.get_by_text(f"{now:%Y-%m-%d} 已退还")).to_be_visible()
    clerk.locator("details summary", has_text="变更合同").click()
    clerk.locator("#f-kind").select_option("addition")
    press(clerk, "提出变更", **{f"units-{line}": "50", "reason": "需求增加"})
    expect(clerk.locator("#problem")).to_contain_text("10%")
    clerk.locator(f"#f-units-{line}").fill("5")
    press(clerk, "提出变更")
    expect(clerk.locator(".badge", has_text="待组织签署")).to_be_visible()
    picture(clerk, tmp_path, "proposed")
    expect(clerk.get_by_text("合同价 ¥4,000.00")).to_be_visible()
    clerk.locator("details summary", has_text="撤回补充协议").click()
    press(clerk, "撤回", reason="数量写错了")
    expect(clerk.locator(".badge", has_text="已撤回")).to_be_visible()
    assert change(
        buying, str(contract_id), "addition", lines=[{"line_id": str(line), "units": 500}]
    ).is_success
    clerk.reload()
    expect(clerk.locator(".badge", has_text="已生效")).to_be_visible()
    expect(clerk.get_by_text("合同价 ¥4,200.00")).to_be_visible()
    expect(clerk.get_by_role("button", name="结项")).to_have_count(0)
    clerk.locator("details summary", has_text="变更合同").click()
    clerk.locator("#f-kind").select_option("termination")
    clerk.locator("#f-one_sided").check()
    press(clerk, "提出变更", reason="机构停业整顿")
    expect(clerk.get_by_text("民政部门单方决定")).to_be_visible()
    picture(clerk, tmp_path, "one-sided")
    press(clerk, "结项", result="服务良好，验收合格")
    expect(clerk.locator(".badge", has_text="已结束")).to_be_visible()
    expect(clerk.get_by_text("服务良好，验收合格")).to_be_visible()
    with buying.service.database.work() as work:
        assert work.session.get_one(ContractRow, contract_id).paid_fen == 10_000
    committed, spent, _ = buying.line()
    assert (committed, spent) == (0, 10_000)

    clerk.goto(f"{running.address}/purchases/{buying.call_id}")
    picture(clerk, tmp_path, "closed")
    press(clerk, "归档")
    expect(clerk.locator("#problem")).to_contain_text("份公告没有公开")
    publish_all(buying)
    press(clerk, "归档")
    expect(clerk.locator(".badge", has_text="已归档").first).to_be_visible()
    expect(clerk.get_by_role("button", name="归档")).to_have_count(0)
    picture(clerk, tmp_path, "archived")
    clerk.goto(f"{running.address}/purchases?group=ended")
    clerk.get_by_role("link", name="公益创投：老年餐桌").click()
    address = clerk.get_by_role("link", name="采购档案（ZIP）").get_attribute("href")
    answer = clerk.request.get(f"{running.address}{address}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert [result.fault for result in verify(answer.body()) if result.fault] == []


def test_an_opening_code_is_written_down_and_renewed_and_papers_are_looked_at(
    running: Product, calls: dict[str, tuple[Purchase, str]], sign_in: SignIn
) -> None:
    clerk = sign_in("bureau", scripts=False)
    clerk.goto(f"{running.address}/purchases/code")
    press(clerk, "生成开标码")
    first = clerk.locator("#code").inner_text()
    press(clerk, "核对", code=first[:-1] + ("0" if first[-1] != "0" else "1"))
    expect(clerk.locator("#problem")).to_be_visible()
    press(clerk, "核对", code=first.lower())
    clerk.goto(f"{running.address}/purchases/code")
    press(clerk, "换一个", code="Z" * 25)
    expect(clerk.locator("#problem")).to_contain_text("开标码不对")
    press(clerk, "换一个", code=first)
    second = clerk.locator("#code").inner_text()
    assert second != first
    clerk.goto(f"{running.address}/purchases/code")
    press(clerk, "换一个", code=first)
    expect(clerk.locator("#problem")).to_contain_text("开标码不对")
    press(clerk, "换一个", code=second)
    expect(clerk.locator("#code")).not_to_have_text(second)

    own, own_id = calls["bought"][0].dispatcher(1), calls["bought"][0].organisations[1]
    for number in ("2025-1", "2025-2"):
        paper = {
            "kind": "audit",
            "name": "审计报告",
            "number": number,
            "issued_on": "2026-01-05",
            "valid_until": "2027-01-04",
            "file_id": hand_in(own, own_id).json()["file_id"],
        }
        assert own.post(f"/organisations/{own_id}/papers", json=paper).status_code == 201
    clerk.goto(f"{running.address}/purchases/organisations")
    press(clerk, "不通过", reason="章看不清")
    expect(clerk.locator(".item", has_text="审计报告")).to_have_count(1)
    press(clerk, "通过")
    expect(clerk.locator(".item", has_text="审计报告")).to_have_count(0)
    shown = own.get(f"/organisations/{own_id}/papers").json()["items"]
    assert [(each["state"], each["refused_reason"]) for each in shown] == [
        ("refused", "章看不清"),
        ("verified", None),
    ]
