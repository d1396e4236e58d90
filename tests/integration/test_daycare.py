"""The day-care service over its own database, asked as its users ask (domain.md 8)."""

import base64
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from openpyxl import Workbook
from sqlalchemy import select

from services.daycare import handlers
from services.daycare.attendance.service import propose_ends
from services.daycare.jobs import materialise
from services.daycare.tasks.service import open_task, open_unmet
from services.daycare.visits.telling import lock_visits
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.contracts.carers import Place
from shared.contracts.codes import Capacity, Role, ScopeKind, SlotState, UnmetReason
from shared.contracts.staffing import Slot, StaffingChanged, Unmet
from shared.contracts.visits import DeliveryAccepted, VisitChanged
from shared.database.outbox import OutboxRow
from shared.ids import carer_id, new_id
from tests.conftest import NewDatabase
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

TOWN, COMMUNITY, CELL = new_id(), new_id(), new_id()
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # Tuesday 09:00 in the city
TODAY = date(2026, 11, 24)


class Desk:
    """A centre with its people, spoken to over HTTP."""

    def __init__(self, service: ServiceUnderTest) -> None:
        self.service = service
        self.bureau = service.as_(caller(Role.BUREAU))
        self.in_charge = new_id()
        self.centre_id = UUID(
            self.bureau.post(
                "/centres",
                json={
                    "town_id": str(TOWN),
                    "community_id": str(COMMUNITY),
                    "name": "天宁社区日间照料中心",
                    "places": 40,
                    "phone": "0514-80200000",
                    "address": "天宁南路3号",
                    "lon": 119.18,
                    "lat": 32.27,
                    "opens": "08:00",
                    "closes": "17:00",
                    "open_weekdays": [0, 1, 2, 3, 4],
                    "serves": [str(COMMUNITY)],
                    "in_charge_id": str(self.in_charge),
                },
            ).json()["id"]
        )
        self.staff = caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, self.centre_id)
        self.desk = service.as_(self.staff)

    def resident(self, name: str = "王秀英", **more: Any) -> UUID:
        person_id = new_id()
        body = {
            "person_id": str(person_id),
            "name": name,
            "sex": "female",
            "birth_date": "1946-03-05",
            "phone": "13800000000",
            "community_id": str(COMMUNITY),
            "cell_id": str(CELL),
            "centre_id": str(self.centre_id),
            "address": "天宁南路3号2幢201室",
            "place": {"lon": 119.1834, "lat": 32.2712},
            "contacts": [{"name": "李梅", "relation": "女儿", "phone": "13900000000"}],
            **more,
        }
        answer = self.desk.post("/residents", json=body)
        assert answer.status_code == 201, answer.text
        return person_id

    def need(self, resident_id: UUID, **more: Any) -> dict[str, Any]:
        body = {
            "resident_ids": [str(resident_id)],
            "kind": "companionship",
            "first_day": "2026-11-25",
            "earliest": "14:00",
            "latest": "14:30",
            **more,
        }
        answer = self.desk.post("/needs", json=body)
        assert answer.status_code == 201, answer.text
        posted: dict[str, Any] = answer.json()
        return posted

    def visits(self, **params: Any) -> list[dict[str, Any]]:
        params = {"from": "2026-11-24", "to": "2026-12-31", **params}
        answer = self.desk.get("/visits", params=params)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def staffed(
        self,
        visit: dict[str, Any],
        person_id: UUID,
        version: int = 1,
        state: SlotState = SlotState.ACCEPTED,
        paid_by: UUID | None = None,
    ) -> None:
        """The matcher tells who comes: a volunteer, or a member of an organisation's staff."""
        start = datetime.fromisoformat(visit["earliest_start"])
        slot = Slot(
            assignment_id=new_id(),
            slot=0,
            carer_id=carer_id(person_id, paid_by),
            person_id=person_id,
            capacity=Capacity.EMPLOYED if paid_by else Capacity.VOLUNTEER,
            organisation_id=paid_by,
            line_id=new_id() if paid_by else None,
            units=100 if paid_by else 0,
            state=state,
            start=start,
            end=start + timedelta(minutes=visit["minutes"]),
        )
        self.tell(
            StaffingChanged(
                visit_id=UUID(visit["visit_id"]), staffing_version=version, carers=1, slots=(slot,)
            )
        )

    def tell(self, event: StaffingChanged) -> None:
        with self.service.database.work() as work:
            handlers.staffing(work, event)

    def told(self, type_name: str) -> list[OutboxRow]:
        with self.service.database.work() as work:
            return list(
                work.session.scalars(
                    select(OutboxRow).where(OutboxRow.type == type_name).order_by(OutboxRow.pos)
                )
            )


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture
def desk(new_database: NewDatabase, clock: MovableClock) -> Iterator[Desk]:
    with service_under_test("daycare", new_database("daycare"), clock) as service:
        spot = Place(lon=119.18, lat=32.27)
        with service.database.work() as work:
            for area_id, level, parent in (
                (TOWN, "town", None),
                (COMMUNITY, "community", TOWN),
                (CELL, "cell", COMMUNITY),
            ):
                event = AreaChanged.model_validate(
                    {
                        "area_id": area_id,
                        "area_version": 1,
                        "level": level,
                        "parent_id": parent,
                        "name": "天宁社区",
                        "centre": spot,
                    }
                )
                handlers.area(work, event)
            holiday = CalendarDay(day=date(2026, 12, 3), day_version=1, workday=False, name="试放假")
            handlers.calendar_day(work, holiday)
        yield Desk(service)


def test_8_3_a_known_id_number_opens_the_existing_person(desk: Desk) -> None:
    first = desk.resident(id_number="321081194603050026")
    again = desk.desk.post(
        "/residents",
        json={
            "person_id": str(new_id()),
            "name": "王秀英",
            "sex": "female",
            "birth_date": "1946-03-05",
            "id_number": "321081194603050026",
            "community_id": str(COMMUNITY),
            "address": "别处",
        },
    )
    assert again.status_code == 200
    assert again.json() == {"id": str(first), "version": 1, "known": True}


def test_8_4_no_consent_no_assessment(desk: Desk) -> None:
    resident = desk.resident()
    refused = desk.desk.post(f"/residents/{resident}/assessments", json={"total": 40})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "consent"
    consent = {"by": "王秀英", "how": "paper", "at": "2026-11-20T09:00:00+08:00"}
    done = desk.desk.post(f"/residents/{resident}/assessments", json={"total": 40, "consent": consent})
    assert done.status_code == 201
    assert desk.desk.get(f"/residents/{resident}").json()["grade"] == "severe"
    withdrawn = desk.desk.post(f"/residents/{resident}/assessments/{done.json()['id']}/withdraw-consent")
    assert withdrawn.status_code == 200
    read = desk.desk.get(f"/residents/{resident}").json()
    assert read["grade"] == "unknown"
    assert read["assessments"][0]["total"] is None


def test_8_6_twelve_ticked_are_twelve_needs_or_one_group(desk: Desk) -> None:
    people = [desk.resident(f"老人{n}") for n in range(12)]
    apart = desk.need(people[0], resident_ids=[str(p) for p in people])
    assert len(apart["need_ids"]) == 12
    group = desk.need(
        people[0], resident_ids=[str(p) for p in people], together=True, earliest="09:00", latest="09:30"
    )
    assert len(group["need_ids"]) == 1
    [visit] = [v for v in desk.visits() if v["need_id"] == group["id"]]
    assert len(visit["residents"]) == 12


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"latest": "13:00"}, "body"),
        ({"first_day": "2026-11-20"}, "first_day"),
        ({"kind": "flying"}, "kind"),
        ({"note": "长" * 3000}, "note"),
        ({"colour": "red"}, "colour"),
        ({"rrule": "FREQ=SECONDLY"}, "body"),
        ({"resident_ids": ["nobody"]}, "resident_ids.0"),
    ],
)
def test_a_bad_need_is_refused_with_its_field_and_leaves_nothing(
    desk: Desk, change: dict[str, Any], field: str
) -> None:
    resident = desk.resident()
    body = {
        "resident_ids": [str(resident)],
        "kind": "meal",
        "first_day": "2026-11-25",
        "earliest": "14:00",
        "latest": "14:30",
        **change,
    }
    answer = desk.desk.post("/needs", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == field
    assert desk.visits() == []


def test_8_7_an_absence_suspends_and_a_holiday_skips(desk: Desk) -> None:
    resident = desk.resident()
    desk.need(resident, rrule="FREQ=DAILY", last_day="2026-12-04")
    assert [v["day"] for v in desk.visits()][-2:] == ["2026-12-02", "2026-12-04"], "the holiday is left out"
    away = desk.desk.post(
        f"/residents/{resident}/absences", json={"kind": "hospital", "from": "2026-11-26", "to": "2026-11-28"}
    )
    assert away.json()["suspended"] == 3
    assert [v["day"] for v in desk.visits() if v["state"] == "suspended"] == [
        "2026-11-26",
        "2026-11-27",
        "2026-11-28",
    ]
    desk.desk.delete(f"/residents/{resident}/absences/{away.json()['id']}")
    assert not [v for v in desk.visits() if v["state"] == "suspended"]


def test_8_8_copying_a_week_lists_what_it_skips_and_adds_nothing_twice(desk: Desk) -> None:
    resident, away = desk.resident("甲"), desk.resident("乙")
    desk.need(resident, first_day="2026-11-26")
    desk.need(away, first_day="2026-11-26")
    desk.need(resident, rrule="FREQ=WEEKLY;BYDAY=FR", first_day="2026-11-27")
    desk.need(resident, first_day="2026-11-26", earliest="09:00", latest="09:00")
    desk.desk.post(f"/residents/{away}/absences", json={"kind": "hospital", "from": "2026-12-01"})
    week = {"centre_id": str(desk.centre_id), "from_week": "2026-11-23", "to_week": "2026-12-07"}
    preview = desk.desk.post("/needs/copy-week", json={**week, "preview": True}).json()
    assert preview["made"] == 0
    assert sorted(line["result"] for line in preview["lines"]) == ["absent", "new", "new", "recurring"]
    before = len(desk.visits())
    assert desk.desk.post("/needs/copy-week", json=week).json()["made"] == 2
    assert len(desk.visits()) == before + 2
    again = desk.desk.post("/needs/copy-week", json=week).json()
    assert again["made"] == 0
    assert len(desk.visits()) == before + 2


def _file(rows: list[list[Any]], name: str = "needs.xlsx") -> dict[str, Any]:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return {"name": name, "content": base64.b64encode(out.getvalue()).decode()}


def test_8_8_a_file_of_needs_goes_in_once_and_bad_rows_come_back(desk: Desk) -> None:
    desk.resident("王秀英")
    rows = [
        ["姓名", "服务", "日期", "时间", "最晚开始", "时长"],
        ["王秀英", "送餐", date(2026, 11, 26), "１１：３０", "12:00", 20],
        ["王秀英", "飞行", "2026/11/27", "11:30", "12:00", 20],
        ["没有人", "送餐", "2026-11-27", "11:30", "12:00", 20],
    ]
    file = _file(rows)
    preview = desk.desk.post("/needs/import", json={**file, "preview": True}).json()
    assert [line["result"] for line in preview["lines"]] == ["new", "bad", "bad"]
    assert desk.visits() == []
    assert desk.desk.post("/needs/import", json=file).json()["made"] == 1
    again = desk.desk.post("/needs/import", json=file).json()
    assert (again["made"], again["known"], again["bad"]) == (0, 1, 2)
    text = "\n".join(",".join(map(str, row)) for row in rows).encode("gb18030")
    csv = {"name": "needs.csv", "content": base64.b64encode(text).decode()}
    assert desk.desk.post("/needs/import", json=csv).json()["known"] == 1
    assert len(desk.visits()) == 1


def test_8_9_late_red_and_one_outcome(desk: Desk, clock: MovableClock) -> None:
    resident, person = desk.resident(), new_id()
    desk.need(resident)
    [visit] = desk.visits()
    desk.staffed(visit, person)
    clock.at = datetime(2026, 11, 25, 6, 16, tzinfo=UTC)
    board = desk.desk.get("/board", params={"centre_id": str(desk.centre_id)}).json()
    assert board["late"] == [visit["visit_id"]]
    carer = desk.service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON, None, person))
    outcome = carer.post(f"/visits/{visit['visit_id']}/outcome", json={"outcome": "no_answer"})
    assert outcome.status_code == 200, outcome.text
    board = desk.desk.get("/board", params={"centre_id": str(desk.centre_id)}).json()
    assert board["red"] == [visit["visit_id"]]
    [task] = board["tasks"]
    assert task["kind"] == "red"
    assert task["contacts"][0]["phone"] == "13900000000"
    assert task["owner_id"] == str(desk.in_charge)
    second = carer.post(f"/visits/{visit['visit_id']}/outcome", json={"outcome": "refused"})
    assert second.status_code == 409


def test_8_9_what_nobody_settled_stays_on_the_board_until_somebody_does(
    desk: Desk, clock: MovableClock
) -> None:
    """An accepted visit to which nobody checked in, and one that nobody took and nobody was told of."""
    resident, person = desk.resident(), new_id()
    for earliest in ("14:00", "16:00"):
        desk.need(resident, earliest=earliest, latest=earliest)
    came, unmet = desk.visits()
    desk.staffed(came, person)

    def unsettled() -> list[str]:
        board = desk.desk.get("/board", params={"centre_id": str(desk.centre_id)}).json()
        return [v["visit_id"] for v in board["unsettled"]]

    clock.at = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert unsettled() == [], "today's are on the day itself"
    clock.at = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
    assert unsettled() == [came["visit_id"], unmet["visit_id"]]
    stranger = desk.service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id()))
    assert stranger.get("/board", params={"centre_id": str(desk.centre_id)}).status_code == 403
    gone = desk.desk.post(f"/visits/{came['visit_id']}/outcome", json={"outcome": "carer_absent"})
    assert gone.status_code == 200, gone.text
    assert unsettled() == [unmet["visit_id"]]
    with desk.service.database.work() as work:
        task = open_task(work, lock_visits(work, [UUID(unmet["visit_id"])])[0], "unmet").task_id
    assert unsettled() == [], "the board has its task"
    told = desk.desk.post(f"/tasks/{task}/close", json={"told_whom": "王秀英本人"})
    assert told.status_code == 200, told.text
    assert unsettled() == [], "the resident was told"


def test_8_10_provisional_until_confirmed_and_corrections_keep_the_old_value(
    desk: Desk, clock: MovableClock
) -> None:
    resident, person = desk.resident(), new_id()
    desk.need(resident)
    [visit] = desk.visits()
    desk.staffed(visit, person)
    carer = desk.service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON, None, person))
    path = f"/visits/{visit['visit_id']}"
    clock.at = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
    wrong = {"person_id": str(person), "code": "0000" if visit["code"] != "0000" else "1111"}
    assert carer.post(f"{path}/check-in", json=wrong).json()["code"] == "wrong_code"
    body = {"person_id": str(person), "code": carer.get(path).json()["code"]}
    assert carer.post(f"{path}/check-in", json=body).status_code == 200
    clock.move(timedelta(hours=3))
    propose_ends(desk.service.database)
    [shown] = desk.visits(ids=visit["visit_id"])
    [attendance] = shown["attendances"]
    assert attendance["end_proposed"]
    assert attendance["ended_at"] == attendance["planned_end"]
    assert desk.told("linli.daycare.attendance_confirmed.v1") == [], "a proposal counts nothing"
    confirm = desk.desk.post(f"/attendances/{attendance['attendance_id']}/confirm", json={})
    assert confirm.status_code == 200, confirm.text
    correct = desk.desk.post(
        f"/attendances/{attendance['attendance_id']}/correct",
        json={
            "started_at": "2026-11-25T14:00:00+08:00",
            "ended_at": "2026-11-25T15:30:00+08:00",
            "reason": "电话核实",
        },
        headers={"If-Match": confirm.headers["etag"]},
    )
    assert correct.status_code == 200, correct.text
    told = desk.told("linli.daycare.attendance_confirmed.v1")
    assert [b'"revision":1' in t.payload for t in told] == [True, False]
    assert b'"minutes":90' in told[1].payload
    stale = desk.desk.post(
        f"/attendances/{attendance['attendance_id']}/correct",
        json={"reason": "再改"},
        headers={"If-Match": '"1"'},
    )
    assert stale.status_code == 412
    disputed = carer.post(f"/attendances/{attendance['attendance_id']}/dispute", json={"reason": "四点才走"})
    assert disputed.status_code == 200
    assert [t["kind"] for t in desk.desk.get("/tasks").json()["items"]] == ["dispute"]


def test_8_10_paper_goes_ten_working_days_back(desk: Desk) -> None:
    resident, person = desk.resident(), new_id()
    body = {
        "resident_ids": [str(resident)],
        "kind": "companionship",
        "person_ids": [str(person)],
        "started_at": "2026-11-10T14:00:00+08:00",
        "ended_at": "2026-11-10T15:00:00+08:00",
        "responsible_id": str(desk.in_charge),
    }
    assert desk.desk.post("/visits/paper", json=body).status_code == 201
    too_old = {**body, "started_at": "2026-11-09T14:00:00+08:00", "ended_at": "2026-11-09T15:00:00+08:00"}
    assert desk.desk.post("/visits/paper", json=too_old).json()["code"] == "too_long_ago"
    [told] = desk.told("linli.daycare.attendance_confirmed.v1")
    assert b'"minutes":60' in told.payload


def test_8_10_one_sheet_of_paper_holds_several_who_came_and_several_they_came_to(desk: Desk) -> None:
    residents, people = [desk.resident(), desk.resident("李芳")], [new_id() for _ in range(3)]
    body = {
        "resident_ids": [str(r) for r in residents],
        "kind": "companionship",
        "person_ids": [str(p) for p in people],
        "started_at": "2026-11-20T14:00:00+08:00",
        "ended_at": "2026-11-20T15:30:00+08:00",
        "responsible_id": str(desk.in_charge),
    }
    made = desk.desk.post("/visits/paper", json=body)
    assert made.status_code == 201, made.text
    shown = desk.desk.get(f"/visits/{made.json()['id']}").json()
    assert {r["person_id"] for r in shown["residents"]} == set(body["resident_ids"])
    assert {a["person_id"] for a in shown["attendances"]} == set(body["person_ids"])
    assert {(a["state"], a["minutes"]) for a in shown["attendances"]} == {("confirmed", 90)}
    assert len(desk.told("linli.daycare.attendance_confirmed.v1")) == 3
    other = new_id()
    again = {**body, "visit_id": made.json()["id"], "person_ids": [str(other), str(people[0])]}
    assert desk.desk.post("/visits/paper", json=again).json()["code"] == "already_confirmed"
    assert len(desk.told("linli.daycare.attendance_confirmed.v1")) == 3, "all who came, or none"
    assert desk.desk.post("/visits/paper", json={**body, "person_ids": []}).status_code == 422


def test_8_11_a_rating_is_a_face_with_its_response_rate(desk: Desk, clock: MovableClock) -> None:
    resident, person = desk.resident(), new_id()
    desk.need(resident, rrule="FREQ=DAILY;COUNT=2")
    family = desk.service.as_(caller(Role.FAMILY, ScopeKind.PERSON, resident))
    for day, visit in enumerate(desk.visits()):
        desk.staffed(visit, person)
        clock.at = datetime(2026, 11, 25 + day, 6, 0, tzinfo=UTC)
        path = f"/visits/{visit['visit_id']}"
        assert family.post(f"{path}/rating", json={"face": 3, "how": "family"}).status_code == 409
        assert desk.desk.post(f"{path}/check-in", json={"person_id": str(person)}).status_code == 200
        assert desk.desk.post(f"{path}/check-out", json={"person_id": str(person)}).status_code == 200
    assert (
        family.post(f"{path}/rating", json={"face": 1, "sentence": "来晚了", "how": "family"}).status_code
        == 201
    )
    shown = desk.desk.get("/satisfaction", params={"centre_id": str(desk.centre_id)}).json()
    assert (shown["visits"], shown["responses"], shown["faces"]["1"], shown["how"]["family"]) == (2, 1, 1, 1)
    assert [t["kind"] for t in desk.desk.get("/tasks").json()["items"]] == ["complaint"]
    [told] = desk.told("linli.daycare.delivery_accepted.v1")
    assert DeliveryAccepted.model_validate_json(told.payload).accepted is False, "an unhappy face refuses"


def test_8_19_a_month_is_accepted_at_once(desk: Desk, clock: MovableClock) -> None:
    resident, person, firm = desk.resident(), new_id(), new_id()
    desk.need(resident, rrule="FREQ=DAILY;COUNT=4")
    family = desk.service.as_(caller(Role.FAMILY, ScopeKind.PERSON, resident))
    visits = desk.visits()
    for day, visit in enumerate(visits):
        desk.staffed(visit, person, paid_by=firm if day else None)
        clock.at = datetime(2026, 11, 25 + day, 6, 0, tzinfo=UTC)
        for step in ("check-in", "check-out"):
            answer = desk.desk.post(f"/visits/{visit['visit_id']}/{step}", json={"person_id": str(person)})
            assert answer.status_code == 200, answer.text
    unhappy = {"face": 1, "sentence": "没有来够时间", "how": "family"}
    assert family.post(f"/visits/{visits[1]['visit_id']}/rating", json=unhappy).status_code == 201
    of = {"resident_id": str(resident)}
    path = f"/months?month=2026-11-01&resident_id={resident}"
    [month] = family.get(path).json()["items"]
    assert (month["organisation_id"], month["accepted"], month["refused"], month["waiting"]) == (
        str(firm),
        0,
        1,
        2,
    ), "the volunteer's visit is not bought, the refused one was spoken of"
    body = {
        "month": "2026-11-01",
        "organisation_id": str(firm),
        "face": 3,
        "sentence": "细心",
        "how": "family",
    }
    stranger = desk.service.as_(caller(Role.FAMILY, ScopeKind.PERSON, new_id()))
    assert stranger.post("/months", json=body | of).status_code == 403
    assert stranger.get(path).status_code == 403
    assert family.post("/months", json=body).status_code == 422
    done = family.post("/months", json=body | of)
    assert (done.status_code, done.json()) == (201, {"visits": 2}), done.text
    said = [
        DeliveryAccepted.model_validate_json(row.payload)
        for row in desk.told("linli.daycare.delivery_accepted.v1")
    ]
    assert [(str(each.visit_id), each.accepted) for each in said[:1]] == [(visits[1]["visit_id"], False)]
    assert {str(each.visit_id) for each in said if each.accepted} == {v["visit_id"] for v in visits[2:]}
    shown = desk.desk.get("/satisfaction", params={"centre_id": str(desk.centre_id)}).json()
    assert (shown["visits"], shown["responses"], shown["faces"]["3"]) == (4, 2, 1), "said once, counted once"
    again = family.post("/months", json=body | of)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_waiting")
    of_centre = {"centre_id": str(desk.centre_id), "how": "phone"}
    [month] = desk.desk.get(f"/months?month=2026-11-01&centre_id={desk.centre_id}").json()["items"]
    assert (month["accepted"], month["refused"], month["waiting"]) == (2, 1, 0)
    assert desk.desk.post("/months", json=body | of_centre).json()["code"] == "nothing_waiting"


def test_8_19_a_word_on_one_organisations_month_accepts_nothing_of_anothers(desk: Desk) -> None:
    resident, ours, theirs = desk.resident(), new_id(), new_id()
    family = desk.service.as_(caller(Role.FAMILY, ScopeKind.PERSON, resident))

    def paper(day: int, firm: UUID, **more: object) -> str:
        body = {
            "person_ids": [str(new_id())],
            "capacity": "employed",
            "organisation_id": str(firm),
            "line_id": str(new_id()),
            "started_at": f"2026-11-{day}T14:00:00+08:00",
            "ended_at": f"2026-11-{day}T15:00:00+08:00",
            "responsible_id": str(desk.in_charge),
            **more,
        }
        made = desk.desk.post("/visits/paper", json=body)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    at_home = {"resident_ids": [str(resident)], "kind": "bathing"}
    alone, together = paper(19, ours, **at_home), paper(20, ours, **at_home)
    paper(20, theirs, visit_id=together)

    def months() -> dict[str, tuple[int, int, int]]:
        items = family.get(f"/months?month=2026-11-01&resident_id={resident}").json()["items"]
        return {m["organisation_id"]: (m["accepted"], m["waiting"], m["shared"]) for m in items}

    def say(firm: UUID) -> Any:
        said = {"month": "2026-11-01", "face": 3, "how": "family", "resident_id": str(resident)}
        return family.post("/months", json={**said, "organisation_id": str(firm)})

    def accepted() -> list[str]:
        rows = desk.told("linli.daycare.delivery_accepted.v1")
        return [str(DeliveryAccepted.model_validate_json(row.payload).visit_id) for row in rows]

    assert months() == {str(ours): (0, 1, 1), str(theirs): (0, 0, 1)}
    assert say(theirs).json()["code"] == "nothing_waiting"
    assert say(ours).json() == {"visits": 1}
    assert accepted() == [alone]
    assert months() == {str(ours): (1, 0, 1), str(theirs): (0, 0, 1)}
    assert family.post(f"/visits/{together}/acceptance", json={"accepted": True}).status_code == 201
    assert accepted() == [alone, together]
    assert months() == {str(ours): (2, 0, 0), str(theirs): (1, 0, 0)}


def test_8_12_unmet_at_17_is_a_task_with_an_owner_until_somebody_is_told(
    desk: Desk, clock: MovableClock
) -> None:
    desk.need(desk.resident(lives_alone=True))
    [visit] = desk.visits()
    reason = Unmet(reason=UnmetReason.NOT_AVAILABLE, funnel=(("skill", 5), ("free", 0)))
    desk.tell(
        StaffingChanged(
            visit_id=UUID(visit["visit_id"]), staffing_version=1, carers=1, slots=(), unmet=reason
        )
    )
    clock.at = datetime(2026, 11, 24, 8, 59, tzinfo=UTC)
    open_unmet(desk.service.database)
    assert desk.desk.get("/tasks").json()["items"] == []
    clock.at = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
    open_unmet(desk.service.database)
    open_unmet(desk.service.database)
    [task] = desk.desk.get("/tasks").json()["items"]
    assert (task["kind"], task["owner_id"], task["cause"]) == ("unmet", str(desk.in_charge), "not_available")
    town = desk.service.as_(caller(Role.TOWN, ScopeKind.TOWN, TOWN))
    assert len(town.get("/tasks").json()["items"]) == 1, "a lone elder's also goes to the town"
    empty = desk.desk.post(f"/tasks/{task['task_id']}/close", json={"told_whom": " "})
    assert empty.status_code == 422
    closed = desk.desk.post(f"/tasks/{task['task_id']}/close", json={"told_whom": "王秀英本人"})
    assert closed.status_code == 200
    assert desk.desk.get("/tasks").json()["items"] == []


def test_8_17_address_on_acceptance_until_24_hours_after(desk: Desk, clock: MovableClock) -> None:
    person = new_id()
    desk.need(desk.resident())
    [visit] = desk.visits()
    carer = desk.service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON, None, person))
    path = f"/visits/{visit['visit_id']}"
    desk.staffed(visit, person, state=SlotState.OFFERED)
    assert carer.get(path).status_code == 403
    desk.staffed(visit, person, version=2)
    shown = carer.get(path).json()
    assert shown["address"] == "天宁南路3号2幢201室"
    assert shown["code"] == visit["code"]
    assert shown["contacts"] == []
    clock.at = datetime(2026, 11, 26, 7, 31, tzinfo=UTC)
    assert carer.get(path).json()["address"] is None
    looks = desk.desk.get(f"/residents/{visit['residents'][0]['person_id']}/audit").json()["items"]
    assert "visit.address" in {look["action"] for look in looks}


def test_8_17_a_block_stays_with_its_author(desk: Desk) -> None:
    resident, person = desk.resident(), new_id()
    desk.need(resident)
    own = desk.service.as_(caller(Role.RESIDENT, ScopeKind.PERSON, resident, resident))
    assert (
        own.post(
            f"/residents/{resident}/blocks", json={"person_id": str(person), "reason": "不合"}
        ).status_code
        == 201
    )
    last = desk.told("linli.daycare.visit_changed.v1")[-1]
    assert str(person).encode() in last.payload
    assert "不合".encode() not in last.payload
    assert own.get(f"/residents/{resident}").json()["blocks"][0]["reason"] == "不合"


def test_another_centre_sees_and_changes_nothing(desk: Desk) -> None:
    resident = desk.resident()
    need = desk.need(resident)
    [visit] = desk.visits()
    other = desk.service.as_(caller(Role.CENTRE_STAFF, ScopeKind.CENTRE, new_id()))
    assert other.get(f"/residents/{resident}").status_code == 403
    assert other.get(f"/visits/{visit['visit_id']}").status_code == 403
    assert other.get("/visits", params={"from": "2026-11-25"}).json()["items"] == []
    assert other.post(f"/needs/{need['id']}/cancel", json={}).status_code == 403
    body = {
        "resident_ids": [str(resident)],
        "kind": "meal",
        "first_day": "2026-11-25",
        "earliest": "11:00",
        "latest": "11:30",
    }
    assert other.post("/needs", json=body).status_code == 403


def test_cancel_this_following_all_say_whom_they_affect_first(desk: Desk) -> None:
    person = new_id()
    need = desk.need(desk.resident(), rrule="FREQ=DAILY", last_day="2026-11-30")
    visits = desk.visits()
    desk.staffed(visits[2], person)
    ask = {"which": "following", "visit_id": visits[2]["visit_id"], "preview": True}
    preview = desk.desk.post(f"/needs/{need['id']}/cancel", json=ask).json()
    assert not preview["done"]
    assert len(preview["affected"]) == len(visits) - 2
    assert preview["affected"][0]["held_by"] == [str(person)]
    assert not [v for v in desk.visits() if v["state"] == "cancelled"]
    desk.desk.post(f"/needs/{need['id']}/cancel", json={**ask, "preview": False})
    assert [v["state"] for v in desk.visits()].count("cancelled") == len(visits) - 2
    materialise(desk.service.database)
    assert [v["state"] for v in desk.visits()].count("cancelled") == len(visits) - 2


def test_a_changed_series_keeps_the_ids_of_its_visits(desk: Desk) -> None:
    need = desk.need(desk.resident(), rrule="FREQ=DAILY", last_day="2026-11-30")
    before = [v["visit_id"] for v in desk.visits()]
    read = desk.desk.get(f"/needs/{need['id']}")
    changed = desk.desk.patch(
        f"/needs/{need['id']}",
        json={"which": "following", "visit_id": before[2], "earliest": "15:00", "latest": "15:30"},
        headers={"If-Match": f'"{read.json()["version"]}"'},
    )
    assert changed.status_code == 200, changed.text
    after = desk.visits()
    assert [v["visit_id"] for v in after] == before
    starts = [datetime.fromisoformat(v["earliest_start"]).astimezone(UTC).hour for v in after]
    assert starts == [6, 6, 7, 7, 7, 7]
    this = desk.desk.patch(
        f"/needs/{need['id']}",
        json={
            "which": "this",
            "visit_id": before[0],
            "day": "2026-11-26",
            "earliest": "10:00",
            "latest": "10:00",
        },
        headers={"If-Match": f'"{desk.desk.get("/needs/" + need["id"]).json()["version"]}"'},
    )
    assert this.status_code == 200, this.text
    assert {v["visit_id"] for v in desk.visits()} == set(before)
    assert next(v for v in desk.visits() if v["visit_id"] == before[0])["day"] == "2026-11-26"


def test_the_same_key_posts_once_and_another_body_is_refused(desk: Desk) -> None:
    resident = desk.resident()
    body = {
        "resident_ids": [str(resident)],
        "kind": "meal",
        "first_day": "2026-11-25",
        "earliest": "11:00",
        "latest": "11:30",
    }
    key = {"Idempotency-Key": "form-0001"}
    first = desk.desk.post("/needs", json=body, headers=key)
    assert desk.desk.post("/needs", json=body, headers=key).json() == first.json()
    assert len(desk.visits()) == 1
    other = desk.desk.post("/needs", json={**body, "kind": "haircut"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_the_horizon_rolls(desk: Desk, clock: MovableClock) -> None:
    desk.need(desk.resident(), rrule="FREQ=DAILY", kind="meal")
    first = len(desk.visits())
    clock.move(timedelta(days=3))
    materialise(desk.service.database)
    materialise(desk.service.database)
    assert len(desk.visits()) == first + 3


def test_in_english_when_asked(desk: Desk) -> None:
    answer = desk.desk.get(f"/residents/{new_id()}", headers={"Accept-Language": "en"})
    assert answer.status_code == 403
    assert answer.headers["content-language"] == "en"


def test_design_rule_9_another_address_is_not_placed_until_somebody_places_it(desk: Desk) -> None:
    resident = desk.resident()
    first = desk.desk.get(f"/residents/{resident}").json()
    assert first["placed"]
    path, version = f"/residents/{resident}", first["version"]
    same = desk.desk.patch(
        path, json={"address": first["address"], "floor": 2}, headers={"If-Match": f'"{version}"'}
    )
    assert same.status_code == 200
    assert desk.desk.get(path).json()["placed"]
    moved = desk.desk.patch(
        path, json={"address": "新城路9号"}, headers={"If-Match": f'"{same.json()["version"]}"'}
    )
    assert moved.status_code == 200
    assert not desk.desk.get(path).json()["placed"]
    need = desk.need(resident)
    visit = desk.visits(need_id=need["id"])[0]
    told = [e for e in desk.told("linli.daycare.visit_changed.v1") if e.key == visit["visit_id"]]
    assert VisitChanged.model_validate_json(told[-1].payload).place is None
