"""The map: towns, communities, cells, the gazetteer's buildings, centres, hospitals."""

from dataclasses import dataclass
from datetime import time
from functools import cached_property
from math import atan2, hypot
from random import Random
from typing import Literal
from uuid import UUID

from shared.ids import derived_id
from shared.sample import geometry
from shared.sample.facts import Building, Cell, Centre, Community, Spot, Town
from shared.sample.geometry import Point, Ring
from shared.sample.sizes import NUMBERS, Size

_TOWNS: tuple[tuple[str, Literal["镇", "园区", "办事处"]], ...] = (
    ("真州镇", "镇"),
    ("经济开发区", "园区"),
    ("胥浦办事处", "办事处"),
    ("新城镇", "镇"),
    ("青山镇", "镇"),
    ("新集镇", "镇"),
    ("马集镇", "镇"),
    ("刘集镇", "镇"),
    ("陈集镇", "镇"),
    ("大仪镇", "镇"),
    ("月塘镇", "镇"),
    ("枣林湾园区", "园区"),
)
_FIRST = "天鼓永和安清东西南北福新兴长文明宝春金仁平龙凤荷柳松竹梅桂兰玉石"
_LAST = "宁楼乐平康园华城桥门河塘苑庄岗山湖泉荫坊井巷里堡"
_VILLAGE_LAST = "庄营集桥坝圩岗塘湾沟洼墩"
_ROADS = ("南路", "北路", "东路", "西路", "巷", "街")


@dataclass(frozen=True, slots=True)
class _Plan:
    town: int
    site: Point
    ring: Ring
    urban: bool


class Places:
    """All that lies still. `key` names the city, so that ids of two cities never meet."""

    def __init__(self, size: Size, seed: int) -> None:
        self.numbers = NUMBERS[size]
        self.key: tuple[object, ...] = (size.value, seed)
        self._seed = f"{size.value}:{seed}"

    def stream(self, name: str) -> Random:
        """A slice's own random stream."""
        return Random(f"linli:{self._seed}:{name}")  # noqa: S311 -- a sample, not a secret

    def id(self, *parts: object) -> UUID:
        return derived_id("sample", *self.key, *parts)

    @cached_property
    def outline(self) -> Ring:
        return geometry.city_outline(self.numbers.radius, self.stream("outline"))

    @cached_property
    def _plans(self) -> list[_Plan]:
        n, rng = self.numbers, self.stream("sites")
        sites = geometry.spread_sites(self.outline, n.urban, n.communities - n.urban, self._gap, rng)
        rings = geometry.tiles(self.outline, sites)
        # Towns are sectors around the centre; the first holds the middle.
        middle = max(2, n.communities // n.towns)
        inner = sorted(range(len(sites)), key=lambda i: hypot(*sites[i]))
        town_of = dict.fromkeys(inner[:middle], 0)
        outer = sorted(inner[middle:], key=lambda i: atan2(sites[i][1], sites[i][0]))
        for place, i in enumerate(outer):
            town_of[i] = 1 + place * (n.towns - 1) // len(outer)
        return [_Plan(town_of[i], sites[i], rings[i], i < n.urban) for i in range(n.communities)]

    @property
    def _gap(self) -> float:
        return min(1_150.0, 0.62 * self.numbers.radius) if self.numbers.urban > 2 else 900.0

    @cached_property
    def towns(self) -> tuple[Town, ...]:
        rng, result = self.stream("towns"), []
        names = [name for name, _ in _TOWNS]
        for i in range(self.numbers.towns):
            sites = [plan.site for plan in self._plans if plan.town == i]
            kind: Literal["镇", "园区", "办事处"]
            if i < len(_TOWNS):
                name, kind = _TOWNS[i]
            else:
                kind = rng.choices(("镇", "园区", "办事处"), (8, 1, 2))[0]
                name = _fresh_name(rng, _FIRST, _LAST, names, kind)
            at = (sum(x for x, _ in sites) / len(sites), sum(y for _, y in sites) / len(sites))
            result.append(Town(self.id("town", i), name, kind, *geometry.degrees(at)))
        return tuple(result)

    @cached_property
    def communities(self) -> tuple[Community, ...]:
        rng, result, names = self.stream("communities"), [], []
        for i, plan in enumerate(self._plans):
            if i == 0:
                names.append(name := "天宁社区")
            elif plan.urban:
                name = _fresh_name(rng, _FIRST, _LAST, names, "社区")
            else:
                name = _fresh_name(rng, _FIRST, _VILLAGE_LAST, names, "村")
            households = rng.randint(2_000, 3_000) if plan.urban else rng.randint(500, 1_900)
            result.append(
                Community(
                    community_id=self.id("community", i),
                    town_id=self.towns[plan.town].town_id,
                    name=name,
                    urban=plan.urban,
                    households=households,
                    lon=geometry.degrees(plan.site)[0],
                    lat=geometry.degrees(plan.site)[1],
                    outline=geometry.closed_degrees(plan.ring),
                    phone=f"0514-8010{i:04d}",
                )
            )
        return tuple(result)

    @cached_property
    def _cell_plans(self) -> list[tuple[Cell, int, Point, Ring]]:
        rng, result = self.stream("cells"), []
        for i, (community, plan) in enumerate(zip(self.communities, self._plans, strict=True)):
            count = max(1, round(community.households / 500))
            sites = [
                geometry.toward(geometry.somewhere_in(plan.ring, rng), plan.site, 0.9) for _ in range(count)
            ]
            for _ in range(4):  # even the tiles out
                sites = [_middle(ring) for ring in geometry.tiles(plan.ring, sites)]
            rest = community.households
            for j, ring in enumerate(geometry.tiles(plan.ring, sites)):
                share = rest // (count - j)
                households = rest if j == count - 1 else share + rng.randint(-25, 25)
                rest -= households
                cell = Cell(
                    cell_id=self.id("cell", i, j),
                    community_id=community.community_id,
                    name=f"{community.name}第{j + 1}网格",
                    households=households,
                    lon=geometry.degrees(sites[j])[0],
                    lat=geometry.degrees(sites[j])[1],
                    outline=geometry.closed_degrees(ring),
                )
                result.append((cell, i, sites[j], ring))
        return result

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for cell, *_ in self._cell_plans)

    @cached_property
    def cells_of(self) -> dict[UUID, list[Cell]]:
        result: dict[UUID, list[Cell]] = {}
        for cell in self.cells:
            result.setdefault(cell.community_id, []).append(cell)
        return result

    @cached_property
    def buildings(self) -> tuple[Building, ...]:
        rng, result = self.stream("buildings"), []
        town_names = {town.town_id: town.name for town in self.towns}
        for n, (cell, i, site, ring) in enumerate(self._cell_plans):
            community = self.communities[i]
            stem = community.name[:2]
            road = f"{stem}{rng.choice(_ROADS)}"
            gate = rng.randint(1, 14) + 15 * (int(cell.name[-3]) - 1)
            for j in range(max(3, cell.households // 45)):
                floors = (
                    rng.choices((3, 5, 6, 11, 18), (2, 3, 6, 2, 1))[0]
                    if community.urban
                    else rng.choice((1, 2))
                )
                detail = f"{road}{gate}号 {j + 1}幢" if community.urban else f"{cell.name[-3]}组 {j + 1}号"
                at = geometry.toward(geometry.somewhere_in(ring, rng), site, 0.95 if community.urban else 0.5)
                lon, lat = geometry.degrees(at)
                result.append(
                    Building(
                        building_id=self.id("building", n, j),
                        community_id=community.community_id,
                        cell_id=cell.cell_id,
                        address=f"{town_names[community.town_id]} {community.name} {detail}",
                        lon=lon,
                        lat=lat,
                        floors=floors,
                        lift=floors > 6,
                    )
                )
        return tuple(result)

    @cached_property
    def buildings_of(self) -> dict[UUID, list[Building]]:
        """By community."""
        result: dict[UUID, list[Building]] = {}
        for building in self.buildings:
            result.setdefault(building.community_id, []).append(building)
        return result

    @cached_property
    def centres(self) -> tuple[Centre, ...]:
        """In the urban communities first; each community is served by the nearest."""
        rng, n = self.stream("centres"), self.numbers
        hosts = list(range(min(n.urban, n.centres)))
        villages = list(range(n.urban, n.communities))
        rng.shuffle(villages)
        hosts += sorted(villages[: n.centres - len(hosts)])
        if n.urban > n.centres:  # spread them: the next is the farthest from those chosen
            hosts = [0]
            while len(hosts) < n.centres:
                hosts.append(
                    max(
                        (i for i in range(n.urban) if i not in hosts),
                        key=lambda i: min(self._between(i, j) for j in hosts),
                    )
                )
        serves: dict[int, list[UUID]] = {host: [] for host in hosts}
        for i, community in enumerate(self.communities):
            serves[min(hosts, key=lambda host: self._between(i, host))].append(community.community_id)
        result = []
        for number, host in enumerate(hosts):
            community = self.communities[host]
            building = rng.choice(self.buildings_of[community.community_id])
            early = rng.random() < 0.5
            result.append(
                Centre(
                    centre_id=self.id("centre", number),
                    community_id=community.community_id,
                    town_id=community.town_id,
                    name=f"{community.name}日间照料中心",
                    places=rng.randrange(20, 61, 5),
                    phone=f"0514-8020{number:04d}",
                    address=building.address,
                    lon=building.lon,
                    lat=building.lat,
                    opens=time(7, 30) if early else time(8, 0),
                    closes=time(17, 0) if early else time(17, 30),
                    open_weekdays=tuple(range(7 if rng.random() < 0.4 else 6)),
                    serves=tuple(serves[host]),
                )
            )
        return tuple(result)

    def _between(self, i: int, j: int) -> float:
        a, b = self._plans[i].site, self._plans[j].site
        return hypot(a[0] - b[0], a[1] - b[1])

    @cached_property
    def centre_of(self) -> dict[UUID, Centre]:
        """The centre that serves each community."""
        return {community: centre for centre in self.centres for community in centre.serves}

    @cached_property
    def hospitals(self) -> tuple[Spot, ...]:
        """Where accompanied visits end."""
        rng, result = self.stream("hospitals"), []
        names = ("市人民医院", "市中医院", "城北康复医院", "老年病医院")
        for i in range(min(len(names), self.numbers.urban)):
            community = self.communities[i]
            building = rng.choice(self.buildings_of[community.community_id])
            result.append(Spot(names[i], building.address, building.lon, building.lat))
        return tuple(result)


def _middle(ring: Ring) -> Point:
    """The centroid of a convex ring."""
    size = geometry.area(ring)
    x = y = 0.0
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        cross = a[0] * b[1] - b[0] * a[1]
        x += (a[0] + b[0]) * cross
        y += (a[1] + b[1]) * cross
    return x / (6 * size), y / (6 * size)


def _fresh_name(rng: Random, first: str, last: str, taken: list[str], suffix: str) -> str:
    """A name not taken yet, the third syllable only where two run out."""
    for attempt in range(10_000):
        middle = rng.choice(last) if attempt > 20 else ""
        name = rng.choice(first) + middle + rng.choice(last) + suffix
        if name not in taken and name[0] != name[1]:
            taken.append(name)
            return name
    raise ValueError("no name left")
