"""Grants of a community venture: milestones with evidence and review, paid one by one; a mid-term review that fails or is
late stops what follows. And organisations in incubation, from their start to their one exit."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update

from services.projects.awards import lots as lots_of
from services.projects.awards.service import may_sign
from services.projects.awards.tables import AwardRow
from services.projects.calls import notices
from services.projects.calls import service as calls
from services.projects.calls.methods import Method
from services.projects.calls.tables import LotRow
from services.projects.calls.workdays import end_of_workday
from services.projects.funds import service as funds
from services.projects.grants.schemas import (
    Leaving,
    NewGrant,
    NewIncubation,
    NewSupport,
    Resumption,
    Review,
)
from services.projects.grants.tables import GrantRow, GrantStepRow, IncubationRow, MilestoneRow, SupportRow
from services.projects.organisations.service import organisation
from services.projects.payments.schemas import Paying
from services.projects.payments.service import close_call, hold_apart, pay_out
from services.projects.payments.tables import PaymentRow
from shared.clock import wall_day
from shared.database.work import Database, Work
from shared.ids import new_id
from shared.rules import rule_value
from shared.web.language import _
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import expect

LATE = _("中期评估逾期未提交")
DONE = ("passed", "paid")


def start(work: Work, award: AwardRow, new: NewGrant) -> GrantRow:
    """Start a grant (立项) of an award, once the challenge days are over. Its milestones share out exactly its amount."""
    call = calls.call(work, award.call_id)
    if call.method != Method.VENTURE:
        raise Refused("no_grant", "只有公益创投才立项；其他采购签订合同。")
    may_sign(work, award)
    lot = work.session.get_one(LotRow, award.lot_id)
    if sum(each.amount_fen for each in new.milestones) != award.price_fen:
        raise Invalid("milestones_sum", "各节点金额之和要等于资助金额。", field="milestones")
    if any(not lot.valid_from <= each.due_on <= lot.valid_to for each in new.milestones):
        raise Invalid("milestone_outside", "节点日期要在项目期限以内。", field="milestones")
    row = GrantRow(
        grant_id=new_id(),
        award_id=award.award_id,
        call_id=award.call_id,
        organisation_id=award.organisation_id,
        number=new.number,
        title=new.title,
        amount_fen=award.price_fen,
        paid_fen=0,
        starts_on=lot.valid_from,
        ends_on=lot.valid_to,
        state="running",
        stopped_reason=None,
        made_at=work.now,
    )
    work.session.add(row)
    work.session.flush()
    work.session.add_all(
        MilestoneRow(
            milestone_id=new_id(),
            grant_id=row.grant_id,
            position=position,
            kind=each.kind,
            title=each.title,
            due_on=each.due_on,
            amount_fen=each.amount_fen,
            state="passed" if each.kind == "start" else "due",
            evidence=None,
            handed_in_at=None,
            reviewed_by=None,
            reviewed_at=None,
            review=None,
        )
        for position, each in enumerate(new.milestones)
    )
    award.state = "signed"
    work.session.flush()
    work.audit("grant.start", row.grant_id)
    _notice(work, row, "contract", {"amount_fen": row.amount_fen})
    lots_of.advance(work, call)
    return row


def _notice(work: Work, row: GrantRow, kind: str, more: dict[str, object]) -> None:
    today = wall_day(work.now)
    rule = {"contract": "contract_published_working_days", "acceptance": "acceptance_published_working_days"}
    body = {
        "number": row.number,
        "title": row.title,
        "organisation": organisation(work, row.organisation_id).name,
        **more,
    }
    due = end_of_workday(work, today, int(rule_value(rule[kind], today)))
    notices.due(work, kind, row.grant_id, row.call_id, due, body)


def grant(work: Work, grant_id: UUID, *, lock: bool = False) -> GrantRow:
    """The grant; locked together with its call, the call first. 404 when there is none."""
    row = work.session.get(GrantRow, grant_id)
    if row is None:
        raise NotFound("grant_unknown", "没有这个立项。")
    if lock:
        calls.call(work, row.call_id, lock=True)
        work.session.refresh(row, with_for_update=True)
    return row


def milestones(work: Work, grant_id: UUID) -> Sequence[MilestoneRow]:
    """A grant's milestones, in order."""
    return work.session.scalars(
        select(MilestoneRow).where(MilestoneRow.grant_id == grant_id).order_by(MilestoneRow.position)
    ).all()


def steps(work: Work, grant_id: UUID) -> Sequence[GrantStepRow]:
    """What happened in a grant, in order."""
    return work.session.scalars(
        select(GrantStepRow).where(GrantStepRow.grant_id == grant_id).order_by(GrantStepRow.step_id)
    ).all()


def _note(work: Work, grant_id: UUID, kind: str, text: str, milestone_id: UUID | None = None) -> UUID:
    step = GrantStepRow(
        step_id=new_id(),
        grant_id=grant_id,
        milestone_id=milestone_id,
        kind=kind,
        text=text,
        by=work.caller.person_id if work.caller else None,
        at=work.now,
    )
    work.session.add(step)
    return step.step_id


def _tell(work: Work, of: GrantRow, kind: str, step_id: UUID, reason: str) -> None:
    """That a grant was stopped, or goes on, is public at once."""
    body = {
        "number": of.number,
        "title": of.title,
        "organisation": organisation(work, of.organisation_id).name,
        "reason": reason,
    }
    notices.at_once(work, kind, step_id, of.call_id, body)


def milestone(work: Work, milestone_id: UUID) -> tuple[GrantRow, MilestoneRow]:
    """The milestone with its grant, both locked. 404 when there is none."""
    row = work.session.get(MilestoneRow, milestone_id)
    if row is None:
        raise NotFound("milestone_unknown", "没有这个节点。")
    of = grant(work, row.grant_id, lock=True)
    work.session.refresh(row, with_for_update=True)
    return of, row


def _running(row: GrantRow) -> None:
    if row.state == "stopped":
        raise Refused("grant_stopped", "中期评估不合格或者逾期，已停止拨付（公益创投管理约定；海曙做法）。")
    if row.state != "running":
        raise Refused("grant_over", "这个项目已经结束。")


def hand_in(work: Work, of: GrantRow, row: MilestoneRow, evidence: str) -> None:
    """The organisation shows what it did. What failed may be shown again, but not a mid-term review, nor a late one."""
    _running(of)
    if row.state not in ("due", "failed"):
        raise Refused("milestone_state", "这个节点已经提交过。")
    if row.kind == "midterm" and wall_day(work.now) > row.due_on:
        raise Refused("midterm_late", "中期评估已逾期，停止拨付（公益创投管理约定；海曙做法）。")
    if any(each.state not in DONE for each in milestones(work, of.grant_id) if each.position < row.position):
        raise Refused("milestone_before", "前面的节点还没有通过。")
    row.state, row.evidence, row.handed_in_at = "handed_in", evidence, work.now
    _note(work, of.grant_id, "handed_in", evidence, row.milestone_id)
    work.session.flush()
    work.audit("milestone.hand_in", row.milestone_id)


def review(work: Work, of: GrantRow, row: MilestoneRow, body: Review) -> None:
    """Review a milestone. A mid-term review that fails stops the grant's payments."""
    _running(of)
    if row.state != "handed_in":
        raise Refused("milestone_not_in", "这个节点还没有提交成果。")
    row.state, row.review = ("passed" if body.passed else "failed"), body.review
    row.reviewed_by = work.caller.person_id if work.caller else None
    row.reviewed_at = work.now
    step_id = _note(work, of.grant_id, row.state, body.review, row.milestone_id)
    if row.kind == "midterm" and not body.passed:
        of.state, of.stopped_reason = "stopped", body.review
        work.audit("grant.stop", of.grant_id)
        _tell(work, of, "grant_stopped", step_id, body.review)
    work.session.flush()
    work.audit("milestone.review", row.milestone_id, passed=body.passed)


def stop_late(database: Database) -> None:
    """Stop the grants whose mid-term review is overdue and not handed in (a job)."""
    with database.work() as work:
        late = work.session.scalars(
            select(MilestoneRow.grant_id)
            .join(GrantRow, GrantRow.grant_id == MilestoneRow.grant_id)
            .where(
                GrantRow.state == "running",
                MilestoneRow.kind == "midterm",
                MilestoneRow.state == "due",
                MilestoneRow.due_on < wall_day(work.now),
            )
        ).all()
        if not late:
            return
        work.session.execute(
            update(GrantRow)
            .where(GrantRow.grant_id.in_(late), GrantRow.state == "running")
            .values(state="stopped", stopped_reason=LATE, version=GrantRow.version + 1)
        )
        for grant_id in late:
            step_id = _note(work, grant_id, "late", LATE)
            work.audit("grant.stop", grant_id)
            _tell(work, work.session.get_one(GrantRow, grant_id), "grant_stopped", step_id, LATE)


def pay(work: Work, of: GrantRow, row: MilestoneRow, body: Paying) -> PaymentRow:
    """Pay a milestone that passed: committed money becomes spent, each once."""
    _running(of)
    today = wall_day(work.now)
    before = milestones(work, of.grant_id)
    if any(each.kind == "midterm" and each.state == "due" and today > each.due_on for each in before):
        raise Refused("midterm_late", "中期评估已逾期，停止拨付（公益创投管理约定；海曙做法）。")
    if row.state != "passed":
        raise Refused("milestone_not_passed", "这个节点没有通过评审，不能拨付。")
    hold_apart(work, row.reviewed_by)
    if row.amount_fen == 0:
        raise Refused("nothing_to_pay", "这个节点没有拨付金额。")
    if body.paid_on > today:
        raise Invalid("day_ahead", "日期不能晚于今天。", field="paid_on")
    if body.paid_on < wall_day(of.made_at):
        raise Invalid("day_before", "付款日期不能早于立项日期。", field="paid_on")
    call = calls.call(work, of.call_id)
    assert call.budget_line_id is not None
    row.state = "paid"
    of.paid_fen += row.amount_fen
    work.session.flush()
    return pay_out(
        work,
        body,
        PaymentRow(
            budget_line_id=call.budget_line_id,
            organisation_id=of.organisation_id,
            grant_id=of.grant_id,
            milestone_id=row.milestone_id,
            fen=row.amount_fen,
        ),
        of.call_id,
        of.number,
    )


def resume(work: Work, of: GrantRow, body: Resumption) -> None:
    """A stopped grant goes on after it was put right (If-Match): its mid-term review is held again by a day."""
    expect(work, of.version)
    if of.state != "stopped":
        raise Refused("grant_not_stopped", "这个项目没有停止。")
    if not wall_day(work.now) <= body.until <= of.ends_on:
        raise Invalid("milestone_outside", "节点日期要在项目期限以内。", field="until")
    for each in milestones(work, of.grant_id):
        if each.kind == "midterm":
            each.state, each.due_on = "due", body.until
    of.state, of.stopped_reason = "running", None
    _tell(work, of, "grant_resumed", _note(work, of.grant_id, "resumed", body.reason), body.reason)
    work.session.flush()
    work.audit("grant.resume", of.grant_id)


def complete(work: Work, of: GrantRow, result: str) -> None:
    """End a grant whose final report passed and whose milestones are paid (If-Match): the result is to be published."""
    expect(work, of.version)
    _running(of)
    if any(
        each.state != "paid" and not (each.state == "passed" and each.amount_fen == 0)
        for each in milestones(work, of.grant_id)
    ):
        raise Refused("milestones_open", "还有节点没有通过或者没有拨付。")
    _end(work, of, "completed", result)


def terminate(work: Work, of: GrantRow, reason: str) -> None:
    """End a grant before its time (If-Match): what is not paid is free again."""
    expect(work, of.version)
    if of.state not in ("running", "stopped"):
        raise Refused("grant_over", "这个项目已经结束。")
    of.stopped_reason = of.stopped_reason or reason
    _end(work, of, "terminated", reason)


def _end(work: Work, of: GrantRow, state: str, result: str) -> None:
    of.state = state
    _note(work, of.grant_id, state, result)
    work.session.flush()
    call = calls.call(work, of.call_id)
    assert call.budget_line_id is not None
    funds.release(work, call.budget_line_id, of.amount_fen - of.paid_fen, "grant", of.grant_id, result)
    _notice(
        work,
        of,
        "acceptance",
        {"state": state, "result": result, "amount_fen": of.amount_fen, "paid_fen": of.paid_fen},
    )
    work.audit(f"grant.{state}", of.grant_id)
    close_call(work, of.call_id)


def incubate(work: Work, new: NewIncubation) -> IncubationRow:
    """Take an organisation into incubation, one at a time."""
    organisation(work, new.organisation_id)
    row = IncubationRow(incubation_id=new_id(), exit=None, left_on=None, exit_reason=None, **new.model_dump())
    work.session.add(row)
    work.session.flush()
    work.audit("incubation.begin", row.incubation_id)
    return row


def incubation(work: Work, incubation_id: UUID, *, lock: bool = False) -> IncubationRow:
    """The incubation. 404 when there is none."""
    row = work.session.get(IncubationRow, incubation_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("incubation_unknown", "没有这次孵化。")
    return row


def support(work: Work, of: IncubationRow, new: NewSupport) -> SupportRow:
    """Note what an incubated organisation was given."""
    if of.exit is not None:
        raise Refused("incubation_over", "这个组织已经出孵。")
    if not of.began_on <= new.on <= wall_day(work.now):
        raise Invalid("support_day", "日期要在入孵以后，不晚于今天。", field="on")
    row = SupportRow(
        support_id=new_id(),
        incubation_id=of.incubation_id,
        by=work.caller.person_id if work.caller else None,
        **new.model_dump(),
    )
    work.session.add(row)
    work.session.flush()
    work.audit("incubation.support", of.incubation_id)
    return row


def leave(work: Work, of: IncubationRow, body: Leaving) -> None:
    """The one exit of an incubation: graduated, withdrawn or removed."""
    if of.exit is not None:
        raise Refused("incubation_over", "这个组织已经出孵。")
    if not of.began_on <= body.left_on <= wall_day(work.now):
        raise Invalid("support_day", "日期要在入孵以后，不晚于今天。", field="left_on")
    of.exit, of.left_on, of.exit_reason = body.exit, body.left_on, body.reason
    work.session.flush()
    work.audit("incubation.exit", of.incubation_id, exit=body.exit)
