"""Which files may be kept: by their content, under names that hide nothing."""

import io
import zipfile
from datetime import date

import pytest
from openpyxl import Workbook

from services.projects.files import rules
from shared.web.problems import Invalid

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"


def zipped(*parts: str) -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        for part in parts:
            archive.writestr(part, "<x/>")
    return kept.getvalue()


def workbook() -> bytes:
    kept = io.BytesIO()
    Workbook().save(kept)
    return kept.getvalue()


XLSX = workbook()
DOCX = zipped("[Content_Types].xml", "word/document.xml")


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("报告.pdf", PDF, "application/pdf"),
        ("报告.PDF", PDF, "application/pdf"),
        ("照片.png", PNG, "image/png"),
        ("照片.jpg", JPEG, "image/jpeg"),
        ("照片.jpeg", JPEG, "image/jpeg"),
        ("明细.xlsx", XLSX, rules.XLSX),
        ("方案.docx", DOCX, rules.DOCX),
    ],
)
def test_what_may_be_kept(name: str, content: bytes, kind: str) -> None:
    assert rules.media_type(name, content) == kind


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("报告.pdf", b"<html><script>alert(1)</script></html>", "file_kind"),
        ("报告.pdf", b"MZ\x90\x00" + bytes(64), "file_kind"),
        ("报告.pdf", b"hello", "file_kind"),
        ("报告.pdf", b"   " + PDF, "file_kind"),
        ("图.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "file_kind"),
        ("档案.zip", zipped("a.txt"), "file_kind"),
        ("方案.docx", zipped("a.txt"), "file_kind"),
        ("方案.docx", zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "file_kind"),
        ("方案.docx", zipped("[Content_Types].xml", "word/document.xml", "xl/workbook.xml"), "file_kind"),
        ("方案.docx", zipped("[Content_Types].xml", "word/document.xml", "../../etc/passwd"), "file_kind"),
        ("方案.docx", b"PK\x03\x04broken", "file_kind"),
        ("方案.docx", XLSX, "file_ending"),
        ("照片.jpg", PNG, "file_ending"),
        ("照片", PNG, "file_ending"),
    ],
)
def test_what_may_not(name: str, content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.media_type(name, content)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "name", ["报告.pdf", "2026.11.24 报告.pdf", "养老服务（第二版）.docx", " 报告 .pdf "]
)
def test_names_that_are_kept(name: str) -> None:
    assert rules.clean_name(name) == name.strip()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "file_name_length"),
        ("   ", "file_name_length"),
        ("长" * 121, "file_name_length"),
        ("报告\n.pdf", "file_name_characters"),
        ("报告\x00.pdf", "file_name_characters"),
        ("报告\u202efdp.exe", "file_name_characters"),
        ("报\u200b告.pdf", "file_name_characters"),
        ("报告\ud800.pdf", "file_name_characters"),
        ("../报告.pdf", "file_name_characters"),
        ("a\\报告.pdf", "file_name_characters"),
        ("C:报告.pdf", "file_name_characters"),
        ("报告／x.pdf", "file_name_characters"),
        ("报告.exe.pdf", "file_name_endings"),
        ("报告.PDF .pdf", "file_name_endings"),
        (".pdf", "file_name_endings"),
    ],
)
def test_names_that_hide_something(name: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.clean_name(name)
    assert refused.value.code == code


def test_sizes() -> None:
    day, most = date(2026, 11, 25), 20 * 2**20
    rules.check_size(most, day)
    rules.check_size(most + rules.SEALING, day, sealed=True)
    for size, sealed in ((0, False), (most + 1, False), (most + rules.SEALING + 1, True)):
        with pytest.raises(Invalid):
            rules.check_size(size, day, sealed=sealed)
