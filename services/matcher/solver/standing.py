"""A day goes on from assignments that stand: nothing is generated anew, people exchange visits and neighbourhoods are chosen."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from services.matcher.solver.duties import MILLI
from services.matcher.solver.plan import Assignment

if TYPE_CHECKING:
    from services.matcher.solver.day import DayProblem


def take_up(problem: "DayProblem", standing: Iterable[Assignment]) -> None:
    """Let the day's duties be the assignments of its visits. They keep the rules: an earlier plan of the same people made them."""
    index, items, starts = problem.index, problem.items, problem.starts
    local = {int(row): number for number, row in enumerate(problem.rows)}
    lines = {line.line_id: number for number, line in enumerate(problem.book.snapshot.lines)}
    held: dict[int, list[Assignment]] = {}
    for each in standing:
        if index.visit_of.get(each.visit_id) in local and each.carer_id in index.carer_of:
            held.setdefault(index.person_of[each.person_id], []).append(each)
    problem.size[:], problem.points[:], problem.value[:] = 0, 0, 0
    problem.line_chosen = {}
    for person, duty in held.items():
        span = np.arange(items.person_at[person], items.person_at[person + 1])
        drawn = np.full(len(duty), -1)
        for number, each in enumerate(sorted(duty, key=lambda each: each.start)):
            row = index.visit_of[each.visit_id]
            visit = local[row]
            here = (items.visit[span] == visit) & (items.carer[span] == index.carer_of[each.carer_id])
            if starts.double[visit]:
                here[here] = starts.start[items.slot_row[span[here]] - len(problem.rows)] == each.start
            problem.item[person, number], problem.start[person, number] = span[here][0], each.start
            if each.line_id is not None:
                at = slice(problem.tables.line_at[row], problem.tables.line_at[row + 1])
                asked = problem.tables.line_index[at] == lines[each.line_id]
                drawn[number] = at.start + int(np.flatnonzero(asked)[0])
        problem.size[person] = len(duty)
        problem.line_chosen[person] = drawn
        problem.points[person] = problem.measure(person)
        problem.value[person] = problem.points[person] * MILLI
    problem.drop_half_staffed()  # whose other half belongs to another seam
