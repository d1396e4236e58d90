"""What the office changed in the matcher's rules; the standard stands in solver/prices.py."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from services.matcher.base import Base


class RuleChangeRow(Base):
    """A rule's value from a day on. Rows are only added: of two for one day the later holds."""

    __tablename__ = "rule_change"
    __table_args__ = (Index("ix_rule_change_rule", "rule_id", "valid_from"),)

    change_id: Mapped[UUID] = mapped_column(primary_key=True)
    rule_id: Mapped[str]
    value: Mapped[int]
    valid_from: Mapped[date]
    why: Mapped[str]
    changed_by: Mapped[UUID]  # the account
    changed_at: Mapped[datetime]
