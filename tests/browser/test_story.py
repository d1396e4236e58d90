"""The main job as its people do it, in a browser: posted, planned, answered, delivered, recorded, drawn, rated."""

import re
from datetime import date, time, timedelta
from pathlib import Path

from playwright.sync_api import Page, expect

from shared.clock import instant, wall, wall_day
from tests.browser.conftest import SignIn
from tests.browser.test_purchases import picture
from tests.running import Product

SHOTS = Path(__file__).parents[2] / ".linli" / "screenshots"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def until(page: Page, text: str, selector: str = "main", seconds: int = 30) -> None:
    """Look again until a page says what other services will have told it: as a person would, by reloading."""
    for _ in range(seconds * 2):
        if re.search(text, page.inner_text(selector)):
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(f"{text!r} never came: {page.inner_text(selector)[:3000]}")


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def posted(centre: Page, running: Product, kind: str, day: date) -> str:
    """A need of the story's resident at 13:05, posted by the centre. The id of its visit."""
    resident = running.facts.people_of_the_story.resident
    centre.goto(f"{running.address}/centre/needs/new?resident={resident.resident_id}")
    centre.select_option("#f-kind", kind)
    centre.fill("#f-first_day", day.isoformat())
    centre.fill("#f-earliest", "13:05")
    centre.click("text=提出需求 >> nth=-1")
    centre.click(".items a >> nth=0")
    return UUID.findall(centre.url)[0]


def picked(planner: Page, running: Product, visit: str, name: str) -> None:
    """The planner puts somebody on a visit, having seen the cost; nothing to do when the plan did."""
    for _ in range(40):
        planner.goto(f"{running.address}/plan/visits/{visit}")
        if planner.locator(".item", has_text=name).count():
            return
        if planner.locator("tr", has_text=name).count():
            break
        planner.wait_for_timeout(500)
    planner.locator("tr", has_text=name).get_by_role("button", name="指定，看代价").click()
    expect(planner.locator("section.next")).to_contain_text("会影响")
    shot(planner, "planner-cost")
    planner.get_by_role("button", name="就这样安排").click()
    expect(planner.locator(".flash[role=status]")).to_contain_text("已按您的选择")


def minutes_on_record(page: Page, running: Product) -> str:
    page.goto(f"{running.address}/my/hours")
    return page.inner_text(".figures li:first-child strong")


def test_from_the_centres_post_to_the_volunteers_hour(running: Product, sign_in: SignIn) -> None:
    resident = running.facts.people_of_the_story.resident
    day = wall_day(running.clock()) + timedelta(days=1)

    # The centre posts a need inside the published days; it is offered at once.
    centre = sign_in("centre")
    expect(centre.locator("h1")).to_have_text("今天")
    shot(centre, "centre-today")
    centre.goto(f"{running.address}/centre/needs/new")
    centre.fill("#f-find", resident.person.name)
    centre.check(f"#f-residents input[value='{resident.resident_id}']")
    centre.select_option("#f-kind", "digital")
    centre.fill("#f-first_day", day.isoformat())
    centre.fill("#f-earliest", "15:00")
    centre.fill("#f-latest", "16:00")
    centre.fill("#f-note", "想学视频通话")
    centre.click("text=提出需求 >> nth=-1")
    expect(centre.locator(".flash[role=status]")).to_contain_text("接下来 1 次服务会排进计划")
    centre.click(".items a >> nth=0")
    visit = UUID.findall(centre.url)[0]
    until(centre, "已邀请")
    shot(centre, "centre-visit-offered")

    # Somebody answers by phone: the centre works the call list.
    centre.goto(f"{running.address}/centre/calls")
    call = centre.locator("section.item", has_text="手机辅导").first
    expect(call).to_contain_text("您方便吗")
    shot(centre, "centre-calls")
    call.get_by_role("button", name="答应").click()
    expect(centre.locator(".flash[role=status]")).to_contain_text("记下了：答应")
    centre.goto(f"{running.address}/centre/visits/{visit}")
    until(centre, "已答应")

    # The resident sees who comes, with the code at the door.
    home = sign_in("resident", phone=True)
    home.goto(f"{running.address}/home/visits/{visit}")
    expect(home.locator("main")).to_contain_text("已答应")

    # The product restarts; nothing is lost.
    running.restart()

    # The centre checks in and out for the volunteer who has no phone, and confirms.
    running.clock.at = instant(day, wall(running.clock()).replace(hour=15, minute=2).time())
    centre = sign_in("centre")
    centre.goto(f"{running.address}/centre/visits/{visit}")
    centre.get_by_role("button", name="代签到").click()
    expect(centre.locator(".flash[role=status]")).to_contain_text("已签到")
    running.clock.move(timedelta(minutes=50))
    centre.goto(f"{running.address}/centre/visits/{visit}")
    centre.get_by_role("button", name="代签退").click()
    expect(centre.locator(".flash[role=status]")).to_contain_text("已签退")
    centre.get_by_role("button", name="确认", exact=True).click()
    expect(centre.locator(".flash[role=status]")).to_contain_text("已确认")
    expect(centre.locator("main")).to_contain_text("50 分钟")

    # The family rates it; the face stands on the centre's page.
    family = sign_in("family", phone=True)
    family.goto(f"{running.address}/home/rate")
    card = family.locator("section.card", has_text="手机辅导").first
    card.locator("input[name=sentence]").fill("教得很耐心")
    shot(family, "family-rate")
    card.get_by_role("button", name="满意", exact=True).click()
    expect(family.locator(".flash[role=status]")).to_contain_text("谢谢您的评价")


def test_a_volunteer_on_the_phone_accepts_comes_and_gets_the_hour(running: Product, sign_in: SignIn) -> None:
    story = running.facts.people_of_the_story
    day = wall_day(running.clock()) + timedelta(days=1)

    # The volunteer declines what the plan asked, and says when they can come.
    phone = sign_in("volunteer", phone=True)
    before = minutes_on_record(phone, running)
    phone.goto(f"{running.address}/my/offers")
    while phone.get_by_role("button", name="这次不行").count():
        phone.get_by_role("button", name="这次不行").first.click()
        expect(phone.locator(".flash[role=status]")).to_contain_text("已婉拒，不影响以后的邀请")
    phone.goto(f"{running.address}/my/time")
    phone.fill("#f-from_day", day.isoformat())
    phone.select_option("#f-available", "1")
    phone.get_by_role("button", name="加上").click()
    expect(phone.locator("main")).to_contain_text("明天 有空")
    shot(phone, "volunteer-time")

    # The centre posts a need; the planner picks the volunteer, seeing the cost first: an invitation, no more (8.16).
    centre = sign_in("centre")
    visit = posted(centre, running, story.volunteer_need.kind.value, day)
    planner = sign_in("planner")
    picked(planner, running, visit, story.volunteer.person.name)

    phone.goto(f"{running.address}/my/offers")
    first = phone.locator("section.card").first
    expect(first).to_contain_text("地址在您答应以后才显示")
    assert not phone.locator("main", has_text="幢").count(), "no address before the yes"
    shot(phone, "volunteer-offers")
    first.get_by_role("button", name="我答应").click()
    expect(phone.locator(".flash[role=status]")).to_contain_text("地址和电话可以看了")
    expect(phone.locator("main")).to_contain_text("到了那天，在这里签到")
    expect(phone.locator("dl.facts")).to_contain_text("地址")
    shot(phone, "volunteer-today")
    running.clock.at = instant(day, time(13, 5))
    phone = sign_in("volunteer", phone=True)
    phone.get_by_role("button", name="我到了，签到").click()
    expect(phone.locator(".flash[role=status]")).to_contain_text("已签到")
    running.clock.move(timedelta(minutes=40))
    phone.goto(f"{running.address}/my")
    phone.get_by_role("button", name="服务结束，签退").click()
    expect(phone.locator(".flash[role=status]")).to_contain_text("已签退")

    centre = sign_in("centre")
    centre.goto(f"{running.address}/centre/confirm")
    centre.get_by_role("button", name="确认", exact=True).first.click()
    expect(centre.locator(".flash[role=status]")).to_contain_text("已确认")

    phone.goto(f"{running.address}/my/hours")
    for _ in range(40):
        if phone.inner_text(".figures li:first-child strong") != before:
            break
        phone.wait_for_timeout(500)
        phone.reload()
    assert phone.inner_text(".figures li:first-child strong") != before
    shot(phone, "volunteer-hours")


def test_contract_staff_are_confirmed_come_and_draw_the_contract(
    running: Product, sign_in: SignIn, tmp_path: Path
) -> None:
    story = running.facts.people_of_the_story
    assert story.carer is not None
    day = wall_day(running.clock()) + timedelta(days=1)
    centre = sign_in("centre")
    visit = posted(centre, running, "care", day)
    picked(sign_in("planner"), running, visit, story.carer.person.name)

    # The organisation confirms the day's roster in one step (8.16).
    dispatcher = sign_in("dispatcher")
    shot(dispatcher, "organisation-week")
    dispatcher.locator("section.item", has_text="明天").get_by_role("button", name="确认这一天").click()
    expect(dispatcher.locator(".flash[role=status]")).to_contain_text("已确认")
    dispatcher.goto(f"{running.address}/organisation/contracts")
    until(dispatcher, r"已预留 [1-9]")
    shot(dispatcher, "organisation-contracts")

    running.clock.at = instant(day, time(13, 5))
    carer = sign_in("carer", phone=True)
    carer.goto(f"{running.address}/my/visits/{visit}")
    expect(carer.locator("dl.facts")).to_contain_text("地址")
    carer.get_by_role("button", name="我到了，签到").click()
    expect(carer.locator(".flash[role=status]")).to_contain_text("已签到")
    running.clock.move(timedelta(minutes=60))
    carer.goto(f"{running.address}/my/visits/{visit}")
    carer.get_by_role("button", name="服务结束，签退").click()
    expect(carer.locator(".flash[role=status]")).to_contain_text("已签退")

    confirmed = 0
    for desk in (
        sign_in("centre"),
        sign_in("community"),
    ):  # residents without a centre are the community's (8.4)
        desk.goto(f"{running.address}/centre/confirm")
        buttons = desk.get_by_role("button", name="确认", exact=True)
        while buttons.count():
            buttons.first.click()
            expect(desk.locator(".flash[role=status]")).to_contain_text("已确认")
            confirmed, speaks = confirmed + 1, desk
            desk.goto(f"{running.address}/centre/confirm")
    assert confirmed == 1

    dispatcher = sign_in("dispatcher")
    dispatcher.goto(f"{running.address}/organisation/contracts")
    until(dispatcher, r"已交付 (0\.|[1-9])")

    # The month is refused at once; the bureau decides, and until then nobody is paid (8.19).
    speaks.goto(f"{running.address}/centre/months")
    expect(speaks.get_by_role("main")).to_contain_text("1 次服务还没有评价")
    picture(speaks, tmp_path, "months")
    speaks.get_by_role("button", name="不满意").click()
    expect(speaks.locator(".flash[role=status]")).to_contain_text("1 次服务不同意验收，先不付款")
    until(dispatcher, r"1 次服务有验收争议")
    dispatcher.get_by_role("link", name="1 次服务有验收争议").click()
    expect(dispatcher.locator(".badge.amber")).to_contain_text("前处理")
    picture(dispatcher, tmp_path, "refused")
    running.clock.move(timedelta(days=16))
    bureau = sign_in("bureau")
    bureau.goto(f"{running.address}/purchases")
    bureau.get_by_role("link", name="1 次验收争议过了期限还没有处理").click()
    bureau.get_by_text("处理", exact=True).click()
    bureau.get_by_label("服务合格，可以付款").check()
    bureau.get_by_label("处理意见").fill("核对签到和照料中心记录，按约定服务")
    picture(bureau, tmp_path, "overdue")
    bureau.get_by_role("button", name="登记处理结果").click()
    expect(bureau.locator(".flash[role=status]")).to_contain_text("可以付款")
    dispatcher = sign_in("dispatcher")
    dispatcher.goto(f"{running.address}/organisation/refusals?ended=true")
    expect(dispatcher.get_by_role("main")).to_contain_text("认定合格，可以付款")
    picture(dispatcher, tmp_path, "decided")
    dispatcher.goto(f"{running.address}/organisation/contracts")
    until(dispatcher, r"已验收 (0\.|[1-9])")


def test_the_planner_sees_the_plan_and_what_broke(running: Product, sign_in: SignIn) -> None:
    planner = sign_in("planner")
    expect(planner.locator("h1")).to_have_text("发布以后又缺人的服务")
    shot(planner, "planner-broken")
    planner.goto(f"{running.address}/plan/plans")
    planner.click("table a >> nth=0")
    expect(planner.locator("main")).to_contain_text("次服务中安排了")
    shot(planner, "planner-plan")
    planner.goto(f"{running.address}/plan/map")
    shot(planner, "planner-map")
    # A new plan is given up before it has begun; the next is watched, and its picture stays.
    planner.goto(f"{running.address}/plan/plans")
    planner.get_by_role("button", name="重新计算").click()
    planner.get_by_role("button", name="不算了").click()
    expect(planner.locator("main")).to_contain_text("还没有结果就停了")
    planner.goto(f"{running.address}/plan/plans")
    expect(planner.locator("tbody tr").first).to_contain_text("已取消")
    planner.get_by_role("button", name="重新计算").click()
    expect(planner.locator("#plan-now")).to_contain_text("正在读取")
    planner.context.set_offline(True)
    expect(planner.get_by_text("现在连不上")).to_be_visible()
    shot(planner, "planner-plan-cut-off")
    planner.context.set_offline(False)
    expect(planner.locator("main")).to_contain_text("次服务中安排了", timeout=90_000)
    expect(planner.get_by_role("img", name="现有的计划和最多可能的分数逐渐靠近")).to_be_visible()
    planner.locator("#curve-figures summary").click()
    rows = planner.locator("#curve-figures tbody tr")
    assert rows.count() > 7, "each of seven days was told of"
    expect(rows.last).to_contain_text("%")
    shot(planner, "planner-plan-made")


def test_a_need_with_a_fault_comes_back_filled_without_javascript(running: Product, sign_in: SignIn) -> None:
    centre = sign_in("centre", scripts=False)
    centre.goto(f"{running.address}/centre/needs/new")
    centre.fill("#f-earliest", "15:00")
    centre.fill("#f-latest", "14:00")
    centre.check("#f-residents input >> nth=0")
    centre.fill("#f-note", "别弄丢")
    centre.click("text=提出需求 >> nth=-1")
    expect(centre.locator(".summary")).to_contain_text("最晚开始时间不能早于最早开始时间")
    expect(centre.locator("#f-note")).to_have_value("别弄丢")
    expect(centre.locator("#f-latest")).to_have_value("14:00")
