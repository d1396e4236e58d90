"""The schema of OCDS 1.1.5 for the tests. No wheel carries it: it is among the test data of two source archives of PyPI.

They are fetched once on each machine, by their sums, into tools/ocds: the release's schema out of ocdsextensionregistry, the
packages' and the two extensions' out of ocdskit, where each field says which extension it is of. `python tools/ocds.py` fetches.
"""

import csv
import fcntl
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT = Path(__file__).resolve().parent / "ocds"
ARCHIVES = """
ocdsextensionregistry==0.7.0 --hash=sha256:aae3b247712509f158e16f44747039cfd0a9ee847590aba4794933d6fa79341a
ocdskit==1.7.0 --hash=sha256:02a7d6182bbd7672cfd26cdbcae9726fbacdb917203d2bd5a726caa30040ff76
"""
EXTENSIONS = re.compile(r"/ocds_(bid|lots)_extension/v[\d.]+/")  # as released, not as their main branch was
AT = "https://standard.open-contracting.org/schema/1__1__5"
Schema = dict[str, Any]


class SchemaMissing(Exception):
    """The archives can't be had here."""


def ensure() -> Path:
    """A ZIP as the standard's own repository is packed: `schema/*.json`, and `schema/codelists` of what the schema closes."""
    mark = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    packed = KEPT / f"standard-{mark}.zip"
    if packed.exists():
        return packed
    KEPT.mkdir(exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not packed.exists():
            with tempfile.TemporaryDirectory() as folder:
                _pack(Path(folder), packed)
    return packed


def _pack(folder: Path, packed: Path) -> None:
    wanted = folder / "archives.txt"
    wanted.write_text(ARCHIVES)
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--no-binary=:all:", "-d", str(folder), "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SchemaMissing(" ".join((done.stderr + done.stdout).strip().splitlines()[-3:]))
    release, versioned = _read(
        next(folder.glob("ocdsextensionregistry-*.tar.gz")),
        "release-schema.json",
        "versioned-release-validation-schema.json",
    )
    extended, releases, records = _read(
        next(folder.glob("ocdskit-*.tar.gz")),
        "b/release-schema.json",
        "a/release-package-schema-dereferenced.json",
        "a/record-package-schema-dereferenced.json",
    )
    assert release["id"] == f"{AT}/release-schema.json"
    _extend(release, extended)
    releases["properties"]["releases"]["items"] = {"$ref": f"{AT}/release-schema.json"}
    record = records["properties"]["records"]["items"]
    record["properties"]["compiledRelease"] = {"$ref": f"{AT}/release-schema.json"}
    record["properties"]["versionedRelease"] = {"type": "object"}  # we tell none
    record["properties"]["releases"]["oneOf"][1]["items"] = {"$ref": f"{AT}/release-schema.json"}
    records["definitions"] = {"record": record}
    records["properties"]["records"]["items"] = {"$ref": "#/definitions/record"}
    schemas = {
        "release-schema.json": release,
        "release-package-schema.json": releases,
        "record-package-schema.json": records,
        "versioned-release-validation-schema.json": versioned,
    }
    unfinished = packed.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as to:
        to.writestr("standard/", "")
        for name, schema in schemas.items():
            to.writestr(f"standard/schema/{name}", json.dumps(schema))
        for name, codes in dict(_closed(release)).items():
            table = io.StringIO()
            csv.writer(table).writerows([["Code"], *([code] for code in codes if code)])
            to.writestr(f"standard/schema/codelists/{name}", table.getvalue())
    for older in KEPT.glob("standard-*.zip"):
        older.unlink()
    unfinished.rename(packed)


def _read(archive: Path, *names: str) -> list[Schema]:
    """Files out of a source archive's test data."""
    made = []
    with tarfile.open(archive) as tar:
        for name in names:
            found = tar.extractfile(f"{archive.name.removesuffix('.tar.gz')}/tests/fixtures/{name}")
            assert found is not None
            made.append(json.load(found))
    return made


def _extend(into: Schema, whole: Schema) -> None:
    """Take over what the two extensions add, out of a schema that many extensions were added to."""
    for key, value in whole.items():
        if not isinstance(value, dict):
            continue
        if EXTENSIONS.search(str(value.get("extension", ""))):
            into[key] = _own(value)
        elif isinstance(into.get(key), dict):
            _extend(into[key], value)


def _own(value: Any) -> Any:
    """A part of an extension without what others added to it: most fields name theirs, a bare reference does not."""
    if not isinstance(value, dict):
        return value
    made = {}
    for key, inner in value.items():
        if key == "properties" and "$ref" in value:
            continue  # of what others added beside the reference
        if key == "deprecated" and inner.get("deprecatedVersion") == "1.2":
            continue  # so says the main branch, of a version to come
        if isinstance(inner, dict):
            if inner.get("$ref") == "#/definitions/OptionDetails":
                continue
            if "extension" in inner and not EXTENSIONS.search(inner["extension"]):
                continue
        made[key] = _own(inner)
    return made


def _closed(schema: Any) -> Iterator[tuple[str, list[str]]]:
    """Every codelist that may not be added to, with its codes."""
    if not isinstance(schema, dict):
        return
    if "codelist" in schema and not schema.get("openCodelist"):
        codes = schema.get("enum") or schema.get("items", {}).get("enum")
        if codes:
            yield schema["codelist"], codes
    for each in schema.values():
        yield from _closed(each)


if __name__ == "__main__":
    try:
        print(ensure())
    except SchemaMissing as error:
        sys.exit(str(error))
