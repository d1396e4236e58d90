"""The city's grid and gazetteer: towns, communities, cells, buildings; and the days that differ from their weekday."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from services.community.base import Base
from shared.database.base import Versioned

_ON_EARTH = "lon BETWEEN -180 AND 180 AND lat BETWEEN -90 AND 90"


class TownRow(Versioned, Base):
    """A town (镇), park (园区) or office area (办事处)."""

    __tablename__ = "town"
    __table_args__ = (
        CheckConstraint("kind IN ('镇', '园区', '办事处')", name="kind"),
        CheckConstraint(_ON_EARTH, name="place"),
    )

    town_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    lon: Mapped[float]
    lat: Mapped[float]


class CommunityRow(Versioned, Base):
    """A community; `outline` is a closed ring of [lon, lat] in WGS-84."""

    __tablename__ = "community"
    __table_args__ = (
        CheckConstraint("households >= 0", name="households"),
        CheckConstraint("jsonb_array_length(outline) >= 4 AND outline -> 0 = outline -> -1", name="outline"),
        CheckConstraint(_ON_EARTH, name="place"),
    )

    community_id: Mapped[UUID] = mapped_column(primary_key=True)
    town_id: Mapped[UUID] = mapped_column(ForeignKey("town.town_id"), index=True)
    name: Mapped[str]
    urban: Mapped[bool]
    households: Mapped[int] = mapped_column(Integer)
    phone: Mapped[str]
    lon: Mapped[float]
    lat: Mapped[float]
    outline: Mapped[list[Any]]


class CellRow(Versioned, Base):
    """A grid cell (网格) of about 500 households."""

    __tablename__ = "cell"
    __table_args__ = (
        CheckConstraint("households >= 0", name="households"),
        CheckConstraint("jsonb_array_length(outline) >= 4 AND outline -> 0 = outline -> -1", name="outline"),
        CheckConstraint(_ON_EARTH, name="place"),
    )

    cell_id: Mapped[UUID] = mapped_column(primary_key=True)
    community_id: Mapped[UUID] = mapped_column(ForeignKey("community.community_id"), index=True)
    name: Mapped[str]
    households: Mapped[int] = mapped_column(Integer)
    lon: Mapped[float]
    lat: Mapped[float]
    outline: Mapped[list[Any]]


class BuildingRow(Base):
    """An entry of the gazetteer: what an address is placed by (design rule 9)."""

    __tablename__ = "building"
    __table_args__ = (
        CheckConstraint("floors BETWEEN 1 AND 200", name="floors"),
        CheckConstraint(_ON_EARTH, name="place"),
    )

    building_id: Mapped[UUID] = mapped_column(primary_key=True)
    cell_id: Mapped[UUID] = mapped_column(ForeignKey("cell.cell_id"), index=True)
    community_id: Mapped[UUID] = mapped_column(ForeignKey("community.community_id"), index=True)
    address: Mapped[str] = mapped_column(index=True)
    lon: Mapped[float]
    lat: Mapped[float]
    floors: Mapped[int] = mapped_column(SmallInteger)
    lift: Mapped[bool]


class CalendarRow(Versioned, Base):
    """A public holiday, or a weekend day worked in exchange (调休) (8.7)."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    workday: Mapped[bool]
    name: Mapped[str]


class UnpublishedYearRow(Base):
    """A year whose holidays nobody has published: its weekdays stand as they are."""

    __tablename__ = "calendar_year_unpublished"

    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
