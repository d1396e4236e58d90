"""The rules that plans are judged by: the standard, what an office changed, and what holds on a day."""

from datetime import date

from sqlalchemy import select

from services.matcher.rules.tables import RuleChangeRow
from services.matcher.solver.prices import RULES
from shared.clock import wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound, Refused


def changes(work: Work) -> dict[str, list[RuleChangeRow]]:
    """Every change by rule, the one that holds longest ahead last."""
    found: dict[str, list[RuleChangeRow]] = {}
    for row in work.session.scalars(
        select(RuleChangeRow).order_by(RuleChangeRow.valid_from, RuleChangeRow.change_id)
    ):
        found.setdefault(row.rule_id, []).append(row)
    return found


def overrides(work: Work, day: date) -> tuple[tuple[str, int], ...]:
    """The values that differ from the standard on a day, in the order of their names: what a snapshot carries."""
    held = {
        rule_id: next((row.value for row in reversed(rows) if row.valid_from <= day), RULES[rule_id].value)
        for rule_id, rows in changes(work).items()
    }
    return tuple(sorted((rule_id, value) for rule_id, value in held.items() if value != RULES[rule_id].value))


def change(work: Work, rule_id: str, value: int, valid_from: date, why: str) -> RuleChangeRow:
    """Set a rule's value from a day on; plans already made keep the value that they were made by."""
    rule = RULES.get(rule_id)
    if rule is None:
        raise NotFound("rule_unknown", "没有找到这条规则。")
    if rule.choices is None:
        raise Refused("rule_fixed", "这是事实，不是可以选择的规则。")
    least, most = rule.choices
    if not least <= value <= most:
        raise Invalid("rule_out_of_span", "请填 {least} 到 {most}。", field="value", least=least, most=most)
    if valid_from < wall_day(work.now):
        raise Invalid("rule_in_the_past", "规则只能从今天或以后起改变。", field="valid_from")
    assert work.caller is not None
    row = RuleChangeRow(
        change_id=new_id(),
        rule_id=rule_id,
        value=value,
        valid_from=valid_from,
        why=why,
        changed_by=work.caller.account_id,
        changed_at=work.now,
    )
    work.session.add(row)
    work.audit("rule.change", row.change_id, None, rule=rule_id, value=value)
    work.session.flush()
    return row
