"""What the fund may be used for, and by what its use may be appraised (implementation opinion 2016, 三.2 and 五.9)."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Protocol

from shared.rules import rule_value
from shared.web.problems import Invalid

# Said beside one of the rule's nouns, in either order: that something was set up is not a result.
_SET_UP = r"(设立|成立|设置|新设|增设|新建|建立|建成|建设|组建|挂设)"


class Weighed(Protocol):
    """An indicator as it is appraised: `weight` in percent, `points` in hundredths."""

    @property
    def name(self) -> str: ...

    @property
    def satisfaction(self) -> bool: ...

    @property
    def weight(self) -> int: ...

    @property
    def points(self) -> int: ...


def purposes(year: int) -> list[str]:
    """What a year's fund may be used for without an approval."""
    return str(rule_value("fund_purposes", date(year, 1, 1))).split(",")


def appraisal_due(year: int) -> date:
    """Until when a year's fund is to be appraised in public."""
    after = date(year + 1, 1, 1)
    return after + timedelta(days=int(rule_value("fund_appraisal_due_days", after)) - 1)


def check_purpose(purpose: str, permitted: Sequence[str], approval: str | None) -> None:
    """A purpose that the fund does not name needs an approval."""
    if purpose not in permitted and not approval:
        raise Invalid(
            "purpose_unapproved",
            "专项资金不用于“{purpose}”；另作他用须填写批准文号（2016 实施意见三.2）。",
            field="approval",
            purpose=purpose,
        )


def forbidden(name: str, day: date) -> bool:
    """Whether an indicator counts ledgers, plaques, hung boards, bodies or venues set up (五.9)."""
    plain = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name))
    if any(word in plain for word in str(rule_value("appraisal_forbidden", day)).split(",")):
        return True
    nouns = "|".join(str(rule_value("appraisal_not_set_up", day)).split(","))
    return re.search(f"{_SET_UP}.*({nouns})|({nouns}).*{_SET_UP}", plain) is not None


def check_indicators(indicators: Sequence[Weighed], day: date) -> None:
    """Weights sum to 100, none is forbidden, and residents' satisfaction weighs more than half (五.9)."""
    for number, each in enumerate(indicators):
        if forbidden(each.name, day):
            raise Invalid(
                "indicator_forbidden",
                "“{name}”不能作为考核指标：台账、牌匾、挂牌、设立机构或场所不得列入考核（2016 实施意见五.9）。",
                field=f"indicators.{number}.name",
                name=each.name,
            )
        if each.satisfaction and "满意" not in each.name:
            raise Invalid(
                "indicator_not_satisfaction",
                "“{name}”看不出是满意度，请写明是谁对什么的满意度（2016 实施意见五.9）。",
                field=f"indicators.{number}.name",
                name=each.name,
            )
    if sum(each.weight for each in indicators) != 100:
        raise Invalid("weights", "各项指标的权重合计应为 100%。", field="indicators")
    over = int(rule_value("appraisal_satisfaction_over_percent", day))
    if sum(each.weight for each in indicators if each.satisfaction) <= over:
        raise Invalid(
            "satisfaction_weight",
            "居民满意度的权重应超过 {over}%（2016 实施意见五.9）。",
            field="indicators",
            over=over,
        )


def score(indicators: Sequence[Weighed]) -> int:
    """The weighted points in hundredths, rounded half up."""
    return (sum(each.weight * each.points for each in indicators) + 50) // 100


def yuan(fen: int) -> str:
    """Money as a sentence says it."""
    sign, whole = ("-" if fen < 0 else ""), abs(fen)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"
