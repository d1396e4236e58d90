"""Residents in need: who they are, how able, whom to call, where they live, when they are away."""

from datetime import date, timedelta
from functools import cached_property
from random import Random

from shared.contracts.codes import Dialect, Grade, Sex
from shared.sample.facts import Absence, Assessment, Building, Consent, Contact, Resident
from shared.sample.people import Register, a_name, contact_phone
from shared.sample.places import Places

# GB/T 42195-2022: item and its highest points, in the standard's order.
ASSESSMENT_ITEMS: tuple[tuple[str, int], ...] = (
    ("eating", 4),
    ("grooming", 4),
    ("bathing", 4),
    ("upper_garment", 4),
    ("lower_garment", 4),
    ("bladder", 4),
    ("bowel", 4),
    ("toilet", 4),
    ("bed_transfer", 4),
    ("chair_transfer", 4),
    ("walking", 4),
    ("stairs", 3),
    ("time", 4),
    ("space", 4),
    ("person", 4),
    ("memory", 4),
    ("understanding", 4),
    ("expression", 4),
    ("aggression", 1),
    ("depression", 1),
    ("consciousness", 2),
    ("vision", 2),
    ("hearing", 2),
    ("daily_affairs", 4),
    ("social_contact", 4),
    ("transport", 3),
)
_POINTS = {Grade.INTACT: (90, 90), Grade.MILD: (66, 89), Grade.MODERATE: (46, 65), Grade.SEVERE: (30, 45)}
_ASSESSORS = ("周评估员", "顾评估员", "秦评估员")


def grade_of(score: int) -> Grade:
    """The bands of GB/T 42195-2022."""
    return next((grade for grade, (low, high) in _POINTS.items() if low <= score <= high), Grade.TOTAL)


class Residents:
    def __init__(self, places: Places, monday: date) -> None:
        self.places = places
        self.monday = monday

    @cached_property
    def residents(self) -> tuple[Resident, ...]:
        rng, places = self.places.stream("residents"), self.places
        people = Register(places.key, "resident", rng, 0)
        communities = places.communities
        total = places.numbers.residents
        homes = rng.choices(range(len(communities)), [c.households for c in communities], k=total)
        homes[0] = 0
        result = []
        for i, home in enumerate(homes):
            grade = rng.choices(
                (Grade.INTACT, Grade.MILD, Grade.MODERATE, Grade.SEVERE, Grade.TOTAL), (18, 34, 26, 14, 8)
            )[0]
            story = i == 0
            if story:
                grade = Grade.MODERATE
            person = (
                people.person(78, 82, Sex.FEMALE)
                if story
                else people.person(60, 74)
                if grade is Grade.INTACT
                else people.person(66, 96)
            )
            community = communities[home]
            building: Building | None = rng.choice(places.buildings_of[community.community_id])
            if not story and (i == 1 or rng.random() < 0.012):
                building = None
            floor = 2 if story else rng.randint(1, building.floors if building else 2)
            consent, assessment = self._assessed(rng, i, person.name, grade)
            contacts = self._contacts(rng, i, people, person.name)
            sex_wish = person.sex if rng.random() < 0.12 else None
            dialect = rng.choices(tuple(Dialect), (22, 70, 7, 1))[0]
            wish = dialect if dialect in (Dialect.JIANGHUAI, Dialect.WU) and rng.random() < 0.15 else None
            result.append(
                Resident(
                    person=person,
                    community_id=community.community_id,
                    cell_id=building.cell_id if building else None,
                    building_id=building.building_id if building else None,
                    address=_door(rng, building, floor)
                    if building
                    else f"{community.name} 老粮站后第{i % 5 + 2}排",
                    floor=floor,
                    stairs=floor > 1 and not (building is not None and building.lift),
                    centre_id=None
                    if not story and rng.random() < 0.06
                    else places.centre_of[community.community_id].centre_id,
                    living_alone=story or rng.random() < 0.34,
                    dialect=Dialect.JIANGHUAI if story else dialect,
                    consent=consent,
                    assessment=assessment,
                    sex_wish=None if story else sex_wish,
                    sex_wish_hard=sex_wish is not None and not story and rng.random() < 0.3,
                    dialect_wish=None if story else wish,
                    dialect_wish_hard=wish is not None
                    and not story
                    and wish is Dialect.JIANGHUAI
                    and rng.random() < 0.1,
                    contacts=contacts,
                    absences=() if story else self._absences(rng),
                )
            )
        return tuple(result)

    def _assessed(
        self, rng: Random, i: int, name: str, grade: Grade
    ) -> tuple[Consent | None, Assessment | None]:
        """No consent, no assessment (8.4): the grade then reads unknown."""
        day = self.monday - timedelta(days=rng.randint(20, 700))
        by_family = grade in (Grade.SEVERE, Grade.TOTAL)
        fate = 1.0 if i == 0 else rng.random()
        consent = Consent(
            agreed_by=f"{name}的家属" if by_family else name,
            agreed_as="family" if by_family else "self",
            how=rng.choices(("paper", "spoken", "online"), (7, 2, 1))[0],
            agreed_on=day,
            withdrawn_on=day + timedelta(days=rng.randint(1, 15)) if fate < 0.02 else None,
        )
        if fate < 0.02:
            return consent, None
        if fate < 0.09:
            return None, None
        low, high = _POINTS.get(grade, (4, 29))
        score = rng.randint(low, high)
        points = [top for _, top in ASSESSMENT_ITEMS]
        lost = 90 - score
        while lost:
            item = rng.randrange(len(points))
            if points[item]:
                step = min(lost, points[item], 2)
                if ASSESSMENT_ITEMS[item][0] == "consciousness" and points[item] - step < 1:
                    continue  # coma would be another grade
                points[item] -= step
                lost -= step
        assessment = Assessment(
            assessment_id=self.places.id("assessment", i),
            day=day + timedelta(days=rng.randint(0, 5)),
            assessor=rng.choice(_ASSESSORS),
            items=tuple((item, got) for (item, _), got in zip(ASSESSMENT_ITEMS, points, strict=True)),
            score=score,
            grade=grade_of(score),
        )
        return consent, assessment

    def _contacts(self, rng: Random, i: int, people: Register, name: str) -> tuple[Contact, ...]:
        contacts = []
        for j in range(rng.choices((1, 2), (7, 3))[0]):
            sex = rng.choice(tuple(Sex))
            relation = rng.choice(("女儿", "儿媳", "侄女") if sex is Sex.FEMALE else ("儿子", "女婿", "侄子"))
            if i == 0 and j == 0:
                child = people.person(48, 54, Sex.FEMALE)
                contacts.append(Contact(child.name, "女儿", child.phone, child))
                continue
            called = a_name(rng, sex)
            if relation in ("女儿", "儿子", "侄女", "侄子"):
                called = name[0] + called[1:]
            contacts.append(Contact(called, relation, contact_phone(2 * i + j), None))
        return tuple(contacts)

    def _absences(self, rng: Random) -> tuple[Absence, ...]:
        chance = rng.random()
        if chance > 0.05:
            return ()
        first = self.monday + timedelta(days=rng.randint(-6, 12))
        if chance < 0.002:
            return (
                Absence(
                    self.monday - timedelta(days=rng.randint(2, 20)), None, rng.choice(("moved", "deceased"))
                ),
            )
        return (
            Absence(
                first,
                first + timedelta(days=rng.randint(1, 9)),
                "hospital" if chance < 0.025 else "with_family",
            ),
        )


def _door(rng: Random, building: Building, floor: int) -> str:
    if building.floors <= 2:
        return building.address
    return f"{building.address} {rng.randint(1, 3)}单元{floor}0{rng.randint(1, 2)}室"
