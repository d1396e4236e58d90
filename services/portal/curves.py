"""The plan at work as a picture: what is planned and what is at most possible over the seconds, a day after the other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT = 1000, 300
TICKS = 4  # steps on each axis
_NICE = (1, 1.5, 2, 2.5, 3, 4, 5)  # and ten, a hundred … times as much

Point = dict[str, Any]  # seconds, best, bound, day: the matcher's ProgressPoint


@dataclass(frozen=True, slots=True)
class Curve:
    """Lines as points of a WIDTH x HEIGHT picture, one of each for a day. `percents`, `seconds`: the axes' labels from the
    origin on. 100 % is what a day's plan is at most worth as far as is proven; what is missing to it or above it is in
    percent of the day that is worth most. `days`: where another day begins."""

    best: tuple[str, ...]
    bound: tuple[str, ...]
    between: tuple[str, ...]
    days: tuple[int, ...]
    percents: tuple[str, ...]
    seconds: tuple[str, ...]


def gap(point: Point) -> float | None:
    """How much of what is possible is missing, in percent; None while nothing is proven."""
    if point["bound"] is None:
        return None
    return 100 * max(0, point["bound"] - point["best"]) / point["bound"] if point["bound"] > 0 else 0.0


def curve(points: Sequence[Point]) -> Curve | None:
    """The picture; None while there is too little to see."""
    days = [day for day in _days(points) if day]
    end = max((point["seconds"] for point in points), default=0)
    if not days or end <= min(day[0][0] for day in days):
        return None
    percents = [percent for day in days for _, *both in day for percent in both if percent is not None]
    least, step = _scale(min(percents), max(percents))
    tick = _step(end / TICKS)

    def x(seconds: float) -> int:
        return round(seconds * WIDTH / (TICKS * tick))

    def y(percent: float) -> int:
        return round(HEIGHT - (percent - least) * HEIGHT / (TICKS * step))

    best = [[(x(s), y(b)) for s, b, _ in day] for day in days]
    bound = [[(x(s), y(p)) for s, _, p in day if p is not None] for day in days]
    between = [
        [*_stairs(high), *reversed(_stairs(low[len(low) - len(high) :]))]
        for low, high in zip(best, bound, strict=True)
    ]
    return Curve(
        tuple(_line(_stairs(line)) for line in best),
        tuple(_line(_stairs(line)) for line in bound),
        tuple(_line(area) for area in between),
        tuple(line[-1][0] for line in best[:-1]),
        tuple(f"{least + number * step:g}" for number in range(TICKS + 1)),
        tuple(f"{number * tick:g}" for number in range(TICKS + 1)),
    )


def _days(points: Sequence[Point]) -> Iterator[list[tuple[float, float, float | None]]]:
    """Each day's seconds with the percents of both: what earlier days gave is taken off."""
    told = [[p for p in points if p["day"] == day] for day in sorted({p["day"] for p in points})]
    worth, gained, proven = [], 0, 0
    for day in told:
        bound = next((p["bound"] for p in reversed(day) if p["bound"] is not None), proven)
        worth.append((bound, bound - proven, gained, proven))
        gained, proven = day[-1]["best"], bound
    whole = max((most for _, most, _, _ in worth), default=0)
    for day, (_, most, gained, proven) in zip(told, worth, strict=True):
        if most > 0:

            def percent(points: int, most: int = most) -> float:
                return 100 + 100 * (points - most) / whole

            yield [
                (
                    p["seconds"],
                    percent(p["best"] - gained),
                    None if p["bound"] is None else percent(p["bound"] - proven),
                )
                for p in day
            ]


def _scale(least: float, most: float) -> tuple[float, float]:
    """Where a percent axis begins, and its step: TICKS of them hold both."""
    step = _step((most - least) / TICKS)
    while (begin := math.floor(least / step) * step) + TICKS * step < most:
        step = _step(step * 1.01)
    return begin, step


def _step(least: float) -> float:
    """The next nice number from `least` on, a tenth at the least."""
    if least <= 0.1:
        return 0.1
    power = 10.0 ** math.floor(math.log10(least))
    return next((nice * power for nice in _NICE if nice * power >= least * 0.999), 10 * power)


def _stairs(line: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What was told holds until something else is."""
    return [
        *line[:1],
        *(p for (_, y), here in pairwise(line) for p in ((here[0], y), here)),
    ]


def _line(line: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in line)
