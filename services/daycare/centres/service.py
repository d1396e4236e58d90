"""Centres, areas and the calendar: read by every other feature."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from sqlalchemy import select

from services.daycare.centres.schemas import NewCentre
from services.daycare.centres.tables import AreaRow, CalendarRow, CentreRow
from shared.database.base import among
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Invalid, NotFound


def open_centre(work: Work, new: NewCentre) -> CentreRow:
    """Register a centre. One that is there already under the same id is left as it is."""
    known = work.session.get(CentreRow, new.centre_id) if new.centre_id else None
    if known is not None:
        return known
    row = CentreRow(
        **new.model_dump(exclude={"centre_id"}), centre_id=new.centre_id or new_id(), created_at=work.now
    )
    work.session.add(row)
    work.session.flush()
    work.audit("centre.open", row.centre_id)
    return row


def centre(work: Work, centre_id: UUID) -> CentreRow:
    """The centre. 404 when there is none."""
    row = work.session.get(CentreRow, centre_id)
    if row is None:
        raise NotFound("centre_unknown", "没有这个日间照料中心。", field="centre_id")
    return row


def centres(work: Work, centre_ids: Iterable[UUID]) -> dict[UUID, CentreRow]:
    """Centres by id."""
    rows = work.session.scalars(select(CentreRow).where(among(CentreRow.centre_id, centre_ids)))
    return {row.centre_id: row for row in rows}


def town_of(work: Work, community_id: UUID) -> UUID:
    """The town of a community. 422 when the community is not (yet) known here."""
    row = work.session.get(AreaRow, community_id)
    if row is None or row.level != "community" or row.parent_id is None:
        raise Invalid("community_unknown", "没有这个社区，请从列表中选择。", field="community_id")
    return row.parent_id


def check_cell(work: Work, cell_id: UUID | None, community_id: UUID) -> None:
    """Refuse a cell of another community."""
    if cell_id is None:
        return
    row = work.session.get(AreaRow, cell_id)
    if row is None or row.level != "cell" or row.parent_id != community_id:
        raise Invalid("cell_unknown", "这个网格不属于所选社区，请重新选择。", field="cell_id")


def calendar(work: Work, first: date, last: date) -> dict[date, bool]:
    """Days in [first, last] that differ from their weekday, and whether they are worked."""
    rows = work.session.execute(
        select(CalendarRow.day, CalendarRow.workday).where(CalendarRow.day.between(first, last))
    )
    return {row.day: row.workday for row in rows}
