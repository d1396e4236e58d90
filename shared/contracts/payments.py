"""Payments: entries of public money spent, told to whoever reports on it."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.registry import Event, Kind, Topic

PAYMENTS = Topic("linli.payments", Kind.ENTRY, retention_days=15 * 366)


class PaymentMade(Event):
    """A payment, for a claim under a contract or for a milestone of a grant. `about_id`: the contract or grant.

    Negative: money that came back.
    """

    TYPE: ClassVar[str] = "linli.projects.payment_made.v1"
    TOPIC: ClassVar[Topic] = PAYMENTS
    KEY: ClassVar[str] = "about_id"

    payment_id: UUID
    about: str  # contract, grant
    about_id: UUID
    organisation_id: UUID
    budget_line_id: UUID
    fen: int
    paid_on: date
