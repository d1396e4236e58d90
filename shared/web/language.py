"""Chinese first, English second: sentences are written in Chinese in the code, English ones in one catalogue."""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from fastapi import Request

CATALOGUE = Path(__file__).parent.parent / "locale" / "en" / "LC_MESSAGES" / "linli.po"


@cache
def english() -> NullTranslations:
    """The English catalogue, read from its source; empty entries fall back to Chinese."""
    if not CATALOGUE.exists():
        return NullTranslations()
    catalogue = read_po(StringIO(CATALOGUE.read_text(encoding="utf-8")), locale="en")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def language_of(request: Request) -> str:
    """`en` when the caller asks for English before Chinese, else `zh`."""
    for part in request.headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "zh"


class Term(str):
    """A word of the catalogue that fills a sentence's parameter: translated together with it."""

    __slots__ = ()


def translate(lang: str, message: str, /, **params: Any) -> str:
    """A Chinese sentence in the wanted language, with its parameters filled in."""
    if lang != "en":
        return message.format(**params) if params else message
    said = {k: english().gettext(v) if isinstance(v, Term) else v for k, v in params.items()}
    text = english().gettext(message) if message else ""  # for nothing a catalogue gives its header
    return text.format(**said) if said else text


def _(message: str) -> str:
    """Mark a Chinese sentence for the catalogue; it is translated where it is shown."""
    return message
