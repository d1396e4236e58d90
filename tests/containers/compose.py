"""The Compose file brought up for real, on images that are here: the public ones, or `linli-here/*` in their place."""

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tools.broker import free_port

ROOT = Path(__file__).parents[2]
PROJECT = "linli-test"
STAND_INS = {"PYTHON": "python", "POSTGRES": "postgres", "KAFKA": "kafka", "PROXY": "caddy"}
HEALTHY_SECONDS = 300


def docker(*arguments: str, check: bool = True, **options: Any) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, **options)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done.stdout


def public_images() -> dict[str, str]:
    """The images that the Compose file names, by the variables that may say others."""
    text = (ROOT / "docker-compose.yml").read_text()
    return dict(re.findall(r"\$\{LINLI_(PYTHON|POSTGRES|KAFKA|PROXY)_IMAGE:-([^}]+)\}", text))


def images() -> dict[str, str]:
    """What the settings say, else the public image where it is, else its stand-in, else the public one, to be pulled."""
    here = set(docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    chosen = {}
    for name, public in public_images().items():
        stand_in = f"linli-here/{STAND_INS[name]}"
        local = public in here or f"{stand_in}:latest" not in here
        chosen[f"LINLI_{name}_IMAGE"] = os.environ.get(f"LINLI_{name}_IMAGE") or (
            public if local else stand_in
        )
    return chosen


@dataclass
class Containers:
    """A city in containers. `seconds`: what each step took."""

    folder: Path
    settings: dict[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    def compose(self, *arguments: str, check: bool = True) -> str:
        files = ["-f", str(ROOT / "docker-compose.yml"), "-f", str(self.folder / "shifted.yml")]
        environment = {**os.environ, **self.settings}
        return docker("compose", "-p", PROJECT, *files, *arguments, check=check, env=environment)

    def timed(self, step: str, *arguments: str) -> None:
        began = time.monotonic()
        self.compose(*arguments)
        self.seconds[step] = time.monotonic() - began

    @property
    def address(self) -> str:
        return f"https://localhost:{self.settings['LINLI_HTTPS_PORT']}"

    @property
    def authority(self) -> Path:
        """The root certificate of the proxy's own authority."""
        file = self.folder / "root.crt"
        if not file.exists():
            self.compose("cp", "proxy:/data/caddy/pki/authorities/local/root.crt", str(file))
        return file

    def ask_database(self, service: str, question: str) -> str:
        """One value, as an operator looks it up."""
        command = ["psql", "-U", "postgres", "-d", f"linli_{service}", "-tAc", question]
        return self.compose("exec", "-T", "postgres", *command).strip()

    def memory(self) -> dict[str, str]:
        """What each container uses, of what it may."""
        names = self.compose("ps", "-q").split()
        lines = docker("stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}", *names).splitlines()
        return dict(sorted(line.split("\t") for line in lines))

    def image_sizes(self) -> dict[str, float]:
        """Megabytes of each image, and of the base below them."""
        version = self.settings["LINLI_VERSION"]
        names = ["all", "identity", "community", "volunteers", "daycare", "projects", "matcher", "portal"]
        wanted = [f"linli/{name}:{version}" for name in names] + [self.settings["LINLI_PYTHON_IMAGE"]]
        found = json.loads(docker("image", "inspect", *wanted))
        return {name: each["Size"] / 1e6 for name, each in zip([*names, "(base)"], found, strict=True)}


def shifted(seconds: float) -> str:
    """A second Compose file, in which every process of Linli lives so many seconds away."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    said = {"environment": {"LINLI_CLOCK_SHIFT_SECONDS": str(seconds)}}
    ours = [name for name, service in services.items() if service["image"].startswith("linli/")]
    return yaml.safe_dump({"services": {name: said for name in ours if name != "setup"}})


@contextmanager
def running(folder: Path, shift: float) -> Iterator[Containers]:
    """Build, bring up, load the small sample; take everything down in the end, volumes too."""
    chosen = images()
    http, https = free_port(), free_port()
    settings = {
        **chosen,
        "LINLI_POSTGRES_PASSWORD": secrets.token_hex(16),
        "LINLI_HTTP_PORT": str(http),
        "LINLI_HTTPS_PORT": str(https),
        "LINLI_WEB_NETWORK": os.environ.get("LINLI_WEB_NETWORK", "10.253.78.0/29"),
        "LINLI_SAMPLE_SIZE": "small",
        "LINLI_VERSION": "test",
    }
    if any(image.startswith("linli-here/") for image in chosen.values()):
        settings["LINLI_BUILD_NETWORK"] = "host"  # where there is no registry, packages come the host's way
    containers = Containers(folder, settings)
    (folder / "shifted.yml").write_text(shifted(shift))
    containers.compose("--profile", "sample", "down", "-v", "--remove-orphans", check=False)
    try:
        containers.timed("build", "build")
        containers.timed("healthy", "up", "-d", "--wait", "--wait-timeout", str(HEALTHY_SECONDS))
        containers.timed("sample", "--profile", "sample", "run", "--rm", "sample")
        yield containers
    finally:
        if os.environ.get("KEEP") != "1":
            containers.compose("--profile", "sample", "down", "-v", "--remove-orphans", check=False)
