"""Trying what is not known yet, inside a budget: a new machine may prove itself without the plant paying for it.

Off unless a person turned it on. An order may try another alternative where, even if the trial turns out as bad as its upper bound, all
orders together cost no more than (1 + share) times what the known ways would have cost (conservative bandits: Kazerouni, Ghavamzadeh,
Abbasi-Yadkori, Van Roy 2017). Orders that are due do not try anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_USED = 0.9
"""The rest of a budget is held back for what the prediction of the known ways misses."""


@dataclass(frozen=True, slots=True)
class ExplorationRules:
    """What a person allows."""

    enabled: bool = False
    cost_share: float = 0.01
    """How much more all orders together may cost at most, for sure."""
    order_share: float = 0.02
    """How many of the orders may try something."""
    reckoned_factor: float = 3.0
    """A trial is reckoned to cost at least so many times the known way, whatever is predicted: nobody has seen it work."""
    first_orders: int = 50
    """Before so many orders nothing is tried: there is no budget yet."""


@dataclass(frozen=True, slots=True)
class ExplorationLedger:
    """What was ordered and tried so far."""

    orders: int = 0
    tried: int = 0
    baseline: float = 0.0
    """What all orders cost by the known ways."""
    overspent: float = 0.0
    """By how much trials that are done cost more (below 0: less) than the known ways would have."""
    at_risk: float = 0.0
    """By how much trials that are not measured yet may cost more, at their upper bounds."""
    surprise: float = 1.0
    """The most that a trial cost, in its upper bound: later trials are reckoned so much dearer."""

    def ordered(self, baseline: float) -> ExplorationLedger:
        """The ledger after an order by the known ways."""
        return replace(self, orders=self.orders + 1, baseline=self.baseline + baseline)

    def begun(self, baseline: float, upper: float) -> ExplorationLedger:
        """The ledger after an order that tries something."""
        return replace(
            self, orders=self.orders + 1, tried=self.tried + 1, baseline=self.baseline + baseline, at_risk=self.at_risk + upper - baseline
        )

    def measured(self, baseline: float, upper: float, cost: float) -> ExplorationLedger:
        """The ledger when a trial's cost is known."""
        return replace(
            self,
            at_risk=self.at_risk - (upper - baseline),
            overspent=self.overspent + cost - baseline,
            surprise=max(self.surprise, cost / upper),
        )


class NoTrial(StrEnum):
    """Why an order tries nothing."""

    OFF = "off"
    DUE = "due"
    """It is critical for its due date."""
    NO_BUDGET_YET = "no_budget_yet"
    ENOUGH_ORDERS_TRY = "enough_orders_try"
    TOO_DEAR = "too_dear"
    """At its upper bound the trial would cost more than the budget holds."""
    NOTHING_TO_TRY = "nothing_to_try"
    """Nothing that is not known could be better than what is."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An alternative that this order may try."""

    position: int
    baseline: float
    upper: float


Explored: TypeAlias = Trial | NoTrial


def trial_of(
    rules: ExplorationRules,
    ledger: ExplorationLedger,
    *,
    known: int,
    candidates: Floats,
    low: Floats,
    mean: Floats,
    high: Floats,
    due: bool,
) -> Explored:
    """Return what one operation of an order may try, or why nothing.

    ``known``: the position of the best supported alternative; ``candidates``: true where an alternative is allowed by the rules of the
    plant and lacks evidence; ``low``, ``mean``, ``high``: cost of each, over the alternatives of the operation.
    """
    if not rules.enabled:
        return NoTrial.OFF
    if due:
        return NoTrial.DUE
    if ledger.orders < rules.first_orders:
        return NoTrial.NO_BUDGET_YET
    if ledger.tried + 1 > rules.order_share * (ledger.orders + 1):
        return NoTrial.ENOUGH_ORDERS_TRY
    baseline = float(mean[known])
    reckoned = ledger.surprise * np.maximum(high, rules.reckoned_factor * baseline)
    hopeful = np.flatnonzero(candidates.astype(bool) & np.isfinite(reckoned) & (low < baseline))
    hopeful = hopeful[hopeful != known]
    if not len(hopeful):
        return NoTrial.NOTHING_TO_TRY
    room = _USED * rules.cost_share * (ledger.baseline + baseline) - max(0.0, ledger.overspent) - ledger.at_risk
    cheap = hopeful[reckoned[hopeful] - baseline <= room]
    if not len(cheap):
        return NoTrial.TOO_DEAR
    best = int(cheap[np.argmin(low[cheap])])
    return Trial(best, baseline, float(reckoned[best]))
