"""Files that people hand in: their type by content, their size, their hash; the bytes here or in object storage."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from services.projects.base import Base


class FileRow(Base):
    """A file. `sealed`: its bytes are encrypted, the key stands in a sealed bid; the hash is that of the bytes kept.

    `withdrawn_at`: who handed it in took it back before what it supports was decided. It stays, for the auditor alone.
    """

    __tablename__ = "file"
    __table_args__ = (
        CheckConstraint("(content IS NULL) <> (stored_as IS NULL)", name="place"),
        CheckConstraint("size BETWEEN 1 AND 20971520 + 64", name="size"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn"),
        Index("ix_file_about_id", "about_id"),
    )

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    about: Mapped[str]  # organisation, call, bid, challenge, claim, milestone …
    about_id: Mapped[UUID]
    organisation_id: Mapped[UUID | None]
    name: Mapped[str | None]  # none while sealed
    media_type: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[str]
    sealed: Mapped[bool]
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    stored_as: Mapped[str | None]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]
    withdrawn_by: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]
