"""The rules over HTTP: what holds, where it comes from, who changed it; a new value by the whole city's office."""

from datetime import date

from services.matcher.plans.endpoints import Planner, own_towns
from services.matcher.rules import service
from services.matcher.rules.schemas import NewValue, Rule, RuleChange
from services.matcher.rules.tables import RuleChangeRow
from services.matcher.solver.prices import RULES
from shared.clock import wall_day
from shared.database.work import Work
from shared.rules import RULES as DATED
from shared.rules import rule_value
from shared.web.app import router
from shared.web.problems import Forbidden
from shared.web.routing import Transaction
from shared.web.schemas import Done

ROUTER = router("", "rules")


@ROUTER.get("/rules")
def list_rules(work: Transaction, caller: Planner, day: date | None = None) -> list[Rule]:
    """What every plan is judged by, and the dated numbers of offers and records, as they hold on a day."""
    at = day or wall_day(work.now)
    return [*_judging(work, at), *_dated(at)]


def _judging(work: Work, day: date) -> list[Rule]:
    changed = service.changes(work)
    found: list[Rule] = []
    for rule in RULES.values():
        rows: list[RuleChangeRow] = changed.get(rule.rule_id, [])
        now = next((row for row in reversed(rows) if row.valid_from <= day), None)
        least, most = rule.choices or (None, None)
        found.append(
            Rule(
                rule_id=rule.rule_id,
                value=now.value if now else rule.value,
                standard=rule.value,
                unit=rule.unit,
                soft=rule.soft,
                source=rule.citation,
                least=least,
                most=most,
                valid_from=now.valid_from if now else rule.valid_from,
                changes=[RuleChange.model_validate(row) for row in rows],
            )
        )
    return found


def _dated(day: date) -> list[Rule]:
    return [
        Rule(
            rule_id=rule.rule_id,
            value=rule_value(rule.rule_id, day),
            standard=rule.value,
            unit="",
            soft=False,
            source=rule.source,
            least=None,
            most=None,
            valid_from=rule.valid_from,
            changes=[],
        )
        for rule in DATED
        if rule.holds(day)
    ]


@ROUTER.post("/rules/{rule_id}", status_code=201)
def change_rule(rule_id: str, body: NewValue, work: Transaction, caller: Planner) -> Done:
    """Set a rule's value from a day on, with the reason; for the whole city's planner or bureau only."""
    if own_towns(caller) is not None:
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    row = service.change(work, rule_id, body.value, body.valid_from, body.why)
    return Done(id=row.change_id, version=1)
