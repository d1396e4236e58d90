"""Row bases: every service has its own metadata; the kernel's tables (outbox, inbox, keys, audit) stand in each database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, MetaData, Text, Uuid, any_, literal
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, declared_attr, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

TYPES: dict[Any, Any] = {
    datetime: TIMESTAMP(timezone=True),
    UUID: Uuid(),
    str: Text(),
    int: BigInteger(),
    dict[str, Any]: JSONB(none_as_null=True),
    list[Any]: JSONB(none_as_null=True),
}


def metadata() -> MetaData:
    """A fresh metadata with the house's constraint names."""
    return MetaData(naming_convention=NAMING)


def among(column: InstrumentedAttribute[Any], values: Iterable[UUID]) -> ColumnElement[bool]:
    """Whether a column is one of many values. One array, not a list of its own length: a statement prepared once."""
    return column == any_(literal(list(set(values)), ARRAY(column.type)))


class KernelBase(DeclarativeBase):
    """Rows that every service's database has: written by shared/, never by a service."""

    metadata = metadata()
    type_annotation_map = TYPES


class Versioned:
    """An aggregate's row: `version` starts at 1, rises with every update, and guards against lost updates."""

    version: Mapped[int] = mapped_column(Integer, nullable=False)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        return {"version_id_col": cls.__dict__.get("version", cls.version)}
