"""What is usual for each number watched, from its own first parts: middle, scatter and how one part follows from the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_MAD_TO_DEVIATION = 1.4826
_CLIP = 4.0
_MOST_LAGS = 40
_CAUTION = 0.5
"""Standard errors by which autocorrelation is taken higher than it was measured: the price of too low a one is false calls."""
_FLOOR_SHARE = 1e-3
"""Of the middle: what never scatters (a commanded speed) is not judged finer than a thousandth of itself."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual, as columns, one entry a number watched."""

    middle: Numbers
    deviation: Numbers
    follows: Numbers
    """(lags, n): autocorrelation from the first lag on, on the cautious side of its estimate, 0 from where it is lost in noise."""
    parts: npt.NDArray[np.int64]
    """How many parts it was learned from; 0 where there is none."""

    def independent(self) -> Numbers:
        """Return how many parts without autocorrelation would tell as much about the middle."""
        told: Numbers = self.parts / (1 + 2 * self.follows.sum(axis=0))
        return told

    def freedom(self) -> Numbers:
        """Return how many parts without autocorrelation would tell as much about the deviation, less one; at least 2."""
        told: Numbers = np.maximum(self.parts / (1 + 2 * (self.follows**2).sum(axis=0)) - 1, 2.0)
        return told

    def faded(self, fade: float) -> Numbers:
        """Return the variance, in units of the deviation's square, of an average that fades by ``1 - fade`` with each part.

        It is that of the average around the true middle, and that of the middle known from so few parts.
        """
        lag = np.arange(1, len(self.follows) + 1)[:, None]
        memory = fade / (2 - fade) * (1 + 2 * (self.follows * (1 - fade) ** lag).sum(axis=0))
        variance: Numbers = memory + 1 / np.maximum(self.independent(), 1.0)
        return variance


def learn(reference: Numbers) -> Baseline:
    """Return the baseline of each column from its parts, oldest first; NaN where a part told nothing.

    Robust: up to about a tenth of strange parts moves middle and deviation little. Yet nearly as sharp as mean and standard deviation
    on good ones, because values are weighed out only beyond four deviations.
    """
    parts = np.isfinite(reference).sum(axis=0)
    filled = np.where(parts > 0, reference, 0.0)
    middle = np.nanmedian(filled, axis=0)
    off = np.nanmedian(np.abs(filled - middle), axis=0) * _MAD_TO_DEVIATION
    floor = np.maximum(_FLOOR_SHARE * np.abs(middle), 1e-9)
    rough = np.maximum(off, floor)
    kept = np.abs(filled - middle) <= _CLIP * rough
    trimmed = np.where(kept, filled, np.nan)
    count = np.maximum(kept.sum(axis=0), 1)
    mean = np.nansum(trimmed, axis=0) / count
    deviation = np.maximum(np.sqrt(np.nansum((trimmed - mean) ** 2, axis=0) / np.maximum(count - 1, 1)), floor)
    # where most values are one and the same, the median deviation is 0 and trims all the others away
    lumpy = off < floor
    if lumpy.any():
        whole = np.where(lumpy, np.nanstd(filled, axis=0), 0.0)
        deviation = np.where(lumpy, np.maximum(np.minimum(whole, 1e3 * floor), deviation), deviation)
    z = np.clip(np.where(np.isfinite(filled), (filled - mean) / deviation, 0.0), -_CLIP, _CLIP)
    return Baseline(mean, deviation, _following(z, parts), parts)


def _following(z: Numbers, parts: npt.NDArray[np.int64]) -> Numbers:
    """Return the autocorrelation of each column, corrected for its bias and raised by part of its error, as far as it stands out."""
    n = len(z)
    lags = max(min(n // 3, _MOST_LAGS), 1)
    power = np.maximum((z * z).sum(axis=0), 1e-12)
    raw = np.stack([(z[lag:] * z[:-lag]).sum(axis=0) / power * n / max(n - lag, 1) for lag in range(1, lags + 1)])
    known = np.maximum(parts, 2)
    # the mean that was taken off hides what is common to the whole reference
    raised = raw + (1 + 2 * np.maximum(raw, 0).sum(axis=0)) / known
    error = 1 / np.sqrt(known)
    # neighbours two by two: the sum of two neighbouring lags is positive for every chain that forgets
    paired = raised + np.concatenate([raised[1:], raised[-1:]])
    stands_out = np.logical_and.accumulate(paired > 1.5 * error, axis=0)
    cautious: Numbers = np.where(stands_out, np.clip(raised + error * _CAUTION, 0.0, 0.98), 0.0)
    return cautious


def partners(z: Numbers, groups: npt.NDArray[np.int64], least: float = 0.7) -> list[tuple[int, int, float]]:
    """Return pairs of columns that move together in the reference: (column, partner, share of the partner's deviation).

    Each column has at most one partner, of another group (another signal). A pair is named once.
    """
    if len(z) < 20:
        return []
    clipped = np.clip(np.nan_to_num(z), -_CLIP, _CLIP)
    norm = np.maximum(np.sqrt((clipped**2).sum(axis=0)), 1e-12)
    together = (clipped.T @ clipped) / np.outer(norm, norm)
    together[groups[:, None] == groups[None, :]] = 0.0
    # on few parts two of many columns move together by chance
    least = max(least, 4.5 / float(np.sqrt(len(z))))
    found: list[tuple[int, int, float]] = []
    seen: set[frozenset[int]] = set()
    for column in range(z.shape[1]):
        partner = int(np.argmax(np.abs(together[column])))
        pair = frozenset((column, partner))
        if abs(together[column, partner]) >= least and pair not in seen:
            seen.add(pair)
            slope = together[column, partner] * norm[column] / norm[partner]
            found.append((column, partner, float(slope)))
    return found
