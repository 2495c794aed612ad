"""Products as columns of numbers that a regression can weigh: straight lines first, then what bends them.

Each column belongs to a group, and the regression learns how much each group matters: the level, numbers, categories, families, squares,
products of two, bends (the logarithm of a number, and what begins above a third or two thirds of the products). Groups that explain
nothing shrink to nothing, so that more columns cost little where the plant is straight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from plant.products import FeatureKind, ProductTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVEL, NUMBERS, CATEGORIES, FAMILIES, SQUARES, PRODUCTS, BENDS = range(7)
GROUPS = 7
_MOST_CROSSED = 40
"""Columns that are products of two: with more, there are more columns than products. The first numbers come first."""
_MOST_BENT = 8
"""Numbers that may have bends; with more of them, lines and squares are all."""
_MOST_LEVELS = 12
"""Values of a category, and families, that get a column of their own: the most frequent."""
_LEAST_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Scale:
    """How one number becomes a column: from its mean, in its own spread; and where it was seen."""

    name: str
    mean: float
    spread: float
    low: float
    high: float
    logarithm: tuple[float, float, float] | None
    """What is left of the logarithm after a straight line: level, slope, spread. None where a logarithm tells nothing more."""
    knots: tuple[float, ...]
    """In units of the spread."""


@dataclass(frozen=True, slots=True)
class Basis:
    """How products become columns."""

    numbers: tuple[Scale, ...]
    categories: Mapping[str, tuple[str, ...]]
    families: tuple[str, ...]
    groups: Ints
    """Per column."""

    def columns(self, products: ProductTable) -> Floats:
        """Products x columns."""
        scaled = self.scaled(products)
        given = [products.numbers[scale.name] for scale in self.numbers]
        parts: list[Floats] = [np.ones((len(products), 1)), scaled]
        chosen = [
            _indicators(products.categories[name], levels) - 1.0 / len(levels)
            for name, levels in self.categories.items()
            if len(levels) > 1
        ]
        parts.extend(chosen)
        if len(self.families) > 1:
            parts.append(_indicators(products.families, self.families))
        parts.append(scaled**2 - 1.0)
        crossed = scaled[:, : _crossed(len(self.numbers), sum(part.shape[1] for part in chosen))]
        parts.extend(crossed[:, [a]] * crossed[:, [b]] for a, b in combinations(range(crossed.shape[1]), 2))
        parts.extend(part[:, [level]] * crossed for part in chosen for level in range(part.shape[1]))
        parts.extend(bend for scale, z, x in zip(self.numbers, scaled.T, given, strict=True) for bend in _bends(scale, z, x))
        return np.hstack(parts)

    def slopes(self, products: ProductTable, feature: str) -> Floats:
        """Products x columns: how each column changes with a number, per spread of it."""
        here = self.columns(products)
        scale = next(scale for scale in self.numbers if scale.name == feature)
        step = 1e-4
        numbers = dict(products.numbers) | {feature: products.numbers[feature] + step * scale.spread}
        moved = ProductTable(products.features, products.ids, products.families, numbers, products.categories)
        slopes: Floats = (self.columns(moved) - here) / step
        return slopes

    def scaled(self, products: ProductTable) -> Floats:
        """Products x numbers, each from its mean in its own spread."""
        if not self.numbers:
            return np.empty((len(products), 0))
        return np.stack([(products.numbers[scale.name] - scale.mean) / scale.spread for scale in self.numbers], axis=1)


def basis_of(products: ProductTable) -> Basis:
    """Return columns that fit these products; a number or category that is the same for all tells nothing and gets none."""
    varied = [
        feature.name
        for feature in products.features
        if feature.kind is FeatureKind.NUMBER and float(np.std(products.numbers[feature.name])) > _LEAST_SPREAD
    ]
    numbers = tuple(_scale(name, products.numbers[name], bent=len(varied) <= _MOST_BENT) for name in varied)
    categories = {
        feature.name: _levels(products.categories[feature.name]) for feature in products.features if feature.kind is FeatureKind.CATEGORY
    }
    families = _levels(products.families)
    levels = sum(len(of) for of in categories.values() if len(of) > 1)
    count, crossed = len(numbers), _crossed(len(numbers), levels)
    bends = sum(len(scale.knots) + (scale.logarithm is not None) for scale in numbers)
    sizes = {
        LEVEL: 1,
        NUMBERS: count,
        CATEGORIES: levels,
        FAMILIES: len(families) if len(families) > 1 else 0,
        SQUARES: count,
        PRODUCTS: crossed * (crossed - 1) // 2 + crossed * levels,
        BENDS: bends,
    }
    return Basis(numbers, categories, families, np.repeat(list(sizes), list(sizes.values())).astype(np.int64))


def _crossed(numbers: int, levels: int) -> int:
    """Return how many of the numbers are multiplied with each other and with each level of a category."""
    crossed = numbers
    while crossed and crossed * (crossed - 1) // 2 + crossed * levels > _MOST_CROSSED:
        crossed -= 1
    return crossed


def _scale(name: str, values: Floats, *, bent: bool) -> Scale:
    mean, spread = float(values.mean()), float(values.std())
    scaled = (values - mean) / spread
    distinct = len(np.unique(values))
    knots = tuple(float(knot) for knot in np.quantile(scaled, (1 / 3, 2 / 3))) if bent and distinct >= 6 else ()
    logarithm = None
    if bent and float(values.min()) > 0.0 and float(values.max()) > 3.0 * float(values.min()) and distinct >= 6:
        logs = np.log(values)
        slope, level = np.polyfit(scaled, logs, 1)
        left = float(np.std(logs - level - slope * scaled))
        logarithm = (float(level), float(slope), left) if left > _LEAST_SPREAD else None
    return Scale(name, mean, spread, float(values.min()), float(values.max()), logarithm, knots)


def _bends(scale: Scale, scaled: Floats, values: Floats) -> list[Floats]:
    found = [np.maximum(scaled - knot, 0.0)[:, None] for knot in scale.knots]
    if scale.logarithm is not None:
        level, slope, left = scale.logarithm
        # Far below what was seen, where nothing is recommended, the logarithm is held.
        logs = np.log(np.maximum(values, 0.3 * scale.low))
        found.append(((logs - level - slope * scaled) / left)[:, None])
    return found


def _levels(values: Sequence[str]) -> tuple[str, ...]:
    names, counts = np.unique(np.asarray(values, dtype=object).astype(str), return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    return tuple(sorted(str(names[at]) for at in order))


def _indicators(values: Sequence[str], levels: Sequence[str]) -> Floats:
    at = {level: position for position, level in enumerate(levels)}
    found = np.zeros((len(values), len(levels)))
    for row, value in enumerate(values):
        position = at.get(value)
        if position is not None:
            found[row, position] = 1.0
    return found
