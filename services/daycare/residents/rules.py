"""Grades, ID numbers and places: pure decisions about a resident (GB/T 42195-2022, domain.md 3, 8.4; design rule 9)."""

from collections.abc import Iterable, Mapping
from datetime import date
from math import cos, pi, sin, sqrt

from shared import id_numbers
from shared.contracts.codes import Grade, Sex

STANDARD = "GB/T 42195-2022"
ITEMS: dict[str, int] = {
    **dict.fromkeys(("eating", "grooming", "bathing", "upper_garment", "lower_garment"), 4),
    **dict.fromkeys(("bladder", "bowel", "toilet", "bed_transfer", "chair_transfer", "walking"), 4),
    "stairs": 3,
    **dict.fromkeys(("time", "space", "person", "memory", "understanding", "expression"), 4),
    "aggression": 1,
    "depression": 1,
    "consciousness": 2,
    "vision": 2,
    "hearing": 2,
    "daily_affairs": 4,
    "social_contact": 4,
    "transport": 3,
}
TOTAL_POINTS = sum(ITEMS.values())
BANDS = ((TOTAL_POINTS, Grade.INTACT), (66, Grade.MILD), (46, Grade.MODERATE), (30, Grade.SEVERE))
WORSE = (Grade.INTACT, Grade.MILD, Grade.MODERATE, Grade.SEVERE, Grade.TOTAL)
RISK_EVENTS = 2  # within 30 days

_EARTH = 6378245.0
_FLATTENING = 0.00669342162296594323


def items_total(items: Mapping[str, int]) -> int:
    """The points of the 26 items. ValueError, with a sentence, when one is missing, unknown or out of range."""
    missing, unknown = ITEMS.keys() - items.keys(), items.keys() - ITEMS.keys()
    if missing or unknown:
        raise ValueError("评估应填写全部 26 项，且只填这些项目。")
    if any(not 0 <= points <= ITEMS[item] for item, points in items.items()):
        raise ValueError("有的项目得分超出了范围。")
    return sum(items.values())


def grade_of(total: int, *, coma: bool = False, diagnosed: bool = False, risk_events: int = 0) -> Grade:
    """The grade of a total. Coma is total; a diagnosis (F00-F03, F04-F99) or two risk events make it one worse, once."""
    if coma:
        return Grade.TOTAL
    grade = next((grade for least, grade in BANDS if total >= least), Grade.TOTAL)
    if diagnosed or risk_events >= RISK_EVENTS:
        grade = WORSE[min(WORSE.index(grade) + 1, len(WORSE) - 1)]
    return grade


def worst(grades: Iterable[Grade]) -> Grade:
    """The grade by which a visit of several residents counts: the worst known one."""
    known = [grade for grade in grades if grade is not Grade.UNKNOWN]
    return max(known, key=WORSE.index) if known else Grade.UNKNOWN


def id_number_fault(number: str, birth_date: date | None, sex: Sex | None) -> str | None:
    """What is wrong with a resident's identity number, as a sentence; None when it holds and agrees with the rest."""
    fault = id_numbers.id_number_fault(number)
    if fault:
        return fault
    if birth_date is not None and id_numbers.birth_date(number) != birth_date:
        return "身份证号与出生日期不一致，请核对。"
    if sex is not None and (int(number[16]) % 2 == 1) != (sex is Sex.MALE):
        return "身份证号与性别不一致，请核对。"
    return None


def rounded(lon: float, lat: float) -> tuple[float, float]:
    """A place to about 100 m: all that leaves the sealed block."""
    return round(lon, 3), round(lat, 3)


def from_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """WGS-84 of a GCJ-02 coordinate, to about a metre, by undoing the published offset at the point itself."""
    x, y = lon - 105.0, lat - 35.0
    waves = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + waves
    north += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + waves
    east += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    bend = 1 - _FLATTENING * sin(lat / 180.0 * pi) ** 2
    north = north * 180.0 / (_EARTH * (1 - _FLATTENING) / (bend * sqrt(bend)) * pi)
    east = east * 180.0 / (_EARTH / sqrt(bend) * cos(lat / 180.0 * pi) * pi)
    return lon - east, lat - north
