"""The words that people read hold to the field's (domain.md 8, "Words")."""

import pytest

from services.portal import words
from tools.translations import sentences

NEVER = ("派单", "接单", "拒单", "积分", "抢单", "订单", "用户端", "护工")


@pytest.mark.parametrize("word", NEVER)
def test_no_page_or_refusal_says(word: str) -> None:
    assert [text for text in sentences() if word in text] == []


def test_states_of_a_visit_are_the_agreed_ones() -> None:
    said = {
        code: words.STATES[code][0]
        for code in ("open", "offered", "accepted", "rostered", "started", "done", "unmet", "cancelled")
    }
    assert list(said.values()) == [
        "待安排",
        "已邀请",
        "已答应",
        "已排定",
        "已到",
        "已完成",
        "未能安排",
        "已取消",
    ]


def test_volunteers_and_paid_carers_are_never_one_word() -> None:
    assert words.CAPACITIES["volunteer"] == "志愿者"
    assert words.CAPACITIES["employed"] == "护理员"
    assert words.ROLES["volunteer"] == "志愿者"
    assert words.ROLES["organisation_staff"] == "护理员"
