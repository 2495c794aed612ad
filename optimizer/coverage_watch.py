"""Whether intervals hold in use: how many operations lay in what was said of them, by step and by family, and when to speak up."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from optimizer.predictions import Predictions
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.products import ProductTable

Floats = NDArray[np.float64]

PROMISED = 0.90
_LEAST_HELD = 0.88
_MOST_HELD = 0.97
_LEAST_PRODUCTS = 5


class Held(StrEnum):
    """What is said of a group's intervals."""

    HOLDS = "holds"
    TOO_NARROW = "too_narrow"
    """Surely fewer lie inside than was said: learn anew, and until then trust them less."""
    TOO_WIDE = "too_wide"
    """Nearly all lie inside: true, and less use than it could be."""
    TOO_FEW = "too_few"
    """Too few products to say."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one step or family."""

    group: str
    rows: int
    products: int
    share: float
    """Of operations whose duration lay in its 90 % interval."""
    low: float
    high: float
    """95 % bounds of that share, with products as units: rows of one product err together."""
    held: Held


def coverage(
    network: ProcessNetwork, products: ProductTable, predictions: Predictions, done: OperationHistory
) -> tuple[tuple[Coverage, ...], tuple[Coverage, ...], Coverage]:
    """Return coverage by step, by family, and of all; ``predictions`` are those made before the operations were ``done``."""
    rows = done.with_vocabularies(predictions.products, predictions.alternatives)
    band = predictions.duration_min
    at = (rows.product, rows.alternative)
    told = np.isfinite(band.low[at])
    inside = ((rows.duration_min >= band.low[at]) & (rows.duration_min <= band.high[at]))[told]
    product, alternative = rows.product[told], rows.alternative[told]
    operation = np.array([one.operation for one in network.alternatives])[alternative] if len(alternative) else np.empty(0, str)
    families = dict(zip(products.ids, products.families, strict=True))
    family = np.array([families.get(name, "") for name in predictions.products], dtype=object)[product]
    steps = tuple(_of(step.id, inside[operation == step.id], product[operation == step.id]) for step in network.operations)
    of_families = tuple(_of(str(name), inside[family == name], product[family == name]) for name in sorted(set(family.tolist())))
    return tuple(step for step in steps if step.rows), of_families, _of("", inside, product)


def _of(group: str, inside: NDArray[np.bool_], product: NDArray[np.int32]) -> Coverage:
    rows = len(inside)
    if not rows:
        return Coverage(group, 0, 0, float("nan"), 0.0, 1.0, Held.TOO_FEW)
    _, codes = np.unique(product, return_inverse=True)
    count = np.bincount(codes).astype(np.float64)
    good = np.bincount(codes, inside)
    products = len(count)
    share = float(good.sum() / rows)
    if products < _LEAST_PRODUCTS:
        return Coverage(group, rows, products, share, 0.0, 1.0, Held.TOO_FEW)
    # A product's rows err together: the spread between products is what counts, and never less than chance alone would give.
    between = float(((good - share * count) ** 2).sum()) / rows**2 * products / (products - 1)
    smoothed = (good.sum() + 2.0) / (rows + 4.0)
    room = float(student.ppf(0.975, products - 1)) * float(np.sqrt(max(between, smoothed * (1.0 - smoothed) / rows)))
    low, high = max(0.0, share - room), min(1.0, share + room)
    held = Held.TOO_NARROW if high < _LEAST_HELD else Held.TOO_WIDE if low > _MOST_HELD else Held.HOLDS
    return Coverage(group, rows, products, share, low, high, held)
