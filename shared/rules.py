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


_ORDER_102 = "政府购买服务管理办法（102 号令）第十条"
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
    Rule("contract_longest_years", 3, "政府购买服务管理办法（102 号令）第二十四条（凭记忆）"),
    Rule("rating_years", 5, "社会组织评估管理办法（民政部令第39号）"),
    Rule("rating_preferred", "3A", "政府购买服务管理办法（102 号令）"),
    Rule("purchase_consult_days", 5, "政府购买服务管理办法（102 号令）第十五条；天数为平台默认"),
    Rule("purchase_split_threshold_fen", 100_000_000, "政府采购法实施条例第二十八条；限额标准为平台默认"),
    Rule("purchase_split_days", 365, "政府采购法实施条例第二十八条"),
    Rule("purchase_negative_list", "regulation,personnel,financing,works_with_services,duties", _ORDER_102),
    Rule("open_tender_bid_days", 20, "政府采购法第三十五条"),
    Rule("open_tender_amend_days", 15, "政府采购法实施条例第三十一条"),
    Rule("open_tender_bidders", 3, "政府采购法第三十六条"),
    Rule("open_tender_price_weight_least", 10, "87 号令第五十五条（凭记忆）"),
    Rule("open_tender_price_weight_most", 100, "87 号令第五十五条"),
    Rule("open_tender_scorers", 5, "87 号令第四十七条（凭记忆）"),
    Rule("consultation_bid_days", 10, "竞争性磋商管理暂行办法第十条（凭记忆）"),
    Rule("consultation_amend_days", 5, "竞争性磋商管理暂行办法第十四条（凭记忆）"),
    Rule("consultation_bidders", 3, "竞争性磋商管理暂行办法第二十一条（凭记忆）"),
    Rule("consultation_price_weight_least", 10, "竞争性磋商管理暂行办法第二十四条（凭记忆）"),
    Rule("consultation_price_weight_most", 30, "竞争性磋商管理暂行办法第二十四条（凭记忆）"),
    Rule("consultation_scorers", 3, "竞争性磋商管理暂行办法第十四条（凭记忆）"),
    Rule("single_source_bid_days", 7, "74 号令第三十八条：公示不少于 5 个工作日（凭记忆）"),
    Rule("single_source_amend_days", 5, "平台默认"),
    Rule("single_source_bidders", 1, "政府采购法第三十一条"),
    Rule("single_source_price_weight_least", 10, "平台默认"),
    Rule("single_source_price_weight_most", 100, "平台默认"),
    Rule("single_source_scorers", 3, "74 号令第四十一条（凭记忆）"),
    Rule("framework_bid_days", 20, "110 号令第二十四条（凭记忆）"),
    Rule("framework_amend_days", 15, "110 号令（凭记忆）"),
    Rule("framework_bidders", 3, "110 号令第三十条（凭记忆）"),
    Rule("framework_price_weight_least", 10, "110 号令（凭记忆）"),
    Rule("framework_price_weight_most", 100, "110 号令（凭记忆）"),
    Rule("framework_scorers", 5, "110 号令（凭记忆）"),
    Rule("venture_bid_days", 15, "平台默认"),
    Rule("venture_amend_days", 5, "平台默认"),
    Rule("venture_bidders", 1, "平台默认"),
    Rule("venture_price_weight_least", 0, "平台默认：公益创投不比价"),
    Rule("venture_price_weight_most", 30, "平台默认"),
    Rule("venture_scorers", 5, "平台默认"),
    Rule("venture_grant_most_fen", 6_000_000, "镇江：单项不超过 6 万元"),
    Rule("scorers_expert_share", 2 / 3, "87 号令第四十七条（凭记忆）"),
    Rule("award_published_working_days", 2, "政府采购法实施条例第四十三条"),
    Rule("contract_published_working_days", 2, "政府采购法实施条例第五十条"),
    Rule("acceptance_published_working_days", 2, "政府采购法实施条例第四十五条；天数为平台默认"),
    Rule("payment_published_days", 30, "平台默认"),
    Rule("challenge_working_days", 7, "政府采购法第五十二条"),
    Rule("challenge_answer_working_days", 7, "政府采购法第五十三条"),
    Rule("sign_within_days", 30, "政府采购法第四十六条"),
    Rule("additions_most_percent", 10, "政府采购法第四十九条"),
    Rule("supplement_answer_working_days", 7, "平台默认"),
    Rule("bid_bond_most_percent", 2, "政府采购法实施条例第三十三条"),
    Rule("performance_bond_most_percent", 10, "政府采购法实施条例第四十八条"),
    Rule("archive_years", 15, "政府采购法第四十二条"),
    Rule("opinions_a_call", 500, "平台约定"),
    Rule("questions_an_organisation", 30, "平台约定"),
    Rule("openers_least", 2, "平台约定（开标）"),
    Rule("opening_hour_minutes", 60, "平台约定（开标）"),
    Rule("acceptance_dispute_working_days", 7, "平台默认"),
    Rule("fund_purposes", "award,training,appraisal_award,it_subsidy,purchase,venture", "2016 实施意见三.2"),
    Rule("fund_appraisal_due_days", 90, "2016 实施意见三.2；期限（次年起算）为平台默认"),
    Rule("appraisal_satisfaction_over_percent", 50, "2016 实施意见五.9：以居民满意度为主（平台理解为过半）"),
    Rule("appraisal_forbidden", "台账,台帐,牌匾,挂牌,牌子,铭牌,门牌,上墙", "2016 实施意见五.9"),
    Rule("appraisal_not_set_up", "机构,组织,场所,场地,阵地,站点,用房,专班,领导小组", "2016 实施意见五.9"),
    Rule("file_most_bytes", 20 * 1024 * 1024, "平台约定"),
    Rule("applications_an_address_an_hour", 10, "平台默认"),
    Rule("opinions_an_address_an_hour", 10, "平台默认"),
    Rule("files_most_a_subject", 50, "平台默认"),
)


def rule_value(rule_id: str, day: date) -> Value:
    """What a rule says on a day. KeyError when no rule of that name holds then."""
    return rule_of(rule_id, day).value


def rule_source(rule_id: str, day: date) -> str:
    """The clause that a rule of a day comes from. KeyError when no rule of that name holds then."""
    return rule_of(rule_id, day).source


def rule_of(rule_id: str, day: date) -> Rule:
    """The rule as it holds on a day. KeyError when none of that name does."""
    holding = [rule for rule in RULES if rule.rule_id == rule_id and rule.holds(day)]
    if not holding:
        raise KeyError(f"{rule_id}: no rule holds on {day}")
    return max(holding, key=lambda rule: rule.valid_from)
