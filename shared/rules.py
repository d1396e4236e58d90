"""The city's dated rules: every number a service enforces, with the days it holds and the clause it comes from.

An office changes a rule by adding a row that begins on a later day; what was decided before keeps the older value.
"""

from dataclasses import dataclass
from datetime import date

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Rule:
    """One value of a rule from `valid_from` to `valid_to`, both included; open-ended without the latter."""

    rule_id: str
    value: Value
    source: str
    valid_from: date = date(2016, 10, 12)
    valid_to: date | None = None

    def holds(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


_ORDER_67 = "志愿服务记录与证明出具办法（试行）第{}条"

RULES: tuple[Rule, ...] = (
    Rule("offer_longest_hours", 24, "平台约定 8.14"),
    Rule("offer_shortest_minutes", 15, "平台约定 8.14"),
    Rule("offer_share_of_time_left", 0.25, "平台约定 8.14"),
    Rule("offer_early_visit_before", "10:00", "平台约定 8.14"),
    Rule("quiet_hours_start", "21:00", "平台约定 8.14"),
    Rule("quiet_hours_end", "08:00", "平台约定 8.14"),
    Rule("offer_near_hours", 18, "平台约定 8.14"),
    Rule("offer_near_asked", 3, "平台约定 8.14"),
    Rule("open_offers_a_volunteer", 2, "平台约定 8.15"),
    Rule("horizon_days", 7, "平台约定 8.18"),
    Rule("auto_publish_at", "16:00", "平台约定 8.18"),
    Rule("late_after_minutes", 15, "平台约定 8.9"),
    Rule("record_within_working_days", 10, _ORDER_67.format("十一")),
    Rule("address_hidden_after_hours", 24, "平台约定 8.17"),
    Rule("unmet_tasks_at", "17:00", "平台约定 8.12"),
    Rule("materialised_days", 14, "平台约定（时间）"),
    Rule("card_session_days", 90, "平台约定 8.5"),
    Rule("session_hours", 12, "平台默认"),
    Rule("sign_in_attempts", 5, "平台默认"),
    Rule("sign_in_pause_minutes", 15, "平台默认"),
    Rule("sign_in_attempts_an_address", 30, "平台默认"),
    Rule("access_token_minutes", 10, "平台约定（安全）"),
    Rule("signing_key_days", 30, "平台约定（安全）"),
    Rule("volunteer_youngest", 14, "志愿服务条例第十五条；未成年人保护"),
    Rule("volunteer_daily_minutes", 240, "志愿服务条例第十五条；平台默认"),
    Rule("volunteer_weekly_minutes", 1200, "志愿服务条例第十五条；平台默认"),
    Rule("employed_daily_minutes", 480, "劳动法第三十六条"),
    Rule("employed_weekly_minutes", 2640, "劳动法第三十六条"),
    Rule("star_1_hours", 100, "星级评定，省级标准"),
    Rule("star_2_hours", 300, "星级评定，省级标准"),
    Rule("star_3_hours", 600, "星级评定，省级标准"),
    Rule("star_4_hours", 1000, "星级评定，省级标准"),
    Rule("star_5_hours", 1500, "星级评定，省级标准"),
    Rule("contract_longest_years", 3, "政府购买服务管理办法（102 号令）"),
)


def rule_value(rule_id: str, day: date) -> Value:
    """What a rule says on a day. KeyError when no rule of that name holds then."""
    holding = [rule for rule in RULES if rule.rule_id == rule_id and rule.holds(day)]
    if not holding:
        raise KeyError(f"{rule_id}: no rule holds on {day}")
    return max(holding, key=lambda rule: rule.valid_from).value
