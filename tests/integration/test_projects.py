"""The projects service over its own database: contracts, balances, deliveries, staff (domain.md 8.16, 8.19)."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc, func, select, text
from stdnum.cn import uscc

from services.projects import handlers
from services.projects.contracts.tables import BalanceRow
from services.projects.deliveries.tables import EntryRow
from shared.contracts.carers import CarerChanged
from shared.contracts.codes import Capacity, Outcome, Role, ScopeKind, ServiceKind, SlotState
from shared.contracts.staffing import Slot, StaffingChanged
from shared.contracts.visits import AttendanceConfirmed, DeliveryAccepted
from shared.database.outbox import OutboxRow
from shared.ids import carer_id, new_id
from shared.messaging.handlers import Retry
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
COMMUNITY = new_id()
CODES = (f"5232108{n:010d}" for n in range(1, 10_000))


def credit_code() -> str:
    body = next(CODES)
    return body + uscc.calc_check_digit(body)


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), MovableClock(NOW)) as running:
        yield running


def bureau(service: ServiceUnderTest) -> Any:
    return service.as_(caller(Role.BUREAU))


def organisation(service: ServiceUnderTest) -> UUID:
    body = {
        "name": "康乐为老服务中心",
        "kind": "social_organisation",
        "credit_code": credit_code(),
        "phone": "0514-83400000",
        "address": "解放东路1号",
        "lon": 119.18,
        "lat": 32.27,
    }
    answer = bureau(service).post("/organisations", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def line(service: ServiceUnderTest, ceiling: int, **more: Any) -> tuple[UUID, UUID]:
    """A line of a fresh contract: the organisation's id and the line's."""
    provider = organisation(service)
    contract = bureau(service).post(
        "/contracts",
        json={
            "organisation_id": str(provider),
            "number": str(new_id()),
            "title": "政府购买居家养老服务",
            "fund": "社区建设专项资金",
            "theme": "居家养老",
            "beneficiary": "为老",
            "signed": "2026-01-05",
            "valid_from": "2026-01-10",
            "valid_to": "2026-12-31",
        },
    )
    assert contract.status_code == 201, contract.text
    body = {
        "name": "生活照料",
        "kinds": ["care"],
        "community_ids": [str(COMMUNITY)],
        "unit": "hour",
        "ceiling": ceiling,
        "unit_price_fen": 4550,
        "wasted_trip": 50,
        **more,
    }
    made = bureau(service).post(f"/contracts/{contract.json()['id']}/lines", json=body)
    assert made.status_code == 201, made.text
    return provider, UUID(made.json()["id"])


def balance(service: ServiceUnderTest, line_id: UUID) -> BalanceRow:
    with service.database.work() as work:
        return work.session.get_one(BalanceRow, line_id)


def staffed(line_id: UUID, visit: UUID, person: UUID, version: int, units: int) -> StaffingChanged:
    slot = Slot(
        assignment_id=new_id(),
        slot=1,
        carer_id=new_id(),
        person_id=person,
        capacity=Capacity.EMPLOYED,
        organisation_id=new_id(),
        line_id=line_id,
        units=units,
        state=SlotState.ROSTERED,
        start=NOW,
        end=NOW + timedelta(hours=1),
    )
    return StaffingChanged(visit_id=visit, staffing_version=version, carers=1, slots=(slot,) if units else ())


def confirmed(
    line_id: UUID | None, visit: UUID, person: UUID, revision: int, minutes: int, **more: Any
) -> AttendanceConfirmed:
    return AttendanceConfirmed.model_validate(
        {
            "visit_id": visit,
            "attendance_id": visit,
            "revision": revision,
            "person_id": person,
            "carer_id": new_id(),
            "capacity": Capacity.EMPLOYED,
            "organisation_id": new_id(),
            "line_id": line_id,
            "kind": ServiceKind.CARE,
            "community_id": COMMUNITY,
            "resident_ids": (new_id(),),
            "outcome": Outcome.DONE,
            "started_at": NOW,
            "ended_at": NOW + timedelta(minutes=minutes),
            "minutes": minutes,
            "responsible_person_id": new_id(),
            "confirmed_by": new_id(),
            "confirmed_at": NOW,
            **more,
        }
    )


def take(service: ServiceUnderTest, event: Any) -> None:
    by_kind = {
        StaffingChanged: handlers.staffing,
        AttendanceConfirmed: handlers.attendance,
        DeliveryAccepted: handlers.acceptance,
    }
    with service.database.work() as work:
        by_kind[type(event)](work, event)


def test_8_19_reserved_delivered_accepted_free(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 1000)
    visit, person = new_id(), new_id()
    take(service, staffed(line_id, visit, person, 1, 100))
    assert (balance(service, line_id).reserved, balance(service, line_id).free) == (100, 900)
    take(service, confirmed(line_id, visit, person, 1, 80))
    now = balance(service, line_id)
    assert (now.reserved, now.delivered, now.free) == (0, 150, 850), (
        "80 minutes are 90, rounded up to quarters"
    )
    accepted = DeliveryAccepted(visit_id=visit, accepted=True, by_role="resident", accepted_at=NOW)
    take(service, accepted)
    now = balance(service, line_id)
    assert (now.delivered, now.accepted) == (0, 150)
    with service.database.work() as work:
        entry = work.session.scalars(select(EntryRow).where(EntryRow.line_id == line_id)).one()
    assert (entry.units, entry.amount_fen) == (150, 6825)


def test_8_19_a_wasted_trip_counts_what_the_line_says_and_a_no_show_nothing(
    service: ServiceUnderTest,
) -> None:
    _, line_id = line(service, 1000)
    take(service, confirmed(line_id, new_id(), new_id(), 1, 0, outcome=Outcome.NO_ANSWER))
    take(service, confirmed(line_id, new_id(), new_id(), 1, 0, outcome=Outcome.CARER_ABSENT))
    assert balance(service, line_id).delivered == 50


def test_8_2_volunteers_never_stand_in_the_delivery_ledger(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 1000)
    take(service, confirmed(line_id, new_id(), new_id(), 1, 60, capacity=Capacity.VOLUNTEER))
    take(service, confirmed(line_id, new_id(), new_id(), 1, 60, capacity=Capacity.STIPENDED))
    now = balance(service, line_id)
    assert (now.delivered, now.free) == (0, 1000)


def test_more_than_the_line_has_is_a_disputed_entry(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 100)
    for _ in range(2):
        take(service, confirmed(line_id, new_id(), new_id(), 1, 60))
    now = balance(service, line_id)
    assert (now.delivered, now.free, now.over) == (200, 0, 100)
    with service.database.work() as work:
        flags = work.session.scalars(
            select(EntryRow.disputed).where(EntryRow.line_id == line_id).order_by(EntryRow.recorded_at)
        ).all()
    assert sorted(flags) == [False, True]


def test_ten_deliveries_at_once_are_all_counted(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 500)
    threads = [
        threading.Thread(target=take, args=(service, confirmed(line_id, new_id(), new_id(), 1, 60)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = balance(service, line_id)
    assert (now.delivered, now.over) == (1000, 500)


def test_a_ceiling_is_not_lowered_below_what_is_taken(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 1000)
    take(service, staffed(line_id, new_id(), new_id(), 1, 300))
    low = bureau(service).patch(f"/lines/{line_id}", json={"ceiling": 200}, headers={"If-Match": '"1"'})
    assert (low.status_code, low.json()["code"]) == (409, "ceiling_taken")
    good = bureau(service).patch(f"/lines/{line_id}", json={"ceiling": 400}, headers={"If-Match": '"1"'})
    assert good.status_code == 200, good.text
    assert balance(service, line_id).free == 100


def test_entries_are_never_changed(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 1000)
    take(service, confirmed(line_id, new_id(), new_id(), 1, 60))
    with pytest.raises(exc.DBAPIError), service.database.work() as work:
        work.session.execute(text("UPDATE delivery_entry SET units = 0"))


Step = tuple[str, int, int]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reserve", "release", "deliver", "accept", "refuse"]),
            st.integers(0, 3),
            st.integers(0, 240),
        ),
        max_size=25,
    )
)
def test_whatever_happens_the_sums_hold(service: ServiceUnderTest, history: list[Step]) -> None:
    _, line_id = line(service, 700)
    visits = [(new_id(), new_id()) for _ in range(4)]
    versions, revisions, moments = [0] * 4, [0] * 4, 0
    for act, which, amount in history:
        visit, person = visits[which]
        if act in {"reserve", "release"}:
            versions[which] += 1
            take(service, staffed(line_id, visit, person, versions[which], amount if act == "reserve" else 0))
        elif act == "deliver":
            revisions[which] += 1
            take(service, confirmed(line_id, visit, person, revisions[which], amount))
        else:
            moments += 1
            said = DeliveryAccepted(
                visit_id=visit,
                accepted=act == "accept",
                by_role="centre",
                accepted_at=NOW + timedelta(seconds=moments),
            )
            take(service, said)
        now = balance(service, line_id)
        assert now.ceiling + now.over == now.reserved + now.delivered + now.accepted + now.free
        with service.database.work() as work:
            units = work.session.scalar(
                select(func.coalesce(func.sum(EntryRow.units), 0)).where(EntryRow.line_id == line_id)
            )
        assert units == now.delivered + now.accepted


def test_a_correction_waits_for_what_it_corrects(service: ServiceUnderTest) -> None:
    _, line_id = line(service, 1000)
    visit, person = new_id(), new_id()
    with pytest.raises(Retry):
        take(service, confirmed(line_id, visit, person, 2, 60))
    take(service, confirmed(line_id, visit, person, 1, 120))
    take(service, confirmed(line_id, visit, person, 2, 60))
    assert balance(service, line_id).delivered == 100


def test_8_16_staff_are_the_own_organisations_and_leave_is_told(service: ServiceUnderTest) -> None:
    provider = organisation(service)
    own = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, provider))
    other = service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, new_id()))
    person = new_id()
    body = {
        "person_id": str(person),
        "organisation_id": str(provider),
        "name": "周海燕",
        "sex": "female",
        "birth_date": "1978-02-03",
        "phone": "13800000000",
        "skills": ["care"],
        "weekly": [{"weekday": 0, "start": 480, "end": 1020}],
    }
    assert other.post("/staff", json=body).status_code == 403
    assert own.post("/staff", json=body).status_code == 201
    leave = {"starts_at": "2026-12-01T08:00:00+08:00", "ends_at": "2026-12-01T18:00:00+08:00"}
    assert other.post(f"/staff/{person}/leave", json=leave).status_code == 404
    assert own.post(f"/staff/{person}/leave", json=leave).status_code == 201
    with service.database.work() as work:
        told = work.session.scalars(
            select(OutboxRow)
            .where(OutboxRow.key == str(carer_id(person, provider)))
            .order_by(OutboxRow.pos.desc())
            .limit(1)
        ).one()
    state = CarerChanged.model_validate_json(told.payload)
    assert len(state.busy) == 1
    assert "周海燕" not in told.payload.decode()


def test_a_wrong_credit_code_is_refused(service: ServiceUnderTest) -> None:
    body = {
        "name": "某中心",
        "kind": "firm",
        "credit_code": "52321081MJ00000017",
        "phone": "0514-83400000",
        "address": "某路",
        "lon": 119.18,
        "lat": 32.27,
    }
    answer = bureau(service).post("/organisations", json=body)
    assert answer.status_code == 422
    assert "校验位" in answer.text
