"""Residents as a caller may see them."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from services.daycare.access import NAMES, OWN, resident_reach
from services.daycare.residents.schemas import (
    Absence,
    Assessment,
    Block,
    DialectWished,
    Pinned,
    Resident,
    ResidentLine,
    SexWished,
)
from services.daycare.residents.service import opened
from services.daycare.residents.tables import AbsenceRow, AssessmentRow, BlockRow, FamilyRow, ResidentRow
from shared.clock import wall_day
from shared.contracts.codes import Dialect, Grade, Role, Sex
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller

GRADE_ROLES = tuple(role for role in NAMES if role is not Role.GRID_WORKER)


def lines(work: Work, caller: Caller, rows: Sequence[ResidentRow]) -> list[ResidentLine]:
    """Residents as a list shows them."""
    values = opened(work, rows)
    gone = _away_today(work, [row.person_id for row in rows], wall_day(work.now))
    return [
        ResidentLine(**_line(caller, row, values[row.person_id], gone.get(row.person_id))) for row in rows
    ]


def _away_today(work: Work, person_ids: Sequence[UUID], today: date) -> dict[UUID, str]:
    rows = work.session.execute(
        select(AbsenceRow.person_id, AbsenceRow.kind).where(
            among(AbsenceRow.person_id, person_ids),
            AbsenceRow.first_day <= today,
            or_(AbsenceRow.last_day.is_(None), AbsenceRow.last_day >= today),
        )
    )
    return {row.person_id: row.kind for row in rows}


def _line(caller: Caller, row: ResidentRow, sealed: dict[str, Any], gone: str | None) -> dict[str, Any]:
    graded = caller.reaches(resident_reach(row), *GRADE_ROLES, *OWN)
    return {
        "person_id": row.person_id,
        "version": row.version,
        "name": sealed.get("name") or "",
        "sex": sealed.get("sex"),
        "birth_date": sealed.get("birth_date"),
        "phone": sealed.get("phone"),
        "address": sealed.get("address"),
        "town_id": row.town_id,
        "community_id": row.community_id,
        "cell_id": row.cell_id,
        "centre_id": row.centre_id,
        "lives_alone": row.lives_alone,
        "dialect": row.dialect,
        "placed": row.lon is not None,
        "grade": Grade(row.grade) if graded else None,
        "away": gone,
    }


def whole(work: Work, caller: Caller, row: ResidentRow) -> Resident:
    """A resident with all the caller may know."""
    sealed = opened(work, [row])[row.person_id]
    today = wall_day(work.now)
    absences = work.session.scalars(
        select(AbsenceRow)
        .where(
            AbsenceRow.person_id == row.person_id,
            or_(AbsenceRow.last_day.is_(None), AbsenceRow.last_day >= today),
        )
        .order_by(AbsenceRow.first_day, AbsenceRow.absence_id)
    ).all()
    gone = next((a.kind for a in absences if a.first_day <= today), None)
    graded = caller.reaches(resident_reach(row), *GRADE_ROLES, *OWN)
    pin = sealed.get("pin")
    family = work.session.scalars(
        select(FamilyRow.person_id)
        .where(FamilyRow.resident_id == row.person_id)
        .order_by(FamilyRow.person_id)
    ).all()
    return Resident(
        **_line(caller, row, sealed, gone),
        id_number=sealed.get("id_number"),
        floor=sealed.get("floor"),
        building_id=row.building_id,
        place=Pinned(lon=pin[0], lat=pin[1]) if pin else None,
        lone_risk=row.lone_risk,
        stairs=row.stairs,
        sex_wish=SexWished(sex=Sex(row.sex_wish), hard=row.sex_wish_hard) if row.sex_wish else None,
        dialect_wish=DialectWished(dialect=Dialect(row.dialect_wish), hard=row.dialect_wish_hard)
        if row.dialect_wish
        else None,
        contacts=sealed.get("contacts") or [],
        remarks=sealed.get("remarks") or "",
        absences=[Absence.model_validate(a) for a in absences],
        assessments=_assessments(work, row) if graded else [],
        blocks=_blocks(work, row, caller),
        family=list(family),
    )


def _assessments(work: Work, row: ResidentRow) -> list[Assessment]:
    rows = work.session.scalars(
        select(AssessmentRow)
        .where(AssessmentRow.person_id == row.person_id)
        .order_by(AssessmentRow.day.desc(), AssessmentRow.recorded_at.desc())
        .limit(20)
    ).all()
    values = work.vault.open(work.session, [(row.person_id, a.sealed) for a in rows])
    return [
        Assessment(
            assessment_id=a.assessment_id,
            day=a.day,
            standard=a.standard,
            grade=Grade(a.grade),
            total=value.get("total"),
            consent_by=value.get("consent_by") or "",
            consent_as=a.consent_as,
            consent_how=a.consent_how,
            consent_at=a.consent_at,
            withdrawn_at=a.withdrawn_at,
        )
        for a, value in zip(rows, values, strict=True)
    ]


def _blocks(work: Work, row: ResidentRow, caller: Caller) -> list[Block]:
    """Blocks for the desk and the resident's own; a grid worker who volunteers too never sees who blocked whom."""
    if not caller.reaches(resident_reach(row), Role.CENTRE_STAFF, Role.TOWN, *OWN):
        return []
    rows = work.session.scalars(
        select(BlockRow)
        .where(BlockRow.resident_id == row.person_id, BlockRow.lifted_at.is_(None))
        .order_by(BlockRow.made_at)
    ).all()
    values = work.vault.open(work.session, [(row.person_id, b.sealed) for b in rows])
    return [
        Block(
            block_id=b.block_id,
            person_id=b.person_id,
            author=b.author,
            reason=value.get("reason") or None,
            made_at=b.made_at,
        )
        for b, value in zip(rows, values, strict=True)
        if b.person_id != caller.person_id
    ]
