"""Whole orders laid into hours, period by period: what the rule gives is followed by deficit, and the guard keeps the reserves.

At each centre and period the factory goes next that is furthest behind what the rule has given it there so far (deficit round robin,
Shreedhar and Varghese 1996, with the rule's hours in place of a quantum), with the order of its own that comes next: one begun here, one
that the rule does here, the one that the rule ends first, the one due first. It has all hours that it needs, that are left, and that the
guard allows. So nobody is ahead by more than one order, what is behind is carried on, and a centre does not stand idle while an order
counted there waits. An order is worked on at one centre only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.sharing.fluid import Fluid
from optimizer.sharing.guard import Guard
from optimizer.sharing.reserves import TICKS, Reserves, by_turn, order_ticks
from plant.sharing import NONE, Floats, Ints, Keeps, ShareProblem, Work

_CLOSE_HOURS: Final = 1e-4
"""What the rule gives is as close as this: HiGHS rounds."""


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Where and when the rule does each order."""

    centre: Ints
    """(orders,): where most of it is done; NONE: nowhere in these periods."""
    end: Ints
    """(orders,): when the last of it is done; as many as there are periods: not in these."""


def laid(problem: ShareProblem, given: Fluid, reserves: Reserves) -> Work:
    """Return the work of whole orders."""
    laying = _Laying(problem, given, reserves)
    by_rule = given.by_factory(problem) * TICKS
    for period in range(len(problem.periods)):
        laying.behind += by_rule[:, :, period]
        while any(laying.fill(centre, period) for centre in range(len(problem.centres))):
            pass
        laying.guard.end_period(period)
    rows = np.array([(order, centre, period) for order, centre, period in laying.done], np.int64).reshape(-1, 3)
    return Work(rows[:, 0], rows[:, 1], rows[:, 2], np.array(list(laying.done.values()), np.float64) / TICKS)


def wanted(problem: ShareProblem, given: Fluid) -> Wanted:
    """Return where the rule does each order: of alike ones those whose turn is first have its first hours."""
    count, periods = len(problem.orders.hours), len(problem.periods)
    centre, end = np.full(count, NONE, np.int64), np.full(count, periods, np.int64)
    turn = by_turn(problem)
    turn = turn[np.argsort(given.kinds.of[turn], kind="stable")]
    rows = np.lexsort((given.centre, given.period, given.kind))
    orders_of = np.searchsorted(given.kinds.of[turn], np.arange(len(given.kinds.hours) + 1))
    rows_of = np.searchsorted(given.kind[rows], np.arange(len(given.kinds.hours) + 1))
    for kind in range(len(given.kinds.hours)):
        its, mine = turn[orders_of[kind] : orders_of[kind + 1]], rows[rows_of[kind] : rows_of[kind + 1]]
        if not len(mine):
            continue
        until = np.cumsum(given.hours[mine])
        last = np.cumsum(problem.orders.hours[its])
        middle = np.searchsorted(until, last - problem.orders.hours[its] / 2)
        whole = last <= until[-1] + _CLOSE_HOURS
        at = np.minimum(np.searchsorted(until, last - _CLOSE_HOURS), len(mine) - 1)
        end[its[whole]] = given.period[mine[at[whole]]]
        some = middle < len(mine)
        centre[its[some]] = given.centre[mine[middle[some]]]
    return Wanted(centre, end)


class _Laying:
    """Ticks of work as far as they are given."""

    def __init__(self, problem: ShareProblem, given: Fluid, reserves: Reserves) -> None:
        self.problem = problem
        self.guard = Guard(problem, reserves)
        self.left: Ints = order_ticks(problem)
        self.begun = np.full(len(self.left), NONE, np.int64)
        self.done: dict[tuple[int, int, int], int] = {}
        self.behind: Floats = np.zeros((len(problem.factories), len(problem.centres)))
        self._rule = wanted(problem, given)
        self._turn = np.empty(len(self.left), np.int64)
        self._turn[by_turn(problem)] = np.arange(len(self.left))

    def fill(self, centre: int, period: int) -> bool:
        """Give the hours of a centre in a period, and return whether any were given."""
        gave = False
        next_of = {factory: self._waiting(factory, centre, period) for factory in range(len(self.problem.factories))}
        ahead = {factory: order for factory, its in next_of.items() if (order := next(its, None)) is not None}
        while ahead and self.guard.left[centre, period] > 0:
            factory = max(ahead, key=lambda one: (self.behind[one, centre], -self._turn[ahead[one]]))
            gave |= self._give(ahead[factory], factory, centre, period)
            order = next(next_of[factory], None)
            if order is None:
                del ahead[factory]
            else:
                ahead[factory] = order
        return gave

    def _waiting(self, factory: int, centre: int, period: int) -> Iterator[int]:
        orders = self.problem.orders
        here = (self.begun == centre) | ((self.begun == NONE) & orders.may[:, centre])
        rows = np.flatnonzero(here & (orders.factory == factory) & (orders.release <= period) & (self.left > 0))
        elsewhere = self._rule.centre[rows] != centre
        order = np.lexsort((self._turn[rows], self._rule.end[rows], elsewhere, self.begun[rows] != centre))
        return iter(rows[order].tolist())

    def _give(self, order: int, factory: int, centre: int, period: int) -> bool:
        least = int(self.left[order]) if self.problem.keeps is Keeps.PACE else 1
        if not self.guard.come(order, centre, period, least):
            return False
        given = min(int(self.left[order]), self.guard.allowed(order, period))
        if given <= 0:
            return False
        self.guard.give(order, period, given)
        self.left[order] -= given
        self.begun[order] = centre
        self.behind[factory, centre] -= given
        key = (order, centre, period)
        self.done[key] = self.done.get(key, 0) + given
        return True
