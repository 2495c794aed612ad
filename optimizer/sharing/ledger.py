"""Who lent to whom, and what is owed: reserved hours that another used, period by period.

What a factory's orders have of a centre in a period beyond its reserve comes from what others left of theirs, and from what nobody has
reserved, from each as much as it had left over. Lent hours are owed to the lender by all who borrowed, are paid back by lending the
other way, and count in the rule (``fluid``). Up to ``ShareProblem.owed_limit_hours`` they are carried on, the rest is forgiven: nobody
can save up more than a part of a week, as in deficit round robin a queue cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.sharing import Floats, ShareProblem


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Hours by where they came from."""

    own: Floats
    """(factories, centres, periods): within the reserve."""
    common: Floats
    """(factories, centres, periods): that nobody has reserved."""
    lent: Floats
    """(lenders, borrowers, centres, periods)"""
    paid_back: Floats
    """(payers, paid, centres, periods): the part of ``lent`` that settles a debt."""
    owed: Floats
    """(factories, periods + 1): to each at the beginning of each period, and after the last; less than 0: it owes."""


def ledger(problem: ShareProblem, got: Floats) -> Ledger:
    """Return where hours (factories, centres, periods) came from."""
    reserve = problem.reserve_hours
    own = np.minimum(got, reserve)
    beyond, spare = got - own, reserve - own
    unreserved = np.maximum(problem.capacity_hours - reserve.sum(axis=0), 0.0)
    pool = spare.sum(axis=0) + unreserved
    part = np.divide(1.0, pool, out=np.zeros_like(pool), where=pool > 0)
    common = beyond * (unreserved * part)[None]
    lent = spare[:, None] * (beyond * part[None])[None]
    factories, _, periods = got.shape
    owed = np.zeros((factories, periods + 1))
    owed[:, 0] = problem.owed_hours
    paid = np.zeros_like(lent)
    for period in range(periods):
        now = lent[:, :, :, period]
        paid[:, :, :, period] = now * _settled(now.sum(axis=2), owed[:, period])[:, :, None]
        net = now.sum(axis=(1, 2)) - now.sum(axis=(0, 2))
        owed[:, period + 1] = np.clip(owed[:, period] + net, -problem.owed_limit_hours, problem.owed_limit_hours)
    return Ledger(own, common, lent, paid, owed)


def _settled(lent: Floats, owed: Floats) -> Floats:
    """Return (lenders, borrowers): the part of what was lent that pays back, as far as the lender owes and the borrower is owed."""
    gives, takes = lent.sum(axis=1), lent.sum(axis=0)
    payer = np.divide(np.maximum(-owed, 0.0), gives, out=np.zeros_like(gives), where=gives > 0)
    paid = np.divide(np.maximum(owed, 0.0), takes, out=np.zeros_like(takes), where=takes > 0)
    part: Floats = np.minimum(np.minimum(payer[:, None], paid[None, :]), 1.0)
    return part
