"""By which rule a chart is out of control: runs and patterns over points whose limits are known.

Sources: Nelson, Journal of Quality Technology 16 (1984) 237; Western Electric, Statistical Quality Control Handbook (1956).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from plant.charts import RULES, ChartKind, ChartPart, Rule, RuleSet

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MEMORY: Final = 14
"""How many points before one may belong to its pattern."""

_WITHOUT_ZONES: Final = frozenset({Rule.BEYOND, Rule.RUN_9, Rule.RUN_8, Rule.TREND, Rule.ALTERNATING})


def rules_of(kind: ChartKind, part: ChartPart, chosen: RuleSet) -> tuple[Rule, ...]:
    """Return the rules that make sense: sums, averages and ranges hang together from point to point, so only their limits count.

    Shares of small samples lie in no zones of a normal distribution.
    """
    if part is ChartPart.SPREAD or kind in {ChartKind.EWMA, ChartKind.CUSUM}:
        return (Rule.BEYOND,)
    if kind is ChartKind.P:
        return tuple(rule for rule in RULES[chosen] if rule in _WITHOUT_ZONES)
    return RULES[chosen]


def signals(rules: tuple[Rule, ...], points: Floats, center: float, sigma: Floats, low: Floats, high: Floats) -> dict[Rule, Bools]:
    """Return, for each rule, where its pattern is complete, shape (k,). ``sigma``, ``low``, ``high``: of shape (k,) or ()."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((points - center) / sigma, nan=0.0)
    step = np.diff(points, prepend=np.nan)
    turns = np.diff(np.sign(step), prepend=np.nan)
    found = {
        Rule.BEYOND: lambda: (points > high) | (points < low),
        Rule.RUN_9: lambda: _of(z > 0, 9, 9) | _of(z < 0, 9, 9),
        Rule.RUN_8: lambda: _of(z > 0, 8, 8) | _of(z < 0, 8, 8),
        # six points have five steps between them
        Rule.TREND: lambda: _of(step > 0, 5, 5) | _of(step < 0, 5, 5),
        # fourteen points have thirteen steps, and twelve turns between those
        Rule.ALTERNATING: lambda: _of(np.abs(turns) == 2, 12, 12),
        Rule.TWO_OF_THREE: lambda: _beyond(z, 2, 2, 3),
        Rule.FOUR_OF_FIVE: lambda: _beyond(z, 1, 4, 5),
        Rule.STRATIFIED: lambda: _of(np.abs(z) < 1, 15, 15),
        Rule.MIXED: lambda: _of(np.abs(z) > 1, 8, 8) & ~_of(z > 0, 8, 8) & ~_of(z < 0, 8, 8),
    }
    return {rule: found[rule]() for rule in rules}


def _beyond(z: Floats, sigmas: float, count: int, among: int) -> Bools:
    """Return where a point beyond so many sigmas completes ``count`` of ``among`` on its side."""
    above, below = z > sigmas, z < -sigmas
    return (above & _of(above, count, among)) | (below & _of(below, count, among))


def _of(here: Bools, count: int, among: int) -> Bools:
    """Return where at least ``count`` of the last ``among`` points, itself included, are true."""
    total = np.concatenate([[0], np.cumsum(here)])
    first = np.maximum(np.arange(1, len(here) + 1) - among, 0)
    enough: Bools = total[1:] - total[first] >= count
    return enough
