"""A package as whoever checks it reads it."""

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from services.projects.bids import sealing
from services.projects.bids.contents import Asked, LotTerms
from services.projects.bids.sealing import Receipt
from services.projects.package import contents

MOST_BYTES = 4 * 1024**3
UNOPENED = "too_few"


class Wrong(Exception):
    """What is wrong with a package, in a sentence."""


class Package:
    """The parts of a package, read as they are needed."""

    def __init__(self, held: Mapping[str, bytes]) -> None:
        self.held = held

    @classmethod
    def opened(cls, content: bytes) -> "Package":
        """The package in a ZIP. Wrong when it is none."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as file:
                names = file.namelist()
                if len(set(names)) != len(names):
                    raise Wrong("a name stands in it twice")
                if sum(info.file_size for info in file.infolist()) > MOST_BYTES:
                    raise Wrong("it is too large to be one")
                return cls({name: file.read(name) for name in names})
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            EOFError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            raise Wrong("it is no ZIP, or damaged") from error

    def part(self, name: str) -> Any:
        if name in contents.SINCE_2 and self.format == 1 and contents.part(name) not in self.held:
            return []
        return self._json(contents.part(name))

    def _json(self, name: str) -> Any:
        if name not in self.held:
            raise Wrong(f"{name} is missing")
        try:
            return json.loads(self.held[name])
        except ValueError as error:
            raise Wrong(f"{name} is no JSON") from error

    def bytes_of(self, name: str) -> bytes:
        if name not in self.held:
            raise Wrong(f"{name} is missing")
        return self.held[name]

    @cached_property
    def format(self) -> int:
        listed = self._json(contents.MANIFEST)
        found = listed.get("format") if isinstance(listed, dict) else None
        if found not in (1, contents.FORMAT):
            raise Wrong(f"format {found} is not known here")
        return int(found)

    @cached_property
    def keys(self) -> dict[str, bytes]:
        found = {each["key_id"]: bytes.fromhex(each["public_key"]) for each in self.part("keys")}
        for key_id, public_key in found.items():
            if sealing.key_id(public_key) != key_id:
                raise Wrong(f"key {key_id} is not what its name says")
        return found

    @cached_property
    def call(self) -> dict[str, Any]:
        return dict(self.part("call"))

    @cached_property
    def bids(self) -> list[dict[str, Any]]:
        return list(self.part("bids"))

    @cached_property
    def lots(self) -> dict[str, dict[str, Any]]:
        return {lot["lot_id"]: lot for lot in self.part("lots")}

    @cached_property
    def receipts(self) -> dict[str, list[Receipt]]:
        """The receipts by bid, as their signed texts say."""
        found: dict[str, list[Receipt]] = defaultdict(list)
        for each in self.part("receipts"):
            said = json.loads(each["text"].split("\n", 1)[1])
            receipt = Receipt(
                UUID(said["submission_id"]),
                UUID(said["bid_id"]),
                UUID(said["call_id"]),
                UUID(said["lot_id"]),
                UUID(said["organisation_id"]),
                said["number"],
                said["kind"],
                said["sha256"],
                datetime.fromisoformat(said["at"]),
            )
            if receipt.text != each["text"].encode():
                raise Wrong(f"receipt {each['submission_id']} is not written as receipts are")
            found[said["bid_id"]].append(receipt)
        return found

    @cached_property
    def opening(self) -> dict[str, Any] | None:
        found = self.part("opening")
        return dict(found) if found is not None else None

    @cached_property
    def opened_bids(self) -> list[dict[str, Any]]:
        return [
            bid
            for bid in self.bids
            if bid["state"] in ("opened", "refused") and bid["refused_reason"] != UNOPENED
        ]

    @cached_property
    def refused_later(self) -> set[str]:
        """Bids that stood at the opening and were refused after it: by the bureau with a reason, or with their award."""
        if self.opening is None:
            return set()
        recorded = {b["bid_id"]: b for lot in self.opening["record"]["lots"] for b in lot["bids"]}
        return {
            bid["bid_id"]
            for bid in self.opened_bids
            if bid["state"] == "refused"
            and bid["refused_reason"]
            and bid["bid_id"] in recorded
            and recorded[bid["bid_id"]]["refused_reason"] is None
        }

    def in_ranking(self, lot_id: str) -> list[dict[str, Any]]:
        """A lot's bids that were scored to the end: what stands, and what was refused only after its rank."""
        ranks = {row["bid_id"] for row in self.part("ranks")}
        return [
            bid
            for bid in self.bids
            if bid["lot_id"] == lot_id
            and (bid["state"] == "opened" or (bid["bid_id"] in self.refused_later and bid["bid_id"] in ranks))
        ]

    @cached_property
    def private_key(self) -> sealing.PrivateKey:
        if self.opening is None:
            raise Wrong("there are opened bids and no opening record")
        return sealing.PrivateKey.from_private_bytes(bytes.fromhex(self.opening["private_key"]))

    def standing(self, bid: Mapping[str, Any]) -> Receipt:
        for receipt in self.receipts.get(bid["bid_id"], ()):
            if str(receipt.submission_id) == bid["submission_id"]:
                return receipt
        raise Wrong(f"bid {bid['bid_id']} has no receipt")

    def terms(self, lot_id: str) -> LotTerms:
        lot = self.lots[lot_id]
        lines = tuple(
            Asked(UUID(line["lot_line_id"]), line["units"], line["unit_ceiling_fen"]) for line in lot["lines"]
        )
        return LotTerms(self.call["method"] == "venture", lot["bid_ceiling_fen"], lines)
