"""Needs, as they cross HTTP."""

from datetime import date, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from services.daycare.needs.rules import read_rule
from services.daycare.residents.schemas import DialectWished, Pin, SexWished, example
from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Channel, ServiceKind, Skill, Urgency
from shared.web.schemas import Answer, Body, Done, Instant, Line, Minutes, Text

Which = Literal["this", "following", "all"]
PlaceKind = Literal["home", "centre", "other"]


class Somewhere(Body):
    """Another address than home: where a visit happens or ends (8.6)."""

    address: Line
    place: Pin


class NewNeed(Body):
    """A need (8.6). `earliest` and `latest`: wall times between which the visit may start.

    Left out, minutes, skills, channels, holidays and remote are the catalogue's. `together` False: one need for each
    resident; True: one visit for all of them.
    """

    model_config = example(
        resident_ids=["7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e"],
        kind="companionship",
        first_day="2026-11-26",
        last_day="2027-06-30",
        rrule="FREQ=WEEKLY;BYDAY=TU,TH",
        earliest="14:00",
        latest="14:30",
        minutes=60,
        dialect_wish={"dialect": "jianghuai", "hard": False},
        note="喜欢聊扬剧",
    )

    resident_ids: Annotated[list[UUID], Field(min_length=1, max_length=50)]
    together: bool = False
    kind: ServiceKind
    first_day: date
    last_day: date | None = None
    rrule: Annotated[str, Field(max_length=200)] | None = None
    earliest: time
    latest: time
    minutes: Minutes | None = None
    carers: Literal[1, 2] = 1
    skills: Annotated[list[Skill], Field(max_length=15)] | None = None
    channels: Annotated[list[Channel], Field(min_length=1, max_length=4)] | None = None
    dialect_wish: DialectWished | None = None
    sex_wish: SexWished | None = None
    lone_risk: bool = False
    remote: bool | None = None
    on_holidays: bool | None = None
    urgency: Urgency = Urgency.ROUTINE
    place: PlaceKind = "home"
    other: Somewhere | None = None
    end: Somewhere | None = None
    social_worker_id: UUID | None = None
    note: Text = ""

    @model_validator(mode="after")
    def coherent(self) -> "NewNeed":
        if self.latest < self.earliest:
            raise ValueError("最晚开始时间不能早于最早开始时间。")
        if self.earliest.tzinfo or self.latest.tzinfo:
            raise ValueError("时间格式应为 14:00。")
        if not date(2016, 1, 1) <= self.first_day <= date(2100, 1, 1):
            raise ValueError("日期不对，请核对。")
        if self.last_day is not None and self.last_day < self.first_day:
            raise ValueError("结束日期不能早于开始日期。")
        if self.rrule is None and self.last_day not in (None, self.first_day):
            raise ValueError("只有重复的需求才有结束日期。")
        if self.rrule is not None:
            read_rule(self.rrule, self.first_day)
        if (self.place == "other") != (self.other is not None):
            raise ValueError("地点为“其他”时请填写地址，否则不填。")
        if len(set(self.resident_ids)) != len(self.resident_ids):
            raise ValueError("同一位老人选了两次。")
        return self

    @property
    def filled(self) -> dict[str, Any]:
        """What the catalogue says where the need does not."""
        usual = CATALOGUE[self.kind]
        return {
            "minutes": self.minutes or usual.minutes,
            "skills": sorted(usual.skills if self.skills is None else set(self.skills)),
            "channels": sorted(usual.channels if self.channels is None else set(self.channels)),
            "remote": usual.remote if self.remote is None else self.remote,
            "on_holidays": usual.on_holidays if self.on_holidays is None else self.on_holidays,
        }


class NeedChange(Body):
    """What changes of a need, and of which of its visits: this one, this and following, or all to come.

    `visit_id` names the visit that "this" and "following" mean. `day` moves this one visit. `preview`: only say whom
    it affects.
    """

    model_config = example(
        which="following", visit_id="7a6f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e", earliest="15:00", latest="15:30"
    )

    which: Which = "all"
    visit_id: UUID | None = None
    preview: bool = False
    day: date | None = None
    last_day: date | None = None
    rrule: Annotated[str, Field(max_length=200)] | None = None
    earliest: time | None = None
    latest: time | None = None
    minutes: Minutes | None = None
    carers: Literal[1, 2] | None = None
    dialect_wish: DialectWished | None = None
    sex_wish: SexWished | None = None
    lone_risk: bool | None = None
    urgency: Urgency | None = None
    on_holidays: bool | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def coherent(self) -> "NeedChange":
        if self.which != "all" and self.visit_id is None:
            raise ValueError("请指明是哪一次服务。")
        if self.day is not None and self.which != "this":
            raise ValueError("改日期只能针对这一次。")
        if self.rrule is not None and self.which == "this":
            raise ValueError("重复方式不能只改这一次。")
        return self


class Cancellation(Body):
    """Cancel this visit, this and following, or all to come. `preview`: only say whom it affects."""

    model_config = example(which="all", reason="老人住院")

    which: Which = "all"
    visit_id: UUID | None = None
    reason: Line = "不再需要"
    preview: bool = False

    @model_validator(mode="after")
    def coherent(self) -> "Cancellation":
        if self.which != "all" and self.visit_id is None:
            raise ValueError("请指明是哪一次服务。")
        return self


class Affected(Answer):
    """A visit that a change touches, and who was to come to it."""

    visit_id: UUID
    day: date
    start: Instant
    kind: ServiceKind
    resident_ids: list[UUID]
    held_by: list[UUID]
    asked: int


class Posted(Done):
    """What was made: `id` the first need, all of them, and how many visits stand in the days ahead."""

    need_ids: list[UUID]
    visits: int


class ChangeDone(Done):
    """What a change or cancellation touched, or, as a preview, would touch."""

    done: bool
    affected: list[Affected]


class NeedAnswer(Answer):
    """A need, with its residents' names, its note and addresses for those who may know them."""

    need_id: UUID
    version: int
    series_id: UUID
    state: str
    source: str
    kind: ServiceKind
    residents: list[dict[str, Any]]
    centre_id: UUID | None
    community_id: UUID
    town_id: UUID
    first_day: date
    last_day: date | None
    rrule: str | None
    earliest: time
    latest: time
    minutes: int
    carers: int
    skills: list[Skill]
    channels: list[Channel]
    dialect_wish: DialectWished | None
    sex_wish: SexWished | None
    lone_risk: bool
    remote: bool
    on_holidays: bool
    urgency: Urgency
    place: PlaceKind
    other_address: str | None
    end_address: str | None
    social_worker_id: UUID | None
    note: str | None
    next_day: date | None
    posted_at: Instant


class CopyWeek(Body):
    """Copy the single visits of one week into another (8.8). Weeks are named by their Monday."""

    model_config = example(
        centre_id="0a7f1a9e-5f0e-5a53-9f5e-0d6b8b1c2d3e",
        from_week="2026-11-16",
        to_week="2026-11-23",
        preview=True,
    )

    centre_id: UUID
    from_week: date
    to_week: date
    preview: bool = False

    @model_validator(mode="after")
    def mondays(self) -> "CopyWeek":
        if self.from_week.weekday() or self.to_week.weekday():
            raise ValueError("请选择星期一。")
        if not timedelta() < self.to_week - self.from_week <= timedelta(days=366):
            raise ValueError("只能复制到之后一年内的某一周。")
        return self


class CopyLine(Answer):
    """One visit of the week that is copied. `result`: new, or why it is skipped."""

    visit_id: UUID
    residents: list[dict[str, Any]]
    kind: ServiceKind
    day: date
    earliest: time
    result: Literal["new", "recurring", "absent", "holiday", "past", "copied"]


class Copied(Answer):
    """The preview or the deed: each line and what became of it."""

    lines: list[CopyLine]
    made: int
    skipped: int


class ImportLine(Answer):
    """One row of an imported file. `reasons` say what to mend; empty when the row is good or known already."""

    row: int
    result: Literal["new", "known", "bad"]
    reasons: list[str]
    values: list[str]


class Imported(Answer):
    """What became of a file: good rows go in (unless it was a preview), bad ones come back with their reasons."""

    header: list[str]
    lines: list[ImportLine]
    made: int
    known: int
    bad: int
