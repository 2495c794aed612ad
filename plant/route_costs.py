"""What an operation done one way costs: the one place of the formula, for single values and columns alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Column: TypeAlias = "npt.NDArray[np.floating]"


@dataclass(frozen=True, slots=True)
class CostWeights:
    """What minutes, energy, wear, rework and scrap cost, in the factory's own unit (minutes where ``per_minute`` is 1)."""

    per_minute: float = 1.0
    per_kwh: float = 0.0
    per_wear: float = 0.0
    """For one unit of wear as the history counts it."""
    rework_fixed_min: float = 0.0
    """Minutes that each rework takes, whatever the operation."""
    rework_share: float = 0.0
    """Share of the operation's own duration that a rework takes besides."""
    per_scrap: float = 0.0
    """For one part scrapped."""
    risk_aversion: float = 0.0
    """How much of what can go wrong counts: times (cost at the upper 90 % bound - expected cost)."""


def rework_minutes(weights: CostWeights, duration_min: float | npt.ArrayLike, first_pass: float | npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the minutes of rework to expect; ``first_pass`` is a share from 0 to 1."""
    duration, good = np.asarray(duration_min, np.float64), np.asarray(first_pass, np.float64)
    return (1.0 - good) * (weights.rework_fixed_min + weights.rework_share * duration)


def operation_cost(
    weights: CostWeights,
    duration_min: float | npt.ArrayLike,
    first_pass: float | npt.ArrayLike,
    energy_kwh: float | npt.ArrayLike = 0.0,
    wear: float | npt.ArrayLike = 0.0,
    *,
    fixed_cost: float | npt.ArrayLike = 0.0,
    scrapped: float | npt.ArrayLike = 0.0,
) -> npt.NDArray[np.float64]:
    """Return the expected cost of an operation; arguments are single values or columns that numpy can broadcast.

    Energy and wear that were not measured (NaN) cost nothing; a duration or yield that is not known stays not known.
    """
    duration = np.asarray(duration_min, np.float64)
    minutes = duration + rework_minutes(weights, duration, first_pass)
    energy, worn = (np.nan_to_num(np.asarray(column, np.float64), nan=0.0) for column in (energy_kwh, wear))
    other = np.asarray(fixed_cost, np.float64) + weights.per_scrap * np.asarray(scrapped, np.float64)
    return np.asarray(other + weights.per_minute * minutes + weights.per_kwh * energy + weights.per_wear * worn, np.float64)


def risk_cost(weights: CostWeights, expected: float | npt.ArrayLike, upper: float | npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return what is added for risk: ``upper`` is the cost at the upper 90 % bound. Never below 0."""
    above = np.asarray(upper, np.float64) - np.asarray(expected, np.float64)
    return np.asarray(weights.risk_aversion * np.maximum(above, 0.0), np.float64)
