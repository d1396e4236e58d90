"""A call goes public: the hearing of the public, then the publication that freezes it and commits its ceiling."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Integer, and_, cast, func, or_, select, text

from services.projects.bids import opening
from services.projects.bids.tables import OpenerKeyRow
from services.projects.calls import notices, rules
from services.projects.calls.methods import NUMBERED, Method
from services.projects.calls.schemas import Publish
from services.projects.calls.service import DRAFTED, ENDED, criteria, lines, lots, tell, terms_of
from services.projects.calls.tables import CallRow, LotLineRow, LotRow, OpinionRow
from services.projects.funds import service as funds
from services.projects.funds.rules import yuan
from services.projects.funds.tables import BudgetLineRow, FundRow
from shared.clock import wall_day
from shared.database.work import Work
from shared.rules import rule_source, rule_value
from shared.web.problems import Refused, Several
from shared.web.routing import expect

NOT_YET = "还有 {count} 处要补充或更正，补齐后再继续。"


def consult(work: Work, row: CallRow, until: date | None) -> None:
    """Show what is to be bought and hear the public (102 号令第十五条)."""
    expect(work, row.version)
    if row.state != "draft":
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    if row.method == Method.SINGLE_SOURCE:
        raise Refused("no_consultation", "单一来源采购不征求意见，直接公示。", field="method")
    today = wall_day(work.now)
    days = terms_of(work, row).consult_days
    last = until or today + timedelta(days=days)
    faults = [*_basis(work, row)]
    if (last - today).days < days:
        faults.append(
            Refused(
                "consulted_too_short",
                "征求意见不得少于 {days} 天（{clause}）。",
                field="until",
                days=days,
                clause=rule_source("purchase_consult_days", today),
            )
        )
    if faults:
        raise Several("call_not_ready", NOT_YET, faults)
    row.state, row.consulted_from, row.consulted_until = "consulting", work.now, last
    work.session.flush()
    work.audit("call.consult", row.call_id)
    notices.at_once(work, "consultation", row.call_id, row.call_id, {"title": row.title, "until": str(last)})
    tell(work, row)


def publish(work: Work, row: CallRow, body: Publish) -> None:
    """Publish a call: checked in full, numbered, its key split among the openers, its ceiling committed."""
    expect(work, row.version)
    if row.state not in DRAFTED:
        raise Refused("wrong_state", "这次采购不在这一步，不能这样做；请刷新后再看。")
    # one publication at a time: numbers have no gap, and of two halves of a split purchase the second is refused
    work.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('calls.publish', 0))"))
    faults = [*missing(work, row), *_when_and_who(work, row, body)]
    if faults:
        raise Several("call_not_ready", NOT_YET, faults)
    row.number = _number(work, Method(row.method), wall_day(work.now).year)
    row.published_at, row.deadline_at = work.now, body.deadline_at
    row.questions_until = body.questions_until or rules.questions_end(
        terms_of(work, row), work.now, body.deadline_at
    )
    opening.prepare(work, row, body.opener_ids)
    funds.commit(work, row.budget_line_id, row.ceiling_fen, "call", row.call_id, row.number)
    row.state = "published"
    work.session.flush()
    work.audit("call.publish", row.call_id)
    notices.at_once(work, "call", row.call_id, row.call_id, told(work, row))
    tell(work, row)


def missing(work: Work, row: CallRow) -> list[Refused]:
    """What a draft still lacks before it may be published, whoever opens and whenever it is due."""
    today = wall_day(work.now)
    asked = terms_of(work, row)
    packs = lots(work, row.call_id)
    bought = lines(work, [lot.lot_id for lot in packs])
    return [
        *_basis(work, row),
        *rules.method(row, asked),
        *rules.bonds(row, today),
        *rules.criteria(row, criteria(work, row.call_id), asked, today),
        *rules.lots(row, packs, bought, today),
        *_consulted(work, row, today),
        *rules.split(row, _alike(work, row, [line for each in bought.values() for line in each]), today),
    ]


def told(work: Work, row: CallRow) -> dict[str, Any]:
    """What the notice of a call says: by what bids are measured, fen-exact, as it stands from now on."""
    packs = lots(work, row.call_id)
    bought = lines(work, [lot.lot_id for lot in packs])
    return {
        "number": row.number,
        "title": row.title,
        "method": row.method,
        "ceiling_fen": row.ceiling_fen,
        "deadline_at": _iso(row.deadline_at),
        "questions_until": _iso(row.questions_until),
        "terms": asdict(terms_of(work, row)),
        "lots": [
            {
                "number": lot.number,
                "name": lot.name,
                "ceiling_fen": lot.ceiling_fen,
                "winners": lot.winners,
                "valid_from": str(lot.valid_from),
                "valid_to": str(lot.valid_to),
                "lines": [
                    {
                        "name": line.name,
                        "unit": line.unit,
                        "units": line.units,
                        "unit_ceiling_fen": line.unit_ceiling_fen,
                    }
                    for line in bought.get(lot.lot_id, ())
                ],
            }
            for lot in packs
        ],
        "criteria": [
            {"name": c.name, "kind": c.kind, "weight": c.weight, "guide": c.guide}
            for c in criteria(work, row.call_id)
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _basis(work: Work, row: CallRow) -> list[Refused]:
    """8.20 with what only the database knows: the line's purpose and what is free on it."""
    packs = lots(work, row.call_id)
    bought = lines(work, [lot.lot_id for lot in packs])
    names = [lot.name for lot in packs] + [line.name for each in bought.values() for line in each]
    faults = [*rules.basis(row, names, wall_day(work.now))]
    if row.budget_line_id is None:
        return faults
    line = work.session.get(BudgetLineRow, row.budget_line_id)
    if line is None:
        return [*faults, Refused("budget_line_unknown", "没有这个预算项目。", field="budget_line_id")]
    fund = work.session.get_one(FundRow, line.fund_id)
    if fund.closed_on is not None:
        faults.append(
            Refused("fund_closed", "这项资金已经关闭（2016 实施意见三.2）。", field="budget_line_id")
        )
    venture = row.method == Method.VENTURE
    if line.approval is None and line.purpose != ("venture" if venture else "purchase"):
        message = (
            "这个预算项目不是用于公益创投的，另作他用要有批准（2016 实施意见三.2）。"
            if venture
            else "这个预算项目不是用于购买服务的，另作他用要有批准（2016 实施意见三.2）。"
        )
        faults.append(Refused("purpose_differs", message, field="budget_line_id"))
    if line.free_fen < row.ceiling_fen:
        faults.append(
            Refused(
                "budget_short",
                "预算项目可用 {free} 元，少于最高限价 {ceiling} 元（政府采购法第六条）。",
                field="budget_line_id",
                free=yuan(line.free_fen),
                ceiling=yuan(row.ceiling_fen),
            )
        )
    return faults


def _consulted(work: Work, row: CallRow, today: date) -> list[Refused]:
    if row.method == Method.SINGLE_SOURCE:
        return []
    clause = rule_source("purchase_consult_days", today)
    if row.consulted_until is None:
        return [
            Refused(
                "not_consulted", "还没有征求公众意见（{clause}）。", field="consulted_until", clause=clause
            )
        ]
    if row.consulted_until >= today:
        return [
            Refused(
                "still_consulting",
                "征求意见到 {until} 为止，之后才能发布（{clause}）。",
                field="consulted_until",
                until=row.consulted_until,
                clause=clause,
            )
        ]
    open_ = work.session.scalar(
        select(func.count()).where(OpinionRow.call_id == row.call_id, OpinionRow.answer.is_(None))
    )
    if open_:
        return [
            Refused(
                "opinions_unanswered",
                "还有 {count} 条公众意见没有答复（{clause}）。",
                field="opinions",
                count=open_,
                clause=clause,
            )
        ]
    return []


def _alike(work: Work, row: CallRow, bought: Sequence[LotLineRow]) -> Sequence[CallRow]:
    """Calls of the last year, published and not ended, that buy the same service for one of the same communities."""
    if not bought:
        return []
    since = work.now - timedelta(days=int(rule_value("purchase_split_days", wall_day(work.now))))
    alike = [
        and_(LotLineRow.kinds.overlap(line.kinds), LotLineRow.community_ids.overlap(line.community_ids))
        for line in bought
    ]
    of = (
        select(LotRow.call_id)
        .join(LotLineRow, LotLineRow.lot_id == LotRow.lot_id)
        .where(LotRow.call_id != row.call_id, or_(*alike))
    )
    return work.session.scalars(
        select(CallRow).where(
            CallRow.call_id.in_(of),
            CallRow.published_at > since,
            CallRow.state.not_in(ENDED),
            CallRow.method.in_(rules.UNTENDERED),
        )
    ).all()


def _when_and_who(work: Work, row: CallRow, body: Publish) -> list[Refused]:
    faults = [
        *rules.times(
            row,
            lots(work, row.call_id),
            terms_of(work, row),
            work.now,
            body.deadline_at,
            body.questions_until,
        )
    ]
    openers = set(body.opener_ids)
    least = int(rule_value("openers_least", wall_day(work.now)))
    if len(openers) < least:
        faults.append(
            Refused(
                "too_few_openers",
                "开标人至少要有 {least} 位：价格要两个人一起才能打开（平台约定 8.21）。",
                field="opener_ids",
                least=least,
            )
        )
    ready = work.session.scalar(
        select(func.count()).select_from(OpenerKeyRow).where(OpenerKeyRow.person_id.in_(openers))
    )
    if ready != len(openers):
        faults.append(
            Refused(
                "opener_without_key",
                "有 {count} 位开标人还没有生成开标码（平台约定 8.21）。",
                field="opener_ids",
                count=len(openers) - int(ready or 0),
            )
        )
    return faults


def _number(work: Work, method: Method, year: int) -> str:
    """The next number of the method's row in the year."""
    prefix = f"{NUMBERED[method]}-{year}-"
    serial = cast(func.substr(CallRow.number, len(prefix) + 1), Integer)
    last = work.session.scalar(select(func.max(serial)).where(CallRow.number.startswith(prefix)))
    return f"{prefix}{(last or 0) + 1:04d}"
