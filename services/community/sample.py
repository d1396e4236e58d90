"""The sample city's grid, gazetteer and calendar."""

from services.community import service
from services.community.tables import BuildingRow, CalendarRow, CellRow, CommunityRow, TownRow
from shared.database.work import Database
from shared.sample import City


def load(database: Database, city: City) -> None:
    """Load it whole, in one transaction, unless it is there."""
    with database.work() as work:
        if work.session.get(TownRow, city.towns[0].town_id) is not None:
            return
        service.set_areas(
            work,
            [TownRow(town_id=t.town_id, name=t.name, kind=t.kind, lon=t.lon, lat=t.lat) for t in city.towns],
            [
                CommunityRow(
                    community_id=c.community_id,
                    town_id=c.town_id,
                    name=c.name,
                    urban=c.urban,
                    households=c.households,
                    phone=c.phone,
                    lon=c.lon,
                    lat=c.lat,
                    outline=[list(point) for point in c.outline],
                )
                for c in city.communities
            ],
            [
                CellRow(
                    cell_id=c.cell_id,
                    community_id=c.community_id,
                    name=c.name,
                    households=c.households,
                    lon=c.lon,
                    lat=c.lat,
                    outline=[list(point) for point in c.outline],
                )
                for c in city.cells
            ],
        )
        service.set_buildings(
            work,
            [
                BuildingRow(
                    building_id=b.building_id,
                    cell_id=b.cell_id,
                    community_id=b.community_id,
                    address=b.address,
                    lon=b.lon,
                    lat=b.lat,
                    floors=b.floors,
                    lift=b.lift,
                )
                for b in city.buildings
            ],
        )
        service.set_calendar(
            work,
            [CalendarRow(day=d.day, workday=d.workday, name=d.name) for d in city.special_days],
            city.years_unpublished,
        )
