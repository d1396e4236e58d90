"""Organisations: registering without signing in, papers and their expiry, controllers, eligibility (Order 102; 三.4)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from stdnum.cn import uscc

from services.projects.calls.tables import CallRow
from services.projects.organisations import service as organisations
from services.projects.organisations.tables import ControllerRow
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from shared.sample.people import id_number
from tests.bidding import say_controllers
from tests.conftest import NewDatabase
from tests.integration.test_files import hand_in
from tests.integration.test_projects import credit_code, organisation
from tests.support import MovableClock, ServiceUnderTest, caller, service_under_test

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
SHEN, QIAN = id_number(date(1972, 3, 7), 123), id_number(date(1980, 5, 1), 7)
ADDRESSES = (f"10.0.{n // 250}.{n % 250}" for n in range(10_000))


@pytest.fixture(scope="module")
def clock() -> MovableClock:
    return MovableClock(NOW)


@pytest.fixture(scope="module")
def service(new_module_database: NewDatabase, clock: MovableClock) -> Iterator[ServiceUnderTest]:
    with service_under_test("projects", new_module_database("projects"), clock) as running:
        yield running


@pytest.fixture(autouse=True)
def back(clock: MovableClock) -> None:
    clock.at = NOW


def bureau(service: ServiceUnderTest) -> Any:
    return service.as_(caller(Role.BUREAU))


def dispatcher(service: ServiceUnderTest, organisation_id: object) -> Any:
    return service.as_(caller(Role.DISPATCHER, ScopeKind.ORGANISATION, UUID(str(organisation_id))))


def said(code: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "仪征市乐龄助老服务社",
        "kind": "social_organisation",
        "credit_code": code,
        "phone": "0514-83411111",
        "address": "真州镇工农北路8号",
        "controllers": [{"name": "沈国平", "id_number": SHEN, "share": 60}],
        **more,
    }


def apply(service: ServiceUnderTest, body: dict[str, Any], address: str | None = None) -> Any:
    headers = {"X-Forwarded-For": address or next(ADDRESSES)}
    return service.as_(None).post("/organisation-applications", json=body, headers=headers)


def decide(service: ServiceUnderTest, path: str, version: int, **decision: Any) -> Any:
    return bureau(service).post(path, json=decision, headers={"If-Match": f'"{version}"'})


def of_institution() -> str:
    body = f"12{credit_code()[2:17]}"
    return body + uscc.calc_check_digit(body)


def test_one_registers_without_signing_in_and_the_bureau_admits_it(service: ServiceUnderTest) -> None:
    made = apply(service, said(credit_code().lower()))
    assert made.status_code == 201, made.text
    own_id = made.json()["id"]
    path = f"/organisation-applications/{own_id}"
    assert service.as_(None).get(path).json()["state"] == "applied"
    anyone = service.as_(caller(Role.VOLUNTEER, ScopeKind.PERSON))
    assert anyone.get(f"/organisations/{own_id}").status_code == 404
    assert own_id not in {each["organisation_id"] for each in anyone.get("/organisations").json()["items"]}
    assert dispatcher(service, own_id).get(f"/organisations/{own_id}").status_code == 200
    listed = bureau(service).get("/organisation-applications").json()["items"]
    shown = next(each for each in listed if each["organisation_id"] == own_id)
    assert shown["controllers"] == [
        {"name": "沈国平", "id_number": f"{SHEN[:6]}***********{SHEN[-1]}", "share": 60}
    ]
    assert decide(service, f"{path}/decision", 1, holds=True).status_code == 200
    assert service.as_(None).get(path).json() == {
        "organisation_id": own_id,
        "version": 2,
        "state": "admitted",
        "refused_reason": None,
    }
    assert anyone.get(f"/organisations/{own_id}").status_code == 200
    again = decide(service, f"{path}/decision", 2, holds=False, reason="查无此社")
    assert again.json()["code"] == "not_applied"


def test_who_was_not_admitted_gets_no_contract(service: ServiceUnderTest) -> None:
    own_id = apply(service, said(credit_code())).json()["id"]
    contract = {
        "organisation_id": own_id,
        "number": str(new_id()),
        "title": "政府购买居家养老服务",
        "fund": "社区建设专项资金",
        "theme": "居家养老",
        "beneficiary": "为老",
        "signed": "2026-01-05",
        "valid_from": "2026-01-10",
        "valid_to": "2026-12-31",
    }
    refused = bureau(service).post("/contracts", json=contract)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_admitted")
    decide(service, f"/organisation-applications/{own_id}/decision", 1, holds=True)
    assert bureau(service).post("/contracts", json=contract).status_code == 201


def test_a_refusal_says_why_and_leaves_the_way_open(service: ServiceUnderTest) -> None:
    code = credit_code()
    own_id = apply(service, said(code)).json()["id"]
    path = f"/organisation-applications/{own_id}"
    assert decide(service, f"{path}/decision", 1, holds=False).status_code == 422
    assert decide(service, f"{path}/decision", 9, holds=False, reason="代码不符").status_code == 412
    assert decide(service, f"{path}/decision", 1, holds=False, reason="代码与证书不符").status_code == 200
    assert service.as_(None).get(path).json()["refused_reason"] == "代码与证书不符"
    assert own_id not in {
        each["organisation_id"]
        for each in service.as_(caller(Role.TOWN, ScopeKind.TOWN, new_id()))
        .get("/organisations", params={"state": "refused"})
        .json()["items"]
    }
    other = [{"name": "钱芳", "id_number": QIAN, "share": 100}]
    second = apply(service, said(code, name="乐龄助老服务社", controllers=other))
    assert second.json()["id"] == own_id
    with service.database.work() as work:
        assert work.session.query(ControllerRow).filter_by(organisation_id=UUID(own_id)).count() == 1
    third = apply(service, said(code))
    assert (third.status_code, third.json()["code"]) == (409, "code_taken")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "institution_first"}, "institution_excluded"),
        ({"kind": "institution"}, "kind_and_code"),
        ({"kind": "centre"}, "invalid"),
        ({"credit_code": "52321081MJ00000017"}, "invalid"),
        ({"controllers": []}, "invalid"),
        ({"controllers": [{"name": "沈国平", "id_number": SHEN[:17] + "0", "share": 1}]}, "invalid"),
        ({"controllers": [{"name": "沈", "id_number": SHEN, "share": 1}] * 2}, "invalid"),
        (
            {
                "controllers": [
                    {"name": "沈", "id_number": SHEN, "share": 60},
                    {"name": "钱", "id_number": QIAN, "share": 41},
                ]
            },
            "invalid",
        ),
    ],
)
def test_who_may_not_register(service: ServiceUnderTest, change: dict[str, Any], code: str) -> None:
    answer = apply(service, said(credit_code(), **change))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    if code == "institution_excluded":
        assert "102 号令" in answer.json()["detail"]


def test_an_institution_of_the_second_kind_may(service: ServiceUnderTest) -> None:
    code = of_institution()
    assert apply(service, said(code)).json()["code"] == "kind_and_code"
    assert apply(service, said(code, kind="institution")).status_code == 201


def test_an_address_may_send_only_so_many_an_hour_whatever_they_are(
    service: ServiceUnderTest, clock: MovableClock
) -> None:
    address = next(ADDRESSES)
    for number in range(10):
        body = said(credit_code()) if number % 2 else said(credit_code(), kind="institution_first")
        assert apply(service, body, address).status_code in {201, 422}
    refused = apply(service, said(credit_code()), address)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert apply(service, said(credit_code())).status_code == 201
    clock.move(timedelta(hours=1, seconds=1))
    assert apply(service, said(credit_code()), address).status_code == 201


def test_controllers_stand_nowhere_readable(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    body = {"controllers": [{"name": "欧阳测敏", "id_number": QIAN, "share": 55}]}
    path = f"/organisations/{own_id}/controllers"
    own = dispatcher(service, own_id)
    assert own.put(path, json=body, headers={"If-Match": '"1"'}).status_code == 200
    assert own.put(path, json=body, headers={"If-Match": '"1"'}).status_code == 412
    stranger = dispatcher(service, organisation(service))
    assert stranger.put(path, json=body, headers={"If-Match": '"2"'}).status_code == 403
    assert stranger.get(path).status_code == 403
    assert own.get(path).json()[0]["name"] == "欧阳测敏"
    plain = ("欧阳测敏", QIAN)
    telling = (*plain, *(each.encode().hex() for each in plain))  # bytes read as hex
    with service.database.work() as work:
        tables = work.session.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).scalars()
        for table in list(tables):
            rows = work.session.execute(text(f'SELECT t::text FROM "{table}" t')).scalars().all()
            assert not [row for row in rows if any(each in row for each in telling)], table


def test_two_of_one_controller_are_found(service: ServiceUnderTest) -> None:
    first, second, third, fourth = (organisation(service) for _ in range(4))
    number = id_number(date(1969, 9, 9), 33)
    for each in (first, second):
        body = {"controllers": [{"name": "孙卫", "id_number": number.lower(), "share": 51}]}
        path = f"/organisations/{each}/controllers"
        assert dispatcher(service, each).put(path, json=body, headers={"If-Match": '"1"'}).status_code == 200
    staff = {
        "person_id": str(new_id()),
        "organisation_id": str(third),
        "name": "孙卫",
        "sex": "male",
        "birth_date": "1969-09-09",
        "id_number": number,
        "phone": "13800000000",
    }
    assert dispatcher(service, third).post("/staff", json=staff).status_code == 201
    with service.database.work() as work:
        pairs = organisations.same_controller(work, [fourth, third, second, first])
        assert set(pairs) == {
            (min(a, b), max(a, b)) for a, b in ((first, second), (first, third), (second, third))
        }
        assert organisations.same_controller(work, [first, fourth]) == []
        assert organisations.same_controller(work, [first]) == []


def call(service: ServiceUnderTest, **more: Any) -> UUID:
    """A call in consultation, without what only its publishing gives."""
    values: dict[str, Any] = {
        "title": "居家养老服务",
        "description": "",
        "method": "open_tender",
        "method_reason": "",
        "state": "consulting",
        "beneficiaries": ["old"],
        "ceiling_fen": 1,
        "allowed_kinds": [],
        "least_rating": None,
        "papers": [],
        "invited": [],
        "bid_bond_percent": 0,
        "performance_bond_percent": 0,
        "made_at": NOW,
        **more,
    }
    with service.database.work() as work:
        row = CallRow(call_id=new_id(), **values)
        work.session.add(row)
    return row.call_id


def lacks(service: ServiceUnderTest, own_id: object, call_id: UUID, lang: str = "zh") -> dict[str, str]:
    answer = dispatcher(service, own_id).get(
        f"/organisations/{own_id}/eligibility/{call_id}", headers={"Accept-Language": lang}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["eligible"] == (answer.json()["missing"] == [])
    return {each["code"]: each["message"] for each in answer.json()["missing"]}


def paper(service: ServiceUnderTest, own_id: object, kind: str, verified: bool = True, **more: Any) -> str:
    own = dispatcher(service, own_id)
    body = {
        "kind": kind,
        "name": "证书",
        "number": "苏〔2024〕018号",
        "issued_on": "2024-06-01",
        "file_id": hand_in(own, own_id).json()["file_id"],
        **({"rating": "4A"} if kind == "rating" else {"valid_until": "2026-12-31"}),
        **more,
    }
    made = own.post(f"/organisations/{own_id}/papers", json=body)
    assert made.status_code == 201, made.text
    if verified:
        looked = decide(service, f"/papers/{made.json()['id']}/decision", 1, holds=True)
        assert looked.status_code == 200, looked.text
    return str(made.json()["id"])


def test_an_organisation_sees_at_once_what_it_lacks(service: ServiceUnderTest, clock: MovableClock) -> None:
    own_id = apply(service, said(credit_code())).json()["id"]
    open_to_all = call(service)
    assert set(lacks(service, own_id, open_to_all)) == {"not_admitted"}
    decide(service, f"/organisation-applications/{own_id}/decision", 1, holds=True)
    assert lacks(service, own_id, open_to_all) == {}
    strict = call(
        service,
        allowed_kinds=["firm"],
        least_rating="3A",
        papers=["licence", "audit"],
        invited=[new_id()],
    )
    assert set(lacks(service, own_id, strict)) == {
        "kind_not_allowed",
        "not_invited",
        "rating_missing",
        "paper_missing",
    }
    rated = call(service, allowed_kinds=["social_organisation"], least_rating="3A", papers=["licence"])
    paper(service, own_id, "rating")
    licence = paper(service, own_id, "licence", verified=False)
    assert lacks(service, own_id, rated) == {"paper_unverified": "执业许可证还在审核。"}
    assert "practice licence" in lacks(service, own_id, rated, "en")["paper_unverified"].lower()
    refused = decide(service, f"/papers/{licence}/decision", 1, holds=False, reason="章看不清")
    assert refused.status_code == 200
    assert set(lacks(service, own_id, rated)) == {"paper_refused"}
    paper(service, own_id, "licence", valid_until="2026-11-30")
    assert lacks(service, own_id, rated) == {}
    clock.at = datetime(2026, 11, 30, 15, 59, tzinfo=UTC)
    assert lacks(service, own_id, rated) == {}, "the last valid day is not over in the city"
    clock.at = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert set(lacks(service, own_id, rated)) == {"paper_lapsed"}
    assert set(lacks(service, own_id, call(service, least_rating="5A"))) == {"rating_low"}


def test_a_rating_lapses_after_five_years(service: ServiceUnderTest, clock: MovableClock) -> None:
    own_id = organisation(service)
    rated = call(service, papers=["rating"])
    assert set(lacks(service, own_id, rated)) == {"rating_missing", "controllers_missing"}
    say_controllers(service, own_id)
    assert set(lacks(service, own_id, rated)) == {"rating_missing"}
    paper(service, own_id, "rating", issued_on="2021-11-25", valid_until="2031-01-01")
    shown = dispatcher(service, own_id).get(f"/organisations/{own_id}/papers").json()["items"]
    assert (shown[0]["valid_until"], shown[0]["lapsed"]) == ("2026-11-24", False)
    assert lacks(service, own_id, rated) == {}
    clock.move(timedelta(days=1))
    assert set(lacks(service, own_id, rated)) == {"rating_lapsed"}
    paper(service, own_id, "rating", rating="3A", issued_on="2026-11-01")
    assert lacks(service, own_id, rated) == {}
    assert dispatcher(service, own_id).get(f"/organisations/{own_id}").json()["rating"] == "3A"


def test_single_source_is_for_whom_it_names_and_centres_never_bid(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    say_controllers(service, own_id)
    assert set(lacks(service, own_id, call(service, method="single_source"))) == {"not_invited"}
    assert lacks(service, own_id, call(service, method="single_source", invited=[own_id])) == {}
    with service.database.work() as work:
        organisations.organisation(work, own_id).kind = "centre"
    assert set(lacks(service, own_id, call(service))) == {"public_itself"}


def test_papers_are_the_own_ones_and_looked_at_once(service: ServiceUnderTest) -> None:
    own_id, other_id = organisation(service), organisation(service)
    own, stranger = dispatcher(service, own_id), dispatcher(service, other_id)
    file_id = hand_in(own, own_id).json()["file_id"]
    body = {
        "kind": "licence",
        "name": "执业许可证",
        "number": "1",
        "issued_on": "2025-01-01",
        "valid_until": "2026-12-31",
        "file_id": file_id,
    }
    assert stranger.post(f"/organisations/{own_id}/papers", json=body).status_code == 403
    assert stranger.post(f"/organisations/{other_id}/papers", json=body).json()["code"] == "file_elsewhere"
    assert stranger.get(f"/organisations/{own_id}/papers").status_code == 403
    later = {**body, "issued_on": "2026-11-25"}
    assert own.post(f"/organisations/{own_id}/papers", json=later).json()["code"] == "issued_later"
    for wrong in (
        {"valid_until": None},
        {"rating": "3A"},
        {"kind": "rating"},
        {"valid_until": "2024-01-01"},
    ):
        assert own.post(f"/organisations/{own_id}/papers", json={**body, **wrong}).status_code == 422
    paper_id = own.post(f"/organisations/{own_id}/papers", json=body).json()["id"]
    waiting = bureau(service).get("/papers", params={"limit": 500}).json()["items"]
    assert paper_id in {each["paper_id"] for each in waiting}
    path = f"/papers/{paper_id}/decision"
    assert decide(service, path, 1, holds=False).status_code == 422
    assert decide(service, path, 1, holds=True).status_code == 200
    assert decide(service, path, 2, holds=True).json()["code"] == "paper_looked_at"


def test_a_draft_call_is_not_shown_by_its_eligibility(service: ServiceUnderTest) -> None:
    own_id = organisation(service)
    path = f"/organisations/{own_id}/eligibility/{call(service, state='draft')}"
    assert dispatcher(service, own_id).get(path).status_code == 404
    assert bureau(service).get(path).status_code == 200
    assert dispatcher(service, organisation(service)).get(path).status_code == 403
