"""Availability, as it crosses HTTP."""

from datetime import date, timedelta
from typing import Annotated

from pydantic import Field, model_validator

from services.volunteers.people.schemas import WeeklyPart, example
from shared.contracts.codes import DayPart
from shared.web.schemas import Body


class Availability(Body):
    """The weekly pattern, and how much at most. Left out, the maxima stay."""

    model_config = example(
        weekly=[{"weekday": 1, "part": "morning"}, {"weekday": 3, "part": "afternoon"}],
        daily_minutes=180,
        weekly_minutes=600,
    )

    weekly: Annotated[list[WeeklyPart], Field(max_length=21)]
    daily_minutes: Annotated[int, Field(ge=0, le=720)] | None = None
    weekly_minutes: Annotated[int, Field(ge=0, le=2640)] | None = None


class NewException(Body):
    """Days that differ: parts on which the volunteer can, or can't, come. No parts: the whole day."""

    model_config = example(from_day="2026-12-01", to_day="2026-12-07", available=False)

    from_day: date
    to_day: date
    parts: Annotated[list[DayPart], Field(max_length=3)] = []
    available: bool = False

    @model_validator(mode="after")
    def in_order(self) -> "NewException":
        if self.to_day < self.from_day:
            raise ValueError("结束日期不能早于开始日期。")
        if self.to_day - self.from_day > timedelta(days=366):
            raise ValueError("一次最多填写一年。")
        return self
