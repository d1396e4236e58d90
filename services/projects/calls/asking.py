"""What is said about a call: opinions of the public, questions of organisations, amendments for everybody."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select

from services.projects.calls import notices
from services.projects.calls.schemas import Amend
from services.projects.calls.service import call, tell, terms_of
from services.projects.calls.tables import AmendmentRow, CallRow, OpinionRow, QuestionRow
from services.projects.organisations.service import organisation
from shared.clock import wall, wall_day
from shared.database.work import Work
from shared.ids import new_id
from shared.rules import rule_source, rule_value
from shared.web.problems import NotFound, Refused


def say(work: Work, row: CallRow, text: str) -> OpinionRow:
    """Keep what somebody of the public said while the hearing runs. The call is locked, so that the bound holds."""
    if row.state != "consulting" or row.consulted_until is None or wall_day(work.now) > row.consulted_until:
        raise Refused("not_consulting", "这次采购现在不在征求意见。")
    _bounded(work, OpinionRow, OpinionRow.call_id == row.call_id, "opinions_a_call")
    opinion = OpinionRow(
        opinion_id=new_id(), call_id=row.call_id, text=text, at=work.now, answer=None, answered_at=None
    )
    work.session.add(opinion)
    work.session.flush()
    return opinion


def ask(work: Work, row: CallRow, organisation_id: UUID, text: str) -> QuestionRow:
    """An organisation's question, until questions end."""
    if row.state != "published" or row.questions_until is None or work.now >= row.questions_until:
        raise Refused("questions_over", "提问时间已过，或这次采购还没有发布。")
    if organisation(work, organisation_id).state != "admitted":
        raise Refused("not_admitted", "组织登记通过后才能提问。", field="organisation_id")
    asked = (QuestionRow.call_id == row.call_id) & (QuestionRow.organisation_id == organisation_id)
    _bounded(work, QuestionRow, asked, "questions_an_organisation")
    question = QuestionRow(
        question_id=new_id(),
        call_id=row.call_id,
        organisation_id=organisation_id,
        text=text,
        at=work.now,
        answer=None,
        answered_at=None,
        answered_by=None,
    )
    work.session.add(question)
    work.session.flush()
    work.audit("call.ask", row.call_id)
    return question


def _bounded(work: Work, table: type[OpinionRow | QuestionRow], which: object, rule: str) -> None:
    most = int(rule_value(rule, wall_day(work.now)))
    if (work.session.scalar(select(func.count()).select_from(table).where(which)) or 0) >= most:  # type: ignore[arg-type]
        raise Refused("too_many", "已经收到 {most} 条，不再接收。", most=most)


def answer_opinion(work: Work, opinion_id: UUID, text: str) -> CallRow:
    """Answer the public: from then on both can be read by anyone."""
    opinion = work.session.get(OpinionRow, opinion_id, with_for_update=True)
    if opinion is None:
        raise NotFound("opinion_unknown", "没有这条意见。")
    _once(opinion.answer)
    row = call(work, opinion.call_id)
    if row.state != "consulting":
        raise Refused("not_consulting", "这次采购现在不在征求意见。")
    opinion.answer, opinion.answered_at = text, work.now
    work.session.flush()
    work.audit("opinion.answer", row.call_id)
    return row


def answer_question(work: Work, question_id: UUID, text: str) -> CallRow:
    """Answer an organisation in public, before bids are due."""
    question = work.session.get(QuestionRow, question_id, with_for_update=True)
    if question is None:
        raise NotFound("question_unknown", "没有这个问题。")
    _once(question.answer)
    row = call(work, question.call_id)
    _before_deadline(work, row)
    question.answer, question.answered_at = text, work.now
    question.answered_by = work.caller.person_id if work.caller else None
    work.session.flush()
    work.audit("question.answer", row.call_id)
    return row


def _once(answer: str | None) -> None:
    if answer is not None:
        raise Refused("answered", "已经答复过；要补充请发更正公告。")


def _before_deadline(work: Work, row: CallRow) -> None:
    if row.state != "published" or row.deadline_at is None or work.now >= row.deadline_at:
        raise Refused("deadline_over", "截止之后不能再答复或更正（政府采购法实施条例第三十一条）。")


def amend(work: Work, row: CallRow, body: Amend) -> AmendmentRow:
    """Change or clarify a published call for everybody: bids that it touches get the rule's days to follow."""
    _before_deadline(work, row)
    assert row.deadline_at is not None
    before, after = row.deadline_at, body.deadline_at or row.deadline_at
    if after < before:
        raise Refused(
            "deadline_earlier", "截止时间只能推后，不能提前（政府采购法第三十五条）。", field="deadline_at"
        )
    days = terms_of(work, row).amend_days
    if body.touches_bids and after - work.now < timedelta(days=days):
        raise Refused(
            "deadline_too_near",
            "影响投标的更正要留出 {days} 天：截止时间不得早于 {earliest}（{clause}）。",
            field="deadline_at",
            days=days,
            earliest=f"{wall(work.now + timedelta(days=days)):%Y-%m-%d %H:%M}",
            clause=rule_source(f"{row.method}_amend_days", wall_day(work.now)),
        )
    if body.questions_until is not None:
        if not work.now < body.questions_until <= after:
            raise Refused("questions_until", "提问截止要在发布之后、投标截止之前。", field="questions_until")
        row.questions_until = body.questions_until
    row.deadline_at = after
    amendment = AmendmentRow(
        amendment_id=new_id(),
        call_id=row.call_id,
        text=body.text,
        touches_bids=body.touches_bids,
        deadline_before=before,
        deadline_after=after,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    work.session.add(amendment)
    work.session.flush()
    work.audit("call.amend", row.call_id)
    notices.at_once(
        work,
        "amendment",
        amendment.amendment_id,
        row.call_id,
        {
            "number": row.number,
            "text": body.text,
            "deadline_before": before.isoformat(),
            "deadline_after": after.isoformat(),
            "questions_until": row.questions_until.isoformat() if row.questions_until else None,
        },
    )
    tell(work, row)
    return amendment
