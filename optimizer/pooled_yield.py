"""The chance that an operation is right the first time, learned as durations are: pooled over alternatives, on the scale of log odds.

Counts of good ones are made normal around the present answer, that is fitted, and so on until it stands (penalised quasi-likelihood).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.pooled_regression import PooledFit, Spread, fit_pooled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BOUND = 8.0
"""Log odds beyond this are 1 in 3,000: no history tells them apart."""
_STEP = 3.0
_STILL = 0.01
_LEAST_VARIANCE = 3e-4


def fit_yield(
    columns: Floats,
    groups: Ints,
    count: Floats,
    good: Floats,
    offset: Floats | float = 0.0,
    start: Spread | None = None,
    *,
    rounds: int = 15,
) -> PooledFit:
    """Return the fit of log odds; ``count`` and ``good`` are products x alternatives.

    ``offset`` is added to the log odds before they are compared with the counts. With ``start``, the spreads stay as they are.
    """
    whole = count.sum()
    share = (good.sum() + 0.5) / (whole + 1.0)
    odds = np.full(count.shape, np.log(share / (1.0 - share))) - offset
    spread = start
    fit: PooledFit | None = None
    for turn in range(rounds):
        chance = chance_of(odds + offset)
        variance = np.maximum(chance * (1.0 - chance), _LEAST_VARIANCE)
        there = count > 0
        missed = np.divide(good, count, out=np.zeros_like(odds), where=there) - chance
        target = np.where(there, odds + missed / variance, np.nan)
        noise = np.divide(1.0, count * variance, out=np.full_like(odds, np.nan), where=there)
        learn = 0 if start is not None else (8 if turn == 0 else 3)
        fit = fit_pooled(columns, groups, target, noise, spread, rounds=learn)
        spread = fit.spread
        new = columns @ fit.coefficients.T
        if len(fit.product_effects):
            new = new + fit.product_effects[:, None]
        step = np.clip(new - odds, -_STEP, _STEP)
        odds = np.clip(odds + step, -_BOUND, _BOUND)
        if float(np.max(np.abs(step), initial=0.0, where=there)) < _STILL:
            break
    if fit is None:
        raise ValueError("a fit needs at least one round")
    return fit


def chance_of(odds: Floats) -> Floats:
    """Return the probability of log odds."""
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(odds, -500.0, 500.0)))
    return found


def expected_chance(odds: Floats, variance: Floats) -> Floats:
    """Return the mean probability where log odds are not known for sure (MacKay's approximation)."""
    return chance_of(odds / np.sqrt(1.0 + np.pi * variance / 8.0))
