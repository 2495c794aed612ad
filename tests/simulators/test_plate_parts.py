"""Plate parts of four factories: sound shapes in honest variety, orders that add up, stock that they fit."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from plant.nests import area_mm2, ring_area, rotations_on
from simulators.plate_parts import FACTORIES, MONDAY_US, PLATES, RULES, plate_parts, plate_problem, plate_stock

WEEK_US = 7 * 86_400_000_000


@pytest.mark.parametrize("count", [1, 200, 5_000])
def test_as_many_parts_are_ordered_as_were_asked_for(count: int) -> None:
    assert sum(part.quantity for part in plate_parts(1, count)) == count


def test_the_same_seed_orders_the_same_and_another_one_other_parts() -> None:
    first, again, other = (plate_parts(seed, 300) for seed in (4, 4, 5))
    assert [(one.name, one.order, one.quantity) for one in first] == [(one.name, one.order, one.quantity) for one in again]
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.shape.outline, same.shape.outline)
    assert [(one.name, one.quantity) for one in first] != [(one.name, one.quantity) for one in other]


def test_every_drawing_is_a_sound_region_whose_rings_turn_as_they_should() -> None:
    for seed in range(3):
        for part in plate_parts(seed, 4_000):
            region = shapely.Polygon(part.shape.outline, part.shape.holes)
            assert region.is_valid, part.name
            assert ring_area(part.shape.outline) > 0, part.name
            assert all(ring_area(hole) < 0 for hole in part.shape.holes), part.name
            assert region.area == pytest.approx(area_mm2(part.shape)), part.name


def test_all_four_factories_order_rectangles_and_others_with_holes_and_with_a_grain() -> None:
    parts = plate_parts(2, 4_000)
    assert {part.factory for part in parts} == set(FACTORIES)
    assert {(part.material, part.thickness_mm) for part in parts} <= set(PLATES)
    rectangles = sum(part.quantity for part in parts if len(part.shape.outline) == 4)
    assert 0.1 < rectangles / 4_000 < 0.5
    assert any(part.shape.holes for part in parts)
    assert any(part.grain_deg is not None for part in parts)


def test_orders_are_due_on_working_days_within_their_weeks() -> None:
    due = np.array([part.due_us for part in plate_parts(3, 2_000, weeks=2)], np.int64)
    assert due.min() >= MONDAY_US
    assert due.max() < MONDAY_US + 2 * WEEK_US
    assert ((due - MONDAY_US) // 86_400_000_000 % 7 < 5).all()
    assert (due > MONDAY_US + WEEK_US).any()


def test_a_nester_may_ask_for_parts_of_some_plates_only() -> None:
    plates = (("S690QL", 10.0),)
    assert {(part.material, part.thickness_mm) for part in plate_parts(6, 200, plates=plates)} == set(plates)
    with pytest.raises(ValueError, match="no factory orders"):
        plate_parts(6, 200, plates=[("S355J2", 99.0)])


def test_stock_covers_the_area_of_each_plate_and_its_longest_part_fits_a_sheet() -> None:
    problem = plate_problem(7, 3_000)
    assert problem.rules == RULES
    for plate in {(part.material, part.thickness_mm) for part in problem.parts}:
        parts = [part for part in problem.parts if (part.material, part.thickness_mm) == plate]
        sheets = [sheet for sheet in problem.sheets if (sheet.material, sheet.thickness_mm) == plate]
        ordered = sum(part.quantity * area_mm2(part.shape) for part in parts)
        assert sum(sheet.quantity * sheet.width_mm * sheet.height_mm for sheet in sheets if not sheet.remnant) >= 1.5 * ordered
        whole = [sheet for sheet in sheets if not sheet.remnant]
        for part in parts:
            wide, high = np.ptp(part.shape.outline, axis=0)
            ways = rotations_on(part, 0.0)
            lying = [(wide, high)] if ways is not None and 90.0 not in ways else [(wide, high), (high, wide)]
            assert any(w <= one.width_mm - 24 and h <= one.height_mm - 24 for w, h in lying for one in whole), part.name


def test_remnants_are_single_pieces_smaller_than_a_sheet() -> None:
    stock = plate_stock(8, plate_parts(8, 3_000))
    remnants = [sheet for sheet in stock if sheet.remnant]
    assert remnants
    assert all(sheet.quantity == 1 and sheet.width_mm <= 4_000 and sheet.height_mm <= 2_000 for sheet in remnants)
