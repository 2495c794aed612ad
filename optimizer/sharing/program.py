"""Sharing as a linear program: hours of kinds of work at centres in periods; the one door to HiGHS for it.

Orders of one factory with the same centres, release and due date are one *kind*. ``x[k, c, p]`` hours of kind ``k`` are done at centre
``c`` in period ``p``. Centres are not overfull, and no work is done twice. Where reserves are given, a factory has done by the end of each
period, of its work for the same centres, at least what it would have done alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack, vstack

from optimizer.sharing.reserves import TICKS, Reserves, order_ticks, ticks
from plant.errors import Rejected
from plant.sharing import NONE, Flags, Floats, Ints, Keeps, ShareProblem

Method = Literal["highs-ds", "highs-ipm"]

LOOSE_HOURS: Final = 1e-5
"""What was reached, or must be, is kept less this in programs: HiGHS keeps rows within 1e-7 each."""
METHODS: Final[tuple[Method, ...]] = ("highs-ipm", "highs-ds")
"""The interior point method needs a third of the time here, and once in a while breaks off; then the simplex method is asked."""

_highs: Final[Any] = linprog
"""scipy takes sparse rows and columns of bounds; its published types do not."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Orders that are alike to the rule, as columns."""

    of: Ints
    """(orders,): the kind of each."""
    factory: Ints
    release: Ints
    due: Ints
    """-1: late already; as many as there are periods: after them."""
    may: Flags
    """(kinds, centres)"""
    hours: Floats
    promised: Ints
    """The last period, where nothing is promised in these."""
    group: Ints
    """Kinds of one factory for the same centres are one group."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """All that binds: ``upper @ x <= most``, ``equal @ x == 0``, ``x >= least``. Columns: hours of kinds, then what groups did by then."""

    kind: Ints
    centre: Ints
    period: Ints
    factory: Ints
    in_time: Flags
    """Of each hours of kinds: whether their work is due in these periods, and not before."""
    upper: csr_array
    most: Floats
    equal: csr_array
    least: Floats


def kinds_of(problem: ShareProblem, reserves: Reserves | None) -> Kinds:
    """Return the kinds of orders; without reserves nothing is promised."""
    orders, periods = problem.orders, len(problem.periods)
    release, due = np.clip(orders.release, 0, periods), np.clip(orders.due, -1, periods)
    centres = orders.may @ (1 << np.arange(len(problem.centres), dtype=np.int64))
    promised = np.full(len(due), periods - 1) if reserves is None else np.where(reserves.promised == NONE, periods - 1, reserves.promised)
    keys = np.column_stack((orders.factory, centres, release, due, promised))
    found, first, of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    groups = np.unique(found[:, :2], axis=0, return_inverse=True)[1].reshape(-1)
    hours = np.bincount(of.reshape(-1), order_ticks(problem), minlength=len(found)) / TICKS
    return Kinds(of.reshape(-1), found[:, 0], found[:, 2], found[:, 3], orders.may[first], hours, found[:, 4], groups)


def program_of(problem: ShareProblem, kinds: Kinds, reserves: Reserves | None) -> Program:
    """Return what binds; without reserves nobody is kept from being worse off than alone."""
    periods = len(problem.periods)
    later = np.arange(periods)[None, :] >= kinds.release[:, None]
    kind, centre, period = np.nonzero(kinds.may[:, :, None] & later[:, None, :] & (problem.capacity_hours > 0)[None, :, :])
    count, each, ones = len(kind), np.arange(len(kind)), np.ones(len(kind))
    slots = csr_array((ones, (centre * periods + period, each)), shape=(problem.capacity_hours.size, count))
    whole = csr_array((ones, (kind, each)), shape=(len(kinds.hours), count))
    upper, most = [slots, whole], [ticks(problem.capacity_hours).reshape(-1) / TICKS, kinds.hours]
    by_then = np.zeros((0, periods))
    if reserves is not None:
        soon = np.flatnonzero(period <= kinds.promised[kind])
        upper.append(csr_array((-np.ones(len(soon)), (kind[soon], soon)), shape=whole.shape))
        must = np.bincount(kinds.of, reserves.need[:, -1] / TICKS, minlength=len(kinds.hours))
        most.append(np.minimum(LOOSE_HOURS - must, 0.0))
        by_then = _by_then(kinds, reserves) if problem.keeps is Keeps.PACE else by_then
    row = np.arange(by_then.size)
    adds = csr_array((ones, (kinds.group[kind] * periods + period, each)), shape=(len(row), count)) if len(row) else csr_array((0, count))
    above = np.concatenate(most)
    least = np.concatenate((np.zeros(count), np.maximum(by_then.reshape(-1) - LOOSE_HOURS, 0.0)))
    due = kinds.due[kind]
    in_time = (period <= due) & (due < periods)
    both = hstack((vstack(upper), csr_array((len(above), len(row))))).tocsr()
    return Program(kind, centre, period, kinds.factory[kind], in_time, both, above, hstack((adds, _running(row, periods))).tocsr(), least)


def solved(
    program: Program, cost: Floats, rows: csr_array | None = None, most: Floats | None = None, methods: tuple[Method, ...] = METHODS
) -> tuple[Floats, float, Floats]:
    """Return columns of the least cost, that cost, and the price of each further row ``rows @ x <= most``.

    ``cost`` and ``rows`` may have further columns at the end, which are free. Raises Rejected where there is no answer.
    """
    more = len(cost) - program.upper.shape[1]
    upper = hstack((program.upper, csr_array((program.upper.shape[0], more)))) if more else program.upper
    equal = hstack((program.equal, csr_array((program.equal.shape[0], more)))) if more else program.equal
    least = np.concatenate((program.least, np.full(more, -np.inf)))
    bounds = np.column_stack((least, np.full(len(least), np.inf)))
    above = program.most if most is None else np.concatenate((program.most, most))
    matrix = upper if rows is None else vstack((upper, rows))
    for method in methods:
        found: Any = _highs(cost, A_ub=matrix, b_ub=above, A_eq=equal, b_eq=np.zeros(equal.shape[0]), bounds=bounds, method=method)
        if found.status == 0:
            return found.x, float(found.fun), -found.ineqlin.marginals[len(program.most) :]
    raise Rejected(f"the hours cannot be shared out: HiGHS says '{found.message}'; check capacity and reserved shares")


def most_hours(problem: ShareProblem, *, in_time: bool) -> float:
    """Return the most hours that can be done, in time or at all, with no regard to fairness: no split, fair or not, does more."""
    program = program_of(problem, kinds_of(problem, None), None)
    if not len(program.kind):
        return 0.0
    counted = program.in_time if in_time else np.ones(len(program.kind), np.bool_)
    return -solved(program, -counted.astype(np.float64))[1]


def _by_then(kinds: Kinds, reserves: Reserves) -> Floats:
    found = np.zeros((int(kinds.group.max(initial=-1)) + 1, reserves.need.shape[1]))
    np.add.at(found, kinds.group[kinds.of], reserves.need / TICKS)
    return found


def _running(row: Ints, periods: int) -> csr_array:
    """What was done by then is what was done by the period before, and what is done in this one."""
    before = row[row % periods > 0] if periods else row
    put = np.concatenate((row, before)), np.concatenate((row, before - 1))
    return csr_array((np.concatenate((-np.ones(len(row)), np.ones(len(before)))), put), shape=(len(row), len(row)))
