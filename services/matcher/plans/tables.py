"""Plans: proposals against recorded versions, held or published."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.matcher.base import Base


class PlanRow(Base):
    """One run over a horizon. queued -> running -> ready -> published | held | superseded; or failed, or cancelled.

    `days`: of a plan that was stopped, those it reached. `deaths`: how often it was left by its worker.
    """

    __tablename__ = "plan"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued','running','ready','held','published','superseded','failed','cancelled')",
            name="status",
        ),
        CheckConstraint("days BETWEEN 1 AND 7", name="days"),
        Index("ix_plan_status", "status"),
        Index("ix_plan_first_day", "first_day"),
    )

    plan_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_day: Mapped[date]
    days: Mapped[int]
    status: Mapped[str] = mapped_column(default="queued")
    reason: Mapped[str]
    asked_by: Mapped[UUID | None]
    asked_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    lease_epoch: Mapped[int] = mapped_column(default=0)
    deaths: Mapped[int] = mapped_column(default=0)
    stop_asked_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    published_by: Mapped[UUID | None]
    held_until: Mapped[datetime | None]
    progress: Mapped[list[Any]] = mapped_column(default=list)
    step: Mapped[dict[str, Any] | None]  # the last that was told
    summary: Mapped[dict[str, Any] | None]
    digest: Mapped[str | None]
    problem: Mapped[str | None]
    trace: Mapped[str | None]  # of whoever asked
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class PlanVisitRow(Base):
    """A visit in a plan, with the versions it was planned against; `unmet` says why nobody comes."""

    __tablename__ = "plan_visit"
    __table_args__ = (Index("ix_plan_visit_day", "plan_id", "day"),)

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.plan_id", ondelete="CASCADE"), primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
    town_id: Mapped[UUID]
    centre_id: Mapped[UUID | None]
    visit_version: Mapped[int]
    staffing_version: Mapped[int]
    unmet: Mapped[dict[str, Any] | None]
    applied: Mapped[str | None]  # published, changed, skipped


class PlanAssignmentRow(Base):
    """A place that a plan proposes to fill."""

    __tablename__ = "plan_assignment"
    __table_args__ = (Index("ix_plan_assignment_carer", "plan_id", "carer_id"),)

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.plan_id", ondelete="CASCADE"), primary_key=True)
    visit_id: Mapped[UUID] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    carer_id: Mapped[UUID]
    carer_version: Mapped[int]
    person_id: Mapped[UUID]
    capacity: Mapped[str]
    line_id: Mapped[UUID | None]
    units: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    fixed: Mapped[bool]  # stood before the plan
    travel_seconds: Mapped[int] = mapped_column(default=0)
    points: Mapped[dict[str, Any]]


class PublishedDayRow(Base):
    """A day whose plan has gone out: from then on each visit's consequences are offered at once."""

    __tablename__ = "published_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    town_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID]
    published_at: Mapped[datetime]


class PartRow(Base):
    """A part of a plan at work. waiting -> running -> done | failed; waiting again when its worker died or was
    stopped; returned to where it came from when nobody takes it.

    It lives as long as the plan's worker waits for it: of a lease `epoch` that is past, parts are void and gone. `turn`: how
    many times parts were asked for. `attempt` rises with every call; a call for an older one is void. `snapshot` and `plan`:
    canonical JSON, packed.
    """

    __tablename__ = "plan_part"
    __table_args__ = (
        CheckConstraint("status IN ('waiting','running','done','failed','returned')", name="status"),
        CheckConstraint("(plan IS NOT NULL) = (status = 'done')", name="plan"),
        UniqueConstraint("plan_id", "epoch", "turn", "number", name="uq_plan_part_place"),
    )

    part_id: Mapped[UUID] = mapped_column(primary_key=True)
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plan.plan_id", ondelete="CASCADE"))
    epoch: Mapped[int]
    turn: Mapped[int]
    number: Mapped[int]
    status: Mapped[str] = mapped_column(default="waiting")
    limits: Mapped[dict[str, Any]]
    asked_at: Mapped[datetime]
    until: Mapped[datetime]  # all parts of the turn are to be planned by then
    attempt: Mapped[int] = mapped_column(default=1)
    deaths: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    taken_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stop_asked: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[dict[str, Any] | None]
    problem: Mapped[str | None]
    snapshot: Mapped[bytes] = mapped_column(deferred=True)
    plan: Mapped[bytes | None] = mapped_column(deferred=True)


class PlanWorkerRow(Base):
    """A worker that takes parts, for as long as it says so."""

    __tablename__ = "plan_worker"

    worker_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
