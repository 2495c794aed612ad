"""How often told intervals hold, computed from the true distributions: no chance in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from simulators.factory_answers import Answer
from simulators.factory_reference import Reference

Floats = npt.NDArray[np.float64]
_DELAYS: Final = -np.log1p(-(np.arange(64) + 0.5) / 64)
"""Quantiles of an exponential distribution with mean 1."""
_GRID: Final = np.linspace(-8.0, 8.0, 16_001)
_NORMAL: Final = np.array([(1 + math.erf(at / math.sqrt(2))) / 2 for at in _GRID])
"""The normal distribution; between its points a straight line is right to 1e-8."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of operations on products never made whose duration lies inside its interval."""

    logged: float | None
    """Alternatives chosen as planners do."""
    uniform: float | None
    """Each usable alternative alike."""
    recommended: float | None
    """On the steps of recommended routes."""
    by_step: Mapping[str, float]
    by_step_uniform: Mapping[str, float]
    by_family: Mapping[str, float]
    mean_width: float | None
    """(high - low) / mean, weighed as planners choose."""
    told: float
    """Share of usable alternatives that have an interval."""

    def as_json(self) -> dict[str, Any]:
        """Return the figures, rounded."""

        def brief(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {name: brief(held) for name, held in value.items()}
            return None if value is None else round(float(value), 4)

        return {name: brief(getattr(self, name)) for name in self.__slots__}


def inside_share(log_median: Floats, log_sigma: Floats, delay_share: Floats, delay_mean: Floats, low: Floats, high: Floats) -> Floats:
    """Return the probability that a duration lies between two bounds."""

    def below(bound: Floats, delay: Floats) -> Floats:
        told = np.log(np.maximum(bound, 1e-12)) - log_median - np.log1p(delay)
        return np.asarray(np.interp(told / log_sigma, _GRID, _NORMAL), np.float64)

    def share(bound: Floats) -> Floats:
        plain = below(bound, np.zeros_like(bound))
        if not np.any(delay_share):
            return plain
        delayed = np.mean([below(bound, delay_mean * quantile) for quantile in _DELAYS], axis=0)
        return np.asarray((1 - delay_share) * plain + delay_share * delayed, np.float64)

    return share(high) - share(low)


def coverage_of(reference: Reference, answers: Sequence[Answer]) -> Coverage:
    """Return how often the intervals of these answers hold."""
    rows, columns, low, high, mean = [], [], [], [], []
    at = {name: column for column, name in enumerate(reference.alternatives)}
    usable = 0
    for answer in answers:
        row = reference.rows[answer.product]
        usable += int(reference.usable[row].sum())
        for name, (middle, lower, upper) in answer.intervals.items():
            if reference.usable[row, at[name]]:
                rows.append(row)
                columns.append(at[name])
                mean.append(middle)
                low.append(lower)
                high.append(upper)
    if not rows:
        return Coverage(None, None, None, {}, {}, {}, None, 0.0)
    r, c = np.array(rows), np.array(columns)
    median, sigma, share, delay = (reference.table[name][r, c] for name in ("log_median", "log_sigma", "delay_share", "delay_mean"))
    inside = inside_share(median, sigma, share, delay, np.array(low), np.array(high))
    odds = reference.table["planner_odds"][r, c]
    names = list(reference.products)
    step = np.array([reference.operation_of[reference.alternatives[column]] for column in columns])
    family = np.array([reference.products[names[row]].family for row in rows])
    recommended = {(reference.rows[answer.product], at[name]) for answer in answers for name in answer.route}
    chosen = np.array([pair in recommended for pair in zip(rows, columns, strict=True)])
    width = (np.array(high) - np.array(low)) / np.maximum(np.array(mean), 1e-12)
    return Coverage(
        _weighed(inside, odds),
        float(inside.mean()),
        float(inside[chosen].mean()) if chosen.any() else None,
        _by(step, inside, odds),
        _by(step, inside, np.ones(len(inside))),
        _by(family, inside, odds),
        _weighed(width, odds),
        len(rows) / max(usable, 1),
    )


def _weighed(values: Floats, weights: Floats) -> float | None:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else None


def _by(groups: npt.NDArray[Any], values: Floats, weights: Floats) -> dict[str, float]:
    told = {str(group): _weighed(values[groups == group], weights[groups == group]) for group in dict.fromkeys(groups.tolist())}
    return {name: value for name, value in told.items() if value is not None}
