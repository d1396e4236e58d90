"""Linear programs by GLOP, one thread, so that equal programs give equal duals; and the best whole choice of a few columns.

A program that grew by a few columns is solved from where the last one ended: a day on which something is scarce needs 15,000
steps from nothing and 1,000 from there.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from ortools.glop.parameters_pb2 import GlopParameters
from ortools.linear_solver.python import model_builder_helper
from ortools.math_opt import (
    callback_pb2,
    model_parameters_pb2,
    model_pb2,
    parameters_pb2,
    result_pb2,
    solution_pb2,
)
from ortools.math_opt.core.python import solver
from pybind11_abseil.status import StatusNotOk
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_EFFORT = "num_workers:1 max_deterministic_time:0.2"  # of one whole choice: some tenths of a second
_BASIC, _LOWER, _UPPER, _FIXED = (
    solution_pb2.BASIS_STATUS_BASIC,
    solution_pb2.BASIS_STATUS_AT_LOWER_BOUND,
    solution_pb2.BASIS_STATUS_AT_UPPER_BOUND,
    solution_pb2.BASIS_STATUS_FIXED_VALUE,
)


class MasterFailed(RuntimeError):
    """No optimum: a fault of the solver, not of the snapshot; the plan that stands stays."""


class Basis(NamedTuple):
    """Which columns and which rows' slacks are in the basis."""

    columns: Flags
    rows: Flags


class Optimum(NamedTuple):
    """`duals`: of rows, >= 0 where there is no lower bound."""

    x: Floats
    duals: Floats
    value: float
    basis: Basis
    steps: int


def maximise(
    gain: Floats, matrix: csr_matrix, lower: Floats, upper: Floats, basis: Basis | None = None
) -> Optimum:
    """max gain x, lower <= matrix x <= upper, x >= 0. `basis`: to begin from. Raises MasterFailed."""
    height, width = matrix.shape
    x, duals = np.zeros(width), np.zeros(height)
    rows = np.flatnonzero(np.diff(matrix.indptr))
    within, slack = np.zeros(width, np.bool_), np.ones(height, np.bool_)
    if not len(rows):
        return Optimum(x, duals, 0.0, Basis(within, slack), 0)
    parameters = parameters_pb2.SolveParametersProto()
    parameters.glop.change_status_to_imprecise = False  # duals are rounded, and whole duties measured, anyway
    begin = model_parameters_pb2.ModelSolveParametersProto()
    if basis is not None:
        parameters.glop.use_preprocessing = False
        parameters.glop.optimization_rule = GlopParameters.STEEPEST_EDGE
        bound = np.where(lower == upper, _FIXED, _UPPER)
        _tell(begin.initial_basis.variable_status, np.where(basis.columns, _BASIC, _LOWER))
        _tell(begin.initial_basis.constraint_status, np.where(basis.rows, _BASIC, bound)[rows])
    try:
        result = solver.solve(
            _model(gain, matrix[rows], lower[rows], upper[rows]),
            parameters_pb2.SOLVER_TYPE_GLOP,
            parameters_pb2.SolverInitializerProto(),
            parameters,
            begin,
            None,
            callback_pb2.CallbackRegistrationProto(),
            None,
            None,
        )
    except StatusNotOk as refused:
        raise MasterFailed(str(refused)) from refused
    if result.termination.reason != result_pb2.TERMINATION_REASON_OPTIMAL:
        raise MasterFailed(str(result.termination))
    found = result.solutions[0]
    x[:] = found.primal_solution.variable_values.values
    duals[rows] = found.dual_solution.dual_values.values
    within[:] = np.array(found.basis.variable_status.values) == _BASIC
    slack[rows] = np.array(found.basis.constraint_status.values) == _BASIC
    value = float(found.primal_solution.objective_value)
    return Optimum(x, duals, value, Basis(within, slack), result.solve_stats.simplex_iterations)


def _tell(statuses: Any, values: NDArray[np.int64]) -> None:
    statuses.ids.extend(range(len(values)))
    statuses.values.extend(values.tolist())


def _model(gain: Floats, matrix: csr_matrix, lower: Floats, upper: Floats) -> model_pb2.ModelProto:
    height, width = matrix.shape
    matrix.sort_indices()
    model = model_pb2.ModelProto()
    model.variables.ids.extend(range(width))
    model.variables.lower_bounds.extend(np.zeros(width))
    model.variables.upper_bounds.extend(np.full(width, np.inf))
    model.variables.integers.extend(np.zeros(width, np.bool_))
    model.objective.maximize = True
    some = np.flatnonzero(gain)
    model.objective.linear_coefficients.ids.extend(some)
    model.objective.linear_coefficients.values.extend(gain[some])
    model.linear_constraints.ids.extend(range(height))
    model.linear_constraints.lower_bounds.extend(lower)
    model.linear_constraints.upper_bounds.extend(upper)
    entries = model.linear_constraint_matrix
    entries.row_ids.extend(np.repeat(np.arange(height), np.diff(matrix.indptr)))
    entries.column_ids.extend(matrix.indices)
    entries.coefficients.extend(matrix.data)
    return model


def choose(gain: Floats, matrix: csr_matrix, lower: Floats, upper: Floats) -> Floats:
    """max gain x, lower <= matrix x <= upper, each x 0 or 1. Raises MasterFailed."""
    width = len(gain)
    model = model_builder_helper.ModelBuilderHelper()
    bounds: tuple[Any, ...] = (np.zeros(width), np.ones(width), -gain, lower, upper, matrix)
    model.fill_model_from_sparse_data(*bounds)
    for number in range(width):
        model.set_var_integrality(number, True)
    solver = model_builder_helper.ModelSolverHelper("SAT")
    solver.set_solver_specific_parameters(_EFFORT)
    solver.solve(model)
    if not solver.has_solution():
        raise MasterFailed(str(solver.status()))
    return np.rint(np.asarray(solver.variable_values(), np.float64))
