"""Mean, deviation and autocorrelation that keep their digits: sums without rounding, differences from a mean that is exact first."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def mean_of(values: Floats) -> float:
    """Return the mean of values, shape (n,). Raises ValueError where there is none."""
    if not len(values):
        raise ValueError("a mean needs a value")
    about = float(values[0])
    # Values near each other lose no digit when subtracted, and what is left needs few.
    return about + math.fsum((values - about).tolist()) / len(values)


def deviation_of(values: Floats) -> float:
    """Return the sample standard deviation of values, shape (n,), by n - 1. Raises ValueError below 2 values."""
    if len(values) < 2:
        raise ValueError("a standard deviation needs 2 values")
    return math.sqrt(_squares(_centred(values)) / (len(values) - 1))


def autocorrelation_of(values: Floats) -> float:
    """Return the autocorrelation at lag 1, as NIST defines it; 0 where all values are equal. Raises ValueError below 2 values."""
    if len(values) < 2:
        raise ValueError("an autocorrelation needs 2 values")
    apart = _centred(values)
    whole = _squares(apart)
    return math.fsum((apart[1:] * apart[:-1]).tolist()) / whole if whole > 0 else 0.0


def _centred(values: Floats) -> Floats:
    about = float(values[0])
    shifted = values - about
    centred: Floats = shifted - math.fsum(shifted.tolist()) / len(values)
    return centred


def _squares(apart: Floats) -> float:
    # what the mean's own rounding left over is taken out again
    return math.fsum((apart * apart).tolist()) - math.fsum(apart.tolist()) ** 2 / len(apart)
