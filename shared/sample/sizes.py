"""How large each sample city is (design.md, "The sample's sizes"), and nothing else."""

from dataclasses import dataclass
from enum import StrEnum


class Size(StrEnum):
    SMALL = "small"
    TOWN = "town"
    CITY = "city"
    PROVINCE = "province"
    WEEK = "week"
    TIGHT = "tight"


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a size promises.

    `weekend` is the share of a working day's visits that a Saturday or Sunday has; `radius` the city's, in metres.
    `public`, `market`: how many of the paid carers work for the public centre and for the market's firm.
    """

    towns: int
    communities: int
    urban: int
    residents: int
    volunteers: int
    paid: int
    public: int
    market: int
    providers: int
    centres: int
    visits: int
    weekend: float
    radius: float


NUMBERS: dict[Size, Numbers] = {
    Size.SMALL: Numbers(1, 2, 2, 60, 120, 6, 1, 1, 1, 1, 40, 0.8, 1_300),
    Size.TOWN: Numbers(3, 8, 6, 600, 1_500, 40, 5, 3, 3, 4, 400, 0.8, 3_600),
    Size.CITY: Numbers(12, 60, 26, 6_000, 20_000, 300, 36, 20, 10, 40, 5_000, 0.8, 17_000),
    Size.PROVINCE: Numbers(60, 600, 260, 60_000, 200_000, 3_000, 360, 200, 60, 400, 50_000, 0.8, 60_000),
    Size.WEEK: Numbers(12, 60, 26, 6_000, 20_000, 300, 36, 20, 10, 40, 5_000, 1.0, 17_000),
    Size.TIGHT: Numbers(5, 20, 12, 2_500, 1_500, 0, 0, 0, 0, 12, 3_000, 0.8, 8_000),
}

DOUBLES = 0.05  # of the visits want two carers
ONE_OFF = 0.06  # of a working day's visits come from no recurrence
