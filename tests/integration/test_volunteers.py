"""The volunteers service over its own database (domain.md 2, 8.1-8.3, 8.10; Order 67)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc, func, select, text

from services.volunteers import handlers
from services.volunteers.people.tables import AreaRow
from services.volunteers.record.service import post_earlier
from services.volunteers.record.tables import EntryRow
from shared.contracts.areas import AreaChanged
from shared.contracts.carers import CarerChanged, Place
from shared.contracts.codes import Capacity, Outcome, Role, ScopeKind, ServiceKind, SlotState
from shared.contracts.staffing import Slot, StaffingChanged
from shared.contracts.visits import AttendanceConfirmed
from shared.database.outbox import OutboxRow
from shared.database.work import Work
from shared.ids import carer_id, new_id
from shared.messaging.handlers import Retry
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

TOWN, COMMUNITY, CENTRE = new_id(), new_id(), new_id()
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test("volunteers", new_module_database("volunteers"), MovableClock(NOW)) as running:
        for area_id, level, parent in ((TOWN, "town", None), (COMMUNITY, "community", TOWN)):
            event = AreaChanged.model_validate(
                {
                    "area_id": area_id,
                    "area_version": 1,
                    "level": level,
                    "parent_id": parent,
                    "name": "天宁社区",
                    "centre": Place(lon=119.18, lat=32.27),
                }
            )
            with running.database.work() as work:
                handlers.area(work, event)
        yield running


def body(person_id: UUID, **more: Any) -> dict[str, Any]:
    return {
        "person_id": str(person_id),
        "name": "李春兰",
        "sex": "female",
        "birth_date": "1960-05-01",
        "phone": "13800000000",
        "community_id": str(COMMUNITY),
        "centre_id": str(CENTRE),
        "place": {"lon": 119.18345, "lat": 32.27123},
        "skills": ["companionship"],
        **more,
    }


def desk(service: ServiceUnderTest) -> Any:
    return service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, CENTRE))


def own(service: ServiceUnderTest, person_id: UUID) -> Any:
    return service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON, None, person_id))


def told(service: ServiceUnderTest, person_id: UUID) -> CarerChanged:
    with service.database.work() as work:
        row = work.session.scalars(
            select(OutboxRow)
            .where(OutboxRow.key == str(carer_id(person_id, None)))
            .order_by(OutboxRow.pos.desc())
            .limit(1)
        ).one()
        return CarerChanged.model_validate_json(row.payload)


def test_8_3_who_registers_alone_waits_for_approval_and_verification(service: ServiceUnderTest) -> None:
    person = new_id()
    assert own(service, person).post("/volunteers", json=body(person)).status_code == 201
    state = told(service, person)
    assert not state.active
    assert state.skills == frozenset()
    mine = own(service, person)
    assert mine.put(f"/volunteers/{person}/skills/companionship", json={"verified": True}).status_code == 403
    assert desk(service).put(f"/volunteers/{person}/skills/companionship", json={"verified": True}).is_success
    assert desk(service).post(f"/volunteers/{person}/approval", json={"approved": True}).is_success
    assert (
        desk(service)
        .put(f"/volunteers/{person}/clearances/lone", json={"valid_until": "2027-06-30"})
        .is_success
    )
    state = told(service, person)
    assert state.active
    assert state.skills == {"companionship"}
    assert state.lone_cleared_until == date(2027, 6, 30)
    assert state.base == Place(lon=119.183, lat=32.271)
    assert "李春兰" not in state.model_dump_json()


def test_8_1_stipended_duty_blocks_the_hours(service: ServiceUnderTest) -> None:
    from services.volunteers.people.schemas import NewVolunteer
    from services.volunteers.people.service import Extra, register_many

    person = new_id()
    with service.database.work() as work:
        new = NewVolunteer.model_validate(body(person))
        register_many(work, [(new, Extra(town_id=TOWN, stipended=((0, 9 * 60, 11 * 60),)))])
    weekly = [{"weekday": 0, "part": "morning"}, {"weekday": 0, "part": "afternoon"}]
    assert own(service, person).put(f"/volunteers/{person}/availability", json={"weekly": weekly}).is_success
    windows = [(w.weekday, w.start, w.end) for w in told(service, person).weekly]
    assert windows == [(0, 8 * 60, 9 * 60), (0, 11 * 60, 18 * 60)]


def test_exceptions_and_their_end(service: ServiceUnderTest) -> None:
    person = new_id()
    desk(service).post("/volunteers", json=body(person))
    mine = own(service, person)
    made = mine.post(
        f"/volunteers/{person}/exceptions",
        json={"from_day": "2026-12-01", "to_day": "2026-12-02", "parts": ["morning"], "available": False},
    )
    assert made.status_code == 201
    assert [(w.day.day, w.start, w.available) for w in told(service, person).dated] == [
        (1, 480, False),
        (2, 480, False),
    ]
    past = mine.post(
        f"/volunteers/{person}/exceptions", json={"from_day": "2026-11-01", "to_day": "2026-11-02"}
    )
    assert (past.status_code, past.json()["errors"][0]["field"]) == (422, "to_day")
    assert mine.delete(f"/volunteers/{person}/exceptions/{made.json()['id']}").status_code == 204
    assert told(service, person).dated == ()


def test_another_centre_and_another_volunteer_see_nothing(service: ServiceUnderTest) -> None:
    person = new_id()
    desk(service).post("/volunteers", json=body(person))
    stranger = service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id()))
    assert stranger.get(f"/volunteers/{person}").status_code == 403
    assert stranger.get("/volunteers").json()["items"] == []
    other = own(service, new_id())
    assert other.get(f"/volunteers/{person}").status_code == 403
    assert other.get(f"/volunteers/{person}/records").status_code == 403
    assert named(other, person) == {}
    assert named(stranger, person) == {}


def named(who: Any, *people: UUID) -> Any:
    """What somebody is told of people's names."""
    answer = who.post("/names", json={"person_ids": [str(p) for p in people]})
    assert answer.status_code == 200, answer.text
    return answer.json()


def staffing(visit: UUID, version: int, *slots: tuple[UUID, SlotState], **whom: Any) -> StaffingChanged:
    places = tuple(
        Slot(
            assignment_id=new_id(),
            slot=number,
            carer_id=carer_id(person, None),
            person_id=person,
            capacity=Capacity.VOLUNTEER,
            state=state,
            start=NOW,
            end=NOW + timedelta(hours=1),
        )
        for number, (person, state) in enumerate(slots, 1)
    )
    return StaffingChanged(visit_id=visit, staffing_version=version, carers=2, slots=places, **whom)


def test_8_17_a_name_is_for_who_meets_the_volunteer(service: ServiceUnderTest) -> None:
    first, second, resident = new_id(), new_id(), new_id()
    for person in (first, second):
        desk(service).post("/volunteers", json=body(person))
    cell, community, centre = new_id(), new_id(), new_id()
    with service.database.work() as work:
        work.session.add(AreaRow(area_id=cell, level="cell", parent_id=community))
    their_desk = service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, centre))
    family = service.as_(caller(Role.FAMILY, ScopeKind.PERSON, resident))
    grid = service.as_(caller(Role.GRID_WORKER, ScopeKind.CELL, cell))
    whom = {"centre_id": centre, "community_id": community, "resident_ids": (resident,)}

    def take(version: int, *slots: tuple[UUID, SlotState]) -> None:
        with service.database.work() as work:
            handlers.staffing(work, staffing(resident, version, *slots, **whom))

    assert named(their_desk, first, second) == {}
    take(1, (first, SlotState.OFFERED))
    assert named(their_desk, first)[str(first)] == {"name": "李春兰", "phone": "13800000000"}, (
        "the call list of the visit's desk, though the volunteer is registered elsewhere"
    )
    assert named(family, first) == {}, "who is only asked is nobody's business at home"
    take(2, (first, SlotState.ACCEPTED), (second, SlotState.ACCEPTED))
    assert named(family, first, second)[str(first)] == {"name": "李春兰", "phone": None}
    assert named(grid, first)[str(first)]["phone"] is None
    assert list(named(own(service, second), first)) == [str(first)], "who comes along"
    assert named(service.as_(caller(Role.FAMILY, ScopeKind.PERSON, new_id())), first) == {}
    service.clock.move(timedelta(days=9))  # type: ignore[union-attr]
    assert named(their_desk, first)[str(first)] == {"name": "李春兰", "phone": None}, "nothing to call about"
    service.clock.move(-timedelta(days=9))  # type: ignore[union-attr]


def confirmed(
    attendance: UUID, revision: int, minutes: int, person: UUID, **more: Any
) -> AttendanceConfirmed:
    return AttendanceConfirmed.model_validate(
        {
            "visit_id": attendance,
            "attendance_id": attendance,
            "revision": revision,
            "person_id": person,
            "carer_id": carer_id(person, None),
            "capacity": Capacity.VOLUNTEER,
            "kind": ServiceKind.COMPANIONSHIP,
            "community_id": COMMUNITY,
            "centre_id": CENTRE,
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


def take(service: ServiceUnderTest, event: AttendanceConfirmed) -> None:
    with service.database.work() as work:
        handlers.attendance(work, event)


def test_8_2_the_capacity_decides_the_ledger(service: ServiceUnderTest) -> None:
    person = new_id()
    desk(service).post("/volunteers", json=body(person))
    take(service, confirmed(new_id(), 1, 60, person))
    take(service, confirmed(new_id(), 1, 90, person, capacity=Capacity.EMPLOYED, organisation_id=new_id()))
    take(service, confirmed(new_id(), 1, 90, person, capacity=Capacity.STIPENDED))
    take(service, confirmed(new_id(), 1, 0, person, outcome=Outcome.NO_ANSWER))
    record = own(service, person).get(f"/volunteers/{person}/records").json()
    assert (record["minutes"], record["services"]) == (60, 1)
    with pytest.raises(exc.IntegrityError), service.database.work() as work:
        work.session.execute(
            text(
                "INSERT INTO record_entry SELECT (jsonb_populate_record(e, :change)).* FROM record_entry e LIMIT 1"
            ),
            {
                "change": f'{{"capacity": "employed", "entry_id": "{new_id()}", "attendance_id": "{new_id()}"}}'
            },
        )


def test_8_10_a_correction_reverses_and_keeps_the_old_value(service: ServiceUnderTest) -> None:
    person, attendance = new_id(), new_id()
    desk(service).post("/volunteers", json=body(person))
    with pytest.raises(Retry):
        take(service, confirmed(attendance, 2, 90, person))
    take(service, confirmed(attendance, 1, 60, person))
    take(service, confirmed(attendance, 2, 90, person))
    take(service, confirmed(attendance, 2, 90, person))
    record = own(service, person).get(f"/volunteers/{person}/records").json()
    assert record["minutes"] == 90
    [entry] = record["entries"]
    assert (entry["minutes"], entry["corrected"]) == (90, True)
    with service.database.work() as work:
        rows = work.session.scalars(
            select(EntryRow.minutes)
            .where(EntryRow.attendance_id == attendance)
            .order_by(EntryRow.recorded_at)
        ).all()
        assert sorted(rows) == [-60, 60, 90]
    with pytest.raises(exc.DBAPIError), service.database.work() as work:
        work.session.execute(text("UPDATE record_entry SET minutes = 1000"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 480)), min_size=1, max_size=12), st.randoms())
def test_any_history_in_any_order_sums_to_the_last_revisions(
    service: ServiceUnderTest, history: list[tuple[int, int]], shuffle: Any
) -> None:
    person = new_id()
    attendances = [new_id() for _ in range(3)]
    revisions: dict[UUID, list[int]] = {}
    for which, minutes in history:
        revisions.setdefault(attendances[which], []).append(minutes)
    events = [
        confirmed(attendance, n + 1, minutes, person)
        for attendance, values in revisions.items()
        for n, minutes in enumerate(values)
    ]
    waiting = events * 2
    shuffle.shuffle(waiting)
    while waiting:
        later = []
        for event in waiting:
            try:
                take(service, event)
            except Retry:
                later.append(event)
        assert len(later) < len(waiting)
        waiting = later
    with service.database.work() as work:
        total = work.session.scalar(
            select(func.coalesce(func.sum(EntryRow.minutes), 0)).where(EntryRow.person_id == person)
        )
    assert total == sum(values[-1] for values in revisions.values())


def test_order_67_trainings_awards_evaluations(service: ServiceUnderTest) -> None:
    person = new_id()
    desk(service).post("/volunteers", json=body(person))
    path = f"/volunteers/{person}"
    training = {
        "name": "助浴",
        "content": "安全助浴",
        "minutes": 120,
        "organiser": "民政局",
        "day": "2026-11-10",
    }
    assert desk(service).post(f"{path}/trainings", json=training).status_code == 201
    assert (
        desk(service)
        .post(f"{path}/awards", json={"name": "优秀", "grantor": "市", "day": "2027-01-01"})
        .status_code
        == 422
    )
    assert (
        desk(service).post(f"{path}/evaluations", json={"quality": 5, "day": "2026-11-10"}).status_code == 201
    )
    record = own(service, person).get(f"{path}/records").json()
    assert (len(record["trainings"]), len(record["awards"]), record["evaluations"][0]["quality"]) == (1, 0, 5)


def test_8_10_earlier_service_is_disputed_and_corrected_in_the_record_itself(
    service: ServiceUnderTest,
) -> None:
    """Order 67, 13: verified and amended, with the old value kept; however long ago, since no rule ends it."""
    person, record = new_id(), new_id()
    assert desk(service).post("/volunteers", json=body(person)).status_code == 201
    with service.database.work() as work:
        post_earlier(work, [earlier(work, person, record, minutes=60)])
    path, record_path = f"/volunteers/{person}/records", f"/volunteers/{person}/records/{record}"
    mine = own(service, person)

    def entry() -> dict[str, Any]:
        [shown] = mine.get(path).json()["entries"]
        return dict(shown)

    assert (entry()["earlier"], entry()["disputed"], entry()["minutes"]) == (True, False, 60)
    assert mine.post(f"{record_path}/dispute", json={"reason": ""}).status_code == 422
    for _ in range(2):
        assert mine.post(f"{record_path}/dispute", json={"reason": "做了两个小时"}).status_code == 200
    assert entry()["disputed"]
    other = own(service, new_id())
    assert other.post(f"{record_path}/dispute", json={"reason": "不是我的"}).status_code in {403, 404}
    elsewhere = service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id()))
    assert elsewhere.get("/disputes").json() == []
    settlement = {"minutes": 120, "answer": "查了签到表"}
    assert elsewhere.post(f"{record_path}/settlement", json=settlement).status_code == 403
    [open_one] = desk(service).get("/disputes", params={"centre_id": str(CENTRE)}).json()
    assert (open_one["name"], open_one["reason"], open_one["minutes"]) == ("李春兰", "做了两个小时", 60)
    done = desk(service).post(f"{record_path}/settlement", json=settlement)
    assert done.status_code == 200, done.text
    assert desk(service).post(f"{record_path}/settlement", json=settlement).status_code == 409
    assert (entry()["minutes"], entry()["corrected"], entry()["disputed"]) == (120, True, False)
    assert entry()["answer"] == "查了签到表"
    assert mine.get(path).json()["minutes"] == 120
    with service.database.work() as work:
        kept = work.session.scalars(
            select(EntryRow.minutes).where(EntryRow.attendance_id == record).order_by(EntryRow.minutes)
        ).all()
    assert kept == [-60, 60, 120], "the old value is kept"
    assert mine.post(f"{record_path}/dispute", json={"reason": "还是不对"}).status_code == 200
    stands = {"answer": "签到表上是两小时"}
    assert desk(service).post(f"{record_path}/settlement", json=stands).status_code == 200
    assert (entry()["minutes"], entry()["revision"], entry()["answer"]) == (120, 2, "签到表上是两小时")


def test_8_10_what_day_care_keeps_is_disputed_there(service: ServiceUnderTest) -> None:
    person, record = new_id(), new_id()
    assert desk(service).post("/volunteers", json=body(person)).status_code == 201
    with service.database.work() as work:
        post_earlier(work, [{**earlier(work, person, record, minutes=60), "earlier": False}])
    refused = own(service, person).post(
        f"/volunteers/{person}/records/{record}/dispute", json={"reason": "不对"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "kept_at_centre")


def earlier(work: Work, person: UUID, record: UUID, *, minutes: int) -> dict[str, Any]:
    """An entry that the record was opened with, from two years ago."""
    started = work.now - timedelta(days=730)
    return {
        "entry_id": new_id(),
        "person_id": person,
        "attendance_id": record,
        "visit_id": record,
        "revision": 1,
        "reversal": False,
        "capacity": "volunteer",
        "kind": "companionship",
        "outcome": "done",
        "day": started.date(),
        "started_at": started,
        "ended_at": started + timedelta(minutes=minutes),
        "minutes": minutes,
        "community_id": COMMUNITY,
        "centre_id": CENTRE,
        "responsible_id": new_id(),
        "confirmed_at": work.now,
        "recorded_at": work.now,
        "late": False,
        "earlier": True,
    }
