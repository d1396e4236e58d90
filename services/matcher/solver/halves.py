"""Nobody comes alone to a visit for two: a start is used at least as far as any one person comes there.

"Exactly as far as two duties bring a person there" lets a linear program use a start by half with one person, and count half of
what serving brings. These rows, one for a person and a start, forbid it. There are too many to write all down, so those are
added that a solution breaks (Dantzig, Fulkerson & Johnson, 1954: cutting planes); each has a price, which the person's item at
that start pays and the start is given back, so that any prices still give a bound.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.matcher.solver.candidates import Ints, Items, no_ints

_BROKEN = 1e-4  # of a start, by which a row is broken


@dataclass(frozen=True, slots=True)
class Halves:
    """Prices of rows in milli-points, never negative, by person and start (of the day's starts)."""

    person: Ints = field(default_factory=no_ints)
    option: Ints = field(default_factory=no_ints)
    price: Ints = field(default_factory=no_ints)

    def charged(self, person: Ints, option: Ints, options: int) -> Ints:
        """What persons pay at starts."""
        if not len(self.price):
            return np.zeros(len(person), np.int64)
        rows, keys = self.person * options + self.option, person * options + option
        order = np.argsort(rows, kind="stable")
        at = np.minimum(np.searchsorted(rows[order], keys), len(rows) - 1)
        return np.where(rows[order][at] == keys, self.price[order][at], 0)

    def of_items(self, items: Items, visits: int, options: int) -> tuple[Ints, Ints]:
        """The items that pay, and how much."""
        at = np.flatnonzero(items.slot_row >= visits)
        person = np.searchsorted(items.person_at, at, side="right") - 1
        price = self.charged(person, items.slot_row[at] - visits, options)
        return at[price > 0], price[price > 0]

    def given(self, options: int) -> Ints:
        """What each start is given back."""
        given = np.zeros(options, np.int64)
        np.add.at(given, self.option, self.price)
        return given


def broken(keys: Ints, x: NDArray[np.float64], y: NDArray[np.float64]) -> Ints:
    """Of entries of chosen columns at starts, `keys` (person times starts, and the start) used by `x`, the rows broken. `y`: use
    of the starts."""
    rows, of = np.unique(keys, return_inverse=True)
    comes = np.bincount(of, weights=x, minlength=len(rows))
    return rows[comes > y[rows % len(y)] + _BROKEN] if len(rows) else rows
