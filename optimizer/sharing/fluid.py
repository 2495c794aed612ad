"""The rule, as if work could be divided at will: weighted max-min over factories, first of hours in time, then of all hours.

Of all that the program allows (``program``; what each factory has alone is one such solution, so there is one), in turn:

1. hours done by when they are due are shared out by *water filling*: the level ``l`` in ``hours of f >= l * weight of f + owed to f`` is
   raised as far as it goes; factories that stop it have what they get, and the level of the others is raised on;
2. all hours of these periods are shared out in the same way, with 1. kept;
3. of what is left open, the urgent comes first, as early as it can, and in turns: who is behind an even pace over time costs.

The weight of a factory is what it has reserved (``MAX_MIN``) or what it asks for (``PROPORTIONAL``).

That factories whose rows have a price (dual value above 0) stop the level in each optimum is complementary slackness; at least one has
a price, so there are at most as many programs as factories (Radunovic and Le Boudec 2007; Nace and Pioro 2008). Work flows from kinds
through hours of centres, so what factories can have together is a polymatroid, and what fills it by level fills it whole: but for what
the reserves hold back, fairness costs no hour in time and no hour done (Megiddo 1974; Federgruen and Groenevelt 1986). It maximises
the weighted sum of the logarithms too, so both rules are proportionally fair in Kelly's sense, by other weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack

from optimizer.sharing.program import LOOSE_HOURS, METHODS, Kinds, Program, kinds_of, program_of, solved
from optimizer.sharing.reserves import Reserves
from plant.sharing import Flags, Floats, Ints, ShareProblem, ShareRule

_PRICE: Final = 1e-7
_BEHIND: Final = 1.0
"""What an hour behind an even pace costs a period; an hour put off costs 1 to 2 a period, as it is urgent, and 4 more when it is late."""
_LEAST_WEIGHT: Final = 1e-4
"""Of all weights: who has reserved nothing comes last, not never."""


@dataclass(frozen=True, slots=True, eq=False)
class Fluid:
    """Hours of kinds, as columns: what the rule gives."""

    kinds: Kinds
    kind: Ints
    centre: Ints
    period: Ints
    hours: Floats

    def by_factory(self, problem: ShareProblem) -> Floats:
        """Return (factories, centres, periods): the hours of each factory."""
        found = np.zeros((len(problem.factories), len(problem.centres), len(problem.periods)))
        np.add.at(found, (self.kinds.factory[self.kind], self.centre, self.period), self.hours)
        return found


def fluid(problem: ShareProblem, reserves: Reserves) -> Fluid:
    """Return what the rule gives. Raises Rejected where there is no answer, which no sound problem has."""
    kinds = kinds_of(problem, reserves)
    program = program_of(problem, kinds, reserves)
    count, reached = len(program.kind), np.zeros(len(problem.factories))
    if not count:
        none = np.zeros(0, np.int64)
        return Fluid(kinds, none, none, none, np.zeros(0))
    rows, most = csr_array((0, program.upper.shape[1])), np.zeros(0)
    for counted in (program.in_time, np.ones(count, np.bool_)):
        sums = _sums(program, counted, len(problem.factories))
        reached = _levelled(program, sums, _weights(problem, kinds, program, counted), problem.owed_hours, (rows, most))
        rows, most = vstack((rows, -sums)).tocsr(), np.concatenate((most, LOOSE_HOURS - reached))
    cost = _cost(program, kinds, len(problem.periods))
    even = _evenly(program, _curves(problem, kinds, reached))
    rows = vstack((hstack((rows, csr_array((len(most), len(even.cost))))), even.rows))
    hours = solved(program, np.concatenate((cost, even.cost)), rows, np.concatenate((most, even.most)), METHODS[::-1])[0][:count]
    some = hours > LOOSE_HOURS
    return Fluid(kinds, program.kind[some], program.centre[some], program.period[some], hours[some])


def _levelled(program: Program, sums: csr_array, weights: Floats, owed: Floats, kept: tuple[csr_array, Floats]) -> Floats:
    """Return (factories,): what each reaches when the level is raised as far as it goes, again and again."""
    reached = np.zeros(len(weights))
    rising = weights > 0
    cost = np.concatenate((np.zeros(program.upper.shape[1]), [-1.0]))
    while rising.any():
        level = np.where(rising, weights, 0.0)
        rows = vstack((hstack((kept[0], csr_array((len(kept[1]), 1)))), hstack((-sums, csr_array(level[:, None])))))
        most = np.concatenate((kept[1], np.where(rising, -owed, LOOSE_HOURS - reached)))
        found, _, prices = solved(program, cost, rows, most)
        stop = rising & (prices[-len(weights) :] * level > _PRICE)
        stop = stop if stop.any() else rising
        reached[stop] = np.maximum(0.0, found[-1] * weights + owed)[stop]
        rising = rising & ~stop
    return reached


def _sums(program: Program, counted: Flags, factories: int) -> csr_array:
    """Return rows that add up the counted hours of each factory."""
    each = np.flatnonzero(counted)
    return csr_array((np.ones(len(each)), (program.factory[each], each)), shape=(factories, program.upper.shape[1]))


def _weights(problem: ShareProblem, kinds: Kinds, program: Program, counted: Flags) -> Floats:
    """Return how fast each factory's hours rise with the level; 0 for those that ask for none."""
    asking = np.unique(program.kind[counted])
    asked = np.bincount(kinds.factory[asking], kinds.hours[asking], minlength=len(problem.factories)).astype(np.float64)
    if problem.rule is ShareRule.PROPORTIONAL:
        return asked
    reserved = problem.reserve_hours.sum(axis=(1, 2))
    return np.where(asked > 0, np.maximum(reserved, max(_LEAST_WEIGHT * reserved.sum(), LOOSE_HOURS)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Even:
    """Further columns: hours of each factory by the end of each period, then what they are short of its curve; rows that bind them."""

    cost: Floats
    rows: csr_array
    most: Floats


def _curves(problem: ShareProblem, kinds: Kinds, reached: Floats) -> Floats:
    """Return (factories, periods): what each would have by the end of each period if it had all in an even pace, as it is released."""
    by_then = np.cumsum(problem.capacity_hours.sum(axis=0))
    released = np.zeros((len(reached), len(by_then) + 1))
    np.add.at(released, (kinds.factory, kinds.release), kinds.hours)
    even = reached[:, None] * by_then[None, :] / max(float(by_then[-1]), LOOSE_HOURS)
    curves: Floats = np.minimum(even, np.cumsum(released, axis=1)[:, :-1])
    return curves


def _evenly(program: Program, curves: Floats) -> _Even:
    factories, periods = curves.shape
    size, count = factories * periods, len(program.kind)
    row = np.arange(size)
    running = eye_array(size) - csr_array((np.ones(size - factories), _before(row, periods)), shape=(size, size))
    now = csr_array((-np.ones(count), (program.factory * periods + program.period, np.arange(count))), shape=(size, program.upper.shape[1]))
    nothing, none = csr_array((size, program.upper.shape[1])), csr_array((size, size))
    rows = vstack(
        (hstack((now, running, none)), hstack((nothing, -eye_array(size), -eye_array(size))), hstack((nothing, none, -eye_array(size))))
    )
    cost = np.concatenate((np.zeros(size), np.full(size, _BEHIND)))
    return _Even(cost, rows.tocsr(), np.concatenate((np.zeros(size), -curves.reshape(-1), np.zeros(size))))


def _before(row: Ints, periods: int) -> tuple[Ints, Ints]:
    later = row[row % periods > 0]
    return later, later - 1


def _cost(program: Program, kinds: Kinds, periods: int) -> Floats:
    """Return what an hour costs: more when it is later, most when it is late; what is due earlier costs more to put off."""
    due = kinds.due[program.kind]
    cost = np.zeros(program.upper.shape[1])
    urgent = 2.0 - np.clip(due, 0, periods) / periods
    cost[: len(due)] = urgent * (program.period + 4.0 * np.maximum(program.period - due, 0))
    return cost
