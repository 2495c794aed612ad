"""What another way of choosing would have cost, told from what was chosen: step by step, and only where the log can tell it.

Each row weighs by how probable the other way's choice is against how probable it was when it was made (its logged propensity). Doubly
robust: the model's answer, corrected by what it missed on the rows that fit. Where fewer than 30 rows' worth of evidence is left, there
is no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_EFFECTIVE = 30.0
_LEAST_PRODUCTS = 3


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """Mean cost of a step under the other way of choosing, with 90 % bounds."""

    mean: float
    """Doubly robust."""
    low: float
    high: float
    self_normalised: float
    """By weights alone (SNIPS): when it is far from ``mean``, the model is off."""
    logged: float
    """What the step cost as it was chosen."""
    effective: float
    """Rows' worth of evidence: (sum of weights)^2 / sum of squares."""
    rows: int


@dataclass(frozen=True, slots=True)
class TooLittle:
    """The log cannot tell it."""

    effective: float
    rows: int
    reason: str


Valued: TypeAlias = PolicyValue | TooLittle


def value_of_choosing(
    chosen: Floats, product: Ints, alternative: Ints, propensity: Floats, cost: Floats, expected: Floats, *, least: float = LEAST_EFFECTIVE
) -> Valued:
    """Return what one step would cost.

    ``chosen``: products x alternatives, the probability with which the other way chooses; ``expected``: what the model, learned without
    these rows or at least without these products, says of each; the others: one value per row.
    """
    told = np.isfinite(propensity) & (propensity > 0) & np.isfinite(cost)
    rows = int(told.sum())
    if not rows:
        return TooLittle(0.0, 0, "no row tells how probable its choice was")
    product, alternative, cost = product[told], alternative[told], cost[told]
    weight = chosen[product, alternative] / propensity[told]
    squares = float((weight**2).sum())
    effective = float(weight.sum()) ** 2 / squares if squares > 0 else 0.0
    if effective < least:
        return TooLittle(effective, rows, f"the log holds {effective:.0f} rows' worth of evidence of these choices; {least:.0f} are needed")
    _, unit = np.unique(product, return_inverse=True)
    units = int(unit.max()) + 1
    if units < _LEAST_PRODUCTS:
        return TooLittle(effective, rows, f"rows of {units} products do not tell how products differ; {_LEAST_PRODUCTS} are needed")
    model = np.where(chosen > 0, chosen * np.where(chosen > 0, expected, 0.0), 0.0).sum(axis=1)
    missed = np.where(weight > 0, weight * (cost - expected[product, alternative]), 0.0)
    each = model[product] + missed
    mean = float(each.mean())
    by_product = np.bincount(unit, each - mean, minlength=units)
    error = float(np.sqrt((by_product**2).sum() * units / (units - 1))) / rows
    return PolicyValue(
        mean, mean - 1.645 * error, mean + 1.645 * error, float((weight * cost).sum() / weight.sum()), float(cost.mean()), effective, rows
    )
