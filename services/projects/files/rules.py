"""What may be kept: by what the bytes are and not by what the name says; and names that hide nothing."""

import io
import unicodedata
import zipfile
from datetime import date

import puremagic

from shared.rules import rule_value
from shared.web.problems import Invalid

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ENDINGS = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    XLSX: (".xlsx",),
    DOCX: (".docx",),
}
SEALED = "application/octet-stream"
SEALING = 64  # what sealing adds to a file's bytes, at most
_MAIN_PARTS = {"xl/workbook.xml": XLSX, "word/document.xml": DOCX}
_LONGEST_NAME = 120
_RESERVED = frozenset('/\\:*?"<>|\u2044\u2215\uff0f\uff3c')


def check_size(size: int, day: date, *, sealed: bool = False) -> None:
    """Not empty and not larger than the rule lets it be."""
    most = int(rule_value("file_most_bytes", day))
    if size == 0:
        raise Invalid("file_empty", "文件是空的，请重新选择。", field="content")
    if size > most + (SEALING if sealed else 0):
        raise Invalid("file_large", "文件最大 {most} MB。", field="content", most=most // 2**20)


def media_type(name: str, content: bytes) -> str:
    """What the content is. Refused when it is nothing that may be kept, or not what the name says."""
    kind = _kind(content)
    if kind is None:
        raise Invalid(
            "file_kind", "只收 PDF、PNG、JPEG、XLSX 和 DOCX 文件（不含宏）；以内容为准。", field="content"
        )
    if not name.lower().endswith(ENDINGS[kind]):
        raise Invalid(
            "file_ending",
            "文件的内容与扩展名不符：扩展名应为 {endings}。",
            field="name",
            endings=" / ".join(ENDINGS[kind]),
        )
    return kind


def _kind(content: bytes) -> str | None:
    try:
        guesses = {guess.mime_type for guess in puremagic.magic_string(content) if guess.offset == 0}
    except (puremagic.PureError, ValueError):
        return None
    for plain in ("application/pdf", "image/png", "image/jpeg"):
        if plain in guesses:
            return plain
    return _office(content) if content.startswith(b"PK\x03\x04") else None


def _office(content: bytes) -> str | None:
    """A ZIP is kept only as a workbook or a document of Office, without macros."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    found = {_MAIN_PARTS[part] for part in parts if part in _MAIN_PARTS}
    if "[Content_Types].xml" not in parts or len(found) != 1:
        return None
    if any(part.lower().endswith("vbaproject.bin") or ".." in part for part in parts):
        return None
    return found.pop()


def clean_name(name: str) -> str:
    """The name as it is kept. Refused with control or direction characters, separators, or a second extension."""
    kept = unicodedata.normalize("NFC", name).strip()
    if not kept or len(kept) > _LONGEST_NAME:
        raise Invalid("file_name_length", "文件名应为 1 至 {most} 个字。", field="name", most=_LONGEST_NAME)
    # Cc, Cf, Co, Cs, Cn: control and format characters (right-to-left overrides, zero widths), and what is no character
    if any(unicodedata.category(letter).startswith("C") for letter in kept) or _RESERVED & set(kept):
        raise Invalid(
            "file_name_characters",
            "文件名含有不能用的字符（控制符、换向符、斜杠等），请改名后再传。",
            field="name",
        )
    *before, _ = kept.split(".")
    if kept.startswith(".") or any(_reads_as_ending(part) for part in before[1:]):
        raise Invalid("file_name_endings", "文件名只能有一个扩展名，请改名后再传。", field="name")
    return kept


def _reads_as_ending(part: str) -> bool:
    """Whether what stands between two dots could be taken for an extension: 报告.exe.pdf, but not 2026.11.24 报告.pdf."""
    plain = part.strip()
    return 0 < len(plain) <= 8 and plain.isascii() and not plain.isdigit()
