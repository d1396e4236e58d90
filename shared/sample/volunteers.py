"""Volunteers, their teams and earlier hours, and the grid's workers, some of whom are volunteers too."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, time, timedelta
from functools import cached_property
from random import Random
from uuid import UUID

from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import (
    DayPart,
    Dialect,
    Grade,
    Licence,
    Limit,
    ServiceKind,
    Sex,
    Skill,
    TravelMode,
)
from shared.sample.facts import (
    Building,
    CellWorker,
    EarlierService,
    HeldLicence,
    PartException,
    Person,
    SkillHeld,
    Team,
    Volunteer,
    Window,
)
from shared.sample.people import Register
from shared.sample.places import Places
from shared.sample.providers import Providers
from shared.sample.residents import Residents

_SKILLS: tuple[tuple[Skill, float], ...] = (
    (Skill.COMPANIONSHIP, 0.66),
    (Skill.MEAL, 0.5),
    (Skill.CLEANING, 0.28),
    (Skill.MEDICATION, 0.26),
    (Skill.ESCORT, 0.24),
    (Skill.DIGITAL, 0.2),
    (Skill.HAIRCUT, 0.07),
    (Skill.REPAIR, 0.09),
    (Skill.COUNSELLING, 0.04),
    (Skill.SIGN_LANGUAGE, 0.02),
)
_TEAM_NAMES = ("邻里守望队", "银发互助队", "红马甲助餐队", "暖心陪伴队")
_CONTENT = {
    ServiceKind.MEAL: "为老人送午餐",
    ServiceKind.COMPANIONSHIP: "上门陪伴聊天",
    ServiceKind.CLEANING: "帮助打扫房间",
    ServiceKind.MEDICATION: "提醒按时服药",
    ServiceKind.ESCORT: "陪同到医院就诊",
    ServiceKind.DIGITAL: "教老人使用智能手机",
    ServiceKind.HAIRCUT: "上门理发",
    ServiceKind.REPAIR: "修理家中小件",
}
_ALL_PARTS = tuple((day, part) for day in range(7) for part in DayPart)


class Volunteers:
    def __init__(self, places: Places, residents: Residents, providers: Providers, monday: date) -> None:
        self.places = places
        self._residents = residents
        self._providers = providers
        self.monday = monday

    @cached_property
    def _bare(self) -> tuple[Volunteer, ...]:
        """All volunteers before grid duty and teams are known."""
        rng, places = self.places.stream("volunteers"), self.places
        people = Register(places.key, "volunteer", rng, 1)
        total = places.numbers.volunteers
        communities = places.communities
        homes = rng.choices(range(len(communities)), [c.households for c in communities], k=total)
        known = self._known_people(total)
        result = []
        for i in range(total):
            story = i < 2
            building: Building
            if story:
                first = self._residents.residents[0]
                near = [b for b in places.buildings_of[first.community_id] if b.cell_id == first.cell_id]
                building, person = rng.choice(near), people.person(61, 67, Sex.FEMALE)
            elif i in known:
                person, building = known[i]
            else:
                building = rng.choice(places.buildings_of[communities[homes[i]].community_id])
                person = people.person(60, 78) if rng.random() < 0.58 else people.person(17, 59)
            result.append(self._volunteer(rng, i, person, building, story))
        return tuple(result)

    def _known_people(self, total: int) -> dict[int, tuple[Person, Building]]:
        """People who are in the city in another capacity: fit residents, and some paid carers."""
        buildings = {building.building_id: building for building in self.places.buildings}
        fit = [
            r for r in self._residents.residents[2:] if r.grade is Grade.INTACT and r.building_id is not None
        ]
        known: list[tuple[Person, Building]] = [
            (r.person, buildings[r.building_id])
            for r in fit[: max(2, total // 100)]
            if r.building_id is not None
        ]
        for carer in self._providers.paid_carers[1::9]:
            at = next(b for b in self.places.buildings_of[carer.community_id])
            known.append((carer.person, at))
        step = max(1, (total - 4) // max(1, len(known)))
        return {3 + n * step: pair for n, pair in enumerate(known)}

    def _volunteer(self, rng: Random, i: int, person: Person, building: Building, story: bool) -> Volunteer:
        monday, places = self.monday, self.places
        old = person.birth_date.year < 1966
        if story:
            skills: list[SkillHeld] = [
                SkillHeld(s, True) for s in (Skill.COMPANIONSHIP, Skill.MEAL, Skill.ESCORT)
            ]
        else:
            skills = [
                SkillHeld(skill, rng.random() < 0.88) for skill, chance in _SKILLS if rng.random() < chance
            ]
            if not skills:
                skills = [SkillHeld(Skill.COMPANIONSHIP, True)]
        insured = story or rng.random() < 0.72
        cleared = story or rng.random() < 0.62
        limits = set()
        if not story and old and rng.random() < 0.3:
            limits.add(Limit.LIFTING)
        if not story and old and rng.random() < 0.14:
            limits.add(Limit.STAIRS)
        licences: tuple[HeldLicence, ...] = ()
        if rng.random() < 0.01:
            code = rng.choice((Licence.NURSE, Licence.SOCIAL_WORKER))
            until = monday + timedelta(days=rng.randint(-90, 900))
            licences = (HeldLicence(code, f"321081{rng.randrange(10**8):08d}", until),)
        return Volunteer(
            person=person,
            community_id=building.community_id,
            cell_id=building.cell_id,
            centre_id=places.centre_of[building.community_id].centre_id,
            team_id=None,
            address=building.address,
            lon=building.lon,
            lat=building.lat,
            registered_on=monday - timedelta(days=rng.randint(30, 2_000)),
            skills=tuple(skills),
            licences=licences,
            insured_until=monday
            + timedelta(
                days=400 if story else rng.choices((rng.randint(10, 365), -rng.randint(1, 60)), (94, 6))[0]
            )
            if insured
            else None,
            lone_cleared_until=monday
            + timedelta(
                days=500 if story else rng.choices((rng.randint(10, 730), -rng.randint(1, 90)), (95, 5))[0]
            )
            if cleared
            else None,
            dialects=frozenset(
                {Dialect.MANDARIN, *([Dialect.JIANGHUAI] if story or rng.random() < 0.68 else [])}
                | ({Dialect.WU} if rng.random() < 0.04 else set())
            ),
            limits=frozenset(limits),
            refused_kinds=frozenset(
                {rng.choice(tuple(_CONTENT))} if not story and rng.random() < 0.05 else ()
            ),
            travel_mode=TravelMode.WALK
            if story
            else rng.choices(
                (TravelMode.WALK, TravelMode.BICYCLE, TravelMode.EBIKE, TravelMode.BUS, TravelMode.CAR),
                (32, 14, 38, 8, 8) if old else (14, 12, 44, 8, 22),
            )[0],
            weekly=_ALL_PARTS if story else _parts(rng, old),
            exceptions=() if story else _exceptions(rng, monday),
            stipended=(),
            daily_minutes=240 if story else rng.choice((120, 180, 240)),
            weekly_minutes=1_200 if story else rng.choice((240, 360, 480, 720)),
        )

    @cached_property
    def _workers_and_duty(self) -> tuple[tuple[CellWorker, ...], dict[UUID, tuple[Window, ...]]]:
        rng, places = self.places.stream("cells' workers"), self.places
        people = Register(places.key, "cell worker", rng, 3)
        locals_: dict[UUID, list[Volunteer]] = {}
        for volunteer in self._bare[2:]:
            locals_.setdefault(volunteer.cell_id, []).append(volunteer)
        duty: dict[UUID, tuple[Window, ...]] = {}
        workers: list[CellWorker] = []
        story_cell = self._residents.residents[0].cell_id
        for cell in places.cells:
            if cell.cell_id == story_cell or rng.random() > 0.03:
                windows = tuple(Window(day, 9 * 60, 11 * 60) for day in sorted(rng.sample(range(5), 2)))
                workers.append(CellWorker(people.person(24, 56), cell.cell_id, "leader", windows, 120_000))
            for _ in range(rng.choices((0, 1, 2), (7, 78, 15))[0]):
                evening = rng.random() < 0.7
                at = 19 * 60 if evening else 14 * 60
                windows = tuple(Window(day, at, at + 120) for day in sorted(rng.sample(range(7), 2)))
                free = [v for v in locals_.get(cell.cell_id, ()) if v.person.person_id not in duty]
                if free and rng.random() < 0.5:
                    who = rng.choice(free).person
                    duty[who.person_id] = windows
                else:
                    who = people.person(22, 60)
                workers.append(CellWorker(who, cell.cell_id, "assistant", windows, 40_000))
        return tuple(workers), duty

    @cached_property
    def cell_workers(self) -> tuple[CellWorker, ...]:
        return self._workers_and_duty[0]

    @cached_property
    def teams(self) -> tuple[Team, ...]:
        """One or two a community, led by one of its own volunteers."""
        return tuple(self._team_of.values())

    @cached_property
    def _team_of(self) -> dict[tuple[UUID, int], Team]:
        locals_: dict[UUID, list[Volunteer]] = {}
        for volunteer in self._bare:
            locals_.setdefault(volunteer.community_id, []).append(volunteer)
        result: dict[tuple[UUID, int], Team] = {}
        for i, community in enumerate(self.places.communities):
            who = locals_.get(community.community_id, [])
            for j in range(min(2, len(who) // 10)):
                result[community.community_id, j] = Team(
                    team_id=self.places.id("team", i, j),
                    name=f"{community.name}{_TEAM_NAMES[(i + j) % len(_TEAM_NAMES)]}",
                    community_id=community.community_id,
                    leader_id=who[2 + j].person.person_id,
                )
        return result

    @cached_property
    def volunteers(self) -> tuple[Volunteer, ...]:
        rng = self.places.stream("membership")
        duty = self._workers_and_duty[1]
        leads = {team.leader_id: team for team in self.teams}
        result = []
        for bare in self._bare:
            volunteer = bare
            who = volunteer.person.person_id
            team = leads.get(who)
            if team is None and rng.random() < 0.55:
                team = self._team_of.get((volunteer.community_id, rng.randrange(2)))
            if team is not None or who in duty:
                volunteer = replace(
                    volunteer, team_id=team.team_id if team else None, stipended=duty.get(who, ())
                )
            result.append(volunteer)
        return tuple(result)

    @cached_property
    def earlier_services(self) -> tuple[EarlierService, ...]:
        """A tenth of the volunteers (the story's first among them) come with up to six records of earlier weeks."""
        rng, places = self.places.stream("earlier"), self.places
        in_charge = {s.centre_id: s.person.person_id for s in self._providers.centre_staff if s.in_charge}
        result = []
        for i, volunteer in enumerate(self.volunteers):
            if i and rng.random() > 0.1:
                continue
            kinds = _kinds_of(skill.skill for skill in volunteer.skills if skill.verified)
            if not kinds:
                continue
            for j, week in enumerate(sorted(rng.sample(range(1, 25), rng.randint(2, 6)), reverse=True)):
                kind = rng.choice(kinds)
                day = self.monday - timedelta(days=7 * week - rng.randrange(7))
                if day < volunteer.registered_on:
                    continue
                result.append(
                    EarlierService(
                        record_id=places.id("earlier", i, j),
                        person_id=volunteer.person.person_id,
                        day=day,
                        start=time(rng.choice((9, 10, 14, 15)), rng.choice((0, 30))),
                        minutes=CATALOGUE[kind].minutes,
                        kind=kind,
                        content=_CONTENT[kind],
                        community_id=volunteer.community_id,
                        centre_id=volunteer.centre_id,
                        responsible_id=in_charge[volunteer.centre_id],
                    )
                )
        return tuple(result)


def _kinds_of(skills: Iterable[Skill]) -> list[ServiceKind]:
    held = set(skills)
    return [kind for kind in _CONTENT if CATALOGUE[kind].skills <= held]


def _parts(rng: Random, old: bool) -> tuple[tuple[int, DayPart], ...]:
    """Retired people have daytimes, working people evenings and weekends."""
    if old or rng.random() < 0.15:
        part = rng.choices((DayPart.MORNING, DayPart.AFTERNOON), (6, 4))[0]
        days = rng.sample(range(7), rng.randint(2, 5))
        parts = {(day, part) for day in days}
        if rng.random() < 0.4:
            other = DayPart.AFTERNOON if part is DayPart.MORNING else DayPart.MORNING
            parts |= {(day, other) for day in days[: rng.randint(1, 3)]}
    else:
        parts = {(day, part) for day in (5, 6) for part in DayPart if rng.random() < 0.5}
        parts |= {(day, DayPart.EVENING) for day in rng.sample(range(5), rng.randint(0, 2))}
        parts |= {(rng.randrange(7), DayPart.MORNING)} if rng.random() < 0.4 or not parts else set()
    return tuple(pair for pair in _ALL_PARTS if pair in parts)


def _exceptions(rng: Random, monday: date) -> tuple[PartException, ...]:
    if rng.random() > 0.08:
        return ()
    day = monday + timedelta(days=rng.randrange(14))
    if rng.random() < 0.3:
        return (PartException(day, rng.choice(tuple(DayPart)), True),)
    return tuple(PartException(day, part, False) for part in DayPart)
