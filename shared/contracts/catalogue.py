"""The service catalogue: what each kind of service needs unless the need says otherwise."""

from dataclasses import dataclass

from shared.contracts.codes import Channel, ContractUnit, Licence, ServiceKind, Skill

_ALL = frozenset({Channel.PUBLIC_DIRECT, Channel.PUBLIC_PURCHASED, Channel.VOLUNTEER})
_PAID = frozenset({Channel.PUBLIC_DIRECT, Channel.PUBLIC_PURCHASED})


@dataclass(frozen=True, slots=True)
class Service:
    """One row of the catalogue.

    `minutes`: usual length. `dangerous`: insurance is needed (Order 685, 17). `on_holidays`: a recurrence runs on
    public holidays by default (8.7). `vital`: unmet, it also goes to the town's list (8.12).
    """

    kind: ServiceKind
    minutes: int
    skills: frozenset[Skill]
    licence: Licence | None = None
    channels: frozenset[Channel] = _ALL
    unit: ContractUnit = ContractUnit.VISIT
    lifting: bool = False
    dangerous: bool = False
    remote: bool = False
    on_holidays: bool = False
    vital: bool = False


CATALOGUE: dict[ServiceKind, Service] = {
    service.kind: service
    for service in (
        Service(ServiceKind.MEAL, 20, frozenset({Skill.MEAL}), on_holidays=True, vital=True),
        Service(
            ServiceKind.CARE,
            60,
            frozenset({Skill.CARE}),
            Licence.CARE_WORKER,
            _PAID,
            ContractUnit.HOUR,
            lifting=True,
            on_holidays=True,
            vital=True,
        ),
        Service(
            ServiceKind.BATHING,
            60,
            frozenset({Skill.BATHING}),
            Licence.CARE_WORKER,
            _PAID,
            lifting=True,
            dangerous=True,
        ),
        Service(ServiceKind.CLEANING, 90, frozenset({Skill.CLEANING}), unit=ContractUnit.HOUR),
        Service(ServiceKind.ESCORT, 150, frozenset({Skill.ESCORT}), dangerous=True),
        Service(ServiceKind.COMPANIONSHIP, 60, frozenset({Skill.COMPANIONSHIP})),
        Service(ServiceKind.PHONE_CALL, 15, frozenset({Skill.COMPANIONSHIP}), remote=True),
        Service(ServiceKind.MEDICATION, 15, frozenset({Skill.MEDICATION}), on_holidays=True, vital=True),
        Service(
            ServiceKind.REHABILITATION, 45, frozenset({Skill.REHABILITATION}), Licence.REHABILITATION, _PAID
        ),
        Service(ServiceKind.HAIRCUT, 30, frozenset({Skill.HAIRCUT})),
        Service(ServiceKind.REPAIR, 60, frozenset({Skill.REPAIR}), dangerous=True),
        Service(ServiceKind.DIGITAL, 60, frozenset({Skill.DIGITAL})),
        Service(ServiceKind.SOCIAL_WORK, 60, frozenset({Skill.SOCIAL_WORK}), Licence.SOCIAL_WORKER, _PAID),
    )
}
