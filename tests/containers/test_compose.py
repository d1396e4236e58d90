"""The city in containers, through its proxy over TLS; its broker and database killed in the middle."""

import re
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services import declarations
from services.portal.words import KINDS
from shared.clock import wall
from shared.sample import SAMPLE_PASSWORD
from tests.containers.compose import HEALTHY_SECONDS, Containers, docker, running
from tests.faults.running import shift_to_daylight

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]

SHIFT = shift_to_daylight(datetime.now(UTC))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with running(tmp_path_factory.mktemp("containers"), SHIFT.total_seconds()) as containers:
        yield containers


@pytest.fixture
def desk(city: Containers) -> Iterator[httpx.Client]:
    """The centre's staff, signed in."""
    trusted = ssl.create_default_context(cafile=str(city.authority))
    with httpx.Client(base_url=city.address, verify=trusted, timeout=60) as client:
        answer = client.post("/sign-in", data={"username": "centre", "password": SAMPLE_PASSWORD})
        assert answer.status_code == 303, answer.text
        yield client


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(_\w+)" value="([^"]*)"', page))


def form_of(page: str, action: str) -> tuple[str, dict[str, str]]:
    """The first form whose action matches: where it goes and what it would send."""
    found = re.search(rf'<form method="post" action="({action})"(.*?)</form>', page, re.DOTALL)
    assert found, f"no form {action} on the page: {re.findall('action=.[^ ]*', page)}"
    fields = re.findall(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"', found[2])
    return found[1], dict(fields)


def until(desk: httpx.Client, path: str, wanted: str, seconds: float = 60) -> str:
    """Look again until a page says what other services will have told it."""
    deadline, shown = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        answer = desk.get(path)
        shown = answer.text
        if answer.status_code == 200 and re.search(wanted, shown):
            return shown
        time.sleep(0.5)
    raise AssertionError(f"{path} never says {wanted}: {shown[-3000:]}")


def posted(desk: httpx.Client, kind: str, number: int) -> str:
    """A need of somebody, within the hour. Its address."""
    form = desk.get("/centre/needs/new").text
    residents = re.findall(r'name="resident_ids" value="([0-9a-f-]{36})"', form)
    soon = wall(datetime.now(UTC) + SHIFT) + timedelta(minutes=40)
    sent = desk.post(
        "/centre/needs/new",
        data={
            **hidden(form),
            "resident_ids": residents[number],
            "kind": kind,
            "first_day": soon.date().isoformat(),
            "earliest": soon.strftime("%H:%M"),
            "latest": (soon + timedelta(minutes=10)).strftime("%H:%M"),
        },
    )
    assert sent.status_code == 303, sent.text
    return sent.headers["location"]


def visit_of(desk: httpx.Client, need: str) -> str:
    found = re.search(r"/centre/visits/[0-9a-f-]{36}", until(desk, need, "/centre/visits/"))
    assert found
    return found[0]


def said_yes(desk: httpx.Client, kind: str, visit: str) -> None:
    """The centre calls whoever was asked for such a service, and they say yes; so does who was asked for this visit."""
    calls = desk.get("/centre/calls").text
    for section in calls.split("<section")[1:]:
        if KINDS[kind] in section:
            action, fields = form_of(section, '/centre/calls/[^"]+/accept')
            assert desk.post(action, data=fields).status_code == 303
    until(desk, visit, "已答应")


def hours(desk: httpx.Client, person: str) -> str:
    shown = desk.get(f"/centre/people/{person}").text
    found = re.search(r"一共 <strong>([^<]*)</strong>", shown)
    assert found, shown[-3000:]
    return found[1]


def test_the_proxy_is_the_only_way_in_and_speaks_tls(city: Containers, desk: httpx.Client) -> None:
    page = desk.get("/sign-in")
    assert page.headers["strict-transport-security"].startswith("max-age=")
    assert "server" not in page.headers
    fresh = httpx.Client(base_url=city.address, verify=desk._transport._pool._ssl_context)  # type: ignore[attr-defined]
    answer = fresh.post("/sign-in", data={"username": "centre", "password": SAMPLE_PASSWORD})
    assert {"HttpOnly", "Secure", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))
    crossed = {"Origin": "https://elsewhere.example"}
    assert fresh.post("/sign-out", headers=crossed).status_code == 403
    for path in ("/metrics", "/healthz", "/readyz"):
        assert desk.get(path).status_code == 404
    plain = httpx.get(f"http://localhost:{city.settings['LINLI_HTTP_PORT']}/sign-in")
    assert plain.status_code == 308
    published = docker(
        "ps", "--filter", "label=com.docker.compose.project=linli-test", "--format", "{{.Ports}}"
    )
    assert published.count("->") == 2 * published.count("0.0.0.0")  # 80 and 443, on IPv4 and IPv6


def test_the_story_and_nothing_is_lost_when_broker_and_database_are_killed(
    city: Containers, desk: httpx.Client
) -> None:
    first = visit_of(desk, posted(desk, "digital", 0))
    until(desk, first, "已邀请")
    said_yes(desk, "digital", first)

    city.compose("kill", "-s", "KILL", "kafka")
    second = posted(desk, "companionship", 1)  # acknowledged, while nobody can be told
    city.compose("kill", "-s", "KILL", "postgres")
    city.timed("broker and database again", "up", "-d", "--wait", "kafka", "postgres")
    began = time.monotonic()
    later = visit_of(desk, second)
    until(desk, later, "已邀请", seconds=120)
    city.seconds["offered after both were killed"] = time.monotonic() - began
    said_yes(desk, "companionship", later)

    shown = until(desk, first, "代签到")
    action, fields = form_of(shown, f"{first}/in")
    person = fields["person_id"]
    before = hours(desk, person)
    assert desk.post(action, data=fields).status_code == 303
    action, fields = form_of(until(desk, first, "代签退"), f"{first}/out")
    assert desk.post(action, data=fields).status_code == 303
    action, fields = form_of(until(desk, first, "确认"), f'{first}/confirm/[^"]+')
    now = wall(datetime.now(UTC) + SHIFT)
    fields["started_at"] = (now - timedelta(minutes=50)).strftime("%Y-%m-%dT%H:%M")
    fields["ended_at"] = (now - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M")
    assert desk.post(action, data=fields).status_code == 303
    until(desk, first, "45 分钟")
    deadline = time.monotonic() + 60
    while hours(desk, person) == before and time.monotonic() < deadline:
        time.sleep(0.5)
    assert hours(desk, person) != before


def test_everything_told_has_arrived_and_nothing_was_refused(city: Containers) -> None:
    unsent = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    for service in declarations.NAMES:
        deadline = time.monotonic() + 60
        while city.ask_database(service, unsent) != "0" and time.monotonic() < deadline:
            time.sleep(0.5)
        assert city.ask_database(service, unsent) == "0", service
        assert city.ask_database(service, "SELECT count(*) FROM dead_letter") == "0", service
        assert city.ask_database(service, "SELECT count(*) FROM parked_event") == "0", service


def test_no_container_can_do_more_than_it_was_given(city: Containers) -> None:
    for service in (*declarations.NAMES, "matcher-worker"):
        user = city.compose("exec", "-T", service, "id", "-u").strip()
        status = city.compose("exec", "-T", service, "cat", "/proc/1/status")
        assert user == "10001", service
        assert re.search(r"CapBnd:\s+0{16}\b", status), service
        assert re.search(r"NoNewPrivs:\s+1", status), service
        tried = city.compose("exec", "-T", service, "sh", "-c", "touch /app/x /opt/x 2>&1; true")
        assert tried.count("Read-only file system") == 2, service
        tools = "for tool in pip pip3 npm node gcc curl; do command -v $tool; done; true"
        assert city.compose("exec", "-T", service, "sh", "-c", tools) == "", service
        others = city.compose("exec", "-T", service, "ls", "/app/services").split()
        assert {name for name in others if name in declarations.NAMES} == {service.removesuffix("-worker")}


def test_a_service_reaches_only_whom_it_may(city: Containers) -> None:
    def reaches(source: str, target: str, port: int) -> bool:
        code = f"import socket; socket.create_connection(('{target}', {port}), 3)"
        return "reached" in city.compose(
            "exec", "-T", source, "sh", "-c", f'python3 -c "{code}" 2>/dev/null && echo reached; true'
        )

    assert reaches("daycare", "identity", 8000)
    assert reaches("daycare", "postgres", 5432)
    assert reaches("portal", "daycare", 8000)
    for source, target, port in (
        ("daycare", "volunteers", 8000),
        ("volunteers", "matcher", 8000),
        ("daycare", "proxy", 443),
        ("matcher-worker", "projects", 8000),
        ("portal", "1.1.1.1", 443),
        ("daycare", "1.1.1.1", 443),
    ):
        assert not reaches(source, target, port), f"{source} reaches {target}"


def test_what_was_seen(city: Containers, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of this run. Promised of them: the solver weighs on the matcher alone, and no container is near its end."""
    sizes, memory = city.image_sizes(), city.memory()
    with capsys.disabled():
        print("\n")
        for step, seconds in city.seconds.items():
            print(f"  {step:<34} {seconds:6.1f} s")
        for name, size in sizes.items():
            print(f"  image {name:<28} {size:6.0f} MB")
        for name, used in memory.items():
            print(f"  {name:<34} {used}")
    assert city.seconds["healthy"] < HEALTHY_SECONDS
    assert sizes["(base)"] < min(sizes[name] for name in declarations.NAMES)
    assert max(sizes[name] for name in declarations.NAMES if name != "matcher") < sizes["matcher"] / 2
    for name in (*declarations.NAMES, "kafka", "postgres", "proxy"):
        [used] = [used for container, used in memory.items() if re.search(rf"-{name}-\d+$", container)]
        here, most = (in_bytes(amount) for amount in used.split(" / "))
        assert 0 < here < 0.9 * most, f"{name}: {used}"


def in_bytes(amount: str) -> float:
    """12.5MiB, as `docker stats` writes it."""
    found = re.fullmatch(r"([\d.]+)([KMG]?i?)B", amount)
    assert found, amount
    return float(found[1]) * {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[found[2]]
