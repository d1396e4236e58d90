"""Snapshots and plans as files: JSON in a published, versioned form (docs/matcher), gzipped when the name says so."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from services.matcher.solver import plan as plans
from services.matcher.solver import snapshot as snapshots
from services.matcher.solver.plan import Plan
from services.matcher.solver.snapshot import Snapshot, SnapshotRefused, refuse_impossible, to_json

_GZIP = b"\x1f\x8b"
_MOST_SAID = 3


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A snapshot as a file: what a plan is made from. What versions 1 and 2 could say is said alike in 3."""

    format: Literal["linli.matcher.snapshot"]
    version: Literal[1, 2, 3]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan as a file: who comes to which visit when, what remains unmet and why, and how good it provably is."""

    format: Literal["linli.matcher.plan"]
    version: Literal[1]
    plan: Plan


for _part in (
    SnapshotFile,
    *(
        Snapshot,
        snapshots.SnapVisit,
        snapshots.Follows,
        snapshots.MealBreak,
        snapshots.SnapCarer,
        snapshots.SnapLine,
        snapshots.Fixed,
    ),
    PlanFile,
    *(Plan, plans.Assignment, plans.Rest, plans.UnmetVisit, plans.BrokenFixed, plans.Work),
):
    with_config(ConfigDict(extra="forbid"))(_part)  # a misspelt field is told, not left out

SNAPSHOTS: TypeAdapter[SnapshotFile] = TypeAdapter(SnapshotFile)
PLANS: TypeAdapter[PlanFile] = TypeAdapter(PlanFile)

_File = TypeVar("_File")


class BadFile(Exception):
    """A file that cannot be read, or is not what it should be: one line that says which and why."""


def read_snapshot(path: Path) -> Snapshot:
    """A possible snapshot. Raises BadFile for any other."""
    snapshot = _read(path, SNAPSHOTS, "snapshot").snapshot
    try:
        refuse_impossible(snapshot)
    except SnapshotRefused as error:
        raise BadFile(f"{path}: {error}") from None
    return snapshot


def read_plan(path: Path) -> Plan:
    return _read(path, PLANS, "plan").plan


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    write_text(path, to_json(SnapshotFile("linli.matcher.snapshot", 3, snapshot)))


def write_plan(path: Path, plan: Plan) -> None:
    write_text(path, to_json(PlanFile("linli.matcher.plan", 1, plan)))


def read_bytes(path: Path) -> bytes:
    """A file's content, unpacked if it is gzip."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadFile(f"{path}: damaged gzip") from None
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None


def _read(path: Path, reader: TypeAdapter[_File], what: str) -> _File:
    content = read_bytes(path)
    try:
        return reader.validate_json(content, strict=True)
    except ValidationError as error:
        raise BadFile(f"{path}: {_said(error, what)}") from None


def _said(error: ValidationError, what: str) -> str:
    """The first few mistakes, each with its place."""
    mistakes = []
    for each in error.errors(include_url=False, include_context=False)[:_MOST_SAID]:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
        said = "no such field" if each["type"] == "unexpected_keyword_argument" else each["msg"]
        mistakes.append(f"{place.removeprefix('.') or f'not a {what}'}: {said}")
    if error.error_count() > _MOST_SAID:
        mistakes.append(f"and {error.error_count() - _MOST_SAID} more")
    return "; ".join(mistakes)


def write_text(path: Path, text: str) -> None:
    """Whole or not at all, the same bytes for the same text."""
    content = text.encode() + b"\n"
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    try:
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            path.write_bytes(content)
            return
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from None
