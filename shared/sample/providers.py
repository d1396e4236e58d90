"""Providers: centres' staff, organisations, their carers and dispatchers, the people of the offices."""

from datetime import date, timedelta
from functools import cached_property
from random import Random
from uuid import UUID

from shared.contracts.codes import Channel, Dialect, Licence, Limit, Role, ScopeKind, Skill, TravelMode
from shared.sample.facts import (
    CentreStaff,
    DayWindow,
    Dispatcher,
    HeldLicence,
    Leave,
    Official,
    Organisation,
    PaidCarer,
    Spot,
    Window,
)
from shared.sample.people import Register, credit_code
from shared.sample.places import Places

_BASIC = frozenset({Skill.MEAL, Skill.CLEANING, Skill.COMPANIONSHIP, Skill.MEDICATION, Skill.ESCORT})
_CARE = _BASIC | {Skill.CARE, Skill.BATHING}
# title, skills, licence, how often
_TRADES: tuple[tuple[str, frozenset[Skill], Licence | None, int], ...] = (
    ("护理员", _CARE, Licence.CARE_WORKER, 68),
    ("护士", _CARE | {Skill.NURSING}, Licence.NURSE, 8),
    ("康复师", frozenset({Skill.REHABILITATION, Skill.COMPANIONSHIP}), Licence.REHABILITATION, 8),
    (
        "社工",
        frozenset({Skill.SOCIAL_WORK, Skill.COUNSELLING, Skill.COMPANIONSHIP, Skill.ESCORT, Skill.DIGITAL}),
        Licence.SOCIAL_WORKER,
        8,
    ),
    ("服务员", _BASIC | {Skill.HAIRCUT, Skill.REPAIR, Skill.DIGITAL}, None, 8),
)
# The first carers of every provider, so that a small one can do all kinds.
_FIRST_TRADES = (0, 0, 2, 3)
_FIRST_ELSE = {Channel.PUBLIC_DIRECT: 0, Channel.MARKET: 4}
_PROVIDERS = "爱邻康宁乐龄银铃福寿和悦安馨同心晚晴仁爱"
_TAILS = ("社会服务中心", "居家养老服务中心", "社会工作服务中心", "助老服务社")


class Providers:
    def __init__(self, places: Places, monday: date) -> None:
        self.places = places
        self.monday = monday

    @cached_property
    def organisations(self) -> tuple[Organisation, ...]:
        """The public provider first, then the social organisations, then the market's firm."""
        rng, n, places = self.places.stream("organisations"), self.places.numbers, self.places
        result: list[Organisation] = []

        def add(name: str, prefix: str, channel: Channel, rating: str | None) -> None:
            i = len(result)
            kind = {Channel.PUBLIC_DIRECT: "centre", Channel.MARKET: "firm"}.get(
                channel, "social_organisation"
            )
            host = places.communities[(i * 5) % n.communities]
            seat = rng.choice(places.buildings_of[host.community_id])
            result.append(
                Organisation(
                    organisation_id=places.id("organisation", i),
                    name=name,
                    kind=kind,  # type: ignore[arg-type]  # one of the three by the table above
                    channel=channel,
                    credit_code=credit_code(prefix, 1_000_000 + i),
                    phone=f"0514-8030{i:04d}",
                    address=seat.address,
                    lon=seat.lon,
                    lat=seat.lat,
                    rating=rating,
                )
            )

        if n.public:
            add("市社区养老服务中心", "12", Channel.PUBLIC_DIRECT, None)
        for i in range(n.providers):
            stem = _PROVIDERS[2 * (i % 10) : 2 * (i % 10) + 2] + ("" if i < 10 else f"{i // 10 + 1}部")
            add(
                f"{stem}{_TAILS[i % len(_TAILS)]}",
                "52",
                Channel.PUBLIC_PURCHASED,
                rng.choices(("5A", "4A", "3A", None), (1, 3, 5, 2))[0],
            )
        if n.market:
            add("邻里到家服务有限公司", "91", Channel.MARKET, None)
        return tuple(result)

    @cached_property
    def territory(self) -> dict[UUID, list[int]]:
        """The communities (by index) each organisation works in: a purchased one has a part, the others all."""
        n = self.places.numbers
        bought = [o for o in self.organisations if o.channel is Channel.PUBLIC_PURCHASED]
        # By direction from the centre would split towns; by town order neighbours stay together.
        order = sorted(range(n.communities), key=lambda i: (str(self._town_rank(i)).zfill(4), i))
        result: dict[UUID, list[int]] = {}
        for organisation in self.organisations:
            if organisation.channel is not Channel.PUBLIC_PURCHASED:
                result[organisation.organisation_id] = list(range(n.communities))
                continue
            k = bought.index(organisation)
            size = n.communities / len(bought)
            width = size * (1.5 if len(bought) > 1 else 1)  # neighbours overlap by half
            first = int(k * size)
            result[organisation.organisation_id] = sorted(
                {order[(first + step) % n.communities] for step in range(min(n.communities, round(width)))}
            )
        return result

    def _town_rank(self, i: int) -> int:
        towns = [town.town_id for town in self.places.towns]
        return towns.index(self.places.communities[i].town_id)

    @cached_property
    def _staff(self) -> tuple[tuple[CentreStaff, ...], tuple[PaidCarer, ...], tuple[Dispatcher, ...]]:
        rng, n, places = self.places.stream("staff"), self.places.numbers, self.places
        people = Register(places.key, "staff", rng, 2)
        staff: list[CentreStaff] = []
        carers: list[PaidCarer] = []
        for centre in places.centres:
            staff.append(CentreStaff(people.person(32, 57), centre.centre_id, "站长", True, False))
            if centre.places >= 40:
                staff.append(CentreStaff(people.person(24, 57), centre.centre_id, "管理员", False, False))
        purchased = n.paid - n.public - n.market
        for organisation in self.organisations:
            bought = organisation.channel is Channel.PUBLIC_PURCHASED
            count = {Channel.PUBLIC_DIRECT: n.public, Channel.MARKET: n.market}.get(organisation.channel, 0)
            if bought:
                k = self.organisations.index(organisation) - 1
                count = purchased * (k + 1) // n.providers - purchased * k // n.providers
            for j in range(count):
                trade = (
                    _FIRST_TRADES[j]
                    if bought and j < len(_FIRST_TRADES)
                    else _FIRST_ELSE[organisation.channel]
                    if not bought and j == 0
                    else rng.choices(range(len(_TRADES)), [t[3] for t in _TRADES])[0]
                )
                carer = self._carer(rng, people, organisation, j, trade, story=bought and k == 0 and j == 0)
                carers.append(carer)
                if carer.centre_id is not None:
                    staff.append(CentreStaff(carer.person, carer.centre_id, carer.title, False, True))
        dispatchers = tuple(Dispatcher(people.person(26, 52), o.organisation_id) for o in self.organisations)
        return tuple(staff), tuple(carers), dispatchers

    def _carer(
        self, rng: Random, people: Register, organisation: Organisation, nth: int, trade: int, *, story: bool
    ) -> PaidCarer:
        places, monday = self.places, self.monday
        title, skills, licence, _ = _TRADES[trade]
        public = organisation.channel is Channel.PUBLIC_DIRECT
        person = people.person(22, 59)
        ours = self.territory[organisation.organisation_id]
        centre = places.centres[nth % len(places.centres)] if public else None
        home = places.communities[0 if story else ours[nth % len(ours)]]
        if centre is not None:
            home = next(c for c in places.communities if c.community_id == centre.community_id)
        if centre is not None:
            base = Spot(centre.name, centre.address, centre.lon, centre.lat)
        else:
            building = rng.choice(places.buildings_of[home.community_id])
            base = Spot("住处", building.address, building.lon, building.lat)
        safe = story or nth == 0
        expired = not safe and rng.random() < 0.05
        licences = []
        if licence is not None:
            until = monday + timedelta(days=-rng.randint(1, 200) if expired else rng.randint(60, 1_400))
            licences.append(HeldLicence(licence, f"321081{rng.randrange(10**8):08d}", until))
            if licence is Licence.NURSE:
                licences.append(HeldLicence(Licence.CARE_WORKER, f"321081{rng.randrange(10**8):08d}", until))
        early = rng.random() < 0.5
        off = (
            set()
            if story
            else {5, 6}
            if safe
            else set(rng.choice(((5, 6), (6, 0), (2, 6), (3, 5), (1, 2), (6,))))
        )
        start, end = (7 * 60 + 30, 17 * 60) if early else (8 * 60 + 30, 18 * 60 + 30)
        if not story and rng.random() < 0.1:
            start, end = 8 * 60, 12 * 60 + 30  # part time
        leaves: tuple[Leave, ...] = ()
        if not safe and rng.random() < 0.05:
            first = monday + timedelta(days=rng.randint(-1, 9))
            leaves = (
                Leave(first, first + timedelta(days=rng.randint(0, 4)), rng.choice(("年假", "病假", "事假"))),
            )
        others: tuple[DayWindow, ...] = ()
        if not safe and rng.random() < 0.1:
            at = rng.randrange(9 * 60, 15 * 60, 30)
            days = sorted(rng.sample(range(14), 3))
            others = tuple(DayWindow(monday + timedelta(days=d), at, at + 90) for d in days)
        return PaidCarer(
            person=person,
            organisation_id=organisation.organisation_id,
            centre_id=centre.centre_id if centre else None,
            title=title,
            skills=skills,
            licences=tuple(licences),
            insured_until=None
            if not safe and rng.random() < 0.02
            else monday + timedelta(days=rng.randint(40, 365)),
            lone_cleared_until=None
            if not safe and rng.random() < 0.04
            else monday + timedelta(days=rng.randint(60, 700)),
            dialects=frozenset(
                {Dialect.MANDARIN} | ({Dialect.JIANGHUAI} if story or rng.random() < 0.8 else set())
            ),
            limits=frozenset(
                {Limit.LIFTING} if not safe and person.birth_date.year < 1972 and rng.random() < 0.15 else ()
            ),
            travel_mode=TravelMode.EBIKE
            if story
            else rng.choices(
                (TravelMode.EBIKE, TravelMode.BICYCLE, TravelMode.CAR, TravelMode.BUS), (72, 8, 14, 6)
            )[0],
            base=base,
            community_id=home.community_id,
            weekly=tuple(Window(day, start, end) for day in range(7) if day not in off),
            leaves=leaves,
            other_clients=others,
            daily_minutes=480 if end - start > 300 else 240,
            weekly_minutes=2_400 if end - start > 300 else 1_200,
        )

    @cached_property
    def centre_staff(self) -> tuple[CentreStaff, ...]:
        return self._staff[0]

    @cached_property
    def paid_carers(self) -> tuple[PaidCarer, ...]:
        return self._staff[1]

    @cached_property
    def dispatchers(self) -> tuple[Dispatcher, ...]:
        return self._staff[2]

    @cached_property
    def officials(self) -> tuple[Official, ...]:
        """Bureau, planners, auditor; one responsible person a town, one a community; who opens and scores bids."""
        rng, places = self.places.stream("officials"), self.places
        people = Register(places.key, "official", rng, 4)
        city = [
            (Role.BUREAU, "民政局养老服务科"),
            (Role.PLANNER, "市服务计划员"),
            (Role.AUDITOR, "审计局"),
        ]
        result = [Official(people.person(28, 56), role, ScopeKind.CITY, None, title) for role, title in city]
        result += [
            Official(people.person(28, 56), Role.TOWN, ScopeKind.TOWN, town.town_id, f"{town.name}民政负责人")
            for town in places.towns
        ]
        result += [
            Official(
                people.person(26, 56),
                Role.COMMUNITY,
                ScopeKind.COMMUNITY,
                c.community_id,
                f"{c.name}工作人员",
            )
            for c in places.communities
        ]
        more = [(Role.BUREAU, "民政局财务科")]
        more += [(Role.SCORER, f"评审专家{number}") for number in "一二三四"]
        more += [(Role.SCORER, "民政局评审代表")]
        more += [(Role.BUREAU, "民政局办公室"), (Role.BUREAU, "民政局机关纪委")]
        result += [Official(people.person(35, 60), role, ScopeKind.CITY, None, title) for role, title in more]
        return tuple(result)
