"""OCDS packages as the standard's own checker, libcoveocds, sees them: without a network, by the schema of tools/ocds.py."""

import json
import os
import sys
import zipfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ocdsmerge import Merger

from tools import ocds

# The checker also reads spreadsheets, by a package that is not in the lock; it is never asked to here.
sys.modules.setdefault("flattentool", ModuleType("flattentool")).__dict__.setdefault("unflatten", None)


@cache
def standard() -> Path:
    """The standard's files; where PyPI's source archives can't be had, left out, in CI a failure."""
    try:
        return ocds.ensure()
    except ocds.SchemaMissing as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@cache
def _merger() -> Merger:
    with zipfile.ZipFile(standard()) as packed:
        return Merger(json.loads(packed.read("standard/schema/release-schema.json")))


def merged(releases: list[dict[str, Any]]) -> dict[str, Any]:
    """The compiled release that the standard's own merger makes of releases."""
    made: dict[str, Any] = _merger().create_compiled_release(releases)
    return made


def faults(package: dict[str, Any]) -> dict[str, Any]:
    """All that the checker has to say against a package; nothing, when it is as the standard wants it."""
    from libcoveocds.api import ocds_json_output
    from libcoveocds.config import LibCoveOCDSConfig

    settings = {"standard_zip": f"file://{standard()}", "context": "api"}
    # The schema here already has the extensions, which would be fetched by their addresses; `links` is where a list goes on.
    plain = {key: value for key, value in package.items() if key not in ("extensions", "links")}
    found = ocds_json_output(json_data=plain, lib_cove_ocds_config=LibCoveOCDSConfig(settings))
    against = (
        "validation_errors",
        "all_additional_fields",
        "additional_closed_codelist_values",
        "additional_checks",
        "conformance_errors",
        "deprecated_fields",
        "json_deref_error",
    )
    return {name: found[name] for name in against if found.get(name)}
