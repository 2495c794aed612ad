"""Parts of a strip as the search takes them well, and their places told for the parts as they were drawn."""

from __future__ import annotations

import numpy as np

from optimizer.nesting.checking import strip_faults
from optimizer.nesting.strip_shapes import brought_back, eased
from plant.nest_shapes import circle
from plant.nests import NestPart, PackedStrip, Placements, Shape, StripProblem, rectangle


def test_a_part_drawn_far_away_lies_where_one_near_the_origin_would() -> None:
    far = Shape(rectangle(20.0, 10.0).outline + np.array([1e6, -3e6]), (rectangle(4.0, 4.0).outline[::-1] + np.array([1e6 + 2, -3e6 + 2]),))
    problem = StripProblem("far", (NestPart("a", far, 2, rotations_deg=None),), 30.0)
    near, middles = eased(problem)
    assert near.parts[0].shape.outline.tolist() == [[-10, -5], [10, -5], [10, 5], [-10, 5]]
    assert near.parts[0].shape.holes[0].min(axis=0).tolist() == [-8, -3]
    packed = PackedStrip(30.0, Placements(np.zeros(2, np.int32), np.array([10.0, 25.0]), np.array([5.0, 10.0]), np.array([180.0, 90.0])))
    assert strip_faults(near, packed) == []
    assert strip_faults(problem, brought_back(packed, middles)) == []


def test_an_outline_of_many_corners_is_drawn_coarser_and_never_smaller() -> None:
    fine = np.linspace(0, 2 * np.pi, 5_000, endpoint=False)
    ring = 300 * np.column_stack((np.cos(fine), np.sin(fine)))
    problem = StripProblem("round", (NestPart("a", Shape(ring), 1), NestPart("b", Shape(circle(600.0)), 1)), 2_000.0)
    near, _ = eased(problem)
    coarse = near.parts[0].shape.outline
    assert 12 < len(coarse) < 400
    sides = (coarse + np.roll(coarse, -1, axis=0)) / 2
    assert np.linalg.norm(sides, axis=1).min() >= 300 * np.cos(np.pi / 5_000) - 1e-9
    assert np.linalg.norm(coarse, axis=1).max() < 300 * (1 + 2e-3)
    assert len(near.parts[1].shape.outline) == len(problem.parts[1].shape.outline)


def test_a_part_as_high_as_the_strip_is_left_as_it_is() -> None:
    fine = np.linspace(0, 2 * np.pi, 5_000, endpoint=False)
    problem = StripProblem("high", (NestPart("a", Shape(np.column_stack((np.cos(fine), np.sin(fine)))), 1),), 2.0)
    assert len(eased(problem)[0].parts[0].shape.outline) == 5_000
