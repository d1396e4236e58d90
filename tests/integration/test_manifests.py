"""The deployed shape on paper: what Compose and Kubernetes are told is valid, hardened, and no more than was drawn.

The manifests are built by the real kustomize and held against Kubernetes' and the operators' published schemas, strictly.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from services import declarations, wiring
from shared.contracts.registry import Event, Kind, event_types, load_contracts
from shared.messaging.bus.port import MAX_MESSAGE_BYTES
from shared.settings import PREFIX, Settings
from tools import kubernetes_secrets, manifests

ROOT = Path(__file__).parents[2]
OVERLAYS = ("single-node", "production")
NAMES = declarations.NAMES
SERVICES = tuple(name for name in NAMES if name != "portal")
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
Document = dict[str, Any]

pytestmark = pytest.mark.timeout(900)  # kustomize is compiled once on each machine


@pytest.fixture(scope="module")
def tools() -> Path:
    """kustomize and the schemas; on a machine without Go left out, in CI a failure."""
    try:
        return manifests.ensure()
    except manifests.ToolMissing as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest, tools: Path) -> list[Document]:
    """Everything that an overlay makes."""
    return built(tools, request.param)


@cache
def built(tools: Path, overlay: str) -> list[Document]:
    return build(tools, ROOT / "k8s" / "overlays" / overlay)


def build(tools: Path, folder: Path) -> list[Document]:
    command = [tools / "kustomize", "build", folder]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert not made.stderr, made.stderr
    return [document for document in yaml.safe_load_all(made.stdout) if document]


def of(documents: list[Document], *kinds: str) -> Iterator[Document]:
    return (document for document in documents if document["kind"] in kinds)


def named(documents: list[Document], kind: str, name: str) -> Document:
    return next(each for each in of(documents, kind) if each["metadata"]["name"] == name)


def template(document: Document) -> Document:
    found: Document = document["spec"]["template"]
    return found


# ── valid ──


def faults(document: Document, schemas: Path) -> str | None:
    """What is wrong with a document, unknown fields too; None for nothing."""
    import jsonschema
    import kubernetes_validate

    try:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        file = schemas / f"{document['apiVersion'].replace('/', '_')}_{document['kind']}.json"
        if not file.exists():
            return "nobody's schema knows this kind"
        schema = strict(json.loads(file.read_text()))
        found = next(jsonschema.Draft202012Validator(schema).iter_errors(document), None)
        return f"{found.json_path}: {found.message}" if found else None
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    return None


def strict(schema: Document, *, top: bool = True) -> Document:
    """An operator's schema as the API server applies it: what it does not name is refused."""
    made = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if "properties" in schema:
        made["properties"] = {name: strict(value, top=False) for name, value in schema["properties"].items()}
        if top:
            made["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if isinstance(schema.get("items"), dict):
        made["items"] = strict(schema["items"], top=False)
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"], top=False)
    return made


def test_every_document_is_what_its_schema_allows(documents: list[Document], tools: Path) -> None:
    wrong = {
        f"{each['kind']} {each['metadata']['name']}": fault
        for each in documents
        if (fault := faults(each, tools / "schemas"))
    }
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "name", "path"),
    [
        ("Deployment", "identity-api", ("spec", "template", "spec", "containers", 0, "livenessProb")),
        ("NetworkPolicy", "deny", ("spec", "podSelectors")),
        ("Kafka", "kafka", ("spec", "kafka", "listener")),
        ("KafkaUser", "kafka-daycare", ("spec", "authorisation")),
        ("Cluster", "postgres", ("spec", "postgresql", "synchronous", "numbers")),
    ],
)
def test_a_mistyped_field_is_refused(tools: Path, kind: str, name: str, path: tuple[Any, ...]) -> None:
    document = json.loads(json.dumps(named(built(tools, "production"), kind, name)))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = {}
    assert faults(document, tools / "schemas")


def test_the_compose_files_are_what_the_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    files = [str(ROOT / name) for name in ("docker-compose.yml", "docker-compose.s3.yml")]
    checked = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# ── what every service has ──


@pytest.mark.parametrize("name", NAMES)
def test_every_service_has_its_parts(documents: list[Document], name: str) -> None:
    on_bus = declarations.service(name).on_bus
    parts = ("api", "worker") if on_bus else ("api",)
    deployments = {
        each["metadata"]["name"]: each
        for each in of(documents, "Deployment")
        if each["metadata"]["name"].startswith(f"{name}-")
    }
    assert set(deployments) == {f"{name}-{part}" for part in parts}
    for part, deployment in zip(parts, deployments.values(), strict=True):
        pod, labels = template(deployment)["spec"], template(deployment)["metadata"]["labels"]
        [container] = pod["containers"]
        role = part if on_bus else "all"
        assert container["args"] == ["serve", "$(SERVICE)", "--role", role]
        assert labels["app.kubernetes.io/name"] == name
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        for spread in pod["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
            assert spread["labelSelector"]["matchLabels"].keys() >= {"app.kubernetes.io/name"}
        full_name = deployment["metadata"]["name"]
        budget = named(documents, "PodDisruptionBudget", full_name)
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
        scaler = named(documents, "HorizontalPodAutoscaler", full_name)
        assert scaler["spec"]["scaleTargetRef"]["name"] == full_name
    job = named(documents, "Job", f"{name}-migrate")
    assert template(job)["spec"]["containers"][0]["args"] == ["migrate", "$(SERVICE)"]
    assert template(job)["metadata"]["labels"]["app.kubernetes.io/name"] == name
    service = named(documents, "Service", f"{name}-api")
    assert service["spec"]["selector"] == {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/component": "api",
    }


def test_every_container_is_bounded_and_unprivileged(documents: list[Document]) -> None:
    for document in of(documents, "Deployment", "StatefulSet", "Job"):
        pod, name = template(document)["spec"], document["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"].keys() == {"requests", "limits"}, name
            for bounds in container["resources"].values():
                assert bounds.keys() == {"cpu", "memory"}, name


def test_no_manifest_holds_a_secret(documents: list[Document]) -> None:
    assert not list(of(documents, "Secret"))


def test_every_secret_referred_to_is_one_that_is_made(documents: list[Document]) -> None:
    """By tools/kubernetes_secrets.py, or by Strimzi (those are optional: a single node has none)."""
    made = {each["metadata"]["name"]: set(each["stringData"]) for each in kubernetes_secrets.everything()}
    asked: dict[str, set[str]] = {}
    for document in of(documents, "Deployment", "StatefulSet", "Job"):
        pod = template(document)["spec"]
        for volume in pod["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                if not source["secret"].get("optional"):
                    keys = {item["key"] for item in source["secret"].get("items", [])}
                    asked.setdefault(source["secret"]["name"], set()).update(keys)
        for variable in (v for c in pod["containers"] for v in c.get("env", [])):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                asked.setdefault(reference["name"], set()).add(reference["key"])
    for document in of(documents, "Cluster"):
        for role in document["spec"]["managed"]["roles"]:
            name = role["passwordSecret"]["name"]
            asked.setdefault(name, set()).update({"username", "password"})
            [found] = [s for s in kubernetes_secrets.everything() if s["metadata"]["name"] == name]
            assert found["stringData"]["username"] == role["name"]
    lacking = {name: keys - made.get(name, set()) for name, keys in asked.items()}
    assert not {name for name, keys in lacking.items() if keys or name not in made}
    assert set(made) - set(asked) <= {"postgres-superuser"}


def test_what_the_secrets_and_maps_say_are_settings(documents: list[Document]) -> None:
    files = {
        key.upper()
        for each in kubernetes_secrets.everything()
        if each["type"] == "Opaque"
        for key in each["stringData"]
    }
    said = set(files)
    for document in of(documents, "ConfigMap"):
        said |= {key for key in document["data"] if key.startswith(PREFIX)}
    for document in of(documents, "Deployment", "Job"):
        pod = template(document)["spec"]
        said |= {v["name"] for c in pod["containers"] for v in c["env"] if v["name"].startswith(PREFIX)}
        for volume in pod["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                paths = {item["path"] for item in source["secret"].get("items", [])}
                said |= {path.upper() for path in paths if path.startswith(PREFIX.lower())}
    assert said <= SETTINGS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_process_starts_with_its_settings(
    tools: Path, overlay: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What each container would be given, read as it reads it: no fault is named, and what it needs is there."""
    started: set[tuple[str, str]] = set()
    documents = built(tools, overlay)
    maps = {each["metadata"]["name"]: each["data"] for each in of(documents, "ConfigMap")}
    made = {each["metadata"]["name"]: each["stringData"] for each in kubernetes_secrets.everything()}
    authority = tmp_path / "ca.crt"
    authority.touch()
    for document in of(documents, "Deployment", "Job"):
        pod, name = template(document)["spec"], document["metadata"]["name"]
        [container] = pod["containers"]
        secrets = tmp_path / name
        secrets.mkdir()
        for source in pod["volumes"][0]["projected"]["sources"]:
            for key, value in made.get(source["secret"]["name"], {}).items():
                (secrets / key).write_text(value)
        if overlay == "production" and name.endswith("-worker"):
            (secrets / "linli_kafka_password").write_text("made by Strimzi")
        given = {k: v for each in container["envFrom"] for k, v in maps[each["configMapRef"]["name"]].items()}
        given |= {v["name"]: v.get("value", "") for v in container["env"] if v["name"] != "SERVICE"}
        with monkeypatch.context() as here:
            for key in [key for key in os.environ if key.startswith(PREFIX)]:
                here.delenv(key)
            for key, value in given.items():
                here.setenv(key, str(authority) if key == "LINLI_KAFKA_CA" else value)
            here.setenv("LINLI_SECRETS", str(secrets))
            needed = ["owner_url"] if name.endswith("-migrate") else ["database_url", "installation_key"]
            settings = Settings.read(*needed, *(["bus"] if name.endswith("-worker") else []))
        url = urlsplit(settings.owner_url if name.endswith("-migrate") else settings.database_url)
        service, _, part = name.rpartition("-")
        role = f"linli_{service}_owner" if part == "migrate" else f"linli_{service}"
        assert (url.username, url.path) == (role, f"/linli_{service}"), name
        if part == "worker":
            assert settings.kafka, "events travel by Kafka, whatever else is said"
            scram = overlay == "production"
            assert settings.kafka_security == ("SASL_SSL" if scram else "PLAINTEXT")
            assert settings.kafka_copies == (3 if scram else 1)
        started.add((service, part))
    on_bus = {name for name in NAMES if declarations.service(name).on_bus}
    assert started >= {(name, part) for name in NAMES for part in ("api", "migrate")}
    assert {service for service, part in started if part == "worker"} >= on_bus


def test_all_processes_together_have_fewer_connections_than_the_server(documents: list[Document]) -> None:
    most = 0
    for scaler in of(documents, "HorizontalPodAutoscaler"):
        name = scaler["metadata"]["name"].rpartition("-")[0]
        most += scaler["spec"]["maxReplicas"] * wiring.POOLS.get(name, 8)
    clusters = list(of(documents, "Cluster"))
    if clusters:
        allowed = int(clusters[0]["spec"]["postgresql"]["parameters"]["max_connections"])
    else:
        [postgres] = template(named(documents, "StatefulSet", "postgres"))["spec"]["containers"]
        allowed = next(int(a.split("=")[1]) for a in postgres["args"] if a.startswith("-cmax_connections="))
    assert most + 20 <= allowed


# ── who reaches whom ──


@dataclass(frozen=True)
class Pod:
    """A pod as policies see it. `namespace`: where it is, when not among ours."""

    name: str
    labels: tuple[tuple[str, str], ...]
    namespace: str = "linli"


OUTSIDE = (
    Pod("browser", (("app.kubernetes.io/name", "ingress-nginx"),), "ingress-nginx"),
    Pod("prometheus", (("app.kubernetes.io/name", "prometheus"),), "monitoring"),
    Pod("stranger", (("app.kubernetes.io/part-of", "linli"), ("app.kubernetes.io/component", "api")), "else"),
    Pod("neighbour", ()),
)
OPERATED = (
    Pod("postgres", (("linli/store", "postgres"), ("cnpg.io/cluster", "postgres"))),
    Pod("kafka", (("linli/store", "kafka"), ("strimzi.io/cluster", "kafka"))),
)


def pods(documents: list[Document]) -> list[Pod]:
    found = [
        Pod(each["metadata"]["name"], tuple(template(each)["metadata"]["labels"].items()))
        for each in of(documents, "Deployment", "StatefulSet", "Job")
    ]
    return [*found, *(OPERATED if any(of(documents, "Kafka")) else ()), *OUTSIDE]


def selects(selector: Document, labels: dict[str, str]) -> bool:
    for part in selector.get("matchExpressions", []):
        within = labels.get(part["key"]) in part["values"]
        if within != (part["operator"] == "In"):
            return False
    return dict(selector.get("matchLabels", {})).items() <= labels.items()


def matches(peer: Document, pod: Pod) -> bool:
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": pod.namespace}):
            return False
    elif pod.namespace != "linli":
        return False
    return selects(peer.get("podSelector", {}), dict(pod.labels))


def lets(policies: list[Document], pod: Pod, other: Pod, port: int, way: str) -> bool:
    """Whether a pod's policies let it take from, or send to, another."""
    if pod.namespace != "linli":
        return True
    peers = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[way]
    mine = [
        policy["spec"]
        for policy in policies
        if way in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], dict(pod.labels))
    ]
    return not mine or any(
        any(p["port"] == port for p in rule["ports"])
        and (peers[1] not in rule or any(matches(peer, other) for peer in rule[peers[1]]))
        for spec in mine
        for rule in spec.get(peers[0], [])
    )


def drawn() -> set[tuple[str, str, int]]:
    """The edges of docs/architecture.md."""
    on_bus = [name for name in NAMES if declarations.service(name).on_bus]
    apis, workers = [f"{name}-api" for name in NAMES], [f"{name}-worker" for name in on_bus]
    jobs = [f"{name}-migrate" for name in NAMES]
    return {
        ("browser", "portal-api", 8000),
        *(("portal-api", f"{name}-api", 8000) for name in SERVICES),
        *((f"{name}-api", "identity-api", 8000) for name in SERVICES),
        *((process, "postgres", 5432) for process in (*apis, *workers, *jobs)),
        *((worker, "kafka", 9092) for worker in workers),
        *(("prometheus", process, 8000) for process in (*apis, *workers)),
        *((store, store, port) for store, port in (("postgres", 5432), ("postgres", 8000))),
    }


def test_the_network_allows_what_the_architecture_draws_and_no_more(documents: list[Document]) -> None:
    policies = list(of(documents, "NetworkPolicy"))
    every = pods(documents)
    inside = {pod.name for pod in every if pod.namespace == "linli"}
    allowed = {
        (source.name, target.name, port)
        for (source, target), port in product(product(every, every), (8000, 5432, 9092))
        if target.name in inside
        and lets(policies, source, target, port, "Egress")
        and lets(policies, target, source, port, "Ingress")
    }
    expected = drawn()
    if not any(of(documents, "Cluster")):  # one PostgreSQL has nobody to copy to
        expected -= {("postgres", "postgres", 5432), ("postgres", "postgres", 8000)}
    assert allowed == expected


def test_brokers_listen_to_workers_only(tools: Path) -> None:
    """Strimzi writes policies of its own from these peers."""
    [listener] = named(built(tools, "production"), "Kafka", "kafka")["spec"]["kafka"]["listeners"]
    workers = {"app.kubernetes.io/part-of": "linli", "app.kubernetes.io/component": "worker"}
    assert listener["networkPolicyPeers"] == [{"podSelector": {"matchLabels": workers}}]
    assert (listener["tls"], listener["authentication"]["type"]) == (True, "scram-sha-512")


# ── files in an object store ──


@pytest.fixture(scope="module", params=OVERLAYS)
def with_store(
    request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Document], list[Document]]:
    """What an overlay of one's own makes with the component, and without it."""
    own = tmp_path_factory.mktemp("overlay")
    places = {"resources": f"overlays/{request.param}", "components": "components/object-store"}
    told = {kind: [os.path.relpath(ROOT / "k8s" / place, own)] for kind, place in places.items()}
    (own / "kustomization.yaml").write_text(yaml.safe_dump(told))
    return build(tools, own), built(tools, request.param)


def test_the_store_is_the_projects_services_alone(
    with_store: tuple[list[Document], list[Document]], tools: Path
) -> None:
    documents, plain = with_store
    assert not [each for each in documents if faults(each, tools / "schemas")]
    changed = {f"{each['kind']} {each['metadata']['name']}" for each in documents if each not in plain}
    assert changed == {
        "Deployment projects-api",
        "Deployment projects-worker",
        "NetworkPolicy projects-to-object-store",
    }
    for part in ("api", "worker"):
        [before, after] = (
            template(named(each, "Deployment", f"projects-{part}"))["spec"]["volumes"][0]["projected"]
            for each in (plain, documents)
        )
        assert after["sources"] == [*before["sources"], {"secret": {"name": "linli-files"}}]
    policies, store = list(of(documents, "NetworkPolicy")), Pod("store", (), "elsewhere")
    reach = {pod.name for pod in pods(documents) if lets(policies, pod, store, 443, "Egress")}
    own = {
        pod.name for pod in pods(plain) if lets(list(of(plain, "NetworkPolicy")), pod, store, 443, "Egress")
    }
    assert reach - own == {"projects-api", "projects-worker"}


def test_the_stores_secret_is_what_the_service_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The keys that docs/operations.md names for the Secret, as they lie in the pod."""
    text = (ROOT / "docs" / "operations.md").read_text()
    [command] = [part for part in text.split("`") if "generic linli-files" in part]
    said = dict(
        word.removeprefix("--from-literal=").split("=", 1)
        for word in command.split()
        if word.startswith("--from-literal=")
    )
    assert "--from-file=s3-ca.crt=" in command
    for key, value in said.items():
        (tmp_path / key).write_text(value.replace("/run/secrets", str(tmp_path)))
    (tmp_path / "s3-ca.crt").touch()
    for key in [key for key in os.environ if key.startswith(PREFIX)]:
        monkeypatch.delenv(key)
    monkeypatch.setenv("LINLI_SECRETS", str(tmp_path))
    settings = Settings.read()
    assert settings.s3 == said["linli_s3"]
    assert settings.s3_ca == tmp_path / "s3-ca.crt"
    assert wiring.objects_of(settings, declarations.service("projects")) is not None
    assert wiring.objects_of(settings, declarations.service("daycare")) is None


# ── the bus in production ──


def told() -> list[type[Event]]:
    """The product's own events; other tests of the same run may have registered theirs."""
    load_contracts()
    return [event for event in event_types() if event.__module__.startswith("shared.contracts.")]


def test_topics_stand_as_their_contracts_say(tools: Path) -> None:
    made = {each["spec"]["topicName"]: each["spec"] for each in of(built(tools, "production"), "KafkaTopic")}
    topics = {event.TOPIC for event in told()}
    assert set(made) == {topic.name for topic in topics}
    for topic in topics:
        spec, config = made[topic.name], made[topic.name]["config"]
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, 3)
        assert config == {
            "cleanup.policy": "compact" if topic.kind is Kind.STATE else "delete",
            "retention.ms": topic.retention_days * 86_400_000 or -1,
            "max.message.bytes": 2 * MAX_MESSAGE_BYTES,
            "min.insync.replicas": 2,
        }


def test_a_worker_reads_and_writes_its_own_topics_only(tools: Path) -> None:
    tells = {name: set() for name in NAMES}
    for event in told():
        teller = event.TYPE.split(".")[1]
        for name in ("volunteers", "projects") if teller == "carers" else (teller,):
            tells[name].add(event.TOPIC.name)
    users = {each["metadata"]["name"]: each["spec"] for each in of(built(tools, "production"), "KafkaUser")}
    on_bus = [name for name in NAMES if declarations.service(name).on_bus]
    assert set(users) == {f"kafka-{name}" for name in on_bus}
    for name in on_bus:
        crews = declarations.service(name).crews
        groups: set[str] = set()
        found: dict[str, set[str]] = {"Read": set(), "Write": set()}
        for rule in users[f"kafka-{name}"]["authorization"]["acls"]:
            assert rule["resource"].get("patternType", "literal") == "literal" or set(rule["operations"]) <= {
                "Describe",
                "DescribeConfigs",
            }
            for operation in rule["operations"]:
                if rule["resource"]["type"] == "topic" and operation in found:
                    found[operation].add(rule["resource"]["name"])
            if rule["resource"]["type"] == "group":
                groups.add(rule["resource"]["name"])
        reads = {*declarations.service(name).handlers.topics, *(crew.event.TOPIC.name for crew in crews)}
        assert found == {"Read": reads, "Write": tells[name]}
        own = {name} if declarations.service(name).handlers.topics else set()
        assert groups == own | {crew.group for crew in crews}


# ── Compose ──

COMPOSE: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
ONCE = {"setup", "sample"}


def test_every_container_of_the_compose_file_is_bounded_and_unprivileged() -> None:
    own = {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}, "proxy": {"NET_BIND_SERVICE"}}
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is (name != "kafka"), name
        assert service["cap_drop"] == ["ALL"], name
        assert set(service.get("cap_add", ())) == own.get(name, set()), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert ("healthcheck" in service) == (name not in ONCE), name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
        assert ("ports" in service) == (name == "proxy"), name
    images = {COMPOSE["services"][name]["image"] for name in ("postgres", "kafka", "proxy")}
    assert all(image.startswith("${LINLI_") and ":-" in image for image in images)


def test_a_service_of_the_compose_file_meets_nobody_but_whom_it_needs() -> None:
    services = COMPOSE["services"]
    met = {
        name: {
            other
            for other, its in services.items()
            if other != name and set(service["networks"]) & set(its["networks"])
        }
        for name, service in services.items()
    }
    stores = {"postgres", "kafka"}
    for name in SERVICES:
        if name not in ("identity", "matcher"):
            assert met[name] == {*stores, "identity", "portal"}, name
    assert met["matcher"] == {*stores, "identity", "portal", "matcher-worker"}
    assert met["proxy"] == {"portal"}
    assert met["portal"] == {*SERVICES, *stores, "matcher-worker", "proxy"}
    networks = COMPOSE["networks"]
    assert [name for name, network in networks.items() if not network.get("internal")] == ["edge"]


def test_a_service_of_the_compose_file_sees_its_own_secrets_only() -> None:
    for name, service in COMPOSE["services"].items():
        seen = {v.split(":")[0] for v in service.get("volumes", ()) if v.startswith("secrets")}
        if name in ONCE:
            assert seen == {"secrets", *(f"secrets-{each}" for each in NAMES)}
        elif name in ("postgres", "kafka", "proxy"):
            assert not seen
        else:
            assert seen == {f"secrets-{name.removesuffix('-worker')}"}
            assert all(v.endswith(":ro") for v in service["volumes"])


def test_what_the_compose_file_says_are_settings() -> None:
    for name, service in COMPOSE["services"].items():
        if name != "proxy":
            said = {key for key in service.get("environment", ()) if key.startswith(PREFIX)}
            assert said <= SETTINGS, name


def test_the_second_compose_file_gives_the_projects_service_its_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    added: Document = yaml.safe_load((ROOT / "docker-compose.s3.yml").read_text())["services"]
    assert set(added) == {"projects"}
    assert set(added["projects"]["networks"]) - set(COMPOSE["services"]["projects"]["networks"]) == {"edge"}
    said = added["projects"]["environment"]
    must = {name for name, value in said.items() if value.startswith(f"${{{name}:?")}
    assert must == {"LINLI_S3", "LINLI_S3_ACCESS_KEY", "LINLI_S3_SECRET_KEY"}
    assert set(said) - must == {"LINLI_S3_REGION"}
    for key in [key for key in os.environ if key.startswith(PREFIX)]:
        monkeypatch.delenv(key)
    example = (ROOT / ".env.example").read_text()
    for name in said:
        [value] = [line.partition("=")[2] for line in example.splitlines() if line.startswith(f"#{name}=")]
        monkeypatch.setenv(name, value or "given")
    monkeypatch.setenv("LINLI_SECRETS", str(tmp_path))
    assert wiring.objects_of(Settings.read(), declarations.service("projects")) is not None


def test_the_only_thing_a_newcomer_must_say_is_the_databases_password() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert [part.split(":?")[0] for part in text.split("${")[1:] if ":?" in part.split("}")[0]] == [
        "LINLI_POSTGRES_PASSWORD"
    ]
