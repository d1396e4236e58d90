"""What a lot holds of the budget line, and how it comes to nothing."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from services.projects.awards.tables import AwardRow
from services.projects.calls import service as calls
from services.projects.calls.tables import CallRow, LotRow
from services.projects.funds import service as funds
from shared.database.work import Work


def decided(work: Work, lot_id: UUID) -> Sequence[AwardRow]:
    """The awards of a lot's latest decision, by rank; void ones too."""
    latest = (
        select(AwardRow.decision_id)
        .where(AwardRow.lot_id == lot_id)
        .order_by(AwardRow.decided_at.desc(), AwardRow.decision_id.desc())
    )
    return work.session.scalars(
        select(AwardRow)
        .where(AwardRow.lot_id == lot_id, AwardRow.decision_id == latest.limit(1).scalar_subquery())
        .order_by(AwardRow.rank)
    ).all()


def held(work: Work, lot: LotRow) -> int:
    """What is committed for a lot: its ceiling, and from the award on the prices of those who won.

    Prices of a void decision stay committed until the lot is decided anew or void itself.
    """
    if lot.state == "void":
        return 0
    awards = decided(work, lot.lot_id)
    if lot.state == "awarded":
        return sum(award.price_fen for award in awards if award.state != "void")
    return sum(award.price_fen for award in awards) if awards else lot.ceiling_fen


def hold(work: Work, call: CallRow, lot: LotRow, fen: int, reason: str) -> None:
    """Commit or give back, so that a lot holds so much."""
    now = held(work, lot)
    if fen > now:
        funds.commit(work, call.budget_line_id, fen - now, "call", call.call_id, reason)
    else:
        give_back(work, call, now - fen, reason)


def give_back(work: Work, call: CallRow, fen: int, reason: str) -> None:
    """Make money free that was committed for a call."""
    assert call.budget_line_id is not None
    funds.release(work, call.budget_line_id, fen, "call", call.call_id, reason)


def void(work: Work, call: CallRow, lot: LotRow, reason: str) -> None:
    """A lot that nobody gets: what it held is free again. The last one takes its call with it (废标)."""
    hold(work, call, lot, 0, reason)
    lot.state, lot.void_reason = "void", reason
    work.session.flush()
    work.audit("lot.void", lot.lot_id)
    advance(work, call)


def advance(work: Work, call: CallRow) -> None:
    """Where a call stands by its lots and awards: awarded, signed, scored once more, or void."""
    lots = calls.lots(work, call.call_id)
    states = work.session.scalars(
        select(AwardRow.state).where(AwardRow.call_id == call.call_id, AwardRow.state != "void")
    ).all()
    if all(lot.state == "void" for lot in lots):
        if call.state == "awarded":
            call.state = "scored"
        calls.end(work, call, "void", lots[-1].void_reason or "")
        return
    before = call.state
    if states and all(state == "signed" for state in states) and not any(lot.state == "open" for lot in lots):
        call.state = "signed"
    elif states:
        call.state = "awarded"
    elif call.state == "awarded":
        call.state = "scored"
    work.session.flush()
    if call.state != before:
        work.audit(f"call.{call.state}", call.call_id)
        calls.tell(work, call)
