"""Fairness as it crosses HTTP."""

from datetime import date

from shared.web.schemas import Answer


class Share(Answer):
    """How many of the places asked for somebody holds, or is asked to fill. None: fewer than five were asked, so nothing is told."""

    name: str  # a community's id, a grade, a kind of service
    asked: int | None
    held: int | None


class Fairness(Answer):
    """Who is served how well. `mean` is the whole city's share, 0 to 1; none when nothing was asked for."""

    first: date
    last: date
    mean: float | None
    communities: list[Share]
    grades: list[Share]
    kinds: list[Share]
    load: list[tuple[str, int]]  # volunteers by hours within the span
