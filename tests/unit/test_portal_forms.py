"""What a form says, whatever was typed into it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.portal.page import Form, Page
from services.portal.pages.one_call import fen_of
from services.portal.places import moved


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


def test_who_stays_where_they_live_keeps_the_place_that_is_known() -> None:
    kept = {"address": "桥边那一家", "community_id": "c1"}

    def sent(**form: str) -> dict[str, Any]:
        page = SimpleNamespace(form=Form(list(form.items())), get=_finds_nothing)
        with ThreadPoolExecutor(
            1
        ) as apart:  # a browser's test before this one leaves its loop in this thread
            return apart.submit(asyncio.run, moved(cast(Page, page), kept)).result()

    assert sent(address="桥边那一家", community_id="c1") == {}
    assert sent(address="桥边那一家") == {}, "the volunteer's own form names no community"
    assert sent(address="桥那边") == {"address": "桥那边", "place": None}
    assert sent(address="桥边那一家", community_id="c2") == {"address": "桥边那一家", "place": None}


async def _finds_nothing(*asked: Any, **where: Any) -> dict[str, list[Any]]:
    return {"items": []}
