"""A factory learned from its history answers for products: also ones never made, and the same each time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from optimizer.advice import Adviser, Circumstances, advise, adviser
from optimizer.new_product import described, plan_new_product
from plant.errors import SettingsError
from plant.process_network import Route
from plant.recommendations import Answer
from plant.route_costs import operation_cost
from tests.optimizer.measured_shop import Shop
from tests.optimizer.works import BEST, network, orders, products

ASKED = Circumstances(datetime(2026, 11, 20, 8, tzinfo=UTC))


@pytest.fixture(scope="module")
def works() -> Adviser:
    return adviser(network(), products(), orders(480), seed=1)


@pytest.fixture(scope="module")
def shop() -> tuple[Shop, Adviser]:
    made = Shop(made=60, new=40, rows=8000)
    used = np.zeros((len(made.all), len(made.network.alternatives)))
    np.add.at(used, (made.history.product, made.history.alternative), 1)
    names = [one.id for one in made.network.alternatives]
    usual = [(names[int(row[:6].argmax())], names[6 + int(row[6:].argmax())]) for row in used[: made.made]]
    routes = tuple(Route(f"r-{made.all.ids[at]}", made.all.ids[at], way) for at, way in enumerate(usual))
    cost = replace(made.network.cost, rework_fixed_min=60.0, rework_share=0.8)
    return made, adviser(replace(made.network, cost=cost, routes=routes), made.products, made.history)


def test_a_new_product_is_planned_in_one_call(works: Adviser) -> None:
    said = plan_new_product(works, {"tonnage_t": 12.0, "weld_length_m": 41.0}, ASKED, name="EX-X")

    assert said.product == "EX-X"
    assert said.answer is Answer.RECOMMENDED
    assert said.route == BEST
    assert [step.work_unit for step in said.steps if step.alternative] == list(BEST)
    assert said.predicted is not None
    assert 40 < said.predicted.duration_min.mean < 75


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"tonnage_t": 12.0}, "feature 'weld_length_m'"),
        ({"tonnage_t": "many", "weld_length_m": 3}, "feature 'tonnage_t'"),
        ({"tonnage_t": 12, "weld_length_m": 3, "colour": 4}, "feature 'colour': the network has none of that name"),
    ],
)
def test_wrong_features_are_told_by_name(works: Adviser, features: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        plan_new_product(works, features, ASKED)


def test_the_same_question_has_the_same_answer_alone_or_among_others(works: Adviser) -> None:
    table = products()

    alone = next(advise(works, table.take(np.array([3])), ASKED))

    together = list(advise(works, table, ASKED))[3]
    assert alone.product == together.product == "EX-3"
    assert alone.route == together.route
    assert alone.gain is not None
    assert together.gain is not None
    assert alone.gain.low == pytest.approx(together.gain.low)
    assert list(advise(works, table, ASKED))[3] == together


def test_on_products_never_made_routes_are_nearly_the_best_there_are(shop: tuple[Shop, Adviser]) -> None:
    made, known = shop
    positions = made.network.alternatives
    names = [one.id for one in positions]
    chosen, best = [], []
    for at, said in enumerate(advise(known, made.never_made, ASKED)):
        if said.answer is not Answer.RECOMMENDED:
            continue
        cost = made.cost[made.made + at]
        chosen.append(cost[[names.index(name) for name in said.route]].sum())
        best.append(cost[:6].min() + cost[6:].min())

    assert len(chosen) >= 0.8 * made.new
    assert sum(chosen) / sum(best) < 1.05


def test_most_gains_lie_within_their_intervals(shop: tuple[Shop, Adviser]) -> None:
    made, known = shop
    names = [one.id for one in made.network.alternatives]
    inside = []
    for at, said in enumerate(advise(known, made.never_made, ASKED)):
        nearest = said.against.nearest
        if nearest is None or nearest.gain.mean == 0.0:
            continue
        cost = made.cost[made.made + at]
        real = sum(cost[names.index(name)] for name in nearest.route) - sum(cost[names.index(name)] for name in said.route)
        inside.append(nearest.gain.low <= real <= nearest.gain.high)

    assert len(inside) >= 10
    assert np.mean(inside) > 0.7


def test_draws_lie_around_what_is_expected(shop: tuple[Shop, Adviser]) -> None:
    made, known = shop
    weights, fixed = known.known.graph.network.cost, known.known.fixed_costs
    table = made.never_made.take(np.arange(5))
    predicted, columns = known.predictor.predict(table), known.predictor.basis.columns(table)

    for row in range(5):
        drawn = known.drawn.costs(weights, fixed, columns[row], -1)
        expected = operation_cost(weights, predicted.duration_min.mean[row], predicted.first_pass.mean[row], predicted.energy_kwh.mean[row])
        assert drawn.shape == (known.drawn.count, len(fixed))
        assert np.abs(drawn.mean(axis=0) / expected - 1).max() < 0.15


def test_a_described_product_is_read_as_a_row_of_a_file_would_be() -> None:
    table = described(network(), {"tonnage_t": "12.5", "weld_length_m": 3}, "EX-Y", "midi")

    assert table.product("EX-Y").features == {"tonnage_t": 12.5, "weld_length_m": 3.0}
    assert table.families == ("midi",)
