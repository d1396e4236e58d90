"""What every suite shares: one real PostgreSQL a worker, and fresh databases on it."""

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from alembic import command
from psycopg import sql
from sqlalchemy import MetaData, create_engine

from services import declarations
from shared.database.migrate import configurations, upgrade
from shared.database.server import (
    DatabaseServer,
    DatabaseUrls,
    EmbeddedServer,
    ExternalServer,
    drop_database,
    ensure_databases,
)
from tools.broker import Cluster, free_port, missing_program

NewDatabase = Callable[[str], DatabaseUrls]

# Speed instead of safety: what a test writes need not outlive the machine's power.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
IMAGES = ("postgres:18", "postgres:18-alpine", "linli-here/postgres")
KAFKA_IMAGES = ("apache/kafka:4", "linli-here/kafka")
REAPER = "testcontainers/ryuk"

# Long stories, walks over everything there is and what builds programs first come last: none is begun after `LINLI_TEST_UNTIL`
# (Unix time), and nothing at all two minutes after it: skipped, with that reason (docs/decisions/0019).
REST_SECONDS = 120
WALKS = (
    "test_roles.py",
    "test_on_kafka.py",
    "test_up.py",
    "test_sample_calls.py",
    "test_narrow_picture.py",
    "test_purchase_story.py",
    "test_granting.py",
    "test_budgets.py",
    "test_manners.py",
    "test_undecodable.py",
    "test_one_seed.py",
    "test_manifests.py",
    "test_files.py",
    "test_gallery.py",
    "test_no_personal_data.py",
    "test_openapi.py",
    "test_objects.py",
    "test_rebuild.py",
    "test_retelling.py",
    "test_telemetry.py",
    "test_kafka_faults.py",
)

# First: on a new machine it compiles the search for a minute, which later files then find compiled.
COMPILING = "test_tours.py"

# Searches that a test calls itself are compiled once, together with those of the solver's own process.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path.home() / ".cache" / "linli" / "numba"))

KERNEL = "kernel"
_numbers = itertools.count(1)
_MIGRATED: dict[tuple[int, str], DatabaseUrls] = {}  # by server and service


def pytest_report_header() -> list[str]:
    return [f"PostgreSQL for the tests: {_postgres_choice()}", f"Kafka for the tests: {_kafka_choice()}"]


class _SayFailuresAtOnce:
    """A run that is cut off at its limit has said why it would have failed."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.write_line(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-1500:]}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, int]:
    """What compiles, rules, then the rest by folder, then the walks: on the slowest machine rules are tried first."""
    name = item.path.name
    walk = WALKS.index(name) + 1 if name in WALKS else 0
    return (name != COMPILING, walk or (item.path.parent.name != "unit") - 1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    until = os.environ.get("LINLI_TEST_UNTIL")
    if until and time.time() > float(until) + (0 if item.path.name in WALKS else REST_SECONDS):
        pytest.skip("no time left on this machine (LINLI_TEST_UNTIL)")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CI") and not hasattr(config, "workerinput"):
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        config.pluginmanager.register(_SayFailuresAtOnce(reporter))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseServer]:
    """`LINLI_TEST_DATABASE_URL`, else a container of a local image, else PostgreSQL from the wheel."""
    choice = _postgres_choice()
    if choice == "LINLI_TEST_DATABASE_URL":
        yield ExternalServer(os.environ["LINLI_TEST_DATABASE_URL"])
    elif choice.startswith("container "):
        yield from _container(choice.removeprefix("container "))
    else:
        folder = Path(tempfile.mkdtemp(prefix="linli-test-"))
        folder.chmod(0o711)  # for the server's own user, where the tests run as root
        try:
            with EmbeddedServer(folder, settings=CARELESS) as server:
                yield server
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_servers() -> Iterator[str]:
    """`LINLI_TEST_KAFKA`, else a container of a local image, else Apache Kafka by Maven; in CI never left out."""
    choice = _kafka_choice()
    if choice == "LINLI_TEST_KAFKA":
        yield os.environ["LINLI_TEST_KAFKA"]
        return
    if choice.startswith("container "):
        yield from _kafka_container(choice.removeprefix("container "))
        return
    if choice.startswith("left out"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"Kafka is {choice}")
    folder = Path(tempfile.mkdtemp(prefix="linli-kafka-"))
    try:
        with Cluster(folder) as cluster:
            yield cluster.servers
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(postgres_server: DatabaseServer) -> Iterator[NewDatabase]:
    """`new_database("daycare")` gives the URLs (owner, app) of a database, dropped after the test: a service's and the `kernel`'s are migrated, any other is empty."""
    yield from _databases(postgres_server)


@pytest.fixture(scope="module")
def new_module_database(postgres_server: DatabaseServer) -> Iterator[NewDatabase]:
    """As `new_database`, dropped after the module."""
    yield from _databases(postgres_server)


def migrated(server: DatabaseServer, service: str) -> DatabaseUrls:
    """The worker's one migrated database of a service, or with the `kernel`'s tables alone, to be copied: making it takes a second or two, a copy a tenth."""
    known = _MIGRATED.get((id(server), service))
    if known is not None:
        return known
    name = f"{service}_{os.getpid()}_model"
    made = ensure_databases(server, [name])[name]
    if service == KERNEL:
        engine = create_engine(made.owner)
        with engine.begin() as connection:
            kernel = configurations(MetaData(), Path("unused"))[0]
            kernel.attributes["connection"] = connection
            command.upgrade(kernel, "heads")
        engine.dispose()
    else:
        upgrade(made.owner, declarations.service(service).metadata, declarations.migrations(service))
    _MIGRATED[id(server), service] = made
    return made


def copied(server: DatabaseServer, urls: DatabaseUrls, name: str) -> DatabaseUrls:
    """A database `linli_<name>` like another that nobody is connected to, for the same two roles."""
    source, copy = urlsplit(urls.owner).path.lstrip("/"), f"linli_{name}"
    with server.connect() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(copy),
                sql.Identifier(urlsplit(urls.owner).username or ""),
                sql.Identifier(source),
            )
        )
    return DatabaseUrls(*(urlsplit(url)._replace(path=f"/{copy}").geturl() for url in urls))


def dropped(server: DatabaseServer, urls: DatabaseUrls) -> None:
    """Drop a database, whoever is connected. Its roles stay."""
    with server.connect() as connection:
        name = sql.Identifier(urlsplit(urls.owner).path.lstrip("/"))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _databases(server: DatabaseServer) -> Iterator[NewDatabase]:
    made: list[str] = []
    copies: list[DatabaseUrls] = []

    def new(name: str) -> DatabaseUrls:
        unique = f"{name}_{os.getpid()}_{next(_numbers)}"
        if name in (*declarations.NAMES, KERNEL):
            copies.append(copied(server, migrated(server, name), unique))
            return copies[-1]
        made.append(unique)
        return ensure_databases(server, [unique])[unique]

    yield new
    for name in made:
        drop_database(server, name)
    for copy in copies:
        dropped(server, copy)


def _postgres_choice() -> str:
    if os.environ.get("LINLI_TEST_DATABASE_URL"):
        return "LINLI_TEST_DATABASE_URL"
    image = _local_image(IMAGES)
    return f"container {image}" if image else "embedded, from the wheel"


def _kafka_choice() -> str:
    if os.environ.get("LINLI_TEST_KAFKA"):
        return "LINLI_TEST_KAFKA"
    image = _local_image(KAFKA_IMAGES)
    if image:
        return f"container {image}"
    missing = missing_program()
    return f"left out: no {missing} here" if missing else "Apache Kafka, by Maven"


def _local_image(wanted: tuple[str, ...]) -> str | None:
    """The first wanted image that an engine has here; nothing is pulled."""
    if not (os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists()):
        return None
    import docker  # comes with testcontainers, and is slow to import

    try:
        client = docker.from_env(timeout=3)
        names = {tag for image in client.images.list() for tag in image.tags}
    except docker.errors.DockerException:
        return None
    if not any(name.startswith(REAPER) for name in names):
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    for image in wanted:
        found = sorted(n for n in names if n in (image, f"{image}:latest") or n.startswith(f"{image}."))
        if found:
            return found[-1]
    return None


def _container(image: str) -> Iterator[DatabaseServer]:
    from testcontainers.community.postgres import PostgresContainer

    options = [f"-c {name}={value}" for name, value in {**CARELESS, "max_connections": "200"}.items()]
    container = PostgresContainer(image, driver="psycopg").with_command(f"postgres {' '.join(options)}")
    with container as running:
        yield ExternalServer(running.get_connection_url())


def _kafka_container(image: str) -> Iterator[str]:
    from kafka import KafkaConsumer
    from kafka.errors import KafkaError
    from testcontainers.core.container import DockerContainer

    port = free_port()
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    container = DockerContainer(image).with_bind_ports(port, port)
    for name, value in settings.items():
        container.with_env(f"KAFKA_{name}", value)
    with container:
        deadline = time.monotonic() + 60
        while True:
            try:
                KafkaConsumer(bootstrap_servers=[f"localhost:{port}"]).close()
                break
            except KafkaError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        yield f"localhost:{port}"
