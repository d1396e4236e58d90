"""What the portal itself promises: forms that come too late, forms from elsewhere, the reader's language."""

import io
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from openpyxl import load_workbook

from services import declarations
from services.daycare.residents.rules import ITEMS as COUNTED
from services.portal.words import ITEM_POINTS, ITEMS
from shared.clock import wall
from shared.database.server import DatabaseServer
from shared.ids import new_id
from shared.messaging.bus.port import Message
from shared.messaging.operator import note_reading
from shared.messaging.tables import ReadingRow
from shared.sample import SAMPLE_PASSWORD
from shared.sample.people import id_number as make_id_number
from tests.running import Product, product
from tests.support import until

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("portal"))) as city:
        yield city


@pytest.fixture
def reader(running: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.address, timeout=30) as client:
        yield client


def sign_in(reader: httpx.Client, username: str, **more: str) -> httpx.Response:
    return reader.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD, **more})


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="(_\w+)" value="([^"]*)"', page.text))


def ticks(page: httpx.Response, name: str) -> list[str]:
    """What can be ticked under a name."""
    return re.findall(rf'<input type="checkbox" name="{name}" value="([^"]+)"', page.text)


def test_a_form_sent_after_the_session_ended_waits_as_a_draft(running: Product, reader: httpx.Client) -> None:
    """8.5: the form is kept for its writer, without secrets, and comes back on the page that showed it."""
    sign_in(reader, "centre")
    form = reader.get("/centre/paper?day=today")
    running.clock.move(timedelta(hours=13))
    sent = reader.post(
        "/centre/paper",
        data={**hidden(form), "started_at": "2026-11-02T09:17", "password": "not-to-be-kept"},
    )
    assert sent.status_code == 303
    back = parse_qs(urlsplit(sent.headers["location"]).query)["next"][0]
    assert back.startswith("/centre/paper?day=today&draft=")

    again = sign_in(reader, "centre", next=back)
    shown = reader.get(again.headers["location"])
    assert "2026-11-02T09:17" in shown.text
    assert "not-to-be-kept" not in shown.text

    with httpx.Client(base_url=running.address, timeout=30) as other:
        sign_in(other, "bureau", next=back)
        assert "2026-11-02T09:17" not in other.get(back, follow_redirects=True).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_from_elsewhere_is_refused(reader: httpx.Client, headers: dict[str, str]) -> None:
    signing_in = {"username": "centre", "password": SAMPLE_PASSWORD}
    assert reader.post("/sign-in", data=signing_in, headers=headers).status_code == 403
    sign_in(reader, "centre")
    form = hidden(reader.get("/account"))
    assert reader.post("/sign-out", data=form, headers=headers).status_code == 403
    assert reader.post("/sign-out", data={**form, "_csrf": "made-up"}).status_code == 403
    assert reader.post("/sign-out", data=form).status_code == 303


def test_a_cookie_given_over_tls_is_never_sent_without(reader: httpx.Client) -> None:
    """Behind a proxy that ends TLS; the test's server, as uvicorn does by default, believes loopback."""
    plain = sign_in(reader, "centre").headers["set-cookie"]
    assert "HttpOnly" in plain
    assert "Secure" not in plain
    reader.cookies.clear()
    signing_in = {"username": "centre", "password": SAMPLE_PASSWORD}
    behind = {"X-Forwarded-Proto": "https", "Origin": f"https://{reader.base_url.netloc.decode()}"}
    answer = reader.post("/sign-in", data=signing_in, headers=behind)
    assert answer.status_code == 303
    assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))


def test_the_language_is_the_chosen_then_the_browsers_then_chinese(reader: httpx.Client) -> None:
    def spoken(**headers: str) -> str:
        return reader.get("/sign-in", headers=headers).headers["content-language"]

    assert spoken() == "zh-CN"
    assert spoken(**{"Accept-Language": "en-GB,en;q=0.9"}) == "en"
    assert spoken(**{"Accept-Language": "fr,zh-CN;q=0.8,en;q=0.5"}) == "zh-CN"
    reader.get("/language/zh")
    assert spoken(**{"Accept-Language": "en"}) == "zh-CN"


def test_an_address_to_come_back_to_stays_inside(reader: httpx.Client) -> None:
    for outside in ("//elsewhere.example", "https://elsewhere.example", "/\\elsewhere.example"):
        assert sign_in(reader, "centre", next=outside).headers["location"] == "/"
        reader.cookies.clear()


def test_8_6_a_need_at_another_address_that_ends_elsewhere(running: Product, reader: httpx.Client) -> None:
    """The form finds both places in the gazetteer, and says so when it does not."""
    sign_in(reader, "centre")
    shown = reader.get("/centre/needs/new")
    resident = re.search(r'name="resident_ids" value="([0-9a-f-]{36})"', shown.text)
    assert resident is not None
    start, end = (building.address for building in running.facts.buildings[:2])
    form = {
        **hidden(shown),
        "resident_ids": resident[1],
        "kind": "escort",
        "first_day": (running.clock() + timedelta(days=3)).date().isoformat(),
        "earliest": "10:00",
        "place": "other",
        "other_address": start,
        "end_address": "月亮上的一号楼",
    }
    refused = reader.post("/centre/needs/new", data=form)
    assert refused.status_code == 422
    assert "地址库里没有这个地址" in refused.text
    assert f'value="{start}"' in refused.text, "what was typed is still there"
    posted = reader.post("/centre/needs/new", data={**form, "end_address": end})
    assert posted.status_code == 303, posted.text
    need = reader.get(posted.headers["location"])
    assert start in need.text
    assert end in need.text


def select_of(page: httpx.Response, name: str) -> dict[str, str]:
    """What a page's list offers: words by value."""
    found = re.search(rf'<select id="f-{name}".*?</select>', page.text, re.S)
    assert found is not None, f"no field {name}"
    return dict(re.findall(r'<option value="([^"]*)"[^>]*>([^<]*)<', found[0]))


def test_a_need_names_its_social_worker(running: Product, reader: httpx.Client) -> None:
    """Those who hold the office where the residents live are offered, by name."""
    sign_in(reader, "centre")
    shown = reader.get("/centre/needs/new")
    account = next(a for a in running.facts.accounts if a.username == "socialworker")
    offered = select_of(shown, "social_worker_id")
    assert str(account.person_id) in offered
    assert offered[""] == "不指定"
    form = {
        **hidden(shown),
        "resident_ids": str(running.facts.people_of_the_story.resident.resident_id),
        "kind": "social_work",
        "first_day": (running.clock() + timedelta(days=4)).date().isoformat(),
        "earliest": "10:00",
        "social_worker_id": str(account.person_id),
    }
    posted = reader.post("/centre/needs/new", data=form)
    assert posted.status_code == 303, posted.text
    need = body_of(reader.get(posted.headers["location"]))
    assert f"负责的社工 {offered[str(account.person_id)]}" in need


def test_8_3_a_volunteer_is_registered_in_a_team_and_moved_to_none(
    running: Product, reader: httpx.Client
) -> None:
    sign_in(reader, "centre")
    shown = reader.get("/centre/people/new")
    teams = select_of(shown, "team_id")
    served = {c.centre_id: {*c.serves, c.community_id} for c in running.facts.centres}[
        running.facts.people_of_the_story.centre.centre_id
    ]
    assert set(teams) - {""} == {str(t.team_id) for t in running.facts.teams if t.community_id in served}
    team = next(t for t in running.facts.teams if t.community_id in served)
    form = {
        **hidden(shown),
        "name": "王小队",
        "sex": "male",
        "birth_date": "1980-02-03",
        "phone": "13900001234",
        "community_id": str(team.community_id),
        "travel_mode": "walk",
        "team_id": str(team.team_id),
    }
    done = reader.post("/centre/people/new", data=form)
    assert done.status_code == 303, done.text
    person = reader.get(done.headers["location"])
    assert f"<p>{team.name} · 队长" in person.text
    version = re.search(r'name="version" value="(\d+)"', person.text)
    assert version is not None
    moved = reader.post(
        f"{done.headers['location']}/team", data={**hidden(person), "version": version[1], "team_id": ""}
    )
    assert moved.status_code == 303, moved.text
    assert f"<p>{team.name}" not in reader.get(done.headers["location"]).text
    stale = reader.post(
        f"{done.headers['location']}/team",
        data={**hidden(person), "_key": new_id().hex, "version": version[1], "team_id": str(team.team_id)},
    )
    assert stale.status_code == 422, "somebody else changed it meanwhile"


def test_8_8_bad_rows_come_back_as_a_file_with_the_reason(reader: httpx.Client) -> None:
    sign_in(reader, "centre")
    text = "姓名,身份证号,服务,日期,时间\n=1+1,321081195001010011,陪伴,2030-01-01,14:00\n"
    shown = reader.get("/centre/needs/import")
    seen = reader.post(
        "/centre/needs/import",
        data={**hidden(shown), "preview": "1"},
        files={"file": ("needs.csv", text.encode(), "text/csv")},
    )
    assert "下载有问题的行" in seen.text
    content = re.search(r'name="content" value="([^"]+)"', seen.text)
    assert content is not None
    taken = reader.post(
        "/centre/needs/import",
        data={**hidden(seen), "preview": "1", "bad": "1", "name": "needs.csv", "content": content[1]},
    )
    assert taken.headers["content-type"].endswith("spreadsheetml.sheet")
    heads, row = load_workbook(io.BytesIO(taken.content)).active.iter_rows()
    assert [cell.value for cell in heads] == ["姓名", "身份证号", "服务", "日期", "时间", "原因"]
    assert (row[0].value, row[0].data_type, row[1].value) == ("=1+1", "s", "321081195001010011")
    assert row[-1].value


def unplaced(reader: httpx.Client) -> str:
    """The page of a resident whose address is not placed."""
    found = re.search(
        r'href="(/centre/residents/[0-9a-f-]{36})"', reader.get("/centre/residents?unplaced=true").text
    )
    assert found is not None
    return found[1]


def test_design_rule_9_a_resident_is_placed_by_a_pin_that_was_seen_first(reader: httpx.Client) -> None:
    sign_in(reader, "centre")
    path = unplaced(reader)
    shown = reader.get(f"{path}/place")
    image = re.search(r'src="(/centre/residents/map/[^"]+)" width="(\d+)" height="(\d+)"', shown.text)
    assert image is not None
    drawn = reader.get(image[1])
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.lstrip().startswith("<svg")
    version = re.search(r'name="version" value="(\d+)"', shown.text)
    assert version is not None
    form = {**hidden(shown), "version": version[1]}
    outside = reader.post(f"{path}/place", data={**form, "pin.x": "0", "pin.y": "0"})
    assert outside.status_code == 422
    middle = {"pin.x": str(int(image[2]) // 2), "pin.y": str(int(image[3]) // 2)}
    seen = reader.post(f"{path}/place", data={**form, **middle})
    assert seen.status_code == 200
    assert "住址没定位" in reader.get(path).text, "a click alone places nobody"
    pin = {name: re.search(rf'name="{name}" value="([\d.]+)"', seen.text) for name in ("lon", "lat")}
    kept = {name: found[1] for name, found in pin.items() if found}
    done = reader.post(f"{path}/place", data={**hidden(seen), "version": version[1], **kept})
    assert done.status_code == 303
    assert "住址没定位" not in reader.get(path).text


def test_8_4_an_assessment_by_its_26_items(reader: httpx.Client) -> None:
    sign_in(reader, "centre")
    path = re.search(r'href="(/centre/residents/[0-9a-f-]{36})"', reader.get("/centre/residents").text)
    assert path is not None
    form = {
        **hidden(reader.get(f"{path[1]}/assess")),
        **{item: str(ITEM_POINTS.get(item, 4) - 1) for item in ITEMS},
        "consent_by": "王秀英",
        "consent_day": "2026-01-05",
        "agreed": "1",
    }
    refused = reader.post(f"{path[1]}/assess", data={**form, "eating": ""})
    assert refused.status_code == 422
    assert "还有 1 项没有填" in refused.text
    assert reader.post(f"{path[1]}/assess", data={**form, "agreed": ""}).status_code == 422
    assert reader.post(f"{path[1]}/assess", data=form).status_code == 303
    assert "64/90" in reader.get(path[1]).text


def test_the_items_on_the_page_are_those_that_day_care_counts() -> None:
    assert {item: ITEM_POINTS.get(item, 4) for item in ITEMS} == COUNTED


def test_8_5_a_residents_card_opens_the_residents_pages(reader: httpx.Client) -> None:
    """The desk opens an account and prints the card; the resident signs in with its code and PIN and prints the slip."""
    sign_in(reader, "centre")
    known = re.findall(r'href="(/centre/residents/[0-9a-f-]{36})"', reader.get("/centre/residents").text)
    path = next(each for each in known if "/invite" in reader.get(each).text)
    opened = reader.post(f"{path}/invite", data={**hidden(reader.get(path)), "username": "fridge"})
    assert opened.status_code == 200
    account = re.search(rf'action="{path}/card/([0-9a-f-]+)"', opened.text)
    assert account is not None
    card = reader.post(f"{path}/card/{account[1]}", data=hidden(opened)).text
    code = re.search(r"号码 (\w[\w-]+)<", card)
    pin = re.search(r'class="code">(\d{6})<', card)
    assert code is not None
    assert pin is not None
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in card
    reader.cookies.clear()
    assert reader.post("/card", data={"code": code[1], "pin": pin[1]}).status_code == 303
    slip = reader.get("/home/slip")
    assert slip.status_code == 200
    assert "这几天谁来" in slip.text
    assert reader.get(f"{path}/slip").status_code == 403


def body_of(answer: httpx.Response) -> str:
    """The page's text without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def first_password(reader: httpx.Client, username: str, given: str) -> None:
    """Sign in with a one-time password and choose an own one."""
    reader.cookies.clear()
    assert reader.post("/sign-in", data={"username": username, "password": given}).status_code == 303
    form = hidden(reader.get("/account/password"))
    own = {"old": given, "new": "a good long one", "again": "a good long one"}
    assert reader.post("/account/password", data={**form, **own}).status_code == 303


def test_a_relative_is_given_an_account_and_sees_their_resident_only(
    running: Product, reader: httpx.Client
) -> None:
    sign_in(reader, "centre")
    known = re.findall(r'href="(/centre/residents/[0-9a-f-]{36})"', reader.get("/centre/residents").text)
    mine, second = known[3], known[4]
    number = make_id_number(date(1975, 4, 1), 7)
    sent = {**hidden(reader.get(mine)), "username": "daughter", "id_number": number}
    opened = reader.post(f"{mine}/family", data=sent)
    assert opened.status_code == 200, body_of(opened)
    password = re.search(r'class="code">([a-z0-9-]+)<', opened.text)
    assert password is not None
    again = {**hidden(reader.get(second)), "username": "daughter", "id_number": number}
    assert reader.post(f"{second}/family", data=again).status_code == 303, (
        "the account they have gets the role"
    )
    name = re.search(r"<h1>(.+?)</h1>", reader.get(mine).text)
    assert name is not None
    first_password(reader, "daughter", password[1])
    shown = reader.get("/home")
    assert shown.status_code == 200
    assert name[1] in shown.text
    account = reader.get("/account")
    assert account.text.count("家属 · ") == 2, "one account, two residents, each by name"
    assert reader.get(mine).status_code == 403


def test_the_organisation_gives_its_carer_a_way_in(reader: httpx.Client) -> None:
    sign_in(reader, "dispatcher")
    page = reader.get("/organisation/staff")
    path = re.findall(r'action="(/organisation/staff/[0-9a-f-]+/invite)"', page.text)[-1]
    opened = reader.post(path, data={**hidden(page), "username": "carer.two"})
    password = re.search(r'class="code">([a-z0-9-]+)<', opened.text)
    assert password is not None, body_of(opened)
    first_password(reader, "carer.two", password[1])
    assert reader.get("/my").status_code == 200


def test_8_13_a_town_works_its_call_list(reader: httpx.Client) -> None:
    sign_in(reader, "town")
    page = reader.get("/centre/calls")
    assert page.status_code == 200
    call = re.search(r'action="(/centre/calls/[0-9a-f-]+/not-reached)"', page.text)
    assert call is not None
    assert "tel:" in page.text, "with the number"
    assert "想请您做" in page.text, "and what to say"
    assert reader.post(call[1], data=hidden(page)).status_code == 303
    assert "打过 1 次没通" in reader.get("/centre/calls").text


def test_a_resident_sees_who_looked_by_name_and_office(running: Product, reader: httpx.Client) -> None:
    story = running.facts.people_of_the_story
    sign_in(reader, "centre")
    for _ in range(2):
        reader.get(f"/centre/residents/{story.resident.resident_id}")
    reader.cookies.clear()
    sign_in(reader, "resident")
    reader.get("/home")
    shown = body_of(reader.get("/home/looked"))
    assert f"照料中心 {story.centre_staff.name} 查看了资料 2 次" in shown
    assert f"老人 {story.resident.person.name}" not in shown, "one's own looks are no news"


def test_8_10_a_visit_from_paper_names_the_person_in_charge(running: Product, reader: httpx.Client) -> None:
    story = running.facts.people_of_the_story
    began = wall(running.clock()) - timedelta(days=1)
    sign_in(reader, "centre")
    page = reader.get("/centre/paper")
    in_charge = re.search(
        r'<select id="f-responsible_id".*?<option value="([0-9a-f-]+)"[^>]*>([^<]+)<', page.text, re.S
    )
    assert in_charge is not None
    others = [
        next(p for p in ticks(page, name) if p != mine)
        for name, mine in (
            ("resident_ids", str(story.resident.resident_id)),
            ("person_ids", str(story.volunteer.person.person_id)),
        )
    ]
    sent: dict[str, Any] = {
        **hidden(page),
        "resident_ids": [str(story.resident.resident_id), str(others[0])],
        "kind": "companionship",
        "person_ids": [str(story.volunteer.person.person_id), str(others[1])],
        "started_at": f"{began:%Y-%m-%dT07:00}",
        "ended_at": f"{began:%Y-%m-%dT07:45}",
        "responsible_id": in_charge[1],
    }
    nobody = reader.post("/centre/paper", data={**sent, "person_ids": []})
    assert nobody.status_code == 422
    assert 'href="#f-person_ids"' in nobody.text
    assert f"{began:%Y-%m-%dT07:45}" in nobody.text, "what was typed is still there"
    assert set(re.findall(r'name="resident_ids" value="([0-9a-f-]+)" checked', nobody.text)) == set(
        sent["resident_ids"]
    )
    done = reader.post("/centre/paper", data=sent, follow_redirects=True)
    assert "记入 2 人的时数" in done.text
    reader.cookies.clear()
    sign_in(reader, "volunteer")
    until(lambda: "07:00–07:45" in reader.get("/my/hours").text)
    assert f"负责人 {in_charge[2]}" in body_of(reader.get("/my/hours"))


def test_8_10_a_volunteer_disputes_hours_from_before_and_reads_the_answer(reader: httpx.Client) -> None:
    sign_in(reader, "volunteer")
    hours = reader.get("/my/hours")
    record = re.search(
        r'action="/my/hours/([0-9a-f-]+)/dispute">(?:<input[^>]*>)*<input type="hidden" name="earlier"',
        hours.text,
    )
    assert record is not None, "the sample's volunteer served before"
    said = reader.post(
        f"/my/hours/{record[1]}/dispute",
        data={**hidden(hours), "earlier": "1", "reason": "那天做了三个小时"},
        follow_redirects=True,
    )
    assert "已告诉照料中心" in said.text
    assert "您提了异议，中心在核对" in said.text
    reader.cookies.clear()
    sign_in(reader, "community")
    assert "有 1 条时数等您核对" in reader.get("/centre/people").text
    assert "那天做了三个小时" in reader.get("/centre/people/disputes").text
    reader.cookies.clear()
    sign_in(reader, "centre")
    assert "有 1 条时数等您核对" in reader.get("/centre").text
    listed = reader.get("/centre/people/disputes")
    assert "那天做了三个小时" in listed.text
    settle = re.search(r'action="(/centre/people/[0-9a-f-]+/records/[0-9a-f-]+/settle)"', listed.text)
    assert settle is not None
    bare = reader.post(settle[1], data={**hidden(listed), "deed": "correct", "minutes": "180"})
    assert bare.status_code == 422, "an answer is owed"
    done = reader.post(
        settle[1],
        data={**hidden(bare), "deed": "correct", "minutes": "180", "answer": "签到表上是三小时"},
        follow_redirects=True,
    )
    assert "没有待核对的异议" in done.text
    reader.cookies.clear()
    sign_in(reader, "volunteer")
    shown = body_of(reader.get("/my/hours"))
    assert "中心答复 签到表上是三小时" in shown
    assert "已更正" in shown


def test_no_code_stands_where_a_word_should(reader: httpx.Client) -> None:
    """Every rule that the page shows has its name in the reader's language."""
    sign_in(reader, "planner")
    shown = body_of(reader.get("/plan/rules"))
    assert "一次服务有人来" in shown
    assert re.findall(r"\b[a-z]+[._][a-z_.]+\b", shown) == []


def test_a_day_is_told_in_the_order_in_which_it_happens(running: Product, reader: httpx.Client) -> None:
    """By the start agreed upon, not by the earliest asked for: on the export, and on the carer's week."""
    sign_in(reader, "centre")
    tomorrow = wall(running.clock()).date() + timedelta(days=1)
    book = load_workbook(io.BytesIO(reader.get(f"/centre/export.xlsx?day={tomorrow}").content))
    starts = [str(row[0]) for row in book.active.iter_rows(min_row=2, values_only=True)]
    assert len(starts) > 5
    assert starts == sorted(starts)


def test_large_text_is_the_default_on_the_phone_pages_and_a_choice_on_all(reader: httpx.Client) -> None:
    for username, default in (("volunteer", True), ("centre", False)):
        reader.cookies.clear()
        sign_in(reader, username)
        account = reader.get("/account")
        assert ('class="elder"' in account.text) is default
        size = "normal" if default else "large"
        assert reader.post("/account/text", data={**hidden(account), "size": size}).status_code == 303
        assert ('class="elder"' in reader.get("/account").text) is not default


def test_8_3_a_volunteer_registers_alone_is_approved_and_keeps_their_own_address(
    running: Product, reader: httpx.Client
) -> None:
    centre = running.facts.people_of_the_story.centre.centre_id
    community = next(c.community_id for c in running.facts.centres if c.centre_id == centre)
    first, other, *_ = (b for b in running.facts.buildings if b.community_id == community)
    account = {"username": "xinlaide", "password": "xin-lai-de-1"}
    sent = {**account, "id_number": make_id_number(date(1961, 4, 2), 77)}
    begun = reader.post("/register", data={**hidden(reader.get("/register")), **sent}, follow_redirects=True)
    assert "第二步" in begun.text
    assert "第二步" in reader.get("/my", follow_redirects=True).text, "who went away comes back to it"
    who = {
        "name": "新来的",
        "sex": "female",
        "birth_date": "1961-04-02",
        "phone": "13800007777",
        "community_id": str(community),
        "address": f"{first.address}2单元502室",
        "travel_mode": "walk",
        "skills": "meal",
    }
    done = reader.post("/my/about", data={**hidden(begun), **who}, follow_redirects=True)
    assert "请填写有空的时间" in done.text
    assert "地址库里没有" not in reader.get("/my/about").text
    reader.cookies.clear()

    sign_in(reader, "centre")
    waiting = re.search(r'href="(/centre/people/[0-9a-f-]+)">新来的<', reader.get("/centre/people").text)
    assert waiting is not None, "who registers alone waits at the centre of their community"
    reader.cookies.clear()
    sign_in(reader, "community")
    assert f'href="{waiting[1]}">新来的<' in reader.get("/centre/people").text, "and at the community"
    page = reader.get(waiting[1])
    done = reader.post(f"{waiting[1]}/approve", data={**hidden(page), "approved": "1"}, follow_redirects=True)
    assert "停用" in done.text, "a community may have no centre: it approves by the same page"
    reader.cookies.clear()
    sign_in(reader, "centre")
    form = reader.get(f"{waiting[1]}/change")
    changed = {
        **hidden(form),
        "version": version_of(form),
        **{key: who[key] for key in ("name", "phone", "community_id")},
        "address": "桥边那一家",
        "travel_mode": "bus",
        "limits": "lifting",
    }
    bare = reader.post(f"{waiting[1]}/change", data={**changed, "phone": "1"})
    assert bare.status_code == 422
    assert "桥边那一家" in bare.text, "what was typed stays"
    assert reader.post(f"{waiting[1]}/change", data={**changed, "_key": "k2"}).status_code == 303
    shown = body_of(reader.get(waiting[1]))
    assert "桥边那一家 地址库里没有，不能按远近安排" in shown
    assert "怎么出门 公交" in shown
    stale = reader.post(f"{waiting[1]}/change", data={**changed, "_key": "k3"})
    assert stale.status_code == 422, "somebody else changed it meanwhile"
    times = reader.get(f"{waiting[1]}/time")
    week = {**hidden(times), "part": ["1-morning", "3-evening"], "daily_minutes": "120"}
    said = reader.post(f"{waiting[1]}/time", data=week, follow_redirects=True)
    assert re.findall(r'value="(\d-\w+)"[^>]* checked', said.text) == ["1-morning", "3-evening"]
    away = {**hidden(said), "from_day": "2030-05-01", "available": "0"}
    wrong = reader.post(f"{waiting[1]}/exceptions", data={**away, "to_day": "2030-04-01"})
    assert wrong.status_code == 422
    assert 'value="2030-04-01"' in wrong.text, "what was typed stays"
    assert re.findall(r'value="(\d-\w+)"[^>]* checked', wrong.text) == ["1-morning", "3-evening"]
    away["_key"] = new_id().hex
    said = reader.post(f"{waiting[1]}/exceptions", data=away, follow_redirects=True)
    dropping = re.search(r'action="([^"]+/exceptions/[0-9a-f-]+/drop)"', said.text)
    assert dropping is not None
    said = reader.post(dropping[1], data=hidden(said), follow_redirects=True)
    assert "没有例外" in said.text
    reader.cookies.clear()

    reader.post("/sign-in", data=account)
    assert 'value="3-evening"' in reader.get("/my/time").text
    about = reader.get("/my/about")
    assert "地址库里没有找到这个地址" in about.text
    mine = {
        **hidden(about),
        "version": version_of(about),
        "phone": "13800008888",
        "address": other.address,
        "travel_mode": "ebike",
    }
    assert "已保存" in reader.post("/my/about/change", data=mine, follow_redirects=True).text
    about = reader.get("/my/about")
    assert "地址库里没有" not in about.text
    assert "13800008888" in about.text


def version_of(page: httpx.Response) -> str:
    found = re.search(r'name="version" value="(\d+)"', page.text)
    assert found is not None
    return found[1]


def test_8_11_satisfaction_says_how_many_answered_and_how(reader: httpx.Client) -> None:
    sign_in(reader, "centre")
    shown = body_of(reader.get("/centre/satisfaction"))
    assert "没有评价" in shown
    assert "电话" in shown


def test_an_address_that_makes_no_sense_is_a_page_that_says_so(reader: httpx.Client) -> None:
    sign_in(reader, "planner")
    for address in ("/plan/map?days=x", "/public/calls/x"):
        shown = reader.get(address)
        assert shown.status_code == 404
        assert "没有找到这一页" in shown.text


def test_a_need_for_nobody_says_what_to_do_and_keeps_what_was_typed(reader: httpx.Client) -> None:
    sign_in(reader, "centre")
    form = hidden(reader.get("/centre/needs/new"))
    refused = reader.post("/centre/needs/new", data={**form, "note": "带上钥匙", "first_day": "2030-01-01"})
    assert refused.status_code == 422
    assert "请先勾选哪位老人" in refused.text
    assert "带上钥匙" in refused.text


def test_the_bureau_sees_what_failed_between_services_and_decides(
    running: Product, reader: httpx.Client
) -> None:
    assert running.city is not None
    topic = declarations.service("daycare").handlers.events[0].TOPIC.name
    headers = {"ce_id": str(new_id()), "ce_type": "linli.nobody.knows.v1", "ce_aggregateversion": "1"}
    running.city.bus.publish([Message(topic, "somewhere", headers, b"{}")] * 2)
    sign_in(reader, "bureau")
    until(lambda: reader.get("/events").text.count("/daycare/") == 4, 30)
    shown = reader.get("/events")
    assert "unknown type linli.nobody.knows.v1" in shown.text
    first, second = sorted(set(re.findall(r"/events/daycare/(\d+)/discard", shown.text)))
    again = reader.post(f"/events/daycare/{first}/replay", data=hidden(shown), follow_redirects=True)
    assert "重试没有成功" in again.text
    assert "试过 2 次" in again.text
    asks = reader.get(f"/events/daycare/{first}/discard")
    assert "放弃这条消息？" in asks.text
    for letter in (first, second):
        asks = reader.get(f"/events/daycare/{letter}/discard")
        gone = reader.post(f"/events/daycare/{letter}/discard", data=hidden(asks), follow_redirects=True)
        assert "已放弃这条消息" in gone.text
    assert f"/events/daycare/{first}/" not in gone.text
    assert reader.get(f"/events/daycare/{first}/discard").status_code == 404
    assert reader.get("/events/nobody/1/discard").status_code == 404
    with running.city.databases["daycare"].engine.connect() as connection:
        acts = "SELECT action, account_id IS NOT NULL FROM audit WHERE starts_with(action, 'event.') ORDER BY pos"
        assert [tuple(row) for row in connection.exec_driver_sql(acts)] == [
            ("event.replay", True),
            ("event.discard", True),
            ("event.discard", True),
        ]

    database = running.city.databases["daycare"]

    def stopped() -> bool:
        note_reading(database, "daycare", 7, stopped=True)  # as its worker does, every ten seconds
        return "接着读" in reader.get("/events").text

    until(stopped)
    asks = reader.get("/events")
    said = reader.post("/events/daycare/go-on", data=hidden(asks), follow_redirects=True)
    assert "已请它接着读" in said.text
    assert "接着读</span>" not in said.text
    with database.work() as work:
        row = work.session.get_one(ReadingRow, "daycare")
        assert row.go_on_at is not None
    assert reader.post("/events/nobody/go-on", data=hidden(asks)).status_code == 404

    for username, sees in (("auditor", 200), ("centre", 403)):
        with httpx.Client(base_url=running.address, timeout=30) as other:
            sign_in(other, username)
            assert other.get("/events").status_code == sees
            refused = other.post("/events/daycare/go-on", data=hidden(other.get("/")))
            assert refused.status_code == 403
            assert other.get(f"/events/daycare/{first}/discard").status_code == 403
