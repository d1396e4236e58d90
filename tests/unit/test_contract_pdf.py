"""A contract as PDF: what stands in it, its font, and that the same contract gives the same bytes."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from services.portal.contract_pdf import contract_pdf

ROOT = Path(__file__).parents[2]
TERMS = "变更：由双方签署补充协议，追加不超过合同金额的百分之十；变更、中止和终止都写明理由并公告。" * 60
TEXT = f"""政府购买居家养老服务合同
采购人（甲方）：民政局
承接主体（乙方）：仪征市银杏为老服务中心，统一社会信用代码 52321081MJ0071100E

1. 生活照料：100 小时，单价 40.00 元，合计 4,000.00 元
<b>其他</b> & 约定
{TERMS}
"""
BUREAU, OWN = "bureau-person", "own-person"
NAMES = {BUREAU: {"name": "陈建国"}, OWN: {"name": "何文兰"}}


def contract() -> dict[str, Any]:
    line = {
        "name": "生活照料",
        "unit": "hour",
        "rounding_minutes": 15,
        "wasted_trip": 50,
        "valid_from": "2026-12-10",
        "valid_to": "2027-12-09",
        "unit_price_fen": 4000,
        "balance": {"ceiling": 10_500},
    }
    return {
        "number": "仪民购〔2026〕77号",
        "organisation": "仪征市银杏为老服务中心",
        "state": "active",
        "signed": "2026-12-08",
        "valid_from": "2026-12-10",
        "valid_to": "2027-12-09",
        "lines": [line],
    }


def agreement() -> dict[str, Any]:
    supplement = {
        "change": 1,
        "one_sided": False,
        "text": "补充协议\n生活照料：增加 5 小时\n",
        "sha256": "c" * 64,
        "proposed_by": BUREAU,
        "proposed_at": "2026-12-20T01:00:00Z",
        "ended_by": OWN,
        "ended_at": "2026-12-21T02:30:00Z",
    }
    return {
        "text": TEXT,
        "sha256": "d" * 64,
        "price_signed_fen": 400_000,
        "price_fen": 420_000,
        "bond_fen": 20_000,
        "bond_received_on": "2026-12-09",
        "bond_returned_on": None,
        "closed_at": None,
        "result": None,
        "signatures": [
            {"side": "organisation", "person_id": OWN, "at": "2026-12-08T01:00:00Z"},
            {"side": "bureau", "person_id": BUREAU, "at": "2026-12-08T17:00:00Z"},
        ],
        "changes": [
            {"number": 1, "kind": "addition", "at": "2026-12-21T02:30:00Z", "reason": "需求增加"},
            {"number": 2, "kind": "extension", "at": "2027-01-05T02:30:00Z", "reason": "老人住院"},
        ],
        "supplements": [
            supplement,
            {**supplement, "change": None, "text": "没有签的补充协议", "sha256": "e" * 64},
        ],
    }


@pytest.fixture(scope="module")
def made() -> bytes:
    return contract_pdf(contract(), agreement(), NAMES)


def test_it_says_what_was_signed_by_whom_and_what_changed(made: bytes) -> None:
    pages = PdfReader(io.BytesIO(made)).pages
    assert len(pages) > 1
    for at, page in enumerate(pages, 1):
        text = page.extract_text()
        assert f"第 {at} 页，共 {len(pages)} 页" in text
        assert "仪民购〔2026〕77号" in text
    said = "".join("".join(page.extract_text().split()) for page in pages)
    for part in (
        "统一社会信用代码52321081MJ0071100E",
        "<b>其他</b>&约定",
        "每15分钟进一次",
        "空跑计0.5小时",
        "¥40.00",
        "105小时",
        "签订时¥4,000.00，现行¥4,200.00",
        "¥200.00，2026-12-09收到",
        "变更1：增加服务量，2026-12-2110:30生效",
        "甲方：民政局陈建国2026-12-2009:00签署",
        "乙方：仪征市银杏为老服务中心何文兰2026-12-2110:30签署",
        "变更2：延期",
        "理由：老人住院",
        "陈建国2026-12-0901:00",  # the city's time
        "c" * 64,
        "d" * 64,
    ):
        assert part in said, part
    assert "没有签的补充协议" not in said
    assert "〔U+" not in said


def test_a_character_that_the_font_lacks_is_told_by_its_number() -> None:
    rare = {BUREAU: {"name": "陈𠮷国"}, OWN: {"name": "何䶮兰"}}
    said = "".join(
        "".join(page.extract_text().split())
        for page in PdfReader(io.BytesIO(contract_pdf(contract(), agreement(), rare))).pages
    )
    assert "陈〔U+20BB7〕国2026-12-2009:00签署" in said
    assert "何䶮兰2026-12-2110:30签署" in said, "in the font"
    assert said.count("〔U+…〕是本文件字体里没有的字") == 1


def test_its_font_is_in_it(made: bytes) -> None:
    used = [
        font.get_object()
        for page in PdfReader(io.BytesIO(made)).pages
        for font in page["/Resources"]["/Font"].values()
    ]
    drawn = [font for font in used if "NotoSansSC" in font["/BaseFont"]]
    assert drawn
    assert all("/FontFile2" in font["/FontDescriptor"] for font in drawn)
    assert len(made) < 200_000, "of the font only what is used"


def test_the_same_contract_gives_the_same_bytes_in_another_process_too(made: bytes) -> None:
    program = (
        "import sys; from tests.unit.test_contract_pdf import *; "
        "sys.stdout.buffer.write(contract_pdf(contract(), agreement(), NAMES))"
    )
    again = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    assert again.stdout == made
    assert contract_pdf(contract(), agreement() | {"price_fen": 420_001}, NAMES) != made
