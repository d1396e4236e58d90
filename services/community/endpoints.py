"""The grid, the gazetteer and the calendar over HTTP: reads only."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select, tuple_

from services.community import service
from services.community.schemas import Area, Building, Calendar, Cell, Community, SpecialDay, Town
from services.community.tables import BuildingRow, CellRow, CommunityRow, TownRow
from shared.web.app import router
from shared.web.problems import Invalid
from shared.web.routing import Transaction
from shared.web.schemas import Cursor, Limit, Page, cursor_keys, encode_cursor
from shared.web.signed_in import SignedIn

ROUTER = router("", "community")
Words = Annotated[str | None, Query(max_length=60, description="words of an address, all of which it holds")]


@ROUTER.get("/towns")
def list_towns(work: Transaction, caller: SignedIn, cursor: Cursor = None, limit: Limit = 100) -> Page[Town]:
    """Towns by id."""
    query = select(TownRow).order_by(TownRow.town_id).limit(limit + 1)
    if cursor:
        query = query.where(TownRow.town_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Town.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].town_id) if len(rows) > limit else None)


@ROUTER.get("/communities")
def list_communities(
    work: Transaction,
    town_id: UUID | None = None,
    community_id: Annotated[list[UUID] | None, Query(max_length=100, description="only these")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Community]:
    """Communities by id, with their outlines: anybody's to read, as they stand on public calls."""
    query = select(CommunityRow).order_by(CommunityRow.community_id).limit(limit + 1)
    if town_id:
        query = query.where(CommunityRow.town_id == town_id)
    if community_id is not None:
        query = query.where(CommunityRow.community_id.in_(community_id))
    if cursor:
        query = query.where(CommunityRow.community_id > cursor_keys(cursor, UUID)[0])
    rows = list(work.session.scalars(query))
    items = [Community.model_validate(row) for row in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].community_id) if len(rows) > limit else None)


@ROUTER.get("/cells")
def list_cells(
    work: Transaction,
    caller: SignedIn,
    community_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Cell]:
    """Grid cells by id, with their outlines."""
    query = (
        select(CellRow, CommunityRow.town_id)
        .join(CommunityRow, CommunityRow.community_id == CellRow.community_id)
        .order_by(CellRow.cell_id)
        .limit(limit + 1)
    )
    if community_id:
        query = query.where(CellRow.community_id == community_id)
    if cursor:
        query = query.where(CellRow.cell_id > cursor_keys(cursor, UUID)[0])
    rows = work.session.execute(query).all()
    items = [_cell(row, town_id) for row, town_id in rows[:limit]]
    return Page(items=items, next=encode_cursor(items[-1].cell_id) if len(rows) > limit else None)


@ROUTER.get("/cells/at")
def cells_at(
    work: Transaction,
    caller: SignedIn,
    lon: Annotated[float, Query(ge=-180, le=180)],
    lat: Annotated[float, Query(ge=-90, le=90)],
) -> list[Cell]:
    """The grid cell that a pin on the map lies in: none outside the city (design rule 9)."""
    return [_cell(row, town_id) for row, town_id in service.cells_at(work, lon, lat)]


def _cell(row: CellRow, town_id: UUID) -> Cell:
    return Cell(
        cell_id=row.cell_id,
        version=row.version,
        community_id=row.community_id,
        town_id=town_id,
        name=row.name,
        households=row.households,
        lon=row.lon,
        lat=row.lat,
        outline=row.outline,
    )


@ROUTER.get("/buildings")
def search_buildings(
    work: Transaction,
    caller: SignedIn,
    q: Words = None,
    community_id: UUID | None = None,
    cell_id: UUID | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Building]:
    """The gazetteer by address: how an address is placed."""
    if q is not None and any(ord(c) < 32 for c in q):
        raise Invalid("control_characters", "不能含有控制字符。", field="q")
    query = service.buildings(q, community_id, cell_id).limit(limit + 1)
    if cursor:
        address, last = cursor_keys(cursor, str, UUID)
        query = query.where(tuple_(BuildingRow.address, BuildingRow.building_id) > (address, last))
    rows = work.session.execute(query).all()
    items = [
        Building(
            building_id=row.building_id,
            address=row.address,
            lon=row.lon,
            lat=row.lat,
            floors=row.floors,
            lift=row.lift,
            cell_id=row.cell_id,
            community_id=row.community_id,
            town_id=town_id,
        )
        for row, town_id in rows[:limit]
    ]
    more = len(rows) > limit
    return Page(items=items, next=encode_cursor(items[-1].address, items[-1].building_id) if more else None)


@ROUTER.get("/calendar")
def read_calendar(
    work: Transaction,
    caller: SignedIn,
    first: Annotated[date, Query(alias="from")],
    last: Annotated[date, Query(alias="to")],
) -> Calendar:
    """Days that differ from their weekday, both ends included (8.7)."""
    days, years = service.calendar(work, first, last)
    return Calendar(items=[SpecialDay.model_validate(day) for day in days], years_unpublished=years)


@ROUTER.get("/areas/{area_id}")
def read_area(area_id: UUID, work: Transaction, caller: SignedIn) -> Area:
    """A town, community or cell by id."""
    return service.area(work, area_id)
