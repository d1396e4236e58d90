"""Outline maps: the city's own shapes on a picture, without anybody's tiles."""

from collections.abc import Sequence

EDGE = 0.02  # of the outline's extent, left free around it
STRETCH = 1.18  # a degree of latitude against one of longitude at 32 degrees north

Points = Sequence[Sequence[float]]


class Sheet:
    """A picture `width` wide that holds outlines: from degrees (WGS-84) to its points and back."""

    def __init__(self, outline: Points, *, width: int) -> None:
        lons, lats = [p[0] for p in outline] or [0.0, 1.0], [p[1] for p in outline] or [0.0, 1.0]
        margin = EDGE * (max(lons) - min(lons))
        self.width = width
        self._west, self._north = min(lons) - margin, max(lats) + margin
        self._scale = width / (max(lons) - min(lons) + 2 * margin)
        self.height = round((self._north - min(lats) + margin) * self._scale * STRETCH)

    def at(self, lon: float, lat: float) -> tuple[int, int]:
        """The point of a place."""
        x, y = (lon - self._west) * self._scale, (self._north - lat) * self._scale * STRETCH
        return round(x), round(y)

    def degrees(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point: longitude, latitude."""
        return round(self._west + x / self._scale, 6), round(self._north - y / self._scale / STRETCH, 6)

    def ring(self, outline: Points) -> str:
        """An outline as an SVG polygon's points."""
        return " ".join(f"{x},{y}" for x, y in (self.at(lon, lat) for lon, lat in outline))
