"""What a form says, whatever was typed into it."""

import pytest

from services.portal.page import Form
from services.portal.pages.one_call import fen_of


@pytest.mark.parametrize(
    ("typed", "number"), [("12", 12), ("", None), ("一", "一"), ("²", "²"), ("-3", "-3")]
)
def test_what_is_no_whole_number_is_left_for_the_service_to_refuse(typed: str, number: object) -> None:
    assert Form([("count", typed)]).number("count") == number


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("45.50", 4550),
        ("¥1,234.5", 123450),
        ("0.001", "0.001"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("", ""),
    ],
)
def test_yuan_as_typed_are_fen_or_left_as_they_are(typed: str, fen: object) -> None:
    assert fen_of(typed) == fen
