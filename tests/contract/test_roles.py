"""The role matrix, walked: every endpoint stands in it, and answers each role as it says."""

import re
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute

from services.declarations import NAMES
from services.declarations import service as declared
from shared.contracts.codes import Role, ScopeKind
from shared.ids import new_id
from tests.conftest import NewDatabase
from tests.contract.role_matrix import LETTERS, MATRIX
from tests.support import ServiceUnderTest, caller, service_under_test

SERVICES = tuple(name for name in NAMES if name != "portal")
REFUSED = {"role_missing", "not_signed_in"}


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest, new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test(request.param, new_module_database(request.param)) as running:
        yield running


def endpoints(name: str) -> set[str]:
    return {
        f"{method} {route.path}"
        for router in declared(name).routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


@pytest.mark.parametrize("name", SERVICES)
def test_every_endpoint_stands_in_the_matrix(name: str) -> None:
    assert endpoints(name) == MATRIX[name].keys()


def test_each_role_gets_what_the_matrix_says(service: ServiceUnderTest) -> None:
    wrong: list[str] = []
    for endpoint, allowed in MATRIX[service.name].items():
        method, template = endpoint.split(" ", 1)
        path = re.sub(r"\{[^}]+\}", lambda _: str(new_id()), template)
        for letter, role in LETTERS.items():
            person = role in {Role.VOLUNTEER, Role.RESIDENT, Role.FAMILY, Role.ORGANISATION_STAFF}
            who = caller(role, ScopeKind.PERSON if person else ScopeKind.CENTRE, None if person else new_id())
            answer = service.as_(who).request(method, path, json={} if method != "GET" else None)
            code = answer.json().get("code") if answer.status_code == 403 else None
            may = allowed in {"*", "-"} or letter in allowed
            if (code == "role_missing") == may:
                wrong.append(f"{endpoint} {role.value}: {answer.status_code} {code}")
            if method != "GET" and answer.status_code < 300 and "{" in template:
                wrong.append(f"{endpoint} {role.value}: did something to a thing that is nobody's")
        nobody = service.as_(None).request(method, path, json={} if method != "GET" else None)
        if (nobody.status_code == 401) == (allowed == "-") and nobody.status_code != 401:
            wrong.append(f"{endpoint} nobody: {nobody.status_code}")
        if allowed != "-" and nobody.status_code != 401:
            wrong.append(f"{endpoint} nobody: {nobody.status_code}")
    assert wrong == []
