"""What the fund may be used for and appraised by (implementation opinion 2016, 三.2 and 五.9)."""

from datetime import date

import pytest

from services.projects.funds import rules
from services.projects.funds.schemas import Indicator
from shared.web.problems import Invalid

DAY = date(2026, 11, 25)


def indicator(name: str, weight: int, points: int = 9000) -> Indicator:
    satisfaction = "满意" in name
    return Indicator(
        name=name,
        satisfaction=satisfaction,
        weight=weight,
        points=points,
        asked=100 if satisfaction else None,
        answered=70 if satisfaction else None,
    )


@pytest.mark.parametrize(
    "name",
    [
        "台账完整率",
        "台 账",
        "台-账-数",
        "挂牌数量",
        "牌匾是否齐全",
        "制度上墙",
        "设立服务机构数",
        "新建活动场所面积",
        "活动阵地建设",
        "成立领导小组",
        "机构设置",
        "组织是否成立",
    ],
)
def test_5_9_no_ledgers_plaques_boards_bodies_or_venues(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.check_indicators([indicator("居民满意度", 90), indicator(name, 10)], DAY)
    assert refused.value.code == "indicator_forbidden"
    assert refused.value.field == "indicators.1.name"
    assert "五.9" in refused.value.message


@pytest.mark.parametrize(
    "name", ["服务按约完成率", "组织活动参加人次", "机构老人复评及时率", "资金执行率", "场所使用率"]
)
def test_5_9_results_may_be_indicators(name: str) -> None:
    rules.check_indicators([indicator("居民满意度", 51), indicator(name, 49)], DAY)


@pytest.mark.parametrize(("weight", "holds"), [(49, False), (50, False), (51, True), (100, True)])
def test_5_9_satisfaction_weighs_more_than_half(weight: int, holds: bool) -> None:
    parts = [indicator("居民满意度", weight)] + ([indicator("完成率", 100 - weight)] if weight < 100 else [])
    if holds:
        rules.check_indicators(parts, DAY)
        return
    with pytest.raises(Invalid) as refused:
        rules.check_indicators(parts, DAY)
    assert refused.value.code == "satisfaction_weight"


def test_weights_sum_to_a_hundred() -> None:
    with pytest.raises(Invalid) as refused:
        rules.check_indicators([indicator("居民满意度", 60), indicator("完成率", 39)], DAY)
    assert refused.value.code == "weights"


def test_something_else_is_not_called_satisfaction() -> None:
    money = indicator("资金执行率", 60).model_copy(update={"satisfaction": True})
    with pytest.raises(Invalid) as refused:
        rules.check_indicators([money, indicator("完成率", 40)], DAY)
    assert refused.value.code == "indicator_not_satisfaction"


def test_satisfaction_says_its_response_rate() -> None:
    with pytest.raises(ValueError, match="问了多少人"):
        Indicator(name="居民满意度", satisfaction=True, weight=60, points=9000)


def test_the_score_is_rounded_half_up() -> None:
    assert rules.score([indicator("居民满意度", 51, 9999), indicator("完成率", 49, 10000)]) == 9999
    assert rules.score([indicator("居民满意度", 50, 1), indicator("完成率", 50, 0)]) == 1


def test_3_2_another_purpose_needs_an_approval() -> None:
    permitted = rules.purposes(2026)
    rules.check_purpose("purchase", permitted, None)
    rules.check_purpose("房屋修缮", permitted, "仪财社〔2026〕12号")
    with pytest.raises(Invalid) as refused:
        rules.check_purpose("房屋修缮", permitted, None)
    assert "三.2" in refused.value.message


def test_the_appraisal_is_due_in_the_next_year() -> None:
    assert rules.appraisal_due(2025) == date(2026, 3, 31)


def test_money_in_sentences() -> None:
    assert [rules.yuan(fen) for fen in (5, 123456789, -150)] == ["0.05", "1,234,567.89", "-1.50"]
