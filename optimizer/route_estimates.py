"""What is expected of each alternative for one product, and of whole routes: sums with intervals of steps that err together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from optimizer.pareto import loss_of
from plant.recommendations import Estimate, RouteEstimate
from plant.route_costs import CostWeights, operation_cost, risk_cost

Floats = npt.NDArray[np.float64]
TOGETHER: Final = 0.3
"""How far the errors of two steps of one product go together, where no draws tell."""
_ALIKE: Final = 0.5
"""The same for two alternatives of one operation."""
_LOW, _HIGH = 0.05, 0.95
_WIDER: Final = 1.2
"""Draws do not know what moves for all products at once (levels that drift, laws that are not as modelled): on simulated factories of
seeds 1001 and above, gains as they came lay 1.16 to 1.2 times as far from the expected ones as the draws say."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure of one product as columns over alternatives: expected value and 90 % interval. NaN: never measured."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected of each alternative for one product, as columns over ``ProcessNetwork.alternatives``."""

    duration_min: Interval
    first_pass: Interval
    energy_kwh: Interval
    wear: Interval
    count: npt.NDArray[np.int64]
    """Measurements of the alternative, over all products."""
    supported: npt.NDArray[np.bool_]
    """Whether what was measured covers this product."""
    scrapped: Floats | None = None
    """Probability that a part is scrapped."""
    draws: Floats | None = None
    """Draws x alternatives: expected costs as they may be, those of one draw together."""


@dataclass(frozen=True, slots=True)
class AlternativeCosts:
    """Expected cost of each alternative, its interval, and what risk adds."""

    mean: Floats
    low: Floats
    high: Floats
    risk: Floats

    @property
    def objective(self) -> Floats:
        """What is made least."""
        return self.mean + self.risk


def alternative_costs(weights: CostWeights, fixed: Floats, expected: Expected) -> AlternativeCosts:
    """Return costs by the factory's formula. A bound is as far off as the measures are between them, not all at their worst at once."""
    d, y, e, w = expected.duration_min, expected.first_pass, expected.energy_kwh, expected.wear
    scrapped = 0.0 if expected.scrapped is None else expected.scrapped
    mean = operation_cost(weights, d.mean, y.mean, e.mean, w.mean, fixed_cost=fixed, scrapped=scrapped)

    def off(bounds: Sequence[Floats]) -> Floats:
        means = [d.mean, y.mean, e.mean, w.mean]
        squares = np.zeros_like(mean)
        for at, bound in enumerate(bounds):
            moved = [bound if at == other else column for other, column in enumerate(means)]
            squares += np.nan_to_num(operation_cost(weights, *moved, fixed_cost=fixed, scrapped=scrapped) - mean) ** 2
        return np.asarray(np.sqrt(squares), np.float64)

    high = mean + off([d.high, y.low, e.high, w.high])
    low = np.maximum(mean - off([d.low, y.high, e.low, w.low]), np.minimum(fixed, mean))
    return AlternativeCosts(mean, low, high, risk_cost(weights, mean, high))


def summed(mean: Floats, low: Floats, high: Floats, positions: Sequence[int], together: float = TOGETHER) -> Estimate:
    """Return the sum along a route, its interval by how far the errors of its steps go together."""
    at = list(positions)
    total = math.fsum(mean[at])
    return Estimate(total, total - _width(mean[at] - low[at], together), total + _width(high[at] - mean[at], together))


def route_estimate(expected: Expected, costs: AlternativeCosts, positions: Sequence[int]) -> RouteEstimate:
    """Return what is expected of a route."""
    at = list(positions)
    cost = summed(costs.mean, costs.low, costs.high, at)
    if expected.draws is not None:
        cost = _of_draws(cost.mean, expected.draws[:, at].sum(axis=1))
    y = expected.first_pass
    loss = summed(loss_of(y.mean), loss_of(y.high), loss_of(y.low), at)
    passes = Estimate(math.exp(-loss.mean), math.exp(-loss.high), math.exp(-max(loss.low, 0.0)))
    d = expected.duration_min
    return RouteEstimate(
        cost=cost,
        duration_min=_positive(summed(d.mean, d.low, d.high, at)),
        first_pass=passes,
        energy_kwh=_measured(expected.energy_kwh, at),
        wear=_measured(expected.wear, at),
        risk=math.fsum(costs.risk[at]),
    )


def step_estimate(interval: Interval, position: int) -> Estimate:
    """Return what is expected of one step."""
    return Estimate(float(interval.mean[position]), float(interval.low[position]), float(interval.high[position]))


def gain_interval(expected: Expected, costs: AlternativeCosts, new: Sequence[int], old: Sequence[int], shrinkage: float) -> Estimate:
    """Return the expected cost that a route saves against another. Steps that both have add nothing, and no doubt either."""
    leaving, coming = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    saved = shrinkage * (math.fsum(costs.mean[leaving]) - math.fsum(costs.mean[coming]))
    if expected.draws is not None:
        drawn = shrinkage * (expected.draws[:, leaving].sum(axis=1) - expected.draws[:, coming].sum(axis=1))
        return _of_draws(saved, drawn)
    down = _width(np.concatenate([(costs.mean - costs.low)[leaving], (costs.high - costs.mean)[coming]]), 0.0)
    up = _width(np.concatenate([(costs.high - costs.mean)[leaving], (costs.mean - costs.low)[coming]]), 0.0)
    apart = math.sqrt(1.0 - _ALIKE)
    return Estimate(saved, saved - apart * down, saved + apart * up)


def _of_draws(mean: float, drawn: Floats) -> Estimate:
    """Return an interval of draws, moved so that they are about the expected value; a few far out do not lift it off that value."""
    low, high = _WIDER * np.quantile(drawn - drawn.mean(), [_LOW, _HIGH])
    return Estimate(mean, mean + min(float(low), 0.0), mean + max(float(high), 0.0))


def _width(parts: Floats, together: float) -> float:
    return math.sqrt((1.0 - together) * float((parts**2).sum()) + together * float(parts.sum()) ** 2)


def _positive(estimate: Estimate) -> Estimate:
    return Estimate(estimate.mean, max(estimate.low, 0.0), estimate.high)


def _measured(interval: Interval, at: list[int]) -> Estimate | None:
    """Return the sum of what was measured of a route; None where any of its steps never was."""
    if not at or not np.isfinite(interval.mean[at]).all():
        return None
    return _positive(summed(interval.mean, interval.low, interval.high, at))
