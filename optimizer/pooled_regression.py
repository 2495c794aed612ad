"""One smooth answer per alternative of an operation, learned together: what little each has measured is pulled towards what all say.

The value of product ``p`` on alternative ``a`` is ``x_p . (b + d_a) + u_p + v_pa``: what all alternatives of the operation share, what
is the alternative's own, what is the product's own on all of them (a feature that nobody wrote down), and what is left. All four are
normal, and how large each is comes from the measurements (empirical Bayes, MacKay's fixed point), for each group of columns by itself.
So an alternative with 2,000 rows follows its own measurements, one with 10 follows the others, and a group of columns that explains
nothing shrinks to nothing. Many rows meet as one number per product and alternative: the cost does not grow with the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST = 1e-9
_MOST_PRODUCT_EFFECTS = 400
"""Beyond this many products their own effects would make the equations large, and no longer change the answer."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far things vary: what the measurements said of it, and what a later fit begins with."""

    shared: Floats
    """Per group of columns: variance of what all alternatives share."""
    own: Floats
    """Per group of columns: variance of what is one alternative's own."""
    product: float
    """Variance of what is one product's own on all alternatives."""
    cell: float
    """Variance of what is left of one product on one alternative."""


@dataclass(frozen=True, slots=True)
class PooledFit:
    """Coefficients of each alternative, and how well each is known."""

    spread: Spread
    shared_mean: Floats
    """What is shared: coefficients of the columns, then the effect of each product that was fitted (none where they are too many)."""
    shared_covariance: Floats
    base: Floats
    """Alternatives x columns: what the alternative's own measurements say where all that is shared were 0."""
    pull: Floats
    """Alternatives x columns x what is shared: how much of it is in the alternative's answer."""
    own_covariance: Floats
    covariances: Floats
    """Alternatives x columns x columns: of the coefficients, all together."""

    @property
    def coefficients(self) -> Floats:
        """The most likely coefficients, alternatives x columns."""
        means: Floats = self.base + self.pull @ self.shared_mean
        return means

    @property
    def product_effects(self) -> Floats:
        """Of each product that was fitted."""
        return self.shared_mean[self.base.shape[1] :]

    def variances(self, columns: Floats) -> Floats:
        """Products x alternatives: how unsure the smooth part is, without what is a product's own."""
        found: Floats = ((columns @ self.covariances) * columns).sum(axis=2).T
        return found

    def drawn(self, count: int, random: np.random.Generator) -> Floats:
        """Draws x alternatives x columns: coefficients as they may be, alternatives moving together as far as they share."""
        shared = self.shared_mean + random.standard_normal((count, len(self.shared_mean))) @ _root(self.shared_covariance).T
        roots = np.stack([_root(one) for one in self.own_covariance]) if len(self.own_covariance) else self.own_covariance
        apart = np.einsum("ade,nae->nad", roots, random.standard_normal((count, *self.base.shape)))
        found: Floats = self.base + np.einsum("ade,ne->nad", self.pull, shared) + apart
        return found


def fit_pooled(columns: Floats, groups: Ints, target: Floats, noise: Floats, start: Spread | None = None, *, rounds: int = 40) -> PooledFit:
    """Return the fit of ``target`` (products x alternatives, NaN where nothing was measured).

    ``noise`` is the variance of each target by itself; ``groups`` tells which columns vary alike. With ``rounds`` 0 the ``start`` is
    taken as it is.
    """
    measured = np.isfinite(target) & np.isfinite(noise)
    wanted = np.where(measured, target, 0.0)
    count, sizes = int(groups.max()) + 1, np.bincount(groups)
    alternatives = target.shape[1]
    effects = len(columns) if len(columns) <= _MOST_PRODUCT_EFFECTS and alternatives > 1 else 0
    spread = start or _first_guess(target, measured, count)
    cells = max(1, int(measured.sum()))
    while True:
        weights = np.where(measured, 1.0 / (spread.cell + np.where(measured, noise, 1.0)), 0.0)
        fit, known = _solved(columns, groups, wanted, weights, spread, effects)
        if rounds == 0:
            return replace(fit, covariances=fit.own_covariance + fit.pull @ fit.shared_covariance @ fit.pull.transpose(0, 2, 1))
        rounds -= 1
        coefficients = fit.coefficients
        apart = coefficients - fit.shared_mean[: columns.shape[1]]
        shared_known = np.maximum(np.bincount(groups, known[0], count), 1e-3)
        own_known = np.maximum(np.bincount(groups, known[1], count), 1e-3)
        shared = np.bincount(groups, fit.shared_mean[: columns.shape[1]] ** 2, count) / shared_known
        own = np.bincount(groups, (apart**2).sum(axis=0), count) / own_known
        left = np.where(measured, wanted - columns @ coefficients.T - (fit.product_effects[:, None] if effects else 0.0), 0.0)
        used = min(0.9 * cells, float(shared_known.sum() + own_known.sum() + known[2]))
        cell = spread.cell * float((weights**2 * left**2).sum()) / max(_LEAST, float(weights.sum()) * (1.0 - used / cells))
        product = float((fit.product_effects**2).sum()) / max(known[2], 1e-3) if effects else 0.0
        new = Spread(
            np.clip(shared, _LEAST, 1e4 * np.ones(count) / np.maximum(sizes, 1) ** 0),
            np.clip(own, _LEAST, 1e4) if alternatives > 1 else np.full(count, _LEAST),
            max(product, _LEAST) if effects else 0.0,
            max(cell, _LEAST),
        )
        still = _moved(spread, new) < 0.02
        spread = new
        if still:
            rounds = 0


def _first_guess(target: Floats, measured: NDArray[np.bool_], groups: int) -> Spread:
    values = target[measured]
    variance = max(float(values.var()), 1e-4) if len(values) else 1.0
    shared = np.full(groups, 0.1 * variance)
    shared[0] = 10.0 * variance + float(values.mean() ** 2 if len(values) else 0.0)
    return Spread(shared, np.full(groups, 0.03 * variance), 0.02 * variance, 0.02 * variance)


def _moved(before: Spread, after: Spread) -> float:
    """Return how far the spreads that matter moved, as a share."""
    old = np.concatenate([before.shared[1:], before.own, [before.product, before.cell]])
    new = np.concatenate([after.shared[1:], after.own, [after.product, after.cell]])
    matters = np.maximum(old, new) > 1e-3 * float(new.max())
    return float(np.max(np.abs(new - old)[matters] / np.maximum(old, new)[matters], initial=0.0))


def _solved(
    columns: Floats, groups: Ints, target: Floats, weights: Floats, spread: Spread, effects: int
) -> tuple[PooledFit, tuple[Floats, Floats, float]]:
    """Return the fit where the spreads are known, and how many coefficients of each column the measurements decide."""
    size, alternatives = columns.shape[1], weights.shape[1]
    weighted = weights.T[:, None, :] * columns.T
    information = weighted @ columns
    said = (weights * target).T @ columns
    own_prior, shared_prior = 1.0 / spread.own[groups], 1.0 / spread.shared[groups]
    diagonal = np.arange(size)
    inverse_of = information.copy()
    inverse_of[:, diagonal, diagonal] += own_prior
    own_covariance: Floats = np.asarray(np.linalg.inv(inverse_of), np.float64)
    # Columns of what is shared: those of the features, then one per product.
    both = np.concatenate([information, weighted], axis=2) if effects else information
    all_said = np.concatenate([said, (weights * target).T], axis=1) if effects else said
    follows = own_covariance @ both
    matrix = np.zeros((size + effects, size + effects))
    matrix[:size, :size] = information.sum(axis=0)
    if effects:
        matrix[:size, size:] = columns.T * weights.sum(axis=1)
        matrix[size:, :size] = matrix[:size, size:].T
        matrix[size + np.arange(effects), size + np.arange(effects)] = weights.sum(axis=1)
    # The sum over alternatives of both' C both, as one product of two long matrices.
    matrix -= both.reshape(alternatives * size, -1).T @ follows.reshape(alternatives * size, -1)
    prior = np.concatenate([shared_prior, np.full(effects, 1.0 / max(spread.product, _LEAST))]) if effects else shared_prior
    matrix[np.arange(size + effects), np.arange(size + effects)] += prior
    covariance = np.linalg.inv(matrix)
    covariance = 0.5 * (covariance + covariance.T)
    right = all_said.sum(axis=0) - said.ravel() @ follows.reshape(alternatives * size, -1)
    mean = covariance @ right
    pull = np.eye(size, size + effects) - follows
    base: Floats = (own_covariance @ said[:, :, None])[:, :, 0]
    through = (follows.reshape(alternatives * size, -1) @ covariance).reshape(follows.shape)
    spread_apart = np.einsum("add->ad", own_covariance) + (through * follows).sum(axis=2)
    known = (
        1.0 - np.diag(covariance)[:size] * shared_prior,
        (1.0 - spread_apart * own_prior).sum(axis=0),
        float((1.0 - np.diag(covariance)[size:] * prior[size:]).sum()),
    )
    fit = PooledFit(spread, mean, covariance, base, pull, own_covariance, own_covariance)
    return fit, known


def _root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
