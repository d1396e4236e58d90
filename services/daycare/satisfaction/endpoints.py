"""Ratings, acceptance and the satisfaction series, always with its response rate (8.11, 8.19)."""

from datetime import date, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from sqlalchemy import func, select

from services.daycare.access import NAMES, OVERSIGHT, OWN, own_residents, require_desk, visible_visits
from services.daycare.residents.schemas import example
from services.daycare.satisfaction.tables import AcceptanceRow, RatingRow
from services.daycare.tasks.service import open_task
from services.daycare.visits import service as visits
from services.daycare.visits.tables import StaffingRow, VisitRow
from shared.clock import wall_day
from shared.contracts.codes import SERVED_OUTCOMES, Role, VisitStatus
from shared.contracts.visits import DeliveryAccepted
from shared.database.work import Work
from shared.security.caller import Caller
from shared.web.app import router
from shared.web.problems import Invalid, Refused
from shared.web.routing import Transaction
from shared.web.schemas import Answer, Body, Done, Text
from shared.web.signed_in import may

ROUTER = router("", "satisfaction")
Rater = Annotated[Caller, may(Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN, Role.SOCIAL_WORKER, *OWN)]
UNHAPPY = 1
Face = Literal[1, 2, 3]


class NewRating(Body):
    """One of three faces (1 unhappy, 2 fair, 3 happy) and maybe a sentence; by phone when the centre asked."""

    model_config = example(face=3, sentence="很细心", how="self")

    face: Face
    sentence: Text = ""
    how: Literal["self", "family", "phone", "paper"] = "self"


class NewAcceptance(Body):
    """Whether what was delivered is accepted: only that counts towards payment (8.19)."""

    model_config = example(accepted=True)

    accepted: bool


class Satisfaction(Answer):
    """Responses out of visits, by face and by how they were collected."""

    visits: int
    responses: int
    faces: dict[int, int]
    how: dict[str, int]


def _side(work: Work, caller: Caller, visit: VisitRow) -> str:
    """Who speaks: the resident, their family, or the desk for them."""
    own = set(visit.resident_ids) & own_residents(caller)
    if not own:
        require_desk(caller, visit)
        return "centre"
    return "resident" if caller.person_id in own else "family"


def _served(visit: VisitRow) -> None:
    if visit.status != VisitStatus.ENDED or visit.outcome not in SERVED_OUTCOMES:
        raise Refused("not_served", "服务完成以后才能评价。")


@ROUTER.post("/visits/{visit_id}/rating", status_code=201)
def rate(visit_id: UUID, body: NewRating, work: Transaction, caller: Rater) -> Done:
    """Rate a visit. An unhappy face refuses what was delivered and is a task for the centre; another one accepts it."""
    visit = visits.visit(work, caller, visit_id, lock=True)
    side = _side(work, caller, visit)
    _served(visit)
    if (side == "centre") != (body.how in {"phone", "paper"}):
        raise Invalid("how", "请说明评价是怎样收集的。", field="how")
    resident = next(iter(set(visit.resident_ids) & own_residents(caller)), visit.resident_ids[0])
    row = keep_rating(work, visit, resident, body.face, body.sentence, body.how)
    accept(work, visit, side, accepted=body.face > UNHAPPY)
    work.session.flush()
    return Done(id=visit_id, version=row.version)


def keep_rating(
    work: Work, visit: VisitRow, resident: UUID, face: Face, sentence: str, how: str
) -> RatingRow:
    """Write a visit's rating down, in place of an earlier one. An unhappy face is a task for the centre."""
    assert work.caller is not None
    row = work.session.get(RatingRow, visit.visit_id)
    sealed = work.vault.seal(work.session, resident, {"sentence": sentence}) if sentence else None
    if row is None:
        row = RatingRow(visit_id=visit.visit_id, resident_id=resident)
        work.session.add(row)
    row.resident_id, row.face, row.how, row.sealed = resident, face, how, sealed
    row.given_by, row.given_at = work.caller.person_id, work.now
    work.audit("visit.rate", visit.visit_id, resident, face=face)
    if face == UNHAPPY:
        open_task(work, visit, "complaint", text=sentence or None)
    return row


@ROUTER.post("/visits/{visit_id}/acceptance", status_code=201)
def accept_delivery(visit_id: UUID, body: NewAcceptance, work: Transaction, caller: Rater) -> Done:
    """Accept or refuse what was delivered (8.19)."""
    visit = visits.visit(work, caller, visit_id, lock=True)
    side = _side(work, caller, visit)
    _served(visit)
    row = accept(work, visit, side, accepted=body.accepted)
    work.session.flush()
    return Done(id=visit_id, version=row.version)


def accept(work: Work, visit: VisitRow, side: str, *, accepted: bool) -> AcceptanceRow:
    """Note whether what was delivered at a visit is accepted, and tell of it where that is new."""
    assert work.caller is not None
    row = work.session.get(AcceptanceRow, visit.visit_id)
    if row is not None and row.accepted == accepted:
        return row
    if row is None:
        row = AcceptanceRow(visit_id=visit.visit_id)
        work.session.add(row)
    row.accepted, row.by_role, row.by, row.at = accepted, side, work.caller.person_id, work.now
    work.emit(
        DeliveryAccepted(visit_id=visit.visit_id, accepted=accepted, by_role=side, accepted_at=work.now)
    )
    work.audit("visit.accept", visit.visit_id, visit.resident_ids[0], accepted=accepted)
    return row


@ROUTER.get("/satisfaction")
def satisfaction(
    work: Transaction,
    caller: Annotated[Caller, may(*NAMES, *OVERSIGHT)],
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    centre_id: UUID | None = None,
    community_id: UUID | None = None,
    town_id: UUID | None = None,
) -> Satisfaction:
    """Responses out of served visits of some days (the last 30 when none are named)."""
    last = last or wall_day(work.now)
    first = first or last - timedelta(days=30)
    if not 0 <= (last - first).days <= 800:
        raise Invalid("bad_span", "结束日期应在开始日期之后两年内。", field="to")
    where = [
        visible_visits(caller),
        VisitRow.day.between(first, last),
        VisitRow.status == VisitStatus.ENDED,
        VisitRow.outcome.in_(SERVED_OUTCOMES),
    ]
    for column, value in (
        (VisitRow.centre_id, centre_id),
        (VisitRow.community_id, community_id),
        (VisitRow.town_id, town_id),
    ):
        if value:
            where.append(column == value)
    served = select(VisitRow.visit_id).outerjoin(StaffingRow, StaffingRow.visit_id == VisitRow.visit_id)
    ids = served.where(*where).subquery()
    total = work.session.scalar(select(func.count()).select_from(ids)) or 0
    rows = work.session.execute(
        select(RatingRow.face, RatingRow.how, func.count())
        .join(ids, ids.c.visit_id == RatingRow.visit_id)
        .group_by(RatingRow.face, RatingRow.how)
    ).all()
    faces, how = dict.fromkeys((1, 2, 3), 0), dict.fromkeys(("self", "family", "phone", "paper"), 0)
    for face, way, count in rows:
        faces[face] += count
        how[way] += count
    return Satisfaction(visits=total, responses=sum(faces.values()), faces=faces, how=how)
