"""A history is columns of equal length; parts are put together whatever their vocabularies; what cannot be is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plant.operation_history import NOT_TOLD, OperationHistory, concatenated, empty_history, operation_history, wrong_values

NOW = 1_790_000_000_000_000


def _history(products: tuple[str, ...] = ("A", "B"), orders: tuple[str, ...] = ("o1", "o2"), **more: Any) -> OperationHistory:
    columns = {
        "product": np.array([0, 1, 0]),
        "alternative": np.array([0, 1, 1]),
        "started_us": np.array([NOW, NOW + 1, NOW + 2]),
        "duration_min": np.array([10.0, 20.0, 30.0]),
        "first_pass": np.array([True, False, True]),
        "energy_kwh": np.array([1.0, np.nan, 3.0]),
        "order": np.array([0, 1, -1]),
    }
    return operation_history(products, ("x", "y"), columns | more, orders=orders)


def test_columns_that_are_missing_mean_not_measured_and_take_no_room() -> None:
    history = _history()
    assert np.isnan(history.wear).all()
    assert history.wear.strides == (0,)
    assert history.serial.tolist() == [NOT_TOLD] * 3
    assert not history.scrapped.any()
    assert len(history) == 3


def test_the_rows_of_one_alternative_are_given() -> None:
    history = _history()
    assert history.of("y").duration_min.tolist() == [20.0, 30.0]
    assert len(history.of("nothing")) == 0
    assert history.take(np.array([2, 0])).order.tolist() == [-1, 0]


def test_histories_with_different_vocabularies_are_put_together() -> None:
    joined = concatenated([_history(), _history(products=("B", "C"), orders=("o2", "o3"))])
    assert [joined.products[code] for code in joined.product] == ["A", "B", "A", "B", "C", "B"]
    assert [joined.orders[code] if code >= 0 else None for code in joined.order] == ["o1", "o2", None, "o2", "o3", None]
    assert len(concatenated([])) == 0


def test_bare_order_numbers_of_two_parts_stay_apart() -> None:
    assert concatenated([_history(orders=()), _history(orders=())]).order.tolist() == [0, 1, -1, 2, 3, -1]


def test_rows_get_the_codes_of_another_vocabulary_and_unknown_ones_are_left_out() -> None:
    told = _history().with_vocabularies(("C", "B"), ("y", "x"))
    assert (told.product.tolist(), told.alternative.tolist(), told.duration_min.tolist()) == ([1], [0], [20.0])


def test_parameters_go_with_their_rows() -> None:
    columns = {name: getattr(_history(), name) for name in ("product", "alternative", "started_us", "duration_min", "first_pass")}
    told = operation_history(("A", "B"), ("x", "y"), columns, parameters={"current_a": np.array([1.0, 2.0, 3.0])})
    assert told.take(np.array([True, False, True])).parameters["current_a"].tolist() == [1.0, 3.0]
    assert np.isnan(concatenated([told, _history()]).parameters["current_a"][3:]).all()


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("started_us", 0, "started_at"),
        ("duration_min", 0.0, "duration_min"),
        ("duration_min", np.nan, "duration_min"),
        ("energy_kwh", -1.0, "energy_kwh"),
        ("wear", np.inf, "wear"),
        ("propensity", 1.5, "propensity"),
        ("propensity", 0.0, "propensity"),
    ],
)
def test_what_cannot_be_is_found_by_row_and_column(column: str, value: float, named: str) -> None:
    good = _history()
    assert wrong_values(good) == {}
    changed: dict[str, Any] = {column: np.array(getattr(good, column))}
    changed[column][1] = value
    told = wrong_values(replace(good, **changed))
    assert list(told) == [named]
    assert told[named][0].tolist() == [False, True, False]


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="'duration_min' holds 1 operations"):
        _history(duration_min=np.array([1.0]))
    with pytest.raises(ValueError, match="'product' holds codes"):
        _history(product=np.array([0, 1, 2]))
    assert len(empty_history(("A",), ("x",))) == 0
