"""Small regressions for few, costly trials: a quadratic response surface and a Gaussian process with a length for each parameter.

Both are Gaussian processes, the first with the kernel of a quadratic polynomial (which is ridge regression on it). Strengths come from the
marginal likelihood with priors, so that ten trials do not run wild. Distances are in steps of the process window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, minimize

Floats = npt.NDArray[np.float64]
Kernel = Callable[..., tuple[Floats, list[Floats]]]
"""(points, points, logarithms of the strengths) to the kernel and, where ``slopes``, its derivative by each of them."""

_CONSTANT: Final = 100.0
"""Variance of the level: it is what the trials say."""
_JITTER: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Family:
    """A kernel with what is expected of its strengths: logarithms, and how sure that is."""

    kernel: Kernel
    expected: Floats
    spread: Floats


def quadratic(linear: float = 0.6, bent: float = 0.2) -> Family:
    """Return the quadratic surface: how strong a step, and its bend, are expected to be, in scatters of what is measured."""
    return Family(_quadratic, np.log([linear, bent]), np.array([1.0, 1.0]))


def smooth(parameters: int, strength: float = 1.0, length: float = 5.0) -> Family:
    """Return the process with a length for each parameter."""
    return Family(_smooth, np.log([strength, *([length] * parameters)]), np.array([0.7, *([1.0] * parameters)]))


def _quadratic(left: Floats, right: Floats, logs: Floats, *, slopes: bool = False) -> tuple[Floats, list[Floats]]:
    linear, bent = np.exp(2 * logs)
    straight = left @ right.T
    # of all products of two parameters; squares count half as much as they would in (x.y)^2
    curved = 0.5 * (straight**2 + (left**2) @ (right**2).T)
    return _CONSTANT + linear * straight + bent * curved, [2 * linear * straight, 2 * bent * curved] if slopes else []


def _smooth(left: Floats, right: Floats, logs: Floats, *, slopes: bool = False) -> tuple[Floats, list[Floats]]:
    near, far = left / np.exp(logs[1:]), right / np.exp(logs[1:])
    distance = (near**2).sum(axis=1)[:, None] + (far**2).sum(axis=1)[None, :] - 2 * near @ far.T
    shape = np.exp(2 * logs[0] - 0.5 * np.maximum(distance, 0.0))
    if not slopes:
        return _CONSTANT + shape, []
    squares = (near[:, None, :] - far[None, :, :]) ** 2
    return _CONSTANT + shape, [2 * shape, *(shape * squares[:, :, column] for column in range(left.shape[1]))]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A regression that knows its trials: what it expects anywhere, and what it expected of each trial without having seen it."""

    family: Family
    points: Floats
    level: float
    scale: float
    logs: Floats
    noise: float
    """Variance of one trial that its own known variance does not explain, in units of ``scale``."""
    inverse: Floats
    weights: Floats
    left_out_mean: Floats
    left_out_sd: Floats
    """Of the trial's measured value: with noise."""

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the expected value and its standard deviation, without the noise of a trial."""
        across, _ = self.family.kernel(points, self.points, self.logs)
        mean = across @ self.weights
        own = _diagonal(self.family, points, self.logs)
        variance = own - ((across @ self.inverse) * across).sum(axis=1)
        return self.level + self.scale * mean, self.scale * np.sqrt(np.maximum(variance, _JITTER))


def _diagonal(family: Family, points: Floats, logs: Floats) -> Floats:
    if family.kernel is _smooth:
        return np.full(len(points), _CONSTANT + np.exp(2 * logs[0]))
    linear, bent = np.exp(2 * logs)
    norm = (points**2).sum(axis=1)
    return np.asarray(_CONSTANT + linear * norm + bent * 0.5 * (norm**2 + (points**4).sum(axis=1)))


def fit(
    family: Family,
    points: Floats,
    values: Floats,
    known: Floats | None = None,
    *,
    scale: float,
    noise: tuple[float, float] = (0.3, 1.0),
    logs: Floats | None = None,
    begin: Floats | None = None,
) -> Fitted:
    """Return the regression of values at points.

    ``known``: variance of each value that is known beforehand. ``scale``: how much values are expected to scatter. ``noise``: what is
    expected of the noise (a standard deviation in units of ``scale``, and how sure that is as a standard deviation of its logarithm).
    ``logs``: strengths that were found before, to be kept; ``begin``: to begin the search with.
    """
    weight = np.ones(len(values)) if known is None else 1 / (known + (noise[0] * scale) ** 2)
    level = float(np.average(values, weights=weight))
    target = (values - level) / scale
    own = np.zeros(len(values)) if known is None else known / scale**2
    expected = np.append(family.expected, np.log(noise[0]))
    spread = np.append(family.spread, noise[1])

    def loss(at: Floats, /) -> tuple[float, Floats]:
        matrix, slopes = family.kernel(points, points, at[:-1], slopes=True)
        grain = np.exp(2 * at[-1])
        matrix = matrix + np.diag(own + grain + _JITTER)
        lower = np.linalg.cholesky(matrix)
        inverse = np.linalg.inv(lower)
        whole = inverse.T @ inverse
        alpha = whole @ target
        off = (at - expected) / spread
        value = 0.5 * target @ alpha + np.log(np.diag(lower)).sum() + 0.5 * off @ off
        inner = whole - np.outer(alpha, alpha)
        slope = [0.5 * float((inner * one).sum()) for one in slopes] + [float(grain * np.trace(inner))]
        return float(value), np.array(slope) + off / spread

    if logs is None:
        reach = 3 * spread
        found = minimize(
            loss,
            expected if begin is None else begin,
            jac=True,
            method="L-BFGS-B",
            bounds=Bounds(expected - reach, expected + reach),
            options={"maxiter": 40, "ftol": 1e-6},
        )
        chosen = np.asarray(found.x)
    else:
        chosen = logs
    matrix, _ = family.kernel(points, points, chosen[:-1])
    grain = float(np.exp(2 * chosen[-1]))
    lower = np.linalg.inv(np.linalg.cholesky(matrix + np.diag(own + grain + _JITTER)))
    inverse = lower.T @ lower
    weights = inverse @ target
    alone = np.diag(inverse)
    return Fitted(
        *(family, points, level, scale, chosen[:-1], grain, inverse, weights),
        *(values - scale * weights / alone, scale / np.sqrt(alone)),
    )
