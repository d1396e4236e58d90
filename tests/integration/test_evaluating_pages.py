"""A purchase by its pages: two opening codes, the opening, five scorers, the award, its notice, the signatures."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from services.projects.awards import contracting
from services.projects.bids import service as bidding
from services.projects.bids.schemas import Draft
from services.projects.calls.tables import CallRow, LotLineRow, LotRow
from services.projects.contracts.tables import ContractRow
from services.projects.organisations.schemas import NewApplication, NewOrganisation
from services.projects.organisations.service import add_organisation, apply
from services.projects.organisations.tables import OrganisationRow
from shared.contracts.codes import Role, ScopeKind
from shared.database.server import DatabaseServer
from shared.sample import SAMPLE_PASSWORD
from shared.sample.people import credit_code
from tests.running import Product, product
from tests.support import caller


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("evaluating"))) as city:
        yield city


def hidden(page: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(_\w+|version)" value="([^"]*)"', page.text))


def found(pattern: str, page: httpx.Response) -> str:
    match = re.search(pattern, page.text)
    assert match, f"{pattern} is not on {page.url}"
    return match[1]


class Reader:
    """Somebody who works by pages."""

    def __init__(self, running: Product, username: str) -> None:
        self.client = httpx.Client(base_url=running.address, timeout=60, follow_redirects=True)
        answer = self.client.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD})
        assert "/sign-in" not in str(answer.url), username

    def get(self, address: str) -> httpx.Response:
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return answer

    def send(self, start: str, address: str, status: int = 200, **fields: object) -> httpx.Response:
        """Fill in the form on the page `start` that goes to `address`."""
        page = self.get(start)
        assert f'action="{address}"' in page.text, f"no form for {address} on {start}"
        answer = self.client.post(address, data={**hidden(page), **fields})
        assert answer.status_code == status, (address, answer.status_code, answer.text[:3000])
        return answer


def bid(running: Product, call_id: UUID, number: int, unit_price_fen: int) -> UUID:
    """An organisation hands in a bid for the call's first lot."""
    assert running.city is not None
    database = running.city.databases["projects"]
    with database.work(caller(Role.BUREAU)) as work:
        made = add_organisation(
            work,
            NewOrganisation(
                name=f"安心为老服务中心{number}",
                kind="social_organisation",
                credit_code=credit_code("52", 9_000_000 + number),
                phone="0514-83400000",
                address="解放东路1号",
                rating="5A",
            ),
        )
        organisation_id = made.organisation_id
    who = caller(Role.DISPATCHER, ScopeKind.ORGANISATION, organisation_id)
    with database.work(who) as work:
        lot = work.session.scalars(select(LotRow).where(LotRow.call_id == call_id)).one()
        line = work.session.scalars(select(LotLineRow).where(LotLineRow.lot_id == lot.lot_id)).one()
        row, _ = bidding.begin(work, lot, organisation_id)
        price = {"lot_line_id": line.lot_line_id, "unit_price_fen": unit_price_fen}
        draft = Draft.model_validate({"prices": [price], "plan": "每周上门两次", "capacity": "护理员 12 人"})
        work.expected_version = row.version
        bidding.write(work, row, draft)
        work.expected_version = row.version
        bidding.submit(work, row, alone=True)
    return organisation_id


def test_a_purchase_from_the_opening_to_the_signatures_by_pages(running: Product) -> None:
    one, two = Reader(running, "bureau"), Reader(running, "bureau2")
    codes = []
    for member in (one, two):
        made = member.send("/purchases/code", "/purchases/code")
        code = found(r'id="code">([^<]+)<', made)
        check = found(r'name="check" value="([0-9a-f]{64})"', made)
        wrong = member.client.post(
            "/purchases/code/check", data={**hidden(made), "check": check, "code": "A" * 25}
        )
        assert wrong.status_code == 422
        assert "和刚才显示的不一样" in wrong.text
        assert code not in wrong.text
        typed = member.client.post(
            "/purchases/code/check", data={**hidden(wrong), "check": check, "code": code.lower()}
        )
        assert "开标码核对无误" in typed.text
        codes.append(code)

    listed = one.get("/purchases")
    call_id = found(r'href="/purchases/([0-9a-f-]{36})">[^<]*上门助浴服务采购', listed)
    here = f"/purchases/{call_id}"
    running.clock.move(timedelta(days=12))
    one = Reader(running, "bureau")
    page = one.get(here)
    openers = re.findall(r'name="opener_ids" value="([0-9a-f-]+)"', page.text)
    assert len(openers) == 2
    deadline = found(r'name="deadline_at" type="datetime-local" value="([^"]+)"', page)
    one.send(here, f"{here}/publish", deadline_at=deadline, opener_ids=openers)
    bidders = [bid(running, UUID(call_id), n, price) for n, price in enumerate((4400, 4300, 4500), 1)]

    assert running.city is not None
    projects = running.city.databases["projects"]
    with projects.work() as work:
        ends = work.session.get_one(CallRow, UUID(call_id)).deadline_at
        assert ends is not None
        running.clock.move(ends - work.now + timedelta(minutes=1))
    one, two = Reader(running, "bureau"), Reader(running, "bureau2")
    refused = one.send(here, f"{here}/open", 422, code="A" * 25)
    assert "开标码不对" in refused.text
    assert "已收到" not in one.send(here, f"{here}/open", code=codes[0]).text
    record = two.send(here, f"{here}/open", code=codes[1])
    assert str(record.url).endswith("/opening")
    assert record.text.count("安心为老服务中心") == 3

    scorers_page = one.get(f"{here}/scorers")
    people = re.findall(r'name="person" value="([0-9a-f-]+)"', scorers_page.text)
    assert len(people) == 5
    few = {"person": people, **{f"part-{person}": "own" for person in people}}
    assert "专家不得少于" in one.send(f"{here}/scorers", f"{here}/scorers", 422, **few).text
    parts = {f"part-{person}": "own" if n == 0 else "expert" for n, person in enumerate(people)}
    assert "已指定评审人员" in one.send(f"{here}/scorers", f"{here}/scorers", person=people, **parts).text

    for number in range(1, 6):
        scorer = Reader(running, "scorer" if number == 1 else f"scorer{number}")
        sheet = f"/scoring/{call_id}"
        assert call_id in scorer.get("/scoring").text
        before = scorer.send(sheet, f"{sheet}/declaration", 422)
        assert "请先选有没有利害关系" in before.text
        assert "每周上门两次" not in before.text
        shown = scorer.send(sheet, f"{sheet}/declaration", conflict="no")
        bids = re.findall(rf'href="({sheet}/bids/[0-9a-f-]+)"><strong>安心为老服务中心(\d)', shown.text)
        assert len(bids) == 3
        for address, which in bids:
            form = scorer.get(address)
            assert "每周上门两次" in form.text
            wanted = re.findall(r'name="points-([0-9a-f-]+)"', form.text)
            points = {f"points-{c}": str(70 + 10 * int(which) + 0.5) for c in wanted}
            sentences = {f"sentence-{c}": "方案完整" for c in wanted}
            bad = scorer.send(address, address, 422, **points | {f"points-{wanted[0]}": "101"}, **sentences)
            assert 'value="101"' in bad.text
            assert "请填 0 到 100 的分数" in bad.text
            saved = scorer.send(address, address, 422 if int(which) > 2 else 200, **points, **sentences)
            if int(which) > 2:  # 100.5 is above 100
                points = dict.fromkeys(points, "90.25")
                saved = scorer.send(address, address, **points, **sentences)
            assert "已保存" in saved.text
        assert (
            "您已提交" in (done := scorer.send(sheet, f"{sheet}/finish").text) or "全部评审人员已提交" in done
        )
        if number < 5:
            assert "方案完整" not in done

    ranking = one.get(f"{here}/ranking")
    assert ranking.text.count("方案完整") == 30
    lot = found(r'name="lot_id" value="([0-9a-f-]+)"', one.get(here))
    one.send(here, f"{here}/award", lot_id=lot)
    with projects.work() as work:
        winner = work.session.scalars(select(LotRow.state).where(LotRow.lot_id == UUID(lot))).one()
        assert winner == "awarded"
    notice = found(rf'action="{here}/notices/([0-9a-f-]+)"', one.get(here))
    public = one.send(here, f"{here}/notices/{notice}")
    award = found(rf'action="{here}/awards/([0-9a-f-]+)/contract"', public)
    drawn = one.send(
        here, f"{here}/awards/{award}/contract", number="仪民购〔2026〕201号", title="助浴服务合同"
    )
    contract = str(drawn.url).removeprefix(running.address)
    sha256 = found(r'name="sha256" value="([0-9a-f]{64})"', drawn)
    early = one.send(contract, f"{contract}/sign", 422, sha256=sha256)
    assert "质疑期满" in early.text
    running.clock.move(timedelta(days=16))
    one = Reader(running, "bureau")
    assert "已代表民政局签订" in one.send(contract, f"{contract}/sign", sha256=sha256).text
    contract_id = UUID(contract.rsplit("/", 1)[1])
    with projects.work() as work:
        organisation_id = work.session.get_one(ContractRow, contract_id).organisation_id
        assert organisation_id in bidders
    with projects.work(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, organisation_id)) as work:
        contracting.sign(work, contract_id, "organisation", sha256)
    assert "履行中" in one.get(contract).text
    assert "合同、付款和变更" in one.get(here).text


def test_a_registration_is_refused_with_a_reason_and_another_admitted(running: Product) -> None:
    assert running.city is not None
    projects = running.city.databases["projects"]
    with projects.work() as work:
        ids = [
            apply(
                work,
                NewApplication.model_validate(
                    {
                        "name": f"新来的为老服务社{n}",
                        "kind": "social_organisation",
                        "credit_code": credit_code("52", 9_100_000 + n),
                        "phone": "0514-83400000",
                        "address": "解放东路1号",
                        "controllers": [{"name": "沈国平", "id_number": "321081197203071235", "share": 60}],
                    }
                ),
            ).organisation_id
            for n in range(2)
        ]
    clerk, at = Reader(running, "bureau"), "/purchases/organisations"
    first, second = (f"{at}/{each}/decision" for each in ids)
    assert "不通过应写明原因" in clerk.send(at, first, 422, at=f"no-{ids[0]}", version="1").text
    clerk.send(at, first, reason="信用代码与登记证书不符", version="1")
    clerk.send(at, second, holds="1", version="1")
    with projects.work() as work:
        states = [work.session.get_one(OrganisationRow, each).state for each in ids]
    assert states == ["refused", "admitted"]
