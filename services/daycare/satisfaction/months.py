"""A month accepted at once: all that an organisation's staff did for a resident, or from a centre, and nobody spoke of yet."""

from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Literal
from uuid import UUID

from dateutil.relativedelta import relativedelta
from pydantic import field_validator, model_validator
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import aliased

from services.daycare.access import DESK, OWN, own_residents
from services.daycare.attendance.tables import AttendanceRow
from services.daycare.residents.schemas import example
from services.daycare.satisfaction.endpoints import UNHAPPY, Face, accept, keep_rating
from services.daycare.satisfaction.tables import AcceptanceRow
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import lock_visits
from shared.clock import wall_day
from shared.contracts.codes import SERVED_OUTCOMES, Capacity, Role, VisitStatus
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.app import router
from shared.web.problems import Forbidden, Invalid, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Answer, Body, Page, Text
from shared.web.signed_in import may

ROUTER = router("/months", "satisfaction")
Speaker = Annotated[Caller, may(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER, *OWN)]
CAME = ("in", "out", "confirmed", "disputed")


class Month(Answer):
    """An organisation's paid visits in a month: accepted, refused, and those of which nobody has spoken yet.

    `shared`: unspoken ones to which another organisation's staff came too; they are not the month's, each is spoken of by itself.
    """

    month: date
    organisation_id: UUID
    accepted: int
    refused: int
    waiting: int
    shared: int


class MonthSaid(Body):
    """One of three faces and maybe a sentence about an organisation's month: for one resident, a centre's, or a community's
    own. An unhappy face refuses what waits, another one accepts it; the rating counts once, with the month's last visit.
    """

    model_config = example(
        month="2026-11-01",
        organisation_id="0a7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        centre_id="0a7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        face=3,
        sentence="按时上门",
        how="phone",
    )

    month: date
    organisation_id: UUID
    resident_id: UUID | None = None
    centre_id: UUID | None = None
    community_id: UUID | None = None
    face: Face
    sentence: Text = ""
    how: Literal["self", "family", "phone", "paper"]

    @field_validator("month")
    @classmethod
    def first_day(cls, value: date) -> date:
        if value.day != 1:
            raise ValueError("请填写月份的第一天。")
        return value

    @model_validator(mode="after")
    def of_one(self) -> "MonthSaid":
        if sum(each is not None for each in (self.resident_id, self.centre_id, self.community_id)) != 1:
            raise ValueError("老人、照料中心、社区请选一个。")
        return self


class MonthDone(Answer):
    """How many visits were accepted, or refused."""

    visits: int


def _whose(
    caller: Caller, resident_id: UUID | None, centre_id: UUID | None, community_id: UUID | None
) -> tuple[str, ColumnElement[bool]]:
    """Who speaks, and of which visits they may."""
    if resident_id is not None and resident_id in own_residents(caller):
        side = "resident" if caller.person_id == resident_id else "family"
        return side, VisitRow.resident_ids.contains([resident_id])
    if centre_id is not None and caller.reaches(Reach(centre_id=centre_id), Role.CENTRE_STAFF):
        return "centre", VisitRow.centre_id == centre_id
    if community_id is not None and caller.reaches(Reach(community_id=community_id), *DESK):
        own = (VisitRow.community_id == community_id) & VisitRow.centre_id.is_(None)
        return "centre", own
    raise Forbidden("out_of_reach", "这不在您负责的范围内。")


def _served(month: date, whose: ColumnElement[bool]) -> list[ColumnElement[bool]]:
    return [
        whose,
        VisitRow.day.between(month, month + relativedelta(months=1) - timedelta(days=1)),
        VisitRow.status == VisitStatus.ENDED,
        VisitRow.outcome.in_(SERVED_OUTCOMES),
        AttendanceRow.capacity == Capacity.EMPLOYED,
        AttendanceRow.organisation_id.is_not(None),
        AttendanceRow.line_id.is_not(None),
        AttendanceRow.state.in_(CAME),
    ]


def _shared() -> ColumnElement[bool]:
    """Whether another organisation was paid to come along: a word on one's month accepts nothing of the other's (8.19)."""
    other = aliased(AttendanceRow)
    return (
        select(other.attendance_id)
        .where(
            other.visit_id == VisitRow.visit_id,
            other.organisation_id != AttendanceRow.organisation_id,
            other.line_id.is_not(None),
            other.state.in_(CAME),
        )
        .exists()
    )


@ROUTER.get("")
def list_months(
    work: Transaction,
    caller: Speaker,
    month: date,
    resident_id: UUID | None = None,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
) -> Page[Month]:
    """What organisations' staff did in a month, for one resident, from a centre, or in a community without one."""
    _, whose = _whose(caller, resident_id, centre_id, community_id)
    first = month.replace(day=1)
    visits = (
        select(
            AttendanceRow.organisation_id,
            VisitRow.visit_id,
            AcceptanceRow.accepted,
            _shared().label("shared"),
        )
        .join(AttendanceRow, AttendanceRow.visit_id == VisitRow.visit_id)
        .outerjoin(AcceptanceRow, AcceptanceRow.visit_id == VisitRow.visit_id)
        .where(*_served(first, whose))
        .distinct()
        .subquery()
    )
    of = visits.c.organisation_id, visits.c.accepted, visits.c.shared
    counts: dict[UUID, Counter[str]] = {}
    for organisation_id, accepted, shared, count in work.session.execute(
        select(*of, func.count()).group_by(*of)
    ):
        waits = "shared" if shared else "waiting"
        stands = waits if accepted is None else "accepted" if accepted else "refused"
        counts.setdefault(organisation_id, Counter())[stands] += count
    return Page(
        items=[
            Month(
                month=first,
                organisation_id=organisation_id,
                accepted=by["accepted"],
                refused=by["refused"],
                waiting=by["waiting"],
                shared=by["shared"],
            )
            for organisation_id, by in sorted(counts.items())
        ]
    )


@ROUTER.post("", status_code=201)
def accept_month(body: MonthSaid, work: Transaction, caller: Speaker) -> MonthDone:
    """Accept, or refuse, an organisation's month at once: all its paid visits of which nobody has spoken yet (8.19)."""
    side, whose = _whose(caller, body.resident_id, body.centre_id, body.community_id)
    if (side == "centre") != (body.how in {"phone", "paper"}):
        raise Invalid("how", "请说明评价是怎样收集的。", field="how")
    if body.month > wall_day(work.now):
        raise Invalid("month_ahead", "还没有到这个月。", field="month")
    waiting = _waiting(work, body, whose)
    if not waiting:
        raise Refused("nothing_waiting", "这个月没有等着验收的服务，可能已经有人验收了；请刷新后再看。")
    last = max(waiting, key=lambda visit: (visit.latest_start, visit.visit_id))
    resident = body.resident_id or last.resident_ids[0]
    keep_rating(work, last, resident, body.face, body.sentence, body.how)
    for visit in waiting:
        accept(work, visit, side, accepted=body.face > UNHAPPY)
    work.session.flush()
    return MonthDone(visits=len(waiting))


def _waiting(work: Work, body: MonthSaid, whose: ColumnElement[bool]) -> list[VisitRow]:
    """The visits that wait for a word, locked; those that somebody speaks of meanwhile are left out."""
    ids = (
        select(VisitRow.visit_id)
        .distinct()
        .join(AttendanceRow, AttendanceRow.visit_id == VisitRow.visit_id)
        .where(*_served(body.month, whose), AttendanceRow.organisation_id == body.organisation_id, ~_shared())
        .where(~select(AcceptanceRow.visit_id).where(AcceptanceRow.visit_id == VisitRow.visit_id).exists())
    )
    locked = lock_visits(work, list(work.session.scalars(ids)))
    spoken = set(
        work.session.scalars(
            select(AcceptanceRow.visit_id).where(
                AcceptanceRow.visit_id.in_([visit.visit_id for visit in locked])
            )
        )
    )
    return [visit for visit in locked if visit.visit_id not in spoken]
