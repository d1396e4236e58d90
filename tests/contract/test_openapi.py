"""Every API against its own OpenAPI: odd input gets a clear refusal, never a 500, never what the schema denies."""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, Response
from schemathesis.schemas import APIOperation

from services.declarations import NAMES
from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Membership
from tests.conftest import NewDatabase
from tests.support import ServiceUnderTest, caller, service_under_test, token

SERVICES = tuple(name for name in NAMES if name != "portal")
EXAMPLES = int(os.environ.get("LINLI_TEST_EXAMPLES") or 3)  # a kind and operation


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest, new_module_database: NewDatabase) -> Iterator[ServiceUnderTest]:
    with service_under_test(request.param, new_module_database(request.param)) as running:
        yield running


def everyone() -> Caller:
    """Somebody with every role in the whole city: nothing is refused for the role."""
    one = caller(Role.BUREAU)
    city = tuple(Membership(role, ScopeKind.CITY) for role in Role)
    return Caller(one.account_id, one.person_id, city)


def test_odd_input_is_refused_and_answers_keep_their_schema(service: ServiceUnderTest) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.client.app)
    headers = {"Authorization": f"Bearer {token(everyone())}"}
    failures: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            fault = first_fault(operation, mode, headers)
            if fault:
                failures[operation.label] = fault
    assert failures == {}


def first_fault(operation: APIOperation, mode: GenerationMode, headers: dict[str, str]) -> str | None:
    """What is wrong with an operation's answers to a few inputs of a kind, if anything."""
    faults: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def attempt(case: Case) -> None:
        case.headers = {k: v for k, v in (case.headers or {}).items() if k.lower() != "authorization"}
        answer = case.call(headers=headers)
        fault = fault_of(operation, answer)
        if fault:
            faults.append(f"{fault}: {case.path_parameters} {case.query} {case.body!r:.300}")

    try:
        attempt()
    except Unsatisfiable:
        return None
    return faults[0] if faults else None


def fault_of(operation: APIOperation, answer: Response) -> str | None:
    """No 5xx; refusals are problems; what succeeds keeps its schema."""
    if answer.status_code >= 500:
        return f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400:
        kind = (answer.headers.get("content-type") or [""])[0]
        return None if kind.startswith("application/problem+json") else f"{answer.status_code} {kind}"
    try:
        operation.validate_response(answer)
    except Exception as error:
        return str(error)[:300]
    return None
