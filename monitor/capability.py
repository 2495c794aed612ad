"""How well a process or a tool stays within its tolerance, never without the number of values and an interval.

Sources: ISO 22514-2 (Cp, Cpk, Pp, Ppk; percentiles where values are not normal; before: ISO 21747), ISO 22514-3, ISO 5393 and
VDI/VDE 2645-2 (tools: Cm, Cmk from 50 runs, tolerance against 6 s). Intervals: chi-square for Cp and Pp; Bissell, Applied Statistics 39
(1990) 331, for Cpk and Ppk; Boyles, Journal of Quality Technology 23 (1991) 17, for Cpm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from monitor.charts import c4, d2, d3
from monitor.statistics import deviation_of, mean_of

Floats = npt.NDArray[np.float64]

LEAST_PROCESS: Final = 100
"""Values below which Cp and Cpk are provisional."""
LEAST_TOOL: Final = 50
"""Runs that a capability of a tool is taken from."""
LEAST_PERCENTILES: Final = 1000
"""Values from which on the 0.135 % and 99.865 % points are read off them; below, a Pearson III curve of their moments gives them."""
NORMAL_FROM: Final = 0.05
"""Below this probability values are called not normal."""


class Method(StrEnum):
    """Where the spread of the process comes from."""

    WITHIN = "within_subgroups"
    OVERALL = "overall"
    PERCENTILES = "percentiles"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a drawing allows; one side may be open."""

    low: float | None
    high: float | None
    target: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise ValueError("a tolerance needs at least one limit")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"the low limit {self.low:g} must be below the high one {self.high:g}")


@dataclass(frozen=True, slots=True)
class Index:
    """One index and the interval that holds its true value with the confidence asked for; None where no method gives one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Capability:
    """``potential`` (Cp, Pp, Cm) looks at the spread only and needs both limits; ``actual`` (Cpk, Ppk, Cmk) at the place too."""

    method: Method
    potential: Index | None
    actual: Index
    mean: float
    """The median for percentiles."""
    sigma: float
    n: int
    outside: int
    """Values outside the tolerance."""
    enough: bool
    """Whether there are as many values as the indices ask for; else they are provisional."""


def capability(groups: Floats, tolerance: Tolerance, *, deviations: bool = False, confidence: float = 0.95) -> Capability:
    """Return Cp and Cpk of subgroups, shape (k, n), by the sigma within: Rbar / d2 (MRbar for n = 1), by ``deviations`` Sbar / c4.

    Raises ValueError for fewer than 2 values or values that are all equal.
    """
    values = groups.ravel()
    if groups.ndim != 2 or len(values) < 2:
        raise ValueError("a capability needs at least 2 values in subgroups of shape (subgroups, size)")
    count, size = groups.shape
    if size == 1:
        sigma = mean_of(np.abs(np.diff(values))) / d2(2)
        freedom = 0.62 * (count - 1)  # a mean of moving ranges knows so much: the ratio of its variance to that of s
    elif deviations:
        sigma = mean_of(groups.std(axis=1, ddof=1)) / c4(size)
        freedom = count * (size - 1) * _efficiency_of_s(size)
    else:
        sigma = mean_of(np.ptp(groups, axis=1)) / d2(size)
        freedom = count * (d2(size) / d3(size)) ** 2 / 2
    return _indices(Method.WITHIN, values, sigma, max(freedom, 1.0), tolerance, confidence, LEAST_PROCESS)


def performance(values: Floats, tolerance: Tolerance, *, confidence: float = 0.95) -> Capability:
    """Return Pp and Ppk of values, shape (n,): their sigma is that of all values. Raises ValueError as ``capability`` does."""
    if len(values) < 2:
        raise ValueError("a performance needs at least 2 values")
    return _indices(Method.OVERALL, values, deviation_of(values), len(values) - 1, tolerance, confidence, LEAST_PROCESS)


def tool_capability(values: Floats, tolerance: Tolerance, *, confidence: float = 0.95) -> Capability:
    """Return Cm and Cmk of a tool or machine, from runs one after the other, shape (n,). Raises ValueError as ``capability`` does."""
    if len(values) < 2:
        raise ValueError("a capability of a tool needs at least 2 runs")
    return _indices(Method.OVERALL, values, deviation_of(values), len(values) - 1, tolerance, confidence, LEAST_TOOL)


def percentile_performance(values: Floats, tolerance: Tolerance) -> Capability:
    """Return Pp and Ppk by the points that 0.135 %, 50 % and 99.865 % of values lie below: for values that are not normal.

    They have no interval. Raises ValueError as ``capability`` does.
    """
    if len(values) < 2 or np.ptp(values) == 0:
        raise ValueError("percentiles need at least 2 values that differ")
    low, middle, high = _percentiles(values)
    room_low = None if tolerance.low is None else (middle - tolerance.low) / (middle - low)
    room_high = None if tolerance.high is None else (tolerance.high - middle) / (high - middle)
    potential = None
    if tolerance.low is not None and tolerance.high is not None:
        potential = Index((tolerance.high - tolerance.low) / (high - low), None, None)
    actual = min(room for room in (room_low, room_high) if room is not None)
    n, outside = len(values), _outside(values, tolerance)
    return Capability(
        Method.PERCENTILES, potential, Index(actual, None, None), middle, (high - low) / 6, n, outside, n >= LEAST_PERCENTILES
    )


def taguchi(mean: float, sigma: float, n: int, tolerance: Tolerance, *, confidence: float = 0.95) -> Index | None:
    """Return Cpm, which falls with the distance from the target too; None without both limits and a target."""
    if tolerance.low is None or tolerance.high is None or tolerance.target is None or n < 2 or not sigma > 0:
        return None
    off = (mean - tolerance.target) / sigma
    value = (tolerance.high - tolerance.low) / (6 * sigma * math.sqrt(1 + off * off))
    freedom = n * (1 + off * off) ** 2 / (1 + 2 * off * off)
    return Index(value, *_by_chi_square(value, freedom, confidence))


def cp_interval(value: float, freedom: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a Cp or Pp whose sigma has so many degrees of freedom."""
    return _by_chi_square(value, freedom, confidence)


def cpk_interval(value: float, n: int, freedom: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Bissell's interval of a Cpk or Ppk."""
    z = float(special.ndtri((1 + confidence) / 2))
    error = z * math.sqrt(1 / (9 * n) + value * value / (2 * freedom))
    return value - error, value + error


def normality(values: Floats) -> float | None:
    """Return how probable values as uneven as these are if they are normal (Anderson-Darling, D'Agostino and Stephens 1986).

    None below 8 values or where all are equal.
    """
    n = len(values)
    if n < 8 or np.ptp(values) == 0:
        return None
    z = np.sort((values - mean_of(values)) / deviation_of(values))
    odd = 2 * np.arange(1, n + 1) - 1
    statistic = -n - float(np.mean(odd * (special.log_ndtr(z) + special.log_ndtr(-z[::-1]))))
    a = statistic * (1 + 0.75 / n + 2.25 / n**2)
    if a >= 0.6:
        return math.exp(1.2937 - 5.709 * a + 0.0186 * a * a)
    if a >= 0.34:
        return math.exp(0.9177 - 4.279 * a - 1.38 * a * a)
    if a >= 0.2:
        return 1 - math.exp(-8.318 + 42.796 * a - 59.938 * a * a)
    return 1 - math.exp(-13.436 + 101.14 * a - 223.73 * a * a)


def _indices(
    method: Method, values: Floats, sigma: float, freedom: float, tolerance: Tolerance, confidence: float, least: int
) -> Capability:
    if not sigma > 0:
        raise ValueError("all values are equal: a capability cannot be told from them")
    n, mean = len(values), mean_of(values)
    low, high = tolerance.low, tolerance.high
    rooms = [room for room in (None if low is None else mean - low, None if high is None else high - mean) if room is not None]
    actual = min(rooms) / (3 * sigma)
    potential = None
    if low is not None and high is not None:
        spread = (high - low) / (6 * sigma)
        potential = Index(spread, *_by_chi_square(spread, freedom, confidence))
    index = Index(actual, *cpk_interval(actual, n, freedom, confidence))
    return Capability(method, potential, index, mean, sigma, n, _outside(values, tolerance), n >= least)


def _by_chi_square(value: float, freedom: float, confidence: float) -> tuple[float, float]:
    low, high = (2 * float(special.gammaincinv(freedom / 2, share)) / freedom for share in ((1 - confidence) / 2, (1 + confidence) / 2))
    return value * math.sqrt(low), value * math.sqrt(high)


def _percentiles(values: Floats) -> tuple[float, float, float]:
    wanted = np.array([0.00135, 0.5, 0.99865])
    if len(values) >= LEAST_PERCENTILES:
        low, middle, high = np.quantile(values, wanted, method="median_unbiased").tolist()
    else:
        from scipy import stats  # takes a second and 30 MB, for what is seldom asked

        skew = float(stats.skew(values, bias=False)) if len(values) > 2 else 0.0
        low, middle, high = stats.pearson3.ppf(wanted, skew, loc=mean_of(values), scale=deviation_of(values)).tolist()
    return low, middle, high


def _efficiency_of_s(size: int) -> float:
    """Return how much the mean of standard deviations knows, against the pooled one."""
    return c4(size) ** 2 / (2 * (1 - c4(size) ** 2) * (size - 1))


def _outside(values: Floats, tolerance: Tolerance) -> int:
    low = -math.inf if tolerance.low is None else tolerance.low
    high = math.inf if tolerance.high is None else tolerance.high
    return int(np.count_nonzero((values < low) | (values > high)))
