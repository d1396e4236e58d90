"""The outbox: events wait here, in the command's own transaction, until the relay has brought them to the bus.

By status, not by cursor: a cursor on a sequence loses rows that commit late (docs/architecture.md, "Events").
"""

from datetime import datetime
from uuid import UUID
from zlib import crc32

from sqlalchemy import BigInteger, Identity, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.contracts.registry import Event
from shared.database.base import KernelBase
from shared.ids import new_id

OUTBOX_CHANNEL = "linli_outbox"
LANES = 32


class OutboxRow(KernelBase):
    """One event on its way out. `lane` = hash of the key: rows of a lane leave in `pos` order."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_waiting", "lane", "pos", postgresql_where=text("published_at IS NULL")),
        Index("ix_outbox_published", "published_at", postgresql_where=text("published_at IS NOT NULL")),
    )

    pos: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    lane: Mapped[int] = mapped_column(SmallInteger)
    topic: Mapped[str]
    key: Mapped[str]
    type: Mapped[str]
    aggregate_version: Mapped[int]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    trace: Mapped[str | None]
    created_at: Mapped[datetime]
    available_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    published_at: Mapped[datetime | None]


def outbox_row(event: Event, now: datetime, trace: str | None) -> OutboxRow:
    """The row that carries an event out of its transaction."""
    return OutboxRow(
        event_id=new_id(),
        lane=crc32(event.key.encode()) % LANES,
        topic=event.TOPIC.name,
        key=event.key,
        type=event.TYPE,
        aggregate_version=event.version,
        payload=event.model_dump_json().encode(),
        trace=trace,
        created_at=now,
        available_at=now,
    )
