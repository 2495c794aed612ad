"""Expected costs of a product as they may truly be, in a millisecond: what does not depend on the product is drawn once, beforehand.

A draw is one possible truth for all alternatives at once, so what they have in common cancels where two routes are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.one_thread import one_thread
from optimizer.operation_models import LogModel, YieldModel
from optimizer.pooled_yield import chance_of
from optimizer.predicting import Predictor
from plant.route_costs import CostWeights, operation_cost

Floats = NDArray[np.float64]
_MOST_NUMBERS: Final = 30_000_000
_LEAST_DRAWS: Final = 50
_MEASURES: Final = ("duration_min", "energy_kwh", "wear")


@dataclass(frozen=True, slots=True)
class _Drawn:
    """One model, as it may truly be."""

    model: LogModel | YieldModel
    centre: Floats
    """Alternatives x columns."""
    coefficients: NDArray[np.float32]
    """Draws x alternatives x columns."""
    own: Floats
    """Draws: what is a new product's own, in spreads."""
    apart: Floats
    """Draws x alternatives."""

    def answers(self, columns: Floats, made: int) -> Floats:
        """Return draws x alternatives for the columns of one product; ``made`` is its place among those that were made, or -1."""
        if made >= 0:
            mean = self.centre @ columns + self.model.effects[made]
            return np.asarray(mean + np.sqrt(self.model.effect_variance[made]) * self.apart, np.float64)
        spread = self.model.fit.spread
        smooth = self.coefficients @ columns.astype(np.float32)
        return np.asarray(smooth + np.sqrt(spread.product) * self.own[:, None] + np.sqrt(spread.cell) * self.apart, np.float64)


@dataclass(frozen=True, slots=True)
class DrawnFactory:
    """All models of a predictor, drawn."""

    predictor: Predictor
    count: int
    operations: tuple[tuple[dict[str, _Drawn], _Drawn], ...]
    """Of each operation: its measures, and its yield."""

    def costs(self, weights: CostWeights, fixed: Floats, columns: Floats, made: int) -> Floats:
        """Return draws x alternatives of the expected cost of one product; NaN where nothing was measured."""
        found = np.full((self.count, len(self.predictor.alternatives)), np.nan)
        for model, (measures, odds) in zip(self.predictor.operations, self.operations, strict=True):
            at = model.alternatives
            amounts = {name: np.exp(drawn.answers(columns, made)) * model.measures[name].factor for name, drawn in measures.items()}
            if "duration_min" not in amounts:
                continue
            passes = chance_of(odds.answers(columns, made) + model.odds.shift)
            found[:, at] = operation_cost(
                weights,
                amounts["duration_min"] * np.exp(self.predictor.shifts[at]),
                passes,
                amounts.get("energy_kwh", 0.0),
                amounts.get("wear", 0.0),
                fixed_cost=fixed[at],
                scrapped=self.predictor.scrapped[at],
            )
        return found


@one_thread()
def drawn_factory(predictor: Predictor, seed: int, count: int = 200) -> DrawnFactory:
    """Return a predictor's models drawn; the same seed gives the same. Very large networks have fewer draws."""
    random = np.random.default_rng(seed)
    size = sum(model.fit.base.size for one in predictor.operations for model in one.measures.values())
    size += sum(one.odds.fit.base.size for one in predictor.operations)
    count = max(_LEAST_DRAWS, min(count, _MOST_NUMBERS // max(size, 1)))
    operations = []
    for one in predictor.operations:
        # What nobody wrote down of a product lengthens its time and its energy alike.
        own = random.standard_normal(count)
        measures = {
            name: _drawn(model, model.coefficients, own, random) for name in _MEASURES if (model := one.measures.get(name)) is not None
        }
        operations.append((measures, _drawn(one.odds, one.odds.fit.coefficients, random.standard_normal(count), random)))
    return DrawnFactory(predictor, count, tuple(operations))


def _drawn(model: LogModel | YieldModel, centre: Floats, own: Floats, random: np.random.Generator) -> _Drawn:
    coefficients = (model.fit.drawn(len(own), random) + (centre - model.fit.coefficients)).astype(np.float32)
    return _Drawn(model, centre, coefficients, own, random.standard_normal((len(own), len(centre))))
