"""Contract line state: what a purchased service may still be drawn for."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.codes import Channel, ContractUnit, ServiceKind
from shared.contracts.registry import Event, Kind, Topic

LINES = Topic("linli.contract_lines", Kind.STATE)


class ContractLineChanged(Event):
    """A line of a contract. Units are hundredths, so that an hour's quarter is exact."""

    TYPE: ClassVar[str] = "linli.projects.contract_line_changed.v1"
    TOPIC: ClassVar[Topic] = LINES
    KEY: ClassVar[str] = "line_id"
    VERSION: ClassVar[str | None] = "line_version"

    line_id: UUID
    line_version: int
    contract_id: UUID
    organisation_id: UUID
    kinds: frozenset[ServiceKind]
    community_ids: frozenset[UUID]
    unit: ContractUnit
    rounding_minutes: int = 15  # hour lines: minutes are rounded up to a multiple of this
    ceiling: int  # hundredths of a unit
    unit_price_fen: int
    wasted_trip: int = 0  # hundredths of a unit that a wasted trip counts
    valid_from: date
    valid_to: date  # last valid day
    active: bool = True
    channel: Channel = Channel.PUBLIC_PURCHASED  # own staff of a public centre: PUBLIC_DIRECT


def units_of(unit: ContractUnit, rounding_minutes: int, minutes: int, people: int) -> int:
    """Hundredths of a unit that a visit of `minutes` for `people` residents draws (8.19)."""
    match unit:
        case ContractUnit.VISIT:
            return 100
        case ContractUnit.PERSON_TIME:
            return 100 * people
        case ContractUnit.HOUR:
            rounded = -(-minutes // rounding_minutes) * rounding_minutes
            return -(-rounded * 100 // 60)
