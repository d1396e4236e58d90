"""The projects service's own metadata."""

from sqlalchemy.orm import DeclarativeBase

from shared.database.base import TYPES, metadata


class Base(DeclarativeBase):
    """Rows of the projects service."""

    metadata = metadata()
    type_annotation_map = TYPES
