"""Filling: what is free between large parts, and their holes, takes small ones, and nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.nesting import regions
from optimizer.nesting.filling import Piece, Room, fill
from optimizer.nesting.holes import guests
from plant.nests import Shape, rectangle

_QUARTERS = (0.0, 90.0, 180.0, 270.0)
_FRAME = Shape(rectangle(600.0, 600.0).outline, (np.array([(100.0, 100.0), (100.0, 500.0), (500.0, 500.0), (500.0, 100.0)]),))


def _piece(row: int, shape: Shape, angles: tuple[float, ...] = _QUARTERS, distance_mm: float = 0.0) -> Piece:
    return Piece(row, regions.grown_polygon(shape, distance_mm / 2), angles)


def test_plates_that_fill_a_place_exactly_all_find_room() -> None:
    free = [regions.polygon_of(rectangle(1200.0, 800.0))]
    placements = fill(free, [_piece(0, rectangle(400.0, 400.0)), _piece(1, rectangle(800.0, 400.0))], [2, 2], float("inf"))
    assert sorted(placements.part.tolist()) == [0, 0, 1, 1]
    polygons = regions.laid([rectangle(400.0, 400.0), rectangle(800.0, 400.0)], placements)
    assert len(regions.too_near(polygons, 0.0)) == 0
    assert not regions.sticking_out(polygons, (0.0, 0.0, 1200.0, 800.0)).any()


def test_two_triangles_lie_in_the_place_of_a_square() -> None:
    triangle = Shape(np.array([(0.0, 0.0), (300.0, 0.0), (0.0, 300.0)]))
    placements = fill([regions.polygon_of(rectangle(300.0, 300.0))], [_piece(0, triangle)], [3], float("inf"))
    assert len(placements.part) == 2
    assert abs(placements.rotation_deg[0] - placements.rotation_deg[1]) % 360.0 == pytest.approx(180.0)


def test_a_place_takes_nothing_that_is_larger_or_may_not_be_turned_so() -> None:
    free = [regions.polygon_of(rectangle(300.0, 100.0))]
    assert len(fill(free, [_piece(0, rectangle(101.0, 101.0)), _piece(1, rectangle(100.0, 300.0), (0.0,))], [1, 1], float("inf")).part) == 0
    assert len(fill(free, [_piece(1, rectangle(100.0, 300.0))], [1], float("inf")).part) == 1


def test_holes_take_what_fits_with_its_distance_and_no_more() -> None:
    pieces = [_piece(0, _FRAME, distance_mm=10.0), _piece(1, rectangle(380.0, 185.0), distance_mm=10.0)]
    assert guests(pieces, np.array([1, 5])).tolist() == [0, 2]
    assert guests(pieces, np.array([2, 3])).tolist() == [0, 3]
    assert guests([pieces[0], _piece(1, rectangle(381.0, 185.0), distance_mm=10.0)], np.array([1, 5])).tolist() == [0, 0]


def test_a_room_is_wider_by_half_the_distance_on_each_side_for_parts_that_have_it_round_them() -> None:
    assert Room(10.0, 10.0, 980.0, 480.0, 8.0).grown == (6.0, 6.0, 994.0, 494.0)
