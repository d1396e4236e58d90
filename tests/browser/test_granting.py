"""A community venture by its pages: an application, its review, the grant, evidence and payment, and a mid-term review
that fails and stops what follows. And an organisation's incubation."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.projects.bids.tables import BidRow
from services.projects.calls.methods import Method
from services.projects.calls.service import criteria
from services.projects.grants.service import stop_late
from shared.clock import wall_day
from tests.bidding import Published, open_by, projects_of, published
from tests.browser.conftest import SignIn
from tests.browser.test_bidding import PDF
from tests.browser.test_gallery import faults
from tests.browser.test_purchases import picture
from tests.buying import Purchase, purchase
from tests.integration.test_awards import awarded, publish
from tests.running import Product

pytestmark = pytest.mark.browser
CLAUSE = "已停止拨付（公益创投管理约定；海曙做法）"


class Looked:
    """Pages looked at in passing: a picture of each at both widths, and what axe finds. `judge`: a page with scripts on
    and of nobody, that axe looks at a copy in."""

    def __init__(self, folder: Path, judge: Page) -> None:
        self.folder, self.judge = folder, judge
        self.wrong: list[str] = []

    def at(self, page: Page, name: str) -> None:
        picture(page, self.folder, name)
        main = page.locator("main .button.main").count()
        if main > 1:
            self.wrong.append(f"{name}: {main} main buttons")
        self.judge.set_content(page.content(), wait_until="load")
        self.wrong += [f"{name}: {fault}" for fault in faults(self.judge)]


def scored(call: Published) -> None:
    """Two openers open the call's bids and five scorers score them."""
    opened = open_by(call)
    assert opened.status_code in {200, 201}, opened.text
    with call.service.database.work() as work:
        named = {row.kind + str(row.position): row.criterion_id for row in criteria(work, call.call_id)}
        bids = work.session.query(BidRow).filter_by(call_id=call.call_id).all()
        buying = Purchase(
            call.service,
            call.call_id,
            call.line_id,
            call.row().ceiling_fen,
            [lot for lot, _ in call.lots],
            {"price" if name.startswith("price") else name: number for name, number in named.items()},
            [bid.organisation_id for bid in bids],
            [[bid.bid_id for bid in bids]],
        )
    buying.named().scored()


def apply(page: Page, address: str, call: Published) -> None:
    """The organisation applies for 30,000 yuan."""
    page.goto(f"{address}/organisation/calls/{call.call_id}")
    page.get_by_role("button", name="起草申报").click()
    page.fill("#f-asked", "30000")
    page.fill("#f-plan", "为高龄独居老人送餐，每周五次，志愿者轮值")
    page.get_by_role("button", name="保存并核对").click()
    page.get_by_label("没有与我们同一控制人").check()
    page.get_by_role("button", name="密封并提交").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("申报回执")


def fill_milestones(clerk: Page, first: date) -> None:
    """Start, two steps, mid-term review, final report: written in no order, the second step last."""
    rows = [
        ("start", "启动", 5, "10000"),
        ("midterm", "中期评估", 180, "6000"),
        ("final", "结项报告", 350, "4000"),
        ("step", "招募志愿者", 60, "5000"),
        ("step", "助餐点开业", 120, "5000"),
    ]
    for n, (kind, title, days, amount) in enumerate(rows):
        due = (first + timedelta(days=days)).isoformat()
        if n > 2:
            clerk.get_by_role("button", name="加一个节点").click()
        clerk.select_option(f"#f-kind{n}", kind)
        clerk.fill(f"#f-title{n}", title)
        clerk.fill(f"#f-due{n}", due)
        clerk.fill(f"#f-amount{n}", amount)


def hand_in(page: Page, words: str, *, file: str = "") -> None:
    page.fill("#f-evidence", words)
    if file:
        page.set_input_files("#f-file", {"name": file, "mimeType": "application/pdf", "buffer": PDF})
    page.get_by_role("button", name="提交成果").click()
    expect(page.get_by_role("status")).to_contain_text("成果已提交")


def review(clerk: Page, found: str, words: str) -> None:
    clerk.get_by_label(found, exact=True).check()
    clerk.get_by_label("评审意见").fill(words)
    clerk.get_by_role("button", name="登记评审结果").click()
    expect(clerk.get_by_role("status")).to_contain_text("评审结果已登记")


def pay(clerk: Page, reference: str, sum_: str) -> None:
    form = clerk.locator("form", has=clerk.get_by_role("button", name=f"登记付款 {sum_}"))
    form.get_by_label("银行流水号").fill(reference)
    form.get_by_role("button").click()


def test_a_grant_is_stopped_at_its_mid_term_review_without_javascript(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    looked = Looked(tmp_path, sign_in("", phone=True))
    first = wall_day(running.clock()) + timedelta(days=60)
    days = (first, first + timedelta(days=364))
    call = published(projects_of(running), Method.VENTURE, takes=timedelta(days=5), days=days)
    own = sign_in("dispatcher", scripts=False)
    apply(own, running.address, call)
    running.clock.move(timedelta(days=6))
    scored(call)

    clerk = sign_in("bureau", scripts=False)
    clerk.goto(f"{running.address}/purchases/{call.call_id}")
    clerk.get_by_role("button", name="按排名确定").click()
    clerk.get_by_role("button", name="公开结果").click()
    expect(clerk.get_by_role("link", name="立项", exact=True)).to_have_count(0)
    running.clock.move(timedelta(days=14))
    clerk, own = sign_in("bureau", scripts=False), sign_in("dispatcher", scripts=False)
    clerk.goto(f"{running.address}/purchases/{call.call_id}")
    looked.at(clerk, "awarded")
    clerk.get_by_role("link", name="立项", exact=True).click()
    looked.at(clerk, "start")
    fill_milestones(clerk, first)
    clerk.fill("#f-number", "仪公创〔2026〕3号")
    clerk.fill("#f-title", "邻里助餐")
    clerk.fill("#f-amount4", "五千")
    clerk.get_by_role("main").get_by_role("button", name="立项", exact=True).click()
    expect(clerk.locator("#e-amount4")).to_contain_text("请填金额")
    clerk.fill("#f-amount4", "4999")
    clerk.get_by_role("main").get_by_role("button", name="立项", exact=True).click()
    expect(clerk.locator("#e-milestones")).to_contain_text("各节点金额之和要等于资助金额")
    looked.at(clerk, "start-refused")
    clerk.fill("#f-amount4", "5000")
    clerk.get_by_role("main").get_by_role("button", name="立项", exact=True).click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("邻里助餐")
    expect(clerk.locator("h3").nth(2)).to_contain_text("3. 助餐点开业")
    grant = clerk.url
    pay(clerk, "R-0", "¥10,000.00")
    expect(clerk.get_by_role("status")).to_contain_text("付款已登记")
    looked.at(clerk, "started")

    own.goto(f"{running.address}/organisation/contracts")
    looked.at(own, "own-contracts")
    own.get_by_role("link", name="邻里助餐").click()
    looked.at(own, "own-first")
    own.set_input_files(
        "#f-file", {"name": "签到.pdf", "mimeType": "application/pdf", "buffer": b"MZ not a PDF"}
    )
    own.fill("#f-evidence", "招募志愿者 24 名，培训两次")
    own.get_by_role("button", name="提交成果").click()
    expect(own.locator("#e-file")).to_be_visible()
    expect(own.locator("#f-evidence")).to_have_value("招募志愿者 24 名，培训两次")
    looked.at(own, "own-refused")
    hand_in(own, "招募志愿者 24 名，培训两次", file="签到.pdf")
    looked.at(own, "own-handed-in")

    clerk.goto(grant)
    with clerk.expect_download() as saved:
        clerk.get_by_role("link", name="签到.pdf").click()
    assert saved.value.suggested_filename == "签到.pdf"
    assert saved.value.path().read_bytes() == PDF
    looked.at(clerk, "to-review")
    review(clerk, "合格", "名单和签到核对无误")
    expect(clerk.get_by_role("main")).to_contain_text("核对和付款不能是同一个人")
    expect(clerk.get_by_role("button", name="登记付款")).to_have_count(0)
    second = sign_in("bureau2", scripts=False)
    second.goto(grant)
    form = second.locator("form", has=second.get_by_role("button", name="登记付款"))
    form.get_by_label("付款日期").fill(first.isoformat())
    pay(second, "R-1", "¥5,000.00")
    expect(second.locator(".fault")).to_contain_text("日期不能晚于今天")
    looked.at(second, "pay-refused")
    form.get_by_label("付款日期").fill(wall_day(running.clock()).isoformat())
    pay(second, "R-1", "¥5,000.00")
    expect(second.get_by_role("main")).to_contain_text("流水号 R-1")

    own.reload()
    hand_in(own, "助餐点三处开业，每天供餐 60 份")
    clerk.reload()
    review(clerk, "合格", "现场核实")
    own.reload()
    hand_in(own, "半年供餐 3,200 人次")
    late = second
    late.goto(grant)
    clerk.reload()
    review(clerk, "不合格", "供餐人次只有计划的四成，台账对不上")
    expect(clerk.get_by_role("main")).to_contain_text(CLAUSE)
    expect(clerk.get_by_role("button", name="登记付款")).to_have_count(0)
    looked.at(clerk, "stopped")
    pay(late, "R-2", "¥5,000.00")
    expect(late.locator(".summary")).to_contain_text(CLAUSE)
    expect(late.get_by_role("main")).to_contain_text("¥15,000.00")
    looked.at(late, "stopped-refused")

    own.reload()
    expect(own.get_by_role("main")).to_contain_text(CLAUSE)
    expect(own.get_by_role("main")).to_contain_text("供餐人次只有计划的四成")
    expect(own.get_by_role("button", name="提交成果")).to_have_count(0)
    looked.at(own, "own-stopped")

    clerk.get_by_label("哪天前重新提交中期评估").fill((days[1] + timedelta(days=1)).isoformat())
    clerk.get_by_label("为什么可以恢复").fill("已整改")
    clerk.get_by_role("button", name="恢复项目").click()
    expect(clerk.locator(".fault")).to_contain_text("节点日期要在项目期限以内")
    clerk.get_by_text("提前终止", exact=True).first.click()
    ends = clerk.locator("form[action$=terminate]")
    ends.get_by_label("原因").fill("两次整改仍不合格")
    ends.get_by_role("button", name="提前终止").click()
    expect(clerk.get_by_role("main")).to_contain_text("提前终止")
    looked.at(clerk, "terminated")
    clerk.get_by_text("经过", exact=True).click()
    expect(clerk.locator("details li").last).to_contain_text("提前终止 · 两次整改仍不合格")
    clerk.goto(f"{running.address}/purchases/notices")
    for _ in range(4):  # the grant, two payments, the end
        clerk.get_by_role("button", name="公开").first.click()
    expect(clerk.get_by_role("main")).to_contain_text("该公开的都公开了")
    clerk.goto(f"{running.address}/public/results?show=contracts")
    expect(clerk.get_by_role("main")).to_contain_text("¥15,000.00")
    clerk.goto(f"{running.address}/public/results?show=acceptance")
    expect(clerk.get_by_role("main")).to_contain_text("两次整改仍不合格")
    clerk.goto(f"{running.address}/purchases/grants")
    expect(clerk.get_by_role("main")).to_contain_text("提前终止")
    looked.at(clerk, "list")
    own.goto(f"{running.address}/organisation/calls/{call.call_id}")
    own.get_by_role("link", name="看立项").click()
    expect(own.get_by_role("heading", level=1)).to_have_text("邻里助餐")
    assert not looked.wrong, "\n".join(looked.wrong)


def test_a_grant_to_its_final_report_in_english(running: Product, sign_in: SignIn, tmp_path: Path) -> None:
    """Late at its mid-term review it says so; gone on with and reviewed, it is paid and completed."""
    looked = Looked(tmp_path, sign_in("", phone=True))
    carer = running.facts.people_of_the_story.carer
    assert carer is not None
    first = wall_day(running.clock())
    buying = purchase(
        projects_of(running),
        [(3_000_000,)],
        method="venture",
        ceiling_fen=3_000_000,
        price_weight=0,
        days=(first, first + timedelta(days=200)),
        first=carer.organisation_id,
    ).scored()
    [award] = awarded(buying)
    publish(buying, award)
    running.clock.move(timedelta(days=14))
    rows = [("midterm", "Mid-term", 20, 2_000_000), ("final", "Report", 90, 1_000_000)]
    milestones = [
        {
            "kind": kind,
            "title": title,
            "due_on": (first + timedelta(days=days)).isoformat(),
            "amount_fen": fen,
        }
        for kind, title, days, fen in rows
    ]
    body = {"number": "YC-1", "title": "Meals", "milestones": milestones}
    made = buying.bureau.post(f"/awards/{award['award_id']}/grant", json=body)
    assert made.status_code == 201, made.text
    running.clock.move(timedelta(days=7))

    own, clerk = sign_in("dispatcher", lang="en"), sign_in("bureau", lang="en")
    second = sign_in("bureau2", lang="en")
    own.goto(f"{running.address}/organisation/grants/{made.json()['id']}")
    expect(own.get_by_role("main")).to_contain_text("Overdue")
    expect(own.get_by_role("button", name="Hand in")).to_have_count(0)
    looked.at(own, "late")
    stop_late(buying.service.database)
    grant = f"{running.address}/purchases/grants/{made.json()['id']}"
    clerk.goto(grant)
    expect(clerk.get_by_role("main")).to_contain_text("was not handed in by its day")
    looked.at(clerk, "late-stopped")
    clerk.get_by_label("New mid-term review").fill((first + timedelta(days=40)).isoformat())
    clerk.get_by_label("Why it may go on").fill("Explained")
    clerk.get_by_role("button", name="Let the project go on").click()
    for last in (False, True):
        own.reload()
        own.fill("#f-evidence", "1,200 meals")
        own.get_by_role("button", name="Hand in").click()
        clerk.reload()
        if last:
            looked.at(clerk, "final-to-review")
        clerk.get_by_label("Passed").check()
        clerk.get_by_label("What the reviewers found").fill("As planned")
        clerk.get_by_role("button", name="Record the review").click()
        second.goto(grant)
        second.get_by_label("reference").fill("R-9")
        second.get_by_role("button", name="Record the payment").click()
    clerk.reload()
    looked.at(clerk, "to-complete")
    clerk.get_by_label("Result").fill("All meals were served")
    clerk.get_by_role("main").get_by_role("button").first.click()
    expect(clerk.get_by_role("main")).to_contain_text("All meals were served")
    own.reload()
    own.get_by_text("What happened").click()
    expect(own.locator("details li")).to_have_count(7)
    looked.at(own, "completed")
    assert not looked.wrong, "\n".join(looked.wrong)


def test_an_organisation_in_incubation_from_its_entry_to_its_exit(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    looked = Looked(tmp_path, sign_in("", phone=True))
    carer = running.facts.people_of_the_story.carer
    assert carer is not None
    clerk = sign_in("bureau", scripts=False)
    clerk.goto(f"{running.address}/purchases")
    clerk.get_by_role("link", name="公益创投和孵化").click()
    looked.at(clerk, "no-grants")
    clerk.get_by_role("link", name="孵化").click()
    looked.at(clerk, "none")
    clerk.get_by_role("link", name="登记入孵").click()
    clerk.select_option("#f-organisation_id", str(carer.organisation_id))
    clerk.fill("#f-place", "真州镇社会组织孵化园")
    clerk.fill("#f-until", (wall_day(running.clock()) - timedelta(days=1)).isoformat())
    clerk.fill("#f-goals", "一年内取得 3A 评估等级")
    clerk.get_by_role("button", name="登记入孵").click()
    expect(clerk.locator("#e-until")).to_contain_text("结束日期不能早于开始日期")
    looked.at(clerk, "entry-refused")
    clerk.fill("#f-until", (wall_day(running.clock()) + timedelta(days=365)).isoformat())
    clerk.get_by_role("button", name="登记入孵").click()
    clerk.select_option("#f-kind", "training")
    clerk.get_by_label("给了什么支持").fill("项目管理培训两天")
    clerk.get_by_label("值多少元").fill("一千")
    clerk.get_by_role("button", name="登记支持").click()
    expect(clerk.locator(".fault")).to_contain_text("请填金额")
    looked.at(clerk, "support-refused")
    clerk.get_by_label("值多少元").fill("1200.50")
    clerk.get_by_role("button", name="登记支持").click()
    expect(clerk.locator("table")).to_contain_text("¥1,200.50")

    own = sign_in("dispatcher", phone=True)
    own.goto(f"{running.address}/organisation/contracts")
    own.get_by_role("link", name="我们的孵化").click()
    expect(own.get_by_role("main")).to_contain_text("项目管理培训两天")
    looked.at(own, "own")
    clerk.get_by_text("登记出孵", exact=True).first.click()
    clerk.get_by_label("原因，对照孵化目标").fill("已取得 3A 等级")
    clerk.locator("form[action$=exit] button").click()
    expect(clerk.get_by_role("main")).to_contain_text("达标出孵")
    looked.at(clerk, "left")
    expect(clerk.get_by_role("button", name="登记支持")).to_have_count(0)
    assert not looked.wrong, "\n".join(looked.wrong)
