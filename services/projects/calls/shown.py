"""Calls as they are shown: to the bureau in full, to anyone without what is not public."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, or_, select

from services.projects.calls import notices, publishing, service
from services.projects.calls.methods import WORDS, Method
from services.projects.calls.schemas import (
    Amendment,
    Call,
    Criterion,
    ListedCall,
    Lot,
    LotLine,
    Missing,
    Notice,
    Opinion,
    Overdue,
    OwnCall,
    PublicCall,
    Question,
)
from services.projects.calls.tables import (
    AmendmentRow,
    CallRow,
    LotLineRow,
    LotRow,
    NoticeRow,
    OpinionRow,
    QuestionRow,
)
from services.projects.contracts.tables import AreaRow
from services.projects.organisations.schemas import MissingNow
from services.projects.organisations.service import Missing as Lacking
from shared.clock import wall_day
from shared.contracts.codes import ServiceKind
from shared.database.work import Work
from shared.web.language import translate


def listed(work: Work, rows: Sequence[CallRow]) -> list[ListedCall]:
    """Calls as a list shows them, in the order given."""
    bought: dict[UUID, list[LotLineRow]] = {}
    for call_id, line in work.session.execute(
        select(LotRow.call_id, LotLineRow)
        .join(LotLineRow, LotLineRow.lot_id == LotRow.lot_id)
        .where(LotRow.call_id.in_([row.call_id for row in rows]))
    ):
        bought.setdefault(call_id, []).append(line)
    return [ListedCall.model_validate(_short(work, row, bought.get(row.call_id, []))) for row in rows]


def _short(work: Work, row: CallRow, bought: Iterable[LotLineRow]) -> dict[str, Any]:
    lines = list(bought)
    plain = (
        "call_id version number title method state theme beneficiaries town_id ceiling_fen consulted_until "
        "published_at questions_until deadline_at ended_at"
    )
    past = row.deadline_at is not None and work.now >= row.deadline_at
    return {
        **{name: getattr(row, name) for name in plain.split()},
        "words": asdict(WORDS[Method(row.method)]),
        "stage": service.stage(row, wall_day(work.now), past),
        "kinds": sorted({kind for line in lines for kind in line.kinds}),
        "community_ids": sorted({c for line in lines for c in line.community_ids}),
    }


def buying(
    work: Work, kind: ServiceKind | None, community_id: UUID | None, town_id: UUID | None
) -> list[ColumnElement[bool]]:
    """Calls with a line for a service, and one for a community or for one of a town's communities."""
    lines = select(LotLineRow.lot_line_id).join(LotRow, LotRow.lot_id == LotLineRow.lot_id)
    lines = lines.where(LotRow.call_id == CallRow.call_id)
    found: list[ColumnElement[bool]] = []
    if kind:
        found.append(exists(lines.where(LotLineRow.kinds.contains([kind.value]))))
    if community_id:
        found.append(exists(lines.where(LotLineRow.community_ids.contains([community_id]))))
    if town_id:
        own = work.session.scalars(
            select(AreaRow.area_id).where(AreaRow.parent_id == town_id, AreaRow.level == "community")
        ).all()
        there = exists(lines.where(LotLineRow.community_ids.overlap(list(own))))
        found.append(or_(CallRow.town_id == town_id, there))
    return found


def own(call: ListedCall, lacking: Sequence[Lacking], lang: str) -> OwnCall:
    """A call as an organisation finds it, with what it lacks."""
    return OwnCall(
        call=call,
        eligible=not lacking,
        missing=[
            MissingNow(
                code=each.code, message=translate(lang, each.sentence, **each.params), paper=each.paper
            )
            for each in lacking
        ],
    )


def public(work: Work, row: CallRow) -> PublicCall:
    """A call as anyone may read it: of opinions and questions those that are answered."""
    return PublicCall.model_validate(_full(work, row, every_word=False))


def of_bureau(work: Work, row: CallRow, lang: str) -> Call:
    """A call as the bureau works on it, with what a draft still lacks."""
    plain = "budget_line_id gate_day gate_approver invited negative_checked made_at"
    lacking = publishing.missing(work, row) if row.state in service.DRAFTED else []
    return Call.model_validate(
        {
            **_full(work, row, every_word=True),
            **{name: getattr(row, name) for name in plain.split()},
            "missing": [
                Missing(field=f.field or "", rule=f.code, message=translate(lang, f.message, **f.params))
                for f in lacking
            ],
        }
    )


def _full(work: Work, row: CallRow, *, every_word: bool) -> dict[str, Any]:
    packs = service.lots(work, row.call_id)
    bought = service.lines(work, [lot.lot_id for lot in packs])
    plain = (
        "description method_reason allowed_kinds least_rating papers bid_bond_percent performance_bond_percent "
        "gate_number consulted_from opened_at ended_reason predecessor_id"
    )
    said = work.session.scalars(
        select(OpinionRow)
        .where(OpinionRow.call_id == row.call_id)
        .order_by(OpinionRow.at, OpinionRow.opinion_id)
    )
    asked = work.session.scalars(
        select(QuestionRow)
        .where(QuestionRow.call_id == row.call_id)
        .order_by(QuestionRow.at, QuestionRow.question_id)
    )
    amended = work.session.scalars(
        select(AmendmentRow).where(AmendmentRow.call_id == row.call_id).order_by(AmendmentRow.at)
    )
    told = work.session.scalars(
        select(NoticeRow)
        .where(NoticeRow.call_id == row.call_id, NoticeRow.published_at.is_not(None))
        .order_by(NoticeRow.published_at, NoticeRow.notice_id)
    )
    sole = row.invited[0] if row.method == Method.SINGLE_SOURCE and row.invited else None
    return {
        **_short(work, row, [line for each in bought.values() for line in each]),
        **{name: getattr(row, name) for name in plain.split()},
        "terms": asdict(service.terms_of(work, row)),
        "sole_supplier_id": sole,
        "successor_id": service.successor(work, row.call_id),
        "lots": [
            Lot.model_validate(
                {
                    **{name: getattr(lot, name) for name in Lot.model_fields if name != "lines"},
                    "lines": [LotLine.model_validate(line) for line in bought.get(lot.lot_id, ())],
                }
            )
            for lot in packs
        ],
        "criteria": [Criterion.model_validate(c) for c in service.criteria(work, row.call_id)],
        "opinions": [Opinion.model_validate(o) for o in said if every_word or o.answer is not None],
        "questions": [Question.model_validate(q) for q in asked if every_word or q.answer is not None],
        "amendments": [Amendment.model_validate(a) for a in amended],
        "notices": [notice(n, work.now) for n in told],
        "overdue": overdue(notices.overdue(work, row.call_id), work.now),
    }


def notice(row: NoticeRow, now: datetime) -> Notice:
    """A notice with how late it came out, or how long it is overdue."""
    late = _late(row, now)
    return Notice.model_validate(row).model_copy(update={"late_hours": late if late >= 0 else None})


def overdue(rows: Iterable[NoticeRow], now: datetime) -> list[Overdue]:
    """What is overdue, without what it will say."""
    plain = ("notice_id", "call_id", "kind", "due_at")
    return [
        Overdue.model_validate(
            {**{name: getattr(row, name) for name in plain}, "late_hours": _late(row, now)}
        )
        for row in rows
    ]


def _late(row: NoticeRow, now: datetime) -> int:
    """Whole hours after it was due; below zero while it is not."""
    return int(((row.published_at or now) - row.due_at).total_seconds() // 3600)
