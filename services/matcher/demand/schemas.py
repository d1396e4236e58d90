"""Unmet demand as it crosses HTTP."""

from datetime import date
from uuid import UUID

from shared.contracts.codes import ServiceKind, UnmetReason
from shared.web.schemas import Answer


class Unmet(Answer):
    """What a published plan leaves undone of a service in a community: what a call could buy.

    `places` and `minutes` are those that nobody fills (a visit for two may lack one); `person_times`: residents left
    without. `purchasable`: visits that a purchased service may fill.
    """

    kind: ServiceKind
    community_id: UUID
    town_id: UUID
    visits: int
    purchasable: int
    places: int
    minutes: int
    person_times: int
    reasons: dict[UnmetReason, int]  # visits by why nobody comes


class UnmetDemand(Answer):
    """Unmet demand of the days, the most minutes first. `asked`: all visits of published days, for the share."""

    first: date
    last: date
    days: int  # with a published plan
    asked: int
    items: list[Unmet]
