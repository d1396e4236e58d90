"""What changes a resident's plan: assessments with consent (8.4), absences (8.7), blocks (8.17)."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select

from services.daycare.residents.rules import STANDARD, grade_of, items_total
from services.daycare.residents.schemas import NewAbsence, NewAssessment, NewBlock
from services.daycare.residents.tables import AbsenceRow, AssessmentRow, BlockRow, ResidentRow
from services.daycare.visits.telling import tell_again
from shared.clock import wall_day
from shared.contracts.codes import Grade
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound, Refused


def _by(work: Work) -> UUID | None:
    return work.caller.person_id if work.caller else None


def assess(work: Work, row: ResidentRow, body: NewAssessment) -> AssessmentRow:
    """Store an assessment to which somebody has agreed, and use its grade if it is the newest."""
    [assessment] = _recorded(work, [(row, body)])
    _regrade(work, row)
    return assessment


def assess_first(work: Work, said: Sequence[tuple[ResidentRow, NewAssessment]]) -> list[AssessmentRow]:
    """The first assessments of residents who have no visits yet, in a constant number of statements."""
    assessments = _recorded(work, said)
    for (row, _), assessment in zip(said, assessments, strict=True):
        row.grade = assessment.grade
    work.session.flush()
    return assessments


def _recorded(work: Work, said: Sequence[tuple[ResidentRow, NewAssessment]]) -> list[AssessmentRow]:
    graded = [_graded(work, body) for _, body in said]
    blocks = work.vault.seal_many(
        work.session, [(row.person_id, sealed) for (row, _), (_, sealed) in zip(said, graded, strict=True)]
    )
    rows = [
        AssessmentRow(
            assessment_id=new_id(),
            person_id=row.person_id,
            day=body.day or wall_day(work.now),
            standard=STANDARD,
            grade=grade.value,
            sealed=block,
            consent_as=body.consent.as_,
            consent_how=body.consent.how,
            consent_at=body.consent.at,
            recorded_by=_by(work),
            recorded_at=work.now,
        )
        for (row, body), (grade, _), block in zip(said, graded, blocks, strict=True)
    ]
    work.session.add_all(rows)
    for assessment in rows:
        work.audit("assessment.record", assessment.assessment_id, assessment.person_id)
    return rows


def _graded(work: Work, body: NewAssessment) -> tuple[Grade, dict[str, Any]]:
    """The grade that an assessment gives, and what of it is sealed."""
    today = wall_day(work.now)
    day = body.day or today
    if day > today:
        raise Invalid("future_day", "评估日期不能在今天之后。", field="day")
    if body.consent.at > work.now:
        raise Invalid("future_consent", "同意的时间不能在现在之后。", field="consent.at")
    total = items_total(body.items) if body.items is not None else body.total
    assert total is not None
    coma = body.coma or (body.items is not None and body.items["consciousness"] == 0)
    grade = grade_of(total, coma=coma, diagnosed=body.diagnosed, risk_events=body.risk_events)
    return grade, {
        "items": body.items,
        "total": total,
        "assessor": body.assessor,
        "consent_by": body.consent.by,
        "coma": coma,
        "diagnosed": body.diagnosed,
        "risk_events": body.risk_events,
    }


def withdraw_consent(work: Work, row: ResidentRow, assessment_id: UUID) -> AssessmentRow:
    """Withdraw consent to an assessment: its values are dropped, the grade no longer used, the service goes on."""
    assessment = work.session.get(AssessmentRow, assessment_id, with_for_update=True)
    if assessment is None or assessment.person_id != row.person_id:
        raise NotFound("assessment_unknown", "没有这次评估。")
    if assessment.withdrawn_at is None:
        [sealed] = work.vault.open(work.session, [(row.person_id, assessment.sealed)])
        kept = {"consent_by": sealed.get("consent_by")}
        assessment.sealed = work.vault.seal(work.session, row.person_id, kept)
        assessment.grade = Grade.UNKNOWN.value
        assessment.withdrawn_at = work.now
        work.audit("assessment.withdraw", assessment_id, row.person_id)
        _regrade(work, row)
    return assessment


def _regrade(work: Work, row: ResidentRow) -> None:
    work.session.flush()
    newest = work.session.scalars(
        select(AssessmentRow)
        .where(AssessmentRow.person_id == row.person_id)
        .order_by(
            AssessmentRow.day.desc(), AssessmentRow.recorded_at.desc(), AssessmentRow.assessment_id.desc()
        )
        .limit(1)
    ).first()
    grade = newest.grade if newest and newest.withdrawn_at is None else Grade.UNKNOWN.value
    if grade != row.grade:
        row.grade = grade
        tell_again(work, row.person_id)


def go_away(work: Work, row: ResidentRow, body: NewAbsence) -> tuple[AbsenceRow, int]:
    """Note an absence: visits in it are suspended. The row, and how many visits stand suspended now."""
    absence = AbsenceRow(
        absence_id=new_id(),
        person_id=row.person_id,
        kind=body.kind,
        first_day=body.from_,
        last_day=body.to,
        recorded_by=_by(work),
        recorded_at=work.now,
    )
    work.session.add(absence)
    work.session.flush()
    work.audit("absence.add", absence.absence_id, row.person_id, kind=body.kind)
    visits = tell_again(work, row.person_id)
    return absence, sum(v.status == "suspended" for v in visits)


def come_back(work: Work, row: ResidentRow, absence_id: UUID) -> None:
    """Take an absence back: what was suspended is open again."""
    absence = work.session.get(AbsenceRow, absence_id)
    if absence is None or absence.person_id != row.person_id:
        raise NotFound("absence_unknown", "没有这次外出记录。")
    work.session.delete(absence)
    work.session.flush()
    work.audit("absence.remove", absence_id, row.person_id, kind=absence.kind)
    tell_again(work, row.person_id)


def block(
    work: Work, row: ResidentRow, body: NewBlock, author: Literal["resident", "family", "centre"]
) -> BlockRow:
    """Keep a person from being sent to a resident again. Saying it twice changes nothing."""
    if body.person_id == row.person_id:
        raise Invalid("block_self", "不能选择老人自己。", field="person_id")
    known = work.session.scalars(
        select(BlockRow).where(
            BlockRow.resident_id == row.person_id,
            BlockRow.person_id == body.person_id,
            BlockRow.lifted_at.is_(None),
        )
    ).first()
    if known is not None:
        return known
    made = BlockRow(
        block_id=new_id(),
        resident_id=row.person_id,
        person_id=body.person_id,
        author=author,
        author_id=_by(work),
        sealed=work.vault.seal(work.session, row.person_id, {"reason": body.reason}),
        made_at=work.now,
    )
    work.session.add(made)
    work.session.flush()
    work.audit("block.add", made.block_id, row.person_id)
    tell_again(work, row.person_id)
    return made


def lift_block(work: Work, row: ResidentRow, block_id: UUID) -> None:
    """Lift a block."""
    made = work.session.get(BlockRow, block_id, with_for_update=True)
    if made is None or made.resident_id != row.person_id:
        raise NotFound("block_unknown", "没有这条记录。")
    if made.lifted_at is not None:
        raise Refused("block_lifted", "这条记录已经取消了。")
    made.lifted_at = work.now
    work.session.flush()
    work.audit("block.lift", block_id, row.person_id)
    tell_again(work, row.person_id)
