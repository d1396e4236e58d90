"""A linear program that is begun where another ended has the same optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from services.matcher.solver.linear import Basis, MasterFailed, maximise


def program(drawn: np.random.Generator, rows: int, columns: int) -> csr_matrix:
    """Duties: one to three rows each, of which some come in pairs."""
    entries = np.zeros((rows, columns))
    for column in range(columns):
        entries[drawn.choice(rows, drawn.integers(1, 4), replace=False), column] = drawn.choice(
            [1.0, 1.0, 0.5]
        )
    return csr_matrix(entries)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), rows=st.integers(3, 30), known=st.integers(1, 40), more=st.integers(0, 40)
)
def test_a_program_that_grew_ends_the_same_from_where_the_last_one_ended(
    seed: int, rows: int, known: int, more: int
) -> None:
    drawn = np.random.default_rng(seed)
    matrix = program(drawn, rows, known + more)
    gain = drawn.integers(1, 500, known + more).astype(np.float64)
    lower, upper = np.full(rows, -np.inf), np.ones(rows)
    first = maximise(gain[:known], matrix[:, :known], lower, upper)
    basis = Basis(np.concatenate([first.basis.columns, np.zeros(more, np.bool_)]), first.basis.rows)
    warm, cold = maximise(gain, matrix, lower, upper, basis), maximise(gain, matrix, lower, upper)
    assert warm.value == pytest.approx(cold.value)
    assert (matrix @ warm.x <= upper + 1e-6).all()
    assert warm.x.min() >= -1e-6
    assert warm.duals.min() >= -1e-6
    assert (gain - warm.duals @ matrix).max() <= 1e-6
    assert warm.duals @ upper == pytest.approx(cold.value)
    if not more:
        assert warm.steps == 0


def test_a_basis_that_is_none_is_a_failure_of_the_solver_not_of_the_plan() -> None:
    matrix, gain = csr_matrix(np.ones((2, 3))), np.ones(3)
    nobody = Basis(np.zeros(3, np.bool_), np.zeros(2, np.bool_))
    with pytest.raises(MasterFailed):
        maximise(gain, matrix, np.full(2, -np.inf), np.ones(2), nobody)


def test_rows_and_columns_that_say_nothing_cost_nothing() -> None:
    none = maximise(np.zeros(0), csr_matrix((4, 0)), np.full(4, -np.inf), np.ones(4))
    assert (none.value, none.duals.tolist(), none.basis.rows.tolist()) == (0.0, [0.0] * 4, [True] * 4)
    one = maximise(
        np.array([5.0]), csr_matrix(([1.0], ([2], [0])), shape=(4, 1)), np.full(4, -np.inf), np.ones(4)
    )
    assert (one.value, one.x.tolist(), one.duals.tolist()) == (5.0, [1.0], [0.0, 0.0, 5.0, 0.0])
