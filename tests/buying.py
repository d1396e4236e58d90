"""A purchase as tests need it: a call whose bids are open, with its budget line, lots, criteria and organisations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from stdnum.cn import uscc

from services.projects.bids.tables import BidRow, OpeningRow, SubmissionRow
from services.projects.calls.tables import CallRow, CriterionRow, LotLineRow, LotRow
from services.projects.deliveries.service import amount_fen
from services.projects.funds import service as funds
from services.projects.funds.schemas import NewBudgetLine, NewFund
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.security.caller import Caller
from tests.support import ServiceUnderTest, caller

NUMBERS = count(1)
UNITS = 10_000  # hundredths of an hour: 100 hours


@dataclass
class Purchase:
    """A call for one kind of care, and who bid in it. `bids` by lot, then as their prices were given."""

    service: ServiceUnderTest
    call_id: UUID
    budget_line_id: UUID
    ceiling_fen: int
    lots: list[UUID]
    criteria: dict[str, UUID]
    organisations: list[UUID]
    bids: list[list[UUID]]
    scorers: list[Caller] = field(default_factory=list)

    @property
    def bureau(self) -> Any:
        return self.service.as_(caller(Role.BUREAU))

    def dispatcher(self, which: int) -> Any:
        return self.service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, self.organisations[which]))

    def line(self) -> tuple[int, int, int]:
        """Committed, spent and free of its budget line."""
        with self.service.database.work() as work:
            row = funds.line(work, self.budget_line_id)
            return row.committed_fen, row.spent_fen, row.free_fen

    def state(self) -> str:
        with self.service.database.work() as work:
            return work.session.get_one(CallRow, self.call_id).state

    def named(self, people: int = 5) -> "Purchase":
        """Scorers are named, all experts."""
        self.scorers = [caller(Role.SCORER) for _ in range(people)]
        body = {"scorers": [{"person_id": str(s.person_id), "expert": True} for s in self.scorers]}
        answer = self.bureau.post(f"/calls/{self.call_id}/scorers", json=body)
        assert answer.status_code == 201, answer.text
        return self

    def scored(self, points: Sequence[int] | None = None) -> "Purchase":
        """Everybody declares no conflict and gives the bids of each lot these points."""
        for scorer in self.scorers or self.named().scorers:
            own = self.service.as_(scorer)
            declared = own.post(f"/calls/{self.call_id}/declaration", json={"conflict": False})
            assert declared.status_code == 200, declared.text
            for lot in self.bids:
                for at, bid in enumerate(lot):
                    given = own.put(f"/calls/{self.call_id}/bids/{bid}/scores", json=self.points(points, at))
                    assert given.status_code == 200, given.text
            done = own.post(f"/calls/{self.call_id}/finish")
            assert done.status_code == 200, done.text
        return self

    def points(self, points: Sequence[int] | None, at: int) -> Any:
        given = points[at] if points else 8000
        return {
            "scores": [
                {"criterion_id": str(criterion), "points": given, "sentence": "方案完整"}
                for name, criterion in self.criteria.items()
                if name != "price"
            ]
        }


def organisation(service: ServiceUnderTest) -> UUID:
    """A fresh organisation, admitted."""
    number = f"5232109{next(NUMBERS):010d}"
    body = {
        "name": f"康乐为老服务中心{number[-4:]}",
        "kind": "social_organisation",
        "credit_code": number + uscc.calc_check_digit(number),
        "phone": "0514-83400000",
        "address": "解放东路1号",
        "lon": 119.18,
        "lat": 32.27,
    }
    answer = service.as_(caller(Role.BUREAU)).post("/organisations", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def purchase(
    service: ServiceUnderTest,
    unit_prices: Sequence[Sequence[int]] = ((4000, 4500, 5000),),
    *,
    method: str = "open_tender",
    winners: int = 1,
    units: int = UNITS,
    unit_ceiling_fen: int = 5000,
    ceiling_fen: int | None = None,
    free_fen: int = 1_000_000,
    price_weight: int = 30,
    days: tuple[date, date] = (date(2026, 11, 1), date(2027, 10, 31)),
    first: UUID | None = None,
) -> Purchase:
    """An opened call, one lot for each row of prices; `unit_prices` are what the organisations bid for an hour.

    In a venture they are the amounts asked for. `first`: the organisation of the first price, if not a fresh one.
    """
    venture = method == "venture"
    organisations = [organisation(service) for _ in range(max(map(len, unit_prices)))]
    organisations[:1] = [first or organisations[0]]
    assert service.clock is not None
    now = service.clock()
    lot_fen = ceiling_fen or amount_fen(units, unit_ceiling_fen)
    total = lot_fen * len(unit_prices)
    call_id, lots = new_id(), [new_id() for _ in unit_prices]
    lot_lines = [new_id() for _ in unit_prices]
    bids = [[new_id() for _ in prices] for prices in unit_prices]
    named = {"price": new_id(), "plan": new_id()} if price_weight else {"plan": new_id()}
    with service.database.work(caller(Role.BUREAU)) as work:
        fund = funds.add_fund(work, NewFund(name=f"社区建设专项资金{next(NUMBERS)}", year=2026))
        line = funds.add_line(
            work, fund, NewBudgetLine(name="居家养老", purpose="purchase", allocated_fen=total + free_fen)
        )
        funds.commit(work, line.budget_line_id, total, "call", call_id, "发布公告")
        call = CallRow(
            call_id=call_id,
            number=f"ZC2026-{next(NUMBERS)}",
            title="居家养老上门服务",
            description="",
            method=method,
            method_reason="",
            state="draft",
            theme="elder_care",
            beneficiaries=["old"],
            budget_line_id=line.budget_line_id,
            gate_number="仪社准〔2026〕7号",
            gate_day=date(2026, 9, 1),
            gate_approver="民政局",
            town_id=None,
            ceiling_fen=total,
            allowed_kinds=[],
            least_rating=None,
            papers=[],
            invited=[],
            bid_bond_percent=0,
            performance_bond_percent=5,
            consulted_from=None,
            consulted_until=None,
            published_at=now - timedelta(days=21),
            questions_until=None,
            deadline_at=now,
            public_key=b"k" * 32,
            opened_at=None,
            ended_at=None,
            ended_reason=None,
            predecessor_id=None,
            made_by=None,
            made_at=now - timedelta(days=40),
        )
        work.session.add(call)
        work.session.flush()
        for number, (lot_id, lot_line_id) in enumerate(zip(lots, lot_lines, strict=True), 1):
            work.session.add(
                LotRow(
                    lot_id=lot_id,
                    call_id=call_id,
                    number=number,
                    name=f"第{number}包",
                    ceiling_fen=lot_fen,
                    winners=winners,
                    valid_from=days[0],
                    valid_to=days[1],
                    state="open",
                    void_reason=None,
                )
            )
            work.session.flush()
            work.session.add(
                LotLineRow(
                    lot_line_id=lot_line_id,
                    lot_id=lot_id,
                    position=0,
                    name="生活照料",
                    kinds=["care"],
                    community_ids=[new_id()],
                    unit="hour",
                    rounding_minutes=15,
                    wasted_trip=50,
                    units=units,
                    unit_ceiling_fen=unit_ceiling_fen,
                )
            )
        weights = {"price": price_weight, "plan": 100 - price_weight}
        for at, (name, criterion_id) in enumerate(named.items()):
            work.session.add(
                CriterionRow(
                    criterion_id=criterion_id,
                    call_id=call_id,
                    position=at,
                    name=name,
                    kind="price" if name == "price" else "quality",
                    weight=weights[name],
                    guide="",
                )
            )
        work.session.flush()
        call.state = "published"
        work.session.flush()
        made: list[tuple[BidRow, SubmissionRow, int, dict[str, Any]]] = []
        for lot_at, prices in enumerate(unit_prices):
            for at, price in enumerate(prices):
                content: dict[str, Any] = {"plan": "方案", "capacity": "", "staff": [], "files": []}
                if venture:
                    content["asked_fen"], total_fen = price, price
                else:
                    content["prices"] = [{"lot_line_id": str(lot_lines[lot_at]), "unit_price_fen": price}]
                    total_fen = amount_fen(units, price)
                bid = BidRow(
                    bid_id=bids[lot_at][at],
                    call_id=call_id,
                    lot_id=lots[lot_at],
                    organisation_id=organisations[at],
                    state="submitted",
                    draft=None,
                    kept=None,
                    submission_id=None,
                    price_fen=None,
                    content=None,
                    refused_reason=None,
                    made_by=None,
                    made_at=now - timedelta(days=2),
                )
                work.session.add(bid)
                work.session.flush()
                sent = SubmissionRow(
                    submission_id=new_id(),
                    bid_id=bid.bid_id,
                    call_id=call_id,
                    number=1,
                    kind="bid",
                    sealed=b"sealed",
                    sha256="0" * 64,
                    signature=b"",
                    key_id="test",
                    by=None,
                    at=now - timedelta(days=1, minutes=-at),
                )
                work.session.add(sent)
                made.append((bid, sent, total_fen, content))
        work.session.flush()
        for bid, sent, total_fen, content in made:
            bid.submission_id = sent.submission_id
            bid.state, bid.price_fen, bid.content = "opened", total_fen, content
        call.state, call.opened_at = "opened", now
        record = [
            {
                "lot_id": str(lot_id),
                "number": number,
                "name": f"第{number}包",
                "least": 3,
                "submitted": len(own),
                "withdrawn": 0,
                "standing": len(own),
                "void": False,
                "bids": [_recorded(bid, sent) for bid, sent in own],
            }
            for number, lot_id in enumerate(lots, 1)
            for own in [[(bid, sent) for bid, sent, _, _ in made if bid.lot_id == lot_id]]
        ]
        work.session.add(
            OpeningRow(
                call_id=call_id,
                at=now,
                first_by=new_id(),
                second_by=new_id(),
                private_key=b"",
                record={"lots": record},
            )
        )
    return Purchase(service, call_id, line.budget_line_id, total, lots, named, organisations, bids)


def _recorded(bid: BidRow, sent: SubmissionRow) -> dict[str, Any]:
    return {
        "bid_id": str(bid.bid_id),
        "organisation_id": str(bid.organisation_id),
        "organisation": "承接主体",
        "submission_id": str(sent.submission_id),
        "number": sent.number,
        "at": sent.at.isoformat(),
        "sha256": sent.sha256,
        "state": bid.state,
        "price_fen": bid.price_fen,
        "refused_reason": None,
    }
