"""Needs as a caller may see them."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from services.daycare.access import NAMES, OWN, visit_reach
from services.daycare.needs.schemas import NeedAnswer
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.schemas import DialectWished, SexWished
from services.daycare.residents.service import names
from services.daycare.visits.tables import VisitRow
from shared.clock import wall_day
from shared.contracts.codes import Dialect, Sex, VisitStatus
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller


def answers(work: Work, caller: Caller, rows: Sequence[NeedRow]) -> list[NeedAnswer]:
    """Needs with names and note where the caller may know them."""
    open_to = [row for row in rows if caller.reaches(visit_reach(row), *NAMES, *OWN)]
    known = names(work, {r for row in open_to for r in row.resident_ids})
    sealed = work.vault.open(work.session, [(row.resident_ids[0], row.sealed) for row in open_to])
    private = {row.need_id: value for row, value in zip(open_to, sealed, strict=True)}
    following = _next_days(work, rows)
    return [_answer(row, known, private.get(row.need_id), following.get(row.need_id)) for row in rows]


def _next_days(work: Work, rows: Sequence[NeedRow]) -> dict[UUID, date]:
    found = work.session.execute(
        select(VisitRow.need_id, func.min(VisitRow.day))
        .where(
            among(VisitRow.need_id, [row.need_id for row in rows]),
            VisitRow.day >= wall_day(work.now),
            VisitRow.status.in_((VisitStatus.OPEN, VisitStatus.SUSPENDED, VisitStatus.STARTED)),
        )
        .group_by(VisitRow.need_id)
    )
    return {row[0]: row[1] for row in found}


def _answer(
    row: NeedRow, known: dict[UUID, str], private: dict[str, Any] | None, following: date | None
) -> NeedAnswer:
    """`private`: note and addresses, None where the reader may not know them."""
    plain = (
        "need_id version series_id state source kind centre_id community_id town_id first_day last_day rrule earliest "
        "latest minutes carers skills channels lone_risk remote on_holidays urgency place social_worker_id "
        "posted_at"
    )
    return NeedAnswer.model_validate(
        {
            **{name: getattr(row, name) for name in plain.split()},
            "residents": [{"person_id": r, "name": known.get(r)} for r in row.resident_ids],
            "dialect_wish": DialectWished(dialect=Dialect(row.dialect_wish), hard=row.dialect_wish_hard)
            if row.dialect_wish
            else None,
            "sex_wish": SexWished(sex=Sex(row.sex_wish), hard=row.sex_wish_hard) if row.sex_wish else None,
            "note": None if private is None else str(private.get("note") or ""),
            "other_address": _address(private, "place"),
            "end_address": _address(private, "end"),
            "next_day": following,
        }
    )


def _address(private: dict[str, Any] | None, name: str) -> str | None:
    where = (private or {}).get(name)
    return str(where["address"]) if where else None
