"""Rectangles on sheets: what the cut needs is kept to the hundredth, what is asked for is laid, and little plate is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizer.nesting.checking import nest_faults
from optimizer.nesting.rectangle_columns import copies, prices
from optimizer.nesting.rectangle_laying import two_stages
from optimizer.nesting.rectangles import fill_rectangle, is_rectangle, nest_rectangles
from plant.nest_figures import utilisation
from plant.nests import CuttingRules, LeftReason, NestPart, NestProblem, Shape, StockSheet, rectangle
from simulators.plate_parts import RULES, plate_parts, plate_stock

SHEET = StockSheet("sheet", 6_000, 2_000, 9, grain_deg=0.0)


def asked(*parts: NestPart, sheets: tuple[StockSheet, ...] = (SHEET,), rules: CuttingRules | None = None) -> NestProblem:
    return NestProblem("asked", parts, sheets, (rules or CuttingRules(),))


def laid(problem: NestProblem, seconds: float = 0.2, seed: int = 1) -> float:
    """Return which part of the plates that were cut, less what goes back, becomes parts; all are laid, and no rule is broken."""
    nest = nest_rectangles(problem, seconds=seconds, seed=seed)
    assert nest_faults(problem, nest) == []
    assert not nest.left
    return utilisation(problem, nest).credited


def test_kerf_and_margin_are_kept_to_the_hundredth_of_a_millimetre() -> None:
    rules = CuttingRules(kerf_mm=3, gap_mm=8, margin_mm=10)
    exact = NestPart("exact", rectangle((2_000 - 20 - 8) / 2, (1_000 - 20 - 16) / 3), 6, rotations_deg=(0.0,))
    sheet = StockSheet("sheet", 2_000, 1_000, 2)
    nest = nest_rectangles(asked(exact, sheets=(sheet,), rules=rules), seconds=0.0)
    assert [cut.copies for cut in nest.sheets] == [1]
    assert nest_faults(asked(exact, sheets=(sheet,), rules=rules), nest) == []
    wider = replace(exact, shape=rectangle((2_000 - 20 - 8) / 2 + 0.01, (1_000 - 20 - 16) / 3))
    assert sum(cut.copies for cut in nest_rectangles(asked(wider, sheets=(sheet,), rules=rules), seconds=0.0).sheets) == 2


def test_a_part_as_large_as_the_sheet_less_its_margins_fits_and_a_larger_one_is_told() -> None:
    rules = CuttingRules(gap_mm=6, margin_mm=8)
    whole = NestPart("whole", rectangle(5_984, 1_984), 2)
    over = NestPart("over", rectangle(5_984.01, 1_984), 1)
    nest = nest_rectangles(asked(whole, over, rules=rules), seconds=0.0)
    assert nest_faults(asked(whole, over, rules=rules), nest) == []
    assert [(one.part, one.quantity, one.reason) for one in nest.left] == [(1, 1, LeftReason.TOO_LARGE)]


def test_sheets_cut_up_by_guillotine_cuts_are_put_together_nearly_without_loss() -> None:
    sizes = [(2_500, 800), (3_500, 800), (1_500, 1_200), (1_500, 700), (1_500, 500), (3_000, 1_200)]
    parts = [NestPart(f"{wide} x {high}", rectangle(wide, high), 4) for wide, high in sizes]
    assert laid(asked(*parts), seconds=1.0) == pytest.approx(1.0)


def test_some_hundreds_of_rectangles_of_sixty_kinds_lie_well_at_once() -> None:
    draws = np.random.default_rng(3)
    parts = [
        NestPart(f"kind {row}", rectangle(round(draws.triangular(80, 300, 2_000)), round(draws.triangular(60, 200, 800))), 5)
        for row in range(60)
    ]
    assert laid(asked(*parts, sheets=(StockSheet("sheet", 12_000, 2_500, 60),), rules=CuttingRules(3, 8, 10)), seconds=0.0) > 0.92


def test_more_time_never_gives_more_waste() -> None:
    draws = np.random.default_rng(4)
    parts = [NestPart(f"one {row}", rectangle(*np.round(draws.uniform(100, 1_200, 2), 1)), 2) for row in range(40)]
    first, later = (laid(asked(*parts), seconds=seconds) for seconds in (0.0, 1.0))
    assert later >= first


def test_parts_of_a_plant_lie_on_remnants_and_sheets_with_their_grain_kept() -> None:
    parts = tuple(part for part in plate_parts(5, 400, plates=[("S690QL", 10.0)]) if is_rectangle(part))
    assert any(part.grain_deg is not None for part in parts)
    problem = NestProblem("plant", parts, plate_stock(5, parts, cover=2.0), RULES)
    nest = nest_rectangles(problem, seconds=0.3)
    assert nest_faults(problem, nest) == []
    assert not nest.left


def test_a_drawing_that_does_not_begin_at_its_corner_is_laid_where_it_is_said() -> None:
    ring = np.array([(100.0, -50.0), (900.0, -50.0), (900.0, 150.0), (100.0, 150.0)])
    hole = np.array([(300.0, 0.0), (300.0, 100.0), (400.0, 100.0), (400.0, 0.0)])
    problem = asked(NestPart("away", Shape(ring, (hole,)), 30, rotations_deg=(180.0, 90.0)), rules=CuttingRules(2, 5, 10))
    nest = nest_rectangles(problem, seconds=0.2)
    assert nest_faults(problem, nest) == []
    assert not nest.left


def test_what_minds_the_grain_lies_on_no_sheet_whose_rolling_direction_nobody_knows() -> None:
    part = NestPart("bent", rectangle(500, 300), 3, grain_deg=0.0)
    unknown = replace(SHEET, grain_deg=None)
    assert [one.reason for one in nest_rectangles(asked(part, sheets=(unknown,)), seconds=0.0).left] == [LeftReason.NO_GRAIN]
    across = replace(SHEET, grain_deg=90.0)
    nest = nest_rectangles(asked(part, sheets=(unknown, across)), seconds=0.0)
    assert [cut.sheet for cut in nest.sheets] == [1]
    assert set(nest.sheets[0].placements.rotation_deg.tolist()) <= {90.0, 270.0}


def test_where_stock_is_short_what_is_urgent_is_laid() -> None:
    slow = NestPart("slow", rectangle(1_000, 500), 30, due_us=9)
    urgent = NestPart("urgent", rectangle(900, 400), 20, due_us=1, priority=9)
    problem = asked(slow, urgent, sheets=(replace(SHEET, quantity=1),))
    nest = nest_rectangles(problem, seconds=0.3)
    assert nest_faults(problem, nest) == []
    assert {(one.part, one.reason) for one in nest.left} == {(0, LeftReason.STOCK_USED_UP)}


def test_a_remnant_is_taken_before_a_whole_sheet() -> None:
    part = NestPart("small", rectangle(480, 480), 4)
    remnant = StockSheet("remnant", 1_000, 1_000, 1, remnant=True)
    nest = nest_rectangles(asked(part, sheets=(SHEET, remnant)), seconds=0.2)
    assert [cut.sheet for cut in nest.sheets] == [1]


def test_equal_sheets_are_said_once_with_their_copies_and_the_parts_of_each_order_stay_theirs() -> None:
    parts = [NestPart("door", rectangle(1_000, 1_000), 24, order=order) for order in ("one", "two")]
    problem = asked(*parts)
    nest = nest_rectangles(problem, seconds=0.2)
    assert nest_faults(problem, nest) == []
    assert sorted(cut.copies for cut in nest.sheets) == [2, 2]


def test_who_stops_it_gets_what_is_laid_and_is_told_what_is_not() -> None:
    looks = iter([False, False] + [True] * 1_000)
    problem = asked(NestPart("part", rectangle(1_990, 1_990), 27))
    nest = nest_rectangles(problem, seconds=60.0, stop=lambda: next(looks))
    assert nest_faults(problem, nest) == []
    assert nest.sheets
    assert {one.reason for one in nest.left} == {LeftReason.STOPPED}


def test_the_same_seed_lays_the_same() -> None:
    draws = np.random.default_rng(6)
    parts = [NestPart(f"one {row}", rectangle(*np.round(draws.uniform(100, 900, 2))), 3) for row in range(30)]
    first, again = (nest_rectangles(asked(*parts), seconds=0.0, seed=8) for _ in range(2))
    assert [cut.placements.part.tolist() for cut in first.sheets] == [cut.placements.part.tolist() for cut in again.sheets]


def test_what_is_no_rectangle_or_of_two_plates_is_refused() -> None:
    triangle = NestPart("triangle", Shape(np.array([(0.0, 0.0), (100.0, 0.0), (0.0, 100.0)])), 1)
    assert not is_rectangle(triangle)
    assert not is_rectangle(NestPart("askew", rectangle(100, 50), 1, rotations_deg=(0.0, 45.0)))
    with pytest.raises(ValueError, match="triangle is no rectangle"):
        nest_rectangles(asked(triangle), seconds=0.0)
    with pytest.raises(ValueError, match="one material and thickness"):
        nest_rectangles(asked(NestPart("thick", rectangle(100, 50), 1, thickness_mm=20.0)), seconds=0.0)


def test_a_free_place_is_filled_to_its_edges() -> None:
    sizes = np.array([(400.0, 300.0), (200.0, 300.0), (600.0, 200.0)])
    placements = fill_rectangle(600.0, 500.0, sizes, [1, 1, 1])
    assert sorted(placements.part.tolist()) == [0, 1, 2]
    assert fill_rectangle(100.0, 100.0, sizes, [5, 5, 5]).part.size == 0


def test_two_stages_of_cuts_find_the_most_valuable_layout_of_a_known_sheet() -> None:
    # three strips of two 50 x 30 and, of the 10 mm that stay, ten of 10 x 10, worth less for their area, fill 100 x 100
    sizes = np.array([(10, 10, 1, 0), (50, 30, 0, 0)], np.int64)
    rows = np.zeros((40, 4))
    count, value = two_stages(100, 100, sizes, np.array([1_500.0, 90.0]), rows)
    assert value == pytest.approx(9_900.0)
    assert np.bincount(rows[:count, 0].astype(int)).tolist() == [6, 10]


def test_prices_and_whole_copies_are_those_of_a_cutting_stock_problem_solved_by_hand() -> None:
    # of one sheet: two of the first kind, or three of the second, or one of each
    holds = np.array([(2, 0), (0, 3), (1, 1)], np.int64)
    costs, plates, stock = np.ones(3), np.zeros(3, np.int64), np.array([9], np.int64)
    wanted = np.array([3, 4], np.int64)
    found = prices(holds, costs, plates, stock, wanted)
    assert found is not None
    assert float(found @ wanted) == pytest.approx(3 / 2 + 4 / 3)
    often = copies(holds, costs, plates, stock, wanted, 5.0)
    assert often is not None
    assert int(often.sum()) == 3
    assert (often @ holds >= wanted).all()
    assert copies(holds, costs, plates, np.array([2], np.int64), wanted, 5.0) is None
