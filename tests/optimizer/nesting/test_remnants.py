"""Remnants: the largest free rectangles go back, none that is too small, and none that a part or its distance touches."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.nesting.remnants import largest_free, remnants_of
from plant.nests import CuttingRules, Rectangle, StockSheet

_SHEET = StockSheet("S", 3000.0, 1500.0, 1)


def test_an_empty_sheet_goes_back_whole() -> None:
    assert remnants_of(_SHEET, CuttingRules(), np.zeros((0, 4))) == (Rectangle(0.0, 0.0, 3000.0, 1500.0),)


def test_beside_and_above_a_part_two_rectangles_go_back_and_keep_the_distance() -> None:
    found = remnants_of(_SHEET, CuttingRules(gap_mm=10.0), np.array([(20.0, 20.0, 1020.0, 520.0)]))
    assert found == (Rectangle(1030.0, 0.0, 1970.0, 1500.0), Rectangle(0.0, 530.0, 1030.0, 970.0))


def test_what_is_smaller_than_worth_its_place_does_not_go_back() -> None:
    boxes = np.array([(0.0, 0.0, 2800.0, 1500.0)])
    assert remnants_of(_SHEET, CuttingRules(least_remnant_mm=(300.0, 300.0)), boxes) == ()
    assert remnants_of(_SHEET, CuttingRules(least_remnant_mm=(300.0, 150.0)), boxes) == (Rectangle(2800.0, 0.0, 200.0, 1500.0),)


@pytest.mark.parametrize("seed", range(5))
def test_no_larger_rectangle_is_free_on_a_grid(seed: int) -> None:
    draws = np.random.default_rng(seed)
    corners = draws.integers(0, 10, (6, 2))
    boxes = np.hstack([corners, corners + draws.integers(1, 4, (6, 2))]).astype(float)
    free = np.ones((12, 12), bool)
    for left, bottom, right, top in boxes.astype(int):
        free[left:right, bottom:top] = False
    every = [
        (x1 - x0) * (y1 - y0)
        for x0 in range(12)
        for x1 in range(x0 + 1, 13)
        for y0 in range(12)
        for y1 in range(y0 + 1, 13)
        if free[x0:x1, y0:y1].all()
    ]
    found = largest_free(12.0, 12.0, boxes, 1.0)
    assert found is not None
    assert found.width_mm * found.height_mm == max(every)
