"""What each factory would have alone: its orders, one after the other, in the hours that it has reserved.

This is the measure of what sharing may take from nobody. A factory's orders are laid by due date, then priority, then release, each
into the earliest hours that its factory has reserved at one centre and that orders before it left: a preemptive list by fixed priority.
The centre is the one at which it ends first, and stays its *home* in later splits (``ShareOrders.home``), so that what is alone in one
split goes on in the next: with less left of each order, and the homes kept, no order ends later.

Here and in what lays orders, hours are whole *ticks*, so that what is proved of sums holds of the sums of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from plant.sharing import NONE, Floats, Ints, ShareProblem, promised_ends

TICKS: Final = 1_000_000
"""Of an hour: one is 3.6 milliseconds of work."""


@dataclass(frozen=True, slots=True, eq=False)
class Reserves:
    """How far each order would be alone, and must be."""

    home: Ints
    """(orders,): its centre; NONE: no centre can do it."""
    by_then: Ints
    """(orders, periods): ticks of it done alone by the end of each period."""
    end: Ints
    """(orders,): period in which it ends alone; NONE: not in these."""
    promised: Ints
    """(orders,): period by whose end it must end; NONE: none of these."""
    need: Ints
    """(orders, periods): ticks of it that must be done by the end of each period. Never more than ``by_then``."""


def ticks(hours: Floats) -> Ints:
    """Return hours as whole ticks, rounded down but for errors of rounding."""
    return np.floor(hours * TICKS + 1e-3).astype(np.int64)


def order_ticks(problem: ShareProblem) -> Ints:
    """Return (orders,): what each takes, at least one. Rounded down as capacity is: orders that fit exactly leave no last tick over."""
    return np.maximum(ticks(problem.orders.hours), 1)


def by_turn(problem: ShareProblem) -> Ints:
    """Return orders by due date, then priority, then release: in which turn a factory's own go."""
    orders = problem.orders
    return np.lexsort((orders.release, -orders.priority, orders.due))


def reserves(problem: ShareProblem) -> Reserves:
    """Return what each factory would have alone, and what is kept of it."""
    orders, periods = problem.orders, len(problem.periods)
    free, asked = ticks(problem.reserve_hours), order_ticks(problem)
    home = np.where((orders.home != NONE) & orders.may[np.arange(len(asked)), orders.home], orders.home, NONE)
    done = np.zeros((len(asked), periods), np.int64)
    for order in by_turn(problem):
        centres = np.flatnonzero(orders.may[order]) if home[order] == NONE else home[order : order + 1]
        begin = max(int(orders.release[order]), 0)
        if not len(centres):
            continue
        filled = np.minimum(np.cumsum(free[orders.factory[order], centres, begin:], axis=1), asked[order])
        best = first_to_end(filled, int(asked[order]))
        home[order] = centres[best]
        taken = np.diff(filled[best], prepend=0)
        done[order, begin:] = taken
        free[orders.factory[order], centres[best], begin:] -= taken
    by_then = np.cumsum(done, axis=1)
    ended = by_then >= asked[:, None]
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), NONE) if periods else np.full(len(home), NONE)
    promised = promised_ends(problem, end)
    return Reserves(home, by_then, end, promised, _need(problem, by_then, promised))


def first_to_end(filled: Ints, asked: int) -> int:
    """Return the row that ends first; where none does, the one that does most."""
    if not filled.shape[1]:
        return 0
    ended = filled >= asked
    end = np.where(ended.any(axis=1), ended.argmax(axis=1), filled.shape[1])
    return int(np.lexsort((-filled[:, -1], end))[0])


def _need(problem: ShareProblem, by_then: Ints, promised: Ints) -> Ints:
    """Return what must be done by then: alone's pace, or all of it by when it must end; at last what alone would have done."""
    if problem.keeps is problem.keeps.PACE:
        return by_then
    periods = by_then.shape[1]
    last = np.where(promised == NONE, periods - 1, promised)
    return np.where(np.arange(periods)[None, :] >= last[:, None], by_then, 0)
