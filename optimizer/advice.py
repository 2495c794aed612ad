"""All that answers for a factory, made once from its network and history; then products in, recommendations out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from optimizer.drawing import DrawnFactory, drawn_factory
from optimizer.predicting import Predictor, train
from optimizer.predictions import Predictions
from optimizer.recommending import VALID_DAYS, Asked, Recommender, UnitLoad, recommend, recommender
from optimizer.route_estimates import Expected, Floats, Interval
from plant.operation_history import OperationHistory
from plant.process_network import ProcessNetwork
from plant.process_windows import WindowSet
from plant.products import Product, ProductTable
from plant.recommendations import Recommendation

_SEED: Final = 1
"""Draws are the same for each question, so that the same question has the same answer."""


@dataclass(frozen=True, slots=True)
class Adviser:
    """A factory that was learned from its history."""

    known: Recommender
    predictor: Predictor
    drawn: DrawnFactory
    shrinkage: float = 1.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is asked besides the product."""

    made_at: datetime
    today: Mapping[str, UnitLoad] | None = None
    own_routes: bool = False
    valid_days: float = VALID_DAYS
    before: Mapping[str, tuple[str, ...]] | None = None
    """By product: the route that was proposed before."""


def adviser(
    network: ProcessNetwork,
    products: ProductTable,
    history: OperationHistory,
    windows: WindowSet | None = None,
    *,
    seed: int = 0,
    predictor: Predictor | None = None,
) -> Adviser:
    """Return what answers for a factory; it is trained where no predictor is given."""
    learned = predictor or train(network, products, history, seed=seed)
    return Adviser(recommender(network, products, history, windows), learned, drawn_factory(learned, _SEED))


def advise(adviser: Adviser, products: ProductTable, asked: Circumstances) -> Iterator[Recommendation]:
    """Give the recommendation for each product, in their order."""
    predictor, known = adviser.predictor, adviser.known
    predictions, columns = predictor.predict(products), predictor.basis.columns(products)
    weights, fixed = known.graph.network.cost, known.fixed_costs
    for row in range(len(products)):
        product = products.at(row)
        drawn = adviser.drawn.costs(weights, fixed, columns[row], _made(predictor, product))
        yield recommend(
            known,
            Asked(
                product=product,
                expected=expected_of(predictions, row, drawn),
                evidence=list(predictions.evidence[row]),
                made_at=asked.made_at,
                about=predictions.about[row],
                today=asked.today,
                before=(asked.before or {}).get(product.id, ()),
                own_routes=asked.own_routes,
                shrinkage=adviser.shrinkage,
                valid_days=asked.valid_days,
            ),
        )


def expected_of(predictions: Predictions, row: int, draws: Floats | None) -> Expected:
    """Return what is expected of one product."""
    bands = (predictions.duration_min, predictions.first_pass, predictions.energy_kwh, predictions.wear)
    duration, first_pass, energy, wear = (Interval(band.mean[row], band.low[row], band.high[row]) for band in bands)
    return Expected(
        duration, first_pass, energy, wear, predictions.count, predictions.supported[row], scrapped=predictions.scrapped, draws=draws
    )


def _made(predictor: Predictor, product: Product) -> int:
    """Return where a product stands among those that were made; -1 where it is new, or has other features now."""
    at = predictor.made.positions.get(product.id, -1)
    return at if at >= 0 and predictor.made.at(at) == product else -1
