"""When a trial, or the accepted recipe itself, has become worse: sequential tests, so that few bad parts are enough."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ALARM: Final = 0.02
"""How often a trial as good as the accepted recipe is rolled back all the same."""
MISS: Final = 0.1
"""How often a trial that is worse by ``odds`` is not noticed for long."""
ODDS: Final = 0.5
"""A trial is worse when its odds of a good part are so many times the accepted ones."""


def worse_share(share: float, odds: float = ODDS) -> float:
    """Return the share of good parts that counts as worse than ``share``."""
    kept = min(max(share, 0.5), 0.995)
    lower = odds * kept / (1 - kept)
    return lower / (1 + lower)


@dataclass(frozen=True, slots=True)
class Weighed:
    """How the evidence stands after some parts."""

    parts: int
    good: int
    evidence: float
    """Logarithm of the likelihood ratio of worse to as good."""
    worse: bool


def weigh_trial(expected: float, results: Iterable[bool]) -> Weighed:
    """Return how a trial stands against the accepted share of good parts; it stops at the part that decides (Wald's test, SPRT).

    The lower bound is open: a trial that is as good goes on to its end, since it is to be measured.
    """
    low = worse_share(expected)
    high = min(max(expected, 0.5), 0.995)
    bound = math.log((1 - MISS) / ALARM)
    evidence, parts, good = 0.0, 0, 0
    for is_good in results:
        parts, good = parts + 1, good + int(is_good)
        evidence += math.log(low / high) if is_good else math.log((1 - low) / (1 - high))
        if evidence >= bound:
            return Weighed(parts, good, evidence, worse=True)
    return Weighed(parts, good, evidence, worse=False)


def weigh_counts(expected: float, good: int, parts: int) -> tuple[float, bool]:
    """Return the evidence of a trial of which only counts are known, and whether it is worse."""
    low = worse_share(expected)
    high = min(max(expected, 0.5), 0.995)
    evidence = good * math.log(low / high) + (parts - good) * math.log((1 - low) / (1 - high))
    return evidence, evidence >= math.log((1 - MISS) / ALARM)


def drifted(expected: float, trials: Iterable[tuple[int, int]], bound: float = 4.6) -> bool:
    """Whether the accepted recipe has become worse: a cumulative sum (CUSUM) over (good, parts) of its runs, oldest first."""
    low = worse_share(expected)
    high = min(max(expected, 0.5), 0.995)
    total = 0.0
    for good, parts in trials:
        total = max(0.0, total + good * math.log(low / high) + (parts - good) * math.log((1 - low) / (1 - high)))
        if total >= bound:
            return True
    return False
