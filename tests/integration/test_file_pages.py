"""Files by page: the bytes as they were handed in, as an attachment, for whom the projects service lets have them."""

import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from shared.database.server import DatabaseServer
from shared.ids import new_id
from tests.bidding import PDF, Bidder, projects_of, published
from tests.buying import purchase
from tests.integration.test_admitting_pages import Reader, found, hidden
from tests.integration.test_awards import awarded, drawn_up, publish, sign
from tests.integration.test_payments import Bought
from tests.running import Product, product


@pytest.fixture(scope="module")
def running(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("files"))) as city:
        yield city


def test_a_lines_deliveries_are_saved_as_a_table(running: Product) -> None:
    bought = Bought(projects_of(running))
    for minutes in (60, 90):
        bought.served(minutes)
    book = load_workbook(
        io.BytesIO(Reader(running, "planner").get(f"/plan/lines/{bought.line_id}/export.xlsx").content)
    )
    heads, *rows = ([cell.value for cell in row] for row in book.active.rows)  # type: ignore[union-attr]
    assert sorted(dict(zip(heads, row, strict=True))["金额（元）"] for row in rows) == [40, 60]
    assert sorted(row[heads.index("分钟")] for row in rows) == [60, 90]
    assert (
        Reader(running, "dispatcher")
        .client.get(f"/organisation/lines/{bought.line_id}/export.xlsx")
        .status_code
        == 403
    ), "another organisation's"


def hand_in(reader: Reader, start: str, address: str, name: str, **fields: str) -> None:
    page = reader.get(start)
    sent = {**hidden(page), **fields}
    answer = reader.client.post(address, data=sent, files={"file": (name, PDF, "text/html")})
    assert answer.status_code == 200, answer.text


def saved(answer: httpx.Response) -> bytes:
    """What a browser saves, and would not show."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "no-store" in answer.headers["cache-control"]
    return answer.content


def test_a_papers_file_is_taken_back_on_its_page(running: Product) -> None:
    ours, here = Reader(running, "dispatcher"), "/organisation/papers"
    said = {"kind": "audit", "name": "审计报告", "number": "2025", "issued_on": "2026-01-05", "rating": ""}
    sent = {**hidden(ours.get(here)), **said, "valid_until": "2027-01-04"}
    handed_in = ours.client.post(here, data=sent, files={"file": ("审计报告.pdf", PDF, "text/html")})
    assert handed_in.status_code == 200, handed_in.text
    take_back = found(r'action="(/files/[0-9a-f-]{36}/withdraw)"', ours.get(here))
    answer = ours.client.post(take_back, data=hidden(ours.get(here)))
    assert str(answer.url).endswith(here)
    assert "材料已收回" in answer.text
    assert take_back not in ours.get(here).text
    bureau = Reader(running, "bureau").get("/purchases/organisations")
    assert "收回了文件，只能不通过" in bureau.text
    assert take_back.removesuffix("/withdraw") not in bureau.text


def test_files_are_saved_by_those_who_may_have_them(running: Product) -> None:
    carer = running.facts.people_of_the_story.carer
    assert carer is not None
    projects = projects_of(running)
    buying = purchase(projects, ((4000, 4500, 5000),), first=carer.organisation_id).scored()
    [award] = awarded(buying)
    publish(buying, award)
    contract = drawn_up(buying, award)
    ours = Reader(running, "dispatcher")
    here = f"/organisation/contracts/{contract}"
    hand_in(ours, here, f"{here}/files", "月度报告.pdf")
    file = found(r'href="(/files/[0-9a-f-]{36})"', ours.get(here))
    assert saved(ours.client.get(file)) == PDF
    wrong = found(r'action="(/files/[0-9a-f-]{36}/withdraw)"', ours.get(here))
    assert "已收回" in ours.client.post(wrong, data=hidden(ours.get(here))).text
    assert ours.client.get(file).status_code == 410
    hand_in(ours, here, f"{here}/files", "月度报告.pdf")
    file = found(r'href="(/files/[0-9a-f-]{36})"', ours.get(here))
    text = saved(ours.client.get(found(r'href="(/files/contracts/[^"]+)"', ours.get(here))))
    assert hashlib.sha256(text).hexdigest() in ours.get(here).text

    bureau, scorer = Reader(running, "bureau"), Reader(running, "scorer")
    printed = f"/files/contracts/{contract}/pdf"
    assert bureau.client.get(printed).status_code == 404, "not signed"
    running.clock.move(timedelta(days=20))
    ours, bureau, scorer = (Reader(running, name) for name in ("dispatcher", "bureau", "scorer"))
    for who in (buying.bureau, buying.dispatcher(0)):
        assert sign(who, contract).status_code == 201
    assert printed in ours.get(here).text
    for reader in (ours, bureau):
        pdf = PdfReader(io.BytesIO(saved(reader.client.get(printed))))
        assert hashlib.sha256(text).hexdigest() in pdf.pages[-1].extract_text()
    assert saved(ours.client.get(printed)) == saved(bureau.client.get(printed))
    assert scorer.client.get(printed).status_code == 403
    assert saved(bureau.client.get(file)) == PDF
    refused = scorer.client.get(file)
    assert refused.status_code == 403
    assert PDF not in refused.content
    assert bureau.client.get(f"/files/{new_id()}").status_code == 404
    stranger = httpx.get(running.address + file, follow_redirects=False)
    assert stranger.headers["location"].startswith("/sign-in")

    bid = Bidder(published(projects), organisation_id=carer.organisation_id).begin()
    drafted = f"/organisation/bids/{bid.bid_id}"
    hand_in(
        ours,
        drafted,
        f"{drafted}/files",
        "业绩.pdf",
        version=found(r'name="version" value="(\d+)"', ours.get(drafted)),
    )
    theirs = found(rf'href="(/files/bids/{bid.bid_id}/[^"]+)"', ours.get(drafted))
    assert saved(ours.client.get(theirs)) == PDF
    for reader in (bureau, scorer):
        answer = reader.client.get(theirs)
        assert answer.status_code in (403, 404)
        assert PDF not in answer.content
