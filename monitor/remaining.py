"""How many parts a tool will still make: from its own trend so far, with an interval; nothing where there is no trend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from scipy import special

LEAST_PARTS: Final = 6
CONFIDENCE: Final = 0.9
LEAST_LIVES: Final = 3
"""Tools that people called worn, from which a limit can be learned."""
_LONGEST = 1e6


class Outlook(StrEnum):
    """What can be said of a tool."""

    NO_EVIDENCE = "no_evidence"
    """Too few parts."""
    NO_LIMIT = "no_limit"
    """Nobody said how much above its begin it is worn, and too few tools were called worn to learn it."""
    NO_TREND = "no_trend"
    """It does not rise more than chance would have it."""
    TREND = "trend"
    WORN = "worn"
    """It is beyond its limit now."""


@dataclass(frozen=True, slots=True)
class Remaining:
    """What a tool's own parts say of its future."""

    outlook: Outlook
    rise_percent: float | None = None
    """So far, above what it began with."""
    parts: float | None = None
    low: float | None = None
    high: float | None = None
    """The interval that holds the number of parts until the limit with ``CONFIDENCE``, if the trend goes on as it is."""
    limit_percent: float | None = None


def remaining_of(ages: Sequence[float], levels: Sequence[float], worn_percent: float | None) -> Remaining:
    """Return what is to be expected of a tool, from the level of each of its parts and how many it had made before.

    A straight line is laid through all of them. Where it meets the limit is the quotient of two estimates, so the interval is
    Fieller's, which is right also for few parts; neighbours that resemble each other make it wider.
    """
    age, level = np.asarray(ages, np.float64), np.asarray(levels, np.float64)
    good = np.isfinite(level)
    age, level = age[good], level[good]
    n = len(age)
    if n < LEAST_PARTS or np.ptp(age) <= 0:
        return Remaining(Outlook.NO_EVIDENCE, limit_percent=worn_percent)
    middle = float(age.mean())
    square = float(((age - middle) ** 2).sum())
    slope = float(((age - middle) * level).sum()) / square
    mean = float(level.mean())
    off = level - mean - slope * (age - middle)
    variance = float((off**2).sum()) / (n - 2)
    power = float((off**2).sum())
    follows = min(max(float((off[1:] * off[:-1]).sum()) / power, 0.0), 0.8) if power > 0 else 0.0
    variance *= (1 + follows) / (1 - follows)
    begin = mean - slope * middle
    if begin <= 0:
        return Remaining(Outlook.NO_EVIDENCE, limit_percent=worn_percent)
    now = float(age.max())
    rise = 100 * slope * now / begin
    t = float(special.stdtrit(n - 2, (1 + CONFIDENCE) / 2))
    slope_variance = variance / square
    rises = slope > 0 and slope**2 > t**2 * slope_variance
    if worn_percent is None:
        return Remaining(Outlook.NO_LIMIT, rise)
    share = worn_percent / 100
    if not rises:
        return Remaining(Outlook.NO_TREND, rise, limit_percent=worn_percent)
    at = share * begin / slope
    begin_variance = variance * (1 / n + middle**2 / square)
    together = -variance * middle / square
    a = slope**2 - t**2 * slope_variance
    b = share * (begin * slope - t**2 * together)
    c = share**2 * (begin**2 - t**2 * begin_variance)
    root = float(np.sqrt(max(b * b - a * c, 0.0)))
    low, high = (b - root) / a - now, (b + root) / a - now
    if at <= now:
        return Remaining(Outlook.WORN, rise, 0.0, 0.0, max(high, 0.0), worn_percent)
    return Remaining(Outlook.TREND, rise, min(at - now, _LONGEST), max(low, 0.0), min(high, _LONGEST), worn_percent)


def learned_limit(ends: Sequence[float]) -> float | None:
    """Return the rise at which tools were called worn, None where too few were."""
    worn = [end for end in ends if end > 0]
    return float(np.median(worn)) if len(worn) >= LEAST_LIVES else None
