"""Whatever people type, wherever they type it: it is in no log, no metric, no span and not in the database's log.

Names, phones, ID numbers and addresses go through every endpoint of every service and every form of the portal; then
everything that was written meanwhile is read.
"""

import itertools
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest

from services.declarations import NAMES
from services.portal.pages import ROUTERS
from shared.contracts.codes import Role, ScopeKind
from shared.database.server import DatabaseServer, EmbeddedServer
from shared.ids import new_id
from shared.messaging.bus.port import AGGREGATE_VERSION, ID, TYPE, Message
from shared.sample import SAMPLE_PASSWORD
from shared.sample.people import id_number
from shared.security.caller import Caller, Membership
from shared.telemetry.traces import configure_traces, end_traces
from tests.contract.test_objects import IDS, ids_of
from tests.running import Product, product
from tests.support import caller, service_under_test, token
from tests.watching import Collector, logged

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(1200)]

NAME = "欧阳测敏"
PHONE = "13987650412"
ID_NUMBER = id_number(date(1951, 3, 8), 42)
ADDRESS = "延长路88号幸福里3幢502室"
LATIN = "ouyang.cemin"
TYPED = (NAME, PHONE, ID_NUMBER, ADDRESS, LATIN)
OTHERS = itertools.cycle(
    TYPED[1:]
)  # every endpoint gets the name and, in turn, one of these in each of its places
TELLING = re.compile(
    "|".join(
        [
            *map(re.escape, TYPED),
            quote(NAME),
            quote(ADDRESS),
            json.dumps(NAME)[1:-1].replace("\\", r"\\"),
            repr(NAME.encode())[2:-1].replace("\\", r"\\"),
            "[\u3400-\u9fff]",  # our logs speak English: whatever is Chinese was typed by somebody or names somebody
            r"(?<![0-9a-f.])1[3-9]\d{9}(?![0-9a-f])",
            r"(?<![0-9a-f.])\d{17}[\dX](?![0-9a-f])",
        ]
    )
)
_MALFORMED = (
    f'{{"name": "{NAME}", "phone": {PHONE}, "id_number": "{ID_NUMBER}',
    f'["{NAME}", "{ADDRESS}"]',
    f'"{LATIN}"',
    '{"name": "\\ud800\\u0000' + NAME + '"}',
    b'{"name": "\xff\xfe' + NAME.encode() + b'"}',
)
MALFORMED = itertools.cycle(_MALFORMED)  # all meet the same reader: an endpoint takes two of them
USERS = (
    "centre",
    "volunteer",
    "carer",
    "dispatcher",
    "planner",
    "grid",
    "resident",
    "family",
    "community",
    "bureau",
    "town",
)
ONE_OF_EACH = ("centre", "planner", "volunteer")  # a desk, an office, a phone
ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        for name in NAMES:
            configure_traces(name, collector.address)
        yield collector
        end_traces()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with logged(tmp_path_factory.mktemp("log") / "linli.log") as file:
        yield file


@pytest.fixture(scope="module")
def city(
    collector: Collector, log: Path, postgres_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with product(postgres_server, tmp_path_factory.mktemp("city")) as running:
        yield running


def test_nothing_that_people_type_is_written_down(
    city: Product,
    log: Path,
    collector: Collector,
    postgres_server: DatabaseServer,
    capfd: pytest.CaptureFixture[str],
) -> None:
    server_log = postgres_server.root / "server.log" if isinstance(postgres_server, EmbeddedServer) else None
    began = server_log.stat().st_size if server_log else 0
    for name in NAMES:
        if name != "portal":
            type_into_service(city, name)
    type_into_portal(city)
    break_the_protocol(city)
    publish_poison(city, log)
    end_traces()

    written = {
        "the log": log.read_text(encoding="utf-8"),
        "metrics": generate_latest().decode(),
        "spans": collector.text,
        "standard output and error": "".join(capfd.readouterr()),
    }
    if server_log:
        written["PostgreSQL's log"] = server_log.read_bytes()[began:].decode("utf-8", "replace")
    for where, text in written.items():
        found = TELLING.search(text)
        assert found is None, f"{where}: …{text[max(0, found.start() - 300) : found.end() + 100]}…"
    assert collector.spans
    lines = [json.loads(line) for line in written["the log"].splitlines()]
    assert {line["service"] for line in lines if line["event"] == "request"} == set(NAMES)
    assert asked() >= every_endpoint(city), sorted(every_endpoint(city) - asked())


def asked() -> set[tuple[str, str, str]]:
    """What was asked: service, method, route."""
    return {
        (s.labels["service"], s.labels["method"], s.labels["route"])
        for family in REGISTRY.collect()
        if family.name == "linli_request_seconds"
        for s in family.samples
    }


def every_endpoint(city: Product) -> set[tuple[str, str, str]]:
    assert city.city is not None
    found = {
        (name, method.upper(), path)
        for name, app in city.city.apps.items()
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    return found | {("portal", method, path) for method, path in portal_routes()}


def portal_routes() -> list[tuple[str, str]]:
    return [
        (method, route.path)  # type: ignore[attr-defined]
        for router in ROUTERS
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]
    ]


# --- the services, by their own description


def everyone() -> Caller:
    """Somebody with every role in the whole city: nothing is refused for the role."""
    one = caller(Role.BUREAU)
    return Caller(one.account_id, one.person_id, tuple(Membership(role, ScopeKind.CITY) for role in Role))


def type_into_service(city: Product, name: str) -> None:
    ids = {key: value for each in IDS for key, value in ids_of(city, each).items()}
    ids |= ids_of(city, name) if name in IDS else {}
    with service_under_test(name, city.urls[name], None if name == "identity" else city.clock) as service:
        spec = service.client.get("/openapi.json").json()
        for template, operations in spec["paths"].items():
            for method, operation in operations.items():
                for typed in requests_of(spec, operation, template, ids):
                    headers = personal_headers(token(everyone())) | typed.pop("headers", {})
                    service.client.request(method.upper(), headers=headers, **typed)
        service.client.request("GET", f"/{quote(NAME)}", headers=personal_headers(LATIN))
        service.client.request(PHONE, "/healthz")


def personal_headers(bearer: str) -> dict[str, Any]:
    return {
        "Authorization": f"Bearer {bearer}",
        "User-Agent": NAME.encode(),
        "Accept-Language": NAME.encode(),
        "X-Forwarded-For": PHONE,
        "Referer": f"http://portal/{quote(ADDRESS)}?q={PHONE}",
        "Cookie": f"name={LATIN}",
        "traceparent": f"00-{ID_NUMBER}-{PHONE}-01",
        "Idempotency-Key": f"{ID_NUMBER}-{new_id()}",
    }


def requests_of(
    spec: dict[str, Any], operation: dict[str, Any], template: str, ids: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """An endpoint asked rightly, and with personal data in every place that it has."""
    parameters = operation.get("parameters", [])
    queries = [p["name"] for p in parameters if p["in"] == "query"]
    path = re.sub(r"\{([^}]+)\}", lambda part: ids.get(part[1]) or str(new_id()), template)
    content = (operation.get("requestBody") or {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")

    def body(typed: str | None) -> dict[str, Any]:
        return {} if schema is None else {"json": filled(spec, schema, ids, typed)}

    yield {"url": path, "headers": {"If-Match": '"1"'}, **body(None)}
    yield {"url": path, "headers": {"If-Match": ID_NUMBER, "Idempotency-Key": NAME.encode()}, **body(None)}
    for typed in (NAME, next(OTHERS)):
        yield {"url": path, "params": dict.fromkeys((*queries, "name"), typed), **body(typed)}
        if "{" in template:
            yield {"url": re.sub(r"\{[^}]+\}", quote(typed), template), **body(None)}
    if "application/octet-stream" in content:
        for typed in TYPED:  # a file whose name and bytes tell
            yield {
                "url": path,
                "params": {"about": "organisation", "about_id": ids["organisation_id"]},
                "content": f"%PDF-1.7 {typed}".encode(),
                "headers": {"File-Name": quote(f"{typed}.pdf")},
            }
    if schema is not None:
        yield {"url": path, "content": next(MALFORMED), "headers": {"Content-Type": "application/json"}}
        yield {"url": path, "content": next(MALFORMED), "headers": {"Content-Type": "text/plain"}}


def filled(
    spec: dict[str, Any], schema: dict[str, Any], ids: dict[str, str], typed: str | None, name: str = ""
) -> Any:
    """A body by its schema, every field given; with `typed` in each place that holds text or a number."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].split("/")[-1]]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return filled(spec, schema[alternatives][0], ids, typed, name)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {
            key: filled(spec, each, ids, typed, key) for key, each in schema.get("properties", {}).items()
        } | ({NAME: typed} if typed else {})
    if kind == "array":
        return [filled(spec, schema.get("items", {}), ids, typed, name)]
    if "enum" in schema or "const" in schema:
        return typed or (schema.get("enum") or [schema["const"]])[0]
    if kind in {"integer", "number"}:
        return int(typed) if typed and typed.isdigit() else int(schema.get("minimum", 1))
    if kind == "boolean":
        return typed or True
    if typed:
        return typed
    if schema.get("format") == "uuid":
        return ids.get(name) or ids.get(name.removesuffix("s")) or str(new_id())
    if schema.get("format") in {"date", "date-time", "time"}:
        return {"date": "2026-12-01", "date-time": "2026-12-01T09:00:00+08:00", "time": "09:00"}[
            schema["format"]
        ]
    if "id_number" in name or schema.get("minLength") == 18:
        return ID_NUMBER
    if "phone" in name or "1[3-9]" in schema.get("pattern", ""):
        return PHONE
    return (ADDRESS if "address" in name else NAME)[: schema.get("maxLength", 100)]


# --- the portal, as browsers do


class Forms(HTMLParser):
    """The forms of a page, and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, str, list[tuple[str, str, str]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append((given.get("method", "get").upper(), given.get("action", ""), []))
        elif tag in {"input", "textarea", "select"} and self.forms and given.get("name"):
            kind = given.get("type", "text") if tag == "input" else tag
            self.forms[-1][2].append((given["name"], kind, given.get("value", "")))
        elif tag == "option" and self.forms and self.forms[-1][2] and self.forms[-1][2][-1][1] == "select":
            name, kind, before = self.forms[-1][2][-1]
            self.forms[-1][2][-1] = (name, kind, before or given.get("value", ""))


def filled_form(fields: list[tuple[str, str, str]], typed: str | None) -> dict[str, list[str]]:
    """A form as a person fills it in; or with one thing typed into every field."""
    values: dict[str, list[str]] = {}
    for name, kind, value in fields:
        if kind in {"hidden", "file"}:
            chosen = value
        elif kind in {"checkbox", "radio", "select"}:
            chosen = typed or value
        elif typed:
            chosen = typed
        else:
            fitting = {"id_number": ID_NUMBER, "phone": PHONE, "address": ADDRESS, "username": LATIN}
            chosen = next((v for k, v in fitting.items() if k in name), value or NAME)
        if kind == "checkbox" or name not in values:
            values.setdefault(name, []).append(chosen)
    return values


def type_into_portal(city: Product) -> None:
    with httpx.Client(base_url=city.address, timeout=60) as stranger:
        for typed in TYPED:
            stranger.post("/sign-in", data={"username": typed, "password": typed})
            stranger.post("/card", data={"code": typed, "pin": typed})
            stranger.get(f"/card/{quote(typed)}")
            stranger.post("/register", data=dict.fromkeys(("username", "password", "id_number"), typed))
    for user in USERS:
        with httpx.Client(base_url=city.address, timeout=60, headers={"User-Agent": NAME.encode()}) as reader:
            answer = reader.post("/sign-in", data={"username": user, "password": SAMPLE_PASSWORD})
            if answer.status_code == 303:
                read_and_fill(reader, urljoin("/", answer.headers["location"]))
                if user in ONE_OF_EACH:
                    type_into_addresses(reader)


def read_and_fill(reader: httpx.Client, start: str, most: int = 25) -> None:
    """Follow links from page to page, one of each kind, and fill in each form twice."""
    todo, seen = [start], set[str]()
    while todo and len(seen) < most:
        address = todo.pop(0)
        kind = ANY_ID.sub("ID", address.split("?")[0])
        if kind in seen or "/sign-out" in address or "/language" in address:
            continue
        seen.add(kind)
        answer = reader.get(address)
        if answer.status_code == 303:
            todo.insert(0, urljoin(address, answer.headers["location"]))
        if "html" not in answer.headers.get("content-type", ""):
            continue
        page = Forms(answer.text)
        todo += [urljoin(address, link) for link in page.links if not re.match(r"\w+:|#|//", link)]
        for method, action, fields in page.forms:
            target = urljoin(address, action or address)
            form_kind = f"{method} {ANY_ID.sub('ID', target.split('?')[0])}"
            if form_kind in seen or "/sign-out" in target:
                continue
            seen.add(form_kind)
            for typed in (None, NAME):
                send(reader, method, target, fields, typed)


def send(
    reader: httpx.Client, method: str, target: str, fields: list[tuple[str, str, str]], typed: str | None
) -> None:
    values = filled_form(fields, typed)
    if method == "GET":
        reader.get(target, params=values)
        return
    sheets = {
        name: (f"{NAME}.csv", f"姓名,电话\n{NAME},{PHONE}\n".encode(), "text/csv")
        for name, kind, _ in fields
        if kind == "file"
    }
    reader.post(target, data=values, files=sheets or None)


def type_into_addresses(reader: httpx.Client) -> None:
    """Every route with personal data for its ids, its query and a form without its token."""
    for method, template in portal_routes():
        if template == "/sign-out":
            continue
        path = re.sub(r"\{[^}]+\}", quote(NAME), template)
        other = re.sub(r"\{[^}]+\}", lambda part: "zh" if part[0] == "{lang}" else str(new_id()), template)
        for address in {path, other}:
            data = {"name": NAME, "phone": PHONE} if method == "POST" else None
            reader.request(method, address, params={"q": NAME, "day": PHONE, "cursor": ADDRESS}, data=data)
    reader.post("/sign-out", data={"_csrf": NAME})


def break_the_protocol(city: Product) -> None:
    """What is no HTTP, or not of ours."""
    address = f"/{quote(NAME)}?phone={PHONE}"
    for sent in (
        f"GET /{NAME}?q={PHONE} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"{NAME} / HTTP/1.1\r\n\r\n",
        f"GET {address} HTTP/1.1\r\nHost: x\r\n{NAME}: {PHONE}\r\n\r\n",
        f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        f"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nusername={NAME}",
    ):
        with socket.create_connection(("127.0.0.1", city.port), timeout=5) as connection:
            connection.sendall(sent.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass


def publish_poison(city: Product, log: Path) -> None:
    """Events that no service of ours would send."""
    assert city.city is not None
    headers = {TYPE: "linli.daycare.visit_changed.v1", ID: str(new_id()), AGGREGATE_VERSION: "1"}
    city.city.bus.publish(
        [
            Message("linli.visits", NAME, headers, json.dumps({NAME: PHONE, "kind": NAME}).encode()),
            Message("linli.visits", PHONE, {**headers, TYPE: NAME, ID: ID_NUMBER}, ADDRESS.encode()),
        ]
    )
    until(lambda: log.read_text(encoding="utf-8").count('"dead letter"') >= 2, "dead letters")


def until(done: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)
