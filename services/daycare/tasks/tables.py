"""Tasks: what someone at the centre must see to, with an owner, open until it is told."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from services.daycare.base import Base
from shared.database.base import Versioned

KINDS = ("unmet", "red", "change_request", "dispute", "complaint")
ONCE = ("unmet", "red")


class TaskRow(Versioned, Base):
    """Unmet visit, red item, change request, disputed attendance, unhappy face.

    Closed when "told whom, when, by whom, how" is filled (8.12). `for_town`: also on the town's list. `cause`: the
    outcome of a red item, the reason of an unmet one. Sealed under the resident's key: text, told_whom, how.
    """

    __tablename__ = "task"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(map(repr, KINDS))})", name="kind"),
        CheckConstraint("(closed_at IS NULL) = (closed_how IS NULL)", name="closed"),
        CheckConstraint("closed_how IS NULL OR closed_how IN ('told', 'met', 'answered')", name="closed_how"),
        CheckConstraint("closed_how IS DISTINCT FROM 'told' OR told_at IS NOT NULL", name="told"),
        Index(
            "uq_task_visit_id_kind",
            "visit_id",
            "kind",
            unique=True,
            postgresql_where=text("kind IN ('unmet', 'red')"),
        ),
        Index("ix_task_centre_open", "centre_id", postgresql_where=text("closed_at IS NULL")),
        Index("ix_task_town_open", "town_id", postgresql_where=text("closed_at IS NULL")),
    )

    task_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    visit_id: Mapped[UUID] = mapped_column(ForeignKey("visit.visit_id"))
    attendance_id: Mapped[UUID | None]
    resident_id: Mapped[UUID]
    centre_id: Mapped[UUID | None]
    community_id: Mapped[UUID]
    town_id: Mapped[UUID]
    for_town: Mapped[bool]
    owner_id: Mapped[UUID | None]
    cause: Mapped[str | None]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    told_at: Mapped[datetime | None]
    closed_how: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
