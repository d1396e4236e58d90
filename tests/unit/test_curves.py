"""The plan at work as a picture: each day on its own, steps that hold, axes that contain it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.curves import HEIGHT, WIDTH, curve, gap


def point(seconds: float, best: int, bound: int | None, day: int = 0) -> dict[str, object]:
    return {"seconds": seconds, "best": best, "bound": bound, "day": day}


def test_a_line_holds_until_something_else_is_told() -> None:
    drawn = curve([point(0, 900, None), point(2, 900, 1100), point(4, 990, 1000)])
    assert drawn is not None
    assert drawn.percents == ("90", "95", "100", "105", "110")
    assert drawn.seconds == ("0", "1", "2", "3", "4")
    assert drawn.best == ("0,300 500,300 500,300 1000,300 1000,165",), "90 % until the end, then 99 %"
    assert drawn.bound == ("500,0 1000,0 1000,150",), "it begins when something is proven"
    assert drawn.between == ("500,0 1000,0 1000,150 1000,165 1000,300 500,300",)
    assert drawn.days == ()


def test_each_day_is_held_against_what_it_can_be_worth_in_percent_of_the_weightiest() -> None:
    drawn = curve(
        [point(1, 0, 100), point(2, 50, 100), point(3, 50 + 800, 100 + 1000, 1), point(4, 950, 1100, 1)]
    )
    assert drawn is not None
    assert drawn.percents == ("80", "85", "90", "95", "100")
    first, second = (line.split()[-1] for line in drawn.best)
    assert (first, second) == ("500,75", "1000,150"), "50 points short of 1000, and 100"
    assert drawn.days == (500,)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [point(0, 0, None)],
        [point(0.1, 5, None), point(3, 7, None)],
        [point(2, 5, 6)],
        [point(1, 0, 0)] * 2,
    ],
)
def test_too_little_is_no_picture(points: list[dict[str, object]]) -> None:
    assert curve(points) is None


def test_the_gap_is_what_of_the_bound_is_missing() -> None:
    assert gap(point(1, 990, 1000)) == pytest.approx(1.0)
    assert gap(point(1, 990, None)) is None
    assert gap(point(1, 0, 0)) == 0
    assert gap(point(1, 7, 6)) == 0, "rounded down, a bound may seem below the plan"


@given(
    st.lists(
        st.tuples(st.floats(0.1, 400), st.integers(-(10**6), 10**8), st.integers(0, 10**8) | st.none()),
        min_size=2,
        max_size=12,
    ),
    st.integers(1, 3),
)
def test_whatever_is_told_stays_on_the_paper(told: list[tuple[float, int, int | None]], days: int) -> None:
    seconds = sorted(s for s, _, _ in told)
    drawn = curve(
        [
            point(s, best, bound, n * days // len(told))
            for n, (s, (_, best, bound)) in enumerate(zip(seconds, told, strict=True))
        ]
    )
    if drawn is None:
        return
    for line in (*drawn.best, *drawn.bound, *drawn.between):
        for pair in line.split():
            x, y = map(int, pair.split(","))
            assert -1 <= x <= WIDTH + 1
            assert -1 <= y <= HEIGHT + 1
    assert len(set(drawn.percents)) == len(set(drawn.seconds)) == 5
