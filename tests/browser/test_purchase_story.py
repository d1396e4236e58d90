"""A purchase as its people do it: from the clerk's draft to the payment that the public page and the OCDS record show."""

import re
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from shared.clock import instant, wall_day
from shared.contracts.codes import Role, ScopeKind
from shared.database.server import DatabaseServer
from shared.ids import new_id
from tests.bidding import PDF, organisation, projects_of
from tests.browser.conftest import SignIn
from tests.browser.test_evaluating import press
from tests.browser.test_purchases import fill_draft
from tests.browser.test_story import picked, posted, until
from tests.running import Product, product
from tests.support import ServiceUnderTest, caller

pytestmark = pytest.mark.browser
TITLE = "居家生活照料采购"
TAKES = 60  # days: opinions, bids, challenges and their weekends


@pytest.fixture
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = Path(tmp_path_factory.mktemp("purchase"))
    with product(postgres_server, folder, days_back=TAKES) as city:
        yield city


def opening_code(clerk: Page, address: str) -> str:
    """The clerk makes an opening code, and types it back."""
    clerk.goto(f"{address}/purchases/code")
    clerk.get_by_role("button", name="生成开标码").click()
    code = clerk.inner_text("#code")
    clerk.fill("#f-code", code)
    clerk.get_by_role("button", name="核对").click()
    expect(clerk.locator(".flash")).to_contain_text("核对无误")
    return code


def drafted(clerk: Page, running: Product) -> str:
    """The clerk's draft, out for the public's opinion. The call's id."""
    day = wall_day(running.clock())
    clerk.goto(f"{running.address}/purchases/new")
    clerk.fill("#f-title", TITLE)
    clerk.fill("#f-ceiling", "36000")
    gate, first, last = (str(day + timedelta(days=days)) for days in (-30, 30, 390))
    fill_draft(clerk, gate, first, last, kind="care", communities=2)
    clerk.get_by_label("社会组织", exact=True).check()
    clerk.get_by_role("button", name="保存草稿").click()
    expect(clerk.get_by_role("main")).not_to_contain_text("发布前还缺")
    clerk.get_by_role("button", name="公开征求意见").click()
    expect(clerk.locator(".stepper .now")).to_have_text("征求意见")
    return clerk.url.rsplit("/", 1)[1]


def bid_by_page(page: Page, address: str, call_id: str, price: str) -> str:
    """The dispatcher bids. The code that opens the sealed bid for a replacement."""
    page.goto(f"{address}/organisation/calls/{call_id}")
    page.get_by_role("button", name="起草投标").click()
    page.locator("[name^=price_]").fill(price)
    page.fill("#f-plan", "固定护理员，每周两次，服务前后报平安")
    page.get_by_role("button", name="保存草稿").click()
    page.set_input_files("#f-file", {"name": "业绩.pdf", "mimeType": "application/pdf", "buffer": PDF})
    page.get_by_role("button", name="加密上传").click()
    expect(page.get_by_role("main")).to_contain_text("业绩.pdf")
    return sealed(page)


def sealed(page: Page) -> str:
    page.get_by_role("button", name="保存并核对").click()
    page.get_by_label("没有与我们同一控制人").check()
    page.get_by_role("button", name="密封并提交").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("投标回执")
    return page.locator(".next strong").inner_text()


def bid_by_api(projects: ServiceUnderTest, lot: Any, who: UUID, fen: int) -> Any:
    """Another organisation's bid: the answer to its submission."""
    session = projects.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, who))
    bid = session.post(f"/lots/{lot['lot_id']}/bids", json={"organisation_id": str(who)}).json()["id"]

    def keyed() -> dict[str, str]:
        version = session.get(f"/bids/{bid}").json()["version"]
        return {"If-Match": f'"{version}"', "Idempotency-Key": str(new_id())}

    prices = [{"lot_line_id": lot["lines"][0]["lot_line_id"], "unit_price_fen": fen}]
    body = {"prices": prices, "plan": "每周上门", "capacity": "护理员 8 人"}
    assert session.put(f"/bids/{bid}/draft", json=body, headers=keyed()).status_code == 200
    return session.post(f"/bids/{bid}/submission", json={"alone": True}, headers=keyed())


def score(scorer: Page, address: str, call_id: str, points: dict[str, str]) -> None:
    """A scorer declares no conflict, scores every bid with a sentence, and hands in."""
    scorer.goto(f"{address}/scoring/{call_id}")
    scorer.locator("input[name=conflict][value=no]").check()
    scorer.get_by_role("button", name="声明").click()
    expect(scorer.locator(".flash")).to_contain_text("已声明")
    while (todo := scorer.get_by_role("link", name=re.compile("^给 .* 打分$"))).count():
        todo.click()
        name = scorer.locator("h1").inner_text()
        scorer.locator("[name^=points-]").fill(points.get(name, "70"))
        scorer.locator("[name^=sentence-]").fill("人员固定，安排可行")
        scorer.get_by_role("button", name="保存").click()
        expect(scorer.locator("h1")).to_have_text(TITLE)
    scorer.get_by_role("button", name="提交全部评分").click()
    expect(scorer.locator(".flash").first).to_be_visible()


def test_from_a_draft_to_a_payment_that_the_public_sees(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    story, address = running.facts.people_of_the_story, running.address
    assert story.carer is not None
    ours = story.carer.organisation_id
    projects = projects_of(running)
    own = next(o for o in running.facts.organisations if o.organisation_id == ours)
    firm = next(o for o in running.facts.organisations if o.name.endswith("有限公司"))

    # The clerk drafts; the public is heard; published with two openers.
    clerk, second = sign_in("bureau"), sign_in("bureau2")
    codes = [opening_code(clerk, address), opening_code(second, address)]
    call_id = drafted(clerk, running)
    running.clock.move(timedelta(days=8))
    clerk = sign_in("bureau")
    clerk.goto(f"{address}/purchases/{call_id}")
    for opener in clerk.locator("[name=opener_ids]").all():
        opener.check()
    clerk.get_by_role("button", name="发布", exact=True).click()
    expect(clerk.locator(".stepper .now")).to_have_text("发布")

    # Three organisations bid, one of them twice; a firm is refused with the reason.
    dispatcher = sign_in("dispatcher")
    code = bid_by_page(dispatcher, address, call_id, "44")
    lot = projects.client.get(f"/public/calls/{call_id}").json()["lots"][0]
    for fen in (4200, 4400):
        assert bid_by_api(projects, lot, organisation(projects), fen).status_code == 201
    refused = bid_by_api(projects, lot, firm.organisation_id, 3900)
    assert (refused.status_code, refused.json()["code"]) == (409, "kind_not_allowed")
    dispatcher.goto(f"{address}/organisation/calls")
    dispatcher.get_by_role("link", name=TITLE).first.click()
    dispatcher.fill("#f-code", code)
    dispatcher.get_by_role("button", name="打开修改").click()
    dispatcher.locator("[name^=price_]").fill("40")
    sealed(dispatcher)

    # After the deadline two of the bureau open it; five score.
    running.clock.move(timedelta(days=22))
    for username, given in zip(("bureau", "bureau2"), codes, strict=True):
        clerk = sign_in(username)
        clerk.goto(f"{address}/purchases/{call_id}")
        clerk.fill("#f-code", given)
        clerk.get_by_role("button", name="开标").click()
    expect(clerk.get_by_role("heading", level=1)).to_have_text("开标记录")
    expect(clerk.get_by_role("main")).to_contain_text("¥32,000.00")
    clerk.goto(f"{address}/purchases/{call_id}/scorers")
    for at, part in enumerate(("own", "expert", "expert", "expert", "expert")):
        clerk.locator("select[name^=part-]").nth(at).select_option(part)
    clerk.get_by_role("button", name="指定").click()
    for username in ("scorer", "scorer2", "scorer3", "scorer4", "scorer5"):
        scorer = sign_in(username, phone=username == "scorer")
        score(scorer, address, call_id, {own.name: "90"})
    scorer.get_by_role("link", name=own.name).click()
    with scorer.expect_download() as file:
        scorer.get_by_role("link", name="业绩.pdf").click()
    assert file.value.path().read_bytes() == PDF

    # Decided by rank and published; a challenge is rejected.
    clerk = sign_in("bureau")
    clerk.goto(f"{address}/purchases/{call_id}")
    clerk.get_by_role("button", name="按排名确定").click()
    clerk.get_by_role("button", name="公开结果").click()
    loser = next(
        b["organisation_id"]
        for b in projects.as_(caller(Role.BUREAU)).get(f"/calls/{call_id}/ranking").json()["items"]
        if b["organisation_id"] != str(ours)
    )
    challenge = {"lot_id": lot["lot_id"], "organisation_id": loser, "text": "报价明显偏低，是否核实过成本"}
    told = projects.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, UUID(loser))).post(
        f"/calls/{call_id}/challenges", json=challenge
    )
    assert told.status_code == 201, told.text
    clerk.reload()
    clerk.get_by_label("不成立", exact=True).check()
    press(clerk, "答复", answer="评审时已核实成本，价格分按公告的公式计算")
    press(clerk, "拟合同", number="仪民购〔2026〕099号")
    contract_id = clerk.url.rsplit("/", 1)[1]

    # Both sign after the challenge days; the old contract ends, so that the new one is what care is drawn from.
    running.clock.move(timedelta(days=14))
    dispatcher = sign_in("dispatcher")
    dispatcher.goto(f"{address}/organisation/contracts/{contract_id}")
    dispatcher.get_by_role("button", name="签署").click()
    clerk = sign_in("bureau")
    clerk.goto(f"{address}/purchases/{call_id}/contracts/{contract_id}")
    clerk.get_by_role("button", name="代表民政局签订").click()
    expect(clerk.locator("main .badge", has_text="履行中")).to_be_visible()
    bureau = projects.as_(caller(Role.BUREAU))
    old = next(c for c in running.facts.contracts if c.organisation_id == ours)
    over = {"kind": "termination", "reason": "新合同已经签订", "one_sided": True}
    ended = bureau.post(f"/contracts/{old.contract_id}/supplements", json=over)
    assert ended.status_code == 201, ended.text

    # The next plan uses it; the visit is delivered and confirmed.
    day = wall_day(running.clock()) + timedelta(days=1)
    visit = posted(sign_in("centre"), running, "care", day)
    planner = sign_in("planner")
    planner.goto(f"{address}/plan/plans")
    planner.select_option("#f-days", "2")
    planner.get_by_role("button", name="重新计算").click()
    publishing = planner.get_by_role("button", name="发布", exact=True)
    for _ in range(120):
        if publishing.count():
            break
        planner.wait_for_timeout(500)
        planner.reload()
    publishing.click()
    expect(planner.locator(".flash")).to_contain_text("发布")
    picked(planner, running, visit, story.carer.person.name)
    dispatcher.goto(f"{address}/organisation")
    dispatcher.locator("section.item", has_text="明天").get_by_role("button", name="确认这一天").click()
    running.clock.at = instant(day, time(13, 5))
    carer = sign_in("carer", phone=True)
    carer.goto(f"{address}/my/visits/{visit}")
    carer.get_by_role("button", name="我到了，签到").click()
    running.clock.move(timedelta(minutes=60))
    carer.goto(f"{address}/my/visits/{visit}")
    carer.get_by_role("button", name="服务结束，签退").click()
    expect(carer.locator(".flash")).to_contain_text("已签退")
    for desk in (sign_in("centre"), sign_in("community")):
        desk.goto(f"{address}/centre/visits/{visit}")
        if (button := desk.get_by_role("button", name="确认", exact=True)).count():
            button.click()
            expect(desk.locator(".flash")).to_contain_text("已确认")
            break

    # The daughter accepts; the month is claimed, checked and paid.
    family = sign_in("family", phone=True)
    family.goto(f"{address}/home/rate")
    card = family.locator(f"form[action='/home/visits/{visit}/rate']")
    card.locator("input[name=sentence]").fill("照料得很细心")
    card.get_by_role("button", name="满意", exact=True).click()
    expect(family.locator(".flash")).to_contain_text("谢谢您的评价")
    dispatcher = sign_in("dispatcher")
    dispatcher.goto(f"{address}/organisation/contracts/{contract_id}")
    until(dispatcher, "没有申请过的服务 1 条，合计 ¥40.00")
    dispatcher.get_by_role("button", name=re.compile("^申请付款 ")).click()
    clerk = sign_in("bureau")
    clerk.goto(f"{address}/purchases/{call_id}/contracts/{contract_id}")
    press(clerk, "核对无误")
    clerk = sign_in("bureau2")
    clerk.goto(f"{address}/purchases/{call_id}/contracts/{contract_id}")
    press(clerk, "登记付款", reference="2026120101", paid_on=wall_day(running.clock()).isoformat())
    expect(clerk.get_by_role("main")).to_contain_text("合同价 ¥32,000.00，已付 ¥40.00")

    # What is due is made public: anybody sees it, and the OCDS record says it.
    clerk.goto(f"{address}/purchases/notices")
    while (due := clerk.get_by_role("button", name="公开", exact=True)).count():
        left = due.count()
        due.first.click()
        expect(due).to_have_count(left - 1)
    public = sign_in("")
    public.goto(f"{address}/public/calls/{call_id}")
    expect(public.get_by_role("main")).to_contain_text("结果公告")
    public.goto(f"{address}/public/results?show=contracts&call_id={call_id}")
    expect(public.get_by_role("main")).to_contain_text("¥40.00")
    [record] = projects.client.get(f"/public/ocds/records/{call_id}").json()["records"]
    [contract] = record["compiledRelease"]["contracts"]
    [payment] = contract["implementation"]["transactions"]
    assert payment["value"]["amount"] == 40
