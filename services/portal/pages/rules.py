"""The rules that plans are judged by, and the dated numbers of offers and records: seen, and changed by the office."""

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Page, signed_in
from services.portal.services import Problem
from shared.contracts.codes import Role
from shared.rules import rule_of

ROUTER = APIRouter(prefix="/plan")
Office = Annotated[Page, signed_in(Role.PLANNER, Role.BUREAU)]


@ROUTER.get("/rules")
async def rules(page: Office) -> Response:
    """Prices, limits, clocks, and what purchases are held to: each with its value, since when, and where it comes from."""
    found = await page.get("matcher", "/rules")
    return page.render(
        "plan/rules.html",
        prices=[
            (title, [r for r in found if r["soft"] and r["rule_id"].startswith(beginnings)])
            for title, beginnings in words.PRICE_GROUPS
        ],
        limits=[r for r in found if not r["soft"] and "." in r["rule_id"]],
        clocks=[r for r in found if "." not in r["rule_id"] and r["rule_id"] in words.RULES],
        purchases=_purchases(page),
        methods=_methods(page),
    )


def _purchases(page: Page) -> list[dict[str, Any]]:
    """The rules that all purchases, payments and funds are held to today."""
    return [
        {"name": page._(name), **_shown(page, rule_id, unit)}
        for rule_id, (name, unit) in words.PURCHASE_RULES.items()
    ]


def _methods(page: Page) -> list[tuple[str, list[dict[str, Any]]]]:
    """What each way to buy asks for today."""
    return [
        (
            page._(method),
            [
                {"name": page._(name), **_shown(page, f"{code}_{rule}", unit)}
                for rule, (name, unit) in words.METHOD_RULES.items()
            ],
        )
        for code, method in words.METHODS.items()
    ]


def _shown(page: Page, rule_id: str, unit: str) -> dict[str, Any]:
    rule = rule_of(rule_id, page.today)
    value = str(rule.value).replace(",", "、")
    if rule_id.endswith("_fen"):
        value = f"{int(rule.value) // 100:,}"
    elif rule_id.endswith("_share"):
        value = f"{100 * float(rule.value):.0f}"
    elif rule_id.endswith("_bytes"):
        value = f"{int(rule.value) // 1024**2}"
    return {"value": f"{value} {page._(unit)}", "valid_from": rule.valid_from, "source": rule.source}


@ROUTER.get("/rules/{rule_id}")
async def rule(page: Office, rule_id: str) -> Response:
    """One rule: what it was, what it is, and the form for a new value."""
    return await _rule(page, rule_id)


async def _rule(page: Page, rule_id: str, status: int = 200, **more: Any) -> Response:
    found = await page.get("matcher", "/rules")
    chosen = next((r for r in found if r["rule_id"] == rule_id), None)
    if chosen is None:
        raise Problem(404, {"detail": page._("没有找到这条规则。")})
    context: dict[str, Any] = {"values": await page.draft(), **more}
    idle = rule_id.startswith(words.PRICE_GROUPS[-1][1])
    return page.render("plan/rule.html", status, rule=chosen, idle=idle, **context)


@ROUTER.post("/rules/{rule_id}")
async def change_rule(page: Office, rule_id: str) -> Response:
    value = page.form.text("value")
    body = {
        "value": int(value) if value.lstrip("-").isdecimal() else value,
        **page.form.given("valid_from", "why"),
    }
    try:
        await page.post("matcher", f"/rules/{rule_id}", body)
    except Problem as problem:
        return await _rule(page, rule_id, 422, problem=problem, values=page.form)
    return await page.done(f"/plan/rules/{rule_id}", page._("已保存，从那天起的计划按新的值算。"))
