import numpy as np
import pytest

from optimizer.pooled_regression import Floats, PooledFit, Spread, fit_pooled
from optimizer.pooled_yield import chance_of, fit_yield


def by_hand(columns: Floats, target: Floats, noise: Floats, spread: Spread, groups: Floats) -> tuple[Floats, Floats]:
    """Return the posterior of all coefficients by the textbook: one large Gaussian process over all cells."""
    size = columns.shape[1]
    alternatives = target.shape[1]
    there = np.argwhere(np.isfinite(target))
    shared, own = np.diag(spread.shared[groups]), np.diag(spread.own[groups])
    whole = np.kron(np.ones((alternatives, alternatives)), shared) + np.kron(np.eye(alternatives), own)
    design = np.zeros((len(there), alternatives * size))
    covariance = np.zeros((len(there), len(there)))
    for row, (p, a) in enumerate(there):
        design[row, a * size : (a + 1) * size] = columns[p]
        covariance[row, row] = noise[p, a] + spread.cell
    same = there[:, :1] == there[:, 0]
    covariance += design @ whole @ design.T + spread.product * same
    gain = whole @ design.T @ np.linalg.inv(covariance)
    mean = gain @ target[there[:, 0], there[:, 1]]
    return mean.reshape(alternatives, size), whole - gain @ design @ whole


@pytest.fixture
def case() -> tuple[Floats, Floats, Floats, Floats, Spread]:
    random = np.random.default_rng(4)
    columns = np.hstack([np.ones((12, 1)), random.standard_normal((12, 3))])
    groups = np.array([0, 1, 1, 2])
    target = random.standard_normal((12, 5))
    target[random.random(target.shape) < 0.4] = np.nan
    noise = random.uniform(0.05, 0.5, target.shape)
    return columns, groups, target, noise, Spread(np.array([2.0, 0.5, 0.1]), np.array([0.3, 0.2, 0.05]), 0.2, 0.1)


def test_the_answer_is_the_textbook_s(case: tuple[Floats, Floats, Floats, Floats, Spread]) -> None:
    columns, groups, target, noise, spread = case
    fit = fit_pooled(columns, groups.astype(np.int64), target, noise, spread, rounds=0)
    mean, covariance = by_hand(columns, target, noise, spread, groups)
    assert np.allclose(fit.coefficients, mean)
    for a in range(5):
        assert np.allclose(fit.covariances[a], covariance[a * 4 : a * 4 + 4, a * 4 : a * 4 + 4])


def test_draws_have_the_textbook_s_mean_and_go_together_as_it_says(case: tuple[Floats, Floats, Floats, Floats, Spread]) -> None:
    columns, groups, target, noise, spread = case
    fit = fit_pooled(columns, groups.astype(np.int64), target, noise, spread, rounds=0)
    mean, covariance = by_hand(columns, target, noise, spread, groups)
    draws = fit.drawn(20_000, np.random.default_rng(1)).reshape(20_000, -1)
    assert np.allclose(draws.mean(axis=0), mean.ravel(), atol=0.03)
    assert np.allclose(np.cov(draws, rowvar=False), covariance, atol=0.05)


def learned(own: float, product: float, cell: float) -> PooledFit:
    random = np.random.default_rng(9)
    columns = np.hstack([np.ones((150, 1)), random.standard_normal((150, 2)), random.standard_normal((150, 3))])
    coefficients = np.concatenate([[3.0, 0.5, -0.5], np.zeros(3)]) + np.concatenate(
        [np.full(3, own), np.zeros(3)]
    ) * random.standard_normal((8, 6))
    target = columns @ coefficients.T + product * random.standard_normal((150, 1)) + cell * random.standard_normal((150, 8))
    noise = np.full(target.shape, 0.01)
    return fit_pooled(columns, np.array([0, 1, 1, 2, 2, 2]), target + 0.1 * random.standard_normal(target.shape), noise)


def test_how_far_things_vary_is_learned() -> None:
    spread = learned(0.4, 0.3, 0.2).spread
    assert np.sqrt(spread.own[1]) == pytest.approx(0.4, rel=0.4)
    assert np.sqrt(spread.product) == pytest.approx(0.3, rel=0.25)
    assert np.sqrt(spread.cell) == pytest.approx(0.2, rel=0.25)


def test_columns_that_tell_nothing_shrink_to_nothing() -> None:
    fit = learned(0.4, 0.0, 0.1)
    assert np.abs(fit.coefficients[:, 3:]).max() < 0.02
    assert np.abs(fit.coefficients[:, 1:3]).min() > 0.0


def test_yield_bends_where_it_bends_and_counts_are_not_believed_one_by_one() -> None:
    random = np.random.default_rng(3)
    x = random.standard_normal((80, 1))
    columns = np.hstack([np.ones((80, 1)), x, x**2 - 1])
    odds = columns @ np.array([[2.5, 0.3, -0.5], [3.0, -0.3, -0.6], [2.0, 0.0, -0.4]]).T
    count = random.integers(0, 40, odds.shape).astype(float)
    good = random.binomial(count.astype(int), chance_of(odds)).astype(float)
    fit = fit_yield(columns, np.array([0, 1, 2]), count, good)
    told = chance_of(columns @ fit.coefficients.T)
    assert np.abs(told - chance_of(odds)).mean() < 0.02
    raw = np.divide(good, count, out=np.full_like(good, np.nan), where=count > 0)
    assert np.abs(told - chance_of(odds)).mean() < 0.5 * np.nanmean(np.abs(raw - chance_of(odds)))


def test_one_alternative_alone_is_fitted_too() -> None:
    random = np.random.default_rng(0)
    columns = np.hstack([np.ones((30, 1)), random.standard_normal((30, 1))])
    target = columns @ np.array([[1.0], [2.0]])
    fit = fit_pooled(columns, np.array([0, 1]), target, np.full(target.shape, 1e-4))
    assert np.allclose(fit.coefficients, [[1.0, 2.0]], atol=0.02)
