from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.off_policy import PolicyValue, TooLittle, value_of_choosing
from tests.optimizer.measured_shop import COUNTS, Shop

WELD = slice(0, COUNTS[0])


@pytest.fixture(scope="module")
def logged() -> tuple[Shop, dict[str, Any]]:
    shop = Shop(seed=41, made=60, rows=100)
    product = shop.random.integers(0, shop.made, 6000)
    alternative, propensity = shop.choices(product)
    weld = np.arange(6000)
    minutes = np.exp(shop.logs[product, alternative[weld]] + shop.random.normal(0, shop.noise, 6000))
    right = shop.random.random(6000) < shop.chance[product, alternative[weld]]
    cost = minutes + ~right * (60 + 0.8 * minutes)
    return shop, {"product": product, "alternative": alternative[weld], "propensity": propensity[weld], "cost": cost}


def better(shop: Shop) -> NDArray[np.float64]:
    """Choose the two best of each product, half and half."""
    cost = shop.cost[: shop.made, WELD]
    order = np.argsort(cost, axis=1)
    chosen = np.zeros_like(cost)
    np.put_along_axis(chosen, order[:, :2], 0.5, axis=1)
    return np.asarray(chosen, np.float64)


@pytest.mark.parametrize("skew", [1.0, 1.3])
def test_another_way_of_choosing_is_valued_truly_even_where_the_model_is_off(logged: tuple[Shop, dict[str, Any]], skew: float) -> None:
    shop, rows = logged
    chosen = better(shop)
    truth = float((chosen * shop.cost[: shop.made, WELD]).sum(axis=1)[rows["product"]].mean())
    found = value_of_choosing(chosen, **rows, expected=skew * shop.cost[: shop.made, WELD])
    assert isinstance(found, PolicyValue)
    assert found.low < truth < found.high
    assert found.mean == pytest.approx(truth, rel=0.06)
    assert found.self_normalised == pytest.approx(truth, rel=0.12)
    assert found.mean < found.logged


def test_choices_that_were_hardly_made_have_no_value(logged: tuple[Shop, dict[str, Any]]) -> None:
    shop, rows = logged
    worst = np.zeros((shop.made, COUNTS[0]))
    worst[np.arange(shop.made), shop.cost[: shop.made, WELD].argmax(axis=1)] = 1.0
    some = {name: column[:60] for name, column in rows.items()}
    found = value_of_choosing(worst, **some, expected=shop.cost[: shop.made, WELD])
    assert isinstance(found, TooLittle)
    assert found.effective < 30
    assert "30 are needed" in found.reason


def test_a_log_without_propensities_has_no_value(logged: tuple[Shop, dict[str, Any]]) -> None:
    shop, rows = logged
    unknown = rows | {"propensity": np.full(6000, np.nan)}
    found = value_of_choosing(better(shop), **unknown, expected=shop.cost[: shop.made, WELD])
    assert found == TooLittle(0.0, 0, "no row tells how probable its choice was")


def test_one_product_does_not_tell_how_products_differ(logged: tuple[Shop, dict[str, Any]]) -> None:
    shop, rows = logged
    one = rows["product"] == 0
    many: dict[str, Any] = {name: np.repeat(column[one], 20) for name, column in rows.items()}
    found = value_of_choosing(better(shop), **many, expected=shop.cost[: shop.made, WELD])
    assert isinstance(found, TooLittle)
