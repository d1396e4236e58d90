"""What a call must hold before it goes on: each fault with its field and its clause, all at once (8.20, 8.21)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from dateutil.relativedelta import relativedelta

from services.projects.calls.methods import GIVEAWAYS, Method, Terms
from services.projects.calls.tables import CallRow, CriterionRow, LotLineRow, LotRow
from shared.clock import wall_day
from shared.rules import rule_source, rule_value
from shared.web.problems import Refused

SEVERAL_WINNERS = (Method.FRAMEWORK, Method.VENTURE)
UNTENDERED = (Method.CONSULTATION, Method.SINGLE_SOURCE, Method.FRAMEWORK)  # what a split purchase goes by


def basis(call: CallRow, names: Sequence[str], day: date) -> Iterator[Refused]:
    """Approval, money, theme and beneficiaries (8.20), and the negative list. `names`: of its lots and their lines."""
    if not call.gate_number:
        yield Refused(
            "gate_number_missing",
            "没有准入批准文号：不经准入的事项不能立项采购（2016 实施意见五.9）。",
            field="gate_number",
        )
    if not call.gate_day:
        yield Refused("gate_day_missing", "没有准入批准日期（2016 实施意见五.9）。", field="gate_day")
    elif call.gate_day > day:
        yield Refused(
            "gate_day_ahead", "准入批准日期还没有到：先批准再采购（2016 实施意见五.9）。", field="gate_day"
        )
    if not call.gate_approver:
        yield Refused(
            "gate_approver_missing", "没有准入批准单位（2016 实施意见五.9）。", field="gate_approver"
        )
    if call.budget_line_id is None:
        yield Refused(
            "budget_line_missing",
            "没有预算项目：没有预算的服务不能购买（政府购买服务管理办法（102 号令），2016 实施意见三.2）。",
            field="budget_line_id",
        )
    if call.ceiling_fen <= 0:
        yield Refused("ceiling_missing", "没有最高限价（政府采购法实施条例第三十条）。", field="ceiling_fen")
    if call.theme is None:
        yield Refused(
            "theme_missing", "没有选服务主题：三社联动项目必须注明（2016 实施意见三.4）。", field="theme"
        )
    if not call.beneficiaries:
        yield Refused(
            "beneficiary_missing",
            "没有选受益人群：至少选为老、为小、为困、为残中的一类（2016 实施意见五.8）。",
            field="beneficiaries",
        )
    yield from _negative(call, names, day)


def _negative(call: CallRow, names: Sequence[str], day: date) -> Iterator[Refused]:
    clause = rule_source("purchase_negative_list", day)
    said = " ".join((call.title, call.description, *names))
    found = [
        word
        for listed in str(rule_value("purchase_negative_list", day)).split(",")
        for word in GIVEAWAYS[listed]
        if word in said
    ]
    if found:
        yield Refused(
            "on_negative_list",
            "“{words}”属于负面清单，不得购买（{clause}）。",
            field="description",
            words="、".join(found),
            clause=clause,
        )
    if not call.negative_checked:
        yield Refused(
            "negative_list_unchecked",
            "还没有确认不含负面清单事项（{clause}）。",
            field="negative_checked",
            clause=clause,
        )


def method(call: CallRow, terms: Terms) -> Iterator[Refused]:
    """What the method itself asks of a call."""
    single = call.method == Method.SINGLE_SOURCE
    if single and not call.method_reason:
        yield Refused(
            "method_reason_missing",
            "单一来源采购要说明只能从一家购买的理由（政府采购法第三十一条）。",
            field="method_reason",
        )
    if single and len(call.invited) != 1:
        yield Refused(
            "sole_supplier_missing", "单一来源采购要写明唯一的供应商（74 号令第三十八条）。", field="invited"
        )
    elif call.method == Method.CONSULTATION and call.invited and len(set(call.invited)) < terms.bidders:
        yield Refused(
            "too_few_invited",
            "邀请的供应商至少 {least} 家（竞争性磋商管理暂行办法第六条）。",
            field="invited",
            least=terms.bidders,
        )
    elif call.invited and call.method not in (Method.SINGLE_SOURCE, Method.CONSULTATION):
        yield Refused(
            "not_by_invitation",
            "这种采购方式向所有人公开，不能只邀请几家（政府采购法第五条）。",
            field="invited",
        )


def bonds(call: CallRow, day: date) -> Iterator[Refused]:
    """Bonds within the rules' shares of the price."""
    most = int(rule_value("bid_bond_most_percent", day))
    if call.bid_bond_percent > most:
        yield Refused(
            "bid_bond_too_high",
            "投标保证金不得超过 {most}%（{clause}）。",
            field="bid_bond_percent",
            most=most,
            clause=rule_source("bid_bond_most_percent", day),
        )
    most = int(rule_value("performance_bond_most_percent", day))
    if call.performance_bond_percent > most:
        yield Refused(
            "performance_bond_too_high",
            "履约保证金不得超过 {most}%（{clause}）。",
            field="performance_bond_percent",
            most=most,
            clause=rule_source("performance_bond_most_percent", day),
        )


def criteria(call: CallRow, rows: Sequence[CriterionRow], terms: Terms, day: date) -> Iterator[Refused]:
    """Weights sum to 100, and the price's share is within the method's bounds."""
    total = sum(row.weight for row in rows)
    prices = [row.weight for row in rows if row.kind == "price"]
    if total != 100:
        yield Refused(
            "weights_not_100",
            "评审因素的权重合计要是 100，现在是 {total}（87 号令第五十五条）。",
            field="criteria",
            total=total,
        )
    if len(prices) > 1:
        yield Refused("prices_twice", "价格因素只能有一项（87 号令第五十五条）。", field="criteria")
    if not terms.price_weight_least <= sum(prices) <= terms.price_weight_most:
        yield Refused(
            "price_weight_out_of_bounds",
            "价格权重要在 {least} 到 {most} 之间，现在是 {weight}（{clause}）。",
            field="criteria",
            least=terms.price_weight_least,
            most=terms.price_weight_most,
            weight=sum(prices),
            clause=rule_source(f"{call.method}_price_weight_least", day),
        )


def lots(
    call: CallRow, rows: Sequence[LotRow], lines: Mapping[UUID, Sequence[LotLineRow]], day: date
) -> Iterator[Refused]:
    """Money and days of the lots: fen-exact, within the call's ceiling and the longest contract."""
    if not rows:
        yield Refused("lots_missing", "至少要有一个包（政府采购法实施条例第三十条）。", field="lots")
    elif sum(lot.ceiling_fen for lot in rows) != call.ceiling_fen:
        yield Refused(
            "lots_do_not_sum", "各包限价之和要等于总限价（政府采购法实施条例第三十条）。", field="ceiling_fen"
        )
    years = int(rule_value("contract_longest_years", day))
    most = int(rule_value("venture_grant_most_fen", day))
    for i, lot in enumerate(rows):
        field = f"lots.{i}"
        bought = lines.get(lot.lot_id, ())
        if sum(line.units * line.unit_ceiling_fen for line in bought) > 100 * lot.ceiling_fen:
            yield Refused(
                "lines_above_lot",
                "第 {number} 包各项的数量乘单价超过了包的限价（政府采购法实施条例第三十条）。",
                field=f"{field}.lines",
                number=lot.number,
            )
        if not bought and call.method != Method.VENTURE:
            yield Refused(
                "lines_missing",
                "第 {number} 包没有服务项目：数量和单价要写明（政府采购法实施条例第三十条）。",
                field=f"{field}.lines",
                number=lot.number,
            )
        if lot.valid_to >= lot.valid_from + relativedelta(years=years):
            yield Refused(
                "contract_too_long",
                "第 {number} 包的合同超过 {years} 年（{clause}）。",
                field=f"{field}.valid_to",
                number=lot.number,
                years=years,
                clause=rule_source("contract_longest_years", day),
            )
        if lot.winners > 1 and call.method not in SEVERAL_WINNERS:
            yield Refused(
                "one_winner",
                "第 {number} 包只能选定一家：选几家的是框架协议或公益创投（110 号令）。",
                field=f"{field}.winners",
                number=lot.number,
            )
        if call.method == Method.VENTURE and lot.ceiling_fen > lot.winners * most:
            yield Refused(
                "grants_too_high",
                "第 {number} 包平均每个立项超过 {most} 元（{clause}）。",
                field=f"{field}.ceiling_fen",
                number=lot.number,
                most=most // 100,
                clause=rule_source("venture_grant_most_fen", day),
            )


def times(
    call: CallRow,
    rows: Sequence[LotRow],
    terms: Terms,
    now: datetime,
    deadline: datetime,
    questions_until: datetime | None,
) -> Iterator[Refused]:
    """From publication to the deadline the method's days; questions end before, contracts begin after."""
    if deadline - now < timedelta(days=terms.bid_days):
        yield Refused(
            "too_few_days",
            "从发布到截止不得少于 {days} 天（{clause}）。",
            field="deadline_at",
            days=terms.bid_days,
            clause=rule_source(f"{call.method}_bid_days", wall_day(now)),
        )
    if questions_until is not None and not now < questions_until <= deadline:
        yield Refused("questions_until", "提问截止要在发布之后、投标截止之前。", field="questions_until")
    for i, lot in enumerate(rows):
        if lot.valid_from <= wall_day(deadline):
            yield Refused(
                "begins_before_deadline",
                "第 {number} 包的服务不能在截止之前开始：先签合同再服务（政府采购法第四十六条）。",
                field=f"lots.{i}.valid_from",
                number=lot.number,
            )


def questions_end(terms: Terms, now: datetime, deadline: datetime) -> datetime:
    """Questions are taken as long as an answer may still touch bids without moving the deadline."""
    end = deadline - timedelta(days=terms.amend_days)
    return end if end > now else deadline


def split(call: CallRow, others: Sequence[CallRow], day: date) -> Iterator[Refused]:
    """The same service and community bought piece by piece: each under the threshold, together above it."""
    threshold = int(rule_value("purchase_split_threshold_fen", day))
    small = [other for other in others if other.ceiling_fen < threshold]
    if call.method not in UNTENDERED or call.ceiling_fen >= threshold or not small:
        return
    if call.ceiling_fen + sum(other.ceiling_fen for other in small) > threshold:
        yield Refused(
            "split_purchase",
            "一年内已经为同样的社区采购同类服务（{numbers}），合计超过限额标准，属于化整为零（{clause}）。",
            field="lots",
            numbers="、".join(sorted(other.number or "" for other in small)),
            clause=rule_source("purchase_split_days", day),
        )
