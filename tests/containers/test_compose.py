"""The city in containers, through its proxy over TLS; its broker and database killed in the middle."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from services import declarations
from services.portal.words import KINDS
from shared.clock import wall, wall_day, week_start
from shared.ids import carer_id
from shared.sample import SAMPLE_PASSWORD, Size, make_city
from tests.containers.compose import HEALTHY_SECONDS, Containers, docker, running
from tests.faults.running import shift_to_daylight

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]

SHIFT = shift_to_daylight(datetime.now(UTC))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with running(tmp_path_factory.mktemp("containers"), SHIFT.total_seconds()) as containers:
        yield containers


SignIn = Callable[[str], httpx.Client]


@pytest.fixture
def sign_in(city: Containers) -> Iterator[SignIn]:
    """`sign_in("planner")`: somebody of the sample, at the proxy's address over TLS."""
    trusted = ssl.create_default_context(cafile=str(city.authority))
    with ExitStack() as stack:

        def sign_in(username: str) -> httpx.Client:
            client = httpx.Client(base_url=city.address, verify=trusted, timeout=60)
            stack.enter_context(client)
            answer = client.post("/sign-in", data={"username": username, "password": SAMPLE_PASSWORD})
            assert answer.status_code == 303, answer.text
            return client

        yield sign_in


@pytest.fixture
def desk(sign_in: SignIn) -> httpx.Client:
    """The centre's staff, signed in."""
    return sign_in("centre")


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


def said_yes(desk: httpx.Client, kind: str, visit: str, seconds: float = 120) -> None:
    """The centre calls whoever is asked for such a service, until the visit's own person has said yes.

    A short-notice offer lapses in a quarter of an hour and goes to the next: on a slow machine they are called as well.
    """
    deadline, answers = time.monotonic() + seconds, [""]
    while "已答应" not in desk.get(visit).text:
        assert time.monotonic() < deadline, f"nobody said yes to {visit}: {answers[-5:]}"
        for section in desk.get("/centre/calls").text.split("<section")[1:]:
            if KINDS[kind] in section:
                action, fields = form_of(section, '/centre/calls/[^"]+/accept')
                shown = desk.post(action, data=fields, follow_redirects=True).text
                answers += re.findall(r'class="flash.*?</span>', shown, re.DOTALL)
        time.sleep(0.5)


def send(client: httpx.Client, page: str, action: str, **more: str) -> str:
    """Fill in and send a form of a page as it comes; what is shown then."""
    where, fields = form_of(page, action)
    answer = client.post(where, data={**fields, **more}, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.text


def delivered(dispatcher: httpx.Client) -> float:
    """Units that the provider has delivered on its lines, accepted or not."""
    shown = dispatcher.get("/organisation/contracts").text
    lines = re.findall(r'<span class="hint">已验收 ([\d.]+)，已交付 ([\d.]+)', shown)
    assert lines, shown[-3000:]
    return sum(float(accepted) + float(given) for accepted, given in lines)


def pinned_to_a_provider(planner: httpx.Client, desk: httpx.Client) -> str:
    """A visit within the hour with one of the dispatcher's carers: the first kind that one of them is free for."""
    facts = make_city(Size.SMALL, 1, monday=week_start(wall_day(datetime.now(UTC) + SHIFT)))
    theirs = facts.people_of_the_story.carer
    assert theirs is not None
    ours = {
        str(carer_id(carer.person.person_id, carer.organisation_id))
        for carer in facts.paid_carers
        if carer.organisation_id == theirs.organisation_id
    }
    for number, kind in enumerate(("care", "cleaning", "meal", "companionship", "social_work"), 2):
        visit = visit_of(desk, posted(desk, kind, number)).rpartition("/")[2]
        for _ in range(5):  # somebody may be asked in the very moment: then the planner looks again
            shown = until(planner, f"/plan/visits/{visit}", "what-if")
            forms = re.findall(
                r'name="carer_id" value="([^"]+)"><input[^>]*name="action" value="(\w+)"', shown
            )
            if any(carer in ours and action == "forbid" for carer, action in forms):
                return visit  # the plan has put one of them there
            found = next((carer for carer, action in forms if carer in ours and action == "pin"), None)
            if found is None:
                break
            page = f"/plan/visits/{visit}/what-if"
            asked = planner.post(page, data={**hidden(shown), "carer_id": found, "action": "pin"}).text
            if "会影响" in asked and "就这样安排" in asked:
                where, fields = form_of(asked, f"/plan/visits/{visit}/pin")
                if "已按您的选择" in planner.post(where, data=fields, follow_redirects=True).text:
                    return visit
    raise AssertionError("none of the provider's carers is free for anything within the hour")


def contract_work(sign_in: SignIn, desk: httpx.Client) -> tuple[str, float]:
    """The carer's part up to the end of the visit, and what had been delivered on the provider's lines before."""
    dispatcher = sign_in("dispatcher")
    visit = pinned_to_a_provider(sign_in("planner"), desk)
    today = wall_day(datetime.now(UTC) + SHIFT).isoformat()
    shown = until(dispatcher, "/organisation", f'name="day" value="{today}"')
    answer = dispatcher.post(
        "/organisation/confirm", data={**hidden(shown), "day": today}, follow_redirects=True
    )
    assert re.search("已确认 [1-9]", answer.text), answer.text[-3000:]
    until(dispatcher, "/organisation/contracts", "已预留 [1-9]")
    drawn = delivered(dispatcher)
    come_and_gone(desk, visit)
    return visit, drawn


def come_and_gone(desk: httpx.Client, visit: str) -> None:
    """Whoever was pinned comes and goes; their desk notes it."""
    for sent, action in (("代签到", "in"), ("代签退", "out")):
        shown = until(desk, f"/centre/visits/{visit}", sent)
        send(desk, shown, f"/centre/visits/{visit}/{action}")


def confirmed(desk: httpx.Client, visit: str) -> None:
    """The centre confirms 45 minutes."""
    shown = until(desk, f"/centre/visits/{visit}", "/confirm/")
    now = wall(datetime.now(UTC) + SHIFT)
    came, went = (now - timedelta(minutes=minutes) for minutes in (50, 5))
    said = {"started_at": f"{came:%Y-%m-%dT%H:%M}", "ended_at": f"{went:%Y-%m-%dT%H:%M}"}
    assert "已确认" in send(desk, shown, f'/centre/visits/{visit}/confirm/[^"]+', **said)


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
    city: Containers, desk: httpx.Client, sign_in: SignIn
) -> None:
    paid, drawn = contract_work(sign_in, desk)
    first = visit_of(desk, posted(desk, "digital", 0))
    until(desk, first, "已邀请")
    said_yes(desk, "digital", first)

    confirmed(desk, paid)
    city.compose("kill", "-s", "KILL", "kafka")  # before or after the contract has heard of it
    second = posted(desk, "companionship", 1)  # acknowledged, while nobody can be told
    city.compose("kill", "-s", "KILL", "postgres")
    city.timed("broker and database again", "up", "-d", "--wait", "kafka", "postgres")
    began = time.monotonic()
    later = visit_of(desk, second)
    until(desk, later, "已邀请", seconds=120)
    city.seconds["offered after both were killed"] = time.monotonic() - began
    said_yes(desk, "companionship", later)
    dispatcher = sign_in("dispatcher")
    deadline = time.monotonic() + 120
    while delivered(dispatcher) <= drawn and time.monotonic() < deadline:
        time.sleep(0.5)
    assert delivered(dispatcher) > drawn, "what was confirmed before is drawn from the contract's line"
    until(desk, f"/centre/visits/{paid}", "45 分钟")

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
    taken = "SELECT coalesce(sum(delivered), 0) FROM line"
    given = "SELECT coalesce(sum(units), 0) FROM delivery_entry"
    assert city.ask_database("matcher", taken) == city.ask_database("projects", given) != "0"


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
    above = {name: sizes[name] - sizes["(base)"] for name in declarations.NAMES}
    assert min(above.values()) > 0
    assert max(above[name] for name in above if name != "matcher") < above["matcher"] / 2
    for name in (*declarations.NAMES, "kafka", "postgres", "proxy"):
        [used] = [used for container, used in memory.items() if re.search(rf"-{name}-\d+$", container)]
        here, most = (in_bytes(amount) for amount in used.split(" / "))
        assert 0 < here < 0.9 * most, f"{name}: {used}"


def in_bytes(amount: str) -> float:
    """12.5MiB, as `docker stats` writes it."""
    found = re.fullmatch(r"([\d.]+)([KMG]?i?)B", amount)
    assert found, amount
    return float(found[1]) * {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[found[2]]
