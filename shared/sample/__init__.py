"""The sample city, as facts (domain.md, "The sample city"). Whoever loads it asks for the own slice only.

    city = make_city(Size.TOWN, seed=1, monday=week_start(today))

Slices, tuples of the frozen dataclasses in `facts`, each made when first read:

- community: `towns communities cells cell_workers buildings hospitals officials special_days years_unpublished`
- daycare: `centres centre_staff residents needs blocks`
- volunteers: `volunteers teams earlier_services`
- projects: `organisations contracts contract_lines paid_carers dispatchers`
- identity: `people` (everyone with an ID number, once, by person id), `accounts`, `cards`
- the newcomer's: `people_of_the_story`

A person is the same `Person`, with the same `person_id`, in every slice (8.1): some volunteers are residents, some
are paid carers, some have stipended grid duty, the public provider's carers are centre staff. A resident's id is the
person's id. The ids of what lasts do not depend on the week; those of this week's one-off needs do.

`occurrences` says on which days a need falls, `visits_by_day` and `snapshot_numbers` what the week comes to.
One-off needs fill the whole week: on a Thursday, leave out those whose day has passed.
"""

import hashlib
import os

from shared.sample.calendar import occurrences
from shared.sample.city import City, doubles_by_day, make_city, snapshot_numbers, visits_by_day
from shared.sample.residents import ASSESSMENT_ITEMS, grade_of
from shared.sample.sizes import NUMBERS, Numbers, Size

__all__ = [
    "ASSESSMENT_ITEMS",
    "NUMBERS",
    "SAMPLE_PASSWORD",
    "City",
    "Numbers",
    "Size",
    "doubles_by_day",
    "grade_of",
    "make_city",
    "occurrences",
    "sample_code",
    "snapshot_numbers",
    "visits_by_day",
]

SAMPLE_PASSWORD = os.environ.get("LINLI_SAMPLE_PASSWORD", "linli-2026")
"""Of every account of the sample city, on the newcomer's own machine."""


def sample_code(username: str) -> str:
    """The opening code of one of the sample's openers: 25 characters in groups of five, from the sample's password."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    digest = hashlib.sha256(f"opening code {username} {SAMPLE_PASSWORD}".encode()).digest()
    text = "".join(letters[byte % 32] for byte in digest[:25])
    return "-".join(text[at : at + 5] for at in range(0, 25, 5))
