"""The ways to buy, each with its dated rules and its own words (domain.md 4, 8.21)."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from shared.rules import rule_value
from shared.web.language import _


class Method(StrEnum):
    OPEN_TENDER = "open_tender"  # 公开招标
    CONSULTATION = "consultation"  # 竞争性磋商
    SINGLE_SOURCE = "single_source"  # 单一来源
    FRAMEWORK = "framework"  # 框架协议
    VENTURE = "venture"  # 公益创投


@dataclass(frozen=True, slots=True)
class Terms:
    """What a method asks for on a day. Days are calendar days; shares and weights percent."""

    bid_days: int  # from publication to the deadline
    amend_days: int  # from a change that touches bids to the deadline
    consult_days: int  # the public is heard for so long first; 0: not
    bidders: int
    price_weight_least: int
    price_weight_most: int
    scorers: int  # at least; always odd
    expert_share: float  # of the scorers
    challenge_days: int  # working days


@dataclass(frozen=True, slots=True)
class Words:
    """What a method calls its things (domain.md 8, "Words")."""

    call: str
    bid: str
    bidder: str
    award: str
    award_notice: str


WORDS: dict[Method, Words] = {
    Method.OPEN_TENDER: Words(_("招标公告"), _("投标"), _("投标人"), _("中标"), _("中标公告")),
    Method.CONSULTATION: Words(_("磋商公告"), _("响应"), _("供应商"), _("成交"), _("成交公告")),
    Method.SINGLE_SOURCE: Words(_("单一来源公示"), _("响应"), _("供应商"), _("成交"), _("成交公告")),
    Method.FRAMEWORK: Words(_("征集公告"), _("响应"), _("供应商"), _("入围"), _("入围公告")),
    Method.VENTURE: Words(_("申报公告"), _("申报"), _("申报组织"), _("立项"), _("立项公告")),
}


NUMBERED = {method: "YC" if method is Method.VENTURE else "ZC" for method in Method}
THEMES = {
    "elder_care": _("养老助老"),
    "special_needs": _("特殊群体帮扶"),
    "youth": _("青少年服务"),
    "community": _("社区治理与便民"),
}
BENEFICIARY_WORDS = {"old": _("为老"), "young": _("为小"), "poor": _("为困"), "disabled": _("为残")}
# Words by which a thing that the negative list forbids gives itself away (Order 102, 10).
GIVEAWAYS = {
    "regulation": ("行政处罚", "行政许可", "行政审批", "行政强制", "执法"),
    "personnel": ("劳务派遣", "编外人员", "人员招聘", "公益性岗位"),
    "financing": ("融资", "垫资", "贷款", "担保"),
    "works_with_services": ("工程施工", "基建", "装修工程", "设备采购"),
    "duties": ("机关日常", "代行职责", "公文起草"),
}


def terms(method: Method, day: date) -> Terms:
    """What the rules of a method say on a day."""

    def value(name: str) -> int:
        return int(rule_value(f"{method.value}_{name}", day))

    return Terms(
        bid_days=value("bid_days"),
        amend_days=value("amend_days"),
        consult_days=int(rule_value("purchase_consult_days", day))
        if method is not Method.SINGLE_SOURCE
        else 0,
        bidders=value("bidders"),
        price_weight_least=value("price_weight_least"),
        price_weight_most=value("price_weight_most"),
        scorers=value("scorers"),
        expert_share=float(rule_value("scorers_expert_share", day)),
        challenge_days=int(rule_value("challenge_working_days", day)),
    )
