"""What a package holds, as names of its parts: who writes it and who checks it read them here."""

import json
from collections.abc import Mapping
from typing import Any

from services.projects.bids import sealing

FORMAT = 2
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig.json"
PARTS = (
    "keys",  # that sign
    "call",
    "lots",
    "criteria",
    "receipts",
    "opening",
    "bids",
    "scorers",
    "scores",
    "ranks",
    "awards",
    "challenges",
    "contracts",
    "lines",
    "entries",
    "claims",
    "claim_entries",
    "payments",
)
SINCE_2 = (  # packages of format 1 may have none of these
    "agreements",
    "signatures",
    "changes",
    "supplements",
    "refunds",
    "grants",
    "milestones",
    "grant_steps",
)


def part(name: str) -> str:
    return f"{name}.json"


def sealed_name(submission_id: object) -> str:
    return f"sealed/{submission_id}.bin"


def file_name(file_id: object) -> str:
    return f"files/{file_id}.bin"


def manifest(call: Mapping[str, Any], made_at: str, files: Mapping[str, bytes]) -> bytes:
    """The names and hashes of all that the package holds: what its signature is under."""
    return sealing.canonical(
        {
            "format": FORMAT,
            "call_id": call["call_id"],
            "number": call["number"],
            "made_at": made_at,
            "files": {name: sealing.sha256(content) for name, content in files.items()},
        }
    )


def signed_text(manifest_text: bytes) -> bytes:
    """The bytes that a package's signature is under."""
    return b"linli package v1\n" + manifest_text


def read(content: bytes) -> Any:
    return json.loads(content)
