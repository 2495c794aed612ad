"""Outlines of thousands of corners are packed as outlines of few that enclose them."""

from __future__ import annotations

import numpy as np

from optimizer.nesting.strip_shapes import with_fewer_corners
from plant.nest_shapes import circle
from plant.nests import NestPart, Shape, StripProblem

_FINE = np.linspace(0, 2 * np.pi, 5_000, endpoint=False)
_ROUND = np.column_stack((np.cos(_FINE), np.sin(_FINE)))


def test_an_outline_of_many_corners_is_drawn_coarser_and_never_smaller() -> None:
    problem = StripProblem("round", (NestPart("a", Shape(300 * _ROUND), 1), NestPart("b", Shape(circle(600.0)), 1)), 2_000.0)
    coarse = with_fewer_corners(problem).parts[0].shape.outline
    assert 12 < len(coarse) < 400
    sides = (coarse + np.roll(coarse, -1, axis=0)) / 2
    assert np.linalg.norm(sides, axis=1).min() >= 300 * np.cos(np.pi / 5_000) - 1e-9
    assert np.linalg.norm(coarse, axis=1).max() < 300 * (1 + 2e-3)
    assert with_fewer_corners(problem).parts[1] is problem.parts[1]


def test_a_part_as_high_as_the_strip_is_left_as_it_is() -> None:
    problem = StripProblem("high", (NestPart("a", Shape(_ROUND), 1),), 2.0)
    assert with_fewer_corners(problem).parts == problem.parts
