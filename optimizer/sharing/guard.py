"""What keeps to the reserves: how many hours an order may have now, so that every order can still have what it must have by then.

Let ``need[i, t]`` be what is still to be done of order ``i`` by the end of period ``t``, and for each centre

    slack[t] = what is left of this period + capacity of the later periods up to t - sum of need[i, t] over its orders.

*The rule*: order ``i`` may have ``h`` of a centre it is counted at while ``h <= slack[t] + need[i, t]`` for each ``t``; after that
``slack >= 0`` still. One that is released and was not begun may be counted at another centre where ``slack[t] >= need[i, t]``.

*What it gives*: if a centre never stands idle while an order of its own can be worked on, every need is met. Proof. A need is never
more than what the order would have done alone, and what all do alone is one schedule of the centres; so for each ``a <= t`` the needs
up to ``t`` of orders released at ``a`` or later fit between ``a`` and ``t``: (1). What is done with released orders now changes nothing
of (1) for later ``a``. In this period ``slack >= 0`` is (1) for ``a = now``, and kept by the rule. The rule stops nobody who must go on:
let ``t*`` be the first period by which a released order ``i`` has a need. Before ``t*`` all needs are of orders not yet released, so by
(1) ``slack[t]`` is at least what is left of this period; from ``t*`` on ``slack[t] + need[i, t] > 0``. So ``i`` may have some, unless
the period is full. If no released order has any need, each may have all that is left. So at the end of the period either nothing is
left, and ``slack[now] >= 0`` says that no need for it is left, and the slack of later periods is (1) for the next one; or no released
order is left, and (1) for the next period was there already.

*Over splits anew*: where alone's pace is kept, an order goes to another centre only if it ends there in this period. So what is begun
and not ended is at its home, and what is left of each order is never more than alone: what all do alone from now on, with whatever
orders came since, is again one schedule, and (1) holds from the start. Without the pace only what was known is kept.

It is the demand test of earliest-deadline-first (Liu and Layland 1973; Baruah, Rosier and Howell 1990) with what each would have alone as
deadlines. Fair queueing keeps each flow's rate so, but for one packet (Parekh and Gallager 1993); here work pauses at the end of a
period, so there is no such packet; in the works the sheet on the table is finished first, so what follows may be late by one sheet.
"""

from __future__ import annotations

import numpy as np

from optimizer.sharing.reserves import Reserves, ticks
from plant.sharing import NONE, Ints, ShareProblem


class Guard:
    """The slack of each centre while work is laid period by period, in ticks."""

    def __init__(self, problem: ShareProblem, reserves: Reserves) -> None:
        """Begin with nothing done."""
        self.left: Ints = ticks(problem.capacity_hours)
        """(centres, periods): capacity not yet given."""
        self.need: Ints = reserves.need.copy()
        """(orders, periods)"""
        self.at: Ints = reserves.home.copy()
        """(orders,): the centre at which an order is counted."""
        needed = np.zeros_like(self.left)
        counted = self.at != NONE
        np.add.at(needed, self.at[counted], self.need[counted])
        self.slack: Ints = np.cumsum(self.left, axis=1) - needed
        """(centres, periods): of the periods from this one on."""

    def come(self, order: int, centre: int, period: int, least: int) -> bool:
        """Count a released order that was not begun at another centre, where its needs fit and it can have so much now.

        Returns whether it is there.
        """
        need = self.need[order]
        if self.at[order] == centre:
            return True
        if self.left[centre, period] < least or (self.slack[centre, period:] < np.maximum(need[period:], least)).any():
            return False
        self.slack[self.at[order]] += need
        self.slack[centre] -= need
        self.at[order] = centre
        return True

    def allowed(self, order: int, period: int) -> int:
        """Return how much of its centre an order may have now."""
        centre = self.at[order]
        return min(int((self.slack[centre, period:] + self.need[order, period:]).min()), int(self.left[centre, period]))

    def give(self, order: int, period: int, given: int) -> None:
        """Take over that an order has so much of its centre now."""
        centre, need = self.at[order], self.need[order]
        after = np.maximum(need - given, 0)
        self.left[centre, period] -= given
        self.slack[centre] += need - after - given
        self.need[order] = after

    def end_period(self, period: int) -> None:
        """Go to the next period: what was left is gone."""
        self.slack -= self.left[:, period : period + 1]
        self.left[:, period] = 0
