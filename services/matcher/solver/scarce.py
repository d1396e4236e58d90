"""Prices of a day on which those who make tours are scarce.

An auction of single visits, and stand-ins at its prices, take it that whoever makes tours does as many visits as the minutes
hold. On a Sunday with a third of the carers that is far too dear: of each hundred visits that only they may do, twenty must
stay unmet. So tours come first: a linear program of them alone, small enough to be solved twenty times in a few seconds,
against what everybody else would come for.
"""

from typing import TYPE_CHECKING

import numpy as np

from services.matcher.solver.auction import Auctioned, auction
from services.matcher.solver.candidates import Ints, some_of
from services.matcher.solver.columns import Columns, Duals, Ended, StandIns
from services.matcher.solver.duties import People
from services.matcher.solver.people import FREE

if TYPE_CHECKING:
    from services.matcher.solver.day import DayProblem

MOST_TOURS = (
    400  # who make them; the program of more is as hard as the whole one (seen: 1,500, 30 to 60 s each time)
)
_ROUNDS = 60
_KEPT = 50  # tours for each who makes them, those with the best duals first
_LESS, _FARTHER = (
    100,
    100,
)  # points by which a stand-in comes for less, and how many times as much where it was used
_MANY_STEPS = 1_000  # of a linear program: the next one begins where it ended
_GAIN = 2e-4  # of its value, within three rounds: less, and they end


def scarce_prices(
    problem: "DayProblem", columns: Columns, people: People, units: Ints, auctioned: Auctioned, until: float
) -> Duals:
    """Prices by tours alone, which `columns` then know, for people as free as `people` say and so many free `units`.

    `auctioned`: by an auction among all of them. Raises OutOfTime, MasterFailed.
    """
    kept = problem.auction_duals(auctioned)
    stand_ins, ended = _offers(problem, people, units, kept), Ended(many=_MANY_STEPS)
    master = problem.master()
    tours = np.zeros(len(problem.size), np.bool_)
    tours[problem.long] = True
    numbers = np.flatnonzero(tours[columns.person[: columns.count]])
    best, least = kept, FREE
    values: list[float] = []
    for _ in range(_ROUNDS):
        solved = master.whole(columns, numbers, units, stand_ins=stand_ins, ended=ended)
        priced = problem.priced(solved, units, problem.likely)
        found = problem.look(problem.long, priced.prize, priced, people=people, proving=False, until=until)
        paying, worth = problem.add_paying(problem.long, found, solved, columns)
        bound = problem.lagrangian(solved, units, worth)
        if bound < least:
            best, least = solved, bound
        new = np.setdiff1d(np.array(paying, np.int64), numbers)
        nobody, gain = stand_ins.worth(), _GAIN * abs(solved.value)
        values.append(solved.value - nobody)
        if not len(new) or (nobody < gain and values[-1] - min(values[-4:]) < gain):
            break
        stand_ins.come_for_less()
        most = _KEPT * len(problem.long)
        if len(numbers) > most:
            numbers = numbers[np.argsort(solved.spare, kind="stable")[:most]]
        numbers = np.union1d(numbers, new)
    return best


def _offers(problem: "DayProblem", people: People, units: Ints, kept: Duals) -> StandIns:
    """What everybody else does come for, by an auction among them, and stand-ins at the prices of all."""
    few = np.flatnonzero(np.repeat(people.few, np.diff(problem.items.person_at)))
    priced = problem.priced(problem.no_duals(), units, (some_of(problem.items, few), few))
    real = auction(
        problem.tables, priced.items, people, problem.rows, problem.starts, priced.prize, problem.worth
    )
    stand_ins = problem.stand_ins(kept, problem.auction_duals(real))
    stand_ins.less[:], stand_ins.farther = _LESS, _FARTHER
    return stand_ins
