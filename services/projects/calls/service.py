"""Calls: drafted, changed, looked up, ended and begun anew. Going public is in publishing.py."""

from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm.attributes import flag_modified

from services.projects.calls import notices
from services.projects.calls.methods import Method, Terms, terms
from services.projects.calls.schemas import Draft, DraftLine, DraftLot
from services.projects.calls.tables import CallRow, CriterionRow, LotLineRow, LotRow, NoticeRow
from services.projects.funds import service as funds
from services.projects.funds.tables import BudgetEntryRow
from shared.clock import wall_day
from shared.contracts.calls import CallChanged
from shared.contracts.codes import ServiceKind
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import NotFound, Refused
from shared.web.routing import expect

DRAFTED = ("draft", "consulting")
ENDED = ("void", "terminated")
ENDS = {"void": ("published", "opened", "scored"), "terminated": (*DRAFTED, "published", "opened", "scored")}


def call(work: Work, call_id: UUID, *, lock: bool = False) -> CallRow:
    """The call. 404 when there is none."""
    row = work.session.get(CallRow, call_id, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise NotFound("call_unknown", "没有这次采购。")
    return row


def lots(work: Work, call_id: UUID) -> Sequence[LotRow]:
    """A call's lots by number."""
    return work.session.scalars(select(LotRow).where(LotRow.call_id == call_id).order_by(LotRow.number)).all()


def lines(work: Work, lot_ids: Iterable[UUID]) -> dict[UUID, list[LotLineRow]]:
    """What lots buy, by lot, in their order."""
    found: dict[UUID, list[LotLineRow]] = {}
    for row in work.session.scalars(
        select(LotLineRow).where(LotLineRow.lot_id.in_(list(lot_ids))).order_by(LotLineRow.position)
    ):
        found.setdefault(row.lot_id, []).append(row)
    return found


def criteria(work: Work, call_id: UUID) -> Sequence[CriterionRow]:
    """By what a call's bids are scored, in their order."""
    return work.session.scalars(
        select(CriterionRow).where(CriterionRow.call_id == call_id).order_by(CriterionRow.position)
    ).all()


def terms_of(work: Work, row: CallRow) -> Terms:
    """The rules of the call's method: of the day it was published, of today before."""
    return terms(Method(row.method), wall_day(row.published_at or work.now))


def draft(
    work: Work, body: Draft, *, call_id: UUID | None = None, predecessor_id: UUID | None = None
) -> CallRow:
    """Begin a call. What is missing may come later. One that is there already under the same id is left as it is."""
    known = work.session.get(CallRow, call_id) if call_id else None
    if known is not None:
        return known
    row = CallRow(
        call_id=call_id or new_id(),
        number=None,
        state="draft",
        consulted_from=None,
        consulted_until=None,
        published_at=None,
        questions_until=None,
        deadline_at=None,
        public_key=None,
        opened_at=None,
        ended_at=None,
        ended_reason=None,
        predecessor_id=predecessor_id,
        made_by=work.caller.person_id if work.caller else None,
        made_at=work.now,
        **_plain(body),
    )
    work.session.add(row)
    work.session.flush()
    _add_parts(work, row, body)
    work.audit("call.draft", row.call_id)
    return row


def change(work: Work, row: CallRow, body: Draft) -> None:
    """Replace a draft (If-Match): until it is published all of it may change (8.21)."""
    expect(work, row.version)
    if row.state not in DRAFTED:
        raise Refused("call_frozen", "公告发布后，采购内容、评审因素和限价不能再改（平台约定 8.21）。")
    if row.state == "consulting" and body.method == Method.SINGLE_SOURCE:
        raise Refused(
            "method_while_consulting", "正在征求意见，不能改为单一来源；请终止后重新立项。", field="method"
        )
    for name, value in _plain(body).items():
        setattr(row, name, value)
    flag_modified(row, "title")  # a change of lots alone is a new version of the call too
    old = select(LotRow.lot_id).where(LotRow.call_id == row.call_id)
    work.session.execute(delete(LotLineRow).where(LotLineRow.lot_id.in_(old)))
    work.session.execute(delete(LotRow).where(LotRow.call_id == row.call_id))
    work.session.execute(delete(CriterionRow).where(CriterionRow.call_id == row.call_id))
    _add_parts(work, row, body)
    work.audit("call.change", row.call_id)
    tell_calls(work, [row])


def _plain(body: Draft) -> dict[str, object]:
    said = body.model_dump(exclude={"lots", "criteria"})
    for name in ("beneficiaries", "allowed_kinds", "papers", "invited"):
        said[name] = sorted(set(said[name]))
    return {**said, "method": body.method.value}


def _add_parts(work: Work, row: CallRow, body: Draft) -> None:
    for i, lot in enumerate(body.lots):
        made = LotRow(
            lot_id=new_id(),
            call_id=row.call_id,
            number=i + 1,
            state="open",
            void_reason=None,
            **lot.model_dump(exclude={"lines"}),
        )
        work.session.add(made)
        work.session.flush()
        work.session.add_all(
            LotLineRow(
                lot_line_id=new_id(),
                lot_id=made.lot_id,
                position=position,
                **{
                    **line.model_dump(),
                    "unit": line.unit.value,
                    "kinds": sorted({kind.value for kind in line.kinds}),
                    "community_ids": sorted(set(line.community_ids)),
                },
            )
            for position, line in enumerate(lot.lines)
        )
    work.session.add_all(
        CriterionRow(criterion_id=new_id(), call_id=row.call_id, position=i, **criterion.model_dump())
        for i, criterion in enumerate(body.criteria)
    )
    work.session.flush()


def end(work: Work, row: CallRow, state: str, reason: str) -> None:
    """A call that comes to nothing (废标 or 终止): all is kept, what it still held of its budget line is free again."""
    if row.state not in ENDS[state]:
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    if state == "void" and row.deadline_at is not None and work.now < row.deadline_at:
        raise Refused(
            "not_yet_due", "截止之前不能废标；不再需要的可以终止（政府采购法第三十六条）。", field="reason"
        )
    held = work.session.scalar(
        select(func.coalesce(func.sum(BudgetEntryRow.committed_fen), 0)).where(
            BudgetEntryRow.about == "call", BudgetEntryRow.about_id == row.call_id
        )
    )
    if held and row.budget_line_id is not None:
        funds.release(work, row.budget_line_id, int(held), "call", row.call_id, reason)
    row.state, row.ended_at, row.ended_reason = state, work.now, reason
    for lot in lots(work, row.call_id):
        if row.published_at is not None and lot.state == "open":
            lot.state, lot.void_reason = "void", reason
    work.session.flush()
    work.audit(f"call.{state}", row.call_id)
    if is_public(row):
        notices.at_once(
            work,
            "ended",
            row.call_id,
            row.call_id,
            {"number": row.number, "title": row.title, "state": state, "reason": reason},
        )
        tell(work, row)


def archive(work: Work, row: CallRow) -> None:
    """Put a closed call away (归档): all that it owed the public is public, and nothing of it changes any more (a trigger)."""
    if row.state != "closed":
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    unpublished = work.session.scalar(
        select(func.count())
        .select_from(NoticeRow)
        .where(NoticeRow.call_id == row.call_id, NoticeRow.published_at.is_(None))
    )
    if unpublished:
        raise Refused(
            "notices_unpublished",
            "还有 {count} 份公告没有公开，都公开以后才能归档（政府采购法第十一条）。",
            count=unpublished,
        )
    row.state = "archived"
    work.session.flush()
    work.audit("call.archive", row.call_id)
    tell(work, row)


def succeed(work: Work, row: CallRow) -> CallRow:
    """A new draft (重新采购) of a call that ended, or of those of its lots that are void."""
    again = [lot for lot in lots(work, row.call_id) if row.state in ENDED or lot.state == "void"]
    if row.state not in ENDED and not again:
        raise Refused("nothing_to_repeat", "只有废标或终止的采购才能重新采购。")
    if successor(work, row.call_id) is not None:
        raise Refused("successor_there", "这次采购已经重新立项。")
    bought = lines(work, [lot.lot_id for lot in again])
    said = {name: getattr(row, name) for name in Draft.model_fields if name not in {"lots", "criteria"}}
    said["ceiling_fen"] = sum(lot.ceiling_fen for lot in again) or row.ceiling_fen
    body = Draft.model_validate(
        {
            **said,
            "lots": [_again(lot, bought.get(lot.lot_id, [])) for lot in again],
            "criteria": [
                {"name": c.name, "kind": c.kind, "weight": c.weight, "guide": c.guide}
                for c in criteria(work, row.call_id)
            ],
        }
    )
    return draft(work, body, predecessor_id=row.call_id)


def _again(lot: LotRow, bought: Sequence[LotLineRow]) -> DraftLot:
    said = [
        DraftLine.model_validate({name: getattr(line, name) for name in DraftLine.model_fields})
        for line in bought
    ]
    plain = {name: getattr(lot, name) for name in DraftLot.model_fields if name != "lines"}
    return DraftLot.model_validate({**plain, "lines": said})


def successor(work: Work, call_id: UUID) -> UUID | None:
    """The call that began anew what this one did not bring about; one that was given up does not count."""
    return work.session.scalars(
        select(CallRow.call_id)
        .where(
            CallRow.predecessor_id == call_id,
            ~((CallRow.state == "terminated") & CallRow.published_at.is_(None)),
        )
        .limit(1)
    ).first()


def stage(row: CallRow, now_day: date, past_deadline: bool) -> str:
    """The state as people read it: what only the clock brings about is told too."""
    if row.state == "consulting" and row.consulted_until is not None and row.consulted_until < now_day:
        return "consulted"
    if row.state == "published" and past_deadline:
        return "deadline_over"
    return row.state


def is_public(row: CallRow) -> bool:
    """Whether a call was ever shown to the public: its drafts were not."""
    return row.consulted_from is not None or row.published_at is not None


def tell_calls(work: Work, rows: Sequence[CallRow]) -> None:
    """Emit those of the calls that are public."""
    for row in rows:
        if is_public(row):
            tell(work, row)


def tell(work: Work, row: CallRow) -> None:
    """Emit what is public of a call as it stands now."""
    work.session.flush()
    bought = [
        line
        for each in lines(work, [lot.lot_id for lot in lots(work, row.call_id)]).values()
        for line in each
    ]
    work.emit(
        CallChanged(
            call_id=row.call_id,
            call_version=row.version,
            number=row.number,
            title=row.title,
            method=row.method,
            state=row.state,
            theme=row.theme,
            beneficiaries=tuple(row.beneficiaries),
            town_id=row.town_id,
            kinds=frozenset(ServiceKind(kind) for line in bought for kind in line.kinds),
            community_ids=frozenset(c for line in bought for c in line.community_ids),
            ceiling_fen=row.ceiling_fen,
            consulted_until=row.consulted_until,
            published_at=row.published_at,
            deadline_at=row.deadline_at,
            opened_at=row.opened_at,
            ended_at=row.ended_at,
            predecessor_id=row.predecessor_id,
        )
    )
