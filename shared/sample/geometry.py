"""Plane geometry of the sample: convex outlines that tile, in metres east and north of the city's centre."""

from math import cos, hypot, pi, radians, sin
from random import Random

Point = tuple[float, float]
Ring = list[Point]  # convex, counter-clockwise, not closed

ORIGIN = (119.18, 32.27)
_LAT = 110_900.0
_LON = 111_320.0 * cos(radians(ORIGIN[1]))


def degrees(point: Point) -> tuple[float, float]:
    """WGS-84 lon, lat to about a decimetre."""
    return round(ORIGIN[0] + point[0] / _LON, 6), round(ORIGIN[1] + point[1] / _LAT, 6)


def closed_degrees(ring: Ring) -> tuple[tuple[float, float], ...]:
    return tuple(degrees(point) for point in [*ring, ring[0]])


def city_outline(radius: float, rng: Random) -> Ring:
    """A convex city: wider to the north, cut by the river in the south."""
    angles = [(i + rng.uniform(-0.3, 0.3)) * 2 * pi / 24 for i in range(24)]
    ring = [(0.95 * radius * cos(a), 1.1 * radius * sin(a) + 0.25 * radius) for a in angles]
    return cut(ring, (0.0, -0.62 * radius), (0.06, 1.0))


def cut(ring: Ring, through: Point, inward: Point) -> Ring:
    """The part of a convex ring on the `inward` side of the line through a point."""
    kept: Ring = []
    previous = ring[-1]
    before = (previous[0] - through[0]) * inward[0] + (previous[1] - through[1]) * inward[1]
    for point in ring:
        now = (point[0] - through[0]) * inward[0] + (point[1] - through[1]) * inward[1]
        if (now >= 0) != (before >= 0):
            share = before / (before - now)
            kept.append(
                (
                    previous[0] + share * (point[0] - previous[0]),
                    previous[1] + share * (point[1] - previous[1]),
                )
            )
        if now >= 0:
            kept.append(point)
        previous, before = point, now
    return kept


def tiles(ring: Ring, sites: list[Point]) -> list[Ring]:
    """The Voronoi tile of each site, clipped to a convex ring."""
    result: list[Ring] = []
    for i, site in enumerate(sites):
        others = sorted(
            (hypot(other[0] - site[0], other[1] - site[1]), other) for j, other in enumerate(sites) if j != i
        )
        tile = ring
        for distance, other in others:
            if distance > 2 * max(hypot(x - site[0], y - site[1]) for x, y in tile):
                break
            middle = ((site[0] + other[0]) / 2, (site[1] + other[1]) / 2)
            tile = cut(tile, middle, (site[0] - other[0], site[1] - other[1]))
        result.append(tile)
    return result


def area(ring: Ring) -> float:
    """Square metres (positive for a counter-clockwise ring)."""
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs) / 2


def inside(ring: Ring, point: Point) -> bool:
    pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
    return all((b[0] - a[0]) * (point[1] - a[1]) >= (b[1] - a[1]) * (point[0] - a[0]) for a, b in pairs)


def somewhere_in(ring: Ring, rng: Random) -> Point:
    """Uniform in a convex ring."""
    first = ring[0]
    sizes = [area([first, ring[i], ring[i + 1]]) for i in range(1, len(ring) - 1)]
    i = rng.choices(range(len(sizes)), sizes)[0] + 1
    u, v = rng.random(), rng.random()
    if u + v > 1:
        u, v = 1 - u, 1 - v
    a, b = ring[i], ring[i + 1]
    return (
        first[0] + u * (a[0] - first[0]) + v * (b[0] - first[0]),
        first[1] + u * (a[1] - first[1]) + v * (b[1] - first[1]),
    )


def toward(point: Point, site: Point, share: float) -> Point:
    """A point drawn towards a site: 1 stays, 0 is the site."""
    return site[0] + share * (point[0] - site[0]), site[1] + share * (point[1] - site[1])


def spread_sites(ring: Ring, urban: int, rural: int, gap: float, rng: Random) -> list[Point]:
    """Sites of communities: urban ones packed around the centre at `gap`, rural ones spread over the rest."""
    packed = sorted(
        (
            (x * gap + (y % 2) * gap / 2, y * gap * 0.87)
            for x in range(-urban, urban + 1)
            for y in range(-urban, urban + 1)
            if abs(x) + abs(y) <= urban and hypot(x, y) <= 2 + urban**0.5
        ),
        key=lambda p: hypot(p[0], p[1]),
    )
    town = [
        (x + rng.uniform(-0.18, 0.18) * gap, y + rng.uniform(-0.18, 0.18) * gap)
        for x, y in packed
        if inside(ring, (x, y))
    ][:urban]
    if len(town) < urban:
        raise ValueError("the city's outline is too small for its urban communities")
    sites = list(town)
    free = area(ring) - urban * gap * gap * 0.87
    apart = 0.8 * (free / max(rural, 1)) ** 0.5
    while len(sites) < urban + rural:
        for _ in range(200):
            point = toward(somewhere_in(ring, rng), (0.0, 0.0), 0.96)
            if inside(ring, point) and all(
                hypot(point[0] - x, point[1] - y) >= (apart if n >= urban else (apart + gap) / 2)
                for n, (x, y) in enumerate(sites)
            ):
                sites.append(point)
                break
        else:
            apart *= 0.9
    return sites
