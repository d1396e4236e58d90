"""Claims and payments (domain.md 8.19; regulation, 45): only what was accepted, each visit once, never above the price."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc, func, select, text

from services.projects.awards.tables import AgreementRow
from services.projects.calls.tables import NoticeRow
from services.projects.contracts.tables import BalanceRow, ContractRow
from services.projects.deliveries.tables import DeliveryRow, EntryRow
from services.projects.funds.tables import BudgetEntryRow, BudgetLineRow
from services.projects.payments.tables import ClaimEntryRow, ClaimRow, PaymentRow, RefundRow
from shared.contracts.codes import Role, ScopeKind
from shared.contracts.contracts import ContractChanged
from shared.contracts.payments import PaymentMade
from shared.contracts.visits import DeliveryAccepted
from shared.ids import new_id
from tests.buying import Purchase, purchase
from tests.conftest import NewDatabase
from tests.integration.test_awards import change, signed, the_lines, told
from tests.integration.test_projects import confirmed, staffed, take
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

START = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MONTH = "2026-12-01"  # contracts are in force from 8 December on


@pytest.fixture(scope="module")
def running(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(START)) as service:
        yield service


@pytest.fixture
def service(running: ServiceUnderTest) -> ServiceUnderTest:
    assert running.clock is not None
    running.clock.at = START
    return running


class Bought:
    """A contract in force whose visits are delivered, accepted, claimed and paid."""

    def __init__(self, service: ServiceUnderTest, price: int = 4000, **more: Any) -> None:
        assert service.clock is not None
        service.clock.at = START
        self.service = service
        self.buying: Purchase = purchase(service, [(price, price + 1, price + 2)], **more).scored()
        self.contract_id = signed(self.buying)
        self.line_id = the_lines(service, self.contract_id)[0]
        self.bureau, self.own = self.buying.bureau, self.buying.dispatcher(0)
        self.payer = self.buying.bureau
        self.moments = 0

    def deliver(self, visit: UUID, minutes: int, revision: int = 1) -> None:
        now = self.service.clock() if self.service.clock else START
        take(
            self.service,
            confirmed(self.line_id, visit, visit, revision, minutes, started_at=now, confirmed_at=now),
        )

    def accept(self, visit: UUID, accepted: bool = True) -> None:
        self.moments += 1
        said = DeliveryAccepted(
            visit_id=visit,
            accepted=accepted,
            by_role="family",
            accepted_at=START + timedelta(seconds=self.moments),
        )
        take(self.service, said)

    def served(self, minutes: int = 60) -> UUID:
        visit = new_id()
        self.deliver(visit, minutes)
        self.accept(visit)
        return visit

    def claim(self) -> Any:
        return self.own.post(f"/contracts/{self.contract_id}/claims", json={"month": MONTH})

    def check(self, claim_id: str) -> Any:
        return self.bureau.post(f"/claims/{claim_id}/check")

    def pay(self, claim_id: str) -> Any:
        return self.payer.post(
            f"/claims/{claim_id}/pay", json={"reference": "20261208-1", "paid_on": "2026-12-08"}
        )

    def refuse(self, claim_id: str) -> Any:
        return self.bureau.post(f"/claims/{claim_id}/refuse", json={"reason": "与签到不符"})

    def paid(self) -> Any:
        """What is claimable, claimed and paid in one go."""
        claim_id = self.claim().json()["id"]
        assert self.check(claim_id).status_code == 200
        answer = self.pay(claim_id)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def row(self) -> ContractRow:
        with self.service.database.work() as work:
            return work.session.get_one(ContractRow, UUID(self.contract_id))


def test_from_an_accepted_visit_to_a_payment(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit = new_id()
    bought.deliver(visit, 80)
    assert bought.claim().json()["code"] == "nothing_accepted", "delivered is not accepted"
    bought.accept(visit)
    bought.served(60)
    claim = bought.claim()
    assert claim.status_code == 201, claim.text
    shown = bought.own.get(f"/claims/{claim.json()['id']}").json()
    assert (shown["amount_fen"], len(shown["entries"])) == (6000 + 4000, 2)
    assert bought.claim().json()["code"] == "claim_open"
    assert bought.pay(claim.json()["id"]).json()["code"] == "claim_state", "not checked yet"
    assert bought.check(claim.json()["id"]).status_code == 200
    paid_on = {"reference": "20261208-1", "paid_on": "2026-12-08"}
    alone = bought.bureau.post(f"/claims/{claim.json()['id']}/pay", json=paid_on)
    assert (alone.status_code, alone.json()["code"]) == (409, "checked_by_payer")
    assert "不相容岗位相互分离" in alone.json()["detail"]
    assert bought.bureau.get(f"/claims/{claim.json()['id']}").json()["checked_by_reader"]
    assert bought.pay(claim.json()["id"]).status_code == 201
    assert bought.pay(claim.json()["id"]).json()["code"] == "claim_state", "once"
    assert bought.buying.line()[:2] == (390_000, 10_000)
    assert bought.row().paid_fen == 10_000
    assert told(service, bought.contract_id, PaymentMade)[-1].fen == 10_000
    assert told(service, bought.contract_id, ContractChanged)[-1].paid_fen == 10_000
    assert bought.claim().json()["code"] == "nothing_accepted", "each visit is claimed once"
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    assert stranger.get(f"/claims/{claim.json()['id']}").status_code == 403
    assert stranger.get("/payments").json()["items"] == []
    assert len(bought.own.get("/payments").json()["items"]) == 1
    with service.database.work() as work:
        payment = work.session.scalars(
            select(PaymentRow).where(PaymentRow.contract_id == UUID(bought.contract_id))
        ).one()
        work.session.scalars(select(NoticeRow).where(NoticeRow.about_id == payment.payment_id)).one()


def test_a_refused_claim_frees_its_entries(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    bought.served()
    first = bought.claim().json()["id"]
    assert bought.refuse(first).status_code == 200
    assert bought.own.get(f"/claims/{first}").json()["refused_reason"] == "与签到不符"
    second = bought.claim()
    assert second.status_code == 201, second.text


def test_acceptance_taken_back_before_payment_stops_it(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit, other = bought.served(), bought.served(120)
    claim_id = bought.claim().json()["id"]
    assert bought.check(claim_id).status_code == 200
    bought.accept(visit, False)
    answer = bought.pay(claim_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_accepted")
    assert "第四十五条" in answer.json()["detail"]
    assert bought.refuse(claim_id).status_code == 200
    assert bought.paid()["fen"] == 8000, f"without {visit}; {other} still counts"


def test_what_was_paid_and_falls_is_taken_off_the_next_claim(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit = bought.served(120)
    assert bought.paid()["fen"] == 8000
    bought.deliver(visit, 60, revision=2)  # the centre corrects two hours to one
    bought.accept(visit)
    assert bought.claim().json()["code"] == "nothing_accepted", "4000 less 8000"
    bought.served(120)
    claim_id = bought.claim().json()["id"]
    shown = bought.own.get(f"/claims/{claim_id}").json()
    assert sorted(e["amount_fen"] for e in shown["entries"]) == [-8000, 4000, 8000]
    assert bought.refuse(claim_id).status_code == 200
    assert bought.paid()["fen"] == 4000, "the same once more after a refusal"
    assert bought.row().paid_fen == 12_000
    assert bought.claim().json()["code"] == "nothing_accepted"


def test_a_disputed_visit_is_not_paid_until_it_is_corrected(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit = bought.served()
    said = bought.own.post(f"/deliveries/{visit}/dispute", json={"reason": "实际两小时"})
    assert said.status_code == 200, said.text
    assert bought.claim().json()["code"] == "nothing_accepted"
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    assert stranger.post(f"/deliveries/{visit}/dispute/withdraw").status_code == 403
    assert bought.own.post(f"/deliveries/{visit}/dispute/withdraw").status_code == 200
    assert bought.own.get(f"/contracts/{bought.contract_id}/claimable").json()["amount_fen"] == 4000
    bought.own.post(f"/deliveries/{visit}/dispute", json={"reason": "实际两小时"})
    bought.deliver(visit, 120, revision=2)
    assert bought.paid()["fen"] == 8000


def test_a_refused_visit_is_a_dispute_with_a_clock_that_the_bureau_decides(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    first, second, third = (bought.served() for _ in range(3))
    for visit in (first, second, third):
        bought.accept(visit, False)
    assert bought.claim().json()["code"] == "nothing_accepted", "no payment meanwhile"
    assert service.clock is not None
    auditor = service.as_(caller(Role.AUDITOR))

    def waiting(of: Any) -> Any:
        return [
            each
            for each in of.get("/refusals?limit=500").json()["items"]
            if each["contract_id"] == bought.contract_id
        ]

    for reader in (bought.bureau, bought.own, auditor):
        found = waiting(reader)
        assert {each["visit_id"] for each in found} == {str(v) for v in (first, second, third)}
        assert {(each["due_on"], each["overdue"], each["amount_fen"]) for each in found} == {
            ("2026-12-17", False, 4000)
        }, "seven working days from Tuesday 8 December"
    stranger = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    assert stranger.get("/refusals").json() == {"items": [], "next": None, "open": 0, "overdue": 0}
    by = {each["visit_id"]: each["refusal_id"] for each in found}
    decision = {"payable": True, "reason": "签到和照料中心记录一致"}
    for reader, status in ((bought.own, 403), (auditor, 403), (bought.bureau, 200), (bought.bureau, 409)):
        answer = reader.post(f"/refusals/{by[str(first)]}/decision", json=decision)
        assert answer.status_code == status, answer.text
    assert bought.own.get(f"/contracts/{bought.contract_id}/claimable").json()["amount_fen"] == 4000
    unpaid = {"payable": False, "reason": "实际没有上门"}
    assert bought.bureau.post(f"/refusals/{by[str(second)]}/decision", json=unpaid).status_code == 200
    service.clock.at += timedelta(days=12)
    late = bought.own.get("/refusals").json()
    assert [each["overdue"] for each in late["items"]] == [True]
    assert (late["open"], late["overdue"]) == (1, 1)
    bought.accept(third)
    assert waiting(bought.own) == []
    ended = bought.own.get("/refusals?ended=true").json()["items"]
    assert {each["visit_id"]: each["outcome"] for each in ended} == {
        str(first): "payable",
        str(second): "not_payable",
        str(third): "accepted",
    }
    assert bought.paid()["fen"] == 8000
    bought.deliver(first, 120, revision=2)  # corrected: what was decided was of the revision before
    assert [each["visit_id"] for each in waiting(bought.own)] == [str(first)]
    invariants(bought)


def test_rounding_each_visit_never_lifts_the_sum_above_the_price(service: ServiceUnderTest) -> None:
    bought = Bought(service, 3333, units=200, ceiling_fen=10_000)  # two hours at 33.33: 66.66
    for _ in range(8):
        bought.served(15)  # 8.3325, rounded up to 8.33 or 8.34
    price = bought.row().price_fen
    assert price == 6666
    assert bought.paid()["fen"] <= 6666
    with service.database.work() as work:
        owed = work.session.scalar(
            select(func.sum(EntryRow.amount_fen)).where(EntryRow.line_id == bought.line_id)
        )
    assert bought.row().paid_fen == min(owed, 6666)


def test_the_database_refuses_a_payment_without_acceptance(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit = bought.served()
    claim_id = bought.claim().json()["id"]
    bought.accept(visit, False)
    with pytest.raises(exc.IntegrityError, match="not accepted"), service.database.work() as work:
        work.session.execute(
            text(
                "INSERT INTO payment (payment_id, budget_line_id, organisation_id, contract_id, claim_id, fen, reference,"
                " paid_on, at) VALUES (gen_random_uuid(), :line, :organisation, :contract, :claim, 4000, 'x',"
                " '2026-12-08', now())"
            ),
            {
                "line": bought.buying.budget_line_id,
                "organisation": bought.buying.organisations[0],
                "contract": bought.contract_id,
                "claim": claim_id,
            },
        )


def test_what_was_paid_too_much_comes_back_before_a_contract_is_closed(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    visit = bought.served(120)
    bought.paid()
    bought.deliver(visit, 60, revision=2)
    bought.accept(visit)
    assert change(bought.buying, bought.contract_id, "termination").status_code == 201
    path, body = f"/contracts/{bought.contract_id}/close", {"result": "验收合格，多付已退回"}
    assert bought.bureau.post(path, json=body).json()["params"]["fen"] == "40.00"
    back = {"refund": {"reference": "20261208-9", "received_on": "2026-12-08"}}
    done = bought.bureau.post(path, json=body | back)
    assert done.status_code == 200, done.text
    assert bought.buying.line()[:2] == (0, 4000)
    assert bought.row().paid_fen == 4000
    assert [p.fen for p in told(service, bought.contract_id, PaymentMade)] == [8000, -4000]
    invariants(bought)


def test_two_who_pay_at_once_pay_once(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    bought.served()
    claim_id = bought.claim().json()["id"]
    bought.check(claim_id)
    assert sorted(at_once([lambda: bought.pay(claim_id)] * 4)) == [201, 409, 409, 409]
    assert bought.row().paid_fen == 4000
    assert bought.buying.line()[1] == 4000


def at_once(asked: list[Any]) -> list[int]:
    codes: list[int] = []
    threads = [threading.Thread(target=lambda ask=ask: codes.append(ask().status_code)) for ask in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def test_closing_releases_the_rest_and_closes_the_call(service: ServiceUnderTest) -> None:
    bought = Bought(service)
    bought.served()
    path = f"/contracts/{bought.contract_id}/close"
    body = {"result": "按合同完成，验收合格"}
    assert bought.bureau.post(path, json=body).json()["code"] == "contract_running"
    assert change(bought.buying, bought.contract_id, "termination").status_code == 201
    assert bought.bureau.post(path, json=body).json()["code"] == "unclaimed"
    bought.paid()
    done = bought.bureau.post(path, json=body)
    assert done.status_code == 200, done.text
    assert bought.buying.line()[:2] == (0, 4000)
    assert bought.buying.state() == "closed"
    assert bought.bureau.post(path, json=body).json()["code"] == "contract_closed"
    assert bought.claim().json()["code"] == "contract_closed"
    with service.database.work() as work:
        notice = work.session.scalars(
            select(NoticeRow).where(
                NoticeRow.about_id == UUID(bought.contract_id), NoticeRow.kind == "acceptance"
            )
        ).one()
    assert notice.body["lines"][0]["accepted"] == 100


Step = tuple[str, int, int]
ACTS = (
    "reserve",
    "deliver",
    "accept",
    "refuse",
    "dispute",
    "claim",
    "check",
    "pay",
    "refuse_claim",
    "add",
    "reduce",
    "suspend",
    "resume",
    "terminate",
    "close",
    "serve",
    "pay_all",
    "pay_and_take_back",
    "all_at_once",
)


def invariants(bought: Bought) -> None:
    """8.19's equation; line = committed + spent + free; each sum is the sum of its entries; paid within accepted and price."""
    with bought.service.database.work() as work:
        session = work.session
        contract = session.get_one(ContractRow, UUID(bought.contract_id))
        balance = session.get_one(BalanceRow, bought.line_id)
        line = session.get_one(BudgetLineRow, bought.buying.budget_line_id)
        closed = session.get_one(AgreementRow, UUID(bought.contract_id)).closed_at is not None
        paid = session.scalar(
            select(func.coalesce(func.sum(PaymentRow.fen), 0)).where(
                PaymentRow.contract_id == contract.contract_id
            )
        )
        back = session.scalar(
            select(func.sum(RefundRow.fen)).where(RefundRow.contract_id == contract.contract_id)
        )
        moved = session.execute(
            select(
                func.sum(BudgetEntryRow.allocated_fen),
                func.sum(BudgetEntryRow.committed_fen),
                func.sum(BudgetEntryRow.spent_fen),
            ).where(BudgetEntryRow.budget_line_id == line.budget_line_id)
        ).one()
        listed = session.execute(
            select(ClaimEntryRow.entry_id, ClaimEntryRow.amount_fen)
            .join(ClaimRow, ClaimRow.claim_id == ClaimEntryRow.claim_id)
            .where(ClaimRow.contract_id == contract.contract_id, ClaimRow.state == "paid")
        ).all()
        standing = dict(
            session.execute(
                select(EntryRow.entry_id, EntryRow.amount_fen)
                .join(DeliveryRow, DeliveryRow.attendance_id == EntryRow.attendance_id)
                .where(
                    EntryRow.line_id == bought.line_id,
                    ~EntryRow.reversal,
                    EntryRow.revision == DeliveryRow.revision,
                    DeliveryRow.accepted,
                )
            ).all()
        )
        lives = session.execute(
            select(func.sum(ClaimEntryRow.amount_fen))
            .join(ClaimRow, ClaimRow.claim_id == ClaimEntryRow.claim_id)
            .where(
                ClaimRow.contract_id == contract.contract_id,
                ClaimRow.state.in_(["submitted", "checked"]),
            )
        ).scalar()
    taken = balance.reserved + balance.delivered + balance.accepted
    assert balance.ceiling + balance.over == taken + balance.free
    assert line.allocated_fen == line.committed_fen + line.spent_fen + line.free_fen
    assert tuple(moved) == (line.allocated_fen, line.committed_fen, line.spent_fen)
    assert contract.price_fen is not None
    assert contract.paid_fen == int(paid or 0) - int(back or 0) == line.spent_fen
    assert contract.paid_fen + int(lives or 0) <= contract.price_fen
    assert line.committed_fen == (0 if closed else contract.price_fen - contract.paid_fen)
    by_entry: dict[UUID, int] = {}
    for entry_id, amount in listed:
        by_entry[entry_id] = by_entry.get(entry_id, 0) + amount
    for entry_id, amount in by_entry.items():
        assert amount >= 0, "nothing is taken back twice"
        assert amount <= standing.get(entry_id, amount), "nothing is paid twice"
    fallen = sum(amount for entry_id, amount in by_entry.items() if entry_id not in standing)
    assert contract.paid_fen - fallen <= sum(standing.values()), (
        "paid is accepted, but for what falls off the next claim"
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.integers(0, 240)), max_size=25))
def test_whatever_happens_units_and_money_add_up(running: ServiceUnderTest, history: list[Step]) -> None:
    bought = Bought(running, 3333, units=700, ceiling_fen=40_000)
    visits = [new_id() for _ in range(4)]
    versions, revisions = [0] * 4, [0] * 4
    first: list[Step] = [("serve", 0, 60), ("pay_all", 0, 0)]
    last: list[Step] = [(act, 0, 0) for act in ("terminate", "refuse_claim", "pay_all", "close")]
    for act, which, amount in [*first, *history, *last]:
        play(bought, act, visits[which], which, amount, versions, revisions)
        invariants(bought)
    assert bought.bureau.get(f"/contracts/{bought.contract_id}/agreement").json()["closed_at"], (
        "whatever happened, the contract can be closed"
    )


def last_claim(bought: Bought) -> str:
    items = bought.own.get(f"/contracts/{bought.contract_id}/claims").json()["items"]
    return items[0]["claim_id"] if items else str(new_id())


def play(
    bought: Bought, act: str, visit: UUID, which: int, amount: int, versions: list[int], revisions: list[int]
) -> None:
    """One step. What the rules refuse is refused; nothing ever answers 500."""
    line = [{"line_id": str(bought.line_id), "units": max(amount, 1)}]
    answers: list[int] = []
    match act:
        case "reserve":
            versions[which] += 1
            take(bought.service, staffed(bought.line_id, visit, visit, versions[which], amount))
        case "deliver":
            revisions[which] += 1
            bought.deliver(visit, amount, revisions[which])
        case "accept" | "refuse":
            bought.accept(visit, act == "accept")
        case "dispute":
            answers.append(
                bought.own.post(f"/deliveries/{visit}/dispute", json={"reason": "不对"}).status_code
            )
        case "claim":
            answers.append(bought.claim().status_code)
        case "check":
            answers.append(bought.check(last_claim(bought)).status_code)
        case "pay":
            answers.append(bought.pay(last_claim(bought)).status_code)
        case "refuse_claim":
            answers.append(bought.refuse(last_claim(bought)).status_code)
        case "add":
            answers.append(change(bought.buying, bought.contract_id, "addition", lines=line).status_code)
        case "reduce":
            answers.append(change(bought.buying, bought.contract_id, "reduction", lines=line).status_code)
        case "suspend" | "resume" | "terminate":
            kind = {"suspend": "suspension", "resume": "resumption", "terminate": "termination"}[act]
            answers.append(change(bought.buying, bought.contract_id, kind).status_code)
        case "close":
            path = f"/contracts/{bought.contract_id}/close"
            first = bought.bureau.post(path, json={"result": "验收合格"})
            answers.append(first.status_code)
            if first.status_code == 409 and first.json()["code"] == "to_give_back":
                back = {"reference": "退1", "received_on": "2026-12-08"}
                last = bought.bureau.post(path, json={"result": "验收合格", "refund": back})
                assert last.status_code == 200, last.text
        case "serve":
            revisions[which] += 1
            bought.deliver(visit, max(amount, 15), revisions[which])
            bought.accept(visit)
        case "pay_all" | "pay_and_take_back":
            bought.claim()
            bought.check(last_claim(bought))
            bought.pay(last_claim(bought))
            if act == "pay_and_take_back":
                bought.accept(visit, False)
        case "all_at_once":
            claim_id = last_claim(bought)
            answers += at_once(
                [
                    bought.claim,
                    lambda: bought.check(claim_id),
                    lambda: bought.pay(claim_id),
                    lambda: bought.refuse(claim_id),
                    lambda: change(bought.buying, bought.contract_id, "addition", lines=line),
                    lambda: change(bought.buying, bought.contract_id, "reduction", lines=line),
                ]
            )
    assert all(code < 500 for code in answers), (act, answers)
