"""Someone else's object: a role at another centre, organisation, town, cell or person gets nothing out of the sample city.

Every endpoint that names an object, and every list, is asked by every scoped role that the matrix lets in, with a scope
that reaches nothing of the city. What may be read all the same stands here by hand.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.contracts.codes import Role, ScopeKind
from shared.database.server import DatabaseServer
from shared.ids import new_id
from shared.security.caller import Caller
from tests.contract.role_matrix import LETTERS, MATRIX
from tests.running import Product, product
from tests.support import ServiceUnderTest, caller, service_under_test

CITY_WIDE = {Role.BUREAU, Role.PLANNER, Role.AUDITOR, Role.SCORER}
SCOPES = {
    Role.TOWN: ScopeKind.TOWN,
    Role.CENTRE_STAFF: ScopeKind.CENTRE,
    Role.SOCIAL_WORKER: ScopeKind.CENTRE,
    Role.COMMUNITY: ScopeKind.COMMUNITY,
    Role.GRID_WORKER: ScopeKind.CELL,
    Role.DISPATCHER: ScopeKind.ORGANISATION,
    Role.ORGANISATION_STAFF: ScopeKind.PERSON,
    Role.VOLUNTEER: ScopeKind.PERSON,
    Role.RESIDENT: ScopeKind.PERSON,
    Role.FAMILY: ScopeKind.PERSON,
}
# what is no secret: places, rules, organisations, volunteers' teams, the contracts of public money (every town's), and that the city has a
# plan; of the plan's visits a town sees and publishes its own
PUBLIC = {
    "community": {*MATRIX["community"]},
    "daycare": {"GET /catalogue", "GET /centres", "GET /centres/{centre_id}"},
    "projects": {
        "GET /organisations",
        "GET /organisations/{organisation_id}",
        "GET /contracts",
        "GET /contracts/{contract_id}",
        "GET /funds",
        "GET /funds/{fund_id}",
        "GET /funds/{fund_id}/appraisal",
    },
    "volunteers": {"GET /teams"},
    "matcher": {
        "GET /rules",
        "GET /plans",
        "GET /plans/{plan_id}",
        "POST /plans/{plan_id}/publish",
        "POST /plans/{plan_id}/hold",
    },
}
IDS = {
    "identity": {
        "account_id": "SELECT account_id FROM account LIMIT 1",
        "membership_id": "SELECT membership_id FROM membership ORDER BY account_id LIMIT 1",
    },
    "daycare": {
        "person_id": "SELECT person_id FROM resident LIMIT 1",
        "assessment_id": "SELECT assessment_id FROM assessment LIMIT 1",
        "absence_id": "SELECT absence_id FROM absence LIMIT 1",
        "block_id": "SELECT block_id FROM block LIMIT 1",
        "need_id": "SELECT need_id FROM need LIMIT 1",
        "visit_id": "SELECT visit_id FROM visit WHERE status = 'open' ORDER BY earliest_start LIMIT 1",
        "attendance_id": "SELECT attendance_id FROM attendance LIMIT 1",
        "task_id": "SELECT task_id FROM task LIMIT 1",
    },
    "matcher": {
        "plan_id": "SELECT plan_id FROM plan LIMIT 1",
        "offer_id": "SELECT offer_id FROM offer LIMIT 1",
        "assignment_id": "SELECT assignment_id FROM assignment WHERE organisation_id IS NOT NULL LIMIT 1",
        "visit_id": "SELECT visit_id FROM assignment LIMIT 1",
        "rule_id": "SELECT 'travel.minute'",
    },
    "volunteers": {
        "person_id": "SELECT person_id FROM volunteer WHERE status = 'approved' LIMIT 1",
        "exception_id": "SELECT exception_id FROM exception LIMIT 1",
        "attendance_id": "SELECT attendance_id FROM record_entry WHERE earlier LIMIT 1",
        "skill": "SELECT 'companionship'",
        "what": "SELECT 'lone_visits'",
    },
    "projects": {
        "organisation_id": "SELECT organisation_id FROM organisation LIMIT 1",
        "contract_id": "SELECT contract_id FROM contract LIMIT 1",
        "line_id": "SELECT line_id FROM contract_line LIMIT 1",
        "person_id": "SELECT person_id FROM staff LIMIT 1",
        "leave_id": "SELECT leave_id FROM leave LIMIT 1",
        "attendance_id": "SELECT attendance_id FROM delivery LIMIT 1",
        "code": "SELECT 'care_worker'",
        "paper_id": "SELECT paper_id FROM paper LIMIT 1",
        "file_id": "SELECT file_id FROM file WHERE about = 'organisation' LIMIT 1",
        "fund_id": "SELECT fund_id FROM fund LIMIT 1",
        "budget_line_id": "SELECT budget_line_id FROM budget_line LIMIT 1",
        "call_id": "SELECT call_id FROM call LIMIT 1",
        "opinion_id": "SELECT opinion_id FROM opinion LIMIT 1",
        "question_id": "SELECT question_id FROM question LIMIT 1",
        "notice_id": "SELECT notice_id FROM notice LIMIT 1",
        "award_id": "SELECT award_id FROM award LIMIT 1",
        "challenge_id": "SELECT challenge_id FROM challenge LIMIT 1",
        "refusal_id": "SELECT refusal_id FROM refusal LIMIT 1",
        "claim_id": "SELECT claim_id FROM claim LIMIT 1",
        "supplement_id": "SELECT supplement_id FROM supplement LIMIT 1",
        "grant_id": 'SELECT grant_id FROM "grant" LIMIT 1',
        "milestone_id": "SELECT milestone_id FROM milestone LIMIT 1",
        "incubation_id": "SELECT incubation_id FROM incubation LIMIT 1",
        "lot_id": "SELECT lot_id FROM lot LIMIT 1",
        "bid_id": "SELECT bid_id FROM bid LIMIT 1",
    },
}


@pytest.fixture(scope="module")
def city(postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with product(postgres_server, Path(tmp_path_factory.mktemp("objects"))) as running:
        yield running


@pytest.fixture(params=[*IDS])
def service(request: pytest.FixtureRequest, city: Product) -> Iterator[ServiceUnderTest]:
    with service_under_test(request.param, city.urls[request.param], city.clock) as running:
        yield running


def strangers(endpoint: str, allowed: str) -> Iterator[tuple[Role, Caller]]:
    for letter, role in LETTERS.items():
        if role not in CITY_WIDE and (allowed == "*" or letter in allowed):
            scope = SCOPES[role]
            yield role, caller(role, scope, None if scope is ScopeKind.PERSON else new_id())


def ids_of(city: Product, name: str) -> dict[str, str]:
    """Real objects of the sample; for a kind it has none of, an id that is nobody's."""
    found = {"letter_id": "1"}
    with psycopg.connect(city.urls[name].owner.replace("+psycopg", "")) as connection:
        for kind, query in IDS[name].items():
            row = connection.execute(query).fetchone()
            found[kind] = str(row[0]) if row else str(new_id())
    return found


def example(spec: dict[str, Any], path: str, method: str) -> Any:
    """The body that the API's own description gives as an example."""
    operation = spec["paths"][path][method.lower()]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    schema = content["schema"]
    schema = spec["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    return (schema.get("examples") or [{}])[0]


def a_file(spec: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    """A file for an endpoint that takes one as it is."""
    content = spec["paths"][path][method.lower()].get("requestBody", {}).get("content", {})
    return {"content": b"%PDF-1.7\n"} if "application/octet-stream" in content else {}


def named_headers(spec: dict[str, Any], path: str, method: str) -> dict[str, str]:
    """The headers that an endpoint can't do without, as its description gives them."""
    return {
        parameter["name"]: parameter["schema"]["examples"][0]
        for parameter in spec["paths"][path][method.lower()].get("parameters", [])
        if parameter["in"] == "header" and parameter.get("required")
    }


OF_THE_CITY = {
    "plans",
    "first",
    "last",
    "mean",
    "load",
}  # that there is a plan, and how the whole city is served


def _empty(answer: Any) -> bool:
    """Whether an answer holds nothing but zeros and what is told of the whole city."""
    if isinstance(answer, dict):
        return all(_empty(value) for key, value in answer.items() if key not in OF_THE_CITY)
    return not answer


def test_nobody_reaches_another_ones_object(city: Product, service: ServiceUnderTest) -> None:
    ids, public = ids_of(city, service.name), PUBLIC.get(service.name, set())
    spec = service.client.get("/openapi.json").json()
    wrong, asked = [], 0
    for endpoint, allowed in MATRIX[service.name].items():
        method, template = endpoint.split(" ", 1)
        if "{" not in template or allowed == "-" or endpoint in public:
            continue
        path = re.sub(r"\{([^}]+)\}", lambda part: ids[part[1]], template)
        sent = {"json": None if method == "GET" else example(spec, template, method)} | a_file(
            spec, template, method
        )
        for role, who in strangers(endpoint, allowed):
            headers = {"If-Match": '"1"'} if method in {"PATCH", "PUT", "DELETE", "POST"} else {}
            headers |= named_headers(spec, template, method)
            answer = service.as_(who).request(method, path, headers=headers, **sent)
            asked += 1
            nothing = method == "GET" and answer.status_code == 200 and _empty(answer.json())
            if answer.status_code not in {403, 404} and not nothing:
                wrong.append(f"{endpoint} {role.value}: {answer.status_code} {answer.text[:60]}")
    assert asked
    assert not wrong, "\n".join(wrong)


def test_nobodys_lists_hold_another_ones_objects(city: Product, service: ServiceUnderTest) -> None:
    public = PUBLIC.get(service.name, set())
    wrong = []
    for endpoint, allowed in MATRIX[service.name].items():
        method, path = endpoint.split(" ", 1)
        if method != "GET" or "{" in path or allowed == "-" or endpoint in public:
            continue
        for role, who in strangers(endpoint, allowed):
            answer = service.as_(who).get(path)
            if answer.status_code == 200 and not _empty(answer.json()):
                wrong.append(f"{endpoint} {role.value}: {answer.text[:60]}")
    assert not wrong, "\n".join(wrong)


def test_8_17_strangers_learn_no_names(city: Product, service: ServiceUnderTest) -> None:
    if "POST /names" not in MATRIX[service.name] or service.name == "identity":
        return  # who holds an office has a name for everybody
    table = {"volunteers": "volunteer", "projects": "staff"}[service.name]
    with psycopg.connect(city.urls[service.name].owner.replace("+psycopg", "")) as connection:
        people = [str(row[0]) for row in connection.execute(f"SELECT person_id FROM {table} LIMIT 500")]  # type: ignore[arg-type]
        pairs = connection.execute("SELECT count(*) FROM acquaintance").fetchone()
    assert pairs is not None
    assert pairs[0] > 100, "the sample's plan made acquaintances"
    learned = {
        role: found
        for role, who in strangers("POST /names", "*")
        if (found := service.as_(who).post("/names", json={"person_ids": people}).json())
    }
    assert set(learned) <= {Role.TOWN}, "a town plans, hence by name"
    assert all(answer["phone"] is None for found in learned.values() for answer in found.values())
