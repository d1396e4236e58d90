"""The portal's own metadata."""

from sqlalchemy.orm import DeclarativeBase

from shared.database.base import TYPES, metadata


class Base(DeclarativeBase):
    """Rows of the portal."""

    metadata = metadata()
    type_annotation_map = TYPES
