"""Whether what is asked lies where something was measured. Outside of it there is no prediction worth a recommendation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.features import Basis
from optimizer.predictions import Evidence
from plant.products import ProductTable

Floats = NDArray[np.float64]

_BEYOND = 0.15
"""How far beyond the range of what was measured a number may lie, as a share of that range."""
_FARTHER = 2.0
"""How much farther from its nearest neighbour a product may be than those that were made are from theirs."""
_SHARE = 0.98
_LEAST_PRODUCTS = 5


@dataclass(frozen=True, slots=True)
class Support:
    """Where products were measured."""

    made: Floats
    """Products x numbers that were measured, each number in its own spread, turned so that all directions count alike."""
    turn: Floats
    reach: float
    """How far from its nearest neighbour a product may be."""
    categories: tuple[tuple[str, frozenset[str]], ...]
    constants: tuple[tuple[str, float], ...]
    """Numbers that were the same for all: what another value does, nobody saw."""


def support_of(basis: Basis, products: ProductTable) -> Support:
    """Return the support of the products that were measured."""
    scaled = basis.scaled(products)
    size = scaled.shape[1]
    turn = np.eye(size)
    if size and len(scaled) > size:
        values, vectors = np.linalg.eigh(np.cov(scaled, rowvar=False).reshape(size, size))
        # Directions in which products hardly differ are not blown up without bound.
        turn = vectors / np.sqrt(np.maximum(values, 0.05 * float(values.max())))
    made = scaled @ turn
    nearest = _nearest(made, made, but_itself=True)
    finite = nearest[np.isfinite(nearest)]
    reach = _FARTHER * float(np.quantile(finite, _SHARE)) if len(finite) >= _LEAST_PRODUCTS else np.inf
    categories = tuple((name, frozenset(values)) for name, values in products.categories.items())
    varied = {scale.name for scale in basis.numbers}
    constants = tuple((name, float(values[0])) for name, values in products.numbers.items() if name not in varied and len(values))
    return Support(made, turn, reach, categories, constants)


def judged(support: Support, basis: Basis, products: ProductTable) -> list[tuple[Evidence, str]]:
    """Return whether each product as a whole lies within what was measured, and the sentence that tells it where not."""
    distances = _nearest(basis.scaled(products) @ support.turn, support.made, but_itself=False)
    return [_judged_one(support, basis, products, row, float(distances[row])) for row in range(len(products))]


def _judged_one(support: Support, basis: Basis, products: ProductTable, row: int, distance: float) -> tuple[Evidence, str]:
    for name, known in support.categories:
        value = products.categories[name][row]
        if value not in known:
            return Evidence.NEW_CATEGORY, f"{name} '{value}' was never measured"
    for name, constant in support.constants:
        number = float(products.numbers[name][row])
        if abs(number - constant) > 1e-6 * max(1.0, abs(constant)):
            return Evidence.FEATURE_OUTSIDE, f"{name} was {constant:g} in all that was measured; {number:g} never was"
    for scale in basis.numbers:
        number, room = float(products.numbers[scale.name][row]), _BEYOND * (scale.high - scale.low)
        if not scale.low - room <= number <= scale.high + room:
            return Evidence.FEATURE_OUTSIDE, f"{scale.name} {number:g} lies outside of {scale.low:g} to {scale.high:g}, which was measured"
    if distance > support.reach:
        return Evidence.FAR_FROM_ALL, f"no product like it was measured: the nearest is {distance / support.reach:.1f} times too far away"
    return Evidence.ENOUGH, ""


def _nearest(asked: Floats, made: Floats, *, but_itself: bool) -> Floats:
    """Return the distance of each to the nearest, in parts so that no table of all pairs is held."""
    found = np.full(len(asked), np.inf)
    if not len(made) or not made.shape[1]:
        return np.zeros(len(asked))
    for begin in range(0, len(asked), 256):
        part = asked[begin : begin + 256]
        square = ((part[:, None, :] - made[None, :, :]) ** 2).sum(axis=2)
        if but_itself:
            square[np.arange(len(part)), begin + np.arange(len(part))] = np.inf
        found[begin : begin + len(part)] = np.sqrt(square.min(axis=1))
    return found
