"""What shares are compared with: ways to divide hours that ask nobody whose they are."""

from __future__ import annotations

import numpy as np

from optimizer.sharing.reserves import TICKS, first_to_end, order_ticks, ticks
from plant.sharing import Ints, ShareProblem, Work


def first_come(problem: ShareProblem) -> Work:
    """Return work when who comes first is served first (FCFS)."""
    return _listed(problem, np.lexsort((np.arange(len(problem.orders.hours)), problem.orders.release)))


def first_due(problem: ShareProblem) -> Work:
    """Return work when what is due first goes first, whoever's it is, as one factory would do: few are late, and nobody is kept safe."""
    orders = problem.orders
    return _listed(problem, np.lexsort((orders.release, -orders.priority, orders.due)))


def _listed(problem: ShareProblem, turn: Ints) -> Work:
    """Return each order in its turn in the earliest hours left of the centre at which it ends first."""
    free, asked = ticks(problem.capacity_hours), order_ticks(problem)
    rows: list[tuple[int, int, int, int]] = []
    for order in turn:
        centres, begin = np.flatnonzero(problem.orders.may[order]), max(int(problem.orders.release[order]), 0)
        if not len(centres):
            continue
        filled = np.minimum(np.cumsum(free[centres, begin:], axis=1), asked[order])
        best = first_to_end(filled, int(asked[order]))
        taken = np.diff(filled[best], prepend=0)
        free[centres[best], begin:] -= taken
        rows += [(int(order), int(centres[best]), begin + int(at), int(taken[at])) for at in np.flatnonzero(taken)]
    columns = np.array(rows, np.int64).reshape(-1, 4)
    return Work(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3] / TICKS)
