"""A small shop whose truth the tests know: two operations, products with five numbers and a grade, and history as planners made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant.operation_history import OperationHistory, operation_history
from plant.process_network import Alternative, Operation, ProcessNetwork, Sequence, Step
from plant.products import FeatureDefinition, FeatureKind, ProductTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUMBERS = ("tonnage_t", "plate_mm", "weld_length_m", "bolts")
FEATURES = (*(FeatureDefinition(name) for name in NUMBERS), FeatureDefinition("grade", "", FeatureKind.CATEGORY))
COUNTS = (6, 3)
BEGIN_US = 1_760_000_000_000_000
DAY_US = 86_400_000_000


def shop_network() -> ProcessNetwork:
    """Return welding by six alternatives on three cells and painting by three booths."""
    weld = Operation(
        "weld",
        "welding",
        tuple(Alternative(f"weld-{n}", "weld", f"cell-{n // 2}", f"P{n}") for n in range(6)),
        increases_with={"duration_min": ("weld_length_m",)},
    )
    paint = Operation("paint", "painting", tuple(Alternative(f"paint-{n}", "paint", f"booth-{n}") for n in range(3)))
    return ProcessNetwork("shop", FEATURES, (weld, paint), Sequence((Step("weld"), Step("paint"))))


def shop_products(numbers: Floats, prefix: str) -> ProductTable:
    """Return products whose numbers are standard normal, as a table."""
    count = len(numbers)
    spread = {"tonnage_t": (20.0, 4.0), "plate_mm": (30.0, 5.0), "weld_length_m": (60.0, 12.0), "bolts": (200.0, 40.0)}
    columns = {name: spread[name][0] + spread[name][1] * np.clip(numbers[:, at], -2.2, 2.2) for at, name in enumerate(NUMBERS)}
    families = tuple("small" if tonnage < 20 else "large" for tonnage in columns["tonnage_t"])
    grades = tuple("S690" if value > 0.3 else "S355" for value in numbers[:, 4])
    return ProductTable(FEATURES, tuple(f"{prefix}{n}" for n in range(count)), families, columns, {"grade": grades})


@dataclass
class Shop:
    """Truth and what was measured of it."""

    seed: int = 7
    made: int = 60
    new: int = 40
    rows: int = 6000
    own: float = 0.15
    """What is a product's own and in no feature, as a spread of the logarithm."""
    noise: float = 0.08
    moved: tuple[int, float, float] | None = None
    """An alternative, the share of the time after which it moved, and the logarithm by which it did."""
    scarce: dict[int, int] = field(default_factory=dict)
    """How many rows an alternative has at most."""

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        total = sum(COUNTS)
        self.network = shop_network()
        numbers = self.random.standard_normal((self.made + self.new, 5))
        self.all = shop_products(numbers, "p")
        self.products = self.all.take(np.arange(self.made))
        self.never_made = self.all.take(np.arange(self.made, self.made + self.new))
        shared = np.array([0.12, 0.08, 0.15, 0.03, 0.0])
        z = np.clip(numbers, -2.2, 2.2)
        slopes = shared + self.random.normal(0, 0.07, (total, 5))
        slopes[:, 2] = np.abs(slopes[:, 2])
        level = 3.0 + self.random.normal(0, 0.1, total)
        unseen = self.random.normal(0, self.own, (len(numbers), len(COUNTS)))
        self.logs = level + z @ slopes.T + np.repeat(unseen, COUNTS, axis=1)
        best = self.random.uniform(-1.2, 1.2, total)
        side = self.random.standard_normal((total, 5)) / np.sqrt(5)
        self.chance = 1 / (1 + np.exp(-(3.2 - 0.4 * (z @ side.T - best) ** 2)))
        self.cost = np.exp(self.logs) + (1 - self.chance) * (60 + 0.8 * np.exp(self.logs))
        self.history = self.operations(self.made, self.rows)

    def choices(self, products: Ints) -> tuple[Ints, Floats]:
        """Return what planners choose for products, and how probable each choice was; both operations, one after the other."""
        chosen, propensity = [], []
        begin = 0
        for count in COUNTS:
            cost = self.cost[products, begin : begin + count]
            chance = np.exp(-(cost - cost.min(axis=1, keepdims=True)) / 25.0)
            chance /= chance.sum(axis=1, keepdims=True)
            at = (chance.cumsum(axis=1) > self.random.random((len(products), 1))).argmax(axis=1)
            chosen.append(begin + at)
            propensity.append(chance[np.arange(len(at)), at])
            begin += count
        return np.concatenate(chosen), np.concatenate(propensity)

    def operations(self, products: int, rows: int, *, first: int = 0) -> OperationHistory:
        """Return operations of products from ``first`` on, as planners chose."""
        product = first + self.random.integers(0, products, rows // 2)
        alternative, propensity = self.choices(product)
        both = np.concatenate([product, product])
        when = BEGIN_US + self.random.integers(0, 300 * DAY_US, rows // 2)
        done = self.done(both, alternative, np.concatenate([when, when]), propensity)
        kept = np.ones(len(both), bool)
        for at, most in self.scarce.items():
            kept[np.flatnonzero(alternative == at)[most:]] = False
        return done.take(kept)

    def done(self, product: Ints, alternative: Ints, when: Ints, propensity: Floats | None = None) -> OperationHistory:
        """Return what operations took."""
        logs = self.logs[product, alternative] + self.random.normal(0, self.noise, len(product))
        if self.moved is not None:
            at, share, by = self.moved
            logs = logs + np.where((alternative == at) & (when > BEGIN_US + share * 300 * DAY_US), by, 0.0)
        columns: dict[str, Any] = {
            "product": product,
            "alternative": alternative,
            "started_us": when,
            "duration_min": np.exp(logs),
            "first_pass": self.random.random(len(product)) < self.chance[product, alternative],
            "energy_kwh": np.exp(logs) * 0.5,
        }
        if propensity is not None:
            columns["propensity"] = propensity
        return operation_history(self.all.ids, tuple(a.id for a in self.network.alternatives), columns)
