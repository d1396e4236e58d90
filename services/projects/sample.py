"""The sample's organisations, contracts, staff and calls, brought in through the service layer."""

from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.projects.calls.sample import load_calls
from services.projects.contracts.schemas import NewContract, NewLine
from services.projects.contracts.service import add_line, sign
from services.projects.organisations.schemas import NewController, NewOrganisation
from services.projects.organisations.service import add_organisation, say_controllers
from services.projects.staff.schemas import Base, Hours, NewStaff
from services.projects.staff.service import take_on_many
from services.projects.staff.tables import LeaveRow, LicenceRow, StaffRow
from shared.clock import instant
from shared.database.base import among
from shared.database.work import Database, Work
from shared.ids import derived_id
from shared.sample import City
from shared.sample.facts import PaidCarer

BATCH = 500


def load(database: Database, city: City) -> None:
    """Load the sample's slice. What is there already is left as it is, so a load that was cut short goes on."""
    with database.work() as work:
        for fact in city.organisations:
            new = NewOrganisation(
                name=fact.name,
                kind=fact.kind,
                channel=fact.channel,
                credit_code=fact.credit_code,
                phone=fact.phone,
                address=fact.address,
                lon=fact.lon,
                lat=fact.lat,
                rating=fact.rating,
            )
            row = add_organisation(work, new, fact.organisation_id)
            runs = next(
                (d.person for d in city.dispatchers if d.organisation_id == row.organisation_id), None
            )
            if runs is not None and row.controllers_at is None:
                work.expected_version = row.version
                owner = NewController(name=runs.name, id_number=runs.id_number, share=51)
                say_controllers(work, row, [owner])
        entered = [c for c in city.contracts if c != city.tendered]  # that one is signed after its call
        contracts = {c.contract_id: sign(work, _contract(c), c.contract_id) for c in entered}
        for line in city.contract_lines:
            if line.contract_id not in contracts:
                continue
            new_line = NewLine(
                name=line.name,
                kinds=sorted(line.kinds),
                community_ids=sorted(line.community_ids),
                unit=line.unit,
                rounding_minutes=line.rounding_minutes,
                ceiling=line.ceiling,
                unit_price_fen=line.unit_price_fen,
                wasted_trip=line.wasted_trip,
            )
            add_line(work, contracts[line.contract_id], new_line, line.line_id)
    for carers in _batches(city.paid_carers):
        with database.work() as work:
            _staff(work, carers)
    load_calls(database, city)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _contract(fact: Any) -> NewContract:
    return NewContract(
        organisation_id=fact.organisation_id,
        number=fact.number,
        title=fact.title,
        fund=fact.fund,
        theme=fact.theme,
        beneficiary=fact.beneficiary,
        signed=fact.signed,
        valid_from=fact.valid_from,
        valid_to=fact.valid_to,
    )


def _staff(work: Work, facts: Sequence[PaidCarer]) -> None:
    people = [f.person.person_id for f in facts]
    known = set(
        work.session.execute(
            select(StaffRow.person_id, StaffRow.organisation_id).where(among(StaffRow.person_id, people))
        ).all()
    )
    fresh = [f for f in facts if (f.person.person_id, f.organisation_id) not in known]
    licences = [
        {
            "person_id": f.person.person_id,
            "code": held.code.value,
            "number": held.number,
            "valid_until": held.valid_until,
        }
        for f in fresh
        for held in f.licences
    ]
    leaves = [leave for f in fresh for leave in _leaves(work, f)]
    if licences:
        work.session.execute(insert(LicenceRow).on_conflict_do_nothing(), licences)
    if leaves:
        work.session.execute(insert(LeaveRow).on_conflict_do_nothing(), leaves)
    if fresh:
        take_on_many(work, [_person(f) for f in fresh])


def _leaves(work: Work, fact: PaidCarer) -> list[dict[str, Any]]:
    spans = [
        ("leave", instant(away.first_day, time()), instant(away.last_day + timedelta(days=1), time()))
        for away in fact.leaves
    ]
    for client in fact.other_clients:
        midnight = instant(client.day, time())
        spans.append(
            (
                "other_client",
                midnight + timedelta(minutes=client.start),
                midnight + timedelta(minutes=client.end),
            )
        )
    return [
        {
            "leave_id": derived_id("leave", fact.person.person_id, fact.organisation_id, kind, starts),
            "person_id": fact.person.person_id,
            "organisation_id": fact.organisation_id,
            "kind": kind,
            "starts_at": starts,
            "ends_at": ends,
            "made_at": work.now,
        }
        for kind, starts, ends in spans
    ]


def _person(fact: PaidCarer) -> NewStaff:
    return NewStaff(
        person_id=fact.person.person_id,
        organisation_id=fact.organisation_id,
        name=fact.person.name,
        sex=fact.person.sex,
        birth_date=fact.person.birth_date,
        id_number=fact.person.id_number,
        phone=fact.person.phone,
        title=fact.title,
        centre_id=fact.centre_id,
        community_id=fact.community_id,
        base=Base(lon=fact.base.lon, lat=fact.base.lat),
        skills=sorted(fact.skills),
        dialects=sorted(fact.dialects),
        limits=sorted(fact.limits),
        travel_mode=fact.travel_mode,
        weekly=[Hours(weekday=w.weekday, start=w.start, end=w.end) for w in fact.weekly],
        insured_until=fact.insured_until,
        lone_cleared_until=fact.lone_cleared_until,
        daily_minutes=fact.daily_minutes,
        weekly_minutes=fact.weekly_minutes,
    )
