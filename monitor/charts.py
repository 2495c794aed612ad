"""Control charts: points, centre and limits of each kind, and how long a chart runs before it signals.

Sources: ISO 7870-2 (Shewhart charts), ISO 7870-4 (CUSUM), ISO 7870-6 (EWMA); NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.
Factors for limits are computed, so that any size of a subgroup has them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import integrate, optimize, special

from monitor.statistics import mean_of

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """Limits of a chart; ``low``, ``high`` and ``sigma`` have shape (k,) where they differ from point to point, else shape ()."""

    center: float
    low: Floats
    high: Floats
    sigma: Floats
    """The standard error of a plotted point: a third of the way from centre to limit, unless a bound of the quantity cuts the limit."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Points, shape (k,), and their limits."""

    points: Floats
    limits: ControlLimits

    @property
    def beyond(self) -> npt.NDArray[np.bool_]:
        """Where a point lies outside its limits, shape (k,)."""
        outside: npt.NDArray[np.bool_] = (self.points > self.limits.high) | (self.points < self.limits.low)
        return outside


@functools.cache
def c4(n: int) -> float:
    """Return the mean of the standard deviation of n normal values with sigma 1. Raises ValueError below 2."""
    if n < 2:
        raise ValueError(f"a standard deviation needs 2 values, not {n}")
    return math.sqrt(2 / (n - 1)) * math.exp(float(special.gammaln(n / 2)) - float(special.gammaln((n - 1) / 2)))


@functools.cache
def d2(n: int) -> float:
    """Return the mean of the range of n normal values with sigma 1. Raises ValueError below 2."""
    if n < 2:
        raise ValueError(f"a range needs 2 values, not {n}")

    def left_out(x: float) -> float:
        return float(1 - special.ndtr(x) ** n - special.ndtr(-x) ** n)

    mean, _ = integrate.quad(left_out, -12, 12, epsabs=1e-12, limit=200)
    return float(mean)


@functools.cache
def d3(n: int) -> float:
    """Return the standard deviation of the range of n normal values with sigma 1. Raises ValueError below 2."""
    mean = d2(n)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    at = 9.0 * nodes
    # over the triangle of low below high
    total = 0.0
    for place, top in enumerate(at.tolist()):
        half = (top + 9.0) / 2
        under = half * nodes + (top - 9.0) / 2
        values = 1 - special.ndtr(top) ** n - special.ndtr(-under) ** n + (special.ndtr(top) - special.ndtr(under)) ** n
        total += 9.0 * weights[place] * half * float(weights @ values)
    return math.sqrt(2 * total - mean * mean)


def individuals(values: Floats, *, d2_of_two: float | None = None) -> tuple[Chart, Chart]:
    """Return the charts of single values and of their moving ranges of two (shape (k - 1,)). Raises ValueError below 2 values.

    ``d2_of_two``: for who must meet a table of rounded factors.
    """
    if len(values) < 2:
        raise ValueError("a moving range needs 2 values")
    ranges = np.abs(np.diff(values))
    spread = mean_of(ranges)
    sigma = spread / (d2(2) if d2_of_two is None else d2_of_two)
    return Chart(values, around(mean_of(values), sigma)), Chart(ranges, around(spread, sigma * d3(2), floor=0))


def means_and_ranges(groups: Floats) -> tuple[Chart, Chart]:
    """Return the Xbar and R charts of subgroups of equal size, shape (k, n) with n >= 2."""
    n = _group_size(groups)
    ranges = np.ptp(groups, axis=1)
    spread = mean_of(ranges)
    sigma = spread / d2(n)
    means = groups.mean(axis=1)
    return (
        Chart(means, around(mean_of(means), sigma / math.sqrt(n))),
        Chart(ranges, around(spread, sigma * d3(n), floor=0)),
    )


def means_and_deviations(groups: Floats) -> tuple[Chart, Chart]:
    """Return the Xbar and S charts of subgroups of equal size, shape (k, n) with n >= 2."""
    n = _group_size(groups)
    deviations = groups.std(axis=1, ddof=1)
    spread = mean_of(deviations)
    sigma = spread / c4(n)
    means = groups.mean(axis=1)
    return (
        Chart(means, around(mean_of(means), sigma / math.sqrt(n))),
        Chart(deviations, around(spread, sigma * math.sqrt(1 - c4(n) ** 2), floor=0)),
    )


def proportions(defective: Counts, sizes: Counts, *, center: float | None = None) -> Chart:
    """Return the p chart of samples of any sizes, shape (k,), each with its own limits; ``center``: the share frozen before.

    Raises ValueError where a sample is empty, or more of it is defective than there is.
    """
    _check_shares(defective, sizes)
    mean = float(defective.sum() / sizes.sum()) if center is None else center
    sigma = np.sqrt(mean * (1 - mean) / sizes)
    points: Floats = defective / sizes
    return Chart(points, ControlLimits(mean, np.maximum(mean - 3 * sigma, 0), np.minimum(mean + 3 * sigma, 1), sigma))


def defectives(defective: Counts, size: int, *, center: float | None = None) -> Chart:
    """Return the np chart: defective parts in samples of one size. Raises ValueError as ``proportions`` does."""
    _check_shares(defective, np.full(len(defective), size))
    share = float(defective.sum() / (size * len(defective))) if center is None else center / size
    sigma = math.sqrt(size * share * (1 - share))
    return Chart(defective.astype(np.float64), around(size * share, sigma, floor=0, ceiling=size))


def defects(counted: Counts, *, center: float | None = None) -> Chart:
    """Return the c chart: defects counted on equal areas of opportunity."""
    mean = float(counted.mean()) if center is None else center
    return Chart(counted.astype(np.float64), around(mean, math.sqrt(mean), floor=0))


def defects_per_unit(counted: Counts, units: Floats, *, center: float | None = None) -> Chart:
    """Return the u chart: defects for each unit, each sample of its own size. Raises ValueError for a sample without size."""
    if not (units > 0).all():
        raise ValueError("each sample needs a size above 0")
    mean = float(counted.sum() / units.sum()) if center is None else center
    sigma = np.sqrt(mean / units)
    points: Floats = counted / units
    return Chart(points, ControlLimits(mean, np.maximum(mean - 3 * sigma, 0), mean + 3 * sigma, sigma))


def ewma(
    values: Floats,
    target: float,
    sigma: float,
    *,
    weight: float = 0.2,
    width: float = 3.0,
    start: float | None = None,
    before: int | None = 0,
) -> Chart:
    """Return exponentially weighted moving averages, shape (k,), with their limits.

    ``weight``: of the newest value, above 0 and at most 1. ``start``: the average before the first value, the target where not given.
    ``before``: how many values came before these; limits widen with age. None gives the limits of a chart that runs for ever.
    """
    if not 0 < weight <= 1:
        raise ValueError(f"a weight lies above 0 and is at most 1, not {weight:g}")
    points = np.empty(len(values))
    average = target if start is None else start
    for place, value in enumerate(values.tolist()):
        average = weight * value + (1 - weight) * average
        points[place] = average
    share = weight / (2 - weight)
    ages = None if before is None else np.arange(before + 1, before + len(values) + 1)
    error = np.array(sigma * math.sqrt(share)) if ages is None else sigma * np.sqrt(share * (1 - (1 - weight) ** (2 * ages)))
    return Chart(points, ControlLimits(target, target - width * error, target + width * error, width * error / 3))


@dataclass(frozen=True, slots=True)
class Cusum:
    """Tabular sums of what exceeds the target by more than the allowance, upwards and downwards, shape (k,), in the values' unit."""

    high: Floats
    low: Floats
    decision: float

    @property
    def beyond(self) -> npt.NDArray[np.bool_]:
        """Where a sum exceeds the decision interval, shape (k,)."""
        outside: npt.NDArray[np.bool_] = (self.high > self.decision) | (self.low > self.decision)
        return outside


def cusum(values: Floats, target: float, *, allowance: float, decision: float, start: tuple[float, float] = (0.0, 0.0)) -> Cusum:
    """Return the tabular CUSUM of values, shape (k,); allowance and decision interval in the values' unit (k and h times sigma).

    ``start``: the sums before the first value; half the decision interval is a head start, by which an early shift shows sooner.
    """
    high, low = np.empty(len(values)), np.empty(len(values))
    up, down = start
    for place, value in enumerate(values.tolist()):
        up = max(0.0, up + value - target - allowance)
        down = max(0.0, down + target - value - allowance)
        high[place], low[place] = up, down
    return Cusum(high, low, decision)


def cusum_run_length(allowance: float, decision: float, shift: float = 0.0) -> float:
    """Return after how many points a two-sided CUSUM signals on average; all in sigmas of a point, ``shift`` of the mean."""
    up = _one_sided_run_length(allowance, decision, shift)
    down = _one_sided_run_length(allowance, decision, -shift)
    return 1 / (1 / up + 1 / down)


def cusum_design(run_length: float, shift: float = 1.0) -> tuple[float, float]:
    """Return allowance and decision interval, in sigmas, that find a shift soonest at so many points between false calls.

    Raises ValueError for a run length below 10 points or no shift.
    """
    if run_length < 10 or shift <= 0:
        raise ValueError("a CUSUM is designed for a shift above 0 and a run length of 10 points or more")
    allowance = shift / 2
    low, high = 0.1, 1.0
    while cusum_run_length(allowance, high) < run_length:
        low, high = high, 2 * high
    decision = optimize.brentq(lambda h: math.log(cusum_run_length(allowance, h) / run_length), low, high, xtol=1e-6)
    return allowance, float(decision)


def _one_sided_run_length(allowance: float, decision: float, shift: float) -> float:
    """Solve Page's integral equation of the average run length by Gauss-Legendre nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    at = decision * (nodes + 1) / 2
    weight = decision * weights / 2
    move = allowance - shift
    density = np.exp(-0.5 * (at[None, :] - at[:, None] + move) ** 2) / math.sqrt(2 * math.pi)
    back_to_zero = special.ndtr(move - at)
    size = len(at) + 1
    system = np.zeros((size, size))
    system[0, 0] = special.ndtr(move)
    system[0, 1:] = weight * np.exp(-0.5 * (at + move) ** 2) / math.sqrt(2 * math.pi)
    system[1:, 0] = back_to_zero
    system[1:, 1:] = density * weight[None, :]
    lengths = np.linalg.solve(np.eye(size) - system, np.ones(size))
    return float(lengths[0])


def around(center: float, sigma: float, floor: float = -math.inf, ceiling: float = math.inf) -> ControlLimits:
    """Return limits of three sigmas about a centre, no lower and no higher than the quantity can be."""
    return ControlLimits(center, np.array(max(center - 3 * sigma, floor)), np.array(min(center + 3 * sigma, ceiling)), np.array(sigma))


def _group_size(groups: Floats) -> int:
    if groups.ndim != 2 or groups.shape[1] < 2:
        raise ValueError("subgroups have the shape (groups, size) with a size of 2 or more")
    return int(groups.shape[1])


def _check_shares(defective: Counts, sizes: Counts) -> None:
    if (sizes < 1).any() or (defective < 0).any() or (defective > sizes).any():
        raise ValueError("each sample needs at least one part, and no more defective parts than parts")
