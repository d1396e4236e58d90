"""The archive of one call as a ZIP: what it asked, what it got, how it was opened, scored, awarded, drawn and paid.

Whoever has it can check it offline (verify.py). Bids that were withdrawn, replaced, or never opened are in it by their
receipts alone: the key that is in it would open them too.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.orm import undefer

from services.projects.awards.tables import (
    AgreementRow,
    AwardRow,
    ChallengeRow,
    ContractChangeRow,
    SignatureRow,
    SupplementRow,
)
from services.projects.base import Base
from services.projects.bids import keys, opening, sealing, service
from services.projects.bids.tables import BidRow, OpeningRow, SigningKeyRow, SubmissionRow
from services.projects.calls.methods import Method, terms
from services.projects.calls.tables import CallRow, CriterionRow, LotLineRow, LotRow
from services.projects.contracts.tables import BalanceRow, ContractRow, LineRow
from services.projects.deliveries.tables import DeliveryRow, EntryRow
from services.projects.files import service as files
from services.projects.files.tables import FileRow
from services.projects.grants.tables import GrantRow, GrantStepRow, MilestoneRow
from services.projects.package import contents
from services.projects.payments.tables import ClaimEntryRow, ClaimRow, PaymentRow, RefundRow
from services.projects.scoring.tables import RankRow, ScoreRow, ScorerRow
from shared.clock import wall_day
from shared.database.work import Work

CALL = (
    "call_id number title description method method_reason state theme beneficiaries budget_line_id gate_number "
    "gate_day gate_approver ceiling_fen published_at deadline_at opened_at ended_at ended_reason predecessor_id"
)
BID = "bid_id lot_id organisation_id state submission_id price_fen refused_reason content"
ENTRY = "entry_id attendance_id revision reversal line_id day minutes units amount_fen disputed recorded_at"
OF_CONTRACTS: dict[str, type[Any]] = {
    "agreements": AgreementRow,
    "signatures": SignatureRow,
    "changes": ContractChangeRow,
    "supplements": SupplementRow,
    "refunds": RefundRow,
}
FIXED = (1980, 1, 1, 0, 0, 0)  # the same contents are the same bytes


def archive(work: Work, call: CallRow) -> bytes:
    """The package of a call, signed."""
    bids = _all(work, BidRow, BidRow.call_id == call.call_id)
    opened = [row for row in bids if row.state in ("opened", "refused") and row.refused_reason != "too_few"]
    held = {contents.part(name): sealing.canonical(value) for name, value in _parts(work, call, bids).items()}
    for handed_in in work.session.scalars(
        select(SubmissionRow)
        .where(SubmissionRow.submission_id.in_([row.submission_id for row in opened]))
        .options(undefer(SubmissionRow.sealed))
    ):
        assert handed_in.sealed is not None
        held[contents.sealed_name(handed_in.submission_id)] = handed_in.sealed
    wanted = {UUID(file["file_id"]) for row in opened for file in (row.content or {}).get("files", ())}
    for file in _all(work, FileRow, FileRow.file_id.in_(wanted)):
        held[contents.file_name(file.file_id)] = files.content(work, file)
    text = contents.manifest(
        {"call_id": str(call.call_id), "number": call.number}, work.now.isoformat(), held
    )
    key = keys.signing_key(work)
    signature = keys.signature(work, key, contents.signed_text(text)).hex()
    held[contents.MANIFEST] = text
    held[contents.SIGNATURE] = sealing.canonical({"key_id": key.key_id, "signature": signature})
    work.audit("call.package", call.call_id)
    return zipped(held)


def zipped(held: dict[str, bytes]) -> bytes:
    """Parts as a ZIP, in the order of their names."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name in sorted(held):
            file.writestr(zipfile.ZipInfo(name, FIXED), held[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _parts(work: Work, call: CallRow, bids: Sequence[BidRow]) -> dict[str, Any]:
    lots = _all(work, LotRow, LotRow.call_id == call.call_id)
    asked = _all(work, LotLineRow, LotLineRow.lot_id.in_([row.lot_id for row in lots]))
    contracts = _all(work, ContractRow, ContractRow.call_id == call.call_id)
    signed = [row.contract_id for row in contracts]
    lines = _all(work, LineRow, LineRow.contract_id.in_(signed))
    balances = {
        row.line_id: row for row in _all(work, BalanceRow, BalanceRow.line_id.in_([r.line_id for r in lines]))
    }
    claims = _all(work, ClaimRow, ClaimRow.contract_id.in_(signed))
    granted = _all(work, GrantRow, GrantRow.call_id == call.call_id)
    grants = [row.grant_id for row in granted]
    published = wall_day(call.published_at or work.now)
    terms_of = service.lot_terms(work, call, lots)
    return {
        "keys": [
            {"key_id": row.key_id, "public_key": row.public_key.hex()} for row in _all(work, SigningKeyRow)
        ],
        "call": {
            **_said(call, CALL.split()),
            "public_key": call.public_key.hex() if call.public_key else None,
            "bidders_least": terms(Method(call.method), published).bidders,
        },
        "lots": [
            {
                **_said(row),
                "bid_ceiling_fen": terms_of[row.lot_id].ceiling_fen,
                "lines": [_said(line) for line in asked if line.lot_id == row.lot_id],
            }
            for row in lots
        ],
        "criteria": [_said(row) for row in _all(work, CriterionRow, CriterionRow.call_id == call.call_id)],
        "receipts": _receipts(work, bids),
        "opening": _opening(work, call),
        "bids": [_said(row, BID.split()) for row in bids if row.state != "draft"],
        "scorers": [_said(row) for row in _all(work, ScorerRow, ScorerRow.call_id == call.call_id)],
        "scores": [_said(row) for row in _all(work, ScoreRow, ScoreRow.call_id == call.call_id)],
        "ranks": [_said(row) for row in _all(work, RankRow, RankRow.call_id == call.call_id)],
        "awards": [_said(row) for row in _all(work, AwardRow, AwardRow.call_id == call.call_id)],
        "challenges": [_said(row) for row in _all(work, ChallengeRow, ChallengeRow.call_id == call.call_id)],
        "contracts": [_said(row) for row in contracts],
        "lines": [
            {**_said(row), "balance": _said(balances[row.line_id]) if row.line_id in balances else None}
            for row in lines
        ],
        **{
            name: [_said(row) for row in _all(work, kind, kind.contract_id.in_(signed))]
            for name, kind in OF_CONTRACTS.items()
        },
        **_drawn(work, [row.line_id for row in lines]),
        "claims": [_said(row) for row in claims],
        "claim_entries": [
            _said(row)
            for row in _all(work, ClaimEntryRow, ClaimEntryRow.claim_id.in_([r.claim_id for r in claims]))
        ],
        "payments": [
            _said(row)
            for row in _all(
                work,
                PaymentRow,
                PaymentRow.contract_id.in_(signed) | PaymentRow.grant_id.in_(grants),
            )
        ],
        "grants": [_said(row) for row in granted],
        "milestones": [_said(row) for row in _all(work, MilestoneRow, MilestoneRow.grant_id.in_(grants))],
        "grant_steps": [_said(row) for row in _all(work, GrantStepRow, GrantStepRow.grant_id.in_(grants))],
    }


def _receipts(work: Work, bids: Iterable[BidRow]) -> list[dict[str, Any]]:
    by_id = {row.bid_id: row for row in bids}
    rows = _all(work, SubmissionRow, SubmissionRow.bid_id.in_(by_id))
    return [
        {
            "text": service.receipt(row, by_id[row.bid_id]).text.decode(),
            "signature": row.signature.hex(),
            "key_id": row.key_id,
            "submission_id": str(row.submission_id),
            "bid_id": str(row.bid_id),
        }
        for row in sorted(rows, key=lambda row: (row.bid_id, row.number))
    ]


def _opening(work: Work, call: CallRow) -> dict[str, Any] | None:
    row = work.session.get(OpeningRow, call.call_id)
    if row is None:
        return None
    said = _said(row, ["call_id", "at", "first_by", "second_by", "record"])
    return {**said, "private_key": opening.private_key(work, row).hex()}


def _drawn(work: Work, line_ids: Sequence[UUID]) -> dict[str, Any]:
    """The delivery ledger of a call's lines; with each entry whether its delivery was accepted as it stands."""
    stands = {
        (row.attendance_id, row.revision): row.accepted
        for row in _all(work, DeliveryRow, DeliveryRow.line_id.in_(line_ids))
    }
    return {
        "entries": [
            {**_said(row, ENTRY.split()), "accepted": stands.get((row.attendance_id, row.revision), False)}
            for row in _all(work, EntryRow, EntryRow.line_id.in_(line_ids))
        ]
    }


def _all(work: Work, kind: type[Any], *where: Any) -> list[Any]:
    """All rows of a kind that a package is about, in the order of their keys."""
    table = cast(Table, cast(type[Base], kind).__table__)
    return list(work.session.scalars(select(kind).where(*where).order_by(*table.primary_key.columns)))


def _said(row: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
    """A row's columns as JSON: what a row keeps apart (files, sealed bytes) is not among them."""
    columns = cast(Table, row.__table__).columns
    chosen = set(names) if names is not None else {c.name for c in columns if not _bytes(c.type)}
    return {c.name: _plain(getattr(row, c.key)) for c in columns if c.name in chosen}


def _bytes(kind: Any) -> bool:
    return bool(kind.python_type is bytes)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | bool | dict):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
