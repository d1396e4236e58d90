"""Names, ID numbers, phones: plausible, valid in form, and nobody's."""

from datetime import date, timedelta
from random import Random

from stdnum.cn import ric, uscc

from shared.contracts.codes import Sex
from shared.ids import derived_id
from shared.sample.facts import Person

REGION = "321081"
BORN_BEFORE = date(
    2026, 1, 1
)  # ages are counted from here, so that a person's birth date does not move with the week

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段"
_FEMALE = "秀桂兰英玉珍凤霞淑华素琴芳美云红梅莲香月春丽娟翠萍静慧敏燕洁婷雪晴佳怡宁蓉"
_MALE = "国建明德志永文宝金福庆广春根发荣富贵成林海平军强伟勇涛峰斌杰浩宇鑫晨鹏俊泽铭"


class Register:
    """Makes the people of one slice. Slices never share an ID number or a phone: each has its own block of both."""

    def __init__(self, city: tuple[object, ...], slice_name: str, rng: Random, block: int) -> None:
        self._city = city
        self._slice = slice_name
        self._rng = rng
        self._block = block
        self._count = 0
        self._born: dict[tuple[date, Sex], int] = {}

    def person(self, youngest: int, oldest: int, sex: Sex | None = None) -> Person:
        rng = self._rng
        number = self._count
        self._count += 1
        who = sex or (Sex.FEMALE if rng.random() < 0.6 else Sex.MALE)
        days = rng.randint(youngest * 365 + youngest // 4 + 1, (oldest + 1) * 365 + oldest // 4)
        born = BORN_BEFORE - timedelta(days=days)
        while (born, who) in self._born and self._born[born, who] >= 95:
            born -= timedelta(days=1)
        nth = self._born.get((born, who), 0)
        self._born[born, who] = nth + 1
        return Person(
            person_id=derived_id("sample", *self._city, "person", self._slice, number),
            name=a_name(rng, who),
            sex=who,
            birth_date=born,
            id_number=id_number(born, self._block * 200 + 2 * nth + (1 if who is Sex.MALE else 2)),
            phone=f"199{self._block:02d}{number:06d}",
        )


def a_name(rng: Random, sex: Sex) -> str:
    given = _FEMALE if sex is Sex.FEMALE else _MALE
    first = rng.choice(given)
    return rng.choice(_SURNAMES) + first + (rng.choice(given) if rng.random() < 0.72 else "")


def id_number(born: date, sequence: int) -> str:
    """A resident identity number with its check digit; an odd sequence is a man's.

    `stdnum.cn.ric.validate` refuses it for all who are older than the region's code (1989): check the digit only.
    """
    body = f"{REGION}{born:%Y%m%d}{sequence:03d}"
    return body + str(ric.calc_check_digit(body + "0"))


def credit_code(prefix: str, number: int) -> str:
    """A unified social credit code; `prefix` tells the kind: 12 institution, 52 social organisation, 91 firm."""
    body = f"{prefix}{REGION}MJ{number:07d}"
    return body + str(uscc.calc_check_digit(body + "0"))


def contact_phone(number: int) -> str:
    return f"19990{number:06d}"
