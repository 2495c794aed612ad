from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.features import basis_of
from optimizer.model_files import load, predictor_bytes, predictor_of, save
from optimizer.predicting import Predictor, train
from optimizer.predictions import Evidence
from optimizer.support import judged, support_of
from plant.errors import Rejected
from plant.operation_history import OperationHistory, empty_history, operation_history
from plant.process_network import Alternative, Operation, ProcessNetwork, Step
from plant.products import FeatureDefinition, ProductTable
from tests.optimizer.measured_shop import COUNTS, Shop, shop_products


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def predictor(shop: Shop) -> Predictor:
    return train(shop.network, shop.products, shop.history, seed=1)


def covered(predictor: Predictor, products: ProductTable, done: OperationHistory) -> float:
    told = predictor.predict(products).duration_min
    rows = done.with_vocabularies(products.ids, predictor.alternatives)
    at = (rows.product, rows.alternative)
    return float(np.mean((rows.duration_min >= told.low[at]) & (rows.duration_min <= told.high[at])))


def test_the_best_alternative_of_a_product_never_made_is_nearly_found(shop: Shop, predictor: Predictor) -> None:
    told = predictor.predict(shop.never_made)
    cost = told.duration_min.mean + (1 - told.first_pass.mean) * (60 + 0.8 * told.duration_min.mean)
    truth = shop.cost[shop.made :]
    rows = np.arange(shop.new)
    best, got, usual = 0.0, 0.0, 0.0
    for begin, count in ((0, COUNTS[0]), (COUNTS[0], COUNTS[1])):
        part = slice(begin, begin + count)
        best += truth[:, part].min(axis=1).sum()
        got += truth[rows, begin + cost[:, part].argmin(axis=1)].sum()
        usual += truth[:, part].mean(axis=1).sum()
    assert got / best < 1.06
    assert got / best - 1 < 0.2 * (usual / best - 1)


def test_what_is_predicted_is_what_comes_on_average(shop: Shop, predictor: Predictor) -> None:
    told = predictor.predict(shop.never_made)
    minutes = np.exp(shop.logs[shop.made :] + 0.5 * shop.noise**2)
    assert told.duration_min.mean.mean() / minutes.mean() == pytest.approx(1.0, abs=0.06)
    assert told.first_pass.mean.mean() == pytest.approx(shop.chance[shop.made :].mean(), abs=0.02)
    assert told.energy_kwh.mean.mean() / (0.5 * minutes.mean()) == pytest.approx(1.0, abs=0.06)
    assert np.isnan(told.wear.mean).all()


def test_intervals_hold_for_products_never_made_as_planners_choose_and_for_any_alternative(shop: Shop, predictor: Predictor) -> None:
    logged = shop.operations(shop.new, 4000, first=shop.made)
    product = shop.made + shop.random.integers(0, shop.new, 4000)
    anything = shop.done(product, shop.random.integers(0, sum(COUNTS), 4000), np.full(4000, logged.started_us[0]))
    assert 0.84 < covered(predictor, shop.never_made, logged) < 0.98
    assert 0.84 < covered(predictor, shop.never_made, anything) < 0.98


def test_a_product_that_was_made_is_predicted_by_its_own_measurements(shop: Shop, predictor: Predictor) -> None:
    count = np.zeros((shop.made, sum(COUNTS)))
    np.add.at(count, (shop.history.product, shop.history.alternative), 1)
    often = count >= 20
    told = predictor.predict(shop.products)
    renamed = replace(shop.products, ids=tuple(f"as new {name}" for name in shop.products.ids))
    as_new = predictor.predict(renamed)
    truth = shop.logs[: shop.made]
    own = np.abs(np.log(told.duration_min.mean) - truth)[often].mean()
    assert own < 0.35 * np.abs(np.log(as_new.duration_min.mean) - truth)[often].mean()
    assert (told.duration_min.high / told.duration_min.low)[often].mean() < (as_new.duration_min.high / as_new.duration_min.low)[
        often
    ].mean()


def test_an_alternative_with_few_rows_leans_on_the_others() -> None:
    shop = Shop(seed=11, scarce={0: 12}, own=0.02)
    predictor = train(shop.network, shop.products, shop.history, seed=1)
    told = predictor.predict(shop.never_made)
    missed = np.log(told.duration_min.mean[:, 0]) - shop.logs[shop.made :, 0]
    assert np.abs(missed).mean() < 0.15
    width = np.log(told.duration_min.high / told.duration_min.low).mean(axis=0)
    assert width[0] > width[1:6].max()


def test_a_duration_never_falls_with_what_it_must_grow_with_whatever_was_measured() -> None:
    shop = Shop(seed=5, made=25, rows=600)
    length = shop.products.numbers["weld_length_m"]
    falling = shop.history.duration_min * np.exp(-0.05 * (shop.all.numbers["weld_length_m"][shop.history.product] - 60.0))
    history = replace(shop.history, duration_min=falling.astype(np.float32))
    free = replace(shop.network, operations=tuple(replace(operation, increases_with={}) for operation in shop.network.operations))

    def made_longer(network: ProcessNetwork) -> NDArray[np.float64]:
        predictor = train(network, shop.products, history, seed=1)
        usual = replace(shop.products, ids=tuple(f"{name} as new" for name in shop.products.ids))
        longer = replace(usual, numbers=dict(usual.numbers) | {"weld_length_m": np.minimum(length + 0.5, length.max())})
        told = predictor.predict(longer).duration_min.mean / predictor.predict(usual).duration_min.mean
        return np.asarray(told[length < length.max() - 0.5])

    bound, unbound = made_longer(shop.network), made_longer(free)
    assert (bound[:, :6] > 1 - 1e-3).all()
    assert (unbound < 1 - 1e-3).mean() > 0.5
    assert (bound[:, 6:] < 1 - 1e-3).mean() > 0.5


def test_a_machine_that_moved_is_told_at_its_level_of_today() -> None:
    shop = Shop(seed=3, made=40, new=100, rows=4000, moved=(1, 0.7, 0.2), own=0.05)
    predictor = train(shop.network, shop.products, shop.history, seed=1)
    missed = np.log(predictor.predict(shop.never_made).duration_min.mean) - shop.logs[shop.made :]
    assert missed[:, 1].mean() == pytest.approx(0.2, abs=0.06)
    assert np.abs(np.delete(missed, 1, axis=1).mean(axis=0)).max() < 0.06


def test_outside_of_what_was_measured_there_is_not_enough_evidence(shop: Shop, predictor: Predictor) -> None:
    def asked(**columns: float | str) -> ProductTable:
        one = shop.never_made.take(np.array([0]))
        numbers = {name: np.array([float(columns.get(name, values[0]))]) for name, values in one.numbers.items()}
        return replace(one, numbers=numbers, categories={"grade": (str(columns.get("grade", one.categories["grade"][0])),)})

    assert predictor.predict(asked()).supported.all()
    heavy = predictor.predict(asked(tonnage_t=90.0))
    assert (heavy.evidence == Evidence.FEATURE_OUTSIDE).all()
    assert heavy.about[0].startswith("tonnage_t 90 lies outside of ")
    assert (predictor.predict(asked(grade="S1100")).evidence == Evidence.NEW_CATEGORY).all()


def test_a_product_of_usual_numbers_that_never_came_together_is_far_from_all() -> None:
    tonnage = np.linspace(5.0, 30.0, 40)
    made = shop_products(np.zeros((40, 5)), "m")
    numbers = dict(made.numbers) | {"tonnage_t": tonnage, "plate_mm": tonnage + np.sin(7.0 * tonnage)}
    made = replace(made, numbers=numbers)
    basis = basis_of(made)
    support = support_of(basis, made)
    asked = replace(
        made.take(np.array([3, 4])),
        ids=("usual", "odd"),
        numbers={
            name: np.array([17.3, 8.0 if name == "tonnage_t" else 26.0]) if name in {"tonnage_t", "plate_mm"} else values[:2]
            for name, values in numbers.items()
        },
    )
    told = judged(support, basis, asked)
    assert [kind for kind, _ in told] == [Evidence.ENOUGH, Evidence.FAR_FROM_ALL]
    assert "no product like it was measured" in told[1][1]


def test_most_products_like_those_made_are_answered(shop: Shop, predictor: Predictor) -> None:
    assert predictor.predict(shop.never_made).supported.all(axis=1).mean() >= 0.9


def test_an_alternative_hardly_used_lacks_evidence_by_itself() -> None:
    shop = Shop(seed=11, scarce={0: 4, 7: 0})
    told = train(shop.network, shop.products, shop.history, seed=1).predict(shop.never_made)
    assert (told.evidence[:, [0, 7]] == Evidence.FEW_ROWS).all()
    assert told.count[[0, 7]].tolist() == [4, 0]
    assert told.supported[:, 1].mean() > 0.9


def test_draws_tell_what_the_bands_tell_and_move_together(shop: Shop, predictor: Predictor) -> None:
    told = predictor.predict(shop.never_made)
    draws = predictor.draw(shop.never_made, 400, seed=3)
    assert np.allclose(draws.duration_min.mean(axis=0) / told.duration_min.mean, 1.0, atol=0.12)
    assert np.allclose(draws.first_pass.mean(axis=0), told.first_pass.mean, atol=0.05)
    logs = np.log(draws.duration_min)
    assert np.corrcoef(logs[:, 0, 0], logs[:, 0, 1])[0, 1] > 0.5
    assert np.array_equal(draws.duration_min, predictor.draw(shop.never_made, 400, seed=3).duration_min)


def test_the_same_history_gives_the_same_predictor() -> None:
    shop = Shop(seed=2, made=20, rows=600)
    one, again = (train(shop.network, shop.products, shop.history, seed=1) for _ in range(2))
    assert one.version == again.version
    assert one.predict(shop.never_made).duration_min.high.tolist() == again.predict(shop.never_made).duration_min.high.tolist()
    assert train(shop.network, shop.products, shop.history.take(slice(0, 500)), seed=1).version != one.version


def test_one_product_s_answer_does_not_depend_on_which_others_are_asked(shop: Shop, predictor: Predictor) -> None:
    alone = predictor.predict(shop.never_made.take(np.array([5])))
    assert np.allclose(alone.duration_min.high[0], predictor.predict(shop.never_made).duration_min.high[5], rtol=1e-9)


def test_a_history_of_other_alternatives_is_refused(shop: Shop) -> None:
    with pytest.raises(Rejected, match="nothing to learn from"):
        train(shop.network, shop.products, empty_history(shop.products.ids, ("weld-0",)), seed=1)


def test_a_history_of_very_few_rows_is_learned_from_and_asks_for_more(shop: Shop) -> None:
    few = train(shop.network, shop.products, shop.history.take(slice(0, 3)), seed=1)
    told = few.predict(shop.never_made)
    assert not told.supported.any()


def test_a_predictor_comes_back_from_its_file(shop: Shop, predictor: Predictor, tmp_path: Path) -> None:
    save(predictor, tmp_path / "routes.npz")
    back = load(tmp_path / "routes.npz")
    assert back.version == predictor.version
    asked = shop.all.take(np.array([3, 70]))
    assert np.array_equal(back.predict(asked).duration_min.high, predictor.predict(asked).duration_min.high)
    assert np.array_equal(back.draw(asked, 5, seed=1).first_pass, predictor.draw(asked, 5, seed=1).first_pass)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_holds_no_predictor(predictor: Predictor, damage: str) -> None:
    content = predictor_bytes(predictor)
    damaged = {"cut": content[: len(content) // 2], "text": b"PK no zip", "empty": b""}[damage]
    with pytest.raises(Rejected, match="no predictor"):
        predictor_of(damaged)


@pytest.mark.parametrize(
    ("products", "numbers", "alternatives", "rows"), [(1, 2, 2, 50), (1, 2, 2, 1), (30, 0, 3, 300), (30, 3, 1, 300), (40, 14, 3, 600)]
)
def test_any_factory_can_be_learned_from(products: int, numbers: int, alternatives: int, rows: int) -> None:
    random = np.random.default_rng(2)
    features = tuple(FeatureDefinition(f"f{n}") for n in range(numbers))
    operation = Operation("o", "welding", tuple(Alternative(f"a{n}", "o", "unit") for n in range(alternatives)))
    network = ProcessNetwork("any", features, (operation,), Step("o"))
    columns = {feature.name: random.standard_normal(products) for feature in features}
    table = ProductTable(features, tuple(f"p{n}" for n in range(products)), ("one",) * products, columns, {})
    done = {
        "product": random.integers(0, products, rows),
        "alternative": random.integers(0, alternatives, rows),
        "started_us": np.full(rows, 1_760_000_000_000_000),
        "duration_min": np.exp(3 + 0.1 * random.standard_normal(rows)),
        "first_pass": np.ones(rows, bool),
        "wear": np.zeros(rows),
    }
    predictor = train(network, table, operation_history(table.ids, [a.id for a in operation.alternatives], done), seed=1)
    told = predictor.predict(table)
    assert told.duration_min.mean == pytest.approx(np.exp(3.0), rel=0.4 if rows == 1 else 0.2)
    assert (told.duration_min.low <= told.duration_min.mean).all()
    assert (told.first_pass.mean > 0.5).all()
    assert told.supported.any() == (products > 1)
