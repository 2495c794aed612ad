"""What trials say of a quality and of the share of good parts: the mean of a response surface and a Gaussian process, with honest bounds.

Bounds are widened until, of the trials left out one by one, as many lie inside as are promised (conformal by leave-one-out).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit, logit

from optimizer.tuning_regression import Fitted, Floats, fit, quadratic, smooth

Z90: Final = 1.6449
"""Half width of a 90 % interval, in standard deviations."""
FEW: Final = 8
"""Below so many trials the response surface stands alone."""
_CALIBRATED: Final = 10
_EVEN: Final = 1.0


@dataclass(frozen=True, slots=True)
class Believed:
    """What is expected at points: mean, and the standard deviation of the mean, made honest."""

    mean: Floats
    sd: Floats

    def low(self, deviations: float = Z90) -> Floats:
        """Return the lower bound."""
        return self.mean - deviations * self.sd

    def high(self, deviations: float = Z90) -> Floats:
        """Return the upper bound."""
        return self.mean + deviations * self.sd


@dataclass(frozen=True, slots=True)
class QualityModel:
    """A measured quality anywhere near the trials."""

    parts: tuple[Fitted, ...]
    shares: tuple[float, ...]
    """How much each counts in the mean."""
    widened: float
    """By how much deviations were multiplied."""

    def predict(self, points: Floats) -> Believed:
        """Return what the mean of a trial is expected to be."""
        return self._mixed(points, noise=False)

    def predict_new(self, points: Floats) -> Believed:
        """Return what one new trial would measure."""
        return self._mixed(points, noise=True)

    def _mixed(self, points: Floats, *, noise: bool) -> Believed:
        found = [one.predict(points) for one in self.parts]
        extra = [one.noise * one.scale**2 if noise else 0.0 for one in self.parts]
        mean = sum(share * own for share, (own, _) in zip(self.shares, found, strict=True))
        variance = sum(share * (sd**2 + more + (own - mean) ** 2) for share, (own, sd), more in zip(self.shares, found, extra, strict=True))
        return Believed(np.asarray(mean), self.widened * np.sqrt(variance))


def quality_model(points: Floats, values: Floats) -> QualityModel:
    """Return the model of a quality. ``points`` in steps of the window."""
    spread = float(np.std(values)) if len(values) > 1 else 0.0
    scale = max(spread, 0.03 * abs(float(np.mean(values))), 1e-9)
    parts = [fit(quadratic(), points, values, scale=scale)]
    if len(values) >= FEW:
        parts.append(fit(smooth(points.shape[1]), points, values, scale=scale))
    return _together(parts, values)


@dataclass(frozen=True, slots=True)
class YieldModel:
    """The share of good parts anywhere near the trials: a quality on the scale of the logarithm of odds."""

    odds: QualityModel

    def predict(self, points: Floats) -> Believed:
        """Return the logarithm of odds."""
        return self.odds.predict(points)

    def shares(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the expected share of good parts with its 90 % bounds."""
        found = self.predict(points)
        return np.asarray(expit(found.mean)), np.asarray(expit(found.low())), np.asarray(expit(found.high()))


def yield_model(points: Floats, good: Floats, parts: Floats) -> YieldModel:
    """Return the model of the share of good parts: binomial, with what trials scatter beyond that."""
    pooled = (good.sum() + 1) / (parts.sum() + 2)
    share = (good + 4 * pooled) / (parts + 4)
    odds = np.asarray(logit(share))
    families = [quadratic(0.5, 0.25)]
    if len(good) >= FEW:
        families.append(smooth(points.shape[1], 1.0, 2.5))
    fitted: list[Fitted] = []
    values = odds
    kept: list[Floats | None] = [None] * len(families)
    # as in iteratively weighted least squares: the variance of a trial is that of what is expected of it, not of what it happened to give
    for turn in range(3):
        share = np.clip(expit(odds), 0.02, 0.985)
        known = 1 / (parts * share * (1 - share))
        values = logit(share) + (good / parts - share) / (share * (1 - share))
        fitted = [
            fit(family, points, values, known, scale=1.0, noise=(0.15, 0.5), logs=logs if turn == 2 else None, begin=logs)
            for family, logs in zip(families, kept, strict=True)
        ]
        kept = [np.append(one.logs, 0.5 * math.log(one.noise)) for one in fitted]
        odds = np.asarray(sum(one.predict(points)[0] for one in fitted) / len(fitted))
    return YieldModel(_together(fitted, values))


def _together(parts: list[Fitted], values: Floats) -> QualityModel:
    """Return the weighted mean of models; each counts by how well it foretells trials that it did not see (stacking)."""
    shares: tuple[float, ...] = (1.0,)
    if len(parts) == 2:
        first, second = (values - one.left_out_mean for one in parts)
        # the pull to an even mean is as strong as so many trials in which the two differ as much as they err
        pull = _EVEN * float((first**2 + second**2).mean()) / 2
        share = (float((second * (second - first)).sum()) + 0.5 * pull) / (float(((first - second) ** 2).sum()) + pull + 1e-12)
        share = min(1.0, max(0.0, share))
        shares = (share, 1 - share)
    return QualityModel(tuple(parts), shares, _widened(parts, shares, values))


def _widened(parts: list[Fitted], shares: tuple[float, ...], values: Floats) -> float:
    """Return by how much deviations are multiplied so that trials left out are covered as promised; at least 1."""
    if len(values) < _CALIBRATED:
        return 1.0
    mean = sum(share * one.left_out_mean for share, one in zip(shares, parts, strict=True))
    variance = sum(share * (one.left_out_sd**2 + (one.left_out_mean - mean) ** 2) for share, one in zip(shares, parts, strict=True))
    scores = np.sort(np.abs(values - mean) / np.sqrt(variance))
    rank = min(len(scores), math.ceil(0.9 * (len(scores) + 1)))
    return max(1.0, float(scores[rank - 1]) / Z90)
