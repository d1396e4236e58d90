"""What became of hours and units: ledger entries, told to whoever reports on them."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from shared.contracts.codes import ServiceKind
from shared.contracts.registry import Event, Kind, Topic

RECORDS = Topic("linli.records", Kind.ENTRY, retention_days=15 * 366)


class HoursRecorded(Event):
    """A volunteer's service record entry; negative minutes reverse an earlier one."""

    TYPE: ClassVar[str] = "linli.volunteers.hours_recorded.v1"
    TOPIC: ClassVar[Topic] = RECORDS
    KEY: ClassVar[str] = "person_id"

    person_id: UUID
    visit_id: UUID
    revision: int
    day: date
    kind: ServiceKind
    minutes: int


class DeliveryRecorded(Event):
    """An entry in a contract's delivery ledger; negative units reverse an earlier one."""

    TYPE: ClassVar[str] = "linli.projects.delivery_recorded.v1"
    TOPIC: ClassVar[Topic] = RECORDS
    KEY: ClassVar[str] = "line_id"

    line_id: UUID
    visit_id: UUID
    person_id: UUID
    revision: int
    units: int  # hundredths
    disputed: bool = False  # more delivered than committed
