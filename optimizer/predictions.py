"""What is expected of products on each alternative, as columns: the value that predicting gives and recommending reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Evidence(StrEnum):
    """Whether there is enough to predict from, and if not, what lacks."""

    ENOUGH = "enough"
    FEW_ROWS = "few_rows"
    """The alternative has too few measurements."""
    FEW_PRODUCTS = "few_products"
    """They are of too few products to tell what a product changes."""
    FEATURE_OUTSIDE = "feature_outside"
    """A number of the product is outside of what was measured."""
    NEW_CATEGORY = "new_category"
    """A category of the product was never measured."""
    FAR_FROM_ALL = "far_from_all"
    """Each feature was seen, but no product like this one."""
    TOO_UNSURE = "too_unsure"
    """The prediction is too wide to choose by."""


@dataclass(frozen=True, slots=True)
class Band:
    """Expected values and 90 % bounds, products x alternatives."""

    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Predictions:
    """What is expected of products (rows) on the network's alternatives (columns)."""

    products: tuple[str, ...]
    alternatives: tuple[str, ...]
    duration_min: Band
    """Mean: expected minutes, tails included. Bounds: of one single operation."""
    first_pass: Band
    """Probability; its bounds are those of the probability."""
    energy_kwh: Band
    """NaN where it was never measured."""
    wear: Band
    """NaN where it was never measured."""
    rework_min: Band
    """Of an operation that needs rework; NaN where none was measured."""
    scrapped: Floats
    """Probability, per alternative (the same for all products)."""
    duration_unsure: Floats
    """Standard deviation of the logarithm of the expected duration: what is not known, without what varies from part to part."""
    count: NDArray[np.int64]
    """Measurements of duration behind each alternative."""
    products_behind: NDArray[np.int64]
    """Products that those are of."""
    evidence: NDArray[np.object_]
    """``Evidence`` of each product on each alternative."""
    about: tuple[str, ...]
    """Per product: the sentence that tells what lacks, where the product as a whole is outside; else empty."""
    version: str

    @property
    def supported(self) -> NDArray[np.bool_]:
        """Where there is enough evidence, products x alternatives."""
        enough: NDArray[np.bool_] = np.asarray(self.evidence == Evidence.ENOUGH, np.bool_)
        return enough


@dataclass(frozen=True, slots=True)
class Draws:
    """Expected values as they may truly be, draws x products x alternatives: what alternatives have in common moves together.

    For the interval of a route's cost or of a gain: cost each draw, sum over the route, and take the quantiles.
    """

    duration_min: Floats
    first_pass: Floats
    energy_kwh: Floats
    wear: Floats
