"""A published call with its openers, bidders and budget line, for suites that bid: rows of the calls' slice, services of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient
from stdnum.cn import uscc

from services import declarations
from services.projects.bids import opening
from services.projects.calls.methods import Method
from services.projects.calls.tables import CallRow, CriterionRow, LotLineRow, LotRow
from services.projects.funds import service as funds
from services.projects.funds.schemas import NewBudgetLine, NewFund
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.sample.people import id_number
from shared.security.caller import Caller
from shared.web.app import create_app
from tests.running import Product
from tests.support import ServiceUnderTest, caller, verifier

NOW = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
TAKES = timedelta(days=21)
DAYS = (date(2027, 1, 1), date(2027, 12, 31))
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
UNITS = (1000, 2350)  # hundredths
UNIT_CEILING = 9_900_000
CEILING = 300_000_000
OWNERS = count(1)
CODES: Iterator[str] = (f"5232109{n:010d}" for n in range(1, 10_000))


@dataclass
class Published:
    """A call that takes bids. `openers`: with their codes. `lots`: with the lines that want a price."""

    service: ServiceUnderTest
    call_id: UUID
    lots: list[tuple[UUID, list[UUID]]]
    openers: list[tuple[Caller, str]]
    line_id: UUID

    @property
    def deadline(self) -> datetime:
        deadline = self.row().deadline_at
        assert deadline is not None
        return deadline

    def row(self) -> CallRow:
        with self.service.database.work() as work:
            return work.session.get_one(CallRow, self.call_id)


def projects_of(running: Product) -> ServiceUnderTest:
    """The projects service of a running product, to be spoken to as anybody."""
    assert running.city is not None
    database = running.city.databases["projects"]
    app = create_app(declarations.service("projects"), database, verifier())
    return ServiceUnderTest("projects", database, TestClient(app), running.clock)


def opener(service: ServiceUnderTest) -> tuple[Caller, str]:
    """A bureau member with an opening code."""
    who = caller(Role.BUREAU)
    answer = service.as_(who).post("/opener-key")
    assert answer.status_code == 201, answer.text
    return who, answer.json()["code"]


def organisation(service: ServiceUnderTest) -> UUID:
    """An organisation that the bureau has registered."""
    code = next(CODES)
    body = {
        "name": f"康乐为老服务中心{code[-4:]}",
        "kind": "social_organisation",
        "credit_code": code + uscc.calc_check_digit(code),
        "phone": "0514-83400000",
        "address": "解放东路1号",
        "lon": 119.18,
        "lat": 32.27,
        "rating": "4A",
    }
    answer = service.as_(caller(Role.BUREAU)).post("/organisations", json=body)
    assert answer.status_code == 201, answer.text
    made = UUID(answer.json()["id"])
    say_controllers(service, made)
    return made


def say_controllers(service: ServiceUnderTest, organisation_id: UUID) -> None:
    """The organisation says that somebody controls it who controls no other."""
    owner = {"name": "沈国平", "id_number": id_number(date(1972, 3, 7), next(OWNERS)), "share": 60}
    own = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, organisation_id))
    version = own.get(f"/organisations/{organisation_id}").json()["version"]
    said = own.put(
        f"/organisations/{organisation_id}/controllers",
        json={"controllers": [owner]},
        headers={"If-Match": f'"{version}"'},
    )
    assert said.status_code == 200, said.text


def published(
    service: ServiceUnderTest,
    method: Method = Method.OPEN_TENDER,
    *,
    lots: int = 1,
    openers: int = 2,
    invited: Sequence[UUID] = (),
    takes: timedelta = TAKES,
    days: tuple[date, date] = DAYS,
) -> Published:
    """Publish a call whose ceiling is committed on a line of its own."""
    named = [opener(service) for _ in range(openers)]
    venture = method is Method.VENTURE
    with service.database.work() as work:
        fund = funds.add_fund(work, NewFund(name=f"社区建设专项资金{new_id().hex[-6:]}", year=2026))
        line = funds.add_line(
            work,
            fund,
            NewBudgetLine(
                name="政府购买居家养老服务",
                purpose="venture" if venture else "purchase",
                allocated_fen=CEILING * lots * 2,
            ),
        )
        row = _call(work.now, method, CEILING * lots, line.budget_line_id, invited)
        work.session.add(row)
        work.session.flush()
        made = []
        for number in range(1, lots + 1):
            lot = LotRow(
                lot_id=new_id(),
                call_id=row.call_id,
                number=number,
                name=f"第{number}包",
                ceiling_fen=CEILING,
                winners=1,
                valid_from=days[0],
                valid_to=days[1],
                state="open",
            )
            work.session.add(lot)
            work.session.flush()
            lines = [] if venture else [_line(lot.lot_id, at, units) for at, units in enumerate(UNITS)]
            work.session.add_all(lines)
            made.append((lot.lot_id, [each.lot_line_id for each in lines]))
        for position, (kind, weight) in enumerate((("price", 30), ("quality", 40), ("quality", 30))):
            work.session.add(
                CriterionRow(
                    criterion_id=new_id(),
                    call_id=row.call_id,
                    position=position,
                    name=f"评审因素{position}",
                    kind=kind,
                    weight=weight,
                    guide="按方案优劣打分",
                )
            )
        work.session.flush()
        opening.prepare(work, row, [who.person_id for who, _ in named])
        funds.commit(work, line.budget_line_id, row.ceiling_fen, "call", row.call_id, "发布")
        row.state, row.number = "published", f"CG-{new_id().hex[-8:]}"
        row.published_at, row.deadline_at = work.now, work.now + takes
        row.questions_until = work.now + takes / 2
        work.session.flush()
        return Published(service, row.call_id, made, named, line.budget_line_id)


def _call(now: datetime, method: Method, ceiling: int, line_id: UUID, invited: Sequence[UUID]) -> CallRow:
    return CallRow(
        call_id=new_id(),
        title="2027 年居家养老服务",
        description="上门生活照料",
        method=method.value,
        method_reason="",
        state="draft",
        theme="elder_care",
        beneficiaries=["old"],
        budget_line_id=line_id,
        gate_number="准入〔2026〕1号",
        gate_day=date(2026, 10, 1),
        gate_approver="市民政局",
        ceiling_fen=ceiling,
        allowed_kinds=["social_organisation"],
        papers=[],
        invited=list(invited),
        bid_bond_percent=0,
        performance_bond_percent=0,
        made_at=now,
    )


def _line(lot_id: UUID, position: int, units: int) -> LotLineRow:
    return LotLineRow(
        lot_line_id=new_id(),
        lot_id=lot_id,
        position=position,
        name=f"生活照料{position}",
        kinds=["care"],
        community_ids=[new_id()],
        unit="hour",
        rounding_minutes=15,
        wasted_trip=0,
        units=units,
        unit_ceiling_fen=UNIT_CEILING,
    )


@dataclass
class Bidder:
    """An organisation that bids for one lot, as its dispatcher does."""

    call: Published
    lot: int = 0
    organisation_id: UUID = field(default=None)  # type: ignore[assignment]
    bid_id: str = ""

    def __post_init__(self) -> None:
        self.organisation_id = self.organisation_id or organisation(self.call.service)
        self.who = caller(Role.DISPATCHER, ScopeKind.ORGANISATION, self.organisation_id)
        self.session = self.call.service.as_(self.who)

    def begin(self) -> "Bidder":
        lot_id, _ = self.call.lots[self.lot]
        answer = self.session.post(
            f"/lots/{lot_id}/bids", json={"organisation_id": str(self.organisation_id)}
        )
        assert answer.status_code in {200, 201}, answer.text
        self.bid_id = answer.json()["id"]
        return self

    def shown(self) -> Any:
        return self.session.get(f"/bids/{self.bid_id}").json()

    def match(self) -> dict[str, str]:
        return {"If-Match": f'"{self.shown()["version"]}"'}

    def body(self, *prices: int, **more: Any) -> dict[str, Any]:
        _, lines = self.call.lots[self.lot]
        return {
            "prices": [
                {"lot_line_id": str(line), "unit_price_fen": price}
                for line, price in zip(lines, prices, strict=False)
            ],
            "capacity": "护理员 12 人",
            "plan": "每周上门两次",
            **more,
        }

    def write(self, *prices: int, **more: Any) -> Any:
        return self.session.put(
            f"/bids/{self.bid_id}/draft",
            json=self.body(*prices, **more),
            headers=self.match() | {"Idempotency-Key": f"write-{new_id()}"},
        )

    def submit(self, **more: Any) -> Any:
        headers = self.match() | {"Idempotency-Key": f"submit-{new_id()}"}
        return self.session.post(
            f"/bids/{self.bid_id}/submission", json={"alone": True, **more}, headers=headers
        )

    def bid(self, *prices: int, **more: Any) -> Any:
        """Write and submit: the receipt."""
        self.begin()
        written = self.write(*prices, **more)
        assert written.status_code == 200, written.text
        answer = self.submit()
        assert answer.status_code == 201, answer.text
        return answer.json()


def open_by(call: Published, *openers: tuple[Caller, str]) -> Any:
    """Have openers type their codes: the last one's answer."""
    answer = None
    for who, code in openers or call.openers[:2]:
        answer = call.service.as_(who).post(f"/calls/{call.call_id}/opening", json={"code": code})
    return answer
