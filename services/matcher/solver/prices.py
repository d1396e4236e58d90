"""The one table of numbers that a plan is judged by: hard limits and soft prices, each with its source.

Points are whole numbers; a plan's objective is their sum. Serving a visit outweighs every wish, distance and cost, so
that no visit is left alone to please a lesser rule. An office changes a value by `Snapshot.overrides`.
"""

from dataclasses import dataclass
from datetime import date

_MODEL = "平台默认"


@dataclass(frozen=True, slots=True)
class Rule:
    """A dated, cited value. `soft`: it is priced in points; otherwise it forbids. `span`: what an office may set."""

    rule_id: str
    value: int
    unit: str
    citation: str
    soft: bool = False
    span: tuple[int, int] | None = None
    valid_from: date = date(2016, 10, 12)

    @property
    def choices(self) -> tuple[int, int] | None:
        """Least and most that an office may set; None: a fact, not a choice.

        A price goes from nothing to its double, so that the sum of all lesser ones stays under what serving is worth.
        """
        if self.span or not self.soft:
            return self.span
        return (0, 2 * self.value) if self.value >= 0 else (2 * self.value, 0)


_LAW = "志愿服务条例 (国令第685号)"
_CITY = "关于进一步加强全市社区建设的实施意见 (2016-10-12) 一"
_WAITING = "Mankowska, Meisel & Bierwirth 2014, doi:10.1007/s10729-013-9243-1 (总晚到、最大晚到)"
_SHIFTS = "Ceschia et al. 2026, doi:10.1111/itor.70140"
_GRADES = "GB/T 42195-2022 老年人能力评估规范"

RULES: dict[str, Rule] = {
    rule.rule_id: rule
    for rule in (
        # hard
        Rule("age.least", 18, "岁", f"{_LAW} 第七条、第十五条", span=(18, 70)),
        Rule("age.lifting_most", 75, "岁", f"{_LAW} 第十五条; {_MODEL}", span=(50, 80)),
        Rule("volunteer.visits_a_day", 3, "次", f"{_LAW} 第十五条; {_MODEL}", span=(1, 3)),
        Rule("reach.walk", 2500, "米", _MODEL, span=(500, 5000)),
        Rule("reach.bicycle", 5000, "米", _MODEL, span=(1000, 10000)),
        Rule("reach.ebike", 8000, "米", _MODEL, span=(1000, 16000)),
        Rule("reach.bus", 10000, "米", _MODEL, span=(1000, 20000)),
        Rule("reach.car", 15000, "米", _MODEL, span=(1000, 30000)),
        Rule("speed.walk", 70, "米/分", _MODEL),
        Rule("speed.bicycle", 200, "米/分", _MODEL),
        Rule("speed.ebike", 300, "米/分", _MODEL),
        Rule("speed.bus", 250, "米/分", _MODEL),
        Rule("speed.car", 400, "米/分", _MODEL),
        Rule("travel.detour", 130, "%", _MODEL),
        Rule("travel.degree_lon", 94125, "米/度", "WGS-84, 北纬 32.27°"),
        Rule("travel.degree_lat", 110900, "米/度", "WGS-84, 北纬 32.27°"),
        Rule("pair.grid", 15, "分钟", _MODEL),
        Rule("pair.starts", 5, "个", _MODEL),
        # soft: serving
        Rule("serve.visit", 1000, "分/次", f"{_CITY}", True, (500, 2000)),
        Rule("serve.total", 500, "分/次", _GRADES, True),
        Rule("serve.severe", 400, "分/次", _GRADES, True),
        Rule("serve.moderate", 250, "分/次", _GRADES, True),
        Rule("serve.mild", 100, "分/次", _GRADES, True),
        Rule("serve.intact", 0, "分/次", _GRADES, True, (0, 500)),
        Rule("serve.unknown", 150, "分/次", "个人信息保护法 第十六条 (未同意者不受歧视)", True),
        Rule("serve.routine", 0, "分/次", _MODEL, True, (0, 300)),
        Rule("serve.soon", 300, "分/次", _MODEL, True),
        Rule("serve.urgent", 900, "分/次", _MODEL, True),
        Rule("serve.vital", 400, "分/次", _MODEL, True),
        Rule("serve.lone", 200, "分/次", _MODEL, True),
        # soft: by whom
        Rule("channel.public_direct", 0, "分/次", _CITY, True, (-60, 0)),
        Rule("channel.volunteer", -10, "分/次", _CITY, True),
        Rule("channel.public_purchased", -40, "分/次", _CITY, True),
        Rule("channel.market", -60, "分/次", _CITY, True),
        Rule(
            "cost.fen_per_point", 200, "分钱/分", "政府购买服务管理办法 (财政部令第102号)", True, (100, 1000)
        ),
        Rule("continuity.earlier_visit", 15, "分/次", _MODEL, True),
        Rule("continuity.most", 45, "分", _MODEL, True),
        Rule("wish.dialect", 30, "分/次", _MODEL, True),
        Rule("wish.sex", 30, "分/次", _MODEL, True),
        Rule("wish.other", -30, "分/次", f"{_SHIFTS}; {_MODEL}", True),
        Rule("travel.minute", -1, "分/分钟", _MODEL, True),
        Rule("late.minute", -1, "分/分钟", f"{_WAITING}; {_MODEL}", True),
        Rule("late.worst", -1, "分/分钟", f"{_WAITING}; {_MODEL}", True),
        Rule("wait.minute", -1, "分/分钟", f"{_SHIFTS}; {_MODEL}", True),
        Rule("overtime.minute", -2, "分/分钟", f"劳动法 第四十四条; {_MODEL}", True),
        Rule("idle.most", -1, "分/分钟", f"{_SHIFTS}; {_MODEL}", True),
        Rule("break.missed", -60, "分/次", f"{_SHIFTS}; {_MODEL}", True),
        Rule("uneven.minute", -1, "分/分钟", f"{_SHIFTS}; {_MODEL}", True),
        Rule("load.hour", -1, "分/小时", f"{_LAW} 第二十五条; {_MODEL}", True),
        Rule("load.most", -40, "分", _MODEL, True),
        Rule("load.repeat", -10, "分/次", f"{_LAW} 第二十五条; {_MODEL}", True),
        Rule("stability.told", -100, "分/人", _MODEL, True),
    )
}


@dataclass(frozen=True, slots=True)
class Prices:
    """The table's values as they hold for one snapshot."""

    values: dict[str, int]

    def __getitem__(self, rule_id: str) -> int:
        return self.values[rule_id]


def prices_of(overrides: tuple[tuple[str, int], ...]) -> Prices:
    """The table with a snapshot's overrides in place."""
    return Prices({rule_id: rule.value for rule_id, rule in RULES.items()} | dict(overrides))
