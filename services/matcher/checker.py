"""Judges a plan from the rules' text alone (docs/matcher/README.md, domain.md 8): every broken rule, every point recounted.

Shares the files' dataclasses and the table of numbers with the solver and nothing else: every formula here is its own, and
import-linter keeps it so.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from uuid import UUID

from services.matcher.solver.plan import Assignment, Plan, Rest
from services.matcher.solver.prices import RULES
from services.matcher.solver.snapshot import (
    Follower,
    Place,
    SnapCarer,
    SnapLine,
    Snapshot,
    SnapVisit,
    digest,
)
from shared.contracts.codes import Capacity, Channel, ContractUnit, Limit

OF_SHIFTS = ("wait", "overtime", "idle", "break", "uneven")  # points that are no single assignment's


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule, with the visit and the carer it is broken for, where there are such."""

    rule: str
    visit_id: UUID | None
    carer_id: UUID | None
    why: str

    def __str__(self) -> str:
        where = f" visit {self.visit_id}" if self.visit_id else ""
        where += f" carer {self.carer_id}" if self.carer_id else ""
        return f"{self.rule}:{where + ':' if where else ''} {self.why}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the checker found: faults, and the objective by rule as it counts it."""

    faults: tuple[Fault, ...]
    by_rule: dict[str, int]

    @property
    def objective(self) -> int:
        return sum(self.by_rule.values())


def faults(snapshot: Snapshot, plan: Plan) -> list[str]:
    """Every fault as a sentence."""
    return [str(fault) for fault in judge(snapshot, plan).faults]


def judge(snapshot: Snapshot, plan: Plan) -> Judgement:
    """Judge a plan. What names unknown visits, carers or lines is a fault and judged no further."""
    court = Court(snapshot, plan)
    found = [*court.papers(), *court.strangers()]
    for a in court.known:
        if not a.fixed:
            found += [
                Fault(rule, a.visit_id, a.carer_id, why)
                for rule, why in court.pair(court.visits[a.visit_id], court.carers[a.carer_id], a)
            ]
    found += [*court.places(), *court.fixed(), *court.people(), *court.shifts(), *court.lines_drawn()]
    found += court.unmet()
    by_rule = court.points()
    found += court.sums(by_rule)
    return Judgement(tuple(found), by_rule)


class Court:
    """A snapshot and a plan with what is looked up in them."""

    def __init__(self, snapshot: Snapshot, plan: Plan) -> None:
        self.snapshot, self.plan = snapshot, plan
        self.numbers = {rule_id: rule.value for rule_id, rule in RULES.items()} | dict(snapshot.overrides)
        self.visits = {v.visit_id: v for v in snapshot.visits}
        self.carers = {c.carer_id: c for c in snapshot.carers}
        self.lines = {line.line_id: line for line in snapshot.lines}
        self.forbidden = set(snapshot.forbidden)
        self.known = [
            a
            for a in plan.assignments
            if a.visit_id in self.visits
            and a.carer_id in self.carers
            and (a.line_id is None or a.line_id in self.lines)
        ]
        self.by_visit: dict[UUID, list[Assignment]] = defaultdict(list)
        self.by_person: dict[UUID, list[Assignment]] = defaultdict(list)
        for a in self.known:
            self.by_visit[a.visit_id].append(a)
            self.by_person[self.carers[a.carer_id].person_id].append(a)
        for row in self.by_person.values():
            row.sort(key=lambda a: (a.start, a.end))
        self.capacities: dict[UUID, list[SnapCarer]] = defaultdict(list)
        for carer in snapshot.carers:
            self.capacities[carer.person_id].append(carer)
        self.rests: dict[tuple[UUID, int], list[Rest]] = defaultdict(list)
        for rest in plan.breaks:
            if rest.visit_id in self.visits:
                self.rests[rest.carer_id, self.day(self.visits[rest.visit_id])].append(rest)

    # what the plan says of itself

    def papers(self) -> Iterator[Fault]:
        if self.plan.snapshot_id != self.snapshot.snapshot_id:
            yield Fault("snapshot", None, None, f"the plan is for the snapshot {self.plan.snapshot_id}")
        elif self.plan.snapshot_digest != digest(self.snapshot):
            yield Fault("snapshot", None, None, "the snapshot is not as it was when the plan was made")

    def strangers(self) -> Iterator[Fault]:
        for a in self.plan.assignments:
            if a.visit_id not in self.visits:
                yield Fault("unknown", a.visit_id, a.carer_id, "no such visit")
            elif a.carer_id not in self.carers:
                yield Fault("unknown", a.visit_id, a.carer_id, "no such carer")
            elif a.line_id is not None and a.line_id not in self.lines:
                yield Fault("unknown", a.visit_id, a.carer_id, f"no such line: {a.line_id}")
            elif a.person_id != self.carers[a.carer_id].person_id:
                yield Fault("unknown", a.visit_id, a.carer_id, f"the carer is not the person {a.person_id}")
        for rest in self.plan.breaks:
            if rest.carer_id not in self.carers:
                yield Fault("unknown", rest.visit_id, rest.carer_id, "a break of nobody")
            elif not any(a.carer_id == rest.carer_id for a in self.by_visit.get(rest.visit_id, ())):
                yield Fault("break", rest.visit_id, rest.carer_id, "not beside a visit of the carer's")

    def unmet(self) -> Iterator[Fault]:
        listed = Counter(u.visit_id for u in self.plan.unmet)
        for visit_id, times in listed.items():
            if visit_id not in self.visits or times > 1:
                yield Fault("unmet", visit_id, None, "no such visit, or listed twice")
        for visit in self.snapshot.visits:
            short = len(self.by_visit.get(visit.visit_id, ())) < visit.carers
            if short and visit.visit_id not in listed:
                yield Fault("unmet", visit.visit_id, None, "lacks a carer and is not listed as unmet")
            if not short and visit.visit_id in listed:
                yield Fault("unmet", visit.visit_id, None, "has its carers and is listed as unmet")

    # between one visit and one carer

    def pair(self, visit: SnapVisit, carer: SnapCarer, a: Assignment) -> Iterator[tuple[str, str]]:
        """Broken rules of a newly made pair."""
        yield from self.suits(visit, carer)
        if not visit.earliest_start <= a.start <= visit.latest_start and not self._held(visit):
            yield "window", f"starts at {a.start}, not in {visit.earliest_start} to {visit.latest_start}"
        if visit.late_most is not None and self.late(a) > visit.late_most:
            yield "window", f"{self.late(a)} late, at most {visit.late_most}"
        if a.end - a.start != visit.minutes:
            yield "length", f"lasts {a.end - a.start} minutes, not {visit.minutes}"
        if not any(start <= a.start and a.end <= end for start, end in carer.windows):
            yield "availability", f"the carer is not free from {a.start} to {a.end}"
        if not visit.remote:
            far = self.far(visit, carer)
            if far:
                yield "reach", far
        if (carer.capacity is Capacity.EMPLOYED) != (a.line_id is not None):
            yield "contract", "employed carers, and only they, draw on a contract line"
        elif a.line_id is None and a.units:
            yield "units", "units without a line"
        elif a.line_id is not None:
            yield from self.covers(self.lines[a.line_id], visit, carer, a)

    def _held(self, visit: SnapVisit) -> bool:
        """Whether somebody who stays already decides when the visit starts."""
        return any(a.fixed for a in self.by_visit[visit.visit_id])

    def suits(self, visit: SnapVisit, carer: SnapCarer) -> Iterator[tuple[str, str]]:
        """Broken rules whatever the time and the line."""
        day = self.snapshot.date_of(self.day(visit))
        if not visit.remote and visit.place is None:
            yield "placed", "nobody has placed the address"
        if carer.capacity is Capacity.VOLUNTEER and Channel.VOLUNTEER not in visit.channels:
            yield "channel", "not for volunteers"
        if carer.capacity is Capacity.STIPENDED and Channel.PUBLIC_DIRECT not in visit.channels:
            yield "channel", "not for public staff"
        if carer.capacity is Capacity.EMPLOYED and visit.channels <= {Channel.VOLUNTEER}:
            yield "channel", "not for employed carers"
        if lacking := visit.skills - carer.skills:
            yield "skill", f"lacks {', '.join(sorted(lacking))}"
        if visit.licence is not None and not any(
            code is visit.licence and until >= day for code, until in carer.licences
        ):
            yield "licence", f"no {visit.licence} on {day}"
        if carer.age < self.numbers["age.least"]:
            yield "age", f"{carer.age} years old"
        if visit.lifting and carer.age > self.numbers["age.lifting_most"]:
            yield "age", f"{carer.age} years old, and it means lifting"
        if visit.dangerous and (carer.insured_until is None or carer.insured_until < day):
            yield "insurance", f"not insured on {day}"
        alone = visit.lone_risk and visit.carers == 1
        if alone and (carer.lone_cleared_until is None or carer.lone_cleared_until < day):
            yield "lone", f"not cleared to go alone on {day}"
        if (visit.lifting and Limit.LIFTING in carer.limits) or (
            visit.stairs and Limit.STAIRS in carer.limits
        ):
            yield "limit", "declared not to lift, or not to climb stairs"
        if carer.person_id in visit.resident_ids:
            yield "self", "is the resident"
        if carer.person_id in visit.blocked_person_ids:
            yield "block", "not to come to this resident again"
        if visit.kind in carer.refused_kinds or carer.refused_residents.intersection(visit.resident_ids):
            yield "refusal", "refused this kind of service, or this resident"
        if (visit.visit_id, carer.person_id) in self.forbidden:
            yield "forbidden", "the pair is forbidden"
        if visit.dialect_wish and visit.dialect_wish[1] and visit.dialect_wish[0] not in carer.dialects:
            yield "wish_dialect", f"does not speak {visit.dialect_wish[0]}"
        if visit.sex_wish and visit.sex_wish[1] and visit.sex_wish[0] is not carer.sex:
            yield "wish_sex", f"is not {visit.sex_wish[0]}"

    def day(self, visit: SnapVisit) -> int:
        """The day of a visit, counted from the first."""
        return self.day_at(visit.earliest_start)

    def day_at(self, moment: int) -> int:
        return moment // (24 * 60 * self.snapshot.ticks)

    def far(self, visit: SnapVisit, carer: SnapCarer) -> str | None:
        if carer.base is None or visit.place is None:
            return "carer or visit has no place"
        if self.snapshot.ways:
            return None
        metres, most = self.metres(carer.base, visit.place), self.numbers[f"reach.{carer.travel_mode}"]
        return f"{metres} m from home, at most {most}" if metres > most else None

    def covers(
        self, line: SnapLine, visit: SnapVisit, carer: SnapCarer, a: Assignment
    ) -> Iterator[tuple[str, str]]:
        day = self.snapshot.date_of(self.day(visit))
        if line.organisation_id != carer.organisation_id:
            yield "contract", "another organisation's line"
        if visit.kind not in line.kinds or visit.community_id not in line.community_ids:
            yield "contract", "the line is for other services or communities"
        if not line.valid_from <= day <= line.valid_to:
            yield "contract", f"the line does not hold on {day}"
        if line.channel not in visit.channels:
            yield "channel", f"the line's channel is {line.channel}"
        if a.units != (units := units_drawn(line, visit, self.snapshot.ticks)):
            yield "units", f"draws {a.units} hundredths, not {units}"

    # a visit's carers

    def places(self) -> Iterator[Fault]:
        for visit_id, group in self.by_visit.items():
            visit = self.visits[visit_id]
            slots = sorted(a.slot for a in group)
            if len(set(slots)) < len(slots) or not 0 <= slots[0] <= slots[-1] < visit.carers:
                yield Fault("place", visit_id, None, f"places {slots} of {visit.carers}")
            if len({self.carers[a.carer_id].person_id for a in group}) < len(group):
                yield Fault("pair", visit_id, group[0].carer_id, "one person in both places")
            if len({a.start for a in group}) > 1:
                yield Fault("pair", visit_id, group[0].carer_id, "two carers do not start together")
            if visit.carers == 1 or all(a.fixed for a in group):
                continue
            if len(group) < visit.carers:
                yield Fault("pair", visit_id, group[0].carer_id, "comes alone to a visit for two")
            if not any(a.fixed for a in group) and group[0].start not in self.grid(visit):
                yield Fault("pair", visit_id, group[0].carer_id, f"{group[0].start} is not on the grid")
        for visit in self.snapshot.visits:
            if visit.follows is not None:
                yield from self.following(visit)

    def following(self, visit: SnapVisit) -> Iterator[Fault]:
        """Two visits one after the other: both or neither, so far apart, by whom it says."""
        rule = visit.follows
        assert rule is not None
        firsts, seconds = self.by_visit.get(rule.visit_id, []), self.by_visit.get(visit.visit_id, [])
        if all(a.fixed for a in firsts + seconds):
            return
        for a in [*firsts, *seconds]:
            if not (firsts and seconds) and not a.fixed:
                yield Fault("follows", a.visit_id, a.carer_id, "made without the other of the two visits")
        for first, second in itertools.product(firsts, seconds):
            gap = second.start - first.start
            if not rule.least <= gap <= rule.most:
                why = f"begins {gap} after {first.visit_id}, not {rule.least} to {rule.most}"
                yield Fault("follows", second.visit_id, second.carer_id, why)
            one, other = self.carers[first.carer_id].person_id, self.carers[second.carer_id].person_id
            if (one == other) != (rule.by is Follower.SAME):
                why = f"{rule.by} is to come after {first.visit_id}"
                yield Fault("follows", second.visit_id, second.carer_id, why)

    def grid(self, visit: SnapVisit) -> list[int]:
        """When a visit for two may start."""
        step, count = self.numbers["pair.grid"] * self.snapshot.ticks, self.numbers["pair.starts"]
        width = visit.latest_start - visit.earliest_start
        if count > 1:
            wanted = -(-width // (count - 1))
            step = max(step, -(-wanted // step) * step)
        starts = (visit.earliest_start + k * step for k in range(count))
        return [start for start in starts if start <= visit.latest_start]

    def fixed(self) -> Iterator[Fault]:
        """What no plan may move is where it was, and nothing else claims to be."""
        wanted = Counter(
            (f.visit_id, f.slot, f.carer_id, f.start, f.end, f.line_id) for f in self.snapshot.fixed
        )
        there = Counter(
            (a.visit_id, a.slot, a.carer_id, a.start, a.end, a.line_id)
            for a in self.plan.assignments
            if a.fixed
        )
        for visit_id, _, carer_id, *_ in (wanted - there).elements():
            yield Fault("fixed", visit_id, carer_id, "a fixed pair was moved or left out")
        for visit_id, _, carer_id, *_ in (there - wanted).elements():
            yield Fault("fixed", visit_id, carer_id, "called fixed, and the snapshot knows nothing of it")
        named = {(b.visit_id, b.carer_id): set(b.rules) for b in self.plan.broken_fixed}
        for pair in self.snapshot.fixed:
            rules = {rule for rule, _ in self.suits(self.visits[pair.visit_id], self.carers[pair.carer_id])}
            unsaid = rules - named.get((pair.visit_id, pair.carer_id), set())
            if unsaid and pair.kind != "started":
                why = f"the fixed pair breaks {', '.join(sorted(unsaid))}, and the plan does not say so"
                yield Fault("broken_fixed", pair.visit_id, pair.carer_id, why)

    # a person's days

    def people(self) -> Iterator[Fault]:
        for person, row in self.by_person.items():
            yield from self.sequence(row)
            for a in row:
                if not a.fixed:
                    yield from self.amounts(person, row, a)
            fresh = Counter(a.carer_id for a in row if not a.fixed)
            for carer_id, count in fresh.items():
                most = self.carers[carer_id].max_new
                if most is not None and count > most:
                    yield Fault("offers", None, carer_id, f"{count} new visits, at most {most}")

    def amounts(self, person: UUID, row: list[Assignment], a: Assignment) -> Iterator[Fault]:
        """Minutes of day and week, and a volunteer's visits, on a day with something new."""
        carer, day = self.carers[a.carer_id], self.day(self.visits[a.visit_id])
        today = [b for b in row if self.day(self.visits[b.visit_id]) == day]
        minutes = sum(b.end - b.start for b in today)
        minutes += sum(c.used_daily[day] for c in self.capacities[person] if len(c.used_daily) > day)
        if minutes > carer.daily_minutes:
            why = f"{minutes} minutes on day {day}, at most {carer.daily_minutes}"
            yield Fault("daily", a.visit_id, a.carer_id, why)
        week = self.snapshot.week_of(day)
        minutes = sum(
            b.end - b.start for b in row if self.snapshot.week_of(self.day(self.visits[b.visit_id])) == week
        )
        minutes += sum(c.used_weekly[week] for c in self.capacities[person] if len(c.used_weekly) > week)
        if minutes > carer.weekly_minutes:
            why = f"{minutes} minutes in week {week}, at most {carer.weekly_minutes}"
            yield Fault("weekly", a.visit_id, a.carer_id, why)
        if carer.capacity is Capacity.VOLUNTEER:
            own = sum(self.carers[b.carer_id].capacity is Capacity.VOLUNTEER for b in today)
            if own > self.numbers["volunteer.visits_a_day"]:
                yield Fault("visits_a_day", a.visit_id, a.carer_id, f"{own} visits on day {day}")

    def sequence(self, row: list[Assignment]) -> Iterator[Fault]:
        """One thing at a time, and time for the way between places; what was fixed before is not judged again."""
        for before, after in itertools.pairwise(row):
            if after.start < before.end and not (before.fixed and after.fixed):
                yield Fault(
                    "overlap", after.visit_id, after.carer_id, f"begins before {before.visit_id} ends"
                )
        yield from self.beginnings(row)
        last: Assignment | None = None
        remote, all_fixed = 0, True
        for a in row:
            visit = self.visits[a.visit_id]
            if visit.remote or visit.place is None:
                remote += a.end - a.start
                all_fixed = all_fixed and a.fixed
                continue
            if last is not None and not (last.fixed and a.fixed and all_fixed):
                there = self.visits[last.visit_id]
                left = there.place if there.end_place is None else there.end_place
                assert left is not None
                way = self.minutes(self.carers[a.carer_id], left, visit.place)
                if a.start - last.end - remote < way:
                    why = f"{a.start - last.end - remote} minutes for a way of {way} from {last.visit_id}"
                    yield Fault("travel", a.visit_id, a.carer_id, why)
            last, remote, all_fixed = a, 0, True

    def beginnings(self, row: list[Assignment]) -> Iterator[Fault]:
        """Who starts at base needs the way to a day's first visit at a place within the free interval of that visit."""
        begun: set[int] = set()
        for a in row:
            visit, carer = self.visits[a.visit_id], self.carers[a.carer_id]
            day = self.day(visit)
            if visit.remote or visit.place is None or begun.intersection(range(day, self.snapshot.days)):
                continue
            begun.add(day)
            if a.fixed or not carer.starts_at_base or carer.base is None:
                continue
            way = self.minutes(carer, carer.base, visit.place)
            if not any(low + way <= a.start and a.end <= high for low, high in carer.windows):
                yield Fault("travel", a.visit_id, a.carer_id, f"no time for a way of {way} from base")

    # shifts

    def shifts(self) -> Iterator[Fault]:
        """Meal breaks where they are due, and the end of days."""
        for carer in self.snapshot.carers:
            for shift in carer.shifts:
                day = self.day_at(shift[0])
                work = self.work(carer, day)
                rests = self.rests.get((carer.carer_id, day), [])
                if carer.overtime_most is not None and any(not a.fixed for a in work):
                    over = self.filled(carer, shift)["overtime"]
                    if over > carer.overtime_most:
                        why = f"over {over} after the shift, at most {carer.overtime_most}"
                        yield Fault("overtime", work[-1].visit_id, carer.carer_id, why)
                required = carer.meal_break is not None and carer.meal_break.required
                if required and not rests and any(not a.fixed for a in work):
                    yield Fault("break", None, carer.carer_id, f"no break on day {day}")
        for (carer_id, day), rests in self.rests.items():
            if carer_id in self.carers:
                for why in self.rested(self.carers[carer_id], day, rests):
                    yield Fault("break", rests[0].visit_id, carer_id, why)

    def rested(self, carer: SnapCarer, day: int, rests: list[Rest]) -> Iterator[str]:
        meal, rest = carer.meal_break, rests[0]
        if meal is None or not any(self.day_at(begin) == day for begin, _ in carer.shifts):
            yield "there is none for this carer on this day"
            return
        if len(rests) > 1:
            yield "two on one day"
        midnight = day * 24 * 60 * self.snapshot.ticks
        if not meal.earliest <= rest.start - midnight <= meal.latest:
            yield f"begins {rest.start - midnight} after midnight, not {meal.earliest} to {meal.latest}"
        if rest.end - rest.start < meal.minutes:
            yield f"lasts {rest.end - rest.start}, not {meal.minutes}"
        here, clock = carer.base, None
        for start, end, there, leaves, is_visit in self.steps(carer, day):
            way = 0 if there is None or here is None else self.minutes(carer, here, there)
            if clock is not None and start < clock[0] + way and not (is_visit and clock[1]):
                yield f"{start - clock[0]} before {start} for a way of {way}"
            here, clock = here if leaves is None else leaves, (end, is_visit)

    def work(self, carer: SnapCarer, day: int) -> list[Assignment]:
        """A carer's visits of a day."""
        row = self.by_person.get(carer.person_id, [])
        return [a for a in row if a.carer_id == carer.carer_id and self.day(self.visits[a.visit_id]) == day]

    def steps(self, carer: SnapCarer, day: int) -> list[tuple[int, int, Place | None, Place | None, bool]]:
        """Visits and break of a day in order: start, end, where to, where from on, whether it is a visit."""
        found: list[tuple[int, int, Place | None, Place | None, bool]] = []
        rests = {rest.visit_id: rest for rest in self.rests.get((carer.carer_id, day), [])[:1]}
        for a in self.work(carer, day):
            visit = self.visits[a.visit_id]
            place = None if visit.remote else visit.place
            leaves = place if place is None or visit.end_place is None else visit.end_place
            mine = (a.start, a.end, place, leaves, True)
            rest = rests.get(a.visit_id)
            if rest is None:
                found.append(mine)
            elif rest.start < a.start:
                found += [(rest.start, rest.end, place, place, False), mine]
            else:
                found += [mine, (rest.start, rest.end, None, None, False)]
        return found

    def filled(self, carer: SnapCarer, shift: tuple[int, int]) -> dict[str, int]:
        """What a shift is filled with: minutes waited, beyond its end, idle, and of work and ways."""
        (begin, end), steps = shift, self.steps(carer, self.day_at(shift[0]))
        if not steps:
            return {"wait": 0, "overtime": 0, "idle": end - begin, "load": 0}
        here, clock, ways, served, waits = carer.base, 0, 0, 0, []
        leaves = begin
        for number, (start, until, there, from_there, is_visit) in enumerate(steps):
            way = 0 if there is None or here is None else self.minutes(carer, here, there)
            if number == 0:
                leaves = begin if carer.leaves_at_shift else start - way
                clock = leaves
            waits.append(max(0, start - way - clock))
            ways, served, clock = ways + way, served + (until - start) * is_visit, until
            here = here if from_there is None else from_there
        if carer.ends_at is not None and here is not None:
            home = self.minutes(carer, here, carer.ends_at)
            ways, clock = ways + home, clock + home
        uncounted = waits[1] if not steps[0][4] and len(waits) > 1 else 0
        return {
            "wait": sum(waits) - uncounted,
            "overtime": max(0, clock - end),
            "idle": max(0, leaves - begin) + sum(waits) + max(0, end - clock),
            "load": served + ways,
        }

    def shift_points(self) -> dict[str, int]:
        """Points of all shifts, those without a visit too."""
        numbers, ticks = self.numbers, self.snapshot.ticks
        total: Counter[str] = Counter()
        idle, loads = [0], defaultdict(list)
        for carer in self.snapshot.carers:
            for shift in carer.shifts:
                day, filled = self.day_at(shift[0]), self.filled(carer, shift)
                total["wait"] += filled["wait"] * numbers["wait.minute"] // ticks
                total["overtime"] += filled["overtime"] * numbers["overtime.minute"] // ticks
                idle.append(filled["idle"])
                loads[day].append(filled["load"])
                if carer.meal_break and not self.rests.get((carer.carer_id, day)):
                    total["break"] += numbers["break.missed"]
        total["idle"] = max(idle) * numbers["idle.most"] // ticks
        for row in loads.values():
            for load in row:
                off = abs(load * len(row) - sum(row))
                total["uneven"] -= -off // (len(row) * ticks) * numbers["uneven.minute"]
        return dict(total)

    # contracts

    def lines_drawn(self) -> Iterator[Fault]:
        drawn: Counter[UUID] = Counter()
        for a in self.known:
            if a.line_id is not None and not a.fixed:
                drawn[a.line_id] += units_drawn(
                    self.lines[a.line_id], self.visits[a.visit_id], self.snapshot.ticks
                )
        for line_id, units in drawn.items():
            if units > self.lines[line_id].free:
                why = f"line {line_id}: {units} hundredths drawn of {self.lines[line_id].free}"
                yield Fault("units", None, None, why)

    # places and ways

    def plane(self, place: Place) -> tuple[int, int]:
        assert not isinstance(place, int)
        lon, lat = round(place[0] * 1e6), round(place[1] * 1e6)
        return (
            lon * self.numbers["travel.degree_lon"] // 10**6,
            lat * self.numbers["travel.degree_lat"] // 10**6,
        )

    def metres(self, a: Place, b: Place) -> int:
        """Metres between two places, rounded up."""
        (ax, ay), (bx, by) = self.plane(a), self.plane(b)
        square = (ax - bx) ** 2 + (ay - by) ** 2
        root = isqrt(square)
        return root + (root * root < square)

    def minutes(self, carer: SnapCarer, a: Place, b: Place) -> int:
        """Minutes of travel, rounded up; of the snapshot's own ways, in its unit."""
        if isinstance(a, int) and isinstance(b, int):
            return self.snapshot.ways[a][b]
        pace = 100 * self.numbers[f"speed.{carer.travel_mode}"]
        return -(-self.metres(a, b) * self.numbers["travel.detour"] // pace)

    # points

    def points(self) -> dict[str, int]:
        """The objective by rule: what the new pairs give."""
        total: Counter[str] = Counter()
        for visit_id, group in self.by_visit.items():
            visit = self.visits[visit_id]
            total["serve"] += self.serving(visit) * sum(not a.fixed for a in group)
        for a in self.known:
            if not a.fixed:
                for rule, value in self.pair_points(a):
                    total[rule] += value
        for row in self.by_person.values():
            for day in {self.day(self.visits[a.visit_id]) for a in row if not a.fixed}:
                today = [a for a in row if self.day(self.visits[a.visit_id]) == day]
                before = [a for a in today if a.fixed]
                total["travel"] += self.way(today) - self.way(before)
                total["repeat"] += self.repeats(today) - self.repeats(before)
        late = [self.late(a) for a in self.known if not a.fixed]
        total["late"] = sum(minutes * self.numbers["late.minute"] // self.snapshot.ticks for minutes in late)
        total["late_worst"] = max(late, default=0) * self.numbers["late.worst"] // self.snapshot.ticks
        total.update(self.shift_points())
        return {rule: value for rule, value in sorted(total.items()) if value}

    def late(self, a: Assignment) -> int:
        """How long after the moment from which a start is late."""
        visit = self.visits[a.visit_id]
        if visit.late_from is None:
            return 0
        begun = [until for opens, until in visit.later_windows if opens <= a.start]
        return max(0, a.start - (begun[-1] if begun else visit.late_from))

    def serving(self, visit: SnapVisit) -> int:
        """Points for each carer that comes."""
        worth = ["serve.visit", f"serve.{visit.grade}", f"serve.{visit.urgency}"]
        worth += ["serve.vital"] * visit.vital + ["serve.lone"] * visit.lone_risk
        return sum(self.numbers[rule] for rule in worth)

    def pair_points(self, a: Assignment) -> Iterator[tuple[str, int]]:
        visit, carer = self.visits[a.visit_id], self.carers[a.carer_id]
        if a.line_id is not None:
            line = self.lines[a.line_id]
            yield "channel", self.numbers[f"channel.{line.channel}"]
            fen = units_drawn(line, visit, self.snapshot.ticks) * line.unit_price_fen
            yield "cost", -(fen // (100 * self.numbers["cost.fen_per_point"]))
        elif carer.capacity is Capacity.VOLUNTEER:
            yield "channel", self.numbers["channel.volunteer"]
        else:
            yield "channel", self.numbers["channel.public_direct"]
        times = dict(visit.earlier_visits).get(carer.person_id, 0)
        most = self.numbers["continuity.most"]
        yield "continuity", min(most, times * self.numbers["continuity.earlier_visit"])
        if visit.dialect_wish and visit.dialect_wish[0] in carer.dialects:
            yield "wish", self.numbers["wish.dialect"]
        if visit.sex_wish and visit.sex_wish[0] is carer.sex:
            yield "wish", self.numbers["wish.sex"]
        if visit.wished_person_ids and carer.person_id not in visit.wished_person_ids:
            yield "wish", self.numbers["wish.other"]
        yield "load", max(self.numbers["load.most"], carer.load // 60 * self.numbers["load.hour"])

    def way(self, day: list[Assignment]) -> int:
        """Points of a day's travel: from base to the first visit at a place, from visit to visit, to where the day ends."""
        minutes, here, last = 0, None, None
        for a in day:
            visit, carer = self.visits[a.visit_id], self.carers[a.carer_id]
            if visit.remote or visit.place is None:
                continue
            here = carer.base if here is None else here
            if here is not None:
                minutes += self.minutes(carer, here, visit.place)
            here, last = visit.place if visit.end_place is None else visit.end_place, carer
        if last is not None and here is not None and last.ends_at is not None:
            minutes += self.minutes(last, here, last.ends_at)
        return minutes * self.numbers["travel.minute"] // self.snapshot.ticks

    def repeats(self, day: list[Assignment]) -> int:
        own = sum(self.carers[a.carer_id].capacity is Capacity.VOLUNTEER for a in day)
        return max(0, own - 1) * self.numbers["load.repeat"]

    def sums(self, by_rule: dict[str, int]) -> Iterator[Fault]:
        """The plan's own figures, against the recount."""
        plan, objective = self.plan, sum(by_rule.values())
        if plan.objective != objective:
            yield Fault("objective", None, None, f"{plan.objective} points, recounted {objective}")
        said: Counter[str] = Counter()
        for a in plan.assignments:
            for rule, value in a.points:
                said[rule] += value
        for rule in sorted(by_rule.keys() | dict(plan.objective_by_rule).keys() | said.keys()):
            counted, written = by_rule.get(rule, 0), dict(plan.objective_by_rule).get(rule, 0)
            if not counted == written == (counted if rule in OF_SHIFTS else said[rule]):
                why = f"{written} points, {said[rule]} by assignment, recounted {counted}"
                yield Fault("objective", None, None, f"{rule}: {why}")
        if objective > plan.bound:
            yield Fault("bound", None, None, f"the bound {plan.bound} is below the objective {objective}")
        gap = 0 if plan.bound <= 0 else -(-(plan.bound - plan.objective) * 1_000_000 // plan.bound)
        if gap != plan.gap_ppm:
            yield Fault("bound", None, None, f"a gap of {plan.gap_ppm} ppm, recounted {gap}")


def units_drawn(line: SnapLine, visit: SnapVisit, ticks: int = 1) -> int:
    """Hundredths of a unit that a visit draws; `ticks`: parts of a minute in which its length is told."""
    rounded = -(-visit.minutes // (line.rounding_minutes * ticks)) * line.rounding_minutes
    return {
        ContractUnit.VISIT: 100,
        ContractUnit.PERSON_TIME: 100 * len(visit.resident_ids),
        ContractUnit.HOUR: -(-rounded * 100 // 60),
    }[line.unit]
