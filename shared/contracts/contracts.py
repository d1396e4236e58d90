"""Contract state: what was bought, at what price, how much of it is paid, and whether it may be drawn on."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.registry import Event, Kind, Topic

CONTRACTS = Topic("linli.contracts", Kind.STATE)


class ContractChanged(Event):
    """A contract as it stands. Without a price: not bought by a call."""

    TYPE: ClassVar[str] = "linli.projects.contract_changed.v1"
    TOPIC: ClassVar[Topic] = CONTRACTS
    KEY: ClassVar[str] = "contract_id"
    VERSION: ClassVar[str | None] = "contract_version"

    contract_id: UUID
    contract_version: int
    organisation_id: UUID
    call_id: UUID | None
    state: str
    price_fen: int | None
    paid_fen: int
    valid_from: date
    valid_to: date  # last valid day
