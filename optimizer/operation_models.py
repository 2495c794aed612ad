"""The models of one operation: what each of its alternatives takes, as functions of the product's columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.cells import Sums, Yields
from optimizer.levels import walked
from optimizer.pooled_regression import PooledFit, Spread, fit_pooled
from optimizer.pooled_yield import chance_of, expected_chance, fit_yield

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_TO_LEARN_FROM = 400
"""Products from which the spreads are learned; the coefficients come from all."""
_TURNS = 2


@dataclass(frozen=True, slots=True)
class LogModel:
    """A measure of one operation whose logarithm is modelled: duration, energy, wear, minutes of rework."""

    fit: PooledFit
    coefficients: Floats
    """Alternatives x columns; as fitted, bent so that what must grow with a number does."""
    noise: Floats
    """Per alternative: variance of a single measurement."""
    factor: Floats
    """Per alternative: what the mean of values is to the exponential of the mean of their logarithms; tails count here."""
    effects: Floats
    """Products made x alternatives: what is the product's own there, to be added."""
    effect_variance: Floats
    """Products made x alternatives: how unsure the answer for that product is."""
    level: Floats
    """Alternatives x spans: how far each was from its level of today."""
    low: Floats
    high: Floats
    """Per alternative: bounds of a new product's single measurement, in predicted spreads."""

    @property
    def unknown(self) -> float:
        """Variance of what is a new product's own."""
        return self.fit.spread.product + self.fit.spread.cell


@dataclass(frozen=True, slots=True)
class YieldModel:
    """The log odds of being right the first time."""

    fit: PooledFit
    shift: float
    """Added to the log odds, so that as many are right as products that the fit did not see had right."""
    effects: Floats
    effect_variance: Floats
    level: Floats
    """Alternatives x spans."""

    @property
    def unknown(self) -> float:
        """Variance of what is a new product's own."""
        return self.fit.spread.product + self.fit.spread.cell


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What was predicted of products without having seen them, products x alternatives."""

    centre: Floats
    variance: Floats


def centre_of(columns: Floats, groups: Ints, count: Floats, mean: Floats) -> Floats:
    """Return what is expected of each product on each alternative, from plain means: what outliers are pulled in around."""
    inside = _spread_of(mean)
    noise = np.where(count > 0, inside / np.maximum(count, 1.0), np.nan)
    chosen = _learned_from(count)
    spread = fit_pooled(columns[chosen], groups, mean[chosen], noise[chosen], rounds=12).spread
    fit = fit_pooled(columns, groups, mean, noise, spread, rounds=0)
    smooth, own, _ = _of_products(fit, columns, mean, noise)
    return smooth + own


def fit_log(columns: Floats, groups: Ints, sums: Sums, grown: Sequence[Floats]) -> LogModel:
    """Return the model of one measure; ``grown``: slopes of the columns, for each number with which it must not fall."""
    count = sums.count.sum(axis=2)
    total = sums.total.sum(axis=2)
    noise = np.where(count > 0, sums.noise / np.maximum(count, 1.0), np.nan)
    level = np.zeros(sums.count.shape[1:])
    chosen = _learned_from(count)
    spread: Spread | None = None
    for turn in range(_TURNS):
        mean = _divided(total - (sums.count * level).sum(axis=2), count)
        spread = fit_pooled(columns[chosen], groups, mean[chosen], noise[chosen], spread, rounds=40 if turn == 0 else 10).spread
        fit = fit_pooled(columns, groups, mean, noise, spread, rounds=0)
        smooth, own, variance = _of_products(fit, columns, mean, noise)
        if turn + 1 < _TURNS:
            level = _walks(sums, smooth + own)
            if not level.any():
                break
    expected = (sums.count * np.exp(np.minimum((smooth + own)[:, :, None] + level, 50.0))).sum(axis=(0, 2))
    factor = _factors(sums.plain.sum(axis=0), expected, count.sum(axis=0), sums.ratio_noise)
    coefficients = _grown(fit.coefficients, grown)
    known = own + columns @ (fit.coefficients - coefficients).T
    alternatives = len(factor)
    wide = np.full(alternatives, 1.645)
    return LogModel(fit, coefficients, sums.noise, factor, known, variance, level, -wide, wide)


def hold_out_log(columns: Floats, groups: Ints, sums: Sums, model: LogModel, folds: Sequence[Ints], grown: Sequence[Floats]) -> HeldOut:
    """Return what is predicted of each product by a fit without its part of the products. The spreads stay."""
    count = sums.count.sum(axis=2)
    noise = np.where(count > 0, sums.noise / np.maximum(count, 1.0), np.nan)
    mean = _divided(sums.total.sum(axis=2) - (sums.count * model.level).sum(axis=2), count)
    centre, variance = np.empty_like(mean), np.empty_like(mean)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(columns)), fold)
        fit = fit_pooled(columns[rest], groups, mean[rest], noise[rest], model.fit.spread, rounds=0)
        centre[fold] = columns[fold] @ _grown(fit.coefficients, [slopes[rest] for slopes in grown]).T
        variance[fold] = fit.variances(columns[fold])
    return HeldOut(centre, variance + model.unknown)


def fit_odds(columns: Floats, groups: Ints, yields: Yields, folds: Sequence[Ints]) -> YieldModel:
    """Return the model of yield."""
    count, good = yields.count.sum(axis=2), yields.good.sum(axis=2)
    chosen = _learned_from(count)
    level = np.zeros(yields.count.shape[1:])
    spread = fit_yield(columns[chosen], groups, count[chosen], good[chosen]).spread
    fit = fit_yield(columns, groups, count, good, start=spread)
    held, variance = np.empty_like(count), np.empty_like(count)
    for fold in folds:
        rest = np.setdiff1d(np.arange(len(columns)), fold)
        part = fit_yield(columns[rest], groups, count[rest], good[rest], start=spread, rounds=5)
        held[fold] = columns[fold] @ part.coefficients.T
        variance[fold] = part.variances(columns[fold]) + spread.product + spread.cell
    shift = _shift(held, variance, count, good)
    smooth = columns @ fit.coefficients.T
    chance = chance_of(smooth)
    weight = np.maximum(chance * (1.0 - chance), 3e-4)
    noise = np.where(count > 0, 1.0 / np.maximum(count * weight, 1e-9), np.nan)
    target = smooth + _divided(good - count * chance, count * weight)
    _, own, unsure = _of_products(fit, columns, target, noise)
    return YieldModel(fit, shift, np.clip(own, -3.0, 3.0), unsure, level)


def _of_products(fit: PooledFit, columns: Floats, mean: Floats, noise: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the smooth part, what is each product's own besides, and how unsure the sum is; products x alternatives."""
    smooth = columns @ fit.coefficients.T
    unsure = fit.variances(columns)
    shared = np.zeros((len(columns), 1))
    if len(fit.product_effects):
        shared = fit.product_effects[:, None]
    there = np.isfinite(mean)
    cell = fit.spread.cell
    gain = np.where(there, cell / (cell + np.where(there, noise, 1.0)), 0.0)
    own = shared + gain * np.where(there, mean - smooth - shared, 0.0)
    return smooth, own, (1.0 - gain) ** 2 * unsure + cell * (1.0 - gain)


def _walks(sums: Sums, expected: Floats) -> Floats:
    count = sums.count.sum(axis=0)
    left = (sums.total - sums.count * expected[:, :, None]).sum(axis=0)
    noise = sums.noise[:, None] / np.maximum(count, 1.0) + 1e-5
    return walked(_divided(left, count), noise)


def _factors(plain: Floats, expected: Floats, rows: Floats, ratio_noise: Floats) -> Floats:
    """Return mean / exponential of mean logarithm per alternative, those of few rows pulled to the others'."""
    there = (rows > 0) & (expected > 0)
    if not there.any():
        return np.ones(len(rows))
    logs = np.log(np.where(there, plain, 1.0) / np.where(there, expected, 1.0))
    noise = ratio_noise / np.maximum(rows, 1.0)
    weight = np.where(there, 1.0 / noise, 0.0)
    mean = float((weight * logs).sum() / weight.sum())
    # Between alternatives, by DerSimonian and Laird.
    over = float((weight * (logs - mean) ** 2).sum()) - (there.sum() - 1)
    room = float(weight.sum() - (weight**2).sum() / weight.sum())
    between = max(0.0, over / room) if room > 0 else 0.0
    gain = np.where(there, between / (between + noise), 0.0)
    again = np.where(there, 1.0 / (between + noise), 0.0)
    mean = float((again * logs).sum() / again.sum())
    factors: Floats = np.exp(mean + gain * (logs - mean))
    return factors


def _grown(coefficients: Floats, grown: Sequence[Floats]) -> Floats:
    """Return coefficients by which the measure falls nowhere among the products with the numbers it must grow with.

    ``grown``: slopes of the columns at the products, for each such number. First what bends the slope is made flatter, then the slope
    is held at 0.
    """
    bent = coefficients
    for slopes in grown:
        always = slopes.min(axis=0) == slopes.max(axis=0)
        straight = bent[:, always] @ slopes[0, always]
        other = slopes[:, ~always]
        least = (bent[:, ~always] @ other.T).min(axis=1)
        falls = straight + least < 0
        if not falls.any():
            continue
        share = np.where(falls, np.clip(straight, 0.0, None) / np.maximum(-least, 1e-12), 1.0)
        bends = (other != 0).any(axis=0)
        new = bent.copy()
        curved = np.flatnonzero(~always)[bends]
        new[:, curved] *= np.minimum(share, 1.0)[:, None]
        line = np.flatnonzero(always & (slopes[0] != 0))
        new[np.ix_(straight < 0, line)] = 0.0
        bent = new
    return bent


def _shift(odds: Floats, variance: Floats, count: Floats, good: Floats) -> float:
    """Return what, added to all log odds, makes as many good as there were; little where few failed."""
    there = count > 0
    failed = float((count - good)[there].sum())
    shift = 0.0
    for _ in range(20):
        chance = expected_chance(odds + shift, variance)[there]
        slope = float((count[there] * chance * (1.0 - chance)).sum())
        step = float(good[there].sum() - (count[there] * chance).sum()) / max(slope, 1e-9)
        shift += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-4:
            break
    return float(np.clip(shift, -1.0, 1.0)) * failed / (failed + 20.0)


def _learned_from(count: Floats) -> Ints:
    """Return the products to learn spreads from: those with most rows where they are very many."""
    rows = count.sum(axis=1)
    order = np.argsort(-rows, kind="stable")[:_MOST_TO_LEARN_FROM]
    return np.sort(order)


def _spread_of(mean: Floats) -> float:
    values = mean[np.isfinite(mean)]
    return max(1e-4, 0.05 * float(values.var())) if len(values) else 1.0


def _divided(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full_like(np.asarray(top, np.float64), np.nan), where=bottom > 0)
