"""Nests: every part is laid or left with its reason, and what is cut breaks no rule, by code that shares no geometry with the search."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from optimizer.nesting.checking import nest_faults
from optimizer.nesting.nesting import Progress, nest
from plant.nests import (
    CuttingRules,
    Floats,
    LeftReason,
    Nest,
    NestPart,
    NestProblem,
    Shape,
    StockSheet,
    area_mm2,
    rectangle,
)
from simulators.plate_parts import plate_problem

_SHEET = StockSheet("S 3000x1500", 3000.0, 1500.0, 5)
_RULES = (CuttingRules(kerf_mm=2.0, gap_mm=8.0, margin_mm=10.0),)


def _gon(corners: int, radius_mm: float) -> Floats:
    angles = 2 * np.pi * np.arange(corners) / corners
    return radius_mm * np.column_stack([np.cos(angles), np.sin(angles)])


def _ring(outer_mm: float, inner_mm: float) -> Shape:
    return Shape(_gon(32, outer_mm), (_gon(32, inner_mm)[::-1].copy(),))


def _problem(*parts: NestPart, sheets: tuple[StockSheet, ...] = (_SHEET,), rules: tuple[CuttingRules, ...] = _RULES) -> NestProblem:
    return NestProblem("trial", parts, sheets, rules)


def _nested(problem: NestProblem, most_seconds: float = 30.0) -> Nest:
    """Return the first nest that has all parts, as soon as it is there."""
    told: list[Progress] = []
    return nest(problem, seconds=most_seconds, on_progress=told.append, stop=lambda: bool(told) and told[-1].laid == told[-1].asked)


def _laid(result: Nest) -> Counter[int]:
    """Return how many of each part are laid."""
    found: Counter[int] = Counter()
    for cut in result.sheets:
        for part in cut.placements.part:
            found[int(part)] += cut.copies
    return found


def test_parts_of_two_materials_lie_on_their_own_sheets_and_the_rest_of_a_sheet_goes_back() -> None:
    told: list[Progress] = []
    problem = _problem(
        NestPart("gusset", Shape(np.array([(0.0, 0.0), (400.0, 0.0), (0.0, 300.0)])), 8, material="S355", thickness_mm=8.0),
        NestPart("disc", Shape(_gon(24, 150.0)), 4, material="S690", thickness_mm=12.0),
        sheets=(
            StockSheet("A", 3000.0, 1500.0, 2, "S355", 8.0),
            StockSheet("B", 3000.0, 1500.0, 2, "S690", 12.0),
        ),
    )
    result = nest(problem, seconds=1.5, on_progress=told.append)
    assert nest_faults(problem, result) == []
    assert result.left == ()
    assert sorted(cut.sheet for cut in result.sheets) == [0, 1]
    assert all(sum(one.width_mm * one.height_mm for one in cut.remnants) > 0.5 * 3000 * 1500 for cut in result.sheets)
    assert told[-1].laid == told[-1].asked == 12


def test_small_parts_lie_in_the_holes_of_large_ones() -> None:
    problem = _problem(
        NestPart("ring", _ring(700.0, 600.0), 1),
        NestPart("disc", Shape(_gon(32, 250.0)), 1),
        sheets=(StockSheet("square", 1425.0, 1425.0, 1),),
    )
    result = _nested(problem)
    assert nest_faults(problem, result) == []
    assert _laid(result) == {0: 1, 1: 1}


def test_a_remnant_that_parts_fill_is_taken_before_a_whole_sheet_and_one_they_do_not_fill_is_left() -> None:
    parts = (NestPart("plate", rectangle(490.0, 390.0), 4),)
    fitting = StockSheet("rest 1", 1020.0, 820.0, 1, remnant=True)
    poor = StockSheet("rest 2", 900.0, 600.0, 1, remnant=True)
    problem = _problem(*parts, sheets=(_SHEET, poor, fitting), rules=(CuttingRules(gap_mm=8.0, margin_mm=10.0),))
    result = _nested(problem)
    assert nest_faults(problem, result) == []
    assert [problem.sheets[cut.sheet].name for cut in result.sheets] == ["rest 1"]


def test_where_stock_is_short_the_urgent_are_laid_and_each_that_is_left_has_its_reason() -> None:
    problem = _problem(
        NestPart("late", rectangle(1400.0, 700.0), 4, due_us=10),
        NestPart("soon", rectangle(1390.0, 700.0), 4, due_us=1),
        NestPart("first", rectangle(1380.0, 700.0), 2, priority=9),
        NestPart("mast", rectangle(3001.0, 200.0), 1),
        NestPart("bent", rectangle(300.0, 200.0), 1, grain_deg=0.0),
        NestPart("other", rectangle(300.0, 200.0), 1, material="S960"),
        sheets=(StockSheet("S", 3000.0, 1500.0, 2),),
    )
    result = nest(problem, seconds=1.0)
    assert nest_faults(problem, result) == []
    laid = _laid(result)
    assert laid[2] == 2
    assert laid[1] == 4
    assert {(left.part, left.reason) for left in result.left} == {
        (0, LeftReason.STOCK_USED_UP),
        (3, LeftReason.TOO_LARGE),
        (4, LeftReason.NO_GRAIN),
        (5, LeftReason.NO_SHEET),
    }


def test_what_must_lie_along_the_rolling_direction_does_on_a_sheet_that_was_rolled_across() -> None:
    problem = _problem(
        NestPart("shell", rectangle(1400.0, 400.0), 3, grain_deg=0.0),
        sheets=(StockSheet("across", 3000.0, 1500.0, 1, grain_deg=90.0),),
    )
    result = _nested(problem)
    assert nest_faults(problem, result) == []
    assert set(result.sheets[0].placements.rotation_deg % 180.0) == {90.0}


def test_a_part_as_large_as_the_sheet_lies_on_it() -> None:
    problem = _problem(NestPart("sheet", rectangle(3000.0, 1500.0), 2), rules=(CuttingRules(),))
    result = _nested(problem)
    assert nest_faults(problem, result) == []
    assert _laid(result) == {0: 2}


def test_equal_drawings_of_many_orders_are_cut_in_copies_and_the_order_due_first_comes_first() -> None:
    shape = Shape(np.array([(0.0, 0.0), (700.0, 0.0), (700.0, 90.0), (120.0, 450.0), (0.0, 450.0)]))
    orders = [NestPart("bracket", Shape(shape.outline.copy()), 60, order=f"EX-{day}", due_us=day) for day in (3, 1, 2)]
    problem = _problem(*orders, sheets=(StockSheet("S", 3000.0, 1500.0, 60),))
    result = _nested(problem)
    assert nest_faults(problem, result) == []
    assert result.left == ()
    assert max(cut.copies for cut in result.sheets) >= 3
    assert set(result.sheets[0].placements.part) == {1}


def test_a_stop_keeps_what_is_laid_and_says_what_is_not() -> None:
    told: list[Progress] = []
    problem = _problem(
        NestPart("seven corners", Shape(_gon(7, 100.0)), 400, rotations_deg=None), sheets=(StockSheet("S", 3000.0, 1500.0, 100),)
    )
    result = nest(problem, seconds=10.0, on_progress=told.append, stop=lambda: bool(told))
    assert nest_faults(problem, result) == []
    assert result.sheets
    assert sum(_laid(result).values()) + sum(left.quantity for left in result.left) == 400
    assert {left.reason for left in result.left} <= {LeftReason.STOPPED}


@pytest.mark.parametrize("parts", [(), (NestPart("plate", rectangle(300.0, 200.0), 2),)])
def test_without_parts_or_sheets_nothing_is_cut(parts: tuple[NestPart, ...]) -> None:
    result = nest(_problem(*parts, sheets=()), seconds=1.0)
    assert result.sheets == ()
    assert [left.reason for left in result.left] == [LeftReason.NO_SHEET] * len(parts)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_plates_of_four_factories_are_nested_without_a_fault(seed: int) -> None:
    problem = plate_problem(seed, 300)
    result = nest(problem, seconds=20.0, seed=seed)
    assert nest_faults(problem, result) == []
    asked = sum(area_mm2(part.shape) * part.quantity for part in problem.parts)
    left = sum(area_mm2(problem.parts[one.part].shape) * one.quantity for one in result.left)
    assert left < 0.02 * asked
