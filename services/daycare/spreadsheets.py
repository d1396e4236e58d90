"""Tables that people keep in files: XLSX, and CSV in UTF-8 or GB18030 (8.8)."""

import csv
import io
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Annotated

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import Base64Bytes, Field

from shared.web.problems import Invalid
from shared.web.schemas import Body, Name

MOST_ROWS = 2000
MOST_BYTES = 5 * 1024 * 1024
MOST_COLUMNS = 40


class FileIn(Body):
    """A file to import. `preview`: only say what would become of each row."""

    name: Name
    content: Annotated[Base64Bytes, Field(max_length=MOST_BYTES)]
    preview: bool = False


def read_table(file: FileIn) -> tuple[list[str], list[list[str]]]:
    """Header and rows as texts: digits half-width, dates ISO, times HH:MM. Refuses what is no table."""
    if file.name.lower().endswith(".xlsx") or file.content[:2] == b"PK":
        rows = _xlsx(file.content)
    else:
        rows = [list[object](row) for row in csv.reader(io.StringIO(_decoded(file.content)))]
    table = [[_plain(cell) for cell in row[:MOST_COLUMNS]] for row in rows]
    table = [row for row in table if any(row)]
    if len(table) < 2:
        raise Invalid("empty_file", "文件里没有数据，请从第二行开始填写。", field="content")
    if len(table) > MOST_ROWS + 1:
        raise Invalid("too_many_rows", "一次最多导入 {most} 行。", field="content", most=MOST_ROWS)
    return table[0], table[1:]


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid("unreadable", "文件无法读取，请另存为 XLSX 或 UTF-8 编码的 CSV。", field="content")


def _xlsx(content: bytes) -> list[list[object]]:
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        return [list(row) for row in sheet.iter_rows(values_only=True, max_row=MOST_ROWS + 2)]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError):
        raise Invalid(
            "unreadable", "文件无法读取，请另存为 XLSX 或 UTF-8 编码的 CSV。", field="content"
        ) from None


def _plain(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.strftime("%Y-%m-%d %H:%M")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return f"{cell:%H:%M}"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return unicodedata.normalize("NFKC", str(cell)).strip()


def columns(
    header: Sequence[str], wanted: Mapping[str, Sequence[str]], needed: Sequence[str]
) -> dict[str, int]:
    """Where each field stands, by the names a column may have. Refuses a file without a needed one."""
    places = {
        field: next((i for i, name in enumerate(header) if name in names), -1)
        for field, names in wanted.items()
    }
    missing = [wanted[field][0] for field in needed if places[field] < 0]
    if missing:
        raise Invalid(
            "columns_missing", "缺少这些列：{columns}。", field="content", columns="、".join(missing)
        )
    return {field: place for field, place in places.items() if place >= 0}


def day_of(text: str) -> date:
    """A date as people write it: 2026-11-24, 2026/11/24, 2026.11.24, 2026年11月24日, 20261124."""
    plain = text.replace("年", "-").replace("月", "-").replace("日", "").replace("/", "-").replace(".", "-")
    if plain.isdigit() and len(plain) == 8:
        plain = f"{plain[:4]}-{plain[4:6]}-{plain[6:]}"
    try:
        year, month, day = (int(part) for part in plain.split(" ")[0].split("-"))
        return date(year, month, day)
    except ValueError:
        raise ValueError("日期格式应为 2026-11-24。") from None


def time_of(text: str) -> time:
    """A wall time as people write it: 14:00, 14.00, 下午2点, 1400."""
    plain = text.replace("时", ":").replace("点", ":").replace("分", "").replace(".", ":").rstrip(":")
    later = 12 if plain.startswith(("下午", "晚上")) else 0
    plain = plain.removeprefix("上午").removeprefix("下午").removeprefix("晚上").replace("半", "30")
    if plain.isdigit() and len(plain) == 4:
        plain = f"{plain[:2]}:{plain[2:]}"
    try:
        hour, _, minute = plain.partition(":")
        clock = int(hour) + (later if int(hour) < 12 else 0)
        return time(clock, int(minute.split(":")[0] or 0))
    except ValueError:
        raise ValueError("时间格式应为 14:00。") from None
