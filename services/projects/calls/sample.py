"""The sample's fund and calls: one that a clerk is still writing, one on which the public is being heard, and earlier ones."""

from datetime import timedelta
from typing import Any

from services.projects.calls.methods import Method
from services.projects.calls.past import load_past, pay_delivered
from services.projects.calls.publishing import consult
from services.projects.calls.schemas import Draft
from services.projects.calls.service import draft
from services.projects.funds.schemas import NewBudgetLine, NewFund
from services.projects.funds.service import add_fund, add_line
from shared.clock import wall_day
from shared.contracts.codes import ContractUnit, ServiceKind
from shared.database.work import Database, Work
from shared.ids import derived_id
from shared.sample import City

CEILING_FEN = 36_000_000
UNITS, UNIT_CEILING_FEN = 800_000, 4500  # 8,000 hours at ¥45


def load_calls(database: Database, city: City) -> None:
    """Load the fund, its line and the calls. What is there already is left as it is."""
    with database.work() as work:
        _load(work, city)
    with database.work() as work:
        pay_delivered(work, city)


def _load(work: Work, city: City) -> None:
    today = wall_day(work.now)
    new_fund = NewFund(name="社区建设专项资金", year=today.year)
    fund = add_fund(work, new_fund, derived_id("fund", today.year))
    new_line = NewBudgetLine(
        name="居家养老上门服务", purpose="purchase", need_fen=600_000_000, allocated_fen=500_000_000
    )
    line = add_line(work, fund, new_line, derived_id("budget line", today.year, 1))
    new_line = NewBudgetLine(
        name="社区公益创投", purpose="venture", need_fen=20_000_000, allocated_fen=20_000_000
    )
    ventures = add_line(work, fund, new_line, derived_id("budget line", today.year, 2))
    load_past(work, city, today, line.budget_line_id, ventures.budget_line_id)
    town = city.towns[0]
    own = [c.community_id for c in city.communities if c.town_id == town.town_id]

    def body(title: str, kind: ServiceKind, **more: Any) -> Draft:
        lot = {
            "name": title,
            "ceiling_fen": CEILING_FEN,
            "valid_from": today + timedelta(days=90),
            "valid_to": today + timedelta(days=454),
            "lines": [
                {
                    "name": title,
                    "kinds": [kind],
                    "community_ids": own,
                    "unit": ContractUnit.HOUR,
                    "units": UNITS,
                    "unit_ceiling_fen": UNIT_CEILING_FEN,
                }
            ],
        }
        return Draft.model_validate(
            {
                "title": f"{town.name}{title}采购",
                "method": Method.OPEN_TENDER,
                "theme": "elder_care",
                "beneficiaries": ["old"],
                "town_id": town.town_id,
                "budget_line_id": line.budget_line_id,
                "ceiling_fen": CEILING_FEN,
                "negative_checked": True,
                "lots": [lot],
                "criteria": [
                    {"name": "报价", "kind": "price", "weight": 20, "guide": "最低报价除以报价"},
                    {
                        "name": "服务方案",
                        "kind": "quality",
                        "weight": 50,
                        "guide": "完整、可行、有针对性",
                    },
                    {
                        "name": "人员和业绩",
                        "kind": "quality",
                        "weight": 30,
                        "guide": "持证人数、同类项目",
                    },
                ],
                **more,
            }
        )

    draft(work, body("陪诊服务", ServiceKind.ESCORT), call_id=derived_id("call", today.year, "draft"))
    heard = draft(
        work,
        body(
            "上门助浴服务",
            ServiceKind.BATHING,
            description="为高龄、失能老人上门助浴，两人一组，自带设备",
            gate_number=f"准入〔{today.year}〕17号",
            gate_day=today - timedelta(days=20),
            gate_approver="社区事务准入办公室",
        ),
        call_id=derived_id("call", today.year, "heard"),
    )
    if heard.state == "draft":
        work.expected_version = heard.version
        consult(work, heard, until=today + timedelta(days=10))
