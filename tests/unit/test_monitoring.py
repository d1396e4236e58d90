"""Dashboards and alerts ask only for metrics that the services have, by labels that these have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import services.matcher.measures  # noqa: F401 - its metrics are known by this
import shared.telemetry.metrics  # noqa: F401

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "k8s" / "base" / "monitoring"
BY_PROMETHEUS = {"up"}
SCRAPED = {"namespace", "pod", "job", "le"}  # what a scrape adds to each of ours
_METRIC = re.compile(r"\b((?:linli|process|up)(?:_\w+)?)\b(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


def load(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def expressions() -> dict[str, str]:
    found = {
        rule["alert"]: rule["expr"]
        for group in load("alerts.yaml")["spec"]["groups"]
        for rule in group["rules"]
    }
    for file in sorted((FOLDER / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                found[f"{file.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def metrics() -> dict[str, set[str]]:
    """Every name that a scrape can hold, with its labels."""
    found: dict[str, set[str]] = {name: set() for name in BY_PROMETHEUS}
    for collector, names in REGISTRY._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", ()))
        found |= dict.fromkeys(names, labels)
    return found


@pytest.mark.parametrize("where", expressions())
def test_it_asks_for_what_there_is(where: str) -> None:
    expression, known = expressions()[where], metrics()
    asked = _METRIC.findall(expression)
    assert asked
    labels: set[str] = set(SCRAPED)
    for name, selector in asked:
        assert name in known, f"no service has {name}"
        wrong = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) - known[name] - SCRAPED
        assert not wrong, f"{name} has no {wrong}"
        labels |= known[name]
    grouped = {label.strip() for group in _BY.findall(expression) for label in group.split(",")}
    assert grouped <= labels


def test_every_metric_of_ours_is_watched() -> None:
    everything = " ".join(expressions().values())
    ours = {
        re.sub(r"_(total|created|bucket|count|sum)$", "", name)
        for name in metrics()
        if name.startswith("linli_")
    }
    assert {name for name in ours if name not in everything} == set()


def test_every_alert_says_what_to_do() -> None:
    watching = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Watching")[2]
    alerts = [rule for group in load("alerts.yaml")["spec"]["groups"] for rule in group["rules"]]
    assert {rule["alert"] for rule in alerts if f"`{rule['alert']}`" not in watching} == set()
    assert all(rule["labels"]["severity"] in {"critical", "warning"} for rule in alerts)
    assert all(rule["annotations"]["summary"] for rule in alerts)


def test_the_folder_is_complete() -> None:
    listed = load("kustomization.yaml")
    files = {*listed["resources"], *listed["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert files == {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.*") if file.is_file()}
