from dataclasses import replace

import numpy as np
import pytest

from optimizer.coverage_watch import Held, coverage
from optimizer.predicting import train
from optimizer.predictions import Band, Predictions
from tests.optimizer.measured_shop import Shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(seed=31, made=40, rows=3000)


@pytest.fixture(scope="module")
def told(shop: Shop) -> Predictions:
    return train(shop.network, shop.products, shop.history, seed=1).predict(shop.never_made)


def narrowed(told: Predictions, share: float) -> Predictions:
    band = told.duration_min
    middle, half = 0.5 * (band.low + band.high), 0.5 * share * (band.high - band.low)
    return replace(told, duration_min=Band(band.mean, middle - half, middle + half))


def test_intervals_that_hold_are_said_to_hold_by_step_and_family(shop: Shop, told: Predictions) -> None:
    done = shop.operations(shop.new, 3000, first=shop.made)
    steps, families, whole = coverage(shop.network, shop.never_made, told, done)
    assert [step.group for step in steps] == ["weld", "paint"]
    assert {family.group for family in families} == {"small", "large"}
    assert sum(family.rows for family in families) == sum(step.rows for step in steps) == whole.rows == 3000
    assert {group.held for group in (*steps, *families, whole)} <= {Held.HOLDS, Held.TOO_WIDE}
    assert all(group.low <= group.share <= group.high for group in steps)


def test_intervals_that_are_too_narrow_raise_a_flag(shop: Shop, told: Predictions) -> None:
    done = shop.operations(shop.new, 3000, first=shop.made)
    _, _, whole = coverage(shop.network, shop.never_made, narrowed(told, 0.4), done)
    assert whole.held is Held.TOO_NARROW
    assert whole.share < 0.75


def test_a_few_products_raise_no_flag_however_many_their_rows(shop: Shop, told: Predictions) -> None:
    done = shop.operations(3, 3000, first=shop.made)
    _, _, whole = coverage(shop.network, shop.never_made, narrowed(told, 0.05), done)
    assert whole.held is Held.TOO_FEW
    assert whole.products == 3


def test_rows_of_one_product_are_one_voice(shop: Shop, told: Predictions) -> None:
    few = coverage(shop.network, shop.never_made, told, shop.operations(8, 4000, first=shop.made))[2]
    many = coverage(shop.network, shop.never_made, told, shop.operations(40, 4000, first=shop.made))[2]
    assert few.high - few.low > many.high - many.low


def test_nothing_done_is_nothing_said(shop: Shop, told: Predictions) -> None:
    steps, families, whole = coverage(shop.network, shop.never_made, told, shop.history.take(slice(0, 0)))
    assert (steps, families) == ((), ())
    assert np.isnan(whole.share)
