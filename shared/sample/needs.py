"""Needs: what each resident is to be given and when, so many that a day has as many visits as the size promises."""

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from functools import cached_property
from random import Random
from typing import Literal
from uuid import UUID

from shared.contracts.catalogue import CATALOGUE
from shared.contracts.codes import Channel, Grade, ServiceKind, Skill, Urgency
from shared.sample.calendar import weeks_days
from shared.sample.facts import Block, Need, Resident, Spot
from shared.sample.places import Places
from shared.sample.providers import Providers
from shared.sample.residents import Residents
from shared.sample.sizes import DOUBLES, ONE_OFF
from shared.sample.volunteers import Volunteers

_UNNAMED = UUID(int=0)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_K = ServiceKind


@dataclass(frozen=True, slots=True)
class _Habit:
    """How a kind is usually asked for: times a week, earliest starts, windows, minutes."""

    weekly: tuple[int, ...]
    starts: tuple[int, ...]
    windows: tuple[int, ...]
    minutes: tuple[int, ...]


def _between(first: int, last: int, step: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1, step))


_MORNING = _between(8 * 60, 10 * 60, 30)
_DAYTIME = _MORNING + _between(13 * 60 + 30, 15 * 60 + 30, 30)
_HABITS: dict[ServiceKind, _Habit] = {
    _K.MEAL: _Habit((5, 5, 7, 7, 3), (630, 640, 650, 660, 670, 980, 1000, 1020), (30, 40, 60), (20,)),
    _K.MEDICATION: _Habit((7, 7, 5), (480, 490, 500, 510, 540, 1080, 1110), (45, 60, 90), (15,)),
    _K.CARE: _Habit((3, 5, 2), _DAYTIME, (60, 90, 120), (60, 60, 90)),
    _K.BATHING: _Habit((1, 1, 2), (540, 570, 600, 810, 840, 870), (60, 90), (60,)),
    _K.CLEANING: _Habit((1, 1, 2), _DAYTIME, (90, 120), (90, 90, 60)),
    _K.ESCORT: _Habit((1,), (480, 500, 510, 780), (20, 30), (150, 180)),
    _K.COMPANIONSHIP: _Habit((1, 2, 3), (*_DAYTIME, 1080), (60, 120), (60, 60, 45)),
    _K.PHONE_CALL: _Habit((2, 3, 5, 7), (*_DAYTIME, 1080, 1110), (90, 120), (15,)),
    _K.REHABILITATION: _Habit((1, 2), _DAYTIME, (60, 120), (45,)),
    _K.HAIRCUT: _Habit((1,), _DAYTIME, (120,), (30,)),
    _K.REPAIR: _Habit((1,), _DAYTIME, (120,), (60,)),
    _K.DIGITAL: _Habit((1,), _DAYTIME, (60, 120), (60,)),
    _K.SOCIAL_WORK: _Habit((1,), _DAYTIME, (90, 120), (60,)),
}
# How likely a resident of a grade asks for a kind.
_WANTS: dict[Grade, dict[ServiceKind, int]] = {
    Grade.INTACT: {
        _K.COMPANIONSHIP: 30,
        _K.PHONE_CALL: 25,
        _K.CLEANING: 12,
        _K.DIGITAL: 12,
        _K.MEAL: 15,
        _K.HAIRCUT: 3,
    },
    Grade.MILD: {
        _K.COMPANIONSHIP: 26,
        _K.PHONE_CALL: 16,
        _K.MEAL: 28,
        _K.CLEANING: 16,
        _K.MEDICATION: 6,
        _K.DIGITAL: 5,
        _K.ESCORT: 3,
        _K.SOCIAL_WORK: 2,
    },
    Grade.MODERATE: {
        _K.MEAL: 30,
        _K.COMPANIONSHIP: 18,
        _K.MEDICATION: 14,
        _K.CLEANING: 14,
        _K.CARE: 8,
        _K.BATHING: 10,
        _K.REHABILITATION: 5,
        _K.SOCIAL_WORK: 2,
    },
    Grade.SEVERE: {
        _K.MEAL: 26,
        _K.MEDICATION: 18,
        _K.CARE: 16,
        _K.BATHING: 14,
        _K.COMPANIONSHIP: 14,
        _K.REHABILITATION: 5,
    },
    Grade.TOTAL: {
        _K.MEAL: 20,
        _K.MEDICATION: 18,
        _K.CARE: 26,
        _K.BATHING: 14,
        _K.COMPANIONSHIP: 12,
        _K.REHABILITATION: 3,
    },
}
_WANTS[Grade.UNKNOWN] = _WANTS[Grade.MILD]
_ONCE: dict[ServiceKind, int] = {
    _K.ESCORT: 32,
    _K.REPAIR: 20,
    _K.HAIRCUT: 16,
    _K.DIGITAL: 12,
    _K.COMPANIONSHIP: 14,
    _K.SOCIAL_WORK: 6,
}
_PAID_ONLY = {kind for kind, service in CATALOGUE.items() if Channel.VOLUNTEER not in service.channels}
_TWO_FIT = {_K.BATHING, _K.CARE, _K.ESCORT, _K.CLEANING, _K.COMPANIONSHIP, _K.REPAIR}
_NOTES: dict[ServiceKind, tuple[str, ...]] = {
    _K.MEAL: ("软食，少盐", "送到手上再离开", ""),
    _K.ESCORT: ("带上医保卡和病历", "复诊取药"),
    _K.REPAIR: ("水龙头漏水", "换灯泡", "门锁不好开"),
    _K.CLEANING: ("主要是厨房和卫生间", ""),
    _K.COMPANIONSHIP: ("喜欢聊过去的事", "一起散步", ""),
}


class Needs:
    def __init__(
        self, places: Places, residents: Residents, providers: Providers, volunteers: Volunteers, monday: date
    ) -> None:
        self.places = places
        self._residents = residents
        self._providers = providers
        self._volunteers = volunteers
        self.monday = monday

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The story's first, then recurrences until the week is nearly full, then this week's one-off needs."""
        rng, n = self.places.stream("needs"), self.places.numbers
        week = weeks_days(self.monday)
        residents = self._residents.residents
        target = [n.visits if day < 5 else round(n.visits * n.weekend) for day in range(7)]
        # A working day leaves room for what comes up once; what the calendar takes away is not made good.
        wanted = [round(target[day] * (1 - ONE_OFF)) for day in range(7)]
        present = {r.resident_id: [not _away(r, day) for day in week] for r in residents}
        taken: dict[UUID, list[tuple[int, int, int]]] = {}
        kinds: dict[UUID, set[ServiceKind]] = {}
        count = [0] * 7
        needs: list[Need] = []

        def put(need: Need, days: tuple[int, ...]) -> None:
            needs.append(need)
            for resident_id in need.resident_ids:
                start = need.start.hour * 60 + need.start.minute
                end = start + need.window_minutes + need.minutes
                taken.setdefault(resident_id, []).extend((day, start, end) for day in days)
                kinds.setdefault(resident_id, set()).add(need.kind)
            for day in days:
                count[day] += any(present[resident_id][day] for resident_id in need.resident_ids)

        def free(resident: Resident, days: tuple[int, ...], start: int, end: int) -> bool:
            return not any(
                day in days and start < until and since < end
                for day, since, until in taken.get(resident.resident_id, ())
            )

        for number, (need, days) in enumerate(self._story(rng)):
            put(replace(need, need_id=self.places.id("need", "story", number)), days)
        made = 0
        for _ in range(40 * len(residents)):
            if all(count[day] >= wanted[day] for day in range(7)):
                break
            resident = residents[rng.randrange(1, len(residents))]
            mine = kinds.get(resident.resident_id, set())
            kind = self._kind(rng, resident, len(mine))
            if kind is None or kind in mine:
                continue
            habit = _HABITS[kind]
            start, window, minutes = (
                rng.choice(habit.starts),
                rng.choice(habit.windows),
                rng.choice(habit.minutes),
            )
            short = sorted(
                range(7), key=lambda day: (wanted[day] - count[day]) / target[day] + rng.random() * 0.1
            )
            days = tuple(sorted(d for d in short[-rng.choice(habit.weekly) :] if count[d] < wanted[d]))
            if not days or not free(resident, days, start, start + window + minutes):
                continue
            need = self._need(rng, resident, kind, start, window, minutes)
            put(replace(self._series(rng, need, days), need_id=self.places.id("need", made)), days)
            made += 1
        this_week = self.monday.isoformat()
        extra = 0
        for number, (need, day) in enumerate(self._groups(rng)):
            put(replace(need, need_id=self.places.id("need", this_week, "group", number)), (day,))
        for day in range(7):
            for _ in range(60 * n.visits):
                if count[day] >= target[day]:
                    break
                resident = rng.choice(residents[1:])
                kind = rng.choices(tuple(_ONCE), tuple(_ONCE.values()))[0]
                if not n.paid and kind in _PAID_ONLY:
                    continue
                habit = _HABITS[kind]
                start, window, minutes = (
                    rng.choice(habit.starts),
                    rng.choice(habit.windows),
                    rng.choice(habit.minutes),
                )
                if not present[resident.resident_id][day] or not free(
                    resident, (day,), start, start + window + minutes
                ):
                    continue
                need = self._need(rng, resident, kind, start, window, minutes)
                put(
                    replace(
                        need,
                        need_id=self.places.id("need", this_week, extra),
                        first_day=week[day],
                        urgency=rng.choices(tuple(Urgency), (5, 4, 1))[0],
                    ),
                    (day,),
                )
                extra += 1
        return self._doubled(rng, needs)

    def _kind(self, rng: Random, resident: Resident, asked: int) -> ServiceKind | None:
        if asked >= 6:
            return None
        wants = _WANTS[resident.grade]
        kind = rng.choices(tuple(wants), tuple(wants.values()))[0]
        if kind in _PAID_ONLY and not self.places.numbers.paid:
            return None
        return kind

    def _series(self, rng: Random, need: Need, days: tuple[int, ...]) -> Need:
        rule = "FREQ=DAILY" if len(days) == 7 else "FREQ=WEEKLY;BYDAY=" + ",".join(_DAYS[day] for day in days)
        if len(days) == 1 and rng.random() < 0.15:
            rule = f"FREQ=WEEKLY;INTERVAL=2;BYDAY={_DAYS[days[0]]}"
        return replace(
            need,
            rrule=rule,
            first_day=self.monday + timedelta(days=days[0]),
            last_day=self.monday + timedelta(days=7 * 12 + 6) if rng.random() < 0.05 else None,
        )

    def _need(
        self, rng: Random, resident: Resident, kind: ServiceKind, start: int, window: int, minutes: int
    ) -> Need:
        service = CATALOGUE[kind]
        channels = service.channels
        paid = self.places.numbers.paid > 0
        if paid and kind in (_K.CLEANING, _K.REPAIR, _K.HAIRCUT) and rng.random() < 0.12:
            channels = frozenset({Channel.MARKET})
        elif paid and kind not in _PAID_ONLY and rng.random() < 0.1:
            channels = frozenset({Channel.VOLUNTEER})
        elif paid and kind in (_K.CARE, _K.MEAL) and rng.random() < 0.06:
            channels = channels | {Channel.MARKET}
        skills: frozenset[Skill] | None = None
        if kind is _K.COMPANIONSHIP and rng.random() < 0.015:
            skills = service.skills | {rng.choice((Skill.SIGN_LANGUAGE, Skill.COUNSELLING))}
        worker = None
        if kind is _K.SOCIAL_WORK and rng.random() < 0.5:
            worker = self._social_worker(rng, resident.community_id)
        dialect = resident.dialect_wish
        return Need(
            need_id=_UNNAMED,
            resident_ids=(resident.resident_id,),
            centre_id=resident.centre_id,
            community_id=resident.community_id,
            kind=kind,
            rrule=None,
            first_day=self.monday,
            last_day=None,
            start=time(start // 60, start % 60),
            window_minutes=window,
            minutes=minutes,
            carers=1,
            skills=skills,
            sex_wish=resident.sex_wish if kind in (_K.BATHING, _K.CARE, _K.COMPANIONSHIP) else None,
            sex_wish_hard=resident.sex_wish_hard and kind in (_K.BATHING, _K.CARE),
            dialect_wish=dialect,
            dialect_wish_hard=resident.dialect_wish_hard and kind is _K.COMPANIONSHIP,
            channels=channels,
            urgency=Urgency.SOON if service.vital and rng.random() < 0.3 else Urgency.ROUTINE,
            lone_risk=not service.remote and rng.random() < (0.12 if resident.living_alone else 0.05),
            on_holidays=service.on_holidays,
            place="home",
            end=self._hospital(rng) if kind is _K.ESCORT and rng.random() < 0.6 else None,
            social_worker_id=worker,
            note=rng.choice(_NOTES.get(kind, ("",))),
        )

    def _hospital(self, rng: Random) -> Spot:
        return rng.choice(self.places.hospitals)

    @cached_property
    def _social_workers(self) -> dict[UUID, list[UUID]]:
        """Who may be named in each community: the social workers of the providers there."""
        result: dict[UUID, list[UUID]] = {}
        for carer in self._providers.paid_carers:
            if Skill.SOCIAL_WORK in carer.skills:
                for i in self._providers.territory[carer.organisation_id]:
                    result.setdefault(self.places.communities[i].community_id, []).append(
                        carer.person.person_id
                    )
        return result

    def _social_worker(self, rng: Random, community_id: UUID) -> UUID | None:
        near = self._social_workers.get(community_id)
        return rng.choice(near) if near else None

    def _story(self, rng: Random) -> list[tuple[Need, tuple[int, ...]]]:
        """The first resident has company every afternoon and, where there are carers, care every morning."""
        first = self._residents.residents[0]
        every_day = tuple(range(7))
        company = replace(
            self._need(rng, first, _K.COMPANIONSHIP, 14 * 60, 60, 60),
            rrule="FREQ=DAILY",
            channels=CATALOGUE[_K.COMPANIONSHIP].channels,
            skills=None,
            lone_risk=False,
            on_holidays=True,
            note="喜欢聊过去的事",
        )
        if not self.places.numbers.paid:
            return [(company, every_day)]
        care = replace(
            self._need(rng, first, _K.CARE, 9 * 60, 60, 60),
            rrule="FREQ=DAILY",
            channels=CATALOGUE[_K.CARE].channels,
            lone_risk=False,
        )
        return [(company, every_day), (care, every_day)]

    def _groups(self, rng: Random) -> list[tuple[Need, int]]:
        """A class with mobile phones at some centres: one visit for several residents (8.6)."""
        result = []
        ours: dict[UUID, list[Resident]] = {}
        for resident in self._residents.residents[1:]:
            fit = resident.grade in (Grade.INTACT, Grade.MILD) and not resident.absences
            if resident.centre_id is not None and fit:
                ours.setdefault(resident.centre_id, []).append(resident)
        for i, centre in enumerate(self.places.centres[: max(1, len(self.places.centres) // 4)]):
            people = ours.get(centre.centre_id, [])
            if len(people) < 4:
                continue
            chosen = rng.sample(people, min(len(people), rng.randint(4, 10)))
            day = (2 + i) % 5
            need = replace(
                self._need(rng, chosen[0], _K.DIGITAL, 12 * 60 + 15, 30, 60),
                resident_ids=tuple(resident.resident_id for resident in chosen),
                centre_id=centre.centre_id,
                community_id=centre.community_id,
                first_day=self.monday + timedelta(days=day),
                place="centre",
                sex_wish=None,
                dialect_wish=None,
                dialect_wish_hard=False,
                lone_risk=False,
                note="手机课：视频通话和挂号",
            )
            result.append((need, day))
        return result

    def _doubled(self, rng: Random, needs: list[Need]) -> tuple[Need, ...]:
        """Two carers for a share of the week's visits, most for those who are hardest to lift."""
        grades = {resident.resident_id: resident.grade for resident in self._residents.residents}
        weekly = [_times(need) for need in needs]
        left = DOUBLES * sum(weekly)
        heavy = (Grade.SEVERE, Grade.TOTAL)
        order = [i for i, need in enumerate(needs) if need.kind in _TWO_FIT and len(need.resident_ids) == 1]
        order = [i for i in order if i > 1]  # not the story's
        rng.shuffle(order)
        order.sort(
            key=lambda i: not (needs[i].kind is _K.BATHING and grades[needs[i].resident_ids[0]] in heavy)
        )
        paid_double = left * 0.4
        for i in order:
            if left < weekly[i]:
                continue
            if needs[i].kind in _PAID_ONLY:
                if paid_double < weekly[i]:
                    continue
                paid_double -= weekly[i]
            needs[i] = replace(needs[i], carers=2)
            left -= weekly[i]
        return tuple(needs)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """ "Please not this person again": a few residents, about a volunteer near them."""
        rng = self.places.stream("blocks")
        near: dict[UUID, list[UUID]] = {}
        for volunteer in self._volunteers.volunteers[2:]:
            near.setdefault(volunteer.community_id, []).append(volunteer.person.person_id)
        result = []
        for i, resident in enumerate(self._residents.residents[1:]):
            if i and rng.random() > 0.012:
                continue
            who = rng.choice(near[resident.community_id])
            if who != resident.resident_id:
                author: Literal["resident", "family", "centre"] = rng.choice(("resident", "family", "centre"))
                result.append(
                    Block(resident.resident_id, who, author, rng.choice(("相处不来", "上次迟到较久")))
                )
        return tuple(result)


def _times(need: Need) -> int:
    """Visits in the sample's week."""
    if need.rrule is None:
        return 1
    return 7 if need.rrule == "FREQ=DAILY" else need.rrule.count(",") + 1


def _away(resident: Resident, day: date) -> bool:
    return any(
        absence.first_day <= day and (absence.last_day is None or day <= absence.last_day)
        for absence in resident.absences
    )
