"""How a machine's level moved over the time of the history, so that all of it is told at the level of today.

What is left of each alternative after its products are accounted for is a level that walks: how far from one span of time to the next
is learned from the spans themselves. A walk smoothed forth and back (Rauch, Tung, Striebel) follows slow wear and a sudden step alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WALKS = (0.0, 1e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Variances from one span to the next that are tried."""
_WORTH = 4.0
"""How much likelier (in log) a walk must be than none: chance alone makes some of the walks look a little likelier."""
_ANYWHERE = 1.0


def walked(means: Floats, noise: Floats) -> Floats:
    """Return the level of each row (alternatives x spans) relative to its last span.

    ``means``: what is left on average, NaN where nothing was measured; ``noise``: variance of each mean. Each row has its own walk.
    """
    levels = np.zeros_like(means)
    for row, (mean, variance) in enumerate(zip(means, noise, strict=True)):
        if np.isfinite(mean).sum() < 3:
            continue
        likely = [_filtered(mean, variance, walk)[0] for walk in _WALKS]
        best = int(np.argmax(likely))
        if likely[best] - likely[0] > _WORTH:
            smooth = _smoothed(mean, variance, _WALKS[best])
            levels[row] = smooth - smooth[-1]
    return levels


def _filtered(mean: Floats, variance: Floats, walk: float) -> tuple[float, Floats, Floats]:
    level, unsure = 0.0, _ANYWHERE
    likely = 0.0
    levels, unsures = np.empty_like(mean), np.empty_like(mean)
    for at in range(len(mean)):
        unsure += walk if at else 0.0
        if np.isfinite(mean[at]):
            total = unsure + variance[at]
            missed = mean[at] - level
            likely -= 0.5 * (np.log(total) + missed**2 / total)
            gain = unsure / total
            level += gain * missed
            unsure *= 1.0 - gain
        levels[at], unsures[at] = level, unsure
    return float(likely), levels, unsures


def _smoothed(mean: Floats, variance: Floats, walk: float) -> Floats:
    _, levels, unsures = _filtered(mean, variance, walk)
    smooth = levels.copy()
    for at in range(len(mean) - 2, -1, -1):
        back = unsures[at] / (unsures[at] + walk)
        smooth[at] = levels[at] + back * (smooth[at + 1] - levels[at])
    return smooth
