"""The words that people read hold to the field's (domain.md 8, "Words")."""

import re

import pytest

from services.matcher.solver.prices import RULES
from services.portal import words
from shared.web.language import translate
from tools.translations import sentences

NEVER = ("派单", "接单", "拒单", "积分", "抢单", "订单", "用户端", "护工")


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Every sentence of the pages and refusals: reading them all takes seconds."""
    return list(sentences())


@pytest.mark.parametrize("word", NEVER)
def test_no_page_or_refusal_says(word: str, said: list[str]) -> None:
    assert said
    assert [text for text in said if word in text] == []


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


def test_every_rule_of_plans_has_a_name_in_both_languages_and_stands_in_one_group() -> None:
    for rule in RULES.values():
        name, unit = words.RULES[rule.rule_id], words.RULE_UNITS[rule.unit]
        assert translate("en", name) != name, rule.rule_id
        assert not re.search(r"[\u4e00-\u9fff]", translate("en", unit)), rule.unit
        groups = [title for title, ids in words.PRICE_GROUPS if rule.rule_id.startswith(ids)]
        assert not rule.soft or len(groups) == 1, rule.rule_id


def test_nothing_is_nothing_in_english_too() -> None:
    assert translate("en", "") == ""


def test_volunteers_and_paid_carers_are_never_one_word() -> None:
    assert words.CAPACITIES["volunteer"] == "志愿者"
    assert words.CAPACITIES["employed"] == "护理员"
    assert words.ROLES["volunteer"] == "志愿者"
    assert words.ROLES["organisation_staff"] == "护理员"
