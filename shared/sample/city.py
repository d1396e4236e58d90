"""The sample city: every slice of facts, each made when first asked for."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import cached_property
from itertools import chain
from uuid import UUID

from shared.clock import week_start
from shared.contracts.codes import Channel, ContractUnit, Role, ScopeKind, ServiceKind
from shared.contracts.lines import units_of
from shared.sample.calendar import occurrences, special_days, weeks_days
from shared.sample.facts import (
    Account,
    Block,
    Building,
    Card,
    Cell,
    CellWorker,
    Centre,
    CentreStaff,
    Community,
    Contract,
    ContractLine,
    Dispatcher,
    EarlierService,
    Need,
    Official,
    Organisation,
    PaidCarer,
    PaperVisit,
    Person,
    Resident,
    SpecialDay,
    Spot,
    Story,
    Team,
    Town,
    Volunteer,
)
from shared.sample.needs import Needs
from shared.sample.places import Places
from shared.sample.providers import Providers
from shared.sample.residents import Residents
from shared.sample.sizes import Size
from shared.sample.volunteers import Volunteers

_K = ServiceKind
# name, kinds, unit, rounding, price in fen, a wasted trip in hundredths of a unit
_LINES: tuple[tuple[str, frozenset[ServiceKind], ContractUnit, int, int, int], ...] = (
    ("上门生活照料", frozenset({_K.CARE}), ContractUnit.HOUR, 30, 3_500, 0),
    ("助浴", frozenset({_K.BATHING}), ContractUnit.VISIT, 15, 8_000, 50),
    ("助洁", frozenset({_K.CLEANING}), ContractUnit.HOUR, 30, 4_000, 0),
    ("助餐和用药提醒", frozenset({_K.MEAL, _K.MEDICATION}), ContractUnit.VISIT, 15, 600, 0),
    ("陪诊", frozenset({_K.ESCORT}), ContractUnit.VISIT, 15, 12_000, 50),
    ("康复指导", frozenset({_K.REHABILITATION}), ContractUnit.VISIT, 15, 9_000, 0),
    (
        "探访和社会工作",
        frozenset({_K.SOCIAL_WORK, _K.COMPANIONSHIP, _K.PHONE_CALL}),
        ContractUnit.PERSON_TIME,
        15,
        3_000,
        0,
    ),
    (
        "便民小修、理发、手机辅导",
        frozenset({_K.REPAIR, _K.HAIRCUT, _K.DIGITAL}),
        ContractUnit.PERSON_TIME,
        15,
        2_500,
        0,
    ),
)
_SHARE_BOUGHT = 0.3  # of what volunteers could do as well is contracted for
_STAFF_ROLES = {"bureau": Role.BUREAU, "planner": Role.PLANNER, "auditor": Role.AUDITOR}


class City:
    """Read any attribute; only what it rests on is made. Two cities of the same (size, seed, monday) are equal."""

    def __init__(self, size: Size, seed: int, monday: date) -> None:
        if monday != week_start(monday):
            raise ValueError(f"{monday} is not a Monday")
        self.size = size
        self.seed = seed
        self.monday = monday
        self.places = Places(size, seed)
        self._residents = Residents(self.places, monday)
        self._providers = Providers(self.places, monday)
        self._volunteers = Volunteers(self.places, self._residents, self._providers, monday)
        self._needs = Needs(self.places, self._residents, self._providers, self._volunteers, monday)

    # community

    @property
    def towns(self) -> tuple[Town, ...]:
        return self.places.towns

    @property
    def communities(self) -> tuple[Community, ...]:
        return self.places.communities

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.places.cells

    @property
    def cell_workers(self) -> tuple[CellWorker, ...]:
        return self._volunteers.cell_workers

    @property
    def buildings(self) -> tuple[Building, ...]:
        return self.places.buildings

    @property
    def hospitals(self) -> tuple[Spot, ...]:
        return self.places.hospitals

    @property
    def officials(self) -> tuple[Official, ...]:
        return self._providers.officials

    @cached_property
    def special_days(self) -> tuple[SpecialDay, ...]:
        return special_days(self.monday)[0]

    @cached_property
    def years_unpublished(self) -> tuple[int, ...]:
        """Years whose holidays are not known: weekdays stand as they are."""
        return special_days(self.monday)[1]

    # daycare

    @property
    def centres(self) -> tuple[Centre, ...]:
        return self.places.centres

    @property
    def centre_staff(self) -> tuple[CentreStaff, ...]:
        return self._providers.centre_staff

    @property
    def residents(self) -> tuple[Resident, ...]:
        return self._residents.residents

    @property
    def needs(self) -> tuple[Need, ...]:
        return self._needs.needs

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self._needs.blocks

    # volunteers

    @property
    def volunteers(self) -> tuple[Volunteer, ...]:
        return self._volunteers.volunteers

    @property
    def teams(self) -> tuple[Team, ...]:
        return self._volunteers.teams

    @property
    def earlier_services(self) -> tuple[EarlierService, ...]:
        return self._volunteers.earlier_services

    # projects

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        return self._providers.organisations

    @property
    def paid_carers(self) -> tuple[PaidCarer, ...]:
        return self._providers.paid_carers

    @property
    def dispatchers(self) -> tuple[Dispatcher, ...]:
        return self._providers.dispatchers

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        titles = {
            Channel.PUBLIC_DIRECT: ("公办养老服务上门", "养老服务经费", "公共服务"),
            Channel.PUBLIC_PURCHASED: ("政府购买居家养老服务", "社区建设专项资金", "居家养老"),
            Channel.MARKET: ("居民自费上门服务", "居民自付", "便民利民"),
        }
        first = date(self.monday.year, 1, 1)
        if self.monday + timedelta(days=27) > date(first.year, 12, 31):
            first = self.monday - timedelta(days=200)  # the plan's horizon stays inside the contract
        last = first.replace(year=first.year + 1) - timedelta(days=1)
        result = []
        for i, organisation in enumerate(self.organisations):
            title, fund, theme = titles[organisation.channel]
            result.append(
                Contract(
                    contract_id=self.places.id("contract", i),
                    organisation_id=organisation.organisation_id,
                    number=f"仪民购〔{first.year}〕{i + 1:03d}号",
                    title=f"{title}（{organisation.name}）",
                    fund=fund,
                    theme=theme,
                    beneficiary="为老",
                    signed=first - timedelta(days=20),
                    valid_from=first,
                    valid_to=last,
                )
            )
        return tuple(result)

    @cached_property
    def contract_lines(self) -> tuple[ContractLine, ...]:
        """Ceilings for half a year of the part that is to be bought; every ninth line is all but used up."""
        demand = self._weekly_units()
        rng = self.places.stream("lines")
        result: list[ContractLine] = []
        for organisation, contract in zip(self.organisations, self.contracts, strict=True):
            ours = frozenset(
                self.communities[i].community_id
                for i in self._providers.territory[organisation.organisation_id]
            )
            bought = organisation.channel is Channel.PUBLIC_PURCHASED
            for j, (name, kinds, unit, rounding, price, wasted) in enumerate(_LINES):
                weekly = sum(demand.get((j, community), 0) for community in ours)
                short = bought and (len(result) % 9 == 5)
                weeks = 0.25 if short else 26 * (1.0 if j in (0, 1, 5) else _SHARE_BOUGHT)
                ceiling = max(
                    200 if short else 2_000, int(weekly * weeks * rng.uniform(0.9, 1.1)) // 100 * 100
                )
                result.append(
                    ContractLine(
                        line_id=self.places.id("line", organisation.organisation_id, j),
                        contract_id=contract.contract_id,
                        organisation_id=organisation.organisation_id,
                        channel=organisation.channel,
                        name=name,
                        kinds=kinds,
                        community_ids=ours,
                        unit=unit,
                        rounding_minutes=rounding,
                        ceiling=ceiling,
                        unit_price_fen={Channel.PUBLIC_DIRECT: 0, Channel.MARKET: price * 6 // 5}.get(
                            organisation.channel, price
                        ),
                        wasted_trip=wasted if bought else 0,
                        valid_from=contract.valid_from,
                        valid_to=contract.valid_to,
                        short=short,
                    )
                )
        return tuple(result)

    @cached_property
    def tendered(self) -> Contract | None:
        """The contract that a call brought about: that of the first organisation paid by the bureau."""
        paid = [o.organisation_id for o in self.organisations if o.channel is Channel.PUBLIC_PURCHASED]
        return next((c for c in self.contracts if c.organisation_id in paid[:1]), None)

    @cached_property
    def paper_visits(self) -> tuple[PaperVisit, ...]:
        """What was delivered last week under the tendered contract: four visits of home care, each by one carer."""
        lines = [
            line
            for line in self.contract_lines
            if self.tendered and line.contract_id == self.tendered.contract_id and _K.CARE in line.kinds
        ]
        result: list[PaperVisit] = []
        for line in lines:
            carers = [
                c
                for c in self.paid_carers
                if c.organisation_id == line.organisation_id and c.title == "护理员"
            ]
            homes = [
                r
                for r in self.residents
                if r.centre_id and r.community_id in line.community_ids and not r.absences
            ][1:5]
            for n, resident in enumerate(homes if carers else ()):
                assert resident.centre_id is not None
                result.append(
                    PaperVisit(
                        resident_id=resident.resident_id,
                        centre_id=resident.centre_id,
                        person_id=carers[n % len(carers)].person.person_id,
                        organisation_id=line.organisation_id,
                        line_id=line.line_id,
                        kind=_K.CARE,
                        day=self.monday - timedelta(days=6 - n),
                        start=9 * 60,
                        minutes=60 + 30 * (n % 2),
                    )
                )
        return tuple(result)

    def _weekly_units(self) -> dict[tuple[int, UUID], int]:
        """Hundredths of a unit that the week asks for, by line and community."""
        line_of = {kind: j for j, line in enumerate(_LINES) for kind in line[1]}
        special = {day.day: day for day in self.special_days}
        result: dict[tuple[int, UUID], int] = {}
        for need in self.needs:
            j = line_of[need.kind]
            unit, rounding = _LINES[j][2], _LINES[j][3]
            times = len(occurrences(need, self.monday, self.monday + timedelta(days=6), special))
            units = units_of(unit, rounding, need.minutes, len(need.resident_ids)) * times * need.carers
            result[j, need.community_id] = result.get((j, need.community_id), 0) + units
        return result

    # identity

    @cached_property
    def people(self) -> dict[UUID, Person]:
        """Everyone with a name and an ID number, once (8.1), by person id."""
        slices: tuple[Iterable[Person], ...] = (
            (r.person for r in self.residents),
            (c.person for r in self.residents for c in r.contacts if c.person),
            (v.person for v in self.volunteers),
            (s.person for s in self.centre_staff),
            (c.person for c in self.paid_carers),
            (d.person for d in self.dispatchers),
            (w.person for w in self.cell_workers),
            (o.person for o in self.officials),
        )
        return {person.person_id: person for person in chain.from_iterable(slices)}

    @cached_property
    def people_of_the_story(self) -> Story:
        resident = self.residents[0]
        family = next(c.person for c in resident.contacts if c.person is not None)
        carer = next(
            (c for c in self.paid_carers if self._channel(c.organisation_id) is Channel.PUBLIC_PURCHASED),
            None,
        )
        dispatcher = next(
            (d.person for d in self.dispatchers if carer and d.organisation_id == carer.organisation_id), None
        )
        return Story(
            resident=resident,
            family=family,
            centre=self.centres[0],
            centre_staff=self.centre_staff[0].person,
            volunteer=self.volunteers[0],
            second_volunteer=self.volunteers[1],
            volunteer_need=self.needs[0],
            carer=carer,
            dispatcher=dispatcher,
            care_need=self.needs[1] if carer else None,
            planner=next(o.person for o in self.officials if o.role is Role.PLANNER),
            grid_worker=next(
                w.person for w in self.cell_workers if w.cell_id == resident.cell_id and w.duty == "leader"
            ),
        )

    def _channel(self, organisation_id: UUID) -> Channel:
        return next(o.channel for o in self.organisations if o.organisation_id == organisation_id)

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """One sign-in for each role, all around the story's resident."""
        story = self.people_of_the_story
        home = next(c for c in self.communities if c.community_id == story.resident.community_id)
        result: list[Account] = []

        def add(
            username: str, person: Person, role: Role, kind: ScopeKind, scope: UUID | None, title: str
        ) -> None:
            result.append(Account(username, person.person_id, role, kind, scope, f"{person.name}（{title}）"))

        centre = story.centre
        add("centre", story.centre_staff, Role.CENTRE_STAFF, ScopeKind.CENTRE, centre.centre_id, centre.name)
        for username, volunteer in (("volunteer", story.volunteer), ("volunteer2", story.second_volunteer)):
            who = volunteer.person
            add(username, who, Role.VOLUNTEER, ScopeKind.PERSON, who.person_id, "志愿者")
        elder = story.resident.person
        add("resident", elder, Role.RESIDENT, ScopeKind.PERSON, elder.person_id, "居民")
        add("family", story.family, Role.FAMILY, ScopeKind.PERSON, elder.person_id, "家属")
        add("grid", story.grid_worker, Role.GRID_WORKER, ScopeKind.CELL, story.resident.cell_id, "网格员")
        if story.carer is not None and story.dispatcher is not None:
            theirs = story.carer.organisation_id
            name = next(o.name for o in self.organisations if o.organisation_id == theirs)
            add("dispatcher", story.dispatcher, Role.DISPATCHER, ScopeKind.ORGANISATION, theirs, name)
            add("carer", story.carer.person, Role.ORGANISATION_STAFF, ScopeKind.ORGANISATION, theirs, name)
            social = next(c for c in self.paid_carers if c.title == "社工" and c.organisation_id == theirs)
            add(
                "socialworker",
                social.person,
                Role.SOCIAL_WORKER,
                ScopeKind.COMMUNITY,
                home.community_id,
                home.name,
            )
        for username, role in _STAFF_ROLES.items():
            official = next(o for o in self.officials if o.role is role)
            add(username, official.person, role, ScopeKind.CITY, None, official.title)
        for number, official in enumerate([o for o in self.officials if o.role is Role.BUREAU][1:], 2):
            add(f"bureau{number}", official.person, Role.BUREAU, ScopeKind.CITY, None, official.title)
        scorers = [o for o in self.officials if o.role is Role.SCORER]
        for number, official in enumerate(scorers, 1):
            username = "scorer" if number == 1 else f"scorer{number}"
            add(username, official.person, Role.SCORER, ScopeKind.CITY, None, official.title)
        for username, role, scope in (
            ("town", Role.TOWN, home.town_id),
            ("community", Role.COMMUNITY, home.community_id),
        ):
            official = next(o for o in self.officials if o.role is role and o.scope_id == scope)
            add(username, official.person, role, official.scope_kind, scope, official.title)
        return tuple(result)

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        """Printed cards of the story's resident and of the first twenty volunteers."""
        rng = self.places.stream("cards")
        letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        holders = [(volunteer.person, Role.VOLUNTEER) for volunteer in self.volunteers[:20]]
        holders.append((self.residents[0].person, Role.RESIDENT))
        return tuple(
            Card(person.person_id, role, "".join(rng.choices(letters, k=26)), f"{rng.randrange(10**6):06d}")
            for person, role in holders
        )


def make_city(size: Size, seed: int = 1, *, monday: date) -> City:
    """The sample city of a size whose week begins on `monday`."""
    return City(size, seed, monday)


def visits_by_day(city: City) -> dict[date, int]:
    """Visits of the sample's week: recurrences expanded, holidays and absences taken out."""
    return _per_day(city, lambda need: 1)


def doubles_by_day(city: City) -> dict[date, int]:
    """Those of them that want two carers."""
    return _per_day(city, lambda need: int(need.carers == 2))


def _per_day(city: City, weight: Callable[[Need], int]) -> dict[date, int]:
    special = {day.day: day for day in city.special_days}
    absences = {r.resident_id: r.absences for r in city.residents if r.absences}
    result = dict.fromkeys(weeks_days(city.monday), 0)
    for need in city.needs:
        worth = weight(need)
        if not worth:
            continue
        for day in occurrences(need, city.monday, city.monday + timedelta(days=6), special):
            away = [
                any(
                    a.first_day <= day and (a.last_day is None or day <= a.last_day)
                    for a in absences.get(who, ())
                )
                for who in need.resident_ids
            ]
            result[day] += worth * (not all(away))
    return result


def snapshot_numbers(city: City) -> dict[str, int]:
    """What the sizes table counts; `visits` is the busiest day's."""
    by_day, doubles = visits_by_day(city), doubles_by_day(city)
    return {
        "communities": len(city.communities),
        "residents": len(city.residents),
        "volunteers": len(city.volunteers),
        "paid_carers": len(city.paid_carers),
        "centres": len(city.centres),
        "visits": max(by_day.values()),
        "visits_week": sum(by_day.values()),
        "doubles_week": sum(doubles.values()),
    }
