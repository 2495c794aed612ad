"""Intervals that hold for a product never made: calibrated by residuals of products that the fit did not see, each product one voice.

Rows of one product are alike, so a thousand of them are not a thousand proofs. Intervals calibrated on random rows cover 70 % of a new
product's operations where they say 90 %; here each row is compared with a fit without its product, each product weighs the same, and
the share is raised by what so few products cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BINS = 480
_REACH = 12.0
ENOUGH_PRODUCTS = 40
"""Products of which an alternative has its own quantile; with fewer it leans on its operation's."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How often rows lay how far from what was predicted without their product, in predicted spreads."""

    table: Floats
    """Alternatives x products x bins."""

    def add(self, alternatives: Ints, products: Ints, scores: Floats) -> None:
        """Count rows."""
        bins = np.clip((scores + _REACH) * (_BINS / (2 * _REACH)), 0, _BINS - 1).astype(np.int64)
        keys = (alternatives * self.table.shape[1] + products) * _BINS + bins
        self.table.ravel()[:] += np.bincount(keys, minlength=self.table.size)


def no_scores(alternatives: int, products: int) -> Scores:
    """Return an empty count."""
    return Scores(np.zeros((alternatives, products, _BINS)))


def folds_of(products: Ints, count: int, random: np.random.Generator) -> list[Ints]:
    """Return the products in parts of nearly equal size, by chance."""
    return [np.sort(part) for part in np.array_split(random.permutation(products), min(count, len(products))) if len(part)]


def bounds(scores: Scores, operations: Ints, share: float = 0.9) -> tuple[Floats, Floats]:
    """Return, per alternative, the lower and upper score between which a new product's rows lie with probability ``share``.

    ``operations``: the operation of each alternative, from 0. Below and above are judged apart, as delays are longer than savings.
    """
    rows = scores.table.sum(axis=2)
    low, high = np.full(len(operations), -_REACH), np.full(len(operations), _REACH)
    for operation in np.unique(operations):
        members = np.flatnonzero(operations == operation)
        table = scores.table[members]
        of_all = _voices(table.sum(axis=0))
        for member in members:
            own = scores.table[member]
            there = int((rows[member] > 0).sum())
            weight = there / (there + ENOUGH_PRODUCTS)
            heard = int((rows[members].sum(axis=0) > 0).sum())
            if heard == 0:
                continue
            mixed = weight * _voices(own) + (1.0 - weight) * of_all if there else of_all
            tail = 0.5 * (1.0 - share)
            # Of n products the next lies beyond the k-th with probability (n + 1 - k) / (n + 1).
            raised = max(0.0, tail - (1.0 - tail) / heard)
            low[member], high[member] = _quantile(mixed, raised), _quantile(mixed, 1.0 - raised, above=True)
    return low, high


def _voices(table: Floats) -> Floats:
    """Return the mean distribution over products, each with the same voice."""
    rows = table.sum(axis=1)
    there = rows > 0
    if not there.any():
        return np.zeros(table.shape[1])
    mean: Floats = (table[there] / rows[there, None]).mean(axis=0)
    return mean


def _quantile(shares: Floats, share: float, *, above: bool = False) -> float:
    """Return the edge of the bin in which a share of all is reached: the one that covers more."""
    passed = np.cumsum(shares)
    at = int(np.searchsorted(passed, max(share * passed[-1] - 1e-9, 1e-12), side="left"))
    at = min(at, _BINS - 1)
    return float((at + (1 if above else 0)) * (2 * _REACH / _BINS) - _REACH)
