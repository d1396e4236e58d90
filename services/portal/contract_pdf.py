"""A signed contract as PDF: the text under the signatures, what has changed since, who signed what, and when.

Chinese in any reader's language, as the contract is. The same contract gives the same bytes: nothing of the hour or the
reader is in it.
"""

import io
import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax import saxutils

from reportlab.lib import colors
from reportlab.lib.enums import TA_CENTER, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from services.portal import times, words
from shared.clock import wall

FONT = "Noto Sans SC"
_FILE = Path(__file__).parent / "static" / "assets" / "noto-sans-sc.ttf"
MARGIN = 20 * mm
BODY = ParagraphStyle("body", fontName=FONT, fontSize=10.5, leading=17, wordWrap="CJK")
SMALL = ParagraphStyle("small", BODY, fontSize=8.5, leading=13)
NUMBER = ParagraphStyle("number", SMALL, alignment=TA_RIGHT)
TITLE = ParagraphStyle("title", BODY, fontSize=17, leading=26, alignment=TA_CENTER, spaceAfter=4 * mm)
STRONG = ParagraphStyle("strong", BODY, fontSize=11, spaceBefore=1 * mm)
HEAD = ParagraphStyle("head", BODY, fontSize=12.5, leading=20, spaceBefore=5 * mm, spaceAfter=1 * mm)
GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor(0x999999)),
        ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor(0xEEEEEE)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)
SIDES = {"bureau": "采购人（甲方）", "organisation": "承接主体（乙方）"}
BUREAU = "民政局"


def contract_pdf(
    contract: Mapping[str, Any], agreement: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]]
) -> bytes:
    """The PDF of a contract that both sides have signed. `names`: of who signed, by person id."""
    title, *body = agreement["text"].splitlines()
    parties = {"bureau": BUREAU, "organisation": contract["organisation"]}
    story: list[Flowable] = [Paragraph(_escaped(title), TITLE)]
    story += [Paragraph(_escaped(row), BODY) if row else Spacer(1, 3 * mm) for row in body]
    standing = [Paragraph(_escaped(row), BODY) for row in _standing(contract, agreement)]
    story += _section("服务项目（现行）", [_lines(contract), Spacer(1, 2 * mm)], standing)
    changed = _changes(agreement, parties, names)
    story += _section("合同变更", *(changed or [[Paragraph("没有变更", BODY)]]))
    rows = [
        (SIDES[s["side"]], parties[s["side"]], _name(names, s["person_id"]), _instant(s["at"]))
        for s in sorted(agreement["signatures"], key=lambda s: (s["at"], s["side"]))
    ]
    signed: list[Flowable] = [
        _table(("签署方", "名称", "签署人", "签署时间"), rows, (38, 62, 30, 40)),
        Spacer(1, 2 * mm),
        Paragraph(f"合同正文的 SHA-256：{agreement['sha256']}", SMALL),
        Paragraph(
            "双方签署的是正文：把下载的合同全文（文本文件）算出 SHA-256，与上面一致即为签署的文本", SMALL
        ),
    ]
    if _lacking(json.dumps([contract, agreement, names], ensure_ascii=False)):
        numbered = "〔U+…〕是本文件字体里没有的字，用它的统一码编号表示；下载的合同全文（文本文件）里是原字"
        signed.append(Paragraph(numbered, SMALL))
    story += _section("签署", signed)
    return _drawn(story, contract, title)


def _drawn(story: list[Flowable], contract: Mapping[str, Any], title: str) -> bytes:
    out = io.BytesIO()
    pages = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author=BUREAU,
        subject=contract["number"],
        lang="zh-CN",
        invariant=1,
    )
    pages.build(story, canvasmaker=lambda *args, **more: _Numbered(contract["number"], *args, **more))
    return out.getvalue()


class _Numbered(Canvas):
    """Pages that say the contract's number, their own, and how many there are."""

    def __init__(self, number: str, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._number, self._kept = number, list[dict[str, Any]]()

    def showPage(self) -> None:  # noqa: N802 -- reportlab's name
        self._kept.append(dict(self.__dict__))
        self._startPage()  # type: ignore[attr-defined]  # unnamed in its stubs

    def save(self) -> None:
        pages = self._kept
        for at, kept in enumerate(pages, 1):
            self.__dict__.update(kept)
            self.setFont(FONT, 8)
            self.drawString(MARGIN, 11 * mm, self._number)
            self.drawRightString(A4[0] - MARGIN, 11 * mm, f"第 {at} 页，共 {len(pages)} 页")
            super().showPage()
        super().save()


@cache
def _font() -> Collection[int]:
    """The characters of the font, which is read once a process; of each document only those used are embedded."""
    font = TTFont(FONT, str(_FILE))
    pdfmetrics.registerFont(font)
    characters: Collection[int] = font.face.charToGlyph
    return characters


def _lacking(text: str) -> set[str]:
    """The characters that would be empty boxes: of rare names, those the font does not have."""
    return {each for each in text if each.isprintable() and ord(each) not in _font()}


def _escaped(text: str) -> str:
    """Text as a paragraph takes it; a character that the font lacks is told by its number."""
    for each in _lacking(text):
        text = text.replace(each, f"〔U+{ord(each):04X}〕")
    return saxutils.escape(text)


def _section(head: str, first: Sequence[Flowable], *rest: Sequence[Flowable]) -> list[Flowable]:
    """Blocks under a head, each on one page where it fits; the head stays with the first."""
    blocks = [[Paragraph(head, HEAD), *first], *map(list, rest)]
    return [KeepTogether(block) for block in blocks]


def _lines(contract: Mapping[str, Any]) -> Table:
    rows = []
    for line in contract["lines"]:
        unit, ceiling, price = words.UNITS[line["unit"]], line["balance"]["ceiling"], line["unit_price_fen"]
        counted = f"按{unit}"
        if line["unit"] == "hour":
            counted = f"每 {line['rounding_minutes']} 分钟进一次"
        if line["wasted_trip"]:
            counted += f"；空跑计 {times.units(line['wasted_trip'])} {unit}"
        rows.append(
            (
                line["name"],
                counted,
                f"{line['valid_from']} 至 {line['valid_to']}",
                times.money(price),
                f"{times.units(ceiling)} {unit}",
                times.money((ceiling * price + 50) // 100),
            )
        )
    heads = ("项目", "计量", "期限", "单价", "合同量（上限）", "合计")
    return _table(heads, rows, (38, 34, 28, 20, 26, 24), numbers=3)


def _standing(contract: Mapping[str, Any], agreement: Mapping[str, Any]) -> list[str]:
    """What holds now, beside the lines: price, days, state, bond, how it ended."""
    said = [
        f"合同价：签订时 {times.money(agreement['price_signed_fen'])}，现行 {times.money(agreement['price_fen'])}",
        f"服务期限：{contract['valid_from']} 至 {contract['valid_to']}；签订日期：{contract['signed']}；"
        f"状态：{words.CONTRACT_STATES[contract['state']]}",
    ]
    if agreement["bond_fen"]:
        bond = f"履约保证金：{times.money(agreement['bond_fen'])}"
        for what, day in (("收到", agreement["bond_received_on"]), ("退还", agreement["bond_returned_on"])):
            bond += f"，{day} {what}" if day else ""
        said.append(bond)
    if agreement["closed_at"]:
        said.append(f"验收结果（{_instant(agreement['closed_at'])}）：{agreement['result']}")
    return said


def _changes(
    agreement: Mapping[str, Any], parties: Mapping[str, str], names: Mapping[str, Mapping[str, Any]]
) -> list[list[Flowable]]:
    """Each change in force, in order: its supplementary agreement as signed, by whom and when."""
    by_number = {s["change"]: s for s in agreement["supplements"] if s["change"] is not None}
    blocks: list[list[Flowable]] = []
    for change in agreement["changes"]:
        said = by_number.get(change["number"])
        head = f"变更 {change['number']}：{words.CHANGE_KINDS[change['kind']]}，{_instant(change['at'])} 生效"
        rows: list[Flowable] = [Paragraph(head, STRONG)]
        if said is None:
            rows.append(Paragraph(_escaped(f"理由：{change['reason']}"), BODY))
            blocks.append(rows)
            continue
        rows += [Paragraph(_escaped(row), SMALL) for row in said["text"].splitlines() if row]
        steps = [("甲方", parties["bureau"], said["proposed_by"], said["proposed_at"])]
        if not said["one_sided"]:
            steps.append(("乙方", parties["organisation"], said["ended_by"], said["ended_at"]))
        rows += [
            Paragraph(_escaped(f"{side}：{party} {_name(names, who)} {_instant(at)} 签署"), SMALL)
            for side, party, who, at in steps
        ]
        rows.append(Paragraph(f"补充协议的 SHA-256：{said['sha256']}", SMALL))
        blocks.append([*rows, Spacer(1, 2 * mm)])
    return blocks


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], numbers: int | None = None
) -> Table:
    """A table with a head on each page, `widths` in millimetres; from column `numbers` on to the right."""
    right = len(heads) if numbers is None else numbers
    cells = [
        [Paragraph(_escaped(text), SMALL if at < right else NUMBER) for at, text in enumerate(row)]
        for row in (heads, *rows)
    ]
    return Table(cells, [width * mm for width in widths], repeatRows=1, style=GRID)


def _name(names: Mapping[str, Mapping[str, Any]], person_id: str | None) -> str:
    return str(names.get(str(person_id), {}).get("name") or "")


def _instant(value: str) -> str:
    """2026-11-24 14:00, the city's time."""
    return f"{wall(times.moment(value)):%Y-%m-%d %H:%M}"
