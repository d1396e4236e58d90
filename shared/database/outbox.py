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
MAX_PAYLOAD_BYTES = 990_000  # the bus carries 1 MB with key and headers


class OutboxRow(KernelBase):
    """One event on its way out. `lane` = hash of the key: rows of a lane leave in `pos` order.

    An empty payload is a tombstone: the state of that key is gone. `retold`: a state told before, under the same version,
    for readers that want of it what it did not say then.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_waiting", "lane", "pos", postgresql_where=text("published_at IS NULL")),
        Index(
            "ix_outbox_held", "topic", "key", postgresql_where=text("published_at IS NULL AND attempts > 0")
        ),
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
    retold: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class EventTooLarge(ValueError):
    """An event over what the bus carries: the command that made it is refused."""


def outbox_row(event: Event, now: datetime, trace: str | None, *, retold: bool = False) -> OutboxRow:
    """The row that carries an event out of its transaction."""
    payload = event.model_dump_json().encode()
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise EventTooLarge(f"{event.TYPE} {event.key}: {len(payload)} bytes are over {MAX_PAYLOAD_BYTES}")
    row = _row(type(event), event.key, event.version, payload, now, trace)
    row.retold = retold
    return row


def tombstone_row(event: type[Event], key: str, version: int, now: datetime, trace: str | None) -> OutboxRow:
    """The row that tells the state of a key is gone; `version` is above the last one told."""
    return _row(event, key, version, b"", now, trace)


def _row(
    event: type[Event], key: str, version: int, payload: bytes, now: datetime, trace: str | None
) -> OutboxRow:
    return OutboxRow(
        event_id=new_id(),
        lane=crc32(key.encode()) % LANES,
        topic=event.TOPIC.name,
        key=key,
        type=event.TYPE,
        aggregate_version=version,
        payload=payload,
        trace=trace,
        created_at=now,
        available_at=now,
    )
