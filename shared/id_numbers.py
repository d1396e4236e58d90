"""Resident identity numbers (GB 11643): typed by hand, checked by their own check digit."""

import unicodedata
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from stdnum.cn import ric


def plain(text: str) -> str:
    """What was typed, in half-width capitals without spaces: ID numbers, card codes, PINs."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def id_number_fault(number: str) -> str | None:
    """What is wrong with a resident identity number (GB 11643), as a sentence; None when it holds."""
    if len(number) != 18 or not number.isascii() or not number[:17].isdigit():
        return "身份证号应为 18 位。"
    try:
        birth_date(number)
    except ValueError:
        return "身份证号中的出生日期不对，请核对。"
    if str(ric.calc_check_digit(number)) != number[17].upper():
        return "身份证号的校验位不对，请核对。"
    return None


def birth_date(number: str) -> date:
    """The birth date in an identity number. ValueError when it is no date."""
    return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))


def _plain(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and len(value) <= 200 else value


def _checked(value: str) -> str:
    fault = id_number_fault(value)
    if fault:
        raise ValueError(fault)
    return value


IdNumber = Annotated[str, BeforeValidator(_plain), StringConstraints(max_length=18), AfterValidator(_checked)]
