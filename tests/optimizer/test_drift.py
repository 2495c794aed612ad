from dataclasses import replace

import numpy as np
import pytest

from optimizer.drift import DriftWatch, LevelChange, followed
from optimizer.predicting import Predictor, train
from tests.optimizer.measured_shop import BEGIN_US, DAY_US, Shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop(seed=21, made=40, rows=4000)


@pytest.fixture(scope="module")
def predictor(shop: Shop) -> Predictor:
    return train(shop.network, shop.products, shop.history, seed=1)


def use(
    shop: Shop, predictor: Predictor, rows: int, slower: dict[int, float], *, new: bool = False
) -> tuple[Predictor, tuple[LevelChange, ...]]:
    """Follow operations of weld-2, which stands on cell-1 with weld-3, and some of all others."""
    random = np.random.default_rng(5)
    alternative = np.where(np.arange(rows) % 2 == 0, 2, random.integers(0, 9, rows))
    product = random.integers(0, shop.made, rows) + (shop.made if new else 0)
    product = np.minimum(product, shop.made + shop.new - 1)
    done = shop.done(product, alternative, BEGIN_US + 301 * DAY_US + np.arange(rows) * 1_000_000)
    by = np.array([slower.get(int(at), 0.0) for at in alternative])
    done = replace(done, duration_min=(done.duration_min * np.exp(by)).astype(np.float32))
    _, after, changes = followed(DriftWatch(), shop.network, predictor, shop.all, done)
    return after, changes


def test_a_cell_that_got_15_percent_slower_is_found_within_50_of_its_operations_and_levelled(shop: Shop, predictor: Predictor) -> None:
    slow = float(np.log(1.15))
    after, changes = use(shop, predictor, 100, {2: slow, 3: slow})
    assert changes
    assert changes[0].work_unit == "cell-1"
    assert changes[0].at_us < BEGIN_US + 301 * DAY_US + 60 * 1_000_000
    moved = np.log(after.predict(shop.never_made).duration_min.mean / predictor.predict(shop.never_made).duration_min.mean)
    assert moved[:, 2].mean() == pytest.approx(slow, abs=0.05)
    assert np.allclose(moved[:, [0, 1, 4, 5]], 0.0)
    assert after.version != predictor.version


def test_products_never_made_do_not_hide_it(shop: Shop, predictor: Predictor) -> None:
    _, changes = use(shop, predictor, 200, {2: 0.14, 3: 0.14}, new=True)
    assert any("weld-2" in change.alternatives and change.share > 0.05 for change in changes)


def test_a_machine_that_works_as_ever_is_left_alone(shop: Shop, predictor: Predictor) -> None:
    after, changes = use(shop, predictor, 1500, {})
    assert changes == ()
    assert after is predictor


def test_a_machine_that_got_faster_is_found_too(shop: Shop, predictor: Predictor) -> None:
    _, changes = use(shop, predictor, 120, {2: -0.15, 3: -0.15})
    assert changes[0].share < -0.05


def test_a_single_delay_of_hours_is_no_drift(shop: Shop, predictor: Predictor) -> None:
    _, changes = use(shop, predictor, 3, {2: 3.0})
    assert changes == ()


def test_the_watch_goes_on_where_it_was(shop: Shop, predictor: Predictor) -> None:
    rows = 40
    done = shop.done(np.arange(rows) % shop.made, np.full(rows, 2), BEGIN_US + np.arange(rows))
    done = replace(done, duration_min=(done.duration_min * 1.15).astype(np.float32))
    watch, now = DriftWatch(), predictor
    found: list[LevelChange] = []
    for row in range(rows):
        watch, now, changes = followed(watch, shop.network, now, shop.all, done.take(slice(row, row + 1)))
        found.extend(changes)
    _, _, at_once = followed(DriftWatch(), shop.network, predictor, shop.all, done)
    assert [(change.at_us, change.rows) for change in found] == [(change.at_us, change.rows) for change in at_once]
    assert found
