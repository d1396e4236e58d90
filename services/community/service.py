"""The city's grid, gazetteer and calendar: set down once, read by all, told to the other services."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from uuid import UUID

from sqlalchemy import Select, select

from services.community.schemas import Area
from services.community.tables import (
    BuildingRow,
    CalendarRow,
    CellRow,
    CommunityRow,
    TownRow,
    UnpublishedYearRow,
)
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.contracts.carers import Place
from shared.database.work import Work
from shared.web.problems import Invalid, NotFound

LONGEST_CALENDAR_DAYS = 1_100


def set_areas(
    work: Work, towns: Sequence[TownRow], communities: Sequence[CommunityRow], cells: Sequence[CellRow]
) -> None:
    """Set down the grid and tell of every area in it."""
    for rows in (towns, communities, cells):
        work.session.add_all(rows)
        work.session.flush()
    tell_towns(work, towns)
    tell_communities(work, communities)
    tell_cells(work, cells)


def tell_towns(work: Work, towns: Sequence[TownRow]) -> None:
    for town in towns:
        work.emit(_told(town.town_id, town, "town", None))


def tell_communities(work: Work, communities: Sequence[CommunityRow]) -> None:
    for community in communities:
        work.emit(_told(community.community_id, community, "community", community.town_id))


def tell_cells(work: Work, cells: Sequence[CellRow]) -> None:
    for cell in cells:
        work.emit(_told(cell.cell_id, cell, "cell", cell.community_id))


def set_buildings(work: Work, buildings: Sequence[BuildingRow]) -> None:
    """Set down the gazetteer."""
    work.session.add_all(buildings)


def set_calendar(work: Work, days: Sequence[CalendarRow], unpublished: Iterable[int]) -> None:
    """Set down holidays and make-up workdays, and tell of them."""
    work.session.add_all(days)
    work.session.add_all(UnpublishedYearRow(year=year) for year in unpublished)
    work.session.flush()
    tell_days(work, days)


def tell_days(work: Work, days: Sequence[CalendarRow]) -> None:
    for row in days:
        work.emit(CalendarDay(day=row.day, day_version=row.version, workday=row.workday, name=row.name))


def buildings(q: str | None, community_id: UUID | None, cell_id: UUID | None) -> Select[BuildingRow, UUID]:
    """The gazetteer's entries whose address holds every word of `q`, with their town."""
    query = (
        select(BuildingRow, CommunityRow.town_id)
        .join(CommunityRow, CommunityRow.community_id == BuildingRow.community_id)
        .order_by(BuildingRow.address, BuildingRow.building_id)
    )
    if community_id:
        query = query.where(BuildingRow.community_id == community_id)
    if cell_id:
        query = query.where(BuildingRow.cell_id == cell_id)
    for word in unicodedata.normalize("NFKC", q or "").split():
        query = query.where(BuildingRow.address.icontains(word, autoescape=True))
    return query


def calendar(work: Work, first: date, last: date) -> tuple[list[CalendarRow], list[int]]:
    """The special days in [first, last], and the years in it that are not published."""
    if last < first:
        raise Invalid("window", "结束日期不能早于开始日期。", field="to")
    if (last - first).days > LONGEST_CALENDAR_DAYS:
        raise Invalid("too_long", "一次最多查看三年。", field="to")
    days = work.session.scalars(
        select(CalendarRow).where(CalendarRow.day.between(first, last)).order_by(CalendarRow.day)
    )
    years = work.session.scalars(
        select(UnpublishedYearRow.year)
        .where(UnpublishedYearRow.year.between(first.year, last.year))
        .order_by(UnpublishedYearRow.year)
    )
    return list(days), list(years)


def area(work: Work, area_id: UUID) -> Area:
    """A town, community or cell by id. 404 when there is none."""
    town = work.session.get(TownRow, area_id)
    if town is not None:
        return Area(
            area_id=area_id,
            version=town.version,
            level="town",
            parent_id=None,
            name=town.name,
            town_id=area_id,
            community_id=None,
            cell_id=None,
            lon=town.lon,
            lat=town.lat,
            outline=None,
        )
    cell = work.session.get(CellRow, area_id)
    community = work.session.get(CommunityRow, cell.community_id if cell else area_id)
    if community is None:
        raise NotFound("area_unknown", "没有这个地区。", field="area_id")
    here = cell or community
    return Area(
        area_id=area_id,
        version=here.version,
        level="cell" if cell else "community",
        parent_id=community.community_id if cell else community.town_id,
        name=here.name,
        town_id=community.town_id,
        community_id=community.community_id,
        cell_id=cell.cell_id if cell else None,
        lon=here.lon,
        lat=here.lat,
        outline=here.outline,
    )


def _told(
    area_id: UUID, row: TownRow | CommunityRow | CellRow, level: str, parent_id: UUID | None
) -> AreaChanged:
    return AreaChanged.model_validate(
        {
            "area_id": area_id,
            "area_version": row.version,
            "level": level,
            "parent_id": parent_id,
            "name": row.name,
            "centre": Place(lon=round(row.lon, 3), lat=round(row.lat, 3)),
        }
    )


def cells_at(work: Work, lon: float, lat: float) -> list[tuple[CellRow, UUID]]:
    """Grid cells whose outline holds a point, with their town."""
    rows = work.session.execute(
        select(CellRow, CommunityRow.town_id)
        .join(CommunityRow, CommunityRow.community_id == CellRow.community_id)
        .order_by(CellRow.cell_id)
    )
    return [(row, town_id) for row, town_id in rows if holds(row.outline, lon, lat)][:1]


def holds(outline: Sequence[Sequence[float]], lon: float, lat: float) -> bool:
    """Whether a closed ring of [lon, lat] holds a point: a ray to the east crosses it an odd number of times."""
    odd = False
    for (x1, y1), (x2, y2) in pairwise(outline):
        if (y1 > lat) != (y2 > lat) and lon < x1 + (lat - y1) * (x2 - x1) / (y2 - y1):
            odd = not odd
    return odd
