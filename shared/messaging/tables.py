"""The kernel's rows for messages: leases, inbox, versions of projections, parked keys, dead letters."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.database.base import KernelBase


class LaneLease(KernelBase):
    """Who brings a lane of the outbox to the bus. A new owner is a new epoch; expiry by the database clock."""

    __tablename__ = "lane_lease"

    lane: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    owner: Mapped[UUID | None]
    epoch: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]


class RelayRow(KernelBase):
    """A relay at work, so that several of one service share the lanes evenly."""

    __tablename__ = "relay"

    owner: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]


class InboxRow(KernelBase):
    """An event that has had its effect: written with it. `lasting`: an entry, whose row is never swept."""

    __tablename__ = "inbox"
    __table_args__ = (Index("ix_inbox_sweep", "at", postgresql_where=text("NOT lasting")),)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    lasting: Mapped[bool]


class ProjectionVersion(KernelBase):
    """The version of a state that a consumer has seen: that and older ones are ignored."""

    __tablename__ = "projection_version"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]


class ParkedKey(KernelBase):
    """A key whose events wait here, in order. `held`: a poison entry, until an operator decides."""

    __tablename__ = "parked_key"
    __table_args__ = (Index("ix_parked_key_due", "consumer", "retry_at", postgresql_where=text("NOT held")),)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    held: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime]
    retry_at: Mapped[datetime]


class ParkedEvent(KernelBase):
    """An event that waits with its key: applied in the order of its source offset."""

    __tablename__ = "parked_event"
    __table_args__ = (UniqueConstraint("consumer", "event_id"),)

    consumer: Mapped[str] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column("source_offset", BigInteger, primary_key=True, autoincrement=False)
    partition: Mapped[int] = mapped_column("source_partition")
    event_id: Mapped[UUID]
    headers: Mapped[dict[str, Any]]
    value: Mapped[bytes | None] = mapped_column(LargeBinary)


class DeadLetter(KernelBase):
    """An event that its handler could not take. Never deleted by itself; `decided_at` when an operator has acted."""

    __tablename__ = "dead_letter"
    __table_args__ = (
        UniqueConstraint("consumer", "event_id"),
        Index("ix_dead_letter_open", "consumer", "id", postgresql_where=text("decided_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    consumer: Mapped[str]
    topic: Mapped[str]
    partition: Mapped[int] = mapped_column("source_partition")
    offset: Mapped[int] = mapped_column("source_offset", BigInteger)
    key: Mapped[str]
    event_id: Mapped[UUID]
    headers: Mapped[dict[str, Any]]
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    reason: Mapped[str]
    attempts: Mapped[int]
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None]  # replayed, discarded


class ReadingRow(KernelBase):
    """How far a consumer is behind, noted by its worker for who does not reach the bus (the bureau's page).

    `go_on_at`: when an operator last said that a consumer stopped by failures should read on.
    """

    __tablename__ = "reading"

    consumer: Mapped[str] = mapped_column(primary_key=True)
    waiting: Mapped[int]
    stopped: Mapped[bool]
    at: Mapped[datetime]
    go_on_at: Mapped[datetime | None]


class JobLease(KernelBase):
    """One process at a time runs a job. `due_at` is when it comes round next."""

    __tablename__ = "job_lease"

    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[UUID | None]
    epoch: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime]
    due_at: Mapped[datetime]
    ran_at: Mapped[datetime | None]
    problem: Mapped[str | None]  # of the last run
