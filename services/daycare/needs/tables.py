"""Needs: what residents are to be given, once or again and again."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.database.base import Versioned


class NeedRow(Versioned, Base):
    """A need. Its visits carry the ids of the series, so that an edited part of a recurrence keeps them (design rule 8).

    `series_id`: the need that the recurrence began with. `anchor`: the series' original local start, part of each
    visit's id. `origin_id`: what a copy was made from (8.8). `latest`: latest start; earlier than `earliest` never.
    `made_until`: visits exist up to this day. Sealed under the first resident's key: note, place, end_place (exact).
    """

    __tablename__ = "need"
    __table_args__ = (
        CheckConstraint("cardinality(resident_ids) BETWEEN 1 AND 50", name="residents"),
        CheckConstraint("minutes BETWEEN 5 AND 720", name="minutes"),
        CheckConstraint("carers IN (1, 2)", name="carers"),
        CheckConstraint("earliest <= latest", name="window"),
        CheckConstraint("last_day IS NULL OR last_day >= first_day", name="days"),
        CheckConstraint("place IN ('home', 'centre', 'other')", name="place"),
        CheckConstraint("place <> 'other' OR place_lon IS NOT NULL", name="other_place"),
        CheckConstraint("place <> 'centre' OR centre_id IS NOT NULL", name="centre_place"),
        CheckConstraint("cardinality(channels) > 0", name="channels"),
        CheckConstraint("state IN ('active', 'ended', 'cancelled')", name="state"),
        CheckConstraint("source IN ('form', 'copy', 'import', 'paper', 'sample')", name="source"),
        Index("ix_need_series_id", "series_id"),
        Index("ix_need_resident_ids", "resident_ids", postgresql_using="gin"),
        Index("ix_need_centre_id_need_id", "centre_id", "need_id"),
        Index("ix_need_community_id_need_id", "community_id", "need_id"),
        Index(
            "ix_need_to_make",
            "made_until",
            postgresql_where=text("state = 'active' AND rrule IS NOT NULL"),
        ),
    )

    need_id: Mapped[UUID] = mapped_column(primary_key=True)
    series_id: Mapped[UUID]
    origin_id: Mapped[UUID | None]
    source: Mapped[str]
    state: Mapped[str]
    resident_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    centre_id: Mapped[UUID | None] = mapped_column(ForeignKey("centre.centre_id"))
    town_id: Mapped[UUID]
    community_id: Mapped[UUID]
    cell_id: Mapped[UUID | None]
    kind: Mapped[str]
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    rrule: Mapped[str | None]
    anchor: Mapped[time]
    earliest: Mapped[time]
    latest: Mapped[time]
    minutes: Mapped[int]
    carers: Mapped[int]
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    dialect_wish: Mapped[str | None]
    dialect_wish_hard: Mapped[bool]
    sex_wish: Mapped[str | None]
    sex_wish_hard: Mapped[bool]
    lone_risk: Mapped[bool]
    remote: Mapped[bool]
    on_holidays: Mapped[bool]
    urgency: Mapped[str]
    place: Mapped[str]
    place_lon: Mapped[float | None]
    place_lat: Mapped[float | None]
    end_lon: Mapped[float | None]
    end_lat: Mapped[float | None]
    social_worker_id: Mapped[UUID | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_until: Mapped[date | None]
    posted_by: Mapped[UUID | None]
    posted_at: Mapped[datetime]
    changed_at: Mapped[datetime]
